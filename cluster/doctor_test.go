package cluster_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
)

// patient is the view of a world whose nodes were examined: the largest
// partition speaks for the cluster.
func (w *world) patient(t *testing.T) *cluster.View {
	t.Helper()
	var seeds []cluster.PlanNode
	for _, m := range w.Machines() {
		seeds = append(seeds, cluster.PlanNode{Name: m.Name()})
	}
	c := &cluster.Connector{Closely: true, Connect: w.admin.Connect}
	v, nodes, err := c.Look(t.Context(), seeds)
	if err != nil {
		t.Fatal(err)
	}
	cluster.CloseAll(nodes)
	for i := range v.Nodes {
		f := v.Nodes[i].Facts
		if f == nil {
			continue
		}
		f.Signs = &cluster.Signs{Result: "success", KeyMode: "400", KeyOwner: "root", KeySize: 256}
		if !f.Key.Exists {
			f.Signs.KeyMode, f.Signs.KeySize = "", 0
		}
		for n, a := range f.Addrs[1:3] {
			f.Signs.Interfaces = append(f.Signs.Interfaces, cluster.Interface{Name: fmt.Sprintf("eth%d", n), Up: true, Carrier: true, MTU: 1500, Addrs: []netip.Prefix{a}})
		}
	}
	return v
}

// logged gives a node a log.
func logged(lines ...string) func(*cluster.Facts) {
	return func(f *cluster.Facts) {
		for i, l := range lines {
			f.Signs.Log = append(f.Signs.Log, cluster.LogLine{At: time.Unix(1e9+int64(i), 0), Text: l})
		}
	}
}

// replacing changes the text of a machine's corosync.conf.
func replacing(w *world, old, new string, nodes ...string) {
	for _, n := range nodes {
		w.Machine(n).SetFile(cluster.ConfPath, strings.Replace(w.Machine(n).File(cluster.ConfPath), old, new, 1))
	}
}

// fault is something that is wrong with a cluster, as its facts show it.
type fault struct {
	name    string
	nodes   int  // 0: three
	pve     bool // of Proxmox VE
	plant   func(w *world)
	facts   map[string]func(*cluster.Facts) // what is different on nodes
	view    func(*cluster.View)
	code    cluster.Code
	node    string
	command string // "*": any
	shows   string // in the evidence or the message
}

