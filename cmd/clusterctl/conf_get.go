package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
	"clusterctl/internal/cli"
)

func (a *app) confGetCmd() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "get [PATH]",
		Short: "Print what is set in corosync.conf, on the cluster or in a file",
		Long: `Print the value of a key, or every key of a section with its path; without PATH
those of the whole file. It is the value that counts: sections that corosync
merges are one here. Exit code 1 when nothing is set there.

On the cluster it is what its file says; nodes whose file, or whose running
corosync, says something else are named on stderr, and -o json has the values of
each node, in its file and running.`,
		Example: `  clusterctl conf get totem.token
  clusterctl conf get 'nodelist.node[n2]' --file corosync.conf`,
		Args:              args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: a.completePath(&file, new(string), 1),
		RunE: func(c *cobra.Command, list []string) error {
			var path *corosyncconf.KeyPath
			if len(list) > 0 {
				p, err := corosyncconf.ParsePath(list[0])
				if err != nil {
					return badPath(err)
				}
				path = &p
			}
			if file == "" {
				return a.confGetCluster(c.Context(), path)
			}
			f, err := a.readConf(c.Context(), file)
			if err != nil {
				return err
			}
			return a.confGet(f, path)
		},
	}
	fileFlag(c, &file)
	return c
}

// badPath is that a path, or the value for one, cannot be what is meant.
func badPath(err error) error { return confProblem(cluster.CodeBadPath, "", "%v", err) }

func (a *app) confGet(f *confFile, path *corosyncconf.KeyPath) error {
	a.warnOfErrors(f)
	found, err := settingsAt(f.File, path)
	switch {
	case errors.Is(err, corosyncconf.ErrNoNode):
		return confProblem(cluster.CodeNotSet, "", "%s: %v", f.name(), err)
	case err != nil:
		return confProblem(cluster.CodeConfEdit, "", "%s: %v", f.name(), err)
	case path != nil && len(found) == 0:
		return notSet(f.name(), *path)
	case a.json():
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "settings": settingsJSON(found)})
	}
	return a.printSettings(path, found)
}

// settingsAt returns what is set at the path; without one, all that is set.
func settingsAt(f *corosyncconf.File, path *corosyncconf.KeyPath) ([]corosyncconf.Setting, error) {
	if path == nil {
		return f.Settings(), nil
	}
	return f.Get(*path)
}

// printSettings prints the value at the path or, of a section, each with its path.
func (a *app) printSettings(path *corosyncconf.KeyPath, found []corosyncconf.Setting) error {
	var b strings.Builder
	for _, s := range found {
		if path == nil || path.Name() != s.Key { // a section
			b.WriteString(s.Path.String() + ": ")
		}
		b.WriteString(s.Value + "\n")
	}
	return a.print(b.String())
}

type settingJSON struct {
	Path   string `json:"path"`
	Value  string `json:"value"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

func settingsJSON(found []corosyncconf.Setting) []settingJSON {
	out := make([]settingJSON, 0, len(found))
	for _, s := range found {
		out = append(out, settingJSON{s.Path.String(), s.Value, s.Line, s.Col})
	}
	return out
}

// depends are the keys whose default depends on others, or on the link.
var depends = []string{"mcastport", "netmtu", "crypto_cipher", "crypto_hash", "ip_version"}

// notSet says that a file does not set what it was asked for, and what counts then.
func notSet(name string, path corosyncconf.KeyPath) error {
	remedy := ""
	if k, known := path.Key(); known && k.Default != "" && !slices.Contains(depends, k.Name) {
		remedy = strings.TrimSpace(fmt.Sprintf("corosync %s then takes %s %s", corosyncconf.V31, k.Default, k.Unit))
	} else if err := path.Check("", corosyncconf.V31); !known && path.Name() != "" && err != nil {
		remedy = err.Error()
	}
	return confProblem(cluster.CodeNotSet, remedy, "%s is not set in %s", path, name)
}
