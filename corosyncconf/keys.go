package corosyncconf

import (
	"math"
	"slices"
	"strings"
	"sync"
)

// Key is what is known of one key of corosync.conf. The table of all of them
// (Keys) is what the parser, the checks, completion, Compare and the reference
// page go by.
//
// Its sources are corosync.conf(5), votequorum(5), corosync-qdevice(8) and the
// code of corosync 2.4.6, 3.0.4 and 3.1.10: coroparse.c, totemconfig.c,
// votequorum.c, logconfig.c and cfg.c.
type Key struct {
	Section string   // path of the section, "totem.interface"
	Name    string   // a * stands for a number (ring*_addr) or a name (exec_*)
	Type    Type     // of the value
	Values  []string // what a Choice can be
	// Values24 is what a Choice can be in 2.4 where that is something else.
	Values24 []string
	Min      int64  // of a Number
	Max      int64  // of a Number
	Unit     string // of a Number: "ms", "s", "bytes", "%", "votes"; may be empty

	// Default is what counts where the key is missing; empty if nothing does.
	// The others are the defaults of older releases where they differ.
	Default, Default30, Default24 string

	Since Release // the first release that knows it; 0 is 2.4
	// From has the versions that it came with where that was within a release,
	// the newest first; those after it are of older releases that got it later.
	From       [][3]int
	Until      Release  // the last release that knows it; 0 is still known
	Transports []string // that it matters to; nil is all

	// Effect is how a change comes into effect on 3.1; the others are those of
	// older releases where they differ. What else it depends on, Compare knows.
	Effect, Effect30, Effect24 Effect

	Help string // one line

	parsed *rule // what the parser asks of the value; nil is nothing
	old    *rule // what that of 2.4 asks, where it differs
}

// Type is the type of a value.
type Type string

// The types of values.
const (
	Number  Type = "number"
	Choice  Type = "choice"  // one of Key.Values
	Text    Type = "text"    // any
	Address Type = "address" // an IP address or a name that resolves to one
	Path    Type = "path"
)

// Effect is what it takes for a change of corosync.conf to come into effect.
// A later one includes the earlier ones.
type Effect int

// The effects.
const (
	// NoEffect: nothing changes for what runs.
	NoEffect Effect = iota
	// Reload: corosync-cfgtool -R, once the file is on every node.
	Reload
	// DeviceRestart: a reload, and a restart of corosync-qdevice on each node.
	DeviceRestart
	// LinkReplace: the link is removed by one reload and added by a second,
	// while another link carries the cluster.
	LinkReplace
	// RollingRestart: corosync is restarted on one node after the other. A
	// reload alone is accepted, and does nothing or only a part of it.
	RollingRestart
	// FullRestart: corosync is stopped on all nodes before it is started on any.
	FullRestart
)

var effectNames = []string{
	NoEffect:       "nothing",
	Reload:         "reload",
	DeviceRestart:  "restart of corosync-qdevice",
	LinkReplace:    "link replace in two steps",
	RollingRestart: "rolling restart",
	FullRestart:    "stop all and start all",
}

// String returns the words for the effect: "rolling restart".
func (e Effect) String() string { return effectNames[e] }

// Keys returns the table of all keys, by section in the order of the manual.
func Keys() []Key { return slices.Clone(keys) }

// LookupKey returns the row for a key in the section with the path, in cmap's
// spelling: totem.interface, nodelist.node, logging.logger_subsys.
func LookupKey(section, name string) (Key, bool) {
	in := keysBySection()[section]
	if i, ok := in[name]; ok {
		return keys[i], true
	}
	for pattern, i := range in {
		if strings.Contains(pattern, "*") && keys[i].matches(name) {
			return keys[i], true
		}
	}
	return Key{}, false
}

// keysBySection has the place in keys of each row, by section and name.
var keysBySection = sync.OnceValue(func() map[string]map[string]int {
	all := map[string]map[string]int{}
	for i, k := range keys {
		if all[k.Section] == nil {
			all[k.Section] = map[string]int{}
		}
		all[k.Section][k.Name] = i
	}
	return all
})

// matches reports whether the key is k.
func (k Key) matches(name string) bool {
	before, after, any := strings.Cut(k.Name, "*")
	if !any {
		return k.Name == name
	}
	if k.Name == "ring*_addr" {
		_, ok := linkOf(name)
		return ok
	}
	return len(name) > len(before)+len(after) && strings.HasPrefix(name, before) && strings.HasSuffix(name, after)
}

// KnownIn reports whether the release knows the key.
func (k Key) KnownIn(r Release) bool { return k.Since <= r && (k.Until == 0 || r <= k.Until) }

