package ssh

import (
	"bufio"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Command is a script to run.
type Command struct {
	Script  string        // for bash
	Args    []string      // its $1, $2, ...
	Stdin   [][]byte      // its standard input in pieces, any bytes; kept in a private file on the host while it runs
	Timeout time.Duration // after which it gets SIGTERM, and SIGKILL 5 s later; 0 is a minute

	// InShell runs the script in the shell itself, not in a bash of its own, so that descriptors it opens stay open: a
	// lock taken with flock(1) lasts until the shell, and every command that it was running, has ended. Such a script
	// cannot be stopped by Timeout, must not exit, and must leave the shell's options and traps as they are.
	InShell bool

	// Look says that the script only asks how things are, perhaps many times, until they are as awaited: see Traffic.
	Look bool
}

// Result is what a script has answered, whatever its status.
type Result struct {
	Stdout, Stderr []byte
	Status         int // 0..255; 124 or 137 when Timeout has passed, above 128 the signal that ended it plus 128
}

// An answer is waited for as long as the command may run, and a grace in which it is killed (after 5 s), and longer
// where there is standard input, by as much as a line of the slowest speed, in bytes a second, needs. loop.sh has the
// same numbers.
const (
	answerGrace = 15 * time.Second
	slowest     = 16 << 10
)

// Shell is a bash on a host. It runs the scripts it is given one at a time; they inherit what descriptors it has. It
// ends by itself when it has heard nothing of its Shell for 30 s, so nothing can be changed through a connection that
// is dead, and no lock is held for long; a script that was running then runs to its end.
type Shell struct {
	host    string
	p       *process
	timing  timing
	lost    func() error // why the connection has ended, or nil
	traffic *traffic

	turn       chan struct{} // holds an element while Run runs
	lastID     uint64        // of the last request sent; for the holder of turn
	unanswered bool          // it has not been answered; for the holder of turn
	answers    chan answer

	write sync.Mutex  // serialises writes to p.stdin
	busy  atomic.Bool // from before a request is written until its answer begins

	ended   chan struct{} // closed when there will be no more answers
	why     error         // the reason; to be read after ended
	closing func()
}

//go:embed loop.sh
var loop string

// bootstrap returns the command line that starts a bash, under sudo, which then reads its program from its standard
// input: its length on a line, and its text. The line is one that every login shell takes, csh and fish too.
func bootstrap(sudo bool) string {
	const program = `exec bash --norc -c 'IFS= read -r n && IFS= read -r -N "$n" program && eval "$program"'`
	if sudo {
		return "exec sudo -n -- " + strings.TrimPrefix(program, "exec ")
	}
	return program
}

// programFor returns what a bootstrap command reads: a length on a line, and a program of that length. The program
// prints $_marker on a line of its own when it begins.
func programFor(marker, program string) string {
	program = "_marker=" + marker + "\n" + program
	return fmt.Sprintf("%d\n%s", len(program), program)
}

// startShell gives p the loop and returns a Shell when that runs.
func startShell(ctx context.Context, host string, p *process, t timing, sudo bool, lost func() error, counted *traffic) (*Shell, error) {
	r, err := startProgram(ctx, p, fmt.Sprintf("_silence=%d\n%s", int(t.silence.Seconds()), loop), sudo)
	if err != nil {
		return nil, err
	}
	s := &Shell{
		host: host, p: p, timing: t, lost: lost, traffic: counted,
		turn: make(chan struct{}, 1), answers: make(chan answer, 1), ended: make(chan struct{}),
	}
	s.closing = sync.OnceFunc(p.close)
	beats := again(t.heartbeat, s.beat)
	go func() {
		s.read(r)
		beats.Stop()
	}()
	return s, nil
}

// startProgram gives p a program for bash and returns what that prints, when it runs; if it does not, p is closed.
func startProgram(ctx context.Context, p *process, program string, sudo bool) (*bufio.Reader, error) {
	marker := "clusterctl-" + rand.Text()
	r := bufio.NewReaderSize(p.stdout, 512) // for lines; what is long is read past it
	type none = struct{}
	_, err := await(ctx, func() (none, error) {
		b := bufio.NewWriterSize(p.stdin, maxWrite)
		writeText(b, programFor(marker, program))
		err := b.Flush()
		if err == nil {
			err = skipTo(r, marker)
		}
		if err != nil && !errors.Is(err, errGreeting) {
			err = startError(p, sudo)
		}
		return none{}, err
	}, func(none) {})
	if err != nil {
		p.close()
		return nil, err
	}
	return r, nil
}

// maxGreeting bounds what a login shell may print before our program starts.
const maxGreeting = 1 << 20

// skipTo reads up to and with the line that marker is: a login shell's profile may print something first.
func skipTo(r *bufio.Reader, marker string) error {
	for n := 0; n < maxGreeting; {
		line, err := r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if string(line) == marker+"\n" {
			return nil
		}
		n += len(line)
	}
	return errGreeting
}

var errGreeting = errors.New("its login shell prints too much")

// startError says why p ended before it ran our program.
func startError(p *process, sudo bool) error {
	status := p.wait()
	text := p.stderr.String()
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		text = text[i+1:]
	}
	if text == "" {
		text = "no message"
	}
	switch {
	case sudo && strings.HasPrefix(text, "sudo: "):
		return &hint{fmt.Errorf("sudo does not let us: %s", strings.TrimPrefix(text, "sudo: ")),
			"allow the user sudo without a password (NOPASSWD: ALL) and without a terminal, or log in as root"}
	case status == 127:
		return &hint{fmt.Errorf("command not found: %s", text), "install bash (and sudo, with --sudo) on the host"}
	}
	return fmt.Errorf("bash did not start: status %d: %s", status, text)
}

