package ssh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// maxStartups is how many handshakes one address gets at a time. sshd begins to drop connections at random when ten
// have not logged in yet (sshd_config(5), MaxStartups).
const maxStartups = 8

// maxHandshakes is how many handshakes there are at a time. Each takes some milliseconds of a processor here and some
// round trips: these keep the processors busy, and hundreds at once would each take as long as all together.
const maxHandshakes = 64

// maxRetries is how often a connection that sshd dropped is tried again.
const maxRetries = 5

// address is where e is, as net.Dial takes it.
func (e Endpoint) address() string { return net.JoinHostPort(e.HostName, strconv.Itoa(e.Port)) }

// attempt connects to dest and logs in.
func (d *Dialer) attempt(ctx context.Context, name, dest string) (*Client, *DialError) {
	e, err := d.endpoint(dest, false)
	if err != nil {
		return nil, &DialError{Target: name, Address: dest, Stage: StageResolve, Err: err}
	}
	route, err := d.route(e)
	if err != nil {
		return nil, &DialError{Target: name, Address: dest, Stage: StageJump, Err: err}
	}
	return d.follow(ctx, name, route)
}

// follow connects to the last endpoint of route through those before it.
func (d *Dialer) follow(ctx context.Context, name string, route []Endpoint) (*Client, *DialError) {
	e, hops := route[len(route)-1], route[:len(route)-1]
	var via *Client
	if e.ProxyCommand != "" {
		return nil, &DialError{Target: name, Address: e.address(), Stage: StageJump,
			Err: &hint{errors.New("ssh_config has a ProxyCommand for it, which is not supported"), "use ProxyJump, or -J HOST"}}
	}
	if len(hops) > 0 {
		hop := hops[len(hops)-1]
		key := "jump"
		for _, h := range hops {
			key += "\x00" + h.User + "@" + h.address()
		}
		var err error
		via, err = d.share(ctx, key, func(ctx context.Context) (*Client, error) {
			client, err := d.follow(ctx, hop.Host, hops)
			if err != nil {
				return nil, err
			}
			return client, nil
		})
		if err != nil {
			return nil, &DialError{Target: name, Address: hop.address(), Stage: StageJump, Err: err}
		}
	}

	for wait, try := d.timing.retry, 0; ; wait, try = 2*wait, try+1 {
		client, stage, err := d.connect(ctx, e, via)
		if err == nil {
			client.name, client.address = name, e.User+"@"+e.address()
			client.traffic = d.trafficOf(name)
			client.traffic.connections.Add(1)
			d.log.Debug("connected", "target", name, "address", client.address, "jumps", len(hops))
			return client, nil
		}
		if stage == StageHandshake && dropped(err) && try < maxRetries && ctx.Err() == nil {
			d.log.Debug("dropped by sshd, trying again", "target", name, "address", e.address(), "error", err)
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
			continue
		}
		if stage == StageHandshake && dropped(err) {
			err = &hint{fmt.Errorf("it closes the connection: %w", err),
				"its sshd may have too many logins under way (MaxStartups) or not want our address: see its log"}
		}
		address := e.address()
		if stage == StageAuth {
			address = e.User + "@" + address
		}
		return nil, &DialError{Target: name, Address: address, Stage: stage, Err: err}
	}
}

