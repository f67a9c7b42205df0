package cli

import (
	"strings"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
)

// least is how many columns of text a paragraph has at least.
const least = 20

// Paragraph returns text behind head, and a line feed. On a terminal it is
// broken between words into lines of its width, which begin under the text;
// anywhere else it is one line. Control characters in text show as "?".
func (s *Streams) Paragraph(head, text string) string {
	text = Clean(text)
	indent := twwidth.Width(head)
	room := max(s.Width-indent, least)
	if s.Width == 0 || twwidth.Width(text) <= room {
		return head + text + "\n"
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch longer := line + " " + word; {
		case line == "":
			line = word
		case twwidth.Width(longer) <= room:
			line = longer
		default:
			lines = append(lines, line)
			line = word
		}
	}
	lines = append(lines, line)
	return head + strings.Join(lines, "\n"+strings.Repeat(" ", indent)) + "\n"
}
