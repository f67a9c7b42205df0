package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
)

// addOptions are the flags of add and join.
type addOptions struct {
	spec      cluster.AddSpec
	links     []string
	ifMissing bool
	skipCheck bool
	// of join alone
	link          [cluster.MaxLink + 1]string
	nodeid, votes string
}

func (a *app) addCmd() *cobra.Command {
	o := &addOptions{}
	c := &cobra.Command{
		Use:   "add NODE...",
		Short: "Add nodes to a running cluster, several in one operation",
		Long: `Add nodes to a running cluster. They get the cluster's files, are started and
seen as members, and only then given their votes: quorum never depends on a
node that is not there yet. When one fails, the cluster and all of them are as
they were, only config_version is higher.

A NODE is NAME[,key=value]..., NAME being what uname -n prints there. The keys are
ssh=[user@]host[:port], linkN=ADDR (N 0 to 7; ringN_addr is the same), id=N, votes=N.
--link CIDR picks each node's own address in that network. With neither, link 0
is the address that NAME resolves to, and the other links are taken from the
networks that the members use.`,
		Example: `  clusterctl add n4 n5
  clusterctl -H n1 add n4,ssh=admin@10.0.0.4 --sudo --link 10.0.0.0/24 --link 10.0.1.0/24
  clusterctl -H n1 add n4 --if-missing`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			var ps cluster.Problems
			o.spec.Nodes, ps = cluster.ParseNodes(args)
			if err := o.read(ps); err != nil {
				return err
			}
			conn, seeds, err := a.seeds(c.Context())
			if err != nil {
				return err
			}
			return a.add(c.Context(), conn, seeds, o)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringArrayVar(&o.links, "link", nil, "network of a link, `[N=]CIDR`; repeat it for more links")
	f.BoolVar(&o.spec.Force, "force", false, "set the files of another cluster aside, and its /etc/pve on Proxmox VE")
	f.BoolVar(&o.ifMissing, "if-missing", false, "exit 0 when the nodes are in the cluster already and as asked")
	f.BoolVar(&o.skipCheck, "skip-check", false, "do not see first whether the nodes reach each other on each link")
	return c
}

func (a *app) joinCmd() *cobra.Command {
	o := &addOptions{}
	c := &cobra.Command{
		Use:   "join HOST",
		Short: "Join this machine to the cluster of HOST",
		Long: `Join this machine to the cluster that HOST is a member of: what add does, started
on the new machine. HOST is logged in to; the other members are reached through it.`,
		Example: `  clusterctl join n1
  clusterctl join root@10.0.0.1 --link0 10.0.0.4 --link1 10.0.1.4 --if-missing`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return a.join(c.Context(), args[0], o)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringArrayVar(&o.links, "link", nil, "network of a link, `[N=]CIDR`; repeat it for more links")
	for n := range o.link {
		name := "link" + strconv.Itoa(n)
		f.StringVar(&o.link[n], name, "", "`address` of this machine on link "+strconv.Itoa(n))
		if n > 1 {
			_ = f.MarkHidden(name) // one sees the pattern
		}
	}
	f.StringVar(&o.nodeid, "nodeid", "", "node id of this machine")
	f.StringVar(&o.votes, "votes", "", "votes of this machine")
	f.BoolVar(&o.spec.Force, "force", false, "set the files of another cluster aside, and its /etc/pve on Proxmox VE")
	f.BoolVar(&o.ifMissing, "if-missing", false, "exit 0 when this machine is in the cluster already and as asked")
	f.BoolVar(&o.skipCheck, "skip-check", false, "do not see first whether the nodes reach each other on each link")
	return c
}

// read finishes the request with the flags; ps is what was wrong so far.
func (o *addOptions) read(ps cluster.Problems) error {
	links, lps := cluster.ParseLinks(o.links)
	o.spec.Links = links
	if ps = append(ps, lps...); len(ps) > 0 {
		return ps
	}
	return nil
}

// join adds this machine to the cluster of host.
func (a *app) join(ctx context.Context, host string, o *addOptions) error {
	if a.host != "" || a.cluster != "" {
		return usageText("join names the cluster by HOST: leave out --host and --cluster")
	}
	if a.ssh.Login != "" && !strings.Contains(host, "@") {
		host = a.ssh.Login + "@" + host // -l does not count for a jump host, which HOST is as well
	}
	name, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("find this machine's name: %w", err)
	}
	arg := name
	for n, addr := range o.link {
		if addr != "" {
			arg += fmt.Sprintf(",link%d=%s", n, addr)
		}
	}
	if o.nodeid != "" {
		arg += ",id=" + o.nodeid
	}
	if o.votes != "" {
		arg += ",votes=" + o.votes
	}
	var ps cluster.Problems
	o.spec.Nodes, ps = cluster.ParseNodes([]string{arg})
	if err := o.read(ps); err != nil {
		return err
	}
	conn, err := a.connectorThrough(ctx, host)
	if err != nil {
		return err
	}
	return a.add(ctx, conn, []cluster.PlanNode{{Name: host, Addresses: []string{host}}}, o)
}

// add adds nodes to the cluster of the seeds.
func (a *app) add(ctx context.Context, conn *cluster.Connector, seeds []cluster.PlanNode, o *addOptions) error {
	ctx, cancel := a.context(ctx)
	defer cancel()
	p := a.progress()
	defer p.Close()
	t := p.Start("look at the cluster")
	var come func() (newcomers, error)
	if !o.ifMissing { // else the view tells whom there is to look at
		come = lookAt(ctx, conn, o.spec)
	}
	view, nodes, err := conn.Look(ctx, seeds)
	if err != nil {
		t.Fail()
		if come != nil {
			cancel()
			came, _ := come()
			cluster.CloseAll(came.nodes)
		}
		return err
	}
	defer func() { cluster.CloseAll(nodes) }()
	t.Done()
	name, asked := view.Conf.Config().Totem.ClusterName, o.spec.Nodes
	if o.ifMissing {
		missing, ps := o.spec.Present(view)
		if len(ps) > 0 {
			return ps
		}
		if len(missing) == 0 {
			p.Close()
			return a.added(name, asked, false)
		}
		o.spec.Nodes = missing
	}

	t = p.Start("look at " + strings.Join(specNames(o.spec.Nodes), ", "))
	if come == nil {
		come = lookAt(ctx, conn, o.spec)
	}
	key, keyErr := cluster.SharedKey(ctx, view, nodes)
	came, err := come()
	if err = cmp.Or(err, keyErr); err != nil {
		t.Fail()
		cluster.CloseAll(came.nodes)
		return err
	}
	t.Done()
	plan, err := cluster.PlanAdd(o.spec, view, came.facts, key)
	if err != nil {
		cluster.CloseAll(came.nodes)
		return err
	}
	for i, n := range plan.Nodes {
		if f, isNew := came.nodes[n.Name]; isNew {
			plan.Nodes[i] = reach(f, n)
		}
	}
	maps.Copy(nodes, came.nodes)
	if !o.skipCheck {
		if err := a.knock(ctx, p, plan, view, came.facts, nodes); err != nil {
			return err
		}
	}
	view.Planned()
	done, err := a.carryOut(ctx, conn, p, plan, nodes)
	if err != nil || !done {
		return err
	}
	a.rememberView(conn, view, plan.Nodes, nil)
	return a.added(name, asked, true)
}

// newcomers are nodes that are to be added.
type newcomers struct {
	nodes map[string]cluster.Node
	facts []*cluster.Facts
}

// lookAt begins to connect to the nodes that are to be added and to read what they
// are; the result waits for that. What is connected is returned also with an error.
func lookAt(ctx context.Context, conn *cluster.Connector, s cluster.AddSpec) func() (newcomers, error) {
	var n newcomers
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		if n.nodes, err = conn.All(ctx, cluster.Targets(s.Nodes)); err == nil {
			n.facts, err = cluster.AllFacts(ctx, n.nodes, specNames(s.Nodes), s.Names())
		}
	}()
	return func() (newcomers, error) {
		<-done
		return n, err
	}
}

