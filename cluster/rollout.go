package cluster

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"clusterctl/corosyncconf"
	"clusterctl/quorum"
)

// rollout plans how a running cluster comes by new configurations, one after
// the other, each on every node that was reached and activated by one reload.
//
// Forward, the versions count up from the highest there is. Backward they go on
// counting: taking back the i-th of n rollouts installs the content from before
// it under a version that is higher than all that may have run by then, since
// corosync must never be asked to go back to a lower one.
type rollout struct {
	view    *View
	plan    *Plan
	nodes   []string // that carry the file: all that were reached
	members []Member // of these, those where corosync runs
	before  []Member // the members before the operation: what undoing comes back to
	links   []int    // that are connected after the next one
	linked  []int    // ... and after the one planned last
	quorate bool     // whether the cluster is, and so has to stay
	force   bool     // ... unless the admin wants it so
	conf    *corosyncconf.File
	version uint64 // the last one planned
	back    uint64 // the version that the next rollout is taken back under
	top     uint64 // the highest of all, also backward
	count   int    // of the rollouts planned so far
}

// newRollout begins a rollout of steps configurations on what v found.
func newRollout(v *View, p *Plan, steps int) *rollout {
	r := &rollout{view: v, plan: p, conf: v.Conf, version: v.highest(), quorate: v.quorate()}
	p.Quorum.Lowest, _ = v.voting(v.Conf.Config())
	r.back = r.version + uint64(2*steps)
	r.top = r.back
	for _, n := range v.Nodes {
		if n.Conf == nil || n.Facts == nil {
			continue
		}
		r.nodes = append(r.nodes, n.Name)
		if n.active() {
			r.members = append(r.members, Member{n.Name, n.Conf.ID})
		}
	}
	r.before = r.members
	r.links = v.connected(r.members)
	r.linked = r.links
	return r
}

// id is the id of a step that belongs to the rollout planned last.
func (r *rollout) id(kind string) string { return fmt.Sprintf("%s-%d", kind, r.count) }

// step is the step of that kind in the rollout planned last.
func (r *rollout) step(kind string) *Step {
	return &r.plan.Steps[slices.IndexFunc(r.plan.Steps, func(s Step) bool { return s.ID == r.id(kind) })]
}

// counted plans twice: once to learn how many rollouts there are, and again
// with the right versions to take them back under. It fills in what all such
// plans have in common.
func counted(plan func(rollouts int) (*rollout, error)) (*Plan, error) {
	r, err := plan(0)
	if err != nil {
		return nil, err
	}
	if r, err = plan(r.count); err != nil {
		return nil, err
	}
	p, v := r.plan, r.view
	p.Diff = corosyncconf.UnifiedDiff(ConfPath, ConfPath+".new", v.Conf.Bytes(), r.conf.Bytes())
	p.Quorum.Before, _ = v.voting(v.Conf.Config())
	p.Quorum.After = point(reckon(r.conf.Config(), r.members).Tally())
	return p, nil
}

// highest is the highest config_version in any file, running, or in any plan
// that was begun: a node that is away may have its file.
func (v *View) highest() uint64 {
	h := v.Conf.ConfigVersion()
	name := v.Conf.Config().Totem.ClusterName
	for _, n := range v.Nodes {
		if n.Facts == nil {
			continue
		}
		if n.Facts.IDs.Cluster == name {
			h = max(h, n.Facts.IDs.Version)
		}
		if n.Facts.Conf.File != nil {
			h = max(h, n.Facts.Conf.File.ConfigVersion())
		}
		if n.Facts.PVE != nil {
			h = max(h, n.Facts.PVE.Version)
		}
		if n.active() {
			running, _ := n.Facts.Runtime.Cmap.Uint("totem.config_version")
			h = max(h, running)
		}
	}
	return h
}

func (v *View) quorate() bool {
	parts := partitions(v)
	return len(parts) > 0 && parts[0].quorate()
}

// connected lists the links on which all members are connected to each other,
// as far as corosync tells: what a change must not worsen.
func (v *View) connected(members []Member) []int {
	var links []int
	for _, link := range told(v.config()) {
		if !slices.ContainsFunc(members, func(m Member) bool {
			n := v.Nodes[v.find(m.Name)]
			return Want{Members: members, Links: []int{link}}.missingLinks(m, n.Facts.Runtime) != ""
		}) {
			links = append(links, link)
		}
	}
	return links
}

// next edits the configuration and plans that the result takes effect.
func (r *rollout) next(what string, edit func(*corosyncconf.File) error) error {
	conf := r.conf.Clone()
	if err := edit(conf); err != nil {
		return fmt.Errorf("edit corosync.conf: %w", err)
	}
	return r.replace(what, conf)
}

