package cluster_test

import (
	"errors"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
	"clusterctl/internal/sim"
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
	p, err = cluster.PlanLinkRemove(cluster.LinkChange{Number: 1}, w.view(t))
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

	p, err = cluster.PlanLinkRemove(cluster.LinkChange{Number: 2}, w.view(t))
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

// oneLink leaves a cluster its link 0.
func oneLink(f *corosyncconf.File) error {
	for _, n := range f.Root().Section("nodelist").Sections("node") {
		n.Unset("ring1_addr")
	}
	return nil
}

// overUDPU is a cluster of corosync 3 with transport udpu.
func overUDPU(f *corosyncconf.File) error {
	totem := f.Root().Section("totem")
	totem.Unset("crypto_cipher")
	totem.Unset("crypto_hash")
	return errors.Join(oneLink(f), totem.Set("transport", "udpu"))
}

var network1 = netip.MustParsePrefix("10.0.1.0/24")

// Where no other link carries the cluster there is one for as long as it takes.
func TestTheOnlyLinkMoves(t *testing.T) {
	for size, want := range map[int][]string{1: {"10.0.1.1"}, 3: {"10.0.1.1", "10.0.1.2", "10.0.1.3"}} {
		w := running(t, size, 3, oneLink)
		before := w.Machine("n1").Running()
		var seen [][2]int // how many addresses the links 0 and 1 have, as n1 runs
		w.Machine("n1").Fail = func(_ cluster.Note, op cluster.Op) error {
			if op.Kind == cluster.OpReload {
				seen = append(seen, [2]int{len(w.addresses(0)), len(w.addresses(1))})
			}
			return nil
		}
		p, err := cluster.PlanLinkSet(cluster.LinkChange{Number: 0, Network: network1}, w.view(t))
		if err == nil {
			err = w.carryOut(t, p)
		}
		if err != nil {
			t.Fatal(err)
		}
		w.settledOn(t, []string{"n1", "n2", "n3"}[:size]...)
		if wanted := [][2]int{{size, 0}, {size, size}, {0, size}, {size, size}}; !slices.Equal(seen, wanted) {
			t.Errorf("before each reload the links had %v addresses, want %v", seen, wanted)
		}
		if got := w.addresses(0); !slices.Equal(got, want) {
			t.Errorf("link 0 has the addresses %q", got)
		}
		moved := strings.ReplaceAll(strings.Replace(before, "config_version: 1", "config_version: 5", 1), "10.0.0.", "10.0.1.")
		if after := w.Machine("n1").Running(); after != moved {
			t.Errorf("more has changed than the addresses:\n%s", corosyncconf.UnifiedDiff("want", "got", []byte(moved), []byte(after)))
		}
	}
}

// On the way there and on the way back, no reload takes a link away unless one of
// these carries the cluster.
func TestALinkThatMovesIsCarriedThereAndBack(t *testing.T) {
	w := running(t, 3, 3, oneLink)
	p, err := cluster.PlanLinkSet(cluster.LinkChange{Number: 0, Network: network1}, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	var there, back [][]int
	for _, s := range p.Steps {
		for _, a := range append([]cluster.Act{s.Do}, s.Undo...) {
			switch {
			case asked(a) == 0:
			case s.Class == cluster.ClassReload:
				there = append(there, a.Carry)
			default:
				back = append(back, a.Carry)
			}
		}
	}
	if want := [][]int{nil, {1}, nil, {0}}; !reflect.DeepEqual(there, want) {
		t.Errorf("there: carried by %v, want %v", there, want)
	}
	if want := [][]int{{0}, nil, {1}, nil}; !reflect.DeepEqual(back, want) {
		t.Errorf("back: carried by %v, want %v", back, want)
	}
}

// A member that was apart in the reload by which the others got the old link back runs
// on the new one only, and gets no other by waiting: it is restarted, unless that has
// it fenced, or costs quorum.
func TestAMemberOnALinkThatGoesIsBroughtOver(t *testing.T) {
	w := running(t, 3, 3, oneLink)
	p, err := cluster.PlanLinkSet(cluster.LinkChange{Number: 0, Network: network1}, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	watch := w.Trouble
	w.Machine("n1").Fail = func(note cluster.Note, _ cluster.Op) error {
		switch note {
		case cluster.Note{Phase: cluster.Doing, Step: "stage-3"}:
			return errors.New("it broke")
		case cluster.Note{Phase: cluster.Undoing, Step: "swap-2/0"}:
			w.Trouble = nil // n3 has no quorum now
			w.Machine("n3").Deaf = true
			w.Machine("n3").Side(1)
		case cluster.Note{Phase: cluster.Undoing, Step: "swap-1/2"}:
			return errors.New("it broke again")
		}
		return nil
	}
	if _, open := errors.AsType[*cluster.UnfinishedOpError](w.carryOut(t, p)); !open {
		t.Fatal("it is not open any more")
	}
	n3 := w.Machine("n3")
	w.Machine("n1").Fail, n3.Deaf = nil, false
	n3.Side(0)
	w.Settle()
	w.Trouble = watch
	if r := n3.Runtime(); !r.Quorum.Quorate || len(w.addresses(0)) != 3 || !w.onLink1(n3) {
		t.Fatalf("n3 is not a member on link 1 alone: %+v", r)
	}

	n3.Sbd()
	if err := w.undo(t); err == nil || !strings.Contains(err.Error(), "n3: undo put it in place: sbd runs there") || !w.onLink1(n3) {
		t.Errorf("where sbd would reset it: %v", err)
	}
	n3.Stop("sbd")
	w.Trouble = nil
	w.Machine("n2").Side(1)
	w.Settle()
	w.Trouble = watch
	if err := w.undo(t); err == nil || !strings.Contains(err.Error(), "would cost quorum") || !w.onLink1(n3) {
		t.Errorf("where quorum needs it: %v", err)
	}
	w.Machine("n2").Side(0)
	w.Settle()
	w.Trouble = func(what string) {
		if !strings.HasPrefix(what, "n3 ") { // it is restarted
			watch(what)
		}
	}
	if err := w.undo(t); err != nil {
		t.Fatal(err)
	}
	w.settledOn(t, "n1", "n2", "n3")
	if got := parsed(n3.Running()).Links(); !slices.Equal(got, []int{0}) {
		t.Errorf("n3 runs on the links %v", got)
	}
}

// onLink1 tells whether a machine runs on link 1 alone.
func (w *world) onLink1(m *sim.Machine) bool {
	return slices.Equal(parsed(m.Running()).Links(), []int{1})
}

func TestTheOnlyLinkGetsAnotherPort(t *testing.T) {
	w := running(t, 3, 3, oneLink)
	p, err := cluster.PlanLinkSet(cluster.LinkChange{Number: 0, Port: ptr(5406)}, w.view(t)) // which would be that of link 1
	w.ends(t, p, err)
	if links := parsed(w.Machine("n1").Running()).Interfaces; len(links) != 1 || links[0].Port != 5406 {
		t.Errorf("%+v", links)
	}
}

// stops is how often corosync is stopped on a node.
func stops(p *cluster.Plan) int {
	n := 0
	for _, s := range p.Steps {
		for _, op := range s.Do.Ops {
			if op.Kind == cluster.OpStop {
				n++
			}
		}
	}
	return n
}

// Links of other transports than knet change while all nodes are stopped, which
// they are only when each was seen to reach each at its new address.
func TestOtherTransportsMoveWhileAllAreStopped(t *testing.T) {
	bound := func(f *corosyncconf.File) error {
		return errors.Join(overUDPU(f), f.Root().Section("totem").AddSection("interface").Set("bindnetaddr", "10.0.0.0"))
	}
	change := cluster.LinkChange{Number: 0, Network: network1, Port: ptr(5500), Restart: true}
	w := running(t, 3, 3, bound)
	w.Trouble = nil // nobody is quorate meanwhile
	before := w.state()
	p, err := cluster.PlanLinkSet(change, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	if stops(p) != 1 || !p.StopsAll() || reloads(p) != 0 {
		t.Errorf("the plan stops all %d times and reloads %d times", stops(p), reloads(p))
	}
	w.Machine("n2").Fail = func(_ cluster.Note, op cluster.Op) error {
		if op.Kind == cluster.OpReach {
			return errors.New("no answer from 10.0.1.3")
		}
		return nil
	}
	w.Machine("n3").Fail = func(_ cluster.Note, op cluster.Op) error {
		if op.Kind == cluster.OpStop {
			t.Error("stopped, although not all are reached")
		}
		return nil
	}
	if err := w.carryOut(t, p); err == nil || !strings.Contains(err.Error(), "n2: see that each node reaches each at its address on link 0: no answer from 10.0.1.3") {
		t.Errorf("got %v", err)
	}
	if after := w.state(); !maps.Equal(before, after) {
		t.Errorf("something has changed: %v", after)
	}

	w = running(t, 3, 3, bound)
	w.Trouble = nil
	p, err = cluster.PlanLinkSet(change, w.view(t))
	w.ends(t, p, err)
	if got := w.addresses(0); !slices.Equal(got, []string{"10.0.1.1", "10.0.1.2", "10.0.1.3"}) {
		t.Errorf("link 0 has the addresses %q", got)
	}
	if i := parsed(w.Machine("n2").Running()).Interfaces[0]; i.BindNetAddr != "10.0.1.0" || i.Port != 5500 {
		t.Errorf("%+v", i)
	}
}

// ringed is a cluster of three with corosync 2.4, with one ring or with two.
func ringed(t *testing.T, edit func(*corosyncconf.File) error) *world {
	t.Helper()
	w := running(t, 3, 3, func(f *corosyncconf.File) error { return errors.Join(udpu(f), edit(f)) }).install(cluster.Version{Major: 2, Minor: 4, Patch: 6})
	w.Trouble = nil // to change its rings it is stopped
	return w
}

func twoRings(f *corosyncconf.File) error {
	return f.Root().Section("totem").Set("rrp_mode", "passive")
}

func TestRingsOfCorosync2ComeMoveAndGo(t *testing.T) {
	w := ringed(t, oneLink)
	mode := func(want string) {
		t.Helper()
		if got := parsed(w.Machine("n1").Running()).Totem.RRPMode; got != want {
			t.Errorf("rrp_mode is %q, want %q", got, want)
		}
	}
	p, err := cluster.PlanLinkAdd(cluster.LinkChange{Number: 1, Network: network1, Port: ptr(5407), Restart: true}, w.view(t))
	if err == nil && (stops(p) != 1 || !p.StopsAll() || p.Steps[0].ID != "reach-1") {
		t.Errorf("%+v", p.Steps)
	}
	w.ends(t, p, err)
	mode("passive")
	rings := func() []corosyncconf.Interface {
		t.Helper()
		f, err := corosyncconf.Parse("", []byte(w.Machine("n1").Running()))
		if err != nil {
			t.Fatal(err)
		}
		return f.ConfigIn(corosyncconf.V24).Interfaces
	}
	if i := rings(); len(i) != 1 || i[0].Number != 1 || i[0].Port != 5407 {
		t.Errorf("%+v", i)
	}
	p, err = cluster.PlanLinkSet(cluster.LinkChange{Number: 1, Port: ptr(5409), Restart: true}, w.view(t))
	w.ends(t, p, err)
	if i := rings(); len(i) != 1 || i[0].Number != 1 || i[0].Port != 5409 {
		t.Errorf("%+v", i)
	}
	p, err = cluster.PlanLinkRemove(cluster.LinkChange{Number: 1, Restart: true}, w.view(t))
	w.ends(t, p, err)
	mode("none")
	p, err = cluster.PlanLinkSet(cluster.LinkChange{Number: 0, Network: network1, Restart: true}, w.view(t))
	w.ends(t, p, err)
	if text := w.Machine("n3").Running(); !slices.Equal(w.addresses(0), []string{"10.0.1.1", "10.0.1.2", "10.0.1.3"}) || !strings.Contains(text, "rack 7") || strings.Contains(text, "5409") {
		t.Errorf("at the end:\n%s", text)
	}
}

func TestLinkRefuses(t *testing.T) {
	add := func(c cluster.LinkChange) func(*cluster.View) (*cluster.Plan, error) {
		return func(v *cluster.View) (*cluster.Plan, error) { return cluster.PlanLinkAdd(c, v) }
	}
	set := func(c cluster.LinkChange) func(*cluster.View) (*cluster.Plan, error) {
		return func(v *cluster.View) (*cluster.Plan, error) { return cluster.PlanLinkSet(c, v) }
	}
	remove := func(c cluster.LinkChange) func(*cluster.View) (*cluster.Plan, error) {
		return func(v *cluster.View) (*cluster.Plan, error) { return cluster.PlanLinkRemove(c, v) }
	}
	cluster3 := func(edit func(*corosyncconf.File) error) func(*testing.T) *world {
		return func(t *testing.T) *world { return running(t, 3, 3, edit) }
	}
	cluster2 := func(edit func(*corosyncconf.File) error) func(*testing.T) *world {
		return func(t *testing.T) *world { return ringed(t, edit) }
	}
	v6 := netip.MustParsePrefix("fd00::/64")
	tests := map[string]struct {
		world func(*testing.T) *world
		plan  func(*cluster.View) (*cluster.Plan, error)
		code  cluster.Code
		says  string
	}{
		"removing the only link": {cluster3(oneLink), remove(cluster.LinkChange{}), cluster.CodeLinkDown,
			"no other link connects all members now, so link 0 cannot be taken away; add another link first"},
		"removing the only link of the only node": {func(t *testing.T) *world { return running(t, 1, 1, oneLink) }, remove(cluster.LinkChange{}), cluster.CodeLinkDown,
			"link 0 cannot be taken away"},
		"a link that is not there": {cluster3(nil), remove(cluster.LinkChange{Number: 5}), cluster.CodeBadLink, "there is no link 5"},
		"a link that is there":     {cluster3(nil), add(cluster.LinkChange{Number: 1, Network: v6}), cluster.CodeBadLink, "link 1 exists already"},
		"a link number over 7":     {cluster3(nil), add(cluster.LinkChange{Number: 8, Network: v6}), cluster.CodeBadLink, "not within 0..7"},
		"a link on only some nodes": {cluster3(nil), add(cluster.LinkChange{Number: 2, Addrs: map[string]string{"n1": "fd00::1", "2": "fd00::2"}}), cluster.CodeUnevenLinks,
			"n3: it has no address for link 2; give --address n3=ADDR, or a network for all"},
		"an address that the node does not have": {cluster3(nil), add(cluster.LinkChange{Number: 2, Network: v6, Addrs: map[string]string{"n1": "fd00::9"}}), cluster.CodeAddress,
			"n1: link 2: the node does not have the address fd00::9"},
		"a network in which a node has no address": {cluster3(nil), add(cluster.LinkChange{Number: 2, Network: netip.MustParsePrefix("10.7.0.0/24")}), cluster.CodeAddress,
			"n1: it has no address in 10.7.0.0/24 for link 2"},
		"an address that another link has": {cluster3(nil), add(cluster.LinkChange{Number: 2, Network: network1}), cluster.CodeAddress, "would be used for link 1 of n1 and for link 2 of n1"},
		"two families on one link":         {cluster3(nil), set(cluster.LinkChange{Number: 1, Addrs: map[string]string{"n1": "fd00::1"}}), cluster.CodeMixedFamily, "link 1 is IPv4 on n2 and n3 and IPv6 on n1"},
		"a node that is not in the cluster": {cluster3(nil), set(cluster.LinkChange{Number: 1, Addrs: map[string]string{"n9": "fd00::1"}}), cluster.CodeNoSuchNode,
			"n9: no such node"},
		"a priority over 255": {cluster3(nil), set(cluster.LinkChange{Number: 1, Priority: ptr(256)}), cluster.CodeBadOption, "priority 256"},

		"a second link on udpu":    {cluster3(overUDPU), add(cluster.LinkChange{Number: 1, Network: network1}), cluster.CodeBadLink, "link 1: transport udpu has one link, number 0, and only knet has several"},
		"a priority on udpu":       {cluster3(overUDPU), set(cluster.LinkChange{Priority: ptr(2)}), cluster.CodeBadOption, "only the links of knet have priorities"},
		"to move udpu":             {cluster3(overUDPU), set(cluster.LinkChange{Network: network1}), cluster.CodeNeedsRestart, "change link 0: only knet changes its links while it runs; all nodes must be stopped before any is started; --restart"},
		"ring 2 on corosync 2.4":   {cluster2(twoRings), add(cluster.LinkChange{Number: 2, Network: v6, Restart: true}), cluster.CodeBadLink, "link 2: corosync 2.4 has two links, its rings 0 and 1"},
		"ring 1 without --restart": {cluster2(oneLink), add(cluster.LinkChange{Number: 1, Network: network1}), cluster.CodeNeedsRestart, "add ring 1: only knet changes its links while it runs"},
		"to do without ring 0":     {cluster2(twoRings), remove(cluster.LinkChange{Restart: true}), cluster.CodeBadLink, "corosync 2.4 does without ring 1, but not without ring 0"},
		"the only ring":            {cluster2(oneLink), remove(cluster.LinkChange{Restart: true}), cluster.CodeLinkDown, "no other link connects all members now"},
		"a ring while a node is off": {func(t *testing.T) *world {
			w := ringed(t, oneLink)
			w.Machine("n3").Stop("corosync")
			return w
		}, add(cluster.LinkChange{Number: 1, Network: network1, Restart: true}), cluster.CodeNoRunning, "n3: corosync does not run there, and every node must take part"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := tt.plan(tt.world(t).view(t))
			ps := cluster.ProblemsOf(err)
			if i := slices.IndexFunc(ps, func(p cluster.Problem) bool { return p.Code == tt.code && strings.Contains(p.String(), tt.says) }); i < 0 || ps[i].Remedy == "" {
				t.Errorf("want %s %q and a remedy, got %v", tt.code, tt.says, err)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

// That a node is away is only a warning, and must not hide that no other link
// is left.
func TestLinkIsNotRemovedUnnoticedWhileANodeIsAway(t *testing.T) {
	w := running(t, 3, 3, oneLink)
	w.die("n3")
	_, err := cluster.PlanLinkRemove(cluster.LinkChange{Number: 0}, w.view(t))
	if !slices.ContainsFunc(cluster.ProblemsOf(err), func(p cluster.Problem) bool { return p.Code == cluster.CodeLinkDown }) {
		t.Errorf("got %v", err)
	}
}
