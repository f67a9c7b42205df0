package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-multierror"

	"clusterctl/corosyncconf"
	"clusterctl/quorum"
)

// Executor carries plans out, and takes them back when a step fails.
type Executor struct {
	// Connect connects to a node anew, after its connection was lost.
	Connect func(ctx context.Context, n PlanNode) (Node, error)
	// Report is told what goes on; nil: nobody is.
	Report Reporter
	// User and Host say who is at work, for the lock and the journal.
	User, Host string
	// Grace is how long undoing waits for a node that was lost; 0: 30 s.
	Grace time.Duration
	// Patience is how long Resume and Undo wait for the locks that the
	// interrupted run still holds; 0: 45 s, more than a shell waits for its client.
	Patience time.Duration
}

// Reporter is told what goes on.
type Reporter interface {
	// Start says that something began; the function it returns, that it ended.
	Start(what string) (end func(error))
	// Warn says something that the admin should read.
	Warn(text string)
}

// UnfinishedOpError tells that an operation stopped midway and could not be
// taken back on every node. The operation's journal is kept on the nodes.
type UnfinishedOpError struct {
	ID    string
	Node  string // one that took part, to ask with -H
	Cause error  // why it stopped
	Undo  error  // why it could not be taken back; nil when it was not tried
	Stood string // what was reached for good, see Step.Stands
}

func (e *UnfinishedOpError) Error() string {
	s := fmt.Sprintf("stopped midway: %v", e.Cause)
	if e.Undo != nil {
		s += fmt.Sprintf("\nnot taken back everywhere: %v", e.Undo)
	}
	return s
}

// Unwrap returns the cause and why it could not be undone.
func (e *UnfinishedOpError) Unwrap() []error {
	if e.Undo == nil {
		return []error{e.Cause}
	}
	return []error{e.Cause, e.Undo}
}

// UndoneError tells that an operation failed and that all of it was taken back,
// or all but what had been reached for good.
type UndoneError struct {
	Cause error
	Stood string // what was reached for good, see Step.Stands; "": all was taken back
}

// Stood says what stands of a plan that failed with err: see Step.Stands.
func Stood(err error) string {
	if u, ok := errors.AsType[*UndoneError](err); ok {
		return u.Stood
	}
	if u, ok := errors.AsType[*UnfinishedOpError](err); ok {
		return u.Stood
	}
	return ""
}

func (e *UndoneError) Error() string { return e.Cause.Error() }
func (e *UndoneError) Unwrap() error { return e.Cause }

// How long the steps of a plan may take on a node.
const (
	stepTimeout = 120 * time.Second // systemd's own limit for a start is 90 s
	moveTimeout = 31 * time.Minute  // for pacemaker to move its resources away; its unit's own limit is 30
	pveTimeout  = 4 * time.Minute   // for pmxcfs to end a lock that was left behind, or to join
	haTimeout   = 7 * time.Minute   // for HA of Proxmox VE to freeze its guests, and end: pve-ha-lrm has five (op_quiet), and pve-ha-crm comes after it
	undoTimeout = 5 * time.Minute   // for undoing a whole operation, beside the time that pacemaker takes
)

// timeLimit is how long operations may take on a node. Pacemaker may have come up
// by the time that corosync is restarted once more.
func timeLimit(ops []Op) time.Duration {
	moves := func(o Op) bool { return o.Kind == OpStop && o.Unit == "pacemaker" || o.Kind == OpAgain }
	if slices.ContainsFunc(ops, moves) {
		return moveTimeout
	}
	if slices.ContainsFunc(ops, func(o Op) bool { return o.Kind == OpQuiet }) {
		return haTimeout
	}
	if slices.ContainsFunc(ops, func(o Op) bool { return o.shares() || o.Kind == OpPmxcfs }) {
		return pveTimeout
	}
	return stepTimeout
}

// undoLimit is how long undoing the steps may take.
func undoLimit(steps []Step) time.Duration {
	limit := undoTimeout
	for _, s := range steps {
		for _, act := range s.Undo {
			if l := timeLimit(act.Ops); l > stepTimeout {
				limit += l
			}
			if len(act.Carry) > 0 { // see bringOver
				limit += moveTimeout
			}
		}
	}
	return limit
}

// run is one operation under way.
type run struct {
	*Executor
	entry Entry
	mu    sync.Mutex
	nodes map[string]Node   // by name; nil: lost
	own   []Node            // connected anew here, so closed here
	logs  map[string][]Note // what the journals of an interrupted run say, by node
	ended map[string]Phase  // other operations that are done, though not every journal says so
}

// Run carries plan out on nodes, which it must name all. When it returns nil,
// everything was done and verified. Otherwise the error is *UndoneError when
// all of what was done has been taken back, *UnfinishedOpError when not, and
// any other when nothing was changed.
func (x *Executor) Run(ctx context.Context, plan *Plan, nodes map[string]Node) error {
	started := time.Now().UTC().Truncate(time.Second)
	entry := Entry{Schema: 1, ID: newID(started), User: x.User, Host: x.Host, Started: started, Plan: plan}
	r := x.newRun(entry, nodes)
	defer r.close()
	if err := r.lock(ctx); err != nil {
		return err
	}
	if err := r.lookAgain(ctx); err != nil {
		return err
	}
	if err := r.begin(ctx); err != nil {
		r.forget(ctx)
		return err
	}
	return r.finish(ctx, 0)
}

// Resume carries on with an interrupted operation. It judges by what the nodes'
// journals say once it holds their locks, and can be repeated.
func (x *Executor) Resume(ctx context.Context, op *Operation, nodes map[string]Node) error {
	r := x.newRun(op.entry, nodes)
	defer r.close()
	op, err := r.readAgain(ctx, op)
	if err != nil {
		return err
	}
	switch op.State {
	case StateDone:
		return r.end(ctx, Done, nil)
	case StateUndoing:
		return Problems{{Error, CodeUnfinished, "", fmt.Sprintf("operation %s was being undone; it cannot go on any more", op.ID),
			"clusterctl op undo " + op.ID}}
	}
	for _, name := range r.names() {
		if _, read := r.logs[name]; !read {
			return &NodeError{Node: name, Code: CodeUnreachable, Err: errors.New("its journal cannot be read"),
				Remedy: "bring it back, or: clusterctl op undo " + op.ID}
		}
	}
	if err := r.sameWhereNotBegun(ctx); err != nil {
		return err
	}
	if err := r.loadBlobs(ctx); err != nil {
		return err
	}
	if err := r.begin(ctx); err != nil { // where it had not been begun
		return err
	}
	return r.finish(ctx, op.firstOpen())
}

// sameWhereNotBegun refuses when a node on which nothing was done has other files
// than the plan was made from: the cluster may have gone on without the operation.
func (r *run) sameWhereNotBegun(ctx context.Context) error {
	var ps Problems
	for _, name := range r.names() {
		was, relied := r.entry.Plan.Seen[name]
		if len(r.logs[name]) > 0 || !relied {
			continue
		}
		f, err := r.nodes[name].Relied(ctx)
		if err != nil {
			return nodeErr(name, err)
		}
		was.Active, was.Version, was.Quorate, was.Members = false, 0, false, nil
		if what := was.changed(Seen{Conf: f.Conf.Hash, Key: f.Key.Hash}); what != "" {
			ps.add(CodeChanged, name, "clusterctl op undo "+r.entry.ID, "%s changed since the operation was interrupted", what)
		}
	}
	return ps.err()
}

