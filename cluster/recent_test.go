package cluster_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"clusterctl/cluster"
	"clusterctl/quorum"
)

func TestOfCmapAllIsKnownButCounters(t *testing.T) {
	files, err := filepath.Glob("../testdata/cmapctl/*/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no captured output", err)
	}
	for _, file := range files {
		t.Run(strings.TrimPrefix(file, "../testdata/cmapctl/"), func(t *testing.T) {
			out, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all, err := quorum.ParseCmap(out)
			if err != nil {
				t.Fatal(err)
			}
			value, versions, err := cluster.CmapOf(out)
			if err != nil {
				t.Fatal(err)
			}
			for key, want := range all {
				counter := strings.Contains(key, ".members.") && (strings.HasSuffix(key, ".ip") || strings.HasSuffix(key, ".join_count"))
				if got, ok := value(key); ok == counter || ok && got != want {
					t.Errorf("%s: %v, %v, want %v", key, got, ok, want)
				}
			}
			if want := all.MemberVersions(); !maps.Equal(versions, want) {
				t.Errorf("members run %v, want %v", versions, want)
			}
		})
	}
}

func TestAnswersArePackedAndUnpacked(t *testing.T) {
	const script = `put "$1" 0 "$(printf 'one\ntwo é')"; put end 0 ''`
	plain := scripted(t, cluster.SectionsScript+script, nil, "x")
	for name, commands := range map[string]map[string]string{
		"with gzip":    nil,
		"without gzip": {"command": "exit 1"},
	} {
		t.Run(name, func(t *testing.T) {
			text := cluster.Packed(cluster.SectionsScript + script)
			if commands != nil {
				text = "command() { [ \"$2\" != gzip ]; }\n" + text
			}
			out := scripted(t, text, nil, "x")
			if packed := !bytes.Equal(out, plain); packed != (commands == nil) {
				t.Errorf("packed: %v", packed)
			}
			if got, err := cluster.Unpack(out); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("got %q, %v, want %q", got, err, plain)
			}
		})
	}
}

func TestADamagedAnswerIsAnError(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(bytes.Repeat([]byte("an answer "), 1000)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Unpack(b.Bytes()[:b.Len()-10]); err == nil {
		t.Error("no error")
	}
}

// What is sent to each node does not grow with the number of nodes, and yet each
// sends and gets several packets.
func TestKnocks(t *testing.T) {
	for _, tt := range []struct{ nodes, each int }{{2, 1}, {3, 2}, {16, 15}, {17, 5}, {32, 5}, {100, 7}, {384, 9}} {
		got := make([]int, tt.nodes)
		for i := range tt.nodes {
			to := cluster.Knocks(i, tt.nodes)
			if len(to) != tt.each {
				t.Errorf("%d nodes: %d sends to %v, want %d", tt.nodes, i, to, tt.each)
			}
			for _, j := range to {
				got[j]++
			}
		}
		for j, n := range got {
			if n != tt.each {
				t.Errorf("%d nodes: %d gets %d packets, want %d", tt.nodes, j, n, tt.each)
			}
		}
	}
}

// hungUp counts which nodes were closed.
type hungUp struct {
	cluster.Node
	name   string
	mu     *sync.Mutex
	closed map[string]int
}

func (l *hungUp) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed[l.name]++
	return l.Node.Close()
}

func TestABriefLookHangsUp(t *testing.T) {
	w := running(t, 3, 3, nil)
	closed, mu := map[string]int{}, &sync.Mutex{}
	c := &cluster.Connector{Brief: true, Connect: func(ctx context.Context, n cluster.PlanNode) (cluster.Node, error) {
		node, err := w.admin.Connect(ctx, n)
		if err != nil {
			return nil, err
		}
		return &hungUp{node, n.Name, mu, closed}, nil
	}}
	v, nodes, err := c.Look(t.Context(), []cluster.PlanNode{{Name: "n1", Addresses: []string{"n1"}}})
	if err != nil {
		t.Fatal(err)
	}
	if s := cluster.NewStatus(v); len(nodes) > 0 || len(s.Problems) > 0 || !maps.Equal(closed, map[string]int{"n1": 1, "n2": 1, "n3": 1}) {
		t.Errorf("nodes %v, closed %v, problems %v", nodes, closed, s.Problems)
	}
}

func TestLongListsAreCut(t *testing.T) {
	var names []string
	for i := range 384 {
		names = append(names, fmt.Sprintf("n%d", i+1))
	}
	for n, want := range map[int]string{
		2:   "n1 and n2",
		12:  "n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11 and n12",
		13:  "n1, n2, n3, n4, n5, n6, n7, n8 and 5 more",
		384: "n1, n2, n3, n4, n5, n6, n7, n8 and 376 more",
	} {
		if got := cluster.AndList(names[:n]); got != want {
			t.Errorf("%d names: %s, want %s", n, got, want)
		}
	}
}
