package ssh

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	gossh "golang.org/x/crypto/ssh"
)

// knownHost is one line of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
//
// The lines are matched here, and not by x/crypto's knownhosts, to do as ssh(1) does: a line that makes no sense is
// passed over and does not spoil the file, a host known on port 22 is known on another port if its key is the same, and
// a host with a certificate of no known authority may still be known by its plain key.
type knownHost struct {
	marker   string // "", "cert-authority" or "revoked"
	patterns []string
	text     []byte          // the whole line
	key      gossh.PublicKey // of lines that know has been asked for
	file     string
	line     int
}

func (k *knownHost) String() string { return fmt.Sprintf("%s:%d", k.file, k.line) }

// know reads the key, and reports whether the line makes sense. That costs more than all else, and each dial looks
// through all lines for the few that are about its host.
func (k *knownHost) know() bool {
	if k.key == nil {
		_, _, k.key, _, _, _ = gossh.ParseKnownHosts(k.text)
	}
	return k.key != nil
}

// matches reports whether the line is about name, which is host or [host]:port.
func (k *knownHost) matches(name string) bool {
	if hash, ok := strings.CutPrefix(k.patterns[0], "|1|"); ok {
		salt, sum, _ := strings.Cut(hash, "|")
		key, err1 := base64.StdEncoding.DecodeString(salt)
		want, err2 := base64.StdEncoding.DecodeString(sum)
		mac := hmac.New(sha1.New, key)
		mac.Write([]byte(name))
		return err1 == nil && err2 == nil && hmac.Equal(mac.Sum(nil), want)
	}
	return matchPatterns(k.patterns, name)
}

type knownHosts []*knownHost

// readKnownHosts reads those of files that exist, but for lines that are clearly about others than names.
func readKnownHosts(files, names []string) (knownHosts, error) {
	var hosts knownHosts
	for _, file := range files {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		number := 0
		for line := range bytes.Lines(data) {
			number++
			host, _, _ := bytes.Cut(line, []byte(" "))
			same := func(name string) bool { return strings.EqualFold(string(host), name) }
			if len(host) > 0 && !bytes.ContainsAny(host, "@|,*?!\t") && !slices.ContainsFunc(names, same) {
				continue // nearly all lines
			}
			fields, marker := bytes.Fields(line), ""
			if len(fields) > 0 && fields[0][0] == '@' {
				fields, marker = fields[1:], string(fields[0][1:])
			}
			if len(fields) < 3 || fields[0][0] == '#' || !slices.Contains([]string{"", "cert-authority", "revoked"}, marker) {
				continue
			}
			hosts = append(hosts, &knownHost{marker: marker, patterns: strings.Split(string(fields[0]), ","), text: line, file: file, line: number})
		}
	}
	return hosts, nil
}

// hostNames are the names under which known_hosts may have an endpoint; the first is the one to add it by.
func (e Endpoint) hostNames() []string {
	switch host := strings.ToLower(e.HostName); {
	case e.HostKeyAlias != "":
		return []string{e.HostKeyAlias}
	case e.Port == defaultPort:
		return []string{host}
	default:
		return []string{fmt.Sprintf("[%s]:%d", host, e.Port), host}
	}
}

// about returns the lines about any of names, but for the revoked ones.
func (h knownHosts) about(names ...string) (lines knownHosts) {
	for _, k := range h {
		if k.marker != "revoked" && slices.ContainsFunc(names, k.matches) && k.know() {
			lines = append(lines, k)
		}
	}
	return lines
}

// algorithms returns the host key algorithms to ask for: first those of the keys that are known for names. Without
// that a server with several keys shows one that is not known, and an honest server looks like an attack.
func (h knownHosts) algorithms(names []string) []string {
	var types, certs []string
	for _, k := range h.about(names...) {
		if k.marker == "" {
			types = append(types, k.key.Type())
		} else {
			certs = append(certs, k.key.Type())
		}
	}
	var known, cert, other []string
	for _, algorithm := range gossh.SupportedAlgorithms().HostKeys {
		switch plain := strings.Replace(algorithm, "-cert-v01@openssh.com", "", 1); {
		case plain != algorithm: // a certificate's type says nothing about its authority's
			if len(certs) > 0 {
				cert = append(cert, algorithm)
			}
		case slices.Contains(types, plain), slices.Contains(types, gossh.KeyAlgoRSA) && strings.HasPrefix(plain, "rsa-sha2-"):
			known = append(known, algorithm)
		case algorithm == gossh.KeyAlgoED25519: // ssh's own first choice
			other = slices.Insert(other, 0, algorithm)
		default:
			other = append(other, algorithm)
		}
	}
	return slices.Concat(cert, known, other)
}

