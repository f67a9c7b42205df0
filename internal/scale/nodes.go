//go:build linux

package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"clusterctl/corosyncconf"
	"clusterctl/ssh/sshtest"
)

// world are nodes behind SSH servers of their own. They answer clusterctl's
// scripts in the form and at the length in which real nodes do, with no time
// spent on it, and know of a cluster just what create, status and conf set need.
type world struct {
	nodes []*node
	links int

	mu      sync.Mutex
	members []*node // those that run corosync, in the order of their ids
}

// node is one of them. What changes is guarded by the world's mutex.
type node struct {
	*world
	id      int
	name    string
	server  *sshtest.Server
	blobs   map[string]string // that the journal has, by hash
	files   map[string]string
	enabled bool
	version uint64 // that corosync runs; 0: it does not run
	token   string // ... with
}

func newWorld(count, links int, configure func() sshtest.Config) (*world, error) {
	w := &world{links: links}
	for i := range count {
		n := &node{world: w, id: i + 1, name: fmt.Sprintf("node%03d", i+1), blobs: map[string]string{}, files: map[string]string{}}
		config := configure()
		config.Execute = n.serve
		var err error
		if n.server, err = sshtest.Start(config); err != nil {
			w.close()
			return nil, err
		}
		w.nodes = append(w.nodes, n)
	}
	return w, nil
}

func (w *world) close() {
	var wg sync.WaitGroup
	for _, n := range w.nodes {
		wg.Go(n.server.Close)
	}
	wg.Wait()
}

func (n *node) addr(link int) string {
	return fmt.Sprintf("10.%d.%d.%d", 80+link, n.id/250, n.id%250+1)
}

// run answers a script, packed where it says so.
func (n *node) run(script string, args []string, input string) (string, int) {
	out, status := n.answer(script, args, input)
	if !strings.HasSuffix(script, "| gzip -1\n") {
		return out, status
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, 1)
	_, err := io.WriteString(z, out)
	if err = errors.Join(err, z.Close()); err != nil {
		return err.Error(), 1
	}
	return b.String(), status
}

// answer answers a script, which is known by a comment in it.
func (n *node) answer(script string, args []string, input string) (string, int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	is := func(comment string) bool {
		return strings.Contains(script, "\n# "+comment) || strings.HasPrefix(script, "# "+comment)
	}
	var a answers
	switch {
	case is("Takes the node's lock"):
		return "", 0
	case is("What changes a node."):
		if err := n.change(args, input); err != nil {
			return err.Error(), 1
		}
		return "", 0
	case is("Sends a packet to UDP ports"):
		for ; len(args) >= 4; args = args[4:] {
			a.put(args[0], 0, "there")
		}
	default:
		if is("Reads what a node is.") || is("Reads what a plan relies on") {
			n.facts(&a)
		}
		if is("Reads what corosync says") && n.version > 0 {
			n.runtime(&a, script)
		}
	}
	a.put("end", 0, "")
	return a.String(), 0
}

// answers are what the scripts print: see cluster/script/sections.sh.
type answers struct{ strings.Builder }

func (a *answers) put(name string, status int, text string) {
	text = strings.TrimRight(text, "\n")
	fmt.Fprintf(a, "%s %d %d\n%s\n", name, status, len(text), text)
}

func (a *answers) file(n *node, name, path string) {
	text, ok := n.files[path]
	if !ok {
		a.put(name, 1, "")
		return
	}
	fmt.Fprintf(a, "%s 0 %d\n%s\n", name, len(text), text)
}

const (
	confPath = "/etc/corosync/corosync.conf"
	keyPath  = "/etc/corosync/authkey"
)

