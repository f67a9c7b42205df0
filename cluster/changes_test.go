package cluster_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"clusterctl/cluster"
)

func TestChangesSaysWhatIsDifferent(t *testing.T) {
	tests := []struct {
		name   string
		change func(w *world)
		want   []string
	}{
		{"nothing", func(*world) {}, nil},
		{"a node stops", func(w *world) { w.Machine("n3").Stop("corosync") }, []string{"n3 is no member any more", "n3: corosync is inactive"}},
		{"a node dies", func(w *world) { w.die("n3") }, []string{"n3 is no member any more", "n3 does not answer"}},
		{"two nodes stop", func(w *world) { w.Machine("n2").Stop("corosync"); w.Machine("n3").Stop("corosync") },
			[]string{"quorum is lost", "n2 is no member any more", "n2: corosync is inactive", "n3 is no member any more", "n3: corosync is inactive"}},
		{"a split", func(w *world) { w.Machine("n3").Side(1) }, []string{"split: n1+n2 | n3", "n3 is no member any more"}},
		{"a new file", func(w *world) {
			replacing(w, "config_version: 1", "config_version: 2", "n1", "n2", "n3")
			w.Machine("n1").Reload()
		}, []string{"config_version 2, was 1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := running(t, 3, 3, nil)
			w.Trouble = nil
			before := cluster.NewStatus(w.patient(t))
			tt.change(w)
			got := cluster.Changes(before, cluster.NewStatus(w.patient(t)))
			var rest []string
			for _, c := range got {
				if len(c) < 5 || c[:5] != "link " {
					rest = append(rest, c)
				}
			}
			if diff := cmp.Diff(tt.want, rest); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestChangesOfALink(t *testing.T) {
	link := func(state string) *cluster.Status {
		return &cluster.Status{Nodes: []cluster.StatusNode{{Name: "n1", Links: []cluster.StatusLink{{Number: 1, Peers: cluster.PeersOf(map[string]string{"n2": "connected", "n3": state})}}}}}
	}
	for _, tt := range []struct{ was, is, want string }{
		{"connected", "disconnected", "link 1: n1 does not reach n3"},
		{"disconnected", "connected", "link 1: n1 reaches n3"},
		{"unknown", "connected", ""},
		{"connected", "unknown", ""},
	} {
		got := cluster.Changes(link(tt.was), link(tt.is))
		if len(got) > 1 || len(got) == 1 && got[0] != tt.want || len(got) == 0 && tt.want != "" {
			t.Errorf("%s to %s: %q", tt.was, tt.is, got)
		}
	}
}

func TestThereIsNoChangeAtFirst(t *testing.T) {
	if got := cluster.Changes(nil, cluster.NewStatus(running(t, 3, 3, nil).patient(t))); got != nil {
		t.Errorf("got %q", got)
	}
}
