package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"clusterctl/corosyncconf"
)

// LinkChange is what link add and link set were asked for.
type LinkChange struct {
	Number   int
	Network  netip.Prefix      // in which each node's address is picked; invalid: none
	Addrs    map[string]string // addresses by node name or id
	Priority *int              // knet_link_priority; nil: as it is
	Port     *int              // mcastport; nil: as it is
	Restart  bool              // also what takes a stop of all nodes
}

// PlanLinkAdd plans that a running cluster gets one more link: every node its
// address in one write, and a name where it has none. A link of knet is
// activated by one reload, and seen connected between all members; a second ring
// of corosync 2 by a stop and start of all.
func PlanLinkAdd(s LinkChange, v *View) (*Plan, error) {
	return counted(func(rollouts int) (*rollout, error) {
		var ps Problems
		l := v.newLinkPlan(&ps, s, rollouts)
		if slices.Contains(l.conf.Links(), s.Number) {
			ps.add(CodeBadLink, "", fmt.Sprintf("clusterctl link set %d changes it; link list shows what there is", s.Number), "link %d exists already", s.Number)
			return nil, ps
		}
		addrs := l.addresses(&ps, s)
		l.restarts(&ps, "add "+l.named())
		if err := ps.err(); err != nil {
			return nil, err
		}
		l.r.plan.Notes = ps
		f := l.v.Conf.Clone()
		if err := l.put(f, addrs); err != nil {
			return nil, err
		}
		if l.hot {
			return l.r, l.add(fmt.Sprintf("add link %d", s.Number), s.Number, f)
		}
		if mode := l.conf.Totem.RRPMode; mode == "" || mode == "none" { // which allows one ring
			if err := set(f, "passive", "totem.rrp_mode"); err != nil {
				return nil, err
			}
		}
		return l.r, l.still("add "+l.named(), f, addrs)
	})
}

// PlanLinkRemove plans that a running cluster loses a link, while another one
// connects all members.
func PlanLinkRemove(s LinkChange, v *View) (*Plan, error) {
	return counted(func(rollouts int) (*rollout, error) {
		var ps Problems
		l := v.newLinkPlan(&ps, s, rollouts)
		l.exists(&ps)
		if !l.carried() && ps.err() == nil {
			ps.add(CodeLinkDown, "", "add another link first: clusterctl link add N CIDR",
				"no other link connects all members now, so link %d cannot be taken away", l.Number)
		}
		if l.release == corosyncconf.V24 && s.Number == 0 {
			ps.add(CodeBadLink, "", "give ring 0 the network of ring 1, and ring 1 none: clusterctl link remove 1, then link set 0 --network CIDR", "corosync 2.4 does without ring 1, but not without ring 0")
		}
		l.restarts(&ps, "remove "+l.named())
		if err := ps.err(); err != nil {
			return nil, err
		}
		l.r.plan.Notes = ps
		f := l.v.Conf.Clone()
		if err := l.drop(f); err != nil {
			return nil, err
		}
		if l.hot {
			return l.r, l.remove(fmt.Sprintf("remove link %d", s.Number), s.Number, f)
		}
		if l.conf.Totem.RRPMode != "" {
			if err := set(f, "none", "totem.rrp_mode"); err != nil {
				return nil, err
			}
		}
		return l.r, l.still("remove "+l.named(), f, nil)
	})
}

