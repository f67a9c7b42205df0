package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// generator makes configurations: such as an admin would write, with a mistake
// here and there, and such as nobody would.
type generator struct {
	*rand.Rand
	samples [][]byte // real ones, to change
	wrong   float64  // how often something is wrong
	indent  string
	colon   string
	eol     string
	b       *strings.Builder
}

// question is a configuration, and the name of the machine that it is tested on.
type question struct {
	Conf     []byte
	Hostname string
}

// generate returns the n-th question of a seed.
func generate(seed uint64, n int, samples [][]byte) question {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, uint64(n))), samples: samples}
	q := question{Hostname: "n1"}
	if g.chance(0.4) {
		q.Hostname = pick(g, hostnames...)
	}
	switch {
	case g.chance(0.5):
		q.Conf = g.conf()
	case g.chance(0.6):
		q.Conf = g.mutate(pick(g, g.samples...))
		if g.chance(0.7) { // the name of a machine for which the sample is right
			q.Hostname = pick(g, "n1", "pve1", "left", "tall", "node1", "other")
		}
	default:
		q.Conf = g.mutate(g.conf())
	}
	return q
}

func (g *generator) chance(p float64) bool { return g.Float64() < p }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

// or returns the first, or where something is to be wrong the second.
func (g *generator) or(right, wrong string) string {
	if g.chance(g.wrong) {
		return wrong
	}
	return right
}

// Values that keys may be given.
var (
	numbers = []string{"0", "1", "2", "5", "13", "14", "15", "28", "29", "30", "31", "42", "49", "50", "51", "60", "99", "100", "101", "126",
		"127", "128", "149", "150", "151", "200", "255", "256", "1000", "1500", "3000", "5000", "10000", "65535", "65536", "100000",
		"1789569706", "1789569707", "2147483647", "2147483648", "3579139412", "4294967295"}
	badNumbers = []string{"", "-1", "+5", "0x10", "010", "1e3", "1 000", "5ms", "one", "4294967296", "18446744073709551615",
		"18446744073709551616", "-9223372036854775809", "\v7", "7\v", "٣", "3.0"}
	words   = []string{"", "yes", "no", "on", "off", "none", "maybe", "YES", "true", "a b", "x:y", "#", "# c", "}", "a}b", "\xa0", "é", "0", "n1"}
	longish = []string{strings.Repeat("a", 63), strings.Repeat("a", 64), strings.Repeat("b", 200), strings.Repeat("c", 254)}
)

func (g *generator) number() string {
	if g.chance(g.wrong) {
		return pick(g, badNumbers...)
	}
	if g.chance(0.3) {
		return strconv.Itoa(g.IntN(300))
	}
	return pick(g, numbers...)
}

// choice is one of the values, or something wrong.
func (g *generator) choice(values ...string) string {
	return g.or(pick(g, values...), pick(g, words...))
}

func (g *generator) line(depth int, text string) {
	if g.chance(g.wrong / 4) {
		text = pick(g, text+" # comment", text+" ", "\t"+text, " "+text+"\t", text+"\xa0", "\xa0"+text, text+";", strings.ToUpper(text))
	}
	g.b.WriteString(strings.Repeat(g.indent, depth))
	g.b.WriteString(text)
	g.b.WriteString(g.eol)
	if g.chance(0.02) {
		g.b.WriteString(pick(g, "", "# a comment", "   # { }", "#", "\t"))
		g.b.WriteString(g.eol)
	}
}

func (g *generator) key(depth int, name, value string) {
	if g.chance(g.wrong / 8) {
		name = pick(g, name+"s", strings.ToUpper(name), name+" x", "x."+name, name+":", "", ".", "a@"+name, name+strings.Repeat("y", g.IntN(300)))
	}
	if g.chance(g.wrong / 16) {
		value = pick(g, longish...)
	}
	g.line(depth, name+g.colon+value)
	if g.chance(0.01) {
		g.line(depth, name+g.colon+value)
	}
}

// maybe writes the key in some of the cases.
func (g *generator) maybe(p float64, depth int, name string, value func() string) {
	if g.chance(p) {
		g.key(depth, name, value())
	}
}

