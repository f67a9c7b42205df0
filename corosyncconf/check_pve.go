package corosyncconf

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Codes of what Proxmox VE's tools do not take as corosync does.
const (
	CodePVESpacing   Code = "pve-spacing"
	CodePVEWords     Code = "pve-words"
	CodePVEEmpty     Code = "pve-empty-value"
	CodePVEHash      Code = "pve-hash"
	CodePVESection   Code = "pve-section-twice"
	CodePVEKey       Code = "pve-key-twice"
	CodePVENode      Code = "pve-node-lost"
	CodePVEInterface Code = "pve-interface-lost"
	CodePVEVersion   Code = "pve-version"
	CodePVEName      Code = "pve-node-name"
	CodePVEComment   Code = "pve-comment"
	CodePVELinks     Code = "pve-interface-missing"
)

var pveCodes = []CodeInfo{
	{CodePVESpacing, Warning, "on Proxmox VE: a line without the blanks that its tools need, which refuse the file"},
	{CodePVEWords, Warning, "on Proxmox VE: a value of several words, for which its tools refuse the file"},
	{CodePVEEmpty, Bad, "on Proxmox VE: an empty value, for which its tools take what comes next in the file"},
	{CodePVEHash, Bad, "on Proxmox VE: a value with a #, which its tools lose from there on"},
	{CodePVESection, Warning, "on Proxmox VE: a section that stands twice, for which its tools refuse the file"},
	{CodePVEKey, Bad, "on Proxmox VE: a key that stands twice, of which its tools keep another than corosync does"},
	{CodePVENode, Bad, "on Proxmox VE: nodes of which its tools lose all but the last"},
	{CodePVEInterface, Bad, "on Proxmox VE: interface sections of which its tools lose all but the last"},
	{CodePVEVersion, Bad, "on Proxmox VE: no config_version, or one of another line that pmxcfs takes for it: the file is not handed out"},
	{CodePVEName, Warning, "on Proxmox VE: a node without a name"},
	{CodePVEComment, Warning, "on Proxmox VE: comments, which its tools drop"},
	{CodePVELinks, Warning, "on Proxmox VE: interface sections, but not one for each link and for no other, for which pvecm refuses to add nodes"},
}

// PVE tells whether the code is of what only Proxmox VE's tools suffer from.
func (c Code) PVE() bool { return strings.HasPrefix(string(c), "pve-") }

// pve reports what pvecm and its like refuse, or lose when they write the file
// (pve-cluster 9.1, PVE/Corosync.pm, parse_conf and write_conf). They split the
// whole file at white space, after all from a # to the end of its line: a "{" after
// a word opens a section, a "}" closes it, and every other word has to end with a
// colon and be followed by one word that is its value. So a file in which each line
// that counts is "NAME {", "}" or "KEY: VALUE", of such words, is taken as corosync
// takes it, but for what stands twice.
func (c *checker) pve() {
	if !c.target.PVE || c.file.unclosed() {
		return
	}
	var comments []*line
	for _, l := range c.file.lines {
		if l.kind == comment || (l.kind == opening || l.kind == closing) && strings.Contains(l.raw, "#") {
			comments = append(comments, l)
		}
		c.pveLine(l)
	}
	if len(comments) > 0 {
		c.reportKey(CodePVEComment, comments[0], fmt.Sprintf("Proxmox VE's tools drop comments when they write the file, as in adding a node: lines with some are %d", len(comments)),
			"keep elsewhere what must not be lost")
	}
	for _, s := range c.file.all() {
		c.pveSection(s)
	}
	c.pveLost(CodePVENode, "nodelist", "node", "name", "ring0_addr", "give each node a name of its own")
	c.pveLost(CodePVEInterface, "totem", "interface", "linknumber", "ringnumber", "give each a number of its own, or remove all but one")
	for _, s := range c.file.sections("nodelist.node") {
		if addr, ok := s.Get("ring0_addr"); ok && s.counting("name") == nil {
			c.reportKey(CodePVEName, s.open, fmt.Sprintf("a node without a name, which Proxmox VE's tools call %s", addr), "give it the name that uname -n prints there")
		}
	}
	c.pveLinks()
	c.pveVersion()
}

// pveWords splits a line as Proxmox VE's tools do.
func pveWords(l *line) []string {
	text, _, _ := strings.Cut(l.raw, "#")
	return strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r >= '\t' && r <= '\r' })
}

// pveLine reports a line of which they make something else.
func (c *checker) pveLine(l *line) {
	words := pveWords(l)
	switch l.kind {
	case opening:
		if len(words) != 2 || words[0] != l.keyText() || words[1] != "{" {
			c.reportKey(CodePVESpacing, l, "Proxmox VE's tools refuse the file for this line", fmt.Sprintf("write it as %s {", l.keyText()))
		}
	case closing:
		if len(words) != 1 {
			c.reportKey(CodePVESpacing, l, "Proxmox VE's tools refuse the file for this line", "write it as }")
		}
	case option:
		key, value := l.keyText(), l.valueText()
		switch {
		case strings.Contains(l.raw, "#"):
			c.report(CodePVEHash, Accepted, l, "Proxmox VE's tools take the # for the beginning of a comment, and lose what follows", "write it without #")
		case value == "":
			c.reportKey(CodePVEEmpty, l, fmt.Sprintf("to Proxmox VE's tools the value of %s is the next word in the file", key), "give it a value, or remove the line")
		case words[0] != key+":" || strings.Contains(key, ":"):
			c.reportKey(CodePVESpacing, l, "Proxmox VE's tools refuse the file for this line", fmt.Sprintf("write it as %s: %s", key, value))
		case len(words) != 2:
			c.report(CodePVEWords, Accepted, l, "Proxmox VE's tools refuse the file for a value of several words", "write it as one word")
		}
	}
}

