package cluster_test

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
)

// older is a cluster of three machines of Proxmox VE 4 or 5 with a file as its tools
// wrote it, and a fourth machine.
func older(t *testing.T, file string) (*world, string) {
	t.Helper()
	data, err := os.ReadFile("../testdata/conf/" + file)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("homelab", "prod", "pve", "n", "192.168.15.", "10.0.0.", "192.168.16.", "10.0.1.").Replace(string(data))
	w := newWorld("n1", "n2", "n3", "n4")
	for _, m := range w.Machines() {
		m.Virtualize()
	}
	if err := w.Form(text, string(key), "n1", "n2", "n3"); err != nil {
		t.Fatal(err)
	}
	w.install(cluster.Version{Major: 2, Minor: 4, Patch: 4})
	w.Trouble = func(trouble string) { t.Errorf("quorum: %s", trouble) }
	return w, text
}

// Files of Proxmox VE 4 and 5 are changed like others, by what corosync 2.4 can do.
func TestFilesOfOlderProxmoxVEAreChanged(t *testing.T) {
	for _, file := range []string{"2.4-pve4-udpu.conf", "2.4-pve5.conf", "2.4-pve5-rrp.conf"} {
		t.Run(file, func(t *testing.T) {
			w, text := older(t, file)
			p, err := cluster.PlanConf(set(t, "totem.token", "5000"), w.view(t))
			w.goes(t, p, err)
			w.published(t, "n1", "n2", "n3")
			var spec cluster.AddSpec
			spec.Nodes, _ = cluster.ParseNodes([]string{"n4"})
			spec.Links, _ = cluster.ParseLinks([]string{"10.0.0.0/24", "10.0.1.0/24"}[:len(parsed(text).Nodes[0].Addrs)])
			p, err = cluster.PlanAdd(spec, w.view(t), []*cluster.Facts{w.Machine("n4").Facts()}, key)
			w.goes(t, p, err)
			w.published(t, "n1", "n2", "n3", "n4")
			if n := parsed(w.Machine("n4").Running()).Nodes; len(n) != 4 || n[3].Name != "n4" || len(n[3].Addrs) != len(n[0].Addrs) {
				t.Errorf("nodes: %+v", n)
			}
			p, err = cluster.PlanDelete(cluster.DeleteSpec{Nodes: []string{"n4"}}, w.view(t))
			w.goes(t, p, err)
			w.published(t, "n1", "n2", "n3")
			var lines []string // what was there, but for the version
			for line := range strings.Lines(text) {
				if !strings.Contains(line, "config_version") && !strings.Contains(w.Machine("n1").Running(), line) {
					lines = append(lines, line)
				}
			}
			if lines != nil {
				t.Errorf("lost: %q", lines)
			}
		})
	}
}

// The second ring comes and goes with all nodes stopped, as Proxmox VE's manual for
// RRP has it.
func TestTheSecondRingOfOlderProxmoxVE(t *testing.T) {
	w, _ := older(t, "2.4-pve5.conf")
	w.Trouble = nil // all are stopped
	add := cluster.LinkChange{Number: 1, Network: netip.MustParsePrefix("10.0.1.0/24")}
	if _, err := cluster.PlanLinkAdd(add, w.view(t)); len(cluster.ProblemsOf(err)) == 0 || cluster.ProblemsOf(err)[0].Code != cluster.CodeNeedsRestart {
		t.Errorf("got %v", err)
	}
	add.Restart = true
	p, err := cluster.PlanLinkAdd(add, w.view(t))
	w.goes(t, p, err)
	w.published(t, "n1", "n2", "n3")
	conf := parsed(w.Machine("n1").Running())
	if conf.Totem.RRPMode != "passive" || conf.Nodes[2].Addrs[1] != "10.0.1.3" {
		t.Errorf("got %+v", conf)
	}
	p, err = cluster.PlanLinkRemove(cluster.LinkChange{Number: 1, Restart: true}, w.view(t))
	w.goes(t, p, err)
	if conf := parsed(w.Machine("n3").Running()); len(conf.Nodes[0].Addrs) != 1 {
		t.Errorf("got %+v", conf)
	}
}

// A cluster of one node as pvecm create of Proxmox VE 4 made it, with a name that
// the hosts resolve.
func TestTheFirstNodeOfOlderProxmoxVE(t *testing.T) {
	data, err := os.ReadFile("../testdata/conf/2.4-pve4-create.conf")
	if err != nil {
		t.Fatal(err)
	}
	f, err := corosyncconf.Parse("corosync.conf", data)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.AddNode(corosyncconf.Node{Name: "pve2", ID: 2, Votes: 1, Addrs: map[int]string{0: "192.168.15.2"}}); err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(string(data), "    quorum_votes: 1\n  }\n", "    quorum_votes: 1\n  }\n  node {\n    ring0_addr: 192.168.15.2\n    name: pve2\n    nodeid: 2\n    quorum_votes: 1\n  }\n", 1)
	if got := string(f.Bytes()); got != want {
		t.Errorf("%s", corosyncconf.UnifiedDiff("want", "got", []byte(want), []byte(got)))
	}
}
