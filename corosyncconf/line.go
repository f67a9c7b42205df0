package corosyncconf

import "fmt"

// maxLine is the most bytes of text, a carriage return included, that fit into
// the 512 byte line buffer of corosync 3 (coroparse.c).
const maxLine = 510

type kind int

const (
	blank kind = iota
	comment
	option  // key: value
	opening // name {
	closing // }
	junk    // what corosync makes nothing of
)

// line is one physical line. Its bytes are raw followed by eol; everything
// else only says where in raw the parts are.
type line struct {
	num     int // its place in File.lines, starting at 1; 0 once it is removed
	raw     string
	eol     string // "\n" or "\r\n"
	kind    kind
	key     span     // of an option; of an opening line the section's name
	value   span     // of an option
	section *Section // that an opening line opens
}

type span struct{ from, to int }

func (l *line) keyText() string   { return l.raw[l.key.from:l.key.to] }
func (l *line) valueText() string { return l.raw[l.value.from:l.value.to] }

// indent returns the blanks the line begins with.
func (l *line) indent() string { return l.raw[:skipBlanks(l.raw, 0)] }

// problem is what is wrong with a line, and the offset in it.
type problem struct {
	at  int
	msg string
}

// isBlank reports whether corosync takes c for white space. The byte 0xA0
// counts since 3.1.8; older versions take it for part of a key.
func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == 0xA0 }

func skipBlanks(s string, from int) int {
	for from < len(s) && isBlank(s[from]) {
		from++
	}
	return from
}

// scan takes the text of a line apart in the order of corosync's
// parse_section: comment, then "{", then ":", then "}".
// The problem is nil if corosync accepts the line by itself.
func (l *line) scan(raw string) *problem {
	l.raw = raw
	start := skipBlanks(raw, 0)
	end := len(raw)
	for end > start && isBlank(raw[end-1]) {
		end--
	}
	if start == end {
		return nil
	}
	text := raw[:end]
	brace, colon, closed, nul := find(text)
	if nul >= 0 {
		// corosync skips the line if this is its first byte, and else says it
		// is too long. Either way it is what a crash leaves, not a configuration.
		l.kind = junk
		return &problem{nul, "line contains a NUL byte"}
	}
	switch {
	case text[start] == '#':
		l.kind = comment
		return nil

	case brace >= 0:
		l.kind = opening
		l.key = span{start, brace}
		for l.key.to > start+1 && (isBlank(text[l.key.to-1]) || text[l.key.to-1] == ':') {
			l.key.to--
		}
		after := skipBlanks(text, brace+1)
		if after < end && text[end-1] == '}' {
			l.kind = junk // "name { ... }": opens nothing that is left open
		}
		if start == brace {
			return &problem{brace, "missing section name before opening bracket '{'"}
		}
		if after < end {
			return &problem{after, "extra characters after opening bracket '{'"}
		}
		return nil

	case colon >= 0:
		l.kind = option
		l.key = span{start, colon}
		l.value = span{skipBlanks(text, colon+1), end}
		if start == colon {
			// corosync cuts the key off just before the value and then strips
			// colons from it, but never its first character.
			if l.value.from == colon+1 {
				l.kind = junk
				return &problem{colon, "key name can't be empty"}
			}
			l.key.to++
		}
		for isBlank(text[l.key.to-1]) {
			l.key.to--
		}
		return nil

	case closed >= 0:
		l.kind = closing
		if text[start:] == "}" {
			return nil
		}
		at := start
		if closed == start {
			at = closed + 1
		}
		return &problem{at, "extra characters before or after closing bracket '}'"}
	}
	l.kind = junk
	return &problem{start, "line is not opening or closing section or key value"}
}

// find returns where in text the first of each of these bytes is, or -1.
func find(text string) (brace, colon, closed, nul int) {
	brace, colon, closed, nul = -1, -1, -1, -1
	for i := range len(text) {
		switch c := text[i]; {
		case c == ':':
			if colon < 0 {
				colon = i
			}
		case c != 0 && c < '{': // nearly all of them
		case c == '{' && brace < 0:
			brace = i
		case c == '}' && closed < 0:
			closed = i
		case c == 0 && nul < 0:
			nul = i
		}
	}
	return brace, colon, closed, nul
}

// tooLong says so if the bytes before the line feed are more than corosync reads.
func tooLong(size int) *problem {
	if size <= maxLine {
		return nil
	}
	return &problem{maxLine, fmt.Sprintf("line too long: %d bytes, at most %d are read", size, maxLine)}
}
