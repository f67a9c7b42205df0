package ssh

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Stage is how far a dial got before it failed.
type Stage string

// The stages of a dial, in their order.
const (
	StageResolve   Stage = "resolve"   // looking up the host's name
	StageJump      Stage = "jump"      // connecting to a jump host, or through it
	StageTCP       Stage = "tcp"       // connecting
	StageHandshake Stage = "handshake" // agreeing on keys
	StageHostKey   Stage = "hostkey"   // verifying the host's key
	StageAuth      Stage = "auth"      // logging in
	StageShell     Stage = "shell"     // starting a shell
)

// rank orders stages by how far a dial got.
func (s Stage) rank() int {
	return slices.Index([]Stage{StageResolve, StageJump, StageTCP, StageHandshake, StageHostKey, StageAuth, StageShell}, s)
}

// Sentinels for errors.Is.
var (
	ErrUnknownHostKey = errors.New("host key is not known")
	ErrHostKeyChanged = errors.New("host key is not the one that is known") // or is revoked
	ErrAuth           = errors.New("login refused")
	ErrTimeout        = errors.New("no answer in time")
	ErrLost           = errors.New("connection lost") // matches every LostError
)

// DialError says why a target could not be reached or no shell opened on it.
type DialError struct {
	Target  string // the target's name
	Address string // the address that was dialled: host:port, user@host:port from StageAuth on
	Stage   Stage
	Err     error
	Others  []*DialError // the target's other addresses, which got no further
}

// Error says what was done, to whom, and why it failed, and the same of the target's other addresses.
func (e *DialError) Error() string {
	var b strings.Builder
	b.WriteString(e.Target + ": " + e.what())
	for _, other := range e.Others {
		b.WriteString("; " + other.what())
	}
	return b.String()
}

func (e *DialError) what() string {
	verb := map[Stage]string{
		StageResolve:   "resolve",
		StageJump:      "jump to",
		StageTCP:       "connect to",
		StageHandshake: "ssh handshake with",
		StageHostKey:   "verify host key of",
		StageAuth:      "log in to",
		StageShell:     "start shell on",
	}[e.Stage]
	return fmt.Sprintf("%s %s: %v", verb, e.Address, e.Err)
}

// Unwrap returns the causes for all addresses.
func (e *DialError) Unwrap() []error {
	errs := []error{e.Err}
	for _, other := range e.Others {
		errs = append(errs, other)
	}
	return errs
}

// Remedy says what to do about it, or "" when there is nothing to say that the message does not.
func (e *DialError) Remedy() string {
	if r, ok := errors.AsType[interface {
		error
		Remedy() string
	}](e.Err); ok {
		return r.Remedy()
	}
	switch e.Stage {
	case StageResolve:
		return "check the name, or give an address with ssh=[user@]host[:port]"
	case StageTCP, StageHandshake:
		return "check that the host is up, that sshd runs on it and that no firewall is in between"
	}
	return ""
}

// hint is an error that knows its remedy.
type hint struct {
	error
	remedy string
}

func (h *hint) Remedy() string { return h.remedy }
func (h *hint) Unwrap() error  { return h.error }

// LostError says that the connection to a host, or the shell on it, ended before a command's answer came.
type LostError struct {
	Host string
	Sent bool // the command had been sent: whether it ran, and how it ended, is not known
	Err  error
}

// Error says what was lost, and what is not known for that.
func (e *LostError) Error() string {
	if e.Sent {
		return fmt.Sprintf("%s: connection lost while a command ran, its outcome is unknown: %v", e.Host, e.Err)
	}
	return fmt.Sprintf("%s: connection lost: %v", e.Host, e.Err)
}

// Unwrap returns ErrLost and the cause.
func (e *LostError) Unwrap() []error { return []error{ErrLost, e.Err} }
