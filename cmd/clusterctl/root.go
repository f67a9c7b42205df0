package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
	"clusterctl/ssh"
)

// Env is what a run of clusterctl gets from its surroundings.
type Env struct {
	Args         []string
	In, Out, Err *os.File
	LookupEnv    func(string) (string, bool)
	Changing     *atomic.Bool // set while an operation is under way
}

// app is one run of clusterctl: the global flags, and what the commands share.
type app struct {
	env     Env
	streams *cli.Streams

	host, cluster    string
	output, color    string
	dryRun, yes      bool
	quiet, verbose   bool
	timeout, connect time.Duration
	ssh              ssh.Options
	knownHosts       string
	sshConfig        string

	dialers []*ssh.Dialer
}

// Run carries out one command line and returns the exit code.
func Run(ctx context.Context, env Env) int {
	a := &app{env: env}
	root := a.root()
	root.SetArgs(twoDashes(env.Args))
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.Err)
	running, end := context.WithCancel(ctx)
	err := root.ExecuteContext(running)
	end() // a question may be open still, of a node that is not needed any more
	if a.streams != nil {
		a.streams.Answered()
	}
	for _, d := range a.dialers {
		_ = d.Close()
	}
	a.account()
	return a.exit(ctx, err)
}

// log is what -v says, on stderr.
func (a *app) log() *slog.Logger {
	if !a.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(a.env.Err, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// account says what this run has asked of the nodes over SSH.
func (a *app) account() {
	if !a.verbose {
		return
	}
	nodes, total := map[string]ssh.Traffic{}, ssh.Traffic{}
	for _, d := range a.dialers {
		for name, t := range d.Traffic() {
			nodes[name] = nodes[name].Plus(t)
			total = total.Plus(t)
		}
	}
	log := a.log()
	say := func(what string, t ssh.Traffic, args ...any) {
		log.Debug(what, append(args, "connections", t.Connections, "sessions", t.Sessions, "round_trips", t.RoundTrips, "looks", t.Looks)...)
	}
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		say("asked of a node", nodes[name], "node", name)
	}
	if len(nodes) > 0 {
		say("asked of all", total, "nodes", len(nodes))
	}
}

// pvecmOption are the options that pvecm's users write with one dash.
var pvecmOption = regexp.MustCompile(`^-((ring[0-7]_addr|bindnet[0-7]_addr|link\d+|nodeid|votes)(=.*)?)$`)

func twoDashes(args []string) []string {
	out := slices.Clone(args)
	for i, arg := range out {
		if arg == "--" {
			break
		}
		if m := pvecmOption.FindStringSubmatch(arg); m != nil {
			out[i] = "--" + m[1]
		}
	}
	return out
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "clusterctl",
		Short: "Create, change and watch Corosync clusters over SSH",
		Long: `clusterctl takes a Corosync cluster through its whole life, over SSH, without an agent.

A change reaches every node or none, never costs the cluster its quorum, and
leaves a journal on the nodes from which anyone can finish or undo it.
Exit codes: 0 done or healthy; 1 failed, nothing changed; 3 the news is bad; 4 a node
could not be reached; 5 stopped midway (clusterctl op list); 64 usage; 130 interrupted.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return a.prepare()
		},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usage(c, err) })
	f := root.PersistentFlags()
	f.SortFlags = false
	f.StringVarP(&a.host, "host", "H", "", "any one member of the cluster, [user@]host[:port]")
	f.StringVarP(&a.cluster, "cluster", "c", "", "a cluster that clusterctl created or joined from this account")
	f.StringVarP(&a.output, "output", "o", "table", "table or json")
	f.BoolVar(&a.dryRun, "dry-run", false, "print the plan and stop")
	f.BoolVarP(&a.yes, "yes", "y", false, "answer questions with yes")
	f.DurationVar(&a.timeout, "timeout", 0, "for the whole operation, as in 5m; none by default")
	f.DurationVar(&a.connect, "connect-timeout", 10*time.Second, "to reach a node")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "no progress")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "say what is done on the wire")
	f.StringVar(&a.color, "color", "auto", "auto, always or never")
	f.StringArrayVarP(&a.ssh.Identities, "identity", "i", nil, "SSH private key `file`")
	f.StringVarP(&a.sshConfig, "ssh-config", "F", "", "SSH configuration `file` in place of ~/.ssh/config")
	f.StringVarP(&a.ssh.Jump, "jump", "J", "", "SSH jump `host`, several with commas")
	f.StringVarP(&a.ssh.Login, "login", "l", "", "SSH `user`")
	f.StringVar(&a.knownHosts, "known-hosts", "", "known_hosts `file` in place of ~/.ssh/known_hosts")
	f.BoolVar(&a.ssh.AcceptNew, "accept-new-host-keys", false, "trust the key of a host seen for the first time")
	f.BoolVar(&a.ssh.Sudo, "sudo", false, "become root with sudo -n on the nodes")
	root.AddCommand(a.createCmd(), a.addCmd(), a.joinCmd(), a.delnodeCmd(), a.expectedCmd(), a.keyCmd(), a.statusCmd(), a.nodesCmd(), a.doctorCmd(), a.separateCmd(), a.startCmd(), a.stopCmd(), a.restartCmd(), a.enableCmd(true), a.enableCmd(false), a.linkCmd(), a.confCmd(), a.checkCmd(), a.probeCmd(), a.pveCmd(), a.opCmd(), a.versionCmd())
	root.SetHelpCommand(nil)
	return root
}

// prepare checks the global flags and opens what depends on them.
func (a *app) prepare() error {
	if !slices.Contains([]string{"table", "json"}, a.output) {
		return usageText("--output %s: use table or json", a.output)
	}
	if !slices.Contains([]string{"auto", "always", "never"}, a.color) {
		return usageText("--color %s: use auto, always or never", a.color)
	}
	if a.host != "" && a.cluster != "" {
		return usageText("--host and --cluster exclude each other")
	}
	if a.timeout < 0 {
		return usageText("--timeout %s: use a time above 0", a.timeout)
	}
	if a.connect <= 0 {
		return usageText("--connect-timeout %s: use a time above 0", a.connect)
	}
	a.streams = cli.NewStreams(a.env.In, a.env.Out, a.env.Err, a.env.LookupEnv, a.color)
	a.streams.Dumb = a.streams.Dumb || a.verbose // what is logged would tear a live area
	return nil
}

func (a *app) json() bool { return a.output == "json" }

// progress shows what goes on, unless nobody wants to see it.
func (a *app) progress() *cli.Progress {
	return a.streams.NewProgress(a.quiet || a.json())
}

// context is ctx under --timeout.
func (a *app) context(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, a.timeout, fmt.Errorf("the whole operation took longer than --timeout %s", a.timeout))
}

// connector makes what connects to nodes. extra are ssh_config files that are
// read before the admin's own.
func (a *app) connector(ctx context.Context, extra ...string) (*cluster.Connector, error) {
	d, err := a.dial(ctx, a.ssh.Jump, extra...)
	if err != nil {
		return nil, err
	}
	hostname, _ := os.Hostname() // without one nothing is this machine
	return &cluster.Connector{Dialer: d, Hostname: hostname, Sudo: a.ssh.Sudo, Many: frugal}, nil
}

// connectorThrough is a connector that reaches all nodes but host through it.
func (a *app) connectorThrough(ctx context.Context, host string) (*cluster.Connector, error) {
	c, err := a.connector(ctx)
	if err != nil {
		return nil, err
	}
	jump := host
	if a.ssh.Jump != "" {
		jump = a.ssh.Jump + "," + host
	}
	c.Direct = host
	c.Through, err = a.dial(ctx, jump)
	return c, err
}

// dial makes a Dialer of the flags, which Run closes.
func (a *app) dial(ctx context.Context, jump string, extra ...string) (*ssh.Dialer, error) {
	opts := a.ssh
	opts.Jump = jump
	opts.ConnectTimeout = a.connect
	opts.Home = homeDir()
	opts.ConfigFiles = extra
	if a.sshConfig != "" {
		opts.ConfigFiles = append(opts.ConfigFiles, a.sshConfig)
	} else {
		home := homeDir()
		for _, file := range []string{filepath.Join(home, ".ssh", "config"), "/etc/ssh/ssh_config"} {
			if _, err := os.Stat(file); err == nil { // one that is named must be there; these need not
				opts.ConfigFiles = append(opts.ConfigFiles, file)
			}
		}
	}
	if a.knownHosts != "" {
		opts.KnownHosts = []string{a.knownHosts}
	}
	opts.Passphrase = func(prompt string) ([]byte, error) { return a.streams.Password(ctx, prompt) }
	opts.Log = a.log()
	d, err := ssh.NewDialer(opts)
	if err != nil {
		return nil, err
	}
	a.dialers = append(a.dialers, d)
	return d, nil
}

// contacts is where the ways to known clusters are kept.
func (a *app) contacts() cluster.Contacts {
	dir, _ := a.env.LookupEnv("XDG_CONFIG_HOME")
	if dir == "" {
		home := homeDir()
		dir = filepath.Join(home, ".config")
	}
	return cluster.Contacts{Dir: filepath.Join(dir, "clusterctl")}
}

// homeDir is the user's home directory, also where no HOME is set, as under
// cloud-init and in systemd units.
func homeDir() string {
	if home, err := os.UserHomeDir(); err == nil {
		return home
	}
	if u, err := user.Current(); err == nil {
		return u.HomeDir
	}
	return ""
}

// seeds are the nodes from which a cluster is found: --host, --cluster, this
// machine, or the only cluster that is known.
func (a *app) seeds(ctx context.Context) (*cluster.Connector, []cluster.PlanNode, error) {
	if a.host != "" {
		c, err := a.connector(ctx)
		return c, []cluster.PlanNode{{Name: a.host, Addresses: []string{a.host}}}, err
	}
	contacts := a.contacts()
	name := a.cluster
	if name == "" {
		if cluster.IsMember(cluster.ConfPath) {
			c, err := a.connector(ctx)
			if err != nil {
				return nil, nil, err
			}
			return c, []cluster.PlanNode{{Name: c.Hostname}}, nil
		}
		known, err := contacts.Clusters()
		if err != nil {
			return nil, nil, err
		}
		switch len(known) {
		case 0:
			return nil, nil, cluster.Problems{{Severity: cluster.Error, Code: cluster.CodeNoCluster,
				Message: "this machine is in no cluster, and none is known here", Remedy: "name one member with -H HOST"}}
		case 1:
			name = known[0]
		default:
			return nil, nil, cluster.Problems{{Severity: cluster.Error, Code: cluster.CodeNoCluster,
				Message: "several clusters are known here: " + strings.Join(known, ", "), Remedy: "choose one with -c NAME, or name a member with -H HOST"}}
		}
	}
	names, err := contacts.Names(name)
	if err != nil {
		return nil, nil, cluster.Problems{{Severity: cluster.Error, Code: cluster.CodeNoCluster,
			Message: fmt.Sprintf("cluster %s is not known here: there is no %s", name, contacts.Path(name)), Remedy: "name one member with -H HOST"}}
	}
	c, err := a.connector(ctx, contacts.Path(name))
	var seeds []cluster.PlanNode
	for _, n := range names {
		seeds = append(seeds, cluster.PlanNode{Name: n, Addresses: []string{n}})
	}
	return c, seeds, err
}

// look finds the cluster and everything about it. The caller closes the nodes.
func (a *app) look(ctx context.Context) (*cluster.Connector, *cluster.View, map[string]cluster.Node, error) {
	c, seeds, err := a.seeds(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	v, nodes, err := c.Look(ctx, seeds)
	return c, v, nodes, err
}

// glance is look where nothing more is asked of the nodes.
func (a *app) glance(ctx context.Context) (*cluster.View, error) {
	c, seeds, err := a.seeds(ctx)
	if err != nil {
		return nil, err
	}
	c.Brief = true
	v, _, err := c.Look(ctx, seeds)
	return v, err
}

// executor makes what carries plans out, and reports to p.
func (a *app) executor(c *cluster.Connector, p *cli.Progress) *cluster.Executor {
	x := &cluster.Executor{Connect: c.Node, Report: reporter{p}, Host: c.Hostname, User: "unknown"}
	if u, err := user.Current(); err == nil {
		x.User = u.Username
	}
	return x
}

// reporter shows an Executor's reports as progress.
type reporter struct{ p *cli.Progress }

func (r reporter) Start(what string) func(error) {
	t := r.p.Start(what)
	return func(err error) {
		if err != nil {
			t.Fail()
		} else {
			t.Done()
		}
	}
}

func (r reporter) Warn(text string) { r.p.Warn(text) }

// changing runs f, during which a second Ctrl-C leaves things half done.
func (a *app) changing(f func() error) error {
	if a.env.Changing != nil {
		a.env.Changing.Store(true)
		defer a.env.Changing.Store(false)
	}
	return f()
}

// commandLine is what was typed, for the journal.
func (a *app) commandLine() string {
	args := slices.Clone(a.env.Args)
	for i := range args { // it goes into plans, journals and logs
		if i > 0 && args[i-1] == "totem.key" {
			args[i] = "(secret)"
		}
	}
	return "clusterctl " + ssh.Quote(args...)
}

// canAsk refuses a command that will ask, when nobody can answer: before
// anything is looked at, so that a script fails the same way each time.
func (a *app) canAsk(what string) error {
	if a.yes || a.dryRun || a.streams.InTTY && a.streams.ErrTTY {
		return nil
	}
	return cluster.Problems{{Severity: cluster.Error, Code: cluster.CodeNeedsYes,
		Message: what + " asks before it goes on, and there is no terminal to ask on", Remedy: "add --yes"}}
}

// ask asks whether to go on; see canAsk.
func (a *app) ask(ctx context.Context, question string) error {
	if a.yes || a.dryRun {
		return nil
	}
	if err := a.canAsk("this change"); err != nil {
		return err
	}
	ok, err := a.streams.Confirm(ctx, question)
	if err != nil {
		return err
	}
	if !ok {
		return errDeclined
	}
	return nil
}

var errDeclined = errors.New("not done, as you wished")
