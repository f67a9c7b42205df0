package corosyncconf_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clusterctl/corosyncconf"

	"github.com/google/go-cmp/cmp"
)

// change is a set of a path to a value, or its removal.
type change struct {
	path, value string
	unset       bool
}

func set(path, value string) change { return change{path: path, value: value} }
func unset(path string) change      { return change{path: path, unset: true} }

func (c change) String() string {
	if c.unset {
		return "unset " + c.path
	}
	return fmt.Sprintf("set %s %q", c.path, c.value)
}

func (c change) apply(t testing.TB, f *file) error {
	if !c.unset {
		return f.Set(path(t, c.path), c.value)
	}
	_, err := f.Unset(path(t, c.path))
	return err
}

// changes are carried out on every fixture, each on the file as it is.
var changes = []change{
	set("totem.token", "7000"),
	set("totem.token_retransmits_before_loss_const", "6"),
	set("totem.crypto_cipher", "aes128"),
	set("totem.crypto_hash", "sha512"),
	set("totem.ip_version", "ipv4-6"),
	set("totem.cluster_name", ""),
	set("totem.interface[0].mcastport", "5555"),
	set("totem.interface[1].mcastport", "5556"),
	set("totem.interface[1].knet_link_priority", "7"),
	set("totem.interface[7].knet_transport", "udp"),
	set("nodelist.node[1].quorum_votes", "3"),
	set("nodelist.node[2].ring1_addr", "10.9.9.2"),
	set("nodelist.node[1].ring0_addr", "10.9.9.1"),
	set("nodelist.node[new].name", "new"),
	set("nodelist.node[99].nodeid", "99"),
	set("quorum.two_node", "1"),
	set("quorum.provider", "corosync_ykd"),
	set("quorum.device.votes", "0"),
	set("quorum.device.net.host", "10.9.9.9"),
	set("quorum.device.heuristics.exec_gateway", "/bin/ping -c 1 10.9.9.254"),
	set("logging.debug", "on"),
	set("logging.timestamp", "off"),
	set("logging.logger_subsys[QUORUM].debug", "trace"),
	set("logging.logger_subsys[TOTEM].debug", "on"),
	set("logging.logging_daemon[qdevice.NET].debug", "on"),
	set("system.sched_rr", "no"),
	set("resources.system.memory_used.recovery", "reboot"),
	set("unheard.of", "yes"),
	unset("totem.version"),
	unset("totem.token"),
	unset("totem.cluster_name"),
	unset("totem.config_version"),
	unset("totem.crypto_cipher"),
	unset("totem.crypto_hash"),
	unset("totem.interface[0]"),
	unset("totem.interface[1]"),
	unset("totem.interface[1].mcastport"),
	unset("totem.interface[1].knet_link_priority"),
	unset("nodelist.node[1]"),
	unset("nodelist.node[2]"),
	unset("nodelist.node[2].ring1_addr"),
	unset("nodelist.node[1].name"),
	unset("nodelist"),
	unset("quorum.provider"),
	unset("quorum.two_node"),
	unset("quorum.device"),
	unset("quorum.device.heuristics"),
	unset("quorum.device.net.tls"),
	unset("logging.to_stderr"),
	unset("logging.to_logfile"),
	unset("logging.logfile"),
	unset("logging.debug"),
	unset("logging.logger_subsys[QUORUM]"),
	unset("logging"),
}

