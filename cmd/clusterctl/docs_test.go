package main

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
)

var update = flag.Bool("update", false, "write the generated pages anew")

// codesPage is docs/codes.md: what scripts may rely on.
func codesPage() string {
	var b strings.Builder
	b.WriteString(`# Codes

Generated from the code by ` + "`make docs`" + `; a test fails when it is out of date.

## Exit codes

| code | meaning |
|---|---|
| 0 | done, or healthy |
| 1 | failed; nothing changed, or all of it undone (config_version aside); conf get: the key is not set |
| 3 | the answer is bad news: status and doctor found problems, check an unfit network or node, conf check errors, conf diff a difference |
| 4 | nothing could be done for want of a node: unreachable, not authenticated, host key not verified |
| 5 | stopped midway and not undone: ` + "`clusterctl op list`" + ` says what is open |
| 64 | usage |
| 130 | interrupted; state as the message says |

When several apply: 64, then 4, then 1; 5 beats 130. 2 is never used.

## Codes of problems

They stand in the JSON of status, of check and of errors. A check finds those of refusals too, and exits with 3. Codes are only ever added.
`)
	for _, group := range []struct {
		class cluster.Class
		title string
	}{
		{cluster.Usage, "The request itself is wrong: exit code 64"},
		{cluster.Unreachable, "A node cannot be reached: exit code 4"},
		{cluster.Refused, "It cannot be done as things are: exit code 1"},
		{cluster.Finding, "What status and check find: exit code 3"},
	} {
		fmt.Fprintf(&b, "\n### %s\n\n| code | meaning |\n|---|---|\n", group.title)
		for _, i := range cluster.CodeTable() {
			if i.Class == group.class {
				fmt.Fprintf(&b, "| `%s` | %s |\n", i.Code, i.Meaning)
			}
		}
	}
	b.WriteString(`
## Codes of findings

They stand in the JSON of ` + "`conf check`" + `. A file is refused, by the parser, by ` + "`corosync -t`" + ` or by a start, or else
it works and is an error or a warning as listed here: an error is what costs a cluster its quorum or a node, a warning
what may hurt later. ` + "`refused_by`" + ` says which; what is refused is always an error.

| code | severity | meaning |
|---|---|---|
`)
	for _, i := range corosyncconf.CodeTable() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", i.Code, i.Severity, i.Meaning)
	}
	return b.String()
}

// sections says what the sections of corosync.conf are about, in the page's order.
var sections = []struct{ path, about string }{
	{"totem", "The protocol that keeps the nodes together."},
	{"totem.interface", "A link, or ring, of all nodes. There is a section for each that is not as it is by default; in paths it goes by its number: `totem.interface[1].mcastport`."},
	{"totem.interface.member", "A node, where there is no nodelist."},
	{"nodelist.node", "A node. In paths it goes by its name or id: `nodelist.node[n2].ring0_addr`."},
	{"quorum", "Who may go on when the cluster falls apart; see votequorum(5)."},
	{"quorum.device", "A quorum device: votes from outside of the cluster; see corosync-qdevice(8)."},
	{"quorum.device.net", "Where corosync-qnetd is, and how it decides."},
	{"quorum.device.heuristics", "Commands that say how well a node is."},
	{"logging", "What corosync says, and where."},
	{"logging.logger_subsys", "What a part of corosync says. In paths it goes by its name: `logging.logger_subsys[QUORUM].debug`. Where no default stands, the section logging counts."},
	{"logging.logging_daemon", "The same for a daemon beside corosync, or, with the name corosync, an old way to write the two above."},
	{"system", "How corosync runs on the machine."},
	{"qb", "The same in 2.4."},
	{"resources", "The watchdog."},
	{"resources.system.load_15min", "The machine's load, for the watchdog."},
	{"resources.system.memory_used", "The machine's memory, for the watchdog."},
	{"resources.process.memory_used", "corosync's memory, for the watchdog."},
	{"nozzle", "A network interface that goes over the links; from 3.0.2."},
	{"pload", "A load test."},
	{"uidgid", "Who besides root may talk to corosync. There may be many of these."},
}

// keysPage is docs/corosync.conf.md: every key that there is.
func keysPage() string {
	var b strings.Builder
	b.WriteString(`# corosync.conf

Every key of corosync.conf in corosync 2.4, 3.0 and 3.1. Generated from the code by ` + "`make docs`" + `; a test fails
when it is out of date. What a page like this cannot say stands in corosync.conf(5).

## What it takes for a change to come into effect

In the order of what it costs; a later one includes those before it.

| effect | means |
|---|---|
`)
	for _, e := range []struct {
		effect corosyncconf.Effect
		means  string
	}{
		{corosyncconf.Reload, "the file is put on all nodes, and one reload has each of them read it"},
		{corosyncconf.DeviceRestart, "a reload, then corosync-qdevice is restarted on each node"},
		{corosyncconf.LinkReplace, "a reload takes the link out and a second one adds it again, while another link carries the cluster. Where there is no other link, and always with udp, udpu and in 2.4, all nodes are stopped instead"},
		{corosyncconf.RollingRestart, "corosync is restarted on one node after the other"},
		{corosyncconf.FullRestart, "corosync is stopped on all nodes before it is started on any"},
	} {
		fmt.Fprintf(&b, "| %s | %s |\n", e.effect, e.means)
	}
	b.WriteString(`
It also depends on what else the files say:

- With knet a link comes to all nodes, or goes from all, by a reload, if each node has a name and another link stays as
  it is; all of its keys come and go with it. With udp, udpu and in 2.4 all nodes are stopped for it.
- Nodes are added by a reload, and taken out by one after corosync was stopped on them.
- Names of nodes that have none yet take a reload.
- A logfile that is taken out is written on until a restart.
- Taking out version, threads, ip_version, ip_dscp, netmtu, transport, cluster_name or provider takes a restart even where
  the value stays the same: after a reload corosync would not know it any more, nor take it back.
- The links' ping timers, where they are made from the token, follow a changed token only with a second reload, which clusterctl
  conf asks for by itself.
- A key that corosync does not have does nothing.
`)
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| key | value | default | where | effect of a change | |\n|---|---|---|---|---|---|\n", s.path, s.about)
		for _, k := range corosyncconf.Keys() {
			if k.Section == s.path {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", k.Name, keyValue(k), byRelease(k, corosyncconf.Key.DefaultIn), keyWhere(k),
					byRelease(k, func(k corosyncconf.Key, r corosyncconf.Release) string { return k.EffectIn(r).String() }), k.Help)
			}
		}
	}
	return b.String()
}

