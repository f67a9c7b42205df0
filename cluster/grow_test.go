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
	"clusterctl/corosyncconf"
)

// running is a world in which the first m of n machines are a cluster, made by
// create, with comments of an admin's hand in its file.
func running(t *testing.T, m, n int, edit func(*corosyncconf.File) error) *world {
	t.Helper()
	var names []string
	for i := 1; i <= n; i++ {
		names = append(names, fmt.Sprintf("n%d", i))
	}
	w := newWorld(names...)
	var facts []*cluster.Facts
	for i := 1; i <= m; i++ {
		facts = append(facts, machine(i))
	}
	conf := newConf(t, planOf(t, request(names[:m]...), facts))
	if edit != nil {
		if err := edit(conf); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.Replace(string(conf.Bytes()), "nodelist {", "# The nodes of rack 7.\nnodelist {", 1)
	if err := w.Form(text, string(key), names[:m]...); err != nil {
		t.Fatal(err)
	}
	w.Trouble = func(trouble string) { t.Errorf("quorum: %s", trouble) }
	return w
}

// view is what Look would find in the world; the deaf are not reached.
func (w *world) view(t *testing.T) *cluster.View {
	t.Helper()
	v := &cluster.View{}
	var config corosyncconf.Config
	for _, f := range w.facts() {
		if f.Conf.Exists && f.Conf.File.Config().Totem.ClusterName == "prod" && f.Runtime != nil && f.Runtime.Quorum.Quorate {
			v.Conf = f.Conf.File
			config = v.Conf.Config()
		}
	}
	if v.Conf == nil {
		t.Fatal("no quorate machine")
	}
	for i := range config.Nodes {
		n := cluster.ViewNode{Name: config.Nodes[i].Label(), Conf: &config.Nodes[i], Err: errors.New("no route")}
		n.Reach = cluster.PlanNode{Name: n.Name, Addresses: []string{n.Name}}
		for _, f := range w.facts() {
			if f.Node == n.Name {
				n.Facts, n.Err = f, nil
			}
		}
		v.Nodes = append(v.Nodes, n)
	}
	return v
}

// carryOut runs a plan in the world.
func (w *world) carryOut(t *testing.T, p *cluster.Plan) error {
	t.Helper()
	for _, s := range p.Steps { // nothing in memory takes as long as a membership
		for _, act := range append([]cluster.Act{s.Do}, s.Undo...) {
			if act.Want != nil {
				act.Want.Deadline = 3 * time.Second
			}
		}
	}
	nodes := w.nodes()
	defer cluster.CloseAll(nodes)
	return w.executor().Run(t.Context(), p, nodes)
}

func (w *world) planAdd(t *testing.T, names ...string) (*cluster.Plan, error) {
	t.Helper()
	return w.planSpec(t, cluster.AddSpec{}, names...)
}

func (w *world) planSpec(t *testing.T, s cluster.AddSpec, names ...string) (*cluster.Plan, error) {
	t.Helper()
	v := w.view(t)
	s.Nodes, _ = cluster.ParseNodes(names)
	var facts []*cluster.Facts
	for _, n := range s.Nodes {
		i := slices.IndexFunc(w.facts(), func(f *cluster.Facts) bool { return f.Node == n.Name })
		facts = append(facts, w.facts()[i])
	}
	s.Links, _ = cluster.ParseLinks([]string{"10.0.0.0/24", "10.0.1.0/24"})
	given := key
	if !v.Conf.Config().Totem.Encrypted() {
		given = nil
	}
	return cluster.PlanAdd(s, v, facts, given)
}

// settledOn checks that exactly these machines are one quorate cluster with one
// file, whose version is what runs.
func (w *world) settledOn(t *testing.T, names ...string) {
	t.Helper()
	first := w.Machine(names[0])
	for _, name := range names {
		b := w.Machine(name)
		if b.File(cluster.ConfPath) != first.File(cluster.ConfPath) || b.Running() != b.File(cluster.ConfPath) {
			t.Errorf("%s has or runs another file than %s", name, names[0])
		}
		if r := b.Runtime(); r == nil || !r.Quorum.Quorate || len(r.Quorum.Members) != len(names) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	conf := parsed(first.File(cluster.ConfPath))
	var listed []string
	for _, n := range conf.Nodes {
		listed = append(listed, n.Name)
		if n.Votes != 1 {
			t.Errorf("%s has %d votes", n.Name, n.Votes)
		}
	}
	slices.Sort(listed)
	slices.Sort(names)
	if diff := cmp.Diff(names, listed); diff != "" {
		t.Errorf("nodelist (-want +got):\n%s", diff)
	}
	if conf.Quorum.TwoNode != (len(names) == 2) {
		t.Errorf("two_node is %v with %d nodes", conf.Quorum.TwoNode, len(names))
	}
	if !strings.Contains(first.File(cluster.ConfPath), "# The nodes of rack 7.\nnodelist {") {
		t.Error("the admin's comment is gone or has moved")
	}
}

func nodeNames(from, to int) []string {
	var names []string
	for i := from; i <= to; i++ {
		names = append(names, fmt.Sprintf("n%d", i))
	}
	return names
}

// From any size to any other, up to seven, no member is without quorum at any
// instant, and two_node is right in the end.
func TestGrowingNeverCostsQuorum(t *testing.T) {
	for m := 1; m <= 6; m++ {
		for n := m + 1; n <= 7; n++ {
			t.Run(fmt.Sprintf("%d to %d", m, n), func(t *testing.T) {
				w := running(t, m, n, nil)
				p, err := w.planAdd(t, nodeNames(m+1, n)...)
				if err != nil {
					t.Fatal(err)
				}
				if err := w.carryOut(t, p); err != nil {
					t.Fatal(err)
				}
				w.settledOn(t, nodeNames(1, n)...)
				if open := w.open(); len(open) > 0 {
					t.Errorf("still open on %v", open)
				}
			})
		}
	}
}

func TestShrinkingNeverCostsQuorum(t *testing.T) {
	for m := 2; m <= 7; m++ {
		for n := 1; n < m; n++ {
			t.Run(fmt.Sprintf("%d to %d", m, n), func(t *testing.T) {
				w := running(t, m, m, nil)
				p, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: nodeNames(n+1, m)}, w.view(t))
				if err != nil {
					t.Fatal(err)
				}
				if err := w.carryOut(t, p); err != nil {
					t.Fatal(err)
				}
				w.settledOn(t, nodeNames(1, n)...)
				for _, name := range nodeNames(n+1, m) {
					b := w.Machine(name)
					if b.File(cluster.ConfPath) != "" || b.File(cluster.KeyPath) != "" || b.Active("corosync") || b.Enabled("corosync") {
						t.Errorf("%s could come back: %v %v", name, b.Files(), b.Active("corosync"))
					}
					if b.File(cluster.KeyPath+".bak") != string(key) {
						t.Errorf("%s: the key was not kept aside", name)
					}
				}
			})
		}
	}
}