// TestChangesTouchOnlyTheirLines holds each change on each fixture against what
// it may do: one line is replaced by one that differs in its value; or lines are
// added in one place; or lines of the key or the section are removed, and with
// them comments and blank lines. Of some fixtures testdata/set has the diffs.
func TestChangesTouchOnlyTheirLines(t *testing.T) {
	files := fixtures(t)
	files["merged.conf"] = []byte(merged)
	for name, data := range files {
		t.Run(name, func(t *testing.T) {
			var diffs strings.Builder
			for _, c := range changes {
				f := parse(t, string(data))
				before, _ := f.Get(path(t, c.path))
				if err := c.apply(t, f); err != nil {
					if !bytes.Equal(f.Bytes(), data) {
						t.Errorf("%s: failed, and changed the file", c)
					}
					fmt.Fprintf(&diffs, "%s\nerror: %v\n\n", c, err)
					continue
				}
				if _, err := corosyncconf.Parse(name, f.Bytes()); err != nil {
					t.Errorf("%s: %v", c, err)
				}
				checkReadBack(t, f, c)
				checkTouched(t, data, f.Bytes(), before, c)
				diff := corosyncconf.UnifiedDiff("old", "new", data, f.Bytes())
				if _, hunks, ok := strings.Cut(diff, "+++ new\n"); ok {
					fmt.Fprintf(&diffs, "%s\n%s\n", c, hunks)
				}
			}
			golden := filepath.Join("testdata", "set", strings.TrimSuffix(name, ".conf")+".golden")
			if _, err := os.Stat(golden); err == nil {
				compareGolden(t, golden, diffs.String())
			}
		})
	}
}

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// checkReadBack reads what was set in the edited file, and in what it is
// written as.
func checkReadBack(t testing.TB, f *file, c change) {
	t.Helper()
	again, _ := corosyncconf.Parse("", f.Bytes())
	if diff := cmp.Diff(again.Config(), f.Config()); diff != "" {
		t.Errorf("%s: read back, the file differs (-read +edited):\n%s", c, diff)
	}
	for _, f := range []*file{f, again} {
		found, err := f.Get(path(t, c.path))
		switch {
		case !c.unset && (err != nil || len(found) != 1 || found[0].Value != c.value):
			t.Errorf("%s: reads %s", c, settingsText(found, err))
		case c.unset && len(found) > 0:
			t.Errorf("%s: there is still %s", c, settingsText(found, err))
		}
	}
}

func checkTouched(t testing.TB, old, new []byte, before []corosyncconf.Setting, c change) {
	t.Helper()
	hunks := hunksOf(old, new)
	name := c.path[strings.LastIndexByte(c.path, '.')+1:]
	name, _, _ = strings.Cut(name, "[")
	_, isKey := path(t, c.path).Key()
	own := func(line string) bool { // of the key, or the opening line of the section
		line = strings.TrimSpace(line)
		return strings.TrimSpace(strings.TrimRight(line, "{")) == name || strings.TrimSpace(strings.Split(line, ":")[0]) == name
	}
	for _, h := range hunks {
		switch {
		case c.unset && isKey:
			for _, line := range h.gone {
				if text := strings.TrimSpace(line); text != "" && text[0] != '#' && !own(line) {
					t.Errorf("%s: removes %q", c, line)
				}
			}
		case c.unset:
			if all := strings.Join(h.gone, ""); strings.Count(all, "{") != strings.Count(all, "}") {
				t.Errorf("%s: removes half of a section: %q", c, h.gone)
			}
		case len(h.gone) == 0:
			if len(hunks) > 1 || !slices.ContainsFunc(h.come, own) {
				t.Errorf("%s: adds %q", c, h.come)
			}
			continue
		default:
			line, value := h.gone[0], before[0].Value
			at := strings.LastIndex(line, value)
			want := line[:at] + c.value + line[at+len(value):]
			if c.value == "" {
				want = strings.TrimRight(line[:at], " \t") + line[at+len(value):]
			}
			if len(hunks) > 1 || len(h.gone) > 1 || len(h.come) > 1 || h.come[0] != want {
				t.Errorf("%s: makes %q of %q", c, h.come, h.gone)
			}
			continue
		}
		if len(h.come) > 0 || !slices.ContainsFunc(h.gone, own) {
			t.Errorf("%s: removes %q and adds %q", c, h.gone, h.come)
		}
	}
}

type hunk struct{ gone, come []string }

// hunksOf returns the runs of lines in which b differs from a.
func hunksOf(a, b []byte) []hunk {
	var all []hunk
	same := true
	for line := range strings.Lines(corosyncconf.UnifiedDiff("", "", a, b)) {
		switch {
		case strings.HasPrefix(line, "--- ") || strings.HasPrefix(line, "+++ ") || line[0] == '\\':
			continue
		case line[0] != '-' && line[0] != '+':
			same = true
			continue
		case same:
			all = append(all, hunk{})
			same = false
		}
		h := &all[len(all)-1]
		if line[0] == '-' {
			h.gone = append(h.gone, line[1:])
		} else {
			h.come = append(h.come, line[1:])
		}
	}
	return all
}

