package run

import (
	"errors"
	"testing"

	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/reference"
)

func TestMissedNotice(t *testing.T) {
	destination, err := reference.Parse("mirror.example.com/x:1")
	if err != nil {
		t.Fatal(err)
	}
	got := missedNotice(engine.Copy{Destination: destination, Origin: "images.txt:4"}, []engine.Missed{
		{What: "tag a.sig", More: 2, Err: errors.New("denied")}, {What: "manifest b", Err: errors.New("gone")},
	})
	const want = "WARNING: images.txt:4: mirror.example.com/x:1: some attachments are unknown or were not copied " +
		"(--referrers=require makes that a failure, always asks again): tag a.sig and 2 more: denied; manifest b: gone"
	if got != want {
		t.Errorf("got %q", got)
	}
}
