package cluster_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clusterctl/cluster"
	"clusterctl/internal/sim"
)

// newKey is what keys are changed to.
var newKey = bytes.Repeat([]byte{8}, cluster.KeySize)

// haveKey checks that these machines have a key and, where they run, use it.
func (w *world) haveKey(t *testing.T, want []byte, names ...string) {
	t.Helper()
	for _, name := range names {
		m := w.Machine(name)
		if m.File(cluster.KeyPath) != string(want) || m.Active("corosync") && m.RunningKey() != string(want) {
			t.Errorf("%s has another key, or uses another", name)
		}
	}
}

// restart starts corosync anew everywhere, by hand.
func (w *world) restart() {
	trouble := w.Trouble
	w.Trouble = nil
	for _, do := range []func(*sim.Machine){func(m *sim.Machine) { m.Stop("corosync") }, func(m *sim.Machine) { _ = m.Start("corosync") }} {
		for _, m := range w.Machines() {
			do(m)
		}
	}
	w.Settle()
	w.Trouble = trouble
}

// victims are the nodes on which a step is tried to fail: where one node acts
// for all, the first, and it fails on the others too.
func victims(s cluster.Step) []string {
	if s.Do.One {
		return s.Do.Nodes[:1]
	}
	return s.Do.Nodes
}

