package lab_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"clusterctl/internal/lab"
)

func TestZeroOptionsAreTheDefaults(t *testing.T) {
	var o lab.Options
	if err := lab.Complete(&o); err != nil {
		t.Fatal(err)
	}
	o.Log = nil
	want := lab.Options{Name: "lab", Nodes: 3, Links: 2, Suite: "bookworm", DiskMiB: 128}
	if o.Name != want.Name || o.Nodes != want.Nodes || o.Links != want.Links || o.Suite != want.Suite || o.DiskMiB != want.DiskMiB {
		t.Errorf("got %+v, want %+v", o, want)
	}
}

func TestImpossibleLabsAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		options lab.Options
		want    string
	}{
		"name that leaves its directory":      {lab.Options{Name: "../x"}, `lab name "../x": use`},
		"name that may be another lab's node": {lab.Options{Name: "a.n1"}, `lab name "a.n1": use`},
		"no such suite":                       {lab.Options{Suite: "sid"}, `suite "sid": the nodes can run bookworm or trixie`},
		"too many nodes":                      {lab.Options{Nodes: 65}, "65 nodes: a lab has 1 to 64"},
		"negative nodes":                      {lab.Options{Nodes: -1}, "-1 nodes: a lab has 1 to 64"},
		"more links than corosync has":        {lab.Options{Links: 9}, "9 links: a lab has 1 to 8"},
		"option of apt as a package":          {lab.Options{Packages: []string{"-o=x"}}, `package "-o=x": no Debian package`},
		"disk too small to boot":              {lab.Options{DiskMiB: 1}, "a disk of 1 MiB: a node needs 16 or more to boot"},
	} {
		t.Run(name, func(t *testing.T) {
			err := lab.Complete(&test.options)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestAddressesAreInTheirNetworkAndNoTwoAreEqual(t *testing.T) {
	seen := map[netip.Addr]bool{}
	for link := lab.Mgmt; link < 8; link++ {
		for node := 0; node <= 64; node++ {
			a := lab.Address(node, link)
			if !lab.Network(link).Contains(a) {
				t.Errorf("%s of node %d, link %d is not in %s", a, node, link, lab.Network(link))
			}
			if seen[a] {
				t.Errorf("%s of node %d, link %d is another's too", a, node, link)
			}
			seen[a] = true
		}
	}
}

func TestHostsNameNodesByTheirAddressesOnTheLink(t *testing.T) {
	want := "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n10.99.10.11 n1\n10.99.10.12 n2\n"
	if diff := cmp.Diff(want, lab.Hosts(2, 0)); diff != "" {
		t.Error(diff)
	}
}
