package cluster

import (
	"slices"
	"strings"
)

// pmxcfs finds what is wrong with Proxmox VE's cluster file system on a node. That
// it can only be read where there is no quorum is no cause of its own.
func (d *diagnosis) pmxcfs() {
	d.examined(func(n *ViewNode, s *Signs) {
		p, local := n.Facts.PVE, n.Facts.Conf
		if p == nil || n.Facts.UID != 0 {
			return
		}
		runs := n.active() && n.Facts.Runtime.Err == nil
		tells := func(c *Cause, texts ...string) *Cause {
			return c.so(CodePmxcfs, CodeConfigDrift).seen(said(&Signs{Log: s.PVELog}, texts...)...)
		}
		switch {
		case !p.Mounted:
			c := tells(d.add(rankHung, CodePmxcfs, n, "start it anew; where it ends again, its log says why: journalctl -u pve-cluster",
				"pmxcfs does not run there, or does not answer: there is no /etc/pve, and no guest can be started or changed"))
			for _, line := range s.PVELog[max(0, len(s.PVELog)-3):] {
				c.seen(line.String())
			}
			c.Command = n.shell("systemctl restart pve-cluster")
			if !n.active() { // its unit wants that of corosync, and would start it
				c.Command = n.shell("systemctl restart --job-mode=ignore-dependencies pve-cluster")
			}
		case !runs:
		case !p.Conf.Exists:
			const dir = "/var/lib/pve-cluster" // without a database it takes the node's own corosync.conf over; what was written last is in config.db-wal
			tells(d.add(rankHung, CodePmxcfs, n, "start it without its database, which is kept beside: it then joins the others, and has what they have in /etc/pve; what it had by itself can be looked up in the database",
				"there is no %s, so that pmxcfs is by itself, although corosync runs in the cluster", PVEConfPath)).Command = n.shell("systemctl stop pve-cluster; mkdir -p " + dir + "/aside && mv " + dir + "/config.db* " + dir + "/aside; systemctl start pve-cluster")
		case n.Facts.apart():
			tells(d.add(rankHung, CodePmxcfs, n, "end it, and start the one of its unit, which joins the others: what was changed by itself may be lost then, or be taken by all, if that was more",
				"pmxcfs is by itself there, although corosync runs in the cluster: the other nodes have another /etc/pve"), "local mode").Command = n.shell(rejoin)
		case p.Conf.Hash == local.Hash || p.Conf.Hash == Hash(d.v.Conf.Bytes()):
			if !p.Writable && n.Facts.Runtime.Quorum.Quorate {
				tells(d.add(rankHung, CodePmxcfs, n, "wait some seconds; if it stays so, start pmxcfs anew", "corosync is quorate there, but /etc/pve cannot be written"),
					"cpg_", "sync", "leader").Command = n.shell("systemctl restart pve-cluster")
			}
		case d.elsewhere([]string{n.Name}): // its local file is the odd one
		case local.File != nil && p.Version < local.File.ConfigVersion():
			d.publishes(tells(d.add(rankVersion, CodeConfigDrift, n, "", "its corosync.conf (version %d) is newer than that in /etc/pve (version %d), which pmxcfs therefore does not put in its place: what Proxmox VE changes does not get there",
				local.File.ConfigVersion(), p.Version), "local corosync.conf is newer"))
		default:
			d.publishes(tells(d.add(rankVersion, CodeConfigDrift, n, "", "%s (version %d) is not that of the cluster (version %d), and may take its place when pmxcfs starts",
				PVEConfPath, p.Version, d.v.Conf.ConfigVersion()), "unable to parse cluster config_version"))
		}
	})
}

// publishes has --fix put what the cluster runs into /etc/pve, or says how to come
// there without quorum.
func (d *diagnosis) publishes(c *Cause) {
	if d.v.quorate() {
		c.Remedy = "put what the cluster runs into /etc/pve"
		d.sync(c, nil)
		return
	}
	c.Remedy = "without quorum /etc/pve cannot be written: have one corosync.conf on all nodes first, with clusterctl conf sync --from NODE, the one whose file is right; then start them, and when there is quorum: clusterctl conf sync"
}

// readOnly says what a cluster of Proxmox VE cannot do without quorum; "" where it
// is none.
func (v *View) readOnly() string {
	if !v.pve() {
		return ""
	}
	return "until then /etc/pve can only be read, and no guest is started"
}

// absentFrom are the voters that a partition lacks, with their votes where these differ
// from one.
func absentFrom(p *partition, v *View) string {
	var away []string
	for _, n := range v.Nodes {
		if n.Conf != nil && n.Conf.Votes > 0 && !slices.Contains(p.ids, n.Conf.ID) {
			text := n.Name
			if n.Conf.Votes != 1 {
				text += " (" + count(n.Conf.Votes, "vote") + ")"
			}
			away = append(away, text)
		}
	}
	return strings.Join(away, ", ")
}
