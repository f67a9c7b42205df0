package corosyncconf

import (
	"cmp"
	"fmt"
	"slices"
)

// Codes of what starts, and hurts later.
const (
	CodeConfigVersion   Code = "no-config-version"
	CodeClusterName     Code = "no-cluster-name"
	CodeOldTransport    Code = "deprecated-transport"
	CodeUnencrypted     Code = "unencrypted"
	CodeWeakCrypto      Code = "weak-crypto"
	CodeKeyInFile       Code = "key-in-file"
	CodeShortToken      Code = "short-token"
	CodeTimersMismatch  Code = "timers-mismatch"
	CodeInterfaceTwice  Code = "interface-twice"
	CodeInterfaceUnused Code = "interface-unused"
	CodeLinkPriority    Code = "link-priority"
	CodePingTimers      Code = "ping-timers"
	CodeSCTP            Code = "sctp"
	CodeBroadcast       Code = "broadcast"
	CodeLogfile         Code = "logfile"
)

var lifeCodes = []CodeInfo{
	{CodeConfigVersion, Warning, "no config_version: nothing keeps a node with an old file from joining"},
	{CodeClusterName, Warning, "no cluster_name"},
	{CodeOldTransport, Warning, "a transport that is deprecated"},
	{CodeUnencrypted, Warning, "traffic between nodes that is not encrypted"},
	{CodeWeakCrypto, Warning, "a hash or a cipher that is weak"},
	{CodeKeyInFile, Warning, "the key of the cluster in a file that everybody can read"},
	{CodeShortToken, Warning, "a token timeout that is short for the number of nodes"},
	{CodeTimersMismatch, Warning, "timeouts that do not go together"},
	{CodeInterfaceTwice, Warning, "two interface sections about one link"},
	{CodeInterfaceUnused, Warning, "an interface section about a link that no node has"},
	{CodeLinkPriority, Warning, "a priority of a link that does not do what it says"},
	{CodePingTimers, Warning, "one of knet_ping_interval and knet_ping_timeout without the other"},
	{CodeSCTP, Warning, "knet over SCTP, which is deprecated"},
	{CodeBroadcast, Warning, "broadcast and a multicast address, which then does nothing"},
	{CodeLogfile, Warning, "to_logfile without a logfile, or the other way round"},
}

// life reports what starts, and hurts later.
func (c *checker) life() {
	if c.read.unclosed() {
		return
	}
	c.quorum()
	c.nodes()
	c.identity()
	c.secrecy()
	c.timers()
	c.interfaces()
	c.logfile()
}

func (c *checker) identity() {
	totem := c.conf.Totem
	if totem.ConfigVersion == 0 {
		c.report(CodeConfigVersion, Accepted, c.place("totem", "config_version"), "without config_version nothing keeps a node with an old file from joining",
			"write config_version: 1 into totem, and count it up with every change")
	}
	if totem.ClusterName == "" && !c.said(CodeDevice) {
		c.report(CodeClusterName, Accepted, c.place("totem", "cluster_name"), "the cluster has no name", "write cluster_name into totem")
	}
	// corosync.conf(5) since 3.1.9.
	if c.target.Release == V31 && (c.transport == "udp" || c.transport == "udpu") {
		c.report(CodeOldTransport, Accepted, c.option("totem", "transport"), fmt.Sprintf("transport %s is deprecated: it has one link only, and no encryption", c.transport), "use knet")
	}
}

// secrecy reports on crypto. The udp and udpu of corosync 3 have none.
func (c *checker) secrecy() {
	if l := c.option("totem", "key"); l != nil {
		c.report(CodeKeyInFile, Accepted, l, "whoever can read this file has the key of the cluster", "put the key into a file that only root can read, and remove the line")
	}
	if c.transport != "knet" && c.target.Release != V24 {
		return
	}
	cipher, hash := c.conf.Totem.Crypto()
	if c.target.Release == V24 && c.conf.Totem.Secauth != "off" { // totemconfig.c:totem_get_crypto of 2.4.6
		cipher, hash = cmp.Or(c.conf.Totem.CryptoCipher, "aes256"), cmp.Or(c.conf.Totem.CryptoHash, "sha1")
	}
	at := c.option("totem", "crypto_cipher")
	if at == nil {
		at = c.place("totem", "secauth")
	}
	const remedy = "make a key with corosync-keygen, and set crypto_cipher: aes256 and crypto_hash: sha256"
	switch {
	case hash == "none":
		c.report(CodeUnencrypted, Accepted, at, "whoever reaches the nodes' port can read the traffic of the cluster, and take part in it", remedy)
	case cipher == "none":
		c.report(CodeUnencrypted, Accepted, at, "whoever reaches the network can read the traffic of the cluster", "set crypto_cipher: aes256")
	case cipher == "3des":
		c.report(CodeWeakCrypto, Accepted, at, "cipher 3des is weak", "set crypto_cipher: aes256")
	}
	// What 2.4 does without being told is not held against a file.
	if hash == "md5" || hash == "sha1" && c.target.Release != V24 {
		c.report(CodeWeakCrypto, Accepted, c.option("totem", "crypto_hash"), fmt.Sprintf("hash %s is weak", hash), "set crypto_hash: sha256")
	}
}

// The shortest token that is worth its risk, for two nodes and for each more:
// the default of corosync before 3.1, which proved short under load, and the
// smallest token_coefficient that a distribution sets (Proxmox VE).
const (
	shortToken       = 1000
	shortCoefficient = 125
)

