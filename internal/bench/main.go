//go:build linux

// Bench compares clusterctl with its floor, the same work done by bare parallel ssh commands, and, with --peers, with the
// tools that are used for it otherwise: pcs, and crmsh as far as it goes. It is no test and promises nothing; all sides
// run on the same lab of real nodes, by turns, so that what disturbs one disturbs the others too.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"clusterctl/internal/lab"
	"clusterctl/ssh"
)

func main() {
	var o options
	flag.IntVar(&o.repetitions, "n", 3, "`how often` each side does everything")
	flag.StringVar(&o.tool, "clusterctl", "bin/clusterctl", "the `program` to measure")
	flag.StringVar(&o.suite, "suite", "bookworm", "the Debian release on the nodes: bookworm or trixie")
	flag.BoolVar(&o.peers, "peers", false, "also measure pcs and crmsh, on nodes that have pacemaker")
	flag.BoolVar(&o.scale, "scale", false, "measure clusters of 2 to 16 nodes instead")
	flag.StringVar(&o.json, "json", "", "also write the results to a `file`, as JSON")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	repetitions       int
	tool, suite, json string
	peers, scale      bool
}

func run(ctx context.Context, o options) (err error) {
	if o.repetitions < 1 {
		return fmt.Errorf("-n %d: use 1 or more", o.repetitions)
	}
	if o.tool, err = filepath.Abs(o.tool); err != nil {
		return err
	}
	startup, err := measureStartup(ctx, o.tool)
	if err != nil {
		return err
	}
	with := lab.Options{Name: fmt.Sprintf("bench-%d", os.Getpid()), Nodes: 8, Suite: o.suite, Log: logf}
	if o.peers {
		with.Packages = peerPackages
	}
	if o.scale {
		with.Nodes = slices.Max(sizes)
	}
	l, err := lab.Up(ctx, with)
	if err != nil {
		return fmt.Errorf("start a lab: %w", err)
	}
	defer func() { err = errors.Join(err, l.Down(context.WithoutCancel(ctx))) }()

	b := &bench{Lab: l, options: o, report: newReport()}
	if err := b.keep(ctx); err != nil {
		return err
	}
	b.Startup = startup
	sides, live, write := []side{clusterctl, floor}, b.live, b.print
	if o.scale {
		live, write = b.grow, b.printScale
	} else if o.peers {
		if err := b.introduce(ctx); err != nil {
			return err
		}
		sides = append(sides, paced, pcs)
	} else if b.Check, err = b.measureCheck(ctx); err != nil {
		return err
	}
	for i := range o.repetitions {
		logf("repetition %d of %d", i+1, o.repetitions)
		for _, s := range sides {
			if err := live(ctx, s); err != nil {
				return err
			}
		}
		slices.Reverse(sides)
	}
	if b.Machine, err = b.machine(ctx); err != nil {
		return err
	}
	if o.json != "" {
		if err := b.writeJSON(o.json); err != nil {
			return err
		}
	}
	return write(os.Stdout)
}

func logf(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }

// side is who does the work.
type side string

const (
	clusterctl side = "clusterctl"
	floor      side = "floor"
	paced      side = "clusterctl with pacemaker"
	pcs        side = "pcs"
	crmsh      side = "crmsh"
)

// bench is a lab, and what was measured in it.
type bench struct {
	*lab.Lab
	options
	*report
	what string // is being measured
	by   side
}

// worker is who does the work for a side.
func (b *bench) worker(s side) worker {
	switch s {
	case floor:
		return &floorWorker{bench: b}
	case paced:
		return &pacedWorker{toolWorker{b}}
	case pcs:
		return &pcsWorker{b}
	}
	return &toolWorker{b}
}

// change measures something that changes the cluster, and waits until all is well again.
func (b *bench) change(ctx context.Context, what string, s side, members []*lab.Node, do func(context.Context) error) error {
	if err := b.measure(ctx, what, s, members, do); err != nil {
		return err
	}
	if s == paced {
		if err := b.unfence(ctx); err != nil {
			return err
		}
	}
	return b.settle(ctx, what, s)
}

