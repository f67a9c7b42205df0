package main

import (
	"strings"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
)

// completePath completes up to most paths (-1: any number) of keys and
// sections.
func (a *app) completePath(file, release *string, most int) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if most >= 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.paths(c, *file, *release, word, true)
	}
}

// completeSet completes the paths of keys, and after each what its key can be.
func (a *app) completeSet(file, release *string) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args)%2 == 0 {
			return a.paths(c, *file, *release, word, false)
		}
		p, err := corosyncconf.ParsePath(args[len(args)-1])
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		k, _ := p.Key()
		if k.Type == corosyncconf.Path {
			return nil, cobra.ShellCompDirectiveDefault
		}
		if k.Type == corosyncconf.Number && k.Min == 0 && k.Max == 1 {
			return []string{"0", "1"}, cobra.ShellCompDirectiveNoFileComp
		}
		return k.ValuesIn(releaseOr31(*release)), cobra.ShellCompDirectiveNoFileComp
	}
}

// paths returns the paths that begin with word: those of the table of keys, with
// the nodes, links and subsystems of the file: of the one that is named already,
// or of this machine's where no other cluster is.
func (a *app) paths(c *cobra.Command, file, release, word string, sections bool) ([]string, cobra.ShellCompDirective) {
	conf := corosyncconf.New("")
	if file == "" && a.host == "" && a.cluster == "" {
		file = cluster.ConfPath
	}
	if file != "" && file != stdin {
		if f, err := a.readConf(c.Context(), file); err == nil {
			conf = f.File
		}
	}
	var found []string
	var also []corosyncconf.KeyPath // a section that is to be made
	if section, _, ok := strings.Cut(word, "]"); ok {
		if p, err := corosyncconf.ParsePath(section + "]"); err == nil {
			also = append(also, p)
		}
	}
	seen := map[corosyncconf.KeyPath]bool{}
	for _, p := range conf.Paths(releaseOr31(release), also...) {
		if section := p.Section(); sections && !seen[section] && section.String() != "" {
			seen[section] = true
			if strings.HasPrefix(section.String(), word) {
				found = append(found, section.String())
			}
		}
		if strings.HasPrefix(p.String(), word) {
			k, _ := p.Key()
			found = append(found, p.String()+"\t"+k.Help)
		}
	}
	if found != nil {
		return found, cobra.ShellCompDirectiveNoFileComp
	}
	for _, section := range corosyncconf.Several() {
		if strings.HasPrefix(section, word) {
			found = append(found, section+"[")
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
