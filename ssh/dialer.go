// Package ssh reaches machines and runs scripts on them. A Dialer connects as ssh(1) would, with its configuration,
// keys, agent and jump hosts, and with nothing but verified host keys. On a connection, or on the machine we are on, a
// Shell runs one script after another: it can hold a lock, and it ends when we are gone.
package ssh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh/agent"
)

// Options say how hosts are reached. They are the flags of ssh(1), and what they leave open ssh_config says.
type Options struct {
	ConfigFiles    []string      // -F: read instead of ~/.ssh/config and /etc/ssh/ssh_config; what the first says counts
	Identities     []string      // -i: key files, offered before any other key, to jump hosts too
	Jump           string        // -J: jump hosts, [user@]host[:port], separated by commas
	Login          string        // -l: user for destinations that name none
	KnownHosts     []string      // read instead of ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts
	AcceptNew      bool          // add an unknown host key to the first known_hosts file; a changed one is still refused
	Sudo           bool          // run everything under `sudo -n`, unless logged in as root
	ConnectTimeout time.Duration // for a whole Dial, and for starting a shell; 0 is 10 s

	// Passphrase asks for a passphrase; nil when there is nobody to ask. The time it takes does not count as
	// ConnectTimeout. It is never called twice at the same time.
	Passphrase func(prompt string) ([]byte, error)
	Log        *slog.Logger // may be nil
	Home       string       // what ~ stands for; "" is os.UserHomeDir
}

// timing holds the intervals that tests shorten.
type timing struct {
	keepalive  time.Duration // between signs of life that are asked of a connection
	dead       time.Duration // without an answer to one a connection is given up
	heartbeat  time.Duration // between signs of life that are given to a shell
	silence    time.Duration // without one a shell ends itself; whole seconds
	headStart  time.Duration // of a target's address before the next one is tried too
	retry      time.Duration // before a connection that sshd dropped is tried again, doubled each time
	closeGrace time.Duration // for a shell to end before its session is closed
}

func defaultTiming() timing {
	return timing{
		keepalive:  5 * time.Second,
		dead:       10 * time.Second,
		heartbeat:  10 * time.Second,
		silence:    30 * time.Second,
		headStart:  time.Second,
		retry:      200 * time.Millisecond,
		closeGrace: 2 * time.Second,
	}
}

// Dialer connects to hosts and keeps the connections: one for each target, and one for each jump host, however many
// targets are behind it. It is safe for concurrent use.
type Dialer struct {
	opts      Options
	log       *slog.Logger
	localUser string
	config    []configFile
	timing    timing
	resolver  *net.Resolver // nil for the system's
	stopwatch stopwatch
	asking    sync.Mutex // held while someone is asked for a passphrase

	ctx    context.Context // of everything that outlives the call that began it; ended by Close
	cancel context.CancelFunc
	dials  sync.WaitGroup

	mu         sync.Mutex
	closed     bool
	flights    map[string]*flight
	gates      map[string]chan struct{}
	handshakes chan struct{} // one element for each handshake
	identities map[string]*identity
	agents     map[string]agent.ExtendedAgent
	traffic    map[string]*traffic
	agentConns []io.Closer

	knownHostsMu sync.Mutex
}

// errClosed is the cause when a Dialer is closed during a dial.
var errClosed = errors.New("dialer closed")

// NewDialer reads the ssh_config files and returns a Dialer that has not connected to anything. It fails when a file
// named in opts cannot be read or an ssh_config cannot be parsed.
func NewDialer(opts Options) (*Dialer, error) {
	if opts.Home == "" {
		opts.Home, _ = os.UserHomeDir() // without one, files below it are not found
	}
	if opts.ConnectTimeout == 0 {
		opts.ConnectTimeout = 10 * time.Second
	}
	d := &Dialer{
		opts:       opts,
		log:        opts.Log,
		localUser:  localUser(),
		timing:     defaultTiming(),
		stopwatch:  stopwatch{began: time.Now()},
		flights:    map[string]*flight{},
		gates:      map[string]chan struct{}{},
		handshakes: make(chan struct{}, maxHandshakes),
		identities: map[string]*identity{},
		agents:     map[string]agent.ExtendedAgent{},
		traffic:    map[string]*traffic{},
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())

	dir := filepath.Join(opts.Home, ".ssh")
	for _, name := range opts.ConfigFiles {
		f, err := readConfig(expandHome(name, opts.Home), dir, opts.Home, 0)
		if err != nil {
			return nil, fmt.Errorf("read ssh config: %w", err)
		}
		d.config = append(d.config, f)
	}
	if len(opts.ConfigFiles) == 0 {
		for _, name := range []string{filepath.Join(dir, "config"), filepath.Join(systemDir(), "ssh_config")} {
			f, err := readConfig(name, filepath.Dir(name), opts.Home, 0)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("read ssh config: %w", err)
			}
			d.config = append(d.config, f)
		}
	}
	for _, file := range opts.Identities {
		if id := d.identity(expandHome(file, opts.Home)); id.public == nil {
			return nil, fmt.Errorf("read identity: %s", id.why)
		}
	}
	return d, nil
}

func localUser() string {
	name := cmp.Or(os.Getenv("USER"), os.Getenv("USERNAME"))
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return name[strings.LastIndexByte(name, '\\')+1:] // DOMAIN\user on Windows
}

// Close ends dials that are under way and closes all connections. Commands that run go on running.
func (d *Dialer) Close() error {
	d.mu.Lock()
	d.closed = true
	flights, agents := d.flights, d.agentConns
	d.flights, d.agentConns = map[string]*flight{}, nil
	d.mu.Unlock()

	d.cancel()
	for _, a := range agents {
		a.Close()
	}
	d.dials.Wait()
	for _, f := range flights {
		if f.client != nil {
			f.client.Close()
		}
	}
	return nil
}