// looks is how often a life looks at the status of each of its clusters.
const looks = 3

// live takes a cluster through its life: three nodes become four, and three again; then, from nothing, eight are one.
func (b *bench) live(ctx context.Context, s side) error {
	work := b.worker(s)
	three, eight, fourth := b.Nodes()[:3], b.Nodes(), b.Nodes()[3]
	four := append(slices.Clone(three), fourth)
	fresh := func() error { return work.fresh(ctx, eight) }
	change := func(what string, members []*lab.Node, do func(context.Context) error) func() error {
		return func() error { return b.change(ctx, what, s, members, do) }
	}
	lookBy := func(s side, what string, do func(context.Context) error) func() error {
		return func() error {
			for range looks {
				if err := b.measure(ctx, what, s, nil, do); err != nil {
					return err
				}
			}
			return nil
		}
	}
	look := func(what string, do func(context.Context) error) func() error { return lookBy(s, what, do) }
	steps := []func() error{
		fresh,
		change("create of 3", three, func(ctx context.Context) error { return work.create(ctx, three) }),
		look("status of 3", func(ctx context.Context) error { return work.status(ctx, three) }),
		change("add of 1 to 3", four, func(ctx context.Context) error { return work.add(ctx, three, fourth) }),
		change("delnode of 1 of 4", three, func(ctx context.Context) error { return work.delnode(ctx, three, fourth) }),
	}
	if b.peers {
		steps = append(steps,
			change("link remove, of 3", nil, func(ctx context.Context) error { return work.removeLink(ctx, three) }),
			change("link add, of 3", nil, func(ctx context.Context) error { return work.addLink(ctx, three) }),
			look("configuration shown", func(ctx context.Context) error { return work.show(ctx, three) }))
	}
	if s == pcs { // with what it has made, crmsh can work as well
		steps = append(steps, lookBy(crmsh, "status of 3", b.crm("status", "quorum")), lookBy(crmsh, "configuration shown", b.crm("show")))
	}
	for _, step := range append(steps, fresh) {
		if err := step(); err != nil {
			return err
		}
	}
	err := b.change(ctx, "create of 8", s, eight, func(ctx context.Context) error { return work.create(ctx, eight) })
	if err != nil && s == pcs && ctx.Err() == nil { // where eight nodes share few processors its own limits of time are too short
		b.give(err)
		return nil
	}
	if err != nil {
		return err
	}
	return look("status of 8", func(ctx context.Context) error { return work.status(ctx, eight) })()
}

// worker is one side's way to do the operations. nodes are those of the cluster that stay throughout.
type worker interface {
	fresh(ctx context.Context, nodes []*lab.Node) error // makes them what they are before a create
	create(ctx context.Context, nodes []*lab.Node) error
	add(ctx context.Context, nodes []*lab.Node, another *lab.Node) error
	delnode(ctx context.Context, nodes []*lab.Node, other *lab.Node) error
	status(ctx context.Context, nodes []*lab.Node) error
	removeLink(ctx context.Context, nodes []*lab.Node) error // link 1
	addLink(ctx context.Context, nodes []*lab.Node) error
	show(ctx context.Context, nodes []*lab.Node) error
	confSet(ctx context.Context, nodes []*lab.Node) error // another token timeout
}

// measure notes how long an operation takes by the clock on the wall and, where it is to have members and the side goes
// on to do other things, when they were quorate: pcs and pacemaker return late, and clusterctl takes a node off the list,
// on all others, when they do without it already.
func (b *bench) measure(ctx context.Context, what string, s side, members []*lab.Node, do func(context.Context) error) error {
	quorate := make(chan error, 1)
	watched := members != nil && (s == pcs || s == paced || s == clusterctl && strings.HasPrefix(what, "delnode"))
	began := time.Now()
	var formed time.Duration
	if watched {
		go func() {
			_, err := members[0].Run(ctx, "timeout 120 sh -c "+ssh.Quote(await(len(members), len(members))))
			formed = time.Since(began)
			quorate <- err
		}()
	}
	b.what, b.by = what, s
	if err := do(ctx); err != nil {
		return fmt.Errorf("%s by %s: %w", what, s, err)
	}
	took := time.Since(began)
	logf("%-20s %-26s %.3f s", what, s, took.Seconds())
	b.note(what, s, took)
	if watched {
		if err := <-quorate; err != nil {
			return fmt.Errorf("%s by %s: not quorate: %w", what, s, err)
		}
		logf("%-20s %-26s %.3f s", "", "... quorate", formed.Seconds())
		b.note(what+", quorate", s, formed)
	}
	return nil
}

