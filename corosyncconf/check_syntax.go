package corosyncconf

import (
	"fmt"
	"slices"
	"strings"
)

// Codes of what the parser refuses, and of what that of 2.4 swallows.
const (
	CodeSyntax      Code = "syntax"
	CodeKeyName     Code = "key-name"
	CodeNotAllowed  Code = "not-allowed"
	CodeBadValue    Code = "bad-value"
	CodeCrash       Code = "crash"
	CodeSwallowed   Code = "swallowed"
	CodeLostSection Code = "lost-section"
	CodeUserFile    Code = "uidgid-file"
)

var syntaxCodes = []CodeInfo{
	{CodeSyntax, Bad, "a line that corosync's parser cannot make out, or braces that do not match"},
	{CodeKeyName, Bad, "a key whose name corosync cannot store"},
	{CodeNotAllowed, Bad, "a key or section that its place does not take, or that is missing there"},
	{CodeBadValue, Bad, "a value that is none of those, or not of the kind, that corosync's parser takes for the key"},
	{CodeCrash, Bad, "what makes this version of corosync use memory that is not for that: it may crash, or do anything"},
	{CodeSwallowed, Warning, "something that corosync 2.4 passes over without a word, and corosync 3 refuses"},
	{CodeLostSection, Bad, "a section of which corosync 2.4 takes no notice, for what follows on its line"},
	{CodeUserFile, Bad, "a file in uidgid.d that corosync refuses, and with it to start"},
}

var syntaxRemedies = map[Code]string{
	CodeSyntax:      `write each line as "name {", "key: value", "}" or "# comment", and close every section`,
	CodeKeyName:     "use only letters, digits and . _ / : - in names",
	CodeNotAllowed:  "move it to where it belongs, add what is missing, or remove the section",
	CodeBadValue:    "give the key a value that it takes",
	CodeCrash:       "move the inner section to where it belongs",
	CodeSwallowed:   "mend the line: this release does not do what it says, and the next one does not start with it",
	CodeLostSection: "leave nothing after the opening brace",
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
		c.reportAt(e.Code, ByParser, c.file.lines[e.Line-1], e.Col, e.words(), c.remedySyntax(e))
	}
}

// words is the message, with what the line says where that is not understood.
func (e *Error) words() string {
	const most = 60
	if text := strings.TrimSpace(e.Text); e.Code == CodeSyntax && len(text) <= most && !strings.HasPrefix(e.Msg, missingBrace) {
		return fmt.Sprintf("%s: %q", e.Msg, text)
	}
	return e.Msg
}

// remedySyntax says what to do about an error: of a section that is not closed,
// where that shows.
func (c *checker) remedySyntax(e *Error) string {
	if e.Code != CodeSyntax || !strings.HasPrefix(e.Msg, missingBrace) {
		return syntaxRemedies[e.Code]
	}
	if c.braces == "" {
		c.braces = syntaxRemedies[e.Code]
		if i := slices.IndexFunc(c.file.lines, func(l *line) bool { return l.section != nil && l.section.standsAlone() }); i >= 0 {
			s := c.file.lines[i].section
			c.braces = fmt.Sprintf("is the closing brace of %s missing above line %d, where %s begins?", s.parent.Name(), s.Line(), s.Name())
		}
	}
	return c.braces
}
