package ssh

import (
	"bufio"
	"bytes"
	"net"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// What follows lets tests shorten intervals and reach the parsers.

func SetKeepalive(d *Dialer, every, dead time.Duration) {
	d.timing.keepalive, d.timing.dead = every, dead
}

func SetHeadStart(d *Dialer, t time.Duration) { d.timing.headStart = t }

func SetRetry(d *Dialer, t time.Duration) { d.timing.retry = t }

func SetHandshakes(d *Dialer, most int) { d.handshakes = make(chan struct{}, most) }

func SetResolver(d *Dialer, r *net.Resolver) { d.resolver = r }

func SetHeartbeat(d *Dialer, every, silence time.Duration) {
	d.timing.heartbeat, d.timing.silence = every, silence
}

func SetCloseGrace(d *Dialer, t time.Duration) { d.timing.closeGrace = t }

func Offers(d *Dialer, dest string) (names []string) {
	offers, _ := d.offers(d.Effective(dest))
	for _, o := range offers {
		names = append(names, o.name)
	}
	return names
}

func ParseConfig(text string) error {
	f, err := parseConfig("config", text, "/nonexistent", "/nonexistent", 0)
	if err == nil {
		f.apply(&settings{host: "n1", values: map[string][]string{}}, true)
	}
	return err
}

// EncodeRequest returns the whole frame.
func EncodeRequest(id uint64, c Command) ([]byte, error) {
	head, err := requestHead(id, c)
	if err != nil {
		return nil, err
	}
	var frame bytes.Buffer
	err = writeRequest(&frame, head, c)
	return frame.Bytes(), err
}

// Bootstrap returns the command that starts a shell, and what is then written to it before any request.
func Bootstrap() (command, program string) {
	return bootstrap(false), programFor("marker", "_silence=60\n"+loop)
}

// ReadAnswers reads frames until there is an error.
func ReadAnswers(data []byte) (results []Result, err error) {
	r := bufio.NewReader(bytes.NewReader(data))
	for {
		a, err := readAnswer(r, func() {})
		if err != nil {
			return results, err
		}
		results = append(results, a.result)
	}
}

var MatchPattern = matchPattern

// VerifyHostKey looks key up in known_hosts files.
func VerifyHostKey(e Endpoint, key gossh.PublicKey, files ...string) error {
	hosts, err := readKnownHosts(files, e.hostNames())
	if err != nil {
		return err
	}
	return hosts.verify(e, key)
}
