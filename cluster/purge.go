package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
)

// PurgedDir is where a node keeps what was removed of /etc/pve/nodes.
const PurgedDir = JournalDir + "/purged"

// leavings are what /etc/pve has of nodes that leave.
type leavings struct {
	pve   *PVE   // of a node that stays: what is there
	on    string // that node
	names []string
	files map[string]string // what those of pve.Files become
	keys  map[string]string // what root logs in with on each node, as far as known
	found []leaving
}

// leaving is one thing in /etc/pve that is about a node which leaves.
type leaving struct {
	node, message, remedy string
	what                  string // as a purge calls what it removes; "": it stays
}

// leavings finds what /etc/pve has of nodes, as one tells that stays.
func (v *View) leavings(names []string) *leavings {
	l := &leavings{names: names, keys: map[string]string{}}
	for _, name := range v.publishers() {
		if p := v.node(name).Facts.PVE; l.pve == nil && !slices.Contains(names, name) && p.Homes != nil {
			l.pve, l.on, l.files = p, name, maps.Clone(p.Files)
		}
	}
	if l.pve == nil {
		for _, name := range names {
			l.stays(name, "when /etc/pve can be read again: clusterctl delnode --purge "+name, "what /etc/pve has of it stays, and could not be read")
		}
		return l
	}
	for _, f := range v.reached() {
		if f.PVE != nil {
			l.keys[f.Node] = f.PVE.Key
		}
	}
	for _, name := range names {
		l.look(name)
	}
	return l
}

// look finds what there is of a node.
func (l *leavings) look(name string) {
	l.home(name)
	for _, file := range slices.Sorted(maps.Keys(l.files)) {
		switch file {
		case "priv/known_hosts":
			l.knownHosts(file, name)
		case authorizedKeys:
			l.authorizedKeys(file, name)
		default:
			l.sections(file, name)
		}
	}
}

// left are those of names that are no nodes of the cluster any more, and of which
// /etc/pve still has something.
func (v *View) left(names []string) []string {
	var left []string
	for _, name := range names {
		has, known := false, false
		for _, f := range v.reached() {
			if known = known || isHostname(f.Hostname, name); f.PVE == nil || f.PVE.Homes == nil { // pmxcfs does not tell there
				continue
			}
			l := &leavings{pve: f.PVE, on: f.Node, names: []string{name}, files: maps.Clone(f.PVE.Files)}
			l.look(name)
			is := len(l.found) > 0
			has = has || is
			known = known || !is || slices.ContainsFunc(f.PVE.Peers, func(p PVEPeer) bool { return p.Name == name })
		}
		if has && v.find(name) < 0 && !known {
			left = append(left, name)
		}
	}
	return left
}

// planPurge plans that what /etc/pve has of nodes that left is removed.
func planPurge(left []string, s DeleteSpec, v *View) (*Plan, error) {
	var ps Problems
	v.settled(&ps, false)
	if len(left) < len(s.Nodes) {
		ps.add(CodeBadOption, "", "name them in two commands", "%s %s left already, and not all of the others", andList(left), theirs(len(left), "has", "have"))
	}
	l := v.leavings(left)
	l.report(&ps, true)
	if err := ps.err(); err != nil {
		return nil, err
	}
	p := v.plan()
	p.Notes = ps
	p.Quorum = v.steady(v.Conf.Config())
	p.Steps = l.purgeAlone(p)
	return p, nil
}

// goes notes what a purge removes, and says how to remove it otherwise.
func (l *leavings) goes(node, what, remedy, format string, args ...any) {
	l.found = append(l.found, leaving{node, fmt.Sprintf(format, args...), remedy, what})
}

// stays notes what a purge leaves alone.
func (l *leavings) stays(node, remedy, format string, args ...any) {
	l.goes(node, "", remedy, format, args...)
}

