package cluster_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
	"clusterctl/quorum"
)

// machine is a fresh Debian node number i with an address in each of two
// networks, changed by the edits.
func machine(i int, edits ...func(*cluster.Facts)) *cluster.Facts {
	name := fmt.Sprintf("n%d", i)
	addr := func(text string) netip.Prefix { return netip.MustParsePrefix(fmt.Sprintf(text, i)) }
	f := &cluster.Facts{
		Node: name, Hostname: name + ".example", Machine: "machine-" + name, OS: "Debian GNU/Linux 12 (bookworm)", Systemd: true,
		Clock: time.Unix(1e9, 0), Corosync: cluster.Version{Major: 3, Minor: 1, Patch: 7},
		Conf: cluster.ConfFile{FileState: cluster.FileState{Hash: cluster.Absent}},
		Key:  cluster.FileState{Hash: cluster.Absent},
		Units: map[string]cluster.Unit{
			"corosync": {Loaded: true, Active: "inactive"},
		},
		Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), addr("10.0.0.%d/24"), addr("10.0.1.%d/24"), addr("fd00::%d/64")},
		Resolved: map[string][]netip.Addr{
			name: {netip.MustParseAddr("127.0.1.1")},
		},
		FreeKB: map[string]int64{"/etc": 1 << 20, "/var/lib": 1 << 20},
	}
	for _, edit := range edits {
		edit(f)
	}
	return f
}

// resolving makes a machine resolve a name.
func resolving(name string, addrs ...string) func(*cluster.Facts) {
	return func(f *cluster.Facts) {
		f.Resolved[name] = nil
		for _, a := range addrs {
			f.Resolved[name] = append(f.Resolved[name], netip.MustParseAddr(a))
		}
	}
}

// carrying gives a machine a corosync.conf.
func carrying(text string) func(*cluster.Facts) {
	return func(f *cluster.Facts) {
		c := cluster.ConfFile{FileState: cluster.FileState{Exists: true, Hash: cluster.Hash([]byte(text))}, Bytes: []byte(text)}
		c.File, c.Err = corosyncconf.Parse(cluster.ConfPath, c.Bytes)
		f.Conf = c
	}
}

const debianDefault = "totem {\n\tversion: 2\n\tcluster_name: debian\n}\nquorum {\n\tprovider: corosync_votequorum\n}\n" +
	"nodelist {\n\tnode {\n\t\tname: node1\n\t\tnodeid: 1\n\t\tring0_addr: 127.0.0.1\n\t}\n}\n"

const otherConf = "totem {\n\tversion: 2\n\tcluster_name: other\n\ttransport: knet\n}\nquorum {\n\tprovider: corosync_votequorum\n}\n" +
	"nodelist {\n\tnode {\n\t\tname: n1\n\t\tnodeid: 1\n\t\tring0_addr: 10.0.0.1\n\t}\n\tnode {\n\t\tname: n9\n\t\tnodeid: 9\n\t\tring0_addr: 10.0.0.9\n\t}\n}\n"

// request is a create of the nodes, over two networks unless the nodes say how.
func request(nodes ...string) cluster.CreateSpec {
	s := cluster.CreateSpec{
		Name: "prod", Transport: "knet", LinkMode: "passive", CryptoCipher: "aes256", CryptoHash: "sha256", TwoNode: "auto",
	}
	s.Nodes, _ = cluster.ParseNodes(nodes)
	s.Links, _ = cluster.ParseLinks([]string{"10.0.0.0/24", "10.0.1.0/24"})
	return s
}

func three() []*cluster.Facts {
	return []*cluster.Facts{machine(1), machine(2), machine(3)}
}

var key = bytes.Repeat([]byte{7}, cluster.KeySize)

func planOf(t *testing.T, s cluster.CreateSpec, facts []*cluster.Facts) *cluster.Plan {
	t.Helper()
	p, err := cluster.PlanCreate(s, facts, key)
	if err != nil {
		t.Fatalf("PlanCreate: %v", err)
	}
	return p
}

