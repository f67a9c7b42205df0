package corosyncconf

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Change is one difference in meaning between two configurations.
type Change struct {
	Path     string // nodelist.node[n2].ring1_addr; of a node or a link as a whole where that came or went
	Kind     ChangeKind
	Old, New string // the values; empty where there is none
	Words    string // one line: "token: 3000 ms -> 5000 ms"
	Effect   Effect // what it takes to come into effect
	Remark   string // what else is to be known, such as why Effect is not that of the key; may be empty
	Node     bool   // a node came or went
	Link     int    // that LinkReplace is about
	Ignored  bool   // another release has the key, and this one takes no notice of it
	Twice    bool   // of a reload: only a second one does all of it

	// CmapKey is what a reload leaves in corosync's cmap, with the value
	// CmapValue, or without one where the key is removed. It is empty where
	// there is nothing to be found: no reload does it, or it has no key of its own.
	CmapKey, CmapValue string
}

// ChangeKind is what became of a key, a node or a link.
type ChangeKind string

// The kinds of changes.
const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	Changed ChangeKind = "changed"
)

// EffectOf returns what it takes for all changes to come into effect.
func EffectOf(changes []Change) Effect {
	highest, moves := NoEffect, false
	for _, c := range changes {
		highest = max(highest, c.Effect)
		moves = moves || c.Effect == LinkReplace
	}
	if moves && highest == RollingRestart {
		return FullRestart // the first to be restarted would have its links elsewhere than the others
	}
	return highest
}

// Compare returns what changed in meaning between two configurations of
// corosync of the release: with repeated sections merged and the last line
// for a key counting, and whatever the order, comments and spelling of numbers
// and IP addresses. Nodes are the same if their ids are, else their names, else
// an address; links and subsystems if their numbers and names are.
//
// The changes are in the order of the old file, then what is new in that of the
// new one. A key that is set to its default, or no longer is, is listed with
// NoEffect.
//
// A change has the effect Reload only if a reload does all of it: what a
// reload refuses, or accepts without doing it, needs more. So does taking out
// what it treats as read-only, which corosync then forgets until it is started
// again (cfg.c:remove_ro_entries).
func Compare(old, new *File, r Release) []Change {
	c := &comparison{release: r, old: newSide(old, r), new: newSide(new, r), whole: map[int]bool{}}
	c.pairNodes()
	c.links()

	was, is := c.old.settings(r), c.new.settings(r)
	for _, id := range was.order {
		value := was.values[id]
		switch now, kept := is.values[id]; {
		case !kept:
			c.key(id, Removed, value, "")
		case now != value:
			c.key(id, Changed, value, now)
		}
	}
	for _, id := range is.order {
		if _, known := was.values[id]; !known {
			c.key(id, Added, "", is.values[id])
		}
	}
	return c.changes
}

// comparison is a Compare under way.
type comparison struct {
	release  Release
	old, new side
	whole    map[int]bool // links that came or went as a whole
	changes  []Change
}

// side is one of the two configurations.
type side struct {
	file      *File
	conf      Config
	totem     settings
	transport string
	labels    map[int]string // of the nodes that both have, by index
}

func newSide(f *File, r Release) side {
	transport, _ := LookupKey("totem", "transport")
	totem := f.settings("totem")
	return side{file: f, conf: f.Config(), totem: totem, transport: totem.text("transport", transport.DefaultIn(r)), labels: map[int]string{}}
}

// pairNodes finds the nodes that both sides have, and reports those that came
// or went.
func (c *comparison) pairNodes() {
	pair := func(same func(a, b Node) bool) {
		for _, a := range c.old.conf.Nodes {
			for _, b := range c.new.conf.Nodes {
				_, paired := c.old.labels[a.Index]
				_, taken := c.new.labels[b.Index]
				if !paired && !taken && same(a, b) {
					c.old.labels[a.Index], c.new.labels[b.Index] = a.pathLabel(), a.pathLabel()
				}
			}
		}
	}
	pair(func(a, b Node) bool { return a.ID != 0 && a.ID == b.ID })
	pair(func(a, b Node) bool { return a.Name != "" && a.Name == b.Name })
	pair(func(a, b Node) bool {
		if a.ID != 0 && b.ID != 0 {
			return false
		}
		for link, addr := range a.Addrs {
			if canonical(Key{Type: Address}, addr) == canonical(Key{Type: Address}, b.Addrs[link]) {
				return true
			}
		}
		return false
	})
	c.cameOrWent(c.old, Removed, "stop corosync there first: a reload does not make it leave")
	c.cameOrWent(c.new, Added, "")
}

