package cluster

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"clusterctl/corosyncconf"
)

// AddSpec is everything that add, or join, was asked for.
type AddSpec struct {
	Nodes []NodeSpec
	Links []LinkSpec
	Force bool // set the files of another cluster aside
}

// Names returns the names that the nodes have to resolve before PlanAdd.
func (s AddSpec) Names() []string { return CreateSpec{Nodes: s.Nodes, Links: s.Links}.Names() }

// PlanAdd plans that nodes join a running cluster. facts are those of s.Nodes,
// in that order; key is the cluster's authkey, nil where it has none. The
// error, if any, is Problems.
//
// The nodes are listed with no votes, started and seen as members before one
// more reload gives them their votes, so that quorum never depends on a node
// that is not there. With last_man_standing votes must be equal at all times:
// there they are listed with their votes. Either way votes are given as many at
// a time as quorum bears at every instant (see room).
func PlanAdd(s AddSpec, v *View, facts []*Facts, key []byte) (*Plan, error) {
	var ps Problems
	conf := v.Conf.Config()
	v.settled(&ps, false)
	v.noDevice(&ps)
	for i, f := range facts {
		fit(&ps, f, s.Nodes[i].Name)
		s.free(&ps, f, conf)
		s.usablePmxcfs(&ps, f)
		guestless(&ps, f)
		lostKeys(&ps, f, v.teller())
	}
	for _, p := range ps {
		if p.Code == CodeExists { // what else could be said follows from it
			return nil, ps.Errors()
		}
	}
	together(&ps, append(v.reached(), facts...))
	sameLayout(&ps, append(v.reached(), facts...))
	nodes := s.place(&ps, v, facts)
	if err := ps.err(); err != nil {
		return nil, err
	}

	p, err := counted(func(rollouts int) (*rollout, error) {
		p := v.plan()
		p.Notes = slices.Clone(ps)
		p.relyOn(facts...)
		p.Nodes = append(p.Nodes, reached(s.Nodes, nodes)...)
		a := &adding{v: v, plan: p, roll: newRollout(v, p, rollouts), facts: facts, key: key}
		for _, link := range told(v.config()) {
			if len(a.roll.members) > 1 && !slices.Contains(a.roll.links, link) {
				p.Notes.warn(CodeLinkDown, "", "clusterctl status shows where it is down", "link %d does not connect all members now, and is not waited for", link)
			}
		}
		return a.roll, a.all(nodes)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// reached is how new nodes are reached: as asked for, else by their addresses,
// since an undo from elsewhere may not resolve their names.
func reached(specs []NodeSpec, nodes []corosyncconf.Node) []PlanNode {
	all := Targets(specs)
	for i := range all {
		for _, addr := range member(nodes[i]).Addresses {
			if !slices.Contains(all[i].Addresses, addr) {
				all[i].Addresses = append(all[i].Addresses, addr)
			}
		}
	}
	return all
}

// free checks that a node is in no cluster yet, nor in this one.
func (s AddSpec) free(ps *Problems, f *Facts, conf corosyncconf.Config) {
	if i := slices.IndexFunc(conf.Nodes, func(n corosyncconf.Node) bool { return sameHost(f.Hostname, n.Name) }); i >= 0 {
		ps.add(CodeExists, f.Node, "clusterctl status shows it; --if-missing accepts a node that is there as asked; to join another machine to this one's cluster, run on that machine: clusterctl join "+f.Node,
			"it is a member of cluster %s already, with node id %d", conf.Totem.ClusterName, conf.Nodes[i].ID)
		return
	}
	unused(ps, f, conf.Totem.ClusterName, s.Force, true) // a key is that of another cluster, also where this one has none
}

// place gives every new node its id, votes and addresses. Links that were not
// given are taken from the networks that the members use.
func (s AddSpec) place(ps *Problems, v *View, facts []*Facts) []corosyncconf.Node {
	conf := v.Conf.Config()
	taken := map[uint32]string{}
	highest := v.highestID()
	for _, n := range conf.Nodes {
		taken[n.ID] = n.Label()
	}
	for _, n := range s.Nodes {
		highest = max(highest, n.ID)
	}
	networks := v.networks()
	nodes := make([]corosyncconf.Node, len(s.Nodes))
	for i, n := range s.Nodes {
		id := n.ID
		if id == 0 {
			highest++
			id = highest
		} else if other := taken[id]; other != "" {
			ps.add(CodeDuplicate, n.Name, "choose another id, or none", "node id %d is that of %s", id, other)
		}
		votes := 1
		if n.Votes != nil {
			votes = *n.Votes
		}
		if id > 1<<16-1 && n.ID == 0 {
			ps.add(CodeBadID, n.Name, "give it one that is free: "+n.Name+",id=N", "the next node id, %d, is more than corosync takes", id)
		}
		nodes[i] = corosyncconf.Node{Name: n.Name, ID: id, Votes: votes, Addrs: s.addresses(ps, n, facts[i], append(slices.Clone(facts), v.reached()...), conf.Links(), networks)}
	}
	evenLinks(ps, append(slices.Clone(conf.Nodes), nodes...))
	return nodes
}

// addresses picks the addresses of a new node: as the request says, else link 0
// by its name, and the others from the networks of the members.
func (s AddSpec) addresses(ps *Problems, n NodeSpec, f *Facts, all []*Facts, links []int, networks map[int]netip.Prefix) map[int]string {
	if len(n.Links)+len(s.Links) > 0 {
		return n.addresses(ps, s.Links, f, all)
	}
	addrs := map[int]string{}
	for _, link := range links {
		var unresolved Problems
		if link == 0 {
			if a, ok := resolved(&unresolved, n.Name, n.Name, 0, f, all); ok {
				addrs[0] = a.String()
				continue
			}
		}
		network, known := networks[link]
		if found := inNetwork(f, network); known && len(found) == 1 {
			addrs[link] = found[0].String()
			continue
		}
		ps.add(CodeAddress, n.Name, fmt.Sprintf("give link%d=ADDR or --link %d=CIDR; it has %s", link, link, usable(f)),
			"no address of it stands out for link %d", link)
	}
	return addrs
}

// networks finds in which network each link is, from a member's own addresses.
func (v *View) networks() map[int]netip.Prefix {
	found := map[int]netip.Prefix{}
	for _, n := range v.Nodes {
		if n.Conf == nil || n.Facts == nil {
			continue
		}
		for link, addr := range n.Conf.Addrs {
			for _, p := range n.Facts.Addrs {
				if n.Facts.means(addr, p.Addr()) && !p.IsSingleIP() && !p.Addr().IsLoopback() {
					found[link] = p.Masked()
				}
			}
		}
	}
	return found
}

// means tells whether a ring address, an IP or a name, is the address a of the
// node.
func (f *Facts) means(ring string, a netip.Addr) bool {
	return addressKey(ring) == a.String() || slices.Contains(f.Resolved[ring], a)
}

// highestID is the highest node id that the cluster has, or had, as far as the
// nodes remember.
func (v *View) highestID() uint32 {
	highest := uint32(0)
	for _, n := range v.Conf.Config().Nodes {
		highest = max(highest, n.ID)
	}
	name := v.Conf.Config().Totem.ClusterName
	for _, f := range v.reached() {
		if f.IDs.Cluster == name {
			highest = max(highest, f.IDs.Highest)
		}
	}
	return highest
}

// adding is an add that is being planned.
type adding struct {
	v     *View
	plan  *Plan
	roll  *rollout
	facts []*Facts
	key   []byte
	old   []string // nodes of Proxmox VE that have the database of another cluster
	ha    []string // nodes of Proxmox VE that run HA, which is the cluster's when they have joined
}

// all plans that the nodes join. Up to three nodes with a vote that is one at a
// time: two_node lets one of two nodes go on alone only while no more than two
// are members.
func (a *adding) all(nodes []corosyncconf.Node) error {
	var running []string
	for i, n := range nodes {
		if a.facts[i].Units["corosync"].Running() || a.facts[i].Units["pacemaker"].Running() {
			running = append(running, n.Name)
		}
		if p := a.facts[i].PVE; p != nil && p.Conf.Exists {
			a.old = append(a.old, n.Name)
		}
		if u := a.facts[i].Units; a.v.pve() && (u[lrmUnit].Running() || u[crmUnit].Running()) {
			a.ha = append(a.ha, n.Name)
		}
	}
	if len(running) > 0 {
		a.plan.Steps = append(a.plan.Steps, stopDefault(running))
	}
	if len(a.old) > 0 {
		aside := setAsidePmxcfs(a.old)
		aside.Undo = a.rousing(aside.Undo, a.old)
		a.plan.Steps = append(a.plan.Steps, aside)
	}
	a.plan.freshCIB(a.facts)
	equal := a.v.Conf.Config().Quorum.LastManStanding
	for rest := nodes; len(rest) > 0; {
		n := len(rest)
		if voters(a.roll.conf.Config()) <= 2 {
			n = 1
		}
		if equal {
			room, err := a.room(rest)
			if err != nil {
				return err
			}
			n = min(len(rest), room)
		}
		if err := a.some(rest[:n], equal); err != nil {
			return err
		}
		rest = rest[n:]
	}
	a.startPacemaker(nodes)
	if err := a.roll.withoutTwoNode(); err != nil {
		return err
	}
	a.startHA(nodes)
	return nil
}

// voters counts the nodes that have votes.
func voters(conf corosyncconf.Config) int {
	n := 0
	for _, node := range conf.Nodes {
		if node.Votes > 0 {
			n++
		}
	}
	return n
}

// room is for how many of the nodes the votes that are present still carry the
// expected votes, which rise before the new votes are counted: each member
// reads its file at once, and hears of the others' votes a moment later.
func (a *adding) room(nodes []corosyncconf.Node) (int, error) {
	conf := a.roll.conf.Config()
	left, n := reckon(conf, a.roll.members).Room(), 0
	for n < len(nodes) && left >= nodes[n].Votes {
		left -= nodes[n].Votes
		n++
	}
	if n == 0 && voters(conf) == 1 && len(conf.Nodes) <= 2 && !conf.Quorum.AutoTieBreaker {
		return 1, nil // two_node carries it
	}
	if n == 0 {
		var away []string
		for _, name := range a.v.names() {
			if !slices.ContainsFunc(a.roll.members, func(m Member) bool { return m.Name == name }) {
				away = append(away, name)
			}
		}
		var ps Problems
		remedy := "give it fewer votes"
		if len(away) > 0 {
			remedy = fmt.Sprintf("bring %s back first, or, if dead: clusterctl delnode --offline %s", andList(away), strings.Join(away, " "))
		}
		ps.add(CodeQuorum, nodes[0].Name, remedy, "the votes that are present do not carry %s more: the cluster would lose quorum for a moment",
			count(nodes[0].Votes, "vote"))
		return 0, ps
	}
	return n, nil
}

// some plans that nodes are listed without votes, started and seen as members,
// and then given their votes, as many at a time as quorum bears. With equal,
// they have their votes from the start.
func (a *adding) some(nodes []corosyncconf.Node, equal bool) error {
	if err := a.list(nodes, equal); err != nil || equal {
		return err
	}
	next := len(a.plan.Steps)
	for rest := nodes; len(rest) > 0; {
		n, err := a.room(rest)
		if err != nil {
			return err
		}
		if err := a.give(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	a.testMeanwhile(next)
	return nil
}

// testMeanwhile plans that what comes after the start of nodes, when it only tests
// a configuration, is done while corosync takes its time to find the others: they
// are awaited at its end.
func (a *adding) testMeanwhile(next int) {
	if len(a.plan.Steps) <= next || a.plan.Steps[next].Class != ClassPrepare {
		return
	}
	start, test := &a.plan.Steps[next-1], &a.plan.Steps[next]
	if start.Class != ClassStart || start.Do.Want == nil || test.Do.Want != nil { // or it is pmxcfs, which needs them there
		return
	}
	start.Do.Want, test.Do.Want = nil, start.Do.Want
	test.What = fmt.Sprintf("see %s as %s, and %s", theirs(len(start.Do.Nodes), "it", "them"), theirs(len(start.Do.Nodes), "a member", "members"), test.What)
	start.What = "start corosync on " + andList(start.Do.Nodes)
}

// give plans that nodes that are members get their votes.
func (a *adding) give(nodes []corosyncconf.Node) error {
	if !slices.ContainsFunc(nodes, func(n corosyncconf.Node) bool { return n.Votes > 0 }) {
		return nil
	}
	what := "give " + andList(namesOf(nodes)) + " " + theirs(len(nodes), "its vote", "their votes")
	return a.roll.next(what, func(f *corosyncconf.File) error {
		before := f.Config()
		for _, n := range nodes {
			if err := vote(f, n); err != nil {
				return err
			}
		}
		return a.settleVotes(f, nodes, before)
	})
}

// settleVotes puts right what depends on the votes, when nodes were given
// theirs in f.
func (a *adding) settleVotes(f *corosyncconf.File, nodes []corosyncconf.Node, before corosyncconf.Config) error {
	more := 0
	for _, n := range nodes {
		more += n.Votes
	}
	if err := expect(f, more); err != nil {
		return err
	}
	now := voters(f.Config())
	twoNode := now == 2 && (before.Quorum.TwoNode || voters(before) == 1) && !before.Quorum.AutoTieBreaker
	if twoNode != before.Quorum.TwoNode {
		return f.SetTwoNode(twoNode)
	}
	return nil
}

// vote gives a listed node its votes; one vote is the default, and is not
// written.
func vote(f *corosyncconf.File, n corosyncconf.Node) error {
	if n.Votes != 1 {
		return f.SetNodeVotes(n.ID, n.Votes)
	}
	for _, s := range f.Root().Section("nodelist").Sections("node") {
		if id, _ := s.Get("nodeid"); id == strconv.FormatUint(uint64(n.ID), 10) {
			s.Unset("quorum_votes")
		}
	}
	return nil
}

// theirs is one or many, by how many nodes it is about.
func theirs(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// list plans that nodes are listed, get the files, and are started and seen;
// with equal they have their votes from the start, else none.
func (a *adding) list(nodes []corosyncconf.Node, equal bool) error {
	names := namesOf(nodes)
	at := len(a.plan.Steps)
	err := a.roll.next("list "+andList(names), func(f *corosyncconf.File) error {
		for _, n := range nodes {
			if !equal {
				n.Votes = 0
			}
			if err := f.AddNode(n); err != nil {
				return err
			}
		}
		if equal {
			return a.settleVotes(f, nodes, a.roll.conf.Config())
		}
		return nil
	})
	if err != nil {
		return err
	}
	if with := a.v.paced(); len(with) > 0 { // it knows who is on the list
		swap := a.roll.step("swap") // whose undoing has the members reload
		swap.Undo = append(swap.Undo, Act{Nodes: with, Ops: forgetting(nodes), Soft: true})
	}
	a.plan.Steps = slices.Insert(a.plan.Steps, at+1, a.prepare(nodes)) // once the members have tested and noted it

	gone := a.roll.want(a.roll.conf) // a node that is still a member must not be taken off the list
	gone.Version = 0
	for _, n := range nodes {
		gone.Gone = append(gone.Gone, n.ID)
	}
	for _, n := range nodes {
		a.roll.nodes = append(slices.Clone(a.roll.nodes), n.Name)
		a.roll.members = append(slices.Clone(a.roll.members), Member{n.Name, n.ID})
	}
	start := Step{
		ID: a.roll.id("start"), What: "start corosync on " + andList(names) + " and see " + theirs(len(names), "it as a member", "them as members"), Class: ClassStart,
		Do:   Act{Nodes: names, Ops: []Op{{Kind: OpStart, Unit: "corosync"}, {Kind: OpEnable, Unit: "corosync"}}, Want: a.roll.want(a.roll.conf)}, // to enable it takes a while, in which it looks for the others
		Undo: []Act{{Nodes: names, Ops: []Op{{Kind: OpStop, Unit: "pacemaker"}, {Kind: OpStop, Unit: "corosync"}}, Want: gone}},
	}
	start.Undo = a.resting(start.Undo, names)
	a.plan.Steps = append(a.plan.Steps, start)
	if a.v.pve() {
		join := joinPmxcfs(a.roll.id("pmxcfs"), a.plan.blob(a.roll.conf.Bytes()), false, names)
		for i := range names {
			if slices.Contains(a.old, names[i]) { // its own comes back when corosync does not run any more
				join.Undo = append(join.Undo, Act{Nodes: names[i : i+1], Ops: []Op{{Kind: OpPmxcfs, Name: "off"}}})
			}
		}
		first := &join.Undo[0]
		if first.Nodes = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(a.old, n) }); len(first.Nodes) == 0 {
			join.Undo = join.Undo[1:]
		}
		join.Undo = a.resting(join.Undo, names)
		a.plan.Steps = append(a.plan.Steps, join)
	}
	return nil
}

// prepare plans that new nodes get the key and the configuration.
func (a *adding) prepare(nodes []corosyncconf.Node) Step {
	blob := a.plan.blob(a.roll.conf.Bytes())
	step := Step{ID: a.roll.id("prepare"), What: "give " + andList(namesOf(nodes)) + " the cluster's files and test them", Class: ClassPrepare,
		Do:   Act{Nodes: namesOf(nodes)},
		Undo: []Act{{Nodes: namesOf(nodes), Ops: []Op{{Kind: OpRestore, Path: KeyPath}, {Kind: OpRestore, Path: ConfPath}, {Kind: OpReset, Unit: "corosync"}}}},
	}
	step.Undo = a.resting(step.Undo, namesOf(nodes)) // one that restarts meanwhile starts corosync by itself
	step.Undo = a.rousing(step.Undo, slices.DeleteFunc(namesOf(nodes), func(n string) bool { return slices.Contains(a.old, n) }))
	if a.key != nil {
		step.Do.Ops = append(step.Do.Ops, Op{Kind: OpPut, Path: KeyPath, Blob: a.plan.blob(a.key), Mode: "0400"})
	} else { // one that is there is of another cluster
		step.Do.Ops = append(step.Do.Ops, Op{Kind: OpAside, Path: KeyPath})
	}
	step.Do.Ops = append(step.Do.Ops,
		Op{Kind: OpStage, Path: ConfPath, Blob: blob, Mode: "0644"},
		Op{Kind: OpSwap, Path: ConfPath, Blob: blob})
	return step
}

// startPacemaker plans that pacemaker runs where the members run it.
func (a *adding) startPacemaker(nodes []corosyncconf.Node) {
	if len(a.v.paced()) == 0 {
		return
	}
	var names []string
	for i, n := range nodes {
		if !a.facts[i].Units["pacemaker"].Loaded {
			a.plan.Notes.warn(CodeNotInstalled, n.Name, "install it: "+installHint(a.facts[i].OS, "pacemaker"), "the members run pacemaker, which is not installed there")
			continue
		}
		names = append(names, n.Name)
	}
	if len(names) > 0 {
		a.plan.Steps = append(a.plan.Steps, Step{
			ID: "pacemaker", What: "start pacemaker on " + andList(names) + " and see " + theirs(len(names), "it", "them") + " join", Class: ClassStart,
			Do:   Act{Nodes: names, Ops: []Op{{Kind: OpEnable, Unit: "pacemaker"}, {Kind: OpStart, Unit: "pacemaker"}, {Kind: OpOnline}}},
			Undo: []Act{{Nodes: names, Ops: []Op{{Kind: OpStop, Unit: "pacemaker"}, {Kind: OpBoot, Unit: "pacemaker"}}}},
		})
	}
}

func namesOf(nodes []corosyncconf.Node) []string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Label()
	}
	return names
}

// Present tells whether the nodes are in the cluster already and as asked: listed,
// and members of it, with their votes. Problems tell that one is there but
// different; missing lists those that are not there.
func (s AddSpec) Present(v *View) (missing []NodeSpec, ps Problems) {
	conf := v.config()
	for _, n := range s.Nodes {
		i := slices.IndexFunc(conf.Nodes, func(h corosyncconf.Node) bool { return sameHost(h.Name, n.Name) })
		if i < 0 {
			missing = append(missing, n)
			continue
		}
		have := conf.Nodes[i]
		at := &v.Nodes[v.find(have.Label())]
		differs := func(format string, args ...any) {
			ps.add(CodeDifferent, n.Name, "ask for what it has, or leave it out", format, args...)
		}
		if n.ID != 0 && n.ID != have.ID {
			differs("its node id is %d, not %d", have.ID, n.ID)
		}
		if n.Votes != nil && *n.Votes != have.Votes {
			differs("it has %s, not %d", count(have.Votes, "vote"), *n.Votes)
		}
		for _, link := range slices.Sorted(maps.Keys(n.Links)) {
			if addressKey(n.Links[link]) != addressKey(have.Addrs[link]) {
				differs("its link %d is %s, not %s", link, have.Addrs[link], n.Links[link])
			}
		}
		for _, l := range s.Links {
			inside := false
			if at.Facts != nil {
				for _, p := range at.Facts.Addrs {
					inside = inside || l.Network.Contains(p.Addr()) && at.Facts.means(have.Addrs[l.Number], p.Addr())
				}
			} else if a, err := netip.ParseAddr(have.Addrs[l.Number]); err == nil {
				inside = l.Network.Contains(a)
			}
			if !inside {
				differs("its link %d is %s, not in %s", l.Number, have.Addrs[l.Number], l.Network)
			}
		}
		at.belongs(&ps, v, n)
	}
	return missing, ps
}

// belongs checks that a listed node is in its cluster: it may have been installed
// anew, or a machine may have its name, or it may be on its way in.
func (n *ViewNode) belongs(ps *Problems, v *View, asked NodeSpec) {
	if n.Facts == nil {
		*ps = append(*ps, NodeProblem(n.Name, n.Err))
		return
	}
	var busy Problems
	if idle(&busy, n.Facts, n.Name); len(busy) > 0 {
		*ps = append(*ps, busy...)
		return
	}
	member := slices.ContainsFunc(partitions(v), func(p *partition) bool {
		return p.quorate() && slices.Contains(p.ids, n.Conf.ID) && slices.Contains(p.seen, n)
	})
	switch {
	case n.Facts.Conf.Hash != Hash(v.Conf.Bytes()):
		ps.add(CodeDifferent, n.Name, "if it was installed anew, take out what it was: clusterctl delnode "+n.Name+"; else: clusterctl conf sync",
			"it is on the list, but its corosync.conf is not that of the cluster")
	case !n.active():
		ps.add(CodeDifferent, n.Name, "clusterctl start "+n.Name, "it is in the cluster, but corosync does not run there")
	case !member:
		ps.add(CodeDifferent, n.Name, "clusterctl status shows what is wrong", "it is in the cluster, but not a member of what is quorate")
	case n.Conf.Votes == 0 && asked.Votes == nil:
		ps.add(CodeDifferent, n.Name, "if that is meant, ask for votes=0", "it is in the cluster, but has no vote")
	}
}

// SharedKey reads the cluster's authkey from a member; nil when the cluster
// does without one, or has its key in corosync.conf.
func SharedKey(ctx context.Context, v *View, nodes map[string]Node) ([]byte, error) {
	totem := v.config().Totem
	if !totem.Encrypted() || v.keyInConf() {
		return nil, nil
	}
	if totem.KeyFile != KeyPath {
		var ps Problems
		ps.add(CodeKeyElsewhere, "", "move it to "+KeyPath+" on every node first", "totem.keyfile says that the key is %s", totem.KeyFile)
		return nil, ps
	}
	var last error
	for _, n := range v.Nodes {
		if n.active() && n.Facts.Key.Exists && nodes[n.Name] != nil && n.Facts.UID == 0 {
			key, err := nodes[n.Name].Key(ctx)
			if err == nil {
				return key, nil
			}
			last = nodeErr(n.Name, err)
		}
	}
	if last == nil {
		var ps Problems
		ps.add(CodeKeyDrift, "", "clusterctl status shows what is wrong", "the cluster is encrypted, but no running member shows its %s", KeyPath)
		return nil, ps
	}
	return nil, last
}
