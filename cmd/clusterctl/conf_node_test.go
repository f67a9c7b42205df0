//go:build linux && node

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"clusterctl/cluster"
	"clusterctl/internal/lab"
)

// edit changes a node's corosync.conf by hand.
func (s *site) edit(node string, token int, version uint64) {
	s.t.Helper()
	s.on(node, fmt.Sprintf(`sed -i -e '/token:/d' -e 's/config_version:.*/config_version: %d\n    token: %d/' %s`, version, token, cluster.ConfPath))
}

// conf is a node's corosync.conf.
func (s *site) conf(node string) string { return s.on(node, "cat "+cluster.ConfPath) }

func TestNodeSync(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 3, Links: 2})
	s.must(0, s.create()...)
	watchers := s.watch("n1", "n2")
	version := versionOf(t, s.conf("n1"))

	// n3 misses a change, and is given it before it is started.
	s.must(0, "-H", "n1", "stop", "n3")
	version++
	s.edit("n1", 4000, version)
	s.edit("n2", 4000, version)
	s.on("n1", "corosync-cfgtool -R")
	s.must(1, "-H", "n1", "start", "n3")
	s.on("n3", "head -c 256 /dev/zero >/etc/corosync/authkey")
	s.must(0, "-H", "n1", "conf", "sync")
	if s.conf("n3") != s.conf("n1") {
		t.Error("n3 has another file than n1")
	}
	s.must(0, "-H", "n1", "start", "n3")
	s.healthy()

	// What was edited on one node only is taken back, and kept beside.
	s.edit("n2", 5000, version+1)
	edited := s.conf("n2")
	s.must(3, "-H", "n1", "status")
	s.must(0, "-H", "n1", "conf", "sync")
	if s.conf("n2") != s.conf("n1") || s.on("n2", "cat "+cluster.ConfPath+".bak") != edited {
		t.Error("n2's file was not taken back and kept")
	}
	s.healthy()
	if r := s.must(0, "-H", "n1", "conf", "sync"); !strings.Contains(r.out, "already") {
		t.Errorf("a second sync: %v", r)
	}

	// Or it is what all are to have.
	s.edit("n2", 6000, version+1)
	s.must(0, "-H", "n1", "conf", "sync", "--from", "n2")
	s.healthy()
	for _, n := range s.names() {
		if token := s.on(n, "corosync-cmapctl -q -g totem.token"); strings.TrimSpace(token) != "6000" {
			t.Errorf("%s runs with token %s", n, token)
		}
	}

	var history struct{ Versions []versionJSON }
	if err := json.Unmarshal([]byte(s.must(0, "-H", "n2", "conf", "history", "-o", "json").out), &history); err != nil {
		t.Fatal(err)
	}
	if len(history.Versions) < 3 {
		t.Fatalf("history: %+v", history)
	}
	now := history.Versions[0]
	if !now.Current || !strings.Contains(now.Command, "conf sync --from n2") || !slices.Equal(now.Nodes, s.names()) {
		t.Errorf("the newest version: %+v", now)
	}
	for _, w := range watchers {
		w.unbroken(t)
	}
}
