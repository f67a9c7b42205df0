package cluster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"clusterctl/corosyncconf"
)

// PVEConfPath is corosync.conf in Proxmox VE's cluster file system, pmxcfs. There
// it is the truth: pmxcfs on each node copies it to ConfPath, unless that is newer
// or the same already, and the one on which it was written then reloads corosync,
// whether the others have it or not (dcdb.c, dcdb_sync_corosync_conf).
const PVEConfPath = "/etc/pve/corosync.conf"

// PVE is what a node of Proxmox VE has besides.
type PVE struct {
	Mounted  bool      // /etc/pve is pmxcfs, and answers
	Writable bool      // it has quorum, or needs none
	Conf     FileState // of PVEConfPath
	Version  uint64    // its config_version
	LRM      string    // the state of HA's local resource manager; "": not known
	LRMMode  string    // what it is on its way to: active, restart, maintenance, ...
	Watchdog bool      // someone has the node reset unless told not to
	Guests   []string  // ids of the virtual machines and containers that are configured on the node
	Peers    []PVEPeer // the cluster as pmxcfs knows it, by name

	Datacenter []byte // of PVEDatacenterPath; nil: there is none

	// For what a node leaves behind: see leavings.
	Files map[string]string   // what may name a node, by its path below /etc/pve
	Homes map[string][]string // the nodes that have a directory in /etc/pve/nodes, with the files of their guests in it
	Key   string              // the public key with which root there logs in to the others
}

// PVEPeer is a node as pmxcfs knows it.
type PVEPeer struct {
	Name   string `json:"name"`
	Online bool   `json:"online"` // its pmxcfs is connected
}

// authorizedKeys is where Proxmox VE keeps the keys that root is logged in with, below
// /etc/pve: /root/.ssh/authorized_keys is a link to it.
const authorizedKeys = "priv/authorized_keys"

// killed is the exit status of a command that timeout has killed.
const killed = 137

// parsePVE reads what script/facts.sh says of pmxcfs; nil where there is none.
func parsePVE(sec map[string]section) *PVE {
	if sec["pve"].status != 0 {
		return nil
	}
	p := &PVE{Conf: FileState{Hash: Absent}}
	mode, err := strconv.ParseUint(strings.TrimSpace(string(sec["pvelocal"].out)), 8, 32)
	p.Mounted = string(sec["pve"].out) == "mounted" && err == nil && sec["pveguests"].status != killed && sec["pvedatacenter"].status != killed
	p.Writable = p.Mounted && mode&0o200 != 0 // as PVE's own tools tell (Cluster.pm, check_cfs_quorum)
	if hash, _, ok := strings.Cut(string(sec["pvehash"].out), " "); ok && sec["pvehash"].status == 0 {
		p.Conf = FileState{Exists: true, Hash: hash}
		if f, err := corosyncconf.Parse(PVEConfPath, sec["pveconf"].out); err == nil {
			p.Version = f.ConfigVersion()
		}
	}
	if s, ok := sec["pvedatacenter"]; ok && s.status == 0 {
		p.Datacenter = s.out
	}
	for line := range strings.Lines(string(sec["pveguests"].out)) {
		if id, ok := strings.CutSuffix(path.Base(strings.TrimSpace(line)), ".conf"); ok {
			p.Guests = append(p.Guests, id)
		}
	}
	var lrm struct{ State, Mode string }
	if json.Unmarshal(sec["pvelrm"].out, &lrm) == nil {
		p.LRM, p.LRMMode = lrm.State, lrm.Mode
	}
	watchdog, asked := sec["watchdog"]
	p.Watchdog = asked && watchdog.status == 0
	var members struct {
		Nodelist map[string]struct{ Online int }
	}
	if json.Unmarshal(sec["pvemembers"].out, &members) == nil {
		for name, n := range members.Nodelist {
			p.Peers = append(p.Peers, PVEPeer{name, n.Online == 1})
		}
	}
	for name, s := range sec {
		if file, ok := strings.CutPrefix(name, "pve:"); ok && s.status == 0 {
			if p.Files == nil {
				p.Files = map[string]string{}
			}
			p.Files[file] = string(s.out)
		}
	}
	for line := range strings.Lines(string(sec["pvehomes"].out)) {
		name, file, _ := strings.Cut(strings.TrimSpace(line), "/")
		if p.Homes == nil {
			p.Homes = map[string][]string{}
		}
		if file != "" {
			p.Homes[name] = append(p.Homes[name], file)
		} else if name != "" {
			p.Homes[name] = nil
		}
	}
	if key := strings.Fields(string(sec["pvekey"].out)); len(key) > 1 {
		p.Key = key[1]
	}
	slices.SortFunc(p.Peers, func(a, b PVEPeer) int { return strings.Compare(a.Name, b.Name) })
	return p
}

