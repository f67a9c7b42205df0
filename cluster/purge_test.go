package cluster_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"clusterctl/cluster"
)

// shared are files in /etc/pve that name n3, and what is left of them without it.
var shared = []struct{ name, with, without string }{
	{"storage.cfg", "# ours\ndir: local\n\tpath /var/lib/vz\n\tcontent iso\n\nzfspool: tank\n\tpool tank\n\tnodes\tn1,n3,n2\n\nlvm: own\n\tvgname vg\n\tnodes n3\n\n\nnfs: odd\n\tnodes n1 n3\n",
		"# ours\ndir: local\n\tpath /var/lib/vz\n\tcontent iso\n\nzfspool: tank\n\tpool tank\n\tnodes\tn1,n2\n\nlvm: own\n\tvgname vg\n\tnodes n3\n\n\nnfs: odd\n\tnodes n1 n3\n"},
	{"replication.cfg", "local: 100-0\n\ttarget n3\n\tschedule */15\n\nlocal: 100-1\n\ttarget n2\n\tsource n3\n", "local: 100-1\n\ttarget n2\n\tsource n3\n"},
	{"ha/groups.cfg", "group: all\n\tnodes n1:2,n3:1,n33\n\tnofailback 0\n", "group: all\n\tnodes n1:2,n33\n\tnofailback 0\n"},
	{"ha/rules.cfg", "node-affinity: near\r\n\tnodes n3:1,n2\r\n\tresources vm:100", "node-affinity: near\r\n\tnodes n2\r\n\tresources vm:100"},
	{"ha/resources.cfg", "vm: 100\n\tgroup all\n\tcomment on n3\n", "vm: 100\n\tgroup all\n\tcomment on n3\n"},
	{"jobs.cfg", "vzdump: nightly\n\tnode n3\n", "vzdump: nightly\n\tnode n3\n"},
	{"priv/known_hosts", "n1 ssh-rsa K1\nn3 ssh-rsa K3\n10.0.0.3 ssh-rsa K3\n10.0.0.1 ssh-rsa K1\n# n3 ssh-rsa K3\n|1|a=|b= ssh-rsa K3", "n1 ssh-rsa K1\n10.0.0.1 ssh-rsa K1\n# n3 ssh-rsa K3\n|1|a=|b= ssh-rsa K3"},
	{"priv/authorized_keys", "ssh-rsa A1 root@n1\nssh-rsa A3 root@n3\nssh-rsa A4 me@n3\nfrom=\"n1\" ssh-rsa A5 root@n3\n", "ssh-rsa A1 root@n1\nssh-rsa A4 me@n3\nfrom=\"n1\" ssh-rsa A5 root@n3\n"},
	{"nodes/n3/pve-ssl.pem", "a certificate", ""},
	{"nodes/n1/pve-ssl.pem", "another", "another"},
	{"nodes/n1/qemu-server/101.conf", "cores: 1", "cores: 1"},
}

// left is a cluster whose /etc/pve names n3 where it can.
func left(t *testing.T) *world {
	w := virtual(t, 4, 4)
	for _, f := range shared {
		w.Machine("n1").SetShared(f.name, f.with)
	}
	return w
}

func leftovers(ps cluster.Problems) []string {
	var all []string
	for _, p := range ps {
		if p.Code == cluster.CodeLeftover {
			all = append(all, p.Message+"; "+p.Remedy)
		}
	}
	return all
}

// What is about the node alone goes, and is kept; the rest of each file stays as
// it is, byte for byte.
func TestPurgeRemovesWhatNamesTheNode(t *testing.T) {
	w := left(t)
	p, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3"}, Purge: true}, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"the job nightly is for it alone; give it another node in Datacenter, Backup, or remove it there",
		"/etc/pve/priv/authorized_keys has 1 line with options that may be its; see what it is for, and edit /etc/pve/priv/authorized_keys",
		"/etc/pve/priv/known_hosts has 1 line with its key and a hashed name; take out what is its: ssh-keygen -f /etc/pve/priv/known_hosts -R n3, and -R with each of its addresses",
		"the storage own is for it alone; pvesm remove own, if nothing needs it",
		"the storage odd names it (nodes n1 n3); edit /etc/pve/storage.cfg",
	}
	if diff := cmp.Diff(want, leftovers(p.Notes)); diff != "" {
		t.Errorf("what stays (-want +got):\n%s", diff)
	}
	w.goes(t, p, nil)
	for _, f := range shared {
		if got := w.Machine("n2").Shared(f.name); got != f.without {
			t.Errorf("%s (-want +got):\n%s", f.name, cmp.Diff(f.without, got))
		}
		if f.with == f.without {
			continue
		}
		kept := w.Machine("n1").Shared(f.name + ".bak")
		if name, ok := strings.CutPrefix(f.name, "nodes/"); ok {
			kept = w.Machine("n1").Purged(name)
		}
		if kept != f.with {
			t.Errorf("%s is not kept: %q", f.name, kept)
		}
	}
}

