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
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
	"clusterctl/internal/cli"
	"clusterctl/internal/lab"
)

// watcher looks at a node's quorum ten times a second and at its journal.
type watcher struct {
	s      *site
	node   string
	cursor string
	polled bool
	polls  bytes.Buffer
	stop   func()
}

// watch begins to watch nodes that are members now. One of them is polled, up to
// five at length; of the others the journal, which misses nothing, has to do: corosync
// makes and clears megabytes for each poll, at real-time priority, and what is
// watched takes twice as long with three nodes polled.
func (s *site) watch(nodes ...string) []*watcher {
	s.t.Helper()
	most := len(atLength(s.t, 1, 2, 3, 4, 5))
	var all []*watcher
	for i, node := range nodes {
		w := &watcher{s: s, node: node, polled: i < most, stop: func() {}}
		w.cursor = strings.TrimPrefix(strings.TrimSpace(s.on(node, "journalctl -q -u corosync -n 0 --show-cursor")), "-- cursor: ")
		all = append(all, w)
		if !w.polled {
			continue
		}
		ctx, cancel := context.WithCancel(s.t.Context())
		cmd := s.Node(node).Command(ctx, "bash", "-c", `while :; do corosync-quorumtool -s 2>/dev/null | grep -E "Quorate:|Total votes:"; sleep 0.1; done`)
		cmd.Stdout = &w.polls
		if err := cmd.Start(); err != nil {
			s.t.Fatal(err)
		}
		w.stop = sync.OnceFunc(func() {
			cancel()
			_ = cmd.Wait() // it was killed
		})
		s.t.Cleanup(w.stop)
	}
	return all
}

// unbroken checks that no poll saw the node without quorum, and that its journal
// never says so either.
func (w *watcher) unbroken(t *testing.T) {
	t.Helper()
	w.stop()
	if no := strings.Count(w.polls.String(), "No"); no > 0 {
		t.Errorf("%s: %d polls say Quorate: No", w.node, no)
	}
	if yes := strings.Count(w.polls.String(), "Yes"); yes == 0 && w.polled {
		t.Errorf("%s: no poll says Quorate: Yes", w.node)
	}
	journal := w.journal()
	if strings.Contains(journal, "non-primary component") {
		t.Errorf("%s lost quorum:\n%s", w.node, journal)
	}
}

// journal is what corosync wrote since the watch began.
func (w *watcher) journal() string {
	w.s.t.Helper()
	return w.s.on(w.node, "journalctl -q -u corosync -o short-precise --after-cursor='"+w.cursor+"'")
}

// whole checks that no poll saw fewer votes than these: no member was missing
// at any time.
func (w *watcher) whole(t *testing.T, votes int) {
	t.Helper()
	w.unbroken(t)
	seen := 0
	for line := range strings.Lines(w.polls.String()) {
		text, ok := strings.CutPrefix(line, "Total votes:")
		if !ok {
			continue
		}
		if seen++; strings.TrimSpace(text) != strconv.Itoa(votes) {
			t.Errorf("%s: a poll saw %s votes of %d", w.node, strings.TrimSpace(text), votes)
		}
	}
	if seen == 0 && w.polled {
		t.Errorf("%s: no poll saw votes", w.node)
	}
	if journal := w.journal(); strings.Contains(journal, "Members left") {
		t.Errorf("%s missed a member:\n%s", w.node, journal)
	}
}

