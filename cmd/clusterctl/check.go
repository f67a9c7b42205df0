package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
	"clusterctl/internal/probe"
)

func (a *app) checkCmd() *cobra.Command {
	spec := cluster.CheckSpec{}
	var links []string
	c := &cobra.Command{
		Use:   "check [NODE...]",
		Short: "See whether nodes and the network between them are fit for a cluster",
		Long: `See whether nodes, and the network between them, are fit for a cluster: those named,
as create takes them, or without any those of the cluster that there is.

Each node sends numbered packets to each other one on each link, to the UDP port
that corosync will use, and echoes those of the others. So round trips, loss of
each direction, the largest packet, and with udp multicast are measured. Then
come versions, clocks, names, addresses, interfaces, disk, memory, and what an
earlier cluster has left. Nothing is changed: what measures is a clusterctl that is
copied to each node, and gone when this ends.

Exit code 0 if all is fit, warnings aside, 3 if not, 4 if no node answers.`,
		Example: `  clusterctl check n1 n2 n3 --link 10.0.0.0/24 --link 10.0.1.0/24
  clusterctl check n1,link0=10.0.0.1 n2,link0=10.0.0.2 --quick
  clusterctl -c prod check --duration 10m`,
		RunE: func(c *cobra.Command, args []string) error {
			var ps, lps cluster.Problems
			spec.Nodes, ps = cluster.ParseNodes(args)
			spec.Links, lps = cluster.ParseLinks(links)
			if ps = append(append(ps, lps...), spec.Check()...); len(ps) > 0 {
				return ps
			}
			return a.check(c.Context(), spec)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringArrayVar(&links, "link", nil, "network of a link, `[N=]CIDR`; repeat it for more links")
	f.StringVar(&spec.Transport, "transport", "", "knet, udpu or udp (default: knet; with corosync 2 udpu)")
	f.BoolVar(&spec.Quick, "quick", false, "a second or two, in place of 10,000 packets for each path")
	f.DurationVar(&spec.Duration, "duration", 0, "spread the packets over a time, as in 10m: does multicast last?")
	return c
}

// probeCmd is what check starts on the nodes.
func (a *app) probeCmd() *cobra.Command {
	return &cobra.Command{
		Use:    "probe",
		Short:  "Measure the network for a clusterctl check that runs elsewhere",
		Hidden: true,
		Args:   args(cobra.NoArgs),
		RunE:   func(c *cobra.Command, _ []string) error { return probe.Serve(c.Context(), a.env.In, a.env.Out) },
	}
}

func (a *app) check(ctx context.Context, spec cluster.CheckSpec) error {
	ctx, cancel := a.context(ctx)
	defer cancel()
	p := a.progress()
	defer p.Close()
	t := p.Start("look at the nodes")
	c, nodes, err := a.checked(ctx, spec)
	defer func() { cluster.CloseAll(nodes) }()
	if err != nil {
		t.Fail()
		return err
	}
	t.Done()
	t = p.Start(fmt.Sprintf("measure the network, for about %s", c.Time().Round(time.Second)+time.Second))
	exe, err := os.Executable()
	if err == nil {
		err = c.Measure(ctx, nodes, cluster.NewProgram(exe, runtime.GOOS, runtime.GOARCH))
	}
	if err != nil {
		t.Fail()
		return err
	}
	t.Clear()
	p.Close()
	fitness := c.Result()
	if a.json() {
		err = cli.JSON(a.env.Out, fitness)
	} else {
		err = a.printFitness(fitness)
	}
	if err == nil && !fitness.Fit {
		err = badNews{cli.ExitBad}
	}
	return err
}

// checked finds what is to be checked. The caller closes the nodes.
func (a *app) checked(ctx context.Context, spec cluster.CheckSpec) (*cluster.Check, map[string]cluster.Node, error) {
	if len(spec.Nodes) == 0 {
		_, view, nodes, err := a.look(ctx)
		if err != nil {
			return nil, nil, err
		}
		return cluster.CheckCluster(spec, view), nodes, nil
	}
	conn, err := a.connector(ctx)
	if err != nil {
		return nil, nil, err
	}
	return cluster.CheckNodes(ctx, conn, spec)
}

// printFitness prints tables that fit 80 columns, and what was found.
func (a *app) printFitness(f *cluster.Fitness) error {
	links := map[int][]cluster.Path{}
	var numbers []int
	for _, p := range f.Paths {
		if links[p.Link] == nil {
			numbers = append(numbers, p.Link)
		}
		links[p.Link] = append(links[p.Link], p)
	}
	if len(numbers) > 0 {
		heading(a.env.Out, "Links, and the worst of each")
		t := cli.NewTable("LINK", "PATHS", "PORT", "RTT AVG", "P99", "MAX", "JITTER", "LOSS", "MTU", "MULTICAST")
		for _, n := range numbers {
			t.Row(a.worst(n, links[n])...)
		}
		if err := t.Render(a.streams); err != nil {
			return err
		}
	}
	for _, n := range numbers {
		fmt.Fprintln(a.env.Out)
		heading(a.env.Out, fmt.Sprintf("Link %d: average round trip (ms), loss (%%)", n))
		if err := a.pathMatrix(links[n]); err != nil {
			return err
		}
	}
	if len(f.Findings) > 0 {
		if len(numbers) > 0 {
			fmt.Fprintln(a.env.Out)
		}
		heading(a.env.Out, "Findings")
		for _, p := range f.Findings {
			a.problem(a.env.Out, p)
		}
	}
	verdict := a.streams.Style(cli.OK, "fit for a cluster")
	if !f.Fit {
		verdict = a.streams.Style(cli.Bad, "not fit for a cluster")
	}
	_, err := fmt.Fprintf(a.env.Out, "\n%s\n", verdict)
	return err
}

// worst is the row of a link in the table of links.
func (a *app) worst(link int, paths []cluster.Path) []cli.Cell {
	most := func(of func(cluster.Path) *float64) string {
		var worst *float64
		for _, p := range paths {
			if v := of(p); v != nil && (worst == nil || *v > *worst) {
				worst = v
			}
		}
		if worst == nil {
			return "-"
		}
		return fmt.Sprintf("%.2f", *worst)
	}
	var ports []string
	multicast, loss, mtu := "-", 0.0, 0
	for _, p := range paths {
		if port := strconv.Itoa(p.Port); !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
		loss = max(loss, p.Loss)
		if p.MTU > 0 && (mtu == 0 || p.MTU < mtu) {
			mtu = p.MTU
		}
		if p.Multicast != nil && multicast != "no" {
			multicast = map[bool]string{true: "yes", false: "no"}[*p.Multicast]
		}
	}
	size := "-"
	if mtu > 0 {
		size = strconv.Itoa(mtu)
	}
	return []cli.Cell{
		cli.Text(strconv.Itoa(link)), cli.Text(strconv.Itoa(len(paths))), cli.Text(strings.Join(ports, " ")),
		cli.Text(most(func(p cluster.Path) *float64 { return p.RTTAvg })), cli.Text(most(func(p cluster.Path) *float64 { return p.RTTP99 })),
		cli.Text(most(func(p cluster.Path) *float64 { return p.RTTMax })), cli.Text(most(func(p cluster.Path) *float64 { return p.Jitter })),
		cli.Text(fmt.Sprintf("%.2f%%", loss)), cli.Text(size), cli.Text(multicast),
	}
}

// pathMatrix has a row for each node that sends and a column for each that is
// sent to; when these are too many for a line they go on in another table.
func (a *app) pathMatrix(paths []cluster.Path) error {
	const width = 80
	var names []string
	cells := map[[2]string]cli.Cell{}
	for _, p := range paths {
		if !slices.Contains(names, p.From) {
			names = append(names, p.From)
		}
		cells[[2]string{p.From, p.To}] = pathCell(p)
	}
	widest := len("FROM")
	for _, n := range names {
		widest = max(widest, len(n))
	}
	left := slices.Clone(names)
	for len(left) > 0 {
		room, now := width-widest, []string{}
		for len(left) > 0 {
			column := len(left[0])
			for _, from := range names {
				column = max(column, len(cells[[2]string{from, left[0]}].Text))
			}
			if room -= column + 2; room < 0 && len(now) > 0 {
				break
			}
			now, left = append(now, left[0]), left[1:]
		}
		t := cli.NewTable(append([]string{"FROM"}, now...)...)
		for _, from := range names {
			row := []cli.Cell{cli.Text(from)}
			for _, to := range now {
				cell, measured := cells[[2]string{from, to}]
				if !measured && from != to {
					cell = cli.Styled(cli.Dim, "?")
				}
				row = append(row, cell)
			}
			t.Row(row...)
		}
		if err := t.Render(a.streams); err != nil {
			return err
		}
	}
	return nil
}

// pathCell is a path in a few characters.
func pathCell(p cluster.Path) cli.Cell {
	switch {
	case !p.PortOpen:
		return cli.Styled(cli.Bad, "blocked")
	case p.RTTAvg == nil:
		return cli.Styled(cli.Warn, "one way")
	case p.Loss > 0:
		return cli.Styled(cli.Warn, fmt.Sprintf("%.2f %.3g%%", *p.RTTAvg, p.Loss))
	}
	return cli.Styled(cli.OK, fmt.Sprintf("%.2f", *p.RTTAvg))
}
