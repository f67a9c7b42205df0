// Package quorum does votequorum's arithmetic and reads what corosync's tools
// say about votes, members and links: corosync-quorumtool, corosync-cfgtool and
// corosync-cmapctl, versions 2.4 to 3.1.
//
// The rules are those of exec/votequorum.c in corosync 3.1.10; the arithmetic is
// the same since 2.4.0. Everything here takes values and returns values.
package quorum

import (
	"slices"
	"strconv"
	"strings"
)

// Needed is the number of votes a partition must hold to be quorate, when the
// cluster expects expected votes and the partition holds total votes in nodes
// voters (the quorum device counts as one while it votes). With two_node, two
// voters or fewer need a single vote.
//
// Source: calculate_quorum in exec/votequorum.c. Corosync keeps the result in
// eight bits, so it is wrong there from 510 votes on.
func Needed(expected, total, nodes int, twoNode bool) int {
	if twoNode && nodes <= 2 {
		return 1
	}
	return max((expected+2)/2, (total+2)/2)
}

// Votes is a voting situation: the nodes of a cluster, the rules they vote by,
// and which of them are together now. It is a value: With and Without return
// the situation after a change and leave the receiver as it is. What a reload
// will do is the Tally of the present nodes with the votes and rules of the new
// file.
type Votes struct {
	Nodes []Voter
	// Expected is the number of expected votes in force: corosync's own figure,
	// or quorum.expected_votes. 0 stands for the sum of the votes of all Nodes
	// and of the device, which is what corosync takes from a nodelist.
	Expected int
	// Quorate says whether the present nodes are quorate now. It decides what
	// history decides in votequorum: who may win a tie, and whether
	// wait_for_all still waits.
	Quorate bool
	// TwoNode is quorum.two_node. Corosync ignores it beside AutoTieBreaker.
	TwoNode bool
	// WaitForAll is quorum.wait_for_all; where that is not set, quorum.two_node.
	WaitForAll bool
	// LastManStanding is quorum.last_man_standing.
	LastManStanding bool
	// AutoTieBreaker is empty without quorum.auto_tie_breaker, else the value
	// of quorum.auto_tie_breaker_node: "lowest", "highest", or node ids
	// separated by blanks. Corosync ignores it when the sum of the nodes' votes
	// is odd and WaitForAll is not set.
	AutoTieBreaker string
	// Device is the number of votes of the quorum device, 0 without one.
	Device int

	// previous are the members before the last change; nil: those present.
	previous []uint32
}

// Voter is one node of a Votes.
type Voter struct {
	ID      uint32
	Votes   int
	Present bool // a member of the partition that is looked at
	Device  bool // the quorum device gives this node its votes ("A,V,.." in its row)
}

// Tally is what votequorum makes of a partition: the votes it holds, those
// expected, those needed, and whether it is quorate.
type Tally struct {
	Votes, Expected, Quorum int
	Quorate                 bool
}

// Tally counts the votes of the present nodes. The device is counted when it
// votes on every one of them, since each node counts only its own device.
//
// Source: calculate_quorum, recalculate_quorum and are_we_quorate in
// exec/votequorum.c.
func (v Votes) Tally() Tally {
	t := Tally{Expected: v.expected()}
	voters, device := 0, v.Device > 0
	for _, n := range v.Nodes {
		if n.Present {
			voters++
			t.Votes += n.Votes
			device = device && n.Device
		}
	}
	members := voters
	if members > 0 && device {
		voters++
		t.Votes += v.Device
	}
	t.Quorum = Needed(t.Expected, t.Votes, voters, v.TwoNode && v.AutoTieBreaker == "")

	waiting := v.WaitForAll && !v.Quorate && t.Votes != t.Expected
	if members > 0 && !waiting {
		t.Quorate = t.Votes >= t.Quorum || v.winsTie(t)
	}
	return t
}

// Without is the situation after the nodes with these ids have left at once.
// What the votes of the rest are worth is in its Tally: that is the answer to
// "may these nodes be stopped?".
func (v Votes) Without(ids ...uint32) Votes { return v.change(ids, false) }

// With is the situation after the nodes with these ids have started and joined.
// It is not for partitions that meet again, each with a history of its own.
func (v Votes) With(ids ...uint32) Votes { return v.change(ids, true) }

func (v Votes) change(ids []uint32, present bool) Votes {
	// Expected votes that were raised by votes present do not fall again.
	next := v
	next.Expected = v.expected()
	next.Quorate = v.Tally().Quorate
	next.previous = v.members()
	next.Nodes = slices.Clone(v.Nodes)
	for i, n := range next.Nodes {
		if slices.Contains(ids, n.ID) {
			next.Nodes[i].Present = present
		}
	}
	return next
}

