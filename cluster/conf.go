package cluster

import (
	"net/netip"
	"slices"
	"strconv"

	"clusterctl/corosyncconf"
)

// ConfSpec is a change of the corosync.conf of a running cluster.
type ConfSpec struct {
	What string // in words, for the plan: "set totem.token to 5000"
	Edit func(*corosyncconf.File) error
	Text []byte // the new content, in place of Edit; its config_version does not count
	// Restart allows what takes a restart of corosync: on one node after the
	// other or, where nothing less does, on all at once.
	Restart bool
	Force   bool // also what this release of corosync takes no notice of
}

// apply returns the configuration after the change, with the version of conf. r is
// the release that takes it.
func (s ConfSpec) apply(conf *corosyncconf.File, r corosyncconf.Release) (*corosyncconf.File, error) {
	wanted := conf.Clone()
	wanted.EditFor(r)
	var err error
	if s.Edit == nil {
		wanted, err = corosyncconf.Parse(ConfPath, s.Text)
	} else {
		err = s.Edit(wanted)
	}
	if err == nil && wanted.ConfigVersion() != conf.ConfigVersion() {
		err = wanted.SetConfigVersion(conf.ConfigVersion())
	}
	return wanted, err
}

// PlanConf plans that a running cluster gets a changed corosync.conf, on every
// node, and in the least disruptive way that brings all of it into effect: by
// one reload, after which what runs is held against what the file says, or, if
// s allows it, also by restarts. What makes the file worse than it was is
// refused. A plan without steps means that the file is so already.
func PlanConf(s ConfSpec, v *View) (*Plan, error) {
	var changes []corosyncconf.Change
	plan, err := counted(func(rollouts int) (*rollout, error) {
		var ps Problems
		v.settled(&ps, false)
		wanted, err := s.apply(v.Conf, release(v.reached()))
		if err != nil {
			ps.add(CodeBadOption, "", "", "%v", err)
			return nil, ps
		}
		same := Hash(wanted.Bytes()) == Hash(v.Conf.Bytes())
		changes = corosyncconf.Compare(v.Conf, wanted, release(v.reached()))
		effect := s.allowed(&ps, changes)
		v.warnOf(&ps, wanted.Config())
		v.oneKey(&ps, wanted.Config())
		if was, is := v.Conf.Config().Totem.KeyFile, wanted.Config().Totem.KeyFile; was != is {
			ps.add(CodeKeyElsewhere, "", "change it by hand, on all nodes, and reload", "totem.keyfile: whether %s is the same on all nodes is not known", is)
		}
		v.noWorse(&ps, wanted)
		v.addressed(&ps, wanted.Config())
		if err := ps.err(); err != nil {
			return nil, err
		}
		p := v.plan()
		p.Notes = ps
		r := newRollout(v, p, rollouts)
		if same {
			p.Quorum.Lowest, _ = v.voting(v.Conf.Config())
			return r, nil
		}
		return r, r.comeInto(s, effect, changes, wanted)
	})
	if err != nil {
		return nil, err
	}
	plan.Changes = changes
	for _, c := range changes {
		if c.Twice {
			plan.reloadTwice()
			break
		}
	}
	for _, c := range changes {
		if c.CmapKey == "" {
			continue
		}
		for i := range plan.Steps {
			if want := plan.Steps[i].Do.Want; want != nil {
				want.Cmap = append(want.Cmap, CmapValue{c.CmapKey, c.CmapValue, c.Kind == corosyncconf.Removed})
			}
		}
	}
	return plan, nil
}

// comeInto plans what brings another configuration into effect.
func (r *rollout) comeInto(s ConfSpec, effect corosyncconf.Effect, changes []corosyncconf.Change, wanted *corosyncconf.File) error {
	if effect < corosyncconf.FullRestart {
		err := r.relink(changes, wanted)
		switch {
		case err == nil && effect == corosyncconf.RollingRestart:
			return r.inTurn(s.What, wanted)
		case err == nil:
			return r.replace(s.What, wanted)
		case !s.Restart || effect != corosyncconf.LinkReplace:
			return err
		}
	}
	r.reachMoved(wanted.Config())
	return r.standstill(s.What, wanted)
}