func TestSetPutsNewSectionsBesideTheirKin(t *testing.T) {
	tests := []struct {
		name, in string
		change   change
		want     string
	}{
		{"a link in a file of links",
			"totem {\n  interface {\n    linknumber: 0\n  }\n}\n", set("totem.interface[1].mcastport", "5"),
			"totem {\n  interface {\n    linknumber: 0\n  }\n  interface {\n    linknumber: 1\n    mcastport: 5\n  }\n}\n"},
		{"a ring in a file of rings",
			"totem {\n  interface {\n    ringnumber: 0\n  }\n}\n", set("totem.interface[1].mcastport", "5"),
			"totem {\n  interface {\n    ringnumber: 0\n  }\n  interface {\n    ringnumber: 1\n    mcastport: 5\n  }\n}\n"},
		{"a link beside the last of its kin, in whichever totem",
			"totem {\n}\ntotem {\n  interface {\n  }\n}\ntotem {\n}\n", set("totem.interface[1].mcastport", "5"),
			"totem {\n}\ntotem {\n  interface {\n  }\n  interface {\n    linknumber: 1\n    mcastport: 5\n  }\n}\ntotem {\n}\n"},
		{"sections in sections",
			"", set("quorum.device.net.host", "q"),
			"quorum {\n    device {\n        net {\n            host: q\n        }\n    }\n}\n"},
		{"a section of several in a missing one",
			"", set("logging.logger_subsys[TOTEM].debug", "on"),
			"logging {\n    logger_subsys {\n        subsys: TOTEM\n        debug: on\n    }\n}\n"},
		{"a section in one of several",
			"totem {\n interface {\n  linknumber: 0\n }\n interface {\n  linknumber: 1\n }\n}\n", set("totem.interface[1].member.memberaddr", "a"),
			"totem {\n interface {\n  linknumber: 0\n }\n interface {\n  linknumber: 1\n  member {\n   memberaddr: a\n  }\n }\n}\n"},
		{"a node that is named", "nodelist {\n node {\n  name: a\n }\n}\n", set("nodelist.node[b].name", "b"),
			"nodelist {\n node {\n  name: a\n }\n node {\n  name: b\n }\n}\n"},
		{"the first node", "", set("nodelist.node[3].nodeid", "3"),
			"nodelist {\n    node {\n        nodeid: 3\n    }\n}\n"},
		{"a node in a list of dotted sections", "nodelist.node {\n x: y\n}\n", set("nodelist.node[3].nodeid", "3"),
			"nodelist.node {\n x: y\n}\n\nnodelist.node {\n nodeid: 3\n}\n"},
		{"a lower link above a higher one and its comment",
			"nodelist {\n node {\n  name: a\n  # the second network\n  ring1_addr: b\n }\n}\n", set("nodelist.node[a].ring0_addr", "c"),
			"nodelist {\n node {\n  name: a\n  ring0_addr: c\n  # the second network\n  ring1_addr: b\n }\n}\n"},
		{"another number for a link", "totem {\n interface {\n  linknumber: 1\n }\n}\n", set("totem.interface[1].linknumber", "2"),
			"totem {\n interface {\n  linknumber: 2\n }\n}\n"},
		{"a linknumber beside the ringnumber", "totem {\n interface {\n  ringnumber: 1\n }\n}\n", set("totem.interface[1].linknumber", "1"),
			"totem {\n interface {\n  ringnumber: 1\n  linknumber: 1\n }\n}\n"},
		{"the section of several that is the only one", "totem {\n interface {\n  linknumber: 3\n }\n}\n", set("totem.interface.ttl", "1"),
			"totem {\n interface {\n  linknumber: 3\n  ttl: 1\n }\n}\n"},
		{"one user instead of another", "uidgid {\n uid: a\n}\n", set("uidgid.uid", "b"), "uidgid {\n uid: b\n}\n"},
		{"a value that does not parse", "totem {\n token: soon\n}\n", set("totem.token", "5000"), "totem {\n token: 5000\n}\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := corosyncconf.Parse("", []byte(tt.in))
			if err := tt.change.apply(t, f); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(f.Bytes())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSetByPathRefuses(t *testing.T) {
	const links = "totem {\n interface {\n  linknumber: 0\n }\n interface {\n  linknumber: 1\n }\n interface {\n  linknumber: 1\n }\n}\n"
	tests := []struct {
		name, in string
		change   change
		want     string
	}{
		{"a section", "", set("totem", "1"), "set totem: it is a section, and only keys have values"},
		{"a node that is not there", "nodelist {\n node {\n  name: n1\n }\n}\n", set("nodelist.node[n3].nodeid", "1"),
			"set nodelist.node[n3].nodeid: no node n3 in the nodelist: it has n1; to add it, set its name first: nodelist.node[n3].name n3"},
		{"a node by another name than is given to it", "", set("nodelist.node[a].name", "b"),
			"set nodelist.node[a].name: no node a in the nodelist: it is empty"},
		{"one of several", links, set("totem.interface.ttl", "1"),
			"set totem.interface.ttl: which one? It could be totem.interface[0].ttl or totem.interface[1].ttl"},
		{"one of none", "", set("totem.interface.ttl", "1"),
			"set totem.interface.ttl: which one? There is none yet: name it in brackets, by the number of the link"},
		{"a number that is taken", strings.Replace(links, "1\n", "2\n", 1), set("totem.interface[1].linknumber", "2"),
			"set totem.interface[1].linknumber: it would become one with another section"},
		{"a new number for one of two sections", links, set("totem.interface[1].linknumber", "2"),
			"set totem.interface[1].linknumber: it stands in 2 sections, the first on line 5, the last on line 8: make one of them first"},
		{"a number for a section that is not there", "", set("totem.interface[1].linknumber", "2"),
			"set totem.interface[1].linknumber: there is no totem.interface[1]"},
		{"a second user", "uidgid {\n uid: a\n uid: b\n}\n", set("uidgid.uid", "c"),
			"set uidgid.uid: it is there 2 times, and every line counts"},
		{"what the parser refuses", "", set("totem.token", "soon"),
			`set totem.token: value of key "totem.token" is expected to be integer in range (0..4294967295), but "soon" was given`},
		{"what cannot be written in a section that is to be made", "", set("logging.logger_subsys[A B].debug", "on"),
			`set logging.logger_subsys[A B].debug: can't store key "logging.logger_subsys.A B.subsys": its full name must have at least 3 characters, and only letters, digits and . _ / : -`},
		{"a section in a file without end", "totem {\n", set("quorum.device.votes", "1"),
			"set quorum.device.votes: a section cannot be added: the file lacks a closing brace, or its lines are too long"},
		{"removing the number of a link", links, unset("totem.interface[1].linknumber"),
			"remove totem.interface[1].linknumber: without it the section is another one: remove totem.interface[1] as a whole"},
		{"removing one of several", links, unset("totem.interface"),
			"remove totem.interface: which one? It could be totem.interface[0] or totem.interface[1]"},
		{"removing a node that is not there", "", unset("nodelist.node[x]"), "remove nodelist.node[x]: no node x in the nodelist: it is empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := corosyncconf.Parse("", []byte(tt.in))
			if err := tt.change.apply(t, f); err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if got := string(f.Bytes()); got != tt.in {
				t.Errorf("the file has changed: %q", got)
			}
		})
	}
}

func TestUnsetTakesTheCommentsOfAKey(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"a comment of its own", "totem {\n # c\n token: 1\n\n x: y\n}\n", "totem {\n x: y\n}\n"},
		{"after another key", "totem {\n x: y\n # c\n token: 1\n}\n", "totem {\n x: y\n}\n"},
		{"the blank line that set it off", "totem {\n x: y\n\n # c\n token: 1\n\n z: z\n}\n", "totem {\n x: y\n\n z: z\n}\n"},
		{"no comment that another key follows", "totem {\n # c\n token: 1\n x: y\n}\n", "totem {\n # c\n x: y\n}\n"},
		{"no comment apart from it", "totem {\n # c\n\n token: 1\n\n x: y\n}\n", "totem {\n # c\n\n x: y\n}\n"},
		{"no comment in a section that has no other key", "totem {\n # c\n token: 1\n\n}\n", "totem {\n # c\n\n}\n"},
		{"no setting that is commented out", "totem {\n x: y\n # c\n # consensus: 1\n # own\n token: 1\n}\n", "totem {\n x: y\n # c\n # consensus: 1\n}\n"},
		{"every line for the key", "totem {\n x: y\n token: 1\n interface {\n }\n # c\n token: 2\n}\ntotem {\n token: 3\n}\n", "totem {\n x: y\n interface {\n }\n}\ntotem {\n}\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := parse(t, tt.in)
			if found, err := f.Unset(path(t, "totem.token")); err != nil || !found {
				t.Fatal(found, err)
			}
			if diff := cmp.Diff(tt.want, string(f.Bytes())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if found, err := f.Unset(path(t, "totem.token")); err != nil || found {
				t.Error("removed twice", err)
			}
		})
	}
}

