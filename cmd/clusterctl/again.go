package main

import (
	"os"
	"regexp"
	"strings"

	"clusterctl/cluster"
	"clusterctl/ssh"
)

// onCluster begins a command line, in a remedy, of those that find a cluster by
// the flags that this run had.
var onCluster = regexp.MustCompile(`\bclusterctl ((?:-H \S+ )?)((?:add|conf|delnode|disable|doctor|enable|expected|key rotate|link|nodes|op|restart|separate|start|status|stop)\b(?: check --here)?)`)

// again puts the flags that chose the cluster, and those by which its nodes are
// reached, into each command line of clusterctl in text: pasted without them it
// could be carried out on another cluster. A second time changes nothing more.
func (a *app) again(text string) string {
	chosen, reached := a.clusterFlags()
	text = onNode.ReplaceAllStringFunc(text, func(line string) string {
		m := onNode.FindStringSubmatch(line)
		to, user, sudo := m[1], m[2], m[3]
		if a.ssh.Sudo && user != "root" {
			sudo = "sudo "
		}
		return "ssh " + a.sshFlags() + to + sudo
	})
	return onCluster.ReplaceAllStringFunc(text, func(line string) string {
		m := onCluster.FindStringSubmatch(line)
		host, verb := m[1], m[2]
		if strings.HasSuffix(verb, "--here") { // on a node itself
			return line
		}
		if host == "" {
			host = chosen
		}
		return "clusterctl " + host + reached + verb
	})
}

// onNode begins a command line that is carried out on a node.
var onNode = regexp.MustCompile(`\bssh ((?:-p \d+ )?([^\s@-][^\s@]*)@\S+ )(sudo )?`)

// sshFlags are the flags of ssh(1) for those of SSH that were given; the login
// is in the address.
func (a *app) sshFlags() string {
	args := []string{}
	for _, file := range a.ssh.Identities {
		args = append(args, "-i", file)
	}
	if a.sshConfig != "" {
		args = append(args, "-F", a.sshConfig)
	}
	if a.ssh.Jump != "" {
		args = append(args, "-J", a.ssh.Jump)
	}
	if a.knownHosts != "" {
		args = append(args, "-o", "UserKnownHostsFile="+a.knownHosts)
	}
	if len(args) == 0 {
		return ""
	}
	return ssh.Quote(args...) + " "
}

// command is again for a whole command line, which may be one for this machine.
func (a *app) command(line string) string {
	local := line != "" && !strings.HasPrefix(line, "ssh ") && !strings.HasPrefix(line, "clusterctl ") && !strings.HasPrefix(line, "sudo ")
	if local && a.ssh.Sudo && os.Geteuid() != 0 {
		return "sudo " + line
	}
	return a.again(line)
}

// clusterFlags are --host or --cluster, and the flags of SSH, as they were given.
func (a *app) clusterFlags() (chosen, reached string) {
	flag := func(to *string, name, value string) {
		if value != "" {
			*to += ssh.Quote(name, value) + " "
		}
	}
	flag(&chosen, "-H", a.host)
	flag(&chosen, "-c", a.cluster)
	for _, file := range a.ssh.Identities {
		flag(&reached, "-i", file)
	}
	flag(&reached, "-F", a.sshConfig)
	flag(&reached, "-J", a.ssh.Jump)
	flag(&reached, "-l", a.ssh.Login)
	flag(&reached, "--known-hosts", a.knownHosts)
	if a.ssh.Sudo {
		reached += "--sudo "
	}
	return chosen, reached
}

// remedied are problems whose remedies can be pasted.
func (a *app) remedied(ps cluster.Problems) cluster.Problems {
	out := make(cluster.Problems, len(ps))
	for i, p := range ps {
		p.Remedy = a.again(p.Remedy)
		out[i] = p
	}
	return out
}
