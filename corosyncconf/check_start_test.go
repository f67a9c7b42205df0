package corosyncconf_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"clusterctl/corosyncconf"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// cluster is a file to check: three nodes with nothing wrong, and what a test
// changes about that. "; " stands for the end of a line.
type cluster struct {
	release             corosyncconf.Release // 0 is 3.1
	totem, quorum, rest string               // more lines
	nodes               []string             // the lines of each
	without             string               // what lines begin with that are left out
}

func (c cluster) text() string {
	if c.nodes == nil {
		c.nodes = nodes(3)
	}
	var b strings.Builder
	section := func(name string, lines ...string) {
		fmt.Fprintf(&b, "%s {\n", name)
		for l := range strings.SplitSeq(strings.Join(lines, "; "), "; ") {
			if l != "" && (c.without == "" || !strings.HasPrefix(l, c.without)) {
				fmt.Fprintf(&b, "\t%s\n", l)
			}
		}
		fmt.Fprintln(&b, "}")
	}
	section("totem", "version: 2; cluster_name: c; config_version: 1; secauth: on", c.totem)
	fmt.Fprintln(&b, "nodelist {")
	for _, n := range c.nodes {
		section("node", n)
	}
	fmt.Fprintln(&b, "}")
	section("quorum", "provider: corosync_votequorum", c.quorum)
	return b.String() + strings.ReplaceAll(c.rest, "; ", "\n") + "\n"
}

// node returns the lines of node n1, n2 and so on, and more of them. Its
// address is that of the node in a lab.
func node(i int, more ...string) string {
	return strings.Join(append([]string{fmt.Sprintf("name: n%d; nodeid: %d; ring0_addr: 10.99.10.%d", i, i, 10+i)}, more...), "; ")
}

func nodes(count int) []string {
	var all []string
	for i := range count {
		all = append(all, node(i+1))
	}
	return all
}

// votes returns nodes with these votes.
func votes(each ...int) []string {
	var all []string
	for i, v := range each {
		all = append(all, node(i+1, fmt.Sprint("quorum_votes: ", v)))
	}
	return all
}

// findings returns the findings as "code severity refused_by: text of the
// line", and checks that they point at the value of the line.
func (c cluster) findings(t *testing.T) []string {
	t.Helper()
	if c.release == 0 {
		c.release = corosyncconf.V31
	}
	text := c.text()
	f, _ := corosyncconf.Parse("", []byte(text))
	lines := append([]string{"the file"}, strings.Split(text, "\n")...)
	var all []string
	for _, x := range f.Check(corosyncconf.Target{Release: c.release}) {
		line := lines[x.Line]
		col := len(line) - len(strings.TrimLeft(line, "\t")) + 1
		if key, value, ok := strings.Cut(line, ": "); ok && value != "" {
			col = len(key) + len(": ") + 1
		}
		if x.Line > 0 && x.Col != col {
			t.Errorf("%s: column %d of %q, want %d", x.Code, x.Col, line, col)
		}
		if x.Message == "" || x.Remedy == "" || strings.ContainsAny(x.Message+x.Remedy, "\n\r") {
			t.Errorf("%s: message %q and remedy %q must be one line each", x.Code, x.Message, x.Remedy)
		}
		all = append(all, fmt.Sprintf("%s: %s", strings.TrimSpace(fmt.Sprint(x.Code, " ", x.Severity, " ", x.RefusedBy)), strings.TrimSpace(line)))
	}
	return all
}

func device(lines string) string {
	return "device {; model: net; net {; host: 10.99.10.9; }; " + lines + "; }"
}

