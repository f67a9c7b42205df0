//go:build linux

package probe

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Serve is an agent: it does what it reads from in and answers on out, until in
// ends, says nothing for half a minute, or ctx ends.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	orders, failed := make(chan order), make(chan error, 1)
	go func() {
		lines := bufio.NewReader(in)
		for {
			line, err := lines.ReadBytes('\n')
			var o order
			if err == nil {
				err = json.Unmarshal(line, &o)
			}
			if err != nil {
				failed <- err
				return
			}
			select {
			case orders <- o:
			case <-ctx.Done():
				return
			}
		}
	}()

	var a *agent
	defer func() { a.close() }()
	answers := json.NewEncoder(out)
	sent := make(chan struct{}, 1)
	quiet := time.NewTimer(silence)
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("read orders: %w", err)
		case <-quiet.C:
			return errors.New("nobody has said anything for half a minute")
		case <-sent:
			err = answers.Encode(answer{Done: true})
		case o := <-orders:
			quiet.Reset(silence)
			switch {
			case o.Task != nil:
				a.close()
				a = listen(*o.Task)
				err = answers.Encode(answer{Bound: a.bound})
			case o.Run != nil && a != nil:
				go func() {
					a.run(ctx, *o.Run)
					sent <- struct{}{}
				}()
			case o.Report && a != nil:
				err = answers.Encode(answer{Report: a.report()})
			}
		}
		if err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
}

// agent is what a Task has become.
type agent struct {
	task  Task
	bound []Bound
	ends  map[int]*end // by link

	mu        sync.Mutex // guards all that is counted
	paths     []*path
	multicast map[int]int
}

// end is a machine's end of a link, listening.
type end struct {
	End
	a     *agent
	mtu   int
	conns []*net.UDPConn // the first one is sent from; a second one has joined the group
	got   map[int]*Got   // by node
	paths map[int]*path  // by node
}

// path is the way to a peer.
type path struct {
	Peer
	end  *end
	sent Sent
	rtts []time.Duration
	fits chan int // sizes of which the peer says that they came
}

// listen opens the ends. One that cannot be opened says why.
func listen(t Task) *agent {
	a := &agent{task: t, ends: map[int]*end{}, multicast: map[int]int{}}
	for _, e := range t.Ends {
		b, opened := a.open(e)
		a.bound = append(a.bound, b)
		if opened != nil {
			a.ends[e.Link] = opened
		}
	}
	for _, e := range a.ends {
		for _, c := range e.conns {
			go e.read(c)
		}
	}
	return a
}

func (a *agent) close() {
	if a == nil {
		return
	}
	for _, e := range a.ends {
		for _, c := range e.conns {
			c.Close()
		}
	}
}

func network(a netip.Addr) string {
	if a.Is4() {
		return "udp4"
	}
	return "udp6"
}

func (a *agent) open(e End) (Bound, *end) {
	b := Bound{Link: e.Link}
	device, err := deviceOf(e.Addr)
	if err != nil {
		b.Err = err.Error()
		return b, nil
	}
	b.Device, b.MTU = device.Name, device.MTU
	conn, err := bind(e)
	if err != nil {
		b.Err = err.Error()
		return b, nil
	}
	b.Port = conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	o := &end{End: e, a: a, mtu: device.MTU, conns: []*net.UDPConn{conn}, got: map[int]*Got{}, paths: map[int]*path{}}
	if e.Group.IsValid() {
		if err := control(conn, func(fd int) error { return multicastFrom(fd, e.Addr, device) }); err != nil {
			b.Err = fmt.Sprintf("send multicast: %v", err)
		}
		group, err := join(netip.AddrPortFrom(e.Group, b.Port), device)
		if err != nil {
			b.Err = fmt.Sprintf("join %s: %v", e.Group, err)
		} else {
			o.conns = append(o.conns, group)
		}
	}
	return b, o
}

func deviceOf(a netip.Addr) (*net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		addrs, err := i.Addrs()
		if err != nil {
			return nil, err
		}
		for _, have := range addrs {
			if p, err := netip.ParsePrefix(have.String()); err == nil && p.Addr().Unmap() == a {
				return &i, nil
			}
		}
	}
	return nil, fmt.Errorf("%s is on none of the interfaces", a)
}

