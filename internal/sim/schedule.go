package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
)

// Schedule is one run of a scenario: what goes wrong when, and how whoever finds
// the operation open ends it. What it does not say follows from the seed.
type Schedule struct {
	Scenario string
	Seed     uint64
	Verb     string // resume or undo
	Faults   []Fault
	Broken   []Defect
	Verbose  bool // the Log tells of every call
}

// String is the schedule on one line, as ParseSchedule reads it.
func (s Schedule) String() string {
	parts := []string{fmt.Sprintf("%s %d %s", s.Scenario, s.Seed, s.Verb)}
	for _, f := range s.Faults {
		parts = append(parts, f.String())
	}
	return strings.Join(parts, ", ")
}

// ParseSchedule reads a schedule: SCENARIO SEED VERB, then for each fault its
// KIND NODE CALL.POINT TIME.
func ParseSchedule(line string) (Schedule, error) {
	parts := strings.Split(line, ",")
	head := strings.Fields(parts[0])
	if len(head) != 3 {
		return Schedule{}, fmt.Errorf("schedule %q: SCENARIO SEED VERB come first", line)
	}
	seed, err := strconv.ParseUint(head[1], 10, 64)
	if err != nil {
		return Schedule{}, fmt.Errorf("schedule %q: seed: %w", line, err)
	}
	s := Schedule{Scenario: head[0], Seed: seed, Verb: head[2]}
	for _, part := range parts[1:] {
		f := strings.Fields(part)
		if len(f) != 4 {
			return Schedule{}, fmt.Errorf("schedule %q: %q is not KIND NODE CALL.POINT TIME", line, part)
		}
		fault := Fault{Kind: FaultKind(f[0]), Node: f[1]}
		call, point, _ := strings.Cut(f[2], ".")
		fault.Call, err = strconv.Atoi(call)
		if err == nil {
			fault.Point, err = strconv.Atoi(point)
		}
		if err == nil {
			fault.For, err = time.ParseDuration(f[3])
		}
		if err != nil {
			return Schedule{}, fmt.Errorf("schedule %q: %q: %w", line, part, err)
		}
		s.Faults = append(s.Faults, fault)
	}
	return s, nil
}

// Random makes the schedule of a seed: up to four faults anywhere in the run of
// a scenario that changes something, and in what ends it.
func Random(seed uint64, traces map[string][]Call) Schedule {
	rng := rand.New(rand.NewPCG(seed, 0xfa17))
	all := slices.DeleteFunc(Scenarios(), func(s Scenario) bool { return s.Refused })
	sc := all[rng.IntN(len(all))]
	s := Schedule{Scenario: sc.Name, Seed: seed, Verb: []string{"resume", "undo"}[rng.IntN(2)]}
	calls := traces[sc.Name]
	kinds := FaultKinds()
	for range 1 + rng.IntN(4) {
		c := calls[rng.IntN(len(calls))]
		f := Fault{Kind: kinds[rng.IntN(len(kinds))], Node: c.Node, Call: c.N, Point: rng.IntN(c.Points + 1), For: Lasting(rng)}
		if rng.IntN(3) == 0 { // in what ends it
			f.Call += rng.IntN(2 * len(calls) / sc.Machines)
		}
		s.Faults = append(s.Faults, f)
	}
	return s
}

// Singles makes a schedule of each fault, at each small step of each call of a
// run without faults, in turn ended by undo and resume.
func Singles(scenario string, calls []Call) []Schedule {
	var all []Schedule
	polls := map[string]bool{} // of a membership: one on each machine will do
	for _, c := range calls {
		if c.What == "runtime" && polls[c.Node] {
			continue
		}
		polls[c.Node] = c.What == "runtime"
		for _, kind := range FaultKinds() {
			for point := range c.Points {
				for _, lasts := range []time.Duration{3 * time.Second, 50 * time.Second} {
					verb := []string{"undo", "resume"}[len(all)/2%2]
					all = append(all, Schedule{Scenario: scenario, Seed: uint64(len(all)), Verb: verb,
						Faults: []Fault{{Kind: kind, Node: c.Node, Call: c.N, Point: point, For: lasts}}})
				}
			}
		}
	}
	return all
}

// Lasting draws how long a fault lasts: a moment, or longer than anyone waits.
func Lasting(rng *rand.Rand) time.Duration {
	lasts := []time.Duration{time.Second, 4 * time.Second, 15 * time.Second, 40 * time.Second, 150 * time.Second}
	return lasts[rng.IntN(len(lasts))]
}

