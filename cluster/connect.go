package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"

	"clusterctl/corosyncconf"
	"clusterctl/ssh"
)

// Connector connects to nodes: over SSH, or, where a node is this machine,
// without.
type Connector struct {
	Dialer   *ssh.Dialer
	Hostname string // this machine's own name
	Sudo     bool

	// Connect, where it is set, connects to nodes in place of SSH.
	Connect func(ctx context.Context, n PlanNode) (Node, error)

	// Closely has Look examine the nodes, as doctor does, and find the cluster
	// also where corosync would take no node's corosync.conf.
	Closely bool

	// Brief has Look hang up on each node when it was read, where nothing more is
	// asked of them: the nodes it returns are none.
	Brief bool

	// Many, where it is set, is called when it is connected to hundreds of nodes.
	Many func()

	// Through dials all nodes but Direct, where it is set: join reaches the
	// members by the one it logs in to.
	Through *ssh.Dialer
	Direct  string

	alike alike
}

// dialer is what dials a node.
func (c *Connector) dialer(n PlanNode) *ssh.Dialer {
	if c.Through == nil || slices.Contains(n.Addresses, c.Direct) || c.isLocal(n) {
		return c.Dialer
	}
	return c.Through
}

// Endpoint is how a dial of a node's first address is made.
func (c *Connector) Endpoint(n PlanNode) ssh.Endpoint { return c.dialer(n).Effective(n.Addresses[0]) }

// Node connects to a node: to the first of its addresses that answers, or to
// this machine when it has no address but its name and that is this machine's.
func (c *Connector) Node(ctx context.Context, n PlanNode) (Node, error) {
	if c.Connect != nil {
		return c.Connect(ctx, n)
	}
	if c.isLocal(n) {
		host := ssh.Local(n.Name, c.Sudo && os.Geteuid() != 0)
		shell, err := host.Shell(ctx)
		if err != nil {
			return nil, &NodeError{Node: n.Name, Code: CodeUnreachable, Err: err}
		}
		return c.host(&hostNode{n.Name, "", host, shell, &c.alike}), nil
	}
	client, err := c.dialer(n).Dial(ctx, ssh.Target{Name: n.Name, Addresses: n.Addresses})
	if err != nil {
		return nil, dialErr(n.Name, err)
	}
	shell, err := client.Shell(ctx)
	if err != nil {
		return nil, dialErr(n.Name, err)
	}
	return c.host(&hostNode{n.Name, client.Address(), client, shell, &c.alike}), nil
}

func (c *Connector) host(n *hostNode) Node {
	const hundreds = 200
	if c.alike.nodes.Add(1) == hundreds && c.Many != nil && !c.Brief {
		c.Many()
	}
	return n
}

func (c *Connector) isLocal(n PlanNode) bool {
	named := len(n.Addresses) == 0 || n.Addresses[0] == n.Name
	return named && c.Hostname != "" && isHostname(c.Hostname, n.Name)
}

// dialErr classifies why a node could not be reached.
func dialErr(node string, err error) error {
	ne := &NodeError{Node: node, Code: CodeUnreachable, Err: err, Remedy: "check that it is up and that SSH reaches it"}
	switch {
	case errors.Is(err, ssh.ErrAuth):
		ne.Code = CodeAuth
	case errors.Is(err, ssh.ErrUnknownHostKey), errors.Is(err, ssh.ErrHostKeyChanged):
		ne.Code = CodeHostKey
	}
	if r, ok := errors.AsType[interface {
		error
		Remedy() string
	}](err); ok && r.Remedy() != "" {
		ne.Remedy = r.Remedy()
	}
	return ne
}

// All connects to all nodes at once. It returns those that answered, by name,
// and an error for each of the others.
func (c *Connector) All(ctx context.Context, nodes []PlanNode) (map[string]Node, error) {
	var mu sync.Mutex
	up := map[string]Node{}
	err := each(nodes, func(p PlanNode) error {
		n, err := c.Node(ctx, p)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		up[p.Name] = n
		return nil
	})
	return up, err
}

// CloseAll ends the use of nodes.
func CloseAll(nodes map[string]Node) {
	var wg sync.WaitGroup
	for _, n := range nodes {
		if n != nil {
			wg.Go(func() { _ = n.Close() })
		}
	}
	wg.Wait()
}

// AllFacts reads the facts of all nodes at once, in the order of names. The
// nodes also resolve the hosts.
func AllFacts(ctx context.Context, nodes map[string]Node, names, hosts []string) ([]*Facts, error) {
	facts := make([]*Facts, len(names))
	index := map[string]int{}
	for i, n := range names {
		index[n] = i
	}
	err := each(names, func(name string) error {
		f, err := nodes[name].Facts(ctx, hosts)
		if err != nil {
			return &NodeError{Node: name, Code: CodeFacts, Err: err, Remedy: "check the login shell and the disk of that node"}
		}
		facts[index[name]] = f
		return nil
	})
	return facts, err
}