// pveSection reports what stands twice in a section, which is a list only where it
// is of nodes and interfaces.
func (c *checker) pveSection(s *Section) {
	keys, sections := map[string]*line{}, map[string]*line{}
	for l := range s.body() {
		switch l.kind {
		case opening:
			name := l.keyText()
			if first := sections[name]; first != nil && name != "node" && name != "interface" {
				c.reportKey(CodePVESection, l, fmt.Sprintf("Proxmox VE's tools refuse the file for a second section %s; the first one is on line %d", name, first.num), "have one, if that is possible")
			} else {
				sections[name] = l
			}
		case option:
			other := s.firstCounts(l.keyText()) || s.rules == "uidgid" || s.path == "totem.interface.member" // these are lists
			if first := keys[l.keyText()]; first != nil && other {
				c.reportKey(CodePVEKey, first, fmt.Sprintf("Proxmox VE's tools lose this line, since line %d has %s too", l.num, l.keyText()), "have the key once in a section")
			}
			keys[l.keyText()] = l
		}
	}
	for name, l := range sections {
		if keys[name] != nil {
			c.reportKey(CodePVESection, l, fmt.Sprintf("Proxmox VE's tools refuse the file, or lose this, for a section and a key that are both called %s", name), "remove the key")
		}
	}
}

// pveLost reports sections of a list that go by the same key, else by the same other
// one, or have neither: only the last of them is kept.
func (c *checker) pveLost(code Code, parent, name, key, other, remedy string) {
	last := map[string]*Section{}
	for _, s := range c.file.sections(parent + "." + name) {
		label, named := s.Get(key)
		if !named {
			label, _ = s.Get(other)
		}
		if before := last[label]; before != nil {
			c.reportKey(code, before.open, fmt.Sprintf("Proxmox VE's tools lose this %s, since that on line %d goes by %s too", name, s.Line(), strconv.Quote(label)), remedy)
		}
		last[label] = s
	}
}

// pveLinks reports that some links have an interface section, and others not, which
// verify_conf does not take. Versions 4 and 5 had no such rule.
func (c *checker) pveLinks() {
	sections, links := c.file.sections("totem.interface"), c.conf.Links()
	if len(sections) == 0 || len(c.conf.Nodes) == 0 || c.target.Release == V24 {
		return
	}
	of := map[string]*Section{}
	for _, s := range sections {
		of[s.linkLabel()] = s
	}
	for _, link := range links {
		if of[strconv.Itoa(link)] == nil {
			c.report(CodePVELinks, Accepted, sections[0].open, fmt.Sprintf("pvecm refuses to add nodes, since link %d has no interface section with its number, and there are others", link),
				fmt.Sprintf("write interface { linknumber: %d } into totem, or remove all interface sections", link))
		}
		delete(of, strconv.Itoa(link))
	}
	for _, s := range sections {
		if label := s.linkLabel(); label != "" && of[label] == s {
			c.report(CodePVELinks, Accepted, s.open, fmt.Sprintf("pvecm refuses to add nodes, since there is no address for link %s, which has an interface section", label), "remove the section")
		}
	}
}

// linkLabel is the link number that Proxmox VE's tools take an interface section
// for; "" if it has none.
func (s *Section) linkLabel() string {
	label, ok := s.Get("linknumber")
	if !ok {
		label, _ = s.Get("ringnumber")
	}
	return label
}

// EvenInterfaces gives each link an interface section with its number if there is
// any such section: Proxmox VE's tools want all or none (PVE/Corosync.pm,
// verify_conf).
func (f *File) EvenInterfaces() error {
	sections := f.sections("totem.interface")
	if len(sections) == 0 {
		return nil
	}
	of := map[string]*Section{}
	for _, s := range sections {
		of[s.linkLabel()] = s
	}
	for _, link := range f.Config().Links() {
		label := strconv.Itoa(link)
		s := of[label]
		switch {
		case s != nil:
			continue
		case link == 0 && of[""] != nil: // what has no number is about link 0
			s = of[""]
		default:
			s = sections[len(sections)-1].parent.AddSection("interface")
		}
		if err := s.Set("linknumber", label); err != nil {
			return err
		}
	}
	return nil
}

// versionInText is what pmxcfs takes for the version: the first that is anywhere in
// the file (cfs-utils.c, corosync_conf_version).
var versionInText = regexp.MustCompile(`config_version\s*:\s*(\d+)`)

func (c *checker) pveVersion() {
	is := c.conf.Totem.ConfigVersion
	for _, l := range c.file.lines {
		m := versionInText.FindStringSubmatch(l.raw)
		if m == nil {
			continue
		}
		if taken, err := strconv.ParseUint(m[1], 10, 64); err != nil || taken != is {
			c.reportKey(CodePVEVersion, l, fmt.Sprintf("pmxcfs takes this line's for the config_version, which is %d", is), "remove it")
		}
		break
	}
	if is == 0 {
		c.report(CodePVEVersion, Accepted, c.place("totem", "config_version"), "without config_version pmxcfs does not hand the file out, and pvecm does not change it", "write config_version: 1 into totem")
	}
}
