// Package prometheus holds no code; its tests read the alerts of docs/metrics.md as Prometheus would.
package prometheus
