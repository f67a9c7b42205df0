package cluster

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// MaxLink is the highest link number (INTERFACE_MAX-1, totem.h in corosync 3).
const MaxLink = 7

// NodeSpec is a node as an admin names it on create and add:
// NAME[,key=value]... with the keys of cli.md.
type NodeSpec struct {
	Name  string
	SSH   string         // [user@]host[:port]; empty: see Connector
	Links map[int]string // by link number: an address, or a name that the node resolves to one
	ID    uint32         // 0: chosen by the plan
	Votes *int           // nil: 1
}

// LinkSpec is one --link: the network in which each node's address is picked.
type LinkSpec struct {
	Number  int
	Network netip.Prefix
}

// CreateSpec is everything that create was asked for.
type CreateSpec struct {
	Name         string
	Nodes        []NodeSpec
	Links        []LinkSpec
	Priorities   map[int]int // knet_link_priority by link number
	Transport    string      // knet, udpu, udp; empty: knet, with corosync 2 udpu
	LinkMode     string      // passive, active, rr; of knet
	RRPMode      string      // passive, active, none; of corosync 2; empty: passive with two links
	CryptoCipher string
	CryptoHash   string
	Token        int    // ms; 0: corosync's default
	TwoNode      string // auto, yes, no
	NoStart      bool
	NoEnable     bool
	Force        bool
	IfMissing    bool
}

var (
	clusterName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)
	nodeName    = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)
	linkKey     = regexp.MustCompile(`^(?:link(\d+)|ring(\d+)_addr)$`)
)

// ParseNode reads a NODE argument. All that is wrong with it is returned at
// once, each a Problem of class Usage.
func ParseNode(arg string) (NodeSpec, Problems) {
	var ps Problems
	parts := strings.Split(arg, ",")
	n := NodeSpec{Name: parts[0], Links: map[int]string{}}
	if !nodeName.MatchString(n.Name) {
		ps.add(CodeBadName, "", "use the name that `uname -n` prints on the machine",
			"%q is not a node name", n.Name)
	}
	for _, part := range parts[1:] {
		key, value, ok := strings.Cut(part, "=")
		if !ok || value == "" {
			ps.add(CodeBadNodeSpec, n.Name, "write key=value, as in link0=10.0.0.1", "%q is not of the form key=value", part)
			continue
		}
		switch m := linkKey.FindStringSubmatch(key); {
		case m != nil:
			num, _ := strconv.Atoi(m[1] + m[2])
			if err := checkLinkNumber(num); err != nil {
				ps.add(CodeBadLink, n.Name, "use link0 to link7", "%s", err)
			} else if _, dup := n.Links[num]; dup {
				ps.add(CodeDuplicate, n.Name, "give one address for each link", "link %d is given twice", num)
			} else {
				n.Links[num] = value
			}
		case key == "ssh":
			n.SSH = value
		case key == "id":
			id, err := ParseID(value)
			if err != nil {
				ps.add(CodeBadID, n.Name, "use an id from 1 to 65535, or none", "%s", err)
			}
			n.ID = id
		case key == "votes":
			v, err := ParseVotes(value)
			if err != nil {
				ps.add(CodeBadVotes, n.Name, "use 0 or more; 1 is the default", "%s", err)
				break
			}
			n.Votes = &v
		default:
			ps.add(CodeBadNodeSpec, n.Name, "known are ssh, link0 to link7 (or ring0_addr to ring7_addr), id, votes",
				"unknown key %q", key)
		}
	}
	return n, ps
}

// ParseNodes reads all NODE arguments and refuses what is given twice.
func ParseNodes(args []string) ([]NodeSpec, Problems) {
	var ps Problems
	var nodes []NodeSpec
	names, ids, addrs := map[string]bool{}, map[uint32]string{}, map[string]string{}
	for _, arg := range args {
		n, nps := ParseNode(arg)
		ps = append(ps, nps...)
		if names[n.Name] {
			ps.add(CodeDuplicate, n.Name, "name each node once", "given twice")
			continue
		}
		names[n.Name] = true
		if other, dup := ids[n.ID]; dup && n.ID != 0 {
			ps.add(CodeDuplicate, n.Name, "give each node an id of its own, or none", "id %d is also given to %s", n.ID, other)
		}
		ids[n.ID] = n.Name
		for _, link := range slices.Sorted(maps.Keys(n.Links)) {
			key := addressKey(n.Links[link])
			if other, dup := addrs[key]; dup {
				ps.add(CodeDuplicate, n.Name, "give each node and link an address of its own",
					"address %s of link %d is also given to %s", n.Links[link], link, other)
			}
			addrs[key] = fmt.Sprintf("link %d of %s", link, n.Name)
		}
		nodes = append(nodes, n)
	}
	return nodes, ps
}

// addressKey makes two spellings of one IP address equal.
func addressKey(s string) string {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().String()
	}
	return strings.ToLower(s)
}