// knownTo reports whether the version knows the key.
func (k Key) knownTo(v version) bool {
	for i, from := range k.From {
		if !v.before(from) && (i == 0 || v.release() == version(from).release()) {
			return true
		}
	}
	return k.From == nil && k.KnownIn(v.release())
}

// parsed24 returns what the parser of 2.4 asks of the value; nil is nothing.
func (k Key) parsed24() *rule {
	switch {
	case !k.KnownIn(V24):
		return nil
	case k.old != nil:
		return k.old
	}
	return k.parsed
}

// DefaultIn returns the default of the release; empty if there is none.
func (k Key) DefaultIn(r Release) string {
	switch {
	case r == V24 && k.Default24 != "":
		return k.Default24
	case r <= V30 && k.Default30 != "":
		return k.Default30
	}
	return k.Default
}

// ValuesIn returns what a Choice can be in the release.
func (k Key) ValuesIn(r Release) []string {
	if r == V24 && k.Values24 != nil {
		return k.Values24
	}
	return k.Values
}

// parsedIn returns what the parser of the release asks of the value; nil is
// nothing.
func (k Key) parsedIn(r Release) *rule {
	if r == V24 {
		return k.parsed24()
	}
	return k.parsed
}

// EffectIn returns how a change comes into effect in the release.
func (k Key) EffectIn(r Release) Effect {
	switch {
	case r == V24 && k.Effect24 != 0:
		return k.Effect24
	case r <= V30 && k.Effect30 != 0:
		return k.Effect30
	}
	return k.Effect
}

var (
	knet      = []string{"knet"}
	udp       = []string{"udp"}
	udpOrUDPU = []string{"udp", "udpu"}
	yesNo     = []string{"yes", "no"}
	onOff     = []string{"on", "off"}
	// A log target can be switched in both ways.
	switches   = []string{"yes", "no", "on", "off"}
	priorities = []string{"alert", "crit", "debug", "emerg", "err", "info", "notice", "warning"}
	facilities = []string{"daemon", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}
	dscpNames  = []string{
		"cs0", "cs1", "cs2", "cs3", "cs4", "cs5", "cs6", "cs7", "af11", "af12", "af13",
		"af21", "af22", "af23", "af31", "af32", "af33", "af41", "af42", "af43", "ef",
	}
)

