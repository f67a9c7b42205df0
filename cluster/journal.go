package cluster

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Entry is what a node's journal says of an operation.
type Entry struct {
	Schema  int       `json:"schema"`
	ID      string    `json:"id"` // sorts by time
	User    string    `json:"user"`
	Host    string    `json:"host"`    // the machine that clusterctl ran on
	Started time.Time `json:"started"` // on that machine's clock
	Plan    *Plan     `json:"plan"`

	Log []Note `json:"-"` // what happened on the node, in order

	encoded []byte // as JSON; the same for all nodes
}

// encode makes JSON of the entry, which is not changed any more.
func (e *Entry) encode() (err error) {
	if e.encoded == nil {
		e.encoded, err = json.Marshal(e)
	}
	return err
}

// Phase is how far something came.
type Phase string

// The phases of a Note.
const (
	Doing   Phase = "do"     // a step was begun
	Did     Phase = "did"    // a step was carried out; its verification may still fail
	Undoing Phase = "undo"   // a step's undoing was begun
	Undid   Phase = "undid"  // a step was undone
	Done    Phase = "done"   // the operation is over: everything was done
	Undone  Phase = "undone" // the operation is over: everything was taken back
)

// Note is one line of a node's journal.
type Note struct {
	Phase Phase
	Step  string // Step.ID; "" with Done and Undone
}

// String is the note as it stands in the journal.
func (n Note) String() string { return strings.TrimSpace(string(n.Phase) + " " + n.Step) }

// undoes tells whether the note is of undoing.
func (n Note) undoes() bool { return n.Phase == Undoing || n.Phase == Undid || n.Phase == Undone }

// parseLog reads journal lines, "TIME PHASE [STEP]". A line cut short by a
// crash is dropped: it was not durable, so nothing was done in its name.
func parseLog(text string) []Note {
	var notes []Note
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(line, "\n") {
			break
		}
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		n := Note{Phase: Phase(fields[1])}
		if len(fields) > 2 {
			n.Step = fields[2]
		}
		notes = append(notes, n)
	}
	return notes
}

// Touched tells whether the operation may have changed anything on the node.
func (e Entry) Touched() bool { return len(e.Log) > 0 }

// Ended returns Done or Undone when the operation is over on the node, else "".
// An operation that was done may have been undone since, where others did not
// know.
func (e Entry) Ended() Phase {
	ended := Phase("")
	for _, n := range e.Log {
		if n.Phase == Done || n.Phase == Undone {
			ended = n.Phase
		}
	}
	return ended
}

// doneAmong lists the operations that some node says are done, which holds for
// all: none says so before every step was carried out everywhere. Entries of
// nodes that missed it are marked. (That one was undone does not hold for a
// node that was away meanwhile.)
func doneAmong(facts []*Facts) map[string]Phase {
	done := map[string]Phase{}
	for _, f := range facts {
		for id, phase := range f.Ended {
			if phase == Done {
				done[id] = Done
			}
		}
		for _, e := range f.Ops {
			if e.Ended() == Done {
				done[e.ID] = Done
			}
		}
	}
	for _, f := range facts { // who could not see that it was done may have begun to undo it
		for _, e := range f.Ops {
			if slices.ContainsFunc(e.Log, func(n Note) bool { return n.undoes() }) {
				delete(done, e.ID)
			}
		}
	}
	for _, f := range facts {
		for i, e := range f.Ops {
			if done[e.ID] != "" && e.Ended() == "" && e.Touched() {
				f.Ops[i].Log = append(slices.Clone(e.Log), Note{Phase: Done})
			}
		}
	}
	return done
}

func sortEntries(es []Entry) {
	slices.SortFunc(es, func(a, b Entry) int { return strings.Compare(a.ID, b.ID) })
}
