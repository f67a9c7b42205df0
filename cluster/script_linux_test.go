package cluster_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
)

// scripted runs a script of a node here, with commands in place of some of the
// machine's, and returns what it prints.
func scripted(t *testing.T, script string, commands map[string]string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	for name, text := range commands {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/bash\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", append([]string{"-c", script, "bash"}, args...)...)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "ASKED="+filepath.Join(dir, "asked"))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A dead DNS server costs the time of one name, however many there are, and
// takes nothing away from names that /etc/hosts has.
func TestNamesAreResolvedAtTheSameTime(t *testing.T) {
	commands := map[string]string{
		"timeout": `shift; exec /usr/bin/timeout 1 "$@"`,
		"getent":  `echo "$2" >>"$ASKED"; case $2 in n1) echo 10.0.0.1 STREAM n1; echo 10.0.0.1 DGRAM ;; *) exec sleep 50 ;; esac`,
	}
	names := []string{"d1", "d2", "d3", "d4", "n1", "d5", "d6", "d7", "d8", "n1", "d9", "d10", "d11", "d12"}
	script := cluster.SectionsScript + `resolve "$@"; resolve "$@"; asked=$(wc -l <"$ASKED"); put clock 0 "$asked.0"; put end 0 ''`
	began := time.Now()
	out := scripted(t, script, commands, names...)
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("it took %s", took)
	}
	f, err := cluster.ParseFacts("n1", out, began, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if a := f.Resolved["n1"]; len(a) != 1 || a[0].String() != "10.0.0.1" {
		t.Errorf("n1: %v", a)
	}
	if a, asked := f.Resolved["d12"]; !asked || len(a) > 0 || len(f.Resolved) != 13 {
		t.Errorf("%v", f.Resolved)
	}
	if f.Clock.Unix() != 13 {
		t.Errorf("asked %d times", f.Clock.Unix())
	}
}

// Corosync may hang, as when its process is stopped: then its tools do, one perhaps in
// the middle of what it has to say. None is waited for for long, or left behind, and
// half an answer is none.
func TestToolsOfCorosyncThatHangAreEnded(t *testing.T) {
	status, err := os.ReadFile("../testdata/quorumtool/3.1.7/knet-3-nodes.txt")
	if err != nil {
		t.Fatal(err)
	}
	const hang, active = `echo $$ >>"$ASKED"; exec 3<> <(:); read -u 3`, `exit 0` // systemctl is-active
	says := "cat <<'END'\n" + string(status) + "END\n"
	alone := "printf 'Local node ID 1, transport knet\nLINK ID 0 udp\n\taddr\t= 10.0.0.1\n\tstatus:\n\t\tnodeid:          1:\tlocalhost\n'"
	script := strings.Replace(cluster.SectionsScript+cluster.RuntimeScript, "limit=5", "limit=2", 1)
	for name, c := range map[string]struct {
		commands map[string]string
		want     string
	}{
		"all":              {map[string]string{"corosync-quorumtool": hang, "corosync-cfgtool": hang, "corosync-cmapctl": hang}, "corosync-quorumtool -s prints nothing"},
		"after half of it": {map[string]string{"corosync-quorumtool": says, "corosync-cfgtool": "echo Local node ID 1, transport knet\n" + hang, "corosync-cmapctl": "exit 1"}, "corosync-cfgtool -s prints nothing"},
		"the last one":     {map[string]string{"corosync-quorumtool": says, "corosync-cfgtool": alone, "corosync-cmapctl": hang}, "corosync-cmapctl prints nothing"},
		"corosync ends": {map[string]string{"corosync-quorumtool": says, "corosync-cfgtool": alone,
			"corosync-cmapctl": "echo 'totem.config_version (u64) = 3'; exit 1"}, "corosync-cmapctl: the answer breaks off"},
	} {
		t.Run(name, func(t *testing.T) {
			c.commands["systemctl"] = active
			began := time.Now()
			rt, err := cluster.ParseRuntime(scripted(t, script+"\nfor pid in $(cat \"$ASKED\"); do while kill -0 $pid; do sleep 0.05; done; done", c.commands))
			if err != nil {
				t.Fatal(err)
			}
			if rt == nil || rt.Err == nil || rt.Err.Error() != c.want {
				t.Errorf("%+v", rt)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// Each key that something goes by is among those that a node is asked for: what a reload can change, or it could not be
// awaited, and what corosync says of itself.
func TestKeysThatAReloadChangesAreRead(t *testing.T) {
	_, asked, _ := strings.Cut(cluster.RuntimeScript, "begin cmap corosync-cmapctl ")
	asked, _, _ = strings.Cut(strings.ReplaceAll(asked, "\\\n", ""), "\n")
	read := func(key string) bool {
		return slices.ContainsFunc(strings.Fields(asked), func(prefix string) bool { return strings.HasPrefix(key, prefix) })
	}
	for _, key := range []string{
		"config.totemconfig_reload_in_progress", "config.reload_status", "config.reload_error_message", "nodelist.local_node_pos",
		"runtime.config.totem.token", "runtime.members.1.config_version", "runtime.totem.pg.mrp.srp.members.1.status",
		"runtime.votequorum.this_node_id", "totem.config_version", "system.move_to_root_cgroup",
	} {
		if !read(key) {
			t.Error(key)
		}
	}
	if !strings.HasSuffix(asked, " totem.") {
		t.Error("totem.version, by which an answer is known to be whole, is not the last")
	}
	for _, k := range corosyncconf.Keys() {
		if k.Section == "uidgid" { // by its values, not by a key of its own
			continue
		}
		for r := corosyncconf.V24; r <= corosyncconf.V31; r++ {
			if k.EffectIn(r) == corosyncconf.Reload && !read(k.Section+"."+k.Name) {
				t.Errorf("%s.%s", k.Section, k.Name)
			}
		}
	}
}

// Of units that there are not systemd is not asked, and they are told of all the same.
func TestUnitsThatThereAreNot(t *testing.T) {
	dir := t.TempDir()
	etc, cgroup := dir+"/etc/systemd/system", dir+"/cgroup/system.slice"
	for _, d := range []string{etc, cgroup + "/gone.service"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/dev/null", etc+"/masked.service"); err != nil {
		t.Fatal(err)
	}
	script := strings.NewReplacer("/{etc,run,usr/lib,lib,usr/local/lib}/", dir+"/etc/", "/sys/fs/", dir+"/").Replace(cluster.SectionsScript + cluster.FactsScript)
	commands := map[string]string{
		"ip": "", "corosync": "", "systemctl": `shift 3; for unit; do echo "Id=$unit"; echo LoadState=of-systemd; echo ActiveState=active; echo; done`,
	}
	f, err := cluster.ParseFacts("n1", scripted(t, script+"\nput end 0 ''", commands, "masked.service gone.service none.service"), time.Now(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for name, u := range f.Units {
		got[name] = u.Active
	}
	if diff := cmp.Diff(map[string]string{"masked": "active", "gone": "active", "none": "inactive"}, got); diff != "" {
		t.Error(diff)
	}
}

// What a unit that has come up meanwhile runs with is not taken from under it.
func TestAFileIsNotPutBackUnderWhatHasComeUpWithIt(t *testing.T) {
	for name, c := range map[string]struct{ was, is, want string }{
		"it does not run":      {"inactive", "inactive", "before"},
		"it ran before":        {"active", "active", "before"},
		"it has come up since": {"inactive", "active", "after"},
		"it is coming up":      {"failed", "activating", "after"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file, entry := filepath.Join(dir, "file"), filepath.Join(dir, "entry")
			if err := os.MkdirAll(filepath.Dir(entry+"/before"+file), 0o700); err != nil {
				t.Fatal(err)
			}
			for path, text := range map[string]string{file: "after", entry + "/before" + file: "before", entry + "/units": "corosync " + c.was + " enabled\n"} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			out := scripted(t, cluster.ChangeScript+`E=$1; op_restore "$2" '' '' '' corosync && cat "$2"`, map[string]string{"systemctl": "echo " + c.is}, entry, file)
			if string(out) != c.want {
				t.Errorf("it has %q, not %q", out, c.want)
			}
		})
	}
}

// Debian and Proxmox VE have interfaces in files that /etc/network/interfaces names.
func TestBondsAreFoundInFilesThatAreSourced(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"interfaces":          "source interfaces.d/*\nsource " + dir + "/one $(touch " + dir + "/bad)\n source-directory more\nauto lo\niface lo inet loopback",
		"interfaces.d/bond 0": "iface bond0 inet static\n\tbond-mode 4\n",
		"one":                 "iface bond1 inet manual\n\tbond-mode balance-rr\n",
		"more/bond2":          "iface bond2 inet manual\n\tbond-mode balance-xor\n",
		"unnamed":             "iface bond3 inet manual\n\tbond-mode 0\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	none := map[string]string{"nft": "", "ss": "", "dpkg-query": "", "rpm": "", "ip": ""}
	out := scripted(t, cluster.SectionsScript+strings.ReplaceAll(cluster.SurveyScript, "/etc/network", dir), none)
	want := map[string]string{"bond0": "802.3ad", "bond1": "balance-rr", "bond2": "balance-xor"}
	if diff := cmp.Diff(want, cluster.BondModes(out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(dir, "bad")); err == nil {
		t.Error("a command in the file was carried out")
	}
}

// What is put into /etc/pve replaces what it was planned from, under the lock that
// Proxmox VE takes for the file, and goes back only where it still is.
func TestFilesAreSharedByPmxcfs(t *testing.T) {
	const old, now = "a: 1\n", "a: 2\n"
	tests := []struct {
		name, is   string // "": there is none
		blob, base string
		back       bool
		held       bool // by another
		want, bak  string
		status     string
	}{
		{name: "a file", is: old, blob: now, base: old, want: now, bak: old, status: "0"},
		{name: "the first one", blob: now, want: now, status: "0"},
		{name: "what is there already", is: now, blob: now, base: old, want: now, status: "0"},
		{name: "changed meanwhile", is: "b\n", blob: now, base: old, want: "b\n", status: "77"},
		{name: "locked", is: old, blob: now, base: old, held: true, want: old, status: "1"},
		{name: "back", is: now, blob: old, base: now, back: true, want: old, bak: now, status: "0"},
		{name: "back to none", is: now, base: now, back: true, bak: now, status: "0"},
		{name: "back, when it was not done", is: old, blob: "c\n", base: now, back: true, held: true, want: old, status: "0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			pve, lock := dir+"/pve", dir+"/pve/priv/lock/file-datacenter_cfg"
			hash := func(text string) string {
				if text == "" {
					return cluster.Absent
				}
				return cluster.Hash([]byte(text))
			}
			put := func(path, text string) {
				t.Helper()
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			read := func(path string) string { text, _ := os.ReadFile(path); return string(text) } // "" if it is not there
			if tt.is != "" {
				put(pve+"/datacenter.cfg", tt.is)
			}
			put(dir+"/blobs/"+hash(tt.blob), tt.blob)
			if tt.held {
				put(lock+"/of-another", "")
			}
			name := ""
			if tt.back {
				name = "back"
			}
			script := strings.ReplaceAll(cluster.ChangeScript, "/etc/pve", pve) + `
mounted() { true; }
writable() { true; }
sleep() { SECONDS=$((SECONDS + 100)); }
E=$1 P=$2
op_share "$P/datacenter.cfg" "$3" "$4" '' '' "$5" 2>/dev/null
echo $?`
			out := scripted(t, script, nil, dir, pve, hash(tt.blob), hash(tt.base), name)
			if got := strings.TrimSpace(string(out)); got != tt.status {
				t.Errorf("status %s, want %s", got, tt.status)
			}
			if got := read(pve + "/datacenter.cfg"); got != tt.want {
				t.Errorf("it is %q, want %q", got, tt.want)
			}
			if got := read(pve + "/datacenter.cfg.bak"); got != tt.bak {
				t.Errorf("kept is %q, want %q", got, tt.bak)
			}
			if _, err := os.Stat(lock); (err == nil) != tt.held {
				t.Errorf("the lock is there: %v", err == nil)
			}
		})
	}
}

// The wait for /etc/pve ends.
func TestPmxcfsIsWaitedFor(t *testing.T) {
	for name, c := range map[string]struct{ late, want string }{
		"at once":  {"0", "0"},
		"in time":  {"20", "0"},
		"too late": {"100", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			out := scripted(t, cluster.ChangeScript+`
sleep() { SECONDS=$((SECONDS + 1)); }
SECONDS=0
late=$1
writable() { [ "$SECONDS" -ge "$late" ]; }
op_writable 2>/dev/null
echo $?`, nil, c.late)
			if got := strings.TrimSpace(string(out)); got != c.want {
				t.Errorf("status %s, want %s", got, c.want)
			}
		})
	}
}

// pmxcfs that hangs on its way out is killed, and one that hangs when it starts is
// started once more.
func TestPmxcfsMayHang(t *testing.T) {
	const hangs = `
op_stop() { :; }
systemctl() { :; }
sleep() { SECONDS=$((SECONDS + 1)); }
kill() { case "$1 $obeys" in -0*) [ -z "$dead" ] ;; -KILL*|*yes) dead=$1 ;; esac; }
timeout() { while [ "$1" != pmxcfs ]; do shift; done; started=$((started + 1)); [ "$started" -gt "$stuck" ]; }
`
	for name, c := range map[string]struct{ script, want string }{
		"it ends":               {"obeys=yes pmxcfs_ends; echo $? $dead", "0 1"},
		"it does not end":       {"pmxcfs_ends; echo $? $dead", "0 -KILL"},
		"it starts":             {"stuck=0; by_itself echo done; echo $? $started", "done\n0 1"},
		"it hangs once":         {"stuck=1; by_itself echo done; echo $? $started", "done\n0 2"},
		"it hangs all the time": {"stuck=9; by_itself echo done; echo $? $started", "1 3"},
	} {
		t.Run(name, func(t *testing.T) {
			proc := processes(t, process{"1", "pmxcfs", "/usr/bin/pmxcfs", "/proc/self/ns/pid"})
			out := scripted(t, strings.ReplaceAll(cluster.ChangeScript, "/proc/[0-9]*", proc+"/[0-9]*")+hangs+c.script, nil)
			if got := strings.TrimSpace(string(out)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// process is one as /proc has it: its number, its name, its program and its container.
type process struct{ pid, comm, exe, container string }

// processes is a /proc of processes.
func processes(t *testing.T, all ...process) string {
	t.Helper()
	proc := t.TempDir()
	for _, p := range all {
		dir := filepath.Join(proc, p.pid)
		if err := os.MkdirAll(filepath.Join(dir, "ns"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "comm"), []byte(p.comm+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for name, to := range map[string]string{"exe": p.exe, "ns/pid": p.container} {
			if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return proc
}

// Every pmxcfs of the node ends, however it was started, and nothing else: no script
// of that name, and not one in a container, which the node sees among its processes.
func TestPmxcfsStartedByHandEnds(t *testing.T) {
	proc := processes(t,
		process{"12", "corosync", "/usr/sbin/corosync", "/proc/self/ns/pid"},
		process{"34", "pmxcfs", "/usr/bin/pmxcfs", "/proc/self/ns/pid"},
		process{"56", "pmxcfs", "/usr/bin/pmxcfs", "/proc/self/ns/net"},
		process{"78", "pmxcfs", "/usr/bin/pmxcfs (deleted)", "/proc/self/ns/pid"},
		process{"90", "pmxcfs", "/usr/bin/bash", "/proc/self/ns/pid"})
	out := scripted(t, strings.ReplaceAll(cluster.ChangeScript, "/proc/[0-9]*", proc+"/[0-9]*")+`
op_stop() { :; }
kill() { [ "$1" != -0 ] || return; echo "$@"; }
pmxcfs_ends
echo $?`, nil)
	if got := strings.Fields(string(out)); !slices.Equal(got, []string{"34", "78", "0"}) {
		t.Errorf("ended, and status: %q", got)
	}
}
