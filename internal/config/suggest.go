package config

import (
	"fmt"
	"strings"
)

// suggestion returns what was probably meant, as the end of a message, or nothing.
func suggestion(found string, words []string) string {
	if w := closest(found, words); w != "" {
		return fmt.Sprintf(" (did you mean %q?)", w)
	}
	return ""
}

// closest returns the word that differs least from what was found, if that is by a third
// of its letters at most, or else one of which either is the other's beginning.
func closest(found string, words []string) string {
	best, least := "", len(found)
	for _, w := range words {
		if d := distance(found, w); d <= max(1, len(w)/3) && d < least {
			best, least = w, d
		}
	}
	for _, w := range words {
		if best == "" && len(found) > 1 && (strings.HasPrefix(w, found) || strings.HasPrefix(found, w)) {
			best = w
		}
	}
	return best
}

// distance is the optimal string alignment distance in bytes: insertions, deletions,
// substitutions, and swaps of neighbours. What differs by more than 64 bytes in
// length is not compared.
func distance(a, b string) int {
	if len(a) > len(b)+64 {
		return len(a)
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
