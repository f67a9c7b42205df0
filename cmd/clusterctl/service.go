package main

import (
	"context"
	"fmt"
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

// service plans and carries out a start or a stop.
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
	for _, step := range c.plan.Steps {
		if c.done && (nodes == nil || step.ID == verb) {
			nodes = step.Do.Nodes
		}
	}
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "cluster": c.plan.Cluster, "nodes": append([]string{}, nodes...), "changed": c.done})
	}
	if !c.done {
		_, err = fmt.Fprintf(a.env.Out, "nothing to %s\n", verb)
	} else {
		past := map[string]string{"start": "started", "stop": "stopped"}[verb]
		_, err = fmt.Fprintf(a.env.Out, "%s: %s\n", past, strings.Join(nodes, ", "))
	}
	return err
}
