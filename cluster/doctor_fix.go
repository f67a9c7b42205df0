package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"clusterctl/corosyncconf"
	"clusterctl/quorum"
)

// fix is what doctor --fix does about a cause; the zero fix is nothing.
type fix struct {
	verb  fixVerb
	nodes []string // that it is done on
	from  string   // whose files are right; "": those that the quorate partition runs
	votes int
	op    *Operation
}

type fixVerb int

const (
	fixNothing fixVerb = iota
	fixStart           // start nodes
	fixRestart         // restart nodes that take no part in quorum
	fixSync            // conf sync
	fixEnable          // have corosync started at boot
	fixKeyMode         // the key is root's alone
	fixMend            // the last corosync.conf that corosync takes, on all nodes
	fixExpect          // expected votes as in the file
	fixUndo            // op undo
	fixResume          // op resume
)

// with is a fix that does what both do.
func (f fix) with(o fix) fix {
	if f.verb == fixNothing {
		return o
	}
	for _, n := range o.nodes {
		if o.verb == f.verb && !slices.Contains(f.nodes, n) {
			f.nodes = append(f.nodes, n)
		}
	}
	return f
}

// command is the command line that does the same; other where it has none.
func (f fix) command(v *View, other string) string {
	switch f.verb {
	case fixStart:
		if !slices.ContainsFunc(v.Nodes, func(n ViewNode) bool { return n.Conf != nil && n.Facts != nil && !slices.Contains(f.nodes, n.Name) }) {
			return "clusterctl start --all"
		}
		return "clusterctl start " + strings.Join(f.nodes, " ")
	case fixRestart:
		return "clusterctl restart " + strings.Join(f.nodes, " ")
	case fixSync:
		if f.from != "" {
			return "clusterctl conf sync --from " + f.from
		}
		return "clusterctl conf sync"
	case fixEnable:
		return "clusterctl enable " + strings.Join(f.nodes, " ")
	case fixMend, fixKeyMode:
		return "clusterctl doctor --fix"
	case fixExpect:
		return fmt.Sprintf("clusterctl expected %d", f.votes)
	case fixUndo:
		return "clusterctl op undo " + f.op.ID
	case fixResume:
		return "clusterctl op resume " + f.op.ID
	}
	return other
}

// does is by with the fix's own command.
func (c *Cause) does(v *View, f fix) { c.by(f, f.command(v, "")) }

// Fixable tells whether doctor --fix does something about the cause.
func (c *Cause) Fixable() bool { return c.fix.verb != fixNothing }

// Operation is the open operation that is to be ended to mend the cause, and
// whether by undoing it; nil: a plan mends it.
func (c *Cause) Operation() (op *Operation, undo bool) { return c.fix.op, c.fix.verb == fixUndo }

// PlanFix plans what mends a cause that Diagnose found in v, whose nodes are
// connected.
func PlanFix(ctx context.Context, c *Cause, v *View, nodes map[string]Node) (*Plan, error) {
	f := c.fix
	switch f.verb {
	case fixStart:
		return PlanStart(ServiceSpec{Nodes: f.nodes, Each: !v.quorate()}, v)
	case fixRestart:
		return PlanRestart(ServiceSpec{Nodes: f.nodes}, v)
	case fixSync:
		s := SyncSpec{From: f.from}
		key, err := SyncKey(ctx, s, v, nodes)
		if err != nil {
			return nil, err
		}
		return PlanSync(s, v, key)
	case fixEnable:
		return PlanEnable(ServiceSpec{Nodes: f.nodes}, v, true)
	case fixExpect:
		return PlanExpected(f.votes, v)
	case fixKeyMode:
		return planKeyMode(f.nodes, v)
	case fixMend:
		return PlanMend(v)
	}
	return nil, fmt.Errorf("nothing is done by itself about %s", c.Code)
}

