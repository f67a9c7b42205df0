package sim

import (
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"clusterctl/cluster"
)

const (
	opDir   = cluster.JournalDir + "/op"
	doneDir = cluster.JournalDir + "/done"
	idsPath = cluster.JournalDir + "/ids"
)

// errKilled unwinds a script whose machine or time is up.
var errKilled = errors.New("killed")

// shell runs a script on a machine, as cluster/script has them: one small step
// after the other, before each of which something may go wrong.
type shell struct {
	s        *session
	m        *Machine
	w        *World
	call     *call
	began    time.Duration
	yield    func(time.Duration) bool
	stop     func()
	inside   bool
	dead     bool
	finished bool
	out      any
	err      error
	entry    *entry
	nodes    []string // that do the same step, going forward
}

// exec runs a script; done is told its end, unless it is killed.
func (s *session) exec(c *call, limit time.Duration, do func(*shell) (any, error), done func(any, error)) {
	sh := &shell{s: s, m: s.m, w: s.m.w, call: c, began: s.m.w.now}
	s.script = sh
	next, stop := iter.Pull(func(yield func(time.Duration) bool) {
		sh.yield = yield
		defer func() {
			if r := recover(); r != nil && r != any(errKilled) {
				panic(r)
			}
		}()
		sh.out, sh.err = do(sh)
		sh.finished = true
	})
	sh.stop = stop
	over := func(out any, err error) {
		s.script = nil
		if s.ended {
			s.end()
		}
		done(out, err)
	}
	var step func()
	step = func() {
		if sh.dead {
			return
		}
		sh.inside = true
		d, more := next()
		sh.inside = false
		switch {
		case sh.finished:
			over(sh.out, sh.err)
		case sh.dead || !more:
			stop()
		default:
			sh.w.after(d, step)
		}
	}
	if limit > 0 && !sh.w.bubble.IsZero() {
		sh.w.after(limit, func() {
			if s.script == sh {
				sh.kill()
				over(nil, errors.New("it took too long and was ended"))
			}
		})
	}
	step()
}

// kill ends the script where it is.
func (sh *shell) kill() {
	sh.dead = true
	if !sh.inside {
		sh.stop()
	}
}

// at is a point at which something may go wrong, then a step that takes a while.
func (sh *shell) at(least, most time.Duration) error {
	err := sh.w.point(sh.call, sh)
	if sh.dead {
		panic(errKilled)
	}
	if err != nil {
		return err
	}
	sh.pause(sh.w.between(least, most))
	return nil
}

func (sh *shell) pause(d time.Duration) {
	if !sh.yield(d) || sh.dead {
		panic(errKilled)
	}
}

// quick is a step that takes next to no time.
func (sh *shell) quick() error { return sh.at(20*time.Microsecond, 200*time.Microsecond) }

func (sh *shell) write(name, data string, mode uint32) error {
	if err := sh.quick(); err != nil {
		return err
	}
	if err := sh.m.disk.write(name, data, mode); err != nil {
		return err
	}
	sh.w.wrote(sh.m, name)
	return nil
}

func (sh *shell) chmod(name string, mode uint32) error {
	if sh.w.Broken[OpenKey] {
		mode = 0o644
	}
	sh.m.disk.files[name].mode = mode
	sh.w.wrote(sh.m, name)
	return nil
}

func (sh *shell) sync(name string) error {
	if err := sh.at(200*time.Microsecond, 4*time.Millisecond); err != nil {
		return err
	}
	if !sh.w.Broken[NoFileSync] {
		sh.m.disk.sync(name)
	}
	return nil
}

func (sh *shell) syncDir(dir string) error {
	if err := sh.at(200*time.Microsecond, 4*time.Millisecond); err != nil {
		return err
	}
	if !sh.w.Broken[NoFolderSync] {
		sh.m.disk.syncDir(dir)
	}
	return nil
}

func (sh *shell) rename(from, to string) error {
	if err := sh.quick(); err != nil {
		return err
	}
	if sh.m.disk.files[from] == nil {
		return fmt.Errorf("mv: cannot stat '%s'", from)
	}
	sh.m.disk.rename(from, to)
	sh.w.wrote(sh.m, to)
	sh.w.wrote(sh.m, from)
	return nil
}

func (sh *shell) remove(name string) error {
	if sh.m.disk.files[name] == nil {
		return nil
	}
	if err := sh.quick(); err != nil {
		return err
	}
	sh.m.disk.remove(name)
	sh.w.wrote(sh.m, name)
	return nil
}

