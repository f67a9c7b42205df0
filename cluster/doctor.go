package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"clusterctl/corosyncconf"
)

// Cause is why a cluster is not well: one thing to mend, with what shows it.
// Its JSON is that of `doctor -o json`. Code is one of CodeTable or, where it
// is about what corosync.conf says, of corosyncconf's.
type Cause struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	Node     string   `json:"node"` // "": it is no single node's
	Message  string   `json:"message"`
	Evidence []string `json:"evidence"` // lines of logs, and what else was seen
	Remedy   string   `json:"remedy"`   // in words
	Command  string   `json:"command"`  // what mends it without a risk for quorum or data; "": there is no such command

	rank     rank
	nodes    []string // that have it
	explains []Code   // the problems of these nodes, and of the cluster, that come of it
	fix      fix
}

// rank orders causes: what others may come of comes first.
type rank int

const (
	rankRunning rank = iota // someone is at work, so that all else may pass
	rankOpen                // an operation was left open
	rankDisk                // nothing can be written
	rankFile                // corosync does not take its file
	rankKey                 // or its key
	rankNetwork             // packets do not get through
	rankVersion             // the files are not the same
	rankHung                // corosync does not do what it should
	rankQuorum              // too few are there
	rankNode                // a node is not there
	rankRisk                // what works, and may hurt later
)

// Diagnose finds out why a cluster, whose nodes were examined, is not well: the
// most likely cause first. Problems that come of a cause are its evidence. It
// is empty when nothing is wrong.
func Diagnose(v *View) []Cause {
	d := &diagnosis{v: v, conf: v.config(), status: NewStatus(v), parts: partitions(v)}
	for _, rule := range []func(*diagnosis){
		(*diagnosis).login, (*diagnosis).held, (*diagnosis).operations, (*diagnosis).disk, (*diagnosis).keys, (*diagnosis).files,
		(*diagnosis).firewall, (*diagnosis).interfaces, (*diagnosis).names,
		(*diagnosis).versions, (*diagnosis).units, (*diagnosis).pmxcfs, (*diagnosis).device, (*diagnosis).quorum, (*diagnosis).clocks, (*diagnosis).risks, (*diagnosis).logs,
	} {
		rule(d)
	}
	d.merge()
	slices.SortStableFunc(d.causes, func(a, b *Cause) int { return cmp.Compare(a.rank, b.rank) })
	d.absorb()
	slices.SortStableFunc(d.causes, func(a, b *Cause) int { return cmp.Compare(a.rank, b.rank) })
	out := make([]Cause, len(d.causes))
	for i, c := range d.causes {
		out[i] = *c
		out[i].Evidence = append([]string{}, unique(c.Evidence)...)
	}
	return out
}

// diagnosis is a Diagnose at work. Its rules are methods, a file for each kind.
type diagnosis struct {
	v      *View
	conf   corosyncconf.Config
	status *Status
	parts  []*partition
	causes []*Cause

	mendable *Problems // what stands against PlanMend; nil: not known yet
}

// add adds a cause that a node has, or with nil the whole cluster.
func (d *diagnosis) add(r rank, code Code, n *ViewNode, remedy, format string, args ...any) *Cause {
	c := &Cause{Code: code, Severity: Error, Message: fmt.Sprintf(format, args...), Remedy: remedy, rank: r}
	if n != nil {
		c.Node, c.nodes = n.Name, []string{n.Name}
	}
	d.causes = append(d.causes, c)
	return c
}

func (c *Cause) seen(lines ...string) *Cause {
	for _, l := range lines {
		if l, _, _ = strings.Cut(l, "\n"); l != "" {
			c.Evidence = append(c.Evidence, l)
		}
	}
	return c
}

func (c *Cause) so(codes ...Code) *Cause {
	c.explains = append(c.explains, codes...)
	return c
}

// by says what mends the cause.
func (c *Cause) by(f fix, command string) *Cause {
	c.fix, c.Command = f, command
	return c
}

func (c *Cause) warn() *Cause {
	c.Severity = Warning
	return c
}

// notThere are the problems of a node that does not take part.
var notThere = []Code{CodeInactive, CodeCorosync, CodeAbsent, CodePartition, CodeLinkDown}

// examined calls f for the nodes of the nodelist that were reached and examined.
func (d *diagnosis) examined(f func(*ViewNode, *Signs)) {
	for i := range d.v.Nodes {
		if n := &d.v.Nodes[i]; n.Conf != nil && n.Facts != nil && n.Facts.Signs != nil {
			f(n, n.Facts.Signs)
		}
	}
}

