//go:build linux && node

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
	"clusterctl/internal/lab"
	"clusterctl/quorum"
)

// runtime is what the node's corosync runs totem by.
func (s *site) runtime(node string) quorum.Cmap {
	s.t.Helper()
	c, err := quorum.ParseCmap([]byte(s.on(node, "corosync-cmapctl totem.; corosync-cmapctl runtime.config.totem.")))
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// pingsFollowToken checks that the links' ping timers are made from the token
// that runs: corosync takes them along with a second reload only.
func (s *site) pingsFollowToken() {
	s.t.Helper()
	for _, n := range s.names() {
		c := s.runtime(n)
		token, _ := c.Uint("runtime.config.totem.token")
		for link := range s.Links() {
			if ping, _ := c.Uint(fmt.Sprintf("runtime.config.totem.interface.%d.knet_ping_timeout", link)); token == 0 || ping != token/2 {
				s.t.Errorf("%s, link %d: pings wait for %d ms, while the token is %d ms", n, link, ping, token)
			}
		}
	}
}

func TestNodeConfSet(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 3, Links: 2})
	s.must(0, s.create()...)
	watchers := s.watch(s.names()...)
	first := versionOf(t, s.conf("n1"))

	s.must(0, "-H", "n1", "conf", "set", "totem.token", "5000")
	s.healthy()
	s.pingsFollowToken()
	for _, n := range s.names() {
		if token := s.runtime(n)["totem.token"].Text; token != "5000" {
			t.Errorf("%s runs with token %q", n, token)
		}
	}

	// What is refused leaves everything as it is, and says what it would take.
	unchanged := s.state()
	for _, tt := range []struct {
		path, value, says string
		code              int
	}{
		{"totem.link_mode", "active", "a reload does not do it", cli.ExitFailed},
		{"totem.transport", "udpu", "all nodes must be stopped", cli.ExitFailed},
		{"quorum.expected_votes", "9", "quorum", cli.ExitFailed},
		{"totem.consensus", "40", "join", cli.ExitFailed},
		{"totem.join", "20", "30 to", cli.ExitUsage},
	} {
		r := s.must(tt.code, "-H", "n1", "conf", "set", tt.path, tt.value)
		if key := tt.path[strings.LastIndex(tt.path, ".")+1:]; !strings.Contains(r.err, key) || !strings.Contains(r.err, tt.says) {
			t.Errorf("%s %s: the refusal does not say %q: %v", tt.path, tt.value, tt.says, r)
		}
	}
	if now := s.state(); !maps.Equal(unchanged, now) {
		t.Errorf("all was refused, and the nodes have changed: %v, before: %v", now, unchanged)
	}

	// One node cannot put the file in place, nor take that back: nothing was
	// reloaded, and when it is mended an undo from elsewhere leaves no node with it.
	bare := func(conf string) string { // the version only ever goes up
		return strings.Replace(conf, fmt.Sprintf("config_version: %d", versionOf(t, conf)), "", 1)
	}
	before := s.conf("n1")
	s.on("n3", "mkdir /etc/corosync/corosync.conf.bak.tmp") // where the old file goes on its way to .bak
	if r := s.must(cli.ExitPartial, "-H", "n1", "conf", "set", "totem.token", "7000"); !strings.Contains(r.err, "n3: put it in place") {
		t.Errorf("it did not fail where it should: %v", r)
	}
	s.on("n3", "rm -r /etc/corosync/corosync.conf.bak.tmp")
	s.openOperation("conf set totem.token 7000")
	s.elsewhere().must(0, "-H", "n2", "op", "undo", "--yes")
	s.healthy()
	for _, n := range s.names() {
		if now := s.conf(n); bare(now) != bare(before) || s.runtime(n)["totem.token"].Text != "5000" {
			t.Errorf("%s was not brought back:\n%s", n, now)
		}
	}

	s.must(0, "-H", "n1", "conf", "unset", "totem.token")
	s.healthy()
	s.must(0, "-H", "n1", "conf", "restore", fmt.Sprint(first+1), "--yes")
	s.healthy()
	s.pingsFollowToken()
	if token := s.runtime("n2")["totem.token"].Text; token != "5000" {
		t.Errorf("after the way back it runs with token %q", token)
	}
	s.looksAndEdits()
	for _, w := range watchers {
		w.unbroken(t)
	}
}

// openOperation checks what op list and op show say of the one that is open, from
// elsewhere, and that op undo --dry-run only tells.
func (s *site) openOperation(command string) {
	s.t.Helper()
	elsewhere := s.elsewhere()
	var list struct {
		Operations []struct {
			ID, Cluster, Command, State, Step, Remedy string
			Nodes                                     []string
		}
	}
	out := elsewhere.must(0, "-H", "n2", "op", "list", "-o", "json").out
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Operations) != 1 {
		s.t.Fatalf("op list: %v\n%s", err, out)
	}
	op := list.Operations[0]
	if !strings.HasSuffix(op.Command, command) || op.Cluster != "prod" || op.State != "undoing" || op.Step != "swap-1" || len(op.Nodes) != len(s.names()) || !strings.Contains(op.Remedy, "op undo "+op.ID) {
		s.t.Errorf("op list: %+v", op)
	}
	before := s.state()
	for _, args := range [][]string{{"list"}, {"show"}, {"show", op.ID}, {"undo", op.ID, "--dry-run"}} {
		if r := elsewhere.must(0, append([]string{"-H", "n2", "op"}, args...)...); !strings.Contains(r.out, op.ID) && !strings.Contains(r.out, "undo: put it in place") {
			s.t.Errorf("op %v: %v", args, r)
		}
	}
	if now := s.state(); !maps.Equal(before, now) {
		s.t.Errorf("looking has changed the nodes: %v, before: %v", now, before)
	}
}

