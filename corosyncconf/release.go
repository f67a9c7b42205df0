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