var faults = []fault{
	{name: "a stopped node", plant: func(w *world) { w.Machine("n3").Stop("corosync") }, code: cluster.CodeInactive, node: "n3", command: "clusterctl start n3"},
	{name: "a node that failed", plant: func(w *world) { w.Machine("n3").Stop("corosync") },
		facts: map[string]func(*cluster.Facts){"n3": func(f *cluster.Facts) {
			f.Units["corosync"] = cluster.Unit{Loaded: true, Active: "failed", Enabled: true}
			f.Signs.Result, f.Signs.Exit = "signal", "signal 9"
			logged("Main process exited, code=killed, status=9/KILL")(f)
		}}, code: cluster.CodeCorosync, node: "n3", command: "clusterctl start n3", shows: "status=9/KILL"},
	{name: "a masked unit", plant: func(w *world) { w.Machine("n3").Stop("corosync") },
		facts: map[string]func(*cluster.Facts){"n3": func(f *cluster.Facts) {
			f.Units["corosync"] = cluster.Unit{Masked: true, Active: "inactive"}
		}}, code: cluster.CodeMasked, node: "n3", command: "ssh root@n3 systemctl unmask corosync"},
	{name: "a unit that is not enabled", facts: map[string]func(*cluster.Facts){"n2": func(f *cluster.Facts) {
		f.Units["corosync"] = cluster.Unit{Loaded: true, Active: "active"}
	}}, code: cluster.CodeDisabled, node: "n2", command: "clusterctl enable n2"},
	{name: "a process that was stopped", facts: map[string]func(*cluster.Facts){"n3": func(f *cluster.Facts) {
		f.Signs.Stopped = true
		f.Runtime = &cluster.Runtime{Err: errors.New("corosync-quorumtool -s: no answer")}
	}}, code: cluster.CodeHung, node: "n3", command: "ssh root@n3 systemctl kill --signal=CONT corosync"},
	{name: "a disk that is full", facts: map[string]func(*cluster.Facts){"n2": func(f *cluster.Facts) { f.FreeKB["/var/lib"] = 12 }},
		code: cluster.CodeDiskFull, node: "n2", shows: "/var/lib has 12 KiB left"},
	{name: "a file that differs", plant: func(w *world) { replacing(w, "nodelist {", "# mine\nnodelist {", "n2") },
		code: cluster.CodeConfigDrift, node: "n2", command: "clusterctl conf sync --from n1"},
	{name: "a file that is not there", plant: func(w *world) { w.Machine("n3").Stop("corosync"); w.Machine("n3").SetFile(cluster.ConfPath, "") },
		code: cluster.CodeConfigInvalid, node: "n3", command: "clusterctl conf sync"},
	{name: "a file that the parser refuses", plant: func(w *world) {
		w.Machine("n3").Stop("corosync")
		replacing(w, "nodelist {", "nodelist\n{", "n3")
	}, facts: map[string]func(*cluster.Facts){"n3": func(f *cluster.Facts) {
		f.Signs.Test = []string{"parser error: /etc/corosync/corosync.conf:23: Line is not opening or closing section or key value"}
	}}, code: "syntax", node: "n3", command: "clusterctl conf sync", shows: "corosync -t: parser error"},
	{name: "a file that the parser refuses everywhere", plant: func(w *world) {
		for _, n := range []string{"n1", "n2", "n3"} {
			w.Machine(n).Stop("corosync")
		}
		replacing(w, "totem {", "totem {\n\ttoken 5000", "n1", "n2", "n3")
	}, code: "syntax", command: "clusterctl doctor --fix"},
	{name: "a name that does not resolve", plant: func(w *world) {
		w.Machine("n3").Stop("corosync")
		replacing(w, "ring0_addr: 10.0.0.3", "ring0_addr: n3.lan", "n1", "n2", "n3")
	}, facts: map[string]func(*cluster.Facts){
		"n1": resolving("n3.lan", "10.0.0.3"), "n2": resolving("n3.lan", "10.0.0.3"), "n3": resolving("n3.lan"),
	}, code: "unresolvable", node: "n3", shows: "ring0_addr: n3.lan"},
	{name: "a name that means something else on one node", plant: func(w *world) {
		replacing(w, "ring0_addr: 10.0.0.3", "ring0_addr: n3.lan", "n1", "n2", "n3")
	}, facts: map[string]func(*cluster.Facts){
		"n1": resolving("n3.lan", "10.0.0.3"), "n2": resolving("n3.lan", "10.0.0.99"), "n3": resolving("n3.lan", "10.0.0.3"),
	}, code: cluster.CodeNames, node: "n2", shows: "10.0.0.99"},
	{name: "a name that means loopback", plant: func(w *world) {
		replacing(w, "ring0_addr: 10.0.0.3", "ring0_addr: n3", "n1", "n2", "n3")
	}, facts: map[string]func(*cluster.Facts){
		"n1": resolving("n3", "10.0.0.3"), "n2": resolving("n3", "10.0.0.3"), "n3": resolving("n3", "127.0.1.1"),
	}, code: cluster.CodeLoopback, node: "n3"},
	{name: "a machine with another name", facts: map[string]func(*cluster.Facts){"n2": func(f *cluster.Facts) { f.Hostname = "web" }},
		code: cluster.CodeHostname, node: "n2", command: "ssh root@n2 hostnamectl set-hostname n2"},
	{name: "a key that differs", plant: func(w *world) { w.Machine("n3").Stop("corosync"); w.Machine("n3").SetFile(cluster.KeyPath, "x") },
		code: cluster.CodeKeyDrift, node: "n3", command: "clusterctl conf sync"},
	{name: "a key that corosync does not run with", plant: func(w *world) { w.Machine("n3").Side(1) },
		facts: map[string]func(*cluster.Facts){"n3": func(f *cluster.Facts) {
			f.Signs.Started, f.Signs.KeyTime = time.Unix(1e9, 0), time.Unix(1e9+60, 0)
		}}, code: cluster.CodeKeyDrift, node: "n3", command: "clusterctl restart n3"},
	{name: "a login that is not root's", view: func(v *cluster.View) {
		for _, n := range v.Nodes {
			n.Facts.UID = 1000
		}
	}, code: cluster.CodeNotRoot, shows: "on all nodes"},
	{name: "a program that is gone", plant: func(w *world) { w.Machine("n3").Stop("corosync") },
		facts: map[string]func(*cluster.Facts){"n3": func(f *cluster.Facts) {
			f.Corosync = cluster.Version{}
			f.Signs.Test = []string{"timeout: failed to run command 'corosync': No such file or directory"}
		}}, code: cluster.CodeNotInstalled, node: "n3"},
	{name: "a key that is not there", plant: func(w *world) { w.Machine("n3").Stop("corosync"); w.Machine("n3").SetFile(cluster.KeyPath, "") },
		code: cluster.CodeKeyMissing, node: "n3", command: "clusterctl conf sync"},
	{name: "a key that is too short", plant: func(w *world) { w.Machine("n3").Stop("corosync") },
		facts: map[string]func(*cluster.Facts){"n3": func(f *cluster.Facts) { f.Signs.KeySize = 20 }},
		code:  cluster.CodeKeyMissing, node: "n3", command: "clusterctl conf sync"},
	{name: "a key that all can read", facts: map[string]func(*cluster.Facts){"n2": func(f *cluster.Facts) { f.Signs.KeyMode = "644" }},
		code: cluster.CodeKeyMode, node: "n2", command: "clusterctl doctor --fix"},
	{name: "a node that came up with an older file", plant: func(w *world) {
		w.Machine("n3").Stop("corosync")
		replacing(w, "config_version: 1", "config_version: 0", "n3")
	}, facts: map[string]func(*cluster.Facts){"n3": logged("[CMAP ] Received config version (1) is different than my config version (0)! Exiting")},
		code: cluster.CodeBehind, node: "n3", command: "clusterctl conf sync", shows: "Exiting"},
	{name: "a node that is ahead", plant: func(w *world) { replacing(w, "config_version: 1", "config_version: 7", "n3") },
		code: cluster.CodeAhead, node: "n3", command: "clusterctl conf sync"},
	{name: "a change that was not reloaded", plant: func(w *world) { replacing(w, "config_version: 1", "config_version: 2", "n1", "n2", "n3") },
		code: cluster.CodeConfigPending, command: "clusterctl conf sync --from n1"},
	{name: "an interface that is down", plant: func(w *world) { w.Machine("n3").Side(1) },
		facts: map[string]func(*cluster.Facts){"n3": func(f *cluster.Facts) { f.Signs.Interfaces[0].Up, f.Signs.Interfaces[1].Up = false, false }},
		code:  cluster.CodeIfaceDown, node: "n3", command: "ssh root@n3 ip link set eth0 up"},
	{name: "a cable that is out", plant: func(w *world) { w.Machine("n3").Side(1) },
		facts: map[string]func(*cluster.Facts){"n3": func(f *cluster.Facts) {
			f.Signs.Interfaces[0].Carrier, f.Signs.Interfaces[1].Carrier = false, false
		}}, code: cluster.CodeNoCarrier, node: "n3", shows: "link 1: its interface eth1"},
	{name: "an address that is gone", facts: map[string]func(*cluster.Facts){"n3": func(f *cluster.Facts) { f.Signs.Interfaces[1].Addrs = nil }},
		code: cluster.CodeNoAddr, node: "n3", command: "ssh root@n3 ip addr add 10.0.1.3/24 dev eth1"},
	{name: "an address that another node has", facts: map[string]func(*cluster.Facts){
		"n3": func(f *cluster.Facts) { f.Signs.Interfaces[1].Addrs = nil },
		"n2": func(f *cluster.Facts) {
			f.Signs.Interfaces[1].Addrs = append(f.Signs.Interfaces[1].Addrs, netip.MustParsePrefix("10.0.1.3/24"))
		},
	}, code: cluster.CodeWrongNode, node: "n3", shows: "on n2"},
	{name: "an MTU that differs", facts: map[string]func(*cluster.Facts){"n2": func(f *cluster.Facts) { f.Signs.Interfaces[0].MTU = 1400 }},
		code: cluster.CodeMTU, node: "n2", command: "ssh root@n2 ip link set eth0 mtu 1500"},
	{name: "packets that are too large", facts: map[string]func(*cluster.Facts){
		"n1": logged("[KNET ] pmtud: possible MTU misconfiguration detected. kernel is reporting MTU: 1500 bytes for host 3 link 0"),
	}, code: cluster.CodeMTU, shows: "for host 3 link 0"},
	{name: "a packet filter", plant: func(w *world) { w.Machine("n3").Side(1) },
		facts: map[string]func(*cluster.Facts){"n3": func(f *cluster.Facts) {
			f.Signs.Filter = []cluster.Filter{{Family: "inet", Table: "fw", Chain: "input", Hook: "input", Rule: "udp dport 5405-5412 drop # handle 4"}}
		}}, code: cluster.CodeFirewall, node: "n3", command: "ssh root@n3 nft insert rule inet fw input udp dport 5405-5412 accept"},
	{name: "a split that nothing on the nodes explains", plant: func(w *world) { w.Machine("n3").Side(1) }, code: cluster.CodePartition, node: "n3"},
	{name: "three of five off", nodes: 5, plant: func(w *world) { w.die("n3"); w.die("n4"); w.die("n5") }, code: cluster.CodeNotQuorate, shows: "n3, n4 and n5"},
	{name: "three of five stopped", nodes: 5, plant: func(w *world) {
		for _, n := range []string{"n3", "n4", "n5"} {
			w.Machine(n).Stop("corosync")
		}
	}, code: cluster.CodeNotQuorate, command: "clusterctl start n3 n4 n5"},
	{name: "all stopped", plant: func(w *world) {
		for _, n := range []string{"n1", "n2", "n3"} {
			w.Machine(n).Stop("corosync")
		}
	}, code: cluster.CodeNotQuorate, command: "clusterctl start --all"},
	{name: "all stopped, and one file is newer", plant: func(w *world) {
		for _, n := range []string{"n1", "n2", "n3"} {
			w.Machine(n).Stop("corosync")
		}
		replacing(w, "config_version: 1", "config_version: 2", "n2")
	}, code: cluster.CodeAhead, node: "n2"},
	{name: "a node that is off", plant: func(w *world) { w.die("n3") }, code: cluster.CodeUnreachable, node: "n3"},
	{name: "a member without SSH", plant: func(w *world) { w.Machine("n3").Deaf = true }, code: cluster.CodeUnreachable, node: "n3", shows: "count it as a member"},
	{name: "waiting for all", nodes: 2, plant: func(w *world) {
		w.Machine("n1").Stop("corosync")
		w.die("n2")
		if err := w.Machine("n1").Start("corosync"); err != nil {
			panic(err)
		}
	}, code: cluster.CodeWaiting, shows: "n2"},
	{name: "expected votes that were raised", view: func(v *cluster.View) {
		for _, n := range v.Nodes {
			n.Facts.Runtime.Quorum.Expected, n.Facts.Runtime.Quorum.Highest = 5, 5
		}
	}, code: cluster.CodeExpected, command: "clusterctl expected 3"},
	{name: "clocks that are apart", facts: map[string]func(*cluster.Facts){"n3": func(f *cluster.Facts) { f.Skew = time.Minute }},
		code: cluster.CodeClock, node: "n3"},
	{name: "a corosync of another version", facts: map[string]func(*cluster.Facts){"n3": func(f *cluster.Facts) { f.Corosync.Patch = 9 }},
		code: cluster.CodeVersionMix, shows: "3.1.9 on n3"},
	{name: "a lock that is held", facts: map[string]func(*cluster.Facts){"n2": func(f *cluster.Facts) {
		f.Holder = &cluster.Holder{User: "eve", Host: "pc", Command: "clusterctl add n4"}
	}}, code: cluster.CodeHeld, node: "n2", shows: "eve@pc"},
	{name: "two_node with three nodes", plant: func(w *world) {
		replacing(w, "quorum {", "quorum {\n\ttwo_node: 1", "n1", "n2", "n3")
	}, code: "two-node", command: "clusterctl conf unset quorum.two_node"},
	{name: "expected_votes that are too low", plant: func(w *world) {
		replacing(w, "quorum {", "quorum {\n\texpected_votes: 2", "n1", "n2", "n3")
		replacing(w, "config_version: 1", "config_version: 2", "n1", "n2", "n3")
		w.Machine("n1").Reload()
	}, code: "expected-votes", command: "clusterctl conf unset quorum.expected_votes"},
	{name: "expected_votes that are too high", plant: func(w *world) {
		replacing(w, "quorum {", "quorum {\n\texpected_votes: 9", "n1", "n2", "n3")
	}, code: "never-quorate", command: "clusterctl conf unset quorum.expected_votes"},
	{name: "one id for two nodes", plant: func(w *world) {
		w.Machine("n3").Stop("corosync")
		replacing(w, "nodeid: 3", "nodeid: 2", "n3")
	}, code: "duplicate-nodeid", node: "n3", command: "clusterctl conf sync"},
	{name: "a key that a node took along", facts: map[string]func(*cluster.Facts){"n1": func(f *cluster.Facts) {
		f.Owed = cluster.KeyOwed{Hash: f.Key.Hash, Nodes: []string{"n4"}}
	}}, code: cluster.CodeKeyOwed, shows: "n4"},
	{name: "a machine without time for corosync", facts: map[string]func(*cluster.Facts){
		"n2": logged("[MAIN ] Corosync main process was not scheduled (@1764412345) for 4123.4 ms (threshold is 2400.0 ms).",
			"[TOTEM ] A new membership (1.9) was formed. Members left: 3"),
	}, code: cluster.CodeUnscheduled, node: "n2"},
	{name: "pmxcfs that does not run", pve: true, plant: func(w *world) { w.Machine("n2").Stop("pve-cluster") },
		facts: map[string]func(*cluster.Facts){"n2": func(f *cluster.Facts) {
			f.Signs.PVELog = []cluster.LogLine{{Text: "[main] crit: Unable to resolve node name 'n2' to a non-loopback IP address"}}
		}}, code: cluster.CodePmxcfs, node: "n2", command: "ssh root@n2 systemctl restart pve-cluster", shows: "Unable to resolve node name"},
	{name: "pmxcfs that is by itself", pve: true, facts: map[string]func(*cluster.Facts){"n2": func(f *cluster.Facts) {
		f.PVE.Conf, f.PVE.Version = cluster.FileState{Hash: cluster.Absent}, 0
	}}, code: cluster.CodePmxcfs, node: "n2", command: "ssh root@n2 'systemctl stop pve-cluster; mkdir -p /var/lib/pve-cluster/aside && mv /var/lib/pve-cluster/config.db* /var/lib/pve-cluster/aside; systemctl start pve-cluster'"},
	{name: "pmxcfs that was started by itself", pve: true, plant: func(w *world) { w.Machine("n2").Part() },
		code: cluster.CodePmxcfs, node: "n2", command: "ssh root@n2 'pkill --ns $$ -x pmxcfs; systemctl restart pve-cluster'"},
	{name: "pmxcfs that cannot be written", pve: true, facts: map[string]func(*cluster.Facts){"n2": func(f *cluster.Facts) { f.PVE.Writable = false }},
		code: cluster.CodePmxcfs, node: "n2", command: "ssh root@n2 systemctl restart pve-cluster"},
	{name: "files that are newer than the one in /etc/pve", pve: true, plant: func(w *world) {
		replacing(w, "config_version: 1", "config_version: 2", "n1", "n2", "n3")
		w.Machine("n1").Reload()
	}, code: cluster.CodeConfigDrift, command: "clusterctl conf sync", shows: "(version 2) is newer than that in /etc/pve (version 1)"},
	{name: "another file in /etc/pve", pve: true, plant: func(w *world) {
		w.Machine("n1").Publish(w.Machine("n1").Published() + "# mine\n")
	}, code: cluster.CodeConfigDrift, command: "clusterctl conf sync", shows: "/etc/pve/corosync.conf (version 1) is not that of the cluster"},
	{name: "a newer file without quorum", pve: true, plant: func(w *world) {
		w.Machine("n2").Crash()
		w.Machine("n3").Crash()
		replacing(w, "config_version: 1", "config_version: 2", "n1")
		w.Machine("n1").Reload()
	}, code: cluster.CodeConfigDrift, node: "n1", shows: "is newer than that in /etc/pve"},
	{name: "a token that is short", plant: func(w *world) {
		replacing(w, "totem {", "totem {\n\ttoken: 300", "n1", "n2", "n3")
	}, code: "short-token", command: "clusterctl conf unset totem.token"},
}

