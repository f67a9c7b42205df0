package corosyncconf

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Codes of what corosync -t refuses in totem and nodelist, or warns of.
const (
	CodeVersion        Code = "version"
	CodeTransport      Code = "transport"
	CodeCryptoHash     Code = "crypto-hash"
	CodeCryptoTransp   Code = "crypto-transport"
	CodeAuthkey        Code = "authkey"
	CodeLinkMode       Code = "link-mode"
	CodeLinkNumber     Code = "link-number"
	CodeKnetTransport  Code = "knet-transport"
	CodeLinkOption     Code = "link-option"
	CodePort           Code = "port"
	CodeMulticast      Code = "multicast"
	CodeManyLinks      Code = "many-links"
	CodeUnevenLinks    Code = "uneven-links"
	CodeMixedFamilies  Code = "mixed-families"
	CodeNoLinks        Code = "no-links"
	CodeNodeName       Code = "node-name"
	CodeNodeID         Code = "nodeid"
	CodeDuplicateID    Code = "duplicate-nodeid"
	CodeUnresolvable   Code = "unresolvable"
	CodeLocalNode      Code = "local-node"
	CodeTimer          Code = "timer"
	CodeStateDir       Code = "state-dir"
	CodeHalfIgnoredKey Code = "ignored"
)

var totemCodes = []CodeInfo{
	{CodeVersion, Bad, "totem.version is not 2"},
	{CodeTransport, Bad, "a transport that corosync does not have"},
	{CodeCryptoHash, Bad, "a crypto_cipher without a crypto_hash"},
	{CodeCryptoTransp, Bad, "encryption with a transport that cannot encrypt"},
	{CodeAuthkey, Bad, "a key that is not there, or too short or too long"},
	{CodeLinkMode, Bad, "a way to use links or rings that corosync does not have"},
	{CodeLinkNumber, Bad, "a link number that is too high"},
	{CodeKnetTransport, Bad, "a knet_transport that corosync does not have"},
	{CodeLinkOption, Bad, "an option of a link that the transport does not take"},
	{CodePort, Bad, "a link without a port, or two on one"},
	{CodeMulticast, Bad, "a link without a multicast address that fits it"},
	{CodeManyLinks, Bad, "more than one link, which the transport or rrp_mode does not take"},
	{CodeUnevenLinks, Bad, "nodes that do not have the same links"},
	{CodeMixedFamilies, Bad, "IPv4 and IPv6 on one link"},
	{CodeNoLinks, Bad, "no address to use"},
	{CodeNodeName, Bad, "a node without a name, which several links make necessary"},
	{CodeNodeID, Bad, "a node id that is missing or too high"},
	{CodeDuplicateID, Bad, "two nodes with one id"},
	{CodeUnresolvable, Bad, "an address that is none, or a name that stands for none"},
	{CodeLocalNode, Bad, "a nodelist that does not have this machine"},
	{CodeTimer, Bad, "a time that is too short, by itself or beside another"},
	{CodeStateDir, Bad, "a state_dir that is not there"},
	{CodeHalfIgnoredKey, Warning, "a key that corosync warns of, since it takes no notice of it"},
}

// Limits of corosync 3 and 2.4 (totem.h), and of knet (libknet.h).
const (
	maxRings     = 2 // 2.4
	minKey       = 128
	maxKey       = 4096
	key24        = 128
	maxKnetID    = 65535
	minTimeout   = 30
	minHold      = 14
	tick         = 10 // ms, 1000 / HZ
	defaultState = "/var/lib/corosync"
)

// totem does what corosync -t does with totem and nodelist: totemconfig.c,
// totem_config_read and totem_config_validate. It goes on where that stops, as
// far as what follows does not depend on what is wrong.
func (c *checker) totem() {
	if c.read.unclosed() {
		return
	}
	t := &totem{checker: c, cmap: c.db(), failed: map[*line]bool{}}
	t.stateDir()
	t.crypto()
	t.ignored()
	if c.target.Release == V24 {
		t.rings()
	} else {
		t.linkMode()
		t.addresses()
	}
	if v, ok := t.number("totem.version"); !ok || v.n != 2 {
		t.test(CodeVersion, v.line, "totem.version is not 2, and there is no other", "write version: 2 in the totem section")
	}
	t.timers()
	t.duplicateIDs()
}

// totem is what totem_config_read makes of the file.
type totem struct {
	*checker
	*cmap
	via       string // the transport
	ipVersion string
	links     [maxLinks]linkState
	broadcast bool
	local     localNode
	failed    map[*line]bool // whose address is reported
}

// localNode is which node of the list the target is.
type localNode struct {
	pos     uint32
	found   bool
	certain bool
	id      uint32
}

// linkState is what is known of one link or ring.
type linkState struct {
	configured bool
	read       bool  // something is said of it, or this node has an address on it
	line       *line // that made it so
	bindnet    address
	mcast      address
	mcastSet   bool
	mcastLine  *line
	port       uint64
	ttl        uint64
	priority   uint64
	members    []member
	// vague links are those of some nodes only, where it is not known which of
	// them the target is.
	vague bool
}

type member struct {
	address
	line *line
}

// test reports what corosync -t refuses.
func (t *totem) test(code Code, l *line, message, remedy string) {
	t.report(code, ByTest, t.line(l), message, remedy)
}

func (t *totem) warn(l *line, message, remedy string) {
	t.reportKey(CodeHalfIgnoredKey, t.line(l), message, remedy)
}

