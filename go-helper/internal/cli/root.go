// Package cli is the command line: flags in, exit code out. What the commands do stands in package run.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/report"
	"docker-mirror/go-helper/internal/run"
)

// Main runs the program with args, which leave out its name, and returns its exit code.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := interruptible(context.Background())
	defer stop()
	code := run.CodeDone
	results := &remembering{Writer: out}
	root := newRoot(&code, in, results, errOut)
	completion(root)
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	if err == nil && code == run.CodeDone && results.err != nil {
		fmt.Fprintln(errOut, "docker-mirror: writing the results: "+report.Clean(results.err.Error()))
		return run.CodeFailed
	}
	if err == nil {
		return code
	}
	for _, line := range report.Lines(err) {
		fmt.Fprintln(errOut, "docker-mirror: "+line)
	}
	fmt.Fprintf(errOut, "Run '%s --help' for usage.\n", command.CommandPath())
	if reportErr := run.WriteUsageReport(flagValue(args, "--report"), flagValue(args, "--metrics"), version, command.Name(), err); reportErr != nil {
		fmt.Fprintln(errOut, "docker-mirror: "+report.Clean(reportErr.Error()))
	}
	return run.CodeBadInput
}

// remembering keeps the first error of writing results: a part of them must not pass for all.
type remembering struct {
	io.Writer
	mu  sync.Mutex
	err error
}

// Write implements [io.Writer].
func (r *remembering) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := r.Writer.Write(p)
	if r.err == nil {
		r.err = err
	}
	return n, err
}

// newRoot makes the command tree; what a command ends with is put into code.
func newRoot(code *run.Code, in io.Reader, out, errOut io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "docker-mirror",
		Short: "Mirror sets of container images between registries",
		Long: `Mirror sets of container images between registries. Digests stay the same, nothing is downloaded or
uploaded twice, and a tag is written last, after everything it needs.

Exit codes: 0 if everything is mirrored, 1 if some images failed (the others are mirrored), 2 if the
input or the command line is wrong (nothing was sent), 130 if interrupted. Results go to standard
output, everything else to standard error.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return fmt.Errorf("name a command")
		},
	}
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	streams := run.Streams{In: in, Out: out, Err: errOut}
	root.AddCommand(
		newCopy(code, streams),
		newPlan(code, streams),
		newLock(code, streams),
		newResolve(code, streams),
		newPin(code, streams),
		newPolicy(streams),
		newLint(code, streams),
		newFmt(code, streams),
		newExtract(code, streams),
		newReplicant(code, streams),
		newPlans(code, streams),
		newFroms(code, streams),
		newMirror(code, streams),
		newPublish(code, streams),
		newServe(code, streams),
		newBundle(code, streams),
		newReport(code, streams),
		newSeed(streams),
		newVersion(),
	)
	return root
}

// completion makes an error of what cobra answers with a help page: no shell, or one that it doesn't know.
func completion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			var shells []string
			for _, shell := range c.Commands() {
				shells = append(shells, shell.Name())
			}
			c.Args = cobra.ArbitraryArgs
			c.RunE = func(*cobra.Command, []string) error {
				return fmt.Errorf("name a shell: %s", strings.Join(shells, ", "))
			}
		}
	}
}

// needArgs is an error that says what to name where nothing is.
func needArgs(message string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return errors.New(message)
		}
		return nil
	}
}

// flagValue finds a flag's value where the flags could not be parsed as a whole.
func flagValue(args []string, flag string) string {
	path := ""
	for i, arg := range args {
		switch {
		case arg == "--":
			return path
		case arg == flag && i+1 < len(args):
			path = args[i+1]
		case strings.HasPrefix(arg, flag+"="):
			path = strings.TrimPrefix(arg, flag+"=")
		}
	}
	return path
}
