package sim_test

import (
	"flag"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"clusterctl/internal/sim"
)

var (
	seeds = flag.Uint64("seeds", 0, "how many random schedules to run; 0: a few seconds' worth")
	first = flag.Uint64("first", 1, "the seed of the first of them")
	play  = flag.String("play", "", "a schedule to run and to tell about")
)

// fails says what is wrong with a schedule and how it went.
func fails(t *testing.T, s sim.Schedule, o sim.Outcome) {
	t.Helper()
	if len(o.Troubles) > 0 {
		t.Errorf("%s\n  %s\n    %s", s, strings.Join(o.Troubles, "\n  "), strings.ReplaceAll(strings.Join(o.Log, "\n"), "\n", "\n    "))
	}
}

// traces are the calls of every scenario without faults.
func traces(t *testing.T) map[string][]sim.Call {
	all := map[string][]sim.Call{}
	for _, sc := range sim.Scenarios() {
		all[sc.Name] = sim.Run(t, sim.Schedule{Scenario: sc.Name, Seed: 1, Verb: "undo"}).Trace
	}
	return all
}

// Without faults every scenario ends as planned.
func TestWithoutFaultsAllGoesAsPlanned(t *testing.T) {
	for _, sc := range sim.Scenarios() {
		t.Run(sc.Name, func(t *testing.T) {
			s := sim.Schedule{Scenario: sc.Name, Seed: 1, Verb: "undo"}
			o := sim.Run(t, s)
			fails(t, s, o)
			if !strings.HasSuffix(o.Log[0], ": <nil>") {
				t.Errorf("it failed: %s", o.Log[0])
			}
		})
	}
}

// each runs schedules on all processors, and stops after some failures.
func each(t *testing.T, next func() (sim.Schedule, bool)) (count int) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failures atomic.Int32
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for failures.Load() < 10 {
				mu.Lock()
				s, ok := next()
				if ok {
					count++
				}
				mu.Unlock()
				if !ok {
					return
				}
				o := sim.Run(t, s)
				if len(o.Troubles) > 0 {
					failures.Add(1)
				}
				fails(t, s, o)
			}
		})
	}
	wg.Wait()
	return count
}

func TestRandomSchedules(t *testing.T) {
	n := *seeds
	if n == 0 {
		n = 1500
	}
	all := traces(t)
	seed := *first
	each(t, func() (sim.Schedule, bool) {
		s := sim.Random(seed, all)
		seed++
		return s, seed <= *first+n
	})
}

// A schedule happens in the same way each time.
func TestASeedIsASchedule(t *testing.T) {
	all := traces(t)
	for seed := range uint64(100) {
		s := sim.Random(seed, all)
		a, b := sim.Run(t, s), sim.Run(t, s)
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("%s (-once +again):\n%s", s, diff)
		}
	}
}

// Schedules that once went wrong.
func TestRegressions(t *testing.T) {
	text, err := os.ReadFile("testdata/schedules.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		s, err := sim.ParseSchedule(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		fails(t, s, sim.Run(t, s))
	}
}

// With -play a schedule is told about.
func TestPlay(t *testing.T) {
	if *play == "" {
		return
	}
	s, err := sim.ParseSchedule(*play)
	if err != nil {
		t.Fatal(err)
	}
	s.Verbose = true
	o := sim.Run(t, s)
	t.Logf("%s\n%s", s, strings.Join(o.Log, "\n"))
	fails(t, s, o)
}
