//go:build unix

package ssh_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"clusterctl/ssh"
	"clusterctl/ssh/sshtest"
	gossh "golang.org/x/crypto/ssh"
)

// newKeyFile writes a new private key, encrypted unless passphrase is empty, and returns its name and public half.
func newKeyFile(t *testing.T, name, passphrase string) (string, gossh.PublicKey) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := gossh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	var block *pem.Block
	if passphrase == "" {
		block, err = gossh.MarshalPrivateKey(private, "")
	} else {
		block, err = gossh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, name, string(pem.EncodeToMemory(block)))
	return name, signer.PublicKey()
}

// newDialer returns a Dialer that knows servers, has no agent, and whose home is empty.
func newDialer(t *testing.T, opts ssh.Options, servers ...*sshtest.Server) *ssh.Dialer {
	t.Helper()
	if opts.Home == "" {
		opts.Home = t.TempDir()
	}
	if opts.KnownHosts == nil {
		known := filepath.Join(t.TempDir(), "known_hosts")
		lines := ""
		for _, s := range servers {
			lines += s.KnownHosts()
		}
		write(t, known, lines)
		opts.KnownHosts = []string{known}
	}
	if opts.ConfigFiles == nil {
		config := filepath.Join(t.TempDir(), "config")
		write(t, config, "IdentityAgent none\n")
		opts.ConfigFiles = []string{config}
	}
	d, err := ssh.NewDialer(opts)
	if err != nil {
		t.Fatal(err)
	}
	ssh.SetRetry(d, time.Millisecond)
	t.Cleanup(func() { d.Close() })
	return d
}

// dialError fails the test unless err is a DialError of n1 at stage.
func dialError(t *testing.T, err error, stage ssh.Stage) *ssh.DialError {
	t.Helper()
	e, ok := errors.AsType[*ssh.DialError](err)
	if !ok || e.Target != "n1" || e.Stage != stage {
		t.Fatalf("error %v, want a DialError of n1 at stage %s", err, stage)
	}
	return e
}

func TestCallersShareOneConnection(t *testing.T) {
	d, server := connected(t, sshtest.Config{}, ssh.Options{Login: "admin"})
	clients := make([]*ssh.Client, 20)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() { clients[i] = dial(t, d, server) })
	}
	wg.Wait()
	for _, c := range clients {
		if c != clients[0] {
			t.Fatal("not the same Client")
		}
	}
	if n := server.Connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	if want := "admin@" + server.Addr(); clients[0].Name() != "n1" || clients[0].Address() != want {
		t.Errorf("name %s, address %s, want n1, %s", clients[0].Name(), clients[0].Address(), want)
	}
}

func TestALostConnectionIsMadeAnew(t *testing.T) {
	for name, lose := range map[string]func(*ssh.Client, *sshtest.Server){
		"closed":  func(c *ssh.Client, _ *sshtest.Server) { c.Close() },
		"dropped": func(_ *ssh.Client, s *sshtest.Server) { s.Drop() },
	} {
		t.Run(name, func(t *testing.T) {
			d, server := connected(t, sshtest.Config{}, ssh.Options{})
			client := dial(t, d, server)
			lose(client, server)
			eventually(t, "the loss is noticed", func() bool {
				_, err := client.Shell(t.Context())
				return errors.Is(err, ssh.ErrLost)
			})
			openShell(t, dial(t, d, server))
		})
	}
}

// silent is an address that answers nothing, not even to refuse: the queue of its listener is full.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) })
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		c, err := net.DialTimeout("tcp", l.Addr().String(), 100*time.Millisecond)
		if err != nil {
			return l.Addr().String()
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatal("the queue does not fill")
	return ""
}

func TestEveryStageHasTheTimeout(t *testing.T) {
	t.Parallel()
	black := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	key, public := newKeyFile(t, filepath.Join(t.TempDir(), "key"), "")
	hang := func(at sshtest.Hang) *sshtest.Server {
		return sshtest.New(t, sshtest.Config{Hang: at, Authorized: []gossh.PublicKey{public}})
	}
	works := hang(sshtest.Never)
	mute, noAuth, noSession, noExec := hang(sshtest.AfterTCP), hang(sshtest.AtAuth), hang(sshtest.AtSession), hang(sshtest.AtExec)
	for _, tt := range []struct {
		name    string
		address string
		jump    string
		stage   ssh.Stage
	}{
		{"resolve", "n1.example", "", ssh.StageResolve},
		{"tcp", silent(t), "", ssh.StageTCP},
		{"handshake", mute.Addr(), "", ssh.StageHandshake},
		{"auth", noAuth.Addr(), "", ssh.StageAuth},
		{"session", noSession.Addr(), "", ssh.StageShell},
		{"exec", noExec.Addr(), "", ssh.StageShell},
		{"jump host", works.Addr(), mute.Addr(), ssh.StageJump},
		{"jump host that opens no tunnel", silent(t), works.Addr(), ssh.StageTCP},
		{"handshake behind a jump host", mute.Addr(), works.Addr(), ssh.StageHandshake},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newDialer(t, ssh.Options{ConnectTimeout: 300 * time.Millisecond, Identities: []string{key}, Jump: tt.jump},
				works, mute, noAuth, noSession, noExec)
			ssh.SetResolver(d, black)
			c, err := d.Dial(t.Context(), ssh.Target{Name: "n1", Addresses: []string{tt.address}})
			if err == nil {
				_, err = c.Shell(t.Context())
			}
			dialError(t, err, tt.stage)
			if !errors.Is(err, ssh.ErrTimeout) {
				t.Errorf("error %v, want ErrTimeout", err)
			}
		})
	}
}

