package report

import "time"

// Shard is which part of a plan a run had.
type Shard struct {
	Index int `json:"index"` // from 0
	Count int `json:"count"`
	// Plan is the digest of the whole plan; empty where the input was wrong.
	Plan string `json:"plan,omitempty"`
}

// ShardRun is how one shard ended, in a merged report.
type ShardRun struct {
	Index    int       `json:"index"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	ExitCode int       `json:"exit_code"`
	Totals   Totals    `json:"totals"`
}
