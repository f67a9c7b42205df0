package cli_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"clusterctl/internal/cli"
)

// written reads what the terminal was sent, up to a text.
func written(t *testing.T, keyboard *os.File, until string) string {
	t.Helper()
	var all strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(all.String(), until) {
		n, err := keyboard.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, all.String())
		}
		all.Write(buf[:n])
	}
	return all.String()
}

func newScreen(t *testing.T, rows uint16) (*cli.Screen, *os.File, *os.File) {
	t.Helper()
	terminal, keyboard := pty(t)
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: 80}); err != nil {
		t.Fatal(err)
	}
	s := &cli.Streams{In: terminal, Out: terminal, InTTY: true, OutTTY: true}
	c, err := s.NewScreen()
	if err != nil {
		t.Fatal(err)
	}
	written(t, keyboard, "\x1b[2J")
	return c, terminal, keyboard
}

func TestScreenWritesOnlyWhatChanges(t *testing.T) {
	c, _, keyboard := newScreen(t, 24)
	for _, text := range []string{"one\ntwo\nthree\n", "one\n2\nthree\n", "one\n2\n"} {
		if err := c.Show(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	got := written(t, keyboard, "\x1b[?1049l")
	want := "\x1b[H\x1b[2J\x1b[1;1H\x1b[2Kone\x1b[2;1H\x1b[2Ktwo\x1b[3;1H\x1b[2Kthree" +
		"\x1b[2;1H\x1b[2K2" + "\x1b[3;1H\x1b[2K" + "\x1b[?7h\x1b[?25h\x1b[?1049l"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestScreenSaysWhatDoesNotFit(t *testing.T) {
	c, _, keyboard := newScreen(t, 3)
	if err := c.Show("1\n2\n3\n4\n5\n"); err != nil {
		t.Fatal(err)
	}
	if got := written(t, keyboard, "more"); !strings.HasSuffix(got, "\x1b[3;1H\x1b[2K... 3 lines more") || strings.Contains(got, "K3") {
		t.Errorf("got %q", got)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestScreenIsLeftByAKeyAndGivesTheTerminalBack(t *testing.T) {
	for _, key := range []string{"q", "xQ", "\x03"} {
		c, terminal, keyboard := newScreen(t, 24)
		if echoes(t, terminal) {
			t.Error("keys are echoed")
		}
		if _, err := keyboard.WriteString(key); err != nil {
			t.Fatal(err)
		}
		<-c.Quit()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if !echoes(t, terminal) {
			t.Error("the terminal was left without echo")
		}
	}
}

func TestScreenNeedsATerminal(t *testing.T) {
	if _, err := (&cli.Streams{In: os.Stdin, OutTTY: true}).NewScreen(); !errors.Is(err, cli.ErrNotTerminal) {
		t.Errorf("got %v", err)
	}
}
