package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"clusterctl/cluster"
)

// How long the two ends of a connection take to find out that the other is away.
const (
	silence = 30 * time.Second // as in ssh/loop.sh
	despair = 20 * time.Second // a client's, about
)

// Admin is someone with a clusterctl, at a machine of his own.
type Admin struct {
	w      *World
	name   string
	number int
	dead   bool
	frozen time.Duration   // until then nothing comes from it
	barred map[string]bool // machines that it does not reach
	cancel context.CancelCauseFunc
	conns  []*conn
}

// Admin makes an admin. Number tells admins apart.
func (w *World) Admin(number int) *Admin {
	return &Admin{w: w, name: fmt.Sprintf("admin%d", number), number: number, barred: map[string]bool{}}
}

// Nodes are connections to all machines, made as if all of them answered.
func (a *Admin) Nodes() map[string]cluster.Node {
	nodes := map[string]cluster.Node{}
	for _, m := range a.w.all {
		nodes[m.name] = a.open(m)
	}
	return nodes
}

// Die is kill -9: whatever the admin's clusterctl still tries reaches nobody.
func (a *Admin) Die() {
	a.dead = true
	for _, c := range a.conns {
		c.sever()
	}
}

// reaches tells whether packets go from the admin to a machine.
func (a *Admin) reaches(m *Machine) bool {
	return m.up && !m.Deaf && !a.barred[m.name] && a.w.now >= a.frozen
}

// Connect connects to a machine by the name of a PlanNode.
func (a *Admin) Connect(ctx context.Context, n cluster.PlanNode) (cluster.Node, error) {
	m := a.w.machines[n.Name]
	away := &cluster.NodeError{Node: n.Name, Code: cluster.CodeUnreachable, Err: errors.New("no route"), Remedy: "check that it is up and that SSH reaches it"}
	if m == nil {
		return nil, away
	}
	reply := make(chan *conn, 1)
	a.w.post(a.who(m), func() {
		switch {
		case a.dead:
			reply <- nil
		case a.reaches(m):
			a.w.after(a.w.between(20*time.Millisecond, 90*time.Millisecond), func() { reply <- a.openIf(m) })
		case !m.up:
			a.w.after(a.w.between(2*time.Second, 3*time.Second), func() { reply <- nil })
		default:
			a.w.after(a.w.between(10*time.Second, 10*time.Second+1000), func() { reply <- nil })
		}
	})
	select {
	case c := <-reply:
		if c == nil {
			return nil, away
		}
		return c, nil
	case <-ctx.Done():
		return nil, &cluster.NodeError{Node: n.Name, Code: cluster.CodeUnreachable, Err: ctx.Err()}
	}
}

func (a *Admin) who(m *Machine) int { return 1000*a.number + m.number }

func (a *Admin) openIf(m *Machine) *conn {
	if a.dead || !a.reaches(m) {
		return nil
	}
	return a.open(m)
}

func (a *Admin) open(m *Machine) *conn {
	s := &session{m: m}
	c := &conn{a: a, m: m, w: a.w, s: s}
	s.conn = c
	m.sessions = append(m.sessions, s)
	a.conns = append(a.conns, c)
	return c
}

// session is the shell at the machine's end of a connection.
type session struct {
	m      *Machine
	conn   *conn
	who    cluster.Holder
	script *shell
	ended  bool
	gone   bool
}

// end ends the shell, and with it the lock, when its script is done.
func (s *session) end() {
	s.ended = true
	if s.script != nil {
		return
	}
	s.gone = true
	if s.m.holder == s {
		s.m.holder = nil
	}
	s.m.sessions = slices.DeleteFunc(s.m.sessions, func(o *session) bool { return o == s })
}

// kill ends the shell and its script at once.
func (s *session) kill() {
	s.ended, s.gone = true, true
	if s.script != nil {
		s.script.kill()
		s.script = nil
	}
}

