//go:build linux && node

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"clusterctl/corosyncconf"
	"clusterctl/internal/cli"
	"clusterctl/internal/lab"
	"clusterctl/quorum"
)

// struck runs clusterctl and has something happen at a random moment: soon after
// one of so many steps, about, that it tells of.
func (s *site) struck(random *rand.Rand, steps int, do func(*os.Process) error, args ...string) result {
	s.t.Helper()
	step, pause := random.IntN(steps+1), time.Duration(random.Int64N(int64(time.Second)))
	cmd := s.command(s.t.Context(), args...)
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	var text strings.Builder
	reached, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		reach := sync.OnceFunc(func() { close(reached) })
		defer reach()
		lines := bufio.NewScanner(stderr)
		for done := 0; ; {
			if done == step {
				reach()
			}
			if !lines.Scan() {
				return
			}
			if strings.HasPrefix(lines.Text(), "✓") {
				done++
			}
			text.WriteString(lines.Text() + "\n")
		}
	}()
	<-reached
	select {
	case <-time.After(pause): // a random moment is what is tried here
	case <-ended:
	}
	if err := do(cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Fatal(err)
	}
	<-ended
	_ = cmd.Wait() // the exit code tells
	s.t.Logf("struck %s after step %d", pause, step)
	return result{"", text.String(), cmd.ProcessState.ExitCode()}
}

// ended tells whether op undo or resume has ended an operation: also one that had
// been carried out already, of which there is nothing to take back.
func ended(r result) bool {
	return r.code == cli.ExitOK || r.code == cli.ExitFailed && strings.Contains(r.err, "had been carried out in full")
}

// oneConf checks that these nodes have the same corosync.conf, and that its
// version is what each of them runs.
func (s *site) oneConf(nodes ...string) {
	s.t.Helper()
	first := s.conf(nodes[0])
	for _, n := range nodes {
		if s.conf(n) != first {
			s.t.Errorf("%s and %s have different files", nodes[0], n)
		}
		if got := strings.TrimSpace(s.on(n, "corosync-cmapctl -q -g totem.config_version")); got != fmt.Sprint(versionOf(s.t, first)) {
			s.t.Errorf("%s runs version %s, and its file is version %d", n, got, versionOf(s.t, first))
		}
	}
}

// change is what an admin does to a cluster of n1, n2 and n3, and perhaps n4.
type change struct {
	name  string
	from  []string // the members
	args  func() []string
	steps int // that it tells of, about
}

var three = []string{"n1", "n2", "n3"}

func (s *site) changes() []change {
	token := 5000
	return []change{
		{"add", three, func() []string {
			return []string{"add", "n4", "--link", s.Net(0).String(), "--link", s.Net(1).String()}
		}, 12},
		{"delnode", s.names(), func() []string { return []string{"delnode", "n4"} }, 16},
		{"conf set", three, func() []string { token++; return []string{"conf", "set", "totem.token", fmt.Sprint(token)} }, 4},
		{"key rotate", three, func() []string { return []string{"key", "rotate"} }, 8},
	}
}

