package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// Screen is a whole terminal that shows one text, in place of what was there
// before, until it is closed. Only lines that change are written, so that it
// is steady, and fast on a slow line. The terminal cuts lines that are too long.
type Screen struct {
	out   io.Writer
	quit  chan struct{}
	close func() error

	mu            sync.Mutex
	lines         []string // that are shown
	width, height int
}

const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H\x1b[2J" // another screen, no cursor, no wrapping, empty
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
)

// NewScreen takes the terminal over. Without one to read keys from and to write
// to it is ErrNotTerminal.
func (s *Streams) NewScreen() (*Screen, error) {
	in, ok := s.In.(*os.File)
	if !ok || !s.InTTY || !s.OutTTY || s.Dumb {
		return nil, ErrNotTerminal
	}
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("take the terminal over: %w", err)
	}
	c := &Screen{out: s.Out, quit: make(chan struct{})}
	c.close = func() error {
		_, err := io.WriteString(c.out, leaveScreen)
		if rerr := term.Restore(int(in.Fd()), before); err == nil {
			err = rerr
		}
		return err
	}
	if _, err := io.WriteString(s.Out, enterScreen); err != nil {
		_ = c.close() // there is no more to be done for a terminal that is gone
		return nil, fmt.Errorf("take the terminal over: %w", err)
	}
	go c.keys(in) // left behind at the end: a read from a terminal cannot be broken off
	return c, nil
}

// keys waits for one that ends it: q, Ctrl-C, Ctrl-D, or the terminal's end.
func (c *Screen) keys(in io.Reader) {
	defer close(c.quit)
	key := make([]byte, 1)
	for {
		if n, err := in.Read(key); err != nil || n == 1 && strings.ContainsRune("qQ\x03\x04", rune(key[0])) {
			return
		}
	}
}

// Quit is closed when someone wants to leave.
func (c *Screen) Quit() <-chan struct{} { return c.quit }

// Rows is how many lines fit on the screen.
func (c *Screen) Rows() int {
	_, height := size(c.out)
	return height
}

// Show shows a text. What does not fit on the screen is left out, and the last
// line says how much that is.
func (c *Screen) Show(text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	width, height := size(c.out)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) > height {
		more := len(lines) - height + 1
		lines = append(lines[:height-1], fmt.Sprintf("... %d lines more", more))
	}
	var out bytes.Buffer
	if width != c.width || height != c.height {
		out.WriteString("\x1b[H\x1b[2J")
		c.lines, c.width, c.height = nil, width, height
	}
	for i := range max(len(lines), len(c.lines)) {
		line, was := "", ""
		if i < len(lines) {
			line = lines[i]
		}
		if i < len(c.lines) {
			was = c.lines[i]
		}
		if line != was {
			fmt.Fprintf(&out, "\x1b[%d;1H\x1b[2K%s", i+1, line)
		}
	}
	c.lines = lines
	if out.Len() == 0 {
		return nil
	}
	if _, err := c.out.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write to the terminal: %w", err)
	}
	return nil
}

// Close gives the terminal back as it was.
func (c *Screen) Close() error { return c.close() }

// To are streams like s that write results to w.
func (s *Streams) To(w io.Writer) *Streams {
	return &Streams{
		In: s.In, Out: w, Err: s.Err, InTTY: s.InTTY, OutTTY: s.OutTTY, ErrTTY: s.ErrTTY,
		OutColor: s.OutColor, ErrColor: s.ErrColor, Dumb: s.Dumb, Width: s.Width,
	}
}
