package ssh

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// agentSocket is where OpenSSH for Windows has its agent, unless the environment says otherwise.
func agentSocket() string {
	if socket := os.Getenv("SSH_AUTH_SOCK"); socket != "" {
		return socket
	}
	if _, err := os.Stat(windowsAgentPipe); err != nil {
		return "" // the service is not running
	}
	return windowsAgentPipe
}

const windowsAgentPipe = `\\.\pipe\openssh-ssh-agent`

// dialAgent opens a named pipe, which is a file to Windows. A write to it would wait for a read that is under way: that
// the connection shows no Close tells the agent's client to make one request at a time.
func dialAgent(socket string) (io.ReadWriter, io.Closer, error) {
	pipe, err := os.OpenFile(socket, os.O_RDWR, 0)
	return struct{ io.ReadWriter }{pipe}, pipe, err
}

func systemDir() string { return filepath.Join(os.Getenv("ProgramData"), "ssh") }

// ownSession keeps ^C from a child.
func ownSession() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