func TestDeadNodesAreTakenOffWithoutThem(t *testing.T) {
	for _, dead := range [][]string{{"n5"}, {"n4", "n5"}} {
		w := running(t, 5, 5, nil)
		w.Trouble = nil
		for _, name := range dead {
			w.Machine(name).Deaf = true
			w.Machine(name).Stop("corosync")
		}
		w.Trouble = func(trouble string) { t.Errorf("quorum: %s", trouble) }
		if _, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: dead}, w.view(t)); !cluster.ProblemsOf(err).Has(cluster.Refused) {
			t.Errorf("without --offline: %v", err)
		}
		p, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: dead, Offline: true}, w.view(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.carryOut(t, p); err != nil {
			t.Fatal(err)
		}
		w.settledOn(t, nodeNames(1, 5-len(dead))...)
	}
}

// A node that leaves and runs no corosync need not be in order, and does not stand
// in the way of one that does, whichever was named first.
func TestNodesThatAreDownLeaveFirst(t *testing.T) {
	for _, order := range [][]string{{"n2", "n3"}, {"n3", "n2"}} {
		t.Run(strings.Join(order, " "), func(t *testing.T) {
			w := running(t, 3, 3, nil)
			w.Trouble = nil
			w.Machine("n2").Stop("corosync")
			w.Machine("n2").SetFile(cluster.ConfPath, "totem {\n")
			w.Machine("n2").SetFile(cluster.KeyPath, "another one")
			w.Trouble = func(trouble string) { t.Errorf("quorum: %s", trouble) }
			p, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: order}, w.view(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := w.carryOut(t, p); err != nil {
				t.Fatal(err)
			}
			w.settledOn(t, "n1")
			for _, name := range order {
				if b := w.Machine(name); b.File(cluster.ConfPath) != "" || b.File(cluster.KeyPath) != "" || b.Enabled("corosync") {
					t.Errorf("%s could come back: %v", name, b.Files())
				}
			}
		})
	}
}

