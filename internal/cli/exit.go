package cli

import (
	"encoding/json"
	"io"
)

// Exit codes. 2 is not used: a Go panic exits with it.
const (
	ExitOK          = 0
	ExitFailed      = 1   // nothing changed, or all of it undone
	ExitBad         = 3   // the answer is bad news
	ExitUnreachable = 4   // nothing could be done for want of a node
	ExitPartial     = 5   // stopped midway and not undone
	ExitUsage       = 64  // the command line cannot be understood
	ExitInterrupted = 130 // Ctrl-C
)

// Problem is one thing that is wrong.
type Problem struct {
	Code    string `json:"code"`
	Node    string `json:"node"`
	Message string `json:"message"`
	Remedy  string `json:"remedy"`
}

// JSON writes one document, indented, with characters like < as they are.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// ErrorJSON writes how a command failed, on one line.
func ErrorJSON(w io.Writer, exit int, message string, problems []Problem) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	type failure struct {
		Exit     int       `json:"exit"`
		Message  string    `json:"message"`
		Problems []Problem `json:"problems"`
	}
	return e.Encode(struct {
		Schema int     `json:"schema"`
		Error  failure `json:"error"`
	}{1, failure{exit, message, append([]Problem{}, problems...)}})
}
