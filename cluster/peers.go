package cluster

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"

	"clusterctl/quorum"
)

// Peers are the states of a node's link towards the other nodes, by name:
// connected, disconnected or unknown. Its JSON is an object. Of a large cluster
// there are very many states, and so they are kept as bytes, and the names once.
type Peers struct {
	names  *peerNames
	states []quorum.PeerState // by the index of the name
}

// noPeer stands in the place of a name that is not among the others: the node's own.
const noPeer = quorum.PeerState(255)

// peerNames are the names of all nodes, sorted.
type peerNames struct {
	names []string
	index map[string]int
}

func newPeerNames(names []string) *peerNames {
	p := &peerNames{names: slices.Compact(slices.Sorted(slices.Values(names))), index: map[string]int{}}
	for i, name := range p.names {
		p.index[name] = i
	}
	return p
}

func newPeers(names *peerNames) Peers {
	return Peers{names, slices.Repeat([]quorum.PeerState{noPeer}, len(names.names))}
}

// PeersOf makes Peers of states by name.
func PeersOf(states map[string]string) Peers {
	p := newPeers(newPeerNames(slices.Collect(maps.Keys(states))))
	for name, text := range states {
		p.set(name, quorum.Unknown)
		for _, s := range []quorum.PeerState{quorum.Localhost, quorum.Connected, quorum.Disconnected} {
			if s.String() == text {
				p.set(name, s)
			}
		}
	}
	return p
}

func (p Peers) set(name string, s quorum.PeerState) { p.states[p.names.index[name]] = s }

// get is the state of a name; false when it is not among them.
func (p Peers) get(name string) (quorum.PeerState, bool) {
	if p.names == nil {
		return quorum.Unknown, false
	}
	i, ok := p.names.index[name]
	if !ok || p.states[i] == noPeer {
		return quorum.Unknown, false
	}
	return p.states[i], true
}

// State is the state towards a node; "" when it is not among them.
func (p Peers) State(name string) string {
	if s, ok := p.get(name); ok {
		return s.String()
	}
	return ""
}

// All are the names, sorted, with the state of each.
func (p Peers) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i, s := range p.states {
			if s != noPeer && !yield(p.names.names[i], s.String()) {
				return
			}
		}
	}
}

// In lists the names in a state, sorted.
func (p Peers) In(state string) []string {
	var names []string
	for name, s := range p.All() {
		if s == state {
			names = append(names, name)
		}
	}
	return names
}

// Len is how many nodes there are in p.
func (p Peers) Len() int {
	n := 0
	for range p.All() {
		n++
	}
	return n
}

// MarshalJSON makes an object of p.
func (p Peers) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for name, state := range p.All() {
		key, err := json.Marshal(name)
		if err != nil {
			return nil, fmt.Errorf("write peers: %w", err)
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(b, key...), `:"`+state+`"`...)
	}
	return append(b, '}'), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (p *Peers) UnmarshalJSON(b []byte) error {
	var states map[string]string
	if err := json.Unmarshal(b, &states); err != nil {
		return fmt.Errorf("read peers: %w", err)
	}
	*p = PeersOf(states)
	return nil
}