// What --force allows is done, though it costs quorum for a while.
func TestForceIsNotHeldBackMidway(t *testing.T) {
	w := running(t, 4, 4, nil)
	w.Trouble = nil
	w.Machine("n4").Deaf = true
	w.Machine("n4").Stop("corosync")
	s := cluster.DeleteSpec{Nodes: []string{"n3"}}
	if _, err := cluster.PlanDelete(s, w.view(t)); !cluster.ProblemsOf(err).Has(cluster.Refused) {
		t.Errorf("without --force: %v", err)
	}
	s.Force = true
	p, err := cluster.PlanDelete(s, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.carryOut(t, p); err != nil {
		t.Fatal(err)
	}
	if listed := parsed(w.Machine("n1").File(cluster.ConfPath)).Nodes; len(listed) != 3 || !w.Machine("n1").Runtime().Quorum.Quorate {
		t.Errorf("%+v, %+v", listed, w.Machine("n1").Runtime().Quorum)
	}
}

// What --if-missing takes for a node that is there as asked.
func TestPresentIsAMemberWithItsVote(t *testing.T) {
	spec := func(text string) cluster.AddSpec {
		nodes, ps := cluster.ParseNodes([]string{text})
		if len(ps) > 0 {
			t.Fatal(ps)
		}
		return cluster.AddSpec{Nodes: nodes}
	}
	tests := []struct {
		name string
		node string
		edit func(*world)
		code cluster.Code // "" is as asked
	}{
		{"a member", "n3", nil, ""},
		{"a member by its full name", "n3.example.com", nil, ""},
		{"with the id that it has", "n3,id=3,votes=1", nil, ""},
		{"with another id", "n3,id=7", nil, cluster.CodeDifferent},
		{"with more votes", "n3,votes=2", nil, cluster.CodeDifferent},
		{"installed anew, and alone with the default configuration", "n3", func(w *world) {
			w.Machine("n3").Stop("corosync")
			w.Machine("n3").SetFile(cluster.ConfPath, strings.ReplaceAll(w.Machine("n3").File(cluster.ConfPath), "prod", "debian"))
		}, cluster.CodeDifferent},
		{"stopped", "n3", func(w *world) { w.Machine("n3").Stop("corosync") }, cluster.CodeDifferent},
		{"apart", "n3", func(w *world) { w.Machine("n3").Side(3) }, cluster.CodeDifferent},
		{"not reached", "n3", func(w *world) { w.Machine("n3").Deaf = true }, cluster.CodeFailed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := running(t, 3, 3, nil)
			w.Trouble = nil
			if tt.edit != nil {
				tt.edit(w)
				w.Settle()
			}
			missing, ps := spec(tt.node).Present(w.view(t))
			if len(missing) > 0 || (tt.code == "") != (len(ps) == 0) || tt.code != "" && ps[0].Code != tt.code {
				t.Errorf("missing %v, problems %v", missing, ps)
			}
		})
	}
	t.Run("corosync does not answer on any node", func(t *testing.T) {
		v := running(t, 3, 3, nil).view(t)
		for i := range v.Nodes {
			v.Nodes[i].Facts.Runtime = &cluster.Runtime{Err: errors.New("it hangs")}
		}
		if _, ps := spec("n3").Present(v); len(ps) != 1 || ps[0].Code != cluster.CodeDifferent {
			t.Errorf("%v", ps)
		}
	})
	t.Run("each of several is judged", func(t *testing.T) {
		w := running(t, 5, 5, nil)
		w.Trouble = nil
		w.Machine("n4").Stop("corosync")
		w.Machine("n5").Stop("corosync")
		w.Settle()
		s := cluster.AddSpec{Nodes: append(spec("n4,votes=2").Nodes, spec("n5").Nodes...)}
		if _, ps := s.Present(w.view(t)); len(ps) != 3 {
			t.Errorf("%v", ps)
		}
	})
	t.Run("listed without its vote by an add that was interrupted", func(t *testing.T) {
		w := running(t, 3, 3, func(f *corosyncconf.File) error { return f.SetNodeVotes(3, 0) })
		v := w.view(t)
		if _, ps := spec("n3").Present(v); len(ps) != 1 || ps[0].Code != cluster.CodeDifferent {
			t.Errorf("%v", ps)
		}
		if _, ps := spec("n3,votes=0").Present(v); len(ps) != 0 {
			t.Errorf("%v", ps)
		}
		v.Nodes[2].Facts.Ops = []cluster.Entry{{ID: "20260101T000000-abcd", Log: []cluster.Note{{Phase: cluster.Doing, Step: "stage-1"}}}}
		if _, ps := spec("n3").Present(v); len(ps) != 1 || ps[0].Code != cluster.CodeUnfinished {
			t.Errorf("%v", ps)
		}
	})
}

