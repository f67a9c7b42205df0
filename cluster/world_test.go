package cluster_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
	"clusterctl/internal/sim"
)

// world is a simulated world in which everything happens at once, and an admin.
type world struct {
	*sim.World
	admin *sim.Admin
}

func newWorld(names ...string) *world {
	w := sim.New(names...)
	return &world{w, w.Admin(1)}
}

func (w *world) nodes() map[string]cluster.Node { return w.admin.Nodes() }

// state is what an admin would compare: files and services of every machine.
func (w *world) state() map[string]string {
	out := map[string]string{}
	for _, m := range w.Machines() {
		out[m.Name()] = fmt.Sprint(m.Files())
		for _, unit := range []string{"corosync", "pacemaker"} {
			out[m.Name()] += fmt.Sprintf(" %s: active %v, enabled %v", unit, m.Active(unit), m.Enabled(unit))
		}
	}
	return out
}

// open lists the machines on which an operation is open.
func (w *world) open() []string {
	var names []string
	for _, m := range w.Machines() {
		if len(m.Open()) > 0 {
			names = append(names, m.Name())
		}
	}
	slices.Sort(names)
	return names
}

// facts are those of all machines that answer, sorted by name.
func (w *world) facts() []*cluster.Facts {
	w.Settle()
	var all []*cluster.Facts
	for _, m := range w.Machines() {
		if !m.Deaf {
			all = append(all, m.Facts())
		}
	}
	return all
}

// executor carries plans out in the world.
func (w *world) executor() *cluster.Executor {
	return &cluster.Executor{
		User: "root", Host: "admin", Grace: time.Nanosecond,
		Connect: func(ctx context.Context, n cluster.PlanNode) (cluster.Node, error) { return w.admin.Connect(ctx, n) },
	}
}

func parsed(text string) corosyncconf.Config {
	f, _ := corosyncconf.Parse("", []byte(text))
	return f.Config()
}
