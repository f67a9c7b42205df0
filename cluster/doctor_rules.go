package cluster

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"clusterctl/corosyncconf"
	"clusterctl/quorum"
)

// login finds logins that are not root's, who alone is told anything.
func (d *diagnosis) login() {
	for i := range d.v.Nodes {
		if n := &d.v.Nodes[i]; n.Facts != nil && n.Facts.UID != 0 {
			d.add(rankRunning, CodeNotRoot, n, "log in as root (-l root), or give --sudo", "the login is not root, to whom alone corosync answers").so(CodeNotRoot, CodeNotQuorate)
		}
	}
}

// held finds nodes that another clusterctl holds, with no operation of its own
// open yet or any more.
func (d *diagnosis) held() {
	for i := range d.v.Nodes {
		n := &d.v.Nodes[i]
		if n.Facts == nil || n.Facts.Holder == nil || slices.ContainsFunc(d.v.Operations(), func(o *Operation) bool { return o.State == StateRunning }) {
			continue
		}
		d.add(rankRunning, CodeHeld, n, "wait until it has ended; a client that is gone lets go after 30 seconds", "another clusterctl holds it").
			seen(n.Facts.Holder.String()).warn()
	}
}

// operations finds operations that are going on, and those left open.
func (d *diagnosis) operations() {
	for _, o := range d.v.Operations() {
		user, host, started := o.By()
		what := fmt.Sprintf("%s, by %s@%s at %s", o.Command, user, host, started.UTC().Format(time.RFC3339))
		switch o.State {
		case StateRunning:
			d.add(rankRunning, CodeRunning, nil, o.Remedy, "operation %s is going on", o.ID).seen(what).warn().
				so(CodeRunning, CodeConfigDrift, CodeConfigPending, CodeVersionDrift, CodeKeyDrift)
		case StateBegun:
		default:
			f := fix{verb: fixUndo, op: o}
			if o.State == StateDone {
				f.verb = fixResume
			}
			c := d.add(rankOpen, CodeUnfinished, nil, o.Remedy, "operation %s stopped midway, in step %s", o.ID, o.Step)
			if o.State == StateDone {
				c.warn().Message = fmt.Sprintf("operation %s was carried out, but not every node has noted its end", o.ID)
			}
			c.seen(what).
				so(CodeUnfinished, CodeConfigDrift, CodeConfigPending, CodeVersionDrift, CodeKeyDrift, CodeInactive)
			c.nodes = o.Nodes
			if away := slices.ContainsFunc(o.Nodes, func(name string) bool { n := d.v.node(name); return n != nil && n.Facts == nil }); !away {
				c.does(d.v, f)
			}
			for _, name := range o.Nodes {
				if log := o.Logs()[name]; len(log) > 0 {
					c.seen(name + ": " + log[len(log)-1].String())
				}
			}
		}
	}
}

// disk finds full disks.
func (d *diagnosis) disk() {
	d.examined(func(n *ViewNode, s *Signs) {
		for _, path := range []string{"/etc", "/var/lib"} {
			if free, known := n.Facts.FreeKB[path]; known && free < minFree {
				c := d.add(rankDisk, CodeDiskFull, n, "make room there, at least "+strconv.Itoa(minFree/1024)+" MiB; du -xm / | sort -n | tail shows what takes it", "the disk is full").
					seen(fmt.Sprintf("df: %s has %d KiB left", path, free)).so(notThere...).so(CodeConfigInvalid, CodeConfigDrift)
				c.seen(said(s, "No space left")...)
				return
			}
		}
	})
}

