package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// Host is a machine on which shells can be opened: a *Client, or Local.
type Host interface {
	Name() string
	Shell(ctx context.Context) (*Shell, error)
	Program(ctx context.Context, script string, args ...string) (*Program, error)
	Close() error
}

// maxSessions is how many shells and programs a connection carries at a time; sshd refuses an eleventh (sshd_config(5), MaxSessions).
const maxSessions = 8

// Client is a connection to a target. It is safe for concurrent use.
type Client struct {
	name, address string // address is user@host:port
	ssh           *gossh.Client
	dialer        *Dialer
	traffic       *traffic
	sessions      chan struct{} // one element for each shell and program
	gone          chan struct{} // closed when the connection has ended

	mu  sync.Mutex
	why error // the reason, if we know better than "EOF"
}

// connection is one whose handshake is done, with what the other side asks for.
type connection struct {
	gossh.Conn
	channels <-chan gossh.NewChannel
	requests <-chan *gossh.Request
}

// refuse refuses what the other side asks for, until the connection has ended: sshd's keepalives, since "no" is an
// answer too, and channels, of which it has none to open.
func (c connection) refuse() {
	for c.channels != nil || c.requests != nil {
		select {
		case channel, open := <-c.channels:
			if !open {
				c.channels = nil
				continue
			}
			_ = channel.Reject(gossh.UnknownChannelType, "not wanted here")
		case request, open := <-c.requests:
			if !open {
				c.requests = nil
				continue
			}
			_ = request.Reply(false, nil)
		}
	}
}

// drop closes a connection that nobody wants any more.
func (c connection) drop() {
	go c.refuse() // or what was asked for would keep it
	c.Close()
}

// newClient does with one goroutine what gossh.NewClient and a wait for the end take four for. Each keeps a stack of
// some kilobytes, and there are hundreds of connections: so what is done now and then is done by timers, too.
func newClient(d *Dialer, conn connection) *Client {
	c := &Client{ssh: &gossh.Client{Conn: conn.Conn}, dialer: d, sessions: make(chan struct{}, maxSessions), gone: make(chan struct{})}
	alive := again(d.timing.keepalive, func() bool { return c.keepAlive(d.timing.dead) })
	go func() {
		conn.refuse()
		err := conn.Wait()
		if err == nil || errors.Is(err, io.EOF) {
			err = errors.New("closed by the other side")
		}
		c.giveUp(err)
		close(c.gone)
		alive.Stop()
		d.forget(c)
	}()
	return c
}

// again calls f each time that every has passed, as long as it returns true and the timer is not stopped.
func again(every time.Duration, f func() bool) *time.Timer {
	var mu sync.Mutex // of t, which a short time could call f before
	mu.Lock()
	defer mu.Unlock()
	var t *time.Timer
	t = time.AfterFunc(every, func() {
		if f() {
			mu.Lock()
			defer mu.Unlock()
			t.Reset(every)
		}
	})
	return t
}

// Name returns the target's name.
func (c *Client) Name() string { return c.name }

// Address returns user@host:port of the address that won the dial.
func (c *Client) Address() string { return c.address }

// Close ends the connection, for everyone who shares it. Commands that run go on running.
func (c *Client) Close() error {
	c.giveUp(errors.New("closed"))
	return nil
}

// giveUp closes the connection for the reason why, unless that has happened already.
func (c *Client) giveUp(why error) {
	c.mu.Lock()
	if c.why == nil {
		c.why = why
	}
	c.mu.Unlock()
	c.ssh.Close()
}

func (c *Client) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

func (c *Client) lost() bool { return c.reason() != nil }

