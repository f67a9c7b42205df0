package sim

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
	"clusterctl/quorum"
)

// corosync is one running corosync: what it read when it was started or last
// reloaded, its membership, and votequorum. The rules are those of
// exec/votequorum.c, exec/cmap.c and exec/cfg.c, and are named by their functions.
type corosync struct {
	m      *Machine
	conf   *config
	key    string
	had    string        // the key before, which is still understood for a while
	until  time.Duration // ... until then
	last   time.Duration // when its last message is with the others
	id     uint32
	ring   int           // counts memberships
	synced bool          // it has met others: its version was compared
	busy   time.Duration // until then it is at work, and what it is sent waits
	failed string        // why the last reload failed
	stuck  bool          // ... and left config.totemconfig_reload_in_progress set

	members []*corosync // of its membership, by id, itself included
	voters  map[uint32]*voter
	us      *voter

	twoNode, waitForAll, waiting bool
	autoset                      bool // waitForAll follows twoNode
	quorum                       int
	quorate                      bool
	syncing                      bool
	shown                        bool // quorate as the rest of the world was told
}

// voter is what votequorum knows of a node.
type voter struct {
	id       uint32
	votes    int
	expected int
	member   bool
	quorate  bool // its flags, as it last sent them
	waiting  bool
}

// config is a corosync.conf, parsed once.
type config struct {
	text string
	hash string
	file *corosyncconf.File
	err  error
	corosyncconf.Config
	links []int
	cmap  quorum.Cmap // what a start or reload with it puts there
}

func (c *config) node(name string) (corosyncconf.Node, bool) {
	for _, n := range c.Nodes {
		if n.Label() == name { // of one without a name that is its ring0_addr
			return n, true
		}
	}
	return corosyncconf.Node{}, false
}

func (c *config) version() uint64 { return c.Totem.ConfigVersion }

// refuses says why corosync would not start on the machine with a configuration.
func (m *Machine) refuses(c *config) string {
	key, _ := m.disk.read(cluster.KeyPath)
	switch _, listed := c.node(m.listed(c)); {
	case c.err != nil:
		return c.err.Error()
	case !listed:
		return "No valid name found for local host"
	case c.Totem.Encrypted() && key == "":
		return "Could not open /etc/corosync/authkey: No such file or directory"
	case m.picky && !slices.Contains([]int{1000, 3000, 7000, 9000}, c.Totem.Token):
		return "parse error in config: it does not know this token"
	}
	return ""
}

// start starts corosync with the files that are there; it says why not.
func (m *Machine) start() error {
	text, ok := m.disk.read(cluster.ConfPath)
	if !ok {
		return fmt.Errorf("Can't read file %s: No such file or directory", cluster.ConfPath) //nolint:staticcheck // corosync's words
	}
	conf := m.w.config(text)
	key, _ := m.disk.read(cluster.KeyPath)
	if why := m.refuses(conf); why != "" {
		m.units["corosync"].active = "failed"
		return fmt.Errorf("%s", why)
	}
	if m.balks && (conf.cmap["totem.link_mode"].Text == "active" || conf.cmap["totem.netmtu"].Text == "1400") {
		m.units["corosync"].active = "failed"
		return errors.New("it does not start with this")
	}
	c := &corosync{m: m, conf: conf, key: key, voters: map[uint32]*voter{}}
	own, _ := conf.node(m.listed(conf))
	c.id = own.ID
	if m.id != 0 {
		c.id = m.id
	}
	c.us = c.voter(c.id)
	c.us.member = true
	c.readconfig(false)
	c.members = []*corosync{c}
	m.corosync = c
	m.units["corosync"].active = "active"
	c.recalculate(false)
	c.show()
	m.w.reform(m.w.between(100*time.Millisecond, 700*time.Millisecond))
	return nil
}

// listed is the name that a machine has in a nodelist: its own, or that of the
// only node of a distribution's default file.
func (m *Machine) listed(c *config) string {
	if len(c.Nodes) == 1 && c.Nodes[0].Addrs[0] == "127.0.0.1" {
		return c.Nodes[0].Name
	}
	return m.name
}

