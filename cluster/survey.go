package cluster

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// survey is what a check knows of a node besides its Facts.
type survey struct {
	devices     map[string]device
	on          map[netip.Addr]string // the interface that has an address
	resolved    map[string][]netip.Addr
	libraries   map[string]string   // version by name: libqb, libknet
	availableKB int64               // memory; 0: not known
	storage     map[netip.Addr]bool // own addresses of connections to storage
	migration   netip.Prefix        // Proxmox VE's migration network
	filter      []Filter            // of its packet filter, what keeps packets away
	bondModes   map[string]string   // as /etc/network/interfaces has them
}

// device is a network interface.
type device struct {
	mtu   int
	mode  string   // of a bond
	lower []string // what it is made of: ports, slaves, the one below a VLAN
}

func parseSurvey(sec map[string]section) *survey {
	s := &survey{devices: map[string]device{}, on: map[netip.Addr]string{}, resolved: map[string][]netip.Addr{},
		libraries: map[string]string{}, storage: map[netip.Addr]bool{}}
	text := func(name string) string { return string(sec[name].out) }
	for name := range sec {
		if host, ok := strings.CutPrefix(name, "resolve:"); ok {
			s.resolved[host] = parseHosts(text(name))
		}
	}
	for line := range strings.Lines(text("devices")) {
		if f := strings.Fields(line); len(f) >= 3 {
			d := device{lower: f[3:]}
			d.mtu, _ = strconv.Atoi(f[1])
			if f[2] != "-" {
				d.mode = f[2]
			}
			s.devices[f[0]] = d
		}
	}
	for line := range strings.Lines(text("addrs")) {
		if f := strings.Fields(line); len(f) > 1 {
			for _, p := range parseAddrs(line) {
				s.on[p.Addr()], _, _ = strings.Cut(f[1], "@")
			}
		}
	}
	for line := range strings.Lines(text("packages")) {
		f := strings.Fields(line)
		for _, lib := range []string{"libqb", "libknet"} {
			if len(f) == 3 && f[2] == "installed" && isLibrary(f[0], lib) {
				s.libraries[lib] = f[1]
			}
		}
	}
	for line := range strings.Lines(text("meminfo")) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "MemAvailable:" {
			s.availableKB, _ = strconv.ParseInt(f[1], 10, 64)
		}
	}
	for line := range strings.Lines(text("storage")) {
		if f := strings.Fields(line); len(f) >= 4 {
			if a, err := netip.ParseAddrPort(f[2]); err == nil {
				s.storage[a.Addr().Unmap().WithZone("")] = true
			}
		}
	}
	for line := range strings.Lines(text("datacenter")) {
		options, ok := strings.CutPrefix(line, "migration:")
		for option := range strings.SplitSeq(options, ",") {
			if network, found := strings.CutPrefix(strings.TrimSpace(option), "network="); ok && found {
				s.migration, _ = netip.ParsePrefix(network)
			}
		}
	}
	s.filter = parseFilter(text("filter"))
	s.bondModes = parseBondModes(text("interfaces"))
	return s
}

// isLibrary tells whether a package has a library, not its headers or plugins:
// libqb, libqb100, libknet1t64.
func isLibrary(pkg, lib string) bool {
	rest, ok := strings.CutPrefix(pkg, lib)
	return ok && strings.Trim(strings.TrimSuffix(rest, "t64"), "0123456789") == ""
}

// parseBondModes reads the modes of bonds from /etc/network/interfaces, where
// they stand as numbers too (the kernel's Documentation/networking/bonding.rst).
func parseBondModes(text string) map[string]string {
	names := []string{"balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"}
	modes := map[string]string{}
	iface := ""
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "iface":
			iface = f[1]
		case "bond-mode", "bond_mode":
			mode := f[1]
			if n, err := strconv.Atoi(mode); err == nil && n >= 0 && n < len(names) {
				mode = names[n]
			}
			modes[iface] = mode
		}
	}
	return modes
}

// parts are an interface and all that it is made of.
func (s *survey) parts(name string) []string {
	all := []string{name}
	for i := 0; i < len(all); i++ {
		for _, l := range s.devices[all[i]].lower {
			if !slices.Contains(all, l) {
				all = append(all, l)
			}
		}
	}
	return all
}

// guest tells whether an interface is that of a virtual machine or container.
func guest(name string) bool {
	return slices.ContainsFunc([]string{"tap", "veth", "vnet", "fwpr", "fwln", "vif"}, func(p string) bool { return strings.HasPrefix(name, p) })
}

// hardware are the parts of an interface that are shared with nothing above,
// without those of guests: what carries its packets to other machines.
func (s *survey) hardware(name string) []string {
	return slices.DeleteFunc(s.parts(name), func(p string) bool { return len(s.devices[p].lower) > 0 || guest(p) })
}

// shares tells whether packets of two interfaces go over one cable.
func (s *survey) shares(a, b string) bool {
	other := s.hardware(b)
	return slices.ContainsFunc(s.hardware(a), func(p string) bool { return slices.Contains(other, p) })
}

// blocks finds what a node's packet filter has against packets to a UDP port; "" if
// nothing meets the eye. What is measured says whether it matters.
func (s *survey) blocks(port int) string {
	for _, f := range s.filter {
		if (f.Hook == "input" || f.Hook == "prerouting") && f.Blocks(port) {
			return f.says()
		}
	}
	return ""
}
