// Package conformance is what the copy engine relies on in a registry, as a test suite. It runs over our own registry
// and over distribution's, so that ours can't drift away from the real thing.
package conformance

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Target is a registry under test.
type Target struct {
	URL string
	// MonolithicPost: POST takes a whole blob with ?digest=. The specification lets a registry answer 202 instead.
	MonolithicPost bool
	// Referrers: the registry has the referrers API; without it every request there is a 404.
	Referrers bool
	// BlobsInIndexes: an index may name blobs, as BuildKit's caches do.
	BlobsInIndexes bool
	// MountsSHA512: what is mounted by SHA-512 can be had by it; distribution links its SHA-256 alone.
	MountsSHA512 bool
}

func newSuite(t *testing.T, target Target) *suite {
	s := &suite{target: target, client: &http.Client{
		// A redirect would be a surprise here.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       time.Minute,
	}}
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

// Run runs the suite. The registry must be empty, or at least have no repository whose name begins with the test's.
func Run(t *testing.T, target Target) {
	s := newSuite(t, target)
	for _, c := range []struct {
		name string
		run  func(*suite, *testing.T)
	}{
		{"ping", (*suite).ping},
		{"upload", (*suite).upload},
		{"upload of nothing", (*suite).uploadEmpty},
		{"upload in chunks", (*suite).uploadChunks},
		{"upload status", (*suite).uploadStatus},
		{"upload with an old Location", (*suite).uploadOldLocation},
		{"upload at a wrong offset", (*suite).uploadWrongOffset},
		{"upload cut and resumed", (*suite).uploadResume},
		{"upload of wrong content", (*suite).uploadWrongDigest},
		{"upload cancelled", (*suite).uploadCancel},
		{"monolithic POST", (*suite).monolithicPost},
		{"mount", (*suite).mount},
		{"mount from itself", (*suite).mountSelf},
		{"mount of nothing", (*suite).mountMissing},
		{"blob links", (*suite).blobLinks},
		{"blob ranges", (*suite).blobRanges},
		{"manifest", (*suite).manifest},
		{"manifest by digest", (*suite).manifestByDigest},
		{"manifest without its blobs", (*suite).manifestMissingBlob},
		{"manifest with a wrong digest", (*suite).manifestWrongDigest},
		{"manifest of another type", (*suite).manifestWrongType},
		{"manifest without mediaType", (*suite).manifestWithoutMediaType},
		{"foreign layer", (*suite).foreignLayer},
		{"Accept", (*suite).accept},
		{"index", (*suite).index},
		{"index without its child", (*suite).indexMissingChild},
		{"index without platforms", (*suite).indexWithoutPlatforms},
		{"index of blobs", (*suite).indexOfBlobs},
		{"SHA-512", (*suite).sha512},
		{"tags", (*suite).tags},
		{"tags of nothing", (*suite).tagsMissing},
		{"tag moves", (*suite).tagMoves},
		{"delete", (*suite).deleteManifest},
		{"artifact", (*suite).artifact},
		{"referrers", (*suite).referrers},
		{"bad names", (*suite).badNames},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(s, t) })
	}
}

type suite struct {
	target Target
	client *http.Client
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body []byte
}

