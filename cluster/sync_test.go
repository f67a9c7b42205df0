package cluster_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
)

// edited is a configuration with a token of 5 s, and another version unless 0.
func edited(t *testing.T, text string, version uint64) string {
	t.Helper()
	f, err := corosyncconf.Parse("", []byte(text))
	if err == nil {
		err = f.Root().Section("totem").Set("token", "5000")
	}
	if err == nil && version > 0 {
		err = f.SetConfigVersion(version)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(f.Bytes())
}

// give writes a corosync.conf by hand.
func (w *world) give(text string, names ...string) {
	for _, n := range names {
		w.Machine(n).SetFile(cluster.ConfPath, text)
	}
}

func TestSyncGivesEachNodeWhatTheClusterRuns(t *testing.T) {
	tests := map[string]struct {
		before func(t *testing.T, w *world, base string)
		from   string
		reload bool   // one is needed
		token  string // that all have in the end; "" for none
	}{
		"a stopped node that is behind": {
			before: func(t *testing.T, w *world, base string) {
				w.Machine("n3").Stop("corosync")
				w.give(edited(t, base, 2), "n1", "n2")
				w.Machine("n1").Reload()
			},
			token: "5000",
		},
		"a stopped node that is ahead": {
			before: func(t *testing.T, w *world, base string) {
				w.Machine("n3").Stop("corosync")
				w.Machine("n3").SetFile(cluster.ConfPath, edited(t, base, 9))
			},
		},
		"a member whose file was edited": {
			before: func(t *testing.T, w *world, base string) {
				w.Machine("n2").SetFile(cluster.ConfPath, edited(t, base, 2))
			},
		},
		"a member whose file is the one that is wanted": {
			before: func(t *testing.T, w *world, base string) {
				w.Machine("n2").SetFile(cluster.ConfPath, edited(t, base, 2))
			},
			from: "n2", reload: true, token: "5000",
		},
		"a file of the same version that is wanted": {
			before: func(t *testing.T, w *world, base string) {
				w.Machine("n2").SetFile(cluster.ConfPath, edited(t, base, 0))
			},
			from: "n2", reload: true, token: "5000",
		},
		"members that run two versions": {
			before: func(t *testing.T, w *world, base string) {
				w.give(edited(t, base, 2), "n1", "n2")
				w.Machine("n1").Reload()
				w.Machine("n3").SetFile(cluster.ConfPath, edited(t, base, 2))
			},
			reload: true, token: "5000",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := running(t, 3, 3, nil)
			w.Trouble = func(trouble string) {
				if !strings.Contains(trouble, "another one of this version") { // as the hand made it
					t.Errorf("quorum: %s", trouble)
				}
			}
			tt.before(t, w, w.Machine("n1").Running())
			p, err := cluster.PlanSync(cluster.SyncSpec{From: tt.from}, w.view(t), key)
			if err != nil {
				t.Fatal(err)
			}
			reloads := 0
			for _, s := range p.Steps {
				if s.Class == cluster.ClassReload {
					reloads++
				}
			}
			if want := map[bool]int{true: 1}[tt.reload]; reloads != want {
				t.Errorf("%d reloads, want %d", reloads, want)
			}
			if err := w.carryOut(t, p); err != nil {
				t.Fatal(err)
			}
			first := w.Machine("n1").File(cluster.ConfPath)
			for _, m := range w.Machines() {
				if m.File(cluster.ConfPath) != first {
					t.Errorf("%s has another file", m.Name())
				}
				if running, want := parsed(m.Running()).Totem.ConfigVersion, parsed(first).Totem.ConfigVersion; m.Active("corosync") && running != want {
					t.Errorf("%s runs version %d of %d", m.Name(), running, want)
				}
			}
			if got := strings.Contains(first, "token: 5000"); got != (tt.token != "") {
				t.Errorf("the file is the wrong one:\n%s", first)
			}
			again, err := cluster.PlanSync(cluster.SyncSpec{}, w.view(t), key)
			if err != nil || len(again.Steps) != 0 {
				t.Errorf("a second sync: %v, %d steps", err, len(again.Steps))
			}
		})
	}
}

func TestSyncPutsTheKey(t *testing.T) {
	w := running(t, 3, 3, nil)
	w.Machine("n3").Stop("corosync")
	w.Machine("n3").SetFile(cluster.KeyPath, "an old one")
	p, err := cluster.PlanSync(cluster.SyncSpec{}, w.view(t), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.carryOut(t, p); err != nil {
		t.Fatal(err)
	}
	if w.Machine("n3").File(cluster.KeyPath) != string(key) {
		t.Error("n3 does not have the cluster's key")
	}
}

func TestSyncDoesNotGuess(t *testing.T) {
	tests := map[string]struct {
		before func(t *testing.T, w *world, base string)
		from   string
		want   cluster.Code
	}{
		"every file was edited": {
			before: func(t *testing.T, w *world, base string) {
				w.give(edited(t, base, 2), "n1", "n2", "n3")
			},
			want: cluster.CodeConfigPending,
		},
		"two files under the version that runs": {
			before: func(t *testing.T, w *world, base string) {
				w.Machine("n2").SetFile(cluster.ConfPath, edited(t, base, 0))
			},
			want: cluster.CodeConfigDrift,
		},
		"no such node": {
			before: func(*testing.T, *world, string) {},
			from:   "n9", want: cluster.CodeNoSuchNode,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := running(t, 3, 3, nil)
			w.Trouble = nil
			tt.before(t, w, w.Machine("n1").Running())
			_, err := cluster.PlanSync(cluster.SyncSpec{From: tt.from}, w.view(t), key)
			var ps cluster.Problems
			if !errors.As(err, &ps) || len(ps) != 1 || ps[0].Code != tt.want {
				t.Errorf("got %v, want one problem %s", err, tt.want)
			}
		})
	}
}

