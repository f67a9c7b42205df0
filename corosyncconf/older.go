package corosyncconf

import (
	"bytes"
	"fmt"
	"strings"
)

// syntaxOlder reports what the parser of a corosync from 3.0 to 3.1.9 refuses.
func (c *checker) syntaxOlder() {
	plain, num := plainOlder(c.file.Bytes(), c.version)
	f, errs := parse(c.file.name, []byte(plain))
	c.read, c.num = f, num
	different := map[int]bool{} // lines with a rule of their own
	for _, l := range f.lines {
		s := l.section
		if s == nil || s.lost {
			continue
		}
		for _, o := range s.Options() {
			path := join(s.path, o.Key)
			r, ok := olderRule(path, c.version)
			if !ok {
				continue
			}
			different[o.Line] = true
			if r != nil && !r.ok(o.Value) {
				msg := fmt.Sprintf("value of key %q is expected to be %s, but %q was given", path, r.want, o.Value)
				c.report(CodeBadValue, ByParser, c.line(f.lines[o.Line-1]), msg, syntaxRemedies[CodeBadValue])
			}
		}
	}
	for _, e := range errs {
		if e.Code == CodeBadValue && different[e.Line] {
			continue
		}
		l := f.lines[e.Line-1]
		if l.raw == inLogging {
			c.report(CodeNotAllowed, ByParser, c.line(l), "a section in logger_subsys or logging_daemon, with which corosync before 3.1.10 ends or crashes",
				syntaxRemedies[CodeNotAllowed])
			continue
		}
		c.reportAt(e.Code, ByParser, c.line(l), e.Col, e.Msg, syntaxRemedies[e.Code])
	}
}

// olderRule returns what the parser of a version from 3.0 to 3.1.9 asks of the
// value of a key (nil is nothing), if that is not what 3.1.10 does.
func olderRule(path string, v version) (r *rule, ok bool) {
	switch path {
	case "totem.ip_dscp":
		return nil, true
	case "totem.knet_mtu":
		return nil, v.before(version{3, 1, 7})
	case "totem.knet_compression_model":
		return nil, v.before(version{3, 1, 3})
	case "system.allow_knet_handle_fallback":
		return nil, v.before(version{3, 1, 1})
	case "system.move_to_root_cgroup":
		return ptr(oneOf("yes", "no")), v.before(version{3, 1, 5})
	case "totem.crypto_model":
		if v.before(version{3, 0, 2}) {
			return nil, true
		}
		return ptr(oneOf("nss", "openssl")), v.before(version{3, 1, 3})
	case "totem.crypto_cipher":
		return ptr(oneOf("none", "aes256", "aes192", "aes128", "3des")), v.before(version{3, 0, 2})
	case "totem.rrp_problem_count_timeout", "totem.rrp_problem_count_threshold", "totem.rrp_problem_count_mcast_threshold",
		"totem.rrp_token_expired_timeout", "totem.rrp_autorecovery_check_timeout":
		return &u32, true
	}
	return nil, false
}

// inLogging stands for what no version takes.
const inLogging = "a section in logging"

// plainOlder returns the file as a corosync from 3.0 to 3.1.9 understands it,
// in lines that 3.1.10 understands in the same way, and of which line of the
// file each is made.
//
// There are three differences (coroparse.c). Up to 3.1.7 the byte 0xA0 is no
// white space. A key may be empty. A section within node, interface, uidgid or
// member is more of the same: its keys are theirs, and its end counts as theirs.
func plainOlder(data []byte, v version) (text string, num []int) {
	if v.before(version{3, 1, 8}) {
		data = bytes.ReplaceAll(data, []byte{0xA0}, []byte{0xA1}) // which is neither
	}
	f, _ := parse("", data)
	var b strings.Builder
	var open []*Section
	link := ""
	for _, l := range f.lines {
		lines := []string{l.raw}
		switch {
		case l.kind == opening:
			open = append(open, l.section)
			if l.section.path == "totem.interface" {
				link = ""
			}
			if l.section.isMore() {
				lines = []string{""}
			}
		case l.kind == closing && len(open) > 0:
			s := open[len(open)-1]
			open = open[:len(open)-1]
			if s.isMore() {
				lines = s.endMore(link)
			}
		case l.kind == option && l.keyText() == "linknumber":
			link = l.raw
		case l.kind == junk && len(open) > 0 && strings.HasPrefix(l.raw[len(l.indent()):], ":"):
			lines = []string{"_" + l.raw[len(l.indent()):]}
		}
		for _, text := range lines {
			b.WriteString(text)
			b.WriteString(l.eol)
			num = append(num, l.num)
		}
	}
	return b.String(), num
}

// isMore reports whether s is one of those that are more of the same.
func (s *Section) isMore() bool {
	if s.path == s.rules {
		return false
	}
	switch s.rules {
	case "nodelist.node", "totem.interface", "uidgid", "totem.interface.member", "logging.logger_subsys", "logging.logging_daemon":
		return true
	}
	return false
}

// endMore returns what the end of s does, link being the line that says which
// link an interface section is about.
func (s *Section) endMore(link string) []string {
	around := s.parent
	for around.isMore() {
		around = around.parent
	}
	switch s.rules {
	case "nodelist.node":
		return []string{"}", around.Name() + " {"}
	case "totem.interface":
		return []string{"}", around.Name() + " {", link}
	case "uidgid", "totem.interface.member":
		return []string{""}
	}
	return []string{inLogging}
}