// PlanLinkSet plans that a link of a running cluster gets other addresses,
// another port or another priority. corosync does not move a link of knet: it is
// removed by one reload and added again by a second, while another link connects
// all members. Where none does, there is one for as long as it takes, on the new
// addresses; so the old ones go only when the new ones are known to work. A
// priority alone takes one reload. Other links than those of knet take a stop
// and start of all.
func PlanLinkSet(s LinkChange, v *View) (*Plan, error) {
	return counted(func(rollouts int) (*rollout, error) {
		var ps Problems
		l := v.newLinkPlan(&ps, s, rollouts)
		l.exists(&ps)
		addrs := l.present()
		if s.Network.IsValid() || len(s.Addrs) > 0 {
			addrs = l.addresses(&ps, s)
		}
		moved := !maps.Equal(addrs, l.present())
		replaced := moved || s.Port != nil && *s.Port != l.port()
		if replaced {
			l.restarts(&ps, "change "+l.named())
		}
		temporary := l.temporary()
		if replaced && l.hot && !l.carried() && temporary < 0 && ps.err() == nil {
			ps.add(CodeLinkDown, "", "mend the others first, or remove one of them",
				"no other link connects all members now, and there is no number for one more")
		}
		if err := ps.err(); err != nil {
			return nil, err
		}
		l.r.plan.Notes = ps
		if !replaced {
			if s.Priority == nil || *s.Priority == l.priority() {
				return l.r, nil
			}
			return l.r, l.r.next(fmt.Sprintf("give link %d the priority %d", s.Number, *s.Priority), func(f *corosyncconf.File) error {
				return cmp.Or(l.settings(f), l.even(f))
			})
		}
		wanted, without := l.v.Conf.Clone(), l.v.Conf.Clone()
		if err := cmp.Or(l.put(wanted, addrs), l.drop(without)); err != nil {
			return nil, err
		}
		switch {
		case !l.hot:
			return l.r, l.still("change "+l.named(), wanted, addrs)
		case !l.carried():
			return l.r, l.swap(temporary, addrs, wanted)
		}
		if moved {
			l.r.reach(s.Number, wanted.Config())
		}
		if err := l.remove(fmt.Sprintf("remove link %d", s.Number), s.Number, without); err != nil {
			return nil, err
		}
		return l.r, l.add(fmt.Sprintf("add link %d", s.Number), s.Number, wanted)
	})
}

// linkPlan is a change of a link that is being planned.
type linkPlan struct {
	LinkChange
	r       *rollout
	v       *View
	conf    corosyncconf.Config
	release corosyncconf.Release
	hot     bool // links come and go while corosync runs
}

// newLinkPlan begins a plan, and checks what every change of a link needs.
func (v *View) newLinkPlan(ps *Problems, s LinkChange, rollouts int) *linkPlan {
	l := &linkPlan{LinkChange: s, v: v, conf: v.config(), release: release(v.reached())}
	l.r = newRollout(v, v.plan(), rollouts)
	if err := checkLinkNumber(s.Number); err != nil {
		ps.add(CodeBadLink, "", "use a number from 0 to 7", "%s", err)
	}
	knet := l.conf.Totem.Transport == "knet"
	l.hot = knet && l.release != corosyncconf.V24
	switch {
	case l.release == corosyncconf.V24 && s.Number > 1:
		ps.add(CodeBadLink, "", "use 0 or 1", "link %d: corosync 2.4 has two links, its rings 0 and 1", s.Number)
	case l.release != corosyncconf.V24 && !knet && s.Number > 0:
		ps.add(CodeBadLink, "", "change totem.transport to knet first: clusterctl conf set totem.transport knet --restart",
			"link %d: transport %s has one link, number 0, and only knet has several", s.Number, l.conf.Totem.Transport)
	}
	if s.Priority != nil && !l.hot {
		ps.add(CodeBadOption, "", "leave --priority out", "only the links of knet have priorities, and the transport is %s", l.conf.Totem.Transport)
	}
	if s.Priority != nil && (*s.Priority < 0 || *s.Priority > 255) {
		ps.add(CodeBadOption, "", "use 0 to 255; the highest comes first", "priority %d", *s.Priority)
	}
	if s.Port != nil && (*s.Port < 1 || *s.Port > 65535) {
		ps.add(CodeBadOption, "", "use 1 to 65535; corosync's own choice is 5405 and up", "port %d", *s.Port)
	}
	v.settled(ps, false)
	return l
}

