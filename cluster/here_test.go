package cluster_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"clusterctl/cluster"
)

// tools makes programs of the machine: scripts by name.
func tools(t *testing.T, scripts map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

func TestHereAsksTheMachine(t *testing.T) {
	tools(t, map[string]string{
		"corosync": `echo "Corosync Cluster Engine, version '3.1.7'"
echo "Built-in features: dbus watchdog"
echo "Available crypto models: nss openssl"
echo "Available compression models: zlib lz4"
`,
		"getent": `case "$*" in
"ahosts -- n1") echo "10.0.0.1 STREAM n1"; echo "10.0.0.1 DGRAM"; echo "fd00::1 STREAM"; echo "::ffff:10.0.0.1 STREAM" ;;
"ahostsv6 -- n1") echo "fd00::1 STREAM n1" ;;
"hosts -- 10.0.0.1") echo "10.0.0.1 n1.example.com n1" ;;
"passwd -- root") echo "root:x:0:0:::" ;;
*) exit 2 ;;
esac
`,
	})
	m := cluster.Here(t.Context())
	if diff := cmp.Diff([3]int{3, 1, 7}, m.Version); diff != "" {
		t.Errorf("version (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]string{{"dbus", "watchdog"}, {"nss", "openssl"}, {"zlib", "lz4"}}, [][]string{m.Features, m.Crypto, m.Compression}); diff != "" {
		t.Errorf("features and models (-want +got):\n%s", diff)
	}
	if name, err := os.Hostname(); err != nil || m.Hostname != name {
		t.Errorf("host name %q, not %q: %v", m.Hostname, name, err)
	}
	sameAddrs := cmpopts.EquateComparable(netip.Addr{})
	both, err := m.Lookup("n1", 0)
	if diff := cmp.Diff([]netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}, both, sameAddrs); diff != "" || err != nil {
		t.Errorf("addresses of n1: %v (-want +got):\n%s", err, diff)
	}
	six, err := m.Lookup("n1", 6)
	if diff := cmp.Diff([]netip.Addr{netip.MustParseAddr("fd00::1")}, six, sameAddrs); diff != "" || err != nil {
		t.Errorf("IPv6 addresses of n1: %v (-want +got):\n%s", err, diff)
	}
	if found, err := m.Lookup("n9", 0); err == nil {
		t.Errorf("n9 has the addresses %v", found)
	}
	if name := m.Reverse(netip.MustParseAddr("10.0.0.1")); name != "n1.example.com" {
		t.Errorf("10.0.0.1 is %q", name)
	}
	if name := m.Reverse(netip.MustParseAddr("10.0.0.9")); name != "" {
		t.Errorf("10.0.0.9 is %q", name)
	}
	if !m.User("root") || m.User("nobody-here") || m.Group("root") {
		t.Error("not the users and groups of the machine")
	}
}

func TestHereWithoutCorosync(t *testing.T) {
	tools(t, map[string]string{"corosync": "exit 1\n"})
	if m := cluster.Here(t.Context()); m.Version != [3]int{} || m.Crypto != nil {
		t.Errorf("version %v, crypto %v", m.Version, m.Crypto)
	}
}

func TestHereLooksAtFiles(t *testing.T) {
	tools(t, nil)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("key"), make([]byte, 256), 0o400); err != nil {
		t.Fatal(err)
	}
	m := cluster.Here(t.Context())
	size := func(path string) error {
		n, err := m.KeySize(path)
		if err == nil && n != 256 {
			t.Errorf("%s has %d bytes", path, n)
		}
		return err
	}
	tests := []struct {
		name string
		look func(string) error
		path string
		want string
	}{
		{"a key", size, at("key"), ""},
		{"no key", size, at("none"), at("none") + ": no such file or directory"},
		{"a directory for a key", size, dir, dir + ": is a directory"},
		{"a directory", m.EnterDir, dir, ""},
		{"no directory", m.EnterDir, at("none"), "no such file or directory"},
		{"a file for a directory", m.EnterDir, at("key"), "not a directory"},
		{"a log file", m.AppendTo, at("key"), ""},
		{"a new log file", m.AppendTo, at("new"), ""},
		{"a log file in no directory", m.AppendTo, at("none/new"), "no such file or directory"},
		{"a log file in a file", m.AppendTo, at("key/new"), "not a directory"},
		{"a directory for a log file", m.AppendTo, dir, "is a directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := tt.look(tt.path); err != nil {
				got = err.Error()
			}
			if !strings.HasSuffix(got, tt.want) || (got == "") != (tt.want == "") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("looking has made files: %v", left)
	}
}

// TestNamesAreLookedUpAtOnce: the first is only answered when the last is asked.
func TestNamesAreLookedUpAtOnce(t *testing.T) {
	tools(t, map[string]string{"getent": `case "$*" in
"ahosts -- n1") while [ ! -e "$0.asked" ]; do /bin/sleep 0.01; done; echo "10.0.0.1 STREAM n1" ;;
"ahosts -- n9") : >"$0.asked"; echo "10.0.0.9 STREAM n9" ;;
*) exit 2 ;;
esac
`})
	m := cluster.Here(t.Context(), "n1", "n5", "n9")
	for name, want := range map[string]string{"n1": "10.0.0.1", "n9": "10.0.0.9"} {
		if got, err := m.Lookup(name, 0); err != nil || len(got) != 1 || got[0].String() != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if got, err := m.Lookup("n5", 0); err == nil {
		t.Errorf("n5: %v", got)
	}
}

func TestFilesOfUsersAreRead(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"pacemaker": "uidgid {\n}\n", "pacemaker~": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "old"), 0o700); err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{filepath.Join(dir, "pacemaker"): []byte("uidgid {\n}\n"), filepath.Join(dir, "pacemaker~"): []byte("x")}
	if diff := cmp.Diff(want, cluster.UserFiles(dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if none := cluster.UserFiles(filepath.Join(dir, "none")); len(none) > 0 {
		t.Errorf("of no directory: %v", none)
	}
}
