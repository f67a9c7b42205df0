//go:build linux && node

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
	"clusterctl/internal/lab"
)

// plantedFault is something that is broken in a lab of five nodes, with what
// doctor must call it, first of all.
type plantedFault struct {
	name  string
	plant func(*site)
	until string      // what is awaited before doctor is asked: see site.until
	code  string      // of the first cause
	node  string      // and its node
	mend  func(*site) // nil: doctor --fix --yes mends it
	by    bool        // the command of the first cause mends it, and then doctor --fix --yes what is left
	args  []string    // of doctor
}

// sh is a plant or mend that runs a script on a node.
func sh(node, script string) func(*site) { return func(s *site) { s.on(node, script) } }

// onAll is sh on every node.
func onAll(script string) func(*site) {
	return func(s *site) {
		for _, n := range s.names() {
			s.on(n, script)
		}
	}
}

func both(fs ...func(*site)) func(*site) {
	return func(s *site) {
		for _, f := range fs {
			f(s)
		}
	}
}

// edited changes corosync.conf on every node by a sed script, under another
// version, and has all take it.
func edited(script string) func(*site) {
	return both(onAll(bump+"sed -i '"+script+"' /etc/corosync/corosync.conf"), sh("n1", "corosync-cfgtool -R"))
}

const (
	conf = "/etc/corosync/corosync.conf"
	// bump raises config_version by one.
	bump = "v=$(sed -n 's/^[[:space:]]*config_version: *//p' " + conf + "); sed -i \"s/config_version: $v/config_version: $((v+1))/\" " + conf + "; "
	stop = "systemctl stop corosync; "
)

// on5 breaks something on n5 while corosync does not run there.
func on5(script string) func(*site) { return sh("n5", stop+script) }

func try(s *site, errs ...error) {
	s.t.Helper()
	if err := errors.Join(errs...); err != nil {
		s.t.Fatal(err)
	}
}

func cut(links ...int) func(*site) {
	return func(s *site) {
		for _, l := range links {
			try(s, s.Node("n5").Cut(s.t.Context(), l))
		}
	}
}

func heal(s *site) { try(s, s.Node("n5").HealAll(s.t.Context())) }

func drop(percent int, links ...int) func(*site) {
	return func(s *site) {
		for _, l := range links {
			try(s, s.Node("n5").Drop(s.t.Context(), l, percent))
		}
	}
}

func firewall(rules ...string) func(*site) {
	return func(s *site) { try(s, s.Node("n5").Firewall(s.t.Context(), rules...)) }
}

func power(on bool, nodes ...string) func(*site) {
	return func(s *site) {
		for _, n := range nodes {
			if on {
				try(s, s.Node(n).Boot(s.t.Context()))
			} else {
				try(s, s.Node(n).Kill(s.t.Context()))
			}
		}
	}
}

