//go:build unix

package ssh_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clusterctl/ssh"
	"clusterctl/ssh/sshtest"
	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// newHostKeys returns keys of the kinds that a server has by default: ed25519, ecdsa, rsa.
func newHostKeys(t *testing.T) []gossh.Signer {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keys := []gossh.Signer{sshtest.NewKey(t)}
	for _, private := range []any{ec, rs} {
		signer, err := gossh.NewSignerFromKey(private)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, signer)
	}
	return keys
}

// certify returns signer with a certificate of authority.
func certify(t *testing.T, signer, authority gossh.Signer, kind uint32, until time.Time, principals ...string) gossh.Signer {
	t.Helper()
	cert := &gossh.Certificate{Key: signer.PublicKey(), CertType: kind, ValidPrincipals: principals, ValidBefore: uint64(until.Unix())}
	if err := cert.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	certified, err := gossh.NewCertSigner(cert, signer)
	if err != nil {
		t.Fatal(err)
	}
	return certified
}

func authorized(key gossh.PublicKey) string { return string(gossh.MarshalAuthorizedKey(key)) }

// A server with several keys shows the one that the client asks for first. If that is not the one that is known, the
// server looks like an attack.
func TestAServerIsAskedForTheKeyThatIsKnown(t *testing.T) {
	keys := newHostKeys(t)
	private, public := newKeyFile(t, filepath.Join(t.TempDir(), "key"), "")
	server := sshtest.New(t, sshtest.Config{HostKeys: keys, Authorized: []gossh.PublicKey{public}})
	for _, key := range keys {
		t.Run(key.PublicKey().Type(), func(t *testing.T) {
			known := filepath.Join(t.TempDir(), "known_hosts")
			write(t, known, knownhosts.HashHostname(knownhosts.Normalize(server.Addr()))+" "+authorized(key.PublicKey()))
			dial(t, newDialer(t, ssh.Options{KnownHosts: []string{known}, Identities: []string{private}}), server)
		})
	}
}

func TestAnUnknownHostKeyIsRefused(t *testing.T) {
	d, server := connected(t, sshtest.Config{}, ssh.Options{KnownHosts: []string{filepath.Join(t.TempDir(), "none", "known_hosts")}})
	_, err := d.Dial(t.Context(), ssh.Target{Name: "n1", Addresses: []string{server.Addr()}})
	e := dialError(t, err, ssh.StageHostKey)
	fields := strings.Fields(server.KnownHosts())
	public, _, _, _, _ := gossh.ParseAuthorizedKey([]byte(strings.Join(fields[1:], " ")))
	for _, want := range []string{"ssh-ed25519", gossh.FingerprintSHA256(public), server.Addr()} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	for _, want := range []string{"ssh_host_ed25519_key.pub", "--accept-new-host-keys", strings.TrimSpace(server.KnownHosts())} {
		if !strings.Contains(e.Remedy(), want) {
			t.Errorf("remedy %s\nlacks %q", e.Remedy(), want)
		}
	}
	if !errors.Is(err, ssh.ErrUnknownHostKey) || errors.Is(err, ssh.ErrHostKeyChanged) {
		t.Errorf("error %v, want ErrUnknownHostKey", err)
	}
}

