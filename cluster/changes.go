package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Changes says what is different in a cluster from one status to the next, in
// words, the most important first. Nothing is different in the first.
func Changes(old, now *Status) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if old == nil {
		return nil
	}
	switch was, is := old.Quorum.Quorate, now.Quorum.Quorate; {
	case was && !is:
		say("quorum is lost")
	case !was && is:
		say("quorum is there")
	}
	if was, is := splitText(old), splitText(now); was != is {
		if is == "" {
			say("the split is over")
		} else {
			say("split: %s", is)
		}
	}
	before := map[string]StatusNode{}
	for _, n := range old.Nodes {
		before[n.Name] = n
	}
	for _, n := range now.Nodes {
		was, known := before[n.Name]
		delete(before, n.Name)
		if !known {
			say("%s is listed", n.Name)
		}
		if was.Member != n.Member {
			say("%s", n.Name+map[bool]string{true: " is a member", false: " is no member any more"}[n.Member])
		}
		if known && was.Reachable != n.Reachable {
			say("%s", n.Name+map[bool]string{true: " answers", false: " does not answer"}[n.Reachable])
		}
		if known && n.Reachable && was.Reachable && was.Corosync != n.Corosync {
			say("%s: corosync is %s", n.Name, n.Corosync)
		}
		if known && was.Votes != n.Votes {
			say("%s has %s, had %d", n.Name, count(n.Votes, "vote"), was.Votes)
		}
		linkChanges(say, was, n)
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		say("%s is not listed any more", name)
	}
	if was, is := old.Quorum.ExpectedVotes, now.Quorum.ExpectedVotes; was != is {
		say("expected votes: %d, were %d", is, was)
	}
	if was, is := old.Cluster.ConfigVersion, now.Cluster.ConfigVersion; was != is && is > 0 {
		say("config_version %d, was %d", is, was)
	}
	return out
}

// plusList is "n1+n2"; of very many it names the first.
func plusList(names []string) string {
	if most := 12; len(names) > most {
		return fmt.Sprintf("%s+%d more", strings.Join(names[:most-4], "+"), len(names)-most+4)
	}
	return strings.Join(names, "+")
}

// splitText tells the partitions; "" if there is one or none.
func splitText(s *Status) string {
	if len(s.Partitions) < 2 {
		return ""
	}
	var texts []string
	for _, p := range s.Partitions {
		texts = append(texts, plusList(p))
	}
	return strings.Join(texts, " | ")
}

// linkChanges tells, link by link, whom a node reaches now and did not, and the
// other way round. That it is not known any more is told of the node.
func linkChanges(say func(string, ...any), was, now StatusNode) {
	for _, l := range now.Links {
		i := slices.IndexFunc(was.Links, func(o StatusLink) bool { return o.Number == l.Number })
		if i < 0 {
			continue
		}
		for _, state := range []struct{ is, text string }{{"connected", "reaches"}, {"disconnected", "does not reach"}} {
			var peers []string
			for _, p := range l.Peers.In(state.is) {
				if before := was.Links[i].Peers.State(p); before != state.is && before != "unknown" && before != "" {
					peers = append(peers, p)
				}
			}
			if len(peers) > 0 {
				say("link %d: %s %s %s", l.Number, now.Name, state.text, andList(peers))
			}
		}
	}
}
