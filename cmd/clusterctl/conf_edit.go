package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
)

func (a *app) confEditCmd() *cobra.Command {
	e := &confEdit{}
	c := &cobra.Command{
		Use:   "edit",
		Short: "Edit corosync.conf in an editor, on the cluster or in a file",
		Long: `Edit the cluster's corosync.conf in $VISUAL, else $EDITOR, else the editor that this
machine has. What is wrong with it then is shown with its line, and can be edited
again; so can the change when its diff is shown, and what it takes for each part
of it to come into effect.

Then it reaches every node or none, as with conf set: by a reload, or by restarts
where those are agreed to (without a terminal, with --restart). config_version is
counted up, whatever was written there. Nothing is done when nothing was changed,
and what could not be used is kept in a file.

Without a terminal it takes an EDITOR that needs none; a change with warnings,
which would be asked about, then needs --yes.`,
		Example: `  clusterctl -H n1 conf edit
  EDITOR=./change-it clusterctl -H n1 conf edit --yes
  clusterctl conf edit --file corosync.conf`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case e.file == stdin:
				return usage(c, errors.New("standard input cannot be edited: name a file"))
			case e.file != "" && e.restart:
				return usageText("--restart is for the cluster, and --file names a plain file")
			case e.file != "":
				return a.confEditFile(c.Context(), e)
			case e.release != "":
				return usage(c, errOnlyFile("--for"))
			case e.force:
				return usage(c, errOnlyFile("--force"))
			}
			return a.confEditCluster(c.Context(), e.restart)
		},
	}
	fileFlag(c, &e.file)
	releaseFlag(c, &e.release)
	c.Flags().BoolVar(&e.restart, "restart", false, "on the cluster: also what takes a restart, of one node after the other or of all at once")
	c.Flags().BoolVar(&e.force, "force", false, "of a file: also what makes errors")
	return c
}

// draft is a corosync.conf in an editor.
type draft struct {
	path string // of the copy that is edited
	base []byte // as it was
	text []byte // as it was written last
}

// review is what is to be said about what was written.
type review struct {
	problems cluster.Problems // what keeps it from being used
	warnings cluster.Problems // what does not
	show     func() error     // shows what it changes
	question string           // whether to use it; empty: that is not asked
}

// edit has the admin edit base until it can be used. It returns nil when nothing
// was changed; agreed is whether the question of the review was answered.
// Without an error, or when the admin gave up, nothing is left of the draft.
func (a *app) edit(ctx context.Context, base []byte, look func([]byte) review) (d *draft, agreed bool, err error) {
	dir, err := os.MkdirTemp("", "clusterctl-")
	if err != nil {
		return nil, false, err
	}
	d = &draft{path: filepath.Join(dir, "corosync.conf"), base: base, text: base}
	keep := false
	defer func() {
		if !keep {
			_ = os.RemoveAll(dir)
		}
	}()
	if err := os.WriteFile(d.path, base, 0o600); err != nil {
		return nil, false, err
	}
	for {
		if err := a.runEditor(ctx, d); err != nil {
			keep = !bytes.Equal(d.text, base)
			return d, false, err
		}
		if bytes.Equal(d.text, base) {
			return nil, false, nil
		}
		keep = true
		r := look(d.text)
		a.printProblems(r.warnings)
		if r.show != nil && a.interactive() && !a.dryRun {
			if err := r.show(); err != nil {
				return d, false, err
			}
		}
		var answer byte
		switch {
		case len(r.problems) > 0 && !a.interactive():
			return d, false, r.problems
		case len(r.problems) > 0:
			a.printProblems(r.problems)
			answer, err = a.streams.Choose(ctx, "What now? [e]dit again, [q]uit:", "eq")
		case a.yes || a.dryRun:
			answer = 'y'
		case !a.interactive() && len(r.warnings) > 0:
			return d, false, confProblem(cluster.CodeNeedsYes, "add --yes", "conf edit asks before it goes on with warnings, and there is no terminal to ask on")
		case a.interactive() && (r.question != "" || len(r.warnings) > 0):
			question := r.question
			if question == "" {
				question = "Go on with that?"
			}
			answer, err = a.streams.Choose(ctx, question+" [y]es, [e]dit again, [q]uit:", "yeq")
			agreed = answer == 'y'
		default:
			answer = 'y'
		}
		switch {
		case err != nil:
			return d, false, err
		case answer == 'q':
			keep = false
			return d, false, errors.New("not done, as you wished")
		case answer == 'y':
			return d, agreed, nil
		}
	}
}

// interactive reports whether questions can be asked.
func (a *app) interactive() bool { return a.streams.InTTY && a.streams.ErrTTY }

// discard forgets a draft that was used.
func (d *draft) discard() { _ = os.RemoveAll(filepath.Dir(d.path)) }

// kept says where what was written is, if a draft could not be used.
func (a *app) kept(d *draft, err error) error {
	if err == nil || d == nil {
		return err
	}
	if _, there := os.Stat(d.path); there == nil {
		a.printProblems(cluster.Problems{{Severity: cluster.Warning, Message: "what you wrote is kept in " + d.path}})
	}
	return err
}