// entry is an operation in a machine's journal.
type entry struct {
	id      string
	log     *inode
	linked  bool // the log's name is on the platter
	reserve bool // room for the log on a full disk
	synced  bool
	torn    bool // lost in a crash
	blobs   map[string][]byte
	before  map[string]*inode
	units   map[string]unit
}

func (e *entry) crash(choose interface{ IntN(int) int }) {
	if !e.synced && choose.IntN(2) == 0 {
		e.torn, e.blobs, e.before, e.units = true, nil, nil, nil
	}
	if !e.linked && choose.IntN(2) == 0 {
		e.log = &inode{}
	}
	if e.log.dirty() {
		e.log.data = e.log.data[:len(e.log.saved)+choose.IntN(len(e.log.data)-len(e.log.saved)+1)]
		e.log.saved = e.log.data
	}
	e.linked = true
}

// notes reads the log; a line without its end is none.
func (e *entry) notes() []cluster.Note {
	var notes []cluster.Note
	for line := range strings.Lines(e.log.data) {
		if !strings.HasSuffix(line, "\n") {
			break
		}
		if f := strings.Fields(line); len(f) == 1 {
			notes = append(notes, cluster.Note{Phase: cluster.Phase(f[0])})
		} else if len(f) == 2 {
			notes = append(notes, cluster.Note{Phase: cluster.Phase(f[0]), Step: f[1]})
		}
	}
	return notes
}

func (e *entry) over() bool { return (cluster.Entry{Log: e.notes()}).Ended() != "" }

// read is the entry as it is read from the journal: without blobs.
func (e *entry) read(w *World) *cluster.Entry {
	if e.torn {
		return &cluster.Entry{ID: e.id, Log: e.notes()}
	}
	entry := *w.entries[e.id]
	plan := *entry.Plan
	entry.Plan, entry.Log = &plan, e.notes()
	return &entry
}

func (m *Machine) op(id string) *entry {
	if i := m.disk.files[opDir+"/"+id]; i != nil {
		return i.entry
	}
	return nil
}

// note is `note`: one line in the log, on the disk when this returns.
func (sh *shell) note(e *entry, words string) error {
	if err := sh.quick(); err != nil {
		return err
	}
	if sh.w.Broken[NoJournal] {
		return nil
	}
	if sh.m.disk.full {
		if !e.reserve {
			return errFull
		}
		e.reserve = false
	}
	if e.log == nil {
		e.log = &inode{}
	}
	if n := len(e.log.data); n > 0 && e.log.data[n-1] != '\n' {
		e.log.data += "\n"
	}
	e.log.data += words + "\n"
	if err := sh.at(200*time.Microsecond, 4*time.Millisecond); err != nil {
		return err
	}
	if !sh.w.Broken[NoJournalSync] {
		e.log.saved = e.log.data
	}
	return nil
}

// begin is `begin`.
func (sh *shell) begin(x cluster.Entry, blobs map[string][]byte, paths, units []string, ended map[string]cluster.Phase) error {
	d := sh.m.disk
	for _, id := range sortedKeys(ended) {
		if e := sh.m.op(id); e != nil && len(e.log.data) > 0 && !e.over() {
			if err := sh.note(e, string(ended[id])); err != nil {
				return err
			}
		}
	}
	for _, name := range sortedKeys(d.files) {
		e := d.files[name].entry
		if e == nil || !strings.HasPrefix(name, opDir) {
			continue
		}
		if e.id == x.ID {
			return nil
		}
		if len(e.log.data) > 0 && !e.over() {
			return &cluster.UnfinishedError{ID: e.id}
		}
		if err := sh.retire(e.id); err != nil {
			return err
		}
	}
	if sh.m.Fail != nil {
		if err := sh.m.Fail(cluster.Note{}, cluster.Op{}); err != nil {
			return err
		}
	}
	if err := sh.at(time.Millisecond, 5*time.Millisecond); err != nil {
		return err
	}
	if d.full {
		return errFull
	}
	e := &entry{id: x.ID, log: &inode{}, reserve: true, blobs: blobs, before: map[string]*inode{}, units: map[string]unit{}}
	for _, p := range paths {
		for _, name := range []string{p, p + ".new", p + ".bak"} {
			if i := d.files[name]; i != nil {
				was := *i
				e.before[name] = &was
			}
		}
	}
	for _, u := range units {
		e.units[u] = *sh.m.units[u]
	}
	if err := sh.at(time.Millisecond, 10*time.Millisecond); err != nil {
		return err
	}
	if !sh.w.Broken[NoJournalSync] {
		e.synced, e.linked = true, true
	}
	if err := sh.quick(); err != nil {
		return err
	}
	sh.w.remember(x)
	d.link("", opDir+"/"+x.ID, &inode{entry: e})
	return sh.syncDir(opDir)
}

