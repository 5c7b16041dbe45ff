package schedule

type needState int

const (
	needIdle       needState = iota // waits in line for a leader, or for the commit of an image of a holder
	needMounting                    // asks to mount from a holder
	needWanted                      // waits for a turn of its blob
	needStarting                    // asks to mount or start
	needPlain                       // asks to start, as nothing is mounted
	needLookUps                     // waits for images that are being looked up
	needReading                     // waits until the manifests of unchanged images are read
	needMountOld                    // asks to mount from an unchanged image, with a session in hand
	needVerdict                     // waits to know how the registry mounts, with a session in hand
	needHeadFirst                   // asks whether the blob is there, as nothing is mounted
	needHeadLast                    // asks whether the blob is there, with a session in hand
	needHeadShared                  // asks whether the blob is there since another repository has it
	needOpen                        // waits for the transfer to begin
	needSending                     // takes part in a transfer
	needDone                        // the repository has the blob
	needDropped                     // nobody wants it any more, or it failed
)

func (s needState) String() string {
	return [...]string{
		"waits for another repository", "asks to mount", "waits for a turn", "asks to mount or start", "asks to start",
		"waits for look-ups", "waits for origins to be read", "asks to mount from an unchanged image", "waits for a verdict on mounts",
		"asks first", "asks last", "asks after another repository", "waits for a transfer", "is sent to", "is done", "was dropped",
	}[s]
}

// need is one repository that shall have a blob.
type need struct {
	id         int
	host       *hostBlob
	repository string

	state     needState
	inLine    bool // of the host
	flying    bool // a request or a transfer is under way
	images    []*image
	head      int  // images before that have ended
	committed bool // a manifest of the repository that refers to the blob was written by this run
	distrust  bool // a mount was claimed before, but the registry does not have the blob
	absent    bool // it lacks the blob, as was found out: it isn't asked again
	heard     bool // the blob was said to be there: this run has brought it no bytes, and mounted nothing
	sent      bool // this run has sent the blob
	sought    bool // an unchanged image was looked for that has the blob
	toldOf    bool // others had told of it when its bytes were about to flow, and were asked
	judged    bool // the blob isn't there and can't be mounted, as far as is known
	counted   bool // among the registry's small uploads
	turns     int

	from    string // what is asked to mount from
	asked   string // what was, before there was a session
	early   bool   // and nothing refers to the blob there yet
	turn    *turn  // it is a member of, until it is open
	timer   int
	session Session // of an upload, if any
	closed  Session // of one that is over
	offset  int64   // what the session has
}

func (n *need) place() Place {
	return Place{Need: n.id, Registry: n.host.registry.id, Repository: n.repository, Blob: n.host.blob.Blob}
}