// files finds what corosync refuses in a corosync.conf, and what costs quorum.
func (d *diagnosis) files() {
	everywhere := len(d.parts) == 0
	d.examined(func(n *ViewNode, s *Signs) {
		c := n.Facts.Conf
		switch name := d.conf.Totem.ClusterName; {
		case !c.Exists:
			d.refused(n, CodeConfigInvalid, "there is no "+ConfPath, "put the cluster's file there, then start it")
			return
		case c.isDefault() || c.Err == nil && name != "" && c.clusterName() != name:
			d.refused(n, CodeEditedConfig, "its "+ConfPath+" is not that of this cluster", "put the cluster's file there, if it is one of its nodes, then start it").
				seen("totem.cluster_name: " + c.clusterName())
			return
		}
		refused := false
		add := func(f corosyncconf.Finding) {
			refused = true
			d.refused(n, Code(f.Code), f.Message, f.Remedy).seen(quoted(c, f)).seen(d.test(s)...).
				seen(said(s, "parser error", "parse error", "failed to load for reason", "rror reading")...)
		}
		found := n.Facts.findings(c.File)
		for _, by := range []corosyncconf.Refusal{corosyncconf.ByParser, corosyncconf.ByTest, corosyncconf.ByStart} {
			for _, f := range found {
				if f.RefusedBy != by || f.Code == corosyncconf.CodeAuthkey {
					continue
				}
				if refused && by == corosyncconf.ByParser { // it may come of the first
					d.causes[len(d.causes)-1].seen(quoted(c, f))
					continue
				}
				add(f)
			}
			if refused && by == corosyncconf.ByParser {
				break // what else it has is not known before that is mended
			}
		}
		if len(s.Test) > 0 && !refused && n.Facts.Corosync.Major > 0 && n.Facts.Key.Exists && n.Facts.UID == 0 && n.Facts.FreeKB["/var/lib"] >= minFree && !d.has(rankKey, n) {
			d.refused(n, CodeConfigInvalid, s.Test[0], "corosync -t there says what is wrong").seen(d.test(s)...)
		}
	})
	for _, f := range d.v.Conf.Check(corosyncconf.Target{Release: release(d.v.reached())}) {
		if f.RefusedBy != corosyncconf.Accepted || f.Severity != corosyncconf.Bad {
			continue
		}
		c := d.add(rankFile, Code(f.Code), nil, f.Remedy, "%s", f.Message).
			seen(quoted(ConfFile{File: d.v.Conf, Bytes: d.v.Conf.Bytes()}, f)).so(CodeExpected, CodeNotQuorate)
		c.Command = unsetting(d.v.Conf, f)
		if everywhere {
			c.so(notThere...)
		}
	}
}

// refused adds that corosync does not start with the file of a node.
func (d *diagnosis) refused(n *ViewNode, code Code, message, remedy string) *Cause {
	c := d.add(rankFile, code, n, remedy, "%s", message).so(notThere...).
		so(CodeConfigInvalid, CodeConfigDrift, CodeConfigPending, CodeEditedConfig)
	switch {
	case len(d.parts) == 0:
		c.so(CodeNotQuorate)
		if good := d.goodNode(); good != nil {
			c.does(d.v, fix{verb: fixSync, from: good.Name})
		} else {
			d.mend(c)
		}
	case n.Facts.Conf.Hash != Hash(d.v.Conf.Bytes()):
		d.sync(c, n)
	}
	return c
}

// mend has --fix put the last good file on all nodes, if there is one and
// nothing stands against it; else what does is told.
func (d *diagnosis) mend(c *Cause) {
	if d.mendable == nil {
		_, err := PlanMend(d.v)
		ps := ProblemsOf(err).Errors()
		d.mendable = &ps
	}
	if len(*d.mendable) == 0 {
		c.does(d.v, fix{verb: fixMend})
	}
	for _, p := range *d.mendable {
		if p.Code == CodeAhead {
			c.Remedy += "; --fix does nothing yet: " + p.Message + "; " + p.Remedy
		}
	}
}

// goodNode is a node whose file corosync takes, and that no other node has a
// newer one of: else all would go back to what the cluster was once. It is nil
// if there is none.
func (d *diagnosis) goodNode() *ViewNode {
	newest := d.v.newest()
	for i := range d.v.Nodes {
		n := &d.v.Nodes[i]
		if n.Conf == nil || n.Facts == nil || !n.Facts.Conf.Exists || n.Facts.Conf.Err != nil || n.Facts.Conf.isDefault() {
			continue
		}
		file := n.Facts.Conf.File
		if file.Config().Totem.ClusterName == d.conf.Totem.ClusterName && file.ConfigVersion() >= newest && refusal(file, n.Facts) == nil {
			return n
		}
	}
	return nil
}

