package sim

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
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
	Deaf     []string // those that no admin reaches until all is mended
	Apart    string   // one that is alone on its side of the network until then
	Ahead    string   // one with a file that nobody runs yet, and of a version of its own
	Down     string   // one where corosync does not run, and the file is of the version before
	PVE      bool     // the machines are of Proxmox VE
	HA       bool     // ... and HA has guests on each
	OneLink  bool     // its nodes have one link, not two
	Stops    bool     // the command stops all of it
	Refused  bool     // the command is, and nothing is changed
	Picky    string   // one whose corosync knows no other token than 1000, 7000 or 9000
	Balks    string   // one whose corosync does not start with what is planned, which corosync -t does not tell
	Plan     Command
	Rivals   []Command // what the first, the second ... rival does; without any what Plan does
}

// Command makes the plan of a command, as cmd/clusterctl does: it connects to
// the nodes, which the caller closes, also when it fails.
type Command func(ctx context.Context, c *cluster.Connector) (*cluster.Plan, map[string]cluster.Node, error)

// Scenarios lists what schedules are made of.
func Scenarios() []Scenario {
	all := []Scenario{
		{Name: "create", Machines: 3, Plan: Create("n1", "n2", "n3")},
		{Name: "add-1-2", Machines: 2, Members: 1, Plan: Add("n2")},
		{Name: "add-2-3", Machines: 3, Members: 2, Plan: Add("n3")},
		{Name: "add-3-5", Machines: 5, Members: 3, Plan: Add("n4", "n5")},
		{Name: "delnode-3-2", Machines: 3, Members: 3, Plan: Remove("n3")},
		{Name: "delnode-3-2-key", Machines: 3, Members: 3, Plan: RemoveAndRotate("n3")},
		{Name: "delnode-5-2", Machines: 5, Members: 5, Plan: Remove("n3", "n4", "n5")},
		{Name: "delnode-3-2-dead", Machines: 3, Members: 3, Dead: []string{"n3"}, Plan: RemoveDead("n3")},
		{Name: "delnode-5-4-dead", Machines: 5, Members: 5, Dead: []string{"n5"}, Plan: RemoveDead("n5")},
		{Name: "delnode-5-3-dead", Machines: 5, Members: 5, Dead: []string{"n4", "n5"}, Plan: RemoveDead("n4", "n5")},
		{Name: "delnode-5-4-away", Machines: 5, Members: 5, Dead: []string{"n3"}, Plan: Remove("n5")},
		{Name: "conf-set", Machines: 3, Members: 3, Plan: ConfSet("totem", "token", "5000")},
		{Name: "conf-set-dead", Machines: 3, Members: 3, Dead: []string{"n3"}, Plan: ConfSet("totem", "token", "5000")},
		{Name: "conf-set-rolling", Machines: 3, Members: 3, Plan: ConfSet("totem", "link_mode", "active")},
		{Name: "conf-set-stop-all", Machines: 3, Members: 3, Stops: true, Plan: ConfSet("totem", "netmtu", "1400")},
		{Name: "conf-set-picky", Machines: 3, Members: 3, Picky: "n2", Plan: ConfSet("totem", "token", "5000"), Refused: true},
		{Name: "conf-set-rolling-balks", Machines: 3, Members: 3, Balks: "n2", Plan: ConfSet("totem", "link_mode", "active"), Refused: true},
		{Name: "conf-set-stop-all-balks", Machines: 3, Members: 3, Stops: true, Balks: "n2", Plan: ConfSet("totem", "netmtu", "1400"), Refused: true},
		{Name: "conf-sync-down", Machines: 3, Members: 3, Down: "n3", Plan: Sync(""), Rivals: []Command{Sync(""), ConfSet("totem", "token", "9000")}},
		{Name: "conf-sync-ahead", Machines: 3, Members: 3, Ahead: "n3", Plan: Sync("")},
		{Name: "conf-sync-from", Machines: 3, Members: 3, Ahead: "n3", Plan: Sync("n3")},
		{Name: "key-rotate", Machines: 3, Members: 3, Plan: Rotate},
		{Name: "link-add", Machines: 3, Members: 3, Plan: LinkAdd},
		{Name: "link-remove", Machines: 3, Members: 3, Plan: LinkRemove},
		{Name: "link-set", Machines: 3, Members: 3, Plan: Change("clusterctl link set 1 --network 10.0.2.0/24", func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanLinkSet(cluster.LinkChange{Number: 1, Network: network}, v)
		})},
		{Name: "link-set-only", Machines: 3, Members: 3, OneLink: true, Plan: Change("clusterctl link set 0 --network 10.0.2.0/24", func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanLinkSet(cluster.LinkChange{Number: 0, Network: network}, v)
		})},
		{Name: "conf-moves-link", Machines: 3, Members: 3, Plan: Edit("edit", func(f *corosyncconf.File) error { return ring1(f, "10.0.2.") })},
		{Name: "conf-drops-link", Machines: 3, Members: 3, Plan: Edit("edit", func(f *corosyncconf.File) error { return ring1(f, "") })},
		{Name: "pve-create", Machines: 3, PVE: true, Plan: Create("n1", "n2", "n3")},
		{Name: "pve-add-1-2", Machines: 2, Members: 1, PVE: true, Plan: Add("n2")},
		{Name: "pve-add-2-3", Machines: 3, Members: 2, PVE: true, Plan: Add("n3")},
		{Name: "pve-delnode-3-2", Machines: 3, Members: 3, PVE: true, Plan: Remove("n3")},
		{Name: "pve-delnode-3-2-down", Machines: 3, Members: 3, PVE: true, Down: "n3", Plan: Remove("n3")},
		{Name: "pve-key-rotate", Machines: 3, Members: 3, PVE: true, Plan: Rotate},
		{Name: "pve-conf-set", Machines: 3, Members: 3, PVE: true, Plan: ConfSet("totem", "token", "5000")},
		{Name: "pve-conf-set-stop-all", Machines: 3, Members: 3, PVE: true, Stops: true, Plan: ConfSet("totem", "netmtu", "1400")},
		{Name: "pve-ha-conf-set-stop-all", Machines: 3, Members: 3, PVE: true, HA: true, Stops: true, Plan: ConfSet("totem", "netmtu", "1400")},
		{Name: "pve-ha-conf-set-rolling", Machines: 3, Members: 3, PVE: true, HA: true, Plan: ConfSet("totem", "link_mode", "active")},
		{Name: "pve-ha-delnode-3-2", Machines: 3, Members: 3, PVE: true, HA: true, Plan: Remove("n3")},
		{Name: "pve-ha-add-2-3", Machines: 3, Members: 2, PVE: true, HA: true, Plan: Add("n3")},
		{Name: "pve-conf-sync-down", Machines: 3, Members: 3, PVE: true, Down: "n3", Plan: Sync(""), Rivals: []Command{Sync(""), ConfSet("totem", "token", "9000")}},
		{Name: "pve-migration", Machines: 3, Members: 3, PVE: true, Plan: Migrate("10.0.2.0/24"), Rivals: []Command{Migrate("10.0.1.0/24")}},
		{Name: "restart", Machines: 3, Members: 3, Plan: Change("clusterctl restart --all", func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanRestart(cluster.ServiceSpec{All: true}, v)
		})},
		{Name: "stop-all", Machines: 3, Members: 3, Stops: true, Plan: Change("clusterctl stop --all", func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanStop(cluster.ServiceSpec{All: true}, v)
		})},
	}
	for _, s := range all {
		switch s.Name {
		case "add-2-3", "add-3-5", "delnode-3-2", "delnode-3-2-key", "delnode-5-2", "conf-set", "key-rotate", "link-set":
			name := s.Name
			s.Refused = true
			s.Name, s.Deaf = name+"-deaf", []string{"n2"}
			all = append(all, s)
			s.Name, s.Deaf, s.Apart = name+"-minority", names(s.Machines)[1:], "n1"
			all = append(all, s)
			s.Name, s.Deaf, s.Apart, s.Ahead = name+"-ahead", nil, "", "n2"
			all = append(all, s)
		}
	}
	return all
}

