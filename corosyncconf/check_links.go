package corosyncconf

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// localNode is which node of the list the target is.
type localNode struct {
	pos     uint32
	found   bool
	certain bool
	id      uint32
	idKnown bool
}

// linkState is what is known of one link or ring.
type linkState struct {
	configured bool
	read       bool  // something is said of it, or this node has an address on it
	line       *line // that made it so
	bindnet    address
	mcast      address
	mcastSet   bool
	mcastLine  *line
	port       uint64
	ttl        uint64
	priority   uint64
	members    []member
	// vague links are those of some nodes only, where it is not known which of
	// them the target is.
	vague bool
}

type member struct {
	address
	line *line
}

// linkMode checks how several links are used.
func (t *totem) linkMode() {
	s, ok := t.str("totem.link_mode")
	if ok && !slices.Contains([]string{"passive", "active", "rr"}, s.text) {
		t.test(CodeLinkMode, s.line, fmt.Sprintf("there is no link_mode %q: there are passive, active and rr", s.text), "write passive, or remove the line")
	}
}

// addresses does what totem_config_read does with interface sections and nodes,
// and what totem_config_validate asks of them.
func (t *totem) addresses() {
	t.ipVersion = "ipv6-4"
	if t.via == "udp" {
		t.ipVersion = "ipv4"
	}
	if s, ok := t.str("totem.ip_version"); ok && slices.Contains([]string{"ipv4", "ipv6", "ipv6-4", "ipv4-6"}, s.text) {
		t.ipVersion = s.text
	}
	bind0, bound := t.str("totem.interface.0.bindnetaddr")
	_, ring0 := t.str("nodelist.node.0.ring0_addr")
	_, name0 := t.str("nodelist.node.0.name")

	t.local.pos, t.local.found, t.local.certain = t.findLocal()
	t.local.idKnown = t.local.found
	converted := !bound || ring0
	switch {
	case !converted && !name0:
		t.local = localNode{certain: true}
		t.test(CodeLocalNode, bind0.line, "bindnetaddr, and a nodelist whose first node has neither a name nor a ring0_addr: corosync does not look for this machine in it",
			"remove bindnetaddr, and give every node a name and a ring0_addr")
	case t.local.found || !t.local.certain:
	case t.anyNode():
		t.test(CodeLocalNode, nil, fmt.Sprintf("no node of the nodelist is this machine, %s: none has its name or an address of it", t.hostname()),
			"give the node the name that uname -n prints, or its ring0_addr an address of the machine")
	default:
		t.test(CodeLocalNode, nil, "there is no node with a name or a ring0_addr, so corosync cannot know which one it is", "write a nodelist with all nodes")
	}
	common := t.commonLinks()
	if converted {
		t.bindLocal(common)
	}

	seen := map[uint32]bool{}
	for p := range t.under("totem.interface.") {
		text, key, _ := strings.Cut(strings.TrimPrefix(p, "totem.interface."), ".")
		if text == "" || key == "" || t.via == "udp" && key != "bindnetaddr" {
			continue
		}
		link := atoi(text)
		if seen[link] {
			continue
		}
		seen[link] = true
		if link >= maxLinks {
			t.test(CodeLinkNumber, t.values[p].line, fmt.Sprintf("there is no link %s: links are numbered 0 to %d", text, maxLinks-1), "use another linknumber")
			continue
		}
		t.readLink(int(link), t.values[p].line)
	}
	if t.broadcast {
		t.links[0].mcast, t.links[0].mcastSet = address{ip: netip.MustParseAddr("255.255.255.255")}, true
	}

	if name0 || ring0 {
		t.localID()
		t.nodes()
		if !t.version.before(version{3, 1, 0}) {
			t.localDefaults(common)
		}
	}
	t.checkLinks()
}

func (t *totem) anyNode() bool {
	for p := range t.under("nodelist.node.") {
		if _, key, ok := nodeKey(p); ok && (key == "name" || key == "ring0_addr") {
			return true
		}
	}
	return false
}

func (t *totem) hostname() string {
	if t.target.Here == nil {
		return "or another one"
	}
	return t.target.Here.Hostname
}

