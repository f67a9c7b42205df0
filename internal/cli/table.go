package cli

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/tw"
)

// Table is rows of cells under a header, in columns two blanks apart.
type Table struct {
	header []string
	rows   [][]Cell
}

// Cell is a text and how it looks.
type Cell struct {
	Text  string
	Style Style
}

// Text is a cell without a style.
func Text(text string) Cell { return Cell{Text: text} }

// Styled is a cell with a style.
func Styled(style Style, text string) Cell { return Cell{text, style} }

const gap = 2 // blanks between columns

// extraReset is the reset that tablewriter puts behind the blanks after a
// coloured cell, which has its own.
var extraReset = regexp.MustCompile("(\x1b\\[0m +)\x1b\\[0m")

// NewTable begins a table with the names of its columns.
func NewTable(header ...string) *Table { return &Table{header: header} }

// Row adds a row, which has a cell for every column.
func (t *Table) Row(cells ...Cell) { t.rows = append(t.rows, cells) }

// Render writes the table to s.Out, without blanks at the end of a line. On a
// terminal it is not wider than that: the widest columns are cut, with … at the
// end. Control characters in cells show as "?".
func (t *Table) Render(s *Streams) error {
	lines, err := t.layout(s)
	if err == nil {
		_, err = s.Out.Write(lines)
	}
	if err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// Fits reports whether no cell is cut on s.
func (t *Table) Fits(s *Streams) bool { return slices.Equal(t.widths(s.Width), t.widths(0)) }

// layout is the table as text.
func (t *Table) layout(s *Streams) ([]byte, error) {
	for i, row := range t.rows {
		if len(row) != len(t.header) {
			return nil, fmt.Errorf("row %d has %d cells for %d columns", i+1, len(row), len(t.header))
		}
	}
	widths := t.widths(s.Width)
	var buf bytes.Buffer
	table := tablewriter.NewTable(&buf,
		tablewriter.WithRendition(tw.Rendition{
			Borders:  tw.BorderNone,
			Symbols:  tw.NewSymbols(tw.StyleNone),
			Settings: tw.Settings{Lines: tw.LinesNone, Separators: tw.SeparatorsNone},
		}),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAlignment(tw.AlignLeft),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithPadding(tw.Padding{Right: strings.Repeat(" ", gap), Overwrite: true}),
	)
	header := make([]any, len(t.header))
	for i, h := range t.header {
		header[i] = shorten(h, widths[i])
	}
	table.Header(header...)
	for _, row := range t.rows {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = s.Style(c.Style, shorten(Clean(c.Text), widths[i]))
		}
		if err := table.Append(cells); err != nil {
			return nil, err
		}
	}
	if err := table.Render(); err != nil {
		return nil, err
	}
	var lines []byte
	for line := range bytes.Lines(extraReset.ReplaceAll(buf.Bytes(), []byte("$1"))) {
		lines = append(append(lines, bytes.TrimRight(line, " \n")...), '\n')
	}
	return lines, nil
}

// widths are the columns' widths, made to fit into width unless that is 0.
func (t *Table) widths(width int) []int {
	w := make([]int, len(t.header))
	total := gap * (len(w) - 1)
	for i, h := range t.header {
		w[i] = twwidth.Width(h)
		for _, row := range t.rows {
			w[i] = max(w[i], twwidth.Width(Clean(row[i].Text)))
		}
		total += w[i]
	}
	for ; width > 0 && total > width; total-- {
		widest := slices.Index(w, slices.Max(w))
		if w[widest] == 1 {
			break
		}
		w[widest]--
	}
	return w
}

// shorten cuts s to width columns, the last of which then shows "…".
func shorten(s string, width int) string {
	if twwidth.Width(s) <= width {
		return s
	}
	return twwidth.Truncate(s, width, "…")
}
