//go:build linux

package lab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// networkScript makes the bridges, the nodes' network namespaces and the cables between them. Multicast goes to every
// port: no one asks for group memberships here, and without that a snooping bridge forgets them.
func (l *Lab) networkScript() string {
	var b strings.Builder
	b.WriteString("ip link set lo up\n")
	for link := Mgmt; link < l.options.Links; link++ {
		fmt.Fprintf(&b, "ip link add %[1]s type bridge mcast_snooping 0\nip link set %[1]s up\n", device(link))
	}
	fmt.Fprintf(&b, "ip addr add %s/24 dev %s\n", address(0, Mgmt), device(Mgmt))
	for _, n := range l.nodes {
		fmt.Fprintf(&b, "ip netns add %[1]s\nip -n %[1]s link set lo up\n", n.name)
		for link := Mgmt; link < l.options.Links; link++ {
			fmt.Fprintf(&b, "ip link add %s type veth peer name %s netns %s\n", n.port(link), device(link), n.name)
			fmt.Fprintf(&b, "ip link set %s master %s up\n", n.port(link), device(link))
			fmt.Fprintf(&b, "ip -n %s addr add %s/24 brd + dev %s\n", n.name, n.Addr(link), device(link))
			fmt.Fprintf(&b, "ip -n %s link set %s up\n", n.name, device(link))
		}
	}
	return b.String()
}

// port is the bridge's end of a node's cable, in the controller's namespace.
func (n *Node) port(link int) string {
	return n.name + "-" + device(link)
}

// Addr is the node's address on a link, or on Mgmt.
func (n *Node) Addr(link int) netip.Addr {
	return address(n.index, link)
}

// Cut pulls the node's cable out of a link, or of Mgmt: its interface loses the carrier. It stays out, whatever becomes
// of the node, until Heal.
func (n *Node) Cut(ctx context.Context, link int) error {
	return n.plug(ctx, "down", link)
}

// Heal puts the cable back.
func (n *Node) Heal(ctx context.Context, link int) error {
	return n.plug(ctx, "up", link)
}

// CutAll pulls all the node's cables at once, the management network's too.
func (n *Node) CutAll(ctx context.Context) error {
	return n.plug(ctx, "down", n.links()...)
}

// HealAll puts all the node's cables back.
func (n *Node) HealAll(ctx context.Context) error {
	return n.plug(ctx, "up", n.links()...)
}

func (n *Node) links() []int {
	var all []int
	for link := Mgmt; link < n.lab.options.Links; link++ {
		all = append(all, link)
	}
	return all
}

func (n *Node) plug(ctx context.Context, way string, links ...int) error {
	var b strings.Builder
	for _, link := range links {
		fmt.Fprintf(&b, "ip link set %s %s\n", n.port(link), way)
	}
	_, err := output(n.lab.shell(ctx, b.String()), fmt.Sprintf("%s: set links %s", n.name, way))
	return err
}

// IsCut reports whether the node's cable is out of a link, or of Mgmt.
func (n *Node) IsCut(link int) bool {
	const up = 0x1 // IFF_UP
	data, _ := os.ReadFile("/proc/" + n.lab.holder + "/root/sys/class/net/" + n.port(link) + "/flags")
	flags, _ := strconv.ParseUint(strings.TrimSpace(string(data)), 0, 32)
	return flags&up == 0
}

// Drop loses that percentage (0 to 100) of the frames on the node's cable to a link, or to Mgmt, each way, until it is
// called with 0. The node sees a cable that is in order.
func (n *Node) Drop(ctx context.Context, link, percent int) error {
	// A table of its own per cable; added first because deleting one that is not there fails.
	table := fmt.Sprintf("bridge %s_%s", n.name, device(link))
	rules := fmt.Sprintf("table %[1]s\ndelete table %[1]s\n", table)
	if percent > 0 {
		rules += fmt.Sprintf(`table %[1]s {
	chain in { type filter hook prerouting priority 0; iifname "%[2]s" numgen random mod 100 <= %[3]d drop; }
	chain out { type filter hook postrouting priority 0; oifname "%[2]s" numgen random mod 100 <= %[3]d drop; }
}
`, table, n.port(link), percent-1) // nft takes no "< 100" here
	}
	_, err := output(n.lab.shell(ctx, `printf %s "$1" | nft -f -`, rules), n.name+": lose packets")
	return err
}

// Firewall makes rules, in the language of nft(8), the node's own filter for what comes in: udp dport 5405 drop, say.
// They replace those of the call before, without any the filter goes. A boot forgets them.
func (n *Node) Firewall(ctx context.Context, rules ...string) error {
	const table = "inet firewall"
	script := fmt.Sprintf("table %[1]s\ndelete table %[1]s\n", table)
	if len(rules) > 0 {
		script += fmt.Sprintf("table %s { chain input { type filter hook input priority 0; %s; }; }\n", table, strings.Join(rules, "; "))
	}
	_, err := output(n.lab.shell(ctx, `printf %s "$2" | ip netns exec "$1" nft -f -`, n.name, script), n.name+": set firewall")
	return err
}
