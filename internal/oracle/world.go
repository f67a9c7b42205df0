package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"

	"clusterctl/corosyncconf"
)

// hostsFile is /etc/hosts in the sandbox, which resolves names by nothing else.
const hostsFile = `127.0.0.1 localhost
::1 localhost ip6-localhost ip6-loopback
10.0.0.1 n1 n1-alias
10.0.0.2 n2.example.com n2
10.0.0.3 n3
fd00::1 n1-six
fd00::2 n2-six
fd00::3 n3-six
10.0.1.1 both
fd00::1 both
127.0.1.1 loop
10.10.0.1 store1.example.com store1
10.10.0.2 store2.example.com store2
192.168.50.11 three.level.name three
`

// hostnames are what uname -n says in the sandbox, at different times.
var hostnames = []string{"n1", "n2", "n1.example.com", "pve1", "left", "tall", "node1", "other", "one.two.three", "10"}

// addresses are those of the sandbox, in the order of getifaddrs(3).
var addresses = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("10.0.1.1/24"), netip.MustParsePrefix("10.10.0.1/32"),
	netip.MustParsePrefix("10.1.0.11/16"), netip.MustParsePrefix("192.168.50.11/24"),
	netip.MustParsePrefix("fd00:20::1/64"), netip.MustParsePrefix("fd00::1/64"), netip.MustParsePrefix("::1/128"), // the last one first
}

// keyFiles are files in the sandbox with their sizes.
var keyFiles = map[string]int{
	"/etc/corosync/authkey": 256, "/etc/corosync/key0": 0, "/etc/corosync/key127": 127, "/etc/corosync/key128": 128,
	"/etc/corosync/key4096": 4096, "/etc/corosync/key5000": 5000, "/var/lib/corosync/authkey": 128,
}

// directories are those of the sandbox that a configuration may name.
var directories = []string{"/", "/dev", "/etc", "/etc/corosync", "/etc/corosync/uidgid.d", "/run", "/tmp", "/usr", "/var",
	"/var/lib", "/var/lib/corosync", "/var/log", "/var/log/corosync", "/var/run"}

var (
	users  = []string{"root", "daemon", "nobody", "www-data"}
	groups = []string{"root", "daemon", "nogroup", "adm", "www-data"}
)

// world is the sandbox as corosyncconf hears of it.
func world(corosync build, hostname string) *corosyncconf.Machine {
	return &corosyncconf.Machine{
		Version: corosync.Version, Features: corosync.Features, Crypto: corosync.Crypto, Compression: corosync.Compression,
		Hostname: hostname, Addrs: addresses,
		Lookup: lookup, Reverse: reverse,
		KeySize: keySize, EnterDir: enterDir, AppendTo: appendTo,
		User:  func(name string) bool { return slices.Contains(users, name) },
		Group: func(name string) bool { return slices.Contains(groups, name) },
	}
}

// eachHost goes over the lines of /etc/hosts.
func eachHost(do func(ip netip.Addr, names []string)) {
	for line := range strings.Lines(hostsFile) {
		fields := strings.Fields(line)
		do(netip.MustParseAddr(fields[0]), fields[1:])
	}
}

// lookup does what glibc's nss_files does for getaddrinfo.
func lookup(name string, family int) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(name); err == nil && ip.Zone() == "lo" && (ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast()) && family != 4 {
		return []netip.Addr{ip}, nil
	}
	var all []netip.Addr
	eachHost(func(ip netip.Addr, names []string) {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			return
		}
		switch {
		case family == 0, family == 4 && ip.Is4(), family == 6 && ip.Is6():
			all = append(all, ip)
		case family == 4 && ip.IsLoopback(): // ::1 is taken for 127.0.0.1
			all = append(all, addresses[0].Addr())
		}
	})
	if all == nil {
		return nil, fmt.Errorf("no such name: %s", name)
	}
	return all, nil
}

func reverse(of netip.Addr) string {
	name := ""
	eachHost(func(ip netip.Addr, names []string) {
		if ip == of && name == "" {
			name = names[0]
		}
	})
	return name
}

func keySize(file string) (int, error) {
	file = absolute(file)
	if size, ok := keyFiles[file]; ok && !strings.HasSuffix(file, "/") {
		return size, nil
	}
	return 0, fs.ErrNotExist
}

// absolute is the path without what changes nothing.
func absolute(file string) string {
	clean := path.Join("/", file)
	if strings.HasSuffix(file, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

func enterDir(dir string) error {
	if !slices.Contains(directories, path.Join("/", dir)) {
		return fs.ErrNotExist
	}
	return nil
}

func appendTo(file string) error {
	clean := absolute(file)
	switch dir, base := path.Split(clean); {
	case base == "", slices.Contains(directories, clean):
		return errors.New("is a directory")
	case len(base) > 255:
		return errors.New("name too long")
	default:
		return enterDir(dir)
	}
}
