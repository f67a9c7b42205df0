package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"clusterctl/corosyncconf"
	"clusterctl/internal/cli"
)

func (a *app) confShowCmd() *cobra.Command {
	var file, release string
	c := &cobra.Command{
		Use:   "show",
		Short: "Show what corosync.conf means, on the cluster or in a file",
		Long: `Show what a corosync.conf means to corosync, defaults included: the cluster, its
nodes, links and quorum. conf get prints every key.

On the cluster it is the file that the quorate nodes have; under it stands which
node has another one, and which version each runs.`,
		Example: `  clusterctl conf show
  clusterctl conf show --file /etc/corosync/corosync.conf`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if file == "" {
				return a.confShowCluster(c.Context(), release)
			}
			r, err := parseRelease(release)
			if err != nil {
				return err
			}
			f, err := a.readConf(c.Context(), file)
			if err != nil {
				return err
			}
			a.warnOfErrors(f)
			if a.json() {
				return cli.JSON(a.env.Out, newConfJSON(f.path, f.ConfigIn(r)))
			}
			return a.printConf(f.ConfigIn(r))
		},
	}
	fileFlag(c, &file)
	releaseFlag(c, &release)
	return c
}

func (a *app) printConf(c corosyncconf.Config) error {
	w := a.env.Out
	cipher, hash := c.Totem.Crypto()
	crypto := cipher + "/" + hash
	if !c.Totem.Encrypted() {
		crypto = "none"
	}
	heading(w, "Cluster information")
	a.field("Name", orDash(c.Totem.ClusterName))
	a.field("Config version", strconv.FormatUint(c.Totem.ConfigVersion, 10))
	a.field("Transport", fmt.Sprintf("%s, %s", c.Totem.Transport, plural(len(c.Links()), "link")))
	a.field("Encryption", crypto)
	a.field("Token", fmt.Sprintf("%d ms", c.Totem.Token))
	fmt.Fprintln(w)

	heading(w, "Quorum information")
	a.field("Provider", orDash(c.Quorum.Provider))
	a.field("Expected votes", strconv.Itoa(c.ExpectedVotes()))
	a.field("Flags", orDash(strings.Join(quorumFlags(c.Quorum), " ")))
	if d := c.Quorum.Device; d != nil {
		votes := "votes by its algorithm"
		if d.Votes >= 0 {
			votes = plural(d.Votes, "vote")
		}
		a.field("Device", fmt.Sprintf("%s at %s, %s, %s", d.Model, orDash(d.Host), d.Algorithm, votes))
	}
	if len(c.Nodes) > 0 {
		fmt.Fprintln(w)
		heading(w, "Nodes")
		if err := a.nodeTable(c); err != nil {
			return err
		}
	}
	if len(c.Interfaces) > 0 {
		fmt.Fprintln(w)
		heading(w, "Links")
		return a.interfaceTable(c)
	}
	return nil
}

// field prints a value of the file.
func (a *app) field(name, value string) { field(a.env.Out, name, cli.Clean(value)) }

// quorumFlags are those of votequorum, in the words of corosync-quorumtool.
func quorumFlags(q corosyncconf.Quorum) []string {
	var flags []string
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"2Node", q.TwoNode}, {"WaitForAll", q.WaitForAll}, {"LastManStanding", q.LastManStanding},
		{"AutoTieBreaker", q.AutoTieBreaker}, {"AllowDownscale", q.AllowDownscale}, {"Qdevice", q.Device != nil},
	} {
		if f.set {
			flags = append(flags, f.name)
		}
	}
	return flags
}

// nodeTable has a line for each node, with its address on each link, or where
// that is too wide for the terminal a line for each address.
func (a *app) nodeTable(c corosyncconf.Config) error {
	header := []string{"ID", "VOTES", "NODE"}
	for _, link := range c.Links() {
		header = append(header, fmt.Sprintf("LINK %d", link))
	}
	t := cli.NewTable(header...)
	for _, n := range c.Nodes {
		row := []cli.Cell{cli.Text(idText(n.ID)), cli.Text(strconv.Itoa(n.Votes)), cli.Text(orDash(n.Name))}
		for _, link := range c.Links() {
			row = append(row, cli.Text(orDash(n.Addrs[link])))
		}
		t.Row(row...)
	}
	if t.Fits(a.streams) {
		return t.Render(a.streams)
	}
	t = cli.NewTable("ID", "VOTES", "NODE", "LINK", "ADDRESS")
	for _, n := range c.Nodes {
		head := []cli.Cell{cli.Text(idText(n.ID)), cli.Text(strconv.Itoa(n.Votes)), cli.Text(orDash(n.Name))}
		for _, link := range slices.Sorted(maps.Keys(n.Addrs)) {
			t.Row(append(head, cli.Text(strconv.Itoa(link)), cli.Text(orDash(n.Addrs[link])))...)
			head = []cli.Cell{cli.Text(""), cli.Text(""), cli.Text("")}
		}
		if len(n.Addrs) == 0 {
			t.Row(append(head, cli.Text("-"), cli.Text("-"))...)
		}
	}
	return t.Render(a.streams)
}

