package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
	"clusterctl/ssh"
)

// createOptions are the flags of create.
type createOptions struct {
	spec  cluster.CreateSpec
	links []string
	// pvecm's form, for one node
	link, ring, bindnet [cluster.MaxLink + 1]string
	nodeid, votes       string

	skipCheck bool
}

func (a *app) createCmd() *cobra.Command {
	o := &createOptions{}
	c := &cobra.Command{
		Use:   "create NAME [NODE...]",
		Short: "Make a new cluster, up and quorate when this returns",
		Long: `Make a new cluster of the nodes named; without nodes, of this machine alone.

A NODE is NAME[,key=value]..., NAME being what uname -n prints there. The keys are
ssh=[user@]host[:port], linkN=ADDR (N 0 to 7; ringN_addr is the same), id=N, votes=N.
--link CIDR picks each node's own address in that network. With neither, link 0
is the address that NAME resolves to.

With one node the options of pvecm create are understood too:
--linkN ADDR[,priority=P], --ringN_addr ADDR, --bindnetN_addr ADDR, --nodeid N, --votes N.`,
		Example: `  clusterctl create prod n1 n2 n3 --link 10.0.0.0/24 --link 10.0.1.0/24
  clusterctl create prod n1,link0=10.0.0.1 n2,link0=10.0.0.2,ssh=admin@n2.example --sudo
  clusterctl create prod n1 n2 --link 10.0.0.0/24 --dry-run`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(args); err != nil {
				return err
			}
			return a.create(c.Context(), o)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringArrayVar(&o.links, "link", nil, "network of a link, `[N=]CIDR`; repeat it for more links")
	f.StringVar(&o.spec.Transport, "transport", "", "knet, udpu or udp (default: knet; with corosync 2 udpu)")
	f.StringVar(&o.spec.LinkMode, "link-mode", "passive", "passive, active or rr")
	f.StringVar(&o.spec.RRPMode, "rrp-mode", "", "corosync 2 only: passive, active or none (default: passive for two links)")
	f.StringVar(&o.spec.CryptoCipher, "crypto-cipher", "aes256", "none, aes256, aes192 or aes128")
	f.StringVar(&o.spec.CryptoHash, "crypto-hash", "sha256", "none, md5, sha1, sha256, sha384 or sha512")
	f.IntVar(&o.spec.Token, "token", 0, "token timeout in `ms` (default: corosync's own, 3000)")
	f.StringVar(&o.spec.TwoNode, "two-node", "auto", "auto, yes or no; auto sets two_node for two nodes")
	f.BoolVar(&o.spec.NoStart, "no-start", false, "do not start corosync")
	f.BoolVar(&o.spec.NoEnable, "no-enable", false, "do not have corosync started at boot")
	f.BoolVar(&o.spec.Force, "force", false, "set the files of an earlier cluster aside")
	f.BoolVar(&o.spec.IfMissing, "if-missing", false, "exit 0 when the cluster is there already and as asked")
	f.BoolVar(&o.skipCheck, "skip-check", false, "do not see first whether the nodes reach each other on each link")
	for n := range cluster.MaxLink + 1 {
		num := strconv.Itoa(n)
		f.StringVar(&o.link[n], "link"+num, "", "as pvecm: ADDR[,priority=P]")
		f.StringVar(&o.ring[n], "ring"+num+"_addr", "", "as pvecm: ADDR")
		f.StringVar(&o.bindnet[n], "bindnet"+num+"_addr", "", "as pvecm: ADDR")
		for _, name := range []string{"link" + num, "ring" + num + "_addr", "bindnet" + num + "_addr"} {
			_ = f.MarkHidden(name) // it exists; they are described in the long help
		}
	}
	f.StringVar(&o.nodeid, "nodeid", "", "node id of the only node")
	f.StringVar(&o.votes, "votes", "", "votes of the only node")
	return c
}

// read makes the request of the arguments and flags.
func (o *createOptions) read(args []string) error {
	var ps cluster.Problems
	s := &o.spec
	s.Name = args[0]
	s.Nodes, ps = cluster.ParseNodes(args[1:])
	links, lps := cluster.ParseLinks(o.links)
	s.Links = links
	ps = append(ps, lps...)
	if len(args) == 1 {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("find this machine's name: %w", err)
		}
		s.Nodes = []cluster.NodeSpec{{Name: host, Links: map[int]string{}}}
	}
	ps = append(ps, o.pvecm()...)
	ps = append(ps, s.Check()...)
	if len(ps.Errors()) > 0 {
		return ps
	}
	return nil
}