// keys is the table. A number without a range of its own has that of its rule.
var keys = slices.Concat(
	section("totem",
		Key{Name: "version", Type: Number, Min: 2, Max: 2, Effect: FullRestart, parsed: &u32,
			Help: "format of the file; always 2"},
		Key{Name: "cluster_name", Type: Text, Effect: FullRestart,
			Help: "name of the cluster; a quorum device needs it, and udp makes its multicast address from it"},
		Key{Name: "config_version", Type: Number, Max: math.MaxInt64, Default: "0", Effect: Reload, parsed: &u64,
			Help: "counted up with every change; a node that joins with a lower one exits, 0 switches that off"},
		Key{Name: "transport", Type: Choice, Values: []string{"knet", "udpu", "udp"}, Values24: []string{"udpu", "udp", "iba"}, Default: "knet", Default24: "udp", Effect: FullRestart,
			Help: "how nodes talk; knet is the only one with several links and encryption in corosync 3"},
		Key{Name: "ip_version", Type: Choice, Values: []string{"ipv4", "ipv6", "ipv6-4", "ipv4-6"}, Values24: []string{"ipv4", "ipv6"}, Default: "ipv6-4", Default24: "ipv4",
			Effect: FullRestart, parsed: ptr(oneOf("ipv4", "ipv6", "ipv6-4", "ipv4-6")), old: ptr(oneOf("ipv4", "ipv6")),
			Help: "which addresses a name stands for; ipv6-4 and ipv4-6 (3.0) prefer the first and take the other"},
		Key{Name: "ip_dscp", Type: Choice, Values: dscpNames, Default: "0", Since: V31, From: [][3]int{{3, 1, 10}}, Effect: RollingRestart,
			parsed: &dscp, Help: "DSCP mark of all packets: a name, or a number 0 to 63"},
		Key{Name: "nodeid", Type: Number, Max: math.MaxUint32, Effect: FullRestart, Until: V24, parsed: &u32,
			Help: "id of this node where there is no nodelist"},
		Key{Name: "clear_node_high_bit", Type: Choice, Values: yesNo, Default: "no", Transports: udpOrUDPU, Effect: FullRestart,
			Help: "keeps node ids that are made from an IPv4 address under 2^31"},
		Key{Name: "crypto_model", Type: Choice, Values: cryptoModels, Default: "nss", Since: V30, Transports: knet, Effect: Reload, Effect30: FullRestart,
			parsed: ptr(oneOf(cryptoModels...)), Help: "library that encrypts; which there are depends on how libknet was built"},
		Key{Name: "crypto_cipher", Type: Choice, Values: []string{"none", "aes256", "aes192", "aes128"}, Values24: []string{"none", "aes256", "aes192", "aes128", "3des"}, Default: "none", Default24: "aes256",
			Effect: Reload, Effect30: FullRestart,
			parsed: ptr(oneOf("none", "aes256", "aes192", "aes128")), old: ptr(oneOf("none", "aes256", "aes192", "aes128", "3des")),
			Help: "cipher of the traffic between nodes; needs a crypto_hash"},
		Key{Name: "crypto_hash", Type: Choice, Values: []string{"none", "md5", "sha1", "sha256", "sha384", "sha512"}, Default: "none", Default24: "sha1",
			Effect: Reload, Effect30: FullRestart, parsed: ptr(oneOf("none", "md5", "sha1", "sha256", "sha384", "sha512")),
			Help: "hash by which nodes know each other's packets"},
		Key{Name: "secauth", Type: Choice, Values: onOff, Default: "off", Default24: "on", Effect: Reload, Effect30: FullRestart,
			Help: "on stands for aes256 and sha256 (2.4: aes256 and sha1); crypto_cipher and crypto_hash come before it"},
		Key{Name: "crypto_type", Type: Choice, Values: []string{"nss", "aes256", "aes192", "aes128", "3des"}, Until: V24, Effect: FullRestart,
			parsed: ptr(oneOf("nss", "aes256", "aes192", "aes128", "3des")), Help: "accepted and not used"},
		Key{Name: "crypto_compat", Type: Choice, Values: []string{"2.0", "2.2"}, Until: V24, Effect: FullRestart,
			Help: "packet format for clusters with corosync before 2.2"},
		Key{Name: "keyfile", Type: Path, Default: "/etc/corosync/authkey", Effect: Reload, Effect30: FullRestart,
			Help: "file with the key of the cluster, the same on every node"},
		Key{Name: "key", Type: Text, Effect: Reload, Effect30: FullRestart,
			Help: "the key itself; keyfile comes before it, and here everybody can read it"},
		Key{Name: "link_mode", Type: Choice, Values: []string{"passive", "active", "rr"}, Default: "passive", Since: V30, Transports: knet, Effect: RollingRestart,
			Help: "passive uses the link of highest priority, active all at once, rr all in turn"},
		Key{Name: "rrp_mode", Type: Choice, Values: []string{"none", "passive", "active"}, Default: "none", Until: V24, Effect: FullRestart,
			Help: "how two rings are used; corosync 3 has links and link_mode instead"},
		Key{Name: "netmtu", Type: Number, Max: math.MaxUint32, Unit: "bytes", Default: "1500", Effect: FullRestart, parsed: &u32,
			Help: "largest packet; 65536 with knet, which finds the MTU of each link itself: leave it out there"},
		Key{Name: "threads", Type: Number, Max: math.MaxUint32, Default: "0", Effect: RollingRestart, parsed: &u32,
			Help: "threads that encrypt; obsolete"},
		Key{Name: "vsftype", Type: Text, Until: V24, Effect: FullRestart, Help: "virtual synchrony filter; obsolete"},

		Key{Name: "token", Type: Number, Min: 30, Max: math.MaxUint32, Unit: "ms", Default: "3000", Default30: "1000", Effect: Reload, parsed: &u32,
			Help: "how long the token may stay away until a node counts as lost; token_coefficient is added for each node over 2"},
		Key{Name: "token_coefficient", Type: Number, Max: math.MaxUint32, Unit: "ms", Default: "650", Effect: Reload, parsed: &u32,
			Help: "added to token for each node over 2 of the nodelist"},
		Key{Name: "token_warning", Type: Number, Max: 100, Unit: "%", Default: "75", Since: V30, Effect: Reload, parsed: &u32,
			Help: "at which part of token a late token is logged; 0 is never"},
		Key{Name: "token_retransmit", Type: Number, Min: 30, Max: math.MaxUint32, Unit: "ms", Effect: Reload, parsed: &u32,
			Help: "after how long without the token it is sent again; made from token, better left out"},
		Key{Name: "token_retransmits_before_loss_const", Type: Number, Max: math.MaxUint32, Default: "4", Effect: Reload, parsed: &u32,
			Help: "how often the token is sent again within token; token_retransmit and hold are made from it"},
		Key{Name: "hold", Type: Number, Min: 14, Max: math.MaxUint32, Unit: "ms", Effect: Reload, parsed: &u32,
			Help: "how long the representative holds the token when there is nothing to send, 30 or more up to 3.0.3; better left out"},
		Key{Name: "join", Type: Number, Min: 30, Max: math.MaxUint32, Unit: "ms", Default: "50", Effect: Reload, parsed: &u32,
			Help: "how long to wait for join messages while a membership forms"},
		Key{Name: "send_join", Type: Number, Max: math.MaxUint32, Unit: "ms", Default: "0", Effect: Reload, parsed: &u32,
			Help: "spreads join messages over this time; for rings of many nodes"},
		Key{Name: "consensus", Type: Number, Min: 30, Max: math.MaxUint32, Unit: "ms", Effect: Reload, parsed: &u32,
			Help: "how long to wait for agreement before a new round of membership; 1.2 times the token by default"},
		Key{Name: "merge", Type: Number, Min: 30, Max: math.MaxUint32, Unit: "ms", Default: "200", Effect: Reload, parsed: &u32,
			Help: "how long to wait before looking for a partition when there is no multicast traffic"},
		Key{Name: "downcheck", Type: Number, Min: 30, Max: math.MaxUint32, Unit: "ms", Default: "1000", Transports: udpOrUDPU, Effect: Reload, parsed: &u32,
			Help: "how long to wait before looking whether a network interface is back up"},
		Key{Name: "fail_recv_const", Type: Number, Max: math.MaxUint32, Default: "2500", Effect: Reload, parsed: &u32,
			Help: "how many turns of the token without messages that should have come until a new membership is formed"},
		Key{Name: "seqno_unchanged_const", Type: Number, Max: math.MaxUint32, Default: "30", Effect: Reload, parsed: &u32,
			Help: "how many turns of the token without traffic until merge detection starts"},
		Key{Name: "heartbeat_failures_allowed", Type: Number, Max: math.MaxUint32, Default: "0", Effect: RollingRestart, parsed: &u32,
			Help: "heartbeats that may be missing, to find a failure before token is over; 0 is off"},
		Key{Name: "max_network_delay", Type: Number, Min: 30, Max: math.MaxUint32, Unit: "ms", Default: "50", Effect: RollingRestart, parsed: &u32,
			Help: "the network's delay from one card to another; used with heartbeat_failures_allowed"},
		Key{Name: "window_size", Type: Number, Max: math.MaxUint32, Unit: "messages", Default: "50", Effect: Reload, parsed: &u32,
			Help: "messages in one turn of the token, all nodes together; 256000 / netmtu at most"},
		Key{Name: "max_messages", Type: Number, Max: math.MaxUint32, Unit: "messages", Default: "17", Effect: Reload, parsed: &u32,
			Help: "messages that one node sends each time it has the token"},
		Key{Name: "miss_count_const", Type: Number, Max: math.MaxUint32, Default: "5", Effect: Reload, parsed: &u32,
			Help: "how often a message is seen missing until it is asked for again"},
		Key{Name: "knet_pmtud_interval", Type: Number, Max: math.MaxUint32, Unit: "s", Default: "30", Since: V30, Transports: knet, Effect: Reload, parsed: &u32,
			Help: "how often knet measures the MTU of each link"},
		Key{Name: "knet_mtu", Type: Number, Max: math.MaxUint32, Unit: "bytes", Default: "0", Since: V31, From: [][3]int{{3, 1, 7}}, Transports: knet, Effect: Reload, parsed: &u32,
			Help: "MTU of all links instead of the one that knet measures; 0 is measured"},
		Key{Name: "knet_compression_model", Type: Choice, Values: compressModels, Since: V30, Transports: knet, Effect: Reload,
			parsed: ptr(oneOf(compressModels...)), Help: "compresses the traffic; without the key it is not compressed"},
		Key{Name: "knet_compression_threshold", Type: Number, Max: math.MaxUint32, Unit: "bytes", Default: "100", Since: V30, Transports: knet, Effect: Reload, parsed: &u32,
			Help: "packets up to this size are not compressed; 0 is the default"},
		Key{Name: "knet_compression_level", Type: Number, Min: math.MinInt32, Max: math.MaxInt32, Default: "0", Since: V30, Transports: knet, Effect: Reload, parsed: &i32,
			Help: "level of compression, as the model counts it"},
		Key{Name: "block_unlisted_ips", Type: Choice, Values: yesNo, Default: "yes", From: [][3]int{{3, 0, 2}, {2, 4, 5}}, Effect: Reload,
			Help: "whether packets from addresses that are not in the nodelist are dropped"},
		Key{Name: "cancel_token_hold_on_retransmit", Type: Choice, Values: yesNo, Default: "no", From: [][3]int{{3, 1, 6}, {2, 4, 6}}, Effect: Reload,
			Help: "whether a representative that sends again lets the token go at once"},
		Key{Name: "rrp_problem_count_timeout", Type: Number, Min: 30, Max: math.MaxUint32, Unit: "ms", Default: "2000", Until: V24, Effect: Reload, parsed: &u32,
			Help: "after how long one problem of a ring is taken off its count"},
		Key{Name: "rrp_problem_count_threshold", Type: Number, Min: 2, Max: math.MaxUint32, Default: "10", Until: V24, Effect: Reload, parsed: &u32,
			Help: "how many problems make a ring faulty"},
		Key{Name: "rrp_problem_count_mcast_threshold", Type: Number, Min: 2, Max: math.MaxUint32, Default: "100", Until: V24, Effect: Reload, parsed: &u32,
			Help: "how many problems of multicast make a ring faulty"},
		Key{Name: "rrp_token_expired_timeout", Type: Number, Min: 30, Max: math.MaxUint32, Unit: "ms", Until: V24, Effect: Reload, parsed: &u32,
			Help: "after how long without the token on a ring its problems are counted up; token_retransmit by default"},
		Key{Name: "rrp_autorecovery_check_timeout", Type: Number, Max: math.MaxUint32, Unit: "ms", Default: "1000", Until: V24, Effect: Reload, parsed: &u32,
			Help: "how often a faulty ring is tried again; 0 is never"},
	),
	section("totem.interface",
		Key{Name: "linknumber", Type: Number, Max: 7, Default: "0", Since: V30, Effect: LinkReplace, parsed: &u8,
			Help: "the link that this section is about"},
		Key{Name: "ringnumber", Type: Number, Max: 1, Default: "0", Until: V24, Effect: FullRestart, parsed: &u8,
			Help: "the ring that this section is about; corosync 3 takes no notice of it"},
		Key{Name: "bindnetaddr", Type: Address, Transports: udpOrUDPU, Effect: FullRestart,
			Help: "network, or address, to bind to; with a nodelist its addresses are used instead"},
		Key{Name: "mcastaddr", Type: Address, Transports: udp, Effect: FullRestart,
			Help: "multicast address; made from cluster_name by default"},
		Key{Name: "broadcast", Type: Choice, Values: yesNo, Default: "no", Transports: udp, Effect: FullRestart,
			Help: "whether to broadcast instead of multicast; counts for all links"},
		Key{Name: "mcastport", Type: Number, Max: math.MaxUint16, Default: "5405", Effect: LinkReplace, Effect24: FullRestart, parsed: &u16,
			Help: "UDP port; udp also uses the one below. knet adds the link number to the default"},
		Key{Name: "ttl", Type: Number, Max: math.MaxUint8, Default: "1", Transports: udp, Effect: FullRestart, parsed: &u8,
			Help: "time to live of multicast packets; over 1 they leave the network"},
		Key{Name: "knet_link_priority", Type: Number, Max: math.MaxUint8, Default: "1", Since: V30, Transports: knet, Effect: Reload, parsed: &u8,
			Help: "which link comes first in passive mode: the highest; 0 counts as 1"},
		Key{Name: "knet_ping_interval", Type: Number, Max: math.MaxUint32, Unit: "ms", Since: V30, Transports: knet, Effect: Reload, parsed: &u32,
			Help: "how often a link is tried; token / (pong count * 2) by default. Goes with knet_ping_timeout"},
		Key{Name: "knet_ping_timeout", Type: Number, Max: math.MaxUint32, Unit: "ms", Since: V30, Transports: knet, Effect: Reload, parsed: &u32,
			Help: "after how long without an answer a link is down; token / pong count by default. Goes with knet_ping_interval"},
		Key{Name: "knet_ping_precision", Type: Number, Max: math.MaxUint32, Default: "2048", Since: V30, Transports: knet, Effect: Reload, parsed: &u32,
			Help: "how many values the link's latency is averaged over"},
		Key{Name: "knet_pong_count", Type: Number, Max: math.MaxUint32, Default: "2", Since: V30, Transports: knet, Effect: Reload, parsed: &u32,
			Help: "how many answers in a row bring a link up"},
		Key{Name: "knet_transport", Type: Choice, Values: []string{"udp", "sctp"}, Default: "udp", Since: V30, Transports: knet, Effect: LinkReplace,
			Help: "protocol of the link; sctp is deprecated"},
	),
	section("totem.interface.member",
		Key{Name: "memberaddr", Type: Address, Transports: []string{"udpu"}, Effect: FullRestart,
			Help: "address of a node; the nodelist has taken its place"},
	),
	section("nodelist.node",
		Key{Name: "ring*_addr", Type: Address, Effect: LinkReplace, Effect24: FullRestart,
			Help: "the node's address on the link, 0 to 7 (2.4: ring 0 or 1); names are resolved at every start and reload"},
		Key{Name: "nodeid", Type: Number, Min: 1, Max: math.MaxUint32, Effect: FullRestart, parsed: &u32,
			Help: "id of the node, 1 to 65535 with knet, where it is required"},
		Key{Name: "name", Type: Text, Effect: RollingRestart,
			Help: "name of the node, as uname -n says; required with more than one link"},
		Key{Name: "quorum_votes", Type: Number, Max: math.MaxUint32, Unit: "votes", Default: "1", Effect: Reload, parsed: &u32,
			Help: "votes of the node"},
		Key{Name: "datacenterid", Type: Number, Max: math.MaxUint32, Default: "0", Effect: Reload,
			Help: "data center of the node; read by a quorum device only"},
	),
	section("quorum",
		Key{Name: "provider", Type: Choice, Values: []string{"corosync_votequorum", "corosync_ykd"}, Effect: FullRestart,
			Help: "who keeps quorum: corosync_votequorum. Without it nobody does"},
		Key{Name: "expected_votes", Type: Number, Max: math.MaxUint32, Unit: "votes", Effect: Reload, parsed: &u32,
			Help: "votes of the whole cluster, in place of the sum over the nodelist"},
		Key{Name: "votes", Type: Number, Max: math.MaxUint32, Unit: "votes", Default: "1", Effect: Reload, parsed: &u32,
			Help: "votes of this node where there is no nodelist"},
		Key{Name: "two_node", Type: Number, Max: 1, Default: "0", Effect: Reload, parsed: &u8,
			Help: "1: two nodes stay quorate when one is lost; switches wait_for_all on"},
		Key{Name: "wait_for_all", Type: Number, Max: 1, Effect: RollingRestart, parsed: &u8,
			Help: "1: no quorum after a start until all nodes have been seen once; as two_node by default"},
		Key{Name: "last_man_standing", Type: Number, Max: 1, Default: "0", Effect: FullRestart, parsed: &u8,
			Help: "1: expected votes follow the nodes that are lost one after the other"},
		Key{Name: "last_man_standing_window", Type: Number, Max: math.MaxUint32, Unit: "ms", Default: "10000", Effect: FullRestart, parsed: &u32,
			Help: "how long after a loss last_man_standing lowers expected votes"},
		Key{Name: "auto_tie_breaker", Type: Number, Max: 1, Default: "0", Effect: FullRestart, parsed: &u8,
			Help: "1: when a cluster splits in equal halves, the one with auto_tie_breaker_node stays quorate"},
		Key{Name: "auto_tie_breaker_node", Type: Text, Default: "lowest", Effect: FullRestart,
			Help: "lowest, highest, or a list of node ids, the first of which that is there decides"},
		Key{Name: "expected_votes_tracking", Type: Number, Max: 1, Default: "0", Effect: RollingRestart, parsed: &u8,
			Help: "1: the highest expected votes ever are kept on disk and never gone below"},
		Key{Name: "allow_downscale", Type: Number, Max: 1, Default: "0", Effect: RollingRestart, parsed: &u8,
			Help: "1: expected votes fall when a node is stopped; not supported by corosync's makers"},
		Key{Name: "leaving_timeout", Type: Number, Max: math.MaxUint32, Unit: "ms", Effect: RollingRestart, parsed: &u32,
			Help: "accepted and not used"},
	),
	section("quorum.device",
		Key{Name: "model", Type: Choice, Values: []string{"net"}, Effect: DeviceRestart,
			Help: "kind of quorum device: net"},
		Key{Name: "votes", Type: Number, Max: math.MaxUint32, Unit: "votes", Effect: Reload, parsed: &u32,
			Help: "votes of the device; one less than the nodes have by default"},
		Key{Name: "timeout", Type: Number, Max: math.MaxUint32, Unit: "ms", Default: "10000", Effect: DeviceRestart, parsed: &u32,
			Help: "after how long without its vote the device counts as lost"},
		Key{Name: "sync_timeout", Type: Number, Max: math.MaxUint32, Unit: "ms", Default: "30000", Effect: DeviceRestart, parsed: &u32,
			Help: "as timeout, while a membership forms"},
		Key{Name: "master_wins", Type: Number, Max: 1, Default: "0", Effect: DeviceRestart, parsed: &u8,
			Help: "1: nodes that the device casts its vote for need no others"},
	),
	section("quorum.device.net",
		Key{Name: "host", Type: Address, Effect: DeviceRestart, Help: "where corosync-qnetd runs; required"},
		Key{Name: "port", Type: Number, Min: 1, Max: math.MaxUint16, Default: "5403", Effect: DeviceRestart, Help: "TCP port of corosync-qnetd"},
		Key{Name: "tls", Type: Choice, Values: []string{"on", "off", "required"}, Default: "on", Effect: DeviceRestart,
			Help: "whether to encrypt; required refuses a server that does not"},
		Key{Name: "algorithm", Type: Choice, Values: []string{"ffsplit", "lms", "test", "2nodelms"}, Default: "ffsplit", Effect: DeviceRestart,
			Help: "ffsplit gives its vote to one of two halves, lms to the last node standing"},
		Key{Name: "tie_breaker", Type: Text, Default: "lowest", Effect: DeviceRestart,
			Help: "lowest, highest or a node id: which half has the vote when nothing else decides"},
		Key{Name: "connect_timeout", Type: Number, Min: 1000, Max: 120000, Unit: "ms", Effect: DeviceRestart,
			Help: "how long to wait for a connection; 0.8 times the device's timeout by default"},
		Key{Name: "force_ip_version", Type: Choice, Values: []string{"0", "4", "6"}, Default: "0", Effect: DeviceRestart,
			Help: "address family for the connection; 0 is any"},
		Key{Name: "keep_active_partition_tie_breaker", Type: Choice, Values: onOff, Default: "on", Since: V31, Effect: DeviceRestart,
			Help: "whether a partition that had the vote keeps it in a tie (corosync-qdevice 3.0.1)"},
	),
	section("quorum.device.heuristics",
		Key{Name: "mode", Type: Choice, Values: []string{"on", "sync", "off"}, Default: "off", Effect: Reload,
			Help: "when the commands run: on also at intervals, sync only when membership changes"},
		Key{Name: "timeout", Type: Number, Min: 1000, Max: 120000, Unit: "ms", Default: "5000", Effect: Reload,
			Help: "how long commands may take"},
		Key{Name: "sync_timeout", Type: Number, Min: 1000, Max: 120000, Unit: "ms", Default: "15000", Effect: Reload,
			Help: "how long commands may take while a membership forms"},
		Key{Name: "interval", Type: Number, Min: 1000, Max: 3600000, Unit: "ms", Default: "30000", Effect: Reload,
			Help: "how often commands run"},
		Key{Name: "exec_*", Type: Text, Effect: Reload, Help: "a command to run, with its absolute path and without a shell; 0 is well"},
	),
	section("logging",
		Key{Name: "timestamp", Type: Choice, Values: []string{"on", "off", "hires"}, Values24: onOff, Default: "hires", Default30: "off", Effect: Reload,
			Help: "whether log lines have the time; hires with milliseconds"},
		Key{Name: "fileline", Type: Choice, Values: onOff, Default: "off", Effect: Reload, Help: "whether log lines name file and line of the source"},
		Key{Name: "function_name", Type: Choice, Values: onOff, Default: "off", Effect: Reload, Help: "whether log lines name the function"},
		Key{Name: "blackbox", Type: Choice, Values: onOff, Default: "on", Effect: Reload, Help: "whether everything is kept in memory for corosync-blackbox"},
	),
	logging("logging"),
	section("logging.logger_subsys",
		Key{Name: "subsys", Type: Text, Effect: Reload, Help: "the part of corosync that this section is about: TOTEM, QUORUM, CMAP and so on; required"},
	),
	logging("logging.logger_subsys"),
	section("logging.logging_daemon",
		Key{Name: "name", Type: Text, Effect: Reload, Help: "the daemon that this section is about; required"},
		Key{Name: "subsys", Type: Text, Effect: Reload, Help: "the part of the daemon that this section is about"},
	),
	logging("logging.logging_daemon"),
	section("system",
		Key{Name: "qb_ipc_type", Type: Choice, Values: []string{"native", "shm", "socket"}, Default: "native", Since: V30, Effect: RollingRestart,
			parsed: ptr(oneOf("native", "shm", "socket")), Help: "how programs on the node talk to corosync"},
		Key{Name: "sched_rr", Type: Choice, Values: yesNo, Default: "yes", Since: V30, Effect: RollingRestart,
			parsed: ptr(oneOf("yes", "no")), Help: "whether corosync runs with real-time priority"},
		Key{Name: "priority", Type: Text, Default: "max", Since: V30, Effect: RollingRestart,
			Help: "max, min or a number: the nice value where sched_rr is no"},
		Key{Name: "move_to_root_cgroup", Type: Choice, Values: []string{"yes", "no", "auto"}, Default: "auto", Since: V30, Effect: RollingRestart,
			parsed: ptr(oneOf("yes", "no", "auto")), Help: "whether corosync leaves its cgroup to get real-time priority"},
		Key{Name: "allow_knet_handle_fallback", Type: Choice, Values: yesNo, Default: "no", Since: V31, From: [][3]int{{3, 1, 1}}, Transports: knet, Effect: RollingRestart,
			parsed: ptr(oneOf("yes", "no")), Help: "whether knet may run without the privileges it wants"},
		Key{Name: "state_dir", Type: Path, Default: "/var/lib/corosync", Since: V30, Effect: RollingRestart,
			Help: "where corosync keeps its state"},
	),
	section("qb",
		Key{Name: "ipc_type", Type: Choice, Values: []string{"native", "shm", "socket"}, Default: "native", Until: V24, Effect: RollingRestart, parsed: ptr(oneOf("native", "shm", "socket")),
			Help: "how programs on the node talk to corosync"},
	),
	section("resources",
		Key{Name: "watchdog_device", Type: Path, Default: "off", Default24: "/dev/watchdog", Effect: RollingRestart,
			Help: "the watchdog that reboots a node whose corosync hangs; off for none"},
		Key{Name: "watchdog_timeout", Type: Number, Min: 2, Max: 120, Unit: "s", Default: "6", Effect: RollingRestart, parsed: &u32,
			Help: "after how long the watchdog reboots the node"},
	),
	resource("resources.system.load_15min"),
	resource("resources.system.memory_used"),
	resource("resources.process.memory_used"),
	section("nozzle",
		Key{Name: "name", Type: Text, Since: V30, Transports: knet, Effect: Reload, Help: "name of the network interface that corosync makes; required"},
		Key{Name: "ipaddr", Type: Address, Since: V30, Transports: knet, Effect: Reload,
			Help: "address that the node's own is made from, its last part being the nodeid; required"},
		Key{Name: "ipprefix", Type: Number, Min: 8, Max: 64, Unit: "bits", Since: V30, Transports: knet, Effect: Reload,
			Help: "length of the network's prefix, 8 to 30 (IPv6: 64); required"},
		Key{Name: "macaddr", Type: Text, Default: "54:54:01:00:00:00", Since: V30, Transports: knet, Effect: Reload,
			Help: "MAC address that the node's own is made from"},
	),
	section("pload",
		Key{Name: "count", Type: Number, Max: math.MaxUint32, Effect: RollingRestart, Help: "messages of a load test"},
		Key{Name: "size", Type: Number, Max: math.MaxUint32, Unit: "bytes", Effect: RollingRestart, Help: "size of the messages of a load test"},
	),
	section("uidgid",
		Key{Name: "uid", Type: Text, Effect: Reload, Help: "a user, by name or number, that may talk to corosync"},
		Key{Name: "gid", Type: Text, Effect: Reload, Help: "a group, by name or number, that may talk to corosync"},
	),
)

