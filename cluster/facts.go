package cluster

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"clusterctl/corosyncconf"
	"clusterctl/quorum"
)

// Facts is what one node is, read in one round trip.
type Facts struct {
	Node     string // as the admin named it
	Hostname string // uname -n
	Machine  string // machine id: two names of one machine have the same
	OS       string // PRETTY_NAME of os-release
	UID      int    // of the login after sudo: 0 is needed to change anything
	Systemd  bool
	Clock    time.Time     // the node's, when it answered
	Skew     time.Duration // of the node's clock against this machine's; positive: ahead
	SkewErr  time.Duration // how far Skew can be off
	Corosync Version       // zero: not installed
	Conf     ConfFile
	Key      FileState
	Units    map[string]Unit
	Addrs    []netip.Prefix          // of all interfaces that are up, loopback too
	Resolved map[string][]netip.Addr // names, as this node resolves them
	FreeKB   map[string]int64        // room by path, KiB
	PVE      *PVE                    // nil: no node of Proxmox VE
	Runtime  *Runtime                // nil: corosync is not running
	Ops      []Entry                 // operations in the node's journal that are not put away
	Ended    map[string]Phase        // how the last ones ended that are, by id
	Holder   *Holder                 // who holds the node's lock now
	IDs      UsedIDs                 // node ids and versions that the node remembers
	Fencing  Fencing                 // whether pacemaker may have a node fenced
	Owed     KeyOwed                 // who left with the key, as the node remembers it

	Maintenance bool // pacemaker runs, in maintenance mode
	CIB         bool // pacemaker has a configuration there
	DLM         bool // lockspaces of the distributed lock manager are in use

	Signs *Signs // of trouble; nil: it was not examined
}

// UsedIDs is the highest node id that a cluster has used, and the highest
// config_version that a plan for it reckoned with.
type UsedIDs struct {
	Cluster string
	Highest uint32
	Version uint64
}

// Version is a corosync version. Major 0 means that it is not installed.
type Version struct {
	Major, Minor, Patch int
}

// String is the version as corosync prints it, "3.1.7".
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// Compare orders versions, older first.
func (v Version) Compare(o Version) int {
	return cmp.Or(cmp.Compare(v.Major, o.Major), cmp.Compare(v.Minor, o.Minor), cmp.Compare(v.Patch, o.Patch))
}

// known tells whether it is a version that this package knows how to handle.
func (v Version) known() bool { return v.Major == 3 || v.Major == 2 && v.Minor == 4 }

// release is the oldest release of corosync among the nodes; without any it is
// the newest there is.
func release(facts []*Facts) corosyncconf.Release {
	oldest := corosyncconf.V31
	for _, f := range facts {
		switch {
		case f.Corosync.Major == 2:
			oldest = corosyncconf.V24
		case f.Corosync.Major == 3 && f.Corosync.Minor == 0:
			oldest = min(oldest, corosyncconf.V30)
		}
	}
	return oldest
}

// FileState is whether a file is there, and its content's hash.
type FileState struct {
	Exists bool
	Hash   string // SHA-256 in hex; Absent when it is not there
}

// ConfFile is a node's corosync.conf.
type ConfFile struct {
	FileState
	Bytes []byte
	File  *corosyncconf.File // never nil when Exists
	Err   error              // why corosync would not take it

	config *corosyncconf.Config // of File, where it was read from a node
}

// view is what the file means to corosync 3.1.
func (c ConfFile) view() corosyncconf.Config {
	if c.config != nil {
		return *c.config
	}
	return c.File.Config()
}

// Unit is the state of a systemd unit.
type Unit struct {
	Loaded  bool   // the unit exists
	Masked  bool   // it cannot be started
	Active  string // active, inactive, failed, activating, ...
	Enabled bool
}

// Runtime is what corosync itself says on a node.
type Runtime struct {
	Quorum quorum.Status
	Links  quorum.Links
	Cmap   quorum.Cmap // see value
	Err    error       // corosync runs, but did not answer in full

	common *commonCmap // the keys that tell of all nodes, where they are not in Cmap
}

// brief is what corosync says of quorum; the rest is long where there are many nodes.
func (r *Runtime) brief() *Runtime { return &Runtime{Quorum: r.Quorum, Err: r.Err} }

// value is the value of a key of corosync's cmap.
func (r *Runtime) value(key string) (quorum.Value, bool) {
	v, ok := r.Cmap[key]
	if !ok && r.common != nil {
		v, ok = r.common.keys[key]
	}
	return v, ok
}

// versions is the config_version that each member runs.
func (r *Runtime) versions() map[ID]uint64 {
	if r.common != nil {
		return r.common.versions
	}
	return r.Cmap.MemberVersions()
}

// Running tells whether the unit is active or on its way up.
func (u Unit) Running() bool {
	return u.Active == "active" || u.Active == "activating" || u.Active == "reloading"
}

