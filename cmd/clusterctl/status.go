package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
)

func (a *app) statusCmd() *cobra.Command {
	var watch bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show quorum, votes, membership and links, as all nodes see them",
		Long: `Show quorum, votes, membership, links and what is wrong, as seen from every node at
once. Exit code 0 when nothing is wrong, 3 when something is, 4 when no node answers.

--watch keeps showing it, on the whole terminal, with what has changed in the last
minute, until q or Ctrl-C, and then ends with 0. Without a terminal it prints the
status once, and again whenever something has changed, until Ctrl-C or SIGTERM.`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if watch {
				return a.watch(c.Context())
			}
			return a.status(c.Context())
		},
	}
	c.Flags().BoolVar(&watch, "watch", false, "keep showing it")
	return c
}

func (a *app) nodesCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "nodes",
		Short: "List the configured nodes",
		Args:  args(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return a.nodes(c.Context()) },
	}
}

// findStatus asks all nodes.
func (a *app) findStatus(ctx context.Context) (*cluster.Status, error) {
	ctx, cancel := a.context(ctx)
	defer cancel()
	p := a.progress()
	defer p.Close()
	t := p.Start("ask the nodes")
	view, err := a.glance(ctx)
	if err != nil {
		t.Fail()
		return nil, err
	}
	t.Clear()
	s := cluster.NewStatus(view)
	s.Problems = a.remedied(s.Problems)
	return s, nil
}

func (a *app) status(ctx context.Context) error {
	s, err := a.findStatus(ctx)
	if err != nil {
		return err
	}
	if a.json() {
		err = cli.JSON(a.env.Out, s)
	} else {
		err = a.printStatus(s)
	}
	if err == nil && len(s.Problems) > 0 {
		err = badNews{cli.ExitBad}
	}
	return err
}

func (a *app) printStatus(s *cluster.Status) error {
	w := a.env.Out
	name := s.Cluster.Name
	if name == "" {
		name = "(without a name)"
	}
	heading(w, "Cluster information")
	field(w, "Name", name)
	field(w, "Config version", configVersion(s))
	field(w, "Transport", fmt.Sprintf("%s, %s", s.Cluster.Transport, plural(s.Cluster.Links, "link")))
	field(w, "Encryption", encryption(s.Cluster))
	fmt.Fprintln(w)

	q := s.Quorum
	heading(w, "Quorum information")
	field(w, "Quorate", a.verdict(q))
	field(w, "Expected votes", q.ExpectedVotes)
	field(w, "Total votes", q.TotalVotes)
	field(w, "Quorum", q.Quorum)
	field(w, "Ring ID", orDash(q.RingID))
	field(w, "Flags", orDash(strings.Join(q.Flags, " ")))
	fmt.Fprintln(w)

	heading(w, "Membership information")
	if err := a.memberTable(s); err != nil {
		return err
	}
	if err := a.pmxcfsTable(s); err != nil {
		return err
	}
	if err := a.linkTable(s); err != nil {
		return err
	}
	if len(s.Partitions) > 1 {
		fmt.Fprintln(w)
		heading(w, "Partitions")
		for _, p := range s.Partitions {
			fmt.Fprintln(w, strings.Join(p, " "))
		}
	}
	if len(s.Problems) > 0 {
		fmt.Fprintln(w)
		heading(w, "Problems")
		for _, p := range s.Problems {
			a.problem(w, p)
		}
	}
	return nil
}

// configVersion is the version that runs or, when nothing runs, the highest in
// a file.
func configVersion(s *cluster.Status) string {
	if s.Cluster.ConfigVersion > 0 || len(s.Partitions) > 0 {
		return strconv.FormatUint(s.Cluster.ConfigVersion, 10)
	}
	highest := uint64(0)
	for _, n := range s.Nodes {
		highest = max(highest, n.ConfigVersionFile)
	}
	return fmt.Sprintf("%d (not running)", highest)
}