// Run runs c and returns its Result, also of a script that fails; the error says that there is no Result.
//
// It is a LostError when the connection or the shell has ended, or the command did not answer although its time was
// over, after which the shell cannot be used any more. When ctx ends Run returns its error at once; the script may go
// on running, and the next Run waits until it has ended.
func (s *Shell) Run(ctx context.Context, c Command) (Result, error) {
	fail := func(err error) (Result, error) { return Result{}, fmt.Errorf("%s: run: %w", s.host, err) }
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return fail(ctx.Err())
	}
	defer func() { <-s.turn }()

	if s.unanswered { // by one whose caller went away
		select {
		case <-s.answers:
			s.unanswered = false
		case <-s.ended:
		case <-ctx.Done():
			return fail(ctx.Err())
		}
	}
	select {
	case <-s.ended:
		return Result{}, &LostError{Host: s.host, Err: s.why}
	case <-ctx.Done():
		return fail(ctx.Err())
	default:
	}
	head, err := requestHead(s.lastID+1, c)
	if err != nil {
		return fail(err)
	}
	s.lastID++
	s.unanswered = true
	s.busy.Store(true)
	s.traffic.count(c)
	go s.send(head, c)

	lost := func(why error) (Result, error) { return Result{}, &LostError{Host: s.host, Sent: true, Err: why} }
	late := time.NewTimer(c.limit() + time.Duration(c.input()/slowest)*time.Second + answerGrace)
	defer late.Stop()
	for {
		select {
		case a := <-s.answers:
			s.unanswered = false
			if a.id != s.lastID {
				s.closing()
				return lost(fmt.Errorf("answer %d to request %d", a.id, s.lastID))
			}
			return a.result, nil
		case <-s.ended:
			return lost(s.why)
		case <-late.C:
			if s.busy.Load() { // else the answer is on its way
				s.closing()
				return lost(fmt.Errorf("%w: not even after its time limit of %v", ErrTimeout, c.limit()))
			}
		case <-ctx.Done():
			return fail(ctx.Err())
		}
	}
}

// send writes a whole frame, also after Run has gone, or the next one would be taken for its rest.
func (s *Shell) send(head string, c Command) {
	s.write.Lock()
	defer s.write.Unlock()
	if err := writeRequest(s.p.stdin, head, c); err != nil {
		s.closing() // read says why
	}
}

// read delivers the answers.
func (s *Shell) read(r *bufio.Reader) {
	defer close(s.ended)
	for {
		a, err := readAnswer(r, func() { s.busy.Store(false) })
		if err != nil {
			s.why = s.endReason(err)
			s.closing()
			return
		}
		select {
		case s.answers <- a:
		default:
			s.why = fmt.Errorf("answer %d that nobody asked for", a.id)
			s.closing()
			return
		}
	}
}

// endReason makes something better of the EOF that a reader of answers gets.
func (s *Shell) endReason(err error) error {
	if lost := s.lost(); lost != nil {
		return lost
	}
	if text := s.p.stderr.String(); text != "" {
		return fmt.Errorf("the shell ended: %s", text)
	}
	if errors.Is(err, io.EOF) {
		return errors.New("the shell ended")
	}
	return err
}

// beat tells the shell that we are still there; it returns false when the shell has ended.
func (s *Shell) beat() bool {
	s.write.Lock()
	defer s.write.Unlock()
	select {
	case <-s.ended:
		return false
	default:
	}
	if !s.busy.Load() {
		_, _ = io.WriteString(s.p.stdin, heartbeat) // an error shows in read
	}
	return true
}

// Close ends the shell, and waits a little until it has: then its locks are free. A command that runs goes on running,
// and keeps them until it has ended.
func (s *Shell) Close() error {
	go func() { // for it blocks when nobody reads at the other end
		s.write.Lock()
		defer s.write.Unlock()
		s.p.stdin.Close()
	}()
	select {
	case <-s.ended:
	case <-time.After(s.timing.closeGrace):
	}
	s.closing()
	return nil
}
