package cluster_test

import (
	"slices"
	"strings"
	"testing"

	"clusterctl/cluster"
)

// The node is as one that never was in a cluster, and the rest goes on with a
// key that it does not have.
func TestSeparateLeavesTheNodeByItself(t *testing.T) {
	w := running(t, 3, 3, nil)
	state := []string{"/var/lib/corosync/ringid_3", "/var/lib/corosync/ev_tracking", cluster.CIBPath}
	for _, path := range state {
		w.Machine("n3").SetFile(path, "was in a cluster")
	}
	p, err := cluster.PlanSeparate("3", newKey, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.carryOut(t, p); err != nil {
		t.Fatal(err)
	}
	w.settledOn(t, "n1", "n2")
	n3 := w.Machine("n3")
	for _, path := range append(state, cluster.ConfPath, cluster.KeyPath) {
		if n3.File(path) != "" || n3.File(path+".bak") == "" {
			t.Errorf("%s is not set aside", path)
		}
	}
	if n3.Active("corosync") || n3.Enabled("corosync") {
		t.Error("corosync runs on it, or would at boot")
	}
	if w.Machine("n1").File(cluster.KeyPath) == n3.File(cluster.KeyPath+".bak") {
		t.Error("the rest still has the key that the node took along")
	}
}

// corosync 2.4 remembers its ring by the address of the node.
func TestSeparateSetsAsideWhatCorosync2Remembers(t *testing.T) {
	w := running(t, 3, 3, nil)
	v := w.view(t)
	for i := range v.Nodes {
		v.Nodes[i].Facts.Corosync = cluster.Version{Major: 2, Minor: 4, Patch: 6}
	}
	p, err := cluster.PlanSeparate("n3", newKey, v)
	if err != nil {
		t.Fatal(err)
	}
	var aside []string
	for _, s := range p.Steps {
		for _, op := range s.Do.Ops {
			if op.Kind == cluster.OpAside {
				aside = append(aside, op.Path)
			}
		}
	}
	if !slices.Contains(aside, "/var/lib/corosync/ringid_10.0.0.3") || slices.Contains(aside, "/var/lib/corosync/ringid_3") {
		t.Errorf("set aside: %v", aside)
	}
}

// Taken back, the node has what it had.
func TestSeparateIsTakenBackWhole(t *testing.T) {
	w := running(t, 3, 3, nil)
	w.Machine("n3").SetFile("/var/lib/corosync/ringid_3", "7")
	before := w.Machine("n3").Files()
	p, err := cluster.PlanSeparate("n3", nil, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	last := p.Steps[len(p.Steps)-1]
	killed(t, w, p, last.Do.Nodes[0], last.ID)
	if err := w.undo(t); err != nil {
		t.Fatal(err)
	}
	after := w.Machine("n3").Files()
	for path, text := range before {
		if path != cluster.ConfPath && after[path] != text { // that one has a higher version
			t.Errorf("%s is %q, was %q", path, after[path], text)
		}
	}
	if !w.Machine("n3").Active("corosync") {
		t.Error("corosync does not run on it")
	}
}

func TestSeparateRefuses(t *testing.T) {
	w := running(t, 3, 3, nil)
	v := w.view(t)
	tests := []struct {
		name string
		node string
		view func() *cluster.View
		code cluster.Code
	}{
		{"a node that there is not", "n9", func() *cluster.View { return v }, cluster.CodeNoSuchNode},
		{"a node that does not answer", "n3", func() *cluster.View {
			w.Machine("n3").Deaf = true
			defer func() { w.Machine("n3").Deaf = false }()
			return w.view(t)
		}, cluster.CodeFailed},
		{"when another one is away", "n3", func() *cluster.View {
			w := running(t, 3, 3, nil)
			w.Trouble = nil
			w.die("n2")
			return w.view(t)
		}, cluster.CodeQuorum},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := cluster.PlanSeparate(tt.node, nil, tt.view())
			if !slices.ContainsFunc(cluster.ProblemsOf(err), func(p cluster.Problem) bool { return p.Code == tt.code }) {
				t.Errorf("no problem %s among: %v", tt.code, err)
			}
		})
	}
}

func TestSeparateListsWhatIsLeftToDo(t *testing.T) {
	w := running(t, 3, 3, nil)
	left := strings.Join(cluster.LeftToDo("n3", w.view(t)), "\n")
	for _, want := range []string{"storage that it shares", "clusterctl create NAME n3", "clusterctl add n3"} {
		if !strings.Contains(left, want) {
			t.Errorf("no %q in:\n%s", want, left)
		}
	}
}

// On Proxmox VE the storage that both sides would use is told first, and before
// anything is done.
func TestSeparateOnProxmoxVE(t *testing.T) {
	w := virtual(t, 3, 3)
	w.Machine("n1").SetShared("storage.cfg", "dir: local\n\tpath /var/lib/vz\n\nnfs: isos\n\tserver 10.9.9.9\n\nlvm: san\n\tshared\n\tnodes n1,n3\n\n"+
		"rbd: off\n\tdisable\n\ncifs: others\n\tnodes\tn1,n2\n\nnfs: own\n\tnodes n3\n")
	v := w.view(t)
	v.Nodes[2].Facts.PVE.Guests = []string{"100"}
	p, err := cluster.PlanSeparate("n3", newKey, v)
	if err != nil {
		t.Fatal(err)
	}
	const want = "n3: it and the cluster would both use isos and san: the same guest ids on both sides, and so the same names of disks, destroy data; first give it storage of its own, and move the disks of its guests there"
	if len(p.Notes) == 0 || p.Notes[0].String() != want {
		t.Errorf("got %v", p.Notes)
	}
	left := cluster.LeftToDo("n3", v)
	if !strings.HasSuffix(left[0], "on it: pvesm set isos --disable 1; on it: pvesm set san --disable 1") {
		t.Errorf("first is: %s", left[0])
	}
	for _, want := range []string{"its guests (100)", "rm -r /etc/pve/nodes/n1 /etc/pve/nodes/n2", "/etc/pve/ha/resources.cfg", "clusterctl delnode --purge n3", "clusterctl add n3"} {
		if !strings.Contains(strings.Join(left, "\n"), want) {
			t.Errorf("no %q in:\n%s", want, strings.Join(left, "\n"))
		}
	}
	w.goes(t, p, nil)
	if n3 := w.Machine("n3"); n3.Published() != "" || !n3.Active("pve-cluster") || n3.Active("pve-ha-crm") || n3.Enabled("pve-ha-crm") {
		t.Errorf("n3: /etc/pve has %q; pve-cluster %v, HA %v", n3.Published(), n3.Active("pve-cluster"), n3.Active("pve-ha-crm"))
	}
}