// timers reports timeouts that bring down nodes that are well.
func (c *checker) timers() {
	totem := c.file.settings("totem")
	more := -2 // nodes that count in token (totemconfig.c:totem_volatile_config_read)
	for _, n := range c.conf.Nodes {
		if _, ok := n.Addrs[0]; ok {
			more++
		}
	}
	more = max(more, 0)
	key, _ := LookupKey("totem", "token")
	base, _ := parseInteger(key.DefaultIn(c.target.Release))
	token := cmp.Or(totem.number("token", 0), int(base)) + more*totem.number("token_coefficient", 650)
	if least := shortToken + more*shortCoefficient; token < least {
		c.report(CodeShortToken, Accepted, c.place("totem", "token"),
			fmt.Sprintf("a node is lost when the token stays away for %d ms: for %d nodes less than %d ms takes a busy node for a dead one", token, more+2, least), "remove token and token_coefficient")
	}
	// corosync.conf(5): fewer than three nodes get by with less.
	if consensus := totem.number("consensus", 0); consensus > 0 && more > 0 && consensus*10 < token*12 {
		c.report(CodeTimersMismatch, Accepted, c.option("totem", "consensus"), fmt.Sprintf("consensus is %d ms, and with a token of %d ms it must be at least 1.2 times that", consensus, token),
			"remove consensus: corosync makes it from token")
	}
	if retransmit := totem.number("token_retransmit", 0); retransmit >= token {
		c.report(CodeTimersMismatch, Accepted, c.option("totem", "token_retransmit"), fmt.Sprintf("token_retransmit is %d ms, so a token that went astray is lost after %d ms before it is sent again", retransmit, token),
			"remove token_retransmit: corosync makes it from token")
	}
}

// interfaces reports on the interface sections.
func (c *checker) interfaces() {
	seen := map[int]*Section{}
	links := map[int]bool{}
	for _, n := range c.conf.Nodes {
		for link := range n.Addrs {
			links[link] = true
		}
	}
	several := len(links) > 1
	for _, s := range c.file.sections("totem.interface") {
		link, said := c.linkNumber(s)
		if first := seen[link]; first != nil && !said {
			c.report(CodeInterfaceTwice, Accepted, s.open, fmt.Sprintf("link %d has an interface section on line %d already: of keys that both have, this one's count", link, first.Line()),
				"put them into one section, or set linknumber")
		}
		seen[link] = s
		if len(links) > 0 && !links[link] && c.idle(s) {
			c.report(CodeInterfaceUnused, Accepted, s.open, fmt.Sprintf("no node has an address on link %d, which the section is about", link), "remove the section, or give every node an address on the link")
		}
		if c.transport == "knet" {
			c.knetLink(s, several)
		}
		if broadcast, mcast := s.last("broadcast"), s.last("mcastaddr"); c.transport == "udp" && broadcast != nil && broadcast.valueText() == "yes" && mcast != nil {
			c.report(CodeBroadcast, Accepted, mcast, "mcastaddr does nothing where broadcast is", "remove one of them")
		}
	}
}

// linkNumber returns which link the section is about, and whether what is
// wrong with that is said elsewhere.
func (c *checker) linkNumber(s *Section) (link int, said bool) {
	keys := merge([]*Section{s})
	if c.target.Release == V24 {
		return keys.number("ringnumber", 0), false
	}
	return keys.number("linknumber", 0), keys["ringnumber"] != "" && keys["linknumber"] == ""
}

// idle reports whether corosync passes over the section where no node has its
// link. It refuses others.
func (c *checker) idle(s *Section) bool {
	switch {
	case c.target.Release == V24:
		return true
	case c.transport == "udp":
		return s.last("bindnetaddr") == nil
	}
	return !slices.ContainsFunc(s.Options(), func(o Option) bool { return o.Key != "linknumber" && o.Key != "ringnumber" })
}

func (c *checker) knetLink(s *Section, several bool) {
	if l := s.last("knet_link_priority"); l != nil {
		mode := c.conf.Totem.LinkMode
		switch n, _ := parseInteger(l.valueText()); {
		case several && mode != "passive":
			c.report(CodeLinkPriority, Accepted, l, fmt.Sprintf("knet_link_priority does nothing with link_mode %s", mode), "remove the line, or set link_mode: passive")
		case n == 0 && l.valueText() != "":
			c.report(CodeLinkPriority, Accepted, l, "knet_link_priority 0 counts as 1", "write 1, or give the other links more")
		}
	}
	interval, timeout := s.last("knet_ping_interval"), s.last("knet_ping_timeout")
	if l := cmp.Or(interval, timeout); l != nil && (interval == nil || timeout == nil) {
		c.report(CodePingTimers, Accepted, l, fmt.Sprintf("%s stands alone: the other timer is made from token and may not go with it", l.keyText()), "set both knet_ping_interval and knet_ping_timeout, or none")
	}
	if l := s.last("knet_transport"); l != nil && l.valueText() == "sctp" {
		c.report(CodeSCTP, Accepted, l, "SCTP is deprecated: knet 2 does not have it", "remove the line: the link uses UDP then")
	}
}

// logfile reports on logging to a file that comes to nothing.
func (c *checker) logfile() {
	var on *line
	for _, path := range []string{"logging", "logging.logger_subsys"} {
		if l := c.option(path, "to_logfile"); l != nil && (l.valueText() == "yes" || l.valueText() == "on") {
			on = cmp.Or(on, l)
		}
	}
	file := c.option("logging", "logfile")
	switch named := file != nil && file.valueText() != ""; {
	case on != nil && !named && c.option("logging.logger_subsys", "logfile") == nil:
		c.report(CodeLogfile, Accepted, on, "to_logfile is on, and there is no logfile: nothing is written", "name a logfile")
	case on == nil && named:
		c.report(CodeLogfile, Accepted, file, "logfile does nothing where to_logfile is not on", "add to_logfile: yes, or remove the line")
	}
}
