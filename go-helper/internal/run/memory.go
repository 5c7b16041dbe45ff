package run

import (
	"os"
	"runtime/debug"
)

const (
	// longList is some twenty thousand lines, or six thousand entries of a plan: planning them and the run take many times their size.
	longList = 1 << 20
	// longListGC is by how many percent the heap may grow for those before it is collected. Go's own 100 takes a third more memory, for
	// an eighth less of processor time.
	longListGC = 50
)

// spareMemory has the heap of a run of long lists collected more often, unless the user says how often (GOGC).
func spareMemory(listed int) {
	if listed >= longList && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(longListGC)
	}
}