// Undo takes back an interrupted operation. It judges by what the nodes'
// journals say once it holds their locks, and can be repeated. Problems with
// CodeFinished tell that the operation had been carried out in full, and that
// only its journal was closed.
func (x *Executor) Undo(ctx context.Context, op *Operation, nodes map[string]Node) error {
	r := x.newRun(op.entry, nodes)
	defer r.close()
	op, err := r.readAgain(ctx, op)
	if err != nil {
		return err
	}
	if op.State == StateDone {
		if err := r.end(ctx, Done, nil); err != nil {
			return err
		}
		return Problems{{Error, CodeFinished, "", fmt.Sprintf("operation %s had been carried out in full; only its journal was still open, and is closed now", op.ID), ""}}
	}
	owed := op.owed()
	if owed != nil && len(owed) == 0 { // only its journal is still open
		return r.end(ctx, Undone, nil)
	}
	if err := r.loadBlobs(ctx); err != nil {
		return err
	}
	last := op.reached()
	if first, stood := op.entry.Plan.from(last); last > op.last() && first > op.last() { // nobody who was read has begun what makes it stand
		return r.unfinished(errors.New("the operation was interrupted"), &NodeError{Node: r.unread()[0], Code: CodeUnreachable,
			Err: fmt.Errorf("only its journal tells whether it stands that %s", stood), Remedy: "bring it back, and undo again"}, "")
	}
	if last > op.last() && r.entry.Plan.wasQuorate() && r.odd(ctx) {
		return r.unfinished(errors.New("the operation was interrupted"), &NodeError{Node: r.unread()[0], Code: CodeUnreachable,
			Err: errors.New("it may be a step ahead, and none of the others has quorum"), Remedy: "bring it back, and undo again"}, "")
	}
	if err := r.undo(ctx, last, owed); err != nil {
		_, stood := op.entry.Plan.from(last)
		return r.unfinished(errors.New("the operation was interrupted"), err, stood)
	}
	return nil
}

// unread are the nodes whose journal was not read.
func (r *run) unread() []string {
	return slices.DeleteFunc(r.names(), func(name string) bool { _, read := r.logs[name]; return read })
}

// odd tells whether the nodes whose journals were read may be the odd ones: corosync
// runs there, and has no quorum anywhere.
func (r *run) odd(ctx context.Context) bool {
	var runs, quorate atomic.Bool
	_ = each(slices.Collect(maps.Keys(r.logs)), func(name string) error {
		if rt, err := r.up(ctx, name); err == nil && rt.Err == nil {
			runs.Store(true)
			if rt.Quorum.Quorate {
				quorate.Store(true)
			}
		}
		return nil
	})
	return runs.Load() && !quorate.Load()
}

func (x *Executor) newRun(e Entry, nodes map[string]Node) *run {
	r := &run{Executor: x, entry: e, nodes: map[string]Node{}}
	for name, n := range nodes {
		r.nodes[name] = n
	}
	return r
}

func (r *run) unfinished(cause, undo error, stood string) error {
	e := &UnfinishedOpError{ID: r.entry.ID, Node: r.names()[0], Cause: cause, Undo: undo, Stood: stood}
	for _, name := range r.names() {
		if r.nodes[name] != nil {
			e.Node = name
			break
		}
	}
	return e
}

// newID makes an operation's id: it sorts by time, and two of one second differ.
func newID(t time.Time) string {
	return fmt.Sprintf("%s-%04x", t.Format("20060102T150405"), uint16(time.Now().UnixNano()>>10))
}

// report tells the Reporter that what began; the result tells it the end.
func (r *run) report(what string) func(error) {
	if r.Report == nil {
		return func(error) {}
	}
	return r.Report.Start(what)
}

// lock takes the lock of every node: first that of the first by name, so that
// of two who try at once one gets through, then the others together.
func (r *run) lock(ctx context.Context) error {
	names := r.names()
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	take := func(name string) error {
		if r.nodes[name] == nil {
			return nil
		}
		return r.lockNode(ctx, r.nodes[name])
	}
	if err := each(names[:1], take); err != nil {
		return err
	}
	return each(names[1:], take)
}