func (g *generator) section(depth int, name string, inner func(depth int)) {
	if g.chance(g.wrong / 16) {
		g.line(depth, pick(g, name, "{", name+" { }", name+" { x", name+"{{", name+" : {", "}", "b@d {", strings.Repeat("s", 260)+" {"))
	}
	g.line(depth, name+pick(g, " {", " {", " {", "{", "  { ", ":{"))
	inner(depth + 1)
	if g.chance(g.wrong / 16) {
		g.line(depth, pick(g, "}}", "} x", "x }", "", "} # end", "};"))
	}
	g.line(depth, "}")
}

// conf makes a configuration from the grammar.
func (g *generator) conf() []byte {
	g.b = &strings.Builder{}
	g.wrong = pick(g, 0, 0, 0, 0.01, 0.03, 0.1)
	g.indent = pick(g, "\t", "    ", "  ", "")
	g.colon = pick(g, ": ", ": ", ":", " : ", ":\t")
	g.eol = pick(g, "\n", "\n", "\n", "\n", "\r\n")
	c := g.plan()
	parts := []func(){func() { g.totem(c) }, func() { g.nodelist(c) }}
	for _, other := range []struct {
		p    float64
		part func()
	}{{0.8, g.quorum}, {0.7, g.logging}, {0.15, g.system}, {0.1, g.uidgid}, {0.1, g.resources}, {0.1, g.odd}} {
		if g.chance(other.p) {
			parts = append(parts, other.part)
		}
	}
	if c.slip == "state_dir" {
		parts = append(parts, func() {
			g.section(0, "system", func(d int) { g.key(d, "state_dir", pick(g, "/nosuch", "", "/etc/hosts", "/var/lib/corosyn")) })
		})
	}
	if g.chance(0.5) {
		g.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	}
	if g.chance(g.wrong) {
		parts = slices.Delete(parts, 0, 1)
	}
	for _, part := range parts {
		part()
		if g.chance(0.5) {
			g.b.WriteString(g.eol)
		}
	}
	text := g.b.String()
	if g.chance(0.05) {
		text = strings.TrimSuffix(text, g.eol)
	}
	return []byte(text)
}

// design is what the parts of a configuration must agree on.
type design struct {
	transport string
	nodes     int
	links     []int
	family    int // 4 or 6
	mixed     bool
	byName    bool // nodes are listed by host name
	names     bool // nodes have names
	ids       bool
	slip      string // one thing that is wrong where all else is right
}

// slips are what design.slip can be.
var slips = []string{"hash", "crypto", "links", "knet_transport", "keyfile", "no key", "link_mode", "addresses", "address", "version", "id", "same id", "big id", "name",
	"link", "link 8", "mcast", "ttl", "priority", "transport", "family", "no cluster_name", "state_dir"}

func (g *generator) plan() design {
	c := design{transport: pick(g, "", "", "knet", "knet", "udpu", "udp"), nodes: 1 + g.IntN(4), links: []int{0}, family: 4}
	if g.chance(0.05) {
		c.nodes = 5 + g.IntN(20)
	}
	knet := c.transport == "" || c.transport == "knet"
	if knet && g.chance(0.4) || g.chance(g.wrong) {
		c.links = g.Perm(8)[:1+g.IntN(3)]
		slices.Sort(c.links)
	}
	if g.chance(0.2) && c.transport != "udp" {
		c.family = 6
	}
	c.byName = g.chance(0.2)
	c.names = len(c.links) > 1 || g.chance(0.7)
	c.ids = knet || g.chance(0.6) || c.family == 6
	c.mixed = g.chance(g.wrong)
	if g.wrong == 0 && g.chance(0.3) {
		c.slip = pick(g, slips...)
	}
	switch c.slip {
	case "links":
		c.transport, c.links, c.names = pick(g, "udp", "udpu"), []int{0, 1}, true
	case "name", "link":
		c.transport, c.links, c.names, c.nodes, c.ids = "knet", []int{0, 1}, true, 2, true
	case "mcast", "no cluster_name":
		c.transport = "udp"
	case "same id":
		c.nodes, c.ids = 2+g.IntN(25), true
	case "ttl":
		c.transport = pick(g, "knet", "udpu")
	case "priority", "crypto":
		c.transport = pick(g, "udp", "udpu")
	}
	return c
}

