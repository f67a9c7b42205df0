package cli_test

import (
	"testing"

	"clusterctl/internal/cli"
)

func TestParagraph(t *testing.T) {
	tests := []struct {
		name  string
		width int
		text  string
		want  string
	}{
		{"in a pipe on one line", 0, "one two three four five six seven eight", "error  one two three four five six seven eight\n"},
		{"on a terminal within its width", 27, "one two three four five six seven eight", "error  one two three four\n       five six seven eight\n"},
		{"a word longer than a line", 27, "one 0123456789012345678901234 two", "error  one\n       0123456789012345678901234\n       two\n"},
		{"a terminal hardly wider than the head", 8, "one two three four five six", "error  one two three four\n       five six\n"},
		{"what fits", 27, "one two", "error  one two\n"},
		{"nothing", 27, "", "error  \n"},
		{"wide characters", 27, "日本語日本語 日本語日本語", "error  日本語日本語\n       日本語日本語\n"},
		{"control characters", 27, "a\x1b[31mb\nc", "error  a?[31mb?c\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &cli.Streams{Width: tt.width}
			if got := s.Paragraph("error  ", tt.text); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
	s := &cli.Streams{Width: 27, OutColor: true}
	want := "\x1b[31merror\x1b[0m  one two three four\n       five\n"
	if got := s.Paragraph(s.Style(cli.Bad, "error")+"  ", "one two three four five"); got != want {
		t.Errorf("with colour: got %q, want %q", got, want)
	}
}
