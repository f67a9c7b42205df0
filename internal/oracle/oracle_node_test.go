//go:build linux && node

package main

import (
	"math/rand/v2"
	"testing"
)

var suites = []string{"bookworm", "trixie"}

// TestNodeCorosyncAgrees asks about new configurations each time. What it finds
// goes to testdata: internal/oracle --seed S --from N --n 1 --save.
func TestNodeCorosyncAgrees(t *testing.T) {
	seed := rand.Uint64N(1e9)
	for _, suite := range suites {
		t.Run(suite, func(t *testing.T) {
			r, err := compare(t.Context(), job{Suite: suite, Seed: seed, N: 500, Samples: "../../testdata/conf"})
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range r.Differ {
				t.Errorf("seed %d number %d on %s: corosync %s says %s, corosyncconf %s:\n%s\n%s", seed, d.Number, d.Hostname, r.Corosync, d.Theirs, d.Ours, d.Conf, d.Output)
			}
		})
	}
}

// TestNodeCorosyncStillSaysSo holds what testdata says of corosync to corosync.
func TestNodeCorosyncStillSaysSo(t *testing.T) {
	known := readAnswered(t)
	for _, suite := range suites {
		t.Run(suite, func(t *testing.T) {
			r, err := compare(t.Context(), job{Suite: suite, Samples: "../../testdata/conf", Again: known})
			if err != nil {
				t.Fatal(err)
			}
			asked := 0
			for _, n := range r.Count {
				asked += n
			}
			if asked == 0 {
				t.Errorf("testdata has nothing about corosync %s", r.Corosync)
			}
			for _, d := range r.Differ {
				t.Errorf("corosync %s says %s, and testdata %s:\n%s\n%s", r.Corosync, d.Theirs, d.Ours, d.Conf, d.Output)
			}
		})
	}
}
