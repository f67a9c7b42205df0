package sim_test

import (
	"flag"
	"os"
	"runtime"
	"runtime/debug"
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
	whole = flag.Bool("whole", false, "run every single fault, and not only a part of them")
	most  = flag.Int("most", 10, "how many failures to go on after")
	play  = flag.String("play", "", "a schedule to run and to tell about")
)

// A schedule is much garbage and next to no memory.
func TestMain(m *testing.M) {
	debug.SetGCPercent(1500)
	m.Run()
}

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

// Without faults every scenario ends as planned, or is refused.
func TestWithoutFaultsAllGoesAsPlanned(t *testing.T) {
	for _, sc := range sim.Scenarios() {
		t.Run(sc.Name, func(t *testing.T) {
			s := sim.Schedule{Scenario: sc.Name, Seed: 1, Verb: "undo"}
			o := sim.Run(t, s)
			fails(t, s, o)
			if done := strings.HasSuffix(o.Log[0], ": <nil>"); done == sc.Refused {
				t.Errorf("done: %v: %s", done, o.Log[0])
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
			for int(failures.Load()) < *most {
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

// Every single fault at every small step of every call on every node, whoever
// ends it and how. A plain run takes every so-manieth.
func TestEverySingleFault(t *testing.T) {
	every := 199
	if *whole {
		every = 1
	}
	all := traces(t)
	for _, sc := range sim.Scenarios() {
		t.Run(sc.Name, func(t *testing.T) {
			t.Parallel()
			schedules := sim.Singles(sc.Name, all[sc.Name])
			at := -every
			n := each(t, func() (sim.Schedule, bool) {
				at += every
				if at >= len(schedules) {
					return sim.Schedule{}, false
				}
				return schedules[at], true
			})
			t.Logf("%d of %d", n, len(schedules))
		})
	}
}

// What is broken on purpose is noticed: by a schedule made for it or, where almost
// any does, by one of the first.
func TestDefectsAreNoticed(t *testing.T) {
	all := traces(t)
	made := map[sim.Defect]string{
		sim.NoLock: "add-2-3 5 undo, rival n1 0.2 1s", // both are planning
		// Two rivals are done when one that had planned before comes to lock.
		sim.NoLook:  "conf-sync-down 1 undo, freeze n1 2.0 15s, rival n1 2.0 1s, rival n1 2.0 1s",
		sim.NoTest:  "conf-set-picky 1 undo",
		sim.NoGuard: "add-2-3 3 undo, die n1 12.2 1s", // right before n3 gets its vote
	}
	for _, d := range sim.Defects() {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2000) {
				s := sim.Random(seed, all)
				if line := made[d]; line != "" {
					var err error
					if s, err = sim.ParseSchedule(line); err != nil {
						t.Fatal(err)
					}
				}
				s.Broken = []sim.Defect{d}
				o := sim.Run(t, s)
				if len(o.Troubles) == 0 && made[d] == "" {
					continue
				}
				if len(o.Troubles) == 0 {
					break
				}
				t.Logf("%s: %s", s, o.Troubles[0])
				s.Broken = nil
				fails(t, s, sim.Run(t, s)) // it is the defect that makes it wrong
				return
			}
			t.Errorf("nothing is seen to be wrong when %s", d)
		})
	}
}

func TestRandomSchedules(t *testing.T) {
	n := *seeds
	if n == 0 {
		n = 300
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
