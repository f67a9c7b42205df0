//go:build linux

package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// Home is the home directory that commands of the lab have. Its .ssh has a config, a key and a known_hosts under which
// the nodes' names just work.
func (l *Lab) Home() string {
	return l.file("home")
}

// enter keeps the working directory and the process id: what replaces the shell is the command itself.
const enter = `holder=$1; shift; exec nsenter --target "$holder" --mount --net --uts --wdns="$(pwd -P)" -- "$@"`

// Command is the command that runs a program in the controller's namespaces: beside the nodes, in their management
// network, as an admin's workstation is. The process is the program's own, to be killed and waited for as any. What it
// leaves running ends with the lab.
//
// Its environment is this process's, but for HOME, PATH (where ssh, scp and sftp are made to use the lab's
// configuration, as OpenSSH does not look at HOME) and all that begins with SSH_ or XDG_, which is left out: no agent and
// no other configuration meddles.
func (l *Lab) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return l.command(ctx, l.commands(), name, args...)
}

func (l *Lab) command(ctx context.Context, g group, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", join + enter, string(g), l.holder, name}, args...)...)
	cmd.Env = l.environ()
	return cmd
}

// Exec is Command in place of this process. It returns only if it fails.
func (l *Lab) Exec(name string, args ...string) error {
	cmd := l.Command(context.Background(), name, args...)
	return syscall.Exec(cmd.Path, cmd.Args, cmd.Env)
}

func (l *Lab) environ() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SSH_") && !strings.HasPrefix(v, "XDG_") {
			env = append(env, v)
		}
	}
	return append(env, "HOME="+l.Home(), "PATH="+l.file("bin")+":"+searchPath())
}

// ssh is the command that shows that a node lets one in.
func (l *Lab) ssh(ctx context.Context, n *Node) *exec.Cmd {
	return grouped(l.Command(ctx, "ssh", "-o", "BatchMode=yes", n.name, "true"))
}

// writeHome makes the controller's home: a key, the ssh configuration, and ssh programs that use it.
func (l *Lab) writeHome(ctx context.Context) error {
	for _, dir := range []string{l.file("bin"), l.file("console"), l.file("home", ".ssh"), l.file("keys")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	key, known := l.file("home", ".ssh", "id_ed25519"), l.file("home", ".ssh", "known_hosts")
	if err := l.keygen(ctx, "ed25519", key, "clusterlab "+l.options.Name); err != nil {
		return err
	}
	var config, knownHosts strings.Builder
	for _, n := range l.nodes {
		fmt.Fprintf(&config, "Host %s\n\tHostName %s\n", n.name, n.Addr(Mgmt))
		for _, kind := range hostKeys {
			if err := l.keygen(ctx, kind, n.hostKey(kind), "root@"+n.name); err != nil {
				return err
			}
		}
		public, err := os.ReadFile(n.hostKey(hostKeys[0]) + ".pub")
		if err != nil {
			return err
		}
		names := []string{n.name, n.Addr(Mgmt).String()}
		for link := range l.options.Links {
			names = append(names, n.Addr(link).String())
		}
		fmt.Fprintf(&knownHosts, "%s %s", strings.Join(names, ","), public)
	}
	fmt.Fprintf(&config, "Host *\n\tUser root\n\tIdentityFile %s\n\tIdentitiesOnly yes\n\tUserKnownHostsFile %s\n"+
		"\tGlobalKnownHostsFile /dev/null\n", key, known)
	files := map[string]string{known: knownHosts.String(), l.file("home", ".ssh", "config"): config.String()}
	for name, data := range files {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			return err
		}
	}
	for _, program := range []string{"ssh", "scp", "sftp"} {
		script := fmt.Sprintf("#!/bin/sh\nexec /usr/bin/%s -F %s \"$@\"\n", program, l.file("home", ".ssh", "config"))
		if err := os.WriteFile(l.file("bin", program), []byte(script), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// hostKeys are the kinds of host key that a node has. The controller knows the first one only, as a client does that
// met the node once: it must ask for the kind that it knows.
var hostKeys = []string{"ed25519", "ecdsa"}

// keygen makes a key pair without a passphrase: file and file.pub.
func (l *Lab) keygen(ctx context.Context, kind, file, comment string) error {
	cmd := joined(ctx, l.commands(), `exec ssh-keygen -q -t "$1" -N "" -f "$2" -C "$3"`, kind, file, comment)
	_, err := output(cmd, "make a key")
	return err
}
