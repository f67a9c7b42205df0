package cluster

import (
	"fmt"
	"slices"
	"time"

	"clusterctl/corosyncconf"
	"clusterctl/quorum"
)

// ServiceSpec is what start and stop were asked for.
type ServiceSpec struct {
	Nodes []string // names or node ids
	All   bool     // every node of the cluster
	Each  bool     // a node that does not start keeps none of the others down; with All it is so
}

// choose returns the nodes that a request is about, in the order of the
// nodelist. local is meant when none is named and this machine is a member.
func (s ServiceSpec) choose(ps *Problems, v *View, verb string) []*ViewNode {
	var chosen []*ViewNode
	if s.All && len(s.Nodes) > 0 {
		ps.add(CodeBadOption, "", "give one or the other", "--all and %s exclude each other", andList(s.Nodes))
		return nil
	}
	wanted := map[int]bool{}
	for _, name := range s.Nodes {
		i := v.find(name)
		if i < 0 {
			ps.add(CodeNoSuchNode, name, "the cluster has "+andList(v.names()), "no such node")
			continue
		}
		wanted[i] = true
	}
	for i := range v.Nodes {
		n := &v.Nodes[i]
		if n.Conf != nil && (s.All || wanted[i] || len(s.Nodes) == 0 && n.Local) {
			chosen = append(chosen, n)
		}
	}
	if len(chosen) == 0 && len(*ps) == 0 {
		ps.add(CodeBadOption, "", fmt.Sprintf("clusterctl %s NODE..., or clusterctl %s --all", verb, verb),
			"no node named, and this machine is not one of the cluster's")
	}
	return chosen
}

// find returns the index of the node of the nodelist with that name or id, -1
// if there is none.
func (v *View) find(name string) int {
	i := slices.IndexFunc(v.Nodes, func(n ViewNode) bool { return n.Conf != nil && n.Name == name })
	if i < 0 {
		i = slices.IndexFunc(v.Nodes, func(n ViewNode) bool { return n.Conf != nil && fmt.Sprint(n.Conf.ID) == name })
	}
	if i >= 0 {
		return i
	}
	for j, n := range v.Nodes { // a name without its domain, if only one has it
		if n.Conf == nil || !isHostname(n.Name, name) {
			continue
		}
		if i >= 0 {
			return -1
		}
		i = j
	}
	return i
}

func (v *View) names() []string {
	var names []string
	for _, n := range v.Nodes {
		if n.Conf != nil {
			names = append(names, n.Name)
		}
	}
	return names
}

// plan begins a plan for a cluster that exists: every node that was reached
// takes part, so that nobody else changes any of them meanwhile.
func (v *View) plan() *Plan {
	p := &Plan{Cluster: v.Conf.Config().Totem.ClusterName}
	for _, n := range v.Nodes {
		if n.Facts != nil && n.Conf != nil {
			p.Nodes = append(p.Nodes, PlanNode{Name: n.Name, Addresses: n.Reach.Addresses})
			p.relyOn(n.Facts)
		}
	}
	return p
}

// skip leaves out, with a warning, a node that does not answer when all were
// meant and not this one by name.
func (s ServiceSpec) skip(ps *Problems, n *ViewNode) bool {
	if !s.All || n.Facts != nil {
		return false
	}
	p := NodeProblem(n.Name, n.Err)
	p.Severity = Warning
	*ps = append(*ps, p)
	return true
}

// active tells whether corosync runs on the node.
func (n *ViewNode) active() bool { return n.Facts != nil && n.Facts.Runtime != nil }

// check checks that a node can be told to do something.
func (n *ViewNode) check(ps *Problems) bool {
	if n.Facts == nil {
		*ps = append(*ps, NodeProblem(n.Name, n.Err))
		return false
	}
	if n.Facts.UID != 0 {
		ps.add(CodeNotRoot, n.Name, "log in as root (-l root), or give --sudo", "the login is not root")
	}
	idle(ps, n.Facts, n.Name)
	return true
}

