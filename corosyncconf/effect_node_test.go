//go:build linux && node

package corosyncconf_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"clusterctl/corosyncconf"
	"clusterctl/internal/lab"
	"clusterctl/quorum"
)

// real is a cluster of real nodes whose corosync.conf the test writes.
type real struct {
	*lab.Lab
	t       *testing.T
	version uint64
	notices map[string]int // seen in each node's journal
}

// startReal starts a cluster with the configuration.
func startReal(t *testing.T, suite string, conf func(*lab.Lab) *corosyncconf.File) *real {
	t.Helper()
	r := &real{lab.Start(t, lab.Options{Nodes: 3, Links: 2, Suite: suite}), t, 0, map[string]int{}}
	r.on("n1", "corosync-keygen")
	key, err := r.Node("n1").ReadFile("/etc/corosync/authkey")
	if err != nil {
		t.Fatal(err)
	}
	f := conf(r.Lab)
	for _, n := range r.Nodes() {
		for _, path := range []string{"/etc/corosync/authkey", "/etc/corosync/other"} {
			if err := n.WriteFile(path, key, 0o400); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.write(f)
	for _, n := range r.Nodes() {
		r.on(n.Name(), "systemctl restart corosync")
	}
	r.together()
	return r
}

func (r *real) on(node, script string) string {
	r.t.Helper()
	out, err := r.Node(node).Run(r.t.Context(), script)
	if err != nil {
		r.t.Fatalf("%s: %s: %v", node, script, err)
	}
	return out
}

// write puts the configuration on all nodes under a new version.
func (r *real) write(f *corosyncconf.File) {
	r.t.Helper()
	r.version++
	if err := f.SetConfigVersion(r.version); err != nil {
		r.t.Fatal(err)
	}
	for _, n := range r.Nodes() {
		if err := n.WriteFile("/etc/corosync/corosync.conf", f.Bytes(), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
}

// await waits until what missing names is there on all nodes.
func (r *real) await(missing func(node string) string) {
	r.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for _, n := range r.Nodes() {
		for what := missing(n.Name()); what != ""; what = missing(n.Name()) {
			if time.Now().After(deadline) {
				r.t.Fatalf("%s: %s", n.Name(), what)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// together waits until all nodes are members, quorate and connected.
func (r *real) together() {
	r.t.Helper()
	r.await(func(node string) string {
		s, err := quorum.ParseStatus([]byte(r.on(node, "corosync-quorumtool -s; true")))
		links := r.on(node, "corosync-cfgtool -s")
		if err != nil || !s.Quorate || len(s.Members) != len(r.Nodes()) || strings.Contains(links, "disconnected") {
			return fmt.Sprintf("%+v %v\n%s", s, err, links)
		}
		return ""
	})
}

func (r *real) cmap(node string) quorum.Cmap {
	r.t.Helper()
	c, err := quorum.ParseCmap([]byte(r.on(node, "corosync-cmapctl")))
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// reload has all nodes read the configuration and returns, of each, the keys
// that it said could not be changed, and whether it was refused.
func (r *real) reload(f *corosyncconf.File) (fixed map[string][]string, refused map[string]bool) {
	r.t.Helper()
	r.write(f)
	r.on("n1", "corosync-cfgtool -R 2>&1; true")
	fixed, refused = map[string][]string{}, map[string]bool{}
	r.await(func(node string) string {
		c := r.cmap(node)
		status, _ := c.Uint("config.reload_status")
		busy, _ := c.Uint("config.totemconfig_reload_in_progress")
		running, _ := c.Uint("totem.config_version")
		refused[node] = status != 1
		if busy != 0 || running != r.version && !refused[node] {
			return fmt.Sprintf("runs version %d, not %d", running, r.version)
		}
		return ""
	})
	for _, n := range r.Nodes() {
		journal := strings.Split(r.on(n.Name(), "journalctl --sync; journalctl -q -u corosync -o cat | grep 'cannot be changed at run-time'; true"), "\n")
		for _, line := range journal[r.notices[n.Name()]:] {
			if parts := strings.Split(line, "'"); len(parts) == 3 {
				fixed[n.Name()] = append(fixed[n.Name()], parts[1])
			}
		}
		r.notices[n.Name()] = len(journal) - 1
	}
	return fixed, refused
}

// twoLinks is a configuration of the lab's nodes without anything special.
func twoLinks(l *lab.Lab) *corosyncconf.File {
	var b strings.Builder
	b.WriteString("totem {\n    version: 2\n    cluster_name: real\n    transport: knet\n    interface {\n        linknumber: 1\n    }\n}\nquorum {\n    provider: corosync_votequorum\n}\nnodelist {\n")
	for i, n := range l.Nodes() {
		fmt.Fprintf(&b, "    node {\n        name: %s\n        nodeid: %d\n        ring0_addr: %s\n        ring1_addr: %s\n    }\n", n.Name(), i+1, n.Addr(0), n.Addr(1))
	}
	b.WriteString("}\nlogging {\n    logger_subsys {\n        subsys: QUORUM\n    }\n}\n")
	f, err := corosyncconf.Parse("", []byte(b.String()))
	if err != nil {
		panic(err)
	}
	return f
}

// another is a value for a key that is neither its default nor in conflict with
// those of the other keys.
func another(k corosyncconf.Key, l *lab.Lab) string {
	values := map[string]string{
		"totem.secauth": "on", "totem.keyfile": "/etc/corosync/other", "totem.key": "it is not used", "totem.knet_compression_model": "zlib",
		"totem.token_retransmit": "300", "totem.hold": "200", "totem.consensus": "6000", "totem.knet_mtu": "1300",
		"totem.interface.knet_ping_interval": "300", "totem.interface.knet_ping_timeout": "900",
		"totem.cluster_name": "other", "totem.ip_dscp": "8", "totem.netmtu": "1400", "totem.version": "2",
		"quorum.provider": "", "quorum.expected_votes": "4", "quorum.device.votes": "1", "quorum.device.heuristics.exec_*": "/bin/true",
		"logging.logfile": "/var/log/corosync/all.log", "logging.logger_subsys.logfile": "/var/log/corosync/quorum.log",
		"logging.to_stderr": "no", "uidgid.uid": "root", "uidgid.gid": "root", "system.state_dir": "/var/lib/corosync",
		"totem.interface.bindnetaddr": l.Net(1).Addr().String(), "totem.interface.mcastport": "5500",
	}
	name := k.Section + "." + k.Name
	if v, ok := values[name]; ok {
		return v
	}
	n, err := strconv.Atoi(k.Default)
	switch {
	case k.Type == corosyncconf.Number && err == nil:
		return strconv.Itoa(n + 1)
	case k.Type == corosyncconf.Number:
		return strconv.FormatInt(max(k.Min, 1), 10)
	case k.Type == corosyncconf.Choice:
		return k.Values[slices.IndexFunc(k.Values, func(v string) bool { return v != k.Default })]
	}
	return "x"
}

// with returns the configuration with another value for every key of the table
// that is asked for and that this cluster has a place for.
func with(t *testing.T, f *corosyncconf.File, l *lab.Lab, want func(corosyncconf.Key) bool) *corosyncconf.File {
	t.Helper()
	f = f.Clone()
	for _, k := range corosyncconf.Keys() {
		switch {
		case !want(k) || !k.KnownIn(corosyncconf.V31) || k.Transports != nil && !slices.Contains(k.Transports, "knet"):
			continue
		case slices.Contains([]string{"nozzle", "logging.logging_daemon", "totem.interface.member", "pload"}, k.Section) || strings.HasPrefix(k.Section, "resources"):
			continue
		case slices.Contains([]string{"config_version", "linknumber", "subsys", "ring*_addr", "to_file", "syslog_level"}, k.Name):
			continue
		}
		s := f.Root()
		for name := range strings.SplitSeq(k.Section, ".") {
			if next := s.Section(name); next != nil {
				s = next
			} else {
				s = s.AddSection(name)
			}
		}
		if err := s.Set(strings.ReplaceAll(k.Name, "*", "x"), another(k, l)); err != nil {
			t.Fatalf("%s.%s: %v", k.Section, k.Name, err)
		}
	}
	return f
}

// What the table says a reload does, it does: every such key, all at once, comes
// into cmap on every node and, where corosync shows it, into what it runs by;
// nothing is refused. Taken out again, all is as before.
func TestNodeReload(t *testing.T) {
	for _, suite := range []string{"bookworm", "trixie"} {
		t.Run(suite, func(t *testing.T) {
			r := startReal(t, suite, twoLinks)
			old := twoLinks(r.Lab)
			new := with(t, old, r.Lab, func(k corosyncconf.Key) bool { return k.Effect == corosyncconf.Reload })
			before := r.cmap("n1")
			for _, step := range []struct{ from, to *corosyncconf.File }{{old, new}, {new, old}} {
				changes := corosyncconf.Compare(step.from, step.to, corosyncconf.V31)
				fixed, refused := r.reload(step.to)
				r.together()
				for _, n := range r.names() {
					if fixed[n] != nil || refused[n] {
						t.Fatalf("%s: cannot be changed: %v; refused: %v", n, fixed[n], refused[n])
					}
					c := r.cmap(n)
					if text, bad := c.Str("config.reload_error_message"); bad {
						t.Errorf("%s: %s", n, text)
					}
					seen := 0
					for _, ch := range changes {
						if ch.CmapKey == "" || ch.Path == "totem.config_version" { // that is written only now
							continue
						}
						seen++
						if got := c[ch.CmapKey].Text; got != ch.CmapValue {
							t.Errorf("%s: %s is %q in cmap, not %q", n, ch.CmapKey, got, ch.CmapValue)
						}
						run, shown := c["runtime.config."+ch.CmapKey]
						if want := ch.CmapValue; shown && want != "" && ch.Path != "totem.token" && run.Text != runtimeValue(want) {
							t.Errorf("%s: it runs by %s %q, not %q", n, ch.CmapKey, run.Text, want)
						}
					}
					if step.to == new && seen < 50 {
						t.Errorf("only %d keys were looked at", seen)
					}
					if step.to != old {
						continue
					}
					for key, value := range before {
						// The ping timers follow the token only with the reload after.
						if strings.HasPrefix(key, "runtime.config.") && !strings.Contains(key, "knet_ping") && c[key] != value {
							t.Errorf("%s: %s was %q before, and is %q", n, key, value.Text, c[key].Text)
						}
					}
				}
			}
		})
	}
}

// runtimeValue is how corosync shows what it runs by.
func runtimeValue(v string) string {
	switch v {
	case "yes":
		return "1"
	case "no":
		return "0"
	}
	return v
}

func (r *real) names() []string {
	var names []string
	for _, n := range r.Nodes() {
		names = append(names, n.Name())
	}
	return names
}

// What a reload does not do, the table does not say it does: keys that corosync
// calls unchangeable, options of quorum that it leaves as they are, and
// links whose address or port changes, which it refuses or keeps. Those are
// taken out and added again while the other link carries the cluster.
func TestNodeReloadDoesNotDo(t *testing.T) {
	r := startReal(t, "bookworm", twoLinks)
	old := twoLinks(r.Lab)
	refused := with(t, old, r.Lab, func(k corosyncconf.Key) bool { return k.Effect != corosyncconf.Reload && k.Name != "transport" })
	fixed, _ := r.reload(refused)
	for _, n := range r.names() {
		if len(fixed[n]) < 10 {
			t.Errorf("%s said only of %v that they cannot be changed", n, fixed[n])
		}
		for _, name := range fixed[n] {
			i := strings.LastIndex(name, ".")
			k, known := corosyncconf.LookupKey(name[:i], name[i+1:])
			if !known || k.Effect == corosyncconf.Reload {
				t.Errorf("%s: %s cannot be changed, and the table says %s", n, name, k.Effect)
			}
		}
		s, err := quorum.ParseStatus([]byte(r.on(n, "corosync-quorumtool -s")))
		if err != nil || !slices.Equal(s.Flags, []string{"Quorate"}) {
			t.Errorf("%s: %v %v: an option of quorum took effect", n, s.Flags, err)
		}
		if ports := r.on(n, "ss -Huan"); strings.Contains(ports, ":5500 ") || !strings.Contains(ports, ":5406 ") {
			t.Errorf("%s uses other ports:\n%s", n, ports)
		}
	}
	if fixed, _ := r.reload(old); len(fixed) > 0 {
		t.Errorf("still fixed: %v", fixed)
	}

	moved := old.Clone()
	for _, s := range moved.Root().Section("nodelist").Sections("node") {
		name, _ := s.Get("name")
		r.on(name, fmt.Sprintf("ip addr add %s/24 dev %s", shifted(r.Node(name)), strings.TrimSpace(r.on(name, fmt.Sprintf("ip -o addr show to %s | awk '{print $2}'", r.Node(name).Addr(1))))))
		if err := s.Set("ring1_addr", shifted(r.Node(name))); err != nil {
			t.Fatal(err)
		}
	}
	if err := moved.Root().Section("totem").Section("interface").Set("mcastport", "5500"); err != nil {
		t.Fatal(err)
	}
	if effect := corosyncconf.EffectOf(corosyncconf.Compare(old, moved, corosyncconf.V31)); effect != corosyncconf.LinkReplace {
		t.Errorf("another address and port take %s", effect)
	}
	if _, refused := r.reload(moved); !refused["n1"] || !refused["n2"] || !refused["n3"] {
		t.Errorf("another address was not refused everywhere: %v", refused)
	}
	without := old.Clone()
	for _, s := range without.Root().Section("nodelist").Sections("node") {
		s.Unset("ring1_addr")
	}
	without.Root().Section("totem").RemoveSection(without.Root().Section("totem").Section("interface"))
	for _, f := range []*corosyncconf.File{without, moved} {
		if _, refused := r.reload(f); refused["n1"] || refused["n2"] || refused["n3"] {
			t.Errorf("a step was refused: %v", refused)
		}
	}
	r.await(func(node string) string {
		if ports := r.on(node, "ss -Huan"); !strings.Contains(ports, shifted(r.Node(node))+":5500 ") {
			return ports
		}
		return ""
	})
	r.together()
}

// shifted is another address for a node on its second link.
func shifted(n *lab.Node) string {
	b := n.Addr(1).As4()
	return fmt.Sprintf("%d.%d.%d.%d", b[0], b[1], b[2], b[3]+100)
}
