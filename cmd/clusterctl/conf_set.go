package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
	"clusterctl/internal/cli"
)

// confEdit is a set of changes of one corosync.conf.
type confEdit struct {
	file, release string
	force         bool
	restart       bool // on the live cluster: also what takes restarts
	changes       []confSetting
	problems      cluster.Problems // what is wrong with the changes by themselves
}

// confSetting gives a key a value, or removes what is at its path.
type confSetting struct {
	path  corosyncconf.KeyPath
	value string
	unset bool
}

func (e *confEdit) flags(c *cobra.Command) {
	fileFlag(c, &e.file)
	releaseFlag(c, &e.release)
	c.Flags().BoolVar(&e.restart, "restart", false, "on the cluster: also what takes a restart, of one node after the other or of all at once")
	c.Flags().BoolVar(&e.force, "force", false, "also keys and values that corosync does not have; with --file, also what makes errors")
}

func (a *app) confSetCmd() *cobra.Command {
	e := &confEdit{}
	c := &cobra.Command{
		Use:   "set PATH VALUE [PATH VALUE]...",
		Short: "Set keys in corosync.conf, on the cluster or in a file",
		Long: `Set keys in corosync.conf, several at once if they belong together. Nothing but
their lines changes; sections that are missing are added. config_version goes up
by one. What makes new errors (see conf check) is refused.

On the cluster the change reaches every node or none, is brought into effect by a
reload, and verified by what runs. What a reload does not do is refused, unless
--restart allows it: then one node is restarted after the other or, for what no
two nodes may run with and without, all are stopped before any is started. That
is asked about first. With --file a plain file is changed.`,
		Example: `  clusterctl conf set totem.token 5000
  clusterctl conf set totem.link_mode active --restart
  clusterctl conf set totem.crypto_cipher aes256 totem.crypto_hash sha256 --file corosync.conf
  clusterctl conf set 'nodelist.node[n2].ring1_addr' 10.1.0.2 --file - <old >new`,
		ValidArgsFunction: a.completeSet(&e.file, &e.release),
		RunE: func(c *cobra.Command, list []string) error {
			if len(list) == 0 || len(list)%2 != 0 {
				return usage(c, fmt.Errorf("set takes paths, each with a value; there are %d arguments", len(list)))
			}
			for pair := range slices.Chunk(list, 2) {
				e.add(pair[0], confSetting{value: pair[1]})
			}
			return a.confEdit(c, e)
		},
	}
	e.flags(c)
	return c
}

func (a *app) confUnsetCmd() *cobra.Command {
	e := &confEdit{}
	c := &cobra.Command{
		Use:   "unset PATH...",
		Short: "Remove keys or sections from corosync.conf, on the cluster or in a file",
		Long: `Remove keys or whole sections from corosync.conf, with the comments that are about
them alone, as conf set sets them. What makes new errors (see conf check) is
refused.`,
		Example: `  clusterctl conf unset totem.token_retransmit
  clusterctl conf unset 'totem.interface[1]' --file corosync.conf
  clusterctl conf unset quorum.device --file corosync.conf`,
		Args:              args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: a.completePath(&e.file, &e.release, -1),
		RunE: func(c *cobra.Command, list []string) error {
			for _, text := range list {
				e.add(text, confSetting{unset: true})
			}
			return a.confEdit(c, e)
		},
	}
	e.flags(c)
	return c
}

// releaseOr31 is the release that a file is for, as far as that is known yet.
func releaseOr31(text string) corosyncconf.Release {
	r, err := parseRelease(text)
	if err != nil { // said when the changes are made
		return corosyncconf.V31
	}
	return r
}

// add adds a change at the path.
func (e *confEdit) add(path string, change confSetting) {
	p, err := corosyncconf.ParsePath(path)
	remedy := ""
	if err == nil && !change.unset && !e.force {
		if err = p.Check(change.value, releaseOr31(e.release)); err != nil {
			remedy = "or add --force, which sets all that corosync's parser takes"
		}
	}
	if err != nil {
		e.problems = append(e.problems, cluster.Problem{Severity: cluster.Error, Code: cluster.CodeBadPath, Message: err.Error(), Remedy: remedy})
	}
	change.path = p
	e.changes = append(e.changes, change)
}

