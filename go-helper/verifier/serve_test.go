package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/root"
)

func TestServeRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	_, key := newSigner(t, elliptic256, sha)
	good, err := json.Marshal(hello{protocol, map[string]material{"acme": {Keys: [][]byte{key}}}})
	must(t, err)
	for name, c := range map[string]struct{ in, welcomed, failed string }{
		"nothing":             {"", "", "nothing was asked"},
		"no JSON":             {"hello\n", "the first line is malformed", "the first line is malformed"},
		"another protocol":    {`{"protocol":99,"more":1}` + "\n", "in protocol 99, and speaks 1", "99"},
		"an unknown key":      {`{"protocol":1,"trust":{},"more":1}` + "\n", `unknown field \"more\"`, "unknown field"},
		"trust without any":   {`{"protocol":1,"trust":{"a":{}}}` + "\n", "trust.a: there is neither", "trust.a"},
		"a question unread":   {string(good) + "\n{\n", `"protocol":1}`, "a question is malformed"},
		"an unknown question": {string(good) + "\n" + `{"id":1,"unless":true}` + "\n", `"protocol":1}`, "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := serve(strings.NewReader(c.in), &out)
			if err == nil || !strings.Contains(err.Error(), c.failed) {
				t.Errorf("ended with %v, not with %q", err, c.failed)
			}
			if !strings.Contains(out.String(), c.welcomed) {
				t.Errorf("said %s, not %q", out.String(), c.welcomed)
			}
		})
	}
}

// Answers come in any order, and have the number of their question.
func TestServeAnswersEachQuestion(t *testing.T) {
	t.Parallel()
	v := newInstance(t)
	var in, out bytes.Buffer
	to := json.NewEncoder(&in)
	must(t, to.Encode(hello{protocol, map[string]material{"v": {Roots: [][]byte{v.root(nil)}}}}))
	const n = 40
	for id := range int64(n) {
		q := v.sign(workflow, issuer, image)
		q.ID, q.Authorities[0].Log = id, "none"
		if id%2 == 1 {
			q.Authorities[0].Subject = exactly(fmt.Sprintf("somebody-%d", id))
		}
		must(t, to.Encode(q))
	}
	must(t, serve(&in, &out))
	lines := json.NewDecoder(&out)
	var w welcome
	must(t, lines.Decode(&w))
	answered := map[int64]bool{}
	for range n {
		var a answer
		must(t, lines.Decode(&a))
		if answered[a.ID] {
			t.Errorf("question %d is answered twice", a.ID)
		}
		answered[a.ID] = true
		if wanted := fmt.Sprintf("and somebody-%d is wanted", a.ID); a.OK != (a.ID%2 == 0) || !a.OK && !strings.Contains(a.Error, wanted) {
			t.Errorf("said %+v", a)
		}
	}
}

// A parser that fails on what somebody has attached refuses that, and answers the next question.
func TestEvidenceThatMakesAParserFailIsRefused(t *testing.T) {
	t.Parallel()
	v := newInstance(t)
	c := v.checker()
	c.trust["panics"] = &trust{quick: &panicking{}}
	q := v.sign(workflow, issuer, image)
	q.Authorities[0].Trust = "panics"
	wants(t, c.answer(q), "it can't be read: a bug")
	wants(t, c.answer(v.sign(workflow, issuer, image)), "")
}

type panicking struct{ root.BaseTrustedMaterial }

func (*panicking) RekorLogs() map[string]*root.TransparencyLog { panic("a bug") }

func TestHostileEvidenceIsRefused(t *testing.T) {
	t.Parallel()
	signer, key := newSigner(t, elliptic256, sha)
	c := checkerOf(t, material{Keys: [][]byte{key}})
	subjects := strings.Repeat(`{"digest":{"sha256":"00"}},`, 100_000)
	many := `{"payloadType":"application/vnd.in-toto+json","payload":"` +
		encode(`{"subject":[`+strings.TrimSuffix(subjects, ",")+`],"predicateType":"`+predicateSignature+`"}`) + `","signatures":[{"sig":"AAAA"}]}`
	for name, q := range map[string]question{
		"100,000 subjects":  {Kind: kindAttestation, Bytes: []byte(many)},
		"nothing":           {Kind: kindBundle},
		"no bundle":         {Kind: kindBundle, Bytes: []byte(`[]`)},
		"a future bundle":   {Kind: kindBundle, Bytes: []byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v9.9+json"}`)},
		"null for a DSSE":   {Kind: kindAttestation, Bytes: []byte(`null`)},
		"null for payload":  {Kind: kindSignature, Bytes: []byte(`null`)},
		"deep":              {Kind: kindBundle, Bytes: []byte(strings.Repeat(`{"a":`, 100_000))},
		"unknown evidence":  {Kind: "notation", Bytes: []byte(`{}`)},
		"no annotation":     {Kind: kindSignature, Bytes: payloadOf(image, "r")},
		"a broken log":      {Kind: kindSignature, Bytes: payloadOf(image, "r"), Annotations: map[string]string{annotationSignature: "AAAA", annotationLog: `{"Payload":{"logID":"zz"}}`}},
		"a broken key cert": {Kind: kindSignature, Bytes: payloadOf(image, "r"), Annotations: map[string]string{annotationSignature: "AAAA", annotationCertificate: "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			q.Subject, q.Authorities = image, []authority{{Trust: "v", Log: "none"}}
			if a := c.answer(q); a.OK || a.Error == "" || strings.ContainsAny(a.Error, "\n") {
				t.Errorf("said %+v", a)
			}
		})
	}
	for _, subject := range []string{"", "sha256:", "sha256:ab", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:" + strings.Repeat("zz", 32)} {
		q := keySigned(t, signer, image)
		q.Subject = subject
		wants(t, c.answer(q), "is no digest")
	}
}

// What the program is made of can do all sorts of things; its own code opens nothing.
func TestOwnCodeOpensNothing(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, ".").Output()
	must(t, err)
	imports := strings.Fields(string(out))
	if !slices.Contains(imports, "encoding/json") {
		t.Fatalf("go list says %q", out)
	}
	for _, imported := range imports {
		if imported == "net" || strings.HasPrefix(imported, "net/") || strings.HasPrefix(imported, "os/") || imported == "syscall" || strings.Contains(imported, "/tuf") {
			t.Errorf("it imports %s", imported)
		}
	}
}
