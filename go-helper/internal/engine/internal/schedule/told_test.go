package schedule

import (
	"errors"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// waiting gives a run in which one blob is in transfer, and the session of another one waits for its slot.
func waiting(t *testing.T) (s *Scheduler, before Transfer, start Start) {
	t.Helper()
	before.Blob, start.Blob = large, Blob{v1.Hash{Algorithm: "sha256", Hex: "03"}, 5 << 20}
	s = New(Config{Registries: 1, Concurrency: 1, Limits: DefaultLimits, Images: []Image{{Repository: "ours"}}})
	s.registries[0].fresh["ours"] = true
	s.Step(Begin{})
	var transfers []Transfer
	for _, a := range only[Start](s.Step(found(0, home, before.Blob, start.Blob))) {
		if a.Blob == start.Blob {
			start = a
		}
		transfers = append(transfers, only[Transfer](s.Step(Started{Need: a.Need, Session: a.Need}))...)
	}
	if len(transfers) != 1 || transfers[0].Blob != before.Blob || start.From != "" {
		t.Fatalf("in transfer: %+v, then from %q", transfers, start.From)
	}
	return s, transfers[0], start
}

func TestWhatOthersToldIsAskedForBeforeBytesFlow(t *testing.T) {
	s, before, start := waiting(t)
	if told := s.Step(Told{0, []Origin{{"theirs", start.Blob.Digest}}}); len(told) > 0 {
		t.Errorf("being told begins %+v", told)
	}
	mount := one[Start](t, s.Step(Transferred{Blob: before.Blob, Outcomes: []Outcome{{End: Sent}}}))
	if mount.From != "theirs" || mount.Blob != start.Blob {
		t.Fatalf("asked for %+v", mount)
	}
	there := s.Step(Started{Need: mount.Need, Mounted: true})
	if got := one[Got](t, there); got.From != "theirs" || got.Uploaded || one[Cancel](t, there).Session != start.Need {
		t.Errorf("%+v", there)
	}
	one[Write](t, there)
}

// Advice that is false costs one request, also where it comes again or the answer is an error.
func TestWhatOthersToldFalselyIsAskedForOnce(t *testing.T) {
	for name, answer := range map[string]Started{"refused": {Session: 99}, "an error": {Err: errors.New("forbidden")}} {
		s, before, start := waiting(t)
		advice := Told{0, []Origin{{"theirs", start.Blob.Digest}, {"theirs too", start.Blob.Digest}}}
		s.Step(advice)
		mount := one[Start](t, s.Step(Transferred{Blob: before.Blob, Outcomes: []Outcome{{End: Sent}}}))
		s.Step(advice)
		answer.Need = mount.Need
		refused := s.Step(answer)
		if transfer := one[Transfer](t, refused); transfer.Sinks[0].Session != start.Need || len(only[Start](refused)) > 0 {
			t.Errorf("%s: %+v", name, refused)
		}
	}
}

func TestOnlySoMuchIsKeptOfWhatIsTold(t *testing.T) {
	s := begin(t, "ours")
	for i := range 100 {
		s.Step(Told{0, []Origin{{repoNames[i], large.Digest}}})
	}
	if n := len(s.registries[0].origins[large.Digest]); n != maxTold {
		t.Errorf("%d are kept", n)
	}
}

// A repository that is new to this run may have got blobs by another process since.
func TestANewRepositoryThatOthersWriteToIsAsked(t *testing.T) {
	s := begin(t, "ours")
	s.Step(Told{0, []Origin{{"ours", large.Digest}}})
	e := found(0, home, large)
	e.Fresh = true
	if start := one[Start](t, s.Step(e)); start.From != "ours" {
		t.Errorf("asked to mount from %q", start.From)
	}
}
