//go:build !windows

package ssh

import (
	"io"
	"net"
	"os"
	"syscall"
)

func agentSocket() string { return os.Getenv("SSH_AUTH_SOCK") }

func dialAgent(socket string) (io.ReadWriter, io.Closer, error) {
	conn, err := net.Dial("unix", socket)
	return conn, conn, err
}

func systemDir() string { return "/etc/ssh" }

// ownSession makes a child the leader of a session without a terminal.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
