package corosyncconf

import (
	"fmt"
	"slices"
	"strings"
)

// Codes of what keeps quorum badly.
const (
	CodeNoQuorum       Code = "no-quorum"
	CodeTwoNode        Code = "two-node"
	CodeTwoNodeAlone   Code = "two-node-alone"
	CodeTwoNodeRace    Code = "two-node-race"
	CodeTwoNodeBreaker Code = "two-node-tie-breaker"
	CodeTieBreakerOdd  Code = "tie-breaker-odd"
	CodeTieBreakerNode Code = "tie-breaker-node"
	CodeStanding       Code = "last-man-standing"
	CodeDownscale      Code = "allow-downscale"
	CodeExpectedVotes  Code = "expected-votes"
	CodeExpectedLow    Code = "expected-votes-low"
	CodeNeverQuorate   Code = "never-quorate"
	CodeZeroVotes      Code = "no-vote"
	CodeVotesIgnored   Code = "votes-ignored"
	CodeOneFailure     Code = "one-failure"
	CodeDeviceVotes    Code = "device-votes"
	CodeDevice         Code = "device-incomplete"
	CodeDeviceNodes    Code = "device-nodes"
	CodeDeviceTest     Code = "device-algorithm"
	CodeHeuristics     Code = "heuristics"
)

var quorumCodes = []CodeInfo{
	{CodeNoQuorum, Bad, "nothing that keeps quorum: after a split every part goes on by itself"},
	{CodeTwoNode, Bad, "two_node with more than two nodes that vote: both parts of a split can have quorum"},
	{CodeTwoNodeAlone, Warning, "two_node with less than two nodes that vote"},
	{CodeTwoNodeRace, Warning, "two_node without wait_for_all: two nodes that start without seeing each other both have quorum"},
	{CodeTwoNodeBreaker, Warning, "two_node and auto_tie_breaker: corosync takes no notice of two_node"},
	{CodeTieBreakerOdd, Warning, "auto_tie_breaker on odd votes without wait_for_all: corosync switches it off, and does not start if last_man_standing is there too"},
	{CodeTieBreakerNode, Warning, "a tie breaker that is no node of the nodelist, or that does nothing"},
	{CodeStanding, Warning, "last_man_standing with nodes that do not have one vote each, or without wait_for_all"},
	{CodeDownscale, Warning, "allow_downscale, which corosync's makers do not support"},
	{CodeExpectedVotes, Warning, "expected_votes that are not the votes of the nodelist and the device"},
	{CodeExpectedLow, Bad, "expected_votes so low that both parts of a split can have quorum"},
	{CodeNeverQuorate, Bad, "votes with which the cluster never has quorum"},
	{CodeZeroVotes, Warning, "a node without a vote"},
	{CodeVotesIgnored, Warning, "quorum.votes, which does nothing where there is a nodelist"},
	{CodeOneFailure, Warning, "the loss of one node costs the cluster its quorum"},
	{CodeDeviceVotes, Bad, "votes of a quorum device that are missing, too many, or not those that its algorithm needs"},
	{CodeDevice, Bad, "a quorum device without what corosync-qdevice needs to start"},
	{CodeDeviceNodes, Warning, "a quorum device with ffsplit and an odd number of nodes"},
	{CodeDeviceTest, Warning, "an algorithm of the quorum device that is for its makers only"},
	{CodeHeuristics, Warning, "heuristics of the quorum device that never run, or cannot"},
}

// quorum reports on quorum that is kept, but badly: votequorum(5),
// corosync-qdevice(8), and votequorum_readconfig where it logs and goes on.
func (c *checker) quorum() {
	if !c.votequorum() {
		if c.option("quorum", "provider") == nil && len(c.conf.Nodes) != 1 {
			c.report(CodeNoQuorum, Accepted, c.place("quorum", "provider"), "there is no quorum provider: after a split every part of the cluster goes on by itself",
				"write provider: corosync_votequorum into the quorum section")
		}
		return
	}
	c.twoNode()
	c.tieBreaker()
	q := c.conf.Quorum
	if q.LastManStanding {
		at := c.option("quorum", "last_man_standing")
		if slices.ContainsFunc(c.conf.Nodes, func(n Node) bool { return n.Votes != 1 }) {
			c.report(CodeStanding, Accepted, at, "last_man_standing needs nodes with one vote each", "remove quorum_votes from all nodes, or remove last_man_standing")
		}
		if !q.WaitForAll {
			c.report(CodeStanding, Accepted, at, "last_man_standing without wait_for_all: nodes that start without seeing the few that still run can have quorum too", "add wait_for_all: 1")
		}
	}
	if q.AllowDownscale {
		c.report(CodeDownscale, Accepted, c.option("quorum", "allow_downscale"), "allow_downscale is incomplete, and corosync's makers do not support it", "remove it")
	}
	c.expectedVotes()
	c.device()
}

