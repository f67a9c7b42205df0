//go:build linux && node

package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"clusterctl/corosyncconf"
	"clusterctl/internal/lab"
	"clusterctl/quorum"

	"github.com/google/go-cmp/cmp"
)

// TestNodeCorosyncUnderstoodTheSame starts corosync with configurations that it
// accepts, and holds what it has in its database to the typed view: totem,
// nodelist and quorum, and the expected votes and flags that it made of them.
func TestNodeCorosyncUnderstoodTheSame(t *testing.T) {
	const seed, sample = 4, 24
	for _, suite := range suites {
		t.Run(suite, func(t *testing.T) {
			n := lab.Start(t, lab.Options{Suite: suite, Nodes: 1, Links: 1}).Node("n1")
			version := likeTheSandbox(t, n)
			asked := 0
			for number := 0; asked < sample; number++ {
				q := generate(seed, number, readSamples(t))
				if _, findings := ours(q.Conf, world(debian(version), "n1")); q.Hostname != "n1" || slices.ContainsFunc(findings, refused) {
					continue
				}
				asked++
				t.Run(fmt.Sprint(number), func(t *testing.T) { holdToRunning(t, n, q.Conf) })
			}
		})
	}
}

func refused(f corosyncconf.Finding) bool { return f.RefusedBy != corosyncconf.Accepted }

// likeTheSandbox gives a node what the questions take for granted, and returns the
// version of its corosync.
func likeTheSandbox(t *testing.T, n *lab.Node) (version [3]int) {
	t.Helper()
	var script strings.Builder
	script.WriteString("systemctl stop corosync\n")
	for _, own := range addresses {
		if !own.Addr().IsLoopback() {
			fmt.Fprintf(&script, "ip address add %s dev lo\n", own)
		}
	}
	for name, size := range keyFiles {
		fmt.Fprintf(&script, "head -c %d /dev/zero >%s\n", size, name)
	}
	script.WriteString("corosync -v")
	if err := n.WriteFile("/etc/hosts", []byte(hostsFile), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := n.Run(t.Context(), script.String())
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(out, "version '")
	if _, err := fmt.Sscanf(text, "%d.%d.%d", &version[0], &version[1], &version[2]); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return version
}

const understoodConf = "/etc/corosync/understood.conf"

// holdToRunning compares what a file means with what corosync makes of it.
func holdToRunning(t *testing.T, n *lab.Node, conf []byte) {
	t.Helper()
	if err := n.WriteFile(understoodConf, conf, 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := n.Run(ctx, "pkill -9 -x corosync; rm -rf /dev/shm/qb-*"); err != nil {
		t.Fatal(err)
	}
	cmd := n.Command(ctx, "corosync", "-f", "-c", understoodConf)
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed, unless it does not start
		close(ended)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	// Its log may go anywhere. It is up when it is a member.
	const up = `grep -q 'members.*joined' /tmp/cmap && { ! grep -q corosync_votequorum /tmp/cmap || corosync-quorumtool -s | grep -q '^Quorum:'; }`
	out, err := n.Run(ctx, "for i in $(seq 100); do corosync-cmapctl >/tmp/cmap 2>/dev/null; if "+up+"; then cat /tmp/cmap; exit; fi; sleep 0.1; done")
	if err != nil {
		t.Fatal(err)
	}
	if out == "" {
		cancel()
		<-ended
		t.Errorf("corosync does not come up:\n%s\n%s", conf, &log)
		return
	}
	all, err := quorum.ParseCmap([]byte(out))
	if err != nil {
		t.Fatal(err)
	}
	db := map[string]string{}
	for key, v := range all {
		db[key] = v.Text
	}
	f, _ := corosyncconf.Parse("", conf) // a newer corosync may refuse it
	runs := corosyncconf.Running(db, corosyncconf.V31)
	if diff := cmp.Diff(stored(f.Config(), f.Config()), stored(runs.Config(), f.Config())); diff != "" {
		t.Errorf("(-typed view +corosync-cmapctl):\n%s\n%s", diff, conf)
	}
	if c := f.Config(); c.Quorum.Provider == "corosync_votequorum" {
		votesAgree(t, n, c, conf)
	}
}

// stored leaves out of a view what corosync does not store of the file, or
// stores by itself.
func stored(c, file corosyncconf.Config) corosyncconf.Config {
	nodes := map[int]corosyncconf.Node{}
	for _, n := range file.Nodes {
		nodes[len(nodes)] = n
	}
	for i := range c.Nodes {
		c.Nodes[i].Index = 0
		if nodes[i].ID == 0 {
			c.Nodes[i].ID = 0 // corosync makes one
		}
	}
	listed := slices.ContainsFunc(file.Nodes, func(n corosyncconf.Node) bool { return len(n.Addrs) > 0 })
	for i := range c.Interfaces {
		if listed {
			c.Interfaces[i].BindNetAddr = "" // it is replaced by the node's address
		}
		if file.Totem.Transport == "udp" {
			c.Interfaces[i].McastAddr, c.Interfaces[i].Port = "", 0
		}
	}
	c.Interfaces = slices.DeleteFunc(c.Interfaces, func(i corosyncconf.Interface) bool { return i == corosyncconf.Interface{Number: i.Number} })
	if len(c.Interfaces) == 0 {
		c.Interfaces = nil
	}
	return c
}

// votesAgree compares the votes and flags of the typed view with those that
// corosync counts by.
func votesAgree(t *testing.T, n *lab.Node, c corosyncconf.Config, conf []byte) {
	t.Helper()
	out, err := n.Run(t.Context(), "corosync-quorumtool -s; true")
	if err != nil {
		t.Fatal(err)
	}
	s, err := quorum.ParseStatus([]byte(out))
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	if s.Expected != c.ExpectedVotes() {
		t.Errorf("corosync expects %d votes, the typed view %d:\n%s", s.Expected, c.ExpectedVotes(), conf)
	}
	for flag, want := range map[string]bool{"WaitForAll": c.Quorum.WaitForAll, "LastManStanding": c.Quorum.LastManStanding, "AllowDownscale": c.Quorum.AllowDownscale} {
		if slices.Contains(s.Flags, flag) != want {
			t.Errorf("flags %v, and %s is %t in the typed view:\n%s", s.Flags, flag, want, bytes.TrimSpace(conf))
		}
	}
}