// exit ends corosync in order: the others know at once.
func (c *corosync) exit(state string) {
	c.gone(state)
	c.m.w.reform(c.m.w.between(5*time.Millisecond, 50*time.Millisecond))
}

// die ends corosync without a word: the others find out by the token's loss.
func (c *corosync) die(state string) {
	c.gone(state)
	c.m.w.reform(c.m.w.tokenLost())
}

func (c *corosync) gone(state string) {
	if c.m.corosync == c {
		c.m.corosync = nil
		c.m.units["corosync"].active = state
		c.m.units["pacemaker"].active = "inactive" // it ends with corosync
	}
}

func (c *corosync) alive() bool { return c.m.corosync == c }

func (c *corosync) voter(id uint32) *voter {
	v := c.voters[id]
	if v == nil {
		v = &voter{id: id}
		c.voters[id] = v
	}
	return v
}

// hears tells whether two corosyncs are in contact: both list each other, with
// the same addresses on some link, have one key, and the network between them is up.
func (c *corosync) hears(o *corosync) bool {
	if c == o {
		return true
	}
	return slices.ContainsFunc(c.conf.links, func(n int) bool { return c.joined(o, n) && !c.cut(o, n, false) }) && c.conf.Totem.ClusterName == o.conf.Totem.ClusterName &&
		(!c.conf.Totem.Encrypted() || c.understands(o) || o.understands(c)) && c.m.w.linked(c.m, o.m)
}

// joined tells whether both have the same addresses for each other on a link.
func (c *corosync) joined(o *corosync, link int) bool {
	for _, m := range []*Machine{c.m, o.m} {
		here, _ := c.conf.node(m.name)
		if there, _ := o.conf.node(m.name); here.Addrs[link] == "" || here.Addrs[link] != there.Addrs[link] {
			return false
		}
	}
	return true
}

// cut tells whether the network that a link is in is cut between two; see cut.
func (c *corosync) cut(o *corosync, link int, shown bool) bool {
	here, _ := c.conf.node(c.m.name)
	return cut(here.Addrs[link], shown, c.m, o.m)
}

// reaches tells whether packets go from one to another on some link.
func (c *corosync) reaches(o *corosync) bool {
	if c == o {
		return true
	}
	return c.m.w.linked(c.m, o.m) && slices.ContainsFunc(c.conf.links, func(n int) bool { return !c.cut(o, n, false) })
}

// understands tells whether one has the other's key: while it changes, members of
// its membership go on with the one before (cfg.c, reconfig_crypto).
func (c *corosync) understands(o *corosync) bool {
	return c.key == o.key || c.had == o.key && c.m.w.now < c.until && slices.Contains(c.members, o)
}

// reform has memberships formed anew after a while.
func (w *World) reform(after time.Duration) { w.after(after, w.formNow) }

// formNow puts those who hear each other into one membership each. Who hears not
// all of its members is none: the consensus of totem fails it
// (memb_state_consensus_timeout_expired). Those who are together stay so.
func (w *World) formNow() {
	var all []*corosync
	for _, m := range w.all {
		if m.corosync != nil {
			all = append(all, m.corosync)
		}
	}
	slices.SortStableFunc(all, func(a, b *corosync) int { return len(b.members) - len(a.members) })
	done := map[*corosync]bool{}
	for _, c := range all {
		if done[c] {
			continue
		}
		var group []*corosync
		for _, with := range [][]*corosync{{c}, c.members, all} {
			for _, o := range with {
				if o.alive() && !done[o] && !slices.ContainsFunc(group, func(g *corosync) bool { return !g.hears(o) }) {
					done[o] = true
					group = append(group, o)
				}
			}
		}
		slices.SortFunc(group, func(a, b *corosync) int { return int(a.id) - int(b.id) })
		w.sync(group)
	}
}

