//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// confFile is where corosync looks, unless told otherwise.
const confFile = "/etc/corosync/corosync.conf"

// enter makes this process, which has namespaces of its own, live in the tree:
// on a layer in memory, so that the tree is never changed, with a network and
// an /etc/hosts that nobody else has.
func enter(tree string) error {
	const dir = "/mnt"
	if err := os.Chdir(tree); err != nil {
		return err
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512m,mode=0755"); err != nil {
		return fmt.Errorf("mount memory: %w", err)
	}
	for _, name := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	root := filepath.Join(dir, "root")
	options := fmt.Sprintf("lowerdir=.,upperdir=%s/upper,workdir=%s/work", dir, dir)
	if err := syscall.Mount("overlay", root, "overlay", 0, options); err != nil {
		return fmt.Errorf("mount a layer over the tree: %w", err)
	}
	if err := syscall.Mount("tmpfs", filepath.Join(root, "dev/shm"), "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount /dev/shm: %w", err)
	}
	if err := syscall.Chroot(root); err != nil {
		return err
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	// What crashes leaves no core.
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return err
	}
	return furnish()
}

// furnish makes the tree what world says of it.
func furnish() error {
	files := map[string][]byte{
		"/etc/hosts":         []byte(hostsFile),
		"/etc/nsswitch.conf": []byte("passwd: files\ngroup: files\nhosts: files\n"),
	}
	for name, size := range keyFiles {
		files[name] = bytes.Repeat([]byte{'k'}, size)
	}
	for name, data := range files {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			return err
		}
	}
	script := "ip link set lo up\n"
	for _, ip := range addresses {
		if !ip.IsLoopback() {
			script += fmt.Sprintf("ip address add %s/%d dev lo\n", ip, ip.BitLen())
		}
	}
	if out, err := exec.Command("/bin/sh", "-ec", script).CombinedOutput(); err != nil {
		return fmt.Errorf("make the network: %w: %s", err, out)
	}
	return nil
}

// oracle is the corosync in the sandbox.
type oracle struct {
	build
	hostname string
}

func newOracle(ctx context.Context) (*oracle, error) {
	out, err := exec.CommandContext(ctx, "/usr/sbin/corosync", "-v").Output()
	if err != nil {
		return nil, fmt.Errorf("corosync -v: %w", err)
	}
	b, err := parseBuild(string(out))
	return &oracle{build: b}, err
}

// ask has corosync test a configuration on a machine of that name.
func (o *oracle) ask(ctx context.Context, conf []byte, hostname string) (verdict, string, error) {
	if o.hostname != hostname {
		if err := syscall.Sethostname([]byte(hostname)); err != nil {
			return verdict{}, "", err
		}
		o.hostname = hostname
	}
	if err := os.WriteFile(confFile, conf, 0o600); err != nil {
		return verdict{}, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/usr/sbin/corosync", "-t")
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok || ctx.Err() != nil {
		return verdict{}, "", errors.Join(err, ctx.Err())
	} else if ok {
		return corosyncVerdict(exit.ExitCode(), out, o.Version[0] < 3), strings.TrimSpace(string(out)), nil
	}
	return verdict{}, strings.TrimSpace(string(out)), nil
}
