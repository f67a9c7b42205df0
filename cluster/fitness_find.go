package cluster

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits that a network is held to. Proxmox VE's manual asks for less than 5 ms
// (older ones: 2 ms) between all nodes, and for less than 1 % of omping's
// packets lost. Corosync repeats what is lost, so that every loss costs time.
const (
	goodRTT       = 2 * time.Millisecond
	maxRTT        = 5 * time.Millisecond
	maxLoss       = 1.0       // percent
	leastMemoryKB = 256 << 10 // corosync has about that much, and locks it
)

// Result is what the check has come to.
func (c *Check) Result() *Fitness {
	ps := slices.Clone(c.found)
	c.findNames(&ps)
	c.findLibraries(&ps)
	for _, name := range c.names {
		if s := c.surveys[name]; s != nil && s.availableKB > 0 && s.availableKB < leastMemoryKB {
			ps.warn(CodeMemory, name, "give the machine more memory, or have it do less", "%d MiB of memory are available, and corosync may need %d", s.availableKB>>10, leastMemoryKB>>10)
		}
	}
	c.findDevices(&ps)
	for _, l := range c.links {
		c.findPaths(&ps, l)
	}
	slices.SortStableFunc(ps, func(a, b Problem) int { // errors first
		return strings.Compare(string(a.Severity), string(b.Severity))
	})
	f := &Fitness{Schema: 1, Fit: ps.err() == nil, Paths: c.paths, Findings: ps}
	if f.Paths == nil {
		f.Paths = []Path{}
	}
	if f.Findings == nil {
		f.Findings = Problems{}
	}
	return f
}

// findNames finds names of nodes that lead to a loopback address, to another
// machine, or not to the same everywhere.
func (c *Check) findNames(ps *Problems) {
	report := ps.warn
	if c.named {
		report = ps.add
	}
	for _, name := range c.names {
		answers := map[string][]string{} // who has an answer
		for _, at := range c.names {
			s := c.surveys[at]
			if s == nil {
				continue
			}
			var loop, other []string
			for _, a := range s.resolved[name] {
				if a = a.Unmap(); a.IsLoopback() {
					loop = append(loop, a.String())
				} else {
					other = append(other, a.String())
				}
			}
			where := "there"
			if at != name {
				where = "on " + at
			}
			if len(loop) > 0 && !ps.has(CodeLoopback, name) {
				ps.warn(CodeLoopback, name, fmt.Sprintf("have /etc/hosts give it one of %s", usable(c.facts[name])), "its name is %s %s", loop[0], where)
			}
			slices.Sort(other)
			if text := strings.Join(other, ", "); text != "" || len(loop) == 0 {
				answers[text] = append(answers[text], at)
			}
			for _, text := range other {
				if a := netip.MustParseAddr(text); !has(c.facts[name], a) && !a.IsLinkLocalUnicast() && !ps.has(CodeAddress, name) {
					report(CodeAddress, name, "mend /etc/hosts or DNS; it has "+usable(c.facts[name]), "its name is %s %s, an address that it does not have%s", a, where, elsewhere(a, c.facts[name], c.all()))
				}
			}
		}
		if len(answers) > 1 {
			var texts []string
			for _, text := range slices.Sorted(maps.Keys(answers)) {
				who := andList(answers[text])
				if text == "" {
					text = "unknown"
				}
				texts = append(texts, text+" on "+who)
			}
			report(CodeResolve, name, "have /etc/hosts the same on all nodes", "its name is not the same everywhere: %s", andList(texts))
		}
	}
}

// has tells whether there is a problem of that code about the node.
func (ps Problems) has(code Code, node string) bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return p.Code == code && p.Node == node })
}

func (c *Check) all() []*Facts {
	all := make([]*Facts, len(c.names))
	for i, n := range c.names {
		all[i] = c.facts[n]
	}
	return all
}

func (c *Check) findLibraries(ps *Problems) {
	for _, lib := range []string{"libqb", "libknet"} {
		have := map[string][]string{}
		for _, name := range c.names {
			if s := c.surveys[name]; s != nil && s.libraries[lib] != "" {
				have[s.libraries[lib]] = append(have[s.libraries[lib]], name)
			}
		}
		if len(have) > 1 {
			var texts []string
			for _, version := range slices.Sorted(maps.Keys(have)) {
				texts = append(texts, version+" on "+andList(have[version]))
			}
			ps.warn(CodeVersionMix, "", "install the same version everywhere", "%s versions differ: %s", lib, andList(texts))
		}
	}
}

