package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"

	"clusterctl/corosyncconf"
)

// LocalMachine returns what corosync would learn from the machine that this
// process runs on, were it started there. Names are looked up as /etc/hosts and
// DNS have them, until ctx ends.
//
// What only root may see counts as it would for root, as far as can be told.
func LocalMachine(ctx context.Context) (*corosyncconf.Machine, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("read the host name: %w", err)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("read the addresses of this machine: %w", err)
	}
	m := &corosyncconf.Machine{
		Hostname: hostname,
		Lookup:   func(name string, family int) ([]netip.Addr, error) { return lookupName(ctx, name, family) },
		Reverse:  func(ip netip.Addr) string { return reverseName(ctx, ip) },
		KeySize:  readKeySize,
		EnterDir: canEnter,
		AppendTo: canAppend,
		User:     func(name string) bool { _, err := user.Lookup(name); return err == nil },
		Group:    func(name string) bool { _, err := user.LookupGroup(name); return err == nil },
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			return nil, fmt.Errorf("read the addresses of this machine: %w", err)
		}
		m.Addrs = append(m.Addrs, p)
	}
	for _, program := range []string{"corosync", "/usr/sbin/corosync"} {
		if out, err := exec.CommandContext(ctx, program, "-v").Output(); err == nil {
			describeBuild(m, string(out))
			break
		}
	}
	return m, nil
}

// describeBuild adds to m what corosync -v printed: since 3.1.3 that is more than
// the version.
func describeBuild(m *corosyncconf.Machine, out string) {
	v := parseVersion(out)
	m.Version = [3]int{v.Major, v.Minor, v.Patch}
	for line := range strings.Lines(out) {
		what, names, _ := strings.Cut(line, ":")
		switch what {
		case "Built-in features":
			m.Features = strings.Fields(names)
		case "Available crypto models":
			m.Crypto = strings.Fields(names)
		case "Available compression models":
			m.Compression = strings.Fields(names)
		}
	}
}

func lookupName(ctx context.Context, name string, family int) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(name); err == nil {
		// Only a link-local address takes the name of an interface.
		if !ip.IsLinkLocalUnicast() && !ip.IsLinkLocalMulticast() || family == 4 {
			return nil, fmt.Errorf("%s is not a link-local address", name)
		}
		if _, err := net.InterfaceByName(ip.Zone()); err != nil {
			return nil, err
		}
		return []netip.Addr{ip}, nil
	}
	network := map[int]string{0: "ip", 4: "ip4", 6: "ip6"}[family]
	resolver := net.Resolver{PreferGo: true}
	all, err := resolver.LookupNetIP(ctx, network, name)
	for i := range all {
		all[i] = all[i].Unmap()
	}
	return all, err
}

func reverseName(ctx context.Context, ip netip.Addr) string {
	resolver := net.Resolver{PreferGo: true}
	names, err := resolver.LookupAddr(ctx, ip.String())
	if err != nil || len(names) == 0 {
		return ""
	}
	return strings.TrimSuffix(names[0], ".")
}

// readKeySize reads the file as corosync does, so that it need not be a plain one.
func readKeySize(file string) (int, error) {
	const most = 4096 // KNET_MAX_KEY_LEN
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrPermission) {
		info, err := os.Stat(file)
		if err != nil {
			return 0, err
		}
		return int(min(info.Size(), most)), nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n, err := io.Copy(io.Discard, io.LimitReader(f, most))
	return int(n), err
}

func canEnter(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	return ignorePermission(err)
}

// canAppend finds out without making the file.
func canAppend(file string) error {
	info, err := os.Stat(file)
	switch {
	case err == nil && info.IsDir(), strings.HasSuffix(file, "/"):
		return fmt.Errorf("%s is a directory", file)
	case errors.Is(err, fs.ErrNotExist):
		return canEnter(filepath.Dir(file))
	}
	return ignorePermission(err)
}

func ignorePermission(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}
