//go:build linux && node

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
	"clusterctl/internal/lab"
)

// check runs check with -o json and expects an exit code.
func (s *site) check(code int, args ...string) *cluster.Fitness {
	s.t.Helper()
	r := s.must(code, append([]string{"check", "-o", "json"}, args...)...)
	var f cluster.Fitness
	if err := json.Unmarshal([]byte(r.out), &f); err != nil {
		s.t.Fatalf("read %q: %v", r.out, err)
	}
	if f.Fit != (code == cli.ExitOK) {
		s.t.Errorf("fit is %v, the exit code %d", f.Fit, code)
	}
	return &f
}

// found are the findings, as severity code node.
func found(f *cluster.Fitness) []string {
	all := []string{}
	for _, p := range f.Findings {
		all = append(all, fmt.Sprintf("%s %s %s", p.Severity, p.Code, p.Node))
	}
	slices.Sort(all)
	return all
}

func (s *site) finds(f *cluster.Fitness, want ...string) {
	s.t.Helper()
	slices.Sort(want)
	if got := found(f); !slices.Equal(got, want) {
		s.t.Errorf("found\n%s\nwant\n%s\nin %+v", strings.Join(got, "\n"), strings.Join(want, "\n"), f.Findings)
	}
}

// path is the one path of that kind.
func (s *site) path(f *cluster.Fitness, link int, from, to string) cluster.Path {
	s.t.Helper()
	for _, p := range f.Paths {
		if p.Link == link && p.From == from && p.To == to {
			return p
		}
	}
	s.t.Fatalf("no path from %s to %s on link %d in %+v", from, to, link, f.Paths)
	return cluster.Path{}
}

