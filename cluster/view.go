package cluster

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"clusterctl/corosyncconf"
)

// View is a cluster as it was found: its nodes, and what each of them is.
type View struct {
	Conf  *corosyncconf.File // the configuration that speaks for the cluster
	Nodes []ViewNode         // in the order of its nodelist, then any others that were asked
}

// ViewNode is one node of a View.
type ViewNode struct {
	Name  string
	Conf  *corosyncconf.Node // its entry in the nodelist; nil: it has none
	Facts *Facts             // nil: it was not reached
	Err   error              // why it was not reached
	Local bool               // it is this machine
	Asked bool               // it was named to find the cluster by
	Reach PlanNode           // how it is, or was to be, reached
}

// reached returns the facts of the nodes that were reached.
func (v *View) reached() []*Facts {
	var fs []*Facts
	for _, n := range v.Nodes {
		if n.Facts != nil {
			fs = append(fs, n.Facts)
		}
	}
	return fs
}

// Planned lets go of what only a plan goes by: what corosync says of links and
// keys, which grows with the square of the number of nodes.
func (v *View) Planned() {
	for _, f := range v.reached() {
		if f.Runtime != nil {
			f.Runtime = f.Runtime.brief()
		}
	}
}

// config is what the configuration means to the corosync that the nodes have,
// with the node ids that corosync has made where the file has none.
func (v *View) config() corosyncconf.Config {
	conf := v.Conf.ConfigIn(release(v.reached()))
	ids := map[int]ID{} // by index
	for _, n := range v.Nodes {
		if n.Conf != nil {
			ids[n.Conf.Index] = n.Conf.ID
		}
	}
	for i, n := range conf.Nodes {
		if id, ok := ids[n.Index]; ok {
			conf.Nodes[i].ID = id
		}
	}
	return conf
}

// madeID is the node id of a node that has none in the file, as it may with udp
// and udpu: corosync makes one of its IPv4 address on link 0.
func (n *ViewNode) madeID() ID {
	if n.active() {
		return n.Facts.Runtime.Quorum.NodeID
	}
	if a, err := netip.ParseAddr(n.Conf.Addrs[0]); err == nil && a.Is4() {
		b := a.As4()
		return binary.BigEndian.Uint32(b[:])
	}
	return 0
}

// Operations returns the operations that are open on the cluster's nodes.
func (v *View) Operations() []*Operation { return Operations(v.reached()) }

// reference chooses the configuration that speaks for the cluster: of those
// that corosync would take, that which quorate nodes run, and have in /etc/pve,
// then that of a quorate node before others, then the one that most nodes have,
// then the highest version.
func reference(facts []*Facts) *corosyncconf.File {
	type weight struct {
		runs, quorate, nodes int
		version              uint64
		file                 *corosyncconf.File
	}
	byHash := map[string]*weight{}
	var order []*weight
	for _, f := range facts {
		if f.Conf.File == nil || f.Conf.Err != nil || f.Conf.isDefault() {
			continue
		}
		w := byHash[f.Conf.Hash]
		if w == nil {
			w = &weight{file: f.Conf.File, version: f.Conf.File.ConfigVersion()}
			byHash[f.Conf.Hash] = w
			order = append(order, w)
		}
		w.nodes++
		if f.Runtime != nil && f.Runtime.Quorum.Quorate {
			w.quorate++
		}
	}
	if len(order) == 0 {
		return nil
	}
	for _, f := range facts {
		seen := f.seen()
		for hash, w := range byHash {
			if seen.Quorate && seen.Version == w.version {
				w.runs++
			}
			if seen.Quorate && f.PVE != nil && f.PVE.Conf.Hash == hash {
				w.runs++
			}
		}
	}
	best := slices.MaxFunc(order, func(a, b *weight) int {
		for _, d := range []int{a.runs - b.runs, a.quorate - b.quorate, a.nodes - b.nodes} {
			if d != 0 {
				return d
			}
		}
		return int(min(a.version, 1<<62)) - int(min(b.version, 1<<62))
	})
	return best.file
}

// nodeOf finds the entry of the machine f in the nodelist: by its name, else by
// its addresses, as corosync does (totemconfig.c:find_local_node).
func nodeOf(c corosyncconf.Config, f *Facts) *corosyncconf.Node {
	for _, same := range []func(a, b string) bool{strings.EqualFold, isHostname, sameLabel} { // the exact name first
		for i, n := range c.Nodes {
			if n.Name != "" && same(f.Hostname, n.Name) {
				return &c.Nodes[i]
			}
		}
	}
	texts := usableTexts(f)
	for i, n := range c.Nodes {
		for _, addr := range n.Addrs {
			if slices.Contains(texts, addressKey(addr)) || isHostname(f.Hostname, addr) {
				return &c.Nodes[i]
			}
		}
	}
	return nil
}

func sameLabel(a, b string) bool {
	a, _, _ = strings.Cut(a, ".")
	b, _, _ = strings.Cut(b, ".")
	return strings.EqualFold(a, b)
}

func usableTexts(f *Facts) []string {
	var texts []string
	for _, p := range f.Addrs {
		if !p.Addr().IsLoopback() {
			texts = append(texts, p.Addr().String())
		}
	}
	return texts
}

// Named turns names and node ids into the names that the nodelist has.
func (v *View) Named(nodes []string) []string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n
		if at := v.find(n); at >= 0 {
			names[i] = v.Nodes[at].Name
		}
	}
	return names
}