// relink prepares for the links that come and go with another configuration, and
// refuses that where no other connects all members. Links that corosync does not
// change in place are taken away by a reload before.
func (r *rollout) relink(changes []corosyncconf.Change, wanted *corosyncconf.File) error {
	var replaced []int
	for _, c := range changes {
		if c.Effect == corosyncconf.LinkReplace && !slices.Contains(replaced, c.Link) {
			replaced = append(replaced, c.Link)
		}
	}
	slices.Sort(replaced)
	was, is := r.conf.Config().Links(), wanted.Config().Links()
	goes := func(l int) bool { return slices.Contains(replaced, l) || !slices.Contains(is, l) }
	links := slices.DeleteFunc(slices.Clone(r.links), goes)
	if lost := slices.DeleteFunc(slices.Clone(was), func(l int) bool { return !goes(l) }); len(lost) > 0 && len(links) == 0 && len(r.members) > 1 {
		var ps Problems
		ps.add(CodeLinkDown, "", "mend the other links first, or add one: clusterctl link add N CIDR",
			"no other link connects all members now, so %s cannot be taken away", andLinks(lost))
		return ps
	}
	come := func(comes func(int) bool) {
		for _, l := range is {
			if comes(l) && len(r.members) > 1 {
				links = append(links, l)
			}
		}
		slices.Sort(links)
		r.links = slices.Clone(links)
	}
	come(func(l int) bool { return !slices.Contains(was, l) })
	if len(replaced) == 0 {
		return nil
	}
	r.reachMoved(wanted.Config())
	without := wanted.Clone()
	for _, link := range replaced {
		if err := dropLink(without, link); err != nil {
			return err
		}
	}
	if err := r.replace("take "+andLinks(replaced)+" away for the time being", without); err != nil {
		return err
	}
	come(func(l int) bool { return slices.Contains(replaced, l) })
	return nil
}

// reachMoved plans that new addresses are tried.
func (r *rollout) reachMoved(wanted corosyncconf.Config) {
	for _, link := range moved(r.conf.Config(), wanted) {
		r.reach(link, wanted)
	}
}

// andLinks is "link 0", "links 0 and 1".
func andLinks(links []int) string {
	var words []string
	for _, l := range links {
		words = append(words, strconv.Itoa(l))
	}
	return theirs(len(links), "link", "links") + " " + andList(words)
}

// moved lists the links on which nodes have other addresses than before.
func moved(old, wanted corosyncconf.Config) []int {
	was := map[ID]map[int]string{}
	for _, n := range old.Nodes {
		was[n.ID] = n.Addrs
	}
	var links []int
	for _, n := range wanted.Nodes {
		for l, a := range n.Addrs {
			if a != was[n.ID][l] && !slices.Contains(links, l) {
				links = append(links, l)
			}
		}
	}
	slices.Sort(links)
	return links
}

// addressed checks that nodes have the addresses that they get.
func (v *View) addressed(ps *Problems, wanted corosyncconf.Config) {
	for _, n := range v.Nodes {
		if n.Conf == nil || n.Facts == nil {
			continue
		}
		i := slices.IndexFunc(wanted.Nodes, func(c corosyncconf.Node) bool { return c.ID == n.Conf.ID })
		if i < 0 {
			continue
		}
		spec := NodeSpec{Name: n.Name, Links: map[int]string{}}
		for l, a := range wanted.Nodes[i].Addrs {
			if _, err := netip.ParseAddr(a); err == nil && a != n.Conf.Addrs[l] { // a name was not asked for
				spec.Links[l] = a
			}
		}
		if len(spec.Links) > 0 {
			spec.addresses(ps, nil, n.Facts, v.reached())
		}
	}
}

// warnOf warns of what a configuration newly has that is better known beforehand.
func (v *View) warnOf(ps *Problems, wanted corosyncconf.Config) {
	was, is := v.Conf.Config().Totem, wanted.Totem
	if is.Transport == "udp" && (was.Transport != "udp" || was.ClusterName != is.ClusterName) {
		warnOfMulticast(ps, is.ClusterName)
	}
	if is.RRPMode == "active" && was.RRPMode != "active" && release(v.reached()) == corosyncconf.V24 {
		ps.warn(CodeVersion, "", "use passive", "rrp_mode active is not supported by corosync's authors")
	}
}

// reloadTwice has every reload, forward and back, asked for once more: each node
// carries them out one after the other.
func (p *Plan) reloadTwice() {
	twice := func(a *Act) {
		if i := slices.IndexFunc(a.Ops, func(o Op) bool { return o.Kind == OpReload }); i >= 0 {
			a.Ops = slices.Insert(slices.Clone(a.Ops), i, a.Ops[i])
		}
	}
	for i := range p.Steps {
		twice(&p.Steps[i].Do)
		for j := range p.Steps[i].Undo {
			twice(&p.Steps[i].Undo[j])
		}
	}
}

// CmapValue is what a key of corosync's cmap is to be.
type CmapValue struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Absent bool   `json:"absent,omitempty"` // the key is not there
}