// findDevices finds interfaces that corosync would not be alone on, or that are
// bonds of the wrong kind.
func (c *Check) findDevices(ps *Problems) {
	for _, name := range c.names {
		s := c.surveys[name]
		if s == nil {
			continue
		}
		first := map[string]int{} // link by interface
		for _, l := range c.links {
			dev := s.on[l.addrs[name]]
			if dev == "" {
				continue
			}
			for _, part := range s.parts(dev) {
				mode := s.devices[part].mode
				if mode == "" || mode == "active-backup" {
					if mode = s.bondModes[part]; mode == "" || mode == "active-backup" {
						continue
					}
				}
				ps.warn(CodeBond, name, "use active-backup, or give corosync two links and no bond", "link %d goes over the bond %s in mode %s", l.number, part, mode)
			}
			c.findSharing(ps, name, s, l.number, dev)
			for other, number := range first {
				if s.shares(dev, other) {
					ps.warn(CodeShared, name, "use another interface for one of them", "links %d and %d both go over %s, and fail together", number, l.number, andList(s.hardware(dev)))
				}
			}
			first[dev] = l.number
		}
	}
}

func (c *Check) findSharing(ps *Problems, name string, s *survey, link int, dev string) {
	const remedy = "give corosync an interface of its own; traffic that fills this one costs the cluster its token"
	var guests []string
	for _, part := range s.parts(dev) {
		for _, lower := range s.devices[part].lower {
			if guest(lower) {
				guests = append(guests, lower)
			}
		}
	}
	if len(guests) > 0 {
		ps.warn(CodeShared, name, remedy, "link %d: %s also carries guests (%s)", link, dev, shortList(guests))
	}
	for _, a := range slices.SortedFunc(maps.Keys(s.on), netip.Addr.Compare) {
		if other := s.on[a]; !s.shares(dev, other) {
			continue
		}
		if s.storage[a] {
			ps.warn(CodeShared, name, remedy, "link %d: %s also carries storage (connections from %s)", link, dev, a)
		}
		if s.migration.IsValid() && s.migration.Contains(a) {
			ps.warn(CodeShared, name, remedy, "link %d: %s also carries migrations (network %s)", link, dev, s.migration.Masked())
		}
	}
}

// shortList names a few.
func shortList(names []string) string {
	if len(names) <= 3 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:2], ", "), len(names)-2)
}

// trouble is a path on which something is wrong, and how much.
type trouble struct {
	*Path
	value float64
}

// findPaths judges what was measured on a link.
func (c *Check) findPaths(ps *Problems, l checkLink) {
	var blocked, hidden, lossy, leaky, slow, slowish, narrow, deaf []trouble
	rtt := func(v *float64) time.Duration {
		if v == nil {
			return 0
		}
		return time.Duration(*v * float64(time.Millisecond))
	}
	wrongMTU := Warning
	if c.transport != "knet" { // which finds out by itself, and sends smaller ones
		wrongMTU = Error
	}
	mtus := c.mtus(l)
	findMTUs(ps, wrongMTU, l.number, mtus)
	for i := range c.paths {
		p := &c.paths[i]
		if p.Link != l.number {
			continue
		}
		avg, p99 := rtt(p.RTTAvg), rtt(p.RTTP99)
		switch {
		case !p.PortOpen && p.Port != l.port && c.connected(l.number, p.From, p.To):
			hidden = append(hidden, trouble{Path: p})
			continue
		case !p.PortOpen:
			blocked = append(blocked, trouble{Path: p})
			continue
		case p.Loss > maxLoss:
			lossy = append(lossy, trouble{p, p.Loss})
		case p.Loss > 0:
			leaky = append(leaky, trouble{p, p.Loss})
		}
		switch {
		case avg > maxRTT:
			slow = append(slow, trouble{p, *p.RTTAvg})
		case avg > goodRTT:
			slowish = append(slowish, trouble{p, *p.RTTAvg})
		case p99 > maxRTT:
			slowish = append(slowish, trouble{p, *p.RTTP99})
		}
		if 0 < p.MTU && p.MTU < leastMTU(mtus, p.From, p.To) {
			narrow = append(narrow, trouble{p, float64(p.MTU)})
		}
		if p.Multicast != nil && !*p.Multicast {
			deaf = append(deaf, trouble{p, p.multicastLoss})
		}
	}
	say := func(severity Severity, code Code, remedy, format string, ts []trouble, unit string) {
		for _, g := range gather(ts) {
			text, fix := fmt.Sprintf(format, l.number, g.where, g.values(unit)), remedy
			if code == CodePort {
				if s := c.surveys[g.node]; s != nil && s.blocks(ts[0].Port) != "" {
					text += "; its firewall: " + s.blocks(ts[0].Port)
				}
			}
			*ps = append(*ps, Problem{severity, code, g.node, text, fix})
		}
	}
	say(Error, CodePort, fmt.Sprintf("let UDP port %d through, in every firewall on the way, and check the network", l.port),
		"link %[1]d: nothing gets through %[2]s, sent to the UDP port of the link", blocked, "")
	say(Error, CodeUnmeasured, "let UDP ports 5405 to 5412 through, or check while corosync does not run",
		"link %[1]d: corosync is connected, but packets to the port that was measured with do not get through %[2]s", hidden, "")
	say(Error, CodeLoss, "check cables, switch and load of the network", "link %[1]d: %[3]s of the packets are lost %[2]s (limit 1 %%)", lossy, "%")
	say(Warning, CodeLoss, "check cables, switch and load of the network", "link %[1]d: %[3]s of the packets are lost %[2]s", leaky, "%")
	say(Error, CodeLatency, "use a network between nodes that are near each other", "link %[1]d: a round trip takes %[3]s %[2]s (limit 5 ms)", slow, "ms")
	say(Warning, CodeLatency, "use a network without other traffic", "link %[1]d: a round trip takes %[3]s %[2]s (2 ms are good, 5 ms the limit)", slowish, "ms")
	say(wrongMTU, CodeMTU, "set the same MTU on all interfaces and switches of the link", "link %[1]d: packets of more than %[3]s do not get through %[2]s, although the interfaces send them", narrow, "bytes")
	say(Error, CodeMulticast, "have the switch forward it (an IGMP querier where it snoops), or use transport knet or udpu",
		"link %[1]d: %[3]s of the multicast packets are lost %[2]s", deaf, "%")
}

