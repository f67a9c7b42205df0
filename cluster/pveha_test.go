package cluster_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
)

// guarded is a cluster of Proxmox VE in which HA has guests on every node.
func guarded(t *testing.T) *world {
	w := virtual(t, 3, 3)
	for _, m := range w.Machines() {
		m.Guard()
	}
	return w
}

// stopsAll and restartsEach are changes of corosync.conf that take a restart.
var (
	stopsAll     = cluster.ConfSpec{What: "set totem.netmtu", Restart: true, Edit: func(f *corosyncconf.File) error { return f.Root().Section("totem").Set("netmtu", "1400") }}
	restartsEach = cluster.ConfSpec{What: "set quorum.wait_for_all", Restart: true, Edit: func(f *corosyncconf.File) error { return f.Root().Section("quorum").Set("wait_for_all", "1") }}
)

var haPlans = map[string]func(*cluster.View) (*cluster.Plan, error){
	"stop": func(v *cluster.View) (*cluster.Plan, error) {
		return cluster.PlanStop(cluster.ServiceSpec{Nodes: []string{"n3"}}, v)
	},
	"stop --all": func(v *cluster.View) (*cluster.Plan, error) {
		return cluster.PlanStop(cluster.ServiceSpec{All: true}, v)
	},
	"restart --all": func(v *cluster.View) (*cluster.Plan, error) {
		return cluster.PlanRestart(cluster.ServiceSpec{All: true}, v)
	},
	"a change that stops all":        func(v *cluster.View) (*cluster.Plan, error) { return cluster.PlanConf(stopsAll, v) },
	"a change that restarts in turn": func(v *cluster.View) (*cluster.Plan, error) { return cluster.PlanConf(restartsEach, v) },
	"delnode": func(v *cluster.View) (*cluster.Plan, error) {
		return cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3"}}, v)
	},
	"separate": func(v *cluster.View) (*cluster.Plan, error) { return cluster.PlanSeparate("n3", key, v) },
}

// HA is at rest wherever corosync is stopped, and goes on afterwards where the
// node stays and runs. The simulator tells of a watchdog that is held then.
func TestHAIsBroughtToRestBeforeCorosyncIsStopped(t *testing.T) {
	for name, plan := range haPlans {
		t.Run(name, func(t *testing.T) {
			w := guarded(t)
			w.Trouble = func(trouble string) {
				if !strings.Contains(name, "all") || strings.Contains(trouble, "watchdog") {
					t.Error(trouble)
				}
			}
			p, err := plan(w.view(t))
			w.goes(t, p, err)
			for _, m := range w.Machines() {
				if on := m.Active("pve-ha-lrm") && m.Active("pve-ha-crm"); on != m.Active("corosync") {
					t.Errorf("%s: corosync %v, HA %v", m.Name(), m.Active("corosync"), on)
				}
			}
			leaves := name == "delnode" || name == "separate"
			if m := w.Machine("n3"); leaves == m.Enabled("pve-ha-crm") || leaves == m.Enabled("pve-ha-lrm") {
				t.Errorf("n3: HA is started at boot: %v", !leaves)
			}
		})
	}
}

