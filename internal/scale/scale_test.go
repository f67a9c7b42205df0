//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// The nodes are this program once more, as they are for the measurements.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-serve") {
		main()
		return
	}
	m.Run()
}

// What does not depend on the machine: each node gets one connection and one
// session of a command, and memory does not grow with what all of them answer.
func TestOneSessionOnEachOfManyNodes(t *testing.T) {
	tool := filepath.Join(t.TempDir(), "clusterctl")
	if out, err := exec.Command("go", "build", "-o", tool, "clusterctl/cmd/clusterctl").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b := &bench{tool: tool, nodes: 128, links: 2}
	costs, err := b.live(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range costs {
		t.Logf("%s: %.1f s, %.0f MB", c.Command, c.Wall, c.Memory)
		if c.Connections != 1 || c.Sessions != 1 {
			t.Errorf("%s: %.2f connections to a node and %.2f sessions on it, not one of each", c.Command, c.Connections, c.Sessions)
		}
		if c.Memory >= 64 {
			t.Errorf("%s: %.0f MB at its peak", c.Command, c.Memory)
		}
	}
}
