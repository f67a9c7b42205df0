package corosyncconf

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Codes of what corosync -t refuses in totem and nodelist, or warns of.
const (
	CodeVersion         Code = "version"
	CodeTransport       Code = "transport"
	CodeCryptoHash      Code = "crypto-hash"
	CodeCryptoTransport Code = "crypto-transport"
	CodeAuthkey         Code = "authkey"
	CodeLinkMode        Code = "link-mode"
	CodeLinkNumber      Code = "link-number"
	CodeKnetTransport   Code = "knet-transport"
	CodeLinkOption      Code = "link-option"
	CodePort            Code = "port"
	CodeMulticast       Code = "multicast"
	CodeManyLinks       Code = "many-links"
	CodeUnevenLinks     Code = "uneven-links"
	CodeMixedFamilies   Code = "mixed-families"
	CodeNoLinks         Code = "no-links"
	CodeNodeName        Code = "node-name"
	CodeNodeID          Code = "nodeid"
	CodeDuplicateID     Code = "duplicate-nodeid"
	CodeUnresolvable    Code = "unresolvable"
	CodeLocalNode       Code = "local-node"
	CodeTimer           Code = "timer"
	CodeStateDir        Code = "state-dir"
	CodeIgnored         Code = "ignored"
)

var totemCodes = []CodeInfo{
	{CodeVersion, Bad, "totem.version is missing, or not 2"},
	{CodeTransport, Bad, "a transport that corosync does not have"},
	{CodeCryptoHash, Bad, "a crypto_cipher without a crypto_hash"},
	{CodeCryptoTransport, Bad, "encryption with a transport that cannot encrypt"},
	{CodeAuthkey, Bad, "a key that is not there, or too short or too long"},
	{CodeLinkMode, Bad, "a way to use links or rings that corosync does not have"},
	{CodeLinkNumber, Bad, "a link number that is too high"},
	{CodeKnetTransport, Bad, "a knet_transport that corosync does not have"},
	{CodeLinkOption, Bad, "an option of a link that the transport does not take"},
	{CodePort, Bad, "a link without a port, or two on one"},
	{CodeMulticast, Bad, "a link without a multicast address that fits it"},
	{CodeManyLinks, Bad, "more than one link, which the transport or rrp_mode does not take"},
	{CodeUnevenLinks, Bad, "nodes that do not have the same links"},
	{CodeMixedFamilies, Bad, "IPv4 and IPv6 on one link"},
	{CodeNoLinks, Bad, "no address to use"},
	{CodeNodeName, Bad, "a node without a name, which several links make necessary"},
	{CodeNodeID, Bad, "a node id that is missing or too high"},
	{CodeDuplicateID, Bad, "two nodes with one id"},
	{CodeUnresolvable, Bad, "an address that is none, or a name that stands for none"},
	{CodeLocalNode, Bad, "a nodelist that does not have this machine"},
	{CodeTimer, Bad, "a time that is too short, by itself or beside another"},
	{CodeStateDir, Bad, "a state_dir that is not there"},
	{CodeIgnored, Warning, "a key that corosync warns of, since it takes no notice of it"},
}

// Limits of corosync 3 and 2.4 (totem.h), and of knet (libknet.h).
const (
	maxRings     = 2 // 2.4
	minKey       = 128
	maxKey       = 4096
	key24        = 128
	maxKnetID    = 65535
	minTimeout   = 30
	minHold      = 14
	tick         = 10 // ms, 1000 / HZ
	defaultState = "/var/lib/corosync"
)

// totem does what corosync -t does with totem and nodelist: totemconfig.c,
// totem_config_read and totem_config_validate. It goes on where that stops, as
// far as what follows does not depend on what is wrong.
func (c *checker) totem() {
	if c.read.unclosed() {
		return
	}
	t := &totem{checker: c, cmap: c.db(), failed: map[*line]bool{}}
	t.stateDir()
	t.crypto()
	t.ignored()
	if c.target.Release == V24 {
		t.rings()
	} else {
		t.linkMode()
		t.addresses()
	}
	c.ipVersion = t.ipVersion
	switch v, ok := t.number("totem.version"); {
	case !ok && t.option("totem", "version") == nil:
		t.report(CodeVersion, ByTest, t.place("totem", "version"), "totem.version is missing", "write version: 2 in the totem section")
	case !ok || v.n != 2:
		t.test(CodeVersion, v.line, "totem.version is not 2, and there is no other", "write version: 2 in the totem section")
	}
	t.timers()
	t.duplicateIDs()
}

// totem is what totem_config_read makes of the file.
type totem struct {
	*checker
	*cmap
	via       string // the transport
	ipVersion string
	links     [maxLinks]linkState
	broadcast bool
	local     localNode
	failed    map[*line]bool // whose address is reported
}

// test reports what corosync -t refuses.
func (t *totem) test(code Code, l *line, message, remedy string) {
	t.report(code, ByTest, t.line(l), message, remedy)
}

func (t *totem) warn(l *line, message, remedy string) {
	t.reportKey(CodeIgnored, t.line(l), message, remedy)
}

// stateDir checks the directory that corosync changes to (main.c).
func (t *totem) stateDir() {
	s, _ := t.str("system.state_dir")
	here := t.target.Here
	if t.target.Release == V24 {
		s = setting{}
	}
	dir := t.stateDirPath()
	err := "it has no name"
	if dir != "" {
		if here == nil || here.EnterDir == nil {
			return
		}
		why := here.EnterDir(absolute(dir))
		if why == nil {
			return
		}
		err = why.Error()
	}
	t.test(CodeStateDir, s.line, fmt.Sprintf("corosync cannot use %q as its state directory: %s", dir, err), "make the directory on every node")
}

