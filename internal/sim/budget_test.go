package sim_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"clusterctl/internal/sim"
)

// budgets reads what docs/performance.md allows: how many round trips an operation
// costs on a node at most, and looks besides where nothing is slow.
func budgets(t *testing.T) map[string][2]int {
	t.Helper()
	text, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	section, _, _ := strings.Cut(string(text), "\n## Scale")
	all := map[string][2]int{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z ]+)` \\| (\\d+) \\| (\\d+) \\|").FindAllStringSubmatch(section, -1) {
		trips, _ := strconv.Atoi(row[2])
		looks, _ := strconv.Atoi(row[3])
		all[row[1]] = [2]int{trips, looks}
	}
	return all
}

// What an operation asks of a node is what docs/performance.md says, and no more
// of one node of sixteen than of one of three.
func TestOperationsKeepTheirBudgets(t *testing.T) {
	allowed := budgets(t)
	for name, less := range map[string]int{
		"create": 2, // here no default configuration needs be stopped, and
		"add":    1, // the nodes do not send each other packets before
	} {
		allowed[name] = [2]int{allowed[name][0] - less, allowed[name][1]}
	}
	for _, size := range []int{3, 16} {
		t.Run(fmt.Sprintf("%d nodes", size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				names := make([]string, size+1)
				for i := range names {
					names[i] = fmt.Sprintf("n%d", i+1)
				}
				last := names[size]
				var calls []sim.Call
				w := sim.New(names...)
				w.Record(&calls)
				w.Time(1)
				defer w.Close()
				for _, op := range []struct {
					name    string
					command sim.Command
				}{
					{"create", sim.Create(names[:size]...)},
					{"add", sim.Add(last)},
					{"conf set", sim.ConfSet("totem", "token", "5000")},
					{"link add", sim.LinkAdd},
					{"link remove", sim.LinkRemove},
					{"key rotate", sim.Rotate},
					{"delnode", sim.Remove(last)},
				} {
					calls = nil
					if err := w.Admin(1).Run(t.Context(), op.command); err != nil {
						t.Fatalf("%s: %v", op.name, err)
					}
					trips, looks := map[string]int{}, map[string]int{}
					for _, c := range calls {
						if c.What == "runtime" {
							looks[c.Node]++
						} else {
							trips[c.Node]++
						}
					}
					got := [2]int{highest(trips), highest(looks)}
					t.Logf("%s: %d round trips and %d looks on a node", op.name, got[0], got[1])
					if want, ok := allowed[op.name]; !ok || got[0] != want[0] || got[1] > want[1] {
						t.Errorf("%s: %v, docs/performance.md says %v: %v", op.name, got, want, calls)
					}
				}
			})
		})
	}
}

func highest(counts map[string]int) int {
	n := 0
	for _, c := range counts {
		n = max(n, c)
	}
	return n
}

// While a node is waited for, one node is asked again and again, and not all.
func TestOneNodeIsAskedWhileAllWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []sim.Call
		w := sim.New("n1", "n2", "n3", "n4")
		w.Record(&calls)
		w.Time(1)
		defer w.Close()
		if err := w.Admin(1).Run(t.Context(), sim.Create("n1", "n2", "n3")); err != nil {
			t.Fatal(err)
		}
		calls = nil
		if err := w.Admin(1).Run(t.Context(), sim.Add("n4")); err != nil {
			t.Fatal(err)
		}
		looks := map[string]int{}
		for _, c := range calls {
			if c.What == "runtime" {
				looks[c.Node]++
			}
		}
		if looks["n1"] < 8 || looks["n2"] > 6 || looks["n3"] > 6 || looks["n4"] > 6 {
			t.Errorf("looks at the nodes: %v", looks)
		}
	})
}
