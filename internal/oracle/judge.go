package main

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"clusterctl/corosyncconf"
)

// build is a corosync, as its -v describes it.
type build struct {
	Version     [3]int
	Features    []string
	Crypto      []string
	Compression []string
}

func (b build) String() string {
	return fmt.Sprintf("%d.%d.%d", b.Version[0], b.Version[1], b.Version[2])
}

// verdict is who turns a configuration down, and on which line; 0 is none.
type verdict struct {
	By   corosyncconf.Refusal
	Line int
	// Undefined is how corosyncconf says that this corosync uses memory that it
	// has freed: it may do anything from there on.
	Undefined bool `json:",omitempty"`
}

func (v verdict) String() string {
	by := v.By
	if by == corosyncconf.Accepted {
		by = "accept"
	}
	if v.Line == 0 {
		return string(by)
	}
	return fmt.Sprintf("%s %d", by, v.Line)
}

// crash is a verdict of corosync's that it does not mean.
const crash corosyncconf.Refusal = "crash"

// parserError is how corosync begins when its parser refuses a file.
var parserError = regexp.MustCompile(`(?m)^parser error: [^\n]*?\.conf:(\d+): `)

// logged is how corosync begins a line of its log.
var logged = regexp.MustCompile(`^(\w+ \d+ [\d:.]+ )?\w+ +\[\w+ *\]`)

// corosyncVerdict reads what corosync -t printed and returned; -1 is a signal.
// An old one is of 2.4.
func corosyncVerdict(code int, output []byte, old bool) verdict {
	switch {
	case code == 0:
		return verdict{}
	case code < 0:
		return verdict{By: crash}
	}
	if m := parserError.FindSubmatch(output); m != nil {
		line, _ := strconv.Atoi(string(m[1]))
		return verdict{By: corosyncconf.ByParser, Line: line}
	}
	// The parser of 2.4 says less, and is not in the log.
	first, _, _ := strings.Cut(string(output), "\n")
	if strings.HasPrefix(first, "Can't format parser error message") || old && code == 8 && len(output) > 0 && !logged.MatchString(first) {
		return verdict{By: corosyncconf.ByParser}
	}
	return verdict{By: corosyncconf.ByTest}
}

// ours is the verdict of corosyncconf.
func ours(conf []byte, m *corosyncconf.Machine) (verdict, []corosyncconf.Finding) {
	f, _ := corosyncconf.Parse("", conf)
	findings := f.Check(corosyncconf.Target{Release: release(m.Version), Here: m})
	var v verdict
	for _, x := range findings {
		switch x.RefusedBy {
		case corosyncconf.ByParser:
			if line := foundAt(conf, x, m.Version); v.By != corosyncconf.ByParser || line < v.Line {
				v = verdict{corosyncconf.ByParser, line, x.Code == corosyncconf.CodeCrash}
			}
		case corosyncconf.ByTest:
			undefined := x.Code == corosyncconf.CodeCrash
			if v.By == corosyncconf.Accepted {
				v = verdict{By: corosyncconf.ByTest, Undefined: undefined}
			}
			if v.By == corosyncconf.ByTest {
				v.Undefined = v.Undefined && undefined
			}
		}
	}
	return v, findings
}

func release(version [3]int) corosyncconf.Release {
	switch {
	case version[0] < 3:
		return corosyncconf.V24
	case version[1] == 0:
		return corosyncconf.V30
	}
	return corosyncconf.V31
}

