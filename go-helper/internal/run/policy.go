package run

import (
	"errors"
	"fmt"
	"strings"

	"docker-mirror/go-helper/internal/policy"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/report"
	"docker-mirror/go-helper/internal/verify"
)

// readPolicy reads a policy; nil where none is named.
func readPolicy(file string) (*policy.Policy, error) {
	if file == "" {
		return nil, nil
	}
	data, err := readFile(file)
	if err != nil {
		return nil, fmt.Errorf("can't read the policy: %w", err)
	}
	return policy.Parse(file, data)
}

// PolicyDemands prints the name of what verifies signatures where a rule of a policy wants some, and nothing elsewhere.
func PolicyDemands(streams Streams, file string) error {
	p, err := readPolicy(file)
	if err != nil || !p.Demands() {
		return err
	}
	_, err = fmt.Fprintln(streams.Out, verify.Name)
	return err
}

// ExplainPolicy prints for each image which rule of a policy holds, why, and what it demands.
func ExplainPolicy(streams Streams, file string, images []string) error {
	p, err := readPolicy(file)
	if err != nil {
		return err
	}
	var explained []string
	var errs []error
	for _, image := range images {
		ref, err := reference.Parse(image)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		text, err := p.Explain(ref)
		errs = append(errs, err)
		explained = append(explained, text)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, line := range strings.Split(strings.TrimSuffix(strings.Join(explained, "\n"), "\n"), "\n") {
		if _, err := fmt.Fprintln(streams.Out, report.Clean(line)); err != nil {
			return err
		}
	}
	return nil
}
