//go:build linux

// Command clusterlab boots real cluster nodes on one Linux machine, to try clusterctl with and to test it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"clusterctl/internal/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "clusterlab:", err)
		os.Exit(1)
	}
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "clusterlab",
		Short:         "Boot real cluster nodes on this machine, to try clusterctl with",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return lab.Check()
		},
	}
	cmd.CompletionOptions.DisableDefaultCmd = true
	name := cmd.PersistentFlags().String("name", "lab", "which lab: several can run side by side")
	cmd.AddCommand(up(name), down(name), ps(), ssh(name), exec(name), fault(name))
	return cmd
}

func up(name *string) *cobra.Command {
	var o lab.Options
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Boot the nodes; it returns when all answer SSH",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Name = *name
			o.Log = func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) }
			l, err := lab.Up(cmd.Context(), o)
			if err != nil {
				return err
			}
			printUp(cmd, l)
			return nil
		},
	}
	cmd.Flags().IntVar(&o.Nodes, "nodes", 3, "how many nodes: n1, n2, ...")
	cmd.Flags().IntVar(&o.Links, "links", 2, "how many cluster networks, besides the management network")
	cmd.Flags().StringVar(&o.Suite, "suite", "bookworm", "the Debian release on the nodes: bookworm or trixie")
	cmd.Flags().StringSliceVar(&o.Packages, "with", nil, "more Debian packages on the nodes: pacemaker,pacemaker-cli-utils")
	return cmd
}

// printUp shows what one can do with a new lab.
func printUp(cmd *cobra.Command, l *lab.Lab) {
	var nodes, links strings.Builder
	for _, n := range l.Nodes() {
		nodes.WriteString(" " + n.Name())
	}
	for link := range l.Links() {
		fmt.Fprintf(&links, " --link %s", l.Net(link))
	}
	option := ""
	if l.Name() != "lab" {
		option = " --name " + l.Name()
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Up:%[1]s. Try:\n  clusterlab exec%[2]s clusterctl create prod%[1]s%[3]s\n  clusterlab ssh%[2]s n1\n"+
		"  clusterlab down%[2]s\n", nodes.String(), option, links.String())
}

func down(name *string) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "End the lab; nothing of it is left. One that is not there is no error",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := lab.Down(cmd.Context(), *name)
			if errors.Is(err, lab.ErrNoLab) {
				return nil
			}
			return err
		},
	}
}

func ps() *cobra.Command {
	return &cobra.Command{
		Use:   "ps",
		Short: "List the nodes of all labs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			names, err := lab.List()
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "LAB\tNODE\tSTATE\tPID\tSUITE\tADDRESSES")
			for _, name := range names {
				l, err := lab.Open(name)
				if err != nil {
					fmt.Fprintf(w, "%s\t-\tbroken\t-\t-\t-\n", name)
					continue
				}
				for _, n := range l.Nodes() {
					fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", name, n.Name(), n.State(), n.PID(), l.Suite(), addresses(l, n))
				}
			}
			return w.Flush()
		},
	}
}

// addresses lists a node's addresses, the management network's first, and marks those that are cut off.
func addresses(l *lab.Lab, n *lab.Node) string {
	var all []string
	for link := lab.Mgmt; link < l.Links(); link++ {
		a := n.Addr(link).String()
		if n.IsCut(link) {
			a += " (cut)"
		}
		all = append(all, a)
	}
	return strings.Join(all, ", ")
}

func ssh(name *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ssh NODE [COMMAND...]",
		Short: "Log in to a node as root, or run a command on it",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := lab.Open(*name)
			if err != nil {
				return err
			}
			return l.Exec("ssh", args...)
		},
	}
	cmd.Flags().SetInterspersed(false)
	return cmd
}

func exec(name *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec COMMAND...",
		Short: "Run a command beside the nodes, where SSH to their names works",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := lab.Open(*name)
			if err != nil {
				return err
			}
			return l.Exec(args[0], args[1:]...)
		},
	}
	cmd.Flags().SetInterspersed(false)
	return cmd
}

func fault(name *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fault",
		Short: "Break things, and mend them",
	}
	var links []int
	add := func(verb, short string, do func(context.Context, *lab.Node) error) *cobra.Command {
		sub := &cobra.Command{
			Use:   verb + " NODE",
			Short: short,
			Args:  cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				l, err := lab.Open(*name)
				if err != nil {
					return err
				}
				n := l.Node(args[0])
				if n == nil {
					return fmt.Errorf("lab %s has no node %q", *name, args[0])
				}
				for _, link := range links {
					if link < 0 || link >= l.Links() {
						return fmt.Errorf("lab %s has no link %s", *name, strconv.Itoa(link))
					}
				}
				return do(cmd.Context(), n)
			},
		}
		cmd.AddCommand(sub)
		return sub
	}
	// onLinks does it to the given links, or to all networks if none is given.
	onLinks := func(one func(*lab.Node, context.Context, int) error, all func(*lab.Node, context.Context) error) func(context.Context, *lab.Node) error {
		return func(ctx context.Context, n *lab.Node) error {
			if len(links) == 0 {
				return all(n, ctx)
			}
			var errs []error
			for _, link := range links {
				errs = append(errs, one(n, ctx, link))
			}
			return errors.Join(errs...)
		}
	}
	for _, sub := range []*cobra.Command{
		add("cut", "Pull the node's network cables", onLinks((*lab.Node).Cut, (*lab.Node).CutAll)),
		add("heal", "Put the node's network cables back", onLinks((*lab.Node).Heal, (*lab.Node).HealAll)),
	} {
		sub.Flags().IntSliceVar(&links, "link", nil, "only these links; SSH goes over another network and still works")
	}
	add("freeze", "Stop all processes of the node", func(ctx context.Context, n *lab.Node) error { return n.Freeze(ctx) })
	add("thaw", "Let them go on", func(ctx context.Context, n *lab.Node) error { return n.Thaw(ctx) })
	add("kill", "Cut the node's power", func(ctx context.Context, n *lab.Node) error { return n.Kill(ctx) })
	add("boot", "Power the node on again", func(ctx context.Context, n *lab.Node) error { return n.Boot(ctx) })
	return cmd
}
