//go:build linux && node

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
	"clusterctl/internal/lab"
	"clusterctl/quorum"
)

// site is a lab of real nodes and an admin beside them.
type site struct {
	*lab.Lab
	t    *testing.T
	home string // the admin's home directory
}

func newSite(t *testing.T, o lab.Options) *site {
	t.Helper()
	l := lab.Start(t, o)
	return &site{l, t, l.Home()}
}

// elsewhere is another admin, who can log in to the nodes but knows nothing of
// what was done so far.
func (s *site) elsewhere() *site {
	s.t.Helper()
	home := s.t.TempDir()
	if err := os.CopyFS(filepath.Join(home, ".ssh"), os.DirFS(filepath.Join(s.Home(), ".ssh"))); err != nil {
		s.t.Fatal(err)
	}
	return &site{s.Lab, s.t, home}
}

// result is how a run of clusterctl ended.
type result struct {
	out, err string
	code     int
}

func (r result) String() string {
	return fmt.Sprintf("exit code %d\nstdout:\n%s\nstderr:\n%s", r.code, r.out, r.err)
}

func (s *site) command(ctx context.Context, args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := s.Command(ctx, exe, args...)
	cmd.Env = append(cmd.Env, asTool+"=1", "HOME="+s.home)
	return cmd
}

// ctl runs clusterctl.
func (s *site) ctl(args ...string) result {
	s.t.Helper()
	cmd := s.command(s.t.Context(), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		s.t.Fatalf("clusterctl %v: %v", args, err)
	} else if ok && exit.ExitCode() < 0 {
		s.t.Fatalf("clusterctl %v ended by %v", args, exit)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// must runs clusterctl and expects an exit code.
func (s *site) must(code int, args ...string) result {
	s.t.Helper()
	r := s.ctl(args...)
	if r.code != code {
		s.t.Fatalf("clusterctl %s: want exit code %d, got %v", strings.Join(args, " "), code, r)
	}
	return r
}

func (s *site) names() []string {
	var names []string
	for _, n := range s.Nodes() {
		names = append(names, n.Name())
	}
	return names
}

// create is the command line that makes a cluster of all nodes over two links.
func (s *site) create() []string {
	args := append([]string{"create", "prod"}, s.names()...)
	for link := range s.Links() {
		args = append(args, "--link", s.Net(link).String())
	}
	return args
}

// on runs a script on a node.
func (s *site) on(node, script string) string {
	s.t.Helper()
	out, err := s.Node(node).Run(s.t.Context(), script)
	if err != nil {
		s.t.Fatalf("%s: %s: %v", node, script, err)
	}
	return out
}

// state is what an admin would look at to see whether a node was changed: every
// file in /etc/corosync with its mode and content, and corosync's service.
func (s *site) state() map[string]string {
	s.t.Helper()
	all := map[string]string{}
	for _, n := range s.names() {
		all[n] = s.on(n, `cd /etc/corosync && find . -type f -exec stat -c '%n %a %u' {} + -exec sha256sum {} + | sort
systemctl is-active corosync; systemctl is-enabled corosync; true`)
	}
	return all
}

// await waits until a condition holds.
func (s *site) await(what string, holds func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain: %s", what)
		}
	}
}

func (s *site) status(args ...string) cluster.Status {
	s.t.Helper()
	r := s.ctl(append([]string{"status", "-o", "json"}, args...)...)
	var st cluster.Status
	if err := json.Unmarshal([]byte(r.out), &st); err != nil {
		s.t.Fatalf("status: %v\n%v", err, r)
	}
	return st
}

// healthy checks that status, and each node's own tools, say that all nodes are
// together, quorate and connected on every link, with one configuration.
func (s *site) healthy() { s.t.Helper(); s.healthyOn(s.Links()) }

// healthyOn is healthy for a cluster of so many links.
func (s *site) healthyOn(links int) {
	s.t.Helper()
	r := s.ctl("status", "-o", "json")
	var st cluster.Status
	if err := json.Unmarshal([]byte(r.out), &st); err != nil || r.code != cli.ExitOK {
		s.t.Fatalf("status (%v): %v", err, r)
	}
	want := s.names()
	if !st.Quorum.Quorate || st.Quorum.Nodes != len(want) || !cmp.Equal(st.Partitions, [][]string{want}) {
		s.t.Errorf("quorum: %+v, partitions: %v", st.Quorum, st.Partitions)
	}
	hashes := map[string]bool{}
	for _, n := range st.Nodes {
		hashes[n.ConfigSHA256] = true
		if len(n.Links) != links {
			s.t.Errorf("%s has %d links", n.Name, len(n.Links))
		}
		for _, l := range n.Links {
			if l.Peers.Len() != len(want)-1 {
				s.t.Errorf("%s link %d knows %v", n.Name, l.Number, l.Peers)
			}
			for peer, state := range l.Peers.All() {
				if state != "connected" {
					s.t.Errorf("%s link %d to %s: %s", n.Name, l.Number, peer, state)
				}
			}
		}
		s.agrees(n, st)
	}
	if len(hashes) != 1 {
		s.t.Errorf("different files: %v", hashes)
	}
}

