package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// identity is a key file. Of an encrypted one the public half is enough until a server has said that it takes the key:
// so a passphrase is only asked for when it is needed, and once.
type identity struct {
	file    string
	public  gossh.PublicKey    // nil if the file cannot be used; then why says so
	cert    *gossh.Certificate // from FILE-cert.pub; may be nil
	why     string
	private []byte // encrypted, to be opened with a passphrase

	mu     sync.Mutex
	signer gossh.Signer // the private half; nil if it is not in the file, or not yet decrypted
	failed error        // why it could not be decrypted
}

// identity returns the key in file, which is read once.
func (d *Dialer) identity(file string) *identity {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := d.identities[file]
	if id == nil {
		id = loadIdentity(file)
		d.identities[file] = id
	}
	return id
}

func loadIdentity(file string) *identity {
	id := &identity{file: file}
	stem := strings.TrimSuffix(file, ".pub") // ssh takes `-i key.pub` for a key whose private half the agent has
	if public, err := readPublicKey(stem + "-cert.pub"); err == nil {
		id.cert, _ = public.(*gossh.Certificate)
	}
	id.public, _ = readPublicKey(stem + ".pub")
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && id.public != nil {
		return id
	}
	if err != nil {
		id.why = err.Error()
		return id
	}
	signer, err := gossh.ParsePrivateKey(data)
	if missing, ok := errors.AsType[*gossh.PassphraseMissingError](err); ok {
		id.private = data
		if missing.PublicKey != nil {
			id.public = missing.PublicKey
		}
		if id.public == nil {
			id.why = file + ": an encrypted key without its .pub file"
		}
		return id
	}
	if err == nil {
		id.signer, id.public = signer, signer.PublicKey()
	} else if file == stem {
		id.public, id.why = nil, fmt.Sprintf("%s: %v", file, err)
	}
	return id
}

func readPublicKey(file string) (gossh.PublicKey, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := gossh.ParseAuthorizedKey(data)
	return key, err
}

// askedSigner signs with an encrypted identity, for which it asks the passphrase at the first signature.
type askedSigner struct {
	*identity
	d *Dialer
}

func (s askedSigner) PublicKey() gossh.PublicKey { return s.public }

func (s askedSigner) Sign(rand io.Reader, data []byte) (*gossh.Signature, error) {
	return s.SignWithAlgorithm(rand, data, "")
}

func (s askedSigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*gossh.Signature, error) {
	signer, err := s.decrypt()
	if err != nil {
		return nil, err
	}
	if algorithm == "" {
		return signer.Sign(rand, data)
	}
	return signer.(gossh.AlgorithmSigner).SignWithAlgorithm(rand, data, algorithm)
}

func (s askedSigner) decrypt() (gossh.Signer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signer == nil && s.failed == nil {
		s.d.asking.Lock()
		defer s.d.asking.Unlock()
		s.d.stopwatch.pause(func() { s.signer, s.failed = s.ask() })
	}
	return s.signer, s.failed
}

func (s askedSigner) ask() (gossh.Signer, error) {
	for range 3 {
		passphrase, err := s.d.opts.Passphrase("Passphrase for key " + s.file + ": ")
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", s.file, err)
		}
		signer, err := gossh.ParsePrivateKeyWithPassphrase(s.private, passphrase)
		clear(passphrase)
		if err == nil {
			return signer, nil
		}
	}
	return nil, fmt.Errorf("key %s: wrong passphrase", s.file)
}

// offer is a key to offer to a server, and what to call it when none was taken.
type offer struct {
	signer gossh.Signer
	name   string
}

