package corosyncconf_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clusterctl/corosyncconf"

	"github.com/google/go-cmp/cmp"
)

// fixtures returns the configurations in testdata, by file name.
func fixtures(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, pattern := range []string{"../testdata/conf/*.conf", "testdata/edit/*.conf"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("no files for %s: %v", pattern, err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files[filepath.Base(path)] = data
		}
	}
	return files
}

// odd are inputs at the edges of the grammar.
var odd = map[string]string{
	"empty":                        "",
	"one line feed":                "\n",
	"only blanks, no line feed":    " \t ",
	"lone carriage return":         "\r",
	"carriage returns":             "totem {\r\r\n\r}\r",
	"no final line feed, CR":       "totem {\r\n}\r",
	"mixed endings":                "a: {\r\n b: c\n}\r\n",
	"text after a closing brace":   "totem {\n} x\n",
	"brace on its own line":        "totem\n{\n}\n",
	"unclosed":                     "a {\nb {\n",
	"too many closed":              "}\n}\n",
	"byte A0":                      "\xa0totem\xa0{\xa0\n\xa0version\xa0:\xa02\xa0\n}\n",
	"NUL bytes":                    "\x00\x00\x00\n\x00",
	"invalid UTF-8":                "\xff\xfe{\n\xc3: \xc3\n}\n",
	"over-long line":               "totem {\n" + strings.Repeat("x", 4000) + "\n}\n",
	"zero bytes of a crashed disk": strings.Repeat("\x00", 4096),
}

func TestBytesAreWhatWasParsed(t *testing.T) {
	inputs := fixtures(t)
	for name, text := range odd {
		inputs[name] = []byte(text)
	}
	for name, data := range inputs {
		t.Run(name, func(t *testing.T) {
			f, _ := corosyncconf.Parse(name, data)
			if diff := cmp.Diff(string(data), string(f.Bytes())); diff != "" {
				t.Errorf("Bytes (-parsed +got):\n%s", diff)
			}
			if diff := cmp.Diff(string(data), string(f.Clone().Bytes())); diff != "" {
				t.Errorf("Clone().Bytes (-parsed +got):\n%s", diff)
			}
		})
	}
}

func TestFixturesAreAccepted(t *testing.T) {
	for name, data := range fixtures(t) {
		if _, err := corosyncconf.Parse(name, data); err != nil {
			t.Error(err)
		}
	}
}

