package cluster_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
	"clusterctl/quorum"
)

// ring1 gives each node another address on link 1, or one at last.
func ring1(addrs string) cluster.ConfSpec {
	return cluster.ConfSpec{What: "edit ring1_addr", Edit: func(f *corosyncconf.File) error {
		for i, n := range f.Root().Section("nodelist").Sections("node") {
			if err := n.Set("ring1_addr", fmt.Sprintf(addrs, i+1)); err != nil {
				return err
			}
		}
		return nil
	}}
}

var dropRing1 = cluster.ConfSpec{What: "drop link 1", Edit: oneLink}

// An edit takes a link away as link remove does: while another one carries the
// cluster, and is verified to; and it can be gone back on.
func TestConfTakesALinkAwayAndBringsItBack(t *testing.T) {
	w := running(t, 3, 3, nil)
	before := w.view(t).Conf
	p, err := cluster.PlanConf(dropRing1, w.view(t))
	if err == nil && !slices.Equal(p.Steps[len(p.Steps)-1].Do.Carry, []int{0}) {
		t.Errorf("carried by %v", p.Steps[len(p.Steps)-1].Do.Carry)
	}
	w.ends(t, p, err)
	if len(w.addresses(1)) > 0 {
		t.Errorf("link 1 is there: %v", w.addresses(1))
	}
	without := w.view(t).Conf
	for _, f := range []*corosyncconf.File{before, without} {
		p, err := cluster.PlanRestore(&cluster.ConfVersion{Version: f.ConfigVersion(), Text: f.Bytes()}, false, w.view(t))
		w.ends(t, p, err)
		if got, want := len(parsed(w.Machine("n2").Running()).Links()), len(f.Config().Links()); got != want {
			t.Errorf("%d links after going back, want %d", got, want)
		}
	}
}

// disconnected is a view in which no node hears another on the link.
func (w *world) disconnected(t *testing.T, link int) *cluster.View {
	v := w.view(t)
	for i := range v.Nodes {
		for j, l := range v.Nodes[i].Facts.Runtime.Links.Links {
			for k, p := range l.Peers {
				if l.Number == link && p.State == quorum.Connected {
					v.Nodes[i].Facts.Runtime.Links.Links[j].Peers[k].State = quorum.Disconnected
				}
			}
		}
	}
	return v
}

func TestConfDoesNotTakeTheOnlyConnectedLinkAway(t *testing.T) {
	w := running(t, 3, 3, nil)
	for _, s := range []cluster.ConfSpec{dropRing1, ring1("10.0.2.%d")} {
		_, err := cluster.PlanConf(s, w.disconnected(t, 0))
		if ps := cluster.ProblemsOf(err); len(ps) != 1 || ps[0].Code != cluster.CodeLinkDown {
			t.Errorf("%s: %v", s.What, err)
		}
	}
	w.change(t, "n2", func(f *corosyncconf.File) error { return errors.Join(oneLink(f), f.SetConfigVersion(2)) })
	v := w.disconnected(t, 0)
	if _, err := cluster.PlanSync(cluster.SyncSpec{From: "n2"}, v, nil); len(cluster.ProblemsOf(err)) != 1 || cluster.ProblemsOf(err)[0].Code != cluster.CodeLinkDown {
		t.Errorf("conf sync: %v", err)
	}
	p, err := cluster.PlanSync(cluster.SyncSpec{From: "n2"}, w.view(t), nil)
	w.ends(t, p, err)
	if len(w.addresses(1)) > 0 {
		t.Errorf("link 1 is there: %v", w.addresses(1))
	}
}

// change edits a node's corosync.conf by hand.
func (w *world) change(t *testing.T, node string, edit func(*corosyncconf.File) error) {
	t.Helper()
	m := w.Machine(node)
	f, err := corosyncconf.Parse("", []byte(m.File(cluster.ConfPath)))
	if err == nil {
		err = edit(f)
	}
	if err != nil {
		t.Fatal(err)
	}
	m.SetFile(cluster.ConfPath, string(f.Bytes()))
}

// What corosync does not change in place goes with one reload and comes with the
// next, when the nodes have been seen to reach each other there.
func TestConfReplacesALink(t *testing.T) {
	w := running(t, 3, 3, nil)
	p, err := cluster.PlanConf(ring1("10.0.2.%d"), w.view(t))
	if err == nil && (reloads(p) != 2 || p.Steps[0].ID != "reach-1") {
		t.Errorf("%d reloads, first %s", reloads(p), p.Steps[0].ID)
	}
	w.ends(t, p, err)
	if got := w.addresses(1); !slices.Equal(got, []string{"10.0.2.1", "10.0.2.2", "10.0.2.3"}) {
		t.Errorf("link 1: %v", got)
	}
	p, err = cluster.PlanConf(set(t, "totem.interface[1].mcastport", "5500"), w.view(t))
	w.ends(t, p, err)
	if !strings.Contains(w.Machine("n3").Running(), "mcastport: 5500") {
		t.Error("the port is as it was")
	}
}

