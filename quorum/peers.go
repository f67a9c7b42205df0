package quorum

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Peers are the nodes that the asked node reaches, and how, as corosync-cfgtool
// -n shows them.
type Peers struct {
	NodeID    uint32      // the node that was asked
	Transport string      // "knet", "udpu" or "udp"
	Reachable []Reachable // without the asked node, and without those it does not reach
}

// Reachable is a node that is reached.
type Reachable struct {
	NodeID uint32
	Paths  []Path // one for every link that is enabled
}

// Path is one link to a node.
type Path struct {
	Link      int
	From, To  string // addresses; From is empty with udp and udpu
	Connected bool
	MTU       int // bytes of data that fit into a packet
}

var (
	reachableLine = regexp.MustCompile(`^nodeid: (\d+) reachable`)
	pathLine      = regexp.MustCompile(`^   LINK: (\d+)(?: \S*)? \((?:(\S*)->)?(\S*)\) enabled( connected)?(?: dynconnected)? mtu: (\d+)$`)
)

// ParsePeers reads the standard output of `corosync-cfgtool -n`, which exists
// since 3.1.1. It fails on an output that says nothing or breaks off.
//
// Source: nodestatusget_do in tools/corosync-cfgtool.c.
func ParsePeers(out []byte) (Peers, error) {
	p, err := parsePeers(string(out))
	if err != nil {
		return Peers{}, fmt.Errorf("parse corosync-cfgtool output: %w", err)
	}
	return p, nil
}

func parsePeers(out string) (Peers, error) {
	var p Peers
	local, open := false, false // open: in a node's block, which an empty line ends
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		var err error
		if m := localLine.FindStringSubmatch(line); m != nil {
			p.NodeID, err = parseID(m[1])
			p.Transport = m[2]
			local = true
		} else if m := reachableLine.FindStringSubmatch(line); m != nil && !open {
			var r Reachable
			r.NodeID, err = parseID(m[1])
			p.Reachable = append(p.Reachable, r)
			open = true
		} else if m := pathLine.FindStringSubmatch(line); m != nil && open {
			var path Path
			path, err = parsePath(m)
			r := &p.Reachable[len(p.Reachable)-1]
			r.Paths = append(r.Paths, path)
		} else if line == "" {
			open = false
		} else {
			err = errors.New("unexpected")
		}
		if err != nil {
			return Peers{}, fmt.Errorf("line %q: %w", line, err)
		}
	}
	switch {
	case !local:
		return Peers{}, errors.New("no local node id")
	case open:
		return Peers{}, fmt.Errorf("node %d is incomplete", p.Reachable[len(p.Reachable)-1].NodeID)
	}
	return p, nil
}

func parsePath(m []string) (Path, error) {
	link, err := strconv.Atoi(m[1])
	mtu, err2 := strconv.Atoi(m[5])
	return Path{Link: link, From: m[2], To: m[3], Connected: m[4] != "", MTU: mtu}, errors.Join(err, err2)
}
