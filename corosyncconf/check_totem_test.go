package corosyncconf_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"clusterctl/corosyncconf"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// here is a machine with the name n1 that knows the names n1 to n3, of IPv4,
// and six, of IPv6.
func here() *corosyncconf.Machine {
	hosts := map[string]string{"n1": "10.0.0.1", "n2": "10.0.0.2", "n3": "10.0.0.3", "alias": "10.0.0.1", "six": "fd00::2"}
	return &corosyncconf.Machine{
		Crypto: []string{"nss", "openssl"}, Compression: []string{"zlib"},
		Hostname: "n1",
		Addrs:    []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("fd00::1/64")},
		Lookup: func(name string, family int) ([]netip.Addr, error) {
			ip, err := netip.ParseAddr(hosts[name])
			if err == nil && (family == 4 && !ip.Is4() || family == 6 && !ip.Is6()) {
				err = errors.New("no address of the family")
			}
			if err != nil {
				return nil, err
			}
			return []netip.Addr{ip}, nil
		},
		Reverse: func(ip netip.Addr) string {
			if ip == netip.MustParseAddr("10.0.0.1") {
				return "reverse.example.com"
			}
			return ""
		},
		KeySize: func(path string) (int, error) {
			sizes := map[string]int{"/etc/corosync/authkey": 256, "/etc/corosync/short": 127, "/var/lib/corosync/relative": 128}
			if size, ok := sizes[path]; ok {
				return size, nil
			}
			return 0, errors.New(path + ": no such file")
		},
		EnterDir: func(path string) error { return onlyIf(path == "/var/lib/corosync" || path == "/relative") },
		AppendTo: func(path string) error { return onlyIf(strings.HasPrefix(path, "/var/log/")) },
		User:     func(name string) bool { return name == "root" },
		Group:    func(name string) bool { return name == "root" },
	}
}

func onlyIf(ok bool) error {
	if !ok {
		return errors.New("no such directory")
	}
	return nil
}

// refusals returns what corosync refuses of a text, as "code line".
func refusals(text string, target corosyncconf.Target) []string {
	f, _ := corosyncconf.Parse("", []byte(text))
	var all []string
	for _, x := range f.Check(target) {
		if x.RefusedBy == corosyncconf.ByParser || x.RefusedBy == corosyncconf.ByTest {
			all = append(all, fmt.Sprintf("%s %d", x.Code, x.Line))
		}
	}
	return all
}

// conf returns a file that corosync 3.1 takes on n1, with more lines in totem
// and instead of the nodelist.
func conf(totem, rest string) string {
	if rest == "" {
		rest = twoNodes
	}
	return "totem {\n\tversion: 2\n\tcluster_name: c\n" + totem + "}\n" + rest
}

const twoNodes = `nodelist {
	node {
		name: n1
		nodeid: 1
		ring0_addr: 10.0.0.1
	}
	node {
		name: n2
		nodeid: 2
		ring0_addr: 10.0.0.2
	}
}
`

// nodeOf returns a node section on lines of its own.
func nodeOf(lines ...string) string { return "node {\n" + strings.Join(lines, "\n") + "\n}\n" }

func nodelist(nodes ...string) string { return "nodelist {\n" + strings.Join(nodes, "") + "}\n" }