// pristine is where a node keeps corosync's configuration as Debian installs it.
const pristine = "/root/pristine"

func (b *bench) keep(ctx context.Context) error {
	return b.each(ctx, b.Nodes(), "cp -a /etc/corosync "+pristine)
}

// fresh makes nodes what they were when they came up, as far as any side changes them: with Debian's default
// configuration, which runs. Their boots are not part of what is compared. Beside peers nothing runs and nothing is
// configured, which is what pcs begins with.
func (b *bench) fresh(ctx context.Context, nodes []*lab.Node) error {
	script := clear + `
cp -a ` + pristine + ` /etc/corosync
systemctl -q enable corosync
systemctl start corosync`
	if b.peers {
		script = clear + "\nmkdir /etc/corosync"
	}
	err := b.each(ctx, nodes, script)
	time.Sleep(rest)
	return err
}

// clear ends what runs on a node, and forgets its cluster.
const clear = `set -e
systemctl list-unit-files -q pacemaker.service >/dev/null && systemctl -q disable --now pacemaker
systemctl -q disable --now corosync
systemctl reset-failed
rm -rf /etc/corosync /etc/pacemaker/authkey /var/lib/corosync/* /var/lib/clusterctl /var/lib/pacemaker/cib/* /var/lib/pacemaker/pengine/*`

// rest is what the machine gets to be done with what went before.
const rest = time.Second

// settle waits until the cluster is healthy, of which the floor makes sure on one node only. Then both sides begin the
// next operation on equal terms, and a side whose work is no good is found out.
func (b *bench) settle(ctx context.Context, what string, s side) error {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(rest / 4) {
		out, err := b.output(ctx, b.tool, "-H", b.Nodes()[0].Name(), "status", "-o", "json")
		if err == nil || out != "" && !strings.Contains(out, `"severity": "error"`) { // pcs has nothing start at boot, of which is warned
			time.Sleep(rest)
			return nil
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("no healthy cluster after %s by %s: %w\n%s", what, s, err, out)
		}
	}
}

// each runs a script on nodes at once, without ssh.
func (b *bench) each(ctx context.Context, nodes []*lab.Node, script string) error {
	results := make(chan error)
	for _, n := range nodes {
		go func() {
			_, err := n.Run(ctx, script)
			results <- err
		}()
	}
	var errs []error
	for range nodes {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}

// output runs a program beside the nodes, as an admin does.
func (b *bench) output(ctx context.Context, name string, args ...string) (string, error) {
	out, _, err := b.outputs(ctx, name, args...)
	return out, err
}

// outputs is output with standard error as well.
func (b *bench) outputs(ctx context.Context, name string, args ...string) (string, string, error) {
	cmd := b.Command(ctx, name, args...)
	cmd.WaitDelay = time.Second // what the program started may hold the output open; it ends with the lab
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), errs.String(), fmt.Errorf("%w: %s", err, strings.TrimSpace(errs.String()))
	}
	return out.String(), errs.String(), nil
}

// toolWorker is clusterctl, on the machine of an admin who made the cluster with it.
type toolWorker struct{ *bench }

func (w *toolWorker) run(ctx context.Context, args ...string) error {
	_, log, err := w.outputs(ctx, w.tool, append(args, "-v")...)
	w.ask(parseAsked(log))
	return err
}

func (w *toolWorker) create(ctx context.Context, nodes []*lab.Node) error {
	args := []string{"create", clusterName}
	for _, n := range nodes {
		args = append(args, n.Name())
	}
	for link := range w.Links() {
		args = append(args, "--link", w.Net(link).String())
	}
	return w.run(ctx, args...)
}

