package cluster_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"clusterctl/cluster"
)

// fixed does what doctor --fix does until nothing is left that it can mend.
func (w *world) fixed(t *testing.T) []cluster.Cause {
	t.Helper()
	for range 6 {
		v := w.patient(t)
		causes := cluster.Diagnose(v)
		i := slices.IndexFunc(causes, func(c cluster.Cause) bool { return c.Fixable() })
		if i < 0 {
			return causes
		}
		nodes := w.nodes()
		p, err := cluster.PlanFix(t.Context(), &causes[i], v, nodes)
		cluster.CloseAll(nodes)
		if err != nil {
			t.Fatalf("%s: %v", causes[i].Code, err)
		}
		if err := w.carryOut(t, p); err != nil {
			t.Fatalf("%s: %v", causes[i].Code, err)
		}
	}
	t.Fatal("it goes on and on")
	return nil
}

func TestFixMendsWhatIsSafe(t *testing.T) {
	all := []string{"n1", "n2", "n3"}
	stop := func(w *world, nodes ...string) {
		for _, n := range nodes {
			w.Machine(n).Stop("corosync")
		}
	}
	tests := []struct {
		name  string
		plant func(*world)
	}{
		{"a stopped node", func(w *world) { stop(w, "n3") }},
		{"all stopped", func(w *world) { stop(w, all...) }},
		{"a file that differs", func(w *world) { replacing(w, "nodelist {", "# mine\nnodelist {", "n2") }},
		{"a file that is gone", func(w *world) { stop(w, "n3"); w.Machine("n3").SetFile(cluster.ConfPath, "") }},
		{"a file that is ahead", func(w *world) { replacing(w, "config_version: 1", "config_version: 7", "n3") }},
		{"a file that is not reloaded", func(w *world) { replacing(w, "config_version: 1", "config_version: 2", all...) }},
		{"a broken file", func(w *world) { stop(w, "n3"); replacing(w, "totem {", "totem {\n\ttoken 5000", "n3") }},
		{"a broken file everywhere", func(w *world) { stop(w, all...); replacing(w, "totem {", "totem {\n\ttoken 5000", all...) }},
		{"another key", func(w *world) { stop(w, "n3"); w.Machine("n3").SetFile(cluster.KeyPath, "x") }},
		{"no key", func(w *world) { stop(w, "n3"); w.Machine("n3").SetFile(cluster.KeyPath, "") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := running(t, 3, 3, nil)
			w.Trouble = nil
			tt.plant(w)
			if causes := w.fixed(t); len(causes) > 0 {
				t.Errorf("left:\n%s", describe(causes))
			}
		})
	}
}

// A newer file that one node alone has is not what the others are to run, when they
// run another, and /etc/pve has that too.
func TestFixRollsOutNoLoneNewerFile(t *testing.T) {
	edited := func(w *world) *world {
		w.Trouble = nil
		replacing(w, "config_version: 1", "config_version: 99", "n2")
		replacing(w, "totem {", "totem {\n\ttoken: 9000", "n2")
		return w
	}
	for name, w := range map[string]*world{
		"two nodes": edited(running(t, 2, 2, nil)), "three nodes": edited(running(t, 3, 3, nil)),
		"two of Proxmox VE": edited(virtual(t, 2, 2)), "three of Proxmox VE": edited(virtual(t, 3, 3)),
	} {
		t.Run(name, func(t *testing.T) {
			causes := cluster.Diagnose(w.patient(t))
			if len(causes) != 1 || causes[0].Code != cluster.CodeAhead || causes[0].Node != "n2" {
				t.Errorf("got\n%s", describe(causes))
			}
			if left := w.fixed(t); len(left) > 0 {
				t.Errorf("left:\n%s", describe(left))
			}
			for _, m := range w.Machines() {
				if text := m.File(cluster.ConfPath); !strings.Contains(text, "config_version: 1\n") || text != m.Running() {
					t.Errorf("%s runs\n%s", m.Name(), m.Running())
				}
			}
		})
	}
	for name, w := range map[string]*world{"the other is away": edited(running(t, 2, 2, nil)), "the other of Proxmox VE is away": edited(virtual(t, 2, 2))} {
		t.Run(name, func(t *testing.T) {
			w.Machine("n1").Deaf = true
			causes := w.fixed(t)
			if len(causes) == 0 || causes[0].Code != cluster.CodeConfigPending || causes[0].Node != "n2" {
				t.Errorf("got\n%s", describe(causes))
			}
			if text := w.Machine("n2").Running(); !strings.Contains(text, "config_version: 1\n") {
				t.Errorf("it runs\n%s", text)
			}
		})
	}
}

