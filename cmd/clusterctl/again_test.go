package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
	"clusterctl/ssh"
)

// A command that is proposed is about the cluster that was looked at, and
// reaches its nodes the same way.
func TestCommandsThatAreProposedAreAboutTheSameCluster(t *testing.T) {
	prod := &app{host: "prod1"}
	all := &app{cluster: "prod", sshConfig: "my config", ssh: ssh.Options{Identities: []string{"key"}, Jump: "gate", Login: "admin", Sudo: true}}
	tests := []struct {
		app        *app
		text, want string
	}{
		{&app{}, "clusterctl conf sync", "clusterctl conf sync"},
		{prod, "clusterctl conf unset quorum.two_node", "clusterctl -H prod1 conf unset quorum.two_node"},
		{prod, "clusterctl start n1 n2", "clusterctl -H prod1 start n1 n2"},
		{prod, "clusterctl add, or clusterctl delnode, makes it a node or none", "clusterctl -H prod1 add, or clusterctl -H prod1 delnode, makes it a node or none"},
		{all, "clusterctl doctor --fix", "clusterctl -c prod -i key -F 'my config' -J gate -l admin --sudo doctor --fix"},

		// a node that is meant stays the one
		{prod, "data: clusterctl -H n1 expected 2", "data: clusterctl -H n1 expected 2"},
		{&app{host: "prod1", ssh: ssh.Options{Jump: "gate"}}, "clusterctl -H n1 expected 2", "clusterctl -H n1 -J gate expected 2"},

		// a command for a node, by its own login
		{all, "ssh admin@n1 ip link set eth0 up", "ssh -i key -F 'my config' -J gate admin@n1 sudo ip link set eth0 up"},
		{all, "data: ssh -p 2222 root@n1 corosync-cmapctl -s x u8 1", "data: ssh -i key -F 'my config' -J gate -p 2222 root@n1 corosync-cmapctl -s x u8 1"},
		{&app{ssh: ssh.Options{Sudo: true}}, "ssh admin@n1 ip link set eth0 up", "ssh admin@n1 sudo ip link set eth0 up"},
		{&app{knownHosts: "hosts", ssh: ssh.Options{Jump: "me@gate"}}, "ssh root@n1 true", "ssh -J me@gate -o UserKnownHostsFile=hosts root@n1 true"},

		// what is done on a node itself, and what finds no cluster
		{prod, "clusterctl conf check --here there says what is wrong", "clusterctl conf check --here there says what is wrong"},
		{prod, "clusterctl create makes a cluster", "clusterctl create makes a cluster"},
		{prod, "another clusterctl holds it", "another clusterctl holds it"},
		{prod, "ssh root@n1 ip link set eth0 up", "ssh root@n1 ip link set eth0 up"},
	}
	for _, tt := range tests {
		got := tt.app.again(tt.text)
		if got != tt.want {
			t.Errorf("%q became %q, want %q", tt.text, got, tt.want)
		}
		if twice := tt.app.again(got); twice != got {
			t.Errorf("%q became %q the second time", got, twice)
		}
	}
}

func TestDoctorRepeatsWhichCluster(t *testing.T) {
	for _, output := range []string{"table", "json"} {
		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		a := &app{host: "prod1", output: output, env: Env{Out: out, Err: out}}
		a.streams = cli.NewStreams(nil, out, out, func(string) (string, bool) { return "", false }, "never")
		causes := []cluster.Cause{{Code: "two-node", Severity: cluster.Error, Message: "it is wrong", Remedy: "clusterctl status shows it", Command: "clusterctl conf unset quorum.two_node"}}
		if err := a.printCauses(causes); exitCode(t.Context(), err) != cli.ExitBad {
			t.Fatal(err)
		}
		got, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		want := "error    it is wrong [two-node]\n         -> clusterctl -H prod1 status shows it\n         $ clusterctl -H prod1 conf unset quorum.two_node\n"
		if output == "json" {
			var doc struct{ Causes []cluster.Cause }
			if err := json.Unmarshal(got, &doc); err != nil || len(doc.Causes) != 1 {
				t.Fatalf("%v: %s", err, got)
			}
			got, want = []byte(doc.Causes[0].Remedy+"; "+doc.Causes[0].Command), "clusterctl -H prod1 status shows it; clusterctl -H prod1 conf unset quorum.two_node"
		}
		if string(got) != want {
			t.Errorf("%s: got\n%s", output, got)
		}
	}
}
