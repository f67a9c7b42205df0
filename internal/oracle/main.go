//go:build linux

// Command oracle holds corosyncconf to the real corosync: it makes
// configurations, asks `corosync -t` in the lab's Debian tree and corosyncconf
// who turns each down and on which line, and prints those on which they differ.
//
// It exits 1 if there are any. A seed and a number make the same configuration
// again: --seed S --from N --n 1.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"clusterctl/corosyncconf"
	"clusterctl/internal/lab"
)

func main() {
	if inside() {
		return
	}
	n := flag.Int("n", 20000, "how many configurations for each suite")
	from := flag.Int("from", 0, "number of the first")
	seed := flag.Uint64("seed", rand.Uint64N(1e9), "what they are made from")
	suites := flag.String("suites", "bookworm,trixie", "Debian releases whose corosync to ask")
	tree := flag.String("tree", "", "directory with a whole Debian, whose corosync to ask instead: any from 2.4 on")
	samples := flag.String("samples", "testdata/conf", "directory with configurations to change")
	again := flag.String("again", "", "file with answers of this corosync, as --save writes it, to hold corosync to in place of all else")
	save := flag.String("save", "", "file to add those to on which the two differ, as internal/oracle/testdata has them")
	flag.Parse()
	var known []answered
	if *again != "" {
		text, err := os.ReadFile(*again)
		if err == nil {
			known, err = parseAnswered(string(text))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	differ := false
	if *tree != "" {
		*suites = *tree
	}
	for suite := range strings.SplitSeq(*suites, ",") {
		begin := time.Now()
		r, err := compare(ctx, job{Suite: suite, Tree: *tree, Seed: *seed, From: *from, N: *n, Samples: *samples, Again: known})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		for _, d := range r.Differ {
			differ = true
			fmt.Printf("\n--- seed %d number %d on %s: corosync %s says %s, corosyncconf %s\n%s\n%s\n%s\n", *seed, d.Number, d.Hostname, r.Corosync, d.Theirs, d.Ours, d.Conf, d.Output,
				strings.Join(d.Findings, "\n"))
			if *save != "" {
				if err := addTo(*save, answered{d.question, r.Corosync.Version, d.Theirs}.String()); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
			}
		}
		what := fmt.Sprintf("%d configurations of seed %d", *n, *seed)
		if known != nil {
			what = "the answers in " + *again
		}
		fmt.Printf("%s, corosync %s: %s in %s: %d accepted, %d refused by the parser, %d by the test, %d crashes; %d disagreements\n",
			suite, r.Corosync, what, time.Since(begin).Round(time.Second), r.Count[corosyncconf.Accepted], r.Count[corosyncconf.ByParser], r.Count[corosyncconf.ByTest],
			r.Count[crash], len(r.Differ))
	}
	if differ {
		os.Exit(1)
	}
}

// job is what to ask.
type job struct {
	Suite   string
	Tree    string
	Seed    uint64
	From, N int
	Step    int // every so many, from From
	Samples string
	Confs   [][]byte   // the samples
	Again   []answered // instead of all that
	Time    []byte     // instead of all that: have corosync test this N times, on one processor
}

// result is what came of a job.
type result struct {
	Corosync build
	Count    map[corosyncconf.Refusal]int // corosync's verdicts
	Differ   []difference
	Took     time.Duration // of all that Time asks for
}

// difference is a question that corosync and corosyncconf answer differently.
type difference struct {
	Number int
	question
	Theirs, Ours verdict
	Output       string // of corosync
	Findings     []string
}

func addTo(name, text string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// compare has one process for each processor work on a job, each in a sandbox
// of its own.
func compare(ctx context.Context, j job) (result, error) {
	if j.Tree == "" {
		var err error
		if j.Tree, err = lab.Base(ctx, j.Suite, func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }); err != nil {
			return result{}, err
		}
	}
	files, err := filepath.Glob(filepath.Join(j.Samples, "*.conf"))
	if err != nil || len(files) == 0 {
		return result{}, errors.Join(err, fmt.Errorf("no configurations in %s", j.Samples))
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return result{}, err
		}
		j.Confs = append(j.Confs, data)
	}
	j.Step = runtime.NumCPU()
	if j.Time != nil {
		j.Step = 1
	}
	if j.Again != nil {
		j.N, j.From = 0, 0
	}
	all := result{Count: map[corosyncconf.Refusal]int{}}
	parts := make([]result, j.Step)
	errs := make([]error, j.Step)
	var group sync.WaitGroup
	for i := range j.Step {
		part := j
		part.From, part.N = j.From+i, j.N-i
		group.Go(func() { parts[i], errs[i] = startInside(ctx, part) })
	}
	group.Wait()
	for _, part := range parts {
		all.Corosync = part.Corosync
		all.Took += part.Took
		for by, n := range part.Count {
			all.Count[by] += n
		}
		all.Differ = append(all.Differ, part.Differ...)
	}
	return all, errors.Join(errs...)
}

// asInside is the variable that makes a process of this program work on the job
// on its standard input.
const asInside = "ORACLE_INSIDE"

// startInside does a job in a process with namespaces of its own.
func startInside(ctx context.Context, j job) (r result, err error) {
	runtime.LockOSThread() // the process ends with the thread that started it
	defer runtime.UnlockOSThread()
	text, err := json.Marshal(j)
	if err != nil {
		return r, err
	}
	exe, err := os.Executable()
	if err != nil {
		return r, err
	}
	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append(os.Environ(), asInside+"=1")
	cmd.Stdin = strings.NewReader(string(text))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("ask corosync of Debian %s: %w", j.Suite, err)
	}
	return r, json.Unmarshal(out, &r)
}