// What is removed for a node that is out for good is not followed by taking it back.
func TestANodeThatIsPurgedIsOut(t *testing.T) {
	for name, rotated := range map[string][]byte{"keeping the key": nil, "with another key": newKey} {
		t.Run(name, func(t *testing.T) {
			w := left(t)
			p, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3"}, Purge: true, NewKey: rotated}, w.view(t))
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(p.Steps, func(s cluster.Step) bool { return s.ID == "purge" })
			if at < 1 || p.Steps[at-1].Stands != "n3 is out of the cluster" {
				t.Errorf("it stands before none of %+v", p.Steps[max(at, 0):])
			}
		})
	}
}

// A node that left is known by any file that names it, also without its directory.
func TestPurgeFindsANodeByWhatNamesIt(t *testing.T) {
	const text = "zfspool: tank\n\tnodes n1,n9\n"
	w := virtual(t, 3, 3)
	w.Machine("n1").SetShared("storage.cfg", text)
	p, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n9"}, Purge: true}, w.view(t))
	w.goes(t, p, err)
	if got := w.Machine("n2").Shared("storage.cfg"); got != "zfspool: tank\n\tnodes n1\n" {
		t.Errorf("%q", got)
	}
}

// Without --purge all of it is told, with what removes it, and stays.
func TestWhatANodeLeavesIsTold(t *testing.T) {
	w := left(t)
	p, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3"}}, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/etc/pve/nodes/n3 stays, so that Proxmox VE goes on showing the node; clusterctl delnode --purge n3",
		"the HA group all names it; ha-manager groupset all --nodes n1:2,n33",
		"the HA rule near names it; ha-manager rules set node-affinity near --nodes n2",
		"the job nightly is for it alone; give it another node in Datacenter, Backup, or remove it there",
		"/etc/pve/priv/authorized_keys has 1 line with options that may be its; see what it is for, and edit /etc/pve/priv/authorized_keys",
		"/etc/pve/priv/authorized_keys has 1 line of it; take the line of n3 out of /etc/pve/priv/authorized_keys",
		"/etc/pve/priv/known_hosts has 1 line with its key and a hashed name; take out what is its: ssh-keygen -f /etc/pve/priv/known_hosts -R n3, and -R with each of its addresses",
		"/etc/pve/priv/known_hosts has 2 lines of it; take the lines of n3 out of /etc/pve/priv/known_hosts",
		"the replication job 100-0 sends to it; pvesr delete 100-0 --force",
		"the storage tank names it; pvesm set tank --nodes n1,n2",
		"the storage own is for it alone; pvesm remove own, if nothing needs it",
		"the storage odd names it (nodes n1 n3); edit /etc/pve/storage.cfg",
	}
	if diff := cmp.Diff(want, leftovers(p.Notes)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.goes(t, p, nil)
	for _, f := range shared {
		if got := w.Machine("n1").Shared(f.name); got != f.with {
			t.Errorf("%s: %q", f.name, got)
		}
	}
}

