package corosyncconf

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CodeInvisible is about characters that look like none.
const CodeInvisible Code = "invisible-character"

var textCodes = []CodeInfo{
	{CodeInvisible, Warning, "a character that is not seen, such as a no-break space: to corosync it is part of a name or value"},
}

// invisible are names of such characters. They come from web pages and word
// processors; corosync takes white space for itself only where it is ASCII, or
// since 3.1.8 the byte 0xA0, which is the second half of a no-break space.
var invisible = map[rune]string{'\u00a0': "no-break space", '\u200b': "zero-width space", byteOrderMark: "byte order mark"}

// byteOrderMark is what some editors put at the beginning of a file.
const byteOrderMark = '\ufeff'

// text reports characters that are not seen.
func (c *checker) text() {
	for _, l := range c.file.lines {
		at := strings.IndexFunc(l.raw, isInvisible)
		if at < 0 || l.kind == comment {
			continue
		}
		r, _ := utf8.DecodeRuneInString(l.raw[at:])
		name := invisible[r]
		if name == "" {
			name = fmt.Sprintf("blank U+%04X", r)
		}
		c.reportAt(CodeInvisible, Accepted, l, at+1, "a "+name+", which corosync does not take for white space", "type the line anew, or replace the character by a space")
	}
}

func isInvisible(r rune) bool {
	return r > unicode.MaxASCII && (unicode.IsSpace(r) || unicode.Is(unicode.Cf, r))
}
