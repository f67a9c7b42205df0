package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"clusterctl/corosyncconf"
	"clusterctl/quorum"
)

// Status is the state of a cluster as all its nodes together tell it. Its JSON
// is that of `status -o json`.
type Status struct {
	Schema     int           `json:"schema"`
	Cluster    StatusCluster `json:"cluster"`
	Quorum     StatusQuorum  `json:"quorum"`
	Nodes      []StatusNode  `json:"nodes"`
	Partitions [][]string    `json:"partitions"`
	Problems   Problems      `json:"problems"`
}

// StatusCluster is what the configuration says of the whole cluster.
type StatusCluster struct {
	Name          string `json:"name"`
	Layout        string `json:"layout"` // corosync or pve
	Transport     string `json:"transport"`
	ConfigVersion uint64 `json:"config_version"` // the highest that runs
	CryptoCipher  string `json:"crypto_cipher"`
	CryptoHash    string `json:"crypto_hash"`
	Links         int    `json:"links"` // how many
}

// StatusQuorum is the view of the largest quorate partition, else of the
// largest one.
type StatusQuorum struct {
	Quorate         bool     `json:"quorate"`
	Provider        string   `json:"provider"`
	Nodes           int      `json:"nodes"`
	NodeID          ID       `json:"node_id"` // of the node whose view this is
	RingID          string   `json:"ring_id"`
	ExpectedVotes   int      `json:"expected_votes"`
	HighestExpected int      `json:"highest_expected"`
	TotalVotes      int      `json:"total_votes"`
	Quorum          int      `json:"quorum"`
	Survives        int      `json:"survives"` // how many more single failures
	Flags           []string `json:"flags"`
}

// StatusNode is one node.
type StatusNode struct {
	Name                 string       `json:"name"`
	ID                   ID           `json:"id"`
	Votes                int          `json:"votes"`
	Member               bool         `json:"member"` // of the partition that Quorum is about
	Local                bool         `json:"local"`  // this machine
	Reachable            bool         `json:"reachable"`
	Corosync             string       `json:"corosync"` // active, inactive, failed, unknown
	Version              string       `json:"version"`  // of corosync
	ConfigVersionFile    uint64       `json:"config_version_file"`
	ConfigVersionRunning uint64       `json:"config_version_running"`
	ConfigSHA256         string       `json:"config_sha256"`
	Links                []StatusLink `json:"links"`

	Pmxcfs *StatusPmxcfs `json:"pmxcfs,omitempty"` // of a node of Proxmox VE
}

// StatusPmxcfs is Proxmox VE's cluster file system on a node.
type StatusPmxcfs struct {
	Mounted       bool      `json:"mounted"`
	Quorate       bool      `json:"quorate"`        // /etc/pve can be written there
	ConfigVersion uint64    `json:"config_version"` // of the corosync.conf in it
	Peers         []PVEPeer `json:"peers"`          // the nodes as it knows them
}

// StatusLink is one link of a node.
type StatusLink struct {
	Number  int    `json:"number"`
	Address string `json:"address"`
	Peers   Peers  `json:"peers"`
}

// partition is one membership that active nodes report.
type partition struct {
	ids  []ID        // sorted
	seen []*ViewNode // who reports it
}

