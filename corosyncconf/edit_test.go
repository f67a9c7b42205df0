package corosyncconf_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clusterctl/corosyncconf"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

type file = corosyncconf.File

// TestEdits compares what edits make of files with testdata/edit/*.golden.
func TestEdits(t *testing.T) {
	node := func(id uint32, name string, votes int, addrs ...string) corosyncconf.Node {
		n := corosyncconf.Node{Name: name, ID: id, Votes: votes, Addrs: map[int]string{}}
		for i, a := range addrs {
			n.Addrs[i] = a
		}
		return n
	}
	tests := []struct {
		golden, in string
		edit       func(*file) error
	}{
		{"add-node-after-comments", "3.1-commented.conf", func(f *file) error {
			return f.AddNode(node(3, "third", 1, "10.0.0.3", "10.0.1.3"))
		}},
		{"add-node-to-default", "debian12-default.conf", func(f *file) error {
			return f.AddNode(node(2, "node2", 0, "127.0.0.2", "10.0.0.2"))
		}},
		{"add-node-pve", "3.1-pve.conf", func(f *file) error {
			return f.AddNode(node(4, "pve4", 1, "192.168.15.94", "192.168.16.94"))
		}},
		{"add-node-crlf", "crlf.conf", func(f *file) error { return f.AddNode(node(2, "b", 0, "10.0.0.2")) }},
		{"add-node-no-final-newline", "no-final-newline.conf", func(f *file) error {
			return f.AddNode(node(2, "b", 2, "10.0.0.2", "10.1.0.2"))
		}},
		{"add-node-aligned", "aligned.conf", func(f *file) error { return f.AddNode(node(2, "two", 1, "10.0.0.2")) }},
		{"add-node-repeated-nodelist", "repeated.conf", func(f *file) error {
			return f.AddNode(node(3, "three", 1, "10.0.0.3"))
		}},
		{"add-first-node", "2.4-udp.conf", func(f *file) error { return f.AddNode(node(1, "n1", 1, "192.168.50.1")) }},
		{"remove-node-with-comments", "3.1-commented.conf", func(f *file) error { return f.RemoveNode(1) }},
		{"remove-last-node", "3.1-commented.conf", func(f *file) error { return f.RemoveNode(2) }},
		{"remove-node-knet", "3.1-knet.conf", func(f *file) error { return f.RemoveNode(1) }},
		{"remove-node-repeated-nodelist", "repeated.conf", func(f *file) error { return f.RemoveNode(1) }},
		{"votes", "3.1-commented.conf", func(f *file) error {
			return errors.Join(f.SetNodeVotes(1, 0), f.SetNodeVotes(2, 1))
		}},
		{"votes-repeated-nodelist", "repeated.conf", func(f *file) error {
			return errors.Join(f.SetNodeVotes(1, 0), f.SetNodeVotes(2, 0))
		}},
		{"version", "3.1-commented.conf", func(f *file) error { return f.SetConfigVersion(41) }},
		{"version-repeated", "repeated.conf", func(f *file) error { return f.SetConfigVersion(5) }},
		{"version-added-aligned", "aligned.conf", func(f *file) error { return f.SetConfigVersion(1) }},
		{"two-node-on", "3.1-commented.conf", func(f *file) error { return f.SetTwoNode(true) }},
		{"two-node-on-without-quorum", "no-final-newline.conf", func(f *file) error { return f.SetTwoNode(true) }},
		{"two-node-off", "repeated.conf", func(f *file) error { return f.SetTwoNode(false) }},
		{"sections", "3.1-commented.conf", func(f *file) error {
			totem := f.Root().Section("totem")
			link := totem.AddSection("interface")
			return errors.Join(
				link.Set("linknumber", "0"),
				f.Root().Section("quorum").AddSection("device").Set("model", "net"),
				f.Root().AddSection("logging").Set("to_syslog", "yes"),
			)
		}},
		{"remove-sections", "3.1-commented.conf", func(f *file) error {
			totem := f.Root().Section("totem")
			totem.RemoveSection(totem.Section("interface"))
			f.Root().RemoveSection(f.Root().Section("nodelist"))
			return nil
		}},
		{"remove-first-section", "3.1-pve.conf", func(f *file) error {
			f.Root().RemoveSection(f.Root().Section("logging"))
			return nil
		}},
		{"keys", "3.1-commented.conf", func(f *file) error {
			totem := f.Root().Section("totem")
			totem.Unset("version")
			return errors.Join(
				totem.Set("cluster_name", ""),
				totem.Set("token_coefficient", "125"),
				totem.Set("crypto_hash", "sha256"),
				f.Root().Section("nodelist").Sections("node")[0].Set("ring2_addr", "10.0.2.1"),
			)
		}},
		{"new", "", func(f *file) error {
			totem := f.Root().AddSection("totem")
			return errors.Join(
				totem.Set("version", "2"),
				totem.Set("cluster_name", "c"),
				totem.AddSection("interface").Set("linknumber", "0"),
				totem.AddSection("interface").Set("linknumber", "1"),
				f.SetConfigVersion(1),
				f.AddNode(node(1, "n1", 1, "10.0.0.1", "10.1.0.1")),
				f.AddNode(node(2, "n2", 0, "10.0.0.2", "10.1.0.2")),
				f.Root().AddSection("quorum").Set("provider", "corosync_votequorum"),
				f.SetTwoNode(true),
			)
		}},
	}
	files := fixtures(t)
	for _, tt := range tests {
		t.Run(tt.golden, func(t *testing.T) {
			f := corosyncconf.New(tt.in)
			if tt.in != "" {
				f = parse(t, string(files[tt.in]))
			}
			if err := tt.edit(f); err != nil {
				t.Fatal(err)
			}
			if _, err := corosyncconf.Parse("result", f.Bytes()); err != nil {
				t.Error(err)
			}
			path := filepath.Join("testdata", "edit", tt.golden+".golden")
			if *update {
				if err := os.WriteFile(path, f.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(f.Bytes())); diff != "" {
				t.Errorf("file (-want +got):\n%s", diff)
			}
		})
	}
}

func parse(t testing.TB, text string) *file {
	t.Helper()
	f, err := corosyncconf.Parse("test.conf", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSetPlacesKeys(t *testing.T) {
	tests := []struct{ name, in, key, value, want string }{
		{"in place, keeping blanks and separator",
			"t {\n\tb :\t1  \n}\n", "b", "2", "t {\n\tb :\t2  \n}\n"},
		{"the last of several",
			"t {\nb: 1\nb: 2\n}\n", "b", "3", "t {\nb: 1\nb: 3\n}\n"},
		{"where there was no value",
			"t {\n b:\n}\n", "b", "x", "t {\n b: x\n}\n"},
		{"where there was only a blank for a value",
			"t {\n b: \n}\n", "b", "x", "t {\n b: x\n}\n"},
		{"the same value, leaving the line alone",
			"t {\n b:1  \n}\n", "b", "1", "t {\n b:1  \n}\n"},
		{"no value",
			"t {\n b: x\n}\n", "b", "", "t {\n b:\n}\n"},
		{"a link after the one below it",
			"t {\nring0_addr: a\nring2_addr: c\nname: n\n}\n", "ring1_addr", "b", "t {\nring0_addr: a\nring1_addr: b\nring2_addr: c\nname: n\n}\n"},
		{"a link before the lowest",
			"t {\nname: n\nring2_addr: c\nring1_addr: b\n}\n", "ring0_addr", "a", "t {\nname: n\nring2_addr: c\nring0_addr: a\nring1_addr: b\n}\n"},
		{"after the key of the same first word",
			"t {\ncrypto_cipher: a\nnode: b\n}\n", "crypto_hash", "c", "t {\ncrypto_cipher: a\ncrypto_hash: c\nnode: b\n}\n"},
		{"else after the last key",
			"t {\n  b: 1\n\n  # c\n  s {\n  }\n}\n", "x", "2", "t {\n  b: 1\n  x: 2\n\n  # c\n  s {\n  }\n}\n"},
		{"after the comments of a section without keys",
			"t {\n   # c\n\n}\n", "x", "2", "t {\n   # c\n   x: 2\n\n}\n"},
		{"before the sections of a section without keys",
			"t {\n  # c\n  s {\n  }\n}\n", "x", "2", "t {\n  x: 2\n  # c\n  s {\n  }\n}\n"},
		{"indented like other sections",
			"s {\n\tx: 1\n}\nt {\n}\n", "x", "2", "s {\n\tx: 1\n}\nt {\n\tx: 2\n}\n"},
		{"four spaces where there is no example",
			"t {\n}\n", "x", "2", "t {\n    x: 2\n}\n"},
		{"the line ending of the line above",
			"t {\r\n}\n", "x", "2", "t {\r\n    x: 2\r\n}\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := corosyncconf.Parse("", []byte(tt.in))
			if err := f.Root().Section("t").Set(tt.key, tt.value); err != nil {
				t.Fatal(err)
			}
			if got := string(f.Bytes()); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			if got, ok := f.Root().Section("t").Get(tt.key); got != tt.value || !ok {
				t.Errorf("Get: %q, %v", got, ok)
			}
		})
	}
}

func TestSetRefuses(t *testing.T) {
	const in = "totem {\n    version: 2\n}\nuidgid {\n}\nlogging {\n    logger_subsys {\n        subsys: A\n    }\n}\n"
	tests := []struct{ name, section, key, value, want string }{
		{"an opening brace", "totem", "cluster_name", "a{b",
			`set cluster_name: value "a{b" contains '{', which corosync takes for the start of a section`},
		{"a line feed", "totem", "cluster_name", "a\nb: c",
			`set cluster_name: value "a\nb: c" contains a line break or a NUL byte, and a value is one line`},
		{"a carriage return", "totem", "cluster_name", "a\r",
			`set cluster_name: value "a\r" contains a line break or a NUL byte, and a value is one line`},
		{"a long line", "totem", "cluster_name", strings.Repeat("x", 510-len("    cluster_name: ")+1),
			`set cluster_name: line too long: 511 bytes, at most 510 are read`},
		{"blanks around the value", "totem", "cluster_name", " a",
			`set cluster_name: "cluster_name:  a" would be read back as something else`},
		{"a comment for a key", "totem", "#a", "b",
			`set #a: can't store key "totem.#a": its full name must have at least 3 characters, and only letters, digits and . _ / : -`},
		{"a colon in a key", "totem", "a:b", "c",
			`set a:b: "a:b: c" would be read back as something else`},
		{"an empty key", "totem", "", "a",
			`set : key name can't be empty`},
		{"a word for a number", "totem", "version", "two",
			`set version: value of key "totem.version" is expected to be integer in range (0..4294967295), but "two" was given`},
		{"a key where it has no place", "uidgid", "user", "root",
			`set user: uidgid: only uid and gid are allowed items`},
		{"a subsys that is no name", "logger_subsys", "subsys", "A B",
			`set subsys: can't store key "logging.logger_subsys.A B.subsys": its full name must have at least 3 characters, and only letters, digits and . _ / : -`},
		{"a section that does not exist", "quorum", "provider", "x",
			`set provider: no such section`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := parse(t, in)
			section := f.Root().Section(tt.section)
			if tt.section == "logger_subsys" {
				section = f.Root().Section("logging").Section(tt.section)
			}
			err := section.Set(tt.key, tt.value)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if got := string(f.Bytes()); got != in {
				t.Errorf("the file has changed: %q", got)
			}
		})
	}
}

func TestSetTakesTheLongestLine(t *testing.T) {
	f := parse(t, "totem {\n}\n")
	value := strings.Repeat("x", 510-len("    cluster_name: "))
	if err := f.Root().Section("totem").Set("cluster_name", value); err != nil {
		t.Fatal(err)
	}
	parse(t, string(f.Bytes()))
}

func TestAddSectionRefusesNames(t *testing.T) {
	f := parse(t, "totem {\n}\nuidgid {\n}\n")
	for _, name := range []string{"", "a\nb", "a{", "#a", " a", "a:", strings.Repeat("x", 249)} {
		if s := f.Root().Section("totem").AddSection(name); s != nil {
			t.Errorf("%q was added", name)
		}
	}
	if s := f.Root().Section("uidgid").AddSection("x"); s != nil {
		t.Error("a section was added to uidgid")
	}
}

func TestRemovedSectionsAreDead(t *testing.T) {
	f := parse(t, "totem {\n\tversion: 2\n\tinterface {\n\t\tlinknumber: 0\n\t}\n}\n")
	totem := f.Root().Section("totem")
	link := totem.Section("interface")
	if !f.Root().RemoveSection(totem) {
		t.Fatal("not removed")
	}
	for _, s := range []*corosyncconf.Section{totem, link} {
		if _, ok := s.Get("version"); ok || s.Options() != nil || s.Line() != 0 || s.AddSection("x") != nil || s.Unset("linknumber") {
			t.Errorf("%s still has contents", s.Name())
		}
		if err := s.Set("version", "2"); err == nil {
			t.Errorf("%s can be changed", s.Name())
		}
	}
	if f.Root().RemoveSection(totem) || totem.RemoveSection(link) || f.Root().RemoveSection(nil) {
		t.Error("removed twice")
	}
	if got := f.Bytes(); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}

func TestSectionsAndOptions(t *testing.T) {
	f := parse(t, "# c\ntotem {\n\tversion: 2\n\n\tinterface {\n\t}\n\tcluster_name:\n\tinterface {\n\t}\n}\n")
	root, totem := f.Root(), f.Root().Section("totem")
	if root.Name() != "" || root.Line() != 0 || totem.Name() != "totem" || totem.Line() != 2 {
		t.Errorf("root %q on line %d, totem %q on line %d", root.Name(), root.Line(), totem.Name(), totem.Line())
	}
	want := []corosyncconf.Option{{Key: "version", Value: "2", Line: 3, Col: 2}, {Key: "cluster_name", Line: 7, Col: 2}}
	if diff := cmp.Diff(want, totem.Options()); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	var lines []int
	for _, s := range totem.Sections("interface") {
		lines = append(lines, s.Line())
	}
	if diff := cmp.Diff([]int{5, 8}, lines); diff != "" {
		t.Errorf("lines of interfaces (-want +got):\n%s", diff)
	}
	if s := root.Section("nodelist"); s != nil || len(root.Sections("")) != 1 {
		t.Errorf("nodelist: %v, all: %v", s, root.Sections(""))
	}
	if _, ok := root.Section("nodelist").Get("x"); ok {
		t.Error("a section that is not there has a key")
	}
	if err := totem.Set("token_warning", "5"); err != nil {
		t.Fatal(err)
	}
	if got := totem.Sections("interface")[1].Line(); got != 9 {
		t.Errorf("line after an edit above: %d", got)
	}
}

func TestCloneIsSeparate(t *testing.T) {
	f := parse(t, "totem {\n\tconfig_version: 1\n}")
	c := f.Clone()
	if err := c.SetConfigVersion(2); err != nil {
		t.Fatal(err)
	}
	if f.ConfigVersion() != 1 || c.ConfigVersion() != 2 || c.Name() != f.Name() {
		t.Errorf("original %d, clone %d %q", f.ConfigVersion(), c.ConfigVersion(), c.Name())
	}
}

func TestNodeEditsRefuse(t *testing.T) {
	const in = "nodelist {\n\tnode {\n\t\tname: n1\n\t\tnodeid: 1\n\t\tring0_addr: a\n\t}\n\tnode {\n\t\tnodeid: 2\n\t}\n\tnode {\n\t\tnodeid: 2\n\t}\n\tnode {\n\t\tname: auto\n\t}\n}\n"
	addr := map[int]string{0: "b"}
	tests := []struct {
		name string
		edit func(*file) error
		want string
	}{
		{"a node with everything wrong", func(f *file) error {
			return f.AddNode(corosyncconf.Node{Name: "n1", ID: 1, Votes: -1})
		}, "add node n1: node id 1 is taken by n1\nname is taken by the node with id 1\nvotes are negative: -1\nno address"},
		{"no id, addresses on wrong links", func(f *file) error {
			return f.AddNode(corosyncconf.Node{Addrs: map[int]string{0: "", 8: "x", -1: "y"}})
		}, "add node y: node id is missing\nlink number -1 is not in 0..7\naddress on link 0 is empty\nlink number 8 is not in 0..7"},
		{"a name with a brace", func(f *file) error {
			return f.AddNode(corosyncconf.Node{Name: "a{", ID: 3, Addrs: addr})
		}, `add node a{: set name: value "a{" contains '{', which corosync takes for the start of a section`},
		{"removing an unknown id", func(f *file) error { return f.RemoveNode(9) }, "remove node 9: not in the nodelist"},
		{"removing nodes without id", func(f *file) error { return f.RemoveNode(0) }, "remove node 0: not in the nodelist"},
		{"removing an ambiguous id", func(f *file) error { return f.RemoveNode(2) }, "remove node 2: the nodelist has the id twice"},
		{"votes of an unknown id", func(f *file) error { return f.SetNodeVotes(9, 1) }, "set votes of node 9: not in the nodelist"},
		{"negative votes", func(f *file) error { return f.SetNodeVotes(1, -1) },
			`set votes of node 1: set quorum_votes: value of key "nodelist.node.quorum_votes" is expected to be integer in range (0..4294967295), but "-1" was given`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := parse(t, in)
			if err := tt.edit(f); err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if got := string(f.Bytes()); got != in {
				t.Errorf("the file has changed: %q", got)
			}
		})
	}
}

