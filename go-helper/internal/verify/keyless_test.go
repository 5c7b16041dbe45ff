package verify

import (
	"log/slog"
	"maps"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/evidence"
	"docker-mirror/go-helper/internal/verify/verifytest"
)

const (
	actions  = "https://token.actions.githubusercontent.com"
	workflow = "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1"
)

var image = v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("ab", 32)}

func release() verifytest.Identity {
	return verifytest.Identity{Issuer: actions, Subject: workflow, Repository: "https://github.com/acme/app", At: time.Now()}
}

func ask(l verifytest.Layer, by Authority) Question {
	q := Question{Kind: string(evidence.Bundle), Subject: image.String(), Bytes: l.Bytes, Annotations: l.Annotations, Authorities: []Authority{by}}
	if l.Annotations != nil {
		q.Kind = string(evidence.Signature)
	}
	return q
}

func exactly(text string) *Pattern { return &Pattern{text, regexp.QuoteMeta(text)} }

func keyless() Authority {
	return Authority{Trust: "sigstore", Log: "required", Issuer: actions, Subject: exactly(workflow)}
}

func started(t testing.TB, trust map[string]Material) *Program {
	t.Helper()
	p, err := Start(t.Context(), verifytest.Program(t, programs), trust, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(p.Close)
	return p
}

// Certificates in a certificate log, and signatures in a transparency log: as the public instance's, through the program itself.
func TestTheProgramVerifiesWhatIsInLogs(t *testing.T) {
	t.Parallel()
	instance, stranger := verifytest.NewInstance(t), verifytest.NewInstance(t)
	key := verifytest.NewKey(t)
	p := started(t, map[string]Material{
		"sigstore": {Roots: [][]byte{instance.Root(t)}}, "acme": {Roots: [][]byte{instance.Root(t)}, Keys: [][]byte{key.PEM(t)}},
	})
	by := func(change func(*verifytest.Identity)) verifytest.Layer {
		id := release()
		change(&id)
		return instance.Bundle(t, id, image, verifytest.SignaturePredicate, nil)
	}
	same := func(*verifytest.Identity) {}
	acme := Authority{Trust: "acme", Log: "required"}
	other := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("cd", 32)}
	elsewhere := keyless()
	elsewhere.SourceRepository = exactly("https://github.com/acme/other")
	swapped := instance.KeySignature(t, key, image, "r")
	swapped.Annotations = maps.Clone(swapped.Annotations)
	swapped.Annotations["dev.sigstore.cosign/bundle"] = instance.KeySignature(t, verifytest.NewKey(t), image, "r").Annotations["dev.sigstore.cosign/bundle"]
	for name, c := range map[string]struct {
		layer   verifytest.Layer
		by      Authority
		refused string
	}{
		"a bundle":                         {by(same), keyless(), ""},
		"cosign's tag":                     {instance.Signature(t, release(), image, "r"), keyless(), ""},
		"another subject":                  {by(func(id *verifytest.Identity) { id.Subject = "https://github.com/evil/app" }), keyless(), "signed by https://github.com/evil/app, and " + workflow + " is wanted"},
		"another issuer":                   {by(func(id *verifytest.Identity) { id.Issuer = "https://idp.test" }), keyless(), "signed by " + workflow + ", as https://idp.test says, and " + actions + " is to say so"},
		"a workflow called from elsewhere": {by(same), elsewhere, "signed from source repository https://github.com/acme/app, and https://github.com/acme/other is wanted"},
		"of another image":                 {instance.Bundle(t, release(), other, verifytest.SignaturePredicate, nil), keyless(), "it speaks of " + other.Hex},
		"another instance's":               {stranger.Bundle(t, release(), image, verifytest.SignaturePredicate, nil), keyless(), "refresh the trusted root"},
		"a key's bundle, listed":           {instance.KeyBundle(t, key, image, verifytest.SignaturePredicate, nil), acme, ""},
		"a key's tag, listed":              {instance.KeySignature(t, key, image, "r"), acme, ""},
		"a key's, not listed":              {key.Bundle(t, image, verifytest.SignaturePredicate, nil), acme, "it is in no transparency log, and one is required"},
		"a key's, listed elsewhere":        {stranger.KeyBundle(t, key, image, verifytest.SignaturePredicate, nil), acme, "refresh the trusted root"},
		"a key's, listed for another":      {swapped, acme, "transparency log signature does not match"},
		"another key's, listed":            {instance.KeyBundle(t, verifytest.NewKey(t), image, verifytest.SignaturePredicate, nil), acme, "transparency log certificate does not match"},
		"a certificate for a key":          {by(same), acme, "expected key signature, not certificate"},
		"a key for a certificate":          {instance.KeyBundle(t, key, image, verifytest.SignaturePredicate, nil), keyless(), "transparency log certificate does not match"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := p.Ask(t.Context(), ask(c.layer, c.by))
			must(t, err)
			switch {
			case c.refused == "" && !a.OK:
				t.Errorf("refused: %s", a.Error)
			case c.refused != "" && (a.OK || !strings.Contains(a.Error, c.refused)):
				t.Errorf("said %+v, not %q", a, c.refused)
			case a.OK && (len(a.Times) != 1 || a.Signer.Subject == "" && a.Signer.Key == ""):
				t.Errorf("said %+v", a)
			}
		})
	}
}

