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

func (a *app) opCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "op",
		Short: "Finish or take back operations that were interrupted",
		Long: `An operation that was interrupted - clusterctl was killed, a node died - is open in
the journals of the nodes, from which any machine that reaches them can resume
or undo it. -H names any node that took part.`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		&cobra.Command{Use: "list", Short: "List the open operations", Args: args(cobra.NoArgs),
			RunE: func(c *cobra.Command, _ []string) error { return a.opList(c.Context()) }},
		&cobra.Command{Use: "show [ID]", Short: "Show an open operation: its steps and how far each node is", Args: args(cobra.MaximumNArgs(1)),
			RunE: func(c *cobra.Command, list []string) error { return a.opShow(c.Context(), list) }},
		&cobra.Command{Use: "resume [ID]", Short: "Carry on with an operation", Args: args(cobra.MaximumNArgs(1)),
			RunE: func(c *cobra.Command, list []string) error { return a.opEnd(c.Context(), list, "resume") }},
		&cobra.Command{Use: "undo [ID]", Short: "Take an operation back", Args: args(cobra.MaximumNArgs(1)),
			RunE: func(c *cobra.Command, list []string) error { return a.opEnd(c.Context(), list, "undo") }},
	)
	return c
}

// openOps finds the open operations on the nodes of the cluster, and on those
// that the operations themselves name. The caller closes the nodes.
func (a *app) openOps(ctx context.Context) (*cluster.Connector, []*cluster.Operation, map[string]cluster.Node, error) {
	c, seeds, err := a.seeds(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	p := a.progress()
	defer p.Close()
	t := p.Start("look for operations")
	ops, nodes, warnings, err := c.FindOperations(ctx, seeds)
	if err != nil {
		t.Fail()
		return nil, nil, nil, err
	}
	t.Done()
	for _, o := range ops {
		o.Remedy = a.again(o.Remedy)
	}
	for _, w := range warnings {
		p.Warn("warning: " + w.String())
	}
	return c, ops, nodes, nil
}

func (a *app) opList(ctx context.Context) error {
	ctx, cancel := a.context(ctx)
	defer cancel()
	_, ops, nodes, err := a.openOps(ctx)
	if err != nil {
		return err
	}
	defer cluster.CloseAll(nodes)
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "operations": append([]*cluster.Operation{}, ops...)})
	}
	if len(ops) == 0 {
		_, err := fmt.Fprintln(a.env.Out, "no operation is open")
		return err
	}
	t := cli.NewTable("ID", "STATE", "STEP", "BY", "NODES")
	for _, o := range ops {
		user, host, _ := o.By()
		t.Row(cli.Text(o.ID), cli.Text(string(o.State)), cli.Text(o.Step), cli.Text(user+"@"+host), cli.Text(strings.Join(o.Nodes, " ")))
	}
	if err := t.Render(a.streams); err != nil {
		return err
	}
	for _, o := range ops {
		fmt.Fprintf(a.env.Out, "\n%s: %s\n  -> %s\n", o.ID, o.Command, o.Remedy)
	}
	return nil
}

// pick chooses the operation with that id, or the only one; nil when none is open.
func pick(ops []*cluster.Operation, args []string) (*cluster.Operation, error) {
	if len(args) == 0 {
		switch len(ops) {
		case 0:
			return nil, nil
		case 1:
			return ops[0], nil
		}
		var ids []string
		for _, o := range ops {
			ids = append(ids, o.ID)
		}
		return nil, usageText("several operations are open, name one: %s", strings.Join(ids, ", "))
	}
	i := slices.IndexFunc(ops, func(o *cluster.Operation) bool { return o.ID == args[0] })
	if i < 0 {
		return nil, fmt.Errorf("operation %s is not open on the nodes that answer", args[0])
	}
	return ops[i], nil
}

// openOp finds the open operation that the arguments name, or the only one; nil
// when none is open. The caller closes the nodes.
func (a *app) openOp(ctx context.Context, args []string) (*cluster.Connector, *cluster.Operation, map[string]cluster.Node, error) {
	c, ops, nodes, err := a.openOps(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	o, err := pick(ops, args)
	if err != nil {
		cluster.CloseAll(nodes)
		return nil, nil, nil, err
	}
	return c, o, nodes, nil
}

func (a *app) opShow(ctx context.Context, list []string) error {
	ctx, cancel := a.context(ctx)
	defer cancel()
	_, o, nodes, err := a.openOp(ctx, list)
	if err != nil {
		return err
	}
	defer cluster.CloseAll(nodes)
	if a.json() {
		doc := map[string]any{"schema": 1, "operation": o}
		if o != nil {
			doc["plan"] = a.dryPlan(o.Plan())
		}
		return cli.JSON(a.env.Out, doc)
	}
	if o == nil {
		_, err := fmt.Fprintln(a.env.Out, "no operation is open")
		return err
	}
	user, host, started := o.By()
	fmt.Fprintf(a.env.Out, "%s\n  started %s by %s@%s: %s\n\n", o.Command, started.Format("2006-01-02 15:04:05 MST"), user, host, o.State)
	t := cli.NewTable("STEP", "WHAT", "NODES")
	for _, s := range o.Plan().Steps {
		var states []string
		for _, n := range s.Do.Nodes {
			state := "-"
			for _, note := range o.Logs()[n] {
				if step, _, _ := strings.Cut(note.Step, "/"); step == s.ID {
					state = string(note.Phase)
				}
			}
			states = append(states, n+":"+state)
		}
		t.Row(cli.Text(s.ID), cli.Text(s.What), cli.Text(strings.Join(states, " ")))
	}
	if err := t.Render(a.streams); err != nil {
		return err
	}
	fmt.Fprintf(a.env.Out, "\n  -> %s\n", o.Remedy)
	return nil
}

// opEnd resumes or undoes an operation.
func (a *app) opEnd(ctx context.Context, list []string, verb string) error {
	ctx, cancel := a.context(ctx)
	defer cancel()
	conn, o, nodes, err := a.openOp(ctx, list)
	if err != nil {
		return err
	}
	defer cluster.CloseAll(nodes)
	if o == nil {
		if a.json() {
			return cli.JSON(a.env.Out, map[string]any{"schema": 1, "changed": false})
		}
		_, err := fmt.Fprintln(a.env.Out, "no operation is open: nothing to "+verb)
		return err
	}
	if a.dryRun {
		return a.printPlan(o.Left(verb == "undo"))
	}
	if verb == "undo" {
		if err := a.canAsk("op undo"); err != nil {
			return err
		}
		if err := a.ask(ctx, fmt.Sprintf("Take back %q on %s?", o.Command, strings.Join(o.Nodes, ", "))); err != nil {
			return err
		}
	}
	p := a.progress()
	defer p.Close()
	err = a.changing(func() error {
		if verb == "undo" {
			return a.executor(conn, p).Undo(ctx, o, nodes)
		}
		return a.executor(conn, p).Resume(ctx, o, nodes)
	})
	p.Close()
	if err != nil {
		return err
	}
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "changed": true, "id": o.ID})
	}
	past := map[string]string{"resume": "finished", "undo": "taken back"}[verb]
	if stood := o.Stood(); verb == "undo" && stood != "" {
		past += ", all but this: " + stood
	}
	_, err = fmt.Fprintf(a.env.Out, "operation %s is %s\n", o.ID, past)
	return err
}