// agrees checks what status says of a node against the node's own tools.
func (s *site) agrees(n cluster.StatusNode, st cluster.Status) {
	s.t.Helper()
	q, err := quorum.ParseStatus([]byte(s.on(n.Name, "corosync-quorumtool -s")))
	if err != nil {
		s.t.Fatal(err)
	}
	if q.Quorate != st.Quorum.Quorate || q.Total != st.Quorum.TotalVotes || q.Expected != st.Quorum.ExpectedVotes || q.Quorum != st.Quorum.Quorum || q.NodeID != n.ID {
		s.t.Errorf("%s: corosync-quorumtool says %+v, status %+v", n.Name, q, st.Quorum)
	}
	links, err := quorum.ParseLinks([]byte(s.on(n.Name, "corosync-cfgtool -s")))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, l := range links.Links {
		if !slices.ContainsFunc(n.Links, func(sl cluster.StatusLink) bool { return sl.Number == l.Number && sl.Address == l.Addr }) {
			s.t.Errorf("%s: corosync-cfgtool has link %d at %s, status %+v", n.Name, l.Number, l.Addr, n.Links)
		}
	}
	if sum := strings.Fields(s.on(n.Name, "sha256sum /etc/corosync/corosync.conf"))[0]; sum != n.ConfigSHA256 {
		s.t.Errorf("%s: the file's hash is %s, status says %s", n.Name, sum, n.ConfigSHA256)
	}
}

