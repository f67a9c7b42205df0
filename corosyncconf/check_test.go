package corosyncconf_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"clusterctl/corosyncconf"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// found returns the findings of a text as "code severity line:col refused_by",
// with a suffix where a string should be in the message or remedy.
func found(t *testing.T, text string, release corosyncconf.Release) []string {
	t.Helper()
	f, _ := corosyncconf.Parse("", []byte(text))
	var all []string
	for _, x := range f.Check(corosyncconf.Target{Release: release}) {
		if x.Message == "" || x.Remedy == "" || strings.ContainsAny(x.Message+x.Remedy, "\n\r") {
			t.Errorf("%s: message %q and remedy %q must be one line each", x.Code, x.Message, x.Remedy)
		}
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %d:%d %s", x.Code, x.Severity, x.Line, x.Col, x.RefusedBy)))
	}
	return all
}

// only returns the findings that have one of the codes.
func only(findings []string, codes ...corosyncconf.Code) []string {
	return slices.DeleteFunc(findings, func(f string) bool {
		code, _, _ := strings.Cut(f, " ")
		return !slices.Contains(codes, corosyncconf.Code(code))
	})
}

var keyCodes = []corosyncconf.Code{
	corosyncconf.CodeUnknownSection, corosyncconf.CodeUnknownKey, corosyncconf.CodeKeyRelease, corosyncconf.CodeRingNumber,
	corosyncconf.CodeKeyTransport, corosyncconf.CodeValueRange, corosyncconf.CodeRepeatedKey, corosyncconf.CodeRepeatedList, corosyncconf.CodeTrailing,
}

