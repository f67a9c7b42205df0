package cluster

import (
	"fmt"
	"slices"
	"strings"
)

// Where corosync keeps what it must remember of a node.
const (
	ringIDPath     = "/var/lib/corosync/ringid_%v" // the node id, in 2.4 the address of ring 0
	evTrackingPath = "/var/lib/corosync/ev_tracking"
)

// PlanSeparate plans that a node leaves a running cluster and stays usable by
// itself: it leaves as with PlanDelete, and what corosync and pacemaker remember
// of the cluster is set aside too, so that it is as one that never was in any.
// newKey is what the rest changes its authkey to. The error, if any, is Problems.
func PlanSeparate(node string, newKey []byte, v *View) (*Plan, error) {
	p, err := PlanDelete(DeleteSpec{Nodes: []string{node}, NewKey: newKey}, v)
	if err != nil {
		return nil, err
	}
	n := &v.Nodes[v.find(node)]
	if shared := n.sharedStorage(); len(shared) > 0 { // what is to be seen to before anything else
		var ps Problems
		ps.warn(CodeSharedStore, n.Name, "first give it storage of its own, and move the disks of its guests there",
			"it and the cluster would both use %s: the same guest ids on both sides, and so the same names of disks, destroy data", andList(shared))
		p.Notes = append(ps, p.Notes...)
	}
	paths := []string{fmt.Sprintf(ringIDPath, n.Conf.ID), evTrackingPath}
	if a, known := n.addr(0); known && n.Facts.Corosync.Major == 2 { // exec/main.c, corosync_ring_id_create_or_load
		paths[0] = fmt.Sprintf(ringIDPath, a)
	}
	if n.Facts.CIB {
		paths = append(paths, CIBPath)
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		if !strings.HasPrefix(s.ID, "aside") {
			continue
		}
		s.What = "set configuration, key and state of " + n.Name + " aside"
		for _, path := range paths {
			s.Do.Ops = append(s.Do.Ops, Op{Kind: OpAside, Path: path})
			for j := range s.Undo {
				s.Undo[j].Ops = append(s.Undo[j].Ops, Op{Kind: OpRestore, Path: path})
			}
		}
	}
	return p, nil
}

// LeftToDo lists what nobody but the admin can do when a node has been
// separated: what it and the cluster still share.
func LeftToDo(node string, v *View) []string {
	n := &v.Nodes[v.find(node)]
	left := []string{
		"storage that it shares with the cluster must not be used by both: give it storage of its own, and unmount and disable the rest there" + n.disableShared(),
	}
	if n.Facts != nil && n.Facts.PVE != nil {
		left = append(left, n.leftInPVE(v)...)
	}
	left = append(left,
		"addresses and names that moved with the cluster's services, and what clients know of them",
		"logins between it and the nodes: /root/.ssh/authorized_keys, and /etc/hosts, on both sides",
		fmt.Sprintf("%s.bak and %s.bak on it, when they are not needed any more", ConfPath, KeyPath),
	)
	if n.Facts != nil && n.Facts.Units["pacemaker"].Loaded {
		left = append(left, "services that pacemaker ran there are stopped: enable with systemctl what it is to run by itself; pacemaker's configuration is "+CIBPath+".bak")
	}
	return append(left, fmt.Sprintf("to make a cluster of it: clusterctl create NAME %s; to take it back: clusterctl add %s", n.Name, n.Name))
}

// shareable are the kinds of storage that are for several machines, whether they
// say so or not.
var shareable = []string{"nfs", "cifs", "glusterfs", "cephfs", "rbd", "iscsi", "iscsidirect", "zfs", "drbd", "pbs", "esxi"}

// sharedStorage lists the storages of Proxmox VE that the node has in common with
// others.
func (n *ViewNode) sharedStorage() []string {
	if n.Facts == nil || n.Facts.PVE == nil {
		return nil
	}
	var shared []string
	for _, e := range entries(n.Facts.PVE.Files["storage.cfg"]) {
		_, says := e.value("shared")
		_, off := e.value("disable")
		_, nodes := e.value("nodes")
		only := separated(nodes)
		if (says == "1" || says == "" && slices.Contains(shareable, e.kind)) && off != "1" && (len(only) == 0 || slices.Contains(only, n.Name) && len(only) > 1) {
			shared = append(shared, e.id)
		}
	}
	return shared
}

// disableShared is the command by which a node does without what it shares.
func (n *ViewNode) disableShared() string {
	text := ""
	for _, id := range n.sharedStorage() {
		text += "; on it: pvesm set " + id + " --disable 1"
	}
	return text
}

// leftInPVE lists what is left to do on Proxmox VE. Its /etc/pve is a copy of the
// cluster's, with all that the other nodes have in it.
func (n *ViewNode) leftInPVE(v *View) []string {
	var dirs []string
	for _, name := range v.names() {
		if name != n.Name {
			dirs = append(dirs, "/etc/pve/nodes/"+name)
		}
	}
	var left []string
	if guests := n.Facts.PVE.Guests; len(guests) > 0 {
		left = append(left, fmt.Sprintf("its guests (%s) are known on both sides, and may run on one only: what stays on it, remove in the cluster from /etc/pve/nodes/%s, and never give both the same disks", andList(guests), n.Name))
	}
	return append(left,
		"on it, after a look at what is in there: rm -r "+strings.Join(dirs, " "),
		"on it: replication and backup jobs of the cluster (/etc/pve/replication.cfg, /etc/pve/jobs.cfg) go on there: remove them",
		"on it: HA is off; empty /etc/pve/ha/resources.cfg before pve-ha-lrm and pve-ha-crm are started again, or it starts guests of the other nodes",
		"keys by which each side logs in to the other: /etc/pve/priv/authorized_keys and /etc/pve/priv/known_hosts on it; in the cluster: clusterctl delnode --purge "+n.Name,
	)
}