// bind opens a socket on the port that is asked for; where that is in use on
// another one that a firewall made for corosync may let through, else on any.
func bind(e End) (*net.UDPConn, error) {
	ports := []uint16{e.Port}
	for p := uint16(5412); p > 5404; p-- {
		ports = append(ports, p)
	}
	var conn *net.UDPConn
	var err error
	for _, port := range append(ports, 0) {
		conn, err = net.ListenUDP(network(e.Addr), net.UDPAddrFromAddrPort(netip.AddrPortFrom(e.Addr, port)))
		if !errors.Is(err, unix.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return conn, control(conn, func(fd int) error { return prepare(fd, e.Addr.Is4()) })
}

func control(c *net.UDPConn, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	return cmp.Or(raw.Control(func(fd uintptr) { inner = f(int(fd)) }), inner)
}

// prepare has the kernel time what comes, keep much of it, and send packets
// whole or not at all, whatever it believes the path bears.
func prepare(fd int, v4 bool) error {
	const room = 8 << 20
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, room) // not root: as much as there is
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return fmt.Errorf("time packets: %w", err)
	}
	var err error
	if v4 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
	} else {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
	}
	if err != nil {
		return fmt.Errorf("send packets whole: %w", err)
	}
	return nil
}

func multicastFrom(fd int, a netip.Addr, device *net.Interface) error {
	if a.Is4() {
		return errors.Join(unix.SetsockoptInet4Addr(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, a.As4()),
			unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0))
	}
	return errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, device.Index),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 0))
}

// join opens a socket for what is sent to a group. Package net would bind it to
// all addresses, the machine's own on other links too.
func join(group netip.AddrPort, device *net.Interface) (*net.UDPConn, error) {
	family := unix.AF_INET6
	if group.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "multicast")
	defer file.Close()
	if a := group.Addr(); a.Is4() {
		err = cmp.Or(unix.Bind(fd, &unix.SockaddrInet4{Addr: a.As4(), Port: int(group.Port())}),
			unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: a.As4(), Ifindex: int32(device.Index)}))
	} else {
		err = cmp.Or(unix.Bind(fd, &unix.SockaddrInet6{Addr: a.As16(), Port: int(group.Port())}),
			unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &unix.IPv6Mreq{Multiaddr: a.As16(), Interface: uint32(device.Index)}))
	}
	if err != nil {
		return nil, err
	}
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// read takes in what comes to a socket, until that is closed.
func (e *end) read(c *net.UDPConn) {
	buf, oob := make([]byte, 1<<16), make([]byte, 128)
	for {
		n, oobn, _, from, err := c.ReadMsgUDPAddrPort(buf, oob)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if h, ok := parse(buf[:n], e.a.task.Session); ok {
			e.take(h, arrival(oob[:oobn]), from)
		}
	}
}

// arrival is when the kernel got a packet.
func arrival(oob []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err == nil {
		for _, m := range messages {
			if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) == 16 {
				return time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
			}
		}
	}
	return time.Now()
}

// take takes in a packet.
func (e *end) take(h header, at time.Time, from netip.AddrPort) {
	switch h.kind {
	case kindProbe:
		e.count(h, func(g *Got) { g.Probes++ })
		h.kind, h.from = kindEcho, uint16(e.a.task.Node)
		h.hold = time.Since(at)
		_ = e.send(h, packetSize, from) // what is not sent counts as lost
	case kindSize:
		h.kind, h.from = kindFits, uint16(e.a.task.Node)
		_ = e.send(h, packetSize, from)
	case kindMulticast:
		e.count(h, func(g *Got) { g.Multicast++ })
	case kindEcho:
		e.a.mu.Lock()
		defer e.a.mu.Unlock()
		if p := e.paths[int(h.from)]; p != nil {
			p.sent.Echoed++
			p.rtts = append(p.rtts, max(0, at.Sub(time.Unix(0, h.sent))-h.hold))
		}
	case kindFits:
		e.a.mu.Lock()
		defer e.a.mu.Unlock()
		if p := e.paths[int(h.from)]; p != nil {
			select {
			case p.fits <- int(h.seq):
			default: // late, of a size that was tried before
			}
		}
	}
}

func (e *end) count(h header, f func(*Got)) {
	e.a.mu.Lock()
	defer e.a.mu.Unlock()
	node := int(h.from)
	if e.got[node] == nil {
		e.got[node] = &Got{Link: e.Link, Node: node}
	}
	f(e.got[node])
}

// send sends a packet. What the machine itself does not let out is lost as what
// is lost on the way.
func (e *end) send(h header, size int, to netip.AddrPort) error {
	b := make([]byte, size)
	h.put(b)
	_, err := e.conns[0].WriteToUDPAddrPort(b, to)
	return err
}

func (a *agent) header(kind byte, link int, seq int) header {
	return header{session: a.task.Session, kind: kind, link: byte(link), from: uint16(a.task.Node), seq: uint32(seq), sent: time.Now().UnixNano()}
}