// home looks at the directory of a node, with its guests.
func (l *leavings) home(name string) {
	guests, is := l.pve.Homes[name]
	if !is {
		return
	}
	dir := "/etc/pve/nodes/" + name
	if len(guests) == 0 {
		l.goes(name, dir, "clusterctl delnode --purge "+name, "%s stays, so that Proxmox VE goes on showing the node", dir)
		return
	}
	for _, file := range guests {
		if !guestConf.MatchString(path.Base(file)) {
			l.stays(name, fmt.Sprintf("see what it is, then remove it: rm %s/%s", dir, file), "%s stays in %s, where guests have their configuration, and is none", file, dir)
			continue
		}
		ha := ""
		id := strings.TrimSuffix(path.Base(file), ".conf")
		for _, e := range entries(l.files["ha/resources.cfg"]) {
			if e.id == id {
				ha = fmt.Sprintf(", and HA has it as %s:%s", e.kind, id)
			}
		}
		l.stays(name, fmt.Sprintf("when it runs there for certain no more, and its disks can be reached elsewhere: mv %s/%s /etc/pve/nodes/%s/%s/", dir, file, l.on, path.Dir(file)),
			"the configuration of its guest %s stays in %s%s", id, dir, ha)
	}
	l.stays(name, "then: clusterctl delnode --purge "+name, "%s stays as long as %s in it", dir, map[bool]string{true: "guests are", false: "such files are"}[slices.ContainsFunc(guests, func(file string) bool { return guestConf.MatchString(path.Base(file)) })])
}

// guestConf is the name of a guest's configuration.
var guestConf = regexp.MustCompile(`^\d+\.conf$`)

// nodeLists are the files whose entries may name nodes in a list.
var nodeLists = map[string]struct{ what, set, remove string }{
	"storage.cfg":   {"the storage", "pvesm set %[2]s --nodes %[3]s", "pvesm remove %[2]s, if nothing needs it"},
	"ha/groups.cfg": {"the HA group", "ha-manager groupset %[2]s --nodes %[3]s", "ha-manager groupremove %[2]s, if nothing needs it"},
	"ha/rules.cfg":  {"the HA rule", "ha-manager rules set %[1]s %[2]s --nodes %[3]s", "ha-manager rules remove %[2]s, if nothing needs it"},
}

// sections takes a node out of the entries of a file. What is not surely about it
// alone, or would mean something else without it, is left.
func (l *leavings) sections(file, node string) {
	var text strings.Builder
	for _, e := range entries(l.files[file]) {
		switch list, listed := nodeLists[file]; {
		case listed:
			at, value := e.value("nodes")
			if !slices.ContainsFunc(separated(value), func(item string) bool { return itemNode(item) == node }) {
				break
			}
			rest := slices.DeleteFunc(strings.Split(value, ","), func(item string) bool { return itemNode(item) == node })
			switch others := strings.Join(rest, ","); {
			case len(rest) == 0:
				l.stays(node, fmt.Sprintf(list.remove, e.kind, e.id), "%s %s is for it alone", list.what, e.id)
			case len(separated(others)) != len(rest):
				l.stays(node, "edit /etc/pve/"+file, "%s %s names it (nodes %s)", list.what, e.id, value)
			default:
				l.goes(node, "the name in "+list.what[len("the "):]+" "+e.id, fmt.Sprintf(list.set, e.kind, e.id, others), "%s %s names it", list.what, e.id)
				e.lines[at] = strings.Replace(e.lines[at], value, others, 1)
			}
		case file == "replication.cfg":
			if _, target := e.value("target"); target == node {
				l.goes(node, "the replication job "+e.id, "pvesr delete "+e.id+" --force", "the replication job %s sends to it", e.id)
				continue
			}
		case file == "jobs.cfg":
			if _, of := e.value("node"); of == node {
				l.stays(node, "give it another node in Datacenter, Backup, or remove it there", "the job %s is for it alone", e.id)
			}
		}
		text.WriteString(strings.Join(e.lines, ""))
	}
	l.files[file] = text.String()
}

