package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"clusterctl/cluster"
)

// createIn is a world with the plan of a create in it: n1 runs its
// distribution's default cluster, n2 and n3 are bare.
func createIn(t *testing.T) (*world, *cluster.Plan, *cluster.Executor) {
	t.Helper()
	w := newWorld("n1", "n2", "n3")
	n1 := w.Machine("n1")
	n1.SetFile(cluster.ConfPath, debianDefault)
	n1.Enable("corosync")
	if err := n1.Start("corosync"); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	p := planOf(t, request("n1", "n2", "n3"), w.facts())
	for _, s := range p.Steps { // nothing in memory takes as long as a membership
		if s.Do.Want != nil {
			s.Do.Want.Deadline = 200 * time.Millisecond
		}
	}
	for _, name := range []string{"n1", "n2", "n3"} {
		p.Nodes = append(p.Nodes, cluster.PlanNode{Name: name, Addresses: []string{name}})
	}
	return w, p, w.executor()
}

func TestRunDoesEveryStepAndClosesTheJournal(t *testing.T) {
	w, p, x := createIn(t)
	if err := x.Run(t.Context(), p, w.nodes()); err != nil {
		t.Fatal(err)
	}
	want := string(newConf(t, p).Bytes())
	for _, b := range w.Machines() {
		name := b.Name()
		if b.File(cluster.ConfPath) != want || b.File(cluster.KeyPath) != string(key) || !b.Active("corosync") || !b.Enabled("corosync") {
			t.Errorf("%s is not as planned: %v %v", name, slices.Collect(maps.Keys(b.Files())), b.Active("corosync"))
		}
	}
	if open := w.open(); len(open) > 0 {
		t.Errorf("the operation is still open on %v", open)
	}
}

// Whatever single action fails on whatever node, everything is taken back on
// every node and the journals are closed.
func TestAFailureAnywhereIsTakenBackEverywhere(t *testing.T) {
	_, p, _ := createIn(t)
	for _, victim := range []string{"n1", "n2", "n3"} {
		for _, step := range p.Steps {
			for i, op := range step.Do.Ops {
				if !slices.Contains(step.Do.Nodes, victim) {
					continue
				}
				t.Run(fmt.Sprintf("%s of %s on %s", op.Kind, step.ID, victim), func(t *testing.T) {
					w, p, x := createIn(t)
					before := w.state()
					w.Machine(victim).Fail = func(n cluster.Note, o cluster.Op) error {
						if n == (cluster.Note{Phase: cluster.Doing, Step: step.ID}) && o == step.Do.Ops[i] {
							return errors.New("it broke")
						}
						return nil
					}
					err := x.Run(t.Context(), p, w.nodes())
					if _, ok := errors.AsType[*cluster.UndoneError](err); !ok {
						t.Fatalf("error is %T: %v", err, err)
					}
					if !strings.Contains(err.Error(), victim) || !strings.Contains(err.Error(), "it broke") {
						t.Errorf("the error does not tell node and cause: %v", err)
					}
					if diff := cmp.Diff(before, w.state()); diff != "" {
						t.Errorf("not as before (-before +after):\n%s", diff)
					}
					if open := w.open(); len(open) > 0 {
						t.Errorf("still open on %v", open)
					}
				})
			}
		}
	}
}

func TestAMembershipThatDoesNotFormIsTakenBack(t *testing.T) {
	w, p, x := createIn(t)
	before := w.state()
	w.Machine("n3").Pretend(33) // the others never see node 3
	err := x.Run(t.Context(), p, w.nodes())
	if !strings.Contains(fmt.Sprint(err), "it does not see n3") || !strings.Contains(fmt.Sprint(err), "the journal's end") {
		t.Errorf("error: %v", err)
	}
	if diff := cmp.Diff(before, w.state()); diff != "" {
		t.Errorf("not as before (-before +after):\n%s", diff)
	}
}

func TestAJournalThatCannotBeWrittenChangesNothing(t *testing.T) {
	w, p, x := createIn(t)
	before := w.state()
	w.Machine("n2").Fail = func(n cluster.Note, _ cluster.Op) error {
		if n == (cluster.Note{}) {
			return errors.New("no space left")
		}
		return nil
	}
	err := x.Run(t.Context(), p, w.nodes())
	if err == nil || !strings.Contains(err.Error(), "n2: no space left") {
		t.Errorf("error: %v", err)
	}
	if diff := cmp.Diff(before, w.state()); diff != "" {
		t.Errorf("not as before (-before +after):\n%s", diff)
	}
	if open := w.open(); len(open) > 0 {
		t.Errorf("still open on %v", open)
	}
}

func TestAHeldNodeIsRefusedAndNothingChanges(t *testing.T) {
	w, p, x := createIn(t)
	before := w.state()
	other, err := w.Admin(2).Connect(t.Context(), cluster.PlanNode{Name: "n2"})
	if err == nil {
		err = other.Lock(t.Context(), cluster.Holder{})
	}
	if err != nil {
		t.Fatal(err)
	}
	err = x.Run(t.Context(), p, w.nodes())
	if ps := cluster.ProblemsOf(err); len(ps) != 1 || ps[0].Code != cluster.CodeHeld || ps[0].Node != "n2" {
		t.Errorf("error: %v", err)
	}
	if diff := cmp.Diff(before, w.state()); diff != "" {
		t.Errorf("not as before (-before +after):\n%s", diff)
	}
}

