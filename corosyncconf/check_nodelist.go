package corosyncconf

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
)

// generateID returns the id that a node gets from an IPv4 address. It is not ok
// if there is none, and 0 if it is not known.
func (t *totem) generateID(addr string) (id uint32, ok bool) {
	a := t.resolve(addr, "ipv4")
	if a.failed {
		return 0, false
	}
	if a.ip.IsValid() {
		id = binary.BigEndian.Uint32(a.ip.AsSlice())
	}
	if s, ok := t.str("totem.clear_node_high_bit"); ok && s.text == "yes" {
		id &= 1<<31 - 1
	}
	return id, id != 1<<32-1
}

// localID does what totem_config_read does with the node that it is.
func (t *totem) localID() {
	if !t.local.found {
		return
	}
	prefix := fmt.Sprintf("nodelist.node.%d.", t.local.pos)
	id, ok := t.number(prefix + "nodeid")
	if !ok && t.version.before(version{3, 1, 5}) {
		id, _ = t.number("totem.nodeid")
	}
	t.local.id = uint32(id.n)
	switch {
	case t.local.id != 0:
		return
	case t.via != "knet":
		if s, ok := t.str(prefix + "ring0_addr"); ok {
			t.local.id, _ = t.generateID(s.text) // what fails is reported with the nodes
		} else {
			t.test(CodeCrash, t.nodeLine(t.local.pos), "the node of this machine has neither a nodeid nor a ring0_addr to make one from: corosync crashes, or makes one of something else",
				"give the node a nodeid")
		}
		return
	}
	if _, hasRing := t.firstRing(t.local.pos); !hasRing || t.version.before(version{3, 1, 5}) {
		t.missingID(t.local.pos)
	}
}

func (t *totem) missingID(pos uint32) {
	t.test(CodeNodeID, t.nodeLine(pos), "a node without a nodeid, which knet needs", "give the node a nodeid from 1 to 65535 that no other node has or had")
}

// nodeLine returns a line of the node.
func (t *totem) nodeLine(pos uint32) *line {
	var first *line
	for p := range t.under(fmt.Sprintf("nodelist.node.%d.", pos)) {
		if l := t.values[p].line; l != nil && (first == nil || l.num < first.num) {
			first = l
		}
	}
	return first
}

func (t *totem) firstRing(pos uint32) (s setting, ok bool) {
	for p := range t.under(fmt.Sprintf("nodelist.node.%d.", pos)) {
		_, key, _ := nodeKey(p)
		if _, ok := ringKey(key); ok {
			if s, ok := t.str(p); ok {
				return s, true
			}
		}
	}
	return setting{}, false
}

// positions returns the places of nodes in the order in which corosync goes
// over them, which is 0, 1, 10, 2.
func (t *totem) positions() []uint32 {
	var all []uint32
	for p := range t.under("nodelist.node.") {
		if pos, _, ok := nodeKey(p); ok && (len(all) == 0 || all[len(all)-1] != pos) {
			all = append(all, pos)
		}
	}
	return all
}

// nodes does what put_nodelist_members_to_config does.
func (t *totem) nodes() {
	for n := range t.links {
		t.links[n].members = nil
	}
	made := map[string]setting{}
	for _, pos := range t.positions() {
		prefix := fmt.Sprintf("nodelist.node.%d.", pos)
		idSetting, hasID := t.number(prefix + "nodeid")
		id := uint32(idSetting.n)
		asked := false
		for p := range t.under(prefix) {
			_, key, _ := nodeKey(p)
			link, isRing := ringKey(key)
			s, isText := t.str(p)
			if !isRing {
				continue
			}
			if link >= maxLinks {
				code, also := CodeLinkNumber, ""
				if t.version.before(version{3, 1, 0}) {
					code, also = CodeCrash, ", and this version does not notice"
				}
				t.test(code, t.values[p].line, fmt.Sprintf("there is no link %d: links are numbered 0 to %d%s", int32(link), maxLinks-1, also), "use another link")
				continue
			}
			if !isText {
				continue
			}
			if !asked {
				asked = true
				switch {
				case t.via != "knet" && id == 0:
					id = t.makeID(prefix, made)
				case t.via == "knet" && t.version.before(version{3, 1, 5}):
				case t.via == "knet" && id == 0:
					t.missingID(pos)
				case t.via == "knet" && id > maxKnetID && hasID:
					t.test(CodeNodeID, idSetting.line, fmt.Sprintf("nodeid %d is over %d, the highest that knet takes", id, maxKnetID), "use a lower nodeid that no other node has or had")
				}
			}
			l := &t.links[link]
			l.members = append(l.members, member{t.address(s), s.line})
			if _, stored := made[prefix+"nodeid"]; stored && t.alone(p, prefix) {
				// The id is stored while corosync goes over the keys, and with no
				// other key there libqb's trie comes to this one again.
				l.members = append(l.members, l.members[len(l.members)-1])
			}
			if !l.configured {
				l.configured, l.line = true, s.line
			}
		}
	}
	if !t.version.before(version{3, 1, 0}) {
		for key, s := range made {
			t.set(key, s)
		}
	}
}

