package corosyncconf

import (
	"fmt"
	"strings"
)

// Codes of what the parser refuses, and of what that of 2.4 swallows.
const (
	CodeSyntax     Code = "syntax"
	CodeKeyName    Code = "key-name"
	CodeNotAllowed Code = "not-allowed"
	CodeBadValue   Code = "bad-value"
	CodeCrash      Code = "crash"
	CodeSwallowed  Code = "swallowed"
)

var syntaxCodes = []CodeInfo{
	{CodeSyntax, Bad, "a line that corosync's parser cannot make out, or braces that do not match"},
	{CodeKeyName, Bad, "a key whose name corosync cannot store"},
	{CodeNotAllowed, Bad, "a key or section that its place does not take, or that is missing there"},
	{CodeBadValue, Bad, "a value that is none of those, or not of the kind, that corosync's parser takes for the key"},
	{CodeCrash, Bad, "what makes this version of corosync use memory that is not for that: it may crash, or do anything"},
	{CodeSwallowed, Warning, "something that corosync 2.4 passes over without a word, and corosync 3 refuses"},
}

var syntaxRemedies = map[Code]string{
	CodeSyntax:     `write each line as "name {", "key: value", "}" or "# comment", and close every section`,
	CodeKeyName:    "use only letters, digits and . _ / : - in names",
	CodeNotAllowed: "move it to where it belongs, add what is missing, or remove the section",
	CodeBadValue:   "give the key a value that it takes",
	CodeCrash:      "move the inner section to where it belongs",
	CodeSwallowed:  "mend the line: this release does not do what it says, and the next one does not start with it",
}

// syntax reports what the parser refuses.
func (c *checker) syntax() {
	switch {
	case c.target.Release == V24:
		c.syntax24()
		return
	case c.version != newest:
		c.syntaxOlder()
		return
	}
	var errs ErrorList
	c.read, errs = parse(c.file.name, c.file.Bytes())
	for _, e := range errs {
		c.reportAt(e.Code, ByParser, c.file.lines[e.Line-1], e.Col, e.Msg, syntaxRemedies[e.Code])
	}
}

// syntax24 reports what the parser of corosync 2.4.6 (coroparse.c) refuses,
// and as warnings what it swallows: it passes over lines that it cannot make
// out, over what follows an opening brace or surrounds a closing one, over
// keys that it cannot store, and it reads long lines in pieces.
func (c *checker) syntax24() {
	plain, num := c.plain24()
	f, errs := parse(c.file.name, []byte(plain))
	c.read, c.num = f, num
	for _, e := range errs {
		at := c.file.lines[num[e.Line-1]-1]
		switch {
		case e.Code == CodeBadValue: // has rules of its own, below
		case e.Col > maxLine: // its lines may be a byte longer
		case e.Code == CodeKeyName:
			c.swallowed(at, 0, e.Msg)
		default:
			c.report(e.Code, ByParser, at, e.Msg, syntaxRemedies[e.Code])
		}
	}
	for _, l := range f.lines {
		s := l.section
		if s == nil || s.lost {
			continue
		}
		for _, o := range s.Options() {
			k, _ := LookupKey(s.path, o.Key)
			if r := k.parsed24(); r != nil && !r.ok(o.Value) {
				msg := fmt.Sprintf("value of key %q is expected to be %s, but %q was given", join(s.path, o.Key), r.want, o.Value)
				c.report(CodeBadValue, ByParser, c.file.lines[num[o.Line-1]-1], msg, syntaxRemedies[CodeBadValue])
			}
		}
		if s.path == "nodelist.node" && s.close != nil && s.last("ring0_addr") == nil {
			c.report(CodeNotAllowed, ByParser, c.file.lines[num[l.num-1]-1], "no ring0_addr specified for node", syntaxRemedies[CodeNotAllowed])
		}
	}
}

// piece is the most that corosync 2.4 reads of a line at once, line feed included.
const piece = 511

// plain24 returns the file as corosync 2.4 understands it, in lines that all
// releases understand alike, and of which line of the file each is made.
func (c *checker) plain24() (text string, num []int) {
	var b strings.Builder
	for _, l := range c.file.lines {
		rest := l.raw
		if len(rest) >= piece {
			c.swallowed(l, piece+1, fmt.Sprintf("line too long: of %d bytes the first %d are read as one line, the rest as another", len(rest), piece))
		}
		for first := true; first || rest != ""; first = false {
			text := rest[:min(piece, len(rest))]
			rest = rest[len(text):]
			b.WriteString(c.plainLine24(l, text))
			b.WriteByte('\n')
			num = append(num, l.num)
		}
	}
	return b.String(), num
}

func (c *checker) plainLine24(l *line, text string) string {
	const blanks = " \t"
	trimmed := strings.Trim(strings.TrimRight(text, "\r"), blanks)
	if trimmed == "" || trimmed[0] == '#' {
		return ""
	}
	if name, after, opens := strings.Cut(trimmed, "{"); opens {
		if after := strings.Trim(after, blanks); after != "" {
			c.swallowed(l, strings.Index(l.raw, after)+1, fmt.Sprintf("%q after the opening brace is passed over", after))
		}
		if name = strings.TrimRight(name, blanks+":"); name == "" {
			c.swallowed(l, 0, "a section without a name: nothing in it counts")
			name = "_"
		}
		return name + " {"
	}
	if key, _, ok := strings.Cut(trimmed, ":"); ok {
		if key == "" {
			c.swallowed(l, 0, "a line without a key is passed over")
			return ""
		}
		return text
	}
	if strings.Contains(trimmed, "}") {
		if trimmed != "}" {
			c.swallowed(l, 0, fmt.Sprintf("%q closes one section, and the rest of the line is passed over", trimmed))
		}
		return "}"
	}
	c.swallowed(l, 0, fmt.Sprintf("%q is passed over: it is no key, section or brace", trimmed))
	return ""
}

func (c *checker) swallowed(l *line, col int, msg string) {
	c.reportAt(CodeSwallowed, Accepted, l, col, msg, syntaxRemedies[CodeSwallowed])
}
