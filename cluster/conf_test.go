package cluster_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
)

// set is a change of one value.
func set(t *testing.T, path, value string) cluster.ConfSpec {
	t.Helper()
	p, err := corosyncconf.ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	return cluster.ConfSpec{What: "set " + path + " to " + value, Edit: func(f *corosyncconf.File) error {
		if value == "" {
			_, err := f.Unset(p)
			return err
		}
		return f.Set(p, value)
	}}
}

func TestConfTakesEffectOnEveryNode(t *testing.T) {
	w := running(t, 3, 3, nil)
	version := parsed(w.Machine("n1").Running()).Totem.ConfigVersion
	for i, s := range []cluster.ConfSpec{set(t, "totem.token", "5000"), set(t, "logging.logger_subsys[QUORUM].debug", "on"), set(t, "totem.token", "")} {
		p, err := cluster.PlanConf(s, w.view(t))
		if err != nil {
			t.Fatalf("%s: %v", s.What, err)
		}
		if err := w.carryOut(t, p); err != nil {
			t.Fatalf("%s: %v", s.What, err)
		}
		w.settledOn(t, "n1", "n2", "n3")
		if got, want := parsed(w.Machine("n2").Running()).Totem.ConfigVersion, version+uint64(i)+1; got < want {
			t.Errorf("%s: version %d runs, want at least %d", s.What, got, want)
		}
		if again, err := cluster.PlanConf(s, w.view(t)); err != nil || len(again.Steps) > 0 {
			t.Errorf("%s once more: %v, %v", s.What, err, again)
		}
	}
}

