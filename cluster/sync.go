package cluster

import (
	"context"
	"fmt"
	"slices"

	"clusterctl/corosyncconf"
)

// SyncSpec is what conf sync was asked for.
type SyncSpec struct {
	From string // the node, by name or id, whose file is right; "": what the quorate partition runs
}

// PlanSync plans that every node that was reached gets the cluster's
// corosync.conf, and its key: what nodes that were down are owed, and what was
// changed by hand on some of them. Where all members run it already, only files
// are put in place; else one reload, under a new config_version, makes them run
// it. A plan without steps means that all is equal. key is the cluster's.
func PlanSync(s SyncSpec, v *View, key []byte) (*Plan, error) {
	var ps Problems
	sy := newSyncing(v)
	truth := sy.truth(&ps, s.From)
	if truth == nil {
		return nil, ps
	}
	truth, err := sy.abovePmxcfs(truth)
	if err != nil {
		return nil, err
	}
	sy.choose(&ps, truth, key)
	if err := ps.err(); err != nil {
		return nil, err
	}
	p := v.plan()
	p.Notes = ps
	p.Quorum = v.steady(truth.Config())
	sy.planKey(p, key)
	if sy.reload {
		err = sy.planReload(p, truth)
	} else {
		sy.planFiles(p, truth)
	}
	return p, err
}

// syncing is a sync that is being planned.
type syncing struct {
	view   *View
	parts  []*partition
	runs   []*ViewNode // of its members, one for each file that is what runs there
	nodes  []string    // that were reached
	confs  []string    // of these, those whose corosync.conf is another
	keys   []string    // ... and those whose key is
	reload bool        // a member runs something else
}

func newSyncing(v *View) *syncing {
	sy := &syncing{view: v, parts: partitions(v)}
	if sy.main() == nil {
		return sy
	}
	for _, n := range sy.main().seen {
		c := n.Facts.Conf
		if c.File == nil || c.Err != nil || c.File.ConfigVersion() != n.Facts.seen().Version {
			continue
		}
		if !slices.ContainsFunc(sy.runs, func(f *ViewNode) bool { return f.Facts.Conf.Hash == c.Hash }) {
			sy.runs = append(sy.runs, n)
		}
	}
	return sy
}

// main is the partition that speaks for the cluster; nil if there is none.
func (sy *syncing) main() *partition {
	if len(sy.parts) == 0 {
		return nil
	}
	return sy.parts[0]
}

// truth returns the configuration that all are to have.
func (sy *syncing) truth(ps *Problems, from string) *corosyncconf.File {
	v := sy.view
	if from != "" {
		i := v.find(from)
		switch {
		case i < 0:
			ps.add(CodeNoSuchNode, from, "the cluster has "+andList(v.names()), "no such node")
		case v.Nodes[i].Facts == nil:
			*ps = append(*ps, NodeProblem(v.Nodes[i].Name, v.Nodes[i].Err))
		case v.Nodes[i].Facts.Conf.File == nil || v.Nodes[i].Facts.Conf.isDefault():
			ps.add(CodeConfigInvalid, v.Nodes[i].Name, "name another node", "it has no corosync.conf of this cluster")
		case v.Nodes[i].Facts.Conf.Err != nil:
			ps.add(CodeConfigInvalid, v.Nodes[i].Name, "name another node, or mend the file", "%v", v.Nodes[i].Facts.Conf.Err)
		default:
			return v.Nodes[i].Facts.Conf.File
		}
		return nil
	}
	const remedy = "look with clusterctl status, and name the node whose file is right: clusterctl conf sync --from NODE"
	if sy.main() == nil || !sy.main().quorate() {
		ps.add(CodeNotQuorate, "", remedy, "no partition is quorate, so nothing says whose corosync.conf is right")
		return nil
	}
	switch len(sy.runs) {
	case 1:
		return sy.runs[0].Facts.Conf.File
	case 0:
		ps.add(CodeConfigPending, "", remedy, "no member has the corosync.conf that it runs: every file was changed since")
	default:
		ps.add(CodeConfigDrift, "", remedy, "%s and %s have different files under the config_version that they run", sy.runs[0].Name, sy.runs[1].Name)
	}
	return nil
}

