//go:build linux

package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"clusterctl/corosyncconf"

	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) {
	if !inside() {
		os.Exit(m.Run())
	}
}

// debian is corosync as Debian builds it, in a version.
func debian(version [3]int) build {
	b := build{Version: version, Crypto: []string{"nss", "openssl"}, Compression: []string{"zlib", "lz4", "lz4hc", "lzo2", "lzma", "bzip2", "zstd"}}
	if version == [3]int{3, 1, 7} || version == [3]int{3, 1, 9} { // the others were built by hand, with less
		b.Features = []string{"monitoring", "watchdog"}
	}
	return b
}

func readAnswered(t *testing.T) []answered {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "disagreements"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := parseAnswered(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func readSamples(t *testing.T) [][]byte {
	t.Helper()
	files, err := filepath.Glob("../../testdata/conf/*.conf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	var all [][]byte
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data)
	}
	return all
}

// TestDisagreementsAreSettled goes over all that corosync and corosyncconf ever
// differed on.
func TestDisagreementsAreSettled(t *testing.T) {
	for _, a := range readAnswered(t) {
		v, findings := ours(a.Conf, world(debian(a.Version), a.Hostname))
		if !agree(a.Conf, a.Theirs, v, a.Version[0] < 3) {
			t.Errorf("corosync says %s, corosyncconf %s:\n%s%+v", a.Theirs, v, a, findings)
		}
	}
}

func TestAnswersAreReadAsWritten(t *testing.T) {
	all := []answered{
		{question{[]byte("totem {\r\n\xa0x: \x00\n}"), "n1.example.com"}, [3]int{3, 1, 7}, verdict{By: corosyncconf.ByParser, Line: 2}},
		{question{nil, "n1"}, [3]int{2, 4, 6}, verdict{By: crash}},
		{question{[]byte("\n"), "n1"}, [3]int{3, 1, 10}, verdict{}},
	}
	text := ""
	for _, a := range all {
		text += a.String()
	}
	got, err := parseAnswered(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all, got, cmp.AllowUnexported(answered{})); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

func TestOneSeedMakesTheSameQuestions(t *testing.T) {
	samples := readSamples(t)
	for n := range 200 {
		if diff := cmp.Diff(generate(1, n, samples), generate(1, n, samples)); diff != "" {
			t.Fatalf("number %d differs:\n%s", n, diff)
		}
	}
	if cmp.Equal(generate(1, 0, samples), generate(2, 0, samples)) {
		t.Error("seeds 1 and 2 begin alike")
	}
}

// TestQuestionsAreOfAllKinds keeps the generator from asking what nobody doubts:
// each verdict is frequent, and each reason of the test decides somewhere.
func TestQuestionsAreOfAllKinds(t *testing.T) {
	samples := readSamples(t)
	const questions = 8000
	verdicts := map[corosyncconf.Refusal]int{}
	decides := map[corosyncconf.Code]int{}
	for n := range questions {
		q := generate(1, n, samples)
		v, findings := ours(q.Conf, world(debian([3]int{3, 1, 7}), q.Hostname))
		verdicts[v.By]++
		var codes []corosyncconf.Code
		for _, f := range findings {
			if (f.RefusedBy == corosyncconf.ByParser || f.RefusedBy == corosyncconf.ByTest) && !slices.Contains(codes, f.Code) {
				codes = append(codes, f.Code)
			}
		}
		if len(codes) == 1 {
			decides[codes[0]]++
		}
	}
	for by, least := range map[corosyncconf.Refusal]int{corosyncconf.Accepted: 20, corosyncconf.ByParser: 20, corosyncconf.ByTest: 20} {
		if percent := 100 * verdicts[by] / questions; percent < least {
			t.Errorf("%d%% of the questions have the verdict %q, want %d%%", percent, by, least)
		}
	}
	for _, code := range []corosyncconf.Code{
		corosyncconf.CodeSyntax, corosyncconf.CodeKeyName, corosyncconf.CodeNotAllowed, corosyncconf.CodeBadValue,
		corosyncconf.CodeVersion, corosyncconf.CodeTransport, corosyncconf.CodeCryptoHash, corosyncconf.CodeCryptoTransport, corosyncconf.CodeAuthkey,
		corosyncconf.CodeLinkMode, corosyncconf.CodeLinkNumber, corosyncconf.CodeKnetTransport, corosyncconf.CodeLinkOption, corosyncconf.CodeMulticast,
		corosyncconf.CodeManyLinks, corosyncconf.CodeUnevenLinks, corosyncconf.CodeMixedFamilies, corosyncconf.CodeNoLinks, corosyncconf.CodeNodeName,
		corosyncconf.CodeNodeID, corosyncconf.CodeDuplicateID, corosyncconf.CodeUnresolvable, corosyncconf.CodeLocalNode, corosyncconf.CodeTimer,
		corosyncconf.CodeStateDir, corosyncconf.CodeLogValue, corosyncconf.CodeLogFile, corosyncconf.CodeLogSubsys,
	} {
		if decides[code] == 0 {
			t.Errorf("no question is refused for %s alone", code)
		}
	}
}

func TestWhatCorosyncSaysIsRead(t *testing.T) {
	for name, tt := range map[string]struct {
		code   int
		output string
		old    bool
		want   verdict
	}{
		"accepted":                       {0, "Nov 22 00:44:12.000 notice  [MAIN  ] Corosync Cluster Engine exiting normally\n", false, verdict{}},
		"by the parser":                  {8, "parser error: /etc/corosync/corosync.conf:3: Line too long\n", false, verdict{By: corosyncconf.ByParser, Line: 3}},
		"by the parser at too long":      {8, "Can't format parser error message\n", false, verdict{By: corosyncconf.ByParser}},
		"by the test":                    {8, "Nov 22 00:44:12.000 error   [MAIN  ] parse error in config: No interfaces defined\n", false, verdict{By: corosyncconf.ByTest}},
		"by the test, without a word":    {8, "", false, verdict{By: corosyncconf.ByTest}},
		"for logging":                    {7, "parse error in config: unknown value for debug.\n", false, verdict{By: corosyncconf.ByTest}},
		"a crash":                        {-1, "free(): double free detected in tcache 2\n", false, verdict{By: crash}},
		"by the parser of 2.4":           {8, "No ring0_addr specified for node\n", true, verdict{By: corosyncconf.ByParser}},
		"by the test of 2.4":             {8, "error   [MAIN  ] parse error in config: No interfaces defined\n", true, verdict{By: corosyncconf.ByTest}},
		"by the test of 2.4, not a word": {8, "", true, verdict{By: corosyncconf.ByTest}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := corosyncVerdict(tt.code, []byte(tt.output), tt.old); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}
