package pipeline

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/window"
)

// Sequencer puts the final results of several groups into one order - end, model,
// version, segment, window length - and hands them on.
type Sequencer struct {
	mu       sync.Mutex
	emit     func(r *monitor.Result, line []byte) error
	waiting  []waitingResult
	progress []int64 // by group: all windows that end at or before are here
	stopped  bool
}

// waitingResult is one that waits for the other groups. One that was restored is a line, and
// has of a result only what orders it.
type waitingResult struct {
	*monitor.Result
	line []byte
}

// stop ends all results: one group has given up, and the order waits for each.
func (s *Sequencer) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped, s.waiting = true, nil
}

// NewSequencer returns a sequencer of so many groups. An error of emit is returned
// by the call that caused it and ends nothing by itself: the result is emitted again. Of a result that was restored emit gets the
// JSON line as well, and no more of the result than what orders it.
func NewSequencer(groups int, emit func(r *monitor.Result, line []byte) error) *Sequencer {
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
		for _, r := range results {
			s.waiting = append(s.waiting, waitingResult{Result: r})
		}
	}
}

func (s *Sequencer) advance(group int, frontier int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.progress[group] = max(s.progress[group], frontier)
	if len(s.waiting) == 0 {
		return nil
	}
	through := slices.Min(s.progress)
	if len(s.progress) > 1 {
		slices.SortStableFunc(s.waiting, func(a, b waitingResult) int { return monitor.CompareResults(a.Result, b.Result) })
	}
	n := 0
	var err error
	for err == nil && n < len(s.waiting) && s.waiting[n].End.UnixNano() <= through {
		if err = s.emit(s.waiting[n].Result, s.waiting[n].line); err == nil {
			n++
		}
	}
	s.waiting = slices.Delete(s.waiting, 0, n)
	return err
}

// sequencerVersion is the version of a sequencer's binary form, its first byte.
const sequencerVersion = 1

// appendBinary appends the results that wait.
func (s *Sequencer) appendBinary(b []byte) []byte {
	b = binary.AppendUvarint(append(b, sequencerVersion), uint64(len(s.waiting)))
	for _, w := range s.waiting {
		for _, t := range [...]int64{w.End.UnixNano(), w.Length} {
			b = binary.AppendVarint(b, t)
		}
		for _, text := range [...]string{w.Model, w.Version, w.Segment} {
			b = sketch.AppendText(b, text)
		}
		if w.line == nil {
			w.line = w.AppendJSON(nil)
		}
		b = sketch.AppendText(b, string(w.line))
	}
	return b
}

// restore reads what appendBinary wrote, of the models that keep says.
func (s *Sequencer) restore(b []byte, keep func(model string) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := sketch.NewDecoder(b)
	d.Begin(sequencerVersion)
	for range d.Length(6) {
		r := &monitor.Result{End: time.Unix(0, d.Varint()).UTC(), Length: d.Varint()}
		r.Model, r.Version, r.Segment = d.Text(), d.Text(), d.Text()
		if line := []byte(d.Text()); keep(r.Model) {
			s.waiting = append(s.waiting, waitingResult{r, line})
		}
	}
	_, err := d.End("results")
	return err
}