// sync makes the nodes of a group members of each other, if they are not.
func (w *World) sync(group []*corosync) {
	same := true
	for _, c := range group {
		same = same && slices.Equal(c.members, group)
	}
	if same {
		return
	}
	w.rings++
	for _, c := range group { // votequorum_sync_init
		c.syncing = true
		for _, v := range c.voters {
			v.member = v.member && slices.ContainsFunc(group, func(o *corosync) bool { return o.id == v.id })
		}
		c.members = slices.Clone(group)
		c.ring = w.rings
	}
	for _, from := range group { // votequorum_sync_process; all have it before any goes on
		info := from.nodeinfo()
		for _, to := range group {
			to.receive(info)
		}
	}
	highest := uint64(0)
	for _, c := range group {
		highest = max(highest, c.conf.version())
	}
	for _, c := range group { // cmap_sync_activate, votequorum_sync_activate
		if !c.synced && len(group) > 1 {
			c.synced = true
			if own := c.conf.version(); own != 0 && own != highest {
				w.exited(c, highest)
				c.exit("inactive")
				continue
			}
		}
		c.recalculate(false)
		c.syncing = false
		c.show()
	}
	w.replicate(group)
}

// readconfig is votequorum_readconfig.
func (c *corosync) readconfig(runtime bool) {
	q := c.conf.Quorum
	own, _ := c.conf.node(c.m.listed(c.conf))
	c.us.votes, c.us.expected = own.Votes, c.conf.ExpectedVotes()
	c.twoNode = q.TwoNode && !q.AutoTieBreaker
	if !runtime {
		c.autoset = q.WaitForAll == q.TwoNode
		c.waitForAll = q.WaitForAll
		c.waiting = c.waitForAll
	} else if c.old() {
		c.waiting = c.waitForAll
	} else if c.autoset {
		c.waitForAll = c.twoNode
	}
}

// old tells whether it is a corosync before 2.4.6 and 3.0.4, in which every
// reload sets the state of wait_for_all, and two_node changes it only at start.
func (c *corosync) old() bool {
	v := c.m.version
	return v.Compare(cluster.Version{Major: 2, Minor: 4, Patch: 6}) < 0 || v.Major == 3 && v.Compare(cluster.Version{Major: 3, Minor: 0, Patch: 4}) < 0
}

// nodeinfo is what a node tells the others of itself.
func (c *corosync) nodeinfo() voter {
	return voter{id: c.id, votes: c.us.votes, expected: c.us.expected, quorate: c.quorate, waiting: c.waiting}
}

// receive is message_handler_req_exec_votequorum_nodeinfo.
func (c *corosync) receive(info voter) {
	v, known := c.voters[info.id]
	if !known {
		v = c.voter(info.id)
	}
	old := *v
	decrease := false
	v.votes, v.quorate, v.waiting, v.member = info.votes, info.quorate, info.waiting, true
	if !c.quorate && v.quorate {
		decrease = true
		c.us.expected = info.expected
	}
	if v.quorate {
		v.expected = info.expected
	} else {
		v.expected = c.us.expected
	}
	if !known || v == c.us || old != *v {
		c.recalculate(decrease)
	}
	if c.waitForAll && !v.waiting && v.quorate {
		c.waiting = false
	}
}

// expectAll is message_handler_req_exec_votequorum_reconfigure, expected votes.
func (c *corosync) expectAll(votes int) {
	for _, v := range c.voters {
		if v.member {
			v.expected = votes
		}
	}
	c.recalculate(true)
}

// recalculate is recalculate_quorum, calculate_quorum and are_we_quorate.
func (c *corosync) recalculate(decrease bool) {
	total, nodes, expected := 0, 0, 0
	for _, v := range c.voters {
		if v.member {
			total += v.votes
			nodes++
		}
	}
	c.us.expected = max(c.us.expected, total)
	for _, v := range c.voters {
		if v.member {
			expected = max(expected, v.expected)
		}
	}
	needed := max((expected+2)/2, (total+2)/2)
	if !decrease {
		needed = max(needed, c.quorum)
	}
	if c.twoNode && nodes <= 2 {
		needed = 1
	}
	c.quorum = needed
	if c.waitForAll && c.waiting {
		if total != c.us.expected {
			c.quorate = false // nobody is told
			return
		}
		c.waiting = false
	}
	c.quorate = total >= c.quorum
	if c.waitForAll {
		c.waiting = !c.quorate
	}
	if !c.syncing {
		c.show()
	}
}

// present are the votes of the members that are there still.
func (c *corosync) present() int {
	votes := 0
	for _, o := range c.members {
		if o.alive() && c.reaches(o) {
			votes += c.voter(o.id).votes
		}
	}
	return votes
}

