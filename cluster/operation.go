package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// State is how an operation stands, over all nodes.
type State string

// The states of an operation that is in a journal.
const (
	StateRunning     State = "running"     // someone holds a node for it now
	StateBegun       State = "begun"       // interrupted before anything was changed
	StateInterrupted State = "interrupted" // stopped midway
	StateUndoing     State = "undoing"     // stopped while it was being taken back
	StateDone        State = "done"        // done, only the journal is still open
)

// Operation is what the journals of all nodes together say of one operation.
type Operation struct {
	ID      string
	State   State
	Step    string   // the step it reached
	Nodes   []string // that it is about
	Remedy  string
	Command string

	entry Entry
	logs  map[string][]Note
}

// Operations puts together what the nodes' journals say, oldest first.
func Operations(facts []*Facts) []*Operation {
	doneAmong(facts)
	byID := map[string]*Operation{}
	var ops []*Operation
	running := map[string]bool{}
	for _, f := range facts {
		for _, e := range f.Ops {
			op := byID[e.ID]
			if op == nil {
				op = &Operation{ID: e.ID, entry: e, logs: map[string][]Note{}}
				byID[e.ID] = op
				ops = append(ops, op)
			}
			if op.entry.Plan == nil {
				op.entry = e
			}
			op.logs[f.Node] = e.Log
			running[e.ID] = running[e.ID] || f.Holder != nil && e.Plan != nil && f.Holder.Command == e.Plan.Command
		}
	}
	ops = slices.DeleteFunc(ops, func(o *Operation) bool { return o.entry.Plan == nil })
	for _, o := range ops {
		o.Command, o.Nodes = o.entry.Plan.Command, o.entry.Plan.NodeNames()
		o.State, o.Step = o.judge(running[o.ID])
		switch o.State {
		case StateRunning:
			o.Remedy = "wait until it has ended"
		case StateUndoing, StateBegun:
			o.Remedy = "clusterctl op undo " + o.ID
		case StateDone:
			o.Remedy = "clusterctl op resume " + o.ID
		default:
			o.Remedy = fmt.Sprintf("clusterctl op resume %s, or clusterctl op undo %s", o.ID, o.ID)
		}
	}
	slices.SortFunc(ops, func(a, b *Operation) int { return strings.Compare(a.ID, b.ID) })
	return ops
}

func (o *Operation) judge(running bool) (State, string) {
	state, reached := StateBegun, -1
	for _, log := range o.logs {
		for _, n := range log {
			reached = max(reached, o.index(n.Step))
			switch {
			case n.undoes(): // also where another node, which was away then, says that it was done
				state = StateUndoing
			case n.Phase == Done && state != StateUndoing:
				state = StateDone
			case state == StateBegun:
				state = StateInterrupted
			}
		}
	}
	step := ""
	if reached >= 0 {
		step = o.entry.Plan.Steps[reached].ID
	}
	if running {
		state = StateRunning
	}
	return state, step
}

// index is the place in the plan of the step that a note names, -1 if it has
// none. Undoing a step is noted act by act, as STEP/N.
func (o *Operation) index(step string) int {
	step, _, _ = strings.Cut(step, "/")
	return slices.IndexFunc(o.entry.Plan.Steps, func(s Step) bool { return s.ID == step })
}

// owed lists, of an operation that was undone on some nodes, the others that it
// may have changed: also those whose journal could not be read. It is nil when
// the operation was undone on none.
func (o *Operation) owed() []string {
	var owed []string
	undone := false
	for _, name := range o.entry.Plan.NodeNames() {
		log, read := o.logs[name]
		switch {
		case (Entry{Log: log}).Ended() == Undone:
			undone = true
		case len(log) > 0 || !read:
			owed = append(owed, name)
		}
	}
	if !undone {
		return nil
	}
	return append([]string{}, owed...)
}

// last is the index of the last step that any node began, -1 if none did.
func (o *Operation) last() int {
	last := -1
	for _, log := range o.logs {
		for _, n := range log {
			last = max(last, o.index(n.Step))
		}
	}
	return last
}

// reached is the index of the last step that any node may have begun: those whose
// journals were not read may be ahead of the others, and run by now what these have
// not begun to put in place, as far as these need not have done it first. Who began
// to undo knew.
func (o *Operation) reached() int {
	last := o.last()
	if last < 0 || len(o.logs) == len(o.entry.Plan.Nodes) {
		return last
	}
	for ; last+1 < len(o.entry.Plan.Steps); last++ {
		step := o.entry.Plan.Steps[last]
		for name, log := range o.logs {
			does := !step.Do.One && slices.Contains(step.Do.Nodes, name)
			if slices.ContainsFunc(log, Note.undoes) || does && !slices.Contains(log, Note{Did, step.ID}) {
				return last
			}
		}
	}
	return last
}

// firstOpen is the index of the first step that has not been carried out on
// all of its nodes, or whose effect may not have been seen.
func (o *Operation) firstOpen() int {
	for i, s := range o.entry.Plan.Steps {
		if i == o.last() {
			return i // it was the last one begun: its effect was perhaps not awaited
		}
		did := func(node string) bool { return slices.Contains(o.logs[node], Note{Did, s.ID}) }
		if s.Do.One && !slices.ContainsFunc(s.Do.Nodes, did) || !s.Do.One && slices.ContainsFunc(s.Do.Nodes, func(n string) bool { return !did(n) }) {
			return i
		}
	}
	return len(o.entry.Plan.Steps)
}

// Stood says what of the operation stands when it is undone: see Step.Stands.
func (o *Operation) Stood() string {
	_, stood := o.entry.Plan.from(o.last())
	return stood
}

// Plan returns what the operation was going to do.
func (o *Operation) Plan() *Plan { return o.entry.Plan }

// Left is what is left to do of the operation, or to undo: for --dry-run.
func (o *Operation) Left(undo bool) *Plan {
	p := *o.entry.Plan
	p.Steps, p.Diff, p.Notes = nil, "", nil
	if !undo {
		p.Steps = o.entry.Plan.Steps[min(o.firstOpen(), len(o.entry.Plan.Steps)):]
		return &p
	}
	first, _ := o.entry.Plan.from(o.last())
	for i := o.last(); i >= first; i-- {
		s := o.entry.Plan.Steps[i]
		s.What = "undo: " + s.What
		p.Steps = append(p.Steps, s)
	}
	return &p
}

// Logs returns what happened on each node, by its name.
func (o *Operation) Logs() map[string][]Note { return o.logs }

// MarshalJSON gives the form of `op list -o json`.
func (o *Operation) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID      string    `json:"id"`
		Cluster string    `json:"cluster"`
		Command string    `json:"command"`
		User    string    `json:"user"`
		Host    string    `json:"host"`
		Started time.Time `json:"started"`
		State   State     `json:"state"`
		Step    string    `json:"step"`
		Nodes   []string  `json:"nodes"`
		Remedy  string    `json:"remedy"`
	}{o.ID, o.entry.Plan.Cluster, o.Command, o.entry.User, o.entry.Host, o.entry.Started, o.State, o.Step, o.Nodes, o.Remedy})
}

// By says who ran the operation and when.
func (o *Operation) By() (user, host string, started time.Time) {
	return o.entry.User, o.entry.Host, o.entry.Started
}
