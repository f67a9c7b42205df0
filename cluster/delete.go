package cluster

import (
	"fmt"
	"slices"
	"strings"

	"clusterctl/corosyncconf"
)

// DeleteSpec is what delnode was asked for.
type DeleteSpec struct {
	Nodes   []string // names or node ids
	Offline bool     // they are dead, and are not waited for
	Force   bool     // also when the rest is, or will be, without quorum
	Purge   bool     // remove what /etc/pve of Proxmox VE has of them, but for guests
	NewKey  []byte   // what the rest changes its authkey to in the end; nil: it keeps it
}

// PlanDelete plans that nodes leave a running cluster. The error, if any, is
// Problems.
//
// The nodes lose their votes by one reload, are stopped and locked out, and a
// second reload takes them off the list, so that quorum never depends on a node
// that is on its way out. Nodes that run no corosync are taken off at once, with
// the first reload. With last_man_standing votes must be equal at all times: there
// the nodes keep theirs until they are off the list, and leave as many at a time
// as the votes of the rest bear. When all that is done, the rest changes its key;
// that may fail, and the nodes are out all the same.
func PlanDelete(s DeleteSpec, v *View) (*Plan, error) {
	var ps Problems
	if s.Purge && !v.pve() {
		ps.add(CodeBadOption, "", "leave it out", "--purge is for clusters of Proxmox VE")
	}
	if left := v.left(s.Nodes); s.Purge && len(left) > 0 {
		return planPurge(left, s, v)
	}
	leaving := v.leaving(&ps, s)
	v.settledWithout(&ps, s, leaving)
	if err := ps.err(); err != nil {
		return nil, err
	}

	for _, n := range leaving {
		if n.Facts == nil {
			remedy := fmt.Sprintf("remove %s and %s on it before it is connected to this network again", ConfPath, KeyPath)
			if v.pve() {
				remedy = "before it is connected to this network again, on it: " + leavePVE
			}
			ps.warn(CodeOffline, n.Name, remedy, "it is taken off the list without being stopped; it must not come back with its old files")
		}
	}
	l := &leavings{}
	if v.pve() {
		l = v.leavings(viewNames(leaving))
		l.report(&ps, s.Purge)
	}
	p, err := counted(func(rollouts int) (*rollout, error) {
		p := v.plan()
		p.Notes = slices.Clone(ps)
		d := newDeleting(v, p, leaving, rollouts)
		d.roll.force = s.Force
		if err := d.all(s.Force); err != nil {
			return d.roll, err
		}
		if s.NewKey != nil {
			if err := d.lockOutByKey(s.NewKey); err != nil {
				return d.roll, err
			}
		}
		if s.Purge { // when the nodes are out for good, whatever becomes of the key
			at := slices.IndexFunc(p.Steps, func(s Step) bool { return s.Stands != "" })
			steps := l.purge(p)
			if at < 0 {
				if at = len(p.Steps) - 1; len(steps) > 0 {
					p.Steps[at].Stands = d.out()
				}
			}
			p.Steps = slices.Insert(p.Steps, at+1, steps...)
		}
		return d.roll, nil
	})
	if err != nil {
		return nil, err
	}
	if low := p.Quorum.Lowest; s.Force && v.quorate() && low.Votes < low.Quorum { // which may have the rest fenced
		for i := range v.Nodes {
			if n := &v.Nodes[i]; n.Conf != nil && n.active() && !slices.Contains(leaving, n) {
				n.fenced(&ps)
			}
		}
		if err := ps.err(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// leavePVE is how a node of Proxmox VE is taken out of its cluster by hand, as its
// manual has it: pmxcfs would put a file that is removed back, from its database.
// HA would start guests of the others there.
const leavePVE = "systemctl disable --now pve-ha-lrm pve-ha-crm; systemctl stop pve-cluster corosync; pmxcfs -l; rm -r /etc/pve/corosync.conf /etc/corosync/*; kill $(cat /run/pve-cluster.pid); systemctl start pve-cluster"

// leaving finds the nodes that are to go, and what stands against it.
func (v *View) leaving(ps *Problems, s DeleteSpec) []*ViewNode {
	var leaving []*ViewNode
	for _, name := range s.Nodes {
		i := v.find(name)
		if i < 0 {
			remedy := "the cluster has " + andList(v.names())
			if len(v.left([]string{name})) > 0 {
				remedy = "it has left; what /etc/pve still has of it goes with: clusterctl delnode --purge " + name
			}
			ps.add(CodeNoSuchNode, name, remedy, "no such node")
			continue
		}
		n := &v.Nodes[i]
		if slices.Contains(leaving, n) {
			ps.add(CodeDuplicate, name, "name each node once", "given twice")
			continue
		}
		leaving = append(leaving, n)
		isMember := slices.ContainsFunc(partitions(v), func(p *partition) bool { return slices.Contains(p.ids, n.Conf.ID) })
		switch {
		case n.Facts == nil && !s.Offline:
			p := NodeProblem(n.Name, n.Err)
			if isMember {
				p.Message += " (the other nodes count it as a member)"
			} else {
				p.Remedy = "bring it back, or, if it is dead: clusterctl delnode --offline " + n.Name
			}
			*ps = append(*ps, p)
		case n.Facts == nil && isMember:
			ps.add(CodeLiveMember, n.Name, "stop it, or cut it off, first", "it cannot be reached, but the other nodes count it as a member: it is not dead")
		case n.Facts != nil && s.Offline:
			ps.add(CodeOnline, n.Name, "leave out --offline", "it answers: it can be stopped and locked out properly")
		case n.Facts != nil:
			v.stoppable(ps, n)
			v.haGuests(ps, n)
		}
	}
	switch {
	case len(leaving) == 0:
	case len(leaving) == len(v.names()):
		ps.add(CodeLast, "", "to end the whole cluster: clusterctl stop --all, then remove "+ConfPath+" on each node",
			"a cluster cannot lose its last node")
	case !slices.ContainsFunc(v.Nodes, func(n ViewNode) bool { return n.Conf != nil && n.Facts != nil && !hasID(leaving, n.Conf.ID) }):
		ps.add(CodeLast, "", "bring one of those that stay back first", "no node that stays can be reached, and would hear of it")
	}
	return leaving
}

// settledWithout checks the cluster as settled does, but for the nodes that leave
// and run no corosync: they need not be in order.
func (v *View) settledWithout(ps *Problems, s DeleteSpec, leaving []*ViewNode) {
	rest := &View{Conf: v.Conf}
	parts := partitions(v)
	for _, n := range v.Nodes {
		leaves := n.Conf != nil && hasID(leaving, n.Conf.ID)
		counted := slices.ContainsFunc(parts, func(p *partition) bool { return n.Conf != nil && slices.Contains(p.ids, n.Conf.ID) })
		switch {
		case leaves && n.Facts == nil: // leaving says what there is to say
		case leaves && !counted && !n.Facts.Units["corosync"].Running():
			n.check(ps)
		default:
			rest.Nodes = append(rest.Nodes, n)
		}
	}
	leave := func(p *partition) bool {
		return !slices.ContainsFunc(p.ids, func(id ID) bool { return !hasID(leaving, id) })
	}
	var found Problems
	rest.settled(&found, s.Force)
	for _, p := range found {
		switch {
		case p.Code == CodeNotQuorate && len(parts) > 0:
			p.Remedy += "; --force goes on without quorum"
		case p.Code == CodePartition && !slices.ContainsFunc(parts[1:], func(p *partition) bool { return !leave(p) }):
			p.Remedy = "mend the network between them, or stop corosync on the nodes that leave: clusterctl stop " + strings.Join(viewNames(leaving), " ")
		}
		*ps = append(*ps, p)
	}
	rest.noDevice(ps)
}

// deleting is a delnode that is being planned.
type deleting struct {
	v     *View
	plan  *Plan
	roll  *rollout
	down  []*ViewNode // that leave and run no corosync, or do not answer
	alive []*ViewNode // that leave and run it
}

func newDeleting(v *View, p *Plan, leaving []*ViewNode, rollouts int) *deleting {
	d := &deleting{v: v, plan: p, roll: newRollout(v, p, rollouts)}
	for _, n := range leaving {
		if n.active() {
			d.alive = append(d.alive, n)
		} else {
			d.down = append(d.down, n)
		}
	}
	d.roll.leave(func(name string) bool { return among(d.down, name) }) // what does not run there needs no new file
	return d
}

// all plans that those that are down go first, which makes the expected votes
// fewer, and then those that are alive: all at once or, when one or two voters
// are left, the last to go after the others, because two_node carries them only
// while no more than two are members: with two voters and three others that are
// on their way out, a voter that dies would take quorum with it.
func (d *deleting) all(force bool) error {
	quiet, _ := d.v.quiet(viewNames(append(slices.Clone(d.down), d.alive...))) // for good: see lockOut
	d.plan.Steps = append(d.plan.Steps, quiet...)
	if len(d.down) > 0 {
		d.lockOut(slices.DeleteFunc(slices.Clone(d.down), func(n *ViewNode) bool { return n.Facts == nil }))
		if err := d.unlist(d.down); err != nil {
			return err
		}
	}
	rest := slices.Clone(d.roll.members)
	rest = slices.DeleteFunc(rest, func(m Member) bool { return among(d.alive, m.Name) })
	if t := reckon(d.settled(), rest).Tally(); !force && d.v.quorate() && !t.Quorate {
		return d.refuse(t.Votes, t.Expected, t.Quorum)
	}
	equal := d.v.Conf.Config().Quorum.LastManStanding
	for left := d.alive; len(left) > 0; {
		n := len(left)
		if n > 1 && voters(d.settled()) <= 2 {
			n--
		}
		if equal {
			n = min(n, d.borne(left))
			if t := reckon(d.roll.conf.Config(), d.roll.members).Tally(); n == 0 && !force {
				return d.refuse(t.Votes-left[0].Conf.Votes, t.Expected, quorumOf(t.Expected))
			} else if n == 0 {
				n = len(left)
			}
		}
		if err := d.some(left[:n], force); err != nil {
			return err
		}
		left = left[n:]
	}
	if err := d.roll.withoutTwoNode(); err != nil {
		return err
	}
	d.forget()
	return nil
}

// out says what is reached when the nodes have left.
func (d *deleting) out() string {
	leaving := append(viewNames(d.down), viewNames(d.alive)...)
	return andList(leaving) + " " + theirs(len(leaving), "is", "are") + " out of the cluster"
}

// borne is how many of the nodes can be stopped with their votes, at once, when
// quorum is to be kept by the votes that are left.
func (d *deleting) borne(nodes []*ViewNode) int {
	conf := d.roll.conf.Config()
	t := reckon(conf, d.roll.members).Tally()
	n, left := 0, t.Votes-quorumOf(t.Expected)
	for n < len(nodes) && left >= nodes[n].Conf.Votes {
		left -= nodes[n].Conf.Votes
		n++
	}
	if n == 0 && voters(conf) == 2 && len(d.roll.members) == 2 && (conf.Quorum.TwoNode || conf.Quorum.AutoTieBreaker) {
		return 1
	}
	return n
}

// settled is what the nodelist comes to in the end.
func (d *deleting) settled() corosyncconf.Config {
	conf := d.roll.conf.Config()
	conf.Nodes = slices.DeleteFunc(slices.Clone(conf.Nodes), func(n corosyncconf.Node) bool { return among(d.alive, n.Label()) })
	if conf.Quorum.ExpectedVotes > 0 {
		for _, n := range d.alive {
			conf.Quorum.ExpectedVotes -= n.Conf.Votes
		}
	}
	conf.Quorum.TwoNode = len(conf.Nodes) <= 2 && conf.Quorum.TwoNode
	if d.v.pve() && !d.v.Conf.Config().Quorum.TwoNode {
		conf.Quorum.TwoNode = false
	}
	return conf
}

// some plans that nodes that are alive leave.
func (d *deleting) some(nodes []*ViewNode, force bool) error {
	if !d.v.Conf.Config().Quorum.LastManStanding {
		if err := d.takeVotes(nodes, force); err != nil {
			return err
		}
	}
	with := slices.Clone(d.roll.members)
	d.roll.leave(func(name string) bool { return among(nodes, name) })
	d.stop(nodes, with, force)
	d.lockOut(nodes)
	if err := d.unlist(nodes); err != nil {
		return err
	}
	// When this is taken back, the nodes that were stopped are started again:
	// their file must not be behind the one that the others run by then.
	if len(d.roll.members) > 0 {
		swap := d.roll.step("swap")
		swap.Undo = append(swap.Undo, Act{Nodes: viewNames(nodes), Ops: swap.Undo[0].Ops})
	}
	return nil
}

// takeVotes plans that the nodes that leave lose their votes, as many at a time
// as leaves quorum by the old expected votes: a member hears of the votes that
// are gone before it hears that all expect fewer. The last but one is carried
// by two_node, which goes when it is off the list.
func (d *deleting) takeVotes(nodes []*ViewNode, force bool) error {
	var rest []*ViewNode
	for _, n := range nodes {
		if n.Conf.Votes > 0 {
			rest = append(rest, n)
		}
	}
	for len(rest) > 0 {
		conf := d.roll.conf.Config()
		t := reckon(conf, d.roll.members).Tally()
		n := d.borne(rest)
		switch {
		case n > 0:
		case voters(conf) == 2 && len(d.roll.members) == 2:
			err := d.roll.next("let one of two nodes go on by itself", func(f *corosyncconf.File) error { return f.SetTwoNode(true) })
			if err != nil {
				return err
			}
			continue
		case force:
			n = len(rest)
		default:
			return d.refuse(t.Votes-rest[0].Conf.Votes, t.Expected, quorumOf(t.Expected))
		}
		batch := rest[:n]
		rest = rest[n:]
		what := "take the " + theirs(n, "vote", "votes") + " of " + andList(viewNames(batch))
		err := d.roll.next(what, func(f *corosyncconf.File) error {
			for _, n := range batch {
				if err := f.SetNodeVotes(n.Conf.ID, 0); err != nil {
					return err
				}
			}
			if err := expect(f, less(batch)); err != nil {
				return err
			}
			if now := f.Config(); voters(now) == 2 && !now.Quorum.TwoNode && !now.Quorum.AutoTieBreaker {
				return f.SetTwoNode(true)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// quorumOf is floor(expected/2)+1.
func quorumOf(expected int) int { return expected/2 + 1 }

// unlist plans that nodes are taken off the list. Those that still had votes
// are not expected any more, and two_node is left as it must be.
func (d *deleting) unlist(nodes []*ViewNode) error {
	return d.roll.next("take "+andList(viewNames(nodes))+" off the list", func(f *corosyncconf.File) error {
		var voting []*ViewNode
		for _, n := range nodes {
			if slices.ContainsFunc(f.Config().Nodes, func(c corosyncconf.Node) bool { return c.ID == n.Conf.ID && c.Votes > 0 }) {
				voting = append(voting, n)
			}
			if err := f.RemoveNode(n.Conf.ID); err != nil {
				return err
			}
		}
		if err := expect(f, less(voting)); err != nil {
			return err
		}
		now := f.Config()
		switch n := voters(now); {
		case n == 2 && len(voting) > 0 && !now.Quorum.TwoNode && !now.Quorum.AutoTieBreaker:
			return f.SetTwoNode(true)
		case n != 2 && now.Quorum.TwoNode:
			return f.SetTwoNode(false)
		}
		return nil
	})
}

func viewNames(nodes []*ViewNode) []string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Name
	}
	return names
}

func hasID(nodes []*ViewNode, id ID) bool {
	return slices.ContainsFunc(nodes, func(n *ViewNode) bool { return n.Conf.ID == id })
}

func among(nodes []*ViewNode, name string) bool { return slices.Contains(viewNames(nodes), name) }

func membersOf(ms []Member) []string {
	names := make([]string, len(ms))
	for i, m := range ms {
		names[i] = m.Name
	}
	return names
}

// less are the votes that go with nodes, as a change of the expected votes.
func less(nodes []*ViewNode) int {
	votes := 0
	for _, n := range nodes {
		votes -= n.Conf.Votes
	}
	return votes
}

// stop plans that nodes are stopped, and those that were members seen to be
// gone by those that stay. with are all members before.
func (d *deleting) stop(nodes []*ViewNode, with []Member, force bool) {
	names := viewNames(nodes)
	gone := d.roll.want(d.roll.conf)
	for _, n := range nodes {
		gone.Gone = append(gone.Gone, n.Conf.ID)
	}
	back := *gone
	back.Members, back.Gone, back.Version = with, nil, 0
	var voting []ID // with last_man_standing they have their votes until they are off the list
	for _, n := range d.roll.conf.Config().Nodes {
		if n.Votes > 0 && !force && slices.Contains(gone.Gone, n.ID) {
			voting = append(voting, n.ID)
		}
	}
	d.roll.lowers(reckon(d.roll.conf.Config(), d.roll.members).Tally())
	step := Step{
		ID: d.roll.id("stop"), What: "stop corosync on " + andList(names), Class: ClassStop,
		Do:   Act{Nodes: names, Ops: []Op{{Kind: OpStop, Unit: "pacemaker"}, {Kind: OpStop, Unit: "corosync", Name: "off"}}, Want: gone, Leave: voting},
		Undo: []Act{{Nodes: names, Ops: []Op{{Kind: OpBoot, Unit: "corosync"}, {Kind: OpRevive, Unit: "corosync"}, {Kind: OpRevive, Unit: "pacemaker"}}, Want: &back}},
	}
	d.v.disarmed(&step)
	d.plan.Steps = append(d.plan.Steps, step)
}

// lockOut plans that the nodes cannot come back by themselves: nothing is
// started at boot, and the configuration and the key are set aside.
func (d *deleting) lockOut(nodes []*ViewNode) {
	if len(nodes) == 0 {
		return
	}
	names := viewNames(nodes)
	back := []Op{{Kind: OpBoot, Unit: "corosync"}, {Kind: OpBoot, Unit: "pacemaker"}, {Kind: OpRestore, Path: KeyPath}}
	step := Step{
		ID: d.roll.id("aside"), What: "set configuration and key of " + andList(names) + " aside", Class: ClassSwitch,
		Do: Act{Nodes: names, Ops: []Op{{Kind: OpDisable, Unit: "pacemaker"}, {Kind: OpDisable, Unit: "corosync"}}},
	}
	if d.v.pve() {
		step.Do.Ops = append(append(step.Do.Ops, haRest()...), Op{Kind: OpDisarmed})
	}
	step.Do.Ops = append(step.Do.Ops,
		Op{Kind: OpStop, Unit: "pacemaker"}, Op{Kind: OpStop, Unit: "corosync"}, // it may have rebooted since
		Op{Kind: OpAside, Path: ConfPath}, Op{Kind: OpAside, Path: KeyPath})
	if d.v.pve() {
		// By itself a node would soon be master of HA, take all others for lost, and
		// start their guests. Its pmxcfs has the file too; starting that starts corosync
		// where it finds one.
		for _, unit := range []string{lrmUnit, crmUnit} {
			step.Do.Ops = append(step.Do.Ops, Op{Kind: OpDisable, Unit: unit})
			back = append(back, Op{Kind: OpBoot, Unit: unit})
		}
		step.Do.Ops = append(step.Do.Ops, Op{Kind: OpPmxcfs, Name: "alone"})
	}
	// The configuration of a node that ran comes back as the rollouts left it,
	// that of another as it was.
	for _, n := range nodes {
		op := Op{Kind: OpRestore, Path: ConfPath}
		if n.active() {
			op = Op{Kind: OpUnswap, Path: ConfPath, Base: Absent, Blob: d.plan.blob(d.roll.conf.Bytes())}
		}
		ops := append(slices.Clone(back), op)
		if d.v.pve() {
			ops = append(ops, Op{Kind: OpPmxcfs, Name: "back"})
		}
		step.Undo = append(step.Undo, Act{Nodes: []string{n.Name}, Ops: ops})
	}
	d.plan.Steps = append(d.plan.Steps, step)
}

// forget plans that pacemaker forgets the nodes, where it runs. On every node:
// some of its daemons each have a memory of their own.
func (d *deleting) forget() {
	with := slices.DeleteFunc(d.v.paced(), func(name string) bool { return among(d.alive, name) })
	if len(with) == 0 {
		return
	}
	var leaving []corosyncconf.Node
	for _, n := range append(slices.Clone(d.down), d.alive...) {
		leaving = append(leaving, *n.Conf)
	}
	d.plan.Steps = append(d.plan.Steps, Step{
		ID: "forget", What: "have pacemaker forget " + andList(namesOf(leaving)) + " (cannot be undone)", Class: ClassPrepare,
		Do: Act{Nodes: with, Ops: forgetting(leaving), Soft: true},
	})
}

// refuse says that the rest would lose quorum, and what to do first.
func (d *deleting) refuse(votes, expected, needed int) error {
	leaving := append(viewNames(d.down), viewNames(d.alive)...)
	away := slices.DeleteFunc(d.v.without(newRollout(d.v, &Plan{}, 0).members), func(n string) bool { return slices.Contains(leaving, n) })
	remedy := "take out fewer nodes at once"
	if len(leaving) == 1 {
		remedy = "move votes to other nodes first"
	}
	if len(away) > 0 {
		remedy = "bring " + andList(away) + " back first, or, if dead: clusterctl delnode --offline " + strings.Join(away, " ")
	}
	var ps Problems
	ps.add(CodeQuorum, "", remedy+"; --force does it all the same, and the rest may be without quorum until more nodes are there",
		"without %s the rest would lose quorum: %s of %d left, %d needed", andList(leaving), count(votes, "vote"), expected, needed)
	return ps
}
