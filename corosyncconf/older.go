package corosyncconf

import (
	"bytes"
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
				msg := r.refusal(path, o.Value)
				c.report(CodeBadValue, ByParser, c.line(f.lines[o.Line-1]), msg, syntaxRemedies[CodeBadValue])
			}
		}
	}
	crashed := 0 // the last line on which it does
	for _, e := range errs {
		l := f.lines[e.Line-1]
		at := c.line(l)
		switch {
		case e.Code == CodeBadValue && different[e.Line], at.num == crashed:
		case l.raw == crash:
			crashed = at.num
			c.crash(at)
		default:
			c.reportAt(e.Code, ByParser, at, e.Col, e.words(), c.remedySyntax(e))
		}
	}
}

func (c *checker) crash(l *line) {
	c.report(CodeCrash, ByParser, l, "the end of a section that has another in it, on which corosync before 3.1.10 crashes", syntaxRemedies[CodeCrash])
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

// These stand for what the older versions crash on, and for what only 2.4 asks.
const (
	crash   = "a crash"
	noRing0 = "no ring0_addr"
)

// plainOlder returns the file as a corosync before 3.1.10 understands it,
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
	o := older{needsRing0: v.before(version{3, 0, 0})}
	for _, l := range f.lines {
		lines := o.line(l)
		if bad[l.num] && l.kind != junk {
			lines = []string{l.raw}
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

// older goes over the lines of a file as a corosync before 3.1.10 does.
type older struct {
	open       []*Section // innermost last
	needsRing0 bool       // each node must have a ring0_addr
	ring0      bool       // the node that is open has
	// Of the interface, logger_subsys or logging_daemon section that is open:
	labelled bool // it has the key without which it cannot end
	frees    bool // its end, or that of one in it, frees what is not used again
	freed    bool // an end has done so
}

// line returns what a line says to it.
func (o *older) line(l *line) (lines []string) {
	switch {
	case l.kind == opening:
		s := l.section
		o.open = append(o.open, s)
		if s.path == "nodelist.node" {
			o.ring0 = false
		}
		switch {
		case s.tooLong():
		case s.isMore():
			return []string{""}
		case s.path == s.rules && (s.inLogging() || s.path == "totem.interface"):
			o.labelled, o.frees, o.freed = false, s.inLogging(), false
		}
	case l.kind == closing && len(o.open) > 0:
		s := o.open[len(o.open)-1]
		o.open = o.open[:len(o.open)-1]
		switch {
		case s.path != s.rules && (s.inLogging() || s.rules == "totem.interface"):
			o.freed = o.freed || o.frees
			if s.inLogging() && !o.labelled {
				lines = append(lines, crash)
			}
		case s.path == s.rules && o.freed:
			o.freed = false
			lines = append(lines, crash)
		case s.rules == "nodelist.node" && o.needsRing0 && !o.ring0:
			lines = append(lines, noRing0)
		}
		if s.isMore() {
			return append(lines, s.endMore()...)
		}
		return append(lines, l.raw)
	case l.kind == option && len(o.open) > 0:
		s, key := o.open[len(o.open)-1], l.keyText()
		o.ring0 = o.ring0 || s.rules == "nodelist.node" && key == "ring0_addr"
		o.frees = o.frees || s.path == "totem.interface" && key == "knet_transport" || s.rules == "totem.interface.member"
		o.labelled = o.labelled || s.rules == "logging.logger_subsys" && key == "subsys" || s.rules == "logging.logging_daemon" && key == "name"
		if s.isMore() && len(s.path)+len(key)+1 >= maxName {
			return []string{strings.Repeat("x", maxName) + ":"} // with the shorter path it would fit
		}
	case l.kind == junk && len(o.open) > 0 && strings.HasPrefix(l.raw[len(l.indent()):], ":"):
		return []string{"_" + l.raw[len(l.indent()):]}
	}
	return []string{l.raw}
}

// isMore reports whether s is one of those that are more of the same.
func (s *Section) isMore() bool {
	if s.path == s.rules {
		return false
	}
	switch s.rules {
	case "nodelist.node", "uidgid", "totem.interface.member":
		return true
	}
	return s.inLogging()
}

// endMore returns what the end of one of those says.
func (s *Section) endMore() []string {
	if s.rules == "uidgid" || s.rules == "totem.interface.member" {
		return []string{""}
	}
	around := s.parent
	for around.isMore() {
		around = around.parent
	}
	return []string{"}", around.Name() + " {"}
}

// inLogging reports whether s is a section about a part of logging, or in one.
func (s *Section) inLogging() bool {
	return s.rules == "logging.logger_subsys" || s.rules == "logging.logging_daemon"
}