func (f fault) patient(t *testing.T) *cluster.View {
	t.Helper()
	n := max(f.nodes, 2)
	if f.nodes == 0 {
		n = 3
	}
	w := running
	if f.pve {
		w = func(t *testing.T, m, n int, _ func(*corosyncconf.File) error) *world { return virtual(t, m, n) }
	}
	return f.in(t, w(t, n, n, nil))
}

func (f fault) in(t *testing.T, w *world) *cluster.View {
	t.Helper()
	w.Trouble = nil
	if f.plant != nil {
		f.plant(w)
	}
	v := w.patient(t)
	for i := range v.Nodes {
		if edit := f.facts[v.Nodes[i].Name]; edit != nil {
			edit(v.Nodes[i].Facts)
		}
	}
	if f.view != nil {
		f.view(v)
	}
	return v
}

func describe(causes []cluster.Cause) string {
	var b strings.Builder
	for _, c := range causes {
		fmt.Fprintf(&b, "%s %s %s: %s\n  %s\n  -> %s\n  $ %s\n", c.Severity, c.Code, c.Node, c.Message, strings.Join(c.Evidence, "\n  "), c.Remedy, c.Command)
	}
	return b.String()
}

func TestDoctorNamesTheCauseFirst(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			causes := cluster.Diagnose(f.patient(t))
			if len(causes) == 0 {
				t.Fatal("nothing is wrong")
			}
			c := causes[0]
			if c.Code != f.code || c.Node != f.node || f.command != "*" && c.Command != f.command || !strings.Contains(c.Message+strings.Join(c.Evidence, "\n"), f.shows) {
				t.Errorf("want %s %q, command %q, showing %q; got\n%s", f.code, f.node, f.command, f.shows, describe(causes))
			}
		})
	}
}