// replace plans that another configuration, which becomes the rollout's, takes
// effect under the next version.
func (r *rollout) replace(what string, conf *corosyncconf.File) error {
	old := r.conf
	conf, err := r.numbered(conf)
	if err != nil {
		return err
	}
	undo, err := r.wayBack(old)
	if err != nil {
		return err
	}
	if r.count > 0 && voters(old.Config()) == 1 && conf.Config().Quorum.TwoNode && !old.Config().Quorum.TwoNode {
		// The second of two voters loses its vote while it is a member: two_node
		// carries the first one then, and goes with the rollout before this one.
		if err := undo.SetTwoNode(true); err != nil {
			return fmt.Errorf("edit corosync.conf: %w", err)
		}
	}
	now := reckon(conf.Config(), r.members).Tally()
	if err := r.bears(what, now); err != nil {
		return err
	}
	r.lowers(now)
	r.back--
	r.count++
	p := r.plan
	was, is, back := p.blob(old.Bytes()), p.blob(conf.Bytes()), p.blob(undo.Bytes())
	swap := Step{
		ID: r.id("swap"), What: "put it in place", Class: ClassSwitch,
		Do:   Act{Nodes: r.nodes, Ops: []Op{{Kind: OpSwap, Path: ConfPath, Blob: is, Base: was}, rememberIDs(conf, r.top)}},
		Undo: []Act{{Nodes: r.nodes, Ops: []Op{{Kind: OpUnswap, Path: ConfPath, Blob: was, Base: is}}}},
	}
	if len(r.members) > 0 {
		// While this is taken back, nodes that came may be on their way out.
		stayed := slices.DeleteFunc(slices.Clone(r.members), func(m Member) bool { return !slices.Contains(r.before, m) })
		seen := r.want(undo)
		seen.Members, seen.Links = stayed, r.linked
		reload := r.reload(stayed, back, seen, regain(conf.Config(), undo.Config())...)
		reload.Carry = carry(stayed, r.links, r.linked)
		// From here on a node that restarts runs the new version, before any reload:
		// the way back is by a higher one.
		swap.Undo = []Act{
			{Nodes: r.nodes, Ops: []Op{{Kind: OpPut, Path: ConfPath, Blob: back, Mode: "0644"}}},
			{Nodes: membersOf(stayed), Ops: []Op{{Kind: OpStart, Unit: "corosync"}}},
			reload,
		}
		if r.view.pve() { // which may need the quorum that comes back by that
			swap.Undo = append(swap.Undo, unpublish(back, r.publishers()))
		}
	}
	p.Steps = append(p.Steps,
		Step{
			ID: r.id("stage"), What: "test the new corosync.conf: " + what, Class: ClassPrepare,
			Do: Act{Nodes: r.nodes, Ops: []Op{
				rememberIDs(old, r.top),
				{Kind: OpTest, Path: ConfPath, Blob: back},
				{Kind: OpStage, Path: ConfPath, Blob: is, Base: was, Mode: "0644"},
			}},
			Undo: []Act{{Nodes: r.nodes, Ops: []Op{{Kind: OpUnstage, Path: ConfPath}}}},
		},
		swap)
	if len(r.members) > 0 {
		do := r.reload(r.members, is, r.want(conf))
		do.Carry, do.Force = carry(r.members, r.linked, r.links), r.force
		p.Steps = append(p.Steps, r.activate(r.id("publish"), is, was, Step{
			ID: r.id("reload"), What: "reload: " + what, Class: ClassReload, Do: do,
		})...)
	}
	r.conf, r.linked = conf, r.links
	return nil
}

// lowers notes the votes of a moment, if they leave less room than all before.
func (r *rollout) lowers(now quorum.Tally) {
	if low := r.plan.Quorum.Lowest; now.Votes-now.Quorum < low.Votes-low.Quorum {
		r.plan.Quorum.Lowest = point(now)
	}
}

// carry are the links that carry members while a reload takes another one away;
// nil if none goes.
func carry(members []Member, before, after []int) []int {
	gone := func(n int) bool { return !slices.Contains(after, n) }
	if len(members) < 2 || !slices.ContainsFunc(before, gone) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(before), gone)
}

// bears refuses a reload after which, with the votes of now, the cluster would
// not be quorate any more.
func (r *rollout) bears(what string, now quorum.Tally) error {
	var ps Problems
	version, waits := r.view.waiting()
	switch {
	case !r.quorate || r.force:
	case !now.Quorate:
		ps.add(CodeQuorum, "", "bring nodes that are away back first", "to %s would cost quorum: %s of %d, %d needed", what, count(now.Votes, "vote"), now.Expected, now.Quorum)
	case waits && now.Votes < now.Expected:
		ps.add(CodeQuorum, "", "bring nodes that are away back first, or take them out, or update corosync",
			"to %s would cost quorum: with wait_for_all a reload of corosync %s needs all votes, and there are %d of %d", what, version, now.Votes, now.Expected)
	}
	return ps.err()
}

