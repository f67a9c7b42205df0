package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"clusterctl/cluster"
)

// world is a few machines in memory, with as much of corosync as plans depend
// on: who is together, votes, reloads. See corosync_test.go.
type world struct {
	mu       sync.Mutex
	machines map[string]*box
	dead     bool                 // the client was killed: whatever it still tries reaches nobody
	watch    func(trouble string) // told when a quorate cluster is not quorate, even for a moment
}

// box is a machine: its files, its services, its journal.
type box struct {
	name    string
	id      uint32 // if not that of its configuration
	files   map[string]string
	active  map[string]bool
	enabled map[string]bool
	locked  *node
	journal map[string]*entry // by operation
	deaf    bool              // nothing reaches it
	running string            // the configuration that corosync runs
	votes   *int              // given for the time being
	missEnd bool              // its connection is lost before it is told that an operation is over
	fail    func(note cluster.Note, op cluster.Op) error
}

type entry struct {
	files           map[string]string
	active, enabled map[string]bool
	blobs           map[string][]byte
	entry           cluster.Entry
	log             []cluster.Note
	retired         bool
}

// over tells whether the operation has ended on the machine.
func (e *entry) over() bool { return (cluster.Entry{Log: e.log}).Ended() != "" }

func newWorld(names ...string) *world {
	w := &world{machines: map[string]*box{}}
	for _, n := range names {
		w.machines[n] = &box{name: n, files: map[string]string{}, active: map[string]bool{}, enabled: map[string]bool{}, journal: map[string]*entry{}}
	}
	return w
}

func (w *world) connect(name string) *node { return &node{w: w, box: w.machines[name]} }

func (w *world) nodes() map[string]cluster.Node {
	m := map[string]cluster.Node{}
	for name := range w.machines {
		m[name] = w.connect(name)
	}
	return m
}

// state is what an admin would compare: files and services of every machine.
func (w *world) state() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string]string{}
	for name, b := range w.machines {
		out[name] = fmt.Sprint(b.files, b.active, b.enabled)
	}
	return out
}

