package corosyncconf

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Setting is a key of a file with the value that counts.
type Setting struct {
	Path KeyPath
	Option
}

// Settings returns all keys of the file with the value that counts, by line.
// For a key of which every line counts (uid, gid and memberaddr) there is one
// for each.
func (f *File) Settings() []Setting {
	return f.pick(func(place, string) bool { return true })
}

// Get returns what Settings has of the key, or of the section with those in it;
// nothing if it is not set. It fails if the nodelist has no such node, and if
// several sections could be meant.
func (f *File) Get(p KeyPath) ([]Setting, error) {
	p = f.orSection(p)
	at, parts, err := f.find(p)
	if err != nil || parts == nil {
		return nil, err
	}
	return f.pick(func(where place, key string) bool {
		switch {
		case p.key != "":
			return where == at && key == p.key
		case at.which != "" && where.which != at.which:
			return false
		}
		return where.path == at.path || strings.HasPrefix(where.path, at.path+".")
	}), nil
}

// Paths returns the paths of the keys that could be set: those that the release
// has in all sections of which there is but one, and in those of several that f
// has or that are in also, and the keys that f sets besides.
func (f *File) Paths(r Release, also ...KeyPath) []KeyPath {
	var all []KeyPath
	seen := map[KeyPath]bool{}
	add := func(p KeyPath) {
		if !seen[p] {
			seen[p] = true
			all = append(all, p)
		}
	}
	labels := f.nodeLabels()
	there := map[string][]string{}
	for _, s := range f.places() {
		if chosenBy[s.path] != "" {
			there[s.path] = append(there[s.path], s.named(labels, "").which)
		}
	}
	for _, p := range also {
		if one := chosen(p.section); one != "" && !slices.Contains(there[one], p.which) {
			there[one] = append(there[one], p.which)
		}
	}
	for _, k := range keys {
		if !k.KnownIn(r) {
			continue
		}
		names := []string{k.Name}
		if before, after, any := strings.Cut(k.Name, "*"); any {
			names = nil
			for link := range maxLinks {
				if name := before + strconv.Itoa(link) + after; k.Section == "nodelist.node" {
					names = append(names, name)
				}
			}
		}
		whiches := []string{""}
		if one := chosen(k.Section); one != "" {
			whiches = there[one]
		}
		for _, which := range whiches {
			for _, name := range names {
				add(KeyPath{k.Section, which, name})
			}
		}
	}
	for _, s := range f.Settings() {
		add(s.Path)
	}
	return all
}

func (f *File) pick(wanted func(where place, key string) bool) []Setting {
	var found []Setting
	labels := f.nodeLabels()
	for _, s := range f.settled() {
		l := s.line
		if wanted(s.place, l.keyText()) {
			found = append(found, Setting{s.named(labels, l.keyText()), l.option()})
		}
	}
	return found
}

// place is where a section belongs. To corosync, sections of one place are one.
type place struct {
	path  string
	which string // one of several; of a node its index
}

// named returns the path of a key, or of the section itself.
func (at place) named(nodes []string, key string) KeyPath {
	p := KeyPath{at.path, at.which, key}
	if i, err := strconv.Atoi(at.which); err == nil && chosen(at.path) == "nodelist.node" {
		p.which = nodes[i]
	}
	return p
}

// placed is a section and where it belongs.
type placed struct {
	place
	section *Section
}

// places returns every section whose meaning is known, in file order, the root
// first.
func (f *File) places() []placed {
	index := map[*Section]int{}
	for i, parts := range f.nodes() {
		for _, s := range parts {
			index[s] = i
		}
	}
	all := []placed{{section: f.root}}
	of := map[*Section]place{}
	for _, l := range f.lines {
		s := l.section
		if s == nil || s.lost {
			continue
		}
		at := of[s.parent]
		at.path = join(at.path, s.Name())
		switch s.path {
		case "totem.interface":
			at.which = strconv.Itoa(merge([]*Section{s}).link())
		case "nodelist.node":
			at.which = strconv.Itoa(index[s])
		case "logging.logger_subsys":
			at.which, _ = s.Get("subsys")
		case "logging.logging_daemon":
			at = daemonPlace(s)
		}
		of[s] = at
		all = append(all, placed{at, s})
	}
	return all
}

// daemonPlace returns where a logging.logging_daemon belongs. One for corosync
// itself is the same as the section logging or a logger_subsys (coroparse.c).
func daemonPlace(s *Section) place {
	name, _ := s.Get("name")
	subsys, ok := s.Get("subsys")
	switch {
	case name == "corosync" && ok:
		return place{"logging.logger_subsys", subsys}
	case name == "corosync":
		return place{path: "logging"}
	case ok:
		name += "." + subsys
	}
	return place{s.path, name}
}

// settled is a line that counts.
type settled struct {
	placed
	line *line
	at   int // the number of the line with which corosync stores it
}

// isList reports whether every line for a key counts.
func isList(section string) bool { return section == "uidgid" || section == "totem.interface.member" }