func (n *node) facts(a *answers) {
	a.put("clock", 0, fmt.Sprintf("%.6f", float64(time.Now().UnixMicro())/1e6))
	a.put("hostname", 0, n.name)
	a.put("uid", 0, "0")
	a.put("machine", 0, fmt.Sprintf("%032x", n.id))
	a.put("os", 0, "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n")
	a.put("systemd", 0, "")
	a.put("pve", 1, "")
	a.put("corosync", 0, "Corosync Cluster Engine, version '3.1.7'\nCopyright (c) 2006-2021 Red Hat, Inc.\n")
	a.file(n, "conf", confPath)
	status, hashes := 1, ""
	for _, path := range []string{confPath, keyPath} {
		if text, ok := n.files[path]; ok {
			status, hashes = 0, hashes+hash(text)+"  "+path+"\n"
		}
	}
	a.put("key", status, "")
	a.put("hashes", status, hashes)
	active, enabled := "inactive", "disabled"
	if n.version > 0 {
		active = "active"
	}
	if n.enabled {
		enabled = "enabled"
	}
	units := fmt.Sprintf("Id=corosync.service\nLoadState=loaded\nActiveState=%s\nUnitFileState=%s\n", active, enabled)
	for _, unit := range []string{"corosync-qdevice", "pacemaker", "sbd", "dlm", "pve-cluster", "pve-ha-lrm", "pve-ha-crm"} {
		units += "\nId=" + unit + ".service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n"
	}
	a.put("units", 0, units)
	addrs := "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever\n"
	for link := range n.links {
		addrs += fmt.Sprintf("%d: eth%d    inet %s/16 brd 10.%d.255.255 scope global eth%d\\       valid_lft forever preferred_lft forever\n", link+2, link, n.addr(link), 80+link, link)
	}
	a.put("addrs", 0, addrs)
	a.put("disk", 0, "Filesystem     1024-blocks    Used Available Capacity Mounted on\n/dev/vda1         20466256 2342256  17059076      13% /\n/dev/vda1         20466256 2342256  17059076      13% /\n")
	a.file(n, "ids", "/var/lib/clusterctl/ids")
	a.put("cib", 1, "")
	a.put("dlm", 1, "")
	a.put("ended", 0, "")
}

// runtime is what corosync's tools print, as of 3.1.7 in testdata.
func (n *node) runtime(a *answers, script string) {
	var b strings.Builder
	count := len(n.members)
	fmt.Fprintf(&b, "Quorum information\n------------------\nDate:             Sat Nov 21 21:05:10 2026\nQuorum provider:  corosync_votequorum\n"+
		"Nodes:            %d\nNode ID:          %d\nRing ID:          1.9\nQuorate:          Yes\n\nVotequorum information\n----------------------\n"+
		"Expected votes:   %d\nHighest expected: %d\nTotal votes:      %d\nQuorum:           %d  \nFlags:            %sQuorate %s\n\n"+
		"Membership information\n----------------------\n    Nodeid      Votes Name\n", count, n.id, count, count, count, n.quorum(), n.twoNode("2Node "), n.twoNode("WaitForAll "))
	for _, m := range n.members {
		local := ""
		if m == n {
			local = " (local)"
		}
		fmt.Fprintf(&b, "%10d %10d %s%s\n", m.id, 1, m.addr(0), local)
	}
	a.put("quorum", 0, b.String())

	b.Reset()
	fmt.Fprintf(&b, "Local node ID %d, transport knet\n", n.id)
	for link := range n.links {
		fmt.Fprintf(&b, "LINK ID %d udp\n\taddr\t= %s\n\tstatus:\n", link, n.addr(link))
		for _, m := range n.members {
			state := "connected"
			if m == n {
				state = "localhost"
			}
			fmt.Fprintf(&b, "\t\tnodeid: %10d:\t%s\n", m.id, state)
		}
	}
	a.put("links", 0, b.String())

	b.Reset()
	n.cmap(&b)
	text := b.String()
	if len(text) >= 50000 && strings.Contains(script, "(ip|join_count)") {
		text = strings.Join(slices.DeleteFunc(strings.SplitAfter(text, "\n"), counter.MatchString), "")
	}
	a.put("cmap", 0, text)
}

// counter is what script/runtime.sh leaves out.
var counter = regexp.MustCompile(`^runtime\.members\.[0-9]+\.(ip|join_count) `)

func (n *node) quorum() int {
	if len(n.nodes) == 2 {
		return 1
	}
	return len(n.members)/2 + 1
}

func (n *node) twoNode(text string) string {
	if len(n.nodes) == 2 {
		return text
	}
	return ""
}

