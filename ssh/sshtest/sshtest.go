// Package sshtest is an SSH server for tests. It listens on loopback, and what it is asked to execute it really
// executes, with the bash of the machine that the test runs on. Like sshd it leaves a command running when the
// connection ends, so that promises about that can be tested.
package sshtest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	gossh "golang.org/x/crypto/ssh"
)

// Config says how a Server behaves. The zero Config logs nobody in.
type Config struct {
	HostKeys    []gossh.Signer    // one of ed25519 if there are none; may be certificates
	Authorized  []gossh.PublicKey // keys that may log in, as any user
	Authorities []gossh.PublicKey // certificates signed by these may log in, as their principals
	MaxAuth     int               // keys heard before the connection is ended, sshd's MaxAuthTries; 0 is 6
	MaxSessions int               // sessions at a time on a connection, sshd's MaxSessions; 0 is 10
	DropFirst   int               // connections to close before a word is said, as sshd does beyond MaxStartups
	NoForward   bool              // refuse to be a jump host
	Env         []string          // for commands, besides the environment of the test
	Login       []string          // the login shell, a command is its last argument; empty is "bash", "-c"
	Hang        Hang              // where to fall silent

	// Execute, where it is set, executes commands in place of a login shell, and
	// returns their exit status.
	Execute func(command string, stdin io.Reader, stdout, stderr io.Writer) uint32
}

// Hang is a point from which a Server says nothing any more on a connection.
type Hang int

// The points.
const (
	Never     Hang = iota
	AfterTCP       // the connection is accepted
	AtAuth         // the host key is verified, the client asks to log in
	AtSession      // a session is asked for
	AtExec         // a command is to be executed
)

// Server is a running server. Its methods may be called at any time.
type Server struct {
	config   Config
	server   *gossh.ServerConfig
	hostKeys []gossh.Signer
	listener net.Listener
	done     chan struct{}
	wg       sync.WaitGroup

	mu     sync.Mutex
	conns  map[*conn]bool
	frozen bool

	accepted, sessions, handshakes, mostHandshakes atomic.Int64
}

// New starts a Server, which ends with the test.
func New(tb testing.TB, config Config) *Server {
	tb.Helper()
	s, err := Start(config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// Start starts a Server, which ends with Close.
func Start(config Config) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if len(config.HostKeys) == 0 {
		key, _, err := generate()
		if err != nil {
			return nil, errors.Join(err, listener.Close())
		}
		config.HostKeys = []gossh.Signer{key}
	}
	if len(config.Login) == 0 {
		config.Login = []string{"bash", "-c"}
	}
	if config.MaxSessions == 0 {
		config.MaxSessions = 10
	}
	if config.MaxAuth == 0 {
		config.MaxAuth = 6
	}
	s := &Server{config: config, hostKeys: config.HostKeys, listener: listener, done: make(chan struct{}), conns: map[*conn]bool{}}
	checker := gossh.CertChecker{
		IsUserAuthority: func(key gossh.PublicKey) bool { return contains(config.Authorities, key) },
		UserKeyFallback: func(_ gossh.ConnMetadata, key gossh.PublicKey) (*gossh.Permissions, error) {
			if contains(config.Authorized, key) {
				return nil, nil
			}
			return nil, errors.New("not authorised")
		},
	}
	s.server = &gossh.ServerConfig{MaxAuthTries: config.MaxAuth, PublicKeyCallback: func(meta gossh.ConnMetadata, key gossh.PublicKey) (*gossh.Permissions, error) {
		if config.Hang == AtAuth {
			<-s.done
		}
		return checker.Authenticate(meta, key)
	}}
	for _, key := range config.HostKeys {
		s.server.AddHostKey(key)
	}
	s.wg.Go(s.accept)
	return s, nil
}

// Close ends the server and all connections.
func (s *Server) Close() {
	close(s.done)
	s.listener.Close()
	s.Drop()
	s.wg.Wait()
}

// NewKey returns a new ed25519 key.
func NewKey(tb testing.TB) gossh.Signer {
	tb.Helper()
	signer, _, err := generate()
	if err != nil {
		tb.Fatal(err)
	}
	return signer
}

// WriteIdentity writes a new private key to a file, for -i, and returns the key
// to authorise.
func WriteIdentity(file string) (gossh.PublicKey, error) {
	signer, private, err := generate()
	if err != nil {
		return nil, err
	}
	block, err := gossh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	return signer.PublicKey(), os.WriteFile(file, pem.EncodeToMemory(block), 0o600)
}

func generate() (gossh.Signer, ed25519.PrivateKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	signer, err := gossh.NewSignerFromKey(private)
	return signer, private, err
}

// Addr returns the server's address, host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Port returns the number of the server's port.
func (s *Server) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// KnownHosts returns lines for a known_hosts file, one for each host key.
func (s *Server) KnownHosts() string {
	var b bytes.Buffer
	for _, key := range s.hostKeys {
		fmt.Fprintf(&b, "[127.0.0.1]:%d %s", s.Port(), gossh.MarshalAuthorizedKey(key.PublicKey()))
	}
	return b.String()
}

// Connections returns how many connections have been accepted.
func (s *Server) Connections() int { return int(s.accepted.Load()) }

// Sessions returns how many sessions have been opened.
func (s *Server) Sessions() int { return int(s.sessions.Load()) }

// MostHandshakes returns how many connections have been in their handshake at a time.
func (s *Server) MostHandshakes() int { return int(s.mostHandshakes.Load()) }

// Drop closes all connections.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// Freeze makes all connections, those there are and those to come, as if the network were cut: nothing that is sent
// arrives, in either direction, and nobody is told.
func (s *Server) Freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = true
	for c := range s.conns {
		c.freeze()
	}
}