// has tells whether the node has a cause of that rank.
func (d *diagnosis) has(r rank, n *ViewNode) bool {
	return slices.ContainsFunc(d.causes, func(c *Cause) bool { return c.rank == r && slices.Contains(c.nodes, n.Name) })
}

// test are the lines of corosync -t as evidence.
func (d *diagnosis) test(s *Signs) []string {
	var out []string
	for _, line := range s.Test[:min(len(s.Test), 3)] {
		out = append(out, "corosync -t: "+line)
	}
	return out
}

// quoted is the line of the file that a finding is about.
func quoted(c ConfFile, f corosyncconf.Finding) string {
	lines := strings.Split(string(c.Bytes), "\n")
	if f.Line == 0 || f.Line > len(lines) {
		return ""
	}
	return fmt.Sprintf("%s:%d: %s", ConfPath, f.Line, strings.TrimSpace(lines[f.Line-1]))
}

// unsetting is the command that takes out the option that a finding is about,
// for those that corosync does better without; else it is "".
func unsetting(file *corosyncconf.File, f corosyncconf.Finding) string {
	lines := strings.Split(string(file.Bytes()), "\n")
	if f.Line == 0 || f.Line > len(lines) {
		return ""
	}
	switch key, _, _ := strings.Cut(strings.TrimSpace(lines[f.Line-1]), ":"); key {
	case "two_node", "expected_votes":
		return "clusterctl conf unset quorum." + key
	case "token", "token_coefficient", "consensus", "join":
		return "clusterctl conf unset totem." + key
	}
	return ""
}

// said are the last lines of the log with one of the texts, each text once.
func said(s *Signs, texts ...string) []string {
	var out []string
	for _, line := range slices.Backward(s.Log) {
		i := slices.IndexFunc(texts, func(t string) bool { return strings.Contains(line.Text, t) })
		if i >= 0 {
			out = append(out, line.String())
			texts = slices.Delete(slices.Clone(texts), i, i+1)
		}
	}
	return out
}

// keys finds keys that are missing, too short, not the others', or not secret.
func (d *diagnosis) keys() {
	if !d.conf.Totem.Encrypted() {
		return
	}
	others := map[string]int{}
	d.examined(func(n *ViewNode, _ *Signs) { others[n.Facts.Key.Hash]++ })
	d.examined(func(n *ViewNode, s *Signs) {
		f := n.Facts
		if f.UID != 0 || f.PVE != nil {
			return
		}
		bad := func(code Code, remedy, format string, args ...any) {
			d.sync(d.add(rankKey, code, n, remedy, format, args...).so(notThere...).so(CodeKeyDrift).seen(d.test(s)...), nil)
		}
		const remedy = "put the cluster's key there again"
		switch {
		case s.KeyMode == "":
			bad(CodeKeyMissing, remedy, "there is no %s", KeyPath)
		case s.KeySize < MinKeySize && f.Corosync.Major >= 3:
			bad(CodeKeyMissing, remedy, "its authkey has %d bytes, and corosync takes no less than %d", s.KeySize, MinKeySize)
		case 2*others[f.Key.Hash] <= len(d.v.reached()) && len(others) > 1:
			how := ""
			if len(said(s, "igest does not match", "invalid digest")) > 0 || n.alone() {
				how = ", so that it does not understand them"
			}
			bad(CodeKeyDrift, remedy, "its authkey is not that of the other nodes%s", how)
			d.causes[len(d.causes)-1].seen("sha256 " + f.Key.Hash[:12] + "... on " + n.Name).seen(said(s, "igest does not match", "invalid digest")...)
		}
		if started := s.Started; len(d.parts) > 1 && d.parts[0].quorate() && n.alone() && !slices.Contains(d.parts[0].seen, n) &&
			others[f.Key.Hash] > 1 && !started.IsZero() && s.KeyTime.After(started) {
			c := d.add(rankKey, CodeKeyDrift, n, "restart it: it takes no part in quorum now", "it does not run with the key in its file, which is newer than its start").
				seen("corosync was started "+started.UTC().Format(time.RFC3339), KeyPath+" was changed "+s.KeyTime.UTC().Format(time.RFC3339)).so(notThere...)
			if f.Runtime.Quorum.Quorate { // as both of two nodes are with two_node
				c.Remedy = "both sides have quorum: see first that what runs there runs on the other side, or may stop; then clusterctl restart " + n.Name
			} else {
				c.does(d.v, fix{verb: fixRestart, nodes: []string{n.Name}})
			}
		}
		if mode, err := strconv.ParseUint(s.KeyMode, 8, 32); err == nil && (mode&0o077 != 0 || s.KeyOwner != "root") {
			d.add(rankRisk, CodeKeyMode, n, "make it readable for root only; who may have read it: clusterctl key rotate", "others than root can read %s", KeyPath).
				seen(fmt.Sprintf("mode %s, owner %s", s.KeyMode, s.KeyOwner)).warn().does(d.v, fix{verb: fixKeyMode, nodes: []string{n.Name}})
		}
	})
}

