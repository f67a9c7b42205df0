package sim

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
)

// watch is what is watched at every moment.
type watch struct {
	secrets  map[string]bool
	versions map[string]string // content by cluster and config_version
	ends     []*config         // what the cluster was, and is to be
	between  []*config         // the steps there and back
	losses   int               // of machines that were members, or are to be
	steady   map[*Machine]*corosync
	fit      map[*Machine]bool
	resting  map[*Machine]bool // of these, those that clusterctl has stopped while they have votes: it said so
	lost     time.Duration     // when a member was lost last
	reload   time.Duration     // when a reload was asked for last, or carried out
	asked    time.Duration     // ... when that was asked for
	blind    time.Duration     // until then nobody could have known of a loss in time
}

// How long it may take until a loss is known: clusterctl asks every member right
// before a reload, so that one that has died does not answer; of a network that
// is cut only corosync can tell, when it has lost its token.
const (
	askedYet = 150 * time.Millisecond
	tokenYet = 2 * time.Second
	blink    = time.Second
)

// Guard has the cluster's quorum watched from now on: before is what it runs,
// after what it is to become, and between are the steps there and back. Whoever
// would be quorate, before and after, if nobody changed anything must be so when
// one machine is lost; when more are, whoever would be so at every step.
func (w *World) Guard(before, after string, between ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watch.ends = []*config{w.config(before), w.config(after)}
	for _, text := range between {
		w.watch.between = append(w.watch.between, w.config(text))
	}
	w.watch.steady, w.watch.fit, w.watch.resting = map[*Machine]*corosync{}, map[*Machine]bool{}, map[*Machine]bool{}
	for _, m := range w.all {
		if _, member := w.watch.ends[0].node(m.name); m.up && (m.corosync != nil && m.corosync.shown || !member) {
			w.watch.fit[m] = true
		}
		if m.corosync != nil && m.corosync.shown {
			w.watch.steady[m] = m.corosync
		}
	}
	w.parted()
	for _, m := range w.all {
		if m.corosync != nil && slices.ContainsFunc(m.nics[:], func(n nic) bool { return n.cut }) {
			w.unplugged(m)
		}
	}
}

// Secret names content that nobody but root may read.
func (w *World) Secret(content string) {
	if w.watch.secrets == nil {
		w.watch.secrets = map[string]bool{}
	}
	w.watch.secrets[content] = true
}

// lost tells that a machine, or its corosync, is lost by accident.
func (w *World) lost(m *Machine) {
	delete(w.watch.fit, m)
	w.watch.losses++
	if w.watch.lost = w.now; w.now-w.watch.reload < askedYet {
		w.watch.blind = w.now + tokenYet
	}
	w.parted()
	for _, s := range m.sessions {
		if !m.up {
			w.after(w.between(despair/20, despair), s.conn.sever)
		}
	}
}

// reloading tells that a reload is asked for or, where a lost token held it up,
// carried out: it cannot be called back when a member is lost meanwhile.
func (w *World) reloading(asked time.Duration) {
	w.watch.asked = asked
	if w.watch.reload = w.now; asked-w.watch.lost < askedYet {
		w.watch.blind = w.now + tokenYet
	}
}

// cutOff tells that the cluster networks of a machine were cut, or mended.
func (w *World) cutOff() {
	w.watch.losses++
	w.watch.blind = w.now + tokenYet
	w.parted()
}

// unplugged tells that interfaces of a machine were cut. That is a loss only where no
// other link is left; but clusterctl may be about to take that one away, and can see
// what is cut only when knet has noticed.
func (w *World) unplugged(m *Machine) {
	c := m.corosync
	if c == nil {
		delete(w.watch.fit, m)
		w.cutOff()
		return
	}
	deaf := slices.DeleteFunc(slices.Clone(c.members), func(o *corosync) bool { return o.hears(c) })
	if len(deaf) == 0 {
		return
	}
	delete(w.watch.fit, m)
	if len(deaf) < len(c.members)-1 { // some hear both: either it or these fall out
		for _, o := range deaf {
			delete(w.watch.fit, o.m)
		}
	}
	w.cutOff()
}

// recentlyCut tells whether an interface was cut when a reload that was asked for then
// could not take it into account.
func (m *Machine) recentlyCut(asked time.Duration) bool {
	return slices.ContainsFunc(m.nics[:], func(n nic) bool { return n.cut && asked < n.at+tokenYet })
}

// stopping tells that clusterctl stops corosync on a machine, as it asked for: it
// cannot be called back. Until it is back, one that has votes is missed by the others
// as one that is lost. Where all that have votes are stopped by one step, its plan
// says that the cluster stands still, and the admin agreed to that: quorum ends there
// as planned, and nobody who ran until then need have it. A rival's plan may be such
// a one, and the scenario's not, when it is made while no other link connects all.
func (w *World) stopping(m *Machine, asked time.Duration, nodes []string) {
	if m.corosync.us.votes == 0 || w.watch.resting == nil {
		return
	}
	if !slices.ContainsFunc(m.corosync.conf.Nodes, func(n corosyncconf.Node) bool { return n.Votes > 0 && !slices.Contains(nodes, n.Name) }) {
		clear(w.watch.fit)
	}
	w.watch.resting[m] = true
	if asked-w.watch.lost < askedYet || asked < w.watch.blind { // nobody knew yet
		w.parted()
	}
}