// answers checks that pmxcfs runs.
func (p *PVE) answers(ps *Problems, node string) bool {
	if !p.Mounted {
		ps.add(CodePmxcfs, node, "systemctl restart pve-cluster", "pmxcfs does not run there, or does not answer")
	}
	return p.Mounted
}

// apart tells whether pmxcfs is by itself although corosync runs: one of a cluster that
// can be written knows its nodes. What is put there, no other node gets.
func (f *Facts) apart() bool {
	return f.UID == 0 && f.PVE != nil && f.PVE.Writable && len(f.PVE.Peers) == 0 && f.Units["corosync"].Running()
}

// joint checks that pmxcfs of a node where corosync runs is not by itself.
func (f *Facts) joint(ps *Problems, node string) bool {
	switch {
	case !f.apart():
		return true
	case !f.PVE.Conf.Exists:
		ps.add(CodePmxcfs, node, "clusterctl doctor", "there is no %s, so that pmxcfs is by itself, although corosync runs in the cluster", PVEConfPath)
	default:
		ps.add(CodePmxcfs, node, rejoin, "pmxcfs is by itself there, although corosync runs in the cluster: the other nodes have another /etc/pve")
	}
	return false
}

// rejoin has a pmxcfs that was started without its unit give way to that of the unit;
// those in containers go on.
const rejoin = "pkill --ns $$ -x pmxcfs; systemctl restart pve-cluster"

// pve tells whether the cluster is one of Proxmox VE.
func (v *View) pve() bool {
	return slices.ContainsFunc(v.reached(), func(f *Facts) bool { return f.PVE != nil })
}

// withoutPmxcfs has the problem of a node that was not reached say that pmxcfs may be
// what is missing there: root's authorized_keys is in it.
func (v *View) withoutPmxcfs(p *Problem) {
	offline := slices.ContainsFunc(v.reached(), func(f *Facts) bool {
		return f.PVE != nil && slices.Contains(f.PVE.Peers, PVEPeer{Name: p.Node})
	})
	if !v.pve() || p.Code != CodeAuth && (p.Code != CodeUnreachable || !offline) {
		return
	}
	const way = "pmxcfs may not run there, in which Proxmox VE has the keys that root logs in with: at its console, systemctl restart pve-cluster (a key in /root/.ssh/authorized_keys2 works without it)"
	if p.Code == CodeAuth && offline {
		p.Remedy = way
		return
	}
	p.Remedy += "; or " + way
}

// sameLayout refuses nodes of which some, but not all, are nodes of Proxmox VE.
func sameLayout(ps *Problems, facts []*Facts) {
	var with, without []string
	for _, f := range facts {
		if f.PVE != nil {
			with = append(with, f.Node)
		} else {
			without = append(without, f.Node)
		}
	}
	if len(with) > 0 && len(without) > 0 {
		ps.add(CodeLayout, "", "make a cluster of one kind", "%s %s Proxmox VE, %s %s not", andList(with), theirs(len(with), "is", "are"), andList(without), theirs(len(without), "is", "are"))
	}
}

// published checks that /etc/pve has what the cluster runs, and can be written:
// with that it is one more copy of the file, which is kept equal.
func (v *View) published(ps *Problems) {
	want, writable := Hash(v.Conf.Bytes()), false
	for _, n := range v.Nodes {
		if n.Facts == nil || n.Facts.PVE == nil || !n.active() {
			continue
		}
		switch p := n.Facts.PVE; {
		case !p.answers(ps, n.Name), !n.Facts.joint(ps, n.Name):
		case n.Facts.UID == 0 && p.Conf.Hash != want:
			ps.add(CodeConfigDrift, n.Name, "clusterctl conf sync", "%s (version %d) is not what the cluster runs", PVEConfPath, p.Version)
		case p.Writable:
			writable = true
		}
	}
	if !writable && ps.err() == nil {
		ps.add(CodePmxcfs, "", "systemctl status pve-cluster", "%s cannot be written on any node", PVEConfPath)
	}
}

