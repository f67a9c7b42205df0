package cluster

import (
	"context"
	"io"

	"clusterctl/internal/probe"
)

// MeasuredNode is a Node that a check can measure on: Start returns what the agent
// there prints and reads, when it runs.
type MeasuredNode struct {
	Node
	Start func() (io.Reader, io.WriteCloser)
}

func (n *MeasuredNode) survey(context.Context, []string) (*survey, error) { //nolint:unparam // as the node's own
	return parseSurvey(nil), nil
}

func (n *MeasuredNode) agent(context.Context, *Program) (*agent, error) { //nolint:unparam // as the node's own
	out, in := n.Start()
	return &agent{probe.NewAgent(out, in), in}, nil
}
