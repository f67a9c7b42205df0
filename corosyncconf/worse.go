package corosyncconf

import "slices"

// Worse returns what Check finds in new and did not find in old: what an edit
// brings. A finding is the old one again if it is about the same place with the
// same content, wherever its line is by now, or says the same. So the rest of
// what is wrong is not held against an edit that mends some of it, and one error
// does not pass for another of its kind.
func Worse(old, new *File, t Target) []Finding {
	had := old.check(t, 0)
	about, saying := map[subject][]int{}, map[subject][]int{}
	for i, s := range old.subjects(had) {
		about[s] = append(about[s], i)
		saying[had[i].words()] = append(saying[had[i].words()], i)
	}
	again := make([]bool, len(had))
	take := func(candidates []int) bool { // each old finding stands for one
		for _, i := range candidates {
			if !again[i] {
				again[i] = true
				return true
			}
		}
		return false
	}
	found := new.check(t, 0)
	known := make([]bool, len(found))
	for i, s := range new.subjects(found) {
		if slices.Contains(ofAll, s.code) {
			known[i] = about[s] != nil
		} else {
			known[i] = take(about[s])
		}
	}
	var worse []Finding
	for i, f := range found {
		if !known[i] && !take(saying[f.words()]) {
			worse = append(worse, f)
		}
	}
	return worse
}

// subject is what a finding is about, independent of the number of its line.
type subject struct {
	code     Code
	severity Severity
	place    KeyPath // of the key or section; empty for the file as a whole
	text     string  // the value of the key
}

// words is a subject by what the finding says.
func (f Finding) words() subject { return subject{f.Code, f.Severity, KeyPath{}, f.Message} }

// ofAll are codes about a key in all nodes together: which nodes' lines findings
// stand at, and how many, depends on what the others have. One stands for all.
var ofAll = []Code{CodeUnevenLinks, CodeManyNodes, CodeTooManyNodes}

// subjects returns what findings of f are about.
func (f *File) subjects(found []Finding) []subject {
	labels := f.nodeLabels()
	of := map[*Section]place{}
	for _, p := range f.places() {
		of[p.section] = p.place
	}
	in := f.owners()
	subjects := make([]subject, len(found))
	for i, x := range found {
		s := subject{code: x.Code, severity: x.Severity}
		if x.Line > 0 {
			l := f.lines[x.Line-1]
			key := ""
			switch l.kind {
			case option:
				key, s.text = l.keyText(), l.valueText()
			case junk:
				s.text = l.raw
			}
			s.place = of[in[x.Line-1]].named(labels, key)
		}
		if x.missing != "" {
			s.place.key = x.missing
		}
		if slices.Contains(ofAll, x.Code) {
			s.place.which, s.text = "", ""
		}
		subjects[i] = s
	}
	return subjects
}

// owners returns the section that each line is in; of those that open and close
// one it is that.
func (f *File) owners() []*Section {
	in := make([]*Section, len(f.lines))
	cur := f.root
	for i, l := range f.lines {
		if l.section != nil {
			cur = l.section
		}
		in[i] = cur
		if cur.close == l {
			cur = cur.parent
		}
	}
	return in
}