// alone tells whether corosync on the node sees nobody else.
func (n *ViewNode) alone() bool {
	return n.active() && n.Facts.Runtime.Err == nil && len(n.Facts.Runtime.Quorum.Members) == 1
}

// addr is the address of the node on a link, as the node itself resolves it.
func (n *ViewNode) addr(link int) (netip.Addr, bool) {
	text := n.Conf.Addrs[link]
	if a, err := netip.ParseAddr(text); err == nil {
		return a.Unmap().WithZone(""), true
	}
	if all := n.Facts.Resolved[text]; len(all) > 0 {
		return all[0].Unmap(), true
	}
	return netip.Addr{}, false
}

// onLink is the interface of the node with that address; nil if none has it.
func (s *Signs) onLink(a netip.Addr) *Interface {
	for i := range s.Interfaces {
		if slices.ContainsFunc(s.Interfaces[i].Addrs, func(p netip.Prefix) bool { return p.Addr().Unmap() == a }) {
			return &s.Interfaces[i]
		}
	}
	return nil
}

// usual is the interface that most other nodes use for a link.
func (d *diagnosis) usual(link int) string {
	names := map[string]int{}
	best := ""
	d.examined(func(n *ViewNode, s *Signs) {
		if a, ok := n.addr(link); ok {
			if i := s.onLink(a); i != nil {
				if names[i.Name]++; names[i.Name] > names[best] {
					best = i.Name
				}
			}
		}
	})
	return best
}

// interfaces finds interfaces and addresses that are not as the file has them.
func (d *diagnosis) interfaces() {
	network := append(slices.Clone(notThere), CodeNotQuorate)
	type key struct {
		code Code
		node string
	}
	said := map[key]*Cause{}
	add := func(code Code, n *ViewNode, link int, remedy, format string, args ...any) *Cause {
		text := fmt.Sprintf("link %d: ", link) + fmt.Sprintf(format, args...)
		if c := said[key{code, n.Name}]; c != nil { // the same on another link
			c.Message += "; " + text
			return c
		}
		c := d.add(rankNetwork, code, n, remedy, "%s", text).so(network...)
		said[key{code, n.Name}] = c
		return c
	}
	mtus := map[int]map[int][]string{}
	d.examined(func(n *ViewNode, s *Signs) {
		for _, link := range d.conf.Links() {
			a, ok := n.addr(link)
			if !ok || len(s.Interfaces) == 0 {
				continue
			}
			switch i := s.onLink(a); {
			case a.IsLoopback():
				if n.Facts.Conf.File != nil {
					add(CodeLoopback, n, link, "write its own address into /etc/hosts there, or into corosync.conf", "%s stands for the loopback address %s there", n.Conf.Addrs[link], a).
						seen(fmt.Sprintf("getent ahosts %s: %s", n.Conf.Addrs[link], a))
				}
			case i == nil:
				holder := ""
				d.examined(func(o *ViewNode, os *Signs) {
					if o != n && os.onLink(a) != nil {
						holder = o.Name
					}
				})
				if holder != "" {
					add(CodeWrongNode, n, link, "give the address back to it, or change the file: clusterctl link set", "its address %s is on %s", a, holder)
					continue
				}
				c := add(CodeNoAddr, n, link, "give it the address again, and see that it has it after a boot too", "it does not have its address %s", a)
				if dev := d.usual(link); dev != "" {
					bits := 24
					d.examined(func(_ *ViewNode, os *Signs) {
						for _, i := range os.Interfaces {
							for _, p := range i.Addrs {
								if p.Contains(a) && !p.Addr().IsLoopback() {
									bits = p.Bits()
								}
							}
						}
					})
					if c.Command == "" {
						c.Command = n.shell(fmt.Sprintf("ip addr add %s/%d dev %s", a, bits, dev))
					}
				}
				c.seen("ip addr: " + usable(n.Facts))
			case !i.Up:
				c := add(CodeIfaceDown, n, link, "set it up again, and see that it is after a boot too", "its interface %s, with %s, is down", i.Name, a)
				if c.Command == "" {
					c.Command = n.shell("ip link set " + i.Name + " up")
				}
			case !i.Carrier:
				add(CodeNoCarrier, n, link, "look after the cable, or the switch port or bridge that it ends in", "its interface %s, with %s, has no carrier", i.Name, a)
			default:
				if mtus[link] == nil {
					mtus[link] = map[int][]string{}
				}
				mtus[link][i.MTU] = append(mtus[link][i.MTU], n.Name)
			}
		}
	})
	d.mtus(mtus)
}