var refused = map[string]struct {
	text string
	want []string // with and without a machine
	here []string // besides, on n1
}{
	"what is as it should be": {text: conf("", "")},
	"an empty file":           {text: "", want: []string{"local-node 0", "version 0"}},
	"no nodelist":             {text: conf("", "logging {\n}\n"), want: []string{"local-node 0"}},
	"no version":              {text: "totem {\n\tcluster_name: c\n}\n" + twoNodes, want: []string{"version 1"}},
	"another version":         {text: "totem {\n\tversion: 3\n}\n" + twoNodes, want: []string{"version 2"}},

	"a transport that is none":            {text: conf("\ttransport: tcp\n", ""), want: []string{"transport 4"}},
	"a link_mode that is none":            {text: conf("\tlink_mode: both\n", ""), want: []string{"link-mode 4"}},
	"cipher without hash":                 {text: conf("\tcrypto_cipher: aes256\n", ""), want: []string{"crypto-hash 4"}},
	"cipher that goes before secauth":     {text: conf("\tsecauth: on\n\tcrypto_cipher: none\n", "")},
	"hash none after secauth":             {text: conf("\tsecauth: on\n\tcrypto_hash: none\n", ""), want: []string{"crypto-hash 4"}},
	"crypto with udpu":                    {text: conf("\ttransport: udpu\n\tcrypto_hash: sha256\n", ""), want: []string{"crypto-transport 5"}},
	"a key in the file that is too short": {text: conf("\tsecauth: on\n\tkey: "+strings.Repeat("k", 126)+"\n", ""), want: []string{"authkey 5"}},
	"a key in the file that just does":    {text: conf("\tsecauth: on\n\tkey: "+strings.Repeat("k", 127)+"\n", "")},
	"a key file without a name":           {text: conf("\tsecauth: on\n\tkeyfile:\n", ""), want: []string{"authkey 5"}},
	"a key file that is short":            {text: conf("\tsecauth: on\n\tkeyfile: /etc/corosync/short\n", ""), here: []string{"authkey 5"}},
	"a key file that is not there":        {text: conf("\tsecauth: on\n\tkeyfile: /nosuch\n", ""), here: []string{"authkey 5"}},
	"a key file in the state directory":   {text: conf("\tsecauth: on\n\tkeyfile: relative\n", "")},
	"the usual key":                       {text: conf("\tsecauth: on\n", "")},
	"a model that libknet may have":       {text: conf("\tcrypto_model: gcrypt\n", ""), here: []string{"bad-value 4"}},
	"a compression that it may have":      {text: conf("\tknet_compression_model: lz4\n", ""), here: []string{"bad-value 4"}},
	"a compression that it has":           {text: conf("\tknet_compression_model: zlib\n", "")},

	"a token that is too short":                        {text: conf("\ttoken: 29\n", ""), want: []string{"timer 4"}},
	"a token of which retransmits are too short":       {text: conf("\ttoken: 125\n", ""), want: []string{"timer 4"}},
	"a token of which retransmits just do":             {text: conf("\ttoken: 126\n", "")},
	"the same for more nodes":                          {text: conf("\ttoken: 30\n\ttoken_coefficient: 96\n", nodelist(nodeOf("nodeid: 1", "ring0_addr: n1"), nodeOf("nodeid: 2", "ring0_addr: n2"), nodeOf("nodeid: 3", "ring0_addr: n3")))},
	"a hold that is too short":                         {text: conf("\thold: 13\n", ""), want: []string{"timer 4"}},
	"a hold that just does":                            {text: conf("\thold: 14\n", "")},
	"0 for the default":                                {text: conf("\ttoken: 0\n\thold: 0\n\tjoin: 0\n", "")},
	"a warning over all of the token":                  {text: conf("\ttoken_warning: 101\n", ""), want: []string{"timer 4"}},
	"consensus before join":                            {text: conf("\tjoin: 4000\n", ""), want: []string{"timer 4"}},
	"several times that are too short":                 {text: conf("\tmerge: 1\n\tdowncheck: 1\n\tmax_network_delay: 1\n", ""), want: []string{"timer 4", "timer 5", "timer 6"}},
	"a consensus that does not fit the int that C has": {text: conf("\ttoken: 4294967295\n\tjoin: 2147483648\n", "")},

	"a knet_transport that is none":           {text: conf("\tinterface {\n\t\tknet_transport: tcp\n\t}\n", ""), want: []string{"knet-transport 5"}},
	"a link number that is too high":          {text: conf("\tinterface {\n\t\tlinknumber: 8\n\t\tmcastport: 5\n\t}\n", ""), want: []string{"link-number 6"}},
	"ttl with knet":                           {text: conf("\tinterface {\n\t\tttl: 2\n\t}\n", ""), want: []string{"link-option 5"}},
	"priority with udpu":                      {text: conf("\ttransport: udpu\n\tinterface {\n\t\tknet_link_priority: 2\n\t}\n", ""), want: []string{"link-option 6"}},
	"priority 0 with udpu":                    {text: conf("\ttransport: udpu\n\tinterface {\n\t\tknet_link_priority: 0\n\t}\n", "")},
	"port 0, which stands for the usual one":  {text: conf("\tinterface {\n\t\tmcastport: 0\n\t}\n", "")},
	"a link of which only an interface tells": {text: conf("\tinterface {\n\t\tlinknumber: 1\n\t\tmcastport: 5\n\t}\n", ""), want: []string{"uneven-links 6"}},

	"udp without a cluster_name":               {text: "totem {\n\tversion: 2\n\ttransport: udp\n}\n" + twoNodes, want: []string{"multicast 9"}},
	"a mcastaddr that is not multicast":        {text: conf("\ttransport: udp\n\tinterface {\n\t\tmcastaddr: 10.1.1.1\n\t}\n", ""), want: []string{"multicast 6"}},
	"a mcastaddr of another family":            {text: conf("\ttransport: udp\n\tip_version: ipv4-6\n\tinterface {\n\t\tmcastaddr: ff15::1\n\t}\n", ""), here: []string{"multicast 7"}},
	"broadcast instead":                        {text: conf("\ttransport: udp\n\tinterface {\n\t\tmcastaddr: 10.1.1.1\n\t\tbroadcast: yes\n\t}\n", "")},
	"two links with udpu":                      {text: conf("\ttransport: udpu\n", nodelist(nodeOf("name: n1", "ring0_addr: n1", "ring1_addr: 10.1.0.1"))), want: []string{"many-links 10"}},
	"no address at all":                        {text: conf("", nodelist(nodeOf("name: n1", "nodeid: 1"))), want: []string{"no-links 0"}},
	"two links, and a node without name":       {text: conf("", nodelist(nodeOf("name: n1", "nodeid: 1", "ring0_addr: n1", "ring1_addr: 10.1.0.1"), nodeOf("nodeid: 2", "ring0_addr: n2", "ring1_addr: 10.1.0.2"))), want: []string{"node-name 13"}},
	"two links, and a node without one":        {text: conf("", nodelist(nodeOf("name: n1", "nodeid: 1", "ring0_addr: n1", "ring1_addr: 10.1.0.1"), nodeOf("name: n2", "nodeid: 2", "ring0_addr: n2"))), want: []string{"uneven-links 13"}},
	"IPv4 and IPv6 on a link":                  {text: conf("", nodelist(nodeOf("nodeid: 1", "ring0_addr: 10.0.0.1"), nodeOf("nodeid: 2", "ring0_addr: fd00::2"))), want: []string{"mixed-families 12"}},
	"the same by name":                         {text: conf("", nodelist(nodeOf("nodeid: 1", "ring0_addr: n1"), nodeOf("nodeid: 2", "ring0_addr: six"))), here: []string{"mixed-families 12"}},
	"an address of a family that is not taken": {text: conf("\tip_version: ipv6\n", ""), want: []string{"unresolvable 10", "unresolvable 15"}},
	"an address as inet_aton takes it":         {text: conf("", strings.Replace(twoNodes, "10.0.0.2", "0x0a.2", 1))},
	"an address that is none":                  {text: conf("", strings.Replace(twoNodes, "10.0.0.2", "10.0.0.2 # x", 1)), here: []string{"unresolvable 14"}},
	"a name that nobody knows":                 {text: conf("", strings.Replace(twoNodes, "10.0.0.2", "nosuch", 1)), here: []string{"unresolvable 14"}},
	"ring8_addr":                               {text: conf("", strings.Replace(twoNodes, "nodeid: 2", "nodeid: 2\n\t\tring8_addr: 10.8.0.2", 1)), want: []string{"link-number 14"}},
	"knet without a nodeid":                    {text: conf("", strings.Replace(twoNodes, "nodeid: 2", "quorum_votes: 2", 1)), want: []string{"nodeid 12"}},
	"knet with a nodeid that is too high":      {text: conf("", strings.Replace(twoNodes, "nodeid: 2", "nodeid: 65536", 1)), want: []string{"nodeid 13"}},
	"udpu with it":                             {text: conf("\ttransport: udpu\n", strings.Replace(twoNodes, "nodeid: 2", "nodeid: 65536", 1))},
	"udpu and IPv6 without a nodeid":           {text: conf("\ttransport: udpu\n", nodelist(nodeOf("name: n1", "ring0_addr: fd00::1"))), want: []string{"nodeid 9"}},
	"two nodes of one id":                      {text: conf("", strings.Replace(twoNodes, "nodeid: 2", "nodeid: 1", 1)), want: []string{"duplicate-nodeid 13"}},
	"a made id that another has":               {text: conf("\ttransport: udpu\n", nodelist(nodeOf("name: n1", "ring0_addr: 10.0.0.1"), nodeOf("name: n2", "ring0_addr: 10.0.0.2", "nodeid: 167772161"))), want: []string{"duplicate-nodeid 14"}},

	"this machine is in the list by an alias":      {text: conf("", nodelist(nodeOf("nodeid: 1", "ring0_addr: alias")))},
	"this machine is in the list by reverse":       {text: conf("", nodelist(nodeOf("name: reverse", "nodeid: 1", "ring0_addr: 10.0.0.9")))},
	"this machine is in the list with a domain":    {text: conf("", nodelist(nodeOf("name: n1.example.com", "nodeid: 1", "ring0_addr: 10.0.0.9")))},
	"this machine is not in the list":              {text: conf("", nodelist(nodeOf("name: n2", "nodeid: 2", "ring0_addr: n2"))), here: []string{"local-node 0"}},
	"bindnetaddr, and a first node without ring 0": {text: conf("\tinterface {\n\t\tbindnetaddr: n1\n\t}\n", nodelist(nodeOf("nodeid: 1", "ring1_addr: n1"))), want: []string{"local-node 5"}},
	"this machine has no address on a link":        {text: conf("", nodelist(nodeOf("name: n1", "nodeid: 1"), nodeOf("name: n2", "nodeid: 2", "ring0_addr: n2"))), here: []string{"uneven-links 7"}},
	"udpu, and this machine has nothing for an id": {text: conf("\ttransport: udpu\n", nodelist(nodeOf("name: n1", "ring1_addr: n1"))), here: []string{"crash 8"}},

	"a log value that is none":             {text: conf("", twoNodes+"logging {\n\tdebug: maybe\n}\n"), want: []string{"log-value 18"}},
	"a log value of a subsystem":           {text: conf("", twoNodes+"logging {\n\tlogger_subsys {\n\t\tsubsys: A\n\t\tto_syslog: maybe\n\t}\n}\n"), want: []string{"log-value 20"}},
	"a priority in capitals":               {text: conf("", twoNodes+"logging {\n\tsyslog_priority: ERROR\n}\n")},
	"a facility that is not in the manual": {text: conf("", twoNodes+"logging {\n\tsyslog_facility: user\n}\n")},
	"a facility that is none":              {text: conf("", twoNodes+"logging {\n\tsyslog_facility: Daemon\n}\n"), want: []string{"log-value 18"}},
	"a log file in no directory":           {text: conf("", twoNodes+"logging {\n\tto_logfile: no\n\tlogfile: /nosuch/x\n}\n"), here: []string{"log-file 19"}},
	"a log file without a name":            {text: conf("", twoNodes+"logging {\n\tlogfile:\n}\n"), want: []string{"log-file 18"}},
	"a subsystem with a long name":         {text: conf("", twoNodes+"logging {\n\tlogger_subsys {\n\t\tsubsys: "+strings.Repeat("A", 64)+"\n\t}\n}\n"), want: []string{"log-subsys 19"}},
	"a state directory that is not there":  {text: conf("", twoNodes+"system {\n\tstate_dir: /nosuch\n}\n"), here: []string{"state-dir 18"}},
	"a state directory below the root":     {text: conf("", twoNodes+"system {\n\tstate_dir: relative\n}\n")},
	"a user that is not there":             {text: conf("", twoNodes+"uidgid {\n\tuid: nobody\n\tgid: 7\n}\n"), here: []string{"bad-value 18"}},
}

