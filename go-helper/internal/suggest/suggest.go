// Package suggest finds the word that was probably meant.
package suggest

import "strings"

// maxWord bounds the work for hostile input; nobody mistypes a longer word.
const maxWord = 64

// Closest returns the one of known that is nearest to word, or "" where none is near enough to be worth naming:
// equal but for case and hyphens, or at most three letters and half of its own away.
func Closest(word string, known []string) string {
	if len(word) > maxWord {
		return ""
	}
	best, bestDistance := "", min(3, len(word)/2)+1
	for _, candidate := range known {
		if normalize(candidate) == normalize(word) {
			return candidate
		}
		if d := distance(normalize(word), normalize(candidate)); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// normalize makes limit_platforms, limit-platforms and limitPlatforms one word.
func normalize(s string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(s))
}

// distance counts the letters to insert, delete, replace or swap with the next (optimal string alignment).
func distance(a, b string) int {
	previous, before := []int(nil), []int(nil) // the rows of the last letter of a, and of the one before it
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, previous, row = previous, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(previous[j+1]+1, row[j]+1, previous[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