// Target is a machine to connect to.
type Target struct {
	Name      string   // what messages call it
	Addresses []string // [user@]host[:port], in order of preference; none is the same as Name
}

// Dial returns a connection to t. Calls for an equal target share one for as long as it lives. Addresses are tried in
// their order: the next one once the last has failed, or has had a second; the first to log in wins. Everything, down
// to the last jump host, has one ConnectTimeout.
//
// Host keys are always verified with known_hosts, whatever StrictHostKeyChecking says. Keys are the only way to log in.
// An error is a DialError, or the context's.
func (d *Dialer) Dial(ctx context.Context, t Target) (*Client, error) {
	if len(t.Addresses) == 0 {
		t.Addresses = []string{t.Name}
	}
	key := strings.Join(slices.Concat([]string{"target", t.Name}, t.Addresses), "\x00")
	client, err := d.share(ctx, key, func(ctx context.Context) (*Client, error) { return d.race(ctx, t) })
	if _, ok := errors.AsType[*DialError](err); err != nil && !ok {
		return nil, fmt.Errorf("%s: connect: %w", t.Name, cmp.Or(ctx.Err(), err))
	}
	return client, err
}

// flight is a dial and what became of it.
type flight struct {
	done   chan struct{}
	client *Client
	err    error
}

// over reports whether another dial is due: this one has failed, or its connection has since been lost.
func (f *flight) over() bool {
	select {
	case <-f.done:
		return f.err != nil || f.client.lost()
	default:
		return false
	}
}

// share returns the connection of key, and dials if there is none. Concurrent callers share one dial, and its failure;
// it goes on when the caller that began it gives up.
func (d *Dialer) share(ctx context.Context, key string, dial func(context.Context) (*Client, error)) (*Client, error) {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil, errClosed
	}
	f := d.flights[key]
	if f == nil || f.over() {
		f = &flight{done: make(chan struct{})}
		d.flights[key] = f
		d.dials.Go(func() {
			defer close(f.done)
			ctx, cancel := d.withTimeout(d.ctx)
			defer cancel()
			f.client, f.err = dial(ctx)
		})
	}
	d.mu.Unlock()
	select {
	case <-f.done:
		return f.client, f.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// forget lets go of a connection that has ended, and so of its buffers.
func (d *Dialer) forget(c *Client) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.flights, func(_ string, f *flight) bool { return f.over() && f.client == c })
}

// race dials the addresses of t.
func (d *Dialer) race(ctx context.Context, t Target) (*Client, error) {
	type result struct {
		client *Client
		err    *DialError
		index  int
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan result)
	started, running := 0, 0
	start := func() {
		index, address := started, t.Addresses[started]
		started, running = started+1, running+1
		d.dials.Go(func() {
			client, err := d.attempt(ctx, t.Name, address)
			results <- result{client, err, index}
		})
	}
	start()

	failed := make([]*DialError, len(t.Addresses))
	var won *Client
	for running > 0 {
		var next <-chan time.Time
		if started < len(t.Addresses) && won == nil && ctx.Err() == nil {
			next = time.After(d.timing.headStart)
		}
		select {
		case <-next:
			start()
		case r := <-results:
			running--
			failed[r.index] = r.err
			switch {
			case r.err == nil && won == nil:
				won = r.client
				cancel() // the others
			case r.err == nil:
				r.client.Close()
			case won == nil && started < len(t.Addresses) && ctx.Err() == nil:
				start()
			}
		}
	}
	if won != nil {
		return won, nil
	}
	failed = slices.DeleteFunc(failed, func(e *DialError) bool { return e == nil })
	slices.SortStableFunc(failed, func(a, b *DialError) int { return b.Stage.rank() - a.Stage.rank() })
	failed[0].Others = failed[1:]
	return nil, failed[0]
}

// stopwatch tells the time, but stands still in pauses.
type stopwatch struct {
	began time.Time

	mu      sync.Mutex
	pausing int           // who is in a pause
	since   time.Time     // the beginning of the pause, while there is one
	paused  time.Duration // in pauses that are over
}

func (w *stopwatch) now() time.Duration { return time.Since(w.began) - w.stood() }

// stood is for how long the stopwatch has stood still.
func (w *stopwatch) stood() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pausing > 0 {
		return w.paused + time.Since(w.since)
	}
	return w.paused
}

// pause runs f while the stopwatch stands still.
func (w *stopwatch) pause(f func()) {
	w.mu.Lock()
	if w.pausing++; w.pausing == 1 {
		w.since = time.Now()
	}
	w.mu.Unlock()
	f()
	w.mu.Lock()
	if w.pausing--; w.pausing == 0 {
		w.paused += time.Since(w.since)
	}
	w.mu.Unlock()
}

// queueKey is the context's key of the stopwatch that pauses while a dial waits for its turn.
type queueKey struct{}

// withTimeout ends ctx after ConnectTimeout, with ErrTimeout as the cause. Time in which someone is asked for a passphrase
// does not count, nor does that in which the dial waits for others of ours.
func (d *Dialer) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	queue := &stopwatch{began: time.Now()}
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, queueKey{}, queue))
	deadline := d.stopwatch.now() + d.opts.ConnectTimeout
	go func() {
		for left := d.opts.ConnectTimeout; left > 0; left = deadline + queue.stood() - d.stopwatch.now() {
			select {
			case <-time.After(max(left, 10*time.Millisecond)):
			case <-ctx.Done():
				return
			}
		}
		cancel(fmt.Errorf("%w: waited %v", ErrTimeout, d.opts.ConnectTimeout))
	}()
	return ctx, func() { cancel(nil) }
}
