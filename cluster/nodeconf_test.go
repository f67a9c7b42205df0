package cluster_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
)

// words are what changes say.
func words(changes []corosyncconf.Change) []string {
	var all []string
	for _, c := range changes {
		all = append(all, c.Words+" ("+c.Effect.String()+")")
	}
	return all
}

func TestConfsOfTheNodes(t *testing.T) {
	w := running(t, 3, 3, nil)
	edited := func(name, old, new string) {
		t.Helper()
		was := w.Machine(name).File(cluster.ConfPath)
		is := strings.Replace(was, old, new, 1)
		if is == was {
			t.Fatalf("%s has no %q", name, old)
		}
		w.Machine(name).SetFile(cluster.ConfPath, is)
	}
	for _, c := range w.view(t).Confs() {
		if !c.Reached || c.Err != nil || !c.Same || c.Runs == nil || len(c.Pending) > 0 {
			t.Errorf("%s: %+v", c.Node, c)
		}
	}

	edited("n2", "    version: 2\n", "    version: 2\n    token: 5000\n")
	confs := w.view(t).Confs()
	if n1 := confs[0]; !n1.Same || len(n1.Pending) > 0 {
		t.Errorf("n1: %+v", n1)
	}
	if n2 := confs[1]; n2.Same || !slices.Equal(words(n2.Pending), []string{"token: 3000 ms (the default) -> 5000 ms (reload)"}) {
		t.Errorf("n2: same %t, pending %v", n2.Same, words(n2.Pending))
	}
	w.Machine("n3").Stop("corosync")
	edited("n3", "    version: 2\n", "    version 2\n")
	if n3 := w.view(t).Confs()[2]; n3.Same || n3.Err == nil || n3.Runs != nil || len(n3.Check(n3.Release())) == 0 {
		t.Errorf("n3: %+v", n3)
	}

	w.Machine("n3").Deaf = true
	if n3 := w.view(t).Confs()[2]; n3.Reached || n3.Err == nil || n3.File != nil {
		t.Errorf("n3, which does not answer: %+v", n3)
	}
}

// A node's file is checked as corosync there would see it.
func TestConfIsCheckedForItsNode(t *testing.T) {
	conf := "totem {\n version: 2\n cluster_name: a\n config_version: 1\n crypto_cipher: aes256\n crypto_hash: sha256\n}\nnodelist {\n" +
		" node {\n  name: n1\n  nodeid: 1\n  ring0_addr: one\n }\n node {\n  name: n2\n  nodeid: 2\n  ring0_addr: 10.0.0.2\n }\n}\nquorum {\n provider: corosync_votequorum\n two_node: 1\n}\n"
	one := []netip.Addr{netip.MustParseAddr("10.0.0.1")}
	for name, tt := range map[string]struct {
		change func(*cluster.Facts)
		want   []corosyncconf.Code
	}{
		"a node of the list": {func(*cluster.Facts) {}, nil},
		"a machine that is no node": {func(f *cluster.Facts) {
			f.Hostname, f.Resolved["n1"], f.Resolved["n2"] = "other", nil, nil
			f.Addrs = f.Addrs[:0]
		}, []corosyncconf.Code{corosyncconf.CodeLocalNode}},
		"a name that is not known":  {func(f *cluster.Facts) { f.Resolved["one"] = nil }, []corosyncconf.Code{corosyncconf.CodeUnresolvable}},
		"a name nobody asked about": {func(f *cluster.Facts) { f.Resolved = nil }, nil},
		"without the cluster's key": {func(f *cluster.Facts) { f.Key.Exists = false }, []corosyncconf.Code{corosyncconf.CodeAuthkey}},
	} {
		t.Run(name, func(t *testing.T) {
			file, err := corosyncconf.Parse("", []byte(conf))
			if err != nil {
				t.Fatal(err)
			}
			f := &cluster.Facts{
				Node: "n1", Hostname: "n1", Corosync: cluster.Version{Major: 3, Minor: 1, Patch: 7},
				Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}, Resolved: map[string][]netip.Addr{"one": one},
				Key:  cluster.FileState{Exists: true},
				Conf: cluster.ConfFile{FileState: cluster.FileState{Exists: true, Hash: cluster.Hash([]byte(conf))}, Bytes: []byte(conf), File: file},
			}
			tt.change(f)
			v := &cluster.View{Conf: file, Nodes: []cluster.ViewNode{{Name: "n1", Facts: f}}}
			var got []corosyncconf.Code
			for _, found := range v.Confs()[0].Check(corosyncconf.V31) {
				if found.Severity == corosyncconf.Bad {
					got = append(got, found.Code)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
