package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
)

// usageError is a command line that cannot be understood.
type usageError struct {
	command string // "clusterctl create"
	err     error
}

func (e *usageError) Error() string {
	if e.command == "" {
		return e.err.Error()
	}
	return fmt.Sprintf("%v; see: %s --help", e.err, e.command)
}

func (e *usageError) Unwrap() error { return e.err }

func usage(c *cobra.Command, err error) error { return &usageError{c.CommandPath(), err} }

func usageText(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...)}
}

// args makes a cobra argument check tell a usageError.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, list []string) error {
		err := check(c, list)
		if _, takes, _ := strings.Cut(c.Use, " "); err != nil && len(list) == 0 && takes != "" {
			err = fmt.Errorf("%s is missing", takes)
		}
		if err != nil {
			return usage(c, err)
		}
		return nil
	}
}

// badNews is a result that was shown and is not good: exit 3, or 4 when no
// node answered.
type badNews struct{ code int }

func (e badNews) Error() string { return "the news is bad" }

// exitCode tells the exit code of err, by the table in the contract.
func exitCode(ctx context.Context, err error) int {
	if err == nil {
		return cli.ExitOK
	}
	interrupted := errors.Is(err, errInterrupted) || errors.Is(context.Cause(ctx), errInterrupted)
	problems := cluster.ProblemsOf(err).Errors()
	if news, ok := errors.AsType[badNews](err); ok {
		return news.code
	}
	if _, ok := errors.AsType[*usageError](err); ok || problems.Has(cluster.Usage) {
		return cli.ExitUsage
	}
	if _, ok := errors.AsType[*cluster.UnfinishedOpError](err); ok {
		return cli.ExitPartial
	}
	if interrupted {
		return cli.ExitInterrupted
	}
	if _, ok := errors.AsType[*cluster.UndoneError](err); !ok && problems.Has(cluster.Unreachable) {
		return cli.ExitUnreachable
	}
	return cli.ExitFailed
}

// exit tells the admin what went wrong and returns the exit code.
func (a *app) exit(ctx context.Context, err error) int {
	code := exitCode(ctx, err)
	if _, shown := errors.AsType[badNews](err); err == nil || shown {
		return code
	}
	if _, ok := errors.AsType[*usageError](err); !ok && strings.HasPrefix(err.Error(), "unknown command") {
		code = cli.ExitUsage // cobra has no type for it
	}
	problems := a.remedied(cluster.ProblemsOf(err))
	if code == cli.ExitUsage && len(problems) == 1 && problems[0].Code == cluster.CodeFailed {
		problems[0].Code = cluster.CodeUsage
	}
	if a.timeout > 0 && errors.Is(err, context.DeadlineExceeded) {
		problems = append(problems, cluster.Problem{Severity: cluster.Error, Code: cluster.CodeTimeout,
			Message: fmt.Sprintf("the whole operation took longer than --timeout %s", a.timeout), Remedy: "give it more time"})
	}
	head := ""
	if open, ok := errors.AsType[*cluster.UnfinishedOpError](err); ok {
		verb := "resume"
		if open.Undo != nil {
			verb = "undo"
		}
		head = fmt.Sprintf("operation %s stopped midway; when that is mended: clusterctl -H %s op %s", open.ID, open.Node, verb)
		head = a.again(head)
		if open.Stood != "" {
			head = open.Stood + "; " + head
		}
	} else if undone, ok := errors.AsType[*cluster.UndoneError](err); ok {
		head = "failed; everything that was done has been taken back"
		if undone.Stood != "" {
			head = undone.Stood + "; what came after that failed and has been taken back"
		}
	}
	if a.json() || asksJSON(a.env.Args) {
		list := make([]cli.Problem, 0, len(problems))
		for _, p := range problems {
			list = append(list, cli.Problem{Code: string(p.Code), Node: p.Node, Message: p.Message, Remedy: p.Remedy})
		}
		message := head
		if message == "" {
			message = err.Error()
		}
		_ = cli.ErrorJSON(a.env.Err, code, message, list) // nowhere left to complain
		return code
	}
	if interrupted := code == cli.ExitInterrupted; interrupted && head == "" {
		fmt.Fprintln(a.env.Err, "interrupted; nothing was changed")
		return code
	}
	a.printProblems(problems)
	if head != "" {
		fmt.Fprintln(a.env.Err, "clusterctl: "+head)
	}
	return code
}

// asksJSON tells whether the arguments ask for JSON, also when they could not
// be parsed.
func asksJSON(args []string) bool {
	for i, arg := range args {
		switch arg {
		case "--":
			return false
		case "-ojson", "-o=json", "--output=json":
			return true
		case "-o", "--output":
			return i+1 < len(args) && args[i+1] == "json"
		}
	}
	return false
}

// printProblems lists problems on stderr, the remedy of each on a line of its
// own.
func (a *app) printProblems(ps cluster.Problems) {
	for _, p := range a.remedied(ps) {
		text := p.Message
		if p.Node != "" {
			text = p.Node + ": " + text
		}
		word := "error"
		if p.Severity == cluster.Warning {
			word = "warning"
		}
		fmt.Fprintf(a.env.Err, "%s: %s\n", word, text)
		if p.Remedy != "" {
			fmt.Fprintf(a.env.Err, "  -> %s\n", p.Remedy)
		}
	}
}