func TestBumpVersion(t *testing.T) {
	tests := []struct{ in, want string }{
		{"totem {\n config_version: 41\n}\n", "totem {\n config_version: 42\n}\n"},
		{"totem {\n}\n", "totem {\n}\n"},
		{"totem {\n config_version: 0\n}\n", "totem {\n config_version: 0\n}\n"},
	}
	for _, tt := range tests {
		f := parse(t, tt.in)
		if err := f.BumpVersion(); err != nil || string(f.Bytes()) != tt.want {
			t.Errorf("%q: got %q, %v", tt.in, f.Bytes(), err)
		}
	}
	f := parse(t, "totem {\n config_version: 18446744073709551615\n}\n")
	if err := f.BumpVersion(); err == nil {
		t.Errorf("the highest version became %d", f.ConfigVersion())
	}
}

// FuzzSetByPath sets a key of any file, which changes one line or adds some in
// one place, and removes it again.
func FuzzSetByPath(f *testing.F) {
	files := fixtures(f)
	files["merged"] = []byte(merged)
	for _, data := range files {
		for _, c := range changes {
			f.Add(data, c.path, c.value)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, where, value string) {
		p, err := corosyncconf.ParsePath(where)
		if err != nil {
			return
		}
		if again, err := corosyncconf.ParsePath(p.String()); err != nil || again != p {
			t.Fatalf("%q is printed as %q and read as %q: %v", where, p, again, err)
		}
		file, parseErr := corosyncconf.Parse("fuzz", data)
		file.Settings()
		before, getErr := file.Get(p)
		if len(before) > 0 && strings.HasPrefix(before[0].Path.String(), p.String()+".") {
			return // a section, which Set takes for a key that is not there
		}
		sections := bytes.Count(data, []byte("{"))
		if err := file.Set(p, value); err != nil {
			if !bytes.Equal(file.Bytes(), data) {
				t.Fatalf("failed (%v) and changed the file to %q", err, file.Bytes())
			}
			if _, err := file.Unset(p); err != nil && !bytes.Equal(file.Bytes(), data) {
				t.Fatalf("removal failed (%v) and changed the file to %q", err, file.Bytes())
			}
			return
		}
		edited := file.Bytes()
		if old, new := bytes.Count(data, []byte("\n")), bytes.Count(edited, []byte("\n")); !oneplace(data, edited) || len(before) > 0 && old != new {
			t.Fatalf("more than one place has changed, to %q", edited)
		}
		if parseErr != nil {
			return // its structure may be anything
		}
		again, err := corosyncconf.Parse("fuzz", edited)
		if err != nil {
			t.Fatalf("%v\nin %q", err, edited)
		}
		if diff := cmp.Diff(again.Config(), file.Config()); diff != "" {
			t.Fatalf("read back, the file differs (-read +edited):\n%s", diff)
		}
		renamed := getErr == nil && strings.HasPrefix(where, "nodelist.node[") || strings.HasPrefix(where, "totem.interface") || strings.HasPrefix(where, "logging.")
		if found, err := again.Get(p); !renamed && (err != nil || len(found) != 1 || found[0].Value != value) {
			t.Fatalf("set to %q, got %s\nin %q", value, settingsText(found, err), edited)
		}
		added := len(before) == 0 && bytes.Count(edited, []byte("{")) == sections
		if found, err := file.Unset(p); added && !renamed && (err != nil || !found || !bytes.Equal(file.Bytes(), data)) {
			t.Fatalf("removed again: %v, %v, %q", found, err, file.Bytes())
		}
	})
}

