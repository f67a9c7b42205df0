package cluster_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"clusterctl/cluster"
)

func marshal(v any) ([]byte, error) { return json.Marshal(v) }

func TestParseNodeReadsEveryKey(t *testing.T) {
	n, ps := cluster.ParseNode("n1,ssh=admin@h:2222,link0=10.0.0.1,ring1_addr=fd00::1,id=7,votes=0")
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	zero := 0
	want := cluster.NodeSpec{Name: "n1", SSH: "admin@h:2222", Links: map[int]string{0: "10.0.0.1", 1: "fd00::1"}, ID: 7, Votes: &zero}
	if diff := cmp.Diff(want, n); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseNodesRefuses(t *testing.T) {
	tests := []struct {
		name string
		args string
		code cluster.Code
		want string
	}{
		{"an unknown key", "n1,color=red", cluster.CodeBadNodeSpec, `n1: unknown key "color"; known are ssh, link0 to link7 (or ring0_addr to ring7_addr), id, votes`},
		{"a key without value", "n1,id", cluster.CodeBadNodeSpec, `n1: "id" is not of the form key=value; write key=value, as in link0=10.0.0.1`},
		{"the same name twice", "n1 n1", cluster.CodeDuplicate, "n1: given twice; name each node once"},
		{"the same id twice", "n1,id=2 n2,id=2", cluster.CodeDuplicate, "n2: id 2 is also given to n1; give each node an id of its own, or none"},
		{"the same address twice", "n1,link0=fd00::1 n2,link0=fd00:0::1", cluster.CodeDuplicate,
			"n2: address fd00:0::1 of link 0 is also given to link 0 of n1; give each node and link an address of its own"},
		{"a link number over 7", "n1,link8=10.0.0.1", cluster.CodeBadLink, "n1: link number is not within 0..7; use link0 to link7"},
		{"a link twice", "n1,link0=10.0.0.1,ring0_addr=10.0.0.2", cluster.CodeDuplicate, "n1: link 0 is given twice; give one address for each link"},
		{"id 0", "n1,id=0", cluster.CodeBadID, `n1: node id "0" is not within 1..65535; use an id from 1 to 65535, or none`},
		{"an id too high", "n1,id=65536", cluster.CodeBadID, `n1: node id "65536" is not within 1..65535; use an id from 1 to 65535, or none`},
		{"negative votes", "n1,votes=-1", cluster.CodeBadVotes, `n1: votes "-1" is not a number from 0 up; use 0 or more; 1 is the default`},
		{"a name no machine has", "n_1", cluster.CodeBadName, "\"n_1\" is not a node name; use the name that `uname -n` prints on the machine"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, ps := cluster.ParseNodes(strings.Fields(tt.args))
			if len(ps) != 1 || ps[0].Code != tt.code || ps[0].String() != tt.want {
				t.Fatalf("got:\n%v\nwant %s:\n%s", ps, tt.code, tt.want)
			}
			if !ps.Has(cluster.Usage) {
				t.Error("it is not a matter of usage")
			}
		})
	}
}

func TestParseLinksNumbersThemInOrder(t *testing.T) {
	links, ps := cluster.ParseLinks([]string{"10.0.0.9/24", "3=10.0.3.0/24", "10.0.4.0/24"})
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	var got []string
	for _, l := range links {
		got = append(got, string(rune('0'+l.Number))+"="+l.Network.String())
	}
	if diff := cmp.Diff([]string{"0=10.0.0.0/24", "3=10.0.3.0/24", "4=10.0.4.0/24"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseLinksRefuses(t *testing.T) {
	tests := []struct{ name, args, want string }{
		{"no network", "10.0.0.1", `--link 10.0.0.1: "10.0.0.1" is not a network in CIDR form; write a network as in 10.0.0.0/24, or 1=10.0.1.0/24`},
		{"a number over 7", "8=10.0.0.0/24", "--link 8=10.0.0.0/24: link number is not within 0..7; use 0 to 7"},
		{"no number", "x=10.0.0.0/24", "--link x=10.0.0.0/24: link number is not within 0..7; use 0 to 7"},
		{"one link twice", "1=10.0.0.0/24 1=10.0.1.0/24", "--link 1=10.0.1.0/24: link 1 is given twice; give each link one network"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, ps := cluster.ParseLinks(strings.Fields(tt.args)); ps.Error() != tt.want {
				t.Errorf("got %v, want %s", ps, tt.want)
			}
		})
	}
}

func TestCheckRefuses(t *testing.T) {
	tests := []struct {
		name string
		edit func(*cluster.CreateSpec)
		want string
	}{
		{"a name that is no file name", func(s *cluster.CreateSpec) { s.Name = "a/b" }, `"a/b" is not a cluster name; use letters, digits, '-', '_' and '.', at most 63, starting with a letter or digit`},
		{"an unknown transport", func(s *cluster.CreateSpec) { s.Transport = "tcp" }, "--transport tcp: no such value; use knet, udpu or udp"},
		{"a cipher without a hash", func(s *cluster.CreateSpec) { s.CryptoHash = "none" }, "--crypto-hash none: encryption needs a hash; choose a hash, for example sha256, or --crypto-cipher none"},
		{"a token below corosync's limit", func(s *cluster.CreateSpec) { s.Token = 20 }, "--token 20: too short; corosync takes 30 ms and more; 3000 is its default"},
		{"two_node for three nodes", func(s *cluster.CreateSpec) { s.TwoNode = "yes" }, "--two-node yes: the cluster has 3 nodes, not 2; leave it to --two-node auto"},
		{"an unknown rrp_mode", func(s *cluster.CreateSpec) { s.RRPMode = "rr" }, "--rrp-mode rr: no such value; use passive, active or none"},
		{"a priority out of range", func(s *cluster.CreateSpec) { s.Priorities = map[int]int{0: 256} }, "link 0: priority 256 is not within 0..255; use 1 to 255; a higher number is preferred"},
		{"no vote at all", func(s *cluster.CreateSpec) {
			s.Nodes, _ = cluster.ParseNodes([]string{"n1,votes=0", "n2,votes=0"})
		}, "no node has a vote: the cluster could never be quorate; leave at least one node its vote"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := request("n1", "n2", "n3")
			tt.edit(&s)
			if ps := s.Check(); len(ps) != 1 || ps.Error() != tt.want {
				t.Errorf("got %v, want %s", ps, tt.want)
			}
		})
	}
}
