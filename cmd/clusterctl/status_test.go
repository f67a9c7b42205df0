package main

import (
	"bytes"
	"strings"
	"testing"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
)

// What is wrong, and the remedy, have long sentences: on a terminal they are broken
// between words, so that no word of a command is torn apart.
func TestProblemsFitTheTerminal(t *testing.T) {
	p := cluster.Problem{
		Severity: cluster.Warning, Node: "n1", Message: strings.Repeat("some words that say what is wrong ", 5),
		Remedy: strings.Repeat("clusterctl -H n1 op undo 20261130-120000-abcdef; ", 4) + "the end",
	}
	for _, width := range []int{80, 0} {
		var out bytes.Buffer
		a := &app{streams: &cli.Streams{Width: width}}
		a.problem(&out, p)
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		for _, line := range lines {
			if width > 0 && len(line) > width {
				t.Errorf("%d columns: %q", len(line), line)
			}
		}
		if width == 0 && len(lines) != 2 {
			t.Errorf("%d lines in a pipe", len(lines))
		}
		text := strings.Join(strings.Fields(out.String()), " ")
		for _, want := range []string{p.Message, p.Remedy} {
			if want = strings.Join(strings.Fields(want), " "); !strings.Contains(text, want) {
				t.Errorf("%q is not in %q", want, text)
			}
		}
	}
}