// stateDir checks the directory that corosync changes to (main.c).
func (t *totem) stateDir() {
	s, _ := t.str("system.state_dir")
	here := t.target.Here
	if t.target.Release == V24 {
		s = setting{}
	}
	dir := t.stateDirPath()
	err := "it has no name"
	if dir != "" {
		if here == nil || here.EnterDir == nil {
			return
		}
		why := here.EnterDir(dir)
		if why == nil {
			return
		}
		err = why.Error()
	}
	t.test(CodeStateDir, s.line, fmt.Sprintf("corosync cannot use %q as its state directory: %s", dir, err), "make the directory on every node")
}

func (t *totem) stateDirPath() string {
	if s, ok := t.str("system.state_dir"); ok && t.target.Release > V24 {
		return s.text
	}
	return defaultState
}

// crypto does what totem_get_crypto and totem_config_keyread do.
func (t *totem) crypto() {
	t.via = "knet"
	if t.target.Release == V24 {
		t.via = "udp"
	}
	if s, ok := t.str("totem.transport"); ok {
		switch {
		case s.text == "udpu", s.text == "udp", s.text == "knet" && t.target.Release > V24, s.text == "iba" && t.target.Release == V24:
			t.via = s.text
		case t.target.Release == V31:
			t.test(CodeTransport, s.line, fmt.Sprintf("corosync has no transport %q: there are knet, udpu and udp", s.text), "write knet, unless there is a reason not to")
		}
	}

	cipher, hash := "none", "none"
	if t.target.Release == V24 {
		cipher, hash = "aes256", "sha1"
	}
	var by *line
	if s, ok := t.str("totem.secauth"); ok {
		switch {
		case s.text == "on" && t.target.Release > V24:
			cipher, hash, by = "aes256", "sha256", s.line
		case s.text == "off" && t.target.Release == V24:
			cipher, hash = "none", "none"
		}
	}
	for _, key := range []struct {
		name  string
		value *string
	}{{"crypto_hash", &hash}, {"crypto_cipher", &cipher}} {
		s, ok := t.str("totem." + key.name)
		k, _ := LookupKey("totem", key.name)
		if ok && (slices.Contains(k.Values, s.text) || t.version.before(version{3, 0, 2}) && s.text == "3des") {
			*key.value = s.text
			if s.text != "none" || by == nil {
				by = s.line
			}
		}
	}
	if cipher != "none" && hash == "none" {
		t.test(CodeCryptoHash, by, fmt.Sprintf("crypto_cipher %s needs a crypto_hash other than none", cipher), "write crypto_hash: sha256 in the totem section")
	}
	if cipher == "none" && hash == "none" {
		return
	}
	t.key(by)
	if t.target.Release > V24 && t.via != "knet" {
		t.test(CodeCryptoTransp, by, fmt.Sprintf("transport %s cannot encrypt, and knet can", t.via), "write transport: knet, or take crypto_cipher, crypto_hash and secauth out")
	}
}

// key checks the key that encryption needs, which the line by asks for.
func (t *totem) key(by *line) {
	shortest, longest := minKey, maxKey
	if t.target.Release == V24 {
		shortest, longest = 0, key24
	}
	const remedy = "make a key with corosync-keygen and put it on every node"
	file, l := "/etc/corosync/authkey", by
	if s, ok := t.str("totem.keyfile"); ok {
		file, l = s.text, s.line
	} else if s, ok := t.values["totem.key"]; ok {
		// The NUL byte at its end counts.
		if n := len(s.text) + 1; n < shortest || n > longest {
			t.test(CodeAuthkey, s.line, fmt.Sprintf("totem.key has %d characters, and a key has %d to %d", n-1, max(shortest-1, 0), longest-1), remedy)
		}
		return
	}
	if t.target.Release == V24 {
		shortest = key24
	}
	here := t.target.Here
	if file == "" {
		t.test(CodeAuthkey, l, "totem.keyfile names no file", "name the file of the key, or remove the line: it is /etc/corosync/authkey then")
		return
	}
	if here == nil || here.KeySize == nil {
		return
	}
	if !path.IsAbs(file) {
		file = path.Join("/", t.stateDirPath(), file)
	}
	switch size, err := here.KeySize(file); {
	case err != nil:
		t.test(CodeAuthkey, l, fmt.Sprintf("read the key of the cluster: %v", err), remedy)
	case size < shortest:
		t.test(CodeAuthkey, l, fmt.Sprintf("the key in %s has %d bytes, and needs %d", file, size, shortest), remedy)
	}
}

// linkMode checks how several links are used.
func (t *totem) linkMode() {
	s, ok := t.str("totem.link_mode")
	if ok && !slices.Contains([]string{"passive", "active", "rr"}, s.text) {
		t.test(CodeLinkMode, s.line, fmt.Sprintf("there is no link_mode %q: there are passive, active and rr", s.text), "write passive, or remove the line")
	}
}

