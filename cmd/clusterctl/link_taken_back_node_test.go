//go:build linux && node

package main

import (
	"maps"
	"strings"
	"testing"

	"clusterctl/internal/cli"
	"clusterctl/internal/lab"
)

// What a change of links does where it is refused, fails, or cannot be done while
// all runs: one of these by lot, at length all.
func TestNodeLinksThatDoNotJustChange(t *testing.T) {
	for _, test := range drawn(t, linksAreNotTakenAway, onlyLinkIsTakenBack, udpuMovesWhileAllAreStopped) {
		test(t)
	}
}

// The only link has moved as far as to the temporary one, and cannot be added
// again: all of it is taken back, and nobody notices.
func onlyLinkIsTakenBack(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 3, Links: 3})
	net := func(i int) string { return s.Net(i).String() }
	s.must(0, append(append([]string{"create", "prod"}, s.names()...), "--link", net(0))...)
	watchers := s.watch(s.names()...)
	s.on("n3", "echo 'table inet t { chain c { type filter hook input priority 0; iifname link2 udp dport 5405 drop; }; }' | nft -f -")
	r := s.must(1, "-H", "n1", "link", "set", "0", "--network", net(2))
	if !strings.Contains(r.err, "link 0 to n3 is disconnected") {
		t.Errorf("%v", r)
	}
	s.linked(map[int]int{0: 0})
	for _, w := range watchers {
		w.whole(t, 3)
	}
}

// With udpu the cluster stands still while it moves, and only if the new network
// is there.
func udpuMovesWhileAllAreStopped(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 3})
	net := func(i int) string { return s.Net(i).String() }
	s.must(0, append(append([]string{"create", "prod"}, s.names()...), "--link", net(0), "--transport", "udpu", "--crypto-cipher", "none", "--crypto-hash", "none")...)
	watchers := s.watch(s.names()...)
	before := s.state()
	for _, tt := range []struct {
		says string
		code int
		args []string
	}{
		{"link 1: transport udpu has one link", cli.ExitUsage, []string{"add", "1", net(1)}},
		{"all nodes must be stopped", cli.ExitFailed, []string{"set", "0", "--network", net(1)}},
		{"--yes", cli.ExitUsage, []string{"set", "0", "--network", net(1), "--restart"}},
	} {
		if r := s.must(tt.code, append([]string{"-H", "n1", "link"}, tt.args...)...); !strings.Contains(r.err, tt.says) {
			t.Errorf("no %q in %v", tt.says, r)
		}
	}
	s.network(s.Node("n3").Cut(s.t.Context(), 1))
	r := s.must(cli.ExitFailed, "-H", "n1", "link", "set", "0", "--network", net(1), "--restart", "--yes")
	if !strings.Contains(r.err, "no answer from "+s.Node("n3").Addr(1).String()) {
		t.Errorf("%v", r)
	}
	s.network(s.Node("n3").Heal(s.t.Context(), 1))
	for _, w := range watchers {
		w.whole(t, 3)
	}
	if after := s.state(); !maps.Equal(before, after) {
		t.Errorf("something has changed: %v", after)
	}
	s.must(0, "-H", "n1", "link", "set", "0", "--network", net(1), "--restart", "--yes")
	s.must(0, "-H", "n1", "status")
	for _, l := range s.links() {
		for i, n := range l.Nodes {
			if want := s.Node(s.names()[i]).Addr(1).String(); n.Address != want {
				t.Errorf("%s has the address %s, want %s", n.Name, n.Address, want)
			}
		}
	}
}
