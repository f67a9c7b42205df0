package corosyncconf_test

import (
	"fmt"
	"strings"
	"testing"

	"clusterctl/corosyncconf"

	"github.com/google/go-cmp/cmp"
)

func TestConfigOfFixtures(t *testing.T) {
	votequorum := corosyncconf.Quorum{Provider: "corosync_votequorum"}
	tests := []struct {
		file     string
		want     corosyncconf.Config
		links    []int
		expected int
		crypted  bool
	}{
		{
			file: "3.1-knet.conf",
			want: corosyncconf.Config{
				Totem: corosyncconf.Totem{
					Version: 2, ConfigVersion: 5, ClusterName: "prod", Transport: "knet", LinkMode: "passive",
					CryptoCipher: "aes256", CryptoHash: "sha256", KeyFile: "/etc/corosync/authkey", Token: 5000,
				},
				Interfaces: []corosyncconf.Interface{{Number: 0, Priority: 10}, {Number: 1, Priority: 5, Port: 5415}},
				Nodes: []corosyncconf.Node{
					{Index: 0, Name: "n1", ID: 1, Votes: 1, Addrs: map[int]string{0: "10.10.0.1", 1: "fd00:20::1"}},
					{Index: 1, Name: "n2", ID: 2, Votes: 1, Addrs: map[int]string{0: "10.10.0.2", 1: "fd00:20::2"}},
					{Index: 2, Name: "n3", ID: 3, Votes: 1, Addrs: map[int]string{0: "10.10.0.3", 1: "fd00:20::3"}},
				},
				Quorum: votequorum,
			},
			links: []int{0, 1}, expected: 3, crypted: true,
		},
		{
			file: "2.4-rrp.conf",
			want: corosyncconf.Config{
				Totem: corosyncconf.Totem{
					Version: 2, ConfigVersion: 12, ClusterName: "db", Transport: "udpu", LinkMode: "passive", RRPMode: "passive",
					CryptoCipher: "aes256", CryptoHash: "sha1", KeyFile: "/etc/corosync/authkey", Token: 1000,
				},
				Interfaces: []corosyncconf.Interface{
					{Number: 0, BindNetAddr: "10.1.0.0", Port: 5405},
					{Number: 1, BindNetAddr: "10.2.0.0", Port: 5407},
				},
				Nodes: []corosyncconf.Node{
					{Index: 0, ID: 11, Votes: 1, Addrs: map[int]string{0: "10.1.0.11", 1: "10.2.0.11"}},
					{Index: 1, ID: 12, Votes: 1, Addrs: map[int]string{0: "10.1.0.12", 1: "10.2.0.12"}},
					{Index: 2, ID: 13, Votes: 1, Addrs: map[int]string{0: "10.1.0.13", 1: "10.2.0.13"}},
				},
				Quorum: votequorum,
			},
			links: []int{0, 1}, expected: 3, crypted: true,
		},
		{
			file: "2.4-pve5-rrp.conf",
			want: corosyncconf.Config{
				Totem: corosyncconf.Totem{
					Version: 2, ConfigVersion: 3, ClusterName: "homelab", Transport: "udp", IPVersion: "ipv4", LinkMode: "passive", RRPMode: "passive",
					Secauth: "on", CryptoCipher: "aes256", CryptoHash: "sha1", KeyFile: "/etc/corosync/authkey", Token: 1000,
				},
				Interfaces: []corosyncconf.Interface{{Number: 0, BindNetAddr: "192.168.15.1"}, {Number: 1, BindNetAddr: "192.168.16.1"}},
				Nodes: []corosyncconf.Node{
					{Index: 0, Name: "pve1", ID: 1, Votes: 1, Addrs: map[int]string{0: "192.168.15.1", 1: "192.168.16.1"}},
					{Index: 1, Name: "pve2", ID: 2, Votes: 1, Addrs: map[int]string{0: "192.168.15.2", 1: "192.168.16.2"}},
					{Index: 2, Name: "pve3", ID: 3, Votes: 1, Addrs: map[int]string{0: "192.168.15.3", 1: "192.168.16.3"}},
				},
				Quorum: votequorum,
			},
			links: []int{0, 1}, expected: 3, crypted: true,
		},
		{
			file: "2.4-pve4-udpu.conf",
			want: corosyncconf.Config{
				Totem: corosyncconf.Totem{
					Version: 2, ConfigVersion: 3, ClusterName: "homelab", Transport: "udpu", IPVersion: "ipv4", LinkMode: "passive",
					Secauth: "on", CryptoCipher: "aes256", CryptoHash: "sha1", KeyFile: "/etc/corosync/authkey", Token: 1000,
				},
				Interfaces: []corosyncconf.Interface{{BindNetAddr: "192.168.15.1"}},
				Nodes: []corosyncconf.Node{
					{Index: 0, ID: 1, Votes: 1, Addrs: map[int]string{0: "pve1"}},
					{Index: 1, ID: 2, Votes: 1, Addrs: map[int]string{0: "pve2"}},
					{Index: 2, ID: 3, Votes: 1, Addrs: map[int]string{0: "pve3"}},
				},
				Quorum: votequorum,
			},
			links: []int{0}, expected: 3, crypted: true,
		},
		{
			file: "2.4-udp.conf",
			want: corosyncconf.Config{
				Totem: corosyncconf.Totem{
					Version: 2, ClusterName: "storage", Transport: "udp", LinkMode: "passive", Secauth: "on",
					CryptoCipher: "aes256", CryptoHash: "sha1", KeyFile: "/etc/corosync/authkey", Token: 3000,
				},
				Interfaces: []corosyncconf.Interface{
					{BindNetAddr: "192.168.50.0", McastAddr: "239.255.50.1", Port: 5405},
				},
				Quorum: corosyncconf.Quorum{
					Provider: "corosync_votequorum", ExpectedVotes: 4, WaitForAll: true, LastManStanding: true,
				},
			},
			links: []int{0}, expected: 4, crypted: true,
		},
		{
			file: "3.1-qdevice.conf",
			want: corosyncconf.Config{
				Totem: corosyncconf.Totem{
					Version: 2, ConfigVersion: 3, ClusterName: "pair", Transport: "knet", LinkMode: "passive",
					Secauth: "on", KeyFile: "/etc/corosync/authkey", Token: 3000,
				},
				Nodes: []corosyncconf.Node{
					{Index: 0, Name: "left", ID: 1, Votes: 1, Addrs: map[int]string{0: "172.16.0.1"}},
					{Index: 1, Name: "right", ID: 2, Votes: 1, Addrs: map[int]string{0: "172.16.0.2"}},
				},
				Quorum: corosyncconf.Quorum{
					Provider: "corosync_votequorum",
					Device: &corosyncconf.Device{
						Model: "net", Votes: 1, Host: "172.16.9.9", Algorithm: "ffsplit", TLS: "required",
					},
				},
			},
			links: []int{0}, expected: 2, crypted: true,
		},
		{
			file: "debian12-default.conf",
			want: corosyncconf.Config{
				Totem: corosyncconf.Totem{
					Version: 2, ClusterName: "debian", Transport: "knet", LinkMode: "passive",
					CryptoCipher: "none", CryptoHash: "none", KeyFile: "/etc/corosync/authkey", Token: 3000,
				},
				Nodes:  []corosyncconf.Node{{Name: "node1", ID: 1, Votes: 1, Addrs: map[int]string{0: "127.0.0.1"}}},
				Quorum: votequorum,
			},
			links: []int{0}, expected: 1,
		},
		{
			file: "repeated.conf",
			want: corosyncconf.Config{
				Totem: corosyncconf.Totem{
					Version: 2, ConfigVersion: 4, Transport: "knet", LinkMode: "passive",
					KeyFile: "/etc/corosync/authkey", Token: 1000,
				},
				Nodes: []corosyncconf.Node{
					{Index: 0, Name: "new1", ID: 1, Votes: 3, Addrs: map[int]string{0: "10.0.0.1"}},
					{Index: 1, Name: "old2", ID: 2, Votes: 1, Addrs: map[int]string{0: "10.0.0.2"}},
				},
				Quorum: corosyncconf.Quorum{Provider: "corosync_votequorum", TwoNode: true, WaitForAll: true},
			},
			links: []int{0}, expected: 4,
		},
	}
	files := fixtures(t)
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			r := corosyncconf.V31
			if strings.HasPrefix(tt.file, "2.4") {
				r = corosyncconf.V24
			}
			c := parse(t, string(files[tt.file])).ConfigIn(r)
			if diff := cmp.Diff(tt.want, c); diff != "" {
				t.Errorf("Config (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.links, c.Links()); diff != "" {
				t.Errorf("Links (-want +got):\n%s", diff)
			}
			if got := c.ExpectedVotes(); got != tt.expected {
				t.Errorf("ExpectedVotes: %d, want %d", got, tt.expected)
			}
			if got := c.Totem.Encrypted(); got != tt.crypted {
				t.Errorf("Encrypted: %v, want %v", got, tt.crypted)
			}
		})
	}
}

