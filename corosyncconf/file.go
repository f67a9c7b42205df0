// Package corosyncconf reads, checks and edits corosync.conf without loss.
//
// A File is a list of lines in a tree of sections. Every line keeps its bytes,
// so Bytes gives back what Parse was given, and an edit changes only its own
// lines. Config is a typed view computed on demand, never a second copy.
//
// The grammar is that of corosync 3.1.10's exec/coroparse.c. It is line based:
// "name {" opens a section, "}" closes it, "key: value" sets a key, and a line
// whose first character is # is a comment. There are no trailing comments, no
// quotes, and a "{" anywhere in a line makes it an opening one. Sections may
// nest and repeat; sections with the same path are merged and the last line
// for a key wins.
package corosyncconf

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// File is a corosync.conf. It is not safe for concurrent use.
type File struct {
	name   string
	lines  []*line
	root   *Section
	edited Release // whose parser edits are held to; 0 is 3.1
	// unended is how many bytes of the last line's ending the file lacks. An
	// edit leaves a file that ends without a line feed ending without one.
	unended int
}

// New returns an empty File. What is added to it is indented by four spaces,
// with a blank line between top-level sections.
func New(name string) *File {
	f := &File{name: name}
	f.root = &Section{file: f, named: true}
	return f
}

// Parse reads a corosync.conf; name is used in errors only.
//
// It always returns a File whose Bytes are data, whatever data is. The error
// is nil, or an ErrorList with everything in the file that the parser of
// corosync 3.1.10 refuses. Older 3.1 versions differ in little: up to 3.1.9 an
// empty key is accepted, up to 3.1.7 the byte 0xA0 is not white space.
// Three things depend on the node and are left to it: whether users and groups
// of uidgid sections exist, which crypto and compression models its libknet
// has, and the files in uidgid.d. One thing is refused that corosync lets
// pass: a line that begins with a NUL byte.
//
// A File with errors can be read and edited, as far as its structure can be
// made out.
func Parse(name string, data []byte) (*File, error) {
	f, errs := parse(name, data)
	if errs == nil {
		return f, nil
	}
	return f, errs
}

// missingBrace is how the message about a section without its end begins.
const missingBrace = "missing closing brace"

func parse(name string, data []byte) (*File, ErrorList) {
	f := New(name)
	src := string(data)
	var errs ErrorList
	fail := func(code Code, l *line, at int, msg string) {
		errs = append(errs, &Error{Code: code, File: name, Line: l.num, Col: at + 1, Text: l.raw, Msg: msg})
	}
	cur := f.root
	eol := "\n"
	f.lines = make([]*line, 0, bytes.Count(data, []byte("\n"))+1)
	block := make([]line, cap(f.lines)) // one allocation for all
	for src != "" {
		raw, rest, ended := strings.Cut(src, "\n")
		src = rest
		size := len(raw)
		if text, cr := strings.CutSuffix(raw, "\r"); cr {
			raw, eol = text, "\r\n"
		} else if ended {
			eol = "\n"
		}
		if !ended {
			f.unended = len(raw) + len(eol) - size
		}

		l := &block[len(f.lines)]
		bad := l.scan(raw)
		l.eol = eol
		f.lines = append(f.lines, l)
		l.num = len(f.lines)
		if long := tooLong(size); long != nil {
			bad = long
		}
		if bad != nil {
			fail(CodeSyntax, l, bad.at, bad.msg)
		}

		switch l.kind {
		case opening:
			var msg string
			if cur, msg = newSection(cur, l); msg != "" {
				fail(CodeNotAllowed, l, l.key.from, msg)
			}
		case option:
			if code, msg := cur.checkOption(l.keyText(), l.valueText()); msg != "" {
				at := l.key.from
				if code == CodeBadValue {
					at = l.value.from
				}
				fail(code, l, at, msg)
			}
		case closing:
			if cur == f.root {
				l.kind = junk
				if bad == nil {
					fail(CodeSyntax, l, len(l.indent()), "unexpected closing brace")
				}
				break
			}
			cur.close = l
			if culprit, msg := cur.checkEnd(); msg != "" {
				if culprit == nil {
					fail(CodeNotAllowed, l, len(l.indent()), msg)
				} else {
					fail(CodeKeyName, culprit, culprit.value.from, msg)
				}
			}
			cur = cur.parent
		}
	}
	for ; cur != f.root; cur = cur.parent {
		last := f.lines[len(f.lines)-1]
		fail(CodeSyntax, last, len(last.raw), fmt.Sprintf("%s of section %q, opened on line %d", missingBrace, cur.Name(), cur.Line()))
	}
	slices.SortStableFunc(errs, func(a, b *Error) int { return a.Line - b.Line })
	return f, errs
}

// Name returns the name given to Parse or New.
func (f *File) Name() string { return f.name }

// Root returns the section around the whole file. It has no name and no line.
func (f *File) Root() *Section { return f.root }

// Bytes returns the file as it is to be written.
func (f *File) Bytes() []byte {
	size := 0
	for _, l := range f.lines {
		size += len(l.raw) + len(l.eol)
	}
	b := make([]byte, 0, size)
	for _, l := range f.lines {
		b = append(b, l.raw...)
		b = append(b, l.eol...)
	}
	if n := len(f.lines); n > 0 {
		b = b[:len(b)-min(f.unended, len(f.lines[n-1].eol))]
	}
	return b
}

// Clone returns a copy that shares nothing with f. Sections of f are not
// sections of the copy.
func (f *File) Clone() *File {
	c, _ := Parse(f.name, f.Bytes())
	c.edited = f.edited
	return c
}

// EditFor has edits refused that the parser of the release refuses, and not
// those that only another one does; without it that is 3.1.
func (f *File) EditFor(r Release) { f.edited = r }

// insert puts lines before f.lines[i].
func (f *File) insert(i int, lines ...*line) {
	f.lines = slices.Insert(f.lines, i, lines...)
	f.renumber(i)
}

// remove takes f.lines[i:j] out.
func (f *File) remove(i, j int) {
	for _, l := range f.lines[i:j] {
		l.num = 0
	}
	f.lines = slices.Delete(f.lines, i, j)
	f.renumber(i)
}

func (f *File) renumber(from int) {
	for i := from; i < len(f.lines); i++ {
		f.lines[i].num = i + 1
	}
}

// eol returns the line ending for a line inserted before f.lines[i].
func (f *File) eol(i int) string {
	switch {
	case i > 0:
		return f.lines[i-1].eol
	case len(f.lines) > 0:
		return f.lines[0].eol
	}
	return "\n"
}

// indentUnit returns by how much the file's first indented section is indented.
func (f *File) indentUnit() string {
	for i, l := range f.lines[:max(len(f.lines)-1, 0)] {
		next := f.lines[i+1]
		if l.kind != opening || next.kind == blank {
			continue
		}
		if unit, ok := strings.CutPrefix(next.indent(), l.indent()); ok && unit != "" {
			return unit
		}
	}
	return "    "
}

// unclosed reports whether a section lacks its closing brace.
func (f *File) unclosed() bool {
	return slices.ContainsFunc(f.lines, func(l *line) bool { return l.section != nil && l.section.close == nil })
}

// sections returns, in file order, all sections with the path.
func (f *File) sections(path string) []*Section {
	var found []*Section
	for _, l := range f.lines {
		if l.section != nil && l.section.path == path {
			found = append(found, l.section)
		}
	}
	return found
}
