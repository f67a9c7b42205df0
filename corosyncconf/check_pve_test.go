package corosyncconf_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"clusterctl/corosyncconf"
)

// pveSection is what Proxmox VE's tools make of a section: keys, and sections by
// name, of which only nodes and interfaces are many.
type pveSection struct {
	keys     map[string]string
	sections map[string][]*pveSection
}

// readPVE reads a file as parse_conf of PVE/Corosync.pm does.
func readPVE(text string) (*pveSection, error) {
	var words []string
	for line := range strings.SplitSeq(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words = append(words, strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\v\f\r", r) })...)
	}
	fresh := func() *pveSection { return &pveSection{map[string]string{}, map[string][]*pveSection{}} }
	root := fresh()
	stack, cur := []*pveSection{}, root
	for i := 0; i < len(words); i++ {
		word := words[i]
		switch {
		case i+1 < len(words) && words[i+1] == "{":
			_, isKey := cur.keys[word]
			if many := word == "node" || word == "interface"; isKey || !many && cur.sections[word] != nil {
				return nil, fmt.Errorf("section %s already exists", word)
			}
			inner := fresh()
			cur.sections[word] = append(cur.sections[word], inner)
			stack, cur = append(stack, cur), inner
			i++
		case word == "}":
			if len(stack) == 0 {
				return nil, errors.New("unexpected }")
			}
			stack, cur = stack[:len(stack)-1], stack[len(stack)-1]
		case !strings.HasSuffix(word, ":"):
			return nil, fmt.Errorf("missing ':' after key %s", word)
		case i+1 == len(words):
			return nil, fmt.Errorf("no value for %s", word)
		default:
			key := strings.TrimSuffix(word, ":")
			delete(cur.sections, key)
			cur.keys[key] = words[i+1]
			i++
		}
	}
	for _, list := range [][4]string{{"nodelist", "node", "name", "ring0_addr"}, {"totem", "interface", "linknumber", "ringnumber"}} {
		for _, s := range root.sections[list[0]] {
			by := map[string]*pveSection{}
			for _, inner := range s.sections[list[1]] {
				label, ok := inner.keys[list[2]]
				if !ok {
					label = inner.keys[list[3]]
				}
				by[label] = inner
			}
			s.sections[list[1]] = nil
			for _, label := range sortedKeys(by) {
				s.sections[list[1]] = append(s.sections[list[1]], by[label])
			}
		}
	}
	return root, nil
}

// write is write_conf.
func (s *pveSection) write(indent string) string {
	var b strings.Builder
	names := slices.Concat(sortedKeys(s.keys), sortedKeys(s.sections))
	slices.Sort(names)
	for _, name := range names {
		if value, ok := s.keys[name]; ok {
			fmt.Fprintf(&b, "%s%s: %s\n", indent, name, value)
		}
		for _, inner := range s.sections[name] {
			fmt.Fprintf(&b, "%s%s {\n%s%s}\n", indent, name, inner.write(indent+"  "), indent)
		}
		if s.sections[name] != nil && indent == "" {
			b.WriteString("\n")
		}
	}
	return b.String()
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// settingsOf are all settings of a file, each by its path, in an order of their own.
func settingsOf(f *corosyncconf.File) []string {
	var all []string
	for _, s := range f.Settings() {
		all = append(all, s.Path.String()+" "+s.Value)
	}
	slices.Sort(all)
	return all
}

// survives tells what Proxmox VE's tools make of a file that corosync takes: "" when
// after them it says the same.
func survives(f *corosyncconf.File) string {
	s, err := readPVE(string(f.Bytes()))
	if err != nil {
		return err.Error()
	}
	after, err := corosyncconf.Parse("after", []byte(s.write("")))
	if err != nil {
		return err.Error()
	}
	return cmp.Diff(settingsOf(f), settingsOf(after))
}

// kept are codes of what Proxmox VE's tools read and write without loss.
var kept = []corosyncconf.Code{corosyncconf.CodePVEComment, corosyncconf.CodePVEName, corosyncconf.CodePVEVersion, corosyncconf.CodePVELinks}

const pveNode = "nodelist {\n  node {\n    name: a\n    nodeid: 1\n    ring0_addr: 10.0.0.1\n  }\n}\n"

func TestCheckForProxmoxVE(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"as its tools write it", pveNode + "totem {\n  config_version: 1\n  version: 2\n}\n", ""},
		{"tabs and CRLF", "totem\t{\r\n\tversion:\t2  \r\n\tconfig_version: 1\r\n}\r\n", ""},
		{"no blank after a colon", "totem {\n config_version:1\n}\n", "2 pve-spacing"},
		{"a blank before a colon", "totem {\n config_version : 1\n}\n", "2 pve-spacing"},
		{"two colons", "totem {\n config_version: 1\n cluster_name::x\n}\n", "3 pve-spacing"},
		{"no blank before a brace", "totem{\n config_version: 1\n}\n", "1 pve-spacing"},
		{"a value of two words", "totem {\n config_version: 1\n cluster_name: my cluster\n}\n", "3 pve-words"},
		{"an empty value", "totem {\n config_version: 1\n cluster_name:\n}\n", "3 pve-empty-value"},
		{"a # in a value", "totem {\n config_version: 1\n}\nlogging {\n logfile: /a#b.log\n debug: off # now\n}\n", "5 pve-hash, 6 pve-hash"},
		{"a section twice", "totem {\n config_version: 1\n}\nlogging {\n logger_subsys {\n  subsys: A\n }\n logger_subsys {\n  subsys: B\n }\n}\n", "8 pve-section-twice"},
		{"sections that corosync merges", "totem {\n config_version: 1\n}\ntotem {\n token: 5\n}\n", "4 pve-section-twice"},
		{"a key twice", "totem {\n config_version: 1\n token: 5\n token: 6\n}\n", ""},
		{"a key twice of which the first counts", "totem {\n config_version: 1\n}\nlogging {\n logger_subsys {\n  subsys: A\n  debug: on\n  debug: off\n }\n}\n", "7 pve-key-twice"},
		{"a list", "totem {\n config_version: 1\n}\nuidgid {\n uid: 0\n uid: 1\n}\n", "5 pve-key-twice"},
		{"a key and a section of one name", "totem {\n config_version: 1\n interface: 1\n interface {\n }\n}\n", "4 pve-section-twice"},
		{"nodes of one name", "totem {\n config_version: 1\n}\nnodelist {\n node {\n  name: a\n  nodeid: 1\n }\n node {\n  name: a\n  nodeid: 2\n }\n}\n", "5 pve-node-lost"},
		{"nodes without a name or ring 0", "totem {\n config_version: 1\n}\nnodelist {\n node {\n  nodeid: 1\n }\n node {\n  nodeid: 2\n }\n}\n", "5 pve-node-lost"},
		{"nodes without a name", "totem {\n config_version: 1\n}\nnodelist {\n node {\n  ring0_addr: a\n }\n node {\n  ring0_addr: b\n }\n}\n", "5 pve-node-name, 8 pve-node-name"},
		{"interfaces without a number", "totem {\n config_version: 1\n interface {\n  mcastport: 1\n }\n interface {\n  token: 1\n }\n}\n", "3 pve-interface-lost"},
		{"interfaces by either number", "totem {\n config_version: 1\n interface {\n  linknumber: 1\n }\n interface {\n  ringnumber: 1\n }\n}\n", "3 pve-interface-lost"},
		{"an interface for each link", pveNode + "totem {\n config_version: 1\n interface {\n  linknumber: 0\n }\n}\n", ""},
		{"a link without one", strings.Replace(pveNode, "  }", "    ring1_addr: 10.0.1.1\n  }", 1) + "totem {\n config_version: 1\n interface {\n  linknumber: 1\n }\n}\n", "11 pve-interface-missing"},
		{"an interface without a link", pveNode + "totem {\n config_version: 1\n interface {\n  linknumber: 0\n }\n interface {\n  linknumber: 1\n }\n}\n", "13 pve-interface-missing"},
		{"the only interface, without a number", pveNode + "totem {\n config_version: 1\n interface {\n  mcastport: 5405\n }\n}\n", "10 pve-interface-missing"},
		{"comments", "# a\ntotem { \n config_version: 1\n # b\n}\n", "1 pve-comment"},
		{"a version in a comment", "# config_version: 9\ntotem {\n config_version: 10\n}\n", "1 pve-comment, 1 pve-version"},
		{"the version in a comment", "# config_version: 10\ntotem {\n config_version: 10\n}\n", "1 pve-comment"},
		{"no version", "totem {\n version: 2\n}\n", "1 pve-version"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := corosyncconf.Parse("f", []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			lost := false
			for _, x := range f.Check(corosyncconf.Target{PVE: true}) {
				if x.Code.PVE() {
					got = append(got, fmt.Sprintf("%d %s", x.Line, x.Code))
					lost = lost || !slices.Contains(kept, x.Code)
				}
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, ", ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if after := survives(f); (after != "") != lost {
				t.Errorf("by Proxmox VE's tools: %s", after)
			}
			for _, x := range f.Check(corosyncconf.Target{}) {
				if x.Code.PVE() {
					t.Errorf("elsewhere: %+v", x)
				}
			}
		})
	}
}