const (
	warmUps  = 3
	warmTime = 30 * time.Millisecond  // from one to the next
	linger   = 300 * time.Millisecond // for the last echoes
	tick     = time.Millisecond       // at least; what is due in it goes at once
	maxBurst = 64                     // packets that are caught up with after a pause
)

// run sends what it is told to.
func (a *agent) run(ctx context.Context, r Run) {
	a.mu.Lock()
	a.paths = nil
	for _, p := range r.Peers {
		if e := a.ends[p.Link]; e != nil {
			e.paths[p.Node] = &path{Peer: p, end: e, sent: Sent{Link: p.Link, Node: p.Node}, fits: make(chan int, 8)}
			a.paths = append(a.paths, e.paths[p.Node])
		}
	}
	paths := a.paths
	a.mu.Unlock()
	for range warmUps {
		for _, p := range paths {
			_ = p.end.send(a.header(kindWarm, p.Link, 0), packetSize, p.Addr)
		}
		if !sleep(ctx, warmTime) {
			return
		}
	}
	var sizes sync.WaitGroup
	for _, p := range paths {
		sizes.Go(func() {
			mtu := p.findMTU(ctx)
			a.mu.Lock()
			defer a.mu.Unlock()
			p.sent.MTU = mtu
		})
	}
	a.stream(ctx, r, paths)
	sleep(ctx, linger)
	sizes.Wait()
}

// stream sends the probes, one path after the other, evenly over the time.
func (a *agent) stream(ctx context.Context, r Run, paths []*path) {
	if len(paths) == 0 {
		return
	}
	step := r.Interval / time.Duration(len(paths))
	start := time.Now()
	for i := 0; i < r.Count*len(paths); i++ {
		due := time.Duration(i) * step
		switch now := time.Since(start); {
		case now < due:
			if !sleep(ctx, max(due-now, tick)) {
				return
			}
		case now > due+maxBurst*step:
			start = start.Add(now - due - maxBurst*step)
		}
		p := paths[i%len(paths)]
		if i%len(paths) == 0 {
			a.sendMulticast(r, i/len(paths))
		}
		_ = p.end.send(a.header(kindProbe, p.Link, i/len(paths)), packetSize, p.Addr)
		a.mu.Lock()
		p.sent.Sent++
		a.mu.Unlock()
	}
}

func (a *agent) sendMulticast(r Run, seq int) {
	for link, ports := range r.Multicast {
		e := a.ends[link]
		if e == nil || !e.Group.IsValid() {
			continue
		}
		for _, port := range ports {
			_ = e.send(a.header(kindMulticast, link, seq), packetSize, netip.AddrPortFrom(e.Group, port))
		}
		a.mu.Lock()
		a.multicast[link]++
		a.mu.Unlock()
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// smallest is what every network carries (RFC 791; RFC 8200).
func smallest(a netip.Addr) int {
	if a.Is4() {
		return 576
	}
	return 1280
}

// findMTU returns the size of the largest IP packet that comes to the peer in
// one piece; 0 when not even the smallest one is known to come.
func (p *path) findMTU(ctx context.Context) int {
	over := min(p.end.mtu, 1<<16-1)
	if p.passes(ctx, over) {
		return over
	}
	fits := smallest(p.Addr.Addr())
	if fits >= over || !p.passes(ctx, fits) {
		return 0
	}
	for over-fits > 1 {
		if mid := (fits + over) / 2; p.passes(ctx, mid) {
			fits = mid
		} else {
			over = mid
		}
	}
	return fits
}

// passes tries a size.
func (p *path) passes(ctx context.Context, size int) bool {
	const (
		tries = 5
		wait  = 50 * time.Millisecond
	)
	head := 20 + 8
	if !p.Addr.Addr().Is4() {
		head = 40 + 8
	}
	for range tries {
		if err := p.end.send(p.end.a.header(kindSize, p.Link, size), size-head, p.Addr); errors.Is(err, unix.EMSGSIZE) {
			return false
		}
		late := time.NewTimer(wait)
		for waiting := true; waiting; {
			select {
			case got := <-p.fits:
				if got == size {
					late.Stop()
					return true
				}
			case <-late.C:
				waiting = false
			case <-ctx.Done():
				return false
			}
		}
	}
	return false
}

func (a *agent) report() *Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := &Report{Multicast: maps.Clone(a.multicast)}
	for _, p := range a.paths {
		p.sent.RTT = stats(p.rtts)
		r.Sent = append(r.Sent, p.sent)
	}
	for _, e := range a.ends {
		for _, g := range e.got {
			r.Got = append(r.Got, *g)
		}
	}
	slices.SortFunc(r.Got, func(a, b Got) int { return cmp.Or(cmp.Compare(a.Link, b.Link), cmp.Compare(a.Node, b.Node)) })
	return r
}
