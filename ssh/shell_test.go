//go:build unix

package ssh_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"clusterctl/ssh"
	"clusterctl/ssh/sshtest"
)

// bothHosts runs test on the local machine and on one reached by SSH.
func bothHosts(t *testing.T, test func(*testing.T, ssh.Host)) {
	t.Run("local", func(t *testing.T) { test(t, ssh.Local("n1", false)) })
	t.Run("ssh", func(t *testing.T) {
		d, server := connected(t, sshtest.Config{}, ssh.Options{})
		client, err := d.Dial(t.Context(), ssh.Target{Name: "n1", Addresses: []string{server.Addr()}})
		if err != nil {
			t.Fatal(err)
		}
		test(t, client)
	})
}

// connected starts a server and returns a Dialer with a key that it takes and a known_hosts file that has it.
func connected(t *testing.T, config sshtest.Config, opts ssh.Options) (*ssh.Dialer, *sshtest.Server) {
	t.Helper()
	key, public := newKeyFile(t, filepath.Join(t.TempDir(), "key"), "")
	config.Authorized = append(config.Authorized, public)
	server := sshtest.New(t, config)
	opts.Identities = append(opts.Identities, key)
	return newDialer(t, opts, server), server
}

func openShell(t *testing.T, h ssh.Host) *ssh.Shell {
	t.Helper()
	s, err := h.Shell(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func run(t *testing.T, s *ssh.Shell, c ssh.Command) ssh.Result {
	t.Helper()
	r, err := s.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestScriptsAnswerWithOutputAndStatus(t *testing.T) {
	megabytes := bytes.Repeat([]byte("0123456789abcde\x00"), 5<<20/16)
	text := bytes.Repeat([]byte("x"), 1<<16)
	for _, tt := range []struct {
		name    string
		command ssh.Command
		want    ssh.Result
	}{
		{"both streams and a status", ssh.Command{Script: "echo out; echo err >&2; exit 3"}, ssh.Result{Stdout: []byte("out\n"), Stderr: []byte("err\n"), Status: 3}},
		{"nothing", ssh.Command{Script: "true"}, ssh.Result{}},
		{"arguments as they are", ssh.Command{Script: `printf '%s|' "$@"`, Args: []string{"a b", "", "$x'\"\\\n", "é"}}, ssh.Result{Stdout: []byte("a b||$x'\"\\\n|é|")}},
		{"script of several lines", ssh.Command{Script: "x=1\nif [ $x = 1 ]; then\n\techo one # comment\nfi\n"}, ssh.Result{Stdout: []byte("one\n")}},
		{"input with NULs", ssh.Command{Script: "cat", Stdin: [][]byte{[]byte("a\x00\nb\x00")}}, ssh.Result{Stdout: []byte("a\x00\nb\x00")}},
		{"5 MB of input", ssh.Command{Script: "cat", Stdin: [][]byte{megabytes}}, ssh.Result{Stdout: megabytes}},
		{"input that is not read", ssh.Command{Script: "echo done", Stdin: [][]byte{megabytes}}, ssh.Result{Stdout: []byte("done\n")}},
		{"input that is half read", ssh.Command{Script: "head -c 3", Stdin: [][]byte{megabytes}}, ssh.Result{Stdout: []byte("012")}},
		{"no input is an empty one", ssh.Command{Script: "wc -c"}, ssh.Result{Stdout: []byte("0\n")}},
		{"5 MB of output with NULs", ssh.Command{Script: "cat; cat /dev/null >&2", Stdin: [][]byte{megabytes}}, ssh.Result{Stdout: megabytes}},
		{"much on both streams", ssh.Command{Script: "tee /dev/stderr", Stdin: [][]byte{megabytes}}, ssh.Result{Stdout: megabytes, Stderr: megabytes}},
		{"output of the size that is read in one go", ssh.Command{Script: "cat", Stdin: [][]byte{text}}, ssh.Result{Stdout: text}},
		{"one byte less", ssh.Command{Script: "cat", Stdin: [][]byte{text[1:]}}, ssh.Result{Stdout: text[1:]}},
		{"bytes that are no text", ssh.Command{Script: `printf '\xff\xfe\n'`}, ssh.Result{Stdout: []byte("\xff\xfe\n")}},
		{"output without a newline at the end", ssh.Command{Script: "printf x"}, ssh.Result{Stdout: []byte("x")}},
		{"script that is an error", ssh.Command{Script: "exit 1; ("}, ssh.Result{Stderr: []byte("bash: -c: line 2: syntax error: unexpected end of file\n"), Status: 2}},
		{"death by signal", ssh.Command{Script: "kill -9 $$"}, ssh.Result{Status: 137}},
		{"time over", ssh.Command{Script: "echo before; exec sleep 600", Timeout: time.Millisecond}, ssh.Result{Status: 124}},
		{"in the shell", ssh.Command{Script: `echo "$1" "$#"; echo err >&2; return 4`, Args: []string{"a b", "c"}, InShell: true}, ssh.Result{Stdout: []byte("a b 2\n"), Stderr: []byte("err\n"), Status: 4}},
		{"in the shell with input", ssh.Command{Script: "read -r x; echo $x", Stdin: [][]byte{[]byte("in\n")}, InShell: true}, ssh.Result{Stdout: []byte("in\n")}},
		{"plain locale and a path with sbin", ssh.Command{Script: `echo $LC_ALL; case :$PATH: in *:/usr/sbin:*:/sbin:*) echo yes; esac`}, ssh.Result{Stdout: []byte("C\nyes\n")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bothHosts(t, func(t *testing.T, h ssh.Host) {
				s := openShell(t, h)
				got := run(t, s, tt.command)
				if tt.name == "time over" {
					got.Stdout = nil // depends on who was faster
				}
				if tt.name == "script that is an error" && got.Status != 0 {
					got.Stderr = tt.want.Stderr // bash's own words
				}
				if !bytes.Equal(got.Stdout, tt.want.Stdout) || !bytes.Equal(got.Stderr, tt.want.Stderr) || got.Status != tt.want.Status {
					t.Errorf("got %s, want %s", short(got), short(tt.want))
				}
				if again := run(t, s, ssh.Command{Script: "echo again"}); string(again.Stdout) != "again\n" {
					t.Errorf("the next script answers %s", short(again))
				}
			})
		})
	}
}

func short(r ssh.Result) string {
	clip := func(b []byte) string {
		if len(b) > 100 {
			return strconv.Itoa(len(b)) + " bytes " + strconv.Quote(string(b[:100]))
		}
		return strconv.Quote(string(b))
	}
	return clip(r.Stdout) + " " + clip(r.Stderr) + " status " + strconv.Itoa(r.Status)
}

func TestABackgroundChildIsNotWaitedForAndSpoilsNothing(t *testing.T) {
	bothHosts(t, func(t *testing.T, h ssh.Host) {
		s := openShell(t, h)
		fifo := filepath.Join(t.TempDir(), "fifo")
		if err := syscall.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		// The child writes to its output when the fifo is written to, which is after its script has been answered.
		got := run(t, s, ssh.Command{Script: `echo begun; { read -r x <"$1"; echo late; echo done >"$1"; } & `, Args: []string{fifo}})
		if string(got.Stdout) != "begun\n" {
			t.Errorf("got %s", short(got))
		}
		got = run(t, s, ssh.Command{Script: `echo go >"$1"; cat "$1"`, Args: []string{fifo}})
		if string(got.Stdout) != "done\n" {
			t.Errorf("the next script answers %s", short(got))
		}
	})
}

func TestAChildThatGoesOnWritingDoesNotSpoilTheAnswer(t *testing.T) {
	bothHosts(t, func(t *testing.T, h ssh.Host) {
		s := openShell(t, h)
		file := filepath.Join(t.TempDir(), "go-on")
		write(t, file, "")
		got := run(t, s, ssh.Command{Script: `head -c 100000 /dev/zero; while [ -e "$1" ]; do echo more; done &`, Args: []string{file}})
		if len(got.Stdout) < 100000 || len(got.Stderr) > 0 {
			t.Errorf("got %s", short(got))
		}
		if next := run(t, s, ssh.Command{Script: "echo next"}); string(next.Stdout) != "next\n" {
			t.Errorf("the next script answers %s", short(next))
		}
		os.Remove(file)
	})
}

// The loop is spoken to directly: a client that goes away in the middle of a request.
func TestACommandDoesNotStartWithHalfOfItsInput(t *testing.T) {
	file := filepath.Join(t.TempDir(), "started")
	request := func(input int) []byte {
		frame, err := ssh.EncodeRequest(1, ssh.Command{Script: `cat >"$1"`, Args: []string{file}, Stdin: [][]byte{make([]byte, 1000)}})
		if err != nil {
			t.Fatal(err)
		}
		return frame[:len(frame)-1000+input]
	}
	for _, input := range []int{0, 999, 1000} {
		command, program := ssh.Bootstrap()
		cmd := exec.Command("sh", "-c", command)
		cmd.Stdin = bytes.NewReader(append([]byte(program), request(input)...))
		if err := cmd.Run(); err != nil && input == 1000 {
			t.Error(err)
		}
		if started := !gone(file); started != (input == 1000) {
			t.Errorf("%d of 1000 bytes of input: started %v", input, started)
		}
	}
}

func TestStateOfTheShellStaysAndThatOfAChildDoesNot(t *testing.T) {
	bothHosts(t, func(t *testing.T, h ssh.Host) {
		s := openShell(t, h)
		run(t, s, ssh.Command{Script: "x=shell", InShell: true})
		run(t, s, ssh.Command{Script: "x=child"})
		if got := run(t, s, ssh.Command{Script: "echo $x", InShell: true}); string(got.Stdout) != "shell\n" {
			t.Errorf("got %s", short(got))
		}
	})
}

func TestRunReturnsAtOnceWhenCancelledAndTheNextOneWaits(t *testing.T) {
	bothHosts(t, func(t *testing.T, h ssh.Host) {
		s := openShell(t, h)
		fifo := filepath.Join(t.TempDir(), "fifo")
		if err := syscall.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() {
			_, err := s.Run(ctx, ssh.Command{Script: `exec 3<>"$1"; read -r x <&3; echo $x; read -r x <&3; echo $x`, Args: []string{fifo}})
			failed <- err
		}()
		put(t, fifo, "first") // the script runs
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) || errors.Is(err, ssh.ErrLost) {
			t.Fatalf("error %v, want that of the context", err)
		}
		if _, err := s.Run(ctx, ssh.Command{Script: "true"}); !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v, want that of the context", err)
		}
		go func() {
			got, err := s.Run(t.Context(), ssh.Command{Script: "echo next"})
			if err == nil && string(got.Stdout) != "next\n" {
				err = errors.New("got " + short(got))
			}
			failed <- err
		}()
		select {
		case err := <-failed:
			t.Fatalf("answered while another script runs: %v", err)
		default:
		}
		put(t, fifo, "second")
		if err := <-failed; err != nil {
			t.Error(err)
		}
	})
}

// put writes a line to a fifo, when that is read.
func put(t *testing.T, fifo, line string) {
	t.Helper()
	if err := os.WriteFile(fifo, []byte(line+"\n"), 0); err != nil {
		t.Fatal(err)
	}
}

// locked reports whether somebody holds a lock on file.
func locked(t *testing.T, file string) bool {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil
}

// eventually waits until condition holds, or the test's time is over.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

const lock = `exec 9>"$1" && flock -n 9`

func TestALockIsFreeOnceTheShellIsClosed(t *testing.T) {
	bothHosts(t, func(t *testing.T, h ssh.Host) {
		s := openShell(t, h)
		file := filepath.Join(t.TempDir(), "lock")
		if got := run(t, s, ssh.Command{Script: lock, Args: []string{file}, InShell: true}); got.Status != 0 {
			t.Fatalf("lock: %s", short(got))
		}
		if !locked(t, file) {
			t.Fatal("the shell does not hold its lock")
		}
		s.Close()
		if locked(t, file) {
			t.Error("the lock is held after Close")
		}
	})
}

func TestARunningCommandKeepsTheLockOfAShellThatIsGone(t *testing.T) {
	d, server := connected(t, sshtest.Config{}, ssh.Options{})
	s := openShell(t, dial(t, d, server))
	dir := t.TempDir()
	file, fifo := filepath.Join(dir, "lock"), filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, s, ssh.Command{Script: lock, Args: []string{file}, InShell: true})
	failed := make(chan error)
	go func() {
		_, err := s.Run(t.Context(), ssh.Command{Script: `exec 3<>"$1"; read -r x <&3; read -r x <&3; touch "$2"`, Args: []string{fifo, file + ".done"}})
		failed <- err
	}()
	put(t, fifo, "it runs")
	server.Drop()
	err := <-failed
	lost, ok := errors.AsType[*ssh.LostError](err)
	if !ok || !lost.Sent || lost.Host != "n1" || !errors.Is(err, ssh.ErrLost) {
		t.Fatalf("error %v, want a LostError of n1 for a command that was sent", err)
	}
	if _, err := s.Run(t.Context(), ssh.Command{Script: "true"}); !errors.Is(err, ssh.ErrLost) {
		t.Errorf("error %v, want ErrLost", err)
	} else if lost, _ := errors.AsType[*ssh.LostError](err); lost.Sent {
		t.Error("a command counts as sent that was not")
	}
	if !locked(t, file) {
		t.Error("the lock is free while the command runs")
	}
	put(t, fifo, "end")
	eventually(t, "the lock is free", func() bool { return !locked(t, file) })
	if _, err := os.Stat(file + ".done"); err != nil {
		t.Error("the command did not run to its end")
	}
}

