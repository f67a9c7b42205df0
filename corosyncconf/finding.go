package corosyncconf

import (
	"cmp"
	"net/netip"
	"slices"
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
}

// Target is what a file is checked for.
type Target struct {
	Release Release
	Here    *Machine // the machine that corosync would start on; nil if not known
}

// checks are the subjects of Check.
var checks = []func(*checker){
	(*checker).syntax, (*checker).keys, (*checker).here, (*checker).totem, (*checker).logging, (*checker).start, (*checker).life, (*checker).text,
}

// Check returns everything that is wrong with the file, in the order of its
// lines, what the parser refuses included. What depends on the machine is left
// out where the target has none.
func (f *File) Check(t Target) []Finding {
	c := &checker{file: f, conf: f.Config(), target: t, version: t.version()}
	transport, _ := LookupKey("totem", "transport")
	c.transport = transport.DefaultIn(t.Release)
	if l := c.option("totem", "transport"); l != nil {
		c.transport = l.valueText()
	}
	for _, check := range checks {
		check(c)
	}
	c.dropSaidBetter()
	slices.SortStableFunc(c.findings, func(a, b Finding) int { return cmp.Compare(a.Line, b.Line) })
	return c.findings
}

// dropSaidBetter drops findings about a value of which another one says what
// comes of it.
func (c *checker) dropSaidBetter() {
	said := map[int]bool{}
	for _, f := range c.findings {
		said[f.Line] = said[f.Line] || f.Severity == Bad
	}
	c.findings = slices.DeleteFunc(c.findings, func(f Finding) bool { return f.Code == CodeValueRange && said[f.Line] })
}

// checker gathers findings. The checks are its methods, a file for each
// subject.
type checker struct {
	file      *File
	conf      Config
	target    Target
	version   version // of corosync that the target means
	transport string  // the one that the release uses
	ipVersion string  // which addresses it takes a name for, once totem is done
	findings  []Finding

	// read is the file as that version understands it, once syntax is done, and
	// num of which line of the file each of its lines is made; nil if it is that.
	read *File
	num  []int

	stored  *cmap                  // see db
	lookups map[query][]netip.Addr // the answers so far

	nodeParts [][]*Section // see nodeLine
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
	col := 0
	if l != nil && l.kind == option && l.value.to > l.value.from {
		col = l.value.from + 1
	}
	c.reportAt(code, by, l, col, message, remedy)
}

// reportKey is report about a key, accepted, rather than its value.
func (c *checker) reportKey(code Code, l *line, message, remedy string) {
	c.reportAt(code, Accepted, l, 0, message, remedy)
}

// reportAt is report at a column; 0 is where the text of the line begins.
func (c *checker) reportAt(code Code, by Refusal, l *line, col int, message, remedy string) {
	f := Finding{Code: code, Severity: code.severity(), Col: col, Message: message, Remedy: remedy, RefusedBy: by}
	if by != Accepted {
		f.Severity = Bad
	}
	if l != nil {
		f.Line = l.num
		if col == 0 {
			f.Col = len(l.indent()) + 1
		}
	}
	c.findings = append(c.findings, f)
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