func TestAcceptNew(t *testing.T) {
	dir := t.TempDir()
	known, second := filepath.Join(dir, "new", "known_hosts"), filepath.Join(dir, "second")
	write(t, second, "")
	files := []string{known, second}
	d, server := connected(t, sshtest.Config{}, ssh.Options{KnownHosts: files, AcceptNew: true})
	for i := range 5 {
		if _, err := d.Dial(t.Context(), ssh.Target{Name: fmt.Sprint("n", i), Addresses: []string{server.Addr()}}); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(known)
	if err != nil || string(data) != server.KnownHosts() {
		t.Fatalf("known_hosts %q, %v, want %q", data, err, server.KnownHosts())
	}

	// The same address with another key is refused all the same, and the file stays as it is.
	write(t, known, strings.Replace(string(data), strings.Fields(string(data))[2], strings.Fields(authorized(sshtest.NewKey(t).PublicKey()))[1], 1))
	changed, _ := os.ReadFile(known)
	_, err = newDialer(t, ssh.Options{KnownHosts: files, AcceptNew: true}).Dial(t.Context(), ssh.Target{Name: "n1", Addresses: []string{server.Addr()}})
	e := dialError(t, err, ssh.StageHostKey)
	if !errors.Is(err, ssh.ErrHostKeyChanged) || !strings.Contains(err.Error(), known+":1") || !strings.Contains(e.Remedy(), "ssh-keygen -R") {
		t.Errorf("error %v with remedy %q, want ErrHostKeyChanged with file and line", err, e.Remedy())
	}
	if after, _ := os.ReadFile(known); string(after) != string(changed) {
		t.Errorf("known_hosts was changed to %q", after)
	}
}

func TestANewKeyGetsALineOfItsOwn(t *testing.T) {
	known := filepath.Join(t.TempDir(), "known_hosts")
	other := "n9 " + strings.TrimSpace(authorized(sshtest.NewKey(t).PublicKey()))
	write(t, known, other)
	d, server := connected(t, sshtest.Config{}, ssh.Options{KnownHosts: []string{known}, AcceptNew: true})
	dial(t, d, server)
	if data, _ := os.ReadFile(known); string(data) != other+"\n"+server.KnownHosts() {
		t.Errorf("known_hosts %q", data)
	}
}

func TestVerifyHostKey(t *testing.T) {
	key, other, authority := sshtest.NewKey(t), sshtest.NewKey(t), sshtest.NewKey(t)
	public, ca := authorized(key.PublicKey()), "@cert-authority "
	later, past := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	host := func(until time.Time, principals ...string) gossh.PublicKey {
		return certify(t, key, authority, gossh.HostCert, until, principals...).PublicKey()
	}
	n1 := ssh.Endpoint{HostName: "n1.example", Port: 22}
	for _, tt := range []struct {
		name     string
		known    string
		endpoint ssh.Endpoint
		key      gossh.PublicKey
		want     error
	}{
		{"known", "n1.example " + public, n1, key.PublicKey(), nil},
		{"known in another case", "N1.Example " + public, n1, key.PublicKey(), nil},
		{"one of several names", "x,n1.example,10.0.0.1 " + public, n1, key.PublicKey(), nil},
		{"pattern", "*.example,!n2.example " + public, n1, key.PublicKey(), nil},
		{"negated pattern", "*.example,!n1.example " + public, n1, key.PublicKey(), ssh.ErrUnknownHostKey},
		{"hashed name", knownhosts.HashHostname("n1.example") + " " + public, n1, key.PublicKey(), nil},
		{"hash of another name", knownhosts.HashHostname("n2.example") + " " + public, n1, key.PublicKey(), ssh.ErrUnknownHostKey},
		{"hash that is none", "|1|x|y " + public, n1, key.PublicKey(), ssh.ErrUnknownHostKey},
		{"nothing known", "", n1, key.PublicKey(), ssh.ErrUnknownHostKey},
		{"lines that make no sense are passed over", "n1.example ssh-new AAAA\nhello\n\n# c\n@what n1.example " + public + "n1.example " + public, n1, key.PublicKey(), nil},
		{"another key", "n1.example " + authorized(other.PublicKey()), n1, key.PublicKey(), ssh.ErrHostKeyChanged},
		{"another key, and this one", "n1.example " + authorized(other.PublicKey()) + "n1.example " + public, n1, key.PublicKey(), nil},
		{"port", "[n1.example]:2222 " + public, ssh.Endpoint{HostName: "n1.example", Port: 2222}, key.PublicKey(), nil},
		{"another port", "[n1.example]:2222 " + public, ssh.Endpoint{HostName: "n1.example", Port: 2223}, key.PublicKey(), ssh.ErrUnknownHostKey},
		{"known on port 22", "n1.example " + public, ssh.Endpoint{HostName: "n1.example", Port: 2222}, key.PublicKey(), nil},
		{"another key on port 22", "n1.example " + authorized(other.PublicKey()), ssh.Endpoint{HostName: "n1.example", Port: 2222}, key.PublicKey(), ssh.ErrUnknownHostKey},
		{"IPv6 address", "fd00::1 " + public, ssh.Endpoint{HostName: "fd00::1", Port: 22}, key.PublicKey(), nil},
		{"IPv6 address with a port", "[fd00::1]:23 " + public, ssh.Endpoint{HostName: "fd00::1", Port: 23}, key.PublicKey(), nil},
		{"alias", "name " + public, ssh.Endpoint{HostName: "n1.example", Port: 23, HostKeyAlias: "name"}, key.PublicKey(), nil},
		{"not by its name if it has an alias", "n1.example " + public, ssh.Endpoint{HostName: "n1.example", Port: 22, HostKeyAlias: "name"}, key.PublicKey(), ssh.ErrUnknownHostKey},
		{"revoked", "n1.example " + public + "@revoked * " + public, n1, key.PublicKey(), ssh.ErrHostKeyChanged},
		{"certificate", ca + "*.example " + authorized(authority.PublicKey()), n1, host(later, "n1.example"), nil},
		{"certificate on another port", ca + "*.example " + authorized(authority.PublicKey()), ssh.Endpoint{HostName: "n1.example", Port: 23}, host(later, "n1.example"), nil},
		{"certificate for another host", ca + "*.example " + authorized(authority.PublicKey()), n1, host(later, "n2.example"), ssh.ErrHostKeyChanged},
		{"certificate that has expired", ca + "*.example " + authorized(authority.PublicKey()), n1, host(past, "n1.example"), ssh.ErrHostKeyChanged},
		{"certificate for users", ca + "*.example " + authorized(authority.PublicKey()), n1, certify(t, key, authority, gossh.UserCert, later, "n1.example").PublicKey(), ssh.ErrHostKeyChanged},
		{"certificate of an authority for other hosts", ca + "*.net " + authorized(authority.PublicKey()), n1, host(later, "n1.example"), ssh.ErrUnknownHostKey},
		{"certificate of another authority", ca + "* " + authorized(other.PublicKey()), n1, host(later, "n1.example"), ssh.ErrUnknownHostKey},
		{"certificate of another authority, but known", ca + "* " + authorized(other.PublicKey()) + "n1.example " + public, n1, host(later, "n1.example"), nil},
		{"certificate of a revoked authority", ca + "* " + authorized(authority.PublicKey()) + "@revoked * " + authorized(authority.PublicKey()), n1, host(later, "n1.example"), ssh.ErrHostKeyChanged},
		{"certificate of a revoked key", ca + "* " + authorized(authority.PublicKey()) + "@revoked * " + public, n1, host(later, "n1.example"), ssh.ErrHostKeyChanged},
		{"an authority's key is no host's", ca + "* " + public, n1, key.PublicKey(), ssh.ErrUnknownHostKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "known_hosts")
			write(t, file, tt.known)
			if err := ssh.VerifyHostKey(tt.endpoint, tt.key, file, filepath.Join(t.TempDir(), "none")); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// The library that this package could have used is asked too, where both ought to say the same.
func TestVerifyHostKeyAgreesWithTheLibrary(t *testing.T) {
	key, other := sshtest.NewKey(t), sshtest.NewKey(t)
	for _, pattern := range []string{"n1", "n2", "n?", "*", "n*,!n1", "!n1,*", "n1,n2", "[n1]:23", "[n*]:23", "10.0.0.1", "", ",", "!", "n1,", "[n1", knownhosts.HashHostname("n1"), knownhosts.HashHostname("[n1]:23")} {
		for _, key := range []gossh.PublicKey{key.PublicKey(), other.PublicKey()} {
			file := filepath.Join(t.TempDir(), "known_hosts")
			write(t, file, pattern+" "+authorized(key))
			check, err := knownhosts.New(file)
			if err != nil {
				continue // here the whole file is refused, there the line is passed over
			}
			for _, port := range []int{22, 23} {
				if port == 23 && pattern != "[n1]:23" {
					continue // a name without a port means another thing to the two
				}
				want := check(net.JoinHostPort("n1", fmt.Sprint(port)), &net.TCPAddr{}, other.PublicKey()) == nil
				got := ssh.VerifyHostKey(ssh.Endpoint{HostName: "n1", Port: port}, other.PublicKey(), file) == nil
				if got != want {
					t.Errorf("pattern %q, port %d: verified %v, the library says %v", pattern, port, got, want)
				}
			}
		}
	}
}

func TestAServerWithACertificate(t *testing.T) {
	authority, plain := sshtest.NewKey(t), sshtest.NewKey(t)
	private, public := newKeyFile(t, filepath.Join(t.TempDir(), "key"), "")
	with := certify(t, plain, authority, gossh.HostCert, time.Now().Add(time.Hour), "127.0.0.1")
	server := sshtest.New(t, sshtest.Config{HostKeys: []gossh.Signer{with, plain}, Authorized: []gossh.PublicKey{public}})
	for name, line := range map[string]string{
		"by its authority": "@cert-authority * " + authorized(authority.PublicKey()),
		"by its key":       "* " + authorized(plain.PublicKey()),
		"by its key though another authority is known": "@cert-authority * " + authorized(sshtest.NewKey(t).PublicKey()) + "* " + authorized(plain.PublicKey()),
	} {
		t.Run(name, func(t *testing.T) {
			known := filepath.Join(t.TempDir(), "known_hosts")
			write(t, known, line)
			dial(t, newDialer(t, ssh.Options{KnownHosts: []string{known}, Identities: []string{private}}), server)
		})
	}
}