// TestFailedEditsLeaveNoSections fails if what was made for the edit stays.
func TestFailedEditsLeaveNoSections(t *testing.T) {
	node := corosyncconf.Node{ID: 1, Addrs: map[int]string{0: "a{"}}
	deep := strings.Repeat(" ", 500) + "logging {\n}\n" // leaves no room for "nodelist {", but for "totem {"
	tests := []struct {
		name, in string
		edit     func(*file) error
	}{
		{"a node with a bad address", "totem {\n}\n", func(f *file) error { return f.AddNode(node) }},
		{"a nodelist without room", deep, func(f *file) error { return f.AddNode(node) }},
		{"a version without room", deep, func(f *file) error { return f.SetConfigVersion(1) }},
		{"a node in a file without end", "nodelist {\n", func(f *file) error { return f.AddNode(node) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := corosyncconf.Parse("", []byte(tt.in))
			if err := tt.edit(f); err == nil {
				t.Error("no error")
			}
			if got := string(f.Bytes()); got != tt.in {
				t.Errorf("left: %q", got)
			}
		})
	}
}

func TestAddSectionPlaces(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"in an empty file", "", "t {\n}\n"},
		{"before the blank lines of a blank file", "\r\n\r\n", "t {\r\n}\r\n\r\n\r\n"},
		{"set off from a comment", "# c\n", "# c\n\nt {\n}\n"},
		{"set off like the others", "a {\n}\n\n\nb{\n}\n", "a {\n}\n\n\nb{\n}\n\n\nt{\n}\n"},
		{"close where the others are", "a {\n}\nb {\n}\n\n", "a {\n}\nb {\n}\nt {\n}\n\n"},
		{"after its namesake", "t {\n}\n\nb {\n}\n", "t {\n}\n\nt {\n}\n\nb {\n}\n"},
		{"without a final line feed", "a {\n}", "a {\n}\n\nt {\n}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := parse(t, tt.in)
			added := f.Root().AddSection("t")
			if got := string(f.Bytes()); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			f.Root().RemoveSection(added)
			if got := string(f.Bytes()); got != tt.in {
				t.Errorf("removed again: %q", got)
			}
		})
	}
}