// allowed returns what the changes take, and refuses what s does not allow, and
// nodes that come or go: their votes and their corosync have to come before or
// after them.
func (s ConfSpec) allowed(ps *Problems, changes []corosyncconf.Change) corosyncconf.Effect {
	effect := corosyncconf.EffectOf(changes)
	stops := s.Restart && effect == corosyncconf.FullRestart // and then it does all but a quorum device's
	for _, c := range changes {
		text := c.Words
		if c.Remark != "" {
			text += " (" + c.Remark + ")"
		}
		switch e := c.Effect; {
		case c.Node:
			ps.add(CodeDifferent, "", "clusterctl add or clusterctl delnode", "%s: nodes do not come and go by an edit", c.Words)
		case c.Ignored && !s.Force && s.Edit != nil:
			remedy := "leave it out, or add --force"
			if c.Path == "totem.rrp_mode" {
				remedy = "totem.link_mode is what corosync 3 has in its place"
			}
			ps.add(CodeVersion, "", remedy, "%s", text)
		case e <= corosyncconf.Reload:
			if c.Remark != "" && !c.Twice {
				ps.warn(CodeNeedsRestart, "", "", "%s", text)
			}
		case e == corosyncconf.LinkReplace && !stops:
			ps.warn(CodeNeedsRestart, "", "", "%s: corosync does not change a link in place; it is taken away and comes back", text)
		case e == corosyncconf.DeviceRestart:
			ps.add(CodeNeedsRestart, "", "change it on each node, and restart corosync-qdevice there", "%s: only a restart of corosync-qdevice brings it into effect", text)
		case stops:
		case !s.Restart && e == corosyncconf.RollingRestart:
			ps.add(CodeNeedsRestart, "", "--restart restarts one node after the other", "%s: a reload does not do it, it takes a rolling restart", text)
		case !s.Restart && e == corosyncconf.FullRestart:
			ps.add(CodeNeedsRestart, "", "--restart stops corosync on all nodes, and starts it on all", "%s: a reload does not do it, all nodes must be stopped before any is started", text)
		}
	}
	return effect
}

// inTurn plans a configuration that takes a restart of each node: it is on all
// of them, and its version runs, before the first is restarted.
func (r *rollout) inTurn(what string, conf *corosyncconf.File) error {
	rest, haBack := r.view.quiet(membersOf(r.members)) // also while it is taken back
	r.plan.Steps = append(r.plan.Steps, rest...)
	if err := r.replace(what, conf); err != nil {
		return err
	}
	var ps Problems
	var nodes []*ViewNode
	for i := range r.view.Nodes {
		n := &r.view.Nodes[i]
		if n.active() && n.Conf != nil {
			r.view.stoppable(&ps, n)
			nodes = append(nodes, n)
		}
	}
	steps := r.view.rolling(&ps, &r.plan.Quorum, nodes)
	if err := ps.err(); err != nil {
		return err
	}
	// Taken back, the nodes that run with it must be restarted once more; and what
	// was stopped is started only when the file is again what it was.
	swap := r.step("swap")
	var paced []string
	for i := range steps {
		s := &steps[i]
		s.Undo = nil
		if s.Do.Ops[0].Unit == "pacemaker" && s.Class == ClassStop {
			paced = append(paced, s.Do.Nodes...)
		}
		if len(s.Do.Leave) == 0 {
			continue // not the one that stops corosync
		}
		want := r.want(conf)
		want.Version = 0
		again := Act{Nodes: s.Do.Nodes, Ops: []Op{{Kind: OpAgain, Unit: "corosync", Name: s.ID}}, Want: want, Leave: s.Do.Leave}
		r.view.quietFirst(&again)
		swap.Undo = append(swap.Undo, again)
	}
	if len(paced) > 0 {
		swap.Undo = append(swap.Undo, revivePacemaker(paced))
	}
	r.plan.Steps = append(append(r.plan.Steps, steps...), haBack...)
	return nil
}