// lockAfter takes the locks when the run that was interrupted has let them go:
// its last command may still be at work, and a node that the network was cut
// from notices only after a while that nobody speaks to it any more.
func (r *run) lockAfter(ctx context.Context, op *Operation) error {
	patience := r.Patience
	if patience == 0 {
		patience = 45 * time.Second
	}
	deadline := time.Now().Add(patience)
	ended := func(error) {}
	for told := false; ; told = true {
		err := r.lock(ctx)
		held, ok := errors.AsType[*HeldError](err)
		if !ok || held.Holder.Command != op.Command || time.Now().After(deadline) {
			ended(err)
			return err
		}
		if !told {
			ended = r.report("wait for the interrupted run to let go of the nodes")
		}
		select {
		case <-ctx.Done():
			ended(ctx.Err())
			return context.Cause(ctx)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (r *run) lockNode(ctx context.Context, n Node) error {
	err := n.Lock(ctx, Holder{Command: r.entry.Plan.Command, User: r.User, Host: r.Host})
	if held, ok := errors.AsType[*HeldError](err); ok {
		return &NodeError{Node: n.Name(), Code: CodeHeld, Err: held, Remedy: "wait until that has ended, then run this again"}
	}
	return nodeErr(n.Name(), err)
}

// names returns the names of the plan's nodes, in its order.
func (r *run) names() []string { return r.entry.Plan.NodeNames() }

// lookAgain looks at every node once more, now that nobody else can change
// them, and refuses when what the plan was made from is not so any more.
func (r *run) lookAgain(ctx context.Context) error {
	if r.entry.Plan.Seen == nil {
		return nil
	}
	facts := make(map[string]*Facts)
	seen := make(map[string]Seen)
	var mu sync.Mutex
	err := each(r.names(), func(name string) error {
		f, err := r.nodes[name].Relied(ctx)
		if err != nil {
			return nodeErr(name, err)
		}
		mu.Lock()
		defer mu.Unlock()
		facts[name], seen[name] = f, f.seen()
		f.Runtime = nil // which is long
		return nil
	})
	if err != nil {
		return err
	}
	var ps Problems
	var all []*Facts
	for _, name := range r.names() {
		all = append(all, facts[name])
		was, is := r.entry.Plan.Seen[name], seen[name]
		if what := was.changed(is); what != "" {
			ps.add(CodeChanged, name, "run the command again", "%s changed while this began", what)
		}
	}
	r.ended = doneAmong(all)
	return ps.err()
}

// changed says what differs between what was seen and what is; "" when nothing
// does.
func (s Seen) changed(now Seen) string {
	switch {
	case s.Conf != now.Conf:
		return ConfPath
	case s.Key != now.Key:
		return KeyPath
	case s.Active != now.Active:
		return "whether corosync runs"
	case s.Version != now.Version:
		return "the config_version that runs"
	case s.Quorate != now.Quorate:
		return "whether it is quorate"
	case !slices.Equal(s.Members, now.Members):
		return "the membership"
	}
	return ""
}

// readAgain takes the locks and reads what the journals say now: the run that
// was interrupted may have gone on for a while.
func (r *run) readAgain(ctx context.Context, op *Operation) (*Operation, error) {
	if err := r.lockAfter(ctx, op); err != nil {
		return nil, err
	}
	now := &Operation{ID: op.ID, Command: op.Command, entry: op.entry, logs: map[string][]Note{}}
	var mu sync.Mutex
	err := each(r.names(), func(name string) error {
		n := r.nodes[name]
		if n == nil {
			return nil
		}
		e, err := n.Journal(ctx, op.ID)
		if err != nil {
			return nodeErr(name, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if now.logs[name] = nil; e != nil {
			now.logs[name] = e.Log
		}
		return nil
	})
	now.State, now.Step = now.judge(false)
	r.logs = now.logs
	return now, err
}

// begin writes the journal on every node. When one cannot, nothing was changed
// anywhere.
func (r *run) begin(ctx context.Context) error {
	if err := r.entry.encode(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	return each(r.names(), func(name string) error {
		n, err := r.node(ctx, name)
		if err != nil {
			return nodeErr(name, err)
		}
		paths, units := r.entry.Plan.touched(name)
		err = n.Begin(ctx, r.entry, r.entry.Plan.blobsFor(name), paths, units, r.ended)
		if u, ok := errors.AsType[*UnfinishedError](err); ok {
			return &NodeError{Node: name, Code: CodeUnfinished, Err: u,
				Remedy: fmt.Sprintf("clusterctl -H %s op resume %s, or: clusterctl -H %s op undo %s", name, u.ID, name, u.ID)}
		}
		return nodeErr(name, err)
	})
}

// forget puts entries away under which nothing was done. One that is left
// behind is harmless: it says so itself.
func (r *run) forget(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_ = each(r.names(), func(name string) error {
		if r.nodes[name] == nil {
			return nil
		}
		return r.nodes[name].Retire(ctx, r.entry.ID)
	})
}

// loadBlobs fetches the new contents from the journals, where the plan was read
// from one and has none. No journal need have all of them.
func (r *run) loadBlobs(ctx context.Context) error {
	if len(r.entry.Plan.Blobs) > 0 || !r.entry.Plan.needsBlobs() {
		return nil
	}
	all := map[string][]byte{}
	var last error
	for _, name := range r.names() {
		if r.nodes[name] == nil {
			continue
		}
		blobs, err := r.nodes[name].Blobs(ctx, r.entry.ID)
		if err != nil {
			last = nodeErr(name, err)
			continue
		}
		maps.Copy(all, blobs)
	}
	if len(all) == 0 {
		return last
	}
	r.entry.Plan.Blobs = all
	return nil
}

// finish does the steps from the one with index first, and takes all back when
// one fails.
func (r *run) finish(ctx context.Context, first int) error {
	for i := first; i < len(r.entry.Plan.Steps); i++ {
		step := r.entry.Plan.Steps[i]
		ended := r.report(step.What)
		err := r.do(ctx, step)
		ended(err)
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if errors.Is(err, ErrOver) {
			return r.over()
		}
		if ctx.Err() != nil && step.Class == ClassReload {
			r.calm(ctx, step)
		}
		undoErr := r.undo(ctx, i, nil)
		if errors.Is(undoErr, ErrOver) {
			return r.over()
		}
		_, stood := r.entry.Plan.from(i)
		if undoErr != nil {
			return r.unfinished(err, undoErr, stood)
		}
		return &UndoneError{err, stood}
	}
	return r.end(ctx, Done, nil)
}

// calm waits, when a reload was interrupted, until it is over on the node that was
// asked for it: the files of others must not change while it is under way.
func (r *run) calm(ctx context.Context, step Step) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	_ = each(step.Do.Nodes, func(name string) error { // what is wrong with it undoing finds out
		_, err := r.up(ctx, name)
		return err
	})
}

// over is the end of a run whose operation another has ended: that one has told
// what became of it.
func (r *run) over() error {
	return Problems{{Error, CodeChanged, "", fmt.Sprintf("operation %s was ended by another clusterctl, while this one was held up", r.entry.ID), "clusterctl status shows what there is now"}}
}

// do carries out a step and waits for its effect.
func (r *run) do(ctx context.Context, step Step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	note := Note{Doing, step.ID}
	var refused error
	act := func(name string) error {
		if step.Do.One { // each time that one is asked
			refused = afresh(len(step.Do.Nodes), func() error {
				if err := r.guard(ctx, step.Do, nil); err != nil {
					return err
				}
				return r.guardLinks(ctx, step.Do)
			})
			if refused != nil {
				return nil
			}
		}
		n, err := r.node(ctx, name)
		if err == nil {
			err = n.Do(ctx, r.entry.ID, note, step.Do.Ops, timeLimit(step.Do.Ops))
		}
		return stepErr(name, step.What, err)
	}
	err := afresh(len(step.Do.Nodes), func() error {
		if !step.Do.One {
			if err := r.guard(ctx, step.Do, nil); err != nil {
				return err
			}
		}
		return r.guardStop(ctx, step.Do)
	})
	if err != nil {
		return err
	}
	err = r.onNodes(step.Do, act)
	err = cmp.Or(refused, err)
	if step.Do.Soft {
		err = r.soften(ctx, err)
	}
	if err != nil || step.Do.Want == nil {
		return err
	}
	if step.Do.Want.Most {
		return r.awaitMost(ctx, *step.Do.Want)
	}
	said, err := r.awaited(ctx, *step.Do.Want)
	if err != nil || !r.overheard(ctx, step.Do, said) {
		return err
	}
	err = r.onNodes(step.Do, act)
	if err = cmp.Or(refused, err); err != nil {
		return err
	}
	return r.await(ctx, *step.Do.Want)
}

// overheard tells whether a member expects more votes than what it runs says, and
// goes on to: it was started with that before the reload and took over what the
// others, who were quorate, expected then, and was apart from them in the reload. It
// takes one more to have it expect what all do. said is what the members said last.
func (r *run) overheard(ctx context.Context, a Act, said map[string]*Runtime) bool {
	f, err := corosyncconf.Parse(ConfPath, r.entry.Plan.Blobs[a.Conf])
	if a.Conf == "" || err != nil || !slices.ContainsFunc(a.Ops, func(o Op) bool { return o.Kind == OpReload }) {
		return false
	}
	conf := f.Config()
	if conf.Quorum.Device != nil { // whose votes come and go
		return false
	}
	more := func(rt *Runtime) bool {
		return rt.Err == nil && rt.Quorum.Expected > max(conf.ExpectedVotes(), rt.Quorum.Total)
	}
	for end := time.Now().Add(time.Second); ; { // word of it may be on its way
		maps.DeleteFunc(said, func(_ string, rt *Runtime) bool { return !more(rt) })
		if len(said) == 0 || time.Now().After(end) {
			return len(said) > 0
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pollLast):
		}
		for name := range said {
			rt, err := r.up(ctx, name)
			if err != nil {
				rt = &Runtime{Err: err}
			}
			said[name] = rt
		}
	}
}

// afresh has so many members asked again, a few times, when one of them took so
// long to answer that what the others said may not be so any more: one may have
// been lost meanwhile, and that be known to them by now. Where they are many they
// are not all asked at a time, which takes as long each time.
func afresh(members int, ask func() error) error {
	patience := 500 * time.Millisecond * time.Duration(1+members/maxAnswers)
	var err error
	for range 3 {
		began := time.Now()
		if err = ask(); err != nil || time.Since(began) < patience {
			break
		}
	}
	return err
}

// soften makes a warning of what failed, unless all is to end.
func (r *run) soften(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if r.Report != nil {
		r.Report.Warn("warning: " + err.Error())
	}
	return nil
}

// guard refuses a reload that would cost quorum as things are now, since members
// may have died after it was planned. The votes present are held against the
// expected votes of before, as long as another member may tell of them, and of
// after, whichever are more; and of the votes of a
// member before and after, the fewer count, since the others hear of them at
// different moments. Undoing gives votes back before it raises what is expected.
// Every member is asked, since corosync takes a second or more to find out that
// one has died. A corosync that a reload makes wait for all needs all votes. In
// undoing, a node without quorum has none to lose while others have it, or come by
// it: it is apart. So is one that has quorum only by what is taken back, as each
// half of a two_node cluster has, while others without it keep theirs.
func (r *run) guard(ctx context.Context, a Act, u *undoing) error {
	if a.Conf == "" || a.Force || a.Want != nil && !a.Want.Quorate {
		return nil
	}
	f, err := corosyncconf.Parse(ConfPath, r.entry.Plan.Blobs[a.Conf])
	if err != nil {
		return fmt.Errorf("read the planned configuration: %w", err)
	}
	conf := f.Config()
	undo := u != nil
	var names map[ID]string
	if undo {
		names = u.ids()
	}
	planned := map[ID]int{} // votes
	for _, c := range conf.Nodes {
		planned[c.ID] = c.Votes
	}
	var quorate atomic.Bool
	apart := map[string]error{}             // by node
	members := map[string][]quorum.Member{} // of nodes that are quorate, and would not be
	var keep [][]quorum.Member              // memberships that are quorate, and would be
	var mu sync.Mutex
	err = each(a.Nodes, func(name string) error {
		rt, err := r.up(ctx, name)
		if err != nil {
			if undo {
				return nil // it is not waited for, or found out about by doing it
			}
			return nodeErr(name, err)
		}
		if rt.Err != nil {
			return nil // it says nothing; doing it tells
		}
		if rt.Quorum.Quorate {
			quorate.Store(true)
		}
		if running, _ := rt.Cmap.Uint("totem.config_version"); undo && running == conf.Totem.ConfigVersion {
			return nil // it has been reloaded: nothing changes any more
		}
		votes, after, expected := 0, 0, conf.ExpectedVotes()
		if len(rt.Quorum.Members) > 1 {
			expected = max(expected, rt.Quorum.Expected)
		}
		for _, m := range rt.Quorum.Members {
			now := m.Votes
			if then, listed := planned[m.NodeID]; listed {
				after += then
				if undo && !u.isFailed(names[m.NodeID]) || then < now { // one that is left out keeps its file
					now = then
				}
			}
			votes += now
		}
		needed := quorum.Needed(expected, votes, len(rt.Quorum.Members), conf.Quorum.TwoNode && !conf.Quorum.AutoTieBreaker)
		if a.Waits && after < conf.ExpectedVotes() {
			votes, expected, needed = after, conf.ExpectedVotes(), conf.ExpectedVotes()
		}
		if votes >= needed {
			quorate.Store(true) // or will be
			mu.Lock()
			defer mu.Unlock()
			if rt.Quorum.Quorate {
				keep = append(keep, rt.Quorum.Members)
			}
			return nil
		}
		err = &NodeError{Node: name, Code: CodeQuorum, Remedy: "bring back the members that are away",
			Err: fmt.Errorf("a reload now would cost quorum: %s present of %d, %d needed", count(votes, "vote"), expected, needed)}
		if !undo {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		apart[name] = err
		if rt.Quorum.Quorate {
			members[name] = rt.Quorum.Members
		}
		return nil
	})
	for _, name := range a.Nodes {
		own, had := members[name]
		if !had {
			continue
		}
		others := func(ms []quorum.Member) bool {
			return !slices.ContainsFunc(ms, func(m quorum.Member) bool {
				return slices.ContainsFunc(own, func(o quorum.Member) bool { return o.NodeID == m.NodeID })
			})
		}
		if err == nil && !slices.ContainsFunc(keep, others) {
			return apart[name]
		}
	}
	if err == nil && len(apart) > 0 && !quorate.Load() {
		err = each(a.Nodes, func(name string) error { return apart[name] })
	}
	return err
}

// up reads what corosync says on a node; it is an error when it does not run.
func (r *run) up(ctx context.Context, name string) (*Runtime, error) {
	n, err := r.node(ctx, name)
	if err != nil {
		return nil, err
	}
	rt, err := n.Runtime(ctx)
	switch {
	case err != nil:
		return nil, err
	case rt == nil:
		return nil, notRunning(name)
	}
	return rt, nil
}

// tale is what a node answers to up.
type tale struct {
	rt  *Runtime
	err error
}

// ask asks members what up does, all at once, and returns their answers in the
// members' order.
func (r *run) ask(ctx context.Context, members []Member) []tale {
	answers := make([]tale, len(members))
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() { answers[i].rt, answers[i].err = r.up(ctx, m.Name) })
	}
	wg.Wait()
	return answers
}

func notRunning(node string) error {
	return &NodeError{Node: node, Code: CodeNoRunning, Err: errors.New("corosync does not run there any more"), Remedy: "clusterctl start " + node}
}

// guardStop refuses to stop nodes whose votes quorum needs as things are now,
// since members may have died after it was planned: one that does not answer, or
// cannot be asked, is not relied on, since the others may have yet to notice.
func (r *run) guardStop(ctx context.Context, a Act) error {
	if len(a.Leave) == 0 || a.Want == nil || !a.Want.Quorate || len(a.Want.Members) == 1 && slices.Contains(a.Leave, a.Want.Members[0].ID) {
		return nil
	}
	relied := map[ID]bool{}
	var all []*Runtime
	down := 0
	for i, said := range r.ask(ctx, a.Want.Members) {
		m := a.Want.Members[i]
		if stopped(said.err) {
			down++
		}
		if said.err != nil {
			continue
		}
		if relied[m.ID] = !slices.Contains(a.Leave, m.ID); said.rt.Err == nil {
			all = append(all, said.rt)
		}
	}
	if len(all) == 0 && (down == 0 || down < len(a.Want.Members)) {
		var ps Problems
		ps.add(CodeQuorum, "", "bring the others back", "to stop it now could cost quorum: no other member answers")
		return ps
	}
	for _, rt := range all {
		left := rt.Quorum.Total
		for _, q := range rt.Quorum.Members {
			if !relied[q.NodeID] {
				left -= q.Votes
			}
		}
		if left >= rt.Quorum.Quorum || slices.Contains(rt.Quorum.Flags, "AutoTieBreaker") {
			continue
		}
		var ps Problems
		ps.add(CodeQuorum, "", "bring the members that are away back", "to stop it now would cost quorum: %s of %d would be left, %d needed", count(left, "vote"), rt.Quorum.Expected, rt.Quorum.Quorum)
		return ps
	}
	return nil
}

// guardLinks refuses to take a link away when none of those that are to carry
// the cluster connects all members as things are now.
func (r *run) guardLinks(ctx context.Context, a Act) error {
	if len(a.Carry) == 0 || a.Want == nil {
		return nil
	}
	seen := map[Member]*Runtime{}
	for i, said := range r.ask(ctx, a.Want.Members) {
		m := a.Want.Members[i]
		if said.err != nil {
			return nodeErr(m.Name, said.err)
		}
		seen[m] = said.rt
	}
	missing := ""
	for _, link := range a.Carry {
		missing = ""
		for _, m := range a.Want.Members {
			if rt := seen[m]; rt.Err == nil {
				missing = Want{Members: a.Want.Members, Links: []int{link}}.missingLinks(m, rt)
			} else {
				missing = "corosync does not answer"
			}
			if missing != "" {
				missing = m.Name + ": " + missing
				break
			}
		}
		if missing == "" {
			return nil
		}
	}
	var ps Problems
	ps.add(CodeLinkDown, "", "mend the other links first", "no other link connects all members now: %s", missing)
	return ps
}

// onNodes calls f for the nodes of an act: for all at once, or, when one is
// enough, for one after the other until the connection to one of them holds.
func (r *run) onNodes(a Act, f func(name string) error) error {
	if !a.One {
		return each(a.Nodes, f)
	}
	var err error
	for _, name := range a.Nodes {
		if err = f(name); err == nil || !again(err) {
			return err
		}
		r.drop(name)
	}
	return err
}

// undo takes back the steps up to the one with index last, in reverse and as far
// as nothing stands, under a deadline of its own, and ends the journal. A node
// that was lost is waited for a while; then the others are brought back without
// it.
//
// With owed, the others were brought back before: only these nodes get their
// files and services back. Their corosync is not started then, since the
// cluster may have a newer configuration by now. Nodes whose journal was not
// read take no part: what is to be taken back there is not known.
func (r *run) undo(ctx context.Context, last int, owed []string) error {
	first, _ := r.entry.Plan.from(last)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoLimit(r.entry.Plan.Steps[first:last+1]))
	defer cancel()
	grace := r.Grace
	if grace == 0 {
		grace = 30 * time.Second
	}
	u := &undoing{run: r, last: last, grace: grace, failed: map[string]bool{}, owed: owed}
	if r.logs != nil {
		for _, name := range r.names() {
			if _, read := r.logs[name]; !read {
				u.failed[name] = true
			}
		}
	}
	var errs error
	for i := last; i >= first; i-- {
		step := r.entry.Plan.Steps[i]
		ended := r.report("undo: " + step.What)
		var failed error
		for j, act := range step.Undo {
			unseen, err := u.act(ctx, step, fmt.Sprintf("%s/%d", step.ID, j), act)
			if err != nil {
				failed = multierror.Append(failed, err)
			}
			if unseen { // what comes next relies on it
				ended(failed)
				return multierror.Append(errs, failed)
			}
		}
		ended(failed)
		if failed != nil {
			errs = multierror.Append(errs, failed)
		}
	}
	if u.blind(ctx) { // a member that is not brought back: the cluster is not done with
		return multierror.Append(errs, u.outOfSight())
	}
	if r.Report != nil {
		for _, name := range u.down {
			r.Report.Warn(fmt.Sprintf("%s: corosync does not run there; clusterctl start %s", name, name))
		}
	}
	if err := r.end(ctx, Undone, u.failed); err != nil {
		errs = multierror.Append(errs, err)
	}
	return errs
}

// undoing is a run that is being taken back.
type undoing struct {
	*run
	last  int           // the step that undoing begins with
	grace time.Duration // so long a lost node is waited for
	owed  []string      // nil: all nodes
	down  []string      // nodes that are found to run no corosync
	none  bool          // it was waited in vain for a quorum that nobody has

	mu     sync.Mutex
	failed map[string]bool // nodes that are left out from now on
}

// act carries out one act of undoing a step on the nodes that are still with us.
// name is what the journal calls it. A node whose journal has a later one already
// is left alone, lest that be spoilt; the last one is repeated, since the node may
// have been restarted after it, and so is what one of several nodes does for all.
// unseen tells that its effect was not seen in time.
func (u *undoing) act(ctx context.Context, step Step, name string, a Act) (unseen bool, err error) {
	overtaken := u.overtaken(name, a.Nodes)
	stop := a // quorum is kept also where nobody is waited for
	if u.owed != nil {
		a = u.belated(ctx, a)
	}
	a.Nodes = u.left(a.Nodes)
	if overtaken { // its effect was seen before, and is that of a later one by now
		a.Want, a.Ops = nil, withoutStart(a.Ops)
		if a.One {
			return false, nil
		}
	}
	if u.owed == nil && (a.Conf != "" || parts(a.Ops)) && u.blind(ctx) {
		return true, u.outOfSight()
	}
	ran := u.running(ctx, a)
	if starts(a.Ops) && u.blind(ctx) {
		a.Ops = withoutStart(a.Ops)
	}
	if len(a.Ops) == 0 {
		a.Nodes = nil // not noted: it is still to be done
	}
	a.Nodes = u.begun(a, name)
	groups := [][]string{a.Nodes}
	if a.One {
		groups = u.rings(ctx, a.Nodes)
		if publishes(a) && u.short(ctx, a.Ops[0].Blob) && u.publishesAgain(step) {
			return false, nil
		}
		if slices.ContainsFunc(a.Ops, Op.shares) {
			groups = u.quorate(ctx, groups)
		}
		a.Nodes = slices.Concat(groups...)
	}
	if err := u.bringOver(ctx, step, name, a); err != nil {
		return true, err
	}
	err = afresh(len(a.Nodes), func() error {
		if err := u.guarded(ctx, a); err != nil || len(a.Nodes) == 0 {
			return err
		}
		return cmp.Or(u.guardStop(ctx, stop), u.carried(ctx, a))
	})
	if err != nil {
		return true, err
	}
	for _, group := range groups {
		var stuck atomic.Bool
		a.Nodes = group
		gerr := u.onNodes(a, func(node string) error {
			ops := a.Ops
			if ran[node] {
				ops = withoutStart(ops)
			}
			anew := len(withoutStart(ops)) == 0 // what was started may have died since
			if len(ops) == 0 || !a.One && !anew && u.passed(node, name) {
				return nil
			}
			err := u.on(ctx, node, Note{Undoing, name}, ops)
			reloads := slices.ContainsFunc(ops, func(o Op) bool { return o.Kind == OpReload })
			if err != nil && !again(err) && reloads && u.alone(ctx, node) {
				// A reload does not take it from what the others have passed, such as a
				// link at other addresses. It is with nobody, and can be restarted.
				if rerr := u.on(ctx, node, Note{Undoing, name}, []Op{{Kind: OpDisarmed}, {Kind: OpAgain, Unit: "corosync"}}); rerr == nil || again(rerr) {
					err = rerr
				} else {
					err = &NodeError{Node: node, Code: CodeStep, Err: fmt.Errorf("%w; nor can it be restarted: %w", err, rerr), Remedy: "systemctl restart corosync there when nothing has it reset for that, and undo again"}
				}
			}
			if a.Soft && !lostConnection(err) {
				err = u.soften(ctx, err)
			}
			switch {
			case err == nil:
			case again(err):
				u.lose(node)
			default:
				stuck.Store(true)
			}
			return stepErr(node, "undo "+step.What, err)
		})
		if gerr != nil {
			err = multierror.Append(err, gerr)
		}
		if stuck.Load() { // it answers, and what it has is what the others have so far
			return true, err
		}
	}
	if a.Want == nil {
		return false, err
	}
	want := *a.Want
	want.Later = true
	want.Links = nil // a link that went down is perhaps why this is taken back
	for {
		// A node that is lost need not be seen any more, nor asked; one that runs no
		// corosync has its files, and can be started.
		away := len(want.Members)
		for _, m := range want.Members {
			if slices.Contains(u.names(), m.Name) && !u.isFailed(m.Name) {
				if _, err := u.node(ctx, m.Name); err != nil {
					u.lose(m.Name)
				}
			}
		}
		want.Members = slices.DeleteFunc(slices.Clone(want.Members), func(m Member) bool {
			return u.isDown(m.Name) || u.isFailed(m.Name) || u.nodes[m.Name] == nil
		})
		want.Quorate = want.Quorate && len(want.Members) == away && !u.short(ctx, a.Conf)
		werr := u.await(ctx, want)
		lost, down := lostAmong(werr), downAmong(werr)
		if len(lost)+len(down) == 0 {
			if werr != nil {
				return true, multierror.Append(err, werr)
			}
			return false, err
		}
		for _, node := range lost {
			u.drop(node)
			u.lose(node)
		}
		u.down = append(u.down, down...)
		if len(lost) > 0 {
			err = multierror.Append(err, werr)
		}
	}
}

func publishes(a Act) bool {
	return slices.ContainsFunc(a.Ops, func(o Op) bool { return o.Kind == OpPublish })
}

// publishesAgain tells whether a step that is taken back after this one puts what
// there is then into /etc/pve.
func (u *undoing) publishesAgain(step Step) bool {
	first, _ := u.entry.Plan.from(u.last)
	for _, s := range u.entry.Plan.Steps[first:] {
		if s.ID == step.ID {
			return false
		}
		if slices.ContainsFunc(s.Undo, publishes) {
			return true
		}
	}
	return false
}

// short tells whether quorum cannot be waited for after a reload: of those that came,
// which are on their way out and so not waited for either, some run no corosync, and
// the votes of the others are not enough, or one that has started meanwhile waits for
// all. It is there again when the votes of those are taken back.
func (u *undoing) short(ctx context.Context, hash string) bool {
	f, err := corosyncconf.Parse(ConfPath, u.entry.Plan.Blobs[hash])
	if hash == "" || err != nil {
		return false
	}
	conf := f.Config()
	names := u.ids()
	var left []Member
	for _, n := range conf.Nodes {
		if name := names[n.ID]; n.Votes > 0 && name != "" && !u.isFailed(name) {
			if _, err := u.up(ctx, name); stopped(err) {
				continue
			}
		}
		left = append(left, Member{names[n.ID], n.ID})
	}
	return len(left) < len(conf.Nodes) && (conf.Quorum.WaitForAll || !reckon(conf, left).Tally().Quorate)
}

// guarded waits until a reload would not cost quorum: nodes that were started a
// moment ago have yet to join. Where all answer and none has quorum, there is none to
// lose: they may have parted for good by what is taken back.
func (u *undoing) guarded(ctx context.Context, a Act) error {
	whole := ctx
	if a.Want != nil {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, a.Want.Deadline)
		defer cancel()
	}
	a.Nodes = slices.DeleteFunc(slices.Clone(a.Nodes), func(n string) bool { return u.apart(ctx, n) })
	var refused error
	for {
		err := u.guard(ctx, a, u)
		if ctx.Err() == nil {
			refused = err
		}
		if err == nil || a.Want == nil {
			return err
		}
		if u.none && u.noQuorum(ctx) {
			return nil
		}
		select {
		case <-ctx.Done(): // it heard nothing more
			if u.none = whole.Err() == nil && u.noQuorum(whole); u.none {
				return nil
			}
			return cmp.Or(refused, ctx.Err())
		case <-time.After(pollLast):
		}
	}
}

// noQuorum tells whether every node answers, and none has quorum.
func (u *undoing) noQuorum(ctx context.Context) bool {
	return len(u.failed) == 0 && each(u.names(), func(name string) error {
		rt, err := u.up(ctx, name)
		if stopped(err) || err == nil && rt.Err == nil && !rt.Quorum.Quorate {
			return nil
		}
		return cmp.Or(err, errors.New("it has quorum, or does not tell"))
	}) == nil
}

// bringOver restarts a member that runs none of the links that are to carry the
// cluster: it was apart from the others in the reload that brought these, and no reload
// brings it the others' link. It comes back by the file that it has by now, if it gets
// there on such a link, quorum does without it and nothing has it fenced. Of several
// such members none would meet the others.
func (u *undoing) bringOver(ctx context.Context, step Step, name string, a Act) error {
	if len(a.Carry) == 0 || a.Want == nil || len(a.Nodes) == 0 {
		return nil
	}
	members, answers := u.answering(ctx, *a.Want)
	carries := func(l quorum.Link) bool { return slices.Contains(a.Carry, l.Number) }
	var over Member
	var said *Runtime
	others := map[Member]*Runtime{}
	for i, answer := range answers {
		switch rt := answer.rt; {
		case rt.Err != nil || len(rt.Quorum.Members) < 2 || len(rt.Links.Links) == 0:
		case slices.ContainsFunc(rt.Links.Links, carries):
			others[members[i]] = rt
		case said != nil:
			return nil
		default:
			over, said = members[i], rt
		}
	}
	if said == nil {
		return nil
	}
	conf, err := corosyncconf.Parse(ConfPath, u.entry.Plan.Blobs[a.Conf])
	if err != nil {
		return fmt.Errorf("read the configuration of before: %w", err)
	}
	f, err := u.nodes[over.Name].Facts(ctx, nil)
	if err != nil {
		return nodeErr(over.Name, err)
	}
	if f.Conf.Hash != a.Conf {
		return nil
	}
	there := carrier(conf.Config(), a.Carry, others)
	if len(there) == 0 {
		return nil
	}
	var ps Problems
	(&ViewNode{Name: over.Name, Facts: f}).fenced(&ps)
	if f.PVE != nil && f.PVE.Watchdog {
		ps.add(CodeFence, over.Name, "stop HA there first (systemctl stop pve-ha-lrm, then pve-ha-crm), undo again, and start both again", "HA of Proxmox VE holds the watchdog there")
	}
	if conf.Config().Quorum.Device != nil && ps.err() == nil {
		ps.add(CodeDevice, over.Name, "systemctl restart corosync there, then systemctl start corosync-qdevice, and undo again", "corosync must be restarted there, with which corosync-qdevice ends")
	}
	left := said.Quorum.Total
	for _, m := range said.Quorum.Members {
		if m.NodeID == over.ID {
			left -= m.Votes
		}
	}
	if said.Quorum.Quorate && left < said.Quorum.Quorum { // a tie-breaker may be the one that is restarted
		remedy := "bring the members that are away back"
		if said.Quorum.Total >= said.Quorum.Expected {
			remedy = "when the cluster may be without quorum for a moment: systemctl restart corosync there, and undo again"
		}
		ps.add(CodeQuorum, over.Name, remedy, "to restart it now would cost quorum: %s of %d would be left, %d needed", count(left, "vote"), said.Quorum.Expected, said.Quorum.Quorum)
	}
	if err := ps.err(); err != nil {
		return stepErr(over.Name, "undo "+step.What, err)
	}
	want := *a.Want
	want.Links, want.Version, want.Cmap, want.Later = nil, 0, nil, true
	if err := u.guardStop(ctx, Act{Leave: []ID{over.ID}, Want: &want}); err != nil {
		return err
	}
	if u.Report != nil {
		u.Report.Warn(over.Name + ": corosync is restarted there, since it runs on none of the links that stay")
	}
	ops := []Op{{Kind: OpDisarmed}, {Kind: OpReach, Name: strings.Join(there, " ")}, {Kind: OpAgain, Unit: "corosync"}}
	if err := u.on(ctx, over.Name, Note{Undoing, name}, ops); err != nil {
		return stepErr(over.Name, "undo "+step.What, err)
	}
	want.Members = append(slices.Collect(maps.Keys(others)), over)
	slices.SortFunc(want.Members, func(m, n Member) int { return cmp.Compare(m.ID, n.ID) })
	return u.await(ctx, want)
}

// answering are the members of w that have links to lose, and what they answer. One
// whose connection was cut is waited for; none are told when it does not come back.
func (u *undoing) answering(ctx context.Context, w Want) ([]Member, []tale) {
	ctx, cancel := context.WithTimeout(ctx, w.Deadline)
	defer cancel()
	for {
		members := u.linked(ctx, slices.DeleteFunc(slices.Clone(w.Members), func(m Member) bool { return u.isFailed(m.Name) }))
		answers := u.ask(ctx, members)
		if !slices.ContainsFunc(answers, func(t tale) bool { return t.err != nil }) {
			return members, answers
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(pollLast):
		}
	}
}

// carrier are the addresses that members have on the first of some links that connects
// all of them; none when none does.
func carrier(conf corosyncconf.Config, links []int, members map[Member]*Runtime) []string {
	for _, link := range links {
		want := Want{Members: slices.Collect(maps.Keys(members)), Links: []int{link}}
		var addrs []string
		for m, rt := range members {
			i := slices.IndexFunc(conf.Nodes, func(n corosyncconf.Node) bool { return n.ID == m.ID })
			if i >= 0 && conf.Nodes[i].Addrs[link] != "" && want.missingLinks(m, rt) == "" {
				addrs = append(addrs, conf.Nodes[i].Addrs[link])
			}
		}
		if len(addrs) == len(members) {
			slices.Sort(addrs)
			return addrs
		}
	}
	return nil
}

// carried waits, before a reload takes a link away, until one that stays connects
// the members that are there: it may have come back only a moment ago.
func (u *undoing) carried(ctx context.Context, a Act) error {
	if len(a.Carry) == 0 || a.Want == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.Want.Deadline)
	defer cancel()
	want := *a.Want
	a.Want = &want
	var refused error
	for {
		want.Members = u.linked(ctx, want.Members)
		err := u.guardLinks(ctx, a)
		if ctx.Err() != nil { // it heard nothing more
			return cmp.Or(refused, err)
		}
		if refused = err; err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pollLast):
		}
	}
}

