package cluster

import (
	"fmt"
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
		"storage that it shares with the cluster must not be used by both: give it storage of its own, and unmount and disable the rest there",
		"addresses and names that moved with the cluster's services, and what clients know of them",
		"logins between it and the nodes: /root/.ssh/authorized_keys, and /etc/hosts, on both sides",
		fmt.Sprintf("%s.bak and %s.bak on it, when they are not needed any more", ConfPath, KeyPath),
	}
	if n.Facts != nil && n.Facts.Units["pacemaker"].Loaded {
		left = append(left, "services that pacemaker ran there are stopped: enable with systemctl what it is to run by itself; pacemaker's configuration is "+CIBPath+".bak")
	}
	return append(left, fmt.Sprintf("to make a cluster of it: clusterctl create NAME %s; to take it back: clusterctl add %s", n.Name, n.Name))
}
