//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
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
		for range looks {
			before, err := b.sshd(ctx, nodes)
			if err != nil {
				return err
			}
			if err := b.measure(ctx, named("status"), s, nil, func(ctx context.Context) error { return work.status(ctx, nodes) }); err != nil {
				return err
			}
			after, err := b.sshd(ctx, nodes)
			if err != nil {
				return err
			}
			b.note(named("status")+", sshd", s, after-before)
		}
		if err := b.change(ctx, named("conf set"), s, nil, func(ctx context.Context) error { return work.confSet(ctx, nodes) }); err != nil {
			return err
		}
	}
	return nil
}

// sshd is the CPU time that sshd has used on nodes so far, on all together: above all that of handshakes. What it does
// in a session counts for that.
func (b *bench) sshd(ctx context.Context, nodes []*lab.Node) (time.Duration, error) {
	var sum time.Duration
	for _, n := range nodes {
		out, err := n.Run(ctx, "systemctl show -P CPUUsageNSec ssh")
		if err != nil {
			return 0, err
		}
		used, err := time.ParseDuration(strings.TrimSpace(out) + "ns")
		if err != nil {
			return 0, fmt.Errorf("%s: CPU time of sshd: %w", n.Name(), err)
		}
		sum += used
	}
	return sum, nil
}

// printScale writes what clusters of different sizes cost. What sshd burns on all nodes at once is theirs where each is
// a machine of its own; here they share the processors.
func (r *report) printScale(out io.Writer) error {
	fmt.Fprintf(out, "%s\n\n", r.Machine)
	cpus := runtime.NumCPU()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "NODES\tCREATE\tITS FLOOR\tCONF SET\tITS FLOOR\tSTATUS\tSSHD'S CPU, BY %d\tSTATUS WITHOUT IT\n", cpus)
	at := func(what string, s side, n int) float64 {
		return median(r.times[fmt.Sprintf(what, n)][s]).Seconds()
	}
	without := map[int]float64{}
	for _, n := range sizes {
		status, burnt := at("status of %d", clusterctl, n), at("status of %d, sshd", clusterctl, n)/float64(cpus)
		without[n] = status - burnt
		fmt.Fprintf(w, "%d\t%.2f s\t%.2f s\t%.2f s\t%.2f s\t%.2f s\t%.2f s\t%.2f s\n", n, at("create of %d", clusterctl, n), at("create of %d", floor, n),
			at("conf set of %d", clusterctl, n), at("conf set of %d", floor, n), status, burnt, status-burnt)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nBeyond the CPU that sshd burns, a status of 16 nodes takes %.2f times as long as one of 3.\n", without[16]/without[3])
	return err
}
