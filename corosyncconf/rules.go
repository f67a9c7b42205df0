package corosyncconf

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Limits of a key's full name in cmap, which is its section's path, a dot and
// the key (corosync's icmap.h).
const (
	minName = 3
	maxName = 255
)

// rule is what corosync's parser asks of a value.
type rule struct {
	want string
	ok   func(string) bool
}

// refusal is what the parser says of a value that it does not take.
func (r *rule) refusal(path, value string) string {
	return fmt.Sprintf("value of key %q is expected to be %s, but %q was given", path, r.want, value)
}

var (
	u8  = within(0, math.MaxUint8)
	u16 = within(0, math.MaxUint16)
	u32 = within(0, math.MaxUint32)
	i32 = within(math.MinInt32, math.MaxInt32)
	u64 = rule{"unsigned integer", func(s string) bool { _, ok := parseUnsigned(s); return ok }}

	dscp = rule{"number (0..63) or symbolical dscp value", isDSCP}
)

// The models are those of any build of libknet. corosync asks the one it is
// linked with, so a node may know fewer.
var (
	cryptoModels   = []string{"nss", "openssl", "gcrypt"}
	compressModels = []string{"zlib", "lz4", "lz4hc", "lzo2", "lzma", "bzip2", "zstd"}
)

// rules has the keys whose values corosync 3.1.10 checks while it parses
// (coroparse.c:main_config_parser_cb), by the path of their section.
// Its other paths are listed too: a section whose path is not here is parsed
// under the rules of the section around it. In all others, values are free text.
var rules = parserRules()

func parserRules() map[string]map[string]*rule {
	all := map[string]map[string]*rule{
		"quorum": {}, "quorum.device": {}, "totem": {"nodeid": &u32}, "totem.interface": {}, "totem.interface.member": {},
		"system": {}, "nodelist": {}, "nodelist.node": {}, "logging.logger_subsys": {}, "logging.logging_daemon": {},
		"uidgid": {}, "resources": {}, "resources.system.memory_used": {}, "resources.process.memory_used": {},
		// These two are looked for at any depth.
		"resources.system": {"poll_period": &u64}, "resources.process": {"poll_period": &u64},
	}
	for _, k := range keys {
		if m := all[k.Section]; m != nil && k.parsed != nil && k.Until == 0 {
			m[k.Name] = k.parsed
		}
	}
	return all
}

func within(lo, hi int64) rule {
	return rule{
		want: fmt.Sprintf("integer in range (%d..%d)", lo, hi),
		ok: func(s string) bool {
			n, ok := parseInteger(s)
			return ok && lo <= n && n <= hi
		},
	}
}

func oneOf(values ...string) rule {
	last := len(values) - 1
	return rule{
		want: strings.Join(values[:last], ", ") + " or " + values[last],
		ok:   func(s string) bool { return slices.Contains(values, s) },
	}
}

// cSpace is what strtoll skips before a number.
const cSpace = " \t\n\v\f\r"

// parseInteger reads s as strtoll does in base 10, all of it.
func parseInteger(s string) (int64, bool) {
	if s != "" && s[0] <= ' ' {
		s = strings.TrimLeft(s, cSpace)
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// parseUnsigned reads s as strtoull does in base 10, all of it; a negative
// number wraps.
func parseUnsigned(s string) (uint64, bool) {
	s = strings.TrimLeft(s, cSpace)
	digits, negative := strings.CutPrefix(s, "-")
	if !negative {
		digits = strings.TrimPrefix(s, "+")
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if negative {
		n = -n
	}
	return n, err == nil
}

// isDSCP accepts the names, and numbers in decimal, octal or hexadecimal as
// strtol takes them in base 0. Empty is zero.
func isDSCP(s string) bool {
	if s == "" || slices.Contains(dscpNames, s) {
		return true
	}
	if strings.ContainsAny(s, "_bBoO") { // Go's own additions to base 0
		return false
	}
	n, err := strconv.ParseInt(strings.TrimLeft(s, cSpace), 0, 64)
	return err == nil && 0 <= n && n <= 63
}

// checkName says what is wrong with the name of a key in cmap. Names of more
// than 254 bytes are cut there before they are looked at.
func checkName(name string) string {
	name = name[:min(len(name), maxName-1)]
	if len(name) < minName || !isName(name) {
		return fmt.Sprintf("can't store key %q: its full name must have at least %d characters, and only letters, digits and . _ / : -", name, minName)
	}
	return ""
}

// isName reports whether cmap takes all characters of s.
func isName(s string) bool {
	for i := range len(s) {
		if !inName[s[i]] {
			return false
		}
	}
	return true
}

var inName = func() (is [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/:-") {
		is[c] = true
	}
	return is
}()

// checkSection says why corosync refuses to begin s.
func (s *Section) checkSection() string {
	if s.tooLong() {
		return "start of section makes total cmap path too long"
	}
	if s.rules == "uidgid" && s.path != "uidgid" || s.rules == "totem.interface.member" && s.path != "totem.interface.member" {
		return "subsections are not allowed within " + s.rules + " section"
	}
	return ""
}

// tooLong reports whether the path of s, which is the parent's, a dot and the
// name, is longer than corosync can store; the dot counts even where there is
// none.
func (s *Section) tooLong() bool { return len(s.parent.path)+len(s.Name())+1 >= maxName }

// checkOption says why corosync refuses an option of s.
func (s *Section) checkOption(key, value string) (Code, string) {
	if s.lost {
		return "", ""
	}
	if len(s.path)+len(key)+1 >= maxName {
		return CodeNotAllowed, "new key makes total cmap path too long"
	}
	switch s.rules {
	case "uidgid":
		// User and group names are for the node to look up.
		if key != "uid" && key != "gid" {
			return CodeNotAllowed, "uidgid: only uid and gid are allowed items"
		}
		return "", ""
	case "totem.interface.member":
		if key != "memberaddr" {
			return CodeNotAllowed, "only memberaddr is allowed in member section"
		}
		return "", ""
	}
	if r := s.asked[key]; r != nil && !r.ok(value) {
		return CodeBadValue, r.refusal(join(s.path, key), value)
	}
	if len(key) >= minName && s.named && isName(key) {
		return "", ""
	}
	return CodeKeyName, checkName(join(s.path, key))
}

// checkLabel says what is wrong with a value that becomes part of the names of
// all keys in s.
func (s *Section) checkLabel(key, value string) string {
	switch {
	case s.path == "logging.logger_subsys" && key == "subsys",
		s.path == "logging.logging_daemon" && key == "subsys",
		s.path == "logging.logging_daemon" && key == "name" && value != "corosync":
		return checkName(join(s.path, value) + "." + key)
	}
	return ""
}

// checkEnd says what is wrong with s as a whole, and which of its lines is to
// blame; nil is the closing one.
func (s *Section) checkEnd() (*line, string) {
	switch {
	case s.path == "logging.logger_subsys" && s.last("subsys") == nil:
		return nil, "no subsys key in logger_subsys directive"
	case s.path == "logging.logging_daemon" && s.last("name") == nil:
		return nil, "no name key in logging_daemon directive"
	case s.path != "logging.logger_subsys" && s.path != "logging.logging_daemon":
		return nil, ""
	}
	for _, key := range []string{"name", "subsys"} {
		if l := s.last(key); l != nil {
			if msg := s.checkLabel(key, l.valueText()); msg != "" {
				return l, msg
			}
		}
	}
	return nil, ""
}