func TestWhatCorosyncRefuses(t *testing.T) {
	for name, tt := range refused {
		t.Run(name, func(t *testing.T) {
			got := refusals(tt.text, corosyncconf.Target{Release: corosyncconf.V31})
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("without a machine (-want +got):\n%s", diff)
			}
			want := slices.Sorted(slices.Values(slices.Concat(tt.want, tt.here)))
			got = slices.Sorted(slices.Values(refusals(tt.text, corosyncconf.Target{Release: corosyncconf.V31, Here: here()})))
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("on n1 (-want +got):\n%s", diff)
			}
		})
	}
}

// TestVersionsRefuseOtherThings holds what is said of one version against
// another.
func TestVersionsRefuseOtherThings(t *testing.T) {
	ring := "totem {\n\tversion: 2\n\tcluster_name: c\n\tsecauth: off\n\tinterface {\n\t\tbindnetaddr: 10.0.0.0\n\t\tmcastport: 5405\n\t}\n"
	for name, tt := range map[string]struct {
		text    string
		version [3]int
		want    []string
	}{
		"a no-break space is white space since 3.1.8":   {conf("", strings.Replace(twoNodes, "\t\tnodeid", "\xa0nodeid", 1)), [3]int{3, 1, 8}, nil},
		"and part of a name before":                     {conf("", strings.Replace(twoNodes, "\t\tnodeid", "\xa0nodeid", 1)), [3]int{3, 1, 7}, []string{"key-name 8", "nodeid 7"}},
		"an empty key is none since 3.1.10":             {conf("\t:x\n", ""), [3]int{3, 1, 10}, []string{"syntax 4"}},
		"and one before":                                {conf("\t:x\n", ""), [3]int{3, 1, 9}, nil},
		"ip_dscp is looked at since 3.1.10":             {conf("\tip_dscp: x\n", ""), [3]int{3, 1, 10}, []string{"bad-value 4"}},
		"and not before":                                {conf("\tip_dscp: x\n", ""), [3]int{3, 1, 9}, nil},
		"a section in a node is by itself since 3.1.10": {conf("", strings.Replace(twoNodes, "\t\tnodeid: 2", "x {\nnodeid: 1\n}\nnodeid: 2", 1)), [3]int{3, 1, 10}, nil},
		"and another node before":                       {conf("", strings.Replace(twoNodes, "\t\tnodeid: 2", "x {\nnodeid: 1\n}\nnodeid: 2", 1)), [3]int{3, 1, 9}, []string{"duplicate-nodeid 14"}},
		"on a section in logger_subsys they crash":      {conf("", twoNodes+"logging {\nlogger_subsys {\nsubsys: A\nx {\n}\n}\n}\n"), [3]int{3, 1, 9}, []string{"crash 22"}},
		"3.0 takes any transport for knet":              {conf("\ttransport: tcp\n", ""), [3]int{3, 0, 4}, nil},
		"3.0 takes the nodeid of totem":                 {conf("\tnodeid: 7\n", nodelist(nodeOf("name: n1", "ring0_addr: n1"))), [3]int{3, 0, 4}, nil},
		"2.4 is one of rings":                           {ring + "}\n", [3]int{2, 4, 6}, nil},
		"whose second needs rrp_mode":                   {ring + "\tinterface {\n\t\tringnumber: 1\n\t\tbindnetaddr: 10.1.0.0\n\t\tmcastport: 5407\n\t}\n}\n", [3]int{2, 4, 6}, []string{"many-links 11"}},
		"and a first":                                   {"totem {\n\tversion: 2\n\tcluster_name: c\n\tsecauth: off\n\tinterface {\n\t\tringnumber: 1\n\t\tbindnetaddr: 10.0.0.0\n\t}\n}\n", [3]int{2, 4, 6}, []string{"no-links 7"}},
		"with another port":                             {ring + "\trrp_mode: passive\n\tinterface {\n\t\tringnumber: 1\n\t\tbindnetaddr: 10.1.0.0\n\t\tmcastaddr: 239.1.1.1\n\t\tmcastport: 5406\n\t}\n}\n" + "totem {\n\tinterface {\n\t\tmcastaddr: 239.1.1.1\n\t}\n}\n", [3]int{2, 4, 6}, []string{"port 14"}},
		"2.4 encrypts if it is not told to":             {"totem {\n\tversion: 2\n\tcluster_name: c\n\tkeyfile: /nosuch\n\tinterface {\n\t\tbindnetaddr: 10.0.0.0\n\t}\n}\n", [3]int{2, 4, 6}, []string{"authkey 4"}},
		"2.4 knows no node without ring 0":              {ring + "}\nnodelist {\n\tnode {\n\t\tring1_addr: 10.0.0.1\n\t}\n}\n", [3]int{2, 4, 6}, []string{"not-allowed 11"}},
		"2.4 loses a section with a comment behind":     {"totem { # mine\n\tversion: 2\n}\n", [3]int{2, 4, 6}, []string{"authkey 0", "no-links 0", "version 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := here()
			m.Version = tt.version
			release := corosyncconf.V31
			switch {
			case tt.version[0] == 2:
				release = corosyncconf.V24
				m.KeySize = func(path string) (int, error) { return 0, errors.New("no such file") }
			case tt.version[1] == 0:
				release = corosyncconf.V30
			}
			got := slices.Sorted(slices.Values(refusals(tt.text, corosyncconf.Target{Release: release, Here: m})))
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestKeysOfLaterVersionsAreFound where the machine's corosync is of an earlier
// one of the same release.
func TestKeysOfLaterVersionsAreFound(t *testing.T) {
	text := conf("\tip_dscp: ef\n\tknet_mtu: 1400\n\tcancel_token_hold_on_retransmit: yes\n\tblock_unlisted_ips: yes\n", "")
	for version, want := range map[[3]int][]string{
		{3, 1, 10}: nil,
		{3, 1, 9}:  {"ip_dscp: it came with 3.1.10"},
		{3, 1, 5}:  {"ip_dscp: it came with 3.1.10", "knet_mtu: it came with 3.1.7", "cancel_token_hold_on_retransmit: it came with 3.1.6 and 2.4.6"},
		{3, 0, 1}:  {"ip_dscp: it came with 3.1.10", "knet_mtu: it came with 3.1.7", "cancel_token_hold_on_retransmit: it came with 3.1.6 and 2.4.6", "block_unlisted_ips: it came with 3.0.2 and 2.4.5"},
		{2, 4, 6}:  {"ip_dscp: it came with 3.1.10", "knet_mtu: it came with 3.1.7"},
		{2, 4, 5}:  {"ip_dscp: it came with 3.1.10", "knet_mtu: it came with 3.1.7", "cancel_token_hold_on_retransmit: it came with 3.1.6 and 2.4.6"},
	} {
		m := here()
		m.Version = version
		release := map[[2]int]corosyncconf.Release{{3, 1}: corosyncconf.V31, {3, 0}: corosyncconf.V30, {2, 4}: corosyncconf.V24}[[2]int(version[:2])]
		f, _ := corosyncconf.Parse("", []byte(text))
		var got []string
		for _, x := range f.Check(corosyncconf.Target{Release: release, Here: m}) {
			if x.Code == corosyncconf.CodeKeyRelease {
				_, said, _ := strings.Cut(x.Message, " takes no notice of totem.")
				got = append(got, said)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", version, diff)
		}
	}
}

// TestFilesOfUsersAreReadToo: corosync does not start on one that it refuses.
func TestFilesOfUsersAreReadToo(t *testing.T) {
	for text, want := range map[string]string{
		"uidgid {\n\tuid: root\n\tgid: 7\n}\n": "",
		"# none\n":                             "",
		"uidgid {\n\tuid: nobody\n}\n":         `/etc/corosync/uidgid.d/a:2: this machine has no user "nobody"`,
		"uidgid {\n\tgid: nobody\n}\n":         `/etc/corosync/uidgid.d/a:2: this machine has no group "nobody"`,
		"uidgid {\n\tuid root\n}\n":            "/etc/corosync/uidgid.d/a:2: line is not ",
		"uidgid {\n\tuid: root\n":              "/etc/corosync/uidgid.d/a:2: missing closing brace",
		"uid: root\n":                          "/etc/corosync/uidgid.d/a:1: uid, and only uid and gid within uidgid ",
		"uidgid {\n\tname: root\n}\n":          "/etc/corosync/uidgid.d/a:2: ",
		"\ntotem {\n}\n":                       "/etc/corosync/uidgid.d/a:2: section totem, and only uidgid ",
	} {
		m := here()
		m.UserFiles = map[string][]byte{"/etc/corosync/uidgid.d/a": []byte(text)}
		f, _ := corosyncconf.Parse("", []byte(conf("", "")))
		said := ""
		for _, x := range f.Check(corosyncconf.Target{Release: corosyncconf.V31, Here: m}) {
			if x.Code == corosyncconf.CodeUserFile && x.RefusedBy == corosyncconf.ByParser {
				said += x.Message
			}
		}
		if (said == "") != (want == "") || !strings.HasPrefix(said, want) {
			t.Errorf("%q: %q, want %q", text, said, want)
		}
	}
}

// TestCorosyncMissesDuplicateIDs: of eleven nodes it compares the third to the
// first two only, since it goes over them as 0, 1, 10, 2.
func TestCorosyncMissesDuplicateIDs(t *testing.T) {
	var nodes []string
	for i := range 11 {
		id := i + 1
		if i == 3 {
			id = 3
		}
		nodes = append(nodes, nodeOf(fmt.Sprintf("name: n%d", i+1), fmt.Sprintf("nodeid: %d", id), fmt.Sprintf("ring0_addr: 10.0.0.%d", i+1)))
	}
	f, err := corosyncconf.Parse("", []byte(conf("", nodelist(nodes...))))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range f.Check(corosyncconf.Target{Release: corosyncconf.V31}) {
		if x.Code == corosyncconf.CodeDuplicateID {
			if x.RefusedBy != corosyncconf.Accepted || x.Severity != corosyncconf.Bad {
				t.Errorf("refused by %q, severity %s: it is not refused, and bad", x.RefusedBy, x.Severity)
			}
			return
		}
	}
	t.Error("not found")
}