// together checks that exactly these nodes are one cluster, by status and by
// each node's own tools: one file, one version, all connected, two_node right.
func (s *site) together(t *testing.T, names ...string) {
	t.Helper()
	s = &site{s.Lab, t, s.home}
	r := s.must(cli.ExitOK, "-H", names[0], "status", "-o", "json")
	var st cluster.Status
	if err := json.Unmarshal([]byte(r.out), &st); err != nil {
		t.Fatalf("status: %v\n%v", err, r)
	}
	if len(st.Nodes) != len(names) || len(st.Partitions) != 1 || len(st.Partitions[0]) != len(names) || st.Quorum.TotalVotes != len(names) || st.Quorum.ExpectedVotes != len(names) {
		t.Errorf("status: %v", r)
	}
	hashes := map[string]bool{}
	versions := map[uint64]bool{}
	for _, n := range st.Nodes {
		if !slices.Contains(names, n.Name) {
			t.Errorf("%s is still there", n.Name)
			continue
		}
		hashes[n.ConfigSHA256], versions[n.ConfigVersionRunning] = true, true
		s.agrees(n, st)
	}
	if len(hashes) != 1 || len(versions) != 1 {
		t.Errorf("files %v, versions %v", hashes, versions)
	}
	f, err := corosyncconf.Parse("", []byte(s.on(names[0], "cat /etc/corosync/corosync.conf")))
	if err != nil {
		t.Fatal(err)
	}
	if two := f.Config().Quorum.TwoNode; two != (len(names) == 2) {
		t.Errorf("two_node is %v with %d nodes", two, len(names))
	}
}

// The life of a cluster, with a file that an admin's hand has been in: after
// each step every node agrees, and no member was without quorum at any time.
func TestNodeGrowAndShrink(t *testing.T) {
	for _, suite := range atLength(t, "bookworm", "trixie") {
		t.Run(suite, func(t *testing.T) {
			s := newSite(t, lab.Options{Nodes: 5, Links: 2, Suite: suite})
			args := []string{"create", "prod", "n1", "n2", "n3"}
			for link := range s.Links() {
				args = append(args, "--link", s.Net(link).String())
			}
			s.must(cli.ExitOK, args...)
			comments := s.byHand("n1", "n2", "n3")

			members := []string{"n1", "n2", "n3"}
			type step struct {
				args []string
				rest []string
			}
			steps := []step{
				{[]string{"add", "n4", "n5"}, []string{"n1", "n2", "n3", "n4", "n5"}},
				{[]string{"delnode", "n2", "n3"}, []string{"n1", "n4", "n5"}},
				{[]string{"delnode", "--keep-key", "5"}, []string{"n1", "n4"}},
				{[]string{"add", "n5"}, []string{"n1", "n4", "n5"}},
				{[]string{"rm", "--keep-key", "n5", "n4"}, []string{"n1"}},
				{[]string{"add", "n2"}, []string{"n1", "n2"}},
				{[]string{"add", "n3", "n4", "n5"}, []string{"n1", "n2", "n3", "n4", "n5"}},
				{[]string{"delnode", "--keep-key", "n2", "n4", "n5"}, []string{"n1", "n3"}},
			}
			for _, step := range steps {
				t.Run(strings.Join(step.args, " "), func(t *testing.T) {
					s := &site{s.Lab, t, s.home}
					watchers := s.watch(members...)
					s.must(cli.ExitOK, append([]string{"-H", "n1"}, step.args...)...)
					for _, w := range watchers {
						w.unbroken(t)
					}
					s.together(t, step.rest...)
					for _, n := range members {
						if slices.Contains(step.rest, n) {
							continue
						}
						if left := s.on(n, "ls /etc/corosync; systemctl is-active corosync; systemctl is-enabled corosync; true"); strings.Contains(left, "corosync.conf\n") || !strings.Contains(left, "inactive") || !strings.Contains(left, "disabled") {
							t.Errorf("%s could come back: %s", n, left)
						}
					}
					conf := s.on("n1", "cat /etc/corosync/corosync.conf")
					for _, c := range comments {
						if !strings.Contains(conf, c) {
							t.Errorf("%q is gone from the file:\n%s", c, conf)
						}
					}
				})
				members = step.rest
			}
			t.Run("expected", func(t *testing.T) {
				s := &site{s.Lab, t, s.home}
				s.must(cli.ExitUsage, "-H", "n1", "expected", "3")           // nobody to ask
				s.must(cli.ExitFailed, "-H", "n1", "expected", "1", "--yes") // fewer than there are
				s.must(cli.ExitFailed, "-H", "n1", "expected", "4", "--yes") // quorum would be lost
				s.must(cli.ExitOK, "-H", "n1", "expected", "3", "--yes")
				if st := s.status("-H", "n1"); st.Quorum.ExpectedVotes != 3 {
					t.Errorf("quorum: %+v", st.Quorum)
				}
				s.must(cli.ExitOK, "-H", "n1", "expected", "2", "--yes")
			})
			t.Run("a removed node is not mistaken for a member", func(t *testing.T) {
				s := &site{s.Lab, t, s.home}
				s.must(cli.ExitFailed, "-H", "n5", "status") // it is in no cluster
				s.must(cli.ExitOK, "-H", "n1", "add", "n5", "--if-missing")
				before := s.on("n1", "sha256sum /etc/corosync/corosync.conf")
				s.must(cli.ExitOK, "-H", "n1", "add", "n5", "--if-missing")
				if after := s.on("n1", "sha256sum /etc/corosync/corosync.conf"); after != before {
					t.Error("--if-missing changed the file")
				}
				s.must(cli.ExitFailed, "-H", "n1", "add", "n5")
			})
		})
	}
}

