package schedule

import (
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine/internal/mount"
)

const (
	// largeBlob is from where it is worth reading the manifests of unchanged images to find a repository to mount from, at
	// indexCost bytes a manifest.
	largeBlob = 4 << 20
	indexCost = 64 << 10
)

// registry is what a run knows of a registry that it writes to.
type registry struct {
	id    int
	hosts []*hostBlob
	fresh map[string]bool // repositories that did not exist before the run

	mode         mount.Mode
	awaitVerdict []*need // that wait until mode is known
	probing      bool
	sharing      mount.Sharing // where mode is Never
	asker        *need         // that finds it out first
	early        bool          // it has mounted what no manifest referred to yet
	serial       bool          // uploads of one download held each other up: it gets them one at a time
	uploaded     *need         // what a probe can be made with: the first blob that this run uploaded
	small        int           // small uploads on their way, whose success lets the verdict be had

	origins   map[v1.Hash][]string // repositories that had the blob before this run, best known first
	unread    []int                // unchanged images whose manifests nobody has read yet
	seeking   int                  // needs that wait for look-ups, to read those
	reading   bool                 // those of others
	awaitRead []*need
}

func newRegistry(id int) *registry {
	return &registry{id: id, fresh: map[string]bool{}, origins: map[v1.Hash][]string{}}
}

// learn notes what an answer shows of how the registry mounts, and goes on with what waited to know.
func (s *Scheduler) learn(r *registry, e mount.Evidence) {
	before := r.mode
	r.mode = before.After(e)
	r.early = r.early || e == mount.MountedEarly
	if r.mode == before {
		return
	}
	s.tell(Learned{r.id, r.mode.String()})
	if before == mount.Unknown {
		s.verdict(r)
	}
	for _, h := range r.hosts {
		s.advance(h)
	}
}

// probe settles by one request, where somebody waits to know, whether mounts work: a repository has got a blob, so a mount
// from itself must be answered 201.
func (s *Scheduler) probe(r *registry) {
	if r.mode != mount.Unknown || len(r.awaitVerdict) == 0 || r.probing || r.uploaded == nil {
		return
	}
	r.probing = true
	s.begin(Probe{r.uploaded.place()})
}

func (s *Scheduler) probed(n *need, e Started) {
	r := n.host.registry
	r.probing = false
	s.cancel(e.Session)
	switch {
	case s.over:
	case e.Mounted:
		s.learn(r, evidence(true, !n.committed))
	case e.Err == nil:
		s.learn(r, mount.RefusedEarly)
	default: // shows nothing
		s.verdict(r)
	}
}

// evidence is what it shows of a registry that a mount from a repository that has the blob was taken, or not.
func evidence(mounted, early bool) mount.Evidence {
	switch {
	case mounted && early:
		return mount.MountedEarly
	case mounted:
		return mount.Mounted
	case early:
		return mount.RefusedEarly
	}
	return mount.RefusedLate
}

func (r *registry) stopAwaiting(n *need) {
	r.awaitVerdict = slices.DeleteFunc(r.awaitVerdict, func(m *need) bool { return m == n })
}

// addOrigin notes that a repository had the blob before this run.
func (r *registry) addOrigin(digest v1.Hash, repository string) {
	if known := r.origins[digest]; !slices.Contains(known, repository) {
		r.origins[digest] = append(known, repository)
	}
}

// origin names a repository other than own that had the blob before this run, or "".
func (r *registry) origin(digest v1.Hash, own string) string {
	for _, repository := range r.origins[digest] {
		if repository != own {
			return repository
		}
	}
	return ""
}

// hadBlob tells whether a repository itself is known to have had the blob before this run.
func (r *registry) hadBlob(digest v1.Hash, repository string) bool {
	return slices.Contains(r.origins[digest], repository)
}

// forgetOrigin drops an origin that a mount showed to be gone.
func (r *registry) forgetOrigin(digest v1.Hash, repository string) {
	r.origins[digest] = slices.DeleteFunc(r.origins[digest], func(known string) bool { return known == repository })
}
