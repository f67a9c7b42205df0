package cluster_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clusterctl/cluster"

	"github.com/google/go-cmp/cmp"
)

func TestLocalMachineIsThisOne(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	for name, text := range map[string]string{
		"key": strings.Repeat("k", 300),
		"corosync": `#!/bin/sh
echo "Corosync Cluster Engine, version '3.1.7'"
echo "Built-in features: dbus watchdog"
echo "Available crypto models: nss openssl"
echo "Available compression models: zlib"
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))

	m, err := cluster.LocalMachine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m.Version != [3]int{3, 1, 7} {
		t.Errorf("version %v", m.Version)
	}
	got := [][]string{m.Features, m.Crypto, m.Compression}
	if diff := cmp.Diff([][]string{{"dbus", "watchdog"}, {"nss", "openssl"}, {"zlib"}}, got); diff != "" {
		t.Errorf("features and models (-want +got):\n%s", diff)
	}
	if name, _ := os.Hostname(); m.Hostname != name {
		t.Errorf("host name %q, want %q", m.Hostname, name)
	}
	if !slices.ContainsFunc(m.Addrs, func(p netip.Prefix) bool { return p.Addr().IsLoopback() }) {
		t.Errorf("addresses %v: no loopback", m.Addrs)
	}
	if ips, err := m.Lookup("localhost", 4); len(ips) != 1 || ips[0] != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("localhost is %v, %v", ips, err)
	}
	if n, err := m.KeySize(key); n != 300 || err != nil {
		t.Errorf("size of the key: %d, %v", n, err)
	}
	log := filepath.Join(dir, "log")
	if err := m.AppendTo(log); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(log); err == nil {
		t.Error("the log file was made")
	}
	for what, err := range map[string]error{
		"a key that is not there":       second(m.KeySize(log)),
		"a log in no directory":         m.AppendTo(filepath.Join(dir, "none", "log")),
		"a directory as a log":          m.AppendTo(dir),
		"a file as a directory":         m.EnterDir(key),
		"a directory that is not there": m.EnterDir(filepath.Join(dir, "none")),
	} {
		if err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}

func second(_ int, err error) error { return err }