// show tells the world whether the node is quorate.
func (c *corosync) show() {
	was := c.shown
	c.shown = c.quorate
	if was != c.shown {
		c.m.arm()
		c.m.w.showed(c)
	}
}

// cast sends a message to the membership, in which all get it in one order.
func (c *corosync) cast(handle func(*corosync)) {
	w := c.m.w
	c.last = max(c.last+1, w.now+w.between(100*time.Microsecond, 2*time.Millisecond))
	w.after(c.last-w.now, func() { c.send(handle) })
}

// send gets a message to all members. The token of a membership that one is
// lost from stands still: the message goes out when there is a new one.
func (c *corosync) send(handle func(*corosync)) {
	if !c.alive() {
		return
	}
	for _, to := range c.members {
		if (!to.alive() || !c.reaches(to)) && !c.m.w.bubble.IsZero() {
			c.m.w.after(50*time.Millisecond, func() { c.send(handle) })
			return
		}
	}
	for _, to := range c.members {
		to.deliver(handle)
	}
}

// deliver has a node handle a message, when it is done with what it is at.
func (c *corosync) deliver(handle func(*corosync)) {
	w := c.m.w
	if wait := c.busy - w.now; wait > 0 {
		w.after(wait, func() { c.deliver(handle) })
		return
	}
	if c.alive() {
		handle(c)
	}
}

// reload asks for a reload: every member reads its own file. The answer comes
// when this one has got the message. asked is when clusterctl asked for it.
func (c *corosync) reload(asked time.Duration) (answered func() bool) {
	got := false
	var until time.Duration // all drop the key before at once
	c.m.w.reloading(asked)
	c.cast(func(to *corosync) {
		got = got || to == c
		to.m.w.reloading(asked)
		to.reread(&until)
	})
	return func() bool { return got }
}

// reread is message_handler_req_exec_cfg_reload_config. While a node reads its
// files nothing else happens on it; then the others hear of its votes.
func (c *corosync) reread(until *time.Duration) {
	w := c.m.w
	took := w.between(time.Millisecond, 30*time.Millisecond)
	c.busy = w.now + took
	w.after(took, func() {
		if !c.alive() {
			return
		}
		text, _ := c.m.disk.read(cluster.ConfPath)
		conf := w.config(text)
		key, _ := c.m.disk.read(cluster.KeyPath)
		c.failed, c.stuck = "", false
		if conf.err != nil || text == "" {
			c.failed, c.stuck = "parser error", true
			return
		}
		if why := c.m.refuses(conf); why != "" {
			c.failed = why
			return
		}
		if c.moves(conf) { // check_things_have_not_changed
			c.failed = "To reconfigure an interface it must be deleted and recreated."
			return
		}
		if c.key != key {
			if *until == 0 {
				*until = w.now + w.tokenLost()
			}
			c.had, c.until = c.key, *until
		}
		c.conf, c.key = conf, key
		w.ran(c)
		if c.m.Active("pacemaker") {
			c.m.learn()
		}
		expected := c.us.expected
		c.readconfig(true)
		votes, expects := c.us.votes, c.us.expected
		c.cast(func(to *corosync) { to.receive(c.nodeinfo()) })
		c.cast(func(to *corosync) {
			if to.voters[c.id] != nil {
				to.voters[c.id].votes = votes
				to.recalculate(true)
			}
		})
		if expects != expected {
			c.cast(func(to *corosync) { to.expectAll(expects) })
		}
		w.reform(w.tokenLost()) // those who do not list each other any more, or have another key, part
	})
}

// moves tells whether a node has another address on a link in conf.
func (c *corosync) moves(conf *config) bool {
	for _, n := range conf.Nodes {
		was, _ := c.conf.node(n.Name)
		for link, addr := range n.Addrs {
			if was.Addrs[link] != "" && was.Addrs[link] != addr {
				return true
			}
		}
	}
	return false
}

// setVotes is corosync-quorumtool -n ID -v VOTES.
func (c *corosync) setVotes(id uint32, votes int) {
	c.cast(func(to *corosync) {
		if v := to.voters[id]; v != nil && v.member {
			v.votes = votes
			to.recalculate(true)
		}
	})
}

