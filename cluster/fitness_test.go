package cluster_test

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"clusterctl/cluster"
)

// looks is what machine i says when it is looked around on, changed by the
// edits. Every machine knows n1, n2 and n3 by their addresses on link 0.
func looks(i int, edits ...func(map[string]string)) string {
	sec := map[string]string{
		"devices": "lo 65536 -\neth0 1500 -\neth1 1500 -\n",
		"addrs": fmt.Sprintf("1: lo    inet 127.0.0.1/8 scope host lo\n2: eth0    inet 10.0.0.%[1]d/24 scope global eth0\n"+
			"3: eth1@if7    inet 10.0.1.%[1]d/24 scope global eth1\n", i),
		"packages": "libqb100 2.0.6-2 installed\nlibqb-dev 9 installed\nlibknet1t64 1.25-1 installed\nlibknet1 1.20-1 config-files\n",
		"meminfo":  "MemTotal: 4000000 kB\nMemAvailable: 3000000 kB\n",
	}
	for n := 1; n <= 3; n++ {
		sec[fmt.Sprintf("resolve:n%d", n)] = fmt.Sprintf("10.0.0.%d STREAM n%d\n", n, n)
	}
	for _, edit := range edits {
		edit(sec)
	}
	var b strings.Builder
	for name, text := range sec {
		fmt.Fprintf(&b, "%s 0 %d\n%s\n", name, len(text), text)
	}
	return b.String() + "end 0 0\n\n"
}

// looking changes a section of what a machine says.
func looking(section, text string) func(map[string]string) {
	return func(sec map[string]string) { sec[section] = text }
}

func value(v float64) *float64 { return &v }

// clean are good paths between three nodes on two links.
func clean() []cluster.Path {
	var all []cluster.Path
	for link := range 2 {
		for _, from := range []string{"n1", "n2", "n3"} {
			for _, to := range []string{"n1", "n2", "n3"} {
				if from != to {
					all = append(all, cluster.Path{Link: link, From: from, To: to, Port: 5405 + link, RTTAvg: value(.2), RTTP99: value(.4), RTTMax: value(9),
						Jitter: value(.1), MTU: 1500, PortOpen: true})
				}
			}
		}
	}
	return all
}

// on changes paths, each named as from-to, of a link.
func on(link int, change func(*cluster.Path), pairs ...string) func([]cluster.Path) {
	return func(paths []cluster.Path) {
		for i := range paths {
			if p := &paths[i]; p.Link == link && slices.Contains(pairs, p.From+"-"+p.To) {
				change(p)
			}
		}
	}
}

func blocked(p *cluster.Path) {
	*p = cluster.Path{Link: p.Link, From: p.From, To: p.To, Port: p.Port, Loss: 100}
}

