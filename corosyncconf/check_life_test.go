package corosyncconf_test

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"clusterctl/corosyncconf"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// lives are files that start, and all that is found in them.
var lives = map[string]struct {
	cluster
	want []string
}{
	"three nodes":            {cluster{}, nil},
	"one node":               {cluster{nodes: nodes(1)}, nil},
	"four nodes":             {cluster{nodes: nodes(4)}, nil},
	"two nodes":              {cluster{nodes: nodes(2), quorum: "two_node: 1"}, nil},
	"two nodes and a device": {cluster{nodes: nodes(2), quorum: device("votes: 1")}, nil},
	"three nodes and lms":    {cluster{quorum: "device {; model: net; net {; host: q; algorithm: lms; }; }"}, nil},
	"two links":              {cluster{nodes: linked("10.99.10.11 10.99.11.11", "10.99.10.12 10.99.11.12", "10.99.10.13 10.99.11.13")}, nil},
	"three nodes of 3.0":     {cluster{release: corosyncconf.V30}, nil},
	"three nodes of 2.4":     {cluster{release: corosyncconf.V24, totem: "transport: udpu"}, nil},
	"a line that is none":    {cluster{rest: "to be done"}, []string{"syntax error parse: to be done"}},

	"no provider":                   {cluster{without: "provider"}, []string{"no-quorum error: quorum {"}},
	"no provider, one node":         {cluster{nodes: nodes(1), without: "provider"}, nil},
	"a newcomer":                    {cluster{nodes: votes(1, 1, 0), quorum: "two_node: 1"}, []string{"no-vote warning: quorum_votes: 0"}},
	"two_node of three":             {cluster{quorum: "two_node: 1"}, []string{"two-node error: two_node: 1"}},
	"two_node of one":               {cluster{nodes: nodes(1), quorum: "two_node: 1"}, []string{"two-node-alone warning: two_node: 1"}},
	"two_node of four votes":        {cluster{release: corosyncconf.V24, totem: "transport: udp; interface {; bindnetaddr: 10.99.10.0; }", nodes: []string{}, quorum: "two_node: 1; expected_votes: 4"}, []string{"two-node error: two_node: 1"}},
	"two_node alone":                {cluster{nodes: nodes(2), quorum: "two_node: 1; wait_for_all: 0"}, []string{"two-node-race warning: wait_for_all: 0"}},
	"two_node and wait_for_all":     {cluster{nodes: nodes(2), quorum: "two_node: 1; wait_for_all: 1"}, nil},
	"two_node and auto_tie_breaker": {cluster{nodes: nodes(2), quorum: "two_node: 1; auto_tie_breaker: 1"}, []string{"two-node-tie-breaker warning: two_node: 1"}},

	"auto_tie_breaker of three":     {cluster{quorum: "auto_tie_breaker: 1"}, []string{"tie-breaker-odd warning: auto_tie_breaker: 1"}},
	"auto_tie_breaker that waits":   {cluster{quorum: "auto_tie_breaker: 1; wait_for_all: 1"}, nil},
	"auto_tie_breaker of four":      {cluster{nodes: nodes(4), quorum: "auto_tie_breaker: 1"}, nil},
	"a tie breaker by itself":       {cluster{nodes: nodes(4), quorum: "auto_tie_breaker_node: lowest"}, []string{"tie-breaker-node warning: auto_tie_breaker_node: lowest"}},
	"a tie breaker by name":         {cluster{nodes: nodes(4), quorum: "auto_tie_breaker: 1; auto_tie_breaker_node: n1"}, []string{"tie-breaker-node warning: auto_tie_breaker_node: n1"}},
	"tie breakers with commas":      {cluster{nodes: nodes(4), quorum: "auto_tie_breaker: 1; auto_tie_breaker_node: 1,2"}, []string{"tie-breaker-node warning: auto_tie_breaker_node: 1,2"}},
	"a tie breaker that is gone":    {cluster{nodes: nodes(4), quorum: "auto_tie_breaker: 1; auto_tie_breaker_node: 1 5"}, []string{"tie-breaker-node warning: auto_tie_breaker_node: 1 5"}},
	"tie breakers":                  {cluster{nodes: nodes(4), quorum: "auto_tie_breaker: 1; auto_tie_breaker_node: 4  1"}, nil},
	"last_man_standing":             {cluster{quorum: "last_man_standing: 1; wait_for_all: 1"}, nil},
	"last_man_standing, uneven":     {cluster{nodes: votes(1, 2, 2), quorum: "last_man_standing: 1; wait_for_all: 1"}, []string{"last-man-standing warning: last_man_standing: 1"}},
	"last_man_standing in a hurry":  {cluster{quorum: "last_man_standing: 1"}, []string{"last-man-standing warning: last_man_standing: 1"}},
	"allow_downscale":               {cluster{quorum: "allow_downscale: 1"}, []string{"allow-downscale warning: allow_downscale: 1"}},
	"expected_votes as they are":    {cluster{quorum: "expected_votes: 3"}, nil},
	"expected_votes of a removed":   {cluster{quorum: "expected_votes: 4"}, []string{"expected-votes warning: expected_votes: 4"}},
	"expected_votes before an add":  {cluster{nodes: nodes(5), quorum: "expected_votes: 4"}, []string{"expected-votes warning: expected_votes: 4"}},
	"expected_votes of long ago":    {cluster{nodes: nodes(6), quorum: "expected_votes: 4"}, []string{"expected-votes-low error: expected_votes: 4"}},
	"expected_votes of many":        {cluster{quorum: "expected_votes: 6"}, []string{"never-quorate error: expected_votes: 6"}},
	"expected_votes that all await": {cluster{quorum: "expected_votes: 4; wait_for_all: 1"}, []string{"never-quorate error: expected_votes: 4"}},
	"no votes":                      {cluster{nodes: votes(0, 0)}, []string{"never-quorate error: quorum {"}},
	"a node without a vote":         {cluster{nodes: votes(1, 1, 1, 0)}, []string{"no-vote warning: quorum_votes: 0"}},
	"votes in the wrong place":      {cluster{quorum: "votes: 1"}, []string{"votes-ignored warning: votes: 1"}},
	"two nodes and no two_node":     {cluster{nodes: nodes(2)}, []string{"one-failure warning: quorum {"}},
	"a node that outweighs others":  {cluster{nodes: votes(1, 3, 1)}, []string{"one-failure warning: quorum_votes: 3"}},
	"a node that is worth two":      {cluster{nodes: votes(1, 2, 1, 1)}, nil},

	"a device without a model":           {cluster{quorum: "device {; votes: 1; }"}, []string{"device-incomplete error: device {"}},
	"a device of a model that is none":   {cluster{quorum: "device {; model: disk; votes: 1; }"}, []string{"device-incomplete error: model: disk"}},
	"a device without a host":            {cluster{nodes: nodes(2), quorum: "device {; model: net; votes: 1; }"}, []string{"device-incomplete error: model: net"}},
	"a device without a host in its net": {cluster{nodes: nodes(2), quorum: "device {; model: net; votes: 1; net {; tls: off; }; }"}, []string{"device-incomplete error: net {"}},
	"a device for no name":               {cluster{without: "cluster_name", nodes: nodes(2), quorum: device("votes: 1")}, []string{"device-incomplete error: totem {"}},
	"a device for no nodelist": {cluster{release: corosyncconf.V24, nodes: []string{}, totem: "transport: udp; interface {; bindnetaddr: 10.99.10.0; }", quorum: "expected_votes: 3; " + device("votes: 1")},
		[]string{"device-incomplete error: model: net"}},
	"a device with another tie breaker":  {cluster{nodes: nodes(2), quorum: "device {; model: net; votes: 1; net {; host: q; tie_breaker: n1; }; }"}, []string{"device-incomplete error: tie_breaker: n1"}},
	"a device with a tie breaker":        {cluster{nodes: nodes(2), quorum: "device {; model: net; votes: 1; net {; host: q; tie_breaker: 2; }; }"}, nil},
	"a device whose tie breaker is gone": {cluster{nodes: nodes(2), quorum: "device {; model: net; votes: 1; net {; host: q; tie_breaker: 3; }; }"}, []string{"tie-breaker-node warning: tie_breaker: 3"}},
	"ffsplit without votes":              {cluster{nodes: nodes(2), quorum: device("")}, []string{"device-votes error: device {"}},
	"ffsplit with two votes":             {cluster{nodes: nodes(4), quorum: device("votes: 2")}, []string{"device-votes error: votes: 2"}},
	"ffsplit with uneven nodes":          {cluster{nodes: votes(1, 2, 1, 1), quorum: device("votes: 1")}, []string{"device-votes error: quorum_votes: 2"}},
	"ffsplit with odd nodes":             {cluster{quorum: device("votes: 1")}, []string{"device-nodes warning: net {"}},
	"lms with votes":                     {cluster{quorum: "device {; model: net; votes: 1; net {; host: q; algorithm: lms; }; }"}, []string{"device-votes error: votes: 1"}},
	"lms with the votes it has anyway":   {cluster{quorum: "device {; model: net; votes: 2; net {; host: q; algorithm: lms; }; }"}, nil},
	"an algorithm for tests":             {cluster{quorum: "device {; model: net; net {; host: q; algorithm: 2nodelms; }; }"}, []string{"device-algorithm warning: algorithm: 2nodelms"}},
	"heuristics":                         {cluster{nodes: nodes(2), quorum: device("votes: 1; heuristics {; mode: sync; exec_a: /bin/true; }")}, nil},
	"heuristics that are off":            {cluster{nodes: nodes(2), quorum: device("votes: 1; heuristics {; exec_a: /bin/true; }")}, []string{"heuristics warning: exec_a: /bin/true"}},
	"heuristics without a command":       {cluster{nodes: nodes(2), quorum: device("votes: 1; heuristics {; mode: on; }")}, []string{"heuristics warning: mode: on"}},
	"heuristics with a relative path":    {cluster{nodes: nodes(2), quorum: device("votes: 1; heuristics {; mode: on; exec_a: ping q; }")}, []string{"heuristics warning: exec_a: ping q"}},

	"a name twice":            {cluster{nodes: append(nodes(3), "name: n1; nodeid: 4; ring0_addr: 10.99.10.14")}, []string{"duplicate-name error: name: n1"}},
	"a name in two spellings": {cluster{nodes: append(nodes(3), "name: N1; nodeid: 4; ring0_addr: 10.99.10.14")}, []string{"similar-name warning: name: N1"}},
	"a name that is none":     {cluster{nodes: append(nodes(3), "name: my node; nodeid: 4; ring0_addr: 10.99.10.14")}, []string{"bad-name warning: name: my node"}},
	"a name that is too long": {cluster{nodes: append(nodes(3), "name: "+strings.Repeat("n", 65)+"; nodeid: 4; ring0_addr: 10.99.10.14")}, []string{"bad-name warning: name: " + strings.Repeat("n", 65)}},
	"a whole name":            {cluster{nodes: append(nodes(3), "name: n4.example.com; nodeid: 4; ring0_addr: 10.99.10.14")}, nil},
	"nodes without names":     {cluster{nodes: []string{"nodeid: 1; ring0_addr: a", "nodeid: 2; ring0_addr: b", "nodeid: 3; ring0_addr: c"}}, nil},

	"an address twice":            {cluster{nodes: linked("10.0.0.1", "10.0.0.2", "10.0.0.1")}, []string{"duplicate-address error: ring0_addr: 10.0.0.1"}},
	"an address in two spellings": {cluster{nodes: linked("fd00::1", "fd00::2", "fd00:0:0::0001")}, []string{"duplicate-address error: ring0_addr: fd00:0:0::0001"}},
	"an address on another link":  {cluster{nodes: linked("10.0.0.1 10.0.1.1", "10.0.0.2 10.0.0.1", "10.0.0.3 10.0.1.3")}, []string{"duplicate-address error: ring1_addr: 10.0.0.1"}},
	"an address for two links":    {cluster{nodes: linked("10.0.0.1 10.0.0.1", "10.0.0.2 10.0.1.2", "10.0.0.3 10.0.1.3")}, []string{"shared-address warning: ring1_addr: 10.0.0.1"}},
	"an address that is none":     {cluster{nodes: linked("10.0.0.1", "10.0.0.256", "10.0.0.3")}, []string{"unresolvable error: ring0_addr: 10.0.0.256"}},
	"an address of 2.4 that is none": {cluster{release: corosyncconf.V24, totem: "transport: udpu; rrp_mode: passive", nodes: linked("10.0.0.1 10.0.1.1", "10.0.0.256 10.0.1.2", "10.0.0.3 10.0.1.3/24")},
		[]string{"unresolvable error: ring0_addr: 10.0.0.256", "unresolvable error: ring1_addr: 10.0.1.3/24"}},
	"a host name twice":             {cluster{nodes: linked("a.example.com", "b.example.com", "A.example.com.")}, []string{"duplicate-address error: ring0_addr: A.example.com."}},
	"a loopback address":            {cluster{nodes: linked("10.0.0.1", "127.0.1.1", "10.0.0.3")}, []string{"loopback error: ring0_addr: 127.0.1.1"}},
	"loopback by name and twice":    {cluster{nodes: linked("localhost", "fd00::2", "::1")}, []string{"loopback error: ring0_addr: localhost", "loopback error: ring0_addr: ::1"}},
	"loopback for itself":           {cluster{nodes: linked("127.0.0.1")}, nil},
	"any address":                   {cluster{nodes: linked("10.0.0.1", "0.0.0.0", "10.0.0.3")}, []string{"address error: ring0_addr: 0.0.0.0"}},
	"a multicast address":           {cluster{nodes: linked("10.0.0.1", "10.0.0.2", "239.0.0.3")}, []string{"address error: ring0_addr: 239.0.0.3"}},
	"the broadcast address":         {cluster{nodes: linked("10.0.0.1", "10.0.0.2", "255.255.255.255")}, []string{"address error: ring0_addr: 255.255.255.255"}},
	"a link-local address":          {cluster{nodes: linked("fd00::1", "fe80::2", "fd00::3")}, []string{"link-local warning: ring0_addr: fe80::2"}},
	"as many nodes as are common":   {cluster{nodes: nodes(32)}, nil},
	"more nodes than are supported": {cluster{nodes: nodes(33)}, []string{"many-nodes warning: node {"}},
	"more nodes than there is room": {cluster{nodes: linked(addresses(385)...)}, []string{"too-many-nodes error: node {"}},

	"no config_version":                      {cluster{without: "config_version"}, []string{"no-config-version warning: totem {"}},
	"config_version 0":                       {cluster{without: "config_version: 1", totem: "config_version: 0"}, []string{"no-config-version warning: config_version: 0"}},
	"no cluster_name":                        {cluster{without: "cluster_name"}, []string{"no-cluster-name warning: totem {"}},
	"no encryption":                          {cluster{without: "secauth"}, []string{"unencrypted warning: totem {"}},
	"secauth off":                            {cluster{without: "secauth: on", totem: "secauth: off"}, []string{"unencrypted warning: secauth: off"}},
	"no cipher":                              {cluster{totem: "crypto_cipher: none"}, []string{"unencrypted warning: crypto_cipher: none"}},
	"cipher and hash":                        {cluster{without: "secauth", totem: "crypto_cipher: aes128; crypto_hash: sha512"}, nil},
	"an old hash":                            {cluster{totem: "crypto_hash: md5"}, []string{"weak-crypto warning: crypto_hash: md5"}},
	"an aging hash":                          {cluster{totem: "crypto_hash: sha1"}, []string{"weak-crypto warning: crypto_hash: sha1"}},
	"the hash of 2.4":                        {cluster{release: corosyncconf.V24, totem: "transport: udpu; crypto_hash: sha1"}, nil},
	"an old cipher of 2.4":                   {cluster{release: corosyncconf.V24, totem: "transport: udpu; crypto_cipher: 3des"}, []string{"weak-crypto warning: crypto_cipher: 3des"}},
	"encryption of 2.4":                      {cluster{release: corosyncconf.V24, without: "secauth", totem: "transport: udpu"}, nil},
	"no encryption with 2.4":                 {cluster{release: corosyncconf.V24, without: "secauth: on", totem: "transport: udpu; secauth: off"}, []string{"unencrypted warning: secauth: off"}},
	"a key for everybody":                    {cluster{totem: "key: " + strings.Repeat("k", 128)}, []string{"key-in-file warning: key: " + strings.Repeat("k", 128)}},
	"an old transport":                       {cluster{without: "secauth", totem: "transport: udpu"}, []string{"deprecated-transport warning: transport: udpu"}},
	"knet with 2.4":                          {cluster{release: corosyncconf.V24, totem: "transport: knet"}, []string{"transport error: transport: knet"}},
	"iba with 2.4":                           {cluster{release: corosyncconf.V24, totem: "transport: iba"}, nil},
	"a transport that is none, and its keys": {cluster{totem: "transport: knte; link_mode: passive; knet_mtu: 1400"}, []string{"transport error test: transport: knte"}},
	"an option that udpu refuses":            {cluster{release: corosyncconf.V30, without: "secauth", totem: "transport: udpu; interface {; knet_link_priority: 2; }"}, []string{"link-option error test: knet_link_priority: 2"}},
	"the transport of 3.0":                   {cluster{release: corosyncconf.V30, without: "secauth", totem: "transport: udpu"}, nil},
	"broadcast":                              {cluster{release: corosyncconf.V30, without: "secauth", totem: "transport: udp; interface {; broadcast: yes; }"}, nil},
	"broadcast and multicast": {cluster{release: corosyncconf.V30, without: "secauth", totem: "transport: udp; interface {; broadcast: yes; mcastaddr: 239.1.1.1; }"},
		[]string{"broadcast warning: mcastaddr: 239.1.1.1"}},

	"a short token":              {cluster{totem: "token: 400"}, []string{"short-token warning: token: 400"}},
	"a token that nodes make up": {cluster{totem: "token: 500"}, nil},
	"a token for few":            {cluster{nodes: nodes(16), totem: "token: 2000; token_coefficient: 0"}, []string{"short-token warning: token: 2000"}},
	"a token for many":           {cluster{nodes: nodes(16), totem: "token_coefficient: 125"}, nil},
	"the token of 3.0":           {cluster{release: corosyncconf.V30, nodes: nodes(16)}, nil},
	"a short consensus":          {cluster{totem: "token: 5000; consensus: 6000"}, []string{"timers-mismatch warning: consensus: 6000"}},
	"a consensus":                {cluster{totem: "token: 5000; consensus: 6780"}, nil},
	"a consensus for two":        {cluster{nodes: nodes(2), quorum: "two_node: 1", totem: "consensus: 2000"}, nil},
	"a late retransmit":          {cluster{totem: "token_retransmit: 3650"}, []string{"timers-mismatch warning: token_retransmit: 3650"}},

	"two sections for a link":        {cluster{totem: "interface {; mcastport: 5410; }; interface {; linknumber: 0; knet_pong_count: 3; }"}, []string{"interface-twice warning: interface {"}},
	"two rings of 2.4":               {cluster{release: corosyncconf.V24, totem: "transport: udpu; rrp_mode: passive; interface {; mcastport: 5405; }; interface {; ringnumber: 1; mcastport: 5407; }", nodes: linked("10.0.0.1 10.0.1.1", "10.0.0.2 10.0.1.2", "10.0.0.3 10.0.1.3")}, nil},
	"a section without a link":       {cluster{totem: "interface {; linknumber: 1; }"}, []string{"interface-unused warning: interface {"}},
	"priority 0":                     {cluster{totem: "interface {; knet_link_priority: 0; }"}, []string{"link-priority warning: knet_link_priority: 0"}},
	"priority of links that all run": {cluster{nodes: linked("10.0.0.1 10.0.1.1", "10.0.0.2 10.0.1.2", "10.0.0.3 10.0.1.3"), totem: "link_mode: active; interface {; knet_link_priority: 5; }"}, []string{"link-priority warning: knet_link_priority: 5"}},
	"half of the ping timers":        {cluster{totem: "interface {; knet_ping_timeout: 500; }"}, []string{"ping-timers warning: knet_ping_timeout: 500"}},
	"both ping timers":               {cluster{totem: "interface {; knet_ping_timeout: 500; knet_ping_interval: 200; }"}, nil},
	"SCTP":                           {cluster{totem: "interface {; knet_transport: sctp; }"}, []string{"sctp warning: knet_transport: sctp"}},

	"a subsystem misspelt":      {cluster{rest: "logging {; logger_subsys {; subsys: QORUM; debug: on; }; }"}, []string{"unknown-subsys warning: subsys: QORUM"}},
	"a subsystem":               {cluster{rest: "logging {; logger_subsys {; subsys: TOTEM; debug: on; }; }"}, nil},
	"a log without a file":      {cluster{rest: "logging {; to_logfile: yes; }"}, []string{"logfile warning: to_logfile: yes"}},
	"a file without a log":      {cluster{rest: "logging {; logfile: /var/log/corosync.log; }"}, []string{"logfile warning: logfile: /var/log/corosync.log"}},
	"a log file":                {cluster{rest: "logging {; to_logfile: on; logfile: /var/log/corosync.log; }"}, nil},
	"a log file for a part":     {cluster{rest: "logging {; logger_subsys {; subsys: QUORUM; to_logfile: yes; logfile: /var/log/quorum.log; }; }"}, nil},
	"a log file that is not on": {cluster{rest: "logging {; to_logfile: no; }"}, nil},
}

