// Package verifytest builds docker-mirror-verify for tests, and signs images as cosign does.
package verifytest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

var build struct {
	sync.Mutex
	file string
}

// Program builds docker-mirror-verify into a folder, once for all tests of a package.
func Program(t testing.TB, dir string) string {
	t.Helper()
	build.Lock()
	defer build.Unlock()
	if build.file != "" {
		return build.file
	}
	_, here, _, _ := runtime.Caller(0)
	module := filepath.Join(filepath.Dir(here), "..", "..", "..", "verifier")
	file := filepath.Join(dir, "docker-mirror-verify")
	command := exec.Command("go", "build", "-C", module, "-o", file, ".")
	command.Env = append(command.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly -trimpath -buildvcs=false")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("go build of the verifier: %v\n%s", err, out)
	}
	build.file = file
	return file
}

// Key signs as `cosign sign --key --tlog-upload=false` does.
type Key struct{ key *ecdsa.PrivateKey }

// NewKey makes one.
func NewKey(t testing.TB) Key {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return Key{key}
}

// PEM is the public key.
func (k Key) PEM(t testing.TB) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.der(t)})
}

func (k Key) der(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.key.Public())
	must(t, err)
	return der
}

// id is what logs are known by (RFC 6962 3.2).
func (k Key) id(t testing.TB) []byte {
	t.Helper()
	sum := sha256.Sum256(k.der(t))
	return sum[:]
}

func (k Key) raw(t testing.TB, message []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(message)
	signed, err := k.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	must(t, err)
	return signed
}

func (k Key) sign(t testing.TB, message []byte) string {
	t.Helper()
	return base64.StdEncoding.EncodeToString(k.raw(t, message))
}

// Layer is one signature or attestation.
type Layer struct {
	Bytes       []byte
	MediaType   string
	Annotations map[string]string
}

// Signature signs a digest for cosign's tag .sig; repository is what its payload names.
func (k Key) Signature(t testing.TB, digest, repository string) Layer {
	t.Helper()
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},`+
		`"type":"cosign container image signature"},"optional":null}`, repository, digest)
	return Layer{payload, "application/vnd.dev.cosign.simplesigning.v1+json", map[string]string{"dev.cosignproject.cosign/signature": k.sign(t, payload)}}
}

// SignaturePredicate is the type of the statements that are plain signatures.
const SignaturePredicate = "https://sigstore.dev/cosign/sign/v1"

// envelope signs a statement about a digest (DSSE).
func (k Key) envelope(t testing.TB, digest v1.Hash, predicateType string, predicate any) json.RawMessage {
	t.Helper()
	const payloadType = "application/vnd.in-toto+json"
	statement, err := json.Marshal(map[string]any{
		"_type": "https://in-toto.io/Statement/v1", "predicateType": predicateType, "predicate": predicate,
		"subject": []any{map[string]any{"digest": map[string]string{digest.Algorithm: digest.Hex}}},
	})
	must(t, err)
	signed := fmt.Sprintf("DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(statement), statement)
	envelope, err := json.Marshal(map[string]any{
		"payloadType": payloadType, "payload": statement, "signatures": []any{map[string]any{"sig": k.sign(t, []byte(signed))}},
	})
	must(t, err)
	return envelope
}

// Attestation signs a statement for cosign's tag .att.
func (k Key) Attestation(t testing.TB, digest v1.Hash, predicateType string, predicate any) Layer {
	t.Helper()
	return Layer{k.envelope(t, digest, predicateType, predicate), "application/vnd.dsse.envelope.v1+json", map[string]string{}}
}

// BundleType is the media type of a Sigstore bundle.
const BundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"

// Bundle signs a statement and makes a Sigstore bundle of it.
func (k Key) Bundle(t testing.TB, digest v1.Hash, predicateType string, predicate any) Layer {
	t.Helper()
	bundle, err := json.Marshal(map[string]any{
		"mediaType":            BundleType,
		"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": "anything"}},
		"dsseEnvelope":         k.envelope(t, digest, predicateType, predicate),
	})
	must(t, err)
	return Layer{bundle, BundleType, nil}
}

// SignTag attaches signatures or attestations by one of cosign's tags, with suffix .sig or .att.
func SignTag(t testing.TB, repository string, digest v1.Hash, suffix string, layers ...Layer) {
	t.Helper()
	tag, err := name.NewTag(repository + ":" + digest.Algorithm + "-" + digest.Hex + suffix)
	must(t, err)
	must(t, remote.Write(tag, imageOf(t, layers)))
}

// Refer attaches something by its subject, and tells under which digest.
func Refer(t testing.TB, repository string, digest v1.Hash, layer Layer) v1.Hash {
	t.Helper()
	image := mutate.ConfigMediaType(imageOf(t, []Layer{layer}), types.MediaType(layer.MediaType))
	image = mutate.Subject(image, v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: digest, Size: 1}).(v1.Image)
	own, err := image.Digest()
	must(t, err)
	ref, err := name.NewDigest(repository + "@" + own.String())
	must(t, err)
	must(t, remote.Write(ref, image))
	return own
}

func imageOf(t testing.TB, layers []Layer) v1.Image {
	t.Helper()
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)
	for _, l := range layers {
		var err error
		image, err = mutate.Append(image, mutate.Addendum{
			Layer: static.NewLayer(bytes.Clone(l.Bytes), types.MediaType(l.MediaType)), Annotations: l.Annotations, MediaType: types.MediaType(l.MediaType),
		})
		must(t, err)
	}
	return image
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
