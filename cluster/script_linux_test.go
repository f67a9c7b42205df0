package cluster_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"clusterctl/cluster"
)

// scripted runs a script of a node here, with commands in place of some of the
// machine's, and returns what it prints.
func scripted(t *testing.T, script string, commands map[string]string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	for name, text := range commands {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/bash\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", append([]string{"-c", script, "bash"}, args...)...)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "ASKED="+filepath.Join(dir, "asked"))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A dead DNS server costs the time of one name, however many there are, and
// takes nothing away from names that /etc/hosts has.
func TestNamesAreResolvedAtTheSameTime(t *testing.T) {
	commands := map[string]string{
		"timeout": `shift; exec /usr/bin/timeout 1 "$@"`,
		"getent":  `echo "$2" >>"$ASKED"; case $2 in n1) echo 10.0.0.1 STREAM n1; echo 10.0.0.1 DGRAM ;; *) exec sleep 50 ;; esac`,
	}
	names := []string{"d1", "d2", "d3", "d4", "n1", "d5", "d6", "d7", "d8", "n1", "d9", "d10", "d11", "d12"}
	script := cluster.SectionsScript + `resolve "$@"; resolve "$@"; asked=$(wc -l <"$ASKED"); put clock 0 "$asked.0"; put end 0 ''`
	began := time.Now()
	out := scripted(t, script, commands, names...)
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("it took %s", took)
	}
	f, err := cluster.ParseFacts("n1", out, began, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if a := f.Resolved["n1"]; len(a) != 1 || a[0].String() != "10.0.0.1" {
		t.Errorf("n1: %v", a)
	}
	if a, asked := f.Resolved["d12"]; !asked || len(a) > 0 || len(f.Resolved) != 13 {
		t.Errorf("%v", f.Resolved)
	}
	if f.Clock.Unix() != 13 {
		t.Errorf("asked %d times", f.Clock.Unix())
	}
}
