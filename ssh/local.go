package ssh

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

// Local returns the machine we are on as a Host called name: the same shells, without SSH. With sudo they run under
// `sudo -n`, unless we are root.
func Local(name string, sudo bool) Host {
	return &local{name: name, sudo: sudo && os.Geteuid() != 0, timing: defaultTiming()}
}

type local struct {
	name   string
	sudo   bool
	timing timing
}

func (l *local) Name() string { return l.name }

func (l *local) Close() error { return nil }

func (l *local) Shell(ctx context.Context) (*Shell, error) {
	limited, cancel := context.WithTimeoutCause(ctx, 10*time.Second, ErrTimeout)
	defer cancel()
	p, err := l.start()
	if err == nil {
		var s *Shell
		if s, err = startShell(limited, l.name, p, l.timing, l.sudo, func() error { return nil }); err == nil {
			return s, nil
		}
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: open shell: %w", l.name, ctx.Err())
	}
	return nil, &DialError{Target: l.name, Address: "this machine", Stage: StageShell, Err: err}
}

func (l *local) start() (*process, error) {
	cmd := exec.Command("sh", "-c", bootstrap(l.sudo))
	cmd.SysProcAttr = ownSession() // ^C on the terminal is for us to handle, not for the commands we run
	p := &process{stderr: &tail{}}
	cmd.Stderr = p.stderr
	var errIn error
	p.stdin, errIn = cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	p.stdout = out
	if err := errors.Join(errIn, errOut, cmd.Start()); err != nil {
		return nil, err
	}
	p.wait = sync.OnceValue(func() int {
		_ = cmd.Wait()
		return cmd.ProcessState.ExitCode()
	})
	p.close = func() {
		p.stdin.Close()
		out.Close() // or an answer that nobody reads would keep the shell
		go p.wait()
	}
	return p, nil
}
