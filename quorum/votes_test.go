package quorum_test

import (
	"math/bits"
	"testing"

	"clusterctl/quorum"
)

// cluster is a quorate cluster whose nodes 1, 2, 3, ... have these votes and
// are all present.
func cluster(votes ...int) quorum.Votes {
	v := quorum.Votes{Quorate: true}
	for i, n := range votes {
		v.Nodes = append(v.Nodes, quorum.Voter{ID: uint32(i + 1), Votes: n, Present: true})
	}
	return v
}

// with returns v after change.
func with(v quorum.Votes, change func(*quorum.Votes)) quorum.Votes {
	change(&v)
	return v
}

func casting(votes int) func(*quorum.Votes) {
	return func(v *quorum.Votes) {
		v.Device = votes
		for i := range v.Nodes {
			v.Nodes[i].Device = true
		}
	}
}

func twoNode(v *quorum.Votes) { v.TwoNode, v.WaitForAll = true, true }

func TestNeeded(t *testing.T) {
	tests := []struct {
		expected, total, nodes int
		twoNode                bool
		want                   int
	}{
		{expected: 0, total: 0, want: 1},
		{expected: 1, total: 1, nodes: 1, want: 1},
		{expected: 2, total: 2, nodes: 2, want: 2},
		{expected: 3, total: 3, nodes: 3, want: 2},
		{expected: 4, total: 4, nodes: 4, want: 3},
		{expected: 5, total: 5, nodes: 5, want: 3},
		{expected: 6, total: 6, nodes: 6, want: 4},
		{expected: 7, total: 7, nodes: 7, want: 4},
		{expected: 8, total: 8, nodes: 8, want: 5},
		{expected: 8, total: 1, nodes: 1, want: 5},
		{expected: 3, total: 5, nodes: 5, want: 3}, // more votes than expected
		{expected: 2, total: 2, nodes: 2, twoNode: true, want: 1},
		{expected: 2, total: 1, nodes: 1, twoNode: true, want: 1},
		{expected: 2, total: 2, nodes: 3, twoNode: true, want: 2}, // two_node ends with a third node
	}
	for _, test := range tests {
		if got := quorum.Needed(test.expected, test.total, test.nodes, test.twoNode); got != test.want {
			t.Errorf("%+v: got %d", test, got)
		}
	}
}

func TestNeededIsMonotone(t *testing.T) {
	for expected := range 40 {
		for total := range 40 {
			n := quorum.Needed(expected, total, 3, false)
			if more := quorum.Needed(expected+1, total, 3, false); more < n {
				t.Errorf("%d of %d votes need %d, of one more %d", total, expected, n, more)
			}
			if more := quorum.Needed(expected, total+1, 3, false); more < n {
				t.Errorf("%d of %d votes need %d, one more %d", total, expected, n, more)
			}
			if n <= total && 2*n <= max(expected, total) {
				t.Errorf("half of %d votes is a quorum", max(expected, total))
			}
		}
	}
}

// TestPartitionsAreNeverBothQuorate splits every cluster of up to five nodes
// with up to three votes each in every way.
func TestPartitionsAreNeverBothQuorate(t *testing.T) {
	for nodes := 1; nodes <= 5; nodes++ {
		all := 1
		for range nodes {
			all *= 4
		}
		for code := range all {
			votes := make([]int, nodes)
			for i, c := 0, code; i < nodes; i, c = i+1, c/4 {
				votes[i] = c % 4
			}
			v := cluster(votes...)
			for side := range uint32(1 << nodes) {
				var here, there []uint32
				for i := range nodes {
					if side>>i&1 == 1 {
						here = append(here, uint32(i+1))
					} else {
						there = append(there, uint32(i+1))
					}
				}
				if v.Without(here...).Tally().Quorate && v.Without(there...).Tally().Quorate {
					t.Fatalf("votes %v: both %v and %v are quorate", votes, here, there)
				}
			}
		}
	}
}

