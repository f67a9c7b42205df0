package cluster

import (
	"fmt"
	"slices"
)

// PlanRestart plans that corosync, and pacemaker where it runs, is stopped and
// started on one node after the other, each a member again before the next is
// stopped. Nodes where corosync does not run are left alone; a plan without
// steps means that it runs on none of them.
func PlanRestart(s ServiceSpec, v *View) (*Plan, error) {
	var ps Problems
	conf := v.config()
	want := Hash(v.Conf.Bytes())
	var chosen []*ViewNode
	for _, n := range s.choose(&ps, v, "restart") {
		if s.skip(&ps, n) || !n.check(&ps) || !n.active() {
			continue
		}
		v.stoppable(&ps, n)
		if n.Facts.Conf.Err != nil || n.Facts.Conf.Hash != want {
			ps.add(CodeConfigDrift, n.Name, "clusterctl conf sync; started with it, the node could exit or stop others from starting", "its corosync.conf is not that of the cluster")
		}
		chosen = append(chosen, n)
	}
	v.oneKey(&ps, conf)
	v.noPending(&ps)
	p := v.plan()
	before, _ := v.voting(conf)
	p.Quorum = QuorumRange{before, before, before}
	rest, haBack := v.quiet(viewNames(chosen))
	p.Steps = slices.Concat(rest, v.rolling(&ps, &p.Quorum, chosen), haBack)
	if err := ps.err(); err != nil {
		return nil, err
	}
	p.Notes = ps
	return p, nil
}

// rolling restarts nodes one after the other, and lowers what is lowest in q.
func (v *View) rolling(ps *Problems, q *QuorumRange, nodes []*ViewNode) []Step {
	conf := v.config()
	if v.Conf.Config().Quorum.Device != nil {
		ps.add(CodeDevice, "", "on one node after the other: systemctl restart corosync, then systemctl start corosync-qdevice; the next one when corosync-quorumtool -s there shows the flags A,V",
			"the cluster has a quorum device: corosync-qdevice ends with corosync, and its vote must be there again before the next node is restarted, which is not handled yet")
	}
	_, voting := v.voting(conf)
	quorate := voting.Tally().Quorate
	members := v.members(nil)
	var steps []Step
	for i, n := range nodes {
		away := voting.Without(n.Conf.ID).Tally()
		sure, loses := v.surely(voting, n.Conf.ID)
		alone := len(members) == 1 && away.Votes == 0
		if quorate && !sure.Quorate && !alone {
			ps.add(CodeQuorum, n.Name, "bring nodes that are away back first; clusterctl stop --all and start --all restart the whole cluster",
				"without it the cluster %s: %d of %d votes are left, %d are needed", loses, sure.Votes, sure.Expected, sure.Quorum)
		}
		if away.Votes-away.Quorum < q.Lowest.Votes-q.Lowest.Quorum {
			q.Lowest = point(away)
		}
		rest := v.members([]string{n.Name})
		one := []string{n.Name}
		paced := n.Facts.Units["pacemaker"].Running()
		if paced {
			unpace := unitStep(fmt.Sprintf("unpace-%d", i+1), OpStop, "pacemaker", one)
			unpace.Undo = []Act{revivePacemaker(one)}
			steps = append(steps, unpace)
		}
		stop, start := unitStep(fmt.Sprintf("stop-%d", i+1), OpStop, "corosync", one), unitStep(fmt.Sprintf("start-%d", i+1), OpStart, "corosync", one)
		v.disarmed(&stop)
		stop.Do.Leave = []ID{n.Conf.ID}
		stop.Do.Want = &Want{Members: rest, Gone: stop.Do.Leave, Quorate: quorate && away.Quorate, Deadline: formTime(len(conf.Nodes))}
		start.Do.Want = &Want{Members: members, Quorate: quorate, Links: v.connected(members), Deadline: formTime(len(conf.Nodes))}
		start.Undo = nil         // that of stopping it does
		stop.Undo[0].Soft = true // one that does not start keeps nothing open: there is nothing else to take back
		steps = append(steps, stop, start)
		if paced {
			pace := unitStep(fmt.Sprintf("pace-%d", i+1), OpStart, "pacemaker", one)
			pace.Undo = nil
			steps = append(steps, pace)
		}
		if quorate {
			steps = append(steps, v.catchUp(fmt.Sprintf("pmxcfs-%d", i+1), one)...)
		}
	}
	return steps
}

// revivePacemaker starts pacemaker where it ran, when corosync is back. One that
// does not start keeps nothing else from being taken back.
func revivePacemaker(nodes []string) Act {
	return Act{Nodes: nodes, Ops: []Op{{Kind: OpRevive, Unit: "pacemaker"}}, Soft: true}
}

// PlanEnable plans that corosync is started at boot, or no longer, and with it
// pacemaker where it is installed. A plan without steps means that it is so.
func PlanEnable(s ServiceSpec, v *View, enable bool) (*Plan, error) {
	var ps Problems
	verb, kind, class := "enable", OpEnable, ClassPrepare
	if !enable {
		verb, kind = "disable", OpDisable
	}
	byUnit := map[string][]string{}
	for _, n := range s.choose(&ps, v, verb) {
		if s.skip(&ps, n) || !n.check(&ps) {
			continue
		}
		for _, unit := range []string{"corosync", "pacemaker"} {
			if u := n.Facts.Units[unit]; u.Loaded && u.Enabled != enable {
				byUnit[unit] = append(byUnit[unit], n.Name)
			}
		}
	}
	if err := ps.err(); err != nil {
		return nil, err
	}
	p := v.plan()
	p.Notes = ps
	p.Quorum = v.steady(v.Conf.Config())
	for _, unit := range []string{"corosync", "pacemaker"} {
		if nodes := byUnit[unit]; len(nodes) > 0 {
			p.Steps = append(p.Steps, Step{
				ID: verb + "-" + unit, What: fmt.Sprintf("%s %s on %s", verb, unit, andList(nodes)), Class: class,
				Do:   Act{Nodes: nodes, Ops: []Op{{Kind: kind, Unit: unit}}},
				Undo: []Act{{Nodes: nodes, Ops: []Op{{Kind: OpBoot, Unit: unit}}}},
			})
		}
	}
	return p, nil
}

// unitStep starts or stops a unit on nodes.
func unitStep(id string, kind OpKind, unit string, nodes []string) Step {
	class, undo := ClassStart, OpReset
	if kind == OpStop {
		class, undo = ClassStop, OpRevive
	}
	return Step{
		ID: id, What: fmt.Sprintf("%s %s on %s", kind, unit, andList(nodes)), Class: class,
		Do:   Act{Nodes: nodes, Ops: []Op{{Kind: kind, Unit: unit}}},
		Undo: []Act{{Nodes: nodes, Ops: []Op{{Kind: undo, Unit: unit}}}},
	}
}

// members are the nodes where corosync runs, but for some.
func (v *View) members(but []string) []Member {
	var members []Member
	for _, n := range v.Nodes {
		if n.active() && n.Conf != nil && !slices.Contains(but, n.Name) {
			members = append(members, Member{n.Name, n.Conf.ID})
		}
	}
	return members
}