// network is one that no link is in.
var network = netip.MustParsePrefix("10.0.2.0/24")

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

// The key that clusters have, and the one they change to.
var (
	clusterKey = bytes.Repeat([]byte{7}, cluster.KeySize)
	newKey     = bytes.Repeat([]byte{8}, cluster.KeySize)
)

// founding is the request that makes a cluster of machines.
func founding(names ...string) cluster.CreateSpec {
	s := cluster.CreateSpec{Name: "prod", Transport: "knet", LinkMode: "passive", CryptoCipher: "aes256", CryptoHash: "sha256", TwoNode: "auto"}
	s.Nodes, _ = cluster.ParseNodes(names)
	s.Links, _ = cluster.ParseLinks([]string{"10.0.0.0/24", "10.0.1.0/24"})
	return s
}

// foundingConf is the corosync.conf of a cluster of machines.
func foundingConf(ms []*Machine, oneLink bool) (string, error) {
	var list []string
	var facts []*cluster.Facts
	for _, m := range ms {
		list, facts = append(list, m.name), append(facts, m.Facts())
	}
	spec := founding(list...)
	if oneLink {
		spec.Links = spec.Links[:1]
	}
	p, err := cluster.PlanCreate(spec, facts, clusterKey)
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
			if (op.Kind == cluster.OpSwap || op.Kind == cluster.OpPut) && op.Path == cluster.ConfPath {
				last = p.Blobs[op.Blob]
			}
		}
	}
	return last
}