func (s *Server) accept() {
	for {
		tcp, err := s.listener.Accept()
		if err != nil {
			return
		}
		if s.accepted.Add(1) <= int64(s.config.DropFirst) {
			tcp.Close()
			continue
		}
		c := &conn{Conn: tcp, frozen: make(chan struct{}), closed: make(chan struct{})}
		s.mu.Lock()
		s.conns[c] = true
		if s.frozen || s.config.Hang == AfterTCP {
			c.freeze()
		}
		s.mu.Unlock()
		s.wg.Go(func() {
			defer func() {
				c.Close()
				s.mu.Lock()
				delete(s.conns, c)
				s.mu.Unlock()
			}()
			s.serve(c)
		})
	}
}

func (s *Server) serve(c *conn) {
	now := s.handshakes.Add(1)
	for most := s.mostHandshakes.Load(); now > most && !s.mostHandshakes.CompareAndSwap(most, now); most = s.mostHandshakes.Load() {
	}
	over := sync.OnceFunc(func() { s.handshakes.Add(-1) })
	config := *s.server
	config.AuthLogCallback = func(_ gossh.ConnMetadata, _ string, err error) {
		if err == nil {
			over() // before the client is told, which then begins the next one
		}
	}
	ssh, channels, requests, err := gossh.NewServerConn(c, &config)
	over()
	if err != nil {
		return
	}
	defer ssh.Close()
	s.wg.Go(func() { gossh.DiscardRequests(requests) })
	var open atomic.Int64
	for request := range channels {
		switch request.ChannelType() {
		case "session":
			if s.config.Hang == AtSession {
				continue
			}
			if open.Add(1) > int64(s.config.MaxSessions) {
				open.Add(-1)
				request.Reject(gossh.ConnectionFailed, "open failed")
				continue
			}
			s.sessions.Add(1)
			s.wg.Go(func() {
				defer open.Add(-1)
				s.session(request)
			})
		case "direct-tcpip":
			s.wg.Go(func() { s.forward(request) })
		default:
			request.Reject(gossh.UnknownChannelType, "")
		}
	}
}

