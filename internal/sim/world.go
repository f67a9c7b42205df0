package sim

import (
	"container/heap"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
	"clusterctl/quorum"
)

// World is some machines, the networks between them and the admins who reach
// them. It may be changed by its methods while no call of a Node is under way,
// and from the functions that it calls itself (Fail, Trouble).
type World struct {
	// Trouble is told what must never be: a quorate cluster without quorum, a
	// half-written file, a key that others can read.
	Trouble func(what string)
	// Broken names what does not work as it should: for tests of the tests.
	Broken map[Defect]bool

	mu     sync.Mutex
	rng    *rand.Rand
	now    time.Duration
	queue  events
	count  int // of events
	wake   chan struct{}
	ended  chan struct{}
	bubble time.Time // when the bubble's clock was looked at first; zero: there is none
	closed bool

	machines map[string]*Machine
	all      []*Machine // by name
	rings    int
	faults   []*Fault
	trace    *[]Call
	calls    map[string]int
	configs  map[string]*config
	entries  map[string]*cluster.Entry
	rival    func()
	told     func(*call, error)
	watch    watch
}

// Defect is something that can be broken on purpose.
type Defect string

// The defects, each of which a run of schedules must notice: those of a machine,
// and those of a clusterctl that leaves out what it should do.
const (
	NoFileSync    Defect = "the content of files is not flushed"
	NoFolderSync  Defect = "the names of files are not flushed"
	NoJournalSync Defect = "the journal is not flushed"
	NoJournal     Defect = "steps are not noted before they are done"
	NoLock        Defect = "the lock is granted to everyone"
	NoBackup      Defect = "what is replaced is not kept"
	OpenKey       Defect = "the key can be read by everyone"
	NoVerify      Defect = "what was done is not verified"
	NoGuard       Defect = "reloads are not held against the votes present"
	NoLook        Defect = "nobody looks again when the nodes are locked"
	NoTest        Defect = "corosync is not asked whether it takes a file"
	NoUndo        Defect = "nothing is taken back"
	NoRevive      Defect = "what was stopped is not started again"
)

// Defects lists all defects.
func Defects() []Defect {
	return []Defect{NoFileSync, NoFolderSync, NoJournalSync, NoJournal, NoLock, NoBackup, OpenKey,
		NoVerify, NoGuard, NoLook, NoTest, NoUndo, NoRevive}
}

// New makes a world of machines without a cluster, for plain tests.
func New(names ...string) *World {
	w := &World{
		rng: rand.New(rand.NewPCG(1, 2)), machines: map[string]*Machine{}, calls: map[string]int{}, Broken: map[Defect]bool{},
		configs: map[string]*config{}, entries: map[string]*cluster.Entry{}, wake: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	for i, name := range names {
		m := newMachine(w, name, i+1)
		w.machines[name] = m
		w.all = append(w.all, m)
	}
	slices.SortFunc(w.all, func(a, b *Machine) int { return a.number - b.number })
	return w
}

// Time has everything take the time that the seed gives, from now on. It is for
// a bubble of testing/synctest, and to be ended by Close.
func (w *World) Time(seed uint64) {
	w.Settle()
	w.rng = rand.New(rand.NewPCG(seed, 0x5eed))
	w.now, w.bubble = 0, time.Now()
	go w.run()
}

// Record has all calls that end from now on appended to a list.
func (w *World) Record(calls *[]Call) { w.trace = calls }

// Close ends a world that has Time.
func (w *World) Close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.nudge()
	<-w.ended
	for _, m := range w.all {
		m.abandon()
	}
}

// Machine returns the machine of that name, or nil.
func (w *World) Machine(name string) *Machine { return w.machines[name] }

// Machines returns all machines in order.
func (w *World) Machines() []*Machine { return w.all }

// event is something that happens at a moment.
type event struct {
	at    time.Duration
	who   int // what is due at one instant happens in this order, then as it was asked for
	count int
	do    func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	if q[i].at != q[j].at {
		return q[i].at < q[j].at
	}
	if q[i].who != q[j].who {
		return q[i].who < q[j].who
	}
	return q[i].count < q[j].count
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push and Pop are for container/heap.
func (q *events) Push(e any) { *q = append(*q, e.(event)) }

// Pop takes the last one.
func (q *events) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = event{}
	*q = (*q)[:last]
	return e
}