// hundred are questions about signatures that have each a certificate of its own, of a subject of its own: an answer to another question would show.
func hundred(t testing.TB) (*verifytest.Instance, []Question) {
	t.Helper()
	instance := verifytest.NewInstance(t)
	questions := make([]Question, 100)
	for i := range questions {
		id := release()
		id.Subject = strings.Replace(workflow, "app", "app"+strings.Repeat("x", i), 1)
		questions[i] = ask(instance.Bundle(t, id, image, verifytest.SignaturePredicate, nil), keyless())
		questions[i].Authorities[0].Subject = exactly(id.Subject)
	}
	return instance, questions
}

func answersOf(t testing.TB, p *Program, questions []Question) []Answer {
	t.Helper()
	answers := make([]Answer, len(questions))
	var all sync.WaitGroup
	for i, q := range questions {
		all.Go(func() {
			var err error
			if answers[i], err = p.Ask(t.Context(), q); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	return answers
}

func TestAHundredQuestionsAtOnceGetTheirOwnAnswers(t *testing.T) {
	t.Parallel()
	instance, questions := hundred(t)
	p := started(t, map[string]Material{"sigstore": {Roots: [][]byte{instance.Root(t)}}})
	for i := range questions {
		if i%2 == 1 { // wants another than has signed
			questions[i].Authorities = []Authority{keyless()}
		}
	}
	for i, a := range answersOf(t, p, questions) {
		switch {
		case i%2 == 1:
			if own := "app" + strings.Repeat("x", i) + "/"; a.OK || !strings.Contains(a.Error, own) {
				t.Errorf("%d: said %+v", i, a)
			}
		case !a.OK || !regexp.MustCompile("^"+questions[i].Authorities[0].Subject.Regexp+"$").MatchString(a.Signer.Subject):
			t.Errorf("%d: said %+v", i, a)
		}
	}
}

// Through the whole protocol, parsing and printing included; without the start of the program.
func BenchmarkHundredSignatures(b *testing.B) {
	instance, questions := hundred(b)
	p := started(b, map[string]Material{"sigstore": {Roots: [][]byte{instance.Root(b)}}})
	for b.Loop() {
		for i, a := range answersOf(b, p, questions) {
			if !a.OK {
				b.Fatalf("%d: %s", i, a.Error)
			}
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N)/100, "ms/signature")
	p.Close()
	state := p.current.command.ProcessState
	b.ReportMetric((state.UserTime()+state.SystemTime()).Seconds()*1000/float64(b.N)/100, "ms-processor/signature")
}
