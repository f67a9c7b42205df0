package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// ErrNotTerminal tells that a question cannot be asked for want of a terminal.
var ErrNotTerminal = errors.New("there is no terminal to ask on")

// Confirm asks a question on the terminal and reports whether the answer is
// yes; anything else, and no answer, is no. Without a terminal to ask and to
// answer on it is ErrNotTerminal.
func (s *Streams) Confirm(ctx context.Context, question string) (bool, error) {
	s.asking.Lock()
	defer s.asking.Unlock()
	line, err := s.ask(ctx, question+" [y/N] ", func() ([]byte, error) {
		line, err := bufio.NewReader(s.In).ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return line, err
	})
	if err != nil {
		return false, fmt.Errorf("ask for confirmation: %w", err)
	}
	answer := strings.ToLower(strings.TrimSpace(string(line)))
	return answer == "y" || answer == "yes", nil
}

// Password asks for a secret on the terminal, which does not show it. Without a
// terminal to ask and to answer on it is ErrNotTerminal. When ctx ends first
// the terminal is as it was before.
func (s *Streams) Password(ctx context.Context, prompt string) ([]byte, error) {
	s.asking.Lock()
	defer s.asking.Unlock()
	secret, err := s.password(ctx, prompt)
	if err != nil {
		return nil, fmt.Errorf("ask for password: %w", err)
	}
	return secret, nil
}

func (s *Streams) password(ctx context.Context, prompt string) ([]byte, error) {
	in, ok := s.In.(*os.File)
	if !ok {
		return nil, ErrNotTerminal
	}
	fd := int(in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, ErrNotTerminal
	}
	secret, err := s.ask(ctx, prompt, func() ([]byte, error) { return term.ReadPassword(fd) })
	if err != nil {
		// Where the read was left behind, the terminal was left without echo.
		return nil, errors.Join(err, term.Restore(fd, before))
	}
	_, err = fmt.Fprintln(s.Err) // for the Enter that was not shown
	return secret, err
}

// Answered waits until no question is open any more.
func (s *Streams) Answered() {
	s.asking.Lock()
	defer s.asking.Unlock()
}

// ask shows a prompt and reads the answer, with the progress display out of the
// way. When ctx ends first, read is left behind: a read from a terminal cannot
// be broken off.
func (s *Streams) ask(ctx context.Context, prompt string, read func() ([]byte, error)) ([]byte, error) {
	if !s.InTTY || !s.ErrTTY {
		return nil, ErrNotTerminal
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	defer s.holdProgress()()

	type result struct {
		answer []byte
		err    error
	}
	answered := make(chan result, 1)
	go func() { // before the prompt, so that the echo is off when one sees it
		answer, err := read()
		answered <- result{answer, err}
	}()
	if _, err := io.WriteString(s.Err, Clean(prompt)); err != nil {
		return nil, err
	}
	select {
	case r := <-answered:
		return r.answer, r.err
	case <-ctx.Done():
		_, err := fmt.Fprintln(s.Err)
		return nil, errors.Join(context.Cause(ctx), err)
	}
}

func (s *Streams) holdProgress() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.progress == nil {
		return func() {}
	}
	return s.progress.hold()
}

// Choose asks which of several things to do, and reports the answer: the letter
// of one of them. It asks again until it gets one; no answer is an error. Without
// a terminal to ask and to answer on that is ErrNotTerminal.
func (s *Streams) Choose(ctx context.Context, question, letters string) (byte, error) {
	s.asking.Lock()
	defer s.asking.Unlock()
	in := bufio.NewReader(s.In)
	for {
		line, err := s.ask(ctx, question+" ", func() ([]byte, error) { return in.ReadBytes('\n') })
		if err != nil {
			return 0, fmt.Errorf("ask what to do: %w", err)
		}
		if answer := strings.ToLower(strings.TrimSpace(string(line))); answer != "" && strings.Contains(letters, answer[:1]) {
			return answer[0], nil
		}
	}
}