func (a *app) confEdit(c *cobra.Command, e *confEdit) error {
	r, err := parseRelease(e.release)
	if err != nil {
		return err
	}
	if e.file == stdin && a.json() && !a.dryRun {
		return usageText("--file - writes the new corosync.conf to standard output, where -o json has no room")
	}
	if e.problems != nil {
		return e.problems
	}
	if e.file == "" {
		if e.release != "" {
			return usageText("--for is for a plain file: the nodes have their release")
		}
		if slices.ContainsFunc(e.changes, func(c confSetting) bool { return c.path.String() == "totem.config_version" }) {
			return confProblem(cluster.CodeBadPath, "leave it out", "totem.config_version: on the cluster clusterctl counts it up itself")
		}
		return a.confChange(c.Context(), cluster.ConfSpec{What: e.what(), Edit: e.edit, Restart: e.restart, Force: e.force})
	}
	if e.restart {
		return usageText("--restart is for the cluster, and --file names a plain file")
	}
	f, err := a.readConf(c.Context(), e.file)
	if err != nil {
		return err
	}
	after, err := e.apply(f)
	if err != nil {
		return err
	}
	if err := a.noWorse(f, after, r, e.force); err != nil {
		return err
	}
	if was, is := f.ConfigVersion(), after.ConfigVersion(); is < was {
		a.printProblems(cluster.Problems{{Severity: cluster.Warning,
			Message: fmt.Sprintf("%s: config_version goes down from %d to %d: a node that starts with a lower version than the others run exits", f.name(), was, is),
			Remedy:  "count it up: clusterctl conf set does, where it is not told a version"}})
	}
	return a.keepConf(f, after, r)
}

// keepConf writes a file that was edited, or says what would be written.
func (a *app) keepConf(f *confFile, after *corosyncconf.File, r corosyncconf.Release) error {
	if a.dryRun {
		return a.printDryEdit(f, after, r)
	}
	if err := a.writeConf(f, after.Bytes()); err != nil {
		return err
	}
	return a.printEdit(f, after, r)
}

// apply carries the changes out on a copy of the file.
func (e *confEdit) apply(f *confFile) (*corosyncconf.File, error) {
	if i := slices.IndexFunc(f.errs, func(e *corosyncconf.Error) bool { return e.Code == corosyncconf.CodeSyntax }); i >= 0 && !e.force {
		return nil, confProblem(cluster.CodeConfErrors, "mend it first (clusterctl conf check --file "+f.path+"), or add --force",
			"%v: what belongs to which section is not clear", f.errs[i])
	}
	after := f.Clone()
	after.EditFor(releaseOr31(e.release))
	if err := e.edit(after); err != nil {
		return nil, confProblem(cluster.CodeConfEdit, "", "%s: %v", f.name(), err)
	}
	told := slices.ContainsFunc(e.changes, func(c confSetting) bool { return c.path.String() == "totem.config_version" })
	if !told && !bytes.Equal(after.Bytes(), f.data) {
		if err := after.BumpVersion(); err != nil {
			return nil, confProblem(cluster.CodeConfEdit, "", "%s: %v", f.name(), err)
		}
	}
	return after, nil
}

// what says in words what is to be changed.
func (e *confEdit) what() string {
	var words []string
	for _, change := range e.changes {
		switch {
		case change.unset:
			words = append(words, fmt.Sprintf("unset %s", change.path))
		case change.path.String() == "totem.key":
			words = append(words, "set totem.key")
		default:
			words = append(words, fmt.Sprintf("set %s to %s", change.path, change.value))
		}
	}
	return strings.Join(words, ", ")
}

