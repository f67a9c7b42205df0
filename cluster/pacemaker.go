package cluster

import (
	"slices"
	"strings"

	"clusterctl/corosyncconf"
)

// CIBPath is the directory in which pacemaker keeps its configuration.
const CIBPath = "/var/lib/pacemaker/cib"

// Fencing is whether pacemaker on a node may have a node fenced.
type Fencing string

// Whether pacemaker fences.
const (
	FencingOff     Fencing = "" // it does not run, has fencing disabled, or is in maintenance mode, when it fences nobody
	FencingOn      Fencing = "on"
	FencingUnknown Fencing = "unknown" // it does not say
)

// parsePacemaker reads what crm_attribute printed of two options, which were
// asked for where pacemaker runs: a line for each set of options that has it.
// What counts as true and false is in pacemaker's lib/common/strings.c,
// crm_str_to_boolean; anything else is as if it were not set.
func (f *Facts) parsePacemaker(sec map[string]section) {
	stonith, runs := sec["stonith"]
	f.Maintenance = isSet(sec["maintenance"], "true", "on", "yes", "y", "1")
	switch {
	case !runs || f.Maintenance || isSet(stonith, "false", "off", "no", "n", "0"):
	case stonith.status != 0:
		f.Fencing = FencingUnknown
	default:
		f.Fencing = FencingOn
	}
}

// isSet tells whether every line of s is one of values.
func isSet(s section, values ...string) bool {
	lines := strings.Fields(strings.ToLower(string(s.out)))
	return s.status == 0 && len(lines) > 0 && !slices.ContainsFunc(lines, func(l string) bool { return !slices.Contains(values, l) })
}

// fencers refuses to stop corosync where something besides pacemaker, and HA of
// Proxmox VE, would fence the node for it.
func fencers(ps *Problems, f *Facts, name string) {
	if f.Units["sbd"].Running() {
		ps.add(CodeFence, name, "stop both there by hand, pacemaker first: systemctl stop pacemaker corosync", "sbd runs there, which ends only with corosync and may reset the node")
	}
	if f.Units["dlm"].Running() || f.DLM {
		ps.add(CodeFence, name, "stop there what uses it (shared file systems, clustered LVM), and then it: systemctl stop dlm, or pacemaker if that runs it",
			"the distributed lock manager is in use there")
	}
}

// fenced refuses what costs a node its quorum where something would fence the node
// for it, or when it fails: pacemaker fences a node on which a resource does not stop.
func (n *ViewNode) fenced(ps *Problems) {
	haFences(ps, n.Facts, n.Name)
	n.fencedBut(ps)
}

// stoppable refuses to stop corosync where something would fence the node for it,
// but for what is brought to rest before: see quiet.
func (v *View) stoppable(ps *Problems, n *ViewNode) {
	v.haStays(ps, n)
	n.fencedBut(ps)
}

// fencedBut is fenced, but for HA of Proxmox VE.
func (n *ViewNode) fencedBut(ps *Problems) {
	fencers(ps, n.Facts, n.Name)
	const remedy = "stop pacemaker there first, and see its resources move away: systemctl stop pacemaker"
	switch {
	case n.Facts.Fencing == FencingOn:
		ps.add(CodeFence, n.Name, remedy, "pacemaker runs there with fencing enabled")
	case n.Facts.Fencing == FencingUnknown:
		ps.add(CodeFence, n.Name, remedy, "pacemaker runs there and does not say whether fencing is enabled (crm_attribute -n stonith-enabled)")
	case n.Facts.Maintenance:
		ps.warn(CodeUnmanaged, n.Name, "crm_mon shows them", "pacemaker is in maintenance mode: what resources it has there go on running without it")
	}
}

// paced lists the nodes of the cluster where pacemaker runs.
func (v *View) paced() []string {
	var names []string
	for _, n := range v.Nodes {
		if n.Conf != nil && n.active() && n.Facts.Units["pacemaker"].Running() {
			names = append(names, n.Name)
		}
	}
	return names
}

// forgetting are the operations by which pacemaker forgets nodes.
func forgetting(nodes []corosyncconf.Node) []Op {
	var ops []Op
	for _, n := range nodes {
		ops = append(ops, Op{Kind: OpForget, Name: n.Label(), N: n.ID})
	}
	return ops
}

// freshCIB plans that pacemaker begins without a configuration on nodes that
// are new: among nodes that meet, the configuration that was changed most often
// replaces those of all others.
func (p *Plan) freshCIB(facts []*Facts) {
	var nodes []string
	for _, f := range facts {
		if f.CIB {
			nodes = append(nodes, f.Node)
			p.Notes.warn(CodeOtherCluster, f.Node, "", "the configuration of pacemaker there is set aside as %s.bak", CIBPath)
		}
	}
	if len(nodes) == 0 {
		return
	}
	p.Steps = append(p.Steps, Step{
		ID: "cib", What: "set pacemaker's configuration on " + andList(nodes) + " aside", Class: ClassSwitch,
		Do:   Act{Nodes: nodes, Ops: []Op{{Kind: OpAside, Path: CIBPath}}},
		Undo: []Act{{Nodes: nodes, Ops: []Op{{Kind: OpRestore, Path: CIBPath}}}},
	})
}