func TestSyncDoesNotReloadWhatAReloadDoesNotDo(t *testing.T) {
	w := running(t, 3, 3, nil)
	w.Machine("n2").SetFile(cluster.ConfPath, strings.Replace(edited(t, w.Machine("n1").Running(), 2), "token: 5000", "link_mode: active", 1))
	_, err := cluster.PlanSync(cluster.SyncSpec{From: "n2"}, w.view(t), key)
	if !slices.ContainsFunc(cluster.ProblemsOf(err), func(p cluster.Problem) bool { return p.Code == cluster.CodeNeedsRestart }) {
		t.Errorf("got %v", err)
	}
}

func TestSyncDoesNotGuessWhichKeyIsRight(t *testing.T) {
	w := running(t, 3, 3, nil)
	w.Machine("n1").SetFile(cluster.KeyPath, strings.Repeat("x", 256))
	nodes := w.nodes()
	defer cluster.CloseAll(nodes)
	if _, err := cluster.SyncKey(t.Context(), cluster.SyncSpec{}, w.view(t), nodes); len(cluster.ProblemsOf(err)) == 0 {
		t.Error("the key of the first member is taken")
	}
	if k, err := cluster.SyncKey(t.Context(), cluster.SyncSpec{From: "n2"}, w.view(t), nodes); err != nil || string(k) != string(key) {
		t.Errorf("the key of n2: %v", err)
	}
}

func TestASyncThatFailsLeavesOneVersionRunning(t *testing.T) {
	w := running(t, 3, 3, nil)
	w.Machine("n2").SetFile(cluster.ConfPath, edited(t, w.Machine("n1").Running(), 2))
	p, err := cluster.PlanSync(cluster.SyncSpec{From: "n2"}, w.view(t), key)
	if err != nil {
		t.Fatal(err)
	}
	w.Machine("n3").Fail = func(note cluster.Note, op cluster.Op) error {
		if note.Phase == cluster.Doing && op.Kind == cluster.OpPut {
			return errors.New("disk full")
		}
		return nil
	}
	was := w.state()
	var undone *cluster.UndoneError
	if err := w.carryOut(t, p); !errors.As(err, &undone) {
		t.Fatalf("got %v", err)
	}
	for what, now := range w.state() {
		if was[what] != now {
			t.Errorf("%s is not what it was", what)
		}
	}
}

func TestHistoryTellsWhoWroteWhat(t *testing.T) {
	w := running(t, 3, 4, nil)
	first := w.Machine("n1").Running()
	p, err := w.planAdd(t, "n4")
	if err != nil {
		t.Fatal(err)
	}
	p.Command = "clusterctl add n4"
	if err := w.carryOut(t, p); err != nil {
		t.Fatal(err)
	}
	added := w.Machine("n1").Running()
	byHand := edited(t, added, parsed(added).Totem.ConfigVersion+1)
	w.give(byHand, "n1", "n2", "n3", "n4")
	w.Machine("n1").Reload()
	p, err = cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n4"}}, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	p.Command = "clusterctl delnode n4"
	if err := w.carryOut(t, p); err != nil {
		t.Fatal(err)
	}
	nodes := w.nodes()
	defer cluster.CloseAll(nodes)
	all, err := cluster.History(t.Context(), w.view(t), nodes)
	if err != nil {
		t.Fatal(err)
	}
	who := map[string]string{}
	for _, c := range all {
		who[string(c.Text)] = c.Command
		if c.Current != (string(c.Text) == w.Machine("n1").Running()) {
			t.Errorf("version %d current: %t", c.Version, c.Current)
		}
		if found, err := cluster.FindVersion(all, c.Label(all)); err != nil || found.Hash != c.Hash {
			t.Errorf("%s does not find version %d: %v", c.Label(all), c.Version, err)
		}
	}
	for text, want := range map[string]string{
		first: "", byHand: "", w.Machine("n1").Running(): "clusterctl delnode n4",
	} {
		if got, ok := who[text]; !ok || got != want {
			t.Errorf("the file of version %d: kept %t, written by %q, want %q", parsed(text).Totem.ConfigVersion, ok, got, want)
		}
	}
	if _, err := cluster.FindVersion(all, "999"); err == nil {
		t.Error("a version that never was is found")
	}
}
