package cluster

import (
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

// Limits that create and add hold the nodes to.
const (
	maxSkew = 5 * time.Second
	minFree = 4 * 1024 // KiB: room for the configuration, its copies and the journal
)

// KeySize is the size of a new authkey in bytes. corosync 3 takes 128 to 4096
// (KNET_MIN_KEY_LEN, KNET_MAX_KEY_LEN); 256 is what corosync-keygen writes.
const KeySize = 256

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

// PlanCreate plans a new cluster. facts are those of s.Nodes, in that order; key
// is KeySize random bytes. The error, if any, is Problems: all that stands
// against it.
func PlanCreate(s CreateSpec, facts []*Facts, key []byte) (*Plan, error) {
	ps := s.Check()
	for i, f := range facts {
		fit(&ps, f, s.Nodes[i].Name)
		s.free(&ps, f)
	}
	together(&ps, facts)
	nodes := s.place(&ps, facts)
	if err := ps.err(); err != nil {
		return nil, err
	}
	conf, err := s.config(nodes, facts)
	if err != nil {
		return nil, err
	}

	p := &Plan{Cluster: s.Name, Notes: ps, Diff: corosyncconf.UnifiedDiff("/dev/null", ConfPath, nil, conf.Bytes())}
	p.Quorum.After = pointOf(conf.Config())
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
		p.Steps = append(p.Steps, Step{
			ID: "quiet", What: "stop corosync's default configuration on " + andList(running), Class: ClassStop, Nodes: running,
			Do:   []Op{{Kind: OpStop, Unit: "pacemaker"}, {Kind: OpStop, Unit: "corosync"}},
			Undo: []Op{{Kind: OpReset, Unit: "corosync"}, {Kind: OpReset, Unit: "pacemaker"}},
		})
	}
	if s.encrypted() {
		p.Steps = append(p.Steps, Step{
			ID: "key", What: "install a new authkey", Class: ClassPrepare, Nodes: names,
			Do:   []Op{{Kind: OpPut, Path: KeyPath, Blob: p.blob(key), Mode: "0400"}},
			Undo: []Op{{Kind: OpRestore, Path: KeyPath}},
		})
	}
	blob := p.blob(conf.Bytes())
	p.Steps = append(p.Steps,
		Step{
			ID: "stage", What: "write corosync.conf.new and have corosync test it", Class: ClassPrepare, Nodes: names,
			Do:   []Op{{Kind: OpStage, Path: ConfPath, Blob: blob, Mode: "0644"}},
			Undo: []Op{{Kind: OpRestore, Path: ConfPath}},
		},
		Step{
			ID: "swap", What: "put corosync.conf in place", Class: ClassSwitch, Nodes: names,
			Do:   []Op{{Kind: OpSwap, Path: ConfPath, Blob: blob}},
			Undo: []Op{{Kind: OpRestore, Path: ConfPath}},
		})
	if !s.NoEnable {
		p.Steps = append(p.Steps, Step{
			ID: "enable", What: "have corosync started at boot", Class: ClassPrepare, Nodes: names,
			Do:   []Op{{Kind: OpEnable, Unit: "corosync"}},
			Undo: []Op{{Kind: OpReset, Unit: "corosync"}},
		})
	}
	if !s.NoStart {
		p.Steps = append(p.Steps, Step{
			ID: "start", What: "start corosync and see the nodes come together", Class: ClassStart, Nodes: names,
			Do:     []Op{{Kind: OpStart, Unit: "corosync"}},
			Undo:   []Op{{Kind: OpStop, Unit: "corosync"}},
			Verify: &Want{Members: members, Exactly: true, Quorate: true, Links: s.watched(conf.Config()), Deadline: formTime(len(nodes))},
		})
		if len(paced) > 0 {
			p.Steps = append(p.Steps, Step{
				ID: "pacemaker", What: "start pacemaker again on " + andList(paced), Class: ClassStart, Nodes: paced,
				Do:   []Op{{Kind: OpStart, Unit: "pacemaker"}},
				Undo: []Op{{Kind: OpStop, Unit: "pacemaker"}},
			})
		}
	}
	return p, nil
}