// restarts refuses what takes a stop of all nodes unless that is allowed.
func (l *linkPlan) restarts(ps *Problems, what string) {
	if !l.hot && !l.Restart && ps.err() == nil {
		ps.add(CodeNeedsRestart, "", "--restart stops corosync on all nodes, and starts it on all", "%s: only knet changes its links while it runs; all nodes must be stopped before any is started", what)
	}
}

func (l *linkPlan) exists(ps *Problems) {
	if links := l.conf.Links(); !slices.Contains(links, l.Number) {
		ps.add(CodeBadLink, "", "clusterctl link list shows what there is", "there is no link %d", l.Number)
	}
}

// carried tells whether another link connects all members now.
func (l *linkPlan) carried() bool {
	if len(l.r.members) < 2 { // nobody to be cut off from, but for nodes that are away
		return len(l.without(l.conf.Links())) > 0
	}
	return len(l.without(l.r.links)) > 0
}

func (l *linkPlan) without(links []int) []int {
	return slices.DeleteFunc(slices.Clone(links), func(n int) bool { return n == l.Number })
}

// temporary is a number for one more link, whose port the others do not have;
// -1 if there is none.
func (l *linkPlan) temporary() int {
	taken := map[int]bool{l.port(): true}
	if l.Port != nil {
		taken[*l.Port] = true
	}
	for n := range MaxLink + 1 {
		if !slices.Contains(l.conf.Links(), n) && !taken[port(l.conf, n)] {
			return n
		}
	}
	return -1
}

// present are the addresses that the nodes have on the link, by node id.
func (l *linkPlan) present() map[ID]string {
	addrs := map[ID]string{}
	for _, n := range l.conf.Nodes {
		if a, ok := n.Addrs[l.Number]; ok {
			addrs[n.ID] = a
		}
	}
	return addrs
}

func (l *linkPlan) section() corosyncconf.Interface {
	for _, i := range l.conf.Interfaces {
		if i.Number == l.Number {
			return i
		}
	}
	return corosyncconf.Interface{Number: l.Number}
}

func (l *linkPlan) port() int { return port(l.conf, l.Number) }

func (l *linkPlan) priority() int { return max(1, l.section().Priority) }

// addresses picks each node's address, by node id.
func (l *linkPlan) addresses(ps *Problems, s LinkChange) map[ID]string {
	given := map[string]string{}
	for name, addr := range s.Addrs {
		i := l.v.find(name)
		if i < 0 {
			ps.add(CodeNoSuchNode, name, "the cluster has "+andList(l.v.names()), "no such node")
			continue
		}
		given[l.v.Nodes[i].Name] = addr
	}
	addrs := map[ID]string{}
	nodes := slices.Clone(l.conf.Nodes)
	for i, n := range nodes {
		v := l.v.Nodes[l.v.find(n.Label())]
		addr, ok := given[v.Name]
		switch {
		case v.Facts == nil && !ok && !s.Network.IsValid() && l.present()[n.ID] != "":
			addrs[n.ID] = l.present()[n.ID]
		case v.Facts == nil && !ok:
			p := NodeProblem(v.Name, v.Err)
			p.Message = "it cannot be asked for its address: " + p.Message
			*ps = append(*ps, p)
		case v.Facts == nil:
			addrs[n.ID] = addr
		default:
			spec := NodeSpec{Name: v.Name, Links: map[int]string{}}
			var networks []LinkSpec
			switch {
			case ok:
				spec.Links[s.Number] = addr
			case s.Network.IsValid():
				networks = []LinkSpec{{s.Number, s.Network}}
			case l.present()[n.ID] != "":
				addrs[n.ID] = l.present()[n.ID]
				continue
			default:
				ps.add(CodeUnevenLinks, v.Name, fmt.Sprintf("give --address %s=ADDR, or a network for all", v.Name), "it has no address for link %d", s.Number)
				continue
			}
			if a, found := spec.addresses(ps, networks, v.Facts, l.v.reached())[s.Number]; found {
				addrs[n.ID] = a
			}
		}
		nodes[i].Addrs = maps.Clone(n.Addrs)
		delete(nodes[i].Addrs, s.Number)
		if a := addrs[n.ID]; a != "" {
			nodes[i].Addrs[s.Number] = a
		}
	}
	if ps.err() == nil {
		evenLinks(ps, nodes)
	}
	return addrs
}