func TestDoctorFindsNothingInAHealthyCluster(t *testing.T) {
	for _, n := range []int{2, 3, 5} {
		w := running(t, n, n, nil)
		if causes := cluster.Diagnose(w.patient(t)); len(causes) > 0 {
			t.Errorf("%d nodes:\n%s", n, describe(causes))
		}
	}
}

// Corosync takes a name in the nodelist for the machine's own whatever domain
// either has.
func TestNamesWithDomainsAreTheMachines(t *testing.T) {
	for _, hostname := range []string{"n3", "n3.example.com", "N3.lan"} {
		w := running(t, 3, 3, nil)
		replacing(w, "name: n3", "name: n3.example.com", "n1", "n2", "n3")
		v := w.patient(t)
		for i := range v.Nodes {
			if f := v.Nodes[i].Facts; f.Hostname == "n3.example" {
				f.Hostname = hostname
			}
		}
		if causes := cluster.Diagnose(v); len(causes) > 0 {
			t.Errorf("%s: doctor:\n%s", hostname, describe(causes))
		}
		for _, p := range cluster.CheckCluster(cluster.CheckSpec{}, v).Result().Findings {
			if p.Code == cluster.CodeHostname {
				t.Errorf("%s: check: %s", hostname, p)
			}
		}
	}
}