// planKeyMode plans that only root can read the key.
func planKeyMode(names []string, v *View) (*Plan, error) {
	var ps Problems
	p := v.plan()
	with := map[string][]string{} // the nodes by their key
	var hashes []string
	for _, name := range names {
		n := v.node(name)
		if !n.check(&ps) {
			continue
		}
		hash := n.Facts.Key.Hash
		if with[hash] == nil {
			hashes = append(hashes, hash)
		}
		with[hash] = append(with[hash], name)
	}
	for i, hash := range hashes {
		nodes := with[hash]
		p.Steps = append(p.Steps, Step{
			ID: fmt.Sprintf("keymode-%d", i+1), What: "have only root read the key on " + andList(nodes), Class: ClassPrepare,
			Do:   Act{Nodes: nodes, Ops: []Op{{Kind: OpPut, Path: KeyPath, Blob: hash, Base: hash, Mode: "0400"}}},
			Undo: []Act{{Nodes: nodes, Ops: []Op{{Kind: OpRestore, Path: KeyPath}}}},
		})
	}
	p.Quorum = v.steady(v.config())
	return p, ps.err()
}

// PlanMend plans the way back of a cluster in which corosync runs nowhere, since
// it takes no node's corosync.conf: the newest earlier one that it takes on all
// nodes is put on each of them, under a version above any that was seen, and
// all are started: what comes up stays up, whatever becomes of the others. The error, if any, is Problems.
func PlanMend(v *View) (*Plan, error) {
	var ps Problems
	if len(partitions(v)) > 0 {
		ps.add(CodeLiveMember, "", "clusterctl conf sync", "corosync runs: its nodes have a file that can be used")
		return nil, ps
	}
	good := v.lastGood()
	if good == nil {
		ps.add(CodeConfigInvalid, "", "mend the file on one node by hand (clusterctl conf check --here there says what is wrong), then: clusterctl conf sync --from that node, and clusterctl start --all",
			"no earlier %s that corosync would take is kept on the nodes", ConfPath)
		return nil, ps
	}
	p := v.plan()
	p.Diff = corosyncconf.UnifiedDiff(ConfPath, ConfPath+".new", v.Conf.Bytes(), good.Bytes())
	var names, away []string
	var members []Member
	for _, c := range good.Config().Nodes {
		i := v.find(c.Label())
		if i < 0 || v.Nodes[i].Facts == nil {
			ps.warn(CodeOwed, c.Label(), "clusterctl conf sync once it is back, before corosync is started on it", "it is away and gets nothing now")
			away = append(away, c.Label())
			continue
		}
		n := &v.Nodes[i]
		n.check(&ps)
		names, members = append(names, n.Name), append(members, Member{n.Name, c.ID})
	}
	mayRun(&ps, good.Config(), away)
	if err := ps.err(); err != nil {
		return nil, err
	}
	p.Notes = ps
	conf := good.Config()
	t := reckon(conf, members).Tally()
	p.Quorum = QuorumRange{QuorumPoint{Expected: t.Expected, Quorum: t.Quorum}, QuorumPoint{Expected: t.Expected, Quorum: t.Quorum}, point(t)}
	is := p.blob(good.Bytes())
	p.Steps = append(p.Steps, Step{
		ID: "conf", What: fmt.Sprintf("put the last good corosync.conf, as version %d, on %s", good.ConfigVersion(), andList(names)), Class: ClassSwitch,
		Do: Act{Nodes: names, Ops: []Op{
			rememberIDs(good, 0), {Kind: OpTest, Path: ConfPath, Blob: is}, {Kind: OpPut, Path: ConfPath, Blob: is, Mode: "0644"},
		}},
		Undo:   []Act{{Nodes: names, Ops: []Op{{Kind: OpRestore, Path: ConfPath}}}},
		Stands: "all have a corosync.conf that corosync takes",
	})
	p.Steps = append(p.Steps, startAll(names, Want{Members: members, Quorate: t.Quorate, Links: told(conf), Soft: true, Deadline: formTime(len(names))}, Step{})...)
	return p, nil
}

// mayRun refuses to start nodes on a new file while those that are away, of which
// nothing is known, have the votes to be running without them: then the file
// would be ahead of what runs.
func mayRun(ps *Problems, conf corosyncconf.Config, away []string) {
	have, all := 0, rules(conf).Device
	for _, n := range conf.Nodes {
		if all += n.Votes; !slices.Contains(away, n.Label()) {
			have += n.Votes
		}
	}
	if len(away) > 0 && have < quorum.Needed(all, 0, 0, false) {
		ps.add(CodeAhead, "", fmt.Sprintf("bring back %s, or see that corosync does not run there; where that cannot be, mend the file on one node by hand, then: clusterctl conf sync --from that node, and clusterctl start --all", orList(away)),
			"%s may be running: what answers has %d of %d votes, and started with a new file it would be ahead of them", andList(away), have, all)
	}
}