// ignored reports what corosync -t warns of.
func (t *totem) ignored() {
	_, ring0 := t.str("nodelist.node.0.ring0_addr")
	if s, ok := t.number("totem.nodeid"); ok && !t.version.before(version{3, 1, 5}) {
		t.warn(s.line, "corosync takes no notice of totem.nodeid: the nodelist has the ids", "remove the line")
	}
	if s, ok := t.str("totem.interface.0.bindnetaddr"); ok && ring0 {
		t.warn(s.line, "corosync takes no notice of bindnetaddr where there is a nodelist", "remove the line")
	}
	for p := range t.under("totem.interface.") {
		if strings.HasSuffix(p, ".member.0") {
			s, _ := t.str(p)
			if ring0 {
				t.warn(s.line, "corosync takes no notice of member sections where there is a nodelist", "remove the member sections")
			} else {
				t.warn(s.line, "member sections are deprecated", "write a nodelist instead")
			}
		}
	}
}

// addresses does what totem_config_read does with interface sections and nodes,
// and what totem_config_validate asks of them.
func (t *totem) addresses() {
	t.ipVersion = "ipv6-4"
	if t.via == "udp" {
		t.ipVersion = "ipv4"
	}
	if s, ok := t.str("totem.ip_version"); ok && slices.Contains([]string{"ipv4", "ipv6", "ipv6-4", "ipv4-6"}, s.text) {
		t.ipVersion = s.text
	}
	bind0, bound := t.str("totem.interface.0.bindnetaddr")
	_, ring0 := t.str("nodelist.node.0.ring0_addr")
	_, name0 := t.str("nodelist.node.0.name")

	t.local.pos, t.local.found, t.local.certain = t.findLocal()
	converted := !bound || ring0
	switch {
	case !converted && !name0:
		t.local = localNode{certain: true}
		t.test(CodeLocalNode, bind0.line, "bindnetaddr, and a nodelist whose first node has neither a name nor a ring0_addr: corosync does not look for this machine in it",
			"remove bindnetaddr, and give every node a name and a ring0_addr")
	case t.local.found || !t.local.certain:
	case t.anyNode():
		t.test(CodeLocalNode, nil, fmt.Sprintf("no node of the nodelist is this machine, %s: none has its name or an address of it", t.hostname()),
			"give the node the name that uname -n prints, or its ring0_addr an address of the machine")
	default:
		t.test(CodeLocalNode, nil, "there is no node with a name or a ring0_addr, so corosync cannot know which one it is", "write a nodelist with all nodes")
	}
	common := t.commonLinks()
	if converted {
		t.bindLocal(common)
	}

	seen := map[uint32]bool{}
	for p := range t.under("totem.interface.") {
		text, key, _ := strings.Cut(strings.TrimPrefix(p, "totem.interface."), ".")
		if text == "" || key == "" || t.via == "udp" && key != "bindnetaddr" {
			continue
		}
		link := atoi(text)
		if seen[link] {
			continue
		}
		seen[link] = true
		if link >= maxLinks {
			t.test(CodeLinkNumber, t.values[p].line, fmt.Sprintf("there is no link %s: links are numbered 0 to %d", text, maxLinks-1), "use another linknumber")
			continue
		}
		t.readLink(int(link), t.values[p].line)
	}
	if t.broadcast {
		t.links[0].mcast, t.links[0].mcastSet = address{ip: netip.MustParseAddr("255.255.255.255")}, true
	}

	if name0 || ring0 {
		t.localID()
		t.nodes()
		if !t.version.before(version{3, 1, 0}) {
			t.localDefaults(common)
		}
	}
	t.checkLinks()
}

func (t *totem) anyNode() bool {
	for p := range t.under("nodelist.node.") {
		if _, key, ok := nodeKey(p); ok && (key == "name" || key == "ring0_addr") {
			return true
		}
	}
	return false
}

func (t *totem) hostname() string {
	if t.target.Here == nil {
		return "or another one"
	}
	return t.target.Here.Hostname
}

// atoi reads the number that s begins with, as C does; without one it is 0.
func atoi(s string) uint32 {
	n, _, _ := scanUint(s)
	return n
}

// commonLinks returns the links on which the target has an address for
// certain: those of its node or, if it is not known which, those of all nodes.
func (t *totem) commonLinks() map[uint32]setting {
	of := map[uint32]map[uint32]setting{}
	for p := range t.under("nodelist.node.") {
		pos, key, ok := nodeKey(p)
		if !ok {
			continue
		}
		if of[pos] == nil {
			of[pos] = map[uint32]setting{}
		}
		s, isText := t.str(p)
		if link, ok := ringKey(key); ok && isText {
			of[pos][link] = s
		}
	}
	switch {
	case t.local.found:
		return of[t.local.pos]
	case t.local.certain:
		return nil
	}
	var common map[uint32]setting
	for _, links := range of {
		if common == nil {
			common = maps.Clone(links)
		}
		maps.DeleteFunc(common, func(link uint32, _ setting) bool { _, ok := links[link]; return !ok })
	}
	for link, s := range common {
		s.vague = true
		common[link] = s
	}
	return common
}

// bindLocal does what config_convert_nodelist_to_interface does.
func (t *totem) bindLocal(local map[uint32]setting) {
	for link, s := range local {
		t.set(fmt.Sprintf("totem.interface.%d.bindnetaddr", link), s)
	}
}