// atoi reads the number that s begins with, as C does; without one it is 0.
func atoi(s string) uint32 {
	n, _, _ := scanUint(s)
	return n
}

// commonLinks returns the links on which the target has an address for
// certain: those of its node or, if it is not known which, those of all nodes.
func (t *totem) commonLinks() map[uint32]setting {
	of := map[uint32]map[uint32]setting{}
	for p := range t.under("nodelist.node.") {
		pos, key, ok := nodeKey(p)
		if !ok {
			continue
		}
		if of[pos] == nil {
			of[pos] = map[uint32]setting{}
		}
		s, isText := t.str(p)
		if link, ok := ringKey(key); ok && isText {
			of[pos][link] = s
		}
	}
	switch {
	case t.local.found:
		return of[t.local.pos]
	case t.local.certain:
		return nil
	}
	var common map[uint32]setting
	for _, pos := range slices.Sorted(maps.Keys(of)) {
		links := of[pos]
		if common == nil {
			common = maps.Clone(links)
		}
		maps.DeleteFunc(common, func(link uint32, _ setting) bool { _, ok := links[link]; return !ok })
	}
	for link, s := range common {
		s.vague = true
		common[link] = s
	}
	return common
}

// bindLocal does what config_convert_nodelist_to_interface does.
func (t *totem) bindLocal(local map[uint32]setting) {
	for link, s := range local {
		t.set(fmt.Sprintf("totem.interface.%d.bindnetaddr", link), s)
	}
}

// readLink does what get_interface_params does for one link, which the line
// brings up.
func (t *totem) readLink(n int, l *line) {
	link := &t.links[n]
	prefix := fmt.Sprintf("totem.interface.%d.", n)
	link.configured, link.read, link.line = true, true, l
	if s, ok := t.str(prefix + "bindnetaddr"); ok {
		link.bindnet = t.address(s)
	}
	if s, ok := t.str(prefix + "mcastaddr"); ok {
		link.mcast, link.mcastSet, link.mcastLine = t.address(s), true, s.line
	} else if _, named := t.str("totem.cluster_name"); named && t.via == "udp" {
		link.mcast, link.mcastSet = generated(t.links[0]), true
	}
	if s, ok := t.str(prefix + "broadcast"); ok && s.text == "yes" {
		t.broadcast = true
	}
	link.port = t.orElse(prefix+"mcastport", 5405)
	link.ttl = t.orElse(prefix+"ttl", 1)
	link.priority = t.orElse(prefix+"knet_link_priority", 1)
	if s, ok := t.str(prefix + "knet_transport"); ok && s.text != "udp" && s.text != "sctp" {
		t.test(CodeKnetTransport, s.line, fmt.Sprintf("there is no knet_transport %q", s.text), "write udp, or remove the line")
	}
	for p := range t.under(prefix + "member.") {
		if _, ring0 := t.str("nodelist.node.0.ring0_addr"); ring0 {
			break
		}
		if s, ok := t.str(p); ok {
			link.members = append(link.members, member{t.address(s), s.line})
		}
	}
}

func (t *totem) orElse(key string, unset uint64) uint64 {
	if s, ok := t.number(key); ok {
		return s.n
	}
	return unset
}

// generated returns a multicast address as corosync makes it for rings like r.
func generated(r linkState) address {
	switch {
	case r.configured && r.bindnet.ok() && r.bindnet.family() == 0:
		return address{}
	case r.bindnet.family() == 6:
		return address{ip: netip.MustParseAddr("ff15::1")}
	}
	return address{ip: netip.MustParseAddr("239.192.0.1")}
}

// address resolves what a setting says, and reports it if that fails.
func (t *totem) address(s setting) address {
	if s.vague {
		return address{}
	}
	a := t.resolve(s.text, t.ipVersion)
	if !a.known() {
		t.noAddress(s)
	}
	if a.failed && !t.failed[s.line] {
		t.failed[s.line] = true
		why := "it is no address, and this machine knows no such name"
		if ip, ok := parseAddr(s.text); ok {
			why = fmt.Sprintf("ip_version %s does not take it", t.ipVersion)
			if ip.Is4() {
				why = "it is of IPv4, and " + why
			} else {
				why = "it is of IPv6, and " + why
			}
		} else if s.text == "" {
			why = "it is empty"
		}
		t.test(CodeUnresolvable, s.line, fmt.Sprintf("%q is no address to use: %s", s.text, why), remedyAddress(s.text))
	}
	return a
}

