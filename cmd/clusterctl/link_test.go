package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
)

// mesh are links between nodes of a name that is counted; some do not connect.
func mesh(links, nodes int, name string, down func(link, from, to int) bool) []cluster.LinkInfo {
	var all []cluster.LinkInfo
	for l := range links {
		info := cluster.LinkInfo{Number: l, Mode: "passive", Priority: 1, Port: 5405 + l}
		for from := range nodes {
			n := cluster.LinkNode{Name: fmt.Sprintf(name, from+1), Address: fmt.Sprintf("192.168.%d.%d", 100+l, 100+from), Peers: map[string]cluster.LinkPeer{}}
			for to := range nodes {
				p := cluster.LinkPeer{State: "connected", MTU: 1397, Latency: 0.21}
				if down(l, from+1, to+1) {
					p = cluster.LinkPeer{State: "disconnected"}
				}
				if from != to {
					n.Peers[fmt.Sprintf(name, to+1)] = p
				}
			}
			info.Nodes = append(info.Nodes, n)
		}
		all = append(all, info)
	}
	return all
}

func TestLinkListShowsWhoReachesWhomWithin80Columns(t *testing.T) {
	none := func(int, int, int) bool { return false }
	tests := map[string]struct {
		links       []cluster.LinkInfo
		says, quiet string
	}{
		"two links that are up":    {mesh(2, 3, "n%d", none), "Link 1: port 5406, priority 1, passive", "FROM"},
		"a link that is down":      {mesh(2, 3, "n%d", func(l, from, to int) bool { return l == 1 && from == 2 && to == 3 }), "n2    0 1       0 -\n", "?"},
		"three links":              {mesh(3, 5, "n%d", none), "n5    0 1 2  0 1 2  0 1 2  0 1 2\n", "0 -"},
		"many nodes":               {mesh(3, 16, "storage-rack-%d", none), "each reaches each by 0 1 2\n", "FROM"},
		"many nodes, and one down": {mesh(2, 16, "storage-rack-%d", func(l, from, to int) bool { return l == 0 && from == 7 && to == 11 }), "storage-rack-7  storage-rack-11  - 1\n", "storage-rack-8  storage-rack-11"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := printLinks(&cli.Streams{Out: &out}, tt.links); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), tt.says) || strings.Contains(out.String(), tt.quiet) {
				t.Errorf("want %q, and no %q, in:\n%s", tt.says, tt.quiet, &out)
			}
			for line := range strings.Lines(out.String()) {
				if len(line) > 81 {
					t.Errorf("wider than 80 columns: %q", line)
				}
			}
		})
	}
}
