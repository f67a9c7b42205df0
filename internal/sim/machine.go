package sim

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"clusterctl/cluster"
)

// Machine is a machine that can be a node: its disk, its services, and who is
// connected to it.
type Machine struct {
	// Fail is asked before each operation of a step, and with zero values before
	// a journal is begun; its error is that operation's.
	Fail func(note cluster.Note, op cluster.Op) error
	// Deaf: no admin reaches it. The cluster does.
	Deaf bool
	// MissEnd: it is cut off when it is to be told that an operation is over.
	MissEnd bool

	w        *World
	name     string
	number   int
	id       uint32          // if not that of its configuration
	version  cluster.Version // of corosync
	up       bool
	buried   bool // it stays down
	picky    bool // its corosync knows few timeouts
	balks    bool // ... and starts neither with links in active mode nor with a small MTU
	side     int  // of the cluster networks: machines of one side reach each other
	nics     [networks]nic
	disk     *disk
	units    map[string]*unit
	corosync *corosync
	pve      *pmxcfs         // nil: no machine of Proxmox VE
	peers    map[uint32]bool // whom pacemaker knows
	holder   *session        // who holds the lock
	sessions []*session
}

// networks is how many a machine has an interface in: 10.0.0.0/24 and on.
const networks = 3

// nic is a machine's interface in one network.
type nic struct {
	cut   bool          // nothing passes
	shown bool          // ... and knet has noticed
	at    time.Duration // when it was cut
	turns int           // how often it was cut, or mended
}

// unit is a systemd unit.
type unit struct {
	active  string
	enabled bool
	loaded  bool
}

func newMachine(w *World, name string, number int) *Machine {
	return &Machine{w: w, name: name, number: number, version: cluster.Version{Major: 3, Minor: 1, Patch: 7}, up: true, disk: newDisk(),
		units: map[string]*unit{"corosync": {active: "inactive", loaded: true}, "pacemaker": {active: "inactive"}}}
}

// Name is the machine's name.
func (m *Machine) Name() string { return m.name }

// Install puts another version of corosync than 3.1.7 on the machine.
func (m *Machine) Install(v cluster.Version) { m.version = v }

// File returns the content of a file, "" when it is not there.
func (m *Machine) File(name string) string {
	text, _ := m.disk.read(name)
	return text
}

// SetFile gives a file its content, by hand; "" removes it.
func (m *Machine) SetFile(name, text string) {
	if text == "" {
		m.disk.drop(name)
		return
	}
	mode := uint32(0o644)
	if name == cluster.KeyPath {
		mode = 0o400
	}
	m.disk.put(name, text, mode)
}

// Files returns all files but those of the journal, by name.
func (m *Machine) Files() map[string]string {
	all := map[string]string{}
	for name, i := range m.disk.files {
		if i.entry == nil && !strings.HasPrefix(name, cluster.JournalDir) {
			all[name] = i.data
		}
	}
	return all
}

// Up tells whether the machine is on.
func (m *Machine) Up() bool { return m.up }

// Active tells whether a unit runs.
func (m *Machine) Active(unit string) bool { return m.units[unit].active == "active" }

// Enabled tells whether a unit is started at boot.
func (m *Machine) Enabled(unit string) bool { return m.units[unit].enabled }

// Enable has a unit started at boot.
func (m *Machine) Enable(unit string) { m.units[unit].enabled = true }

// Start starts a unit by hand.
func (m *Machine) Start(unit string) error {
	if m.corosync == nil { // pacemaker requires it
		if err := m.start(); err != nil || unit == "corosync" {
			return err
		}
	}
	if unit == "pacemaker" && !m.Active(unit) {
		m.pace()
	}
	m.units[unit].active = "active"
	return nil
}

// Stop stops a unit by hand.
func (m *Machine) Stop(unit string) {
	if c := m.corosync; unit == "corosync" && c != nil {
		c.exit("inactive")
	}
	m.units[unit].active = "inactive"
}

// Reload is corosync-cfgtool -R by hand.
func (m *Machine) Reload() {
	if m.corosync != nil {
		m.corosync.reload(m.w.now)
		m.w.Settle()
	}
}

// Kill ends corosync as SIGKILL does.
func (m *Machine) Kill() {
	if m.corosync != nil {
		m.corosync.die("failed")
	}
}

// RunningKey is the key with which corosync encrypts, "" when it does not run.
func (m *Machine) RunningKey() string {
	if m.corosync == nil {
		return ""
	}
	return m.corosync.key
}

// Running is the configuration that corosync runs, "" when it does not.
func (m *Machine) Running() string {
	if m.corosync == nil {
		return ""
	}
	return m.corosync.conf.text
}

// Runtime is what corosync says; nil when it does not run.
func (m *Machine) Runtime() *cluster.Runtime {
	if m.corosync == nil {
		return nil
	}
	return m.corosync.runtime()
}

// Pretend gives the machine another node id than its file says, from the next
// start of corosync on.
func (m *Machine) Pretend(id uint32) { m.id = id }

// Crash is a power cut.
func (m *Machine) Crash() {
	if !m.up {
		return
	}
	m.up = false
	m.w.lost(m)
	if m.corosync != nil {
		m.corosync.die("inactive")
	}
	if m.pve != nil {
		m.pve.held = false
	}
	m.abandon()
	m.disk.crash(m.w.rng)
	m.w.wrote(m, "a crash")
}

// Bury is the last power cut of a machine.
func (m *Machine) Bury() {
	m.Crash()
	m.buried = true
}

// abandon ends all that runs for admins.
func (m *Machine) abandon() {
	for _, s := range m.sessions {
		s.kill()
	}
	m.sessions, m.holder = nil, nil
}

