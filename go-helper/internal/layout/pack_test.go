package layout

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// Whatever the sizes: no part is larger than it may be, and each byte is in one part, in order.
func TestPartsHoldEverythingOnce(t *testing.T) {
	for seed := range uint64(3000) {
		random := rand.New(rand.NewPCG(seed, 0))
		split := int64(leastSplit + random.IntN(leastSplit))
		var all []slice
		for i := range 1 + random.IntN(30) {
			name := fmt.Sprintf("blobs/sha256/%064x", i)
			all = append(all, slice{name: name, file: name, length: int64(random.IntN(4*leastSplit)) >> random.IntN(12), whole: true})
		}
		parts, err := divide(all, split)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		next, offset := 0, int64(0)
		for number, part := range parts {
			size := int64(tarHead + tarEnd)
			for _, s := range part {
				size += s.space()
				want := all[next]
				if s.file != want.file || s.offset != offset || s.length == 0 && want.length > 0 {
					t.Fatalf("seed %d: %+v in part %d, want %s from %d on", seed, s, number+1, want.file, offset)
				}
				if name := pieceName.FindStringSubmatch(s.name); name == nil || name[1] != s.file || s.whole != (name[2] == "") {
					t.Fatalf("seed %d: %s is called %s", seed, s.file, s.name)
				}
				if offset += s.length; offset == want.length {
					next, offset = next+1, 0
				}
			}
			if size > split || len(part) == 0 {
				t.Fatalf("seed %d: part %d has %d bytes in %d files, of %d", seed, number+1, size, len(part), split)
			}
		}
		if next != len(all) {
			t.Fatalf("seed %d: %d of %d files", seed, next, len(all))
		}
	}
}

func TestAnIndexLargerThanAPartIsRefused(t *testing.T) {
	_, err := divide([]slice{{name: indexFile, file: indexFile, length: 2 * leastSplit, whole: true}}, leastSplit)
	if err == nil || !strings.Contains(err.Error(), "index.json alone has 131072") {
		t.Errorf("error %v", err)
	}
}
