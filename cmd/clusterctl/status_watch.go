package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
)

const (
	watchEvery = 2 * time.Second // from the end of one look to the next
	watchWait  = 5 * time.Second // for a node that is connected
	watchPast  = time.Minute     // for how long a change is shown
)

// event is a change that was seen.
type event struct {
	at   time.Time
	text string
}

// statusWatch looks at a cluster again and again.
type statusWatch struct {
	*app
	conn   *cluster.Connector
	seeds  []cluster.PlanNode
	status *cluster.Status
	err    error // of the last look; the status is older then
	past   []event
}

// watch shows the status until q or Ctrl-C. Without a terminal it prints it once,
// and again whenever something has changed.
func (a *app) watch(ctx context.Context) error {
	if a.json() {
		return usageText("--watch has no JSON: it never ends, and -o json is one document; call status -o json again and again")
	}
	ctx, cancel := a.context(ctx)
	defer cancel()
	conn, seeds, err := a.seeds(ctx)
	if err != nil {
		return err
	}
	pool := cluster.NewPool(ctx, conn, watchWait)
	defer pool.Close()
	conn.Connect = pool.Connect
	w := &statusWatch{app: a, conn: conn, seeds: seeds}
	if err := w.look(ctx); err != nil { // when nothing can be seen at first, nothing is watched
		return err
	}
	screen, err := a.streams.NewScreen()
	if err != nil {
		return w.print(ctx)
	}
	err = w.show(ctx, screen)
	if cerr := screen.Close(); err == nil {
		err = cerr
	}
	return err
}

// left is why watching has ended: an interrupt is no failure, but how one leaves.
func left(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, errInterrupted) {
		return err
	}
	return nil
}

// look looks once, and notes what has changed.
func (w *statusWatch) look(ctx context.Context) error {
	v, nodes, err := w.conn.Look(ctx, w.seeds)
	now := time.Now()
	w.past = slices.DeleteFunc(w.past, func(e event) bool { return now.Sub(e.at) > watchPast })
	if w.err = err; err != nil {
		return err
	}
	cluster.CloseAll(nodes)
	s := cluster.NewStatus(v)
	for _, text := range cluster.Changes(w.status, s) {
		w.past = append(w.past, event{now, text})
	}
	w.status = s
	return nil
}

// show keeps the screen up to date.
func (w *statusWatch) show(ctx context.Context, screen *cli.Screen) error {
	for {
		var frame bytes.Buffer
		w.frame(&frame, time.Now(), screen.Rows())
		if err := screen.Show(frame.String()); err != nil {
			return err
		}
		looked := make(chan struct{})
		select {
		case <-screen.Quit():
			return nil
		case <-ctx.Done():
			return left(ctx)
		case <-time.After(watchEvery):
		}
		go func() { // so that a key is heard while a node takes its time
			_ = w.look(ctx) // shown with the next frame
			close(looked)
		}()
		select {
		case <-screen.Quit():
			return nil
		case <-ctx.Done():
			return left(ctx)
		case <-looked:
		}
	}
}

// print prints the status now, and whenever it has changed.
func (w *statusWatch) print(ctx context.Context) error {
	fmt.Fprintf(w.env.Out, "%s\n\n", time.Now().Format(time.RFC3339))
	if err := w.printStatus(w.status); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return left(ctx)
		case <-time.After(watchEvery):
		}
		lost := w.err
		w.past = nil
		err := w.look(ctx)
		switch {
		case ctx.Err() != nil:
			return left(ctx)
		case err != nil && lost == nil:
			fmt.Fprintf(w.env.Out, "\n%s: no node answers\n", time.Now().Format(time.RFC3339))
		case len(w.past) > 0 || err == nil && lost != nil:
			fmt.Fprintf(w.env.Out, "\n%s: %s\n\n", time.Now().Format(time.RFC3339), strings.Join(texts(w.past), "; "))
			if err := w.printStatus(w.status); err != nil {
				return err
			}
		}
	}
}

func texts(events []event) []string {
	var out []string
	for _, e := range events {
		out = append(out, e.text)
	}
	return out
}

// Of many nodes and changes, so many are shown in any case.
const (
	leastNodes  = 3
	leastEvents = 5
)

// frame is the whole screen. If that has too few rows for all that there is to
// say, nodes that are well are left out first, and then what changed long ago.
func (w *statusWatch) frame(out io.Writer, now time.Time, rows int) {
	var all bytes.Buffer
	w.compose(&all, now, w.status.Nodes, len(w.past))
	if height(&all) > rows {
		var rest bytes.Buffer
		events := min(len(w.past), leastEvents)
		w.compose(&rest, now, nil, events)
		all.Reset()
		w.compose(&all, now, w.choose(max(leastNodes, rows-height(&rest))), events)
	}
	_, _ = all.WriteTo(out) // into memory
}

