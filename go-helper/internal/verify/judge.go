package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/evidence"
	"docker-mirror/go-helper/internal/policy"
	"docker-mirror/go-helper/internal/reference"
)

// Asker verifies one piece of evidence; a *[Program] is one.
type Asker interface {
	Ask(ctx context.Context, q Question) (Answer, error)
}

// Judge judges images by a policy, each once.
type Judge struct {
	Policy *policy.Policy
	Asker  Asker // may be nil where no rule demands anything
	Client func(host string) evidence.Registry

	finder evidence.Finder
	mu     sync.Mutex
	judged map[string]*judged
}

type judged struct {
	once    sync.Once
	verdict Verdict
}

// Image is what is judged.
type Image struct {
	// Name says which rule holds.
	Name reference.Reference
	// Read is where the image is read.
	Read   reference.Reference
	Digest v1.Hash
	// Platforms are the manifests that an index has of them; nil for a single manifest.
	Platforms []v1.Hash
	// WasSigned tells that its lock says who has signed it.
	WasSigned bool
}

// Judge judges an image. The error is that no rule speaks of it.
func (j *Judge) Judge(ctx context.Context, image Image) (*Verdict, error) {
	rule, err := j.Policy.For(image.Name)
	if err != nil {
		return nil, err
	}
	if !rule.Demands() {
		return &Verdict{Outcome: Exempt, Rule: rule}, nil
	}
	subjects := image.subjects(rule.On)
	at := image.evidenceAt(rule)
	key := fmt.Sprint(rule.Line, " ", at.Name(), " ", image.Name.Name(), " ", subjects)
	j.mu.Lock()
	if j.judged == nil {
		j.judged = map[string]*judged{}
	}
	known := j.judged[key]
	if known == nil {
		known = &judged{}
		j.judged[key] = known
	}
	j.mu.Unlock()
	known.once.Do(func() {
		known.verdict = j.judge(ctx, rule, image.Name, at, subjects)
		known.verdict.settle()
	})
	if ctx.Err() != nil { // what was in the middle of it isn't known for that
		return nil, ctx.Err()
	}
	verdict := known.verdict
	verdict.wasSigned = image.WasSigned
	return &verdict, nil
}

// subjects are the manifests that must carry the signature.
func (image Image) subjects(on policy.On) []v1.Hash {
	switch {
	case len(image.Platforms) == 0 || on == policy.OnIndex:
		return []v1.Hash{image.Digest}
	case on == policy.OnPlatforms:
		return image.Platforms
	}
	return append([]v1.Hash{image.Digest}, image.Platforms...)
}

// evidenceAt is the repository that evidence is looked for in.
func (image Image) evidenceAt(rule *policy.Rule) reference.Reference {
	switch rule.From {
	case "":
		return image.Read
	case policy.FromOrigin:
		return image.Name
	}
	ref, err := reference.Parse(rule.From)
	if err != nil { // the policy's reader has checked it
		return image.Read
	}
	return ref
}

func (j *Judge) judge(ctx context.Context, rule *policy.Rule, name, at reference.Reference, subjects []v1.Hash) Verdict {
	total := Verdict{Rule: rule}
	unsigned := 0
	for _, digest := range subjects {
		one := &subject{judge: j, rule: rule, name: name, digest: digest}
		one.found = j.finder.Find(ctx, j.Client(at.Registry), at.Repository, digest, len(rule.Attested) > 0)
		v := one.verdict(ctx)
		if v.Outcome != Verified && len(subjects) > 1 {
			if len(v.Reasons) == 0 && len(v.Causes) == 0 {
				v.Reasons = []string{"it is not signed"}
			}
			for i, reason := range v.Reasons {
				v.Reasons[i] = digest.String() + ": " + reason
			}
		}
		if v.Outcome == Unsigned {
			unsigned++
		}
		total.add(v)
	}
	if unsigned > 0 && unsigned < len(subjects) && total.Outcome == Unsigned {
		total.Outcome = Refused // a part of it is signed
	}
	return total
}

// weight orders outcomes: what outweighs is that of the whole.
var weight = []Outcome{"", Verified, Unsigned, Refused, Undecided}

func (v *Verdict) add(one Verdict) {
	if slices.Index(weight, one.Outcome) > slices.Index(weight, v.Outcome) {
		v.Outcome = one.Outcome
	}
	if v.Signer == nil {
		v.Signer = one.Signer
	}
	v.Times = append(v.Times, one.Times...)
	for _, predicate := range one.Predicates {
		if !slices.Contains(v.Predicates, predicate) {
			v.Predicates = append(v.Predicates, predicate)
		}
	}
	v.Evidence = append(v.Evidence, one.Evidence...)
	v.Reasons = append(v.Reasons, one.Reasons...)
	v.Causes = append(v.Causes, one.Causes...)
}

// subject is one manifest on its way to a verdict.
type subject struct {
	judge  *Judge
	rule   *policy.Rule
	name   reference.Reference
	digest v1.Hash
	found  *evidence.Found
}

func (s *subject) verdict(ctx context.Context) Verdict {
	v := Verdict{Rule: s.rule, Outcome: Verified, Causes: s.found.Errs}
	met, some := true, false // all demands; evidence that answers any
	for _, d := range s.demands() {
		verified, err := s.meets(ctx, d)
		var broken *BrokenError
		switch {
		case err == nil:
			some = true
			v.add(*verified)
			continue
		case errors.As(err, &broken) || ctx.Err() != nil:
			v.Causes = append(v.Causes, err)
		case !errors.Is(err, errNothing):
			some = true
		}
		met = false
		v.Reasons = append(v.Reasons, reasonsOf(d, err)...)
	}
	switch {
	case met:
		v.Causes, v.Reasons = nil, nil
	case len(v.Causes) > 0:
		v.Outcome = Undecided
	case some:
		v.Outcome = Refused
	default:
		v.Outcome = Unsigned
		v.Reasons = s.otherKinds()
	}
	return v
}

// otherKinds names signatures that are there and that nobody verifies.
func (s *subject) otherKinds() (reasons []string) {
	if len(s.found.Others) > 0 {
		reasons = append(reasons, "it has signatures of "+strings.Join(s.found.Others, ", ")+", which are not verified")
	}
	if s.found.Items != nil && reasons == nil {
		reasons = append(reasons, "what is attached to it is of another kind")
	}
	return reasons
}

// reasonsOf are those why a demand is not met.
func reasonsOf(d demand, err error) []string {
	var each *notMetError
	switch {
	case errors.As(err, &each):
		return each.reasons
	case errors.Is(err, errNothing) && d.predicate != "":
		return []string{"it has no attestation of type " + d.predicate}
	case errors.Is(err, errNothing):
		return []string{"it has no signature"}
	}
	return nil
}
