//go:build linux

package lab

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
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

// linkBase makes the file base in the lab's directory a link to the Debian tree that the nodes share. The tree is built
// if it is not in the cache: in the lab's own directory, so that one half built goes when the lab goes, and by processes
// of the lab.
func (l *Lab) linkBase(ctx context.Context) error {
	sum := sha256.Sum256([]byte(packages + customize + build))
	tree := filepath.Join(l.cache, fmt.Sprintf("base-%s-%x", l.options.Suite, sum[:4]))
	lock, err := lockDir(ctx, l.cache) // two labs that start at once need only one tree
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := os.Stat(tree); err == nil {
		return os.Symlink(tree, l.file("base"))
	}
	mirror, err := Mirror(os.DirFS("/"))
	if err != nil {
		return err
	}
	l.options.Log("building a tree of Debian %s from %s: once, about a minute", l.options.Suite, mirror)
	half := l.file("half")
	cmd := joined(ctx, l.commands(), build, packages, l.options.Suite, half, mirror, customize)
	cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS // debootstrap mounts /proc in the tree
	if _, err := output(cmd, "build a tree of Debian "+l.options.Suite); err != nil {
		return err
	}
	if err := os.Rename(half, tree); err != nil {
		return err
	}
	return os.Symlink(tree, l.file("base"))
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