func TestDeleteRefuses(t *testing.T) {
	down := func(names ...string) func(*world) {
		return func(w *world) {
			w.Trouble = nil
			for _, n := range names {
				w.Machine(n).Deaf = true
				w.Machine(n).Stop("corosync")
			}
		}
	}
	tests := []struct {
		name string
		edit func(*world)
		spec cluster.DeleteSpec
		code cluster.Code
		want string
	}{
		{"a node that is not in the cluster", nil, cluster.DeleteSpec{Nodes: []string{"n9"}}, cluster.CodeNoSuchNode, "n9: no such node; the cluster has n1, n2 and n3"},
		{"the last node", nil, cluster.DeleteSpec{Nodes: []string{"n1", "n2", "n3"}}, cluster.CodeLast,
			"a cluster cannot lose its last node; to end the whole cluster: clusterctl stop --all, then remove /etc/corosync/corosync.conf on each node"},
		{"what costs quorum", down("n3"), cluster.DeleteSpec{Nodes: []string{"n2"}}, cluster.CodeQuorum,
			"without n2 the rest would lose quorum: 1 vote of 2 left, 2 needed; bring n3 back first, or, if dead: clusterctl delnode --offline n3; --force does it all the same, and the rest may be without quorum until more nodes are there"},
		{"when no node that stays can be reached", func(w *world) { w.Machine("n2").Deaf, w.Machine("n3").Deaf = true, true }, cluster.DeleteSpec{Nodes: []string{"n1"}, Force: true}, cluster.CodeLast,
			"no node that stays can be reached, and would hear of it; bring one of those that stay back first"},
		{"a node that is apart", func(w *world) { w.Trouble = nil; w.Machine("n3").Side(3) }, cluster.DeleteSpec{Nodes: []string{"n3"}}, cluster.CodePartition,
			"the cluster is split into 2 partitions; mend the network between them, or stop corosync on the nodes that leave: clusterctl stop n3"},
		{"--offline for a node that answers", nil, cluster.DeleteSpec{Nodes: []string{"n2"}, Offline: true}, cluster.CodeOnline,
			"n2: it answers: it can be stopped and locked out properly; leave out --offline"},
		{"one node twice", nil, cluster.DeleteSpec{Nodes: []string{"n2", "2"}}, cluster.CodeDuplicate, "2: given twice; name each node once"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := running(t, 3, 3, nil)
			if tt.edit != nil {
				tt.edit(w)
			}
			_, err := cluster.PlanDelete(tt.spec, w.view(t))
			for _, p := range cluster.ProblemsOf(err) {
				if p.Code == tt.code && p.String() == tt.want {
					return
				}
			}
			t.Errorf("no problem %s:\n  %s\namong:\n%v", tt.code, tt.want, err)
		})
	}
}