func (c *comparison) cameOrWent(s side, kind ChangeKind, remark string) {
	for _, n := range s.conf.Nodes {
		if _, paired := s.labels[n.Index]; paired {
			continue
		}
		words := fmt.Sprintf("node %s %s", text(n.pathLabel()), kind)
		if n.ID != 0 {
			words = fmt.Sprintf("node %s (id %d) %s", text(n.pathLabel()), n.ID, kind)
		}
		c.changes = append(c.changes, Change{
			Path: "nodelist.node[" + n.pathLabel() + "]", Kind: kind, Words: words, Effect: Reload, Remark: remark, Node: true,
		})
	}
}

// pathLabel is what a path calls the node: its name, else its id, else an address.
func (n Node) pathLabel() string {
	if n.Name == "" && n.ID != 0 {
		return strconv.FormatUint(uint64(n.ID), 10)
	}
	return n.Label()
}

// links reports links that came or went on all nodes. Their addresses are not
// reported one by one.
func (c *comparison) links() {
	for link := range maxLinks {
		had, has := c.old.count(link), c.new.count(link)
		switch pairs := len(c.old.labels); {
		case pairs == 0:
		case had == 0 && has == pairs:
			c.link(link, Added)
		case had == pairs && has == 0:
			c.link(link, Removed)
		}
	}
}

func (c *comparison) link(link int, kind ChangeKind) {
	what := "link"
	if c.release == V24 {
		what = "ring"
	}
	effect, remark := c.linkEffect(link, kind)
	c.whole[link] = true
	c.changes = append(c.changes, Change{
		Path: "nodelist.node." + linkKey(link), Link: link, Kind: kind, Words: fmt.Sprintf("%s %d %s on all nodes", what, link, kind), Effect: effect, Remark: remark,
	})
}

// linkEffect is what it takes for a link to come, to go, or to change in what
// it is set up with.
func (c *comparison) linkEffect(link int, kind ChangeKind) (Effect, string) {
	if c.release == V24 || c.new.transport != "knet" {
		return FullRestart, "only knet can change its links while it runs"
	}
	kept := func(other int) bool { return c.old.everywhere(other) && c.new.everywhere(other) && c.unmoved(other) }
	other := func(ok func(int) bool) bool {
		for l := range maxLinks {
			if l != link && ok(l) {
				return true
			}
		}
		return false
	}
	switch {
	case kind == Added || kind == Removed && other(kept):
		return Reload, ""
	case kind == Removed && other(c.new.everywhere):
		return LinkReplace, "first the new link is added, then this one removed"
	case other(c.old.everywhere) || other(c.new.everywhere):
		return LinkReplace, ""
	}
	return FullRestart, "there is no other link to carry the cluster meanwhile"
}

// count returns how many of the nodes that both sides have are on the link.
func (s side) count(link int) int {
	n := 0
	for _, node := range s.conf.Nodes {
		_, paired := s.labels[node.Index]
		if _, has := node.Addrs[link]; paired && has {
			n++
		}
	}
	return n
}

// everywhere reports whether all nodes are on the link.
func (s side) everywhere(link int) bool {
	return len(s.conf.Nodes) > 0 && !slices.ContainsFunc(s.conf.Nodes, func(n Node) bool { return n.Addrs[link] == "" })
}

// unmoved reports whether the link has the same addresses in both.
func (c *comparison) unmoved(link int) bool {
	was := map[string]string{}
	for _, n := range c.old.conf.Nodes {
		was[c.old.labels[n.Index]] = n.Addrs[link]
	}
	return !slices.ContainsFunc(c.new.conf.Nodes, func(n Node) bool {
		label, paired := c.new.labels[n.Index]
		return paired && canonical(Key{Type: Address}, was[label]) != canonical(Key{Type: Address}, n.Addrs[link])
	})
}