// interfaceTable has a line for each link of which the file says more than its addresses.
func (a *app) interfaceTable(c corosyncconf.Config) error {
	t := cli.NewTable("LINK", "PORT", "PRIORITY", "NETWORK", "MULTICAST")
	number := func(n int) cli.Cell {
		if n == 0 {
			return cli.Text("-")
		}
		return cli.Text(strconv.Itoa(n))
	}
	for _, i := range c.Interfaces {
		t.Row(cli.Text(strconv.Itoa(i.Number)), number(i.Port), number(i.Priority), cli.Text(orDash(i.BindNetAddr)), cli.Text(orDash(i.McastAddr)))
	}
	return t.Render(a.streams)
}

type confJSON struct {
	Schema     int             `json:"schema"`
	File       string          `json:"file"`
	Totem      totemJSON       `json:"totem"`
	Interfaces []interfaceJSON `json:"interfaces"`
	Nodes      []confNodeJSON  `json:"nodes"`
	Quorum     quorumJSON      `json:"quorum"`
}

type totemJSON struct {
	Version       int    `json:"version"`
	ConfigVersion uint64 `json:"config_version"`
	ClusterName   string `json:"cluster_name"`
	Transport     string `json:"transport"`
	IPVersion     string `json:"ip_version"`
	LinkMode      string `json:"link_mode"`
	CryptoCipher  string `json:"crypto_cipher"` // that takes effect
	CryptoHash    string `json:"crypto_hash"`
	KeyFile       string `json:"keyfile"`
	Token         int    `json:"token"` // ms
}

type interfaceJSON struct {
	Number      int    `json:"number"`
	BindNetAddr string `json:"bindnetaddr"`
	McastAddr   string `json:"mcastaddr"`
	Port        int    `json:"mcastport"`
	Priority    int    `json:"knet_link_priority"`
}

type confNodeJSON struct {
	Name  string         `json:"name"`
	ID    uint32         `json:"id"`
	Votes int            `json:"votes"`
	Links []confLinkJSON `json:"links"`
}

type confLinkJSON struct {
	Number  int    `json:"number"`
	Address string `json:"address"`
}

type quorumJSON struct {
	Provider           string      `json:"provider"`
	ExpectedVotes      int         `json:"expected_votes"`
	TwoNode            bool        `json:"two_node"`
	WaitForAll         bool        `json:"wait_for_all"`
	AutoTieBreaker     bool        `json:"auto_tie_breaker"`
	AutoTieBreakerNode string      `json:"auto_tie_breaker_node"`
	LastManStanding    bool        `json:"last_man_standing"`
	Tracking           bool        `json:"expected_votes_tracking"`
	AllowDownscale     bool        `json:"allow_downscale"`
	Device             *deviceJSON `json:"device"` // null: there is none
}

type deviceJSON struct {
	Model      string `json:"model"`
	Votes      int    `json:"votes"` // -1: by its algorithm
	Host       string `json:"host"`
	Algorithm  string `json:"algorithm"`
	TieBreaker string `json:"tie_breaker"`
	TLS        string `json:"tls"`
}

func newConfJSON(file string, c corosyncconf.Config) confJSON {
	t, q := c.Totem, c.Quorum
	cipher, hash := t.Crypto()
	out := confJSON{
		Schema: 1, File: file,
		Totem:      totemJSON{t.Version, t.ConfigVersion, t.ClusterName, t.Transport, t.IPVersion, t.LinkMode, cipher, hash, t.KeyFile, t.Token},
		Interfaces: []interfaceJSON{}, Nodes: []confNodeJSON{},
		Quorum: quorumJSON{q.Provider, c.ExpectedVotes(), q.TwoNode, q.WaitForAll, q.AutoTieBreaker, q.AutoTieBreakerNode,
			q.LastManStanding, q.ExpectedVotesTracking, q.AllowDownscale, nil},
	}
	for _, i := range c.Interfaces {
		out.Interfaces = append(out.Interfaces, interfaceJSON{i.Number, i.BindNetAddr, i.McastAddr, i.Port, i.Priority})
	}
	for _, n := range c.Nodes {
		node := confNodeJSON{n.Name, n.ID, n.Votes, []confLinkJSON{}}
		for _, link := range slices.Sorted(maps.Keys(n.Addrs)) {
			node.Links = append(node.Links, confLinkJSON{link, n.Addrs[link]})
		}
		out.Nodes = append(out.Nodes, node)
	}
	if d := q.Device; d != nil {
		out.Quorum.Device = &deviceJSON{d.Model, d.Votes, d.Host, d.Algorithm, d.TieBreaker, d.TLS}
	}
	return out
}
