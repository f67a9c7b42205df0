package cluster_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
	"clusterctl/quorum"
)

// saying gives a machine what corosync's tools said, from files in testdata.
func saying(t *testing.T, status, links string) func(*cluster.Facts) {
	t.Helper()
	read := func(name string) []byte {
		out, err := os.ReadFile(filepath.Join("..", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	q, err := quorum.ParseStatus(read("quorumtool/" + status))
	if err != nil {
		t.Fatal(err)
	}
	l, err := quorum.ParseLinks(read("cfgtool/" + links))
	if err != nil {
		t.Fatal(err)
	}
	return func(f *cluster.Facts) {
		f.Runtime = &cluster.Runtime{Quorum: q, Links: l, Cmap: quorum.Cmap{"totem.config_version": {Type: "u64", Text: "1"}}}
		f.Units["corosync"] = cluster.Unit{Loaded: true, Active: "active"}
	}
}

// viewOf is the view of a cluster of machines that all have one file.
func viewOf(t *testing.T, text string, facts ...*cluster.Facts) *cluster.View {
	t.Helper()
	f, err := corosyncconf.Parse(cluster.ConfPath, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	v := &cluster.View{Conf: f}
	for i, n := range f.Config().Nodes {
		carrying(text)(facts[i])
		v.Nodes = append(v.Nodes, cluster.ViewNode{Name: facts[i].Node, Conf: &n, Facts: facts[i]})
	}
	return v
}

// rings is a file of corosync 2 that leaves to defaults what it can.
const rings = "totem {\n\tversion: 2\n\tcluster_name: old\n\tconfig_version: 1\n\trrp_mode: passive\n}\nquorum {\n\tprovider: corosync_votequorum\n}\n" +
	"nodelist {\n\tnode {\n\t\tname: n1\n\t\tnodeid: 1\n\t\tring0_addr: 10.0.0.1\n\t\tring1_addr: 10.0.1.1\n\t}\n" +
	"\tnode {\n\t\tname: n2\n\t\tnodeid: 2\n\t\tring0_addr: 10.0.0.2\n\t\tring1_addr: 10.0.1.2\n\t}\n" +
	"\tnode {\n\t\tname: n3\n\t\tnodeid: 3\n\t\tring0_addr: 10.0.0.3\n\t\tring1_addr: 10.0.1.3\n\t}\n}\n"

func TestStatusOfCorosync2(t *testing.T) {
	tests := []struct {
		links    string
		ring1    string // of n1 to n2
		problems []string
	}{
		{"2.4.6/rrp-3-nodes.txt", "connected", nil},
		{"2.4.6/rrp-faulty.txt", "disconnected", []string{"ring 1 is out of use, as it was found faulty on n1, n2 and n3"}},
	}
	for _, tt := range tests {
		t.Run(tt.links, func(t *testing.T) {
			facts := corosync2()
			for _, f := range facts {
				saying(t, "2.4.6/udpu-3-nodes.txt", tt.links)(f)
			}
			s := cluster.NewStatus(viewOf(t, rings, facts...))
			if s.Cluster.Transport != "udp" || s.Cluster.CryptoCipher+"/"+s.Cluster.CryptoHash != "aes256/sha1" {
				t.Errorf("cluster: %+v", s.Cluster)
			}
			for number, want := range []string{"connected", tt.ring1} {
				if got := s.Nodes[0].Links[number].Peers.State("n2"); got != want {
					t.Errorf("ring %d of n1 to n2 is %s, want %s", number, got, want)
				}
			}
			var problems []string
			for _, p := range s.Problems {
				problems = append(problems, p.Message)
			}
			if !slices.Equal(problems, tt.problems) {
				t.Errorf("problems: %s", strings.Join(problems, "; "))
			}
		})
	}
}

// Votes enough, and yet no quorum.
func TestStatusTellsThatAllAreWaitedFor(t *testing.T) {
	for status, want := range map[string]string{
		"3.1.7/two-node-waiting.txt":      "no quorum: 1 of 2 votes are present, all are waited for (wait_for_all); away: n2, n3",
		"3.0.3/wait-for-all-reloaded.txt": "no quorum: 2 of 3 votes are present, all are waited for (wait_for_all); away: n3",
		"2.4.6/rrp-alone.txt":             "no quorum: 1 of 3 votes are present, 2 are needed: 1 more; away: n2, n3",
	} {
		facts := three()
		saying(t, status, "3.1.7/two-node-waiting.txt")(facts[0])
		if s := cluster.NewStatus(viewOf(t, rings, facts...)); s.Problems[0].Message != want {
			t.Errorf("%s: got %q, want %q", status, s.Problems[0].Message, want)
		}
	}
}

// Nor are votes said to be missing that are there, while quorum is on its way.
func TestStatusTellsOfNoVotesTooFewWhereThereAreEnough(t *testing.T) {
	facts := three()
	saying(t, "3.0.3/wait-for-all-reloaded.txt", "3.1.7/two-node-waiting.txt")(facts[0])
	facts[0].Runtime.Quorum.Flags = nil
	const want = "no quorum: 2 of 3 votes are present, 2 are needed; away: n3"
	if s := cluster.NewStatus(viewOf(t, rings, facts...)); s.Problems[0].Message != want {
		t.Errorf("got %q, want %q", s.Problems[0].Message, want)
	}
}

// multicast is a file of corosync 2 that does not say who is in the cluster.
const multicast = "totem {\n\tversion: 2\n\tinterface {\n\t\tringnumber: 0\n\t\tbindnetaddr: 10.0.0.0\n\t}\n}\n" +
	"quorum {\n\tprovider: corosync_votequorum\n\texpected_votes: 3\n}\n"

func TestAFileWithoutANodelistIsToldAndNotChanged(t *testing.T) {
	v := viewOf(t, multicast)
	n1 := corosync2()[0]
	carrying(multicast)(n1)
	saying(t, "2.4.6/udpu-3-nodes.txt", "2.4.6/udpu-3-nodes.txt")(n1)
	v.Nodes = []cluster.ViewNode{{Name: "n1", Facts: n1, Asked: true}}
	const want = "corosync.conf has no nodelist, and so does not say who belongs to the cluster"
	if s := cluster.NewStatus(v); len(s.Problems) != 1 || s.Problems[0].Message != want {
		t.Errorf("status: %v", s.Problems)
	}
	_, expected := cluster.PlanExpected(4, v)
	_, del := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"2"}}, v)
	_, add := cluster.PlanAdd(cluster.AddSpec{}, v, nil, nil)
	for what, err := range map[string]error{"expected": expected, "delnode": del, "add": add} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %q, got %v", what, want, err)
		}
	}
}

// With udp and udpu a file may leave node ids out, by which it is changed.
func TestNodesWithoutANodeidAreNotChanged(t *testing.T) {
	text := strings.NewReplacer("\t\tnodeid: 1\n", "", "\t\tnodeid: 2\n", "", "\t\tnodeid: 3\n", "").Replace(rings)
	facts := corosync2()
	v := viewOf(t, text, facts...)
	_, err := cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n3"}}, v)
	if err == nil || !strings.Contains(err.Error(), "n1: it has no nodeid in corosync.conf") {
		t.Errorf("delnode: %v", err)
	}
}

// A node that came back with its old file after it was removed is no split network.
func TestStatusOfANodeThatWasRemoved(t *testing.T) {
	w := running(t, 3, 3, nil)
	w.Trouble = nil
	w.Machine("n3").Side(1)
	v := w.view(t)
	v.Nodes[2].Conf = nil
	ps := cluster.NewStatus(v).Problems
	i := slices.IndexFunc(ps, func(p cluster.Problem) bool { return p.Code == cluster.CodePartition })
	if i < 0 || !strings.HasPrefix(ps[i].Remedy, "the others do not have n3 in their configuration (any more)") {
		t.Errorf("got %v", ps)
	}
}
