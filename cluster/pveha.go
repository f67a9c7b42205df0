package cluster

import (
	"path"
	"slices"
	"strings"

	"clusterctl/corosyncconf"
)

// The daemons of Proxmox VE's HA. While pve-ha-lrm manages guests it holds the
// node's watchdog, which resets a node that is without quorum for a minute; so does
// the pve-ha-crm that is master. Stopped in order, with quorum, pve-ha-lrm has the
// master freeze its guests, leaves them running, and lets the watchdog go (LRM.pm,
// shutdown_request and work). Guests that are frozen are not taken over by other
// nodes, also when theirs is away (Manager.pm), until its pve-ha-lrm is back.
const (
	lrmUnit = "pve-ha-lrm"
	crmUnit = "pve-ha-crm"
)

// haFences refuses what would have HA's watchdog reset the node.
func haFences(ps *Problems, f *Facts, name string) {
	const remedy = "take its HA resources away (ha-manager status), or stop pve-ha-lrm there first, and start it again afterwards"
	if f.Units[lrmUnit].Running() && (f.PVE == nil || f.PVE.LRM != "wait_for_agent_lock") { // in which it holds no watchdog
		ps.add(CodeFence, name, remedy, "pve-ha-lrm runs there, whose watchdog resets the node")
	}
}

// haResets warns that HA's watchdog is about to reset a node that is without quorum.
func haResets(ps *Problems, f *Facts, name string) {
	if p := f.PVE; p == nil || !p.Watchdog || f.seen().Quorate || !f.Units[lrmUnit].Running() && !f.Units[crmUnit].Running() {
		return
	}
	ps.warn(CodeWatchdog, name, "bring quorum back before; where the others have quorum, they start its HA guests then, else nobody does",
		"HA holds its watchdog, which resets the node when it has been without quorum for a minute, and with it all its guests")
}

// haOff tells whether HA is at rest although it is started at boot, there or on
// others: on a node that left and came back it may not be.
func (v *View) haOff(f *Facts) bool {
	off := func(unit string) bool { u := f.Units[unit]; return u.Loaded && !u.Running() && v.boots(unit) }
	return f.PVE != nil && (off(lrmUnit) || off(crmUnit))
}

// boots tells whether a unit of HA is started at boot on any node.
func (v *View) boots(unit string) bool {
	return slices.ContainsFunc(v.reached(), func(f *Facts) bool { return f.Units[unit].Enabled })
}

// startHA plans that HA runs on new nodes as on the members: where it was off since
// the node left a cluster. The node is in all the same when that fails.
func (a *adding) startHA(nodes []corosyncconf.Node) {
	var names []string
	for i, n := range nodes {
		off := func(unit string) bool { u := a.facts[i].Units[unit]; return u.Loaded && !u.Enabled && a.v.boots(unit) }
		if a.v.pve() && (off(lrmUnit) || off(crmUnit)) {
			names = append(names, n.Name)
		}
	}
	if len(names) == 0 {
		return
	}
	a.plan.Steps = append(a.plan.Steps, Step{
		ID: "ha", What: "start HA on " + andList(names) + ", and at boot", Class: ClassStart,
		Do: Act{Nodes: names, Ops: []Op{
			{Kind: OpEnable, Unit: crmUnit}, {Kind: OpEnable, Unit: lrmUnit}, {Kind: OpStart, Unit: crmUnit}, {Kind: OpStart, Unit: lrmUnit},
		}, Soft: true},
		Undo: []Act{{Nodes: names, Ops: append(haRest(), Op{Kind: OpReset, Unit: crmUnit}, Op{Kind: OpReset, Unit: lrmUnit})}},
	})
}

// resting has HA of new nodes brought to rest before acts that take a join back: with
// pmxcfs of the cluster, and while corosync runs.
func (a *adding) resting(acts []Act, names []string) []Act {
	if len(both(names, a.ha)) > 0 {
		for i := range acts { // each of them: it may be repeated where the node has restarted, with HA
			acts[i].Ops = slices.Concat(haRest(), []Op{{Kind: OpDisarmed}}, acts[i].Ops)
		}
	}
	return acts
}