// ParseLinks reads the values of --link: N=CIDR, or CIDR, which takes the next
// number.
func ParseLinks(args []string) ([]LinkSpec, Problems) {
	var ps Problems
	var links []LinkSpec
	next := 0
	seen := map[int]bool{}
	for _, arg := range args {
		num, network := next, arg
		if n, rest, ok := strings.Cut(arg, "="); ok {
			v, err := strconv.Atoi(n)
			if err != nil {
				v = -1
			}
			num, network = v, rest
		}
		if err := checkLinkNumber(num); err != nil {
			ps.add(CodeBadLink, "", "use 0 to 7", "--link %s: %s", arg, err)
			continue
		}
		p, err := netip.ParsePrefix(network)
		if err != nil {
			ps.add(CodeBadLink, "", "write a network as in 10.0.0.0/24, or 1=10.0.1.0/24",
				"--link %s: %q is not a network in CIDR form", arg, network)
			continue
		}
		if seen[num] {
			ps.add(CodeDuplicate, "", "give each link one network", "--link %s: link %d is given twice", arg, num)
			continue
		}
		seen[num] = true
		links = append(links, LinkSpec{num, p.Masked()})
		next = num + 1
	}
	slices.SortFunc(links, func(a, b LinkSpec) int { return a.Number - b.Number })
	return links, ps
}

// ParseID reads a node id, 1 to 65535 (the range that knet takes).
func ParseID(s string) (uint32, error) {
	id, err := strconv.ParseUint(s, 10, 64)
	if err != nil || id < 1 || id > 65535 {
		return 0, fmt.Errorf("node id %q is not within 1..65535", s)
	}
	return uint32(id), nil
}

// ParseVotes reads a number of votes, 0 or more.
func ParseVotes(s string) (int, error) {
	v, err := strconv.Atoi(s)
	if err != nil || v < 0 {
		return 0, fmt.Errorf("votes %q is not a number from 0 up", s)
	}
	return v, nil
}

func checkLinkNumber(n int) error {
	if n < 0 || n > MaxLink {
		return fmt.Errorf("link number is not within 0..%d", MaxLink)
	}
	return nil
}

// Check returns what is wrong with the request by itself, before any node is
// asked.
func (s CreateSpec) Check() Problems {
	var ps Problems
	if !clusterName.MatchString(s.Name) {
		ps.add(CodeBadName, "", "use letters, digits, '-', '_' and '.', at most 63, starting with a letter or digit",
			"%q is not a cluster name", s.Name)
	}
	oneOf := func(option, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			ps.add(CodeBadOption, "", "use "+orList(allowed), "--%s %s: no such value", option, value)
		}
	}
	if s.Transport != "" {
		oneOf("transport", s.Transport, "knet", "udpu", "udp")
	}
	if s.RRPMode != "" {
		oneOf("rrp-mode", s.RRPMode, "passive", "active", "none")
	}
	oneOf("link-mode", s.LinkMode, "passive", "active", "rr")
	oneOf("two-node", s.TwoNode, "auto", "yes", "no")
	oneOf("crypto-cipher", s.CryptoCipher, "none", "aes256", "aes192", "aes128")
	oneOf("crypto-hash", s.CryptoHash, "none", "md5", "sha1", "sha256", "sha384", "sha512")
	if s.CryptoCipher != "none" && s.CryptoHash == "none" {
		ps.add(CodeBadOption, "", "choose a hash, for example sha256, or --crypto-cipher none",
			"--crypto-hash none: encryption needs a hash")
	}
	if s.Token != 0 && s.Token < 30 {
		ps.add(CodeBadOption, "", "corosync takes 30 ms and more; 3000 is its default", "--token %d: too short", s.Token)
	}
	if s.TwoNode == "yes" && len(s.Nodes) != 2 {
		ps.add(CodeBadOption, "", "leave it to --two-node auto", "--two-node yes: the cluster has %s, not 2", count(len(s.Nodes), "node"))
	}
	for link, prio := range s.Priorities {
		if prio < 0 || prio > 255 {
			ps.add(CodeBadLink, "", "use 1 to 255; a higher number is preferred", "link %d: priority %d is not within 0..255", link, prio)
		}
	}
	votes := 0
	for _, n := range s.Nodes {
		if n.Votes == nil {
			votes++
		} else {
			votes += *n.Votes
		}
	}
	if len(s.Nodes) > 0 && votes == 0 {
		ps.add(CodeBadVotes, "", "leave at least one node its vote", "no node has a vote: the cluster could never be quorate")
	}
	return ps
}

func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

func andList(words []string) string {
	if most := 12; len(words) > most { // a line of hundreds is read by nobody
		return fmt.Sprintf("%s and %d more", strings.Join(words[:most-4], ", "), len(words)-most+4)
	}
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// count is "1 node", "3 nodes".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