// retire is `retire`.
func (sh *shell) retire(id string) error {
	e := sh.m.op(id)
	if e == nil {
		return nil
	}
	if len(e.log.data) > 0 && !e.over() {
		return fmt.Errorf("operation %s is not over", id)
	}
	if err := sh.quick(); err != nil {
		return err
	}
	e.blobs, e.reserve = nil, false
	sh.m.disk.rename(opDir+"/"+id, doneDir+"/"+id)
	return sh.syncDir(opDir)
}

// step is `step`.
func (sh *shell) step(id string, note cluster.Note, ops []cluster.Op) error {
	e := sh.m.op(id)
	if e == nil || e.torn {
		if i := sh.m.disk.files[doneDir+"/"+id]; i != nil && len(i.entry.log.data) > 0 {
			return cluster.ErrOver
		}
		if e == nil && note.Phase == cluster.Undoing {
			return nil
		}
		return fmt.Errorf("operation %s is not in the journal", id)
	}
	for _, n := range e.notes() {
		if note.Phase == cluster.Doing && n.Phase != cluster.Doing && n.Phase != cluster.Did {
			return cluster.ErrOver
		}
	}
	sh.entry = e
	for _, s := range sh.w.entries[id].Plan.Steps {
		if note == (cluster.Note{Phase: cluster.Doing, Step: s.ID}) {
			sh.nodes = s.Do.Nodes
		}
	}
	if err := sh.note(e, note.String()); err != nil {
		return err
	}
	for _, op := range ops {
		if sh.m.Fail != nil {
			if err := sh.m.Fail(note, op); err != nil {
				return err
			}
		}
		if err := sh.do(op); err != nil {
			return err
		}
	}
	after := cluster.Did
	if note.Phase == cluster.Undoing {
		after = cluster.Undid
	}
	return sh.note(e, cluster.Note{Phase: after, Step: note.Step}.String())
}

func (sh *shell) digest(name string) string {
	if text, ok := sh.m.disk.read(name); ok {
		return cluster.Hash([]byte(text))
	}
	return cluster.Absent
}

func (sh *shell) unchanged(name, base string) error {
	if base == "" || sh.digest(name) == base {
		return nil
	}
	return fmt.Errorf("%s was changed by someone else meanwhile", name)
}

func (sh *shell) blob(hash string) (string, error) {
	b, ok := sh.entry.blobs[hash]
	if !ok {
		return "", fmt.Errorf("cp: cannot stat 'blobs/%s'", hash)
	}
	return string(b), nil
}

// all does what is to be done in order, up to the first that fails.
func all(steps ...func() error) error {
	for _, s := range steps {
		if err := s(); err != nil {
			return err
		}
	}
	return nil
}

// install is `install_file`.
func (sh *shell) install(hash, name, mode string) error {
	text, err := sh.blob(hash)
	if err != nil {
		return err
	}
	return all(
		func() error { return sh.write(name+".tmp", text, 0o600) },
		func() error { return sh.chmod(name+".tmp", octal(mode)) },
		func() error { return sh.sync(name + ".tmp") },
		func() error { return sh.rename(name+".tmp", name) },
		func() error { return sh.syncDir(path.Dir(name)) },
	)
}

func octal(mode string) uint32 {
	m, _ := strconv.ParseUint(mode, 8, 32)
	return uint32(m)
}

// keep is `keep`.
func (sh *shell) keep(name string) error {
	was := sh.entry.before[name]
	if was == nil || sh.w.Broken[NoBackup] {
		return nil
	}
	return sh.copyBack(was, name+".bak")
}

// copyBack is `cp -a`, sync and mv of what was there before.
func (sh *shell) copyBack(was *inode, name string) error {
	return all(
		func() error { return sh.write(name+".tmp", was.data, was.mode) },
		func() error { return sh.sync(name + ".tmp") },
		func() error { return sh.rename(name+".tmp", name) },
	)
}

// check is `corosync -t`.
func (sh *shell) check(name string) error {
	if err := sh.at(5*time.Millisecond, 20*time.Millisecond); err != nil {
		return err
	}
	text, _ := sh.m.disk.read(name)
	if why := sh.m.refuses(sh.w.config(text)); why != "" && !sh.w.Broken[NoTest] {
		return fmt.Errorf("corosync -t refuses the new configuration: %s", why)
	}
	return nil
}

