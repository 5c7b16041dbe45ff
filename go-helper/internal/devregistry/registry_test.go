package devregistry_test

import (
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// A client that isn't ours pushes and pulls.
func TestGoContainerregistry(t *testing.T) {
	for _, root := range []string{"", t.TempDir()} {
		s := devregistrytest.Start(t, devregistry.Options{Root: root})
		ref, err := name.NewTag(s.Host + "/team/app:v1")
		if err != nil {
			t.Fatal(err)
		}
		index, err := random.Index(1<<16, 3, 3)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.WriteIndex(ref, index); err != nil {
			t.Fatal(err)
		}
		got, err := remote.Index(ref)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Index(got); err != nil {
			t.Error(err)
		}
		if root == "" {
			continue
		}
		// What is on disk is there again after a restart, and not for two at once.
		if _, err := devregistry.New(devregistry.Options{Root: root}); err == nil {
			t.Error("two registries use one folder")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		again := devregistrytest.Start(t, devregistry.Options{Root: root})
		ref, err = name.NewTag(again.Host + "/team/app:v1")
		if err != nil {
			t.Fatal(err)
		}
		got, err = remote.Index(ref)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Index(got); err != nil {
			t.Error(err)
		}
	}
}