func (n *node) cmap(b *strings.Builder) {
	fmt.Fprintf(b, "nodelist.local_node_pos (u32) = %d\n", n.id-1)
	for i, m := range n.members {
		fmt.Fprintf(b, "nodelist.node.%d.name (str) = %s\nnodelist.node.%d.nodeid (u32) = %d\n", i, m.name, i, m.id)
		for link := range n.links {
			fmt.Fprintf(b, "nodelist.node.%d.ring%d_addr (str) = %s\n", i, link, m.addr(link))
		}
	}
	b.WriteString("quorum.provider (str) = corosync_votequorum\n")
	for _, key := range []string{"consensus", "downcheck", "fail_recv_const", "hold", "join", "max_messages", "merge", "send_join", "token_retransmit", "window_size"} {
		fmt.Fprintf(b, "runtime.config.totem.%s (u32) = 1000\n", key)
	}
	fmt.Fprintf(b, "runtime.config.totem.token (u32) = %s\n", cmp.Or(n.token, "3650"))
	for _, m := range n.members {
		fmt.Fprintf(b, "runtime.members.%d.config_version (u64) = %d\nruntime.members.%d.ip (str) = ", m.id, m.version, m.id)
		for link := range n.links {
			fmt.Fprintf(b, "r(%d) ip(%s) ", link, m.addr(link))
		}
		fmt.Fprintf(b, "\nruntime.members.%d.join_count (u32) = 1\nruntime.members.%d.status (str) = joined\n", m.id, m.id)
	}
	fmt.Fprintf(b, "runtime.votequorum.this_node_id (u32) = %d\n", n.id)
	fmt.Fprintf(b, "totem.cluster_name (str) = scale\ntotem.config_version (u64) = %d\ntotem.crypto_cipher (str) = aes256\ntotem.crypto_hash (str) = sha256\n", n.version)
	if n.token != "" {
		fmt.Fprintf(b, "totem.token (u32) = %s\n", n.token)
	}
	b.WriteString("totem.transport (str) = knet\ntotem.version (u32) = 2\n")
}

// change is script/change.sh.
func (n *node) change(args []string, input string) error {
	switch args[0] {
	case "begin": // COUNT ID-OVER... ID JSON-LENGTH COUNT (HASH LENGTH)...
		size, _ := strconv.Atoi(args[3])
		count, _ := strconv.Atoi(args[4])
		input = input[size:]
		for _, blob := range slices.Collect(slices.Chunk(args[5:5+2*count], 2)) {
			size, _ := strconv.Atoi(blob[1])
			n.blobs[blob[0]], input = input[:size], input[size:]
		}
	case "step": // ID PHASE PHASE-AFTER STEP (KIND PATH BLOB BASE MODE UNIT NAME N VERSION)...
		if args[2] != "do" {
			return errors.New("not foreseen: undoing")
		}
		for op := range slices.Chunk(args[5:], 9) {
			if err := n.do(op[0], op[1], op[2], op[6], op[7], op[8]); err != nil {
				return err
			}
		}
	case "end":
	case "retire":
		clear(n.blobs)
	default:
		return fmt.Errorf("not foreseen: %s", args[0])
	}
	return nil
}

func (n *node) do(kind, path, blob, name, id, version string) error {
	switch kind {
	case "stop", "test":
	case "put", "swap":
		n.files[path] = n.blobs[blob]
	case "stage":
		if hash(n.blobs[blob]) != blob {
			return errors.New("the content is damaged")
		}
	case "ids":
		n.files["/var/lib/clusterctl/ids"] = name + "\n" + id + "\n" + version + "\n"
	case "enable":
		n.enabled = true
	case "start":
		if n.version == 0 {
			n.members = append(n.members, n)
			slices.SortFunc(n.members, func(a, b *node) int { return a.id - b.id })
		}
		n.reload()
	case "reload":
		for _, m := range n.members {
			m.reload()
		}
	default:
		return fmt.Errorf("not foreseen: %s", kind)
	}
	return nil
}

func (n *node) reload() {
	f, _ := corosyncconf.Parse("", []byte(n.files[confPath]))
	n.version = f.ConfigVersion()
	n.token, _ = f.Root().Section("totem").Get("token")
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