func height(text *bytes.Buffer) int { return bytes.Count(text.Bytes(), []byte("\n")) }

// choose returns some nodes, in order: those that are not well before others.
func (w *statusWatch) choose(count int) []cluster.StatusNode {
	left := count - len(w.unwell(w.status.Nodes))
	var some []cluster.StatusNode
	for _, n := range w.status.Nodes {
		if well := len(w.unwell([]cluster.StatusNode{n})) == 0; well && left <= 0 || len(some) == count {
			continue
		} else if well {
			left--
		}
		some = append(some, n)
	}
	return some
}

// unwell are those of some nodes that something is wrong with.
func (w *statusWatch) unwell(nodes []cluster.StatusNode) []cluster.StatusNode {
	return slices.DeleteFunc(slices.Clone(nodes), func(n cluster.StatusNode) bool {
		return n.Member && n.Reachable && !slices.ContainsFunc(w.status.Problems, func(p cluster.Problem) bool { return p.Node == n.Name })
	})
}

// compose writes the screen, with some of the nodes and the last of the changes.
func (w *statusWatch) compose(out io.Writer, now time.Time, nodes []cluster.StatusNode, events int) {
	s, q := w.status, w.status.Quorum
	st := w.streams.To(out)
	fmt.Fprintf(out, "%s  %s  every %s, q quits\n", cli.Clean(s.Cluster.Name), now.Format("15:04:05"), watchEvery)
	fmt.Fprintf(out, "Quorate: %s\n", w.verdict(q))
	fmt.Fprintf(out, "Votes:   %d of %d expected, %d needed   %s\n", q.TotalVotes, q.ExpectedVotes, q.Quorum, strings.Join(q.Flags, " "))
	fmt.Fprintf(out, "Config:  version %s   %s, %s   %s\n\n", configVersion(s), s.Cluster.Transport, plural(s.Cluster.Links, "link"), encryption(s.Cluster))
	t := cli.NewTable("ID", "VOTES", "NODE", "STATE", "COROSYNC", "CONFIG", "LINKS")
	for _, n := range nodes {
		t.Row(cli.Text(idText(n.ID)), cli.Text(strconv.Itoa(n.Votes)), cli.Text(n.Name), state(n), daemon(n), config(n), linksCell(n))
	}
	_ = t.Render(st) // into memory
	if more := len(s.Nodes) - len(nodes); more > 0 {
		health := "well"
		if bad := len(w.unwell(s.Nodes)) - len(w.unwell(nodes)); bad > 0 {
			health = fmt.Sprintf("%d of them not well", bad)
		}
		fmt.Fprintf(out, "... and %s, %s\n", plural(more, "more node"), health)
	}
	if len(s.Partitions) > 1 {
		fmt.Fprintln(out)
		for i, p := range s.Partitions {
			fmt.Fprintf(out, "Partition %d: %s\n", i+1, cli.Clean(strings.Join(p, " ")))
		}
	}
	if w.err != nil {
		fmt.Fprintf(out, "\n%s\n", st.Style(cli.Bad, "no node answers: this is what was seen last"))
	}
	fmt.Fprintf(out, "\nIn the last minute:\n")
	for _, e := range slices.Backward(w.past[len(w.past)-events:]) {
		fmt.Fprintf(out, "  %s  %s\n", e.at.Format("15:04:05"), cli.Clean(e.text))
	}
	if more := len(w.past) - events; more > 0 {
		fmt.Fprintf(out, "  and %s before\n", plural(more, "more change"))
	}
	if len(w.past) == 0 {
		fmt.Fprintln(out, "  nothing has changed")
	}
	if len(s.Problems) > 0 {
		fmt.Fprintf(out, "\nProblems (clusterctl doctor says what mends them):\n")
	}
	for _, p := range s.Problems {
		style := map[cluster.Severity]cli.Style{cluster.Error: cli.Bad, cluster.Warning: cli.Warn}[p.Severity]
		text, _, _ := strings.Cut(p.Message, "\n")
		if p.Node != "" {
			text = p.Node + ": " + text
		}
		fmt.Fprintf(out, "  %s  %s\n", st.Style(style, fmt.Sprintf("%-7s", p.Severity)), cli.Clean(text))
	}
}

// linksCell is how a node's links are: "ok", or whom each does not reach.
func linksCell(n cluster.StatusNode) cli.Cell {
	var down []string
	known := false
	for _, l := range n.Links {
		names := l.Peers.In("disconnected")
		known = known || len(l.Peers.In("unknown")) < l.Peers.Len()
		if len(names) > 0 {
			down = append(down, fmt.Sprintf("%d: not %s", l.Number, shortList(names, l.Peers.Len())))
		}
	}
	switch {
	case !known:
		return cli.Styled(cli.Dim, "?")
	case len(down) > 0:
		return cli.Styled(cli.Bad, strings.Join(down, "; "))
	}
	return cli.Styled(cli.OK, "ok")
}