// The configuration of guests is never removed, and with it the directory stays.
func TestPurgeLeavesGuestsAlone(t *testing.T) {
	w := left(t)
	const vm, ct = "nodes/n3/qemu-server/100.conf", "nodes/n3/lxc/200.conf"
	w.Machine("n1").SetShared(vm, "cores: 2")
	w.Machine("n1").SetShared(ct, "cores: 4")
	p, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3"}, Purge: true}, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"the configuration of its guest 100 stays in /etc/pve/nodes/n3, and HA has it as vm:100; when it runs there for certain no more, and its disks can be reached elsewhere: mv /etc/pve/nodes/n3/qemu-server/100.conf /etc/pve/nodes/n1/qemu-server/",
		"the configuration of its guest 200 stays in /etc/pve/nodes/n3; when it runs there for certain no more, and its disks can be reached elsewhere: mv /etc/pve/nodes/n3/lxc/200.conf /etc/pve/nodes/n1/lxc/",
	} {
		if all := leftovers(p.Notes); !slices.Contains(all, text) {
			t.Errorf("no\n%s\namong\n%s", text, strings.Join(all, "\n"))
		}
	}
	w.goes(t, p, nil)
	for _, name := range []string{vm, ct, "nodes/n3/pve-ssl.pem"} {
		if w.Machine("n1").Shared(name) == "" {
			t.Errorf("%s is gone", name)
		}
	}
	w.Machine("n1").SetShared(vm, "") // moved
	w.Machine("n1").SetShared(ct, "")
	p, err = cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3"}, Purge: true}, w.view(t))
	w.goes(t, p, err)
	if got := w.Machine("n2").Shared("nodes/n3/pve-ssl.pem"); got != "" {
		t.Errorf("it is still there: %q", got)
	}
}

// What is no guest's configuration, and is where these are, stays all the same.
func TestPurgeLeavesWhatIsBesideGuests(t *testing.T) {
	w := left(t)
	const odd = "nodes/n3/qemu-server/105.conf.tmp.77"
	w.Machine("n1").SetShared(odd, "cores: 2")
	p, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3"}, Purge: true}, w.view(t))
	w.goes(t, p, err)
	told := strings.Join(leftovers(p.Notes), "\n")
	if !strings.Contains(told, "qemu-server/105.conf.tmp.77 stays in /etc/pve/nodes/n3") || !strings.Contains(told, "as long as such files are in it") {
		t.Errorf("told\n%s", told)
	}
	if w.Machine("n1").Shared(odd) == "" || w.Machine("n1").Shared("nodes/n3/pve-ssl.pem") == "" {
		t.Error("it is gone")
	}
	p, err = cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3"}, Purge: true}, w.view(t))
	if err != nil || len(p.Steps) > 0 {
		t.Errorf("nothing is left to remove: %v, %v", p, err)
	}
}

// leaves has n3 leave, and plans to purge what is left of it then.
func (w *world) leaves(t *testing.T) (cluster.DeleteSpec, *cluster.Plan) {
	t.Helper()
	p, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3"}}, w.view(t))
	w.goes(t, p, err)
	spec := cluster.DeleteSpec{Nodes: []string{"n3"}, Purge: true}
	if p, err = cluster.PlanDelete(spec, w.view(t)); err != nil {
		t.Fatal(err)
	}
	return spec, p
}