func planRotate(t *testing.T, w *world) *cluster.Plan {
	t.Helper()
	p, err := cluster.PlanRotate(newKey, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRotateGivesEveryNodeTheNewKey(t *testing.T) {
	for n := 1; n <= 4; n++ {
		w := running(t, n, n, nil)
		if err := w.carryOut(t, planRotate(t, w)); err != nil {
			t.Fatal(err)
		}
		w.settledOn(t, nodeNames(1, n)...)
		w.haveKey(t, newKey, nodeNames(1, n)...)
		if v, text := parsed(w.Machine("n1").Running()).Totem.ConfigVersion, w.Machine("n1").File(cluster.ConfPath); v != uint64(min(n, 2)+1) || strings.Contains(text, "miss_count_const") {
			t.Errorf("config_version is %d, and the file is\n%s", v, text)
		}
		if open := w.open(); len(open) > 0 {
			t.Errorf("still open on %v", open)
		}
	}
}

func TestRotateReachesNodesThatAreStopped(t *testing.T) {
	w := stopped(t)
	if err := w.carryOut(t, planRotate(t, w)); err != nil {
		t.Fatal(err)
	}
	w.haveKey(t, newKey, "n1", "n2", "n3")
	p, err := cluster.PlanStart(cluster.ServiceSpec{Nodes: []string{"n3"}}, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.carryOut(t, p); err != nil {
		t.Fatal(err)
	}
	w.settledOn(t, "n1", "n2", "n3")
}

// Whatever single operation of a rotation fails on whatever node, and wherever
// it is killed and then undone, all have and use the old key.
func TestARotationIsTakenBackFromAnywhere(t *testing.T) {
	plan := planRotate(t, running(t, 3, 3, nil))
	for _, step := range plan.Steps {
		for _, victim := range victims(step) {
			for i, op := range step.Do.Ops {
				for _, how := range []string{"fails", "killed"} {
					t.Run(fmt.Sprintf("%s of %s on %s, %s", op.Kind, step.ID, victim, how), func(t *testing.T) {
						w := running(t, 3, 3, nil)
						before, content := w.state(), map[string]string{}
						for _, m := range w.Machines() {
							content[m.Name()] = m.File(cluster.ConfPath)
						}
						at := func(n cluster.Note, o cluster.Op) bool {
							return n == (cluster.Note{Phase: cluster.Doing, Step: step.ID}) && o == step.Do.Ops[i]
						}
						dead := false
						for _, m := range w.Machines() {
							m.Fail = func(n cluster.Note, o cluster.Op) error {
								if (m.Name() == victim || step.Do.One) && at(n, o) {
									if how == "killed" {
										dead = true
										w.admin.Die()
									}
									return errors.New("it broke")
								}
								if dead {
									return errors.New("killed")
								}
								return nil
							}
						}
						err := w.carryOut(t, planRotate(t, w))
						if _, undone := errors.AsType[*cluster.UndoneError](err); !undone && how == "fails" {
							t.Fatalf("error is %T: %v", err, err)
						}
						if how == "killed" {
							w.another()
							if err := w.undo(t); err != nil {
								t.Fatal(err)
							}
						}
						w.haveKey(t, key, "n1", "n2", "n3")
						w.settledOn(t, "n1", "n2", "n3")
						w.sameButVersion(t, before, content)
					})
				}
			}
		}
	}
}

// A member that is started anew when it has the new key in place, and the others
// do not use it yet, is by itself; it comes back whether the rotation goes on or
// is taken back.
func TestAMemberThatStartsInTheMiddleOfARotationComesBack(t *testing.T) {
	// Where it is started, and what then becomes of the rotation.
	for _, tt := range []struct {
		step string
		op   cluster.OpKind
		goes string
	}{{"reload-1", cluster.OpReread, "on"}, {"reload-1", cluster.OpReread, "back"}, {"swap-1", cluster.OpTest, "back"}} {
		t.Run(tt.step+", it goes "+tt.goes, func(t *testing.T) {
			w := running(t, 3, 3, nil)
			w.Trouble = func(trouble string) {
				if !strings.HasPrefix(trouble, "n3 ") {
					t.Errorf("quorum: %s", trouble)
				}
			}
			n3 := w.Machine("n3")
			for _, m := range w.Machines() {
				m.Fail = func(n cluster.Note, o cluster.Op) error {
					if n != (cluster.Note{Phase: cluster.Doing, Step: tt.step}) || o.Kind != tt.op || m != n3 {
						return nil
					}
					n3.Stop("corosync")
					if err := n3.Start("corosync"); err != nil {
						return err
					}
					if tt.goes == "back" {
						return errors.New("it broke")
					}
					return nil
				}
			}
			err := w.carryOut(t, planRotate(t, w))
			if (err == nil) != (tt.goes == "on") {
				t.Fatal(err)
			}
			w.haveKey(t, map[string][]byte{"on": newKey, "back": key}[tt.goes], "n1", "n2", "n3")
			w.settledOn(t, "n1", "n2", "n3")
		})
	}
}

func TestARotationIsNotBegunWhenAMemberHasGoneMeanwhile(t *testing.T) {
	w := running(t, 3, 3, nil)
	w.Machine("n1").Fail = func(_ cluster.Note, o cluster.Op) error {
		if o.Kind == cluster.OpRekey {
			w.Machine("n3").Stop("corosync")
		}
		return nil
	}
	err := w.carryOut(t, planRotate(t, w))
	if _, ok := errors.AsType[*cluster.UndoneError](err); !ok {
		t.Fatalf("error is %T: %v", err, err)
	}
	w.haveKey(t, key, "n1", "n2", "n3")
	if v := parsed(w.Machine("n1").Running()).Totem.ConfigVersion; v != 1 {
		t.Errorf("it was reloaded: config_version is %d", v)
	}
}

func TestRotateRefuses(t *testing.T) {
	everywhere := func(old, text string) func(*world, *cluster.View) {
		return func(w *world, _ *cluster.View) {
			for _, m := range w.Machines() {
				m.SetFile(cluster.ConfPath, strings.Replace(m.File(cluster.ConfPath), old, text, 1))
			}
			w.restart()
		}
	}
	tests := []struct {
		name string
		edit func(*world, *cluster.View)
		code cluster.Code
		want string
	}{
		{"a node that is away", func(w *world, _ *cluster.View) { w.die("n3") }, cluster.CodeFailed,
			"n3: a new key would lock it out, and it cannot be reached: no route; bring it back first, or, if it is dead: clusterctl delnode --offline n3"},
		{"no encryption", everywhere("crypto_cipher: aes256\n    crypto_hash: sha256", "crypto_cipher: none\n    crypto_hash: none"), cluster.CodeKeyUnused,
			"the cluster does not encrypt, so no key is in use; encryption is crypto_cipher and crypto_hash in the totem section, with transport knet"},
		{"a key elsewhere", everywhere("totem {", "totem {\n    keyfile: /etc/secret"), cluster.CodeKeyElsewhere,
			"totem.keyfile says that the key is /etc/secret; only /etc/corosync/authkey is changed; change it by hand, on all nodes, and reload"},
		{"a key in the configuration", everywhere("totem {", "totem {\n    key: 0123456789"), cluster.CodeKeyElsewhere,
			"the key stands in corosync.conf itself, as totem.key; move it to /etc/corosync/authkey on every node first"},
		{"a corosync that cannot", func(_ *world, v *cluster.View) {
			v.Nodes[1].Facts.Corosync = cluster.Version{Major: 3, Minor: 0, Patch: 4}
		}, cluster.CodeVersion,
			"corosync 3.0.4 takes a new key only when it starts; clusterctl stop --all, then a new key on every node, then clusterctl start --all"},
		{"keys that differ", func(w *world, _ *cluster.View) { w.Machine("n2").SetFile(cluster.KeyPath, "x") }, cluster.CodeKeyDrift,
			"not all nodes have the same authkey: n1 and n3 | n2; stop those whose key is wrong, then: clusterctl conf sync"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := running(t, 3, 3, nil)
			w.Trouble = nil
			tt.edit(w, w.view(t))
			v := w.view(t)
			tt.edit(w, v)
			_, err := cluster.PlanRotate(newKey, v)
			if !slices.ContainsFunc(cluster.ProblemsOf(err), func(p cluster.Problem) bool { return p.Code == tt.code && p.String() == tt.want }) {
				t.Errorf("no problem %s:\n  %s\namong:\n%v", tt.code, tt.want, err)
			}
		})
	}
}

// planDelete plans that n3 leaves and the rest changes its key.
func planDelete(t *testing.T, v *cluster.View) *cluster.Plan {
	t.Helper()
	p, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3"}, NewKey: newKey}, v)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// owesKey tells whether status says that n3 still has the key.
func (w *world) owesKey(t *testing.T) bool {
	t.Helper()
	return slices.ContainsFunc(cluster.NewStatus(w.view(t)).Problems, func(p cluster.Problem) bool {
		return p.Code == cluster.CodeKeyOwed && strings.Contains(p.Message, "n3")
	})
}

func TestARemovedNodeNeverGetsTheNewKey(t *testing.T) {
	w := running(t, 3, 3, nil)
	if err := w.carryOut(t, planDelete(t, w.view(t))); err != nil {
		t.Fatal(err)
	}
	w.settledOn(t, "n1", "n2")
	w.haveKey(t, newKey, "n1", "n2")
	for path, text := range w.Machine("n3").Files() {
		if text == string(newKey) {
			t.Errorf("it is in %s", path)
		}
	}
	if w.owesKey(t) {
		t.Error("status says that n3 has the key")
	}
}

// When the key cannot be changed on a node, or it is killed there and undone,
// the node is out all the same, and the cluster knows that it owes itself a key.
func TestADelnodeStandsWhenItsRotationFails(t *testing.T) {
	plan := planDelete(t, running(t, 3, 3, nil).view(t))
	at := slices.IndexFunc(plan.Steps, func(s cluster.Step) bool { return s.Stands != "" })
	for _, step := range plan.Steps[at+1:] {
		for _, victim := range victims(step) {
			for _, end := range []string{"fails", "undo", "resume"} {
				t.Run(fmt.Sprintf("%s on %s, %s", step.ID, victim, end), func(t *testing.T) {
					w := running(t, 3, 3, nil)
					p := planDelete(t, w.view(t))
					if end == "fails" {
						for _, m := range w.Machines() {
							m.Fail = func(n cluster.Note, _ cluster.Op) error {
								if (m.Name() == victim || step.Do.One) && n == (cluster.Note{Phase: cluster.Doing, Step: step.ID}) {
									return errors.New("it broke")
								}
								return nil
							}
						}
						if err := w.carryOut(t, p); cluster.Stood(err) != "n3 is out of the cluster" {
							t.Fatalf("error is %T: %v", err, err)
						}
					} else {
						killed(t, w, p, victim, step.ID)
						o := w.only(t)
						o.Plan().Blobs = nil // as when it was read from a journal
						nodes := w.nodes()
						defer cluster.CloseAll(nodes)
						if err := map[string]func() error{
							"undo":   func() error { return w.executor().Undo(t.Context(), o, nodes) },
							"resume": func() error { return w.executor().Resume(t.Context(), o, nodes) },
						}[end](); err != nil {
							t.Fatal(err)
						}
					}
					if open := w.open(); len(open) > 0 {
						t.Errorf("still open on %v", open)
					}
					w.settledOn(t, "n1", "n2")
					w.haveKey(t, map[bool][]byte{true: newKey, false: key}[end == "resume"], "n1", "n2")
					if owes := w.owesKey(t); owes != (end != "resume") {
						t.Errorf("a new key is owed: %v", owes)
					}
					if n3 := w.Machine("n3"); n3.File(cluster.KeyPath) != "" || n3.Active("corosync") {
						t.Error("n3 came back")
					}
				})
			}
		}
	}
}

func TestDelnodeSaysWhyTheKeyStays(t *testing.T) {
	tests := []struct {
		name string
		edit func(*world, *cluster.View)
		want string // "": nothing is said
		owes bool
	}{
		{"a node is away", func(w *world, _ *cluster.View) { w.die("n4") },
			"the key stays the one that n3 has, since n4 is away; clusterctl key rotate, when n4 is back", true},
		{"corosync cannot", func(_ *world, v *cluster.View) {
			v.Nodes[0].Facts.Corosync = cluster.Version{Major: 3, Minor: 0, Patch: 4}
		},
			"the key stays the one that n3 has: corosync 3.0.4 takes a new key only when it starts; clusterctl stop --all, then a new key on every node, then clusterctl start --all", false},
		{"no encryption", func(w *world, _ *cluster.View) {
			for _, m := range w.Machines() {
				m.SetFile(cluster.ConfPath, strings.Replace(m.Running(), "crypto_cipher: aes256\n    crypto_hash: sha256", "crypto_cipher: none\n    crypto_hash: none", 1))
			}
			w.restart()
		}, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := running(t, 5, 5, nil)
			tt.edit(w, w.view(t))
			v := w.view(t)
			tt.edit(w, v)
			p := planDelete(t, v)
			said := ""
			for _, n := range p.Notes {
				if n.Code == cluster.CodeKeyOwed {
					said = n.String()
				}
			}
			if said != tt.want {
				t.Errorf("it says %q, want %q", said, tt.want)
			}
			if err := w.carryOut(t, p); err != nil {
				t.Fatal(err)
			}
			w.haveKey(t, key, "n1", "n2", "n5")
			if w.owesKey(t) != tt.owes {
				t.Errorf("a new key is owed: %v", !tt.owes)
			}
		})
	}
}

func TestAKeyFileIsReplacedOnlyWhenItWasSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authkey")
	for i, k := range [][]byte{key, newKey} {
		if err := cluster.CheckKeyFile(path, false); (err == nil) != (i == 0) {
			t.Errorf("key %d: without force: %v", i, err)
		}
		if err := cluster.CheckKeyFile(path, true); err != nil {
			t.Error(err)
		}
		if err := cluster.WriteKey(path, k); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, k) {
			t.Errorf("key %d: %v", i, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o400 {
			t.Errorf("key %d: mode %v, %v", i, info.Mode(), err)
		}
	}
	if bak, err := os.ReadFile(path + ".bak"); err != nil || !bytes.Equal(bak, key) {
		t.Errorf("the old key is not kept: %v", err)
	}
}

func TestNewKeysAreOfASizeThatCorosyncTakes(t *testing.T) {
	for size, ok := range map[int]bool{127: false, 128: true, 256: true, 4096: true, 4097: false} {
		k, err := cluster.NewKey(size)
		if (err == nil) != ok || ok && len(k) != size {
			t.Errorf("size %d: %d bytes, %v", size, len(k), err)
		}
	}
}
