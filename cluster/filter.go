package cluster

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Filter is a rule of a packet filter that drops or rejects, or a chain that
// does so with what no rule lets in.
type Filter struct {
	Family, Table, Chain string // of nftables; of iptables the chain alone
	Hook                 string // input, output, prerouting, ...
	Rule                 string // in nftables with its handle; for a chain its policy

	base    string     // the chain at the hook, from which others lead to Chain; "": Chain
	way     []string   // what a packet must match: the rules that lead to Chain, and Rule; nil: Rule
	accepts [][]string // the ways on which packets are let through before
}

const policyDrop = "policy drop"

var (
	chainHook = regexp.MustCompile(`type filter hook (\w+) .*?(?:policy (\w+);)?\s*$`)
	handle    = regexp.MustCompile(` # handle \d+$`)

	// What a rule says to people, and with what it rejects, is no part of what it matches.
	remarks = regexp.MustCompile(`(?:-m comment )?(?:--)?\b(?:log-)?(?:comment|prefix) (?:"(?:[^"\\]|\\.)*"|\S+)|\bwith icmp.*|--reject-with \S+|^-A \S+ `)
	verdict = regexp.MustCompile(`\b(accept|drop|reject|return)\b|\b(?:jump|goto) ([^\s,}]+)|-[jg] (\S+)`)
	vmap    = regexp.MustCompile(`^(.*?) vmap \{ (.*) \}`)

	ports    = regexp.MustCompile(`(! )?(?:--|\b)[ds]?ports? (!= )?(\{[^}]*\}|\S+)`)
	protocol = regexp.MustCompile(`(! )?(?:\bip protocol|\bl4proto|\bnexthdr|-p) (!= )?(\{[^}]*\}|\S+)`)
	states   = regexp.MustCompile(`(! )?(?:\bct state|--ctstate|--state) (!= )?(\{[^}]*\}|\S+)`)
	headers  = regexp.MustCompile(`\b(?:tcp|sctp|dccp) (?:[ds]port|flags|option)\b|\bicmp(?:v6)? (?:type|code)\b|\b(?:esp|ah) spi\b`)

	// What no packet from node to node is: of the machine itself, to all or many, of a
	// flow that is redirected, or of addresses that firewalld shuts out (RFC 3964).
	foreign = regexp.MustCompile(`(?:name|if) "?lo\b|(?:^|[^!] )-[io] lo |addr 127\.|-[sd] 127\.|addr ::1 |` +
		`type "?(?i:broadcast|multicast|anycast)\b|\bct status\b|--ctstatus|\b2002::/24`)

	// What cannot be judged from the rules alone.
	uncertain = regexp.MustCompile(`@\w|\bxt[ _]|\b(?:mark|limit|hashlimit|connlimit|recent|meter|count|fib|rpfilter|addrtype|pkttype|set|owner|socket)\b`)
)

// filterChain is a chain of a packet filter.
type filterChain struct {
	family, table, name string
	hook, policy        string // of one at a hook
	rules               []string
}

// parseFilter reads `nft -a list ruleset`, or `iptables -S` where there is no nft:
// what drops or rejects at a hook.
func parseFilter(out string) []Filter {
	read := parseNft
	if strings.HasPrefix(out, "-") {
		read = parseIptables
	}
	chains := read(out)
	var all []Filter
	for _, c := range chains {
		if c.hook == "" {
			continue
		}
		w := &filterWalk{chains: chains, base: c, left: 20000}
		accepts := w.walk(c, nil, nil)
		if c.policy == "drop" {
			w.add(c, policyDrop, nil, accepts)
		}
		if w.left > 0 { // else it is not known what lets packets in
			all = append(all, w.found...)
		}
	}
	return all
}

// parseNft reads `nft -a list ruleset`.
func parseNft(out string) []*filterChain {
	var all []*filterChain
	var at *filterChain
	family, table := "", ""
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		fields := strings.Fields(line)
		switch {
		case len(fields) >= 3 && fields[0] == "table":
			family, table = fields[1], fields[2]
		case len(fields) >= 2 && fields[0] == "chain":
			at = &filterChain{family: family, table: table, name: fields[1]}
			all = append(all, at)
		case line == "}":
			at = nil
		case at == nil:
		case chainHook.MatchString(line):
			m := chainHook.FindStringSubmatch(line)
			at.hook, at.policy = m[1], m[2]
		default:
			at.rules = append(at.rules, line)
		}
	}
	return all
}

// parseIptables reads `iptables -S`.
func parseIptables(out string) []*filterChain {
	var all []*filterChain
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		i := slices.IndexFunc(all, func(c *filterChain) bool { return c.name == fields[1] })
		if i < 0 {
			c := &filterChain{name: fields[1]}
			if c.name == "INPUT" || c.name == "OUTPUT" {
				c.hook = strings.ToLower(c.name)
			}
			i, all = len(all), append(all, c)
		}
		switch {
		case fields[0] == "-P" && len(fields) == 3:
			all[i].policy = strings.ToLower(fields[2])
		case fields[0] == "-A":
			all[i].rules = append(all[i].rules, line)
		}
	}
	return all
}

// filterWalk follows the rules from a hook on.
type filterWalk struct {
	chains []*filterChain
	base   *filterChain
	found  []Filter
	left   int // rules to look at, for chains that lead to each other again and again
}

