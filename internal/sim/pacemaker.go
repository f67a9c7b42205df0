package sim

import (
	"errors"
	"maps"
	"slices"

	"clusterctl/cluster"
)

// What of pacemaker matters to whoever changes its cluster: it needs corosync,
// takes over whoever is on corosync's list and forgets nobody by itself, and of
// nodes that meet the one whose configuration was changed most often has its way.
// Here that directory is a file, and one that is brought along always wins.

// Pace installs pacemaker and has it run, and started at boot. Like corosync's
// it finds its configuration on the disk, or begins with an empty one.
func (m *Machine) Pace() error {
	m.units["pacemaker"].loaded = true
	m.Enable("pacemaker")
	return m.Start("pacemaker")
}

// Sbd has sbd run on the machine, which resets it when it loses quorum.
func (m *Machine) Sbd() { m.units["sbd"] = &unit{active: "active", loaded: true} }

// Peers are the node ids that pacemaker knows on the machine, in order.
func (m *Machine) Peers() []uint32 { return slices.Sorted(maps.Keys(m.peers)) }

// pace is what happens when pacemaker starts.
func (m *Machine) pace() {
	m.peers = map[uint32]bool{}
	own, brought := m.disk.read(cluster.CIBPath)
	cib := "the configuration of pacemaker on " + m.name
	for _, o := range m.w.all {
		if o == m || !o.Active("pacemaker") || !slices.Contains(m.corosync.members, o.corosync) {
			continue
		}
		if cib = o.File(cluster.CIBPath); brought && own != cib {
			m.w.trouble("pacemaker on %s replaces the configuration of the others by its own", m.name)
		}
		maps.Copy(m.peers, o.peers)
	}
	m.learn()
	if !brought {
		m.disk.put(cluster.CIBPath, cib, 0o640)
	}
}

// learn is what happens when corosync on the machine has another list of nodes.
func (m *Machine) learn() {
	for _, n := range m.corosync.conf.Nodes {
		m.peers[n.ID] = true
	}
}

// forget is crm_node -R.
func (sh *shell) forget(id uint32) error {
	if err := sh.quick(); err != nil {
		return err
	}
	if !sh.m.Active("pacemaker") || sh.m.corosync == nil {
		return errors.New("crm_node: Could not connect to controller")
	}
	delete(sh.m.peers, id)
	sh.m.learn()
	return nil
}
