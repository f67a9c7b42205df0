package cli_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"clusterctl/internal/cli"
)

func TestConfirm(t *testing.T) {
	tests := map[string]bool{
		"y\n": true, "Y\n": true, " yes \n": true, "y": true,
		"n\n": false, "\n": false, "": false, "yy\n": false, "no\ny\n": false,
	}
	for answer, want := range tests {
		var asked bytes.Buffer
		s := &cli.Streams{In: strings.NewReader(answer), Err: &asked, InTTY: true, ErrTTY: true}
		got, err := s.Confirm(t.Context(), "stop all nodes?")
		if got != want || err != nil {
			t.Errorf("%q is %v, %v; want %v", answer, got, err, want)
		}
		if asked.String() != "stop all nodes? [y/N] " {
			t.Errorf("asked %q", &asked)
		}
	}
}

func TestChoose(t *testing.T) {
	for answer, want := range map[string]byte{"e\n": 'e', "Quit\n": 'q', "\nwhat?\n y \n": 'y'} {
		var asked bytes.Buffer
		s := &cli.Streams{In: strings.NewReader(answer), Err: &asked, InTTY: true, ErrTTY: true}
		if got, err := s.Choose(t.Context(), "now?", "yeq"); got != want || err != nil {
			t.Errorf("%q is %q, %v; want %q", answer, got, err, want)
		}
		if want := strings.Repeat("now? ", strings.Count(answer, "\n")); asked.String() != want {
			t.Errorf("%q: asked %q", answer, &asked)
		}
	}
	s := &cli.Streams{In: strings.NewReader("x\n"), Err: io.Discard, InTTY: true, ErrTTY: true}
	if got, err := s.Choose(t.Context(), "now?", "yeq"); !errors.Is(err, io.EOF) {
		t.Errorf("without an answer: %q, %v", got, err)
	}
}

func TestQuestionsNeedATerminal(t *testing.T) {
	tests := map[string]*cli.Streams{
		"to answer on": {ErrTTY: true},
		"to ask on":    {InTTY: true},
	}
	for name, s := range tests {
		t.Run(name, func(t *testing.T) {
			var asked bytes.Buffer
			s.In, s.Err = strings.NewReader("y\n"), &asked
			if ok, err := s.Confirm(t.Context(), "sure?"); ok || !errors.Is(err, cli.ErrNotTerminal) {
				t.Errorf("Confirm is %v, %v", ok, err)
			}
			if secret, err := s.Password(t.Context(), "password: "); secret != nil || !errors.Is(err, cli.ErrNotTerminal) {
				t.Errorf("Password is %q, %v", secret, err)
			}
			if asked.Len() > 0 {
				t.Errorf("asked %q", &asked)
			}
		})
	}
}

func TestConfirmEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, answer := io.Pipe()
		defer answer.Close()
		s := &cli.Streams{In: in, Err: io.Discard, InTTY: true, ErrTTY: true}
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() {
			_, err := s.Confirm(ctx, "sure?")
			failed <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestProgressMakesRoomForAQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, screen := live()
		in, answer := io.Pipe()
		s.In = in
		p := s.NewProgress(false)
		n1, n2 := p.Start("n1: connect"), p.Start("n2: connect")

		done := make(chan bool)
		go func() {
			ok, _ := s.Confirm(t.Context(), "go on?")
			done <- ok
		}()
		synctest.Wait()
		screen.shows(t, "go on? [y/N] ")

		n1.Done() // while the question is open
		screen.shows(t, "go on? [y/N] ")

		// The terminal itself shows the answer that is typed.
		io.WriteString(screen, "y\n")
		io.WriteString(answer, "y\n")
		if !<-done {
			t.Error("yes was not heard")
		}
		screen.shows(t, "go on? [y/N] y", "✓ n1: connect", "* n2: connect")
		n2.Done()
		p.Close()
	})
}