// Outcome is what became of a schedule.
type Outcome struct {
	Troubles []string
	Log      []string // what was done, and how it ended
	Trace    []Call   // of the run without faults
	Took     time.Duration
}

// Run runs a schedule in a bubble of its own. It says what is wrong in the
// Outcome, and fails t only when the schedule cannot be run.
func Run(t *testing.T, s Schedule) Outcome {
	var o Outcome
	synctest.Test(t, func(t *testing.T) { o = run(t, s) })
	return o
}

// player is a schedule under way.
type player struct {
	*World
	s      Schedule
	sc     Scenario
	o      *Outcome
	rng    *rand.Rand
	before string
	missed map[*Machine]bool // members that a plan was made without, since they were away
	after  []string          // one for each who planned it
	shared []string          // ... datacenter.cfg, "" when it is left as it is
	rekeys bool              // the key is to change
	done   bool              // the command was carried out at once
	synced bool              // ... and what was left of it was put right by another one
	undone bool              // ... or taken back at once, all of it
}

func run(t *testing.T, s Schedule) Outcome {
	sc, ok := scenario(s.Scenario)
	if !ok {
		t.Fatalf("no scenario %s", s.Scenario)
	}
	o := Outcome{}
	w := New(names(sc.Machines)...)
	p := &player{World: w, s: s, sc: sc, o: &o, rng: rand.New(rand.NewPCG(s.Seed, 0xadd))}
	w.Trouble = func(what string) {
		if !slices.Contains(o.Troubles, what) {
			o.Troubles = append(o.Troubles, what)
			o.Log = append(o.Log, fmt.Sprintf("%8.3fs !!! %s", w.now.Seconds(), what))
		}
	}
	if sc.PVE {
		for _, m := range w.all {
			m.Virtualize()
		}
	}
	if sc.Members > 0 {
		conf, err := foundingConf(w.all[:sc.Members], sc.OneLink)
		if err == nil {
			err = w.Form(conf, string(clusterKey), names(sc.Members)...)
		}
		if err != nil {
			t.Fatal(err)
		}
		p.before, err = p.arrange(conf)
		if err != nil {
			t.Fatal(err)
		}
	}
	if sc.HA {
		for _, m := range w.all {
			m.Guard()
		}
	}
	w.Secret(string(clusterKey))
	w.Secret(string(newKey))
	w.watch.ends = []*config{} // nobody needs be quorate before Guard
	for _, name := range sc.Dead {
		w.Machine(name).Bury()
	}
	if sc.Picky != "" {
		w.Machine(sc.Picky).picky = true
	}
	if sc.Balks != "" {
		w.Machine(sc.Balks).balks = true
	}
	for _, name := range sc.Deaf {
		w.Machine(name).Deaf = true
	}
	if sc.Apart != "" {
		w.Machine(sc.Apart).Side(1)
	}
	w.Settle()
	w.watch.losses = 0
	for _, b := range s.Broken {
		w.Broken[b] = true
	}
	for _, f := range s.Faults {
		w.faults = append(w.faults, &f)
	}
	p.missed = map[*Machine]bool{}
	w.trace = &o.Trace
	if s.Verbose {
		w.told = p.tell
	}
	w.Time(s.Seed)
	defer w.Close()
	p.play(t.Context())
	o.Took = w.Now()
	return o
}

// arrange has the machines differ as the scenario says; it returns the
// configuration that the cluster runs.
func (p *player) arrange(conf string) (string, error) {
	name := cmp.Or(p.sc.Ahead, p.sc.Down)
	if name == "" {
		return conf, nil
	}
	f, err := corosyncconf.Parse("", []byte(conf))
	if err == nil {
		err = f.Root().Section("totem").Set("token", "7000")
	}
	if err == nil {
		err = f.SetConfigVersion(2)
	}
	if err != nil {
		return "", err
	}
	newer := string(f.Bytes())
	if p.sc.Ahead != "" {
		p.Machine(name).SetFile(cluster.ConfPath, newer)
		return conf, nil
	}
	p.Machine(name).Stop("corosync")
	p.Settle()
	for _, m := range p.all[:p.sc.Members] {
		if m.name != name {
			m.SetFile(cluster.ConfPath, newer)
			if m.pve != nil {
				m.pve.db, m.pve.writes = newer, 6
			}
		}
	}
	p.all[0].Reload()
	return newer, nil
}