func (w *toolWorker) add(ctx context.Context, _ []*lab.Node, another *lab.Node) error {
	return w.run(ctx, "add", another.Name())
}

func (w *toolWorker) delnode(ctx context.Context, _ []*lab.Node, other *lab.Node) error {
	return w.run(ctx, "delnode", "--keep-key", other.Name()) // as the floor does
}

func (w *toolWorker) status(ctx context.Context, _ []*lab.Node) error { return w.run(ctx, "status") }

func (w *toolWorker) removeLink(ctx context.Context, _ []*lab.Node) error {
	return w.run(ctx, "link", "remove", "1")
}

func (w *toolWorker) addLink(ctx context.Context, _ []*lab.Node) error {
	return w.run(ctx, "link", "add", "1", w.Net(1).String())
}

func (w *toolWorker) confSet(ctx context.Context, _ []*lab.Node) error {
	return w.run(ctx, "conf", "set", "totem.token", "4000")
}

func (w *toolWorker) show(ctx context.Context, _ []*lab.Node) error {
	return w.run(ctx, "conf", "show")
}

// machine says on what all this was measured.
func (b *bench) machine(ctx context.Context) (string, error) {
	versions := "corosync -v | sed -n \"1s/.*version '\\(.*\\)'.*/corosync \\1/p\""
	if b.peers {
		versions += "; pacemakerd --version | sed -n 1p; echo pcs $(pcs --version)"
	}
	installed, err := b.Nodes()[0].Run(ctx, versions)
	if err != nil {
		return "", err
	}
	client, err := b.output(ctx, "sh", "-c", "ssh -V 2>&1; uname -r; sed -n 's/^model name[^:]*: //p' /proc/cpuinfo")
	if err != nil {
		return "", err
	}
	version, err := b.output(ctx, b.tool, "version")
	if err != nil {
		return "", err
	}
	lines := append(strings.Split(client, "\n"), "", "") // some processors do not say what they are
	return fmt.Sprintf("%s; %s; Linux %s; %d × %s; nodes: Debian %s, %s", strings.TrimSpace(version), lines[0], lines[1],
		runtime.NumCPU(), lines[2], b.Suite(), strings.ReplaceAll(strings.TrimSpace(installed), "\n", ", ")), nil
}

// measureCheck says how long a check of nodes takes that are no cluster yet. It has no floor: nobody does that by hand.
func (b *bench) measureCheck(ctx context.Context) (string, error) {
	args := []string{"check", "--quick"}
	for _, n := range b.Nodes() {
		args = append(args, n.Name())
	}
	for link := range b.Links() {
		args = append(args, "--link", b.Net(link).String())
	}
	var times []time.Duration
	for range b.repetitions {
		began := time.Now()
		if out, err := b.output(ctx, b.tool, args...); err != nil {
			return "", fmt.Errorf("check: %w\n%s", err, out)
		}
		times = append(times, time.Since(began))
	}
	return fmt.Sprintf("check --quick of %d nodes on %d links: %.2f s (%s)", len(b.Nodes()), b.Links(), median(times).Seconds(), spread(times)), nil
}

// measureStartup says what it costs to start clusterctl at all.
func measureStartup(ctx context.Context, tool string) (string, error) {
	const runs = 20
	info, err := os.Stat(tool)
	if err != nil {
		return "", fmt.Errorf("find clusterctl: %w", err)
	}
	var user, system time.Duration
	for range runs {
		cmd := exec.CommandContext(ctx, tool, "version")
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("clusterctl version: %w", err)
		}
		user += cmd.ProcessState.UserTime()
		system += cmd.ProcessState.SystemTime()
	}
	return fmt.Sprintf("clusterctl version: %.1f ms user, %.1f ms system, mean of %d runs; binary: %.1f MB",
		user.Seconds()*1000/runs, system.Seconds()*1000/runs, runs, float64(info.Size())/1e6), nil
}