// alone reports whether path is the only key that begins with the prefix.
func (t *totem) alone(path, prefix string) bool {
	for p := range t.under(prefix) {
		if p != path {
			return false
		}
	}
	return !t.version.before(version{3, 1, 0})
}

// makeID makes the id of a node that has none from its ring0_addr.
func (t *totem) makeID(prefix string, made map[string]setting) uint32 {
	s, ok := t.str(prefix + "ring0_addr")
	if !ok {
		return 0
	}
	id, ok := t.generateID(s.text)
	switch {
	case !ok && !t.failed[s.line]:
		t.test(CodeNodeID, s.line, fmt.Sprintf("%q is not of IPv4, and no nodeid can be made from it", s.text), "give the node a nodeid")
	case id != 0:
		made[prefix+"nodeid"] = setting{text: strconv.FormatUint(uint64(id), 10), number: true, n: uint64(id), line: s.line}
	}
	return id
}

// duplicateIDs reports ids that two nodes have. corosync 3 goes over the nodes
// in the order of its database, 0, 1, 10, 2, and stops looking at the first
// that does not come before; so it misses some where there are over ten
// (check_for_duplicate_nodeids).
func (t *totem) duplicateIDs() {
	type node struct {
		pos      uint32
		id       uint32
		known    bool // that it has an id
		compared bool // to those after it
		line     *line
	}
	var all []node
	for _, pos := range t.positions() {
		prefix := fmt.Sprintf("nodelist.node.%d.", pos)
		n := node{pos: pos}
		ring0, hasRing0 := t.str(prefix + "ring0_addr")
		if s, ok := t.number(prefix + "nodeid"); ok {
			n.id, n.known, n.line = uint32(s.n), true, s.line
		} else if hasRing0 {
			id, ok := t.generateID(ring0.text)
			n.id, n.known, n.line = id, ok && id != 0, ring0.line
		}
		_, n.compared = t.values[prefix+"nodeid"]
		if t.target.Release == V24 {
			n.compared = hasRing0
			n.known = n.known && hasRing0
		}
		all = append(all, n)
	}
	refused := map[uint32]bool{}        // ids
	compared := map[uint32]int{}        // where in all an id is first compared to others
	highest := make([]uint32, len(all)) // of the positions up to here
	for i, n := range all {
		highest[i] = max(n.pos, highest[max(i-1, 0)])
		if _, had := compared[n.id]; !had && n.known && n.compared {
			compared[n.id] = i
		}
	}
	for _, n := range all {
		seen, _ := slices.BinarySearch(highest, n.pos) // corosync stops there
		if i, ok := compared[n.id]; ok && n.known && i < seen {
			refused[n.id] = true
		}
	}
	slices.SortFunc(all, func(a, b node) int { return int(int64(a.pos) - int64(b.pos)) })
	first := map[uint32]node{}
	for _, n := range all {
		if !n.known {
			continue
		}
		before, twice := first[n.id]
		if !twice {
			first[n.id] = n
			continue
		}
		by := Accepted
		if refused[n.id] {
			by = ByTest
		}
		t.report(CodeDuplicateID, by, t.line(n.line), fmt.Sprintf("nodes %d and %d of the list have the nodeid %d", before.pos+1, n.pos+1, n.id),
			"give each node a nodeid of its own")
	}
}