// linked leaves out members that have no link to lose: those that are alone, and those
// that do not answer and that no other sees. One that others see may have had its
// connection to us cut, and is asked over a new one next time.
func (u *undoing) linked(ctx context.Context, members []Member) []Member {
	answers := u.ask(ctx, members)
	seen := func(m Member) bool {
		return slices.ContainsFunc(answers, func(t tale) bool {
			return t.err == nil && slices.ContainsFunc(t.rt.Quorum.Members, func(q quorum.Member) bool { return q.NodeID == m.ID })
		})
	}
	var linked []Member
	for i, m := range members {
		err := answers[i].err
		if lostConnection(err) {
			u.drop(m.Name)
		}
		if gone := stopped(err) || err != nil && ctx.Err() == nil && !seen(m); !gone && (err != nil || !u.alone(ctx, m.Name)) {
			linked = append(linked, m)
		}
	}
	return linked
}

// belated is what is left of an act for nodes that were away when the others were
// brought back: their files, and a reload where corosync runs and may have read
// what is gone by now. Nothing is started, and nobody waited for: the cluster may
// have gone on.
func (u *undoing) belated(ctx context.Context, a Act) Act {
	a.Want = nil
	owes := func(n string) bool { return slices.Contains(u.owed, n) }
	a.Nodes = slices.DeleteFunc(slices.Clone(a.Nodes), func(n string) bool { return !owes(n) })
	restarts := slices.ContainsFunc(a.Ops, func(o Op) bool { return o.Kind == OpAgain })
	if a.Ops = withoutStart(a.Ops); a.One {
		a.Ops = slices.DeleteFunc(a.Ops, func(o Op) bool { return o.Kind != OpReload && o.Kind != OpPublish })
		a.Soft = a.Soft || publishes(a) // conf sync does it, too
	}
	if a.One || restarts {
		a.Nodes = slices.DeleteFunc(a.Nodes, func(n string) bool {
			_, err := u.up(ctx, n)
			return stopped(err) || err != nil && restarts // of which nothing is known is asked for a reload all the same
		})
	}
	if len(a.Ops) == 0 {
		a.Nodes = nil
	}
	return a
}