// settingID is what a key is about, wherever it stands in the file.
type settingID struct {
	section string // as in the table of keys
	item    string // which of its kind: a link, a node, a subsystem; else empty
	key     string
	element string // the value itself where a key may be given many times
}

// settingList has the values that count by what they are about.
type settingList struct {
	order  []settingID
	values map[settingID]string
}

func (l *settingList) set(id settingID, value string) {
	if _, there := l.values[id]; !there {
		l.order = append(l.order, id)
	}
	l.values[id] = value
}

// settings returns what the file sets, save of nodes that only one side has.
func (s side) settings(r Release) settingList {
	list := settingList{values: map[settingID]string{}}
	label := s.labelsOfSections()
	for _, section := range s.file.all() {
		id := settingID{section: section.path}
		opts := section.Options()
		switch section.path {
		case "nodelist.node":
			name, paired := label[section]
			if !paired {
				continue
			}
			id.item = name
		case "totem.interface":
			id.item = interfaceNumber(section, r)
		case "totem.interface.member":
			id.item = interfaceNumber(section.parent, r)
		case "logging.logger_subsys", "logging.logging_daemon":
			id = loggerID(section)
			slices.Reverse(opts) // here the first line counts
		}
		for _, o := range opts {
			if isItemKey(id, o.Key, r) {
				continue
			}
			id.key, id.element = o.Key, ""
			if id.section == "uidgid" || id.section == "totem.interface.member" {
				id.element = o.Value
			}
			list.set(id, o.Value)
		}
	}
	return list
}

// all returns all sections that count, the root first.
func (f *File) all() []*Section {
	found := []*Section{f.root}
	for _, l := range f.lines {
		if l.section != nil && !l.section.lost {
			found = append(found, l.section)
		}
	}
	return found
}

// labelsOfSections returns what the nodes are called that both sides have.
func (s side) labelsOfSections() map[*Section]string {
	found := map[*Section]string{}
	for i, parts := range s.file.nodes() {
		if label, paired := s.labels[i]; paired {
			for _, part := range parts {
				found[part] = label
			}
		}
	}
	return found
}

// interfaceNumber returns the link, or the ring, that the section is about.
func interfaceNumber(s *Section, r Release) string {
	if n, ok := s.Get(itemKey(r)); ok {
		return canonical(Key{Type: Number}, n)
	}
	return "0"
}

// itemKey is the key that numbers interfaces.
func itemKey(r Release) string {
	if r == V24 {
		return "ringnumber"
	}
	return "linknumber"
}

// loggerID returns what a section on logging is about. What is said of the
// daemon corosync counts as if said of corosync (coroparse.c).
func loggerID(s *Section) settingID {
	subsys, some := s.Get("subsys")
	name, _ := s.Get("name")
	switch {
	case s.Name() == "logger_subsys" || name == "corosync" && some:
		return settingID{section: "logging.logger_subsys", item: subsys}
	case name == "corosync":
		return settingID{section: "logging"}
	case some:
		name += "." + subsys
	}
	return settingID{section: s.path, item: name}
}

// isItemKey reports whether the key only says which item the section is about.
func isItemKey(id settingID, key string, r Release) bool {
	switch id.section {
	case "totem.interface":
		return key == itemKey(r)
	case "logging", "logging.logger_subsys", "logging.logging_daemon":
		return key == "subsys" || key == "name"
	}
	return false
}

// listed are the sections of which there are several, told apart by an item.
var listed = []string{"nodelist.node", "totem.interface", "logging.logger_subsys", "logging.logging_daemon"}

// path returns the path of the key.
func (id settingID) path() string {
	section := id.section
	for _, s := range listed {
		if rest, ok := strings.CutPrefix(section, s); ok && id.item != "" {
			section = s + "[" + id.item + "]" + rest
			break
		}
	}
	return join(section, id.key)
}

