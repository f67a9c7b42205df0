package quorum

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Cmap holds keys of corosync's runtime database with their values.
type Cmap map[string]Value

// Value is the value of a key as it is printed.
type Value struct {
	Type string // i8 u8 i16 u16 i32 u32 i64 u64 flt dbl str bin
	Text string // a str is verbatim, blanks at its end included; a bin is empty without -b
}

// bits are the widths of the integer types.
var bits = map[string]int{"8": 8, "16": 16, "32": 32, "64": 64}

// ParseCmap reads the standard output of `corosync-cmapctl [PREFIX...]`: lines
// `key (type) = value`. No output is an empty Cmap, as when no key matches.
//
// Source: print_key in tools/corosync-cmapctl.c.
func ParseCmap(out []byte) (Cmap, error) {
	c := Cmap{}
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		key, v, err := parseKey(line)
		if err != nil {
			return nil, fmt.Errorf("parse corosync-cmapctl output: line %q: %w", line, err)
		}
		c[key] = v
	}
	return c, nil
}

func parseKey(line string) (string, Value, error) {
	key, rest, _ := strings.Cut(line, " (")
	kind, text, ok := strings.Cut(rest, ")")
	if !ok || key == "" {
		return "", Value{}, errors.New("not a key with a type")
	}
	text, hasValue := strings.CutPrefix(text, " = ")
	if !hasValue && (kind != "bin" || text != "") {
		return "", Value{}, errors.New("no value")
	}
	var err error
	switch {
	case kind == "str", kind == "bin", kind == "flt", kind == "dbl":
	case strings.HasPrefix(kind, "u") && bits[kind[1:]] > 0:
		_, err = strconv.ParseUint(text, 10, bits[kind[1:]])
	case strings.HasPrefix(kind, "i") && bits[kind[1:]] > 0:
		_, err = strconv.ParseInt(text, 10, bits[kind[1:]])
	default:
		err = fmt.Errorf("unknown type %q", kind)
	}
	return key, Value{Type: kind, Text: text}, err
}

// Uint is the value of an integer key; false when the key is missing, not an
// integer, or negative.
func (c Cmap) Uint(key string) (uint64, bool) {
	v := c[key]
	if v.Type == "" || bits[v.Type[1:]] == 0 {
		return 0, false
	}
	n, err := strconv.ParseUint(v.Text, 10, 64)
	return n, err == nil
}

// Str is the value of a string key; false when the key is missing or not a string.
func (c Cmap) Str(key string) (string, bool) {
	v := c[key]
	return v.Text, v.Type == "str"
}

// memberPrefixes are where members are found: 3.x, and 2.4.
var memberPrefixes = []string{"runtime.members.", "runtime.totem.pg.mrp.srp.members."}

// Members are the node ids of the partition's members, in order.
func (c Cmap) Members() []uint32 {
	return slices.Sorted(maps.Keys(c.members()))
}

// MemberVersions is the config_version that each member runs, by node id; 0 for
// a member whose file has none. Nodes that have left are not in it, though
// corosync keeps what they last ran.
func (c Cmap) MemberVersions() map[uint32]uint64 {
	versions := map[uint32]uint64{}
	for id, prefix := range c.members() {
		if v, ok := c.Uint(prefix + "config_version"); ok {
			versions[id] = v
		}
	}
	return versions
}

// members are the prefixes of the members' keys, by node id.
func (c Cmap) members() map[uint32]string {
	found := map[uint32]string{}
	for key, v := range c {
		for _, prefix := range memberPrefixes {
			id, ok := strings.CutPrefix(key, prefix)
			id, isStatus := strings.CutSuffix(id, ".status")
			n, err := strconv.ParseUint(id, 10, 32)
			if ok && isStatus && err == nil && v.Text == "joined" {
				found[uint32(n)] = prefix + id + "."
			}
		}
	}
	return found
}
