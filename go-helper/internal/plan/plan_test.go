package plan_test

import (
	"bytes"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/spec"
)

func textFile(lines ...string) []spec.File {
	return []spec.File{{Name: "images.txt", Data: []byte(strings.Join(lines, "\n") + "\n")}}
}

func TestMakeWritesWhatReadReads(t *testing.T) {
	copies, err := plan.Make(textFile(
		"nginx:1.25",
		"--platform=linux/amd64,linux/arm64 quay.io/cilium/cilium:v1.15 AS cilium",
	), plan.Settings{Registries: []plan.Registry{{Address: "registry.example/team"}}})
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := plan.Write(&buf, copies); err != nil {
		t.Fatal(err)
	}
	want := `[
{"src":"docker.io/library/nginx:1.25","dst":"registry.example/team/nginx:1.25","origin":"images.txt:1"},
{"src":"quay.io/cilium/cilium:v1.15","dst":"registry.example/team/cilium/cilium:v1.15","transform":{"limitPlatforms":["linux/amd64","linux/arm64"]},"origin":"images.txt:2","name":"cilium"}
]
`
	if buf.String() != want {
		t.Errorf("wrote\n%s, want\n%s", buf.String(), want)
	}
	again, err := plan.Read("plan.json", buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var second bytes.Buffer
	if err := plan.Write(&second, again); err != nil {
		t.Fatal(err)
	}
	if second.String() != want {
		t.Errorf("after reading it back, wrote\n%s", second.String())
	}
}