// What a symptom comes of is told, and not the symptom beside it.
func TestDoctorTellsNoSymptomBesideItsCause(t *testing.T) {
	for _, f := range faults {
		causes := cluster.Diagnose(f.patient(t))
		for _, c := range causes[1:] {
			if len(causes[0].Node) > 0 && c.Node == causes[0].Node && c.Severity == cluster.Error {
				t.Errorf("%s:\n%s", f.name, describe(causes))
			}
		}
	}
}

// dangerous begins commands that may cost quorum or data.
var dangerous = []string{"clusterctl stop", "clusterctl delnode", "clusterctl separate", "clusterctl key rotate", "clusterctl restart --all", "--force", "rm ", "cancel_wait_for_all", "systemctl stop", "systemctl restart"}

func TestDoctorProposesNothingDangerous(t *testing.T) {
	for _, f := range faults {
		for _, c := range cluster.Diagnose(f.patient(t)) {
			command := strings.NewReplacer("systemctl restart pve-cluster", "", "systemctl stop pve-cluster", "").Replace(c.Command) // corosync runs on, and HA bears it for a minute
			if slices.ContainsFunc(dangerous, func(d string) bool { return strings.Contains(command, d) }) {
				t.Errorf("%s: %s", f.name, c.Command)
			}
		}
	}
}

