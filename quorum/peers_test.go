package quorum_test

import (
	"strings"
	"testing"

	"clusterctl/quorum"

	"github.com/google/go-cmp/cmp"
)

func TestParsePeers(t *testing.T) {
	path := func(link int, from, to string, mtu int) quorum.Path {
		return quorum.Path{Link: link, From: from, To: to, Connected: true, MTU: mtu}
	}
	both := func(link1 bool) quorum.Peers {
		p := quorum.Peers{NodeID: 1, Transport: "knet", Reachable: []quorum.Reachable{
			{NodeID: 2, Paths: []quorum.Path{path(0, "10.70.0.1", "10.70.0.2", 1446), path(1, "10.71.0.1", "10.71.0.2", 1446)}},
			{NodeID: 3, Paths: []quorum.Path{path(0, "10.70.0.1", "10.70.0.3", 1446), path(1, "10.71.0.1", "10.71.0.3", 1446)}},
		}}
		p.Reachable[0].Paths[1].Connected = link1
		return p
	}
	tests := map[string]quorum.Peers{
		"3.1.2/knet-3-nodes-peers.txt":   both(true),
		"3.1.2/knet-link-down-peers.txt": both(false),
		"3.1.2/udp-3-nodes-peers.txt": {NodeID: 1, Transport: "udp", Reachable: []quorum.Reachable{
			{NodeID: 2, Paths: []quorum.Path{path(0, "", "10.70.0.2", 1410)}},
			{NodeID: 3, Paths: []quorum.Path{path(0, "", "10.70.0.3", 1410)}},
		}},
		"3.1.7/knet-3-nodes-peers.txt":   both(true),
		"3.1.7/knet-link-down-peers.txt": both(false),
		"3.1.7/knet-alone-peers.txt":     {NodeID: 1, Transport: "knet"},
		"3.1.7/udpu-node-down-peers.txt": {NodeID: 3, Transport: "udpu", Reachable: []quorum.Reachable{
			{NodeID: 2, Paths: []quorum.Path{path(0, "", "10.70.0.2", 1410)}},
		}},
		"3.1.10/knet-sctp-peers.txt": {NodeID: 1, Transport: "knet", Reachable: []quorum.Reachable{
			{NodeID: 2, Paths: []quorum.Path{
				path(0, "10.70.0.1", "10.70.0.2", 1397),
				{Link: 3, From: "fd00:73::1", To: "fd00:73::2"},
			}},
			{NodeID: 40000, Paths: []quorum.Path{path(0, "10.70.0.1", "10.70.0.40", 1397)}},
		}},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := quorum.ParsePeers(read(t, "cfgtool/"+name))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestParsePeersRefusesWhatIsNotAnAnswer(t *testing.T) {
	whole := string(read(t, "cfgtool/3.1.7/knet-3-nodes-peers.txt"))
	tests := map[string]struct{ out, want string }{
		"nothing":               {"", "no local node id"},
		"a usage message":       {"usage: corosync-cfgtool [[-i <interface ip>]\n", "unexpected"},
		"cut off after a link":  {strings.TrimSuffix(whole, "\n"), "node 3 is incomplete"},
		"cut off within a link": {whole[:len(whole)-len("mtu: 1446\n\n")], "unexpected"},
		"a number too high":     {strings.Replace(whole, "1446", "99999999999999999999", 1), "out of range"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := quorum.ParsePeers([]byte(test.out))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %+v, %v; want an error with %q", p, err, test.want)
			}
		})
	}
}

func FuzzParsePeers(f *testing.F) {
	seed(f, "cfgtool/*/*.txt")
	f.Fuzz(func(t *testing.T, out []byte) {
		p, err := quorum.ParsePeers(out)
		if err != nil {
			return
		}
		for _, r := range p.Reachable {
			for _, path := range r.Paths {
				if path.Link < 0 || path.MTU < 0 || strings.ContainsAny(path.From+path.To, " \n") {
					t.Errorf("path %+v", path)
				}
			}
		}
	})
}
