// Package report turns engine events into what people and programs read of a run: progress while it lasts
// (bars on a terminal, plain lines, JSON lines), a summary, the failures, and report.json.
package report
