package cluster

import (
	"fmt"
	"slices"
	"strings"

	"clusterctl/quorum"
)

// quorum finds why there is no quorum where nothing but nodes is missing, and
// how to get it back.
func (d *diagnosis) quorum() {
	if len(d.parts) == 0 {
		d.cold()
		return
	}
	q := d.parts[0].status()
	if q.Quorate {
		d.expected(q)
		return
	}
	away, startable := d.away()
	code, message := CodeNotQuorate, ""
	if q.Total >= q.Quorum && slices.Contains(q.Flags, "WaitForAll") {
		code, message = CodeWaiting, fmt.Sprintf("votes are enough (%d of %d), and corosync waits until all nodes have been there once since it was started (wait_for_all): not yet %s",
			q.Total, q.Expected, andList(away))
	} else {
		message = fmt.Sprintf("no quorum: %d of %d votes are there, %d are needed; away: %s", q.Total, q.Expected, q.Quorum, andList(away))
	}
	if only := d.v.readOnly(); only != "" {
		message += "; " + only
	}
	c := d.add(rankQuorum, code, nil, d.wayBack(code, q, startable), "%s", message).so(CodeNotQuorate, CodeUnreachable, CodeAuth, CodeHostKey, CodeFacts, CodeInactive, CodeAbsent)
	c.seen(fmt.Sprintf("corosync-quorumtool: Total votes: %d, Expected votes: %d, Quorum: %d, Flags: %s", q.Total, q.Expected, q.Quorum, strings.Join(q.Flags, " ")))
	if len(startable) > 0 {
		c.does(d.v, fix{verb: fixStart, nodes: startable})
	}
	if d.deeperGivesQuorum(q) || len(d.parts) > 1 {
		c.rank = rankNode // what keeps the others away is told first
	}
}

// cold finds that corosync runs nowhere, and that nothing but a start is needed.
func (d *diagnosis) cold() {
	_, startable := d.away()
	differ := slices.ContainsFunc(d.causes, func(c *Cause) bool { return c.rank == rankVersion })
	if len(startable) == 0 || differ { // which files count is settled first
		return
	}
	c := d.add(rankQuorum, CodeNotQuorate, nil, "start all nodes together", "corosync runs on no node that answers").so(CodeNotQuorate, CodeInactive, CodeAbsent)
	c.does(d.v, fix{verb: fixStart, nodes: startable})
	if len(startable) < len(d.v.names()) {
		c.rank = rankNode
	}
}

// away lists the nodes that are in no partition or not in the largest, and of
// these the ones that a start may bring back.
func (d *diagnosis) away() (away, startable []string) {
	for i := range d.v.Nodes {
		n := &d.v.Nodes[i]
		if n.Conf == nil || len(d.parts) > 0 && slices.Contains(d.parts[0].ids, n.Conf.ID) {
			continue
		}
		away = append(away, n.Name)
		if n.Facts != nil && !n.Facts.Units["corosync"].Running() && !n.Facts.Units["corosync"].Masked && n.Facts.Conf.Err == nil &&
			n.Facts.Conf.Hash == Hash(d.v.Conf.Bytes()) && !d.has(rankFile, n) && !d.has(rankKey, n) && !d.has(rankDisk, n) {
			startable = append(startable, n.Name)
		}
	}
	return away, startable
}

// deeperGivesQuorum tells whether the nodes that are away for another reason
// have the votes that are missing.
func (d *diagnosis) deeperGivesQuorum(q quorum.Status) bool {
	votes := q.Total
	for i := range d.v.Nodes {
		n := &d.v.Nodes[i]
		if n.Conf == nil || slices.Contains(d.parts[0].ids, n.Conf.ID) {
			continue
		}
		if slices.ContainsFunc(d.causes, func(c *Cause) bool { return c.rank < rankQuorum && slices.Contains(c.nodes, n.Name) }) {
			votes += n.Conf.Votes
		}
	}
	return votes > q.Total && votes >= q.Quorum
}

