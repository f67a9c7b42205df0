package cluster

import (
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"clusterctl/corosyncconf"
)

// Signs are what a node shows of trouble, beyond what it is: what doctor reads
// in the same round trip.
type Signs struct {
	Test       []string    // lines in which corosync -t refuses the file; none: it takes it
	Result     string      // how corosync's unit ended, as systemd says: success, exit-code, signal, ...
	Exit       string      // with what: "exit code 8", "signal 9"
	Stopped    bool        // corosync's process is there and stopped, as by SIGSTOP
	Started    time.Time   // when corosync was, by the node's clock; zero: it does not run
	Log        []LogLine   // of corosync's unit since its last start, oldest first
	PVELog     []LogLine   // of pmxcfs's, likewise
	Interfaces []Interface // of the node
	Filter     []Filter    // of its packet filter, what keeps packets away
	KeyMode    string      // octal, of the authkey; "": there is none
	KeyOwner   string
	KeySize    int
	KeyTime    time.Time // when it was changed
	Kept       [][]byte  // earlier contents of corosync.conf, newest first
}

// LogLine is one line of a log.
type LogLine struct {
	At   time.Time
	Text string
}

// String is the line as evidence.
func (l LogLine) String() string { return l.At.UTC().Format("Jan _2 15:04:05 ") + l.Text }

// Interface is a network interface.
type Interface struct {
	Name    string
	Up      bool // set up by the admin
	Carrier bool // a cable is in it
	MTU     int
	Addrs   []netip.Prefix
}

// parseSigns reads the sections of script/doctor.sh; nil when it did not run.
func parseSigns(sec map[string]section) *Signs {
	if _, ok := sec["service"]; !ok {
		return nil
	}
	s := &Signs{Filter: parseFilter(string(sec["filter"].out))}
	test := strings.TrimSpace(string(sec["test"].out))
	if head, status, failed := cutLast(test, "exit status "); failed {
		for line := range strings.Lines(head) {
			if line = plainLog(line); line != "" && !strings.Contains(line, "exiting normally") && !strings.Contains(line, "starting up") &&
				!strings.Contains(line, "built-in features") && !slices.Contains(s.Test, line) {
				s.Test = append(s.Test, line)
			}
		}
		if len(s.Test) == 0 {
			s.Test = []string{"exit status " + status}
		}
	}
	service := map[string]string{}
	for line := range strings.Lines(string(sec["service"].out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		service[key] = value
	}
	s.Result = service["Result"]
	switch service["ExecMainCode"] { // CLD_EXITED, CLD_KILLED and CLD_DUMPED
	case "1":
		s.Exit = "exit code " + service["ExecMainStatus"]
	case "2", "3":
		s.Exit = "signal " + service["ExecMainStatus"]
	}
	for line := range strings.Lines(string(sec["process"].out)) {
		s.Stopped = s.Stopped || strings.HasPrefix(line, "State:\tT")
	}
	age, err := strconv.Atoi(strings.TrimSpace(string(sec["age"].out)))
	if now, cerr := strconv.ParseFloat(strings.TrimSpace(string(sec["clock"].out)), 64); err == nil && cerr == nil {
		s.Started = time.Unix(int64(now)-int64(age), 0)
	}
	s.Log = parseUnitLog(string(sec["log"].out))
	s.PVELog = parseUnitLog(string(sec["pvelog"].out))
	s.Interfaces = parseInterfaces(string(sec["ifaces"].out), string(sec["ifaddrs"].out))
	if f := strings.Fields(string(sec["keystat"].out)); len(f) == 4 {
		s.KeyMode, s.KeyOwner = f[0], f[1]
		s.KeySize, _ = strconv.Atoi(f[2])
		changed, _ := strconv.ParseInt(f[3], 10, 64)
		s.KeyTime = time.Unix(changed, 0)
	}
	for i := range 6 {
		if k, ok := sec[fmt.Sprintf("kept:%d", i)]; ok && k.status == 0 {
			s.Kept = append(s.Kept, slices.Clone(k.out)) // the rest of the answer is let go
		}
	}
	return s
}

// cutLast cuts s at the last sep.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// logHead is what corosync puts in front of a line on standard error: a time,
// and the priority, which counts for us no more than that.
var logHead = regexp.MustCompile(`^(\w{3} +\d+ [\d:.]+ )?(\[\d+\] \S+ \S*)? *(emerg|alert|crit|error|err|warning|notice|info|debug)? *`)

// plainLog is a line of corosync's log without its head, with single blanks.
func plainLog(line string) string {
	line = strings.TrimSpace(line)
	return strings.Join(strings.Fields(strings.TrimPrefix(line, logHead.FindString(line))), " ")
}

// parseUnitLog reads `journalctl -o short-unix -u UNIT`: what came since
// systemd began to start it.
func parseUnitLog(out string) []LogLine {
	var lines []LogLine
	for line := range strings.Lines(out) {
		stamp, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		secs, err := strconv.ParseFloat(stamp, 64)
		_, rest, ok := strings.Cut(rest, " ") // the machine's name
		who, text, said := strings.Cut(rest, ": ")
		if err != nil || !ok || !said {
			continue
		}
		if strings.HasPrefix(who, "systemd[") && strings.HasPrefix(text, "Starting ") {
			lines = nil
		}
		lines = append(lines, LogLine{time.UnixMicro(int64(secs * 1e6)), strings.Join(strings.Fields(text), " ")})
	}
	return lines
}

// parseInterfaces reads `ip -o link show` and `ip -o addr show`.
func parseInterfaces(links, addrs string) []Interface {
	var all []Interface
	for line := range strings.Lines(links) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimSuffix(fields[1], ":"), "@")
		flags := strings.Split(strings.Trim(fields[2], "<>"), ",")
		i := Interface{Name: name, Up: slices.Contains(flags, "UP"), Carrier: slices.Contains(flags, "LOWER_UP")}
		if at := slices.Index(fields, "mtu"); at > 0 && at+1 < len(fields) {
			i.MTU, _ = strconv.Atoi(fields[at+1])
		}
		all = append(all, i)
	}
	for line := range strings.Lines(addrs) {
		fields := strings.Fields(line)
		if len(fields) < 4 {
			continue
		}
		name, _, _ := strings.Cut(fields[1], "@")
		if at := slices.IndexFunc(all, func(i Interface) bool { return i.Name == name }); at >= 0 {
			all[at].Addrs = append(all[at].Addrs, parseAddrs(line)...)
		}
	}
	return all
}

// machine is the node as corosyncconf's checks want it.
func (f *Facts) machine() *corosyncconf.Machine {
	m := &corosyncconf.Machine{
		Version:  [3]int{f.Corosync.Major, f.Corosync.Minor, f.Corosync.Patch},
		Hostname: f.Hostname, Addrs: f.Addrs,
		Lookup: func(name string, family int) ([]netip.Addr, error) {
			var found []netip.Addr
			for _, a := range f.Resolved[name] {
				if family == 0 || (family == 4) == a.Unmap().Is4() {
					found = append(found, a.Unmap())
				}
			}
			if len(found) == 0 {
				return nil, fmt.Errorf("%s does not resolve", name)
			}
			return found, nil
		},
	}
	if f.Signs != nil && f.UID == 0 {
		m.KeySize = func(file string) (int, error) {
			switch {
			case path.Clean(file) != KeyPath:
				return MaxKeySize, nil // not looked at
			case f.Signs.KeyMode == "":
				return 0, fmt.Errorf("%s: no such file or directory", file)
			}
			return f.Signs.KeySize, nil
		}
	}
	return m
}
