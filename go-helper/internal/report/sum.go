package report

import "slices"

// plus is what two processes asked of a registry together.
func (r Registry) plus(o Registry) Registry {
	requests := map[string]int64{}
	for _, some := range []map[string]int64{r.Requests, o.Requests} {
		for kind, n := range some {
			requests[kind] += n
		}
	}
	r.Requests = requests
	r.Retries += o.Retries
	r.Throttled += o.Throttled
	r.BytesDown += o.BytesDown
	r.BytesUp += o.BytesUp
	if r.RateLimit == nil || o.RateLimit != nil && o.RateLimit.Remaining < r.RateLimit.Remaining {
		r.RateLimit = o.RateLimit // the account's, which all of them see go down
	}
	return r
}

// plus adds pulls; what is left is the least that anyone has seen.
func (h *DockerHub) plus(o *DockerHub) *DockerHub {
	if h == nil || o == nil {
		return firstOf(h, o)
	}
	sum := DockerHub{PullsSpent: h.PullsSpent + o.PullsSpent, PullsPlanned: firstOf(h.PullsPlanned, o.PullsPlanned)}
	if h.PullsPlanned != nil && o.PullsPlanned != nil {
		planned := *h.PullsPlanned + *o.PullsPlanned
		sum.PullsPlanned = &planned
	}
	sum.Limit = firstOf(h.Limit, o.Limit)
	sum.PullsLeft = firstOf(h.PullsLeft, o.PullsLeft)
	if h.PullsLeft != nil && o.PullsLeft != nil && *o.PullsLeft < *h.PullsLeft {
		sum.PullsLeft = o.PullsLeft
	}
	return &sum
}

func firstOf[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// plus counts the copies of both.
func (t Totals) plus(o Totals) Totals {
	t.Copied += o.Copied
	t.Unchanged += o.Unchanged
	t.Planned += o.Planned
	t.Skipped += o.Skipped
	t.Failed += o.Failed
	t.Bytes.Down += o.Bytes.Down
	t.Bytes.Up += o.Bytes.Up
	t.Bytes.Mounted += o.Bytes.Mounted
	return t
}

// merging are targets of which each shard has done a part.
type merging struct{ all []Target }

func (m *merging) add(targets []Target) {
	for _, t := range targets {
		i := slices.IndexFunc(m.all, func(o Target) bool { return o.Address == t.Address })
		if i < 0 {
			m.all = append(m.all, t)
			continue
		}
		sum := &m.all[i]
		sum.ExitCode = WorseCode(sum.ExitCode, t.ExitCode)
		sum.Totals = sum.Totals.plus(t.Totals)
		sum.Causes = union(sum.Causes, t.Causes)
		sum.Errors = union(sum.Errors, t.Errors)
	}
}

// union leaves out what was said before.
func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}
