package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"clusterctl/corosyncconf"
	"clusterctl/quorum"
)

// Names returns the names that the nodes have to resolve before PlanCreate.
func (s CreateSpec) Names() []string {
	names := map[string]bool{}
	for _, n := range s.Nodes {
		if len(n.Links) == 0 && len(s.Links) == 0 {
			names[n.Name] = true
		}
		for _, addr := range n.Links {
			if _, err := netip.ParseAddr(addr); err != nil {
				names[addr] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func warnOfMulticast(ps *Problems, name string) {
	ps.warn(CodeMulticastName, "", "make sure that no cluster in its networks has that name",
		"with multicast the name %s stands for the address at which the nodes hear each other: another cluster of that name would be heard, too", name)
}

// PlanCreate plans a new cluster. facts are those of s.Nodes, in that order; key
// is a new authkey. The error, if any, is Problems: all that stands
// against it.
func PlanCreate(s CreateSpec, facts []*Facts, key []byte) (*Plan, error) {
	ps := s.Check()
	s, nodes := s.examine(&ps, facts)
	pve := len(facts) > 0 && facts[0].PVE != nil
	if pve {
		s.inPVE(&ps)
	}
	if s.Transport == "udp" {
		warnOfMulticast(&ps, s.Name)
	}
	if err := ps.err(); err != nil {
		return nil, err
	}
	conf, err := s.config(nodes, facts)
	if err != nil {
		return nil, err
	}

	p := &Plan{Cluster: s.Name, Notes: ps, Diff: corosyncconf.UnifiedDiff("/dev/null", ConfPath, nil, conf.Bytes())}
	p.relyOn(facts...)
	p.Quorum.After = WholeQuorum(conf.Config())
	names := make([]string, len(nodes))
	members := make([]Member, len(nodes))
	var running, paced []string
	for i, n := range nodes {
		names[i], members[i] = n.Name, Member{n.Name, n.ID}
		if facts[i].Units["corosync"].Running() {
			running = append(running, n.Name)
		}
		if facts[i].Units["pacemaker"].Running() {
			paced = append(paced, n.Name)
		}
	}
	if len(running) > 0 {
		p.Steps = append(p.Steps, stopDefault(running))
	}
	p.freshCIB(facts)
	stage := Step{ID: "stage", What: "write corosync.conf.new and have corosync test it", Class: ClassPrepare, Undo: []Act{{Nodes: names}}}
	if s.encrypted() {
		stage.What = "install a new authkey, " + stage.What
		stage.Do.Ops = []Op{{Kind: OpPut, Path: KeyPath, Blob: p.blob(key), Mode: "0400"}}
		stage.Undo[0].Ops = []Op{{Kind: OpRestore, Path: KeyPath}}
	}
	blob := p.blob(conf.Bytes())
	stage.Do = Act{Nodes: names, Ops: append(stage.Do.Ops, Op{Kind: OpStage, Path: ConfPath, Blob: blob, Mode: "0644"})}
	stage.Undo[0].Ops = append(stage.Undo[0].Ops, Op{Kind: OpRestore, Path: ConfPath})
	p.Steps = append(p.Steps, stage,
		Step{
			ID: "swap", What: "put corosync.conf in place", Class: ClassSwitch,
			Do:   Act{Nodes: names, Ops: []Op{{Kind: OpSwap, Path: ConfPath, Blob: blob}, rememberIDs(conf, 0)}},
			Undo: []Act{{Nodes: names, Ops: []Op{{Kind: OpRestore, Path: ConfPath}}}},
		})
	if pve { // which starts corosync at boot where there is a configuration
		undo := &p.Steps[len(p.Steps)-1].Undo[0]
		undo.Ops = append([]Op{{Kind: OpStop, Unit: "corosync"}}, undo.Ops...)
	}
	boot := Step{
		ID: "enable", What: "have corosync started at boot", Class: ClassPrepare,
		Do:   Act{Nodes: names, Ops: []Op{{Kind: OpEnable, Unit: "corosync"}}},
		Undo: []Act{{Nodes: names, Ops: []Op{{Kind: OpBoot, Unit: "corosync"}, {Kind: OpStop, Unit: "corosync"}}}}, // a reboot may have started it
	}
	if s.NoStart && !s.NoEnable {
		p.Steps = append(p.Steps, boot)
	}
	if !s.NoStart {
		start := Step{
			ID: "start", What: "start corosync and see the nodes come together", Class: ClassStart,
			Do:   Act{Nodes: names, Ops: []Op{{Kind: OpStart, Unit: "corosync"}}, Want: &Want{Members: members, Exactly: true, Quorate: true, Links: told(conf.Config()), Deadline: formTime(len(nodes))}},
			Undo: []Act{{Nodes: names, Ops: []Op{{Kind: OpStop, Unit: "corosync"}}}},
		}
		if !s.NoEnable { // which takes a while, in which they look for each other
			start.What = "start corosync, also at boot, and see the nodes come together"
			start.Do.Ops, start.Undo = append(start.Do.Ops, boot.Do.Ops...), boot.Undo
		}
		p.Steps = append(p.Steps, start)
		if pve {
			p.Steps = append(p.Steps, joinPmxcfs("pmxcfs", blob, true, names[:1]))
			if len(names) > 1 {
				p.Steps = append(p.Steps, joinPmxcfs("pmxcfs-others", blob, false, names[1:]))
			}
		}
		if len(paced) > 0 {
			p.Steps = append(p.Steps, Step{
				ID: "pacemaker", What: "start pacemaker again on " + andList(paced), Class: ClassStart,
				Do:   Act{Nodes: paced, Ops: []Op{{Kind: OpStart, Unit: "pacemaker"}}},
				Undo: []Act{{Nodes: paced, Ops: []Op{{Kind: OpStop, Unit: "pacemaker"}}}},
			})
		}
	}
	return p, nil
}

// inPVE fits the request to Proxmox VE, which does without two_node.
func (s *CreateSpec) inPVE(ps *Problems) {
	if s.NoStart {
		ps.add(CodeBadOption, "", "leave it out", "--no-start: pmxcfs takes the configuration over only when corosync runs")
	}
	if s.TwoNode != "auto" {
		return
	}
	if s.TwoNode = "no"; len(s.Nodes) == 2 {
		ps.warn(CodeQuorum, "", "add a third node, or a quorum device; --two-node yes lets one go on alone, which Proxmox VE does not support",
			"with two nodes neither is quorate while the other is away")
	}
}

// examine checks whether the nodes can be made a cluster as asked; it returns
// that in full, and the nodes as the nodelist would have them.
func (s CreateSpec) examine(ps *Problems, facts []*Facts) (CreateSpec, []corosyncconf.Node) {
	s = s.on(ps, facts)
	for i, f := range facts {
		fit(ps, f, s.Nodes[i].Name)
		s.free(ps, f)
		usablePmxcfs(ps, f, "take it out of that cluster first")
		if i > 0 {
			guestless(ps, f)
			lostKeys(ps, f, facts[0])
		}
	}
	together(ps, facts)
	sameLayout(ps, facts)
	return s, s.place(ps, facts)
}

// stopDefault is the step that stops what a distribution starts by itself.
func stopDefault(nodes []string) Step {
	return Step{
		ID: "quiet", What: "stop corosync on " + andList(nodes) + ", which runs another configuration", Class: ClassStop,
		Do:   Act{Nodes: nodes, Ops: []Op{{Kind: OpStop, Unit: "pacemaker"}, {Kind: OpStop, Unit: "corosync"}}},
		Undo: []Act{{Nodes: nodes, Ops: []Op{{Kind: OpReset, Unit: "corosync"}, {Kind: OpReset, Unit: "pacemaker"}}}},
	}
}

// formTime is how long a membership of n nodes may take to form.
func formTime(n int) time.Duration { return 30*time.Second + time.Duration(n)*time.Second }

// on settles what depends on the corosync that the nodes have, and refuses what
// it cannot do. Corosync 2 has no knet; its other transports have two rings, and
// can encrypt. In corosync 3 they have one link and cannot.
func (s CreateSpec) on(ps *Problems, facts []*Facts) CreateSpec {
	refuse := func(remedy, format string, args ...any) { ps.add(CodeVersion, "", remedy, format, args...) }
	links := map[int]bool{}
	for _, l := range s.Links {
		links[l.Number] = true
	}
	for _, n := range s.Nodes {
		for l := range n.Links {
			links[l] = true
		}
	}
	if release(facts) != corosyncconf.V24 {
		s.Transport = cmp.Or(s.Transport, "knet")
		if s.RRPMode != "" {
			refuse("with corosync 3 several links are used as --link-mode says", "--rrp-mode is for corosync 2")
		}
		if s.Transport != "knet" {
			s.CryptoCipher, s.CryptoHash = "none", "none"
			for l := range links {
				if l != 0 {
					refuse("use --transport knet for several links", "link %d: corosync 3 has one link, number 0, with transport %s", l, s.Transport)
				}
			}
		}
		return s
	}
	s.Transport = cmp.Or(s.Transport, "udpu")
	if s.Transport == "knet" {
		refuse("leave out --transport, or use udpu or udp", "--transport knet: corosync 2 does not have it")
	}
	if s.LinkMode != "passive" || len(s.Priorities) > 0 {
		refuse("use --rrp-mode", "--link-mode and link priorities are for corosync 3")
	}
	for l := range links {
		if l > 1 {
			refuse("use links 0 and 1", "link %d: corosync 2 has two links, its rings 0 and 1", l)
		}
	}
	switch {
	case len(links) < 2:
		s.RRPMode = cmp.Or(s.RRPMode, "none")
	case s.RRPMode == "none":
		refuse("use --rrp-mode passive", "--rrp-mode none: two rings need passive or active")
	case s.RRPMode == "active":
		ps.warn(CodeVersion, "", "use --rrp-mode passive", "--rrp-mode active is not supported by corosync's authors")
	}
	s.RRPMode = cmp.Or(s.RRPMode, "passive")
	return s
}

func (s CreateSpec) encrypted() bool { return s.CryptoCipher+s.CryptoHash != "nonenone" }

// told are the links whose state corosync tells: with knet all, and the rings of
// corosync 2 if there are two. Of a single one the membership says enough.
func told(c corosyncconf.Config) []int {
	links := c.Links()
	if c.Totem.Transport != "knet" && len(links) < 2 {
		return nil
	}
	return links
}

// free checks that a node is in no cluster yet.
func (s CreateSpec) free(ps *Problems, f *Facts) {
	if own, live := living(f); own != "" && own == s.Name && (live > 0 || !s.Force) {
		ps.add(CodeExists, f.Node, "choose another name; --if-missing accepts a cluster that is as asked; --force sets the files of one that does not run aside",
			"cluster %s exists already: %s", own, ConfPath)
		return
	}
	unused(ps, f, "", s.Force, s.encrypted())
}

// living is the cluster that a node has the configuration of, and with how many
// others it is running as a member of it.
func living(f *Facts) (own string, live int) {
	if !f.Conf.Exists || f.Conf.isDefault() {
		return "", 0
	}
	live = liveWith(f)
	if live == 0 && f.Runtime != nil && f.Runtime.Quorum.Quorate && len(f.Conf.view().Nodes) > 1 {
		live = len(f.Conf.view().Nodes) - 1 // the others are away, and it carries on alone
	}
	return f.Conf.clusterName(), live
}

// unused checks that a node belongs to no other cluster than ours, or, with force,
// says that what it has of one is set aside. keyed: a key that is there matters.
func unused(ps *Problems, f *Facts, ours string, force, keyed bool) {
	own, live := living(f)
	switch {
	case f.Conf.Exists && f.Conf.isDefault():
		ps.warn(CodeOtherCluster, f.Node, "", "the default corosync.conf is set aside as corosync.conf.bak")
	case !f.Conf.Exists:
	case live > 0:
		ps.add(CodeLiveMember, f.Node, "take it out of that cluster first",
			"it is running as a member of cluster %s with %s", own, count(live, "other node"))
	case force:
		ps.warn(CodeOtherCluster, f.Node, "", "the configuration of cluster %s is set aside as %s.bak", own, ConfPath)
	case own == ours:
		ps.add(CodeOtherCluster, f.Node, "--force sets its old files aside", "it has a %s of cluster %s already, whose list it is not on", ConfPath, own)
	default:
		ps.add(CodeOtherCluster, f.Node, "take it out of that cluster first; --force sets its old files aside",
			"%s is that of another cluster, %s", ConfPath, own)
	}
	switch {
	case !f.Key.Exists || !keyed:
	case force:
		ps.warn(CodeKeyExists, f.Node, "", "the old key is set aside as %s.bak", KeyPath)
	case own == "":
		ps.add(CodeKeyExists, f.Node, "--force sets it aside", "there is a cluster key already: %s", KeyPath)
	}
}

// place gives every node its id, votes and addresses.
func (s CreateSpec) place(ps *Problems, facts []*Facts) []corosyncconf.Node {
	taken := map[uint32]bool{}
	for _, n := range s.Nodes {
		taken[n.ID] = true
	}
	next := uint32(0)
	nodes := make([]corosyncconf.Node, len(s.Nodes))
	for i, n := range s.Nodes {
		id := n.ID
		for id == 0 {
			if next++; !taken[next] {
				id = next
			}
		}
		votes := 1
		if n.Votes != nil {
			votes = *n.Votes
		}
		nodes[i] = corosyncconf.Node{Index: i, Name: n.Name, ID: id, Votes: votes, Addrs: n.addresses(ps, s.Links, facts[i], facts)}
	}
	evenLinks(ps, nodes)
	return nodes
}

// config writes the new cluster's corosync.conf.
func (s CreateSpec) config(nodes []corosyncconf.Node, facts []*Facts) (*corosyncconf.File, error) {
	version := uint64(0)
	for _, f := range facts {
		if f.Conf.File != nil {
			version = max(version, f.Conf.File.ConfigVersion())
		}
	}
	head := "# Written by clusterctl, which keeps comments and formatting when it edits this file.\n"
	if len(facts) > 0 && facts[0].PVE != nil { // whose own tools do not
		head = ""
	}
	f, err := corosyncconf.Parse(ConfPath, []byte(head))
	if err != nil {
		return nil, fmt.Errorf("write corosync.conf: %w", err)
	}
	w := confWriter{}
	totem := f.Root().AddSection("totem")
	w.set(totem, "version", "2")
	w.set(totem, "cluster_name", s.Name)
	w.set(totem, "config_version", strconv.FormatUint(version+1, 10))
	w.set(totem, "transport", s.Transport)
	if s.Transport == "knet" {
		w.set(totem, "link_mode", s.LinkMode)
	}
	if s.RRPMode != "" {
		w.set(totem, "rrp_mode", s.RRPMode)
	}
	w.set(totem, "crypto_cipher", s.CryptoCipher)
	w.set(totem, "crypto_hash", s.CryptoHash)
	if s.Token > 0 {
		w.set(totem, "token", strconv.Itoa(s.Token))
	}
	for _, link := range slices.Sorted(maps.Keys(s.Priorities)) {
		iface := totem.AddSection("interface")
		w.set(iface, "linknumber", strconv.Itoa(link))
		w.set(iface, "knet_link_priority", strconv.Itoa(s.Priorities[link]))
	}
	f.Root().AddSection("nodelist")
	for _, n := range nodes {
		if err := f.AddNode(n); err != nil {
			return nil, fmt.Errorf("write corosync.conf: %w", err)
		}
	}
	q := f.Root().AddSection("quorum")
	w.set(q, "provider", "corosync_votequorum")
	if s.TwoNode == "yes" || s.TwoNode == "auto" && len(nodes) == 2 {
		w.set(q, "two_node", "1")
	}
	logging := f.Root().AddSection("logging")
	w.set(logging, "to_syslog", "yes")
	if w.err != nil {
		return nil, fmt.Errorf("write corosync.conf: %w", w.err)
	}
	if f, err = corosyncconf.Parse(ConfPath, f.Bytes()); err != nil {
		return nil, fmt.Errorf("write corosync.conf: %w", err)
	}
	return f, nil
}

// confWriter sets keys until one fails.
type confWriter struct{ err error }

func (w *confWriter) set(s *corosyncconf.Section, key, value string) {
	if w.err == nil {
		w.err = s.Set(key, value)
	}
}

// rememberIDs notes the highest node id of a configuration, so that the id of a
// node that has left is not given to another, and the highest version that may
// be used until version is, so that none stands for two contents: a node that
// was away could come back with the other one.
func rememberIDs(f *corosyncconf.File, version uint64) Op {
	conf := f.Config()
	op := Op{Kind: OpIDs, Name: conf.Totem.ClusterName, Version: max(version, conf.Totem.ConfigVersion)}
	for _, n := range conf.Nodes {
		op.N = max(op.N, n.ID)
	}
	return op
}

// WholeQuorum is the quorum of a cluster with every node present.
func WholeQuorum(c corosyncconf.Config) QuorumPoint {
	votes := 0
	for _, n := range c.Nodes {
		votes += n.Votes
	}
	return QuorumPoint{Votes: votes, Expected: c.ExpectedVotes(),
		Quorum: quorum.Needed(c.ExpectedVotes(), votes, len(c.Nodes), c.Quorum.TwoNode)}
}

// Present tells whether the cluster is there already and as asked. Problems
// tell that it is there but different; neither: it is not there.
func (s CreateSpec) Present(facts []*Facts) (bool, Problems) {
	var ps Problems
	there := 0
	for _, f := range facts {
		if f.Conf.Exists && !f.Conf.isDefault() && f.Conf.clusterName() == s.Name {
			there++
		}
	}
	if there == 0 {
		return false, nil
	}
	differs := func(node, remedy, format string, args ...any) { ps.add(CodeDifferent, node, remedy, format, args...) }
	first := facts[0].Conf
	for _, f := range facts {
		switch {
		case !f.Conf.Exists || f.Conf.isDefault() || f.Conf.clusterName() != s.Name:
			differs(f.Node, "clusterctl add", "it is not in cluster %s, which exists", s.Name)
		case f.Conf.Hash != first.Hash:
			differs(f.Node, "clusterctl status shows what is wrong", "its corosync.conf is not that of %s", facts[0].Node)
		case f.Conf.Err != nil:
			differs(f.Node, "mend the file", "%v", f.Conf.Err)
		case !s.NoStart && (f.Runtime == nil || !f.Runtime.Quorum.Quorate):
			differs(f.Node, "clusterctl status shows what is wrong", "it is not up and quorate")
		}
	}
	if len(ps) > 0 {
		return false, ps
	}
	have := first.File.ConfigIn(release(facts))
	var none Problems
	s = s.on(&none, facts)
	want := s.place(&none, facts)
	for i, n := range s.Nodes {
		j := slices.IndexFunc(have.Nodes, func(h corosyncconf.Node) bool { return h.Name == n.Name })
		if j < 0 {
			differs(n.Name, "clusterctl add "+n.Name, "it is not in the nodelist")
			continue
		}
		h := have.Nodes[j]
		if n.ID != 0 && n.ID != h.ID {
			differs(n.Name, "", "its node id is %d, not %d", h.ID, n.ID)
		}
		if n.Votes != nil && *n.Votes != h.Votes {
			differs(n.Name, "", "it has %s, not %d", count(h.Votes, "vote"), *n.Votes)
		}
		if len(n.Links)+len(s.Links) > 0 && !maps.Equal(want[i].Addrs, h.Addrs) {
			differs(n.Name, "", "its links are %s, not %s", addrList(h.Addrs), addrList(want[i].Addrs))
		}
	}
	for _, h := range have.Nodes {
		if !slices.ContainsFunc(s.Nodes, func(n NodeSpec) bool { return n.Name == h.Name }) {
			differs(h.Label(), "", "it is in the cluster, and was not named")
		}
	}
	if have.Totem.Transport != s.Transport {
		differs("", "", "the transport is %s, not %s", have.Totem.Transport, s.Transport)
	}
	if have.Totem.RRPMode != s.RRPMode {
		differs("", "", "rrp_mode is %q, not %q", have.Totem.RRPMode, s.RRPMode)
	}
	if cipher, hash := have.Totem.Crypto(); cipher != s.CryptoCipher || hash != s.CryptoHash {
		differs("", "", "the encryption is %s/%s, not %s/%s", cipher, hash, s.CryptoCipher, s.CryptoHash)
	}
	if s.Token != 0 && have.Totem.Token != s.Token {
		differs("", "", "the token timeout is %d ms, not %d ms", have.Totem.Token, s.Token)
	}
	return len(ps) == 0, ps
}

func addrList(addrs map[int]string) string {
	var parts []string
	for _, link := range slices.Sorted(maps.Keys(addrs)) {
		parts = append(parts, fmt.Sprintf("link%d=%s", link, addrs[link]))
	}
	return strings.Join(parts, " ")
}
