package corosyncconf

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Severity is how bad a Finding is.
type Severity string

// The severities. Bad is what corosync refuses, or what costs a cluster its
// quorum or a node; Warning is what works and may hurt later.
const (
	Bad     Severity = "error"
	Warning Severity = "warning"
)

// Refusal is who turns a file down.
type Refusal string

// The refusals, in the order in which a file meets them.
const (
	Accepted Refusal = ""
	ByParser Refusal = "parse" // corosync's parser
	ByTest   Refusal = "test"  // corosync -t, whose checks every start makes too
	ByStart  Refusal = "start" // corosync exits when it is started
)

// Finding is something in a file that corosync refuses, or that hurts.
type Finding struct {
	Code      Code
	Severity  Severity
	Line      int    // starting at 1; 0 where the file as a whole is meant
	Col       int    // in bytes, starting at 1; 0 where Line is
	Message   string // what is wrong, on one line
	Remedy    string // what to do, on one line
	RefusedBy Refusal

	missing string // the key that is missing there, if that is what it is about
}

// Target is what a file is checked for.
type Target struct {
	Release Release
	Here    *Machine // the machine that corosync would start on; nil if not known
	PVE     bool     // Proxmox VE's tools read and write the file, too
}

// CodeMore closes a long list.
const CodeMore Code = "more"

var findingCodes = []CodeInfo{{CodeMore, Warning, "more findings than are listed"}}

// checks are the subjects of Check.
var checks = []func(*checker){
	(*checker).syntax, (*checker).keys, (*checker).here, (*checker).totem, (*checker).logging, (*checker).start, (*checker).life, (*checker).text, (*checker).pve,
}

// mostFindings is how many findings of a severity, refused by the same, Check
// returns. Nobody reads so many, and a file can have one for every other byte.
const mostFindings = 1000

// Check returns what is wrong with the file, in the order of its lines, what
// the parser refuses included. What depends on the machine is left out where the
// target has none. Of very many findings it returns some of each kind, and at
// the end says how many more there are.
func (f *File) Check(t Target) []Finding { return f.check(t, mostFindings) }

// check is Check with up to most findings of a kind; 0 is all.
func (f *File) check(t Target, most int) []Finding {
	c := &checker{file: f, conf: f.Config(), target: t, version: t.version(), most: most}
	transport, _ := LookupKey("totem", "transport")
	c.transport = transport.DefaultIn(t.Release)
	if l := c.option("totem", "transport"); l != nil {
		switch value := l.valueText(); {
		case slices.Contains(transport.ValuesIn(t.Release), value):
			c.transport = value
		case t.Release == V31: // which refuses it; the others take their default
			c.transport = ""
		}
	}
	for _, check := range checks {
		check(c)
	}
	c.dropSaidBetter()
	c.dropAfterMark()
	slices.SortStableFunc(c.findings, func(a, b Finding) int { return cmp.Compare(a.Line, b.Line) })
	if c.more > 0 {
		c.findings = append(c.findings, Finding{Code: CodeMore, Severity: Warning, Message: fmt.Sprintf("and %d more", c.more), Remedy: "mend these, and check again"})
	}
	return c.findings
}

// dropSaidBetter drops findings about a value of which another one says what
// comes of it.
func (c *checker) dropSaidBetter() {
	said, option := map[int]bool{}, map[int]bool{}
	for _, f := range c.findings {
		said[f.Line] = said[f.Line] || f.Severity == Bad
		option[f.Line] = option[f.Line] || f.Code == CodeLinkOption
	}
	c.findings = slices.DeleteFunc(c.findings, func(f Finding) bool {
		return f.Code == CodeValueRange && said[f.Line] || f.Code == CodeKeyTransport && option[f.Line]
	})
}