// rousing has HA of new nodes run again after acts that have made them what they were.
func (a *adding) rousing(acts []Act, names []string) []Act {
	if names = both(names, a.ha); len(names) == 0 {
		return acts
	}
	return append(acts, Act{Nodes: names, Ops: haRouse(), Soft: true})
}

// haStays refuses to stop corosync where HA cannot be brought to rest before: see
// quiet. pve-ha-lrm ends only when no guest of it is left that is not frozen.
func (v *View) haStays(ps *Problems, n *ViewNode) {
	f := n.Facts
	p := f.PVE
	if p == nil {
		haFences(ps, f, n.Name)
		return
	}
	if !f.Units[lrmUnit].Running() {
		if p.Watchdog && !f.Units[crmUnit].Running() {
			ps.add(CodeFence, n.Name, "see who: journalctl -u watchdog-mux", "its watchdog is held (/run/watchdog-mux.active), and not by HA: it would reset the node")
		}
		return
	}
	master := slices.ContainsFunc(v.reached(), func(f *Facts) bool { return f.Units[crmUnit].Running() && f.Runtime != nil })
	switch {
	case p.LRM == "wait_for_agent_lock":
	case p.LRM == "":
		ps.add(CodeFence, n.Name, "ha-manager status", "pve-ha-lrm runs there, and its state is not known: its watchdog may reset the node")
	case p.LRM == "lost_agent_lock":
		ps.add(CodeFence, n.Name, "wait until it has its lock again, or was reset: ha-manager status", "pve-ha-lrm there has lost its lock: its watchdog is about to reset the node")
	case p.LRM == "maintenance" || p.LRMMode == "maintenance":
		ps.add(CodeFence, n.Name, "wait until its HA resources have moved away, or end it: ha-manager crm-command node-maintenance disable "+n.Name,
			"HA there is in maintenance mode, and pve-ha-lrm does not end before all its guests have moved")
	case p.LRM != "active" || p.LRMMode != "active" && p.LRMMode != "":
		ps.add(CodeFence, n.Name, "wait until that is over: ha-manager status", "pve-ha-lrm there is on its way to another state (%s, %s)", p.LRM, p.LRMMode)
	case !p.Writable && n.active() && n.Facts.seen().Quorate && master:
		ps.add(CodeFence, n.Name, "wait some seconds, and try again; if it stays so: systemctl restart pve-cluster",
			"corosync is quorate there, and pmxcfs is not yet: /etc/pve cannot be written, and pve-ha-lrm does not let its watchdog go")
	case !p.Writable || !v.quorate() || !master:
		ps.add(CodeFence, n.Name, "bring quorum back, and start pve-ha-crm on some node", "pve-ha-lrm holds its watchdog there, and lets it go only with quorum, and while pve-ha-crm runs somewhere to freeze its guests")
	}
}

// haGuests refuses to take a node out that has guests of HA: nobody would take them
// over, and theirs would go on by itself. They do so also when its pve-ha-lrm was
// stopped. A node that is behind is not asked itself, if another can tell.
func (v *View) haGuests(ps *Problems, n *ViewNode) {
	p := n.Facts.PVE
	if p == nil {
		return
	}
	guests := p.Guests
	for _, name := range v.publishers() {
		if o := v.node(name).Facts.PVE; !p.Writable && o.Writable && o.Homes != nil {
			p, guests = o, nil
			for _, file := range o.Homes[n.Name] {
				guests = append(guests, strings.TrimSuffix(path.Base(file), ".conf"))
			}
		}
	}
	if p.Homes == nil {
		ps.add(CodeFence, n.Name, "bring pmxcfs back first: systemctl status pve-cluster", "whether HA has guests there is not known: /etc/pve cannot be read")
		return
	}
	for _, e := range entries(p.Files["ha/resources.cfg"]) {
		_, state := e.value("state")
		if state != "ignored" && state != "disabled" && slices.Contains(guests, e.id) {
			sid := e.kind + ":" + e.id
			ps.add(CodeFence, n.Name, "move it first: ha-manager migrate "+sid+" NODE; or take it out of HA: ha-manager remove "+sid, "HA runs its guest %s there", sid)
		}
	}
}

