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

func (l *local) Shell(ctx context.Context) (s *Shell, err error) {
	err = l.open(ctx, func(ctx context.Context, p *process) error {
		s, err = startShell(ctx, l.name, p, l.timing, l.sudo, func() error { return nil }, &traffic{})
		return err
	})
	return s, err
}

func (l *local) Program(ctx context.Context, script string, args ...string) (pr *Program, err error) {
	err = l.open(ctx, func(ctx context.Context, p *process) error {
		pr, err = newProgram(ctx, p, script, args, l.sudo)
		return err
	})
	return pr, err
}

// open starts bash and gives it to start.
func (l *local) open(ctx context.Context, start func(context.Context, *process) error) error {
	limited, cancel := context.WithTimeoutCause(ctx, 10*time.Second, ErrTimeout)
	defer cancel()
	p, err := l.start()
	if err == nil {
		if err = start(limited, p); err == nil {
			return nil
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: open shell: %w", l.name, ctx.Err())
	}
	return &DialError{Target: l.name, Address: "this machine", Stage: StageShell, Err: err}
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