func TestAnInterruptedRunIsTakenBack(t *testing.T) {
	_, p, _ := createIn(t)
	for _, step := range p.Steps {
		t.Run("during "+step.ID, func(t *testing.T) {
			w, p, x := createIn(t)
			before := w.state()
			ctx, cancel := context.WithCancelCause(t.Context())
			w.Machine(step.Do.Nodes[0]).Fail = func(n cluster.Note, _ cluster.Op) error {
				if n.Step == step.ID && n.Phase == cluster.Doing {
					cancel(errors.New("ctrl-c"))
				}
				return nil
			}
			err := x.Run(ctx, p, w.nodes())
			last := step.ID == p.Steps[len(p.Steps)-1].ID
			if _, undone := errors.AsType[*cluster.UndoneError](err); !undone && !last {
				t.Fatalf("error is %T: %v", err, err)
			}
			if err == nil {
				return // it was through already
			}
			if diff := cmp.Diff(before, w.state()); diff != "" {
				t.Errorf("not as before (-before +after):\n%s", diff)
			}
		})
	}
}

// cut makes a node unreachable when a step is to be done there.
func cut(w *world, victim, step string) {
	w.Machine(victim).Fail = func(n cluster.Note, _ cluster.Op) error {
		if n == (cluster.Note{Phase: cluster.Doing, Step: step}) {
			w.Machine(victim).Deaf = true
			return cluster.ErrOutcomeUnknown
		}
		return nil
	}
}

// A node that is lost midway leaves the operation open; from anywhere, once the
// node is back, op undo takes it back and op resume finishes it.
func TestALostNodeLeavesTheOperationOpenToUndoOrResume(t *testing.T) {
	_, p, _ := createIn(t)
	for _, step := range p.Steps {
		for _, victim := range step.Do.Nodes {
			for _, verb := range []string{"undo", "resume"} {
				t.Run(fmt.Sprintf("%s after %s lost %s", verb, step.ID, victim), func(t *testing.T) {
					w, p, x := createIn(t)
					before := w.state()
					cut(w, victim, step.ID)
					nodes := w.nodes()
					err := x.Run(t.Context(), p, nodes)
					cluster.CloseAll(nodes)
					open, ok := errors.AsType[*cluster.UnfinishedOpError](err)
					if !ok {
						t.Fatalf("error is %T: %v", err, err)
					}
					w.Machine(victim).Deaf, w.Machine(victim).Fail = false, nil
					ops := cluster.Operations(w.facts())
					if len(ops) != 1 || ops[0].ID != open.ID {
						t.Fatalf("open operations: %v", ops)
					}
					if verb == "resume" {
						nodes := w.nodes()
						err := x.Resume(t.Context(), ops[0], nodes)
						cluster.CloseAll(nodes)
						if ops[0].State == cluster.StateInterrupted {
							if err != nil || len(w.open()) > 0 {
								t.Errorf("resume: %v; still open on %v", err, w.open())
							}
							return
						}
						if err == nil { // it was being taken back already: that cannot be turned round
							t.Fatal("an operation that was being undone was resumed")
						}
					}
					if err := x.Undo(t.Context(), ops[0], w.nodes()); err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(before, w.state()); diff != "" {
						t.Errorf("not as before (-before +after):\n%s", diff)
					}
					if open := w.open(); len(open) > 0 {
						t.Errorf("still open on %v", open)
					}
				})
			}
		}
	}
}

// killed carries out a plan until an action of a step is done on a node and
// then stops dead, as kill -9 does: nothing is taken back, all locks are free.
func killed(t *testing.T, w *world, p *cluster.Plan, victim, step string) {
	t.Helper()
	w.dieAt(victim, cluster.Note{Phase: cluster.Doing, Step: step})
	nodes := w.nodes()
	_ = w.executor().Run(t.Context(), p, nodes)
	w.another()
}

// dieAt has the admin die when a step is done on a machine. What other machines
// are told to do at that moment is not done.
func (w *world) dieAt(victim string, note cluster.Note) {
	dead := false
	for _, b := range w.Machines() {
		b.Fail = func(n cluster.Note, _ cluster.Op) error {
			if b.Name() == victim && n == note {
				dead = true
				w.admin.Die()
			}
			if dead {
				return errors.New("killed")
			}
			return nil
		}
	}
}

// another admin takes over.
func (w *world) another() {
	w.admin = w.Admin(2)
	for _, b := range w.Machines() {
		b.Fail = nil
	}
}

func TestAKilledRunIsFinishedByResume(t *testing.T) {
	_, p, _ := createIn(t)
	for _, step := range p.Steps {
		for _, victim := range step.Do.Nodes {
			t.Run(fmt.Sprintf("killed in %s on %s", step.ID, victim), func(t *testing.T) {
				w, p, _ := createIn(t)
				killed(t, w, p, victim, step.ID)
				ops := cluster.Operations(w.facts())
				if len(ops) != 1 || ops[0].State != cluster.StateInterrupted || ops[0].Step != step.ID {
					t.Fatalf("operations: %+v", ops)
				}
				ops[0].Plan().Blobs = nil // as when it was read from a journal
				if err := w.executor().Resume(t.Context(), ops[0], w.nodes()); err != nil {
					t.Fatal(err)
				}
				for _, b := range w.Machines() {
					name := b.Name()
					if b.File(cluster.KeyPath) != string(key) || !b.Active("corosync") {
						t.Errorf("%s is not as planned", name)
					}
				}
				if open := w.open(); len(open) > 0 {
					t.Errorf("still open on %v", open)
				}
			})
		}
	}
}