func TestNodeCreateAndStatus(t *testing.T) {
	for _, suite := range []string{"bookworm", "trixie"} {
		t.Run(suite, func(t *testing.T) {
			s := newSite(t, lab.Options{Nodes: 3, Links: 2, Suite: suite})
			before := s.state()
			s.must(cli.ExitOK, append(s.create(), "--dry-run")...)
			if diff := cmp.Diff(before, s.state()); diff != "" {
				t.Fatalf("--dry-run changed something:\n%s", diff)
			}
			s.must(cli.ExitOK, s.create()...)
			s.healthy()
			for _, n := range s.names() {
				if mode := strings.TrimSpace(s.on(n, "stat -c %a:%U:%s /etc/corosync/authkey")); mode != "400:root:256" {
					t.Errorf("%s: the authkey is %s", n, mode)
				}
				if s.on(n, "cat /etc/corosync/corosync.conf.bak") == s.on(n, "cat /etc/corosync/corosync.conf") {
					t.Errorf("%s: the .bak is not the file from before", n)
				}
			}
			s.must(cli.ExitFailed, s.create()...)                                            // it exists
			s.must(cli.ExitOK, append(s.create(), "--if-missing")...)                        // it is as asked
			s.must(cli.ExitFailed, append(s.create(), "--if-missing", "--token", "9000")...) // it is different
			if r := s.elsewhere().must(cli.ExitOK, "-H", "n2", "nodes"); strings.Count(r.out, "member") != 3 {
				t.Errorf("nodes, from elsewhere: %v", r)
			}

			t.Run("by another login", func(t *testing.T) {
				s := &site{s.Lab, t, s.home}
				s.must(cli.ExitOK, "status", "-H", "n1", "-l", "admin", "--sudo")
				if r := s.must(cli.ExitFailed, "stop", "n3", "-H", "n1", "-l", "admin"); !strings.Contains(r.err, "n3: the login is not root") {
					t.Error(r)
				}
				s.must(cli.ExitUnreachable, "status", "-H", "n1", "-l", "nobody")
			})
			t.Run("stop and start", func(t *testing.T) {
				s := &site{s.Lab, t, s.home}
				s.must(cli.ExitFailed, "stop", "n1", "n2") // would cost quorum
				s.healthy()
				s.must(cli.ExitOK, "stop", "3")
				s.must(cli.ExitBad, "status")
				s.must(cli.ExitOK, "start", "n3")
				s.healthy()
				s.must(cli.ExitUsage, "stop", "--all") // nobody to ask
				s.must(cli.ExitOK, "stop", "--all", "--yes")
				s.must(cli.ExitBad, "status")
				s.must(cli.ExitOK, "start", "--all")
				s.healthy()
			})
			if !slices.Contains(atLength(t, "bookworm", "trixie"), suite) {
				return
			}
			t.Run("a file that is not the cluster's is not started", func(t *testing.T) {
				s := &site{s.Lab, t, s.home}
				s.must(cli.ExitOK, "stop", "n3")
				s.on("n3", "echo '# edited' >>/etc/corosync/corosync.conf")
				r := s.must(cli.ExitFailed, "start", "n3")
				if !strings.Contains(r.err, "n3: its corosync.conf (version 1) is not that of the cluster") {
					t.Error(r)
				}
				s.on("n3", "sed -i '/# edited/d' /etc/corosync/corosync.conf")
				s.must(cli.ExitOK, "start", "n3")
				s.healthy()
			})
			t.Run("a node cut off is seen", func(t *testing.T) {
				s := &site{s.Lab, t, s.home}
				for link := range s.Links() {
					if err := s.Node("n3").Cut(t.Context(), link); err != nil {
						t.Fatal(err)
					}
				}
				s.await("the partition", func() bool { return len(s.status().Partitions) == 2 })
				st := s.status()
				if !cmp.Equal(st.Partitions, [][]string{{"n1", "n2"}, {"n3"}}) || !st.Quorum.Quorate || st.Quorum.TotalVotes != 2 {
					t.Errorf("partitions %v, quorum %+v", st.Partitions, st.Quorum)
				}
				for link := range s.Links() {
					if err := s.Node("n3").Heal(t.Context(), link); err != nil {
						t.Fatal(err)
					}
				}
				s.await("health", func() bool { return s.ctl("status").code == cli.ExitOK })
				s.healthy()
			})
			t.Run("a dead node is named and the rest still told", func(t *testing.T) {
				s := &site{s.Lab, t, s.home}
				if err := s.Node("n3").Kill(t.Context()); err != nil {
					t.Fatal(err)
				}
				r := s.must(cli.ExitBad, "status", "-o", "json", "--connect-timeout", "2s")
				var st cluster.Status
				if err := json.Unmarshal([]byte(r.out), &st); err != nil {
					t.Fatal(err)
				}
				if !slices.ContainsFunc(st.Problems, func(p cluster.Problem) bool { return p.Code == cluster.CodeUnreachable && p.Node == "n3" }) {
					t.Errorf("problems: %v", st.Problems)
				}
				if st.Nodes[2].Reachable || !st.Nodes[0].Reachable || !st.Nodes[1].Reachable {
					t.Errorf("reachable: %+v", st.Nodes)
				}
			})
		})
	}
}