// edits is a run of conf edit with a command for an editor.
func (s *site) edits(editor string, args ...string) result {
	s.t.Helper()
	cmd := s.command(s.t.Context(), append([]string{"-H", "n1", "conf", "edit"}, args...)...)
	cmd.Env = append(cmd.Env, "VISUAL="+editor, "TMPDIR="+s.t.TempDir())
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // the exit code tells
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// looksAndEdits checks what conf show, get, check and diff say of the cluster, and
// what conf edit does, on a cluster that runs with a token of 5000.
func (s *site) looksAndEdits() {
	t := s.t
	t.Helper()
	expect := func(r result, code int, says ...string) {
		t.Helper()
		for _, text := range says {
			if r.code != code || !strings.Contains(r.out+r.err, text) {
				t.Errorf("want exit code %d and %q: %v", code, text, r)
			}
		}
	}
	expect(s.ctl("-H", "n1", "conf", "diff"), cli.ExitOK, "")
	expect(s.ctl("-H", "n1", "conf", "show"), cli.ExitOK, "Name:             prod", "n3", "the cluster's")
	expect(s.ctl("-H", "n1", "conf", "check"), cli.ExitOK, "/etc/corosync/corosync.conf of 3 nodes (corosync 3.1): nothing is wrong")
	expect(s.ctl("-H", "n1", "conf", "get", "totem.token"), cli.ExitOK, "5000")
	expect(s.ctl("-H", "n1", "conf", "get", "totem.join"), cli.ExitFailed, "corosync runs by 50")

	// One file is edited by hand, and not reloaded.
	was := s.conf("n2")
	s.on("n2", "sed -i -e 's/token: 5000/token: 9000/' -e 's/ring1_addr: .*/ring1_addr: 127.0.0.1/' /etc/corosync/corosync.conf")
	expect(s.ctl("-H", "n1", "conf", "diff"), cli.ExitBad, "The file of n2 is not the cluster's", "token: 5000 ms -> 9000 ms", "What runs on n2 is not what the file says", "link replace in two steps  ring1_addr of n2")
	expect(s.ctl("-H", "n1", "conf", "check"), cli.ExitBad, "n2:/etc/corosync/corosync.conf:", "127.0.0.1 is the node itself")
	expect(s.ctl("-H", "n1", "conf", "show"), cli.ExitOK, "another one")
	expect(s.ctl("-H", "n1", "conf", "get", "totem.token"), cli.ExitOK, "n2: its corosync.conf has totem.token 9000", "n2: corosync runs with totem.token 5000")
	var got struct{ Files []keyOnNode }
	if err := json.Unmarshal([]byte(s.must(cli.ExitOK, "-H", "n1", "conf", "get", "totem.token", "-o", "json").out), &got); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"5000", "9000", "5000"} {
		k := got.Files[i]
		// The effective token is longer the more nodes there are.
		if k.Settings[0].Value != want || k.Runs[0].Value != "5000" || k.Effective["totem.token"] != "5650" || k.Same != (want == "5000") {
			t.Errorf("totem.token of %s: %+v", k.Node, k)
		}
	}
	if err := s.Node("n2").WriteFile(cluster.ConfPath, []byte(was), 0o644); err != nil {
		t.Fatal(err)
	}
	expect(s.ctl("-H", "n1", "conf", "diff"), cli.ExitOK, "")

	before := s.state()
	for _, tt := range []struct {
		script string
		code   int
		says   string
		args   []string
	}{
		{"", cli.ExitOK, "nothing to change", nil},
		{"s/token: 5000/join: 20/", cli.ExitFailed, "corosync.conf:11:", nil},
		{"s/token: 5000/token: 300/", cli.ExitUsage, "there is no terminal", nil},
		{"s/link_mode: passive/link_mode: active/", cli.ExitFailed, "it takes a rolling restart", nil},
		{"s/token: 5000/token: 5500/", cli.ExitOK, "5000 ms -> 5500 ms", []string{"--dry-run"}},
		{"s/config_version: .*/config_version: 900/", cli.ExitOK, "is counted up by clusterctl", nil},
	} {
		expect(s.edits("sed -i '"+tt.script+"'", tt.args...), tt.code, tt.says)
		if after := s.state(); !maps.Equal(before, after) {
			t.Errorf("%s: the nodes have changed", tt.script)
		}
	}
	expect(s.edits(`sed -i "s/token: 5000/# for the backup\n    token: 5500/"`), cli.ExitOK, "cluster prod runs config_version")
	s.healthy()
	s.pingsFollowToken()
	if !strings.Contains(s.conf("n3"), "    # for the backup\n    token: 5500\n") {
		t.Errorf("what was edited is not there:\n%s", s.conf("n3"))
	}
}