// formTime is how long a membership of n nodes may take to form.
func formTime(n int) time.Duration { return 30*time.Second + time.Duration(n)*time.Second }

func (s CreateSpec) encrypted() bool {
	return s.Transport == "knet" && s.CryptoCipher+s.CryptoHash != "nonenone"
}

// watched are the links whose state corosync tells: with knet, all.
func (s CreateSpec) watched(c corosyncconf.Config) []int {
	if s.Transport != "knet" {
		return nil
	}
	return c.Links()
}

// fit checks that a node can be a cluster node at all, and that it is the one
// that name means.
func fit(ps *Problems, f *Facts, name string) {
	if !isHostname(f.Hostname, name) {
		ps.add(CodeHostname, name, fmt.Sprintf("name it %s, or check where %s leads", f.Hostname, name),
			"the machine's own name is %s", f.Hostname)
	}
	if f.UID != 0 {
		ps.add(CodeNotRoot, name, "log in as root (-l root), or give --sudo", "the login is not root")
	}
	if !f.Systemd {
		ps.add(CodeNoSystemd, name, "use a machine that is run by systemd", "the machine is not run by systemd")
	}
	switch v := f.Corosync; {
	case v.Major == 0:
		ps.add(CodeNotInstalled, name, "install it: "+installHint(f.OS, "corosync"), "corosync is not installed")
	case v.Major < 3:
		ps.add(CodeVersion, name, "use corosync 3", "corosync %s is not handled yet", v)
	case v.Major > 3:
		ps.add(CodeVersion, name, "use corosync 3", "corosync %s is not known", v)
	}
	if f.PVE {
		ps.add(CodeLayout, name, "use pvecm on it", "Proxmox VE manages the configuration, which is not handled yet")
	}
	for path, free := range f.FreeKB {
		if free < minFree {
			ps.add(CodeDiskFull, name, "make room", "%s has only %d KiB left", path, free)
		}
	}
	idle(ps, f, name)
}

// idle checks that no other operation is under way on the node.
func idle(ps *Problems, f *Facts, name string) {
	if f.Holder != nil {
		ps.add(CodeHeld, name, "wait until that has ended", "held by %s", f.Holder)
		return
	}
	for _, e := range f.Ops {
		if e.Touched() && e.Ended() == "" {
			ps.add(CodeUnfinished, name, fmt.Sprintf("clusterctl -H %s op resume %s, or: clusterctl -H %s op undo %s", name, e.ID, name, e.ID),
				"operation %s was interrupted and is neither finished nor undone", e.ID)
		}
	}
}

// isHostname tells whether name is hostname or its first label.
func isHostname(hostname, name string) bool {
	label, _, _ := strings.Cut(hostname, ".")
	return strings.EqualFold(name, hostname) || strings.EqualFold(name, label)
}

func installHint(os, pkg string) string {
	switch {
	case strings.Contains(os, "Debian"), strings.Contains(os, "Ubuntu"):
		return "apt-get install " + pkg
	case strings.Contains(os, "SUSE"), strings.Contains(os, "SLES"):
		return "zypper install " + pkg
	case strings.Contains(os, "Red Hat"), strings.Contains(os, "CentOS"), strings.Contains(os, "Rocky"), strings.Contains(os, "Alma"), strings.Contains(os, "Fedora"):
		return "dnf install " + pkg
	}
	return "package " + pkg
}

