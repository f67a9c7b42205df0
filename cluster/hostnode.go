package cluster

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"clusterctl/ssh"
)

//go:embed script/sections.sh
var sectionsScript string

//go:embed script/facts.sh
var factsScript string

//go:embed script/relied.sh
var reliedScript string

//go:embed script/doctor.sh
var doctorScript string

//go:embed script/runtime.sh
var runtimeScript string

//go:embed script/links.sh
var linksScript string

//go:embed script/history.sh
var historyScript string

//go:embed script/change.sh
var changeScript string

//go:embed script/lock.sh
var lockScript string

//go:embed script/survey.sh
var surveyScript string

//go:embed script/knock.sh
var knockScript string

//go:embed script/agent.sh
var agentScript string

// What is run on all nodes at once is the same text for all.
var (
	factsCall   = sectionsScript + factsScript + reliedScript + runtimeScript
	examineCall = sectionsScript + factsScript + doctorScript + reliedScript + runtimeScript
	reliedCall  = sectionsScript + reliedScript + runtimeScript
	runtimeCall = sectionsScript + runtimeScript
	changeCall  = changeScript + "\n\"$@\"\n" // a function of it
)

// Exit statuses of script/change.sh and script/lock.sh.
const (
	statusHeld       = 75
	statusUnfinished = 76
	statusStale      = 77
	statusOver       = 78
)

// hostNode is a Node on a machine with a shell: everything it does runs in one
// bash there, which also holds the lock.
type hostNode struct {
	name    string
	address string // how it was reached, or "" for this machine
	host    ssh.Host
	shell   *ssh.Shell
	alike   *alike
}

func (n *hostNode) Name() string    { return n.name }
func (n *hostNode) Address() string { return n.address }
func (n *hostNode) Close() error    { return n.shell.Close() }

// run runs a script and makes its failure an error.
func (n *hostNode) run(ctx context.Context, c ssh.Command) ([]byte, error) {
	res, err := n.shell.Run(ctx, c)
	if err != nil {
		if lost, ok := errors.AsType[*ssh.LostError](err); ok {
			if lost.Sent {
				return nil, fmt.Errorf("%w (%w)", ErrOutcomeUnknown, err)
			}
			return nil, fmt.Errorf("%w (%w)", ErrGone, err)
		}
		return nil, err
	}
	if res.Status != 0 {
		return res.Stdout, &statusError{res.Status, strings.TrimSpace(string(res.Stderr))}
	}
	return res.Stdout, nil
}

// manyNodes is from how many nodes on long answers are packed: a tenth of them
// goes over the network then, and takes memory here until it is read. With fewer
// nodes they are short, and one more process on each node takes longer.
const manyNodes = 50

// long runs a script whose answer has lines for each node of the cluster, and
// calls read with it, which must not keep any of its bytes.
func (n *hostNode) long(ctx context.Context, c ssh.Command, read func(out []byte, sent, received time.Time) error) error {
	turn, err := n.alike.turn(ctx)
	if err != nil {
		return err
	}
	defer turn()
	if n.alike.nodes.Load() > manyNodes {
		c.Script = packed(c.Script)
	}
	sent := time.Now()
	out, err := n.run(ctx, c)
	received := time.Now()
	if err != nil {
		return err
	}
	n.alike.read <- struct{}{}
	defer func() { <-n.alike.read }()
	out, done, err := n.alike.unpack(out)
	if err != nil {
		return err
	}
	defer done()
	return read(out, sent, received)
}

// packed is a script that packs what it prints, where the node can.
func packed(script string) string {
	return "command -v gzip >/dev/null || gzip() { cat; }\n{\n" + script + "\n} | gzip -1\n"
}

// statusError is a script that ended with a status other than 0.
type statusError struct {
	status int
	stderr string
}

