package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Severity tells whether a Problem makes things fail or only deserves a look.
type Severity string

// The severities of a Problem.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Problem is one thing that is wrong: with a request, a node, or a cluster.
// Message names the thing and what is wrong with it; Remedy says what to do.
type Problem struct {
	Severity Severity `json:"severity"`
	Code     Code     `json:"code"`
	Node     string   `json:"node"`
	Message  string   `json:"message"`
	Remedy   string   `json:"remedy"`
}

// String is the problem on one line.
func (p Problem) String() string {
	s := p.Message
	if p.Node != "" {
		s = p.Node + ": " + s
	}
	if p.Remedy != "" {
		s += "; " + p.Remedy
	}
	return s
}

// Problems is an error that holds everything found wrong, in the order found.
type Problems []Problem

// Error is one line per problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Errors returns those problems that are not mere warnings.
func (ps Problems) Errors() Problems {
	var out Problems
	for _, p := range ps {
		if p.Severity != Warning {
			out = append(out, p)
		}
	}
	return out
}

// Has tells whether one of the problems has a code of class c.
func (ps Problems) Has(c Class) bool {
	for _, p := range ps {
		if p.Code.Class() == c {
			return true
		}
	}
	return false
}

// add appends an error with the message that format and args give.
func (ps *Problems) add(code Code, node, remedy, format string, args ...any) {
	*ps = append(*ps, Problem{Error, code, node, fmt.Sprintf(format, args...), remedy})
}

// warn appends a warning with the message that format and args give.
func (ps *Problems) warn(code Code, node, remedy, format string, args ...any) {
	*ps = append(*ps, Problem{Warning, code, node, fmt.Sprintf(format, args...), remedy})
}

// err returns ps as an error, or nil when there is none but warnings.
func (ps Problems) err() error {
	if e := ps.Errors(); len(e) > 0 {
		return e
	}
	return nil
}

// ProblemsOf returns the Problems inside err; an error without any is one
// Problem of its own, so that a caller can always list something.
func ProblemsOf(err error) Problems {
	if err == nil {
		return nil
	}
	if open, ok := errors.AsType[*UnfinishedOpError](err); ok {
		return append(slices.Clone(ProblemsOf(open.Cause)), ProblemsOf(open.Undo)...)
	}
	if ps, ok := errors.AsType[Problems](err); ok {
		return ps
	}
	if me, ok := errors.AsType[interface {
		error
		WrappedErrors() []error
	}](err); ok {
		var out Problems
		for _, e := range me.WrappedErrors() {
			out = append(out, ProblemsOf(e)...)
		}
		return out
	}
	if ne, ok := errors.AsType[*NodeError](err); ok {
		return Problems{ne.problem()}
	}
	return Problems{{Severity: Error, Code: CodeFailed, Message: err.Error()}}
}
