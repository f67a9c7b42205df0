package cluster_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
)

// install puts a version of corosync on all machines.
func (w *world) install(v cluster.Version) *world {
	for _, m := range w.Machines() {
		m.Install(v)
	}
	return w
}

// lose takes machines away; what their absence means for quorum is not told.
func (w *world) lose(names ...string) {
	trouble := w.Trouble
	w.Trouble = nil
	for _, name := range names {
		w.Machine(name).Deaf = true
		w.Machine(name).Stop("corosync")
	}
	w.Settle()
	w.Trouble = trouble
}

func waitForAll(f *corosyncconf.File) error {
	return f.Root().Section("quorum").Set("wait_for_all", "1")
}

// Where wait_for_all is in force a reload up to 3.0.3 costs quorum while a vote
// is away.
func TestAReloadThatWaitsForAllIsRefusedWhileAVoteIsAway(t *testing.T) {
	tests := []struct {
		name    string
		version cluster.Version
		edit    func(*corosyncconf.File) error
		refused bool
	}{
		{"3.0.3", cluster.Version{Major: 3, Minor: 0, Patch: 3}, waitForAll, true},
		{"2.4.5", cluster.Version{Major: 2, Minor: 4, Patch: 5}, waitForAll, true},
		{"3.0.3 without wait_for_all", cluster.Version{Major: 3, Minor: 0, Patch: 3}, nil, false},
		{"3.0.4", cluster.Version{Major: 3, Minor: 0, Patch: 4}, waitForAll, false},
		{"2.4.6", cluster.Version{Major: 2, Minor: 4, Patch: 6}, waitForAll, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := running(t, 4, 5, tt.edit).install(tt.version)
			w.lose("n4")
			p, err := w.planAdd(t, "n5")
			if !tt.refused {
				if err == nil {
					err = w.carryOut(t, p)
				}
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			want := fmt.Sprintf("to list n5 would cost quorum: with wait_for_all a reload of corosync %s needs all votes, and there are 3 of 4", tt.version)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("want %q, got %v", want, err)
			}
			// Without the one that is away there is nothing to wait for.
			if p, err = cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n4"}, Offline: true}, w.view(t)); err == nil {
				err = w.carryOut(t, p)
			}
			if err != nil {
				t.Fatal(err)
			}
			w.settledOn(t, "n1", "n2", "n3")
		})
	}
}

// wait_for_all, which two_node brings, stays in force on nodes that were started
// with it, whatever the file says later.
func TestAReloadWaitsForAllAsItWasAtTheStart(t *testing.T) {
	w := running(t, 2, 4, nil).install(cluster.Version{Major: 3, Minor: 0, Patch: 3})
	p, err := w.planAdd(t, "n3")
	if err == nil {
		err = w.carryOut(t, p)
	}
	if err != nil {
		t.Fatal(err)
	}
	if parsed(w.Machine("n1").Running()).Quorum.WaitForAll {
		t.Fatal("wait_for_all is in the file")
	}
	w.lose("n2")
	if _, err := w.planAdd(t, "n4"); !slices.ContainsFunc(cluster.ProblemsOf(err), func(p cluster.Problem) bool { return p.Code == cluster.CodeQuorum }) {
		t.Errorf("want it refused for quorum, got %v", err)
	}
}

// A member that dies after the plan was made keeps a reload that waits for all
// from being asked for.
func TestAReloadThatWaitsForAllIsNotAskedForWhenAVoteGoesAway(t *testing.T) {
	for version, costs := range map[cluster.Version]bool{{Major: 3, Minor: 0, Patch: 3}: true, {Major: 3, Minor: 0, Patch: 4}: false} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			w := running(t, 3, 4, waitForAll).install(version)
			w.Trouble = nil
			p, err := w.planAdd(t, "n4")
			if err != nil {
				t.Fatal(err)
			}
			w.Machine("n1").Fail = func(note cluster.Note, op cluster.Op) error {
				if note.Step == "swap-1" && note.Phase == cluster.Doing && w.Machine("n3").Active("corosync") {
					w.Machine("n3").Stop("corosync")
				}
				return nil
			}
			err = w.carryOut(t, p)
			if err == nil || strings.Contains(err.Error(), "a reload now would cost quorum: 2 votes present of 3, 3 needed") != costs {
				t.Errorf("refused for quorum: want %t, got %v", costs, err)
			}
		})
	}
}

// Before 3.1.0 corosync does not say how a reload went: a node that could not
// read its file is told by the version that it runs.
func TestAReloadThatDidNotHappenIsSeenBefore31(t *testing.T) {
	w := running(t, 3, 4, nil).install(cluster.Version{Major: 3, Minor: 0, Patch: 4})
	w.Trouble = nil
	p, err := w.planAdd(t, "n4")
	if err != nil {
		t.Fatal(err)
	}
	w.Machine("n1").Fail = func(note cluster.Note, _ cluster.Op) error {
		if note.Step == "reload-1" && note.Phase == cluster.Doing {
			w.give("totem {\n", "n2")
		}
		return nil
	}
	const want = "n2: not as it should be after 3s: it runs config_version 1, not 2"
	if err := w.carryOut(t, p); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("want %q, got %v", want, err)
	}
}

// udpu is the transport of a corosync 2, which encrypts with it.
func udpu(f *corosyncconf.File) error { return f.Root().Section("totem").Set("transport", "udpu") }

func TestCorosync2TakesANewKeyOnlyWhenItStarts(t *testing.T) {
	w := running(t, 3, 3, udpu).install(cluster.Version{Major: 2, Minor: 4, Patch: 6})
	_, err := cluster.PlanRotate(key, w.view(t))
	if want := "corosync 2.4.6 takes a new key only when it starts"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("key rotate: want %q, got %v", want, err)
	}
	p, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3"}, NewKey: key}, w.view(t))
	if err == nil {
		err = w.carryOut(t, p)
	}
	if err != nil {
		t.Fatal(err)
	}
	if want := "the key stays the one that n3 has: corosync 2.4.6 takes a new key only when it starts"; !strings.Contains(p.Notes.Error(), want) {
		t.Errorf("delnode: want the warning %q, got %v", want, p.Notes)
	}
	w.settledOn(t, "n1", "n2")
}
