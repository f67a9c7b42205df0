//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"clusterctl/internal/lab"
	"clusterctl/ssh"
)

const clusterName = "bench"

// floorWorker does what clusterctl does with the shell script that a skilled admin would write: OpenSSH's client,
// without a shared connection; nodes at once; one connection to a node for everything that it can do before it has to
// wait for others. It checks nothing beforehand, keeps nothing to go back to, flushes nothing to the disk, and looks at
// the outcome on one node only.
type floorWorker struct {
	*bench
	version int // of corosync.conf
}

// call is a script to run on a node over a connection of its own, with a file of the floor's as its standard input.
type call struct {
	node   *lab.Node
	script string
	input  string
}

// wave is the part of a shell script that makes calls at once and waits for all of them.
func wave(calls []call) string {
	var b strings.Builder
	for i, c := range calls {
		fmt.Fprintf(&b, "ssh %s %s <%s & p%d=$!\n", c.node.Name(), ssh.Quote(c.script), c.input, i)
	}
	for i := range calls {
		fmt.Fprintf(&b, "wait $p%d\n", i)
	}
	return b.String()
}

func same(nodes []*lab.Node, script, input string) []call {
	var calls []call
	for _, n := range nodes {
		calls = append(calls, call{n, script, input})
	}
	return calls
}

const (
	none     = "/dev/null"
	putConf  = "cat >/etc/corosync/corosync.conf"
	putBoth  = "umask 077; head -c 256 >/etc/corosync/authkey; " + putConf // a key, then a configuration
	restart  = "systemctl restart corosync"
	reload   = "corosync-cfgtool -R"
	lockOut  = "systemctl -q disable --now corosync; cd /etc/corosync; mv corosync.conf corosync.conf.bak; mv authkey authkey.bak"
	lookHere = "corosync-quorumtool -s; corosync-cfgtool -s; corosync-cmapctl"
)

// await polls, on a node, for so many members and expected votes.
func await(members, expected int) string {
	return fmt.Sprintf(`until corosync-quorumtool -s 2>&1 | awk '/^Nodes:/ {n=$2} /^Quorate:/ {q=$2} /^Expected votes:/ {e=$3} `+
		`END {exit !(n==%d && e==%d && q=="Yes")}'; do sleep 0.05; done`, members, expected)
}

// then joins scripts for a node; each begins when the one before has succeeded.
func then(scripts ...string) string { return strings.Join(scripts, " && ") }

// dir is where the floor has the files that it sends.
func (w *floorWorker) dir() string { return filepath.Join(w.Home(), "floor") }

// run makes waves of calls, one after the other, with one shell script.
func (w *floorWorker) run(ctx context.Context, waves ...[]call) error {
	script, asked := "cd "+w.dir()+"\n", map[string]ssh.Traffic{}
	for _, calls := range waves {
		script += wave(calls)
		for _, c := range calls {
			asked[c.node.Name()] = asked[c.node.Name()].Plus(ssh.Traffic{Connections: 1, Sessions: 1, RoundTrips: 1})
		}
	}
	w.ask(asked)
	_, err := w.output(ctx, "/bin/sh", "-ec", script)
	return err
}

// write makes a file for the floor to send, which the clock does not count: clusterctl's own computing is in its time.
func (w *floorWorker) write(name string, data ...[]byte) error {
	if err := os.MkdirAll(w.dir(), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(w.dir(), name), slices.Concat(data...), 0o600)
}

func (w *floorWorker) create(ctx context.Context, nodes []*lab.Node) error {
	key := make([]byte, 256)
	rand.Read(key)
	w.version = 0
	if err := w.write("key", key); err != nil {
		return err
	}
	if err := w.write("both", key, w.conf(nodes, nil)); err != nil {
		return err
	}
	calls := same(nodes, then(putBoth, restart), "both")
	calls[0].script = then(calls[0].script, await(len(nodes), len(nodes)))
	return w.run(ctx, calls)
}

func (w *floorWorker) add(ctx context.Context, nodes []*lab.Node, another *lab.Node) error {
	key, err := os.ReadFile(filepath.Join(w.dir(), "key"))
	if err != nil {
		return err
	}
	listed := w.conf(nodes, another)
	all := append(slices.Clone(nodes), another)
	if err := w.write("listed", listed); err != nil {
		return err
	}
	if err := w.write("both", key, listed); err != nil {
		return err
	}
	if err := w.write("voting", w.conf(all, nil)); err != nil {
		return err
	}
	n := len(nodes)
	return w.run(ctx,
		append(same(nodes, putConf, "listed"), call{another, putBoth, "both"}),
		[]call{{nodes[0], reload, none}},
		[]call{{another, then(restart, await(n+1, n)), none}},
		same(all, putConf, "voting"),
		[]call{{nodes[0], then(reload, await(n+1, n+1)), none}})
}

