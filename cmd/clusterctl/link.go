package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
)

// linkOptions are the flags of link add and link set.
type linkOptions struct {
	addresses []string
	network   string
	priority  int
	port      int
	restart   bool
}

func (a *app) linkCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "link",
		Short: "Show and change the links (rings) of the cluster",
		Args:  args(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.linkListCmd(), a.linkAddCmd(), a.linkRemoveCmd(), a.linkSetCmd())
	return c
}

func (o *linkOptions) flags(c *cobra.Command, network bool) {
	f := c.Flags()
	f.SortFlags = false
	if network {
		f.StringVar(&o.network, "network", "", "the network in which each node's address is picked (CIDR)")
	}
	f.StringArrayVar(&o.addresses, "address", nil, "NODE=ADDR: the address of one node (repeatable)")
	f.IntVar(&o.priority, "priority", 0, "0 to 255: in passive mode the link of the highest priority is used first")
	f.IntVar(&o.port, "port", 0, "UDP port of the link")
	o.restartFlag(c)
}

func (o *linkOptions) restartFlag(c *cobra.Command) {
	c.Flags().BoolVar(&o.restart, "restart", false, "also what takes a stop of all nodes: with corosync 2, udpu and udp")
}

// change reads what was asked for.
func (o *linkOptions) change(c *cobra.Command, number string) (cluster.LinkChange, error) {
	l := cluster.LinkChange{Addrs: map[string]string{}, Restart: o.restart}
	var err error
	if l.Number, err = linkNumber(number); err != nil {
		return l, err
	}
	if o.network != "" {
		if l.Network, err = netip.ParsePrefix(o.network); err != nil {
			return l, usageText("%q is no network: write it as 10.0.0.0/24", o.network)
		}
		l.Network = l.Network.Masked()
	}
	for _, text := range o.addresses {
		node, addr, ok := strings.Cut(text, "=")
		if !ok || node == "" || addr == "" {
			return l, usageText("--address %q: write it as NODE=ADDR, as in n1=10.0.1.1", text)
		}
		if _, twice := l.Addrs[node]; twice {
			return l, usageText("--address: node %s is named twice", node)
		}
		l.Addrs[node] = addr
	}
	if c.Flags().Changed("priority") {
		l.Priority = &o.priority
	}
	if c.Flags().Changed("port") {
		l.Port = &o.port
	}
	return l, nil
}

func linkNumber(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > cluster.MaxLink {
		return 0, usageText("link %q: use a number from 0 to %d", text, cluster.MaxLink)
	}
	return n, nil
}

func (a *app) linkAddCmd() *cobra.Command {
	o := &linkOptions{}
	c := &cobra.Command{
		Use:   "add N [CIDR]",
		Short: "Add a link to the running cluster",
		Long: `Add link N to the running cluster: every node gets an address on it in one change,
activated by one reload, and the link is there when all members are connected on
it; else all is taken back. Nodes without a name get one, which several links
need.

With corosync 2 there can be a second link, its ring 1. It takes --restart: each
node first sees that it reaches all others there, then corosync is stopped on all
nodes before it is started on any. That is asked about. rrp_mode becomes passive.

With CIDR each node's own address in that network is taken; exactly one must be
there on each node. --address names one by hand.`,
		Example: `  clusterctl link add 1 10.0.1.0/24
  clusterctl link add 1 --address n1=10.0.1.1 --address n2=10.0.1.2 --priority 10`,
		Args: args(cobra.RangeArgs(1, 2)),
		RunE: func(c *cobra.Command, list []string) error {
			if len(list) == 2 {
				o.network = list[1]
			}
			l, err := o.change(c, list[0])
			if err != nil {
				return err
			}
			if !l.Network.IsValid() && len(l.Addrs) == 0 {
				return usageText("link add %s: name a network, as in 10.0.1.0/24, or each node's address with --address NODE=ADDR", list[0])
			}
			return a.linkChange(c.Context(), cluster.PlanLinkAdd, l)
		},
	}
	o.flags(c, false)
	return c
}

