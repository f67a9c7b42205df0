package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
)

func watched() *statusWatch {
	peers := func(a, b string) cluster.Peers { return cluster.PeersOf(map[string]string{"n2": a, "n3": b}) }
	return &statusWatch{
		app: &app{streams: &cli.Streams{Width: 80}},
		status: &cluster.Status{
			Cluster: cluster.StatusCluster{Name: "prod", Transport: "knet", Links: 2, ConfigVersion: 4, CryptoCipher: "aes256", CryptoHash: "sha256"},
			Quorum:  cluster.StatusQuorum{Quorate: true, ExpectedVotes: 3, TotalVotes: 2, Quorum: 2, Flags: []string{"Quorate"}},
			Nodes: []cluster.StatusNode{
				{Name: "n1", ID: 1, Votes: 1, Member: true, Reachable: true, Corosync: "active", Version: "3.1.7", ConfigSHA256: "x", ConfigVersionFile: 4, ConfigVersionRunning: 4,
					Links: []cluster.StatusLink{{Number: 0, Peers: peers("connected", "disconnected")}, {Number: 1, Peers: peers("connected", "disconnected")}}},
				{Name: "n3", ID: 3, Votes: 1},
			},
			Partitions: [][]string{{"n1", "n2"}, {"n3"}},
			Problems:   cluster.Problems{{Severity: cluster.Error, Code: cluster.CodePartition, Message: "the cluster is split: n1+n2 | n3"}},
		},
		past: []event{{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "n3 is no member any more"}, {time.Date(2026, 1, 2, 3, 4, 7, 0, time.UTC), "n3 does not answer"}},
	}
}

// One glance tells it all, on 80 columns.
func TestWatchFrame(t *testing.T) {
	var out bytes.Buffer
	watched().frame(&out, time.Date(2026, 1, 2, 3, 4, 9, 0, time.UTC), 24)
	const want = `prod  03:04:09  every 2s, q quits
Quorate: Yes, but not if one more node fails
Votes:   2 of 3 expected, 2 needed   Quorate
Config:  version 4   knet, 2 links   aes256/sha256

ID  VOTES  NODE  STATE        COROSYNC  CONFIG  LINKS
1   1      n1    member       3.1.7     4       0: not n3; 1: not n3
3   1      n3    unreachable  ?         ?       ?

Partition 1: n1 n2
Partition 2: n3

In the last minute:
  03:04:07  n3 does not answer
  03:04:05  n3 is no member any more

Problems (clusterctl doctor says what mends them):
  error    the cluster is split: n1+n2 | n3
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
	for line := range strings.Lines(out.String()) {
		if len(strings.TrimSuffix(line, "\n")) > 80 {
			t.Errorf("more than 80 columns: %s", line)
		}
	}
}

// However many nodes there are: what is wrong and what has changed is on the
// screen, and nodes that are well make room for it.
func TestWatchFrameFitsTheScreen(t *testing.T) {
	for _, bad := range []int{0, 1, 2, 16} {
		w := watched()
		w.status.Nodes, w.status.Problems, w.past = nil, nil, nil
		for i := range 32 {
			n := cluster.StatusNode{Name: fmt.Sprintf("n%d", i+1), ID: uint32(i + 1), Votes: 1, Member: true, Reachable: true, Corosync: "active", Version: "3.1.7", ConfigSHA256: "x"}
			if i >= 32-bad {
				n.Member, n.Corosync = false, "inactive"
				w.past = append(w.past, event{time.Now(), n.Name + " is no member any more"})
				w.status.Problems = append(w.status.Problems, cluster.Problem{Severity: cluster.Error, Node: n.Name, Message: "corosync is not running"})
			}
			w.status.Nodes = append(w.status.Nodes, n)
		}
		var out bytes.Buffer
		w.frame(&out, time.Now(), 24)
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) < 24 || bad <= 2 && len(lines) > 24 {
			t.Errorf("%d bad nodes: %d lines", bad, len(lines))
		}
		shown := strings.Join(lines[:24], "\n")
		want := []string{"Partition 2", "In the last minute"}
		if bad > 0 {
			want = append(want, "n32 is no member any more", "Problems")
		}
		if 0 < bad && bad <= 2 {
			want = append(want, "n32   absent", "n32: corosync is not running", ", well\n")
		}
		for _, text := range want {
			if !strings.Contains(shown, text) {
				t.Errorf("%d bad nodes: %q is not on the screen:\n%s", bad, text, shown)
			}
		}
	}
}

// Ctrl-C is how one leaves, also where there is no screen.
func TestWatchWithoutATerminalEndsWell(t *testing.T) {
	for cause, want := range map[error]int{errInterrupted: 0, context.DeadlineExceeded: 1} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		w := watched()
		var err error
		if w.env.Out, err = os.Create(filepath.Join(t.TempDir(), "out")); err != nil {
			t.Fatal(err)
		}
		w.streams.Out = w.env.Out
		if got := exitCode(ctx, w.print(ctx)); got != want {
			t.Errorf("%v: exit code %d, want %d", cause, got, want)
		}
		w.env.Out.Close()
	}
}

// What nodes say cannot move the cursor.
func TestWatchFrameIsClean(t *testing.T) {
	w := watched()
	w.err = errors.New("lost")
	w.status.Cluster.Name = "a\x1b[2Jb"
	w.status.Problems[0].Message = "x\x1b[Hy\nz"
	w.past[0].text = "p\rq"
	var out bytes.Buffer
	w.frame(&out, time.Now(), 24)
	if regexp.MustCompile(`[\x00-\x09\x0b-\x1f]`).MatchString(out.String()) {
		t.Errorf("got %q", out.String())
	}
	if !strings.Contains(out.String(), "no node answers") {
		t.Errorf("it does not say that no node answers:\n%s", &out)
	}
}