// foundAt is the line on which corosync finds what is wrong: of a name in
// logger_subsys and logging_daemon that is the end of the section, and before
// 3.1.10 of a section in it.
func foundAt(conf []byte, x corosyncconf.Finding, version [3]int) int {
	if x.Code != corosyncconf.CodeKeyName {
		return x.Line
	}
	type section struct {
		from int
		path string
	}
	if slices.Compare(version[:], []int{3, 1, 8}) >= 0 {
		conf = bytes.ReplaceAll(conf, []byte{0xA0}, []byte{' '})
	}
	open := []section{{}}
	// The section whose end finds the name: that in logging or, in older
	// versions, one in it.
	inLogging := func() (anywhere, last bool) {
		i := slices.IndexFunc(open, func(s section) bool { return s.path == "logging.logger_subsys" || s.path == "logging.logging_daemon" })
		anywhere = i >= 0 && open[i].from < x.Line
		return anywhere, anywhere && (i == len(open)-1 || slices.Compare(version[:], []int{3, 1, 10}) < 0)
	}
	for i, line := range strings.Split(string(conf), "\n") {
		line = strings.Trim(strings.TrimSuffix(line, "\r"), " \t")
		name, _, opens := strings.Cut(line, "{")
		switch {
		case strings.HasPrefix(line, "#"):
		case opens:
			name = strings.TrimRight(name, " \t:")
			open = append(open, section{i + 1, strings.TrimPrefix(open[len(open)-1].path+"."+name, ".")})
		case strings.Contains(line, ":"):
		case strings.Contains(line, "}") && len(open) > 1:
			if _, last := inLogging(); last && x.Line <= i+1 {
				return i + 1
			}
			open = open[:len(open)-1]
		}
	}
	if anywhere, _ := inLogging(); anywhere {
		return math.MaxInt // it never comes there
	}
	return x.Line
}

// agree reports whether corosyncconf says what corosync says. It may be
// stricter in one thing: it takes no NUL byte, save in an old one, 2.4. And where corosync crashes, or
// its message is too long to name the line, anything that refuses the file
// will do.
func agree(conf []byte, theirs, ours verdict, old bool) bool {
	if nul := bytes.IndexByte(conf, 0); nul >= 0 && !old {
		line := bytes.Count(conf[:nul], []byte("\n")) + 1
		if theirs.By != corosyncconf.ByParser || theirs.Line == 0 || theirs.Line >= line {
			return ours.By == corosyncconf.ByParser && ours.Line <= line
		}
	}
	switch {
	case ours.Undefined:
		return theirs.By != corosyncconf.ByParser || theirs.Line == 0 || theirs.Line >= ours.Line
	case theirs.By == crash:
		return ours.By != corosyncconf.Accepted
	case theirs.By == corosyncconf.ByParser && theirs.Line == 0:
		return ours.By == corosyncconf.ByParser
	}
	return theirs == ours
}

// answered is a question with what a corosync says to it.
type answered struct {
	question
	Version [3]int
	Theirs  verdict
}

// String is the text that parseAnswered reads: who was asked and what it said,
// then the lines of the configuration, quoted.
func (a answered) String() string {
	text := fmt.Sprintf("corosync %s on %s: %s\n", build{Version: a.Version}, a.Hostname, a.Theirs)
	for line := range strings.Lines(string(a.Conf)) {
		text += "\t" + strconv.Quote(line) + "\n"
	}
	return text
}

// parseAnswered reads any number of them.
func parseAnswered(text string) ([]answered, error) {
	var all []answered
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if quoted, ok := strings.CutPrefix(line, "\t"); ok && len(all) > 0 {
			part, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", line, err)
			}
			all[len(all)-1].Conf = append(all[len(all)-1].Conf, part...)
			continue
		}
		var a answered
		var by string
		if n, _ := fmt.Sscanf(line, "corosync %d.%d.%d on %s %s %d", &a.Version[0], &a.Version[1], &a.Version[2], &a.Hostname, &by, &a.Theirs.Line); n < 5 {
			return nil, fmt.Errorf("%q does not say who was asked and what it said", line)
		}
		a.Hostname = strings.TrimSuffix(a.Hostname, ":")
		if a.Theirs.By = corosyncconf.Refusal(by); by == "accept" {
			a.Theirs.By = corosyncconf.Accepted
		}
		all = append(all, a)
	}
	return all, nil
}
