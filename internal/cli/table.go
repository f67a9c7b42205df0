package cli

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter"
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

// NewTable begins a table with the names of its columns.
func NewTable(header ...string) *Table { return &Table{header: header} }

// Row adds a row, which has a cell for every column.
func (t *Table) Row(cells ...Cell) { t.rows = append(t.rows, cells) }

const gap = 2 // blanks between columns

// Render writes the table to s.Out. On a terminal it is not wider than that:
// the widest columns are cut short, with … at the end.
func (t *Table) Render(s *Streams) error {
	limits := t.limits(s.Width)
	var buf bytes.Buffer
	w := tablewriter.NewTable(&buf,
		tablewriter.WithRendition(tw.Rendition{Borders: tw.BorderNone, Symbols: tw.NewSymbols(tw.StyleNone),
			Settings: tw.Settings{Lines: tw.LinesNone, Separators: tw.SeparatorsNone}}),
		tablewriter.WithHeaderAutoFormat(tw.Off), tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAlignment(tw.AlignLeft), tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone), tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithPadding(tw.Padding{Right: strings.Repeat(" ", gap), Overwrite: true}))
	w.Header(t.header)
	for _, row := range t.rows {
		if len(row) != len(t.header) {
			return fmt.Errorf("render table: a row has %d cells, the header %d", len(row), len(t.header))
		}
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = s.Style(c.Style, shorten(c.Text, limits[i]))
		}
		if err := w.Append(cells); err != nil {
			return fmt.Errorf("render table: %w", err)
		}
	}
	if err := w.Render(); err != nil {
		return fmt.Errorf("render table: %w", err)
	}
	for line := range strings.Lines(buf.String()) {
		if _, err := fmt.Fprintln(s.Out, strings.TrimRight(line, " \n")); err != nil {
			return fmt.Errorf("write table: %w", err)
		}
	}
	return nil
}

// limits is how many characters each column may have so that the table fits
// into width; 0 is any width.
func (t *Table) limits(width int) []int {
	wide := make([]int, len(t.header))
	total := -gap
	for i, h := range t.header {
		wide[i] = utf8.RuneCountInString(h)
		for _, row := range t.rows {
			if i < len(row) {
				wide[i] = max(wide[i], utf8.RuneCountInString(row[i].Text))
			}
		}
		total += wide[i] + gap
	}
	for width > 0 && total > width {
		widest := 0
		for i := range wide {
			if wide[i] > wide[widest] {
				widest = i
			}
		}
		if wide[widest] <= utf8.RuneCountInString(t.header[widest]) || wide[widest] < 4 {
			break // narrower it could not be read
		}
		wide[widest]--
		total--
	}
	return wide
}

func shorten(text string, limit int) string {
	r := []rune(text)
	if len(r) <= limit {
		return text
	}
	return string(r[:max(0, limit-1)]) + "…"
}
