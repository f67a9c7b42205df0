//go:build linux

package probe_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"clusterctl/internal/probe"
)

// serve starts an agent, which ends with the test.
func serve(t *testing.T) *probe.Agent {
	t.Helper()
	in, toAgent := io.Pipe()
	fromAgent, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := probe.Serve(context.Background(), in, out)
		out.Close()
		ended <- err
	}()
	a := probe.NewAgent(fromAgent, toAgent)
	t.Cleanup(func() {
		a.Close()
		toAgent.Close()
		if err := <-ended; err != nil {
			t.Errorf("an agent ended with %v", err)
		}
	})
	return a
}

var loopback = netip.MustParseAddr("127.0.0.1")

// bind has an agent listen at an address, as node n of session 7 on link 0.
func bind(t *testing.T, a *probe.Agent, n int, addr netip.Addr) probe.Bound {
	t.Helper()
	return bindEnd(t, a, n, probe.End{Addr: addr})
}

func bindEnd(t *testing.T, a *probe.Agent, n int, e probe.End) probe.Bound {
	t.Helper()
	bound, err := a.Bind(t.Context(), probe.Task{Session: 7, Node: n, Ends: []probe.End{e}})
	if err != nil {
		t.Fatal(err)
	}
	if len(bound) != 1 || bound[0].Err != "" || bound[0].Port == 0 {
		t.Fatalf("bound %+v", bound)
	}
	return bound[0]
}