// Boot starts the machine after a Crash, and what is enabled on it.
func (m *Machine) Boot() {
	if m.up || m.buried {
		return
	}
	m.up = true
	for _, name := range sortedKeys(m.units) {
		u := m.units[name]
		switch u.active = "inactive"; {
		case name == "pve-cluster":
			if m.corosync == nil && m.File(cluster.ConfPath) != "" { // its unit wants that of corosync, enabled or not
				_ = m.start() // its state tells
			}
			m.startPmxcfs()
		case strings.HasPrefix(name, "pve-ha"):
			if u.enabled {
				u.active = "active"
			}
		case u.enabled:
			_ = m.Start(name) // its state tells
		}
	}
}

// Side puts the machine on one side of the cluster networks; all begin on 0.
func (m *Machine) Side(side int) {
	if m.side == side {
		return
	}
	m.side = side
	m.w.cutOff()
	m.w.reform(m.w.tokenLost())
}

// Plug mends the machine's interfaces in some networks, or cuts them. Knet takes a
// moment to notice the one and the other.
func (m *Machine) Plug(in bool, nets ...int) {
	notice := m.w.tokenLost()
	for _, n := range nets {
		nic := &m.nics[n]
		nic.turns++
		if !in && !nic.cut {
			nic.cut, nic.at = true, m.w.now
		}
		turn := nic.turns
		m.w.after(notice, func() {
			if nic.turns == turn {
				nic.cut, nic.shown = !in, !in
			}
		})
	}
	if !in {
		m.w.unplugged(m)
	}
	m.w.reform(notice)
}

// Facts is what the scripts that read a node would find.
func (m *Machine) Facts() *cluster.Facts {
	addr := func(text string) netip.Prefix { return netip.MustParsePrefix(fmt.Sprintf(text, m.number)) }
	f := &cluster.Facts{
		Node: m.name, Hostname: m.name + ".example", Machine: "machine-" + m.name, OS: "Debian GNU/Linux 12 (bookworm)", Systemd: true,
		Clock: time.Unix(1e9, 0).Add(m.w.now), Corosync: m.version,
		Conf:     cluster.ConfFile{FileState: cluster.FileState{Hash: cluster.Absent}},
		Key:      cluster.FileState{Hash: cluster.Absent},
		Units:    map[string]cluster.Unit{},
		Addrs:    []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), addr("10.0.0.%d/24"), addr("10.0.1.%d/24"), addr("10.0.2.%d/24"), addr("fd00::%d/64")},
		Resolved: map[string][]netip.Addr{m.name: {netip.MustParseAddr("127.0.1.1")}},
		FreeKB:   map[string]int64{"/etc": 1 << 20, "/var/lib": 1 << 20},
	}
	if m.pve != nil {
		f.PVE = &cluster.PVE{Mounted: m.Active("pve-cluster"), Writable: m.writable(), Conf: cluster.FileState{Hash: cluster.Absent}}
		f.PVE.Files, f.PVE.Homes = m.pve.shared()
		f.PVE.Peers = m.pvePeers()
		f.PVE.LRM, f.PVE.LRMMode, f.PVE.Watchdog = "wait_for_agent_lock", "active", m.Armed()
		if m.Armed() && m.Active("pve-ha-lrm") {
			f.PVE.LRM = "active"
		}
		if text := m.Published(); text != "" {
			f.PVE.Conf, f.PVE.Version = cluster.FileState{Exists: true, Hash: cluster.Hash([]byte(text))}, m.w.config(text).version()
		}
		if text := m.Shared("datacenter.cfg"); text != "" {
			f.PVE.Datacenter = []byte(text)
		}
	}
	if m.disk.full {
		f.FreeKB["/etc"], f.FreeKB["/var/lib"] = 0, 0
	}
	if text, ok := m.disk.read(cluster.ConfPath); ok {
		c := m.w.config(text)
		f.Conf = cluster.ConfFile{FileState: cluster.FileState{Exists: true, Hash: c.hash}, Bytes: []byte(text), File: c.file, Err: c.err}
	}
	if text, ok := m.disk.read(cluster.KeyPath); ok {
		f.Key = cluster.FileState{Exists: true, Hash: cluster.Hash([]byte(text))}
	}
	for name, u := range m.units {
		f.Units[name] = cluster.Unit{Loaded: u.loaded, Active: u.active, Enabled: u.enabled}
	}
	_, f.CIB = m.disk.read(cluster.CIBPath)
	f.Runtime = m.Runtime()
	f.IDs = m.usedIDs()
	if hash, names, ok := strings.Cut(m.File(cluster.OwedPath), "\n"); ok {
		f.Owed = cluster.KeyOwed{Hash: hash, Nodes: strings.Fields(names)}
	}
	f.Ended = map[string]cluster.Phase{}
	for _, name := range sortedKeys(m.disk.files) {
		e := m.disk.files[name].entry
		switch {
		case e == nil:
		case strings.HasPrefix(name, doneDir):
			if log := e.notes(); len(log) > 0 {
				f.Ended[e.id] = log[len(log)-1].Phase
			}
		default:
			f.Ops = append(f.Ops, *e.read(m.w))
		}
	}
	slices.SortFunc(f.Ops, func(a, b cluster.Entry) int { return strings.Compare(a.ID, b.ID) })
	if m.holder != nil {
		h := m.holder.who
		f.Holder = &h
	}
	return f
}

// Open lists the operations that are open on the machine.
func (m *Machine) Open() []string {
	var ids []string
	for name, i := range m.disk.files {
		if i.entry != nil && strings.HasPrefix(name, opDir) {
			ids = append(ids, i.entry.id)
		}
	}
	slices.Sort(ids)
	return ids
}