var totemTimers = []string{"token", "token_coefficient", "token_warning", "token_retransmit", "token_retransmits_before_loss_const", "hold", "join",
	"send_join", "consensus", "merge", "downcheck", "max_network_delay", "fail_recv_const", "seqno_unchanged_const", "heartbeat_failures_allowed",
	"window_size", "max_messages", "miss_count_const", "knet_pmtud_interval", "knet_mtu", "netmtu", "threads", "knet_compression_threshold",
	"knet_compression_level", "rrp_problem_count_timeout", "rrp_problem_count_threshold", "rrp_token_expired_timeout"}

// times that are right, mostly.
func (g *generator) time() string {
	if g.chance(0.7 - g.wrong) {
		return strconv.Itoa(100 + g.IntN(20000))
	}
	return g.number()
}

func (g *generator) totem(c design) {
	g.section(0, "totem", func(d int) {
		switch {
		case c.slip == "version":
			g.maybe(0.5, d, "version", g.number)
		case !g.chance(g.wrong / 2):
			g.key(d, "version", g.or("2", g.number()))
		}
		if c.slip != "no cluster_name" {
			g.maybe(0.8, d, "cluster_name", func() string { return g.choice("prod", "a", "my cluster", "x.y") })
		}
		g.maybe(0.5, d, "config_version", g.number)
		if c.transport != "" {
			g.key(d, "transport", g.or(c.transport, pick(g, "iba", "tcp", "", "Knet", "udp")))
		}
		g.maybe(0.15, d, "ip_version", func() string { return g.choice("ipv4", "ipv6", "ipv4-6", "ipv6-4") })
		switch c.slip {
		case "transport":
			g.key(d, "transport", pick(g, "iba", "tcp", "", "KNET"))
		case "link_mode":
			g.key(d, "link_mode", pick(g, "", "Active", "none", strings.Repeat("a", 64)))
		}
		g.crypto(d, c)
		g.maybe(0.1, d, "link_mode", func() string { return g.choice("passive", "active", "rr") })
		g.maybe(0.05, d, "rrp_mode", func() string { return g.choice("none", "passive", "active") })
		g.maybe(0.05, d, "nodeid", g.number)
		g.maybe(0.05, d, "clear_node_high_bit", func() string { return g.choice("yes", "no") })
		g.maybe(0.05, d, "ip_dscp", func() string { return g.choice("cs0", "af11", "ef", "46", "0x2e", "056", "64", "-1", "ef1") })
		g.maybe(0.05, d, "block_unlisted_ips", func() string { return g.choice("yes", "no") })
		g.maybe(0.05, d, "knet_compression_model", func() string {
			return g.choice("zlib", "lz4", "lz4hc", "lzo2", "lzma", "bzip2", "zstd", "none", "gzip")
		})
		for range g.IntN(4) {
			g.key(d, pick(g, totemTimers...), g.time())
		}
		if g.chance(0.3) || c.transport == "udp" && g.chance(0.5) || slices.Contains([]string{"mcast", "ttl", "priority", "knet_transport"}, c.slip) {
			for range 1 + g.IntN(2) {
				g.interfaceSection(d, c)
			}
		}
	})
}