// linked returns nodes with these addresses on links 0, 1 and so on.
func linked(addrs ...string) []string {
	var all []string
	for i, a := range addrs {
		lines := fmt.Sprintf("name: n%d; nodeid: %d", i+1, i+1)
		for link, addr := range strings.Fields(a) {
			lines += fmt.Sprintf("; ring%d_addr: %s", link, addr)
		}
		all = append(all, lines)
	}
	return all
}

func addresses(count int) []string {
	var all []string
	for i := range count {
		all = append(all, fmt.Sprintf("10.1.%d.%d", i/200, i%200+1))
	}
	return all
}

// TestWhatIsMissingIsNotSaidOfAHalfFile: it may stand in a section whose end
// is missing.
func TestWhatIsMissingIsNotSaidOfAHalfFile(t *testing.T) {
	const usual = "write each line as "
	for text, remedy := range map[string]string{
		"totem {\n\tversion: 2\n":                                   usual,
		"totem {\n\tversion: 2\n\tinterface {\n\t\tx: 1\n}\n":       usual,
		"totem {\n\tversion: 2\n" + twoNodes:                        "is the closing brace of totem missing above line 3, where nodelist begins?",
		strings.Replace(twoNodes, "\t}\n", "", 1) + "quorum {\n}\n": "is the closing brace of nodelist missing above line 12, where quorum begins?",
	} {
		f, _ := corosyncconf.Parse("", []byte(text))
		for _, r := range corosyncconf.Releases() {
			for _, x := range f.Check(corosyncconf.Target{Release: r}) {
				if x.Code != corosyncconf.CodeSyntax || !strings.HasPrefix(x.Remedy, remedy) {
					t.Errorf("%q: %s: %s; %s", text, x.Code, x.Message, x.Remedy)
				}
			}
		}
	}
}

