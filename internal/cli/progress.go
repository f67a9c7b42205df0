package cli

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// Progress tells on Streams.Err what goes on. On a terminal the steps that run
// are a few lines at the bottom that change in place; elsewhere each step is a
// line when it ends. It is safe for concurrent use.
type Progress struct {
	s     *Streams
	quiet bool
	mu    sync.Mutex
	tasks []*Task
	drawn int // lines of the live area
	stop  chan struct{}
	ended chan struct{}
}

// Task is a step that runs.
type Task struct {
	p       *Progress
	text    string
	started time.Time
}

var spinner = []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

const (
	frame       = 100 * time.Millisecond
	showElapsed = 2 * time.Second
)

// NewProgress begins to show progress; a quiet one shows only warnings.
func (s *Streams) NewProgress(quiet bool) *Progress {
	p := &Progress{s: s, quiet: quiet, stop: make(chan struct{}), ended: make(chan struct{})}
	if !p.live() {
		close(p.ended)
		return p
	}
	go func() {
		defer close(p.ended)
		tick := time.NewTicker(frame)
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-tick.C:
				p.mu.Lock()
				p.draw("")
				p.mu.Unlock()
			}
		}
	}()
	return p
}

func (p *Progress) live() bool { return p.s.ErrTTY && !p.quiet }

// Start shows a step.
func (p *Progress) Start(text string) *Task {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := &Task{p, text, time.Now()}
	p.tasks = append(p.tasks, t)
	p.draw("")
	return t
}

// Done shows that the step was carried out.
func (t *Task) Done() { t.end("✓", OK) }

// Fail shows that the step failed.
func (t *Task) Fail() { t.end("✗", Bad) }

// Clear takes the step off the screen: what follows tells its result.
func (t *Task) Clear() { t.end("", Plain) }

func (t *Task) end(mark string, style Style) {
	p := t.p
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.tasks {
		if other == t {
			p.tasks = append(p.tasks[:i], p.tasks[i+1:]...)
			line := ""
			if mark != "" {
				line = p.s.ErrStyle(style, mark) + " " + t.label() + "\n"
			}
			p.draw(line)
			return
		}
	}
}

func (t *Task) label() string {
	if d := time.Since(t.started); d >= showElapsed {
		return fmt.Sprintf("%s (%d s)", t.text, int(d.Seconds()))
	}
	return t.text
}

// Warn writes a line above the steps that run, also when quiet.
func (p *Progress) Warn(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write(p.erase() + text + "\n")
	p.draw("")
}

// Close ends the showing. It may be called again.
func (p *Progress) Close() {
	p.mu.Lock()
	select {
	case <-p.stop:
	default:
		close(p.stop)
		if p.live() {
			p.write(p.erase())
		}
		p.tasks = nil
	}
	p.mu.Unlock()
	<-p.ended
}

// draw writes lines for good and then the live area anew.
func (p *Progress) draw(lines string) {
	if p.quiet {
		return
	}
	if !p.live() {
		p.write(lines)
		return
	}
	select {
	case <-p.stop:
		return
	default:
	}
	var b strings.Builder
	b.WriteString(p.erase() + lines)
	for _, t := range p.tasks {
		phase := int(time.Since(t.started)/frame) % len(spinner)
		b.WriteString(shorten(spinner[phase]+" "+t.label(), max(20, p.s.ErrWidth-1)) + "\n")
	}
	p.drawn = len(p.tasks)
	p.write(b.String())
}

// erase is what takes the live area off the screen.
func (p *Progress) erase() string {
	s := strings.Repeat("\x1b[1A\x1b[2K", p.drawn)
	p.drawn = 0
	return s
}

func (p *Progress) write(text string) {
	if text != "" {
		fmt.Fprint(p.s.Err, text)
	}
}