// byHand edits corosync.conf on all nodes as an admin would: comments, tabs, odd
// blank lines. It returns what has to survive.
func (s *site) byHand(nodes ...string) []string {
	s.t.Helper()
	for _, n := range nodes {
		s.on(n, `sed -i -e 's/^    config_version: .*/    config_version: 7/' -e 's/^nodelist {/# Rack 7, ask Eve before touching.\n\n\nnodelist {/' \
  -e 's/^    transport: knet/\ttransport:\tknet\n    # longer because of the stretched cluster/' /etc/corosync/corosync.conf
printf '\n# the end\n\n' >>/etc/corosync/corosync.conf`)
	}
	s.on(nodes[0], "corosync-cfgtool -R")
	s.await("the edited file runs", func() bool { return s.ctl("-H", nodes[0], "status").code == cli.ExitOK })
	return []string{"# Rack 7, ask Eve before touching.\n\n\nnodelist {", "\ttransport:\tknet\n    # longer because of the stretched cluster\n", "\n# the end\n\n"}
}

// An add that fails leaves the old nodes with their old bytes under a higher
// version and quorate, and the new node as it was.
func TestNodeFailedAddLeavesTheClusterAsItWas(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 4, Links: 2})
	old := []string{"n1", "n2", "n3"}
	s.must(cli.ExitOK, "create", "prod", "n1", "n2", "n3", "--link", s.Net(0).String(), "--link", s.Net(1).String())
	n4 := s.Node("n4")
	dropIn := func(text string) {
		s.on("n4", "mkdir -p /run/systemd/system/corosync.service.d && printf '%s\\n' '"+text+"' >/run/systemd/system/corosync.service.d/test.conf && systemctl daemon-reload")
	}
	const slow = "[Service]\nExecStop=/bin/sleep 2"
	tests := []struct {
		name     string
		dropIn   string
		do, mend func() error
		code     int
	}{
		{"corosync refuses to start", "[Service]\nExecStartPre=/bin/grep -q debian /etc/corosync/corosync.conf\nExecStop=/bin/sleep 1",
			func() error { return nil }, func() error { return nil }, cli.ExitFailed},
		{"its cluster networks go", slow, func() error { return errors.Join(n4.Cut(t.Context(), 0), n4.Cut(t.Context(), 1)) },
			func() error { return errors.Join(n4.Heal(t.Context(), 0), n4.Heal(t.Context(), 1)) }, cli.ExitFailed},
		{"its disk is full", slow, n4.FillDisk, n4.FreeDisk, cli.ExitFailed},
		{"it is cut off altogether", slow, func() error { return n4.CutAll(t.Context()) }, func() error { return n4.HealAll(t.Context()) }, cli.ExitPartial},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &site{s.Lab, t, s.home}
			dropIn(slow)
			fresh := s.state()["n4"]
			before := s.on("n1", "cat /etc/corosync/corosync.conf")
			dropIn(tt.dropIn)
			watchers := s.watch(old...)
			if r := s.midway("n4", tt.do, nil, "-H", "n1", "add", "n4"); r.code != tt.code {
				t.Errorf("want exit code %d, got %v", tt.code, r)
			}
			if err := tt.mend(); err != nil {
				t.Fatal(err)
			}
			if tt.code == cli.ExitPartial {
				s.await("n4 answers", func() bool { return s.ctl("-H", "n4", "op", "list").code == cli.ExitOK })
				s.elsewhere().must(cli.ExitOK, "-H", "n1", "op", "undo", "--yes")
			}
			for _, w := range watchers {
				w.unbroken(t)
			}
			s.together(t, old...)
			after := s.on("n1", "cat /etc/corosync/corosync.conf")
			if a, b := versionOf(t, before), versionOf(t, after); b < a || strings.ReplaceAll(after, fmt.Sprintf("config_version: %d", b), fmt.Sprintf("config_version: %d", a)) != before {
				t.Errorf("the old nodes' file is not as before under a higher version:\n%s", corosyncconf.UnifiedDiff("before", "after", []byte(before), []byte(after)))
			}
			if now := s.state()["n4"]; now != fresh {
				t.Errorf("n4 is not as before:\n%s\nwas:\n%s", now, fresh)
			}
		})
	}
}

