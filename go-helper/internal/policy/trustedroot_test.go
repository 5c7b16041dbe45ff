package policy

import (
	"strings"
	"testing"
	"time"
)

func TestParseTrustedRoot(t *testing.T) {
	const ca = `{"certificateAuthorities":[{"uri":"https://ca.example","validFor":{"start":"2021-03-07T03:20:29Z","end":"2022-12-31T23:59:59.999Z"}}],` +
		`"tlogs":[{"baseUrl":"https://log.example","publicKey":{"validFor":{"start":"2021-01-12T11:53:27Z"}}}]}`
	const others = `{"ctlogs":[{"publicKey":{"validFor":{"start":"2022-10-20T00:00:00Z"}}}],` +
		`"timestampAuthorities":[{"validFor":{"start":"2025-07-04T00:00:00Z","end":"2035-07-02T23:59:59Z"}}]}`
	root, err := ParseTrustedRoot([]byte(ca + "\n" + others + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(root.CertificateAuthorities) != 1 || len(root.CertificateLogs) != 1 || len(root.Clocks) != 2 {
		t.Fatalf("read %+v", root)
	}
	authority, log := root.CertificateAuthorities[0], root.Clocks[0]
	for at, holds := range map[string][2]bool{ // the authority, the log
		"2021-01-12T11:53:26Z":     {false, false},
		"2021-03-07T03:20:29Z":     {true, true},
		"2022-12-31T23:59:59.999Z": {true, true},
		"2023-01-01T00:00:00Z":     {false, true},
	} {
		when, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{authority.Holds(when), log.Holds(when)}; got != holds {
			t.Errorf("at %s: %v, want %v", at, got, holds)
		}
	}
	if _, err := ParseTrustedRoot([]byte("-----BEGIN PUBLIC KEY-----")); err == nil || !strings.Contains(err.Error(), "not a trusted root of Sigstore") {
		t.Errorf("a key: %v", err)
	}
}
