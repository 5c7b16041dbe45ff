// Package run composes what the commands do: read lists, plan them, expand tag policies, copy with the engine, report.
// It decides exit codes and what goes to which stream; see [Code].
package run
