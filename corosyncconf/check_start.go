package corosyncconf

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Codes of what corosync -t lets pass, and a start does not.
const (
	CodeProvider       Code = "provider"
	CodeNoVotes        Code = "no-votes"
	CodeDeviceConflict Code = "device-conflict"
	CodePriority       Code = "priority"
	CodeNetMTU         Code = "netmtu"
	CodeWindow         Code = "window"
)

var startCodes = []CodeInfo{
	{CodeProvider, Bad, "a quorum provider that there is not"},
	{CodeNoVotes, Bad, "neither a nodelist nor expected_votes, from one of which the votes must come"},
	{CodeDeviceConflict, Bad, "a quorum device together with something that excludes it"},
	{CodePriority, Bad, "a system.priority that is neither a number, nor min or max"},
	{CodeNetMTU, Bad, "a netmtu so small that corosync crashes"},
	{CodeWindow, Bad, "a window_size so large that corosync crashes"},
}

// start reports what corosync -t lets pass and a start does not: corosync comes
// to read it only when it runs. All of it was seen on 3.1.7 and 3.1.9.
func (c *checker) start() {
	if c.read.unclosed() {
		return
	}
	if c.votequorum() {
		c.startVotes()
		c.startDevice()
	}
	c.startSystem()
	c.startTotem()
}

// votequorum reports whether quorum is kept by votequorum, or is meant to be.
func (c *checker) votequorum() bool {
	l := c.option("quorum", "provider")
	return l != nil && l.valueText() != "corosync_ykd"
}

// startVotes has the rules of vsf_quorum.c:quorum_exec_init_fn and of
// votequorum.c:votequorum_readconfig that are not about a device; the same in
// 2.4.6, 3.0.4 and 3.1.10.
func (c *checker) startVotes() {
	q := c.conf.Quorum
	if q.Provider != "corosync_votequorum" {
		c.report(CodeProvider, ByStart, c.option("quorum", "provider"), fmt.Sprintf("corosync has no quorum provider %q", q.Provider),
			"write corosync_votequorum")
	}
	// Without a nodelist corosync 3 does not pass its own test.
	if c.target.Release == V24 && len(c.conf.Nodes) == 0 && q.ExpectedVotes == 0 {
		c.report(CodeNoVotes, ByStart, c.place("quorum", "expected_votes"), "there is neither a nodelist nor quorum.expected_votes",
			"list the nodes in a nodelist")
	}
	if c.oddTieBreaker() && q.LastManStanding {
		c.report(CodeTieBreakerOdd, ByStart, c.option("quorum", "auto_tie_breaker"),
			"auto_tie_breaker and last_man_standing together need wait_for_all where the votes are odd", "add wait_for_all: 1, or remove one of the two")
	}
}

// startDevice has the rules of votequorum_readconfig about a quorum device.
func (c *checker) startDevice() {
	q := c.conf.Quorum
	if q.Device == nil {
		return
	}
	for _, other := range []struct {
		key string
		set bool
	}{
		{"two_node", q.TwoNode},
		{"last_man_standing", q.LastManStanding},
		{"auto_tie_breaker", q.AutoTieBreaker && c.tieBreakerKind() != noTieBreaker && !c.oddTieBreaker()},
		{"allow_downscale", q.AllowDownscale},
	} {
		if other.set {
			c.report(CodeDeviceConflict, ByStart, c.option("quorum", other.key),
				fmt.Sprintf("%s and a quorum device exclude each other", other.key), fmt.Sprintf("remove %s, or the device", other.key))
		}
	}
	votes, known := q.Device.votes()
	switch at := c.place("quorum.device", "votes"); {
	case !known && q.ExpectedVotes > 0:
		c.report(CodeDeviceVotes, ByStart, at, "the votes of the quorum device must be given where quorum.expected_votes is", "add votes, or remove expected_votes")
	case !known && c.votes() != len(c.conf.Nodes):
		c.report(CodeDeviceVotes, ByStart, at, "the votes of the quorum device must be given where not every node has one vote", "add votes to quorum.device")
	case votes > 0 && q.ExpectedVotes > 0 && int32(uint32(q.ExpectedVotes)-uint32(votes)) < 2:
		c.report(CodeDeviceVotes, ByStart, at,
			fmt.Sprintf("of the %d expected votes the quorum device has %d, and the nodes must have 2 at least", q.ExpectedVotes, votes),
			"remove expected_votes: corosync counts those of the nodelist")
	}
}