// Started with what its unit wants, pmxcfs would start a corosync that is stopped.
func TestDoctorStartsNoCorosyncWithPmxcfs(t *testing.T) {
	w := virtual(t, 3, 3)
	w.Machine("n2").Stop("pve-cluster")
	w.Machine("n2").Stop("corosync")
	const want = "ssh root@n2 systemctl restart --job-mode=ignore-dependencies pve-cluster"
	causes := cluster.Diagnose(w.patient(t))
	if !slices.ContainsFunc(causes, func(c cluster.Cause) bool { return c.Code == cluster.CodePmxcfs && c.Command == want }) {
		t.Errorf("got\n%s", describe(causes))
	}
}

// The last resort is told in words, with its danger, and never as the command.
func TestDoctorSpellsOutTheLastResort(t *testing.T) {
	for name, want := range map[string]string{
		"three of five off": "bring back n3, n4 or n5; only if that cannot be, and n3, n4 and n5 are switched off for certain, since two clusters at once destroy data: clusterctl -H n1 expected 2",
		"waiting for all":   "bring back n2; only if that cannot be, and n2 is switched off for certain, since two clusters at once destroy data: ssh root@n1 corosync-cmapctl -s quorum.cancel_wait_for_all u8 1",
	} {
		i := slices.IndexFunc(faults, func(f fault) bool { return f.name == name })
		c := cluster.Diagnose(faults[i].patient(t))[0]
		if c.Remedy != want || c.Command != "" {
			t.Errorf("%s: remedy %q, command %q", name, c.Remedy, c.Command)
		}
	}
}

