package corosyncconf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// parseAddr reads an address as getaddrinfo(3) of glibc does: IPv4 in one to
// four parts, each decimal, octal or hexadecimal (inet_aton), or IPv6, with a
// number for its zone. One with a name for that is left to the machine.
func parseAddr(s string) (netip.Addr, bool) {
	if strings.Contains(s, ":") {
		s, zone, zoned := strings.Cut(s, "%")
		if _, err := strconv.ParseUint(zone, 10, 32); zoned && err != nil {
			return netip.Addr{}, false
		}
		a, err := netip.ParseAddr(s)
		return a, err == nil
	}
	parts := strings.Split(s, ".")
	last := len(parts) - 1
	if last > 3 {
		return netip.Addr{}, false
	}
	var b [4]byte
	for i, part := range parts {
		if part == "" || part[0] < '0' || part[0] > '9' || strings.ContainsAny(part[:min(2, len(part))], "bBoO") || strings.Contains(part, "_") {
			return netip.Addr{}, false // Go's own additions to base 0, among others
		}
		n, err := strconv.ParseUint(part, 0, 32)
		switch {
		case err != nil:
			return netip.Addr{}, false
		case i < last && n > 0xff, n>>(8*(4-last)) != 0:
			return netip.Addr{}, false
		case i < last:
			b[i] = byte(n)
		default:
			binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])|uint32(n))
		}
	}
	return netip.AddrFrom4(b), true
}

// isAddress reports whether a machine may take text for an address or a name:
// whether it is one, or has the form of the other.
func isAddress(text string) bool {
	if _, ok := parseAddr(text); ok {
		return true
	}
	if addr, _, zoned := strings.Cut(text, "%"); zoned {
		_, err := netip.ParseAddr(addr)
		return err == nil // the name of an interface is for the machine to know
	}
	return text != "" && !strings.ContainsFunc(text, notInHostname) && strings.Trim(text, "0123456789.") != ""
}

// addressIn returns the address or name that a text was probably to be; empty
// if none comes to mind.
func addressIn(text string) string {
	text, _, _ = strings.Cut(text, "#")
	if _, after, ok := strings.Cut(text, "://"); ok {
		text = after
	}
	text, _, _ = strings.Cut(text, "/")
	text = strings.Trim(text, "\"'`,; \t")
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	text = strings.Trim(text, "[]")
	if !isAddress(text) {
		return ""
	}
	return text
}

// remedyAddress says what to write instead of a text that is no address.
func remedyAddress(text string) string {
	if meant := addressIn(text); meant != "" {
		return fmt.Sprintf("write %s alone: an address has no quotes, brackets, port, network length or comment", meant)
	}
	return "write an IP address, or a name that every node has in its /etc/hosts"
}

// address is what a text in the file stands for on the target.
type address struct {
	ip     netip.Addr // zero if it is not known
	failed bool       // it stands for no address that corosync would use
}

func (a address) ok() bool { return !a.failed }

// known reports whether it is known which family corosync takes it for.
func (a address) known() bool { return a.failed || a.ip.IsValid() }

// family returns 4 or 6, or 0 for none.
func (a address) family() int {
	switch {
	case a.failed, !a.ip.IsValid():
		return 0
	case a.ip.Is4():
		return 4
	}
	return 6
}

// resolve returns the address that corosync takes for text (totemip_parse):
// the first of the family in ip_version that comes first.
func (c *checker) resolve(text, ipVersion string) address {
	family := map[string]int{"ipv4": 4, "ipv6": 6}[ipVersion]
	if ip, ok := parseAddr(text); ok {
		if family == 4 {
			ip = ip.Unmap()
		}
		return address{ip, family == 4 && !ip.Is4() || family == 6 && !ip.Is6()}
	}
	all, ok := c.lookup(text, family)
	if !ok {
		return address{}
	}
	var first, other netip.Addr
	for _, ip := range all {
		switch {
		case ip.Is4() == (ipVersion == "ipv4-6" || ipVersion == "ipv4"):
			if !first.IsValid() {
				first = ip
			}
		case !other.IsValid():
			other = ip
		}
	}
	if !first.IsValid() {
		first = other
	}
	return address{first, !first.IsValid()}
}

// lookup returns the addresses of a name; it is not ok if they are not known.
func (c *checker) lookup(name string, family int) (all []netip.Addr, ok bool) {
	if ip, ok := parseAddr(name); ok {
		return []netip.Addr{ip}, true
	}
	if c.target.Here == nil || c.target.Here.Lookup == nil {
		return nil, false
	}
	q := query{name, family}
	all, ok = c.lookups[q]
	if !ok {
		var err error
		if all, err = c.target.Here.Lookup(name, family); errors.Is(err, ErrNotKnown) {
			return nil, false
		}
		if c.lookups == nil {
			c.lookups = map[query][]netip.Addr{}
		}
		c.lookups[q] = all
	}
	return all, true
}

// query is a question to Machine.Lookup.
type query struct {
	name   string
	family int
}
