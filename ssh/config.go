package ssh

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Endpoint is what the Options and the ssh_config files make of a destination: how a dial of it connects and logs in.
// Paths are expanded. It is enough to write a Host block with which ssh(1) does the same.
type Endpoint struct {
	Host                string   // the destination without user and port: the name that Host blocks are matched with
	HostName            string   // where to connect
	Port                int      // 1..65535
	User                string   // whom to log in as
	HostKeyAlias        string   // the name under which known_hosts has the host, if it is not HostName
	ProxyJump           string   // hops, [user@]host[:port], separated by commas; empty for a direct connection
	ProxyCommand        string   // not supported: a dial of an endpoint that has one fails
	IdentityFiles       []string // those asked for; empty means ssh's default ones
	CertificateFiles    []string // besides FILE-cert.pub beside each identity file
	IdentitiesOnly      bool     // offer no key of the agent that is not one of the identities
	IdentityAgent       string   // the agent's socket; empty for $SSH_AUTH_SOCK, "none" for no agent
	UserKnownHostsFiles []string // where host keys are looked up first, and new ones added
}

// defaultPort is used for hosts for which nothing else is said.
const defaultPort = 22

// Effective returns how a dial of dest, which is [user@]host[:port], would be made. Of a destination that cannot be
// parsed it returns what it could make out.
func (d *Dialer) Effective(dest string) Endpoint {
	e, _ := d.endpoint(dest, false)
	return e
}

// Knows reports whether an ssh_config file has a Host block that names host, in full or by a pattern other than "*".
func (d *Dialer) Knows(host string) bool {
	return d.lookup(host, "").named
}

// endpoint is Effective. -J and -l are about the nodes, not about the hosts on the way to them, as in ssh(1).
func (d *Dialer) endpoint(dest string, hop bool) (Endpoint, error) {
	user, host, port, err := splitDestination(dest)
	if err != nil {
		return Endpoint{Host: host}, err
	}
	if user == "" && !hop {
		user = d.opts.Login
	}
	s := d.lookup(host, user)
	e := Endpoint{
		Host:           host,
		HostName:       s.hostName(),
		Port:           port,
		User:           s.user,
		ProxyCommand:   strings.Join(s.values["proxycommand"], " "),
		IdentitiesOnly: strings.EqualFold(s.first("identitiesonly"), "yes"),
	}
	if e.User == "" {
		e.User = s.first("user")
	}
	if e.User == "" {
		e.User = d.localUser
	}
	if text := s.first("port"); e.Port == 0 && text != "" {
		if e.Port, err = parsePort(text); err != nil {
			return e, fmt.Errorf("ssh_config of %s: %w", host, err)
		}
	}
	if e.Port == 0 {
		e.Port = defaultPort
	}

	tokens := strings.NewReplacer("%%", "%", "%h", e.HostName, "%n", host, "%p", strconv.Itoa(e.Port), "%r", e.User,
		"%u", d.localUser, "%d", d.opts.Home)
	path := func(p string) string { return expandHome(tokens.Replace(expandEnv(p)), d.opts.Home) }
	paths := func(list []string) (expanded []string) {
		for _, p := range list {
			if p = path(p); !slices.Contains(expanded, p) {
				expanded = append(expanded, p)
			}
		}
		return expanded
	}
	e.HostKeyAlias = tokens.Replace(s.first("hostkeyalias"))
	e.IdentityFiles = paths(withoutNone(slices.Concat(d.opts.Identities, s.values["identityfile"])))
	e.CertificateFiles = paths(withoutNone(s.values["certificatefile"]))
	e.IdentityAgent = path(s.first("identityagent"))
	if e.IdentityAgent == "SSH_AUTH_SOCK" {
		e.IdentityAgent = ""
	}
	switch known := s.values["userknownhostsfile"]; {
	case len(d.opts.KnownHosts) > 0:
		e.UserKnownHostsFiles = paths(d.opts.KnownHosts)
	case len(known) > 0:
		e.UserKnownHostsFiles = paths(withoutNone(known))
	default:
		e.UserKnownHostsFiles = paths([]string{"~/.ssh/known_hosts", "~/.ssh/known_hosts2"})
	}

	e.ProxyJump = s.first("proxyjump")
	if d.opts.Jump != "" && !hop {
		e.ProxyJump = d.opts.Jump
	}
	if strings.EqualFold(e.ProxyJump, "none") {
		e.ProxyJump = ""
	}
	// Of ProxyJump and ProxyCommand ssh takes the one it sees first; we can only do the one.
	if e.ProxyJump != "" || strings.EqualFold(e.ProxyCommand, "none") {
		e.ProxyCommand = ""
	}
	return e, nil
}

