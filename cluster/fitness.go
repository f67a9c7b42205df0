package cluster

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"clusterctl/corosyncconf"
	"clusterctl/internal/probe"
	"clusterctl/quorum"
)

// CheckSpec is what check was asked for.
type CheckSpec struct {
	Nodes     []NodeSpec // that are to be a cluster
	Links     []LinkSpec
	Transport string        // knet, udpu or udp; empty: as create has it
	Quick     bool          // a second or two, in place of 10,000 probes
	Duration  time.Duration // over which the probes are spread; 0: as fast as may be
}

// Fitness is what a check has come to.
type Fitness struct {
	Schema   int      `json:"schema"`
	Fit      bool     `json:"fit"` // no finding is an error
	Paths    []Path   `json:"paths"`
	Findings Problems `json:"findings"`
}

// Path is a link from one node to another. What could not be measured is nil,
// or 0 for the MTU.
type Path struct {
	Link      int      `json:"link"`
	From      string   `json:"from"`
	To        string   `json:"to"`
	Port      int      `json:"port"` // UDP, that was measured with
	RTTAvg    *float64 `json:"rtt_avg_ms"`
	RTTP99    *float64 `json:"rtt_p99_ms"`
	RTTMax    *float64 `json:"rtt_max_ms"`
	Jitter    *float64 `json:"jitter_ms"`
	Loss      float64  `json:"loss_percent"` // of what was sent from From to To
	MTU       int      `json:"mtu"`          // the largest IP packet that gets there
	PortOpen  bool     `json:"port_open"`    // something got there
	Multicast *bool    `json:"multicast"`    // nil: the transport does not need it

	multicastLoss float64 // percent
}

// Check is a check under way.
type Check struct {
	spec      CheckSpec
	names     []string // of the nodes that answered
	facts     map[string]*Facts
	surveys   map[string]*survey
	links     []checkLink
	transport string
	named     bool // addresses of links are given as names

	// connected tells whether corosync on one node sees another one on a link.
	connected func(link int, from, to string) bool

	paths []Path
	found Problems
}

// checkLink is a link to be measured.
type checkLink struct {
	number, port int
	addrs        map[string]netip.Addr // by node
	group        netip.Addr            // of multicast; the zero Addr: none
}

// Check returns what is wrong with the request by itself.
func (s CheckSpec) Check() Problems {
	var ps Problems
	if len(s.Nodes) == 0 && (len(s.Links) > 0 || s.Transport != "") {
		ps.add(CodeBadOption, "", "name the nodes; without any, the cluster is checked as it is", "--link and --transport are for nodes that are no cluster yet")
	}
	switch {
	case s.Quick && s.Duration != 0:
		ps.add(CodeBadOption, "", "give one of them", "--quick and --duration exclude each other")
	case s.Duration != 0 && s.Duration < time.Second:
		ps.add(CodeBadOption, "", "use a second or more, as in 10m", "--duration %s: too short", s.Duration)
	}
	if !slices.Contains([]string{"", "knet", "udpu", "udp"}, s.Transport) {
		ps.add(CodeBadOption, "", "use knet, udpu or udp", "--transport %s: no such value", s.Transport)
	}
	return ps
}

// CheckNodes begins a check of nodes that are to be a cluster. It fails when
// none of them answers. The caller closes the nodes.
func CheckNodes(ctx context.Context, conn *Connector, s CheckSpec) (*Check, map[string]Node, error) {
	hosts := CreateSpec{Nodes: s.Nodes, Links: s.Links}.Names()
	facts := make([]*Facts, len(s.Nodes))
	found := make([]Problems, len(s.Nodes))
	nodes := map[string]Node{}
	var mu sync.Mutex
	targets := Targets(s.Nodes)
	index := map[string]int{}
	for i, t := range targets {
		index[t.Name] = i
	}
	err := each(targets, func(t PlanNode) error {
		n, err := conn.Node(ctx, t)
		if err == nil {
			mu.Lock()
			nodes[t.Name] = n
			mu.Unlock()
			var one []*Facts
			if one, err = AllFacts(ctx, map[string]Node{t.Name: n}, []string{t.Name}, hosts); err == nil {
				facts[index[t.Name]] = one[0]
			}
		}
		if err != nil {
			found[index[t.Name]] = ProblemsOf(err)
		}
		return err
	})
	answered := s
	answered.Nodes = nil
	var all Problems
	for i, f := range facts {
		if all = append(all, found[i]...); f != nil {
			answered.Nodes = append(answered.Nodes, s.Nodes[i])
		}
	}
	if facts = slices.DeleteFunc(facts, func(f *Facts) bool { return f == nil }); len(facts) == 0 {
		return nil, nodes, err
	}
	c := checkNodes(answered, facts)
	c.found = append(all, c.found...)
	return c, nodes, nil
}

