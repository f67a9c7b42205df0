package cluster_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
)

// virtual is a running cluster of Proxmox VE: m nodes of n.
func virtual(t *testing.T, m, n int) *world {
	t.Helper()
	var names []string
	for i := range n {
		names = append(names, five[i])
	}
	w := newWorld(names...)
	for _, machine := range w.Machines() {
		machine.Virtualize()
	}
	var facts []*cluster.Facts
	for i := range m {
		facts = append(facts, machine(i+1))
		facts[i].PVE = &cluster.PVE{Mounted: true, Writable: true}
	}
	if err := w.Form(string(newConf(t, planOf(t, request(names[:m]...), facts)).Bytes()), string(key), names[:m]...); err != nil {
		t.Fatal(err)
	}
	w.Trouble = func(trouble string) { t.Errorf("quorum: %s", trouble) }
	return w
}

// goes carries a plan out.
func (w *world) goes(t *testing.T, p *cluster.Plan, err error) {
	t.Helper()
	if err == nil {
		err = w.carryOut(t, p)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// published checks that /etc/pve has everywhere what the nodes run, and that Proxmox
// VE's own tools lose nothing of it.
func (w *world) published(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if m := w.Machine(name); m.Published() != m.Running() || m.File(cluster.ConfPath) != m.Running() {
			t.Errorf("%s runs\n%sand its /etc/pve has\n%s", name, m.Running(), m.Published())
		}
		f, _ := corosyncconf.Parse(name, []byte(w.Machine(name).Published()))
		target := corosyncconf.Target{PVE: true}
		if w.Machine(name).Facts().Corosync.Major == 2 {
			target.Release = corosyncconf.V24
		}
		for _, found := range f.Check(target) {
			if found.Code.PVE() && found.Code != corosyncconf.CodePVEName { // as old files have it
				t.Errorf("%s: %+v", name, found)
			}
		}
	}
}

// A file is put into /etc/pve when every node has it, so that nobody else reloads.
func TestPVEHasWhatTheNodesRun(t *testing.T) {
	w := virtual(t, 2, 3)
	for _, m := range w.Machines() {
		m.Fail = func(_ cluster.Note, op cluster.Op) error {
			if op.Kind != cluster.OpPublish {
				return nil
			}
			for _, o := range w.Machines() {
				if o.Running() != "" && cluster.Hash([]byte(o.File(cluster.ConfPath))) != op.Blob {
					t.Errorf("%s does not have yet what is put into /etc/pve", o.Name())
				}
			}
			return nil
		}
	}
	p, err := w.planAdd(t, "n3")
	w.goes(t, p, err)
	w.published(t, "n1", "n2", "n3")
	p, err = cluster.PlanConf(set(t, "totem.token", "5000"), w.view(t))
	w.goes(t, p, err)
	w.published(t, "n1", "n2", "n3")
	p, err = cluster.PlanLinkAdd(cluster.LinkChange{Number: 2, Network: netip.MustParsePrefix("10.0.2.0/24")}, w.view(t))
	w.goes(t, p, err)
	priority := 5
	p, err = cluster.PlanLinkSet(cluster.LinkChange{Number: 2, Priority: &priority}, w.view(t))
	w.goes(t, p, err)
	w.published(t, "n1", "n2", "n3")
	p, err = cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3"}}, w.view(t))
	w.goes(t, p, err)
	w.published(t, "n1", "n2")
	if m := w.Machine("n3"); m.Published() != "" || m.Active("corosync") {
		t.Errorf("n3 has left, and has\n%s", m.Published())
	}
	p, err = cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n1"}}, w.view(t)) // the first to be asked, as long as it is there
	w.goes(t, p, err)
	w.published(t, "n2")
}

// An interface section for one link is one for all, in whatever is put in place on
// the way: pvecm takes nothing else.
func TestPVEHasInterfaceSectionsForAllLinksOrNone(t *testing.T) {
	w := virtual(t, 2, 2)
	net := func(link int) netip.Prefix {
		return netip.MustParsePrefix([]string{"10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"}[link])
	}
	for _, c := range []struct {
		name     string
		plan     func(cluster.LinkChange, *cluster.View) (*cluster.Plan, error)
		change   cluster.LinkChange
		sections int
	}{
		{"remove a link of a file without any", cluster.PlanLinkRemove, cluster.LinkChange{Number: 1}, 0},
		{"add one to it", cluster.PlanLinkAdd, cluster.LinkChange{Number: 1, Network: net(1)}, 0},
		{"set the priority of one", cluster.PlanLinkSet, cluster.LinkChange{Number: 1, Priority: ptr(5)}, 2},
		{"add a link", cluster.PlanLinkAdd, cluster.LinkChange{Number: 2, Network: net(2)}, 3},
		{"set a port", cluster.PlanLinkSet, cluster.LinkChange{Number: 0, Port: ptr(5500)}, 3},
		{"remove a link", cluster.PlanLinkRemove, cluster.LinkChange{Number: 1}, 2},
		{"remove another", cluster.PlanLinkRemove, cluster.LinkChange{Number: 0}, 1},
		{"move the only one", cluster.PlanLinkSet, cluster.LinkChange{Number: 2, Network: net(1)}, 1},
	} {
		p, err := c.plan(c.change, w.view(t))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for _, text := range p.Blobs {
			f, _ := corosyncconf.Parse(c.name, text)
			for _, found := range f.Check(corosyncconf.Target{PVE: true}) {
				if found.Code == corosyncconf.CodePVELinks {
					t.Errorf("%s: %s in\n%s", c.name, found.Message, text)
				}
			}
		}
		w.goes(t, p, nil)
		w.published(t, "n1", "n2")
		if n := strings.Count(w.Machine("n1").Running(), "interface {"); n != c.sections {
			t.Errorf("%s: %d interface sections, want %d", c.name, n, c.sections)
		}
	}
}

// A key that only the node knows that joins lets nobody in there any more: that is
// told before.
func TestPVEKeysThatAreLostByJoiningAreTold(t *testing.T) {
	const theirs = "ssh-rsa AAAA1 root@n1\nssh-ed25519 AAAA2 admin@desk\n"
	for name, c := range map[string]struct{ has, want string }{
		"none":                   {"", ""},
		"one that all have":      {"ssh-ed25519 AAAA2 another@name\n", ""},
		"its own":                {"ssh-rsa AAAA3 root@desk\nssh-rsa AAAA6 root@n3\n", ""},
		"a comment":              {"# ssh-rsa AAAA9 gone@long\n", ""},
		"one":                    {"ssh-ed25519 AAAA4 me@laptop\n" + theirs, "the key of me@laptop is in its authorized_keys alone, which gives way to the cluster's: nobody logs in there with it then"},
		"some, one without name": {"from=\"10.0.0.0/8\",command=\"ls -l\" ecdsa-sha2-nistp256 AAAA5 backup job\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH\n", "the keys of backup job and ssh-ed25519 ...I1NTE5AAAAIH are in its authorized_keys alone, which gives way to the cluster's: nobody logs in there with them then"},
	} {
		t.Run(name, func(t *testing.T) {
			w := virtual(t, 2, 3)
			w.Machine("n1").SetShared("priv/authorized_keys", theirs)
			w.Machine("n3").SetShared("priv/authorized_keys", c.has)
			v, f := w.view(t), w.Machine("n3").Facts()
			f.PVE.Key = "AAAA3"
			spec := cluster.AddSpec{}
			spec.Nodes, _ = cluster.ParseNodes([]string{"n3"})
			p, err := cluster.PlanAdd(spec, v, []*cluster.Facts{f}, key)
			if err != nil {
				t.Fatal(err)
			}
			var told []string
			for _, n := range p.Notes {
				if n.Code == cluster.CodeLogin && n.Node == "n3" && n.Severity == cluster.Warning {
					told = append(told, n.Message)
				}
			}
			if got := strings.Join(told, "\n"); got != c.want {
				t.Errorf("told %q, want %q", got, c.want)
			}
		})
	}
}

func TestPVEIsAsItWasAfterAFailedJoin(t *testing.T) {
	w := virtual(t, 2, 3)
	p, err := w.planAdd(t, "n3")
	if err != nil {
		t.Fatal(err)
	}
	w.Machine("n3").Fail = func(_ cluster.Note, op cluster.Op) error {
		if op.Kind == cluster.OpPmxcfs && op.Name == "fresh" {
			return errors.New("pmxcfs has not joined")
		}
		return nil
	}
	var undone *cluster.UndoneError
	if err := w.carryOut(t, p); !errors.As(err, &undone) {
		t.Fatal(err)
	}
	w.published(t, "n1", "n2")
	if m := w.Machine("n3"); m.Published() != "" || m.File(cluster.ConfPath) != "" || m.Active("corosync") || !m.Active("pve-cluster") {
		t.Errorf("n3: %v", m.Files())
	}
}

// returned is a cluster of n1 and n2, and n3, which was taken off its list while it
// was down, and has come back with a database that was written more often.
func returned(t *testing.T) *world {
	t.Helper()
	w := virtual(t, 3, 3)
	w.Trouble = nil
	w.Machine("n3").Crash()
	p, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3"}, Offline: true}, w.patient(t))
	w.goes(t, p, err)
	w.Machine("n3").Boot()
	w.Settle()
	for range 100 {
		w.Machine("n3").SetShared("old", "x")
	}
	return w
}

// Its database would bring back the files that are removed on a node.
func TestPVENodeThatIsDeadIsToldHowToLeave(t *testing.T) {
	w := virtual(t, 3, 3)
	w.Machine("n3").Crash()
	p, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3"}, Offline: true}, w.patient(t))
	if err != nil || !slices.ContainsFunc(p.Notes, func(p cluster.Problem) bool {
		return p.Code == cluster.CodeOffline && strings.Contains(p.Remedy, "pmxcfs -l; rm -r /etc/pve/corosync.conf")
	}) {
		t.Errorf("%v; notes %v", err, p.Notes)
	}
}

// What a node that has left has in /etc/pve does not keep it out for ever, and is
// never seen by the cluster.
func TestPVENodeThatLeftIsAddedAgain(t *testing.T) {
	force := cluster.AddSpec{Force: true}
	for name, before := range map[string]func(*world){
		"it runs":         func(*world) {},
		"it does not run": func(w *world) { w.Machine("n3").Stop("corosync") },
	} {
		t.Run(name, func(t *testing.T) {
			w := returned(t)
			before(w)
			_, err := w.planAdd(t, "n3")
			if !slices.ContainsFunc(cluster.ProblemsOf(err), func(p cluster.Problem) bool {
				return p.Code == cluster.CodeOtherCluster && strings.Contains(p.Message, "/etc/pve") && strings.Contains(p.Remedy, "--force")
			}) {
				t.Errorf("without --force: %v", err)
			}
			p, err := w.planSpec(t, force, "n3")
			w.goes(t, p, err)
			w.published(t, "n1", "n2", "n3")
			if got := w.Machine("n1").Shared("old"); got != "" {
				t.Error("the database of n3 has become that of the cluster")
			}
		})
	}
	t.Run("it fails", func(t *testing.T) {
		w := returned(t)
		was := w.Machine("n3").Published()
		p, err := w.planSpec(t, force, "n3")
		if err != nil {
			t.Fatal(err)
		}
		w.Machine("n3").Fail = func(_ cluster.Note, op cluster.Op) error {
			if op.Kind == cluster.OpSwap && w.Machine("n3").Published() != was && w.Machine("n3").Active("pve-cluster") {
				return errors.New("it has joined, and now it cannot get its vote")
			}
			return nil
		}
		var undone *cluster.UndoneError
		if err := w.carryOut(t, p); !errors.As(err, &undone) {
			t.Fatal(err)
		}
		w.published(t, "n1", "n2")
		if m := w.Machine("n3"); m.Published() != was || m.File(cluster.ConfPath) != was || m.Shared("old") != "x" || w.Machine("n1").Shared("old") != "" {
			t.Errorf("n3 has\n%s", m.Published())
		}
	})
	t.Run("it has quorum", func(t *testing.T) {
		w := returned(t)
		f := w.Machine("n3").Facts()
		f.Runtime.Quorum.Quorate = true
		force.Nodes, _ = cluster.ParseNodes([]string{"n3"})
		_, err := cluster.PlanAdd(force, w.patient(t), []*cluster.Facts{f}, key)
		if !slices.ContainsFunc(cluster.ProblemsOf(err), func(p cluster.Problem) bool { return p.Code == cluster.CodeLiveMember && p.Node == "n3" }) {
			t.Errorf("got %v", err)
		}
	})
}

// A node is back when its /etc/pve can be written, and only then it is the next one's
// turn; one that takes too long is warned of.
func TestPVENodesAreBackWhenTheyCanWrite(t *testing.T) {
	restart := func(v *cluster.View) (*cluster.Plan, error) {
		return cluster.PlanRestart(cluster.ServiceSpec{All: true}, v)
	}
	for name, c := range map[string]struct {
		plan func(*cluster.View) (*cluster.Plan, error)
		down bool // n3, before
		late bool
		want string
	}{
		"restart":     {plan: restart, want: "stop n1, writable n1, stop n2, writable n2, stop n3, writable n3"},
		"one is late": {plan: restart, late: true, want: "stop n1, writable n1, stop n2, writable n2, stop n3, writable n3"},
		"conf set": {plan: func(v *cluster.View) (*cluster.Plan, error) {
			s := set(t, "totem.link_mode", "active")
			s.Restart = true
			return cluster.PlanConf(s, v)
		}, want: "stop n1, writable n1, stop n2, writable n2, stop n3, writable n3"},
		"start": {plan: func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanStart(cluster.ServiceSpec{Nodes: []string{"n3"}}, v)
		}, down: true, want: "writable n3"},
		"start --all": {plan: func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanStart(cluster.ServiceSpec{All: true}, v)
		}, down: true, want: "writable n3"},
	} {
		t.Run(name, func(t *testing.T) {
			w := virtual(t, 3, 3)
			if c.down {
				w.Machine("n3").Stop("corosync")
			}
			var seen []string
			for _, m := range w.Machines() {
				m.Fail = func(_ cluster.Note, op cluster.Op) error {
					switch {
					case op.Kind == cluster.OpStop && op.Unit == "corosync":
						seen = append(seen, "stop "+m.Name())
					case op.Kind == cluster.OpWritable:
						seen = append(seen, "writable "+m.Name())
						if c.late {
							return errors.New("/etc/pve cannot be written after half a minute")
						}
					}
					return nil
				}
			}
			p, err := c.plan(w.patient(t))
			w.goes(t, p, err)
			if got := strings.Join(seen, ", "); got != c.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

// Another file in /etc/pve than the one that runs is refused, and mended by sync.
func TestPVEThatDiffersIsBroughtInLine(t *testing.T) {
	w := virtual(t, 3, 3)
	old := w.Machine("n1").Published()
	p, err := cluster.PlanConf(set(t, "totem.token", "5000"), w.view(t))
	w.goes(t, p, err)
	w.Machine("n1").Publish(old) // as what comes of a database that was put back
	_, err = cluster.PlanConf(set(t, "totem.token", "6000"), w.view(t))
	if ps := cluster.ProblemsOf(err); len(ps) != 3 || ps[0].Code != cluster.CodeConfigDrift {
		t.Errorf("got %v", err)
	}
	p, err = cluster.PlanSync(cluster.SyncSpec{}, w.view(t), nil)
	w.goes(t, p, err)
	w.published(t, "n1", "n2", "n3")
}

// A pmxcfs that was started by itself keeps to itself what is written there: nothing
// is put into that one, or changed while it runs.
func TestPVEByItselfIsToldAndNotWrittenTo(t *testing.T) {
	w := virtual(t, 3, 3)
	w.Machine("n1").Part()
	alone := func(ps cluster.Problems) bool {
		return len(ps) == 1 && ps[0].Code == cluster.CodePmxcfs && ps[0].Node == "n1" && strings.Contains(ps[0].Message, "by itself") &&
			ps[0].Remedy == "pkill --ns $$ -x pmxcfs; systemctl restart pve-cluster"
	}
	_, err := cluster.PlanConf(set(t, "totem.token", "5000"), w.view(t))
	if !alone(cluster.ProblemsOf(err)) {
		t.Errorf("conf set: %v", err)
	}
	if ps := cluster.NewStatus(w.view(t)).Problems; !alone(ps) {
		t.Errorf("status: %v", ps)
	}
	old := w.Machine("n2").Published()
	w.Machine("n2").Publish(old + "# by hand\n")
	p, err := cluster.PlanSync(cluster.SyncSpec{}, w.view(t), nil)
	w.goes(t, p, err)
	for _, name := range []string{"n2", "n3"} {
		if w.Machine(name).Published() != old {
			t.Errorf("%s has\n%s", name, w.Machine(name).Published())
		}
	}
	p, err = cluster.PlanSync(cluster.SyncSpec{}, w.view(t), nil)
	if err != nil || len(p.Steps) > 0 || !alone(p.Notes) {
		t.Errorf("conf sync of what is by itself: %v, %v", p, err)
	}
}

// Where pmxcfs does not run, there is nothing to tell of /etc/pve, and nothing to do.
func TestSyncDoesNothingAboutPmxcfsThatDoesNotRun(t *testing.T) {
	for name, quorate := range map[string]bool{"with quorum": true, "without quorum": false} {
		t.Run(name, func(t *testing.T) {
			w := virtual(t, 3, 3)
			w.Machine("n3").Stop("pve-cluster")
			from := ""
			if !quorate {
				w.Trouble = nil
				w.Machine("n1").Crash()
				w.Machine("n2").Stop("corosync")
				from = "n2"
			}
			p, err := cluster.PlanSync(cluster.SyncSpec{From: from}, w.patient(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Steps) > 0 || slices.ContainsFunc(p.Notes, func(p cluster.Problem) bool { return p.Code == cluster.CodePmxcfs }) {
				t.Errorf("%v, %v", p.Steps, p.Notes)
			}
		})
	}
}

// What Proxmox VE's tools would lose is refused, what they refuse is warned of.
func TestPVEIsWarnedOfWhatItsToolsDoNotTake(t *testing.T) {
	tests := []struct{ section, key, value, refused, warned string }{
		{"logging", "logfile", "/var/log/a#b.log", "pve-hash", ""},
		{"totem", "cluster_name", "my cluster", "", "pve-words"},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			said := func(ps cluster.Problems) string {
				for _, p := range ps {
					if code, _, _ := strings.Cut(p.Message, ":"); strings.HasPrefix(code, "pve-") {
						return code
					}
				}
				return ""
			}
			spec := cluster.ConfSpec{What: "set", Restart: true, Edit: func(f *corosyncconf.File) error { return f.Root().Section(tt.section).Set(tt.key, tt.value) }}
			p, err := cluster.PlanConf(spec, virtual(t, 3, 3).view(t))
			warned := ""
			if err == nil {
				warned = said(p.Notes)
			}
			if refused := said(cluster.ProblemsOf(err)); refused != tt.refused || warned != tt.warned {
				t.Errorf("refused for %q, warned of %q: %v", refused, warned, err)
			}
		})
	}
}

func TestPVECreatesWithoutTwoNode(t *testing.T) {
	w := newWorld("n1", "n2")
	for _, m := range w.Machines() {
		m.Virtualize()
	}
	spec := request("n1", "n2")
	spec.TwoNode = "auto"
	p, err := cluster.PlanCreate(spec, w.facts(), key)
	if err != nil || !slices.ContainsFunc(p.Notes, func(p cluster.Problem) bool { return p.Code == cluster.CodeQuorum }) {
		t.Fatalf("%v; notes %v", err, p.Notes)
	}
	p.Nodes = cluster.Targets(spec.Nodes)
	w.goes(t, p, nil)
	w.published(t, "n1", "n2")
	if parsed(w.Machine("n2").Running()).Quorum.TwoNode {
		t.Error("two_node is set")
	}
}

func TestFactsOfProxmoxVE(t *testing.T) {
	conf := "totem {\n  version: 2\n  config_version: 7\n}\n"
	out := section("pve", 0, "mounted") + section("pvelocal", 0, "555") + section("pvehash", 0, cluster.Hash([]byte(conf))+"  /etc/pve/corosync.conf") +
		section("pveconf", 0, conf) + section("pvedatacenter", 0, "keyboard: de\n\n") + section("pveguests", 2, "/etc/pve/nodes/n1/lxc:\n101.conf\n\n/etc/pve/nodes/n1/qemu-server:\n100.conf") +
		section("pvemembers", 0, `{"nodename":"n1","version":4,"cluster":{"name":"prod","version":7,"nodes":2,"quorate":0},"nodelist":{"n2":{"id":2,"online":0},"n1":{"id":1,"online":1,"ip":"10.0.0.1"}}}`)
	f, err := cluster.ParseFacts("n1", []byte(out+section("end", 0, "")), time.Now(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	want := &cluster.PVE{Mounted: true, Conf: cluster.FileState{Exists: true, Hash: cluster.Hash([]byte(conf))}, Version: 7,
		Datacenter: []byte("keyboard: de\n\n"), Guests: []string{"101", "100"}, Peers: []cluster.PVEPeer{{Name: "n1", Online: true}, {Name: "n2"}}}
	if diff := cmp.Diff(want, f.PVE); diff != "" {
		t.Error(diff)
	}
	f, err = cluster.ParseFacts("n1", []byte(section("pve", 1, "")+section("end", 0, "")), time.Now(), time.Now())
	if err != nil || f.PVE != nil {
		t.Errorf("another node: %+v, %v", f.PVE, err)
	}
}

// After a power cut the first nodes say who is missing, with how many votes.
func TestAColdStartTellsWhoIsMissing(t *testing.T) {
	w := virtual(t, 3, 3)
	w.Trouble = nil
	w.Machine("n2").Crash()
	w.Machine("n3").Crash()
	const want = "no quorum: 1 of 3 votes are present, 2 are needed: 1 more; away: n2, n3; until then /etc/pve can only be read, and no guest is started"
	if ps := cluster.NewStatus(w.patient(t)).Problems; ps[0].Message != want {
		t.Errorf("status: %v", ps)
	}
	causes := cluster.Diagnose(w.patient(t))
	if !slices.ContainsFunc(causes, func(c cluster.Cause) bool {
		return c.Code == cluster.CodeNotQuorate && strings.Contains(c.Message, "away: n2 and n3") && strings.Contains(c.Message, "no guest is started")
	}) {
		t.Errorf("doctor:\n%s", describe(causes))
	}
}

// A corosync.conf that was mended on one node, while the cluster has no quorum or
// does not run, becomes that of all, and is put into /etc/pve later.
func TestPVEIsRepairedWithoutQuorum(t *testing.T) {
	for name, stopped := range map[string]bool{"a node runs": false, "none runs": true} {
		t.Run(name, func(t *testing.T) {
			w := virtual(t, 3, 3)
			w.Trouble = nil
			w.Machine("n3").Crash()
			for _, m := range w.Machines()[:2] {
				if m.Name() == "n2" || stopped {
					m.Stop("corosync")
				}
			}
			replacing(w, "totem {", "totem {\n\ttoken: 5000", "n1")
			p, err := cluster.PlanSync(cluster.SyncSpec{From: "n1"}, w.patient(t), nil)
			w.goes(t, p, err)
			n1, n2 := w.Machine("n1"), w.Machine("n2")
			if a, b := n1.File(cluster.ConfPath), n2.File(cluster.ConfPath); a != b || !strings.Contains(a, "token: 5000") {
				t.Fatalf("n1 has\n%sn2 has\n%s", a, b)
			}
			for _, m := range []string{"n1", "n2"} { // which has pmxcfs start first
				w.Machine(m).Crash()
				w.Machine(m).Boot()
			}
			w.Settle()
			p, err = cluster.PlanSync(cluster.SyncSpec{}, w.patient(t), nil)
			w.goes(t, p, err)
			w.published(t, "n1", "n2")
			if !strings.Contains(n2.Running(), "token: 5000") {
				t.Errorf("n2 runs\n%s", n2.Running())
			}
		})
	}
}

// Root's keys are in pmxcfs: without it there is no login, or none that answers.
func TestPVELoginThatFailsMayBePmxcfs(t *testing.T) {
	for name, tt := range map[string]struct {
		code    cluster.Code
		offline bool
		want    bool
	}{
		"refused":                                {cluster.CodeAuth, false, true},
		"refused, and others see it offline":     {cluster.CodeAuth, true, true},
		"no answer, and others see it offline":   {cluster.CodeUnreachable, true, true},
		"no answer, though others see it online": {cluster.CodeUnreachable, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			v := virtual(t, 3, 3).view(t)
			v.Nodes[2].Facts, v.Nodes[2].Err = nil, &cluster.NodeError{Node: "n3", Code: tt.code, Err: errors.New("no login"), Remedy: "ssh-copy-id"}
			v.Nodes[0].Facts.PVE.Peers = []cluster.PVEPeer{{Name: "n1", Online: true}, {Name: "n3", Online: !tt.offline}}
			ps := cluster.NewStatus(v).Problems
			i := slices.IndexFunc(ps, func(p cluster.Problem) bool { return p.Node == "n3" })
			if i < 0 || strings.Contains(ps[i].Remedy, "authorized_keys2") != tt.want {
				t.Errorf("got %v", ps)
			}
		})
	}
}
