//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Node is one machine of a lab.
type Node struct {
	lab   *Lab
	name  string
	index int // from 1
}

// State is what a node does.
type State string

// The states of a node.
const (
	Off     State = "off"
	Running State = "running"
	Frozen  State = "frozen"
)

// Name is the node's host name: n1, n2, ...
func (n *Node) Name() string {
	return n.name
}

// State tells whether the node runs. One that is just booting counts as running.
func (n *Node) State() State {
	switch {
	case !n.group().is("populated"):
		return Off
	case n.payload().is("frozen"):
		return Frozen
	}
	return Running
}

// PID is the process id of the node's init as this machine sees it, or 0.
func (n *Node) PID() int {
	for _, pid := range n.payload().pids() {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if strings.Contains(string(status), fmt.Sprintf("\nNSpid:\t%d\t1\n", pid)) {
			return pid
		}
	}
	return 0
}

// group is the control group that the node's boot is started in. Systemd-nspawn divides it: itself, and the payload.
func (n *Node) group() group {
	return n.lab.group.child(n.name)
}

func (n *Node) payload() group {
	return n.group().child("payload")
}

// bootScript runs a node until it is powered off. Exit code 133 means that it asked to be booted again.
//
//   - A machine's firewall does not outlive its kernel, but the network namespace is there longer than the node.
//   - Systemd-nspawn starts inside that namespace already: else the node's /sys shows the network devices of where it starts.
//   - A node can mount file systems in user space where the host can, as Proxmox VE's nodes do.
//   - It gets an empty /run/systemd: version 257 refuses to start where one that was killed left its mounts.
const bootScript = `
net=/run/netns/$1
while
	nsenter --net=$net nft flush ruleset
	nsenter --net=$net unshare --mount --propagation slave sh -c 'mount -t tmpfs tmpfs /run/systemd && exec "$@"' sh \
		systemd-nspawn --quiet --boot --machine="$1" --directory="$2" --network-namespace-path=$net \
		--register=no --keep-unit --capability=CAP_NET_ADMIN,CAP_IPC_LOCK \
		$([ ! -c /dev/fuse ] || echo --bind=/dev/fuse) --console=pipe --resolv-conf=off --timezone=off --link-journal=no
	[ $? -eq 133 ]
do :; done
`

// bootLimit is far more than a boot takes on a machine that can run labs at all: services' own limits are 90 s.
const bootLimit = 3 * time.Minute

