// Package probe measures the network between machines. An agent runs on each of
// them (Serve); who started them tells each what to do over its standard input
// (Agent). They send each other numbered packets and echo those of the others,
// all at once, and count at both ends: so the two directions of a path are told
// apart even where nothing comes back.
//
// Round trips are free of the machines' own delays: a packet is timed by the
// kernel when it arrives, and an echo says how long it took to be sent.
package probe

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// Task is what an agent is to listen on.
type Task struct {
	Session uint64 // tells the packets of this run from all others
	Node    int    // the number of the agent's machine
	Ends    []End
}

// End is a machine's end of a link.
type End struct {
	Link  int
	Addr  netip.Addr
	Port  uint16
	Group netip.Addr // of multicast, to join; the zero Addr: none
}

// Bound is what became of an End.
type Bound struct {
	Link   int
	Port   uint16 // another one than was asked for if that is in use; 0: none
	Device string // the interface that has the address
	MTU    int    // of the interface
	Err    string // why there is no port, or no multicast
}

// Peer is another machine's end of a link.
type Peer struct {
	Link, Node int
	Addr       netip.AddrPort
}

// Run is what an agent is to send.
type Run struct {
	Peers     []Peer
	Count     int              // probes to each peer
	Interval  time.Duration    // from one probe to the next to the same peer
	Multicast map[int][]uint16 // by link: the ports on which the others have joined the group
}

// Report is what an agent has counted.
type Report struct {
	Sent      []Sent
	Got       []Got
	Multicast map[int]int // by link: sent to each port
}

// Sent is what became of the probes to a peer.
type Sent struct {
	Link, Node   int
	Sent, Echoed int
	RTT          Stats
	MTU          int // the largest IP packet that gets there whole; 0: not known
}

// Got is what came from a peer.
type Got struct {
	Link, Node        int
	Probes, Multicast int
}

// Stats are round trip times.
type Stats struct {
	Avg, P99, Max time.Duration
	Jitter        time.Duration // the mean difference of one round trip to the next
}

// stats sums up round trips, which are in the order of the probes.
func stats(rtts []time.Duration) Stats {
	if len(rtts) == 0 {
		return Stats{}
	}
	var s Stats
	var sum, steps time.Duration
	for i, d := range rtts {
		sum += d
		if i > 0 {
			steps += (d - rtts[i-1]).Abs()
		}
	}
	s.Avg = sum / time.Duration(len(rtts))
	if len(rtts) > 1 {
		s.Jitter = steps / time.Duration(len(rtts)-1)
	}
	sorted := slices.Sorted(slices.Values(rtts))
	s.Max = sorted[len(sorted)-1]
	s.P99 = sorted[(len(sorted)*99-1)/100]
	return s
}

// order is a line to an agent. One without content tells that somebody is there.
type order struct {
	Task   *Task `json:",omitempty"`
	Run    *Run  `json:",omitempty"`
	Report bool  `json:",omitempty"`
}

// answer is a line from an agent.
type answer struct {
	Bound  []Bound `json:",omitempty"`
	Done   bool    `json:",omitempty"`
	Report *Report `json:",omitempty"`
}

// An agent ends when it has heard nothing for so long; it is told something
// several times as often.
const (
	silence   = 30 * time.Second
	heartbeat = 5 * time.Second
)

// The kinds of packets.
const (
	kindWarm  = iota + 1 // has the machines find each other's hardware address; not counted as a probe
	kindProbe            // to be echoed
	kindEcho
	kindSize // of the size that is tried
	kindFits // says that it came
	kindMulticast
)

const (
	magic      = 0x63746c70 // "ctlp"
	headerSize = 40
	packetSize = 128 // about what corosync's token has
)

// header is what all packets begin with.
type header struct {
	session uint64
	kind    byte
	link    byte
	from    uint16
	seq     uint32        // of a probe; the size that is tried
	sent    int64         // ns, on the clock of who sent the probe
	hold    time.Duration // how long the echo took after the probe had come
}

func (h header) put(b []byte) {
	binary.BigEndian.PutUint32(b, magic)
	binary.BigEndian.PutUint64(b[4:], h.session)
	b[12], b[13] = h.kind, h.link
	binary.BigEndian.PutUint16(b[14:], h.from)
	binary.BigEndian.PutUint32(b[16:], h.seq)
	binary.BigEndian.PutUint64(b[24:], uint64(h.sent))
	binary.BigEndian.PutUint64(b[32:], uint64(h.hold))
}

// parse reads a packet of a session; others are none of ours.
func parse(b []byte, session uint64) (header, bool) {
	if len(b) < headerSize || binary.BigEndian.Uint32(b) != magic || binary.BigEndian.Uint64(b[4:]) != session {
		return header{}, false
	}
	return header{
		session: session, kind: b[12], link: b[13],
		from: binary.BigEndian.Uint16(b[14:]),
		seq:  binary.BigEndian.Uint32(b[16:]),
		sent: int64(binary.BigEndian.Uint64(b[24:])),
		hold: time.Duration(binary.BigEndian.Uint64(b[32:])),
	}, true
}
