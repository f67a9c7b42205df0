package corosyncconf

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Codes of keys that a release does not know, or that do nothing there.
const (
	CodeUnknownSection Code = "unknown-section"
	CodeUnknownKey     Code = "unknown-key"
	CodeKeyRelease     Code = "key-release"
	CodeRingNumber     Code = "ringnumber"
	CodeKeyTransport   Code = "key-transport"
	CodeValueRange     Code = "value-range"
	CodeRepeatedKey    Code = "repeated-key"
	CodeRepeatedList   Code = "repeated-nodelist"
	CodeTrailing       Code = "trailing-comment"
)

var keyCodes = []CodeInfo{
	{CodeUnknownSection, Warning, "a section that corosync takes no notice of"},
	{CodeUnknownKey, Warning, "a key that corosync takes no notice of, maybe misspelt"},
	{CodeKeyRelease, Warning, "a key that this release takes no notice of, and another one does"},
	{CodeRingNumber, Bad, "a ringnumber, which corosync 3 takes no notice of: the section is about link 0"},
	{CodeKeyTransport, Warning, "a key that does nothing with the transport"},
	{CodeValueRange, Warning, "a value that the key does not take; corosync accepts it and does something else"},
	{CodeRepeatedKey, Warning, "a key that stands twice; only one of them counts"},
	{CodeRepeatedList, Bad, "a second nodelist, whose nodes overwrite those of the first"},
	{CodeTrailing, Warning, "a comment after a value: to corosync it is part of the value"},
}

// keys reports keys that the release does not know, that do nothing there, or
// that stand twice.
func (c *checker) keys() {
	if c.read.unclosed() {
		return // which section a key is in is not clear
	}
	c.section(c.file.root)
	seen := map[string]*line{} // by path of the section and key
	for _, l := range c.file.lines {
		if s := l.section; s != nil && !s.lost {
			c.section(s)
			if isSection(s.path) {
				c.repeated(s, seen)
			}
		}
	}
	if lists := c.file.sections("nodelist"); len(lists) > 1 {
		for _, s := range lists[1:] {
			c.report(CodeRepeatedList, Accepted, s.open,
				fmt.Sprintf("a second nodelist: its nodes overwrite those of the nodelist on line %d, the first the first and so on", lists[0].Line()),
				"put all nodes into one nodelist")
		}
	}
}

// section reports on the keys directly in s.
func (c *checker) section(s *Section) {
	if s.path != "" && !isSection(s.path) {
		// What is within an unknown section is reported with it.
		if s.parent.path == "" || isSection(s.parent.path) {
			remedy := remedySpelling(s.Name(), sectionsIn(s.parent.path), "remove the section")
			if s.standsAlone() {
				remedy = fmt.Sprintf("close %s above it: %s is no part of another section", s.parent.Name(), s.Name())
			}
			c.report(CodeUnknownSection, Accepted, s.open, fmt.Sprintf("section %q is not one of corosync's: it takes no notice of it", s.path), remedy)
		}
		return
	}
	for l := range s.body() {
		if l.kind != option {
			continue
		}
		if k, ok := LookupKey(s.path, l.keyText()); ok {
			c.key(k, l)
		} else {
			c.unknown(s, l)
		}
	}
}

// standsAlone reports whether s is within another section, and by its name
// belongs in none.
func (s *Section) standsAlone() bool {
	return s.parent.open != nil && slices.Contains(topSections(), s.Name()) && !isSection(join(s.parent.path, s.Name()))
}

// unknown reports a key that the table does not have.
func (c *checker) unknown(s *Section, l *line) {
	key := l.keyText()
	if link, ok := ringKey(key); ok && s.path == "nodelist.node" && link < maxLinks {
		c.reportKey(CodeUnknownKey, l, fmt.Sprintf("corosync takes %s for %s, and other programs do not know it", key, linkKey(int(link))), "write "+linkKey(int(link)))
		return
	}
	remedy := remedySpelling(key, keysIn(s.path), "remove the line")
	for _, k := range keys {
		if k.matches(key) {
			remedy = fmt.Sprintf("move it to the section %s, where the key belongs", k.Section)
			break
		}
	}
	c.reportKey(CodeUnknownKey, l, fmt.Sprintf("%q is not one of corosync's keys: it takes no notice of it", join(s.path, key)), remedy)
}

// remedySpelling asks whether another word was meant.
func remedySpelling(word string, words []string, otherwise string) string {
	if meant := likely(word, words); meant != "" {
		return fmt.Sprintf("write %s, if that is meant, or %s", meant, otherwise)
	}
	return otherwise
}

