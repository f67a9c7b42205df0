//go:build linux

package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// ErrNoLab is what Open says of a lab that is not there.
var ErrNoLab = errors.New("no such lab")

// Lab is a lab that is up. Its methods may be called from several goroutines, and from several processes.
type Lab struct {
	options Options
	cache   string // where the trees are
	dir     string // the lab's own directory, below cache
	group   group
	holder  string   // process id
	tie     *os.File // the holder ends with this one, if the lab is tied
	nodes   []*Node
}

// holderGroup and commandsGroup are the groups below the lab's own besides those of the nodes.
const (
	holderGroup   = "holder"
	commandsGroup = "commands"
)

// Check says in one sentence why this process can make no lab here, if so. What only shows when it is tried, Up says.
func Check() error {
	if os.Geteuid() != 0 {
		return errors.New("a lab is made of namespaces, mounts and control groups: run this as root")
	}
	if pkgs := missing(); len(pkgs) > 0 {
		return fmt.Errorf("the lab needs programs that are not installed: apt-get install %s", strings.Join(pkgs, " "))
	}
	if _, err := cgroupMount(); err != nil {
		return err
	}
	known, _ := os.ReadFile("/proc/filesystems")
	if !bytes.Contains(known, []byte("\toverlay\n")) && exec.Command("/sbin/modprobe", "overlay").Run() != nil {
		return errors.New("this kernel has no overlay file system, on which the lab puts its nodes")
	}
	return nil
}