// choose finds out which nodes lack what, and what stands in the way.
func (sy *syncing) choose(ps *Problems, truth *corosyncconf.File, key []byte) {
	conf, want := truth.Config(), Hash(truth.Bytes())
	var apart []string // members whose key is another
	listed := func(n *ViewNode) bool {
		return slices.ContainsFunc(conf.Nodes, func(c corosyncconf.Node) bool { return n.Conf != nil && c.ID == n.Conf.ID })
	}
	for i := range sy.view.Nodes {
		n := &sy.view.Nodes[i]
		if n.Facts == nil {
			if n.Conf != nil && listed(n) {
				ps.warn(CodeOwed, n.Name, "clusterctl conf sync once it is back, before corosync is started on it", "it is away and gets nothing now")
			}
			continue
		}
		if !listed(n) {
			if n.active() && n.Conf != nil {
				ps.add(CodeUnknownMember, n.Name, "clusterctl delnode "+n.Name+" first, or name another node", "it is a member, and this configuration does not list it")
				continue
			}
			ps.warn(CodeEditedConfig, n.Name, "clusterctl add, or clusterctl delnode, makes it a node or none", "it is no node of this configuration and gets nothing")
			continue
		}
		if !n.check(ps) {
			continue
		}
		if !n.Facts.Corosync.known() {
			ps.add(CodeVersion, n.Name, "use corosync 3, or 2.4", "corosync %s is not known", n.Facts.Corosync)
		}
		sy.nodes = append(sy.nodes, n.Name)
		if n.Facts.Conf.Hash != want {
			sy.confs = append(sy.confs, n.Name)
		}
		if len(key) > 0 && n.Facts.Key.Hash != Hash(key) {
			sy.keys = append(sy.keys, n.Name)
			if n.active() {
				apart = append(apart, n.Name)
			}
		}
		if n.active() && n.Facts.Runtime.Err == nil && n.Facts.seen().Version != truth.ConfigVersion() {
			sy.reload = true
		}
	}
	if sy.main() != nil && (len(sy.runs) != 1 || sy.runs[0].Facts.Conf.Hash != want) {
		sy.reload = true // it is not what runs, whatever its version
	}
	if !sy.reload {
		return
	}
	switch {
	case len(sy.parts) > 1:
		ps.add(CodePartition, "", "mend the network between them first; clusterctl status shows it",
			"the cluster is split into %d partitions that run different configurations", len(sy.parts))
	case len(apart) > 0:
		ps.add(CodeKeyDrift, "", "stop "+andList(apart)+" first, then run this again", "a reload would cut off %s, whose authkey is another", andList(apart))
	}
	if len(sy.runs) == 1 { // what runs is known
		for _, c := range corosyncconf.Compare(sy.runs[0].Facts.Conf.File, truth, release(sy.view.reached())) {
			if c.Effect > corosyncconf.Reload || c.Node {
				ps.add(CodeNeedsRestart, "", "clusterctl conf sync without --from takes the file back; clusterctl conf set --restart, link, add and delnode make such changes",
					"%s: a reload does not do it, it takes: %s", c.Words, c.Effect)
			}
		}
	}
	for _, n := range sy.view.Nodes {
		if n.Facts == nil && n.Conf != nil && slices.ContainsFunc(sy.parts, func(p *partition) bool { return slices.Contains(p.ids, n.Conf.ID) }) {
			p := NodeProblem(n.Name, n.Err)
			p.Message = "a member, but it cannot be reached, and would reload its old file: " + p.Message
			*ps = append(*ps, p)
		}
	}
}