// TestOneMistakeIsOneFinding: advice that was followed to the letter destroyed
// the file.
func TestOneMistakeIsOneFinding(t *testing.T) {
	good := cluster{}.text()
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"a section misspelt": {strings.Replace(good, "nodelist {", "nodeslist {", 1), []string{
			"unknown-section: write nodelist, if that is meant, or remove the section", "local-node: write a nodelist with all nodes"}},
		"a section within another": {strings.Replace(strings.Replace(good, "}\nnodelist", "nodelist", 1), "}\nquorum", "}\n}\nquorum", 1), []string{
			"unknown-section: close totem above it: nodelist is no part of another section", "local-node: write a nodelist with all nodes"}},
		"rrp_mode none":         {cluster{totem: "rrp_mode: none"}.text(), []string{"key-release: remove the line"}},
		"rrp_mode of two rings": {cluster{totem: "rrp_mode: passive"}.text(), []string{"key-release: write link_mode, which has the same two modes"}},
		"a byte order mark": {"\ufeff" + good, []string{
			"invisible-character: type the line anew, or replace the character by a space", "key-name: use only letters, digits and . _ / : - in names"}},
		"a byte order mark before a comment": {"\ufeff# mine\n" + good, []string{
			"invisible-character: type the line anew, or replace the character by a space", "syntax: write each line as \"name {\", \"key: value\", \"}\" or \"# comment\", and close every section"}},
	} {
		f, _ := corosyncconf.Parse("", []byte(tt.text))
		var got []string
		for _, x := range f.Check(corosyncconf.Target{Release: corosyncconf.V31}) {
			got = append(got, string(x.Code)+": "+x.Remedy)
		}
		slices.Sort(got)
		if diff := cmp.Diff(slices.Sorted(slices.Values(tt.want)), got); diff != "" {
			t.Errorf("%s: findings (-want +got):\n%s", name, diff)
		}
	}
}

