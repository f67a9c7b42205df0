//go:build linux

// Bench compares clusterctl with its floor: the same work done by bare parallel ssh commands. It is no test and promises
// nothing; both sides run on the same lab of real nodes, by turns, so that what disturbs one disturbs the other too.
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
	"text/tabwriter"
	"time"

	"clusterctl/internal/lab"
)

func main() {
	repetitions := flag.Int("n", 3, "`how often` each side does everything")
	tool := flag.String("clusterctl", "bin/clusterctl", "the `program` to measure")
	suite := flag.String("suite", "bookworm", "the Debian release on the nodes: bookworm or trixie")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, *repetitions, *tool, *suite); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, repetitions int, tool, suite string) (err error) {
	if repetitions < 1 {
		return fmt.Errorf("-n %d: use 1 or more", repetitions)
	}
	if tool, err = filepath.Abs(tool); err != nil {
		return err
	}
	startup, err := measureStartup(ctx, tool)
	if err != nil {
		return err
	}
	l, err := lab.Up(ctx, lab.Options{Name: fmt.Sprintf("bench-%d", os.Getpid()), Nodes: 8, Suite: suite, Log: logf})
	if err != nil {
		return fmt.Errorf("start a lab: %w", err)
	}
	defer func() { err = errors.Join(err, l.Down(context.WithoutCancel(ctx))) }()

	b := &bench{Lab: l, tool: tool, times: map[string]map[side][]time.Duration{}}
	if err := b.keep(ctx); err != nil {
		return err
	}
	check, err := b.measureCheck(ctx, repetitions)
	if err != nil {
		return err
	}
	sides := []side{clusterctl, floor}
	for i := range repetitions {
		logf("repetition %d of %d", i+1, repetitions)
		for _, s := range sides {
			if err := b.live(ctx, s); err != nil {
				return err
			}
		}
		slices.Reverse(sides)
	}
	machine, err := b.machine(ctx)
	if err != nil {
		return err
	}
	fmt.Println(machine)
	if err := b.print(); err != nil {
		return err
	}
	fmt.Println(check)
	fmt.Println(startup)
	return nil
}

func logf(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }

// side is who does the work.
type side string

const (
	clusterctl side = "clusterctl"
	floor      side = "floor"
)

// bench is a lab, and what was measured in it.
type bench struct {
	*lab.Lab
	tool  string // clusterctl's file
	order []string
	times map[string]map[side][]time.Duration // by operation
}

// looks is how often a life looks at the status of each of its clusters.
const looks = 3

