//go:build linux

package main

import (
	"context"
	"fmt"
	"strings"

	"clusterctl/internal/lab"
	"clusterctl/ssh"
)

// peerPackages are what an admin would use instead, as Debian has it.
var peerPackages = []string{"pcs", "pacemaker", "crmsh"}

// introduce does what pcs wants once on nodes: a password, and an account of each on the first, from which it is used.
// With Debian's default configuration a node counts as one of a cluster, to which pcs gives the accounts in vain.
func (b *bench) introduce(ctx context.Context) error {
	const user, password = "hacluster", "bench"
	err := b.each(ctx, b.Nodes(), clear+"\nmkdir /etc/corosync\necho "+user+":"+password+" | chpasswd")
	if err != nil {
		return err
	}
	_, err = b.Nodes()[0].Run(ctx, "pcs host auth -u "+user+" -p "+password+" "+strings.Join(names(b.Nodes()), " "))
	return err
}

func names(nodes []*lab.Node) []string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Name())
	}
	return all
}

// pcsWorker is pcs on the first node, which costs it no connection from elsewhere. It always starts pacemaker as well.
type pcsWorker struct{ *bench }

func (w *pcsWorker) run(ctx context.Context, args ...string) error {
	_, err := w.Nodes()[0].Run(ctx, ssh.Quote(append([]string{"pcs"}, args...)...))
	return err
}

// spec names a node with an address on each link.
func (w *pcsWorker) spec(n *lab.Node) []string {
	args := []string{n.Name()}
	for link := range w.Links() {
		args = append(args, "addr="+n.Addr(link).String())
	}
	return args
}

func (w *pcsWorker) create(ctx context.Context, nodes []*lab.Node) error {
	args := []string{"cluster", "setup", clusterName}
	for _, n := range nodes {
		args = append(args, w.spec(n)...)
	}
	return w.run(ctx, append(args, "--start", "--wait")...)
}

func (w *pcsWorker) add(ctx context.Context, _ []*lab.Node, another *lab.Node) error {
	return w.run(ctx, append(append([]string{"cluster", "node", "add"}, w.spec(another)...), "--start", "--wait")...)
}

func (w *pcsWorker) delnode(ctx context.Context, _ []*lab.Node, other *lab.Node) error {
	return w.run(ctx, "cluster", "node", "remove", other.Name())
}

func (w *pcsWorker) status(ctx context.Context, _ []*lab.Node) error {
	return w.run(ctx, "quorum", "status")
}

func (w *pcsWorker) removeLink(ctx context.Context, _ []*lab.Node) error {
	return w.run(ctx, "cluster", "link", "remove", "1")
}

func (w *pcsWorker) addLink(ctx context.Context, nodes []*lab.Node) error {
	args := []string{"cluster", "link", "add"}
	for _, n := range nodes {
		args = append(args, fmt.Sprintf("%s=%s", n.Name(), n.Addr(1)))
	}
	return w.run(ctx, args...)
}

func (w *pcsWorker) confSet(ctx context.Context, _ []*lab.Node) error {
	return w.run(ctx, "cluster", "config", "update", "totem", "token=4000")
}

func (w *pcsWorker) show(ctx context.Context, _ []*lab.Node) error {
	return w.run(ctx, "cluster", "config", "show")
}

// pacedWorker is clusterctl where pacemaker runs before and after.
type pacedWorker struct{ toolWorker }

func (w *pacedWorker) fresh(ctx context.Context, nodes []*lab.Node) error {
	if err := w.toolWorker.fresh(ctx, nodes); err != nil {
		return err
	}
	return w.each(ctx, nodes, "rm -r /etc/corosync; cp -a "+pristine+" /etc/corosync; systemctl -q enable corosync pacemaker; systemctl start corosync pacemaker\n"+
		"until crm_mon -1 | grep -q Online; do sleep 0.2; done")
}

// unfence turns fencing off, with which clusterctl stops no node where pacemaker runs: pcs would.
func (b *bench) unfence(ctx context.Context) error {
	_, err := b.Nodes()[0].Run(ctx, "crm_attribute -q -n stonith-enabled -v false")
	return err
}

// crm runs crmsh on the first node. It is measured in nothing but this: as Debian 12 has it (4.4.0), no second node can
// join a cluster by it, since it looks for /etc/csync2/csync2.cfg, and writes /etc/csync2.cfg.
func (b *bench) crm(args ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := b.Nodes()[0].Run(ctx, ssh.Quote(append([]string{"crm", "corosync"}, args...)...))
		return err
	}
}