// noAddress reports a setting that, as far as one can tell without asking the
// machine, is no address. Whether corosync refuses it, only the machine knows.
func (t *totem) noAddress(s setting) {
	if !isAddress(s.text) && !t.failed[s.line] {
		t.failed[s.line] = true
		t.report(CodeUnresolvable, Accepted, t.line(s.line), fmt.Sprintf("%q is neither an IP address nor a name that a machine can have", s.text), remedyAddress(s.text))
	}
}

// localDefaults does what configure_link_params does: a link on which the node
// has an address gets a priority and a port, whatever is said of them.
func (t *totem) localDefaults(local map[uint32]setting) {
	for n := range t.links {
		link := &t.links[n]
		if _, ok := local[uint32(n)]; ok {
			if link.priority == 0 {
				link.priority = 1
			}
			if link.port == 0 {
				link.port = 5405
			}
		} else if !t.local.certain && !t.local.found {
			link.vague = true
		}
	}
}

// checkLinks does what totem_config_validate and totem_volatile_config_validate
// do with links.
func (t *totem) checkLinks() {
	var inUse []int
	for n, link := range t.links {
		if link.configured {
			inUse = append(inUse, n)
		}
	}
	if len(inUse) == 0 {
		if t.local.found || !t.local.certain {
			t.test(CodeNoLinks, nil, "no node has an address", "give every node a ring0_addr")
		}
		return
	}
	for _, n := range inUse {
		t.checkLink(n)
	}
	if t.via != "knet" && len(inUse) > 1 {
		t.test(CodeManyLinks, t.links[inUse[1]].line, fmt.Sprintf("%d links, and transport %s has one: only knet has several", len(inUse), t.via),
			"write transport: knet, or take all but ring0_addr and interface 0 out")
	}
	if len(inUse) < 2 {
		return
	}
	first := len(t.links[inUse[0]].members)
	for i := range first {
		if _, ok := t.str(fmt.Sprintf("nodelist.node.%d.name", i)); !ok {
			t.test(CodeNodeName, t.nodeLine(uint32(i)), fmt.Sprintf("node %d of the list has no name, which each needs where there are several links", i+1),
				"give the node the name that uname -n prints on it")
		}
	}
	t.unevenLinks(inUse)
}

// unevenLinks reports nodes that do not have the links of the others. corosync
// only counts the nodes of each link.
func (t *totem) unevenLinks(inUse []int) {
	first := len(t.links[inUse[0]].members)
	by, said := Accepted, false
	if slices.ContainsFunc(inUse, func(n int) bool { return len(t.links[n].members) != first }) {
		by = ByTest
	}
	for _, pos := range t.positions() {
		if _, any := t.firstRing(pos); !any {
			continue // said elsewhere
		}
		for _, n := range inUse {
			link := t.links[n]
			_, has := t.str(fmt.Sprintf("nodelist.node.%d.ring%d_addr", pos, n))
			switch {
			case has || len(link.members) == 0:
			case t.isHere(pos) && !link.read && !link.vague: // checkLink has reported it
				said = true
			default:
				t.lacks(by, pos, n, fmt.Sprintf("%s has no address on link %d, which other nodes have", t.nodeName(pos), n))
				said = true
			}
		}
	}
	if by == Accepted {
		return
	}
	for _, n := range inUse {
		switch count := len(t.links[n].members); {
		case count == 0:
			t.test(CodeUnevenLinks, t.links[n].line, fmt.Sprintf("no node has an address on link %d, which this section is about", n),
				fmt.Sprintf("remove the section, or give every node a ring%d_addr", n))
		case count != first && !said:
			t.test(CodeUnevenLinks, t.links[n].line, fmt.Sprintf("link %d has addresses of %d nodes, and link %d of %d: all nodes must have the same links", n, count, inUse[0], first),
				fmt.Sprintf("give every node a ring%d_addr, or take the link out everywhere", n))
		}
	}
}

