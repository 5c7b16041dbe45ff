package report

import (
	"encoding/json"
	"io"
	"time"

	"docker-mirror/go-helper/internal/engine"
)

// jsonLines writes one JSON object a line, for programs that follow a run.
type jsonLines struct {
	encoder *json.Encoder
	now     func() time.Time
	copies  []engine.Copy
}

func newJSONLines(w io.Writer, now func() time.Time) *jsonLines {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return &jsonLines{encoder: encoder, now: now}
}

// jsonEvent is a line of --progress json. Event tells which of the other keys are there.
type jsonEvent struct {
	Time    time.Time `json:"time"`
	Event   string    `json:"event"`
	Message string    `json:"message,omitempty"`

	Registry   string `json:"registry,omitempty"`
	Repository string `json:"repository,omitempty"`
	From       string `json:"from,omitempty"`
	// Source is a blob's repository, or a copy's image.
	Source      string `json:"source,omitempty"`
	Destination string `json:"destination,omitempty"` // of a copy
	Origin      string `json:"origin,omitempty"`      // of a copy, file:line
	Digest      string `json:"digest,omitempty"`
	Size        int64  `json:"size,omitempty"`
	Error       string `json:"error,omitempty"`
	// WaitSeconds is how long a registry is left alone, or a retry waits.
	WaitSeconds float64 `json:"wait_seconds,omitempty"`
	// Try is the one that failed, of so many Tries; absent where the registry asked for the wait.
	Try   int `json:"try,omitempty"`
	Tries int `json:"tries,omitempty"`

	Status engine.Status `json:"status,omitempty"`
	Bytes  *engine.Bytes `json:"bytes,omitempty"`

	Copies   *int          `json:"copies,omitempty"`
	Progress *jsonProgress `json:"progress,omitempty"`
}

type jsonProgress struct {
	ElapsedSeconds float64 `json:"elapsed_seconds"`
	Copies         int     `json:"copies"`
	Ended          int     `json:"ended"`
	Failed         int     `json:"failed"`
	BytesQueued    int64   `json:"bytes_queued"`
	BytesDone      int64   `json:"bytes_done"`
	Downloaded     int64   `json:"downloaded"`
	BytesPerSecond float64 `json:"bytes_per_second"`
	// SecondsLeft is absent where it is not known.
	SecondsLeft *float64 `json:"seconds_left,omitempty"`
	InFlight    int      `json:"blobs_in_flight"`
	Retries     int64    `json:"retries"`
}

func (j *jsonLines) interval() (delay, every time.Duration) { return time.Second, time.Second }

func (j *jsonLines) write(e jsonEvent) {
	e.Time = j.now().UTC()
	_ = j.encoder.Encode(e) // a closed standard error ends no run
}

func (j *jsonLines) expect(copies []engine.Copy) { j.copies = copies }

func (j *jsonLines) snapshot(s Snapshot) {
	p := &jsonProgress{
		ElapsedSeconds: s.Elapsed.Seconds(), Copies: s.Copies, Ended: s.Ended, Failed: s.Failed,
		BytesQueued: s.BytesQueued, BytesDone: s.BytesDone, Downloaded: s.Downloaded,
		BytesPerSecond: s.Rate, InFlight: len(s.InFlight), Retries: s.Retries,
	}
	if s.Left >= 0 {
		seconds := s.Left.Seconds()
		p.SecondsLeft = &seconds
	}
	j.write(jsonEvent{Event: "progress", Progress: p})
}

func (j *jsonLines) event(event engine.Event) {
	switch e := event.(type) {
	case engine.RunStarted:
		j.write(jsonEvent{Event: "run_started", Copies: &e.Copies})
	case engine.BlobStarted:
		j.write(jsonEvent{Event: "blob_started", Digest: e.Digest.String(), Size: e.Size, Source: e.Source})
	case engine.BlobEnded:
		j.write(jsonEvent{Event: "blob_ended", Digest: e.Digest.String(), Error: errorText(e.Err)})
	case engine.BlobUploaded:
		j.write(jsonEvent{Event: "blob_uploaded", Registry: e.Registry, Repository: e.Repository, Digest: e.Digest.String(), Size: e.Size})
	case engine.BlobMounted:
		j.write(jsonEvent{Event: "blob_mounted", Registry: e.Registry, Repository: e.Repository, From: e.From, Digest: e.Digest.String(), Size: e.Size})
	case engine.CopyEnded:
		line := jsonEvent{
			Event: "copy_ended", Status: e.Result.Status, Digest: hashText(e.Result.Digest),
			Error: errorText(e.Result.Err), Bytes: &e.Result.Bytes,
		}
		if e.Index < len(j.copies) {
			c := j.copies[e.Index]
			line.Source, line.Destination, line.Origin = c.Source.String(), c.Destination.String(), c.Origin
		}
		j.write(line)
	case engine.RegistryPaused:
		j.write(jsonEvent{Event: "registry_paused", Registry: e.Registry, WaitSeconds: e.For.Seconds(), Message: Clean(e.Reason)})
	case engine.Retried:
		j.write(jsonEvent{Event: "retried", Registry: e.Registry, Message: Clean(e.What), Error: errorText(e.Err), WaitSeconds: e.Wait.Seconds(), Try: e.Try, Tries: e.Tries})
	}
}

func (j *jsonLines) line(kind lineKind, text string) {
	j.write(jsonEvent{Event: string(kind), Message: text})
}

func (j *jsonLines) rest() {}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return Clean(err.Error())
}

func (j *jsonLines) tellsTrouble() bool { return true }
