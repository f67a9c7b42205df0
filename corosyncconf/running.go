package corosyncconf

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Running returns the configuration that corosync of the release runs by, as a
// file, from the keys of its database and their values, as corosync-cmapctl prints
// them. Left out are users and programs (uidgid and resources), which the database
// has in another form, and what corosync adds by itself.
//
// A reload puts some keys there without doing what they say: of those for which
// Compare names a restart, corosync may run by another value.
func Running(db map[string]string, r Release) *File {
	top := &branch{}
	nodes := slices.ContainsFunc(slices.Collect(maps.Keys(db)), isNodeAddr)
	for _, key := range slices.SortedFunc(maps.Keys(db), byParts) {
		parts := strings.Split(key, ".")
		last := len(parts) - 1
		ofLink := strings.HasPrefix(key, "totem.interface.")
		switch {
		case last == 0 || !slices.Contains([]string{"totem", "nodelist", "quorum", "logging", "system"}, parts[0]):
			continue
		case key == "nodelist.local_node_pos" || key == "quorum.cancel_wait_for_all":
			continue
		case ofLink && parts[last] == "bindnetaddr" && nodes: // this node's address (totemconfig.c:config_convert_nodelist_to_interface)
			continue
		case ofLink && (parts[last] == "mcastaddr" || parts[last] == "mcastport") && db["totem.transport"] == "udp": // may be made (totem_config_read)
			continue
		}
		b, path := top, ""
		for i := 0; i < last; i++ {
			name := parts[i]
			path = join(path, name)
			if by := numberedBy[path]; by != "" && i+1 < last { // interface.1.KEY
				i++
				b = b.sub(name, parts[i])
				if by == "linknumber" {
					by = itemKey(r)
				}
				if by != "-" && b.keys == nil {
					b.keys = append(b.keys, by+": "+parts[i])
				}
				continue
			}
			b = b.sub(name, "")
		}
		if value := db[key]; !strings.ContainsAny(value, "{\r\n\x00") { // no file could say so
			b.keys = append(b.keys, parts[last]+": "+value)
		}
	}
	var text strings.Builder
	top.write(&text)
	f, _ := Parse("what runs", []byte(text.String()))
	return f
}

// numberedBy has the sections of which the database numbers or names several, and
// the key that says so in a file; nodes are in the order of theirs.
var numberedBy = map[string]string{"totem.interface": "linknumber", "nodelist.node": "-", "logging.logger_subsys": "subsys"}

func isNodeAddr(key string) bool {
	rest, ok := strings.CutPrefix(key, "nodelist.node.")
	_, name, _ := strings.Cut(rest, ".")
	_, isLink := linkOf(name)
	return ok && isLink
}

// byParts orders keys by their parts, numbers as numbers.
func byParts(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(a, b string) int {
		m, errA := strconv.Atoi(a)
		n, errB := strconv.Atoi(b)
		if errA == nil && errB == nil {
			return m - n
		}
		return strings.Compare(a, b)
	})
}

// branch is a section that is to be written.
type branch struct {
	keys  []string // "key: value"
	names []string // of the sections in it, in order
	items []string
	subs  []*branch
}

// sub returns the section of that name and item, which it adds.
func (b *branch) sub(name, item string) *branch {
	for i, sub := range b.subs {
		if b.names[i] == name && b.items[i] == item {
			return sub
		}
	}
	s := &branch{}
	b.names, b.items, b.subs = append(b.names, name), append(b.items, item), append(b.subs, s)
	return s
}

func (b *branch) write(to *strings.Builder) {
	for _, key := range b.keys {
		to.WriteString(key + "\n")
	}
	for i, sub := range b.subs {
		to.WriteString(b.names[i] + " {\n")
		sub.write(to)
		to.WriteString("}\n")
	}
}