func plantedFaults() []plantedFault {
	return []plantedFault{
		{name: "service stopped", plant: on5(""), code: "inactive", node: "n5"},
		{name: "service killed", plant: sh("n5", "systemctl kill --signal=KILL corosync"), until: "n5 off", code: "corosync-failed", node: "n5"},
		{name: "unit masked", plant: sh("n5", "systemctl mask --now corosync 2>/dev/null"), code: "masked", node: "n5", by: true},
		{name: "unit disabled", plant: sh("n5", "systemctl -q disable corosync"), code: "disabled", node: "n5"},
		{name: "program gone", plant: on5("mv /usr/sbin/corosync /root"), code: "not-installed", node: "n5",
			mend: sh("n5", "mv /root/corosync /usr/sbin; systemctl start corosync")},
		{name: "process stopped", plant: sh("n5", "systemctl kill --signal=STOP corosync"), until: "n5 away", code: "hung", node: "n5", by: true},
		{name: "disk full", plant: func(s *site) { try(s, s.Node("n5").FillDisk()) }, code: "disk-full", node: "n5",
			mend: func(s *site) { try(s, s.Node("n5").FreeDisk()) }},

		{name: "file differs", plant: sh("n5", "echo '# mine' >>"+conf), code: "config-drift", node: "n5"},
		{name: "file differs on a node that was stopped", plant: on5("echo '# mine' >>" + conf), code: "config-drift", node: "n5"},
		{name: "file ahead", plant: sh("n5", bump+bump), code: "node-ahead", node: "n5"},
		{name: "file behind, version gate", plant: func(s *site) {
			s.on("n5", stop+"cp "+conf+" /root/old")
			s.must(cli.ExitOK, "conf", "set", "totem.token_retransmits_before_loss_const", "8")
			s.on("n5", "cp /root/old "+conf+"; systemctl start corosync")
		}, until: "n5 off", code: "node-behind", node: "n5"},
		{name: "change not reloaded", plant: onAll(bump), code: "config-pending"},
		{name: "no file", plant: on5("rm " + conf), code: "config-invalid", node: "n5"},
		{name: "file of another cluster", plant: on5("sed -i 's/cluster_name: .*/cluster_name: other/' " + conf), code: "not-this-cluster", node: "n5"},
		{name: "parse error on a node that is down", plant: on5("echo 'token 5000' >>" + conf), code: "syntax", node: "n5"},
		{name: "parse error on a node that runs", plant: sh("n5", "echo '}' >>"+conf), code: "syntax", node: "n5"},
		{name: "address that does not resolve", plant: on5("sed -i 's/10.99.10.15/n5.nowhere.invalid/' " + conf), code: "unresolvable", node: "n5"},
		{name: "not itself in the nodelist", plant: on5("sed -i 's/name: n5/name: web/; s/10.99.10.15/10.99.10.99/; s/10.99.11.15/10.99.11.99/' " + conf), code: "local-node", node: "n5"},
		{name: "one id twice", plant: on5("sed -i 's/nodeid: 4/nodeid: 5/' " + conf), code: "duplicate-nodeid", node: "n5"},
		{name: "links that are uneven", plant: on5("sed -i '/10.99.11.14/d' " + conf), code: "uneven-links", node: "n5"},
		{name: "no such provider", plant: on5("sed -i 's/corosync_votequorum/corosync_vote/' " + conf), code: "provider", node: "n5"},
		{name: "value out of range", plant: on5("sed -i 's/cluster_name/token: many\\n cluster_name/' " + conf), code: "bad-value", node: "n5"},
		{name: "no such cipher", plant: on5("sed -i 's/crypto_cipher: .*/crypto_cipher: rot13/' " + conf), code: "bad-value", node: "n5"},

		{name: "key differs on a node that is down", plant: on5("head -c 256 /dev/urandom >/etc/corosync/authkey"), code: "key-drift", node: "n5"},
		{name: "key differs on a node that runs with it", plant: on5("head -c 256 /dev/urandom >/etc/corosync/authkey; systemctl start corosync"), until: "n5 away", code: "key-drift", node: "n5"},
		{name: "key gone", plant: on5("rm /etc/corosync/authkey"), code: "key-missing", node: "n5"},
		{name: "key short", plant: on5("head -c 20 /dev/urandom >/root/k; cat /root/k >/etc/corosync/authkey"), code: "key-missing", node: "n5"},
		{name: "key readable", plant: sh("n5", "chmod 644 /etc/corosync/authkey"), code: "key-readable", node: "n5"},
		{name: "key owed", plant: sh("n1", "k=$(sha256sum </etc/corosync/authkey); printf '%s\\nn6\\n' ${k%% *} >/var/lib/clusterctl/keyowed"), code: "key-owed",
			mend: sh("n1", "rm /var/lib/clusterctl/keyowed")},

		{name: "cable of a link out", plant: cut(1), until: "link", code: "no-carrier", node: "n5", mend: heal},
		{name: "cables of all links out", plant: cut(0, 1), until: "n5 away", code: "no-carrier", node: "n5", mend: heal},
		{name: "interface down", plant: sh("n5", "ip link set link1 down"), until: "link", code: "interface-down", node: "n5", by: true},
		{name: "address gone", plant: sh("n5", "ip addr del 10.99.11.15/24 dev link1"), until: "link", code: "address-missing", node: "n5", by: true},
		{name: "address on another node", plant: both(sh("n5", "ip addr del 10.99.11.15/24 dev link1"), sh("n4", "ip addr add 10.99.11.15/24 dev link1")), until: "link",
			code: "address-elsewhere", node: "n5", mend: both(sh("n4", "ip addr del 10.99.11.15/24 dev link1"), sh("n5", "ip addr add 10.99.11.15/24 dev link1"))},
		{name: "firewall on a link", plant: firewall("udp dport 5406 drop"), until: "link", code: "firewall", node: "n5", by: true},
		{name: "firewall on all links", plant: firewall("udp dport 5405-5412 drop"), until: "n5 away", code: "firewall", node: "n5", by: true},
		{name: "firewall from one node", plant: firewall("ip saddr 10.99.11.11 udp dport 5406 drop"), until: "link", code: "firewall", node: "n5", by: true},
		{name: "firewall on the way out", plant: sh("n5", "nft 'table inet out { chain output { type filter hook output priority 0; udp dport 5405-5406 drop; }; }'"), until: "n5 away",
			code: "firewall", node: "n5", by: true},
		{name: "packets lost on a link", plant: drop(100, 1), until: "link", code: "link-down", node: "n5", mend: drop(0, 1)},
		{name: "packets lost on all links", plant: drop(100, 0, 1), until: "n5 away", code: "partition", node: "n5", mend: drop(0, 0, 1)},
		{name: "MTU differs", plant: sh("n5", "ip link set link1 mtu 1400"), code: "mtu", node: "n5", by: true},
		{name: "host name differs", plant: sh("n5", "hostname web"), code: "hostname", node: "n5", mend: sh("n5", "hostname n5")},

		{name: "SSH down", plant: sh("n5", "systemctl stop ssh.socket ssh 2>/dev/null; true"), code: "unreachable", node: "n5", mend: sh("n5", "systemctl start ssh")},
		{name: "login refused", plant: sh("n5", "mv /root/.ssh/authorized_keys /root"), code: "auth", node: "n5", mend: sh("n5", "mv /root/authorized_keys /root/.ssh")},
		{name: "not root", plant: func(*site) {}, code: "not-root", args: []string{"-l", "admin"}, mend: func(*site) {}},
		{name: "node off", plant: power(false, "n5"), until: "n5 away", code: "unreachable", node: "n5", mend: power(true, "n5")},
		{name: "clock a minute off", plant: func(s *site) { try(s, s.Node("n5").Clock(s.t.Context(), time.Minute)) }, code: "clock", node: "n5",
			mend: func(s *site) { try(s, s.Node("n5").Clock(s.t.Context(), 0)) }},
		{name: "lock held", plant: sh("n5", `echo '{"command":"clusterctl add n6","user":"eve","host":"pc"}' >/var/lib/clusterctl/holder
setsid flock /var/lib/clusterctl/lock sleep 600 >/dev/null 2>&1 </dev/null & echo $! >/root/holder; sleep 0.2`), code: "held", node: "n5",
			mend: sh("n5", "kill -- -$(cat /root/holder); rm /var/lib/clusterctl/holder")},
		{name: "operation left open", plant: func(s *site) { s.killMidway("n5", "restart", "n5") }, code: "unfinished"},

		{name: "expected votes raised", plant: sh("n1", "corosync-quorumtool -e 9"), code: "expected-votes"},
		{name: "two_node with five nodes", plant: edited("s/provider:.*/&\\n  two_node: 1/"), code: "two-node", by: true},
		{name: "expected_votes stale", plant: edited("s/provider:.*/&\\n  expected_votes: 4/"), code: "expected-votes", by: true},
		{name: "token short", plant: edited("s/ token: .*/ token: 1300\\n  token_coefficient: 0/"), code: "short-token", by: true},
		{name: "quorum device not there", plant: edited("s/provider:.*/&\\n  device {\\n    model: net\\n    votes: 1\\n    net {\\n      host: 10.99.0.1\\n      algorithm: ffsplit\\n    }\\n  }/"),
			code: "quorum-device", mend: edited("/device {/,/^  }/d")},
		{name: "name of an address differs", plant: both(edited("s/10.99.10.15/n5/"), sh("n4", "sed 's/10.99.10.15/10.99.10.77/' /etc/hosts >/root/h; cp /etc/hosts /root/hosts; cat /root/h >/etc/hosts")),
			code: "names-differ", node: "n4", mend: sh("n4", "cat /root/hosts >/etc/hosts")},
		{name: "own name is loopback", plant: sh("n5", "cp /etc/hosts /root/hosts; sed 's/10.99.10.15/127.0.1.1/' /root/hosts >/etc/hosts"),
			code: "loopback", node: "n5", mend: both(sh("n5", "cat /root/hosts >/etc/hosts"), edited("s/ring0_addr: n5/ring0_addr: 10.99.10.15/"))},

		{name: "three of five stopped", plant: both(sh("n3", stop), sh("n4", stop), sh("n5", stop)), until: "n5 away", code: "not-quorate"},
		{name: "three of five off", plant: power(false, "n3", "n4", "n5"), until: "n5 away", code: "not-quorate", mend: power(true, "n3", "n4", "n5")},
		{name: "all stopped", plant: onAll(stop), code: "not-quorate"},
		{name: "broken file everywhere", plant: onAll(stop + "echo 'token 5000' >>" + conf), code: "syntax"},
		{name: "waiting for all", plant: both(onAll(stop), onAll(bump+"sed -i 's/provider:.*/&\\n  wait_for_all: 1/' "+conf),
			sh("n1", "systemctl start corosync & wait"), sh("n2", "systemctl start corosync"), sh("n3", "systemctl start corosync")), until: "3 nodes", code: "waiting"},
		{name: "a member that is not listed", plant: func(s *site) {
			for _, n := range []string{"n1", "n2", "n3", "n4"} {
				s.on(n, bump+`awk '/node \{/{b=$0; keep=1; while(getline l>0){b=b"\n"l; if(l~/name: n5/)keep=0; if(l~/\}/)break} if(keep)print b; next}1' `+conf+` >/root/c; cat /root/c >`+conf)
			}
			s.on("n1", "corosync-cfgtool -R")
		}, code: "unknown-member", args: []string{"-H", "n1"}, mend: sh("n5", stop)},
	}
}