// dropped reports whether err is a connection that the other side closed, as sshd does with more than MaxStartups.
func dropped(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// connect makes one attempt to connect to e, through via unless that is nil. With an error it says how far it got.
func (d *Dialer) connect(ctx context.Context, e Endpoint, via *Client) (*Client, Stage, error) {
	var at atomic.Value // Stage; handshakes run in goroutines of their own
	at.Store(StageResolve)
	if via != nil {
		at.Store(StageTCP)
		var cancel context.CancelFunc
		ctx, cancel = via.during(ctx)
		defer cancel()
	}
	fail := func(err error) (*Client, Stage, error) {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, at.Load().(Stage), err
	}

	leave, err := d.enter(ctx, e, via)
	if err != nil {
		return fail(err)
	}
	defer leave()

	var conn net.Conn
	if via != nil {
		conn, err = via.ssh.DialContext(ctx, "tcp", e.address())
		if refused, ok := errors.AsType[*gossh.OpenChannelError](err); ok {
			if refused.Reason == gossh.Prohibited {
				at.Store(StageJump)
			}
			err = fmt.Errorf("from jump host %s: %s", via.name, refused.Message)
		}
	} else {
		dialer := net.Dialer{
			// The context has no deadline, without which one address of a name that is silent would use up all the time.
			Timeout:  d.opts.ConnectTimeout,
			Resolver: d.resolver,
			ControlContext: func(context.Context, string, string, syscall.RawConn) error {
				at.Store(StageTCP)
				return nil
			},
		}
		conn, err = dialer.DialContext(ctx, "tcp", e.address())
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err // the rest is in the DialError
		}
		if slow, ok := errors.AsType[net.Error](err); ok && slow.Timeout() {
			err = fmt.Errorf("%w: %w", ErrTimeout, err)
		}
	}
	if err != nil {
		return fail(err)
	}

	at.Store(StageHandshake)
	if err := d.queue(ctx); err != nil {
		conn.Close()
		return fail(err)
	}
	defer func() { <-d.handshakes }()
	hosts, err := readKnownHosts(d.knownHostsFiles(e), e.hostNames())
	if err != nil {
		conn.Close()
		return fail(err)
	}
	var offered []offer
	var notes []string
	algorithms := gossh.SupportedAlgorithms() // the library's own defaults have some that are insecure
	config := &gossh.ClientConfig{
		Config: gossh.Config{KeyExchanges: algorithms.KeyExchanges, Ciphers: algorithms.Ciphers, MACs: algorithms.MACs},
		User:   e.User,
		// One method for all keys: a second one of the same kind would not be tried.
		Auth: []gossh.AuthMethod{gossh.PublicKeysCallback(func() (signers []gossh.Signer, err error) {
			offered, notes = d.offers(e)
			for _, o := range offered {
				signers = append(signers, o.signer)
			}
			return signers, nil
		})},
		HostKeyAlgorithms: hosts.algorithms(e.hostNames()),
		HostKeyCallback: func(_ string, _ net.Addr, key gossh.PublicKey) error {
			at.Store(StageHostKey)
			err := d.verifyHost(e, key)
			if err == nil {
				at.Store(StageAuth)
			}
			return err
		},
	}
	// Close and not SetDeadline, which a tunnelled connection does not have.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	// An agent may hang in a way that closing the connection does not end.
	shaken, err := await(ctx, func() (c connection, err error) {
		if c.Conn, c.channels, c.requests, err = gossh.NewClientConn(conn, e.address(), config); err != nil {
			return c, cmp.Or(errors.Unwrap(err), err) // without "ssh: handshake failed", which a DialError says better
		}
		return c, nil
	}, connection.drop)
	if err == nil && !stop() {
		shaken.drop()
		err = ctx.Err()
	}
	if err != nil {
		if ctx.Err() == nil && at.Load() == StageAuth {
			err = loginError(e, offered, notes, err)
		}
		return fail(err)
	}
	return newClient(d, shaken), "", nil
}

// loginError makes sense of an error of the library after the host key was verified, which has no type.
func loginError(e Endpoint, offered []offer, notes []string, err error) error {
	for _, text := range []string{"unable to authenticate", "ssh: disconnect", "no common public key"} {
		if strings.Contains(err.Error(), text) {
			return authError(e, offered, notes, err)
		}
	}
	return err
}

// enter waits for one of the places that the address of e has for handshakes.
func (d *Dialer) enter(ctx context.Context, e Endpoint, via *Client) (leave func(), err error) {
	key := e.address()
	if via != nil {
		key = via.address + " " + key
	}
	d.mu.Lock()
	gate := d.gates[key]
	if gate == nil {
		gate = make(chan struct{}, maxStartups)
		d.gates[key] = gate
	}
	d.mu.Unlock()
	select {
	case gate <- struct{}{}:
		return func() { <-gate }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// queue waits for a place among the handshakes, for which a dial has the time that others take.
func (d *Dialer) queue(ctx context.Context) (err error) {
	select {
	case d.handshakes <- struct{}{}:
		return nil
	default:
	}
	ctx.Value(queueKey{}).(*stopwatch).pause(func() {
		select {
		case d.handshakes <- struct{}{}:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	})
	return err
}

// await returns what f returns, or when ctx ends the cause of that: then what f still makes is dropped.
func await[T any](ctx context.Context, f func() (T, error), drop func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	results := make(chan result, 1)
	go func() {
		value, err := f()
		results <- result{value, err}
	}()
	select {
	case r := <-results:
		return r.value, r.err
	case <-ctx.Done():
		go func() {
			if r := <-results; r.err == nil {
				drop(r.value)
			}
		}()
		var none T
		return none, context.Cause(ctx)
	}
}