// tell logs a call.
func (p *player) tell(k *call, err error) {
	if k.What == "runtime" || k.What == "journal" {
		return
	}
	running := "-"
	if c := k.c.m.corosync; c != nil {
		running = fmt.Sprintf("%d, %d members, quorate %v", c.conf.version(), len(c.members), c.shown)
	}
	p.o.Log = append(p.o.Log, fmt.Sprintf("%8.3fs     %s %s.%d %s: %v (file %d, runs %s)", p.now.Seconds(), k.c.a.name, k.Node, k.N, k.What, brief(err),
		p.config(k.c.m.File(cluster.ConfPath)).version(), running))
}

// brief is an error on one line.
func brief(err error) error {
	if err == nil {
		return nil
	}
	kind := ""
	switch {
	case is[*cluster.UndoneError](err):
		kind = "undone: "
	case is[*cluster.UnfinishedOpError](err):
		kind = "unfinished: "
	}
	var texts []string
	for _, pr := range cluster.ProblemsOf(err) {
		pr.Remedy = ""
		text, _, _ := strings.Cut(pr.String(), "\n")
		texts = append(texts, text)
	}
	return errors.New(kind + strings.Join(texts, " | "))
}

func is[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

func (p *player) say(format string, args ...any) {
	for i, arg := range args {
		if err, ok := arg.(error); ok {
			args[i] = brief(err)
		}
	}
	p.o.Log = append(p.o.Log, fmt.Sprintf("%8.3fs ", p.Now().Seconds())+fmt.Sprintf(format, args...))
}

func (p *player) trouble(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Trouble(fmt.Sprintf(format, args...))
}

// play has the command run, then others end what it left open, and looks at
// what became of the cluster.
func (p *player) play(ctx context.Context) {
	rivals := make(chan struct{}, 10)
	over := make(chan struct{})
	p.rival = func() { rivals <- struct{}{} }
	go func() {
		defer close(over)
		number := 10
		for range rivals {
			command := p.sc.Plan
			if n := len(p.sc.Rivals); n > 0 {
				command = p.sc.Rivals[(number-10)%n]
			}
			number++
			err := p.command(ctx, p.Admin(number), command, false)
			p.say("a rival: %v", err)
		}
	}()
	err := p.command(ctx, p.Admin(1), p.sc.Plan, true)
	p.say("%s: %v", p.sc.Name, err)
	p.done = err == nil
	p.undone = is[*cluster.UndoneError](err) && cluster.Stood(err) == ""
	close(rivals)
	p.mu.Lock()
	p.rival = nil
	p.mu.Unlock()
	<-over
	p.o.Trace = slices.Clone(p.o.Trace)
	p.mu.Lock()
	p.trace = nil
	p.mu.Unlock()

	for round := range 8 {
		if round >= 2 {
			p.Mend()
			time.Sleep(200 * time.Second)
		} else {
			time.Sleep(time.Duration(p.rng.IntN(40)) * time.Second)
		}
		if p.end(ctx, round) && round >= 2 {
			break
		}
	}
	if odd := cmp.Or(p.sc.Ahead, p.sc.Down); odd != "" && p.open() == "" && (!p.done || p.missed[p.Machine(odd)]) {
		p.synced = true // also of what it is owed
		p.sync(ctx)
	}
	p.judge(ctx)
}

// sync has all members have one file, as an admin does: those that have the same
// come first, and where it is not clear what is right that of n1 is.
func (p *player) sync(ctx context.Context) {
	odd := cmp.Or(p.sc.Ahead, p.sc.Down)
	err := p.Admin(48).Run(ctx, Start(slices.DeleteFunc(names(p.sc.Members), func(n string) bool { return n == odd })...))
	if err == nil {
		err = p.Admin(49).Run(ctx, Sync(""))
	}
	if err != nil {
		err = p.Admin(49).Run(ctx, Sync("n1"))
	}
	if err != nil {
		p.trouble("conf sync: %v", err)
	}
}

// command runs the scenario's command, or a rival's.
func (p *player) command(ctx context.Context, a *Admin, command Command, main bool) error {
	ctx, a.cancel = context.WithCancelCause(ctx)
	defer a.cancel(nil)
	conn := &cluster.Connector{Connect: a.Connect}
	plan, nodes, err := command(ctx, conn)
	defer cluster.CloseAll(nodes)
	if err != nil {
		return fmt.Errorf("refused: %w", err)
	}
	hurry(plan)
	p.spoil(plan)
	p.mu.Lock()
	p.after = append(p.after, string(final(plan)))
	p.shared = append(p.shared, shared(plan))
	p.rekeys = plan.Rekeys()
	for _, m := range p.all[:p.sc.Members] {
		if !slices.Contains(plan.NodeNames(), m.name) {
			p.missed[m] = true
		}
	}
	p.mu.Unlock()
	if main && p.before != "" && !p.sc.Stops {
		var steps []string
		for _, b := range plan.Blobs {
			if !p.watch.secrets[string(b)] {
				steps = append(steps, string(b))
			}
		}
		p.Guard(p.before, cmp.Or(string(final(plan)), p.before), steps...)
	}
	return executor(a, conn).Run(ctx, plan, nodes)
}

// Run has the admin run a command.
func (a *Admin) Run(ctx context.Context, plan Command) error {
	conn := &cluster.Connector{Connect: a.Connect}
	p, nodes, err := plan(ctx, conn)
	defer cluster.CloseAll(nodes)
	if err != nil || len(p.Steps) == 0 {
		return err
	}
	return executor(a, conn).Run(ctx, p, nodes)
}

func executor(a *Admin, c *cluster.Connector) *cluster.Executor {
	return &cluster.Executor{User: "root", Host: a.name, Connect: c.Node}
}

// hurry shortens the deadlines, which are generous: nothing here takes long.
func hurry(p *cluster.Plan) {
	for _, s := range p.Steps {
		for _, act := range append([]cluster.Act{s.Do}, s.Undo...) {
			if act.Want != nil {
				act.Want.Deadline = 8 * time.Second
			}
		}
	}
}

// spoil leaves out of a plan what a defective clusterctl would leave out.
func (p *player) spoil(plan *cluster.Plan) {
	if p.Broken[NoLook] {
		plan.Seen = nil
	}
	for i := range plan.Steps {
		s := &plan.Steps[i]
		if p.Broken[NoUndo] {
			s.Undo = nil
		}
		for _, act := range append([]*cluster.Act{&s.Do}, acts(s.Undo)...) {
			if p.Broken[NoVerify] {
				act.Want = nil
			}
			if p.Broken[NoGuard] {
				act.Conf = ""
			}
			if p.Broken[NoRevive] && act != &s.Do {
				act.Ops = slices.DeleteFunc(act.Ops, func(o cluster.Op) bool { return o.Kind == cluster.OpRevive || o.Kind == cluster.OpStart })
			}
		}
	}
}

func acts(list []cluster.Act) []*cluster.Act {
	all := make([]*cluster.Act, len(list))
	for i := range list {
		all[i] = &list[i]
	}
	return all
}

// end has another admin end what is open, as seen from a machine; it tells
// whether nothing was.
func (p *player) end(ctx context.Context, round int) bool {
	a := p.Admin(20 + round)
	ctx, a.cancel = context.WithCancelCause(ctx)
	defer a.cancel(nil)
	conn := &cluster.Connector{Connect: a.Connect}
	seeds := slices.DeleteFunc(names(p.sc.Machines), func(n string) bool { return slices.Contains(p.sc.Dead, n) })
	from := seeds[p.rng.IntN(len(seeds))]
	if round%2 == 0 {
		from = "n1" // one that has left may know of none
	}
	ops, nodes, _, err := conn.FindOperations(ctx, targets(from))
	if err != nil {
		p.say("op list from %s: %v", from, err)
		return false
	}
	defer cluster.CloseAll(nodes)
	if len(ops) == 0 {
		p.say("op list from %s: none", from)
		return p.open() == ""
	}
	op := ops[0]
	verb := p.s.Verb
	switch {
	case op.State == cluster.StateDone:
		verb = "resume"
	case op.State == cluster.StateUndoing || op.State == cluster.StateBegun || round >= 4:
		verb = "undo"
	}
	if verb == "undo" {
		p.done = false
		err = executor(a, conn).Undo(ctx, op, nodes)
	} else {
		err = executor(a, conn).Resume(ctx, op, nodes)
	}
	p.say("op %s of what is %s at %s, from %s: %v", verb, op.State, op.Step, from, err)
	return false
}

// open lists where operations are open.
func (p *player) open() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	for _, m := range p.all {
		for _, id := range m.Open() {
			if e := m.op(id); !slices.Contains(p.sc.Dead, m.name) && !e.over() && len(e.log.data) > 0 {
				list = append(list, m.name+" "+id)
			}
		}
	}
	return strings.Join(list, ", ")
}

