package corosyncconf_test

import (
	"fmt"
	"strings"
	"testing"

	"clusterctl/corosyncconf"

	"github.com/google/go-cmp/cmp"
)

// merged has what corosync merges, by the rules of coroparse.c.
const merged = `totem {
	token: 1
	interface {
		mcastport: 1
		linknumber: 1
		mcastport: 2
	}
	interface {
		ttl: 3
	}
	token: 2
}
totem {
	consensus: 4
	interface {
		linknumber: 1
		ttl: 5
	}
}
nodelist {
	node {
		nodeid: 1
		name: one
	}
	node {
		nodeid: 2
		ring0_addr: fd00::2
	}
}
nodelist {
	node {
		name: uno
	}
}
logging {
	debug: off
	logger_subsys {
		debug: on
		subsys: A
		debug: trace
		subsys: QUORUM
	}
	logging_daemon {
		name: corosync
		debug: on
		debug: off
	}
	logger_subsys {
		subsys: QUORUM
		to_syslog: no
		subsys: QUORUM
	}
	logging_daemon {
		name: corosync
		subsys: QUORUM
		to_syslog: yes
	}
	logging_daemon {
		name: qdevice
		debug: on
	}
}
uidgid {
	uid: a
	uid: b
}
uidgid {
	uid: c
}
nodelist.node {
	nodeid: 7
}
`

