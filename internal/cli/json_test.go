package cli_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"clusterctl/internal/cli"
)

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	doc := map[string]any{"schema": 1, "diff": "a < b && c > d", "flags": []string{}}
	if err := cli.JSON(&out, doc); err != nil {
		t.Fatal(err)
	}
	const want = `{
  "diff": "a < b && c > d",
  "flags": [],
  "schema": 1
}
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

func TestJSONIsIndentedAsTheLibraryDoes(t *testing.T) {
	for name, doc := range map[string]any{
		"nothing":           nil,
		"a number":          -1.5,
		"empty ones":        map[string]any{"a": []int{}, "b": map[string]int{}, "c": [][]int{{}, {}}},
		"nested ones":       []any{1, []any{2, map[string]any{"a": []any{3, nil, true}}}, "x"},
		"brackets in text":  map[string]string{"{\"[,:": "\\\"},]\\", "a": "\\"},
		"line feeds, blank": []string{"\n", " ", "", "é"},
	} {
		t.Run(name, func(t *testing.T) {
			var got, want bytes.Buffer
			e := json.NewEncoder(&want)
			e.SetIndent("", "  ")
			e.SetEscapeHTML(false)
			if err := errors.Join(e.Encode(doc), cli.JSON(&got, doc)); err != nil {
				t.Fatal(err)
			}
			if got.String() != want.String() {
				t.Errorf("got\n%s\nwant\n%s", &got, &want)
			}
		})
	}
}

func TestErrorJSON(t *testing.T) {
	tests := map[string]struct {
		message  string
		problems []cli.Problem
		want     string
	}{
		"without problems": {
			"interrupted", nil,
			`{"schema":1,"error":{"exit":4,"message":"interrupted","problems":[]}}`,
		},
		"with problems": {
			"2 problems\n<here>",
			[]cli.Problem{{Code: "unreachable", Node: "n2", Message: "n2 does not answer", Remedy: "start it"}, {Code: "x"}},
			`{"schema":1,"error":{"exit":4,"message":"2 problems\n<here>","problems":[` +
				`{"code":"unreachable","node":"n2","message":"n2 does not answer","remedy":"start it"},` +
				`{"code":"x","node":"","message":"","remedy":""}]}}`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := cli.ErrorJSON(&out, cli.ExitUnreachable, test.message, test.problems); err != nil {
				t.Fatal(err)
			}
			if got := out.String(); got != test.want+"\n" {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestJSONReportsThatItCouldNotBeWritten(t *testing.T) {
	if err := cli.JSON(brokenPipe{}, 1); !errors.Is(err, errBroken) {
		t.Errorf("JSON: %v", err)
	}
	if err := cli.ErrorJSON(brokenPipe{}, 1, "", nil); !errors.Is(err, errBroken) {
		t.Errorf("ErrorJSON: %v", err)
	}
}