// abovePmxcfs is a configuration that cannot be put into /etc/pve for want of quorum,
// under a version that pmxcfs does not put its own in place of when it starts.
func (sy *syncing) abovePmxcfs(truth *corosyncconf.File) (*corosyncconf.File, error) {
	stands := func(f *Facts) bool {
		return f.PVE != nil && f.PVE.Conf.Exists && f.PVE.Conf.Hash != Hash(truth.Bytes()) && f.PVE.Version >= truth.ConfigVersion()
	}
	if sy.view.quorate() || !slices.ContainsFunc(sy.view.reached(), stands) {
		return truth, nil
	}
	above := truth.Clone()
	if err := above.SetConfigVersion(sy.view.highest() + 1); err != nil {
		return nil, fmt.Errorf("edit corosync.conf: %w", err)
	}
	above, err := corosyncconf.Parse(ConfPath, above.Bytes())
	if err != nil {
		return nil, fmt.Errorf("edit corosync.conf: %w", err)
	}
	return above, nil
}

// planKey plans that nodes that lack it get the cluster's key.
func (sy *syncing) planKey(p *Plan, key []byte) {
	if len(sy.keys) > 0 {
		p.Steps = append(p.Steps, Step{
			ID: "key", What: "put the cluster's key on " + andList(sy.keys), Class: ClassSwitch,
			Do:   Act{Nodes: sy.keys, Ops: []Op{{Kind: OpPut, Path: KeyPath, Blob: p.blob(key), Mode: "0400"}}},
			Undo: []Act{{Nodes: sy.keys, Ops: []Op{{Kind: OpRestore, Path: KeyPath, Unit: "corosync"}}}},
		})
	}
}

// planFiles plans that files are put in place that the members run already. A node
// that boots with them meanwhile is a member, and keeps them when this is undone.
func (sy *syncing) planFiles(p *Plan, truth *corosyncconf.File) {
	for _, n := range sy.view.Nodes {
		if slices.Contains(sy.confs, n.Name) {
			p.Diff += corosyncconf.UnifiedDiff(n.Name+":"+ConfPath, ConfPath, n.Facts.Conf.Bytes, truth.Bytes())
		}
	}
	if len(sy.confs) > 0 {
		is := p.blob(truth.Bytes())
		p.Steps = append(p.Steps, Step{
			ID: "conf", What: fmt.Sprintf("put corosync.conf, version %d, on %s", truth.ConfigVersion(), andList(sy.confs)), Class: ClassSwitch,
			Do: Act{Nodes: sy.confs, Ops: []Op{
				{Kind: OpTest, Path: ConfPath, Blob: is},
				{Kind: OpPut, Path: ConfPath, Blob: is, Mode: "0644"},
				rememberIDs(truth, 0),
			}},
			Undo: []Act{{Nodes: sy.confs, Ops: []Op{{Kind: OpRestore, Path: ConfPath, Unit: "corosync"}}}},
		})
	}
	v := sy.view
	differs := func(f *Facts) bool {
		return f.PVE != nil && f.PVE.Mounted && f.UID == 0 && !f.apart() && f.PVE.Conf.Hash != Hash(truth.Bytes())
	}
	for _, n := range v.Nodes {
		if n.Facts != nil && n.Facts.apart() {
			p.Notes.warn(CodePmxcfs, n.Name, rejoin, "pmxcfs is by itself there, and does not get what the others have in /etc/pve")
		}
	}
	switch {
	case !slices.ContainsFunc(v.reached(), differs):
	case !v.quorate():
		p.Notes.warn(CodePmxcfs, "", "when there is quorum again: clusterctl conf sync", "/etc/pve has another corosync.conf, and cannot be written without quorum")
	default:
		p.Steps = append(p.Steps, publish("publish", p.blob(truth.Bytes()), "", v.publishers()))
	}
}

