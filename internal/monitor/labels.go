package monitor

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/join"
	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/window"
)

// labels pairs a lane's predictions with their labels. What it has sealed is a function of the two logs, each in its
// order, whatever their interleaving: a pane of labels is paired when neither of them can add to it any more.
type labels struct {
	group  *Group         // Group.Labels of the shard's
	tables []*join.Table  // by model; nil: no labels come
	frozen []*join.Frozen // the same in a copy that does not change
	stored [][]byte       // the same as it was saved, until RestorePending
	open   window.Open[Pane]
	sealed []SealedPane
	end    int64   // panes before are sealed
	ended  [2]bool // by event.Kind: nothing comes any more
	work   int     // sealWork, but in tests

	counts     []LabelStatus // by model
	prediction eval.Prediction
	label      eval.Label
	key, bytes []byte
}

// places are the series of a prediction in panes of one group.
type places struct {
	group   *Group
	version string
	series  []int
}

// LabelStatus is the account of a model's labels, and of the predictions that wait for theirs.
type LabelStatus struct {
	// Matched labels, of which Early ones are before their prediction. Unmatched ones have no prediction, Duplicate and
	// Conflict are later labels of one that was matched: the same, and another one. Useless ones do not say what
	// the task needs.
	Matched, Early, Unmatched, Duplicate, Conflict, Useless uint64
	// Expired predictions have had no label in time; Evicted ones were given up for lack of room.
	Expired, Evicted uint64
	// Compared are those of the matched ones that have an answer which the task can compare, of which Mispredicted ones were wrong; the errors
	// of a regression are summed up, to the largest finite number at most.
	Compared, Mispredicted      uint64
	AbsoluteError, SquaredError float64
	// Pending predictions wait for their labels, Waiting labels for their time.
	Pending, Waiting uint64
}

func newLabels(g *Group) *labels {
	own := g.Labels()
	if own == nil {
		return nil
	}
	l := &labels{
		group: own, tables: make([]*join.Table, len(g.Models)), counts: make([]LabelStatus, len(g.Models)), stored: make([][]byte, len(g.Models)),
		open: window.NewOpen[Pane](g.Pane), end: window.NoTime, work: sealWork,
	}
	for i, m := range own.Models {
		if p := m.config.Performance; p != nil {
			l.tables[i] = join.New(joinConfig(g, p))
		}
	}
	return l
}

func joinConfig(g *Group, p *Performance) join.Config {
	return join.Config{Pane: g.Pane, Lateness: g.Lateness, Timeout: p.Timeout, MaxRows: p.MaxPending}
}

// predict makes an accepted prediction of the version, which did not fail, wait for its label.
func (l *labels) predict(ev *event.Event, m *Model, version string, answer *eval.Prediction) {
	t := l.tables[ev.Model]
	if t == nil || len(ev.ID) == 0 {
		return
	}
	l.key = appendKey(l.key[:0], ev, m, version)
	l.bytes = m.config.Performance.Spec.AppendPrediction(l.bytes[:0], answer)
	t.Predict(sketch.HashText(ev.ID), ev.Time, l.key, l.bytes)
}

// await makes a label wait until its pane is sealed.
func (l *labels) await(ev *event.Event, m *Model) {
	t := l.tables[ev.Model]
	if t == nil {
		return
	}
	p := m.config.Performance
	if !p.truth(ev, &l.label) {
		l.counts[ev.Model].Useless++
		return
	}
	l.bytes = p.Spec.AppendLabel(l.bytes[:0], &l.label)
	t.Await(sketch.HashText(ev.ID), ev.Time, l.bytes)
}

// appendKey appends what names the series of an event: the version, and its segments, which other groups may know by
// other numbers.
func appendKey(b []byte, ev *event.Event, m *Model, version string) []byte {
	b = binary.AppendUvarint(sketch.AppendText(b, version), uint64(len(m.Segmentations)))
	for i := range m.Segmentations {
		series, _ := m.segment(i, ev)
		b = sketch.AppendText(b, m.segments[series])
	}
	return b
}

// reach returns the end of the panes of labels that can be sealed, or window.NoTime: predictions up to the allowed
// lateness after it are there.
func (s *Shard) reach() int64 {
	w := &s.watermarks[event.Label]
	if w.Largest() == window.NoTime {
		return window.NoTime
	}
	pane := s.group.Pane
	end := window.Floor(w.Time(), pane)
	if s.labels.ended[event.Label] {
		end = window.Floor(w.Largest(), pane) + pane
	}
	if !s.labels.ended[event.Prediction] {
		f := s.Frontier()
		if f == window.NoTime {
			return f
		}
		end = min(end, window.Floor(f-s.group.Lateness, pane))
	}
	return end
}

// sealWork is about how many labels and predictions are judged at a time, so that nobody waits long for the lane after a gap: some
// milliseconds of work.
const sealWork = 10_000

