package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"clusterctl/quorum"
)

// Polling for a Want begins quickly, since a membership forms within a second,
// and slows down, the more the longer a look takes: looks at a busy machine make
// corosync there late, and a link that is late can cost a whole consensus timeout.
const (
	pollFirst = 20 * time.Millisecond
	pollLast  = 50 * time.Millisecond
	pollSlow  = time.Second      // where looks take long
	pollAll   = time.Second      // until members that wait with another one are asked themselves,
	pollRest  = 8 * time.Second  // ... at last
	softLinks = 10 * time.Second // knet finds a link within a few seconds, if it can
)

// await waits until every member of w that takes part sees what w wants, and
// says what is missing where when the deadline comes.
func (r *run) await(ctx context.Context, w Want) error {
	_, err := r.awaited(ctx, w)
	return err
}

// awaited is await that returns what the members then said of quorum, by name. All are
// asked at once; of those that do not see it yet, one is asked again and again,
// and the others when that one does, or now and then: what comes to one comes to
// all, and each look takes processor time that corosync may need.
func (r *run) awaited(ctx context.Context, w Want) (map[string]*Runtime, error) {
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, w.Deadline)
	defer cancel()
	names := r.names()
	a := &awaiting{run: r, Want: w, began: time.Now(), said: map[string]*Runtime{}, unseen: map[string]string{}}
	left := slices.DeleteFunc(slices.Clone(w.Members), func(m Member) bool {
		return !slices.Contains(names, m.Name) // away since before the operation
	})
	pause := pollFirst
	for every := pollAll; ; every = min(2*every, pollRest) {
		asked := time.Now()
		if err := a.look(ctx, left); err != nil {
			return a.said, err
		}
		pause = max(pause, rest(asked))
		left = slices.DeleteFunc(left, a.sees)
		for began := time.Now(); len(left) > 0; {
			select {
			case <-ctx.Done():
				if whole.Err() == nil { // what most of them said is a while ago
					last, cancel := context.WithTimeout(whole, pollAll)
					err := a.look(last, left)
					cancel()
					if err != nil {
						return a.said, err
					}
					left = slices.DeleteFunc(left, a.sees)
				}
				return a.said, each(left, func(m Member) error {
					n, err := r.node(ctx, m.Name)
					if err != nil {
						return nodeErr(m.Name, err)
					}
					return r.notFormed(n, w, a.unseen[m.Name])
				})
			case <-time.After(pause):
			}
			if time.Since(began) >= every {
				break
			}
			asked := time.Now()
			if err := a.look(ctx, left[:1]); err != nil {
				return a.said, err
			}
			pause = max(min(2*pause, pollLast), rest(asked))
			if a.sees(left[0]) {
				left = left[1:]
				break
			}
		}
		if len(left) == 0 {
			return a.said, nil
		}
	}
}

// rest is how long to wait after a look: most of the time is corosync's.
func rest(asked time.Time) time.Duration { return min(2*time.Since(asked), pollSlow) }

// awaiting is a Want that is waited for.
type awaiting struct {
	*run
	Want
	began time.Time

	mu     sync.Mutex
	said   map[string]*Runtime // by members that see what is wanted
	unseen map[string]string   // what each does not see yet; "": it sees all
}

func (a *awaiting) sees(m Member) bool { return a.unseen[m.Name] == "" }