// votes returns the votes of the device if the file has them. The number that
// stands for -1 is votequorum's own mark for none.
func (d *Device) votes() (votes int, known bool) {
	return d.Votes, d.Votes >= 0 && d.Votes != math.MaxUint32
}

// votes returns the sum of the votes in the nodelist.
func (c *checker) votes() int {
	sum := 0
	for _, n := range c.conf.Nodes {
		sum += n.Votes
	}
	return sum
}

// oddTieBreaker reports whether auto_tie_breaker is at work on odd votes
// without wait_for_all, which votequorum does not let be.
func (c *checker) oddTieBreaker() bool {
	q := c.conf.Quorum
	return q.AutoTieBreaker && c.tieBreakerKind() != noTieBreaker && c.votes()%2 != 0 && !q.WaitForAll
}

// The kinds of auto_tie_breaker_node.
const (
	noTieBreaker = iota // nothing that votequorum can read
	tieBreakerEnd
	tieBreakerList
)

// tieBreakerKind returns what auto_tie_breaker_node is to votequorum
// (parse_atb_string).
func (c *checker) tieBreakerKind() int {
	l := c.option("quorum", "auto_tie_breaker_node")
	if l == nil || l.valueText() == "lowest" || l.valueText() == "highest" {
		return tieBreakerEnd
	}
	if ids, _ := tieBreakers(l.valueText()); len(ids) > 0 {
		return tieBreakerList
	}
	return noTieBreaker
}

// tieBreakers returns the node ids of auto_tie_breaker_node, and what is left.
// Votequorum reads as strtol does, and stops at what is no number, or 0.
func tieBreakers(list string) (ids []int64, rest string) {
	for {
		list = strings.TrimLeft(list, cSpace)
		end := 0
		for end < len(list) && ('0' <= list[end] && list[end] <= '9' || end == 0 && (list[0] == '-' || list[0] == '+')) {
			end++
		}
		id, _ := strconv.ParseInt(list[:end], 10, 64) // the nearest where out of range
		if id == 0 {
			return ids, list
		}
		ids = append(ids, id)
		list = list[end:]
	}
}

// startSystem has the rule of main.c:main; exit code 8.
func (c *checker) startSystem() {
	l := c.option("system", "priority")
	if l == nil || c.target.Release < V30 {
		return
	}
	switch value := l.valueText(); value {
	case "max", "min", "":
	default:
		if n, ok := parseInteger(value); !ok || n < math.MinInt32 || n > math.MaxInt32 {
			c.report(CodePriority, ByStart, l, fmt.Sprintf("priority is %q, and it takes a number, min or max", value), "give it a value that it takes, or remove the line")
		}
	}
}

// startTotem has what makes corosync abort as soon as it sends.
func (c *checker) startTotem() {
	totem := c.file.settings("totem")
	// What is left of a packet without its headers; the number is by trial.
	if mtu := totem.number("netmtu", 0); 0 < mtu && mtu <= 90 {
		c.report(CodeNetMTU, ByStart, c.option("totem", "netmtu"), fmt.Sprintf("netmtu of %d bytes leaves no room in a packet: corosync crashes", mtu),
			"remove netmtu")
	}
	// The assertion in totemsrp.c:fcc_rtr_limit.
	const kept = 16384 // QUEUE_RTR_ITEMS_SIZE_MAX
	window := cmp.Or(totem.number("window_size", 0), 50)
	most := cmp.Or(totem.number("max_messages", 0), 17)
	if window+min(window, most) > kept {
		c.report(CodeWindow, ByStart, c.option("totem", "window_size"),
			fmt.Sprintf("window_size %d and max_messages %d are together more than the %d messages that corosync keeps: it crashes", window, most, kept),
			"remove window_size and max_messages")
	}
}
