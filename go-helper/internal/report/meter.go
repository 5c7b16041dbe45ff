package report

import "time"

// meterWindow is how far back a rate looks: long enough to be steady, short enough to notice a stall.
const meterWindow = 10 * time.Second

// meter measures the rate of a growing count over the last [meterWindow]. Not safe for concurrent use.
type meter struct{ samples []sample }

type sample struct {
	at    time.Time
	count int64
}

// add notes that the count stood at count at this time, and drops what is too old.
func (m *meter) add(at time.Time, count int64) {
	m.samples = append(m.samples, sample{at, count})
	// The oldest kept sample is the last one outside the window, so that the window is always covered.
	for len(m.samples) > 2 && at.Sub(m.samples[1].at) >= meterWindow {
		m.samples = m.samples[1:]
	}
}

// perSecond is 0 where nothing is known yet.
func (m *meter) perSecond() float64 {
	if len(m.samples) < 2 {
		return 0
	}
	first, last := m.samples[0], m.samples[len(m.samples)-1]
	seconds := last.at.Sub(first.at).Seconds()
	if seconds <= 0 {
		return 0
	}
	return max(0, float64(last.count-first.count)/seconds)
}
