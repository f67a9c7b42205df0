package cluster

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Limits that create and add hold the nodes to.
const (
	maxSkew = 5 * time.Second
	minFree = 4 * 1024 // KiB: room for the configuration, its copies and the journal
)

// fit checks that a node can be made one of a cluster, and that it is the one
// that name means.
func fit(ps *Problems, f *Facts, name string) {
	if !isHostname(f.Hostname, name) {
		called(ps, f, name)
	}
	able(ps, f, name)
	if f.Units["corosync"].Running() {
		fencers(ps, f, name)
		haFences(ps, f, name)
	}
	idle(ps, f, name)
}

// called tells that a machine has another name than the one for its node.
func called(ps *Problems, f *Facts, name string) {
	ps.add(CodeHostname, name, fmt.Sprintf("name it %s, or check where %s leads", f.Hostname, name),
		"the machine's own name is %s", f.Hostname)
}

// able checks that a node can be a cluster node at all.
func able(ps *Problems, f *Facts, name string) {
	if f.UID != 0 {
		ps.add(CodeNotRoot, name, "log in as root (-l root), or give --sudo", "the login is not root")
	}
	if !f.Systemd {
		ps.add(CodeNoSystemd, name, "use a machine that is run by systemd", "the machine is not run by systemd")
	}
	switch v := f.Corosync; {
	case v.Major == 0:
		ps.add(CodeNotInstalled, name, "install it: "+installHint(f.OS, "corosync"), "corosync is not installed")
	case !v.known():
		ps.add(CodeVersion, name, "use corosync 3, or 2.4", "corosync %s is not known", v)
	}
	for path, free := range f.FreeKB {
		if free < minFree {
			ps.add(CodeDiskFull, name, "make room", "%s has only %d KiB left", path, free)
		}
	}
}

// idle checks that no other operation is under way on the node.
func idle(ps *Problems, f *Facts, name string) {
	if f.Holder != nil {
		ps.add(CodeHeld, name, "wait until that has ended", "held by %s", f.Holder)
		return
	}
	for _, e := range f.Ops {
		if e.Touched() && e.Ended() == "" {
			ps.add(CodeUnfinished, name, fmt.Sprintf("clusterctl -H %s op resume %s, or: clusterctl -H %s op undo %s", name, e.ID, name, e.ID),
				"operation %s was interrupted and is neither finished nor undone", e.ID)
		}
	}
}

// isHostname tells whether name is hostname or its first label.
func isHostname(hostname, name string) bool {
	label, _, _ := strings.Cut(hostname, ".")
	return strings.EqualFold(name, hostname) || strings.EqualFold(name, label)
}

// sameHost tells whether one of two names is the other, or its first label.
func sameHost(a, b string) bool { return isHostname(a, b) || isHostname(b, a) }

func installHint(os, pkg string) string {
	switch {
	case strings.Contains(os, "Debian"), strings.Contains(os, "Ubuntu"):
		return "apt-get install " + pkg
	case strings.Contains(os, "SUSE"), strings.Contains(os, "SLES"):
		return "zypper install " + pkg
	case strings.Contains(os, "Red Hat"), strings.Contains(os, "CentOS"), strings.Contains(os, "Rocky"), strings.Contains(os, "Alma"), strings.Contains(os, "Fedora"):
		return "dnf install " + pkg
	}
	return "package " + pkg
}

// isDefault tells whether the file can be no cluster's: no node in it has an
// address that another machine could reach. Debian and Ubuntu install such a
// file, and start corosync with it.
func (c ConfFile) isDefault() bool {
	if c.Err != nil || len(bytes.TrimSpace(c.Bytes)) == 0 {
		return len(bytes.TrimSpace(c.Bytes)) == 0
	}
	conf := c.view()
	for _, n := range conf.Nodes {
		for _, addr := range n.Addrs {
			if a, err := netip.ParseAddr(addr); (err != nil || !a.IsLoopback()) && addr != "localhost" {
				return false
			}
		}
	}
	if len(conf.Nodes) > 0 {
		return true
	}
	for _, i := range c.File.Root().Sections("totem") {
		for _, iface := range i.Sections("interface") {
			if bind, ok := iface.Get("bindnetaddr"); ok && bind != "127.0.0.1" && bind != "127.0.0.0" {
				return false
			}
		}
	}
	return true
}

func (c ConfFile) clusterName() string {
	if c.File != nil {
		if name := c.view().Totem.ClusterName; name != "" {
			return name
		}
	}
	return "(without a name)"
}

// liveWith returns with how many others the node is in a membership now.
func liveWith(f *Facts) int {
	if f.Runtime == nil {
		return 0
	}
	return max(0, len(f.Runtime.Quorum.Members)-1)
}

// together checks what only the nodes side by side show.
func together(ps *Problems, facts []*Facts) {
	machines := map[string]string{}
	var versions []Version
	for _, f := range facts {
		if other, ok := machines[f.Machine]; ok && f.Machine != "" {
			ps.add(CodeSameMachine, f.Node, "give each machine an id of its own: rm /etc/machine-id; systemd-machine-id-setup",
				"it has the same machine id as %s", other)
		}
		machines[f.Machine] = f.Node
		if f.Corosync.Major > 0 && !slices.Contains(versions, f.Corosync) {
			versions = append(versions, f.Corosync)
		}
	}
	slices.SortFunc(versions, Version.Compare)
	if n := len(versions); n > 1 {
		who := func(v Version) string {
			var names []string
			for _, f := range facts {
				if f.Corosync == v {
					names = append(names, f.Node)
				}
			}
			return v.String() + " on " + andList(names)
		}
		texts := make([]string, n)
		for i, v := range versions {
			texts[i] = who(v)
		}
		if versions[0].Major != versions[n-1].Major {
			ps.add(CodeVersionMix, "", "install the same major version everywhere", "corosync versions cannot work together: %s", andList(texts))
		} else {
			ps.warn(CodeVersionMix, "", "install the same version everywhere", "corosync versions differ: %s", andList(texts))
		}
	}
	apart(ps, facts)
}

// apart finds clocks that differ by more than maxSkew beyond what the
// measurement may be off.
func apart(ps *Problems, facts []*Facts) {
	if len(facts) < 2 {
		return
	}
	first, last := facts[0], facts[0]
	for _, f := range facts {
		if f.Skew < first.Skew {
			first = f
		}
		if f.Skew > last.Skew {
			last = f
		}
	}
	if d := last.Skew - first.Skew; d > maxSkew+last.SkewErr+first.SkewErr {
		ps.add(CodeClock, last.Node, "set both clocks by NTP (timedatectl set-ntp true)",
			"its clock is %s ahead of that of %s", d.Round(time.Second), first.Node)
	}
}