// lacks reports that a node has no address on a link.
func (t *totem) lacks(by Refusal, pos uint32, link int, message string) {
	key := linkKey(link)
	t.add(t.line(t.nodeLine(pos)), Finding{Code: CodeUnevenLinks, Message: message, Remedy: fmt.Sprintf("give the node a %s, or take the link out everywhere", key), RefusedBy: by, missing: key})
}

func (t *totem) isHere(pos uint32) bool { return t.local.found && t.local.pos == pos }

// nodeName returns how to call the node at a place of the list.
func (t *totem) nodeName(pos uint32) string {
	prefix := fmt.Sprintf("nodelist.node.%d.", pos)
	if s, ok := t.str(prefix + "name"); ok && s.text != "" {
		return s.text
	}
	if s, ok := t.firstRing(pos); ok {
		return s.text
	}
	return fmt.Sprintf("node %d of the list", pos+1)
}

// checkLink checks link n by itself.
func (t *totem) checkLink(n int) {
	link := t.links[n]
	var first member
	for _, m := range link.members {
		switch {
		case first.family() == 0:
			first = m
		case m.family() != 0 && m.family() != first.family():
			t.test(CodeMixedFamilies, m.line, fmt.Sprintf("link %d has addresses of IPv4 and IPv6: %s and %s", n, first.ip, m.ip), "use addresses of one family on a link")
		}
	}
	if link.vague {
		return
	}
	if !link.read {
		if t.local.found {
			t.lacks(ByTest, t.local.pos, n, fmt.Sprintf("this node, %s, has no address on link %d, which other nodes have", t.nodeName(t.local.pos), n))
		}
		return
	}
	if t.via == "udp" && !link.mcastSet {
		t.test(CodeMulticast, link.line, fmt.Sprintf("link %d has no multicast address, and without a cluster_name none can be made", n), "write a cluster_name in the totem section")
	}
	if link.port == 0 {
		t.test(CodePort, link.line, fmt.Sprintf("link %d has no port", n), "remove mcastport, or give this node an address on the link")
	}
	if t.via != "udp" && link.ttl != 1 {
		t.test(CodeLinkOption, t.optionLine(n, "ttl", link), fmt.Sprintf("link %d has a ttl, which is for transport udp only", n), "remove ttl")
	}
	if t.via != "knet" && link.priority != 1 {
		t.test(CodeLinkOption, t.optionLine(n, "knet_link_priority", link), fmt.Sprintf("link %d has a knet_link_priority, which is for transport knet only", n), "remove knet_link_priority")
	}
	if link.mcast.family() == 6 && t.local.id == 0 && t.local.idKnown {
		t.test(CodeNodeID, link.line, fmt.Sprintf("link %d is of IPv6, and this node has no nodeid", n), "give every node a nodeid")
	}
	if t.via == "udp" && !t.broadcast && link.mcastSet && link.mcast.ok() && link.bindnet.ok() {
		t.checkMulticast(n, link)
	}
}

func (t *totem) optionLine(n int, key string, link linkState) *line {
	if s, ok := t.values[fmt.Sprintf("totem.interface.%d.%s", n, key)]; ok {
		return s.line
	}
	return link.line
}

func (t *totem) checkMulticast(n int, link linkState) {
	m := link.mcast.family()
	_, bound := t.str(fmt.Sprintf("totem.interface.%d.bindnetaddr", n))
	if m != 0 && (link.bindnet.known() || !bound) && m != link.bindnet.family() {
		t.test(CodeMulticast, orLine(link.mcastLine, link.line), fmt.Sprintf("link %d: the multicast address is not of the family of the node's address", n), "write a mcastaddr of the same family, or none")
	}
	if m == 4 && link.mcast.ip.As4()[0]>>4 != 0xE {
		t.test(CodeMulticast, orLine(link.mcastLine, link.line), fmt.Sprintf("link %d: %s is no multicast address", n, link.mcast.ip), "write a mcastaddr from 239.0.0.0/8, or none")
	}
}

func orLine(l, other *line) *line {
	if l != nil {
		return l
	}
	return other
}