// open lists the machines on which an operation is open.
func (w *world) open() []string {
	var names []string
	for name, b := range w.machines {
		for _, e := range b.journal {
			if !e.retired {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// facts are those of all machines that answer, sorted by name.
func (w *world) facts() []*cluster.Facts {
	var all []*cluster.Facts
	for _, name := range slices.Sorted(maps.Keys(w.machines)) {
		if b := w.machines[name]; !b.deaf {
			all = append(all, w.factsOf(b))
		}
	}
	return all
}

// factsOf is what the facts scripts would find on a machine.
func (w *world) factsOf(b *box) *cluster.Facts {
	i := 0
	if _, err := fmt.Sscanf(b.name, "n%d", &i); err != nil {
		panic(err)
	}
	f := machine(i)
	if text, ok := b.files[cluster.ConfPath]; ok {
		carrying(text)(f)
	}
	_, exists := b.files[cluster.KeyPath]
	f.Key = cluster.FileState{Exists: exists, Hash: hashOf(b.files, cluster.KeyPath)}
	f.Runtime = w.runtime(b)
	if f.Runtime != nil {
		f.Units["corosync"] = cluster.Unit{Loaded: true, Active: "active", Enabled: b.enabled["corosync"]}
	}
	f.Ended = map[string]cluster.Phase{}
	for id, e := range b.journal {
		if e.retired {
			f.Ended[id] = cluster.Entry{Log: e.log}.Ended()
			continue
		}
		entry := e.entry
		entry.Log = slices.Clone(e.log)
		f.Ops = append(f.Ops, entry)
	}
	return f
}

// node is a connection to a box.
type node struct {
	w    *world
	box  *box
	gone bool
}

func (n *node) Name() string    { return n.box.name }
func (n *node) Address() string { return "root@" + n.box.name }
func (n *node) Facts(context.Context, []string) (*cluster.Facts, error) {
	leave, err := n.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	return n.w.factsOf(n.box), nil
}
func (n *node) Key(context.Context) ([]byte, error)               { return []byte(n.box.files[cluster.KeyPath]), nil }
func (n *node) Tail(context.Context, string, int) (string, error) { return "the journal's end", nil }

func (n *node) enter() (func(), error) {
	n.w.mu.Lock()
	if n.box.deaf || n.gone || n.w.dead {
		n.w.mu.Unlock()
		n.gone = true
		return nil, cluster.ErrGone
	}
	return n.w.mu.Unlock, nil
}

func (n *node) Close() error {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	n.gone = true
	if n.box.locked == n {
		n.box.locked = nil
	}
	return nil
}

func (n *node) Lock(context.Context, cluster.Holder) error {
	leave, err := n.enter()
	if err != nil {
		return err
	}
	defer leave()
	if n.box.locked != nil && n.box.locked != n && !n.box.locked.gone {
		return &cluster.HeldError{Holder: cluster.Holder{User: "eve"}}
	}
	n.box.locked = n
	return nil
}

func (n *node) Journal(_ context.Context, op string) (*cluster.Entry, error) {
	leave, err := n.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	e := n.box.journal[op]
	if e == nil {
		return nil, nil
	}
	entry := e.entry
	entry.Log = slices.Clone(e.log)
	return &entry, nil
}

func (n *node) Begin(_ context.Context, e cluster.Entry, blobs map[string][]byte, _, _ []string, ended map[string]cluster.Phase) error {
	leave, err := n.enter()
	if err != nil {
		return err
	}
	defer leave()
	b := n.box
	for id, old := range b.journal {
		if id == e.ID {
			return nil
		}
		if !old.retired && len(old.log) > 0 && ended[id] != "" && !old.over() {
			old.log = append(old.log, cluster.Note{Phase: ended[id]})
		}
		if !old.retired && len(old.log) > 0 && !old.over() {
			return &cluster.UnfinishedError{ID: id}
		}
		old.retired = true
	}
	if b.fail != nil {
		if err := b.fail(cluster.Note{}, cluster.Op{}); err != nil {
			return err
		}
	}
	b.journal[e.ID] = &entry{files: maps.Clone(b.files), active: maps.Clone(b.active), enabled: maps.Clone(b.enabled), blobs: blobs, entry: e}
	return nil
}

func (n *node) Do(_ context.Context, op string, note cluster.Note, ops []cluster.Op, _ time.Duration) error {
	leave, err := n.enter()
	if err != nil {
		return err
	}
	defer leave()
	b := n.box
	if b.locked != n {
		return errors.New("acts without the lock")
	}
	e := b.journal[op]
	if e == nil || e.retired {
		return errors.New("not in the journal")
	}
	e.log = append(e.log, note)
	for _, o := range ops {
		if b.fail != nil {
			if err := b.fail(note, o); err != nil {
				return err
			}
		}
		switch o.Kind {
		case cluster.OpPut, cluster.OpSwap:
			if o.Base != "" && hashOf(b.files, o.Path) != o.Base && hashOf(b.files, o.Path) != o.Blob {
				return errors.New(o.Path + " was changed meanwhile")
			}
			delete(b.files, o.Path+".new")
			b.files[o.Path] = string(e.blobs[o.Blob])
		case cluster.OpTest, cluster.OpIDs:
		case cluster.OpUnstage:
			delete(b.files, o.Path+".new")
		case cluster.OpUnswap:
			delete(b.files, o.Path+".new")
			switch {
			case hashOf(b.files, o.Path) != o.Base:
			case o.Blob == "":
				b.files[o.Path] = e.files[o.Path]
			default:
				b.files[o.Path] = string(e.blobs[o.Blob])
			}
		case cluster.OpAside:
			b.files[o.Path+".bak"] = b.files[o.Path]
			delete(b.files, o.Path)
		case cluster.OpReload:
			n.w.reload()
		case cluster.OpVotes:
			n.w.give(o.N, o.Name)
		case cluster.OpDisable:
			delete(b.enabled, o.Unit)
		case cluster.OpBoot:
			delete(b.enabled, o.Unit)
			if e.enabled[o.Unit] {
				b.enabled[o.Unit] = true
			}
		case cluster.OpRevive:
			if e.active[o.Unit] && !b.active[o.Unit] {
				n.w.start(b, o.Unit)
			}
		case cluster.OpStage:
			b.files[o.Path+".new"] = string(e.blobs[o.Blob])
		case cluster.OpRestore:
			for _, p := range []string{o.Path, o.Path + ".new", o.Path + ".bak"} {
				if was, ok := e.files[p]; ok {
					b.files[p] = was
				} else {
					delete(b.files, p)
				}
			}
		case cluster.OpStart:
			n.w.start(b, o.Unit)
		case cluster.OpStop:
			delete(b.active, o.Unit)
			n.w.look()
		case cluster.OpEnable:
			b.enabled[o.Unit] = true
		case cluster.OpReset:
			reset := func(now, was map[string]bool) {
				delete(now, o.Unit)
				if was[o.Unit] {
					now[o.Unit] = true
				}
			}
			was := b.active[o.Unit]
			reset(b.active, e.active)
			reset(b.enabled, e.enabled)
			if b.active[o.Unit] && !was {
				n.w.start(b, o.Unit)
			}
		}
	}
	after := cluster.Did
	if note.Phase == cluster.Undoing {
		after = cluster.Undid
	}
	e.log = append(e.log, cluster.Note{Phase: after, Step: note.Step})
	return nil
}

func (n *node) Past(context.Context) ([]cluster.Past, error) {
	leave, err := n.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	var all []cluster.Past
	for _, id := range slices.Sorted(maps.Keys(n.box.journal)) {
		if e := n.box.journal[id]; e.retired {
			all = append(all, cluster.Past{Entry: e.entry, Conf: []byte(e.files[cluster.ConfPath])})
		}
	}
	return all, nil
}

// Runtime is what corosync would say.
func (n *node) Runtime(context.Context) (*cluster.Runtime, error) {
	leave, err := n.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	return n.w.runtime(n.box), nil
}

func (n *node) End(_ context.Context, op string, phase cluster.Phase) error {
	if n.box.missEnd {
		return cluster.ErrGone
	}
	leave, err := n.enter()
	if err != nil {
		return err
	}
	defer leave()
	if e := n.box.journal[op]; e != nil && !e.retired {
		e.log = append(e.log, cluster.Note{Phase: phase})
	}
	return nil
}

func (n *node) Retire(_ context.Context, op string) error {
	leave, err := n.enter()
	if err != nil {
		return err
	}
	defer leave()
	e := n.box.journal[op]
	if e == nil {
		return nil
	}
	if len(e.log) > 0 && !e.over() {
		return errors.New("the operation is not over")
	}
	e.retired = true
	return nil
}

func (n *node) Blobs(_ context.Context, op string) (map[string][]byte, error) {
	leave, err := n.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if e := n.box.journal[op]; e != nil && !e.retired {
		return e.blobs, nil
	}
	return nil, errors.New("not in the journal")
}

// createIn is a world with the plan of a create in it: n1 runs its
// distribution's default cluster, n2 and n3 are bare.
func createIn(t *testing.T) (*world, *cluster.Plan, *cluster.Executor) {
	t.Helper()
	w := newWorld("n1", "n2", "n3")
	n1 := w.machines["n1"]
	n1.files[cluster.ConfPath], n1.running, n1.active["corosync"], n1.enabled["corosync"] = debianDefault, debianDefault, true, true
	p := planOf(t, request("n1", "n2", "n3"), w.facts())
	for _, s := range p.Steps { // nothing in memory takes as long as a membership
		if s.Do.Want != nil {
			s.Do.Want.Deadline = 200 * time.Millisecond
		}
	}
	for _, name := range []string{"n1", "n2", "n3"} {
		p.Nodes = append(p.Nodes, cluster.PlanNode{Name: name, Addresses: []string{name}})
	}
	x := &cluster.Executor{
		User: "root", Host: "admin", Grace: time.Nanosecond,
		Connect: func(_ context.Context, n cluster.PlanNode) (cluster.Node, error) {
			if w.machines[n.Name].deaf || w.dead {
				return nil, &cluster.NodeError{Node: n.Name, Code: cluster.CodeUnreachable, Err: errors.New("no route")}
			}
			return w.connect(n.Name), nil
		},
	}
	return w, p, x
}

func TestRunDoesEveryStepAndClosesTheJournal(t *testing.T) {
	w, p, x := createIn(t)
	if err := x.Run(t.Context(), p, w.nodes()); err != nil {
		t.Fatal(err)
	}
	want := string(newConf(t, p).Bytes())
	for name, b := range w.machines {
		if b.files[cluster.ConfPath] != want || b.files[cluster.KeyPath] != string(key) || !b.active["corosync"] || !b.enabled["corosync"] {
			t.Errorf("%s is not as planned: %v %v", name, slices.Collect(maps.Keys(b.files)), b.active)
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
					w.machines[victim].fail = func(n cluster.Note, o cluster.Op) error {
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
	w.machines["n3"].id = 33 // the others never see node 3
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
	w.machines["n2"].fail = func(n cluster.Note, _ cluster.Op) error {
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
	if err := w.connect("n2").Lock(t.Context(), cluster.Holder{}); err != nil {
		t.Fatal(err)
	}
	err := x.Run(t.Context(), p, w.nodes())
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
			w.machines[step.Do.Nodes[0]].fail = func(n cluster.Note, _ cluster.Op) error {
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
	w.machines[victim].fail = func(n cluster.Note, _ cluster.Op) error {
		if n == (cluster.Note{Phase: cluster.Doing, Step: step}) {
			w.machines[victim].deaf = true
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
					w.machines[victim].deaf, w.machines[victim].fail = false, nil
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
func killed(t *testing.T, w *world, p *cluster.Plan, x *cluster.Executor, victim, step string) {
	t.Helper()
	for _, b := range w.machines {
		b.fail = func(n cluster.Note, _ cluster.Op) error {
			if b.name == victim && n == (cluster.Note{Phase: cluster.Doing, Step: step}) {
				w.dead = true
			}
			if w.dead {
				return errors.New("killed")
			}
			return nil
		}
	}
	nodes := w.nodes()
	_ = x.Run(t.Context(), p, nodes)
	cluster.CloseAll(nodes)
	w.dead = false
	for _, b := range w.machines {
		b.fail, b.locked = nil, nil
	}
}

func TestAKilledRunIsFinishedByResume(t *testing.T) {
	_, p, _ := createIn(t)
	for _, step := range p.Steps {
		for _, victim := range step.Do.Nodes {
			t.Run(fmt.Sprintf("killed in %s on %s", step.ID, victim), func(t *testing.T) {
				w, p, x := createIn(t)
				killed(t, w, p, x, victim, step.ID)
				ops := cluster.Operations(w.facts())
				if len(ops) != 1 || ops[0].State != cluster.StateInterrupted || ops[0].Step != step.ID {
					t.Fatalf("operations: %+v", ops)
				}
				ops[0].Plan().Blobs = nil // as when it was read from a journal
				if err := x.Resume(t.Context(), ops[0], w.nodes()); err != nil {
					t.Fatal(err)
				}
				for name, b := range w.machines {
					if b.files[cluster.KeyPath] != string(key) || !b.active["corosync"] {
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
