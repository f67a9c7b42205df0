package main

import (
	"strings"

	"github.com/spf13/cobra"

	"clusterctl/corosyncconf"
)

// completePath completes up to most paths (-1: any number) of keys and
// sections.
func (a *app) completePath(file *string, most int) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if most >= 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.paths(c, *file, word, true)
	}
}

// completeSet completes the paths of keys, and after each what its key can be.
func (a *app) completeSet(file *string) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args)%2 == 0 {
			return a.paths(c, *file, word, false)
		}
		p, err := corosyncconf.ParsePath(args[len(args)-1])
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		k, _ := p.Key()
		if k.Type == corosyncconf.Path {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return k.Values, cobra.ShellCompDirectiveNoFileComp
	}
}

// paths returns the paths that begin with word: those of the table of keys, with
// the nodes, links and subsystems of the file, if it is named already.
func (a *app) paths(c *cobra.Command, file, word string, sections bool) ([]string, cobra.ShellCompDirective) {
	conf := corosyncconf.New("")
	if file != "" && file != stdin {
		if f, err := a.readConf(c.Context(), file); err == nil {
			conf = f.File
		}
	}
	var found []string
	before := corosyncconf.KeyPath{}
	for _, p := range conf.Paths() {
		if section := p.Section(); sections && section != before && section.String() != "" {
			before = section
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
