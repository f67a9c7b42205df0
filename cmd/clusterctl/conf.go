package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
	"clusterctl/internal/cli"
)

func (a *app) confCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "conf",
		Short: "Look at and change corosync.conf",
		Long: `Look at and change corosync.conf.

All of them work on the cluster. check, diff, edit, get, set, show and unset also
work on a plain file, which --file names: no cluster and no root is needed.
--file - is standard input; what set and unset make of it goes to standard output.

A PATH is SECTION.KEY: totem.token, quorum.device.net.host. Which one of several
sections is meant is said in brackets: nodelist.node[n2].ring1_addr (a node by
name or id), totem.interface[1].knet_link_priority (a link by its number),
logging.logger_subsys[QUORUM].debug. Without a key it is the section.`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.confCheckCmd(), a.confDiffCmd(), a.confEditCmd(), a.confGetCmd(), a.confSetCmd(), a.confShowCmd(), a.confUnsetCmd(), a.confSyncCmd(), a.confHistoryCmd(), a.confRestoreCmd())
	return c
}

// maxConf is the most bytes that are read of a corosync.conf. One of 384 nodes
// on 8 links has less than an eighth of them.
const maxConf = 1 << 20

// stdin is the path that stands for standard input.
const stdin = "-"

// confFile is a corosync.conf that was read from a plain file.
type confFile struct {
	*corosyncconf.File
	path string
	data []byte
	errs corosyncconf.ErrorList // what corosync's parser refuses
}

// readConf reads the file that --file names.
func (a *app) readConf(ctx context.Context, path string) (*confFile, error) {
	f := &confFile{path: path}
	in := io.Reader(a.env.In)
	if path != stdin {
		file, err := os.Open(path)
		if err != nil {
			return nil, confProblem(cluster.CodeConfFile, "", "%v", err)
		}
		defer file.Close()
		in = file
	}
	var err error
	if f.data, err = readSome(ctx, in); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, confProblem(cluster.CodeConfFile, "", "%v", err)
	}
	if len(f.data) > maxConf {
		return nil, confProblem(cluster.CodeConfFile, "name a corosync.conf", "%s is longer than %d bytes: no corosync.conf is", f.name(), maxConf)
	}
	f.File, err = corosyncconf.Parse(f.name(), f.data)
	f.errs, _ = errors.AsType[corosyncconf.ErrorList](err)
	return f, nil
}

// readSome reads all there is, but not much more than is taken.
func readSome(ctx context.Context, r io.Reader) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() { // a terminal or a pipe may say nothing for long
		data, err := io.ReadAll(io.LimitReader(r, maxConf+1))
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// name is what to call the file.
func (f *confFile) name() string {
	if f.path == stdin {
		return "standard input"
	}
	return f.path
}

// warnOfErrors says on stderr that the file has what corosync's parser refuses.
func (a *app) warnOfErrors(f *confFile) {
	if len(f.errs) > 0 {
		a.printProblems(cluster.Problems{{Severity: cluster.Warning,
			Message: fmt.Sprintf("corosync refuses %s: %s", f.name(), f.errs[0].Error()[len(f.name())+1:]),
			Remedy:  "see clusterctl conf check --file " + f.path}})
	}
}

// confProblem is an error with a code and a remedy.
func confProblem(code cluster.Code, remedy, format string, args ...any) error {
	return cluster.Problems{{Severity: cluster.Error, Code: code, Message: fmt.Sprintf(format, args...), Remedy: remedy}}
}

// print writes lines that a file may have a part in to stdout.
func (a *app) print(text string) error { return a.printOn(a.env.Out, text) }

// printOn writes lines that a file may have a part in: on a terminal without
// control characters, which could do harm there.
func (a *app) printOn(w *os.File, text string) error {
	if w == a.env.Out && a.streams.OutTTY || w == a.env.Err && a.streams.ErrTTY {
		var b strings.Builder
		for line := range strings.Lines(text) {
			b.WriteString(cli.Clean(strings.TrimRight(line, "\r\n")) + "\n")
		}
		text = b.String()
	}
	_, err := io.WriteString(w, text)
	return err
}

// fileFlag adds --file.
func fileFlag(c *cobra.Command, path *string) {
	c.Flags().StringVar(path, "file", "", "the corosync.conf, as a plain `file`; - is standard input")
}

// releaseFlag adds --for.
func releaseFlag(c *cobra.Command, release *string) {
	c.Flags().StringVar(release, "for", "", "the `release` of corosync: 2.4, 3.0 or 3.1 (default of a file 3.1, of a cluster what its nodes have)")
	_ = c.RegisterFlagCompletionFunc("for", cobra.FixedCompletions([]string{"2.4", "3.0", "3.1"}, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

// parseRelease reads --for.
func parseRelease(text string) (corosyncconf.Release, error) {
	if text == "" {
		return corosyncconf.V31, nil
	}
	r, err := corosyncconf.ParseRelease(text)
	if err != nil {
		return r, usageText("--for %w", err)
	}
	return r, nil
}
