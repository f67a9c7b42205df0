//go:build linux && node

package main

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"clusterctl/internal/cli"
	"clusterctl/internal/lab"
	"clusterctl/quorum"
)

// runtime is what the node's corosync runs totem by.
func (s *site) runtime(node string) quorum.Cmap {
	s.t.Helper()
	c, err := quorum.ParseCmap([]byte(s.on(node, "corosync-cmapctl totem.; corosync-cmapctl runtime.config.totem.")))
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// pingsFollowToken checks that the links' ping timers are made from the token
// that runs: corosync takes them along with a second reload only.
func (s *site) pingsFollowToken() {
	s.t.Helper()
	for _, n := range s.names() {
		c := s.runtime(n)
		token, _ := c.Uint("runtime.config.totem.token")
		for link := range s.Links() {
			if ping, _ := c.Uint(fmt.Sprintf("runtime.config.totem.interface.%d.knet_ping_timeout", link)); token == 0 || ping != token/2 {
				s.t.Errorf("%s, link %d: pings wait for %d ms, while the token is %d ms", n, link, ping, token)
			}
		}
	}
}

func TestNodeConfSet(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 3, Links: 2})
	s.must(0, s.create()...)
	watchers := s.watch(s.names()...)
	first := versionOf(t, s.conf("n1"))

	s.must(0, "-H", "n1", "conf", "set", "totem.token", "5000")
	s.healthy()
	s.pingsFollowToken()
	for _, n := range s.names() {
		if token := s.runtime(n)["totem.token"].Text; token != "5000" {
			t.Errorf("%s runs with token %q", n, token)
		}
	}

	// What is refused leaves everything as it is, and says what it would take.
	for _, tt := range []struct {
		path, value, says string
		code              int
	}{
		{"totem.link_mode", "active", "a reload does not do it", cli.ExitFailed},
		{"totem.transport", "udpu", "all nodes must be stopped", cli.ExitFailed},
		{"quorum.expected_votes", "9", "quorum", cli.ExitFailed},
		{"totem.consensus", "40", "join", cli.ExitFailed},
		{"totem.join", "20", "30 to", cli.ExitUsage},
	} {
		before := s.state()
		r := s.must(tt.code, "-H", "n1", "conf", "set", tt.path, tt.value)
		if key := tt.path[strings.LastIndex(tt.path, ".")+1:]; !strings.Contains(r.err, key) || !strings.Contains(r.err, tt.says) {
			t.Errorf("%s %s: the refusal does not say %q: %v", tt.path, tt.value, tt.says, r)
		}
		if after := s.state(); !maps.Equal(before, after) {
			t.Errorf("%s %s was refused, and the nodes have changed", tt.path, tt.value)
		}
	}

	// One node cannot put the file in place, nor take that back: nothing was
	// reloaded, and when it is mended an undo from elsewhere leaves no node with it.
	bare := func(conf string) string { // the version only ever goes up
		return strings.Replace(conf, fmt.Sprintf("config_version: %d", versionOf(t, conf)), "", 1)
	}
	before := s.conf("n1")
	s.on("n3", "mkdir /etc/corosync/corosync.conf.bak.tmp") // where the old file goes on its way to .bak
	if r := s.must(cli.ExitPartial, "-H", "n1", "conf", "set", "totem.token", "7000"); !strings.Contains(r.err, "n3: put it in place") {
		t.Errorf("it did not fail where it should: %v", r)
	}
	s.on("n3", "rm -r /etc/corosync/corosync.conf.bak.tmp")
	s.elsewhere().must(0, "-H", "n2", "op", "undo", "--yes")
	s.healthy()
	for _, n := range s.names() {
		if now := s.conf(n); bare(now) != bare(before) || s.runtime(n)["totem.token"].Text != "5000" {
			t.Errorf("%s was not brought back:\n%s", n, now)
		}
	}

	s.must(0, "-H", "n1", "conf", "unset", "totem.token")
	s.healthy()
	s.must(0, "-H", "n1", "conf", "restore", fmt.Sprint(first+1), "--yes")
	s.healthy()
	s.pingsFollowToken()
	if token := s.runtime("n2")["totem.token"].Text; token != "5000" {
		t.Errorf("after the way back it runs with token %q", token)
	}
	for _, w := range watchers {
		w.unbroken(t)
	}
}
