package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"clusterctl/corosyncconf"
)

// PVEDatacenterPath is where Proxmox VE keeps what holds for a whole cluster.
const PVEDatacenterPath = "/etc/pve/datacenter.cfg"

// Migration is how Proxmox VE moves guests from node to node.
type Migration struct {
	Type    string // secure or insecure
	Network string // in which it picks the one address of the node it moves to; "": the cluster's
	Text    string // what datacenter.cfg says; "": nothing
	Legacy  string // what it says by migration_unsecure, as before 4.3; "": nothing
	Err     error  // why Proxmox VE leaves out the text
}

// String says it in a sentence.
func (m Migration) String() string {
	over := "the cluster's own network"
	if m.Network != "" {
		over = m.Network
	}
	how := map[string]string{"secure": "encrypted", "insecure": "unencrypted"}[m.Type]
	return fmt.Sprintf("%s (%s), over %s", how, m.Type, over)
}

// MigrationSpec is a change of it. What is empty stays.
type MigrationSpec struct{ Type, Network string }

// Check returns what is wrong with the change by itself.
func (s MigrationSpec) Check() error {
	var ps Problems
	if s.Type == "" && s.Network == "" {
		ps.add(CodeBadOption, "", "", "nothing to set: give --type, --network, or both")
	}
	if s.Type != "" && !slices.Contains(migrationTypes, s.Type) {
		ps.add(CodeBadOption, "", "", "--type %s: use secure or insecure", s.Type)
	}
	if s.Network != "" && !migrationNetwork(s.Network) {
		ps.add(CodeBadLink, "", "write it as 10.0.0.0/24", "--network %q is no network", s.Network)
	}
	return ps.err()
}

var migrationTypes = []string{"secure", "insecure"}

// migrationNetwork tells whether Proxmox VE takes text for a network (JSONSchema.pm,
// pve_verify_cidr).
func migrationNetwork(text string) bool {
	p, err := netip.ParsePrefix(text)
	return err == nil && p.Bits() >= 8
}

// datacenter is datacenter.cfg by its lines, as they are.
type datacenter []string

func parseDatacenter(text []byte) datacenter { return strings.SplitAfter(string(text), "\n") }

// setting is a line with what is set by it, and all that is around that. Proxmox VE
// reads no other lines, and of several about a key the last (JSONSchema.pm, parse_config).
var setting = regexp.MustCompile(`^(\s*([^\s#:][^\s:]*):[ \t]*)(.*?)(\s*)$`)

// last is the index of the line that counts for a key, -1 if there is none, and
// what it has.
func (d datacenter) last(key string) (int, string) {
	for i, line := range slices.Backward(d) {
		if m := setting.FindStringSubmatch(line); m != nil && m[2] == key {
			return i, m[3]
		}
	}
	return -1, ""
}

// migration is what the file means.
func (d datacenter) migration() Migration {
	m := Migration{Type: "secure"}
	_, m.Text = d.last("migration")
	_, m.Legacy = d.last("migration_unsecure")
	if slices.Contains([]string{"1", "on", "yes", "true"}, strings.ToLower(m.Legacy)) {
		m.Type = "insecure"
	}
	if m.Text == "" {
		return m
	}
	typ, network, err := parseMigration(m.Text)
	if m.Err = err; err == nil {
		m.Type, m.Network = typ, network
	}
	return m
}

// parseMigration reads the value as Proxmox VE does (JSONSchema.pm,
// parse_property_string), for which a blank is part of a name or value.
func parseMigration(text string) (typ, network string, err error) {
	given := map[string]string{}
	for part := range strings.SplitSeq(text, ",") {
		key, value, named := strings.Cut(part, "=")
		switch {
		case strings.TrimSpace(part) == "":
			continue
		case !named:
			key, value = "type", part
		}
		if _, twice := given[key]; twice {
			return "", "", fmt.Errorf("it has %s twice", key)
		}
		switch {
		case key != "type" && key != "network":
			return "", "", fmt.Errorf("it has an option %q", key)
		case key == "type" && !slices.Contains(migrationTypes, value):
			return "", "", fmt.Errorf("its type is %q", value)
		case key == "network" && !migrationNetwork(value):
			return "", "", fmt.Errorf("its network is %q", value)
		}
		given[key] = value
	}
	if given["type"] == "" {
		return "", "", errors.New("it has no type")
	}
	return given["type"], given["network"], nil
}

