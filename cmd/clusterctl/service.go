package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
)

func (a *app) startCmd() *cobra.Command {
	s := cluster.ServiceSpec{}
	c := &cobra.Command{
		Use:   "start [NODE...|--all]",
		Short: "Start corosync on nodes of the cluster",
		Long: `Start corosync, and pacemaker where it belongs to it, and wait until the nodes
are members. A node whose corosync.conf is not the cluster's is not started.

With --all, as after a power cut, a node that does not come up keeps no other
down: what starts goes on, and what is missing for quorum, or to be complete, is
named in the end.
Without NODE and --all: this machine, if it is a node.`,
		RunE: func(c *cobra.Command, args []string) error {
			s.Nodes = args
			return a.service(c.Context(), "start", s, cluster.PlanStart)
		},
	}
	c.Flags().BoolVar(&s.All, "all", false, "every node of the cluster")
	return c
}

func (a *app) stopCmd() *cobra.Command {
	s := cluster.ServiceSpec{}
	c := &cobra.Command{
		Use:   "stop [NODE...|--all]",
		Short: "Stop corosync on nodes of the cluster",
		Long: `Stop pacemaker and corosync. What would cost the rest its quorum is refused;
--all stops the whole cluster, after a question.
Without NODE and --all: this machine, if it is a node.`,
		RunE: func(c *cobra.Command, args []string) error {
			s.Nodes = args
			if s.All {
				if err := a.canAsk("stop --all"); err != nil {
					return err
				}
			}
			return a.service(c.Context(), "stop", s, cluster.PlanStop)
		},
	}
	c.Flags().BoolVar(&s.All, "all", false, "every node of the cluster")
	return c
}

func (a *app) restartCmd() *cobra.Command {
	s := cluster.ServiceSpec{}
	c := &cobra.Command{
		Use:   "restart [NODE...|--all]",
		Short: "Restart corosync, one node after the other",
		Long: `Stop and start corosync, with pacemaker where it runs, on one node after the
other: each is a member again, and the cluster quorate, before the next is
stopped. What would cost the cluster its quorum is refused.
Without NODE and --all: this machine, if it is a node.`,
		RunE: func(c *cobra.Command, args []string) error {
			s.Nodes = args
			return a.service(c.Context(), "restart", s, cluster.PlanRestart)
		},
	}
	c.Flags().BoolVar(&s.All, "all", false, "every node of the cluster that runs")
	return c
}

func (a *app) enableCmd(enable bool) *cobra.Command {
	s := cluster.ServiceSpec{}
	verb, short := "enable", "Have corosync started when nodes boot"
	if !enable {
		verb, short = "disable", "Have corosync not started when nodes boot"
	}
	c := &cobra.Command{
		Use:   verb + " [NODE...|--all]",
		Short: short,
		Long: short + `, and pacemaker where it is installed.
What runs now goes on, and what does not is not started.
Without NODE and --all: this machine, if it is a node.`,
		RunE: func(c *cobra.Command, args []string) error {
			s.Nodes = args
			return a.service(c.Context(), verb, s, func(s cluster.ServiceSpec, v *cluster.View) (*cluster.Plan, error) {
				return cluster.PlanEnable(s, v, enable)
			})
		},
	}
	c.Flags().BoolVar(&s.All, "all", false, "every node of the cluster")
	return c
}

// service plans and carries out what is done to the services of nodes.
func (a *app) service(ctx context.Context, verb string, s cluster.ServiceSpec, makePlan func(cluster.ServiceSpec, *cluster.View) (*cluster.Plan, error)) error {
	c, err := a.change(ctx,
		func(v *cluster.View) (*cluster.Plan, error) { return makePlan(s, v) },
		func(c changed) string {
			if verb == "stop" && s.All {
				return fmt.Sprintf("Stop corosync on every node of cluster %s?", c.plan.Cluster)
			}
			return ""
		}, nil)
	if err != nil || a.dryRun {
		return err
	}
	var nodes []string
	for _, n := range c.view.Nodes { // in their order
		touched := func(s cluster.Step) bool { return slices.Contains(s.Do.Nodes, n.Name) }
		if c.done && slices.ContainsFunc(c.plan.Steps, touched) {
			nodes = append(nodes, n.Name)
		}
	}
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "cluster": c.plan.Cluster, "nodes": append([]string{}, nodes...), "changed": c.done})
	}
	if !c.done {
		_, err = fmt.Fprintf(a.env.Out, "nothing to %s\n", verb)
	} else {
		past := map[string]string{"start": "started", "stop": "stopped", "restart": "restarted", "enable": "enabled", "disable": "disabled"}[verb]
		_, err = fmt.Fprintf(a.env.Out, "%s: %s\n", past, strings.Join(nodes, ", "))
	}
	return err
}
