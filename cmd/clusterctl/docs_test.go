package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
)

var update = flag.Bool("update", false, "write the generated pages anew")

// codesPage is docs/codes.md: what scripts may rely on.
func codesPage() string {
	var b strings.Builder
	b.WriteString(`# Codes

Generated from the code by ` + "`make docs`" + `; a test fails when it is out of date.

## Exit codes

| code | meaning |
|---|---|
| 0 | done, or healthy |
| 1 | failed; nothing changed, or all of it undone (config_version aside); conf get: the key is not set |
| 3 | the answer is bad news: status found problems, conf check errors, conf diff a difference |
| 4 | nothing could be done for want of a node: unreachable, not authenticated, host key not verified |
| 5 | stopped midway and not undone: ` + "`clusterctl op list`" + ` says what is open |
| 64 | usage |
| 130 | interrupted; state as the message says |

When several apply: 64, then 4, then 1; 5 beats 130. 2 is never used.

## Codes of problems

They stand in the JSON of status and of errors. Codes are only ever added.
`)
	for _, group := range []struct {
		class cluster.Class
		title string
	}{
		{cluster.Usage, "The request itself is wrong: exit code 64"},
		{cluster.Unreachable, "A node cannot be reached: exit code 4"},
		{cluster.Refused, "It cannot be done as things are: exit code 1"},
		{cluster.Finding, "What status finds: exit code 3"},
	} {
		fmt.Fprintf(&b, "\n### %s\n\n| code | meaning |\n|---|---|\n", group.title)
		for _, i := range cluster.CodeTable() {
			if i.Class == group.class {
				fmt.Fprintf(&b, "| `%s` | %s |\n", i.Code, i.Meaning)
			}
		}
	}
	b.WriteString(`
## Codes of findings

They stand in the JSON of conf check. What corosync accepts has the severity
that is given here; what it refuses is an error.

| code | severity | meaning |
|---|---|---|
`)
	for _, i := range corosyncconf.CodeTable() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", i.Code, i.Severity, i.Meaning)
	}
	return b.String()
}

func TestGeneratedDocs(t *testing.T) {
	page := filepath.Join("..", "..", "docs", "codes.md")
	want := codesPage()
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/codes.md is out of date; run `make docs` (-want +got):\n%s", diff)
	}
}

func TestEveryCodeIsExplainedOnce(t *testing.T) {
	seen := map[cluster.Code]bool{}
	for _, i := range cluster.CodeTable() {
		if i.Meaning == "" || seen[i.Code] {
			t.Errorf("code %s: no meaning, or listed twice", i.Code)
		}
		seen[i.Code] = true
	}
	source, err := os.ReadFile(filepath.Join("..", "..", "cluster", "codes.go"))
	if err != nil {
		t.Fatal(err)
	}
	consts := 0
	for line := range strings.Lines(string(source)) {
		if _, value, ok := strings.Cut(line, " Code = \""); ok {
			code := strings.TrimSuffix(strings.TrimSpace(value), `"`)
			consts++
			if !seen[cluster.Code(code)] {
				t.Errorf("code %s is not in the table", code)
			}
		}
	}
	if consts != len(seen) {
		t.Errorf("%d constants, %d rows", consts, len(seen))
	}
}