// createOnly makes these nodes a cluster, and the others what they were.
func (s *site) createOnly(nodes ...string) {
	s.t.Helper()
	if err := s.Reset(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.must(cli.ExitOK, append(append([]string{"create", "prod"}, nodes...), "--link", s.Net(0).String(), "--link", s.Net(1).String())...)
}

// nothingLeft checks what is to hold when an operation has been ended: nothing is
// open, the members have one key, and n4 is either one of them or cannot come back.
func (s *site) nothingLeft() {
	s.t.Helper()
	var doc struct{ Operations []any }
	r := s.must(cli.ExitOK, "-H", "n1", "op", "list", "-o", "json")
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil || len(doc.Operations) > 0 {
		s.t.Errorf("something is open: %v, %v", err, r)
	}
	s.key(three...)
	if strings.Contains(s.conf("n1"), "name: n4") {
		s.key("n1", "n4")
		if s.conf("n4") != s.conf("n1") {
			s.t.Error("n4 is on the list, and has another file")
		}
	} else if left := s.on("n4", "cat /etc/corosync/corosync.conf 2>/dev/null | grep prod; systemctl is-active corosync >/dev/null && corosync-cmapctl totem.cluster_name | grep prod; true"); left != "" {
		s.t.Errorf("n4 is not on the list, and has of the cluster: %s", left)
	}
}

// A member is lost at a random moment of a change, in each of the ways in which
// members are lost. The others stay quorate, and when it is back, the operation is
// taken back from another machine, unless it went through: then all nodes have one file and run it.
func TestNodeMemberLostMidwayIsEndedFromElsewhere(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 4, Links: 2})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	n3 := s.Node("n3")
	nothing := func(context.Context) error { return nil }
	faults := []struct {
		name     string
		do, mend func(context.Context) error
	}{
		{"its networks are cut", n3.CutAll, n3.HealAll},
		{"it is frozen", n3.Freeze, n3.Thaw},
		{"its disk is full", func(context.Context) error { return n3.FillDisk() }, func(context.Context) error { return n3.FreeDisk() }},
		{"it is rebooted", func(ctx context.Context) error { return errors.Join(n3.Kill(ctx), n3.Boot(ctx)) }, nothing},
	}
	for _, change := range drawn(t, s.changes()...) {
		for _, fault := range drawn(t, faults...) {
			t.Run(change.name+" while "+fault.name, func(t *testing.T) {
				s := &site{s.Lab, t, s.home}
				s.createOnly(change.from...)
				watchers := s.watch("n1", "n2")
				r := s.struck(random, change.steps, func(*os.Process) error { return fault.do(t.Context()) },
					append([]string{"-H", "n1", "--connect-timeout", "3s"}, change.args()...)...) // whether it goes through depends on the moment
				if err := fault.mend(t.Context()); err != nil {
					t.Fatal(err)
				}
				t.Logf("exit code %d", r.code)
				elsewhere := s.elsewhere()
				s.await("n3 answers", func() bool { return elsewhere.ctl("-H", "n3", "op", "list").code == cli.ExitOK })
				// What failed is being undone already, and cannot be resumed.
				if end := elsewhere.ctl("-H", random1(random, []string{"n1", "n2"}), "op", "undo", "--yes"); !ended(end) {
					t.Errorf("op undo: %v", end)
				}
				s.await("n3 is a member", func() bool {
					out, _ := s.Node("n3").Run(t.Context(), "corosync-quorumtool -s")
					return strings.Contains(out, "Quorate:          Yes")
				})
				s.oneConf(three...)
				s.nothingLeft()
				for _, w := range watchers {
					w.unbroken(t)
				}
				if t.Failed() {
					t.Fatalf("clusterctl said:\n%s", r.err)
				}
			})
		}
	}
}

// clusterctl is killed at random moments of a change. The members stay quorate,
// and from another machine the operation is finished or taken back: then all
// nodes have one file and run it.
func TestNodeKilledChangeIsEndedFromElsewhere(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 4, Links: 2})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for _, change := range drawn(t, s.changes()...) {
		t.Run(change.name, func(t *testing.T) {
			s := &site{s.Lab, t, s.home}
			var watchers []*watcher
			anew, n := true, rounds(t, 2)
			for i := range n {
				if anew {
					s.createOnly(change.from...)
					watchers = s.watch(three...)
				}
				verb := []string{"resume", "undo"}[random.IntN(2)]
				succeeded := s.struck(random, change.steps, (*os.Process).Kill, append([]string{"-H", "n1"}, change.args()...)...).code == cli.ExitOK
				elsewhere := s.elsewhere()
				r := elsewhere.ctl("-H", random1(random, three), "op", verb, "--yes")
				if !ended(r) {
					t.Fatalf("round %d: op %s: %v", i, verb, r)
				}
				s.oneConf(three...)
				s.nothingLeft()
				if t.Failed() {
					t.Fatalf("round %d: op %s: %v", i, verb, r)
				}
				grown := strings.Contains(s.conf("n1"), "name: n4")
				anew = change.name == "add" && grown || change.name == "delnode" && !grown || succeeded && len(change.from) > 3
				if anew || i == n-1 {
					for _, w := range watchers {
						w.unbroken(t)
					}
				}
			}
		})
	}
}