func (g *generator) crypto(d int, c design) {
	switch c.slip {
	case "hash":
		g.key(d, "crypto_cipher", "aes256")
		g.maybe(0.5, d, "crypto_hash", func() string { return "none" })
		return
	case "crypto":
		g.key(d, "crypto_hash", "sha256")
		g.maybe(0.5, d, "crypto_cipher", func() string { return pick(g, "none", "aes128") })
		return
	case "keyfile":
		g.key(d, "secauth", "on")
		g.key(d, "keyfile", pick(g, "/etc/corosync/key127", "/etc/corosync/key0", "/etc/corosync/none", "", "/etc/corosync", "authkeys"))
		return
	case "no key":
		g.key(d, "secauth", "on")
		g.key(d, "key", strings.Repeat("k", 120+g.IntN(10)))
		return
	}
	p := 0.4
	if c.transport == "udp" || c.transport == "udpu" {
		p = g.wrong
	}
	if g.chance(p) {
		switch g.IntN(4) {
		case 0:
			g.key(d, "secauth", g.choice("on", "off"))
		case 1:
			g.key(d, "crypto_hash", g.choice("sha1", "sha256", "sha384", "sha512", "md5", "none"))
		default:
			g.key(d, "crypto_cipher", g.choice("aes256", "aes192", "aes128", "none"))
			g.key(d, "crypto_hash", g.or(pick(g, "sha1", "sha256", "sha384", "sha512", "md5"), pick(g, "none", "sha3")))
		}
		g.maybe(0.2, d, "crypto_model", func() string { return g.choice("nss", "openssl", "gcrypt") })
	}
	g.maybe(0.15, d, "keyfile", func() string {
		return g.choice("/etc/corosync/key128", "/etc/corosync/key127", "/etc/corosync/key4096", "/etc/corosync/key5000", "/etc/corosync/key0", "/etc/corosync/none",
			"authkey", "../corosync/authkey", "/etc/corosync", "/etc/corosync/../corosync/authkey", "//etc/corosync/authkey")
	})
	g.maybe(0.05, d, "key", func() string { return strings.Repeat("k", pick(g, 1, 126, 127, 128, 129, 400)) })
}

func (g *generator) interfaceSection(d int, c design) {
	g.section(d, "interface", func(d int) {
		link := pick(g, c.links...)
		if link > 0 || g.chance(0.5) {
			g.key(d, pick(g, "linknumber", "linknumber", "linknumber", "ringnumber"), g.or(strconv.Itoa(link), pick(g, "7", "8", "255", "256", "x")))
		}
		g.maybe(0.3, d, "bindnetaddr", func() string { return g.or(pick(g, "10.0.0.0", "10.0.0.1", "fd00::", "n1"), g.address(c, 0, 0)) })
		switch c.slip {
		case "mcast":
			g.key(d, "mcastaddr", pick(g, "10.1.1.1", "255.255.255.255", "ff15::1", "x", ""))
		case "ttl":
			g.key(d, "ttl", pick(g, "0", "2"))
		case "priority":
			g.key(d, "knet_link_priority", pick(g, "0", "2"))
		case "knet_transport":
			g.key(d, "knet_transport", pick(g, "tcp", "", "UDP"))
		}
		g.maybe(0.3, d, "mcastaddr", func() string {
			return g.or(pick(g, "239.255.1.1", "226.94.1.1", "ff15::1"), pick(g, "10.1.1.1", "255.255.255.255", "x", "", "n1", "1"))
		})
		g.maybe(0.5, d, "mcastport", func() string { return g.or(pick(g, "5405", "5406", "0", "65535"), pick(g, "65536", "-1", "http")) })
		g.maybe(0.1, d, "ttl", func() string { return g.or(pick(g, "0", "1", "2", "255"), g.number()) })
		g.maybe(0.05, d, "broadcast", func() string { return g.choice("yes", "no") })
		g.maybe(0.2, d, "knet_link_priority", func() string { return g.or(pick(g, "0", "1", "5", "255"), g.number()) })
		g.maybe(0.2, d, "knet_transport", func() string { return g.choice("udp", "sctp") })
		for _, key := range []string{"knet_ping_interval", "knet_ping_timeout", "knet_ping_precision", "knet_pong_count"} {
			g.maybe(0.1, d, key, g.number)
		}
		if g.chance(0.05) {
			for i := range 1 + g.IntN(2) {
				g.section(d, "member", func(d int) { g.key(d, g.or("memberaddr", "ring0_addr"), g.address(c, i, 0)) })
			}
		}
	})
}