func TestWhatACheckFinds(t *testing.T) {
	type edits = map[int][]func(map[string]string)
	tests := []struct {
		name  string
		facts func(f []*cluster.Facts)
		says  edits // by machine
		paths func([]cluster.Path)
		udp   bool
		args  []string // nodes, with other arguments than their names
		want  []string // severity code node: a part of the message
	}{
		{name: "nothing, where all is well"},
		{name: "a lossy cable", paths: func(p []cluster.Path) {
			for i, pair := range []string{"n1-n2", "n2-n1", "n2-n3", "n3-n2"} {
				on(1, func(p *cluster.Path) { p.Loss = 4.5 + float64(i)/2 }, pair)(p)
			}
		}, want: []string{"error packet-loss n2: link 1: 4.5 to 6 % of the packets are lost between it and n1 and n3, both ways"}},
		{name: "loss in one direction", paths: on(0, func(p *cluster.Path) { p.Loss = 3 }, "n3-n1"),
			want: []string{"error packet-loss n1: link 0: 3 % of the packets are lost to it from n3"}},
		{name: "a little loss", paths: on(0, func(p *cluster.Path) { p.Loss = .01 }, "n1-n3"),
			want: []string{"warning packet-loss n3: link 0: 0.01 % of the packets are lost to it from n1"}},
		{name: "a port that is blocked, and the rule", paths: on(0, blocked, "n1-n2", "n3-n2"),
			says: edits{2: {looking("filter", "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n\t\tudp dport 5400-5410 drop\n\t}\n}\n")}},
			want: []string{"error port-blocked n2: nothing gets through to it from n1 and n3, sent to the UDP port of the link; its firewall: udp dport 5400-5410 drop"}},
		{name: "a rule that blocks nothing", says: edits{2: {looking("filter", "-A INPUT -p udp -m udp --dport 5405 -j DROP\n")}}},
		{name: "a far network", paths: on(1, func(p *cluster.Path) { p.RTTAvg = value(7.123) }, "n1-n2", "n2-n1"),
			want: []string{"error latency n2: link 1: a round trip takes 7.12 ms between it and n1, both ways (limit 5 ms)"}},
		{name: "a slow network", paths: on(1, func(p *cluster.Path) { p.RTTAvg = value(3) }, "n1-n2"),
			want: []string{"warning latency n2: link 1: a round trip takes 3 ms to it from n1"}},
		{name: "a network that is slow at times", paths: on(1, func(p *cluster.Path) { p.RTTP99 = value(6) }, "n1-n2"),
			want: []string{"warning latency n2: a round trip takes 6 ms to it from n1"}},
		{name: "a switch that takes smaller packets", paths: on(0, func(p *cluster.Path) { p.MTU = 1400 }, "n1-n3", "n3-n1"),
			want: []string{"warning mtu n3: link 0: packets of more than 1400 bytes do not get through between it and n1, both ways"}},
		{name: "the same with udp, which does not find out", udp: true, paths: on(0, func(p *cluster.Path) { p.MTU = 1400 }, "n1-n3"),
			want: []string{"error mtu n3: link 0: packets of more than 1400 bytes do not get through to it from n1"}},
		{name: "another MTU on one interface", says: edits{2: {looking("devices", "eth0 1400 -\neth1 1500 -\n")}}, paths: on(0, func(p *cluster.Path) { p.MTU = 1400 }, "n1-n2", "n2-n1"),
			want: []string{"warning mtu n2: link 0: the MTU of its interface is 1400, and 1500 on n1 and n3"}},
		{name: "another MTU on one interface with udp", udp: true, says: edits{2: {looking("devices", "eth0 1400 -\neth1 1500 -\n")}}, paths: on(0, func(p *cluster.Path) { p.MTU = 1400 }, "n1-n2", "n2-n1"),
			want: []string{"error mtu n2: link 0: the MTU of its interface is 1400, and 1500 on n1 and n3"}},
		{name: "another MTU on one interface, and a switch that takes smaller packets", udp: true, says: edits{2: {looking("devices", "eth0 9000 -\neth1 1500 -\n")}},
			paths: on(0, func(p *cluster.Path) { p.MTU = 1400 }, "n1-n3", "n3-n1"),
			want: []string{"error mtu n2: link 0: the MTU of its interface is 9000, and 1500 on n1 and n3",
				"error mtu n3: link 0: packets of more than 1400 bytes do not get through between it and n1, both ways"}},
		{name: "multicast that stops", udp: true, paths: on(0, func(p *cluster.Path) { p.SetMulticast(60) }, "n1-n2", "n3-n2"),
			want: []string{"error multicast n2: link 0: 60 % of the multicast packets are lost to it from n1 and n3"}},
		{name: "a name that is 127.0.1.1 on the node", says: edits{3: {looking("resolve:n3", "127.0.1.1 STREAM n3\n")}},
			want: []string{"warning loopback n3: its name is 127.0.1.1 there"}},
		{name: "a name that is not the same everywhere", says: edits{1: {looking("resolve:n2", "10.0.1.2 STREAM n2\n")}},
			want: []string{"warning resolve n2: 10.0.0.2 on n2 and n3 and 10.0.1.2 on n1"}},
		{name: "a name that leads to another node", says: edits{1: {looking("resolve:n2", "10.0.0.3 STREAM n2\n")}, 2: {looking("resolve:n2", "10.0.0.3 STREAM n2\n")}, 3: {looking("resolve:n2", "10.0.0.3 STREAM n2\n")}},
			want: []string{"warning address n2: its name is 10.0.0.3 on n1, an address that it does not have, which n3 has"}},
		{name: "an address of another node", args: []string{"n1,link0=10.0.0.1", "n2,link0=10.0.0.3", "n3,link0=10.0.0.9"}, paths: func(p []cluster.Path) {},
			want: []string{"error address n2: the node does not have the address 10.0.0.3, which n3 has", "error address n3: does not have the address 10.0.0.9"}},
		{name: "an address that two nodes have", facts: func(f []*cluster.Facts) { f[2].Addrs = append(f[2].Addrs, netip.MustParsePrefix("10.0.0.1/32")) }, args: []string{"n1,link0=10.0.0.1", "n2,link0=10.0.0.2", "n3,link0=10.0.0.3"},
			want: []string{"error address n1: link 0: it has the address 10.0.0.1, which n3 has too"}},
		{name: "a clock a minute ahead", facts: func(f []*cluster.Facts) { f[1].Skew = 60e9 },
			want: []string{"error clock n2: its clock is 1m0s ahead of that of n1"}},
		{name: "libraries that differ", says: edits{3: {looking("packages", "libqb100 2.0.8-2 installed\nlibknet1t64 1.25-1 installed\n")}},
			want: []string{"warning version-mix : libqb versions differ: 2.0.6-2 on n1 and n2 and 2.0.8-2 on n3"}},
		{name: "a bond below a VLAN below a bridge, with guests", says: edits{1: {
			looking("devices", "vmbr0 1500 - bond0.5 tap100i0 fwpr101p0\nbond0.5 1500 - bond0\nbond0 1500 balance-rr eno1 eno2\neth1 1500 -\n"),
			looking("addrs", "2: vmbr0    inet 10.0.0.1/24 scope global vmbr0\n3: eth1    inet 10.0.1.1/24 scope global eth1\n")}},
			want: []string{"warning bond-mode n1: link 0 goes over the bond bond0 in mode balance-rr", "warning shared-interface n1: link 0: vmbr0 also carries guests (tap100i0, fwpr101p0)"}},
		{name: "a bond that is active-backup until the next boot", says: edits{1: {
			looking("devices", "bond0 1500 active-backup eno1 eno2\neth1 1500 -\n"), looking("interfaces", "auto bond0\niface bond0 inet static\n\tbond-mode 4\n"),
			looking("addrs", "2: bond0    inet 10.0.0.1/24 scope global bond0\n3: eth1    inet 10.0.1.1/24 scope global eth1\n")}},
			want: []string{"warning bond-mode n1: link 0 goes over the bond bond0 in mode 802.3ad"}},
		{name: "two links on one cable", says: edits{1: {looking("devices", "eth0 1500 -\neth0.7 1500 - eth0\n"),
			looking("addrs", "2: eth0    inet 10.0.0.1/24 scope global eth0\n3: eth0.7@eth0    inet 10.0.1.1/24 scope global eth0.7\n")}},
			want: []string{"warning shared-interface n1: links 0 and 1 both go over eth0"}},
		{name: "storage on a VLAN of the same cable", says: edits{1: {looking("devices", "eth0 1500 -\neth1 1500 -\neth0.9 1500 - eth0\n"), looking("storage", "0 0 10.0.9.1:900 10.0.9.100:2049\n"),
			looking("addrs", "2: eth0    inet 10.0.0.1/24 scope global eth0\n3: eth1    inet 10.0.1.1/24 scope global eth1\n4: eth0.9@eth0    inet 10.0.9.1/24 scope global eth0.9\n")}},
			want: []string{"warning shared-interface n1: link 0: eth0 also carries storage (connections from 10.0.9.1)"}},
		{name: "migrations on a link", says: edits{1: {looking("datacenter", "keyboard: de\nmigration: secure,network=10.0.1.0/24\n")}},
			want: []string{"warning shared-interface n1: link 1: eth1 also carries migrations (network 10.0.1.0/24)"}},
		{name: "little memory", says: edits{2: {looking("meminfo", "MemAvailable: 100000 kB\n")}},
			want: []string{"warning memory n2: 97 MiB of memory are available"}},
		{name: "leftovers of another cluster", facts: func(f []*cluster.Facts) { carrying(otherConf)(f[0]) },
			want: []string{"error other-cluster n1: is that of another cluster, other"}},
		{name: "no leftovers in a distribution's default", facts: func(f []*cluster.Facts) { carrying(debianDefault)(f[0]) }},
		{name: "a node that create refuses", facts: func(f []*cluster.Facts) { f[2].Systemd, f[1].FreeKB["/etc"] = false, 10 },
			want: []string{"error disk-full n2: /etc has only 10 KiB left", "error no-systemd n3: not run by systemd"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			facts := three()
			if tt.facts != nil {
				tt.facts(facts)
			}
			spec := cluster.CheckSpec{}
			if tt.args == nil {
				tt.args = []string{"n1", "n2", "n3"}
				spec.Links, _ = cluster.ParseLinks([]string{"10.0.0.0/24", "10.0.1.0/24"})
			}
			if tt.udp {
				spec.Transport = "udp"
				spec.Links = spec.Links[:1]
			}
			spec.Nodes, _ = cluster.ParseNodes(tt.args)
			surveys := map[string]string{}
			for i := 1; i <= 3; i++ {
				surveys[fmt.Sprintf("n%d", i)] = looks(i, tt.says[i]...)
			}
			paths := clean()
			if tt.paths != nil {
				tt.paths(paths)
			}
			f := cluster.Measured(spec, facts, surveys, paths).Result()
			var got []string
			fit := true
			for _, p := range f.Findings {
				got = append(got, fmt.Sprintf("%s %s %s: %s", p.Severity, p.Code, p.Node, p.Message))
				fit = fit && p.Severity == cluster.Warning
				if p.Remedy == "" {
					t.Errorf("%s: no remedy", p)
				}
			}
			if f.Fit != fit {
				t.Errorf("fit is %v", f.Fit)
			}
			ok := len(got) == len(tt.want)
			for i := 0; ok && i < len(got); i++ {
				head, text, _ := strings.Cut(tt.want[i], ": ")
				ok = strings.HasPrefix(got[i], head+": ") && strings.Contains(got[i], text)
			}
			if !ok {
				t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// How long the program takes to a node is no time of the measurement's.
func TestASlowCopyTakesNothingFromTheMeasurement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := cluster.CheckSpec{Quick: true}
		spec.Links, _ = cluster.ParseLinks([]string{"10.0.0.0/24", "10.0.1.0/24"})
		spec.Nodes, _ = cluster.ParseNodes([]string{"n1", "n2", "n3"})
		nodes := map[string]cluster.Node{}
		for i := range 3 {
			nodes[fmt.Sprintf("n%d", i+1)] = &cluster.MeasuredNode{Start: func() (io.Reader, io.WriteCloser) {
				time.Sleep(time.Duration(i) * 2 * time.Minute)
				return idleAgent(10 * time.Second)
			}}
		}
		c := cluster.Measured(spec, three(), nil, nil)
		if err := c.Measure(t.Context(), nodes, nil); err != nil {
			t.Fatal(err)
		}
		for _, p := range c.Result().Findings {
			if p.Code == cluster.CodeUnmeasured {
				t.Error(p)
			}
		}
	})
}

// idleAgent is an agent that takes its time to send nothing.
func idleAgent(takes time.Duration) (io.Reader, io.WriteCloser) {
	orders, in := io.Pipe()
	out, answers := io.Pipe()
	go func() {
		defer answers.Close()
		for lines := bufio.NewScanner(orders); lines.Scan(); {
			switch text := lines.Text(); {
			case strings.Contains(text, `"Task"`):
				fmt.Fprintln(answers, `{"Bound":[]}`)
			case strings.Contains(text, `"Run"`):
				time.Sleep(takes)
				fmt.Fprintln(answers, `{"Done":true}`)
			case strings.Contains(text, `"Report"`):
				fmt.Fprintln(answers, `{"Report":{}}`)
			}
		}
	}()
	return out, in
}

func TestTheMulticastGroupIsCorosyncs(t *testing.T) {
	tests := []struct{ conf, addr, want string }{
		{"totem {\n cluster_name: debian\n transport: udp\n}\n", "10.0.0.1", "239.192.24.204"},
		{"totem {\n cluster_name: prod\n transport: udp\n}\n", "10.0.0.1", "239.192.6.144"},
		{"totem {\n cluster_name: prod\n transport: udp\n}\n", "fd00::1", "ff15::68a"},
		{"totem {\n cluster_name: prod\n transport: udp\n interface {\n linknumber: 0\n mcastaddr: 239.1.2.3\n}\n}\n", "10.0.0.1", "239.1.2.3"},
	}
	for _, tt := range tests {
		if got := cluster.Group(parsed(tt.conf), 0, netip.MustParseAddr(tt.addr)); got.String() != tt.want {
			t.Errorf("%q: %s, want %s", tt.conf, got, tt.want)
		}
	}
}

func TestACreateKnocksOnEveryPathItsCorosyncsWillUse(t *testing.T) {
	p := planOf(t, request("n1", "n2", "n3"), three())
	got := p.Knocks(three())
	slices.Sort(got)
	want := []string{"n1-n2:0:5405", "n1-n2:1:5406", "n1-n3:0:5405", "n1-n3:1:5406", "n2-n1:0:5405", "n2-n1:1:5406",
		"n2-n3:0:5405", "n2-n3:1:5406", "n3-n1:0:5405", "n3-n1:1:5406", "n3-n2:0:5405", "n3-n2:1:5406"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAMemberIsKnockedAtBesideItsCorosync(t *testing.T) {
	facts := three()
	p := planOf(t, request("n1", "n2", "n3"), facts)
	conf := newConf(t, p)
	for _, f := range facts[:2] {
		carrying(string(conf.Bytes()))(f)
		f.Units["corosync"] = cluster.Unit{Loaded: true, Active: "active"}
	}
	for _, k := range p.Knocks(facts) {
		toNew, members := strings.Contains(k, "-n3:"), strings.HasPrefix(k, "n1-n2") || strings.HasPrefix(k, "n2-n1")
		if members || strings.HasSuffix(k, ":5412") == toNew {
			t.Error(k)
		}
	}
}

func TestWhatKnockingTells(t *testing.T) {
	tests := []struct {
		name string
		said map[string]string
		want string // severity node: a part of the message; "" is nothing
	}{
		{"all is there", nil, ""},
		{"nobody answers for an address", map[string]string{"n1-n2:1": "no neighbour", "n3-n2:1": "no neighbour"},
			"error n2: link 1: nothing gets through to it from n1 and n3: nobody there answers for the address"},
		{"a firewall says no", map[string]string{"n1-n3:0": "no route"}, "error n3: link 0: nothing gets through to it from n1: no route"},
		{"the own firewall says no", map[string]string{"n1-n3:0": "no firewall"}, "error n3: link 0: packets are not let out to it from n1"},
		{"a port alone is blocked", map[string]string{"n2-n1:0": "no port", "n3-n1:0": "no port"},
			"error n1: link 0: packets to the UDP port of the link do not get through to it from n2 and n3"},
		{"silence can mean anything", map[string]string{"n2-n1:0": "silent"}, "warning n1: link 0: it is not sure that packets get through to it from n2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := planOf(t, request("n1", "n2", "n3"), three()).Heard(three(), tt.said)
			var texts []string
			for _, p := range got {
				texts = append(texts, fmt.Sprintf("%s %s: %s", p.Severity, p.Node, p.Message))
			}
			text := strings.Join(texts, "\n")
			if len(got) > 1 || (tt.want == "") != (text == "") || !strings.HasPrefix(text, tt.want) {
				t.Errorf("got %q, want %q", text, tt.want)
			}
		})
	}
}
