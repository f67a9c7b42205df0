//go:build linux

package lab

import (
	"context"
	"fmt"
	"time"
)

// Clock makes whoever logs in to the node by SSH see a clock that is off by that much; 0 mends it. All nodes share the
// kernel's clock, so that this is done with libfaketime, for the processes of new logins: corosync and the journal keep
// the right time.
func (n *Node) Clock(ctx context.Context, off time.Duration) error {
	script := "rm -f /etc/environment"
	if off != 0 {
		script = fmt.Sprintf(`set -e
lib=$(ls /usr/lib/*/faketime/libfaketime.so.1)
printf '%%s\n' "LD_PRELOAD=$lib" "FAKETIME=%+d" FAKETIME_DONT_FAKE_MONOTONIC=1 >/etc/environment`, int(off.Seconds()))
	}
	_, err := n.Run(ctx, script)
	return err
}
