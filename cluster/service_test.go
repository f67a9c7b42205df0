package cluster_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
)

// stopped is a running cluster of three of which n3 was stopped.
func stopped(t *testing.T) *world {
	t.Helper()
	w := running(t, 3, 3, nil)
	w.Trouble = nil
	w.Machine("n3").Stop("corosync")
	return w
}

func TestStartBringsANodeBackAsAMember(t *testing.T) {
	w := stopped(t)
	p, err := cluster.PlanStart(cluster.ServiceSpec{Nodes: []string{"n3"}}, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.carryOut(t, p); err != nil {
		t.Fatal(err)
	}
	w.settledOn(t, "n1", "n2", "n3")
	again, err := cluster.PlanStart(cluster.ServiceSpec{All: true}, w.view(t))
	if err != nil || len(again.Steps) > 0 {
		t.Errorf("once more: %v, %v", again, err)
	}
}

func TestStartRefusesANodeThatWouldDisturb(t *testing.T) {
	tests := []struct {
		name string
		edit func(*world)
		code cluster.Code
	}{
		{"its file is not the cluster's", func(w *world) {
			w.Machine("n3").SetFile(cluster.ConfPath, w.Machine("n3").File(cluster.ConfPath)+"# mine\n")
		}, cluster.CodeConfigDrift},
		{"its key is not the cluster's", func(w *world) { w.Machine("n3").SetFile(cluster.KeyPath, "x") }, cluster.CodeKeyDrift},
		{"all files are ahead of what runs", func(w *world) {
			for _, b := range w.Machines() {
				b.SetFile(cluster.ConfPath, strings.Replace(b.File(cluster.ConfPath), "config_version: 1", "config_version: 2", 1))
			}
		}, cluster.CodeConfigPending},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := stopped(t)
			tt.edit(w)
			_, err := cluster.PlanStart(cluster.ServiceSpec{Nodes: []string{"n3"}}, w.view(t))
			if !slices.ContainsFunc(cluster.ProblemsOf(err), func(p cluster.Problem) bool { return p.Code == tt.code }) {
				t.Errorf("no problem %s among:\n%v", tt.code, err)
			}
		})
	}
}

func TestStopKeepsQuorum(t *testing.T) {
	w := running(t, 3, 3, nil)
	_, err := cluster.PlanStop(cluster.ServiceSpec{Nodes: []string{"n2", "n3"}}, w.view(t))
	want := "without n2 and n3 the cluster loses quorum: 1 of 3 votes are left, 2 are needed; stop fewer nodes at once, or the whole cluster with: clusterctl stop --all"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	p, err := cluster.PlanStop(cluster.ServiceSpec{Nodes: []string{"3"}}, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.carryOut(t, p); err != nil {
		t.Fatal(err)
	}
	if w.Machine("n3").Active("corosync") || !w.Machine("n3").Enabled("corosync") {
		t.Error("n3 is not stopped, or would not start at boot")
	}
}

// With --all a node that is dead is left out; by name it is an error.
func TestAllLeavesTheDeadOut(t *testing.T) {
	plans := map[string]func(cluster.ServiceSpec, *cluster.View) (*cluster.Plan, error){"start": cluster.PlanStart, "stop": cluster.PlanStop}
	for verb, plan := range plans {
		w := running(t, 3, 3, nil)
		w.die("n3")
		p, err := plan(cluster.ServiceSpec{All: true}, w.view(t))
		if err != nil {
			t.Errorf("%s --all: %v", verb, err)
			continue
		}
		if !slices.ContainsFunc(p.Notes, func(n cluster.Problem) bool { return n.Node == "n3" && n.Severity == cluster.Warning }) {
			t.Errorf("%s --all does not warn of n3: %v", verb, p.Notes)
		}
		if _, err := plan(cluster.ServiceSpec{Nodes: []string{"n3"}}, w.view(t)); err == nil {
			t.Errorf("%s n3 is planned, although it is dead", verb)
		}
	}
}

// down is a cluster of which no node runs, as after a power cut; corosync does not
// start on some.
func down(t *testing.T, size int, broken ...string) (*world, *cluster.View) {
	t.Helper()
	w := running(t, size, size, nil)
	w.Trouble = nil
	v := w.view(t)
	for i := range v.Nodes {
		m := w.Machine(v.Nodes[i].Name)
		m.Stop("corosync")
		if slices.Contains(broken, m.Name()) {
			m.Fail = func(_ cluster.Note, op cluster.Op) error {
				if op.Kind == cluster.OpStart {
					return errors.New("no such device")
				}
				return nil
			}
		}
	}
	w.Settle()
	for i := range v.Nodes {
		v.Nodes[i].Facts = w.Machine(v.Nodes[i].Name).Facts()
	}
	return w, v
}

// One node that does not come up keeps no other down, and is named.
func TestAColdStartBringsUpWhatItCan(t *testing.T) {
	tests := map[string]struct {
		size      int
		broken    []string
		says, not string
	}{
		"all come up":                 {3, nil, "", ""},
		"one does not":                {3, []string{"n3"}, "n3: see that all came up: no such device", "n1"},
		"too few for quorum":          {5, []string{"n2", "n3", "n5"}, "not quorate: 2 of 5 votes are present, 3 are needed; away: n2, n3 and n5; start the others as well or, only if they are down for sure, go on without them: clusterctl -H n1 expected 2", "such device"},
		"none does":                   {3, []string{"n1", "n2", "n3"}, "no such device", "quorate"},
		"the only one that has to be": {1, nil, "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, v := down(t, tt.size, tt.broken...)
			p, err := cluster.PlanStart(cluster.ServiceSpec{All: true}, v)
			if err != nil {
				t.Fatal(err)
			}
			err = w.carryOut(t, p)
			text := ""
			if err != nil {
				text = cluster.ProblemsOf(err).Error()
				if cluster.Stood(err) == "" {
					t.Errorf("it does not say that what was started stands: %v", err)
				}
			}
			if !strings.Contains(text, tt.says) || (tt.says == "") != (text == "") || tt.not != "" && strings.Contains(text, tt.not) {
				t.Errorf("want %q, and nothing of %q, got %q", tt.says, tt.not, text)
			}
			for _, m := range w.Machines() {
				if m.Active("corosync") == slices.Contains(tt.broken, m.Name()) {
					t.Errorf("%s: corosync runs: %t", m.Name(), m.Active("corosync"))
				}
			}
			if open := w.open(); len(open) > 0 {
				t.Errorf("the operation is open on %q", open)
			}
		})
	}
}