// Two admins change the same cluster at the same time: each change is there in
// the end, or was refused with a reason, and there are never two files.
func TestNodeConcurrentChanges(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 3, Links: 2})
	s.must(cli.ExitOK, s.create()...)
	watchers := s.watch(s.names()...)
	for i := range rounds(t, 3) {
		settings := [2][2]string{{"totem.join", fmt.Sprint(60 + i)}, {"totem.merge", fmt.Sprint(300 + i)}}
		var cmds [2]*exec.Cmd
		var errs [2]bytes.Buffer
		var wg sync.WaitGroup
		for j, set := range settings {
			cmds[j] = s.command(t.Context(), "-H", []string{"n1", "n3"}[j], "conf", "set", set[0], set[1])
			cmds[j].Stderr = &errs[j]
			wg.Go(func() { _ = cmds[j].Run() }) // its exit code tells
		}
		wg.Wait()
		s.oneConf(s.names()...)
		through := 0
		for j, set := range settings {
			path, err := corosyncconf.ParsePath(set[0])
			if err != nil {
				t.Fatal(err)
			}
			f, err := corosyncconf.Parse("", []byte(s.conf("n2")))
			if err != nil {
				t.Fatal(err)
			}
			found, err := f.Get(path)
			there := err == nil && len(found) == 1 && found[0].Value == set[1]
			code := cmds[j].ProcessState.ExitCode()
			switch {
			case there != (code == cli.ExitOK):
				t.Errorf("round %d: %s is there: %t, but the exit code is %d:\n%s", i, set[0], there, code, errs[j].String())
			case !there && !strings.Contains(errs[j].String(), "error: "):
				t.Errorf("round %d: refused without a reason:\n%s", i, errs[j].String())
			case there:
				through++
			}
		}
		if through == 0 {
			t.Errorf("round %d: neither went through:\n%s\n%s", i, errs[0].String(), errs[1].String())
		}
	}
	for _, w := range watchers {
		w.unbroken(t)
	}
}

