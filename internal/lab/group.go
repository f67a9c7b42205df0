//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// group is a control group of the version 2 hierarchy: its directory, wherever the machine has that hierarchy mounted.
// Only what every such group can do without a controller is used: killing and freezing all processes in it.
type group string

// cgroupMount is where the machine has the version 2 hierarchy: /sys/fs/cgroup, or below it beside version 1.
func cgroupMount() (group, error) {
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[2] == "cgroup2" {
			return group(fields[1]), nil
		}
	}
	return "", errors.New("no cgroup2 file system is mounted on this machine: the lab needs one (mount -t cgroup2 cgroup2 DIRECTORY)")
}

func (g group) file(name string) string {
	return filepath.Join(string(g), name)
}

func (g group) child(name string) group {
	return group(g.file(name))
}

func (g group) exists() bool {
	_, err := os.Stat(string(g))
	return err == nil
}

// write sets one of the group's files. They are there or not: os.WriteFile would try to make one.
func (g group) write(name, value string) error {
	f, err := os.OpenFile(g.file(name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// pids are the processes in the group and all below it.
func (g group) pids() []int {
	var pids []int
	_ = filepath.WalkDir(string(g), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil // groups come and go while one looks
		}
		data, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		for field := range strings.FieldsSeq(string(data)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids
}

// is reports whether cgroup.events has the key as 1: populated, or frozen.
func (g group) is(key string) bool {
	data, _ := os.ReadFile(g.file("cgroup.events"))
	return strings.Contains(string(data), key+" 1")
}

// kill ends every process in the group and below, frozen ones too, and returns when none is left.
func (g group) kill(ctx context.Context) error {
	if !g.is("populated") {
		return nil
	}
	if err := g.write("cgroup.kill", "1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return await(ctx, "the end of the processes in "+string(g), func() (bool, error) { return !g.is("populated"), nil })
}

// freeze stops every process in the group and below, or lets all run on.
func (g group) freeze(ctx context.Context, on bool) error {
	value := "0"
	if on {
		value = "1"
	}
	if err := g.write("cgroup.freeze", value); err != nil {
		return err
	}
	return await(ctx, "processes to freeze or thaw in "+string(g), func() (bool, error) { return g.is("frozen") == on, nil })
}

// destroy ends every process in the group and below and takes the groups away. A process that joined meanwhile is ended
// too; one that joins later finds no group to join.
func (g group) destroy(ctx context.Context) error {
	return await(ctx, "control group "+string(g)+" to go", func() (bool, error) {
		if err := g.kill(ctx); err != nil {
			return false, err
		}
		var dirs []string
		_ = filepath.WalkDir(string(g), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, dir := range slices.Backward(dirs) {
			err := os.Remove(dir)
			switch {
			case errors.Is(err, syscall.EBUSY):
				return false, nil
			case err != nil && !errors.Is(err, fs.ErrNotExist):
				return false, err
			}
		}
		return true, nil
	})
}

// awaitBurial waits until the processes, which have ended, are out of the process table too. That is init's doing when
// their parents ended before them. Most inits do it at once; one that takes its time gets some.
func awaitBurial(ctx context.Context, pids []int) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	_ = await(ctx, "init", func() (bool, error) { return !slices.ContainsFunc(pids, isZombie), nil })
}

func isZombie(pid int) bool {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return strings.Contains(string(data), "\nState:\tZ")
}
