package corosyncconf

import (
	"fmt"
	"slices"
)

// Release is a line of corosync releases whose corosync.conf differs from that
// of the others.
type Release int

// The releases, oldest first.
const (
	V24 Release = iota + 1 // 2.4
	V30                    // 3.0
	V31                    // 3.1
)

var releaseNames = []string{V24: "2.4", V30: "3.0", V31: "3.1"}

// version is a version of corosync: major, minor, patch.
type version [3]int

// newest is the version whose grammar Parse goes by.
var newest = version{3, 1, 10}

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

func (v version) before(w version) bool { return slices.Compare(v[:], w[:]) < 0 }

// release returns the release that v is of.
func (v version) release() Release {
	switch {
	case v.before(version{3, 0, 0}):
		return V24
	case v.before(version{3, 1, 0}):
		return V30
	}
	return V31
}

// version returns the version of corosync that a file is checked for: that of
// the machine, else the newest of the release.
func (t Target) version() version {
	if t.Here != nil && version(t.Here.Version).release() == t.Release && t.Here.Version != [3]int{} {
		return t.Here.Version
	}
	switch t.Release {
	case V24:
		return version{2, 4, 6}
	case V30:
		return version{3, 0, 4}
	}
	return newest
}

// Releases returns all releases, oldest first.
func Releases() []Release { return []Release{V24, V30, V31} }

// String returns the release as corosync numbers it: "3.1".
func (r Release) String() string { return releaseNames[r] }

// ParseRelease reads what String returns.
func ParseRelease(s string) (Release, error) {
	if i := slices.Index(releaseNames, s); i > 0 {
		return Release(i), nil
	}
	return 0, fmt.Errorf("%q is no release of corosync whose configuration is known: 2.4, 3.0 or 3.1", s)
}
