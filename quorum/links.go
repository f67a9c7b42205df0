package quorum

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Links is the state of the asked node's links, as corosync-cfgtool -s shows it.
type Links struct {
	NodeID    uint32 // the node that was asked
	Transport string // "knet", "udpu" or "udp"; empty before 3.1.1, which do not say
	Links     []Link
}

// Link is a link, or in 2.4 a ring.
type Link struct {
	Number int
	// Addr is the node's own address on the link; but with udp and udpu from
	// 3.1.1 on it is the address of another node.
	Addr   string
	Faulty bool   // 2.4: the ring is marked FAULTY
	Detail string // what is printed in place of Peers, with 2.4, and with udp and udpu up to 3.1.0
	// Peers has an entry for every node of the nodelist, the asked one
	// included, in the order of node ids.
	Peers []Peer
}

// Peer is the state of a link towards one node.
type Peer struct {
	NodeID uint32 // 0 with 3.0.0 and 3.0.1, which number the nodes in their order
	State  PeerState
}

// PeerState says whether a link reaches a node. It is a byte: of a large cluster
// there is one for each link between any two nodes.
type PeerState uint8

// The states of a peer. Unknown is what corosync could not find out or what
// contradicts itself ("knet error", "config error", "connected (not enabled)").
const (
	Unknown PeerState = iota
	Localhost
	Connected
	Disconnected
)

// String is the state in a word.
func (s PeerState) String() string {
	return [...]string{"unknown", "localhost", "connected", "disconnected"}[s]
}

var (
	localLine  = regexp.MustCompile(`^Local node ID (\d+)(?:, transport (\S+))?$`)
	linkLine   = regexp.MustCompile(`^(?:RING|LINK) ID (\d+)(?: \S*)?$`)
	addrLine   = regexp.MustCompile(`^\t(?:id|addr)\t= (.*)$`)
	detailLine = regexp.MustCompile(`^\tstatus\t= (.*)$`)
	// connectedKey is a key of the map stats (exec/stats.c).
	connectedKey = regexp.MustCompile(`^stats\.knet\.node(\d+)\.link(\d+)\.connected$`)
)

// ParseLinks reads the standard output of `corosync-cfgtool -s`, all formats of
// 2.4 to 3.1. It fails on an output that says nothing or breaks off. The tool's
// exit status is 0 for broken links too since 3.1.1 and is not needed.
//
// A knet node that knows no other shows link 0 alone, whatever is configured
// (issue corosync#643).
//
// Source: ringstatusget_do, linkstatusget_do and nodestatusget_do in
// tools/corosync-cfgtool.c.
func ParseLinks(out []byte) (Links, error) {
	l, err := parseLinks(string(out))
	if err != nil {
		return Links{}, fmt.Errorf("parse corosync-cfgtool output: %w", err)
	}
	return l, nil
}

func parseLinks(out string) (Links, error) {
	var l Links
	var link *Link
	local := false
	// complete says that the link before the current line has all it needs.
	complete := func() bool {
		return link == nil || link.Addr != "" && (link.Detail != "" || len(link.Peers) > 0)
	}
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		var err error
		if strings.HasPrefix(line, "\t") && link != nil { // nearly all lines
			err = link.add(line, l.NodeID)
		} else if m := localLine.FindStringSubmatch(line); m != nil {
			l.NodeID, err = parseID(m[1])
			l.Transport = strings.Clone(m[2])
			local = true
		} else if m := linkLine.FindStringSubmatch(line); m != nil && complete() {
			next := Link{}
			if link != nil && link.Peers != nil { // all have as many
				next.Peers = make([]Peer, 0, len(link.Peers))
			}
			l.Links = append(l.Links, next)
			link = &l.Links[len(l.Links)-1]
			link.Number, err = strconv.Atoi(m[1])
		} else if !title(line) {
			err = errors.New("unexpected")
		}
		if err != nil {
			return Links{}, fmt.Errorf("line %q: %w", line, err)
		}
	}
	switch {
	case !local:
		return Links{}, errors.New("no local node id")
	case !complete():
		return Links{}, fmt.Errorf("link %d is incomplete", link.Number)
	}
	return l, nil
}

// ByStats returns l with the state of knet's links from the output of
// `corosync-cmapctl -m stats`. Before 3.1.1 corosync-cfgtool only guesses which
// node a state is of: it matches what knet knows with the nodelist by order,
// without node ids up to 3.0.1, and wrongly while knet still knows a node that
// is off the list.
func (l Links) ByStats(stats Cmap) Links {
	peers := map[int][]Peer{}
	for key := range stats {
		m := connectedKey.FindStringSubmatch(key)
		if m == nil {
			continue
		}
		id, _ := parseID(m[1]) // they are numbers, and corosync's own
		number, _ := strconv.Atoi(m[2])
		p := Peer{NodeID: id, State: Disconnected}
		if on, _ := stats.Uint(key); id == l.NodeID {
			p.State = Localhost
		} else if on == 1 {
			p.State = Connected
		}
		peers[number] = append(peers[number], p)
	}
	l.Links = slices.Clone(l.Links)
	for i := range l.Links {
		if ps := peers[l.Links[i].Number]; len(ps) > 0 {
			l.Links[i].Peers = ps
			slices.SortFunc(ps, func(a, b Peer) int { return cmp.Compare(a.NodeID, b.NodeID) })
		}
	}
	return l
}

// title reports whether the line is a heading, or a note such as the one about
// SCTP in 3.1.10.
func title(line string) bool {
	return line == "Printing ring status." || line == "Printing link status." || strings.HasPrefix(line, "**")
}

// add reads one of a link's indented lines.
func (l *Link) add(line string, local uint32) error {
	if line == "\tstatus:" {
		return nil
	}
	if rest, ok := strings.CutPrefix(line, "\t\tnode"); ok {
		return l.addPeer(rest, local)
	}
	if m := addrLine.FindStringSubmatch(line); m != nil {
		l.Addr = strings.Clone(m[1]) // or all of the output would be kept
		return nil
	}
	if m := detailLine.FindStringSubmatch(line); m != nil {
		l.Detail = strings.Clone(m[1])
		l.Faulty = strings.Contains(m[1], "FAULTY")
		return nil
	}
	return errors.New("unexpected")
}

// addPeer reads what follows node in a peer's line: "id:  1:\tconnected", and
// without the id where that is not one but a place in the list.
func (l *Link) addPeer(rest string, local uint32) error {
	rest, isID := strings.CutPrefix(rest, "id")
	number, state, ok := strings.Cut(strings.TrimLeft(strings.TrimPrefix(rest, ":"), " "), ":\t")
	id, err := parseID(number)
	if !ok || number == "" || strings.Trim(number, "0123456789") != "" {
		return errors.New("unexpected")
	}
	p := Peer{State: peerState(state)}
	if isID {
		if p.NodeID = id; err != nil {
			return err
		}
		if p.NodeID == local {
			p.State = Localhost // 3.0.2 and 3.0.3 say connected
		}
	}
	l.Peers = append(l.Peers, p)
	return nil
}

func peerState(s string) PeerState {
	switch s {
	case "localhost":
		return Localhost
	case "connected", "link enabled:1\tlink connected:1":
		return Connected
	case "disconnected", "disconnected (not enabled)", "link enabled:1\tlink connected:0", "link enabled:0\tlink connected:0":
		return Disconnected
	}
	return Unknown
}

func parseID(s string) (uint32, error) {
	id, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("node id %s is out of range", s)
	}
	return uint32(id), nil
}