// verdict is whether the cluster is quorate, and how far it is from the edge.
func (a *app) verdict(q cluster.StatusQuorum) string {
	switch {
	case !q.Quorate:
		return a.streams.Style(cli.Bad, "No")
	case q.Survives == 0:
		return a.streams.Style(cli.Warn, "Yes") + ", but not if one more node fails"
	case q.Survives == 1:
		return a.streams.Style(cli.OK, "Yes") + ", also if one more node fails"
	}
	return a.streams.Style(cli.OK, "Yes") + fmt.Sprintf(", also if %d more nodes fail", q.Survives)
}

func encryption(c cluster.StatusCluster) string {
	if c.CryptoCipher == "none" && c.CryptoHash == "none" {
		return "none"
	}
	return c.CryptoCipher + "/" + c.CryptoHash
}

// memberTable has a line for each node: who it is and how it stands.
func (a *app) memberTable(s *cluster.Status) error {
	t := cli.NewTable("ID", "VOTES", "NODE", "STATE", "COROSYNC", "CONFIG")
	for _, n := range s.Nodes {
		name := n.Name
		if n.Local {
			name += " (local)"
		}
		t.Row(cli.Text(idText(n.ID)), cli.Text(strconv.Itoa(n.Votes)), cli.Text(name), state(n), daemon(n), config(n))
	}
	return t.Render(a.streams)
}

// state is whether the node is a member, in a word.
func state(n cluster.StatusNode) cli.Cell {
	switch {
	case n.ID == 0:
		return cli.Styled(cli.Warn, "not listed")
	case n.Member && n.Reachable:
		return cli.Styled(cli.OK, "member")
	case n.Member:
		return cli.Styled(cli.Warn, "member, no SSH")
	case n.Corosync == "active":
		return cli.Styled(cli.Bad, "apart")
	case !n.Reachable:
		return cli.Styled(cli.Bad, "unreachable")
	}
	return cli.Styled(cli.Bad, "absent")
}

func daemon(n cluster.StatusNode) cli.Cell {
	switch {
	case !n.Reachable:
		return cli.Styled(cli.Dim, "?")
	case n.Corosync == "active":
		return cli.Text(n.Version)
	}
	return cli.Styled(cli.Bad, n.Corosync)
}

func config(n cluster.StatusNode) cli.Cell {
	switch {
	case !n.Reachable:
		return cli.Styled(cli.Dim, "?")
	case n.ConfigSHA256 == "":
		return cli.Styled(cli.Bad, "none")
	case n.Corosync == "active" && n.ConfigVersionRunning != n.ConfigVersionFile:
		runs := "?" // corosync does not say
		if n.ConfigVersionRunning > 0 {
			runs = strconv.FormatUint(n.ConfigVersionRunning, 10)
		}
		return cli.Styled(cli.Warn, fmt.Sprintf("%d, runs %s", n.ConfigVersionFile, runs))
	}
	return cli.Text(strconv.FormatUint(n.ConfigVersionFile, 10))
}

