package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
)

func (a *app) delnodeCmd() *cobra.Command {
	s := cluster.DeleteSpec{}
	var keepKey bool
	c := &cobra.Command{
		Use:     "delnode NODE...",
		Aliases: []string{"remove", "rm"},
		Short:   "Take nodes out of the cluster",
		Long: `Take nodes, by name or node id, out of a running cluster. They lose their votes,
are stopped and locked out - configuration and key are set aside, nothing starts
at boot - and are taken off the list: quorum never depends on a node that is on
its way out. What would cost the rest its quorum is refused.

In the end the rest gets a new authkey, so that a copy of the old one is worth
nothing; see: clusterctl key rotate. Where that cannot be done now, a warning
says why, and the nodes are out all the same. --keep-key leaves the key.

A node that is dead is taken out with --offline. It must not come back with its
old files.

On Proxmox VE the command tells what /etc/pve still has of the nodes, and what
removes it. --purge removes it: /etc/pve/nodes/NODE, SSH keys, replication jobs to
it, and its name in lists of HA and of storages. A copy is kept. The configuration
of guests is never removed: a command that moves it is told for each. --purge is
also for nodes that have left already.`,
		Example: `  clusterctl delnode n4 n5
  clusterctl -H n1 delnode --offline n3
  clusterctl -H pve1 delnode --purge pve3`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			s.Nodes = args
			if s.Offline || s.Force {
				if err := a.canAsk("delnode with --offline or --force"); err != nil {
					return err
				}
			}
			if !keepKey {
				var err error
				if s.NewKey, err = cluster.NewKey(cluster.KeySize); err != nil {
					return err
				}
			}
			return a.delnode(c.Context(), s)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.BoolVar(&s.Offline, "offline", false, "the nodes are dead: do not try to stop them")
	f.BoolVar(&s.Force, "force", false, "also when the rest is, or will be, without quorum")
	f.BoolVar(&s.Purge, "purge", false, "on Proxmox VE: remove what /etc/pve has of them, but for guests")
	f.BoolVar(&keepKey, "keep-key", false, "do not give the rest a new authkey")
	return c
}

func (a *app) delnode(ctx context.Context, s cluster.DeleteSpec) error {
	c, err := a.change(ctx,
		func(v *cluster.View) (*cluster.Plan, error) { return cluster.PlanDelete(s, v) },
		func(c changed) string {
			var how string
			switch stopless := "without stopping " + themText(len(s.Nodes)); {
			case s.Force && s.Offline:
				how = stopless + ", even if the rest is left without quorum"
			case s.Force:
				how = "even if the rest is left without quorum"
			case s.Offline:
				how = stopless
			default:
				return ""
			}
			return fmt.Sprintf("Take %s out of %s %s?", strings.Join(c.view.Named(s.Nodes), ", "), theCluster(c.plan.Cluster), how)
		},
		func(conn *cluster.Connector, c changed) { a.rememberView(conn, c.view, nil, c.view.Named(s.Nodes)) })
	if err = a.keyStays(c, err); err != nil || a.dryRun || c.plan == nil {
		return err
	}
	names := c.view.Named(s.Nodes)
	if !c.done && !c.stood { // they left already
		if a.json() {
			return cli.JSON(a.env.Out, map[string]any{"schema": 1, "cluster": c.plan.Cluster, "nodes": names, "changed": false, "new_key": false})
		}
		return a.print("nothing to change: /etc/pve has nothing more of " + strings.Join(names, ", ") + " that --purge removes\n")
	}
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "cluster": c.plan.Cluster, "nodes": names, "changed": true, "new_key": c.done && c.plan.Rekeys()})
	}
	and := ""
	if c.done && c.plan.Rekeys() {
		and = ", and with a new key"
	}
	_, err = fmt.Fprintf(a.env.Out, "%s goes on without %s%s\n", theCluster(c.plan.Cluster), strings.Join(names, ", "), and)
	return err
}

func themText(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

func (a *app) expectedCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "expected VOTES",
		Short: "Tell corosync how many votes to expect",
		Long: `Tell the partition of HOST how many votes to expect, and so how many it needs for
quorum. With it a partition that has lost quorum for good regains it. It lasts
until the next reload or restart of corosync, which take the number from
corosync.conf again. With several partitions -H is required.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			votes, err := strconv.Atoi(args[0])
			if err != nil || votes < 1 {
				return usageText("expected votes %q: use a number from 1 up", args[0])
			}
			if err := a.canAsk("expected"); err != nil {
				return err
			}
			return a.expected(c.Context(), votes)
		},
	}
}

func (a *app) expected(ctx context.Context, votes int) error {
	c, err := a.change(ctx,
		func(v *cluster.View) (*cluster.Plan, error) { return cluster.PlanExpected(votes, v) },
		func(c changed) string {
			return fmt.Sprintf("Have %s expect %s?", theCluster(c.plan.Cluster), plural(votes, "vote"))
		}, nil)
	if err != nil || a.dryRun {
		return err
	}
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "cluster": c.plan.Cluster, "changed": c.done, "quorum": c.plan.Quorum.After})
	}
	q := c.plan.Quorum.After
	_, err = fmt.Fprintf(a.env.Out, "%s expected, %d present, %d needed for quorum\n", plural(q.Expected, "vote"), q.Votes, q.Quorum)
	return err
}
