package cluster

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"clusterctl/corosyncconf"
)

// FindOperations finds the open operations that the seeds know of: it asks the
// seeds, the clusters that they are in, and every node that one of the
// operations names. The nodes stay connected, by the names they have in the
// operations; the caller closes them. It fails only when no seed answers; nodes
// that did not answer are warned of, since they may know of more.
func (c *Connector) FindOperations(ctx context.Context, seeds []PlanNode) ([]*Operation, map[string]Node, Problems, error) {
	l := &looker{Connector: c, nodes: map[string]Node{}}
	l.ask(ctx, seeds)
	if len(l.facts()) == 0 {
		return nil, nil, nil, l.errors()
	}
	for range 3 { // the seeds, the nodes they name, and nodes that only those name
		var more []PlanNode
		for _, p := range l.named() {
			if !slices.ContainsFunc(l.found, func(v ViewNode) bool { return v.is(p.Name) }) {
				more = append(more, p)
			}
		}
		if len(more) == 0 {
			break
		}
		l.ask(ctx, more)
	}
	named := l.named()
	nodes := map[string]Node{}
	for _, v := range l.found {
		n := l.nodes[v.Name]
		if n == nil {
			continue
		}
		name := v.Name
		for _, p := range named {
			if v.is(p.Name) {
				name = p.Name
			}
		}
		if nodes[name] != nil {
			_ = n.Close()
			continue
		}
		v.Facts.Node = name
		nodes[name] = rename(n, name)
	}
	var warnings Problems
	for _, v := range l.found {
		if v.Err != nil {
			p := NodeProblem(v.Name, v.Err)
			p.Severity, p.Message = Warning, "not asked: "+p.Message
			warnings = append(warnings, p)
		}
	}
	return Operations(l.facts()), nodes, warnings, nil
}

// is tells whether v is the node with that name in a plan.
func (v ViewNode) is(name string) bool {
	if v.Facts != nil {
		return isHostname(v.Facts.Hostname, name)
	}
	return v.Name == name
}

// named lists the nodes that open operations, and the configuration, name.
func (l *looker) named() []PlanNode {
	var all []PlanNode
	add := func(p PlanNode) {
		if !slices.ContainsFunc(all, func(q PlanNode) bool { return q.Name == p.Name }) {
			all = append(all, p)
		}
	}
	for _, o := range Operations(l.facts()) {
		for _, p := range o.entry.Plan.Nodes {
			// The name may mean the node here, whatever it meant where the operation began.
			add(PlanNode{p.Name, append([]string{p.Name}, slices.DeleteFunc(slices.Clone(p.Addresses), func(a string) bool { return a == p.Name })...)})
		}
	}
	if conf := reference(l.facts()); conf != nil {
		for _, n := range conf.Config().Nodes {
			add(member(n))
		}
	}
	return all
}

// IsMember tells whether this machine is a cluster's node: it has a
// corosync.conf at path that is more than a distribution's default, or an
// operation of clusterctl is open on it.
func IsMember(path string) bool {
	if ops, err := filepath.Glob(filepath.Join(JournalDir, "op", "[0-9]*")); err == nil && len(ops) > 0 {
		return true
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	c := ConfFile{FileState: FileState{Exists: true}, Bytes: text}
	c.File, c.Err = corosyncconf.Parse(path, text)
	return !c.isDefault()
}