func TestConfRefusesAddressesThatNodesDoNotHave(t *testing.T) {
	for _, s := range []cluster.ConfSpec{ring1("192.0.2.%d"), {What: "move", Restart: true, Edit: ring1("192.0.2.%d").Edit}} {
		_, err := cluster.PlanConf(s, running(t, 3, 3, oneLink).view(t))
		if ps := cluster.ProblemsOf(err); len(ps) != 3 || ps[0].Code != cluster.CodeAddress {
			t.Errorf("%v", err)
		}
	}
}

func TestConfTriesNewAddressesBeforeAllAreStopped(t *testing.T) {
	w := running(t, 3, 3, overUDPU)
	p, err := cluster.PlanConf(restarting(t, "nodelist.node[n1].ring0_addr", "10.0.1.1"), w.view(t))
	if err != nil || !p.StopsAll() || p.Steps[0].ID != "reach-0" {
		t.Errorf("%v", err)
	}
}

// What this corosync takes no notice of is not written, unless asked for.
func TestConfRefusesWhatAnotherReleaseHas(t *testing.T) {
	w := running(t, 3, 3, nil)
	s := set(t, "totem.rrp_mode", "passive")
	_, err := cluster.PlanConf(s, w.view(t))
	if ps := cluster.ProblemsOf(err); len(ps) != 1 || !strings.Contains(ps[0].Remedy, "totem.link_mode") {
		t.Errorf("%v", err)
	}
	s.Force = true
	if _, err := cluster.PlanConf(s, w.view(t)); err != nil {
		t.Error(err)
	}
	p, err := cluster.PlanConf(restarting(t, "totem.rrp_mode", "active"), ringed(t, twoRings).view(t))
	if err != nil || !slices.ContainsFunc(p.Notes, func(p cluster.Problem) bool { return strings.Contains(p.Message, "rrp_mode active") }) {
		t.Errorf("active, with corosync 2.4: %v", err)
	}
}

// A node that has left keeps its id also when the cluster has another name.
func TestARenameRemembersUsedIDs(t *testing.T) {
	w := running(t, 3, 3, nil)
	w.Trouble = nil
	for _, m := range w.Machines() {
		m.SetFile(cluster.JournalDir+"/ids", "prod\n7\n1\n")
	}
	rename := restarting(t, "totem.cluster_name", "renamed")
	fail := func(m string) {
		w.Machine(m).Fail = func(note cluster.Note, op cluster.Op) error {
			if note.Phase == cluster.Doing && op.Kind == cluster.OpStart {
				return errors.New("it refuses to start")
			}
			return nil
		}
	}
	for _, name := range []string{"prod", "renamed"} {
		p, err := cluster.PlanConf(rename, w.view(t))
		if err != nil {
			t.Fatal(err)
		}
		fail("n2")
		if name == "renamed" {
			w.Machine("n2").Fail = nil
		}
		if err := w.carryOut(t, p); (err == nil) != (name == "renamed") {
			t.Fatal(err)
		}
		if ids := w.Machine("n1").Facts().IDs; ids.Cluster != name || ids.Highest != 7 {
			t.Errorf("remembered as %s: %+v", name, ids)
		}
	}
}

// Pacemaker that does not come back does not keep the rest from being taken back.
func TestConfIsTakenBackWherePacemakerStaysDown(t *testing.T) {
	for path, value := range map[string]string{"totem.cluster_name": "renamed", "totem.link_mode": "active"} {
		w := running(t, 3, 3, nil)
		w.Trouble = nil
		for _, m := range w.Machines() {
			if err := m.Pace(); err != nil {
				t.Fatal(err)
			}
		}
		p, err := cluster.PlanConf(restarting(t, path, value), w.view(t))
		if err != nil {
			t.Fatal(err)
		}
		was := w.Machine("n3").Running()
		w.Machine("n2").Fail = func(_ cluster.Note, op cluster.Op) error {
			if op.Unit == "pacemaker" && op.Kind != cluster.OpStop {
				return errors.New("pacemaker is broken")
			}
			return nil
		}
		var undone *cluster.UndoneError
		if err := w.carryOut(t, p); !errors.As(err, &undone) {
			t.Fatalf("%s: %v", path, err)
		}
		for _, m := range w.Machines() {
			is := parsed(m.Running())
			if old := parsed(was); is.Totem.ClusterName != old.Totem.ClusterName || is.Totem.LinkMode != old.Totem.LinkMode {
				t.Errorf("%s: %s runs %+v", path, m.Name(), is.Totem)
			}
			if m.Active("pacemaker") != (m.Name() != "n2") {
				t.Errorf("%s: pacemaker on %s: %v", path, m.Name(), m.Active("pacemaker"))
			}
		}
	}
}

// A restart whose node does not come back leaves nothing open.
func TestARestartThatFailsIsOver(t *testing.T) {
	w := running(t, 3, 3, nil)
	w.Trouble = nil
	p, err := cluster.PlanRestart(cluster.ServiceSpec{Nodes: []string{"n2"}}, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	w.Machine("n2").Fail = func(_ cluster.Note, op cluster.Op) error {
		if op.Kind == cluster.OpStart || op.Kind == cluster.OpRevive {
			return errors.New("broken")
		}
		return nil
	}
	var undone *cluster.UndoneError
	if err := w.carryOut(t, p); !errors.As(err, &undone) || len(w.open()) > 0 {
		t.Errorf("%v; open on %v", err, w.open())
	}
}