// publishers are the members on which /etc/pve can be written, as far as is known.
func (v *View) publishers() []string {
	var can, may []string
	for _, m := range v.members(nil) {
		f := v.Nodes[v.find(m.Name)].Facts
		switch p := f.PVE; {
		case p == nil || !p.Mounted || f.apart():
		case p.Writable:
			can = append(can, m.Name)
		default:
			may = append(may, m.Name)
		}
	}
	if len(can) > 0 {
		return can
	}
	return may
}

// teller is a member that tells what is in /etc/pve; nil: none does.
func (v *View) teller() *Facts {
	for _, name := range v.publishers() {
		if f := v.node(name).Facts; f.PVE.Files != nil {
			return f
		}
	}
	return nil
}

// publishers are those of the members that carry the file now.
func (r *rollout) publishers() []string {
	return slices.DeleteFunc(r.view.publishers(), func(name string) bool { return !slices.Contains(membersOf(r.members), name) })
}

// publish is the step that puts a configuration which every node has as a file by
// now into /etc/pve. pmxcfs finds that it is there already, and reloads nothing.
func publish(id, blob, base string, nodes []string) Step {
	return Step{
		ID: id, What: "put it into /etc/pve", Class: ClassSwitch,
		Do: Act{Nodes: nodes, One: true, Ops: []Op{{Kind: OpPublish, Blob: blob, Base: base}}},
	}
}

// activate are a reload and, on Proxmox VE, the step that puts the file into
// /etc/pve: before it, or after it where there is no quorum yet to write there.
func (r *rollout) activate(id, blob, base string, reload Step) []Step {
	switch {
	case !r.view.pve():
		return []Step{reload}
	case r.quorate:
		return []Step{publish(id, blob, base, r.publishers()), reload}
	}
	after := publish(id, blob, "", r.publishers())
	after.Do.Soft = true
	return []Step{reload, after}
}

// unpublish is publish on the way back, where the nodes have that file.
func unpublish(blob string, nodes []string) Act {
	return Act{Nodes: nodes, One: true, Ops: []Op{{Kind: OpPublish, Blob: blob}}}
}

// joinPmxcfs is the step by which pmxcfs of nodes becomes that of the cluster, when
// corosync runs on them. The database of the first one, which keeps it, is the
// cluster's; those of the others are set aside, as pvecm does, and come back when
// it is undone.
func joinPmxcfs(id, blob string, keeps bool, nodes []string) Step {
	what, how := "have pmxcfs of "+andList(nodes)+" join the cluster's", "fresh"
	if keeps {
		what, how = "start pmxcfs of "+andList(nodes)+" as the cluster's", "keep"
	}
	return Step{
		ID: id, What: what, Class: ClassStart,
		Do:   Act{Nodes: nodes, Ops: []Op{{Kind: OpPmxcfs, Blob: blob, Name: how}}},
		Undo: []Act{{Nodes: nodes, Ops: []Op{{Kind: OpPmxcfs, Name: "back"}}}},
	}
}

// catchUp is the step, if any, that waits until /etc/pve can be written on nodes
// where corosync was started: until then Proxmox VE does not take them for back.
func (v *View) catchUp(id string, names []string) []Step {
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		f := v.Nodes[v.find(name)].Facts
		return f.PVE == nil || !f.PVE.Mounted
	})
	if len(names) == 0 {
		return nil
	}
	return []Step{{
		ID: id, What: "see that /etc/pve can be written on " + andList(names), Class: ClassStart,
		Do: Act{Nodes: names, Ops: []Op{{Kind: OpWritable}}, Soft: true},
	}}
}

// withoutTwoNode leaves two_node off where it was: Proxmox VE does without it. For
// the moment in which one vote becomes two, or two one, it carries the cluster.
func (r *rollout) withoutTwoNode() error {
	if !r.view.pve() || r.view.Conf.Config().Quorum.TwoNode || !r.conf.Config().Quorum.TwoNode {
		return nil
	}
	return r.next("leave two_node off, as Proxmox VE has it", func(f *corosyncconf.File) error { return f.SetTwoNode(false) })
}