// shared is the datacenter.cfg that a plan leads to, "" when it leaves it as it is.
func shared(p *cluster.Plan) string {
	for _, s := range p.Steps {
		for _, op := range s.Do.Ops {
			if op.Kind == cluster.OpShare {
				return string(p.Blobs[op.Blob])
			}
		}
	}
	return ""
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

// Remove takes machines out of the cluster of n1, which keeps its key.
func Remove(names ...string) Command { return remove(nil, names) }

// RemoveAndRotate takes machines out of the cluster of n1, which changes its key.
func RemoveAndRotate(names ...string) Command { return remove(newKey, names) }

func remove(key []byte, names []string) Command {
	return Change("clusterctl delnode "+strings.Join(names, " "), func(v *cluster.View) (*cluster.Plan, error) {
		return cluster.PlanDelete(cluster.DeleteSpec{Nodes: names, NewKey: key}, v)
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

// LinkAdd adds link 2 to the cluster of n1.
func LinkAdd(ctx context.Context, c *cluster.Connector) (*cluster.Plan, map[string]cluster.Node, error) {
	return Change("clusterctl link add 2 10.0.2.0/24", func(v *cluster.View) (*cluster.Plan, error) {
		return cluster.PlanLinkAdd(cluster.LinkChange{Number: 2, Network: network}, v)
	})(ctx, c)
}

// LinkRemove takes link 1 from the cluster of n1.
func LinkRemove(ctx context.Context, c *cluster.Connector) (*cluster.Plan, map[string]cluster.Node, error) {
	return Change("clusterctl link remove 1", func(v *cluster.View) (*cluster.Plan, error) {
		return cluster.PlanLinkRemove(cluster.LinkChange{Number: 1}, v)
	})(ctx, c)
}

// ring1 gives nodes other addresses on link 1, in the network that begins so, or none.
func ring1(f *corosyncconf.File, network string) error {
	for i, n := range f.Root().Section("nodelist").Sections("node") {
		if network == "" {
			n.Unset("ring1_addr")
		} else if err := n.Set("ring1_addr", fmt.Sprintf("%s%d", network, i+1)); err != nil {
			return err
		}
	}
	return nil
}

// ConfSet sets a key of corosync.conf, with restarts where these are needed.
func ConfSet(section, key, value string) Command {
	name := section + "." + key
	return Edit("set "+name+" "+value, func(f *corosyncconf.File) error { return f.Root().Section(section).Set(key, value) })
}

// Edit changes corosync.conf, with restarts where these are needed.
func Edit(command string, edit func(*corosyncconf.File) error) Command {
	return Change("clusterctl conf "+command, func(v *cluster.View) (*cluster.Plan, error) {
		return cluster.PlanConf(cluster.ConfSpec{What: command, Restart: true, Edit: edit}, v)
	})
}

// Rotate changes the key of the cluster of n1.
func Rotate(ctx context.Context, c *cluster.Connector) (*cluster.Plan, map[string]cluster.Node, error) {
	return Change("clusterctl key rotate", func(v *cluster.View) (*cluster.Plan, error) { return cluster.PlanRotate(newKey, v) })(ctx, c)
}

// Migrate has guests moved over a network.
func Migrate(network string) Command {
	return Change("clusterctl pve migration set --network "+network, func(v *cluster.View) (*cluster.Plan, error) {
		p, _, err := cluster.PlanMigration(cluster.MigrationSpec{Network: network}, v)
		return p, err
	})
}

// Sync has all machines of the cluster of n1 have one file.
func Sync(from string) Command {
	return func(ctx context.Context, c *cluster.Connector) (*cluster.Plan, map[string]cluster.Node, error) {
		view, nodes, err := c.Look(ctx, targets("n1"))
		if err != nil {
			return nil, nodes, err
		}
		spec := cluster.SyncSpec{From: from}
		key, err := cluster.SyncKey(ctx, spec, view, nodes)
		if err != nil {
			return nil, nodes, err
		}
		p, err := cluster.PlanSync(spec, view, key)
		if err == nil {
			p.Command = "clusterctl conf sync"
		}
		return p, nodes, err
	}
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
