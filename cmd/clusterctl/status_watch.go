package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
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
	pool := cluster.NewPool(ctx, *conn, watchWait)
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
		w.frame(&frame, time.Now())
		if err := screen.Show(frame.String()); err != nil {
			return err
		}
		looked := make(chan struct{})
		select {
		case <-screen.Quit():
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
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
			return context.Cause(ctx)
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
			return context.Cause(ctx)
		case <-time.After(watchEvery):
		}
		lost := w.err
		w.past = nil
		err := w.look(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
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

// frame is the whole screen: as short as it can be, so that it fits.
func (w *statusWatch) frame(out io.Writer, now time.Time) {
	s, q := w.status, w.status.Quorum
	st := w.streams.To(out)
	fmt.Fprintf(out, "%s  %s  every %s, q quits\n", cli.Clean(s.Cluster.Name), now.Format("15:04:05"), watchEvery)
	fmt.Fprintf(out, "Quorate: %s\n", w.verdict(q))
	fmt.Fprintf(out, "Votes:   %d of %d expected, %d needed   %s\n", q.TotalVotes, q.ExpectedVotes, q.Quorum, strings.Join(q.Flags, " "))
	fmt.Fprintf(out, "Config:  version %s   %s, %s   %s\n\n", configVersion(s), s.Cluster.Transport, plural(s.Cluster.Links, "link"), encryption(s.Cluster))
	t := cli.NewTable("ID", "VOTES", "NODE", "STATE", "COROSYNC", "CONFIG", "LINKS")
	for _, n := range s.Nodes {
		t.Row(cli.Text(idText(n.ID)), cli.Text(strconv.Itoa(n.Votes)), cli.Text(n.Name), state(n), daemon(n), config(n), linksCell(n))
	}
	_ = t.Render(st) // into memory
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
	for _, e := range slices.Backward(w.past) {
		fmt.Fprintf(out, "  %s  %s\n", e.at.Format("15:04:05"), cli.Clean(e.text))
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
		var names []string
		for _, p := range slices.Sorted(maps.Keys(l.Peers)) {
			known = known || l.Peers[p] != "unknown"
			if l.Peers[p] == "disconnected" {
				names = append(names, p)
			}
		}
		if len(names) > 0 {
			down = append(down, fmt.Sprintf("%d: not %s", l.Number, shortList(names, len(l.Peers))))
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
