//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"clusterctl/ssh/sshtest"
)

// The nodes run in a process of their own, so that what they cost is not
// clusterctl's: and since a process that is started counts as its own peak memory
// that of the one which starts it (exec_mmap in Linux), that one is small.

// counts are how often the nodes were connected to.
type counts struct{ Connections, Sessions int }

// serve is that process: it writes into dir what ssh needs to reach the nodes,
// and tells its counts at each line it reads, until there are no more.
func serve(dir string, nodes, links int) error {
	key, err := sshtest.WriteIdentity(filepath.Join(dir, "id"))
	if err != nil {
		return err
	}
	w, err := newWorld(nodes, links, func() (c sshtest.Config) {
		c.Authorized = append(c.Authorized, key)
		return c
	})
	if err != nil {
		return err
	}
	defer w.close()
	var config, hosts strings.Builder
	for _, n := range w.nodes {
		fmt.Fprintf(&config, "Host %s\n  HostName 127.0.0.1\n  Port %d\n  User root\n", n.name, n.server.Port())
		hosts.WriteString(n.server.KnownHosts())
	}
	for name, text := range map[string]string{"ssh_config": config.String(), "known_hosts": hosts.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	for lines := bufio.NewScanner(os.Stdin); ; {
		var c counts
		for _, n := range w.nodes {
			c.Connections += n.server.Connections()
			c.Sessions += n.server.Sessions()
		}
		if err := json.NewEncoder(os.Stdout).Encode(c); err != nil || !lines.Scan() {
			return err
		}
	}
}

// server is the process with the nodes, as its parent sees it.
type server struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

// startServer starts it and waits until the nodes answer.
func startServer(dir string, nodes, links int) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{cmd: exec.Command(self, "-serve", dir, "-n", strconv.Itoa(nodes), "-links", strconv.Itoa(links))}
	s.cmd.Stderr = os.Stderr
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.out = json.NewDecoder(out)
	_, err = s.read()
	return s, err
}

func (s *server) read() (c counts, err error) {
	err = s.out.Decode(&c)
	return c, err
}

func (s *server) counts() (counts, error) {
	if _, err := io.WriteString(s.in, "\n"); err != nil {
		return counts{}, err
	}
	return s.read()
}

func (s *server) close() error {
	s.in.Close()
	return s.cmd.Wait()
}
