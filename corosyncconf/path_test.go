package corosyncconf_test

import (
	"strings"
	"testing"

	"clusterctl/corosyncconf"
)

func TestParsePathReadsWhatStringPrints(t *testing.T) {
	for _, text := range []string{
		"totem.token",
		"totem",
		"quorum.device.net.host",
		"quorum.device",
		"totem.interface",
		"totem.interface[1]",
		"totem.interface[1].knet_link_priority",
		"totem.interface.mcastport",
		"totem.interface[0].member.memberaddr",
		"nodelist.node[n2].ring1_addr",
		"nodelist.node[2]",
		"nodelist.node[db1.example.com].nodeid",
		"nodelist.node[fd00::1].nodeid",
		"logging.logger_subsys[QUORUM].debug",
		"logging.logging_daemon[qdevice.NET].debug",
		"quorum.device.heuristics.exec_ping",
		"resources.system.load_15min.max",
		"key",
		"no.such.section",
	} {
		p, err := corosyncconf.ParsePath(text)
		if err != nil {
			t.Error(err)
		} else if p.String() != text {
			t.Errorf("%s became %s", text, p)
		}
	}
}

func TestParsePathRefuses(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", `"" is no path in corosync.conf: write SECTION.KEY with names of letters, digits and _ / : -, as in totem.token`},
		{"totem..token", `"totem..token" is no path in corosync.conf: write SECTION.KEY with names of letters, digits and _ / : -, as in totem.token`},
		{"totem.token: 1", `"totem.token: 1" is no path in corosync.conf: write SECTION.KEY with names of letters, digits and _ / : -, as in totem.token`},
		{"totem.t\x00", `"totem.t\x00" is no path in corosync.conf: write SECTION.KEY with names of letters, digits and _ / : -, as in totem.token`},
		{"nodelist.node[n1", `"nodelist.node[n1" is no path in corosync.conf: write SECTION[WHICH].KEY, as in nodelist.node[n2].ring0_addr`},
		{"nodelist.node[].name", `"nodelist.node[].name" is no path in corosync.conf: write SECTION[WHICH].KEY, as in nodelist.node[n2].ring0_addr`},
		{"nodelist.node[n1]name", `"nodelist.node[n1]name" is no path in corosync.conf: write SECTION[WHICH].KEY, as in nodelist.node[n2].ring0_addr`},
		{"totem[0].token", `"totem[0].token" is no path in corosync.conf: there is but one section totem: leave out [0]`},
		{"totem.interface[x].mcastport", `"totem.interface[x].mcastport" is no path in corosync.conf: "x" is not the number of a link`},
		{"totem.interface[01].mcastport", `"totem.interface[01].mcastport" is no path in corosync.conf: "01" is not the number of a link`},
		{"totem.interface[1].mcastport[2]", `"totem.interface[1].mcastport[2]" is no path in corosync.conf: write SECTION.KEY with names of letters, digits and _ / : -, as in totem.token`},
		{"totem.interface.1.mcastport", `"totem.interface.1.mcastport" is no path in corosync.conf: a section is chosen in brackets, by the number of the link: totem.interface[1].mcastport`},
		{"nodelist.node.0.ring0_addr", `"nodelist.node.0.ring0_addr" is no path in corosync.conf: a section is chosen in brackets, by the name or id of the node: nodelist.node[NAME].ring0_addr`},
		{"logging.logger_subsys.QUORUM.debug", `"logging.logger_subsys.QUORUM.debug" is no path in corosync.conf: a section is chosen in brackets, by its subsys: logging.logger_subsys[QUORUM].debug`},
	}
	for _, tt := range tests {
		if p, err := corosyncconf.ParsePath(tt.text); err == nil {
			t.Errorf("%s became %s", tt.text, p)
		} else if err.Error() != tt.want {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
	}
}

