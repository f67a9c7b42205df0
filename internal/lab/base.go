//go:build linux

package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// packages are what a node has besides Debian's smallest set.
const packages = "systemd,systemd-sysv,dbus,openssh-server,corosync,iproute2,iputils-ping,procps,sudo,nftables,libfaketime"

// customize runs in a new tree. Corosync stays as Debian leaves it, enabled and with its default configuration: so is a
// fresh machine. What each machine has for itself goes, and what debootstrap copied from the host.
const customize = `
useradd --create-home --shell /bin/bash admin
echo 'admin ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/admin
chmod 0440 /etc/sudoers.d/admin
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
	fstrim.timer systemd-tmpfiles-clean.timer console-getty.service; do
	ln -sf /dev/null /etc/systemd/system/$unit
done
rm -rf /etc/ssh/ssh_host_* /etc/resolv.conf /var/lib/dbus/machine-id /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
: > /etc/machine-id
: > /etc/hostname
touch /etc/.updated /var/.updated # else the first boot would rebuild caches
`

// build makes a tree. The mirror may be one that only apt's proxy reaches.
const build = `
set -e
umask 022
eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
export http_proxy https_proxy
debootstrap --variant=minbase --include="$1" "$2" "$3" "$4"
chmod 0755 "$3"
printf %s "$5" | chroot "$3" sh -e
`

// extend makes a layer with more packages over the tree base in the lab's directory. Apt runs outside, with the tree's
// configuration: there it finds the archive as debootstrap did. What it installs is written to memory first, since
// not every file system can be the upper one of an overlay; files of the tree that it would remove stay.
const extend = `
set -e
umask 022
cd "$1"
half=$2
shift 2
eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
export http_proxy https_proxy DEBIAN_FRONTEND=noninteractive LC_ALL=C
mkdir disk
mount -t tmpfs tmpfs disk
mkdir disk/upper disk/work disk/tree
mount -t overlay -o lowerdir=base,upperdir=disk/upper,workdir=disk/work overlay disk/tree
tree=$PWD/disk/tree
mkdir -p "$tree/var/lib/apt/lists/partial" "$tree/var/cache/apt/archives/partial"
printf '%s "%s";\n' Dir "$tree" Dir::State::status "$tree/var/lib/dpkg/status" APT::Sandbox::User root > disk/apt.conf
export APT_CONFIG="$PWD/disk/apt.conf"
apt-get -qq update
apt-get -qq -y --no-install-recommends --download-only install "$@"
unset APT_CONFIG
chroot "$tree" apt-get -qq -y --no-install-recommends --no-download -o Dpkg::Use-Pty=0 install "$@"
rm -rf "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/*
touch "$tree/etc/.updated" "$tree/var/.updated"
umount disk/tree
find disk/upper -type c -delete
cp -dR --preserve=mode,ownership,timestamps disk/upper "$half"
umount disk
rmdir disk
`

// linkBase makes the file base in the lab's directory a link to the Debian tree that the nodes share and, if they have
// more packages than that, the file extra one to the layer over it.
func (l *Lab) linkBase(ctx context.Context) error {
	lock, err := lockDir(ctx, l.cache) // two labs that start at once need only one tree
	if err != nil {
		return err
	}
	defer lock.Close()
	suite := l.options.Suite
	err = l.link("base", "base-"+suite+"-"+sum(packages, customize, build), func(half string) (*exec.Cmd, error) {
		mirror, err := Mirror(os.DirFS("/"))
		if err != nil {
			return nil, err
		}
		l.options.Log("building a tree of Debian %s from %s: once, about a minute", suite, mirror)
		return joined(ctx, l.commands(), build, packages, suite, half, mirror, customize), nil
	})
	more := l.options.Packages
	if err != nil || len(more) == 0 {
		return err
	}
	name := "extra-" + suite + "-" + sum(packages, customize, build, extend, strings.Join(more, " "))
	return l.link("extra", name, func(half string) (*exec.Cmd, error) {
		l.options.Log("adding %s to the tree of Debian %s: once, about 20 s", strings.Join(more, ", "), suite)
		return joined(ctx, l.commands(), extend, append([]string{l.dir, half}, more...)...), nil
	})
}

// link makes the file as in the lab's directory a link to the tree of that name in the cache. One that is not there is
// built: in the lab's own directory, so that one half built goes when the lab goes, and by processes of the lab.
func (l *Lab) link(as, name string, build func(half string) (*exec.Cmd, error)) error {
	tree := filepath.Join(l.cache, name)
	if _, err := os.Stat(tree); err == nil {
		return os.Symlink(tree, l.file(as))
	}
	half := l.file("half")
	cmd, err := build(half)
	if err != nil {
		return err
	}
	cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS // for the mounts that building needs
	if _, err := output(cmd, "build a tree of Debian "+l.options.Suite); err != nil {
		return err
	}
	if err := os.Rename(half, tree); err != nil {
		return err
	}
	return os.Symlink(tree, l.file(as))
}

// sum tells trees apart that are made of different things.
func sum(parts ...string) string {
	all := sha256.Sum256([]byte(strings.Join(parts, "")))
	return hex.EncodeToString(all[:4])
}

// Base returns the directory of the Debian tree that the nodes of a suite share, and builds it if it is not there, which
// log, unless nil, hears about. The tree is not to be changed: what is to be written goes over it.
func Base(ctx context.Context, suite string, log func(format string, args ...any)) (string, error) {
	o := Options{Name: "base-" + suite, Suite: suite, Log: log}
	if err := o.complete(); err != nil {
		return "", err
	}
	if err := Check(); err != nil {
		return "", err
	}
	l, err := find(o.Name)
	if err != nil {
		return "", err
	}
	l.options = o
	lock, err := lockDir(ctx, l.dir)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	tree, err := l.base(ctx)
	return tree, errors.Join(err, l.destroy(context.WithoutCancel(ctx)))
}

// base is what Base does with a lab that is made for it only.
func (l *Lab) base(ctx context.Context) (string, error) {
	if err := l.makeGroups(); err != nil {
		return "", err
	}
	if err := l.linkBase(ctx); err != nil {
		return "", err
	}
	return os.Readlink(l.file("base"))
}

// cacheDir is where trees and the state of labs are.
func cacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	if strings.ContainsAny(dir, " \t\n\"'") {
		return "", fmt.Errorf("cache directory %q: the lab cannot be in a directory with blanks or quotes in its name", dir)
	}
	return filepath.Join(dir, "clusterctl", "lab"), nil
}