// apart tells whether a node that was away when the others were brought back is
// together with no other than such nodes: what quorum they have there is not the
// cluster's.
func (u *undoing) apart(ctx context.Context, node string) bool {
	if !slices.Contains(u.owed, node) {
		return false
	}
	rt, err := u.up(ctx, node)
	if err != nil || rt.Err != nil {
		return false
	}
	ids := u.ids()
	return !slices.ContainsFunc(rt.Quorum.Members, func(m quorum.Member) bool { return !slices.Contains(u.owed, ids[m.NodeID]) })
}

// alone tells whether a node is with nobody, and without quorum.
func (u *undoing) alone(ctx context.Context, node string) bool {
	rt, err := u.up(ctx, node)
	return err == nil && rt.Err == nil && len(rt.Quorum.Members) == 1 && !rt.Quorum.Quorate
}

// ids are the names of the nodes that the plan has as members.
func (u *undoing) ids() map[ID]string {
	names := map[ID]string{}
	for _, step := range u.entry.Plan.Steps {
		for _, act := range append([]Act{step.Do}, step.Undo...) {
			if act.Want == nil {
				continue
			}
			for _, m := range act.Want.Members {
				names[m.ID] = m.Name
			}
		}
	}
	return names
}

// passed tells whether a later act than the one of that name was carried out on
// the node already.
func (u *undoing) passed(node, name string) bool {
	log := u.logs[node]
	at := slices.Index(log, Note{Undid, name})
	return at >= 0 && slices.ContainsFunc(log[at+1:], func(n Note) bool { return n.Phase == Undid && n.Step != name })
}