// do is one of the functions op_....
func (sh *shell) do(o cluster.Op) error {
	d, m := sh.m.disk, sh.m
	dir := path.Dir(o.Path)
	switch o.Kind {
	case cluster.OpPut:
		if sh.digest(o.Path) == o.Blob {
			return all(func() error { return sh.chmod(o.Path, octal(o.Mode)) }, func() error { return sh.syncDir(dir) })
		}
		return all(func() error { return sh.unchanged(o.Path, o.Base) }, func() error { return sh.keep(o.Path) },
			func() error { return sh.install(o.Blob, o.Path, o.Mode) })
	case cluster.OpStage:
		if sh.digest(o.Path) == o.Blob {
			return nil
		}
		return all(func() error { return sh.unchanged(o.Path, o.Base) }, func() error { return sh.install(o.Blob, o.Path+".new", o.Mode) },
			func() error { return sh.check(o.Path + ".new") })
	case cluster.OpWrite:
		if sh.digest(o.Path) == o.Blob {
			return nil
		}
		return all(func() error { return sh.unchanged(o.Path, o.Base) }, func() error { return sh.install(o.Blob, o.Path+".new", o.Mode) })
	case cluster.OpRekey:
		return sh.quick()
	case cluster.OpReread:
		return sh.reread(o)
	case cluster.OpOwe:
		return all(func() error { return sh.write(o.Path+".tmp", o.Blob+"\n"+o.Name+"\n", 0o600) }, func() error { return sh.sync(o.Path + ".tmp") },
			func() error { return sh.rename(o.Path+".tmp", o.Path) }, func() error { return sh.syncDir(dir) })
	case cluster.OpTest:
		if o.Blob == "" {
			return sh.check(o.Path)
		}
		return all(func() error { return sh.install(o.Blob, o.Path+".new", "0644") }, func() error { return sh.check(o.Path + ".new") },
			func() error { return sh.remove(o.Path + ".new") })
	case cluster.OpUnstage:
		return sh.remove(o.Path + ".new")
	case cluster.OpSwap:
		if sh.digest(o.Path) == o.Blob {
			return sh.syncDir(dir)
		}
		if err := sh.unchanged(o.Path, o.Base); err != nil {
			return err
		}
		if sh.digest(o.Path+".new") != o.Blob {
			return fmt.Errorf("%s.new is not what was staged", o.Path)
		}
		return all(func() error { return sh.keep(o.Path) }, func() error { return sh.rename(o.Path+".new", o.Path) },
			func() error { return sh.syncDir(dir) })
	case cluster.OpUnswap:
		if err := sh.remove(o.Path + ".new"); err != nil || sh.digest(o.Path) != o.Base {
			return err
		}
		if was := sh.entry.before[o.Path]; o.Blob == "" || was != nil && cluster.Hash([]byte(was.data)) == o.Blob {
			return sh.restore(o.Path)
		}
		return sh.install(o.Blob, o.Path, "0644")
	case cluster.OpAside:
		if d.files[o.Path] == nil {
			return nil
		}
		return all(func() error { return sh.rename(o.Path, o.Path+".bak") }, func() error { return sh.syncDir(dir) })
	case cluster.OpRestore:
		if o.Unit != "" && sh.entry.units[o.Unit].active != "active" && m.Active(o.Unit) {
			return nil
		}
		return sh.restore(o.Path)
	case cluster.OpStart:
		return sh.start(o.Unit)
	case cluster.OpStop:
		if o.Name == "off" {
			return all(func() error { return sh.enable(o.Unit, false) }, func() error { return sh.stopUnit(o.Unit) })
		}
		return sh.stopUnit(o.Unit)
	case cluster.OpEnable:
		return sh.enable(o.Unit, true)
	case cluster.OpDisable:
		return sh.enable(o.Unit, false)
	case cluster.OpBoot:
		return sh.boot(o.Unit)
	case cluster.OpReset:
		if err := sh.boot(o.Unit); err != nil {
			return err
		}
		if was, ok := sh.entry.units[o.Unit]; !ok {
			return nil
		} else if was.active != "active" {
			return sh.stopUnit(o.Unit)
		}
		if m.units[o.Unit].active == "active" {
			return nil
		}
		return sh.start(o.Unit)
	case cluster.OpAgain:
		if o.Name != "" && !slices.Contains(sh.entry.notes(), cluster.Note{Phase: cluster.Doing, Step: o.Name}) {
			return nil
		}
		return all(func() error { return sh.stopUnit(o.Unit) }, func() error { return sh.start(o.Unit) })
	case cluster.OpRevive:
		if sh.entry.units[o.Unit].active != "active" || m.units[o.Unit].active == "active" {
			return nil
		}
		return sh.start(o.Unit)
	case cluster.OpReload:
		return sh.reload()
	case cluster.OpVotes:
		votes, _ := strconv.Atoi(o.Name)
		if err := sh.at(time.Millisecond, 10*time.Millisecond); err != nil {
			return err
		}
		if m.corosync != nil {
			m.corosync.setVotes(o.N, votes)
		}
		return nil
	case cluster.OpExpect:
		if err := sh.at(time.Millisecond, 10*time.Millisecond); err != nil {
			return err
		}
		if m.corosync == nil {
			return errors.New("corosync-quorumtool -e: Cannot initialize QUORUM service")
		}
		return m.corosync.setExpected(int(o.N))
	case cluster.OpIDs:
		return sh.ids(o.Name, o.N, o.Version)
	case cluster.OpForget:
		return sh.forget(o.N)
	case cluster.OpOnline:
		return sh.quick()
	case cluster.OpPublish:
		return sh.publish(o)
	case cluster.OpShare:
		return sh.share(o)
	case cluster.OpPmxcfs:
		return sh.pmxcfs(o)
	case cluster.OpWritable:
		for range 30 {
			if m.writable() {
				return nil
			}
			if err := sh.at(900*time.Millisecond, time.Second); err != nil {
				return err
			}
		}
		return errors.New("/etc/pve cannot be written after half a minute")
	case cluster.OpQuiet:
		for waited := time.Duration(0); o.Unit == "pve-ha-lrm" && m.Armed() && !m.writable(); waited += time.Second {
			if waited == time.Minute { // the watchdog does not wait for five
				m.Crash()
				sh.w.after(20*time.Second, m.Boot)
			}
			sh.pause(time.Second)
		}
		return sh.stopUnit(o.Unit)
	case cluster.OpRouse:
		return sh.rouse(o.Unit)
	case cluster.OpDisarmed:
		if m.Armed() {
			return errors.New("its watchdog is held, and would reset it")
		}
		return sh.quick()
	case cluster.OpPurge:
		return sh.purge(o.Name)
	case cluster.OpReach:
		return sh.reach(strings.Fields(o.Name))
	}
	return fmt.Errorf("op_%s: command not found", o.Kind)
}