// NewStatus makes the Status of what was found.
func NewStatus(v *View) *Status {
	conf := v.config()
	s := &Status{Schema: 1, Partitions: [][]string{}, Problems: Problems{}}
	s.Cluster = StatusCluster{
		Name: conf.Totem.ClusterName, Layout: "corosync", Transport: conf.Totem.Transport,
		Links: len(conf.Links()),
	}
	s.Cluster.CryptoCipher, s.Cluster.CryptoHash = conf.Totem.Crypto()
	names := map[ID]string{}
	for _, n := range conf.Nodes {
		names[n.ID] = n.Label()
	}
	peers := newPeerNames(slices.Collect(maps.Values(names)))
	parts := partitions(v)
	for _, p := range parts {
		s.Partitions = append(s.Partitions, idNames(p.ids, names))
	}
	var main *partition
	if len(parts) > 0 {
		main = parts[0]
		s.Quorum = quorumView(main, conf)
	} else {
		all := WholeQuorum(conf)
		s.Quorum = StatusQuorum{Provider: conf.Quorum.Provider, ExpectedVotes: all.Expected, Quorum: all.Quorum, Flags: []string{}}
	}
	for i := range v.Nodes {
		s.Nodes = append(s.Nodes, statusNode(&v.Nodes[i], conf, names, peers, main))
		if f := v.Nodes[i].Facts; f != nil && f.PVE != nil {
			s.Cluster.Layout = "pve"
		}
	}
	for _, n := range s.Nodes {
		s.Cluster.ConfigVersion = max(s.Cluster.ConfigVersion, n.ConfigVersionRunning)
	}
	s.Problems = append(s.Problems, diagnose(v, s, conf, names, parts)...)
	return s
}

// partitions returns the memberships that active nodes report: the largest
// quorate one first, then by size.
func partitions(v *View) []*partition {
	var parts []*partition
	for i := range v.Nodes {
		n := &v.Nodes[i]
		if n.Facts == nil || n.Facts.Runtime == nil || n.Facts.Runtime.Err != nil {
			continue
		}
		var ids []ID
		for _, m := range n.Facts.Runtime.Quorum.Members {
			ids = append(ids, m.NodeID)
		}
		slices.Sort(ids)
		at := slices.IndexFunc(parts, func(p *partition) bool { return slices.Equal(p.ids, ids) })
		if at < 0 {
			parts = append(parts, &partition{ids: ids})
			at = len(parts) - 1
		}
		parts[at].seen = append(parts[at].seen, n)
	}
	slices.SortStableFunc(parts, func(a, b *partition) int {
		if a.quorate() != b.quorate() {
			if a.quorate() {
				return -1
			}
			return 1
		}
		return cmp.Compare(len(b.ids), len(a.ids))
	})
	return parts
}

func (p *partition) status() quorum.Status { return p.seen[0].Facts.Runtime.Quorum }
func (p *partition) quorate() bool         { return p.status().Quorate }

func idNames(ids []ID, names map[ID]string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = nameOf(id, names)
	}
	return out
}

func nameOf(id ID, names map[ID]string) string {
	if n := names[id]; n != "" {
		return n
	}
	return fmt.Sprintf("node id %d", id)
}

func quorumView(p *partition, conf corosyncconf.Config) StatusQuorum {
	q := p.status()
	return StatusQuorum{
		Quorate: q.Quorate, Provider: q.Provider, Nodes: q.Nodes, NodeID: q.NodeID, RingID: q.RingID,
		ExpectedVotes: q.Expected, HighestExpected: q.Highest, TotalVotes: q.Total, Quorum: q.Quorum,
		Survives: votesOf(conf, q).Survives(), Flags: append([]string{}, q.Flags...),
	}
}

// rules are the votes and rules of conf; nobody is present.
func rules(conf corosyncconf.Config) quorum.Votes {
	v := quorum.Votes{TwoNode: conf.Quorum.TwoNode, WaitForAll: conf.Quorum.WaitForAll, LastManStanding: conf.Quorum.LastManStanding}
	if conf.Quorum.AutoTieBreaker {
		v.AutoTieBreaker = cmp.Or(conf.Quorum.AutoTieBreakerNode, "lowest")
	}
	if d := conf.Quorum.Device; d != nil {
		if v.Device = d.Votes; v.Device < 0 {
			v.Device = len(conf.Nodes) - 1
		}
	}
	for _, n := range conf.Nodes {
		v.Nodes = append(v.Nodes, quorum.Voter{ID: n.ID, Votes: n.Votes})
	}
	return v
}