// readLink does what get_interface_params does for one link, which the line
// brings up.
func (t *totem) readLink(n int, l *line) {
	link := &t.links[n]
	prefix := fmt.Sprintf("totem.interface.%d.", n)
	link.configured, link.read, link.line = true, true, l
	if s, ok := t.str(prefix + "bindnetaddr"); ok {
		link.bindnet = t.address(s)
	}
	if s, ok := t.str(prefix + "mcastaddr"); ok {
		link.mcast, link.mcastSet, link.mcastLine = t.address(s), true, s.line
	} else if _, named := t.str("totem.cluster_name"); named && t.via == "udp" {
		link.mcast, link.mcastSet = generated(t.links[0]), true
	}
	if s, ok := t.str(prefix + "broadcast"); ok && s.text == "yes" {
		t.broadcast = true
	}
	link.port = t.orElse(prefix+"mcastport", 5405)
	link.ttl = t.orElse(prefix+"ttl", 1)
	link.priority = t.orElse(prefix+"knet_link_priority", 1)
	if s, ok := t.str(prefix + "knet_transport"); ok && s.text != "udp" && s.text != "sctp" {
		t.test(CodeKnetTransport, s.line, fmt.Sprintf("there is no knet_transport %q", s.text), "write udp, or remove the line")
	}
	for p := range t.under(prefix + "member.") {
		if _, ring0 := t.str("nodelist.node.0.ring0_addr"); ring0 {
			break
		}
		if s, ok := t.str(p); ok {
			link.members = append(link.members, member{t.address(s), s.line})
		}
	}
}

func (t *totem) orElse(key string, unset uint64) uint64 {
	if s, ok := t.number(key); ok {
		return s.n
	}
	return unset
}

// generated returns a multicast address as corosync makes it for rings like r.
func generated(r linkState) address {
	switch {
	case r.configured && r.bindnet.ok() && r.bindnet.family() == 0:
		return address{}
	case r.bindnet.family() == 6:
		return address{ip: netip.MustParseAddr("ff15::1")}
	}
	return address{ip: netip.MustParseAddr("239.192.0.1")}
}

// address resolves what a setting says, and reports it if that fails.
func (t *totem) address(s setting) address {
	if s.vague {
		return address{}
	}
	a := t.resolve(s.text, t.ipVersion)
	if a.failed && !t.failed[s.line] {
		t.failed[s.line] = true
		why := "it is no address, and this machine knows no such name"
		if ip, ok := parseAddr(s.text); ok {
			why = fmt.Sprintf("ip_version %s does not take it", t.ipVersion)
			if ip.Is4() {
				why = "it is of IPv4, and " + why
			} else {
				why = "it is of IPv6, and " + why
			}
		} else if s.text == "" {
			why = "it is empty"
		}
		t.test(CodeUnresolvable, s.line, fmt.Sprintf("%q is no address to use: %s", s.text, why), "write an IP address, or a name that every node has in its /etc/hosts")
	}
	return a
}

// generateID returns the id that a node gets from an IPv4 address. It is not ok
// if there is none, and 0 if it is not known.
func (t *totem) generateID(addr string) (id uint32, ok bool) {
	a := t.resolve(addr, "ipv4")
	if a.failed {
		return 0, false
	}
	if a.ip.IsValid() {
		id = binary.BigEndian.Uint32(a.ip.AsSlice())
	}
	if s, ok := t.str("totem.clear_node_high_bit"); ok && s.text == "yes" {
		id &= 1<<31 - 1
	}
	return id, id != 1<<32-1
}

// localID does what totem_config_read does with the node that it is.
func (t *totem) localID() {
	if !t.local.found {
		return
	}
	prefix := fmt.Sprintf("nodelist.node.%d.", t.local.pos)
	id, _ := t.number(prefix + "nodeid")
	t.local.id = uint32(id.n)
	if t.local.id != 0 || t.via != "knet" {
		if s, ok := t.str(prefix + "ring0_addr"); ok && t.local.id == 0 {
			t.local.id, _ = t.generateID(s.text) // what fails is reported with the nodes
		} else if t.local.id == 0 {
			t.test(CodeNodeID, t.nodeLine(t.local.pos), "the node of this machine has neither a nodeid nor a ring0_addr to make one from", "give the node a nodeid")
		}
		return
	}
	if _, _, hasRing := t.firstRing(t.local.pos); !hasRing || t.version.before(version{3, 1, 5}) {
		t.missingID(t.local.pos)
	}
}

func (t *totem) missingID(pos uint32) {
	t.test(CodeNodeID, t.nodeLine(pos), "a node without a nodeid, which knet needs", "give the node a nodeid from 1 to 65535 that no other node has or had")
}

// nodeLine returns a line of the node.
func (t *totem) nodeLine(pos uint32) *line {
	var first *line
	for p := range t.under(fmt.Sprintf("nodelist.node.%d.", pos)) {
		if l := t.values[p].line; l != nil && (first == nil || l.num < first.num) {
			first = l
		}
	}
	return first
}

func (t *totem) firstRing(pos uint32) (link uint32, s setting, ok bool) {
	for p := range t.under(fmt.Sprintf("nodelist.node.%d.", pos)) {
		_, key, _ := nodeKey(p)
		if link, ok := ringKey(key); ok {
			if s, ok := t.str(p); ok {
				return link, s, true
			}
		}
	}
	return 0, setting{}, false
}

// positions returns the places of nodes in the order in which corosync goes
// over them, which is 0, 1, 10, 2.
func (t *totem) positions() []uint32 {
	var all []uint32
	for p := range t.under("nodelist.node.") {
		if pos, _, ok := nodeKey(p); ok && (len(all) == 0 || all[len(all)-1] != pos) {
			all = append(all, pos)
		}
	}
	return all
}