// find names what belongs to a lab, there or not.
func find(name string) (*Lab, error) {
	if !validName.MatchString(name) {
		return nil, fmt.Errorf("%w: %q", ErrNoLab, name)
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	mount, _ := cgroupMount() // without one there can be no lab, which Check says
	return &Lab{
		options: Options{Name: name},
		cache:   cache,
		dir:     filepath.Join(cache, "run", name),
		group:   mount.child("clusterlab").child(name),
	}, nil
}

// Up makes a lab and returns when all of it has booted and every node answers SSH: within 10 s for three nodes, unless
// the Debian tree must be built first. If it fails nothing of the lab is left.
func Up(ctx context.Context, o Options) (*Lab, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	if err := Check(); err != nil {
		return nil, err
	}
	l, err := find(o.Name)
	if err != nil {
		return nil, err
	}
	l.options = o
	lock, err := lockDir(ctx, l.dir)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if files, err := os.ReadDir(l.dir); err != nil || len(files) > 0 || l.group.exists() {
		return nil, errors.Join(err, fmt.Errorf("lab %s is there already: end it with clusterlab down --name %s", o.Name, o.Name))
	}
	if err := l.up(ctx); err != nil {
		return nil, errors.Join(err, l.destroy(context.WithoutCancel(ctx)))
	}
	return l, nil
}

func (l *Lab) up(ctx context.Context) error {
	state, err := json.Marshal(l.options)
	if err != nil {
		return err
	}
	if err := os.WriteFile(l.file("state.json"), state, 0o644); err != nil {
		return err
	}
	l.makeNodes()
	if err := l.makeGroups(); err != nil {
		return err
	}
	if err := l.raiseLimit(); err != nil {
		return err
	}
	if err := l.linkBase(ctx); err != nil {
		return err
	}
	if err := l.writeHome(ctx); err != nil {
		return err
	}
	if err := l.hold(); err != nil {
		return err
	}
	if _, err := output(l.shell(ctx, l.networkScript()), "make the networks"); err != nil {
		return err
	}
	return l.eachNode(func(n *Node) error {
		if err := n.writeSeed(); err != nil {
			return err
		}
		if err := n.mount(ctx); err != nil {
			return err
		}
		if err := n.Boot(ctx); err != nil {
			return err
		}
		_, err := output(l.ssh(ctx, n), "log in to "+n.name)
		return err
	})
}

// makeGroups makes the lab's control groups. The one above them all goes when the last lab goes, which may be now.
func (l *Lab) makeGroups() error {
	names := []string{holderGroup, commandsGroup}
	for _, n := range l.nodes {
		names = append(names, n.name)
	}
	for _, name := range names {
		dir := string(l.group.child(name))
		err := os.MkdirAll(dir, 0o755)
		for errors.Is(err, os.ErrNotExist) {
			err = os.MkdirAll(dir, 0o755)
		}
		if err != nil {
			return fmt.Errorf("this system lets the lab make no control groups (a container without privileges?): %w", err)
		}
	}
	if _, err := os.Stat(l.group.file("cgroup.kill")); err != nil {
		return errors.New("this kernel cannot kill a control group as a whole: the lab needs Linux 5.14 or later")
	}
	return nil
}

// raiseLimit makes room for inotify instances, of which every systemd, D-Bus and logind has some: Linux counts those of
// root in all containers together. Where there are none left systemd waits for ever. The default of 128 is enough for one
// lab of usual size, so that the machine is not touched for it.
func (l *Lab) raiseLimit() error {
	const (
		file    = "/proc/sys/fs/inotify/max_user_instances"
		perNode = 10 // seven, and some while it boots
		outside = 40
		enough  = 4096
	)
	nodes, err := filepath.Glob(filepath.Join(filepath.Dir(string(l.group)), "*", "n[0-9]*"))
	if err != nil {
		return err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || limit >= outside+perNode*len(nodes) {
		return err
	}
	l.options.Log("raising fs.inotify.max_user_instances from %d to %d for %d nodes", limit, enough, len(nodes))
	return os.WriteFile(file, []byte(strconv.Itoa(enough)), 0o644)
}

// holderScript sets up the controller's namespaces and then sleeps until its standard input ends: then it ends the lab.
// Nothing that happens to mounts here is seen outside, but what is mounted outside is seen here.
const holderScript = `
set -e
mount --make-rslave /
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir /run/netns /run/systemd
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
[ ! -e /etc/hosts ] || mount --bind "$1" /etc/hosts
echo controller > /proc/sys/kernel/hostname
echo ready
exec > /dev/null 2>&1
cat
echo 1 > "/sys/fs/cgroup/clusterlab/$2/cgroup.kill"
`

// hold starts the process that keeps the lab's namespaces.
func (l *Lab) hold() error {
	if err := os.WriteFile(l.file("hosts"), []byte(hosts(l.options.Nodes, Mgmt)), 0o644); err != nil {
		return err
	}
	stdin, tie, err := os.Pipe()
	if err != nil {
		return err
	}
	defer stdin.Close()
	report, stdout, err := os.Pipe()
	if err != nil {
		return err
	}
	defer report.Close()

	cmd := joined(context.Background(), l.group.child(holderGroup), holderScript, l.file("hosts"), l.options.Name)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stdout
	if l.options.tied {
		l.tie = tie
	} else {
		cmd.ExtraFiles = []*os.File{tie} // its input does not end before the holder itself does
		defer tie.Close()
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS,
	}
	err = cmd.Start()
	stdout.Close()
	if err != nil {
		return fmt.Errorf("this system lets the lab make no namespaces (a container without privileges?): %w", err)
	}
	go func() { _ = cmd.Wait() }()
	text, err := io.ReadAll(report)
	if err != nil || string(text) != "ready\n" {
		return fmt.Errorf("set up the controller's namespaces%s", tail(string(text)))
	}
	l.holder = strconv.Itoa(cmd.Process.Pid)
	return nil
}

// Open returns the lab of that name, which is up. The error of one that is not there is ErrNoLab.
func Open(name string) (*Lab, error) {
	l, err := find(name)
	if err != nil {
		return nil, err
	}
	state, err := os.ReadFile(l.file("state.json"))
	if errors.Is(err, os.ErrNotExist) && !l.group.exists() {
		return nil, fmt.Errorf("%w: %s", ErrNoLab, name)
	}
	if err == nil {
		err = json.Unmarshal(state, &l.options)
	}
	holders := l.group.child(holderGroup).pids()
	if err != nil || len(holders) == 0 {
		return nil, fmt.Errorf("lab %s is broken: end it with clusterlab down --name %s", name, name)
	}
	l.holder = strconv.Itoa(holders[0])
	l.makeNodes()
	return l, nil
}

// List returns the names of all labs of this user, in order, also of those that are broken.
func List() ([]string, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	dirs, err := os.ReadDir(filepath.Join(cache, "run"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, d := range dirs {
		names = append(names, d.Name())
	}
	return names, err
}

// Down ends the lab: no process, namespace, mount, control group or file of it is left.
func (l *Lab) Down(ctx context.Context) error {
	if _, err := os.Stat(l.dir); err != nil && !l.group.exists() {
		return fmt.Errorf("%w: %s", ErrNoLab, l.options.Name)
	}
	lock, err := lockDir(ctx, l.dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	return l.destroy(ctx)
}

// Down ends the lab of that name, whatever state it is in; it waits for an Up that is at work on it. The error of one
// that is not there is ErrNoLab.
func Down(ctx context.Context, name string) error {
	l, err := find(name)
	if err != nil {
		return err
	}
	pids := l.group.pids()
	if err := l.Down(ctx); err != nil {
		return err
	}
	awaitBurial(ctx, pids)
	return nil
}

// destroy needs the lab's lock. All mounts are in the holder's namespace and go with it, so what is below the lab's
// directory here is the lab's own.
func (l *Lab) destroy(ctx context.Context) error {
	if err := l.group.destroy(ctx); err != nil {
		return fmt.Errorf("end lab %s: %w", l.options.Name, err)
	}
	l.tie.Close()                                // if it had one
	_ = os.Remove(filepath.Dir(string(l.group))) // stays while other labs are in it
	if err := os.RemoveAll(l.dir); err != nil {
		return err
	}
	_ = os.Remove(filepath.Dir(l.dir)) // the same
	return nil
}

// Name is the lab's name.
func (l *Lab) Name() string {
	return l.options.Name
}

// Suite is the Debian release on the nodes.
func (l *Lab) Suite() string {
	return l.options.Suite
}

// Links is how many cluster networks the lab has.
func (l *Lab) Links() int {
	return l.options.Links
}

// Nodes returns all nodes in order.
func (l *Lab) Nodes() []*Node {
	return slices.Clone(l.nodes)
}

// Node returns the node of that name (n1, n2, ...), or nil.
func (l *Lab) Node(name string) *Node {
	for _, n := range l.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

// Net is the network of a link, or of Mgmt. As text it is what clusterctl takes with --link.
func (l *Lab) Net(link int) netip.Prefix {
	return network(link)
}

// Reset brings every node back to what it was when the lab came up, freshly booted with nothing written, and mends what
// the methods of Node broke in the network. It takes seconds.
func (l *Lab) Reset(ctx context.Context) error {
	if _, err := output(l.shell(ctx, "nft flush ruleset"), "mend the network"); err != nil {
		return err
	}
	return l.eachNode(func(n *Node) error {
		if err := n.HealAll(ctx); err != nil {
			return err
		}
		if err := n.Kill(ctx); err != nil {
			return err
		}
		if err := n.mount(ctx); err != nil {
			return err
		}
		return n.Boot(ctx)
	})
}

// eachNode works on all nodes at once and returns all errors in node order.
func (l *Lab) eachNode(work func(*Node) error) error {
	errs := make([]error, len(l.nodes))
	var group sync.WaitGroup
	for i, n := range l.nodes {
		group.Go(func() { errs[i] = work(n) })
	}
	group.Wait()
	return errors.Join(errs...)
}

func (l *Lab) file(name ...string) string {
	return filepath.Join(l.dir, filepath.Join(name...))
}

func (l *Lab) commands() group {
	return l.group.child(commandsGroup)
}

func (l *Lab) makeNodes() {
	for i := 1; i <= l.options.Nodes; i++ {
		l.nodes = append(l.nodes, &Node{lab: l, name: nodeName(i), index: i})
	}
}

// shell is the command that runs a script in the controller's namespaces, in the cache directory.
func (l *Lab) shell(ctx context.Context, script string, args ...string) *exec.Cmd {
	cmd := l.Command(ctx, "/bin/sh", append([]string{"-ec", script, "sh"}, args...)...)
	cmd.Dir = l.cache
	return grouped(cmd)
}