// edit carries the changes out.
func (e *confEdit) edit(f *corosyncconf.File) error {
	for _, change := range e.changes {
		if !change.unset {
			if err := f.Set(change.path, change.value); err != nil {
				return err
			}
			continue
		}
		found, err := f.Unset(change.path)
		if _, known := change.path.Key(); err == nil && !found && !known && change.path.Name() != "" {
			err = change.path.Check("", releaseOr31(e.release))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// noWorse refuses errors that an edit makes, and warns of what else it makes.
func (a *app) noWorse(f *confFile, after *corosyncconf.File, r corosyncconf.Release, force bool) error {
	problems, warnings := worse(f.name(), false, f.File, after, corosyncconf.Target{Release: r, PVE: cluster.InPVE(f.path)}, force)
	a.printProblems(warnings)
	if problems == nil {
		return nil
	}
	return append(problems, cluster.Problem{Severity: cluster.Error, Code: cluster.CodeConfErrors,
		Message: f.name() + " stays as it is, since the change makes errors", Remedy: "or add --force"})
}

// worse lists what an edit brings, errors and what is only warned of; at its
// lines, where the new file is one that can be looked at.
func worse(name string, lines bool, old, new *corosyncconf.File, t corosyncconf.Target, force bool) (problems, warnings cluster.Problems) {
	for _, f := range corosyncconf.Worse(old, new, t) {
		at := name
		if lines && f.Line > 0 {
			at = fmt.Sprintf("%s:%d:%d", name, f.Line, f.Col)
		}
		p := cluster.Problem{Severity: cluster.Error, Code: cluster.CodeConfErrors, Message: at + ": " + f.Message, Remedy: f.Remedy}
		if force || f.Severity == corosyncconf.Warning {
			p.Severity = cluster.Warning
			warnings = append(warnings, p)
		} else {
			problems = append(problems, p)
		}
	}
	return problems, warnings
}

// writeConf puts new content where the file was read from; standard output for
// standard input. A file that is as it should be stays untouched.
func (a *app) writeConf(f *confFile, after []byte) error {
	if f.path == stdin {
		_, err := a.env.Out.Write(after)
		return err
	}
	if bytes.Equal(after, f.data) {
		return nil
	}
	if err := replaceFile(f.path, f.data, after); err != nil {
		return confProblem(cluster.CodeConfFile, "", "write %s: %v", f.path, err)
	}
	return nil
}

// printDryEdit shows what would be changed.
func (a *app) printDryEdit(f *confFile, after *corosyncconf.File, r corosyncconf.Release) error {
	switch diff := corosyncconf.UnifiedDiff(f.name(), f.name(), f.data, after.Bytes()); {
	case a.json():
		return cli.JSON(a.env.Out, a.editJSON(f, after, r))
	case diff == "":
		return a.print("nothing to do\n")
	default:
		return a.printDiff(a.env.Out, diff, corosyncconf.Compare(f.File, after, r))
	}
}

// printEdit says what was changed.
func (a *app) printEdit(f *confFile, after *corosyncconf.File, r corosyncconf.Release) error {
	switch {
	case a.json():
		return cli.JSON(a.env.Out, a.editJSON(f, after, r))
	case f.path == stdin:
		return nil
	case bytes.Equal(f.data, after.Bytes()):
		return a.print("nothing to change: " + f.path + " is so already\n")
	}
	for _, c := range corosyncconf.Compare(f.File, after, r) {
		text := fmt.Sprintf("%s (%s)\n", c.Words, c.Effect)
		if c.Remark != "" {
			text += "  -> " + c.Remark + "\n"
		}
		if err := a.print(text); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) editJSON(f *confFile, after *corosyncconf.File, r corosyncconf.Release) any {
	diff := corosyncconf.UnifiedDiff(f.name(), f.name(), f.data, after.Bytes())
	doc := map[string]any{
		"schema": 1, "file": f.path, "changed": !bytes.Equal(f.data, after.Bytes()), "config_version": after.ConfigVersion(),
		"diff": diff, "changes": changesJSON(corosyncconf.Compare(f.File, after, r)),
	}
	if a.dryRun {
		plan := &cluster.Plan{Diff: diff}
		before, then := cluster.WholeQuorum(f.ConfigIn(r)), cluster.WholeQuorum(after.ConfigIn(r))
		plan.Quorum = cluster.QuorumRange{Before: before, Lowest: before, After: then}
		if then.Votes-then.Quorum < before.Votes-before.Quorum {
			plan.Quorum.Lowest = then
		}
		if diff != "" {
			plan.Steps = []cluster.Step{{ID: "write", What: "write " + f.name(), Class: cluster.ClassPrepare, Do: cluster.Act{Nodes: []string{}}}}
		}
		doc["plan"] = a.dryPlan(plan)
	}
	return doc
}