func (s *Server) session(request gossh.NewChannel) {
	channel, requests, err := request.Accept()
	if err != nil {
		return
	}
	defer channel.Close()
	for r := range requests {
		var payload struct{ Command string }
		if r.Type != "exec" || gossh.Unmarshal(r.Payload, &payload) != nil {
			r.Reply(false, nil)
			continue
		}
		if s.config.Hang == AtExec {
			continue
		}
		r.Reply(true, nil)
		s.wg.Go(func() { gossh.DiscardRequests(requests) })
		status := s.execute(channel, payload.Command)
		channel.SendRequest("exit-status", false, gossh.Marshal(struct{ Status uint32 }{status}))
		return
	}
}

// execute runs command as sshd does without a terminal: over pipes, which are closed with the channel. It returns when
// the command has ended and nobody has its output open any more.
func (s *Server) execute(channel gossh.Channel, command string) uint32 {
	if s.config.Execute != nil {
		return s.config.Execute(command, channel, channel, channel.Stderr())
	}
	args := append(append([]string{}, s.config.Login[1:]...), command)
	cmd := exec.Command(s.config.Login[0], args...)
	cmd.Env = append(os.Environ(), s.config.Env...)
	var pipes [3][2]*os.File
	for i := range pipes {
		var err error
		if pipes[i][0], pipes[i][1], err = os.Pipe(); err != nil {
			return 255
		}
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = pipes[0][0], pipes[1][1], pipes[2][1]
	err := cmd.Start()
	pipes[0][0].Close()
	pipes[1][1].Close()
	pipes[2][1].Close()
	s.wg.Go(func() {
		io.Copy(pipes[0][1], channel)
		pipes[0][1].Close()
	})
	if err != nil {
		fmt.Fprintln(channel.Stderr(), err)
		pipes[1][0].Close()
		pipes[2][0].Close()
		return 127
	}
	var output sync.WaitGroup
	for i, to := range []io.Writer{1: channel, 2: channel.Stderr()} {
		if to != nil {
			output.Go(func() {
				io.Copy(to, pipes[i][0])
				pipes[i][0].Close()
			})
		}
	}
	output.Wait()
	cmd.Wait()
	return uint32(cmd.ProcessState.ExitCode())
}

// forward makes the server a jump host.
func (s *Server) forward(request gossh.NewChannel) {
	var to struct {
		Host   string
		Port   uint32
		Origin string
		From   uint32
	}
	if s.config.NoForward || gossh.Unmarshal(request.ExtraData(), &to) != nil {
		request.Reject(gossh.Prohibited, "administratively prohibited")
		return
	}
	out, err := net.Dial("tcp", net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port))))
	if err != nil {
		request.Reject(gossh.ConnectionFailed, "Connection refused")
		return
	}
	defer out.Close()
	channel, requests, err := request.Accept()
	if err != nil {
		return
	}
	defer channel.Close()
	s.wg.Go(func() { gossh.DiscardRequests(requests) })
	s.wg.Go(func() {
		io.Copy(out, channel)
		out.Close()
	})
	io.Copy(channel, out)
}

// conn is a connection that can be frozen.
type conn struct {
	net.Conn
	once           sync.Once
	closeOnce      sync.Once
	frozen, closed chan struct{}
}

func (c *conn) freeze() { c.once.Do(func() { close(c.frozen) }) }

func (c *conn) Close() error {
	c.closeOnce.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// wait blocks while the connection is frozen.
func (c *conn) wait() {
	select {
	case <-c.frozen:
		<-c.closed
	default:
	}
}

func (c *conn) Read(p []byte) (int, error) {
	c.wait()
	n, err := c.Conn.Read(p)
	c.wait() // what arrives after the cut is lost
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	c.wait()
	return c.Conn.Write(p)
}

func contains(keys []gossh.PublicKey, key gossh.PublicKey) bool {
	for _, k := range keys {
		if bytes.Equal(k.Marshal(), key.Marshal()) {
			return true
		}
	}
	return false
}
