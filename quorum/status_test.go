package quorum_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clusterctl/quorum"

	"github.com/google/go-cmp/cmp"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseStatus(t *testing.T) {
	const vq = "corosync_votequorum"
	three := func(ring string) quorum.Status {
		return quorum.Status{
			Provider: vq, Nodes: 3, NodeID: 1, RingID: ring, Quorate: true,
			Expected: 3, Highest: 3, Total: 3, Quorum: 2, Flags: []string{"Quorate"},
			Members: []quorum.Member{
				{NodeID: 1, Votes: 1, Name: "n1"},
				{NodeID: 2, Votes: 1, Name: "n2"},
				{NodeID: 3, Votes: 1, Name: "n3"},
			},
		}
	}
	ringNames := func(network string, s quorum.Status) quorum.Status {
		for i := range s.Members {
			s.Members[i].Name = fmt.Sprint(network, i+1)
		}
		return s
	}
	device := func(total int, flags []string, states [2]string, d *quorum.Device) quorum.Status {
		return quorum.Status{
			Provider: vq, Nodes: 2, NodeID: 1, RingID: "1.35", Quorate: true,
			Expected: 3, Highest: 3, Total: total, Quorum: 2, Flags: flags, Device: d,
			Members: []quorum.Member{
				{NodeID: 1, Votes: 1, Qdevice: states[0], Name: "n1"},
				{NodeID: 2, Votes: 1, Qdevice: states[1], Name: "n2"},
			},
		}
	}
	onOther := device(2, []string{"Quorate"}, [2]string{"A,V,NMW", "NR"}, &quorum.Device{Name: "Qdevice", Votes: 1})
	onOther.NodeID = 2

	tests := map[string]quorum.Status{
		"2.4.6/udpu-3-nodes.txt": ringNames("10.99.10.1", three("1/13")),
		"2.4.6/3-nodes-hex.txt":  ringNames("10.0.0.", three("1/1234567")),
		"2.4.6/rrp-alone.txt": {
			Provider: vq, Nodes: 1, NodeID: 1, RingID: "1/38",
			Blocked: true, Expected: 3, Highest: 3, Total: 1, Quorum: 2, Flags: []string{},
			Members: []quorum.Member{{NodeID: 1, Votes: 1, Name: "n1"}},
		},
		"2.4.6/no-votequorum.txt": {
			Provider: "corosync_ykd", Nodes: 2, NodeID: 1, RingID: "568", Quorate: true,
		},
		"3.0.2/auto-nodeids.txt": {
			Provider: vq, Nodes: 2, NodeID: 172818434, RingID: "172818433/16", Quorate: true,
			Expected: 3, Highest: 3, Total: 2, Quorum: 2, Flags: []string{"Quorate", "WaitForAll", "LastManStanding"},
			Members: []quorum.Member{
				{NodeID: 172818433, Votes: 1, Name: "n1.example.com"},
				{NodeID: 172818434, Votes: 1, Name: "n2.example.com"},
			},
		},
		"3.0.1/knet-node-down.txt": {
			Provider: vq, Nodes: 2, NodeID: 2, RingID: "2/20", Quorate: true,
			Expected: 3, Highest: 3, Total: 2, Quorum: 2, Flags: []string{"Quorate"},
			Members: []quorum.Member{{NodeID: 2, Votes: 1, Name: "n2"}, {NodeID: 3, Votes: 1, Name: "n3"}},
		},
		"3.0.3/wait-for-all-reloaded.txt": { // says Yes
			Provider: vq, Nodes: 2, NodeID: 1, RingID: "1.16",
			Blocked: true, Expected: 3, Highest: 3, Total: 2, Quorum: 2, Flags: []string{"WaitForAll"},
			Members: []quorum.Member{{NodeID: 1, Votes: 1, Name: "n1"}, {NodeID: 2, Votes: 1, Name: "n2"}},
		},
		"3.1.2/knet-3-nodes.txt":           three("1.9"),
		"3.1.7/knet-3-nodes.txt":           three("1.9"),
		"3.1.7/knet-3-nodes-addresses.txt": ringNames("10.99.10.1", three("1.e")),
		"3.1.7/knet-alone.txt": {
			Provider: vq, Nodes: 1, NodeID: 1, RingID: "1.11",
			Blocked: true, Expected: 3, Highest: 3, Total: 1, Quorum: 2, Flags: []string{},
			Members: []quorum.Member{{NodeID: 1, Votes: 1, Name: "n1"}},
		},
		"3.1.7/two-node.txt": {
			Provider: vq, Nodes: 2, NodeID: 1, RingID: "1.1a", Quorate: true,
			Expected: 2, Highest: 2, Total: 2, Quorum: 1, Flags: []string{"2Node", "Quorate", "WaitForAll"},
			Members: []quorum.Member{
				{NodeID: 1, Votes: 1, Name: "n1"},
				{NodeID: 2, Votes: 1, Name: "n2"},
			},
		},
		"3.1.7/two-node-waiting.txt": {
			Provider: vq, Nodes: 1, NodeID: 1, RingID: "1.16",
			Blocked: true, Expected: 2, Highest: 2, Total: 1, Quorum: 1, Flags: []string{"2Node", "WaitForAll"},
			Members: []quorum.Member{{NodeID: 1, Votes: 1, Name: "n1"}},
		},
		"3.1.7/udpu-all-flags.txt": { // without names
			Provider: vq, Nodes: 3, NodeID: 3, RingID: "1.27",
			Blocked: true, Expected: 4, Highest: 4, Total: 3, Quorum: 3,
			Flags: []string{"WaitForAll", "LastManStanding", "AutoTieBreaker"},
			Members: []quorum.Member{
				{NodeID: 1, Votes: 1}, {NodeID: 2, Votes: 1}, {NodeID: 3, Votes: 1},
			},
		},
		"3.1.7/qdevice.txt": device(3, []string{"Quorate", "Qdevice"}, [2]string{"A,V,NMW", "A,V,NMW"},
			&quorum.Device{Name: "Qdevice", Votes: 1, Casts: true}),
		"3.1.7/qdevice-not-registered.txt": device(2, []string{"Quorate"}, [2]string{}, nil),
		"3.1.7/qdevice-on-one-node.txt": device(3, []string{"Quorate", "Qdevice"}, [2]string{"A,V,NMW", "NR"},
			&quorum.Device{Name: "Qdevice", Votes: 1, Casts: true}),
		"3.1.7/qdevice-on-other-node.txt": onOther,
		"3.1.7/qdevice-not-voting.txt": device(2, []string{"Quorate", "Qdevice"}, [2]string{"A,NV,NMW", "NR"},
			&quorum.Device{Name: "Qdevice", Votes: 1}),
		"main/extra-info.txt": device(3, []string{"Quorate", "Qdevice"}, [2]string{"A,V,NMW", "A,V,NMW"},
			&quorum.Device{Name: "Qdevice", Votes: 1, Casts: true}),
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := quorum.ParseStatus(read(t, "quorumtool/"+name))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestParseStatusRefusesWhatIsNotAnAnswer(t *testing.T) {
	whole := string(read(t, "quorumtool/3.1.7/knet-3-nodes.txt"))
	tests := map[string]struct{ out, want string }{
		"nothing":                 {"", `no "Quorum provider:" line`},
		"another program":         {"sh: corosync-quorumtool: not found\n", `no "Quorum provider:" line`},
		"cut off before votes":    {whole[:strings.Index(whole, "\nVotequorum")], `no "Expected votes:" line`},
		"cut off before members":  {whole[:strings.Index(whole, "\nMembership")], "no membership information"},
		"cut off between members": {strings.TrimSuffix(whole, "         3          1 n3\n"), "2 members listed of 3"},
		"cut off within a member": {whole[:len(whole)-len("  1 n3\n")], `membership row "         3        ": no votes`},
		"unknown answer":          {strings.Replace(whole, "Yes", "Maybe", 1), `line "Quorate:" with value "Maybe"`},
		"negative votes":          {strings.Replace(whole, "Total votes:      3", "Total votes:      -3", 1), `line "Total votes:" with value "-3"`},
		"other columns":           {strings.Replace(whole, "Votes Name", "Votes State Name", 1), "membership table with columns"},
		"figures missing":         {strings.Replace(whole, "\nMembership", "Unable to get node 2 info\n\nMembership", 1), "Unable to get node 2 info"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := quorum.ParseStatus([]byte(test.out))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %+v, %v; want an error with %q", s, err, test.want)
			}
		})
	}
}

func FuzzParseStatus(f *testing.F) {
	seed(f, "quorumtool/*/*.txt")
	f.Fuzz(func(t *testing.T, out []byte) {
		s, err := quorum.ParseStatus(out)
		if err != nil {
			return
		}
		if s.Provider == "corosync_votequorum" && len(s.Members) != s.Nodes {
			t.Errorf("%d members, %d nodes", len(s.Members), s.Nodes)
		}
		for _, m := range s.Members {
			if m.NodeID == 0 || m.Votes < 0 {
				t.Errorf("member %+v of node %d", m, s.NodeID)
			}
		}
	})
}

func seed(f *testing.F, pattern string) {
	f.Helper()
	names, err := filepath.Glob(filepath.Join("../testdata", pattern))
	if err != nil || len(names) == 0 {
		f.Fatalf("no seeds in %s: %v", pattern, err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}