// What fails says what stands, and the rest is as it was.
func TestPurgeOfANodeThatLeftFails(t *testing.T) {
	w := left(t)
	spec, p := w.leaves(t)
	w.Machine("n1").SetShared("storage.cfg", "dir: other\n")
	if err := w.carryOut(t, p); err == nil || cluster.Stood(err) != "" {
		t.Errorf("got %v, and %q stands", err, cluster.Stood(err))
	}
	if got := w.Machine("n1").Shared("jobs.cfg") + w.Machine("n1").Shared("ha/groups.cfg"); !strings.Contains(got, "n3:1") {
		t.Errorf("it is not taken back:\n%s", got)
	}
	p, err := cluster.PlanDelete(spec, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	w.Machine("n1").SetShared("nodes/n3/lxc/200.conf", "cores: 4")
	if err := w.carryOut(t, p); err == nil || cluster.Stood(err) != "files in /etc/pve no longer name n3" {
		t.Errorf("got %v, and %q stands", err, cluster.Stood(err))
	}
	if got := w.Machine("n1").Shared("ha/groups.cfg"); strings.Contains(got, "n3:1") {
		t.Errorf("it does not stand:\n%s", got)
	}
}

// What is put back when it fails is not called final, and what is not, is. Once
// nothing is left, the node is as unknown as any other.
func TestPurgeOfANodeThatLeftSaysWhatIsFinal(t *testing.T) {
	w := left(t)
	w.Machine("n1").SetShared("storage.cfg", "")
	w.Machine("n1").SetShared("jobs.cfg", "")
	w.Machine("n1").SetShared("priv/known_hosts", "")
	w.Machine("n1").SetShared("priv/authorized_keys", "ssh-rsa A3 root@n3\n")
	spec, p := w.leaves(t)
	var what []string
	for _, s := range p.Steps {
		what = append(what, s.What)
	}
	want := []string{
		"take n3 out of /etc/pve: the name in HA group all, the name in HA rule near, its key in authorized_keys and the replication job 100-0 (each file is kept beside as .bak)",
		"remove /etc/pve/nodes/n3 (cannot be undone; it is kept on n1 in /var/lib/clusterctl/purged)",
	}
	if diff := cmp.Diff(want, what); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.goes(t, p, nil)
	_, err := cluster.PlanDelete(spec, w.view(t))
	if ps := cluster.ProblemsOf(err); len(ps) != 1 || ps[0].Code != cluster.CodeNoSuchNode || ps[0].Remedy != "the cluster has n1, n2 and n4" {
		t.Errorf("got %v", err)
	}
}

// One pmxcfs that does not answer hides no node that has left.
func TestPurgeOfANodeThatLeftWithAPmxcfsDown(t *testing.T) {
	w := virtual(t, 3, 3)
	w.Machine("n1").SetShared("nodes/n9/pve-ssl.pem", "a certificate")
	v := w.view(t)
	v.Nodes[1].Facts.PVE = &cluster.PVE{}
	_, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n9"}, Purge: true}, v)
	ps := cluster.ProblemsOf(err)
	if len(ps) == 0 || slices.ContainsFunc(ps, func(p cluster.Problem) bool { return p.Code != cluster.CodePmxcfs }) {
		t.Errorf("got %v", err)
	}
}

// A guest that came after the plan was made is not lost either, nor is what
// another has changed; the node is out all the same.
func TestPurgeRefusesWhatHasChanged(t *testing.T) {
	for name, change := range map[string]func(*world){
		"a guest": func(w *world) { w.Machine("n1").SetShared("nodes/n3/lxc/200.conf", "cores: 4") },
		"a file":  func(w *world) { w.Machine("n1").SetShared("storage.cfg", "dir: local\n\tpath /srv\n") },
	} {
		t.Run(name, func(t *testing.T) {
			w := left(t)
			p, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3"}, Purge: true}, w.view(t))
			if err != nil {
				t.Fatal(err)
			}
			change(w)
			var told warnings
			x := w.executor()
			x.Report = &told
			if err := x.Run(t.Context(), p, w.nodes()); err != nil {
				t.Fatal(err)
			}
			if w.Machine("n1").Shared("nodes/n3/pve-ssl.pem") == "" || len(told) != 1 {
				t.Errorf("warned of %q", told)
			}
			w.published(t, "n1", "n2", "n4")
		})
	}
}

// A key that another node logs in with, or shows, too is not taken away from it.
func TestPurgeLeavesKeysThatOthersHave(t *testing.T) {
	w := left(t)
	const hosts, keys = "n1 ssh-rsa K3\nn3 ssh-rsa K3\n10.0.0.1 ssh-rsa K3\n", "ssh-rsa A3 root@n3\n"
	w.Machine("n1").SetShared("priv/known_hosts", hosts)
	w.Machine("n1").SetShared("priv/authorized_keys", keys)
	v := w.view(t)
	v.Nodes[1].Facts.PVE.Key = "A3"
	p, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3"}, Purge: true}, v)
	w.goes(t, p, err)
	if got := w.Machine("n1").Shared("priv/known_hosts"); got != "n1 ssh-rsa K3\n10.0.0.1 ssh-rsa K3\n" {
		t.Errorf("known_hosts: %q", got)
	}
	if got := w.Machine("n1").Shared("priv/authorized_keys"); got != keys {
		t.Errorf("authorized_keys: %q", got)
	}
}

func TestPurgeIsForProxmoxVE(t *testing.T) {
	w := paced(t, 3, 3)
	_, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3"}, Purge: true}, w.view(t))
	if ps := cluster.ProblemsOf(err); len(ps) != 1 || ps[0].Code != cluster.CodeBadOption {
		t.Errorf("got %v", err)
	}
	w = virtual(t, 3, 3)
	w.Machine("n1").SetShared("nodes/n9/pve-ssl.pem", "a certificate")
	_, err = cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n9"}}, w.view(t))
	if ps := cluster.ProblemsOf(err); len(ps) == 0 || ps[0].Code != cluster.CodeNoSuchNode || !strings.Contains(ps[0].Remedy, "clusterctl delnode --purge n9") {
		t.Errorf("got %v", err)
	}
}
