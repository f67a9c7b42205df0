package sim

import (
	"errors"
	"fmt"
	"time"
)

// FaultKind is a way for things to go wrong.
type FaultKind string

// The kinds of faults. Kill, Interrupt, Freeze and Split befall the admin whose
// call it is, the others the machine.
const (
	Kill      FaultKind = "kill"      // kill -9 of clusterctl
	Interrupt FaultKind = "interrupt" // Ctrl-C
	Freeze    FaultKind = "freeze"    // nothing comes from the admin's machine for a while
	Cut       FaultKind = "cut"       // the connection is reset
	Drop      FaultKind = "drop"      // no packets between admins and the machine for a while; the cluster has it
	Crash     FaultKind = "crash"     // a power cut; it boots after a while
	Die       FaultKind = "die"       // a power cut; it stays away until all is mended
	Halt      FaultKind = "halt"      // corosync is killed
	Isolate   FaultKind = "isolate"   // its cluster networks are cut for a while; admins reach it
	Split     FaultKind = "split"     // it is alone with the admin on one side of the network for a while
	Unplug    FaultKind = "unplug"    // its interface in the first network is cut for a while
	UnplugOut FaultKind = "unplugout" // its interfaces in the others are
	Full      FaultKind = "full"      // its disk is full for a while
	Fail      FaultKind = "fail"      // what is being done fails
	Hang      FaultKind = "hang"      // what is being done takes longer than anyone waits
	Rival     FaultKind = "rival"     // another admin does the same now
)

// FaultKinds lists all kinds.
func FaultKinds() []FaultKind {
	return []FaultKind{Kill, Interrupt, Freeze, Cut, Drop, Crash, Die, Halt, Isolate, Split, Unplug, UnplugOut, Full, Fail, Hang, Rival}
}

// Fault is one thing that goes wrong: when the machine handles its call number
// Call, before the small step number Point of it. Point 0 is before the call
// arrives, and one beyond the last step is before its answer leaves.
type Fault struct {
	Kind  FaultKind
	Node  string
	Call  int
	Point int
	For   time.Duration // where it is over by itself

	done bool
}

func (f Fault) String() string {
	return fmt.Sprintf("%s %s %d.%d %s", f.Kind, f.Node, f.Call, f.Point, f.For)
}

// faultsOf lists what is to befall a call.
func (w *World) faultsOf(k *call) []*Fault {
	var found []*Fault
	for _, f := range w.faults {
		if f.Node == k.Node && f.Call == k.N {
			found = append(found, f)
		}
	}
	return found
}

// point is a moment of a call at which faults strike; sh is nil at its ends.
func (w *World) point(k *call, sh *shell) error {
	var err error
	for _, f := range k.fault {
		last := sh == nil && k.Points > 0
		if !f.done && (f.Point == k.Points || last && f.Point > k.Points) {
			f.done = true
			if e := w.strike(f, k, sh); e != nil {
				err = e
			}
		}
	}
	k.Points++
	return err
}

func (w *World) strike(f *Fault, k *call, sh *shell) error {
	m, a := k.c.m, k.c.a
	switch f.Kind {
	case Kill:
		a.Die()
	case Interrupt:
		if a.cancel != nil {
			a.cancel(errors.New("interrupted"))
		}
	case Freeze:
		w.watch.losses++
		a.frozen = w.now + f.For
		for _, m := range w.all {
			w.mute(m)
		}
	case Cut:
		k.c.sever()
	case Drop:
		m.Deaf = true
		w.watch.losses++
		if m.corosync == nil { // it cannot be brought back
			delete(w.watch.fit, m)
			w.parted()
		}
		w.mute(m)
		w.after(f.For, func() { m.Deaf = false })
	case Crash:
		m.Crash()
		w.after(f.For, m.Boot)
	case Die:
		m.Crash()
	case Halt:
		if m.corosync != nil {
			w.lost(m)
			m.Kill()
		}
	case Isolate:
		m.Side(m.number)
		w.after(f.For, func() { m.Side(0) })
	case Split:
		m.Side(m.number)
		for _, o := range w.all {
			if o != m {
				a.barred[o.name] = true
				w.mute(o)
			}
		}
		w.after(f.For, func() {
			m.Side(0)
			clear(a.barred)
		})
	case Unplug, UnplugOut:
		nets := []int{0}
		if f.Kind == UnplugOut {
			nets = []int{1, 2}
		}
		m.Plug(false, nets...)
		w.after(f.For, func() { m.Plug(true, nets...) })
	case Full:
		m.disk.full = true
		w.after(f.For, func() { m.disk.full = false })
	case Fail:
		return errors.New("it broke")
	case Hang:
		if sh != nil {
			sh.pause(f.For)
		}
	case Rival:
		if w.rival != nil {
			w.rival()
		}
	}
	return nil
}

// Mend puts right whatever went wrong: machines are up, networks whole.
func (w *World) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.faults {
		f.done = true // also for a call that is under way
	}
	for _, m := range w.all {
		m.Deaf, m.disk.full = false, false
		m.Side(0)
		for n, nic := range m.nics {
			if nic.cut {
				m.Plug(true, n)
			}
		}
		m.Boot()
	}
}
