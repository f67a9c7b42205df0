package sim

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
)

// Scenario is a cluster, and a command that changes it.
type Scenario struct {
	Name     string
	Machines int
	Members  int      // the first of the machines are a cluster; 0: there is none
	Dead     []string // of these, those that are down for good
	Plan     Command
}

// Command makes the plan of a command, as cmd/clusterctl does: it connects to
// the nodes, which the caller closes, also when it fails.
type Command func(ctx context.Context, c *cluster.Connector) (*cluster.Plan, map[string]cluster.Node, error)

// Scenarios lists what schedules are made of.
func Scenarios() []Scenario {
	return []Scenario{
		{Name: "create", Machines: 3, Plan: Create("n1", "n2", "n3")},
		{Name: "add-1-2", Machines: 2, Members: 1, Plan: Add("n2")},
		{Name: "add-2-3", Machines: 3, Members: 2, Plan: Add("n3")},
		{Name: "add-3-5", Machines: 5, Members: 3, Plan: Add("n4", "n5")},
		{Name: "delnode-3-2", Machines: 3, Members: 3, Plan: Remove("n3")},
		{Name: "delnode-5-2", Machines: 5, Members: 5, Plan: Remove("n3", "n4", "n5")},
		{Name: "delnode-3-2-dead", Machines: 3, Members: 3, Dead: []string{"n3"}, Plan: RemoveDead("n3")},
		{Name: "conf-set", Machines: 3, Members: 3, Plan: Change("clusterctl conf set totem.token 5000", func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanConf(cluster.ConfSpec{What: "set totem.token to 5000", Edit: func(f *corosyncconf.File) error {
				return f.Root().Section("totem").Set("token", "5000")
			}}, v)
		})},
		{Name: "delnode-5-4-dead", Machines: 5, Members: 5, Dead: []string{"n5"}, Plan: RemoveDead("n5")},
	}
}

func scenario(name string) (Scenario, bool) {
	all := Scenarios()
	i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name })
	if i < 0 {
		return Scenario{}, false
	}
	return all[i], true
}

func names(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("n%d", i+1)
	}
	return list
}

func targets(names ...string) []cluster.PlanNode {
	list := make([]cluster.PlanNode, len(names))
	for i, n := range names {
		list[i] = cluster.PlanNode{Name: n, Addresses: []string{n}}
	}
	return list
}

// The key that clusters have.
var clusterKey = bytes.Repeat([]byte{7}, cluster.KeySize)

// founding is the request that makes a cluster of machines.
func founding(names ...string) cluster.CreateSpec {
	s := cluster.CreateSpec{Name: "prod", Transport: "knet", LinkMode: "passive", CryptoCipher: "aes256", CryptoHash: "sha256", TwoNode: "auto"}
	s.Nodes, _ = cluster.ParseNodes(names)
	s.Links, _ = cluster.ParseLinks([]string{"10.0.0.0/24", "10.0.1.0/24"})
	return s
}

// foundingConf is the corosync.conf of a cluster of machines.
func foundingConf(ms []*Machine) (string, error) {
	var list []string
	var facts []*cluster.Facts
	for _, m := range ms {
		list, facts = append(list, m.name), append(facts, m.Facts())
	}
	p, err := cluster.PlanCreate(founding(list...), facts, clusterKey)
	if err != nil {
		return "", err
	}
	return string(final(p)), nil
}

// final is the corosync.conf that a plan leads to, nil when it leaves it as it is.
func final(p *cluster.Plan) []byte {
	var last []byte
	for _, s := range p.Steps {
		for _, op := range s.Do.Ops {
			if op.Kind == cluster.OpSwap && op.Path == cluster.ConfPath {
				last = p.Blobs[op.Blob]
			}
		}
	}
	return last
}

// Create makes a cluster of machines.
func Create(names ...string) Command {
	return func(ctx context.Context, c *cluster.Connector) (*cluster.Plan, map[string]cluster.Node, error) {
		spec := founding(names...)
		nodes, err := c.All(ctx, targets(names...))
		var facts []*cluster.Facts
		if err == nil {
			facts, err = cluster.AllFacts(ctx, nodes, names, spec.Names())
		}
		if err != nil {
			return nil, nodes, err
		}
		p, err := cluster.PlanCreate(spec, facts, clusterKey)
		if err == nil {
			p.Command, p.Nodes = "clusterctl create", targets(names...)
		}
		return p, nodes, err
	}
}

// Add has machines join the cluster of n1.
func Add(names ...string) Command {
	return func(ctx context.Context, c *cluster.Connector) (*cluster.Plan, map[string]cluster.Node, error) {
		view, nodes, err := c.Look(ctx, targets("n1"))
		if err != nil {
			return nil, nodes, err
		}
		spec := cluster.AddSpec{}
		spec.Nodes, _ = cluster.ParseNodes(names)
		spec.Links, _ = cluster.ParseLinks([]string{"10.0.0.0/24", "10.0.1.0/24"})
		fresh, err := c.All(ctx, targets(names...))
		for name, n := range fresh {
			if nodes[name] != nil {
				_ = n.Close()
				continue
			}
			nodes[name] = n
		}
		var facts []*cluster.Facts
		if err == nil {
			facts, err = cluster.AllFacts(ctx, nodes, names, spec.Names())
		}
		var key []byte
		if err == nil {
			key, err = cluster.SharedKey(ctx, view, nodes)
		}
		if err != nil {
			return nil, nodes, err
		}
		p, err := cluster.PlanAdd(spec, view, facts, key)
		if err == nil {
			p.Command = "clusterctl add " + strings.Join(names, " ")
		}
		return p, nodes, err
	}
}

// Remove takes machines out of the cluster of n1.
func Remove(names ...string) Command {
	return Change("clusterctl delnode "+strings.Join(names, " "), func(v *cluster.View) (*cluster.Plan, error) {
		return cluster.PlanDelete(cluster.DeleteSpec{Nodes: names}, v)
	})
}

// RemoveDead takes machines that do not answer out of the cluster of n1.
func RemoveDead(names ...string) Command {
	return Change("clusterctl delnode --offline "+strings.Join(names, " "), func(v *cluster.View) (*cluster.Plan, error) {
		return cluster.PlanDelete(cluster.DeleteSpec{Nodes: names, Offline: true}, v)
	})
}

// Start starts corosync on machines of the cluster of n1.
func Start(names ...string) Command {
	return Change("clusterctl start "+strings.Join(names, " "), func(v *cluster.View) (*cluster.Plan, error) {
		return cluster.PlanStart(cluster.ServiceSpec{Nodes: names}, v)
	})
}

// Change is a command that is planned from a View alone.
func Change(command string, plan func(*cluster.View) (*cluster.Plan, error)) Command {
	return func(ctx context.Context, c *cluster.Connector) (*cluster.Plan, map[string]cluster.Node, error) {
		view, nodes, err := c.Look(ctx, targets("n1"))
		if err != nil {
			return nil, nodes, err
		}
		p, err := plan(view)
		if err == nil {
			p.Command = command
		}
		return p, nodes, err
	}
}

// bare is a corosync.conf without its version, to compare what else is in it.
func bare(text string) string {
	f, err := corosyncconf.Parse("", []byte(text))
	if err != nil || text == "" {
		return text
	}
	if err := f.SetConfigVersion(1); err != nil {
		return text
	}
	return string(f.Bytes())
}