// newest is the highest config_version of the cluster's files; where a node's
// file is lost, so that it lists no nodes, those that it keeps count.
func (v *View) newest() uint64 {
	highest, name := uint64(0), v.Conf.Config().Totem.ClusterName
	see := func(file *corosyncconf.File) {
		if file.Config().Totem.ClusterName == name {
			highest = max(highest, file.ConfigVersion())
		}
	}
	for _, f := range v.reached() {
		if f.Conf.File != nil && len(f.Conf.File.Config().Nodes) > 0 {
			see(f.Conf.File)
			continue
		}
		if f.Signs == nil {
			continue
		}
		for _, text := range f.Signs.Kept {
			kept, _ := corosyncconf.Parse(ConfPath, text)
			see(kept)
		}
	}
	return highest
}

// lastGood is the corosync.conf to go on with where corosync takes none: what a
// node has without the few lines that are in the way, else the newest one that
// a node keeps, under a version above any that was seen. Corosync takes it on
// every node that was reached. It is nil if there is none.
func (v *View) lastGood() *corosyncconf.File {
	highest, name := v.highest(), v.Conf.Config().Totem.ClusterName
	newer := func(best *corosyncconf.File, text []byte) *corosyncconf.File {
		c := parseConf(section{out: text})
		highest = max(highest, c.File.ConfigVersion())
		if c.Err == nil && !c.isDefault() && c.File.Config().Totem.ClusterName == name && v.taken(c.File) && (best == nil || c.File.ConfigVersion() > best.ConfigVersion()) {
			return c.File
		}
		return best
	}
	var kept, best *corosyncconf.File
	for _, f := range v.reached() {
		if f.Signs != nil {
			for _, text := range f.Signs.Kept {
				kept = newer(kept, text)
			}
		}
	}
	for _, f := range v.reached() {
		if f.Conf.Exists {
			best = newer(best, f.Conf.Bytes)
			best = newer(best, v.withoutRefused(f.Conf.Bytes, kept))
		}
	}
	if kept != nil && (best == nil || kept.ConfigVersion() > best.ConfigVersion()) {
		best = kept
	}
	if best == nil {
		return nil
	}
	best = best.Clone()
	if err := best.SetConfigVersion(highest + 1); err != nil {
		return nil
	}
	return best
}

// taken tells whether corosync takes the file on every node that was reached,
// and would not suffer from it.
func (v *View) taken(file *corosyncconf.File) bool {
	return len(file.Config().Nodes) > 0 && !slices.ContainsFunc(v.reached(), func(f *Facts) bool {
		return slices.ContainsFunc(f.findings(file), func(found corosyncconf.Finding) bool { return found.Severity == corosyncconf.Bad })
	})
}

// weighty are options without which corosync starts, and not as before: with
// its traffic in the clear, or apart from nodes that have them.
var weighty = map[string]string{
	"crypto_cipher": "totem", "crypto_hash": "totem", "secauth": "totem", "transport": "totem", "link_mode": "totem", "two_node": "quorum",
}

// withoutRefused is the text with up to three lines made comments that corosync
// refuses on some node. What is weighty gets the value that it has in kept, the
// newest earlier file that corosync takes; without one it stays as it is.
func (v *View) withoutRefused(text []byte, kept *corosyncconf.File) []byte {
	lines := strings.SplitAfter(string(text), "\n")
	for range 3 {
		file, _ := corosyncconf.Parse(ConfPath, []byte(strings.Join(lines, "")))
		at := 0
		for _, f := range v.reached() {
			if found := refusal(file, f); found != nil && at == 0 {
				at = found.Line
			}
		}
		if at == 0 || at > len(lines) || strings.ContainsAny(lines[at-1], "{}") {
			break
		}
		line := strings.TrimLeft(lines[at-1], " \t")
		indent := strings.TrimSuffix(lines[at-1], line)
		key, _, _ := strings.Cut(strings.Join(strings.Fields(line), ":"), ":") // also where the colon is missing
		section, weighs := weighty[key]
		if weighs && kept == nil {
			break
		}
		lines[at-1] = indent + "# " + line
		if weighs {
			if value := valueOf(kept, section, key); value != "" {
				lines[at-1] = indent + key + ": " + value + line[len(strings.TrimRight(line, "\r\n")):]
			}
		}
	}
	mended := []byte(strings.Join(lines, ""))
	if kept != nil {
		file, _ := corosyncconf.Parse(ConfPath, mended)
		is, was := file.Config().Totem, kept.Config().Totem
		if is.Encrypted() != was.Encrypted() || is.Transport != was.Transport {
			return text
		}
	}
	return mended
}