// wayBack says how quorum comes back, with its dangers.
func (d *diagnosis) wayBack(code Code, q quorum.Status, startable []string) string {
	var lost []string
	for i := range d.v.Nodes {
		n := &d.v.Nodes[i]
		if n.Conf != nil && n.Facts == nil && !slices.Contains(d.parts[0].ids, n.Conf.ID) {
			lost = append(lost, n.Name)
		}
	}
	away, _ := d.away()
	apart := slices.DeleteFunc(slices.Clone(away), func(name string) bool { return !d.runs(name) })
	if len(apart) > 0 { // to count without them would make two clusters
		text := "mend what keeps " + andList(apart) + ", where corosync runs, apart from the others"
		if len(startable) > 0 {
			text += "; start " + andList(startable)
		}
		return text
	}
	text := "bring back nodes that are away"
	if len(startable) > 0 {
		text = "start " + andList(startable)
	} else if len(lost) > 0 {
		text = "bring back " + orList(lost)
	}
	last := fmt.Sprintf("clusterctl -H %s expected %d", d.parts[0].seen[0].Name, q.Total)
	if code == CodeWaiting {
		last = d.parts[0].seen[0].shell("corosync-cmapctl -s quorum.cancel_wait_for_all u8 1")
	}
	gone := lost
	if len(gone) == 0 {
		gone = away
	}
	return text + "; only if that cannot be, and " + andList(gone) + " " + theirs(len(gone), "is", "are") +
		" switched off for certain, since two clusters at once destroy data: " + last
}

// expected finds expected votes at run time that are not the file's. No fewer are
// expected than there are.
func (d *diagnosis) expected(q quorum.Status) {
	want := max(d.conf.ExpectedVotes(), q.Total)
	if d.conf.ExpectedVotes() == 0 || q.Expected == want || d.status.Cluster.ConfigVersion != d.v.Conf.ConfigVersion() {
		return
	}
	c := d.add(rankRisk, CodeExpected, nil, "expect what the file says again, as the next reload does", "%d votes are expected, and the file says %d", q.Expected, want).
		seen(fmt.Sprintf("corosync-quorumtool: Expected votes: %d", q.Expected)).so(CodeExpected).warn()
	now := votesOf(d.conf, q)
	then := now
	then.Expected = want
	if want >= q.Total && want <= 2*q.Total-1 && then.Survives() >= now.Survives() {
		c.does(d.v, fix{verb: fixExpect, votes: want})
	} else {
		c.Remedy = "when the other nodes are back: clusterctl expected " + fmt.Sprint(want) + "; before that it would cost quorum, or leave less of it to spare"
	}
}

// whereCut says between which nodes packets do not get through.
func (d *diagnosis) whereCut(c *Cause) {
	for _, s := range d.status.Nodes {
		for _, l := range s.Links {
			var down []string
			for _, o := range d.status.Nodes {
				if l.Peers.State(o.Name) == quorum.Disconnected.String() && d.runs(o.Name) {
					down = append(down, o.Name)
				}
			}
			if len(down) > 0 {
				c.seen(fmt.Sprintf("corosync-cfgtool on %s: link %d (%s) does not reach %s", s.Name, l.Number, l.Address, andList(down)))
			}
		}
	}
	if c.Code != CodePartition {
		return
	}
	c.Remedy = "nothing on the nodes explains it: look at the switches and what filters between them"
	if small := d.status.Partitions[len(d.status.Partitions)-1]; len(small) == 1 {
		c.Node, c.nodes = small[0], small
	}
	if files := d.sides(); files != "" {
		c.Remedy += "; then " + files
	}
}

// sides says what to do about the files of a split in which both sides were
// changed.
func (d *diagnosis) sides() string {
	hashes := map[string]bool{}
	for _, p := range d.parts {
		for _, n := range p.seen {
			hashes[n.Facts.Conf.Hash] = true
		}
	}
	if len(hashes) < 2 || !d.parts[0].quorate() {
		return ""
	}
	return "what the side with quorum has counts: clusterctl conf sync --from " + d.parts[0].seen[0].Name
}