// Targets is how the nodes of a request are reached.
func Targets(specs []NodeSpec) []PlanNode {
	var nodes []PlanNode
	for _, s := range specs {
		n := PlanNode{Name: s.Name, Addresses: []string{s.Name}}
		if s.SSH != "" {
			n.Addresses = []string{s.SSH}
		} else {
			for link := range MaxLink + 1 {
				if a, err := netip.ParseAddr(s.Links[link]); err == nil {
					n.Addresses = append(n.Addresses, a.String())
				}
			}
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// member is how a node of a nodelist is reached: by its name, else by its
// addresses in the order of the links.
func member(n corosyncconf.Node) PlanNode {
	p := PlanNode{Name: n.Label()}
	if n.Name != "" {
		p.Addresses = append(p.Addresses, n.Name)
	}
	for link := range MaxLink + 1 {
		if a := n.Addrs[link]; a != "" && !slices.Contains(p.Addresses, a) {
			p.Addresses = append(p.Addresses, a)
		}
	}
	return p
}

// Look finds out everything about the cluster that the seeds belong to: it
// connects to the seeds, reads from them who else is in the cluster, and
// connects to those. The nodes stay connected, by the names they have in the
// View; the caller closes them. It fails only when no seed answers or none is
// in a cluster.
func (c *Connector) Look(ctx context.Context, seeds []PlanNode) (*View, map[string]Node, error) {
	l := &looker{Connector: c, nodes: map[string]Node{}}
	l.ask(ctx, seeds)
	for i := range l.found {
		l.found[i].Asked = true
	}
	facts := l.facts()
	if len(facts) == 0 {
		return nil, nil, l.errors()
	}
	// The nodelist of a seed may be out of date: what a newer one adds is asked too.
	for range 2 {
		conf := l.reference()
		if conf == nil {
			break
		}
		var more []PlanNode
		config := conf.Config()
		known := l.known(config)
		for _, n := range config.Nodes {
			if !known(n) {
				more = append(more, member(n))
			}
		}
		if len(more) == 0 {
			break
		}
		l.ask(ctx, more)
	}
	conf := l.reference()
	if conf == nil {
		CloseAll(l.nodes)
		return nil, nil, notClustered(facts)
	}
	return l.view(conf), l.nodes, nil
}

func notClustered(facts []*Facts) error {
	var ps Problems
	for _, op := range Operations(facts) {
		ps.add(CodeUnfinished, "", "clusterctl op list with the same -H", "operation %s is open on it: %s", op.ID, op.Command)
	}
	for _, f := range facts {
		switch {
		case f.Conf.Err != nil:
			ps.add(CodeConfigInvalid, f.Node, "mend the file, or ask another member with -H", "%v", f.Conf.Err)
		case f.Conf.Exists:
			ps.add(CodeNoCluster, f.Node, "clusterctl create makes a cluster", "not in a cluster: its %s is the default one", ConfPath)
		default:
			ps.add(CodeNoCluster, f.Node, "clusterctl create makes a cluster", "not in a cluster: there is no %s", ConfPath)
		}
	}
	return ps
}

// looker gathers a View.
type looker struct {
	*Connector
	found []ViewNode
	nodes map[string]Node
}

// ask connects to targets and reads their facts, all at once.
func (l *looker) ask(ctx context.Context, targets []PlanNode) {
	found := make([]ViewNode, len(targets))
	conns := make([]Node, len(targets))
	var wg sync.WaitGroup
	for i, t := range targets {
		wg.Go(func() {
			v := ViewNode{Name: t.Name, Reach: t, Local: l.isLocal(t)}
			conns[i], v.Err = l.Node(ctx, t)
			if v.Err == nil {
				if v.Facts, v.Err = l.read(ctx, conns[i]); v.Err != nil {
					v.Err = &NodeError{Node: t.Name, Code: CodeFacts, Err: v.Err, Remedy: "check the login shell and the disk of that node"}
					_ = conns[i].Close()
					conns[i] = nil
				} else if a := conns[i].Address(); a != "" {
					v.Reach.Addresses = append([]string{a}, slices.DeleteFunc(slices.Clone(t.Addresses), func(s string) bool { return s == a })...)
				}
			}
			if l.Brief && conns[i] != nil {
				_ = conns[i].Close()
				if h, ok := conns[i].(*hostNode); ok {
					_ = h.host.Close()
				}
				conns[i] = nil
			}
			found[i] = v
		})
	}
	wg.Wait()
	for i, v := range found {
		l.found = append(l.found, v)
		if conns[i] != nil {
			l.nodes[v.Name] = conns[i]
		}
	}
}

// read reads what a node is.
func (l *looker) read(ctx context.Context, n Node) (*Facts, error) {
	if l.Closely {
		return n.Examine(ctx)
	}
	return n.Facts(ctx, nil)
}

// reference is the configuration that speaks for what was found.
func (l *looker) reference() *corosyncconf.File {
	facts := l.facts()
	conf := reference(facts)
	runs := slices.ContainsFunc(facts, func(f *Facts) bool { return f.Runtime != nil })
	if l.Closely && (conf == nil || !runs) {
		return atRest(facts)
	}
	return conf
}

func (l *looker) facts() []*Facts { return (&View{Nodes: l.found}).reached() }

// errors says why no seed answered.
func (l *looker) errors() error {
	return each(l.found, func(v ViewNode) error { return v.Err })
}

// known tells of nodes of a nodelist whether they were asked already, perhaps
// under another name.
func (l *looker) known(c corosyncconf.Config) func(corosyncconf.Node) bool {
	asked := map[string]bool{} // names, and hosts, of those that did not answer
	found := map[int]bool{}
	for _, v := range l.found {
		if v.Facts == nil {
			asked[v.Name], asked[hostOf(v.Name)] = true, true
		} else if own := nodeOf(c, v.Facts); own != nil {
			found[own.Index] = true
		}
	}
	return func(n corosyncconf.Node) bool {
		return found[n.Index] || asked[n.Label()] || slices.ContainsFunc(member(n).Addresses, func(a string) bool { return asked[a] })
	}
}

// hostOf is the host of [user@]host[:port].
func hostOf(dest string) string {
	if _, host, ok := strings.Cut(dest, "@"); ok {
		dest = host
	}
	if host, _, ok := strings.Cut(strings.TrimPrefix(dest, "["), "]"); ok {
		return host
	}
	if host, _, ok := strings.Cut(dest, ":"); ok && strings.Count(dest, ":") == 1 {
		dest = host
	}
	return dest
}

// view puts what was found into the order of the nodelist, under its names.
func (l *looker) view(conf *corosyncconf.File) *View {
	config := conf.Config()
	v := &View{Conf: conf}
	used := make([]bool, len(l.found))
	own := make([]*corosyncconf.Node, len(l.found))
	for j, f := range l.found {
		if f.Facts != nil {
			own[j] = nodeOf(config, f.Facts)
		}
	}
	conns := map[string]Node{}
	answered := map[string]bool{} // by name
	for i := range config.Nodes {
		cn := &config.Nodes[i]
		entry := ViewNode{Name: cn.Label(), Conf: cn, Reach: member(*cn), Err: fmt.Errorf("its name and addresses led to other machines")}
		for j, f := range l.found {
			same := own[j] == cn
			if f.Facts == nil {
				same = f.Name == cn.Label() || slices.Contains(entry.Reach.Addresses, hostOf(f.Name))
			}
			if !same || used[j] {
				continue
			}
			used[j] = true
			entry.Facts, entry.Err, entry.Local, entry.Asked = f.Facts, f.Err, f.Local, f.Asked
			for _, a := range entry.Reach.Addresses { // how it was reached first, then how it may be from elsewhere
				if !slices.Contains(f.Reach.Addresses, a) {
					f.Reach.Addresses = append(f.Reach.Addresses, a)
				}
			}
			entry.Reach.Addresses = f.Reach.Addresses
			if n := l.nodes[f.Name]; n != nil {
				conns[entry.Name] = rename(n, entry.Name)
			}
			if f.Facts != nil {
				f.Facts.Node = entry.Name
				answered[entry.Name] = true
			}
			break
		}
		if cn.ID == 0 {
			cn.ID = entry.madeID()
		}
		v.Nodes = append(v.Nodes, entry)
	}
	for j, f := range l.found {
		if used[j] {
			continue
		}
		n := l.nodes[f.Name]
		if f.Facts != nil && answered[f.Name] { // a second way to a node that is there already
			if n != nil {
				_ = n.Close()
			}
			continue
		}
		if n != nil {
			conns[f.Name] = n
		}
		answered[f.Name] = f.Facts != nil
		v.Nodes = append(v.Nodes, f)
	}
	l.nodes = conns
	return v
}

// rename gives a node the name it has in the nodelist.
func rename(n Node, name string) Node {
	if h, ok := n.(*hostNode); ok {
		h.name = name
	}
	return n
}
