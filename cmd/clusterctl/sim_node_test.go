//go:build linux && node

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
	"clusterctl/internal/lab"
	"clusterctl/internal/sim"
	"clusterctl/quorum"
)

// The simulator and real nodes, after the same: each node's version, members and
// votes as its own corosync tells them, and the codes of what was refused.
func TestNodeSimulatorObservesTheSame(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 5, Links: 2})
	w := sim.New(s.names()...)
	links := []string{"--link", s.Net(0).String(), "--link", s.Net(1).String()}
	conf := func(node string) string { return s.on(node, "cat "+cluster.ConfPath) }
	// raised is a file under a version so much higher.
	raised := func(text string, by int) string {
		v := versionOf(t, text)
		return strings.Replace(text, fmt.Sprintf("config_version: %d", v), fmt.Sprintf("config_version: %d", int(v)+by), 1)
	}
	give := func(node, text string) {
		if err := s.Node(node).WriteFile(cluster.ConfPath, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	restart := func(node string, by int) { // with another file, and back
		s.on(node, "systemctl stop corosync")
		give(node, raised(conf(node), by))
		s.on(node, "systemctl start corosync || true")
		m := w.Machine(node)
		m.Stop("corosync")
		w.Settle()
		m.SetFile(cluster.ConfPath, raised(m.File(cluster.ConfPath), by))
		_ = m.Start("corosync")
	}
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range w.Machines() { // what the distribution made of them
		if s.on(m.Name(), "systemctl is-active corosync; true") == "active\n" {
			m.SetFile(cluster.ConfPath, conf(m.Name()))
			try(m.Start("corosync"))
		}
	}
	steps := []struct {
		name string
		args []string    // of clusterctl, and
		does sim.Command // the same in the simulator
		by   func()      // or what happens to both
	}{
		{name: "create", args: append([]string{"create", "prod", "n1", "n2", "n3"}, links...), does: sim.Create("n1", "n2", "n3")},
		{name: "add", args: append([]string{"add", "n4", "n5"}, links...), does: sim.Add("n4", "n5")},
		{name: "a node is started with a file that is behind", by: func() { restart("n5", -1) }},
		{name: "and with that of the cluster", by: func() { restart("n5", 1) }},
		{name: "a node is started with a file that is ahead", by: func() { restart("n5", 1) }},
		{name: "delnode while a file is ahead", args: []string{"delnode", "--keep-key", "n4"}, does: sim.Remove("n4")},
		{name: "and with that of the cluster again", by: func() { restart("n5", -1) }},
		{name: "delnode", args: []string{"delnode", "--keep-key", "n4", "n5"}, does: sim.Remove("n4", "n5")},
		{name: "a member cannot be reached", by: func() {
			try(s.Node("n3").Cut(t.Context(), lab.Mgmt))
			w.Machine("n3").Deaf = true
		}},
		{name: "delnode while a member cannot be reached", args: []string{"delnode", "--keep-key", "n2"}, does: sim.Remove("n2")},
		{name: "all files are ahead of what runs", by: func() {
			try(s.Node("n3").Heal(t.Context(), lab.Mgmt))
			w.Machine("n3").Deaf = false
			for _, n := range []string{"n1", "n2", "n3"} {
				give(n, raised(conf(n), 1))
				w.Machine(n).SetFile(cluster.ConfPath, raised(w.Machine(n).File(cluster.ConfPath), 1))
			}
		}},
		{name: "delnode while all files are ahead", args: []string{"delnode", "--keep-key", "n3"}, does: sim.Remove("n3")},
		{name: "reload", by: func() {
			s.on("n2", "corosync-cfgtool -R")
			w.Machine("n2").Reload()
		}},
		{name: "the cluster networks of a node are cut", by: func() {
			for link := range s.Links() {
				try(s.Node("n3").Cut(t.Context(), link))
			}
			w.Machine("n3").Side(3)
		}},
		{name: "delnode while the cluster is split", args: []string{"delnode", "--keep-key", "n2"}, does: sim.Remove("n2")},
		{name: "they are mended", by: func() {
			for link := range s.Links() {
				try(s.Node("n3").Heal(t.Context(), link))
			}
			w.Machine("n3").Side(0)
		}},
		{name: "corosync is killed", by: func() {
			s.on("n3", "systemctl kill -s KILL corosync")
			w.Machine("n3").Kill()
		}},
		{name: "start", args: []string{"start", "n3"}, does: sim.Start("n3")},
		{name: "a node dies", by: func() {
			try(s.Node("n3").Kill(t.Context()))
			w.Machine("n3").Crash()
		}},
		{name: "delnode --offline", args: []string{"delnode", "--keep-key", "--offline", "n3", "--yes"}, does: sim.RemoveDead("n3")},
		{name: "one of two dies", by: func() {
			s.on("n2", "systemctl kill -s KILL corosync")
			w.Machine("n2").Kill()
		}},
		{name: "and the other restarts, alone", by: func() {
			s.on("n1", "systemctl restart corosync")
			w.Machine("n1").Stop("corosync")
			w.Settle()
			try(w.Machine("n1").Start("corosync"))
		}},
	}
	for _, step := range steps {
		t.Logf("%s", step.name)
		if step.by != nil {
			step.by()
		} else {
			r := s.ctl(append([]string{"-H", "n1", "-o", "json", "--connect-timeout", "3s"}, step.args...)...)
			err := w.Admin(1).Run(t.Context(), step.does)
			if seen, predicted := refusals(t, r), codes(cluster.ProblemsOf(err)); !slices.Equal(seen, predicted) {
				t.Errorf("%s: real nodes say %q, simulated ones %q\n%v", step.name, seen, predicted, r)
			}
		}
		w.Settle()
		for _, node := range s.names() {
			want := simulated(w.Machine(node))
			got := ""
			for deadline := time.Now().Add(20 * time.Second); got != want && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
				got = observed(s, node)
			}
			if got != want {
				t.Errorf("%s: %s: real: %s, simulated: %s", step.name, node, got, want)
			}
		}
	}
}