// keyValue says what a key can be set to.
func keyValue(k corosyncconf.Key) string {
	unit := ""
	if k.Unit != "" {
		unit = ", " + k.Unit
	}
	switch {
	case k.Type == corosyncconf.Choice:
		return byRelease(k, func(k corosyncconf.Key, r corosyncconf.Release) string { return strings.Join(k.ValuesIn(r), ", ") })
	case k.Type != corosyncconf.Number:
		return string(k.Type)
	case k.Min == k.Max:
		return fmt.Sprint(k.Min)
	case k.Max < math.MaxInt32:
		return fmt.Sprintf("%d to %d%s", k.Min, k.Max, unit)
	case k.Min > 0:
		return fmt.Sprintf("%d and up%s", k.Min, unit)
	}
	return "number" + unit
}

// keyWhere says which releases have a key, and which transports it matters to.
func keyWhere(k corosyncconf.Key) string {
	var parts []string
	switch {
	case k.Until == corosyncconf.V24:
		parts = append(parts, "2.4 only")
	case k.From != nil:
		var versions []string
		for _, v := range k.From {
			versions = append(versions, fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]))
		}
		parts = append(parts, "from "+strings.Join(versions, " and "))
	case k.Since != 0:
		parts = append(parts, "from "+k.Since.String())
	}
	return strings.Join(append(parts, k.Transports...), ", ")
}

// byRelease says what holds now, and what held in older releases if that was
// something else.
func byRelease(k corosyncconf.Key, of func(corosyncconf.Key, corosyncconf.Release) string) string {
	text, last := "", ""
	for _, r := range slices.Backward(corosyncconf.Releases()) {
		switch now := of(k, r); {
		case !k.KnownIn(r) || now == last:
			continue
		case text == "":
			text, last = now, now
		case r == corosyncconf.V24:
			text, last = text+"; 2.4: "+now, now
		default:
			text, last = text+"; up to "+r.String()+": "+now, now
		}
	}
	return text
}

func TestGeneratedDocs(t *testing.T) {
	for name, page := range map[string]func() string{"codes.md": codesPage, "corosync.conf.md": keysPage} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("..", "..", "docs", name)
			want := page()
			if *update {
				if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("docs/%s is out of date; run `make docs` (-want +got):\n%s", name, diff)
			}
		})
	}
}

func TestEveryKeyIsInThePage(t *testing.T) {
	for _, k := range corosyncconf.Keys() {
		if !slices.ContainsFunc(sections, func(s struct{ path, about string }) bool { return s.path == k.Section }) {
			t.Errorf("the page has no section %s", k.Section)
		}
		if k.Help == "" || strings.ContainsAny(k.Help, "|\n") || k.Effect == corosyncconf.NoEffect {
			t.Errorf("%s.%s: %q, %s", k.Section, k.Name, k.Help, k.Effect)
		}
	}
}

func TestEveryCodeIsExplainedOnce(t *testing.T) {
	meanings := map[string][]string{}
	for _, i := range cluster.CodeTable() {
		meanings[string(i.Code)] = append(meanings[string(i.Code)], i.Meaning)
	}
	explained(t, filepath.Join("..", "..", "cluster", "codes.go"), meanings)

	meanings = map[string][]string{}
	for _, i := range corosyncconf.CodeTable() {
		meanings[string(i.Code)] = append(meanings[string(i.Code)], i.Meaning)
	}
	explained(t, filepath.Join("..", "..", "corosyncconf", "*.go"), meanings)
}

// explained checks that each code that the files name has one meaning.
func explained(t *testing.T, files string, meanings map[string][]string) {
	t.Helper()
	paths, err := filepath.Glob(files)
	if err != nil {
		t.Fatal(err)
	}
	consts := 0
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(source)) {
			if _, value, ok := strings.Cut(line, " Code = \""); ok {
				code := strings.TrimSuffix(strings.TrimSpace(value), `"`)
				consts++
				if m := meanings[code]; len(m) != 1 || m[0] == "" {
					t.Errorf("code %s has the meanings %q", code, m)
				}
			}
		}
	}
	if consts != len(meanings) {
		t.Errorf("%s: %d constants, %d rows", files, consts, len(meanings))
	}
}
