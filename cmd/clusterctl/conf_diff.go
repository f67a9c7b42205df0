package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"clusterctl/corosyncconf"
	"clusterctl/internal/cli"
)

func (a *app) confDiffCmd() *cobra.Command {
	var file, release string
	c := &cobra.Command{
		Use:   "diff [OLD NEW]",
		Short: "Compare the nodes' corosync.conf, or two files, line by line and in meaning",
		Long: `Compare two corosync.conf: what differs line by line, what that means, and what it
takes for each change to come into effect. Exit code 0 when they are equal, 3 when
not. --file OLD NEW is the same; one of them can be - for standard input.

Without files the cluster is looked at: which node's file is not the cluster's,
and what corosync runs by otherwise than its file says. A node whose file cannot
be read counts as different.`,
		Example: `  clusterctl -H n1 conf diff
  clusterctl conf diff corosync.conf.bak corosync.conf
  clusterctl conf diff --file corosync.conf corosync.conf.new -o json`,
		Args: args(cobra.MaximumNArgs(2)),
		RunE: func(c *cobra.Command, list []string) error {
			if file != "" {
				list = append([]string{file}, list...)
			}
			if len(list) == 0 {
				if c.Flags().Changed("for") {
					return usage(c, errors.New("--for is for plain files: the nodes have their release"))
				}
				return a.confDiffCluster(c.Context())
			}
			if len(list) != 2 {
				return usage(c, errors.New("name two files to compare, or none to compare those of the nodes"))
			}
			r, err := parseRelease(release)
			if err != nil {
				return err
			}
			return a.confDiff(c, r, list[0], list[1])
		},
	}
	fileFlag(c, &file)
	releaseFlag(c, &release)
	return c
}

func (a *app) confDiff(c *cobra.Command, r corosyncconf.Release, old, new string) error {
	if old == stdin && new == stdin {
		return usage(c, errors.New("only one of the files can be standard input"))
	}
	before, err := a.readConf(c.Context(), old)
	if err != nil {
		return err
	}
	after, err := a.readConf(c.Context(), new)
	if err != nil {
		return err
	}
	diff := corosyncconf.UnifiedDiff(before.name(), after.name(), before.data, after.data)
	changes := corosyncconf.Compare(before.File, after.File, r)
	if a.json() {
		err = cli.JSON(a.env.Out, map[string]any{
			"schema": 1, "equal": diff == "", "diff": diff, "changes": changesJSON(changes), "effect": corosyncconf.EffectOf(changes).String(),
		})
	} else {
		a.warnOfErrors(before)
		a.warnOfErrors(after)
		err = a.printDiff(a.env.Out, diff, changes)
	}
	if err == nil && !bytes.Equal(before.data, after.data) {
		err = badNews{cli.ExitBad}
	}
	return err
}

// printDiff prints what differs, and what that means.
func (a *app) printDiff(w *os.File, diff string, changes []corosyncconf.Change) error {
	if err := a.printOn(w, diff); err != nil || diff == "" {
		return err
	}
	if len(changes) == 0 {
		return a.printOn(w, "\nThey mean the same.\n")
	}
	fmt.Fprintln(w)
	return a.printChanges(w, changes)
}

// printChanges prints what changes mean, and what each takes.
func (a *app) printChanges(w *os.File, changes []corosyncconf.Change) error {
	const header = "TAKES EFFECT BY"
	widest := len(header)
	for _, c := range changes {
		widest = max(widest, len(c.Effect.String()))
	}
	fmt.Fprintf(w, "%-*s  %s\n", widest, header, "CHANGE")
	for _, c := range changes {
		fmt.Fprint(w, a.streams.Paragraph(fmt.Sprintf("%-*s  ", widest, c.Effect), c.Words))
		if c.Remark != "" {
			fmt.Fprint(w, a.streams.Paragraph(fmt.Sprintf("%*s  -> ", widest, ""), c.Remark))
		}
	}
	_, err := fmt.Fprintf(w, "\nAll of it comes into effect by: %s\n", corosyncconf.EffectOf(changes))
	return err
}

type changeJSON struct {
	Path   string                  `json:"path"`
	Kind   corosyncconf.ChangeKind `json:"kind"`
	Old    string                  `json:"old"`
	New    string                  `json:"new"`
	Words  string                  `json:"words"`
	Effect string                  `json:"effect"`
	Remark string                  `json:"remark"`
}

func changesJSON(changes []corosyncconf.Change) []changeJSON {
	out := make([]changeJSON, 0, len(changes))
	for _, c := range changes {
		out = append(out, changeJSON{c.Path, c.Kind, c.Old, c.New, c.Words, c.Effect.String(), c.Remark})
	}
	return out
}
