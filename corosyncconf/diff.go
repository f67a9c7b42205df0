package corosyncconf

import (
	"fmt"
	"slices"
	"strings"
)

const (
	diffContext = 3
	// maxEdits bounds the search for the shortest diff, in time and space.
	// Files further apart are shown as wholly replaced between their common
	// beginning and end.
	maxEdits = 1000
)

// UnifiedDiff returns what turns old into new in the format of diff -u, with
// three lines of context; "" if they are equal. The value of a line "key: ..." is
// left out, since it is the cluster's secret: a diff is printed and logged.
func UnifiedDiff(oldName, newName string, old, new []byte) string {
	edits := compare(splitLines(old), splitLines(new))
	var out strings.Builder
	oldLine, newLine := 0, 0 // lines before edits[i]
	for i := 0; i < len(edits); {
		if edits[i].op == ' ' {
			i, oldLine, newLine = i+1, oldLine+1, newLine+1
			continue
		}
		// A hunk reaches from the context before a change to where the next
		// change is too far away for their contexts to touch.
		from := max(i-diffContext, 0)
		end, same := i, 0
		for j := i; j < len(edits) && same <= 2*diffContext; j++ {
			if edits[j].op == ' ' {
				same++
			} else {
				end, same = j+1, 0
			}
		}
		to := min(end+diffContext, len(edits))

		oldLine, newLine = oldLine-(i-from), newLine-(i-from)
		oldSize, newSize := 0, 0
		var body strings.Builder
		for _, e := range edits[from:to] {
			if e.op != '+' {
				oldSize++
			}
			if e.op != '-' {
				newSize++
			}
			body.WriteByte(e.op)
			body.WriteString(withoutSecret(e.line))
			if !strings.HasSuffix(e.line, "\n") {
				body.WriteString("\n\\ No newline at end of file\n")
			}
		}
		if out.Len() == 0 {
			fmt.Fprintf(&out, "--- %s\n+++ %s\n", oldName, newName)
		}
		fmt.Fprintf(&out, "@@ -%s +%s @@\n%s", hunkRange(oldLine, oldSize), hunkRange(newLine, newSize), body.String())
		i, oldLine, newLine = to, oldLine+oldSize, newLine+newSize
	}
	return out.String()
}

// hunkRange returns "start,size" for size lines after the first before lines.
func hunkRange(before, size int) string {
	switch size {
	case 0:
		return fmt.Sprintf("%d,0", before)
	case 1:
		return fmt.Sprint(before + 1)
	}
	return fmt.Sprintf("%d,%d", before+1, size)
}

func splitLines(b []byte) []string {
	lines := strings.SplitAfter(string(b), "\n")
	if last := len(lines) - 1; lines[last] == "" {
		lines = lines[:last]
	}
	return lines
}

// edit is a line that is in both files (' '), only in the old ('-') or only in
// the new one ('+').
type edit struct {
	op   byte
	line string
}

// compare returns all lines of both files; in each run of changes the old ones
// come first.
func compare(a, b []string) []edit {
	prefix := 0
	for prefix < min(len(a), len(b)) && a[prefix] == b[prefix] {
		prefix++
	}
	suffix := 0
	for suffix < min(len(a), len(b))-prefix && a[len(a)-1-suffix] == b[len(b)-1-suffix] {
		suffix++
	}
	midA, midB := a[prefix:len(a)-suffix], b[prefix:len(b)-suffix]

	var edits []edit
	add := func(op byte, lines ...string) {
		for _, l := range lines {
			edits = append(edits, edit{op, l})
		}
	}
	add(' ', a[:prefix]...)
	x, y := 0, 0
	for _, m := range append(matches(midA, midB), [2]int{len(midA), len(midB)}) {
		add('-', midA[x:m[0]]...)
		add('+', midB[y:m[1]]...)
		if m[0] < len(midA) {
			add(' ', midA[m[0]])
		}
		x, y = m[0]+1, m[1]+1
	}
	add(' ', a[len(a)-suffix:]...)
	return edits
}

// matches returns the indexes of the lines that a shortest edit script keeps,
// found by the greedy algorithm of Myers; none if it has more than maxEdits
// steps.
func matches(a, b []string) [][2]int {
	// reach[k+d] is how far into a one gets on diagonal k = x-y with d edits;
	// history has it for every d, to walk back along.
	var history [][]int
	for d := 0; d <= min(len(a)+len(b), maxEdits); d++ {
		reach := make([]int, 2*d+1)
		for k := -d; k <= d; k += 2 {
			x := 0
			if d > 0 {
				x = step(history[d-1], d-1, k)
			}
			for x < len(a) && x-k < len(b) && a[x] == b[x-k] {
				x++
			}
			reach[k+d] = x
			if x >= len(a) && x-k >= len(b) {
				return walkBack(history, len(a), len(b))
			}
		}
		history = append(history, reach)
	}
	return nil
}

// step returns how far into a one gets on diagonal k with one edit more than
// the d that reach is for.
func step(reach []int, d, k int) int {
	down, right := -1, -1
	if k+1 <= d {
		down = reach[k+1+d]
	}
	if k-1 >= -d {
		right = reach[k-1+d] + 1
	}
	return max(down, right)
}

func walkBack(history [][]int, x, y int) [][2]int {
	var kept [][2]int
	for d := len(history); d >= 0; d-- {
		k := x - y
		start := 0
		if d > 0 {
			start = step(history[d-1], d-1, k)
		}
		for x > start {
			x, y = x-1, y-1
			kept = append(kept, [2]int{x, y})
		}
		if d > 0 { // undo the edit that led here
			if reach := history[d-1]; k+1 <= d-1 && reach[k+1+d-1] == x {
				y--
			} else {
				x--
			}
		}
	}
	slices.Reverse(kept)
	return kept
}

// withoutSecret returns a line, without the value if it is one of totem.key.
func withoutSecret(text string) string {
	var l line
	end := len(strings.TrimRight(text, "\r\n"))
	if l.scan(text[:end]); l.kind != option || l.keyText() != "key" {
		return text
	}
	return text[:l.value.from] + "(secret)" + text[l.value.to:]
}
