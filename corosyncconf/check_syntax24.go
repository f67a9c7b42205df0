package corosyncconf

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// syntax24 reports what the parser of corosync 2.4.6 (coroparse.c) refuses,
// and as warnings what it swallows: it passes over lines that it cannot make
// out, over what surrounds a closing brace, over keys that it cannot store,
// and it reads long lines in pieces.
func (c *checker) syntax24() {
	lines, of := c.plain24()
	plain, num := plainOlder(lines, c.version)
	for i, n := range num {
		num[i] = of[n-1]
	}
	f, errs := parse(c.file.name, []byte(plain))
	c.read, c.num = f, num
	for _, e := range errs {
		at, raw := c.line(f.lines[e.Line-1]), f.lines[e.Line-1].raw
		switch {
		case e.Code == CodeBadValue: // has rules of its own, below
		case e.Col > maxLine: // its lines may be a byte longer
		case e.Code == CodeKeyName:
			c.swallowed(at, 0, e.Msg)
		case raw == crash:
			c.crash(at)
		case raw == noRing0:
			for _, node := range f.sections("nodelist.node") {
				if node.Line() < e.Line && e.Line <= node.end()+1 {
					at = c.line(node.open)
				}
			}
			c.report(CodeNotAllowed, ByParser, at, "no ring0_addr specified for node", syntaxRemedies[CodeNotAllowed])
		default:
			c.report(e.Code, ByParser, at, e.Msg, c.remedySyntax(e))
		}
	}
	for _, l := range f.lines {
		s := l.section
		if s == nil || s.lost {
			continue
		}
		for _, o := range s.Options() {
			if r := s.rule24(o.Key); r != nil && !r.ok(o.Value) {
				msg := r.refusal(join(s.path, o.Key), o.Value)
				c.report(CodeBadValue, ByParser, c.line(f.lines[o.Line-1]), msg, syntaxRemedies[CodeBadValue])
			}
		}
	}
}

// rule24 returns what 2.4 asks of the value of a key in s; nil is nothing.
func (s *Section) rule24(key string) *rule {
	switch s.rules {
	case "resources.system", "resources.process":
		return nil
	case "resources", "resources.system.memory_used", "resources.process.memory_used":
		return s.asked[key] // these count at any depth
	}
	k, _ := LookupKey(s.path, key)
	return k.parsed24()
}

// piece is the most that corosync 2.4 reads of a line at once, line feed included.
const piece = 511

// plain24 returns the file as corosync 2.4 takes its lines apart, in lines
// that the parser of 3.0 takes apart alike, and of which line of the file each
// is made.
func (c *checker) plain24() (text []byte, num []int) {
	var b bytes.Buffer
	var open []bool // whether it has a name
	for _, l := range c.file.lines {
		rest := l.raw
		if len(rest) >= piece {
			c.swallowed(l, piece+1, fmt.Sprintf("line too long: of %d bytes the first %d are read as one line, the rest as another", len(rest), piece))
		}
		for first := true; first || rest != ""; first = false {
			text := rest[:min(piece, len(rest))]
			rest = rest[len(text):]
			plain := c.plainLine24(l, strings.TrimSuffix(text, "\r"))
			switch {
			case strings.HasSuffix(plain, "{"):
				open = append(open, plain != "{")
				if plain == "{" {
					plain = ". {"
					if !slices.Contains(open, true) {
						plain = "" // all that is in it stands where it stands
					}
				}
			case plain == "}" && len(open) > 0:
				if !slices.Contains(open, true) {
					plain = ""
				}
				open = open[:len(open)-1]
			}
			b.WriteString(plain)
			b.WriteByte('\n')
			num = append(num, l.num)
		}
	}
	return b.Bytes(), num
}

func (c *checker) plainLine24(l *line, text string) string {
	const blanks = " \t"
	if nul := strings.IndexByte(text, 0); nul >= 0 {
		c.swallowed(l, nul+1, "the rest of the line, from a NUL byte on, is passed over")
		text = text[:nul]
	}
	trimmed := strings.Trim(text, blanks)
	switch {
	case trimmed == "" || trimmed[0] == '#':
		return ""
	case strings.Contains(trimmed, "{"):
		return strings.TrimLeft(c.opening24(l, trimmed)+" {", blanks)
	case trimmed[0] == ':' && (len(trimmed) == 1 || !strings.Contains(blanks, trimmed[1:2])):
		c.swallowed(l, 0, "a line without a key is passed over")
		return "_" + trimmed
	case strings.Contains(trimmed, ":"):
		return text
	case strings.Contains(trimmed, "}"):
		if trimmed != "}" {
			c.swallowed(l, 0, fmt.Sprintf("%q closes one section, and the rest of the line is passed over", trimmed))
		}
		return "}"
	}
	c.swallowed(l, 0, fmt.Sprintf("%q is passed over: it is no key, section or brace", trimmed))
	return ""
}

// opening24 returns the name of the section that a line opens. What ends the
// line is cut off first, and then what begins with the byte before the text
// after the brace: if that is a blank, the brace is left in the name.
func (c *checker) opening24(l *line, trimmed string) string {
	const blanks = " \t"
	brace := strings.Index(trimmed, "{")
	after := strings.TrimLeft(trimmed[brace+1:], blanks)
	name := trimmed[:len(trimmed)-len(after)-1]
	if end := strings.TrimRight(trimmed, blanks+":{"); 1 < len(end) && len(end) < len(name) {
		name = end
	}
	meant := strings.TrimRight(trimmed[:brace], blanks+":")
	switch {
	case meant == "":
		c.swallowed(l, 0, "a section without a name")
	case name == meant && after != "":
		c.swallowed(l, strings.Index(l.raw, after)+1, fmt.Sprintf("%q after the opening brace is passed over", after))
	case name != meant && len(meant) > 1:
		c.report(CodeLostSection, Accepted, l, fmt.Sprintf("%q after the opening brace: corosync 2.4 takes this for the section %q, and nothing in it counts", after, name),
			syntaxRemedies[CodeLostSection])
	}
	if name != meant {
		name = "_" + strings.Map(func(r rune) rune {
			if r < 128 && inName[r] {
				return r
			}
			return '_'
		}, name)
	}
	return name
}

func (c *checker) swallowed(l *line, col int, msg string) {
	c.reportAt(CodeSwallowed, Accepted, l, col, msg, syntaxRemedies[CodeSwallowed])
}