// PlanStart plans the start of nodes. A plan without steps means that all of
// them run already.
func PlanStart(s ServiceSpec, v *View) (*Plan, error) {
	var ps Problems
	conf := v.config()
	want := Hash(v.Conf.Bytes())
	var names, paced, resting []string
	var members []Member
	pacemaker := slices.ContainsFunc(v.Nodes, func(n ViewNode) bool { return n.Facts != nil && n.Facts.Units["pacemaker"].Running() })
	v.oneKey(&ps, conf)
	v.noPending(&ps)
	for _, n := range s.choose(&ps, v, "start") {
		if s.skip(&ps, n) || !n.check(&ps) {
			continue
		}
		switch c := n.Facts.Conf; {
		case !c.Exists || c.isDefault():
			ps.add(CodeConfigInvalid, n.Name, "clusterctl conf sync", "it has no corosync.conf of this cluster")
		case c.Err != nil:
			ps.add(CodeConfigInvalid, n.Name, "clusterctl conf sync", "%v", c.Err)
		case c.Hash != want:
			ps.add(CodeConfigDrift, n.Name, "clusterctl conf sync; started as it is, the node could exit or stop others from starting",
				"its corosync.conf (version %d) is not that of the cluster (version %d)", c.File.ConfigVersion(), v.Conf.ConfigVersion())
		}
		if u := n.Facts.Units["pacemaker"]; !u.Running() && (u.Enabled || pacemaker && u.Loaded) {
			paced = append(paced, n.Name)
		}
		if v.haOff(n.Facts) {
			resting = append(resting, n.Name)
		}
		if n.active() {
			continue
		}
		names = append(names, n.Name)
		members = append(members, Member{n.Name, n.Conf.ID})
	}
	if err := ps.err(); err != nil {
		return nil, err
	}
	p := v.plan()
	p.Notes = ps
	before, voting := v.voting(conf)
	var ids []ID
	for _, m := range members {
		ids = append(ids, m.ID)
	}
	after := voting.With(ids...).Tally()
	p.Quorum = QuorumRange{before, before, point(after)}
	if len(names) > 0 {
		for _, n := range v.Nodes { // those that run already must see the new ones
			if n.active() && n.Conf != nil && n.Facts.Conf.Hash == want {
				members = append(members, Member{n.Name, n.Conf.ID})
			}
		}
		if !after.Quorate {
			p.Notes.warn(CodeQuorum, "", enough(names[0], after.Votes), "the cluster will not be quorate: %d of %d votes, %d needed; away: %s",
				after.Votes, after.Expected, after.Quorum, andList(v.without(members)))
		}
	}
	seen := &Want{Members: members, Quorate: after.Quorate, Links: told(conf), Soft: true, Deadline: formTime(len(conf.Nodes))}
	pace := unitStep("pacemaker", OpStart, "pacemaker", paced)
	switch {
	case len(names) > 0 && (s.All || s.Each):
		p.Steps = startAll(names, *seen, pace)
	case len(names) > 0:
		start := unitStep("start", OpStart, "corosync", names)
		start.Do.Want = seen
		p.Steps = append(p.Steps, start)
		fallthrough
	default:
		if len(paced) > 0 {
			p.Steps = append(p.Steps, pace)
		}
	}
	if after.Quorate {
		p.Steps = append(p.Steps, v.catchUp("pmxcfs", names)...)
	}
	if len(resting) > 0 {
		p.Steps = append(p.Steps, Step{
			ID: "ha", What: "start HA on " + andList(resting), Class: ClassStart,
			Do: Act{Nodes: resting, Ops: []Op{{Kind: OpStart, Unit: crmUnit}, {Kind: OpStart, Unit: lrmUnit}}, Soft: true},
		})
	}
	return p, nil
}

// startAll are the steps of starting whatever can be started, as after a power
// cut: one node that does not come up must not keep the others down. So nothing
// is taken back, and in the end what is missing is an error, be it nodes or quorum.
func startAll(names []string, seen Want, pace Step) []Step {
	const stands = "what could be started runs"
	start := unitStep("start", OpStart, "corosync", names)
	start.Do.Soft, start.Stands = true, stands
	most, all := seen, seen
	most.Most, all.Quorate, all.Deadline = true, true, 10*time.Second
	form := Step{ID: "form", What: "see them come together", Class: ClassStart, Do: Act{Nodes: names, Soft: true, Want: &most}}
	rest := Step{ID: "rest", What: "see that all came up", Class: ClassStart, Do: Act{Nodes: names, Ops: []Op{{Kind: OpStart, Unit: "corosync"}}, Want: &all}}
	if len(pace.Do.Nodes) == 0 {
		return []Step{start, form, rest}
	}
	pace.Do.Soft, pace.Stands = true, stands
	return []Step{start, form, pace, rest}
}

