package cluster_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"clusterctl/cluster"
)

// paced is a world of n machines, all with pacemaker, the first m of which are
// a cluster. The others run by themselves, as Debian has them run.
func paced(t *testing.T, m, n int) *world {
	t.Helper()
	w := running(t, m, n, nil)
	for i, b := range w.Machines() {
		if i >= m {
			b.SetFile(cluster.ConfPath, debianDefault)
			b.Enable("corosync")
		}
		if err := b.Pace(); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// knownEverywhere checks whom pacemaker knows on each of these machines.
func (w *world) knownEverywhere(t *testing.T, want []uint32, names ...string) {
	t.Helper()
	for _, name := range names {
		if diff := cmp.Diff(want, w.Machine(name).Peers()); diff != "" {
			t.Errorf("whom pacemaker on %s knows (-want +got):\n%s", name, diff)
		}
	}
}

func TestPacemakerRunsOnNewNodesAndHasTheClustersConfiguration(t *testing.T) {
	w := paced(t, 3, 5)
	cib := w.Machine("n1").File(cluster.CIBPath)
	brought := w.Machine("n4").File(cluster.CIBPath)
	p, err := w.planAdd(t, "n4", "n5")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.carryOut(t, p); err != nil {
		t.Fatal(err)
	}
	for _, name := range nodeNames(1, 5) {
		b := w.Machine(name)
		if !b.Active("pacemaker") || !b.Enabled("pacemaker") || b.File(cluster.CIBPath) != cib {
			t.Errorf("%s: active %t, enabled %t, with %q", name, b.Active("pacemaker"), b.Enabled("pacemaker"), b.File(cluster.CIBPath))
		}
	}
	if aside := w.Machine("n4").File(cluster.CIBPath + ".bak"); aside != brought {
		t.Errorf("n4 had %q, and kept %q", brought, aside)
	}
	w.knownEverywhere(t, []uint32{1, 2, 3, 4, 5}, nodeNames(1, 5)...)
}

func TestACreatedClusterBeginsWithoutAPacemakerConfiguration(t *testing.T) {
	w := newWorld("n1", "n2")
	w.Trouble = func(trouble string) { t.Error(trouble) }
	for _, b := range w.Machines() {
		b.SetFile(cluster.ConfPath, debianDefault)
		if err := b.Pace(); err != nil {
			t.Fatal(err)
		}
	}
	p := planOf(t, request("n1", "n2"), w.facts())
	for _, name := range nodeNames(1, 2) {
		p.Nodes = append(p.Nodes, cluster.PlanNode{Name: name, Addresses: []string{name}})
	}
	if err := w.carryOut(t, p); err != nil {
		t.Fatal(err)
	}
	w.knownEverywhere(t, []uint32{1, 2}, "n1", "n2")
}

func TestPacemakerForgetsWhoLeaves(t *testing.T) {
	w := paced(t, 5, 5)
	w.Machine("n5").Crash()
	w.Machine("n5").Deaf = true
	for _, spec := range []cluster.DeleteSpec{{Nodes: []string{"n5"}, Offline: true}, {Nodes: []string{"n3", "n4"}}} {
		p, err := cluster.PlanDelete(spec, w.view(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.carryOut(t, p); err != nil {
			t.Fatal(err)
		}
	}
	w.knownEverywhere(t, []uint32{1, 2}, "n1", "n2")
	for _, name := range nodeNames(3, 4) {
		if b := w.Machine(name); b.Active("pacemaker") || b.Enabled("pacemaker") {
			t.Errorf("%s: pacemaker is active %t, enabled %t", name, b.Active("pacemaker"), b.Enabled("pacemaker"))
		}
	}
}

// warnings are what an operation warned of.
type warnings []string

func (*warnings) Start(string) func(error) { return func(error) {} }
func (w *warnings) Warn(text string)       { *w = append(*w, text) }

// A node that has left is out, whatever pacemaker elsewhere makes of it.
func TestANodeLeavesAlsoWherePacemakerDoesNotForgetIt(t *testing.T) {
	w := paced(t, 4, 4)
	w.Machine("n2").Fail = func(_ cluster.Note, op cluster.Op) error {
		if op.Kind == cluster.OpForget {
			return errors.New("pacemaker does not answer")
		}
		return nil
	}
	p, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n4"}}, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	var told warnings
	x := w.executor()
	x.Report = &told
	if err := x.Run(t.Context(), p, w.nodes()); err != nil {
		t.Fatal(err)
	}
	w.settledOn(t, "n1", "n2", "n3")
	if len(told) != 1 || !strings.Contains(told[0], "n2") || !strings.Contains(told[0], "pacemaker does not answer") {
		t.Errorf("warned of %q", told)
	}
	if open := w.open(); len(open) > 0 {
		t.Errorf("still open on %v", open)
	}
}

// Whatever operation fails on whatever node, pacemaker is everywhere as it was,
// knows whom it knew, and has the configuration that it had.
func TestAFailedChangeLeavesPacemakerAsItWas(t *testing.T) {
	changes := map[string]func(t *testing.T) (*world, *cluster.Plan, error){
		"add 3 to 5": func(t *testing.T) (*world, *cluster.Plan, error) {
			w := paced(t, 3, 5)
			p, err := w.planAdd(t, "n4", "n5")
			return w, p, err
		},
		"delnode 5 to 3": func(t *testing.T) (*world, *cluster.Plan, error) {
			w := paced(t, 5, 5)
			p, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n4", "n5"}}, w.view(t))
			return w, p, err
		},
	}
	state := func(w *world) string {
		var all []string
		for _, b := range w.Machines() {
			all = append(all, fmt.Sprintln(b.Name(), b.Active("pacemaker"), b.Enabled("pacemaker"), b.Peers(), b.File(cluster.CIBPath), b.File(cluster.CIBPath+".bak")))
		}
		return strings.Join(all, "")
	}
	for name, change := range changes {
		_, plan, err := change(t)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range plan.Steps {
			for i, op := range step.Do.Ops {
				if step.Do.Soft {
					continue
				}
				victim := step.Do.Nodes[len(step.Do.Nodes)-1]
				if step.Do.One {
					victim = step.Do.Nodes[0]
				}
				t.Run(fmt.Sprintf("%s: %s of %s on %s", name, op.Kind, step.ID, victim), func(t *testing.T) {
					w, p, err := change(t)
					if err != nil {
						t.Fatal(err)
					}
					before := state(w)
					w.Machine(victim).Fail = func(n cluster.Note, o cluster.Op) error {
						if n == (cluster.Note{Phase: cluster.Doing, Step: step.ID}) && o == step.Do.Ops[i] {
							return errors.New("it broke")
						}
						return nil
					}
					if err := w.carryOut(t, p); err == nil {
						t.Fatal("it did not fail")
					}
					if diff := cmp.Diff(before, state(w)); diff != "" {
						t.Errorf("not as before (-before +after):\n%s", diff)
					}
				})
			}
		}
	}
}

func TestPacemakerThatDoesNotStartInTheClusterIsLeftAsItWas(t *testing.T) {
	w := paced(t, 3, 4)
	n4 := w.Machine("n4")
	n4.Fail = func(_ cluster.Note, op cluster.Op) error {
		if (op.Kind == cluster.OpStart || op.Kind == cluster.OpReset) && op.Unit == "pacemaker" && n4.File(cluster.ConfPath) != debianDefault {
			return errors.New("systemctl start pacemaker failed")
		}
		return nil
	}
	before := w.state()["n4"]
	p, err := w.planAdd(t, "n4")
	if err != nil {
		t.Fatal(err)
	}
	err = w.carryOut(t, p)
	if _, ok := errors.AsType[*cluster.UndoneError](err); !ok {
		t.Errorf("error is %T: %v", err, err)
	}
	if diff := cmp.Diff(before, w.state()["n4"]); diff != "" {
		t.Errorf("n4 is not as before (-before +after):\n%s", diff)
	}
}

// What would fence a node stands against all that stops corosync on it.
func TestANodeThatWouldBeFencedIsNotStopped(t *testing.T) {
	running := cluster.Unit{Loaded: true, Active: "active", Enabled: true}
	tests := []struct {
		name string
		edit func(*cluster.Facts)
		want string // "" is allowed
	}{
		{"pacemaker with fencing", func(f *cluster.Facts) { f.Fencing = cluster.FencingOn }, "n3: pacemaker runs there with fencing enabled; stop pacemaker there first, and see its resources move away: systemctl stop pacemaker"},
		{"pacemaker that does not say", func(f *cluster.Facts) { f.Fencing = cluster.FencingUnknown }, "n3: pacemaker runs there and does not say whether fencing is enabled (crm_attribute -n stonith-enabled); stop pacemaker there first, and see its resources move away: systemctl stop pacemaker"},
		{"pacemaker in maintenance mode", func(f *cluster.Facts) { f.Maintenance = true }, ""},
		{"sbd", func(f *cluster.Facts) { f.Units["sbd"] = running }, "n3: sbd runs there, which ends only with corosync and may reset the node; stop both there by hand, pacemaker first: systemctl stop pacemaker corosync"},
		{"dlm", func(f *cluster.Facts) { f.Units["dlm"] = running }, "n3: the distributed lock manager is in use there; stop there what uses it (shared file systems, clustered LVM), and then it: systemctl stop dlm, or pacemaker if that runs it"},
		{"lockspaces", func(f *cluster.Facts) { f.DLM = true }, "n3: the distributed lock manager is in use there; stop there what uses it (shared file systems, clustered LVM), and then it: systemctl stop dlm, or pacemaker if that runs it"},
		{"Proxmox HA", func(f *cluster.Facts) { f.Units["pve-ha-lrm"] = running }, "n3: pve-ha-lrm runs there, whose watchdog resets the node; take its HA resources away (ha-manager status), or stop pve-ha-lrm there first, and start it again afterwards"},
	}
	service := cluster.ServiceSpec{Nodes: []string{"n3"}}
	plans := map[string]func(*cluster.View) (*cluster.Plan, error){
		"delnode": func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3"}}, v)
		},
		"delnode --force of the others": func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n1", "n2"}, Force: true}, v)
		},
		"stop": func(v *cluster.View) (*cluster.Plan, error) { return cluster.PlanStop(service, v) },
		"stop --all": func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanStop(cluster.ServiceSpec{All: true}, v)
		},
		"restart": func(v *cluster.View) (*cluster.Plan, error) { return cluster.PlanRestart(service, v) },
	}
	for _, tt := range tests {
		for verb, plan := range plans {
			t.Run(verb+", "+tt.name, func(t *testing.T) {
				w := paced(t, 3, 3)
				if strings.Contains(verb, "--force") { // then n3 is left without quorum
					w = paced(t, 5, 5)
					w.Machine("n4").Crash()
					w.Machine("n5").Crash()
				}
				v := w.view(t)
				tt.edit(v.Nodes[2].Facts)
				p, err := plan(v)
				if tt.want == "" {
					if err != nil || !slices.ContainsFunc(p.Notes, func(p cluster.Problem) bool { return p.Code == cluster.CodeUnmanaged }) && !strings.Contains(verb, "--force") {
						t.Errorf("got %v, want a warning of resources that stay", err)
					}
					return
				}
				if ps := cluster.ProblemsOf(err); !slices.ContainsFunc(ps, func(p cluster.Problem) bool { return p.Code == cluster.CodeFence && p.String() == tt.want }) {
					t.Errorf("no problem\n%s\namong\n%v", tt.want, err)
				}
			})
		}
	}
}

// section is one answer of the scripts that read a node.
func section(name string, status int, out string) string {
	return fmt.Sprintf("%s %d %d\n%s\n", name, status, len(out), out)
}

// What crm_attribute prints was seen on pacemaker 2.1.5 and 3.0.0.
func TestWhetherPacemakerFences(t *testing.T) {
	type answer struct {
		status int
		out    string
	}
	tests := []struct {
		name                 string
		stonith, maintenance answer
		want                 cluster.Fencing
		maintained           bool
	}{
		{"as it comes", answer{0, "true"}, answer{0, "false"}, cluster.FencingOn, false},
		{"disabled", answer{0, "false"}, answer{0, "false"}, cluster.FencingOff, false},
		{"disabled in other words", answer{0, "OFF"}, answer{0, "no"}, cluster.FencingOff, false},
		{"enabled in other words", answer{0, "yes"}, answer{0, "0"}, cluster.FencingOn, false},
		{"a word that is neither", answer{0, "bogus"}, answer{0, "false"}, cluster.FencingOn, false},
		{"set twice, and differently", answer{0, "true\nfalse"}, answer{0, "false"}, cluster.FencingOn, false},
		{"in maintenance", answer{0, "true"}, answer{0, "1"}, cluster.FencingOff, true},
		{"in maintenance by one of two", answer{0, "true"}, answer{0, "true\nfalse"}, cluster.FencingOn, false},
		{"its configuration cannot be read", answer{102, ""}, answer{102, ""}, cluster.FencingUnknown, false},
		{"it hangs", answer{124, ""}, answer{124, ""}, cluster.FencingUnknown, false},
		{"its tools are not installed", answer{127, ""}, answer{127, ""}, cluster.FencingUnknown, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := cluster.ParseFacts("n1", []byte(section("stonith", tt.stonith.status, tt.stonith.out)+
				section("maintenance", tt.maintenance.status, tt.maintenance.out)+section("end", 0, "")), time.Time{}, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if f.Fencing != tt.want || f.Maintenance != tt.maintained {
				t.Errorf("fencing %q, maintenance %t; want %q, %t", f.Fencing, f.Maintenance, tt.want, tt.maintained)
			}
		})
	}
	f, err := cluster.ParseFacts("n1", []byte(section("end", 0, "")), time.Time{}, time.Time{})
	if err != nil || f.Fencing != cluster.FencingOff {
		t.Errorf("where pacemaker does not run: %q, %v", f.Fencing, err)
	}
}

// A journal keeps what its own node has of what is going to be changed, and no
// more: the configuration of pacemaker can be large.
func TestNodesSaveOnlyWhatIsChangedOnThem(t *testing.T) {
	w := paced(t, 3, 4)
	p, err := w.planAdd(t, "n4")
	if err != nil {
		t.Fatal(err)
	}
	saved := map[string]bool{}
	for _, name := range nodeNames(1, 4) {
		paths, _ := cluster.Touched(p, name)
		saved[name] = slices.Contains(paths, cluster.CIBPath)
		if !slices.Contains(paths, cluster.ConfPath) {
			t.Errorf("%s does not save %s", name, cluster.ConfPath)
		}
	}
	if diff := cmp.Diff(map[string]bool{"n1": false, "n2": false, "n3": false, "n4": true}, saved); diff != "" {
		t.Errorf("who saves %s (-want +got):\n%s", cluster.CIBPath, diff)
	}
}