// checkNodes begins a check of nodes of which facts are known, in that order.
func checkNodes(s CheckSpec, facts []*Facts) *Check {
	c := newCheck(s, facts)
	var ps Problems
	create, nodes := CreateSpec{
		Nodes: s.Nodes, Links: s.Links, Transport: s.Transport, LinkMode: "passive", CryptoCipher: "aes256", CryptoHash: "sha256",
	}.examine(&ps, facts)
	c.transport = create.Transport
	c.named = len(create.Names()) > 0
	for _, p := range ps {
		if p.Severity == Error || p.Code != CodeOtherCluster && p.Code != CodeKeyExists { // what create sets aside harms nobody
			c.found = append(c.found, p)
		}
	}
	c.addLinks(corosyncconf.Config{Nodes: nodes}, func(n corosyncconf.Node) string { return n.Name })
	return c
}

// CheckCluster begins a check of the cluster's own nodes and links.
func CheckCluster(s CheckSpec, v *View) *Check {
	c := newCheck(s, v.reached())
	conf := v.config()
	c.transport = conf.Totem.Transport
	for _, n := range v.Nodes {
		switch {
		case n.Facts == nil:
			c.found = append(c.found, NodeProblem(n.Name, n.Err))
		case n.Conf != nil && n.Conf.Name != "":
			if !sameLabel(n.Facts.Hostname, n.Conf.Name) { // which is all that corosync asks for
				called(&c.found, n.Facts, n.Conf.Name)
			}
			able(&c.found, n.Facts, n.Conf.Name)
		default:
			able(&c.found, n.Facts, n.Facts.Hostname)
		}
	}
	together(&c.found, v.reached())
	labels := map[int]string{}
	for _, n := range v.Nodes {
		if n.Conf != nil {
			labels[n.Conf.Index] = n.Name
		}
	}
	c.addLinks(conf, func(n corosyncconf.Node) string { return labels[n.Index] })
	status := NewStatus(v)
	c.connected = func(link int, from, to string) bool {
		for _, n := range status.Nodes {
			for _, l := range n.Links {
				if n.Name == from && l.Number == link {
					return l.Peers.State(to) == quorum.Connected.String()
				}
			}
		}
		return false
	}
	return c
}

func newCheck(s CheckSpec, facts []*Facts) *Check {
	c := &Check{spec: s, facts: map[string]*Facts{}, surveys: map[string]*survey{}, connected: func(int, string, string) bool { return false }}
	for _, f := range facts {
		c.names = append(c.names, f.Node)
		c.facts[f.Node] = f
	}
	return c
}

// addLinks adds the links of a configuration, with the addresses that the nodes
// have; those that they do not have are found wrong.
func (c *Check) addLinks(conf corosyncconf.Config, name func(corosyncconf.Node) string) {
	all := make([]*Facts, len(c.names))
	for i, n := range c.names {
		all[i] = c.facts[n]
	}
	for _, number := range conf.Links() {
		conf.Totem.Transport = c.transport
		l := checkLink{number: number, addrs: map[string]netip.Addr{}}
		l.port = (&linkPlan{LinkChange: LinkChange{Number: number}, conf: conf}).port()
		for _, n := range conf.Nodes {
			f := c.facts[name(n)]
			if f == nil || n.Addrs[number] == "" {
				continue
			}
			a, err := netip.ParseAddr(n.Addrs[number])
			if a = a.Unmap(); err != nil {
				c.named = true
				var ok bool
				if a, ok = resolved(&c.found, f.Node, n.Addrs[number], number, f, []*Facts{f}); !ok {
					continue
				}
			}
			if !has(f, a) {
				if !c.found.mentions(f.Node) {
					c.found.add(CodeAddress, f.Node, fmt.Sprintf("give it that address, or clusterctl link set %d --address %s=ADDR; it has %s", number, f.Node, usable(f)),
						"link %d: the node does not have the address %s%s", number, a, elsewhere(a, f, all))
				}
				continue
			}
			if other := elsewhere(a, f, all); other != "" {
				c.found.add(CodeAddress, f.Node, "give each machine an address of its own", "link %d: it has the address %s%s too", number, a, other)
			}
			l.addrs[f.Node] = a
			if c.transport == "udp" {
				l.group = group(conf, number, a)
			}
		}
		c.links = append(c.links, l)
	}
}

