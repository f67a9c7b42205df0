//go:build linux && node

package main

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"clusterctl/internal/lab"
)

// What -v says that a run has asked of a node is what docs/performance.md allows,
// on real nodes too: one connection, one session, and so many round trips. How
// often it looks depends on how fast they are.
func TestNodeBudgets(t *testing.T) {
	text, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	section, _, _ := strings.Cut(string(text), "\n## Scale")
	allowed := map[string]int{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z ]+)` \\| (\\d+) \\|").FindAllStringSubmatch(section, -1) {
		allowed[row[1]], _ = strconv.Atoi(row[2])
	}
	s := newSite(t, lab.Options{Nodes: 4})
	asked := regexp.MustCompile(`msg="asked of a node" node=(\S+) connections=(\d+) sessions=(\d+) round_trips=(\d+) looks=`)
	for _, op := range []struct{ name, args string }{
		{"create", "create prod n1 n2 n3 --link " + s.Net(0).String() + " --link " + s.Net(1).String()},
		{"status", "status"},
		{"add", "add n4"},
		{"conf set", "conf set totem.token 5000"},
		{"link remove", "link remove 1"},
		{"link add", "link add 1 " + s.Net(1).String()},
		{"key rotate", "key rotate"},
		{"delnode", "delnode n4 --keep-key"},
	} {
		r := s.must(0, append(strings.Fields(op.args), "-v")...)
		most := 0
		nodes := asked.FindAllStringSubmatch(r.err, -1)
		for _, n := range nodes {
			if n[2] != "1" || n[3] != "1" {
				t.Errorf("%s: %s connections to %s and %s sessions, not one of each", op.name, n[2], n[1], n[3])
			}
			trips, _ := strconv.Atoi(n[4])
			most = max(most, trips)
		}
		if want, ok := allowed[op.name]; len(nodes) < 3 || !ok || most != want {
			t.Errorf("%s: %d round trips on a node, of %d nodes, docs/performance.md says %d\n%s", op.name, most, len(nodes), want, r.err)
		}
	}
}
