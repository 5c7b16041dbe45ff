package schedule

import (
	"errors"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine/internal/mount"
)

var (
	small = Blob{v1.Hash{Algorithm: "sha256", Hex: "01"}, 100}
	large = Blob{v1.Hash{Algorithm: "sha256", Hex: "02"}, 5 << 20}
	home  = Source{Repository: "home"}
)

// begin starts a run of images in repositories of one registry, each of its own source.
func begin(t *testing.T, repositories ...string) *Scheduler {
	t.Helper()
	config := Config{Registries: 1, Concurrency: 4, Limits: DefaultLimits}
	for i, repository := range repositories {
		config.Images = append(config.Images, Image{Repository: repository, Group: i})
	}
	s := New(config)
	s.Step(Begin{})
	return s
}

func found(image int, source Source, blobs ...Blob) LookedUp {
	return LookedUp{Image: image, Blobs: blobs, Source: source}
}

// only gives the actions of a kind.
func only[A Action](actions []Action) (list []A) {
	for _, a := range actions {
		if a, ok := a.(A); ok {
			list = append(list, a)
		}
	}
	return list
}

// one gives the action of a kind, of which there must be one.
func one[A Action](t *testing.T, actions []Action) A {
	t.Helper()
	list := only[A](actions)
	if len(list) != 1 {
		t.Fatalf("%d of %T in %+v", len(list), *new(A), actions)
	}
	return list[0]
}

// Which repository leads a blob follows from the plan, whoever is looked up first.
func TestTheFirstImageOfThePlanLeads(t *testing.T) {
	s := begin(t, "first", "second")
	early := s.Step(found(1, home, small))
	if len(only[Start](early)) > 0 {
		t.Fatalf("begun before the first image is looked up: %+v", early)
	}
	if start := one[Start](t, s.Step(found(0, home, small))); start.Repository != "first" {
		t.Errorf("%s leads", start.Repository)
	}
}

// An image that takes long to look up holds the others up until the timer fires.
func TestASlowLookUpIsPassedOver(t *testing.T) {
	s := begin(t, "first", "second")
	timer := one[Timer](t, s.Step(found(1, home, small)))
	if timer.After != admitPatience {
		t.Errorf("it is waited for %s", timer.After)
	}
	if start := one[Start](t, s.Step(Fired{timer.Timer})); start.Repository != "second" {
		t.Errorf("%s leads", start.Repository)
	}
}

// A blob that can't be read is read from a repository that turned up since.
func TestASourceThatIsFoundMeanwhileIsTried(t *testing.T) {
	s := begin(t, "first", "second")
	start := one[Start](t, s.Step(found(0, home, small)))
	transfer := one[Transfer](t, s.Step(Started{Need: start.Need, Session: 1}))
	other := Source{Repository: "other"}
	s.Step(found(1, other, small))
	gone := errors.New("gone")
	ended := s.Step(Transferred{Blob: small, Outcomes: []Outcome{{End: SourceFailed, Session: 1, Err: gone}}})
	if cancelled := one[Cancel](t, ended); cancelled.Session != 1 || len(only[Ended](ended)) > 0 {
		t.Fatalf("%+v", ended)
	}
	again := one[Start](t, ended)
	second := one[Transfer](t, s.Step(Started{Need: again.Need, Session: 2}))
	if !slices.Equal(transfer.Sources, []Source{home}) || !slices.Equal(second.Sources, []Source{home, other}) {
		t.Errorf("read from %v, then from %v", transfer.Sources, second.Sources)
	}
	for _, e := range only[Ended](s.Step(Transferred{Blob: small, Outcomes: []Outcome{{End: SourceFailed, Session: 2, Err: gone}}})) {
		if e.Result != Broken || !errors.Is(e.Err, gone) {
			t.Errorf("ended: %+v", e)
		}
	}
}

// A large blob that waits to know whether the registry mounts goes on as soon as that is known.
func TestTheVerdictOnMountsIsWaitedForNoLongerThanItTakes(t *testing.T) {
	s := begin(t, "x")
	starts := only[Start](s.Step(found(0, home, small, large)))
	if len(starts) != 2 {
		t.Fatalf("%d requests are begun", len(starts))
	}
	waits := one[Timer](t, s.Step(Started{Need: starts[1].Need, Session: 2}))
	if waits.After != verdictPatience {
		t.Errorf("it waits for %s", waits.After)
	}
	one[Transfer](t, s.Step(Started{Need: starts[0].Need, Session: 1}))
	probe := one[Probe](t, s.Step(Transferred{Blob: small, Outcomes: []Outcome{{End: Sent}}}))
	known := s.Step(Started{Need: probe.Need, Probe: true, Mounted: true})
	if transfer := one[Transfer](t, known); transfer.Blob != large {
		t.Errorf("%+v is sent", transfer.Blob)
	}
	if late := s.Step(Fired{waits.Timer}); len(late) > 0 {
		t.Errorf("the timer still means something: %+v", late)
	}
}

// An origin of an earlier run that turns out to be gone is not asked again.
func TestAnOriginThatIsGoneIsAskedOnce(t *testing.T) {
	s := New(Config{Registries: 1, Concurrency: 4, Limits: DefaultLimits, Images: []Image{{Repository: "first"}, {Repository: "second", Group: 1}}})
	s.Remember(0, Origin{"old", small.Digest})
	s.Step(Begin{})
	first := one[Start](t, s.Step(found(0, home, small)))
	s.Step(found(1, home, small))
	s.Step(Started{Need: first.Need, Session: 1})
	second := one[Start](t, s.Step(Transferred{Blob: small, Outcomes: []Outcome{{End: Failed, Session: 1, Err: errors.New("refused")}}}))
	if first.From != "old" || second.From != "second" || second.Repository != "second" {
		t.Errorf("asked to mount from %s, then into %s from %s", first.From, second.Repository, second.From)
	}
}

// Where nothing is mounted a HEAD tells what a mount would have told.
func TestABlobIsAskedForBeforeItIsSentWhereNothingIsMounted(t *testing.T) {
	s := begin(t, "x")
	s.registries[0].mode = mount.Never
	head := one[Head](t, s.Step(found(0, home, large)))
	if there := s.Step(Headed{Need: head.Need, Exists: true}); len(only[Start](there)) > 0 || one[Write](t, there).Image != 0 {
		t.Errorf("it is there: %+v", there)
	}
}