// free checks that a node is in no cluster yet.
func (s CreateSpec) free(ps *Problems, f *Facts) {
	own := ""
	if f.Conf.Exists && !f.Conf.isDefault() {
		own = f.Conf.clusterName()
		if n := liveWith(f); n > 0 {
			ps.add(CodeLiveMember, f.Node, "take it out of that cluster first",
				"it is running as a member of cluster %s with %s", own, count(n, "other node"))
		} else if !s.Force {
			if own == s.Name {
				ps.add(CodeExists, f.Node, "choose another name; --if-missing accepts a cluster that is as asked; --force sets the old files aside",
					"cluster %s exists already: %s", own, ConfPath)
			} else {
				ps.add(CodeOtherCluster, f.Node, "take it out of that cluster first; --force sets its old files aside",
					"%s is that of another cluster, %s", ConfPath, own)
			}
		} else {
			ps.warn(CodeOtherCluster, f.Node, "", "the configuration of cluster %s is set aside as %s.bak", own, ConfPath)
		}
	} else if f.Conf.Exists {
		ps.warn(CodeOtherCluster, f.Node, "", "the default %s is set aside as %s.bak", ConfPath, ConfPath)
	}
	if f.Key.Exists && s.encrypted() {
		if !s.Force {
			if own == "" {
				ps.add(CodeKeyExists, f.Node, "--force sets it aside", "there is a cluster key already: %s", KeyPath)
			}
		} else {
			ps.warn(CodeKeyExists, f.Node, "", "the old key is set aside as %s.bak", KeyPath)
		}
	}
}

// isDefault tells whether the file can be no cluster's: no node in it has an
// address that another machine could reach. Debian and Ubuntu install such a
// file, and start corosync with it.
func (c ConfFile) isDefault() bool {
	if c.Err != nil || len(bytesTrim(c.Bytes)) == 0 {
		return len(bytesTrim(c.Bytes)) == 0
	}
	conf := c.File.Config()
	for _, n := range conf.Nodes {
		for _, addr := range n.Addrs {
			if a, err := netip.ParseAddr(addr); (err != nil || !a.IsLoopback()) && addr != "localhost" {
				return false
			}
		}
	}
	if len(conf.Nodes) > 0 {
		return true
	}
	for _, i := range c.File.Root().Sections("totem") {
		for _, iface := range i.Sections("interface") {
			if bind, ok := iface.Get("bindnetaddr"); ok && bind != "127.0.0.1" && bind != "127.0.0.0" {
				return false
			}
		}
	}
	return true
}

func bytesTrim(b []byte) string { return strings.TrimSpace(string(b)) }

func (c ConfFile) clusterName() string {
	if c.File != nil {
		if name := c.File.Config().Totem.ClusterName; name != "" {
			return name
		}
	}
	return "(without a name)"
}

// liveWith returns with how many others the node is in a membership now.
func liveWith(f *Facts) int {
	if f.Runtime == nil {
		return 0
	}
	return max(0, len(f.Runtime.Quorum.Members)-1)
}

// together checks what only the nodes side by side show.
func together(ps *Problems, facts []*Facts) {
	machines := map[string]string{}
	var versions []Version
	for _, f := range facts {
		if other, ok := machines[f.Machine]; ok && f.Machine != "" {
			ps.add(CodeSameMachine, f.Node, "give each machine an id of its own: rm /etc/machine-id; systemd-machine-id-setup",
				"it has the same machine id as %s", other)
		}
		machines[f.Machine] = f.Node
		if f.Corosync.Major > 0 && !slices.Contains(versions, f.Corosync) {
			versions = append(versions, f.Corosync)
		}
	}
	slices.SortFunc(versions, Version.Compare)
	if n := len(versions); n > 1 {
		who := func(v Version) string {
			var names []string
			for _, f := range facts {
				if f.Corosync == v {
					names = append(names, f.Node)
				}
			}
			return v.String() + " on " + andList(names)
		}
		texts := make([]string, n)
		for i, v := range versions {
			texts[i] = who(v)
		}
		if versions[0].Major != versions[n-1].Major {
			ps.add(CodeVersionMix, "", "install the same major version everywhere", "corosync versions cannot work together: %s", andList(texts))
		} else {
			ps.warn(CodeVersionMix, "", "install the same version everywhere", "corosync versions differ: %s", andList(texts))
		}
	}
	apart(ps, facts)
}

