package cluster

import (
	"fmt"
	"slices"
)

// PlanExpected plans that a partition is told how many votes to expect: that
// of the node asked for, or the only one. The error, if any, is Problems.
//
// votequorum refuses less than the votes present and, while quorate, so much
// that quorum would be lost (exec/votequorum.c, message_handler_req_lib_
// votequorum_setexpected, since 2.4.6 and 3.0.4); both are checked here for all
// versions.
func PlanExpected(votes int, v *View) (*Plan, error) {
	var ps Problems
	conf := v.config()
	parts := partitions(v)
	part := choosePartition(&ps, parts)
	if part == nil || !v.hasNodelist(&ps) {
		return nil, ps
	}
	var members []Member
	var names []string
	for i := range v.Nodes {
		n := &v.Nodes[i]
		if n.Conf == nil || !slices.Contains(part.ids, n.Conf.ID) || n.Facts == nil {
			continue
		}
		n.check(&ps)
		members, names = append(members, Member{n.Name, n.Conf.ID}), append(names, n.Name)
	}
	q := part.status()
	switch {
	case votes < q.Total:
		ps.add(CodeQuorum, "", fmt.Sprintf("use %d or more", q.Total), "expected votes %d: the partition of %s has %d votes, and corosync does not expect fewer than there are",
			votes, andList(names), q.Total)
	case q.Quorate && votes > 2*q.Total-1:
		ps.add(CodeQuorum, "", fmt.Sprintf("use %d to %d", q.Total, 2*q.Total-1), "expected votes %d: the partition of %s has %d votes, and would lose its quorum",
			votes, andList(names), q.Total)
	}
	if err := ps.err(); err != nil {
		return nil, err
	}
	p := v.plan()
	before := point(votesOf(conf, q).Tally())
	now := votesOf(conf, q)
	now.Expected = votes
	after := now.Tally()
	p.Quorum = QuorumRange{before, before, point(after)}
	if q.Expected == votes {
		return p, nil
	}
	p.Notes.warn(CodeExpected, "", "", "this lasts until the next reload or restart of corosync, which takes the number from corosync.conf again")
	if len(members) < len(conf.Nodes) && votes < conf.ExpectedVotes() {
		p.Notes.warn(CodeExpected, "", "make sure that "+andList(v.without(members))+" cannot be running as a second cluster",
			"votes that are away are not waited for any more")
	}
	want := func(expected int, quorate bool) *Want {
		return &Want{Members: members, Expected: expected, Quorate: quorate, Deadline: formTime(len(members))}
	}
	p.Steps = []Step{{
		ID: "expect", What: fmt.Sprintf("have the partition of %s expect %s", andList(names), count(votes, "vote")), Class: ClassReload,
		Do:   Act{Nodes: names, One: true, Ops: []Op{{Kind: OpExpect, N: uint32(votes)}}, Want: want(votes, after.Quorate)},
		Undo: []Act{{Nodes: names, One: true, Ops: []Op{{Kind: OpExpect, N: uint32(q.Expected)}}, Want: want(q.Expected, q.Quorate)}},
	}}
	return p, nil
}

// choosePartition returns the only partition, or that of the node which was
// asked for.
func choosePartition(ps *Problems, parts []*partition) *partition {
	switch len(parts) {
	case 0:
		ps.add(CodeNoRunning, "", "clusterctl start", "corosync runs on no node that answers")
		return nil
	case 1:
		return parts[0]
	}
	asked := -1
	for i, p := range parts {
		for _, n := range p.seen {
			if n.Asked {
				if asked >= 0 && asked != i {
					ps.add(CodePartition, "", "name a node of the one you mean with -H", "the cluster is split into %d partitions", len(parts))
					return nil
				}
				asked = i
			}
		}
	}
	if asked < 0 {
		ps.add(CodePartition, "", "name a node of the one you mean with -H", "the cluster is split into %d partitions", len(parts))
		return nil
	}
	return parts[asked]
}