// reach is `op_reach`: a machine has its number in all of its addresses.
func (sh *shell) reach(addrs []string) error {
	for _, addr := range addrs {
		for _, m := range sh.w.all {
			if strings.HasSuffix(addr, fmt.Sprintf(".%d", m.number)) && (!sh.w.linked(sh.m, m) || cut(addr, false, sh.m, m)) {
				return fmt.Errorf("no answer from %s", addr)
			}
		}
	}
	return sh.at(time.Millisecond, 400*time.Millisecond)
}

// restore is `op_restore`.
func (sh *shell) restore(name string) error {
	for _, p := range []string{name, name + ".new", name + ".bak"} {
		if err := sh.remove(p + ".tmp"); err != nil {
			return err
		}
		was, is := sh.entry.before[p], sh.m.disk.files[p]
		var err error
		switch {
		case was == nil:
			err = sh.remove(p)
		case is == nil || is.data != was.data || is.mode != was.mode:
			err = sh.copyBack(was, p)
		}
		if err != nil {
			return err
		}
	}
	return sh.syncDir(path.Dir(name))
}

func (sh *shell) start(name string) error {
	if err := sh.at(100*time.Millisecond, 800*time.Millisecond); err != nil {
		return err
	}
	u := sh.m.units[name]
	if u.active == "active" {
		return nil
	}
	if strings.HasPrefix(name, "pve-ha") {
		u.active = "active"
		sh.m.arm()
		return nil
	}
	if name != "corosync" {
		if sh.m.corosync == nil { // which systemd starts with it
			if err := sh.start("corosync"); err != nil {
				return err
			}
		}
		return sh.m.Start(name)
	}
	sh.w.starting(sh.m)
	if err := sh.m.start(); err != nil {
		return fmt.Errorf("systemctl start %s failed; its journal ends:\n%w", name, err)
	}
	return nil
}

