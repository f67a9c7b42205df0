package corosyncconf

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
)

// maxLinks is how many links corosync 3 has (totem.h: INTERFACE_MAX).
const maxLinks = 8

// ConfigVersion returns totem.config_version, 0 if it is not set.
func (f *File) ConfigVersion() uint64 { return f.settings("totem").version() }

// SetConfigVersion sets totem.config_version.
func (f *File) SetConfigVersion(v uint64) error {
	return f.Set(KeyPath{section: "totem", key: "config_version"}, strconv.FormatUint(v, 10))
}

// BumpVersion raises totem.config_version by one, as is due for each set of
// changes. A file that has none, or 0, stays as it is: corosync then does not
// compare versions.
func (f *File) BumpVersion() error {
	v := f.ConfigVersion()
	if v == 0 {
		return nil
	}
	if v == math.MaxUint64 {
		return fmt.Errorf("totem.config_version is %d and can be raised no more", v)
	}
	return f.SetConfigVersion(v + 1)
}

// SetTwoNode sets quorum.two_node to 1, or removes it.
func (f *File) SetTwoNode(on bool) error {
	path := KeyPath{section: "quorum", key: "two_node"}
	if on {
		return f.Set(path, "1")
	}
	_, err := f.Unset(path)
	return err
}

// setLast changes the line for key that counts in sections that corosync
// merges, or adds one to the first of them.
func setLast(sections []*Section, key, value string) error {
	target := sections[0]
	for _, s := range sections {
		if s.last(key) != nil {
			target = s
		}
	}
	return target.Set(key, value)
}

// nodes returns the sections that make up each node, by its index in cmap.
// There is more than one where nodelist is repeated: corosync numbers nodes
// from 0 in each, so later ones overwrite.
func (f *File) nodes() [][]*Section {
	var nodes [][]*Section
	index := 0
	for _, l := range f.lines {
		switch s := l.section; {
		case s == nil:
		case s.path == "nodelist":
			index = 0
		case s.path == "nodelist.node":
			if index == len(nodes) {
				nodes = append(nodes, nil)
			}
			nodes[index] = append(nodes[index], s)
			index++
		}
	}
	return nodes
}

// node returns the sections of the one node with the id.
func (f *File) node(id uint32) ([]*Section, error) {
	var found []*Section
	for i, parts := range f.nodes() {
		if merge(parts).node(i).ID != id || id == 0 {
			continue
		}
		if found != nil {
			return nil, errors.New("the nodelist has the id twice")
		}
		found = parts
	}
	if found == nil {
		return nil, errors.New("not in the nodelist")
	}
	return found, nil
}

// AddNode adds n to the end of the nodelist, its lines in the order and the
// style of the node before it. quorum_votes is written when Votes is not 1 or
// the node before has it. Nothing has changed if there is an error: an id or
// name that is missing or taken, no address, a link number over 7, or a value
// that Section.Set refuses.
func (f *File) AddNode(n Node) error {
	if err := f.addNode(n); err != nil {
		return fmt.Errorf("add node %s: %w", n.Label(), err)
	}
	return nil
}

func (f *File) addNode(n Node) error {
	if err := f.checkNode(n); err != nil {
		return err
	}
	values := settings{"nodeid": strconv.FormatUint(uint64(n.ID), 10)}
	order := []string{"nodeid"}
	if n.Name != "" {
		values["name"] = n.Name
		order = []string{"name", "nodeid"}
	}
	for _, link := range slices.Sorted(maps.Keys(n.Addrs)) {
		values[linkKey(link)] = n.Addrs[link]
		order = append(order, linkKey(link))
	}
	order = append(order, "quorum_votes")
	if n.Votes != 1 {
		values["quorum_votes"] = strconv.Itoa(n.Votes)
	}

	if nodes := f.nodes(); len(nodes) > 0 {
		before := nodes[len(nodes)-1][0]
		if before.last("quorum_votes") != nil {
			values["quorum_votes"] = strconv.Itoa(n.Votes)
		}
		var keys []string
		for _, o := range before.Options() {
			keys = append(keys, o.Key)
		}
		order = append(keys, order...)
	}
	added, made, err := f.addNodeSection()
	if err == nil {
		err = added.fill(order, values)
	}
	if err != nil {
		made.remove()
	}
	return err
}

// addNodeSection adds an empty node to the end of the nodelist, which it makes
// if need be. made is the outermost section that it added.
func (f *File) addNodeSection() (added, made *Section, err error) {
	var list *Section
	name := "node"
	if nodes := f.nodes(); len(nodes) > 0 {
		before := nodes[len(nodes)-1][0]
		list, name = before.parent, before.Name()
	} else if lists := f.sections("nodelist"); len(lists) > 0 {
		list = lists[len(lists)-1]
	} else {
		made = f.root.AddSection("nodelist")
		list = made
	}
	if added = list.AddSection(name); added == nil {
		return nil, made, errNoSection
	}
	if made == nil {
		made = added
	}
	return added, made, nil
}

// errNoSection is that AddSection returned nil.
var errNoSection = errors.New("a section cannot be added: the file lacks a closing brace, or its lines are too long")

// fill sets the keys that have a value, in the order given.
func (s *Section) fill(order []string, values settings) error {
	for _, key := range order {
		value, ok := values[key]
		if _, done := s.Get(key); !ok || done {
			continue
		}
		if err := s.Set(key, value); err != nil {
			return err
		}
	}
	return nil
}

// checkNode returns everything that keeps n from being added.
func (f *File) checkNode(n Node) error {
	var errs []error
	if n.ID == 0 {
		errs = append(errs, errors.New("node id is missing"))
	}
	for _, other := range f.Config().Nodes {
		if n.ID != 0 && n.ID == other.ID {
			errs = append(errs, fmt.Errorf("node id %d is taken by %s", n.ID, other.Label()))
		}
		if n.Name != "" && n.Name == other.Name {
			errs = append(errs, fmt.Errorf("name is taken by the node with id %d", other.ID))
		}
	}
	if n.Votes < 0 {
		errs = append(errs, fmt.Errorf("votes are negative: %d", n.Votes))
	}
	if len(n.Addrs) == 0 {
		errs = append(errs, errors.New("no address"))
	}
	for _, link := range slices.Sorted(maps.Keys(n.Addrs)) {
		if link < 0 || link >= maxLinks {
			errs = append(errs, fmt.Errorf("link number %d is not in 0..%d", link, maxLinks-1))
		}
		if n.Addrs[link] == "" {
			errs = append(errs, fmt.Errorf("address on link %d is empty", link))
		}
	}
	return errors.Join(errs...)
}

// RemoveNode removes the node from the nodelist, as Section.RemoveSection
// does. It fails if the nodelist does not have the id, or has it twice.
func (f *File) RemoveNode(id uint32) error {
	parts, err := f.node(id)
	if err != nil {
		return fmt.Errorf("remove node %d: %w", id, err)
	}
	for _, s := range parts {
		s.parent.RemoveSection(s)
	}
	return nil
}

// SetNodeVotes sets the node's quorum_votes, adding the line if there is none.
// It fails if the nodelist does not have the id, or has it twice.
func (f *File) SetNodeVotes(id uint32, votes int) error {
	parts, err := f.node(id)
	if err == nil {
		err = setLast(parts, "quorum_votes", strconv.Itoa(votes))
	}
	if err != nil {
		return fmt.Errorf("set votes of node %d: %w", id, err)
	}
	return nil
}