// valueOf is the value of a key in the file; "" where it has none.
func valueOf(file *corosyncconf.File, section, key string) string {
	for _, s := range file.Settings() {
		if s.Path.Section().String() == section && s.Path.Name() == key {
			return s.Value
		}
	}
	return ""
}

// refusal is the first finding for which corosync on the node would not start
// with the file; nil if it would. What the parser refuses comes first: others
// may come of it.
func refusal(file *corosyncconf.File, f *Facts) *corosyncconf.Finding {
	found := f.findings(file)
	for _, by := range []corosyncconf.Refusal{corosyncconf.ByParser, corosyncconf.ByTest, corosyncconf.ByStart} {
		if i := slices.IndexFunc(found, func(f corosyncconf.Finding) bool { return f.RefusedBy == by }); i >= 0 {
			return &found[i]
		}
	}
	return nil
}

// findings are what is wrong with the file for the corosync of the node.
func (f *Facts) findings(file *corosyncconf.File) []corosyncconf.Finding {
	return file.Check(corosyncconf.Target{Release: release([]*Facts{f}), Here: f.machine()})
}

// atRest chooses the configuration that speaks for a cluster in which corosync
// runs nowhere: of the cluster that most nodes belong to, the one that corosync
// would take, unless there is a newer one that it refuses. A node that was off
// for long must not speak for those that only have a mistake in their file.
func atRest(facts []*Facts) *corosyncconf.File {
	facts = ofOneCluster(facts)
	best, broken := reference(facts), refused(facts)
	switch {
	case broken != nil && (best == nil || broken.ConfigVersion() > best.ConfigVersion()):
		return broken
	case best == nil:
		return kept(facts)
	}
	return best
}

// ofOneCluster leaves out the nodes whose file is that of another cluster than
// most have, or than the first where that is even.
func ofOneCluster(facts []*Facts) []*Facts {
	name := func(f *Facts) string {
		if f.Conf.File == nil || f.Conf.isDefault() {
			return ""
		}
		return f.Conf.File.Config().Totem.ClusterName
	}
	nodes, most := map[string]int{}, ""
	for _, f := range facts {
		if n := name(f); n != "" {
			nodes[n]++
		}
	}
	for _, f := range facts {
		if n := name(f); nodes[n] > nodes[most] {
			most = n
		}
	}
	var of []*Facts
	for _, f := range facts {
		if n := name(f); n == most || n == "" {
			of = append(of, f)
		}
	}
	return of
}

// refused chooses among the files that the parser refuses and that list nodes:
// the newest, then that of most nodes.
func refused(facts []*Facts) *corosyncconf.File {
	var best *corosyncconf.File
	most := 0
	for _, f := range facts {
		if f.Conf.File == nil || f.Conf.Err == nil || len(f.Conf.File.Config().Nodes) == 0 {
			continue
		}
		same := 0
		for _, o := range facts {
			if o.Conf.Hash == f.Conf.Hash {
				same++
			}
		}
		newer := 1
		if best != nil {
			newer = cmp.Compare(f.Conf.File.ConfigVersion(), best.ConfigVersion())
		}
		if newer > 0 || newer == 0 && same > most {
			best, most = f.Conf.File, same
		}
	}
	return best
}

// kept is the newest corosync.conf that a node keeps; nil if none does.
func kept(facts []*Facts) *corosyncconf.File {
	for _, f := range facts {
		if f.Signs == nil {
			continue
		}
		for _, text := range f.Signs.Kept {
			if c := parseConf(section{out: text}); c.Err == nil && !c.isDefault() {
				return c.File
			}
		}
	}
	return nil
}