func (e *statusError) Error() string {
	switch {
	case strings.Contains(e.stderr, "No space left on device"):
		return "the disk is full: " + e.stderr
	case e.status == 124 || e.status == 137:
		return strings.TrimSpace("it took too long and was ended " + e.stderr)
	case e.stderr != "":
		return e.stderr
	}
	return fmt.Sprintf("exit status %d", e.status)
}

func statusOf(err error) int {
	if se, ok := errors.AsType[*statusError](err); ok {
		return se.status
	}
	return 0
}

func (n *hostNode) Facts(ctx context.Context, names []string) (*Facts, error) {
	return n.facts(ctx, factsCall, names)
}

func (n *hostNode) Examine(ctx context.Context) (*Facts, error) {
	return n.facts(ctx, examineCall, nil)
}

func (n *hostNode) Relied(ctx context.Context) (*Facts, error) {
	return n.facts(ctx, reliedCall, nil)
}

func (n *hostNode) facts(ctx context.Context, script string, names []string) (f *Facts, err error) {
	c := ssh.Command{Script: script, Args: factsArgs(names)}
	err = n.long(ctx, c, func(out []byte, sent, received time.Time) error {
		f, err = parseFacts(n.alike, n.name, out, sent, received)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read facts: %w", err)
	}
	return f, nil
}

func (n *hostNode) Runtime(ctx context.Context) (rt *Runtime, err error) {
	err = n.long(ctx, ssh.Command{Script: runtimeCall, Look: true}, func(out []byte, _, _ time.Time) error {
		sec, err := parseSections(out)
		if _, runs := sec["quorum"]; runs {
			rt = parseRuntime(n.alike, sec)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read runtime state: %w", err)
	}
	return rt, nil
}

func (n *hostNode) Lock(ctx context.Context, h Holder) error {
	head, err := json.Marshal(map[string]string{"command": h.Command, "user": h.User, "host": h.Host})
	if err != nil {
		return fmt.Errorf("take lock: %w", err)
	}
	out, err := n.run(ctx, ssh.Command{Script: lockScript, Args: []string{strings.TrimSuffix(string(head), "}")}, InShell: true})
	if statusOf(err) == statusHeld {
		var holder Holder
		_ = json.Unmarshal(out, &holder) // half-written while it is being taken: then the names stay empty
		return &HeldError{holder}
	}
	if err != nil {
		return fmt.Errorf("take lock: %w", err)
	}
	return nil
}

// change runs a function of script/change.sh.
func (n *hostNode) change(ctx context.Context, timeout time.Duration, stdin [][]byte, args ...string) ([]byte, error) {
	return n.run(ctx, ssh.Command{Script: changeCall, Args: args, Stdin: stdin, Timeout: timeout})
}

func (n *hostNode) Begin(ctx context.Context, e Entry, blobs map[string][]byte, paths, units []string, ended map[string]Phase) error {
	if err := e.encode(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	stdin := [][]byte{e.encoded} // and not in one piece: all nodes have the same ones
	args := []string{"begin", strconv.Itoa(len(ended))}
	for _, id := range slices.Sorted(maps.Keys(ended)) {
		args = append(args, id, string(ended[id]))
	}
	args = append(args, e.ID, strconv.Itoa(len(e.encoded)), strconv.Itoa(len(blobs)))
	for _, hash := range slices.Sorted(maps.Keys(blobs)) {
		args = append(args, hash, strconv.Itoa(len(blobs[hash])))
		stdin = append(stdin, blobs[hash])
	}
	args = append(append(args, strconv.Itoa(len(paths))), paths...)
	args = append(append(args, strconv.Itoa(len(units))), units...)
	_, err := n.change(ctx, 0, stdin, args...)
	if se, ok := errors.AsType[*statusError](err); ok && se.status == statusUnfinished {
		return &UnfinishedError{se.stderr}
	}
	if err != nil {
		return fmt.Errorf("begin the journal: %w", err)
	}
	return nil
}

func (n *hostNode) Do(ctx context.Context, op string, note Note, ops []Op, timeout time.Duration) error {
	after := Did
	if note.Phase == Undoing {
		after = Undid
	}
	args := []string{"step", op, string(note.Phase), string(after), note.Step}
	for _, o := range ops {
		args = append(args, string(o.Kind), o.Path, o.Blob, o.Base, o.Mode, o.Unit, o.Name, strconv.FormatUint(uint64(o.N), 10), strconv.FormatUint(o.Version, 10))
	}
	_, err := n.change(ctx, timeout, nil, args...)
	if statusOf(err) == statusOver {
		return ErrOver
	}
	return err
}

func (n *hostNode) End(ctx context.Context, op string, phase Phase) error {
	if _, err := n.change(ctx, 0, nil, "end", op, string(phase)); err != nil {
		return fmt.Errorf("end the journal: %w", err)
	}
	return nil
}

func (n *hostNode) Retire(ctx context.Context, op string) error {
	if _, err := n.change(ctx, 0, nil, "retire", op); err != nil {
		return fmt.Errorf("put the journal away: %w", err)
	}
	return nil
}

func (n *hostNode) Journal(ctx context.Context, op string) (*Entry, error) {
	out, err := n.run(ctx, ssh.Command{Script: sectionsScript + changeScript + "\n\"$@\"\n", Args: []string{"journal", op}})
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	sec, err := parseSections(out)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	if string(sec["where"].out) == "none" {
		return nil, nil
	}
	e := &Entry{ID: op}
	if err := json.Unmarshal(sec["op"].out, e); err != nil {
		return nil, fmt.Errorf("read the journal: entry %s: %w", op, err)
	}
	e.Log = parseLog(string(sec["log"].out))
	return e, nil
}

func (n *hostNode) Blobs(ctx context.Context, op string) (map[string][]byte, error) {
	out, err := n.change(ctx, 0, nil, "blobs", op)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	sec, err := parseSections(out)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	blobs := map[string][]byte{}
	for name, s := range sec {
		if name == "end" {
			continue
		}
		if Hash(s.out) != name {
			return nil, fmt.Errorf("read the journal: content of %s is damaged", name)
		}
		blobs[name] = s.out
	}
	return blobs, nil
}

func (n *hostNode) LinkStats(ctx context.Context) ([]LinkStat, error) {
	out, err := n.run(ctx, ssh.Command{Script: sectionsScript + linksScript})
	if err != nil {
		return nil, fmt.Errorf("read link state: %w", err)
	}
	sec, err := parseSections(out)
	if err != nil {
		return nil, fmt.Errorf("read link state: %w", err)
	}
	return parseLinkStats(sec)
}

func (n *hostNode) survey(ctx context.Context, names []string) (*survey, error) {
	out, err := n.run(ctx, ssh.Command{Script: sectionsScript + surveyScript, Args: names})
	if err != nil {
		return nil, fmt.Errorf("look around: %w", err)
	}
	sec, err := parseSections(out)
	if err != nil {
		return nil, fmt.Errorf("look around: %w", err)
	}
	return parseSurvey(sec), nil
}

func (n *hostNode) Past(ctx context.Context) ([]Past, error) {
	out, err := n.run(ctx, ssh.Command{Script: sectionsScript + historyScript})
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	sec, err := parseSections(out)
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	var all []Past
	for _, e := range parseOps(sec) {
		all = append(all, Past{e, sec["conf:"+e.ID].out})
	}
	return all, nil
}

func (n *hostNode) Key(ctx context.Context) ([]byte, error) {
	out, err := n.run(ctx, ssh.Command{Script: `cat "$1"`, Args: []string{KeyPath}})
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	return out, nil
}

func (n *hostNode) Tail(ctx context.Context, unit string, lines int) (string, error) {
	out, err := n.run(ctx, ssh.Command{
		Script: `journalctl -q -o cat --no-pager -n "$2" -u "$1"`,
		Args:   []string{unit, strconv.Itoa(lines)},
	})
	return strings.TrimSpace(string(out)), err
}