// runEditor has a draft edited, and reads what was written.
func (a *app) runEditor(ctx context.Context, d *draft) error {
	editor, named := a.editor()
	switch {
	case editor == "":
		return confProblem(cluster.CodeConfFile, "name one in the variable EDITOR", "there is no editor on this machine")
	case !named && (!a.streams.InTTY || !a.streams.OutTTY):
		return confProblem(cluster.CodeNeedsYes, "set EDITOR to a program that changes the file it is called with", "there is no terminal for the editor %s", editor)
	}
	cmd := exec.Command("/bin/sh", "-c", editor+` "$1"`, editor, d.path)
	if runtime.GOOS == "windows" {
		words := append(strings.Fields(editor), d.path)
		cmd = exec.Command(words[0], words[1:]...)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.env.In, a.env.Out, a.env.Err
	if !a.streams.OutTTY {
		cmd.Stdout = a.env.Err // results only go to stdout
	}
	err := cmd.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return confProblem(cluster.CodeConfFile, "", "the editor %s failed: %v", editor, err)
	}
	f, err := a.readConf(ctx, d.path)
	if err == nil {
		d.text = f.data
	}
	return err
}

// editor is the program to edit with, and whether the admin has named it.
func (a *app) editor() (program string, named bool) {
	for _, name := range []string{"VISUAL", "EDITOR"} {
		if text, _ := a.env.LookupEnv(name); text != "" {
			return text, true
		}
	}
	for _, name := range []string{"sensible-editor", "editor", "nano", "vi", "notepad"} {
		if _, err := exec.LookPath(name); err == nil {
			return name, false
		}
	}
	return "", false
}

func (a *app) confEditFile(ctx context.Context, e *confEdit) error {
	r, err := parseRelease(e.release)
	if err != nil {
		return err
	}
	f, err := a.readConf(ctx, e.file)
	if err != nil {
		return err
	}
	var after *corosyncconf.File
	d, _, err := a.edit(ctx, f.data, func(text []byte) review {
		after, _ = corosyncconf.Parse(f.name(), text) // what is refused is among the findings
		var v review
		v.problems, v.warnings = worse(f.name(), true, f.File, after, corosyncconf.Target{Release: r, PVE: cluster.InPVE(f.path)}, e.force)
		return v
	})
	if err != nil {
		return a.kept(d, err)
	}
	if d == nil {
		after = f.Clone()
	} else if version := f.ConfigVersion(); version > 0 {
		if err := after.SetConfigVersion(version + 1); err != nil {
			return a.kept(d, confProblem(cluster.CodeConfEdit, "", "%s: %v", f.name(), err))
		}
	}
	if err := a.kept(d, a.keepConf(f, after, r)); err != nil || d == nil {
		return err
	}
	d.discard()
	return nil
}

func (a *app) confEditCluster(ctx context.Context, restart bool) error {
	seen, _, err := a.lookAtConfs(ctx)
	if err != nil {
		return err
	}
	name, r := filepath.Base(cluster.ConfPath), seen.Release()
	base := seen.Conf.Bytes()
	spec := func(text []byte) cluster.ConfSpec {
		return cluster.ConfSpec{What: "as it was edited", Text: text, Restart: restart || a.interactive() && !a.yes}
	}
	if _, err := cluster.PlanConf(spec(base), seen); err != nil { // said before anybody edits, not after
		return err
	}
	d, agreed, err := a.edit(ctx, base, func(text []byte) review {
		var v review
		wanted, _ := corosyncconf.Parse(name, text) // what is refused is among the findings
		if v.problems, v.warnings = worse(name, true, seen.Conf, wanted, seen.Target(), false); len(v.problems) > 0 {
			return v
		}
		if wanted.ConfigVersion() != seen.Conf.ConfigVersion() {
			a.printProblems(cluster.Problems{{Severity: cluster.Warning, Message: "config_version is counted up by clusterctl: what you wrote there does not count"}})
		}
		changes := corosyncconf.Compare(seen.Conf, wanted, r)
		v.show = func() error {
			return a.printDiff(a.env.Err, corosyncconf.UnifiedDiff(cluster.ConfPath, name, base, text), changes)
		}
		if _, err := cluster.PlanConf(spec(text), seen); err != nil {
			v.problems = cluster.ProblemsOf(err)
			return v
		}
		v.question = fmt.Sprintf("Give it to %s, by a reload?", theCluster(seen.Conf.Config().Totem.ClusterName))
		switch corosyncconf.EffectOf(changes) {
		case corosyncconf.RollingRestart:
			v.question = "Give it to every node, and restart corosync on one after the other?"
		case corosyncconf.FullRestart:
			v.question = "Stop corosync on every node, and start it again with that?"
		}
		return v
	})
	if err != nil {
		return a.kept(d, err)
	}
	text := base
	if d != nil {
		text = d.text
	}
	err = a.kept(d, a.confPlan(ctx, func(_ context.Context, v *cluster.View, _ map[string]cluster.Node) (*cluster.Plan, error) {
		if cluster.Hash(v.Conf.Bytes()) != cluster.Hash(base) {
			return nil, confProblem(cluster.CodeChanged, "edit it once more", "the corosync.conf of the cluster was changed while you edited it")
		}
		return cluster.PlanConf(spec(text), v)
	}, func(c changed) string {
		if agreed || !c.plan.StopsAll() {
			return ""
		}
		return fmt.Sprintf("Stop corosync on every node of cluster %s, and start it again with what was edited?", c.plan.Cluster)
	}))
	if err == nil && d != nil {
		d.discard()
	}
	return err
}
