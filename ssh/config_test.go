package ssh_test

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"clusterctl/ssh"
	"github.com/google/go-cmp/cmp"
)

// configured returns a Dialer whose home has text as its ~/.ssh/config, and that home.
func configured(t *testing.T, text string, opts ssh.Options) (*ssh.Dialer, string) {
	t.Helper()
	if opts.Home == "" {
		opts.Home = t.TempDir()
	}
	write(t, filepath.Join(opts.Home, ".ssh", "config"), text)
	d, err := ssh.NewDialer(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, opts.Home
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEffective(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KEYS", "/keys")
	for _, tt := range []struct {
		name   string
		config string
		opts   ssh.Options
		dest   string
		want   string // fields that differ from those of a plain host, as show prints them; ~ is the home
	}{
		{"plain host", "", ssh.Options{}, "n1", ""},
		{"user and port of the destination win", "Host n1\nUser config\nPort 1", ssh.Options{Login: "flag"}, "me@n1:2222", "Port=2222 User=me"},
		{"-l before the config", "Host n1\nUser config", ssh.Options{Login: "flag"}, "n1", "User=flag"},
		{"config", "Host n1\n HostName 10.0.0.1\n User admin\n Port 2200", ssh.Options{}, "n1", "HostName=10.0.0.1 Port=2200 User=admin"},
		{"IPv6 address", "", ssh.Options{}, "fd00::1", "Host=fd00::1 HostName=fd00::1"},
		{"IPv6 address with user and port", "", ssh.Options{}, "admin@[fd00::1]:23", "Host=fd00::1 HostName=fd00::1 Port=23 User=admin"},
		{"IPv6 address with zone", "", ssh.Options{}, "fe80::1%eth0", "Host=fe80::1%eth0 HostName=fe80::1%eth0"},
		{"the first value counts", "Host n*\nUser first\nHost n1\nUser second", ssh.Options{}, "n1", "User=first"},
		{"before any Host", "User all\nHost n1\nUser one", ssh.Options{}, "n1", "User=all"},
		{"negated pattern", "Host n* !n1\nUser x", ssh.Options{}, "n1", ""},
		{"patterns separated by tabs", "Host\tn2\tn1\n\tUser\tx", ssh.Options{}, "n1", "User=x"},
		{"= and quotes", `Host="n1"` + "\nUser = \"a b\"", ssh.Options{}, "n1", "User=a b"},
		{"keywords in any case", "HOST n1\nuSER x", ssh.Options{}, "n1", "User=x"},
		{"comments", "# a\nHost n1 # b\n  User x # c\n#User y", ssh.Options{}, "n1", "User=x"},
		{"CRLF", "Host n1\r\nUser x\r\n", ssh.Options{}, "n1", "User=x"},
		{"%h in HostName", "Host n?\nHostName %h.example.com", ssh.Options{}, "n1", "HostName=n1.example.com"},
		{"? is exactly one character", "Host n1?\nUser x", ssh.Options{}, "n1", ""},
		{"Match all", "Match all\nUser x", ssh.Options{}, "n1", "User=x"},
		{"Match host sees HostName", "Host n1\nHostName a.example\nMatch host *.example\nUser x", ssh.Options{}, "n1", "HostName=a.example User=x"},
		{"Match originalhost and user", "Match originalhost n1 user admin\nPort 23", ssh.Options{}, "admin@n1", "Port=23 User=admin"},
		{"Match negated", "Match !host n1,n2\nPort 23", ssh.Options{}, "n1", ""},
		{"Match that needs a command does not match", "Match host n1 exec true\nPort 23\nHost n1\nUser x", ssh.Options{}, "n1", "User=x"},
		{"Match final, as Fedora has it, does not match", "Match final all\nPort 23\nHost n1\nUser x", ssh.Options{}, "n1", "User=x"},
		{"identity files add up and are expanded", "Host n1\nIdentityFile ~/a\nIdentityFile %d/b-%r-%h\nIdentityFile ${KEYS}/c\nUser u", ssh.Options{}, "n1",
			"User=u IdentityFiles=[~/a ~/b-u-n1 /keys/c]"},
		{"identities only", "Host n1\nIdentitiesOnly yes\nIdentityFile ~/a\nCertificateFile ~/a-ca", ssh.Options{}, "n1",
			"IdentityFiles=[~/a] CertificateFiles=[~/a-ca] IdentitiesOnly=true"},
		{"agent", "IdentityAgent ~/agent", ssh.Options{}, "n1", "IdentityAgent=~/agent"},
		{"jump hosts", "Host n1\nProxyJump a,b", ssh.Options{}, "n1", "ProxyJump=a,b"},
		{"-J before the config", "Host n1\nProxyJump a", ssh.Options{Jump: "c"}, "n1", "ProxyJump=c"},
		{"-J before a ProxyCommand", "Host n1\nProxyCommand nc", ssh.Options{Jump: "c"}, "n1", "ProxyJump=c"},
		{"no jump host", "Host n1\nProxyJump none\nHost *\nProxyJump a", ssh.Options{}, "n1", ""},
		{"proxy command", "Host n1\nProxyCommand nc %h %p", ssh.Options{}, "n1", "ProxyCommand=nc %h %p"},
		{"known hosts", "UserKnownHostsFile ~/k1 ~/k2\nHostKeyAlias name", ssh.Options{}, "n1", "HostKeyAlias=name UserKnownHostsFiles=[~/k1 ~/k2]"},
		{"--known-hosts before the config", "UserKnownHostsFile ~/k1", ssh.Options{KnownHosts: []string{"~/k3"}}, "n1", "UserKnownHostsFiles=[~/k3]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, home := configured(t, tt.config, tt.opts)
			plain := show(ssh.Endpoint{Host: "n1", HostName: "n1", Port: 22, User: me.Username,
				UserKnownHostsFiles: []string{"~/.ssh/known_hosts", "~/.ssh/known_hosts2"}}, "")
			var differ []string
			for i, field := range show(d.Effective(tt.dest), home) {
				if field != plain[i] {
					differ = append(differ, field)
				}
			}
			if got := strings.Join(differ, " "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// show returns the fields of e as Name=value.
func show(e ssh.Endpoint, home string) (fields []string) {
	v := reflect.ValueOf(e)
	for i := range v.NumField() {
		value := fmt.Sprint(v.Field(i))
		if home != "" {
			value = strings.ReplaceAll(value, home, "~")
		}
		fields = append(fields, v.Type().Field(i).Name+"="+value)
	}
	return fields
}

func TestIncludedFilesCountWhereTheyAreIncluded(t *testing.T) {
	home := t.TempDir()
	write(t, filepath.Join(home, ".ssh", "conf.d", "a.conf"), "Host n1\nUser a\nHost *\nPort 1\n")
	write(t, filepath.Join(home, ".ssh", "conf.d", "b.conf"), "User b\n")
	d, _ := configured(t, "Host n1 n2\nInclude conf.d/*.conf\nHostName x\nHost *\nPort 2\nUser c", ssh.Options{Home: home})
	got := map[string]string{}
	for _, dest := range []string{"n1", "n2", "n3"} {
		e := d.Effective(dest)
		got[dest] = fmt.Sprint(e.User, " ", e.HostName, " ", e.Port)
	}
	want := map[string]string{"n1": "a x 1", "n2": "b x 1", "n3": "c n3 2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestConfigFilesReplaceTheDefaultOnes(t *testing.T) {
	home := t.TempDir()
	write(t, filepath.Join(home, "one"), "Host n1\nUser one\n")
	write(t, filepath.Join(home, "two"), "Host n*\nUser two\nPort 2\n")
	d, _ := configured(t, "User default\nHostName default", ssh.Options{Home: home,
		ConfigFiles: []string{filepath.Join(home, "one"), "~/two"}})
	e := d.Effective("n1")
	if e.User != "one" || e.Port != 2 || e.HostName != "n1" {
		t.Errorf("user %s, port %d, host name %s; want one, 2, n1", e.User, e.Port, e.HostName)
	}
}

func TestBadOptionsAreErrors(t *testing.T) {
	home := t.TempDir()
	write(t, filepath.Join(home, "quote"), "Host a\n\nUser \"x\n")
	write(t, filepath.Join(home, "loop"), "Include "+filepath.Join(home, "loop")+"\n")
	write(t, filepath.Join(home, "nokey"), "hello\n")
	for _, tt := range []struct {
		name string
		opts ssh.Options
		want string
	}{
		{"config file that is not there", ssh.Options{ConfigFiles: []string{"/nonexistent"}}, "/nonexistent"},
		{"quote that is not closed", ssh.Options{ConfigFiles: []string{"~/quote"}}, "quote:3: user: a quote is not closed"},
		{"files that include each other", ssh.Options{ConfigFiles: []string{"~/loop"}}, "include each other"},
		{"identity that is not there", ssh.Options{Identities: []string{"~/none"}}, "none"},
		{"identity that is no key", ssh.Options{Identities: []string{"~/nokey"}}, "nokey: ssh: no key found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.opts.Home = home
			if _, err := ssh.NewDialer(tt.opts); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestKnows(t *testing.T) {
	d, _ := configured(t, "Host n1 web-*\nUser x\nHost * !n2\nPort 22\nMatch host n3\nUser y", ssh.Options{})
	for host, want := range map[string]bool{"n1": true, "N1": true, "web-7": true, "n2": false, "n3": false, "other": false} {
		if got := d.Knows(host); got != want {
			t.Errorf("Knows(%s) = %v, want %v", host, got, want)
		}
	}
}

func TestMatchPattern(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true}, {"a*c", "abbc", true}, {"a*c", "abcd", false},
		{"*a*b*", "xaybz", true}, {"a?c", "abc", true}, {"a?c", "ac", false}, {"*.Example", "n1.eXample", true}, {"n.1", "nx1", false},
	} {
		if got := ssh.MatchPattern(tt.pattern, tt.s); got != tt.want {
			t.Errorf("%q matches %q: %v, want %v", tt.pattern, tt.s, got, tt.want)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("Host n1 \"n 2\"\n User = x # y\nMatch host n1,!n2 user a\nIdentityFile ~/a\\\"b\n")
	f.Add("Include\nHost\nMatch\nMatch host\nPort\n=\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(strings.ToLower(text), "include") {
			return // reads files of the machine
		}
		ssh.ParseConfig(text)
	})
}