// judge looks at what became of the cluster, when all is mended and ended: it is
// as before or as planned, everywhere the same, and can be started.
func (p *player) judge(ctx context.Context) {
	if open := p.open(); open != "" {
		p.trouble("still open: %s", open)
		return
	}
	conf := ""
	var of *Machine
	p.mu.Lock()
	for _, m := range p.all {
		if m.pve != nil && m.corosync == nil && m.File(cluster.ConfPath) == "" && m.Published() != "" {
			p.Trouble(fmt.Sprintf("%s is in no cluster, and has its corosync.conf in /etc/pve", m.name))
		}
	}
	for _, m := range p.all {
		text := m.File(cluster.ConfPath)
		if text == "" || slices.Contains(p.sc.Dead, m.name) || p.owed(m) {
			continue
		}
		if conf == "" {
			conf, of = text, m
		}
		if text != conf {
			p.Trouble(fmt.Sprintf("%s (version %d) and %s (version %d) have different files", of.name, p.config(conf).version(), m.name, p.config(text).version()))
		}
	}
	planned := slices.IndexFunc(p.after, func(text string) bool { return bare(text) == bare(conf) })
	switch {
	case bare(conf) == bare(p.before):
		p.asBefore()
	case planned >= 0:
		p.asPlanned(p.config(p.after[planned]))
	default:
		p.Trouble("the file is neither that from before nor the planned one")
	}
	p.oneKey(p.config(conf))
	p.oneDatacenter()
	p.mu.Unlock()
	if conf == "" || len(p.o.Troubles) > 0 {
		return
	}
	if err := p.start(ctx, of.name); err != nil {
		p.trouble("start --all: %v", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.all {
		if c := m.corosync; c != nil && c.key != m.File(cluster.KeyPath) {
			p.Trouble(m.name + " runs with another key than it has")
		}
	}
}

// oneKey checks that all nodes have the same key, and the new one when the change
// was carried out.
func (p *player) oneKey(conf *config) {
	keys := map[string]bool{}
	for _, m := range p.all {
		if _, listed := conf.node(m.name); listed && !slices.Contains(p.sc.Dead, m.name) && !p.owed(m) {
			keys[m.File(cluster.KeyPath)] = true
		}
	}
	switch old, is := keys[string(clusterKey)], keys[string(newKey)]; {
	case len(keys) > 1 || conf.text != "" && old == is:
		p.Trouble("the nodes have different keys, or none that was given")
	case p.rekeys && p.done && len(p.after) == 1 && old:
		p.Trouble("the nodes have the old key still")
	case p.undone && len(p.after) == 1 && is:
		p.Trouble("the nodes have the new key, although all was taken back")
	}
}

// oneDatacenter checks that all members have the same datacenter.cfg: the planned one
// when the change was carried out, and as before none when it was taken back.
func (p *player) oneDatacenter() {
	var first *Machine
	for _, m := range p.all {
		if m.corosync == nil || m.pve == nil {
			continue
		}
		first = cmp.Or(first, m)
		switch text, alone := m.Shared("datacenter.cfg"), len(p.after) == 1; {
		case text != first.Shared("datacenter.cfg"):
			p.Trouble(m.name + " has another datacenter.cfg than " + first.name)
		case text != "" && !slices.Contains(p.shared, text):
			p.Trouble(m.name + " has a datacenter.cfg that was not planned")
		case alone && p.done && text != p.shared[0] || alone && p.undone && text != "":
			p.Trouble(fmt.Sprintf("%s has the datacenter.cfg %q", m.name, text))
		}
	}
}

// owed tells whether a machine may be behind: it was away when a command was
// planned and carried out in spite of it.
func (p *player) owed(m *Machine) bool {
	return m.corosync == nil && p.missed[m] && slices.ContainsFunc(p.all, func(o *Machine) bool {
		return o.corosync != nil && o.File(cluster.ConfPath) != m.File(cluster.ConfPath)
	})
}

// asBefore checks the machines of an operation that was taken back.
func (p *player) asBefore() {
	for i, m := range p.all {
		member := i < p.sc.Members
		if p.owed(m) {
			continue
		}
		if _, has := m.disk.read(cluster.KeyPath); has != member {
			p.Trouble(fmt.Sprintf("%s has a key: %v, but it was not so before", m.name, has))
		}
		if !member && (m.corosync != nil || m.units["corosync"].enabled) {
			p.Trouble(fmt.Sprintf("corosync is %s on %s, and enabled: %v; it was neither", m.units["corosync"].active, m.name, m.units["corosync"].enabled))
		}
		if member && !m.units["corosync"].enabled {
			p.Trouble(fmt.Sprintf("corosync is not enabled on %s any more", m.name))
		}
		p.kept(m)
	}
}

// asPlanned checks the machines of an operation that was carried out.
func (p *player) asPlanned(after *config) {
	for i, m := range p.all {
		_, listed := after.node(m.name)
		if slices.Contains(p.sc.Dead, m.name) || p.owed(m) {
			continue
		}
		key, _ := m.disk.read(cluster.KeyPath)
		switch u := m.units["corosync"]; {
		case listed && !u.enabled:
			p.Trouble(fmt.Sprintf("%s is listed, but corosync is not enabled", m.name))
		case !listed && i < p.sc.Members && (key != "" || u.enabled || m.corosync != nil || m.File(cluster.ConfPath) != ""):
			p.Trouble(fmt.Sprintf("%s was taken out, but could come back", m.name))
		case !listed && i < p.sc.Members && m.File(cluster.KeyPath+".bak") != string(clusterKey):
			p.Trouble(fmt.Sprintf("the key of %s is not kept aside", m.name))
		}
		p.kept(m)
	}
}

// kept checks that what a member's file was before is beside it when it is not
// in it.
func (p *player) kept(m *Machine) {
	i := slices.Index(p.all, m)
	if i >= p.sc.Members || p.synced || m.name == cmp.Or(p.sc.Ahead, p.sc.Down) || slices.Contains(p.sc.Dead, m.name) || m.File(cluster.ConfPath) == p.before || m.pve != nil && m.pve.copied {
		return
	}
	if bak := m.File(cluster.ConfPath + ".bak"); bare(bak) != bare(p.before) && m.File(cluster.ConfPath) != "" {
		p.Trouble(fmt.Sprintf("the file of %s from before is not in corosync.conf.bak: that is version %d", m.name, p.config(bak).version()))
	}
}

// start starts what does not run, with clusterctl, and has status look.
func (p *player) start(ctx context.Context, from string) error {
	conn := &cluster.Connector{Connect: p.Admin(50).Connect}
	view, nodes, err := conn.Look(ctx, targets(from))
	if err != nil {
		return err
	}
	defer func() { cluster.CloseAll(nodes) }()
	var spec cluster.ServiceSpec
	behind := slices.DeleteFunc(slices.Clone(p.all), func(m *Machine) bool { return !p.owed(m) })
	for _, n := range view.Nodes {
		if n.Conf != nil && !slices.Contains(p.sc.Dead, n.Name) && !slices.Contains(behind, p.Machine(n.Name)) {
			spec.Nodes = append(spec.Nodes, n.Name)
		}
	}
	plan, err := cluster.PlanStart(spec, view)
	if err != nil {
		return err
	}
	hurry(plan)
	if len(plan.Steps) > 0 {
		plan.Command = "clusterctl start --all"
		if err := executor(p.Admin(51), conn).Run(ctx, plan, nodes); err != nil {
			return err
		}
		cluster.CloseAll(nodes)
		if view, nodes, err = conn.Look(ctx, targets(from)); err != nil {
			return err
		}
	}
	if p.sc.PVE { // what could not be put into /etc/pve while the cluster was not quorate
		cluster.CloseAll(nodes)
		var sync *cluster.Plan
		if sync, nodes, err = Sync("")(ctx, conn); err != nil {
			return err
		}
		hurry(sync)
		if err := executor(p.Admin(52), conn).Run(ctx, sync, nodes); err != nil {
			return err
		}
		cluster.CloseAll(nodes)
		if view, nodes, err = conn.Look(ctx, targets(from)); err != nil {
			return err
		}
	}
	var problems []error
	for _, pr := range cluster.NewStatus(view).Problems {
		if pr.Code == cluster.CodeKeyOwed && !p.done { // a new key is yet to come
			continue
		}
		if pr.Code == cluster.CodeExpected && !p.done { // word of before may overtake the last reload; the next one settles it
			continue
		}
		m := p.Machine(pr.Node)
		if behind := slices.Contains(behind, m); behind && (pr.Code == cluster.CodeInactive || p.owed(m)) { // and is not started by this
			continue
		}
		if !slices.Contains(p.sc.Dead, pr.Node) {
			problems = append(problems, errors.New(pr.String()))
		}
	}
	return errors.Join(problems...)
}