// put writes the link into f: an address for each node, the name of one that has
// none, which several links need, and what else was asked for.
func (l *linkPlan) put(f *corosyncconf.File, addrs map[ID]string) error {
	for _, n := range l.conf.Nodes {
		if n.Name == "" {
			node := l.v.Nodes[l.v.find(n.Label())]
			if node.Facts == nil {
				var ps Problems
				ps.add(CodeConfigInvalid, n.Label(), fmt.Sprintf("bring it back, or give it one: clusterctl conf set 'nodelist.node[%d].name' NAME", n.ID), "it has no name, which several links need, and cannot be asked for it")
				return ps
			}
			if err := set(f, node.Facts.Hostname, "nodelist.node[%d].name", n.ID); err != nil {
				return err
			}
		}
		if err := set(f, addrs[n.ID], "nodelist.node[%d].ring%d_addr", n.ID, l.Number); err != nil {
			return err
		}
	}
	if l.section().BindNetAddr != "" { // what the nodelist says comes before it
		if err := set(f, l.network(addrs), "totem.interface[%d].bindnetaddr", l.Number); err != nil {
			return err
		}
	}
	return l.settings(f)
}

// network is the network in which the addresses are.
func (l *linkPlan) network(addrs map[ID]string) string {
	first := ""
	for _, n := range l.v.Nodes {
		if n.Conf == nil || addrs[n.Conf.ID] == "" {
			continue
		}
		if first == "" {
			first = addrs[n.Conf.ID]
		}
		for _, p := range factsAddrs(n.Facts) {
			if p.Addr().String() == addrs[n.Conf.ID] {
				return p.Masked().Addr().String()
			}
		}
	}
	return first
}

func factsAddrs(f *Facts) []netip.Prefix {
	if f == nil {
		return nil
	}
	return f.Addrs
}

// drop takes the link out of f: the addresses of all nodes, and the interface
// section, since corosync counts a link that has one (seen on 3.1.7).
func (l *linkPlan) drop(f *corosyncconf.File) error { return dropLink(f, l.Number) }

func dropLink(f *corosyncconf.File, link int) error {
	for _, n := range f.Config().Nodes {
		if err := unset(f, "nodelist.node[%d].ring%d_addr", n.ID, link); err != nil {
			return err
		}
	}
	return unset(f, "totem.interface[%d]", link)
}

// add plans that f, which has the link more, takes effect.
func (l *linkPlan) add(what string, number int, f *corosyncconf.File) error {
	if r := l.r; len(r.members) > 1 {
		r.links = append(slices.Clone(r.links), number)
		slices.Sort(r.links)
	}
	return cmp.Or(l.even(f), l.r.replace(what, f))
}

// remove plans that f, which has the link less, takes effect.
func (l *linkPlan) remove(what string, number int, f *corosyncconf.File) error {
	l.r.links = slices.DeleteFunc(slices.Clone(l.r.links), func(n int) bool { return n == number })
	return cmp.Or(l.even(f), l.r.replace(what, f))
}

// even has f be what Proxmox VE's tools take, too.
func (l *linkPlan) even(f *corosyncconf.File) error {
	if !l.v.pve() {
		return nil
	}
	return f.EvenInterfaces()
}

