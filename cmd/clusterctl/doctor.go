package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
)

func (a *app) doctorCmd() *cobra.Command {
	var fix bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is wrong with the cluster, why, and what mends it",
		Long: `Say what is wrong with the cluster and why: causes, the most likely one first, each
with what shows it and the command that mends it. No command that it names costs
quorum or data; where there is only a dangerous one, the remedy says so in words.
It also works where corosync runs nowhere, and takes no node's file.
Exit code 0 when nothing is wrong, 3 when something is, 4 when no node answers.

--fix carries out what is safe, one cause after the other, and asks before each;
what it may not or cannot mend it leaves, and tells in the end. It can:
start a node, conf sync, enable, op undo or resume, the mode of the key, expected
votes as in the file. Where corosync starts nowhere because of its file, every
node gets the last one that was good, under a new version, and is started.`,
		Example: `  clusterctl doctor
  clusterctl -H n1 doctor --fix`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if !fix {
				return a.doctor(c.Context())
			}
			if err := a.canAsk("doctor --fix"); err != nil {
				return err
			}
			return a.doctorFix(c.Context(), a.examine)
		},
	}
	c.Flags().BoolVar(&fix, "fix", false, "carry out what is safe, after asking")
	return c
}

// examine finds the cluster and looks at it closely. The caller closes the nodes.
func (a *app) examine(ctx context.Context) (*cluster.Connector, *cluster.View, map[string]cluster.Node, error) {
	p := a.progress()
	defer p.Close()
	t := p.Start("examine the nodes")
	c, seeds, err := a.seeds(ctx)
	if err != nil {
		t.Fail()
		return nil, nil, nil, err
	}
	c.Closely = true
	v, nodes, err := c.Look(ctx, seeds)
	if err != nil {
		t.Fail()
		return nil, nil, nil, err
	}
	t.Clear()
	return c, v, nodes, nil
}

func (a *app) doctor(ctx context.Context) error {
	ctx, cancel := a.context(ctx)
	defer cancel()
	_, v, nodes, err := a.examine(ctx)
	if err != nil {
		return err
	}
	cluster.CloseAll(nodes)
	return a.printCauses(cluster.Diagnose(v))
}

// printCauses prints causes; the error is the exit code that they mean.
func (a *app) printCauses(causes []cluster.Cause) error {
	var err error
	if a.json() {
		for i := range causes {
			c := &causes[i]
			c.Remedy, c.Command = a.again(c.Remedy), a.command(c.Command)
		}
		err = cli.JSON(a.env.Out, map[string]any{"schema": 1, "causes": causes})
	} else {
		for i, c := range causes {
			if i > 0 {
				fmt.Fprintln(a.env.Out)
			}
			a.cause(a.env.Out, c)
		}
		if len(causes) == 0 {
			_, err = fmt.Fprintln(a.env.Out, "nothing is wrong")
		}
	}
	if err == nil && len(causes) > 0 {
		err = badNews{cli.ExitBad}
	}
	return err
}

// maxEvidence is how many lines of evidence of a cause are printed for people.
const maxEvidence = 7

// cause prints one cause.
func (a *app) cause(w io.Writer, c cluster.Cause) {
	style := cli.Bad
	if c.Severity == cluster.Warning {
		style = cli.Warn
	}
	text := c.Message
	if c.Node != "" {
		text = c.Node + ": " + text
	}
	fmt.Fprint(w, a.streams.Paragraph(a.streams.Style(style, fmt.Sprintf("%-7s", c.Severity))+"  ", fmt.Sprintf("%s [%s]", text, c.Code)))
	for _, line := range c.Evidence[:min(len(c.Evidence), maxEvidence)] {
		fmt.Fprint(w, a.streams.Paragraph("         | ", line))
	}
	if more := len(c.Evidence) - maxEvidence; more > 0 {
		fmt.Fprintf(w, "         | and %d more, with -o json\n", more)
	}
	if c.Remedy != "" {
		fmt.Fprint(w, a.streams.Paragraph("         -> ", a.again(c.Remedy)))
	}
	if c.Command != "" {
		fmt.Fprintf(w, "         $ %s\n", a.command(c.Command)) // not broken, so that it can be copied
	}
}

