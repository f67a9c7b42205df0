package corosyncconf

import (
	"fmt"
	"slices"
	"strings"
)

// Codes of what corosync -t refuses in the logging section, or warns of.
const (
	CodeLogValue  Code = "log-value"
	CodeLogFile   Code = "log-file"
	CodeLogSubsys Code = "log-subsys"
	CodeNoSubsys  Code = "unknown-subsys"
	CodeObsolete  Code = "obsolete"
)

var loggingCodes = []CodeInfo{
	{CodeLogValue, Bad, "a value that corosync does not take for a key of logging"},
	{CodeLogFile, Bad, "a file that corosync cannot log to"},
	{CodeLogSubsys, Bad, "a subsystem whose name is too long, or one more than corosync has room for"},
	{CodeNoSubsys, Warning, "a subsystem that corosync does not have, maybe misspelt"},
	{CodeObsolete, Warning, "a key that still works and has been replaced by another"},
}

// Limits of logging (corosync's logsys.h, libqb's qblog.h).
const (
	maxSubsysName = 63
	maxSubsys     = 32
	maxLogFiles   = 28
)

// subsystems returns those that corosync has before it reads what is said of
// them, as far as they are known.
func (c *checker) subsystems() []string {
	all := []string{"QB", "MAIN", "APIDEF", "CFG", "CMAP", "CPG", "PLOAD", "QUORUM", "SERV", "SYNC", "VOTEQ", "YKD"}
	if c.target.Release > V24 {
		all = append(all, "STATS")
	}
	if here := c.target.Here; here != nil {
		for feature, name := range map[string]string{"monitoring": "MON", "watchdog": "WD"} {
			if slices.Contains(here.Features, feature) {
				all = append(all, name)
			}
		}
	}
	return all
}

// logging does what logconfig.c:corosync_main_config_read_logging does.
func (c *checker) logging() {
	if c.read.unclosed() {
		return
	}
	g := &logs{checker: c, cmap: c.db()}
	for _, key := range []string{"fileline", "function_name", "blackbox"} {
		g.oneOf("logging."+key, onOff)
	}
	stamps := []string{"on", "off", "hires"}
	if c.target.Release == V24 {
		stamps = onOff
	}
	g.oneOf("logging.timestamp", stamps)
	g.destination("logging")

	seen := c.subsystems()
	for path := range g.under("logging.logger_subsys.") {
		name, key, _ := strings.Cut(strings.TrimPrefix(path, "logging.logger_subsys."), ".")
		if name == "" || key != "subsys" {
			continue
		}
		s, _ := g.str(path)
		if len(name) > maxSubsysName {
			c.report(CodeLogSubsys, ByTest, c.line(s.line), fmt.Sprintf("subsystem %q: the name has %d characters, and may have %d", name, len(name), maxSubsysName),
				"use the name of a subsystem of corosync, such as TOTEM or QUORUM")
			continue
		}
		known := append(c.subsystems(), "TOTEM", "KNET", "MON", "WD")
		if meant := likely(name, known); meant != "" && !slices.Contains(known, name) {
			c.report(CodeNoSubsys, Accepted, c.line(s.line), fmt.Sprintf("corosync has no subsystem %s", name), fmt.Sprintf("write %s, if that is meant, or remove the section", meant))
		}
		if !slices.Contains(seen, name) {
			seen = append(seen, name)
			if len(seen) == maxSubsys+1 {
				c.report(CodeLogSubsys, ByTest, c.line(s.line), fmt.Sprintf("subsystem %q is one more than the %d that corosync has room for", name, maxSubsys),
					"remove logger_subsys sections that are not of corosync's own subsystems")
			}
		}
		g.destination("logging.logger_subsys." + name)
	}
}

type logs struct {
	*checker
	*cmap
	files []string // that are open
}

func (g *logs) oneOf(path string, values []string) {
	g.value(path, values, slices.Contains(values, g.text(path)))
}

func (g *logs) text(path string) string {
	s, _ := g.str(path)
	return s.text
}

// value reports a value that is not one of those.
func (g *logs) value(path string, values []string, ok bool) {
	s, set := g.str(path)
	if !set || ok {
		return
	}
	g.report(CodeLogValue, ByTest, g.line(s.line), fmt.Sprintf("%s is %q, and it takes %s", path, s.text, strings.Join(values, ", ")), "give it a value that it takes")
}

// destination checks where corosync, or a subsystem of it, logs to and what.
func (g *logs) destination(path string) {
	for _, key := range []string{"to_stderr", "to_syslog", "to_file", "to_logfile"} {
		g.oneOf(path+"."+key, switches)
	}
	g.value(path+".syslog_facility", facilities, slices.Contains(facilities, g.text(path+".syslog_facility")) ||
		slices.Contains(otherFacilities, g.text(path+".syslog_facility")))
	for _, key := range []string{"syslog_level", "syslog_priority", "logfile_priority"} {
		priority := strings.ToLower(g.text(path + "." + key))
		g.value(path+"."+key, priorities, slices.Contains(priorities, priority) || priority == "error")
	}
	g.oneOf(path+".debug", []string{"on", "off", "trace"})
	for _, key := range []struct{ old, now string }{{"to_file", "to_logfile"}, {"syslog_level", "syslog_priority"}} {
		if s, ok := g.str(path + "." + key.old); ok {
			g.report(CodeObsolete, Accepted, g.line(s.line), fmt.Sprintf("%s has been replaced by %s", key.old, key.now), "write "+key.now)
		}
	}
	g.file(path + ".logfile")
}

// otherFacilities are taken too, and no use to a cluster.
var otherFacilities = []string{"auth", "authpriv", "cron", "ftp", "kern", "lpr", "mail", "news", "syslog", "user", "uucp"}

// file checks the file to log to, which is opened even where nothing is to be
// logged to it.
func (g *logs) file(path string) {
	s, ok := g.str(path)
	if !ok || slices.Contains(g.files, s.text) {
		return
	}
	g.files = append(g.files, s.text)
	why := ""
	switch here := g.target.Here; {
	case s.text == "":
		why = "it has no name"
	case len(g.files) > maxLogFiles:
		why = fmt.Sprintf("it is one more than the %d that corosync opens", maxLogFiles)
	case here != nil && here.AppendTo != nil:
		if err := here.AppendTo(absolute(s.text)); err != nil {
			why = err.Error()
		}
	}
	if why != "" {
		g.report(CodeLogFile, ByTest, g.line(s.line), fmt.Sprintf("corosync cannot log to %q: %s", s.text, why),
			"make the directory on every node, or name another file")
	}
}