// live takes a cluster through its life: three nodes become four, and three again; then, from nothing, eight are one.
func (b *bench) live(ctx context.Context, s side) error {
	work := map[side]worker{clusterctl: &toolWorker{b}, floor: &floorWorker{bench: b}}[s]
	three, eight, fourth := b.Nodes()[:3], b.Nodes(), b.Nodes()[3]
	fresh := func() error { return b.fresh(ctx, eight) }
	change := func(what string, do func() error) func() error {
		return func() error {
			if err := b.measure(what, s, do); err != nil {
				return err
			}
			return b.settle(ctx, what, s)
		}
	}
	look := func(what string, nodes []*lab.Node) func() error {
		return func() error {
			for range looks {
				if err := b.measure(what, s, func() error { return work.status(ctx, nodes) }); err != nil {
					return err
				}
			}
			return nil
		}
	}
	for _, step := range []func() error{
		fresh,
		change("create of 3", func() error { return work.create(ctx, three) }),
		look("status of 3", three),
		change("add of 1 to 3", func() error { return work.add(ctx, three, fourth) }),
		change("delnode of 1 of 4", func() error { return work.delnode(ctx, three, fourth) }),
		fresh,
		change("create of 8", func() error { return work.create(ctx, eight) }),
		look("status of 8", eight),
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// worker is one side's way to do the operations. nodes are those of the cluster that stay throughout.
type worker interface {
	create(ctx context.Context, nodes []*lab.Node) error
	add(ctx context.Context, nodes []*lab.Node, another *lab.Node) error
	delnode(ctx context.Context, nodes []*lab.Node, other *lab.Node) error
	status(ctx context.Context, nodes []*lab.Node) error
}

// measure notes how long an operation takes by the clock on the wall.
func (b *bench) measure(what string, s side, do func() error) error {
	began := time.Now()
	if err := do(); err != nil {
		return fmt.Errorf("%s by %s: %w", what, s, err)
	}
	took := time.Since(began)
	logf("%-18s %-10s %.3f s", what, s, took.Seconds())
	if b.times[what] == nil {
		b.order = append(b.order, what)
		b.times[what] = map[side][]time.Duration{}
	}
	b.times[what][s] = append(b.times[what][s], took)
	return nil
}

// pristine is where a node keeps corosync's configuration as Debian installs it.
const pristine = "/root/pristine"

func (b *bench) keep(ctx context.Context) error {
	return b.each(ctx, b.Nodes(), "cp -a /etc/corosync "+pristine)
}

// fresh makes nodes what they were when they came up, as far as either side changes them: with Debian's default
// configuration, which runs. Their boots are not part of what is compared.
func (b *bench) fresh(ctx context.Context, nodes []*lab.Node) error {
	err := b.each(ctx, nodes, `set -e
systemctl stop corosync
rm -rf /etc/corosync /var/lib/corosync/* /var/lib/clusterctl
cp -a `+pristine+` /etc/corosync
systemctl -q enable corosync
systemctl reset-failed corosync
systemctl start corosync`)
	time.Sleep(rest)
	return err
}

// rest is what the machine gets to be done with what went before.
const rest = time.Second

// settle waits until the cluster is healthy, of which the floor makes sure on one node only. Then both sides begin the
// next operation on equal terms, and a side whose work is no good is found out.
func (b *bench) settle(ctx context.Context, what string, s side) error {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(rest / 4) {
		out, err := b.output(ctx, b.tool, "-H", b.Nodes()[0].Name(), "status")
		if err == nil {
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
	cmd := b.Command(ctx, name, args...)
	cmd.WaitDelay = time.Second // what the program started may hold the output open; it ends with the lab
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%w: %s", err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// toolWorker is clusterctl, on the machine of an admin who made the cluster with it.
type toolWorker struct{ *bench }

func (w *toolWorker) run(ctx context.Context, args ...string) error {
	_, err := w.output(ctx, w.tool, args...)
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

// print writes the table.
func (b *bench) print() error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "OPERATION\tCLUSTERCTL\tFLOOR\tRATIO\tSPREAD OF BOTH")
	for _, what := range b.order {
		c, f := b.times[what][clusterctl], b.times[what][floor]
		fmt.Fprintf(w, "%s\t%.2f s\t%.2f s\t%.2f\t%s, %s\n", what, median(c).Seconds(), median(f).Seconds(),
			median(c).Seconds()/median(f).Seconds(), spread(c), spread(f))
	}
	return w.Flush()
}

func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func spread(times []time.Duration) string {
	return fmt.Sprintf("%.2f–%.2f", slices.Min(times).Seconds(), slices.Max(times).Seconds())
}

// machine says on what all this was measured.
func (b *bench) machine(ctx context.Context) (string, error) {
	corosync, err := b.Nodes()[0].Run(ctx, "corosync -v | sed -n \"1s/.*version '\\(.*\\)'.*/\\1/p\"")
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
	return fmt.Sprintf("%s; %s; Linux %s; %d × %s; nodes: Debian %s, corosync %s", strings.TrimSpace(version), lines[0], lines[1],
		runtime.NumCPU(), lines[2], b.Suite(), strings.TrimSpace(corosync)), nil
}

// measureCheck says how long a check of nodes takes that are no cluster yet. It has no floor: nobody does that by hand.
func (b *bench) measureCheck(ctx context.Context, repetitions int) (string, error) {
	args := []string{"check", "--quick"}
	for _, n := range b.Nodes() {
		args = append(args, n.Name())
	}
	for link := range b.Links() {
		args = append(args, "--link", b.Net(link).String())
	}
	var times []time.Duration
	for range repetitions {
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
