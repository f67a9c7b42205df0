package corosyncconf

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Codes of nodes that get in each other's way.
const (
	CodeDuplicateName Code = "duplicate-name"
	CodeSimilarName   Code = "similar-name"
	CodeDuplicateAddr Code = "duplicate-address"
	CodeSharedAddr    Code = "shared-address"
	CodeLoopback      Code = "loopback"
	CodeAddress       Code = "address"
	CodeNoAddress     Code = "no-address"
	CodeLinkLocal     Code = "link-local"
	CodeBadName       Code = "bad-name"
	CodeManyNodes     Code = "many-nodes"
	CodeTooManyNodes  Code = "too-many-nodes"
)

var nodeCodes = []CodeInfo{
	{CodeDuplicateName, Bad, "a name that two nodes have: both take themselves for the same one"},
	{CodeSimilarName, Warning, "two names that differ in capitals only: corosync tells them apart, and name services do not"},
	{CodeDuplicateAddr, Bad, "an address that two nodes have"},
	{CodeSharedAddr, Warning, "a node with one address on two links, which then fail together"},
	{CodeLoopback, Bad, "a loopback address, at which other nodes do not reach the node"},
	{CodeAddress, Bad, "an address that no node can have"},
	{CodeNoAddress, Bad, "a node without any address: it can never join, and its votes are expected"},
	{CodeLinkLocal, Warning, "an IPv6 link-local address, without the interface that it needs"},
	{CodeBadName, Warning, "a name that no machine can have as its host name"},
	{CodeManyNodes, Warning, "more nodes than distributions support in one cluster"},
	{CodeTooManyNodes, Bad, "more nodes than corosync has room for"},
}

const (
	maxNodes       = 384 // PROCESSOR_COUNT_MAX: corosync writes over other memory beyond it
	supportedNodes = 32  // by Red Hat and SUSE
	maxHostname    = 64  // of Linux, for uname -n
)

// nodes reports on the nodelist.
func (c *checker) nodes() {
	nodes := c.conf.Nodes
	switch n := len(nodes); {
	case n > maxNodes:
		c.report(CodeTooManyNodes, Accepted, c.nodeLine(nodes[maxNodes], ""), fmt.Sprintf("there are %d nodes, and corosync has room for %d: it crashes or does worse", n, maxNodes),
			"make several clusters")
	case n > supportedNodes:
		c.report(CodeManyNodes, Accepted, c.nodeLine(nodes[supportedNodes], ""), fmt.Sprintf("there are %d nodes, and clusters of more than %d are not supported by distributions", n, supportedNodes),
			"make several clusters, or test this one well")
	}
	c.names()
	c.addresses()
}

// names reports on names of nodes. Corosync finds the node that it is on by
// name first (totemconfig.c:find_local_node).
func (c *checker) names() {
	seen := map[string]*line{}
	for _, n := range c.conf.Nodes {
		at := c.nodeLine(n, "name")
		if at.kind != option {
			continue
		}
		if n.Name == "" || len(n.Name) > maxHostname || strings.ContainsFunc(n.Name, notInHostname) {
			c.report(CodeBadName, Accepted, at, fmt.Sprintf("no machine can have the host name %q", n.Name), "name the node as uname -n on it says")
		}
		name := strings.ToLower(n.Name)
		if first := seen[name]; first != nil && first.valueText() != n.Name {
			c.report(CodeSimilarName, Accepted, at, fmt.Sprintf("node name %s differs in capitals only from %s on line %d", n.Name, first.valueText(), first.num),
				"name each node as uname -n on it says")
			continue
		} else if first != nil {
			c.report(CodeDuplicateName, Accepted, at, fmt.Sprintf("node name %s stands on line %d already: both machines take themselves for one node", n.Name, first.num),
				"name each node as uname -n on it says")
			continue
		}
		seen[name] = at
	}
}

// notInHostname is loose: Linux and name services take underscores.
func notInHostname(r rune) bool {
	return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", r)
}