func TestAShellEndsWhenItHearsNothing(t *testing.T) {
	t.Parallel()
	d, server := connected(t, sshtest.Config{}, ssh.Options{})
	ssh.SetHeartbeat(d, 50*time.Millisecond, time.Second)
	ssh.SetKeepalive(d, time.Hour, time.Hour)
	ssh.SetCloseGrace(d, 0)
	s := openShell(t, dial(t, d, server))
	file := filepath.Join(t.TempDir(), "lock")
	run(t, s, ssh.Command{Script: lock, Args: []string{file}, InShell: true})

	// As long as there is a heartbeat it lives, and then for a second.
	started := time.Now()
	for time.Since(started) < 1500*time.Millisecond {
		if !locked(t, file) {
			t.Fatal("the shell has ended although there was a heartbeat")
		}
		time.Sleep(50 * time.Millisecond)
	}
	server.Freeze()
	eventually(t, "the shell ends", func() bool { return !locked(t, file) })
}

func TestNothingIsLeftBehind(t *testing.T) {
	bothHosts(t, func(t *testing.T, h ssh.Host) {
		s := openShell(t, h)
		got := run(t, s, ssh.Command{Script: `stat -c %a "$(dirname "$(readlink /proc/self/fd/0)")"; cat`, Stdin: [][]byte{[]byte("secret")}})
		if string(got.Stdout) != "700\nsecret" {
			t.Errorf("the input's directory: %s", short(got))
		}
		dir := directory(t, s)
		s.Close()
		eventually(t, "the directory is removed", func() bool { return gone(dir) })
	})
}