// settled returns the lines that count, in file order.
func (f *File) settled() []settled {
	type id struct {
		place
		key string
	}
	var all []settled
	index := map[id]int{}
	for _, s := range f.places() {
		for l := range s.section.body() {
			if l.kind != option || l.keyText() == "name" && s.section.path == "logging.logging_daemon" && s.path != s.section.path {
				continue // the name only says that corosync itself is meant
			}
			this := settled{s, l, l.num}
			if s.section.firstCounts(l.keyText()) {
				this.at = s.section.after()
			}
			i, had := index[id{s.place, l.keyText()}]
			switch {
			case !had || isList(s.path):
				index[id{s.place, l.keyText()}] = len(all)
				all = append(all, this)
			case this.at > all[i].at:
				all[i] = this
			}
		}
	}
	slices.SortFunc(all, func(a, b settled) int { return a.line.num - b.line.num })
	return all
}

// settledAt returns the lines that count for a key: one, or none, or those of a list.
func (f *File) settledAt(at place, key string) []settled {
	return slices.DeleteFunc(f.settled(), func(s settled) bool { return s.place != at || s.line.keyText() != key })
}

// find returns the sections that p is about, or that its key is in, in file
// order; none if they are not there. It fails if the nodelist has no such node,
// and if p could be about several.
func (f *File) find(p KeyPath) (at place, parts []*Section, err error) {
	wanted := []string{p.which}
	if chosen(p.section) == "nodelist.node" && p.which != "" {
		if wanted, err = f.findNodes(p.which); err != nil {
			return at, nil, err
		}
	}
	var found []place
	for _, s := range f.places() {
		if s.path != p.section || p.which != "" && !slices.Contains(wanted, s.which) {
			continue
		}
		if !slices.Contains(found, s.place) {
			found = append(found, s.place)
		}
		parts = append(parts, s.section)
	}
	if len(found) > 1 {
		labels := f.nodeLabels()
		var names []string
		for _, at := range found {
			names = append(names, at.named(labels, p.key).String())
		}
		return at, nil, fmt.Errorf("which one? It could be %s", few(names, "or"))
	}
	if len(found) == 1 {
		at = found[0]
	}
	return at, parts, nil
}

// findNodes returns the indexes, as in place.which, of the nodes that are called
// so. There is at least one if there is no error.
func (f *File) findNodes(which string) ([]string, error) {
	var found []string
	for i, names := range f.nodeNames() {
		if slices.Contains(names, which) {
			found = append(found, strconv.Itoa(i))
		}
	}
	if found != nil {
		return found, nil
	}
	labels := f.nodeLabels()
	if len(labels) == 0 {
		return nil, errNoNode{which, "it is empty"}
	}
	if meant := likely(which, labels); meant != "" {
		return nil, errNoNode{which, "did you mean " + meant + "?"}
	}
	return nil, errNoNode{which, "it has " + few(labels, "and")}
}

// ErrNoNode is that the nodelist does not have the node that a path is about.
var ErrNoNode = errors.New("no such node")

// errNoNode is ErrNoNode, with the node.
type errNoNode struct{ node, instead string }

func (e errNoNode) Error() string {
	return fmt.Sprintf("no node %s in the nodelist: %s", e.node, e.instead)
}

// Is reports whether err is ErrNoNode.
func (e errNoNode) Is(err error) bool { return err == ErrNoNode }

// nodeNames returns what each node can be called, by index: name and id, and
// without a name also its address.
func (f *File) nodeNames() [][]string {
	var all [][]string
	for i, parts := range f.nodes() {
		n := merge(parts).node(i)
		var names []string
		if n.ID > 0 {
			names = []string{strconv.FormatUint(uint64(n.ID), 10)}
		}
		switch label := n.Label(); {
		case slices.Contains(names, label):
		case n.Name != "":
			names = append([]string{label}, names...)
		default:
			names = append(names, label)
		}
		all = append(all, names)
	}
	return all
}

// nodeLabels returns what to call each node, by index: the first of its names
// that no other node has.
func (f *File) nodeLabels() []string {
	names := f.nodeNames()
	bearers := map[string]int{}
	for _, of := range names {
		for _, name := range of {
			bearers[name]++
		}
	}
	labels := make([]string, len(names))
	for i, of := range names {
		labels[i] = of[0]
		for _, name := range of {
			if name != "" && bearers[name] == 1 {
				labels[i] = name
				break
			}
		}
	}
	return labels
}

// few joins names, of which it leaves out what no one would read.
func few(names []string, word string) string {
	const most = 6
	last := len(names) - 1
	switch {
	case last == 0:
		return names[0]
	case last >= most:
		return fmt.Sprintf("%s %s %d more", strings.Join(names[:most], ", "), word, len(names)-most)
	}
	return strings.Join(names[:last], ", ") + " " + word + " " + names[last]
}

// orSection returns p, or the section that it must be, since the file has no
// such key.
func (f *File) orSection(p KeyPath) KeyPath {
	if _, known := p.Key(); known || p.key == "" {
		return p
	}
	section := KeyPath{join(p.section, p.key), p.which, ""}
	if at, parts, _ := f.find(p); parts != nil && len(f.settledAt(at, p.key)) > 0 {
		return p
	}
	if _, parts, err := f.find(section); parts == nil && err == nil {
		return p
	}
	return section
}
