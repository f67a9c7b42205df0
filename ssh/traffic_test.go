//go:build unix

package ssh_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"clusterctl/ssh"
	"clusterctl/ssh/sshtest"
	gossh "golang.org/x/crypto/ssh"
)

// What -v says of a run, and what its budgets are held to, is what the server has seen.
func TestTrafficIsCountedByTarget(t *testing.T) {
	key, public := newKeyFile(t, filepath.Join(t.TempDir(), "key"), "")
	config := sshtest.Config{Authorized: []gossh.PublicKey{public}}
	one, other := sshtest.New(t, config), sshtest.New(t, config)
	d := newDialer(t, ssh.Options{Identities: []string{key}}, one, other)
	for name, s := range map[string]*sshtest.Server{"n1": one, "n2": other} {
		client, err := d.Dial(t.Context(), ssh.Target{Name: name, Addresses: []string{s.Addr()}})
		if err != nil {
			t.Fatal(err)
		}
		if name == "n2" {
			continue
		}
		shell, err := client.Shell(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, look := range []bool{false, true, true} {
			if _, err := shell.Run(t.Context(), ssh.Command{Script: "true", Look: look}); err != nil {
				t.Fatal(err)
			}
		}
		p, err := client.Program(t.Context(), "true")
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
	}
	want := map[string]ssh.Traffic{
		"n1": {Connections: one.Connections(), Sessions: one.Sessions(), RoundTrips: 1, Looks: 2},
		"n2": {Connections: other.Connections()},
	}
	if diff := cmp.Diff(want, d.Traffic()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if sum := want["n1"].Plus(want["n2"]); sum != (ssh.Traffic{Connections: 2, Sessions: 2, RoundTrips: 1, Looks: 2}) {
		t.Errorf("together: %+v", sum)
	}
}
