// Package chart holds no code; its tests render the chart charts/docker-mirror and read what comes out as Kubernetes would.
package chart
