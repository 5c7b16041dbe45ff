// Package suggest finds the word that was probably meant.
package suggest

import "strings"

// Closest returns the one of known that is nearest to word, or "" where none is near enough to be worth naming:
// equal but for case, or at most a third of its letters away.
func Closest(word string, known []string) string {
	best, bestDistance := "", len(word)/3+1
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

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