// newConf is the corosync.conf that a plan installs.
func newConf(t *testing.T, p *cluster.Plan) *corosyncconf.File {
	t.Helper()
	for _, step := range p.Steps {
		for _, op := range step.Do.Ops {
			if op.Path == cluster.ConfPath {
				f, err := corosyncconf.Parse("new", p.Blobs[op.Blob])
				if err != nil {
					t.Fatalf("corosync would refuse the new file: %v", err)
				}
				return f
			}
		}
	}
	t.Fatal("the plan installs no corosync.conf")
	return nil
}

func TestCreatePicksEachNodesAddressInEachNetwork(t *testing.T) {
	conf := newConf(t, planOf(t, request("n1", "n2", "n3"), three())).Config()
	want := []corosyncconf.Node{
		{Index: 0, Name: "n1", ID: 1, Votes: 1, Addrs: map[int]string{0: "10.0.0.1", 1: "10.0.1.1"}},
		{Index: 1, Name: "n2", ID: 2, Votes: 1, Addrs: map[int]string{0: "10.0.0.2", 1: "10.0.1.2"}},
		{Index: 2, Name: "n3", ID: 3, Votes: 1, Addrs: map[int]string{0: "10.0.0.3", 1: "10.0.1.3"}},
	}
	if diff := cmp.Diff(want, conf.Nodes); diff != "" {
		t.Errorf("nodelist (-want +got):\n%s", diff)
	}
}

func TestCreateWritesTransportAndCryptoOut(t *testing.T) {
	tests := []struct {
		name  string
		edit  func(*cluster.CreateSpec)
		want  map[string]string
		plain bool
	}{
		{"knet", func(*cluster.CreateSpec) {}, map[string]string{"transport": "knet", "crypto_cipher": "aes256", "crypto_hash": "sha256", "link_mode": "passive"}, false},
		{"knet without encryption", func(s *cluster.CreateSpec) { s.CryptoCipher, s.CryptoHash = "none", "none" },
			map[string]string{"transport": "knet", "crypto_cipher": "none", "crypto_hash": "none"}, true},
		{"udpu, which cannot encrypt", func(s *cluster.CreateSpec) { s.Transport, s.Links = "udpu", s.Links[:1] },
			map[string]string{"transport": "udpu", "crypto_cipher": "none", "crypto_hash": "none"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := request("n1", "n2", "n3")
			tt.edit(&s)
			p := planOf(t, s, three())
			totem := newConf(t, p).Root().Section("totem")
			for k, want := range tt.want {
				if got, _ := totem.Get(k); got != want {
					t.Errorf("%s is %q, want %q", k, got, want)
				}
			}
			installs := false
			for _, step := range p.Steps {
				for _, op := range step.Do.Ops {
					installs = installs || op.Path == cluster.KeyPath
				}
			}
			if installs == tt.plain {
				t.Errorf("installs a key: %v, want %v", installs, !tt.plain)
			}
		})
	}
}

// corosync2 is three machines with corosync 2.4.6.
func corosync2() []*cluster.Facts {
	facts := three()
	for _, f := range facts {
		f.Corosync = cluster.Version{Major: 2, Minor: 4, Patch: 6}
	}
	return facts
}

func TestCreateWritesWhatCorosync2Takes(t *testing.T) {
	one := func(s *cluster.CreateSpec) { s.Links = s.Links[:1] }
	tests := []struct {
		name  string
		edit  func(*cluster.CreateSpec)
		want  map[string]string
		links int
	}{
		{"one ring", one, map[string]string{"transport": "udpu", "rrp_mode": "none", "crypto_cipher": "aes256", "crypto_hash": "sha256", "link_mode": ""}, 1},
		{"two rings", func(*cluster.CreateSpec) {}, map[string]string{"transport": "udpu", "rrp_mode": "passive"}, 2},
		{"multicast", func(s *cluster.CreateSpec) { s.Transport = "udp" }, map[string]string{"transport": "udp", "rrp_mode": "passive"}, 2},
		{"active rings", func(s *cluster.CreateSpec) { s.RRPMode = "active" }, map[string]string{"rrp_mode": "active"}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := request("n1", "n2", "n3")
			s.Transport = ""
			tt.edit(&s)
			conf := newConf(t, planOf(t, s, corosync2()))
			for k, want := range tt.want {
				if got, _ := conf.Root().Section("totem").Get(k); got != want {
					t.Errorf("%s is %q, want %q", k, got, want)
				}
			}
			if links := conf.Config().Links(); len(links) != tt.links {
				t.Errorf("links %v, want %d", links, tt.links)
			}
		})
	}
}