// until waits for the effect of a fault.
func (s *site) until(what string) {
	s.t.Helper()
	switch {
	case what == "":
	case what == "link":
		s.await("a link that is down", func() bool {
			return slices.ContainsFunc(s.status("--connect-timeout", "2s").Problems, func(p cluster.Problem) bool { return p.Code == cluster.CodeLinkDown })
		})
	case strings.HasSuffix(what, " nodes"):
		s.await(what, func() bool { return strings.HasPrefix(what, fmt.Sprint(s.status("-H", "n1").Quorum.Nodes)) })
	case strings.HasSuffix(what, " off"):
		node := strings.TrimSuffix(what, " off")
		s.await(what, func() bool { return strings.TrimSpace(s.on(node, "pidof corosync || echo none")) == "none" })
	case strings.HasSuffix(what, " away"):
		node := strings.TrimSuffix(what, " away")
		s.await(what, func() bool {
			return slices.ContainsFunc(s.status("-H", "n1", "--connect-timeout", "2s").Nodes, func(n cluster.StatusNode) bool { return n.Name == node && !n.Member })
		})
	default:
		s.t.Fatalf("what is %q?", what)
	}
}

// killMidway runs clusterctl and kills it as soon as a step is at work on a node.
func (s *site) killMidway(node string, args ...string) {
	s.t.Helper()
	cmd := s.command(s.t.Context(), args...)
	try(s, cmd.Start())
	s.await("a step on "+node, func() bool {
		return strings.Contains(s.on(node, "cat /var/lib/clusterctl/op/*/log 2>/dev/null; true"), " do ")
	})
	try(s, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	s.await("the lock", func() bool {
		return strings.Contains(s.on(node, "flock -n /var/lib/clusterctl/lock echo free; true"), "free")
	})
}

// causes asks doctor.
func (s *site) causes(args ...string) []cluster.Cause {
	s.t.Helper()
	r := s.ctl(append([]string{"doctor", "-o", "json", "--connect-timeout", "2s"}, args...)...)
	var doc struct{ Causes []cluster.Cause }
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil {
		s.t.Errorf("doctor: %v", r)
	}
	if want := map[bool]int{true: cli.ExitBad, false: cli.ExitOK}[len(doc.Causes) > 0]; r.code != want {
		s.t.Errorf("doctor: exit code %d, want %d", r.code, want)
	}
	return doc.Causes
}

// do runs a command that doctor proposes.
func (s *site) do(command string) {
	s.t.Helper()
	words := strings.Fields(command)
	if words[0] == "clusterctl" {
		s.must(cli.ExitOK, append(words[1:], "--yes")...)
		return
	}
	if out, err := s.Command(s.t.Context(), words[0], words[1:]...).CombinedOutput(); err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 0 {
			s.t.Fatalf("%s: %v: %s", command, err, out)
		}
	}
}

