package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clusterctl/internal/cli"
)

func TestColour(t *testing.T) {
	tests := map[string]struct {
		env, color                 string
		outTTY, errTTY             bool
		wantOut, wantErr, wantDumb bool
	}{
		"terminal":              {"TERM=xterm", "auto", true, true, true, true, false},
		"output in a pipe":      {"TERM=xterm", "auto", false, true, false, true, false},
		"errors in a file":      {"TERM=xterm", "auto", true, false, true, false, false},
		"NO_COLOR":              {"TERM=xterm NO_COLOR=1", "auto", true, true, false, false, false},
		"empty NO_COLOR":        {"TERM=xterm NO_COLOR=", "auto", true, true, true, true, false},
		"dumb terminal":         {"TERM=dumb", "auto", true, true, false, false, true},
		"no TERM":               {"", "auto", true, true, true, true, false},
		"never":                 {"TERM=xterm", "never", true, true, false, false, false},
		"always":                {"TERM=xterm NO_COLOR=1", "always", false, false, true, true, false},
		"always, dumb terminal": {"TERM=dumb", "always", true, true, true, true, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			lookup := func(key string) (string, bool) {
				for _, field := range strings.Fields(test.env) {
					if k, v, _ := strings.Cut(field, "="); k == key {
						return v, true
					}
				}
				return "", false
			}
			s := &cli.Streams{OutTTY: test.outTTY, ErrTTY: test.errTTY}
			s.Setup(lookup, test.color)
			if s.OutColor != test.wantOut || s.ErrColor != test.wantErr || s.Dumb != test.wantDumb {
				t.Errorf("colour %v, on stderr %v, dumb %v", s.OutColor, s.ErrColor, s.Dumb)
			}
		})
	}
}

func TestStyle(t *testing.T) {
	s := &cli.Streams{OutColor: true}
	if got, want := s.Style(cli.Bad, "no quorum"), "\x1b[31mno quorum\x1b[0m"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := s.Style(cli.Plain, "n1"), "n1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := s.ErrStyle(cli.Bad, "no quorum"), "no quorum"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestNewStreamsOfFiles shows that files are no terminals.
func TestNewStreamsOfFiles(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := cli.NewStreams(f, f, f, func(string) (string, bool) { return "", false }, "auto")
	if s.InTTY || s.OutTTY || s.ErrTTY || s.OutColor || s.ErrColor || s.Width != 0 {
		t.Errorf("InTTY %v, OutTTY %v, ErrTTY %v, OutColor %v, ErrColor %v, Width %d",
			s.InTTY, s.OutTTY, s.ErrTTY, s.OutColor, s.ErrColor, s.Width)
	}
}