// voters returns how many nodes have votes. Without a nodelist they are taken
// to have one each.
func (c *checker) voters() int {
	if len(c.conf.Nodes) == 0 {
		return c.conf.Quorum.ExpectedVotes
	}
	voters := 0
	for _, n := range c.conf.Nodes {
		if n.Votes > 0 {
			voters++
		}
	}
	return voters
}

func (c *checker) twoNode() {
	q := c.conf.Quorum
	if !q.TwoNode || q.Device != nil { // which it excludes
		return
	}
	at := c.option("quorum", "two_node")
	switch voters := c.voters(); {
	case q.AutoTieBreaker && c.tieBreakerKind() != noTieBreaker:
		c.report(CodeTwoNodeBreaker, Accepted, at, "corosync takes no notice of two_node where auto_tie_breaker is", "remove one of them")
	case voters > 2:
		c.report(CodeTwoNode, Accepted, at,
			fmt.Sprintf("two_node with %d nodes that vote: one vote is quorum wherever no more than two nodes see each other, so both parts of a split can have it", voters),
			"remove two_node")
	case voters < 2:
		c.report(CodeTwoNodeAlone, Accepted, at, "two_node is for two nodes that vote", "remove two_node until there are two")
	case !q.WaitForAll:
		c.report(CodeTwoNodeRace, Accepted, c.option("quorum", "wait_for_all"),
			"two_node without wait_for_all: two nodes that start without seeing each other both have quorum, and fence each other", "remove wait_for_all: two_node switches it on")
	}
}

func (c *checker) tieBreaker() {
	q := c.conf.Quorum
	at := c.option("quorum", "auto_tie_breaker_node")
	if at != nil {
		kind := c.tieBreakerKind()
		ids, rest := tieBreakers(at.valueText())
		switch missing := c.notListed(ids); {
		case !q.AutoTieBreaker:
			c.report(CodeTieBreakerNode, Accepted, at, "auto_tie_breaker_node does nothing without auto_tie_breaker", "add auto_tie_breaker: 1, or remove the line")
		case kind == noTieBreaker:
			c.report(CodeTieBreakerNode, Accepted, at, fmt.Sprintf("auto_tie_breaker_node is %q, so auto_tie_breaker is switched off", at.valueText()),
				"write lowest, highest, or node ids with blanks between them")
		case kind == tieBreakerList && rest != "":
			c.report(CodeTieBreakerNode, Accepted, at, fmt.Sprintf("auto_tie_breaker_node is %q, and from %q on it cannot be read", at.valueText(), rest),
				"write node ids with blanks between them")
		case missing != "":
			c.report(CodeTieBreakerNode, Accepted, at, fmt.Sprintf("auto_tie_breaker_node names %s, which is not in the nodelist", missing), "name nodes of the nodelist by their ids")
		}
	}
	if c.oddTieBreaker() && !q.LastManStanding {
		c.report(CodeTieBreakerOdd, Accepted, c.option("quorum", "auto_tie_breaker"), "the votes are odd: corosync switches auto_tie_breaker off unless wait_for_all is there",
			"add wait_for_all: 1, or remove auto_tie_breaker")
	}
}

// notListed names the first of ids that no node of the nodelist has.
func (c *checker) notListed(ids []int64) string {
	for _, id := range ids {
		if len(c.conf.Nodes) > 0 && !slices.ContainsFunc(c.conf.Nodes, func(n Node) bool { return int64(n.ID) == id }) {
			return fmt.Sprintf("node id %d", id)
		}
	}
	return ""
}