// nodes does what put_nodelist_members_to_config does.
func (t *totem) nodes() {
	for n := range t.links {
		t.links[n].members = nil
	}
	made := map[string]setting{}
	for _, pos := range t.positions() {
		prefix := fmt.Sprintf("nodelist.node.%d.", pos)
		idSetting, hasID := t.number(prefix + "nodeid")
		id := uint32(idSetting.n)
		asked := false
		for p := range t.under(prefix) {
			_, key, _ := nodeKey(p)
			link, isRing := ringKey(key)
			s, isText := t.str(p)
			if !isRing {
				continue
			}
			if link >= maxLinks {
				if !t.version.before(version{3, 1, 0}) {
					t.test(CodeLinkNumber, t.values[p].line, fmt.Sprintf("there is no link %d: links are numbered 0 to %d", int32(link), maxLinks-1), "use another link")
				}
				continue
			}
			if !isText {
				continue
			}
			if !asked {
				asked = true
				switch {
				case t.via != "knet" && id == 0:
					id = t.makeID(prefix, made)
				case t.via == "knet" && t.version.before(version{3, 1, 5}):
				case t.via == "knet" && id == 0:
					t.missingID(pos)
				case t.via == "knet" && id > maxKnetID && hasID:
					t.test(CodeNodeID, idSetting.line, fmt.Sprintf("nodeid %d is over %d, the highest that knet takes", id, maxKnetID), "use a lower nodeid that no other node has or had")
				}
			}
			l := &t.links[link]
			l.members = append(l.members, member{t.address(s), s.line})
			if _, stored := made[prefix+"nodeid"]; stored && t.alone(p, prefix) {
				// The id is stored while corosync goes over the keys, and with no
				// other key there libqb's trie comes to this one again.
				l.members = append(l.members, l.members[len(l.members)-1])
			}
			if !l.configured {
				l.configured, l.line = true, s.line
			}
		}
	}
	if !t.version.before(version{3, 1, 0}) {
		for key, s := range made {
			t.set(key, s)
		}
	}
}

// alone reports whether path is the only key that begins with the prefix.
func (t *totem) alone(path, prefix string) bool {
	for p := range t.under(prefix) {
		if p != path {
			return false
		}
	}
	return !t.version.before(version{3, 1, 0})
}

// makeID makes the id of a node that has none from its ring0_addr.
func (t *totem) makeID(prefix string, made map[string]setting) uint32 {
	s, ok := t.str(prefix + "ring0_addr")
	if !ok {
		return 0
	}
	id, ok := t.generateID(s.text)
	switch {
	case !ok && !t.failed[s.line]:
		t.test(CodeNodeID, s.line, fmt.Sprintf("%q is not of IPv4, and no nodeid can be made from it", s.text), "give the node a nodeid")
	case id != 0:
		made[prefix+"nodeid"] = setting{text: strconv.FormatUint(uint64(id), 10), number: true, n: uint64(id), line: s.line}
	}
	return id
}

// localDefaults does what configure_link_params does: a link on which the node
// has an address gets a priority and a port, whatever is said of them.
func (t *totem) localDefaults(local map[uint32]setting) {
	for n := range t.links {
		link := &t.links[n]
		if _, ok := local[uint32(n)]; ok {
			if link.priority == 0 {
				link.priority = 1
			}
			if link.port == 0 {
				link.port = 5405
			}
		} else if !t.local.certain && !t.local.found {
			link.vague = true
		}
	}
}

// checkLinks does what totem_config_validate and totem_volatile_config_validate
// do with links.
func (t *totem) checkLinks() {
	var inUse []int
	for n, link := range t.links {
		if link.configured {
			inUse = append(inUse, n)
		}
	}
	if len(inUse) == 0 {
		if t.local.found || !t.local.certain {
			t.test(CodeNoLinks, nil, "no node has an address", "give every node a ring0_addr")
		}
		return
	}
	for _, n := range inUse {
		t.checkLink(n)
	}
	if t.via != "knet" && len(inUse) > 1 {
		t.test(CodeManyLinks, t.links[inUse[1]].line, fmt.Sprintf("%d links, and transport %s has one: only knet has several", len(inUse), t.via),
			"write transport: knet, or take all but ring0_addr and interface 0 out")
	}
	if len(inUse) < 2 {
		return
	}
	first := len(t.links[inUse[0]].members)
	for i := range first {
		if _, ok := t.str(fmt.Sprintf("nodelist.node.%d.name", i)); !ok {
			t.test(CodeNodeName, t.nodeLine(uint32(i)), fmt.Sprintf("node %d of the list has no name, which each needs where there are several links", i+1),
				"give the node the name that uname -n prints on it")
		}
	}
	for _, n := range inUse[1:] {
		if count := len(t.links[n].members); count != first {
			t.test(CodeUnevenLinks, t.links[n].line, fmt.Sprintf("link %d has addresses of %d nodes, and link %d of %d: all nodes must have the same links", n, count, inUse[0], first),
				fmt.Sprintf("give every node a ring%d_addr, or take the link out everywhere", n))
		}
	}
}

