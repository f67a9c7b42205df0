package corosyncconf

import (
	"cmp"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
)

// Config is what a file means to corosync, defaults included. Sections that
// repeat are merged and the last line for a key wins. A value that corosync
// refuses counts as not set.
type Config struct {
	Totem      Totem
	Interfaces []Interface // by number
	Nodes      []Node      // by index
	Quorum     Quorum
}

// Totem is the totem section. Empty and 0 mean not set, save where a default
// is named.
type Totem struct {
	Version       int
	ConfigVersion uint64
	ClusterName   string
	Transport     string // knet, udpu or udp; by default knet, in 2.4 udp
	IPVersion     string
	LinkMode      string // passive (default), active or rr; knet only
	RRPMode       string // corosync 2 only
	Secauth       string // as in the file; see Crypto
	CryptoCipher  string // as in the file, or what 2.4 takes without; see Crypto
	CryptoHash    string // as in the file, or what 2.4 takes without; see Crypto
	KeyFile       string // /etc/corosync/authkey by default
	Token         int    // ms, by default 3000, before 3.1 1000; without token_coefficient
}

// Crypto returns the cipher and hash that take effect, "none" included: those
// named, else what secauth stands for, else none (totemconfig.c:totem_get_crypto).
func (t Totem) Crypto() (cipher, hash string) {
	cipher, hash = "none", "none"
	if t.Secauth == "on" {
		cipher, hash = "aes256", "sha256"
	}
	if t.CryptoCipher != "" {
		cipher = t.CryptoCipher
	}
	if t.CryptoHash != "" {
		hash = t.CryptoHash
	}
	return cipher, hash
}

// Encrypted reports whether corosync encrypts its traffic.
func (t Totem) Encrypted() bool {
	cipher, hash := t.Crypto()
	return cipher != "none" || hash != "none"
}

// Interface is what totem.interface sections say of one link or ring. Empty
// and 0 mean not set.
type Interface struct {
	Number      int // linknumber, in 2.4 ringnumber, by default 0
	BindNetAddr string
	McastAddr   string
	Port        int // mcastport
	Priority    int // knet_link_priority; 0 counts as 1
}

// Node is a node of the nodelist.
type Node struct {
	Index int            // N of nodelist.node.N in cmap; not used by AddNode
	Name  string         // may be empty
	ID    uint32         // 0 if not set
	Votes int            // 1 by default; 0 is no vote
	Addrs map[int]string // by link number
}

// Label returns how to call the node: its name, else its ring0_addr, else the
// address on its lowest link.
func (n Node) Label() string {
	if n.Name != "" {
		return n.Name
	}
	for _, link := range slices.Sorted(maps.Keys(n.Addrs)) {
		return n.Addrs[link]
	}
	return ""
}

// Quorum is the quorum section.
type Quorum struct {
	Provider              string // empty: no quorum is kept
	ExpectedVotes         int    // 0: from the nodelist; see Config.ExpectedVotes
	TwoNode               bool   // takes effect while there are at most two nodes
	WaitForAll            bool   // as TwoNode where it is not set
	AutoTieBreaker        bool
	AutoTieBreakerNode    string
	LastManStanding       bool
	ExpectedVotesTracking bool
	AllowDownscale        bool
	Device                *Device // nil if there is none: votequorum looks at its model
}

// Device is the quorum.device section.
type Device struct {
	Model      string
	Votes      int    // -1 if not set: one less than the nodes have
	Host       string // net.host
	Algorithm  string // net.algorithm, ffsplit by default
	TieBreaker string // net.tie_breaker
	TLS        string // net.tls, on by default
}

// Config returns the typed view of the file as it is now, as corosync 3 takes
// it.
func (f *File) Config() Config { return f.ConfigIn(V31) }

// ConfigIn is Config as corosync of the release takes the file. They differ by
// what 2.4 takes for keys that are not there, transport udp and encryption, and by
// the key that numbers interfaces.
func (f *File) ConfigIn(r Release) Config {
	totem := f.settings("totem")
	c := Config{
		Totem: Totem{
			Version:       totem.number("version", 0),
			ConfigVersion: totem.version(),
			ClusterName:   totem["cluster_name"],
			Transport:     totem.text("transport", "knet"),
			IPVersion:     totem["ip_version"],
			LinkMode:      totem.text("link_mode", "passive"),
			RRPMode:       totem["rrp_mode"],
			Secauth:       totem["secauth"],
			CryptoCipher:  totem["crypto_cipher"],
			CryptoHash:    totem["crypto_hash"],
			KeyFile:       totem.text("keyfile", "/etc/corosync/authkey"),
			Token:         totem.number("token", 0),
		},
		Interfaces: f.interfaces(r),
		Quorum:     f.quorum(),
	}
	for i, parts := range f.nodes() {
		if node := merge(parts); len(node) > 0 { // a node without keys is none in cmap
			c.Nodes = append(c.Nodes, node.node(i))
		}
	}
	if c.Totem.Token == 0 {
		k, _ := LookupKey("totem", "token")
		c.Totem.Token, _ = strconv.Atoi(k.DefaultIn(r))
	}
	if r == V24 {
		c.Totem.in24(totem)
	}
	return c
}

// in24 fills in what 2.4 takes for keys that are not there: there secauth is on
// unless it is off, and stands for another hash.
func (t *Totem) in24(keys settings) {
	t.Transport = keys.text("transport", "udp")
	cipher, hash := "aes256", "sha1"
	if t.Secauth == "off" {
		cipher, hash = "none", "none"
	}
	t.CryptoCipher, t.CryptoHash = cmp.Or(t.CryptoCipher, cipher), cmp.Or(t.CryptoHash, hash)
}

