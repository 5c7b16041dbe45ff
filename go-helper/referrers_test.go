package main

import (
	"net/http"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/sample"
)

// pushSigned pushes the sample images and what is attached to them, and names one with the tag of its signature, cosign's.
func pushSigned(t *testing.T, registry *devregistry.Server) (image, signature string) {
	t.Helper()
	images, err := sample.Push(t.Context(), nil, registry.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	attached, err := sample.Attached()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sample.PushImages(t.Context(), nil, registry.URL, "", attached); err != nil {
		t.Fatal(err)
	}
	for _, candidate := range images {
		tag := strings.Replace(candidate.Digest.String(), ":", "-", 1) + ".sig"
		for _, a := range attached {
			if a.Repository == candidate.Repository && a.Tag == tag {
				image, signature = candidate.Repository+":"+candidate.Tag, a.Repository+":"+tag
			}
		}
	}
	if signature == "" {
		t.Fatal("no image of the sample has a signature by tag")
	}
	return image, signature
}

func TestAttachmentsComeAlong(t *testing.T) {
	t.Parallel()
	src := startRegistry(t)
	image, signature := pushSigned(t, src)
	for _, tt := range []struct {
		flags    []string
		attached bool
	}{
		{nil, true},
		{[]string{"--referrers", "all"}, true},
		{[]string{"--referrers", "signatures"}, true},
		{[]string{"--referrers", "none"}, false},
	} {
		w := newWorkplace(t)
		dst := startRegistry(t)
		w.write("images.txt", src.Host+"/"+image+"\n")
		args := append([]string{"copy", "--registry", dst.Host, "--report", "report.json", "images.txt"}, tt.flags...)
		w.run(0, args...)
		if c := w.report("report.json").Copies[0]; c.Attached > 0 != tt.attached {
			t.Errorf("%v: reported %d attachments", tt.flags, c.Attached)
		}
		if tt.attached && digestAt(t, dst.Host+"/"+signature) != digestAt(t, src.Host+"/"+signature) {
			t.Errorf("%v: the signature differs", tt.flags)
		}
		if !tt.attached {
			// What came unsigned gets its signature only where a run looks at unchanged images.
			w.run(0, "copy", "--registry", dst.Host, "images.txt")
			if answer, err := http.Head(dst.URL + "/v2/" + strings.Replace(signature, ":", "/manifests/", 1)); err != nil || answer.StatusCode != http.StatusNotFound {
				t.Errorf("an unchanged image got its signature: %v, %v", answer, err)
			}
			w.run(0, "copy", "--registry", dst.Host, "--referrers", "always", "images.txt")
			digestAt(t, dst.Host+"/"+signature)
		}
		// Nothing is asked about unchanged images.
		src.Log().Reset()
		w.run(0, args...)
		for _, e := range src.Log().Entries() {
			if e.Kind != devregistry.KindPing && e.Kind != devregistry.KindManifestHead {
				t.Errorf("%v: no-op sent %s %s", tt.flags, e.Method, e.Path)
			}
		}
	}
	// Copy specs say all that is to be copied, unless the flag says more.
	specs := func(dst string) string {
		return `[{"src": "` + src.Host + "/" + image + `", "dst": "` + dst + "/" + image + `"}]`
	}
	for _, tt := range []struct {
		flags    []string
		attached bool
	}{{nil, false}, {[]string{"--referrers", "signatures"}, true}, {[]string{"--referrers", "always"}, true}} {
		w := newWorkplace(t)
		w.write("specs.json", specs(startRegistry(t).Host))
		w.run(0, append([]string{"copy", "--report", "report.json", "specs.json"}, tt.flags...)...)
		if c := w.report("report.json").Copies[0]; c.Attached > 0 != tt.attached {
			t.Errorf("copy specs, %v: reported %d attachments", tt.flags, c.Attached)
		}
	}
	w := newWorkplace(t)
	w.write("images.txt", src.Host+"/x:1\n")
	wantContains(t, "stderr", w.run(2, "copy", "--registry", src.Host, "--referrers", "some", "images.txt").stderr.String(), "some", "signatures")
}

// What isn't known of attachments is said on the screen and in the report, and fails only who demands them.
func TestMissedAttachmentsAreTold(t *testing.T) {
	t.Parallel()
	src := startRegistry(t)
	images, err := sample.Push(t.Context(), nil, src.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	src.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
		return r.Kind == devregistry.KindReferrers
	}, devregistry.Fault{Status: http.StatusForbidden, Code: devregistry.CodeDenied})})
	dst := startRegistry(t)
	w := newWorkplace(t)
	w.write("images.txt", src.Host+"/"+images[0].Repository+":"+images[0].Tag+"\n")
	args := []string{"copy", "--registry", dst.Host, "--report", "report.json", "images.txt"}
	p := w.run(1, append(args, "--referrers", "require")...)
	wantContains(t, "stderr", p.stderr.String(), "what is attached to it is required, and can't be had", "403 Forbidden", "--referrers=all")
	p = w.run(0, args...)
	wantContains(t, "stderr", p.stderr.String(), "WARNING: images.txt:1: ", "some attachments are unknown or were not copied", "403 Forbidden")
	c := w.report("report.json").Copies[0]
	if len(c.AttachmentsMissed) != 1 || !strings.Contains(c.AttachmentsMissed[0].What, "what refers to sha256:") || !strings.Contains(c.AttachmentsMissed[0].Reason, "403") {
		t.Errorf("reported %+v", c.AttachmentsMissed)
	}
	if p := w.run(0, append(args, "--referrers", "none", "--force")...); strings.Contains(p.stderr.String(), "WARNING") {
		t.Errorf("nobody asked for attachments: %s", p.stderr.String())
	}
}
