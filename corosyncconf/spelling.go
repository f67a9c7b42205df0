package corosyncconf

// likely returns the word that was probably meant by one that is not among
// them; empty if none is near.
func likely(word string, words []string) string {
	best, nearest := "", min(2, len(word)/3)+1
	for _, w := range words {
		if apart := len(w) - len(word); max(apart, -apart) >= nearest {
			continue // at least so many letters are added or left out
		}
		if d := distance(word, w); d < nearest {
			best, nearest = w, d
		}
	}
	return best
}

// distance returns how many letters must be changed, added, left out or
// swapped with their neighbour to make b of a.
func distance(a, b string) int {
	// The rows for the letters of a so far: the last, and the two before it.
	width := len(b) + 1
	cells := make([]int, 3*width)
	before, above, row := cells[:width], cells[width:2*width], cells[2*width:]
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, row = above, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
