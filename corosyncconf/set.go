package corosyncconf

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Set gives the key at p the value: in the line that counts, else in a new one
// where Section.Set puts it. Sections that are missing are added beside their
// kin: an interface with its linknumber (its ringnumber where the others have
// one), a logger_subsys with its subsys. A node that is missing is added only by
// giving it the name or nodeid by which p chooses it.
//
// Set refuses what Section.Set refuses, a node that the nodelist does not have,
// what could be about several sections, a second value for a key of which every
// line counts, and a number or name that would make one section of two. Then
// nothing has changed. See KeyPath.Check for keys and values that make no sense.
func (f *File) Set(p KeyPath, value string) error {
	if err := f.set(p, value); err != nil {
		return fmt.Errorf("set %s: %w", p, err)
	}
	return nil
}

func (f *File) set(p KeyPath, value string) error {
	if p.key == "" {
		return errors.New("it is a section, and only keys have values")
	}
	at, parts, err := f.find(p)
	missing := errors.Is(err, ErrNoNode)
	if missing && p.isNewNode(value) {
		return f.setNew(p, value)
	}
	if _, id := parseInteger(p.which); missing && p.section == "nodelist.node" && p.key != "name" && !id {
		name := p
		name.key = "name"
		return fmt.Errorf("%w; to add it, set its name first: %s %s", err, name, p.which)
	}
	if err != nil {
		return err
	}
	if parts == nil {
		return f.setNew(p, value)
	}
	to := parts[0]
	switch lines := f.settledAt(at, p.key); {
	case len(lines) > 1:
		return fmt.Errorf("it is there %d times, and every line counts", len(lines))
	case len(lines) == 1:
		to = lines[0].section
	}
	if !p.chooses() {
		return to.set(p.key, value)
	}
	if len(parts) > 1 {
		return fmt.Errorf("it stands in %d sections, the first on line %d, the last on line %d: make one of them first",
			len(parts), parts[0].Line(), parts[len(parts)-1].Line())
	}
	after := f.Clone()
	if err := after.lines[to.Line()-1].section.set(p.key, value); err != nil {
		return err
	}
	if len(after.whiches(p.section)) < len(f.whiches(p.section)) {
		return errors.New("it would become one with another section")
	}
	return to.set(p.key, value)
}

// isNewNode reports whether a node that is missing is to be added.
func (p KeyPath) isNewNode(value string) bool {
	return p.section == "nodelist.node" && (p.key == "name" || p.key == "nodeid") && value == p.which
}

// chooses reports whether p is about a key by which corosync tells sections
// apart, so that another value makes another section of it.
func (p KeyPath) chooses() bool {
	switch p.section {
	case "totem.interface":
		return p.key == "linknumber" || p.key == "ringnumber"
	case "logging.logger_subsys":
		return p.key == "subsys"
	case "logging.logging_daemon":
		return p.key == "name" || p.key == "subsys"
	}
	return false
}

// whiches returns which sections there are of several.
func (f *File) whiches(section string) map[string]bool {
	all := map[string]bool{}
	for _, s := range f.places() {
		if s.path == section {
			all[s.which] = true
		}
	}
	return all
}

// setNew sets a key in a section that is missing.
func (f *File) setNew(p KeyPath, value string) error {
	if chosen(p.section) != "" && p.which == "" {
		return fmt.Errorf("which one? There is none yet: name it in brackets, by %s", chosenBy[chosen(p.section)])
	}
	s, made, err := f.addSections(p)
	if err == nil {
		if had, ok := s.Get(p.key); p.chooses() && ok && had != value {
			err = fmt.Errorf("there is no %s", KeyPath{p.section, p.which, ""})
		} else {
			err = s.set(p.key, value)
		}
	}
	if err != nil {
		made.remove()
	}
	return err
}

// addSections adds the section that p is about, and those around it that are
// missing. made is the outermost one that it added.
func (f *File) addSections(p KeyPath) (s, made *Section, err error) {
	if p.section == "nodelist.node" {
		return f.addNodeSection()
	}
	outer, name := cutLast(p.section)
	up := KeyPath{section: outer}
	if chosen(outer) != "" {
		up.which = p.which
	}
	_, parents, err := f.find(up)
	if err == nil && parents == nil {
		s, made, err = f.addSections(up)
		parents = []*Section{s}
	}
	if err != nil {
		return nil, made, err
	}
	parent := parents[0]
	for _, part := range parents {
		if part.lastSection(name) != nil {
			parent = part
		}
	}
	labels := f.labels(p)
	if s = parent.AddSection(name); s == nil {
		return nil, made, errNoSection
	}
	if made == nil {
		made = s
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if err := s.set(key, labels[key]); err != nil {
			return nil, made, err
		}
	}
	return s, made, nil
}

// labels returns the keys, with their values, by which p chooses a section.
func (f *File) labels(p KeyPath) settings {
	switch p.section {
	case "totem.interface":
		all := merge(f.sections(p.section))
		if _, links := all["linknumber"]; all["ringnumber"] != "" && !links {
			return settings{"ringnumber": p.which}
		}
		return settings{"linknumber": p.which}
	case "logging.logger_subsys":
		return settings{"subsys": p.which}
	case "logging.logging_daemon":
		name, subsys, both := strings.Cut(p.which, ".")
		if both {
			return settings{"name": name, "subsys": subsys}
		}
		return settings{"name": name}
	}
	return nil
}

// Unset removes the key, as Section.Unset does, or the section, as
// Section.RemoveSection does, from all sections that corosync merges, and
// reports whether it was there. A section stays when its last key is removed.
//
// It fails, and nothing has changed, if the nodelist has no such node, if
// several sections could be meant, and if the section would be taken for
// another one without the key: for that of link 0 without its linknumber.
func (f *File) Unset(p KeyPath) (bool, error) {
	found, err := f.unset(f.orSection(p))
	if err != nil {
		return false, fmt.Errorf("remove %s: %w", p, err)
	}
	return found, nil
}

func (f *File) unset(p KeyPath) (bool, error) {
	_, parts, err := f.find(p)
	if err != nil {
		return false, err
	}
	if p.chooses() {
		after := f.Clone()
		var same []*Section
		for _, s := range parts {
			same = append(same, after.lines[s.Line()-1].section)
		}
		for _, s := range same {
			s.Unset(p.key)
		}
		if !maps.Equal(after.whiches(p.section), f.whiches(p.section)) {
			return false, fmt.Errorf("without it the section is another one: remove %s as a whole", KeyPath{p.section, p.which, ""})
		}
	}
	found := false
	for _, s := range parts {
		if p.key == "" {
			found = s.parent.RemoveSection(s) || found
		} else {
			found = s.Unset(p.key) || found
		}
	}
	return found, nil
}