func TestGet(t *testing.T) {
	tests := []struct{ path, want string }{
		{"totem.token", "11 totem.token: 2"},
		{"totem.consensus", "14 totem.consensus: 4"},
		{"totem.version", ""},
		{"totem.interface[1].mcastport", "6 totem.interface[1].mcastport: 2"},
		{"totem.interface[1].ttl", "17 totem.interface[1].ttl: 5"},
		{"totem.interface[0].ttl", "9 totem.interface[0].ttl: 3"},
		{"totem.interface[2].ttl", ""},
		{"totem.interface.ttl", "which one? It could be totem.interface[1].ttl or totem.interface[0].ttl"},
		{"totem.interface[1]", "6 totem.interface[1].mcastport: 2\n16 totem.interface[1].linknumber: 1\n17 totem.interface[1].ttl: 5"},
		{"nodelist.node[1].name", "32 nodelist.node[uno].name: uno"},
		{"nodelist.node[uno].nodeid", "22 nodelist.node[uno].nodeid: 1"},
		{"nodelist.node[fd00::2].nodeid", "71 nodelist.node[7].nodeid: 7"}, // the third list goes on where the second ended
		{"nodelist.node[7]", "27 nodelist.node[7].ring0_addr: fd00::2\n71 nodelist.node[7].nodeid: 7"},
		{"nodelist.node[unno].nodeid", "no node unno in the nodelist: did you mean uno?"},
		{"nodelist.node[one].nodeid", "no node one in the nodelist: it has uno and 7"},
		{"nodelist.node.nodeid", "which one? It could be nodelist.node[uno].nodeid or nodelist.node[7].nodeid"},
		{"logging.debug", "45 logging.debug: on"},
		{"logging.name", ""},
		{"logging.logger_subsys[QUORUM].debug", "38 logging.logger_subsys[QUORUM].debug: on"},
		{"logging.logger_subsys[QUORUM].to_syslog", "56 logging.logger_subsys[QUORUM].to_syslog: yes"},
		{"logging.logger_subsys.debug", "38 logging.logger_subsys[QUORUM].debug: on"},
		{"logging.logger_subsys[CPG].debug", ""},
		{"logging.logging_daemon[qdevice].debug", "60 logging.logging_daemon[qdevice].debug: on"},
		{"uidgid.uid", "64 uidgid.uid: a\n65 uidgid.uid: b\n68 uidgid.uid: c"},
		{"system", ""},
		{"no.such", ""},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, settingsText(parse(t, merged).Get(path(t, tt.path)))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func settingsText(all []corosyncconf.Setting, err error) string {
	if err != nil {
		return err.Error()
	}
	var lines []string
	for _, s := range all {
		lines = append(lines, fmt.Sprintf("%d %s: %s", s.Line, s.Path, s.Value))
	}
	return strings.Join(lines, "\n")
}

func TestGetOfNodesThatAreHardToTellApart(t *testing.T) {
	const twice = "nodelist {\nnode {\nname: a\nnodeid: 1\n}\nnode {\nname: a\nnodeid: 2\n}\nnode {\nname: 2\nnodeid: 9\n}\nnode {\nx: y\n}\n}\n"
	tests := []struct{ path, want string }{
		{"nodelist.node[a].name", "which one? It could be nodelist.node[1].name or nodelist.node[a].name"},
		{"nodelist.node[2].name", "which one? It could be nodelist.node[a].name or nodelist.node[9].name"},
		{"nodelist.node[1].name", "3 nodelist.node[1].name: a"},
		{"nodelist.node[9].name", "11 nodelist.node[9].name: 2"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			if got := settingsText(parse(t, twice).Get(path(t, tt.path))); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	many := "nodelist {\n" + strings.Repeat("node {\nname: n\n}\n", 9) + "}\n"
	want := "no node x in the nodelist: it has n, n, n, n, n, n and 3 more"
	if got := settingsText(parse(t, many).Get(path(t, "nodelist.node[x].name"))); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := settingsText(parse(t, "").Get(path(t, "nodelist.node[x].name"))); got != "no node x in the nodelist: it is empty" {
		t.Errorf("got %s", got)
	}
}

func TestGetReadsWhatTheTableDoesNotKnow(t *testing.T) {
	const text = "key: 1\nfoo {\n\tbar: 2\n\tbaz {\n\t\tqux: 3\n\t}\n}\n"
	for p, want := range map[string]string{
		"key":     "1 key: 1",
		"foo":     "3 foo.bar: 2\n5 foo.baz.qux: 3",
		"foo.bar": "3 foo.bar: 2",
		"foo.baz": "5 foo.baz.qux: 3",
	} {
		if got := settingsText(parse(t, text).Get(path(t, p))); got != want {
			t.Errorf("%s: %s", p, got)
		}
	}
}

// TestSettingsAgreeWithConfig reads by their paths what Config has.
func TestSettingsAgreeWithConfig(t *testing.T) {
	files := fixtures(t)
	files["merged"] = []byte(merged)
	for name, data := range files {
		t.Run(name, func(t *testing.T) {
			f := parse(t, string(data))
			r := corosyncconf.V31
			if strings.HasPrefix(name, "2.4") {
				r = corosyncconf.V24
			}
			c := f.ConfigIn(r)
			for _, n := range c.Nodes {
				node := fmt.Sprintf("nodelist.node[%d]", n.ID)
				want := map[string]string{"nodeid": fmt.Sprint(n.ID)}
				if n.Name != "" {
					want["name"] = n.Name
				}
				for link, addr := range n.Addrs {
					want[fmt.Sprintf("ring%d_addr", link)] = addr
				}
				got := map[string]string{}
				all, err := f.Get(path(t, node))
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range all {
					if s.Key != "quorum_votes" {
						got[s.Key] = s.Value
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-Config +Get):\n%s", node, diff)
				}
			}
			for _, i := range c.Interfaces {
				all, err := f.Get(path(t, fmt.Sprintf("totem.interface[%d].mcastport", i.Number)))
				if err != nil || len(all) > 1 || len(all) == 1 && all[0].Value != fmt.Sprint(i.Port) || len(all) == 0 && i.Port != 0 {
					t.Errorf("link %d: port %d, but %s", i.Number, i.Port, settingsText(all, err))
				}
			}
		})
	}
}

// TestSettingsAreUnderTheirPaths reads each setting again by its own path.
func TestSettingsAreUnderTheirPaths(t *testing.T) {
	files := fixtures(t)
	files["merged"] = []byte(merged)
	for name, data := range files {
		f := parse(t, string(data))
		for _, s := range f.Settings() {
			again, err := corosyncconf.ParsePath(s.Path.String())
			if err != nil || again != s.Path {
				t.Errorf("%s: %s is read as %s: %v", name, s.Path, again, err)
			}
			found, err := f.Get(s.Path)
			if err != nil || s.Path.String() != "uidgid.uid" && (len(found) != 1 || found[0] != s) {
				t.Errorf("%s: %s leads to %v: %v", name, s.Path, found, err)
			}
		}
	}
}