// set returns the file with another migration. A line takes the place of that with
// the legacy key, as it does when Proxmox VE itself writes the file.
func (d datacenter) set(s MigrationSpec) datacenter {
	d = slices.Clone(d)
	now := d.migration()
	i, value := d.last("migration")
	if _, _, err := parseMigration(value); s.Type == "" && err != nil {
		s.Type = now.Type
	}
	value = withOption(value, "network", s.Network)
	value = withOption(value, "type", s.Type)
	if _, _, err := parseMigration(value); err != nil { // by what else it has
		value = s.Type + orNothing(",network=", cmp.Or(s.Network, now.networkGiven()))
	}
	if i < 0 {
		i, _ = d.last("migration_unsecure")
	}
	if i >= 0 {
		m := setting.FindStringSubmatch(d[i])
		d[i] = strings.Replace(m[1], m[2], "migration", 1) + value + m[4]
	} else {
		d = d.append("migration: " + value)
	}
	return slices.DeleteFunc(d, func(line string) bool {
		m := setting.FindStringSubmatch(line)
		return m != nil && m[2] == "migration_unsecure"
	})
}

// append adds a line that ends as the others do.
func (d datacenter) append(line string) datacenter {
	end := "\n"
	if strings.HasSuffix(d[0], "\r\n") {
		end = "\r\n"
	}
	if last := len(d) - 1; d[last] != "" {
		d[last] += end
		return append(d, line+end)
	}
	return slices.Insert(d, len(d)-1, line+end)
}

// withOption gives an option of a list another value, and leaves the others. The
// type needs no name.
func withOption(list, key, value string) string {
	if value == "" {
		return list
	}
	var parts []string
	placed := false
	for part := range strings.SplitSeq(list, ",") {
		name, _, named := strings.Cut(part, "=")
		is := named && strings.TrimSpace(name) == key || !named && key == "type" && strings.TrimSpace(part) != ""
		switch {
		case is && placed:
		case is && named:
			parts, placed = append(parts, key+"="+value), true
		case is:
			parts, placed = append(parts, value), true
		case part != "":
			parts = append(parts, part)
		}
	}
	switch {
	case placed:
	case key == "type":
		parts = slices.Insert(parts, 0, value)
	default:
		parts = append(parts, key+"="+value)
	}
	return strings.Join(parts, ",")
}

// password is a line that may have one in it: the file's diff is printed and logged.
var password = regexp.MustCompile(`(?m)^(\s*http_proxy:).*`)

// pveWriter is the node on which /etc/pve is read, and can be written; without one
// the problem says so.
func (v *View) pveWriter(ps *Problems, write bool) *Facts {
	if !v.pve() {
		ps.add(CodeLayout, "", "", "the cluster is not one of Proxmox VE, which alone has %s", PVEDatacenterPath)
		return nil
	}
	var reads *Facts
	for _, n := range v.Nodes {
		switch f := n.Facts; {
		case f == nil || f.PVE == nil || !f.PVE.Mounted || f.UID != 0:
		case f.PVE.Writable && n.active():
			return f
		case reads == nil:
			reads = f
		}
	}
	switch {
	case write:
		ps.add(CodePmxcfs, "", "systemctl status pve-cluster, and quorum: clusterctl status", "%s cannot be written on any node", PVEDatacenterPath)
	case reads == nil:
		ps.add(CodePmxcfs, "", "log in as root, and see: systemctl status pve-cluster", "%s cannot be read on any node", PVEDatacenterPath)
	}
	return reads
}

// MigrationAddrs are the addresses of each node in a network, by its name; a node
// that was not reached is not there. The problems name the nodes that Proxmox VE
// could not move guests to: it takes the one address that a node has there
// (pve-cluster, pvecm mtunnel).
func (v *View) MigrationAddrs(network string) (map[string][]netip.Addr, Problems) {
	var ps Problems
	p, err := netip.ParsePrefix(network)
	if err != nil {
		return nil, nil
	}
	addrs := map[string][]netip.Addr{}
	for _, n := range v.Nodes {
		if n.Conf == nil {
			continue
		}
		if n.Facts == nil {
			ps.warn(CodeUnreachable, n.Name, "", "it was not reached, so that its address in %s is not known", network)
			continue
		}
		switch found := inNetwork(n.Facts, p); len(found) {
		case 1:
			addrs[n.Name] = found
		case 0:
			addrs[n.Name] = nil
			ps.add(CodeAddress, n.Name, "give it one, or name another network; it has "+usable(n.Facts), "it has no address in %s, where guests are to reach it", network)
		default:
			addrs[n.Name] = found
			ps.add(CodeAddress, n.Name, "name a network in which it has one", "it has several addresses in %s, of which Proxmox VE takes none: %s", network, joinAddrs(found))
		}
	}
	return addrs, ps
}

// Migration is how guests are moved in the cluster. The error, if any, is Problems;
// what is merely odd is beside it.
func (v *View) Migration() (Migration, Problems, error) {
	var ps Problems
	f := v.pveWriter(&ps, false)
	if err := ps.err(); err != nil {
		return Migration{}, nil, err
	}
	m := parseDatacenter(f.PVE.Datacenter).migration()
	m.odd(&ps)
	return m, ps, nil
}