// conn is an admin's connection to a machine: a cluster.Node.
type conn struct {
	a      *Admin
	m      *Machine
	w      *World
	s      *session
	broken bool
	calls  []*call // the first one is under way
}

// call is something asked of a machine.
type call struct {
	Call
	c     *conn
	limit time.Duration
	do    func(*shell) (any, error)
	reply chan answer
	sent  bool
	fault []*Fault
}

type answer struct {
	out any
	err error
}

// Call tells which call of a schedule something is: the how manieth on a
// machine, and what it is for.
type Call struct {
	Node   string
	N      int // of all calls on the machine, from 0
	What   string
	Points int // how many small steps it took
	Admin  int
}

// ask has a script run on the machine.
func (c *conn) ask(ctx context.Context, what string, limit time.Duration, do func(*shell) (any, error)) (any, error) {
	k := &call{Call: Call{Node: c.m.name, What: what, Admin: c.a.number}, c: c, limit: limit, do: do, reply: make(chan answer, 1)}
	c.w.post(c.a.who(c.m), func() {
		c.calls = append(c.calls, k)
		if len(c.calls) == 1 {
			k.begin()
		}
	})
	select {
	case a := <-k.reply:
		return a.out, a.err
	case <-ctx.Done():
		select {
		case a := <-k.reply:
			return a.out, a.err
		default:
			return nil, ctx.Err()
		}
	}
}

func (k *call) begin() {
	w := k.c.w
	if k.c.broken || k.c.a.dead {
		k.end(nil, cluster.ErrGone)
		return
	}
	k.N = w.calls[k.Node]
	w.calls[k.Node]++
	k.fault = w.faultsOf(k)
	w.after(w.between(100*time.Microsecond, 2*time.Millisecond), func() { k.arrive(w.now) })
}

// arrive has the script run when the request gets through.
func (k *call) arrive(since time.Duration) {
	c, w := k.c, k.c.w
	if !k.sent {
		k.sent = true
		_ = w.point(k, nil)
	}
	switch {
	case !k.current(): // broken off
	case c.s.gone:
		c.sever()
	case c.a.reaches(c.m):
		c.s.exec(k, k.limit, k.do, func(out any, err error) { k.leave(out, err, w.now) })
	case w.now-since > despair:
		c.sever()
	case w.bubble.IsZero():
		c.sever()
	default:
		w.after(time.Second, func() { k.arrive(since) })
	}
}

// leave has the answer go back.
func (k *call) leave(out any, err error, since time.Duration) {
	c, w := k.c, k.c.w
	if w.now == since {
		_ = w.point(k, nil)
	}
	switch {
	case !k.current():
	case c.s.gone: // the machine is not what it was
		w.after(w.between(despair/20, despair), c.sever)
	case c.a.reaches(c.m):
		w.after(w.between(100*time.Microsecond, 2*time.Millisecond), func() { k.end(out, err) })
	case w.now-since > despair:
		c.sever()
	case w.bubble.IsZero():
		c.sever()
	default:
		w.after(time.Second, func() { k.leave(out, err, since) })
	}
}

// current tells whether the client still waits for the answer, or its
// connection for the end of the call.
func (k *call) current() bool { return len(k.c.calls) > 0 && k.c.calls[0] == k }

// end gives the client its answer; the next call's turn has come.
func (k *call) end(out any, err error) {
	c := k.c
	if !k.current() {
		return
	}
	k.reply <- answer{out, err}
	if c.w.told != nil {
		c.w.told(k, err)
	}
	if c.w.trace != nil {
		*c.w.trace = append(*c.w.trace, k.Call)
	}
	c.calls = c.calls[1:]
	if len(c.calls) > 0 {
		c.calls[0].begin()
	}
}

