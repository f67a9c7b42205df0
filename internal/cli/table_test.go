package cli_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"clusterctl/internal/cli"
)

// terminal is a terminal of this width, and what was written to it.
func terminal(width int) (*cli.Streams, *bytes.Buffer) {
	var out bytes.Buffer
	return &cli.Streams{Out: &out, OutTTY: true, Width: width}, &out
}

func nodes() *cli.Table {
	t := cli.NewTable("NODE", "ring0_addr", "STATE", "PROBLEM")
	t.Row(cli.Text("n1"), cli.Text("10.70.0.1"), cli.Styled(cli.OK, "active"), cli.Text(""))
	t.Row(cli.Text("node-2"), cli.Text("fd00::2"), cli.Styled(cli.Bad, "failed"),
		cli.Text("corosync exited: no valid name found for local host"))
	t.Row(cli.Text("n3"), cli.Text(""), cli.Styled(cli.Dim, "-"), cli.Styled(cli.Warn, "owed"))
	return t
}

func TestTable(t *testing.T) {
	const plain = `NODE    ring0_addr  STATE   PROBLEM
n1      10.70.0.1   active
node-2  fd00::2     failed  corosync exited: no valid name found for local host
n3                  -       owed
`
	const cut = `NODE    ring0_addr  STATE   PROBLEM
n1      10.70.0.1   active
node-2  fd00::2     failed  corosync e…
n3                  -       owed
`
	const coloured = "NODE    ring0_addr  STATE   PROBLEM\n" +
		"n1      10.70.0.1   \x1b[32mactive\x1b[0m\n" +
		"node-2  fd00::2     \x1b[31mfailed\x1b[0m  corosync exited: no valid name found for local host\n" +
		"n3                  \x1b[2m-\x1b[0m       \x1b[33mowed\x1b[0m\n"
	tests := map[string]struct {
		streams *cli.Streams
		want    string
	}{
		"in a pipe":                        {&cli.Streams{}, plain},
		"on a wide terminal":               {&cli.Streams{OutTTY: true, Width: 200}, plain},
		"on a terminal that just fits":     {&cli.Streams{OutTTY: true, Width: 79}, plain},
		"on a narrow terminal":             {&cli.Streams{OutTTY: true, Width: 39}, cut},
		"in colour":                        {&cli.Streams{OutTTY: true, OutColor: true, Width: 200}, coloured},
		"in a pipe, with colour asked for": {&cli.Streams{OutColor: true}, coloured},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			test.streams.Out = &out
			if err := nodes().Render(test.streams); err != nil {
				t.Fatal(err)
			}
			if got := out.String(); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestTableIsNeverWiderThanTheTerminal(t *testing.T) {
	for width := 11; width < 90; width++ {
		s, out := terminal(width)
		if err := nodes().Render(s); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("%d columns on a terminal with %d: %q", n, width, line)
			}
			if line != strings.TrimRight(line, " \n")+"\n" {
				t.Errorf("blanks at the end of %q", line)
			}
		}
	}
}

func TestTableWithoutRowsShowsItsHeader(t *testing.T) {
	s, out := terminal(80)
	if err := cli.NewTable("ID", "COMMAND").Render(s); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "ID  COMMAND\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTableAlignsWideCharacters(t *testing.T) {
	table := cli.NewTable("A", "B")
	table.Row(cli.Text("日本"), cli.Text("x"))
	table.Row(cli.Text("é"), cli.Text("x"))
	s, out := terminal(80)
	if err := table.Render(s); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "A     B\n日本  x\né     x\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTableShowsControlCharactersAsQuestionMarks(t *testing.T) {
	table := cli.NewTable("A", "B")
	table.Row(cli.Text("\x1b[2Jx\ty\r\nz\u009b"), cli.Text("  kept  blanks"))
	s, out := terminal(80)
	if err := table.Render(s); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "A            B\n?[2Jx?y??z?    kept  blanks\n"; got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestTableRefusesARowOfAnotherLength(t *testing.T) {
	table := cli.NewTable("A", "B")
	table.Row(cli.Text("x"))
	s, out := terminal(80)
	err := table.Render(s)
	if err == nil || err.Error() != "write table: row 1 has 1 cells for 2 columns" || out.Len() > 0 {
		t.Errorf("got %v, wrote %q", err, out)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errBroken }

var errBroken = errors.New("broken pipe")

func TestTableReportsThatItCouldNotBeWritten(t *testing.T) {
	if err := nodes().Render(&cli.Streams{Out: brokenPipe{}}); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}