// directory is where the shell keeps the input and output of its scripts.
func directory(t *testing.T, s *ssh.Shell) string {
	got := run(t, s, ssh.Command{Script: `dirname "$(readlink /proc/self/fd/0)"`, Stdin: [][]byte{[]byte("x")}})
	dir := strings.TrimSpace(string(got.Stdout))
	if gone(dir) {
		t.Fatalf("there is no %s", dir)
	}
	return dir
}

func gone(file string) bool {
	_, err := os.Stat(file)
	return errors.Is(err, fs.ErrNotExist)
}

func TestADirectoryIsRemovedWhenTheAnswerFindsNobody(t *testing.T) {
	d, server := connected(t, sshtest.Config{}, ssh.Options{})
	s := openShell(t, dial(t, d, server))
	dir := directory(t, s)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() {
		_, err := s.Run(t.Context(), ssh.Command{Script: `exec 3<>"$1"; read -r x <&3; read -r x <&3; cat`, Args: []string{fifo}, Stdin: [][]byte{make([]byte, 1<<20)}})
		failed <- err
	}()
	put(t, fifo, "it runs")
	server.Drop()
	<-failed
	put(t, fifo, "end")
	eventually(t, "the directory is removed", func() bool { return gone(dir) })
}

func TestWhatALoginShellPrintsIsPassedOver(t *testing.T) {
	for name, greeting := range map[string]string{
		"a line":              `echo Welcome`,
		"no newline":          `printf '\033[2J> '`,
		"what looks like us":  `echo clusterctl-; printf 'a 1 0 0 0\n'`,
		"lines without end":   `head -c 200000 /dev/zero`,
		"on standard error":   `echo Welcome >&2`,
		"an odd locale":       `export LC_ALL=en_US.UTF-8 LANG=de_DE.UTF-8 IFS=x`,
		"options for scripts": `export SHELLOPTS; set -u; export BASH_ENV=/nonexistent`,
	} {
		t.Run(name, func(t *testing.T) {
			d, server := connected(t, sshtest.Config{Login: []string{"bash", "-c", greeting + `; eval "$0"`}}, ssh.Options{})
			s := openShell(t, dial(t, d, server))
			if got := run(t, s, ssh.Command{Script: "cat", Stdin: [][]byte{[]byte("é\x00")}}); string(got.Stdout) != "é\x00" {
				t.Errorf("got %s", short(got))
			}
		})
	}
}