// apart finds clocks that differ by more than maxSkew beyond what the
// measurement may be off.
func apart(ps *Problems, facts []*Facts) {
	if len(facts) < 2 {
		return
	}
	first, last := facts[0], facts[0]
	for _, f := range facts {
		if f.Skew < first.Skew {
			first = f
		}
		if f.Skew > last.Skew {
			last = f
		}
	}
	if d := last.Skew - first.Skew; d > maxSkew+last.SkewErr+first.SkewErr {
		ps.add(CodeClock, last.Node, "set both clocks by NTP (timedatectl set-ntp true)",
			"its clock is %s ahead of that of %s", d.Round(time.Second), first.Node)
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

// addresses picks the node's address on each link. f is the node's; all is
// everybody's, since a node may resolve its own name to loopback.
func (n NodeSpec) addresses(ps *Problems, networks []LinkSpec, f *Facts, all []*Facts) map[int]string {
	addrs := map[int]string{}
	for _, l := range networks {
		if _, given := n.Links[l.Number]; given {
			continue
		}
		switch found := inNetwork(f, l.Network); len(found) {
		case 1:
			addrs[l.Number] = found[0].String()
		case 0:
			ps.add(CodeAddress, n.Name, fmt.Sprintf("name the right network, or give link%d=ADDR; it has %s", l.Number, usable(f)),
				"it has no address in %s for link %d", l.Network, l.Number)
		default:
			ps.add(CodeAddress, n.Name, fmt.Sprintf("choose one with link%d=ADDR", l.Number),
				"it has several addresses in %s for link %d: %s", l.Network, l.Number, joinAddrs(found))
		}
	}
	for link, text := range n.Links {
		if a, err := netip.ParseAddr(text); err == nil {
			a = a.Unmap()
			switch {
			case a.IsLoopback():
				ps.add(CodeLoopback, n.Name, "use an address that the other nodes reach", "link %d: %s is a loopback address", link, a)
			case !has(f, a):
				ps.add(CodeAddress, n.Name, "use one of "+usable(f), "link %d: the node does not have the address %s", link, a)
			}
			addrs[link] = a.String()
		} else if a, ok := resolved(ps, n.Name, text, link, f, []*Facts{f}); ok {
			addrs[link] = a.String()
		}
	}
	if len(networks) == 0 && len(n.Links) == 0 {
		if a, ok := resolved(ps, n.Name, n.Name, 0, f, all); ok {
			addrs[0] = a.String()
		}
	}
	return addrs
}

// resolved is the one address of the node that host resolves to, as seen from
// the machines that by are of.
func resolved(ps *Problems, node, host string, link int, f *Facts, by []*Facts) (netip.Addr, bool) {
	var own, foreign []netip.Addr
	loopback := ""
	for _, other := range by {
		for _, a := range other.Resolved[host] {
			switch a = a.Unmap(); {
			case a.IsLoopback():
				loopback = fmt.Sprintf("%s on %s", a, other.Node)
			case !has(f, a):
				foreign = append(foreign, a)
			case !slices.Contains(own, a):
				own = append(own, a)
			}
		}
	}
	remedy := fmt.Sprintf("put it into /etc/hosts, or give link%d=ADDR or --link CIDR; it has %s", link, usable(f))
	switch {
	case len(own) == 1:
		return own[0], true
	case len(own) > 1:
		ps.add(CodeResolve, node, fmt.Sprintf("choose one with link%d=ADDR, or --link CIDR", link),
			"%s resolves to several of its addresses: %s", host, joinAddrs(own))
	case len(foreign) > 0:
		ps.add(CodeAddress, node, remedy, "%s resolves to %s, which the node does not have", host, foreign[0])
	case loopback != "":
		ps.add(CodeLoopback, node, remedy, "%s resolves to a loopback address only (%s)", host, loopback)
	default:
		ps.add(CodeResolve, node, remedy, "%s does not resolve", host)
	}
	return netip.Addr{}, false
}

func inNetwork(f *Facts, p netip.Prefix) []netip.Addr {
	var found []netip.Addr
	for _, a := range f.Addrs {
		if p.Contains(a.Addr()) && !a.Addr().IsLoopback() && !slices.Contains(found, a.Addr()) {
			found = append(found, a.Addr())
		}
	}
	return found
}

func has(f *Facts, a netip.Addr) bool {
	return slices.ContainsFunc(f.Addrs, func(p netip.Prefix) bool { return p.Addr() == a })
}

func joinAddrs(as []netip.Addr) string {
	texts := make([]string, len(as))
	for i, a := range as {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

// usable lists the node's addresses that others can reach.
func usable(f *Facts) string {
	var as []netip.Addr
	for _, p := range f.Addrs {
		if !p.Addr().IsLoopback() && !slices.Contains(as, p.Addr()) {
			as = append(as, p.Addr())
		}
	}
	if len(as) == 0 {
		return "no address"
	}
	return joinAddrs(as)
}

// evenLinks checks that all nodes have the same links, of one family each, and
// that no address is used twice.
func evenLinks(ps *Problems, nodes []corosyncconf.Node) {
	have := map[int][]string{}
	users := map[string]string{}
	for _, n := range nodes {
		for _, link := range slices.Sorted(maps.Keys(n.Addrs)) {
			have[link] = append(have[link], n.Name)
			user := fmt.Sprintf("link %d of %s", link, n.Name)
			if other, dup := users[n.Addrs[link]]; dup {
				ps.add(CodeAddress, n.Name, "give each node and link an address of its own",
					"address %s would be used for %s and for %s", n.Addrs[link], other, user)
			}
			users[n.Addrs[link]] = user
		}
	}
	for _, link := range slices.Sorted(maps.Keys(have)) {
		if with := have[link]; len(with) < len(nodes) {
			var without []string
			for _, n := range nodes {
				if !slices.Contains(with, n.Name) {
					without = append(without, n.Name)
				}
			}
			if !ps.mentions(without...) { // their address was refused: that is said already
				ps.add(CodeUnevenLinks, "", "give every node an address on each link",
					"link %d is given for %s but not for %s", link, andList(with), andList(without))
			}
			continue
		}
		var v4, v6 []string
		for _, n := range nodes {
			if a, err := netip.ParseAddr(n.Addrs[link]); err == nil && a.Is4() {
				v4 = append(v4, n.Name)
			} else {
				v6 = append(v6, n.Name)
			}
		}
		if len(v4) > 0 && len(v6) > 0 {
			ps.add(CodeMixedFamily, "", "use one family on a link", "link %d is IPv4 on %s and IPv6 on %s", link, andList(v4), andList(v6))
		}
	}
}

// mentions tells whether there is an error about each of the nodes.
func (ps Problems) mentions(nodes ...string) bool {
	for _, n := range nodes {
		if !slices.ContainsFunc(ps.Errors(), func(p Problem) bool { return p.Node == n }) {
			return false
		}
	}
	return true
}

// config writes the new cluster's corosync.conf.
func (s CreateSpec) config(nodes []corosyncconf.Node, facts []*Facts) (*corosyncconf.File, error) {
	version := uint64(0)
	for _, f := range facts {
		if f.Conf.File != nil {
			version = max(version, f.Conf.File.ConfigVersion())
		}
	}
	f, err := corosyncconf.Parse(ConfPath, []byte("# Written by clusterctl, which keeps comments and formatting when it edits this file.\n"))
	if err != nil {
		return nil, fmt.Errorf("write corosync.conf: %w", err)
	}
	w := confWriter{}
	totem := f.Root().AddSection("totem")
	w.set(totem, "version", "2")
	w.set(totem, "cluster_name", s.Name)
	w.set(totem, "config_version", strconv.FormatUint(version+1, 10))
	w.set(totem, "transport", s.Transport)
	cipher, hash := s.CryptoCipher, s.CryptoHash
	if s.Transport == "knet" {
		w.set(totem, "link_mode", s.LinkMode)
	} else {
		cipher, hash = "none", "none" // knet's alone in corosync 3
	}
	w.set(totem, "crypto_cipher", cipher)
	w.set(totem, "crypto_hash", hash)
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

// pointOf is the quorum of a cluster with every node present.
func pointOf(c corosyncconf.Config) QuorumPoint {
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
	have := first.File.Config()
	var none Problems
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
	if cipher, hash := have.Totem.Crypto(); s.Transport == "knet" && (cipher != s.CryptoCipher || hash != s.CryptoHash) {
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