// Boot powers the node on, with its disk as it was when it went off, and returns when everything on it has started that
// will. It does not need the network.
func (n *Node) Boot(ctx context.Context) error {
	if n.State() != Off {
		return fmt.Errorf("%s: boot: it is %s", n.name, n.State())
	}
	console, err := os.OpenFile(n.lab.file("console", n.name+".log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer console.Close()
	cmd := n.lab.command(context.Background(), n.group(), "/bin/sh", "-c", bootScript, "sh", n.name, n.dir("root"))
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: boot: %w", n.name, err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()

	ctx, cancel := context.WithTimeoutCause(ctx, bootLimit, fmt.Errorf("it is not up after %s", bootLimit))
	defer cancel()
	err = await(ctx, n.name+" to boot", func() (bool, error) {
		select {
		case <-ended:
			return false, errors.New("its init ended")
		default:
		}
		// Systemctl waits by a message over the bus. And until systemd is at work, the init process may be
		// systemd-nspawn's, in the middle of its preparations.
		_, err := os.Stat(fmt.Sprintf("/proc/%d/root/run/dbus/system_bus_socket", n.PID()))
		return err == nil, nil
	})
	if err == nil { // degraded: a service failed, which is what one may want to see
		_, err = n.Run(ctx, `case "$(systemctl is-system-running --wait)" in running | degraded) ;; *) exit 1 ;; esac`)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		text, _ := os.ReadFile(console.Name())
		return fmt.Errorf("%s: boot: %w%s", n.name, err, tail(string(text)))
	}
	return nil
}

// Kill is a power cut: all of the node ends at once, also if it is frozen.
func (n *Node) Kill(ctx context.Context) error {
	err := n.group().destroy(ctx) // not kill: what is left of a frozen group is frozen
	if err == nil {
		err = os.Mkdir(string(n.group()), 0o755)
	}
	if err != nil {
		return fmt.Errorf("%s: kill: %w", n.name, err)
	}
	return nil
}

// Freeze stops every process of the node. Its kernel goes on: it answers pings and accepts connections, and that is all.
func (n *Node) Freeze(ctx context.Context) error {
	return n.freeze(ctx, "freeze", true)
}

// Thaw lets the node go on.
func (n *Node) Thaw(ctx context.Context) error {
	return n.freeze(ctx, "thaw", false)
}

func (n *Node) freeze(ctx context.Context, verb string, on bool) error {
	if n.PID() == 0 {
		return fmt.Errorf("%s: %s: it is off", n.name, verb)
	}
	if err := n.payload().freeze(ctx, on); err != nil {
		return fmt.Errorf("%s: %s: %w", n.name, verb, err)
	}
	return nil
}

// Command is the command that runs a program on the node as root, without the network and without systemd or sshd having
// to do with it: so it works whatever is cut or frozen, as long as the node is on.
func (n *Node) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	const script = `init=$1; shift; exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin ` +
		`HOME=/root LANG=C.UTF-8 nsenter --target "$init" --mount --uts --ipc --net --pid --cgroup -- "$@"`
	return joined(ctx, n.lab.commands(), script, append([]string{strconv.Itoa(n.PID()), name}, args...)...)
}

// Run runs a shell script on the node, as Command does, and returns what it writes to standard output. If the script
// ends with another exit code than 0 the error tells, with what it wrote.
func (n *Node) Run(ctx context.Context, script string) (string, error) {
	if n.PID() == 0 {
		return "", fmt.Errorf("%s: run a command: it is off", n.name)
	}
	return output(n.Command(ctx, "/bin/sh", "-c", script), n.name+": "+strings.TrimSpace(script))
}

// ReadFile reads a file of the node, which may be off or frozen. Symbolic links with absolute targets are not followed.
func (n *Node) ReadFile(name string) ([]byte, error) {
	root, err := n.root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.ReadFile(strings.TrimPrefix(name, "/"))
}

// WriteFile writes a file of the node as ReadFile reads it; it replaces what was there and makes directories as needed.
func (n *Node) WriteFile(name string, data []byte, mode fs.FileMode) error {
	root, err := n.root()
	if err != nil {
		return err
	}
	defer root.Close()
	name = strings.TrimPrefix(name, "/")
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := root.WriteFile(name, data, mode); err != nil {
		return err
	}
	return root.Chmod(name, mode)
}

// CopyIn copies a file of this machine to the node, with its mode.
func (n *Node) CopyIn(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	return n.WriteFile(to, data, info.Mode().Perm())
}

const filler = "var/tmp/clusterlab-filler"

// FillDisk leaves no room for data on the node's root file system. Files can still be made, but stay empty.
func (n *Node) FillDisk() error {
	root, err := n.root()
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := root.Create(filler)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 1 << 12} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("%s: fill disk: %w", n.name, err)
		}
	}
	return nil
}

// FreeDisk takes back what FillDisk did.
func (n *Node) FreeDisk() error {
	root, err := n.root()
	if err != nil {
		return err
	}
	defer root.Close()
	return root.Remove(filler)
}

// root is the node's root directory: as the node has it, or as its disk has it while it is off.
func (n *Node) root() (*os.Root, error) {
	if pid := n.PID(); pid != 0 {
		return os.OpenRoot(fmt.Sprintf("/proc/%d/root", pid))
	}
	return os.OpenRoot("/proc/" + n.lab.holder + "/root" + n.dir("root"))
}

// Journal is the system journal that is on the node's disk, of all boots, whatever state the node is in.
func (n *Node) Journal(ctx context.Context) (string, error) {
	const script = `exec chroot "$1" journalctl --no-pager --quiet -o short-precise -D /var/log/journal`
	return output(n.lab.shell(ctx, script, n.dir("root")), n.name+": read journal")
}

// dir is a directory on the file system in memory that is the node's disk; it is mounted in the holder's namespace only.
func (n *Node) dir(name string) string {
	return n.lab.file("nodes", n.name, name)
}

// seed is the directory of the files that are the node's own from the start: a layer over the shared tree.
func (n *Node) seed(name string) string {
	return n.lab.file("seed", n.name, name)
}

func (n *Node) hostKey(kind string) string {
	return n.lab.file("keys", n.name+"_"+kind)
}