// Nor is what all nodes have, while /etc/pve has what runs.
func TestFixLeavesWhatIsInEtcPVE(t *testing.T) {
	w := virtual(t, 3, 3)
	replacing(w, "config_version: 1", "config_version: 99", "n1", "n2", "n3")
	if causes := w.fixed(t); len(causes) != 1 || causes[0].Code != cluster.CodeConfigPending {
		t.Errorf("got\n%s", describe(causes))
	}
	if text := w.Machine("n2").Published(); !strings.Contains(text, "config_version: 1\n") {
		t.Errorf("/etc/pve has\n%s", text)
	}
}

// Where corosync starts nowhere, all nodes get one file without the line that
// is in the way, under a version that none of them had.
func TestMendPutsOneFileOnAllNodes(t *testing.T) {
	w := running(t, 3, 3, nil)
	w.Trouble = nil
	w.off()
	replacing(w, "config_version: 1", "config_version: 9", "n2")
	replacing(w, "totem {", "totem {\n\ttoken 5000", "n1", "n2", "n3")
	p, err := cluster.PlanMend(w.patient(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.carryOut(t, p); err != nil {
		t.Fatal(err)
	}
	w.settledOn(t, "n1", "n2", "n3")
	text := w.Machine("n3").File(cluster.ConfPath)
	if !strings.Contains(text, "config_version: 10") || !strings.Contains(text, "\t# token 5000") {
		t.Errorf("got\n%s", text)
	}
}

func TestMendRefuses(t *testing.T) {
	w := running(t, 3, 3, nil)
	_, err := cluster.PlanMend(w.patient(t))
	if err == nil || !strings.Contains(err.Error(), "corosync runs") {
		t.Errorf("with a cluster that runs: %v", err)
	}
	w.Trouble = nil
	w.off()
	replacing(w, "ring0_addr: 10.0.0.2", "ring0_addr: n2.lan", "n1", "n2", "n3")
	_, err = cluster.PlanMend(w.patient(t))
	if err == nil || !strings.Contains(err.Error(), "no earlier /etc/corosync/corosync.conf that corosync would take is kept on the nodes") {
		t.Errorf("without a file to go back to: %v", err)
	}
}

// The newest earlier file that corosync takes is the one to go back to.
func TestMendGoesBackToAnEarlierFile(t *testing.T) {
	w := running(t, 3, 3, nil)
	w.Trouble = nil
	good := w.Machine("n1").File(cluster.ConfPath)
	w.off()
	replacing(w, "ring0_addr: 10.0.0.2", "ring0_addr: n2.lan", "n1", "n2", "n3")
	replacing(w, "config_version: 1", "config_version: 4", "n1", "n2", "n3")
	v := w.patient(t)
	v.Nodes[1].Facts.Signs.Kept = [][]byte{[]byte("nothing"), []byte(good)}
	p, err := cluster.PlanMend(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.carryOut(t, p); err != nil {
		t.Fatal(err)
	}
	w.settledOn(t, "n1", "n2", "n3")
	if text := w.Machine("n3").File(cluster.ConfPath); text != strings.Replace(good, "config_version: 1", "config_version: 5", 1) {
		t.Errorf("got\n%s", text)
	}
}

// off stops corosync on every machine.
func (w *world) off() {
	for _, m := range w.Machines() {
		m.Stop("corosync")
	}
}

// allOff is a cluster of five whose nodes are all stopped, with files that an
// edit has changed.
func allOff(t *testing.T, edit func(*world)) *world {
	t.Helper()
	w := running(t, 5, 5, nil)
	w.Trouble = nil
	w.off()
	edit(w)
	return w
}

var five = []string{"n1", "n2", "n3", "n4", "n5"}

// versions are the config_versions of the files on the machines.
func (w *world) versions() map[string]string {
	out := map[string]string{}
	for _, m := range w.Machines() {
		_, rest, _ := strings.Cut(m.File(cluster.ConfPath), "config_version: ")
		out[m.Name()], _, _ = strings.Cut(rest, "\n")
	}
	return out
}

// A node that was off while the cluster was changed has a file that corosync
// takes. It is not what the others go back to because of a mistake in theirs.
func TestDoctorDoesNotGoBackToAStaleFile(t *testing.T) {
	w := allOff(t, func(w *world) {
		replacing(w, "config_version: 1", "config_version: 7", five[1:]...)
		replacing(w, "totem {", "totem {\n\ttoken 5000", five[1:]...)
	})
	for _, c := range cluster.Diagnose(w.patient(t)) {
		if strings.Contains(c.Command, "--from n1") || strings.Contains(c.Command, "start") {
			t.Errorf("it proposes %s", c.Command)
		}
	}
	if left := w.fixed(t); len(left) > 0 {
		t.Errorf("left:\n%s", describe(left))
	}
	w.settledOn(t, five...)
	for n, v := range w.versions() {
		if v != "8" {
			t.Errorf("%s has version %s", n, v)
		}
	}
}

// Nor to that of another cluster, however high its version.
func TestDoctorDoesNotTakeTheFileOfAnotherCluster(t *testing.T) {
	w := allOff(t, func(w *world) {
		replacing(w, "cluster_name: prod", "cluster_name: other", "n1")
		replacing(w, "config_version: 1", "config_version: 70", "n1")
		replacing(w, "totem {", "totem {\n\ttoken 5000", five[1:]...)
	})
	w.fixed(t)
	for _, n := range five[1:] {
		if text := w.Machine(n).File(cluster.ConfPath); !strings.Contains(text, "cluster_name: prod") {
			t.Errorf("%s has\n%s", n, text)
		}
	}
}

// Where keys differ, the mode of each is mended, and each stays what it is.
func TestFixMendsTheModeOfDifferentKeys(t *testing.T) {
	w := running(t, 3, 3, nil)
	w.Trouble = nil
	w.Machine("n2").Stop("corosync")
	w.Machine("n2").SetFile(cluster.KeyPath, strings.Repeat("x", cluster.MinKeySize))
	v := w.patient(t)
	for i := range v.Nodes {
		v.Nodes[i].Facts.Signs.KeyMode = "644"
	}
	causes := cluster.Diagnose(v)
	i := slices.IndexFunc(causes, func(c cluster.Cause) bool { return c.Code == cluster.CodeKeyMode })
	if i < 0 {
		t.Fatalf("got\n%s", describe(causes))
	}
	before := [2]string{w.Machine("n1").File(cluster.KeyPath), w.Machine("n2").File(cluster.KeyPath)}
	nodes := w.nodes()
	defer cluster.CloseAll(nodes)
	p, err := cluster.PlanFix(t.Context(), &causes[i], v, nodes)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.carryOut(t, p); err != nil {
		t.Fatal(err)
	}
	if after := [2]string{w.Machine("n1").File(cluster.KeyPath), w.Machine("n2").File(cluster.KeyPath)}; after != before {
		t.Error("a key was changed")
	}
}

// firstFix carries out the first cause that can be mended.
func (w *world) firstFix(t *testing.T) error {
	t.Helper()
	v := w.patient(t)
	causes := cluster.Diagnose(v)
	i := slices.IndexFunc(causes, func(c cluster.Cause) bool { return c.Fixable() })
	if i < 0 {
		t.Fatalf("nothing to mend:\n%s", describe(causes))
	}
	nodes := w.nodes()
	defer cluster.CloseAll(nodes)
	p, err := cluster.PlanFix(t.Context(), &causes[i], v, nodes)
	if err != nil {
		t.Fatal(err)
	}
	return w.carryOut(t, p)
}

// After a power cut one node that does not come up keeps none of the others
// down, nor does it have the file taken back that the others need.
func TestFixKeepsWhatCameUp(t *testing.T) {
	tests := []struct {
		name  string
		plant func(*world)
		off   []string
	}{
		{"all stopped", func(*world) {}, []string{"n3"}},
		{"one does not answer", func(w *world) { w.die("n5") }, []string{"n3", "n5"}},
		{"a broken file everywhere", func(w *world) { replacing(w, "totem {", "totem {\n\ttoken 5000", five...) }, []string{"n3"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := allOff(t, tt.plant)
			w.Machine("n3").Fail = func(_ cluster.Note, op cluster.Op) error {
				if op.Kind == cluster.OpStart {
					return errors.New("no such device")
				}
				return nil
			}
			if err := w.firstFix(t); cluster.Stood(err) == "" {
				t.Errorf("what stands is not told: %v", err)
			}
			for _, n := range five {
				if up := w.Machine(n).Active("corosync"); up == slices.Contains(tt.off, n) {
					t.Errorf("%s: corosync runs: %v", n, up)
				}
				if strings.Contains(w.Machine(n).File(cluster.ConfPath), "\ttoken 5000") {
					t.Errorf("%s has the broken file again", n)
				}
			}
		})
	}
}

// Where the nodes that do not answer may be a cluster that runs, no node is
// started on a file that is ahead of theirs.
func TestMendWaitsForAMajority(t *testing.T) {
	broken := func(deaf int) *cluster.View {
		w := running(t, 5, 5, nil)
		w.Trouble = nil
		for i, n := range five {
			if i >= 5-deaf {
				w.Machine(n).Deaf = true
				continue
			}
			w.Machine(n).Stop("corosync")
			replacing(w, "totem {", "totem {\n\ttoken 5000", n)
		}
		return w.patient(t)
	}
	v := broken(3)
	if _, err := cluster.PlanMend(v); err == nil || !strings.Contains(err.Error(), "n3, n4 and n5 may be running: what answers has 2 of 5 votes") {
		t.Errorf("three of five may be running: %v", err)
	}
	c := cluster.Diagnose(v)[0]
	if c.Fixable() || c.Command != "" || !strings.Contains(c.Remedy, "bring back n3, n4 or n5, or see that corosync does not run there") {
		t.Errorf("doctor says:\n%s", describe([]cluster.Cause{c}))
	}
	v = broken(2)
	if _, err := cluster.PlanMend(v); err != nil {
		t.Errorf("two of five cannot be quorate without the others: %v", err)
	}
	if c := cluster.Diagnose(v)[0]; !c.Fixable() {
		t.Errorf("doctor says:\n%s", describe([]cluster.Cause{c}))
	}
}

// A mistake in what the traffic is protected by, or carried by, does not turn
// it off: the value that it had before comes back.
func TestMendKeepsWhatIsWeighty(t *testing.T) {
	tests := []struct{ name, good, bad string }{
		{"cipher", "crypto_cipher: aes256", "crypto_cipher: aes-256"},
		{"hash", "crypto_hash: sha256", "crypto_hash: sha257"},
		{"transport", "transport: knet", "transport: kent"},
		{"a colon", "crypto_cipher: aes256", "crypto_cipher aes256"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := running(t, 3, 3, nil)
			w.Trouble = nil
			good := w.Machine("n1").File(cluster.ConfPath)
			for _, n := range []string{"n1", "n2", "n3"} {
				w.Machine(n).Stop("corosync")
				replacing(w, tt.good, tt.bad, n)
				replacing(w, "config_version: 1", "config_version: 4", n)
				replacing(w, "logging {", "logging {\n\tdebug: on", n)
			}
			v := w.patient(t)
			if _, err := cluster.PlanMend(v); err == nil {
				t.Error("without an earlier file there is nothing to go by, and it has a plan")
			}
			v.Nodes[2].Facts.Signs.Kept = [][]byte{[]byte(good)}
			p, err := cluster.PlanMend(v)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.carryOut(t, p); err != nil {
				t.Fatal(err)
			}
			w.settledOn(t, "n1", "n2", "n3")
			want := strings.NewReplacer("config_version: 1", "config_version: 5", "logging {", "logging {\n\tdebug: on").Replace(good)
			if text := w.Machine("n1").File(cluster.ConfPath); text != want {
				t.Errorf("got\n%s", text)
			}
		})
	}
}

// Nor does a file take over that has no encryption where the last good one had.
func TestMendDoesNotTurnEncryptionOff(t *testing.T) {
	w := running(t, 3, 3, nil)
	w.Trouble = nil
	good := w.Machine("n1").File(cluster.ConfPath)
	for _, n := range []string{"n1", "n2", "n3"} {
		w.Machine(n).Stop("corosync")
		replacing(w, "crypto_cipher: aes256", "crypto_ciper aes256", n)
		replacing(w, "crypto_hash: sha256", "crypto_hahs sha256", n)
		replacing(w, "config_version: 1", "config_version: 4", n)
	}
	v := w.patient(t)
	v.Nodes[0].Facts.Signs.Kept = [][]byte{[]byte(good)}
	p, err := cluster.PlanMend(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.carryOut(t, p); err != nil {
		t.Fatal(err)
	}
	if text := w.Machine("n1").File(cluster.ConfPath); !strings.Contains(text, "\n    crypto_cipher: aes256") {
		t.Errorf("got\n%s", text)
	}
}