// address is one of the i-th node on a link, or something wrong.
func (g *generator) address(c design, i, link int) string {
	if g.chance(g.wrong) || c.slip == "address" && g.chance(0.3) {
		return pick(g, "", "nosuch", "nosuch.example.com", "10.0.0", "10.0.0.256", "010.0.0.1", "0x0a.0.0.1", "167772161", "10.1", "1.2.3.4.5", "fd00::g", ":::",
			"::ffff:10.0.0.1", "fe80::1%lo", "fd00::1%lo", "fe80::1%1", "*", "n1 ", "N1", "n1.", "ip6-localhost", "localhost", "both", "n1-six", "0.0.0.0", "::", "255.255.255.255",
			"10.0.0.1 # x", "-1", "10.0.0.-1", "1.2.3.", ".", "08.0.0.1", "10.0.0.1/24", "[fd00::1]", "e\xcc\x81", "0x", "0b1", "1_0")
	}
	family := c.family
	if (c.mixed || c.slip == "family") && g.chance(0.5) {
		family = 10 - family
	}
	if c.byName && i < 3 && link == 0 {
		if family == 6 {
			return []string{"n1-six", "n2-six", "n3-six"}[i]
		}
		return []string{"n1", "n2", "n3"}[i]
	}
	if family == 6 {
		return fmt.Sprintf("fd00:%x::%x", link, i+1)
	}
	return fmt.Sprintf("10.%d.0.%d", link, i+1)
}

func (g *generator) nodelist(c design) {
	g.section(0, "nodelist", func(d int) {
		for i := range c.nodes {
			if g.chance(g.wrong / 8) { // a second list begins
				g.line(0, "}")
				g.line(0, "nodelist {")
			}
			g.section(d, "node", func(d int) { g.node(d, c, i) })
		}
	})
}

func (g *generator) node(d int, c design, i int) {
	var lines []func()
	for _, link := range c.links {
		if g.chance(g.wrong/4) || c.slip == "addresses" || c.slip == "link" && link == 1 && i == 1 {
			continue
		}
		name := fmt.Sprintf("ring%d_addr", link)
		if g.chance(g.wrong / 8) {
			name = pick(g, "ring8_addr", "ring00_addr", "ring-1_addr", "ring01_addr", "ring_addr", "ring0_addrs", "ring4294967296_addr", "ring1_addr", "ring7_addr")
		}
		if c.slip == "link 8" && i == 0 {
			name = pick(g, "ring8_addr", "ring-1_addr", "ring99999999999_addr")
		}
		lines = append(lines, func() { g.key(d, name, g.address(c, i, link)) })
	}
	if c.names && !g.chance(g.wrong/4) && (c.slip != "name" || i > 0 || g.chance(0.5)) {
		name := fmt.Sprintf("n%d", i+1)
		if i == 0 && g.chance(0.1) {
			name = pick(g, "n1.example.com", "n1-alias", "store1", "three", "localhost", "10", "127", "n1.other.org", "10.0.1.1", "fd00:20::1", "one", "one.two", "loop", "both", "n1-six")
		}
		lines = append(lines, func() { g.key(d, "name", g.or(name, pick(g, "nosuch", "", "n1", "n2", "a b"))) })
	}
	if c.ids && !g.chance(g.wrong/4) && (c.slip != "id" || g.chance(0.5)) {
		lines = append(lines, func() {
			switch c.slip {
			case "same id":
				g.key(d, "nodeid", strconv.Itoa(1+g.IntN(3+c.nodes*c.nodes/2))) // maybe
				return
			case "big id":
				g.key(d, "nodeid", strconv.Itoa(65534+i))
				return
			}
			g.key(d, "nodeid", g.or(strconv.Itoa(i+1), pick(g, "0", "1", "2", "65535", "65536", "4294967295", "167772161", "-1", "x")))
		})
	}
	if g.chance(0.3) {
		lines = append(lines, func() { g.key(d, "quorum_votes", g.number()) })
	}
	if g.chance(g.wrong / 4) {
		lines = append(lines, func() {
			g.section(d, pick(g, "inner", "node", "b@d"), func(d int) { g.key(d, pick(g, "nodeid", "x", "ring1_addr"), g.number()) })
		})
	}
	if g.chance(0.3) {
		g.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	}
	for _, line := range lines {
		line()
	}
}

