package cluster_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
)

func TestRestartIsOneNodeAfterTheOther(t *testing.T) {
	for _, size := range []int{1, 2, 3, 5} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			w := running(t, size, size, nil)
			if size == 1 {
				w.Trouble = nil // nobody is left while it restarts
			}
			var stopped []string
			for _, m := range w.Machines() {
				m.Fail = func(_ cluster.Note, op cluster.Op) error {
					if op.Kind == cluster.OpStop {
						stopped = append(stopped, m.Name())
						for _, other := range w.Machines() {
							if !other.Active("corosync") {
								t.Errorf("%s is down when %s is to be stopped", other.Name(), m.Name())
							}
						}
					}
					return nil
				}
			}
			p, err := cluster.PlanRestart(cluster.ServiceSpec{All: true}, w.view(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := w.carryOut(t, p); err != nil {
				t.Fatal(err)
			}
			if len(stopped) != size {
				t.Errorf("restarted %q of %d", stopped, size)
			}
			w.settledOn(t, stopped...)
		})
	}
}

func TestRestartKeepsQuorum(t *testing.T) {
	w := stopped(t)
	_, err := cluster.PlanRestart(cluster.ServiceSpec{All: true}, w.view(t))
	if ps := cluster.ProblemsOf(err); len(ps) != 2 || ps[0].Code != cluster.CodeQuorum || ps[1].Code != cluster.CodeQuorum {
		t.Errorf("with a node of three away: %v", err)
	}
}

