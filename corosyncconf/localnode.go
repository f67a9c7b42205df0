package corosyncconf

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// nodeKey takes "nodelist.node.N.KEY" apart as sscanf does.
func nodeKey(path string) (pos uint32, key string, ok bool) {
	rest, ok := strings.CutPrefix(path, "nodelist.node.")
	if !ok {
		return 0, "", false
	}
	pos, rest, ok = scanUint(rest)
	key, dot := strings.CutPrefix(rest, ".")
	return pos, key, ok && dot && key != ""
}

// ringKey takes "ringN_addr" apart as sscanf does.
func ringKey(key string) (link uint32, ok bool) {
	rest, ok := strings.CutPrefix(key, "ring")
	if !ok {
		return 0, false
	}
	link, rest, ok = scanUint(rest)
	return link, ok && rest == "_addr"
}

// scanUint reads a number from the front of s as sscanf does for %u.
func scanUint(s string) (n uint32, rest string, ok bool) {
	digits := strings.TrimPrefix(s, "-")
	end := 0
	for end < len(digits) && '0' <= digits[end] && digits[end] <= '9' {
		end++
	}
	if end == 0 {
		return 0, "", false
	}
	n64, _ := strconv.ParseUint(digits[:end], 10, 64) // too large a number is the largest
	if len(digits) < len(s) {
		n64 = -n64
	}
	return uint32(n64), digits[end:], true
}

// called is a text by which a node may be known: its name or its ring0_addr.
type called struct {
	pos  uint32
	text string
}

// findLocal finds the place in the nodelist of the node that the target is
// (totemconfig.c:find_local_node). It is not certain where that takes what is
// not known of the target.
func (t *totem) findLocal() (pos uint32, found, certain bool) {
	var all []called
	for path := range t.under("nodelist.node.") {
		p, key, ok := nodeKey(path)
		if !ok || key != "name" && key != "ring0_addr" {
			continue
		}
		if s, ok := t.str(path); ok {
			all = append(all, called{p, s.text})
		}
	}
	here := t.target.Here
	if len(all) == 0 {
		return 0, false, true
	}
	if here == nil || here.Hostname == "" {
		return 0, false, false
	}
	by := func(name string) bool {
		i := slices.IndexFunc(all, func(c called) bool { return c.text == name })
		if i >= 0 {
			pos = all[i].pos
		}
		return i >= 0
	}

	// By its own name, whole and then ever shorter.
	name := here.Hostname
	for {
		if by(name) {
			return pos, true, true
		}
		dot := strings.LastIndexByte(name, '.')
		if dot < 0 {
			break
		}
		name = name[:dot]
	}
	if !t.version.before(version{3, 1, 1}) {
		for _, c := range all {
			if first, _, _ := strings.Cut(c.text, "."); first == name {
				return c.pos, true, true
			}
		}
	}

	// By the names and addresses of its interfaces.
	for _, own := range here.Addrs {
		ip, name := own.Addr(), ""
		if here.Reverse != nil {
			name = here.Reverse(ip)
		}
		if name == "" {
			name = ip.String()
		}
		if first, _, dot := strings.Cut(name, "."); by(name) || dot && by(first) || ip.Is4() && by(ip.String()) {
			return pos, true, true
		}
	}

	// By what the names of the nodes stand for.
	certain = true
	for _, c := range all {
		ips, known := t.lookup(c.text, 0)
		certain = certain && known
		for _, ip := range ips {
			if slices.ContainsFunc(here.Addrs, func(own netip.Prefix) bool { return own.Addr() == ip.WithZone("") }) {
				return c.pos, true, true
			}
		}
	}
	return 0, false, certain
}