// starts are files that corosync -t lets pass. A start refuses those that have
// findings. The table is held to corosync itself in start_node_test.go.
var starts = map[string]struct {
	cluster
	want []string
}{
	"three nodes":           {cluster{}, nil},
	"one node":              {cluster{nodes: nodes(1)}, nil},
	"two nodes":             {cluster{nodes: nodes(2), quorum: "two_node: 1"}, nil},
	"a device":              {cluster{nodes: nodes(2), quorum: device("votes: 1")}, nil},
	"a device with its sum": {cluster{quorum: device("votes: 2") + "; expected_votes: 5"}, nil},

	"no such provider":    {cluster{without: "provider: corosync_v", quorum: "provider: votequorum"}, []string{"provider error start: provider: votequorum"}},
	"an empty provider":   {cluster{without: "provider: corosync_v", quorum: "provider:"}, []string{"provider error start: provider:"}},
	"the older provider":  {cluster{without: "provider: corosync_v", quorum: "provider: corosync_ykd; two_node: 1; " + device("votes: 1")}, nil},
	"no provider":         {cluster{without: "provider", quorum: "two_node: 1; " + device("votes: 1")}, nil},
	"no votes":            {cluster{nodes: votes(0, 0)}, nil},
	"no node knows votes": {cluster{quorum: "expected_votes: 0"}, nil},

	"two_node and a device": {cluster{nodes: nodes(2), quorum: "two_node: 1; " + device("votes: 1")},
		[]string{"device-conflict error start: two_node: 1"}},
	"two_node and a device of another model": {cluster{nodes: nodes(2), quorum: "two_node: 1; device {; model: disk; votes: 1; }"},
		[]string{"device-conflict error start: two_node: 1"}},
	"two_node and a device without a model": {cluster{nodes: nodes(2), quorum: "two_node: 1; device {; votes: 1; }"}, nil},
	"last_man_standing and a device": {cluster{quorum: "last_man_standing: 1; " + device("votes: 1")},
		[]string{"device-conflict error start: last_man_standing: 1"}},
	"no last_man_standing and a device": {cluster{nodes: nodes(2), quorum: "last_man_standing: 0; " + device("votes: 1")}, nil},
	"auto_tie_breaker and a device": {cluster{nodes: nodes(2), quorum: "auto_tie_breaker: 1; " + device("votes: 1")},
		[]string{"device-conflict error start: auto_tie_breaker: 1"}},
	"auto_tie_breaker that odd votes switch off and a device": {cluster{quorum: "auto_tie_breaker: 1; " + device("votes: 1")}, nil},
	"auto_tie_breaker that its node switches off and a device": {cluster{nodes: nodes(2), quorum: "auto_tie_breaker: 1; auto_tie_breaker_node:; " + device("votes: 1")},
		nil},
	"allow_downscale and a device": {cluster{nodes: nodes(2), quorum: "allow_downscale: 1; " + device("votes: 1")},
		[]string{"device-conflict error start: allow_downscale: 1"}},
	"everything and a device": {cluster{nodes: nodes(2), quorum: "two_node: 1; last_man_standing: 1; allow_downscale: 1; " + device("votes: 1")},
		[]string{"device-conflict error start: two_node: 1", "device-conflict error start: last_man_standing: 1", "device-conflict error start: allow_downscale: 1"}},

	"expected_votes and no votes of the device": {cluster{nodes: nodes(2), quorum: "expected_votes: 3; " + device("")},
		[]string{"device-votes error start: device {"}},
	"uneven votes and none of the device":         {cluster{nodes: votes(1, 2), quorum: device("")}, []string{"device-votes error start: device {"}},
	"votes of two that make two":                  {cluster{nodes: votes(0, 2), quorum: device("")}, nil},
	"uneven votes and one of the device":          {cluster{nodes: votes(1, 2), quorum: device("votes: 1")}, nil},
	"one vote left for the nodes":                 {cluster{nodes: nodes(2), quorum: "expected_votes: 2; " + device("votes: 1")}, []string{"device-votes error start: votes: 1"}},
	"two votes left for the nodes":                {cluster{nodes: nodes(2), quorum: "expected_votes: 3; " + device("votes: 1")}, nil},
	"a device without a vote":                     {cluster{nodes: nodes(2), quorum: "expected_votes: 1; " + device("votes: 0")}, nil},
	"a number that is -1":                         {cluster{nodes: nodes(2), quorum: "expected_votes: 3; " + device("votes: 4294967295")}, []string{"device-votes error start: votes: 4294967295"}},
	"more votes than are expected, which wraps":   {cluster{nodes: nodes(2), quorum: "expected_votes: 5; " + device("votes: 4294967294")}, nil},
	"auto_tie_breaker on odd votes":               {cluster{quorum: "auto_tie_breaker: 1"}, nil},
	"auto_tie_breaker and last_man_standing, odd": {cluster{quorum: "auto_tie_breaker: 1; last_man_standing: 1"}, []string{"tie-breaker-odd error start: auto_tie_breaker: 1"}},
	"auto_tie_breaker and last_man_standing, odd by votes": {cluster{nodes: votes(1, 2), quorum: "auto_tie_breaker: 1; last_man_standing: 1"},
		[]string{"tie-breaker-odd error start: auto_tie_breaker: 1"}},
	"auto_tie_breaker and last_man_standing, odd, expected even": {cluster{quorum: "auto_tie_breaker: 1; last_man_standing: 1; expected_votes: 4"},
		[]string{"tie-breaker-odd error start: auto_tie_breaker: 1"}},
	"auto_tie_breaker and last_man_standing, even": {cluster{nodes: nodes(4), quorum: "auto_tie_breaker: 1; last_man_standing: 1"}, nil},
	"with wait_for_all":                            {cluster{quorum: "auto_tie_breaker: 1; last_man_standing: 1; wait_for_all: 1"}, nil},
	"with wait_for_all's origin":                   {cluster{quorum: "auto_tie_breaker: 1; last_man_standing: 1; two_node: 1"}, nil},
	"a list of nodes": {cluster{quorum: "auto_tie_breaker: 1; last_man_standing: 1; auto_tie_breaker_node: 2 3"},
		[]string{"tie-breaker-odd error start: auto_tie_breaker: 1"}},
	"a word":       {cluster{quorum: "auto_tie_breaker: 1; last_man_standing: 1; auto_tie_breaker_node: first"}, nil},
	"a list of 0":  {cluster{quorum: "auto_tie_breaker: 1; last_man_standing: 1; auto_tie_breaker_node: 0 2"}, nil},
	"a word ahead": {cluster{quorum: "auto_tie_breaker: 1; last_man_standing: 1; auto_tie_breaker_node: n1 2"}, nil},

	"a priority that is a word":       {cluster{rest: "system {; priority: high; }"}, []string{"priority error start: priority: high"}},
	"a priority that is too high":     {cluster{rest: "system {; priority: 2147483648; }"}, []string{"priority error start: priority: 2147483648"}},
	"a priority":                      {cluster{rest: "system {; priority: -5; }"}, nil},
	"the least priority":              {cluster{rest: "system {; priority: min; }"}, nil},
	"no room in a packet":             {cluster{totem: "netmtu: 90"}, []string{"netmtu error start: netmtu: 90"}},
	"room in a packet":                {cluster{totem: "netmtu: 91"}, nil},
	"the default packet":              {cluster{totem: "netmtu: 0"}, nil},
	"a window that is too large":      {cluster{totem: "window_size: 16368"}, []string{"window error start: window_size: 16368"}},
	"a window that is just too large": {cluster{totem: "window_size: 8193; max_messages: 8192"}, []string{"window error start: window_size: 8193"}},
	"a large window":                  {cluster{totem: "window_size: 16367"}, nil},
}

func TestWhatAStartRefuses(t *testing.T) {
	for name, tt := range starts {
		t.Run(name, func(t *testing.T) {
			got := slices.DeleteFunc(tt.findings(t), func(f string) bool { return !strings.Contains(f, " start: ") })
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCorosync24NeedsVotes(t *testing.T) {
	for quorum, want := range map[string]string{"": "no-votes error start: quorum {", "expected_votes: 3": ""} {
		c := cluster{release: corosyncconf.V24, nodes: []string{}, quorum: quorum}
		if got := strings.Join(slices.DeleteFunc(c.findings(t), func(f string) bool { return !strings.Contains(f, " start: ") }), "\n"); got != want {
			t.Errorf("%q: %s, want %s", quorum, got, want)
		}
	}
}