// The units that matter to a cluster node.
var units = []string{
	"corosync.service", "corosync-qdevice.service", "pacemaker.service", "sbd.service", "dlm.service",
	"pve-cluster.service", "pve-ha-lrm.service", "pve-ha-crm.service",
}

// factsArgs are the arguments of script/facts.sh: the units, then the names to resolve.
func factsArgs(names []string) []string {
	return append([]string{strings.Join(units, " ")}, names...)
}

// section is one answer in the output of the scripts: name, exit status, output.
type section struct {
	status int
	out    []byte
}

// parseSections reads `name status length\n<bytes>\n` records.
func parseSections(out []byte) (map[string]section, error) {
	all := map[string]section{}
	for len(out) > 0 {
		line, rest, ok := bytes.Cut(out, []byte("\n"))
		var name string
		var s section
		var n int
		if !ok {
			return nil, fmt.Errorf("cut short after %d answers", len(all))
		}
		if _, err := fmt.Sscanf(string(line), "%s %d %d", &name, &s.status, &n); err != nil || n < 0 || n+1 > len(rest) {
			return nil, fmt.Errorf("cannot read answer header %q", line)
		}
		s.out, out = rest[:n], rest[n+1:]
		all[name] = s
	}
	if _, ok := all["end"]; !ok {
		return nil, fmt.Errorf("cut short after %d answers", len(all))
	}
	return all, nil
}

// parseFacts makes Facts of the output of the facts scripts, which ran from sent to
// received on this machine's clock.
func parseFacts(a *alike, node string, out []byte, sent, received time.Time) (*Facts, error) {
	sec, err := parseSections(out)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", node, err)
	}
	text := func(name string) string { return strings.TrimSpace(string(sec[name].out)) }
	f := &Facts{Node: node, Hostname: text("hostname"), Machine: text("machine"), Systemd: sec["systemd"].status == 0, PVE: parsePVE(sec)}
	f.UID, _ = strconv.Atoi(text("uid"))
	f.OS = osName(text("os"))
	if secs, err := strconv.ParseFloat(text("clock"), 64); err == nil {
		f.Clock = time.UnixMicro(int64(secs * 1e6))
		f.SkewErr = received.Sub(sent) / 2
		f.Skew = f.Clock.Sub(sent.Add(f.SkewErr))
	}
	f.Corosync = parseVersion(text("corosync"))
	if conf, read := sec["conf"]; read {
		f.Conf = a.conf(conf)
	} else {
		f.Conf.Hash = Absent
	}
	f.Key = FileState{Exists: sec["key"].status == 0, Hash: Absent}
	for line := range strings.Lines(text("hashes")) {
		hash, path, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch strings.TrimSpace(path) {
		case ConfPath:
			f.Conf.Hash = hash
		case KeyPath:
			f.Key.Hash = hash
		}
	}
	if f.Conf.Exists && f.Conf.Hash != Hash(f.Conf.Bytes) { // the shell stops at a NUL
		f.Conf.Err = fmt.Errorf("%s: holds a NUL byte", ConfPath)
	}
	f.Units = parseUnits(text("units"))
	f.Addrs = parseAddrs(text("addrs"))
	f.Resolved = map[string][]netip.Addr{}
	for name, s := range sec {
		if host, ok := strings.CutPrefix(name, "resolve:"); ok {
			f.Resolved[host] = parseHosts(string(s.out))
		}
	}
	f.FreeKB = parseFree(text("disk"))
	f.Ops = parseOps(sec)
	f.Ended = map[string]Phase{}
	for line := range strings.Lines(text("ended")) {
		if id, phase, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			f.Ended[id] = Phase(phase)
		}
	}
	if lines := strings.Split(text("ids")+"\n\n", "\n"); lines[0] != "" {
		n, _ := strconv.ParseUint(lines[1], 10, 32)
		version, _ := strconv.ParseUint(lines[2], 10, 64)
		f.IDs = UsedIDs{lines[0], uint32(n), version}
	}
	if hash, names, ok := strings.Cut(text("keyowed"), "\n"); ok {
		f.Owed = KeyOwed{hash, strings.Fields(names)}
	}
	f.parsePacemaker(sec)
	f.CIB, f.DLM = sec["cib"].status == 0, sec["dlm"].status == 0
	f.Holder = parseHolder(sec["holder"].out)
	f.Signs = parseSigns(sec)
	if _, ok := sec["quorum"]; ok {
		f.Runtime = parseRuntime(a, sec)
	}
	return f, nil
}

func osName(release string) string {
	for line := range strings.Lines(release) {
		if v, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
			return strings.Trim(strings.TrimSpace(v), `"'`)
		}
	}
	return ""
}

var versionText = regexp.MustCompile(`version '(\d+)\.(\d+)(?:\.(\d+))?`)

func parseVersion(out string) Version {
	m := versionText.FindStringSubmatch(out)
	if m == nil {
		return Version{}
	}
	n := func(i int) int { v, _ := strconv.Atoi(m[i]); return v }
	return Version{n(1), n(2), n(3)}
}