// verify returns nil if key is known for e, and else a hint with ErrUnknownHostKey or ErrHostKeyChanged.
func (h knownHosts) verify(e Endpoint, key gossh.PublicKey) error {
	names := e.hostNames()
	cert, isCert := key.(*gossh.Certificate)
	plain := key
	if isCert {
		plain = cert.Key
	}
	same := func(a, b gossh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }
	for _, k := range h {
		if k.marker == "revoked" && k.know() && (same(k.key, plain) || isCert && same(k.key, cert.SignatureKey)) {
			return &hint{fmt.Errorf("%w: %s is revoked in %s", ErrHostKeyChanged, describeKey(plain), k),
				"do not connect; give the host a new key"}
		}
	}
	lines := h.about(names...)
	if isCert && slices.ContainsFunc(lines, func(k *knownHost) bool {
		return k.marker == "cert-authority" && same(k.key, cert.SignatureKey)
	}) {
		name, checker := e.HostName, gossh.CertChecker{IsHostAuthority: func(gossh.PublicKey, string) bool { return true }}
		if e.HostKeyAlias != "" {
			name = e.HostKeyAlias
		}
		if err := checker.CheckHostKey(net.JoinHostPort(name, "22"), nil, cert); err != nil {
			return &hint{fmt.Errorf("%w: its certificate: %w", ErrHostKeyChanged, err), "give the host a new certificate"}
		}
		return nil
	}
	for _, k := range lines {
		if k.marker == "" && same(k.key, plain) {
			return nil
		}
	}
	var places, remove []string
	for _, k := range h.about(names[0]) {
		if k.marker != "" {
			continue
		}
		places = append(places, k.String())
		if command := Quote("ssh-keygen", "-R", names[0], "-f", k.file); !slices.Contains(remove, command) {
			remove = append(remove, command)
		}
	}
	if len(places) > 0 {
		return &hint{fmt.Errorf("%w: it is %s, known is that of %s", ErrHostKeyChanged, describeKey(plain), strings.Join(places, ", ")),
			"someone may be listening in; if the host is known to have a new key, forget the old one with: " + strings.Join(remove, "; ")}
	}
	return &hint{fmt.Errorf("%w: %s", ErrUnknownHostKey, describeKey(plain)), e.learnKey(plain)}
}

// learnKey says how to make key known.
func (e Endpoint) learnKey(key gossh.PublicKey) string {
	kind := strings.TrimPrefix(key.Type(), "ssh-")
	if strings.HasPrefix(kind, "ecdsa-") {
		kind = "ecdsa"
	}
	file := "known_hosts"
	if len(e.UserKnownHostsFiles) > 0 {
		file = e.UserKnownHostsFiles[0]
	}
	line := e.hostNames()[0] + " " + strings.TrimSpace(string(gossh.MarshalAuthorizedKey(key)))
	return fmt.Sprintf("compare the fingerprint with that on the host itself (ssh-keygen -lf /etc/ssh/ssh_host_%s_key.pub); "+
		"if it is the same, use --accept-new-host-keys or: echo %s >> %s", kind, Quote(line), Quote(file))
}

func describeKey(key gossh.PublicKey) string {
	return key.Type() + " " + gossh.FingerprintSHA256(key)
}

// verifyHost is verify with the known_hosts files of e as they are now, and adds an unknown key if the Options say so.
// Files are read anew each time: a dial costs more, and another program or dial may have added the key.
func (d *Dialer) verifyHost(e Endpoint, key gossh.PublicKey) error {
	d.knownHostsMu.Lock()
	defer d.knownHostsMu.Unlock()
	hosts, err := readKnownHosts(d.knownHostsFiles(e), e.hostNames())
	if err != nil {
		return err
	}
	err = hosts.verify(e, key)
	if !d.opts.AcceptNew || !errors.Is(err, ErrUnknownHostKey) {
		return err
	}
	if len(e.UserKnownHostsFiles) == 0 {
		return fmt.Errorf("%w, and there is no known_hosts file to add it to", err)
	}
	if cert, ok := key.(*gossh.Certificate); ok {
		key = cert.Key
	}
	if err := appendKnownHost(e.UserKnownHostsFiles[0], e.hostNames()[0], key); err != nil {
		return fmt.Errorf("add host key: %w", err)
	}
	d.log.Warn("new host key accepted", "host", e.hostNames()[0], "key", describeKey(key), "file", e.UserKnownHostsFiles[0])
	return nil
}

// knownHostsFiles returns the files in which a key of e may be: ~/.ssh and, unless the caller named the files, /etc/ssh.
func (d *Dialer) knownHostsFiles(e Endpoint) []string {
	if len(d.opts.KnownHosts) > 0 {
		return e.UserKnownHostsFiles
	}
	return append(slices.Clone(e.UserKnownHostsFiles), filepath.Join(systemDir(), "ssh_known_hosts"), filepath.Join(systemDir(), "ssh_known_hosts2"))
}

// appendKnownHost adds a line to file, which it makes if need be, on a line of its own.
func appendKnownHost(file, name string, key gossh.PublicKey) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	line := name + " " + string(gossh.MarshalAuthorizedKey(key))
	if data, err := os.ReadFile(file); err == nil && len(data) > 0 && data[len(data)-1] != '\n' {
		line = "\n" + line
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}
