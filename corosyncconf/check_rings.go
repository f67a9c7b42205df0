package corosyncconf

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// rings does what corosync 2.4 does with interface sections and nodes.
func (t *totem) rings() {
	t.ipVersion = "ipv4"
	if s, ok := t.str("totem.ip_version"); ok && s.text == "ipv6" {
		t.ipVersion = s.text
	}
	_, bound := t.str("totem.interface.0.bindnetaddr")
	_, ring0 := t.str("nodelist.node.0.ring0_addr")
	if !bound || ring0 {
		t.local = t.localRing()
		t.bindLocal(t.commonLinks())
	}
	count := 0
	for p := range t.under("totem.interface.") {
		text, key, _ := strings.Cut(strings.TrimPrefix(p, "totem.interface."), ".")
		if text == "" || key != "bindnetaddr" {
			continue
		}
		ring := atoi(text)
		if ring >= maxRings {
			t.test(CodeLinkNumber, t.values[p].line, fmt.Sprintf("there is no ring %s: corosync 2 has rings 0 and 1", text), "use ringnumber 0 or 1")
			continue
		}
		count++
		t.readRing(int(ring), t.values[p])
	}
	if count > maxRings {
		t.test(CodeCrash, t.links[0].line, fmt.Sprintf("%d times a bindnetaddr: corosync 2 has room for %d rings, and does not notice", count, maxRings), "write one interface section for each ring")
		count = maxRings
	}
	if t.broadcast {
		for i := range count {
			t.links[i].mcast, t.links[i].mcastSet = address{ip: netip.MustParseAddr("255.255.255.255")}, true
		}
	}
	if s, ok := t.number("totem.nodeid"); ok {
		t.local.id = uint32(s.n)
	}
	t.local.idKnown = !ring0 || !t.anyID()
	if ring0 {
		t.nodes24()
	}
	t.checkRings(count)
}

// anyID reports whether a node of the list has a nodeid.
func (t *totem) anyID() bool {
	return slices.ContainsFunc(t.positions(), func(pos uint32) bool {
		_, ok := t.number(fmt.Sprintf("nodelist.node.%d.nodeid", pos))
		return ok
	})
}

// localRing finds the node of which the target has the ring0_addr.
func (t *totem) localRing() (local localNode) {
	here := t.target.Here
	if here == nil || here.Addrs == nil {
		return localNode{certain: !t.anyNode()}
	}
	for _, pos := range t.positions() {
		s, ok := t.str(fmt.Sprintf("nodelist.node.%d.ring0_addr", pos))
		if !ok {
			continue
		}
		a := t.resolve(s.text, t.ipVersion)
		if a.ok() && slices.ContainsFunc(here.Addrs, func(own netip.Prefix) bool { return own.Addr() == a.ip }) {
			return localNode{pos: pos, found: true, certain: true}
		}
	}
	return localNode{certain: true}
}

// readRing reads what is said of one ring. Addresses that 2.4 cannot resolve
// it takes for none.
func (t *totem) readRing(n int, bindnet setting) {
	prefix := fmt.Sprintf("totem.interface.%d.", n)
	ring := &t.links[n]
	ring.configured, ring.line = true, bindnet.line
	if !bindnet.vague {
		ring.bindnet = t.resolve(bindnet.text, t.ipVersion)
	}
	if s, ok := t.str(prefix + "mcastaddr"); ok {
		ring.mcast, ring.mcastLine = t.resolve(s.text, t.ipVersion), s.line
		ring.mcastSet = ring.mcast.ok()
	} else if _, named := t.str("totem.cluster_name"); named {
		ring.mcastSet, ring.mcast = true, address{ip: netip.MustParseAddr("239.192.0.1")}
		if t.ipVersion == "ipv6" {
			ring.mcast = address{ip: netip.MustParseAddr("ff15::1")}
		}
	}
	if s, ok := t.str(prefix + "broadcast"); ok && s.text == "yes" {
		t.broadcast = true
	}
	ring.port = t.orElse(prefix+"mcastport", 5405)
	if _, ok := t.number(prefix + "mcastport"); !ok && t.broadcast {
		ring.port += 2 * uint64(n)
	}
	ring.ttl = t.orElse(prefix+"ttl", 1)
	if _, ring0 := t.str("nodelist.node.0.ring0_addr"); !ring0 {
		for p := range t.under(prefix + "member.") {
			ring.members = append(ring.members, member{line: t.values[p].line})
		}
	}
}

