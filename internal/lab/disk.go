//go:build linux

package lab

import (
	"context"
	"fmt"
	"io/fs"
	"os"
)

// writeSeed makes the layer with the files that are the node's own.
func (n *Node) writeSeed() error {
	key, err := os.ReadFile(n.lab.file("home", ".ssh", "id_ed25519.pub"))
	if err != nil {
		return err
	}
	const admin = 1000 // the first user in the tree
	type entry struct {
		name string
		mode fs.FileMode
		uid  int
		data []byte
	}
	// Where layers have the same directory the upper one's mode and owner count.
	entries := []entry{
		{"", fs.ModeDir | 0o755, 0, nil},
		{"etc", fs.ModeDir | 0o755, 0, nil},
		{"etc/hostname", 0o644, 0, []byte(n.name + "\n")},
		{"etc/hosts", 0o644, 0, []byte(hosts(n.lab.options.Nodes, 0))},
		{"etc/machine-id", 0o444, 0, []byte(random(16) + "\n")},
		{"etc/ssh", fs.ModeDir | 0o755, 0, nil},
		{"root", fs.ModeDir | 0o700, 0, nil},
		{"root/.ssh", fs.ModeDir | 0o700, 0, nil},
		{"root/.ssh/authorized_keys", 0o600, 0, key},
		{"home", fs.ModeDir | 0o755, 0, nil},
		{"home/admin", fs.ModeDir | 0o755, admin, nil},
		{"home/admin/.ssh", fs.ModeDir | 0o700, admin, nil},
		{"home/admin/.ssh/authorized_keys", 0o600, admin, key},
	}
	for _, kind := range hostKeys {
		for suffix, mode := range map[string]fs.FileMode{"": 0o600, ".pub": 0o644} {
			data, err := os.ReadFile(n.hostKey(kind) + suffix)
			if err != nil {
				return err
			}
			entries = append(entries, entry{"etc/ssh/ssh_host_" + kind + "_key" + suffix, mode, 0, data})
		}
	}
	for _, e := range entries {
		name := n.seed(e.name)
		if e.mode.IsDir() {
			err = os.MkdirAll(name, 0o755)
		} else {
			err = os.WriteFile(name, e.data, 0o600)
		}
		if err != nil {
			return err
		}
		if err := os.Chmod(name, e.mode.Perm()); err != nil { // whatever the umask
			return err
		}
		if err := os.Chown(name, e.uid, e.uid); err != nil {
			return err
		}
	}
	return nil
}

// mountScript gives a node a new disk of limited size over its own files and the shared tree. Paths are relative, as
// a colon or comma in the name of the cache directory would mean something else in an overlay's options.
const mountScript = `
cd "run/$1"
disk=nodes/$2
! mountpoint -q $disk || umount -R $disk
mkdir -p $disk
mount -t tmpfs -o size="$3m",mode=0755 tmpfs $disk
mkdir $disk/root $disk/upper $disk/work
chmod 0755 $disk/upper
lower=seed/$2:base
[ ! -e extra ] || lower=seed/$2:extra:base
mount -t overlay -o lowerdir=$lower,upperdir=$disk/upper,workdir=$disk/work overlay $disk/root
`

// mount puts a new disk into the node, which must be off.
func (n *Node) mount(ctx context.Context) error {
	cmd := n.lab.shell(ctx, mountScript, n.lab.options.Name, n.name, fmt.Sprint(n.lab.options.DiskMiB))
	_, err := output(cmd, n.name+": mount its disk")
	return err
}
