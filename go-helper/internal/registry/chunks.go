package registry

import (
	"time"
)

// minChunk: a registry that refuses less than this has another problem. nginx lets 1 MiB through where nothing else is
// configured.
const minChunk = 64 << 10

// halve makes chunks smaller after a body of n bytes was too large that was sent by chunks of so many. It tells whether the
// next one will be.
func (c *Client) halve(n, by int64) bool {
	chunk := c.chunk.Load()
	next := min(int64(defaultChunk), n/2)
	if chunk > 0 {
		next = min(chunk, n) / 2
	}
	next = max(next, minChunk)
	if n > next && (chunk == 0 || next < chunk) && c.chunk.CompareAndSwap(chunk, next) {
		return true
	}
	now := c.chunk.Load()
	return now > 0 && (by == 0 || now < by) // another upload has found it out
}

// mayChunk tells whether the registry puts several PATCHes together rightly. GitHub's keeps only the last one.
func (c *Client) mayChunk() bool { return c.host != "ghcr.io" }

// askFirst makes uploads ask before they send their bodies, for a while.
func (c *Client) askFirst() { c.unwell.Store(time.Now().UnixNano()) }

// expects tells whether to ask before sending a body ("Expect: 100-continue"), so that a refusal costs none of it.
func (c *Client) expects() bool {
	last := c.unwell.Load()
	return last != 0 && time.Since(time.Unix(0, last)) < expectFor
}
