package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// Problem is one thing that is wrong, for the error line of -o json.
type Problem struct {
	Code    string `json:"code"`
	Node    string `json:"node"` // empty when it is no one node's
	Message string `json:"message"`
	Remedy  string `json:"remedy"` // what to do; empty when there is nothing
}

// JSON writes v as one indented document.
func JSON(w io.Writer, v any) error {
	in := indenter{w: bufio.NewWriter(w)}
	e := json.NewEncoder(&in)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	if err == nil {
		err = in.w.Flush()
	}
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// indenter indents a compact JSON document that is written to it as json.Indent
// does, but without a copy of it: the status of hundreds of nodes takes megabytes.
type indenter struct {
	w                *bufio.Writer
	depth            int
	opened           bool // the last thing was an opening bracket
	inText, escaping bool
}

// Write takes part of a document.
func (in *indenter) Write(p []byte) (int, error) {
	for _, c := range p {
		in.put(c)
	}
	return len(p), nil // Flush tells an error
}

func (in *indenter) put(c byte) {
	closes := c == '}' || c == ']'
	switch {
	case in.inText:
		in.inText = c != '"' || in.escaping
		in.escaping = c == '\\' && !in.escaping
		_ = in.w.WriteByte(c)
		return
	case closes:
		in.depth--
	}
	if in.opened != closes {
		in.line()
	}
	in.opened, in.inText = c == '{' || c == '[', c == '"'
	_ = in.w.WriteByte(c)
	switch {
	case in.opened:
		in.depth++
	case c == ',':
		in.line()
	case c == ':':
		_ = in.w.WriteByte(' ')
	}
}

func (in *indenter) line() {
	_ = in.w.WriteByte('\n')
	for range in.depth {
		_, _ = in.w.WriteString("  ")
	}
}

// ErrorJSON writes the last line on stderr of a command that failed with -o
// json: {"schema":1,"error":{"exit","message","problems":[]}}.
func ErrorJSON(w io.Writer, exit int, message string, problems []Problem) error {
	type failure struct {
		Exit     int       `json:"exit"`
		Message  string    `json:"message"`
		Problems []Problem `json:"problems"`
	}
	line := struct {
		Schema int     `json:"schema"`
		Error  failure `json:"error"`
	}{1, failure{exit, message, append([]Problem{}, problems...)}}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(line); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