func TestKeysThatDoNothingAreFound(t *testing.T) {
	tests := map[string]struct {
		text    string
		release corosyncconf.Release
		want    []string
	}{
		"a misspelt key":                      {"totem {\n\ttokne: 5000\n}\n", corosyncconf.V31, []string{"unknown-key warning 2:2"}},
		"a key of another section":            {"quorum {\n\ttoken: 5000\n}\n", corosyncconf.V31, []string{"unknown-key warning 2:2"}},
		"a key outside of sections":           {"compatibility: whitetank\n", corosyncconf.V24, []string{"unknown-key warning 1:1"}},
		"an unknown section once":             {"service {\n\tname: pacemaker\n\tx {\n\t}\n}\n", corosyncconf.V31, []string{"unknown-section warning 1:1"}},
		"a key of a later release":            {"totem {\n\tknet_mtu: 1400\n}\n", corosyncconf.V30, []string{"key-release warning 2:2"}},
		"a key of an earlier release":         {"totem {\n\trrp_mode: passive\n}\n", corosyncconf.V31, []string{"key-release warning 2:2"}},
		"a key of this release":               {"totem {\n\trrp_mode: passive\n}\n", corosyncconf.V24, nil},
		"ringnumber 1 on 3.1":                 {"totem {\n\tinterface {\n\t\tringnumber: 1\n\t}\n}\n", corosyncconf.V31, []string{"ringnumber error 3:15"}},
		"ringnumber 0 on 3.1":                 {"totem {\n\tinterface {\n\t\tringnumber: 0\n\t}\n}\n", corosyncconf.V31, []string{"key-release warning 3:15"}},
		"ringnumber on 2.4":                   {"totem {\n\tinterface {\n\t\tringnumber: 1\n\t}\n}\n", corosyncconf.V24, nil},
		"link_mode with udpu":                 {"totem {\n\ttransport: udpu\n\tlink_mode: active\n}\n", corosyncconf.V31, []string{"key-transport warning 3:2"}},
		"a choice that is none":               {"totem {\n\tsecauth: maybe\n}\n", corosyncconf.V31, []string{"value-range warning 2:11"}},
		"a number that is too high":           {"quorum {\n\ttwo_node: 2\n}\n", corosyncconf.V31, []string{"value-range warning 2:12"}},
		"0 for the default":                   {"totem {\n\ttoken: 0\n}\n", corosyncconf.V31, nil},
		"a value the parser refuses":          {"totem {\n\ttoken: fast\n}\n", corosyncconf.V31, nil},
		"a comment after a value":             {"totem {\n\tcluster_name: a # the old one\n}\n", corosyncconf.V31, []string{"trailing-comment warning 2:16"}},
		"a comment after a tab":               {"totem {\n\tcluster_name: a\t# the old one\n}\n", corosyncconf.V31, []string{"trailing-comment warning 2:16"}},
		"a # within a value":                  {"totem {\n\tcluster_name: a#b\n}\n", corosyncconf.V31, nil},
		"a key twice":                         {"totem {\n\ttoken: 1000\n}\ntotem {\n\ttoken: 2000\n}\n", corosyncconf.V31, []string{"repeated-key warning 2:2"}},
		"a key in two nodes":                  {"nodelist {\n\tnode {\n\t\tnodeid: 1\n\t}\n\tnode {\n\t\tnodeid: 2\n\t}\n}\n", corosyncconf.V31, nil},
		"of two in a logger_subsys the first": {"logging {\n\tlogger_subsys {\n\t\tsubsys: A\n\t\tdebug: on\n\t\tdebug: off\n\t}\n}\n", corosyncconf.V31, []string{"repeated-key warning 5:3"}},
		"several users":                       {"uidgid {\n\tuid: a\n\tuid: b\n}\n", corosyncconf.V31, nil},
		"two nodelists":                       {"nodelist {\n}\nnodelist {\n}\n", corosyncconf.V31, []string{"repeated-nodelist error 3:1"}},
		"a link in another spelling":          {"nodelist {\n\tnode {\n\t\tring01_addr: a\n\t}\n}\n", corosyncconf.V31, []string{"unknown-key warning 3:3"}},
		"a ninth link":                        {"nodelist {\n\tnode {\n\t\tring9_addr: a\n\t}\n}\n", corosyncconf.V31, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := only(found(t, tt.text, tt.release), keyCodes...)
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCorosync24SwallowsWhatLaterOnesRefuse(t *testing.T) {
	tests := map[string]struct {
		text string
		want []string
	}{
		"text after an opening brace": {"totem { # mine\n\tversion: 2\n}\n", []string{"lost-section error 1:1"}},
		"text after a name and brace": {"totem{# mine\n\tversion: 2\n}\n", []string{"swallowed warning 1:7"}},
		"a section on one line":       {"totem { version: 2 }\n", []string{"lost-section error 1:1", "syntax error 1:1 parse"}},
		"several closing braces":      {"totem {\n\tinterface {\n\t}}}}\n}\n", []string{"swallowed warning 3:2"}},
		"a line that is nothing":      {"totem {\n\tversion\n}\n", []string{"swallowed warning 2:2"}},
		"a brace on the next line":    {"totem\n{\n}\n", []string{"swallowed warning 1:1", "swallowed warning 2:1"}},
		"a key that cannot be stored": {"totem {\n\tto ken: 1\n}\n", []string{"swallowed warning 2:2"}},
		"a line without a key":        {": 2\n", []string{"swallowed warning 1:1"}},
		"a long line":                 {"totem {\n\tcluster_name: " + strings.Repeat("x", 600) + "\n}\n", []string{"swallowed warning 2:512", "swallowed warning 2:2"}},
		"a long line that closes":     {"totem {\n" + strings.Repeat("x", 511) + "}\n", []string{"swallowed warning 2:512", "swallowed warning 2:1"}},
		"a brace too many":            {"}\n", []string{"syntax error 1:1 parse"}},
		"a brace too few":             {"totem {\n", []string{"syntax error 1:1 parse"}},
		"a value":                     {"totem {\n\tip_version: ipv6-4\n}\n", []string{"bad-value error 2:14 parse"}},
		"an old cipher":               {"totem {\n\tcrypto_cipher: 3des\n}\n", nil},
		"a key it does not know":      {"totem {\n\tknet_mtu: x\n}\n", nil},
		"a node without ring 0":       {"nodelist {\n\tnode {\n\t\tring1_addr: 10.0.0.1\n\t}\n}\n", []string{"not-allowed error 2:2 parse"}},
		"what is as it should be":     {"totem {\n\tversion: 2\n}\n# end\n", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := only(found(t, tt.text, corosyncconf.V24), corosyncconf.CodeSyntax, corosyncconf.CodeSwallowed, corosyncconf.CodeLostSection, corosyncconf.CodeBadValue, corosyncconf.CodeNotAllowed, corosyncconf.CodeKeyName)
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCharactersThatAreNotSeenAreFound(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"a no-break space in a key":     {"totem {\n\u00a0token: 1\n}\n", "invisible-character warning 2:1"},
		"a no-break space in a value":   {"totem {\n\tcluster_name: a\u00a0\n}\n", "invisible-character warning 2:17"},
		"a no-break space by a section": {"totem\u00a0{\n}\n", "invisible-character warning 1:6"},
		"a byte order mark":             {"\ufefftotem {\n}\n", "invisible-character warning 1:1"},
		"a zero-width space":            {"totem {\n\ttoken: 50\u200b00\n}\n", "invisible-character warning 2:11"},
		"an em space":                   {"totem {\n\ttoken:\u20031\n}\n", "invisible-character warning 2:8"},
		"one in a comment":              {"totem {\n\t#\u00a0token: 1\n}\n", ""},
		"letters of any alphabet":       {"totem {\n\tcluster_name: 東京-Köln\n}\n", ""},
		"the byte 0xA0 alone":           {"totem {\n\xa0token: 1\n}\n", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(only(found(t, tt.text, corosyncconf.V31), corosyncconf.CodeInvisible), "\n")
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestRealFilesUseKnownKeys holds the table of keys to the files: each is
// checked for the release that it is written for.
func TestRealFilesUseKnownKeys(t *testing.T) {
	paths, err := filepath.Glob("../testdata/conf/*.conf")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		release := corosyncconf.V31
		if strings.HasPrefix(filepath.Base(path), "2.4-") {
			release = corosyncconf.V24
		}
		if got := only(found(t, string(text), release), keyCodes...); len(got) > 0 {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func TestTheTableOfKeysIsSound(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range corosyncconf.Keys() {
		name := k.Section + "." + k.Name
		if seen[name] {
			t.Errorf("%s stands twice", name)
		}
		seen[name] = true
		switch {
		case k.Help == "" || k.Effect == 0 || k.Type == "":
			t.Errorf("%s lacks help, effect or type", name)
		case k.Type == corosyncconf.Choice && len(k.Values) == 0:
			t.Errorf("%s is a choice of nothing", name)
		case k.Type == corosyncconf.Number && k.Max == 0:
			t.Errorf("%s is a number without a range", name)
		}
		for _, r := range corosyncconf.Releases() {
			if d := k.DefaultIn(r); d != "" && k.KnownIn(r) && k.Type == corosyncconf.Choice && !slices.Contains(k.ValuesIn(r), d) && d != "0" {
				t.Errorf("%s: default %q of %s is none of %q", name, d, r, k.Values)
			}
		}
	}
}

// TestMemoryGrowsAsTheFileDoes reads, checks and lists files of bad input of
// every kind, and files of twice their size: they take about twice the memory.
func TestMemoryGrowsAsTheFileDoes(t *testing.T) {
	kinds := map[string]string{
		"blank lines":         "\n",
		"binary":              "\x7fELF\x02\x00\xff{\x00}:\n",
		"nesting":             "a {\n",
		"nesting of totem":    "totem {\ninterface {\n",
		"closing braces":      "}\n",
		"lines without form":  "x\n",
		"bad values":          "totem {\ntoken: x\n}\n",
		"unknown keys":        "totem {\ntokne: 1\n}\n",
		"long keys":           "totem {\n" + strings.Repeat("k", 300) + ": 1\n}\n",
		"unknown sections":    "totme {\n}\n",
		"values out of range": "logging {\ndebug: x\n}\n",
		"nodes":               "nodelist {\nnode {\nname: n\nnodeid: 1\nring0_addr: 10.0.0.1\n}\n}\n",
		"subsystems":          "logging {\nlogger_subsys {\nsubsys: A\ndebug: on\n}\n}\n",
	}
	const size = 1 << 15
	for name, text := range kinds {
		t.Run(name, func(t *testing.T) {
			once, twice := allocated(strings.Repeat(text, size/len(text))), allocated(strings.Repeat(text, 2*(size/len(text))))
			if twice > 3*once {
				t.Errorf("%d bytes, and %d for twice as much", once, twice)
			}
		})
	}
}

// allocated returns how many bytes it takes to read, check and list a file.
func allocated(text string) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, _ := corosyncconf.Parse("", []byte(text))
	f.Check(corosyncconf.Target{Release: corosyncconf.V31})
	f.Settings()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestWorseIsWhatAnEditBrings(t *testing.T) {
	node := func(id int, more string) string {
		return fmt.Sprintf("node {\nname: n%d\nnodeid: %d\nring0_addr: 10.0.0.%d\n%s}\n", id, id, id, more)
	}
	file := func(totem string, nodes ...string) string {
		return "totem {\nversion: 2\ncluster_name: a\nconfig_version: 1\ncrypto_cipher: aes256\ncrypto_hash: sha256\n" + totem +
			"}\nnodelist {\n" + strings.Join(nodes, "") + "}\nquorum {\nprovider: corosync_votequorum\n}\n"
	}
	even := file("", node(1, ""), node(2, ""), node(3, ""))
	many := func(n int) []string {
		var nodes []string
		for id := 1000; id > 1000-n; id-- { // the last one goes first
			nodes = append(nodes, fmt.Sprintf("node {\nname: n%d\nnodeid: %d\nring0_addr: 10.0.%d.%d\n}\n", id, id, id/250, id%250+1))
		}
		return nodes
	}
	tests := map[string]struct {
		old, new string
		want     []corosyncconf.Code
	}{
		"nothing":          {even, even, nil},
		"an error":         {even, file("", node(1, "ring1_addr: 10.1.0.1\n"), node(2, ""), node(3, "")), []corosyncconf.Code{"uneven-links", "uneven-links"}},
		"a warning":        {even, file("tokne: 1\n", node(1, ""), node(2, ""), node(3, "")), []corosyncconf.Code{"unknown-key"}},
		"a second warning": {file("tokne: 1\n"), file("tokne: 1\nconsnsus: 1\n"), []corosyncconf.Code{"unknown-key"}},
		"less of what is wrong": {file("", node(1, "ring1_addr: 10.1.0.1\n"), node(2, ""), node(3, "")),
			file("", node(1, "ring1_addr: 10.1.0.1\n"), node(2, "ring1_addr: 10.1.0.2\n"), node(3, "")), nil},
		"more of what is wrong": {file("", node(1, "ring1_addr: 10.1.0.1\n"), node(2, ""), node(3, "")),
			file("", node(1, "ring1_addr: 10.1.0.1\nring2_addr: 10.2.0.1\n"), node(2, ""), node(3, "")), []corosyncconf.Code{"uneven-links", "uneven-links"}},
		"one link mended, another broken": {file("", node(1, "ring1_addr: 10.1.0.1\n"), node(2, ""), node(3, "")),
			file("", node(1, "ring2_addr: 10.2.0.1\n"), node(2, ""), node(3, "")), []corosyncconf.Code{"uneven-links", "uneven-links"}},
		"a link of some nodes on fewer": {file("", node(1, "ring1_addr: 10.1.0.1\n"), node(2, "ring1_addr: 10.1.0.2\n"), node(3, "")),
			file("", node(1, ""), node(2, "ring1_addr: 10.1.0.2\n"), node(3, "")), nil},
		"the same error at another node": {file("", node(1, "ring0_addr: 127.0.0.1\n"), node(2, ""), node(3, "")),
			file("", node(1, ""), node(2, "ring0_addr: 127.0.0.2\n"), node(3, "")), []corosyncconf.Code{"repeated-key", "loopback"}},
		"an address of one node given to another instead": {file("", node(1, ""), node(2, "ring0_addr: 10.0.0.1\n"), node(3, "")),
			file("", node(1, ""), node(2, "ring0_addr: 10.0.0.3\n"), node(3, "")), []corosyncconf.Code{"duplicate-address"}},
		"a double address moved with its line": {file("", node(1, ""), node(2, "ring0_addr: 10.0.0.1\n"), node(3, "")),
			file("token: 5000\n", node(1, ""), node(2, "ring0_addr: 10.0.0.1\n"), node(3, "")), nil},
		"one node less of too many": {file("", many(386)...), file("", many(385)...), nil},
		"all mended":                {file("tokne: 1\n", node(1, ""), node(2, ""), node(3, "")), even, nil},
		"a line moved":              {file("tokne: 1\n"), file("token: 5000\ntokne: 1\n"), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			old, _ := corosyncconf.Parse("", []byte(tt.old))
			new, _ := corosyncconf.Parse("", []byte(tt.new))
			var got []corosyncconf.Code
			for _, f := range corosyncconf.Worse(old, new, corosyncconf.Target{Release: corosyncconf.V31}) {
				got = append(got, f.Code)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