// TestPathsOfAllKeys fails if a path of the table cannot be written.
func TestPathsOfAllKeys(t *testing.T) {
	for _, k := range corosyncconf.Keys() {
		p, err := corosyncconf.ParsePath(k.Section + "." + k.Name)
		if k.Name == "ring*_addr" || k.Name == "exec_*" {
			continue // a star is no key
		}
		if err != nil {
			t.Error(err)
		} else if got, ok := p.Key(); !ok || got.Name != k.Name || got.Section != k.Section {
			t.Errorf("%s leads to %q in %q", p, got.Name, got.Section)
		}
	}
}

func path(t testing.TB, text string) corosyncconf.KeyPath {
	t.Helper()
	p, err := corosyncconf.ParsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCheckOfValues(t *testing.T) {
	tests := []struct{ path, value, want string }{
		{"totem.token", "5000", ""},
		{"totem.token", "29", `totem.token takes a number from 30 to 4294967295 (ms), not "29"`},
		{"totem.token", "five", `totem.token takes a number from 30 to 4294967295 (ms), not "five"`},
		{"totem.transport", "udp", ""},
		{"totem.transport", "tcp", `totem.transport takes knet, udpu or udp, not "tcp"`},
		{"totem.interface[1].knet_link_priority", "256", `totem.interface[1].knet_link_priority takes a number from 0 to 255, not "256"`},
		{"totem.interface[9].knet_link_priority", "1", "the number of a link is a number from 0 to 7, not 9"},
		{"nodelist.node[n1].ring7_addr", "10.0.0.1", ""},
		{"logging.logger_subsys[QUORUM].debug", "trace", ""},
		{"quorum.device.heuristics.exec_ping", "/bin/ping -c1 10.0.0.1", ""},
		{"totem.tokne", "1", "totem.tokne is not one of corosync's keys: did you mean totem.token?"},
		{"totme.token", "1", "totme.token is not one of corosync's keys: did you mean totem.token?"},
		{"quorum.token", "1", "quorum.token is not one of corosync's keys: did you mean totem.token?"},
		{"nodelist.node[n1].ring0addr", "a", "nodelist.node[n1].ring0addr is not one of corosync's keys: did you mean nodelist.node[n1].ring0_addr?"},
		{"nodelist.nodeid", "a", "nodelist.nodeid is not one of corosync's keys: did you mean nodelist.node[...].nodeid?"},
		{"totem.linknumber", "1", "totem.linknumber is not one of corosync's keys: did you mean totem.interface[...].linknumber?"},
		{"totem.warp_drive", "1", "totem.warp_drive is not one of corosync's keys"},
		{"warp", "1", "warp is not one of corosync's keys"},
		{"totem", "1", "totem is a section: name a key in it"},
	}
	for _, tt := range tests {
		got := ""
		if err := path(t, tt.path).Check(tt.value, corosyncconf.V31); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %s\n got  %s\n want %s", tt.path, tt.value, got, tt.want)
		}
	}
}

// TestPathsSayWhatIsMeant where they are not quite right.
func TestPathsSayWhatIsMeant(t *testing.T) {
	for text, want := range map[string]string{
		"interface[1].mcastport":     "did you mean totem.interface[1].mcastport?",
		"node[n2].ring1_addr":        "did you mean nodelist.node[n2].ring1_addr?",
		"nodelist.node[n2].ring1":    "did you mean nodelist.node[n2].ring1_addr?",
		"nodelist.node[n2].link1":    "did you mean nodelist.node[n2].ring1_addr?",
		"nodelist.node[n2].rin1_adr": "did you mean nodelist.node[n2].ring1_addr?",
		"nodelist.node[n4].nodeid":   "set its name first: nodelist.node[n4].name n4",
	} {
		p, err := corosyncconf.ParsePath(text)
		if err == nil {
			err = p.Check("4", corosyncconf.V31)
		}
		if err == nil {
			f, _ := corosyncconf.Parse("", []byte("nodelist {\n\tnode {\n\t\tname: n1\n\t}\n}\n"))
			err = f.Set(p, "4")
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