// haRest brings HA of a node to rest, in the order in which its watchdog is let go.
func haRest() []Op { return []Op{{Kind: OpQuiet, Unit: lrmUnit}, {Kind: OpQuiet, Unit: crmUnit}} }

// haRouse starts HA of a node again where it ran when the operation began.
func haRouse() []Op { return []Op{{Kind: OpRouse, Unit: crmUnit}, {Kind: OpRouse, Unit: lrmUnit}} }

// quiet are the steps that bring HA to rest on nodes, which has the watchdogs let
// go, and the one that starts it again.
func (v *View) quiet(nodes []string) (rest, back []Step) {
	running := func(unit string) []string {
		return slices.DeleteFunc(slices.Clone(nodes), func(name string) bool {
			f := v.node(name).Facts
			return f == nil || f.PVE == nil || !f.Units[unit].Running()
		})
	}
	lrms, crms := running(lrmUnit), running(crmUnit)
	either := slices.DeleteFunc(slices.Clone(nodes), func(name string) bool { return !slices.Contains(lrms, name) && !slices.Contains(crms, name) })
	if len(lrms) > 0 {
		rest = append(rest, Step{
			ID: "ha-lrm", What: "stop pve-ha-lrm on " + andList(lrms) + ": HA freezes its guests, which go on running, and fences nobody", Class: ClassPrepare,
			Do:   Act{Nodes: lrms, Ops: []Op{{Kind: OpQuiet, Unit: lrmUnit}}},
			Undo: []Act{{Nodes: lrms, Ops: []Op{{Kind: OpRouse, Unit: lrmUnit}}, Soft: true}},
		})
	}
	if len(crms) > 0 {
		rest = append(rest, Step{
			ID: "ha-crm", What: "stop pve-ha-crm on " + andList(crms), Class: ClassPrepare,
			Do:   Act{Nodes: crms, Ops: []Op{{Kind: OpQuiet, Unit: crmUnit}}},
			Undo: []Act{{Nodes: crms, Ops: []Op{{Kind: OpRouse, Unit: crmUnit}}, Soft: true}},
		})
	}
	if len(either) > 0 {
		back = []Step{{
			ID: "ha-back", What: "start HA again on " + andList(either), Class: ClassPrepare,
			Do:   Act{Nodes: either, Ops: haRouse(), Soft: true},
			Undo: []Act{{Nodes: either, Ops: haRest()}},
		}}
	}
	return rest, back
}

// quietFirst has HA brought to rest before what an act does: a node may have come
// up again meanwhile.
func (v *View) quietFirst(a *Act) {
	if rest, _ := v.quiet(a.Nodes); len(rest) > 0 {
		a.Ops = append(haRest(), a.Ops...)
	}
}

// quietBefore has HA brought to rest on all nodes before acts stop corosync on any:
// pve-ha-lrm of one that has come up again would not end without the others' quorum.
// It is once more right before, for one that comes up later than that.
func (v *View) quietBefore(acts []Act) []Act {
	quiet := Act{Nodes: acts[0].Nodes}
	if v.quietFirst(&quiet); len(quiet.Ops) == 0 {
		return acts
	}
	acts[0].Ops = append([]Op{{Kind: OpDisarmed}}, acts[0].Ops...)
	v.quietFirst(&acts[0])
	return append([]Act{quiet}, acts...)
}

// disarmed has a step that stops corosync refused on nodes whose watchdog is held.
func (v *View) disarmed(s *Step) {
	if v.pve() {
		s.Do.Ops = append([]Op{{Kind: OpDisarmed}}, s.Do.Ops...)
	}
}

// both are those of some names that are among others.
func both(some, others []string) []string {
	return slices.DeleteFunc(slices.Clone(some), func(name string) bool { return !slices.Contains(others, name) })
}