// What a reload does not do takes a restart: of one node after the other, which
// costs no quorum, or of all at once, which is taken back where a node does not
// come up with it.
func TestNodeConfRestarts(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 3, Links: 2})
	s.must(cli.ExitOK, s.create()...)
	watchers := s.watch(s.names()...)
	since := s.on("n3", "systemctl show -P ActiveEnterTimestampMonotonic corosync")
	if sent := s.sent(1); sent != 0 {
		t.Errorf("n1 sends %d packets on link 1, and link_mode is passive", sent)
	}
	s.must(cli.ExitOK, "-H", "n1", "conf", "set", "totem.link_mode", "active", "--restart")
	s.healthy()
	if s.on("n3", "systemctl show -P ActiveEnterTimestampMonotonic corosync") == since {
		t.Error("n3 was not restarted")
	}
	if s.sent(1) == 0 {
		t.Error("link_mode is active, and n1 sends nothing on link 1")
	}
	for _, w := range watchers {
		w.stop()
		quorate, torn := true, 0
		for line := range strings.Lines(w.polls.String()) {
			name, value, _ := strings.Cut(line, ":")
			switch value = strings.TrimSpace(value); {
			case name == "Quorate":
				quorate = value == "Yes"
			case quorate || value == "0" || value == "1": // it is alone while it comes back
				torn = 0
			default: // the others may come between the tool's two questions, but not twice
				if torn++; torn == 2 {
					t.Errorf("%s was without quorum beside others, with %s votes", w.node, value)
				}
			}
		}
	}

	if r := s.must(cli.ExitUsage, "-H", "n1", "conf", "set", "totem.cluster_name", "renamed", "--restart"); !strings.Contains(r.err, "--yes") {
		t.Errorf("all nodes are stopped unasked: %v", r)
	}
	s.must(cli.ExitOK, "-H", "n1", "--yes", "conf", "set", "totem.cluster_name", "renamed", "--restart")
	s.must(cli.ExitOK, "-c", "renamed", "status") // it is known by its new name
	s.healthy()
	if st := s.status("-H", "n2"); st.Cluster.Name != "renamed" {
		t.Errorf("the cluster is called %s", st.Cluster.Name)
	}

	// One node does not start with the new name.
	const bad = "/etc/systemd/system/corosync.service.d/bad.conf"
	s.on("n3", "mkdir -p $(dirname "+bad+"); printf '[Service]\nExecStartPre=/bin/sh -c \"! grep -q third /etc/corosync/corosync.conf\"\n' >"+bad+"; systemctl daemon-reload")
	if r := s.must(cli.ExitFailed, "-H", "n1", "--yes", "conf", "set", "totem.cluster_name", "third", "--restart"); !strings.Contains(r.err, "n3: ") || !strings.Contains(r.err, "taken back") {
		t.Errorf("the failure does not name n3, and that all was taken back: %v", r)
	}
	s.on("n3", "rm "+bad+"; systemctl daemon-reload")
	s.healthy()
	if st := s.status("-H", "n2"); st.Cluster.Name != "renamed" {
		t.Errorf("the cluster is called %s", st.Cluster.Name)
	}

	// knet to udpu, which has one link and no encryption, and back.
	knet := filepath.Join(t.TempDir(), "knet.conf")
	if err := os.WriteFile(knet, []byte(s.conf("n1")), 0o600); err != nil {
		t.Fatal(err)
	}
	udpu := "sed -i -e 's/transport: knet/transport: udpu/' -e '/crypto_/d' -e '/link_mode/d' -e '/ring1_addr/d'"
	if r := s.edits(udpu); r.code != cli.ExitFailed || !strings.Contains(r.err, "all nodes must be stopped") {
		t.Errorf("udpu without --restart: %v", r)
	}
	if r := s.edits(udpu, "--restart"); r.code != cli.ExitUsage || !strings.Contains(r.err, "--yes") {
		t.Errorf("all nodes are stopped unasked: %v", r)
	}
	if r := s.edits(udpu, "--restart", "--yes"); r.code != cli.ExitOK {
		t.Fatalf("to udpu: %v", r)
	}
	if st := s.status("-H", "n1"); st.Cluster.Transport != "udpu" || st.Cluster.Links != 1 || len(st.Problems) > 0 {
		t.Errorf("on udpu: %+v, %v", st.Cluster, st.Problems)
	}
	for _, n := range s.names() {
		if log := s.on(n, "journalctl -q -b -u corosync -o cat | grep 'Initializing transport' | tail -n 1"); !strings.Contains(log, "UDP/IP Unicast") {
			t.Errorf("%s: %s", n, log)
		}
	}
	if r := s.edits("cp "+knet, "--restart", "--yes"); r.code != cli.ExitOK {
		t.Fatalf("back to knet: %v", r)
	}
	s.healthy()
	if st := s.status("-H", "n3"); st.Cluster.Transport != "knet" || st.Cluster.CryptoCipher != "aes256" {
		t.Errorf("back on knet: %+v", st.Cluster)
	}
}

// sent is how many packets of data n1 has sent to n2 on a link.
func (s *site) sent(link int) uint64 {
	s.t.Helper()
	c, err := quorum.ParseCmap([]byte(s.on("n1", "corosync-cmapctl -m stats stats.knet.node2.")))
	if err != nil {
		s.t.Fatal(err)
	}
	n, there := c.Uint(fmt.Sprintf("stats.knet.node2.link%d.tx_data_packets", link))
	if !there {
		s.t.Fatalf("corosync does not say what it sends on link %d", link)
	}
	return n
}