// Survives is how many more single failures the partition stays quorate
// through, one after the other and each the worst that can happen: a node, or
// the quorum device. Between two of them last_man_standing has time to act.
// It is 0 for a partition that is not quorate.
func (v Votes) Survives() int {
	for failures := 0; ; failures++ {
		after := v.worstFailure()
		if !after.Tally().Quorate {
			return failures
		}
		v = after.settled()
	}
}

// Room is how many votes of nodes that are not there yet may be added to the
// expected votes, by a reload, before the votes present no longer suffice.
// With one vote each it is how many nodes may be added in one batch. Beyond it
// the tie breaker would decide; two_node is not considered.
func (v Votes) Room() int {
	t := v.Tally()
	return max(0, 2*t.Votes-1-t.Expected)
}

// expected is Expected, or what corosync sums up in its place, and never less
// than the votes present (recalculate_quorum, which counts the device's votes
// whether it casts them or not).
func (v Votes) expected() int {
	sum, present := v.Device, v.Device
	for _, n := range v.Nodes {
		sum += n.Votes
		if n.Present {
			present += n.Votes
		}
	}
	if v.Expected == 0 {
		return sum
	}
	return max(v.Expected, present)
}

func (v Votes) members() []uint32 {
	var ids []uint32
	for _, n := range v.Nodes {
		if n.Present {
			ids = append(ids, n.ID)
		}
	}
	return ids
}

// winsTie reports whether auto_tie_breaker makes the partition quorate: it
// holds just half of the expected votes, fewer nodes left it at once than would
// be a quorum, and the node that breaks the tie is here.
//
// Source: are_we_quorate and check_auto_tie_breaker. The lowest and the highest
// id are those of the members when the partition was last quorate. A partition
// that lost quorum with them could win it back with them; here it does not.
func (v Votes) winsTie(t Tally) bool {
	if !v.tieBreaker() {
		return false
	}
	now, before := v.members(), v.previous
	if before == nil {
		before = now
	}
	if t.Votes != t.Expected/2 || len(before)-len(now) >= t.Quorum {
		return false
	}
	switch v.AutoTieBreaker {
	case "lowest":
		return v.Quorate && slices.Contains(now, slices.Min(before))
	case "highest":
		return v.Quorate && slices.Contains(now, slices.Max(before))
	}
	// The first listed node that is here wins, unless one listed before it was
	// here a moment ago and may now be on the other side. This holds after a
	// cold start too, where lowest and highest are not known yet.
	for _, field := range strings.Fields(v.AutoTieBreaker) {
		id, err := strconv.ParseUint(field, 10, 32)
		switch {
		case err != nil:
			return false
		case slices.Contains(now, uint32(id)):
			return true
		case slices.Contains(before, uint32(id)):
			return false
		}
	}
	return false
}

// tieBreaker reports whether auto_tie_breaker is in force (votequorum_readconfig).
func (v Votes) tieBreaker() bool {
	sum := 0
	for _, n := range v.Nodes {
		sum += n.Votes
	}
	return v.AutoTieBreaker != "" && (v.WaitForAll || sum%2 == 0)
}

// worstFailure is the situation after the failure that costs quorum if one
// does, else after the one that costs the most votes.
func (v Votes) worstFailure() Votes {
	deviceless := v.change(nil, false)
	for i := range deviceless.Nodes {
		deviceless.Nodes[i].Device = false
	}
	worst := deviceless
	tried := map[Voter]bool{}
	for _, n := range v.Nodes {
		// Which node it is counts for the tie breaker alone; there may be hundreds.
		kind := Voter{Votes: n.Votes, Device: n.Device}
		if !n.Present || v.AutoTieBreaker == "" && tried[kind] {
			continue
		}
		tried[kind] = true
		after := v.Without(n.ID)
		a, w := after.Tally(), worst.Tally()
		if !w.Quorate {
			break
		}
		if !a.Quorate || a.Votes < w.Votes {
			worst = after
		}
	}
	return worst
}

// settled is the situation when last_man_standing's window has passed since the
// last change: one expected vote for each member. Nodes with more than one vote
// switch the feature off.
//
// Source: votequorum_sync_init and votequorum_last_man_standing_timer_fn.
func (v Votes) settled() Votes {
	heavy := slices.ContainsFunc(v.Nodes, func(n Voter) bool { return n.Present && n.Votes > 1 })
	if !v.LastManStanding || heavy {
		return v
	}
	t, now := v.Tally(), v.members()
	lowestHere := slices.Contains(now, slices.Min(v.previous))
	if t.Quorate && (len(now) >= t.Quorum || v.tieBreaker() && lowestHere) {
		v.Expected = len(now)
	}
	return v
}