// sealLabels pairs and seals what can be, or of much the next panes; it goes on when it is called again. Where panes end
// is all that matters, and not when they are sealed.
func (s *Shard) sealLabels() {
	if s.labels != nil {
		s.labels.seal(s.reach(), s.labels.work)
	}
}

// seal seals the panes before end, until it has judged so much.
func (l *labels) seal(end int64, most int) {
	if l.end >= end {
		return
	}
	before := l.kept()
	for panes := 0; l.end < end; panes++ {
		if panes > most/10 || before-l.kept() >= most {
			return
		}
		to := l.nextEnd(end)
		for i, t := range l.tables {
			if t != nil {
				t.Seal(to, &folder{l, i, &l.open, l.group, &l.counts[i]})
			}
		}
		l.sealed = append(l.sealed, l.open.Seal(to)...)
		l.end = to
	}
}

// nextEnd returns the end of the first pane with something to judge, or end if that is not later.
func (l *labels) nextEnd(end int64) int64 {
	next := end - l.group.Pane
	for _, t := range l.tables {
		if t != nil {
			next = min(next, t.Next())
		}
	}
	return max(next, l.end) + l.group.Pane
}

// kept returns how many predictions and labels there are.
func (l *labels) kept() (n int) {
	for _, t := range l.tables {
		if t != nil {
			waiting, _ := t.Waiting()
			n += t.Rows() + waiting
		}
	}
	return n
}

// WaitingLabelBytes is how much the labels of a lane may take that wait until the predictions have come as far, before the next
// must wait.
const WaitingLabelBytes = 4 << 20

// LabelsApart says that labels come in an order of their own, so that they may wait for the predictions.
func (s *Shard) LabelsApart() { s.apart = true }

// LabelsHeld reports whether the next label must wait: too many do, and more predictions would help.
func (s *Shard) LabelsHeld() bool {
	l := s.labels
	if l == nil || !s.apart || l.ended[event.Prediction] || window.Floor(s.Watermark(event.Label), s.group.Pane) <= l.end || s.reach() > l.end {
		return false
	}
	sum := 0
	for _, t := range l.tables {
		if t != nil {
			_, bytes := t.Waiting()
			sum += bytes
		}
	}
	return sum > WaitingLabelBytes
}

// EndOf says that no event of a kind comes any more. It is for results only: what the shard is then must not be saved.
func (s *Shard) EndOf(k event.Kind) {
	if s.labels != nil {
		s.labels.ended[k] = true
		s.labels.seal(s.reach(), math.MaxInt)
	}
}

// GoOn takes back that no predictions come any more.
func (s *Shard) GoOn() {
	if s.labels != nil {
		s.labels.ended[event.Prediction] = false
	}
}

// LabelFrontier returns the end of the last pane of labels that is sealed, or window.NoTime; window.EndOfTime if there will
// be no more.
func (s *Shard) LabelFrontier() int64 {
	l := s.labels
	if l == nil {
		return window.EndOfTime
	}
	if last := s.watermarks[event.Label].Largest(); l.ended[event.Label] && (last == window.NoTime || l.end > last) {
		return window.EndOfTime
	}
	return l.end
}

// TakeSealedLabels returns the panes of labels that were sealed since the last call, in order.
func (s *Shard) TakeSealedLabels() []SealedPane {
	if s.labels == nil {
		return nil
	}
	s.sealLabels() // if more could be than at once
	sealed := s.labels.sealed
	s.labels.sealed = nil
	return sealed
}

// PreviewLabels returns panes of the labels that wait, as far as they have their predictions, which start before the
// given time. Nothing changes.
func (s *Shard) PreviewLabels(before int64) []SealedPane {
	l := s.labels
	if l == nil {
		return nil
	}
	open := window.NewOpen[Pane](s.group.Pane)
	for i, t := range l.tables {
		if t != nil {
			t.Preview(before, &folder{l, i, &open, l.group, &LabelStatus{}})
		}
	}
	return open.Seal(window.EndOfTime)
}

// Labels returns the account of each model's labels, nil where none come.
func (s *Shard) Labels() []*LabelStatus {
	out := make([]*LabelStatus, len(s.group.Models))
	if s.labels == nil {
		return out
	}
	for i, t := range s.labels.tables {
		if t == nil {
			continue
		}
		c := s.labels.counts[i]
		if s.labels.stored[i] == nil { // else the table is still to be read
			waiting, _ := t.Waiting()
			c.Pending, c.Waiting, c.Evicted = uint64(t.Pending()), uint64(waiting), t.Evicted()
		}
		out[i] = &c
	}
	return out
}

// folder folds what a table has paired into panes.
type folder struct {
	l      *labels
	model  int
	open   *window.Open[Pane]
	group  *Group
	counts *LabelStatus
}