// after has something happen after a while. It is for what happens already.
func (w *World) after(d time.Duration, do func()) { w.push(d, 0, do) }

func (w *World) push(d time.Duration, who int, do func()) {
	w.count++
	heap.Push(&w.queue, event{w.now + d, who, w.count, do})
}

// post has something happen now, for a client: who tells clients apart.
func (w *World) post(who int, do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bubble.IsZero() {
		w.push(0, who, do)
		w.settle()
		return
	}
	w.count++
	heap.Push(&w.queue, event{time.Since(w.bubble), who, w.count, do})
	w.nudge()
}

func (w *World) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Settle has all happen that follows from what was done, without a clock.
func (w *World) Settle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settle()
}

func (w *World) settle() {
	for len(w.queue) > 0 {
		w.next()
	}
}

func (w *World) next() {
	e := heap.Pop(&w.queue).(event)
	w.now = max(w.now, e.at)
	e.do()
}

// run has all happen at its time. Before each event it waits until every client
// waits, so that what they ask for at one instant is in order.
func (w *World) run() {
	defer close(w.ended)
	for {
		synctest.Wait()
		w.mu.Lock()
		if w.closed {
			w.mu.Unlock()
			return
		}
		wait := time.Duration(-1)
		if len(w.queue) > 0 {
			if wait = w.queue[0].at - time.Since(w.bubble); wait <= 0 {
				w.next()
				w.mu.Unlock()
				continue
			}
		}
		w.mu.Unlock()
		if wait < 0 {
			<-w.wake
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-w.wake:
			timer.Stop()
		}
	}
}

// Now is how long the world has been going on.
func (w *World) Now() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// between draws a time.
func (w *World) between(least, most time.Duration) time.Duration {
	if w.bubble.IsZero() {
		return 0
	}
	return least + time.Duration(w.rng.Int64N(int64(most-least)))
}

// tokenLost is how long corosync takes to find out that someone is away.
func (w *World) tokenLost() time.Duration {
	return w.between(1000*time.Millisecond, 1700*time.Millisecond)
}

// linked tells whether the cluster networks connect two machines.
func (w *World) linked(a, b *Machine) bool {
	return a.up && b.up && a.side == b.side
}

// netOf is the number of the network that an address is in, -1 when it can be cut
// in none.
func netOf(addr string) int {
	var n, host int
	if _, err := fmt.Sscanf(addr, "10.0.%d.%d", &n, &host); err != nil || n >= networks {
		return -1
	}
	return n
}

// cut tells whether an interface of two machines in the network of an address is cut
// and, with shown, whether knet has noticed.
func cut(addr string, shown bool, ms ...*Machine) bool {
	n := netOf(addr)
	return n >= 0 && slices.ContainsFunc(ms, func(m *Machine) bool { return m.nics[n].cut && (!shown || m.nics[n].shown) })
}

// running is the corosync of the machine of that name, if it runs.
func (w *World) running(name string) *corosync {
	if m := w.machines[name]; m != nil {
		return m.corosync
	}
	return nil
}

// config parses a corosync.conf, once.
func (w *World) config(text string) *config {
	c := w.configs[text]
	if c == nil {
		c = &config{text: text, hash: cluster.Hash([]byte(text))}
		if c.file, c.err = corosyncconf.Parse(cluster.ConfPath, []byte(text)); c.file != nil {
			c.Config = c.file.Config()
			c.links = c.Links()
			c.cmap = quorum.Cmap{}
			fillCmap(c.cmap, c.file.Root(), "")
		}
		w.configs[text] = c
	}
	return c
}

func (w *World) trouble(format string, args ...any) {
	if w.Trouble != nil {
		w.Trouble(fmt.Sprintf(format, args...))
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Form makes a running cluster of machines, as if it had been there for long.
func (w *World) Form(conf, key string, names ...string) error {
	for _, name := range names {
		m := w.machines[name]
		m.SetFile(cluster.ConfPath, conf)
		m.SetFile(cluster.KeyPath, key)
		m.Enable("corosync")
		if err := m.Start("corosync"); err != nil {
			return err
		}
		if m.pve != nil {
			m.pve.db, m.pve.writes = conf, 5
			m.startPmxcfs()
		}
	}
	w.Settle()
	return nil
}