// knownHosts takes the host keys of a node out: under its name, and under the
// addresses with the same key, unless another node has it too.
func (l *leavings) knownHosts(file, node string) {
	type known struct{ host, key string }
	read := func(line string) known {
		f := strings.Fields(line)
		if len(f) < 3 || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "@") {
			return known{}
		}
		return known{strings.ToLower(f[0]), f[1] + " " + f[2]}
	}
	addr := func(host string) bool { _, err := netip.ParseAddr(host); return err == nil }
	own, others := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(l.files[file]) {
		switch k := read(line); {
		case k.host == strings.ToLower(node):
			own[k.key] = true
		case k.host != "" && k.host[0] != '|' && !addr(k.host): // a hashed one may be any
			others[k.key] = true
		}
	}
	hashed := 0
	for line := range strings.Lines(l.files[file]) {
		if k := read(line); strings.HasPrefix(k.host, "|") && own[k.key] {
			hashed++
		}
	}
	if hashed > 0 {
		l.stays(node, "take out what is its: ssh-keygen -f /etc/pve/"+file+" -R "+node+", and -R with each of its addresses", "/etc/pve/%s has %s with its key and a hashed name", file, count(hashed, "line"))
	}
	l.lines(file, node, "its keys in known_hosts", func(line string) bool {
		k := read(line)
		return k.host == strings.ToLower(node) || addr(k.host) && own[k.key] && !others[k.key]
	})
}

// authorizedKeys takes the key of a node's root out: that which it has, or which
// is called so; not one that another node has too.
func (l *leavings) authorizedKeys(file, node string) {
	options := 0
	for line := range strings.Lines(l.files[file]) {
		f := strings.Fields(line)
		if len(f) > 3 && !strings.HasPrefix(f[0], "#") && (slices.Contains(f, l.keys[node]) || f[len(f)-1] == "root@"+node) {
			options++
		}
	}
	if options > 0 {
		l.stays(node, "see what it is for, and edit /etc/pve/"+file, "/etc/pve/%s has %s with options that may be its", file, count(options, "line"))
	}
	l.lines(file, node, "its key in authorized_keys", func(line string) bool {
		f := strings.Fields(line)
		if len(f) != 3 || !strings.HasPrefix(f[0], "ssh-") && !strings.HasPrefix(f[0], "ecdsa-") {
			return false // with options, or without a name
		}
		for name, key := range l.keys {
			if key == f[1] && !slices.Contains(l.names, name) {
				return false
			}
		}
		return f[1] == l.keys[node] || f[2] == "root@"+node
	})
}

// lines takes lines out of a file.
func (l *leavings) lines(file, node, what string, out func(string) bool) {
	var text strings.Builder
	n := 0
	for line := range strings.Lines(l.files[file]) {
		if out(line) {
			n++
		} else {
			text.WriteString(line)
		}
	}
	if n > 0 {
		l.goes(node, what, fmt.Sprintf("take %s of %s out of /etc/pve/%s", theirs(n, "the line", "the lines"), node, file), "/etc/pve/%s has %s of it", file, count(n, "line"))
	}
	l.files[file] = text.String()
}

// report warns of what stays, with purge or without.
func (l *leavings) report(ps *Problems, purge bool) {
	for _, f := range l.found {
		if f.what == "" || !purge {
			ps.warn(CodeLeftover, f.node, f.remedy, "%s", f.message)
		}
	}
}

// purge is the step that removes what is no guest's; nil when there is nothing.
// Files come before the directories, by which a node that has left is known.
func (l *leavings) purge(p *Plan) []Step {
	files, dirs := l.purged(p)
	if len(files)+len(dirs) == 0 {
		return nil
	}
	return []Step{{
		ID: "purge", Class: ClassPrepare,
		What: fmt.Sprintf("remove what /etc/pve has of %s: %s (cannot be undone; files are kept beside as .bak, directories on %s in %s)",
			andList(l.names), andList(append(l.words(true), l.words(false)...)), l.on, PurgedDir),
		Do: Act{Nodes: []string{l.on}, Ops: append(files, dirs...), Soft: true},
	}}
}

// words say what a purge removes: directories, or what is in files.
func (l *leavings) words(dirs bool) []string {
	var words []string
	for _, f := range l.found {
		if f.what != "" && strings.HasPrefix(f.what, "/") == dirs && !slices.Contains(words, f.what) {
			words = append(words, f.what)
		}
	}
	return words
}

