package cluster

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"clusterctl/corosyncconf"
)

// addresses picks the node's address on each link. f is the node's; all is
// everybody's, since a node may resolve its own name to loopback.
func (n NodeSpec) addresses(ps *Problems, networks []LinkSpec, f *Facts, all []*Facts) map[int]string {
	addrs := map[int]string{}
	for _, l := range networks {
		if _, given := n.Links[l.Number]; given {
			continue
		}
		switch found := inNetwork(f, l.Network); len(found) {
		case 1:
			addrs[l.Number] = found[0].String()
		case 0:
			ps.add(CodeAddress, n.Name, fmt.Sprintf("name the right network, or give link%d=ADDR; it has %s", l.Number, usable(f)),
				"it has no address in %s for link %d", l.Network, l.Number)
		default:
			ps.add(CodeAddress, n.Name, fmt.Sprintf("choose one with link%d=ADDR", l.Number),
				"it has several addresses in %s for link %d: %s", l.Network, l.Number, joinAddrs(found))
		}
	}
	for link, text := range n.Links {
		if a, err := netip.ParseAddr(text); err == nil {
			a = a.Unmap()
			switch {
			case a.IsLoopback():
				ps.add(CodeLoopback, n.Name, "use an address that the other nodes reach", "link %d: %s is a loopback address", link, a)
			case !has(f, a):
				ps.add(CodeAddress, n.Name, "use one of "+usable(f), "link %d: the node does not have the address %s%s", link, a, elsewhere(a, f, all))
			}
			addrs[link] = a.String()
		} else if a, ok := resolved(ps, n.Name, text, link, f, []*Facts{f}); ok {
			addrs[link] = a.String()
		}
	}
	if len(networks) == 0 && len(n.Links) == 0 {
		if a, ok := resolved(ps, n.Name, n.Name, 0, f, all); ok {
			addrs[0] = a.String()
		}
	}
	return addrs
}

// resolved is the one address of the node that host resolves to, as seen from
// the machines that by are of.
func resolved(ps *Problems, node, host string, link int, f *Facts, by []*Facts) (netip.Addr, bool) {
	var own, foreign []netip.Addr
	loopback := ""
	for _, other := range by {
		for _, a := range other.Resolved[host] {
			switch a = a.Unmap(); {
			case a.IsLoopback():
				loopback = fmt.Sprintf("%s on %s", a, other.Node)
			case !has(f, a):
				foreign = append(foreign, a)
			case !slices.Contains(own, a):
				own = append(own, a)
			}
		}
	}
	remedy := fmt.Sprintf("put it into /etc/hosts, or give link%d=ADDR or --link CIDR; it has %s", link, usable(f))
	switch {
	case len(own) == 1:
		return own[0], true
	case len(own) > 1:
		ps.add(CodeResolve, node, fmt.Sprintf("choose one with link%d=ADDR, or --link CIDR", link),
			"%s resolves to several of its addresses: %s", host, joinAddrs(own))
	case len(foreign) > 0:
		ps.add(CodeAddress, node, remedy, "%s resolves to %s, which the node does not have", host, foreign[0])
	case loopback != "":
		ps.add(CodeLoopback, node, remedy, "%s resolves to a loopback address only (%s)", host, loopback)
	default:
		ps.add(CodeResolve, node, remedy, "%s does not resolve", host)
	}
	return netip.Addr{}, false
}

func inNetwork(f *Facts, p netip.Prefix) []netip.Addr {
	var found []netip.Addr
	for _, a := range f.Addrs {
		if p.Contains(a.Addr()) && !a.Addr().IsLoopback() && !slices.Contains(found, a.Addr()) {
			found = append(found, a.Addr())
		}
	}
	return found
}

func has(f *Facts, a netip.Addr) bool {
	return slices.ContainsFunc(f.Addrs, func(p netip.Prefix) bool { return p.Addr() == a })
}

// elsewhere tells who else has an address, to go on in a sentence.
func elsewhere(a netip.Addr, f *Facts, all []*Facts) string {
	var names []string
	for _, other := range all {
		if other != f && has(other, a) {
			names = append(names, other.Node)
		}
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return ", which " + names[0] + " has"
	}
	return ", which " + andList(names) + " have"
}

func joinAddrs(as []netip.Addr) string {
	texts := make([]string, len(as))
	for i, a := range as {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

// usable lists the node's addresses that others can reach.
func usable(f *Facts) string {
	var as []netip.Addr
	for _, p := range f.Addrs {
		if !p.Addr().IsLoopback() && !slices.Contains(as, p.Addr()) {
			as = append(as, p.Addr())
		}
	}
	if len(as) == 0 {
		return "no address"
	}
	return joinAddrs(as)
}

// evenLinks checks that all nodes have the same links, of one family each, and
// that no address is used twice.
func evenLinks(ps *Problems, nodes []corosyncconf.Node) {
	have := map[int][]string{}
	users := map[string]string{}
	for _, n := range nodes {
		for _, link := range slices.Sorted(maps.Keys(n.Addrs)) {
			have[link] = append(have[link], n.Name)
			user := fmt.Sprintf("link %d of %s", link, n.Name)
			if other, dup := users[n.Addrs[link]]; dup {
				ps.add(CodeAddress, n.Name, "give each node and link an address of its own",
					"address %s would be used for %s and for %s", n.Addrs[link], other, user)
			}
			users[n.Addrs[link]] = user
		}
	}
	for _, link := range slices.Sorted(maps.Keys(have)) {
		if with := have[link]; len(with) < len(nodes) {
			var without []string
			for _, n := range nodes {
				if !slices.Contains(with, n.Name) {
					without = append(without, n.Name)
				}
			}
			if !ps.mentions(without...) { // their address was refused: that is said already
				ps.add(CodeUnevenLinks, "", "give every node an address on each link",
					"link %d is given for %s but not for %s", link, andList(with), andList(without))
			}
			continue
		}
		var v4, v6 []string
		for _, n := range nodes {
			switch a, err := netip.ParseAddr(n.Addrs[link]); {
			case err != nil: // a name in a hand-made file
			case a.Is4():
				v4 = append(v4, n.Label())
			default:
				v6 = append(v6, n.Label())
			}
		}
		if len(v4) > 0 && len(v6) > 0 {
			ps.add(CodeMixedFamily, "", "use one family on a link", "link %d is IPv4 on %s and IPv6 on %s", link, andList(v4), andList(v6))
		}
	}
}

// mentions tells whether there is an error about each of the nodes.
func (ps Problems) mentions(nodes ...string) bool {
	for _, n := range nodes {
		if !slices.ContainsFunc(ps.Errors(), func(p Problem) bool { return p.Node == n }) {
			return false
		}
	}
	return true
}
