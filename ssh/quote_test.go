//go:build unix

package ssh_test

import (
	"os/exec"
	"testing"

	"clusterctl/ssh"
)

func TestQuote(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, ``},
		{"plain words stay", []string{"corosync-cfgtool", "-R"}, `corosync-cfgtool -R`},
		{"paths, addresses and assignments stay", []string{"/etc/corosync", "root@n1:22", "a=b,c%d+e"}, `/etc/corosync root@n1:22 a=b,c%d+e`},
		{"empty word", []string{"a", "", "b"}, `a '' b`},
		{"blanks", []string{"a b", "\t"}, "'a b' '\t'"},
		{"single quote", []string{"it's"}, `'it'\''s'`},
		{"only single quotes", []string{"''"}, `''\'''\'''`},
		{"what a shell expands", []string{"$HOME", "`id`", "*", "~", "{a}", "!"}, "'$HOME' '`id`' '*' '~' '{a}' '!'"},
		{"what a shell obeys", []string{";", "a&b", "x|y", "<", "#c"}, `';' 'a&b' 'x|y' '<' '#c'`},
		{"backslash", []string{`a\b`}, `'a\b'`},
		{"newline", []string{"a\nb"}, "'a\nb'"},
		{"bytes that are no text", []string{"\xff\xfe"}, "'\xff\xfe'"},
		{"letters beyond ASCII", []string{"é"}, "'é'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ssh.Quote(tt.args...); got != tt.want {
				t.Errorf("Quote(%q) = %s, want %s", tt.args, got, tt.want)
			}
		})
	}
}

func TestQuotedWordsComeOutOfAShellAsTheyWere(t *testing.T) {
	args := []string{"", "a b", "it's", `\`, "$x `y` \"z\"", "a\nb\n", "*", "-n", "\xff", "!!"}
	out, err := exec.Command("sh", "-c", `printf '%s\0' `+ssh.Quote(args...)).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for _, a := range args {
		want += a + "\x00"
	}
	if string(out) != want {
		t.Errorf("got %q, want %q", out, want)
	}
}
