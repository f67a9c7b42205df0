package main

import (
	"fmt"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
)

// printPlan prints what would be done, for --dry-run.
func (a *app) printPlan(p *cluster.Plan) error {
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "plan": a.dryPlan(p)})
	}
	a.printProblems(p.Notes)
	w := a.env.Out
	if len(p.Steps) == 0 {
		_, err := fmt.Fprintln(w, "nothing to do")
		return err
	}
	fmt.Fprintln(w, "This would be done:")
	for i, s := range p.Steps {
		fmt.Fprintf(w, "  %d. %s (%s)\n", i+1, s.What, nodesText(s.Do.Nodes))
		if s.Stands != "" && i+1 < len(p.Steps) {
			fmt.Fprintf(w, "     From here on %s, whatever fails.\n", s.Stands)
		}
	}
	fmt.Fprintf(w, "\nQuorum: before %s, lowest %s, after %s\n", pointText(p.Quorum.Before), pointText(p.Quorum.Lowest), pointText(p.Quorum.After))
	if p.Diff != "" {
		fmt.Fprint(w, "\n"+p.Diff)
	}
	if len(p.Changes) > 0 {
		fmt.Fprintln(w)
		return a.printChanges(w, p.Changes)
	}
	return nil
}

// dryPlan has the shape that the contract gives a plan.
func (a *app) dryPlan(p *cluster.Plan) any {
	type step struct {
		ID    string   `json:"id"`
		Nodes []string `json:"nodes"`
		What  string   `json:"what"`
		Class string   `json:"class"`
	}
	steps := []step{}
	for _, s := range p.Steps {
		steps = append(steps, step{s.ID, s.Do.Nodes, s.What, s.Class})
	}
	return map[string]any{"steps": steps, "diff": p.Diff, "quorum": p.Quorum, "warnings": a.remedied(p.Notes), "changes": changesJSON(p.Changes)}
}

func nodesText(nodes []string) string {
	if len(nodes) > 4 {
		return fmt.Sprintf("%s ... %s, %d nodes", nodes[0], nodes[len(nodes)-1], len(nodes))
	}
	text := ""
	for i, n := range nodes {
		if i > 0 {
			text += ", "
		}
		text += n
	}
	return text
}

func pointText(q cluster.QuorumPoint) string {
	if q.Expected == 0 {
		return "none"
	}
	return fmt.Sprintf("%d of %d votes (%d needed)", q.Votes, q.Expected, q.Quorum)
}
