//go:build linux && node

package corosyncconf_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"clusterctl/internal/lab"
)

// TestCorosyncRefusesToStart holds the table to the corosync of each Debian:
// -t accepts every file, and a start exits where there are findings.
func TestCorosyncRefusesToStart(t *testing.T) {
	for _, suite := range []string{"bookworm", "trixie"} {
		t.Run(suite, func(t *testing.T) {
			n := lab.Start(t, lab.Options{Suite: suite, Nodes: 1, Links: 1}).Node("n1")
			if _, err := n.Run(t.Context(), "systemctl stop corosync && head -c 256 /dev/urandom > /etc/corosync/authkey"); err != nil {
				t.Fatal(err)
			}
			for name, tt := range starts {
				t.Run(name, func(t *testing.T) {
					if err := n.WriteFile(startConf, []byte(tt.text()), 0o644); err != nil {
						t.Fatal(err)
					}
					if _, err := n.Run(t.Context(), "rm -f /dev/shm/qb-* && corosync -t -c "+startConf); err != nil {
						t.Fatalf("corosync -t refuses it: %v", err)
					}
					started, log := start(t, n)
					if started != (len(tt.want) == 0) {
						t.Errorf("corosync started: %t, findings: %q\n%s", started, tt.want, log)
					}
				})
			}
		})
	}
}

const startConf = "/etc/corosync/start.conf"

// start reports whether corosync comes up, ends it, and returns what it logged.
func start(t *testing.T, n *lab.Node) (started bool, log string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := n.Command(ctx, "corosync", "-f", "-c", startConf)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for lines := bufio.NewScanner(io.TeeReader(stderr, &b)); lines.Scan(); {
		if strings.Contains(lines.Text(), "ready to provide service") {
			started = true
			cancel()
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !started && !errors.As(err, &exit) {
		t.Fatalf("corosync ended with %v before it was up:\n%s", err, &b)
	}
	return started, b.String()
}