// nodes24 does what 2.4 does with the nodelist.
func (t *totem) nodes24() {
	for n := range t.links {
		t.links[n].members = nil
	}
	own, known := t.boundTo()
	t.local.idKnown = t.local.idKnown || known
	for _, pos := range t.positions() {
		prefix := fmt.Sprintf("nodelist.node.%d.", pos)
		s, ok := t.str(prefix + "ring0_addr")
		if !ok {
			continue
		}
		a := t.resolve(s.text, t.ipVersion)
		t.noAddress(s)
		if a.ok() {
			t.links[0].members = append(t.links[0].members, member{a, s.line})
		}
		if id, ok := t.number(prefix + "nodeid"); ok && a.ok() && own.IsValid() && own == a.ip {
			t.local.id = uint32(id.n)
		}
		for p := range t.under(prefix) {
			_, key, _ := nodeKey(p)
			ring, ok := ringKey(key)
			if s, isText := t.str(p); ok && isText {
				t.noAddress(s)
			}
			if ok && ring >= maxRings {
				t.test(CodeCrash, t.values[p].line, fmt.Sprintf("there is no ring %d: corosync 2 has rings 0 and 1, and does not notice", int32(ring)), "remove the line")
			}
		}
	}
}

// boundTo returns the address that ring 0 gets: that which its bindnetaddr is
// or, if there is none, the first in that network; zero if there is none at all
// (totemip.c:totemip_iface_check).
func (t *totem) boundTo() (own netip.Addr, known bool) {
	here, bindnet := t.target.Here, t.links[0].bindnet
	if here == nil || here.Addrs == nil || bindnet.failed || !bindnet.known() {
		return own, bindnet.failed
	}
	for _, p := range here.Addrs {
		switch {
		case p.Addr() == bindnet.ip:
			return p.Addr(), true
		case !own.IsValid() && p.Contains(bindnet.ip):
			own = p.Addr()
		}
	}
	return own, true
}

func (t *totem) checkRings(count int) {
	if s, ok := t.str("totem.rrp_mode"); ok && !slices.Contains([]string{"none", "active", "passive"}, s.text) {
		t.test(CodeLinkMode, s.line, fmt.Sprintf("there is no rrp_mode %q: there are none, passive and active", s.text), "write passive where there are two rings, else remove the line")
	} else if count > 1 && (!ok || s.text == "none") {
		t.test(CodeManyLinks, orLine(s.line, t.links[1].line), "two rings, and rrp_mode is none", "write rrp_mode: passive in the totem section")
	}
	if count == 0 {
		if t.local.certain {
			t.test(CodeNoLinks, nil, "there is neither an interface with a bindnetaddr nor a node with an address of this machine", "write a bindnetaddr, or a nodelist with all nodes")
		}
		return
	}
	for n, ring := range t.links[:count] {
		if !ring.configured {
			t.test(CodeNoLinks, t.links[1-n].line, fmt.Sprintf("ring %d without ring %d", 1-n, n), "number the rings from 0")
			continue
		}
		if t.via == "udp" && !ring.mcastSet {
			t.test(CodeMulticast, ring.line, fmt.Sprintf("ring %d has no multicast address, and without a cluster_name none can be made", n), "write a mcastaddr, or a cluster_name")
		}
		if ring.port == 0 {
			t.test(CodePort, t.optionLine(n, "mcastport", ring), fmt.Sprintf("ring %d has no port", n), "remove mcastport")
		}
		if t.via != "udp" && ring.ttl != 1 {
			t.test(CodeLinkOption, t.optionLine(n, "ttl", ring), fmt.Sprintf("ring %d has a ttl, which is for transport udp only", n), "remove ttl")
		}
		if ring.mcast.family() == 6 && t.local.id == 0 && t.local.idKnown {
			t.test(CodeNodeID, ring.line, fmt.Sprintf("ring %d is of IPv6, and there is no nodeid", n), "write a nodeid for every node")
		}
		if t.via == "udp" && !t.broadcast && ring.mcastSet {
			t.checkMulticast(n, ring)
		}
		if first := t.links[0].bindnet; n > 0 && first.known() && ring.bindnet.known() && first.family() != ring.bindnet.family() {
			t.test(CodeMixedFamilies, ring.line, "the rings have addresses of IPv4 and IPv6", "use addresses of one family")
		}
	}
	if a, b := t.links[0], t.links[1]; count > 1 && t.via == "udp" && a.mcast.ip == b.mcast.ip && a.mcast.ip.IsValid() &&
		a.mcastLine != nil && b.mcastLine != nil && max(a.port, b.port)-min(a.port, b.port) <= 1 {
		t.test(CodePort, orLine(t.values["totem.interface.1.mcastport"].line, b.line), fmt.Sprintf("both rings use %s, with the ports %d and %d: udp uses the one below too", a.mcast.ip, a.port, b.port),
			"let the ports be 2 or more apart, or use two multicast addresses")
	}
}