func TestAHostOnWhichNoShellStarts(t *testing.T) {
	bin := t.TempDir()
	write(t, filepath.Join(bin, "sudo"), "#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
	if err := os.Chmod(filepath.Join(bin, "sudo"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name         string
		config       sshtest.Config
		opts         ssh.Options
		want, remedy string
	}{
		{"no bash", sshtest.Config{Login: []string{"/bin/sh", "-c", `PATH=/nonexistent; eval "$0"`}}, ssh.Options{}, "command not found", "install bash"},
		{"nologin", sshtest.Config{Login: []string{"/bin/sh", "-c", "echo This account is not available >&2; exit 1"}}, ssh.Options{}, "status 1: This account is not available", ""},
		{"sudo that wants a password", sshtest.Config{Env: []string{"PATH=" + bin + ":/usr/bin:/bin"}}, ssh.Options{Sudo: true, Login: "admin"}, "a password is required", "NOPASSWD"},
		{"endless greeting", sshtest.Config{Login: []string{"/bin/sh", "-c", "exec head -c 100000000 /dev/zero"}}, ssh.Options{}, "prints too much", ""},
		{"no session", sshtest.Config{MaxSessions: -1}, ssh.Options{}, "refused another session", "MaxSessions"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, server := connected(t, tt.config, tt.opts)
			_, err := dial(t, d, server).Shell(t.Context())
			failure, ok := errors.AsType[*ssh.DialError](err)
			if !ok || failure.Stage != ssh.StageShell || !strings.Contains(err.Error(), tt.want) || !strings.Contains(failure.Remedy(), tt.remedy) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestSudo(t *testing.T) {
	bin := t.TempDir()
	write(t, filepath.Join(bin, "sudo"), "#!/bin/sh\n[ \"$1 $2\" = '-n --' ] || exit 1\nshift 2\nVIA=sudo exec \"$@\"\n")
	if err := os.Chmod(filepath.Join(bin, "sudo"), 0o700); err != nil {
		t.Fatal(err)
	}
	for login, want := range map[string]string{"admin": "sudo\n", "root": "\n"} {
		t.Run(login, func(t *testing.T) {
			d, server := connected(t, sshtest.Config{Env: []string{"PATH=" + bin + ":/usr/bin:/bin"}}, ssh.Options{Sudo: true, Login: login})
			s := openShell(t, dial(t, d, server))
			if got := run(t, s, ssh.Command{Script: "echo $VIA"}); string(got.Stdout) != want {
				t.Errorf("got %s, want %q", short(got), want)
			}
		})
	}
}

func TestAConnectionCarriesEightShellsAndTheNextOneWaits(t *testing.T) {
	d, server := connected(t, sshtest.Config{MaxSessions: 9}, ssh.Options{})
	client := dial(t, d, server)
	var shells []*ssh.Shell
	for range 8 {
		shells = append(shells, openShell(t, client))
	}
	opened := make(chan error)
	for range 3 { // more than the server would take
		go func() {
			s, err := client.Shell(t.Context())
			if err == nil {
				_, err = s.Run(t.Context(), ssh.Command{Script: "true"})
				s.Close()
			}
			opened <- err
		}()
	}
	select {
	case err := <-opened:
		t.Fatalf("a ninth shell: %v", err)
	default:
	}
	if n := server.Sessions(); n != 8 {
		t.Errorf("%d sessions, want 8", n)
	}
	shells[3].Close()
	for range 3 {
		if err := <-opened; err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	openShell(t, client)
	cancel()
	if _, err := client.Shell(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	if n := server.Connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestADeadConnectionIsNoticed(t *testing.T) {
	t.Parallel()
	d, server := connected(t, sshtest.Config{}, ssh.Options{})
	ssh.SetKeepalive(d, time.Millisecond, 300*time.Millisecond)
	s := openShell(t, dial(t, d, server))
	server.Freeze()
	_, err := s.Run(t.Context(), ssh.Command{Script: "true"})
	if lost, ok := errors.AsType[*ssh.LostError](err); !ok || !lost.Sent || !strings.Contains(err.Error(), "no sign of life") {
		t.Errorf("error %v, want a LostError for want of a sign of life", err)
	}
}

func TestAShellThatEndsIsLost(t *testing.T) {
	bothHosts(t, func(t *testing.T, h ssh.Host) {
		s := openShell(t, h)
		_, err := s.Run(t.Context(), ssh.Command{Script: "exit 3", InShell: true})
		if lost, ok := errors.AsType[*ssh.LostError](err); !ok || !lost.Sent {
			t.Errorf("error %v, want a LostError", err)
		}
	})
}

func dial(t *testing.T, d *ssh.Dialer, server *sshtest.Server) *ssh.Client {
	t.Helper()
	c, err := d.Dial(t.Context(), ssh.Target{Name: "n1", Addresses: []string{server.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func BenchmarkRun(b *testing.B) {
	s, err := ssh.Local("n1", false).Shell(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	for name, c := range map[string]ssh.Command{
		"child":   {Script: "echo hello"},
		"inshell": {Script: "echo hello", InShell: true},
		"stdin":   {Script: "cat", Stdin: [][]byte{[]byte("hello")}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Run(b.Context(), c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