func TestCreateRefusesWhatCorosync2DoesNotHave(t *testing.T) {
	tests := []struct {
		name string
		edit func(*cluster.CreateSpec)
		want string
	}{
		{"knet", func(s *cluster.CreateSpec) { s.Transport = "knet" }, "--transport knet: corosync 2 does not have it; leave out --transport, or use udpu or udp"},
		{"link_mode", func(s *cluster.CreateSpec) { s.LinkMode = "active" }, "--link-mode and link priorities are for corosync 3; use --rrp-mode"},
		{"a priority", func(s *cluster.CreateSpec) { s.Priorities = map[int]int{1: 5} }, "--link-mode and link priorities are for corosync 3; use --rrp-mode"},
		{"a third ring", func(s *cluster.CreateSpec) { s.Nodes[0].Links[2] = "fd00::1" }, "link 2: corosync 2 has two links, its rings 0 and 1; use links 0 and 1"},
		{"two rings without a mode", func(s *cluster.CreateSpec) { s.RRPMode = "none" }, "--rrp-mode none: two rings need passive or active; use --rrp-mode passive"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := request("n1", "n2", "n3")
			s.Transport = ""
			tt.edit(&s)
			if _, err := cluster.PlanCreate(s, corosync2(), key); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("want %q, got %v", tt.want, err)
			}
		})
	}
}

// Clusters of one name in one network are one to multicast.
func TestMulticastIsWarnedOf(t *testing.T) {
	for transport, want := range map[string]bool{"udp": true, "udpu": false} {
		s := request("n1", "n2", "n3")
		s.Transport = transport
		p, err := cluster.PlanCreate(s, corosync2(), key)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(p.Notes.Error(), "another cluster of that name would be heard"); got != want {
			t.Errorf("%s: warned of another cluster: %t, want %t", transport, got, want)
		}
	}
}

func TestCreateSetsTwoNodeForTwoNodesOnly(t *testing.T) {
	for n := 1; n <= 4; n++ {
		var names []string
		var facts []*cluster.Facts
		for i := 1; i <= n; i++ {
			names, facts = append(names, fmt.Sprintf("n%d", i)), append(facts, machine(i))
		}
		conf := newConf(t, planOf(t, request(names...), facts)).Config()
		if conf.Quorum.TwoNode != (n == 2) {
			t.Errorf("%d nodes: two_node is %v", n, conf.Quorum.TwoNode)
		}
	}
	s := request("n1", "n2")
	s.TwoNode = "no"
	if newConf(t, planOf(t, s, three()[:2])).Config().Quorum.TwoNode {
		t.Error("--two-node no sets two_node")
	}
}

func TestCreateWritesAFileWithoutFindings(t *testing.T) {
	facts := append(three(), machine(4))
	names := []string{"n1", "n2", "n3", "n4"}
	for n := range len(names) {
		conf := newConf(t, planOf(t, request(names[:n+1]...), facts[:n+1]))
		for _, f := range conf.Check(corosyncconf.Target{Release: corosyncconf.V31}) {
			t.Errorf("%d nodes: %s: %s", n+1, f.Code, f.Message)
		}
	}
}