// midway runs clusterctl and does something to it, or to a node, while its first
// step is at work on that node.
func (s *site) midway(node string, do func() error, signals []os.Signal, args ...string) result {
	s.t.Helper()
	cmd := s.command(s.t.Context(), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its exit code is looked at by the caller
		close(ended)
	}()
	s.await("the first step on "+node, func() bool {
		select {
		case <-ended:
			s.t.Fatalf("it ended before its first step on %s:\n%s", node, errs.String())
		default:
		}
		log, _ := s.Node(node).Run(s.t.Context(), "cat /var/lib/clusterctl/op/*/log 2>/dev/null")
		return strings.Contains(log, "do quiet")
	})
	if err := do(); err != nil {
		s.t.Fatal(err)
	}
	for _, sig := range signals {
		if err := cmd.Process.Signal(sig); err != nil {
			s.t.Fatal(err)
		}
	}
	<-ended
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// A create that fails on a node, for whatever reason, leaves no node changed.
func TestNodeFailedCreateLeavesNoNodeChanged(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 3, Links: 2})
	n3 := s.Node("n3")
	// slow makes the first step take its time on n3, so that something can
	// happen in the middle.
	dropIn := func(text string) {
		s.on("n3", "mkdir -p /run/systemd/system/corosync.service.d && printf '%s\\n' '"+text+"' >/run/systemd/system/corosync.service.d/test.conf && systemctl daemon-reload")
	}
	const slow = "[Service]\nExecStop=/bin/sleep 2"
	during := func(do func() error, signals ...os.Signal) result {
		return s.midway("n3", do, signals, s.create()...)
	}
	tests := []struct {
		name   string
		dropIn string
		do     func() error // in the middle of the first step
		mend   func() error
		code   int
		want   string // on stderr
	}{
		{"corosync refuses to start", "[Service]\nExecStartPre=/bin/grep -q debian /etc/corosync/corosync.conf\nExecStop=/bin/sleep 1", func() error { return nil },
			func() error { dropIn("[Service]"); return nil }, cli.ExitFailed, "n3: start corosync"},
		{"its cluster networks go", slow, func() error { return errors.Join(n3.Cut(t.Context(), 0), n3.Cut(t.Context(), 1)) },
			func() error { return errors.Join(n3.Heal(t.Context(), 0), n3.Heal(t.Context(), 1)) }, cli.ExitFailed, "does not see n3"},
		{"its disk is full", slow, n3.FillDisk, n3.FreeDisk, cli.ExitFailed, "disk is full"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &site{s.Lab, t, s.home}
			dropIn(slow)
			before := s.state()
			dropIn(tt.dropIn)
			r := during(tt.do)
			if r.code != tt.code || !strings.Contains(r.err, tt.want) {
				t.Errorf("want exit code %d and %q, got %v", tt.code, tt.want, r)
			}
			if err := tt.mend(); err != nil {
				t.Fatal(err)
			}
			if r := s.must(cli.ExitOK, "-H", "n1", "op", "undo", "--yes"); !strings.Contains(r.out, "no operation is open") {
				t.Errorf("something was left to undo: %v", r)
			}
			if diff := cmp.Diff(before, s.state()); diff != "" {
				t.Errorf("not as before (-before +after):\n%s", diff)
			}
		})
	}
	t.Run("its clock is wrong", func(t *testing.T) {
		s := &site{s.Lab, t, s.home}
		before := s.state()
		if err := n3.Clock(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		r := s.must(cli.ExitFailed, s.create()...)
		if !strings.Contains(r.err, "n3: its clock is 1m0s ahead of that of n") {
			t.Error(r)
		}
		if err := n3.Clock(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, s.state()); diff != "" {
			t.Errorf("not as before (-before +after):\n%s", diff)
		}
	})
	t.Run("Ctrl-C", func(t *testing.T) {
		s := &site{s.Lab, t, s.home}
		dropIn(slow)
		before := s.state()
		r := during(func() error { return nil }, os.Interrupt)
		if r.code != cli.ExitInterrupted || !strings.Contains(r.err, "taken back") {
			t.Errorf("want exit code %d, got %v", cli.ExitInterrupted, r)
		}
		if diff := cmp.Diff(before, s.state()); diff != "" {
			t.Errorf("not as before (-before +after):\n%s", diff)
		}
	})
	t.Run("it is cut off altogether, and undone when it is back", func(t *testing.T) {
		s := &site{s.Lab, t, s.home}
		dropIn(slow)
		before := s.state()
		r := during(func() error { return n3.CutAll(t.Context()) })
		if r.code != cli.ExitPartial || !strings.Contains(r.err, "clusterctl -H n1 op undo") {
			t.Errorf("want exit code %d, got %v", cli.ExitPartial, r)
		}
		if err := n3.HealAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.await("n3 answers", func() bool { return s.elsewhere().ctl("-H", "n3", "op", "list").code == cli.ExitOK })
		s.elsewhere().must(cli.ExitOK, "-H", "n1", "op", "undo", "--yes")
		if diff := cmp.Diff(before, s.state()); diff != "" {
			t.Errorf("not as before (-before +after):\n%s", diff)
		}
	})
}

// kill -9 at any moment of a create leaves what op undo, from another machine,
// takes back to the last byte; afterwards create goes through.
func TestNodeKilledCreateIsUndoneFromElsewhere(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 3, Links: 2})
	before := s.state()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range rounds(t, 8) {
		moment := time.Duration(random.IntN(5000)) * time.Millisecond
		cmd := s.command(t.Context(), s.create()...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-time.After(moment):
			if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
			<-ended
		case <-ended:
		}
		if cmd.ProcessState.Success() { // it was faster: start over
			if err := s.Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		r := s.elsewhere().ctl("-H", random1(random, s.names()), "op", "undo", "--yes")
		if r.code != cli.ExitOK {
			t.Fatalf("killed after %s: %v", moment, r)
		}
		if diff := cmp.Diff(before, s.state()); diff != "" {
			t.Fatalf("killed after %s: not as before (-before +after):\n%s", moment, diff)
		}
	}
	s.must(cli.ExitOK, s.create()...)
	s.healthy()
}

func random1(r *rand.Rand, names []string) string { return names[r.IntN(len(names))] }