func (g *generator) quorum() {
	g.section(0, "quorum", func(d int) {
		g.maybe(0.9, d, "provider", func() string { return g.choice("corosync_votequorum", "foo") })
		for _, key := range []string{"expected_votes", "two_node", "wait_for_all", "last_man_standing", "auto_tie_breaker", "votes", "last_man_standing_window", "leaving_timeout"} {
			g.maybe(0.1, d, key, func() string { return g.or(pick(g, "0", "1", "2", "255"), g.number()) })
		}
		if g.chance(0.1) {
			g.section(d, "device", func(d int) {
				g.key(d, "model", "net")
				g.maybe(0.5, d, "votes", g.number)
				g.maybe(0.2, d, "master_wins", func() string { return g.or("1", g.number()) })
				g.section(d, "net", func(d int) { g.key(d, "host", "q") })
			})
		}
	})
}

func (g *generator) logKeys(d int) {
	for range g.IntN(4) {
		switch g.IntN(5) {
		case 0, 1:
			g.key(d, pick(g, "to_stderr", "to_syslog", "to_logfile", "to_file"), g.choice("yes", "no", "on", "off"))
		case 2:
			g.key(d, pick(g, "syslog_priority", "logfile_priority", "syslog_level"), g.choice("alert", "crit", "debug", "emerg", "err", "error", "info", "notice", "warning", "WARNING", "trace"))
		case 3:
			g.key(d, "debug", g.choice("on", "off", "trace"))
		default:
			g.key(d, "syslog_facility", g.choice("daemon", "local0", "local7", "kern", "user", "auth", "uucp", "DAEMON", "local8"))
		}
	}
	g.maybe(0.3, d, "logfile", func() string {
		return g.or(pick(g, "/var/log/corosync/corosync.log", "/var/log/corosync/b.log", "/tmp/c.log", "corosync.log"),
			pick(g, "/var/log/none/x.log", "/var/log/corosync", "/var/log/corosync/", "", "/etc/hosts/x", "/var/log/corosync/"+strings.Repeat("x", 256)))
	})
}

func (g *generator) logging() {
	g.section(0, "logging", func(d int) {
		g.logKeys(d)
		g.maybe(0.3, d, "timestamp", func() string { return g.choice("on", "off", "hires") })
		g.maybe(0.1, d, "fileline", func() string { return g.choice("on", "off") })
		g.maybe(0.1, d, "function_name", func() string { return g.choice("on", "off") })
		g.maybe(0.1, d, "blackbox", func() string { return g.choice("on", "off") })
		for range pick(g, 0, 0, 1, 2) {
			g.section(d, "logger_subsys", func(d int) {
				if !g.chance(g.wrong / 2) {
					g.key(d, "subsys", g.or(pick(g, "QUORUM", "TOTEM", "CMAP", "X"), pick(g, "", "a b", "a.b", strings.Repeat("S", 63), strings.Repeat("S", 64), "a.subsys")))
				}
				g.logKeys(d)
			})
		}
		if g.chance(0.05) {
			g.section(d, "logging_daemon", func(d int) {
				g.maybe(0.9, d, "name", func() string { return g.or(pick(g, "corosync", "qdevice"), pick(g, "", "a b")) })
				g.maybe(0.5, d, "subsys", func() string { return g.or("TOTEM", pick(g, "", "a b", strings.Repeat("S", 64))) })
				g.logKeys(d)
			})
		}
		if g.chance(0.01) {
			for i := range 10 + g.IntN(20) {
				g.section(d, "logger_subsys", func(d int) {
					g.key(d, "subsys", fmt.Sprintf("S%d", i))
					g.maybe(0.2, d, "logfile", func() string { return fmt.Sprintf("/tmp/%d.log", i) })
				})
			}
		}
	})
}

