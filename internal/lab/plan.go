package lab

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Mgmt is the number by which methods that take a link mean the management network: the one SSH uses.
const Mgmt = -1

const (
	maxNodes = 64 // of the 244 that the address plan has room for; real memory ends long before
	maxLinks = 8  // INTERFACE_MAX of corosync 3
)

// Options say what lab to make. A zero field takes its default.
type Options struct {
	// Name tells labs apart: a lower-case letter, then up to 30 more, digits and dashes. Default "lab".
	Name string
	// Nodes is how many nodes there are, 1 to 64, named n1, n2, and so on. Default 3.
	Nodes int
	// Links is how many cluster networks there are besides the management network, 1 to 8. Default 2.
	Links int
	// Suite is the Debian release on the nodes: bookworm (corosync 3.1.7) or trixie (3.1.9). Default bookworm.
	Suite string
	// Packages are Debian packages that the nodes have besides the usual ones, with what these depend on but not what
	// they recommend. Services among them are enabled and run, as Debian leaves them.
	Packages []string
	// DiskMiB limits what a node can write to its root file system, which is in memory. Default 128.
	DiskMiB int
	// Log, unless nil, hears about what takes long.
	Log func(format string, args ...any) `json:"-"`

	// tied labs end with the process that made them.
	tied bool
}

// suites are the Debian releases that nodes can run.
var suites = []string{"bookworm", "trixie"}

// validPackage is what Debian's policy manual lets a binary package be called (5.6.1).
var validPackage = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)

var validName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// complete fills in defaults and refuses what no lab can be.
func (o *Options) complete() error {
	defaults := Options{Name: "lab", Nodes: 3, Links: 2, Suite: suites[0], DiskMiB: 128, Log: func(string, ...any) {}}
	if o.Name == "" {
		o.Name = defaults.Name
	}
	if o.Nodes == 0 {
		o.Nodes = defaults.Nodes
	}
	if o.Links == 0 {
		o.Links = defaults.Links
	}
	if o.Suite == "" {
		o.Suite = defaults.Suite
	}
	if o.DiskMiB == 0 {
		o.DiskMiB = defaults.DiskMiB
	}
	if o.Log == nil {
		o.Log = defaults.Log
	}
	o.Packages = slices.Compact(slices.Sorted(slices.Values(o.Packages)))
	for _, p := range o.Packages {
		if !validPackage.MatchString(p) {
			return fmt.Errorf("package %q: no Debian package can have that name", p)
		}
	}
	switch {
	case !validName.MatchString(o.Name):
		return fmt.Errorf("lab name %q: use a lower-case letter, then up to 30 more letters, digits or dashes", o.Name)
	case o.Nodes < 1 || o.Nodes > maxNodes:
		return fmt.Errorf("%d nodes: a lab has 1 to %d", o.Nodes, maxNodes)
	case o.Links < 1 || o.Links > maxLinks:
		return fmt.Errorf("%d links: a lab has 1 to %d", o.Links, maxLinks)
	case !slices.Contains(suites, o.Suite):
		return fmt.Errorf("suite %q: the nodes can run %s", o.Suite, strings.Join(suites, " or "))
	case o.DiskMiB < 16:
		return fmt.Errorf("a disk of %d MiB: a node needs 16 or more to boot", o.DiskMiB)
	}
	return nil
}

// nodeName is the name of the i-th node, from 1.
func nodeName(i int) string {
	return fmt.Sprintf("n%d", i)
}

// device is the name of a link's interface on every node, and of its bridge in the controller's namespace.
func device(link int) string {
	if link == Mgmt {
		return "mgmt0"
	}
	return fmt.Sprintf("link%d", link)
}

// network is the address range of a link. Labs do not share it: each has namespaces of its own.
func network(link int) netip.Prefix {
	third := 0
	if link != Mgmt {
		third = 10 + link
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 99, byte(third), 0}), 24)
}

// address is that of the i-th node on a link; node 0 is the controller, which is on the management network only.
func address(i, link int) netip.Addr {
	a := network(link).Addr().As4()
	a[3] = 1
	if i > 0 {
		a[3] = byte(10 + i)
	}
	return netip.AddrFrom4(a)
}

// hosts is /etc/hosts as one of the machines has it: its own name, if it is a node, and the nodes' addresses on a link.
// A node's name is never a loopback address, as it would be on a machine that Debian's installer set up: a cluster that
// takes its addresses from names could not be made of such nodes.
func hosts(nodes, link int) string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")
	for i := 1; i <= nodes; i++ {
		fmt.Fprintf(&b, "%s %s\n", address(i, link), nodeName(i))
	}
	return b.String()
}

// random is a random hexadecimal number of so many bytes.
func random(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return hex.EncodeToString(b)
}
