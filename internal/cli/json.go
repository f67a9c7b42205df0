package cli

import (
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
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
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