func (sh *shell) stopUnit(name string) error {
	u := sh.m.units[name]
	if u.active != "active" {
		return nil
	}
	asked := sh.w.now
	if err := sh.at(50*time.Millisecond, 400*time.Millisecond); err != nil {
		return err
	}
	if name == "corosync" && sh.m.corosync != nil {
		if sh.m.Armed() {
			sh.w.trouble("corosync is stopped on %s, whose watchdog is held", sh.m.name)
		}
		if sh.m.Active("pacemaker") {
			sh.w.trouble("corosync is stopped on %s before pacemaker", sh.m.name)
		}
		sh.w.stopping(sh.m, asked, sh.nodes)
		sh.m.corosync.exit("inactive")
	}
	u.active = "inactive"
	sh.m.disarm()
	return nil
}

func (sh *shell) enable(name string, on bool) error {
	u := sh.m.units[name]
	if u.enabled == on {
		return nil
	}
	if err := sh.at(50*time.Millisecond, 300*time.Millisecond); err != nil {
		return err
	}
	u.enabled = on
	return nil
}

func (sh *shell) boot(name string) error {
	was, ok := sh.entry.units[name]
	if !ok {
		return nil
	}
	return sh.enable(name, was.enabled)
}

func (sh *shell) reload() error {
	if err := sh.at(time.Millisecond, 10*time.Millisecond); err != nil {
		return err
	}
	c := sh.m.corosync
	if c == nil {
		return errors.New("corosync-cfgtool -R: Could not initialize corosync configuration API error 2")
	}
	for answered := c.reload(sh.began); !answered(); {
		sh.pause(max(1, sh.w.between(time.Millisecond, 10*time.Millisecond))) // without a clock, too, it comes after what was sent
		if !c.alive() {
			return errors.New("corosync-cfgtool -R: Could not reload configuration: CS_ERR_LIBRARY")
		}
	}
	sh.pause(sh.w.between(33*time.Millisecond, 60*time.Millisecond))
	if c.failed != "" {
		return fmt.Errorf("corosync-cfgtool -R: Could not reload configuration: %s", c.failed)
	}
	return nil
}

// reread is `op_reread`: corosync comes to run its file, by a reload that the
// machine with the node id asks for, or, when that does not reach this one, by
// one of its own; then the token has to come round.
func (sh *shell) reread(o cluster.Op) error {
	c := sh.m.corosync
	if c == nil {
		return nil
	}
	for late, end := sh.w.now+2*time.Second, sh.w.now+time.Minute; ; {
		text, _ := sh.m.disk.read(cluster.ConfPath)
		if !c.alive() {
			return nil
		}
		if c.conf.version() == sh.w.config(text).version() && c.failed == "" {
			break
		}
		if sh.w.now >= end {
			return fmt.Errorf("it runs config_version %d, not %d", c.conf.version(), sh.w.config(text).version())
		}
		if c.id == o.N || sh.w.now >= late || sh.w.bubble.IsZero() {
			if err := sh.reload(); err != nil {
				return err
			}
		}
		sh.pause(100 * time.Millisecond)
	}
	if sh.digest(o.Path) != o.Blob {
		return fmt.Errorf("%s was changed by someone else meanwhile", o.Path)
	}
	for _, other := range c.members {
		if other != c && other.alive() && c.reaches(other) && other.key != c.key && other.conf.version() == c.conf.version() {
			return errors.New("no token has come round since it took the key: some member has another one")
		}
	}
	return nil
}

// ids is `op_ids`.
func (sh *shell) ids(name string, highest uint32, version uint64) error {
	used := sh.m.usedIDs()
	if used.Cluster != name {
		used = cluster.UsedIDs{Cluster: name}
	}
	highest, version = max(highest, used.Highest), max(version, used.Version)
	if highest == used.Highest && version == used.Version {
		return nil
	}
	return all(
		func() error {
			return sh.write(idsPath+".tmp", fmt.Sprintf("%s\n%d\n%d\n", name, highest, version), 0o600)
		},
		func() error { return sh.sync(idsPath + ".tmp") },
		func() error { return sh.rename(idsPath+".tmp", idsPath) },
		func() error { return sh.syncDir(cluster.JournalDir) },
	)
}

func (m *Machine) usedIDs() cluster.UsedIDs {
	var used cluster.UsedIDs
	text, _ := m.disk.read(idsPath)
	if n, _ := fmt.Sscanf(text, "%s\n%d\n%d\n", &used.Cluster, &used.Highest, &used.Version); n < 3 {
		return cluster.UsedIDs{}
	}
	return used
}
