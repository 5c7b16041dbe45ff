package cli

import (
	"testing"

	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/run"
)

func TestVerifyFlag(t *testing.T) {
	for _, tt := range []struct {
		args         []string
		verify, deep bool
		bad          bool
	}{
		{nil, false, false, false},
		{[]string{"--verify"}, true, false, false},
		{[]string{"--verify", "--verify=deep"}, true, true, false},
		{[]string{"--verify=sizes"}, true, false, false},
		{[]string{"--verify=true"}, true, false, false},
		{[]string{"--verify=deep", "--verify=false"}, false, false, false},
		{[]string{"--verify=all"}, false, false, true},
	} {
		var s run.Settings
		c := &cobra.Command{}
		addVerifyFlag(c, &s)
		err := c.ParseFlags(tt.args)
		if (err != nil) != tt.bad || s.Verify != tt.verify || s.VerifyDeep != tt.deep {
			t.Errorf("%q: %v, %v, %v", tt.args, s.Verify, s.VerifyDeep, err)
		}
	}
}