func (a *app) linkRemoveCmd() *cobra.Command {
	o := &linkOptions{}
	c := &cobra.Command{
		Use:     "remove N",
		Aliases: []string{"rm"},
		Short:   "Remove a link from the running cluster",
		Long: `Remove link N from the running cluster. It is refused unless another link connects
all members now. With corosync 2 it takes --restart, which see at link add.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, list []string) error {
			l, err := o.change(c, list[0])
			if err != nil {
				return err
			}
			return a.linkChange(c.Context(), cluster.PlanLinkRemove, l)
		},
	}
	o.restartFlag(c)
	return c
}

func (a *app) linkSetCmd() *cobra.Command {
	o := &linkOptions{}
	c := &cobra.Command{
		Use:   "set N",
		Short: "Change addresses, port or priority of a link",
		Long: `Change link N of the running cluster, and so move it to another network. corosync
does not move a link: for other addresses, or another port, it is removed by one
reload and added again by a second, while another link connects all members.
Where none does, there is a link more for as long as it takes, which has the new
addresses and a port of its own: the old ones go only when all members are
connected on the new ones. A priority takes one reload.

With corosync 2, and with udpu and udp, it takes --restart, which see at link add.`,
		Example: `  clusterctl link set 0 --network 10.0.7.0/24
  clusterctl link set 1 --address n2=10.0.1.22
  clusterctl link set 1 --priority 10`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, list []string) error {
			l, err := o.change(c, list[0])
			if err != nil {
				return err
			}
			if !l.Network.IsValid() && len(l.Addrs) == 0 && l.Priority == nil && l.Port == nil {
				return usageText("link set %s: say what to change: --network, --address, --priority or --port", list[0])
			}
			return a.linkChange(c.Context(), cluster.PlanLinkSet, l)
		},
	}
	o.flags(c, true)
	return c
}

func (a *app) linkChange(ctx context.Context, plan func(cluster.LinkChange, *cluster.View) (*cluster.Plan, error), l cluster.LinkChange) error {
	return a.confPlan(ctx, func(_ context.Context, v *cluster.View, _ map[string]cluster.Node) (*cluster.Plan, error) {
		return plan(l, v)
	}, func(c changed) string {
		if c.plan.StopsAll() {
			return fmt.Sprintf("Stop corosync on every node of %s, change link %d, and start it again?", theCluster(c.plan.Cluster), l.Number)
		}
		return ""
	})
}

func (a *app) linkListCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the links: addresses, who is connected to whom, latency",
		Args:  args(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return a.linkList(c.Context()) },
	}
}

func (a *app) linkList(ctx context.Context) error {
	ctx, cancel := a.context(ctx)
	defer cancel()
	p := a.progress()
	defer p.Close()
	t := p.Start("ask the nodes")
	_, view, nodes, err := a.look(ctx)
	if err != nil {
		t.Fail()
		return err
	}
	defer cluster.CloseAll(nodes)
	links, err := cluster.Links(ctx, view, nodes)
	t.Clear()
	p.Close()
	if err != nil {
		a.printProblems(cluster.Problems{{Severity: cluster.Warning, Message: "latency and MTU are not known: " + err.Error()}})
	}
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "links": links})
	}
	return printLinks(a.streams, links)
}

// printLinks is a table for each link and, where these do not show at a glance
// who reaches whom, one of node by node.
func printLinks(s *cli.Streams, links []cluster.LinkInfo) error {
	down := false
	for i, l := range links {
		if i > 0 {
			fmt.Fprintln(s.Out)
		}
		what := fmt.Sprintf("Link %d: port %d", l.Number, l.Port)
		if l.Priority > 0 {
			what += fmt.Sprintf(", priority %d", l.Priority)
		}
		if l.Mode != "" {
			what += ", " + l.Mode
		}
		heading(s.Out, what)
		table := cli.NewTable("NODE", "ADDRESS", "REACHES", "DOES NOT REACH", "LATENCY", "MTU")
		for _, n := range l.Nodes {
			states := map[string]string{}
			for name, p := range n.Peers {
				states[name] = p.State
				down = down || p.State == "disconnected"
			}
			reached, not := peers(cluster.StatusLink{Peers: cluster.PeersOf(states)})
			latency, mtu := measured(n)
			table.Row(cli.Text(n.Name), cli.Text(n.Address), reached, not, cli.Text(latency), cli.Text(mtu))
		}
		if err := table.Render(s); err != nil {
			return err
		}
	}
	if len(links) <= 2 && !down {
		return nil
	}
	fmt.Fprintln(s.Out)
	heading(s.Out, "Links by which a node reaches another")
	return linkMatrix(s, links)
}

// measured is the longest latency and the smallest MTU towards the others.
func measured(n cluster.LinkNode) (latency, mtu string) {
	longest, smallest := 0.0, 0
	for _, p := range n.Peers {
		longest = max(longest, p.Latency)
		if p.MTU > 0 && (smallest == 0 || p.MTU < smallest) {
			smallest = p.MTU
		}
	}
	latency, mtu = "-", "-"
	if longest > 0 {
		latency = fmt.Sprintf("%.2f ms", longest)
	}
	if smallest > 0 {
		mtu = strconv.Itoa(smallest)
	}
	return latency, mtu
}

// linkMatrix has a row and a column for each node or, when that is too wide, a
// row for each pair of nodes between which a link is down.
func linkMatrix(s *cli.Streams, links []cluster.LinkInfo) error {
	reach := map[[2]string][]string{} // from, to: the links that are connected, "-" for one that is not
	var names, numbers []string
	for _, l := range links {
		numbers = append(numbers, strconv.Itoa(l.Number))
		for _, n := range l.Nodes {
			if !slices.Contains(names, n.Name) {
				names = append(names, n.Name)
			}
			for to, p := range n.Peers {
				text := "-"
				if p.State == "connected" {
					text = strconv.Itoa(l.Number)
				}
				reach[[2]string{n.Name, to}] = append(reach[[2]string{n.Name, to}], text)
			}
		}
	}
	cell := func(from, to string) cli.Cell {
		switch text := strings.Join(reach[[2]string{from, to}], " "); {
		case from == to:
			return cli.Text("")
		case text == "":
			return cli.Styled(cli.Dim, "?")
		case strings.Contains(text, "-"):
			return cli.Styled(cli.Bad, text)
		default:
			return cli.Styled(cli.OK, text)
		}
	}
	all := strings.Join(numbers, " ")
	width := 0
	for _, n := range append([]string{"FROM"}, names...) {
		width = max(width, len(n))
	}
	for _, n := range names {
		width += 2 + max(len(n), len(all))
	}
	table := cli.NewTable(append([]string{"FROM"}, names...)...)
	wide := width > 80
	if wide {
		table = cli.NewTable("FROM", "TO", "LINKS")
	}
	whole := true
	for _, from := range names {
		row := []cli.Cell{cli.Text(from)}
		for _, to := range names {
			c := cell(from, to)
			if row = append(row, c); wide && from != to && c.Text != all {
				table.Row(cli.Text(from), cli.Text(to), c)
				whole = false
			}
		}
		if !wide {
			table.Row(row...)
		}
	}
	if wide && whole {
		_, err := fmt.Fprintf(s.Out, "each reaches each by %s\n", all)
		return err
	}
	return table.Render(s)
}