// TestAccepts has what looks wrong but is not to corosync.
func TestAccepts(t *testing.T) {
	tests := map[string]string{
		"nothing at all":                    "",
		"comment with braces":               "# } { : }\n",
		"key without value":                 "totem {\n\tcluster_name:\n}\n",
		"brackets and colons in a value":    "totem {\nkey: a:b#c}d\n}\n",
		"colon before the brace":            "totem: {\n}\n",
		"no blank before the brace":         "totem{\nversion:2\n}\n",
		"unknown sections and keys":         "totme {\nvresion: two\n}\n",
		"top-level key":                     "foo: bar\n",
		"plus sign and leading white space": "totem {\nversion: \v+2\n}\n",
		"negative config_version wraps":     "totem {\nconfig_version: -1\n}\n",
		"line of 510 bytes":                 "totem {\nkey: " + strings.Repeat("x", 505) + "\n}\n",
		"last line of 510 bytes":            "#" + strings.Repeat("x", 509),
		"509 bytes and CRLF":                "#" + strings.Repeat("x", 508) + "\r\n",
		"byte A0 as white space":            "totem\xa0{\n\xa0version:\xa02\n}\n",
		"unchecked key of a nested section": "totem {\nfoo {\nversion: two\n}\n}\n",
		"dscp by name":                      "totem {\nip_dscp: af41\n}\n",
		"dscp in hexadecimal":               "totem {\nip_dscp: 0x2e\n}\n",
		"dscp without value":                "totem {\nip_dscp:\n}\n",
		"rrp counters":                      "totem {\nrrp_problem_count_timeout: x\n}\n",
		"uid by name":                       "uidgid {\nuid: hacluster\n}\n",
		"longest path":                      strings.Repeat("s", 253) + " {\n}\n",
		"logging_daemon of corosync":        "logging {\nlogging_daemon {\nname: corosync\nsubsys: CPG\ndebug: on\n}\n}\n",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := corosyncconf.Parse("", []byte(text)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestErrorPositions(t *testing.T) {
	long := strings.Repeat("s", 253)
	tests := []struct {
		name, text string
		want       []string
	}{
		{"line too long", "# ok\n" + strings.Repeat("#", 511) + "\n", []string{
			"c:2:511: line too long: 511 bytes, at most 510 are read"}},
		{"line too long for its carriage return", strings.Repeat("#", 510) + "\r\n", []string{
			"c:1:511: line too long: 511 bytes, at most 510 are read"}},
		{"section without name", "totem {\n  { \n}\n}\n", []string{
			"c:2:3: missing section name before opening bracket '{'"}},
		{"brace on the next line", "totem\n{\nversion: two\n}\n", []string{
			"c:1:1: line is not opening or closing section or key value",
			"c:2:1: missing section name before opening bracket '{'"}},
		{"text after opening brace", "totem { version: 2\n}\n", []string{
			"c:1:9: extra characters after opening bracket '{'"}},
		{"section on one line", "totem { version: 2 }\nquorum {\n}\n", []string{
			"c:1:9: extra characters after opening bracket '{'"}},
		{"brace in a value", "totem {\nkey: a{b\n}\n}\n", []string{
			"c:2:8: extra characters after opening bracket '{'"}},
		{"section path too long", "a {\n" + long + " {\nx {\n}\n}\n}\n", []string{
			"c:2:1: start of section makes total cmap path too long"}},
		{"key path too long", "ab {\n" + long + ": v\n}\n", []string{
			"c:2:1: new key makes total cmap path too long"}},
		{"empty key", "totem {\n  :2\n}\n", []string{
			"c:2:3: key name can't be empty"}},
		{"colon for a key", ": 2\n", []string{
			`c:1:1: can't store key ":": its full name must have at least 3 characters, and only letters, digits and . _ / : -`}},
		{"text after closing brace", "totem {\n}  # totem\n", []string{
			"c:2:2: extra characters before or after closing bracket '}'"}},
		{"text before closing brace", "totem {\n x }\n", []string{
			"c:2:2: extra characters before or after closing bracket '}'"}},
		{"two closing braces on a line", "totem {\ninterface {\n}}\n", []string{
			"c:3:2: extra characters before or after closing bracket '}'",
			`c:3:3: missing closing brace of section "totem", opened on line 1`}},
		{"unexpected closing brace", "totem {\n}\n }\n", []string{
			"c:3:2: unexpected closing brace"}},
		{"neither section nor key", "totem {\n\tversion 2\n}\n", []string{
			"c:2:2: line is not opening or closing section or key value"}},
		{"missing closing braces", "totem {\n}\nquorum {\ndevice {\n", []string{
			`c:4:9: missing closing brace of section "device", opened on line 4`,
			`c:4:9: missing closing brace of section "quorum", opened on line 3`}},
		{"NUL byte", "totem {\n\tver\x00sion: 2\n}\n", []string{
			"c:2:5: line contains a NUL byte"}},
		{"unsigned 32 bit", "totem {\n\tversion: two\n\ttoken: 4294967296\n}\n", []string{
			`c:2:11: value of key "totem.version" is expected to be integer in range (0..4294967295), but "two" was given`,
			`c:3:9: value of key "totem.token" is expected to be integer in range (0..4294967295), but "4294967296" was given`}},
		{"value missing", "totem {\nversion: \n}\n", []string{
			`c:2:9: value of key "totem.version" is expected to be integer in range (0..4294967295), but "" was given`}},
		{"trailing comment", "nodelist {\nnode {\nnodeid: 1 # first\n}\n}\n", []string{
			`c:3:9: value of key "nodelist.node.nodeid" is expected to be integer in range (0..4294967295), but "1 # first" was given`}},
		{"unsigned 16 bit", "totem {\ninterface {\nmcastport: 65536\n}\n}\n", []string{
			`c:3:12: value of key "totem.interface.mcastport" is expected to be integer in range (0..65535), but "65536" was given`}},
		{"unsigned 8 bit", "quorum {\ntwo_node: yes\n}\n", []string{
			`c:2:11: value of key "quorum.two_node" is expected to be integer in range (0..255), but "yes" was given`}},
		{"signed 32 bit", "totem {\nknet_compression_level: -2147483649\n}\n", []string{
			`c:2:25: value of key "totem.knet_compression_level" is expected to be integer in range (-2147483648..2147483647), but "-2147483649" was given`}},
		{"unsigned 64 bit", "totem {\nconfig_version: 18446744073709551616\n}\n", []string{
			`c:2:17: value of key "totem.config_version" is expected to be unsigned integer, but "18446744073709551616" was given`}},
		{"hexadecimal", "quorum {\nexpected_votes: 0x3\n}\n", []string{
			`c:2:17: value of key "quorum.expected_votes" is expected to be integer in range (0..4294967295), but "0x3" was given`}},
		{"quorum device", "quorum {\ndevice {\nvotes: n-1\n}\n}\n", []string{
			`c:3:8: value of key "quorum.device.votes" is expected to be integer in range (0..4294967295), but "n-1" was given`}},
		{"resources at any depth", "resources {\nsystem {\nload_15min {\npoll_period: 1s\n}\n}\nwatchdog_timeout: x\n}\n", []string{
			`c:4:14: value of key "resources.system.load_15min.poll_period" is expected to be unsigned integer, but "1s" was given`,
			`c:7:19: value of key "resources.watchdog_timeout" is expected to be integer in range (0..4294967295), but "x" was given`}},
		{"dscp", "totem {\nip_dscp: 64\nip_dscp: 08\nip_dscp: 0b1\nip_dscp: EF\n}\n", []string{
			`c:2:10: value of key "totem.ip_dscp" is expected to be number (0..63) or symbolical dscp value, but "64" was given`,
			`c:3:10: value of key "totem.ip_dscp" is expected to be number (0..63) or symbolical dscp value, but "08" was given`,
			`c:4:10: value of key "totem.ip_dscp" is expected to be number (0..63) or symbolical dscp value, but "0b1" was given`,
			`c:5:10: value of key "totem.ip_dscp" is expected to be number (0..63) or symbolical dscp value, but "EF" was given`}},
		{"ip_version", "totem {\nip_version: 4\n}\n", []string{
			`c:2:13: value of key "totem.ip_version" is expected to be ipv4, ipv6, ipv6-4 or ipv4-6, but "4" was given`}},
		{"crypto and compression", "totem {\ncrypto_model: ssl\ncrypto_cipher: 3des\ncrypto_hash: sha3\nknet_compression_model: none\n}\n", []string{
			`c:2:15: value of key "totem.crypto_model" is expected to be nss, openssl or gcrypt, but "ssl" was given`,
			`c:3:16: value of key "totem.crypto_cipher" is expected to be none, aes256, aes192 or aes128, but "3des" was given`,
			`c:4:14: value of key "totem.crypto_hash" is expected to be none, md5, sha1, sha256, sha384 or sha512, but "sha3" was given`,
			`c:5:25: value of key "totem.knet_compression_model" is expected to be zlib, lz4, lz4hc, lzo2, lzma, bzip2 or zstd, but "none" was given`}},
		{"system", "system {\nqb_ipc_type: tcp\nsched_rr: on\nmove_to_root_cgroup: 1\nallow_knet_handle_fallback: maybe\n}\n", []string{
			`c:2:14: value of key "system.qb_ipc_type" is expected to be native, shm or socket, but "tcp" was given`,
			`c:3:11: value of key "system.sched_rr" is expected to be yes or no, but "on" was given`,
			`c:4:22: value of key "system.move_to_root_cgroup" is expected to be yes, no or auto, but "1" was given`,
			`c:5:29: value of key "system.allow_knet_handle_fallback" is expected to be yes or no, but "maybe" was given`}},
		{"member section", "totem {\ninterface {\nmember {\nmemberaddr: a\naddr: b\nx {\n}\n}\n}\n}\n", []string{
			"c:5:1: only memberaddr is allowed in member section",
			"c:6:1: subsections are not allowed within totem.interface.member section"}},
		{"uidgid section", "uidgid {\nuid: 0\nuser: root\nx {\ny: z\n}\n}\n", []string{
			"c:3:1: uidgid: only uid and gid are allowed items",
			"c:4:1: subsections are not allowed within uidgid section"}},
		{"logger_subsys without subsys", "logging {\n  logger_subsys {\n  debug: on\n  }\n}\n", []string{
			"c:4:3: no subsys key in logger_subsys directive"}},
		{"logger_subsys of no valid name", "logging {\nlogger_subsys {\nsubsys: A B\ndebug: on\n}\n}\n", []string{
			`c:3:9: can't store key "logging.logger_subsys.A B.subsys": its full name must have at least 3 characters, and only letters, digits and . _ / : -`}},
		{"logging_daemon without name", "logging {\nlogging_daemon {\nsubsys: A\n}\n}\n", []string{
			"c:4:1: no name key in logging_daemon directive"}},
		{"characters of a key", "nodelist {\nnode {\n\tring0 addr: a\n}\n}\nno: v\n", []string{
			`c:3:2: can't store key "nodelist.node.ring0 addr": its full name must have at least 3 characters, and only letters, digits and . _ / : -`,
			`c:6:1: can't store key "no": its full name must have at least 3 characters, and only letters, digits and . _ / : -`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := corosyncconf.Parse("c", []byte(tt.text))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(strings.Join(tt.want, "\n"), got); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrorsCanBeTakenApart(t *testing.T) {
	_, err := corosyncconf.Parse("", []byte("totem {\n\tversion: x\n\ttoken: y\n}\n"))
	var list corosyncconf.ErrorList
	if !errors.As(err, &list) || len(list) != 2 {
		t.Fatalf("not a list of two: %v", err)
	}
	var one *corosyncconf.Error
	if !errors.As(err, &one) {
		t.Fatal("the list does not unwrap to its errors")
	}
	want := &corosyncconf.Error{Code: corosyncconf.CodeBadValue, Line: 2, Col: 11, Text: "\tversion: x", Msg: one.Msg}
	if diff := cmp.Diff(want, one); diff != "" {
		t.Errorf("first error (-want +got):\n%s", diff)
	}
	if got := one.Error(); got != "2:11: "+one.Msg {
		t.Errorf("without a file name: %q", got)
	}
}

// TestHugeInputs would not end, or end in a stack overflow, if the parser were
// not linear or if it recursed.
func TestHugeInputs(t *testing.T) {
	for name, text := range map[string]string{
		"nesting":   strings.Repeat("a {\n", 200_000),
		"closings":  strings.Repeat("}\n", 200_000),
		"one line":  strings.Repeat("{:}", 3_000_000),
		"sections":  strings.Repeat("logging {\nlogger_subsys {\nsubsys: A\n}\n}\n", 50_000),
		"nodelists": strings.Repeat("nodelist {\nnode {\nnodeid: 1\n}\n}\n", 50_000),
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := corosyncconf.Parse("", []byte(text))
			if !bytes.Equal(f.Bytes(), []byte(text)) {
				t.Error("Bytes are not what was parsed")
			}
			f.Config()
		})
	}
}

func FuzzRoundTrip(f *testing.F) {
	for _, data := range fixtures(f) {
		f.Add(data)
	}
	for _, text := range odd {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := corosyncconf.Parse("fuzz", data)
		if !bytes.Equal(file.Bytes(), data) {
			t.Errorf("Bytes are not what was parsed")
		}
		file.Config()
		var list corosyncconf.ErrorList
		if err != nil && !errors.As(err, &list) {
			t.Fatalf("not an ErrorList: %v", err)
		}
		lines := bytes.Count(data, []byte("\n")) + 1
		for _, e := range list {
			if e.Line < 1 || e.Line > lines || e.Col < 1 || e.Col > len(e.Text)+1 {
				t.Errorf("position outside the file: %v", e)
			}
		}
	})
}
