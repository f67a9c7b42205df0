package cluster

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"clusterctl/corosyncconf"
)

// Past is an operation that is over, as a node's journal keeps it, with the
// corosync.conf that the node had when it began; nil if it had none.
type Past struct {
	Entry Entry
	Conf  []byte
}

// ConfVersion is a corosync.conf that a cluster has had, or has.
type ConfVersion struct {
	Version uint64
	Hash    string   // SHA-256 in hex
	Text    []byte   // never nil
	Nodes   []string // that have it, or had it, in the order of the nodelist
	Current bool     // it is the cluster's

	// What wrote it: zero when that is not known, as when it was edited by hand.
	Operation string
	Command   string
	User      string
	Host      string
	Written   time.Time
}

// Label is what restore is given to mean this version: its config_version, and
// where another one has the same, also the beginning of its hash.
func (c ConfVersion) Label(all []ConfVersion) string {
	for _, other := range all {
		if other.Version == c.Version && other.Hash != c.Hash {
			return fmt.Sprintf("%d@%s", c.Version, c.Hash[:8])
		}
	}
	return fmt.Sprint(c.Version)
}

// History reads from the nodes of v which configurations the cluster has had,
// the newest first. The nodes keep what operations of clusterctl found when
// they began, for the last 50.
func History(ctx context.Context, v *View, nodes map[string]Node) ([]ConfVersion, error) {
	var mu sync.Mutex
	past := map[string][]Past{}
	err := each(slices.Sorted(maps.Keys(nodes)), func(name string) error {
		p, err := nodes[name].Past(ctx)
		if err != nil {
			return nodeErr(name, err)
		}
		mu.Lock()
		defer mu.Unlock()
		past[name] = p
		return nil
	})
	return history(v, past), err
}

// history puts together what the nodes keep.
func history(v *View, past map[string][]Past) []ConfVersion {
	current := Hash(v.Conf.Bytes())
	byHash := map[string]*ConfVersion{}
	note := func(node string, text []byte) {
		hash := Hash(text)
		c := byHash[hash]
		if c == nil {
			f, _ := corosyncconf.Parse(ConfPath, text)
			c = &ConfVersion{Version: f.ConfigVersion(), Hash: hash, Text: text, Current: hash == current}
			byHash[hash] = c
		}
		if !slices.Contains(c.Nodes, node) {
			c.Nodes = append(c.Nodes, node)
		}
	}
	name := v.Conf.Config().Totem.ClusterName
	for _, n := range v.Nodes {
		if n.Conf == nil {
			continue
		}
		if n.Facts != nil && n.Facts.Conf.Exists && !n.Facts.Conf.isDefault() {
			note(n.Name, n.Facts.Conf.Bytes)
		}
		for _, p := range past[n.Name] {
			if len(p.Conf) > 0 && p.Entry.Plan != nil && p.Entry.Plan.Cluster == name {
				note(n.Name, p.Conf)
			}
		}
	}
	for _, entries := range past {
		for _, p := range entries {
			for _, hash := range p.Entry.Plan.confs() {
				if c := byHash[hash]; c != nil && (c.Operation == "" || p.Entry.ID < c.Operation) {
					c.Operation, c.Command, c.User, c.Host, c.Written = p.Entry.ID, p.Entry.Plan.Command, p.Entry.User, p.Entry.Host, p.Entry.Started
				}
			}
		}
	}
	var all []ConfVersion
	for _, c := range byHash {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b ConfVersion) int {
		if a.Current != b.Current {
			return map[bool]int{true: -1, false: 1}[a.Current]
		}
		return cmp.Or(cmp.Compare(b.Version, a.Version), strings.Compare(b.Operation, a.Operation), strings.Compare(a.Hash, b.Hash))
	})
	return all
}

// confs returns the hashes of the configurations that the plan writes.
func (p *Plan) confs() []string {
	if p == nil {
		return nil
	}
	var hashes []string
	for _, s := range p.Steps {
		for _, act := range append([]Act{s.Do}, s.Undo...) {
			for _, op := range act.Ops {
				if op.Path == ConfPath && (op.Kind == OpSwap || op.Kind == OpPut) {
					hashes = append(hashes, op.Blob)
				}
			}
		}
	}
	return hashes
}

// FindVersion returns the version that an admin means by its Label.
func FindVersion(all []ConfVersion, label string) (*ConfVersion, error) {
	var ps Problems
	var found []int
	for i, c := range all {
		if c.Label(all) == label || fmt.Sprint(c.Version) == label {
			found = append(found, i)
		}
	}
	switch len(found) {
	case 1:
		return &all[found[0]], nil
	case 0:
		ps.add(CodeNoSuchVersion, "", "clusterctl conf history lists those that there are", "no version %q of corosync.conf is kept on the nodes", label)
	default:
		var labels []string
		for _, i := range found {
			labels = append(labels, all[i].Label(all))
		}
		ps.add(CodeNoSuchVersion, "", "name one of "+andList(labels), "there are %d files with config_version %s", len(found), label)
	}
	return nil, ps
}

// PlanRestore plans that a running cluster goes back to a configuration that it
// had, as PlanConf does a change; restart allows what takes a restart of corosync.
func PlanRestore(was *ConfVersion, restart bool, v *View) (*Plan, error) {
	var ps Problems
	old, err := corosyncconf.Parse(ConfPath, was.Text)
	if err != nil {
		ps.add(CodeConfigInvalid, "", "restore another version", "%v", err)
		return nil, ps
	}
	key := func(n corosyncconf.Node) string { return fmt.Sprintf("%s (id %d)", n.Label(), n.ID) }
	var then, now []string
	for _, n := range old.Config().Nodes {
		then = append(then, key(n))
	}
	for _, n := range v.Conf.Config().Nodes {
		now = append(now, key(n))
	}
	for _, n := range then {
		if !slices.Contains(now, n) {
			ps.add(CodeDifferent, "", "clusterctl add it first", "that version has the node %s, which the cluster does not have now", n)
		}
	}
	for _, n := range now {
		if !slices.Contains(then, n) {
			ps.add(CodeDifferent, "", "clusterctl delnode it first", "that version does not have the node %s, which the cluster has now", n)
		}
	}
	if err := ps.err(); err != nil {
		return nil, err
	}
	return PlanConf(ConfSpec{What: fmt.Sprintf("go back to version %d", was.Version), Text: was.Text, Restart: restart}, v)
}