func (g *generator) system() {
	g.section(0, "system", func(d int) {
		g.maybe(0.3, d, "qb_ipc_type", func() string { return g.choice("native", "shm", "socket") })
		g.maybe(0.3, d, "sched_rr", func() string { return g.choice("yes", "no") })
		g.maybe(0.3, d, "move_to_root_cgroup", func() string { return g.choice("yes", "no", "auto") })
		g.maybe(0.3, d, "allow_knet_handle_fallback", func() string { return g.choice("yes", "no") })
		g.maybe(0.3, d, "priority", func() string { return g.choice("max", "min", "5", "x") })
		g.maybe(0.3, d, "state_dir", func() string {
			return g.or(pick(g, "/var/lib/corosync", "/tmp", "/var/lib/corosync/", "/etc"), pick(g, "/nosuch", "", "var/lib", "/etc/hosts", "."))
		})
	})
}

func (g *generator) uidgid() {
	g.section(0, "uidgid", func(d int) {
		g.maybe(0.8, d, "uid", func() string {
			return g.or(pick(g, "root", "0", "1000", "nobody"), pick(g, "nosuchuser", "-1", "4294967294", "4294967295", "4294967296", "", "root "))
		})
		g.maybe(0.8, d, "gid", func() string { return g.or(pick(g, "root", "0", "adm"), pick(g, "nosuchgroup", "-1", "1x")) })
		g.maybe(g.wrong, d, "pid", func() string { return "1" })
		if g.chance(g.wrong) {
			g.section(d, "x", func(d int) { g.maybe(0.5, d, "uid", func() string { return "0" }) })
		}
	})
}

func (g *generator) resources() {
	g.section(0, "resources", func(d int) {
		g.maybe(0.5, d, "watchdog_timeout", g.number)
		g.maybe(0.5, d, "watchdog_device", func() string { return g.choice("off", "/dev/watchdog") })
		g.section(d, pick(g, "system", "process", "other"), func(d int) {
			g.maybe(0.5, d, "poll_period", g.number)
			g.section(d, pick(g, "memory_used", "load_15min"), func(d int) {
				g.maybe(0.8, d, "poll_period", g.number)
				g.maybe(0.5, d, "watchdog_timeout", g.number)
				g.key(d, "max", "80")
			})
		})
	})
}

// odd writes what corosync takes all the same.
func (g *generator) odd() {
	switch g.IntN(6) {
	case 0: // keys by their whole name
		g.key(0, pick(g, "totem.version", "totem.token", "totem.transport", "totem.secauth", "totem.crypto_cipher", "totem.interface.1.mcastport", "totem.interface.9.x",
			"totem.interface.x.y", "nodelist.node.0.ring1_addr", "nodelist.node.7.ring0_addr", "nodelist.node.0.name", "logging.debug", "logging.logger_subsys.A.subsys",
			"nodelist.node.1.nodeid", "system.state_dir", "totem.interface.0.bindnetaddr"), pick(g, "2", "on", "udp", "aes256", "10.0.0.1", "n1", "/tmp", "x"))
	case 1:
		g.section(0, pick(g, "nozzle", "pload", "qb", "service", "amf"), func(d int) { g.key(d, pick(g, "name", "count", "ipc_type"), pick(g, words...)) })
	case 2:
		g.section(0, "totem.interface", func(d int) { g.key(d, "mcastport", g.number()) })
	case 3:
		g.section(0, "nodelist.node", func(d int) { g.key(d, "ring0_addr", "10.0.0.1"); g.key(d, "nodeid", "77") })
	case 4:
		g.section(0, "logging.logger_subsys", func(d int) { g.key(d, "subsys", "A"); g.key(d, "debug", g.choice("on", "off")) })
	default:
		g.section(0, "totem", func(d int) { g.key(d, pick(g, totemTimers...), g.number()) })
	}
}