// pvecm reads the options in pvecm's form.
func (o *createOptions) pvecm() cluster.Problems {
	var ps cluster.Problems
	bad := func(code cluster.Code, remedy, format string, args ...any) {
		ps = append(ps, cluster.Problem{Severity: cluster.Error, Code: code, Message: fmt.Sprintf(format, args...), Remedy: remedy})
	}
	used := o.nodeid != "" || o.votes != ""
	s := &o.spec
	if len(s.Nodes) != 1 {
		for n := range o.link {
			used = used || o.link[n]+o.ring[n]+o.bindnet[n] != ""
		}
		if used {
			bad(cluster.CodeBadOption, "write them into the NODE: NAME,link0=ADDR,id=N,votes=N",
				"--linkN, --ringN_addr, --bindnetN_addr, --nodeid and --votes are for a cluster of one node")
		}
		return ps
	}
	node := &s.Nodes[0]
	for n := range o.link {
		addr, rest, _ := strings.Cut(o.link[n], ",")
		addr = strings.TrimPrefix(addr, "address=")
		if rest != "" {
			value, ok := strings.CutPrefix(rest, "priority=")
			prio, err := strconv.Atoi(value)
			if !ok || err != nil {
				bad(cluster.CodeBadLink, "write ADDR,priority=P", "--link%d %s: %q cannot be understood", n, o.link[n], rest)
			}
			if s.Priorities == nil {
				s.Priorities = map[int]int{}
			}
			s.Priorities[n] = prio
		}
		for _, given := range []string{addr, o.ring[n]} {
			if given == "" {
				continue
			}
			if old := node.Links[n]; old != "" && old != given {
				bad(cluster.CodeDuplicate, "give it once", "link %d has two addresses: %s and %s", n, old, given)
			}
			node.Links[n] = given
		}
		// bindnetN_addr names the node's network in corosync 2; the address says all.
		if o.bindnet[n] != "" && node.Links[n] == "" {
			bad(cluster.CodeBadOption, fmt.Sprintf("add --ring%d_addr ADDR", n), "--bindnet%d_addr alone does not name an address", n)
		}
	}
	if o.nodeid != "" {
		id, err := cluster.ParseID(o.nodeid)
		if err != nil {
			bad(cluster.CodeBadID, "use an id from 1 to 65535", "--nodeid: %v", err)
		}
		node.ID = id
	}
	if o.votes != "" {
		v, err := cluster.ParseVotes(o.votes)
		if err != nil {
			bad(cluster.CodeBadVotes, "use 1 or more", "--votes: %v", err)
		} else {
			node.Votes = &v
		}
	}
	return ps
}

func (a *app) create(ctx context.Context, o *createOptions) error {
	spec := o.spec
	ctx, cancel := a.context(ctx)
	defer cancel()
	conn, err := a.connector(ctx)
	if err != nil {
		return err
	}
	p := a.progress()
	defer p.Close()
	targets := cluster.Targets(spec.Nodes)
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.Name
	}
	t := p.Start("look at " + few(names))
	nodes, err := conn.All(ctx, targets)
	defer func() { cluster.CloseAll(nodes) }()
	var facts []*cluster.Facts
	if err == nil {
		facts, err = cluster.AllFacts(ctx, nodes, names, spec.Names())
	}
	if err != nil {
		t.Fail()
		return err
	}
	t.Done()

	if spec.IfMissing {
		there, ps := spec.Present(facts)
		if len(ps) > 0 {
			return ps
		}
		if there {
			return a.created(spec.Name, names, false, nil)
		}
	}
	key, err := cluster.NewKey(cluster.KeySize)
	if err != nil {
		return err
	}
	plan, err := cluster.PlanCreate(spec, facts, key)
	if err != nil {
		return err
	}
	if !o.skipCheck {
		if err := a.knock(ctx, p, plan, nil, facts, nodes); err != nil {
			return err
		}
	}
	for i := range targets {
		plan.Nodes = append(plan.Nodes, reach(nodes[names[i]], targets[i]))
	}
	if done, err := a.carryOut(ctx, conn, p, plan, nodes); err != nil || !done {
		return err
	}
	if err := a.remember(conn, spec.Name, plan.Nodes); err != nil {
		a.printProblems(cluster.Problems{{Severity: cluster.Warning, Message: err.Error(), Remedy: "use -H in place of -c"}})
	}
	return a.created(spec.Name, names, true, plan)
}

// reach is how a node was reached, first, and how it also may be.
func reach(n cluster.Node, t cluster.PlanNode) cluster.PlanNode {
	if addr := n.Address(); addr != "" {
		t.Addresses = append([]string{addr}, slices.DeleteFunc(slices.Clone(t.Addresses), func(s string) bool { return s == addr })...)
	}
	return t
}

// remember notes how the nodes of a cluster are reached.
func (a *app) remember(c *cluster.Connector, name string, nodes []cluster.PlanNode) error {
	names := make([]string, len(nodes))
	ends := make([]ssh.Endpoint, len(nodes))
	for i, n := range nodes {
		names[i], ends[i] = n.Name, c.Endpoint(n)
	}
	return a.contacts().Write(name, names, ends)
}

// created tells that a cluster is there. plan is nil when it was there before.
func (a *app) created(name string, nodes []string, changed bool, plan *cluster.Plan) error {
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "cluster": name, "nodes": nodes, "changed": changed})
	}
	if !changed {
		_, err := fmt.Fprintf(a.env.Out, "cluster %s is there already, as asked\n", name)
		return err
	}
	state := "is up and quorate"
	if !plan.Starts() {
		state = "is set up and not started: clusterctl -c " + name + " start --all"
	}
	_, err := fmt.Fprintf(a.env.Out, "cluster %s of %s %s\n", name, few(nodes), state)
	return err
}

// few names nodes, or says how many they are.
func few(names []string) string {
	if len(names) > 12 {
		return plural(len(names), "node")
	}
	return strings.Join(names, ", ")
}