// PlanStop plans the stop of nodes. A plan without steps means that none of
// them runs.
func PlanStop(s ServiceSpec, v *View) (*Plan, error) {
	var ps Problems
	conf := v.config()
	var names, paced []string
	var ids []ID
	for _, n := range s.choose(&ps, v, "stop") {
		if s.skip(&ps, n) || !n.check(&ps) {
			continue
		}
		v.stoppable(&ps, n)
		if n.Facts.Units["corosync"].Running() {
			names = append(names, n.Name)
			ids = append(ids, n.Conf.ID)
			if n.Facts.Units["pacemaker"].Running() {
				paced = append(paced, n.Name)
			}
		}
	}
	before, voting := v.voting(conf)
	after := voting.Without(ids...).Tally()
	sure, loses := v.surely(voting, ids...)
	if !s.All && voting.Tally().Quorate && !sure.Quorate && len(names) > 0 {
		ps.add(CodeQuorum, "", "stop fewer nodes at once, or the whole cluster with: clusterctl stop --all",
			"without %s the cluster %s: %d of %d votes are left, %d are needed", andList(names), loses, sure.Votes, sure.Expected, sure.Quorum)
	}
	if err := ps.err(); err != nil {
		return nil, err
	}
	p := v.plan()
	p.Notes = ps
	p.Quorum = QuorumRange{before, point(after), point(after)}
	if len(names) == 0 {
		return p, nil
	}
	p.Steps, _ = v.quiet(names)
	if len(p.Steps) > 0 {
		p.Notes.warn(CodeUnmanaged, "", "clusterctl start starts HA again, too", "HA does not watch over the guests on %s until it is started again", andList(names))
	}
	if len(paced) > 0 {
		p.Steps = append(p.Steps, unitStep("pacemaker", OpStop, "pacemaker", paced))
	}
	stop := unitStep("stop", OpStop, "corosync", names)
	stop.Do.Want = &Want{Members: v.members(names), Gone: ids, Quorate: after.Quorate, Deadline: formTime(len(conf.Nodes))}
	if !s.All {
		stop.Do.Leave = ids
	}
	v.disarmed(&stop)
	p.Steps = append(p.Steps, stop)
	return p, nil
}

// voting is the voting situation of the main partition: in figures, and to
// reckon with. Without any partition nobody is present.
func (v *View) voting(conf corosyncconf.Config) (QuorumPoint, quorum.Votes) {
	parts := partitions(v)
	if len(parts) == 0 {
		votes := votesOf(conf, quorum.Status{})
		return QuorumPoint{Expected: conf.ExpectedVotes()}, votes
	}
	votes := votesOf(conf, parts[0].status())
	return point(votes.Tally()), votes
}

// steady is the quorum of a plan that changes no votes.
func (v *View) steady(conf corosyncconf.Config) QuorumRange {
	now, _ := v.voting(conf)
	return QuorumRange{now, now, now}
}

func point(t quorum.Tally) QuorumPoint { return QuorumPoint{t.Votes, t.Expected, t.Quorum} }

// surely is what is left without some nodes, and what becomes of quorum if that is
// too little. Members that cannot be asked are not relied on: corosync takes a
// while to notice that one has died.
func (v *View) surely(voting quorum.Votes, without ...ID) (quorum.Tally, string) {
	var unseen []string
	for _, n := range v.Nodes {
		if n.Facts == nil && n.Conf != nil && slices.ContainsFunc(partitions(v), func(p *partition) bool { return slices.Contains(p.ids, n.Conf.ID) }) {
			unseen = append(unseen, n.Name)
			without = append(without, n.Conf.ID)
		}
	}
	if len(unseen) == 0 {
		return voting.Without(without...).Tally(), "loses quorum"
	}
	return voting.Without(without...).Tally(), "could lose quorum, since " + andList(unseen) + " cannot be reached"
}

// without lists the nodes of the nodelist that are not among members.
func (v *View) without(members []Member) []string {
	var names []string
	for _, n := range v.names() {
		if !slices.ContainsFunc(members, func(m Member) bool { return m.Name == n }) {
			names = append(names, n)
		}
	}
	return names
}

// noPending refuses to start a node with files that are ahead of what runs.
func (v *View) noPending(ps *Problems) {
	want := Hash(v.Conf.Bytes())
	for _, n := range v.Nodes {
		if n.active() && n.Conf != nil && n.Facts.Conf.Hash == want && n.Facts.seen().Version != v.Conf.ConfigVersion() {
			ps.add(CodeConfigPending, n.Name, "clusterctl conf sync --from "+n.Name+" makes every member run it",
				"its file is version %d, but version %d runs; a node that is started now would be ahead", v.Conf.ConfigVersion(), n.Facts.seen().Version)
		}
	}
}
