package run

import "docker-mirror/go-helper/internal/report"

// openJournal begins the journal of the report with what needs no engine. A run goes on without one: it is for those that are killed.
func (s *session) openJournal(entries []*entry) {
	if s.Report == "" {
		return
	}
	journal, err := s.report.NewJournal(s.Report, len(s.report.Copies)+len(entries))
	if err != nil {
		s.console.Warn("the report has no journal, which it needs only if the run is killed: " + err.Error())
		return
	}
	s.journal = journal
	for c := range s.report.All() {
		s.note(c)
	}
	for _, e := range entries {
		if e.settled() {
			s.note(&e.copy)
		}
	}
}

// note adds a copy that has ended to the journal.
func (s *session) note(c *report.Copy) {
	if s.journal == nil {
		return
	}
	if err := s.journal.Add(c); err != nil {
		s.console.Warn("the report's journal ends here: " + err.Error())
		s.closeJournal()
	}
}

func (s *session) closeJournal() {
	if s.journal != nil {
		_ = s.journal.Close() // what it has is in the report as well
		s.journal = nil
	}
}
