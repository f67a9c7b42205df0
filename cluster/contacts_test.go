package cluster_test

import (
	"os"
	"path/filepath"
	"testing"

	"clusterctl/cluster"
	"clusterctl/ssh"
)

// corosync takes any text as a cluster's name, and none; a file takes not all.
func TestContactsAreNotWrittenUnderANameThatIsNoFileName(t *testing.T) {
	top := t.TempDir()
	c := cluster.Contacts{Dir: filepath.Join(top, "clusterctl")}
	for _, name := range []string{"", "..", "../prod", "a/b", ".ssh", "two words"} {
		if err := c.Write(name, []string{"n1"}, []ssh.Endpoint{{HostName: "10.0.0.1", Port: 22}}); err == nil {
			t.Errorf("%q was written", name)
		}
	}
	if entries, err := os.ReadDir(top); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// A cluster is known by its new name when it was renamed, and only by that one.
func TestContactsFollowARename(t *testing.T) {
	c := cluster.Contacts{Dir: t.TempDir()}
	if err := c.Write("prod", []string{"n1"}, []ssh.Endpoint{{HostName: "10.0.0.1", Port: 22}}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "../prod", "web"} {
		if err := c.Rename("prod", name); err != nil {
			t.Error(err)
		}
	}
	if err := c.Rename("unknown", "other"); err != nil {
		t.Error(err)
	}
	if err := c.Write("db", []string{"n1"}, []ssh.Endpoint{{HostName: "10.0.0.2", Port: 22}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Rename("db", "web"); err == nil {
		t.Error("the file of another cluster was replaced")
	}
	if known, err := c.Clusters(); err != nil || len(known) != 2 || known[1] != "web" {
		t.Errorf("known: %v, %v", known, err)
	}
}