// outOfSight is the error of a member that does not answer.
func (u *undoing) outOfSight() error {
	name := u.names()[slices.IndexFunc(u.names(), u.isFailed)]
	return &NodeError{Node: name, Code: CodeUnreachable, Remedy: "bring it back, or stop it, and undo again",
		Err: errors.New("it does not answer, and may run as a member with what is taken back")}
}

// parts tells whether ops give members another configuration or key, which one
// that is out of sight would not have.
func parts(ops []Op) bool {
	return putsConf(ops) || slices.ContainsFunc(ops, func(o Op) bool { return o.Kind == OpReread })
}

func putsConf(ops []Op) bool {
	return slices.ContainsFunc(ops, func(o Op) bool { return o.Kind == OpPut && o.Path == ConfPath })
}

// begun leaves out nodes that were not restarted, and so are not once more, and those
// that have been restarted once more already: quorum may need them by now.
func (u *undoing) begun(a Act, name string) []string {
	i := slices.IndexFunc(a.Ops, func(o Op) bool { return o.Kind == OpAgain })
	if i < 0 {
		return a.Nodes
	}
	nodes := slices.DeleteFunc(slices.Clone(a.Nodes), func(node string) bool { return slices.Contains(u.logs[node], Note{Undid, name}) })
	if len(a.Ops) > 1 {
		return nodes
	}
	step := a.Ops[0].Name
	i = slices.IndexFunc(u.entry.Plan.Steps, func(s Step) bool { return s.ID == step })
	return slices.DeleteFunc(nodes, func(node string) bool {
		return i > u.last || u.logs != nil && !slices.Contains(u.logs[node], Note{Doing, step})
	})
}

