// Package schedule decides what a run does next: which images are looked up, which repository of a registry gets a blob by upload
// and which mount it, what waits for what, when an image's manifests are written. It is pure: no I/O, no locks, no goroutines
// and no clock. A [Scheduler] is told of each [Event] by [Scheduler.Step] and answers with the [Action]s to be begun, of which each one
// ends with an event of its own. So any course of a run can be played through, and is, by this package's simulation.
//
// Whatever waits can name what it waits for. [Scheduler.Check] asserts after a step that all of that is alive.
package schedule
