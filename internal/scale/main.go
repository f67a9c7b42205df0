//go:build linux

// Scale measures what clusterctl costs on clusters of up to as many nodes as corosync takes. It is no test and promises
// nothing. clusterctl is the real one, in a process of its own; the nodes are SSH servers that answer as nodes do, at
// once, so that what is measured is clusterctl and not corosync.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	nodes := flag.String("n", "2,8,32,128,384", "`how many` nodes, several with commas")
	links := flag.Int("links", 2, "`how many` links the nodes have")
	repetitions := flag.Int("r", 3, "`how often` everything is done; of times the median counts, of memory the most")
	tool := flag.String("clusterctl", "bin/clusterctl", "the `program` to measure")
	asJSON := flag.String("json", "", "`file` for the results as JSON, besides the table")
	keep := flag.String("keep", "", "`folder` for what clusterctl prints; default: it is thrown away")
	dir := flag.String("serve", "", "be the nodes, which are reached as files in the `folder` say")
	flag.Parse()
	sizes, err := numbers(*nodes)
	switch {
	case err != nil:
	case *dir != "":
		err = serve(*dir, sizes[0], *links)
	default:
		err = run(sizes, *links, *repetitions, *tool, *keep, *asJSON)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func numbers(text string) ([]int, error) {
	var all []int
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-n %s: use numbers of 1 or more", text)
		}
		all = append(all, n)
	}
	return all, nil
}

// cost is what one command costs.
type cost struct {
	Command     string  `json:"command"`
	Nodes       int     `json:"nodes"`
	Links       int     `json:"links"`
	Wall        float64 `json:"wall_s"`
	CPU         float64 `json:"cpu_s"`      // of clusterctl, user and system
	CPUPerNode  float64 `json:"cpu_node_s"` // ... for each node
	Memory      float64 `json:"peak_mb"`    // resident, 1 MB = 10^6 bytes
	Connections float64 `json:"connections_node"`
	Sessions    float64 `json:"sessions_node"`
	Output      int     `json:"output_bytes"`
}

func run(sizes []int, links, repetitions int, tool, keep, asJSON string) error {
	tool, err := filepath.Abs(tool)
	if err != nil {
		return err
	}
	if repetitions < 1 {
		return fmt.Errorf("-r %d: use 1 or more", repetitions)
	}
	var all []cost
	for _, size := range sizes {
		costs := map[string][]cost{}
		var order []string
		for i := range repetitions {
			b := &bench{tool: tool, nodes: size, links: links, keep: keep}
			cs, err := b.live(i)
			if err != nil {
				return fmt.Errorf("%d nodes: %w", size, err)
			}
			order = nil
			for _, c := range cs {
				order = append(order, c.Command)
				costs[c.Command] = append(costs[c.Command], c)
			}
		}
		for _, command := range order {
			all = append(all, middle(costs[command]))
		}
	}
	if asJSON != "" {
		text, err := json.MarshalIndent(map[string]any{"schema": 1, "processors": runtime.NumCPU(), "costs": all}, "", "  ")
		if err == nil {
			err = os.MkdirAll(filepath.Dir(asJSON), 0o755)
		}
		if err == nil {
			err = os.WriteFile(asJSON, append(text, '\n'), 0o644)
		}
		if err != nil {
			return fmt.Errorf("write the results: %w", err)
		}
	}
	return print(all)
}

// middle is the one of cs with the median of time, and the most of memory.
func middle(cs []cost) cost {
	memory := slices.MaxFunc(cs, func(a, b cost) int { return cmp.Compare(a.Memory, b.Memory) }).Memory
	slices.SortFunc(cs, func(a, b cost) int { return cmp.Compare(a.CPU, b.CPU) })
	c := cs[len(cs)/2]
	slices.SortFunc(cs, func(a, b cost) int { return cmp.Compare(a.Wall, b.Wall) })
	c.Wall, c.Memory = cs[len(cs)/2].Wall, memory
	return c
}