// What Check has nothing against, Proxmox VE's tools read and write without loss.
func FuzzPVE(f *testing.F) {
	files, err := filepath.Glob("../testdata/conf/*.conf")
	if err != nil || files == nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("totem {\ninterface {\nr: 00\nringnumber: 0\n}\ninterface {\nr: 0\n}\n} "))
	f.Add([]byte("a: 1\na {\n}\nb {\n b: {\n}\n}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := corosyncconf.Parse("f", text)
		if err != nil {
			return
		}
		harmed := slices.ContainsFunc(file.Check(corosyncconf.Target{PVE: true}), func(x corosyncconf.Finding) bool {
			// Of two sections about one link the last counts, and they are sorted.
			return x.Code == corosyncconf.CodeInterfaceTwice || x.Code.PVE() && !slices.Contains(kept, x.Code)
		})
		if after := survives(file); after != "" && !harmed {
			t.Errorf("by Proxmox VE's tools: %s", after)
		}
	})
}

// Interface sections are for each link or for none.
func TestEvenInterfaces(t *testing.T) {
	const nodes = "nodelist {\n node {\n  ring0_addr: a\n  ring2_addr: b\n  nodeid: 1\n }\n}\n"
	for name, c := range map[string]struct{ is, want string }{
		"none":             {"totem {\n}\n", "totem {\n}\n"},
		"all":              {"totem {\n interface {\n  linknumber: 2\n }\n interface {\n  linknumber: 0\n }\n}\n", "totem {\n interface {\n  linknumber: 2\n }\n interface {\n  linknumber: 0\n }\n}\n"},
		"one":              {"totem {\n interface {\n  linknumber: 0\n }\n}\n", "totem {\n interface {\n  linknumber: 0\n }\n interface {\n  linknumber: 2\n }\n}\n"},
		"without a number": {"totem {\n interface {\n  mcastport: 5\n }\n}\n", "totem {\n interface {\n  mcastport: 5\n  linknumber: 0\n }\n interface {\n  linknumber: 2\n }\n}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := corosyncconf.Parse("f", []byte(nodes+c.is))
			if err == nil {
				err = f.EvenInterfaces()
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(nodes+c.want, string(f.Bytes())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
