package corosyncconf_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"clusterctl/corosyncconf"
)

// base is a cluster of three nodes on two links.
const base = `totem {
    version: 2
    cluster_name: prod
    config_version: 7
    transport: knet
    token: 3000
    interface {
        linknumber: 1
        knet_link_priority: 2
        mcastport: 5406
    }
}
nodelist {
    # the first
    node {
        name: n1
        nodeid: 1
        ring0_addr: 10.0.0.1
        ring1_addr: 10.1.0.1
    }
    node {
        name: n2
        nodeid: 2
        ring0_addr: 10.0.0.2
        ring1_addr: 10.1.0.2
    }
    node {
        name: n3
        nodeid: 3
        ring0_addr: 10.0.0.3
        ring1_addr: 10.1.0.3
    }
}
quorum {
    provider: corosync_votequorum
}
logging {
    logger_subsys {
        subsys: QUORUM
        debug: off
    }
}
`

// edited replaces pairs of texts, all occurrences of each.
func edited(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("%q is not in the configuration", pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

func oneLink(t *testing.T) string {
	t.Helper()
	text := edited(t, base, "    interface {\n        linknumber: 1\n        knet_link_priority: 2\n        mcastport: 5406\n    }\n", "")
	for n := range 3 {
		text = edited(t, text, fmt.Sprintf("        ring1_addr: 10.1.0.%d\n", n+1), "")
	}
	return text
}

func TestCompare(t *testing.T) {
	const node4 = "    node {\n        name: n4\n        nodeid: 4\n        ring0_addr: 10.0.0.4\n        ring1_addr: 10.1.0.4\n    }\n}\nquorum {"
	sub := func(pairs ...string) func(*testing.T) (old, new string) {
		return func(t *testing.T) (string, string) { return base, edited(t, base, pairs...) }
	}
	back := func(f func(*testing.T) (string, string)) func(*testing.T) (string, string) {
		return func(t *testing.T) (string, string) { old, new := f(t); return new, old }
	}
	tests := []struct {
		name    string
		release corosyncconf.Release // 0 is 3.1
		files   func(*testing.T) (old, new string)
		want    []string // PATH | WORDS | EFFECT
	}{
		{"nothing", 0, sub("token", "token"), nil},
		{"comments, blank lines, spelling of numbers and order", 0, sub(
			"# the first\n", "\n", "token: 3000", "token:+3000", "\n    config_version: 7", "",
			"version: 2\n", "version: 2\n\tconfig_version:  7\n", "knet_link_priority: 2\n        mcastport: 5406", "mcastport: 5406\n\n        knet_link_priority: 2",
		), nil},
		{"a section given twice, and a line that another one overrides", 0, sub("    token: 3000\n", "    token: 1\n", "quorum {\n", "totem {\n token: 3000\n}\nquorum {\n"), nil},
		{"nodes in another order", 0, sub(
			"name: n1\n        nodeid: 1\n        ring0_addr: 10.0.0.1\n        ring1_addr: 10.1.0.1", "name: X",
			"name: n3\n        nodeid: 3\n        ring0_addr: 10.0.0.3\n        ring1_addr: 10.1.0.3", "ring1_addr: 10.1.0.1\n        ring0_addr: 10.0.0.1\n        nodeid: 1\n        name: n1",
			"name: X", "name: n3\n        nodeid: 3\n        ring0_addr: 10.0.0.3\n        ring1_addr: 10.1.0.3",
		), nil},
		{"an IPv6 address spelt in another way", 0, func(t *testing.T) (string, string) {
			old := edited(t, base, "10.0.0.1", "fd00::1")
			return old, edited(t, old, "fd00::1", "FD00:0:0::0001")
		}, nil},

		{"a timer", 0, sub("token: 3000", "token: 5000"), []string{"totem.token | token: 3000 ms -> 5000 ms | reload"}},
		{"a timer taken out", 0, sub("    token: 3000\n", "    token_retransmits_before_loss_const: 6\n"), []string{
			"totem.token | token: 3000 ms -> 3000 ms (the default) | nothing",
			"totem.token_retransmits_before_loss_const | token_retransmits_before_loss_const: 4 (the default) -> 6 | reload"}},
		{"a default of an older release", corosyncconf.V30, sub("    token: 3000\n", ""), []string{"totem.token | token: 3000 ms -> 1000 ms (the default) | reload"}},
		{"what 2.4 does by default", corosyncconf.V24, func(*testing.T) (string, string) {
			return "totem {\n version: 2\n}\n", "totem {\n version: 2\n transport: udp\n secauth: on\n ip_version: ipv4\n}\n"
		}, []string{
			"totem.transport | transport: udp (the default) -> udp | nothing",
			"totem.secauth | secauth: on (the default) -> on | nothing",
			"totem.ip_version | ip_version: ipv4 (the default) -> ipv4 | nothing"}},
		{"encryption switched off where secauth had it on", 0, func(*testing.T) (string, string) {
			return "totem {\n secauth: on\n}\n", "totem {\n secauth: on\n crypto_cipher: none\n}\n"
		}, []string{"totem.crypto_cipher | crypto_cipher: not set -> none | reload"}},
		{"the version", 0, sub("config_version: 7", "config_version: 8"), []string{"totem.config_version | config_version: 7 -> 8 | reload"}},
		{"votes", 0, sub("nodeid: 2\n", "nodeid: 2\n        quorum_votes: 2\n"), []string{"nodelist.node[n2].quorum_votes | quorum_votes of n2: 1 vote (the default) -> 2 votes | reload"}},
		{"a quorum option that a reload takes over, and two that it does not", 0, sub("votequorum\n", "votequorum\n    two_node: 1\n    wait_for_all: 0\n    auto_tie_breaker: 1\n"), []string{
			"quorum.two_node | two_node: 0 (the default) -> 1 | reload",
			"quorum.wait_for_all | wait_for_all: not set -> 0 | rolling restart",
			"quorum.auto_tie_breaker | auto_tie_breaker: 0 (the default) -> 1 | stop all and start all"}},
		{"what is read at start only", 0, sub("token: 3000", "token: 3000\n    link_mode: active\n    heartbeat_failures_allowed: 3"), []string{
			"totem.link_mode | link_mode: passive (the default) -> active | rolling restart",
			"totem.heartbeat_failures_allowed | heartbeat_failures_allowed: 0 (the default) -> 3 | rolling restart"}},
		{"a quorum device", 0, sub("votequorum\n", "votequorum\n    device {\n        model: net\n        votes: 1\n        net {\n            host: q\n        }\n    }\n"), []string{
			"quorum.device.model | model of quorum.device: not set -> net | restart of corosync-qdevice",
			"quorum.device.votes | votes of quorum.device: not set -> 1 vote | reload",
			"quorum.device.net.host | host of quorum.device.net: not set -> q | restart of corosync-qdevice"}},
		{"encryption", 0, sub("token: 3000", "token: 3000\n    crypto_cipher: aes256\n    crypto_hash: sha256"), []string{
			"totem.crypto_cipher | crypto_cipher: none (the default) -> aes256 | reload",
			"totem.crypto_hash | crypto_hash: none (the default) -> sha256 | reload"}},
		{"encryption in 3.0", corosyncconf.V30, sub("token: 3000", "token: 3000\n    crypto_hash: sha256"), []string{
			"totem.crypto_hash | crypto_hash: none (the default) -> sha256 | stop all and start all"}},
		{"a key in the file is not shown", 0, sub("token: 3000", "token: 3000\n    key: geheim"), []string{"totem.key | key: added | reload"}},
		{"transport", 0, sub("transport: knet", "transport: udpu"), []string{
			"totem.transport | transport: knet -> udpu | stop all and start all"}},
		{"what is read-only, at its default", 0, sub("    transport: knet\n", ""), []string{
			"totem.transport | transport: knet -> knet (the default) | rolling restart"}},
		{"what is read-only, set to its default", 0, back(sub("    transport: knet\n", "")), []string{
			"totem.transport | transport: knet (the default) -> knet | nothing"}},
		{"a log file taken out", 0, back(sub("debug: off", "debug: off\n        logfile: /l")), []string{
			"logging.logger_subsys[QUORUM].logfile | logfile of QUORUM: /l -> not set | rolling restart"}},
		{"a subsystem's debug, by the old way to name corosync", 0, sub("logging {\n", "logging {\n    logging_daemon {\n        name: corosync\n        subsys: TOTEM\n        debug: on\n    }\n"), []string{
			"logging.logger_subsys[TOTEM].debug | debug of TOTEM: off (the default) -> on | reload"}},
		{"who may talk to corosync", 0, func(t *testing.T) (string, string) {
			return base + "uidgid {\n uid: a\n}\nuidgid {\n uid: b\n}\n", base + "uidgid {\n uid: b\n gid: c\n}\n"
		}, []string{
			"uidgid.uid | uid of uidgid a: removed | reload",
			"uidgid.gid | gid of uidgid c: added | reload"}},
		{"a key that corosync does not have", 0, sub("token: 3000", "token: 3000\n    tokn: 5"), []string{"totem.tokn | tokn: not set -> 5 | reload"}},
		{"a value that would spoil a terminal", 0, sub("n1\n", "n1\n        rack: \x1b[2J\n"), []string{`nodelist.node[n1].rack | rack of n1: not set -> "\x1b[2J" | reload`}},

		{"a node comes", 0, sub("}\nquorum {", node4), []string{"nodelist.node[n4] | node n4 (id 4) added | reload"}},
		{"a node goes", 0, back(sub("}\nquorum {", node4)), []string{"nodelist.node[n4] | node n4 (id 4) removed | reload"}},
		{"a node's id", 0, sub("nodeid: 3", "nodeid: 4"), []string{"nodelist.node[n3].nodeid | nodeid of n3: 3 -> 4 | stop all and start all"}},
		{"a node's name", 0, sub("name: n3", "name: m3"), []string{"nodelist.node[n3].name | name of n3: n3 -> m3 | rolling restart"}},
		{"nodes without names get them", 0, func(t *testing.T) (string, string) {
			new := oneLink(t)
			return edited(t, new, "        name: n1\n", "", "        name: n2\n", "", "        name: n3\n", ""), new
		}, []string{
			"nodelist.node[1].name | name of 1: not set -> n1 | reload",
			"nodelist.node[2].name | name of 2: not set -> n2 | reload",
			"nodelist.node[3].name | name of 3: not set -> n3 | reload"}},

		{"nodes known by their addresses only", 0, func(*testing.T) (string, string) {
			const totem = "totem {\n transport: udpu\n}\n"
			return totem + "nodelist {\n node {\n ring0_addr: a\n }\n node {\n ring0_addr: b\n }\n}\n",
				totem + "nodelist {\n node {\n ring0_addr: c\n }\n node {\n ring0_addr: b\n nodeid: 2\n }\n}\n"
		}, []string{
			"nodelist.node[a] | node a removed | reload",
			"nodelist.node[c] | node c added | reload",
			"nodelist.node[b].nodeid | nodeid of b: not set -> 2 | stop all and start all"}},
		{"a link of one node", 0, sub("        ring1_addr: 10.1.0.2\n", ""), []string{
			"nodelist.node[n2].ring1_addr | ring1_addr of n2: 10.1.0.2 -> not set | link replace in two steps"}},

		{"a link comes", 0, func(t *testing.T) (string, string) { return oneLink(t), base }, []string{
			"nodelist.node.ring1_addr | link 1 added on all nodes | reload",
			"totem.interface[1].knet_link_priority | knet_link_priority of link 1: 1 (the default) -> 2 | reload",
			"totem.interface[1].mcastport | mcastport of link 1: 5406 (the default) -> 5406 | nothing"}},
		{"a link goes", 0, func(t *testing.T) (string, string) { return base, oneLink(t) }, []string{
			"nodelist.node.ring1_addr | link 1 removed on all nodes | reload",
			"totem.interface[1].knet_link_priority | knet_link_priority of link 1: 2 -> 1 (the default) | reload",
			"totem.interface[1].mcastport | mcastport of link 1: 5406 -> 5406 (the default) | nothing"}},
		{"a link comes in 2.4", corosyncconf.V24, func(t *testing.T) (string, string) {
			return strings.ReplaceAll(oneLink(t), "knet", "udpu"), strings.ReplaceAll(oneLink(t), "knet", "udpu") + "nodelist {\n node {\n ring1_addr: a\n }\n node {\n ring1_addr: b\n }\n node {\n ring1_addr: c\n }\n}\n"
		}, []string{"nodelist.node.ring1_addr | ring 1 added on all nodes | stop all and start all"}},
		{"an address while another link is there", 0, sub("10.1.0.2", "10.1.0.22"), []string{
			"nodelist.node[n2].ring1_addr | ring1_addr of n2: 10.1.0.2 -> 10.1.0.22 | link replace in two steps"}},
		{"an address of the only link", 0, func(t *testing.T) (string, string) {
			old := oneLink(t)
			return old, edited(t, old, "10.0.0.2", "10.0.0.22")
		}, []string{"nodelist.node[n2].ring0_addr | ring0_addr of n2: 10.0.0.2 -> 10.0.0.22 | stop all and start all"}},
		{"an address with udpu", 0, func(t *testing.T) (string, string) {
			old := edited(t, base, "transport: knet", "transport: udpu")
			return old, edited(t, old, "10.0.0.2", "10.0.0.22")
		}, []string{"nodelist.node[n2].ring0_addr | ring0_addr of n2: 10.0.0.2 -> 10.0.0.22 | stop all and start all"}},
		{"one link takes the place of the other", 0, func(t *testing.T) (string, string) {
			old := oneLink(t)
			return old, strings.ReplaceAll(strings.ReplaceAll(old, "10.0.", "10.1."), "ring0", "ring1")
		}, []string{
			"nodelist.node.ring0_addr | link 0 removed on all nodes | link replace in two steps",
			"nodelist.node.ring1_addr | link 1 added on all nodes | reload"}},
		{"the port of a link", 0, sub("mcastport: 5406", "mcastport: 5500"), []string{
			"totem.interface[1].mcastport | mcastport of link 1: 5406 -> 5500 | link replace in two steps"}},
		{"the port of the only link", 0, func(t *testing.T) (string, string) {
			old := oneLink(t)
			return old, edited(t, old, "token: 3000", "token: 3000\n    interface {\n        mcastport: 5500\n    }")
		}, []string{"totem.interface[0].mcastport | mcastport of link 0: 5405 (the default) -> 5500 | stop all and start all"}},
		{"the priority of a link", 0, sub("knet_link_priority: 2", "knet_link_priority: 3"), []string{
			"totem.interface[1].knet_link_priority | knet_link_priority of link 1: 2 -> 3 | reload"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			release := tt.release
			if release == 0 {
				release = corosyncconf.V31
			}
			old, new := tt.files(t)
			var got []string
			for _, c := range corosyncconf.Compare(parse(t, old), parse(t, new), release) {
				got = append(got, fmt.Sprintf("%s | %s | %s", c.Path, c.Words, c.Effect))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What a reload would not do is named as such: the remark says why.
func TestCompareSaysWhy(t *testing.T) {
	single := oneLink(t)
	for _, tt := range []struct{ name, old, new, want string }{
		{"a lower version", base, edited(t, base, "config_version: 7", "config_version: 6"), "it counts down: a node that starts with a lower version than the others run exits"},
		{"no other link", single, edited(t, single, "10.0.0.2", "10.0.0.22"), "there is no other link to carry the cluster meanwhile"},
		{"a link of one node", base, edited(t, base, "        ring1_addr: 10.1.0.2\n", ""), "corosync refuses a link that not all nodes are on"},
		{"a key of another release", base, edited(t, base, "token: 3000", "token: 3000\n    rrp_mode: active"), "corosync 3.1 does not have this key, and takes no notice of it"},
		{"a key of another transport", base, edited(t, base, "token: 3000", "token: 3000\n    downcheck: 900"), "it is not used with knet"},
		{"what is read-only", base, edited(t, base, "    transport: knet\n", ""), "the value stays the same, but a reload would leave corosync without it until it is started again"},
		{"ping timers", base, edited(t, base, "token: 3000", "token: 4000"), "the links' ping timers, which are made from it, follow with a second reload"},
		{"a node that goes", base, edited(t, base, "        name: n3\n        nodeid: 3\n        ring0_addr: 10.0.0.3\n        ring1_addr: 10.1.0.3\n", ""), "stop corosync there first: a reload does not make it leave"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changes := corosyncconf.Compare(parse(t, tt.old), parse(t, tt.new), corosyncconf.V31)
			if len(changes) != 1 || changes[0].Remark != tt.want {
				t.Errorf("%+v, want one with the remark %q", changes, tt.want)
			}
		})
	}
}

// What a reload leaves in cmap is told for what a reload does, and only for that.
func TestCompareNamesWhatCmapShows(t *testing.T) {
	changes := corosyncconf.Compare(parse(t, base), parse(t, edited(t, base,
		"token: 3000", "token: +5000\n    link_mode: rr\n    tokn: 1",
		"name: n2", "name: n2\n        quorum_votes: 0",
		"        knet_link_priority: 2\n", "",
		"debug: off", "debug: on",
	)), corosyncconf.V31)
	got := map[string]string{}
	for _, c := range changes {
		if c.CmapKey != "" {
			got[c.CmapKey] = c.CmapValue
		}
	}
	want := map[string]string{"totem.token": "5000", "totem.interface.1.knet_link_priority": "", "nodelist.node.1.quorum_votes": "0", "logging.logger_subsys.QUORUM.debug": "on"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if effect := corosyncconf.EffectOf(changes); effect != corosyncconf.RollingRestart {
		t.Errorf("all of them take %s", effect)
	}
}

// Every key that a release has gets from Compare what the table says, where no
// circumstance makes it another.
func TestCompareGoesByTheTable(t *testing.T) {
	for _, r := range corosyncconf.Releases() {
		for _, k := range corosyncconf.Keys() {
			if !k.KnownIn(r) || k.Transports != nil && !slices.Contains(k.Transports, "knet") || strings.ContainsRune(k.Name, '*') ||
				slices.Contains([]string{"totem.interface", "totem.interface.member", "nodelist.node", "logging.logger_subsys", "logging.logging_daemon", "uidgid"}, k.Section) {
				continue
			}
			old, new := corosyncconf.New(""), corosyncconf.New("")
			for i, f := range []*corosyncconf.File{old, new} {
				s := f.Root()
				for name := range strings.SplitSeq(k.Section, ".") {
					s = s.AddSection(name)
				}
				if err := s.Set(k.Name, example(k, i)); err != nil {
					t.Fatalf("%s.%s: %v", k.Section, k.Name, err)
				}
				if k.Section+"."+k.Name != "totem.transport" {
					if err := f.Root().AddSection("totem").Set("transport", "knet"); err != nil {
						t.Fatal(err)
					}
				}
			}
			changes := corosyncconf.Compare(old, new, r)
			if len(changes) != 1 || changes[0].Effect != k.EffectIn(r) || changes[0].Path != k.Section+"."+k.Name {
				t.Errorf("%s: %s.%s: %+v, want the effect %s", r, k.Section, k.Name, changes, k.EffectIn(r))
			}
		}
	}
}

func FuzzCompare(f *testing.F) {
	for _, text := range fixtures(f) {
		f.Add(string(text), base)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		old, _ := corosyncconf.Parse("", []byte(a))
		new, _ := corosyncconf.Parse("", []byte(b))
		for _, r := range corosyncconf.Releases() {
			if changes := corosyncconf.Compare(old, old.Clone(), r); changes != nil {
				t.Errorf("with itself: %+v", changes)
			}
			there, back := corosyncconf.Compare(old, new, r), corosyncconf.Compare(new, old, r)
			if (there == nil) != (back == nil) {
				t.Errorf("one way %+v, the other %+v", there, back)
			}
		}
	})
}

// example returns the first or the second value for a key that it can have.
func example(k corosyncconf.Key, i int) string {
	switch k.Type {
	case corosyncconf.Number:
		return strconv.FormatInt(k.Min+int64(i), 10)
	case corosyncconf.Choice:
		return append(slices.Clone(k.Values), "other")[i]
	case corosyncconf.Address:
		return fmt.Sprintf("10.0.0.%d", i+1)
	}
	return fmt.Sprintf("/%d", i+1)
}

// With all links moved no node that was restarted would hear those that were not.
func TestMovedLinksAndARollingRestartStopAll(t *testing.T) {
	both := []corosyncconf.Change{{Effect: corosyncconf.RollingRestart}, {Effect: corosyncconf.LinkReplace}}
	if e := corosyncconf.EffectOf(both); e != corosyncconf.FullRestart {
		t.Errorf("got %s", e)
	}
}

// TestSecauthIsWhatItStandsFor: spelling it out changes nothing, and half of it does.
func TestSecauthIsWhatItStandsFor(t *testing.T) {
	for _, tt := range []struct {
		release corosyncconf.Release
		old, is string
		nothing bool
	}{
		{corosyncconf.V31, "secauth: on", "secauth: on\ncrypto_cipher: aes256\ncrypto_hash: sha256", true},
		{corosyncconf.V31, "secauth: on", "secauth: on\ncrypto_cipher: aes256\ncrypto_hash: sha512", false},
		{corosyncconf.V31, "secauth: on", "crypto_cipher: aes256\ncrypto_hash: sha256", true},
		{corosyncconf.V24, "secauth: on", "secauth: on\ncrypto_cipher: aes256\ncrypto_hash: sha1", true},
		{corosyncconf.V24, "secauth: on", "secauth: on\ncrypto_cipher: aes256\ncrypto_hash: sha256", false},
	} {
		old, _ := corosyncconf.Parse("", []byte("totem {\n"+tt.old+"\n}\n"))
		is, _ := corosyncconf.Parse("", []byte("totem {\n"+tt.is+"\n}\n"))
		nothing := true
		for _, c := range corosyncconf.Compare(old, is, tt.release) {
			nothing = nothing && c.Effect == corosyncconf.NoEffect
		}
		if nothing != tt.nothing {
			t.Errorf("%s: %q to %q: nothing changes: %v", tt.release, tt.old, tt.is, nothing)
		}
	}
}