// risky are words of commands that may cost quorum or data.
var risky = []string{"stop", "delnode", "separate", "rotate", "restart --all", "--force", "rm ", "cancel_wait_for_all", "corosync-quorumtool"}

// form makes a cluster of all nodes, of which an earlier file is kept.
func (s *site) form() {
	s.t.Helper()
	s.must(cli.ExitOK, s.create()...)
	s.must(cli.ExitOK, "conf", "set", "totem.token", "2500")
}

// well tells whether nothing is wrong but what a busy machine does to corosync.
func well(causes []cluster.Cause) bool {
	return !slices.ContainsFunc(causes, func(c cluster.Cause) bool { return c.Code != cluster.CodeUnscheduled })
}

// Doctor names what was broken before anything else, in at least nine of ten
// faults, and what it proposes mends it. Every fifth fault is planted, at length
// all of them.
func TestNodeDoctorNamesPlantedFaults(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 5, Links: 2})
	s.form()
	if causes := s.causes(); !well(causes) {
		t.Errorf("a healthy cluster: %+v", causes)
	}
	named, asked := 0, 0
	every := rand.IntN(5)
	for i, f := range plantedFaults() {
		if rounds(t, 0) == 0 && i%5 != every {
			continue
		}
		ok := t.Run(f.name, func(t *testing.T) {
			s := &site{s.Lab, t, s.home}
			asked++
			began := time.Now()
			if f.score(s) {
				named++
			}
			t.Logf("took %s", time.Since(began).Round(time.Second/10))
		})
		if !ok { // the next one finds a cluster that is well, whatever became of this one
			try(s, s.Reset(t.Context()))
			s.form()
		}
	}
	t.Logf("doctor named %d of %d planted faults first", named, asked)
	if 10*named < 9*asked {
		t.Errorf("that is less than nine of ten")
	}
}

