//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"clusterctl/ssh"
)

// report is what was measured.
type report struct {
	Machine string // on what
	Startup string // what it costs to start clusterctl at all
	Check   string // how long a check takes; "" beside peers

	order []string
	times map[string]map[side][]time.Duration        // by operation
	gave  []string                                   // who did not get to the end of what
	asked map[string]map[side]map[string]ssh.Traffic // by operation; what was asked of each node, the last time
}

func newReport() *report {
	return &report{times: map[string]map[side][]time.Duration{}, asked: map[string]map[side]map[string]ssh.Traffic{}}
}

// note keeps how long an operation took.
func (r *report) note(what string, s side, took time.Duration) {
	if r.times[what] == nil {
		r.order = append(r.order, what)
		r.times[what] = map[side][]time.Duration{}
	}
	r.times[what][s] = append(r.times[what][s], took)
}

// give keeps that a side has given up.
func (r *report) give(err error) {
	text, _, _ := strings.Cut(err.Error(), "\n")
	logf("%s", text)
	r.gave = append(r.gave, text)
}

// ask keeps what the operation that is being measured has asked of the nodes.
func (b *bench) ask(nodes map[string]ssh.Traffic) {
	if b.asked[b.what] == nil {
		b.asked[b.what] = map[side]map[string]ssh.Traffic{}
	}
	b.asked[b.what][b.by] = nodes
}

// parseAsked reads what clusterctl -v says that it has asked of each node.
func parseAsked(log string) map[string]ssh.Traffic {
	nodes := map[string]ssh.Traffic{}
	for line := range strings.Lines(log) {
		_, text, ok := strings.Cut(line, `msg="asked of a node" `)
		var name string
		var t ssh.Traffic
		if _, err := fmt.Sscanf(text, "node=%s connections=%d sessions=%d round_trips=%d looks=%d",
			&name, &t.Connections, &t.Sessions, &t.RoundTrips, &t.Looks); ok && err == nil {
			nodes[name] = t
		}
	}
	return nodes
}

// result is a row of the table.
type result struct {
	Operation string  `json:"operation"`
	By        side    `json:"by"`
	Runs      int     `json:"runs"`
	Median    float64 `json:"median_s"`
	Least     float64 `json:"least_s"`
	Most      float64 `json:"most_s"`
	Ratio     float64 `json:"clusterctl_ratio,omitempty"` // clusterctl's median is so many times this one
}

// traffic is a row of the table of what was asked of nodes: of all of them, and of the one that was asked most.
type traffic struct {
	Operation string      `json:"operation"`
	By        side        `json:"by"`
	Nodes     int         `json:"nodes"`
	All       ssh.Traffic `json:"all"`
	Most      ssh.Traffic `json:"most_on_a_node"`
}

// sides are all who did an operation, clusterctl first.
func sides[T any](by map[side]T) []side {
	all := []side{clusterctl, floor, paced, pcs, crmsh}
	return slices.DeleteFunc(all, func(s side) bool { _, ok := by[s]; return !ok })
}

func (r *report) results() []result {
	var rows []result
	for _, what := range r.order {
		base := r.times[what][clusterctl]
		if base == nil { // "..., quorate": clusterctl returns when it is
			base = r.times[strings.TrimSuffix(what, ", quorate")][clusterctl]
		}
		for _, s := range sides(r.times[what]) {
			t := r.times[what][s]
			row := result{what, s, len(t), median(t).Seconds(), slices.Min(t).Seconds(), slices.Max(t).Seconds(), 0}
			if base != nil {
				row.Ratio = median(base).Seconds() / row.Median
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func (r *report) traffic() []traffic {
	var rows []traffic
	for _, what := range r.order {
		for _, s := range sides(r.asked[what]) {
			row := traffic{Operation: what, By: s, Nodes: len(r.asked[what][s])}
			for _, t := range r.asked[what][s] {
				row.All = row.All.Plus(t)
				row.Most = ssh.Traffic{
					Connections: max(row.Most.Connections, t.Connections), Sessions: max(row.Most.Sessions, t.Sessions),
					RoundTrips: max(row.Most.RoundTrips, t.RoundTrips), Looks: max(row.Most.Looks, t.Looks),
				}
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// print writes the tables as they are in docs/performance.md.
func (r *report) print(out io.Writer) error {
	fmt.Fprintf(out, "%s\n\n", r.Machine)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "OPERATION\tBY\tMEDIAN\tSPREAD\tCLUSTERCTL TAKES")
	last := ""
	for _, row := range r.results() {
		what, ratio := row.Operation, fmt.Sprintf("%.2f times that", row.Ratio)
		if what == last {
			what = ""
		}
		if row.By == clusterctl || row.Ratio == 0 {
			ratio = ""
		}
		last = row.Operation
		fmt.Fprintf(w, "%s\t%s\t%.2f s\t%.2f–%.2f\t%s\n", what, row.By, row.Median, row.Least, row.Most, ratio)
	}
	fmt.Fprintln(w, "\nASKED OF THE NODES\tBY\tCONNECTIONS\tSESSIONS\tROUND TRIPS\tLOOKS\tMOST OF ONE NODE")
	for _, row := range r.traffic() {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d + %d\n", row.Operation, row.By, row.All.Connections, row.All.Sessions, row.All.RoundTrips, row.All.Looks, row.Most.RoundTrips, row.Most.Looks)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%s\n", strings.TrimSpace(strings.Join(append(r.gave, r.Check, r.Startup), "\n")))
	return err
}

// writeJSON writes the same to a file.
func (r *report) writeJSON(name string) error {
	data, err := json.MarshalIndent(map[string]any{"schema": 1, "machine": r.Machine, "results": r.results(), "asked": r.traffic(), "gave_up": r.gave}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, append(data, '\n'), 0o644)
}

func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func spread(times []time.Duration) string {
	return fmt.Sprintf("%.2f–%.2f", slices.Min(times).Seconds(), slices.Max(times).Seconds())
}
