package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/policy"
	"docker-mirror/go-helper/internal/report"
)

// Code is an exit code of the program. They are a contract with scripts and with the Pants rules.
type Code = int

// The exit codes.
const (
	CodeDone        Code = 0   // all copies done, or already there
	CodeFailed      Code = 1   // some copies failed; the others were done
	CodeBadInput    Code = 2   // bad input or usage; nothing was sent
	CodeInterrupted Code = 130 // by SIGINT or SIGTERM, as a shell has it
)

// Streams are the program's. Results go to Out, everything else to Err.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// write puts a result into a file, by rename, or on standard output where none is named or `-`.
func (s Streams) write(file string, result []byte) error {
	if file == "" || file == "-" {
		_, err := s.Out.Write(result)
		return err
	}
	return report.WriteFileAtomic(file, result)
}

// Settings are what all commands that copy have in common.
type Settings struct {
	Streams
	reads   []argument // the command's own files, which it mustn't write to
	Version string     // of the program, for the report and the user agent
	Command string     // which command it is, for the report

	Concurrency int    // blobs in transfer at once, at least 1
	Verbose     bool   // debug log on Err, and a line for each copy
	Report      string // file that report.json goes to; empty: none
	ReportHTML  string // file that the report goes to as a page; empty: none
	Metrics     string // file that Prometheus' text format goes to; empty: none
	Progress    string // a [report.Mode]
	Config      string // file that says how to speak to which registry; empty: none

	Part Part // of the set, where several processes carry it out

	DryRun bool // look, send nothing that writes
	Force  bool // don't trust a destination that has the digest
	Verify bool // compare, write nothing
	// VerifyDeep also reads every blob at the destinations.
	VerifyDeep bool

	// Referrers says what attachments come along with images whose lists don't say: one of [ReferrersChoices].
	Referrers string

	// ForeignLayers says what becomes of layers that name a place of their own, one of [ForeignLayersChoices].
	ForeignLayers string

	// Missing says what becomes of an index that names what its source doesn't have, one of [MissingChoices].
	Missing string
	// CheckPlatforms asks for the manifests of all platforms of unchanged indexes: they may have been left out before.
	CheckPlatforms bool

	// ToLayout is the folder of an OCI layout that images are copied to, whatever their destinations; empty: none.
	ToLayout string
	// FromLayout are an OCI layout's folder, or the parts of an archive, that images are read from; none: their sources are.
	FromLayout []string
	// Bases are bundles, or their bundle.json, whose blobs ToLayout leaves out.
	Bases []string

	// ReportMoved asks what the tags of locked images name now.
	ReportMoved bool

	// Policy is the file that says what may be locked and copied; empty: none.
	Policy string
	// Verifier is the program that verifies signatures; empty: see [verify.Find].
	Verifier string

	// StopOnError ends the run, as an interrupt would, at the first copy that fails.
	StopOnError bool
}

// engineRun is [engine.Run].
type engineRun func(context.Context, []engine.Copy, engine.Options) []engine.Result

// errConcurrency has the wording of the flag.
var errConcurrency = errors.New("--concurrency must be at least 1")

// session is one run of a command: its console and the report that it fills.
type session struct {
	Settings
	console *report.Console
	log     *slog.Logger
	report  report.Report
	quiet   bool // there is nothing to sum up
	engine  engineRun
	config  config
	policy  *policy.Policy // nil: none
	dates   dates
	layouts layouts
	journal *report.Journal // nil: none
}