// codes are the codes of errors, each once, sorted.
func codes(ps cluster.Problems) []string {
	var all []string
	for _, p := range ps.Errors() {
		all = append(all, string(p.Code))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// refusals are the codes that clusterctl gives with -o json.
func refusals(t *testing.T, r result) []string {
	t.Helper()
	if r.code == cli.ExitOK {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(r.err), "\n")
	var failure struct {
		Error struct{ Problems cluster.Problems }
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &failure); err != nil {
		t.Fatalf("%v\n%v", err, r)
	}
	return codes(failure.Error.Problems)
}

// view is what a node says of itself, for comparison.
func view(rt *cluster.Runtime) string {
	if rt == nil {
		return "runs no corosync"
	}
	version, _ := rt.Cmap.Uint("totem.config_version")
	var members []string
	for _, m := range rt.Quorum.Members {
		members = append(members, fmt.Sprintf("%d(%d)", m.NodeID, m.Votes))
	}
	slices.Sort(members)
	q := rt.Quorum
	return fmt.Sprintf("version %d, members %s, %d of %d votes, %d needed, quorate %v", version, strings.Join(members, " "), q.Total, q.Expected, q.Quorum, q.Quorate)
}

func simulated(m *sim.Machine) string {
	if !m.Up() {
		return "is off"
	}
	return view(m.Runtime())
}

func observed(s *site, node string) string {
	if s.Node(node).State() != lab.Running {
		return "is off"
	}
	out := s.on(node, "systemctl -q is-active corosync && corosync-quorumtool -s; true")
	q, err := quorum.ParseStatus([]byte(out))
	if err != nil {
		return view(nil)
	}
	cmap, err := quorum.ParseCmap([]byte(s.on(node, "corosync-cmapctl totem.config_version || true")))
	if err != nil {
		return err.Error()
	}
	return view(&cluster.Runtime{Quorum: q, Cmap: cmap})
}
