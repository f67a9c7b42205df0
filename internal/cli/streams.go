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

// Streams are where a command reads and writes, and what they can do.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	InTTY    bool
	OutTTY   bool
	ErrTTY   bool
	OutColor bool
	ErrColor bool
	Width    int // columns of Out; 0: as wide as it gets (not a terminal)
	ErrWidth int // columns of Err
}

// ErrNotTerminal tells that a question cannot be asked for want of a terminal.
var ErrNotTerminal = errors.New("there is no terminal to ask on")

// NewStreams finds out what in, out and err can do. color is auto, always or
// never; auto heeds NO_COLOR and TERM=dumb.
func NewStreams(in, out, err *os.File, lookupEnv func(string) (string, bool), color string) *Streams {
	tty := func(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }
	s := &Streams{In: in, Out: out, Err: err, InTTY: tty(in), OutTTY: tty(out), ErrTTY: tty(err)}
	smart := true
	if v, set := lookupEnv("NO_COLOR"); set && v != "" {
		smart = false
	}
	if v, _ := lookupEnv("TERM"); v == "dumb" {
		smart = false
	}
	s.OutColor = color == "always" || color == "auto" && smart && s.OutTTY
	s.ErrColor = color == "always" || color == "auto" && smart && s.ErrTTY
	s.Width, s.ErrWidth = columns(out, s.OutTTY), columns(err, s.ErrTTY)
	return s
}

func columns(f *os.File, tty bool) int {
	if !tty {
		return 0
	}
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
		return w
	}
	return 80
}

// Style is how a text looks where there is colour.
type Style string

// The styles.
const (
	Plain Style = ""
	OK    Style = "\x1b[32m"
	Warn  Style = "\x1b[33m"
	Bad   Style = "\x1b[31m"
	Dim   Style = "\x1b[2m"
)

// Style puts a style to a text that goes to Out.
func (s *Streams) Style(style Style, text string) string { return paint(s.OutColor, style, text) }

// ErrStyle puts a style to a text that goes to Err.
func (s *Streams) ErrStyle(style Style, text string) string { return paint(s.ErrColor, style, text) }

func paint(color bool, style Style, text string) string {
	if !color || style == Plain || text == "" {
		return text
	}
	return string(style) + text + "\x1b[0m"
}

// Confirm asks a question that only y or yes answers with true. When ctx ends
// while it waits, it returns the cause of that.
func (s *Streams) Confirm(ctx context.Context, question string) (bool, error) {
	if !s.InTTY || !s.ErrTTY {
		return false, ErrNotTerminal
	}
	fmt.Fprintf(s.Err, "%s [y/N] ", question)
	answer, err := wait(ctx, func() (string, error) { return bufio.NewReader(s.In).ReadString('\n') })
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", nil
}

// Password asks for a secret, which is not shown. When ctx ends while it waits,
// the terminal shows what is typed again.
func (s *Streams) Password(ctx context.Context, prompt string) ([]byte, error) {
	in, ok := s.In.(*os.File)
	if !ok || !s.InTTY || !s.ErrTTY {
		return nil, ErrNotTerminal
	}
	before, err := term.GetState(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("ask for a password: %w", err)
	}
	fmt.Fprint(s.Err, prompt)
	secret, err := wait(ctx, func() ([]byte, error) { return term.ReadPassword(int(in.Fd())) })
	fmt.Fprintln(s.Err)
	if err != nil {
		_ = term.Restore(int(in.Fd()), before)
		return nil, err
	}
	return secret, nil
}

// wait returns what f returns, or the cause of ctx's end if that comes first;
// f then goes on waiting for its input.
func wait[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
