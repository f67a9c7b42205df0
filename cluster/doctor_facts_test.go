package cluster_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"clusterctl/cluster"
)

// examined makes Facts of sections of script/doctor.sh.
func examined(t *testing.T, sections ...string) *cluster.Signs {
	t.Helper()
	var b strings.Builder
	for i := 0; i < len(sections); i += 2 {
		fmt.Fprintf(&b, "%s 0 %d\n%s\n", sections[i], len(sections[i+1]), sections[i+1])
	}
	b.WriteString("service 0 0\n\nend 0 0\n\n")
	f, err := cluster.ParseFacts("n1", []byte(b.String()), time.Unix(0, 0), time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	return f.Signs
}

// As corosync 3.1.7 and systemd 252 print it on Debian 12.
func TestSignsOfAStartThatFailed(t *testing.T) {
	s := examined(t,
		"test", "Nov 29 11:28:12.042 notice  [MAIN  ] Corosync Cluster Engine  starting up\nNov 29 11:28:12.044 error   [MAIN  ] failed to parse bindnet address 'n5.storage.lan'\nNov 29 11:28:12.044 error   [MAIN  ] Corosync Cluster Engine exiting with status 8 at main.c:1443.\nexit status 8",
		"log", `1764415600.000001 n1 systemd[1]: Starting corosync.service - Corosync Cluster Engine...
1764415600.100000 n1 corosync[99]:   [MAIN  ] Corosync Cluster Engine  starting up
1764415700.000000 n1 systemd[1]: Starting corosync.service - Corosync Cluster Engine...
1764415700.500000 n1 corosync[248]:   [MAIN  ] failed to parse bindnet address 'n5.storage.lan'
1764415700.600000 n1 systemd[1]: corosync.service: Main process exited, code=exited, status=8/n/a`,
		"keystat", "400 root 256 1764415000",
	)
	if diff := cmp.Diff([]string{"[MAIN ] failed to parse bindnet address 'n5.storage.lan'", "[MAIN ] Corosync Cluster Engine exiting with status 8 at main.c:1443."}, s.Test); diff != "" {
		t.Errorf("test (-want +got):\n%s", diff)
	}
	var texts []string
	for _, l := range s.Log {
		texts = append(texts, l.Text)
	}
	if diff := cmp.Diff([]string{
		"Starting corosync.service - Corosync Cluster Engine...", "[MAIN ] failed to parse bindnet address 'n5.storage.lan'",
		"corosync.service: Main process exited, code=exited, status=8/n/a",
	}, texts); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if got := s.Log[1].String(); got != "Nov 29 11:28:20 [MAIN ] failed to parse bindnet address 'n5.storage.lan'" {
		t.Errorf("evidence: %s", got)
	}
	if s.KeyMode != "400" || s.KeyOwner != "root" || s.KeySize != 256 || s.KeyTime.Unix() != 1764415000 {
		t.Errorf("key: %+v", s)
	}
}

// As iproute2 6.1 prints it.
func TestSignsOfInterfaces(t *testing.T) {
	s := examined(t,
		"ifaces", `1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
3: link0@if9: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state LOWERLAYERDOWN mode DEFAULT group default qlen 1000\    link/ether 52:5f:3d:7e:ba:c9 brd ff:ff:ff:ff:ff:ff link-netnsid 0
4: link1@if11: <BROADCAST,MULTICAST> mtu 1400 qdisc noqueue state DOWN mode DEFAULT group default qlen 1000\    link/ether 2a:1c:6a:4f:0e:01 brd ff:ff:ff:ff:ff:ff link-netnsid 0`,
		"ifaddrs", `1: lo    inet 127.0.0.1/8 scope host lo\       valid_lft forever preferred_lft forever
3: link0    inet 10.99.10.11/24 brd 10.99.10.255 scope global link0\       valid_lft forever preferred_lft forever
4: link1    inet 10.99.11.11/24 brd 10.99.11.255 scope global link1\       valid_lft forever preferred_lft forever`)
	var got []string
	for _, i := range s.Interfaces {
		got = append(got, fmt.Sprint(i.Name, i.Up, i.Carrier, i.MTU, i.Addrs))
	}
	want := []string{"lotrue true 65536 [127.0.0.1/8]", "link0true false 1500 [10.99.10.11/24]", "link1false false 1400 [10.99.11.11/24]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What counts is whether a packet to the port gets past the rules, as nft 1.0.6
// lists them.
func TestSignsOfAFirewall(t *testing.T) {
	chain := func(hook, policy string, rules ...string) string {
		return "table inet fw { # handle 1\n\tchain c { # handle 1\n\t\ttype filter hook " + hook + " priority filter; policy " + policy + ";\n\t\t" +
			strings.Join(rules, "\n\t\t") + "\n\t}\n}"
	}
	// As firewalld 1.3 makes it of its zone public.
	firewalld := func(allowed string) string {
		return `table inet firewalld { # handle 4
	chain filter_PREROUTING { # handle 7
		type filter hook prerouting priority filter + 10; policy accept;
		icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept # handle 8
		meta nfproto ipv6 fib saddr . mark . iif oif missing drop # handle 9
	}
	chain filter_INPUT { # handle 149
		type filter hook input priority filter + 10; policy accept;
		ct state { established, related } accept # handle 152
		ct status dnat accept # handle 153
		iifname "lo" accept # handle 154
		ct state invalid drop # handle 155
		jump filter_INPUT_ZONES # handle 158
		reject with icmpx admin-prohibited # handle 159
	}
	chain filter_OUTPUT { # handle 151
		type filter hook output priority filter + 10; policy accept;
		ct state { established, related } accept # handle 166
		oifname "lo" accept # handle 167
		ip6 daddr { ::/96, ::ffff:0.0.0.0/96, 2002::/24, 2002:a00::/24 } reject with icmpv6 addr-unreachable # handle 169
	}
	chain filter_INPUT_ZONES { # handle 157
		iifname "eth0" goto filter_IN_public # handle 200
		goto filter_IN_public # handle 199
	}
	chain filter_IN_public { # handle 170
		jump filter_IN_public_allow # handle 178
		meta l4proto { icmp, ipv6-icmp } accept # handle 190
	}
	chain filter_IN_public_allow { # handle 174
		tcp dport 22 accept # handle 191
		ip6 daddr fe80::/64 udp dport 546 accept # handle 192
		` + allowed + `
	}
}`
	}
	// As ufw 0.36 makes it, with iptables-nft.
	ufw := func(allowed string) string {
		return `table ip filter { # handle 1
	chain ufw-before-input { # handle 3
		iifname "lo" counter packets 0 bytes 0 accept # handle 10
		ct state related,established counter packets 9 bytes 9 accept # handle 11
		ct state invalid counter packets 0 bytes 0 jump ufw-logging-deny # handle 12
		ct state invalid counter packets 0 bytes 0 drop # handle 13
		icmp type echo-request counter packets 0 bytes 0 accept # handle 14
		udp sport 67 udp dport 68 counter packets 0 bytes 0 accept # handle 15
		counter packets 3 bytes 3 jump ufw-not-local # handle 16
		ip daddr 224.0.0.251 udp dport 5353 counter packets 0 bytes 0 accept # handle 17
		counter packets 3 bytes 3 jump ufw-user-input # handle 18
	}
	chain ufw-logging-deny { # handle 4
		limit rate 3/minute burst 10 packets counter packets 0 bytes 0 log prefix "[UFW BLOCK] " # handle 20
	}
	chain ufw-not-local { # handle 5
		fib daddr type local counter packets 3 bytes 3 return # handle 21
		fib daddr type multicast counter packets 0 bytes 0 return # handle 22
		counter packets 0 bytes 0 drop # handle 23
	}
	chain ufw-after-input { # handle 6
		udp dport 137 counter packets 0 bytes 0 jump ufw-skip-to-policy-input # handle 24
		fib daddr type broadcast counter packets 0 bytes 0 jump ufw-skip-to-policy-input # handle 25
	}
	chain ufw-skip-to-policy-input { # handle 7
		counter packets 0 bytes 0 drop # handle 26
	}
	chain ufw-user-input { # handle 8
		` + allowed + `
	}
	chain INPUT { # handle 9
		type filter hook input priority filter; policy drop;
		counter packets 9 bytes 9 jump ufw-before-input # handle 27
		counter packets 0 bytes 0 jump ufw-after-input # handle 28
	}
}`
	}
	rhel := func(allowed string) string {
		return "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -p icmp -j ACCEPT\n" +
			"-A INPUT -i lo -j ACCEPT\n-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT\n" + allowed + "-A INPUT -j REJECT --reject-with icmp-host-prohibited"
	}
	tests := []struct {
		name, rules string
		blocks      bool // UDP port 5405
	}{
		{"nothing", "", false},
		{"the port", chain("input", "accept", "udp dport 5405 drop # handle 2"), true},
		{"another port", chain("input", "accept", "udp dport 53 drop # handle 2"), false},
		{"a range", chain("output", "accept", "udp dport 5400-5410 reject # handle 2"), true},
		{"a set", chain("input", "accept", "udp dport { 22, 5404-5406 } drop # handle 2"), true},
		{"a node", chain("input", "accept", "ip saddr 10.0.0.1 drop # handle 2"), true},
		{"TCP only", chain("input", "accept", "tcp dport 5405 drop # handle 2"), false},
		{"let in before", chain("input", "accept", "udp dport 5405-5412 accept # handle 3", "udp dport 5405 drop # handle 2"), false},
		{"a policy", chain("input", "drop", "tcp dport 22 accept # handle 2"), true},
		{"a policy with an exception", chain("input", "drop", "ct state established,related accept # handle 2", "udp dport 5405-5412 accept # handle 3"), false},
		{"what is established does not help a start", chain("input", "drop", "ct state established,related accept # handle 2"), true},
		{"invalid packets", chain("input", "accept", "ct state invalid drop # handle 2"), false},
		{"a rule of iptables", "-P INPUT ACCEPT\n-A INPUT -p udp -m udp --dport 5404:5406 -j DROP", true},
		{"a rule of iptables for another port", "-P INPUT ACCEPT\n-A INPUT -p udp -m multiport --dports 53,123 -j REJECT", false},
		{"a policy of iptables", "-P INPUT DROP\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -i lo -j ACCEPT", true},
		{"a policy of iptables with an exception", "-P INPUT DROP\n-A INPUT -p udp -m multiport --dports 5405:5412 -j ACCEPT", false},
		{"what is forwarded", chain("forward", "drop"), false},
		{"a reject with an ICMP message", chain("input", "accept", "udp dport 5405 reject with icmp port-unreachable # handle 2"), true},
		{"a reject of what is left", chain("input", "accept", "tcp dport 22 accept # handle 2", "reject with icmpx admin-prohibited # handle 3"), true},
		{"ICMP only", chain("input", "accept", "icmp type echo-request drop # handle 2", "meta l4proto { icmp, ipv6-icmp } drop # handle 3", "ip protocol igmp drop # handle 4"), false},
		{"other protocols let nothing in", chain("input", "drop", "ip protocol igmp accept # handle 2", "meta l4proto != udp accept # handle 3", "ct status dnat accept # handle 4"), true},
		{"what is new is let in", chain("input", "drop", "udp dport 5405-5412 ct state { new, untracked } accept # handle 2"), false},
		{"a log is no drop", chain("input", "accept", `log prefix "drop: " # handle 2`, `udp dport 53 drop comment "accept 5405 no more" # handle 3`), false},
		{"addresses of the machine itself", chain("input", "accept", `iifname != "lo" ip saddr 127.0.0.0/8 drop # handle 2`), false},
		{"what cannot be judged", chain("input", "accept", "ip saddr @banned drop # handle 2", "limit rate over 100/second drop # handle 3", "meta nfproto ipv6 fib saddr . mark . iif oif missing drop # handle 4"), false},
		{"a verdict map", chain("input", "accept", "udp dport vmap { 53 : accept, 5405 : drop } # handle 2"), true},
		{"a verdict map with an exception", chain("input", "drop", "ct state vmap { invalid : drop, established : accept } # handle 2", "udp dport vmap { 53 : drop, 5405-5412 : accept } # handle 3"), false},
		{"firewalld without the service", firewalld(""), true},
		{"firewalld with the service", firewalld("udp dport 5405-5412 accept # handle 9"), false},
		{"ufw by nft", ufw("udp dport 5405-5412 counter packets 1 bytes 46 accept # handle 31"), false},
		{"ufw by nft without the ports", ufw("tcp dport 22 counter packets 1 bytes 46 accept # handle 31"), true},
		{"iptables of RHEL", rhel(""), true},
		{"iptables of RHEL with the ports", rhel("-A INPUT -p udp -m state --state NEW -m udp --dport 5405:5412 -m comment --comment \"the cluster\" -j ACCEPT\n"), false},
		{"a chain of iptables that bans", "-P INPUT ACCEPT\n-N f2b-sshd\n-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n-A f2b-sshd -s 192.0.2.1/32 -j REJECT --reject-with icmp-port-unreachable\n-A f2b-sshd -j RETURN", false},
		{"a chain of iptables that rejects", "-P INPUT ACCEPT\n-N reject\n-A INPUT -p udp -j reject\n-A reject -s 10.0.0.0/8 -p tcp -j RETURN\n-A reject -j REJECT --reject-with icmp-port-unreachable", true},
		{"chains that lead to each other", chain("input", "drop", "jump c # handle 2"), false},
		{"no hook", "table inet fw { # handle 1\n\tchain c { # handle 1\n\t\tudp dport 5405 drop # handle 2\n\t}\n}", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := examined(t, "filter", tt.rules)
			if got := slices.ContainsFunc(s.Filter, func(f cluster.Filter) bool { return f.Blocks(5405) }); got != tt.blocks {
				t.Errorf("blocks: %v; %+v", got, s.Filter)
			}
		})
	}
}

func TestNoSignsWithoutAnExamination(t *testing.T) {
	f, err := cluster.ParseFacts("n1", []byte("end 0 0\n\n"), time.Unix(0, 0), time.Unix(0, 0))
	if err != nil || f.Signs != nil {
		t.Errorf("%v, %v", f.Signs, err)
	}
}