// dropAfterMark leaves of a file that begins with a byte order mark only that,
// and the first reason of corosync's to refuse it: the rest comes of the mark.
func (c *checker) dropAfterMark() {
	if len(c.file.lines) == 0 || !strings.HasPrefix(c.file.lines[0].raw, string(byteOrderMark)) {
		return
	}
	var left []Finding
	first := -1
	for i, f := range c.findings {
		switch {
		case f.Code == CodeInvisible && f.Line == 1:
			left = append(left, f)
		case f.RefusedBy != ByParser && f.RefusedBy != ByTest:
		case first < 0, f.RefusedBy == ByParser && (c.findings[first].RefusedBy == ByTest || f.Line < c.findings[first].Line):
			first = i
		}
	}
	if first >= 0 {
		left = append(left, c.findings[first])
	}
	c.findings = left
}

// checker gathers findings. The checks are its methods, a file for each
// subject.
type checker struct {
	file      *File
	conf      Config
	target    Target
	version   version // of corosync that the target means
	transport string  // the one that the release uses; empty if it refuses what is named
	ipVersion string  // which addresses it takes a name for, once totem is done
	findings  []Finding
	most      int           // how many of a kind are kept; 0 is all
	count     map[class]int // how many there are
	more      int           // that were not kept

	// read is the file as that version understands it, once syntax is done, and
	// num of which line of the file each of its lines is made; nil if it is that.
	read *File
	num  []int

	stored  *cmap                  // see db
	lookups map[query][]netip.Addr // the answers so far

	nodeParts [][]*Section // see nodeSections
	braces    string       // see remedySyntax
}

// line returns the line of the file that a line of c.read is made of.
func (c *checker) line(l *line) *line {
	if l == nil || l.num == 0 {
		return nil
	}
	n := l.num
	if c.num != nil {
		n = c.num[n-1]
	}
	return c.file.lines[n-1]
}

// report adds a finding about a line, at its value where it has one; a nil
// line is the file as a whole.
func (c *checker) report(code Code, by Refusal, l *line, message, remedy string) {
	c.add(l, Finding{Code: code, Message: message, Remedy: remedy, RefusedBy: by})
}

// reportKey is report about a key, accepted, rather than its value.
func (c *checker) reportKey(code Code, l *line, message, remedy string) {
	c.reportAt(code, Accepted, l, 0, message, remedy)
}

// reportAt is report at a column; 0 is where the text of the line begins.
func (c *checker) reportAt(code Code, by Refusal, l *line, col int, message, remedy string) {
	if l != nil && col == 0 {
		col = len(l.indent()) + 1
	}
	c.add(l, Finding{Code: code, Col: col, Message: message, Remedy: remedy, RefusedBy: by})
}

// add adds a finding about a line, without a column at its value where it has
// one. Its severity is that of its code, unless it is refused.
func (c *checker) add(l *line, f Finding) {
	switch {
	case l == nil:
	case f.Col > 0:
		f.Line = l.num
	case l.kind == option && l.value.to > l.value.from:
		f.Line, f.Col = l.num, l.value.from+1
	default:
		f.Line, f.Col = l.num, len(l.indent())+1
	}
	f.Severity = f.Code.severity()
	if f.RefusedBy != Accepted {
		f.Severity = Bad
	}
	if c.count == nil {
		c.count = map[class]int{}
	}
	class := class{f.Severity, f.RefusedBy}
	c.count[class]++
	if c.most > 0 && c.count[class] > c.most {
		c.more++
		return
	}
	c.findings = append(c.findings, f)
}

// class is what findings are counted by.
type class struct {
	severity Severity
	by       Refusal
}

// said reports whether there is a finding with the code.
func (c *checker) said(code Code) bool {
	return slices.ContainsFunc(c.findings, func(f Finding) bool { return f.Code == code })
}

// place returns the line that counts for a key in the sections with the path,
// else the one that opens the first of them; nil if there is none.
func (c *checker) place(path, key string) *line {
	if l := c.option(path, key); l != nil {
		return l
	}
	if sections := c.file.sections(path); len(sections) > 0 {
		return sections[0].open
	}
	return nil
}

// option returns the line that counts for a key in the sections with the path,
// nil if there is none.
func (c *checker) option(path, key string) *line { return lastOption(c.file.sections(path), key) }

// lastOption returns the line for key that counts in the last of sections that
// has one, or nil.
func lastOption(sections []*Section, key string) *line {
	var found *line
	for _, s := range sections {
		if l := s.counting(key); l != nil {
			found = l
		}
	}
	return found
}