func TestSetAtTopLevel(t *testing.T) {
	f := corosyncconf.New("")
	if err := f.Root().Set("key", "v"); err != nil {
		t.Fatal(err)
	}
	if got := string(f.Bytes()); got != "key: v\n" {
		t.Errorf("got %q", got)
	}
}

// FuzzEdit adds a node to any file and takes it out again.
func FuzzEdit(f *testing.F) {
	for _, data := range fixtures(f) {
		f.Add(data, "new", "10.9.9.9", uint8(1))
	}
	for _, text := range odd {
		f.Add([]byte("nodelist {\n}\n"+text), "", "fd00::9", uint8(0))
	}
	f.Fuzz(func(t *testing.T, data []byte, name, addr string, votes uint8) {
		file, parseErr := corosyncconf.Parse("fuzz", data)
		node := corosyncconf.Node{Name: name, ID: 4_000_000_000, Votes: int(votes), Addrs: map[int]string{0: addr, 3: addr}}
		root := file.Root()
		hadList := root.Section("nodelist") != nil || root.Section("nodelist.node") != nil
		if err := file.AddNode(node); err != nil {
			if !bytes.Equal(file.Bytes(), data) {
				t.Fatalf("failed (%v) and changed the file to %q", err, file.Bytes())
			}
			return
		}
		added, err := corosyncconf.Parse("fuzz", file.Bytes())
		if parseErr != nil {
			return // its structure may be anything
		}
		if err != nil {
			t.Fatalf("%v\nin %q", err, file.Bytes())
		}
		nodes := added.Config().Nodes
		got := nodes[len(nodes)-1]
		node.Index = got.Index
		if diff := cmp.Diff(node, got); diff != "" {
			t.Fatalf("last node (-want +got):\n%s\nin %q", diff, file.Bytes())
		}
		if diff := cmp.Diff(added.Config(), file.Config()); diff != "" {
			t.Fatalf("read back, the file differs (-read +edited):\n%s", diff)
		}
		if err := file.RemoveNode(node.ID); err != nil {
			t.Fatal(err)
		}
		if !hadList && !root.RemoveSection(root.Section("nodelist")) {
			t.Fatal("no nodelist was made")
		}
		if !bytes.Equal(file.Bytes(), data) {
			t.Fatalf("afterwards %q\ninstead of %q", file.Bytes(), data)
		}
	})
}