// key reports on a line for a known key.
func (c *checker) key(k Key, l *line) {
	path, value := join(k.Section, l.keyText()), l.valueText()
	switch {
	case k.Name == "ringnumber" && c.target.Release > V24:
		if ring, ok := parseInteger(value); ok && ring == 0 {
			c.report(CodeKeyRelease, Accepted, l, "corosync 3 takes no notice of ringnumber", "write linknumber: 0")
		} else {
			c.report(CodeRingNumber, Accepted, l, "corosync 3 takes no notice of ringnumber: the section is about link 0, and what it says replaces what others say of it",
				"write linknumber instead")
		}
		return
	case !k.knownTo(c.version):
		of := c.target.Release.String()
		if k.From != nil {
			of = c.version.String()
		}
		c.reportKey(CodeKeyRelease, l, fmt.Sprintf("corosync %s takes no notice of %s: %s", of, path, releases(k)), c.remedyRelease(k, value))
		return
	}
	if k.Transports != nil && c.transport != "" && !slices.Contains(k.Transports, c.transport) {
		c.reportKey(CodeKeyTransport, l, fmt.Sprintf("%s does nothing with transport %s: it is for %s", path, c.transport, strings.Join(k.Transports, " and ")),
			"remove the line, or change the transport")
	}
	if text, ok := beforeComment(value); ok {
		c.report(CodeTrailing, Accepted, l, fmt.Sprintf("the value of %s is %q: there are no comments after a value", path, value),
			fmt.Sprintf("leave %q, and put the comment on a line of its own above it", text))
		return
	}
	if want := k.refuses(value, c.target.Release); want != "" {
		c.report(CodeValueRange, Accepted, l, fmt.Sprintf("%s is %q, and it takes %s", path, value, want), "give it a value that it takes, or remove the line")
	}
}

// beforeComment returns what stands before a comment in a value.
func beforeComment(value string) (text string, ok bool) {
	for i := 1; i < len(value); i++ {
		if value[i] == '#' && isBlank(value[i-1]) {
			return trimBlanks(value[:i]), true
		}
	}
	return "", false
}

// releases says which releases know the key.
func releases(k Key) string {
	if k.Until != 0 {
		return fmt.Sprintf("it went with %s", k.Until+1)
	}
	if k.From != nil {
		return "it came with " + k.came()
	}
	return fmt.Sprintf("it came with %s", k.Since)
}

func (c *checker) remedyRelease(k Key, value string) string {
	switch {
	case k.Name == "linknumber":
		return "write ringnumber"
	case k.Name == "rrp_mode" && value != "none" && c.transport == "knet":
		return "write link_mode, which has the same two modes"
	}
	return "remove the line"
}

// came names the versions that the key came with: "3.1.6 and 2.4.6".
func (k Key) came() string {
	var all []string
	for _, v := range k.From {
		all = append(all, version(v).String())
	}
	return strings.Join(all, " and ")
}

// takes returns in words what values the key takes in the release: "a number
// from 30 to 4294967295 (ms)"; empty if any.
func (k Key) takes(r Release) string {
	switch k.Type {
	case Number:
		if k.Min == k.Max {
			return fmt.Sprint(k.Min)
		}
		words := fmt.Sprintf("a number from %d to %d", k.Min, k.Max)
		if k.Unit != "" {
			words += " (" + k.Unit + ")"
		}
		return words
	case Choice:
		values := k.ValuesIn(r)
		last := len(values) - 1
		if last == 0 {
			return values[0]
		}
		return strings.Join(values[:last], ", ") + " or " + values[last]
	case Address:
		return "an address or a name"
	}
	return ""
}

// refuses returns what the key takes if the value is not that. Most numbers
// can be 0, which stands for the default.
func (k Key) refuses(value string, r Release) string {
	switch k.Type {
	case Number:
		if n, ok := parseInteger(value); !ok || n > k.Max || n < k.Min && (n != 0 || k.Min < 0 || k.Name == "nodeid" || k.Name == "version") {
			return k.takes(r)
		}
	case Choice:
		if parsed := k.parsedIn(r); !slices.Contains(k.ValuesIn(r), value) && (parsed == nil || !parsed.ok(value)) {
			return k.takes(r)
		}
	case Address:
		if !isAddress(value) {
			return k.takes(r)
		}
	}
	return ""
}

// repeated reports lines that another one for the same key makes idle.
func (c *checker) repeated(s *Section, seen map[string]*line) {
	if s.rules == "uidgid" || s.path == "totem.interface.member" {
		return // lists
	}
	path := s.path
	switch path {
	case "totem.interface", "nodelist.node", "logging.logger_subsys", "logging.logging_daemon":
		path = fmt.Sprint(path, "#", s.Line()) // one of several
	}
	firstCounts := s.rules == "logging.logger_subsys" || s.rules == "logging.logging_daemon"
	for l := range s.body() {
		if l.kind != option {
			continue
		}
		name := join(path, l.keyText())
		idle, counts := seen[name], l
		if idle != nil && firstCounts {
			idle, counts = counts, idle
		} else {
			seen[name] = l
		}
		if idle != nil {
			c.reportKey(CodeRepeatedKey, idle, fmt.Sprintf("%s stands twice, and line %d counts", join(s.path, l.keyText()), counts.num), "remove the line that does not count")
		}
	}
}

// isSection reports whether the path is that of a section that corosync reads.
func isSection(path string) bool {
	return keysBySection()[path] != nil || len(sectionsIn(path)) > 0
}

// sectionsIn returns the names of the sections directly in the one with the path.
func sectionsIn(path string) []string {
	var names []string
	for _, k := range keys {
		rest := k.Section
		if path != "" {
			var ok bool
			if rest, ok = strings.CutPrefix(k.Section, path+"."); !ok {
				continue
			}
		}
		if name, _, _ := strings.Cut(rest, "."); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// topSections are the sections that are in no other.
var topSections = sync.OnceValue(func() []string { return sectionsIn("") })

// keysIn returns the names of the keys directly in the section with the path.
func keysIn(path string) []string {
	var names []string
	for _, k := range keys {
		switch {
		case k.Section != path:
		case k.Name == "ring*_addr":
			for link := range maxLinks {
				names = append(names, linkKey(link))
			}
		case !strings.Contains(k.Name, "*"):
			names = append(names, k.Name)
		}
	}
	return names
}