// mtus are the MTUs that nodes' interfaces have on a link, as far as they are known.
func (c *Check) mtus(l checkLink) map[int][]string {
	mtus := map[int][]string{}
	for _, name := range c.names {
		if s := c.surveys[name]; s != nil && l.addrs[name].IsValid() {
			if mtu := s.devices[s.on[l.addrs[name]]].mtu; mtu > 0 {
				mtus[mtu] = append(mtus[mtu], name)
			}
		}
	}
	return mtus
}

// leastMTU is the least MTU that an interface of the nodes has; 0: it is not known.
func leastMTU(mtus map[int][]string, nodes ...string) int {
	least := 0
	for mtu, names := range mtus {
		if (least == 0 || mtu < least) && slices.ContainsFunc(nodes, func(n string) bool { return slices.Contains(names, n) }) {
			least = mtu
		}
	}
	return least
}

// findMTUs finds interfaces whose MTU is not that of most.
func findMTUs(ps *Problems, severity Severity, link int, mtus map[int][]string) {
	if len(mtus) < 2 {
		return
	}
	sizes := slices.Sorted(maps.Keys(mtus))
	usual := slices.MaxFunc(sizes, func(a, b int) int { return len(mtus[a]) - len(mtus[b]) })
	for _, mtu := range sizes {
		for _, name := range mtus[mtu] {
			if mtu != usual {
				*ps = append(*ps, Problem{severity, CodeMTU, name,
					fmt.Sprintf("link %d: the MTU of its interface is %d, and %d on %s", link, mtu, usual, andList(mtus[usual])),
					"set the same MTU on all interfaces of the link"})
			}
		}
	}
}

// gathered are troubles of one kind that have a node in common.
type gathered struct {
	node, where string
	least, most float64
}

// values are the least and the greatest value.
func (g gathered) values(unit string) string {
	text := func(v float64) string { return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64) }
	if g.least == g.most {
		return text(g.most) + " " + unit
	}
	return text(g.least) + " to " + text(g.most) + " " + unit
}

// gather tells troubles together that one node may be the cause of: all of
// them, or else those on the way to it.
func gather(ts []trouble) []gathered {
	if len(ts) == 0 {
		return nil
	}
	common := []string{ts[0].To, ts[0].From}
	for _, t := range ts {
		common = slices.DeleteFunc(common, func(n string) bool { return n != t.From && n != t.To })
	}
	if len(common) > 0 {
		return []gathered{towards(common[0], ts)}
	}
	var all []gathered
	for len(ts) > 0 {
		to := ts[0].To
		var here, rest []trouble
		for _, t := range ts {
			if t.To == to {
				here = append(here, t)
			} else {
				rest = append(rest, t)
			}
		}
		all, ts = append(all, towards(to, here)), rest
	}
	return all
}

// towards says where the troubles of a node are.
func towards(node string, ts []trouble) gathered {
	g := gathered{node: node, least: ts[0].value, most: ts[0].value}
	var from, to []string
	for _, t := range ts {
		g.least, g.most = min(g.least, t.value), max(g.most, t.value)
		if t.To == node {
			from = append(from, t.From)
		} else {
			to = append(to, t.To)
		}
	}
	switch {
	case slices.Equal(from, to):
		g.where = "between it and " + andList(from) + ", both ways"
	case len(to) == 0:
		g.where = "to it from " + andList(from)
	case len(from) == 0:
		g.where = "from it to " + andList(to)
	default:
		g.where = "to it from " + andList(from) + " and from it to " + andList(to)
	}
	return g
}