// guestless refuses nodes that have guests: what they have in /etc/pve gives way to
// what the cluster has.
func guestless(ps *Problems, f *Facts) {
	if f.PVE == nil {
		return
	}
	if n := len(f.PVE.Guests); n > 0 {
		ps.add(CodeGuests, f.Node, "move them to the cluster by backup and restore, or make this node the first one",
			"it has %s (%s), whose configuration would be lost: /etc/pve of a node that joins gives way to that of the cluster", count(n, "guest"), andList(f.PVE.Guests))
	}
}

// sshKey is a line of authorized_keys: the kind of the key, the key and its comment.
// What stands before may have blanks.
var sshKey = regexp.MustCompile(`^(?:[^#\s].*\s)?((?:sk-)?(?:ssh|ecdsa)-\S+)\s+(AAAA\S+)[ \t]*(.*?)\s*$`)

// sshKeys are the keys in authorized_keys of /etc/pve, and what to call each.
func (p *PVE) sshKeys() (keys, names []string) {
	for line := range strings.Lines(p.Files[authorizedKeys]) {
		if m := sshKey.FindStringSubmatch(line); m != nil {
			keys = append(keys, m[2])
			names = append(names, cmp.Or(m[3], m[1]+" ..."+m[2][max(0, len(m[2])-12):]))
		}
	}
	return keys, names
}

// lostKeys warns of keys with which people log in to a node that joins, and which the
// cluster does not have, as one of its nodes tells: authorized_keys is in /etc/pve.
func lostKeys(ps *Problems, f, member *Facts) {
	if f.PVE == nil || member == nil || member.PVE == nil || !member.PVE.Mounted {
		return
	}
	keys, names := f.PVE.sshKeys()
	known, _ := member.PVE.sshKeys()
	var lost []string
	for i, key := range keys {
		if key != f.PVE.Key && names[i] != "root@"+f.Node && !slices.Contains(known, key) { // its own is added to the cluster's
			lost = append(lost, names[i])
		}
	}
	if n := len(lost); n > 0 {
		ps.warn(CodeLogin, f.Node, fmt.Sprintf("put %s into /etc/pve/%s on %s before, or, for this node alone, into /root/.ssh/authorized_keys2 there", theirs(n, "its line", "their lines"), authorizedKeys, member.Node),
			"the %s of %s %s in its authorized_keys alone, which gives way to the cluster's: nobody logs in there with %s then", theirs(n, "key", "keys"), andList(lost), theirs(n, "is", "are"), theirs(n, "it", "them"))
	}
}

// usablePmxcfs checks that pmxcfs of a node runs, and is in no cluster.
func usablePmxcfs(ps *Problems, f *Facts, remedy string) {
	if f.PVE != nil && f.PVE.answers(ps, f.Node) && f.PVE.Conf.Exists {
		ps.add(CodeOtherCluster, f.Node, remedy, "it has a %s, so it is in a cluster of Proxmox VE already", PVEConfPath)
	}
}

// usablePmxcfs checks the same of a node that joins. With force it may have what it
// has of a cluster, unless it is a live member of one: that is set aside.
func (s AddSpec) usablePmxcfs(ps *Problems, f *Facts) {
	switch {
	case !s.Force:
		usablePmxcfs(ps, f, "take it out of that cluster first; if it has left: --force sets what it has in /etc/pve aside")
	case f.PVE == nil || !f.PVE.answers(ps, f.Node) || !f.PVE.Conf.Exists:
	case liveWith(f) > 0: // which is said already
	case f.Runtime != nil && f.Runtime.Quorum.Quorate:
		ps.add(CodeLiveMember, f.Node, "if that is to end: systemctl stop corosync there", "it runs a cluster of Proxmox VE by itself, with quorum")
	default:
		ps.warn(CodeOtherCluster, f.Node, "", "what it has in /etc/pve gives way to that of the cluster; its database is kept in /var/lib/pve-cluster/backup there")
	}
}

// setAsidePmxcfs is the step by which pmxcfs of nodes that have an old cluster's
// database ends. It has to before corosync starts: with that database it would join
// the cluster's, and the one that was written most often is taken by all.
func setAsidePmxcfs(nodes []string) Step {
	return Step{
		ID: "database", What: "end pmxcfs of " + andList(nodes) + ", and keep its database", Class: ClassStop,
		Do:   Act{Nodes: nodes, Ops: []Op{{Kind: OpPmxcfs, Name: "off"}}},
		Undo: []Act{{Nodes: nodes, Ops: []Op{{Kind: OpPmxcfs, Name: "back"}}}},
	}
}
