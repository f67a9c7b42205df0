//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
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
	var add []string // Linux has IPv4 addresses in the order in which they come, and IPv6 the other way round
	for _, own := range addresses {
		switch line := fmt.Sprintf("ip address add %s dev lo", own); {
		case own.Addr().IsLoopback():
		case own.Addr().Is4():
			add = append(add, line)
		default:
			add = append([]string{line}, add...)
		}
	}
	script := strings.Join(append([]string{"ip link set lo up"}, add...), "\n")
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

// old reports whether it is a corosync 2.4.
func (o *oracle) old() bool { return o.Version[0] < 3 }

// newOracle returns the corosync of the sandbox, once it is certain that the
// sandbox is what world says.
func newOracle(ctx context.Context) (*oracle, error) {
	m := cluster.Here(ctx)
	if m.Version == [3]int{} {
		return nil, errors.New("corosync -v does not say which version it is")
	}
	o := &oracle{build: build{m.Version, m.Features, m.Crypto, m.Compression}}
	return o, compareMachines(m, world(o.build, m.Hostname))
}

// compareMachines reports the first thing that two descriptions of a machine
// say differently.
func compareMachines(got, want *corosyncconf.Machine) error {
	if !slices.Equal(got.Addrs, want.Addrs) {
		return fmt.Errorf("addresses: %v, want %v", got.Addrs, want.Addrs)
	}
	var names []string
	eachHost(func(_ netip.Addr, of []string) {
		names = append(names, of...)
	})
	for _, name := range append(names, "nosuch", "", "fe80::1%lo", "fe80::1%nosuch", "fd00::1%lo") {
		for _, family := range []int{0, 4, 6} {
			a, _ := got.Lookup(name, family)
			b, _ := want.Lookup(name, family)
			for _, ips := range [][]netip.Addr{a, b} {
				for i := range ips {
					ips[i] = ips[i].WithZone("") // a name here, a number there
				}
				slices.SortFunc(ips, netip.Addr.Compare)
			}
			if a, b = slices.Compact(a), slices.Compact(b); !slices.Equal(a, b) {
				return fmt.Errorf("addresses of %q, family %d: %v, want %v", name, family, a, b)
			}
		}
	}
	for _, own := range want.Addrs {
		if a, b := got.Reverse(own.Addr()), want.Reverse(own.Addr()); a != b {
			return fmt.Errorf("name of %s: %q, want %q", own.Addr(), a, b)
		}
	}
	paths := append(slices.Sorted(maps.Keys(keyFiles)), directories...)
	for _, name := range append(paths, "/nosuch", "/nosuch/x", "/var/log/corosync/new", "/var/log/corosync/new/", "/etc/hosts/x", "/tmp/"+strings.Repeat("x", 256)) {
		a, errA := got.KeySize(name)
		b, errB := want.KeySize(name)
		if (errA == nil) != (errB == nil) || min(a, 4096) != min(b, 4096) {
			return fmt.Errorf("size of key %s: %d, %w; want %d, %w", name, a, errA, b, errB)
		}
		if errA, errB := got.EnterDir(name), want.EnterDir(name); (errA == nil) != (errB == nil) {
			return fmt.Errorf("directory %s: %w, want %w", name, errA, errB)
		}
		if errA, errB := got.AppendTo(name), want.AppendTo(name); (errA == nil) != (errB == nil) {
			return fmt.Errorf("append to %s: %w, want %w", name, errA, errB)
		}
	}
	for _, name := range slices.Concat(users, groups, []string{"nosuch", ""}) {
		if got.User(name) != want.User(name) || got.Group(name) != want.Group(name) {
			return fmt.Errorf("user or group %q: %t and %t, want %t and %t", name, got.User(name), got.Group(name), want.User(name), want.Group(name))
		}
	}
	return nil
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
	exit, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case err != nil && !ok || ctx.Err() != nil:
		return verdict{}, "", errors.Join(err, ctx.Err())
	case ok:
		v := corosyncVerdict(exit.ExitCode(), out, o.old())
		err = nil
		if v.By == crash {
			err = removeAll("/var/lib/corosync/fdata*", "/var/lib/corosync/core*", "/dev/shm/*") // megabytes each time
		}
		return v, strings.TrimSpace(string(out)), err
	}
	return verdict{}, strings.TrimSpace(string(out)), nil
}

func removeAll(patterns ...string) error {
	for _, pattern := range patterns {
		names, err := filepath.Glob(pattern)
		for _, name := range names {
			err = errors.Join(err, os.RemoveAll(name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