func (w *floorWorker) delnode(ctx context.Context, nodes []*lab.Node, other *lab.Node) error {
	if err := w.write("listed", w.conf(nodes, other)); err != nil {
		return err
	}
	if err := w.write("without", w.conf(nodes, nil)); err != nil {
		return err
	}
	n := len(nodes)
	return w.run(ctx,
		same(append(slices.Clone(nodes), other), putConf, "listed"),
		[]call{{nodes[0], then(reload, await(n+1, n)), none}},
		[]call{{other, lockOut, none}},
		same(nodes, putConf, "without"),
		[]call{{nodes[0], then(reload, await(n, n)), none}})
}

func (w *floorWorker) status(ctx context.Context, nodes []*lab.Node) error {
	return w.run(ctx, same(nodes, lookHere, none))
}

func (w *floorWorker) removeLink(ctx context.Context, nodes []*lab.Node) error {
	return w.relink(ctx, nodes, w.Links()-1)
}

func (w *floorWorker) addLink(ctx context.Context, nodes []*lab.Node) error {
	return w.relink(ctx, nodes, w.Links())
}

// relink has the cluster run with so many links.
func (w *floorWorker) relink(ctx context.Context, nodes []*lab.Node, links int) error {
	conf := w.conf(nodes, nil)
	var lines []string
	for line := range strings.Lines(string(conf)) {
		if number := strings.TrimPrefix(strings.TrimSpace(line), "ring"); number[0] < '0'+byte(links) || !strings.Contains(line, "_addr:") {
			lines = append(lines, line)
		}
	}
	return w.rollOut(ctx, nodes, []byte(strings.Join(lines, "")))
}

func (w *floorWorker) confSet(ctx context.Context, nodes []*lab.Node) error {
	return w.rollOut(ctx, nodes, bytes.Replace(w.conf(nodes, nil), []byte("\ttransport:"), []byte("\ttoken: 4000\n\ttransport:"), 1))
}

// rollOut has the cluster run a configuration.
func (w *floorWorker) rollOut(ctx context.Context, nodes []*lab.Node, conf []byte) error {
	if err := w.write("conf", conf); err != nil {
		return err
	}
	runs := fmt.Sprintf("until [ $(corosync-cmapctl -g totem.config_version | sed 's/.* //') = %d ]; do sleep 0.05; done", w.version)
	return w.run(ctx, same(nodes, putConf, "conf"), []call{{nodes[0], then(reload, runs), none}})
}

func (w *floorWorker) show(ctx context.Context, nodes []*lab.Node) error {
	return w.run(ctx, []call{{nodes[0], "cat /etc/corosync/corosync.conf", none}})
}

// conf is the configuration that clusterctl writes for nodes, and for one more that has no vote, unless that is nil.
// Each has a higher version than the one before.
func (w *floorWorker) conf(nodes []*lab.Node, voteless *lab.Node) []byte {
	w.version++
	var b strings.Builder
	fmt.Fprintf(&b, "totem {\n\tversion: 2\n\tcluster_name: %s\n\tconfig_version: %d\n\ttransport: knet\n\tlink_mode: passive\n"+
		"\tcrypto_cipher: aes256\n\tcrypto_hash: sha256\n}\nnodelist {\n", clusterName, w.version)
	for _, n := range slices.Concat(nodes, []*lab.Node{voteless}) {
		if n == nil {
			continue
		}
		fmt.Fprintf(&b, "\tnode {\n\t\tname: %s\n\t\tnodeid: %d\n", n.Name(), slices.Index(w.Nodes(), n)+1)
		if n == voteless {
			b.WriteString("\t\tquorum_votes: 0\n")
		}
		for link := range w.Links() {
			fmt.Fprintf(&b, "\t\tring%d_addr: %s\n", link, n.Addr(link))
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\nquorum {\n\tprovider: corosync_votequorum\n}\nlogging {\n\tto_syslog: yes\n}\n")
	return []byte(b.String())
}