// sever breaks the connection: the client knows at once, the machine when it
// can, or when it has heard nothing for long.
func (c *conn) sever() {
	if c.broken {
		return
	}
	c.broken = true
	calls := c.calls
	c.calls = nil
	for i, k := range calls {
		err := cluster.ErrGone
		if i == 0 && k.sent {
			err = cluster.ErrOutcomeUnknown
		}
		k.reply <- answer{nil, err}
	}
	c.hangUp()
}

func (c *conn) hangUp() {
	if c.s.ended {
		return
	}
	if c.m.up && !c.m.Deaf && !c.a.barred[c.m.name] {
		c.s.end()
		return
	}
	c.w.after(silence, c.s.end)
}

// mute has the machine end the connections of admins from whom it hears nothing.
func (w *World) mute(m *Machine) {
	for _, s := range slices.Clone(m.sessions) {
		w.after(silence, func() {
			if !s.gone && !s.conn.a.reaches(m) {
				s.end()
			}
		})
	}
}

func (c *conn) Name() string    { return c.m.name }
func (c *conn) Address() string { return "root@" + c.m.name }

func (c *conn) Close() error {
	c.w.post(c.a.who(c.m), func() {
		if !c.broken {
			c.broken = true
			calls := c.calls
			c.calls = nil
			for _, k := range calls {
				k.reply <- answer{nil, cluster.ErrGone}
			}
			c.hangUp()
		}
	})
	return nil
}

func (c *conn) Facts(ctx context.Context, _ []string) (*cluster.Facts, error) {
	out, err := c.ask(ctx, "facts", 0, func(sh *shell) (any, error) {
		if err := sh.at(10*time.Millisecond, 40*time.Millisecond); err != nil {
			return nil, err
		}
		return sh.m.Facts(), nil
	})
	f, _ := out.(*cluster.Facts)
	return f, err
}

func (c *conn) Runtime(ctx context.Context) (*cluster.Runtime, error) {
	out, err := c.ask(ctx, "runtime", 0, func(sh *shell) (any, error) {
		if err := sh.at(5*time.Millisecond, 20*time.Millisecond); err != nil {
			return nil, err
		}
		return sh.m.Runtime(), nil
	})
	r, _ := out.(*cluster.Runtime)
	return r, err
}

func (c *conn) Lock(ctx context.Context, h cluster.Holder) error {
	_, err := c.ask(ctx, "lock", 0, func(sh *shell) (any, error) {
		if err := sh.quick(); err != nil {
			return nil, err
		}
		m, s := sh.m, sh.s
		if m.holder != nil && m.holder != s && !sh.w.bubble.IsZero() {
			sh.pause(time.Second) // flock -w 1
		}
		if m.holder != nil && m.holder != s && !sh.w.Broken[NoLock] {
			return nil, &cluster.HeldError{Holder: m.holder.who}
		}
		s.who, m.holder = h, s
		return nil, nil
	})
	return err
}

func (c *conn) Begin(ctx context.Context, e cluster.Entry, blobs map[string][]byte, paths, units []string, ended map[string]cluster.Phase) error {
	_, err := c.ask(ctx, "begin", 0, func(sh *shell) (any, error) {
		if err := sh.changes(); err != nil {
			return nil, err
		}
		return nil, sh.begin(e, maps.Clone(blobs), paths, units, ended)
	})
	return err
}

func (c *conn) Journal(ctx context.Context, op string) (*cluster.Entry, error) {
	out, err := c.ask(ctx, "journal", 0, func(sh *shell) (any, error) {
		if err := sh.quick(); err != nil {
			return nil, err
		}
		for _, dir := range []string{opDir, doneDir} {
			if i := sh.m.disk.files[dir+"/"+op]; i != nil {
				return i.entry.read(sh.w), nil
			}
		}
		return nil, nil
	})
	e, _ := out.(*cluster.Entry)
	return e, err
}