func parseConf(s section) ConfFile {
	if s.status != 0 {
		return ConfFile{FileState: FileState{Hash: Absent}}
	}
	c := ConfFile{FileState: FileState{Exists: true, Hash: Hash(s.out)}, Bytes: s.out}
	c.File, c.Err = corosyncconf.Parse(ConfPath, s.out)
	config := c.File.Config()
	c.config = &config
	return c
}

// parseUnits reads the blocks that `systemctl show` prints, one for each unit.
func parseUnits(out string) map[string]Unit {
	all := map[string]Unit{}
	for block := range strings.SplitSeq(out, "\n\n") {
		v := map[string]string{}
		for line := range strings.Lines(block) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			v[key] = value
		}
		all[strings.TrimSuffix(v["Id"], ".service")] = Unit{
			Loaded:  v["LoadState"] == "loaded",
			Masked:  v["LoadState"] == "masked",
			Active:  v["ActiveState"],
			Enabled: v["UnitFileState"] == "enabled",
		}
	}
	return all
}

// parseAddrs reads `ip -o addr show up`.
func parseAddrs(out string) []netip.Prefix {
	var all []netip.Prefix
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		for i := 2; i+1 < len(fields); i++ {
			if fields[i] != "inet" && fields[i] != "inet6" {
				continue
			}
			text := fields[i+1]
			if !strings.Contains(text, "/") { // a point-to-point address
				text += "/32"
			}
			if p, err := netip.ParsePrefix(text); err == nil && !p.Addr().IsLinkLocalUnicast() {
				all = append(all, p)
			}
			break
		}
	}
	return all
}

// parseHosts reads `getent ahosts NAME`: each address once, in order.
func parseHosts(out string) []netip.Addr {
	var all []netip.Addr
	seen := map[netip.Addr]bool{}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if a, err := netip.ParseAddr(fields[0]); err == nil && !seen[a] {
			seen[a] = true
			all = append(all, a)
		}
	}
	return all
}

// parseFree reads `df -Pk PATH...`, whose rows come in the order of the paths.
func parseFree(out string) map[string]int64 {
	free := map[string]int64{}
	rows := strings.Split(out, "\n")
	for i, path := range []string{"/etc", "/var/lib"} {
		if i+1 >= len(rows) {
			break
		}
		if fields := strings.Fields(rows[i+1]); len(fields) >= 4 {
			free[path], _ = strconv.ParseInt(fields[3], 10, 64)
		}
	}
	return free
}

func parseOps(sec map[string]section) []Entry {
	var all []Entry
	for name, s := range sec {
		id, ok := strings.CutPrefix(name, "op:")
		if !ok {
			continue
		}
		var e Entry
		if err := json.Unmarshal(s.out, &e); err != nil {
			e = Entry{ID: id}
		}
		e.Log = parseLog(string(sec["log:"+id].out))
		all = append(all, e)
	}
	sortEntries(all)
	return all
}

func parseHolder(out []byte) *Holder {
	if len(bytes.TrimSpace(out)) == 0 {
		return nil
	}
	var h Holder
	if json.Unmarshal(out, &h) != nil {
		return &Holder{}
	}
	return &h
}

// parseRuntime makes a Runtime of the sections quorum, links, cmap and stats;
// the last is there with corosync 3.0 only.
func parseRuntime(a *alike, sec map[string]section) *Runtime {
	r := &Runtime{}
	for _, tool := range []struct{ section, command string }{
		{"quorum", "corosync-quorumtool -s"}, {"links", "corosync-cfgtool -s"}, {"cmap", "corosync-cmapctl"},
	} {
		if len(sec[tool.section].out) == 0 { // it has failed, or was ended since it took too long
			r.Err = fmt.Errorf("%s prints nothing", tool.command)
			return r
		}
	}
	var err error
	if r.Quorum, err = quorum.ParseStatus(sec["quorum"].out); err != nil {
		r.Err = fmt.Errorf("corosync-quorumtool -s: %w", err)
		return r
	}
	r.Quorum.Members = a.membership(r.Quorum.Members)
	if r.Links, err = quorum.ParseLinks(sec["links"].out); err != nil {
		r.Err = fmt.Errorf("corosync-cfgtool -s: %w", err)
		return r
	}
	if r.Cmap, r.common, err = a.cmap(sec["cmap"].out); err != nil {
		r.Err = fmt.Errorf("corosync-cmapctl: %w", err)
		return r
	}
	if _, whole := r.Cmap["totem.version"]; !whole { // of which every configuration has one; it is asked for last
		r.Err = errors.New("corosync-cmapctl: the answer breaks off")
		return r
	}
	stats, err := quorum.ParseCmap(sec["stats"].out)
	if err != nil {
		r.Err = fmt.Errorf("corosync-cmapctl -m stats: %w", err)
	}
	r.Links = r.Links.ByStats(stats)
	return r
}
