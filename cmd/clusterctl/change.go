package main

import (
	"context"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
)

// changed is what became of a change.
type changed struct {
	plan  *cluster.Plan
	view  *cluster.View // the cluster before
	done  bool          // false with --dry-run, and when there was nothing to do
	stood bool          // it failed, and what it was for was done all the same: see cluster.Step.Stands
}

// planner makes a plan for the cluster of v, whose nodes are connected.
type planner func(ctx context.Context, v *cluster.View, nodes map[string]cluster.Node) (*cluster.Plan, error)

// change is changeOn for a plan that needs nothing more from the nodes.
func (a *app) change(ctx context.Context, makePlan func(*cluster.View) (*cluster.Plan, error), question func(changed) string, after func(*cluster.Connector, changed)) (changed, error) {
	return a.changeOn(ctx, func(_ context.Context, v *cluster.View, _ map[string]cluster.Node) (*cluster.Plan, error) {
		return makePlan(v)
	}, question, after)
}

// changeOn changes the cluster that the flags name: it looks at it, plans, asks
// where question has one, and carries the plan out, or prints it for --dry-run.
// after is called when all was done, while the nodes are still connected.
func (a *app) changeOn(ctx context.Context, makePlan planner, question func(changed) string, after func(*cluster.Connector, changed)) (changed, error) {
	ctx, cancel := a.context(ctx)
	defer cancel()
	var c changed
	p := a.progress()
	t := p.Start("look at the cluster")
	conn, view, nodes, err := a.look(ctx)
	if err != nil {
		t.Fail()
		p.Close()
		return c, err
	}
	defer cluster.CloseAll(nodes)
	t.Done()
	p.Close()
	c.view = view
	if c.plan, err = makePlan(ctx, view, nodes); err != nil {
		return c, err
	}
	if q := question(c); q != "" && len(c.plan.Steps) > 0 && !a.dryRun {
		p = a.progress()
		warn(p, a.remedied(c.plan.Notes)) // before the answer, which depends on them
		p.Close()
		c.plan.Notes = nil
		if err := a.ask(ctx, q); err != nil {
			return c, err
		}
	}
	view.Planned()
	p = a.progress()
	defer p.Close()
	c.done, err = a.carryOut(ctx, conn, p, c.plan, nodes)
	c.stood = cluster.Stood(err) != ""
	if (c.done || c.stood) && after != nil {
		after(conn, c)
	}
	return c, err
}

// carryOut runs a plan, or prints it for --dry-run: then, and when there is
// nothing to do, done is false.
func (a *app) carryOut(ctx context.Context, conn *cluster.Connector, p *cli.Progress, plan *cluster.Plan, nodes map[string]cluster.Node) (done bool, err error) {
	plan.Command = a.commandLine()
	if a.dryRun {
		p.Close()
		return false, a.printPlan(plan)
	}
	warn(p, a.remedied(plan.Notes))
	if len(plan.Steps) == 0 {
		p.Close()
		return false, nil
	}
	err = a.changing(func() error { return a.executor(conn, p).Run(ctx, plan, nodes) })
	p.Close()
	return err == nil, err
}

func warn(p *cli.Progress, notes cluster.Problems) {
	for _, w := range notes {
		p.Warn("warning: " + w.String())
	}
}

// knock sees whether the nodes of a plan reach each other. What it is not sure
// of becomes a note of the plan.
func (a *app) knock(ctx context.Context, p *cli.Progress, plan *cluster.Plan, v *cluster.View, facts []*cluster.Facts, nodes map[string]cluster.Node) error {
	t := p.Start("see that the nodes reach each other on each link")
	ps := plan.Knock(ctx, v, facts, nodes)
	if len(ps.Errors()) > 0 {
		t.Fail()
		return ps
	}
	t.Done()
	plan.Notes = append(plan.Notes, ps...)
	return nil
}

// theCluster names a cluster in a sentence; it may have no name.
func theCluster(name string) string {
	if name == "" {
		return "the cluster"
	}
	return "cluster " + name
}