// addresses reports on addresses of nodes that are twice, or not theirs.
func (c *checker) addresses() {
	type owner struct {
		node Node
		link int
		at   *line
	}
	seen := map[string]owner{}
	for _, n := range c.conf.Nodes {
		if len(n.Addrs) == 0 && !c.hasRing(n) && c.target.Release > V24 && len(c.conf.Nodes) > 1 {
			c.report(CodeNoAddress, Accepted, c.nodeLine(n, "name"), fmt.Sprintf("%s has no address: it can never join, and its votes are expected all the same", cmp.Or(n.Label(), "a node")),
				"give it a ring0_addr and a nodeid, or remove it")
		}
		for _, link := range slices.Sorted(maps.Keys(n.Addrs)) {
			at, text := c.nodeLine(n, linkKey(link)), n.Addrs[link]
			if text == "" {
				continue
			}
			ip := c.resolve(text, c.ipVersion).ip.Unmap()
			if !ip.IsValid() {
				ip, _ = netip.ParseAddr(text) // with the name of an interface
			}
			addr := text // as it is shown
			if ip.IsValid() && normal(text) != ip.String() {
				addr = fmt.Sprintf("%s (%s)", text, ip)
			}
			switch {
			case (ip.IsLoopback() || isLoopbackName(text)) && len(c.conf.Nodes) > 1:
				c.report(CodeLoopback, Accepted, at, fmt.Sprintf("%s is the node itself, wherever it is: no other node reaches it there", addr), "give an address in the network of the link")
				continue
			case ip.IsUnspecified() || ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
				c.report(CodeAddress, Accepted, at, fmt.Sprintf("%s is not an address that a node can have", addr), "give an address in the network of the link")
				continue
			}
			if ip.Is6() && ip.IsLinkLocalUnicast() && c.target.Release > V24 {
				// totemip.c:totemip_totemip_to_sockaddr_convert
				c.report(CodeLinkLocal, Accepted, at, fmt.Sprintf("%s is link-local: corosync looks for it on the machine's second interface, whichever that is", addr), "give an address that is not link-local")
			}
			same := normal(text)
			if ip.IsValid() {
				same = ip.String()
			}
			switch first, twice := seen[same]; {
			case !twice:
				seen[same] = owner{n, link, at}
			case first.node.Index == n.Index:
				c.report(CodeSharedAddr, Accepted, at, fmt.Sprintf("%s has %s on link %d and link %d: what breaks one breaks the other", n.Label(), addr, first.link, link),
					"give the link an address in a network of its own, or remove it from all nodes")
			default:
				c.report(CodeDuplicateAddr, Accepted, at, fmt.Sprintf("%s is %s, which line %d gives to another node", at.keyText(), addr, first.at.num), "give each node its own address")
			}
		}
	}
}

// hasRing reports whether corosync finds an address of the node, however its key
// is spelt.
func (c *checker) hasRing(n Node) bool {
	for _, part := range c.nodeSections(n) {
		for l := range part.body() {
			if _, ok := ringKey(l.keyText()); ok && l.kind == option {
				return true
			}
		}
	}
	return false
}

// normal returns the one spelling of an address in its usual form, or of a name.
func normal(addr string) string {
	if a, err := netip.ParseAddr(addr); err == nil {
		return a.Unmap().String()
	}
	return strings.TrimSuffix(strings.ToLower(addr), ".")
}

// isLoopbackName reports whether the name is one of those that every machine
// has for itself.
func isLoopbackName(name string) bool {
	return slices.Contains([]string{"localhost", "localhost.localdomain", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback"}, normal(name))
}

// nodeLine returns the line that counts for a key of a node, else the one that
// opens the node.
func (c *checker) nodeLine(n Node, key string) *line {
	parts := c.nodeSections(n)
	if l := lastOption(parts, key); l != nil {
		return l
	}
	return parts[len(parts)-1].open
}

// nodeSections returns the sections that a node is made of.
func (c *checker) nodeSections(n Node) []*Section {
	if c.nodeParts == nil {
		c.nodeParts = c.file.nodes()
	}
	return c.nodeParts[n.Index]
}
