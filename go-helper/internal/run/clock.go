package run

import (
	"fmt"
	"sync"
	"time"

	"docker-mirror/go-helper/internal/policy"
)

// now is in UTC, as reports have it.
func now() time.Time { return time.Now().UTC() }

// dates compares this machine's clock with those of registries.
type dates struct {
	mu    sync.Mutex
	apart time.Duration // the most that they were; above zero where this machine is ahead
	host  string
}

func (d *dates) heard(host string, date time.Time) {
	apart := time.Since(date)
	d.mu.Lock()
	defer d.mu.Unlock()
	if apart.Abs() > d.apart.Abs() {
		d.apart, d.host = apart, host
	}
}

// check refuses a clock that ages can't be told by, where a policy has any.
func (d *dates) check(p *policy.Policy, l Locking) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p == nil || !l.At.IsZero() || !p.Cools() || d.apart.Abs() <= maxSkew {
		return nil
	}
	which := "ahead of"
	if d.apart < 0 {
		which = "behind"
	}
	return fmt.Errorf("this machine's clock is %s %s that of %s: set the clock, as the policy counts by it", d.apart.Abs().Round(time.Minute), which, d.host)
}