// FuzzSet sets a key in the first section of any file.
func FuzzSet(f *testing.F) {
	for _, data := range fixtures(f) {
		f.Add(data, "config_version", "7")
		f.Add(data, "ring1_addr", "")
	}
	f.Fuzz(func(t *testing.T, data []byte, key, value string) {
		file, parseErr := corosyncconf.Parse("fuzz", data)
		section := file.Root()
		if all := section.Sections(""); len(all) > 0 {
			section = all[0]
		}
		_, had := section.Get(key)
		if err := section.Set(key, value); err != nil {
			if !bytes.Equal(file.Bytes(), data) {
				t.Fatalf("failed (%v) and changed the file to %q", err, file.Bytes())
			}
			return
		}
		if got, ok := section.Get(key); got != value || !ok {
			t.Fatalf("set to %q, got %q, %v", value, got, ok)
		}
		if parseErr != nil {
			return // its structure may be anything
		}
		again, err := corosyncconf.Parse("fuzz", file.Bytes())
		if err != nil {
			t.Fatalf("%v\nin %q", err, file.Bytes())
		}
		if diff := cmp.Diff(again.Config(), file.Config()); diff != "" {
			t.Fatalf("read back, the file differs (-read +edited):\n%s", diff)
		}
		if !had && (!section.Unset(key) || !bytes.Equal(file.Bytes(), data)) {
			t.Fatalf("unset again %q\ninstead of %q", file.Bytes(), data)
		}
	})
}
