package cluster_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"clusterctl/cluster"
)

// answers is what script/links.sh prints when the tools print this.
func answers(peers, stats string) []byte {
	var b strings.Builder
	for name, text := range map[string]string{"peers": strings.TrimRight(peers, "\n"), "stats": strings.TrimRight(stats, "\n"), "end": ""} {
		fmt.Fprintf(&b, "%s 0 %d\n%s\n", name, len(text), text)
	}
	return []byte(b.String())
}

func TestWhatLinksMeasure(t *testing.T) {
	peers, err := os.ReadFile("../testdata/cfgtool/3.1.7/knet-3-nodes-peers.txt")
	if err != nil {
		t.Fatal(err)
	}
	const stats = "stats.knet.node2.link0.latency_ave (u32) = 212\nstats.knet.node2.link1.connected (u8) = 1\n"
	tests := map[string]struct {
		out  []byte
		want map[string]string // by node and link: latency and MTU
	}{
		"corosync 3.1.7": {answers(string(peers), stats), map[string]string{"2/0": "212µs 1446", "2/1": "0s 1446", "3/0": "0s 1446", "3/1": "0s 1446"}},
		"corosync 2.4.6, which has no -n and exits 0": {answers("", ""), map[string]string{}},
		"corosync 3.0, which has only statistics":     {answers("", stats), map[string]string{"2/0": "212µs 0"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			all, err := cluster.ParseLinkStats(tt.out)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, s := range all {
				got[fmt.Sprintf("%d/%d", s.Peer, s.Link)] = fmt.Sprintf("%v %d", s.Latency.Round(time.Microsecond), s.MTU)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