// group is the multicast group of a link: that of the file, or the one that
// corosync makes of the cluster's name (totemconfig.c:get_cluster_mcast_addr).
// Before there is a name any will do.
func group(conf corosyncconf.Config, link int, a netip.Addr) netip.Addr {
	for _, i := range conf.Interfaces {
		if g, err := netip.ParseAddr(i.McastAddr); err == nil && i.Number == link {
			return g
		}
	}
	id := uint16(0)
	for _, b := range []byte(conf.Totem.ClusterName) {
		id = id<<1 + uint16(b)
	}
	id += uint16(link)
	if a.Is4() {
		return netip.AddrFrom4([4]byte{239, 192, byte(id >> 8), byte(id % 0xff)})
	}
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x15, 14: byte(id >> 8), 15: byte(id)})
}

// Probes to each peer, and limits to what a node is asked to send: about as
// much as omping does with -c 10000 -i 0.001, however many peers there are.
const (
	fullCount    = 10000
	quickCount   = 500
	leastCount   = 100
	quickTime    = 2 * time.Second
	leastPause   = time.Millisecond // from one probe to the next to the same peer
	mostPackets  = 2000             // a second, from one node to all peers
	measureGrace = 30 * time.Second // for agents that are slow
)

// pace returns how many probes each peer gets, and how far apart. peers is how
// many a node has, on all links together.
func (s CheckSpec) pace(peers int) (count int, interval time.Duration) {
	interval = max(leastPause, time.Duration(peers)*time.Second/mostPackets)
	switch {
	case s.Duration > 0:
		interval = max(interval, s.Duration/fullCount)
		return int(s.Duration / interval), interval
	case s.Quick:
		return min(quickCount, max(leastCount, int(quickTime/interval))), interval
	}
	return fullCount, interval
}

// Time is about how long Measure sends probes.
func (c *Check) Time() time.Duration {
	peers := 0
	for _, l := range c.links {
		peers += max(0, len(l.addrs)-1)
	}
	count, interval := c.spec.pace(peers)
	return time.Duration(count) * interval
}

// surveyor is a Node that a check can look around on and start an agent on.
type surveyor interface {
	survey(ctx context.Context, names []string) (*survey, error)
	agent(ctx context.Context, p *Program) (*agent, error)
}

// Measure looks around on the nodes and has them measure the network between
// them. What cannot be measured becomes a finding; the error is the context's.
func (c *Check) Measure(ctx context.Context, nodes map[string]Node, p *Program) error {
	m := &measurement{Check: c, agents: map[string]*agent{}, bound: map[string]map[int]probe.Bound{}, reports: map[string]probe.Report{}, failed: map[string]error{}}
	var looking sync.WaitGroup
	var mu sync.Mutex
	for _, name := range c.names {
		looking.Go(func() {
			limited, cancel := context.WithTimeoutCause(ctx, c.Time()+measureGrace, errSlow)
			defer cancel()
			s, err := nodes[name].(surveyor).survey(limited, c.names)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				c.found.add(CodeUnmeasured, name, "check the login shell and the disk of that node", "its interfaces, libraries and memory are not known: %v", err)
				return
			}
			c.surveys[name] = s
		})
	}
	m.run(ctx, nodes, p)
	looking.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m.judge()
	return nil
}

// measurement is what agents do together.
type measurement struct {
	*Check
	mu      sync.Mutex // guards what follows
	agents  map[string]*agent
	bound   map[string]map[int]probe.Bound // by node and link
	reports map[string]probe.Report
	failed  map[string]error // why there is no agent, or none any more
}

// each does something with all agents at once, and sets aside those that fail.
func (m *measurement) each(names []string, f func(name string) error) {
	var wg sync.WaitGroup
	for _, name := range names {
		wg.Go(func() {
			if err := f(name); err != nil {
				m.mu.Lock()
				defer m.mu.Unlock()
				m.failed[name] = err
			}
		})
	}
	wg.Wait()
}

// alive are the nodes whose agent has not failed.
func (m *measurement) alive() []string {
	return slices.DeleteFunc(slices.Clone(m.names), func(n string) bool { return m.failed[n] != nil })
}