func (t *totem) stateDirPath() string {
	if s, ok := t.str("system.state_dir"); ok && t.target.Release > V24 {
		return s.text
	}
	return defaultState
}

// absolute returns the path as it is for corosync, which systemd starts in /.
func absolute(file string) string {
	if !path.IsAbs(file) {
		return "/" + file
	}
	return file
}

// crypto does what totem_get_crypto and totem_config_keyread do.
func (t *totem) crypto() {
	t.via = "knet"
	if t.target.Release == V24 {
		t.via = "udp"
	}
	if s, ok := t.str("totem.transport"); ok {
		switch {
		case s.text == "udpu", s.text == "udp", s.text == "knet" && t.target.Release > V24, s.text == "iba" && t.target.Release == V24:
			t.via = s.text
		case t.target.Release == V31:
			t.test(CodeTransport, s.line, fmt.Sprintf("corosync has no transport %q: there are knet, udpu and udp", s.text), "write knet, unless there is a reason not to")
		case t.target.Release == V24: // totemconfig.c:totem_config_read
			t.report(CodeTransport, Accepted, t.line(s.line), fmt.Sprintf("corosync 2.4 has no transport %q, and takes udp, which is multicast, without a word", s.text), "write udpu, or install corosync 3 on all nodes")
		}
	}

	cipher, hash := "none", "none"
	if t.target.Release == V24 {
		cipher, hash = "aes256", "sha1"
	}
	var by *line
	if s, ok := t.str("totem.secauth"); ok {
		switch {
		case s.text == "on" && t.target.Release > V24:
			cipher, hash, by = "aes256", "sha256", s.line
		case s.text == "off" && t.target.Release == V24:
			cipher, hash = "none", "none"
		}
	}
	for _, key := range []struct {
		name  string
		value *string
	}{{"crypto_hash", &hash}, {"crypto_cipher", &cipher}} {
		s, ok := t.str("totem." + key.name)
		k, _ := LookupKey("totem", key.name)
		if ok && (slices.Contains(k.ValuesIn(t.target.Release), s.text) || t.version.before(version{3, 0, 2}) && s.text == "3des") {
			*key.value = s.text
			if s.text != "none" || by == nil {
				by = s.line
			}
		}
	}
	if cipher != "none" && hash == "none" {
		t.test(CodeCryptoHash, by, fmt.Sprintf("crypto_cipher %s needs a crypto_hash other than none", cipher), "write crypto_hash: sha256 in the totem section")
	}
	if cipher == "none" && hash == "none" {
		return
	}
	t.key(by)
	if t.target.Release > V24 && t.via != "knet" {
		t.test(CodeCryptoTransport, by, fmt.Sprintf("transport %s cannot encrypt, and knet can", t.via), "write transport: knet, or take crypto_cipher, crypto_hash and secauth out")
	}
}

// key checks the key that encryption needs, which the line by asks for.
func (t *totem) key(by *line) {
	shortest, longest := minKey, maxKey
	if t.target.Release == V24 {
		shortest, longest = 0, key24
	}
	const remedy = "make a key with corosync-keygen and put it on every node"
	file, l := "/etc/corosync/authkey", by
	if s, ok := t.str("totem.keyfile"); ok {
		file, l = s.text, s.line
	} else if s, ok := t.values["totem.key"]; ok {
		// The NUL byte at its end counts.
		if n := len(s.text) + 1; n < shortest || n > longest {
			t.test(CodeAuthkey, s.line, fmt.Sprintf("totem.key has %d characters, and a key has %d to %d", n-1, max(shortest-1, 0), longest-1), remedy)
		}
		return
	}
	if t.target.Release == V24 {
		shortest = key24
	}
	here := t.target.Here
	if file == "" {
		t.test(CodeAuthkey, l, "totem.keyfile names no file", "name the file of the key, or remove the line: it is /etc/corosync/authkey then")
		return
	}
	if here == nil || here.KeySize == nil {
		return
	}
	if !path.IsAbs(file) {
		file = path.Join(absolute(t.stateDirPath()), file)
	}
	switch size, err := here.KeySize(file); {
	case err != nil:
		t.test(CodeAuthkey, l, fmt.Sprintf("read the key of the cluster: %v", err), remedy)
	case size < shortest:
		t.test(CodeAuthkey, l, fmt.Sprintf("the key in %s has %d bytes, and needs %d", file, size, shortest), remedy)
	}
}

// ignored reports what corosync -t warns of.
func (t *totem) ignored() {
	_, ring0 := t.str("nodelist.node.0.ring0_addr")
	if s, ok := t.number("totem.nodeid"); ok && !t.version.before(version{3, 1, 5}) {
		t.warn(s.line, "corosync takes no notice of totem.nodeid: the nodelist has the ids", "remove the line")
	}
	if s, ok := t.str("totem.interface.0.bindnetaddr"); ok && ring0 {
		t.warn(s.line, "corosync takes no notice of bindnetaddr where there is a nodelist", "remove the line")
	}
	for p := range t.under("totem.interface.") {
		if strings.HasSuffix(p, ".member.0") {
			s, _ := t.str(p)
			if ring0 {
				t.warn(s.line, "corosync takes no notice of member sections where there is a nodelist", "remove the member sections")
			} else {
				t.warn(s.line, "member sections are deprecated", "write a nodelist instead")
			}
		}
	}
}