func (c *conn) Do(ctx context.Context, op string, note cluster.Note, ops []cluster.Op, timeout time.Duration) error {
	_, err := c.ask(ctx, note.String(), timeout, func(sh *shell) (any, error) {
		if err := sh.changes(); err != nil {
			return nil, err
		}
		return nil, sh.step(op, note, ops)
	})
	return err
}

// changes watches that only the holder of the lock changes anything.
func (sh *shell) changes() error {
	if sh.m.holder == sh.s {
		return nil
	}
	sh.w.trouble("%s is changed by someone who does not hold its lock", sh.m.name)
	return errors.New("acts without the lock")
}

func (c *conn) End(ctx context.Context, op string, phase cluster.Phase) error {
	if c.m.MissEnd {
		return cluster.ErrGone
	}
	_, err := c.ask(ctx, "end "+string(phase), 0, func(sh *shell) (any, error) {
		if e := sh.m.op(op); e != nil {
			return nil, sh.note(e, string(phase))
		}
		return nil, nil
	})
	return err
}

func (c *conn) Retire(ctx context.Context, op string) error {
	_, err := c.ask(ctx, "retire", 0, func(sh *shell) (any, error) { return nil, sh.retire(op) })
	return err
}

// Examine is Facts: the simulated machines show no other signs of trouble.
func (c *conn) Examine(ctx context.Context) (*cluster.Facts, error) { return c.Facts(ctx, nil) }
func (c *conn) Relied(ctx context.Context) (*cluster.Facts, error)  { return c.Facts(ctx, nil) }

// LinkStats measures nothing: the simulated links have no latency or MTU.
func (c *conn) LinkStats(context.Context) ([]cluster.LinkStat, error) { return nil, nil }

func (c *conn) Past(ctx context.Context) ([]cluster.Past, error) {
	out, err := c.ask(ctx, "past", 0, func(sh *shell) (any, error) {
		if err := sh.quick(); err != nil {
			return nil, err
		}
		var all []cluster.Past
		for _, name := range sortedKeys(sh.m.disk.files) {
			e := sh.m.disk.files[name].entry
			if e == nil || !strings.HasPrefix(name, doneDir) {
				continue
			}
			p := cluster.Past{Entry: *e.read(sh.w)}
			if was := e.before[cluster.ConfPath]; was != nil {
				p.Conf = []byte(was.data)
			}
			all = append(all, p)
		}
		return all, nil
	})
	past, _ := out.([]cluster.Past)
	return past, err
}

func (c *conn) Blobs(ctx context.Context, op string) (map[string][]byte, error) {
	out, err := c.ask(ctx, "blobs", 0, func(sh *shell) (any, error) {
		if err := sh.quick(); err != nil {
			return nil, err
		}
		if e := sh.m.op(op); e != nil {
			return maps.Clone(e.blobs), nil
		}
		return nil, fmt.Errorf("operation %s is not in the journal", op)
	})
	b, _ := out.(map[string][]byte)
	return b, err
}

func (c *conn) Key(ctx context.Context) ([]byte, error) {
	out, err := c.ask(ctx, "key", 0, func(sh *shell) (any, error) {
		if err := sh.quick(); err != nil {
			return nil, err
		}
		return []byte(sh.m.File(cluster.KeyPath)), nil
	})
	b, _ := out.([]byte)
	return b, err
}

func (c *conn) Tail(ctx context.Context, _ string, _ int) (string, error) {
	_, err := c.ask(ctx, "tail", 0, func(sh *shell) (any, error) { return nil, sh.quick() })
	return "the journal's end", err
}

// remember keeps an entry as its JSON says it, once for all machines.
func (w *World) remember(e cluster.Entry) {
	if w.entries[e.ID] != nil {
		return
	}
	text, err := json.Marshal(e)
	read := &cluster.Entry{}
	if err == nil {
		err = json.Unmarshal(text, read)
	}
	if err != nil {
		panic(err)
	}
	w.entries[e.ID] = read
	w.journalled(text)
}