// mtus finds links whose interfaces differ in size, and paths that lose what
// their interface sends.
func (d *diagnosis) mtus(mtus map[int]map[int][]string) {
	for _, link := range d.conf.Links() {
		if len(mtus[link]) < 2 {
			continue
		}
		least, most := 0, 0
		for mtu, names := range mtus[link] {
			if least == 0 || len(names) < len(mtus[link][least]) || len(names) == len(mtus[link][least]) && mtu < least {
				least = mtu
			}
			if len(names) > len(mtus[link][most]) || len(names) == len(mtus[link][most]) && mtu > most {
				most = mtu
			}
		}
		for _, name := range mtus[link][least] {
			n := d.v.node(name)
			c := d.add(rankNetwork, CodeMTU, n, "set the same MTU on every node, and on what is between them", "link %d: the MTU of its interface is %d, that of the others %d", link, least, most).
				warn().so(CodeLinkDown)
			if a, ok := n.addr(link); ok {
				c.Command = n.shell(fmt.Sprintf("ip link set %s mtu %d", n.Facts.Signs.onLink(a).Name, most))
			}
		}
	}
	d.examined(func(n *ViewNode, s *Signs) {
		if lines := said(s, "possible MTU misconfiguration"); len(lines) > 0 && !d.has(rankNetwork, n) {
			d.add(rankNetwork, CodeMTU, nil, "set the MTU of the interfaces to what the network carries, or totem.knet_mtu",
				"packets as large as the interfaces send do not get through").seen(n.Name + ": " + lines[0]).warn()
		}
	})
}

// firewall finds packet filters in the way of links that are down.
func (d *diagnosis) firewall() {
	d.examined(func(n *ViewNode, s *Signs) {
		for _, f := range s.Filter {
			for _, link := range d.conf.Links() {
				p := port(d.conf, link)
				if !f.Blocks(p) || !d.troubled(n, link) {
					continue
				}
				way := "away from it"
				if f.Hook == "output" || f.Hook == "postrouting" {
					way = "from leaving it"
				}
				c := d.add(rankNetwork, CodeFirewall, n, fmt.Sprintf("let UDP ports %d to %d of the other nodes in, for good: in /etc/nftables.conf, or with firewall-cmd --add-service=high-availability", port(d.conf, 0), port(d.conf, 0)+len(d.conf.Links())-1),
					"its packet filter keeps UDP port %d %s", p, way).seen(f.String()).
					so(notThere...).so(CodeNotQuorate)
				c.Command = n.shell(f.letIn(port(d.conf, 0), port(d.conf, 0)+7))
				return
			}
		}
	})
}

// troubled tells whether a link of the node is down to some node that runs, or
// the node does not take part.
func (d *diagnosis) troubled(n *ViewNode, link int) bool {
	for _, s := range d.status.Nodes {
		for _, l := range s.Links {
			if l.Number != link {
				continue
			}
			for peer, state := range l.Peers.All() {
				if state == quorum.Disconnected.String() && (s.Name == n.Name || peer == n.Name) && d.runs(peer) && d.runs(s.Name) {
					return true
				}
			}
		}
	}
	return false
}

