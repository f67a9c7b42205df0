package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"clusterctl/ssh"
)

const contactsSuffix = ".ssh_config"

// Contacts is the folder where clusterctl keeps, for each cluster it knows, an
// ssh_config with a Host block per node.
type Contacts struct{ Dir string }

// Path is the file of a cluster.
func (c Contacts) Path(cluster string) string {
	return filepath.Join(c.Dir, cluster+contactsSuffix)
}

// Clusters lists the clusters that have a file, sorted.
func (c Contacts) Clusters() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(c.Dir, "*"+contactsSuffix))
	if err != nil {
		return nil, fmt.Errorf("list known clusters: %w", err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), contactsSuffix)
	}
	slices.Sort(files)
	return files, nil
}

// Write notes how the nodes of a cluster are reached: as the endpoints say. It
// fails for a cluster whose name cannot name a file: corosync takes any name, and none.
func (c Contacts) Write(cluster string, names []string, endpoints []ssh.Endpoint) error {
	if !clusterName.MatchString(cluster) {
		return fmt.Errorf("remember how the nodes are reached: the cluster's name is %q", cluster)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# How clusterctl reaches the nodes of cluster %s; also for: ssh -F <this file> NODE\n", cluster)
	for i, name := range names {
		b.WriteString("\n" + hostBlock(name, endpoints[i]))
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("write %s: %w", c.Path(cluster), err)
	}
	tmp, err := os.CreateTemp(c.Dir, "."+cluster+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", c.Path(cluster), err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // not there any more when all went well
	if _, err = tmp.WriteString(b.String()); err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), c.Path(cluster))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", c.Path(cluster), err)
	}
	return nil
}

// Rename notes that a cluster which has a file has another name; "" is none.
func (c Contacts) Rename(old, name string) error {
	if name == "" || !clusterName.MatchString(name) {
		return nil
	}
	if _, err := os.Stat(c.Path(name)); err == nil {
		return fmt.Errorf("cluster %s is still known as %s here: there is a %s of another cluster", name, old, c.Path(name))
	}
	if err := os.Rename(c.Path(old), c.Path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remember the new name of cluster %s: %w", old, err)
	}
	return nil
}

// Names returns the nodes of a cluster that has a file, in its order.
func (c Contacts) Names(cluster string) ([]string, error) {
	text, err := os.ReadFile(c.Path(cluster))
	if err != nil {
		return nil, fmt.Errorf("read the known nodes of cluster %s: %w", cluster, err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 2 && strings.EqualFold(fields[0], "Host") && !strings.ContainsAny(fields[1], "*?!") {
			names = append(names, fields[1])
		}
	}
	return names, nil
}

// hostBlock is the ssh_config block with which a node is reached as e says.
func hostBlock(name string, e ssh.Endpoint) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Host %s\n", name)
	set := func(key string, values ...string) {
		for _, v := range values {
			if v == "" {
				continue
			}
			if strings.ContainsAny(v, " \t") {
				v = `"` + v + `"`
			}
			fmt.Fprintf(&b, "    %s %s\n", key, v)
		}
	}
	set("HostName", e.HostName)
	set("User", e.User)
	if e.Port != 22 {
		set("Port", fmt.Sprint(e.Port))
	}
	set("HostKeyAlias", e.HostKeyAlias)
	set("ProxyJump", e.ProxyJump)
	set("IdentityFile", e.IdentityFiles...)
	set("CertificateFile", e.CertificateFiles...)
	if e.IdentitiesOnly {
		set("IdentitiesOnly", "yes")
	}
	set("IdentityAgent", e.IdentityAgent)
	if len(e.UserKnownHostsFiles) > 0 {
		b.WriteString("    UserKnownHostsFile")
		for _, f := range e.UserKnownHostsFiles {
			if strings.ContainsAny(f, " \t") {
				f = `"` + f + `"`
			}
			b.WriteString(" " + f)
		}
		b.WriteString("\n")
	}
	return b.String()
}
