package run

import (
	"fmt"

	"docker-mirror/go-helper/internal/policy"
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
