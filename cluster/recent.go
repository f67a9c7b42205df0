package cluster

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"clusterctl/quorum"
)

// recent keeps the last few values that were met.
type recent[V any] struct {
	mu     sync.Mutex
	values []V
}

// of returns the value that is asked for, and makes it where it is not kept.
func (r *recent[V]) of(is func(V) bool, make func() V) V {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range r.values {
		if is(v) {
			return v
		}
	}
	const kept = 8
	v := make()
	r.values = append(r.values, v)
	r.values = slices.Clone(r.values[max(0, len(r.values)-kept):])
	return v
}

// alike holds what most nodes of a cluster have alike, once and not for each of
// them: with hundreds of nodes each piece is as long as the list of them. What
// it gives out nobody changes.
type alike struct {
	nodes     atomic.Int64 // how many were connected to
	unpackers sync.Pool    // of *unpacker

	begun   sync.Once
	asked   chan struct{} // one element for each long answer that is on its way
	read    chan struct{} // ... that is taken apart, which a processor does at a time
	confs   recent[ConfFile]
	members recent[[]quorum.Member]
	cmaps   recent[*commonCmap]
}

// maxAnswers is how many long answers are on their way at a time. Each takes some
// hundred kilobytes with hundreds of nodes, and a fraction of a second.
const maxAnswers = 32

// turn waits until another long answer may be asked for.
func (a *alike) turn(ctx context.Context) (done func(), err error) {
	a.begun.Do(func() {
		a.asked, a.read = make(chan struct{}, maxAnswers), make(chan struct{}, runtime.GOMAXPROCS(0))
	})
	select {
	case a.asked <- struct{}{}:
		return func() { <-a.asked }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// unpacker is what it takes to unpack an answer.
type unpacker struct {
	gzip.Reader
	bytes.Buffer
}

// unpack is an answer as it was before it was packed; it is there until done.
func (a *alike) unpack(out []byte) (unpacked []byte, done func(), err error) {
	if !bytes.HasPrefix(out, []byte{0x1f, 0x8b}) { // no script's answer begins so
		return out, func() {}, nil
	}
	u, _ := a.unpackers.Get().(*unpacker)
	if u == nil {
		u = &unpacker{}
	}
	u.Buffer.Reset()
	if err = u.Reader.Reset(bytes.NewReader(out)); err == nil {
		_, err = u.ReadFrom(&u.Reader)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("unpack the answer: %w", err)
	}
	return u.Bytes(), func() { a.unpackers.Put(u) }, nil
}

func (a *alike) conf(s section) ConfFile {
	if s.status != 0 {
		return parseConf(s)
	}
	hash := Hash(s.out)
	return a.confs.of(func(c ConfFile) bool { return c.Hash == hash }, func() ConfFile {
		s.out = slices.Clone(s.out) // the rest of the answer is let go
		return parseConf(s)
	})
}

// membership is ms, which is a part of a node's answer.
func (a *alike) membership(ms []quorum.Member) []quorum.Member {
	if len(ms) == 0 {
		return ms
	}
	return a.members.of(func(o []quorum.Member) bool { return slices.Equal(o, ms) }, func() []quorum.Member {
		kept := slices.Clone(ms)
		for i := range kept {
			kept[i].Name, kept[i].Qdevice = strings.Clone(ms[i].Name), strings.Clone(ms[i].Qdevice)
		}
		return kept
	})
}

// commonCmap is the part of corosync's cmap that tells of all nodes.
type commonCmap struct {
	sum      [sha256.Size]byte
	keys     quorum.Cmap
	versions map[ID]uint64
	err      error
}

// counter tells whether a key is one that differs on each node and from one
// moment to the next, and tells nothing of what a node runs by.
func counter(key []byte) bool {
	member := isCommon(key) && bytes.HasPrefix(key, []byte("runtime."))
	return member && (bytes.HasSuffix(key, []byte(".ip")) || bytes.HasSuffix(key, []byte(".join_count")))
}

// isCommon tells whether a key tells of all nodes; members have another place in 2.4.
func isCommon(key []byte) bool {
	return bytes.HasPrefix(key, []byte("nodelist.node.")) || bytes.HasPrefix(key, []byte("runtime.members.")) ||
		bytes.HasPrefix(key, []byte("runtime.totem.pg.mrp.srp.members."))
}

// cmap reads the output of corosync-cmapctl: the keys that are the node's own,
// and those that it has in common with others. Counters are left out.
func (a *alike) cmap(out []byte) (quorum.Cmap, *commonCmap, error) {
	var own []byte
	common := sha256.New()
	for line := range bytes.Lines(out) {
		key, _, _ := bytes.Cut(line, []byte(" "))
		switch {
		case counter(key):
		case isCommon(key):
			common.Write(line)
		default:
			own = append(own, line...)
		}
	}
	keys, err := quorum.ParseCmap(own)
	if err != nil {
		return nil, nil, err
	}
	sum := [sha256.Size]byte(common.Sum(nil))
	c := a.cmaps.of(func(c *commonCmap) bool { return c.sum == sum }, func() *commonCmap {
		c := &commonCmap{sum: sum}
		var lines []byte
		for line := range bytes.Lines(out) {
			if key, _, _ := bytes.Cut(line, []byte(" ")); isCommon(key) && !counter(key) {
				lines = append(lines, line...)
			}
		}
		if c.keys, c.err = quorum.ParseCmap(lines); c.err == nil {
			c.versions = c.keys.MemberVersions()
		}
		return c
	})
	return keys, c, c.err
}