// run has agents send at once; peers are whom each sends to.
func run(t *testing.T, count int, agents []*probe.Agent, peers [][]probe.Peer) []probe.Report {
	t.Helper()
	failed := make(chan error)
	for i, a := range agents {
		go func() {
			failed <- a.Run(t.Context(), probe.Run{Peers: peers[i], Count: count, Interval: 500 * time.Microsecond})
		}()
	}
	for range agents {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	var reports []probe.Report
	for _, a := range agents {
		r, err := a.Report(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		reports = append(reports, r)
	}
	return reports
}

// wire is a cable between two UDP sockets that can lose what goes through.
type wire struct {
	ends [2]*net.UDPConn
	to   [2]netip.AddrPort // the machine at each end
}

// newWire makes a cable; lose is told the end at which a packet comes in, how
// many came in there before, and the packet's size without headers.
func newWire(t *testing.T, lose func(end, before, size int) bool) *wire {
	t.Helper()
	w := &wire{}
	for i := range w.ends {
		c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		w.ends[i] = c
	}
	for i, c := range w.ends {
		go func() {
			buf := make([]byte, 1<<16)
			for n := 0; ; n++ {
				size, _, err := c.ReadFromUDPAddrPort(buf)
				if err != nil {
					return
				}
				if other := 1 - i; size < 1<<14 && !lose(i, n, size) { // or a few would fill the sockets
					_, _ = w.ends[other].WriteToUDPAddrPort(buf[:size], w.to[other])
				}
			}
		}()
	}
	return w
}

func (w *wire) addr(end int) netip.AddrPort {
	return w.ends[end].LocalAddr().(*net.UDPAddr).AddrPort()
}

// across measures both ways between two machines with such a cable.
func across(t *testing.T, count int, lose func(end, before, size int) bool) (a, b probe.Report) {
	t.Helper()
	agents := []*probe.Agent{serve(t), serve(t)}
	w := newWire(t, lose)
	for i, agent := range agents {
		w.to[i] = netip.AddrPortFrom(loopback, bind(t, agent, i, loopback).Port)
	}
	reports := run(t, count, agents, [][]probe.Peer{{{Node: 1, Addr: w.addr(0)}}, {{Node: 0, Addr: w.addr(1)}}})
	return reports[0], reports[1]
}

func got(r probe.Report) int {
	if len(r.Got) == 0 {
		return 0
	}
	return r.Got[0].Probes
}

func TestACleanPathIsMeasuredClean(t *testing.T) {
	agents := []*probe.Agent{serve(t), serve(t)}
	peers := make([][]probe.Peer, 2)
	for i, a := range agents {
		peers[1-i] = []probe.Peer{{Node: i, Addr: netip.AddrPortFrom(loopback, bind(t, a, i, loopback).Port)}}
	}
	for _, r := range run(t, 200, agents, peers) {
		s := r.Sent[0]
		if s.Sent != 200 || s.Echoed != 200 || got(r) != 200 {
			t.Errorf("sent %d, echoed %d, got %d", s.Sent, s.Echoed, got(r))
		}
		if s.RTT.Avg <= 0 || s.RTT.Avg > s.RTT.P99 || s.RTT.P99 > s.RTT.Max {
			t.Errorf("round trips: %+v", s.RTT)
		}
		if s.MTU != 65535 {
			t.Errorf("MTU %d", s.MTU)
		}
	}
}

func TestLossIsCountedForEachDirection(t *testing.T) {
	// Of what a sends, every tenth packet is lost: probes, echoes, and the rest.
	a, b := across(t, 2000, func(end, before, _ int) bool { return end == 0 && before%10 == 9 })
	if n := got(b); n < 1700 || n > 1900 {
		t.Errorf("b got %d of 2000", n)
	}
	if n := got(a); n != 2000 {
		t.Errorf("a got %d of 2000", n)
	}
	if n := b.Sent[0].Echoed; n < 1700 || n > 1900 {
		t.Errorf("b had %d of 2000 echoed", n)
	}
}

func TestAOneWayPathIsSeenFromBothEnds(t *testing.T) {
	a, b := across(t, 100, func(end, _, _ int) bool { return end == 0 })
	if got(b) != 0 || got(a) != 100 {
		t.Errorf("b got %d, a got %d", got(b), got(a))
	}
	if a.Sent[0].Sent != 100 || a.Sent[0].Echoed != 0 || b.Sent[0].Echoed != 0 {
		t.Errorf("%+v %+v", a.Sent, b.Sent)
	}
	if a.Sent[0].MTU != 0 {
		t.Errorf("MTU %d of a path that lets nothing through", a.Sent[0].MTU)
	}
}

func TestTheLargestPacketIsFoundForEachDirection(t *testing.T) {
	a, b := across(t, 10, func(end, _, size int) bool { return end == 0 && size > 1372 || end == 1 && size > 8972 })
	if a.Sent[0].MTU != 1400 || b.Sent[0].MTU != 9000 {
		t.Errorf("MTU %d and %d", a.Sent[0].MTU, b.Sent[0].MTU)
	}
}

func TestIPv6(t *testing.T) {
	agents := []*probe.Agent{serve(t), serve(t)}
	six := netip.IPv6Loopback()
	ports := []uint16{bind(t, agents[0], 0, six).Port, bind(t, agents[1], 1, six).Port}
	reports := run(t, 20, agents, [][]probe.Peer{{{Node: 1, Addr: netip.AddrPortFrom(six, ports[1])}}, nil})
	if s := reports[0].Sent[0]; s.Echoed != 20 || s.MTU != 65535 || got(reports[1]) != 20 {
		t.Errorf("%+v, got %+v", s, reports[1].Got)
	}
}

func TestAPortInUseIsLeftAlone(t *testing.T) {
	first := bind(t, serve(t), 0, loopback)
	second := bindEnd(t, serve(t), 1, probe.End{Addr: loopback, Port: first.Port})
	if second.Port == first.Port {
		t.Error("both have the same port")
	}
}

func TestAGroupIsJoinedBesideThePort(t *testing.T) {
	agents := []*probe.Agent{serve(t), serve(t)}
	bindEnd(t, agents[0], 0, probe.End{Addr: loopback, Group: netip.MustParseAddr("239.192.7.7")})
	bindEnd(t, agents[1], 0, probe.End{Addr: netip.IPv6Loopback(), Group: netip.MustParseAddr("ff15::7")})
}

func TestPacketsOfOthersAreNotCounted(t *testing.T) {
	a := serve(t)
	to := netip.AddrPortFrom(loopback, bind(t, a, 0, loopback).Port)
	other := serve(t) // of another run
	if _, err := other.Bind(t.Context(), probe.Task{Session: 8, Node: 1, Ends: []probe.End{{Addr: loopback}}}); err != nil {
		t.Fatal(err)
	}
	reports := run(t, 5, []*probe.Agent{a, other}, [][]probe.Peer{nil, {{Node: 0, Addr: to}}})
	if len(reports[0].Got) > 0 || reports[1].Sent[0].Echoed > 0 {
		t.Errorf("got %+v, and sent %+v", reports[0].Got, reports[1].Sent)
	}
}

// An agent of a client that is gone ends, whatever it is doing.
func TestTheAgentEndsWithItsInput(t *testing.T) {
	in, toAgent := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- probe.Serve(context.Background(), in, io.Discard) }()
	for _, line := range []string{
		`{"Task":{"Session":7,"Ends":[{"Addr":"127.0.0.1"}]}}`,
		`{"Run":{"Peers":[{"Node":1,"Addr":"127.0.0.1:9"}],"Count":1000000,"Interval":1000000}}`,
	} {
		if _, err := io.WriteString(toAgent, line+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	toAgent.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
