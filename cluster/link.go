package cluster

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"clusterctl/corosyncconf"
)

// LinkChange is what link add and link set were asked for.
type LinkChange struct {
	Number   int
	Network  netip.Prefix      // in which each node's address is picked; invalid: none
	Addrs    map[string]string // addresses by node name or id
	Priority *int              // knet_link_priority; nil: as it is
	Port     *int              // mcastport; nil: as it is
}

// PlanLinkAdd plans that a running cluster gets one more knet link: every node
// its address in one write, and a name where it has none, activated by one
// reload, and seen connected between all members.
func PlanLinkAdd(s LinkChange, v *View) (*Plan, error) {
	return counted(func(rollouts int) (*rollout, error) {
		var ps Problems
		l := v.newLinkPlan(&ps, s, rollouts)
		if slices.Contains(l.conf.Links(), s.Number) {
			ps.add(CodeBadLink, "", fmt.Sprintf("clusterctl link set %d changes it; link list shows what there is", s.Number), "link %d exists already", s.Number)
			return nil, ps
		}
		addrs := l.addresses(&ps, s)
		if err := ps.err(); err != nil {
			return nil, err
		}
		l.r.plan.Notes = ps
		return l.r, l.add(addrs)
	})
}

// PlanLinkRemove plans that a running cluster loses a knet link, while another
// one connects all members.
func PlanLinkRemove(number int, v *View) (*Plan, error) {
	return counted(func(rollouts int) (*rollout, error) {
		var ps Problems
		l := v.newLinkPlan(&ps, LinkChange{Number: number}, rollouts)
		l.exists(&ps)
		l.dispensable(&ps)
		if err := ps.err(); err != nil {
			return nil, err
		}
		l.r.plan.Notes = ps
		return l.r, l.remove()
	})
}

// PlanLinkSet plans that a knet link of a running cluster gets other addresses,
// another port or another priority. corosync does not move a link: it is
// removed by one reload and added again by a second, while another link
// connects all members. A priority alone takes one reload.
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
			l.dispensable(&ps)
		}
		if err := ps.err(); err != nil {
			return nil, err
		}
		l.r.plan.Notes = ps
		switch {
		case replaced:
			if err := l.remove(); err != nil {
				return nil, err
			}
			return l.r, l.add(addrs)
		case s.Priority != nil && *s.Priority != l.priority():
			return l.r, l.r.next(fmt.Sprintf("give link %d the priority %d", s.Number, *s.Priority), l.settings)
		}
		return l.r, nil
	})
}

// linkPlan is a change of a link that is being planned.
type linkPlan struct {
	LinkChange
	r    *rollout
	v    *View
	conf corosyncconf.Config
}

// newLinkPlan begins a plan, and checks what every change of a link needs.
func (v *View) newLinkPlan(ps *Problems, s LinkChange, rollouts int) *linkPlan {
	l := &linkPlan{LinkChange: s, v: v, conf: v.config()}
	l.r = newRollout(v, v.plan(), rollouts)
	l.r.plan.Quorum.Lowest, _ = v.voting(l.conf)
	if err := checkLinkNumber(s.Number); err != nil {
		ps.add(CodeBadLink, "", "use a number from 0 to 7", "%s", err)
	}
	switch t := l.conf.Totem.Transport; {
	case release(v.reached()) == corosyncconf.V24:
		ps.add(CodeVersion, "", "clusterctl stop --all, the rings and rrp_mode into the file of every node, then clusterctl start --all", "corosync 2.4 takes other rings only when it starts")
	case t != "knet":
		ps.add(CodeBadLink, "", "change totem.transport to knet first", "transport %s has one link, and only knet has several that can be changed", t)
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

func (l *linkPlan) exists(ps *Problems) {
	if links := l.conf.Links(); !slices.Contains(links, l.Number) {
		ps.add(CodeBadLink, "", "clusterctl link list shows what there is", "there is no link %d", l.Number)
	}
}

// dispensable checks that another link connects all members now.
func (l *linkPlan) dispensable(ps *Problems) {
	if len(l.r.members) < 2 {
		return // nobody to be cut off from
	}
	if len(l.without(l.r.links)) == 0 && len(*ps) == 0 {
		ps.add(CodeLinkDown, "", "add another link first: clusterctl link add N CIDR",
			"no other link connects all members now, so link %d cannot be taken away", l.Number)
	}
}

func (l *linkPlan) without(links []int) []int {
	return slices.DeleteFunc(slices.Clone(links), func(n int) bool { return n == l.Number })
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

// port is the UDP port of the link: by default 5405, and with knet one more for
// each link (totemconfig.c).
func (l *linkPlan) port() int {
	switch p := l.section().Port; {
	case p != 0:
		return p
	case l.conf.Totem.Transport == "knet":
		return 5405 + l.Number
	}
	return 5405
}

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
	if len(*ps) == 0 {
		evenLinks(ps, nodes)
	}
	return addrs
}

// remove plans that the link goes: the addresses of all nodes, and the interface
// section, since corosync counts a link that has one (seen on 3.1.7).
func (l *linkPlan) remove() error {
	r := l.r
	r.links = l.without(r.links)
	return r.next(fmt.Sprintf("remove link %d", l.Number), func(f *corosyncconf.File) error {
		for _, n := range l.conf.Nodes {
			if err := unset(f, "nodelist.node[%d].ring%d_addr", n.ID, l.Number); err != nil {
				return err
			}
		}
		return unset(f, "totem.interface[%d]", l.Number)
	})
}

// add plans that the link comes, with these addresses. It edits the file from
// before the link went, if it did: what is said of it comes back as it was.
func (l *linkPlan) add(addrs map[ID]string) error {
	r, f := l.r, l.v.Conf.Clone()
	if len(r.members) > 1 {
		r.links = append(slices.Clone(r.links), l.Number)
		slices.Sort(r.links)
	}
	for _, n := range l.conf.Nodes {
		if n.Name == "" {
			node := l.v.Nodes[l.v.find(n.Label())]
			if node.Facts == nil {
				return fmt.Errorf("node %d has no name, which several links need, and cannot be asked for it", n.ID)
			}
			if err := set(f, node.Facts.Hostname, "nodelist.node[%d].name", n.ID); err != nil {
				return err
			}
		}
		if err := set(f, addrs[n.ID], "nodelist.node[%d].ring%d_addr", n.ID, l.Number); err != nil {
			return err
		}
	}
	if err := l.settings(f); err != nil {
		return err
	}
	return r.replace(fmt.Sprintf("add link %d", l.Number), f)
}

// settings writes what was asked for besides addresses.
func (l *linkPlan) settings(f *corosyncconf.File) error {
	if l.Port != nil {
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