// swap plans that another link, which is there only meanwhile, carries the
// cluster while this one becomes as in wanted. It has the new addresses, and a
// port of its own.
func (l *linkPlan) swap(number int, addrs map[ID]string, wanted *corosyncconf.File) error {
	other := *l
	other.LinkChange = LinkChange{Number: number}
	before, between, after := l.v.Conf.Clone(), l.v.Conf.Clone(), wanted.Clone()
	for _, f := range []*corosyncconf.File{before, between, after} {
		if err := other.put(f, addrs); err != nil {
			return err
		}
	}
	if err := l.drop(between); err != nil {
		return err
	}
	for _, step := range []struct {
		plan   func(what string, number int, f *corosyncconf.File) error
		what   string
		number int
		conf   *corosyncconf.File
	}{
		{l.add, fmt.Sprintf("add link %d for the time being", number), number, before},
		{l.remove, fmt.Sprintf("remove link %d", l.Number), l.Number, between},
		{l.add, fmt.Sprintf("add link %d", l.Number), l.Number, after},
		{l.remove, fmt.Sprintf("remove link %d again", number), number, wanted},
	} {
		if err := step.plan(step.what, step.number, step.conf); err != nil {
			return err
		}
	}
	return nil
}

// still plans that f takes effect by a stop and start of all. Addresses that are
// new are tried first.
func (l *linkPlan) still(what string, f *corosyncconf.File, addrs map[ID]string) error {
	var ps Problems
	l.v.noWorse(&ps, f)
	if err := ps.err(); err != nil {
		return err
	}
	l.r.plan.Notes = append(l.r.plan.Notes, ps...)
	if addrs != nil {
		l.r.reach(l.Number, f.Config())
	}
	return l.r.standstill(what, f)
}

// reach plans that every node finds out whether it reaches every other at the
// addresses that they have on a link of conf.
func (r *rollout) reach(link int, conf corosyncconf.Config) {
	var list []string
	for _, n := range conf.Nodes {
		if slices.ContainsFunc(r.view.Nodes, func(v ViewNode) bool { return v.Facts != nil && v.Conf != nil && v.Conf.ID == n.ID }) {
			list = append(list, n.Addrs[link])
		}
	}
	r.plan.Steps = append(r.plan.Steps, Step{
		ID: fmt.Sprintf("reach-%d", link), What: "see that each node reaches each at its address on " + named(release(r.view.reached()), link), Class: ClassPrepare,
		Do: Act{Nodes: r.nodes, Ops: []Op{{Kind: OpReach, Name: strings.Join(list, " ")}}},
	})
}

func (l *linkPlan) named() string { return named(l.release, l.Number) }

// named is what a link is called in a release.
func named(r corosyncconf.Release, link int) string {
	if r == corosyncconf.V24 {
		return fmt.Sprintf("ring %d", link)
	}
	return fmt.Sprintf("link %d", link)
}

// settings writes what was asked for besides addresses.
func (l *linkPlan) settings(f *corosyncconf.File) error {
	if l.Port != nil && *l.Port != l.port() {
		if l.release == corosyncconf.V24 && !slices.ContainsFunc(l.conf.Interfaces, func(i corosyncconf.Interface) bool { return i.Number == l.Number }) {
			if err := f.Root().Section("totem").AddSection("interface").Set("ringnumber", strconv.Itoa(l.Number)); err != nil {
				return err
			}
		}
		if err := set(f, strconv.Itoa(*l.Port), "totem.interface[%d].mcastport", l.Number); err != nil {
			return err
		}
	}
	if l.Priority != nil {
		return set(f, strconv.Itoa(*l.Priority), "totem.interface[%d].knet_link_priority", l.Number)
	}
	return nil
}

func set(f *corosyncconf.File, value, path string, args ...any) error {
	p, err := corosyncconf.ParsePath(fmt.Sprintf(path, args...))
	if err != nil {
		return err
	}
	return f.Set(p, value)
}

func unset(f *corosyncconf.File, path string, args ...any) error {
	p, err := corosyncconf.ParsePath(fmt.Sprintf(path, args...))
	if err != nil {
		return err
	}
	_, err = f.Unset(p)
	return err
}
