package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
)

func (a *app) confSyncCmd() *cobra.Command {
	s := cluster.SyncSpec{}
	c := &cobra.Command{
		Use:   "sync",
		Short: "Give every node the corosync.conf and the key of the cluster",
		Long: `Give every node that answers the corosync.conf that the quorate partition runs, and
the cluster's key: nodes that were down get what they missed, before corosync is
started on them, and a file that was edited on one node only is taken back (it
stays beside the new one as corosync.conf.bak).

--from NODE makes the file of that node the right one: every node gets it, under
a new config_version, and the members reload.`,
		Example: `  clusterctl conf sync && clusterctl start n3
  clusterctl conf sync --from n1`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return a.confSync(c.Context(), s) },
	}
	c.Flags().StringVar(&s.From, "from", "", "the node, by name or id, whose file is right")
	return c
}

func (a *app) confSync(ctx context.Context, s cluster.SyncSpec) error {
	c, err := a.changeOn(ctx, func(ctx context.Context, v *cluster.View, nodes map[string]cluster.Node) (*cluster.Plan, error) {
		key, err := cluster.SyncKey(ctx, s, v, nodes)
		if err != nil {
			return nil, err
		}
		return cluster.PlanSync(s, v, key)
	}, func(changed) string { return "" }, nil)
	if err != nil || a.dryRun {
		return err
	}
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "cluster": c.plan.Cluster, "changed": c.done})
	}
	text := "all nodes that answer have the same corosync.conf already"
	if c.done {
		text = "all nodes that answer have the same corosync.conf now"
	}
	_, err = fmt.Fprintln(a.env.Out, text)
	return err
}

func (a *app) confHistoryCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "history",
		Short: "List the versions of corosync.conf that the cluster had",
		Long: `List the versions of corosync.conf that the nodes keep: what each of the last 50
operations of clusterctl found when it began. A version without a command was
written by something else, or by an operation that is not kept any more.`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return a.confHistory(c.Context()) },
	}
}

func (a *app) confHistory(ctx context.Context) error {
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
	all, err := cluster.History(ctx, view, nodes)
	if err != nil && len(all) == 0 {
		t.Fail()
		return err
	}
	t.Clear()
	if err != nil {
		p.Warn("warning: " + err.Error())
	}
	p.Close()
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "versions": historyJSON(all)})
	}
	table := cli.NewTable("VERSION", "WRITTEN", "BY", "COMMAND")
	for _, c := range all {
		written, by := "", ""
		if !c.Written.IsZero() {
			written, by = c.Written.Local().Format("2006-01-02 15:04:05"), c.User+"@"+c.Host
		}
		label := c.Label(all)
		if c.Current {
			label += " (current)"
		}
		table.Row(cli.Text(label), cli.Text(written), cli.Text(by), cli.Text(strings.TrimPrefix(c.Command, "clusterctl ")))
	}
	return table.Render(a.streams)
}

type versionJSON struct {
	Version   uint64   `json:"version"`
	Label     string   `json:"label"`
	SHA256    string   `json:"sha256"`
	Current   bool     `json:"current"`
	Written   string   `json:"written"` // RFC 3339; empty when not known
	User      string   `json:"user"`
	Host      string   `json:"host"`
	Command   string   `json:"command"`
	Operation string   `json:"operation"`
	Nodes     []string `json:"nodes"`
}

func historyJSON(all []cluster.ConfVersion) []versionJSON {
	out := []versionJSON{}
	for _, c := range all {
		written := ""
		if !c.Written.IsZero() {
			written = c.Written.Format(time.RFC3339)
		}
		out = append(out, versionJSON{c.Version, c.Label(all), c.Hash, c.Current, written, c.User, c.Host, c.Command, c.Operation, c.Nodes})
	}
	return out
}

// confChange carries out a change of corosync.conf on the running cluster.
func (a *app) confChange(ctx context.Context, s cluster.ConfSpec) error {
	return a.confPlan(ctx, func(_ context.Context, v *cluster.View, _ map[string]cluster.Node) (*cluster.Plan, error) {
		return cluster.PlanConf(s, v)
	}, func(c changed) string {
		if c.plan.StopsAll() {
			return fmt.Sprintf("Stop corosync on every node of cluster %s, %s, and start it again?", c.plan.Cluster, s.What)
		}
		return ""
	})
}

// confPlan carries out a plan that changes corosync.conf.
func (a *app) confPlan(ctx context.Context, plan planner, question func(changed) string) error {
	c, err := a.changeOn(ctx, plan, question, func(_ *cluster.Connector, c changed) {
		if err := a.contacts().Rename(c.plan.Cluster, c.plan.NewName()); err != nil {
			a.printProblems(cluster.Problems{{Severity: cluster.Warning, Message: err.Error(), Remedy: "use -H in place of -c"}})
		}
	})
	if err != nil || a.dryRun {
		return err
	}
	version := c.view.Conf.ConfigVersion()
	if c.done {
		version = c.plan.Version()
	}
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "cluster": c.plan.Cluster, "changed": c.done, "config_version": version})
	}
	if !c.done {
		_, err = fmt.Fprintf(a.env.Out, "nothing to change: cluster %s is so already (config_version %d)\n", c.plan.Cluster, version)
	} else {
		_, err = fmt.Fprintf(a.env.Out, "cluster %s runs config_version %d\n", c.plan.Cluster, version)
	}
	return err
}

func (a *app) confRestoreCmd() *cobra.Command {
	restart := false
	c := &cobra.Command{
		Use:   "restore VERSION",
		Short: "Go back to a version of corosync.conf that the cluster had",
		Long: `Give the cluster a corosync.conf that it had, as clusterctl conf history lists them:
the same content under a new, higher config_version. What a reload cannot bring
into effect takes --restart. A version with other nodes is refused: these come
and go by add and delnode.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := a.canAsk("conf restore"); err != nil {
				return err
			}
			return a.confPlan(c.Context(), func(ctx context.Context, v *cluster.View, nodes map[string]cluster.Node) (*cluster.Plan, error) {
				all, err := cluster.History(ctx, v, nodes)
				if err != nil {
					return nil, err
				}
				was, err := cluster.FindVersion(all, args[0])
				if err != nil {
					return nil, err
				}
				return cluster.PlanRestore(was, restart, v)
			}, func(c changed) string {
				return fmt.Sprintf("Go back to version %s of the corosync.conf of cluster %s?", args[0], c.plan.Cluster)
			})
		},
	}
	c.Flags().BoolVar(&restart, "restart", false, "also what takes a restart, of one node after the other or of all at once")
	return c
}
