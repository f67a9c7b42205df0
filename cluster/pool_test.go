package cluster_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"clusterctl/cluster"
	"clusterctl/ssh"
)

// door counts how often someone connects.
type door struct {
	mu    sync.Mutex
	tried int
	node  *idle
	err   error
}

func (d *door) connect(context.Context, cluster.PlanNode) (cluster.Node, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tried++
	if d.err != nil {
		time.Sleep(10 * time.Second)
		return nil, d.err
	}
	return d.node, nil
}

func (d *door) set(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// idle is a connected node that takes its time to answer.
type idle struct {
	cluster.Node
	takes  time.Duration
	closed bool
}

func (n *idle) Close() error { n.closed = true; return nil }

func (n *idle) Facts(ctx context.Context, _ []string) (*cluster.Facts, error) {
	select {
	case <-time.After(n.takes):
		return &cluster.Facts{}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

var n1 = cluster.PlanNode{Name: "n1", Addresses: []string{"n1"}}

func TestPoolKeepsANodeConnected(t *testing.T) {
	d := &door{node: &idle{}}
	p := cluster.NewPool(t.Context(), &cluster.Connector{Connect: d.connect}, time.Second)
	for range 3 {
		n, err := p.Connect(t.Context(), n1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Facts(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if d.tried != 1 || d.node.closed {
		t.Errorf("connected %d times, closed %v", d.tried, d.node.closed)
	}
	if p.Close(); !d.node.closed {
		t.Error("still connected")
	}
}

// Of two connections to one node one is kept.
func TestPoolKeepsOneConnection(t *testing.T) {
	d := &door{node: &idle{}}
	p := cluster.NewPool(t.Context(), &cluster.Connector{Connect: d.connect}, time.Second)
	var both []cluster.Node
	for range 2 {
		n, err := p.Connect(t.Context(), n1)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, n)
		d.node = &idle{}
	}
	for _, n := range both {
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := p.Connect(t.Context(), n1); err != nil || n == nil || d.tried != 2 {
		t.Errorf("%v, connected %d times", err, d.tried)
	}
}

func TestPoolGivesUpANodeThatIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &door{node: &idle{takes: time.Hour}}
		p := cluster.NewPool(t.Context(), &cluster.Connector{Connect: d.connect}, 5*time.Second)
		n, err := p.Connect(t.Context(), n1)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := n.Facts(t.Context(), nil); err == nil || time.Since(began) > 6*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		if err := n.Close(); err != nil || !d.node.closed {
			t.Errorf("%v, closed %v", err, d.node.closed)
		}
	})
}

// A node that does not answer holds nothing up but the first time.
func TestPoolTriesInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("away")
		d := &door{node: &idle{}, err: away}
		p := cluster.NewPool(t.Context(), &cluster.Connector{Connect: d.connect}, time.Second)
		defer p.Close()
		if _, err := p.Connect(t.Context(), n1); !errors.Is(err, away) {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := p.Connect(t.Context(), n1); !errors.Is(err, away) || time.Since(began) > 0 {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		time.Sleep(time.Minute)
		d.set(nil)
		if _, err := p.Connect(t.Context(), n1); !errors.Is(err, away) { // what it was told last
			t.Error(err)
		}
		synctest.Wait()
		n, err := p.Connect(t.Context(), n1)
		if err != nil {
			t.Fatal(err)
		}
		_ = n.Close()
	})
}

// A node that is away is tried whenever someone looks; one that refuses the
// login is not, or it would shut us out.
func TestPoolDoesNotKnockForever(t *testing.T) {
	for _, tt := range []struct {
		name        string
		err         error
		least, most int // tries in an hour in which someone looks every two seconds
	}{
		{"away", &ssh.DialError{Stage: ssh.StageTCP, Err: errors.New("no route to host")}, 250, 350}, // each takes 10 s
		{"login refused", &ssh.DialError{Stage: ssh.StageAuth, Err: ssh.ErrAuth}, 7, 12},
		{"login refused in one of several ways", &ssh.DialError{Stage: ssh.StageShell, Err: errors.New("x"), Others: []*ssh.DialError{{Stage: ssh.StageAuth, Err: ssh.ErrAuth}}}, 7, 12},
		{"another host key", &ssh.DialError{Stage: ssh.StageHostKey, Err: ssh.ErrHostKeyChanged}, 7, 12},
		{"no shell", &ssh.DialError{Stage: ssh.StageShell, Err: errors.New("bash: not found")}, 45, 65},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &door{node: &idle{}, err: tt.err}
				p := cluster.NewPool(t.Context(), &cluster.Connector{Connect: d.connect}, time.Second)
				defer p.Close()
				for began := time.Now(); time.Since(began) < time.Hour; time.Sleep(2 * time.Second) {
					if _, err := p.Connect(t.Context(), n1); !errors.Is(err, tt.err) {
						t.Fatal(err)
					}
				}
				time.Sleep(20 * time.Second) // what is under way
				if d.tried < tt.least || d.tried > tt.most {
					t.Errorf("tried %d times, want %d to %d", d.tried, tt.least, tt.most)
				}
			})
		})
	}
}