// planReload plans that every node gets the file under a new version and every
// member runs it. There is no one state to come back to when it fails, so
// undoing puts the same content on every node under a version higher still.
func (sy *syncing) planReload(p *Plan, truth *corosyncconf.File) error {
	v := sy.view
	is, again := truth.Clone(), truth.Clone()
	for i, f := range []*corosyncconf.File{is, again} {
		if err := f.SetConfigVersion(max(v.highest(), truth.ConfigVersion()) + 1 + uint64(i)); err != nil {
			return fmt.Errorf("edit corosync.conf: %w", err)
		}
	}
	r := newRollout(v, p, 1)
	if len(sy.runs) == 1 {
		r.conf = sy.runs[0].Facts.Conf.File
	}
	if err := r.relink(nil, is); err != nil {
		return err
	}
	do := r.reload(r.members, "", r.want(is))
	do.Carry = carry(r.members, r.linked, r.links)
	p.Diff = corosyncconf.UnifiedDiff(ConfPath, ConfPath+".new", v.Conf.Bytes(), is.Bytes())
	after := reckon(is.Config(), r.members).Tally()
	p.Quorum.After = point(after)
	if after.Votes-after.Quorum < p.Quorum.Lowest.Votes-p.Quorum.Lowest.Quorum {
		p.Quorum.Lowest = p.Quorum.After
	}
	if err := r.bears("have every member run this configuration", after); err != nil {
		return err
	}
	blob, back := p.blob(is.Bytes()), p.blob(again.Bytes())
	do.Conf = blob
	p.Steps = append(p.Steps,
		Step{
			ID: "stage-1", What: "test corosync.conf", Class: ClassPrepare,
			Do: Act{Nodes: sy.nodes, Ops: []Op{
				rememberIDs(is, again.ConfigVersion()), {Kind: OpTest, Path: ConfPath, Blob: back}, {Kind: OpTest, Path: ConfPath, Blob: blob},
			}},
		},
		Step{
			ID: "swap-1", What: fmt.Sprintf("put it in place as version %d", is.ConfigVersion()), Class: ClassSwitch,
			Do:   Act{Nodes: sy.nodes, Ops: []Op{{Kind: OpPut, Path: ConfPath, Blob: blob, Mode: "0644"}}},
			Undo: []Act{{Nodes: sy.nodes, Ops: []Op{{Kind: OpUnswap, Path: ConfPath, Base: blob}}}},
		},
	)
	reload := Step{
		ID: "reload-1", What: "reload: every member runs the same corosync.conf", Class: ClassReload,
		Do: do,
		Undo: []Act{
			{Nodes: sy.nodes, Ops: []Op{{Kind: OpPut, Path: ConfPath, Blob: back, Mode: "0644"}}},
			{Nodes: membersOf(r.members), Ops: []Op{{Kind: OpStart, Unit: "corosync"}}},
			r.reload(r.members, back, r.want(again)),
		},
	}
	if v.pve() {
		reload.Undo = append(reload.Undo, unpublish(back, r.publishers()))
	}
	p.Steps = append(p.Steps, r.activate("publish-1", blob, "", reload)...)
	return nil
}

// SyncKey reads the authkey that all nodes are to have: that of the running
// members, or of the node whose file is right; nil where there is none.
func SyncKey(ctx context.Context, s SyncSpec, v *View, nodes map[string]Node) ([]byte, error) {
	i := v.find(s.From)
	if s.From == "" || i < 0 {
		var ps Problems
		seen := map[string][]string{}
		if main := newSyncing(v).main(); main != nil && v.config().Totem.Encrypted() {
			for _, n := range main.seen {
				seen[n.Facts.Key.Hash] = append(seen[n.Facts.Key.Hash], n.Name)
			}
		}
		if len(seen) > 1 {
			ps.add(CodeKeyDrift, "", "name the node whose files are right: clusterctl conf sync --from NODE", "the members do not have the same authkey, so nothing says which is right")
			return nil, ps
		}
		return SharedKey(ctx, v, nodes)
	}
	n := v.Nodes[i]
	if n.Facts == nil || !n.Facts.Key.Exists || n.Facts.UID != 0 {
		return nil, nil
	}
	if main := newSyncing(v).main(); main != nil && v.config().Totem.Encrypted() && len(main.ids) > 1 && !slices.Contains(main.seen, &v.Nodes[i]) {
		for _, m := range main.seen {
			if m.Facts.Key.Hash != n.Facts.Key.Hash { // or each that restarts falls out
				var ps Problems
				ps.add(CodeKeyDrift, n.Name, "clusterctl conf sync gives it the cluster's key, and then conf sync --from "+n.Name, "its authkey is not that which the members run with")
				return nil, ps
			}
		}
	}
	key, err := nodes[n.Name].Key(ctx)
	return key, nodeErr(n.Name, err)
}
