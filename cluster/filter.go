package cluster

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Filter is a rule of a packet filter that drops or rejects, or a chain that
// does so with what no rule lets in.
type Filter struct {
	Family, Table, Chain string   // of nftables; of iptables the chain alone
	Hook                 string   // input, output, prerouting, ...
	Rule                 string   // in nftables with its handle; for a chain its policy
	Accepts              []string // what is let in before
}

const policyDrop = "policy drop"

var (
	chainHook = regexp.MustCompile(`type filter hook (\w+) .*?(?:policy (\w+);)?\s*$`)
	verdict   = regexp.MustCompile(`\b(drop|reject)\b`)
	ports     = regexp.MustCompile(`\b(?:dports?|sport) (\{[^}]*\}|\S+)`)
	handle    = regexp.MustCompile(` # handle \d+$`)
)

// parseFilter reads `nft -a list ruleset`, or `iptables -S` where there is no nft:
// what drops or rejects at a hook.
func parseFilter(out string) []Filter {
	if strings.HasPrefix(out, "-") {
		return parseIptables(out)
	}
	var all []Filter
	var at Filter
	policy := ""
	flush := func() {
		if policy == "drop" && at.Hook != "" {
			f := at
			f.Rule = policyDrop
			all = append(all, f)
		}
		policy, at.Chain, at.Hook, at.Accepts = "", "", "", nil
	}
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		fields := strings.Fields(line)
		switch {
		case len(fields) >= 3 && fields[0] == "table":
			at.Family, at.Table = fields[1], fields[2]
		case len(fields) >= 2 && fields[0] == "chain":
			flush()
			at.Chain = fields[1]
		case line == "}":
			flush()
		case chainHook.MatchString(line):
			m := chainHook.FindStringSubmatch(line)
			at.Hook, policy = m[1], m[2]
		case at.Hook != "" && strings.Contains(line, "accept"):
			at.Accepts = append(at.Accepts, line)
		case at.Hook != "" && verdict.MatchString(line):
			f := at
			f.Rule = line
			all = append(all, f)
		}
	}
	return all
}

// parseIptables reads `iptables -S`: policies first, then rules.
func parseIptables(out string) []Filter {
	var all, policies []Filter
	accepts := map[string][]string{}
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[1] != "INPUT" && fields[1] != "OUTPUT" {
			continue
		}
		f := Filter{Chain: fields[1], Hook: strings.ToLower(fields[1]), Rule: line, Accepts: accepts[fields[1]]}
		switch {
		case fields[0] == "-P" && fields[2] == "DROP":
			f.Rule = policyDrop
			policies = append(policies, f)
		case strings.Contains(line, "-j ACCEPT"):
			accepts[f.Chain] = append(accepts[f.Chain], line)
		case strings.Contains(line, "-j DROP"), strings.Contains(line, "-j REJECT"):
			all = append(all, f)
		}
	}
	for _, f := range policies {
		f.Accepts = accepts[f.Chain]
		all = append(all, f)
	}
	return all
}

// Blocks tells whether the filter keeps UDP packets to a port away. What it
// says of other things than protocol and port is taken to hold for some of them.
func (f Filter) Blocks(port int) bool {
	if f.Hook != "input" && f.Hook != "output" && f.Hook != "prerouting" && f.Hook != "postrouting" {
		return false
	}
	if slices.ContainsFunc(f.Accepts, func(r string) bool {
		return concerns(r, port) && !strings.Contains(strings.ToLower(r), "established") && !strings.Contains(r, `"lo"`) && !strings.Contains(r, "-i lo ")
	}) {
		return false
	}
	return f.Rule == policyDrop || concerns(f.Rule, port)
}

// concerns tells whether a rule is about UDP packets to a port.
func concerns(rule string, port int) bool {
	for _, other := range []string{"tcp ", "icmp", "ct state", "--ctstate", "--state", "pkttype"} {
		if strings.Contains(rule, other) {
			return false
		}
	}
	m := ports.FindStringSubmatch(rule)
	if m == nil {
		return true
	}
	for part := range strings.FieldsFuncSeq(m[1], func(r rune) bool { return strings.ContainsRune("{}, ", r) }) {
		from, to, isRange := strings.Cut(strings.ReplaceAll(part, ":", "-"), "-")
		lo, err := strconv.Atoi(from)
		hi := lo
		if isRange {
			hi, _ = strconv.Atoi(to)
		}
		if err == nil && lo <= port && port <= hi {
			return true
		}
	}
	return false
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
	if f.Family == "" {
		return fmt.Sprintf("iptables -I %s -p udp --dport %d:%d -j ACCEPT", f.Chain, from, to)
	}
	return fmt.Sprintf("nft insert rule %s %s %s udp dport %d-%d accept", f.Family, f.Table, f.Chain, from, to)
}