// networkGiven is a network that the text has, though Proxmox VE leaves it out.
func (m Migration) networkGiven() string {
	for part := range strings.SplitSeq(m.Text, ",") {
		if key, value, _ := strings.Cut(part, "="); strings.TrimSpace(key) == "network" && migrationNetwork(strings.TrimSpace(value)) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// odd warns of what in the file does not do what it seems to.
func (m Migration) odd(ps *Problems) {
	if m.Err != nil {
		ps.warn(CodeMigration, "", "clusterctl pve migration set --type "+m.Type+orNothing(" --network ", m.networkGiven()), "%s: Proxmox VE leaves out %q: %v", PVEDatacenterPath, "migration: "+m.Text, m.Err)
	}
	switch {
	case m.Legacy == "":
	case m.Text != "" && m.Err == nil:
		ps.warn(CodeMigration, "", "remove it", "%s: migration_unsecure does nothing beside migration", PVEDatacenterPath)
	default:
		ps.warn(CodeMigration, "", "clusterctl pve migration set --type "+m.Type, "%s: migration_unsecure is of Proxmox VE 4, and may go", PVEDatacenterPath)
	}
}

// without warns of options that went since Proxmox VE leaves out the line for them.
func (m Migration) without(ps *Problems, was Migration) {
	var gone []string
	for part := range strings.SplitSeq(was.Text, ",") {
		key, _, named := strings.Cut(strings.TrimSpace(part), "=")
		if named && key != "type" && (key != "network" || m.Network == "") && m.Text != was.Text {
			gone = append(gone, strings.TrimSpace(part))
		}
	}
	if was.Err != nil && len(gone) > 0 {
		ps.warn(CodeMigration, "", "", "%s: %s of migration goes: Proxmox VE leaves out a line with it", PVEDatacenterPath, andList(gone))
	}
}

// carries refuses a network in which guests cannot be moved to every node. "": the
// cluster's, in which every node has an address.
func (v *View) carries(ps *Problems, network string) {
	if network != "" {
		_, found := v.MigrationAddrs(network)
		*ps = append(*ps, found...)
		return
	}
	for _, n := range v.Nodes {
		if n.Conf != nil && n.Facts == nil {
			ps.warn(CodeUnreachable, n.Name, "", "it was not reached, and is not waited for")
		}
	}
}

// PlanMigration plans that guests are moved in another way, and returns which. A
// plan without steps means that they are already. The error, if any, is Problems.
func PlanMigration(s MigrationSpec, v *View) (*Plan, Migration, error) {
	var ps Problems
	f := v.pveWriter(&ps, true)
	if f == nil && len(ps) > 0 && ps[0].Code == CodeLayout {
		return nil, Migration{}, ps
	}
	for i := range v.Nodes {
		if n := &v.Nodes[i]; n.Facts != nil && n.Conf != nil {
			n.check(&ps)
		}
	}
	if network, err := netip.ParsePrefix(s.Network); err == nil {
		s.Network = network.Masked().String()
	}
	var is datacenter
	now := Migration{Network: s.Network}
	if f != nil {
		was := parseDatacenter(f.PVE.Datacenter)
		is = was.set(s)
		now = is.migration()
		now.without(&ps, was.migration())
	}
	v.carries(&ps, now.Network) // also one that was there, and counts since it has a type now
	if err := ps.err(); err != nil {
		return nil, Migration{}, err
	}
	now.odd(&ps)
	p := v.plan()
	p.Notes = ps
	p.Quorum = v.steady(v.config())
	old, text := f.PVE.Datacenter, []byte(strings.Join(is, ""))
	if string(old) == string(text) {
		return p, now, nil
	}
	p.Diff = corosyncconf.UnifiedDiff(PVEDatacenterPath, PVEDatacenterPath, password.ReplaceAll(old, []byte("$1 ...")), password.ReplaceAll(text, []byte("$1 ...")))
	before := Absent
	if old != nil {
		before = p.blob(old)
	}
	nodes, after := v.publishers(), p.blob(text)
	p.Steps = []Step{{
		ID: "migration", What: "put it into " + PVEDatacenterPath, Class: ClassSwitch,
		Do:   Act{Nodes: nodes, One: true, Ops: []Op{{Kind: OpShare, Path: PVEDatacenterPath, Blob: after, Base: before}}},
		Undo: []Act{{Nodes: nodes, One: true, Ops: []Op{{Kind: OpShare, Path: PVEDatacenterPath, Blob: before, Base: after, Name: "back"}}}},
	}}
	return p, now, nil
}