// reckon is the voting situation of members that are quorate right after conf
// takes effect.
func reckon(conf corosyncconf.Config, members []Member) quorum.Votes {
	v := rules(conf)
	v.Expected, v.Quorate = conf.ExpectedVotes(), true
	for i, n := range v.Nodes {
		v.Nodes[i].Present = slices.ContainsFunc(members, func(m Member) bool { return m.ID == n.ID })
	}
	return v
}

// votesOf is the voting situation that a node reports, by the rules of conf.
func votesOf(conf corosyncconf.Config, q quorum.Status) quorum.Votes {
	v := rules(conf)
	v.Expected, v.Quorate = q.Expected, q.Quorate
	for _, m := range q.Members {
		i := slices.IndexFunc(v.Nodes, func(n quorum.Voter) bool { return n.ID == m.NodeID })
		if i < 0 {
			v.Nodes = append(v.Nodes, quorum.Voter{ID: m.NodeID})
			i = len(v.Nodes) - 1
		}
		v.Nodes[i].Present, v.Nodes[i].Votes = true, m.Votes
		v.Nodes[i].Device = strings.HasPrefix(m.Qdevice, "A,V")
	}
	return v
}

func statusNode(n *ViewNode, conf corosyncconf.Config, names map[ID]string, peers *peerNames, main *partition) StatusNode {
	s := StatusNode{Name: n.Name, Local: n.Local, Reachable: n.Facts != nil, Corosync: "unknown", Links: []StatusLink{}}
	if n.Conf != nil {
		s.ID, s.Votes = n.Conf.ID, n.Conf.Votes
	}
	s.Member = main != nil && slices.Contains(main.ids, s.ID)
	var rt *Runtime
	if f := n.Facts; f != nil {
		rt = f.Runtime
		switch u := f.Units["corosync"]; {
		case u.Running():
			s.Corosync = "active"
		case u.Active == "failed":
			s.Corosync = "failed"
		default:
			s.Corosync = "inactive"
		}
		if f.Corosync.Major > 0 {
			s.Version = f.Corosync.String()
		}
		if p := f.PVE; p != nil {
			s.Pmxcfs = &StatusPmxcfs{p.Mounted, p.Writable, p.Version, append([]PVEPeer{}, p.Peers...)}
		}
		if f.Conf.Exists {
			s.ConfigSHA256 = f.Conf.Hash
			s.ConfigVersionFile = f.Conf.File.ConfigVersion()
		}
	}
	if rt != nil && rt.Err == nil {
		s.ConfigVersionRunning, _ = rt.Cmap.Uint("totem.config_version")
		for _, m := range rt.Quorum.Members {
			if m.NodeID == s.ID {
				s.Votes = m.Votes
			}
		}
	}
	if n.Conf == nil {
		return s
	}
	for _, link := range slices.Sorted(maps.Keys(n.Conf.Addrs)) {
		l := StatusLink{Number: link, Address: n.Conf.Addrs[link], Peers: newPeers(peers)}
		to := linkOf(rt, link)
		for _, other := range conf.Nodes {
			if other.ID != s.ID {
				l.Peers.set(names[other.ID], to(other.ID))
			}
		}
		s.Links = append(s.Links, l)
	}
	return s
}

// linkOf tells the state of a link to each peer as corosync on a node tells it.
// With corosync 2, and with udp and udpu up to 3.1.0, it tells only whether the
// node has a fault on the link: then the link reaches the members.
func linkOf(rt *Runtime, link int) func(peer ID) quorum.PeerState {
	states := map[ID]quorum.PeerState{} // without a peer: unknown
	if rt == nil || rt.Err != nil {
		return func(ID) quorum.PeerState { return quorum.Unknown }
	}
	i := slices.IndexFunc(rt.Links.Links, func(l quorum.Link) bool { return l.Number == link })
	if i < 0 {
		return func(ID) quorum.PeerState { return quorum.Unknown }
	}
	l := rt.Links.Links[i]
	if len(l.Peers) > 0 {
		for _, p := range slices.Backward(l.Peers) { // the first one of an id counts
			states[p.NodeID] = p.State
		}
		return func(peer ID) quorum.PeerState { return states[peer] }
	}
	for _, m := range rt.Quorum.Members {
		states[m.NodeID] = quorum.Connected
	}
	return func(peer ID) quorum.PeerState {
		if states[peer] == quorum.Connected && !l.Faulty {
			return quorum.Connected
		}
		return quorum.Disconnected
	}
}

