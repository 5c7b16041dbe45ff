package schedule

import "slices"

// shrink makes a failing case as small as it finds it to be.
func shrink(c *simCase) *simCase {
	fails := func(c *simCase) bool { return newWorld(c).run() != nil }
	for smaller := true; smaller; {
		smaller = false
		for _, next := range c.smaller() {
			for seed := range uint64(30) { // other courses of events, as each change makes another one of the old
				next.Seed = seed
				if fails(next) {
					c, smaller = next, true
					break
				}
			}
			if smaller {
				break
			}
		}
	}
	return c
}

// smaller gives variants with a bit less in them.
func (c *simCase) smaller() (out []*simCase) {
	with := func(change func(*simCase)) {
		d := *c
		d.Images = slices.Clone(c.Images)
		d.Registries = slices.Clone(c.Registries)
		change(&d)
		d.mend()
		out = append(out, &d)
	}
	for n := len(c.Images) / 2; n > 0; n /= 2 {
		for i := 0; i+n <= len(c.Images) && len(c.Images) > n; i += n {
			with(func(d *simCase) { d.Images = slices.Delete(d.Images, i, i+n) })
		}
	}
	for i, im := range c.Images {
		for j := range im.Blobs {
			with(func(d *simCase) { d.Images[i].Blobs = slices.Delete(slices.Clone(im.Blobs), j, j+1) })
		}
		if im.Fails || im.There {
			with(func(d *simCase) { d.Images[i].Fails, d.Images[i].There = false, false })
		}
	}
	if c.InterruptAt > 0 {
		with(func(d *simCase) { d.InterruptAt = 0 })
	}
	if len(c.Gone) > 0 {
		with(func(d *simCase) { d.Gone = nil })
	}
	if len(c.Remembered) > 0 {
		with(func(d *simCase) { d.Remembered = nil })
	}
	for i := range c.Told {
		with(func(d *simCase) { d.Told = slices.Delete(slices.Clone(c.Told), i, i+1) })
	}
	for i := range c.Registries {
		r := &c.Registries[i]
		for _, change := range []struct {
			is    bool
			apply func(*simRegistrySpec)
		}{
			{r.Stalls > 0, func(r *simRegistrySpec) { r.Stalls = 0 }},
			{r.Errors > 0, func(r *simRegistrySpec) { r.Errors = 0 }},
			{r.Cuts > 0, func(r *simRegistrySpec) { r.Cuts = 0 }},
			{r.Losses > 0, func(r *simRegistrySpec) { r.Losses = 0 }},
			{r.Overloads > 0, func(r *simRegistrySpec) { r.Overloads = 0 }},
			{r.Vanish > 0, func(r *simRegistrySpec) { r.Vanish = 0 }},
			{r.Lies > 0, func(r *simRegistrySpec) { r.Lies = 0 }},
			{len(r.Forbidden) > 0, func(r *simRegistrySpec) { r.Forbidden = nil }},
			{len(r.Unreadable) > 0, func(r *simRegistrySpec) { r.Unreadable = nil }},
			{r.Latency > 1, func(r *simRegistrySpec) { r.Latency = 1 }},
		} {
			if change.is {
				with(func(d *simCase) { change.apply(&d.Registries[i]) })
			}
		}
	}
	return out
}
