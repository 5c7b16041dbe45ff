package report

import (
	"fmt"
	"time"

	"github.com/vbauerster/mpb/v8/decor"
)

// byteText spells a number of bytes in decimal units, as registries and disks do: "389.6 MB".
func byteText(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("% .1f", decor.SizeB1000(n))
}

// Size spells a number of bytes: "389.6 MB".
func Size(n int64) string { return byteText(n) }

// durationText is short: "853ms", "42s", "3m05s", "2h10m".
func durationText(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
}

// Plural spells a count with its noun: "1 image", "3 images".
func Plural(n int, noun string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