// diagnose finds what is wrong. A thing that another one explains is not told
// again: the links of a node that is down are down, of course.
func diagnose(v *View, s *Status, conf corosyncconf.Config, names map[ID]string, parts []*partition) Problems {
	var ps Problems
	switch {
	case len(parts) == 0:
		ps.add(CodeNotQuorate, "", "clusterctl start --all", "corosync runs on no node that answers")
	case !parts[0].quorate():
		q := s.Quorum
		needed := fmt.Sprintf("%d are needed", q.Quorum)
		switch more := q.Quorum - q.TotalVotes; {
		case more > 0:
			needed += fmt.Sprintf(": %d more", more)
		case slices.Contains(q.Flags, "WaitForAll"):
			needed = "all are waited for (wait_for_all)"
		}
		if away := absentFrom(parts[0], v); away != "" {
			needed += "; away: " + away
		}
		if only := v.readOnly(); only != "" {
			needed += "; " + only
		}
		ps.add(CodeNotQuorate, "", notQuorateRemedy(v, s), "no quorum: %d of %d votes are present, %s", q.TotalVotes, q.ExpectedVotes, needed)
	}
	if len(parts) > 1 {
		var texts []string
		for _, p := range s.Partitions {
			texts = append(texts, plusList(p))
		}
		remedy := "check the network between them"
		if gone := strangers(parts); len(gone) == len(parts)-1 {
			remedy = "the others do not have " + andList(gone) + " in their configuration (any more): stop corosync there, and remove " + ConfPath + " and " + KeyPath
		}
		ps.add(CodePartition, "", remedy, "the cluster is split: %s", strings.Join(texts, " | "))
	}
	if !v.hasNodelist(&ps) {
		return ps
	}
	for i := range v.Nodes {
		diagnoseNode(&ps, &v.Nodes[i], s.Nodes[i])
		if v.Nodes[i].Facts == nil {
			v.withoutPmxcfs(&ps[len(ps)-1])
		}
	}
	diagnoseMembers(&ps, s, names, parts)
	diagnoseConfig(&ps, v, s, conf)
	diagnoseLinks(&ps, v, s)
	for _, op := range v.Operations() {
		user, host, started := op.By()
		by := fmt.Sprintf("by %s@%s at %s: %s", user, host, started.Format("2006-01-02T15:04:05Z"), op.Command)
		if op.State == StateRunning {
			ps.warn(CodeRunning, "", op.Remedy, "operation %s is going on, %s", op.ID, by)
		} else if op.State == StateDone {
			ps.warn(CodeUnfinished, "", op.Remedy, "operation %s was carried out, but not every node has noted its end; started %s", op.ID, by)
		} else if op.State != StateBegun {
			ps.add(CodeUnfinished, "", op.Remedy, "operation %s stopped midway (%s), started %s", op.ID, op.Step, by)
		}
	}
	return ps
}

// strangers are nodes that are partitions of their own, and are not in the
// configuration of the first one.
func strangers(parts []*partition) []string {
	var names []string
	for _, p := range parts[1:] {
		if len(p.ids) == 1 && len(p.seen) == 1 && p.seen[0].Conf == nil {
			names = append(names, p.seen[0].Name)
		}
	}
	return names
}