func TestRestartStopsWhenAMemberDiesMeanwhile(t *testing.T) {
	w := running(t, 3, 3, nil)
	w.Trouble = nil
	p, err := cluster.PlanRestart(cluster.ServiceSpec{Nodes: []string{"n1", "n2"}}, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	w.Machine("n2").Fail = func(_ cluster.Note, op cluster.Op) error {
		if op.Kind == cluster.OpStop {
			return errors.New("n2 was stopped although n3 is dead")
		}
		return nil
	}
	w.Machine("n1").Fail = func(_ cluster.Note, op cluster.Op) error {
		if op.Kind == cluster.OpStart { // the last thing before n2's turn
			w.Machine("n3").Kill()
		}
		return nil
	}
	for i := range p.Steps { // n3 is not waited for, or this would end before
		if want := p.Steps[i].Do.Want; want != nil {
			want.Members = slices.DeleteFunc(want.Members, func(m cluster.Member) bool { return m.Name == "n3" })
			want.Links = nil
		}
	}
	if err := w.carryOut(t, p); cluster.ProblemsOf(err) == nil || cluster.ProblemsOf(err)[0].Code != cluster.CodeQuorum {
		t.Errorf("got %v", err)
	}
	if !w.Machine("n2").Active("corosync") {
		t.Error("n2 does not run")
	}
}

// Corosync takes a while to notice that a node has died: a member that cannot be
// asked is not relied on.
func TestWhatStopsANodeDoesNotRelyOnAMemberThatDoesNotAnswer(t *testing.T) {
	one := cluster.ServiceSpec{Nodes: []string{"n1"}}
	for name, plan := range map[string]func(*cluster.View) (*cluster.Plan, error){
		"restart": func(v *cluster.View) (*cluster.Plan, error) { return cluster.PlanRestart(one, v) },
		"stop":    func(v *cluster.View) (*cluster.Plan, error) { return cluster.PlanStop(one, v) },
	} {
		for size, refused := range map[int]bool{2: true, 3: true, 4: true, 5: false} {
			t.Run(fmt.Sprintf("%s of %d", name, size), func(t *testing.T) {
				w := running(t, size, size, nil)
				w.Machine("n2").Deaf = true
				p, err := plan(w.view(t))
				if refused {
					if ps := cluster.ProblemsOf(err).Errors(); len(ps) != 1 || ps[0].Code != cluster.CodeQuorum || !strings.Contains(ps[0].Message, "n2 cannot be reached") {
						t.Errorf("got %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if err := w.carryOut(t, p); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestEnableChangesOnlyTheBoot(t *testing.T) {
	w := stopped(t)
	for _, enable := range []bool{false, true} {
		p, err := cluster.PlanEnable(cluster.ServiceSpec{All: true}, w.view(t), enable)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.carryOut(t, p); err != nil {
			t.Fatal(err)
		}
		for _, m := range w.Machines() {
			if m.Enabled("corosync") != enable || m.Active("corosync") != (m.Name() != "n3") {
				t.Errorf("%s: enabled %t, active %t", m.Name(), m.Enabled("corosync"), m.Active("corosync"))
			}
		}
		if again, err := cluster.PlanEnable(cluster.ServiceSpec{All: true}, w.view(t), enable); err != nil || len(again.Steps) > 0 {
			t.Errorf("once more: %v, %v", again, err)
		}
	}
}

func TestRestartRefusesWhatWouldNotComeBack(t *testing.T) {
	w := running(t, 3, 3, nil)
	w.Machine("n2").SetFile(cluster.KeyPath, strings.Repeat("x", 256))
	if _, err := cluster.PlanRestart(cluster.ServiceSpec{Nodes: []string{"n2"}}, w.view(t)); len(cluster.ProblemsOf(err)) == 0 {
		t.Error("with another key: planned")
	}
	w = running(t, 3, 3, nil)
	w.give(edited(t, w.Machine("n1").Running(), 9), "n1", "n2", "n3")
	if _, err := cluster.PlanRestart(cluster.ServiceSpec{Nodes: []string{"n2"}}, w.view(t)); len(cluster.ProblemsOf(err)) == 0 {
		t.Error("with files that are ahead of what runs: planned")
	}
}

func TestRestartLeavesAQuorumDeviceAlone(t *testing.T) {
	w := running(t, 3, 3, func(f *corosyncconf.File) error {
		device := f.Root().Section("quorum").AddSection("device")
		return errors.Join(device.Set("model", "net"), device.AddSection("net").Set("host", "10.0.0.9"))
	})
	_, err := cluster.PlanRestart(cluster.ServiceSpec{Nodes: []string{"n2"}}, w.view(t))
	if ps := cluster.ProblemsOf(err); len(ps) == 0 || ps[0].Code != cluster.CodeDevice || !strings.Contains(ps[0].Remedy, "systemctl start corosync-qdevice") {
		t.Errorf("got %v", err)
	}
}

// Whatever stops corosync on a node is refused while something would fence the
// node for it; what does not is not.
func TestWhatStopsCorosyncIsRefusedWhereANodeWouldBeFenced(t *testing.T) {
	fencers := map[string]func(*cluster.Facts){
		"sbd":                    func(f *cluster.Facts) { f.Units["sbd"] = cluster.Unit{Loaded: true, Active: "active"} },
		"dlm":                    func(f *cluster.Facts) { f.DLM = true },
		"HA of Proxmox":          func(f *cluster.Facts) { f.Units["pve-ha-lrm"] = cluster.Unit{Loaded: true, Active: "active"} },
		"pacemaker with fencing": func(f *cluster.Facts) { f.Fencing = cluster.FencingOn },
	}
	link := cluster.LinkChange{Number: 0, Network: network1, Restart: true}
	tests := []struct {
		name    string
		edit    func(*corosyncconf.File) error
		plan    func(*cluster.View) (*cluster.Plan, error)
		refused bool
	}{
		{"restart n2", nil, func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanRestart(cluster.ServiceSpec{Nodes: []string{"n2"}}, v)
		}, true},
		{"restart --all", nil, func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanRestart(cluster.ServiceSpec{All: true}, v)
		}, true},
		{"restart n1", nil, func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanRestart(cluster.ServiceSpec{Nodes: []string{"n1"}}, v)
		}, false},
		{"stop n2", nil, func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanStop(cluster.ServiceSpec{Nodes: []string{"n2"}}, v)
		}, true},
		{"stop --all", nil, func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanStop(cluster.ServiceSpec{All: true}, v)
		}, true},
		{"link set of udpu", overUDPU, func(v *cluster.View) (*cluster.Plan, error) { return cluster.PlanLinkSet(link, v) }, true},
		{"link set of knet", oneLink, func(v *cluster.View) (*cluster.Plan, error) { return cluster.PlanLinkSet(link, v) }, false},
		{"conf set, one after the other", nil, func(v *cluster.View) (*cluster.Plan, error) {
			s := set(t, "totem.link_mode", "active")
			s.Restart = true
			return cluster.PlanConf(s, v)
		}, true},
		{"conf set, all at once", nil, func(v *cluster.View) (*cluster.Plan, error) {
			s := set(t, "totem.cluster_name", "other")
			s.Restart = true
			return cluster.PlanConf(s, v)
		}, true},
		{"disable", nil, func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanEnable(cluster.ServiceSpec{All: true}, v, false)
		}, false},
	}
	for _, tt := range tests {
		for what, on := range fencers {
			t.Run(tt.name+", "+what, func(t *testing.T) {
				v := running(t, 3, 3, tt.edit).view(t)
				on(v.Nodes[1].Facts)
				_, err := tt.plan(v)
				refused := slices.ContainsFunc(cluster.ProblemsOf(err), func(p cluster.Problem) bool { return p.Code == cluster.CodeFence && p.Node == "n2" && p.Remedy != "" })
				if refused != tt.refused || !tt.refused && err != nil {
					t.Errorf("refused: %t, want %t; %v", refused, tt.refused, err)
				}
			})
		}
	}
}
