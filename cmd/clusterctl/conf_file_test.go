//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestReplaceFileKeepsWhatTheFileIs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "real", "conf")
	link := filepath.Join(dir, "link")
	must(t, os.Mkdir(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte("old"), 0o600))
	must(t, os.Chmod(path, 0o640))
	must(t, os.Symlink("real/conf", link))
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 1, 2
		must(t, os.Chown(path, uid, gid))
	}
	must(t, replaceFile(link, []byte("old"), []byte("new")))

	info, err := os.Lstat(path)
	must(t, err)
	owner := info.Sys().(*syscall.Stat_t)
	if info.Mode() != 0o640 || int(owner.Uid) != uid || int(owner.Gid) != gid {
		t.Errorf("mode %v, owner %d:%d", info.Mode(), owner.Uid, owner.Gid)
	}
	if text, _ := os.ReadFile(path); string(text) != "new" {
		t.Errorf("it has %q", text)
	}
	if target, err := os.Readlink(link); err != nil || target != "real/conf" {
		t.Errorf("the link is now %q: %v", target, err)
	}
	alone(t, path)
}

func TestReplaceFileRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "conf")
	must(t, os.WriteFile(path, []byte("edited by another"), 0o644))
	fifo := filepath.Join(dir, "fifo")
	must(t, syscall.Mkfifo(fifo, 0o600))
	loop := filepath.Join(dir, "loop")
	must(t, os.Symlink("loop", loop))
	for at, want := range map[string]string{
		path:                       "it has changed meanwhile",
		dir:                        "is not a plain file",
		fifo:                       "is not a plain file",
		loop:                       "too many links",
		filepath.Join(dir, "none"): "no such file",
	} {
		if err := replaceFile(at, []byte("old"), []byte("new")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", at, err, want)
		}
	}
	if text, _ := os.ReadFile(path); string(text) != "edited by another" {
		t.Errorf("it has %q", text)
	}
	for _, left := range []string{fifo, loop} {
		must(t, os.Remove(left))
	}
	alone(t, path)
}

// TestSetWritesNothingThatIsSo looks at the file itself: its inode and times.
func TestSetWritesNothingThatIsSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "conf")
	must(t, os.WriteFile(path, []byte("totem {\n\tversion: 2\n\ttoken: 5000\n}\n"), 0o444))
	before, err := os.Stat(path)
	must(t, err)
	for _, args := range [][]string{
		{"set", "totem.token", "5000"}, {"unset", "totem.join"}, {"set", "totem.token", "6000", "--dry-run"}, {"set", "totem.token", "two", "--force"},
	} {
		runHere(t, nil, append([]string{"conf", "--file", path}, args...)...)
		if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
			t.Errorf("%v has written the file: %v", args, err)
		}
	}
	if r := runHere(t, nil, "conf", "set", "totem.token", "6000", "--file", path); r.code != 0 {
		t.Errorf("set: exit code %d: %s", r.code, r.err)
	}
	if after, err := os.Stat(path); err != nil || os.SameFile(before, after) {
		t.Errorf("set has written into the file, or not at all: %v", err)
	}
	alone(t, path)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// alone fails if there is anything beside path.
func alone(t *testing.T, path string) {
	t.Helper()
	if all, err := os.ReadDir(filepath.Dir(path)); err != nil || len(all) != 1 {
		t.Errorf("left beside it: %v: %v", all, err)
	}
}
