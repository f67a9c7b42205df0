package corosyncconf

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// Section is a "name { ... }" of a File, or the whole file (File.Root).
//
// Reading a nil Section finds nothing and changing one fails, so the answer of
// Section.Section needs no check. The same goes for a section that was removed.
type Section struct {
	file   *File
	parent *Section // nil for the root
	path   string   // dotted names from the root, as in cmap; empty for the root and lost sections
	rules  string   // the path in rules that its keys are checked by
	// lost marks a section that corosync refuses to begin, and those within:
	// what it would make of the contents nobody knows.
	lost  bool
	named bool             // cmap takes the characters of path
	asked map[string]*rule // what rules has for the keys directly in it
	open  *line            // nil for the root
	close *line            // nil for the root and where the brace is missing
}

// Option is one "key: value" line.
type Option struct {
	Key   string
	Value string // without the blanks around it; may be empty
	Line  int    // starting at 1
	Col   int    // of the key, in bytes, starting at 1
}

func (l *line) option() Option {
	return Option{Key: l.keyText(), Value: l.valueText(), Line: l.num, Col: l.key.from + 1}
}

// newSection returns the section that l opens in parent, and why corosync
// refuses to begin it.
func newSection(parent *Section, l *line) (*Section, string) {
	s := &Section{file: parent.file, parent: parent, rules: parent.rules, open: l}
	l.section = s
	if parent.lost || s.Name() == "" {
		s.lost = true
		return s, ""
	}
	s.path = join(parent.path, s.Name())
	s.named = isName(s.path)
	if asked, ok := rules[s.path]; ok {
		s.rules, s.asked = s.path, asked
	} else if strings.HasPrefix(s.rules, "resources") {
		s.asked = parent.asked // these count at any depth
	}
	msg := s.checkSection()
	if msg != "" {
		s.lost, s.path = true, ""
	}
	return s, msg
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// Name returns the name before the brace; the root's is empty.
func (s *Section) Name() string {
	if s == nil || s.open == nil {
		return ""
	}
	return s.open.keyText()
}

// Line returns the number of the line that opens s, starting at 1; 0 for the
// root and for a section that was removed.
func (s *Section) Line() int {
	if s == nil || s.open == nil {
		return 0
	}
	return s.open.num
}

// Options returns the options directly in s, in file order.
func (s *Section) Options() []Option {
	var opts []Option
	for l := range s.body() {
		if l.kind == option {
			opts = append(opts, l.option())
		}
	}
	return opts
}

// Sections returns the sections directly in s that have the name, in file
// order; all of them if name is empty.
func (s *Section) Sections(name string) []*Section {
	var found []*Section
	for l := range s.body() {
		if l.section != nil && (name == "" || l.keyText() == name) {
			found = append(found, l.section)
		}
	}
	return found
}

// Section returns the first section directly in s that has the name, or nil.
func (s *Section) Section(name string) *Section {
	for l := range s.body() {
		if l.section != nil && l.keyText() == name {
			return l.section
		}
	}
	return nil
}

// Get returns the value that counts of those for key directly in s: that of
// the last line, and in logging.logger_subsys and logging_daemon that of the
// first (subsys and name excepted).
func (s *Section) Get(key string) (value string, ok bool) {
	if l := s.counting(key); l != nil {
		return l.valueText(), true
	}
	return "", false
}

// counting returns the line for key directly in s that counts, or nil.
func (s *Section) counting(key string) *line {
	if !s.firstCounts(key) {
		return s.last(key)
	}
	for l := range s.body() {
		if l.kind == option && l.keyText() == key {
			return l
		}
	}
	return nil
}

// firstCounts reports whether the first line for key counts in s, not the last.
// corosync puts the keys of these sections in front of a list, which it stores
// from there when they end (coroparse.c of 2.4 to 3.1).
func (s *Section) firstCounts(key string) bool {
	switch {
	case s == nil:
		return false
	case s.rules == "logging.logger_subsys":
		return key != "subsys"
	case s.rules == "logging.logging_daemon":
		return key != "subsys" && key != "name"
	}
	return false
}

// last returns the last line for key directly in s, or nil.
func (s *Section) last(key string) *line {
	var found *line
	for l := range s.body() {
		if l.kind == option && l.keyText() == key {
			found = l
		}
	}
	return found
}

// alive reports whether s is part of its file.
func (s *Section) alive() bool { return s != nil && (s.open == nil || s.open.num > 0) }

// begin returns the index in File.lines of the first line within s.
func (s *Section) begin() int { return s.Line() }

// end returns the index in File.lines of the closing line of s, or where it
// would be.
func (s *Section) end() int {
	if s.close == nil {
		return len(s.file.lines)
	}
	return s.close.num - 1
}

// after returns the index in File.lines of what follows s.
func (s *Section) after() int { return min(s.end()+1, len(s.file.lines)) }

// body yields the lines directly in s; of a section in it only the opening one.
func (s *Section) body() iter.Seq[*line] {
	return func(yield func(*line) bool) {
		if !s.alive() {
			return
		}
		for i := s.begin(); i < s.end(); i++ {
			l := s.file.lines[i]
			if !yield(l) {
				return
			}
			if l.section != nil {
				i = l.section.end()
			}
		}
	}
}

// Set gives key the value. It changes the line for key that counts, keeping its
// indentation, separator and ending. If there is none it adds a line beside
// its kin: links beside links, else after the last key that begins with the
// same word, else after the last key.
//
// Set refuses what would not be read back as given, and what corosync refuses
// in this place: a value with '{' or a line break in it, a line of more than
// 510 bytes, a word where a number belongs. Then nothing has changed.
func (s *Section) Set(key, value string) error {
	if err := s.set(key, value); err != nil {
		return fmt.Errorf("set %s: %w", key, err)
	}
	return nil
}

func (s *Section) set(key, value string) error {
	if !s.alive() {
		return errors.New("no such section")
	}
	switch {
	case key == "":
		return errors.New("key name can't be empty")
	case strings.ContainsAny(value, "\n\r\x00"):
		return fmt.Errorf("value %q contains a line break or a NUL byte, and a value is one line", value)
	case strings.Contains(value, "{"):
		return fmt.Errorf("value %q contains '{', which corosync takes for the start of a section", value)
	}
	if msg := s.refuses(key, value); msg != "" {
		return errors.New(msg)
	}
	if msg := s.checkLabel(key, value); msg != "" {
		return errors.New(msg)
	}

	old := s.counting(key)
	var raw, eol string
	var at int
	if old != nil {
		raw, eol = old.withValue(value), old.eol
	} else {
		var indent, sep string
		at, indent, sep = s.place(key)
		raw, eol = indent+key+sep+value, s.file.eol(at)
		if value == "" {
			raw = trimBlanks(raw)
		}
	}
	l, err := newLine(raw, eol)
	if err != nil {
		return err
	}
	if l.kind != option || l.keyText() != key || l.valueText() != value {
		return fmt.Errorf("%q would be read back as something else", key+": "+value)
	}
	if old != nil {
		l.num = old.num
		*old = *l
	} else {
		s.file.insert(at, l)
	}
	return nil
}

// refuses says why corosync's parser refuses an option of s: that of the
// release that the file is edited for.
func (s *Section) refuses(key, value string) string {
	code, msg := s.checkOption(key, value)
	if s.file.edited != V24 || msg != "" && code != CodeBadValue {
		return msg
	}
	if r := s.rule24(key); r != nil && !r.ok(value) {
		return r.refusal(join(s.path, key), value)
	}
	return ""
}

// newLine returns a line fit to be written.
func newLine(raw, eol string) (*line, error) {
	var l line
	bad := l.scan(raw)
	l.eol = eol
	if long := tooLong(len(raw) + len(eol) - len("\n")); long != nil {
		bad = long
	}
	if bad != nil {
		return nil, errors.New(bad.msg)
	}
	if strings.ContainsAny(raw, "\n\r") {
		return nil, errors.New("a line break would be read back as something else")
	}
	return &l, nil
}

// withValue returns the text of an option line with another value.
func (l *line) withValue(value string) string {
	if value == l.valueText() {
		return l.raw
	}
	sep := l.raw[:l.value.from]
	switch {
	case value == "":
		return trimBlanks(sep)
	case l.valueText() == "":
		return sep + " " + value
	}
	return sep + value + l.raw[l.value.to:]
}

func trimBlanks(s string) string {
	for s != "" && isBlank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// place returns where in File.lines a new line for key goes, its indentation
// and what separates the key from the value.
func (s *Section) place(key string) (at int, indent, sep string) {
	kin, above := s.kin(key)
	if off := s.disabledLine(key); off != nil {
		return off.num, off.indent(), s.file.separator()
	}
	switch {
	case kin != nil:
		at, indent, sep = kin.num, kin.indent(), kin.separator()
		if above {
			at = s.comments(at - 1)
		}
	case s.lastSection("") == nil:
		at, indent, sep = s.lastText(), s.inner(), s.file.separator()
	default:
		at, indent, sep = s.begin(), s.inner(), s.file.separator()
	}
	for _, namesake := range s.namesakes() {
		if l := namesake.last(key); l != nil {
			return at, indent, l.separator() // values stay aligned
		}
	}
	return at, indent, sep
}

// namesakes returns the sections beside s of the same name, s included.
func (s *Section) namesakes() []*Section {
	if s.parent == nil {
		return nil
	}
	return s.parent.Sections(s.Name())
}

// kin returns the option of s that a line for key belongs below, or above;
// nil if s has no options.
func (s *Section) kin(key string) (kin *line, above bool) {
	var lower, higher, namesake, last *line
	link, isLink := linkOf(key)
	lowest := 0
	for l := range s.body() {
		if l.kind != option {
			continue
		}
		last = l
		if sameWord(l.keyText(), key) {
			namesake = l
		}
		if n, ok := linkOf(l.keyText()); ok && isLink {
			switch {
			case n < link:
				lower = l
			case higher == nil || n < lowest:
				higher, lowest = l, n
			}
		}
	}
	switch {
	case lower != nil:
		return lower, false
	case higher != nil:
		return higher, true
	case namesake != nil:
		return namesake, false
	}
	return last, false
}

// sameWord reports whether two keys begin with the same word.
func sameWord(a, b string) bool {
	a, _, _ = strings.Cut(a, "_")
	b, _, _ = strings.Cut(b, "_")
	return a == b
}

// linkOf returns the N of ringN_addr.
func linkOf(key string) (n int, ok bool) {
	digits, found := strings.CutPrefix(key, "ring")
	digits, addr := strings.CutSuffix(digits, "_addr")
	n, err := strconv.Atoi(digits)
	return n, found && addr && err == nil && key == linkKey(n)
}

func linkKey(n int) string { return fmt.Sprintf("ring%d_addr", n) }

// separator returns what stands between key and value.
func (l *line) separator() string {
	if l.value.from == l.value.to {
		return ": "
	}
	return l.raw[l.key.to:l.value.from]
}

// separator returns that of the first option that has a value.
func (f *File) separator() string {
	for _, l := range f.lines {
		if l.kind == option && l.value.from < l.value.to {
			return l.separator()
		}
	}
	return ": "
}

// inner returns the indentation of what is within s.
func (s *Section) inner() string {
	if s.open == nil {
		return ""
	}
	for _, like := range append([]*Section{s}, s.namesakes()...) {
		for l := range like.body() {
			if l.kind != blank {
				return l.indent()
			}
		}
	}
	return s.open.indent() + s.file.indentUnit()
}

// lastText returns the index in File.lines after the last line of s that is
// not blank.
func (s *Section) lastText() int {
	at := s.end()
	for at > s.begin() && s.file.lines[at-1].kind == blank {
		at--
	}
	return at
}

// lastSection returns the last section directly in s that has the name, or any
// if name is empty; nil if there is none.
func (s *Section) lastSection(name string) *Section {
	if found := s.Sections(name); len(found) > 0 {
		return found[len(found)-1]
	}
	return nil
}

// Unset removes all lines for key directly in s and reports whether there
// were any. The comment lines directly above one go with it, and the blank lines
// that set it off, unless another option follows directly, which they may
// describe as well, or none is left in s, which they then describe. A setting
// that is commented out stays, and so does what is above it.
func (s *Section) Unset(key string) bool {
	found := false
	for l := s.last(key); l != nil; l = s.last(key) {
		s.file.remove(s.extent(l))
		found = true
	}
	return found
}

// extent returns the File.lines[from:to] that are removed with an option of s.
func (s *Section) extent(l *line) (from, to int) {
	f := s.file
	from, to = l.num-1, l.num
	only := true
	for other := range s.body() {
		only = only && (other.kind != option || other == l)
	}
	if only || to < s.end() && f.lines[to].kind == option {
		return from, to
	}
	from = s.comments(from)
	if to < s.end() && f.lines[to].kind != blank {
		return from, to
	}
	gap := s.blanks(from)
	if gap == from && gap == s.begin() {
		to = s.skipBlanks(to)
	}
	return gap, to
}

// comments returns the index in File.lines of the first of the comment lines
// in s that describe what begins at index at: those directly above it, down
// from the last that is a setting.
func (s *Section) comments(at int) int {
	for at > s.begin() && s.file.lines[at-1].kind == comment && !s.disabled(s.file.lines[at-1]) {
		at--
	}
	return at
}

// disabled reports whether a comment in s is a setting of s that is commented
// out, as in "#timestamp: hires".
func (s *Section) disabled(l *line) bool {
	_, ok := LookupKey(s.path, disabledKey(l))
	return ok
}

// disabledLine returns the last line in s on which the key is commented out, or
// nil.
func (s *Section) disabledLine(key string) *line {
	var found *line
	for l := range s.body() {
		if l.kind == comment && disabledKey(l) == key && s.disabled(l) {
			found = l
		}
	}
	return found
}

// disabledKey returns the key that a comment would set if it were none.
func disabledKey(l *line) string {
	text := l.raw
	for text != "" && (text[0] == '#' || isBlank(text[0])) {
		text = text[1:]
	}
	var setting line
	setting.scan(text)
	if setting.kind != option {
		return ""
	}
	return setting.keyText()
}

// blanks returns the index in File.lines of the first of the blank lines in s
// directly above index at.
func (s *Section) blanks(at int) int {
	for at > s.begin() && s.file.lines[at-1].kind == blank {
		at--
	}
	return at
}

// skipBlanks returns the index in File.lines of the first line in s from index
// at that is not blank; at if there is none.
func (s *Section) skipBlanks(at int) int {
	for next := at; next < s.end(); next++ {
		if s.file.lines[next].kind != blank {
			return next
		}
	}
	return at
}

// AddSection adds an empty section and returns it. It goes after the last one
// of the same name, else to the end of s, and takes its looks from them:
// indentation, blank lines, line ending.
//
// It returns nil if corosync would not read the name back or refuses such a
// section here (any in uidgid, a path of more than 253 bytes), and in a file
// that lacks a closing brace.
func (s *Section) AddSection(name string) *Section {
	if !s.alive() || s.file.unclosed() {
		return nil
	}
	f := s.file
	at, indent, brace, gap := s.lastText(), s.inner(), " {", 0
	if s.open == nil {
		gap = 1
	}
	sibling := s.lastSection(name)
	if sibling != nil {
		at = sibling.after()
	} else {
		sibling = s.lastSection("")
	}
	if sibling != nil {
		l := sibling.open
		indent = l.indent()
		if b := l.raw[l.key.to : strings.IndexByte(l.raw, '{')+1]; strings.Trim(b, " \t") == "{" {
			brace = b
		}
		if head := sibling.head(); s.blanks(head) > s.begin() {
			gap = head - s.blanks(head)
		}
	}
	switch {
	case at == s.begin():
		gap = 0
	case f.lines[at-1].kind == comment:
		gap = max(gap, 1) // or it would be taken for a comment on the new section
	}

	eol := f.eol(at)
	open, err := newLine(indent+name+brace, eol)
	if err != nil || open.kind != opening || open.keyText() != name {
		return nil
	}
	added, msg := newSection(s, open)
	if msg != "" {
		return nil
	}
	var lines []*line
	for range gap {
		lines = append(lines, &line{eol: eol})
	}
	added.close = &line{raw: indent + "}", eol: eol, kind: closing}
	f.insert(at, append(lines, open, added.close)...)
	return added
}

// head returns the index in File.lines of the first of the comments directly
// above s, else of its opening line.
func (s *Section) head() int {
	at := s.open.num - 1
	for at > s.parent.begin() && s.file.lines[at-1].kind == comment {
		at--
	}
	return at
}

// remove takes s out of its file.
func (s *Section) remove() {
	if s != nil {
		s.parent.RemoveSection(s)
	}
}

// RemoveSection removes child with all that is in it, the comment lines
// directly above it, as Unset does, and the blank lines that set it off. It
// reports whether child was a section directly in s.
//
// A comment stays at the head of the file, and above the first of sections of a
// name that follow each other directly, unless it names the one that goes: it is
// about all of them.
//
// Blank lines above stay where a comment above them, which belongs to no
// section, would else come to stand directly above the next one.
func (s *Section) RemoveSection(child *Section) bool {
	if !s.alive() || child == nil || child.parent != s || !child.alive() {
		return false
	}
	f := s.file
	from, to := s.comments(child.open.num-1), child.after()
	if s.isAboutMore(child, from) {
		from = child.open.num - 1
	}
	more := to < s.end()
	switch gap := s.blanks(from); {
	case gap == s.begin() && gap == from:
		to = s.skipBlanks(to) // the first in s leaves no blank line before the next
	case gap > s.begin() && f.lines[gap-1].kind == comment && more && f.lines[to].kind != blank:
	default:
		from = gap
	}
	f.remove(from, to)
	return true
}

// isAboutMore reports whether the comment lines from index from on, directly
// above child, are about more than child.
func (s *Section) isAboutMore(child *Section, from int) bool {
	f, open, next := s.file, child.open.num-1, child.after()
	switch {
	case from == open:
		return false
	case s.open == nil && from == 0:
		return true
	case next >= s.end() || f.lines[next].section == nil || f.lines[next].keyText() != child.Name():
		return false
	case from > s.begin() && f.lines[from-1].kind != blank:
		return false
	}
	name, _ := child.Get("name")
	return name == "" || !slices.ContainsFunc(f.lines[from:open], func(l *line) bool {
		return slices.Contains(strings.FieldsFunc(l.raw, notInHostname), name)
	})
}