// reload is the act of having members take over the configuration conf.
func (r *rollout) reload(members []Member, conf string, want *Want, first ...Op) Act {
	_, waits := r.view.waiting()
	return Act{Nodes: membersOf(members), One: true, Ops: append(first, Op{Kind: OpReload}), Conf: conf, Waits: waits, Want: want}
}

// expect changes an explicit quorum.expected_votes by so many votes; without
// one corosync takes the sum over the nodelist.
func expect(f *corosyncconf.File, votes int) error {
	q := f.Root().Section("quorum")
	text, set := q.Get("expected_votes")
	if !set {
		return nil
	}
	expected, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("quorum.expected_votes: %w", err)
	}
	return q.Set("expected_votes", strconv.Itoa(max(1, expected+votes)))
}

// regain are the operations that give nodes the votes they get back, before a
// reload makes that lasting. Without them each member would expect the votes a
// moment before it counts them, which may be too many when another member has
// died meanwhile.
func regain(from, to corosyncconf.Config) []Op {
	var ops []Op
	for _, n := range to.Nodes {
		for _, old := range from.Nodes {
			if old.ID == n.ID && n.Votes > old.Votes {
				ops = append(ops, Op{Kind: OpVotes, N: n.ID, Name: strconv.Itoa(n.Votes)})
			}
		}
	}
	return ops
}

// numbered gives a configuration the next version.
func (r *rollout) numbered(conf *corosyncconf.File) (*corosyncconf.File, error) {
	r.version++
	if err := conf.SetConfigVersion(r.version); err != nil {
		return nil, fmt.Errorf("edit corosync.conf: %w", err)
	}
	conf, err := corosyncconf.Parse(ConfPath, conf.Bytes())
	if err != nil {
		return nil, fmt.Errorf("edit corosync.conf: %w", err)
	}
	return conf, nil
}

// wayBack is a configuration under the version by which it is gone back to.
func (r *rollout) wayBack(conf *corosyncconf.File) (*corosyncconf.File, error) {
	conf = conf.Clone()
	if err := conf.SetConfigVersion(r.back); err != nil {
		return nil, fmt.Errorf("edit corosync.conf: %w", err)
	}
	return conf, nil
}

// leave leaves nodes out from now on.
func (r *rollout) leave(goes func(name string) bool) {
	r.nodes = slices.DeleteFunc(slices.Clone(r.nodes), goes)
	r.members = slices.DeleteFunc(slices.Clone(r.members), func(m Member) bool { return goes(m.Name) })
}

// want is what has to be seen when a configuration has taken effect: its
// version on every member, and nothing less than before.
func (r *rollout) want(conf *corosyncconf.File) *Want {
	return &Want{
		Members: slices.Clone(r.members), Links: r.links, Version: conf.ConfigVersion(),
		Quorate:  r.quorate && reckon(conf.Config(), r.members).Tally().Quorate,
		Deadline: formTime(len(r.members)),
	}
}