// rings are the memberships that nodes are in: a reload reaches no further, and
// one that came back with a file of its own may be alone. Where corosync does not
// run none is asked; of whom nothing is known is asked when nobody else can be.
func (u *undoing) rings(ctx context.Context, nodes []string) [][]string {
	var rings [][]string
	var unknown []string
	index := map[string]int{}
	for _, name := range nodes {
		switch rt, err := u.up(ctx, name); {
		case stopped(err):
		case err != nil:
			unknown = append(unknown, name)
		default:
			id := rt.Quorum.RingID
			if _, ok := index[id]; !ok {
				index[id] = len(rings)
				rings = append(rings, nil)
			}
			rings[index[id]] = append(rings[index[id]], name)
		}
	}
	if len(rings) == 0 && len(unknown) > 0 {
		rings = [][]string{nil}
	}
	if len(unknown) > 0 {
		rings[0] = append(rings[0], unknown...)
	}
	return rings
}

// quorate are the memberships that have quorum, if any has: where there is none,
// pmxcfs cannot be written, and catches up later.
func (u *undoing) quorate(ctx context.Context, rings [][]string) [][]string {
	with := slices.DeleteFunc(slices.Clone(rings), func(nodes []string) bool {
		return !slices.ContainsFunc(nodes, func(n string) bool {
			rt, err := u.up(ctx, n)
			return err == nil && rt.Quorum.Quorate
		})
	})
	if len(with) == 0 {
		return rings
	}
	return with
}

// running tells on which nodes of an act that starts corosync it runs already,
// where others are left out. One that dies from now on may be the one that told
// what has become of those, and so is not started.
func (u *undoing) running(ctx context.Context, a Act) map[string]bool {
	ran := map[string]bool{}
	if !starts(a.Ops) || len(u.failed) == 0 {
		return ran
	}
	for _, name := range a.Nodes {
		_, err := u.up(ctx, name)
		ran[name] = err == nil
	}
	return ran
}

func starts(ops []Op) bool { return len(withoutStart(ops)) < len(ops) }

// withoutStart is ops without those that start something.
func withoutStart(ops []Op) []Op {
	return slices.DeleteFunc(slices.Clone(ops), func(o Op) bool { return o.Kind == OpRevive || o.Kind == OpStart })
}

// overtaken tells whether one of the nodes of an act has a later configuration
// already than it has after the act: one that is behind is not started before it
// has caught up.
func (u *undoing) overtaken(name string, nodes []string) bool {
	puts := func(s Step) bool {
		return slices.ContainsFunc(s.Undo, func(a Act) bool { return putsConf(a.Ops) })
	}
	for i, step := range u.entry.Plan.Steps { // from the last act to the first
		for j := len(step.Undo) - 1; j >= 0; j-- {
			act := fmt.Sprintf("%s/%d", step.ID, j)
			if act == name {
				return false
			}
			changes := slices.ContainsFunc(step.Undo[j].Ops, func(o Op) bool {
				// Where a later step has put another one in place, there is nothing to unswap.
				unswaps := o.Kind == OpUnswap && !slices.ContainsFunc(u.entry.Plan.Steps[i+1:max(u.last, i)+1], puts)
				return o.Path == ConfPath && (o.Kind == OpPut || o.Kind == OpRestore || unswaps)
			})
			concerns := slices.ContainsFunc(step.Undo[j].Nodes, func(n string) bool { return slices.Contains(nodes, n) })
			if changes && concerns && slices.ContainsFunc(u.names(), func(n string) bool { return slices.Contains(u.logs[n], Note{Undid, act}) }) {
				return true
			}
		}
	}
	return false
}