// setExpected is corosync-quorumtool -e VOTES.
func (c *corosync) setExpected(votes int) error {
	total := 0
	for _, v := range c.voters {
		if v.member {
			total += v.votes
		}
	}
	if votes < total || c.quorate && (votes+2)/2 > total {
		return fmt.Errorf("corosync-quorumtool -e %d: Invalid expected votes, CS_ERR_INVALID_PARAM", votes)
	}
	c.cast(func(to *corosync) { to.expectAll(votes) })
	return nil
}

// fillCmap gives a cmap the keys of a section, named as coroparse.c does: nodes
// by their place, links by their number, subsystems by their name.
func fillCmap(m quorum.Cmap, s *corosyncconf.Section, path string) {
	for _, o := range s.Options() {
		if path != "" {
			m[path+"."+o.Key] = quorum.Value{Type: "str", Text: o.Value}
		}
	}
	nodes := 0
	for _, sub := range s.Sections("") {
		name := strings.TrimPrefix(path+"."+sub.Name(), ".")
		switch name {
		case "nodelist.node":
			name = fmt.Sprintf("%s.%d", name, nodes)
			nodes++
		case "totem.interface":
			number, _ := sub.Get("linknumber")
			name += "." + cmp.Or(number, "0")
		case "logging.logger_subsys":
			subsys, _ := sub.Get("subsys")
			name += "." + subsys
		}
		fillCmap(m, sub, name)
	}
}

// runtime is what corosync's tools say.
func (c *corosync) runtime() *cluster.Runtime {
	number := func(kind string, n any) quorum.Value { return quorum.Value{Type: kind, Text: fmt.Sprint(n)} }
	r := &cluster.Runtime{Cmap: maps.Clone(c.conf.cmap)}
	r.Cmap["totem.config_version"] = number("u64", c.conf.version())
	r.Cmap["config.totemconfig_reload_in_progress"] = number("u8", 0)
	atomic := c.m.version.Compare(cluster.Version{Major: 3, Minor: 1}) >= 0 // then it says how a reload went
	if atomic {
		r.Cmap["config.reload_status"] = number("i32", 1)
	}
	if atomic && c.failed != "" {
		r.Cmap["config.reload_status"] = number("i32", 7)
	}
	if atomic && c.stuck || c.busy > c.m.w.now {
		r.Cmap["config.totemconfig_reload_in_progress"] = number("u8", 1)
	}
	q := &r.Quorum
	q.Blocked = !c.quorate
	q.Provider, q.NodeID, q.Quorate, q.Quorum = "corosync_votequorum", c.id, c.shown && !q.Blocked, c.quorum
	if c.waitForAll {
		q.Flags = append(q.Flags, "WaitForAll")
	}
	q.RingID = fmt.Sprintf("%x.%x", c.members[0].id, c.ring)
	q.Expected = c.us.expected
	for _, o := range c.members {
		v := c.voter(o.id)
		q.Total += v.votes
		q.Highest = max(q.Highest, v.expected)
		q.Members = append(q.Members, quorum.Member{NodeID: o.id, Votes: v.votes, Name: o.m.name})
		key := fmt.Sprintf("runtime.members.%d.", o.id)
		r.Cmap[key+"status"] = quorum.Value{Type: "str", Text: "joined"}
		r.Cmap[key+"config_version"] = number("u64", o.conf.version())
	}
	q.Nodes = len(c.members)
	r.Links.NodeID, r.Links.Transport = c.id, c.conf.Totem.Transport
	for _, number := range c.conf.links {
		l := quorum.Link{Number: number}
		for _, n := range c.conf.Nodes {
			state := quorum.Disconnected
			switch o := c.m.w.running(n.Name); {
			case n.ID == c.id:
				state = quorum.Localhost
			case o != nil && c.joined(o, number) && !c.cut(o, number, true) && c.hears(o):
				state = quorum.Connected
			}
			l.Peers = append(l.Peers, quorum.Peer{NodeID: n.ID, State: state})
		}
		r.Links.Links = append(r.Links.Links, l)
	}
	return r
}
