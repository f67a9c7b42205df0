//go:build linux && node

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"clusterctl/cluster"
	"clusterctl/internal/lab"
)

// links are what link list says.
func (s *site) links() []cluster.LinkInfo {
	s.t.Helper()
	var doc struct{ Links []cluster.LinkInfo }
	if err := json.Unmarshal([]byte(s.must(0, "-H", "n1", "link", "list", "-o", "json").out), &doc); err != nil {
		s.t.Fatal(err)
	}
	return doc.Links
}

// linked checks which links there are, in which networks, and that all nodes
// are connected on each.
func (s *site) linked(networks map[int]int) {
	s.t.Helper()
	s.healthyOn(len(networks))
	links := s.links()
	if len(links) != len(networks) {
		s.t.Errorf("there are %d links: %+v", len(links), links)
	}
	for _, l := range links {
		prefix, _, _ := strings.Cut(s.Net(networks[l.Number]).String(), "/")
		prefix = prefix[:strings.LastIndexAny(prefix, ".:")]
		for _, n := range l.Nodes {
			if !strings.HasPrefix(n.Address, prefix) {
				s.t.Errorf("link %d of %s has the address %s, not one of %s", l.Number, n.Name, n.Address, prefix)
			}
			if len(n.Peers) != len(s.names())-1 {
				s.t.Errorf("link %d of %s: %+v", l.Number, n.Name, n.Peers)
			}
			for peer, p := range n.Peers {
				if p.State != "connected" || p.MTU == 0 || p.Latency == 0 {
					s.t.Errorf("link %d from %s to %s: %+v", l.Number, n.Name, peer, p)
				}
			}
		}
	}
}

func (s *site) network(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// A cluster moves from one network to another, with one link and with two, and
// nobody misses anybody meanwhile.
func TestNodeLinks(t *testing.T) {
	for _, size := range atLength(t, 3, 5) {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			s := newSite(t, lab.Options{Nodes: size, Links: 3})
			net := func(i int) string { return s.Net(i).String() }
			s.must(0, append(append([]string{"create", "prod"}, s.names()...), "--link", net(0))...)
			s.on("n2", "sed -i '/ name: n/d; s/^nodelist {/# The rack by the window.\\n&/' "+cluster.ConfPath)
			s.must(0, "-H", "n1", "conf", "sync", "--from", "n2")
			watchers := s.watch(s.names()...)

			// Without names they are dialled at their addresses, to which the admin has no route.
			byAddress := []string{"-H", "n1", "-J", "n1", "--accept-new-host-keys", "link"}
			r := s.must(1, append(byAddress, "remove", "0")...)
			if !strings.Contains(r.err, "add another link first") {
				t.Errorf("removing the only link: %v", r)
			}
			s.must(0, append(byAddress, "set", "0", "--network", net(2))...)
			s.linked(map[int]int{0: 2})
			if n := strings.Count(s.conf("n3"), " name: n"); n != size {
				t.Errorf("%d of %d nodes have a name:\n%s", n, size, s.conf("n3"))
			}
			s.must(0, "-H", "n1", "link", "add", "1", net(1), "--priority", "5")
			s.linked(map[int]int{0: 2, 1: 1})
			s.must(0, "-H", "n1", "link", "set", "1", "--network", net(0))
			s.linked(map[int]int{0: 2, 1: 0})
			s.must(0, "-H", "n1", "link", "set", "0", "--network", net(1), "--port", "5505")
			s.linked(map[int]int{0: 1, 1: 0})
			if port := s.on("n1", "ss -Hlun 'sport = :5505'"); port == "" {
				t.Error("nobody listens on port 5505")
			}
			s.must(0, "-H", "n1", "link", "remove", "0")
			s.linked(map[int]int{1: 0})
			if !strings.Contains(s.conf("n3"), "# The rack by the window.\nnodelist {") {
				t.Error("the comment is gone")
			}
			for _, w := range watchers {
				w.whole(t, size)
			}
		})
	}
}

// What the live links do not bear is refused, or taken back.
func linksAreNotTakenAway(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 3, Links: 3})
	net := func(i int) string { return s.Net(i).String() }
	s.must(0, append(append([]string{"create", "prod"}, s.names()...), "--link", net(0), "--link", net(1))...)
	watchers := s.watch(s.names()...)
	before := s.conf("n1")

	s.network(s.Node("n3").Cut(s.t.Context(), 1))
	s.await("n1 sees that link 1 is down", func() bool {
		return s.ctl("-H", "n1", "status").code == 3
	})
	if r := s.must(1, "-H", "n1", "link", "remove", "0"); !strings.Contains(r.err, "no other link connects all members") {
		t.Errorf("%v", r)
	}
	s.network(s.Node("n3").Heal(s.t.Context(), 1))
	s.await("link 1 is back", func() bool { return s.ctl("-H", "n1", "status").code == 0 })

	// A link that does not connect is taken back; to move one there is not begun.
	s.network(s.Node("n3").Cut(s.t.Context(), 2))
	r := s.must(1, "-H", "n1", "link", "add", "2", net(2))
	if !strings.Contains(r.err, "link 2") {
		t.Errorf("%v", r)
	}
	s.healthyOn(2)
	after := s.conf("n1")
	if versionOf(t, after) <= versionOf(t, before) || strings.Contains(after, "ring2_addr") {
		t.Errorf("not taken back:\n%s", after)
	}
	r = s.must(1, "-H", "n1", "link", "set", "1", "--network", net(2))
	if !strings.Contains(r.err, "n1: see that each node reaches each at its address on link 1: no answer from "+s.Node("n3").Addr(2).String()) || s.conf("n1") != after {
		t.Errorf("%v", r)
	}

	for _, w := range watchers {
		w.whole(t, 3)
	}
}