// codes are the error codes of an error body.
func (a answer) codes() []string {
	var doc struct {
		Errors []struct {
			Code string `json:"code"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(a.body, &doc); err != nil {
		return nil
	}
	var codes []string
	for _, e := range doc.Errors {
		codes = append(codes, e.Code)
	}
	return codes
}

func (s *suite) do(t *testing.T, method, target string, body []byte, header http.Header) answer {
	t.Helper()
	if strings.HasPrefix(target, "/") {
		target = s.target.URL + target
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, reader)
	if err != nil {
		t.Fatal(err)
	}
	for key, values := range header {
		req.Header[key] = values
	}
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	return answer{resp, content}
}

// want fails the test where the status isn't the wanted one, or where the error has none of the codes.
func (a answer) want(t *testing.T, status int, codes ...string) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d\n%s", a.Request.Method, a.Request.URL, a.StatusCode, status, a.body)
	}
	if len(codes) > 0 && a.Request.Method != http.MethodHead && !slices.ContainsFunc(a.codes(), func(c string) bool { return slices.Contains(codes, c) }) {
		t.Fatalf("%s %s: error codes %q, want one of %q\n%s", a.Request.Method, a.Request.URL, a.codes(), codes, a.body)
	}
	return a
}

func (a answer) wantHeader(t *testing.T, key, value string) answer {
	t.Helper()
	if got := a.Header.Get(key); got != value {
		t.Errorf("%s %s: %s is %q, want %q", a.Request.Method, a.Request.URL, key, got, value)
	}
	return a
}

// location resolves the Location header against the request.
func (a answer) location(t *testing.T) *url.URL {
	t.Helper()
	u, err := a.Location()
	if err != nil {
		t.Fatalf("%s %s: %v", a.Request.Method, a.Request.URL, err)
	}
	return u
}

func withDigest(u *url.URL, h v1.Hash) string {
	query := u.Query()
	query.Set("digest", h.String())
	with := *u
	with.RawQuery = query.Encode()
	return with.String()
}

// repo is a repository of the test's own.
func repo(t *testing.T, suffix string) string {
	t.Helper()
	name := strings.ToLower(t.Name())
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '/' {
			return r
		}
		return '-'
	}, name)
	return strings.Trim(name, "-") + "/" + suffix
}

// content makes bytes that no other test has.
func content(t *testing.T, n int, salt string) ([]byte, v1.Hash) {
	t.Helper()
	seed := sha256.Sum256([]byte(t.Name() + salt))
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(seed).Read(b)
	return b, hashOf(b)
}

func hashOf(b []byte) v1.Hash {
	sum := sha256.Sum256(b)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// push uploads a blob with POST and one PUT.
func (s *suite) push(t *testing.T, repo string, blob []byte) v1.Hash {
	t.Helper()
	h := hashOf(blob)
	start := s.do(t, http.MethodPost, "/v2/"+repo+"/blobs/uploads/", nil, nil).want(t, http.StatusAccepted)
	s.do(t, http.MethodPut, withDigest(start.location(t), h), blob, octets).want(t, http.StatusCreated)
	return h
}

var octets = http.Header{"Content-Type": {"application/octet-stream"}}

func (s *suite) blobStatus(t *testing.T, repo string, h v1.Hash) int {
	t.Helper()
	return s.do(t, http.MethodHead, "/v2/"+repo+"/blobs/"+h.String(), nil, nil).StatusCode
}

func (s *suite) ping(t *testing.T) {
	a := s.do(t, http.MethodGet, "/v2/", nil, nil).want(t, http.StatusOK)
	a.wantHeader(t, "Docker-Distribution-Api-Version", "registry/2.0")
}

func (s *suite) upload(t *testing.T) {
	name := repo(t, "a")
	blob, h := content(t, 300_000, "")
	s.do(t, http.MethodHead, "/v2/"+name+"/blobs/"+h.String(), nil, nil).want(t, http.StatusNotFound)
	s.do(t, http.MethodGet, "/v2/"+name+"/blobs/"+h.String(), nil, nil).want(t, http.StatusNotFound, "BLOB_UNKNOWN", "NAME_UNKNOWN")
	start := s.do(t, http.MethodPost, "/v2/"+name+"/blobs/uploads/", nil, nil).want(t, http.StatusAccepted)
	start.wantHeader(t, "Range", "0-0")
	done := s.do(t, http.MethodPut, withDigest(start.location(t), h), blob, octets).want(t, http.StatusCreated)
	done.wantHeader(t, "Docker-Content-Digest", h.String())
	if got := done.location(t).Path; got != "/v2/"+name+"/blobs/"+h.String() {
		t.Errorf("Location is %s", got)
	}
	head := s.do(t, http.MethodHead, "/v2/"+name+"/blobs/"+h.String(), nil, nil).want(t, http.StatusOK)
	head.wantHeader(t, "Content-Length", strconv.Itoa(len(blob))).wantHeader(t, "Docker-Content-Digest", h.String())
	get := s.do(t, http.MethodGet, "/v2/"+name+"/blobs/"+h.String(), nil, nil).want(t, http.StatusOK)
	get.wantHeader(t, "Content-Type", "application/octet-stream").wantHeader(t, "Docker-Content-Digest", h.String())
	if !bytes.Equal(get.body, blob) {
		t.Error("the blob came back changed")
	}
	// The session is used up.
	s.do(t, http.MethodGet, start.location(t).String(), nil, nil).want(t, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
}

func (s *suite) uploadEmpty(t *testing.T) {
	name := repo(t, "a")
	h := s.push(t, name, []byte{})
	a := s.do(t, http.MethodGet, "/v2/"+name+"/blobs/"+h.String(), nil, nil).want(t, http.StatusOK)
	if len(a.body) != 0 {
		t.Errorf("an empty blob has %d bytes", len(a.body))
	}
}

func (s *suite) uploadChunks(t *testing.T) {
	name := repo(t, "a")
	blob, h := content(t, 250_000, "")
	a := s.do(t, http.MethodPost, "/v2/"+name+"/blobs/uploads/", nil, nil).want(t, http.StatusAccepted)
	const chunk = 100_000
	for start := 0; start < len(blob); start += chunk {
		end := min(start+chunk, len(blob))
		header := octets.Clone()
		header.Set("Content-Range", fmt.Sprintf("%d-%d", start, end-1))
		a = s.do(t, http.MethodPatch, a.location(t).String(), blob[start:end], header).want(t, http.StatusAccepted)
		a.wantHeader(t, "Range", fmt.Sprintf("0-%d", end-1))
	}
	s.do(t, http.MethodPut, withDigest(a.location(t), h), nil, nil).want(t, http.StatusCreated)
	if got := s.blobStatus(t, name, h); got != http.StatusOK {
		t.Errorf("HEAD of the blob: %d", got)
	}
}

// Range is inclusive, so "nothing yet" and "one byte" look the same.
func (s *suite) uploadStatus(t *testing.T) {
	name := repo(t, "a")
	blob, h := content(t, 5000, "")
	a := s.do(t, http.MethodPost, "/v2/"+name+"/blobs/uploads/", nil, nil).want(t, http.StatusAccepted)
	for _, step := range []struct {
		upTo int
		want string
	}{{0, "0-0"}, {1, "0-0"}, {1000, "0-999"}} {
		if have := map[int]int{0: 0, 1: 0, 1000: 1}[step.upTo]; step.upTo > have {
			a = s.do(t, http.MethodPatch, a.location(t).String(), blob[have:step.upTo], octets).want(t, http.StatusAccepted)
			a.wantHeader(t, "Range", step.want)
		}
		a = s.do(t, http.MethodGet, a.location(t).String(), nil, nil).want(t, http.StatusNoContent)
		a.wantHeader(t, "Range", step.want)
	}
	// The status' Location is one to go on with; the last bytes may come with the PUT.
	s.do(t, http.MethodPut, withDigest(a.location(t), h), blob[1000:], octets).want(t, http.StatusCreated)
}

// An answer's Location replaces all earlier ones.
func (s *suite) uploadOldLocation(t *testing.T) {
	name := repo(t, "a")
	blob, h := content(t, 5000, "")
	first := s.do(t, http.MethodPost, "/v2/"+name+"/blobs/uploads/", nil, nil).want(t, http.StatusAccepted)
	second := s.do(t, http.MethodPatch, first.location(t).String(), blob[:1000], octets).want(t, http.StatusAccepted)
	s.do(t, http.MethodPatch, first.location(t).String(), blob[1000:2000], octets).want(t, http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID")
	s.do(t, http.MethodPut, withDigest(first.location(t), h), blob[1000:], octets).want(t, http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID")
	s.do(t, http.MethodDelete, first.location(t).String(), nil, nil).want(t, http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID")
	// None of that did harm. The status can be asked for with the old one, and gives the new one.
	status := s.do(t, http.MethodGet, first.location(t).String(), nil, nil).want(t, http.StatusNoContent)
	status.wantHeader(t, "Range", "0-999")
	if second.location(t).Path != status.location(t).Path {
		t.Errorf("the session moved from %s to %s", second.location(t), status.location(t))
	}
	s.do(t, http.MethodPut, withDigest(status.location(t), h), blob[1000:], octets).want(t, http.StatusCreated)
}

func (s *suite) uploadWrongOffset(t *testing.T) {
	name := repo(t, "a")
	blob, h := content(t, 5000, "")
	a := s.do(t, http.MethodPost, "/v2/"+name+"/blobs/uploads/", nil, nil).want(t, http.StatusAccepted)
	for _, contentRange := range []string{"1000-1999", "999-1998"} {
		header := octets.Clone()
		header.Set("Content-Range", contentRange)
		s.do(t, http.MethodPatch, a.location(t).String(), blob[:1000], header).want(t, http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID")
		s.do(t, http.MethodPut, withDigest(a.location(t), h), blob[:1000], header).want(t, http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID")
	}
	header := octets.Clone()
	header.Set("Content-Range", "0-998")
	s.do(t, http.MethodPatch, a.location(t).String(), blob[:1000], header).want(t, http.StatusBadRequest, "SIZE_INVALID")
	header.Set("Content-Range", "0-4999")
	s.do(t, http.MethodPut, withDigest(a.location(t), h), blob, header).want(t, http.StatusCreated)
}

// uploadResume cuts a PUT's body, asks how far it came, and sends the rest.
func (s *suite) uploadResume(t *testing.T) {
	name := repo(t, "a")
	blob, h := content(t, 2_000_000, "")
	a := s.do(t, http.MethodPost, "/v2/"+name+"/blobs/uploads/", nil, nil).want(t, http.StatusAccepted)
	const sent = 1_200_000
	s.cutPut(t, withDigest(a.location(t), h), blob, sent)
	deadline := time.Now().Add(10 * time.Second)
	offset := 0
	for {
		status := s.do(t, http.MethodGet, a.location(t).String(), nil, nil).want(t, http.StatusNoContent)
		_, last, ok := strings.Cut(status.Header.Get("Range"), "-")
		n, err := strconv.Atoi(last)
		if !ok || err != nil {
			t.Fatalf("Range is %q", status.Header.Get("Range"))
		}
		a = status
		if n > 0 {
			offset = n + 1
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the registry acknowledges nothing of what came before the cut")
		}
		time.Sleep(20 * time.Millisecond) // it may not have noticed yet
	}
	if offset > sent {
		t.Fatalf("%d bytes are acknowledged of %d that were sent", offset, sent)
	}
	header := octets.Clone()
	header.Set("Content-Range", fmt.Sprintf("%d-%d", offset, len(blob)-1))
	s.do(t, http.MethodPut, withDigest(a.location(t), h), blob[offset:], header).want(t, http.StatusCreated)
	get := s.do(t, http.MethodGet, "/v2/"+name+"/blobs/"+h.String(), nil, nil).want(t, http.StatusOK)
	if !bytes.Equal(get.body, blob) {
		t.Error("the resumed blob came back changed")
	}
}

// cutPut announces all of body, sends a part and hangs up.
func (s *suite) cutPut(t *testing.T, target string, body []byte, sent int) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", u.RequestURI(), u.Host, len(body))
	if err == nil {
		_, err = conn.Write(body[:sent])
	}
	if err == nil {
		// Half-closed, so that everything sent arrives; the registry's answer or hang-up ends it.
		err = conn.(*net.TCPConn).CloseWrite()
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.Copy(io.Discard, conn)
	_ = conn.Close()
}

func (s *suite) uploadWrongDigest(t *testing.T) {
	name := repo(t, "a")
	blob, _ := content(t, 5000, "")
	_, other := content(t, 5000, "other")
	a := s.do(t, http.MethodPost, "/v2/"+name+"/blobs/uploads/", nil, nil).want(t, http.StatusAccepted)
	s.do(t, http.MethodPut, a.location(t).String()+"&digest=nonsense", blob, octets).want(t, http.StatusBadRequest, "DIGEST_INVALID")
	s.do(t, http.MethodPut, a.location(t).String(), blob, octets).want(t, http.StatusBadRequest, "DIGEST_INVALID")
	s.do(t, http.MethodPut, withDigest(a.location(t), other), blob, octets).want(t, http.StatusBadRequest, "DIGEST_INVALID")
	// Neither under the one digest nor under the other.
	for _, h := range []v1.Hash{other, hashOf(blob)} {
		if got := s.blobStatus(t, name, h); got != http.StatusNotFound {
			t.Errorf("HEAD of blob %s: %d", h, got)
		}
	}
	// distribution means to drop the session and doesn't: whoever cares cancels it, with the newest Location.
	status := s.do(t, http.MethodGet, a.location(t).String(), nil, nil).want(t, http.StatusNoContent)
	s.do(t, http.MethodDelete, a.location(t).String(), nil, nil).want(t, http.StatusRequestedRangeNotSatisfiable)
	s.do(t, http.MethodDelete, status.location(t).String(), nil, nil).want(t, http.StatusNoContent)
}

func (s *suite) uploadCancel(t *testing.T) {
	name := repo(t, "a")
	blob, h := content(t, 5000, "")
	a := s.do(t, http.MethodPost, "/v2/"+name+"/blobs/uploads/", nil, nil).want(t, http.StatusAccepted)
	a = s.do(t, http.MethodPatch, a.location(t).String(), blob[:1000], octets).want(t, http.StatusAccepted)
	s.do(t, http.MethodDelete, a.location(t).String(), nil, nil).want(t, http.StatusNoContent)
	s.do(t, http.MethodGet, a.location(t).String(), nil, nil).want(t, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
	s.do(t, http.MethodPut, withDigest(a.location(t), h), blob[1000:], octets).want(t, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
	s.do(t, http.MethodDelete, a.location(t).String(), nil, nil).want(t, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
}

func (s *suite) monolithicPost(t *testing.T) {
	name := repo(t, "a")
	blob, h := content(t, 5000, "")
	a := s.do(t, http.MethodPost, "/v2/"+name+"/blobs/uploads/?digest="+url.QueryEscape(h.String()), blob, octets)
	if !s.target.MonolithicPost {
		// The bytes are lost, the upload is open.
		a.want(t, http.StatusAccepted)
		s.do(t, http.MethodPut, withDigest(a.location(t), h), blob, octets).want(t, http.StatusCreated)
		return
	}
	a.want(t, http.StatusCreated).wantHeader(t, "Docker-Content-Digest", h.String())
	if got := s.blobStatus(t, name, h); got != http.StatusOK {
		t.Errorf("HEAD of the blob: %d", got)
	}
	_, other := content(t, 5000, "other")
	s.do(t, http.MethodPost, "/v2/"+name+"/blobs/uploads/?digest="+url.QueryEscape(other.String()), blob, octets).want(t, http.StatusBadRequest, "DIGEST_INVALID")
}

func mountPath(to, from string, h v1.Hash) string {
	return "/v2/" + to + "/blobs/uploads/?" + url.Values{"mount": {h.String()}, "from": {from}}.Encode()
}

func (s *suite) mount(t *testing.T) {
	from, to := repo(t, "from"), repo(t, "to")
	blob, h := content(t, 5000, "")
	s.push(t, from, blob)
	if got := s.blobStatus(t, to, h); got != http.StatusNotFound {
		t.Fatalf("HEAD before the mount: %d", got)
	}
	a := s.do(t, http.MethodPost, mountPath(to, from, h), nil, nil).want(t, http.StatusCreated)
	a.wantHeader(t, "Docker-Content-Digest", h.String())
	if got := a.location(t).Path; got != "/v2/"+to+"/blobs/"+h.String() {
		t.Errorf("Location is %s", got)
	}
	get := s.do(t, http.MethodGet, "/v2/"+to+"/blobs/"+h.String(), nil, nil).want(t, http.StatusOK)
	if !bytes.Equal(get.body, blob) {
		t.Error("the mounted blob differs")
	}
	// Again is fine.
	s.do(t, http.MethodPost, mountPath(to, from, h), nil, nil).want(t, http.StatusCreated)
}

func (s *suite) mountSelf(t *testing.T) {
	name := repo(t, "a")
	blob, h := content(t, 5000, "")
	a := s.do(t, http.MethodPost, mountPath(name, name, h), nil, nil).want(t, http.StatusAccepted)
	s.do(t, http.MethodPut, withDigest(a.location(t), h), blob, octets).want(t, http.StatusCreated)
	s.do(t, http.MethodPost, mountPath(name, name, h), nil, nil).want(t, http.StatusCreated)
}

// A mount that can't be is an upload.
func (s *suite) mountMissing(t *testing.T) {
	from, to, third := repo(t, "from"), repo(t, "to"), repo(t, "third")
	blob, h := content(t, 5000, "")
	for _, target := range []string{
		mountPath(to, from, h),
		"/v2/" + to + "/blobs/uploads/?mount=" + url.QueryEscape(h.String()), // without from
		mountPath(to, "No/Such*Name", h),
	} {
		a := s.do(t, http.MethodPost, target, nil, nil).want(t, http.StatusAccepted)
		s.do(t, http.MethodGet, a.location(t).String(), nil, nil).want(t, http.StatusNoContent)
	}
	// Elsewhere on the registry is not in `from`.
	s.push(t, third, blob)
	a := s.do(t, http.MethodPost, mountPath(to, from, h), nil, nil).want(t, http.StatusAccepted)
	s.do(t, http.MethodPut, withDigest(a.location(t), h), blob, octets).want(t, http.StatusCreated)
}

func (s *suite) blobLinks(t *testing.T) {
	one, two := repo(t, "one"), repo(t, "two")
	blob, h := content(t, 5000, "")
	s.push(t, one, blob)
	s.do(t, http.MethodHead, "/v2/"+two+"/blobs/"+h.String(), nil, nil).want(t, http.StatusNotFound)
	s.do(t, http.MethodGet, "/v2/"+two+"/blobs/"+h.String(), nil, nil).want(t, http.StatusNotFound, "BLOB_UNKNOWN", "NAME_UNKNOWN")
	// The same content again, into both: nothing goes wrong.
	s.push(t, two, blob)
	s.push(t, one, blob)
}

func (s *suite) blobRanges(t *testing.T) {
	name := repo(t, "a")
	blob, h := content(t, 10_000, "")
	s.push(t, name, blob)
	for _, c := range []struct {
		header   string
		from, to int // to is exclusive
	}{
		{"bytes=4000-", 4000, 10_000},
		{"bytes=0-0", 0, 1},
		{"bytes=9999-", 9999, 10_000},
		{"bytes=100-199", 100, 200},
		{"bytes=0-", 0, 10_000},
	} {
		a := s.do(t, http.MethodGet, "/v2/"+name+"/blobs/"+h.String(), nil, http.Header{"Range": {c.header}}).want(t, http.StatusPartialContent)
		a.wantHeader(t, "Content-Range", fmt.Sprintf("bytes %d-%d/%d", c.from, c.to-1, len(blob)))
		a.wantHeader(t, "Content-Length", strconv.Itoa(c.to-c.from))
		if !bytes.Equal(a.body, blob[c.from:c.to]) {
			t.Errorf("%s: wrong bytes", c.header)
		}
	}
	s.do(t, http.MethodGet, "/v2/"+name+"/blobs/"+h.String(), nil, http.Header{"Range": {"bytes=10000-"}}).want(t, http.StatusRequestedRangeNotSatisfiable)
}

// image pushes the blobs of an image and gives its manifest, which isn't pushed.
func (s *suite) image(t *testing.T, repo string, mediaType types.MediaType, salt string) []byte {
	t.Helper()
	config := []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"salt":` + strconv.Quote(t.Name()+salt) + `}`)
	layer, _ := content(t, 4000, salt)
	s.push(t, repo, config)
	s.push(t, repo, layer)
	return imageManifest(t, mediaType, config, layer)
}

func imageManifest(t *testing.T, mediaType types.MediaType, config, layer []byte) []byte {
	t.Helper()
	configType, layerType := types.OCIConfigJSON, types.OCILayer
	if mediaType == types.DockerManifestSchema2 {
		configType, layerType = types.DockerConfigJSON, types.DockerLayer
	}
	return marshal(t, v1.Manifest{
		SchemaVersion: 2, MediaType: mediaType,
		Config: descriptor(configType, config), Layers: []v1.Descriptor{descriptor(layerType, layer)},
	})
}

func descriptor(mediaType types.MediaType, content []byte) v1.Descriptor {
	return v1.Descriptor{MediaType: mediaType, Digest: hashOf(content), Size: int64(len(content))}
}

func marshal(t *testing.T, value any) []byte {
	t.Helper()
	b, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (s *suite) putManifest(t *testing.T, repo, reference string, mediaType types.MediaType, body []byte) answer {
	t.Helper()
	return s.do(t, http.MethodPut, "/v2/"+repo+"/manifests/"+reference, body, http.Header{"Content-Type": {string(mediaType)}})
}

var acceptAll = http.Header{"Accept": {strings.Join([]string{
	string(types.OCIManifestSchema1), string(types.OCIImageIndex), string(types.DockerManifestSchema2), string(types.DockerManifestList),
}, ", ")}}

// wantManifest asks with HEAD and GET and compares everything.
func (s *suite) wantManifest(t *testing.T, repo, reference string, mediaType types.MediaType, body []byte) {
	t.Helper()
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		a := s.do(t, method, "/v2/"+repo+"/manifests/"+reference, nil, acceptAll).want(t, http.StatusOK)
		a.wantHeader(t, "Docker-Content-Digest", hashOf(body).String())
		a.wantHeader(t, "Content-Type", string(mediaType))
		a.wantHeader(t, "Content-Length", strconv.Itoa(len(body)))
		if method == http.MethodGet && !bytes.Equal(a.body, body) {
			t.Errorf("manifest %s came back changed:\n%s\nwas\n%s", reference, a.body, body)
		}
	}
}

func (s *suite) manifest(t *testing.T) {
	for name, mediaType := range map[string]types.MediaType{"oci": types.OCIManifestSchema1, "docker": types.DockerManifestSchema2} {
		t.Run(name, func(t *testing.T) {
			name := repo(t, "a")
			body := s.image(t, name, mediaType, "")
			// Its own white space is kept.
			body = append(bytes.ReplaceAll(body, []byte(`,"layers"`), []byte(",\n   \"layers\"")), '\n')
			for _, method := range []string{http.MethodHead, http.MethodGet} {
				s.do(t, method, "/v2/"+name+"/manifests/v1", nil, acceptAll).want(t, http.StatusNotFound, "MANIFEST_UNKNOWN", "NAME_UNKNOWN")
			}
			a := s.putManifest(t, name, "v1", mediaType, body).want(t, http.StatusCreated)
			a.wantHeader(t, "Docker-Content-Digest", hashOf(body).String())
			s.wantManifest(t, name, "v1", mediaType, body)
			s.wantManifest(t, name, hashOf(body).String(), mediaType, body)
			s.do(t, http.MethodHead, "/v2/"+name+"/manifests/v2", nil, acceptAll).want(t, http.StatusNotFound)
			s.putManifest(t, name, "v1", mediaType, body).want(t, http.StatusCreated) // again is fine
			s.putManifest(t, name, "v2", mediaType, body).want(t, http.StatusCreated)
			s.wantManifest(t, name, "v2", mediaType, body)
		})
	}
}

func (s *suite) manifestByDigest(t *testing.T) {
	name := repo(t, "a")
	body := s.image(t, name, types.OCIManifestSchema1, "")
	s.putManifest(t, name, hashOf(body).String(), types.OCIManifestSchema1, body).want(t, http.StatusCreated)
	s.wantManifest(t, name, hashOf(body).String(), types.OCIManifestSchema1, body)
	// A digest alone makes no tag.
	s.do(t, http.MethodGet, "/v2/"+name+"/tags/list", nil, nil).want(t, http.StatusNotFound, "NAME_UNKNOWN")
}

func (s *suite) manifestMissingBlob(t *testing.T) {
	name, other := repo(t, "a"), repo(t, "other")
	config, layer := []byte(`{"rootfs":{}}`+t.Name()), []byte("a layer of "+t.Name())
	for _, mediaType := range []types.MediaType{types.OCIManifestSchema1, types.DockerManifestSchema2} {
		body := imageManifest(t, mediaType, config, layer)
		s.putManifest(t, name, "v1", mediaType, body).want(t, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN")
		s.do(t, http.MethodHead, "/v2/"+name+"/manifests/v1", nil, acceptAll).want(t, http.StatusNotFound)
	}
	body := imageManifest(t, types.OCIManifestSchema1, config, layer)
	// In another repository doesn't help.
	s.push(t, other, layer)
	s.push(t, name, config)
	s.putManifest(t, name, "v1", types.OCIManifestSchema1, body).want(t, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN")
	s.push(t, name, layer)
	s.putManifest(t, name, "v1", types.OCIManifestSchema1, body).want(t, http.StatusCreated)
}

func (s *suite) manifestWrongDigest(t *testing.T) {
	name := repo(t, "a")
	body := s.image(t, name, types.OCIManifestSchema1, "")
	_, other := content(t, 10, "other")
	s.putManifest(t, name, other.String(), types.OCIManifestSchema1, body).want(t, http.StatusBadRequest, "DIGEST_INVALID")
}

func (s *suite) manifestWrongType(t *testing.T) {
	name := repo(t, "a")
	body := s.image(t, name, types.OCIManifestSchema1, "")
	s.putManifest(t, name, "v1", types.DockerManifestSchema2, body).want(t, http.StatusBadRequest, "MANIFEST_INVALID")
	s.putManifest(t, name, "v1", types.OCIImageIndex, body).want(t, http.StatusBadRequest, "MANIFEST_INVALID")
	s.putManifest(t, name, "v1", types.OCIManifestSchema1, []byte("not JSON")).want(t, http.StatusBadRequest, "MANIFEST_INVALID")
}

// mediaType is optional in OCI documents; the Content-Type says what it is.
func (s *suite) manifestWithoutMediaType(t *testing.T) {
	name := repo(t, "a")
	body := s.image(t, name, "", "")
	if bytes.Contains(body, []byte(`{"schemaVersion":2,"mediaType"`)) {
		t.Fatalf("the test's manifest has a mediaType: %s", body)
	}
	s.putManifest(t, name, "v1", types.OCIManifestSchema1, body).want(t, http.StatusCreated)
	s.wantManifest(t, name, "v1", types.OCIManifestSchema1, body)
	index := marshal(t, v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{withPlatform(descriptor(types.OCIManifestSchema1, body), "linux/amd64")}})
	s.putManifest(t, name, "index", types.OCIImageIndex, index).want(t, http.StatusCreated)
	s.wantManifest(t, name, "index", types.OCIImageIndex, index)
}

// A foreign layer's content is where its urls say; nobody uploads it.
func (s *suite) foreignLayer(t *testing.T) {
	for name, c := range map[string]struct{ manifest, config, layer, foreign types.MediaType }{
		"docker": {types.DockerManifestSchema2, types.DockerConfigJSON, types.DockerLayer, types.DockerForeignLayer},
		"oci":    {types.OCIManifestSchema1, types.OCIConfigJSON, types.OCILayer, types.OCIRestrictedLayer},
	} {
		t.Run(name, func(t *testing.T) {
			name := repo(t, "a")
			config := []byte(`{"rootfs":{}}` + t.Name())
			s.push(t, name, config)
			foreign, _ := content(t, 10, "foreign")
			layer := descriptor(c.foreign, foreign)
			layer.URLs = []string{"https://example.com/layer"}
			body := marshal(t, v1.Manifest{SchemaVersion: 2, MediaType: c.manifest, Config: descriptor(c.config, config), Layers: []v1.Descriptor{layer}})
			s.putManifest(t, name, "v1", c.manifest, body).want(t, http.StatusCreated)
			layer.URLs = nil
			body = marshal(t, v1.Manifest{SchemaVersion: 2, MediaType: c.manifest, Config: descriptor(c.config, config), Layers: []v1.Descriptor{layer}})
			a := s.putManifest(t, name, "v2", c.manifest, body)
			// distribution says 400 for OCI's type and 500, with the same code among others, for Docker's.
			if a.StatusCode < 400 || !slices.Contains(a.codes(), "MANIFEST_BLOB_UNKNOWN") {
				t.Errorf("a foreign layer without urls: %d %q", a.StatusCode, a.codes())
			}
		})
	}
}

// A client that doesn't name OCI's manifest type gets none, neither with GET nor with HEAD.
func (s *suite) accept(t *testing.T) {
	name := repo(t, "a")
	body := s.image(t, name, types.OCIManifestSchema1, "")
	s.putManifest(t, name, "v1", types.OCIManifestSchema1, body).want(t, http.StatusCreated)
	for _, header := range []http.Header{nil, {"Accept": {"*/*"}}, {"Accept": {string(types.DockerManifestSchema2)}}} {
		for _, reference := range []string{"v1", hashOf(body).String()} {
			for _, method := range []string{http.MethodHead, http.MethodGet} {
				s.do(t, method, "/v2/"+name+"/manifests/"+reference, nil, header).want(t, http.StatusNotFound, "MANIFEST_UNKNOWN")
			}
		}
	}
	// Several header lines count like one.
	several := http.Header{"Accept": {string(types.DockerManifestSchema2), string(types.OCIManifestSchema1)}}
	s.do(t, http.MethodGet, "/v2/"+name+"/manifests/v1", nil, several).want(t, http.StatusOK)
}

func withPlatform(d v1.Descriptor, platform string) v1.Descriptor {
	os, arch, _ := strings.Cut(platform, "/")
	d.Platform = &v1.Platform{OS: os, Architecture: arch}
	return d
}

func (s *suite) index(t *testing.T) {
	for name, c := range map[string]struct{ index, manifest types.MediaType }{
		"oci":    {types.OCIImageIndex, types.OCIManifestSchema1},
		"docker": {types.DockerManifestList, types.DockerManifestSchema2},
	} {
		t.Run(name, func(t *testing.T) {
			name := repo(t, "a")
			index := v1.IndexManifest{SchemaVersion: 2, MediaType: c.index}
			var children [][]byte
			for _, platform := range []string{"linux/arm64", "linux/amd64"} {
				child := s.image(t, name, c.manifest, platform)
				s.putManifest(t, name, hashOf(child).String(), c.manifest, child).want(t, http.StatusCreated)
				index.Manifests = append(index.Manifests, withPlatform(descriptor(c.manifest, child), platform))
				children = append(children, child)
			}
			body := marshal(t, index)
			s.putManifest(t, name, "v1", c.index, body).want(t, http.StatusCreated)
			s.wantManifest(t, name, "v1", c.index, body)
			s.wantManifest(t, name, hashOf(body).String(), c.index, body)
			if c.index == types.DockerManifestList {
				// Whoever doesn't know lists gets its linux/amd64 image, by tag alone.
				a := s.do(t, http.MethodGet, "/v2/"+name+"/manifests/v1", nil, http.Header{"Accept": {string(c.manifest)}}).want(t, http.StatusOK)
				a.wantHeader(t, "Docker-Content-Digest", hashOf(children[1]).String())
			}
		})
	}
}

// BuildKit's caches are indexes whose entries are blobs.
func (s *suite) indexOfBlobs(t *testing.T) {
	name := repo(t, "a")
	layer := []byte("a layer of " + t.Name())
	body := marshal(t, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{descriptor(types.OCILayer, layer)}})
	s.putManifest(t, name, "v1", types.OCIImageIndex, body).want(t, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN")
	s.push(t, name, layer)
	a := s.putManifest(t, name, "v1", types.OCIImageIndex, body)
	if !s.target.BlobsInIndexes {
		a.want(t, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN")
		return
	}
	a.want(t, http.StatusCreated)
	s.wantManifest(t, name, "v1", types.OCIImageIndex, body)
}

// The algorithm is the client's choice ("Registered algorithms" of the image specification). Blobs only: distribution takes
// manifests by SHA-256 alone.
func (s *suite) sha512(t *testing.T) {
	name, other := repo(t, "a"), repo(t, "other")
	blob, _ := content(t, 100_000, "")
	sum := sha512.Sum512(blob)
	h := v1.Hash{Algorithm: "sha512", Hex: hex.EncodeToString(sum[:])}
	wrong := h
	wrong.Hex = strings.Repeat("0", len(h.Hex))
	start := s.do(t, http.MethodPost, "/v2/"+name+"/blobs/uploads/", nil, nil).want(t, http.StatusAccepted)
	s.do(t, http.MethodPut, withDigest(start.location(t), wrong), blob, octets).want(t, http.StatusBadRequest, "DIGEST_INVALID")
	start = s.do(t, http.MethodPost, "/v2/"+name+"/blobs/uploads/", nil, nil).want(t, http.StatusAccepted)
	half := s.do(t, http.MethodPatch, start.location(t).String(), blob[:40_000], octets).want(t, http.StatusAccepted)
	s.do(t, http.MethodPut, withDigest(half.location(t), h), blob[40_000:], octets).want(t, http.StatusCreated)
	a := s.do(t, http.MethodGet, "/v2/"+name+"/blobs/"+h.String(), nil, nil).want(t, http.StatusOK)
	if !bytes.Equal(a.body, blob) {
		t.Errorf("got %d other bytes", len(a.body))
	}
	s.do(t, http.MethodPost, mountPath(other, name, h), nil, nil).want(t, http.StatusCreated)
	if status := s.blobStatus(t, other, h); status != http.StatusOK && s.target.MountsSHA512 {
		t.Errorf("mounted: %d", status)
	}
}

func (s *suite) indexMissingChild(t *testing.T) {
	name, other := repo(t, "a"), repo(t, "other")
	child := s.image(t, name, types.OCIManifestSchema1, "")
	s.image(t, other, types.OCIManifestSchema1, "")
	s.putManifest(t, other, "v1", types.OCIManifestSchema1, child).want(t, http.StatusCreated)
	for _, c := range []struct{ index, child types.MediaType }{{types.OCIImageIndex, types.OCIManifestSchema1}, {types.DockerManifestList, types.OCIManifestSchema1}} {
		body := marshal(t, v1.IndexManifest{SchemaVersion: 2, MediaType: c.index, Manifests: []v1.Descriptor{withPlatform(descriptor(c.child, child), "linux/amd64")}})
		s.putManifest(t, name, "v1", c.index, body).want(t, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN")
		s.do(t, http.MethodHead, "/v2/"+name+"/manifests/v1", nil, acceptAll).want(t, http.StatusNotFound)
	}
	s.putManifest(t, name, hashOf(child).String(), types.OCIManifestSchema1, child).want(t, http.StatusCreated)
	body := marshal(t, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{descriptor(types.OCIManifestSchema1, child)}})
	s.putManifest(t, name, "v1", types.OCIImageIndex, body).want(t, http.StatusCreated)
}

// RunSparseIndexes looks at a registry that is configured to take an index although images that it names are missing. Where
// there is a required platform, its image must be there all the same.
func RunSparseIndexes(t *testing.T, target Target, required string) {
	s := newSuite(t, target)
	name := repo(t, "a")
	amd64, arm64 := s.image(t, name, types.OCIManifestSchema1, "amd64"), s.image(t, name, types.OCIManifestSchema1, "arm64")
	s.putManifest(t, name, hashOf(amd64).String(), types.OCIManifestSchema1, amd64).want(t, http.StatusCreated)
	for _, c := range []struct {
		tag, there, missing string
	}{{"v1", "linux/amd64", "linux/arm64"}, {"v2", "linux/arm64", "linux/amd64"}} {
		body := marshal(t, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{
			withPlatform(descriptor(types.OCIManifestSchema1, amd64), c.there), withPlatform(descriptor(types.OCIManifestSchema1, arm64), c.missing),
		}})
		a := s.putManifest(t, name, c.tag, types.OCIImageIndex, body)
		if c.missing == required {
			a.want(t, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN")
			continue
		}
		a.want(t, http.StatusCreated)
		s.wantManifest(t, name, c.tag, types.OCIImageIndex, body)
	}
	s.do(t, http.MethodHead, "/v2/"+name+"/manifests/"+hashOf(arm64).String(), nil, acceptAll).want(t, http.StatusNotFound)
}

// An entry may come without a platform, and an index may hold an index, one entry or none.
func (s *suite) indexWithoutPlatforms(t *testing.T) {
	name := repo(t, "a")
	child := s.image(t, name, types.OCIManifestSchema1, "")
	s.putManifest(t, name, hashOf(child).String(), types.OCIManifestSchema1, child).want(t, http.StatusCreated)
	inner := marshal(t, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{descriptor(types.OCIManifestSchema1, child)}})
	s.putManifest(t, name, "inner", types.OCIImageIndex, inner).want(t, http.StatusCreated)
	outer := marshal(t, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{descriptor(types.OCIImageIndex, inner), descriptor(types.OCIManifestSchema1, child)}})
	s.putManifest(t, name, "outer", types.OCIImageIndex, outer).want(t, http.StatusCreated)
	s.wantManifest(t, name, "outer", types.OCIImageIndex, outer)
	empty := []byte(`{"schemaVersion":2,"mediaType":"` + string(types.OCIImageIndex) + `","manifests":[]}`)
	s.putManifest(t, name, "empty", types.OCIImageIndex, empty).want(t, http.StatusCreated)
	s.wantManifest(t, name, "empty", types.OCIImageIndex, empty)
}

type tagList struct {
	Name string   `json:"name"`
	Tags []string `json:"tags"`
}

func (s *suite) tags(t *testing.T) {
	name := repo(t, "a")
	body := s.image(t, name, types.OCIManifestSchema1, "")
	want := []string{"V3", "a", "b", "c", "v1", "v10", "v2"}
	for _, tag := range []string{"v2", "a", "V3", "c", "b", "v10", "v1"} {
		s.putManifest(t, name, tag, types.OCIManifestSchema1, body).want(t, http.StatusCreated)
	}
	list := func(target string) (tagList, answer) {
		t.Helper()
		a := s.do(t, http.MethodGet, target, nil, nil).want(t, http.StatusOK)
		var list tagList
		if err := json.Unmarshal(a.body, &list); err != nil {
			t.Fatal(err)
		}
		return list, a
	}
	all, a := list("/v2/" + name + "/tags/list")
	if all.Name != name || !slices.Equal(all.Tags, want) || a.Header.Get("Link") != "" {
		t.Errorf("tags/list: %+v, Link %q; want %q", all, a.Header.Get("Link"), want)
	}
	for _, n := range []int{1, 2, 3, 7, 100} {
		var got []string
		target := fmt.Sprintf("/v2/%s/tags/list?n=%d", name, n)
		for pages := 0; target != ""; pages++ {
			if pages > len(want) {
				t.Fatalf("n=%d: more pages than tags", n)
			}
			page, a := list(target)
			if len(page.Tags) > n {
				t.Errorf("n=%d: a page of %d tags", n, len(page.Tags))
			}
			got = append(got, page.Tags...)
			next, err := nextLink(a)
			if err != nil {
				t.Fatal(err)
			}
			target = next
		}
		if !slices.Equal(got, want) {
			t.Errorf("n=%d: %q, want %q", n, got, want)
		}
	}
	if page, _ := list("/v2/" + name + "/tags/list?n=2&last=c"); !slices.Equal(page.Tags, []string{"v1", "v10"}) {
		t.Errorf("last=c: %q", page.Tags)
	}
	if page, _ := list("/v2/" + name + "/tags/list?last=c"); !slices.Equal(page.Tags, []string{"v1", "v10", "v2"}) {
		t.Errorf("last=c without n: %q", page.Tags)
	}
	for _, n := range []string{"-1", "x"} {
		s.do(t, http.MethodGet, "/v2/"+name+"/tags/list?n="+n, nil, nil).want(t, http.StatusBadRequest, "PAGINATION_NUMBER_INVALID")
	}
}

// nextLink reads `<url>; rel="next"`; "" where there is none.
func nextLink(a answer) (string, error) {
	link := a.Header.Get("Link")
	if link == "" {
		return "", nil
	}
	target, params, ok := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if !ok || !strings.Contains(params, `rel="next"`) {
		return "", errors.New("bad Link: " + link)
	}
	u, err := a.Request.URL.Parse(target)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// 404 of tags/list says that no tag of the repository is there: also for one that has blobs alone.
func (s *suite) tagsMissing(t *testing.T) {
	name := repo(t, "a")
	for range 2 {
		for _, query := range []string{"", "?n=1"} {
			s.do(t, http.MethodGet, "/v2/"+name+"/tags/list"+query, nil, nil).want(t, http.StatusNotFound, "NAME_UNKNOWN")
		}
		s.image(t, name, types.OCIManifestSchema1, "")
	}
}

func (s *suite) tagMoves(t *testing.T) {
	name := repo(t, "a")
	one := s.image(t, name, types.OCIManifestSchema1, "one")
	two := s.image(t, name, types.DockerManifestSchema2, "two")
	s.putManifest(t, name, "v1", types.OCIManifestSchema1, one).want(t, http.StatusCreated)
	s.putManifest(t, name, "v1", types.DockerManifestSchema2, two).want(t, http.StatusCreated)
	s.wantManifest(t, name, "v1", types.DockerManifestSchema2, two)
	s.wantManifest(t, name, hashOf(one).String(), types.OCIManifestSchema1, one) // still there by digest
}

func (s *suite) deleteManifest(t *testing.T) {
	name := repo(t, "a")
	body := s.image(t, name, types.OCIManifestSchema1, "")
	for _, tag := range []string{"v1", "v2"} {
		s.putManifest(t, name, tag, types.OCIManifestSchema1, body).want(t, http.StatusCreated)
	}
	s.do(t, http.MethodDelete, "/v2/"+name+"/manifests/v1", nil, nil).want(t, http.StatusAccepted)
	s.do(t, http.MethodHead, "/v2/"+name+"/manifests/v1", nil, acceptAll).want(t, http.StatusNotFound)
	s.wantManifest(t, name, "v2", types.OCIManifestSchema1, body)
	s.do(t, http.MethodDelete, "/v2/"+name+"/manifests/"+hashOf(body).String(), nil, nil).want(t, http.StatusAccepted)
	for _, reference := range []string{"v2", hashOf(body).String()} {
		s.do(t, http.MethodHead, "/v2/"+name+"/manifests/"+reference, nil, acceptAll).want(t, http.StatusNotFound)
	}
	s.do(t, http.MethodDelete, "/v2/"+name+"/manifests/"+hashOf(body).String(), nil, nil).want(t, http.StatusNotFound, "MANIFEST_UNKNOWN")
	// The blobs stay, and the same manifest can come again.
	s.putManifest(t, name, "v1", types.OCIManifestSchema1, body).want(t, http.StatusCreated)
}

const emptyJSONType types.MediaType = "application/vnd.oci.empty.v1+json"

// artifact is an OCI manifest whose config and layers are of types of their own.
func (s *suite) artifact(t *testing.T) {
	name := repo(t, "a")
	config, layer := []byte(`{"name":"chart","version":"1.0.0"}`), []byte("a chart of "+t.Name())
	body := marshal(t, v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: descriptor("application/vnd.cncf.helm.config.v1+json", config),
		Layers: []v1.Descriptor{descriptor("application/vnd.cncf.helm.chart.content.v1.tar+gzip", layer)},
	})
	s.push(t, name, config)
	s.putManifest(t, name, "1.0.0", types.OCIManifestSchema1, body).want(t, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN")
	s.push(t, name, layer)
	s.putManifest(t, name, "1.0.0", types.OCIManifestSchema1, body).want(t, http.StatusCreated)
	s.wantManifest(t, name, "1.0.0", types.OCIManifestSchema1, body)
}

func (s *suite) referrers(t *testing.T) {
	name := repo(t, "a")
	subject := s.image(t, name, types.OCIManifestSchema1, "")
	subjectDescriptor := descriptor(types.OCIManifestSchema1, subject)
	empty := []byte("{}")
	s.push(t, name, empty)
	layer, _ := content(t, 100, "signature")
	s.push(t, name, layer)
	referrer := func(artifactType string) []byte {
		return marshal(t, v1.Manifest{
			SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: artifactType,
			Config: descriptor(emptyJSONType, empty), Layers: []v1.Descriptor{descriptor("application/octet-stream", layer)},
			Subject: &subjectDescriptor, Annotations: map[string]string{"for": artifactType},
		})
	}
	sbom, signature := referrer("application/spdx+json"), referrer("application/vnd.example.signature")
	// A referrer may come before its subject.
	for _, body := range [][]byte{sbom, signature} {
		a := s.putManifest(t, name, hashOf(body).String(), types.OCIManifestSchema1, body).want(t, http.StatusCreated)
		if s.target.Referrers {
			a.wantHeader(t, "OCI-Subject", hashOf(subject).String())
		}
	}
	s.putManifest(t, name, "v1", types.OCIManifestSchema1, subject).want(t, http.StatusCreated)
	target := "/v2/" + name + "/referrers/" + hashOf(subject).String()
	if !s.target.Referrers {
		s.do(t, http.MethodGet, target, nil, nil).want(t, http.StatusNotFound)
		return
	}
	list := func(target string) (v1.IndexManifest, answer) {
		t.Helper()
		a := s.do(t, http.MethodGet, target, nil, nil).want(t, http.StatusOK)
		a.wantHeader(t, "Content-Type", string(types.OCIImageIndex))
		var index v1.IndexManifest
		if err := json.Unmarshal(a.body, &index); err != nil {
			t.Fatal(err)
		}
		return index, a
	}
	index, _ := list(target)
	if index.SchemaVersion != 2 || index.MediaType != types.OCIImageIndex || len(index.Manifests) != 2 {
		t.Errorf("referrers: %+v", index)
	}
	filtered, a := list(target + "?artifactType=" + url.QueryEscape("application/spdx+json"))
	a.wantHeader(t, "OCI-Filters-Applied", "artifactType")
	if len(filtered.Manifests) != 1 {
		t.Fatalf("filtered referrers: %+v", filtered)
	}
	got := filtered.Manifests[0]
	if got.Digest != hashOf(sbom) || got.Size != int64(len(sbom)) || got.MediaType != types.OCIManifestSchema1 ||
		got.ArtifactType != "application/spdx+json" || got.Annotations["for"] != "application/spdx+json" {
		t.Errorf("referrer: %+v", got)
	}
	_, unknown := content(t, 10, "unknown")
	none, a := list("/v2/" + name + "/referrers/" + unknown.String())
	if len(none.Manifests) != 0 || !bytes.Contains(a.body, []byte(`"manifests":[]`)) {
		t.Errorf("referrers of nothing: %s", a.body)
	}
}

func (s *suite) badNames(t *testing.T) {
	_, h := content(t, 10, "")
	for _, path := range []string{
		"/v2/Upper/manifests/v1", "/v2/a//b/manifests/v1", "/v2/-a/manifests/v1", "/v2/a/manifests/.v1", "/v2/a/manifests/" + strings.Repeat("t", 129),
		"/v2/a/blobs/sha256:123", "/v2/a/blobs/" + h.Hex, "/v2/a/nothing/list",
	} {
		a := s.do(t, http.MethodGet, path, nil, acceptAll)
		if a.StatusCode/100 != 4 {
			// net/http cleans paths with a redirect; that is an answer as well.
			if a.StatusCode/100 != 3 {
				t.Errorf("GET %s: %d", path, a.StatusCode)
			}
		}
	}
}