// A member that SSH does not reach would reload its old file; a cluster with
// files that differ, or that is split, is not touched either.
func TestAClusterThatIsNotSettledIsNotChanged(t *testing.T) {
	tests := []struct {
		name string
		edit func(*world)
		code cluster.Code
	}{
		{"a member cannot be reached", func(w *world) { w.Machine("n3").Deaf = true }, cluster.CodeFailed},
		{"a file differs", func(w *world) {
			w.Machine("n3").SetFile(cluster.ConfPath, w.Machine("n3").File(cluster.ConfPath)+"# mine\n")
		}, cluster.CodeConfigDrift},
		{"a file is ahead of what runs", func(w *world) {
			for _, b := range w.Machines() {
				if b.Active("corosync") {
					b.SetFile(cluster.ConfPath, strings.Replace(b.File(cluster.ConfPath), "config_version: 1", "config_version: 2", 1))
				}
			}
		}, cluster.CodeConfigPending},
		{"there is a quorum device", func(w *world) {
			w.Trouble = nil
			conf := strings.Replace(w.Machine("n1").File(cluster.ConfPath), "quorum {", "quorum {\n    device {\n        model: net\n        votes: 1\n    }", 1)
			for _, b := range w.Machines() {
				b.Stop("corosync")
			}
			if err := w.Form(conf, string(key), nodeNames(1, 3)...); err != nil {
				t.Fatal(err)
			}
		}, cluster.CodeDevice},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := running(t, 3, 4, nil)
			tt.edit(w)
			_, addErr := w.planAdd(t, "n4")
			_, delErr := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n2"}}, w.view(t))
			for what, err := range map[string]error{"add": addErr, "delnode": delErr} {
				if !slices.ContainsFunc(cluster.ProblemsOf(err), func(p cluster.Problem) bool { return p.Code == tt.code }) {
					t.Errorf("%s: no problem %s among:\n%v", what, tt.code, err)
				}
			}
		})
	}
}

// Whatever single operation fails on whatever node, the old nodes have their
// old content under a higher version, which runs; the new ones are as before;
// and quorum was there all the time.
func TestAFailedChangeIsTakenBackWithoutCostingQuorum(t *testing.T) {
	changes := []struct {
		name string
		make func(t *testing.T) (*world, *cluster.Plan)
	}{
		{"add 1 to 2", func(t *testing.T) (*world, *cluster.Plan) {
			w := running(t, 1, 2, nil)
			p, err := w.planAdd(t, "n2")
			if err != nil {
				t.Fatal(err)
			}
			return w, p
		}},
		{"add 2 to 5", func(t *testing.T) (*world, *cluster.Plan) {
			w := running(t, 2, 5, nil)
			p, err := w.planAdd(t, "n3", "n4", "n5")
			if err != nil {
				t.Fatal(err)
			}
			return w, p
		}},
		{"delnode 5 to 2", func(t *testing.T) (*world, *cluster.Plan) {
			w := running(t, 5, 5, nil)
			p, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3", "n4", "n5"}}, w.view(t))
			if err != nil {
				t.Fatal(err)
			}
			return w, p
		}},
	}
	for _, c := range changes {
		_, plan := c.make(t)
		for _, step := range plan.Steps {
			for _, victim := range step.Do.Nodes {
				for i, op := range step.Do.Ops {
					t.Run(fmt.Sprintf("%s: %s of %s on %s", c.name, op.Kind, step.ID, victim), func(t *testing.T) {
						w, p := c.make(t)
						before := w.state()
						content := map[string]string{}
						for _, b := range w.Machines() {
							name := b.Name()
							content[name] = b.File(cluster.ConfPath)
						}
						failed := false
						w.Machine(victim).Fail = func(n cluster.Note, o cluster.Op) error {
							if n == (cluster.Note{Phase: cluster.Doing, Step: step.ID}) && o == step.Do.Ops[i] {
								failed = true
								return errors.New("it broke")
							}
							return nil
						}
						err := w.carryOut(t, p)
						if !failed && err == nil {
							return // one of several nodes was enough, and it was another
						}
						if _, ok := errors.AsType[*cluster.UndoneError](err); !ok {
							t.Fatalf("error is %T: %v", err, err)
						}
						w.sameButVersion(t, before, content)
					})
				}
			}
		}
	}
}