func versionOf(t *testing.T, text string) uint64 {
	t.Helper()
	f, err := corosyncconf.Parse("", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f.ConfigVersion()
}

// rounds is how often a random fault is tried: CLUSTERCTL_ROUNDS, or a few.
func rounds(t *testing.T, few int) int {
	t.Helper()
	text := os.Getenv("CLUSTERCTL_ROUNDS")
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// atLength is the first of some cases of a test that takes minutes, and all of
// them when CLUSTERCTL_ROUNDS asks for more than a few rounds.
func atLength[T any](t *testing.T, cases ...T) []T {
	t.Helper()
	if rounds(t, 0) > 0 {
		return cases
	}
	return cases[:1]
}

// drawn is one of some cases of a test that takes minutes, by lot, and all of them
// when CLUSTERCTL_ROUNDS asks for more than a few rounds.
func drawn[T any](t *testing.T, cases ...T) []T {
	t.Helper()
	if rounds(t, 0) > 0 {
		return cases
	}
	i := rand.IntN(len(cases))
	return cases[i : i+1]
}

// While two nodes join or leave, another member loses its power at a random
// moment: the rest stays quorate, as it would have had nothing been going on.
func TestNodeMemberDiesDuringAChange(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 5, Links: 2})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	type change struct {
		name  string
		from  []string
		args  []string
		steps int
	}
	for _, change := range drawn(t,
		change{"add 3 to 5", three, []string{"add", "n4", "n5"}, 12},
		change{"delnode 5 to 3", s.names(), []string{"delnode", "n4", "n5"}, 16},
	) {
		for i := range rounds(t, 1) {
			t.Run(fmt.Sprintf("%s, %d", change.name, i), func(t *testing.T) {
				s := &site{s.Lab, t, s.home}
				s.createOnly(change.from...)
				victim := random1(random, change.from[:3])
				rest := slices.DeleteFunc(slices.Clone(change.from[:3]), func(n string) bool { return n == victim })
				watchers := s.watch(rest...)
				r := s.struck(random, change.steps, func(*os.Process) error { return s.Node(victim).Kill(t.Context()) },
					append([]string{"-H", "n1"}, change.args...)...) // whether it goes through depends on the moment
				t.Logf("%s killed; exit code %d", victim, r.code)
				s.await("the others have noticed", func() bool {
					return !strings.Contains(s.on(rest[0], "corosync-quorumtool -s"), " "+victim)
				})
				for _, w := range watchers {
					w.unbroken(t)
				}
				if s.conf(rest[0]) != s.conf(rest[1]) {
					t.Errorf("%s have different files; clusterctl said:\n%s", strings.Join(rest, " and "), r.err)
				}
				if t.Failed() {
					t.Logf("clusterctl said:\n%s", r.err)
				}
			})
		}
	}
}