// open checks the settings. A session is returned also with an error, so that it can be said and reported.
func (s Settings) open() (*session, error) {
	mode, err := report.ParseMode(s.Progress)
	if err != nil {
		mode = report.ModePlain
	}
	if s.Concurrency < 1 {
		err = errors.Join(err, errConcurrency)
	}
	err = errors.Join(err, s.Part.check())
	if s.Referrers != "" && !slices.Contains(ReferrersChoices(), s.Referrers) {
		err = errors.Join(err, fmt.Errorf("--referrers %s: want one of %s", s.Referrers, strings.Join(ReferrersChoices(), ", ")))
	}
	if s.Missing != "" && !slices.Contains(MissingChoices(), s.Missing) {
		err = errors.Join(err, fmt.Errorf("--missing %s: want one of %s", s.Missing, strings.Join(MissingChoices(), ", ")))
	}
	if s.ForeignLayers != "" && !slices.Contains(ForeignLayersChoices(), s.ForeignLayers) {
		err = errors.Join(err, fmt.Errorf("--foreign-layers %s: want one of %s", s.ForeignLayers, strings.Join(ForeignLayersChoices(), ", ")))
	}
	if s.Verify && s.DryRun {
		err = errors.Join(err, errors.New("leave out --dry-run: --verify writes nothing"))
	}
	err = errors.Join(err, s.checkLayouts(), s.checkOutputs())
	configured, configErr := readConfig(s.Config)
	configured.shareLimits(s.Part.sharers())
	configured, proxyErr := configured.withProxies()
	rules, policyErr := readPolicy(s.Policy)
	err = errors.Join(err, configErr, proxyErr, policyErr)
	level := slog.LevelWarn
	if s.Verbose {
		level = slog.LevelDebug
	}
	console := report.NewConsole(mode, s.Err, s.Verbose)
	for _, host := range configured.unverified() {
		console.Warn("WARNING: the certificates of " + host + " are not verified (skip_verify in " + s.Config + ")")
	}
	return &session{
		config:   configured,
		policy:   rules,
		Settings: s,
		console:  console,
		log:      slog.New(slog.NewTextHandler(console, &slog.HandlerOptions{Level: level})),
		engine:   engine.Run,
		report:   report.Report{Version: s.Version, Command: s.Command, Started: now(), DryRun: s.DryRun, Shard: s.Part.report()},
	}, err
}

// failed notes errors of the run itself.
func (s *session) failed(err error) {
	for _, line := range report.Lines(err) {
		s.report.Errors = append(s.report.Errors, line)
		s.console.Error(line)
	}
}

// badInput ends a session before anything was sent.
func (s *session) badInput(err error) Code {
	s.failed(err)
	s.quiet = true
	return s.close(CodeBadInput)
}

// close writes the report first, as after an interrupt there is little time, then has the results printed and sums up.
func (s *session) close(code Code, results ...func()) Code {
	if err := s.layouts.close(); err != nil {
		s.failed(err)
		if code == CodeDone {
			code = CodeFailed
		}
	}
	s.report.Interrupted = code == CodeInterrupted
	s.report.Finish(now(), code)
	if s.Report != "" {
		if err := s.report.WriteFile(s.Report); err != nil {
			s.console.Error(err.Error())
			if code == CodeDone {
				code = CodeFailed
			}
		}
	}
	if s.ReportHTML != "" {
		if err := s.writePage(); err != nil {
			s.console.Error(err.Error())
			if code == CodeDone {
				code = CodeFailed
			}
		}
	}
	if s.Metrics != "" {
		if err := s.report.WriteMetrics(s.Metrics); err != nil {
			s.console.Error(err.Error())
			if code == CodeDone {
				code = CodeFailed
			}
		}
	}
	s.console.Rest()
	for _, print := range results {
		print()
	}
	if !s.quiet {
		s.console.Summary(s.report.Summary())
	}
	s.console.Close()
	return code
}

// WriteUsageReport writes the report and the metrics of a run that ended before it began, with what the command line was told.
func WriteUsageReport(reportFile, metricsFile, version, command string, err error) error {
	r := report.Report{Version: version, Command: command, Started: now(), Errors: report.Lines(err)}
	r.Finish(now(), CodeBadInput)
	var failed error
	if reportFile != "" && checkReportPath("--report", reportFile) == nil {
		failed = r.WriteFile(reportFile)
	}
	if metricsFile != "" && checkReportPath("--metrics", metricsFile) == nil {
		failed = errors.Join(failed, r.WriteMetrics(metricsFile))
	}
	return failed
}

// failing tells whether a copy that ended so makes the run fail.
func failing(status engine.Status) bool { return status == engine.StatusFailed }
