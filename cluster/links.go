package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"clusterctl/quorum"
)

// LinkInfo is a link, or ring, of a cluster, as all of its nodes see it.
type LinkInfo struct {
	Number   int        `json:"number"`
	Mode     string     `json:"mode"`     // how several links are used: passive, active, rr; "" with one that cannot have others
	Priority int        `json:"priority"` // the highest comes first in passive mode; 0: it has none, for it is not knet's
	Port     int        `json:"port"`     // UDP
	Nodes    []LinkNode `json:"nodes"`    // in the order of the nodelist
}

// LinkNode is a node's end of a link.
type LinkNode struct {
	Name    string              `json:"name"`
	Address string              `json:"address"`
	Peers   map[string]LinkPeer `json:"peers"` // by the name of the other node
}

// LinkPeer is a link from one node to another.
type LinkPeer struct {
	State   string  `json:"state"`                // connected, disconnected or unknown
	MTU     int     `json:"mtu,omitempty"`        // bytes of data that fit into a packet; 0: not known
	Latency float64 `json:"latency_ms,omitempty"` // the average round trip, ms; 0: not known
}

// LinkStat is what knet on a node measures of a link to another node.
type LinkStat struct {
	Peer    ID
	Link    int
	MTU     int           // bytes of data that fit into a packet; 0: not known
	Latency time.Duration // the average round trip; 0: not known
}

// Links asks the nodes of v about the links of the cluster. The error, if any,
// says which nodes do not tell what they measure; the rest is there all the same.
func Links(ctx context.Context, v *View, nodes map[string]Node) ([]LinkInfo, error) {
	var mu sync.Mutex
	stats := map[string][]LinkStat{}
	err := each(slices.Sorted(maps.Keys(nodes)), func(name string) error {
		s, err := nodes[name].LinkStats(ctx)
		mu.Lock()
		defer mu.Unlock()
		stats[name] = s
		return nodeErr(name, err)
	})
	return linksOf(v, stats), err
}

func linksOf(v *View, stats map[string][]LinkStat) []LinkInfo {
	conf := v.config()
	names := map[ID]string{}
	for _, n := range conf.Nodes {
		names[n.ID] = n.Label()
	}
	status := NewStatus(v)
	all := []LinkInfo{}
	for _, number := range conf.Links() {
		l := linkPlan{LinkChange: LinkChange{Number: number}, conf: conf}
		info := LinkInfo{Number: number, Priority: l.priority(), Port: l.port(), Nodes: []LinkNode{}}
		if conf.Totem.Transport == "knet" {
			info.Mode = conf.Totem.LinkMode
		} else if info.Priority = 0; len(conf.Links()) > 1 {
			info.Mode = conf.Totem.RRPMode
		}
		for i, n := range v.Nodes {
			if n.Conf == nil {
				continue
			}
			node := LinkNode{Name: n.Name, Address: n.Conf.Addrs[number], Peers: map[string]LinkPeer{}}
			for _, seen := range status.Nodes[i].Links {
				if seen.Number != number {
					continue
				}
				for peer, state := range seen.Peers.All() {
					node.Peers[peer] = LinkPeer{State: state}
				}
			}
			for _, s := range stats[n.Name] {
				if p, ok := node.Peers[names[s.Peer]]; ok && s.Link == number {
					p.MTU, p.Latency = s.MTU, float64(s.Latency.Microseconds())/1000
					node.Peers[names[s.Peer]] = p
				}
			}
			info.Nodes = append(info.Nodes, node)
		}
		all = append(all, info)
	}
	return all
}

// parseLinkStats reads the answers of script/links.sh.
func parseLinkStats(sec map[string]section) ([]LinkStat, error) {
	if _, ok := sec["peers"]; !ok {
		return nil, nil // corosync does not run
	}
	type path struct {
		peer ID
		link int
	}
	found := map[path]*LinkStat{}
	at := func(peer ID, link int) *LinkStat {
		k := path{peer, link}
		if found[k] == nil {
			found[k] = &LinkStat{Peer: peer, Link: link}
		}
		return found[k]
	}
	if sec["peers"].status == 0 && len(sec["peers"].out) > 0 { // before 3.1.1 it knows no -n, and only some call that an error
		// The shell took the empty line from the end.
		peers, err := quorum.ParsePeers(append(sec["peers"].out, "\n\n"...))
		if err != nil {
			return nil, err
		}
		for _, r := range peers.Reachable {
			for _, p := range r.Paths {
				at(r.NodeID, p.Link).MTU = p.MTU
			}
		}
	}
	cmap, err := quorum.ParseCmap(sec["stats"].out)
	if err != nil {
		return nil, fmt.Errorf("corosync-cmapctl -m stats: %w", err)
	}
	for key := range cmap {
		var peer ID
		var link int
		if rest, ok := strings.CutSuffix(key, ".latency_ave"); ok {
			if _, err := fmt.Sscanf(rest, "stats.knet.node%d.link%d", &peer, &link); err != nil {
				continue
			}
			us, _ := cmap.Uint(key)
			at(peer, link).Latency = time.Duration(us) * time.Microsecond
		}
	}
	var all []LinkStat
	for _, s := range found {
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b LinkStat) int {
		if a.Peer != b.Peer {
			return int(a.Peer) - int(b.Peer)
		}
		return a.Link - b.Link
	})
	return all, nil
}
