//go:build linux && node

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"clusterctl/internal/cli"
	"clusterctl/internal/lab"
)

// fenceAgent is a fencing device that resets nobody, but writes down whom it
// was to reset.
const fenceAgent = `#!/bin/sh
while IFS='=' read -r key value; do
	case $key in action) action=$value ;; nodename) node=$value ;; esac
done
case $action in
metadata) echo '<resource-agent name="fence_note"><parameters><parameter name="action"><content type="string" default="reboot"/></parameter></parameters>
<actions><action name="on"/><action name="off"/><action name="reboot"/><action name="monitor"/><action name="list"/><action name="metadata"/></actions></resource-agent>' ;;
list) printf '%s,\n' n1 n2 n3 n4 ;;
off | reboot) echo "$node" >>/var/log/fenced ;;
esac
`

// joined checks that pacemaker on exactly these nodes is one cluster, in the
// view of each of them, and that it knows nobody else.
func (s *site) joined(names ...string) {
	s.t.Helper()
	for _, n := range names {
		if online := s.online(n); !slices.Equal(online, names) {
			s.t.Errorf("pacemaker on %s sees %v, want %v:\n%s", n, online, names, s.on(n, "crm_mon -1"))
		}
		known := strings.Fields(s.on(n, "crm_node -l | cut -d' ' -f2 | sort"))
		listed := strings.Fields(s.on(n, `cibadmin -Q -o nodes | grep -o '<node [^>]*uname="[^"]*' | sed 's/.*"//' | sort`))
		stated := strings.Fields(s.on(n, `cibadmin -Q -o status | grep -o '<node_state [^>]*uname="[^"]*' | sed 's/.*uname="//' | sort`))
		if !slices.Equal(known, names) || !slices.Equal(listed, names) || !slices.Equal(stated, names) {
			s.t.Errorf("pacemaker on %s knows %v, lists %v, and has the state of %v; want %v; its log ends:\n%s", n, known, listed, stated, names,
				s.on(n, "tail -n 300 /var/log/pacemaker/pacemaker.log | grep -v cib_process_request"))
		}
	}
}

// online are the nodes that have joined, in the view of pacemaker on one.
func (s *site) online(node string) []string {
	s.t.Helper()
	out, _ := s.Node(node).Run(s.t.Context(), `crm_mon -1 | sed -n 's/.*Online: \[ \(.*\) \].*/\1/p'`)
	return strings.Fields(out)
}

// awaitJoined waits until pacemaker on these nodes is one cluster, which takes
// 20 s when all have just been started.
func (s *site) awaitJoined(names ...string) {
	s.t.Helper()
	s.await("pacemaker on "+strings.Join(names, ", ")+" joins", func() bool { return slices.Equal(s.online(names[0]), names) })
}

// resource is the definition of a resource that does nothing.
func resource(name string) string {
	return fmt.Sprintf(`cibadmin -C -o resources -X '<primitive id="%s" class="ocf" provider="pacemaker" type="Dummy"/>'`, name)
}

// stoppedInOrder checks that pacemaker was stopped before corosync the last time.
func (s *site) stoppedInOrder(node string) {
	s.t.Helper()
	got := s.on(node, `journalctl -q -o cat -u pacemaker -u corosync | grep -oE '^Stopp(ed pacemaker|ing corosync)' | tail -n 2`)
	if got != "Stopped pacemaker\nStopping corosync\n" {
		s.t.Errorf("%s: in the journal the last two are %q", node, got)
	}
}

