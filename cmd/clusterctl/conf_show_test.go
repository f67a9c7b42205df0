package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"clusterctl/corosyncconf"
	"clusterctl/internal/cli"
)

// TestEveryAddressIsShown on a terminal that has no room for all links side by
// side.
func TestEveryAddressIsShown(t *testing.T) {
	c := corosyncconf.Config{Nodes: []corosyncconf.Node{{Name: "n1", ID: 1, Votes: 1, Addrs: map[int]string{}}, {Name: "n2", ID: 2, Votes: 1}}}
	for link := range 8 {
		c.Nodes[0].Addrs[link] = fmt.Sprintf("192.168.%d.101", link)
	}
	for width, header := range map[int]string{80: "ID  VOTES  NODE  LINK  ADDRESS\n", 200: "ID  VOTES  NODE  LINK 0 "} {
		var out bytes.Buffer
		a := &app{streams: &cli.Streams{Out: &out, OutTTY: true, Width: width}}
		if err := a.nodeTable(c); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(out.String(), header) || !strings.Contains(out.String(), "n2") {
			t.Errorf("%d columns:\n%s", width, &out)
		}
		for _, addr := range c.Nodes[0].Addrs {
			if !strings.Contains(out.String(), addr) {
				t.Errorf("%d columns: no %s:\n%s", width, addr, &out)
			}
		}
	}
}