// expectedVotes holds the votes that are expected against those that there are.
func (c *checker) expectedVotes() {
	q, nodes := c.conf.Quorum, c.conf.Nodes
	if len(nodes) == 0 || c.said(CodeDeviceVotes) {
		return
	}
	total := c.votes()
	if d := q.Device; d != nil {
		votes, known := d.votes()
		if !known {
			votes = total - 1
		}
		total += votes
	}
	expected := q.ExpectedVotes
	if expected == 0 {
		expected = total
	}
	quorum := expected/2 + 1
	if q.TwoNode {
		quorum = 1
	}
	if l := c.option("quorum", "votes"); l != nil {
		c.report(CodeVotesIgnored, Accepted, l, "quorum.votes does nothing where there is a nodelist", "write quorum_votes into the node")
	}
	at := c.place("quorum", "expected_votes")
	switch {
	case total == 0:
		c.report(CodeNeverQuorate, Accepted, at, "no node has a vote, so there is never quorum", "remove quorum_votes: 0 from the nodes")
	case total < quorum || q.WaitForAll && total < expected:
		c.report(CodeNeverQuorate, Accepted, at, fmt.Sprintf("expected votes are %d, and the sum of all votes is %d, so there is never quorum", expected, total),
			"remove expected_votes: corosync counts those of the nodelist")
	case !q.TwoNode && 2*quorum <= total:
		c.report(CodeExpectedLow, Accepted, at, fmt.Sprintf("expected votes are %d, and the sum of all votes is %d: quorum is %d, which both parts of a split can have", expected, total, quorum),
			"remove expected_votes: corosync counts those of the nodelist")
	case expected != total:
		c.report(CodeExpectedVotes, Accepted, at, fmt.Sprintf("expected votes are %d, and the sum of all votes is %d", expected, total),
			"remove expected_votes: corosync counts those of the nodelist")
	}
	for _, n := range nodes {
		if n.Votes == 0 && total > 0 {
			c.report(CodeZeroVotes, Accepted, c.nodeLine(n, "quorum_votes"), fmt.Sprintf("node %s has no vote", n.Label()), "remove quorum_votes: 0, if the node is to count")
		}
	}
	if expected == total && !q.TwoNode && !q.AutoTieBreaker {
		c.oneFailure(total, quorum)
	}
}

// oneFailure reports nodes without which the others have no quorum.
func (c *checker) oneFailure(total, quorum int) {
	var needed []Node
	for _, n := range c.conf.Nodes {
		if n.Votes > 0 && total-n.Votes < quorum {
			needed = append(needed, n)
		}
	}
	switch voters := c.voters(); {
	case voters < 2 || len(needed) == 0: // one node is all there is, and loses nothing
	case len(needed) == voters:
		c.report(CodeOneFailure, Accepted, c.place("quorum", "two_node"), fmt.Sprintf("quorum is %d of %d votes: the loss of any node costs it", quorum, total),
			"add a node or a quorum device, or two_node: 1 where there are two")
	default:
		for _, n := range needed {
			c.report(CodeOneFailure, Accepted, c.nodeLine(n, "quorum_votes"), fmt.Sprintf("the loss of node %s, which has %d of %d votes, costs the others their quorum", n.Label(), n.Votes, total),
				"give the nodes the same votes")
		}
	}
}