// walk goes through a chain to which via leads what accepts does not let
// through before, and returns the ways on which packets are let through after it.
func (w *filterWalk) walk(c *filterChain, via []string, accepts [][]string) [][]string {
	var returns [][]string // on which they leave this chain alone
	before := func() [][]string {
		if len(returns) == 0 {
			return slices.Clip(accepts)
		}
		return slices.Concat(accepts, returns)
	}
	for _, line := range c.rules {
		if w.left--; w.left <= 0 {
			break
		}
		for _, r := range expand(line) {
			way := append(slices.Clip(via), r)
			switch does, to := decides(r); does {
			case "accept":
				accepts = append(accepts, way)
			case "return":
				returns = append(returns, way)
			case "drop", "reject":
				w.add(c, line, way, before())
			default:
				for _, next := range w.chains {
					if next.name == to && next.family == c.family && next.table == c.table {
						so := before()
						accepts = append(accepts, w.walk(next, way, so)[len(so):]...)
					}
				}
			}
		}
	}
	return accepts
}

// decides returns what becomes of packets that match a rule, or the chain that
// they go to.
func decides(rule string) (does, to string) {
	switch m := verdict.FindStringSubmatch(rule); {
	case m == nil:
		return "", ""
	case slices.Contains([]string{"ACCEPT", "DROP", "REJECT", "RETURN"}, m[3]):
		return strings.ToLower(m[3]), ""
	default:
		return m[1], m[2] + m[3]
	}
}

func (w *filterWalk) add(c *filterChain, rule string, way []string, accepts [][]string) {
	w.found = append(w.found, Filter{Family: c.family, Table: c.table, Chain: c.name, Hook: w.base.hook, Rule: rule, base: w.base.name, way: way, accepts: accepts})
}

// expand returns what a rule matches and decides: each element of a verdict map
// is a rule.
func expand(line string) []string {
	line = strings.TrimSpace(remarks.ReplaceAllString(handle.ReplaceAllString(line, ""), ""))
	m := vmap.FindStringSubmatch(line)
	if m == nil {
		return []string{line}
	}
	var all []string
	for element := range strings.SplitSeq(m[2], ", ") {
		if key, does, ok := strings.Cut(element, " : "); ok {
			all = append(all, m[1]+" "+key+" "+does)
		}
	}
	return all
}

// Blocks tells whether the filter keeps UDP packets to a port away. What it
// says of other things than protocol and port is taken to hold for some of them.
// What cannot be judged is taken to let them through.
func (f Filter) Blocks(port int) bool {
	if f.Hook != "input" && f.Hook != "output" && f.Hook != "prerouting" && f.Hook != "postrouting" {
		return false
	}
	all := func(way []string) bool {
		return !slices.ContainsFunc(way, func(r string) bool { return !concerns(r, port) })
	}
	way := f.way
	if way == nil && f.Rule != policyDrop {
		way = expand(f.Rule)
	}
	return all(way) && !slices.ContainsFunc(way, uncertain.MatchString) && !slices.ContainsFunc(f.accepts, all)
}

// concerns tells whether a rule can be about UDP packets to a port that come from
// another node and belong to no flow that the filter knows.
func concerns(rule string, port int) bool {
	if foreign.MatchString(rule) || headers.MatchString(rule) {
		return false
	}
	matches := func(field *regexp.Regexp, ours func(value string) bool) bool {
		for _, m := range field.FindAllStringSubmatch(rule, -1) {
			not := m[1]+m[2] != ""
			if !strings.HasPrefix(m[3], "@") && slices.ContainsFunc(elements(m[3]), ours) == not {
				return false
			}
		}
		return true
	}
	return matches(protocol, func(p string) bool { return slices.Contains([]string{"udp", "17", "all", "0"}, p) }) &&
		matches(states, func(s string) bool { return slices.Contains([]string{"new", "untracked"}, strings.ToLower(s)) }) &&
		matches(ports, func(p string) bool {
			from, to, isRange := strings.Cut(strings.ReplaceAll(p, ":", "-"), "-")
			lo, err := strconv.Atoi(from)
			hi := lo
			if isRange {
				hi, _ = strconv.Atoi(to)
			}
			return err == nil && lo <= port && port <= hi
		})
}

// elements are those of a set, or the one that stands alone.
func elements(set string) []string {
	return strings.FieldsFunc(set, func(r rune) bool { return strings.ContainsRune("{}, ", r) })
}

// String is the filter as evidence.
func (f Filter) String() string {
	if f.Family == "" {
		return fmt.Sprintf("iptables: chain %s: %s", f.Chain, f.Rule)
	}
	return fmt.Sprintf("nft: table %s %s, chain %s: %s", f.Family, f.Table, f.Chain, f.Rule)
}

// says is the rule alone.
func (f Filter) says() string {
	if f.Rule == policyDrop {
		return "what no rule accepts is dropped"
	}
	return handle.ReplaceAllString(f.Rule, "")
}

// letIn is the command that lets UDP packets to ports through before the filter.
func (f Filter) letIn(from, to int) string {
	chain := cmp.Or(f.base, f.Chain)
	switch {
	case f.Table == "firewalld": // which may let no other program into its table
		return fmt.Sprintf("firewall-cmd --add-port=%d-%d/udp", from, to)
	case f.Family == "":
		return fmt.Sprintf("iptables -I %s -p udp --dport %d:%d -j ACCEPT", chain, from, to)
	}
	return fmt.Sprintf("nft insert rule %s %s %s udp dport %d-%d accept", f.Family, f.Table, chain, from, to)
}