// TestTieBreakerPicksOneSide does the same with auto_tie_breaker, by which one
// half and only one may go on.
func TestTieBreakerPicksOneSide(t *testing.T) {
	for _, node := range []string{"lowest", "highest", "2", "3 1", "4 3 2 1"} {
		v := with(cluster(1, 1, 1, 1), func(v *quorum.Votes) { v.AutoTieBreaker = node })
		for side := range uint32(1 << 4) {
			if bits.OnesCount32(side) != 2 {
				continue
			}
			var here, there []uint32
			for i := range 4 {
				if side>>i&1 == 1 {
					here = append(here, uint32(i+1))
				} else {
					there = append(there, uint32(i+1))
				}
			}
			a, b := v.Without(there...).Tally(), v.Without(here...).Tally()
			if a.Quorate == b.Quorate {
				t.Errorf("%s: %v %+v, %v %+v", node, here, a, there, b)
			}
		}
	}
}

func TestStopping(t *testing.T) {
	tests := map[string]struct {
		cluster quorum.Votes
		stop    []uint32
		want    quorum.Tally
	}{
		"one of one":    {cluster(1), []uint32{1}, quorum.Tally{Votes: 0, Expected: 1, Quorum: 1}},
		"one of two":    {cluster(1, 1), []uint32{2}, quorum.Tally{Votes: 1, Expected: 2, Quorum: 2}},
		"one of three":  {cluster(1, 1, 1), []uint32{1}, quorum.Tally{Votes: 2, Expected: 3, Quorum: 2, Quorate: true}},
		"two of three":  {cluster(1, 1, 1), []uint32{1, 3}, quorum.Tally{Votes: 1, Expected: 3, Quorum: 2}},
		"two of four":   {cluster(1, 1, 1, 1), []uint32{1, 3}, quorum.Tally{Votes: 2, Expected: 4, Quorum: 3}},
		"three of six":  {cluster(1, 1, 1, 1, 1, 1), []uint32{1, 3, 5}, quorum.Tally{Votes: 3, Expected: 6, Quorum: 4}},
		"three of 7":    {cluster(1, 1, 1, 1, 1, 1, 1), []uint32{1, 3, 5}, quorum.Tally{Votes: 4, Expected: 7, Quorum: 4, Quorate: true}},
		"three of 8":    {cluster(1, 1, 1, 1, 1, 1, 1, 1), []uint32{1, 3, 5}, quorum.Tally{Votes: 5, Expected: 8, Quorum: 5, Quorate: true}},
		"most votes":    {cluster(3, 1, 1), []uint32{1}, quorum.Tally{Votes: 2, Expected: 5, Quorum: 3}},
		"no votes":      {cluster(1, 1, 0), []uint32{3}, quorum.Tally{Votes: 2, Expected: 2, Quorum: 2, Quorate: true}},
		"a stranger":    {cluster(1, 1), []uint32{9}, quorum.Tally{Votes: 2, Expected: 2, Quorum: 2, Quorate: true}},
		"two_node":      {with(cluster(1, 1), twoNode), []uint32{2}, quorum.Tally{Votes: 1, Expected: 2, Quorum: 1, Quorate: true}},
		"both nodes":    {with(cluster(1, 1), twoNode), []uint32{1, 2}, quorum.Tally{Votes: 0, Expected: 2, Quorum: 1}},
		"two_node of 3": {with(cluster(1, 1, 1), twoNode), []uint32{3}, quorum.Tally{Votes: 2, Expected: 3, Quorum: 1, Quorate: true}},
		"more expected": {
			with(cluster(1, 1, 1), func(v *quorum.Votes) { v.Expected = 5 }), []uint32{3},
			quorum.Tally{Votes: 2, Expected: 5, Quorum: 3},
		},
		"more there than expected": {
			with(cluster(1, 1, 1, 1, 1), func(v *quorum.Votes) { v.Expected = 3 }), []uint32{4, 5},
			quorum.Tally{Votes: 3, Expected: 5, Quorum: 3, Quorate: true},
		},
		"a half, with a device": {
			with(cluster(1, 1), casting(1)), []uint32{2},
			quorum.Tally{Votes: 2, Expected: 3, Quorum: 2, Quorate: true},
		},
		"a half, with a device that votes on the other side only": {
			with(cluster(1, 1), func(v *quorum.Votes) { v.Device, v.Nodes[1].Device = 1, true }), []uint32{2},
			quorum.Tally{Votes: 1, Expected: 3, Quorum: 2},
		},
		"all but one, with a device of n-1 votes": {
			with(cluster(1, 1, 1), casting(2)), []uint32{1, 2},
			quorum.Tally{Votes: 3, Expected: 5, Quorum: 3, Quorate: true},
		},
		"all, with a device": {
			with(cluster(1, 1, 1), casting(2)), []uint32{1, 2, 3},
			quorum.Tally{Votes: 0, Expected: 5, Quorum: 3},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.cluster.Without(test.stop...).Tally(); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestChangesLeaveTheReceiverAlone(t *testing.T) {
	v := cluster(1, 1, 1)
	v.Without(1, 2).With(1)
	if got := v.Tally(); got.Votes != 3 {
		t.Errorf("got %+v", got)
	}
}

// TestStoppingOneByOne shows that the order and the grouping of stops may
// decide a tie.
func TestStoppingOneByOne(t *testing.T) {
	v := with(cluster(1, 1, 1, 1), func(v *quorum.Votes) { v.AutoTieBreaker = "lowest" })
	if v.Without(1, 2).Tally().Quorate {
		t.Error("quorate without the lowest node")
	}
	if !v.Without(1).Without(3).Tally().Quorate {
		t.Error("not quorate though the lowest of the three that were left is here")
	}
}

func TestWaitForAllNeedsEveryVoteAfterQuorumWasLost(t *testing.T) {
	v := with(cluster(1, 1, 1), func(v *quorum.Votes) { v.WaitForAll = true })
	if v = v.Without(3); !v.Tally().Quorate {
		t.Fatal("not quorate without one of three")
	}
	if v = v.Without(2).With(2); v.Tally().Quorate {
		t.Error("quorate again without the third node")
	}
	if v = v.With(3); !v.Tally().Quorate {
		t.Error("not quorate though everyone is back")
	}
}

func TestSurvives(t *testing.T) {
	tests := map[string]struct {
		cluster quorum.Votes
		want    int
	}{
		"no node":     {quorum.Votes{}, 0},
		"not quorate": {cluster(1, 1, 1).Without(1, 2), 0},
		"one":         {cluster(1), 0},
		"two_node":    {with(cluster(1, 1), twoNode), 1},
		"one is down": {cluster(1, 1, 1, 1, 1).Without(5), 1},
		"a device that is needed once a node fails": {with(cluster(1, 1), casting(1)), 1},
		"a device with n-1 votes fails first":       {with(cluster(1, 1, 1, 1), casting(3)), 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.cluster.Survives(); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

func TestRoomIsHowManyAbsentVotesMayBeExpected(t *testing.T) {
	tests := map[string]quorum.Votes{
		"one":          cluster(1),
		"two":          cluster(1, 1),
		"three":        cluster(1, 1, 1),
		"four":         cluster(1, 1, 1, 1),
		"one is down":  cluster(1, 1, 1).Without(3),
		"with device":  with(cluster(1, 1), casting(1)),
		"heavy nodes":  cluster(3, 2),
		"more wanted":  with(cluster(1, 1, 1), func(v *quorum.Votes) { v.Expected = 4 }),
		"none at hand": cluster(1, 1).Without(1, 2),
	}
	for name, v := range tests {
		t.Run(name, func(t *testing.T) {
			room := v.Room()
			quorate := func(more int) bool {
				next := v
				next.Expected = v.Tally().Expected + more
				return next.Tally().Quorate
			}
			if room > 0 && !quorate(room) {
				t.Errorf("not quorate with %d more votes expected", room)
			}
			if quorate(room + 1) {
				t.Errorf("quorate with %d more votes expected", room+1)
			}
		})
	}
}
