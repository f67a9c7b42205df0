package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
)

func (a *app) keyCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "key",
		Short: "Make or change the authkey",
		Long: `The authkey is the secret with which the nodes of a cluster encrypt what they send
each other: whoever has it can take part.`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.keyGenerateCmd(), a.keyRotateCmd())
	return c
}

func (a *app) keyGenerateCmd() *cobra.Command {
	var file string
	var size int
	var force bool
	c := &cobra.Command{
		Use:   "generate",
		Short: "Write a new authkey to a file of this machine",
		Long: `Write a new random authkey to a file of this machine, mode 0400, as
corosync-keygen does. No cluster is asked or changed; a file that is there is
not replaced without --force, which keeps it as FILE.bak.`,
		Example: `  clusterctl key generate
  clusterctl key generate --file ./authkey --size 1024`,
		Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return a.keyGenerate(file, size, force) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVarP(&file, "file", "k", cluster.KeyPath, "where to")
	f.IntVarP(&size, "size", "s", cluster.KeySize, fmt.Sprintf("in bytes, %d to %d", cluster.MinKeySize, cluster.MaxKeySize))
	f.BoolVar(&force, "force", false, "also when the file is there: it becomes FILE.bak")
	return c
}

func (a *app) keyGenerate(file string, size int, force bool) error {
	key, err := cluster.NewKey(size)
	if err != nil {
		return err
	}
	if err := cluster.CheckKeyFile(file, force); err != nil {
		return err
	}
	if a.dryRun {
		here, _ := os.Hostname() // without one it is still this machine
		return a.printPlan(&cluster.Plan{Steps: []cluster.Step{{
			ID: "write", What: fmt.Sprintf("write a key of %d bytes to %s", size, file), Class: cluster.ClassPrepare, Do: cluster.Act{Nodes: []string{here}},
		}}})
	}
	if err := cluster.WriteKey(file, key); err != nil {
		return err
	}
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "file": file, "size": size, "changed": true})
	}
	_, err = fmt.Fprintf(a.env.Out, "wrote a key of %d bytes to %s\n", size, file)
	return err
}

func (a *app) keyRotateCmd() *cobra.Command {
	var size int
	c := &cobra.Command{
		Use:   "rotate",
		Short: "Give a running cluster a new authkey",
		Long: `Give every node a new authkey and have them all take it by one reload, without an
interruption: a copy of the old key is worth nothing from then on. Every node of
the cluster must answer, also those on which corosync does not run: one that is
left out could not come back. corosync 3.1 with knet is needed. Each node keeps
the old key as ` + cluster.KeyPath + `.bak.`,
		Example: `  clusterctl key rotate
  clusterctl -H n1 key rotate --dry-run`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return a.keyRotate(c.Context(), size) },
	}
	c.Flags().IntVarP(&size, "size", "s", cluster.KeySize, fmt.Sprintf("of the key in bytes, %d to %d", cluster.MinKeySize, cluster.MaxKeySize))
	return c
}

func (a *app) keyRotate(ctx context.Context, size int) error {
	key, err := cluster.NewKey(size)
	if err != nil {
		return err
	}
	c, err := a.change(ctx,
		func(v *cluster.View) (*cluster.Plan, error) { return cluster.PlanRotate(key, v) },
		func(changed) string { return "" }, nil)
	if err != nil || !c.done {
		return err
	}
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "cluster": c.plan.Cluster, "nodes": c.plan.NodeNames(), "changed": true})
	}
	_, err = fmt.Fprintf(a.env.Out, "cluster %s has a new key\n", c.plan.Cluster)
	return err
}