// runs tells whether corosync is known to run on a node.
func (d *diagnosis) runs(name string) bool {
	n := d.v.node(name)
	return n != nil && n.active()
}

// names finds names of ring addresses that are not the same everywhere.
func (d *diagnosis) names() {
	for i := range d.v.Nodes {
		n := &d.v.Nodes[i]
		if n.Conf == nil {
			continue
		}
		for _, link := range d.conf.Links() {
			host := n.Conf.Addrs[link]
			if _, err := netip.ParseAddr(host); err == nil || host == "" {
				continue
			}
			means := map[string][]string{}
			d.examined(func(o *ViewNode, _ *Signs) {
				if all := o.Facts.Resolved[host]; len(all) > 0 {
					means[all[0].Unmap().String()] = append(means[all[0].Unmap().String()], o.Name)
				}
			})
			odd := ""
			for a, by := range means {
				if len(means) > 1 && (odd == "" || len(by) < len(means[odd]) || len(by) == len(means[odd]) && a < odd) {
					odd = a
				}
			}
			for _, by := range means[odd] {
				o := d.v.node(by)
				if parsed, err := netip.ParseAddr(odd); err == nil && parsed.IsLoopback() && o == n {
					continue // told of its interfaces
				}
				d.add(rankNetwork, CodeNames, o, "write addresses into corosync.conf, or the same line into every /etc/hosts",
					"link %d: %s, of %s, stands for %s there, and for another address elsewhere", link, host, n.Name, odd).
					seen(fmt.Sprintf("getent ahosts %s: %s", host, odd)).so(notThere...)
			}
		}
		if n.Facts != nil && n.Conf.Name != "" && !sameLabel(n.Facts.Hostname, n.Conf.Name) && !slices.ContainsFunc(d.causes, func(c *Cause) bool {
			return c.Code == Code(corosyncconf.CodeLocalNode) && slices.Contains(c.nodes, n.Name)
		}) {
			d.add(rankRisk, CodeHostname, n, "give the machine the name in corosync.conf again", "the machine calls itself %s", n.Facts.Hostname).
				seen("uname -n: " + n.Facts.Hostname).warn().Command = n.shell("hostnamectl set-hostname " + n.Conf.Name)
		}
	}
}

// versions finds nodes whose file is behind or ahead of the cluster's.
func (d *diagnosis) versions() {
	want := Hash(d.v.Conf.Bytes())
	pending := []string{}
	runs := d.status.Cluster.ConfigVersion
	d.examined(func(n *ViewNode, s *Signs) {
		c := n.Facts.Conf
		if c.File == nil || c.Err != nil || c.isDefault() || !c.Exists {
			return
		}
		has := c.File.ConfigVersion()
		ended := said(s, "different than my config version")
		sync := func(cause *Cause) {
			if d.sync(cause, n); len(d.parts) == 0 {
				cause.Remedy = "nothing runs that says whose file counts: name the node whose file does, as a rule the highest version's, with clusterctl conf sync --from NODE; then clusterctl start --all"
				cause.nodes = nil // that no node runs comes of nobody having decided this
				cause.so(CodeNotQuorate, CodeInactive, CodeAbsent, CodeConfigDrift)
			}
		}
		switch {
		case d.has(rankFile, n):
		case n.active() && n.Facts.Runtime.Err == nil && n.Facts.seen().Version < has && c.Hash == want:
			pending = append(pending, n.Name)
		case !n.active() && len(ended) > 0 && c.Hash != want:
			sync(d.add(rankVersion, CodeBehind, n, "give it the cluster's file, then start it",
				"its corosync.conf is version %d, and the others ran a newer one when it came up, so that it ended; systemd takes that for success", has).
				seen(ended...).so(notThere...).so(CodeConfigDrift))
		case c.Hash != want && has > max(runs, d.v.Conf.ConfigVersion()):
			sync(d.add(rankVersion, CodeAhead, n, "take it back, or have all nodes run it: clusterctl conf sync --from "+n.Name,
				"its corosync.conf is version %d, ahead of %d, which the cluster runs: when all start together the others would end", has, max(runs, d.v.Conf.ConfigVersion())).
				so(CodeConfigDrift, CodeConfigPending))
		case c.Hash != want && !n.active():
			sync(d.add(rankVersion, CodeConfigDrift, n, "give it the cluster's file, then start it",
				"it is not running, and its corosync.conf (version %d) is not that of the cluster (version %d)", has, d.v.Conf.ConfigVersion()).
				so(notThere...).so(CodeConfigDrift))
		}
	})
	if len(pending) > 0 {
		c := d.add(rankVersion, CodeConfigPending, nil, "have every member run it, with one reload", "version %d of corosync.conf is on %s, and %d runs", d.v.Conf.ConfigVersion(), andList(pending), runs).
			so(CodeConfigPending)
		c.nodes = pending
		if 2*len(pending) > len(d.v.names()) && !d.elsewhere(pending) {
			c.does(d.v, fix{verb: fixSync, from: pending[0]})
			return
		}
		if len(pending) == 1 {
			c.Node = pending[0]
		}
		c.so(CodeConfigDrift).Remedy = "take back what was changed on " + andList(pending) + ", by hand; only if all are to run it: clusterctl conf sync --from " + pending[0]
	}
}