// Hosts returns what the file calls nodes and networks by that is no address.
func (f *File) Hosts() []string {
	var all []string
	add := func(name string) {
		if _, err := netip.ParseAddr(name); err != nil && isAddress(name) && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	c := f.Config()
	for _, n := range c.Nodes {
		add(n.Name)
		for _, link := range slices.Sorted(maps.Keys(n.Addrs)) {
			add(n.Addrs[link])
		}
	}
	for _, i := range c.Interfaces {
		add(i.BindNetAddr)
	}
	return all
}

func (f *File) interfaces(r Release) []Interface {
	byNumber := map[int]settings{}
	for _, s := range f.sections("totem.interface") {
		keys := merge([]*Section{s})
		number := keys.number(itemKey(r), 0)
		if byNumber[number] == nil {
			byNumber[number] = settings{}
		}
		maps.Copy(byNumber[number], keys)
	}
	var all []Interface
	for _, number := range slices.Sorted(maps.Keys(byNumber)) {
		keys := byNumber[number]
		all = append(all, Interface{
			Number:      number,
			BindNetAddr: keys["bindnetaddr"],
			McastAddr:   keys["mcastaddr"],
			Port:        keys.number("mcastport", 0),
			Priority:    keys.number("knet_link_priority", 0),
		})
	}
	return all
}

func (f *File) quorum() Quorum {
	keys := f.settings("quorum")
	q := Quorum{
		Provider:              keys["provider"],
		ExpectedVotes:         keys.number("expected_votes", 0),
		TwoNode:               keys.number("two_node", 0) != 0,
		AutoTieBreaker:        keys.number("auto_tie_breaker", 0) != 0,
		AutoTieBreakerNode:    keys["auto_tie_breaker_node"],
		LastManStanding:       keys.number("last_man_standing", 0) != 0,
		ExpectedVotesTracking: keys.number("expected_votes_tracking", 0) != 0,
		AllowDownscale:        keys.number("allow_downscale", 0) != 0,
	}
	q.WaitForAll = q.TwoNode
	if n := keys.number("wait_for_all", -1); n >= 0 {
		q.WaitForAll = n != 0
	}
	if device := f.settings("quorum.device"); device["model"] != "" {
		net := f.settings("quorum.device.net")
		q.Device = &Device{
			Model:      device["model"],
			Votes:      device.number("votes", -1),
			Host:       net["host"],
			Algorithm:  net.text("algorithm", "ffsplit"),
			TieBreaker: net["tie_breaker"],
			TLS:        net.text("tls", "on"),
		}
	}
	return q
}

// Links returns the numbers of the links in use, in order: those that nodes
// have addresses on or, without any, those of the interface sections.
func (c Config) Links() []int {
	links := map[int]bool{}
	for _, n := range c.Nodes {
		for link := range n.Addrs {
			links[link] = true
		}
	}
	if len(links) == 0 {
		for _, i := range c.Interfaces {
			links[i.Number] = true
		}
	}
	return slices.Sorted(maps.Keys(links))
}

// ExpectedVotes returns the expected votes that votequorum takes from the file
// (votequorum_readconfig of corosync 3.1): quorum.expected_votes if set, else
// the sum over the nodelist. The votes of a quorum device are added only when
// the file does not say how many they are and every node has one; else they
// count from when the device casts them. 0 means that corosync will not start.
func (c Config) ExpectedVotes() int {
	if c.Quorum.ExpectedVotes > 0 {
		return c.Quorum.ExpectedVotes
	}
	sum := 0
	for _, n := range c.Nodes {
		sum += n.Votes
	}
	if d := c.Quorum.Device; d != nil && d.Votes < 0 && sum == len(c.Nodes) && sum > 0 {
		sum += sum - 1
	}
	return sum
}

// settings are the values that count, by key.
type settings map[string]string

// merge returns the settings directly in sections that corosync merges.
func merge(sections []*Section) settings {
	m := settings{}
	for _, s := range sections {
		for l := range s.body() {
			if l.kind == option {
				m[l.keyText()] = l.valueText()
			}
		}
	}
	return m
}

// settings returns those of all sections with the path.
func (f *File) settings(path string) settings { return merge(f.sections(path)) }

func (m settings) text(key, unset string) string {
	if v, ok := m[key]; ok {
		return v
	}
	return unset
}

func (m settings) number(key string, unset int) int {
	if n, ok := parseInteger(m[key]); ok && 0 <= n && n <= math.MaxUint32 {
		return int(n)
	}
	return unset
}

// version returns what the totem section says of the file's version, 0 if nothing.
func (m settings) version() uint64 {
	v, _ := parseUnsigned(m["config_version"])
	return v
}

// link returns the number by which a path chooses an interface section, whatever
// the release.
func (m settings) link() int { return m.number("linknumber", m.number("ringnumber", 0)) }

func (m settings) node(index int) Node {
	n := Node{
		Index: index,
		Name:  m["name"],
		ID:    uint32(m.number("nodeid", 0)),
		Votes: m.number("quorum_votes", 1),
		Addrs: map[int]string{},
	}
	for key, addr := range m {
		if link, ok := linkOf(key); ok {
			n.Addrs[link] = addr
		}
	}
	return n
}