// merge makes one cause of those that several nodes have.
func (d *diagnosis) merge() {
	var all []*Cause
	for _, c := range d.causes {
		i := slices.IndexFunc(all, func(o *Cause) bool { return o.Code == c.Code && o.Message == c.Message && o.rank == c.rank })
		if i < 0 {
			all = append(all, c)
			continue
		}
		o := all[i]
		o.nodes, o.Evidence, o.Node = append(o.nodes, c.nodes...), append(o.Evidence, c.Evidence...), ""
		o.fix = o.fix.with(c.fix)
		o.Command = o.fix.command(d.v, cmp.Or(o.Command, c.Command))
	}
	for _, c := range all {
		if n := len(c.nodes); n > 1 && n < len(d.v.names()) {
			c.Message = "on " + andList(c.nodes) + ": " + c.Message
		} else if n > 1 {
			c.Message = "on all nodes: " + c.Message
		}
	}
	d.causes = all
}

// absorb makes each problem that status finds evidence of the first cause that
// explains it, and a cause of its own where none does.
func (d *diagnosis) absorb() {
	for _, p := range d.status.Problems {
		i := slices.IndexFunc(d.causes, func(c *Cause) bool { return c.accountsFor(p) })
		if i >= 0 {
			d.causes[i].seen(plainProblem(p))
			continue
		}
		d.causes = append(d.causes, d.symptom(p))
	}
}

func plainProblem(p Problem) string {
	text := p.Message
	if p.Node != "" {
		text = p.Node + ": " + text
	}
	return "status: " + text
}

// accountsFor tells whether a problem comes of the cause: one of its nodes has
// it, or tells of one of them, or it is the whole cluster's.
func (c *Cause) accountsFor(p Problem) bool {
	if !slices.Contains(c.explains, p.Code) {
		return false
	}
	return p.Node == "" || len(c.nodes) == 0 || slices.Contains(c.nodes, p.Node) ||
		slices.ContainsFunc(c.nodes, func(n string) bool { return mentions(p.Message, n) })
}

// mentions tells whether a text has a word.
func mentions(text, word string) bool {
	return slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,;:()+|", r) }), word)
}

// symptom makes a cause of a problem that nothing explains.
func (d *diagnosis) symptom(p Problem) *Cause {
	c := &Cause{Code: p.Code, Severity: p.Severity, Node: p.Node, Message: p.Message, Remedy: p.Remedy, rank: rankNode}
	if p.Node != "" {
		c.nodes = []string{p.Node}
	}
	switch p.Code {
	case CodePartition, CodeLinkDown:
		c.rank = rankNetwork
		d.whereCut(c)
	case CodeUnreachable, CodeAuth, CodeHostKey, CodeFacts:
		c.so(CodeAbsent)
	case CodeInactive:
		d.start(c, d.v.node(p.Node))
	case CodeConfigDrift, CodeConfigInvalid, CodeKeyDrift, CodeVersionDrift:
		c.rank = rankVersion
		d.sync(c, d.v.node(p.Node))
	case CodeUnknownMember, CodeConfigPending, CodeEditedConfig:
		c.rank = rankVersion
	}
	if p.Severity == Warning {
		c.rank = rankRisk
	}
	return c
}

// sync has --fix give a node, or all, what the quorate partition runs. Where a
// member has another file under the version that runs, that is what most have.
func (d *diagnosis) sync(c *Cause, n *ViewNode) {
	if len(d.parts) == 0 || !d.parts[0].quorate() {
		return
	}
	f := fix{verb: fixSync}
	if n != nil && n.active() && n.Facts.Conf.Err == nil && n.Facts.Runtime.Err == nil && n.Facts.Conf.File != nil &&
		slices.Contains(d.parts[0].seen, n) && n.Facts.Conf.File.ConfigVersion() == n.Facts.seen().Version && n.Facts.Conf.Hash != Hash(d.v.Conf.Bytes()) {
		for _, o := range d.parts[0].seen {
			if o.Facts.Conf.Hash == Hash(d.v.Conf.Bytes()) && f.from == "" {
				f.from = o.Name
			}
		}
	}
	c.does(d.v, f)
}

func unique(lines []string) []string {
	var out []string
	for _, l := range lines {
		if !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out
}

// node returns the node of the view with that name; nil if there is none.
func (v *View) node(name string) *ViewNode {
	for i := range v.Nodes {
		if v.Nodes[i].Name == name {
			return &v.Nodes[i]
		}
	}
	return nil
}

// shell is the command line that does something on a node: by its name, where
// it was reached by that.
func (n *ViewNode) shell(command string) string {
	if n.Local || len(n.Reach.Addresses) == 0 {
		return command
	}
	to, port := n.Reach.Addresses[0], ""
	if host, p, ok := cutLast(to, ":"); ok && strings.Count(to, ":") == 1 {
		if to = host; p != "22" {
			port = "-p " + p + " "
		}
	}
	if user, _, ok := strings.Cut(to, "@"); ok && slices.Contains(n.Reach.Addresses, n.Name) {
		to = user + "@" + n.Name
	}
	if strings.Contains(command, ";") {
		command = "'" + command + "'"
	}
	return "ssh " + port + to + " " + command
}