// Pacemaker goes where corosync goes, on the machines as Debian leaves them:
// each runs it already, by itself.
func TestNodePacemaker(t *testing.T) {
	for _, suite := range atLength(t, "bookworm", "trixie") {
		t.Run(suite, func(t *testing.T) {
			s := newSite(t, lab.Options{Nodes: 4, Links: 1, Suite: suite, Packages: []string{"pacemaker", "pacemaker-cli-utils"}})
			members := []string{"n1", "n2", "n3"}
			s.must(cli.ExitOK, "create", "prod", "n1", "n2", "n3", "--link", s.Net(0).String())
			s.awaitJoined(members...)
			s.joined(members...)
			s.on("n1", "crm_attribute -t crm_config -n stonith-enabled -v false; "+resource("ours"))
			// What was changed most often has its way when nodes meet.
			s.on("n4", `cibadmin -M -X '<cib epoch="500"/>'; `+resource("theirs"))
			resources := func(node string) string {
				return s.on(node, `cibadmin -Q -o resources | grep -o 'id="[^"]*"' | tr '\n' ' '`)
			}

			t.Run("a failed add", func(t *testing.T) {
				s := &site{s.Lab, t, s.home}
				s.on("n4", `mkdir -p /run/systemd/system/pacemaker.service.d && printf '[Service]\nExecStartPre=/bin/grep -q debian /etc/corosync/corosync.conf\n' \
>/run/systemd/system/pacemaker.service.d/test.conf && systemctl daemon-reload`)
				state := func() string {
					return s.on("n4", `systemctl is-active pacemaker; systemctl is-enabled pacemaker; ls -d /var/lib/pacemaker/cib*`) + s.state()["n4"]
				}
				before := state()
				r := s.must(cli.ExitFailed, "add", "n4")
				if !strings.Contains(r.err, "systemctl start pacemaker failed") {
					t.Error(r)
				}
				s.joined(members...)
				s.await("pacemaker answers on n4", func() bool { _, err := s.Node("n4").Run(t.Context(), "cibadmin -Q"); return err == nil })
				if after := state(); after != before || resources("n4") != `id="theirs" ` {
					t.Errorf("n4 is not as before: resources %s and\n%s\nwas:\n%s", resources("n4"), after, before)
				}
				s.on("n4", "rm /run/systemd/system/pacemaker.service.d/test.conf && systemctl daemon-reload")
			})
			t.Run("add", func(t *testing.T) {
				s := &site{s.Lab, t, s.home}
				s.must(cli.ExitOK, "add", "n4")
				s.joined("n1", "n2", "n3", "n4")
				if got := resources("n4"); got != `id="ours" ` || resources("n1") != got {
					t.Errorf("resources on n4: %s, on n1: %s", got, resources("n1"))
				}
				if got := s.on("n4", "systemctl is-enabled pacemaker; cat /var/lib/pacemaker/cib.bak/cib.xml"); !strings.HasPrefix(got, "enabled\n") || !strings.Contains(got, "theirs") {
					t.Errorf("what n4 had is not kept, or pacemaker not enabled:\n%s", got)
				}
			})
			t.Run("stop and start", func(t *testing.T) {
				s := &site{s.Lab, t, s.home}
				s.must(cli.ExitOK, "stop", "n4")
				s.stoppedInOrder("n4")
				s.await("the others know that n4 left in order", func() bool { return strings.Contains(s.on("n1", "crm_mon -1"), "OFFLINE: [ n4 ]") })
				s.must(cli.ExitOK, "start", "n4")
				s.awaitJoined("n1", "n2", "n3", "n4")
				s.must(cli.ExitOK, "restart", "n4")
				s.stoppedInOrder("n4")
				s.awaitJoined("n1", "n2", "n3", "n4")
			})
			t.Run("delnode, and back with another id", func(t *testing.T) {
				s := &site{s.Lab, t, s.home}
				s.must(cli.ExitOK, "delnode", "--keep-key", "n4")
				s.stoppedInOrder("n4")
				s.joined(members...)
				if got := s.on("n4", "systemctl is-active pacemaker; systemctl is-enabled pacemaker; true"); got != "inactive\ndisabled\n" {
					t.Errorf("pacemaker on n4: %q", got)
				}
				s.must(cli.ExitOK, "add", "n4")
				s.joined("n1", "n2", "n3", "n4")
				if got := resources("n1"); got != `id="ours" ` {
					t.Errorf("resources: %s", got)
				}
			})
			t.Run("fencing", func(t *testing.T) {
				s := &site{s.Lab, t, s.home}
				s.fencing()
			})
		})
	}
}

// fencing checks that a node is not stopped while pacemaker could fence it, and
// not fenced when what the message says was done first.
func (s *site) fencing() {
	s.t.Helper()
	for _, n := range s.Nodes() {
		if err := n.WriteFile("/usr/sbin/fence_note", []byte(fenceAgent), 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
	fenced := func() string {
		all := ""
		for _, n := range s.Nodes() {
			data, err := n.ReadFile("/var/log/fenced")
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				s.t.Fatal(err)
			}
			all += string(data)
		}
		return all
	}
	refused := func(message string, args ...string) {
		s.t.Helper()
		r := s.must(cli.ExitFailed, append(args, "-o", "json")...)
		if !strings.Contains(r.err, `"code":"fence","node":"n4","message":"`+message) || !strings.Contains(r.err, "systemctl stop pacemaker") {
			s.t.Error(r)
		}
	}
	s.on("n1", `cibadmin -C -o resources -X '<primitive id="device" class="stonith" type="fence_note"/>'; crm_attribute -t crm_config -n stonith-enabled -D`)
	s.await("the device is there", func() bool { return strings.Contains(s.on("n1", "crm_mon -1"), "(stonith:fence_note):	 Started") })
	for _, args := range [][]string{{"delnode", "n4"}, {"stop", "n4"}, {"restart", "n4"}, {"stop", "--all", "--yes"}} {
		refused("pacemaker runs there with fencing enabled", args...)
	}
	s.on("n4", "crm_standby -v on")
	refused("pacemaker runs there with fencing enabled", "stop", "n4")
	s.on("n4", "crm_standby -D; pkill -STOP pacemaker-based")
	refused("pacemaker runs there and does not say whether fencing is enabled", "delnode", "n4")
	s.on("n4", "pkill -CONT pacemaker-based")

	s.on("n1", "crm_attribute -t crm_config -n maintenance-mode -v true")
	if r := s.must(cli.ExitOK, "stop", "n4"); !strings.Contains(r.err, "pacemaker is in maintenance mode") {
		s.t.Error(r)
	}
	s.must(cli.ExitOK, "start", "n4")
	s.awaitJoined("n1", "n2", "n3", "n4")
	s.on("n1", "crm_attribute -t crm_config -n maintenance-mode -v false")

	s.on("n4", "systemctl stop pacemaker")
	s.must(cli.ExitOK, "delnode", "n4")
	s.joined("n1", "n2", "n3")
	if got := fenced(); got != "" {
		s.t.Errorf("fenced: %q", got)
	}
	if err := s.Node("n3").Kill(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.await("n3 is fenced, or all this has shown nothing", func() bool { return strings.Contains(fenced(), "n3") })
}