// What is wrong with a network or a node is found where it is, and nothing else.
func TestNodeCheck(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 3, Links: 2})
	n1, n2, n3 := s.Node("n1"), s.Node("n2"), s.Node("n3")
	do := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	nodes := []string{"n1", "n2", "n3", "--link", s.Net(0).String(), "--link", s.Net(1).String()}
	quick := append(slices.Clone(nodes), "--quick")

	// All is well.
	before := s.state()
	f := s.check(cli.ExitOK, quick...)
	s.finds(f)
	if len(f.Paths) != 12 {
		t.Errorf("%d paths", len(f.Paths))
	}
	for _, p := range f.Paths {
		if !p.PortOpen || p.Loss > 0 || p.MTU != 1500 || p.Port != 5405+p.Link || p.RTTAvg == nil || p.Multicast != nil {
			t.Errorf("%+v", p)
		}
	}

	// Faults of many kinds at once.
	do(n2.Firewall(t.Context(), "ip saddr "+n1.Addr(0).String()+" udp dport 5405 drop"), n3.Clock(t.Context(), time.Minute))
	s.on("n3", "ip link set link1 mtu 1400")
	s.on("n1", "cp /etc/hosts /root/hosts && sed -i 's/^.* n1$/127.0.1.1 n1/' /etc/hosts")
	f = s.check(cli.ExitBad, quick...)
	s.finds(f, "error port-blocked n2", "error clock n3", "warning mtu n3", "warning loopback n1")
	for _, p := range f.Paths {
		if blocked := p.From == "n1" && p.To == "n2" && p.Link == 0; p.PortOpen == blocked {
			t.Errorf("%+v", p)
		}
		// A veth takes 4 bytes more than it should, for a VLAN's tag.
		if narrow := p.Link == 1 && (p.From == "n3" || p.To == "n3"); p.PortOpen && p.RTTAvg != nil && narrow != (1400 <= p.MTU && p.MTU <= 1404) {
			t.Errorf("MTU: %+v", p)
		}
	}
	r := s.must(cli.ExitBad, append([]string{"check"}, quick...)...)
	for line := range strings.Lines(r.out[:strings.Index(r.out, "Findings")]) {
		if len(line) > 81 {
			t.Errorf("a line of %d columns: %s", len(line)-1, line)
		}
	}
	if !strings.Contains(r.out, "its firewall: ip saddr") || !strings.Contains(r.out, "blocked") {
		t.Error(r)
	}
	// Create finds the port too, and leaves all as it is.
	if r := s.must(cli.ExitFailed, s.create()...); !strings.Contains(r.err, "n2: its clock") && !strings.Contains(r.err, "clock") {
		t.Error(r)
	}
	do(n3.Clock(t.Context(), 0))
	s.on("n3", "ip link set link1 mtu 1500")
	s.on("n1", "cat /root/hosts >/etc/hosts")
	if r := s.must(cli.ExitFailed, s.create()...); !strings.Contains(r.err, "n2: link 0: packets to the UDP port of the link do not get through to it from n1, while those to another port do") {
		t.Error(r)
	}
	do(n2.Firewall(t.Context()))

	// An address of another node, and a name that leads there.
	f = s.check(cli.ExitBad, "n1,link0="+n1.Addr(0).String(), "n2,link0="+n3.Addr(0).String(), "--quick")
	s.finds(f, "error address n2")

	// A place for programs cannot be found on n3, and n1 and n2 are measured; nor does multicast get to n2.
	s.on("n3", "for d in /tmp /run /var/tmp /root; do mount --bind $d $d && mount -o remount,bind,noexec $d; done")
	do(n2.Firewall(t.Context(), "ip daddr 224.0.0.0/4 drop"))
	f = s.check(cli.ExitBad, "n1", "n2", "n3", "--link", s.Net(0).String(), "--transport", "udp", "--quick")
	s.finds(f, "error multicast n2", "error unmeasured n3")
	if len(f.Paths) != 2 || *s.path(f, 0, "n1", "n2").Multicast || !*s.path(f, 0, "n2", "n1").Multicast {
		t.Errorf("%+v", f.Paths)
	}
	s.on("n3", "for d in /tmp /run /var/tmp /root; do umount $d; done")
	do(n2.Firewall(t.Context()))

	// What is lost is counted.
	do(n2.Drop(t.Context(), 1, 5))
	f = s.check(cli.ExitBad, nodes...)
	s.finds(f, "error packet-loss n2")
	for _, p := range f.Paths {
		planted := 0.0
		if p.Link == 1 && (p.From == "n2" || p.To == "n2") {
			planted = 5
		}
		if math.Abs(p.Loss-planted) > 1 {
			t.Errorf("%.2f %% lost of %.0f planted: %+v", p.Loss, planted, p)
		}
	}
	do(n2.Drop(t.Context(), 1, 0))

	// An agent goes with its client, however that ends.
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		ctx, cancel := context.WithCancel(t.Context())
		cmd := s.command(ctx, append([]string{"check", "--duration", "10m"}, nodes...)...)
		do(cmd.Start())
		agents := func() string { return strings.TrimSpace(s.on("n1", "pgrep -f '^/proc/self/fd/[0-9]+ probe$' || true")) }
		s.await("an agent runs", func() bool { return agents() != "" })
		do(cmd.Process.Signal(signal))
		_ = cmd.Wait() // it was interrupted
		cancel()
		s.await("the agent is gone", func() bool { return agents() == "" })
	}
	if left := s.on("n1", "ls -d /tmp/clusterctl.* /run/clusterctl.* /var/tmp/clusterctl.* /root/clusterctl.* 2>/dev/null || true"); left != "" {
		t.Errorf("left: %s", left)
	}
	if diff := s.state(); fmt.Sprint(diff) != fmt.Sprint(before) {
		t.Errorf("changed: %v", diff)
	}

	// A cluster that there is.
	s.must(cli.ExitOK, s.create()...)
	f = s.check(cli.ExitOK, "-H", "n1", "--quick")
	s.finds(f)
	for _, p := range f.Paths {
		if !p.PortOpen || p.Port == 5405+p.Link {
			t.Errorf("%+v", p)
		}
	}
	do(n3.Kill(t.Context()))
	s.on("n2", fmt.Sprintf("ip addr del %s/24 dev link1 && ip addr add 10.99.11.77/24 dev link1", n2.Addr(1)))
	s.on("n1", fmt.Sprintf("ip addr add %s/32 dev lo", n2.Addr(1)))
	f = s.check(cli.ExitBad, "-H", "n1", "--quick", "--connect-timeout", "2s")
	s.finds(f, "error unreachable n3", "error address n2")
}
