package sim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"clusterctl/cluster"
)

// pmxcfs is Proxmox VE's cluster file system on a machine, as far as it concerns
// corosync.conf. Its database outlives it, and the machine.
type pmxcfs struct {
	db     string            // corosync.conf in its database; "": none
	writes int               // how often the database was written: the highest is the cluster's
	copied bool              // it has replaced the file of the machine
	joined bool              // it was started with a corosync.conf; else it is by itself
	held   bool              // it holds the watchdog
	guards bool              // HA has guests on the machine
	files  map[string]string // what else is in it, of the files that a node reads
	saved  map[string]pmxcfs
}

// Virtualize makes a machine one of Proxmox VE, in no cluster.
func (m *Machine) Virtualize() {
	m.pve = &pmxcfs{writes: 1, saved: map[string]pmxcfs{}} // it has a database
	for _, name := range []string{"pve-cluster", "pve-ha-lrm", "pve-ha-crm"} {
		m.units[name] = &unit{active: "active", enabled: true, loaded: true}
	}
}

// Guard has HA watch over guests on the machine: while it does, and corosync does not
// run, its watchdog resets it.
func (m *Machine) Guard() {
	m.pve.guards = true
	m.arm()
}

// arm has HA take the watchdog where it runs, and has quorum.
func (m *Machine) arm() {
	if m.pve != nil && m.pve.guards && m.corosync != nil && m.corosync.shown && (m.Active("pve-ha-lrm") || m.Active("pve-ha-crm")) {
		m.pve.held = true
	}
}

// Armed tells whether HA holds the watchdog.
func (m *Machine) Armed() bool { return m.pve != nil && m.pve.held }

// disarm has HA let the watchdog go when it has come to rest.
func (m *Machine) disarm() {
	if m.pve != nil && !m.Active("pve-ha-lrm") && !m.Active("pve-ha-crm") {
		m.pve.held = false
	}
}

// rouse is `op_rouse`.
func (sh *shell) rouse(name string) error {
	if sh.entry.units[name].active != "active" || sh.m.Active(name) {
		return nil
	}
	if err := sh.at(50*time.Millisecond, 400*time.Millisecond); err != nil {
		return err
	}
	sh.m.units[name].active = "active"
	sh.m.arm()
	return nil
}

// Published is the corosync.conf in /etc/pve, "" when there is none.
func (m *Machine) Published() string {
	if m.pve == nil || !m.Active("pve-cluster") {
		return ""
	}
	return m.pve.db
}

// Part starts pmxcfs of the machine by itself, as `pmxcfs -l` does.
func (m *Machine) Part() { m.pve.joined = false }

// pvePeers are the nodes as pmxcfs knows them; none where it is by itself.
func (m *Machine) pvePeers() []cluster.PVEPeer {
	if !m.Active("pve-cluster") || !m.pve.joined {
		return nil
	}
	var all []cluster.PVEPeer
	for _, n := range m.w.config(m.pve.db).Nodes {
		online := slices.ContainsFunc(m.joint(), func(o *Machine) bool { return o.name == n.Label() })
		all = append(all, cluster.PVEPeer{Name: n.Label(), Online: online})
	}
	return all
}

// Publish gives /etc/pve another corosync.conf, by hand and without any rule.
func (m *Machine) Publish(text string) {
	for _, c := range m.corosync.members {
		c.m.pve.db = text
	}
}

// SetShared gives a file below /etc/pve its content, as Proxmox VE's own tools do; ""
// removes it.
func (m *Machine) SetShared(name, text string) {
	m.pve.write(m.joint(), func(p *pmxcfs) {
		p.files = maps.Clone(p.files)
		if p.files == nil {
			p.files = map[string]string{}
		}
		p.files[name] = text
		if text == "" {
			delete(p.files, name)
		}
	})
}

// Shared is the content of a file below /etc/pve, "" when it is not there.
func (m *Machine) Shared(name string) string { return m.pve.files[name] }

// Purged is what the machine keeps of a file that was removed from /etc/pve/nodes.
func (m *Machine) Purged(name string) string {
	for file, i := range m.disk.files {
		if strings.HasPrefix(file, cluster.PurgedDir) && strings.HasSuffix(file, "/"+name) {
			return i.data
		}
	}
	return ""
}

