//go:build linux && node

package lab_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"clusterctl/internal/lab"
)

// A child process of a test is this test binary with upVariable set to the name of the lab that it makes.
const upVariable = "CLUSTERLAB_TEST_UP"

func TestMain(m *testing.M) {
	name, isChild := os.LookupEnv(upVariable)
	if !isChild {
		os.Exit(m.Run())
	}
	if _, err := lab.Up(context.Background(), lab.Options{Name: name, Nodes: 2}); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func TestNodesAnswerByName(t *testing.T) {
	for _, suite := range []string{"bookworm", "trixie"} {
		t.Run(suite, func(t *testing.T) {
			l := lab.Start(t, lab.Options{Suite: suite})
			for _, n := range l.Nodes() {
				script := "uname -n; id -un; systemctl is-system-running; systemctl is-active corosync; . /etc/os-release; echo $VERSION_CODENAME"
				want := n.Name() + "\nroot\nrunning\nactive\n" + suite + "\n"
				if got := output(t, l.Command(t.Context(), "ssh", n.Name(), script)); got != want {
					t.Errorf("%s: got %q, want %q", n.Name(), got, want)
				}
				if got := output(t, l.Command(t.Context(), "ssh", "admin@"+n.Name(), "id -un; sudo id -un")); got != "admin\nroot\n" {
					t.Errorf("%s: as admin: got %q", n.Name(), got)
				}
			}
		})
	}
}

func TestNodesAreMachinesOfTheirOwn(t *testing.T) {
	l := lab.Start(t, lab.Options{Nodes: 2})
	one, two := l.Node("n1"), l.Node("n2")
	for _, file := range []string{"/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub", "/etc/ssh/ssh_host_ecdsa_key.pub", "/etc/hostname"} {
		a, b := read(t, one, file), read(t, two, file)
		if len(a) == 0 || a == b {
			t.Errorf("%s: n1 has %q, n2 has %q", file, a, b)
		}
	}
	// With a control group shared by the nodes, systemd would stop the services of both.
	run(t, one, "systemctl stop corosync ssh")
	if got := run(t, two, "systemctl is-active corosync ssh"); got != "active\nactive\n" {
		t.Errorf("services of n2 when those of n1 are stopped: %q", got)
	}
}

func TestMorePackagesAreOnTheNodesOfThatLabOnly(t *testing.T) {
	more, usual := lab.Start(t, lab.Options{Nodes: 1, Packages: []string{"pacemaker", "pacemaker-cli-utils"}}), lab.Start(t, lab.Options{Nodes: 1})
	if got := run(t, more.Node("n1"), "systemctl is-enabled pacemaker; systemctl is-active pacemaker; systemctl is-system-running"); got != "enabled\nactive\nrunning\n" {
		t.Errorf("with pacemaker: %q", got)
	}
	if out, err := usual.Node("n1").Run(t.Context(), "systemctl cat pacemaker"); err == nil {
		t.Errorf("without: %q", out)
	}
}

func TestCommandsRunBesideTheNodes(t *testing.T) {
	l := lab.Start(t, lab.Options{Nodes: 1})
	dir := t.TempDir()
	t.Setenv("SSH_AUTH_SOCK", "/nowhere")
	cmd := l.Command(t.Context(), "/bin/sh", "-c", `pwd; getent hosts n1; echo "$HOME $SSH_AUTH_SOCK"; cat "$HOME/.ssh/known_hosts" | wc -l; echo $$`)
	cmd.Dir = dir
	got := output(t, cmd)
	want := fmt.Sprintf("%s\n%-15s n1\n%s \n1\n%d\n", dir, l.Node("n1").Addr(lab.Mgmt), l.Home(), cmd.Process.Pid)
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCutPullsOneCableAndHealPutsItBack(t *testing.T) {
	l := lab.Start(t, lab.Options{Nodes: 2})
	n := l.Node("n1")
	must(t, n.Cut(t.Context(), 0))
	if pings(l, "n1", "n2", 0) || !pings(l, "n1", "n2", 1) || !answers(l, "n1") {
		t.Error("link 0 is cut: it must be silent, and link 1 and SSH work")
	}
	if got := strings.TrimSpace(read(t, n, "/sys/class/net/link0/carrier")); got != "0" {
		t.Errorf("carrier of link 0 on n1: %s", got)
	}
	if !n.IsCut(0) || n.IsCut(1) {
		t.Error("IsCut does not say what Cut did")
	}
	must(t, n.Heal(t.Context(), 0))
	await(t, "a ping over link 0", func() bool { return pings(l, "n1", "n2", 0) })
}

func TestCutAllPullsAllCables(t *testing.T) {
	l := lab.Start(t, lab.Options{Nodes: 2})
	n := l.Node("n1")
	must(t, n.CutAll(t.Context()))
	if pings(l, "n2", "n1", 0) || pings(l, "n2", "n1", 1) || answers(l, "n1") {
		t.Error("all is cut, but something still answers")
	}
	if got := run(t, n, "uname -n"); got != "n1\n" {
		t.Errorf("run without the network: got %q", got)
	}
	must(t, n.HealAll(t.Context()))
	await(t, "SSH", func() bool { return answers(l, "n1") })
}

func TestDropLosesPacketsSilently(t *testing.T) {
	l := lab.Start(t, lab.Options{Nodes: 2})
	n := l.Node("n1")
	if !pings(l, "n1", "n2", 0) { // so that it need not ask for n2's hardware address over the lossy link
		t.Fatal("link 0 does not work from the start")
	}
	must(t, n.Drop(t.Context(), 0, 50))
	out := run(t, n, "ping -q -i 0.01 -c 200 -W 1 10.99.10.12 || :")
	if strings.Contains(out, " 0% packet loss") || strings.Contains(out, " 100% packet loss") {
		t.Errorf("link 0 loses half each way: %s", out)
	}
	for _, link := range []int{0, lab.Mgmt} {
		must(t, n.Drop(t.Context(), link, 100))
	}
	if pings(l, "n1", "n2", 0) || pings(l, "n2", "n1", 0) || !pings(l, "n1", "n2", 1) || answers(l, "n1") {
		t.Error("link 0 and management lose all, link 1 nothing: seen is something else")
	}
	if got := strings.TrimSpace(read(t, n, "/sys/class/net/link0/carrier")); got != "1" {
		t.Errorf("carrier of link 0 on n1: %s", got)
	}
	for _, link := range []int{0, lab.Mgmt} {
		must(t, n.Drop(t.Context(), link, 0))
	}
	await(t, "a ping over link 0", func() bool { return pings(l, "n1", "n2", 0) })
	await(t, "SSH", func() bool { return answers(l, "n1") })
}

func TestFirewallIsTheNodesOwnUntilItBoots(t *testing.T) {
	l := lab.Start(t, lab.Options{Nodes: 2})
	n := l.Node("n1")
	must(t, n.Firewall(t.Context(), "icmp type echo-request drop", "tcp dport 99 drop"))
	if pings(l, "n2", "n1", 0) || !answers(l, "n1") {
		t.Error("ping must be filtered and SSH not")
	}
	if got := run(t, n, "nft list ruleset"); !strings.Contains(got, "echo-request drop") {
		t.Errorf("the node does not see its rule: %s", got)
	}
	must(t, n.Firewall(t.Context()))
	if !pings(l, "n2", "n1", 0) {
		t.Error("no filter, but no answer")
	}
	must(t, n.Firewall(t.Context(), "icmp type echo-request drop"))
	must(t, n.Kill(t.Context()))
	must(t, n.Boot(t.Context()))
	if got := run(t, n, "nft list ruleset"); got != "" {
		t.Errorf("after a boot: %s", got)
	}
}

func TestAFrozenNodeAnswersPingsOnlyUntilItThaws(t *testing.T) {
	l := lab.Start(t, lab.Options{Nodes: 2})
	n := l.Node("n1")
	must(t, n.Freeze(t.Context()))
	if n.State() != lab.Frozen || !pings(l, "n2", "n1", 0) || answers(l, "n1") {
		t.Errorf("state %s: want frozen, with pings answered and SSH not", n.State())
	}
	must(t, n.Thaw(t.Context()))
	if n.State() != lab.Running || !answers(l, "n1") {
		t.Errorf("state %s: want running, and SSH answered", n.State())
	}
}

func TestAKilledNodeBootsWithItsDisk(t *testing.T) {
	l := lab.Start(t, lab.Options{Nodes: 1})
	n := l.Node("n1")
	must(t, n.WriteFile("/etc/corosync/mark", []byte("here\n"), 0o640))
	boot, id := run(t, n, "cat /proc/sys/kernel/random/boot_id"), read(t, n, "/etc/machine-id")
	must(t, n.Kill(t.Context()))
	if n.State() != lab.Off || n.PID() != 0 || answers(l, "n1") {
		t.Errorf("state %s, pid %d: want it off", n.State(), n.PID())
	}
	if got := read(t, n, "/etc/corosync/mark"); got != "here\n" {
		t.Errorf("its disk while it is off: %q", got)
	}
	must(t, n.Boot(t.Context()))
	if got := run(t, n, "stat -c %a /etc/corosync/mark; cat /etc/corosync/mark /etc/machine-id"); got != "640\nhere\n"+id {
		t.Errorf("its disk after the boot: %q", got)
	}
	if got := run(t, n, "cat /proc/sys/kernel/random/boot_id"); got == boot {
		t.Error("its boot id is the one from before")
	}
	if !answers(l, "n1") {
		t.Error("it does not answer SSH")
	}
	if journal, err := n.Journal(t.Context()); err != nil || strings.Count(journal, "Corosync Cluster Engine exiting") > 0 ||
		strings.Count(journal, "Started corosync.service") != 2 {
		t.Errorf("journal of a node that started corosync twice and never stopped it: %v\n%s", err, journal)
	}
}

func TestANodeCanReboot(t *testing.T) {
	l := lab.Start(t, lab.Options{Nodes: 1})
	n := l.Node("n1")
	before := n.PID()
	run(t, n, "systemctl reboot")
	await(t, "another init", func() bool { return n.PID() != 0 && n.PID() != before })
	await(t, "SSH", func() bool { return answers(l, "n1") })
}

func TestANodeThatPoweredOffBootsAgain(t *testing.T) {
	l := lab.Start(t, lab.Options{Nodes: 1})
	n := l.Node("n1")
	run(t, n, "systemctl poweroff")
	await(t, "it to be off", func() bool { return n.State() == lab.Off })
	must(t, n.Boot(t.Context()))
	if !answers(l, "n1") {
		t.Error("it does not answer SSH")
	}
}

func TestANodeWithABrokenServiceBoots(t *testing.T) {
	l := lab.Start(t, lab.Options{Nodes: 1})
	n := l.Node("n1")
	must(t, n.Kill(t.Context()))
	must(t, n.WriteFile("/etc/corosync/corosync.conf", []byte("nonsense\n"), 0o644))
	must(t, n.Boot(t.Context()))
	if got := run(t, n, "systemctl is-failed corosync"); got != "failed\n" {
		t.Errorf("corosync without a configuration: %q", got)
	}
}

func TestAFullDiskTakesNoMoreData(t *testing.T) {
	l := lab.Start(t, lab.Options{Nodes: 1, DiskMiB: 32})
	n := l.Node("n1")
	must(t, n.FillDisk())
	if out, err := n.Run(t.Context(), "cat /etc/passwd > /etc/corosync/new"); err == nil || !strings.Contains(err.Error(), "No space left on device") {
		t.Errorf("write: got %q, %v", out, err)
	}
	must(t, n.FreeDisk())
	run(t, n, "cat /etc/passwd > /etc/corosync/new")
}

func TestResetGivesNewNodes(t *testing.T) {
	l := lab.Start(t, lab.Options{Nodes: 3})
	n := l.Node("n1")
	must(t, n.WriteFile("/etc/corosync/mark", nil, 0o644))
	must(t, n.Drop(t.Context(), 0, 100))
	must(t, n.CutAll(t.Context()))
	must(t, l.Node("n2").Freeze(t.Context()))
	must(t, l.Node("n3").Kill(t.Context()))
	must(t, l.Reset(t.Context()))
	for _, n := range l.Nodes() {
		if !answers(l, n.Name()) {
			t.Errorf("%s does not answer", n.Name())
		}
	}
	if !pings(l, "n1", "n3", 0) {
		t.Error("n1 does not reach n3")
	}
	if _, err := n.ReadFile("/etc/corosync/mark"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file from before: %v", err)
	}
}

func TestACopiedProgramRunsOnTheNode(t *testing.T) {
	l := lab.Start(t, lab.Options{Nodes: 1})
	n := l.Node("n1")
	must(t, n.CopyIn("/bin/true", "/opt/tool/answer"))
	run(t, n, "/opt/tool/answer")
}

func TestDownLeavesNothing(t *testing.T) {
	before := machine(t)
	l := lab.Start(t, lab.Options{})
	if during := machine(t); during != before {
		t.Errorf("a lab that is up shows outside: before\n%s\nduring\n%s", before, during)
	}
	left := l.Command(context.Background(), "sleep", "1000")
	must(t, left.Start())
	await(t, "the command to be in the lab", func() bool { return processes(l.Name())[left.Process.Pid] })
	must(t, l.Node("n2").Freeze(t.Context()))
	pids := processes(l.Name())
	if len(pids) < 10 {
		t.Fatalf("only %d processes seen in a lab that is up", len(pids))
	}
	namespaces := namespacesOf(pids)
	for ns := range namespacesOf(map[int]bool{os.Getpid(): true}) {
		delete(namespaces, ns)
	}

	must(t, l.Down(t.Context()))
	left.Wait()
	isGone(t, l.Name())
	if after := machine(t); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	for ns := range namespacesOf(processes("")) {
		if namespaces[ns] {
			t.Errorf("namespace %s of the lab is still there", ns)
		}
	}
	if err := lab.Down(t.Context(), l.Name()); !errors.Is(err, lab.ErrNoLab) {
		t.Errorf("down again: got %v, want %v", err, lab.ErrNoLab)
	}
}

func TestDownLeavesNothingOfACrashedUp(t *testing.T) {
	// How far an up gets in that time depends on the machine; over all of them, somewhere.
	for _, after := range []time.Duration{0, 5, 20, 40, 80, 120, 200, 300, 500, 800, 1300} {
		t.Run(fmt.Sprint(after*time.Millisecond), func(t *testing.T) {
			crashUp(t, after*time.Millisecond)
		})
	}
	t.Run("while it builds the tree", func(t *testing.T) {
		t.Setenv("XDG_CACHE_HOME", t.TempDir())
		crashUp(t, 4*time.Second)
	})
}

// crashUp kills an up after a while and ends what it made.
func crashUp(t *testing.T, after time.Duration) {
	const name = "crash"
	before := machine(t)
	up := child(name)
	must(t, up.Start())
	time.Sleep(after)
	must(t, up.Process.Kill())
	up.Wait()
	if err := lab.Down(t.Context(), name); err != nil && !errors.Is(err, lab.ErrNoLab) {
		t.Error(err)
	}
	isGone(t, name)
	if after := machine(t); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

func TestLabsRunSideBySide(t *testing.T) {
	a, b := lab.Start(t, lab.Options{Nodes: 2}), lab.Start(t, lab.Options{Nodes: 2})
	if x, y := read(t, a.Node("n1"), "/etc/machine-id"), read(t, b.Node("n1"), "/etc/machine-id"); x == y {
		t.Error("the first nodes of both are the same machine")
	}
	must(t, a.Node("n1").CutAll(t.Context()))
	must(t, a.Node("n2").Kill(t.Context()))
	if !pings(b, "n1", "n2", 0) || !answers(b, "n1") {
		t.Error("what happened in one lab is felt in the other")
	}
	must(t, a.Down(t.Context()))
	if !pings(b, "n1", "n2", 0) || !answers(b, "n1") {
		t.Error("the end of one lab is felt in the other")
	}
}

func TestUpRefusesANameInUse(t *testing.T) {
	l := lab.Start(t, lab.Options{Nodes: 1})
	_, err := lab.Up(t.Context(), lab.Options{Name: l.Name()})
	if err == nil || !strings.Contains(err.Error(), "is there already") || !answers(l, "n1") {
		t.Errorf("got %v; want it refused and the lab untouched", err)
	}
}

func TestAnInterruptedUpLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	const name = "interrupted"
	if _, err := lab.Up(ctx, lab.Options{Name: name, Nodes: 16}); err == nil {
		t.Fatal("16 nodes booted at once")
	}
	isGone(t, name)
}

func TestUpWithoutRootIsRefusedInOneSentence(t *testing.T) {
	cmd := child("nobody")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.Output()
	want := "a lab is made of namespaces, mounts and control groups: run this as root\n"
	if err == nil || string(out) != want {
		t.Errorf("got %q, %v; want %q", out, err, want)
	}
}

func TestATestsLabEndsWithItsProcess(t *testing.T) {
	const variable = "CLUSTERLAB_TEST_HOLD"
	if os.Getenv(variable) != "" { // in the child
		fmt.Println("lab", lab.Start(t, lab.Options{Nodes: 1}).Name())
		select {}
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), variable+"=1")
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var name string
	_, err = fmt.Fscanf(stdout, "lab %s\n", &name)
	must(t, err)
	must(t, cmd.Process.Kill())
	cmd.Wait()
	await(t, "the lab's processes to end", func() bool { return len(processes(name)) == 0 })
	lab.Start(t, lab.Options{Nodes: 1}) // which removes what else is left
	isGone(t, name)
}

func BenchmarkUp(b *testing.B) {
	for b.Loop() {
		l, err := lab.Up(b.Context(), lab.Options{Name: "bench"})
		must(b, err)
		b.StopTimer()
		must(b, l.Down(b.Context()))
		b.StartTimer()
	}
}

func BenchmarkReset(b *testing.B) {
	l := lab.Start(b, lab.Options{})
	for b.Loop() {
		must(b, l.Reset(b.Context()))
	}
}

// child is the command of a process that makes the lab of that name.
func child(name string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), upVariable+"="+name)
	return cmd
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// await waits for what is bound to come; the limit is for a test that fails.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func output(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", cmd, err, errs.String())
	}
	return string(out)
}

