package cluster

import (
	"context"
	"errors"
	"sync"
	"time"

	"clusterctl/ssh"
)

// Pool connects to nodes as its Connector does and keeps them connected, for
// one who looks at a cluster again and again. A node that does not answer costs
// time only once: after that it is tried in the background, and until it
// answers Connect fails at once. One that answers, but lets no one in, is tried
// ever more rarely. Its Connect is for Connector.Connect.
type Pool struct {
	through *Connector
	ctx     context.Context // of what goes on in the background
	wait    time.Duration   // for an answer of a node that is connected

	mu    sync.Mutex
	nodes map[string]*poolNode // by name and first address
}

// poolNode is one node of a Pool.
type poolNode struct {
	node   Node  // nil: not connected, or in use
	err    error // why it could not be connected
	trying bool
	pause  time.Duration // from one try to the next
	next   time.Time     // no try before
}

// tried notes how a try has ended.
func (k *poolNode) tried(node Node, err error) {
	k.node, k.err = node, err
	least, most := patience(err)
	k.pause = min(max(least, 2*k.pause), most)
	k.next = time.Now().Add(k.pause)
}

// patience is how long to wait before a node is tried again, at first and at
// most: not at all for one that is away, since when it comes back is what one
// waits for; but a machine that refuses a login may shut its door for good to
// one who goes on knocking. Some refuse only while they boot.
func patience(err error) (least, most time.Duration) {
	d, dialled := errors.AsType[*ssh.DialError](err)
	switch {
	case err == nil, dialled && (d.Stage == ssh.StageResolve || d.Stage == ssh.StageTCP):
		return 0, 0
	case errors.Is(err, ssh.ErrAuth), errors.Is(err, ssh.ErrUnknownHostKey), errors.Is(err, ssh.ErrHostKeyChanged):
		return time.Minute, 10 * time.Minute
	}
	return 2 * time.Second, time.Minute
}

// NewPool makes a Pool that connects as c does now, until ctx ends or Close.
func NewPool(ctx context.Context, c *Connector, wait time.Duration) *Pool {
	through := &Connector{Dialer: c.Dialer, Hostname: c.Hostname, Sudo: c.Sudo, Connect: c.Connect, Closely: c.Closely, Through: c.Through, Direct: c.Direct}
	return &Pool{through: through, ctx: ctx, wait: wait, nodes: map[string]*poolNode{}}
}

// Connect returns a connected node, whose Close gives it back to the pool.
func (p *Pool) Connect(ctx context.Context, n PlanNode) (Node, error) {
	key := n.Name
	if len(n.Addresses) > 0 {
		key += " " + n.Addresses[0]
	}
	p.mu.Lock()
	known := p.nodes[key]
	if known == nil {
		known = &poolNode{}
		p.nodes[key] = known
	} else if known.node != nil {
		node := known.node
		known.node = nil
		p.mu.Unlock()
		return &pooled{Node: node, pool: p, home: known}, nil
	} else if known.err != nil {
		if !known.trying && !time.Now().Before(known.next) {
			known.trying = true
			go p.try(known, n)
		}
		defer p.mu.Unlock()
		return nil, known.err
	}
	p.mu.Unlock()
	node, err := p.through.Node(ctx, n)
	p.mu.Lock()
	defer p.mu.Unlock()
	if known.tried(known.node, err); err != nil {
		return nil, err
	}
	return &pooled{Node: node, pool: p, home: known}, nil
}

// try connects to a node that did not answer.
func (p *Pool) try(known *poolNode, n PlanNode) {
	node, err := p.through.Node(p.ctx, n)
	p.mu.Lock()
	defer p.mu.Unlock()
	known.trying = false
	known.tried(node, err)
	if p.ctx.Err() != nil && node != nil {
		_ = node.Close()
		known.node = nil
	}
}

// Close ends all connections.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, known := range p.nodes {
		if known.node != nil {
			_ = known.node.Close()
			known.node = nil
		}
	}
}

// pooled is a node of a pool that is in use.
type pooled struct {
	Node
	pool   *Pool
	home   *poolNode
	broken bool
}

// Facts is given up, and the connection with it, when the node takes too long.
func (n *pooled) Facts(ctx context.Context, names []string) (*Facts, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, n.pool.wait, errSlow)
	defer cancel()
	f, err := n.Node.Facts(ctx, names)
	if err != nil {
		n.broken = true
		if errors.Is(context.Cause(ctx), errSlow) {
			err = errSlow
		}
	}
	return f, err
}

var errSlow = errors.New("it does not answer in time")

// Close gives the node back.
func (n *pooled) Close() error {
	n.pool.mu.Lock()
	defer n.pool.mu.Unlock()
	if n.broken || n.home.node != nil { // another one was given back before
		return n.Node.Close()
	}
	n.home.node = n.Node
	return nil
}
