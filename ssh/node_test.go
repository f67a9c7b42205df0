//go:build linux && node

package ssh_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clusterctl/internal/lab"
	"clusterctl/ssh"
)

// beside makes this test binary carry out one of the parts below, which the
// test starts inside the lab, beside the nodes.
const beside = "CLUSTERCTL_TEST_BESIDE"

func TestMain(m *testing.M) {
	part := os.Getenv(beside)
	if part == "" {
		os.Exit(m.Run())
	}
	if err := parts[part](context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// What only a real sshd shows: there, ending a session or a connection does not
// end what runs in it.
func TestNodeSSHD(t *testing.T) {
	l := lab.Start(t, lab.Options{Nodes: 1, Links: 1})
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"cancel", "timeout", "close", "die", "busy"} {
		t.Run(part, func(t *testing.T) {
			cmd := l.Command(t.Context(), exe)
			cmd.Env = append(cmd.Env, beside+"="+part, "EXE="+exe)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func dialN1(ctx context.Context) (*ssh.Dialer, *ssh.Client, *ssh.Shell, error) {
	d, err := ssh.NewDialer(ssh.Options{ConfigFiles: []string{filepath.Join(os.Getenv("HOME"), ".ssh", "config")}})
	if err != nil {
		return nil, nil, nil, err
	}
	c, err := d.Dial(ctx, ssh.Target{Name: "n1"})
	if err != nil {
		return nil, nil, nil, err
	}
	s, err := c.Shell(ctx)
	return d, c, s, err
}

const takeLock = `exec 9<>/run/test-lock; flock -n 9`

// lockable waits until another shell can take the lock.
func lockable(ctx context.Context) error {
	d, _, s, err := dialN1(ctx)
	if err != nil {
		return err
	}
	defer d.Close()
	for range 100 {
		res, err := s.Run(ctx, ssh.Command{Script: "flock -n /run/test-lock true"})
		if err != nil {
			return err
		}
		if res.Status == 0 {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("the lock is not let go")
}

// lockIsHeld tells whether somebody holds the lock.
func lockIsHeld(ctx context.Context) (bool, error) {
	d, _, s, err := dialN1(ctx)
	if err != nil {
		return false, err
	}
	defer d.Close()
	res, err := s.Run(ctx, ssh.Command{Script: "flock -n /run/test-lock true"})
	return res.Status != 0, err
}

var parts = map[string]func(context.Context) error{
	// A cancelled Run returns; the command goes on, and the next Run waits for it.
	"cancel": func(ctx context.Context) error {
		d, _, s, err := dialN1(ctx)
		if err != nil {
			return err
		}
		defer d.Close()
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		if _, err := s.Run(short, ssh.Command{Script: "sleep 1; echo done >/run/test-cancel"}); !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("cancelled Run: %v", err)
		}
		res, err := s.Run(ctx, ssh.Command{Script: "cat /run/test-cancel"})
		if err != nil || strings.TrimSpace(string(res.Stdout)) != "done" {
			return fmt.Errorf("the command did not go on: %q, %v", res.Stdout, err)
		}
		return nil
	},
	// A command that takes too long is ended on the node.
	"timeout": func(ctx context.Context) error {
		d, _, s, err := dialN1(ctx)
		if err != nil {
			return err
		}
		defer d.Close()
		res, err := s.Run(ctx, ssh.Command{Script: "exec sleep 654", Timeout: time.Second})
		if err != nil || res.Status != 124 {
			return fmt.Errorf("status %d, %v", res.Status, err)
		}
		if res, err = s.Run(ctx, ssh.Command{Script: "pgrep -f 'sleep 65[4]'"}); err != nil || res.Status != 1 {
			return fmt.Errorf("the command lives: %s %v", res.Stdout, err)
		}
		return nil
	},
	// The lock is free when the shell is closed.
	"close": func(ctx context.Context) error {
		d, _, s, err := dialN1(ctx)
		if err != nil {
			return err
		}
		defer d.Close()
		if res, err := s.Run(ctx, ssh.Command{Script: takeLock, InShell: true}); err != nil || res.Status != 0 {
			return fmt.Errorf("take lock: %d, %v", res.Status, err)
		}
		if held, err := lockIsHeld(ctx); err != nil || !held {
			return fmt.Errorf("the lock is not held: %v", err)
		}
		if err := s.Close(); err != nil {
			return err
		}
		return lockable(ctx)
	},
	// The lock is free soon after the client dies without a word.
	"die": func(ctx context.Context) error {
		if os.Getenv("DIE") != "" {
			_, _, s, err := dialN1(ctx)
			if err != nil {
				return err
			}
			if res, err := s.Run(ctx, ssh.Command{Script: takeLock, InShell: true}); err != nil || res.Status != 0 {
				return fmt.Errorf("take lock: %d, %v", res.Status, err)
			}
			p, err := os.FindProcess(os.Getpid())
			if err != nil {
				return err
			}
			return p.Kill()
		}
		p, err := os.StartProcess(os.Getenv("EXE"), []string{"test"}, &os.ProcAttr{Env: append(os.Environ(), "DIE=1"), Files: []*os.File{nil, os.Stdout, os.Stderr}})
		if err != nil {
			return err
		}
		state, err := p.Wait()
		if err != nil || state.Exited() {
			return fmt.Errorf("the client did not die as it should: %v %v", state, err)
		}
		return lockable(ctx)
	},
	// A command that still runs when its client is gone keeps the lock until it is done.
	"busy": func(ctx context.Context) error {
		d, c, s, err := dialN1(ctx)
		if err != nil {
			return err
		}
		defer d.Close()
		if res, err := s.Run(ctx, ssh.Command{Script: takeLock, InShell: true}); err != nil || res.Status != 0 {
			return fmt.Errorf("take lock: %d, %v", res.Status, err)
		}
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		_, _ = s.Run(short, ssh.Command{Script: "sleep 2; echo done >/run/test-busy"})
		if err := c.Close(); err != nil {
			return err
		}
		if held, err := lockIsHeld(ctx); err != nil || !held {
			return fmt.Errorf("the lock is not held while the command runs: %v", err)
		}
		if err := lockable(ctx); err != nil {
			return err
		}
		d2, _, s2, err := dialN1(ctx)
		if err != nil {
			return err
		}
		defer d2.Close()
		if res, err := s2.Run(ctx, ssh.Command{Script: "cat /run/test-busy"}); err != nil || strings.TrimSpace(string(res.Stdout)) != "done" {
			return fmt.Errorf("the lock was free before the command was done: %q, %v", res.Stdout, err)
		}
		return nil
	},
}
