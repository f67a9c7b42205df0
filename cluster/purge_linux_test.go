package cluster_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"clusterctl/cluster"
)

// pmxcfs is a folder in place of /etc/pve, with files in it.
func pmxcfs(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pve")
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Files are read as they are, ends of lines and all, or they could not be edited.
func TestWhatNamesNodesIsRead(t *testing.T) {
	const odd = "dir: local\n\tpath /srv\n\n\n"
	dir := pmxcfs(t, map[string]string{
		"local": "", "storage.cfg": odd, "ha/rules.cfg": "without an end", "jobs.cfg": "",
		"nodes/n1/lxc/200.conf": "x", "nodes/n2/qemu-server/100.conf": "x", "nodes/n2/pve-ssl.pem": "x", "nodes/n2/lxc/105.conf.tmp.77": "x",
	})
	if err := os.MkdirAll(dir+"/nodes/n3/lxc", 0o755); err != nil {
		t.Fatal(err)
	}
	script := strings.NewReplacer("/usr/bin/pmxcfs", "/bin/sh", "/etc/pve", dir).Replace(cluster.SectionsScript + cluster.FactsScript)
	none := map[string]string{"grep": "", "systemctl": "", "ip": "", "corosync": "", "uname": "echo n1", "stat": "echo 755"}
	f, err := cluster.ParseFacts("n1", scripted(t, script+"\nput end 0 ''", none, ""), time.Now(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if f.PVE == nil || !f.PVE.Mounted {
		t.Fatalf("%+v", f.PVE)
	}
	if diff := cmp.Diff(map[string]string{"storage.cfg": odd, "ha/rules.cfg": "without an end", "jobs.cfg": ""}, f.PVE.Files); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string][]string{"n1": {"lxc/200.conf"}, "n2": {"qemu-server/100.conf", "lxc/105.conf.tmp.77"}, "n3": nil}, f.PVE.Homes); diff != "" {
		t.Error(diff)
	}
}

// What hangs is asked once, so that a status does not take that many times as long.
func TestPmxcfsThatHangsIsAskedOnce(t *testing.T) {
	dir := pmxcfs(t, map[string]string{"local": ""})
	script := strings.NewReplacer("/usr/bin/pmxcfs", "/bin/sh", "/etc/pve", dir).Replace(cluster.SectionsScript + cluster.FactsScript)
	commands := map[string]string{
		"grep": "", "systemctl": "", "ip": "", "corosync": "", "uname": "echo n1", "stat": "echo 755",
		"timeout": `[ "$1" = -s ] || exit 0; shift 3; [ "$1" = stat ] && exec "$@"; echo "$*" >>"$ASKED"; exit 137`,
	}
	f, err := cluster.ParseFacts("n1", scripted(t, script+"\nput clock 0 \"$(wc -l <\"$ASKED\")\"; put end 0 ''", commands, ""), time.Now(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if f.PVE == nil || f.PVE.Mounted || f.Clock.Unix() != 1 {
		t.Errorf("asked %d times: %+v", f.Clock.Unix(), f.PVE)
	}
}

// tree is what there is below a folder, by path; folders end in a slash.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		rest := strings.TrimPrefix(name, dir+"/")
		if err != nil || name == dir {
			return err
		}
		if d.IsDir() {
			all[rest+"/"] = ""
			return nil
		}
		text, err := os.ReadFile(name)
		all[rest] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// changes runs operations of script/change.sh on a folder in place of /etc/pve.
func changes(t *testing.T, dir, journal, commands string) string {
	t.Helper()
	const lead = "\nE=$J/op/7; mounted() { :; }; writable() { :; }; uname() { echo n1; }\nmkdir -p \"$E/blobs\"\n"
	script := strings.NewReplacer("/etc/pve", dir, cluster.JournalDir, journal).Replace(cluster.ChangeScript)
	return string(scripted(t, "{ "+script+lead+commands+"; } 2>&1; echo $?", nil))
}

func TestADirectoryIsKeptBeforeItIsRemoved(t *testing.T) {
	dir, journal := pmxcfs(t, map[string]string{"nodes/n1/pve-ssl.pem": "1", "nodes/n3/pve-ssl.pem": "3", "nodes/n3/priv/key": "k", "nodes/n3/lxc/200.conf": "x"}), t.TempDir()
	before := tree(t, dir)
	for _, refused := range []struct{ command, why string }{
		{"op_purge '' '' '' '' '' n3", "there are guests in " + dir + "/nodes/n3: move them first\n77\n"},
		{"op_purge '' '' '' '' '' n1", "it is n1 itself\n1\n"},
	} {
		if out := changes(t, dir, journal, refused.command); out != refused.why {
			t.Errorf("%q", out)
		}
	}
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Fatal(diff)
	}
	if err := os.Remove(dir + "/nodes/n3/lxc/200.conf"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // again does no harm
		if out := changes(t, dir, journal, "op_purge '' '' '' '' '' n3"); out != "0\n" {
			t.Errorf("%q", out)
		}
	}
	if diff := cmp.Diff(map[string]string{"nodes/": "", "nodes/n1/": "", "nodes/n1/pve-ssl.pem": "1"}, tree(t, dir)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"7/": "", "7/n3/": "", "7/n3/lxc/": "", "7/n3/priv/": "", "7/n3/priv/key": "k", "7/n3/pve-ssl.pem": "3"}, tree(t, journal+"/purged")); diff != "" {
		t.Error(diff)
	}
}

// Pmxcfs may have no quorum for a moment; when it has gone, nothing was removed.
func TestADirectoryIsRemovedOnlyWherePmxcfsCanBeWritten(t *testing.T) {
	const waits = "sleep() { SECONDS=$((SECONDS + 20)); "
	for name, c := range map[string]struct{ state, want string }{
		"soon":  {"writable() { return 1; }; " + waits + "writable() { :; }; }", "0\n"},
		"never": {"writable() { return 1; }; " + waits + "}", "/etc/pve/nodes/n3 cannot be removed: pmxcfs has no quorum, or does not run\n1\n"},
		"gone":  {"mounted() { return 1; }; writable() { mounted; }; " + waits + "}; rm -r /etc/pve/nodes", "/etc/pve/nodes/n3 cannot be removed: pmxcfs has no quorum, or does not run\n1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, journal := pmxcfs(t, map[string]string{"nodes/n3/pve-ssl.pem": "3"}), t.TempDir()
			in := strings.NewReplacer("/etc/pve", dir)
			if out := changes(t, dir, journal, in.Replace(c.state)+"; op_purge '' '' '' '' '' n3"); out != in.Replace(c.want) {
				t.Errorf("%q", out)
			}
			if _, err := os.Stat(dir + "/nodes/n3/pve-ssl.pem"); name == "never" && err != nil || name == "soon" && err == nil {
				t.Errorf("is it there: %v", err)
			}
		})
	}
}

func TestAFileIsKeptBeforeItIsEdited(t *testing.T) {
	dir, journal := pmxcfs(t, map[string]string{"ha/rules.cfg": "old\n", "priv/lock/x": ""}), t.TempDir()
	edit := func(base, text string) string {
		hash := cluster.Hash([]byte(text))
		return changes(t, dir, journal, "printf %s '"+text+"' >\"$E/blobs/"+hash+"\"; op_share "+dir+"/ha/rules.cfg "+hash+" "+cluster.Hash([]byte(base)))
	}
	if out := edit("another\n", "new"); out != dir+"/ha/rules.cfg was changed by someone else meanwhile\n77\n" {
		t.Errorf("%q", out)
	}
	for range 2 {
		if out := edit("old\n", "new"); out != "0\n" {
			t.Errorf("%q", out)
		}
	}
	if diff := cmp.Diff(map[string]string{"ha/": "", "ha/rules.cfg": "new", "ha/rules.cfg.bak": "old\n", "priv/": "", "priv/lock/": "", "priv/lock/x": ""}, tree(t, dir)); diff != "" {
		t.Error(diff)
	}
}