// standstill plans a configuration that no two nodes may run with and without:
// corosync is stopped on all nodes, and started with it on all.
func (r *rollout) standstill(what string, conf *corosyncconf.File) error {
	v := r.view
	var ps Problems
	v.noDevice(&ps)
	var paced []string
	for i := range v.Nodes {
		n := &v.Nodes[i]
		switch {
		case n.Conf == nil:
			continue
		case n.Facts == nil:
			p := NodeProblem(n.Name, n.Err)
			p.Message = "it must take part, since it could not join the others afterwards: " + p.Message
			ps = append(ps, p)
			continue
		case !n.active():
			ps.add(CodeNoRunning, n.Name, "start it first, or take it out of the cluster", "corosync does not run there, and every node must take part")
		}
		v.stoppable(&ps, n)
		if n.Facts.Units["pacemaker"].Running() {
			paced = append(paced, n.Name)
		}
	}
	if err := ps.err(); err != nil {
		return err
	}
	old := r.conf
	conf, err := r.numbered(conf)
	if err != nil {
		return err
	}
	undo, err := r.wayBack(old)
	if err != nil {
		return err
	}
	r.back--
	r.count++
	p := r.plan
	was, is, again := p.blob(old.Bytes()), p.blob(conf.Bytes()), p.blob(undo.Bytes())
	now, _ := v.voting(old.Config())
	p.Quorum.Lowest = QuorumPoint{0, now.Expected, now.Quorum}
	names := membersOf(r.members)
	want := r.want(conf)
	want.Links, want.Quorate = told(conf.Config()), true
	back := *want
	back.Links, back.Version = r.linked, old.ConfigVersion()
	p.Steps = append(p.Steps, Step{
		ID: r.id("stage"), What: "test the new corosync.conf: " + what, Class: ClassPrepare,
		Do: Act{Nodes: names, Ops: []Op{
			rememberIDs(old, r.top),
			{Kind: OpTest, Path: ConfPath, Blob: again},
			{Kind: OpStage, Path: ConfPath, Blob: is, Base: was, Mode: "0644"},
		}},
		Undo: []Act{{Nodes: names, Ops: []Op{{Kind: OpUnstage, Path: ConfPath}}}},
	})
	rest, haBack := v.quiet(names)
	p.Steps = append(p.Steps, rest...)
	if len(paced) > 0 {
		unpace := unitStep(r.id("unpace"), OpStop, "pacemaker", paced)
		unpace.Undo = []Act{revivePacemaker(paced)}
		p.Steps = append(p.Steps, unpace)
	}
	known := func(f *corosyncconf.File) Op { // also of the nodes that have left, if the cluster gets another name
		op := rememberIDs(f, r.top)
		op.N = max(op.N, v.highestID())
		return op
	}
	stop, start := unitStep(r.id("stop"), OpStop, "corosync", names), unitStep(r.id("start"), OpStart, "corosync", names)
	stop.What += " (the cluster stands still)"
	v.disarmed(&stop)
	stop.Undo[0].Want = &back
	if v.pve() {
		stop.Undo = append(stop.Undo, unpublish(again, r.publishers()))
	}
	start.Do.Want = want
	start.Undo = []Act{{Nodes: names, Ops: []Op{{Kind: OpStop, Unit: "corosync"}}}}
	swap := Step{
		ID: r.id("swap"), What: "put the new corosync.conf in place", Class: ClassSwitch,
		Do: Act{Nodes: names, Ops: []Op{{Kind: OpSwap, Path: ConfPath, Blob: is, Base: was}, known(conf)}},
		// One that restarted runs the new version, and is not to be there for others to join.
		Undo: []Act{{Nodes: names, Ops: []Op{
			{Kind: OpStop, Unit: "pacemaker"}, {Kind: OpStop, Unit: "corosync"}, {Kind: OpPut, Path: ConfPath, Blob: again, Mode: "0644"}, known(old),
		}}},
	}
	start.Undo, swap.Undo = v.quietBefore(start.Undo), v.quietBefore(swap.Undo)
	p.Steps = append(p.Steps, stop, swap, start)
	if v.pve() { // it cannot be written while all are stopped
		p.Steps = append(p.Steps, publish(r.id("publish"), is, was, r.publishers()))
	}
	if len(paced) > 0 {
		pace := unitStep(r.id("pace"), OpStart, "pacemaker", paced)
		pace.Undo = nil // it is stopped before corosync, and started again after it
		p.Steps = append(p.Steps, pace)
	}
	p.Steps = append(p.Steps, haBack...)
	r.conf = conf
	return nil
}

// noWorse refuses a configuration with errors that the present one does not
// have, and warns of new warnings.
func (v *View) noWorse(ps *Problems, wanted *corosyncconf.File) {
	for _, f := range corosyncconf.Worse(v.Conf, wanted, v.Target()) {
		if f.Severity == corosyncconf.Bad {
			ps.add(CodeConfigInvalid, "", f.Remedy, "%s: %s", f.Code, f.Message)
		} else {
			ps.warn(CodeConfigInvalid, "", f.Remedy, "%s: %s", f.Code, f.Message)
		}
	}
}