// section gives keys their section.
func section(path string, keys ...Key) []Key {
	for i := range keys {
		keys[i].Section = path
	}
	return keys
}

// logging has the keys that are the same for all of corosync and for a part. A
// part has defaults of its own for two of them (logconfig.c); for the others
// counts what is set for all.
func logging(path string) []Key {
	keys := section(path,
		Key{Name: "to_stderr", Type: Choice, Values: switches, Default: "yes", Effect: Reload, Help: "whether to log to standard error"},
		Key{Name: "to_logfile", Type: Choice, Values: switches, Default: "no", Effect: Reload, Help: "whether to log to logfile"},
		Key{Name: "to_syslog", Type: Choice, Values: switches, Default: "yes", Effect: Reload, Help: "whether to log to syslog"},
		Key{Name: "logfile", Type: Path, Effect: Reload, Help: "file to log to; required where to_logfile is yes"},
		Key{Name: "logfile_priority", Type: Choice, Values: priorities, Default: "info", Effect: Reload, Help: "what is important enough for logfile"},
		Key{Name: "syslog_priority", Type: Choice, Values: priorities, Default: "info", Effect: Reload, Help: "what is important enough for syslog"},
		Key{Name: "syslog_facility", Type: Choice, Values: facilities, Default: "daemon", Effect: Reload, Help: "facility for syslog"},
		Key{Name: "debug", Type: Choice, Values: []string{"on", "off", "trace"}, Default: "off", Effect: Reload, Help: "whether to log details; trace is everything"},
		Key{Name: "to_file", Type: Choice, Values: switches, Effect: Reload, Help: "old name of to_logfile"},
		Key{Name: "syslog_level", Type: Choice, Values: priorities, Effect: Reload, Help: "old name of syslog_priority"},
	)
	for i, k := range keys {
		if path != "logging" && k.Name != "debug" && k.Name != "syslog_facility" {
			keys[i].Default = ""
		}
	}
	return keys
}

// resource has the keys of what the watchdog looks at.
func resource(path string) []Key {
	return section(path,
		Key{Name: "recovery", Type: Choice, Values: []string{"none", "watchdog", "reboot", "shutdown"}, Effect: RollingRestart,
			Help: "what to do when the limit is passed"},
		Key{Name: "max", Type: Text, Effect: RollingRestart, Help: "the limit: a load, or a part of memory in %"},
		Key{Name: "poll_period", Type: Number, Max: math.MaxInt64, Unit: "ms", Effect: RollingRestart, parsed: &u64,
			Help: "how often to look"},
	)
}

func ptr[T any](v T) *T { return &v }
