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

// MaxWaiting is how many bytes of results may wait for other groups before those that are ahead stop reading or, of a
// live sequencer, those that stand still are passed by.
const MaxWaiting = 16 << 20

// Sequencer puts the final results of several groups into one order - end, model,
// version, segment, window length - and hands them on.
type Sequencer struct {
	mu       sync.Mutex
	room     sync.Cond // who is ahead waits for it
	emit     func(r *monitor.Result, line []byte) error
	waiting  []waitingResult
	disorder bool    // the last of them may belong before others
	bytes    int     // of the lines that wait
	progress []int64 // by group: all windows that end at or before are here
	told     []told  // by group
	through  int64   // up to here results were handed on; what is older does not come any more

	lines  bool
	passed func(group int)
}

// told is what a group said of itself last.
type told struct {
	at     time.Time
	still  bool // nothing comes that it could go on with
	passed bool // and the others have gone on without it
}

// waitingResult is one that waits for the other groups. One that was restored, or is kept as a line,
// has of a result only what orders it.
type waitingResult struct {
	*monitor.Result
	line []byte
}

// NewSequencer returns a sequencer of so many groups. An error of emit is returned
// by the call that caused it and ends nothing by itself: the result is emitted again. Of a result that is kept as a line emit
// gets the JSON line as well, and no more of the result than what orders it.
func NewSequencer(groups int, emit func(r *monitor.Result, line []byte) error) *Sequencer {
	s := &Sequencer{emit: emit, progress: make([]int64, groups), told: make([]told, groups), through: window.NoTime}
	s.room.L = &s.mu
	for i := range s.progress {
		s.progress[i] = window.NoTime
	}
	return s
}

// KeepLines makes what waits be kept as JSON lines; it comes first. With passed, the sequencer is live: it goes on without
// groups that stand still once MaxWaiting is reached, and tells passed of each. Their results begin again
// behind those that were handed on meanwhile.
func (s *Sequencer) KeepLines(passed func(group int)) { s.lines, s.passed = true, passed }

func (s *Sequencer) add(results []*monitor.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range results {
		if r.End.UnixNano() > s.through {
			n := len(s.waiting)
			s.disorder = s.disorder || n > 0 && monitor.CompareResults(s.waiting[n-1].Result, r) > 0
			s.waiting = append(s.waiting, waitingResult{Result: r})
		}
	}
}

// advance says that all windows of the group that end at or before the frontier are there, and whether it
// stands still.
func (s *Sequencer) advance(group int, frontier int64, still bool, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.room.Broadcast()
	s.progress[group] = max(s.progress[group], frontier)
	t := &s.told[group]
	*t = told{now, still, t.passed && still}
	through := s.limit(now)
	if through != window.EndOfTime {
		s.through = max(s.through, through)
	}
	if len(s.waiting) == 0 {
		return nil
	}
	if s.disorder {
		s.disorder = false
		slices.SortStableFunc(s.waiting, func(a, b waitingResult) int { return monitor.CompareResults(a.Result, b.Result) })
	}
	n := 0
	var err error
	for err == nil && n < len(s.waiting) && s.waiting[n].End.UnixNano() <= through {
		w := s.waiting[n]
		if err = s.emit(w.Result, w.line); err == nil {
			s.through = max(s.through, w.End.UnixNano())
			s.bytes -= len(w.line)
			n++
		}
	}
	s.waiting = slices.Delete(s.waiting, 0, n)
	s.keep()
	return err
}

// keep makes lines of what has to wait.
func (s *Sequencer) keep() {
	for i := range s.waiting {
		if w := &s.waiting[i]; s.lines && w.line == nil {
			w.line = w.AppendJSON(nil)
			w.Result = &monitor.Result{End: w.End, Length: w.Length, Model: w.Model, Version: w.Version, Segment: w.Segment}
			s.bytes += len(w.line)
		}
	}
}

// limit returns up to which end results are handed on: as far as all groups are, or, when too much waits, as far as
// those are that do not stand still.
func (s *Sequencer) limit(now time.Time) int64 {
	all := slices.Min(s.progress)
	if s.passed == nil || s.bytes <= MaxWaiting {
		return all
	}
	through := int64(window.EndOfTime)
	for i, p := range s.progress {
		if !s.still(i, now) {
			through = min(through, p)
		}
	}
	if through == window.EndOfTime { // nobody goes on
		return all
	}
	for i, p := range s.progress {
		if t := &s.told[i]; p < through && !t.passed {
			t.passed = true
			s.passed(i)
		}
	}
	return through
}

// still reports whether a group stands still, or has said nothing for long.
func (s *Sequencer) still(group int, now time.Time) bool {
	t := &s.told[group]
	return t.still || now.Sub(t.at) > idleAfter
}

// wait blocks while too much waits and the group is ahead of one that goes on, until stop returns true.
func (s *Sequencer) wait(group int, stop func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.bytes > MaxWaiting && s.ahead(group, time.Now()) && !stop() {
		timer := time.AfterFunc(time.Second, s.wake) // a group may stand still without a word
		s.room.Wait()
		timer.Stop()
	}
}

func (s *Sequencer) ahead(group int, now time.Time) bool {
	for i, p := range s.progress {
		if p < s.progress[group] && (s.passed == nil || !s.still(i, now)) {
			return true
		}
	}
	return false
}

// wake lets those that wait look again.
func (s *Sequencer) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room.Broadcast()
}

// sequencerVersion is the version of a sequencer's binary form, its first byte. Version 1 did not say up to where
// results were handed on.
const sequencerVersion = 2

// sequencerCut is a sequencer at one moment.
type sequencerCut struct {
	through int64
	waiting []waitingResult
}

// cut notes what waits. It is cheap, since what is in it does not change.
func (s *Sequencer) cut() *sequencerCut { return &sequencerCut{s.through, slices.Clone(s.waiting)} }

// appendBinary appends the results that wait.
func (s *sequencerCut) appendBinary(b []byte) []byte {
	b = binary.AppendVarint(append(b, sequencerVersion), s.through)
	b = binary.AppendUvarint(b, uint64(len(s.waiting)))
	for _, w := range s.waiting {
		for _, t := range [...]int64{w.End.UnixNano(), w.Length} {
			b = binary.AppendVarint(b, t)
		}
		for _, text := range [...]string{w.Model, w.Version, w.Segment} {
			b = sketch.AppendText(b, text)
		}
		line := w.line
		if line == nil {
			line = w.AppendJSON(nil)
		}
		b = append(binary.AppendUvarint(b, uint64(len(line))), line...)
	}
	return b
}

// restore reads what appendBinary wrote, of the models that keep says. With anew, results are handed on wherever they are.
func (s *Sequencer) restore(b []byte, anew bool, keep func(model string) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := sketch.NewDecoder(b)
	if d.BeginUpTo(sequencerVersion) > 1 {
		if through := d.Varint(); !anew {
			s.through = through
		}
	}
	for range d.Length(6) {
		r := &monitor.Result{End: time.Unix(0, d.Varint()).UTC(), Length: d.Varint()}
		r.Model, r.Version, r.Segment = d.Text(), d.Text(), d.Text()
		if w := (waitingResult{r, []byte(d.Text())}); keep(r.Model) {
			s.waiting, s.bytes = append(s.waiting, w), s.bytes+len(w.line)
		}
	}
	_, err := d.End("results")
	return err
}
