package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// ran is what a run of clusterctl in this process came to.
type ran struct {
	code      int
	out, err  string
	allocated uint64 // bytes
}

// runHere runs clusterctl in this process, where its memory can be seen.
func runHere(t *testing.T, in *os.File, args ...string) ran {
	t.Helper()
	out, errs := tempFile(t), tempFile(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	code := Run(t.Context(), Env{Args: args, In: in, Out: out, Err: errs, LookupEnv: func(string) (string, bool) { return "", false }})
	runtime.ReadMemStats(&after)
	return ran{code, contents(t, out), contents(t, errs), after.TotalAlloc - before.TotalAlloc}
}

func tempFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func contents(t *testing.T, f *os.File) string {
	t.Helper()
	data, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestBadInputGetsAClearError gives conf check what is no corosync.conf, or
// hardly one.
func TestBadInputGetsAClearError(t *testing.T) {
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		binary = bytes.Repeat([]byte("\x7fELF\x00\x01\xff{}:\n"), maxConf/10)
	}
	tests := []struct {
		name, text string
		code       int
		want       string // in what is printed
	}{
		{"nothing", "", 3, `there is no node`},
		{"a program", string(binary[:maxConf/2]), 3, `conf:1:\d+: (line too long|line contains a NUL byte)`},
		{"zero bytes", strings.Repeat("\x00", 4096), 3, `conf:1:511: line too long: 4096 bytes, at most 510 are read`},
		{"one line", strings.Repeat("x", maxConf), 3, `conf:1:511: line too long: 1048576 bytes, at most 510 are read`},
		{"nested without end", strings.Repeat("a {\n", 100_000), 3, `conf:100000:4: missing closing brace of section "a", opened on line 100000`},
		{"closing braces", strings.Repeat("}\n", 100_000), 3, `conf:1:1: unexpected closing brace`},
		{"carriage returns for line feeds", "totem {\r\tversion: 2\r}\r", 3, `conf:1:8: extra characters after opening bracket '{'`},
		{"a no-break space in a key", "totem {\n\u00a0version: 2\n}\n", 3, `conf:2:1: a no-break space`},
		{"a no-break space in a value", "totem {\n\tcluster_name: a\u00a0\n}\n", 3, `conf:2:17: a no-break space`},
		{"a byte order mark", "\ufefftotem {\n\tversion: 2\n}\n", 3, `conf:1:1: a byte order mark`},
		{"UTF-16", "t\x00o\x00t\x00e\x00m\x00 \x00{\x00\n\x00", 3, `conf:1:2: line contains a NUL byte`},
		{"one byte more than is read", strings.Repeat("#\n", maxConf/2) + "#", 1, `conf is longer than 1048576 bytes: no corosync\.conf is`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "conf")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			r := runHere(t, nil, "conf", "check", "--file", path)
			if r.code != tt.code || !regexp.MustCompile(tt.want).MatchString(r.out+r.err) {
				t.Errorf("exit code %d, want %d with %s:\n%.2000s%s", r.code, tt.code, tt.want, r.out, r.err)
			}
			if lines := strings.Count(r.out, "\n"); lines > 2*maxFindings+2 {
				t.Errorf("%d lines are printed", lines)
			}
			for _, args := range [][]string{{"get"}, {"show"}, {"set", "totem.token", "5000"}, {"unset", "totem.token"}, {"diff", path, path}} {
				if args[0] != "diff" {
					args = append(args, "--file", path)
				}
				if r := runHere(t, nil, append([]string{"conf"}, args...)...); r.code != 0 && r.code != 1 || strings.Contains(r.err, "panic") {
					t.Errorf("%s: exit code %d: %s", args[0], r.code, r.err)
				}
			}
		})
	}
}

// TestFilesOfAnySizeTakeBoundedMemory has files far longer than a corosync.conf
// can be: they are turned down before they are read.
func TestFilesOfAnySizeTakeBoundedMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "conf")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<30); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check"}, {"get"}, {"show"}, {"set", "totem.token", "5000"}, {"unset", "totem.token"}, {"diff", path}} {
		r := runHere(t, nil, append([]string{"conf", "--file", path}, args...)...)
		if r.code != 1 || !strings.Contains(r.err, "conf is longer than 1048576 bytes") {
			t.Errorf("%s: exit code %d: %s", args[0], r.code, r.err)
		}
		if most := uint64(16 * maxConf); r.allocated > most {
			t.Errorf("%s: %d bytes were allocated, more than %d", args[0], r.allocated, most)
		}
	}
}

func TestInputWithoutEndIsNotReadToItsEnd(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	written := make(chan int)
	go func() {
		n, _ := io.Copy(out, endless{})
		written <- int(n)
	}()
	r := runHere(t, in, "conf", "check", "--file", "-")
	in.Close()
	if r.code != 1 || !strings.Contains(r.err, "error: standard input is longer than 1048576 bytes: no corosync.conf is\n") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	if n := <-written; n > 2*maxConf {
		t.Errorf("%d bytes were taken", n)
	}
}

// endless is a comment without end.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '#'
	}
	return len(b), nil
}

func TestReadingEndsWithTheRun(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errInterrupted)
	done := make(chan int)
	go func() {
		done <- Run(ctx, Env{Args: []string{"conf", "check", "--file", "-"}, In: in, Out: tempFile(t), Err: tempFile(t), LookupEnv: os.LookupEnv})
	}()
	select {
	case code := <-done:
		if code != 130 {
			t.Errorf("exit code %d", code)
		}
	case <-time.After(time.Minute):
		t.Fatal("it still waits for input")
	}
}

// TestTheLargestClusterFits makes a corosync.conf of as many nodes and links as
// corosync can have, with comments, and takes it through check and set.
func TestTheLargestClusterFits(t *testing.T) {
	var b strings.Builder
	b.WriteString("totem {\n    version: 2\n    cluster_name: large\n    config_version: 1\n    crypto_cipher: aes256\n    crypto_hash: sha256\n    token: 30000\n}\n\nnodelist {\n")
	for n := range 384 {
		fmt.Fprintf(&b, "    # node %d stands in rack %d\n    node {\n        name: node%d.cluster.example.com\n        nodeid: %d\n", n, n/20, n, n+1)
		for link := range 8 {
			fmt.Fprintf(&b, "        ring%d_addr: fd00:%x::%x:ffff\n", link, link, n+1)
		}
		b.WriteString("    }\n\n")
	}
	b.WriteString("}\n\nquorum {\n    provider: corosync_votequorum\n}\n")
	if 4*b.Len() > maxConf {
		t.Errorf("it has %d bytes, too near to %d", b.Len(), maxConf)
	}
	path := filepath.Join(t.TempDir(), "conf")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := runHere(t, nil, "conf", "set", "nodelist.node[384].ring7_addr", "fd00:7::1", "--file", path); r.code != 0 {
		t.Errorf("set: exit code %d: %s", r.code, r.err)
	}
	if r := runHere(t, nil, "conf", "check", "--file", path); r.code != 0 {
		t.Errorf("check: exit code %d: %s%s", r.code, r.out, r.err)
	}
}
