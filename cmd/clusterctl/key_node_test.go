//go:build linux && node

package main

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"clusterctl/internal/cli"
	"clusterctl/internal/lab"
)

// key is the hash of the nodes' authkey, which must be the same on all, and for
// root alone.
func (s *site) key(nodes ...string) string {
	s.t.Helper()
	const look = "cd /etc/corosync && sha256sum authkey && stat -c %a:%U authkey"
	first := s.on(nodes[0], look)
	for _, n := range nodes {
		if other := s.on(n, look); other != first {
			s.t.Errorf("%s and %s have different keys:\n%s%s", nodes[0], n, first, other)
		}
	}
	if !strings.Contains(first, "400:root") {
		s.t.Errorf("the key is open to others: %s", first)
	}
	return strings.Fields(first)[0]
}

// apart tells what a node's journal says of memberships since the watch began:
// "" when it was in the same one all the time.
func (w *watcher) apart() string {
	journal := w.journal()
	if !strings.Contains(journal, "A new membership") {
		return ""
	}
	return journal
}

func TestNodeKeyRotate(t *testing.T) {
	for _, suite := range drawn(t, "bookworm", "trixie") {
		t.Run(suite, func(t *testing.T) {
			s := newSite(t, lab.Options{Nodes: 3, Links: 2, Suite: suite})
			s.must(cli.ExitOK, s.create()...)
			names := s.names()
			old := s.key(names...)
			before := s.state()
			s.must(cli.ExitOK, "key", "rotate", "--dry-run")
			if diff := cmp.Diff(before, s.state()); diff != "" {
				t.Fatalf("--dry-run changed something:\n%s", diff)
			}
			// One of them reads its files later than the others, and misses what these
			// send with the new key already: corosync reads all of this folder too.
			s.on("n3", "mkdir -p /etc/corosync/uidgid.d && yes '# a line that takes a moment' | head -c 40M >/etc/corosync/uidgid.d/late")
			watchers := s.watch(names...)
			for range 2 { // knet has room for two keys: the second change goes the other way
				r := s.must(cli.ExitOK, "key", "rotate", "--size", "1024")
				now := s.key(names...)
				if now == old {
					t.Fatal("the key is the old one")
				}
				for _, n := range names {
					if bak := s.on(n, "sha256sum /etc/corosync/authkey.bak"); !strings.HasPrefix(bak, old) {
						t.Errorf("%s: the old key is not kept as .bak", n)
					}
					if left := s.on(n, "find /var/lib/clusterctl -type f -exec sha256sum {} + | grep -e "+old+" -e "+now+"; find /var/lib/clusterctl /etc/corosync -name 'authkey*' -perm /077"); left != "" {
						t.Errorf("%s: keys lie about: %s", n, left)
					}
				}
				if strings.Contains(r.out+r.err, now) {
					t.Error("it prints the key's hash")
				}
				old = now
			}
			for _, w := range watchers {
				w.unbroken(t)
				if text := w.apart(); text != "" {
					t.Errorf("%s was in another membership:\n%s", w.node, text)
				}
			}
			if missed := s.on("n3", "journalctl -q -u corosync | grep -c 'Unable to decrypt'; true"); strings.TrimSpace(missed) == "0" {
				t.Error("n3 was in time: nothing is shown")
			}
			s.on("n3", "rm /etc/corosync/uidgid.d/late")
			s.healthy()

			t.Run("a node that is stopped gets it too", func(t *testing.T) {
				s := &site{s.Lab, t, s.home}
				s.must(cli.ExitOK, "stop", "n3")
				s.must(cli.ExitOK, "key", "rotate")
				s.key(names...)
				s.must(cli.ExitOK, "start", "n3")
				s.healthy()
			})
			t.Run("a node that is away is waited for", func(t *testing.T) {
				s := &site{s.Lab, t, s.home}
				if err := s.Node("n3").Kill(t.Context()); err != nil {
					t.Fatal(err)
				}
				before := s.key("n1", "n2")
				r := s.must(cli.ExitUnreachable, "key", "rotate", "--connect-timeout", "2s")
				if !strings.Contains(r.err, "n3: a new key would lock it out") || s.key("n1", "n2") != before {
					t.Error(r)
				}
			})
		})
	}
}

