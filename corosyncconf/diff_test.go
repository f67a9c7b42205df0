package corosyncconf_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"clusterctl/corosyncconf"

	"github.com/google/go-cmp/cmp"
)

func TestUnifiedDiff(t *testing.T) {
	const ten = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n"
	lines := func(l ...string) string { return strings.Join(l, "\n") + "\n" }
	tests := []struct{ name, old, new, want string }{
		{"equal", ten, ten, ""},
		{"both empty", "", "", ""},
		{"a line changed", ten, strings.Replace(ten, "5", "five", 1), lines(
			"--- old", "+++ new", "@@ -2,7 +2,7 @@", " 2", " 3", " 4", "-5", "+five", " 6", " 7", " 8")},
		{"added at the start", ten, "0\n" + ten, lines(
			"--- old", "+++ new", "@@ -1,3 +1,4 @@", "+0", " 1", " 2", " 3")},
		{"removed at the end", ten, strings.TrimSuffix(ten, "9\n10\n"), lines(
			"--- old", "+++ new", "@@ -6,5 +6,3 @@", " 6", " 7", " 8", "-9", "-10")},
		{"created", "", "a\nb\n", lines("--- old", "+++ new", "@@ -0,0 +1,2 @@", "+a", "+b")},
		{"emptied", "a\n", "", lines("--- old", "+++ new", "@@ -1 +0,0 @@", "-a")},
		{"one line for one", "a\n", "b\n", lines("--- old", "+++ new", "@@ -1 +1 @@", "-a", "+b")},
		{"old lines before new ones", "a\nb\nc\n", "x\nb\ny\n", lines(
			"--- old", "+++ new", "@@ -1,3 +1,3 @@", "-a", "+x", " b", "-c", "+y")},
		{"six lines between changes are one hunk", "a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n", lines(
			"--- old", "+++ new", "@@ -1,8 +1,8 @@", "-a", "+A", " 1", " 2", " 3", " 4", " 5", " 6", "-b", "+B")},
		{"seven are two", "a\n1\n2\n3\n4\n5\n6\n7\nb\n", "1\n2\n3\n4\n5\n6\n7\nB\n", lines(
			"--- old", "+++ new", "@@ -1,4 +1,3 @@", "-a", " 1", " 2", " 3",
			"@@ -6,4 +5,4 @@", " 5", " 6", " 7", "-b", "+B")},
		{"final line feed lost", "a\nb\n", "a\nb", lines(
			"--- old", "+++ new", "@@ -1,2 +1,2 @@", " a", "-b", "+b", `\ No newline at end of file`)},
		{"final line feed gained", "a", "a\n", lines(
			"--- old", "+++ new", "@@ -1 +1 @@", "-a", `\ No newline at end of file`, "+a")},
		{"neither has one", "a\nb", "c\nb", lines(
			"--- old", "+++ new", "@@ -1,2 +1,2 @@", "-a", "+c", " b", `\ No newline at end of file`)},
		{"line endings", "a\r\n", "a\n", "--- old\n+++ new\n@@ -1 +1 @@\n-a\r\n+a\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := corosyncconf.UnifiedDiff("old", "new", []byte(tt.old), []byte(tt.new))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("diff (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUnifiedDiffIsShortest compares files of few different lines, where a
// wrong step is likely, with the longest common subsequence.
func TestUnifiedDiffIsShortest(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		a, b := randomLines(rng), randomLines(rng)
		d := corosyncconf.UnifiedDiff("", "", []byte(strings.Join(a, "")), []byte(strings.Join(b, "")))
		_, body, _ := strings.Cut(d, "@@")
		changes := strings.Count(body, "\n-") + strings.Count(body, "\n+")
		if want := len(a) + len(b) - 2*common(a, b); changes != want {
			t.Fatalf("%d changes instead of %d from %q to %q:\n%s", changes, want, a, b, d)
		}
	}
}

func randomLines(rng *rand.Rand) []string {
	lines := make([]string, rng.IntN(12))
	for i := range lines {
		lines[i] = string(rune('a'+rng.IntN(4))) + "\n"
	}
	return lines
}

// common returns the length of the longest common subsequence.
func common(a, b []string) int {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	row := make([]int, len(b)+1)
	for i := range a {
		diagonal := 0
		for j := range b {
			above := row[j+1]
			if a[i] == b[j] {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(above, row[j])
			}
			diagonal = above
		}
	}
	return row[len(b)]
}

// TestUnifiedDiffOfUnlikeFiles has more changes than the search for the
// shortest diff is allowed.
func TestUnifiedDiffOfUnlikeFiles(t *testing.T) {
	var a, b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&a, "a%d\n", i)
		fmt.Fprintf(&b, "b%d\n", i)
	}
	d := corosyncconf.UnifiedDiff("a", "b", []byte(a.String()), []byte(b.String()))
	if !strings.HasPrefix(d, "--- a\n+++ b\n@@ -1,3000 +1,3000 @@\n-a0\n") || strings.Count(d, "\n") != 6003 {
		t.Errorf("%.200s", d)
	}
}

func TestUnifiedDiffKeepsTheSecret(t *testing.T) {
	old, new := "totem {\n\tkey: old-secret\n\ttoken: 1000\n}\n", "totem {\n\tkey: new-secret\n\ttoken: 2000\n}\n"
	diff := corosyncconf.UnifiedDiff("a", "b", []byte(old), []byte(new))
	if strings.Contains(diff, "old-secret") || strings.Contains(diff, "new-secret") || !strings.Contains(diff, "+\tkey: (secret)\n") || !strings.Contains(diff, "+\ttoken: 2000") {
		t.Errorf("diff:\n%s", diff)
	}
}