// oneplace reports whether b differs from a in one run of lines, of which a has
// no more than one.
func oneplace(a, b []byte) bool {
	x, y := bytes.SplitAfter(a, []byte("\n")), bytes.SplitAfter(b, []byte("\n"))
	same := 0
	for same < min(len(x), len(y)) && bytes.Equal(x[same], y[same]) {
		same++
	}
	x, y = x[same:], y[same:]
	for len(x) > 0 && len(y) > 0 && bytes.Equal(x[len(x)-1], y[len(y)-1]) {
		x, y = x[:len(x)-1], y[:len(y)-1]
	}
	return len(x) <= 1
}

// TestEditsAreHeldToTheRelease: 2.4 takes a cipher that 3.1 refuses, and the
// other way round.
func TestEditsAreHeldToTheRelease(t *testing.T) {
	for _, tt := range []struct {
		path, value string
		release     corosyncconf.Release
		ok          bool // to the table of keys, and to the parser
	}{
		{"totem.crypto_cipher", "3des", corosyncconf.V24, true},
		{"totem.crypto_cipher", "3des", corosyncconf.V31, false},
		{"totem.ip_version", "ipv6-4", corosyncconf.V24, false},
		{"totem.ip_version", "ipv6-4", corosyncconf.V30, true},
	} {
		p, err := corosyncconf.ParsePath(tt.path)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Check(tt.value, tt.release); (err == nil) != tt.ok {
			t.Errorf("%s %s of %s: %v", tt.path, tt.value, tt.release, err)
		}
		f, _ := corosyncconf.Parse("", []byte("totem {\n}\n"))
		f.EditFor(tt.release)
		if err := f.Clone().Set(p, tt.value); (err == nil) != tt.ok {
			t.Errorf("set %s to %s with %s: %v", tt.path, tt.value, tt.release, err)
		}
	}
	for value, releases := range map[string][]corosyncconf.Release{"knet": {corosyncconf.V30, corosyncconf.V31}, "iba": {corosyncconf.V24}} {
		for _, r := range corosyncconf.Releases() {
			p, _ := corosyncconf.ParsePath("totem.transport")
			if err := p.Check(value, r); (err == nil) != slices.Contains(releases, r) {
				t.Errorf("transport %s of %s: %v", value, r, err)
			}
		}
	}
}

