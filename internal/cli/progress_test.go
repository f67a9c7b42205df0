package cli_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"clusterctl/internal/cli"
)

// screen is a terminal that understands what Progress may write: text, new
// lines, colours, the cursor up, and clearing from the cursor on.
type screen struct {
	mu    sync.Mutex
	lines []string
	row   int
}

var control = regexp.MustCompile(`^\x1b\[(\d*)([A-Za-z])`)

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for text := string(p); text != ""; {
		if m := control.FindStringSubmatch(text); m != nil {
			text = text[len(m[0]):]
			switch m[2] {
			case "m":
			case "A":
				n, _ := strconv.Atoi(m[1])
				s.row -= n
			case "J":
				s.lines = s.lines[:s.row]
			default:
				return 0, fmt.Errorf("unknown sequence %q", m[0])
			}
			continue
		}
		if s.row < 0 {
			return 0, fmt.Errorf("cursor above the screen")
		}
		for len(s.lines) <= s.row {
			s.lines = append(s.lines, "")
		}
		switch r := []rune(text)[0]; r {
		case '\n':
			s.row++
			text = text[1:]
		case '\r':
			text = text[1:]
		default:
			s.lines[s.row] += string(r)
			text = text[len(string(r)):]
		}
	}
	return len(p), nil
}

// shows fails the test unless the screen shows these lines; "*" at the start of
// a line stands for the spinner.
func (s *screen) shows(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	got := strings.Trim(strings.Join(s.lines, "\n"), "\n")
	got = regexp.MustCompile(`(?m)^[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]`).ReplaceAllString(got, "*")
	if want := strings.Join(want, "\n"); got != want {
		t.Errorf("the screen shows\n%s\nwant\n%s", got, want)
	}
}

func live() (*cli.Streams, *screen) {
	var s screen
	return &cli.Streams{Err: &s, ErrTTY: true, ErrColor: true, InTTY: true}, &s
}

func TestProgressOnATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, screen := live()
		p := s.NewProgress(false)
		n1 := p.Start("n1: start corosync")
		n2 := p.Start("n2: start corosync")
		screen.shows(t, "* n1: start corosync", "* n2: start corosync")

		n1.Update("n1: wait for members")
		screen.shows(t, "* n1: wait for members", "* n2: start corosync")

		time.Sleep(3500 * time.Millisecond)
		synctest.Wait()
		screen.shows(t, "* n1: wait for members (3 s)", "* n2: start corosync (3 s)")

		p.Warn("warning: n3 is down\n  start it")
		n2.Fail()
		n2.Done() // has ended already
		screen.shows(t, "warning: n3 is down", "  start it", "✗ n2: start corosync (3 s)", "* n1: wait for members (3 s)")

		n3 := p.Start("ask n3")
		n1.Done()
		n3.Clear()
		want := []string{"warning: n3 is down", "  start it", "✗ n2: start corosync (3 s)", "✓ n1: wait for members (3 s)"}
		screen.shows(t, want...)
		p.Close()
		screen.shows(t, want...)
	})
}

func TestProgressClosedEarlyLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, screen := live()
		p := s.NewProgress(false)
		task := p.Start("n1: start corosync")
		p.Close()
		p.Close()
		task.Done()
		p.Start("too late")
		p.Warn("too late")
		screen.shows(t)
	})
}

func TestProgressFitsOnTheScreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, screen := live()
		p := s.NewProgress(false)
		defer p.Close()
		var tasks []*cli.Task
		for range 30 {
			tasks = append(tasks, p.Start(strings.Repeat("long ", 40)))
		}
		if len(screen.lines) != 23 {
			t.Errorf("%d lines on a screen of 24", len(screen.lines))
		}
		for _, line := range screen.lines {
			if n := len([]rune(line)); n > 80 {
				t.Errorf("line of %d characters on a screen of 80", n)
			}
		}
		if got, want := screen.lines[22], "  and 8 more"; got != want {
			t.Errorf("last line %q, want %q", got, want)
		}
		for _, task := range tasks[:29] {
			task.Update("step")
			task.Done()
		}
		if got, want := len(screen.lines), 30; got != want {
			t.Errorf("%d lines, want %d", got, want)
		}
	})
}

func TestProgressElsewhere(t *testing.T) {
	steps := func(s *cli.Streams, quiet bool) string {
		var err bytes.Buffer
		s.Err = &err
		p := s.NewProgress(quiet)
		a := p.Start("n1: start corosync")
		a.Update("n1: wait\x1b[2Jfor members")
		b := p.Start("n2: start corosync")
		p.Warn("n3 is\x1b[2Jdown")
		b.Fail()
		a.Done()
		p.Start("ask n4").Clear()
		p.Start("n5: start corosync")
		p.Close()
		return err.String()
	}
	const plain = "n3 is?[2Jdown\n✗ n2: start corosync\n✓ n1: wait?[2Jfor members\n"
	tests := map[string]struct {
		streams *cli.Streams
		quiet   bool
		want    string
	}{
		"in a pipe":           {&cli.Streams{}, false, plain},
		"on a dumb terminal":  {&cli.Streams{ErrTTY: true, Dumb: true}, false, plain},
		"quiet":               {&cli.Streams{}, true, "n3 is?[2Jdown\n"},
		"quiet on a terminal": {&cli.Streams{ErrTTY: true, ErrColor: true}, true, "n3 is?[2Jdown\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := steps(test.streams, test.quiet); got != test.want {
				t.Errorf("got\n%q\nwant\n%q", got, test.want)
			}
		})
	}
}

func TestProgressFromManyGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, screen := live()
		p := s.NewProgress(false)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				task := p.Start("step")
				time.Sleep(time.Duration(i) * 30 * time.Millisecond)
				task.Update("step, nearly done")
				p.Warn("careful")
				task.Done()
			})
		}
		wg.Wait()
		p.Close()
		count := map[string]int{}
		for _, line := range screen.lines {
			count[line]++
		}
		if count["careful"] != 50 || count["✓ step, nearly done"] != 50 || len(screen.lines) != 100 {
			t.Errorf("lines: %v", count)
		}
	})
}
