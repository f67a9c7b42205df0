package corosyncconf_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clusterctl/corosyncconf"
	"clusterctl/quorum"
)

// captured is what a real corosync had in its database.
func captured(t *testing.T, name string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../testdata/cmapctl", name))
	if err != nil {
		t.Fatal(err)
	}
	all, err := quorum.ParseCmap(data)
	if err != nil {
		t.Fatal(err)
	}
	db := map[string]string{}
	for key, v := range all {
		db[key] = v.Text
	}
	return db
}

// What corosync runs by is the file that it was started with, and nothing that
// it has added.
func TestRunningIsWhatTheFileSays(t *testing.T) {
	const knet = `totem {
 version: 2
 config_version: 7
 cluster_name: lab
 transport: knet
 crypto_cipher: none
 crypto_hash: none
}
nodelist {
 node {
  name: n1
  nodeid: 1
  ring0_addr: 10.70.0.1
  ring1_addr: 10.71.0.1
 }
 node {
  name: n2
  nodeid: 2
  ring0_addr: 10.70.0.2
  ring1_addr: 10.71.0.2
 }
 node {
  name: n3
  nodeid: 3
  ring0_addr: 10.70.0.3
  ring1_addr: 10.71.0.3
 }
}
quorum {
 provider: corosync_votequorum
}
logging {
 to_stderr: yes
}
`
	db := captured(t, "3.1.7/knet-3-nodes.txt")
	file := parse(t, knet)
	if changes := corosyncconf.Compare(corosyncconf.Running(db, corosyncconf.V31), file, corosyncconf.V31); len(changes) > 0 {
		t.Errorf("it runs otherwise: %+v", changes)
	}
	for _, tt := range []struct{ old, new, want string }{
		{"cluster_name: lab", "cluster_name: lab\n token: 5000", "token: 3000 ms (the default) -> 5000 ms"},
		{" crypto_hash: none\n", " crypto_hash: sha256\n", "crypto_hash: none -> sha256"},
		{" to_stderr: yes", " to_stderr: yes\n logger_subsys {\n  subsys: QUORUM\n  debug: on\n }", `debug of QUORUM: off (the default) -> on`},
		{"10.71.0.3", "10.71.0.4", "ring1_addr of n3: 10.71.0.3 -> 10.71.0.4"},
		{"config_version: 7", "config_version: 8", "config_version: 7 -> 8"},
	} {
		changes := corosyncconf.Compare(corosyncconf.Running(db, corosyncconf.V31), parse(t, strings.Replace(knet, tt.old, tt.new, 1)), corosyncconf.V31)
		if len(changes) != 1 || changes[0].Words != tt.want {
			t.Errorf("%q: %+v, want %s", tt.new, changes, tt.want)
		}
	}
	db["logging.logger_subsys.QUORUM.debug"] = "on"
	db["totem.interface.1.knet_link_priority"] = "5"
	changes := corosyncconf.Compare(corosyncconf.Running(db, corosyncconf.V31), file, corosyncconf.V31)
	if len(changes) != 2 || changes[1].Path != "totem.interface[1].knet_link_priority" || changes[0].Path != "logging.logger_subsys[QUORUM].debug" {
		t.Errorf("what only runs: %+v", changes)
	}
}

func TestRunningOf24AndUDPU(t *testing.T) {
	for name, want := range map[string]int{"2.4.6/rrp-node-down.txt": 2, "3.1.7/udpu-all-flags.txt": 1, "3.0.1/knet-node-down.txt": 2} {
		r := corosyncconf.V31
		if strings.HasPrefix(name, "2.4") {
			r = corosyncconf.V24
		}
		f := corosyncconf.Running(captured(t, name), r)
		c := f.ConfigIn(r)
		if len(c.Links()) != want || len(c.Nodes) != 3 {
			t.Errorf("%s: links %v of %d nodes:\n%s", name, c.Links(), len(c.Nodes), f.Bytes())
		}
	}
}
