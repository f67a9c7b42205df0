package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
	"clusterctl/internal/cli"
)

func (a *app) confCheckCmd() *cobra.Command {
	var file, release string
	var here bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Say what is wrong with corosync.conf, on the cluster or in a file",
		Long: `Say what is wrong with a corosync.conf: what corosync refuses, and what it takes and
then suffers from. Exit code 3 when there are errors, 0 with warnings only.

On the cluster the file of every node is checked, as corosync on that node would
see it: for its version, with its name and addresses, and with the names that it
resolves. What holds for all of them is said once.

--here adds what depends on the machine, as corosync would see it when started
here: whether names resolve, whether this machine is one of the nodes, the key,
users and directories. The release is then that of the corosync here.

On Proxmox VE also what its own tools do not take, or lose when they write the file:
of a plain file where it is in /etc/pve, or with --here.`,
		Example: `  clusterctl conf check --file /etc/corosync/corosync.conf
  clusterctl -H n1 conf check
  clusterctl conf check --for 2.4 --file - <corosync.conf
  clusterctl conf check --here --file /etc/corosync/corosync.conf`,
		Args: args(noFileArg),
		RunE: func(c *cobra.Command, _ []string) error {
			if file == "" {
				if here {
					return usage(c, errOnlyFile("--here"))
				}
				return a.confCheckCluster(c.Context(), release)
			}
			r, err := parseRelease(release)
			if err != nil {
				return err
			}
			f, err := a.readConf(c.Context(), file)
			if err != nil {
				return err
			}
			t := corosyncconf.Target{Release: r, PVE: cluster.InPVE(file)}
			if here {
				t.Here = cluster.Here(c.Context(), f.Hosts()...)
				t.PVE = t.PVE || cluster.IsPVE()
				if !c.Flags().Changed("for") {
					t.Release = a.releaseHere(t.Here)
				}
			}
			return a.confCheck(f, t)
		},
	}
	fileFlag(c, &file)
	releaseFlag(c, &release)
	c.Flags().BoolVar(&here, "here", false, "also as corosync on this machine would see it")
	return c
}

// noFileArg is cobra.NoArgs, and says where the name of a file goes.
func noFileArg(_ *cobra.Command, list []string) error {
	if len(list) > 0 {
		return fmt.Errorf("check takes no arguments: name the file with --file %s", list[0])
	}
	return nil
}

// releaseHere is the release of the corosync on this machine.
func (a *app) releaseHere(m *corosyncconf.Machine) corosyncconf.Release {
	r, err := corosyncconf.ParseRelease(fmt.Sprintf("%d.%d", m.Version[0], m.Version[1]))
	if err == nil {
		return r
	}
	text := "corosync is not installed here"
	if m.Version[0] > 0 {
		text = fmt.Sprintf("the corosync here is %d.%d", m.Version[0], m.Version[1])
	}
	a.printProblems(cluster.Problems{{Severity: cluster.Warning, Message: text, Remedy: "the file is checked for " + corosyncconf.V31.String()}})
	return corosyncconf.V31
}

func (a *app) confCheck(f *confFile, t corosyncconf.Target) error {
	findings := f.Check(t)
	var err error
	if a.json() {
		err = cli.JSON(a.env.Out, map[string]any{"schema": 1, "findings": findingsJSON(f.path, findings)})
	} else {
		err = a.printFindings(f, t, findings)
	}
	if _, errors := count(findings); err == nil && errors > 0 {
		err = badNews{cli.ExitBad}
	}
	return err
}

type findingJSON struct {
	Code      corosyncconf.Code     `json:"code"`
	Severity  corosyncconf.Severity `json:"severity"`
	File      string                `json:"file"`
	Line      int                   `json:"line"`
	Column    int                   `json:"column"`
	Message   string                `json:"message"`
	Remedy    string                `json:"remedy"`
	RefusedBy corosyncconf.Refusal  `json:"refused_by"`
	Nodes     []string              `json:"nodes,omitempty"` // whose file it is, on the cluster
}

func findingsJSON(file string, findings []corosyncconf.Finding) []findingJSON {
	out := make([]findingJSON, 0, len(findings))
	for _, i := range findings {
		out = append(out, findingJSON{i.Code, i.Severity, file, i.Line, i.Col, i.Message, i.Remedy, i.RefusedBy, nil})
	}
	return out
}

// maxFindings is how many findings are printed for people.
const maxFindings = 100

// printFindings prints findings, and under them how many there are.
func (a *app) printFindings(f *confFile, t corosyncconf.Target, findings []corosyncconf.Finding) error {
	last := ""
	for _, i := range findings[:min(len(findings), maxFindings)] {
		a.printFinding(f.name(), i, last)
		last = i.Remedy
	}
	return a.summary(f.name(), t.Release.String(), findings)
}

// summary says how many findings there are, of which the first were printed.
func (a *app) summary(name, release string, findings []corosyncconf.Finding) error {
	if more := len(findings) - maxFindings; more > 0 {
		fmt.Fprintf(a.env.Out, "and %d more\n", more)
	}
	warnings, errors := count(findings)
	text := fmt.Sprintf("%s, %s", plural(errors, "error"), plural(warnings, "warning"))
	if len(findings) == 0 {
		text = "nothing is wrong"
	}
	_, err := fmt.Fprintf(a.env.Out, "%s (corosync %s): %s\n", name, release, text)
	return err
}

// printFinding prints a finding, and its remedy if that is not the last one again.
func (a *app) printFinding(name string, f corosyncconf.Finding, last string) {
	style := cli.Bad
	if f.Severity == corosyncconf.Warning {
		style = cli.Warn
	}
	at := name
	if f.Line > 0 {
		at = fmt.Sprintf("%s:%d:%d", name, f.Line, f.Col)
	}
	fmt.Fprint(a.env.Out, a.streams.Paragraph(a.streams.Style(style, fmt.Sprintf("%-7s", f.Severity))+"  ", at+": "+f.Message))
	if f.Remedy != "" && f.Remedy != last {
		fmt.Fprint(a.env.Out, a.streams.Paragraph("         -> ", f.Remedy))
	}
}

func count(findings []corosyncconf.Finding) (warnings, errors int) {
	for _, f := range findings {
		if f.Severity == corosyncconf.Warning {
			warnings++
		} else {
			errors++
		}
	}
	return warnings, errors
}
