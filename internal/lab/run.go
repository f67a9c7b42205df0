//go:build linux

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// programs are what the lab needs of its host, with the Debian package each comes in.
var programs = []struct{ name, pkg string }{
	{"debootstrap", "debootstrap"}, {"systemd-nspawn", "systemd-container"}, {"ip", "iproute2"}, {"nft", "nftables"},
	{"ssh", "openssh-client"}, {"ssh-keygen", "openssh-client"}, {"nsenter", "util-linux"}, {"unshare", "util-linux"},
}

// searchPath is $PATH and the directories of system programs, which a root shell from su(1) lacks.
func searchPath() string {
	return os.Getenv("PATH") + ":/usr/local/sbin:/usr/sbin:/sbin"
}

// missing are the packages whose programs are not installed.
func missing() []string {
	var pkgs []string
	for _, p := range programs {
		if !installed(p.name) && !slices.Contains(pkgs, p.pkg) {
			pkgs = append(pkgs, p.pkg)
		}
	}
	return pkgs
}

func installed(program string) bool {
	for _, dir := range filepath.SplitList(searchPath()) {
		if info, err := os.Stat(filepath.Join(dir, program)); err == nil && info.Mode()&0o111 != 0 {
			return true
		}
	}
	return false
}

// join is how a shell begins that is to be in the control group of its first argument: from there on, with its children.
// It is done this way, not with clone3's CLONE_INTO_CGROUP, because Linux kills every process cloned into a group that was
// ever killed before (seen on 6.18: the check of cgroup.kill's sequence number takes the parent's group for the child's).
const join = `echo 0 > "$0/cgroup.procs" || exit; `

// joined is the command that runs a script as a member of the group, in a process group of its own that ends with ctx.
func joined(ctx context.Context, g group, script string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", join + script, string(g)}, args...)...)
	cmd.Env = append(os.Environ(), "PATH="+searchPath())
	return grouped(cmd)
}

// grouped makes cmd lead a process group that is killed as a whole: programs like nsenter fork, and a child that is left
// would keep the output open.
func grouped(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	return cmd
}

// output runs cmd and returns what it wrote to standard output. The error of one that fails begins with what, which says
// in short what the command was for, and ends with the last lines that it wrote.
func output(cmd *exec.Cmd, what string) (string, error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w%s", what, err, tail(errs.String()+out.String()))
	}
	return out.String(), nil
}

// tail is the end of what a command wrote, as an error message continues with it.
func tail(text string) string {
	const most = 12
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if lines[0] == "" {
		return ""
	}
	return ": " + strings.Join(lines[max(0, len(lines)-most):], "\n\t")
}

// await polls until done says so, or until ctx ends: then it says for what it waited.
func await(ctx context.Context, what string, done func() (bool, error)) error {
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, context.Cause(ctx))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// lockDir makes a directory if need be and holds its lock until the file is closed or the process ends.
func lockDir(ctx context.Context, dir string) (*os.File, error) {
	for {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		f, err := os.Open(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		err = await(ctx, "the lock of "+dir, func() (bool, error) {
			err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return false, nil
			}
			return err == nil, err
		})
		if err != nil {
			f.Close()
			return nil, err
		}
		// Whoever had the lock may have removed the directory, and another may have made it anew.
		locked, err := f.Stat()
		if now, err2 := os.Stat(dir); err == nil && err2 == nil && os.SameFile(locked, now) {
			return f, nil
		}
		f.Close()
	}
}