// Every code that doctor gives is in the tables that docs/codes.md is made of.
func TestDoctorsCodesAreListed(t *testing.T) {
	known := map[cluster.Code]bool{}
	for _, c := range cluster.CodeTable() {
		known[c.Code] = true
	}
	for _, c := range corosyncconf.CodeTable() {
		known[cluster.Code(c.Code)] = true
	}
	for _, f := range faults {
		for _, c := range cluster.Diagnose(f.patient(t)) {
			if !known[c.Code] {
				t.Errorf("%s: %s", f.name, c.Code)
			}
		}
	}
}

// While corosync is seen to run on the other side there is no last resort: the
// two sides would be two clusters.
func TestDoctorHasNoLastResortBesideNodesThatRun(t *testing.T) {
	w := running(t, 4, 4, nil)
	w.Trouble = nil
	w.Machine("n3").Side(1)
	w.Machine("n4").Side(1)
	causes := cluster.Diagnose(w.patient(t))
	i := slices.IndexFunc(causes, func(c cluster.Cause) bool { return c.Code == cluster.CodeNotQuorate })
	if i < 0 || causes[i].Remedy != "mend what keeps n3 and n4, where corosync runs, apart from the others" {
		t.Errorf("got\n%s", describe(causes))
	}
	if text := describe(causes); strings.Contains(text, "clusterctl -H n1 expected") {
		t.Errorf("a last resort is told:\n%s", text)
	}
}