// Whatever fails, HA is as it was, and at rest while corosync is stopped.
func TestAFailedChangeLeavesHAAsItWas(t *testing.T) {
	for name, plan := range haPlans {
		if strings.HasPrefix(name, "stop") || name == "separate" {
			continue
		}
		p, err := plan(guarded(t).view(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range p.Steps {
			if step.Do.Soft || len(step.Do.Ops) == 0 {
				continue
			}
			t.Run(name+", "+step.ID, func(t *testing.T) {
				w := guarded(t)
				w.Trouble = func(trouble string) {
					if strings.Contains(trouble, "watchdog") {
						t.Error(trouble)
					}
				}
				p, err := plan(w.view(t))
				if err != nil {
					t.Fatal(err)
				}
				last := step.Do.Ops[len(step.Do.Ops)-1]
				for _, m := range w.Machines() {
					m.Fail = func(n cluster.Note, o cluster.Op) error {
						if n == (cluster.Note{Phase: cluster.Doing, Step: step.ID}) && o == last {
							return errors.New("it broke")
						}
						return nil
					}
				}
				if err := w.carryOut(t, p); err == nil {
					t.Fatal("it did not fail")
				}
				for _, m := range w.Machines() {
					for _, unit := range []string{"corosync", "pve-ha-lrm", "pve-ha-crm"} {
						if !m.Active(unit) || !m.Enabled(unit) {
							t.Errorf("%s: %s: active %v, enabled %v", m.Name(), unit, m.Active(unit), m.Enabled(unit))
						}
					}
				}
			})
		}
	}
}

// A node on its way out may reboot, and have HA take its watchdog again.
func TestHAIsBroughtToRestOnANodeThatCameUpAgain(t *testing.T) {
	for _, name := range []string{"delnode", "separate"} {
		t.Run(name, func(t *testing.T) {
			w := guarded(t)
			p, err := haPlans[name](w.view(t))
			m := w.Machine("n3")
			m.Fail = func(n cluster.Note, o cluster.Op) error {
				if strings.HasPrefix(n.Step, "aside") && o.Kind == cluster.OpDisable && o.Unit == "pacemaker" {
					for _, unit := range []string{"corosync", "pve-ha-crm", "pve-ha-lrm"} {
						if err := m.Start(unit); err != nil {
							return err
						}
					}
					m.Guard()
				}
				return nil
			}
			w.goes(t, p, err)
			if m.Active("corosync") || m.Active("pve-ha-lrm") || m.Active("pve-ha-crm") {
				t.Error("it runs")
			}
		})
	}
}

func TestHAStartsAgainWithTheCluster(t *testing.T) {
	w := guarded(t)
	for _, unit := range []string{"pve-ha-lrm", "pve-ha-crm"} {
		for _, m := range w.Machines() {
			m.Stop(unit)
		}
	}
	v := w.view(t)
	if ps := cluster.NewStatus(v).Problems; len(ps) != 3 || ps[0].Code != cluster.CodeHAOff {
		t.Errorf("status: %v", ps)
	}
	p, err := cluster.PlanStart(cluster.ServiceSpec{All: true}, v)
	w.goes(t, p, err)
	for _, m := range w.Machines() {
		if !m.Active("pve-ha-lrm") || !m.Active("pve-ha-crm") {
			t.Errorf("%s: HA does not run", m.Name())
		}
	}
}

// A node that left, and comes back, has HA as the others have it, also when that
// is taken back.
func TestHAComesBackWithANodeThatLeft(t *testing.T) {
	units := []string{"pve-ha-lrm", "pve-ha-crm"}
	w := virtual(t, 3, 3)
	p, err := haPlans["delnode"](w.view(t))
	w.goes(t, p, err)
	n3 := w.Machine("n3")
	p, err = w.planAdd(t, "n3")
	w.goes(t, p, err)
	for _, unit := range units {
		if !n3.Active(unit) || !n3.Enabled(unit) {
			t.Errorf("%s: active %v, enabled %v", unit, n3.Active(unit), n3.Enabled(unit))
		}
	}
	for _, off := range []struct {
		on   []string
		want int
	}{{[]string{"n3"}, 1}, {five[:3], 0}} { // everywhere it is meant
		v := w.view(t)
		for _, name := range off.on {
			f := v.Nodes[slices.Index(five, name)].Facts
			for _, unit := range units {
				f.Units[unit] = cluster.Unit{Loaded: true, Active: "inactive"}
			}
		}
		if ps := cluster.NewStatus(v).Problems; len(ps) != off.want || len(ps) > 0 && ps[0].Remedy != "systemctl enable --now pve-ha-crm pve-ha-lrm" {
			t.Errorf("off on %v: %v", off.on, ps)
		}
	}
}

// HA that a node brings along is part of the cluster's once it has joined, and may have
// the node reset. When the join is taken back it comes to rest first, and then runs as
// before.
func TestAnAddThatIsTakenBackBringsHAToRest(t *testing.T) {
	for name, world := range map[string]func(*testing.T) (*world, cluster.AddSpec){
		"a new node":                func(t *testing.T) (*world, cluster.AddSpec) { return virtual(t, 2, 3), cluster.AddSpec{} },
		"with a cluster's /etc/pve": func(t *testing.T) (*world, cluster.AddSpec) { return returned(t), cluster.AddSpec{Force: true} },
	} {
		t.Run(name, func(t *testing.T) {
			w, spec := world(t)
			w.Trouble = func(trouble string) {
				if strings.Contains(trouble, "watchdog") {
					t.Error(trouble)
				}
			}
			n3 := w.Machine("n3")
			p, err := w.planSpec(t, spec, "n3")
			if err != nil {
				t.Fatal(err)
			}
			n3.Fail = func(n cluster.Note, o cluster.Op) error {
				switch {
				case n.Phase == cluster.Doing && o.Kind == cluster.OpPmxcfs && o.Name == "fresh":
					n3.Guard()
				case n.Phase == cluster.Doing && o.Kind == cluster.OpSwap && n3.Armed():
					return errors.New("it has joined, and now it cannot get its vote")
				}
				return nil
			}
			var undone *cluster.UndoneError
			if err := w.carryOut(t, p); !errors.As(err, &undone) {
				t.Fatal(err)
			}
			for _, unit := range []string{"pve-ha-lrm", "pve-ha-crm"} {
				if !n3.Active(unit) || !n3.Enabled(unit) {
					t.Errorf("%s: active %v, enabled %v", unit, n3.Active(unit), n3.Enabled(unit))
				}
			}
		})
	}
}

// HA that was off on the node is off again.
func TestAnAddThatIsTakenBackHasHAOffAgain(t *testing.T) {
	w := virtual(t, 3, 3)
	p, err := haPlans["delnode"](w.view(t))
	w.goes(t, p, err)
	n3 := w.Machine("n3")
	n3.Guard()
	if p, err = w.planAdd(t, "n3"); err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(p.Steps, func(s cluster.Step) bool { return s.ID == "ha" })
	p.Steps = append(p.Steps, cluster.Step{ID: "late", What: "what fails", Do: cluster.Act{Nodes: []string{"n1"}, Ops: []cluster.Op{{Kind: cluster.OpWritable}}}})
	w.Machine("n1").Fail = func(n cluster.Note, _ cluster.Op) error {
		if n.Step != "late" {
			return nil
		}
		if !n3.Active("pve-ha-lrm") || !n3.Enabled("pve-ha-lrm") || !n3.Armed() {
			t.Error("HA does not run on n3, or holds no watchdog: there is nothing to take back")
		}
		return errors.New("it broke")
	}
	var undone *cluster.UndoneError
	if err := w.carryOut(t, p); at < 0 || !errors.As(err, &undone) {
		t.Fatal(at, err)
	}
	for _, unit := range []string{"pve-ha-lrm", "pve-ha-crm"} {
		if n3.Active(unit) || n3.Enabled(unit) {
			t.Errorf("%s: active %v, enabled %v", unit, n3.Active(unit), n3.Enabled(unit))
		}
	}
}

// Where HA cannot be brought to rest, corosync is not stopped.
func TestHAThatCannotComeToRestStandsAgainstAStop(t *testing.T) {
	tests := []struct {
		name string
		edit func(*cluster.View, *cluster.Facts)
		want string
	}{
		{"unknown", func(_ *cluster.View, f *cluster.Facts) { f.PVE.LRM = "" }, "its state is not known"},
		{"no lock", func(_ *cluster.View, f *cluster.Facts) { f.PVE.LRM = "lost_agent_lock" }, "about to reset the node"},
		{"maintenance", func(_ *cluster.View, f *cluster.Facts) { f.PVE.LRM = "maintenance" }, "maintenance mode"},
		{"on its way to maintenance", func(_ *cluster.View, f *cluster.Facts) { f.PVE.LRMMode = "maintenance" }, "maintenance mode"},
		{"being stopped", func(_ *cluster.View, f *cluster.Facts) { f.PVE.LRMMode = "restart" }, "on its way to another state"},
		{"pmxcfs that cannot be written", func(_ *cluster.View, f *cluster.Facts) { f.PVE.Writable = false }, "pmxcfs is not yet"},
		{"no master", func(v *cluster.View, _ *cluster.Facts) {
			for _, n := range v.Nodes {
				delete(n.Facts.Units, "pve-ha-crm")
			}
		}, "only with quorum"},
		{"another watchdog", func(_ *cluster.View, f *cluster.Facts) {
			delete(f.Units, "pve-ha-crm")
			delete(f.Units, "pve-ha-lrm")
		}, "and not by HA"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := guarded(t)
			for verb, plan := range haPlans {
				v := w.view(t)
				tt.edit(v, v.Nodes[2].Facts)
				_, err := plan(v)
				if !slices.ContainsFunc(cluster.ProblemsOf(err), func(p cluster.Problem) bool {
					return p.Code == cluster.CodeFence && strings.Contains(p.Message, tt.want)
				}) {
					t.Errorf("%s: got %v", verb, err)
				}
			}
		})
	}
}

// A node on which HA runs guests does not leave with them, also when its HA does not
// run: frozen, they go on.
func TestANodeWithGuestsOfHAStays(t *testing.T) {
	const has = "HA runs its guest ct:200 there"
	tests := []struct {
		name, resources string
		edit            func(*cluster.View)
		want            string
	}{
		{"HA runs", "vm: 100\n\tstate started\n\nct: 200\n", func(*cluster.View) {}, has},
		{"HA does not run", "ct: 200\n", func(v *cluster.View) {
			v.Nodes[2].Facts.PVE.LRM, v.Nodes[2].Facts.Units["pve-ha-lrm"] = "wait_for_agent_lock", cluster.Unit{}
		}, has},
		{"HA leaves it alone", "ct: 200\n\tstate ignored\n\nct: 300\n\tstate disabled\n", func(*cluster.View) {}, ""},
		{"pmxcfs does not run", "ct: 200\n", func(v *cluster.View) {
			v.Nodes[2].Facts.PVE.Writable, v.Nodes[2].Facts.PVE.Homes, v.Nodes[2].Facts.PVE.Files = false, nil, nil
		}, has},
		{"nobody can tell", "ct: 200\n", func(v *cluster.View) {
			for _, n := range v.Nodes {
				n.Facts.PVE.Homes, n.Facts.PVE.Files = nil, nil
			}
		}, "whether HA has guests there is not known: /etc/pve cannot be read"},
		{"its own copy is behind", "ct: 999\n", func(v *cluster.View) {
			v.Nodes[2].Facts.PVE.Writable, v.Nodes[2].Facts.PVE.Files = false, map[string]string{"ha/resources.cfg": "ct: 200\n"}
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := virtual(t, 3, 3)
			w.Machine("n1").SetShared("ha/resources.cfg", tt.resources)
			w.Machine("n1").SetShared("nodes/n3/lxc/200.conf", "cores: 1")
			w.Machine("n1").SetShared("nodes/n3/lxc/300.conf", "cores: 1")
			v := w.view(t)
			v.Nodes[2].Facts.PVE.Guests = []string{"200", "300"}
			tt.edit(v)
			got := ""
			_, err := haPlans["delnode"](v)
			for _, p := range cluster.ProblemsOf(err) {
				if p.Code == cluster.CodeFence {
					got = p.Message
				}
			}
			if got != tt.want {
				t.Errorf("got %q: %v", got, err)
			}
			if _, err := haPlans["stop"](v); err != nil {
				t.Errorf("stop: %v", err)
			}
		})
	}
}

// Right after a start pmxcfs is behind corosync: there is nothing to bring back.
func TestHAThatWaitsForPmxcfsIsToldSo(t *testing.T) {
	v := guarded(t).view(t)
	for i := range v.Nodes {
		v.Nodes[i].Facts.PVE.Writable = false
	}
	_, err := cluster.PlanStop(cluster.ServiceSpec{Nodes: []string{"n3"}}, v)
	ps := cluster.ProblemsOf(err)
	if !slices.ContainsFunc(ps, func(p cluster.Problem) bool {
		return p.Code == cluster.CodeFence && strings.HasPrefix(p.Remedy, "wait some seconds, and try again")
	}) {
		t.Errorf("got %v", err)
	}
}

// A node without quorum has a minute, when HA is active there.
func TestAWatchdogThatIsAboutToResetANodeIsTold(t *testing.T) {
	resets := func(w *world) (nodes []string) {
		for _, c := range cluster.Diagnose(w.patient(t)) {
			if c.Code == cluster.CodeWatchdog {
				nodes = append(nodes, c.Node)
			}
		}
		return nodes
	}
	w := guarded(t)
	if got := resets(w); got != nil {
		t.Errorf("with quorum: %v", got)
	}
	w.Trouble = nil
	w.Machine("n2").Crash()
	w.Machine("n3").Crash()
	if got := resets(w); !slices.Equal(got, []string{"n1"}) {
		t.Errorf("without: %v", got)
	}
	if got := resets(virtual(t, 3, 3)); got != nil {
		t.Errorf("without guests: %v", got)
	}
}