func notQuorateRemedy(v *View, s *Status) string {
	var down []string
	for i, n := range s.Nodes {
		if v.Nodes[i].Facts != nil && n.Corosync != "active" {
			down = append(down, n.Name)
		}
	}
	if len(down) > 0 {
		return "clusterctl start " + strings.Join(down, " ")
	}
	return "bring back the nodes that are away"
}

func diagnoseNode(ps *Problems, n *ViewNode, s StatusNode) {
	switch f := n.Facts; {
	case f == nil:
		p := NodeProblem(n.Name, n.Err)
		if s.Member {
			p.Message += " (the other nodes count it as a member)"
		}
		*ps = append(*ps, p)
	case f.UID != 0:
		ps.add(CodeNotRoot, n.Name, "log in as root (-l root), or give --sudo", "the login is not root, to whom alone corosync answers")
	case n.Conf == nil:
		ps.warn(CodeEditedConfig, n.Name, "", "it answers, but is not in the cluster's nodelist")
	case s.Corosync == "failed":
		ps.add(CodeCorosync, n.Name, "journalctl -u corosync on "+n.Name+", then clusterctl start "+n.Name, "corosync failed")
	case s.Corosync == "inactive":
		ps.add(CodeInactive, n.Name, "clusterctl start "+n.Name, "corosync is not running")
	case f.Runtime == nil:
		ps.add(CodeCorosync, n.Name, "wait, then journalctl -u corosync on "+n.Name, "corosync is starting")
	case f.Runtime.Err != nil:
		ps.add(CodeCorosync, n.Name, "journalctl -u corosync on "+n.Name, "corosync does not answer: %v", f.Runtime.Err)
	}
}

// NodeProblem makes a Problem of why a node failed.
func NodeProblem(node string, err error) Problem {
	ps := ProblemsOf(err)
	if len(ps) == 0 {
		return Problem{Severity: Error, Code: CodeFailed, Node: node}
	}
	ps[0].Node = node
	return ps[0]
}

// diagnoseMembers finds nodes that should be members and are not, and members
// that nobody listed.
func diagnoseMembers(ps *Problems, s *Status, names map[ID]string, parts []*partition) {
	if len(parts) == 0 {
		return
	}
	for _, n := range s.Nodes {
		if n.ID == 0 || n.Member || slices.ContainsFunc(parts, func(p *partition) bool { return slices.Contains(p.ids, n.ID) }) {
			continue
		}
		if n.Corosync == "unknown" {
			ps.add(CodeAbsent, n.Name, "bring it back, or take it out with: clusterctl delnode --offline "+n.Name, "configured, but not a member")
		}
	}
	for _, p := range parts {
		for _, id := range p.ids {
			if names[id] == "" {
				ps.add(CodeUnknownMember, "", "stop corosync there, or list the node in corosync.conf",
					"node id %d is a member, but corosync.conf does not list it", id)
			}
		}
	}
	if q := s.Quorum; q.Quorate && q.HighestExpected > 0 && q.ExpectedVotes < q.HighestExpected {
		ps.warn(CodeExpected, "", "", "expected votes are %d here, %d elsewhere", q.ExpectedVotes, q.HighestExpected)
	}
}