func TestCreateNumbersNodesAroundGivenIDs(t *testing.T) {
	conf := newConf(t, planOf(t, request("n1", "n2,id=1", "n3"), three())).Config()
	got := []uint32{conf.Nodes[0].ID, conf.Nodes[1].ID, conf.Nodes[2].ID}
	if diff := cmp.Diff([]uint32{2, 1, 3}, got); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
}

func TestCreateFindsTheAddressOfANameFromOtherNodes(t *testing.T) {
	s := request("n1", "n2")
	s.Links = nil
	// Each resolves its own name to loopback, as Debian has it.
	facts := []*cluster.Facts{
		machine(1, resolving("n2", "10.0.1.2")),
		machine(2, resolving("n1", "10.0.1.1")),
	}
	conf := newConf(t, planOf(t, s, facts)).Config()
	if conf.Nodes[0].Addrs[0] != "10.0.1.1" || conf.Nodes[1].Addrs[0] != "10.0.1.2" {
		t.Errorf("addresses: %v", conf.Nodes)
	}
}

func TestCreateSetsADistributionsDefaultAside(t *testing.T) {
	running := func(f *cluster.Facts) {
		carrying(debianDefault)(f)
		f.Units["corosync"] = cluster.Unit{Loaded: true, Active: "active", Enabled: true}
	}
	p := planOf(t, request("n1", "n2", "n3"), []*cluster.Facts{machine(1, running), machine(2), machine(3)})
	if p.Steps[0].ID != "quiet" || !cmp.Equal(p.Steps[0].Do.Nodes, []string{"n1"}) {
		t.Errorf("first step is %+v, want corosync stopped on n1", p.Steps[0])
	}
	if len(p.Notes) != 1 || p.Notes[0].Node != "n1" || !strings.Contains(p.Notes[0].Message, "set aside") {
		t.Errorf("notes: %v", p.Notes)
	}
}

func TestCreateNeverPutsTheKeyIntoThePlan(t *testing.T) {
	p := planOf(t, request("n1", "n2", "n3"), three())
	text, err := marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, key[:16]) || bytes.Contains(text, []byte("BwcHBwcH")) {
		t.Error("the plan, which is journalled and printed, holds the key")
	}
}