func run(t testing.TB, n *lab.Node, script string) string {
	t.Helper()
	out, err := n.Run(t.Context(), script)
	must(t, err)
	return out
}

func read(t testing.TB, n *lab.Node, name string) string {
	t.Helper()
	data, err := n.ReadFile(name)
	must(t, err)
	return string(data)
}

// pings reports whether a node gets an answer from another over a link.
func pings(l *lab.Lab, from, to string, link int) bool {
	_, err := l.Node(from).Run(context.Background(), fmt.Sprintf("ping -c 1 -W 1 -I %s %s", l.Node(from).Addr(link), l.Node(to).Addr(link)))
	return err == nil
}

// answers reports whether a node lets one in over SSH.
func answers(l *lab.Lab, node string) bool {
	return l.Command(context.Background(), "timeout", "3", "ssh", "-o", "ConnectTimeout=2", node, "true").Run() == nil
}

// machine is what others see of labs on this machine: mounts, named namespaces, files where container tools leave some.
func machine(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("/bin/sh", "-c", `cat /proc/self/mounts; ip netns list; ip -br link
		ls /run/netns /run/systemd/nspawn /var/lib/machines 2>&1; cat /etc/hosts; uname -n`).Output()
	must(t, err)
	return string(out)
}

// isGone fails the test if there is still something with the lab's name.
func isGone(t testing.TB, name string) {
	t.Helper()
	if pids := processes(name); len(pids) > 0 {
		t.Errorf("processes of lab %s: %v", name, pids)
	}
	for _, pattern := range []string{"/sys/fs/cgroup/clusterlab/" + name, "/sys/fs/cgroup/*/clusterlab/" + name} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			t.Errorf("control groups of lab %s: %s", name, found)
		}
	}
	cache, err := os.UserCacheDir()
	must(t, err)
	if _, err := os.Stat(filepath.Join(cache, "clusterctl", "lab", "run", name)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory of lab %s: %v", name, err)
	}
	if lines, _ := exec.Command("pgrep", "-a", "-f", "lab/run/"+name+"/").Output(); len(lines) > 0 {
		t.Errorf("processes with lab %s on their command lines: %s", name, lines)
	}
}

// processes are those in the control group of a lab, or all. Not those that ended and wait for init to see it.
func processes(name string) map[int]bool {
	pids := map[int]bool{}
	files, _ := filepath.Glob("/proc/[0-9]*/cgroup")
	for _, file := range files {
		data, _ := os.ReadFile(file)
		var pid int
		fmt.Sscanf(file, "/proc/%d/", &pid)
		status, _ := os.ReadFile(filepath.Dir(file) + "/status")
		if strings.Contains(string(status), "\nState:\tZ") {
			continue
		}
		if name == "" || strings.Contains(string(data), "/clusterlab/"+name+"/") {
			pids[pid] = true
		}
	}
	return pids
}

func namespacesOf(pids map[int]bool) map[string]bool {
	all := map[string]bool{}
	for pid := range pids {
		links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/ns/*", pid))
		for _, link := range links {
			if ns, err := os.Readlink(link); err == nil {
				all[ns] = true
			}
		}
	}
	return all
}
