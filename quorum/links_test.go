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
		"2.4.6/rrp.txt": {NodeID: 1, Links: []quorum.Link{
			{Number: 0, Addr: "10.70.0.1", Detail: "ring 0 active with no faults"},
			{Number: 1, Addr: "10.71.0.1", Detail: "ring 1 active with no faults"},
		}},
		"2.4.6/rrp-faulty.txt": {NodeID: 1, Links: []quorum.Link{
			{Number: 0, Addr: "10.70.0.1", Detail: "ring 0 active with no faults"},
			{Number: 1, Addr: "10.71.0.1", Faulty: true, Detail: "Marking ringid 1 interface 10.71.0.1 FAULTY"},
		}},
		"2.4.6/rrp-counting.txt": {NodeID: 172818434, Links: []quorum.Link{
			{Number: 0, Addr: "10.77.0.2", Detail: "Incrementing problem counter for seqid 96 iface 10.77.0.2 to [1 of 10]"},
		}},
		"3.0.0/knet.txt": {NodeID: 1, Links: []quorum.Link{
			{Addr: "10.70.0.1", Peers: []quorum.Peer{{State: up}, {State: up}, {State: down}}},
		}},
		"3.0.0/udpu.txt": {NodeID: 1, Links: []quorum.Link{{Addr: "10.70.0.1", Detail: "OK"}}},
		"3.0.2/knet.txt": {NodeID: 2, Links: []quorum.Link{
			{Number: 0, Addr: "10.70.0.2", Peers: peers(up, here, down)},
			{Number: 1, Addr: "10.71.0.2", Peers: peers(up, here, up)},
		}},
		"3.0.4/knet.txt": {NodeID: 1, Links: []quorum.Link{
			{Number: 0, Addr: "10.70.0.1", Peers: peers(here, up, down)},
			{Number: 1, Addr: "10.71.0.1", Peers: peers(here, down, unknown)},
			{Number: 2, Addr: "fd00:72::1", Peers: peers(here, unknown, unknown)},
		}},
		"3.0.4/udp.txt":            {NodeID: 1, Links: []quorum.Link{{Addr: "10.70.0.1", Detail: "OK"}}},
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