func (u *undoing) isDown(node string) bool { return slices.Contains(u.down, node) }

func (u *undoing) lose(node string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.failed[node] = true
}

func (u *undoing) isFailed(node string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.failed[node]
}

func (u *undoing) left(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), u.isFailed)
}

// seen tells whether a node that could not be brought back is seen as a member
// by one that was.
func (u *undoing) seen(ctx context.Context) bool {
	if len(u.failed) == 0 {
		return false
	}
	ids := u.ids()
	for _, name := range u.names() {
		n := u.nodes[name]
		if n == nil || u.failed[name] {
			continue
		}
		rt, err := n.Runtime(ctx)
		if err != nil || rt == nil {
			continue
		}
		for _, m := range rt.Quorum.Members {
			if u.failed[ids[m.NodeID]] {
				return true
			}
		}
	}
	return false
}

// blind tells whether a node that is left out may still run what the cluster ran:
// one that was brought back sees it, or none of these has quorum, so that the
// cluster may be where they are not.
func (u *undoing) blind(ctx context.Context) bool {
	if len(u.failed) == 0 {
		return false
	}
	ran := false
	for _, was := range u.entry.Plan.Seen {
		ran = ran || was.Active && was.Version > 0
	}
	tells := false
	for _, name := range u.left(u.names()) {
		rt, err := u.up(ctx, name)
		tells = tells || err == nil && rt.Quorum.Quorate
	}
	return ran && !tells && u.elsewhere() || u.seen(ctx)
}

// elsewhere tells whether the nodes that are left out could have quorum by themselves
// with one of the plan's configurations.
func (u *undoing) elsewhere() bool {
	known := false
	for _, text := range u.entry.Plan.Blobs {
		f, err := corosyncconf.Parse(ConfPath, text)
		if err != nil || len(f.Config().Nodes) == 0 {
			continue
		}
		known = true
		conf, votes, nodes := f.Config(), 0, 0
		for _, n := range conf.Nodes {
			if u.isFailed(n.Label()) {
				votes += n.Votes
				nodes++
			}
		}
		needed := quorum.Needed(conf.ExpectedVotes(), votes, nodes, conf.Quorum.TwoNode)
		if votes > 0 && (votes >= needed || conf.Quorum.AutoTieBreaker && 2*votes >= conf.ExpectedVotes()) {
			return true
		}
	}
	return !known
}

// lostAmong lists the nodes of which an error says that their connection was lost.
func lostAmong(err error) []string {
	return nodesOf(err, func(e *NodeError) bool { return lostConnection(e) })
}

// downAmong lists the nodes of which an error says that corosync does not run.
func downAmong(err error) []string {
	return nodesOf(err, func(e *NodeError) bool { return e.Code == CodeNoRunning })
}

func nodesOf(err error, is func(*NodeError) bool) []string {
	var names []string
	me, ok := errors.AsType[*multierror.Error](err)
	if !ok {
		return nil
	}
	for _, e := range me.Errors {
		if ne, ok := errors.AsType[*NodeError](e); ok && is(ne) {
			names = append(names, ne.Node)
		}
	}
	return names
}

// on carries out operations of undoing on one node, with a new connection if
// the old one was lost.
func (u *undoing) on(ctx context.Context, name string, note Note, ops []Op) error {
	for lost := (time.Time{}); ; {
		n, err := u.node(ctx, name)
		if err == nil {
			err = n.Do(ctx, u.entry.ID, note, ops, timeLimit(ops))
		}
		if lost.IsZero() {
			lost = time.Now()
		}
		if err == nil || !again(err) || time.Since(lost) > u.grace || ctx.Err() != nil {
			return err
		}
		if lostConnection(err) {
			u.drop(name)
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// again tells whether what failed may go better after a while.
func again(err error) bool {
	_, held := errors.AsType[*HeldError](err) // the old shell still holds the lock
	ne, ok := errors.AsType[*NodeError](err)
	return lostConnection(err) || held || ok && ne.Code.Class() == Unreachable
}

// stopped tells whether an error says that corosync does not run on a node.
func stopped(err error) bool {
	ne, ok := errors.AsType[*NodeError](err)
	return ok && ne.Code == CodeNoRunning
}

func lostConnection(err error) bool {
	return errors.Is(err, ErrGone) || errors.Is(err, ErrOutcomeUnknown)
}

// node returns the node by name, connected anew and locked if it was lost.
func (r *run) node(ctx context.Context, name string) (Node, error) {
	r.mu.Lock()
	n := r.nodes[name]
	r.mu.Unlock()
	if n != nil {
		return n, nil
	}
	i := slices.IndexFunc(r.entry.Plan.Nodes, func(p PlanNode) bool { return p.Name == name })
	if r.Connect == nil || i < 0 {
		return nil, ErrGone
	}
	n, err := r.Connect(ctx, r.entry.Plan.Nodes[i])
	if err != nil {
		return nil, err
	}
	if err := r.lockNode(ctx, n); err != nil {
		_ = n.Close()
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nodes[name] = n
	r.own = append(r.own, n)
	return n, nil
}

// close ends the connections that were made anew, and so their locks.
func (r *run) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.own {
		_ = n.Close() // closed twice when it was lost again, which does no harm
	}
}

func (r *run) drop(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.nodes[name]; n != nil {
		_ = n.Close()
		r.nodes[name] = nil
	}
}

// end closes the journal: first every node notes that the operation is over,
// then each puts it away. While a node is away none puts it away, so that the
// one that missed the end can find out. without are nodes that are not done with.
func (r *run) end(ctx context.Context, phase Phase, without map[string]bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	var mu sync.Mutex
	away := len(without) > 0
	err := each(r.names(), func(name string) error {
		if without[name] {
			return nil
		}
		n, err := r.node(ctx, name)
		if err == nil {
			err = n.End(ctx, r.entry.ID, phase)
		}
		if err == nil {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		away = true
		return nodeErr(name, err)
	})
	if err != nil && r.Report != nil {
		for _, p := range ProblemsOf(err) {
			r.Report.Warn(fmt.Sprintf("%s: could not be told that the operation is over (%s); later: clusterctl -H %s op resume %s", p.Node, p.Message, p.Node, r.entry.ID))
		}
	}
	if away {
		return nil
	}
	err = each(r.names(), func(name string) error { return nodeErr(name, r.nodes[name].Retire(ctx, r.entry.ID)) })
	if err != nil && r.Report != nil {
		r.Report.Warn(err.Error())
	}
	return nil
}

// each calls f for all items at once and returns what failed, in their order.
func each[T any](items []T, f func(T) error) error {
	errs := make([]error, len(items))
	var wg sync.WaitGroup
	for i, item := range items {
		wg.Go(func() { errs[i] = f(item) })
	}
	wg.Wait()
	all := &multierror.Error{ErrorFormat: lines}
	for _, err := range errs {
		if err != nil {
			all = multierror.Append(all, err)
		}
	}
	return all.ErrorOrNil()
}

// lines is one line per error.
func lines(errs []error) string {
	s := ""
	for i, err := range errs {
		if i > 0 {
			s += "\n"
		}
		s += err.Error()
	}
	return s
}

// nodeErr puts the node's name to an error that has none yet.
func nodeErr(node string, err error) error { return stepErr(node, "", err) }

func stepErr(node, step string, err error) error {
	if err == nil {
		return nil
	}
	if ne, ok := errors.AsType[*NodeError](err); ok && ne.Node == node {
		if ne.Step == "" {
			ne.Step = step
		}
		return err
	}
	ne := &NodeError{Node: node, Step: step, Err: err, Code: CodeStep}
	switch {
	case errors.Is(err, ErrOutcomeUnknown):
		ne.Code = CodeOutcome
	case errors.Is(err, ErrGone):
		ne.Code = CodeUnreachable
	}
	return ne
}