func print(all []cost) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "command\tnodes\twall\tCPU\tCPU/node\tpeak memory\tconnections/node\toutput\t")
	last := ""
	slices.SortStableFunc(all, func(a, b cost) int { return strings.Compare(a.Command, b.Command) })
	for _, c := range all {
		if last != "" && last != c.Command {
			fmt.Fprintln(w, "\t\t\t\t\t\t\t\t")
		}
		last = c.Command
		fmt.Fprintf(w, "%s\t%d\t%.2f s\t%.2f s\t%.1f ms\t%.0f MB\t%.2f\t%.0f kB\t\n",
			c.Command, c.Nodes, c.Wall, c.CPU, 1000*c.CPUPerNode, c.Memory, c.Connections, float64(c.Output)/1000)
	}
	return w.Flush()
}

// bench is a cluster that is to be, and clusterctl's surroundings.
type bench struct {
	tool, dir, keep string
	nodes, links    int
	server          *server
}

// live takes a cluster through create, status and conf set.
func (b *bench) live(turn int) (all []cost, err error) {
	if b.dir, err = os.MkdirTemp("", "clusterctl-scale-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if b.server, err = startServer(b.dir, b.nodes, b.links); err != nil {
		return nil, fmt.Errorf("start the nodes: %w", err)
	}
	defer func() { err = errors.Join(err, b.server.close()) }()

	create := []string{"create", "scale", "-i", b.file("id"), "-F", b.file("ssh_config"), "--known-hosts", b.file("known_hosts")}
	for i := range b.nodes {
		create = append(create, fmt.Sprintf("node%03d", i+1))
	}
	for link := range b.links {
		create = append(create, "--link", fmt.Sprintf("%d=10.%d.0.0/16", link, 80+link))
	}
	for _, args := range [][]string{
		create,
		{"status"},
		{"status", "-o", "json"},
		{"conf", "set", "totem.token", strconv.Itoa(5000 + turn)},
	} {
		name := strings.TrimSuffix(strings.Join(args[:min(3, len(args))], " "), " totem.token")
		if args[0] == "create" {
			name = "create"
		}
		c, err := b.measure(name, args)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

func (b *bench) file(name string) string { return filepath.Join(b.dir, name) }

// measure runs a command with as many open files as a shell commonly allows. What it prints goes to a file: Linux counts
// the memory of who starts a program as that program's (exec_mmap), so that this one must stay the smaller one.
func (b *bench) measure(name string, args []string) (c cost, err error) {
	before, err := b.server.counts()
	if err != nil {
		return cost{}, err
	}
	cmd := exec.Command("sh", append([]string{"-c", `ulimit -n 1024 && exec "$0" "$@"`, b.tool}, args...)...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "SSH_") }), "HOME="+b.dir, "XDG_CONFIG_HOME="+b.dir)
	out, err := os.Create(filepath.Join(cmp.Or(b.keep, b.dir), fmt.Sprintf("%s-%d.txt", strings.ReplaceAll(name, " ", "-"), b.nodes)))
	if err != nil {
		return cost{}, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	cmd.Stdout, cmd.Stderr = out, out
	began := time.Now()
	if err := cmd.Run(); err != nil {
		text := make([]byte, 3000)
		n, _ := out.ReadAt(text, 0)
		return cost{}, fmt.Errorf("clusterctl %s: %w\n%s", name, err, text[:n])
	}
	wall := time.Since(began)
	printed, err := out.Stat()
	if err != nil {
		return cost{}, err
	}
	after, err := b.server.counts()
	if err != nil {
		return cost{}, err
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	n := float64(b.nodes)
	return cost{
		Command: name, Nodes: b.nodes, Links: b.links,
		Wall: wall.Seconds(), CPU: cpu.Seconds(), CPUPerNode: cpu.Seconds() / n,
		Memory:      float64(usage.Maxrss) * 1024 / 1e6,
		Connections: float64(after.Connections-before.Connections) / n, Sessions: float64(after.Sessions-before.Sessions) / n,
		Output: int(printed.Size()),
	}, nil
}