// purged are the operations of a purge, on files and on directories.
func (l *leavings) purged(p *Plan) (files, dirs []Op) {
	for _, file := range slices.Sorted(maps.Keys(l.files)) {
		if was, is := l.pve.Files[file], l.files[file]; was != is {
			files = append(files, Op{Kind: OpShare, Path: "/etc/pve/" + file, Blob: p.blob([]byte(is)), Base: Hash([]byte(was))})
		}
	}
	for _, name := range l.names {
		if guests, is := l.pve.Homes[name]; is && len(guests) == 0 {
			dirs = append(dirs, Op{Kind: OpPurge, Name: name})
		}
	}
	return files, dirs
}

// purgeAlone are the steps of purge for nodes that left already: files first, which
// are put back when one fails, then a directory each, which is not.
func (l *leavings) purgeAlone(p *Plan) []Step {
	var steps []Step
	on := []string{l.on}
	files, dirs := l.purged(p)
	if len(files) > 0 {
		back := Act{Nodes: on}
		for _, o := range slices.Backward(files) {
			back.Ops = append(back.Ops, Op{Kind: OpShare, Path: o.Path, Blob: p.blob([]byte(l.pve.Files[strings.TrimPrefix(o.Path, "/etc/pve/")])), Base: o.Blob, Name: "back"})
		}
		steps = append(steps, Step{
			ID: "purge", What: fmt.Sprintf("take %s out of /etc/pve: %s (each file is kept beside as .bak)", andList(l.names), andList(l.words(false))), Class: ClassPrepare,
			Do: Act{Nodes: on, Ops: files}, Undo: []Act{back}, Stands: "files in /etc/pve no longer name " + andList(l.names),
		})
	}
	for i, o := range dirs {
		dir := "/etc/pve/nodes/" + o.Name
		steps = append(steps, Step{
			ID: fmt.Sprintf("purge-%d", i+1), What: fmt.Sprintf("remove %s (cannot be undone; it is kept on %s in %s)", dir, l.on, PurgedDir), Class: ClassPrepare,
			Do: Act{Nodes: on, Ops: []Op{o}}, Stands: dir + " is removed",
		})
	}
	return steps
}

// entry is a part of a configuration file of Proxmox VE: `KIND: ID` and the
// lines below it, up to an empty one, or lines that belong to none.
type entry struct {
	kind, id string
	lines    []string // with their ends
}

var entryHead = regexp.MustCompile(`^([^\s:#]+):\s*(\S+)\s*$`)

func entries(text string) []entry {
	var all []entry
	open := false
	for line := range strings.Lines(text) {
		head := entryHead.FindStringSubmatch(line)
		switch {
		case head != nil:
			all = append(all, entry{kind: head[1], id: head[2]})
			open = true
		case len(all) == 0 || strings.TrimSpace(line) == "" && !open:
			all, open = append(all, entry{}), false
		case strings.TrimSpace(line) == "":
			open = false // it goes with the entry that it ends
		}
		e := &all[len(all)-1]
		e.lines = append(e.lines, line)
	}
	return all
}

// entryKey is a line of an entry as Proxmox VE reads it (PVE/SectionConfig.pm).
var entryKey = regexp.MustCompile(`^\s+(\S+)(?:\s+(.*\S))?\s*$`)

// value returns where an entry has a key, and its value, "" without one. A key alone
// means 1.
func (e entry) value(key string) (line int, value string) {
	for i, l := range e.lines {
		if m := entryKey.FindStringSubmatch(l); m != nil && m[1] == key && e.kind != "" {
			return i, cmp.Or(m[2], "1")
		}
	}
	return 0, ""
}

// separated splits a list of nodes as Proxmox VE does, at commas, semicolons and
// spaces.
func separated(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(",; \t", r) })
}

// itemNode is the node of an item, which may have a priority: n1:2.
func itemNode(item string) string {
	name, _, _ := strings.Cut(strings.TrimSpace(item), ":")
	return name
}
