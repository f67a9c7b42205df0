package quorum_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"clusterctl/quorum"
)

// TestTallyAgreesWithVotequorum replays what corosync's own votequorum decided
// for several hundred clusters as they started, split and came together again.
func TestTallyAgreesWithVotequorum(t *testing.T) {
	recorded, err := os.ReadFile("../testdata/votequorum/3.1.7/splits.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for line := range strings.Lines(string(recorded)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		cases++
		t.Run(strconv.Itoa(cases), func(t *testing.T) {
			rules, events, _ := strings.Cut(strings.TrimSpace(line), " | ")
			v := situation(t, rules)
			for event := range strings.SplitSeq(events, " | ") {
				f := strings.Fields(event)
				switch {
				case f[0] == "start", f[0] == "cold":
					// Nothing runs, then these nodes start.
					v = v.With(list(t, f[1])...)
					f = f[1:]
				case f[0][0] == '-':
					ids := list(t, f[0][1:])
					rest := v.Without(ids...)
					if got, want := v.Without(others(v, ids)...).Tally(), f[2] == "yes"; got.Quorate != want {
						t.Errorf("%s\nafter %s: the nodes that left: %+v, corosync says quorate: %v", line, event, got, want)
					}
					v = rest
				case f[0][0] == '+':
					v = v.With(list(t, f[0][1:])...)
				}
				if got, want := v.Tally(), f[1] == "yes"; got.Quorate != want {
					t.Fatalf("%s\nafter %s: %+v, corosync says quorate: %v", line, event, got, want)
				}
			}
		})
	}
	if cases < 100 {
		t.Errorf("%d cases", cases)
	}
}

func TestSurvivesAgreesWithVotequorum(t *testing.T) {
	recorded, err := os.ReadFile("../testdata/votequorum/3.1.7/survives.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for line := range strings.Lines(string(recorded)) {
		rules, want, ok := strings.Cut(strings.TrimSpace(line), " | survives ")
		if !ok {
			continue
		}
		cases++
		t.Run(rules, func(t *testing.T) {
			v := situation(t, rules)
			for _, n := range v.Nodes {
				v = v.With(n.ID)
			}
			if got := strconv.Itoa(v.Survives()); got != want {
				t.Errorf("survives %s failures, corosync %s", got, want)
			}
		})
	}
	if cases < 40 {
		t.Errorf("%d cases", cases)
	}
}

// TestTallyAgreesWithQuorumtool compares the arithmetic with the figures that
// corosync-quorumtool printed on real nodes.
func TestTallyAgreesWithQuorumtool(t *testing.T) {
	names, err := filepath.Glob("../testdata/quorumtool/3.1.*/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			out, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			s, err := quorum.ParseStatus(out)
			if err != nil {
				t.Fatal(err)
			}
			v := quorum.Votes{
				Expected:   s.Expected,
				Quorate:    s.Quorate,
				TwoNode:    slices.Contains(s.Flags, "2Node"),
				WaitForAll: slices.Contains(s.Flags, "WaitForAll"),
			}
			if s.Device != nil {
				v.Device = s.Device.Votes
			}
			for _, m := range s.Members {
				// Each node counts its own device only, and this is what one node says.
				v.Nodes = append(v.Nodes, quorum.Voter{ID: m.NodeID, Votes: m.Votes, Present: true, Device: s.Device != nil && s.Device.Casts})
			}
			want := quorum.Tally{Votes: s.Total, Expected: s.Expected, Quorum: s.Quorum, Quorate: s.Quorate}
			if got := v.Tally(); got != want {
				t.Errorf("got %+v, corosync has %+v", got, want)
			}
		})
	}
}

// situation reads the rules of a case, with no node present.
func situation(t *testing.T, rules string) quorum.Votes {
	t.Helper()
	var v quorum.Votes
	waitForAll := ""
	for _, rule := range strings.Fields(rules) {
		key, value, _ := strings.Cut(rule, "=")
		switch key {
		case "votes":
			for i, n := range list(t, value) {
				v.Nodes = append(v.Nodes, quorum.Voter{ID: uint32(i + 1), Votes: int(n)})
			}
		case "expected":
			v.Expected = int(list(t, value)[0])
		case "device":
			v.Device = int(list(t, value)[0])
		case "two_node":
			v.TwoNode = value == "1"
		case "last_man_standing":
			v.LastManStanding = value == "1"
		case "wait_for_all":
			waitForAll = value
		case "auto_tie_breaker_node":
			v.AutoTieBreaker = strings.ReplaceAll(value, ",", " ")
		default:
			t.Fatalf("unknown rule %q", rule)
		}
	}
	v.WaitForAll = waitForAll == "1" || waitForAll == "" && v.TwoNode
	return v
}

func list(t *testing.T, s string) []uint32 {
	t.Helper()
	var ids []uint32
	for field := range strings.SplitSeq(s, ",") {
		n, err := strconv.ParseUint(field, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, uint32(n))
	}
	return ids
}

// others are the present nodes that are not in ids.
func others(v quorum.Votes, ids []uint32) []uint32 {
	var rest []uint32
	for _, n := range v.Nodes {
		if n.Present && !slices.Contains(ids, n.ID) {
			rest = append(rest, n.ID)
		}
	}
	return rest
}