// checkLink checks link n by itself.
func (t *totem) checkLink(n int) {
	link := t.links[n]
	var first member
	for _, m := range link.members {
		switch {
		case first.family() == 0:
			first = m
		case m.family() != 0 && m.family() != first.family():
			t.test(CodeMixedFamilies, m.line, fmt.Sprintf("link %d has addresses of IPv4 and IPv6: %s and %s", n, first.ip, m.ip), "use addresses of one family on a link")
		}
	}
	if link.vague {
		return
	}
	if !link.read {
		if t.local.found {
			t.test(CodeUnevenLinks, link.line, fmt.Sprintf("link %d has addresses of other nodes, and none of this one, %s", n, t.hostname()),
				fmt.Sprintf("give every node a ring%d_addr, or take the link out everywhere", n))
		}
		return
	}
	if t.via == "udp" && !link.mcastSet {
		t.test(CodeMulticast, link.line, fmt.Sprintf("link %d has no multicast address, and without a cluster_name none can be made", n), "write a cluster_name in the totem section")
	}
	if link.port == 0 {
		t.test(CodePort, link.line, fmt.Sprintf("link %d has no port", n), "remove mcastport, or give this node an address on the link")
	}
	if t.via != "udp" && link.ttl != 1 {
		t.test(CodeLinkOption, t.option1(n, "ttl", link), fmt.Sprintf("link %d has a ttl, which is for transport udp only", n), "remove ttl")
	}
	if t.via != "knet" && link.priority != 1 {
		t.test(CodeLinkOption, t.option1(n, "knet_link_priority", link), fmt.Sprintf("link %d has a knet_link_priority, which is for transport knet only", n), "remove knet_link_priority")
	}
	if link.mcast.family() == 6 && t.local.id == 0 && t.local.found {
		t.test(CodeNodeID, link.line, fmt.Sprintf("link %d is of IPv6, and this node has no nodeid", n), "give every node a nodeid")
	}
	if t.via == "udp" && !t.broadcast && link.mcastSet && link.mcast.ok() && link.bindnet.ok() {
		t.checkMulticast(n, link)
	}
}

func (t *totem) option1(n int, key string, link linkState) *line {
	if s, ok := t.values[fmt.Sprintf("totem.interface.%d.%s", n, key)]; ok {
		return s.line
	}
	return link.line
}

func (t *totem) checkMulticast(n int, link linkState) {
	m, b := link.mcast.family(), link.bindnet.family()
	_, bound := t.str(fmt.Sprintf("totem.interface.%d.bindnetaddr", n))
	if m != 0 && (b != 0 || !bound) && m != b {
		t.test(CodeMulticast, orLine(link.mcastLine, link.line), fmt.Sprintf("link %d: the multicast address is not of the family of the node's address", n), "write a mcastaddr of the same family, or none")
	}
	if m == 4 && link.mcast.ip.As4()[0]>>4 != 0xE {
		t.test(CodeMulticast, orLine(link.mcastLine, link.line), fmt.Sprintf("link %d: %s is no multicast address", n, link.mcast.ip), "write a mcastaddr from 239.0.0.0/8, or none")
	}
}

func orLine(l, other *line) *line {
	if l != nil {
		return l
	}
	return other
}

// timers does what totem_volatile_config_read and _validate do with times.
func (t *totem) timers() {
	const noZero = 0 // stands for the default
	get := func(key string, unset uint32) uint32 {
		if s, ok := t.number("totem." + key); ok && s.n != noZero {
			return uint32(s.n)
		}
		return unset
	}
	token := get("token", 3000)
	if t.target.Release < V31 {
		token = get("token", 1000)
	}
	if n := uint32(len(t.links[0].members)); n > 2 {
		coefficient := uint32(650)
		if s, ok := t.number("totem.token_coefficient"); ok {
			coefficient = uint32(s.n)
		}
		token += (n - 2) * coefficient
	}
	retransmits := get("token_retransmits_before_loss_const", 4)
	retransmit := get("token_retransmit", cInt(float64(token)/(float64(retransmits)+0.2)))
	hold := get("hold", cInt(float64(retransmit)*0.8-tick))
	join := get("join", 50)
	consensus := get("consensus", cInt(float64(float32(1.2*float64(token)))))

	least := func(key string, value uint32, least uint32, unit, because string) bool {
		if value >= least {
			return true
		}
		s := t.values["totem."+key]
		l, remedy := s.line, fmt.Sprintf("write %d or more, or remove the line: the default is right for nearly all", least)
		if !s.number {
			for _, other := range []string{"token", "token_retransmits_before_loss_const", "token_coefficient"} {
				l = orLine(l, t.values["totem."+other].line)
			}
			remedy = "raise totem.token, or remove what it is made from: the defaults are right for nearly all"
		}
		t.test(CodeTimer, l, fmt.Sprintf("totem.%s is %d%s%s, and must be %d or more", key, value, unit, because, least), remedy)
		return false
	}
	least("max_network_delay", get("max_network_delay", 50), minTimeout, " ms", "")
	if least("token", token, minTimeout, " ms", "") {
		because := ""
		if _, ok := t.number("totem.token_retransmit"); !ok {
			because = fmt.Sprintf(", made from a token of %d ms and %d retransmits", token, retransmits)
		}
		if least("token_retransmit", retransmit, minTimeout, " ms", because) {
			minHold := uint32(minHold)
			if t.target.Release == V24 {
				minHold = minTimeout
			}
			least("hold", hold, minHold, " ms", "")
		}
	}
	if s, ok := t.number("totem.token_warning"); ok && s.n > 100 && t.target.Release > V24 {
		t.test(CodeTimer, s.line, fmt.Sprintf("totem.token_warning is %d%%, and goes from 0 to 100", s.n), "write a percentage, or remove the line: it is 75 then")
	}
	joinOK := least("join", join, minTimeout, " ms", "")
	if least("consensus", consensus, minTimeout, " ms", "") && joinOK && consensus < join {
		t.test(CodeTimer, orLine(t.values["totem.consensus"].line, t.values["totem.join"].line), fmt.Sprintf("totem.consensus is %d ms, and must not be less than totem.join, which is %d ms", consensus, join),
			"remove both lines: the defaults are right for nearly all")
	}
	least("merge", get("merge", 200), minTimeout, " ms", "")
	least("downcheck", get("downcheck", 1000), minTimeout, " ms", "")
	if t.target.Release == V24 {
		threshold := get("rrp_problem_count_threshold", 10)
		least("rrp_problem_count_timeout", get("rrp_problem_count_timeout", 2000), minTimeout, " ms", "")
		least("rrp_problem_count_threshold", threshold, 2, "", "")
		least("rrp_problem_count_mcast_threshold", get("rrp_problem_count_mcast_threshold", threshold*10), 2, "", "")
		least("rrp_token_expired_timeout", get("rrp_token_expired_timeout", retransmit), minTimeout, " ms", "")
	}
}

