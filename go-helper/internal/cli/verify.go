package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/run"
)

const (
	verifyFlag  = "verify"
	verifySizes = "sizes" // what --verify alone means
	verifyDeep  = "deep"
)

func addVerifyFlag(c *cobra.Command, s *run.Settings) {
	f := c.Flags().VarPF(&verifyValue{s}, verifyFlag, "", "compare the destinations with the sources; write nothing, unless with --force. `HOW`: "+
		"sizes (all manifests, blobs and attachments are there, in the right sizes), or deep (also read every blob and check its digest)")
	f.NoOptDefVal = verifySizes
	complete(c, verifyFlag, []string{verifySizes, verifyDeep})
}

// verifyValue is a switch that may say how deeply.
type verifyValue struct{ s *run.Settings }

func (v *verifyValue) String() string {
	switch {
	case v.s == nil || !v.s.Verify:
		return ""
	case v.s.VerifyDeep:
		return verifyDeep
	}
	return verifySizes
}

func (v *verifyValue) Type() string { return "HOW" }

func (v *verifyValue) Set(s string) error {
	if on, err := strconv.ParseBool(s); err == nil { // as of any switch
		v.s.Verify, v.s.VerifyDeep = on, false
		return nil
	}
	switch s {
	case verifySizes, verifyDeep:
		v.s.Verify, v.s.VerifyDeep = true, s == verifyDeep
		return nil
	}
	return fmt.Errorf("want %s or %s", verifySizes, verifyDeep)
}