func TestEffectiveValues(t *testing.T) {
	wfa := func(c corosyncconf.Config) any { return c.Quorum.WaitForAll }
	expected := func(c corosyncconf.Config) any { return c.ExpectedVotes() }
	crypto := func(c corosyncconf.Config) any {
		cipher, hash := c.Totem.Crypto()
		return cipher + "/" + hash
	}
	device := "quorum {\ndevice {\nmodel: net\n"
	three := "nodelist {\nnode {\nnodeid: 1\n}\nnode {\nnodeid: 2\n}\nnode {\nnodeid: 3\n}\n}\n"
	tests := []struct {
		name, text string
		get        func(corosyncconf.Config) any
		want       any
	}{
		{"wait_for_all is off", "quorum {\n}\n", wfa, false},
		{"wait_for_all follows two_node", "quorum {\ntwo_node: 1\n}\n", wfa, true},
		{"wait_for_all set to 0", "quorum {\ntwo_node: 1\nwait_for_all: 0\n}\n", wfa, false},
		{"wait_for_all set to 1", "quorum {\nwait_for_all: 1\n}\n", wfa, true},
		{"no crypto", "totem {\n}\n", crypto, "none/none"},
		{"secauth", "totem {\nsecauth: on\n}\n", crypto, "aes256/sha256"},
		{"secauth off", "totem {\nsecauth: off\n}\n", crypto, "none/none"},
		{"hash over secauth", "totem {\nsecauth: on\ncrypto_hash: sha512\n}\n", crypto, "aes256/sha512"},
		{"cipher over secauth", "totem {\ncrypto_cipher: none\nsecauth: on\n}\n", crypto, "none/sha256"},
		{"expected votes of nothing", "", expected, 0},
		{"expected votes of nodes", three, expected, 3},
		{"expected votes with votes given", "nodelist {\nnode {\nname: a\nquorum_votes: 0\n}\nnode {\nname: b\nquorum_votes: 4\n}\n}\n", expected, 4},
		{"nodes without keys do not count", "nodelist {\nnode {\n}\nnode {\nname: b\n}\n}\n", expected, 1},
		{"expected_votes over nodes", three + "quorum {\nexpected_votes: 5\n}\n", expected, 5},
		{"device of unknown votes", three + device + "}\n}\n", expected, 5},
		{"device of known votes", three + device + "votes: 1\n}\n}\n", expected, 3},
		{"device and uneven votes", "nodelist {\nnode {\nnodeid: 1\nquorum_votes: 2\n}\n}\n" + device + "}\n}\n", expected, 2},
		{"device without model is none", three + "quorum {\ndevice {\nvotes: 1\n}\n}\n",
			func(c corosyncconf.Config) any { return c.Quorum.Device == nil }, true},
		{"config_version wraps", "totem {\nconfig_version: -1\n}\n",
			func(c corosyncconf.Config) any { return c.Totem.ConfigVersion }, uint64(1<<64 - 1)},
		{"a refused value counts as not set", "nodelist {\nnode {\nnodeid: 1\nquorum_votes: two\n}\n}\n", expected, 1},
		{"interfaces of one number are merged", "totem {\ninterface {\nmcastport: 1\nbindnetaddr: a\n}\ninterface {\nlinknumber: 0\nmcastport: 2\n}\n}\n",
			func(c corosyncconf.Config) any { return c.Interfaces[0] }, corosyncconf.Interface{BindNetAddr: "a", Port: 2}},
		{"links of interfaces without nodes", "totem {\ninterface {\nlinknumber: 1\n}\ninterface {\n}\n}\n",
			func(c corosyncconf.Config) any { return len(c.Links()) }, 2},
		{"ringnumber is not looked at", "totem {\ninterface {\nmcastport: 1\n}\ninterface {\nringnumber: 1\nmcastport: 2\n}\n}\n",
			func(c corosyncconf.Config) any { return fmt.Sprint(c.Interfaces) }, "[{0   2 0}]"},
		{"links of nodes before those of interfaces", "totem {\ninterface {\nlinknumber: 7\n}\n}\nnodelist {\nnode {\nring3_addr: a\n}\n}\n",
			func(c corosyncconf.Config) any { return c.Links()[0] }, 3},
		{"label is the name", "nodelist {\nnode {\nname: n\nring0_addr: a\n}\n}\n", label, "n"},
		{"label is the lowest address", "nodelist {\nnode {\nring4_addr: c\nring1_addr: b\n}\n}\n", label, "b"},
		{"no label", "nodelist {\nnode {\nnodeid: 1\n}\n}\n", label, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := corosyncconf.Parse("", []byte(tt.text))
			if got := tt.get(f.Config()); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// What corosync 2.4 takes for what a file does not say; otherwise both take the
// same.
func TestConfigIn24(t *testing.T) {
	tests := []struct{ text, transport, cipher, hash string }{
		{"", "udp", "aes256", "sha1"},
		{"totem {\ntransport: udpu\nsecauth: on\n}\n", "udpu", "aes256", "sha1"},
		{"totem {\nsecauth: off\n}\n", "udp", "none", "none"},
		{"totem {\nsecauth: off\ncrypto_hash: sha256\n}\n", "udp", "none", "sha256"},
		{"totem {\ncrypto_cipher: none\n}\n", "udp", "none", "sha1"},
		{"totem {\ncrypto_cipher: none\ncrypto_hash: none\n}\n", "udp", "none", "none"},
		{"totem {\ncrypto_cipher: 3des\n}\n", "udp", "3des", "sha1"},
	}
	for _, tt := range tests {
		f, _ := corosyncconf.Parse("", []byte(tt.text)) // corosync 3 would refuse 3des
		totem := f.ConfigIn(corosyncconf.V24).Totem
		cipher, hash := totem.Crypto()
		if totem.Transport != tt.transport || cipher != tt.cipher || hash != tt.hash {
			t.Errorf("%q: %s, %s/%s; want %s, %s/%s", tt.text, totem.Transport, cipher, hash, tt.transport, tt.cipher, tt.hash)
		}
	}
}

// 2.4 numbers interfaces by ringnumber, and takes no notice of linknumber.
func TestInterfacesIn24(t *testing.T) {
	f, _ := corosyncconf.Parse("", []byte("totem {\ninterface {\nringnumber: 1\nlinknumber: 5\nmcastport: 1\n}\ninterface {\nmcastport: 2\n}\n}\n"))
	want := []corosyncconf.Interface{{Number: 0, Port: 2}, {Number: 1, Port: 1}}
	if diff := cmp.Diff(want, f.ConfigIn(corosyncconf.V24).Interfaces); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func label(c corosyncconf.Config) any { return c.Nodes[0].Label() }