// route returns the endpoints that a connection to e passes, e last. What a hop's own ssh_config says about jumping
// counts for the first hop only, as in ssh(1).
func (d *Dialer) route(e Endpoint) ([]Endpoint, error) {
	route := []Endpoint{e}
	for jump := e.ProxyJump; jump != ""; jump = route[0].ProxyJump {
		var hops []Endpoint
		for dest := range strings.SplitSeq(jump, ",") {
			hop, err := d.endpoint(strings.TrimSpace(dest), true)
			if err != nil {
				return nil, fmt.Errorf("jump host %s: %w", dest, err)
			}
			if hop.address() == route[0].address() {
				return route, nil // `Host *` with ProxyJump covers the jump host too: it is reached directly
			}
			hops = append(hops, hop)
		}
		if route = append(hops, route...); len(route) > 8 {
			return nil, errors.New("more than 7 jump hosts, or jump hosts that lead to each other")
		}
	}
	return route, nil
}

// settings are the values that ssh_config has for one destination; the first one obtained counts.
type settings struct {
	host, user, localUser string // the destination's, user "" if it has none
	values                map[string][]string
	named                 bool
}

func (s *settings) first(key string) string {
	if v := s.values[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (s *settings) hostName() string {
	if name := s.first("hostname"); name != "" {
		return strings.NewReplacer("%%", "%", "%h", s.host).Replace(name)
	}
	return s.host
}

func (d *Dialer) lookup(host, user string) *settings {
	s := &settings{host: host, user: user, localUser: d.localUser, values: map[string][]string{}}
	for _, f := range d.config {
		f.apply(s, true)
	}
	return s
}

// configFile is a parsed ssh_config(5) file. There is a parser here because files of other people's making must be
// read as ssh(1) reads them: Fedora's and RHEL's /etc/ssh has `Match final`, which the library we know refuses.
type configFile []configLine

type configLine struct {
	key      string // lower case
	args     []string
	included []configFile
}

// apply adds to s what f says about it. With active false f stands in a block that does not match, so nothing counts.
func (f configFile) apply(s *settings, active bool) {
	block := active
	for _, line := range f {
		switch line.key {
		case "host":
			block = active && matchPatterns(line.args, s.host)
			for _, p := range line.args {
				if block && strings.Trim(p, "*") != "" && matchPattern(p, s.host) {
					s.named = true
				}
			}
		case "match":
			block = active && s.match(line.args)
		case "include":
			for _, included := range line.included {
				included.apply(s, block)
			}
		case "identityfile", "certificatefile":
			if block {
				s.values[line.key] = append(s.values[line.key], line.args...)
			}
		default:
			if _, set := s.values[line.key]; block && !set {
				s.values[line.key] = line.args
			}
		}
	}
}

// match evaluates a Match line. A criterion that needs a command, a second pass or a tag (exec, final, canonical,
// tagged, ...) does not match: what such blocks hold is not about how a node is reached, as a rule.
func (s *settings) match(criteria []string) bool {
	for len(criteria) > 0 {
		criterion := strings.ToLower(criteria[0])
		criteria = criteria[1:]
		if criterion == "all" {
			continue
		}
		negated := strings.HasPrefix(criterion, "!")
		if len(criteria) == 0 {
			return false
		}
		patterns := strings.Split(criteria[0], ",")
		criteria = criteria[1:]
		var value string
		switch strings.TrimPrefix(criterion, "!") {
		case "host":
			value = s.hostName()
		case "originalhost":
			value = s.host
		case "user":
			if value = s.user; value == "" {
				value = s.first("user")
			}
			if value == "" {
				value = s.localUser
			}
		case "localuser":
			value = s.localUser
		default:
			return false
		}
		if matchPatterns(patterns, value) == negated {
			return false
		}
	}
	return true
}

// matchPatterns reports whether one of patterns matches s and none that is negated by a leading ! does.
func matchPatterns(patterns []string, s string) bool {
	matched := false
	for _, p := range patterns {
		if negated, ok := strings.CutPrefix(p, "!"); ok {
			if matchPattern(negated, s) {
				return false
			}
		} else if matchPattern(p, s) {
			matched = true
		}
	}
	return matched
}

// matchPattern matches s with a pattern in which * stands for any text and ? for any one character, regardless of case
// as host names are.
func matchPattern(pattern, s string) bool {
	pattern, s = strings.ToLower(pattern), strings.ToLower(s)
	star, retry := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, retry = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case star >= 0: // let the last * take one character more
			retry++
			p, i = star+1, retry
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// maxIncludeDepth is ssh's own limit (readconf.c, READCONF_MAX_DEPTH).
const maxIncludeDepth = 16

// readConfig reads the ssh_config file name. Relative names in Include lines are looked up in dir.
func readConfig(name, dir, home string, depth int) (configFile, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parseConfig(name, string(data), dir, home, depth)
}

func parseConfig(name, text, dir, home string, depth int) (configFile, error) {
	var f configFile
	number := 0
	for raw := range strings.Lines(text) {
		number++
		key, args, err := splitConfigLine(raw)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		if key == "" {
			continue
		}
		line := configLine{key: key, args: args}
		if key == "include" {
			if depth == maxIncludeDepth {
				return nil, fmt.Errorf("%s:%d: more than %d files include each other", name, number, maxIncludeDepth)
			}
			for _, pattern := range args {
				if pattern = expandHome(expandEnv(pattern), home); !filepath.IsAbs(pattern) {
					pattern = filepath.Join(dir, pattern)
				}
				names, err := filepath.Glob(pattern)
				if err != nil {
					return nil, fmt.Errorf("%s:%d: include %s: %w", name, number, pattern, err)
				}
				for _, n := range names {
					included, err := readConfig(n, dir, home, depth+1)
					if err != nil {
						return nil, err
					}
					line.included = append(line.included, included)
				}
			}
		}
		f = append(f, line)
	}
	return f, nil
}

// splitConfigLine splits a line into its keyword, in lower case, and arguments. Keyword and arguments are separated by
// blanks or one =, arguments may be in quotes, and # begins a comment where an argument would begin.
func splitConfigLine(line string) (key string, args []string, err error) {
	const blanks = " \t\r\n\f"
	line = strings.Trim(line, blanks)
	end := strings.IndexAny(line, blanks+"=")
	if end < 0 {
		end = len(line)
	}
	key, line = strings.ToLower(line[:end]), strings.TrimLeft(line[end:], blanks)
	line = strings.TrimLeft(strings.TrimPrefix(line, "="), blanks)
	if strings.HasPrefix(key, "#") {
		return "", nil, nil
	}
	for line != "" && line[0] != '#' {
		var arg strings.Builder
		var quote byte
		i := 0
		for ; i < len(line) && (quote != 0 || !strings.ContainsRune(blanks, rune(line[i]))); i++ {
			switch c := line[i]; {
			case c == '\\' && i+1 < len(line) && strings.IndexByte(`"'\`, line[i+1]) >= 0:
				i++
				arg.WriteByte(line[i])
			case quote != 0 && c == quote:
				quote = 0
			case quote == 0 && (c == '"' || c == '\''):
				quote = c
			default:
				arg.WriteByte(c)
			}
		}
		if quote != 0 {
			return "", nil, fmt.Errorf("%s: a quote is not closed", key)
		}
		args, line = append(args, arg.String()), strings.TrimLeft(line[i:], blanks)
	}
	return key, args, nil
}

// splitDestination splits [user@]host[:port]; port is 0 if there is none. An IPv6 address needs brackets only before
// a port.
func splitDestination(dest string) (user, host string, port int, err error) {
	if at := strings.LastIndexByte(dest, '@'); at >= 0 {
		user, dest = dest[:at], dest[at+1:]
	}
	host = dest
	if inner, rest, ok := strings.Cut(dest, "]"); ok && strings.HasPrefix(inner, "[") {
		host = inner[1:]
		if text, ok := strings.CutPrefix(rest, ":"); ok {
			port, err = parsePort(text)
		} else if rest != "" {
			err = fmt.Errorf("address %q: %q after the bracket is not a port", dest, rest)
		}
	} else if strings.Count(dest, ":") == 1 {
		var text string
		host, text, _ = strings.Cut(dest, ":")
		port, err = parsePort(text)
	}
	if err == nil && host == "" {
		err = fmt.Errorf("address %q has no host", dest)
	}
	return user, host, port, err
}

func parsePort(text string) (int, error) {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return 0, fmt.Errorf("port %q is not a number from 1 to 65535", text)
	}
	return int(port), nil
}

// expandEnv replaces ${NAME}; a $ without braces is a plain character in ssh_config.
func expandEnv(s string) string {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			out.WriteString(s)
			return out.String()
		}
		out.WriteString(before + os.Getenv(name))
		s = after
	}
}

func expandHome(path, home string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(home, rest)
	}
	return path
}

func withoutNone(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return strings.EqualFold(s, "none") })
}
