//go:build linux && node

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"clusterctl/internal/cli"
	"clusterctl/internal/lab"
)

const examples = "../../examples/"

// The script of the examples brings a bare node in without anybody at hand; run
// again, it changes nothing. It gets no HOME, as from cloud-init.
func TestNodeOnboardingScript(t *testing.T) {
	s := newSite(t, lab.Options{Nodes: 3, Links: 2})
	s.must(cli.ExitOK, "create", "prod", "n1", "n2", "--link", s.Net(0).String(), "--link", s.Net(1).String())
	tool := filepath.Join(t.TempDir(), "clusterctl")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", tool, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build clusterctl: %v\n%s", err, out)
	}
	for _, c := range []struct{ node, from, to string }{
		{"n1", tool, "/usr/local/bin/clusterctl"}, // from where the script fetches it
		{"n3", examples + "join.sh", "/root/join.sh"},
		{"n3", filepath.Join(s.home, ".ssh", "id_ed25519"), "/root/.ssh/id_ed25519"},
		{"n3", filepath.Join(s.home, ".ssh", "known_hosts"), "/root/.ssh/known_hosts"},
	} {
		if err := s.Node(c.node).CopyIn(c.from, c.to); err != nil {
			t.Fatal(err)
		}
	}
	join := func() (changed bool) {
		out := s.on("n3", "env -u HOME /root/join.sh n1")
		var answer struct{ Changed bool }
		if err := json.Unmarshal([]byte(out), &answer); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return answer.Changed
	}
	// now is all that a second run might change.
	now := func() map[string]string {
		all := s.state()
		for n := range all {
			all[n] += s.on(n, "ls /var/lib/clusterctl/op /var/lib/clusterctl/done; systemctl show -p ActiveEnterTimestamp corosync")
		}
		return all
	}

	if !join() {
		t.Error("the first run says that it changed nothing")
	}
	s.healthy()
	before, version := now(), s.status().Cluster.ConfigVersion
	if join() {
		t.Error("the second run says that it changed something")
	}
	if diff := cmp.Diff(before, now()); diff != "" {
		t.Errorf("the second run changed something (-before +after):\n%s", diff)
	}
	if v := s.status().Cluster.ConfigVersion; v != version {
		t.Errorf("config_version %d, before the second run %d", v, version)
	}
}

// The script that cloud-init.yaml carries is the one that is tested here.
func TestNodeOnboardingUserData(t *testing.T) {
	script, err := os.ReadFile(examples + "join.sh")
	if err != nil {
		t.Fatal(err)
	}
	userData, err := os.ReadFile(examples + "cloud-init.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const indent = "\n      "
	if want := indent + strings.ReplaceAll(strings.TrimSpace(string(script)), "\n", indent) + "\n"; !strings.Contains(string(userData), want) {
		t.Errorf("cloud-init.yaml does not have the text of join.sh:%s", want)
	}
}