// purge is `op_purge`.
func (sh *shell) purge(name string) error {
	dir := "nodes/" + name + "/"
	if err := sh.at(time.Millisecond, 50*time.Millisecond); err != nil {
		return err
	}
	for _, file := range sortedKeys(sh.m.pve.files) {
		if strings.HasPrefix(file, dir+"qemu-server/") || strings.HasPrefix(file, dir+"lxc/") {
			return fmt.Errorf("there are guests in /etc/pve/%s: move them first", dir)
		}
	}
	for _, file := range sortedKeys(sh.m.pve.files) {
		if text, ok := strings.CutPrefix(file, dir); ok {
			sh.m.disk.put(cluster.PurgedDir+"/"+sh.entry.id+"/"+name+"/"+text, sh.m.pve.files[file], 0o600)
			sh.m.SetShared(file, "")
		}
	}
	return nil
}

// shared is what facts tell of the files in /etc/pve.
func (p *pmxcfs) shared() (files map[string]string, homes map[string][]string) {
	files, homes = map[string]string{}, map[string][]string{}
	for _, file := range sortedKeys(p.files) {
		name, rest, _ := strings.Cut(strings.TrimPrefix(file, "nodes/"), "/")
		switch {
		case !strings.HasPrefix(file, "nodes/"):
			files[file] = p.files[file]
		case strings.HasPrefix(rest, "qemu-server/"), strings.HasPrefix(rest, "lxc/"):
			homes[name] = append(homes[name], rest)
		case homes[name] == nil:
			homes[name] = nil
		}
	}
	return files, homes
}

// startPmxcfs is its start (pmxcfs.c): without a database it takes over the file
// that is there; with a corosync.conf in it, it is the cluster's from then on.
func (m *Machine) startPmxcfs() {
	p := m.pve
	m.units["pve-cluster"].active = "active"
	if local := m.File(cluster.ConfPath); p.writes == 0 && local != "" {
		p.db, p.writes = local, 1
	}
	if p.joined = p.db != ""; p.joined {
		m.copyOut(true)
		if m.corosync != nil {
			m.w.replicate(m.corosync.members)
		}
	}
}

// writable tells whether /etc/pve can be written on the machine.
func (m *Machine) writable() bool {
	return m.Active("pve-cluster") && (!m.pve.joined || m.corosync != nil && m.corosync.shown)
}

// publish is a write to /etc/pve/corosync.conf, with what follows from it on every
// node that is there.
func (m *Machine) publish(text string) {
	all := m.joint()
	m.pve.write(all, func(p *pmxcfs) { p.db = text })
	if m.pve.joined {
		for _, o := range all {
			o.copyOut(o == m)
		}
	}
}

// write changes a database, and with it those of the machines.
func (p *pmxcfs) write(on []*Machine, change func(*pmxcfs)) {
	p.writes++
	change(p)
	for _, o := range on {
		o.pve.writes = p.writes
		change(o.pve)
	}
}

// joint are the machines that have one /etc/pve with this one, which is one of them
// unless it is by itself.
func (m *Machine) joint() []*Machine {
	var all []*Machine
	if m.corosync == nil || !m.pve.joined {
		return nil
	}
	for _, c := range m.corosync.members {
		if o := c.m; o.pve != nil && o.Active("pve-cluster") && o.pve.joined {
			all = append(all, o)
		}
	}
	return all
}

// copyOut is dcdb_sync_corosync_conf: the file of the machine becomes that of the
// database, unless that is older, and is reloaded a second later when it is told to.
func (m *Machine) copyOut(reload bool) {
	local, is := m.disk.read(cluster.ConfPath)
	version := m.w.config(m.pve.db).version()
	if local == m.pve.db || version == 0 || is && version < m.w.config(local).version() {
		return
	}
	m.disk.put(cluster.ConfPath, m.pve.db, 0o644)
	m.pve.copied = true
	m.w.wrote(m, "pmxcfs")
	if reload && is {
		m.w.after(time.Second, func() {
			if m.corosync != nil {
				m.corosync.reload(m.w.now)
			}
		})
	}
}