func (m *measurement) run(ctx context.Context, nodes map[string]Node, p *Program) {
	var names []string // with someone to measure to
	for _, name := range m.names {
		if slices.ContainsFunc(m.links, func(l checkLink) bool { return l.addrs[name].IsValid() && len(l.addrs) > 1 }) {
			names = append(names, name)
		}
	}
	m.names = names
	m.each(m.names, func(name string) error {
		a, err := nodes[name].(surveyor).agent(ctx, p)
		if err == nil {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.agents[name] = a
		}
		return err
	})
	defer func() {
		for _, a := range m.agents {
			a.close()
		}
	}()
	// From here on all agents are there: how long they took counts no more.
	ctx, cancel := context.WithTimeoutCause(ctx, m.Time()+measureGrace, errSlow)
	defer cancel()
	session := rand.Uint64()
	m.each(m.alive(), func(name string) error {
		task := probe.Task{Session: session, Node: slices.Index(m.names, name)}
		for _, l := range m.links {
			if a := l.addrs[name]; a.IsValid() {
				task.Ends = append(task.Ends, probe.End{Link: l.number, Addr: a, Port: uint16(l.port), Group: l.group})
			}
		}
		bound, err := m.agents[name].Bind(ctx, task)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.bound[name] = map[int]probe.Bound{}
		for _, b := range bound {
			m.bound[name][b.Link] = b
		}
		return err
	})
	alive := m.alive()
	m.each(alive, func(name string) error { return m.agents[name].Run(ctx, m.orders(name, alive)) })
	m.each(m.alive(), func(name string) error {
		r, err := m.agents[name].Report(ctx)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.reports[name] = r
		return err
	})
}

// orders is what the agent on a node is to send.
func (m *measurement) orders(name string, alive []string) probe.Run {
	r := probe.Run{Multicast: map[int][]uint16{}}
	for _, l := range m.links {
		if m.bound[name][l.number].Port == 0 {
			continue
		}
		for _, peer := range alive {
			b := m.bound[peer][l.number]
			if peer == name || b.Port == 0 {
				continue
			}
			r.Peers = append(r.Peers, probe.Peer{Link: l.number, Node: slices.Index(m.names, peer), Addr: netip.AddrPortFrom(l.addrs[peer], b.Port)})
			if l.group.IsValid() && !slices.Contains(r.Multicast[l.number], b.Port) {
				r.Multicast[l.number] = append(r.Multicast[l.number], b.Port)
			}
		}
	}
	r.Count, r.Interval = m.spec.pace(len(r.Peers))
	return r
}

// judge makes paths of the reports, and findings of what there is no report of.
func (m *measurement) judge() {
	for _, name := range slices.Sorted(maps.Keys(m.failed)) {
		m.found.add(CodeUnmeasured, name, "mend that, or measure with ping and omping", "its network was not measured: %v", m.failed[name])
	}
	for _, name := range m.names {
		for _, l := range m.links {
			if b := m.bound[name][l.number]; b.Err != "" {
				m.found.add(CodeUnmeasured, name, "check the interfaces of that node", "link %d was not measured: %s", l.number, b.Err)
			}
		}
	}
	for _, l := range m.links {
		for _, from := range m.names {
			for _, to := range m.names {
				sent, gone := m.reports[from]
				got, came := m.reports[to]
				if gone && came && from != to {
					m.addPath(l, from, to, sent, got)
				}
			}
		}
	}
}

func (m *measurement) addPath(l checkLink, from, to string, sender, receiver probe.Report) {
	i := slices.IndexFunc(sender.Sent, func(s probe.Sent) bool { return s.Link == l.number && m.names[s.Node] == to })
	if i < 0 {
		return
	}
	sent := sender.Sent[i]
	var got probe.Got
	for _, g := range receiver.Got {
		if g.Link == l.number && g.Node < len(m.names) && m.names[g.Node] == from {
			got = g
		}
	}
	p := Path{Link: l.number, From: from, To: to, Port: int(m.bound[to][l.number].Port), MTU: sent.MTU, PortOpen: got.Probes > 0,
		Loss: lost(sent.Sent, got.Probes)}
	if sent.Echoed > 0 {
		p.RTTAvg, p.RTTP99, p.RTTMax, p.Jitter = ms(sent.RTT.Avg), ms(sent.RTT.P99), ms(sent.RTT.Max), ms(sent.RTT.Jitter)
	}
	if l.group.IsValid() {
		p.setMulticast(lost(sender.Multicast[l.number], got.Multicast))
	}
	m.paths = append(m.paths, p)
}

func (p *Path) setMulticast(loss float64) {
	ok := loss <= maxLoss
	p.multicastLoss, p.Multicast = loss, &ok
}

// lost is a percentage, to a hundredth.
func lost(sent, got int) float64 {
	if sent == 0 {
		return 0
	}
	return float64(max(0, sent-got)*10000/sent) / 100
}

func ms(d time.Duration) *float64 {
	v := float64(d.Microseconds()) / 1000
	return &v
}