// A node that has quorum by two_node is not restarted by itself.
func TestDoctorDoesNotRestartANodeWithQuorum(t *testing.T) {
	w := running(t, 2, 2, nil)
	w.Trouble = nil
	w.Machine("n2").Side(1)
	v := w.patient(t)
	if !v.Nodes[1].Facts.Runtime.Quorum.Quorate {
		t.Fatal("two_node leaves n2 without quorum")
	}
	v.Nodes[1].Facts.Signs.Started, v.Nodes[1].Facts.Signs.KeyTime = time.Unix(1e9, 0), time.Unix(1e9+60, 0)
	c := cluster.Diagnose(v)[0]
	if c.Code != cluster.CodeKeyDrift || c.Command != "" || c.Fixable() || !strings.Contains(c.Remedy, "both sides have quorum") {
		t.Errorf("got\n%s", describe([]cluster.Cause{c}))
	}
}

// Files that were broken while corosync runs are found before it is restarted.
func TestDoctorFindsAClusterThatRunsWithBrokenFiles(t *testing.T) {
	w := running(t, 3, 3, nil)
	w.Trouble = nil
	replacing(w, "totem {", "totem {\n\ttoken 5000", "n1", "n2", "n3")
	if c := cluster.Diagnose(w.patient(t))[0]; c.Code != "syntax" || !strings.HasPrefix(c.Message, "on all nodes") {
		t.Errorf("got\n%s", describe([]cluster.Cause{c}))
	}
}

// Expected votes are raised again when that leaves as many failures to survive.
func TestDoctorRaisesExpectedVotesOnlyWithTheNodes(t *testing.T) {
	for dead, want := range map[int]string{2: "", 1: "clusterctl expected 5"} {
		w := running(t, 5, 5, nil)
		w.Trouble = nil
		for i := range dead {
			w.die(fmt.Sprintf("n%d", 5-i))
		}
		v := w.patient(t)
		for i := range v.Nodes {
			if f := v.Nodes[i].Facts; f != nil {
				here := 5 - dead
				f.Runtime.Quorum.Expected, f.Runtime.Quorum.Highest, f.Runtime.Quorum.Quorum = here, here, here/2+1
			}
		}
		causes := cluster.Diagnose(v)
		i := slices.IndexFunc(causes, func(c cluster.Cause) bool { return c.Code == cluster.CodeExpected })
		if i < 0 || causes[i].Command != want || causes[i].Fixable() != (want != "") {
			t.Errorf("%d of five are off: want %q, got\n%s", dead, want, describe(causes))
		}
	}
}

// A quorum device that does not vote is told beside what has nothing to do with
// it, and not where something on the node or in the network explains it.
func TestDoctorTellsOfTheDeviceBesideOtherThings(t *testing.T) {
	tests := []struct {
		name string
		edit func(*cluster.View)
		want bool
	}{
		{"nothing else", func(*cluster.View) {}, true},
		{"a key that all can read", func(v *cluster.View) { v.Nodes[0].Facts.Signs.KeyMode = "644" }, true},
		{"a full disk on another node", func(v *cluster.View) { v.Nodes[0].Facts.FreeKB["/etc"] = 12 }, true},
		{"a full disk on that node", func(v *cluster.View) { v.Nodes[1].Facts.FreeKB["/etc"] = 12 }, false},
	}
	for _, tt := range tests {
		w := running(t, 3, 3, nil)
		w.Trouble = nil
		replacing(w, "quorum {", "quorum {\n\tdevice {\n\t\tmodel: net\n\t\tvotes: 1\n\t\tnet {\n\t\t\thost: qnetd\n\t\t\talgorithm: ffsplit\n\t\t}\n\t}", "n1", "n2", "n3")
		v := w.patient(t)
		for i := range v.Nodes {
			f := v.Nodes[i].Facts
			f.Units["corosync-qdevice"] = cluster.Unit{Loaded: true, Active: "active", Enabled: true}
			for j := range f.Runtime.Quorum.Members {
				m := &f.Runtime.Quorum.Members[j]
				m.Qdevice = "A,V,NMW"
				if m.NodeID == 2 {
					m.Qdevice = "A,NV,NMW"
				}
			}
		}
		tt.edit(v)
		causes := cluster.Diagnose(v)
		told := slices.ContainsFunc(causes, func(c cluster.Cause) bool { return c.Code == cluster.CodeDevice && c.Node == "n2" })
		if told != tt.want {
			t.Errorf("%s: told: %v\n%s", tt.name, told, describe(causes))
		}
	}
}