// settled checks that a cluster can be given a new configuration: every member
// is there to take it, and all have the same one now.
func (v *View) settled(ps *Problems, force bool) {
	conf := v.config()
	parts := partitions(v)
	switch {
	case len(parts) == 0:
		ps.add(CodeNotQuorate, "", "clusterctl start --all", "corosync runs on no node that answers")
	case len(parts) > 1:
		ps.add(CodePartition, "", "mend the network between them first; clusterctl status shows it", "the cluster is split into %d partitions", len(parts))
	case !parts[0].quorate() && !force:
		ps.add(CodeNotQuorate, "", "bring nodes back first", "the cluster is not quorate")
	}
	if !v.hasNodelist(ps) {
		return
	}
	if v.pve() && v.quorate() {
		v.published(ps)
	}
	for _, n := range v.Conf.Config().Nodes {
		if n.ID == 0 {
			ps.add(CodeConfigInvalid, n.Label(), "write the nodeid that clusterctl status shows into the file of every node, and reload", "it has no nodeid in corosync.conf")
		}
	}
	member := func(id ID) bool {
		return slices.ContainsFunc(parts, func(p *partition) bool { return slices.Contains(p.ids, id) })
	}
	want := Hash(v.Conf.Bytes())
	for i := range v.Nodes {
		n := &v.Nodes[i]
		switch {
		case n.Conf == nil:
			continue
		case n.Facts == nil && member(n.Conf.ID):
			p := NodeProblem(n.Name, n.Err)
			p.Message = "a member, but it cannot be reached, and would reload its old file: " + p.Message
			*ps = append(*ps, p)
			continue
		case n.Facts == nil && v.Conf.ConfigVersion() == 0:
			ps.add(CodeOwed, n.Name, "bring it back first, or write config_version: 1 into the file of every node and reload",
				"it is away, and without a config_version in corosync.conf it could come back with its old file unnoticed")
			continue
		case n.Facts == nil:
			ps.warn(CodeOwed, n.Name, "clusterctl conf sync once it is back, before corosync is started on it",
				"it is away and does not get the new configuration")
			continue
		}
		if !n.check(ps) || n.Facts.UID != 0 {
			continue
		}
		if !n.Facts.Corosync.known() {
			ps.add(CodeVersion, n.Name, "use corosync 3, or 2.4", "corosync %s is not known", n.Facts.Corosync)
		}
		if !n.active() && n.Facts.Units["corosync"].Running() || !n.active() && member(n.Conf.ID) {
			ps.add(CodeCorosync, n.Name, "wait until it has started, or stop it", "corosync is neither up nor down there")
		}
		running := uint64(0)
		if n.active() {
			if err := n.Facts.Runtime.Err; err != nil {
				ps.add(CodeCorosync, n.Name, "see why: journalctl -u corosync; if it hangs: systemctl restart corosync", "corosync runs there, but does not answer: %v", err)
				continue
			}
			running, _ = n.Facts.Runtime.Cmap.Uint("totem.config_version")
		}
		switch c := n.Facts.Conf; {
		case c.Err != nil:
			ps.add(CodeConfigInvalid, n.Name, "clusterctl conf sync", "%v", c.Err)
		case c.Hash != want:
			ps.add(CodeConfigDrift, n.Name, "clusterctl conf sync puts what the cluster runs in its place", "its corosync.conf is not that of the cluster")
		case n.active() && running != c.File.ConfigVersion():
			ps.add(CodeConfigPending, n.Name, "clusterctl conf sync --from "+n.Name+" makes every member run it", "its file is version %d, but version %d runs", c.File.ConfigVersion(), running)
		}
	}
	for _, p := range parts {
		for _, id := range p.ids {
			if !slices.ContainsFunc(conf.Nodes, func(n corosyncconf.Node) bool { return n.ID == id }) {
				ps.add(CodeUnknownMember, "", "stop corosync there first", "node id %d is a member, but corosync.conf does not list it", id)
			}
		}
	}
	v.oneKey(ps, conf)
}

// hasNodelist checks that the file says who belongs to the cluster, which with
// multicast it need not.
func (v *View) hasNodelist(ps *Problems) bool {
	if len(v.Conf.Config().Nodes) > 0 {
		return true
	}
	ps.add(CodeConfigInvalid, "", "write one, with a nodeid and a ring0_addr for each node, into the file of every node",
		"corosync.conf has no nodelist, and so does not say who belongs to the cluster")
	return false
}

// noDevice refuses a cluster whose votes a change of its nodes would upset.
func (v *View) noDevice(ps *Problems) {
	if v.Conf.Config().Quorum.Device != nil {
		ps.add(CodeDevice, "", "take the quorum device out first, and set it up again afterwards",
			"the cluster has a quorum device, whose votes depend on the number of nodes; that is not handled yet")
	}
}

// oneKey refuses when the nodes have different keys: a reload reads the key's
// file anew, and cuts off whoever has another one (exec/totemconfig.c).
func (v *View) oneKey(ps *Problems, conf corosyncconf.Config) {
	if !conf.Totem.Encrypted() {
		return
	}
	keys := map[string][]string{}
	for _, n := range v.Nodes {
		if n.Conf != nil && n.Facts != nil && n.Facts.UID == 0 {
			keys[n.Facts.Key.Hash] = append(keys[n.Facts.Key.Hash], n.Name)
		}
	}
	if len(keys) < 2 {
		return
	}
	var texts []string
	for _, names := range keys {
		texts = append(texts, andList(names))
	}
	slices.Sort(texts)
	ps.add(CodeKeyDrift, "", "stop those whose key is wrong, then: clusterctl conf sync", "not all nodes have the same authkey: %s", strings.Join(texts, " | "))
}

// waiting is the version of corosync of a member that a reload makes wait for
// all; false: there is none. Up to 2.4.5 and 3.0.3 every reload sets the state of
// wait_for_all again, so that quorum is lost unless all expected votes are there
// (votequorum_readconfig; only at start since 2.4.6, 3.0.4 and 3.1.0). What
// counts is whether wait_for_all was in force when corosync was started.
func (v *View) waiting() (Version, bool) {
	listed := v.Conf.Config().Quorum.WaitForAll // and so in force on nodes that come
	for _, n := range v.Nodes {
		if !n.active() || !listed && !slices.Contains(n.Facts.Runtime.Quorum.Flags, "WaitForAll") {
			continue
		}
		if c := n.Facts.Corosync; c.Compare(Version{2, 4, 6}) < 0 || c.Major == 3 && c.Compare(Version{3, 0, 4}) < 0 {
			return c, true
		}
	}
	return Version{}, false
}