// during returns a context that ends with the connection too. Of what is asked for at the moment in which a connection
// ends the library may await the answer for ever.
func (c *Client) during(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-c.gone:
			cancel(fmt.Errorf("%w: %s: %w", ErrLost, c.address, c.reason()))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// keepAlive closes the connection when the other side does not answer within the time dead. TCP alone would take a
// quarter of an hour to notice. It returns whether to go on.
func (c *Client) keepAlive(dead time.Duration) bool {
	late := time.AfterFunc(dead, func() { c.giveUp(fmt.Errorf("no sign of life for %v", dead)) })
	defer late.Stop()
	if _, _, err := c.ssh.SendRequest("keepalive@openssh.com", true, nil); err != nil { // any answer will do; "no" is the usual one
		c.giveUp(err)
		return false
	}
	return true
}

// Shell opens a shell, under sudo if the Options say so. It waits while the connection has as many as it can carry.
// An error is a DialError, or the context's.
func (c *Client) Shell(ctx context.Context) (s *Shell, err error) {
	err = c.open(ctx, func(ctx context.Context, p *process, sudo bool) error {
		s, err = startShell(ctx, c.name, p, c.dialer.timing, sudo, c.reason, c.traffic)
		return err
	})
	return s, err
}

// Program starts a script for bash with its $1, $2, ..., in a session of its own, which counts as a shell.
func (c *Client) Program(ctx context.Context, script string, args ...string) (pr *Program, err error) {
	err = c.open(ctx, func(ctx context.Context, p *process, sudo bool) error {
		pr, err = newProgram(ctx, p, script, args, sudo)
		return err
	})
	return pr, err
}

// open starts bash, under sudo if the Options say so, and gives it to start.
func (c *Client) open(ctx context.Context, start func(context.Context, *process, bool) error) error {
	select {
	case c.sessions <- struct{}{}:
	case <-c.gone:
		return c.shellError(fmt.Errorf("%w: %w", ErrLost, c.reason()))
	case <-ctx.Done():
		return fmt.Errorf("%s: open shell: %w", c.name, ctx.Err())
	}
	leave := sync.OnceFunc(func() { <-c.sessions })
	limited, cancel := c.dialer.withTimeout(ctx)
	defer cancel()
	limited, cancel = c.during(limited)
	defer cancel()
	user, _, _ := strings.Cut(c.address, "@")
	sudo := c.dialer.opts.Sudo && user != "root"
	p, err := await(limited, func() (*process, error) { return c.start(bootstrap(sudo), leave) }, func(p *process) { p.close() })
	if err == nil {
		if err = start(limited, p, sudo); err == nil {
			return nil
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: open shell: %w", c.name, ctx.Err())
	}
	return c.shellError(err)
}

func (c *Client) shellError(err error) error {
	return &DialError{Target: c.name, Address: c.address, Stage: StageShell, Err: err}
}

// start starts command in a session of its own; leave is called when that has ended.
func (c *Client) start(command string, leave func()) (*process, error) {
	session, err := c.ssh.NewSession()
	if err != nil {
		leave()
		if refused, ok := errors.AsType[*gossh.OpenChannelError](err); ok {
			return nil, &hint{fmt.Errorf("sshd refused another session: %s", refused.Message), "raise MaxSessions in its sshd_config"}
		}
		c.giveUp(err)
		return nil, fmt.Errorf("%w: %w", ErrLost, err)
	}
	c.traffic.sessions.Add(1)
	p := &process{stderr: &tail{}, close: func() {
		go func() { // for it blocks when nobody reads at the other end
			session.Close()
			leave()
		}()
	}}
	session.Stderr = p.stderr
	var errIn, errOut error
	p.stdin, errIn = session.StdinPipe()
	p.stdout, errOut = session.StdoutPipe()
	if err := errors.Join(errIn, errOut, session.Start(command)); err != nil {
		p.close()
		return nil, err
	}
	p.wait = func() int {
		err := session.Wait()
		if exit, ok := errors.AsType[*gossh.ExitError](err); ok {
			return exit.ExitStatus()
		}
		if err != nil {
			return -1
		}
		return 0
	}
	return p, nil
}

// process is a running bootstrap command.
type process struct {
	stdin  io.WriteCloser
	stdout io.Reader
	stderr *tail
	wait   func() int // waits for its end and returns the exit status, -1 if there is none
	close  func()     // lets go of it, running or not, at once
}

// tail is a writer that keeps the last few KiB. It reads by itself, or each
// session would hold io.Copy's 32 KiB.
type tail struct {
	mu   sync.Mutex
	data []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if over := len(t.data) - 4096; over > 0 {
		t.data = t.data[over:]
	}
	return len(p), nil
}

// ReadFrom writes what r has.
func (t *tail) ReadFrom(r io.Reader) (n int64, err error) {
	for buf := make([]byte, 512); ; {
		m, err := r.Read(buf)
		n += int64(m)
		_, _ = t.Write(buf[:m])
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.data))
}
