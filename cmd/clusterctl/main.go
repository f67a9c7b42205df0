// Clusterctl creates, grows, shrinks and shows Corosync clusters over SSH.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"

	"clusterctl/internal/cli"
)

func main() { os.Exit(mainExit()) }

// garbage is how many percent of what is in use may be garbage before it is
// collected: a quarter of Go's own value, since most of what is in use with hundreds
// of nodes is in use until the end. With a few nodes it costs too little to be seen.
const garbage = 25

// frugal has less garbage lie about, for some more processor time.
func frugal() { debug.SetGCPercent(garbage / 3) }

// mainExit runs the command line. The first Ctrl-C cancels what is going on,
// which then takes back what it did; the second one ends clusterctl at once.
func mainExit() int {
	debug.SetGCPercent(garbage)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	var changing atomic.Bool
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	go func() {
		<-signals
		if changing.Load() {
			fmt.Fprintln(os.Stderr, "\ninterrupted: what was done is being taken back; press Ctrl-C again to stop at once")
		}
		cancel(errInterrupted)
		<-signals
		if changing.Load() {
			fmt.Fprintln(os.Stderr, "stopped midway; `clusterctl op list` says what is open")
			os.Exit(cli.ExitPartial)
		}
		os.Exit(cli.ExitInterrupted)
	}()
	return Run(ctx, Env{
		Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr, LookupEnv: os.LookupEnv, Changing: &changing,
	})
}

// errInterrupted is the cause of a context that Ctrl-C, SIGTERM or SIGHUP ended.
var errInterrupted = errors.New("interrupted")
