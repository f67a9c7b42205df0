package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"clusterctl/internal/cli"

	"golang.org/x/sys/unix"
)

// pty is a terminal and the keyboard that belongs to it.
func pty(t *testing.T) (terminal, keyboard *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	fd := int(keyboard.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return terminal, keyboard
}

func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

func TestPassword(t *testing.T) {
	terminal, keyboard := pty(t)
	var asked bytes.Buffer
	s := &cli.Streams{In: terminal, Err: &asked, InTTY: true, ErrTTY: true}
	if _, err := keyboard.WriteString("s3cret y\n"); err != nil {
		t.Fatal(err)
	}
	secret, err := s.Password(t.Context(), "root@n1's password: ")
	if err != nil || string(secret) != "s3cret y" {
		t.Errorf("got %q, %v", secret, err)
	}
	if got, want := asked.String(), "root@n1's password: \n"; got != want {
		t.Errorf("wrote %q, want %q", got, want)
	}
	if !echoes(t, terminal) {
		t.Error("the terminal was left without echo")
	}
}

func TestPasswordGivesTheTerminalBackWhenItsContextEnds(t *testing.T) {
	terminal, _ := pty(t)
	s := &cli.Streams{In: terminal, Err: new(bytes.Buffer), InTTY: true, ErrTTY: true}
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := s.Password(ctx, "password: ")
		failed <- err
	}()
	for echoes(t, terminal) {
		runtime.Gosched()
	}
	cancel()
	s.Answered()
	if !echoes(t, terminal) {
		t.Error("the terminal was without echo when all was answered")
	}
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
