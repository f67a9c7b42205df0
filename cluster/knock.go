package cluster

import (
	"context"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync"

	"clusterctl/corosyncconf"
	"clusterctl/ssh"
)

// knock is a packet that a node is to send to another one.
type knock struct {
	link          int
	from, to      string
	address       string
	port          int
	other         int  // a port on which nobody listens
	reachableOnly bool // corosync has the port: whether it is open is not told
}

func (k knock) key() string { return fmt.Sprintf("%d:%s", k.link, k.to) }

// knocker is a Node that can send packets to others.
type knocker interface {
	knock(ctx context.Context, ks []knock) (map[string]string, error)
}

func (n *hostNode) knock(ctx context.Context, ks []knock) (map[string]string, error) {
	var args []string
	for _, k := range ks {
		args = append(args, k.key(), k.address, strconv.Itoa(k.port), strconv.Itoa(k.other))
	}
	out, err := n.run(ctx, ssh.Command{Script: sectionsScript + knockScript, Args: args})
	if err != nil {
		return nil, fmt.Errorf("send packets to the others: %w", err)
	}
	sec, err := parseSections(out)
	if err != nil {
		return nil, fmt.Errorf("send packets to the others: %w", err)
	}
	answers := map[string]string{}
	for key, s := range sec {
		answers[key] = string(s.out)
	}
	return answers, nil
}

// Knock sees, before a plan that starts nodes is carried out, whether they and
// the others reach each other on every link, and the port that corosync will
// use. It takes one round trip, and some seconds more where a path is silent. What
// is sure is an error, what only looks so a warning; how good a path is, Check
// measures. v is the cluster that the nodes are added to, or nil.
func (p *Plan) Knock(ctx context.Context, v *View, facts []*Facts, nodes map[string]Node) Problems {
	if v != nil {
		facts = append(v.reached(), facts...)
	}
	conf := p.newest()
	if conf == nil {
		return nil
	}
	by := map[string][]knock{}
	for _, k := range knocks(conf.ConfigIn(release(facts)), facts) {
		by[k.from] = append(by[k.from], k)
	}
	var mu sync.Mutex
	var asked []knock
	answers := map[knock]string{}
	err := each(slices.Sorted(maps.Keys(by)), func(name string) error {
		n, ok := nodes[name].(knocker)
		if !ok {
			return nil
		}
		got, err := n.knock(ctx, by[name])
		mu.Lock()
		defer mu.Unlock()
		for _, k := range by[name] {
			if err == nil {
				asked = append(asked, k)
				answers[k] = got[k.key()]
			}
		}
		return nodeErr(name, err)
	})
	var ps Problems
	for _, problem := range ProblemsOf(err) {
		problem.Severity = Warning // the plan meets it as well, if it matters
		ps = append(ps, problem)
	}
	return append(ps, heard(asked, answers)...)
}

// NewName is the name that the plan gives the cluster; "" where it keeps its own.
func (p *Plan) NewName() string {
	if f := p.newest(); f != nil && f.Config().Totem.ClusterName != p.Cluster {
		return f.Config().Totem.ClusterName
	}
	return ""
}

// newest is the last corosync.conf that the plan puts in place.
func (p *Plan) newest() *corosyncconf.File {
	var f *corosyncconf.File
	for _, s := range p.Steps {
		for _, op := range s.Do.Ops {
			if data, ok := p.Blobs[op.Blob]; ok && op.Path == ConfPath {
				f, _ = corosyncconf.Parse(ConfPath, data) // it is our own
			}
		}
	}
	return f
}

// knocks are those that nodes which are to be started send and get.
func knocks(conf corosyncconf.Config, facts []*Facts) []knock {
	by := map[string]*Facts{}
	for _, f := range facts {
		by[f.Node] = f
	}
	runs := func(f *Facts) bool { return f.Units["corosync"].Running() && !f.Conf.isDefault() }
	free := 5412
	for _, l := range conf.Links() {
		if (&linkPlan{LinkChange: LinkChange{Number: l}, conf: conf}).port() == free {
			free--
		}
	}
	var all []knock
	for _, l := range conf.Links() {
		port := (&linkPlan{LinkChange: LinkChange{Number: l}, conf: conf}).port()
		for i, from := range conf.Nodes {
			for j, to := range conf.Nodes {
				if !pairs(i, j, len(conf.Nodes)) {
					continue
				}
				f, t := by[from.Label()], by[to.Label()]
				if f == nil || t == nil || f == t || to.Addrs[l] == "" || runs(f) && runs(t) {
					continue
				}
				k := knock{link: l, from: f.Node, to: t.Node, address: to.Addrs[l], port: port, other: free}
				if runs(t) { // a packet to its corosync would get no answer
					k.port, k.reachableOnly = free, true
				}
				all = append(all, k)
			}
		}
	}
	return all
}

// pairs tells whether, of n nodes, the one with index i sends a packet to the
// one with index j. Where there are many not all do: a firewall that holds back
// packets, or a network that is missing, shows with a few already, and for each
// packet a node starts a process. So each sends to those 1, 2, 4, ... places on,
// of 384 to nine, and gets from as many.
func pairs(i, j, n int) bool {
	const all = 16
	return n <= all || bits.OnesCount(uint((j-i+n)%n)) == 1
}

// heard makes problems of the answers.
func heard(asked []knock, answers map[knock]string) Problems {
	kinds := map[string][]trouble{}
	slices.SortFunc(asked, func(a, b knock) int { return strings.Compare(a.from+" "+a.key(), b.from+" "+b.key()) })
	var links []int
	for _, k := range asked {
		answer := answers[k]
		if answer == "there" || k.reachableOnly && !strings.HasPrefix(answer, "no ") {
			continue
		}
		if !slices.Contains(links, k.link) {
			links = append(links, k.link)
		}
		key := fmt.Sprintf("%d %s", k.link, answer)
		kinds[key] = append(kinds[key], trouble{Path: &Path{From: k.from, To: k.to, Port: k.port}})
	}
	slices.Sort(links)
	var ps Problems
	for _, l := range links {
		say := func(kind string, severity Severity, remedy, format string) {
			for _, g := range gather(kinds[fmt.Sprintf("%d %s", l, kind)]) {
				ps = append(ps, Problem{severity, CodePort, g.node, fmt.Sprintf(format, l, g.where), remedy})
			}
		}
		port := func(kind string) int {
			if ts := kinds[fmt.Sprintf("%d %s", l, kind)]; len(ts) > 0 {
				return ts[0].Port
			}
			return 0
		}
		const skip = "; --skip-check goes on without this"
		say("no neighbour", Error, "check cables, VLANs and the address"+skip, "link %d: nothing gets through %s: nobody there answers for the address")
		say("no route", Error, "check network and firewall"+skip, "link %d: nothing gets through %s: no route, or a firewall that says so")
		say("no firewall", Error, fmt.Sprintf("let UDP port %d out through its own firewall", port("no firewall"))+skip, "link %d: packets are not let out %s")
		say("no port", Error, fmt.Sprintf("let UDP port %d through, in every firewall on the way", port("no port"))+skip, "link %d: packets to the UDP port of the link do not get through %s, while those to another port do")
		say("silent", Warning, "clusterctl check measures whether it does; a firewall may hold back the packets, or only the answers", "link %d: it is not sure that packets get through %s")
	}
	return ps
}