func TestAColdStartSaysWhatIsMissingBeforehand(t *testing.T) {
	_, v := down(t, 5)
	for i := range v.Nodes[2:] {
		v.Nodes[2+i].Facts, v.Nodes[2+i].Err = nil, errors.New("no route")
	}
	p, err := cluster.PlanStart(cluster.ServiceSpec{All: true}, v)
	const want = "the cluster will not be quorate: 2 of 5 votes, 3 needed; away: n3, n4 and n5; start the others as well or, only if they are down for sure, go on without them: clusterctl -H n1 expected 2"
	if err != nil || !strings.Contains(p.Notes.Error(), want) {
		t.Errorf("want %q, got %v, %v", want, err, p)
	}
}

// The rules that an admin chose hold at every size.
func TestGrowingAndShrinkingUnderOtherRules(t *testing.T) {
	set := func(keys ...string) func(*corosyncconf.File) error {
		return func(f *corosyncconf.File) error {
			q := f.Root().Section("quorum")
			q.Unset("two_node")
			for i := 0; i < len(keys); i += 2 {
				if err := q.Set(keys[i], keys[i+1]); err != nil {
					return err
				}
			}
			return nil
		}
	}
	tests := []struct {
		name     string
		from, to int
		edit     func(*corosyncconf.File) error
	}{
		{"last_man_standing, 4 to 6", 4, 6, set("last_man_standing", "1")},
		{"last_man_standing, 6 to 4", 6, 4, set("last_man_standing", "1")},
		{"last_man_standing, 6 to 3", 6, 3, set("last_man_standing", "1")},
		{"last_man_standing, 8 to 3", 8, 3, set("last_man_standing", "1")},
		{"last_man_standing, 4 to 2", 4, 2, set("last_man_standing", "1")},
		{"expected_votes written out, 3 to 5", 3, 5, set("expected_votes", "3")},
		{"expected_votes written out, 5 to 3", 5, 3, set("expected_votes", "5")},
		{"no two_node, 2 to 1", 2, 1, set()},
		{"no two_node, 2 to 3", 2, 3, set()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := running(t, tt.from, max(tt.from, tt.to), tt.edit)
			var p *cluster.Plan
			var err error
			if tt.to > tt.from {
				p, err = w.planAdd(t, nodeNames(tt.from+1, tt.to)...)
			} else {
				p, err = cluster.PlanDelete(cluster.DeleteSpec{Nodes: nodeNames(tt.to+1, tt.from)}, w.view(t))
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := w.carryOut(t, p); err != nil {
				t.Fatal(err)
			}
			w.settledOn(t, nodeNames(1, tt.to)...)
			conf := parsed(w.Machine("n1").File(cluster.ConfPath))
			if got := conf.ExpectedVotes(); got != tt.to {
				t.Errorf("expected votes are %d, want %d", got, tt.to)
			}
		})
	}
}

func TestExpectedHoldsToCorosyncsLimits(t *testing.T) {
	tests := []struct {
		votes int
		want  string // of the refusal
	}{
		{2, "expected votes 2: the partition of n1, n2 and n3 has 3 votes, and corosync does not expect fewer than there are; use 3 or more"},
		{6, "expected votes 6: the partition of n1, n2 and n3 has 3 votes, and would lose its quorum; use 3 to 5"},
		{5, ""},
	}
	for _, tt := range tests {
		w := running(t, 3, 3, nil)
		p, err := cluster.PlanExpected(tt.votes, w.view(t))
		if tt.want != "" {
			if err == nil || err.Error() != tt.want {
				t.Errorf("expected %d: got %v, want %s", tt.votes, err, tt.want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(cluster.QuorumPoint{Votes: 3, Expected: 5, Quorum: 3}, p.Quorum.After); diff != "" {
			t.Errorf("after (-want +got):\n%s", diff)
		}
		if !slices.ContainsFunc(p.Notes, func(n cluster.Problem) bool { return strings.Contains(n.Message, "until the next reload") }) {
			t.Errorf("it does not say how long it lasts: %v", p.Notes)
		}
	}
}