// look asks members what they see. An error says that it is vain to wait.
func (a *awaiting) look(ctx context.Context, members []Member) error {
	return each(members, func(m Member) error {
		n, err := a.node(ctx, m.Name)
		if err != nil {
			return nodeErr(m.Name, err)
		}
		rt, err := n.Runtime(ctx)
		a.mu.Lock()
		missing := cmp.Or(a.unseen[m.Name], "corosync has not answered")
		a.mu.Unlock()
		switch {
		case lostConnection(err) || err != nil && ctx.Err() == nil:
			return nodeErr(m.Name, err)
		case err == nil && rt == nil && a.Later:
			return notRunning(m.Name)
		case err == nil:
			if missing = a.missing(rt); missing != "" {
				break
			}
			if missing = a.missingLinks(m, rt); missing != "" && a.Soft && time.Since(a.began) > softLinks {
				if a.Report != nil {
					a.Report.Warn(fmt.Sprintf("warning: %s: %s", m.Name, missing))
				}
				rt, missing = nil, ""
			}
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if missing == "" && rt != nil {
			a.said[m.Name] = rt.brief()
		}
		a.unseen[m.Name] = missing
		return nil
	})
}

// awaitMost waits as await does, for those of the members that run corosync. When
// some of these do not find each other, that is only warned of if others are as
// wanted without them.
func (r *run) awaitMost(ctx context.Context, w Want) error {
	var down []string
	var up []Member
	for i, said := range r.ask(ctx, w.Members) {
		if m := w.Members[i]; said.err != nil {
			down = append(down, m.Name)
		} else {
			up = append(up, m)
		}
	}
	w.Members = up
	err := r.await(ctx, w)
	if err == nil || ctx.Err() != nil {
		return err
	}
	var best Member
	var q quorum.Status
	for i, said := range r.ask(ctx, w.Members) {
		m, rt := w.Members[i], said.rt
		if said.err == nil && rt.Err == nil && (rt.Quorum.Quorate && !q.Quorate || rt.Quorum.Quorate == q.Quorate && rt.Quorum.Total > q.Total) {
			best, q = m, rt.Quorum
		}
	}
	if q.Quorate {
		return r.soften(ctx, err)
	}
	if best.Name == "" || !w.Quorate {
		return err
	}
	for _, m := range w.Members {
		if !slices.ContainsFunc(q.Members, func(o quorum.Member) bool { return o.NodeID == m.ID }) {
			down = append(down, m.Name)
		}
	}
	var ps Problems
	ps.add(CodeNotQuorate, "", enough(best.Name, q.Total), "not quorate: %d of %d votes are present, %d are needed; away: %s", q.Total, q.Expected, q.Quorum, andList(down))
	return ps
}

// enough says how the votes that are present can be made to be enough.
func enough(host string, votes int) string {
	return fmt.Sprintf("start the others as well or, only if they are down for sure, go on without them: clusterctl -H %s expected %d", host, votes)
}

// notFormed makes the error of a Want that was not met in time, with the end
// of corosync's journal on the node.
func (r *run) notFormed(n Node, w Want, missing string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	text := fmt.Sprintf("not as it should be after %s: %s", w.Deadline, missing)
	if tail, err := n.Tail(ctx, "corosync", 8); err == nil && tail != "" {
		text += "\n    corosync's journal ends:\n      " + strings.ReplaceAll(tail, "\n", "\n      ")
	}
	return &NodeError{Node: n.Name(), Code: CodeNotFormed, Err: fmt.Errorf("%s", text),
		Remedy: "check that the nodes reach each other on every link (UDP 5405 and up)"}
}

// missing says what is not yet as w wants it in r, links apart; "" when all is.
func (w Want) missing(r *Runtime) string {
	switch {
	case r == nil:
		return "corosync is not running"
	case r.Err != nil:
		return r.Err.Error()
	}
	seen := map[ID]bool{}
	for _, q := range r.Quorum.Members {
		seen[q.NodeID] = true
	}
	var absent []string
	for _, other := range w.Members {
		if !seen[other.ID] {
			absent = append(absent, other.Name)
		}
		delete(seen, other.ID)
	}
	if len(absent) > 0 {
		return "it does not see " + andList(absent)
	}
	for _, id := range w.Gone {
		if seen[id] {
			return fmt.Sprintf("it still sees node id %d", id)
		}
	}
	if w.Exactly && len(seen) > 0 {
		return fmt.Sprintf("it sees %s that should not be there", count(len(seen), "member"))
	}
	if w.Quorate && !r.Quorum.Quorate {
		return fmt.Sprintf("it is not quorate (%d of %d votes, %d needed)", r.Quorum.Total, r.Quorum.Expected, r.Quorum.Quorum)
	}
	if w.Expected != 0 && r.Quorum.Expected != w.Expected {
		return fmt.Sprintf("it expects %d votes, not %d", r.Quorum.Expected, w.Expected)
	}
	if missing := w.missingVersion(r); missing != "" {
		return missing
	}
	for _, c := range w.Cmap {
		switch got, ok := r.value(c.Key); {
		case c.Absent && ok:
			return fmt.Sprintf("it still runs with %s = %s", c.Key, got.Text)
		case !c.Absent && got.Text != c.Value:
			return fmt.Sprintf("it runs with %s = %q, not %q", c.Key, got.Text, c.Value)
		}
	}
	return ""
}

// missingVersion says why w.Version does not run, or not in full. The tool that
// asks for a reload tells only that it was asked for; how each node fared stands
// in its cmap (exec/cfg.c of corosync 3.1; older ones have only the versions).
func (w Want) missingVersion(r *Runtime) string {
	if w.Version == 0 {
		return ""
	}
	good := func(v uint64) bool { return v == w.Version || w.Later && v > w.Version }
	if v, _ := r.Cmap.Uint("totem.config_version"); !good(v) {
		return fmt.Sprintf("it runs config_version %d, not %d", v, w.Version)
	}
	if busy, _ := r.Cmap.Uint("config.totemconfig_reload_in_progress"); busy != 0 {
		return "it is not through with the reload, or could not read its file"
	}
	if status, ok := r.Cmap.Uint("config.reload_status"); ok && status != 1 {
		return fmt.Sprintf("its reload ended with error %d", status)
	}
	if text, ok := r.Cmap.Str("config.reload_error_message"); ok {
		return "its reload was not clean: " + text
	}
	versions := r.versions()
	for _, m := range w.Members {
		if v, ok := versions[m.ID]; ok && !good(v) {
			return fmt.Sprintf("it has not heard that %s runs config_version %d", m.Name, w.Version)
		}
	}
	return ""
}

// missingLinks says which link that w wants m does not see connected in r.
func (w Want) missingLinks(m Member, r *Runtime) string {
	if len(w.Members) < 2 {
		return "" // corosync shows the links of a single node only in part
	}
	for _, number := range w.Links {
		i := slices.IndexFunc(r.Links.Links, func(l quorum.Link) bool { return l.Number == number })
		if i < 0 {
			return fmt.Sprintf("link %d is not there", number)
		}
		to := linkOf(r, number)
		for _, other := range w.Members {
			if other.ID == m.ID {
				continue
			}
			if state := to(other.ID); state != quorum.Connected {
				return fmt.Sprintf("link %d to %s is %s", number, other.Name, state)
			}
		}
	}
	return ""
}
