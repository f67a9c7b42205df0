package corosyncconf

import (
	"fmt"
	"strings"
)

// Error is one reason for corosync to refuse a file, and where it is.
type Error struct {
	Code Code   // CodeSyntax, CodeKeyName or CodeBadValue
	File string // as given to Parse; may be empty
	Line int    // starting at 1; as corosync prints it, save that it finds bad names in logger_subsys and logging_daemon only at their end
	Col  int    // in bytes, starting at 1
	Text string // the line, unchanged: quote it before it goes to a terminal
	Msg  string // what is wrong, in the words of corosync 3.1 where it has a clear message
}

// Error returns "file:line:col: message".
func (e *Error) Error() string {
	at := fmt.Sprintf("%d:%d: %s", e.Line, e.Col, e.Msg)
	if e.File != "" {
		at = e.File + ":" + at
	}
	return at
}

// ErrorList is every Error of a file, in the order of its lines.
type ErrorList []*Error

// Error returns the messages of all errors, one per line.
func (l ErrorList) Error() string {
	msgs := make([]string, len(l))
	for i, e := range l {
		msgs[i] = e.Error()
	}
	return strings.Join(msgs, "\n")
}

// Unwrap lets errors.Is and errors.As see each Error.
func (l ErrorList) Unwrap() []error {
	errs := make([]error, len(l))
	for i, e := range l {
		errs[i] = e
	}
	return errs
}
