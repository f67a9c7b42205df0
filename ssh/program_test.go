//go:build unix

package ssh_test

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clusterctl/ssh"
)

func TestAProgramHasItsInputAndOutputHere(t *testing.T) {
	bothHosts(t, func(t *testing.T, h ssh.Host) {
		p, err := h.Program(t.Context(), `printf '%s\n' "$@"; while read -r line; do echo "got $line"; done; echo over >&2`, "it's", "two words")
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		r := bufio.NewReader(p)
		expect := func(want string) {
			t.Helper()
			if line, err := r.ReadString('\n'); err != nil || line != want+"\n" {
				t.Fatalf("read %q, %v; want %q", line, err, want)
			}
		}
		expect("it's")
		expect("two words")
		for _, text := range []string{"one", "two"} {
			if _, err := io.WriteString(p, text+"\n"); err != nil {
				t.Fatal(err)
			}
			expect("got " + text)
		}
	})
}

func TestAProgramGetsBytesAsTheyAre(t *testing.T) {
	bothHosts(t, func(t *testing.T, h ssh.Host) {
		p, err := h.Program(t.Context(), `head -c "$1" | tail -c 4; cat`, "300000")
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		data := append(bytes.Repeat([]byte{0, 1, 2}, 100000-2), 0, 255, 10, 13, 0, 7)
		if _, err := p.Write(append(data, "rest"...)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 8)
		if _, err := io.ReadFull(p, got); err != nil || string(got) != "\x0a\x0d\x00\x07rest" {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

func TestAProgramSeesThatItIsClosed(t *testing.T) {
	bothHosts(t, func(t *testing.T, h ssh.Host) {
		mark := filepath.Join(t.TempDir(), "mark")
		p, err := h.Program(t.Context(), `cat >/dev/null; echo ended >"$1"`, mark)
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			if data, _ := os.ReadFile(mark); strings.TrimSpace(string(data)) == "ended" {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("it goes on")
			}
		}
	})
}
