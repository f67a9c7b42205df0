package ssh

import "sync/atomic"

// Traffic is what was asked of a host over the network. Unlike times, all of it but the looks is
// the same on every machine.
type Traffic struct {
	Connections int `json:"connections"` // logged in
	Sessions    int `json:"sessions"`    // shells and programs, each a channel of a connection
	RoundTrips  int `json:"round_trips"` // scripts that a shell was given, but for those with Look; a program counts as none
	Looks       int `json:"looks"`       // those with Look: how many depends on how long something takes
}

// Plus is the sum of both.
func (t Traffic) Plus(o Traffic) Traffic {
	return Traffic{t.Connections + o.Connections, t.Sessions + o.Sessions, t.RoundTrips + o.RoundTrips, t.Looks + o.Looks}
}

// traffic is a Traffic that is being counted.
type traffic struct{ connections, sessions, roundTrips, looks atomic.Int64 }

func (t *traffic) count(c Command) {
	if c.Look {
		t.looks.Add(1)
	} else {
		t.roundTrips.Add(1)
	}
}

// Traffic returns what was asked of each host so far, by the name of the target, or the host of a jump.
func (d *Dialer) Traffic() map[string]Traffic {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[string]Traffic{}
	for name, t := range d.traffic {
		all[name] = Traffic{int(t.connections.Load()), int(t.sessions.Load()), int(t.roundTrips.Load()), int(t.looks.Load())}
	}
	return all
}

// trafficOf returns where that of a host is counted.
func (d *Dialer) trafficOf(name string) *traffic {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.traffic[name] == nil {
		d.traffic[name] = &traffic{}
	}
	return d.traffic[name]
}
