package pipeline

import (
	"slices"
	"sync"

	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/window"
)

// Sequencer puts the final results of several groups into one order - end, model,
// version, segment, window length - and hands them on.
type Sequencer struct {
	mu       sync.Mutex
	emit     func(*monitor.Result) error
	waiting  []*monitor.Result
	progress []int64 // by group: all windows that end at or before are here
	stopped  bool
}

// stop ends all results: one group has given up, and the order waits for each.
func (s *Sequencer) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped, s.waiting = true, nil
}

// NewSequencer returns a sequencer of so many groups. An error of emit is returned
// by the call that caused it and ends nothing by itself.
func NewSequencer(groups int, emit func(*monitor.Result) error) *Sequencer {
	s := &Sequencer{emit: emit, progress: make([]int64, groups)}
	for i := range s.progress {
		s.progress[i] = window.NoTime
	}
	return s
}

func (s *Sequencer) add(results []*monitor.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.waiting = append(s.waiting, results...)
	}
}

func (s *Sequencer) advance(group int, frontier int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.progress[group] = frontier
	if len(s.waiting) == 0 {
		return nil
	}
	through := slices.Min(s.progress)
	if len(s.progress) > 1 {
		slices.SortStableFunc(s.waiting, monitor.CompareResults)
	}
	n := 0
	for ; n < len(s.waiting) && s.waiting[n].End.UnixNano() <= through; n++ {
		if err := s.emit(s.waiting[n]); err != nil {
			return err
		}
	}
	s.waiting = slices.Delete(s.waiting, 0, n)
	return nil
}
