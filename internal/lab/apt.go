package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"
)

// errNoMirror is what Mirror says of a machine that is not Debian.
var errNoMirror = errors.New("this machine's apt sources name no Debian archive (in /etc/apt/sources.list and sources.list.d): " +
	"the lab builds its nodes from the archive that the machine itself uses")

// releases are the names by which sources.list(5) entries of the main archive call a Debian release.
var releases = []string{"oldoldstable", "oldstable", "stable", "testing", "unstable", "sid",
	"buster", "bullseye", "bookworm", "trixie", "forky", "duke"}

// source is one entry of apt's sources, sources.list(5) in apt 2.6: one archive in either of the two formats.
type source struct {
	types, uris, suites, components []string
	signedBy                        string
}

// Mirror is the URI of the Debian archive from which a machine with this root directory installs its packages.
func Mirror(root fs.FS) (string, error) {
	lists, err := fs.Glob(root, "etc/apt/sources.list.d/*.list")
	if err != nil {
		return "", err
	}
	stanzas, err := fs.Glob(root, "etc/apt/sources.list.d/*.sources")
	if err != nil {
		return "", err
	}
	var all []source
	for _, name := range slices.Concat([]string{"etc/apt/sources.list"}, lists, stanzas) {
		data, err := fs.ReadFile(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("read apt sources: %w", err)
		}
		if path.Ext(name) == ".sources" {
			all = append(all, parseStanzas(string(data))...)
		} else {
			all = append(all, parseLines(string(data))...)
		}
	}
	// Other archives call their suites bookworm and main too. What tells Debian's own is its key, and, as many old entries
	// name no key, its customary directory.
	var second string
	for _, s := range all {
		if !s.isRelease() {
			continue
		}
		for _, uri := range s.uris {
			uri := resolve(root, uri)
			u, err := url.Parse(uri)
			if err != nil || !slices.Contains([]string{"http", "https", "file"}, u.Scheme) {
				continue
			}
			if slices.Contains(strings.Split(u.Path, "/"), "debian") {
				return uri, nil
			}
			if second == "" {
				second = uri
			}
		}
	}
	if second == "" {
		return "", errNoMirror
	}
	return second, nil
}

// isRelease reports whether the entry is for binary packages of a Debian release itself, not its updates or an addition.
func (s source) isRelease() bool {
	return slices.Contains(s.types, "deb") && slices.Contains(s.components, "main") &&
		slices.ContainsFunc(s.suites, func(suite string) bool { return slices.Contains(releases, suite) }) &&
		(s.signedBy == "" || strings.Contains(s.signedBy, "debian-archive"))
}

// parseLines reads the one-line format: deb [option=value ...] uri suite component...
func parseLines(text string) []source {
	var all []source
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		s := source{types: []string{kind}}
		if options, after, ok := strings.Cut(strings.TrimSpace(rest), "]"); ok && strings.HasPrefix(options, "[") {
			rest = after
			for _, option := range strings.Fields(options[1:]) {
				if value, ok := strings.CutPrefix(option, "signed-by="); ok {
					s.signedBy = value
				}
			}
		}
		if fields := strings.Fields(rest); len(fields) >= 2 {
			s.uris, s.suites, s.components = fields[:1], fields[1:2], fields[2:]
			all = append(all, s)
		}
	}
	return all
}

// parseStanzas reads the deb822 format: stanzas of fields, an indented line continuing the one before it.
func parseStanzas(text string) []source {
	var all []source
	fields := map[string]string{}
	end := func() {
		if len(fields) > 0 && !strings.EqualFold(strings.TrimSpace(fields["enabled"]), "no") {
			all = append(all, source{
				types: strings.Fields(fields["types"]), uris: strings.Fields(fields["uris"]),
				suites: strings.Fields(fields["suites"]), components: strings.Fields(fields["components"]),
				signedBy: fields["signed-by"],
			})
		}
		fields = map[string]string{}
	}
	key := ""
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			end()
		case line[0] == ' ' || line[0] == '\t':
			fields[key] += line
		default:
			name, value, _ := strings.Cut(line, ":")
			key = strings.ToLower(name)
			fields[key] = value
		}
	}
	end()
	return all
}

// resolve follows mirror+file:PATH, which Debian's cloud images use, to the first archive that the file lists.
func resolve(root fs.FS, uri string) string {
	file, ok := strings.CutPrefix(uri, "mirror+file:")
	if !ok {
		return uri
	}
	data, err := fs.ReadFile(root, strings.TrimLeft(file, "/"))
	if err != nil {
		return uri
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 0 && !strings.HasPrefix(fields[0], "#") {
			return fields[0]
		}
	}
	return uri
}
