//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
	"time"

	"clusterctl/internal/lab"
)

// sizes are those of the clusters of --scale.
var sizes = []int{2, 3, 4, 8, 16}

// grow makes a cluster of each size, looks at it and changes it.
func (b *bench) grow(ctx context.Context, s side) error {
	work := b.worker(s)
	for _, n := range sizes {
		nodes := b.Nodes()[:n]
		if err := work.fresh(ctx, b.Nodes()); err != nil {
			return err
		}
		named := func(what string) string { return fmt.Sprintf("%s of %d", what, n) }
		create := func(ctx context.Context) error { return work.create(ctx, nodes) }
		if err := b.change(ctx, named("create"), s, nil, create); err != nil {
			return err
		}
		status := func(ctx context.Context) error { return work.status(ctx, nodes) }
		if err := b.burn(ctx, named("status"), s, nodes, status); err != nil {
			return err
		}
		if s == floor {
			login := func(ctx context.Context) error {
				return (&floorWorker{bench: b}).run(ctx, same(nodes, "true", none))
			}
			if err := b.burn(ctx, named("login"), s, nodes, login); err != nil {
				return err
			}
		}
		if err := b.change(ctx, named("conf set"), s, nil, func(ctx context.Context) error { return work.confSet(ctx, nodes) }); err != nil {
			return err
		}
	}
	return nil
}

// burn measures something several times, and what processor time it takes on the nodes: all of it, and sshd's.
func (b *bench) burn(ctx context.Context, what string, s side, nodes []*lab.Node, do func(context.Context) error) error {
	for range looks {
		before, err := b.used(ctx, nodes)
		if err != nil {
			return err
		}
		if err := b.measure(ctx, what, s, nil, do); err != nil {
			return err
		}
		after, err := b.used(ctx, nodes)
		if err != nil {
			return err
		}
		b.note(what+onNodes, s, after.all-before.all)
		b.note(what+ofSSHD, s, after.sshd-before.sshd)
	}
	return nil
}

// What processor time was used for: what is noted beside the time that passed.
const (
	onNodes = ", CPU of the nodes"
	ofSSHD  = ", CPU of sshd"
)

// use is the processor time that nodes have used so far, all together. That of sshd has what runs in its sessions.
type use struct{ all, sshd time.Duration }

func (b *bench) used(ctx context.Context, nodes []*lab.Node) (use, error) {
	var sum use
	for _, n := range nodes {
		out, err := n.Run(ctx, "cd /sys/fs/cgroup && sed -n 's/^usage_usec //p' cpu.stat system.slice/ssh.service/cpu.stat")
		if err != nil {
			return use{}, err
		}
		var all, sshd int64
		if _, err := fmt.Sscan(out, &all, &sshd); err != nil {
			return use{}, fmt.Errorf("%s: processor time: %w", n.Name(), err)
		}
		sum.all += time.Duration(all) * time.Microsecond
		sum.sshd += time.Duration(sshd) * time.Microsecond
	}
	return sum, nil
}

// printScale writes what clusters of different sizes cost. What nodes burn at once is theirs where each is a machine of
// its own; here they share the processors.
func (r *report) printScale(out io.Writer) error {
	fmt.Fprintf(out, "%s\n\n", r.Machine)
	at := func(what string, s side, n int) float64 {
		return median(r.times[fmt.Sprintf(what, n)][s]).Seconds()
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NODES\tCREATE\tITS FLOOR\tCONF SET\tITS FLOOR")
	for _, n := range sizes {
		fmt.Fprintf(w, "%d\t%.2f s\t%.2f s\t%.2f s\t%.2f s\n", n, at("create of %d", clusterctl, n), at("create of %d", floor, n),
			at("conf set of %d", clusterctl, n), at("conf set of %d", floor, n))
	}
	cpus := float64(runtime.NumCPU())
	fmt.Fprintf(w, "\nNODES\tSTATUS\tBEYOND SSHD\tBEYOND THE NODES\tITS FLOOR\tBEYOND SSHD\tBEYOND THE NODES\tSSHD, BY %.0f\n", cpus)
	beyond := map[side]map[int]float64{clusterctl: {}, floor: {}}
	for _, n := range sizes {
		sshd := at("login of %d"+ofSSHD, floor, n) / cpus
		fmt.Fprintf(w, "%d", n)
		for _, s := range []side{clusterctl, floor} {
			took := at("status of %d", s, n)
			beyond[s][n] = took - sshd
			fmt.Fprintf(w, "\t%.2f s\t%.2f s\t%.2f s", took, beyond[s][n], took-at("status of %d"+onNodes, s, n)/cpus)
		}
		fmt.Fprintf(w, "\t%.2f s\n", sshd)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	times := func(s side) float64 { return beyond[s][16] / beyond[s][3] }
	_, err := fmt.Fprintf(out, "\nBeyond the processor time of sshd, which is that of a login which does nothing, a status of 16 nodes takes %.2f times as long as one of 3, and its floor %.2f times.\n",
		times(clusterctl), times(floor))
	return err
}
