// Package shard divides a plan between processes that know nothing of each other. Pure functions of the plan.
package shard

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Shard is the part of a plan that one of Count processes takes. The zero value is the whole plan.
type Shard struct {
	Index, Count int
}

// mostShards is beyond any use, and keeps a slip of the finger from asking for more memory than there is.
const mostShards = 100_000

// Parse reads "I/N". I counts from 0, as the index of a Kubernetes Job does.
func Parse(s string) (Shard, error) {
	index, count, found := strings.Cut(s, "/")
	i, indexErr := strconv.ParseUint(index, 10, 31)
	n, countErr := strconv.ParseUint(count, 10, 31)
	switch {
	case !found || indexErr != nil || countErr != nil:
		return Shard{}, errors.New("want INDEX/COUNT, such as 0/4")
	case n == 0 || n > mostShards:
		return Shard{}, fmt.Errorf("want from 1 to %d shards", mostShards)
	case i >= n:
		return Shard{}, fmt.Errorf("counting starts at 0, so the last of %d shards is %d/%d", n, n-1, n)
	}
	return Shard{int(i), int(n)}, nil
}

// String is what [Parse] reads; empty for the whole plan.
func (s Shard) String() string {
	if s.Count == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.Index, s.Count)
}
