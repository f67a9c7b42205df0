//go:build linux && node

package main

import (
	"fmt"
	"testing"

	"clusterctl/internal/lab"
	"clusterctl/quorum"
)

// A change of the token, here by going back to the file from before, brings the
// links' ping timers along, which takes corosync a second reload.
func TestNodeRestoredTokenBringsPingTimers(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 3, Links: 2})
	s.must(0, s.create()...)
	version := versionOf(t, s.conf("n1"))
	s.edit("n2", 6000, version+1)
	s.must(0, "-H", "n1", "conf", "sync", "--from", "n2")
	watchers := s.watch("n1", "n2", "n3")
	s.must(0, "-H", "n1", "conf", "restore", fmt.Sprint(version), "--yes")
	for _, w := range watchers {
		w.unbroken(t)
	}
	s.healthy()
	for _, n := range s.names() {
		c, err := quorum.ParseCmap([]byte(s.on(n, "corosync-cmapctl runtime.config.totem.")))
		if err != nil {
			t.Fatal(err)
		}
		token, _ := c.Uint("runtime.config.totem.token")
		for link := range s.Links() {
			if ping, _ := c.Uint(fmt.Sprintf("runtime.config.totem.interface.%d.knet_ping_timeout", link)); token == 0 || ping != token/2 {
				t.Errorf("%s, link %d: pings wait for %d ms, while the token is %d ms", n, link, ping, token)
			}
		}
	}
}
