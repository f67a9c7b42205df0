package corosyncconf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// here reports what the parser refuses on the machine only.
func (c *checker) here() {
	here := c.target.Here
	if here == nil {
		return
	}
	for _, l := range c.read.lines {
		s := l.section
		if s == nil || s.lost {
			continue
		}
		for o := range s.body() {
			if o.kind == option {
				c.model(s, o, "crypto_model", here.Crypto)
				c.model(s, o, "knet_compression_model", here.Compression)
				c.account(s, o, "uid", "user", here.User)
				c.account(s, o, "gid", "group", here.Group)
			}
		}
	}
}

// model reports one that libknet does not have, of those that there are.
func (c *checker) model(s *Section, l *line, key string, has []string) {
	value := l.valueText()
	r := s.asked[key]
	if s.path != "totem" || l.keyText() != key || has == nil || slices.Contains(has, value) || r == nil || !r.ok(value) {
		return
	}
	if _, unchecked := olderRule(join(s.path, key), c.version); unchecked {
		return
	}
	c.report(CodeBadValue, ByParser, c.line(l), fmt.Sprintf("%s is %q, and the libknet of this machine has %s", join(s.path, key), value, strings.Join(has, ", ")),
		"write one that every node has, or install the package with the plugin")
}

// account reports a user or group that the machine does not have. A number
// need not be one that is there, save the highest, which corosync takes for an error.
func (c *checker) account(s *Section, l *line, key, what string, has func(string) bool) {
	value := l.valueText()
	if s.rules != "uidgid" || l.keyText() != key || has == nil {
		return
	}
	if n, ok := parseInteger(value); ok && 0 <= n && n < 1<<32-1 || has(value) {
		return
	}
	c.report(CodeBadValue, ByParser, c.line(l), "this machine has no "+what+" "+strconv.Quote(value), "make the "+what+" on every node, or remove the line")
}
