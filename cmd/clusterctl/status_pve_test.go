package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
)

// What pmxcfs knows on each node is there, in words and in JSON.
func TestStatusShowsPmxcfs(t *testing.T) {
	s := &cluster.Status{Nodes: []cluster.StatusNode{
		{Name: "n1", Pmxcfs: &cluster.StatusPmxcfs{Mounted: true, Quorate: true, ConfigVersion: 7, Peers: []cluster.PVEPeer{{Name: "n1", Online: true}, {Name: "n2", Online: true}, {Name: "n3"}}}},
		{Name: "n2", Pmxcfs: &cluster.StatusPmxcfs{Peers: []cluster.PVEPeer{}}},
		{Name: "n3"},
	}}
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	a := &app{env: Env{Out: file}, streams: &cli.Streams{Out: file}}
	if err := a.pmxcfsTable(s); err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Cluster file system", "n1 yes yes 7 n1 n2 n3", "n2 no no - - -"}
	for _, line := range want {
		if !strings.Contains(strings.Join(strings.Fields(string(out)), " "), line) {
			t.Errorf("no %q in\n%s", line, string(out))
		}
	}
	got, err := json.Marshal(s.Nodes[0])
	const pmxcfs = `"pmxcfs":{"mounted":true,"quorate":true,"config_version":7,"peers":[{"name":"n1","online":true},{"name":"n2","online":true},{"name":"n3","online":false}]}`
	if err != nil || !strings.Contains(string(got), pmxcfs) {
		t.Errorf("%v: %s", err, got)
	}
}