// label returns what to call the key: "knet_link_priority of link 1".
func (id settingID) label(r Release) string {
	switch id.section {
	case "", "totem", "quorum", "logging", "system":
		return text(id.key)
	case "totem.interface", "totem.interface.member":
		what := "link "
		if r == V24 {
			what = "ring "
		}
		return text(id.key) + " of " + what + id.item
	case "nodelist.node", "logging.logger_subsys", "logging.logging_daemon":
		return text(id.key) + " of " + text(id.item)
	}
	return text(id.key) + " of " + text(id.section)
}

// key reports a key that differs.
func (c *comparison) key(id settingID, kind ChangeKind, old, new string) {
	k, known := LookupKey(id.section, id.key)
	if kind == Changed && canonical(k, old) == canonical(k, new) {
		return
	}
	if link, isLink := linkOf(id.key); isLink && id.section == "nodelist.node" && c.whole[link] {
		return
	}
	change := Change{Path: id.path(), Kind: kind, Old: old, New: new}
	if secret := id.section == "totem" && id.key == "key"; secret {
		change.Old, change.New = "", ""
		change.Words = "key: " + string(kind)
	} else {
		change.Words = c.words(id, k, kind, old, new)
	}
	change.Ignored = known && kind != Removed && !k.KnownIn(c.release)
	change.Effect, change.Remark = c.effect(id, k, known, kind, old, new)
	if link, isLink := linkOf(id.key); isLink {
		change.Link = link
	} else if n, err := strconv.Atoi(id.item); err == nil && id.section == "totem.interface" {
		change.Link = n
	}
	if change.Effect == Reload && c.new.transport == "knet" && (change.Path == "totem.token" || change.Path == "totem.token_coefficient") {
		// totemconfig_configure_new_params makes the ping timers before it reads the token.
		change.Twice, change.Remark = true, "the links' ping timers, which are made from it, follow with a second reload"
	}
	if change.Effect == Reload && known && k.KnownIn(c.release) && change.Path != "totem.key" {
		change.CmapKey, change.CmapValue = c.inCmap(id), canonical(k, new)
	}
	c.changes = append(c.changes, change)
}

func (c *comparison) words(id settingID, k Key, kind ChangeKind, old, new string) string {
	if id.element != "" {
		return fmt.Sprintf("%s %s: %s", id.label(c.release), text(id.element), kind)
	}
	value := func(s side, v string, set bool) string {
		if set {
			return k.text(v)
		}
		if v = s.byDefault(id, k, c.release); v != "" {
			return k.text(v) + " (the default)"
		}
		return "not set"
	}
	return fmt.Sprintf("%s: %s -> %s", id.label(c.release), value(c.old, old, kind != Added), value(c.new, new, kind != Removed))
}

// text returns a value for reading, with its unit.
func (k Key) text(value string) string {
	if k.Unit == "" {
		return text(value)
	}
	unit := k.Unit
	if value == "1" && len(unit) > len("ms") {
		unit = strings.TrimSuffix(unit, "s")
	}
	return text(value) + " " + unit
}