// linkTable has a line for each node: its address on each link and who it does
// not reach there.
func (a *app) linkTable(s *cluster.Status) error {
	numbers := map[int]bool{}
	for _, n := range s.Nodes {
		for _, l := range n.Links {
			numbers[l.Number] = true
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	links := slices.Sorted(maps.Keys(numbers))
	fmt.Fprintln(a.env.Out)
	heading(a.env.Out, "Link information")
	t := cli.NewTable("NODE", "LINK", "ADDRESS", "REACHES", "DOES NOT REACH")
	for _, n := range s.Nodes {
		for _, number := range links {
			for _, l := range n.Links {
				if l.Number != number {
					continue
				}
				up, down := peers(l)
				t.Row(cli.Text(n.Name), cli.Text(strconv.Itoa(number)), cli.Text(l.Address), up, down)
			}
		}
	}
	return t.Render(a.streams)
}

// pmxcfsTable has a line for each node of Proxmox VE.
func (a *app) pmxcfsTable(s *cluster.Status) error {
	t := cli.NewTable("NODE", "MOUNTED", "WRITABLE", "CONFIG", "ONLINE", "OFFLINE")
	found := false
	yes := func(ok bool) cli.Cell {
		if ok {
			return cli.Text("yes")
		}
		return cli.Styled(cli.Bad, "no")
	}
	for _, n := range s.Nodes {
		p := n.Pmxcfs
		if p == nil {
			continue
		}
		if !found {
			fmt.Fprintln(a.env.Out)
			heading(a.env.Out, "Cluster file system")
		}
		found = true
		var on, off []string
		for _, peer := range p.Peers {
			if peer.Online {
				on = append(on, peer.Name)
			} else {
				off = append(off, peer.Name)
			}
		}
		offline := cli.Text("-")
		if len(off) > 0 {
			offline = cli.Styled(cli.Bad, strings.Join(off, " "))
		}
		version := "-"
		if p.ConfigVersion > 0 {
			version = strconv.FormatUint(p.ConfigVersion, 10)
		}
		t.Row(cli.Text(n.Name), yes(p.Mounted), yes(p.Quorate), cli.Text(version), cli.Text(orDash(strings.Join(on, " "))), offline)
	}
	if !found {
		return nil
	}
	return t.Render(a.streams)
}

// peers lists whom a link reaches and whom not; "?" when corosync there does
// not tell.
func peers(l cluster.StatusLink) (up, down cli.Cell) {
	reached, missed, all := l.Peers.In("connected"), l.Peers.In("disconnected"), l.Peers.Len()
	if len(reached)+len(missed) == 0 {
		if all == 0 {
			return cli.Text("-"), cli.Text("-")
		}
		return cli.Styled(cli.Dim, "?"), cli.Styled(cli.Dim, "?")
	}
	up, down = cli.Text("-"), cli.Text("-")
	if len(reached) > 0 {
		up = cli.Styled(cli.OK, shortList(reached, all))
	}
	if len(missed) > 0 {
		down = cli.Styled(cli.Bad, shortList(missed, all))
	}
	return up, down
}

// shortList names a few, or says how many there are.
func shortList(names []string, of int) string {
	if text := strings.Join(names, " "); len(text) <= 20 {
		return text
	}
	if len(names) == of {
		return fmt.Sprintf("all %d", of)
	}
	return fmt.Sprintf("%d of %d", len(names), of)
}

func (a *app) problem(w io.Writer, p cluster.Problem) {
	text := p.Message
	if p.Node != "" {
		text = p.Node + ": " + text
	}
	style := cli.Bad
	if p.Severity == cluster.Warning {
		style = cli.Warn
	}
	fmt.Fprint(w, a.streams.Paragraph(a.streams.Style(style, fmt.Sprintf("%-7s", p.Severity))+"  ", text))
	if p.Remedy != "" {
		fmt.Fprint(w, a.streams.Paragraph("         -> ", a.again(p.Remedy)))
	}
}

func (a *app) nodes(ctx context.Context) error {
	s, err := a.findStatus(ctx)
	if err != nil {
		return err
	}
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "nodes": s.Nodes})
	}
	t := cli.NewTable("ID", "VOTES", "NODE", "STATE", "ADDRESSES")
	for _, n := range s.Nodes {
		var addrs []string
		for _, l := range n.Links {
			addrs = append(addrs, l.Address)
		}
		t.Row(cli.Text(idText(n.ID)), cli.Text(strconv.Itoa(n.Votes)), cli.Text(n.Name), state(n), cli.Text(strings.Join(addrs, " ")))
	}
	return t.Render(a.streams)
}

func heading(w io.Writer, text string) {
	fmt.Fprintf(w, "%s\n%s\n", text, strings.Repeat("-", len(text)))
}

func field(w io.Writer, name string, value any) { fmt.Fprintf(w, "%-17s %v\n", name+":", value) }

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func idText(id uint32) string {
	if id == 0 {
		return "-"
	}
	return strconv.FormatUint(uint64(id), 10)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
