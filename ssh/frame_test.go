package ssh_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"clusterctl/ssh"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestAnswersAreReadByTheirLengths(t *testing.T) {
	got, err := ssh.ReadAnswers([]byte("a 1 0 5 0\na 9\n\x00a 2 255 0 3\nerra 3 0 0 0\n"))
	want := []ssh.Result{
		{Stdout: []byte("a 9\n\x00")},
		{Stderr: []byte("err"), Status: 255},
		{},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || !errors.Is(err, io.EOF) {
		t.Errorf("error %v, results (-want +got):\n%s", err, diff)
	}
}

func TestBrokenAnswersAreErrors(t *testing.T) {
	for _, tt := range []struct{ name, frame, want string }{
		{"end in the first line", "a 1 0", "unexpected EOF"},
		{"end in the output", "a 1 0 5 0\nabc", "unexpected EOF"},
		{"not an answer", "hello\n", "not an answer"},
		{"too few numbers", "a 1 0 5\n", "not an answer"},
		{"too many numbers", "a 1 0 5 0 0\n", "not an answer"},
		{"negative length", "a 1 0 -5 0\n", "not an answer"},
		{"status that is none", "a 1 256 0 0\n", "not an answer"},
		{"more than memory holds", "a 1 0 9223372036854775807 0\n", "bytes of output"},
		{"a line without end", strings.Repeat("x", 1<<20), "buffer full"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ssh.ReadAnswers([]byte(tt.frame)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte("a 1 0 5 0\nhello"))
	f.Add([]byte("a 1 0 0 0\na 2 124 1 1\nxy"))
	f.Add([]byte("a 1 0 268435456 0\nx"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		results, err := ssh.ReadAnswers(data)
		if err == nil {
			t.Fatal("no error at the end")
		}
		total := 0
		for _, r := range results {
			total += len(r.Stdout) + len(r.Stderr)
		}
		if total > len(data) {
			t.Fatalf("%d bytes of output from %d bytes", total, len(data))
		}
	})
}

func TestRequestFrame(t *testing.T) {
	got, err := ssh.EncodeRequest(7, ssh.Command{Script: `echo "$1"`, Args: []string{"é", ""}, Stdin: [][]byte{[]byte("in\x00")}})
	want := "r 7 c 60 11 3 9 2 0\n" + `echo "$1"` + "é" + "in\x00"
	if string(got) != want || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestRequestsThatCannotBeSent(t *testing.T) {
	for _, tt := range []struct {
		name    string
		command ssh.Command
		want    string
	}{
		{"no script", ssh.Command{}, "empty script"},
		{"NUL in the script", ssh.Command{Script: "a\x00b"}, "NUL"},
		{"NUL in an argument", ssh.Command{Script: "true", Args: []string{"\x00"}}, "NUL"},
		{"argument too long for a process", ssh.Command{Script: "true", Args: []string{strings.Repeat("x", 128<<10)}}, "put it in Stdin"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ssh.EncodeRequest(1, tt.command); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}
