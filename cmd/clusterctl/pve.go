package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
)

func (a *app) pveCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "pve",
		Short: "What only clusters of Proxmox VE have",
		Args:  args(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	m := &cobra.Command{
		Use:   "migration",
		Short: "How guests are moved from node to node, and over which network",
		Args:  args(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	m.AddCommand(a.migrationShowCmd(), a.migrationSetCmd())
	c.AddCommand(m)
	return c
}

func (a *app) migrationShowCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Show how guests are moved, and each node's address for it",
		Args:  args(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return a.migrationShow(c.Context()) },
	}
}

func (a *app) migrationSetCmd() *cobra.Command {
	var s cluster.MigrationSpec
	c := &cobra.Command{
		Use:   "set",
		Short: "Set whether guests are moved encrypted, and over which network",
		Long: `Set migration in ` + cluster.PVEDatacenterPath + `, and nothing else there; what was there
before is kept as datacenter.cfg.bak. What is not given stays as it is.

Proxmox VE moves guests to the one address that a node has in the network: one with
none or several there is refused.`,
		Example: `  clusterctl pve migration set --type secure --network 10.1.2.0/24
  clusterctl -H n1 pve migration set --type insecure --dry-run`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.Check(); err != nil {
				return err
			}
			return a.migrationSet(c.Context(), s)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&s.Type, "type", "", "secure: through SSH; insecure: the memory of guests can be read on the way")
	f.StringVar(&s.Network, "network", "", "the network that guests are moved over (CIDR)")
	_ = c.RegisterFlagCompletionFunc("type", cobra.FixedCompletions([]string{"secure", "insecure"}, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return c
}

func (a *app) migrationShow(ctx context.Context) error {
	ctx, cancel := a.context(ctx)
	defer cancel()
	p := a.progress()
	defer p.Close()
	t := p.Start("ask the nodes")
	_, v, nodes, err := a.look(ctx)
	if err != nil {
		t.Fail()
		return err
	}
	t.Clear()
	cluster.CloseAll(nodes)
	p.Close()
	m, problems, err := v.Migration()
	if err != nil {
		return err
	}
	addrs, wrong := v.MigrationAddrs(m.Network)
	for i := range wrong { // guests of other nodes move all the same
		wrong[i].Severity = cluster.Warning
	}
	problems = append(problems, wrong...)
	type row struct {
		Name      string   `json:"name"`
		Addresses []string `json:"addresses"`
	}
	rows := []row{}
	for _, n := range v.Nodes {
		if found, known := addrs[n.Name]; known {
			r := row{n.Name, []string{}}
			for _, addr := range found {
				r.Addresses = append(r.Addresses, addr.String())
			}
			rows = append(rows, r)
		}
	}
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{
			"schema": 1, "cluster": v.Conf.Config().Totem.ClusterName, "type": m.Type, "network": m.Network, "migration": m.Text, "migration_unsecure": m.Legacy,
			"nodes": rows, "problems": append(cluster.Problems{}, a.remedied(problems)...),
		})
	}
	a.printProblems(problems)
	fmt.Fprintln(a.env.Out, "Guests are moved "+m.String())
	if len(rows) == 0 {
		return nil
	}
	table := cli.NewTable("NODE", "ADDRESS")
	for _, r := range rows {
		table.Row(cli.Text(r.Name), cli.Text(strings.Join(r.Addresses, " ")))
	}
	return table.Render(a.streams)
}

func (a *app) migrationSet(ctx context.Context, s cluster.MigrationSpec) error {
	var now cluster.Migration
	c, err := a.change(ctx, func(v *cluster.View) (p *cluster.Plan, err error) {
		p, now, err = cluster.PlanMigration(s, v)
		return p, err
	}, func(changed) string { return "" }, nil)
	if err != nil || a.dryRun {
		return err
	}
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "cluster": c.plan.Cluster, "type": now.Type, "network": now.Network, "changed": c.done})
	}
	text := "guests are moved " + now.String()
	if !c.done {
		text = "nothing to change: " + text + " already"
	}
	_, err = fmt.Fprintln(a.env.Out, text)
	return err
}
