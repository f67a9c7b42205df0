package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"clusterctl/corosyncconf"
)

// Here returns what corosync would learn from the machine that clusterctl runs
// on. Nothing is changed, no secret is read and no root is needed: what only
// root could look at is taken to be as it should be. Without corosync on the
// machine the version is 0.0.0. The functions in it end with ctx. With the first
// of names that is looked up all are, at once.
func Here(ctx context.Context, names ...string) *corosyncconf.Machine {
	m := &corosyncconf.Machine{
		Lookup:    lookups(ctx, names),
		Reverse:   func(a netip.Addr) string { return reverse(ctx, a) },
		KeySize:   keySize,
		EnterDir:  enterDir,
		AppendTo:  appendTo,
		UserFiles: userFiles(filepath.Join(filepath.Dir(ConfPath), "uidgid.d")),
		User:      func(name string) bool { return account(ctx, "passwd", name) },
		Group:     func(name string) bool { return account(ctx, "group", name) },
	}
	m.Hostname, _ = os.Hostname() // without one no node is this machine
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			m.Addrs = append(m.Addrs, p)
		}
	}
	about(ctx, m)
	return m
}

// IsPVE tells whether this machine is one of Proxmox VE.
func IsPVE() bool {
	_, err := exec.LookPath("pmxcfs")
	return err == nil
}

// InPVE tells whether a file is in Proxmox VE's cluster file system.
func InPVE(path string) bool {
	path, err := filepath.Abs(path)
	return err == nil && strings.HasPrefix(path, filepath.Dir(PVEConfPath)+"/")
}

var versionLine = regexp.MustCompile(`version '(\d+)\.(\d+)\.(\d+)`)

// about asks corosync for its version, for what it was built with and for the
// models that its libknet has, which it tells since 3.1.3.
func about(ctx context.Context, m *corosyncconf.Machine) {
	path, err := exec.LookPath("corosync")
	if err != nil {
		path = "/usr/sbin/corosync" // where users other than root do not look
	}
	out, err := exec.CommandContext(ctx, path, "-v").Output()
	if err != nil {
		return
	}
	for line := range strings.Lines(string(out)) {
		if v := versionLine.FindStringSubmatch(line); v != nil {
			for i := range m.Version {
				m.Version[i], _ = strconv.Atoi(v[i+1])
			}
		}
		if features, ok := strings.CutPrefix(line, "Built-in features:"); ok {
			m.Features = strings.Fields(features)
		}
		if models, ok := strings.CutPrefix(line, "Available crypto models: "); ok {
			m.Crypto = strings.Fields(models)
		}
		if models, ok := strings.CutPrefix(line, "Available compression models: "); ok {
			m.Compression = strings.Fields(models)
		}
	}
}

// getent asks the C library, which knows all of nsswitch.conf.
func getent(ctx context.Context, database, key string) (lines [][]string, found bool, err error) {
	out, err := exec.CommandContext(ctx, "getent", database, "--", key).Output()
	if err != nil {
		_, answered := errors.AsType[*exec.ExitError](err)
		if answered {
			err = nil
		}
		return nil, false, err
	}
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) > 0 {
			lines = append(lines, fields)
		}
	}
	return lines, true, nil
}

// How long one name may take, which is as long as two name servers that do not
// answer, and how many are asked about at once.
const (
	lookupTime = 10 * time.Second
	lookupMost = 32
)

// lookups returns Machine.Lookup. When it is first asked about a name it asks
// about all of names, which do not wait for each other then.
func lookups(ctx context.Context, names []string) func(string, int) ([]netip.Addr, error) {
	type query struct {
		name   string
		family int
	}
	var mu sync.Mutex
	answers := map[query]func() ([]netip.Addr, error){}
	room := make(chan struct{}, lookupMost)
	ask := func(q query) func() ([]netip.Addr, error) {
		if answers[q] == nil {
			var found []netip.Addr
			var err error
			done := make(chan struct{})
			go func() {
				defer close(done)
				room <- struct{}{}
				defer func() { <-room }()
				ctx, cancel := context.WithTimeout(ctx, lookupTime)
				defer cancel()
				found, err = lookup(ctx, q.name, q.family)
			}()
			answers[q] = func() ([]netip.Addr, error) { <-done; return found, err }
		}
		return answers[q]
	}
	return func(name string, family int) ([]netip.Addr, error) {
		mu.Lock()
		for _, other := range names {
			ask(query{other, family})
		}
		answer := ask(query{name, family})
		mu.Unlock()
		return answer()
	}
}

// lookup asks for the addresses of a name.
func lookup(ctx context.Context, name string, family int) ([]netip.Addr, error) {
	lines, _, err := getent(ctx, map[int]string{0: "ahosts", 4: "ahostsv4", 6: "ahostsv6"}[family], name)
	if err != nil { // there is no getent
		return net.DefaultResolver.LookupNetIP(ctx, map[int]string{0: "ip", 4: "ip4", 6: "ip6"}[family], name)
	}
	var found []netip.Addr
	for _, fields := range lines { // one for each type of socket
		if a, err := netip.ParseAddr(fields[0]); err == nil && !slices.Contains(found, a) && !a.Is4In6() {
			found = append(found, a)
		}
	}
	if found == nil {
		return nil, errors.New("it is not known here")
	}
	return found, nil
}

// reverse is Machine.Reverse.
func reverse(ctx context.Context, a netip.Addr) string {
	lines, _, err := getent(ctx, "hosts", a.String())
	if err == nil && len(lines) > 0 && len(lines[0]) > 1 {
		return lines[0][1]
	}
	if err != nil { // there is no getent
		if names, err := net.DefaultResolver.LookupAddr(ctx, a.String()); err == nil && len(names) > 0 {
			return strings.TrimSuffix(names[0], ".")
		}
	}
	return ""
}

// account reports whether there is a user or group of the name.
func account(ctx context.Context, database, name string) bool {
	_, found, err := getent(ctx, database, name)
	if err == nil {
		return found
	}
	if database == "passwd" {
		_, err = user.Lookup(name)
	} else {
		_, err = user.LookupGroup(name)
	}
	return err == nil
}

// userFiles is Machine.UserFiles, of a directory. What cannot be read is taken to
// be as it should be.
func userFiles(dir string) map[string][]byte {
	entries, _ := os.ReadDir(dir)
	files := map[string][]byte{}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		if data, err := os.ReadFile(path); err == nil {
			files[path] = data
		}
	}
	return files
}

// keySize is Machine.KeySize.
func keySize(path string) (int, error) {
	info, err := look(path)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s: %w", path, err)
	case info == nil:
		return 1 << 12, nil // as much as corosync reads
	case info.IsDir():
		return 0, errors.New(path + ": is a directory")
	}
	return int(info.Size()), nil
}

// enterDir is Machine.EnterDir.
func enterDir(path string) error {
	info, err := look(path)
	if err == nil && info != nil && !info.IsDir() {
		err = errors.New("not a directory")
	}
	return err
}

// appendTo is Machine.AppendTo. A file that is not there would be made.
func appendTo(path string) error {
	info, err := look(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return enterDir(filepath.Dir(path))
	case err == nil && info != nil && info.IsDir():
		return errors.New("is a directory")
	}
	return err
}

// look returns what root would find at path; nil if only root can see that.
func look(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return info, err
}