// mutate changes a configuration in a few places.
func (g *generator) mutate(conf []byte) []byte {
	g.wrong = 0.3
	lines := bytes.SplitAfter(conf, []byte("\n"))
	for range 1 + g.IntN(4) {
		if len(lines) < 2 {
			break
		}
		i := g.IntN(len(lines))
		switch g.IntN(12) {
		case 0:
			lines = slices.Delete(lines, i, i+1)
		case 1:
			lines = slices.Insert(lines, i, lines[g.IntN(len(lines))])
		case 2:
			j := g.IntN(len(lines))
			lines[i], lines[j] = lines[j], lines[i]
		case 3, 4, 5, 6:
			lines[i] = g.mutateValue(lines[i])
		case 7:
			lines[i] = g.mutateBytes(lines[i])
		case 8:
			lines = slices.Insert(lines, i, []byte(g.snippet()))
		case 9:
			lines[i] = bytes.TrimRight(lines[i], "\r\n") // joins two
		case 10:
			lines = append(lines[:i:i], append(slices.Clone(lines[min(len(lines), i+1+g.IntN(4)):]), []byte{})...)
		default:
			long := pick(g, 509, 510, 511, 512, 513, 1022) - len(bytes.TrimRight(lines[i], "\n"))
			lines[i] = append(bytes.Repeat([]byte(pick(g, " ", "#", "x")), max(0, long)), lines[i]...)
		}
	}
	return bytes.Join(lines, nil)
}

// mutateValue gives the key on the line another value.
func (g *generator) mutateValue(line []byte) []byte {
	key, value, ok := strings.Cut(strings.TrimRight(string(line), "\r\n"), ":")
	if !ok {
		return line
	}
	switch name := strings.TrimSpace(key); {
	case strings.HasPrefix(name, "ring") || strings.HasSuffix(name, "addr"):
		value = g.address(design{family: pick(g, 4, 4, 6)}, g.IntN(3), g.IntN(2))
	case name == "name":
		value = pick(g, "n1", "n2", "pve1", "left", "other", "nosuch", "", "localhost")
	case name == "transport":
		value = pick(g, "knet", "udp", "udpu", "iba", "")
	case strings.HasPrefix(name, "crypto") || name == "secauth":
		value = pick(g, "none", "aes256", "sha256", "sha1", "on", "off", "nss", "3des")
	case strings.ContainsAny(value, "0123456789"):
		value = g.number()
	default:
		value = pick(g, words...)
	}
	return []byte(key + ": " + value + "\n")
}

func (g *generator) mutateBytes(line []byte) []byte {
	line = slices.Clone(line)
	for range 1 + g.IntN(2) {
		i := g.IntN(len(line) + 1)
		odd := pick(g, "{", "}", ":", "#", " ", "\t", "\r", "\n", "\xa0", "\xc2\xa0", "\xff", "\"", "\v", "\x00", "=", ".", "é", "0", "_")
		if g.chance(0.8) && odd == "\x00" {
			odd = "\x01"
		}
		if i < len(line) && g.chance(0.5) {
			line = slices.Delete(line, i, i+1)
		}
		line = slices.Insert(line, i, []byte(odd)...)
	}
	return line
}

// snippet is something to put between two lines.
func (g *generator) snippet() string {
	g.b = &strings.Builder{}
	g.indent, g.colon, g.eol = "\t", ": ", "\n"
	c := g.plan()
	switch g.IntN(10) {
	case 0:
		g.interfaceSection(1, c)
	case 1:
		g.section(1, "node", func(d int) { g.node(d, c, g.IntN(4)) })
	case 2:
		g.key(1, pick(g, totemTimers...), g.number())
	case 3:
		g.crypto(1, c)
	case 4:
		g.logKeys(1)
	case 5:
		g.uidgid()
	case 6:
		g.odd()
	case 7:
		g.node(1, c, g.IntN(3))
	case 8:
		g.line(0, pick(g, "}", "{", "x {", "totem {", "nodelist {", "logging {", ":", ": x", "  :", "x", "}}", "}{", "{}", "#{", "\xa0", "\xa0x: y", "x\xa0: y", "x: \xa0", "a:{"))
	default:
		g.key(1, pick(g, "transport", "name", "subsys", "linknumber", "nodeid", "ring0_addr", "ring1_addr", "mcastport", "link_mode", "version"), g.number())
	}
	return g.b.String()
}