func (a *app) added(name string, nodes []cluster.NodeSpec, changed bool) error {
	names := specNames(nodes)
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "cluster": name, "nodes": names, "changed": changed})
	}
	text := "%s has grown by %s\n"
	if !changed {
		text = "%s has %s already, as asked\n"
	}
	_, err := fmt.Fprintf(a.env.Out, text, theCluster(name), strings.Join(names, ", "))
	return err
}

func specNames(nodes []cluster.NodeSpec) []string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Name
	}
	return names
}

// rememberView notes how the nodes of a cluster are reached after a change:
// those of the view but for the ones that left, and those that came.
func (a *app) rememberView(conn *cluster.Connector, v *cluster.View, came []cluster.PlanNode, left []string) {
	var nodes []cluster.PlanNode
	add := func(n cluster.PlanNode) {
		known := slices.ContainsFunc(nodes, func(k cluster.PlanNode) bool { return k.Name == n.Name })
		if !known && !slices.Contains(left, n.Name) && len(n.Addresses) > 0 {
			nodes = append(nodes, n)
		}
	}
	for _, n := range v.Nodes {
		if n.Conf != nil {
			add(n.Reach)
		}
	}
	for _, n := range came {
		add(n)
	}
	if err := a.remember(conn, v.Conf.Config().Totem.ClusterName, nodes); err != nil {
		a.printProblems(cluster.Problems{{Severity: cluster.Warning, Message: err.Error(), Remedy: "use -H in place of -c"}})
	}
}