// offers returns the keys to offer to e, in order: the identities asked for, what else the agent has, ssh's default
// files. An identity that the agent has is left to the agent. Unlike ssh, a key that was asked for comes before what
// else the agent has, for a server hears but a few keys (sshd's MaxAuthTries, 6). The second result says which keys
// are left out, and why.
func (d *Dialer) offers(e Endpoint) (offers []offer, notes []string) {
	var agentSigners []gossh.Signer
	if a, err := d.agent(e); err != nil {
		notes = append(notes, "agent: "+err.Error())
	} else if a != nil {
		if agentSigners, err = a.Signers(); err != nil {
			notes = append(notes, "agent: "+err.Error())
		}
	}
	add := func(signer gossh.Signer, name string) {
		if !slices.ContainsFunc(offers, func(o offer) bool { return sameKey(o.signer.PublicKey(), signer.PublicKey()) }) {
			offers = append(offers, offer{signer, name})
		}
	}
	addCert := func(cert *gossh.Certificate, signer gossh.Signer, name string) {
		if cert == nil {
			return
		}
		if with, err := gossh.NewCertSigner(cert, signer); err == nil {
			add(with, name+" with certificate")
		}
	}
	var certs []*gossh.Certificate
	for _, file := range e.CertificateFiles {
		public, err := readPublicKey(file)
		if cert, ok := public.(*gossh.Certificate); ok {
			certs = append(certs, cert)
		} else {
			notes = append(notes, fmt.Sprintf("certificate %s: not usable: %v", file, err))
		}
	}
	addWithCerts := func(signer gossh.Signer, name string) {
		for _, cert := range certs {
			addCert(cert, signer, name)
		}
		add(signer, name)
	}
	addFile := func(file string, asked bool) {
		id := d.identity(file)
		if id.public == nil {
			if asked {
				notes = append(notes, id.why)
			}
			return
		}
		var signer gossh.Signer
		held := slices.IndexFunc(agentSigners, func(s gossh.Signer) bool { return sameKey(s.PublicKey(), id.public) })
		switch {
		case held >= 0:
			signer = agentSigners[held]
		case id.private != nil && d.opts.Passphrase == nil:
			notes = append(notes, file+": encrypted, and there is no terminal to ask for its passphrase")
			return
		case id.private != nil:
			signer = askedSigner{id, d}
		case id.signer != nil:
			signer = id.signer
		default:
			notes = append(notes, file+": its private key is not in the agent")
			return
		}
		addCert(id.cert, signer, file)
		addWithCerts(signer, file)
	}

	for _, file := range e.IdentityFiles {
		addFile(file, true)
	}
	if !e.IdentitiesOnly {
		for _, s := range agentSigners {
			addWithCerts(s, "agent's "+agentKeyName(s.PublicKey()))
		}
	}
	if len(e.IdentityFiles) == 0 {
		for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			addFile(filepath.Join(d.opts.Home, ".ssh", name), false)
		}
	}
	return offers, notes
}

func sameKey(a, b gossh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

func agentKeyName(key gossh.PublicKey) string {
	if k, ok := key.(*agent.Key); ok && k.Comment != "" {
		return k.Comment
	}
	return describeKey(key)
}

// agent returns the connection to the agent that e uses, or nil if there is none. One connection serves all dials.
func (d *Dialer) agent(e Endpoint) (agent.ExtendedAgent, error) {
	socket := e.IdentityAgent
	if strings.EqualFold(socket, "none") {
		return nil, nil
	}
	if socket == "" {
		if socket = agentSocket(); socket == "" {
			return nil, nil
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if a, ok := d.agents[socket]; ok {
		return a, nil
	}
	conn, closer, err := dialAgent(socket)
	if err != nil {
		return nil, err
	}
	d.agentConns = append(d.agentConns, closer)
	d.agents[socket] = agent.NewClient(conn)
	return d.agents[socket], nil
}

// authError is the hint for an endpoint that took none of the keys.
func authError(e Endpoint, offers []offer, notes []string, err error) error {
	tried := "no key to offer"
	if len(offers) > 0 {
		var names []string
		for _, o := range offers {
			names = append(names, o.name)
		}
		tried = "offered " + strings.Join(names, ", ")
	}
	for _, note := range notes {
		tried += "; " + note
	}
	remedy := "authorise one of your keys for " + e.User + " there (ssh-copy-id), name the right one with -i, or the right user with -l"
	if len(offers) > 6 {
		remedy = "too many keys: servers hear about 6; name the right one with -i, or set IdentitiesOnly in ssh_config"
	}
	return &hint{fmt.Errorf("%w: %s (%w)", ErrAuth, tried, err), remedy}
}