// TestCommentsThatAreAboutMoreStay where a section is removed.
func TestCommentsThatAreAboutMoreStay(t *testing.T) {
	node := func(n string) string { return "\tnode {\n\t\tname: " + n + "\n\t}\n" }
	tests := map[string]struct{ text, path, want string }{
		"about all nodes":         {"nodelist {\n\t# our nodes, do not reorder\n" + node("n1") + node("n2") + "}\n", "nodelist.node[n1]", "nodelist {\n\t# our nodes, do not reorder\n" + node("n2") + "}\n"},
		"about the second":        {"nodelist {\n" + node("n1") + "\t# rack 2\n" + node("n2") + node("n3") + "}\n", "nodelist.node[n2]", "nodelist {\n" + node("n1") + node("n3") + "}\n"},
		"about each":              {"nodelist {\n\t# rack 1\n" + node("n1") + "\t# rack 2\n" + node("n2") + "}\n", "nodelist.node[n1]", "nodelist {\n\t# rack 2\n" + node("n2") + "}\n"},
		"about the first by name": {"nodelist {\n\t# n1: the old one\n" + node("n1") + node("n2") + "}\n", "nodelist.node[n1]", "nodelist {\n" + node("n2") + "}\n"},
		"about the last":          {"nodelist {\n\t# rack 1\n" + node("n1") + "}\n", "nodelist.node[n1]", "nodelist {\n}\n"},
		"about two links":         {"totem {\n\t# the two links\n\tinterface {\n\t\tlinknumber: 0\n\t}\n\tinterface {\n\t\tlinknumber: 1\n\t}\n}\n", "totem.interface[0]", "totem {\n\t# the two links\n\tinterface {\n\t\tlinknumber: 1\n\t}\n}\n"},
		"about the file":          {"# of cluster a\nlogging {\n}\n\ntotem {\n}\n", "logging", "# of cluster a\n\ntotem {\n}\n"},
	}
	for name, tt := range tests {
		f, _ := corosyncconf.Parse("", []byte(tt.text))
		p, err := corosyncconf.ParsePath(tt.path)
		if err == nil {
			_, err = f.Unset(p)
		}
		if diff := cmp.Diff(tt.want, string(f.Bytes())); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestAKeyGoesBesideItsCommentedOutSelf(t *testing.T) {
	f, _ := corosyncconf.Parse("", []byte("totem {\n\tversion: 2\n\t# for many nodes\n\t#send_join: 80\n\n\tinterface {\n\t}\n\ttoken: 1000\n}\n"))
	p, _ := corosyncconf.ParsePath("totem.send_join")
	if err := f.Set(p, "90"); err != nil {
		t.Fatal(err)
	}
	const want = "totem {\n\tversion: 2\n\t# for many nodes\n\t#send_join: 80\n\tsend_join: 90\n\n\tinterface {\n\t}\n\ttoken: 1000\n}\n"
	if diff := cmp.Diff(want, string(f.Bytes())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