// TestLongListsOfFindingsAreCut, and the worst is among what is left.
func TestLongListsOfFindingsAreCut(t *testing.T) {
	text := cluster{totem: "token: x"}.text() + "other {\n}\n" + strings.Repeat("totme {\n}\n", 5000)
	f, _ := corosyncconf.Parse("", []byte(text))
	all := f.Check(corosyncconf.Target{Release: corosyncconf.V31})
	if last := all[len(all)-1]; len(all) != 1001 || last.Code != corosyncconf.CodeMore || last.Message != "and 4002 more" {
		t.Errorf("%d findings, the last is %+v", len(all), last)
	}
	if !slices.ContainsFunc(all, func(f corosyncconf.Finding) bool { return f.RefusedBy == corosyncconf.ByParser }) {
		t.Error("what corosync refuses is missing")
	}
	g, _ := corosyncconf.Parse("", []byte(text+"tottem {\n}\n"))
	if worse := corosyncconf.Worse(f, g, corosyncconf.Target{Release: corosyncconf.V31}); len(worse) != 1 {
		t.Errorf("%d findings come with one line more", len(worse))
	}
}

// TestEachNodeThatLacksALinkIsNamed at its own lines.
func TestEachNodeThatLacksALinkIsNamed(t *testing.T) {
	for name, tt := range map[string]struct {
		cluster
		want []string
	}{
		"two of three": {cluster{nodes: linked("10.0.0.1 10.0.1.1", "10.0.0.2", "10.0.0.3")}, []string{
			"15 test n2 has no address on link 1, which other nodes have", "20 test n3 has no address on link 1, which other nodes have"}},
		"none of them": {cluster{totem: "interface {; linknumber: 1; mcastport: 5410; }"}, []string{"8 test no node has an address on link 1, which this section is about"}},
		"as many on each link": {cluster{nodes: append(linked("10.0.0.1 10.0.1.1", "10.0.0.2 10.0.1.2"), "name: n3; nodeid: 3; ring0_addr: 10.0.0.3", "name: n4; nodeid: 4; ring1_addr: 10.0.1.4")}, []string{
			"21 n3 has no address on link 1, which other nodes have", "26 n4 has no address on link 0, which other nodes have"}},
	} {
		f, _ := corosyncconf.Parse("", []byte(tt.text()))
		var got []string
		for _, x := range f.Check(corosyncconf.Target{Release: corosyncconf.V31}) {
			if x.Code == corosyncconf.CodeUnevenLinks {
				got = append(got, strings.Join(strings.Fields(fmt.Sprint(x.Line, " ", x.RefusedBy, " ", x.Message)), " "))
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestTextThatIsNoAddressIsFound without a machine too: none takes it.
func TestTextThatIsNoAddressIsFound(t *testing.T) {
	alone := func(addr string) string { return "write " + addr + " alone: " }
	other := "write an IP address, or a name "
	for addr, remedy := range map[string]string{
		"10.10.0.256": other, "10.10.0": "", "10.10.0.2.": other, "010.8.0.1": "", "08.0.0.1": other,
		"10.10.0.2/24": alone("10.10.0.2"), "10.10.0.2,": alone("10.10.0.2"), `"10.10.0.2"`: alone("10.10.0.2"), "10.10.0.2 # x": alone("10.10.0.2"),
		"10.10.0.2\t# x": alone("10.10.0.2"), "10.10.0.2:5405": alone("10.10.0.2"), "n2:5405": alone("n2"), "http://n2": alone("n2"),
		"n2 n3": other, "n2": "", "n_2.example.com": "", "n2%eth0": other, "": other,
		"fd00::g": other, "[fd00::2]": alone("fd00::2"), "[fd00::2]:5405": alone("fd00::2"), "fd00::2/64": alone("fd00::2"), "fd00::2": "", "fe80::2%eth0": "",
	} {
		c := cluster{nodes: linked("10.10.0.1", "", "10.10.0.3")}
		c.nodes[1] += "; ring0_addr: " + addr
		f, _ := corosyncconf.Parse("", []byte(c.text()))
		said := ""
		for _, x := range f.Check(corosyncconf.Target{Release: corosyncconf.V31}) {
			if x.Code == corosyncconf.CodeUnresolvable {
				said = x.Remedy
			}
			if x.Code == corosyncconf.CodeValueRange || x.Code == corosyncconf.CodeUnresolvable && (x.RefusedBy != corosyncconf.Accepted || x.Severity != corosyncconf.Bad) {
				t.Errorf("%q: %+v", addr, x)
			}
		}
		if (said == "") != (remedy == "") || !strings.HasPrefix(said, remedy) {
			t.Errorf("%q: remedy %q, want %q", addr, said, remedy)
		}
		p, _ := corosyncconf.ParsePath("nodelist.node[n2].ring0_addr")
		if err := p.Check(addr, corosyncconf.V31); (err == nil) != (remedy == "") {
			t.Errorf("set to %q: %v", addr, err)
		}
	}
}

// TestNamesAreHeldToWhatTheyStandFor on the machine.
func TestNamesAreHeldToWhatTheyStandFor(t *testing.T) {
	hosts := map[string]string{"n1": "127.0.1.1", "n2": "10.0.0.2", "n3": "10.0.0.2", "any": "0.0.0.0", "group": "239.1.1.1"}
	m := &corosyncconf.Machine{Hostname: "n1", Lookup: func(name string, _ int) ([]netip.Addr, error) {
		ip, err := netip.ParseAddr(hosts[name])
		return []netip.Addr{ip}, err
	}}
	for name, tt := range map[string]struct {
		addrs []string
		want  []string // words of the messages
	}{
		"loopback, as Debian's /etc/hosts has it": {[]string{"n1", "n2", "10.0.0.3"}, []string{"n1 (127.0.1.1) is the node itself"}},
		"two names of one address":                {[]string{"10.0.0.1", "n2", "n3"}, []string{"n3 (10.0.0.2), which line 16 "}},
		"a name and its address":                  {[]string{"10.0.0.1", "n2", "10.0.0.2"}, []string{"10.0.0.2, which line 16 "}},
		"any node":                                {[]string{"10.0.0.1", "any", "group"}, []string{"any (0.0.0.0) is not an address", "group (239.1.1.1) is not an address"}},
		"loopback in another spelling":            {[]string{"10.0.0.1", "127.1", "0x7f.0.0.3"}, []string{"127.1 (127.0.0.1) is the node itself", "0x7f.0.0.3 (127.0.0.3) is the node itself"}},
		"one address in two spellings":            {[]string{"10.1", "10.0.0.1", "10.0.0.3"}, []string{"10.0.0.1, which line 11 "}},
		"names of their own":                      {[]string{"10.0.0.1", "n2", "10.0.0.3"}, nil},
	} {
		f, _ := corosyncconf.Parse("", []byte(cluster{nodes: linked(tt.addrs...)}.text()))
		var got []string
		for _, x := range f.Check(corosyncconf.Target{Release: corosyncconf.V31, Here: m}) {
			got = append(got, x.Message)
		}
		ok := len(got) == len(tt.want)
		for i := range min(len(got), len(tt.want)) {
			ok = ok && strings.Contains(got[i], tt.want[i])
		}
		if !ok {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestWhatHurtsLater(t *testing.T) {
	for name, tt := range lives {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.findings(t), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFixturesHaveOnlyTheseFindings keeps the checks from crying wolf.
func TestFixturesHaveOnlyTheseFindings(t *testing.T) {
	for file, want := range map[string][]corosyncconf.Code{
		"2.4-pve4-create.conf":  {corosyncconf.CodeIgnored},
		"2.4-pve4-udpu.conf":    {corosyncconf.CodeIgnored},
		"2.4-pve5.conf":         {corosyncconf.CodeIgnored},
		"2.4-pve5-rrp.conf":     {corosyncconf.CodeIgnored},
		"2.4-rrp.conf":          {corosyncconf.CodeIgnored},
		"2.4-udp.conf":          {corosyncconf.CodeConfigVersion},
		"2.4-udpu.conf":         {corosyncconf.CodeUnencrypted},
		"3.1-commented.conf":    {corosyncconf.CodeUnencrypted, corosyncconf.CodeOneFailure},
		"3.1-knet.conf":         nil,
		"3.1-pve.conf":          nil,
		"3.1-qdevice.conf":      nil,
		"debian12-default.conf": {corosyncconf.CodeConfigVersion, corosyncconf.CodeUnencrypted},
	} {
		text, err := os.ReadFile("../testdata/conf/" + file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := corosyncconf.Parse(file, text)
		if err != nil {
			t.Fatal(err)
		}
		release := corosyncconf.V31
		if strings.HasPrefix(file, "2.4-") {
			release = corosyncconf.V24
		}
		var got []corosyncconf.Code
		for _, x := range f.Check(corosyncconf.Target{Release: release}) {
			got = append(got, x.Code)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}
