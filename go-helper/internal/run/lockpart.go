package run

import (
	"errors"

	"docker-mirror/go-helper/internal/plan"
)

// sourcesPart leaves those of the locked images whose sources the session asks.
func (s *session) sourcesPart(all []*lockedSource) []*lockedSource {
	if s.Part.Count == 0 {
		return all
	}
	copies := make([]plan.Copy, len(all))
	for i, a := range all {
		copies[i].Src = a.image.Source // nothing is copied: they are divided by their sources alone
	}
	var mine []*lockedSource
	for _, i := range s.Part.indexes(copies) {
		mine = append(mine, all[i])
	}
	if notice := s.Part.nothing(len(mine), len(all), "locks"); notice != "" {
		s.console.Notice(notice)
	}
	return mine
}

// checkLocking says where a part is asked for of what isn't divided.
func (p Part) checkLocking(l Locking) error {
	if p.Count > 0 && !l.Online {
		return errors.New("--shard goes with --check --online: a lock is made by one process")
	}
	return nil
}
