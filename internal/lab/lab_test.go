//go:build linux

package lab_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clusterctl/internal/lab"
)

func TestALabThatWasNeverUpIsNotThere(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for _, name := range []string{"none", "../none", ""} {
		if _, err := lab.Open(name); !errors.Is(err, lab.ErrNoLab) {
			t.Errorf("open %q: got %v, want %v", name, err, lab.ErrNoLab)
		}
	}
	if names, err := lab.List(); len(names) > 0 || err != nil {
		t.Errorf("list: got %q, %v; want none", names, err)
	}
}

func TestALabWithoutProcessesIsListedAndBroken(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	dir := filepath.Join(cache, "clusterctl", "lab", "run", "crashed")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(`{"Name":"crashed","Nodes":2}`), 0o644); err != nil {
		t.Fatal(err)
	}
	names, err := lab.List()
	if !slices.Equal(names, []string{"crashed"}) || err != nil {
		t.Errorf("list: got %q, %v; want crashed", names, err)
	}
	if _, err := lab.Open("crashed"); err == nil || !strings.Contains(err.Error(), "clusterlab down --name crashed") {
		t.Errorf("open: got %v, want the command that ends it", err)
	}
}