// score plants the fault, asks doctor, has it mended, and tells whether doctor
// named it first.
func (f plantedFault) score(s *site) bool {
	s.t.Helper()
	f.plant(s)
	s.until(f.until)
	causes := s.causes(f.args...)
	var first cluster.Cause
	if len(causes) > 0 {
		first = causes[0]
	}
	named := string(first.Code) == f.code && first.Node == f.node
	if !named {
		text, err := json.MarshalIndent(causes, "", " ")
		s.t.Logf("MISSED: want %s %s, got (%v)\n%s", f.code, f.node, err, text)
	}
	for _, c := range causes {
		if slices.ContainsFunc(risky, func(w string) bool { return strings.Contains(c.Command, w) }) {
			s.t.Errorf("%s: a risky command: %s", c.Code, c.Command)
		}
	}
	if f.by && first.Command != "" {
		s.do(first.Command)
	}
	if f.mend != nil {
		f.mend(s)
	} else if r := s.ctl("doctor", "--fix", "--yes", "--connect-timeout", "2s"); r.code != cli.ExitOK && r.code != cli.ExitBad {
		s.t.Errorf("doctor --fix: %v", r)
	}
	if f.code != string(cluster.CodeUnknownMember) { // n5 is out then, as the last fault leaves it
		s.await("health", func() bool { return s.ctl("status", "--connect-timeout", "2s").code == cli.ExitOK })
	}
	firewall()(s)
	s.on("n5", "nft delete table inet out 2>/dev/null; true")
	return named
}

// A node that was separated is out, and a cluster can be made of it alone.
func TestNodeSeparate(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 3, Links: 1})
	s.must(cli.ExitOK, s.create()...)
	r := s.must(cli.ExitOK, "separate", "n3", "--yes")
	if !strings.Contains(r.out, "cluster prod goes on without n3, which is by itself now\nLeft to do by hand:\n  - storage") {
		t.Error(r)
	}
	if out := s.on("n3", "ls /etc/corosync/corosync.conf /etc/corosync/authkey /var/lib/corosync/ringid_3 2>/dev/null; systemctl is-active corosync; systemctl is-enabled corosync; true"); strings.Fields(out)[0] != "inactive" || strings.Fields(out)[1] != "disabled" {
		t.Errorf("n3 still has of the cluster: %s", out)
	}
	if st := s.status("-H", "n1"); len(st.Problems) > 0 || len(st.Nodes) != 2 {
		t.Errorf("the rest: %+v", st)
	}
	s.must(cli.ExitOK, "create", "solo", "n3", "--link", s.Net(0).String())
	if st := s.status("-H", "n3"); !st.Quorum.Quorate || st.Cluster.Name != "solo" || len(st.Problems) > 0 {
		t.Errorf("n3 by itself: %+v", st)
	}
}
