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
		if l.raw == crash {
			c.report(CodeCrash, ByParser, c.line(l), "the end of a section that has another in it, on which corosync before 3.1.10 crashes", syntaxRemedies[CodeCrash])
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

// crash stands for what the older versions crash on.
const crash = "a crash"

// plainOlder returns the file as a corosync from 3.0 to 3.1.9 understands it,
// in lines that 3.1.10 understands in the same way, and of which line of the
// file each is made.
//
// There are three differences (coroparse.c). Up to 3.1.7 the byte 0xA0 is no
// white space. A key may be empty. A section within node, uidgid or member is
// more of the same: its keys are theirs, and its end counts as theirs. With one
// within logger_subsys or logging_daemon they crash, and with one within some
// interface sections.
func plainOlder(data []byte, v version) (text string, num []int) {
	if v.before(version{3, 1, 8}) {
		data = bytes.ReplaceAll(data, []byte{0xA0}, []byte{0xA1}) // which is neither
	}
	f, errs := parse("", data)
	bad := map[int]bool{} // lines that are left as they are
	for _, e := range errs {
		missing := e.Col > len(e.Text) && e.Col <= maxLine // something after it
		bad[e.Line] = bad[e.Line] || e.Code == CodeSyntax && !missing
	}
	var b strings.Builder
	var open []*Section
	// Of the interface, logger_subsys or logging_daemon section:
	labelled := false // it has what its end needs
	frees := false    // an end frees what another would free again
	crashes := false  // it has been freed
	for _, l := range f.lines {
		lines := []string{l.raw}
		switch {
		case l.kind == opening:
			s := l.section
			open = append(open, s)
			switch {
			case bad[l.num] || s.tooLong():
			case s.isMore():
				lines = []string{""}
			case s.path == s.rules && (s.inLogging() || s.path == "totem.interface"):
				labelled, frees, crashes = false, s.inLogging(), false
			}
		case l.kind == closing && len(open) > 0:
			s := open[len(open)-1]
			open = open[:len(open)-1]
			switch {
			case bad[l.num]:
			case s.isMore() && s.inLogging():
				lines = s.endMore()
				if crashes = true; !labelled {
					lines = []string{crash}
				}
			case s.isMore():
				lines = s.endMore()
			case s.rules == "totem.interface" && s.path != s.rules:
				crashes = crashes || frees
			case s.path == s.rules && crashes:
				lines, crashes = []string{crash}, false
			}
		case l.kind == option && len(open) > 0:
			s := open[len(open)-1]
			if s.isMore() && len(s.path)+len(l.keyText())+1 >= maxName {
				lines = []string{strings.Repeat("x", maxName) + ":"} // as it would be too long here
			}
			frees = frees || s.path == "totem.interface" && l.keyText() == "knet_transport" || s.rules == "totem.interface.member"
			labelled = labelled || s.rules == "logging.logger_subsys" && l.keyText() == "subsys" || s.rules == "logging.logging_daemon" && l.keyText() == "name"
		case l.kind == junk && len(open) > 0 && strings.HasPrefix(l.raw[len(l.indent()):], ":"):
			lines = []string{"_" + l.raw[len(l.indent()):]}
		}
		for _, text := range lines {
			b.WriteString(text)
			b.WriteString(l.eol)
			num = append(num, l.num)
		}
	}
	text = b.String()
	return text[:len(text)-f.unended], num
}

// isMore reports whether s is one of those that are more of the same.
func (s *Section) isMore() bool {
	if s.path == s.rules {
		return false
	}
	switch s.rules {
	case "nodelist.node", "uidgid", "totem.interface.member", "logging.logger_subsys", "logging.logging_daemon":
		return true
	}
	return false
}

// endMore returns what the end of s does.
func (s *Section) endMore() []string {
	around := s.parent
	for around.isMore() {
		around = around.parent
	}
	switch s.rules {
	case "uidgid", "totem.interface.member":
		return []string{""}
	}
	return []string{"}", around.Name() + " {"}
}

// inLogging reports whether s is a section about a part of logging, or in one.
func (s *Section) inLogging() bool {
	return s.rules == "logging.logger_subsys" || s.rules == "logging.logging_daemon"
}
