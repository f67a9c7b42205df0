package corosyncconf

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// KeyPath is the place of a key in a corosync.conf, or of a section as a whole:
//
//	totem.token
//	nodelist.node[n2].ring1_addr              by name or nodeid, without a name also by its first address
//	totem.interface[1].knet_link_priority     by linknumber, in a file of 2.4 by ringnumber
//	logging.logger_subsys[QUORUM].debug       by subsys
//	logging.logging_daemon[qdevice].debug     by name, or by name.subsys
//	totem.interface[1]                        the section
//
// What is in brackets chooses one of several sections of a name. It can be
// left out where the file has no more than one of them. Sections that corosync
// merges have one path.
type KeyPath struct {
	section string // with dots, without brackets
	which   string // what is in brackets; empty if nothing is
	key     string // empty for a section
}

// chosenBy has the sections of which a file has several that corosync does not
// merge, and by what one of them is chosen.
var chosenBy = map[string]string{
	"totem.interface":        "the number of the link",
	"nodelist.node":          "the name or id of the node",
	"logging.logger_subsys":  "its subsys",
	"logging.logging_daemon": "its name",
}

// Several returns the sections of which a path chooses one in brackets.
func Several() []string { return slices.Sorted(maps.Keys(chosenBy)) }

// chosen returns the one of chosenBy that a section is or is in, or "".
func chosen(section string) string {
	for s := section; s != ""; s, _ = cutLast(s) {
		if chosenBy[s] != "" {
			return s
		}
	}
	return ""
}

// sectionCalled returns the path of the section of chosenBy that has the name; empty
// if none has.
func sectionCalled(name string) string {
	for _, section := range Several() {
		if _, last := cutLast(section); last == name {
			return section
		}
	}
	return ""
}

// cutLast splits a path at its last dot.
func cutLast(path string) (before, last string) {
	dot := strings.LastIndexByte(path, '.')
	return path[:max(dot, 0)], path[dot+1:]
}

// ParsePath reads a path. It fails if text is none, whatever file it may be
// for. The name of a section without brackets that the table of keys does not
// have is taken for that of a key.
func ParsePath(text string) (KeyPath, error) {
	p, err := parsePath(text)
	if err != nil {
		return KeyPath{}, fmt.Errorf("%q is no path in corosync.conf: %w", text, err)
	}
	return p, nil
}

func parsePath(text string) (KeyPath, error) {
	before, after, brackets := strings.Cut(text, "[")
	which, after, closed := strings.Cut(after, "]")
	if brackets && (!closed || which == "" || after != "" && after[0] != '.') {
		return KeyPath{}, errors.New("write SECTION[WHICH].KEY, as in nodelist.node[n2].ring0_addr")
	}
	for name := range strings.SplitSeq(before+after, ".") {
		if name == "" || !isName(name) {
			return KeyPath{}, errors.New("write SECTION.KEY with names of letters, digits and _ / : -, as in totem.token")
		}
	}
	p := KeyPath{section: before + after, which: which}
	if after != "" || !brackets && !isSection(p.section) {
		p.section, p.key = cutLast(p.section)
	}
	switch one := chosen(before); {
	case brackets && chosenBy[before] == "" && sectionCalled(before) != "":
		return KeyPath{}, fmt.Errorf("did you mean %s?", sectionCalled(before)+strings.TrimPrefix(text, before))
	case brackets && chosenBy[before] == "":
		return KeyPath{}, fmt.Errorf("there is but one section %s: leave out [%s]", before, which)
	case before == "totem.interface" && brackets:
		if n, err := strconv.ParseUint(which, 10, 8); err != nil || strconv.FormatUint(n, 10) != which {
			return KeyPath{}, fmt.Errorf("%q is not the number of a link", which)
		}
	case !brackets && one != "" && p.section != one && !isSection(p.section):
		// As corosync-cmapctl prints it: nodelist.node.0.name, which is a place in the list and no id.
		name, rest, _ := strings.Cut(text[len(one)+1:], ".")
		if one == "nodelist.node" {
			name = "NAME"
		}
		return KeyPath{}, fmt.Errorf("a section is chosen in brackets, by %s: %s", chosenBy[one], KeyPath{section: one, which: name, key: rest})
	}
	return p, nil
}

// String returns what ParsePath reads.
func (p KeyPath) String() string {
	section := p.section
	if one := chosen(section); p.which != "" {
		section = one + "[" + p.which + "]" + section[len(one):]
	}
	if p.key == "" {
		return section
	}
	return join(section, p.key)
}

// Name returns the name of the key; empty for a section.
func (p KeyPath) Name() string { return p.key }

// Section returns the path of the section that the key is in, of a section
// itself.
func (p KeyPath) Section() KeyPath { return KeyPath{section: p.section, which: p.which} }

// Key returns the row for the key in the table of keys.
func (p KeyPath) Key() (Key, bool) { return LookupKey(p.section, p.key) }

// Check says what keeps a value from being set, by the table of keys: a key
// that it does not have, with the one that was probably meant, or a value that
// the key does not take in the release. File.Set itself refuses only what
// corosync's parser refuses.
func (p KeyPath) Check(value string, r Release) error {
	if p.key == "" {
		return fmt.Errorf("%s is a section: name a key in it", p)
	}
	k, ok := p.Key()
	if !ok {
		return p.unknown()
	}
	if p.section == "totem.interface" && p.which != "" {
		number, _ := LookupKey(p.section, "linknumber")
		if want := number.refuses(p.which, r); want != "" {
			return fmt.Errorf("the number of a link is %s, not %s", want, p.which)
		}
	}
	if want := k.refuses(value, r); want != "" {
		return fmt.Errorf("%s takes %s, not %q", p, want, value)
	}
	return nil
}

// linkLike are keys by which the address of a node on a link may be meant.
var linkLike = regexp.MustCompile(`^(?:ring|link)([0-7])(?:_?addr)?$`)

// unknown says that the table of keys does not have p, and what it has instead.
func (p KeyPath) unknown() error {
	var paths []string
	elsewhere := ""
	for _, k := range keys {
		path := join(k.Section, k.Name)
		if before, after, any := strings.Cut(path, "*"); any && k.Section == "nodelist.node" {
			for link := range maxLinks {
				paths = append(paths, before+strconv.Itoa(link)+after)
			}
			continue
		}
		if within := strings.HasPrefix(path, p.section+"."); k.Name == p.key && (elsewhere == "" || within) {
			elsewhere = path
		}
		paths = append(paths, path)
	}
	meant := likely(join(p.section, p.key), paths)
	if link := linkLike.FindStringSubmatch(p.key); link != nil && p.section == "nodelist.node" {
		meant = p.section + ".ring" + link[1] + "_addr"
	}
	if meant == "" {
		meant = elsewhere
	}
	if meant == "" {
		return fmt.Errorf("%s is not one of corosync's keys", p)
	}
	like := KeyPath{}
	like.section, like.key = cutLast(meant)
	if one := chosen(like.section); one != "" {
		like.which = p.which
		if one != chosen(p.section) || like.which == "" {
			like.which = "..."
		}
	}
	return fmt.Errorf("%s is not one of corosync's keys: did you mean %s?", p, like)
}
