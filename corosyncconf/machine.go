package corosyncconf

import (
	"errors"
	"net/netip"
)

// ErrNotKnown is what Machine.Lookup says of a name that the machine was not
// asked about: it may have an address.
var ErrNotKnown = errors.New("it is not known whether there is such a name")

// Machine is what corosync learns from the machine that it starts on. Who asks
// for a check fills it in: this package does no I/O. What depends on a field
// that is empty is not checked.
type Machine struct {
	Version     [3]int   // of corosync: {3, 1, 7}; counts if it is of the Target's release
	Features    []string // that it was built with, as corosync -v prints them: "watchdog", "monitoring"
	Crypto      []string // crypto models that its libknet has
	Compression []string // compression models that its libknet has

	Hostname string         // as uname -n prints it
	Addrs    []netip.Prefix // of its network interfaces, in the order of getifaddrs(3): each address with the length of its network

	// Lookup returns the addresses of a name in the order of getaddrinfo(3), of
	// family 4 or 6, or of both if it is 0. It is asked about no addresses but
	// those with the name of an interface, fe80::1%eth0. ErrNotKnown is no answer.
	Lookup func(name string, family int) ([]netip.Addr, error)
	// Reverse returns the name of an address; empty if it has none.
	Reverse func(netip.Addr) string

	// KeySize returns how many bytes of a file corosync could read as its key.
	KeySize func(path string) (int, error)
	// EnterDir says why corosync could not change to the directory.
	EnterDir func(path string) error
	// AppendTo says why corosync could not log to the file; it does not make it.
	AppendTo func(path string) error

	// UserFiles has the regular files in uidgid.d beside corosync.conf, by their
	// path, which corosync reads too (coroparse.c:read_uidgid_files_into_icmap).
	UserFiles map[string][]byte

	User  func(name string) bool // whether there is the user
	Group func(name string) bool // whether there is the group
}