// replicate gives the members of a group the database that was written most often.
func (w *World) replicate(group []*corosync) {
	var with []*Machine
	for _, c := range group {
		if m := c.m; m.pve != nil && m.Active("pve-cluster") && m.pve.joined {
			with = append(with, m)
		}
	}
	if len(with) == 0 {
		return
	}
	best := slices.MaxFunc(with, func(a, b *Machine) int { return a.pve.writes - b.pve.writes }).pve
	for _, m := range with {
		if m.pve.db != best.db || m.pve.writes != best.writes {
			m.pve.db, m.pve.files, m.pve.writes = best.db, best.files, best.writes
			m.copyOut(false)
		}
	}
}

// publish is `op_publish`.
func (sh *shell) publish(o cluster.Op) error {
	m := sh.m
	if sh.digest(cluster.ConfPath) != o.Blob {
		if o.Base != "" {
			return errors.New("it does not have what is to be put into /etc/pve")
		}
		return nil
	}
	return sh.intoPVE(cluster.PVEConfPath, o, m.Published, m.publish)
}

// share is `op_share`.
func (sh *shell) share(o cluster.Op) error {
	name := strings.TrimPrefix(o.Path, "/etc/pve/")
	return sh.intoPVE(o.Path, o, func() string { return sh.m.Shared(name) }, func(text string) {
		if was := sh.m.Shared(name); was != "" {
			sh.m.SetShared(name+".bak", was)
		}
		sh.m.SetShared(name, text)
	})
}

func (sh *shell) intoPVE(path string, o cluster.Op, get func() string, set func(string)) error {
	for range 60 {
		if err := sh.at(time.Millisecond, 50*time.Millisecond); err != nil {
			return err
		}
		is := cluster.Absent
		if text := get(); text != "" {
			is = cluster.Hash([]byte(text))
		}
		switch {
		case !sh.m.Active("pve-cluster"):
		case is == o.Blob, o.Name == "back" && is != o.Base:
			return nil
		case !sh.m.writable():
		case o.Base != "" && is != o.Base:
			return fmt.Errorf("%s was changed by someone else meanwhile", path)
		case o.Blob == cluster.Absent:
			set("")
			return nil
		default:
			text, err := sh.blob(o.Blob)
			if err == nil {
				set(text)
			}
			return err
		}
		sh.pause(500 * time.Millisecond)
	}
	return fmt.Errorf("%s cannot be written: pmxcfs has no quorum, or does not run", path)
}

// pmxcfs is `op_pmxcfs`.
func (sh *shell) pmxcfs(o cluster.Op) error {
	m := sh.m
	stop := func() error {
		if err := sh.at(50*time.Millisecond, 400*time.Millisecond); err != nil {
			return err
		}
		m.units["pve-cluster"].active = "inactive"
		return nil
	}
	save := func() error {
		if _, begun := m.pve.saved[sh.entry.id]; !begun {
			m.pve.saved[sh.entry.id] = *m.pve
		}
		return sh.quick()
	}
	start := func() error {
		if err := sh.at(50*time.Millisecond, 400*time.Millisecond); err != nil {
			return err
		}
		m.startPmxcfs()
		return nil
	}
	was, begun := m.pve.saved[sh.entry.id]
	if o.Name == "back" && !begun {
		return nil
	}
	if o.Name == "off" {
		return all(stop, save)
	}
	err := all(stop, save, func() error {
		switch o.Name {
		case "back":
			m.pve.db, m.pve.files, m.pve.writes = was.db, was.files, was.writes
		case "fresh":
			m.pve.db, m.pve.files, m.pve.writes = "", nil, 0
		case "alone":
			m.pve.db = ""
			m.pve.writes++
		case "keep":
			text, err := sh.blob(o.Blob)
			if err != nil {
				return err
			}
			m.pve.db = text
			m.pve.writes += 3 // more than that of a node without a database, which takes over the file
		}
		return sh.quick()
	}, start)
	if err != nil || o.Name == "alone" || o.Name == "back" {
		return err
	}
	for range 60 {
		if m.writable() && cluster.Hash([]byte(m.Published())) == o.Blob {
			return nil
		}
		if err := sh.at(900*time.Millisecond, time.Second); err != nil {
			return err
		}
	}
	return fmt.Errorf("pmxcfs has not joined after a minute")
}