// look examines the nodes. The caller closes them.
type look func(context.Context) (*cluster.Connector, *cluster.View, map[string]cluster.Node, error)

// doctorFix mends what it can: after each cause it looks again, since much goes
// away with what it came of. What it may not or cannot mend it leaves, and goes
// on with the next; what is left is told in the end.
func (a *app) doctorFix(ctx context.Context, examine look) error {
	ctx, cancel := a.context(ctx)
	defer cancel()
	var seen []string
	for looks := 1; ; {
		conn, v, nodes, err := examine(ctx)
		if err != nil {
			return err
		}
		causes := cluster.Diagnose(v)
		i := slices.IndexFunc(causes, func(c cluster.Cause) bool {
			return c.Fixable() && !slices.Contains(seen, string(c.Code)+c.Command)
		})
		if i < 0 {
			cluster.CloseAll(nodes)
			return a.printCauses(causes)
		}
		err = a.fixCause(ctx, conn, &causes[i], v, nodes)
		cluster.CloseAll(nodes)
		if looks < 5 && slices.ContainsFunc(cluster.ProblemsOf(err), func(p cluster.Problem) bool { return p.Code == cluster.CodeChanged }) {
			looks++ // soon after a failure a membership still settles
			continue
		}
		seen = append(seen, string(causes[i].Code)+causes[i].Command)
		if left, ok := errors.AsType[*leftError](err); ok && ctx.Err() == nil {
			a.printProblems(left.notes())
		} else if err != nil || a.dryRun {
			return err
		}
	}
}

// leftError is why a cause is left as it is, with nothing changed.
type leftError struct{ err error }

func (e *leftError) Error() string { return e.err.Error() }
func (e *leftError) Unwrap() error { return e.err }

// notes are warnings of what it was.
func (e *leftError) notes() cluster.Problems {
	notes := slices.Clone(cluster.ProblemsOf(e.err))
	for i := range notes {
		notes[i].Severity = cluster.Warning
	}
	return notes
}

// askFix asks whether to mend a cause.
func (a *app) askFix(ctx context.Context, question string) error {
	err := a.ask(ctx, question)
	if errors.Is(err, errDeclined) {
		return &leftError{err}
	}
	return err
}

// fixCause mends one cause, after asking.
func (a *app) fixCause(ctx context.Context, conn *cluster.Connector, c *cluster.Cause, v *cluster.View, nodes map[string]cluster.Node) error {
	a.cause(a.env.Err, *c)
	if op, undo := c.Operation(); op != nil {
		return a.fixOperation(ctx, conn, op, undo, nodes)
	}
	plan, err := cluster.PlanFix(ctx, c, v, nodes)
	if err != nil {
		return &leftError{err}
	}
	for i, s := range plan.Steps {
		fmt.Fprintf(a.env.Err, "  %d. %s\n", i+1, s.What)
	}
	if plan.Diff != "" && !a.dryRun {
		fmt.Fprint(a.env.Err, plan.Diff)
	}
	if !a.dryRun {
		a.printProblems(plan.Notes) // before the answer, which depends on them
		plan.Notes = nil
	}
	if err := a.askFix(ctx, "Do this?"); err != nil {
		return err
	}
	p := a.progress()
	defer p.Close()
	_, err = a.carryOut(ctx, conn, p, plan, nodes)
	return err
}

// fixOperation ends an operation that was left open.
func (a *app) fixOperation(ctx context.Context, conn *cluster.Connector, op *cluster.Operation, undo bool, nodes map[string]cluster.Node) error {
	if a.dryRun {
		return a.printPlan(op.Left(undo))
	}
	question := fmt.Sprintf("Finish %q on %s?", op.Command, strings.Join(op.Nodes, ", "))
	if undo {
		question = fmt.Sprintf("Take back %q on %s?", op.Command, strings.Join(op.Nodes, ", "))
	}
	if err := a.askFix(ctx, question); err != nil {
		return err
	}
	p := a.progress()
	defer p.Close()
	return a.changing(func() error {
		if undo {
			return a.executor(conn, p).Undo(ctx, op, nodes)
		}
		return a.executor(conn, p).Resume(ctx, op, nodes)
	})
}
