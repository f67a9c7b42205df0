package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Node is one machine, connected, as the planner and the Executor see it. Each
// method is one round trip. Methods of one Node are called one at a time.
//
// A Node that holds its lock loses it when the connection ends: whatever the
// client does afterwards changes nothing on the machine any more. When a
// method's context ends, the method returns, but what it began on the machine
// may still go on; the next method waits for that.
type Node interface {
	// Name is the name under which the node takes part.
	Name() string
	// Address is how it was reached, [user@]host[:port], or "" for this machine.
	Address() string
	// Facts reads what the node is. The node also resolves the names.
	Facts(ctx context.Context, names []string) (*Facts, error)
	// Examine reads what the node is, and its signs of trouble.
	Examine(ctx context.Context) (*Facts, error)
	// Relied reads what a plan relies on, see Seen, and the journal; the other
	// facts are empty.
	Relied(ctx context.Context) (*Facts, error)
	// Runtime reads what corosync says; nil when it is not running.
	Runtime(ctx context.Context) (*Runtime, error)
	// Lock takes the node's lock or fails with *HeldError. It is not waited for.
	Lock(ctx context.Context, h Holder) error
	// Begin writes the entry, the blobs and what the paths and units are now to
	// the node's journal, durably. It fails with *UnfinishedError when another
	// operation was begun there, changed something, and has not ended; ended
	// tells how operations ended whose end the node missed.
	// Repeating it for an operation that is in the journal changes nothing.
	Begin(ctx context.Context, e Entry, blobs map[string][]byte, paths, units []string, ended map[string]Phase) error
	// Journal returns what the node's journal says of an operation, over or
	// not, or nil when it knows of none with that id.
	Journal(ctx context.Context, op string) (*Entry, error)
	// Do carries out a step's operations in order, up to the first that fails:
	// it notes the step in the journal, durably, before it acts and after. note
	// has the phase Doing or Undoing.
	Do(ctx context.Context, op string, note Note, ops []Op, timeout time.Duration) error
	// End notes that the operation is over and how: Done or Undone.
	End(ctx context.Context, op string, phase Phase) error
	// Retire takes an operation that is over on every node out of the list of
	// those begun. Because it comes after every node has the End note, a node
	// without that note proves that the operation is not over, unless another
	// node has it.
	Retire(ctx context.Context, op string) error
	// Blobs returns the journalled new contents of an operation, by hash.
	Blobs(ctx context.Context, op string) (map[string][]byte, error)
	// LinkStats returns what knet measures of the node's links.
	LinkStats(ctx context.Context) ([]LinkStat, error)
	// Past returns the operations that are over and still in the journal.
	Past(ctx context.Context) ([]Past, error)
	// Key returns the node's authkey.
	Key(ctx context.Context) ([]byte, error)
	// Tail returns the last lines of the journal of a systemd unit.
	Tail(ctx context.Context, unit string, lines int) (string, error)
	// Close ends the connection's use by this Node, and so its lock.
	Close() error
}

// NodeError is what went wrong on one node.
type NodeError struct {
	Node   string
	Code   Code // "": CodeFailed
	Step   string
	Remedy string
	Err    error
}

// Error starts with the node's name.
func (e *NodeError) Error() string { return e.Node + ": " + e.text() }

func (e *NodeError) Unwrap() error { return e.Err }

// text is the error without the node's name, which the cause may have too.
func (e *NodeError) text() string {
	text := strings.TrimPrefix(e.Err.Error(), e.Node+": ")
	if e.Step != "" {
		text = e.Step + ": " + text
	}
	return text
}

func (e *NodeError) problem() Problem {
	return Problem{Severity: Error, Code: cmp.Or(e.Code, CodeFailed), Node: e.Node, Message: e.text(), Remedy: e.Remedy}
}

// Holder says who holds a node's lock.
type Holder struct {
	Command string `json:"command"`
	User    string `json:"user"`
	Host    string `json:"host"`  // the machine that clusterctl runs on
	Since   string `json:"since"` // on the node's own clock, RFC 3339
}

// String is "root@admin1 since 2026-01-02T03:04:05Z: clusterctl create ...".
func (h Holder) String() string {
	if h.Command == "" { // it has just taken the lock
		return "another clusterctl"
	}
	return fmt.Sprintf("%s@%s since %s: %s", h.User, h.Host, h.Since, h.Command)
}

// HeldError tells that another clusterctl holds a node.
type HeldError struct{ Holder Holder }

func (e *HeldError) Error() string { return "held by " + e.Holder.String() }

// UnfinishedError tells that an interrupted operation waits on a node.
type UnfinishedError struct{ ID string }

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("operation %s was interrupted here and is neither finished nor undone", e.ID)
}

// ErrOutcomeUnknown tells that the connection was lost after an operation was
// sent: it may or may not have been carried out.
var ErrOutcomeUnknown = errors.New("connection lost midway; whether it was carried out is not known")

// ErrOver tells that another clusterctl has ended the operation meanwhile, as when
// this one had slept.
var ErrOver = errors.New("the operation was ended by another clusterctl meanwhile")

// ErrGone tells that the connection was lost, or could not be used, before an
// operation was sent.
var ErrGone = errors.New("connection lost")
