package cli

import (
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// Streams are where a command reads and writes, and what they can do.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer

	InTTY, OutTTY, ErrTTY bool // the stream is a terminal
	OutColor, ErrColor    bool // what is written to it may be coloured
	Dumb                  bool // a terminal on which the cursor cannot be moved
	Width                 int  // columns of Out; 0: as wide as it gets (not a terminal)

	asking   sync.Mutex // held while a question is open
	mu       sync.Mutex // guards progress
	progress *Progress  // the one that runs
}

// The size of a terminal that does not tell.
const (
	defaultWidth  = 80
	defaultHeight = 24
)

// NewStreams finds out what in, out and err can do. color is auto, always or
// never; auto heeds NO_COLOR and TERM=dumb.
func NewStreams(in, out, err *os.File, lookupEnv func(string) (string, bool), color string) *Streams {
	tty := func(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }
	s := &Streams{In: in, Out: out, Err: err, InTTY: tty(in), OutTTY: tty(out), ErrTTY: tty(err)}
	if s.OutTTY {
		s.Width, _ = size(out)
	}
	s.setup(lookupEnv, color)
	return s
}

// setup decides on colour and moves of the cursor.
func (s *Streams) setup(lookupEnv func(string) (string, bool), color string) {
	noColor, _ := lookupEnv("NO_COLOR")
	terminal, _ := lookupEnv("TERM")
	s.Dumb = terminal == "dumb"
	auto := color == "auto" && noColor == "" && !s.Dumb
	s.OutColor = color == "always" || auto && s.OutTTY
	s.ErrColor = color == "always" || auto && s.ErrTTY
}

// size is the width and height of a terminal in characters.
func size(w io.Writer) (width, height int) {
	if f, ok := w.(*os.File); ok {
		if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 && height > 0 {
			return width, height
		}
	}
	return defaultWidth, defaultHeight
}