// cInt is what becomes of f when C makes it an int and then an unsigned one;
// of one that is too large, x86 makes the smallest int.
func cInt(f float64) uint32 {
	if f >= 1<<31 || f < -1<<31 {
		return 1 << 31
	}
	return uint32(int32(f))
}

// duplicateIDs reports ids that two nodes have. corosync 3 goes over the nodes
// in the order of its database, 0, 1, 10, 2, and stops looking at the first
// that does not come before; so it misses some where there are over ten
// (check_for_duplicate_nodeids).
func (t *totem) duplicateIDs() {
	type node struct {
		pos      uint32
		id       uint32
		known    bool // that it has an id
		compared bool // to those after it
		line     *line
	}
	var all []node
	for _, pos := range t.positions() {
		prefix := fmt.Sprintf("nodelist.node.%d.", pos)
		n := node{pos: pos}
		ring0, hasRing0 := t.str(prefix + "ring0_addr")
		if s, ok := t.number(prefix + "nodeid"); ok {
			n.id, n.known, n.line = uint32(s.n), true, s.line
		} else if hasRing0 {
			id, ok := t.generateID(ring0.text)
			n.id, n.known, n.line = id, ok && id != 0, ring0.line
		}
		_, n.compared = t.values[prefix+"nodeid"]
		if t.target.Release == V24 {
			n.compared = hasRing0
			n.known = n.known && hasRing0
		}
		all = append(all, n)
	}
	refused := map[uint32]bool{}        // ids
	compared := map[uint32]int{}        // where in all an id is first compared to others
	highest := make([]uint32, len(all)) // of the positions up to here
	for i, n := range all {
		highest[i] = max(n.pos, highest[max(i-1, 0)])
		if _, had := compared[n.id]; !had && n.known && n.compared {
			compared[n.id] = i
		}
	}
	for _, n := range all {
		seen, _ := slices.BinarySearch(highest, n.pos) // corosync stops there
		if i, ok := compared[n.id]; ok && n.known && i < seen {
			refused[n.id] = true
		}
	}
	slices.SortFunc(all, func(a, b node) int { return int(int64(a.pos) - int64(b.pos)) })
	first := map[uint32]node{}
	for _, n := range all {
		if !n.known {
			continue
		}
		before, twice := first[n.id]
		if !twice {
			first[n.id] = n
			continue
		}
		by := Accepted
		if refused[n.id] {
			by = ByTest
		}
		t.report(CodeDuplicateID, by, t.line(n.line), fmt.Sprintf("nodes %d and %d of the list have the nodeid %d", before.pos+1, n.pos+1, n.id),
			"give each node a nodeid of its own")
	}
}

// rings does what corosync 2.4 does with interface sections and nodes.
func (t *totem) rings() {
	t.ipVersion = "ipv4"
	if s, ok := t.str("totem.ip_version"); ok && s.text == "ipv6" {
		t.ipVersion = s.text
	}
	_, bound := t.str("totem.interface.0.bindnetaddr")
	_, ring0 := t.str("nodelist.node.0.ring0_addr")
	if !bound || ring0 {
		t.local = t.localRing()
		t.bindLocal(t.commonLinks())
	}
	count := 0
	for p := range t.under("totem.interface.") {
		text, key, _ := strings.Cut(strings.TrimPrefix(p, "totem.interface."), ".")
		if text == "" || key != "bindnetaddr" {
			continue
		}
		ring := atoi(text)
		if ring >= maxRings {
			t.test(CodeLinkNumber, t.values[p].line, fmt.Sprintf("there is no ring %s: corosync 2 has rings 0 and 1", text), "use ringnumber 0 or 1")
			continue
		}
		count++
		t.readRing(int(ring), t.values[p].line)
	}
	if t.broadcast {
		for i := range count {
			t.links[i].mcast, t.links[i].mcastSet = address{ip: netip.MustParseAddr("255.255.255.255")}, true
		}
	}
	if s, ok := t.number("totem.nodeid"); ok {
		t.local.id = uint32(s.n)
	}
	if ring0 {
		t.nodes24()
	}
	t.checkRings(count)
}

