package cli

import (
	"strings"
	"unicode"
)

// Style is how a text looks where there is colour.
type Style string

// The styles: as the terminal writes, green, yellow, red, faint.
const (
	Plain Style = ""
	OK    Style = "\x1b[32m"
	Warn  Style = "\x1b[33m"
	Bad   Style = "\x1b[31m"
	Dim   Style = "\x1b[2m"
)

// Style puts a style to a text that goes to Out.
func (s *Streams) Style(style Style, text string) string { return paint(s.OutColor, style, text) }

// ErrStyle puts a style to a text that goes to Err.
func (s *Streams) ErrStyle(style Style, text string) string { return paint(s.ErrColor, style, text) }

func paint(color bool, style Style, text string) string {
	if !color || style == Plain || text == "" {
		return text
	}
	return string(style) + text + "\x1b[0m"
}

// Clean makes text from anywhere fit for one line of a terminal: control
// characters, which could move the cursor or worse, become "?".
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, text)
}