// sameButVersion checks that every machine has what it had, save that the
// members' files have one higher version, which runs.
func (w *world) sameButVersion(t *testing.T, before, content map[string]string) {
	t.Helper()
	first := ""
	for _, b := range w.Machines() {
		name := b.Name()
		now := b.File(cluster.ConfPath)
		if b.Active("corosync") {
			if b.Running() != now {
				t.Errorf("%s does not run the file it has", name)
			}
			if first == "" {
				first = now
			}
			if now != first {
				t.Errorf("%s has another file than the others", name)
			}
			if parsed(now).Totem.ConfigVersion < parsed(content[name]).Totem.ConfigVersion {
				t.Errorf("%s: config_version went back", name)
			}
		}
		f, _ := corosyncconf.Parse("", []byte(now))
		if old := parsed(content[name]).Totem.ConfigVersion; old > 0 {
			if err := f.SetConfigVersion(old); err != nil {
				t.Fatal(err)
			}
		}
		b.SetFile(cluster.ConfPath, string(f.Bytes()))
		b.SetFile(cluster.ConfPath+".bak", "") // the file from before, once one was replaced
	}
	if diff := cmp.Diff(before, w.state()); diff != "" {
		t.Errorf("not as before (-before +after):\n%s", diff)
	}
	if open := w.open(); len(open) > 0 {
		t.Errorf("still open on %v", open)
	}
}

// A member lost in the middle leaves the operation open; the others are at one,
// and when it is back, undo brings it there too.
func TestAMemberLostMidwayIsBroughtBackByUndo(t *testing.T) {
	w := running(t, 3, 5, nil)
	_, plan := w, func() *cluster.Plan { p, _ := w.planAdd(t, "n4", "n5"); return p }()
	for _, step := range plan.Steps {
		for _, victim := range step.Do.Nodes {
			t.Run(fmt.Sprintf("%s lost in %s", victim, step.ID), func(t *testing.T) {
				w := running(t, 3, 5, nil)
				before := w.state()
				content := map[string]string{}
				for _, b := range w.Machines() {
					name := b.Name()
					content[name] = b.File(cluster.ConfPath)
				}
				p, err := w.planAdd(t, "n4", "n5")
				if err != nil {
					t.Fatal(err)
				}
				w.Trouble = func(trouble string) {
					if !strings.HasPrefix(trouble, victim+" ") { // a new node by itself has no vote yet
						t.Errorf("quorum: %s", trouble)
					}
				}
				cut(w, victim, step.ID)
				err = w.carryOut(t, p)
				if err == nil && step.Do.One {
					return // another node did it
				}
				if _, ok := errors.AsType[*cluster.UnfinishedOpError](err); !ok {
					t.Fatalf("error is %T: %v", err, err)
				}
				w.Machine(victim).Deaf, w.Machine(victim).Fail = false, nil
				ops := cluster.Operations(w.facts())
				if len(ops) != 1 {
					t.Fatalf("%d operations are open", len(ops))
				}
				nodes := w.nodes()
				defer cluster.CloseAll(nodes)
				if err := w.executor().Undo(t.Context(), ops[0], nodes); err != nil {
					t.Fatal(err)
				}
				w.sameButVersion(t, before, content)
			})
		}
	}
}

// What gives new nodes their votes is put in place only when all see them as
// members, although it is tested while they are waited for.
func TestVotesComeWhenNewNodesAreSeen(t *testing.T) {
	w := running(t, 3, 5, nil)
	p, err := w.planAdd(t, "n4", "n5")
	if err != nil {
		t.Fatal(err)
	}
	seen := false
	for _, s := range p.Steps {
		for _, op := range s.Do.Ops {
			if !seen && op.Kind == cluster.OpSwap && parsed(string(p.Blobs[op.Blob])).ExpectedVotes() > 3 {
				t.Errorf("%s: votes are given before the new nodes are seen", s.ID)
			}
		}
		seen = seen || s.Do.Want != nil && len(s.Do.Want.Members) == 5
	}
	if !seen {
		t.Error("the new nodes are not waited for")
	}
}