func TestFailuresSayWhatFailed(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, tt := range []struct {
		name, address, config string
		stage                 ssh.Stage
		want                  string
	}{
		{"refused", closed.Addr().String(), "", ssh.StageTCP, "n1: connect to " + closed.Addr().String() + ": connect: connection refused"},
		{"no such name", "n1.invalid", "", ssh.StageResolve, "n1: resolve n1.invalid:22: lookup n1.invalid"},
		{"bad port", "n1:0", "", ssh.StageResolve, `port "0" is not a number from 1 to 65535`},
		{"no host", "root@", "", ssh.StageResolve, "has no host"},
		{"bad port in ssh_config", "n1", "Port ssh", ssh.StageResolve, `port "ssh" is not a number`},
		{"proxy command", "n1", "ProxyCommand nc %h %p", ssh.StageJump, "ProxyCommand"},
		{"jump hosts that lead to each other", "n1", "Host n1 b\nProxyJump a\nHost a\nProxyJump b", ssh.StageJump, "lead to each other"},
		{"jump host that is no address", "n1", "ProxyJump a:x", ssh.StageJump, `port "x"`},
		{"jump host that refuses", "n1", "Host n1\nProxyJump " + closed.Addr().String(), ssh.StageJump, "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := filepath.Join(t.TempDir(), "config")
			write(t, config, tt.config)
			d := newDialer(t, ssh.Options{ConfigFiles: []string{config}})
			_, err := d.Dial(t.Context(), ssh.Target{Name: "n1", Addresses: []string{tt.address}})
			dialError(t, err, tt.stage)
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestTheNextAddressIsTriedWhenOneFails(t *testing.T) {
	d, server := connected(t, sshtest.Config{}, ssh.Options{})
	ssh.SetHeadStart(d, time.Hour)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	c, err := d.Dial(t.Context(), ssh.Target{Name: "n1", Addresses: []string{closed.Addr().String(), server.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(c.Address(), "@"+server.Addr()) {
		t.Errorf("connected to %s", c.Address())
	}
}

func TestTheNextAddressIsTriedWhenOneIsSlow(t *testing.T) {
	d, server := connected(t, sshtest.Config{}, ssh.Options{})
	ssh.SetHeadStart(d, time.Millisecond)
	slow := sshtest.New(t, sshtest.Config{Hang: sshtest.AfterTCP})
	c, err := d.Dial(t.Context(), ssh.Target{Name: "n1", Addresses: []string{slow.Addr(), server.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	openShell(t, c)
}

func TestAllAddressesTogetherHaveOneTimeout(t *testing.T) {
	t.Parallel()
	mute := sshtest.New(t, sshtest.Config{Hang: sshtest.AfterTCP})
	other := sshtest.New(t, sshtest.Config{Hang: sshtest.AfterTCP})
	target := ssh.Target{Name: "n1", Addresses: []string{mute.Addr(), other.Addr()}}

	t.Run("those that were tried are all reported", func(t *testing.T) {
		d := newDialer(t, ssh.Options{ConnectTimeout: 300 * time.Millisecond}, mute, other)
		ssh.SetHeadStart(d, time.Millisecond)
		_, err := d.Dial(t.Context(), target)
		e := dialError(t, err, ssh.StageHandshake)
		if len(e.Others) != 1 || !strings.Contains(err.Error(), mute.Addr()) || !strings.Contains(err.Error(), other.Addr()) {
			t.Errorf("error %v, want one about both addresses", err)
		}
	})
	t.Run("when it is over no other is tried", func(t *testing.T) {
		before := other.Connections()
		d := newDialer(t, ssh.Options{ConnectTimeout: 100 * time.Millisecond}, mute, other)
		ssh.SetHeadStart(d, time.Hour)
		_, err := d.Dial(t.Context(), target)
		if e := dialError(t, err, ssh.StageHandshake); len(e.Others) > 0 || other.Connections() != before {
			t.Errorf("another address was tried: %v", err)
		}
	})
}

func TestTheAddressThatGotFurthestIsReportedFirst(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	server := sshtest.New(t, sshtest.Config{})
	d := newDialer(t, ssh.Options{}) // which does not know the server
	_, err = d.Dial(t.Context(), ssh.Target{Name: "n1", Addresses: []string{closed.Addr().String(), server.Addr()}})
	e := dialError(t, err, ssh.StageHostKey)
	if len(e.Others) != 1 || e.Others[0].Stage != ssh.StageTCP || !errors.Is(err, ssh.ErrUnknownHostKey) {
		t.Errorf("error %v with others %v", err, e.Others)
	}
}

func TestACallerThatGivesUpLeavesTheDialToTheOthers(t *testing.T) {
	d, server := connected(t, sshtest.Config{}, ssh.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Dial(ctx, ssh.Target{Name: "n1", Addresses: []string{server.Addr()}}); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want that of the context", err)
	}
	openShell(t, dial(t, d, server))
	if n := server.Connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestCloseEndsADialThatIsUnderWay(t *testing.T) {
	d, server := connected(t, sshtest.Config{Hang: sshtest.AfterTCP}, ssh.Options{ConnectTimeout: time.Hour})
	failed := make(chan error)
	go func() {
		_, err := d.Dial(t.Context(), ssh.Target{Name: "n1", Addresses: []string{server.Addr()}})
		failed <- err
	}()
	eventually(t, "the server is dialled", func() bool { return server.Connections() == 1 })
	d.Close()
	if err := <-failed; err == nil {
		t.Error("connected")
	}
	if _, err := d.Dial(t.Context(), ssh.Target{Name: "n1"}); err == nil {
		t.Error("connected after Close")
	}
}

func TestAConnectionThatSshdDropsIsTriedAgain(t *testing.T) {
	t.Run("a few times", func(t *testing.T) {
		d, server := connected(t, sshtest.Config{DropFirst: 3}, ssh.Options{})
		dial(t, d, server)
		if n := server.Connections(); n != 4 {
			t.Errorf("%d connections, want 4", n)
		}
	})
	t.Run("not for ever", func(t *testing.T) {
		d, server := connected(t, sshtest.Config{DropFirst: 1000}, ssh.Options{})
		_, err := d.Dial(t.Context(), ssh.Target{Name: "n1", Addresses: []string{server.Addr()}})
		if e := dialError(t, err, ssh.StageHandshake); !strings.Contains(e.Remedy(), "MaxStartups") {
			t.Errorf("remedy %q", e.Remedy())
		}
	})
	t.Run("but not after a host key that is unknown", func(t *testing.T) {
		server := sshtest.New(t, sshtest.Config{})
		_, err := newDialer(t, ssh.Options{}).Dial(t.Context(), ssh.Target{Name: "n1", Addresses: []string{server.Addr()}})
		if dialError(t, err, ssh.StageHostKey); server.Connections() != 1 {
			t.Errorf("%d connections, want 1", server.Connections())
		}
	})
	t.Run("nor in a login", func(t *testing.T) {
		key, public := newKeyFile(t, filepath.Join(t.TempDir(), "key"), "secret")
		server := sshtest.New(t, sshtest.Config{Authorized: []gossh.PublicKey{public}})
		d := newDialer(t, ssh.Options{Identities: []string{key}, Passphrase: func(string) ([]byte, error) {
			server.Drop()
			return []byte("secret"), nil
		}}, server)
		_, err := d.Dial(t.Context(), ssh.Target{Name: "n1", Addresses: []string{server.Addr()}})
		if dialError(t, err, ssh.StageAuth); server.Connections() != 1 {
			t.Errorf("%d connections, want 1", server.Connections())
		}
	})
}

func TestAnAddressHasEightHandshakesAtATime(t *testing.T) {
	d, server := connected(t, sshtest.Config{}, ssh.Options{})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			if _, err := d.Dial(t.Context(), ssh.Target{Name: fmt.Sprint("n", i), Addresses: []string{server.Addr()}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := server.MostHandshakes(); n > 8 {
		t.Errorf("%d handshakes at a time", n)
	}
}

func TestWaitingForItsTurnCostsADialNoTime(t *testing.T) {
	key, public := newKeyFile(t, filepath.Join(t.TempDir(), "key"), "")
	var silent []*sshtest.Server
	for range 3 {
		silent = append(silent, sshtest.New(t, sshtest.Config{Hang: sshtest.AtAuth, Authorized: []gossh.PublicKey{public}}))
	}
	d := newDialer(t, ssh.Options{Identities: []string{key}, ConnectTimeout: time.Second}, silent...)
	ssh.SetHandshakes(d, 1)
	errs := make([]error, len(silent))
	var wg sync.WaitGroup
	for i, s := range silent {
		wg.Go(func() { _, errs[i] = d.Dial(t.Context(), ssh.Target{Name: "n1", Addresses: []string{s.Addr()}}) })
	}
	wg.Wait()
	for _, err := range errs {
		dialError(t, err, ssh.StageAuth) // and not while it waited for the one before
	}
}

func TestJump(t *testing.T) {
	key, public := newKeyFile(t, filepath.Join(t.TempDir(), "key"), "")
	config := sshtest.Config{Authorized: []gossh.PublicKey{public}}
	first, second, server := sshtest.New(t, config), sshtest.New(t, config), sshtest.New(t, config)
	config.NoForward = true
	dead := sshtest.New(t, config)
	target := ssh.Target{Name: "n1", Addresses: []string{server.Addr()}}
	route := first.Addr() + "," + second.Addr()

	t.Run("over two hops, which many targets share", func(t *testing.T) {
		d := newDialer(t, ssh.Options{Identities: []string{key}, Jump: route}, first, second, server)
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				if _, err := d.Dial(t.Context(), ssh.Target{Name: fmt.Sprint("n", i), Addresses: []string{server.Addr()}}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		openShell(t, dial(t, d, server))
		if first.Connections() != 1 || second.Connections() != 1 {
			t.Errorf("%d and %d connections to the jump hosts, want 1 and 1", first.Connections(), second.Connections())
		}
	})
	t.Run("from ssh_config, where a jump host has its own", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "config")
		write(t, file, fmt.Sprintf("Host n1\nHostName 127.0.0.1\nPort %d\nProxyJump b\nHost b\nHostName 127.0.0.1\nPort %d\nProxyJump %s\n",
			server.Port(), second.Port(), first.Addr()))
		before := first.Connections()
		d := newDialer(t, ssh.Options{Identities: []string{key}, ConfigFiles: []string{file}}, first, second, server)
		if _, err := d.Dial(t.Context(), ssh.Target{Name: "n1"}); err != nil {
			t.Fatal(err)
		}
		if first.Connections() != before+1 {
			t.Error("the first jump host was not used")
		}
	})
	t.Run("a jump host covered by its own rule is reached directly", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "config")
		write(t, file, "Host *\nProxyJump "+first.Addr())
		d := newDialer(t, ssh.Options{Identities: []string{key}, ConfigFiles: []string{file}}, first, server)
		dial(t, d, first)
		dial(t, d, server)
	})
	t.Run("every hop's host key is verified", func(t *testing.T) {
		for _, known := range [][]*sshtest.Server{{second, server}, {first, server}, {first, second}} {
			d := newDialer(t, ssh.Options{Identities: []string{key}, Jump: route}, known...)
			if _, err := d.Dial(t.Context(), target); !errors.Is(err, ssh.ErrUnknownHostKey) {
				t.Errorf("error %v, want ErrUnknownHostKey", err)
			}
		}
	})
	t.Run("a failure says which hop", func(t *testing.T) {
		d := newDialer(t, ssh.Options{Jump: first.Addr()}, first, server) // without a key
		_, err := d.Dial(t.Context(), target)
		e := dialError(t, err, ssh.StageJump)
		if e.Address != first.Addr() || !errors.Is(err, ssh.ErrAuth) || !strings.Contains(e.Remedy(), "-i") {
			t.Errorf("error %v with remedy %q", err, e.Remedy())
		}
	})
	t.Run("a jump host that does not forward", func(t *testing.T) {
		d := newDialer(t, ssh.Options{Identities: []string{key}, Jump: dead.Addr()}, dead, server)
		_, err := d.Dial(t.Context(), target)
		dialError(t, err, ssh.StageJump)
	})
	t.Run("a target that refuses", func(t *testing.T) {
		closed, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		closed.Close()
		d := newDialer(t, ssh.Options{Identities: []string{key}, Jump: first.Addr()}, first)
		_, err = d.Dial(t.Context(), ssh.Target{Name: "n1", Addresses: []string{closed.Addr().String()}})
		dialError(t, err, ssh.StageTCP)
	})
	t.Run("a jump host that was lost is dialled anew", func(t *testing.T) {
		d := newDialer(t, ssh.Options{Identities: []string{key}, Jump: first.Addr()}, first, server)
		client := dial(t, d, server)
		first.Drop()
		eventually(t, "the loss is noticed", func() bool {
			_, err := client.Shell(t.Context())
			return err != nil
		})
		eventually(t, "it works again", func() bool {
			_, err := d.Dial(t.Context(), target)
			return err == nil
		})
	})
}
