package quorum_test

import (
	"strings"
	"testing"

	"clusterctl/quorum"

	"github.com/google/go-cmp/cmp"
)

func TestParseCmap(t *testing.T) {
	const out = `config.reload_status (i32) = 1
runtime.members.1.ip (str) = r(0) ip(10.77.0.1) 
empty (str) = 
tricky (str) = x (u32) = 7
blob (bin)
blob.shown (bin) = \x00a
load (dbl) = 0.250000
negative (i8) = -1
big (u64) = 18446744073709551615
`
	c, err := quorum.ParseCmap([]byte(out))
	if err != nil {
		t.Fatal(err)
	}
	want := quorum.Cmap{
		"config.reload_status": {Type: "i32", Text: "1"},
		"runtime.members.1.ip": {Type: "str", Text: "r(0) ip(10.77.0.1) "},
		"empty":                {Type: "str"},
		"tricky":               {Type: "str", Text: "x (u32) = 7"},
		"blob":                 {Type: "bin"},
		"blob.shown":           {Type: "bin", Text: `\x00a`},
		"load":                 {Type: "dbl", Text: "0.250000"},
		"negative":             {Type: "i8", Text: "-1"},
		"big":                  {Type: "u64", Text: "18446744073709551615"},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	uints := map[string]uint64{"config.reload_status": 1, "big": 1<<64 - 1}
	for _, key := range []string{"config.reload_status", "big", "negative", "load", "empty", "tricky", "blob", "missing"} {
		got, ok := c.Uint(key)
		if want, wantOK := uints[key]; got != want || ok != wantOK {
			t.Errorf("Uint(%q) = %d, %v; want %d, %v", key, got, ok, want, wantOK)
		}
	}
	if s, ok := c.Str("runtime.members.1.ip"); s != "r(0) ip(10.77.0.1) " || !ok {
		t.Errorf("Str = %q, %v", s, ok)
	}
	if _, ok := c.Str("big"); ok {
		t.Error("Str of a number is ok")
	}
}

func TestParseCmapOfNoKeys(t *testing.T) {
	c, err := quorum.ParseCmap(nil)
	if err != nil || len(c) != 0 {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestParseCmapRefusesWhatIsNotAKey(t *testing.T) {
	tests := map[string]string{
		"a message":        "Failed to initialize the cmap API. Error CS_ERR_LIBRARY",
		"no key":           " (u8) = 1",
		"no value":         "totem.version (u32)",
		"a cut-off type":   "totem.version (u3",
		"an unknown type":  "totem.version (u9) = 2",
		"a cut-off number": "totem.version (u32) = ",
		"out of range":     "totem.version (u8) = 256",
		"not a number":     "totem.version (u32) = two",
	}
	for name, line := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := quorum.ParseCmap([]byte("totem.transport (str) = knet\n" + line + "\n"))
			if err == nil || !strings.Contains(err.Error(), "parse corosync-cmapctl output: line ") {
				t.Errorf("got %v, %v", c, err)
			}
		})
	}
}

func TestCmapMembers(t *testing.T) {
	tests := map[string]struct {
		members  []uint32
		versions map[uint32]uint64
	}{
		"2.4.6/rrp-node-down.txt":  {[]uint32{1, 2}, map[uint32]uint64{1: 1, 2: 1}},
		"3.0.1/knet-node-down.txt": {[]uint32{2, 3}, map[uint32]uint64{2: 1, 3: 1}},
		"3.1.2/knet-3-nodes.txt":   {[]uint32{1, 2, 3}, map[uint32]uint64{1: 7, 2: 7, 3: 7}},
		"3.1.7/knet-3-nodes.txt":   {[]uint32{1, 2, 3}, map[uint32]uint64{1: 7, 2: 7, 3: 7}},
		"3.1.7/knet-node-down.txt": {[]uint32{1, 2}, map[uint32]uint64{1: 7, 2: 7}},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := quorum.ParseCmap(read(t, "cmapctl/"+name))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.members, c.Members()); diff != "" {
				t.Errorf("members (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(want.versions, c.MemberVersions()); diff != "" {
				t.Errorf("versions (-want +got)\n%s", diff)
			}
		})
	}
}

func FuzzParseCmap(f *testing.F) {
	seed(f, "cmapctl/*/*.txt")
	f.Fuzz(func(t *testing.T, out []byte) {
		c, err := quorum.ParseCmap(out)
		if err != nil {
			return
		}
		lines := strings.Count(strings.TrimSuffix(string(out), "\n"), "\n") + 1
		if len(c) > lines {
			t.Errorf("%d keys in %d lines", len(c), lines)
		}
		for key := range c {
			c.Uint(key)
			c.Str(key)
		}
		if len(c.MemberVersions()) > len(c.Members()) {
			t.Error("versions of nodes that are not members")
		}
	})
}
