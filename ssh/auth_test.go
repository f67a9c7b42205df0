//go:build unix

package ssh_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"clusterctl/ssh"
	"clusterctl/ssh/sshtest"
	"github.com/google/go-cmp/cmp"
	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// startAgent serves an agent with new keys of these names, and returns its socket and the keys.
func startAgent(t *testing.T, names ...string) (socket string, keys []gossh.Signer, ring agent.Agent) {
	t.Helper()
	ring = agent.NewKeyring()
	for _, name := range names {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := ring.Add(agent.AddedKey{PrivateKey: private, Comment: name}); err != nil {
			t.Fatal(err)
		}
		signer, err := gossh.NewSignerFromKey(private)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, signer)
	}
	socket = listenUnix(t, func(c net.Conn) { agent.ServeAgent(ring, c) })
	return socket, keys, ring
}

// listenUnix serves connections to a socket, whose name it returns.
func listenUnix(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent") // t.TempDir may be longer than a socket's name can be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

// logIn dials server with what opts and the config text offer, and an agent unless socket is empty.
func logIn(t *testing.T, server *sshtest.Server, socket, config string, opts ssh.Options) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	write(t, file, config)
	opts.ConfigFiles = []string{file}
	d := newDialer(t, opts, server)
	t.Setenv("SSH_AUTH_SOCK", socket)
	_, err := d.Dial(t.Context(), ssh.Target{Name: "n1", Addresses: []string{server.Addr()}})
	return err
}

func TestKeysThatLogIn(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	key, public := newKeyFile(t, file("key"), "")
	home := t.TempDir()
	_, byDefault := newKeyFile(t, filepath.Join(home, ".ssh", "id_ed25519"), "")
	socket, held, _ := startAgent(t, "held")
	write(t, file("held.pub"), authorized(held[0].PublicKey()))
	authority := sshtest.NewKey(t)
	later := time.Now().Add(time.Hour)
	certFor := func(public gossh.PublicKey, name string) {
		cert := &gossh.Certificate{Key: public, CertType: gossh.UserCert, ValidPrincipals: []string{"admin"}, ValidBefore: uint64(later.Unix())}
		if err := cert.SignCert(rand.Reader, authority); err != nil {
			t.Fatal(err)
		}
		write(t, file(name), authorized(cert))
	}
	certFor(public, "key-cert.pub")
	certFor(held[0].PublicKey(), "agent-cert.pub")
	for _, tt := range []struct {
		name   string
		server sshtest.Config
		socket string
		config string
		opts   ssh.Options
		fails  bool
	}{
		{"file by -i", sshtest.Config{Authorized: []gossh.PublicKey{public}}, "", "", ssh.Options{Identities: []string{key}}, false},
		{"file by ssh_config", sshtest.Config{Authorized: []gossh.PublicKey{public}}, "", "IdentityFile " + key, ssh.Options{}, false},
		{"file that is not there is passed over", sshtest.Config{Authorized: []gossh.PublicKey{public}}, "", "IdentityFile /none\nIdentityFile " + key, ssh.Options{}, false},
		{"default file", sshtest.Config{Authorized: []gossh.PublicKey{byDefault}}, "", "", ssh.Options{Home: home}, false},
		{"no default file beside others", sshtest.Config{Authorized: []gossh.PublicKey{byDefault}}, "", "IdentityFile " + key, ssh.Options{Home: home}, true},
		{"agent", sshtest.Config{Authorized: []gossh.PublicKey{held[0].PublicKey()}}, socket, "", ssh.Options{}, false},
		{"agent besides files", sshtest.Config{Authorized: []gossh.PublicKey{held[0].PublicKey()}}, socket, "IdentityFile " + key, ssh.Options{}, false},
		{"not the agent's with IdentitiesOnly", sshtest.Config{Authorized: []gossh.PublicKey{held[0].PublicKey()}}, socket, "IdentitiesOnly yes\nIdentityFile " + key, ssh.Options{}, true},
		{"agent's that is named, with IdentitiesOnly", sshtest.Config{Authorized: []gossh.PublicKey{held[0].PublicKey()}}, socket, "IdentitiesOnly yes\nIdentityFile " + file("held"), ssh.Options{}, false},
		{"agent's that is named by its public half", sshtest.Config{Authorized: []gossh.PublicKey{held[0].PublicKey()}}, socket, "IdentitiesOnly yes", ssh.Options{Identities: []string{file("held.pub")}}, false},
		{"agent of ssh_config", sshtest.Config{Authorized: []gossh.PublicKey{held[0].PublicKey()}}, "", "IdentityAgent " + socket, ssh.Options{}, false},
		{"no agent by ssh_config", sshtest.Config{Authorized: []gossh.PublicKey{held[0].PublicKey()}}, socket, "IdentityAgent none", ssh.Options{}, true},
		{"agent that is not there is passed over", sshtest.Config{Authorized: []gossh.PublicKey{public}}, "/none", "", ssh.Options{Identities: []string{key}}, false},
		{"certificate beside the key", sshtest.Config{Authorities: []gossh.PublicKey{authority.PublicKey()}}, "", "", ssh.Options{Identities: []string{key}, Login: "admin"}, false},
		{"certificate for another user", sshtest.Config{Authorities: []gossh.PublicKey{authority.PublicKey()}}, "", "", ssh.Options{Identities: []string{key}, Login: "other"}, true},
		{"certificate by CertificateFile for the agent's key", sshtest.Config{Authorities: []gossh.PublicKey{authority.PublicKey()}}, socket, "CertificateFile " + file("agent-cert.pub"), ssh.Options{Login: "admin"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := logIn(t, sshtest.New(t, tt.server), tt.socket, tt.config, tt.opts)
			if !tt.fails && err != nil {
				t.Error(err)
			}
			if tt.fails && !errors.Is(err, ssh.ErrAuth) {
				t.Errorf("error %v, want ErrAuth", err)
			}
		})
	}
}