// each calls fold for all series of a prediction in the pane of a time.
func (f *folder) each(key *join.Key, at int64, fold func(s *series)) {
	pane := f.open.Find(at)
	if pane == nil {
		pane = newPane(f.group.At(window.Floor(at, f.group.Pane)))
		f.open.Add(at, pane)
	}
	m := pane.group.Models[f.model]
	p := f.places(key, pane.group)
	v := pane.version(f.model, p.version)
	for _, i := range p.series {
		s := pane.at(v, m, i)
		if s.labelled == nil {
			s.labelled = newLabelled(&m.config.Performance.Spec)
		}
		fold(s)
	}
}

// places returns where the series of a key are in a group.
func (f *folder) places(key *join.Key, g *Group) *places {
	if p, ok := key.Note.(*places); ok && p.group == g {
		return p
	}
	p := g.Models[f.model].places(key.Name, g)
	key.Note = p
	return p
}

// places reads what appendKey wrote: a segment whose value the model does not know belongs to Other, and one of a field that the
// model is not cut by any more is left out.
func (m *Model) places(key []byte, g *Group) *places {
	d := sketch.NewDecoder(key)
	p := &places{group: g, version: d.Text(), series: []int{0}}
	for range d.Length(1) {
		if i := m.findSegment(d.Text()); i > 0 && !slices.Contains(p.series, i) {
			p.series = append(p.series, i)
		}
	}
	return p
}

// findSegment returns the series of a segment's name, that of Other if its value is not known; -1 if there is neither.
func (m *Model) findSegment(name string) int {
	if i := slices.Index(m.segments, name); i >= 0 {
		return i
	}
	for i, s := range m.Segmentations {
		if strings.HasPrefix(name, s.Name+"=") {
			return m.lookup[i][event.Other]
		}
	}
	return -1
}

// Matched counts a label of a prediction, and the answer.
func (f *folder) Matched(p *join.Pair) {
	spec := &f.group.Models[f.model].config.Performance.Spec
	if !spec.ReadPrediction(p.Prediction, &f.l.prediction) || !spec.ReadLabel(p.Label, &f.l.label) {
		return // of no spec that there was
	}
	delay := float64(p.Labelled-p.Predicted) / float64(time.Second)
	f.counts.Matched++
	if delay < 0 {
		f.counts.Early++
	}
	f.counts.add(spec, &f.l.prediction, &f.l.label)
	f.each(p.Key, p.Labelled, func(s *series) {
		s.events++
		l := s.labelled
		l.matched++
		if delay < 0 {
			l.early++
		}
		l.delay.Add(max(delay, 0))
		l.tally.Add(&f.l.prediction, &f.l.label)
	})
}

// Repeated counts another label of a prediction.
func (f *folder) Repeated(p *join.Pair, conflict bool) {
	if conflict {
		f.counts.Conflict++
	} else {
		f.counts.Duplicate++
	}
	f.each(p.Key, p.Labelled, func(s *series) {
		if conflict {
			s.labelled.conflict++
		} else {
			s.labelled.duplicate++
		}
	})
}

// Unmatched counts a label without prediction: nobody knows which series it is of.
func (f *folder) Unmatched(int64) { f.counts.Unmatched++ }

// Expired counts a prediction without label.
func (f *folder) Expired(key *join.Key, at int64) {
	f.counts.Expired++
	f.each(key, at, func(s *series) {
		s.events++
		s.labelled.expired++
	})
}

// add counts a matched answer.
func (c *LabelStatus) add(spec *eval.Spec, p *eval.Prediction, l *eval.Label) {
	switch spec.Task {
	case eval.Regression:
		e := math.Abs(p.Value - l.Value)
		if math.IsNaN(e) || math.IsInf(e, 0) {
			return
		}
		c.Compared++
		c.AbsoluteError = min(c.AbsoluteError+e, math.MaxFloat64)
		c.SquaredError = min(c.SquaredError+e*e, math.MaxFloat64)
	case eval.Ranking:
		c.Compared++
	default:
		right, known := spec.Right(p, l)
		if !known {
			return
		}
		c.Compared++
		if !right {
			c.Mispredicted++
		}
	}
}

// Add adds what another lane has.
func (c *LabelStatus) Add(o *LabelStatus) {
	from := o.sums()
	for i, n := range c.sums() {
		*n += *from[i]
	}
	c.AbsoluteError = min(c.AbsoluteError+o.AbsoluteError, math.MaxFloat64)
	c.SquaredError = min(c.SquaredError+o.SquaredError, math.MaxFloat64)
	c.Pending += o.Pending
	c.Waiting += o.Waiting
}

// Subtract takes away what an earlier account of the same lane had; what is pending and what waits stay.
func (c *LabelStatus) Subtract(o *LabelStatus) {
	from := o.sums()
	for i, n := range c.sums() {
		*n -= *from[i]
	}
	c.AbsoluteError -= o.AbsoluteError
	c.SquaredError -= o.SquaredError
}
