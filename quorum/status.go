package quorum

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Status is the cluster as one node's votequorum sees it.
type Status struct {
	Provider string // "corosync_votequorum"; with another one only the fields up to Quorate are set
	Nodes    int    // members of the node's partition
	NodeID   uint32 // the node that was asked
	RingID   string // as printed: "1.4b" (hexadecimal) since 3.0.3, "1/568" before
	// Quorate is what the quorum service says, and votequorum too: when a reload
	// cost quorum, up to 2.4.5 and 3.0.3 the service has not been told.
	Quorate bool

	Blocked  bool // "Activity blocked"
	Expected int  // expected votes
	Highest  int  // highest expected votes of any member
	Total    int  // votes present
	Quorum   int  // votes needed
	Flags    []string
	Members  []Member // in the order printed
	Device   *Device  // nil unless a quorum device is registered on some member
}

// Member is a member of the partition.
type Member struct {
	NodeID  uint32
	Votes   int
	Qdevice string // "A,V,NMW": alive, voting, master wins, each with N for not; "NR": not registered; empty without the column
	Name    string // may be empty, when corosync has no name for the node
}

// Device is the quorum device as the asked node sees it.
type Device struct {
	Name  string
	Votes int
	Casts bool // it gives the asked node its votes
}

const votequorum = "corosync_votequorum"

// notCasting is what follows the device's name when its votes do not count.
var notCasting = regexp.MustCompile(` \(votes (\d+)\)$`)

// ParseStatus reads the standard output of `corosync-quorumtool -s`, with or
// without -i, -p and -H, of 2.4 to 3.1. It fails on anything but a complete answer,
// so also when the tool printed nothing because corosync is down. The tool's
// exit status says different things in different versions and is not needed.
//
// Source: display_quorum_data and display_nodes_data in
// tools/corosync-quorumtool.c.
func ParseStatus(out []byte) (Status, error) {
	s, err := parseStatus(string(out))
	if err != nil {
		return Status{}, fmt.Errorf("parse corosync-quorumtool output: %w", err)
	}
	return s, nil
}

func parseStatus(out string) (Status, error) {
	head, membership, hasMembers := strings.Cut(out, "\nMembership information\n")
	fields, err := statusFields(strings.Clone(head)) // or all of the output would be kept
	if err != nil {
		return Status{}, err
	}

	s := Status{Provider: fields.text("Quorum provider"), RingID: fields.text("Ring ID")}
	s.Nodes = fields.number("Nodes")
	s.NodeID = uint32(fields.number("Node ID"))
	switch q := fields.text("Quorate"); q {
	case "Yes", "No":
		s.Quorate = q == "Yes"
	default:
		fields.fail("Quorate", q)
	}
	if s.Provider != votequorum {
		return s, fields.err
	}

	s.Expected = fields.number("Expected votes")
	s.Highest = fields.number("Highest expected")
	s.Total = fields.number("Total votes")
	var rest string
	fields.values["Quorum"], rest, _ = strings.Cut(fields.text("Quorum"), " ")
	s.Quorum = fields.number("Quorum")
	s.Blocked = rest == "Activity blocked"
	s.Quorate = s.Quorate && !s.Blocked
	s.Flags = strings.Fields(fields.text("Flags"))
	if fields.err != nil {
		return Status{}, fields.err
	}
	if !hasMembers {
		return Status{}, errors.New("no membership information")
	}
	return s, s.addMembers(membership)
}

// addMembers reads the membership table, from the line of dashes on.
func (s *Status) addMembers(table string) error {
	lines := strings.Split(strings.TrimSuffix(table, "\n"), "\n")
	if len(lines) < 2 {
		return errors.New("no membership table")
	}
	columns := strings.Join(strings.Fields(lines[1]), " ")
	if columns != "Nodeid Votes Name" && columns != "Nodeid Votes Qdevice Name" {
		return fmt.Errorf("membership table with columns %q", lines[1])
	}
	s.Members = make([]Member, 0, len(lines)-2)
	for _, line := range lines[2:] {
		if line == "" { // -m separates reports by one
			continue
		}
		if err := s.addRow(line, columns == "Nodeid Votes Qdevice Name"); err != nil {
			return fmt.Errorf("membership row %q: %w", line, err)
		}
	}
	if len(s.Members) != s.Nodes {
		return fmt.Errorf("%d members listed of %d", len(s.Members), s.Nodes)
	}
	return nil
}

// addRow reads one row. All columns but the name are ten wide, aligned right
// and followed by a blank. The name is anything, also nothing.
func (s *Status) addRow(line string, qdevice bool) error {
	rest := line
	cell := func() string {
		if len(rest) < 11 || rest[10] != ' ' {
			rest = ""
			return ""
		}
		c := strings.TrimLeft(rest[:10], " ")
		rest = rest[11:]
		return c
	}
	id, err := strconv.ParseUint(cell(), 0, 32)
	if err != nil {
		return errors.New("no node id")
	}
	votes, err := strconv.ParseUint(cell(), 10, 31)
	if err != nil {
		return errors.New("no votes")
	}
	state := ""
	if qdevice {
		state = cell()
	}
	switch {
	case id == 0:
		s.Device = &Device{Name: rest, Votes: int(votes), Casts: true}
		if m := notCasting.FindStringSubmatch(rest); m != nil {
			s.Device.Name = strings.TrimSuffix(rest, m[0])
			s.Device.Votes, err = strconv.Atoi(m[1])
			s.Device.Casts = false
		}
		return err
	case qdevice && state == "":
		return errors.New("no quorum device state")
	}
	m := Member{NodeID: uint32(id), Votes: int(votes), Qdevice: state, Name: rest}
	if m.NodeID == s.NodeID {
		m.Name = strings.TrimSuffix(m.Name, " (local)")
	}
	// The release after 3.1.10 puts what a quorum device says of the node in
	// brackets after the name.
	m.Name, _, _ = strings.Cut(m.Name, " [")
	s.Members = append(s.Members, m)
	return nil
}

// labels are the `Label: value` lines above the membership table; the first
// thing wrong with them is in err.
type labels struct {
	values map[string]string
	err    error
}

func statusFields(head string) (*labels, error) {
	l := &labels{values: map[string]string{}}
	for line := range strings.Lines(head) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "Unable to ") {
			// Then the figures that follow were never filled in.
			return nil, errors.New(line)
		}
		if label, value, ok := strings.Cut(line, ":"); ok {
			l.values[label] = strings.TrimSpace(value)
		}
	}
	return l, nil
}

func (l *labels) text(label string) string {
	value, ok := l.values[label]
	if !ok && l.err == nil {
		l.err = fmt.Errorf("no %q line", label+":")
	}
	return value
}

func (l *labels) number(label string) int {
	value := l.text(label)
	n, err := strconv.ParseUint(value, 0, 32)
	if err != nil {
		l.fail(label, value)
	}
	return int(n)
}

func (l *labels) fail(label, value string) {
	if l.err == nil {
		l.err = fmt.Errorf("line %q with value %q", label+":", value)
	}
}
