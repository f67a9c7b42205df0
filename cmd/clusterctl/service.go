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
	ctx, cancel := a.context(ctx)
	defer cancel()
	p := a.progress()
	defer p.Close()
	t := p.Start("look at the cluster")
	conn, view, nodes, err := a.look(ctx)
	if err != nil {
		t.Fail()
		return err
	}
	defer cluster.CloseAll(nodes)
	t.Done()
	plan, err := makePlan(s, view)
	if err != nil {
		return err
	}
	if verb == "stop" && s.All && len(plan.Steps) > 0 {
		p.Close()
		if err := a.ask(ctx, fmt.Sprintf("Stop corosync on every node of cluster %s?", plan.Cluster)); err != nil {
			return err
		}
		p = a.progress()
		defer p.Close()
	}
	ran, err := a.carryOut(ctx, conn, p, plan, nodes)
	if err != nil || a.dryRun {
		return err
	}
	var done []string
	for _, step := range plan.Steps {
		if ran && (done == nil || step.ID == verb) {
			done = step.Do.Nodes
		}
	}
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "cluster": plan.Cluster, "nodes": append([]string{}, done...), "changed": len(done) > 0})
	}
	if len(done) == 0 {
		_, err = fmt.Fprintf(a.env.Out, "nothing to %s\n", verb)
	} else {
		past := map[string]string{"start": "started", "stop": "stopped"}[verb]
		_, err = fmt.Fprintf(a.env.Out, "%s: %s\n", past, strings.Join(done, ", "))
	}
	return err
}