// elsewhere tells whether one of the nodes has another file than runs there, while
// /etc/pve has that.
func (d *diagnosis) elsewhere(nodes []string) bool {
	return slices.ContainsFunc(nodes, func(name string) bool {
		f := d.v.node(name).Facts
		return f.PVE != nil && f.Conf.File != nil && f.Conf.File.ConfigVersion() != f.seen().Version && f.PVE.Conf.Exists && f.PVE.Version == f.seen().Version
	})
}

// units finds services that are not as they should be. What else keeps a node
// from starting is known by now.
func (d *diagnosis) units() {
	enabled := 0
	d.examined(func(n *ViewNode, _ *Signs) {
		if n.Facts.Units["corosync"].Enabled {
			enabled++
		}
	})
	d.examined(func(n *ViewNode, s *Signs) {
		u := n.Facts.Units["corosync"]
		deeper := d.has(rankFile, n) || d.has(rankKey, n) || d.has(rankVersion, n) || d.has(rankDisk, n)
		switch {
		case u.Masked:
			d.add(rankHung, CodeMasked, n, "unmask it, then start it", "corosync's unit is masked there").so(notThere...).
				Command = n.shell("systemctl unmask corosync")
		case s.Stopped:
			d.add(rankHung, CodeHung, n, "let it go on; its log may say why it was stopped", "corosync's process is stopped, as by SIGSTOP or a debugger").
				seen("State: T (stopped)").so(notThere...).Command = n.shell("systemctl kill --signal=CONT corosync")
		case n.Facts.Corosync.Major == 0:
			d.add(rankFile, CodeNotInstalled, n, "install it: "+installHint(n.Facts.OS, "corosync"), "corosync is not installed").so(notThere...).so(CodeVersionMix)
		case u.Active == "failed" && !deeper:
			c := d.add(rankHung, CodeCorosync, n, "start it again; if that fails, its log says why", "corosync failed (%s%s)", s.Result, orNothing(", ", s.Exit)).so(notThere...)
			for _, line := range s.Log[max(0, len(s.Log)-4):] {
				c.seen(line.String())
			}
			d.start(c, n)
		case n.active() && n.Facts.Runtime.Err != nil:
			d.add(rankHung, CodeHung, n, "look at its log: journalctl -u corosync", "corosync runs and does not answer").
				seen(n.Facts.Runtime.Err.Error()).so(notThere...)
		}
		if !u.Masked && !u.Enabled && u.Loaded && enabled > 0 {
			d.add(rankRisk, CodeDisabled, n, "have it started at boot, as on the other nodes", "corosync does not start when it boots").warn().
				does(d.v, fix{verb: fixEnable, nodes: []string{n.Name}})
		}
	})
}

func orNothing(head, text string) string {
	if text == "" {
		return ""
	}
	return head + text
}

// start has --fix start a node, if nothing stands against it.
func (d *diagnosis) start(c *Cause, n *ViewNode) {
	if n.Facts.Conf.Hash == Hash(d.v.Conf.Bytes()) && n.Facts.Conf.Err == nil {
		c.does(d.v, fix{verb: fixStart, nodes: []string{n.Name}})
	}
}

