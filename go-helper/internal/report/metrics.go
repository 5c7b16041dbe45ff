package report

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"docker-mirror/go-helper/internal/engine"
)

const (
	metricsPrefix = "docker_mirror_"
	lastSuccess   = metricsPrefix + "last_success_timestamp_seconds"
)

// WriteMetrics writes what a run came to as gauges in Prometheus' text format, by rename, as node_exporter's textfile collector wants
// it. The file's name without .prom is the label `set` of all of them, since that collector reads the files of several runs together.
// Where the run failed, or wrote nothing, the time of the last one that succeeded is taken over from the file that is replaced.
func (r *Report) WriteMetrics(path string) error {
	set := strings.TrimSuffix(filepath.Base(path), ".prom")
	succeeded := float64(0)
	if r.ExitCode == 0 && !r.DryRun {
		succeeded = unixSeconds(r.Finished)
	} else {
		var err error
		if succeeded, err = lastSuccessOf(path); err != nil {
			return fmt.Errorf("writing metrics: %w", err)
		}
	}
	if err := WriteFileAtomic(path, r.metrics(set, succeeded)); err != nil {
		return fmt.Errorf("writing metrics: %w", err)
	}
	return nil
}

// lastSuccessOf gives what an earlier run wrote, 0 where there is none.
func lastSuccessOf(path string) (float64, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return 0, nil // a device or a pipe, which has no past
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for scanner := bufio.NewScanner(bytes.NewReader(data)); scanner.Scan(); {
		line := scanner.Text()
		if strings.HasPrefix(line, lastSuccess+"{") {
			value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			if err == nil && value > 0 {
				return value, nil
			}
		}
	}
	return 0, nil
}

func (r *Report) metrics(set string, succeeded float64) []byte {
	m := &metricsText{set: set}
	m.gauge("build_info", "The program that ran last.", 1, "version", r.Version)
	m.gauge("last_run_timestamp_seconds", "When the last run ended.", unixSeconds(r.Finished))
	if succeeded > 0 {
		m.gauge("last_success_timestamp_seconds", "When the last run ended that had exit code 0 and was no dry run.", succeeded)
	}
	m.gauge("last_run_duration_seconds", "How long the last run took.", r.Finished.Sub(r.Started).Seconds())
	m.gauge("last_run_exit_code", "Exit code of the last run: 0 done, 1 some images failed, 2 bad input, 130 interrupted.", float64(r.ExitCode))
	for _, s := range []struct {
		status engine.Status
		count  int
	}{
		{engine.StatusCopied, r.Totals.Copied},
		{engine.StatusUnchanged, r.Totals.Unchanged},
		{engine.StatusPlanned, r.Totals.Planned},
		{engine.StatusSkipped, r.Totals.Skipped},
		{engine.StatusFailed, r.Totals.Failed},
	} {
		m.gauge("last_run_images", "Images of the last run, a destination each, by how they ended.", float64(s.count), "status", string(s.status))
	}
	drifted, moved := 0, 0
	for i := range r.Copies {
		if r.Copies[i].Drift {
			drifted++
		}
		if r.Copies[i].MovedTo != "" {
			moved++
		}
	}
	m.gauge("last_run_drifted_images", "Images whose destination differs from the source, as --verify found in the last run.", float64(drifted))
	m.gauge("last_run_moved_tags", "Locked tags that name something else at the source, as --report-moved found in the last run.", float64(moved))
	for _, b := range []struct {
		direction string
		bytes     int64
	}{{"down", r.Totals.Bytes.Down}, {"up", r.Totals.Bytes.Up}, {"mounted", r.Totals.Bytes.Mounted}} {
		m.gauge("last_run_blob_bytes", "Bytes of blobs in the last run, by where they went.", float64(b.bytes), "direction", b.direction)
	}
	r.registryMetrics(m)
	return m.text.Bytes()
}

func (r *Report) registryMetrics(m *metricsText) {
	hosts := slices.Sorted(maps.Keys(r.Registries))
	for _, host := range hosts {
		requests := r.Registries[host].Requests
		for _, kind := range slices.Sorted(maps.Keys(requests)) {
			m.gauge("last_run_requests", "Requests of the last run, retries among them.", float64(requests[kind]), "registry", host, "kind", kind)
		}
	}
	for _, host := range hosts {
		m.gauge("last_run_retries", "Requests of the last run that were tried again.", float64(r.Registries[host].Retries), "registry", host)
	}
	for _, host := range hosts {
		m.gauge("last_run_throttled", "Answers 429 and 503 in the last run.", float64(r.Registries[host].Throttled), "registry", host)
	}
	for _, host := range hosts {
		if limit := r.Registries[host].RateLimit; limit != nil {
			m.gauge("rate_limit_remaining", "What the registry's last RateLimit header left.", float64(limit.Remaining), "registry", host)
		}
	}
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// metricsText is Prometheus' text format, version 0.0.4. A library for these few lines would bring protocol buffers into the program.
type metricsText struct {
	text bytes.Buffer
	set  string
	last string // the metric that was described last
}

var labelValue = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// gauge adds a sample; those of one metric follow each other. Labels are names and values in turn.
func (m *metricsText) gauge(name, help string, value float64, labels ...string) {
	name = metricsPrefix + name
	if name != m.last {
		m.last = name
		fmt.Fprintf(&m.text, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
	}
	fmt.Fprintf(&m.text, "%s{set=\"%s\"", name, labelValue.Replace(strings.ToValidUTF8(m.set, "?")))
	for i := 0; i < len(labels); i += 2 {
		fmt.Fprintf(&m.text, ",%s=\"%s\"", labels[i], labelValue.Replace(strings.ToValidUTF8(labels[i+1], "?")))
	}
	fmt.Fprintf(&m.text, "} %s\n", strconv.FormatFloat(value, 'f', -1, 64))
}