// text quotes what would not be seen on a terminal, or would do harm there.
func text(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// byDefault returns what counts where the key is not set, as far as that is the
// same for all that is set beside it; else "".
func (s side) byDefault(id settingID, k Key, r Release) string {
	switch {
	case id.section == "totem" && id.key == "netmtu" && s.transport == "knet":
		return ""
	case id.section == "totem" && (id.key == "crypto_cipher" || id.key == "crypto_hash") && s.totem["secauth"] != "":
		return ""
	case id.section == "totem" && id.key == "ip_version" && s.transport == "udp":
		return "ipv4"
	case id.section == "totem.interface" && id.key == "mcastport" && r >= V30:
		link, _ := strconv.Atoi(id.item)
		return strconv.Itoa(5405 + link)
	}
	return k.DefaultIn(r)
}

// crypto returns the cipher and hash that take effect.
func (s side) crypto(r Release) string {
	cipher, hash := s.file.ConfigIn(r).Totem.Crypto()
	return cipher + "/" + hash
}

// canonical returns the value in one of the spellings that mean the same.
func canonical(k Key, value string) string {
	switch k.Type {
	case Number:
		if n, ok := parseInteger(value); ok {
			return strconv.FormatInt(n, 10)
		}
	case Address:
		if a, err := netip.ParseAddr(value); err == nil {
			return a.String()
		}
	}
	return value
}

// readOnly are the keys that a reload refuses to change and yet forgets when
// they are taken out (cfg.c:remove_ro_entries and remove_deleted_entries).
var readOnly = []string{
	"totem.version", "totem.threads", "totem.ip_version", "totem.ip_dscp", "totem.netmtu", "totem.transport", "totem.cluster_name", "quorum.provider",
}

// readOnlyBefore31 are those that only older releases treat so.
var readOnlyBefore31 = []string{
	"totem.secauth", "totem.crypto_cipher", "totem.crypto_hash", "totem.keyfile", "totem.key", "totem.rrp_mode", "totem.vsftype",
}

// effect returns what it takes for a key to change, and a remark.
func (c *comparison) effect(id settingID, k Key, known bool, kind ChangeKind, old, new string) (Effect, string) {
	if kind == Added {
		old = c.old.byDefault(id, k, c.release)
	}
	if kind == Removed {
		new = c.new.byDefault(id, k, c.release)
	}
	effect := k.EffectIn(c.release)
	link, isLink := linkOf(id.key)
	if number, err := strconv.Atoi(id.item); err == nil && id.section == "totem.interface" {
		link = number
	}
	path := join(id.section, id.key)
	if was, _ := parseUnsigned(old); path == "totem.config_version" && kind == Changed {
		if is, _ := parseUnsigned(new); is < was { // a node that is away may have the higher one (cmap.c:cmap_sync_activate)
			return effect, "it counts down: a node that starts with a lower version than the others run exits"
		}
	}
	same := old != "" && canonical(k, old) == canonical(k, new)
	if slices.Contains([]string{"totem.secauth", "totem.crypto_cipher", "totem.crypto_hash"}, path) { // they stand for each other
		same = c.old.crypto(c.release) == c.new.crypto(c.release)
	}
	fixed := slices.Contains(readOnly, path) || c.release < V31 && slices.Contains(readOnlyBefore31, path)
	switch {
	case !known && strings.HasPrefix(id.section, "resources"): // programs may watch what they like there
		return RollingRestart, ""
	case !known:
		return Reload, "this is no key of corosync's, which takes no notice of it"
	case !k.KnownIn(c.release):
		return Reload, fmt.Sprintf("corosync %s does not have this key, and takes no notice of it", c.release)
	case k.Transports != nil && !slices.Contains(k.Transports, c.new.transport):
		return Reload, "it is not used with " + c.new.transport
	case path == "totem.interface.bindnetaddr" && len(c.new.conf.Links()) > 0 && len(c.new.conf.Nodes) > 0:
		return Reload, "it is not used: the addresses are those of the nodelist"
	case same:
		switch {
		case fixed && kind == Removed:
			return RollingRestart, "the value stays the same, but a reload would leave corosync without it until it is started again"
		case fixed:
			return NoEffect, "the value stays the same; until corosync is started again it logs that this cannot be changed at run-time"
		}
		return NoEffect, "the value stays the same"
	case id.section == "totem.interface" && c.new.transport == "knet" && (c.old.count(link) == 0) != (c.new.count(link) == 0):
		return Reload, "" // it comes and goes with its link
	case isLink && id.section == "nodelist.node" && kind != Changed:
		effect, _ = c.linkEffect(link, kind)
		return max(effect, LinkReplace), "corosync refuses a link that not all nodes are on"
	case effect == LinkReplace:
		return c.linkEffect(link, Changed) // also where the key was missing: the link is there
	case path == "nodelist.node.name" && kind == Added:
		return Reload, ""
	case id.key == "logfile" && kind == Removed:
		return RollingRestart, "a reload goes on with the old file"
	}
	return effect, ""
}

// inCmap returns the key's name in cmap by the new file; empty if it has none
// of its own there.
func (c *comparison) inCmap(id settingID) string {
	switch {
	case id.element != "":
		return ""
	case id.section == "nodelist.node":
		for index, label := range c.new.labels {
			if label == id.item {
				return fmt.Sprintf("%s.%d.%s", id.section, index, id.key)
			}
		}
		return ""
	case id.item != "":
		return id.section + "." + id.item + "." + id.key
	}
	return join(id.section, id.key)
}
