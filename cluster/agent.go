package cluster

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"clusterctl/internal/probe"
)

// Program is the clusterctl that is copied to nodes to measure their network.
type Program struct {
	platform string // what uname -sm prints where it runs
	packed   func() ([]byte, error)
}

// NewProgram makes a Program of the file at path, which was built for a
// platform as Go calls it.
func NewProgram(path, goos, goarch string) *Program {
	platform := goos + " " + goarch // no uname prints that
	if goos == "linux" {
		platform = "Linux " + map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[goarch]
	}
	return &Program{platform, sync.OnceValues(func() ([]byte, error) {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the program to copy: %w", err)
		}
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
		if err == nil {
			_, err = w.Write(data)
		}
		if err == nil {
			err = w.Close()
		}
		return packed.Bytes(), err
	})}
}

// agent is a probe.Agent on a node, and the session it runs in.
type agent struct {
	*probe.Agent
	session io.Closer
}

func (a *agent) close() {
	a.Close()
	_ = a.session.Close()
}

// slowestCopy is how fast a line must be at least to copy a program, in bytes a
// second: the slowest one that ssh.Shell waits for.
const slowestCopy = 16 << 10

// agent starts an agent on the node: clusterctl itself, which is copied there
// and leaves nothing behind. An error says why it cannot be.
func (n *hostNode) agent(ctx context.Context, p *Program) (*agent, error) {
	packed, err := p.packed()
	if err != nil {
		return nil, err
	}
	limit := measureGrace + time.Duration(len(packed)/slowestCopy)*time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("copy clusterctl: %d KiB did not get there in %s: the line to it is too slow", len(packed)>>10, limit))
	defer cancel()
	session, err := n.host.Program(ctx, agentScript, strconv.Itoa(len(packed)), p.platform)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = session.Close() })
	defer stop()
	lines := bufio.NewReader(session)
	for _, step := range []struct {
		told string
		do   func() error
	}{
		{"send", func() error { _, err := session.Write(packed); return err }},
		{"started", func() error { return nil }},
	} {
		line, err := lines.ReadString('\n')
		line = strings.TrimSpace(line)
		switch {
		case err == nil && line == step.told:
			err = step.do()
		case err == nil:
			err = errors.New(line)
		case errors.Is(err, io.EOF):
			err = fmt.Errorf("copy clusterctl: it ended: %s", session.Stderr())
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			_ = session.Close()
			return nil, err
		}
	}
	return &agent{probe.NewAgent(lines, session), session}, nil
}
