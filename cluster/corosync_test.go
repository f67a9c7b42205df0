package cluster_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
	"clusterctl/quorum"
)

// What of corosync the plans depend on, written down apart from the planner's
// own arithmetic. Rules from exec/votequorum.c and exec/cmap.c of corosync 3.1.

func hashOf(files map[string]string, path string) string {
	text, ok := files[path]
	if !ok {
		return cluster.Absent
	}
	return cluster.Hash([]byte(text))
}

func parsed(text string) corosyncconf.Config {
	f, _ := corosyncconf.Parse("", []byte(text))
	return f.Config()
}

// identity finds a machine in a nodelist.
func identity(b *box, c corosyncconf.Config) (corosyncconf.Node, bool) {
	i := slices.IndexFunc(c.Nodes, func(n corosyncconf.Node) bool { return n.Name == b.name })
	if i < 0 {
		return corosyncconf.Node{}, false
	}
	return c.Nodes[i], true
}

// start starts a unit. A corosync that joins others with a lower version than
// theirs exits at once, as its first sync makes it.
func (w *world) start(b *box, unit string) {
	b.active[unit] = true
	if unit != "corosync" {
		return
	}
	b.running = b.files[cluster.ConfPath]
	for _, other := range w.together(b) {
		if other != b && parsed(other.running).Totem.ConfigVersion > parsed(b.running).Totem.ConfigVersion {
			delete(b.active, unit)
		}
	}
	w.look()
}

// together lists who is in a membership with b, b included: those that run and
// list each other.
func (w *world) together(b *box) []*box {
	var all []*box
	for _, name := range slices.Sorted(maps.Keys(w.machines)) {
		other := w.machines[name]
		if !other.active["corosync"] {
			continue
		}
		mine, theirs := parsed(b.running), parsed(other.running)
		_, listed := identity(other, mine)
		_, lists := identity(b, theirs)
		if other == b || listed && lists && mine.Totem.ClusterName == theirs.Totem.ClusterName {
			all = append(all, other)
		}
	}
	return all
}

// reload has every running machine read its own file. Each does so at once, and
// hears of the others' votes and expected votes a moment later and in any
// order: in between, whoever is quorate must stay so with what is old of all
// others, and also with what is fewest and most of all.
func (w *world) reload() {
	old := map[*box]string{}
	for _, b := range w.machines {
		old[b] = b.running
	}
	for _, b := range w.machines {
		if b.active["corosync"] {
			b.running = b.files[cluster.ConfPath]
		}
	}
	for _, b := range w.machines {
		if !b.active["corosync"] {
			continue
		}
		mine := parsed(b.running)
		own, listed := identity(b, mine)
		if !listed {
			continue
		}
		stale, least, expected := own.Votes, own.Votes, mine.ExpectedVotes()
		members := w.together(b)
		for _, other := range members {
			if other == b {
				continue
			}
			was, is := parsed(old[other]), parsed(other.running)
			before := votesOf(other, was)
			after, _ := identity(other, is)
			stale += before
			least += min(before, after.Votes)
			expected = max(expected, was.ExpectedVotes(), is.ExpectedVotes())
		}
		needed := needs(expected, stale, len(members), mine.Quorum.TwoNode)
		if stale < needed {
			w.trouble("%s has %d of %d votes right after a reload", b.name, stale, expected)
		}
		if needed = needs(expected, least, len(members), mine.Quorum.TwoNode); least < needed {
			w.trouble("%s may count %d of %d votes while a reload is under way", b.name, least, expected)
		}
	}
	for _, b := range w.machines {
		b.votes = nil
	}
	w.look()
}

// give gives a member votes until the next reload.
func (w *world) give(id uint32, text string) {
	for _, b := range w.machines {
		if n, ok := identity(b, parsed(b.running)); ok && n.ID == id && b.active["corosync"] {
			votes, err := strconv.Atoi(text)
			if err != nil {
				panic(err)
			}
			b.votes = &votes
		}
	}
	w.look()
}

// votesOf is what a machine counts for by the configuration c.
func votesOf(b *box, c corosyncconf.Config) int {
	n, _ := identity(b, c)
	if b.votes != nil {
		return *b.votes
	}
	return n.Votes
}

// needs is calculate_quorum.
func needs(expected, total, nodes int, twoNode bool) int {
	if twoNode && nodes <= 2 {
		return 1
	}
	return max((expected+2)/2, (total+2)/2)
}

// look watches whether all that run are quorate.
func (w *world) look() {
	for _, b := range w.machines {
		if r := w.runtime(b); r != nil && !r.Quorum.Quorate && parsed(b.running).ExpectedVotes() > 0 {
			w.trouble("%s is not quorate: %d of %d votes", b.name, r.Quorum.Total, r.Quorum.Expected)
		}
	}
}

func (w *world) trouble(format string, args ...any) {
	if w.watch != nil {
		w.watch(fmt.Sprintf(format, args...))
	}
}

func (w *world) runtime(b *box) *cluster.Runtime {
	if !b.active["corosync"] {
		return nil
	}
	conf := parsed(b.running)
	members := w.together(b)
	r := &cluster.Runtime{Cmap: quorum.Cmap{
		"totem.config_version": {Type: "u64", Text: fmt.Sprint(conf.Totem.ConfigVersion)},
		"config.reload_status": {Type: "i32", Text: "1"},
	}}
	q := &r.Quorum
	q.Provider, q.Expected = "corosync_votequorum", conf.ExpectedVotes()
	links := map[int]*quorum.Link{}
	for _, n := range conf.Links() {
		links[n] = &quorum.Link{Number: n}
	}
	for _, other := range members {
		theirs := parsed(other.running)
		self, _ := identity(other, theirs)
		id := self.ID
		if other.id != 0 {
			id = other.id
		}
		votes := votesOf(other, theirs)
		q.Members = append(q.Members, quorum.Member{NodeID: id, Votes: votes, Local: other == b})
		q.Total += votes
		q.Expected = max(q.Expected, theirs.ExpectedVotes())
		r.Cmap[fmt.Sprintf("runtime.members.%d.config_version", id)] = quorum.Value{Type: "u64", Text: fmt.Sprint(theirs.Totem.ConfigVersion)}
		r.Cmap[fmt.Sprintf("runtime.members.%d.status", id)] = quorum.Value{Type: "str", Text: "joined"}
		for _, l := range links {
			l.Peers = append(l.Peers, quorum.Peer{NodeID: id, State: quorum.Connected})
		}
	}
	for _, n := range slices.Sorted(maps.Keys(links)) {
		r.Links.Links = append(r.Links.Links, *links[n])
	}
	q.Expected = max(q.Expected, q.Total)
	q.Nodes, q.Highest = len(members), q.Expected
	q.Quorum = needs(q.Expected, q.Total, len(members), conf.Quorum.TwoNode)
	q.Quorate = q.Total >= q.Quorum
	return r
}