// device has what corosync-qdevice refuses, or cannot work with
// (corosync-qdevice 3.0.4: qdevice-net-instance.c, qdevice-net-algo-ffsplit.c).
func (c *checker) device() {
	const remedy = "corosync-qdevice does not start, so the votes of the device are missing"
	d := c.conf.Quorum.Device
	if d == nil {
		if sections := c.file.sections("quorum.device"); len(sections) > 0 {
			c.report(CodeDevice, Accepted, sections[0].open, "the quorum device has no model: "+remedy, "add model: net, or remove the section")
		}
		return
	}
	if d.Model != "net" {
		c.report(CodeDevice, Accepted, c.option("quorum.device", "model"), fmt.Sprintf("there is no quorum device of model %q: %s", d.Model, remedy), "write model: net, or remove the section")
		return
	}
	incomplete := func(at *line, lack, add string) {
		c.report(CodeDevice, Accepted, at, lack+": "+remedy, add)
	}
	if d.Host == "" {
		at := c.place("quorum.device.net", "host")
		if at == nil {
			at = c.place("quorum.device", "model")
		}
		incomplete(at, "quorum.device.net.host is missing", "name the host that corosync-qnetd runs on")
	}
	if c.conf.Totem.ClusterName == "" {
		incomplete(c.place("totem", "cluster_name"), "totem.cluster_name is missing", "give the cluster a name")
	}
	if len(c.conf.Nodes) == 0 {
		incomplete(c.place("quorum.device", "model"), "there is no nodelist", "list the nodes in a nodelist")
	}
	c.deviceAlgorithm(d)
	if at := c.option("quorum.device.net", "tie_breaker"); at != nil {
		id, ok := parseInteger(d.TieBreaker)
		switch {
		case d.TieBreaker == "lowest" || d.TieBreaker == "highest":
		case !ok || id < 1:
			incomplete(at, fmt.Sprintf("tie_breaker is %q", d.TieBreaker), "write lowest, highest, or a node id")
		case c.notListed([]int64{id}) != "":
			c.report(CodeTieBreakerNode, Accepted, at, fmt.Sprintf("tie_breaker is node id %d, which is not in the nodelist", id), "write lowest, highest, or the id of a node")
		}
	}
	c.heuristics()
}

func (c *checker) deviceAlgorithm(d *Device) {
	votes, known := d.votes()
	at := c.place("quorum.device", "votes")
	switch d.Algorithm {
	case "ffsplit":
		if c.said(CodeDeviceVotes) {
			return
		}
		if votes != 1 {
			c.report(CodeDeviceVotes, Accepted, at, "with ffsplit the quorum device must have votes: 1, else corosync-qdevice casts none", "write votes: 1 into quorum.device")
		}
		for _, n := range c.conf.Nodes {
			if n.Votes != 1 {
				c.report(CodeDeviceVotes, Accepted, c.nodeLine(n, "quorum_votes"), fmt.Sprintf("with ffsplit every node must have one vote, and node %s has %d: corosync-qdevice casts none", n.Label(), n.Votes),
					"remove quorum_votes")
			}
		}
		if len(c.conf.Nodes)%2 != 0 {
			c.report(CodeDeviceNodes, Accepted, c.place("quorum.device.net", "algorithm"), fmt.Sprintf("ffsplit is for an even number of nodes, and there are %d", len(c.conf.Nodes)), "use lms, without votes, or no quorum device")
		}
	case "lms":
		if known && votes != c.votes()-1 {
			c.report(CodeDeviceVotes, Accepted, at, fmt.Sprintf("with lms the quorum device must have one vote less than the nodes together, which is %d", c.votes()-1), "remove votes from quorum.device")
		}
	case "test", "2nodelms":
		c.report(CodeDeviceTest, Accepted, c.option("quorum.device.net", "algorithm"), fmt.Sprintf("the algorithm %s is for the makers of corosync-qdevice", d.Algorithm), "use ffsplit or lms")
	}
}

func (c *checker) heuristics() {
	const path = "quorum.device.heuristics"
	var commands []*line
	for _, s := range c.file.sections(path) {
		for l := range s.body() {
			if l.kind == option && strings.HasPrefix(l.keyText(), "exec_") {
				commands = append(commands, l)
			}
		}
	}
	mode := c.option(path, "mode")
	on := mode != nil && !slices.Contains([]string{"off", "no", "false", "0"}, strings.ToLower(mode.valueText()))
	if on && len(commands) == 0 {
		c.report(CodeHeuristics, Accepted, mode, "heuristics are on, and there is no command to run", "add commands (exec_NAME), or remove the line")
	}
	for _, l := range commands {
		switch {
		case !on:
			c.report(CodeHeuristics, Accepted, l, l.keyText()+" never runs: heuristics are off", "add mode: on")
		case !strings.HasPrefix(strings.TrimLeft(l.valueText(), `"`), "/"):
			c.report(CodeHeuristics, Accepted, l, l.keyText()+" cannot run: a command must begin with its absolute path", "write the whole path of the program")
		}
	}
}
