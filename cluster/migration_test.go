package cluster_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"clusterctl/cluster"
)

func TestMigrationIsReadAsProxmoxVEReadsIt(t *testing.T) {
	tests := []struct{ name, text, want, odd string }{
		{"no file", "", "secure ", ""},
		{"the type without its name", "keyboard: de\nmigration: insecure,network=10.1.2.0/24\n", "insecure 10.1.2.0/24", ""},
		{"the type with its name", "migration: network=fd00::/64,type=secure", "secure fd00::/64", ""},
		{"blanks around the line, CRLF", "  migration:insecure  \r\n", "insecure ", ""},
		{"the last of several", "migration: secure\nmigration: insecure\n", "insecure ", ""},
		{"a comment", "#migration: insecure\n", "secure ", ""},
		{"empty parts", "migration: insecure,,\n", "insecure ", ""},
		{"no type", "migration: network=10.1.2.0/24\n", "secure ", "it has no type"},
		{"a blank before a name", "migration: insecure, network=10.1.2.0/24\n", "secure ", `it has an option " network"`},
		{"another option", "migration: insecure,speed=5\n", "secure ", `it has an option "speed"`},
		{"another type", "migration: plain\n", "secure ", `its type is "plain"`},
		{"a type twice", "migration: secure,type=insecure\n", "secure ", "it has type twice"},
		{"no network", "migration: insecure,network=10.1.2.0\n", "secure ", `its network is "10.1.2.0"`},
		{"the legacy key", "migration_unsecure: 1\n", "insecure ", ""},
		{"the legacy key beside it", "migration_unsecure: 1\nmigration: secure\n", "secure ", ""},
		{"the legacy key beside what is left out", "migration_unsecure: Yes\nmigration: no\n", "insecure ", `its type is "no"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := cluster.ReadMigration(tt.text)
			odd := ""
			if m.Err != nil {
				odd = m.Err.Error()
			}
			if got := m.Type + " " + m.Network; got != tt.want || odd != tt.odd {
				t.Errorf("got %q, left out since %q", got, odd)
			}
		})
	}
}

func TestSetMigrationChangesNothingElse(t *testing.T) {
	const network = "10.1.2.0/24"
	tests := []struct {
		name, text string
		set        cluster.MigrationSpec
		want       string
	}{
		{"no file", "", cluster.MigrationSpec{Network: network}, "migration: secure,network=10.1.2.0/24\n"},
		{"no line", "# by hand\nkeyboard: de\n\n", cluster.MigrationSpec{Type: "insecure"}, "# by hand\nkeyboard: de\n\nmigration: insecure\n"},
		{"no newline at the end", "keyboard: de", cluster.MigrationSpec{Type: "insecure"}, "keyboard: de\nmigration: insecure\n"},
		{"CRLF", "keyboard: de\r\n", cluster.MigrationSpec{Type: "insecure"}, "keyboard: de\r\nmigration: insecure\r\n"},
		{"the type stays", "migration: insecure\nkeyboard: de\n", cluster.MigrationSpec{Network: network}, "migration: insecure,network=10.1.2.0/24\nkeyboard: de\n"},
		{"the network stays", " migration:\tnetwork=10.9.0.0/16,type=insecure \r\n#\n", cluster.MigrationSpec{Type: "secure"}, " migration:\tnetwork=10.9.0.0/16,type=secure \r\n#\n"},
		{"options that have the line left out go", "migration: speed=5,insecure,x=y\n", cluster.MigrationSpec{Type: "secure", Network: network}, "migration: secure,network=10.1.2.0/24\n"},
		{"a network beside them stays", "migration: insecure, network=10.9.0.0/16,x=y\n", cluster.MigrationSpec{Type: "secure"}, "migration: secure,network=10.9.0.0/16\n"},
		{"one that is none does not", "migration: insecure,network=10.9.0.0\n", cluster.MigrationSpec{Type: "secure"}, "migration: secure\n"},
		{"an empty line", "migration:\nkeyboard: de\n", cluster.MigrationSpec{Type: "secure"}, "migration:secure\nkeyboard: de\n"},
		{"the last of several", "migration: secure\nmigration: secure\n", cluster.MigrationSpec{Type: "insecure"}, "migration: secure\nmigration: insecure\n"},
		{"a type that is missing", "migration: network=10.9.0.0/16\n", cluster.MigrationSpec{Network: network}, "migration: secure,network=10.1.2.0/24\n"},
		{"an option that is there twice", "migration: secure,type=insecure,network=1,network=2\n", cluster.MigrationSpec{Type: "insecure", Network: network}, "migration: insecure,network=10.1.2.0/24\n"},
		{"the legacy key gives way", "a: 1\n migration_unsecure: 1\nb: 2\n", cluster.MigrationSpec{Network: network}, "a: 1\n migration: insecure,network=10.1.2.0/24\nb: 2\n"},
		{"the legacy key beside it goes", "migration: secure\nmigration_unsecure: 1\nb: 2", cluster.MigrationSpec{Network: network}, "migration: secure,network=10.1.2.0/24\nb: 2"},
		{"as it is", "migration: secure\n", cluster.MigrationSpec{Type: "secure"}, "migration: secure\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, cluster.SetMigration(tt.text, tt.set)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMigrationIsSetOnEveryNode(t *testing.T) {
	w := virtual(t, 3, 3)
	w.Machine("n1").SetShared("datacenter.cfg", "keyboard: de\nhttp_proxy: http://u:secret@proxy\n")
	spec := cluster.MigrationSpec{Network: "10.0.2.7/24"}
	p, now, err := cluster.PlanMigration(spec, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	if now.Type != "secure" || now.Network != "10.0.2.0/24" || strings.Contains(p.Diff, "secret") || !strings.Contains(p.Diff, "+migration: secure,network=10.0.2.0/24\n") {
		t.Errorf("%+v\n%s", now, p.Diff)
	}
	for _, name := range p.NodeNames() {
		if paths, _ := cluster.Touched(p, name); len(paths) > 0 {
			t.Errorf("%s keeps %q in its journal", name, paths)
		}
	}
	w.goes(t, p, nil)
	for _, m := range w.Machines() {
		if want := "keyboard: de\nhttp_proxy: http://u:secret@proxy\nmigration: secure,network=10.0.2.0/24\n"; m.Shared("datacenter.cfg") != want {
			t.Errorf("%s: %q", m.Name(), m.Shared("datacenter.cfg"))
		}
	}
	if p, _, err = cluster.PlanMigration(spec, w.view(t)); err != nil || len(p.Steps) > 0 {
		t.Errorf("once more: %v, %v", p, err)
	}
}

// What was wrong with the line is told, and does not stay in it.
func TestMigrationTellsWhatItDrops(t *testing.T) {
	w := virtual(t, 3, 3)
	w.Machine("n1").SetShared("datacenter.cfg", "migration: secure,foo=1\n")
	p, now, err := cluster.PlanMigration(cluster.MigrationSpec{Type: "insecure"}, w.view(t))
	if err != nil || now.Type != "insecure" || now.Err != nil {
		t.Fatalf("%+v, %v", now, err)
	}
	if len(p.Notes) != 1 || p.Notes[0].Message != "/etc/pve/datacenter.cfg: foo=1 of migration goes: Proxmox VE leaves out a line with it" {
		t.Errorf("%v", p.Notes)
	}
}

func TestMigrationIsRefused(t *testing.T) {
	spec := cluster.MigrationSpec{Network: "10.0.2.0/24"}
	tests := []struct {
		name string
		with func(*cluster.View)
		want []string
	}{
		{"where nodes have no address in the network, or several", func(v *cluster.View) {
			v.Nodes[0].Facts.Addrs = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}
			v.Nodes[1].Facts.Addrs = append(v.Nodes[1].Facts.Addrs, netip.MustParsePrefix("10.0.2.99/24"))
		}, []string{"address n1", "address n2"}},
		{"without quorum", func(v *cluster.View) {
			for _, n := range v.Nodes {
				n.Facts.PVE.Writable = false
			}
		}, []string{"pmxcfs "}},
		{"on another cluster", func(v *cluster.View) {
			for _, n := range v.Nodes {
				n.Facts.PVE = nil
			}
		}, []string{"layout "}},
		{"while an operation is open, or without root", func(v *cluster.View) {
			v.Nodes[1].Facts.UID = 1000
			v.Nodes[2].Facts.Holder = &cluster.Holder{}
		}, []string{"not-root n2", "held n3"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := virtual(t, 3, 3).view(t)
			tt.with(v)
			_, _, err := cluster.PlanMigration(spec, v)
			var got []string
			for _, p := range cluster.ProblemsOf(err) {
				got = append(got, string(p.Code)+" "+p.Node)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// A network that is there already counts like one that is given now, if only since it
// has a type.
func TestMigrationNetworkThatIsThereIsChecked(t *testing.T) {
	for _, text := range []string{"migration: network=10.9.0.0/16\n", "migration: secure,network=10.9.0.0/16\n"} {
		w := virtual(t, 3, 3)
		w.Machine("n1").SetShared("datacenter.cfg", text)
		_, _, err := cluster.PlanMigration(cluster.MigrationSpec{Type: "insecure"}, w.view(t))
		if ps := cluster.ProblemsOf(err); len(ps) != 3 || ps[0].Code != cluster.CodeAddress || !strings.Contains(ps[0].Message, "10.9.0.0/16") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// The remedy is a command that can be run.
func TestMigrationThatIsLeftOutIsMended(t *testing.T) {
	for text, want := range map[string]string{
		"migration: network=10.1.2.0/24\n":          "clusterctl pve migration set --type secure --network 10.1.2.0/24",
		"migration: plain\nmigration_unsecure: 1\n": "clusterctl pve migration set --type insecure",
	} {
		w := virtual(t, 3, 3)
		w.Machine("n1").SetShared("datacenter.cfg", text)
		_, ps, err := w.view(t).Migration()
		if err != nil || len(ps) == 0 || ps[0].Remedy != want {
			t.Errorf("%s: %v, %v", text, ps, err)
		}
	}
}

// A node that is away cannot be asked for its address, and is named.
func TestMigrationIsSetWithoutANodeThatIsAway(t *testing.T) {
	w := virtual(t, 3, 3)
	v := w.view(t)
	v.Nodes[2].Facts, v.Nodes[2].Err = nil, errors.New("no route to host")
	for _, s := range []cluster.MigrationSpec{{Network: "10.0.2.0/24"}, {Type: "insecure"}} {
		p, _, err := cluster.PlanMigration(s, v)
		if err != nil || len(p.Steps) != 1 || !slices.ContainsFunc(p.Notes, func(p cluster.Problem) bool { return p.Node == "n3" }) {
			t.Errorf("%v, %v", p, err)
		}
	}
}

func TestMigrationIsNotSetWhenTheFileHasChanged(t *testing.T) {
	w := virtual(t, 3, 3)
	p, _, err := cluster.PlanMigration(cluster.MigrationSpec{Type: "insecure"}, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	w.Machine("n2").SetShared("datacenter.cfg", "keyboard: de\n")
	var undone *cluster.UndoneError
	if err := w.carryOut(t, p); !errors.As(err, &undone) {
		t.Errorf("got %v", err)
	}
	if got := w.Machine("n1").Shared("datacenter.cfg"); got != "keyboard: de\n" {
		t.Errorf("got %q", got)
	}
}
