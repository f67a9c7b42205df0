package cluster

import (
	"io/fs"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"clusterctl/corosyncconf"
)

// NodeConf is the corosync.conf of one node, and what corosync runs by there.
type NodeConf struct {
	Node    string
	Reached bool
	Err     error              // what keeps the node from having a file that corosync takes, and of a node that was not reached why
	File    *corosyncconf.File // nil: there is none, or it is not known
	Same    bool               // the file is the one that speaks for the cluster, byte for byte
	Hash    string

	// Runs is what corosync runs by; nil where it does not run. Pending is what
	// its file says otherwise, and what that takes to come into effect.
	Runs    *corosyncconf.File
	Pending []corosyncconf.Change

	facts   *Facts
	release corosyncconf.Release
}

// Release is the oldest release of corosync that the nodes have.
func (v *View) Release() corosyncconf.Release { return release(v.reached()) }

// Target is what a file for all nodes is checked for.
func (v *View) Target() corosyncconf.Target {
	return corosyncconf.Target{Release: v.Release(), PVE: v.pve()}
}

// Confs returns the corosync.conf of each node, in the order of the View.
func (v *View) Confs() []NodeConf {
	want := Hash(v.Conf.Bytes())
	var all []NodeConf
	for _, n := range v.Nodes {
		c := NodeConf{Node: n.Name, Err: n.Err, facts: n.Facts}
		if f := n.Facts; f != nil {
			c.Reached, c.release = true, release([]*Facts{f})
			c.Hash, c.Err = f.Conf.Hash, f.Conf.Err
			if f.Conf.Exists {
				c.File, c.Same = f.Conf.File, f.Conf.Hash == want
			}
			if n.active() && f.Runtime.Err == nil {
				c.runs(f)
			}
		}
		all = append(all, c)
	}
	return all
}

// runs fills in what corosync runs by. What a reload leaves in its database
// without doing it shows in the flags of quorum.
func (c *NodeConf) runs(f *Facts) {
	db := map[string]string{}
	for key, v := range f.Runtime.Cmap {
		db[key] = v.Text
	}
	if common := f.Runtime.common; common != nil {
		for key, v := range common.keys {
			db[key] = v.Text
		}
	}
	for _, option := range []struct{ flag, key string }{ // auto_tie_breaker goes off by itself where votes are odd
		{"WaitForAll", "wait_for_all"}, {"LastManStanding", "last_man_standing"}, {"AllowDownscale", "allow_downscale"},
	} {
		key := "quorum." + option.key
		if set, there := db[key]; there && set != "0" && !slices.Contains(f.Runtime.Quorum.Flags, option.flag) {
			delete(db, key)
		}
	}
	c.Runs = corosyncconf.Running(db, c.release)
	if c.File == nil {
		return
	}
	listed := len(c.File.Config().Nodes) > 0
	c.Pending = slices.DeleteFunc(corosyncconf.Compare(c.Runs, c.File, c.release), func(ch corosyncconf.Change) bool {
		section, _, _ := strings.Cut(ch.Path, ".")
		section, _, _ = strings.Cut(section, "[")
		switch {
		case ch.Effect == corosyncconf.NoEffect, !slices.Contains([]string{"totem", "nodelist", "quorum", "logging", "system"}, section):
			return true
		case ch.Kind == corosyncconf.Removed && strings.HasSuffix(ch.Path, "].nodeid"): // corosync made it
			return true
		}
		return listed && strings.HasSuffix(ch.Path, "].bindnetaddr") // corosync goes by the nodelist
	})
}

// Effective is what corosync has made of a key of totem, also where no file sets
// it; empty where it does not say.
func (c NodeConf) Effective(p corosyncconf.KeyPath) string {
	if c.Runs == nil {
		return ""
	}
	key := strings.NewReplacer("[", ".", "]", "").Replace(p.String()) // totem.interface.1.mcastport
	return c.facts.Runtime.Cmap["runtime.config."+key].Text
}

// Machine is what is known of the node that corosync on it would see when it
// starts.
func (c NodeConf) Machine() *corosyncconf.Machine {
	f := c.facts
	return &corosyncconf.Machine{
		Version:  [3]int{f.Corosync.Major, f.Corosync.Minor, f.Corosync.Patch},
		Hostname: f.Hostname, Addrs: f.Addrs,
		Lookup: func(name string, family int) ([]netip.Addr, error) {
			all, asked := f.Resolved[name]
			if !asked {
				return nil, corosyncconf.ErrNotKnown
			}
			return slices.DeleteFunc(slices.Clone(all), func(a netip.Addr) bool { return family == 4 && !a.Is4() || family == 6 && a.Is4() }), nil
		},
		KeySize: func(path string) (int, error) {
			if filepath.Clean(path) == KeyPath && !f.Key.Exists {
				return 0, fs.ErrNotExist
			}
			return 1 << 12, nil // as much as corosync reads
		},
	}
}

// Check returns what is wrong with the node's file, as corosync there would see
// it when it starts.
func (c NodeConf) Check(r corosyncconf.Release) []corosyncconf.Finding {
	return c.File.Check(corosyncconf.Target{Release: r, Here: c.Machine(), PVE: c.facts.PVE != nil})
}

// Release is that of the corosync on the node.
func (c NodeConf) Release() corosyncconf.Release { return c.release }