// parted works out who must be quorate now: of the machines that were well all
// the time, those who would be quorate by themselves before and after.
func (w *World) parted() {
	sides := map[int]bool{}
	for m := range w.watch.fit {
		sides[m.side] = true
	}
	for side := range sides {
		steps := w.watch.ends
		if w.watch.losses > 1 {
			steps = append(slices.Clone(steps), w.watch.between...)
		}
		for _, c := range steps {
			if !w.carries(c, side) {
				for _, m := range w.all {
					if m.side == side {
						delete(w.watch.fit, m)
					}
				}
			}
		}
	}
}

// carries tells whether the machines of one side that are well would be quorate
// with a configuration.
func (w *World) carries(c *config, side int) bool {
	votes, nodes := 0, 0
	for _, m := range w.all {
		if n, listed := c.node(m.name); listed && w.watch.fit[m] && m.corosync != nil && !w.watch.resting[m] && m.side == side {
			votes += n.Votes
			nodes++
		}
	}
	if c.Quorum.TwoNode && nodes <= 2 {
		return votes > 0
	}
	return votes >= c.ExpectedVotes()/2+1
}

// showed tells that a node has become quorate, or is not any more.
func (w *World) showed(c *corosync) {
	if c.shown {
		delete(w.watch.resting, c.m)
	}
	if c.shown || w.watch.ends != nil && (!w.watch.fit[c.m] || w.watch.steady[c.m] != c) {
		return
	}
	total := 0
	for _, v := range c.voters {
		if v.member {
			total += v.votes
		}
	}
	what := fmt.Sprintf("%s is not quorate any more: %d of %d votes, %d needed, with %d members", c.m.name, total, c.us.expected, c.quorum, len(c.members))
	if w.watch.ends == nil || w.now > w.watch.blind {
		w.trouble("%s", what)
		return
	}
	w.after(blink, func() {
		if c.alive() && !c.shown && w.watch.fit[c.m] && w.watch.steady[c.m] == c {
			w.trouble("%s", what)
		}
	})
}

// ran tells that a node runs another configuration now.
func (w *World) ran(c *corosync) {
	w.version(c.m, c.conf)
	if w.watch.fit != nil && slices.ContainsFunc(c.members, func(o *corosync) bool { return c.m.recentlyCut(w.watch.asked) || o.m.recentlyCut(w.watch.asked) }) {
		w.unplugged(c.m)
	}
}

// version watches that no two contents go by one config_version.
func (w *World) version(m *Machine, c *config) {
	if c.version() == 0 || c.err != nil {
		return
	}
	if w.watch.versions == nil {
		w.watch.versions = map[string]string{}
	}
	key := fmt.Sprintf("%s/%d", c.Totem.ClusterName, c.version())
	if other, ok := w.watch.versions[key]; ok && other != c.text {
		w.trouble("%s has a corosync.conf of version %d that differs from another one of this version", m.name, c.version())
	}
	w.watch.versions[key] = c.text
}

// exited tells that a node has ended itself, since others run a higher version.
func (w *World) exited(c *corosync, highest uint64) {
	if w.watch.steady[c.m] == c {
		w.trouble("corosync on %s has ended itself: it ran version %d, others %d", c.m.name, c.conf.version(), highest)
	}
}

// starting tells that clusterctl starts corosync: with a file that the cluster has,
// which is who is quorate and stays it when all have noticed who is gone.
func (w *World) starting(m *Machine) {
	text := m.File(cluster.ConfPath)
	own := w.config(text)
	differs := ""
	for _, o := range w.all {
		c := o.corosync
		if o == m || c == nil || !c.shown || c.present() < c.quorum || c.conf.Totem.ClusterName != own.Totem.ClusterName {
			continue
		}
		if c.conf.text == text || o.File(cluster.ConfPath) == text {
			return
		}
		differs = o.name
	}
	if differs != "" {
		w.trouble("corosync is started on %s with a file (version %d) that is not that of %s", m.name, own.version(), differs)
	}
}

// wrote tells that a file has changed, or the machine has crashed.
func (w *World) wrote(m *Machine, name string) {
	for _, file := range sortedKeys(m.disk.files) {
		i := m.disk.files[file]
		if w.watch.secrets[i.data] && i.mode&0o077 != 0 {
			w.trouble("%s on %s can be read by others: mode %o", path.Base(file), m.name, i.mode)
		}
	}
	if text, ok := m.disk.read(cluster.ConfPath); ok {
		c := w.config(text)
		switch {
		case text == "" || c.err != nil:
			w.trouble("%s of %s is half-written after %s", cluster.ConfPath, m.name, name)
		case m.picky && m.refuses(c) != "":
			w.trouble("corosync on %s would not take the %s it has: %s", m.name, cluster.ConfPath, m.refuses(c))
		default:
			w.version(m, c)
		}
	}
}

// journalled tells what was written to a journal as its plan.
func (w *World) journalled(text []byte) {
	for s := range w.watch.secrets {
		if strings.Contains(string(text), s) {
			w.trouble("the journal's plan holds the key")
		}
	}
}
