package corosyncconf

import (
	"fmt"
	"maps"
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
	c.userFiles()
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

// userFiles reports what corosync refuses in the files of uidgid.d. It stops at
// the first error of one.
func (c *checker) userFiles() {
	files := c.target.Here.UserFiles
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if l, why := c.userFile(files[path]); why != "" {
			c.report(CodeUserFile, ByParser, nil, fmt.Sprintf("%s:%d: %s", path, l, why), "mend the file, or move it out of the directory: corosync reads every file there, whatever its name")
		}
	}
}

// userFile returns the first line of a file in uidgid.d that corosync refuses,
// and why.
func (c *checker) userFile(data []byte) (line int, why string) {
	f, errs := parse("", data)
	if c.target.Release > V24 && len(errs) > 0 { // 2.4 passes over most
		line, why = errs[0].Line, errs[0].Msg
	}
	for _, l := range f.lines {
		if why != "" && l.num >= line {
			break
		}
		if l.section != nil && l.keyText() != "uidgid" {
			return l.num, fmt.Sprintf("section %s, and only uidgid may be there", l.keyText())
		}
	}
	in := f.owners()
	for i, l := range f.lines {
		if why != "" && l.num >= line {
			break
		}
		if l.kind != option {
			continue
		}
		key, value := l.keyText(), l.valueText()
		switch {
		case in[i].path != "uidgid" || key != "uid" && key != "gid":
			return l.num, fmt.Sprintf("%s, and only uid and gid within uidgid may be there", key)
		case key == "uid" && c.isMissing(value, c.target.Here.User):
			return l.num, fmt.Sprintf("this machine has no user %q", value)
		case key == "gid" && c.isMissing(value, c.target.Here.Group):
			return l.num, fmt.Sprintf("this machine has no group %q", value)
		}
	}
	return line, why
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

// isMissing reports whether the machine does not have a user or group. A number
// need not be one that is there, save the highest, which corosync takes for an error.
func (c *checker) isMissing(value string, has func(string) bool) bool {
	n, ok := parseInteger(value)
	number := ok && 0 <= n && n < 1<<32-1
	return has != nil && !number && !has(value)
}

// account reports a user or group that the machine does not have.
func (c *checker) account(s *Section, l *line, key, what string, has func(string) bool) {
	value := l.valueText()
	if s.rules != "uidgid" || l.keyText() != key || !c.isMissing(value, has) {
		return
	}
	c.report(CodeBadValue, ByParser, c.line(l), "this machine has no "+what+" "+strconv.Quote(value), "make the "+what+" on every node, or remove the line")
}