// diagnoseConfig finds files that differ, between nodes and from what runs.
func diagnoseConfig(ps *Problems, v *View, s *Status, conf corosyncconf.Config) {
	want := Hash(v.Conf.Bytes())
	versions := map[uint64][]string{}
	keys := map[string][]string{}
	corosyncs := map[string][]string{}
	for i, n := range v.Nodes {
		if n.Facts == nil || n.Conf == nil {
			continue
		}
		sn := s.Nodes[i]
		switch c := n.Facts.Conf; {
		case !c.Exists:
			ps.add(CodeConfigInvalid, n.Name, "clusterctl conf sync", "there is no %s", ConfPath)
		case c.Err != nil:
			ps.add(CodeConfigInvalid, n.Name, "clusterctl conf sync", "%v", c.Err)
		case c.isDefault() || c.clusterName() != conf.Totem.ClusterName && conf.Totem.ClusterName != "":
			ps.add(CodeEditedConfig, n.Name, "", "its %s is not that of this cluster", ConfPath)
		case c.Hash != want && n.Facts.Holder == nil:
			ps.add(CodeConfigDrift, n.Name, "clusterctl conf sync puts what the cluster runs in its place",
				"its corosync.conf (version %d) is not that of the cluster (version %d)", sn.ConfigVersionFile, v.Conf.ConfigVersion())
		case n.Facts.Runtime != nil && n.Facts.Runtime.Err == nil && sn.ConfigVersionRunning != sn.ConfigVersionFile:
			ps.add(CodeConfigPending, n.Name, "clusterctl conf sync --from "+n.Name+" makes every member run it",
				"its file is version %d, but version %d runs", sn.ConfigVersionFile, sn.ConfigVersionRunning)
		}
		haResets(ps, n.Facts, n.Name)
		if p := n.Facts.PVE; p != nil && n.active() {
			switch {
			case !p.answers(ps, n.Name), !n.Facts.joint(ps, n.Name):
			case n.Facts.UID == 0 && p.Conf.Hash != Hash(v.Conf.Bytes()):
				ps.add(CodeConfigDrift, n.Name, "clusterctl conf sync", "%s (version %d) is not that of the cluster (version %d)", PVEConfPath, p.Version, v.Conf.ConfigVersion())
			case v.haOff(n.Facts) && n.Facts.Holder == nil:
				remedy := "clusterctl start " + n.Name
				if !n.Facts.Units[lrmUnit].Enabled || !n.Facts.Units[crmUnit].Enabled {
					remedy = "systemctl enable --now pve-ha-crm pve-ha-lrm"
				}
				ps.warn(CodeHAOff, n.Name, remedy, "HA does not run there, and does not watch over its guests")
			case !p.Writable && n.Facts.Runtime.Err == nil && n.Facts.Runtime.Quorum.Quorate:
				ps.add(CodePmxcfs, n.Name, "wait some seconds; if it stays so: systemctl restart pve-cluster", "corosync is quorate there, but /etc/pve cannot be written")
			}
		}
		if n.Facts.Runtime != nil && n.Facts.Runtime.Err == nil {
			versions[sn.ConfigVersionRunning] = append(versions[sn.ConfigVersionRunning], n.Name)
		}
		if conf.Totem.Encrypted() && n.Facts.PVE == nil && n.Facts.UID == 0 {
			keys[n.Facts.Key.Hash] = append(keys[n.Facts.Key.Hash], n.Name)
		}
		corosyncs[sn.Version] = append(corosyncs[sn.Version], n.Name)
	}
	if len(versions) > 1 {
		var texts []string
		for _, ver := range slices.Sorted(maps.Keys(versions)) {
			texts = append(texts, fmt.Sprintf("%d on %s", ver, andList(versions[ver])))
		}
		ps.add(CodeVersionDrift, "", "clusterctl conf sync", "different config_versions run: %s", strings.Join(texts, ", "))
	}
	if len(keys) > 1 {
		for _, hash := range slices.Sorted(maps.Keys(keys)) {
			if nodes := keys[hash]; 2*len(nodes) <= len(v.reached()) {
				for _, name := range nodes {
					ps.add(CodeKeyDrift, name, "clusterctl conf sync", "its authkey is not that of the other nodes")
				}
			}
		}
	}
	if gone := owedTo(v); len(gone) > 0 {
		ps.warn(CodeKeyOwed, "", "clusterctl key rotate, once every node is there", "the key is still the one that %s %s, which left", andList(gone), theirs(len(gone), "has", "have"))
	}
	if len(corosyncs) > 1 {
		var texts []string
		for _, ver := range slices.Sorted(maps.Keys(corosyncs)) {
			texts = append(texts, fmt.Sprintf("%s on %s", ver, andList(corosyncs[ver])))
		}
		ps.warn(CodeVersionMix, "", "install the same version everywhere", "corosync versions differ: %s", strings.Join(texts, ", "))
	}
	if q := s.Quorum; q.Nodes > 0 && conf.ExpectedVotes() > 0 && q.ExpectedVotes != max(conf.ExpectedVotes(), q.TotalVotes) { // no fewer than there are
		ps.warn(CodeExpected, "", "the next reload takes the file's number again",
			"expected votes are %d, the file says %d", q.ExpectedVotes, conf.ExpectedVotes())
	}
}

