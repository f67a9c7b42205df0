package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
)

func (a *app) separateCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "separate NODE",
		Short: "Take a node out and leave it usable by itself",
		Long: `Take a node, by name or node id, out of a running cluster and leave it usable by
itself, without reinstalling it. It goes as with delnode - votes, stop, off the
list, a new key for the rest - and what corosync and pacemaker remember of the
cluster is set aside too: the node is as one that was never in any.

What remains to be done by hand is listed at the end: above all, storage that
the node and the cluster share must not be used by both.`,
		Example: `  clusterctl separate n3`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := a.canAsk("separate"); err != nil {
				return err
			}
			return a.separate(c.Context(), args[0])
		},
	}
}

func (a *app) separate(ctx context.Context, node string) error {
	key, err := cluster.NewKey(cluster.KeySize)
	if err != nil {
		return err
	}
	named := func(c changed) []string { return c.view.Named([]string{node}) }
	c, err := a.change(ctx,
		func(v *cluster.View) (*cluster.Plan, error) { return cluster.PlanSeparate(node, key, v) },
		func(c changed) string {
			return fmt.Sprintf("Stop corosync on %s, take it out of %s and set aside what it has of it?", named(c)[0], theCluster(c.plan.Cluster))
		},
		func(conn *cluster.Connector, c changed) { a.rememberView(conn, c.view, nil, named(c)) })
	if err = a.keyStays(c, err); err != nil || !c.done && !c.stood {
		return err
	}
	name, left := named(c)[0], cluster.LeftToDo(named(c)[0], c.view)
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "cluster": c.plan.Cluster, "node": name, "changed": true, "new_key": c.done && c.plan.Rekeys(), "left": left})
	}
	fmt.Fprintf(a.env.Out, "%s goes on without %s, which is by itself now\nLeft to do by hand:\n", theCluster(c.plan.Cluster), name)
	for _, l := range left {
		fmt.Fprint(a.env.Out, a.streams.Paragraph("  - ", l))
	}
	return nil
}

// keyStays makes warnings of why the change of the key failed after nodes had
// left, which stands.
func (a *app) keyStays(c changed, err error) error {
	u, ok := errors.AsType[*cluster.UndoneError](err)
	if !ok || !c.stood || errors.Is(err, errInterrupted) {
		return err
	}
	for _, p := range cluster.ProblemsOf(u.Cause) {
		p.Severity = cluster.Warning
		a.printProblems(cluster.Problems{p})
	}
	a.printProblems(cluster.Problems{{Severity: cluster.Warning, Code: cluster.CodeKeyOwed,
		Message: u.Stood + ", but the key is still the old one: changing it failed and was taken back", Remedy: "when that is mended: clusterctl key rotate"}})
	return nil
}
