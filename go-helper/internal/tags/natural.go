package tags

// CompareNatural orders tags by name, with runs of digits compared as numbers: v1.9 before v1.16.
func CompareNatural(a, b string) int { return compareNatural(a, b) }
