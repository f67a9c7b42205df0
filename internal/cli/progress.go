package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Progress tells on Streams.Err what goes on. On a terminal the steps that run
// have a line each at the bottom, redrawn in place; elsewhere each step is a
// line when it ends. All methods may be called from several goroutines.
type Progress struct {
	s     *Streams
	quiet bool
	stop  chan struct{} // ends the spinner

	mu      sync.Mutex
	running []*Task
	above   bytes.Buffer // lines that stay, not written yet
	drawn   int          // lines of the live area that are on the screen
	frame   int
	held    int // questions that are open: nothing is written
	closed  bool
}

// Task is a step that runs.
type Task struct {
	p       *Progress
	text    string
	started time.Time
}

const (
	frameTime = 100 * time.Millisecond
	longTime  = 2 * time.Second // from here on a step shows how long it has run
)

var spinner = []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

// NewProgress begins to show progress; a quiet one shows only warnings. Nothing
// else may be written to the terminal until Close, but questions may be asked
// through s: the display makes room for them.
func (s *Streams) NewProgress(quiet bool) *Progress {
	p := &Progress{s: s, quiet: quiet, stop: make(chan struct{})}
	s.mu.Lock()
	s.progress = p
	s.mu.Unlock()
	if p.live() {
		go p.spin()
	}
	return p
}

// live says that there is a live area.
func (p *Progress) live() bool { return p.s.ErrTTY && !p.s.Dumb && !p.quiet }

// Start shows a step.
func (p *Progress) Start(text string) *Task {
	t := &Task{p: p, text: Clean(text), started: time.Now()}
	p.change(func() { p.running = append(p.running, t) })
	return t
}

// Update changes the text of a step.
func (t *Task) Update(text string) {
	t.p.change(func() { t.text = Clean(text) })
}

// Done shows that the step was carried out.
func (t *Task) Done() { t.end("✓", OK) }

// Fail shows that the step failed.
func (t *Task) Fail() { t.end("✗", Bad) }

// Clear takes the step off the screen: what follows tells its result.
func (t *Task) Clear() { t.end("", Plain) }

func (t *Task) end(mark string, style Style) {
	p := t.p
	p.change(func() {
		i := slices.Index(p.running, t)
		if i < 0 { // it has ended before
			return
		}
		p.running = slices.Delete(p.running, i, i+1)
		if mark != "" && !p.quiet {
			p.line(p.s.ErrStyle(style, mark) + " " + t.text + t.elapsed())
		}
	})
}

// elapsed is how long the step has run, in words, if that is long.
func (t *Task) elapsed() string {
	d := time.Since(t.started)
	if d < longTime {
		return ""
	}
	return fmt.Sprintf(" (%d s)", int(d.Seconds()))
}

// Warn writes lines that stay, above the steps that run; also when quiet.
func (p *Progress) Warn(text string) {
	p.change(func() {
		for line := range strings.SplitSeq(text, "\n") {
			p.line(Clean(line))
		}
	})
}

// Close ends the showing and takes the steps that still run off the screen. It
// may be called again; other calls have no effect any more.
func (p *Progress) Close() {
	p.s.mu.Lock()
	if p.s.progress == p {
		p.s.progress = nil
	}
	p.s.mu.Unlock()
	p.change(func() {
		close(p.stop)
		p.running, p.held, p.closed = nil, 0, true
	})
}

// change applies f and shows what came of it.
func (p *Progress) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	f()
	p.draw()
}

// line adds a line that stays.
func (p *Progress) line(text string) { p.above.WriteString(text + "\n") }

// hold clears the live area and keeps everything back until release is called.
func (p *Progress) hold() (release func()) {
	p.change(func() { p.held++ })
	return func() { p.change(func() { p.held = max(0, p.held-1) }) }
}

// draw writes the lines that stay and the live area below them, in one piece.
// A display that cannot be written is no reason to stop the work it shows.
func (p *Progress) draw() {
	var out bytes.Buffer
	if p.drawn > 0 {
		fmt.Fprintf(&out, "\x1b[%dA\r\x1b[J", p.drawn) // up, and clear from there
		p.drawn = 0
	}
	if p.held == 0 {
		out.Write(p.above.Bytes())
		p.above.Reset()
		if p.live() {
			p.drawn = p.drawTasks(&out)
		}
	}
	if out.Len() > 0 {
		_, _ = p.s.Err.Write(out.Bytes())
	}
}

// drawTasks writes the live area and returns how many lines it has. The area
// must fit on the screen, else the cursor cannot go back to its start.
func (p *Progress) drawTasks(out *bytes.Buffer) int {
	width, height := size(p.s.Err)
	lines := min(len(p.running), height-1)
	if lines < len(p.running) {
		lines = max(0, lines-1) // the last line counts the others
	}
	for _, t := range p.running[:lines] {
		elapsed := t.elapsed()
		text := shorten(t.text, max(1, width-len("x ")-len(elapsed)))
		fmt.Fprintf(out, "%s %s%s\n", spinner[p.frame], text, elapsed)
	}
	if more := len(p.running) - lines; more > 0 {
		fmt.Fprintf(out, "  and %d more\n", more)
		lines++
	}
	return lines
}

// spin redraws the live area until Close.
func (p *Progress) spin() {
	tick := time.NewTicker(frameTime)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
			p.change(func() { p.frame = (p.frame + 1) % len(spinner) })
		}
	}
}