// device finds a quorum device that is configured and not there.
func (d *diagnosis) device() {
	if d.conf.Quorum.Device == nil {
		return
	}
	d.examined(func(n *ViewNode, _ *Signs) {
		if u := n.Facts.Units["corosync-qdevice"]; n.active() && !u.Running() {
			d.add(rankHung, CodeDevice, n, "start it; journalctl -u corosync-qdevice there says why it ended", "a quorum device is configured, and corosync-qdevice is %s there", u.Active).
				Command = n.shell("systemctl start corosync-qdevice")
		}
	})
	if len(d.parts) == 0 {
		return
	}
	for _, m := range d.parts[0].status().Members {
		n := d.v.byID(m.NodeID)
		explained := slices.ContainsFunc(d.causes, func(c *Cause) bool {
			if n != nil && slices.Contains(c.nodes, n.Name) {
				return c.rank <= rankHung
			}
			return len(c.nodes) == 0 && (c.rank == rankRunning || c.rank == rankNetwork)
		})
		if m.NodeID != 0 && !strings.HasPrefix(m.Qdevice, "A,V") && !explained {
			d.add(rankHung, CodeDevice, n, "look whether its host is reached: corosync-qdevice-tool -s there", "the quorum device does not vote there").seen("corosync-quorumtool: Qdevice " + m.Qdevice)
		}
	}
}

// byID returns the node with that id; nil if there is none.
func (v *View) byID(id ID) *ViewNode {
	for i := range v.Nodes {
		if v.Nodes[i].Conf != nil && v.Nodes[i].Conf.ID == id {
			return &v.Nodes[i]
		}
	}
	return nil
}

// clocks finds clocks that are apart.
func (d *diagnosis) clocks() {
	var ps Problems
	apart(&ps, d.v.reached())
	for _, p := range ps {
		d.add(rankRisk, CodeClock, d.v.node(p.Node), p.Remedy, "%s", p.Message).warn()
	}
}

// logs finds what only the log tells: of the last hour.
func (d *diagnosis) logs() {
	d.examined(func(n *ViewNode, s *Signs) {
		var paused *LogLine
		for i, l := range s.Log {
			switch {
			case n.Facts.Clock.Sub(l.At) > time.Hour:
			case strings.Contains(l.Text, "was not scheduled"):
				paused = &s.Log[i]
			case paused != nil && l.At.Sub(paused.At) < 30*time.Second && strings.Contains(l.Text, "Members left"):
				d.add(rankRisk, CodeUnscheduled, n, "give the machine more processor, or its host less to do; until then a longer totem.token",
					"corosync did not get processor time, and lost its token").seen(paused.String(), l.String()).warn()
				return
			}
		}
	})
}

// biting are findings that corosync takes and that explain trouble.
var biting = []corosyncconf.Code{
	corosyncconf.CodeShortToken, corosyncconf.CodeTimersMismatch, corosyncconf.CodeExpectedVotes, corosyncconf.CodeLinkPriority,
	corosyncconf.CodePingTimers, corosyncconf.CodeTrailing, corosyncconf.CodeZeroVotes, corosyncconf.CodeSharedAddr, corosyncconf.CodeInvisible,
}

// risks finds what the file has that may hurt later.
func (d *diagnosis) risks() {
	for _, f := range d.v.Conf.Check(d.v.Target()) {
		if f.Code.PVE() && f.Code != corosyncconf.CodePVEComment && f.Code != corosyncconf.CodePVEName {
			d.add(rankRisk, Code(f.Code), nil, f.Remedy, "%s", f.Message).seen(quoted(ConfFile{Bytes: d.v.Conf.Bytes()}, f)).warn()
		}
		if f.RefusedBy == corosyncconf.Accepted && f.Severity == corosyncconf.Warning && slices.Contains(biting, f.Code) {
			d.add(rankRisk, Code(f.Code), nil, f.Remedy, "%s", f.Message).
				seen(quoted(ConfFile{Bytes: d.v.Conf.Bytes()}, f)).warn().Command = unsetting(d.v.Conf, f)
		}
	}
}