// Every refusal that the contract promises for create, with its message; since
// there is no Plan, no node is touched.
func TestCreateRefuses(t *testing.T) {
	edit := func(i int, f func(*cluster.Facts)) []*cluster.Facts {
		all := three()
		f(all[i-1])
		return all
	}
	noLinks := func(nodes ...string) cluster.CreateSpec {
		s := request(nodes...)
		s.Links = nil
		return s
	}
	spec := request("n1", "n2", "n3")
	tests := []struct {
		name  string
		spec  cluster.CreateSpec
		facts []*cluster.Facts
		code  cluster.Code
		want  string
	}{
		{"an address the node does not have", noLinks("n1,link0=10.0.0.1", "n2,link0=10.0.0.99", "n3,link0=10.0.0.3"), three(),
			cluster.CodeAddress, "n2: link 0: the node does not have the address 10.0.0.99; use one of 10.0.0.2, 10.0.1.2, fd00::2"},
		{"a network in which a node has no address", func() cluster.CreateSpec {
			s := request("n1", "n2", "n3")
			s.Links, _ = cluster.ParseLinks([]string{"10.7.0.0/24"})
			return s
		}(), three(), cluster.CodeAddress, "n1: it has no address in 10.7.0.0/24 for link 0; name the right network, or give link0=ADDR; it has 10.0.0.1, 10.0.1.1, fd00::1"},
		{"a network in which a node has several addresses", spec, edit(2, func(f *cluster.Facts) {
			f.Addrs = append(f.Addrs, netip.MustParsePrefix("10.0.0.22/24"))
		}), cluster.CodeAddress, "n2: it has several addresses in 10.0.0.0/24 for link 0: 10.0.0.2, 10.0.0.22; choose one with link0=ADDR"},
		{"a name that does not resolve", noLinks("n1", "n2", "n3"), []*cluster.Facts{
			machine(1, resolving("n1", "10.0.0.1")), machine(2, resolving("n2", "10.0.0.2")), machine(3, resolving("n3")),
		}, cluster.CodeResolve, "n3: n3 does not resolve; put it into /etc/hosts, or give link0=ADDR or --link CIDR; it has 10.0.0.3, 10.0.1.3, fd00::3"},
		{"a name that resolves to loopback", noLinks("n1", "n2", "n3"), []*cluster.Facts{
			machine(1, resolving("n1", "10.0.0.1")), machine(2, resolving("n2", "10.0.0.2")), machine(3),
		}, cluster.CodeLoopback, "n3: n3 resolves to a loopback address only (127.0.1.1 on n3); put it into /etc/hosts, or give link0=ADDR or --link CIDR; it has 10.0.0.3, 10.0.1.3, fd00::3"},
		{"a loopback address", noLinks("n1,link0=127.0.0.1", "n2,link0=10.0.0.2", "n3,link0=10.0.0.3"), three(),
			cluster.CodeLoopback, "n1: link 0: 127.0.0.1 is a loopback address; use an address that the other nodes reach"},
		{"links that are not the same on all nodes", noLinks("n1,link0=10.0.0.1,link1=10.0.1.1", "n2,link0=10.0.0.2", "n3,link0=10.0.0.3,link1=10.0.1.3"), three(),
			cluster.CodeUnevenLinks, "link 1 is given for n1 and n3 but not for n2; give every node an address on each link"},
		{"families mixed on a link", noLinks("n1,link0=10.0.0.1", "n2,link0=fd00::2", "n3,link0=10.0.0.3"), three(),
			cluster.CodeMixedFamily, "link 0 is IPv4 on n1 and n3 and IPv6 on n2; use one family on a link"},
		{"one address on two nodes", spec, edit(2, func(f *cluster.Facts) {
			f.Addrs = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("10.0.1.2/24")}
		}), cluster.CodeAddress, "n2: address 10.0.0.1 would be used for link 0 of n1 and for link 0 of n2; give each node and link an address of its own"},
		{"a cluster that exists already", spec, edit(1, carrying(strings.ReplaceAll(otherConf, "other", "prod"))),
			cluster.CodeExists, "n1: cluster prod exists already: /etc/corosync/corosync.conf; choose another name; --if-missing accepts a cluster that is as asked; --force sets the files of one that does not run aside"},
		{"a node that is in another cluster", spec, edit(1, carrying(otherConf)),
			cluster.CodeOtherCluster, "n1: /etc/corosync/corosync.conf is that of another cluster, other; take it out of that cluster first; --force sets its old files aside"},
		{"a node that runs in another cluster, also with --force", func() cluster.CreateSpec { s := request("n1", "n2", "n3"); s.Force = true; return s }(),
			edit(1, func(f *cluster.Facts) {
				carrying(otherConf)(f)
				f.Runtime = &cluster.Runtime{Quorum: quorum.Status{Members: []quorum.Member{{NodeID: 1}, {NodeID: 9}}}}
			}),
			cluster.CodeLiveMember, "n1: it is running as a member of cluster other with 1 other node; take it out of that cluster first"},
		{"a key of another cluster", spec, edit(3, func(f *cluster.Facts) { f.Key = cluster.FileState{Exists: true, Hash: "x"} }),
			cluster.CodeKeyExists, "n3: there is a cluster key already: /etc/corosync/authkey; --force sets it aside"},
		{"corosync 2.3", spec, edit(2, func(f *cluster.Facts) { f.Corosync = cluster.Version{Major: 2, Minor: 3, Patch: 6} }),
			cluster.CodeVersion, "n2: corosync 2.3.6 is not known; use corosync 3, or 2.4"},
		{"two links with udpu", func() cluster.CreateSpec { s := request("n1", "n2", "n3"); s.Transport = "udpu"; return s }(), three(),
			cluster.CodeVersion, "link 1: corosync 3 has one link, number 0, with transport udpu; use --transport knet for several links"},
		{"rrp_mode with corosync 3", func() cluster.CreateSpec { s := request("n1", "n2", "n3"); s.RRPMode = "passive"; return s }(), three(),
			cluster.CodeVersion, "--rrp-mode is for corosync 2; with corosync 3 several links are used as --link-mode says"},
		{"major versions mixed", spec, edit(2, func(f *cluster.Facts) { f.Corosync = cluster.Version{Major: 2, Minor: 4, Patch: 6} }),
			cluster.CodeVersionMix, "corosync versions cannot work together: 2.4.6 on n2 and 3.1.7 on n1 and n3; install the same major version everywhere"},
		{"corosync missing", spec, edit(2, func(f *cluster.Facts) { f.Corosync = cluster.Version{} }),
			cluster.CodeNotInstalled, "n2: corosync is not installed; install it: apt-get install corosync"},
		{"clocks apart", spec, edit(2, func(f *cluster.Facts) { f.Skew = time.Minute }),
			cluster.CodeClock, "n2: its clock is 1m0s ahead of that of n1; set both clocks by NTP (timedatectl set-ntp true)"},
		{"another machine than named", spec, edit(2, func(f *cluster.Facts) { f.Hostname = "web7" }),
			cluster.CodeHostname, "n2: the machine's own name is web7; name it web7, or check where n2 leads"},
		{"two names of one machine", spec, edit(2, func(f *cluster.Facts) { f.Machine = "machine-n1" }),
			cluster.CodeSameMachine, "n2: it has the same machine id as n1; give each machine an id of its own: rm /etc/machine-id; systemd-machine-id-setup"},
		{"a login that is not root", spec, edit(2, func(f *cluster.Facts) { f.UID = 1000 }),
			cluster.CodeNotRoot, "n2: the login is not root; log in as root (-l root), or give --sudo"},
		{"no systemd", spec, edit(2, func(f *cluster.Facts) { f.Systemd = false }),
			cluster.CodeNoSystemd, "n2: the machine is not run by systemd; use a machine that is run by systemd"},
		{"a full disk", spec, edit(2, func(f *cluster.Facts) { f.FreeKB["/etc"] = 12 }),
			cluster.CodeDiskFull, "n2: /etc has only 12 KiB left; make room"},
		{"Proxmox VE beside others", spec, edit(2, func(f *cluster.Facts) { f.PVE = &cluster.PVE{Mounted: true} }),
			cluster.CodeLayout, "n2 is Proxmox VE, n1 and n3 are not; make a cluster of one kind"},
		{"pmxcfs that does not run", spec, edit(2, func(f *cluster.Facts) { f.PVE = &cluster.PVE{} }),
			cluster.CodePmxcfs, "n2: pmxcfs does not run there, or does not answer; systemctl restart pve-cluster"},
		{"guests on a node that joins", spec, edit(2, func(f *cluster.Facts) { f.PVE = &cluster.PVE{Mounted: true, Guests: []string{"100", "101"}} }),
			cluster.CodeGuests, "n2: it has 2 guests (100 and 101), whose configuration would be lost: /etc/pve of a node that joins gives way to that of the cluster; move them to the cluster by backup and restore, or make this node the first one"},
		{"another operation under way", spec, edit(2, func(f *cluster.Facts) {
			f.Holder = &cluster.Holder{Command: "clusterctl create x", User: "eve", Host: "admin2", Since: "2026-01-02T03:04:05Z"}
		}), cluster.CodeHeld, "n2: held by eve@admin2 since 2026-01-02T03:04:05Z: clusterctl create x; wait until that has ended"},
		{"an operation that was interrupted", spec, edit(2, func(f *cluster.Facts) {
			f.Ops = []cluster.Entry{{ID: "x1", Plan: &cluster.Plan{}, Log: []cluster.Note{{Phase: cluster.Doing, Step: "key"}}}}
		}), cluster.CodeUnfinished, "n2: operation x1 was interrupted and is neither finished nor undone; clusterctl -H n2 op resume x1, or: clusterctl -H n2 op undo x1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := cluster.PlanCreate(tt.spec, tt.facts, key)
			if p != nil {
				t.Error("there is a plan")
			}
			for _, problem := range cluster.ProblemsOf(err) {
				if problem.Code == tt.code && problem.String() == tt.want {
					return
				}
			}
			t.Errorf("no problem %s:\n  %s\namong:\n%v", tt.code, tt.want, err)
		})
	}
}

