//go:build linux && node

package lab

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testPrefix begins the names of the labs that Start makes.
const testPrefix = "test-"

// Start makes a lab for a test, which ends with the test, or with the test's process if that is killed. Only the name
// in the options does not count: it is a new one each time. A machine that can make no lab fails the test. If the test
// fails, the journals of the nodes go to its artifact directory, and their last lines to its log.
func Start(t testing.TB, o Options) *Lab {
	t.Helper()
	removeDead(t)
	o.Name = testPrefix + random(4)
	o.Log = t.Logf
	o.tied = true
	l, err := Up(t.Context(), o)
	if err != nil {
		t.Fatalf("start a lab: %v", err)
	}
	t.Cleanup(func() {
		ctx := context.Background() // t.Context has ended by now
		if t.Failed() {
			l.dump(ctx, t)
		}
		if err := l.Down(ctx); err != nil && !errors.Is(err, ErrNoLab) { // the test may have ended it
			t.Errorf("end the lab: %v", err)
		}
	})
	return l
}

// dump keeps what is known of the nodes for a test that failed.
func (l *Lab) dump(ctx context.Context, t testing.TB) {
	const last = 40
	for _, n := range l.nodes {
		name := filepath.Join(t.ArtifactDir(), n.name+".journal")
		journal, err := n.Journal(ctx)
		if err == nil {
			err = os.WriteFile(name, []byte(journal), 0o644)
		}
		if err != nil {
			t.Logf("%s: save journal: %v", n.name, err)
		}
		lines := strings.SplitAfter(journal, "\n")
		t.Logf("%s is %s; the end of its journal:\n%s", n.name, n.State(), strings.Join(lines[max(0, len(lines)-last):], ""))
	}
}

// removeDead removes the labs of tests whose processes were killed. Their own processes ended with those.
func removeDead(t testing.TB) {
	names, err := List()
	if err != nil {
		t.Fatal(err)
	}
	once, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range names {
		l, err := find(name)
		if err != nil || !strings.HasPrefix(name, testPrefix) {
			continue
		}
		lock, err := lockDir(once, l.dir)
		if err != nil {
			continue // somebody is at work on it
		}
		if !l.group.is("populated") {
			if err := l.destroy(t.Context()); err != nil {
				t.Logf("remove lab %s of an earlier test: %v", name, err)
			}
		}
		lock.Close()
	}
}
