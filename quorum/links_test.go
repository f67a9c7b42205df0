package quorum_test

import (
	"strings"
	"testing"

	"clusterctl/quorum"

	"github.com/google/go-cmp/cmp"
)

func peers(states ...quorum.PeerState) []quorum.Peer {
	var ps []quorum.Peer
	for i, s := range states {
		ps = append(ps, quorum.Peer{NodeID: uint32(i + 1), State: s})
	}
	return ps
}

func TestParseLinks(t *testing.T) {
	const (
		here, up, down, unknown = quorum.Localhost, quorum.Connected, quorum.Disconnected, quorum.Unknown
	)
	three := quorum.Links{NodeID: 1, Transport: "knet", Links: []quorum.Link{
		{Number: 0, Addr: "10.70.0.1", Peers: peers(here, up, up)},
		{Number: 1, Addr: "10.71.0.1", Peers: peers(here, up, up)},
	}}
	linkDown := quorum.Links{NodeID: 1, Transport: "knet", Links: []quorum.Link{
		{Number: 0, Addr: "10.70.0.1", Peers: peers(here, up, up)},
		{Number: 1, Addr: "10.71.0.1", Peers: peers(here, down, up)},
	}}
	tests := map[string]quorum.Links{
		"2.4.6/udpu-3-nodes.txt": {NodeID: 1, Links: []quorum.Link{
			{Number: 0, Addr: "10.99.10.11", Detail: "ring 0 active with no faults"},
		}},
		"2.4.6/rrp-3-nodes.txt": {NodeID: 1, Links: []quorum.Link{
			{Number: 0, Addr: "10.99.10.11", Detail: "ring 0 active with no faults"},
			{Number: 1, Addr: "10.99.11.11", Detail: "ring 1 active with no faults"},
		}},
		"2.4.6/rrp-faulty.txt": {NodeID: 1, Links: []quorum.Link{
			{Number: 0, Addr: "10.99.10.11", Detail: "ring 0 active with no faults"},
			{Number: 1, Addr: "10.99.11.11", Faulty: true, Detail: "Marking ringid 1 interface 10.99.11.11 FAULTY"},
		}},
		"2.4.6/rrp-counting.txt": {NodeID: 172818434, Links: []quorum.Link{
			{Number: 0, Addr: "10.77.0.2", Detail: "Incrementing problem counter for seqid 96 iface 10.77.0.2 to [1 of 10]"},
		}},
		"3.0.1/knet-link-down.txt": {NodeID: 2, Links: []quorum.Link{
			{Number: 0, Addr: "10.99.10.12", Peers: []quorum.Peer{{State: up}, {State: up}, {State: up}}},
			{Number: 1, Addr: "10.99.11.12", Peers: []quorum.Peer{{State: up}, {State: unknown}, {State: down}}},
		}},
		"3.0.1/udpu-3-nodes.txt": {NodeID: 2, Links: []quorum.Link{{Addr: "10.99.10.12", Detail: "OK"}}},
		"3.0.3/knet-link-down.txt": {NodeID: 2, Links: []quorum.Link{
			{Number: 0, Addr: "10.99.10.12", Peers: peers(up, here, up)},
			{Number: 1, Addr: "10.99.11.12", Peers: peers(up, here, down)},
		}},
		"3.0.4/knet-link-down.txt": {NodeID: 2, Links: []quorum.Link{
			{Number: 0, Addr: "10.99.10.12", Peers: peers(up, here, up)},
			{Number: 1, Addr: "10.99.11.12", Peers: peers(up, here, down)},
		}},
		"3.0.4/knet-errors.txt": {NodeID: 1, Links: []quorum.Link{
			{Number: 0, Addr: "10.70.0.1", Peers: peers(here, up, down)},
			{Number: 1, Addr: "10.71.0.1", Peers: peers(here, down, unknown)},
			{Number: 2, Addr: "fd00:72::1", Peers: peers(here, unknown, unknown)},
		}},
		"3.0.4/udpu-3-nodes.txt":   {NodeID: 2, Links: []quorum.Link{{Addr: "10.99.10.12", Detail: "OK"}}},
		"3.1.2/knet-3-nodes.txt":   three,
		"3.1.2/knet-link-down.txt": linkDown,
		"3.1.2/udp-3-nodes.txt": {NodeID: 1, Transport: "udp", Links: []quorum.Link{
			{Addr: "10.70.0.3", Peers: peers(here, up, up)},
		}},
		"3.1.7/knet-3-nodes.txt":   three,
		"3.1.7/knet-link-down.txt": linkDown,
		"3.1.7/knet-alone.txt": {NodeID: 1, Transport: "knet", Links: []quorum.Link{
			{Number: 0, Addr: "10.70.0.1", Peers: peers(here, down, down)},
			{Number: 1, Addr: "10.71.0.1", Peers: peers(here, down, down)},
		}},
		"3.1.7/udpu-node-down.txt": {NodeID: 3, Transport: "udpu", Links: []quorum.Link{
			{Addr: "10.70.0.2", Peers: peers(down, up, here)},
		}},
		"3.1.10/knet-sctp.txt": {NodeID: 1, Transport: "knet", Links: []quorum.Link{
			{Number: 0, Addr: "10.70.0.1", Peers: peers(here, up)},
			{Number: 3, Addr: "fd00:73::1", Peers: peers(here, down)},
		}},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := quorum.ParseLinks(read(t, "cfgtool/"+name))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// Of corosync 3.0, what knet itself says, by node id.
func TestLinksByStats(t *testing.T) {
	const here, up, down = quorum.Localhost, quorum.Connected, quorum.Disconnected
	for _, version := range []string{"3.0.1", "3.0.3"} {
		l, err := quorum.ParseLinks(read(t, "cfgtool/"+version+"/knet-link-down.txt"))
		if err != nil {
			t.Fatal(err)
		}
		stats, err := quorum.ParseCmap(read(t, "cmapctl/"+version+"/knet-link-down-stats.txt"))
		if err != nil {
			t.Fatal(err)
		}
		want := quorum.Links{NodeID: 2, Links: []quorum.Link{
			{Number: 0, Addr: "10.99.10.12", Peers: peers(up, here, up)},
			{Number: 1, Addr: "10.99.11.12", Peers: []quorum.Peer{{NodeID: 1, State: up}, {NodeID: 3, State: down}}},
		}}
		if diff := cmp.Diff(want, l.ByStats(stats)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", version, diff)
		}
		if diff := cmp.Diff(l, l.ByStats(nil)); diff != "" {
			t.Errorf("%s without stats (-want +got)\n%s", version, diff)
		}
	}
}

func TestParseLinksRefusesWhatIsNotAnAnswer(t *testing.T) {
	whole := string(read(t, "cfgtool/3.1.7/knet-3-nodes.txt"))
	tests := map[string]struct{ out, want string }{
		"nothing":                    {"", "no local node id"},
		"3.0's failure on stdout":    {"Printing link status.\nCould not initialize corosync configuration API error 2\n", "unexpected"},
		"cut off before a status":    {whole[:strings.LastIndex(whole, "\tstatus")], "link 1 is incomplete"},
		"cut off before an address":  {whole[:strings.LastIndex(whole, "\taddr")], "link 1 is incomplete"},
		"cut off within a peer":      {whole[:len(whole)-len("\tconnected\n")], "unexpected"},
		"a link without its status":  {strings.Replace(whole, "\taddr\t= 10.70.0.1\n", "LINK ID 5\n", 1), "unexpected"},
		"a node id that is too high": {strings.Replace(whole, "Local node ID 1,", "Local node ID 4294967296,", 1), "out of range"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l, err := quorum.ParseLinks([]byte(test.out))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %+v, %v; want an error with %q", l, err, test.want)
			}
		})
	}
}

func FuzzParseLinks(f *testing.F) {
	seed(f, "cfgtool/*/*.txt")
	f.Fuzz(func(t *testing.T, out []byte) {
		l, err := quorum.ParseLinks(out)
		if err != nil {
			return
		}
		for _, link := range l.Links {
			if link.Number < 0 || link.Addr == "" || link.Detail == "" && len(link.Peers) == 0 {
				t.Errorf("link %+v", link)
			}
		}
	})
}