// localRing finds the node of which the target has the ring0_addr.
func (t *totem) localRing() (local localNode) {
	here := t.target.Here
	if here == nil || here.Addrs == nil {
		return localNode{certain: !t.anyNode()}
	}
	for _, pos := range t.positions() {
		s, ok := t.str(fmt.Sprintf("nodelist.node.%d.ring0_addr", pos))
		if !ok {
			continue
		}
		a := t.resolve(s.text, t.ipVersion)
		if a.ok() && slices.Contains(here.Addrs, a.ip) {
			return localNode{pos: pos, found: true, certain: true}
		}
	}
	return localNode{certain: true}
}

// readRing reads what is said of one ring. Addresses that 2.4 cannot resolve
// it takes for none.
func (t *totem) readRing(n int, l *line) {
	prefix := fmt.Sprintf("totem.interface.%d.", n)
	ring := &t.links[n]
	ring.configured, ring.line = true, l
	if s, ok := t.str(prefix + "bindnetaddr"); ok && !s.vague {
		ring.bindnet = t.resolve(s.text, t.ipVersion)
	}
	if s, ok := t.str(prefix + "mcastaddr"); ok {
		ring.mcast, ring.mcastLine = t.resolve(s.text, t.ipVersion), s.line
		ring.mcastSet = ring.mcast.ok()
	} else if _, named := t.str("totem.cluster_name"); named {
		ring.mcastSet, ring.mcast = true, address{ip: netip.MustParseAddr("239.192.0.1")}
		if t.ipVersion == "ipv6" {
			ring.mcast = address{ip: netip.MustParseAddr("ff15::1")}
		}
	}
	if s, ok := t.str(prefix + "broadcast"); ok && s.text == "yes" {
		t.broadcast = true
	}
	ring.port = t.orElse(prefix+"mcastport", 5405)
	if _, ok := t.number(prefix + "mcastport"); !ok && t.broadcast {
		ring.port += 2 * uint64(n)
	}
	ring.ttl = t.orElse(prefix+"ttl", 1)
	if _, ring0 := t.str("nodelist.node.0.ring0_addr"); !ring0 {
		for p := range t.under(prefix + "member.") {
			ring.members = append(ring.members, member{line: t.values[p].line})
		}
	}
}

func (t *totem) nodes24() {
	if t.local.found {
		if s, ok := t.number(fmt.Sprintf("nodelist.node.%d.nodeid", t.local.pos)); ok {
			t.local.id = uint32(s.n)
		}
	}
	for n := range t.links {
		t.links[n].members = nil
	}
	for _, pos := range t.positions() {
		if s, ok := t.str(fmt.Sprintf("nodelist.node.%d.ring0_addr", pos)); ok {
			if a := t.resolve(s.text, t.ipVersion); a.ok() {
				t.links[0].members = append(t.links[0].members, member{a, s.line})
			}
		}
	}
}

func (t *totem) checkRings(count int) {
	if s, ok := t.str("totem.rrp_mode"); ok && !slices.Contains([]string{"none", "active", "passive"}, s.text) {
		t.test(CodeLinkMode, s.line, fmt.Sprintf("there is no rrp_mode %q: there are none, passive and active", s.text), "write passive where there are two rings, else remove the line")
	} else if count > 1 && (!ok || s.text == "none") {
		t.test(CodeManyLinks, orLine(s.line, t.links[1].line), "two rings, and rrp_mode is none", "write rrp_mode: passive in the totem section")
	}
	if count == 0 {
		if t.local.certain {
			t.test(CodeNoLinks, nil, "there is neither an interface with a bindnetaddr nor a node with an address of this machine", "write a bindnetaddr, or a nodelist with all nodes")
		}
		return
	}
	for n, ring := range t.links[:count] {
		if !ring.configured {
			continue
		}
		if t.via == "udp" && !ring.mcastSet {
			t.test(CodeMulticast, ring.line, fmt.Sprintf("ring %d has no multicast address, and without a cluster_name none can be made", n), "write a mcastaddr, or a cluster_name")
		}
		if ring.port == 0 {
			t.test(CodePort, t.option1(n, "mcastport", ring), fmt.Sprintf("ring %d has no port", n), "remove mcastport")
		}
		if t.via != "udp" && ring.ttl != 1 {
			t.test(CodeLinkOption, t.option1(n, "ttl", ring), fmt.Sprintf("ring %d has a ttl, which is for transport udp only", n), "remove ttl")
		}
		if t.via == "udp" && !t.broadcast && ring.mcastSet {
			t.checkMulticast(n, ring)
		}
		if first := t.links[0].bindnet.family(); n > 0 && first != 0 && ring.bindnet.family() != 0 && first != ring.bindnet.family() {
			t.test(CodeMixedFamilies, ring.line, "the rings have addresses of IPv4 and IPv6", "use addresses of one family")
		}
	}
	if a, b := t.links[0], t.links[1]; count > 1 && t.via == "udp" && a.mcast.ip == b.mcast.ip && a.mcast.ip.IsValid() &&
		a.mcastLine != nil && b.mcastLine != nil && max(a.port, b.port)-min(a.port, b.port) <= 1 {
		t.test(CodePort, orLine(t.values["totem.interface.1.mcastport"].line, b.line), fmt.Sprintf("both rings use %s, with the ports %d and %d: udp uses the one below too", a.mcast.ip, a.port, b.port),
			"let the ports be 2 or more apart, or use two multicast addresses")
	}
}
