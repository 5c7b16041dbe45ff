package schedule

import (
	"slices"

	"docker-mirror/go-helper/internal/engine/internal/mount"
)

// blob is the work on one blob: at most one download at a time, for all who need it.
type blob struct {
	Blob
	rank    rank
	sources []Source
	hosts   []*hostBlob // one a registry
	wanted  []*need     // that need bytes, or to find out whether they do
	queued  bool        // for a turn
	turn    *turn       // of those that were wanted, if there is one
	failed  error       // it can't be read
	tried   int         // from so many sources
}

// hostBlob is a blob at one destination registry. The first repository in the order of work leads: it gets the upload, and the others
// mount from it.
type hostBlob struct {
	blob         *blob
	registry     *registry
	needs        []*need
	byRepository map[string]*need // made where there are many
	line         []*need          // that are idle, in the order of work
	leader       *need            // under way
	holders      []*need          // done: others mount from their repositories
}

// blobFor gives the blob's work, made on first use.
func (s *Scheduler) blobFor(im *image, key Blob, position int) *blob {
	b := s.blobs[key]
	if b == nil {
		b = &blob{Blob: key, rank: rank{im.id, position}}
		s.blobs[key] = b
	}
	if !slices.Contains(b.sources, im.source) && len(b.sources) < maxSources {
		b.sources = append(b.sources, im.source)
	}
	return b
}

func (b *blob) host(r *registry) *hostBlob {
	for _, h := range b.hosts {
		if h.registry == r {
			return h
		}
	}
	h := &hostBlob{blob: b, registry: r}
	b.hosts = append(b.hosts, h)
	r.hosts = append(r.hosts, h)
	return h
}

// fewNeeds is up to how many are looked through rather than indexed.
const fewNeeds = 8

// need gives the need of a repository, made on first use.
func (s *Scheduler) need(h *hostBlob, repository string) *need {
	if h.byRepository != nil {
		if n := h.byRepository[repository]; n != nil {
			return n
		}
	} else if i := slices.IndexFunc(h.needs, func(n *need) bool { return n.repository == repository }); i >= 0 {
		return h.needs[i]
	}
	n := &need{id: len(s.needs), host: h, repository: repository}
	s.needs = append(s.needs, n)
	h.needs = append(h.needs, n)
	switch {
	case h.byRepository != nil:
		h.byRepository[repository] = n
	case len(h.needs) > fewNeeds:
		h.byRepository = make(map[string]*need, 2*fewNeeds)
		for _, m := range h.needs {
			h.byRepository[m.repository] = m
		}
	}
	return n
}

func (s *Scheduler) waitInLine(n *need) {
	n.state = needIdle
	if !n.inLine {
		n.inLine = true
		n.host.line = append(n.host.line, n)
	}
}

// advance gives every need that waits in line its next step, as far as it can have one.
func (s *Scheduler) advance(h *hostBlob) {
	if len(h.line) == 0 || s.over {
		return
	}
	line := h.line
	h.line = nil
	for _, n := range line {
		n.inLine = false
		s.step(n)
	}
}

// step gives an idle need its next step, or has it wait in line.
func (s *Scheduler) step(n *need) {
	h := n.host
	if n.inLine {
		return
	}
	if !n.alive() {
		n.state = needDropped
		return
	}
	holder, wait := h.holderFor(n)
	switch {
	case wait:
		s.waitInLine(n)
	case holder != nil:
		n.state = needMounting
		n.early = !holder.committed
		s.ask(n, holder.repository)
	case n.distrust || h.registry.mode == mount.Never && !h.registry.mayShare():
		s.want(n)
	case h.registry.mayShare() && len(h.holders) > 0:
		s.lookShared(n)
	case h.leader == nil:
		h.leader = n
		s.want(n)
	default:
		s.waitInLine(n)
	}
}

// holderFor names the need to mount from, if there is one, or says that n waits for one's commit: of an image that is under way and
// was admitted before all of n's, so that waiting never goes in circles.
func (h *hostBlob) holderFor(n *need) (holder *need, wait bool) {
	switch {
	case h.registry.mode == mount.Never || n.distrust || len(h.holders) == 0:
		return nil, false
	case h.registry.mode != mount.AfterCommit:
		return h.holders[0], false
	}
	for _, m := range h.holders {
		if m.committed {
			return m, false
		}
		wait = wait || m.alive() && m.first() < n.first()
	}
	return nil, wait
}

// want queues a need for bytes.
func (s *Scheduler) want(n *need) {
	b := n.host.blob
	n.state = needWanted
	if b.Size <= smallBlob && !n.counted {
		n.counted = true
		n.host.registry.small++
	}
	b.wanted = append(b.wanted, n)
	s.queue(b)
}

// settle ends a need's work.
func (s *Scheduler) settle(n *need, state needState) {
	n.state = state
	if n.counted {
		n.counted = false
		n.host.registry.small--
	}
	if n.host.leader == n {
		n.host.leader = nil
	}
	s.leaveTurn(n)
	s.giveUpSession(n)
}

func (s *Scheduler) giveUpSession(n *need) {
	s.cancel(n.session)
	n.session, n.offset = nil, 0
}

// drop gives a need up whose images have all ended.
func (s *Scheduler) drop(n *need) {
	s.settle(n, needDropped)
	s.advance(n.host)
}

// done settles a need: its repository has the blob.
func (s *Scheduler) done(n *need, got Got) {
	h := n.host
	got.Place, got.Image, got.Early = n.place(), n.images[0].id, h.registry.early
	s.tell(got)
	s.settle(n, needDone)
	h.holders = append(h.holders, n)
	if s.over {
		return
	}
	for _, im := range n.images[n.head:] {
		if !im.ended {
			im.pending--
			s.writeIfReady(im)
		}
	}
	s.advance(h)
}

// there settles a need that cost no bytes; from is empty, or the repository itself, where the blob was there.
func (s *Scheduler) there(n *need, from string) {
	if from == n.repository {
		from = ""
	}
	n.heard = from == ""
	s.done(n, Got{From: from})
}

// fail gives a need up, and with it all images that wait for it; the next repository takes the lead.
func (s *Scheduler) fail(n *need, err error) {
	s.settle(n, needDropped)
	err = &BlobError{n.host.blob.Digest, err}
	for _, im := range n.images[n.head:] {
		if im.phase == writing && !im.ended { // which may yet be answered well
			im.doomed = err
			continue
		}
		s.endImage(im, Broken, err)
	}
	s.advance(n.host)
}

// lost takes back that a need's repository has the blob.
func (s *Scheduler) lost(n *need) {
	h := n.host
	h.holders = slices.DeleteFunc(h.holders, func(m *need) bool { return m == n })
	n.distrust = true
	for _, im := range n.images[n.head:] {
		if !im.ended {
			im.pending++
			im.resending = true
		}
	}
	s.waitInLine(n)
}

// releaseFollowers lets go of what a failed image held up: repositories that waited for its commit wait for another's, or get their
// blobs by themselves.
func (s *Scheduler) releaseFollowers(im *image) {
	if im.registry.mode != mount.AfterCommit {
		return
	}
	for _, n := range im.needs {
		if n.state == needDone && !n.committed {
			s.advance(n.host)
		}
	}
}