// inside does the job on standard input, if this process is for that.
func inside() bool {
	if os.Getenv(asInside) == "" {
		return false
	}
	if err := work(context.Background(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

func work(ctx context.Context, in io.Reader, out io.Writer) error {
	var j job
	if err := json.NewDecoder(bufio.NewReader(in)).Decode(&j); err != nil {
		return err
	}
	if err := enter(j.Tree); err != nil {
		return err
	}
	o, err := newOracle(ctx)
	if err != nil {
		return err
	}
	r := result{Corosync: o.build, Count: map[corosyncconf.Refusal]int{}}
	if j.Time != nil {
		if r.Took, err = o.time(ctx, j.Time, j.N); err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(r)
	}
	for i := 0; i < j.N; i += j.Step {
		if err := o.question(ctx, &r, j.From+i, generate(j.Seed, j.From+i, j.Confs)); err != nil {
			return fmt.Errorf("number %d: %w", j.From+i, err)
		}
	}
	for i := j.From; i < len(j.Again); i += j.Step {
		if err := o.repeat(ctx, &r, i, j.Again[i]); err != nil {
			return fmt.Errorf("number %d: %w", i, err)
		}
	}
	return json.NewEncoder(out).Encode(r)
}

// time is how long corosync takes to accept a configuration of node1 so many times.
func (o *oracle) time(ctx context.Context, conf []byte, times int) (time.Duration, error) {
	begin := time.Now()
	for range times {
		v, output, err := o.ask(ctx, conf, "node1")
		if err != nil {
			return 0, err
		}
		if v.By != corosyncconf.Accepted {
			return 0, fmt.Errorf("corosync says %s: %s", v, output)
		}
	}
	return time.Since(begin), nil
}

// question asks both, and adds to the result what they differ on.
func (o *oracle) question(ctx context.Context, r *result, number int, q question) error {
	theirs, _, err := o.ask(ctx, q.Conf, q.Hostname)
	if err != nil {
		return err
	}
	r.Count[theirs.By]++
	v, _ := ours(q.Conf, world(o.build, q.Hostname))
	if agree(q.Conf, theirs, v, o.old()) {
		return nil
	}
	if q.Conf, err = o.shrink(ctx, q, theirs, v); err != nil {
		return err
	}
	theirs, output, err := o.ask(ctx, q.Conf, q.Hostname)
	if err != nil {
		return err
	}
	v, findings := ours(q.Conf, world(o.build, q.Hostname))
	d := difference{Number: number, question: q, Theirs: theirs, Ours: v, Output: output}
	for _, x := range findings {
		d.Findings = append(d.Findings, fmt.Sprintf("%d:%d: %s [%s] %s", x.Line, x.Col, x.Code, x.RefusedBy, x.Message))
	}
	r.Differ = append(r.Differ, d)
	return nil
}

// repeat asks corosync what it was asked before, and adds to the result what it
// says otherwise. A crash need not repeat itself.
func (o *oracle) repeat(ctx context.Context, r *result, number int, a answered) error {
	if a.Version != o.Version || a.Theirs.By == crash {
		return nil
	}
	theirs, output, err := o.ask(ctx, a.Conf, a.Hostname)
	if err != nil {
		return err
	}
	r.Count[theirs.By]++
	if v, _ := ours(a.Conf, world(o.build, a.Hostname)); theirs != a.Theirs && !v.Undefined {
		r.Differ = append(r.Differ, difference{Number: number, question: a.question, Theirs: theirs, Ours: a.Theirs, Output: output})
	}
	return nil
}

// shrink takes lines out of a configuration as long as the two differ about it
// in the same way.
func (o *oracle) shrink(ctx context.Context, q question, theirs, v verdict) ([]byte, error) {
	lines := bytes.SplitAfter(q.Conf, []byte("\n"))
	for size := len(lines) / 2; size > 0; {
		smaller := false
		for i := 0; i+size <= len(lines); {
			less := slices.Concat(lines[:i:i], lines[i+size:])
			conf := bytes.Join(less, nil)
			t, _, err := o.ask(ctx, conf, q.Hostname)
			if err != nil {
				return nil, err
			}
			now, _ := ours(conf, world(o.build, q.Hostname))
			if t.By == theirs.By && now.By == v.By && !agree(conf, t, now, o.old()) {
				lines, smaller = less, true
			} else {
				i++
			}
		}
		if !smaller {
			size /= 2
		}
	}
	return bytes.Join(lines, nil), nil
}