func TestNodeKeyRotateOfOneNode(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 1, Links: 1})
	s.must(cli.ExitOK, s.create()...)
	old := s.key("n1")
	s.must(cli.ExitOK, "key", "rotate")
	if s.key("n1") == old {
		t.Error("the key is the old one")
	}
}

// A rotation that cannot be carried out on one node leaves all of them together
// with the old key.
func TestNodeFailedKeyRotateLeavesTheOldKey(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 3, Links: 2})
	s.must(cli.ExitOK, s.create()...)
	names := s.names()
	old := s.key(names...)

	t.Run("a node's key cannot be replaced", func(t *testing.T) {
		s := &site{s.Lab, t, s.home}
		watchers := s.watch(names...)
		s.on("n3", "mount --bind /etc/corosync/authkey /etc/corosync/authkey")
		r := s.must(cli.ExitFailed, "key", "rotate")
		s.on("n3", "umount /etc/corosync/authkey")
		if !strings.Contains(r.err, "n3: put it in place: ") || !strings.Contains(r.err, "has been taken back") {
			t.Error(r)
		}
		if now := s.key(names...); now != old {
			t.Error("the key is another")
		}
		for _, n := range names {
			if left := s.on(n, "ls /etc/corosync"); strings.Contains(left, ".new") || strings.Contains(left, "authkey.bak") {
				t.Errorf("%s is not as before: %s", n, left)
			}
		}
		s.oneConf(names...)
		for _, w := range watchers {
			w.unbroken(t)
			if text := w.apart(); text != "" {
				t.Errorf("%s was in another membership:\n%s", w.node, text)
			}
		}
	})
	t.Run("when that is mended it goes through", func(t *testing.T) {
		s := &site{s.Lab, t, s.home}
		s.must(cli.ExitOK, "key", "rotate")
		if s.key(names...) == old {
			t.Error("the key is the old one")
		}
		s.healthy()
	})
}

// A node that was removed, and is started again with copies of its files, finds
// nobody and disturbs nobody.
func TestNodeRemovedNodeComesBackWithItsOldFiles(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 4, Links: 2})
	s.must(cli.ExitOK, s.create()...)
	old := s.key(s.names()...)
	s.on("n4", "cp -p /etc/corosync/corosync.conf /etc/corosync/authkey /root")

	watchers := s.watch("n1", "n2", "n3")
	s.must(cli.ExitOK, "delnode", "n4")
	for _, w := range watchers {
		w.unbroken(t)
	}
	now := s.key("n1", "n2", "n3")
	if now == old {
		t.Fatal("the key is still the one that n4 has")
	}
	if left := s.on("n4", "find / -xdev -type f -size -5 -exec sha256sum {} + 2>/dev/null | grep "+now+"; true"); left != "" {
		t.Fatalf("n4 was given the new key: %s", left)
	}

	watchers = s.watch("n1", "n2", "n3")
	s.on("n4", "cp -p /root/corosync.conf /root/authkey /etc/corosync/ && systemctl start corosync")
	s.await("n4 runs by itself", func() bool {
		return strings.Contains(s.on("n4", "corosync-quorumtool -s; true"), "Nodes:            1")
	})
	tokens := func() int {
		fields := strings.Fields(s.on("n1", "corosync-cmapctl -m stats -g stats.srp.orf_token_rx"))
		n, err := strconv.Atoi(fields[len(fields)-1])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	from := tokens()
	s.await("the others going on for long enough that it would have joined", func() bool { return tokens() > from+12 })
	for _, w := range watchers {
		w.unbroken(t)
		if text := w.apart(); text != "" {
			t.Errorf("%s was disturbed:\n%s", w.node, text)
		}
	}
	if alone := s.on("n4", "corosync-quorumtool -s; true"); !strings.Contains(alone, "Nodes:            1") || !strings.Contains(alone, "Quorate:          No") {
		t.Errorf("n4 is not alone:\n%s", alone)
	}
	s.together(t, "n1", "n2", "n3")
	s.on("n4", "systemctl stop corosync; rm /etc/corosync/corosync.conf /etc/corosync/authkey")

	t.Run("--keep-key leaves the key", func(t *testing.T) {
		s := &site{s.Lab, t, s.home}
		s.must(cli.ExitOK, "add", "n4")
		s.must(cli.ExitOK, "delnode", "n4", "--keep-key")
		if s.key("n1", "n2", "n3") != now {
			t.Error("the key is another")
		}
		s.together(t, "n1", "n2", "n3")
	})
}