func TestConfRefuses(t *testing.T) {
	tests := map[string]struct {
		change cluster.ConfSpec
		want   cluster.Code
	}{
		"what takes a restart":          {set(t, "totem.link_mode", "active"), cluster.CodeNeedsRestart},
		"what takes a stop of all":      {set(t, "totem.transport", "udpu"), cluster.CodeNeedsRestart},
		"what can never be quorate":     {set(t, "quorum.expected_votes", "9"), cluster.CodeConfigInvalid},
		"what corosync does not take":   {set(t, "totem.join", "20"), cluster.CodeConfigInvalid},
		"what cannot be read back":      {set(t, "totem.cluster_name", "a{b"), cluster.CodeBadOption},
		"a node taken off the list":     {set(t, "nodelist.node[n3]", ""), cluster.CodeDifferent},
		"a node that the list does not": {set(t, "nodelist.node[n9].quorum_votes", "2"), cluster.CodeBadOption},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := running(t, 3, 3, nil)
			_, err := cluster.PlanConf(tt.change, w.view(t))
			found := false
			for _, p := range cluster.ProblemsOf(err) {
				found = found || p.Code == tt.want
			}
			if !found {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestConfKeepsQuorum(t *testing.T) {
	w := stopped(t)
	_, err := cluster.PlanConf(set(t, "nodelist.node[n3].quorum_votes", "3"), w.view(t))
	if ps := cluster.ProblemsOf(err); len(ps) == 0 || ps[0].Code != cluster.CodeQuorum {
		t.Errorf("votes for a node that is away: %v", err)
	}
}

// corosync makes the links' ping timers from the token that ran before a reload:
// with another token there are two reloads, forward and back.
func TestConfReloadsTwiceForTheToken(t *testing.T) {
	w := running(t, 3, 3, nil)
	for path, want := range map[string]int{"totem.token": 2, "totem.consensus": 1} {
		p, err := cluster.PlanConf(set(t, path, "5000"), w.view(t))
		if err != nil {
			t.Fatal(err)
		}
		there, back := 0, 0
		for _, s := range p.Steps {
			there += asked(s.Do)
			for _, u := range s.Undo {
				back += asked(u)
			}
		}
		if there != want || back != want {
			t.Errorf("%s: %d reloads, and %d to take it back; want %d", path, there, back, want)
		}
	}
}

// asked is how often an act asks for a reload.
func asked(a cluster.Act) int {
	n := 0
	for _, op := range a.Ops {
		if op.Kind == cluster.OpReload {
			n++
		}
	}
	return n
}

// When one node's swap fails, every node has the old content again, under a
// version that is higher than any it may have run.
func TestConfOfWhichOneNodeFails(t *testing.T) {
	w := running(t, 3, 3, nil)
	p, err := cluster.PlanConf(set(t, "totem.token", "5000"), w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	before := w.Machine("n1").Running()
	w.Machine("n2").Fail = func(_ cluster.Note, o cluster.Op) error {
		if o.Kind == cluster.OpSwap {
			return errors.New("the disk is broken")
		}
		return nil
	}
	var undone *cluster.UndoneError
	if err := w.carryOut(t, p); !errors.As(err, &undone) {
		t.Fatalf("got %v", err)
	}
	w.settledOn(t, "n1", "n2", "n3")
	for _, n := range []string{"n1", "n2", "n3"} {
		m := w.Machine(n)
		version := parsed(m.Running()).Totem.ConfigVersion
		if content := strings.Replace(m.Running(), fmt.Sprintf("config_version: %d", version), "config_version: 1", 1); content != before || m.File(cluster.ConfPath+".new") != "" {
			t.Errorf("%s: %v", n, m.Files())
		}
	}
}

// A reload that a node did not take over in full is taken back, also where no
// tool complains: what runs is held against the file.
func TestConfIsVerifiedByWhatRuns(t *testing.T) {
	w := running(t, 3, 3, nil)
	p, err := cluster.PlanConf(set(t, "totem.token", "5000"), w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Steps {
		if want := p.Steps[i].Do.Want; want != nil {
			want.Cmap[0].Value = "6000" // as if it ran with another value than was written
		}
	}
	before := w.Machine("n1").Running()
	var undone *cluster.UndoneError
	if err := w.carryOut(t, p); !errors.As(err, &undone) || !strings.Contains(err.Error(), "totem.token") {
		t.Fatalf("got %v", err)
	}
	if now := w.Machine("n1").Running(); strings.Contains(now, "5000") || parsed(now).Totem.ConfigVersion <= parsed(before).Totem.ConfigVersion {
		t.Errorf("not taken back:\n%s", now)
	}
}

func TestRestoreGoesBackUnderAHigherVersion(t *testing.T) {
	w := running(t, 3, 3, nil)
	before := w.Machine("n1").Running()
	for _, s := range []cluster.ConfSpec{set(t, "totem.token", "5000"), set(t, "totem.join", "70")} {
		p, err := cluster.PlanConf(s, w.view(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.carryOut(t, p); err != nil {
			t.Fatal(err)
		}
	}
	highest := parsed(w.Machine("n1").Running()).Totem.ConfigVersion
	nodes := w.nodes()
	defer cluster.CloseAll(nodes)
	all, err := cluster.History(t.Context(), w.view(t), nodes)
	if err != nil {
		t.Fatal(err)
	}
	was, err := cluster.FindVersion(all, "1")
	if err != nil {
		t.Fatal(err)
	}
	p, err := cluster.PlanRestore(was, false, w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.carryOut(t, p); err != nil {
		t.Fatal(err)
	}
	w.settledOn(t, "n1", "n2", "n3")
	now := w.Machine("n1").Running()
	version := parsed(now).Totem.ConfigVersion
	if version <= highest || strings.Replace(now, fmt.Sprintf("config_version: %d", version), "config_version: 1", 1) != before {
		t.Errorf("version %d, and the content is not that of before:\n%s", version, now)
	}
}

func TestRestoreDoesNotAddOrRemoveNodes(t *testing.T) {
	w := running(t, 3, 4, nil)
	was := &cluster.ConfVersion{Version: 1, Text: []byte(w.Machine("n1").Running())}
	p, err := w.planAdd(t, "n4")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.carryOut(t, p); err != nil {
		t.Fatal(err)
	}
	_, err = cluster.PlanRestore(was, false, w.view(t))
	if ps := cluster.ProblemsOf(err); len(ps) != 1 || ps[0].Code != cluster.CodeDifferent || !strings.Contains(ps[0].Message, "n4") {
		t.Errorf("got %v", err)
	}
}

// restarting is a change that may restart corosync.
func restarting(t *testing.T, path, value string) cluster.ConfSpec {
	s := set(t, path, value)
	s.Restart = true
	return s
}

func TestConfRestartsInTurn(t *testing.T) {
	w := running(t, 3, 3, nil)
	p, err := cluster.PlanConf(restarting(t, "totem.link_mode", "active"), w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	if p.StopsAll() {
		t.Error("a rolling restart is said to stop all nodes")
	}
	w.ends(t, p, nil)
	if mode := parsed(w.Machine("n2").Running()).Totem.LinkMode; mode != "active" {
		t.Errorf("n2 runs with link_mode %s", mode)
	}
}

// When a node does not come back, those before it are restarted once more,
// with what they ran before.
func TestConfInTurnIsTakenBack(t *testing.T) {
	w := running(t, 3, 3, nil)
	p, err := cluster.PlanConf(restarting(t, "totem.link_mode", "active"), w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	var starts []string
	for _, m := range w.Machines() {
		m.Fail = func(note cluster.Note, op cluster.Op) error {
			switch {
			case (op.Kind == cluster.OpStart || op.Kind == cluster.OpRevive || op.Kind == cluster.OpAgain) && m.Name() == "n2" && parsed(m.File(cluster.ConfPath)).Totem.LinkMode == "active":
				return errors.New("it refuses to start with this file")
			case note.Phase == cluster.Undoing && op.Kind == cluster.OpAgain:
				starts = append(starts, m.Name())
			}
			return nil
		}
	}
	var undone *cluster.UndoneError
	if err := w.carryOut(t, p); !errors.As(err, &undone) {
		t.Fatal(err)
	}
	w.settledOn(t, "n1", "n2", "n3")
	if mode := parsed(w.Machine("n1").Running()).Totem.LinkMode; mode != "passive" {
		t.Errorf("n1 runs with link_mode %s", mode)
	}
	if slices.Sort(starts); !slices.Equal(starts, []string{"n1", "n2"}) { // n3 had not been
		t.Errorf("asked to be restarted once more: %q", starts)
	}
}

func TestConfStopsAllWhereNothingLessDoes(t *testing.T) {
	w := running(t, 3, 3, nil)
	w.Trouble = nil
	old := w.Machine("n1").Running()
	p, err := cluster.PlanConf(restarting(t, "totem.cluster_name", "renamed"), w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	if !p.StopsAll() {
		t.Error("it is not said that all nodes are stopped")
	}
	for _, m := range w.Machines() {
		m.Fail = func(note cluster.Note, op cluster.Op) error {
			for _, other := range w.Machines() {
				if op.Kind == cluster.OpSwap && other.Active("corosync") {
					t.Errorf("%s still runs when %s gets the new file", other.Name(), m.Name())
				}
			}
			if note.Phase == cluster.Doing && op.Kind == cluster.OpStart && m.Name() == "n3" {
				return errors.New("it refuses to start")
			}
			return nil
		}
	}
	var undone *cluster.UndoneError
	if err := w.carryOut(t, p); !errors.As(err, &undone) {
		t.Fatal(err)
	}
	w.settledOn(t, "n1", "n2", "n3")
	// One that had restarted meanwhile would run version 2: the way back is by a higher one.
	if is := w.Machine("n2").Running(); is != strings.Replace(old, "config_version: 1", "config_version: 3", 1) {
		t.Errorf("after a node did not start:\n%s", is)
	}

	for _, m := range w.Machines() {
		m.Fail = nil
	}
	p, err = cluster.PlanConf(restarting(t, "totem.cluster_name", "renamed"), w.view(t))
	w.ends(t, p, err)
	if name := parsed(w.Machine("n2").Running()).Totem.ClusterName; name != "renamed" {
		t.Errorf("n2 runs in cluster %s", name)
	}
}

// Where all nodes are stopped anyway, links move in the same go.
func TestConfThatStopsAllMovesLinksToo(t *testing.T) {
	w := running(t, 3, 3, nil)
	move := cluster.ConfSpec{What: "rename and move", Restart: true, Edit: func(f *corosyncconf.File) error {
		return errors.Join(f.Root().Section("totem").Set("cluster_name", "renamed"), f.Root().Section("nodelist").Section("node").Set("ring1_addr", "10.0.2.1"))
	}}
	p, err := cluster.PlanConf(move, w.view(t))
	if err != nil || !p.StopsAll() {
		t.Errorf("%v", err)
	}
	move.Restart = false
	if _, err := cluster.PlanConf(move, w.view(t)); len(cluster.ProblemsOf(err).Errors()) != 1 {
		t.Errorf("without restarts: %v", err)
	}
}

func TestConfStopsAllOnlyWithEveryNode(t *testing.T) {
	w := stopped(t)
	_, err := cluster.PlanConf(restarting(t, "totem.cluster_name", "renamed"), w.view(t))
	if ps := cluster.ProblemsOf(err); len(ps) == 0 || ps[0].Code != cluster.CodeNoRunning || ps[0].Node != "n3" {
		t.Errorf("got %v", err)
	}
}

// A reload reads the key's file: nodes that have different ones must not begin
// to use them.
func TestConfDoesNotEncryptWithKeysThatDiffer(t *testing.T) {
	w := running(t, 3, 3, func(f *corosyncconf.File) error {
		totem := f.Root().Section("totem")
		totem.Unset("crypto_cipher")
		totem.Unset("crypto_hash")
		return nil
	})
	w.Machine("n2").SetFile(cluster.KeyPath, strings.Repeat("x", 256))
	s := cluster.ConfSpec{What: "encrypt", Edit: func(f *corosyncconf.File) error {
		return errors.Join(f.Root().Section("totem").Set("crypto_cipher", "aes256"), f.Root().Section("totem").Set("crypto_hash", "sha256"))
	}}
	_, err := cluster.PlanConf(s, w.view(t))
	if ps := cluster.ProblemsOf(err); len(ps) == 0 || ps[0].Code != cluster.CodeKeyDrift {
		t.Errorf("got %v", err)
	}
}

// Taking a rolling restart back costs no quorum either: with a member gone, the
// node that was restarted is left for later.
func TestConfInTurnIsNotTakenBackAtTheCostOfQuorum(t *testing.T) {
	w := running(t, 3, 3, nil)
	p, err := cluster.PlanConf(restarting(t, "totem.link_mode", "active"), w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	w.Machine("n2").Fail = func(note cluster.Note, op cluster.Op) error {
		if note.Phase == cluster.Doing && op.Kind == cluster.OpStart {
			trouble := w.Trouble
			w.Trouble = nil // n1 is alone until n2 is back
			w.Machine("n3").Deaf = true
			w.Machine("n3").Kill()
			w.Trouble = trouble
			return errors.New("it refuses to start")
		}
		return nil
	}
	for _, name := range []string{"n1", "n2"} {
		m := w.Machine(name)
		fail := m.Fail
		m.Fail = func(note cluster.Note, op cluster.Op) error {
			if op.Kind == cluster.OpAgain {
				t.Errorf("%s is restarted once more, though n3 is gone", name)
			}
			if fail != nil {
				return fail(note, op)
			}
			return nil
		}
	}
	w.Trouble = nil
	var open *cluster.UnfinishedOpError
	if err := w.carryOut(t, p); !errors.As(err, &open) {
		t.Fatalf("got %v", err)
	}
}

// A node that was away for the end of that, and was restarted once more, is not
// another time: with a member that is down, quorum needs it.
func TestConfInTurnIsTakenBackOnceWhereANodeMissedTheEnd(t *testing.T) {
	w := running(t, 3, 3, nil)
	w.Trouble = nil
	p, err := cluster.PlanConf(restarting(t, "totem.link_mode", "active"), w.view(t))
	if err != nil {
		t.Fatal(err)
	}
	n1, n2 := w.Machine("n1"), w.Machine("n2")
	n2.Fail = func(note cluster.Note, op cluster.Op) error {
		if note.Phase == cluster.Doing && op.Kind == cluster.OpStart {
			return errors.New("it refuses to start")
		}
		return nil
	}
	restarts := 0
	n1.Fail = func(note cluster.Note, op cluster.Op) error {
		switch {
		case op.Kind == cluster.OpAgain:
			restarts++
		case note == (cluster.Note{Phase: cluster.Undoing, Step: "stage-1/0"}) && restarts == 1 && n2.Active("corosync"):
			n1.Deaf = true
			n1.Side(1)
			n2.Kill()
		}
		return nil
	}
	var open *cluster.UnfinishedOpError
	if err := w.carryOut(t, p); !errors.As(err, &open) {
		t.Fatalf("got %v", err)
	}
	n1.Deaf = false
	n1.Side(0)
	if err := w.undo(t); err != nil {
		t.Error(err)
	}
	if open := w.open(); len(open) > 0 || restarts != 1 {
		t.Errorf("restarted once more: %d times; open on %q", restarts, open)
	}
}