// diagnoseLinks finds links that are down between members of one partition.
// What is down on a link is told by node, the one with most of it first, so
// that a node that is cut off is one problem and not one for each other node.
func diagnoseLinks(ps *Problems, v *View, s *Status) {
	conf := v.config()
	listed := map[string]bool{}
	for _, n := range s.Nodes {
		listed[n.Name] = true
	}
	for _, link := range conf.Links() {
		if faulty := v.faulty(link); len(faulty) > 0 {
			ps.add(CodeLinkDown, "", "check its network and firewall; corosync takes the ring back when it works again, or by: corosync-cfgtool -r",
				"ring %d is out of use, as it was found faulty on %s", link, andList(faulty))
			continue
		}
		down := map[string]map[string]bool{} // by node, whom it does not reach or who does not reach it
		note := func(name, other string) {
			if down[name] == nil {
				down[name] = map[string]bool{}
			}
			down[name][other] = true
		}
		seen := map[string]Peers{}
		for _, n := range s.Nodes {
			for _, l := range n.Links {
				if l.Number == link {
					seen[n.Name] = l.Peers
				}
			}
		}
		for _, n := range s.Nodes {
			for _, other := range seen[n.Name].In(quorum.Disconnected.String()) {
				if listed[other] && s.together(n.Name, other) {
					note(n.Name, other)
					note(other, n.Name)
				}
			}
		}
		for len(down) > 0 {
			names := slices.Sorted(maps.Keys(down))
			worst := slices.MaxFunc(names, func(a, b string) int { return len(down[a]) - len(down[b]) })
			peers := slices.Sorted(maps.Keys(down[worst]))
			side := ""
			if len(peers) == 1 {
				for _, pair := range [][2]string{{worst, peers[0]}, {peers[0], worst}} {
					if seen[pair[0]].State(pair[1]) == quorum.Connected.String() {
						side = ", although " + pair[0] + " sees it connected"
					}
				}
			}
			ps.add(CodeLinkDown, worst, fmt.Sprintf("check network and firewall (UDP port %d)", port(conf, link)),
				"link %d does not connect it with %s%s", link, andList(peers), side)
			for _, p := range peers {
				delete(down[p], worst)
				if len(down[p]) == 0 {
					delete(down, p)
				}
			}
			delete(down, worst)
		}
	}
}

// faulty lists the nodes that corosync 2 marked a ring faulty on. It is marked
// on all when a single node is cut off from it.
func (v *View) faulty(ring int) []string {
	var names []string
	for _, n := range v.Nodes {
		if n.active() && slices.ContainsFunc(n.Facts.Runtime.Links.Links, func(l quorum.Link) bool { return l.Number == ring && l.Faulty }) {
			names = append(names, n.Name)
		}
	}
	return names
}

// together tells whether some partition has both nodes.
func (s *Status) together(a, b string) bool {
	return slices.ContainsFunc(s.Partitions, func(p []string) bool { return slices.Contains(p, a) && slices.Contains(p, b) })
}

// port is the UDP port of a link: unless the file says otherwise it is 5405, and
// with knet one more for each link (totemconfig.c).
func port(c corosyncconf.Config, link int) int {
	for _, i := range c.Interfaces {
		if i.Number == link && i.Port != 0 {
			return i.Port
		}
	}
	if c.Totem.Transport != "knet" {
		return 5405
	}
	return 5405 + link
}
