package cluster_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
)

// addresses are those of a link, in the order of the nodelist.
func (w *world) addresses(link int) []string {
	var all []string
	for _, n := range parsed(w.Machine("n1").Running()).Nodes {
		if a, ok := n.Addrs[link]; ok {
			all = append(all, a)
		}
	}
	return all
}

// ends runs a plan that is to succeed, and checks that all agree.
func (w *world) ends(t *testing.T, p *cluster.Plan, err error) {
	t.Helper()
	if err == nil {
		err = w.carryOut(t, p)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.settledOn(t, "n1", "n2", "n3")
}

func reloads(p *cluster.Plan) int {
	n := 0
	for _, s := range p.Steps {
		if s.Class == cluster.ClassReload {
			n++
		}
	}
	return n
}

func TestLinksComeMoveAndGo(t *testing.T) {
	w := running(t, 3, 3, nil)
	v6 := netip.MustParsePrefix("fd00::/64")
	p, err := cluster.PlanLinkAdd(cluster.LinkChange{Number: 2, Network: v6, Priority: ptr(5), Port: ptr(5500)}, w.view(t))
	w.ends(t, p, err)
	if got := w.addresses(2); !slices.Equal(got, []string{"fd00::1", "fd00::2", "fd00::3"}) {
		t.Errorf("link 2 has the addresses %q", got)
	}

	// To other addresses: with both links swapped for a moment there is always one.
	p, err = cluster.PlanLinkRemove(1, w.view(t))
	w.ends(t, p, err)
	p, err = cluster.PlanLinkSet(cluster.LinkChange{Number: 0, Network: netip.MustParsePrefix("10.0.1.0/24")}, w.view(t))
	if err == nil && reloads(p) != 2 {
		t.Errorf("a change of addresses takes %d reloads, want 2", reloads(p))
	}
	w.ends(t, p, err)
	if got := w.addresses(0); !slices.Equal(got, []string{"10.0.1.1", "10.0.1.2", "10.0.1.3"}) {
		t.Errorf("link 0 has the addresses %q", got)
	}

	p, err = cluster.PlanLinkSet(cluster.LinkChange{Number: 2, Priority: ptr(9)}, w.view(t))
	if err == nil && reloads(p) != 1 {
		t.Errorf("a change of priority takes %d reloads, want 1", reloads(p))
	}
	w.ends(t, p, err)
	p, err = cluster.PlanLinkSet(cluster.LinkChange{Number: 2, Port: ptr(5600)}, w.view(t))
	w.ends(t, p, err)
	i := slices.IndexFunc(parsed(w.Machine("n2").Running()).Interfaces, func(i corosyncconf.Interface) bool { return i.Number == 2 })
	if link := parsed(w.Machine("n2").Running()).Interfaces[i]; link.Port != 5600 || link.Priority != 9 {
		t.Errorf("link 2: %+v", link)
	}
	p, err = cluster.PlanLinkSet(cluster.LinkChange{Number: 2, Port: ptr(5600)}, w.view(t))
	if err != nil || len(p.Steps) > 0 {
		t.Errorf("nothing to change: %v, %v", err, p)
	}

	p, err = cluster.PlanLinkRemove(2, w.view(t))
	w.ends(t, p, err)
	if text := w.Machine("n3").Running(); len(w.addresses(2)) > 0 || strings.Contains(text, "5600") || !strings.Contains(text, "rack 7") {
		t.Errorf("after link 2 is gone:\n%s", text)
	}
}

func TestLinkNamesNodesFirst(t *testing.T) {
	w := running(t, 3, 3, nil)
	v := w.view(t)
	nodes := v.Conf.Root().Section("nodelist").Sections("node")
	for _, n := range nodes {
		n.Unset("ring1_addr")
	}
	nodes[1].Unset("name")
	conf := v.Conf.Config()
	for i := range v.Nodes {
		n := &v.Nodes[i]
		n.Conf, n.Name = &conf.Nodes[i], conf.Nodes[i].Label()
		n.Facts.Conf.Hash = cluster.Hash(v.Conf.Bytes())
	}
	p, err := cluster.PlanLinkAdd(cluster.LinkChange{Number: 1, Network: netip.MustParsePrefix("10.0.1.0/24")}, v)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(p.Diff, "name: n2.example") {
		t.Errorf("node 2 is not named:\n%s", p.Diff)
	}
}

func TestLinkRefuses(t *testing.T) {
	one := func(f *corosyncconf.File) error {
		for _, n := range f.Root().Section("nodelist").Sections("node") {
			n.Unset("ring1_addr")
		}
		return nil
	}
	udpu := func(f *corosyncconf.File) error {
		totem := f.Root().Section("totem")
		totem.Unset("crypto_cipher")
		totem.Unset("crypto_hash")
		if err := one(f); err != nil {
			return err
		}
		return totem.Set("transport", "udpu")
	}
	net := netip.MustParsePrefix
	tests := map[string]struct {
		edit func(*corosyncconf.File) error
		plan func(*cluster.View) (*cluster.Plan, error)
		want cluster.Code
	}{
		"removing the only link": {one, func(v *cluster.View) (*cluster.Plan, error) { return cluster.PlanLinkRemove(0, v) }, cluster.CodeLinkDown},
		"moving the only link": {one, func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanLinkSet(cluster.LinkChange{Number: 0, Network: net("10.0.1.0/24")}, v)
		}, cluster.CodeLinkDown},
		"a link that is not there": {nil, func(v *cluster.View) (*cluster.Plan, error) { return cluster.PlanLinkRemove(5, v) }, cluster.CodeBadLink},
		"a link that is there": {nil, func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanLinkAdd(cluster.LinkChange{Number: 1, Network: net("fd00::/64")}, v)
		}, cluster.CodeBadLink},
		"a link number over 7": {nil, func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanLinkAdd(cluster.LinkChange{Number: 8, Network: net("fd00::/64")}, v)
		}, cluster.CodeBadLink},
		"a link on only some nodes": {nil, func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanLinkAdd(cluster.LinkChange{Number: 2, Addrs: map[string]string{"n1": "fd00::1", "2": "fd00::2"}}, v)
		}, cluster.CodeUnevenLinks},
		"an address that the node does not have": {nil, func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanLinkAdd(cluster.LinkChange{Number: 2, Network: net("fd00::/64"), Addrs: map[string]string{"n1": "fd00::9"}}, v)
		}, cluster.CodeAddress},
		"an address that another link has": {nil, func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanLinkAdd(cluster.LinkChange{Number: 2, Network: net("10.0.1.0/24")}, v)
		}, cluster.CodeAddress},
		"two families on one link": {nil, func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanLinkSet(cluster.LinkChange{Number: 1, Addrs: map[string]string{"n1": "fd00::1"}}, v)
		}, cluster.CodeMixedFamily},
		"a node that is not in the cluster": {nil, func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanLinkSet(cluster.LinkChange{Number: 1, Addrs: map[string]string{"n9": "fd00::1"}}, v)
		}, cluster.CodeNoSuchNode},
		"a second link on udpu": {udpu, func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanLinkAdd(cluster.LinkChange{Number: 1, Network: net("10.0.1.0/24")}, v)
		}, cluster.CodeBadLink},
		"a priority over 255": {nil, func(v *cluster.View) (*cluster.Plan, error) {
			return cluster.PlanLinkSet(cluster.LinkChange{Number: 1, Priority: ptr(256)}, v)
		}, cluster.CodeBadOption},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := running(t, 3, 3, tt.edit)
			_, err := tt.plan(w.view(t))
			if ps := cluster.ProblemsOf(err); len(ps) == 0 || ps[0].Code != tt.want || ps[0].Remedy == "" {
				t.Errorf("got %v (%+v), want %s", err, ps, tt.want)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

// That a node is away is only a warning, and must not hide that no other link
// is left.
func TestLinkIsNotRemovedUnnoticedWhileANodeIsAway(t *testing.T) {
	w := running(t, 3, 3, func(f *corosyncconf.File) error {
		for _, n := range f.Root().Section("nodelist").Sections("node") {
			n.Unset("ring1_addr")
		}
		return nil
	})
	w.die("n3")
	_, err := cluster.PlanLinkRemove(0, w.view(t))
	if !slices.ContainsFunc(cluster.ProblemsOf(err), func(p cluster.Problem) bool { return p.Code == cluster.CodeLinkDown }) {
		t.Errorf("got %v", err)
	}
}