func TestAddTakesIDsThatWereNeverUsed(t *testing.T) {
	w := running(t, 3, 4, nil)
	v := w.view(t)
	v.Nodes[1].Facts.IDs = cluster.UsedIDs{Cluster: "prod", Highest: 9}
	v.Nodes[2].Facts.IDs = cluster.UsedIDs{Cluster: "another", Highest: 99}
	s := cluster.AddSpec{}
	s.Nodes, _ = cluster.ParseNodes([]string{"n4,link0=10.0.0.4,link1=10.0.1.4"})
	p, err := cluster.PlanAdd(s, v, []*cluster.Facts{machine(4)}, key)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(p.Diff, "nodeid: 10\n") {
		t.Errorf("the new node's id is not 10:\n%s", p.Diff)
	}
}

// What a new node has of another cluster is refused, and with --force set aside, also
// a key that a cluster without encryption has no other for.
func TestAddSetsAsideWhatIsOfAnotherCluster(t *testing.T) {
	for _, cipher := range []string{"aes256", "none"} {
		t.Run("crypto_cipher "+cipher, func(t *testing.T) {
			w := running(t, 3, 4, func(f *corosyncconf.File) error {
				if cipher == "none" {
					f.Root().Section("totem").Unset("crypto_hash")
				}
				return f.Root().Section("totem").Set("crypto_cipher", cipher)
			})
			n4 := w.Machine("n4")
			n4.Stop("corosync")
			n4.SetFile(cluster.ConfPath, strings.ReplaceAll(w.Machine("n1").File(cluster.ConfPath), "prod", "other"))
			n4.SetFile(cluster.KeyPath, "another")
			_, err := w.planAdd(t, "n4")
			if ps := cluster.ProblemsOf(err); len(ps) != 1 || ps[0].Code != cluster.CodeOtherCluster || !strings.Contains(ps[0].Remedy, "--force") {
				t.Errorf("%v", err)
			}
			p, err := w.planSpec(t, cluster.AddSpec{Force: true}, "n4")
			if err != nil {
				t.Fatal(err)
			}
			if err := w.carryOut(t, p); err != nil {
				t.Fatal(err)
			}
			w.settledOn(t, nodeNames(1, 4)...)
			if n4.File(cluster.KeyPath+".bak") != "another" || n4.File(cluster.KeyPath) != w.Machine("n1").File(cluster.KeyPath) && cipher != "none" {
				t.Errorf("keys: %q, before: %q", n4.File(cluster.KeyPath), n4.File(cluster.KeyPath+".bak"))
			}
		})
	}
}

func TestAddFindsLinksInTheMembersNetworks(t *testing.T) {
	w := running(t, 3, 4, nil)
	s := cluster.AddSpec{}
	s.Nodes, _ = cluster.ParseNodes([]string{"n4"})
	p, err := cluster.PlanAdd(s, w.view(t), []*cluster.Facts{machine(4)}, key)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(p.Diff, "ring0_addr: 10.0.0.4\n") || !strings.Contains(p.Diff, "ring1_addr: 10.0.1.4\n") {
		t.Errorf("addresses:\n%s", p.Diff)
	}
}

func TestLastManStandingKeepsVotesEqual(t *testing.T) {
	lms := func(f *corosyncconf.File) error { return f.Root().Section("quorum").Set("last_man_standing", "1") }
	w := running(t, 4, 8, lms)
	p, err := w.planAdd(t, nodeNames(5, 8)...)
	if err != nil {
		t.Fatal(err)
	}
	for name, blob := range p.Blobs {
		for _, n := range parsed(string(blob)).Nodes {
			if n.Votes != 1 {
				t.Errorf("content %.8s gives %s %d votes", name, n.Name, n.Votes)
			}
		}
	}
	if err := w.carryOut(t, p); err != nil {
		t.Fatal(err)
	}
	w.settledOn(t, nodeNames(1, 8)...)
}

func TestAddToAClusterThatCannotCarryAnotherVoteIsRefused(t *testing.T) {
	w := running(t, 3, 4, nil)
	w.Machine("n3").Deaf = true
	w.Machine("n3").Stop("corosync")
	_, err := w.planAdd(t, "n4")
	if ps := cluster.ProblemsOf(err); len(ps) != 1 || ps[0].Code != cluster.CodeQuorum || !strings.Contains(ps[0].Remedy, "delnode --offline n3") {
		t.Errorf("error: %v", err)
	}
}
