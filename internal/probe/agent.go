package probe

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Agent is an agent on another machine. Its methods are called one at a time.
type Agent struct {
	mu      sync.Mutex // serialises writes
	out     io.Writer
	answers chan answer
	ended   chan struct{}
	err     error // why it ended; to be read after ended
	stop    chan struct{}
	once    sync.Once
}

// NewAgent speaks to the agent whose standard output and input these are. Close
// it, and then the connection: the agent ends with its input.
func NewAgent(in io.Reader, out io.Writer) *Agent {
	a := &Agent{out: out, answers: make(chan answer, 1), ended: make(chan struct{}), stop: make(chan struct{})}
	go a.read(in)
	go a.beat()
	return a
}

func (a *Agent) read(in io.Reader) {
	defer close(a.ended)
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		var got answer
		if err == nil {
			err = json.Unmarshal(line, &got)
		}
		if errors.Is(err, io.EOF) {
			err = errors.New("it has ended")
		}
		if err != nil {
			a.err = err
			return
		}
		select {
		case a.answers <- got:
		case <-a.stop:
			a.err = errors.New("closed")
			return
		}
	}
}

func (a *Agent) beat() {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = a.send(order{}) // an error shows in read
		case <-a.ended:
			return
		case <-a.stop:
			return
		}
	}
}

func (a *Agent) send(o order) error {
	line, err := json.Marshal(o)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_, err = a.out.Write(append(line, '\n'))
	return err
}

func (a *Agent) ask(ctx context.Context, what string, o order) (answer, error) {
	if err := a.send(o); err != nil {
		return answer{}, fmt.Errorf("%s: %w", what, err)
	}
	select {
	case got := <-a.answers:
		return got, nil
	case <-a.ended:
		return answer{}, fmt.Errorf("%s: %w", what, a.err)
	case <-ctx.Done():
		return answer{}, fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
}

// Bind has the agent listen, and echo what comes from then on.
func (a *Agent) Bind(ctx context.Context, t Task) ([]Bound, error) {
	got, err := a.ask(ctx, "listen", order{Task: &t})
	return got.Bound, err
}

// Run has the agent send, and returns when it has sent all and waited for the
// last echoes.
func (a *Agent) Run(ctx context.Context, r Run) error {
	_, err := a.ask(ctx, "send probes", order{Run: &r})
	return err
}

// Report asks what the agent has counted so far.
func (a *Agent) Report(ctx context.Context) (Report, error) {
	got, err := a.ask(ctx, "report", order{Report: true})
	if err == nil && got.Report == nil {
		err = errors.New("report: it sent none")
	}
	if err != nil {
		return Report{}, err
	}
	return *got.Report, nil
}

// Close stops speaking to the agent.
func (a *Agent) Close() { a.once.Do(func() { close(a.stop) }) }
