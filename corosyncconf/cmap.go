package corosyncconf

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
)

// cmap is corosync's database of settings as the parser leaves it (coroparse.c:
// main_config_parser_cb). All that follows goes by it, not by the file.
type cmap struct {
	values map[string]setting
	keys   []string // all of them, in the order in which corosync goes over them
}

// setting is a value in a cmap. To corosync one that is not of the type that
// it looks for is not there.
type setting struct {
	text   string
	number bool
	n      uint64 // negative numbers wrap
	line   *line  // in the file that was parsed
	vague  bool   // an address that depends on which node the target is
}

// str returns the text that is set for a key.
func (m *cmap) str(key string) (setting, bool) {
	s, ok := m.values[key]
	return s, ok && !s.number
}

// number returns the number that is set for a key.
func (m *cmap) number(key string) (setting, bool) {
	s, ok := m.values[key]
	return s, ok && s.number
}

// under yields the keys that begin with the prefix, in order.
func (m *cmap) under(prefix string) iter.Seq[string] {
	return func(yield func(string) bool) {
		i, _ := slices.BinarySearch(m.keys, prefix)
		for _, key := range m.keys[i:] {
			if !strings.HasPrefix(key, prefix) || !yield(key) {
				return
			}
		}
	}
}

// set changes what is set, or adds it.
func (m *cmap) set(key string, s setting) {
	if _, ok := m.values[key]; !ok {
		i, _ := slices.BinarySearch(m.keys, key)
		m.keys = slices.Insert(m.keys, i, key)
	}
	m.values[key] = s
}

// db returns the database that corosync makes of the file.
func (c *checker) db() *cmap {
	if c.stored == nil {
		c.stored = c.read.cmap(c.target.Release)
	}
	return c.stored
}

// cmap returns the database that the release makes of f, which its parser
// reads as it stands. Values that the parser refuses are left out.
func (f *File) cmap(r Release) *cmap {
	b := cmapBuilder{cmap: &cmap{values: map[string]setting{}}, release: r}
	b.section(f.root)
	b.keys = slices.Sorted(maps.Keys(b.values))
	return b.cmap
}

type cmapBuilder struct {
	*cmap
	release Release
	node    int       // the number of the next node section
	held    []held    // of the interface, logger_subsys or logging_daemon section
	members []setting // of the interface section
}

// held is a setting that is stored at the end of its section.
type held struct {
	key string
	setting
}

func (b *cmapBuilder) section(s *Section) {
	switch s.path {
	case "totem.interface", "logging.logger_subsys", "logging.logging_daemon":
		b.held, b.members = nil, nil
	case "nodelist":
		b.node = 0
	}
	for l := range s.body() {
		switch {
		case l.section != nil && !l.section.lost:
			b.section(l.section)
		case l.kind == option:
			b.option(s, l)
		}
	}
	switch s.path {
	case "totem.interface":
		b.endInterface()
	case "logging.logger_subsys":
		b.endLogging("corosync")
	case "logging.logging_daemon":
		name, _ := b.heldText("name")
		b.endLogging(name)
	case "nodelist.node":
		b.node++
	}
}

func (b *cmapBuilder) option(s *Section, l *line) {
	key := l.keyText()
	v, ok := b.value(s, l)
	if !ok {
		return
	}
	path := join(s.path, key)
	switch s.rules {
	case "uidgid": // stored by number
	case "totem.interface.member":
		b.members = append(b.members, v)
	case "totem.interface":
		k, known := LookupKey(s.path, key)
		switch {
		case s.path == s.rules && v.number && v.n > math.MaxInt32: // kept in an int, and taken for not set if it is negative
		case s.path == s.rules && known && k.KnownIn(b.release):
			b.held = append(b.held, held{key, v})
		default:
			b.put(v, "%s", path)
		}
	case "logging.logger_subsys", "logging.logging_daemon":
		b.held = append(b.held, held{path[len(s.rules)+1:], v})
	case "nodelist.node":
		b.put(v, "nodelist.node.%d.%s", b.node, path[len(s.rules)+1:])
	default:
		b.put(v, "%s", path)
	}
}

// value returns what a line sets; it is not ok if the parser refuses it.
func (b *cmapBuilder) value(s *Section, l *line) (v setting, ok bool) {
	v = setting{text: l.valueText(), line: l}
	r := s.asked[l.keyText()]
	if k, known := LookupKey(s.path, l.keyText()); known && b.release < V31 {
		r = k.parsed
		if b.release == V24 {
			r = k.parsed24()
		}
	}
	switch {
	case r == nil:
		return v, true
	case !r.ok(v.text):
		return v, false
	}
	switch r {
	case &u8, &u16, &u32, &i32, &u64, &dscp:
		v.number = true
		if n, ok := parseUnsigned(v.text); ok {
			v.n = n
		}
	}
	return v, true
}

// put stores a value under a key that is made of parts; too long a key is cut.
func (b *cmapBuilder) put(v setting, format string, parts ...any) {
	key := fmt.Sprintf(format, parts...)
	if key = key[:min(len(key), maxName-1)]; checkName(key) == "" { // 2.4 passes over what it cannot store
		b.values[key] = v
	}
}

func (b *cmapBuilder) heldText(key string) (text string, ok bool) {
	for _, h := range b.held {
		if h.key == key {
			text, ok = h.text, true
		}
	}
	return text, ok
}

func (b *cmapBuilder) endInterface() {
	link := uint64(0)
	for _, h := range b.held {
		if h.key == "linknumber" || h.key == "ringnumber" {
			link, _ = parseUnsigned(h.text)
		}
	}
	for _, h := range b.held {
		if h.key != "linknumber" && h.key != "ringnumber" {
			b.put(h.setting, "totem.interface.%d.%s", link, h.key)
		}
	}
	slices.Reverse(b.members)
	for i, v := range b.members {
		b.put(v, "totem.interface.%d.member.%d", link, i)
	}
}

// endLogging stores what a section says of a daemon, or of a part of it. What
// is said of corosync itself is about all logging.
func (b *cmapBuilder) endLogging(daemon string) {
	prefix := "logging."
	subsys, part := b.heldText("subsys")
	switch {
	case daemon == "corosync" && part:
		prefix = "logging.logger_subsys." + subsys + "."
	case daemon != "corosync" && part:
		prefix = "logging.logging_daemon." + daemon + "." + subsys + "."
	case daemon != "corosync":
		prefix = "logging.logging_daemon." + daemon + "."
	}
	slices.Reverse(b.held) // the first of two lines counts
	for _, h := range b.held {
		b.put(h.setting, "%s%s", prefix, h.key)
	}
}