func TestCreateTellsAllProblemsAtOnce(t *testing.T) {
	facts := three()
	facts[0].UID = 1000
	facts[1].Corosync = cluster.Version{}
	facts[2].Skew = time.Hour
	_, err := cluster.PlanCreate(request("n1", "n2", "n3"), facts, key)
	nodes := map[string]bool{}
	for _, p := range cluster.ProblemsOf(err) {
		nodes[p.Node] = true
	}
	if !nodes["n1"] || !nodes["n2"] || !nodes["n3"] {
		t.Errorf("problems:\n%v", err)
	}
}

func TestForceSetsFilesOfADeadClusterAside(t *testing.T) {
	s := request("n1", "n2", "n3")
	s.Force = true
	facts := three()
	carrying(otherConf)(facts[0])
	facts[0].Key = cluster.FileState{Exists: true, Hash: "x"}
	p := planOf(t, s, facts)
	var aside int
	for _, n := range p.Notes {
		if strings.Contains(n.Message, "set aside") {
			aside++
		}
	}
	if aside != 2 {
		t.Errorf("%d files are announced as set aside, want 2: %v", aside, p.Notes)
	}
}

func TestIfMissingKnowsAClusterThatIsAsAsked(t *testing.T) {
	s := request("n1", "n2", "n3")
	conf := string(newConf(t, planOf(t, s, three())).Bytes())
	up := func() []*cluster.Facts {
		facts := three()
		for _, f := range facts {
			carrying(conf)(f)
			f.Runtime = &cluster.Runtime{Quorum: quorum.Status{Quorate: true}}
		}
		return facts
	}
	tests := []struct {
		name  string
		edit  func(*cluster.CreateSpec, []*cluster.Facts)
		there bool
		want  string // a part of what is different
	}{
		{"as asked", func(*cluster.CreateSpec, []*cluster.Facts) {}, true, ""},
		{"not there at all", func(_ *cluster.CreateSpec, f []*cluster.Facts) { copy(f, three()) }, false, ""},
		{"one node not in it", func(_ *cluster.CreateSpec, f []*cluster.Facts) { f[1] = machine(2) }, false, "n2: it is not in cluster prod"},
		{"another id", func(s *cluster.CreateSpec, _ []*cluster.Facts) { s.Nodes[0].ID = 7 }, false, "n1: its node id is 1, not 7"},
		{"other links", func(s *cluster.CreateSpec, _ []*cluster.Facts) { s.Links = s.Links[:1] }, false, "n1: its links are"},
		{"another transport", func(s *cluster.CreateSpec, _ []*cluster.Facts) { s.Transport = "udpu"; s.Links = s.Links[:1] }, false, "the transport is knet, not udpu"},
		{"one node more than asked", func(s *cluster.CreateSpec, _ []*cluster.Facts) { s.Nodes = s.Nodes[:2] }, false, "n3: it is in the cluster, and was not named"},
		{"not running", func(_ *cluster.CreateSpec, f []*cluster.Facts) { f[2].Runtime = nil }, false, "n3: it is not up and quorate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, facts := request("n1", "n2", "n3"), up()
			tt.edit(&s, facts)
			there, ps := s.Present(facts[:len(s.Nodes)])
			if there != tt.there || tt.want == "" && len(ps) > 0 || !strings.Contains(ps.Error(), tt.want) {
				t.Errorf("Present is %v, %v; want %v, %q", there, ps, tt.there, tt.want)
			}
		})
	}
}