func TestACertificateInTheAgent(t *testing.T) {
	socket, _, ring := startAgent(t)
	authority := sshtest.NewKey(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := gossh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert := certify(t, signer, authority, gossh.UserCert, time.Now().Add(time.Hour), "admin").PublicKey().(*gossh.Certificate)
	if err := ring.Add(agent.AddedKey{PrivateKey: private, Certificate: cert}); err != nil {
		t.Fatal(err)
	}
	server := sshtest.New(t, sshtest.Config{Authorities: []gossh.PublicKey{authority.PublicKey()}})
	if err := logIn(t, server, socket, "", ssh.Options{Login: "admin"}); err != nil {
		t.Error(err)
	}
}

// A server ends the connection after a few keys, so the order counts.
func TestKeysThatWereAskedForComeFirst(t *testing.T) {
	key, public := newKeyFile(t, filepath.Join(t.TempDir(), "key"), "")
	names := []string{"a", "b", "c", "d", "e", "f", "g"}
	socket, held, _ := startAgent(t, names...)
	home := t.TempDir()
	newKeyFile(t, filepath.Join(home, ".ssh", "id_ed25519"), "")

	server := sshtest.New(t, sshtest.Config{Authorized: []gossh.PublicKey{public}, MaxAuth: 6})
	if err := logIn(t, server, socket, "", ssh.Options{Identities: []string{key}}); err != nil {
		t.Error(err)
	}

	last := sshtest.New(t, sshtest.Config{Authorized: []gossh.PublicKey{held[6].PublicKey()}, MaxAuth: 6})
	e := dialError(t, logIn(t, last, socket, "", ssh.Options{}), ssh.StageAuth)
	if !errors.Is(e, ssh.ErrAuth) || !strings.Contains(e.Remedy(), "too many keys") {
		t.Errorf("error %v with remedy %q, want one about too many keys", e, e.Remedy())
	}

	file := filepath.Join(t.TempDir(), "config")
	write(t, file, "")
	d := newDialer(t, ssh.Options{Home: home, ConfigFiles: []string{file}})
	t.Setenv("SSH_AUTH_SOCK", socket)
	var want []string
	for _, name := range names {
		want = append(want, "agent's "+name)
	}
	want = append(want, filepath.Join(home, ".ssh", "id_ed25519"))
	if diff := cmp.Diff(want, ssh.Offers(d, "n1")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestARefusedLoginSaysWhatWasOffered(t *testing.T) {
	dir := t.TempDir()
	key, _ := newKeyFile(t, filepath.Join(dir, "key"), "")
	encrypted, _ := newKeyFile(t, filepath.Join(dir, "encrypted"), "secret")
	write(t, filepath.Join(dir, "broken"), "hello")
	socket, _, _ := startAgent(t, "laptop")
	server := sshtest.New(t, sshtest.Config{})
	err := logIn(t, server, socket, "IdentityFile "+encrypted+"\nIdentityFile "+dir+"/broken", ssh.Options{Identities: []string{key}, Login: "admin"})
	e := dialError(t, err, ssh.StageAuth)
	for _, want := range []string{"n1: log in to admin@" + server.Addr() + ": login refused: offered " + key + ", agent's laptop;",
		encrypted + ": encrypted", "broken: ssh: no key found"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %v\nlacks %q", err, want)
		}
	}
	if !errors.Is(err, ssh.ErrAuth) || !strings.Contains(e.Remedy(), "admin") {
		t.Errorf("error %v with remedy %q", err, e.Remedy())
	}
}

func TestAPassphraseIsAskedOnceAndOnlyWhenNeeded(t *testing.T) {
	key, public := newKeyFile(t, filepath.Join(t.TempDir(), "key"), "secret")
	var asked atomic.Int32
	ask := func(prompt string) ([]byte, error) {
		asked.Add(1)
		if !strings.Contains(prompt, key) {
			t.Errorf("prompt %q does not name the key", prompt)
		}
		return []byte("secret"), nil
	}
	server := sshtest.New(t, sshtest.Config{Authorized: []gossh.PublicKey{public}})
	d := newDialer(t, ssh.Options{Identities: []string{key}, Passphrase: ask}, server)
	var wg sync.WaitGroup
	for _, name := range []string{"n1", "n2", "n3", "n4", "n5"} {
		wg.Go(func() {
			if _, err := d.Dial(t.Context(), ssh.Target{Name: name, Addresses: []string{server.Addr()}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := asked.Swap(0); n != 1 {
		t.Errorf("asked %d times for five logins, want once", n)
	}

	refusing := sshtest.New(t, sshtest.Config{})
	err := logIn(t, refusing, "", "", ssh.Options{Identities: []string{key}, Passphrase: ask})
	if n := asked.Load(); !errors.Is(err, ssh.ErrAuth) || n != 0 {
		t.Errorf("error %v, asked %d times for a key that is not taken", err, n)
	}
}

func TestTimeToThinkOfAPassphraseIsNotCounted(t *testing.T) {
	key, public := newKeyFile(t, filepath.Join(t.TempDir(), "key"), "secret")
	server := sshtest.New(t, sshtest.Config{Authorized: []gossh.PublicKey{public}})
	const limit = 500 * time.Millisecond
	err := logIn(t, server, "", "", ssh.Options{Identities: []string{key}, ConnectTimeout: limit, Passphrase: func(string) ([]byte, error) {
		time.Sleep(2 * limit)
		return []byte("secret"), nil
	}})
	if err != nil {
		t.Error(err)
	}
}

func TestAPassphraseThatIsNotGiven(t *testing.T) {
	key, public := newKeyFile(t, filepath.Join(t.TempDir(), "key"), "secret")
	noThanks := errors.New("interrupted")
	for _, tt := range []struct {
		name  string
		ask   func(string) ([]byte, error)
		asked int
		want  string
	}{
		{"wrong", func(string) ([]byte, error) { return []byte("wrong"), nil }, 3, "wrong passphrase"},
		{"refused", func(string) ([]byte, error) { return nil, noThanks }, 1, "interrupted"},
		{"nobody to ask", nil, 0, "no terminal"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := 0
			opts := ssh.Options{Identities: []string{key}}
			if tt.ask != nil {
				opts.Passphrase = func(prompt string) ([]byte, error) {
					asked++
					return tt.ask(prompt)
				}
			}
			server := sshtest.New(t, sshtest.Config{Authorized: []gossh.PublicKey{public}})
			err := logIn(t, server, "", "", opts)
			dialError(t, err, ssh.StageAuth)
			if asked != tt.asked || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("asked %d times, error %v; want %d times, an error with %q", asked, err, tt.asked, tt.want)
			}
		})
	}
}

func TestAnAgentThatHangsCostsTheTimeout(t *testing.T) {
	socket := listenUnix(t, func(c net.Conn) { c.Read(make([]byte, 1<<10)); c.Read(make([]byte, 1)) })
	err := logIn(t, sshtest.New(t, sshtest.Config{}), socket, "", ssh.Options{ConnectTimeout: 300 * time.Millisecond})
	dialError(t, err, ssh.StageAuth)
	if !errors.Is(err, ssh.ErrTimeout) {
		t.Errorf("error %v, want ErrTimeout", err)
	}
}
