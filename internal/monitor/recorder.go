package monitor

import (
	"math"
	"slices"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/window"
)

// Bounds of the history.
const (
	// HistoryPoints is how many points a track keeps at least.
	HistoryPoints = 500
	// HistoryVersions is of how many versions of a model at a time there are tracks: the old one, the new one, and the others as one.
	HistoryVersions = budgetVersions
	// HistorySegmentBytes is what the tracks of all segments of a group take at most, and those of its labels once more.
	HistorySegmentBytes = 32 << 20

	chunkRows = 64
	// trackRows is how many points a track has room for at most.
	trackRows = HistoryPoints + 2*chunkRows
	// rowBytes is what a point takes beside its values.
	rowBytes = 8 + 8 + 1
)

// historyQuantiles are those that points have.
var historyQuantiles = map[string]bool{"0.05": true, "0.5": true, "0.95": true}

// Recorder makes the history of a view. One goroutine at a time uses it.
type Recorder struct {
	labels bool
	tracks map[trackKey]*recorded
	// segments is what the tracks of segments take once they are full.
	segments int64
	left     map[int64]int // by length: how many results had no track at the last slide
	made     *History      // nil if it is not the newest

	from       map[int64]int64 // by slide: ends before are not wanted
	behind     int64           // the time, if what comes next is a backlog; else window.NoTime
	incomplete bool
	row        []float32
	missing    []Column
	fresh      []float32 // values of missing
}

type trackKey struct {
	model, version, segment string
	length                  int64
}

// recorded is a track that is being made.
type recorded struct {
	Track
	made *Track // a copy for readers; nil if it is not the newest
}

// NewRecorder returns a recorder without points; labels is set for that of a group's Labels.
func NewRecorder(labels bool) *Recorder {
	return &Recorder{labels: labels, tracks: map[trackKey]*recorded{}, left: map[int64]int{}, from: map[int64]int64{}}
}

// Record makes the view tell the recorder of its windows at their slides.
func (v *View) Record(r *Recorder) { v.recorder = r }

// In a backlog each slide of the last recentSlides is recorded, and of those before one of sparseSlides: each costs as much as a publication,
// and nobody waits for what was not published in time.
const (
	recentSlides = 60
	sparseSlides = 6
)

// Expect says what comes next: with all every slide is recorded, else it is a backlog, of which those are whose points are still there at the given time, the
// older ones sparsely, and what is shown. With incomplete windows do not hold all that they should.
func (r *Recorder) Expect(now int64, all, incomplete bool, slides []int64) {
	r.incomplete, r.behind = incomplete, window.NoTime
	if !all {
		r.behind = now
	}
	for _, slide := range slides {
		r.from[slide] = window.NoTime
		if !all {
			r.from[slide] = now - HistoryPoints*slide
		}
	}
}

// wants reports whether a window that ends at end, and slides by so much, is to be recorded though it is not shown.
func (r *Recorder) wants(slide, end int64) bool {
	if r == nil {
		return false
	}
	from, ok := r.from[slide]
	sparse := r.behind != window.NoTime && end < r.behind-recentSlides*slide && end%(sparseSlides*slide) != 0
	return ok && end >= from && !sparse
}

// Add records results of windows of one length. Those that end within a slide, or that are no newer than what there is, are left out.
func (r *Recorder) Add(results []*Result, slide int64) {
	if len(results) == 0 || results[0].End.UnixNano()%slide != 0 {
		return
	}
	length, left := results[0].Length, 0
	r.forget(length, results[0].End.UnixNano()-trackRows*slide)
	for _, x := range results {
		if !r.put(x, slide) {
			left++
		}
	}
	if left != r.left[length] {
		r.left[length], r.made = left, nil
	}
}

// put records a result; it returns false if there is no room for it.
func (r *Recorder) put(x *Result, slide int64) bool {
	end := x.End.UnixNano()
	k := trackKey{x.Model, x.Version, x.Segment, x.Length}
	t := r.tracks[k]
	if t == nil {
		if !r.room(k, end) {
			return false
		}
		t = &recorded{Track: Track{Model: x.Model, Version: x.Version, Segment: x.Segment, Window: x.Window, Length: x.Length, Slide: slide, Labels: r.labels}}
		r.tracks[k] = t
	}
	if t.Len() > 0 && end <= t.Last().UnixNano() {
		return true
	}
	t.Window = x.Window
	before := t.bytes()
	r.append(t, x, end)
	t.made, r.made = nil, nil
	if x.Segment != "" {
		if r.segments += t.bytes() - before; r.segments > HistorySegmentBytes {
			r.drop(k)
			return false
		}
	}
	return true
}

// forget drops the tracks of a window length that have had no point since.
func (r *Recorder) forget(length, since int64) {
	for k, t := range r.tracks {
		if k.length == length && t.Last().UnixNano() < since {
			r.drop(k)
		}
	}
}

func (r *Recorder) drop(k trackKey) {
	if k.segment != "" {
		r.segments -= r.tracks[k].bytes()
	}
	delete(r.tracks, k)
	r.made = nil
}

// room reports whether there is room for a track, and makes it: for a new version in the place of the one that was last seen the
// longest ago. A segment has room if all traffic of its version has a track, and its own would not be too much as wide as that.
func (r *Recorder) room(k trackKey, end int64) bool {
	if k.segment != "" {
		all := r.tracks[trackKey{k.model, k.version, "", k.length}]
		return all != nil && r.segments+all.bytes() <= HistorySegmentBytes
	}
	var oldest *recorded
	versions := 0
	for o, t := range r.tracks {
		if o.model != k.model || o.length != k.length || o.segment != "" {
			continue
		}
		versions++
		if oldest == nil || t.Last().Before(oldest.Last()) || t.Last().Equal(oldest.Last()) && t.Version < oldest.Version {
			oldest = t
		}
	}
	if versions < HistoryVersions {
		return true
	}
	if oldest.Last().UnixNano() >= end-oldest.Slide {
		return false
	}
	for o := range r.tracks {
		if o.model == k.model && o.length == k.length && o.version == oldest.Version {
			r.drop(o)
		}
	}
	return true
}

// bytes returns what the track takes once it is full.
func (t *recorded) bytes() int64 {
	if len(t.chunks) == 0 {
		return 0
	}
	width := 0
	for i := range t.chunks {
		width = max(width, len(t.chunks[i].layout.columns))
	}
	return trackBytes(int64(width))
}

// trackBytes returns what a full track of so many columns takes.
func trackBytes(columns int64) int64 { return trackRows * (4*columns + rowBytes) }

// append appends a point.
func (r *Recorder) append(t *recorded, x *Result, end int64) {
	var last *chunk
	if n := len(t.chunks); n > 0 {
		last = &t.chunks[n-1]
		if len(last.ends) >= chunkRows {
			last = t.begin(last.used(), chunkRows)
		}
	} else {
		last = t.begin(nil, 4)
	}
	r.fill(last.layout, x)
	if len(r.missing) > 0 {
		columns := append(append(make([]Column, 0, len(last.layout.columns)+len(r.missing)), last.layout.columns...), r.missing...)
		if len(last.ends) == 0 {
			t.chunks = t.chunks[:len(t.chunks)-1]
		}
		last = t.begin(columns, 4)
		r.row = append(r.row, r.fresh...)
	}
	events, complete := x.Events, x.Complete
	if r.labels {
		events = x.Performance.Matched
	}
	last.ends, last.events = append(last.ends, end), append(last.events, events)
	last.complete = append(last.complete, complete && !r.incomplete)
	last.values = append(last.values, r.row...)
	t.trim()
}

// trim drops the oldest chunks that are beyond the points that a track keeps.
func (t *recorded) trim() {
	for n := t.Len(); n-len(t.chunks[0].ends) >= HistoryPoints; n = t.Len() {
		t.chunks = append([]chunk(nil), t.chunks[1:]...) // readers have the old slice
	}
}

// begin begins a chunk with room for so many points at first.
func (t *recorded) begin(columns []Column, rows int) *chunk {
	var l *layout
	if n := len(t.chunks); n > 0 && slices.Equal(t.chunks[n-1].layout.columns, columns) {
		l = t.chunks[n-1].layout
	} else {
		l = newLayout(columns)
	}
	t.chunks = append(t.chunks[:len(t.chunks):len(t.chunks)], chunk{
		layout: l, ends: make([]int64, 0, rows), events: make([]uint64, 0, rows), complete: make([]bool, 0, rows),
		values: make([]float32, 0, rows*len(columns)),
	})
	return &t.chunks[len(t.chunks)-1]
}

// fill makes row the values of a result in the columns of a layout, and missing and fresh those that it does not have.
func (r *Recorder) fill(l *layout, x *Result) {
	r.row, r.missing, r.fresh = r.row[:0], r.missing[:0], r.fresh[:0]
	for range l.columns {
		r.row = append(r.row, float32(math.NaN()))
	}
	next := 0
	put := func(feature, figure, at string, f Figure) {
		if f.IsZero() {
			return
		}
		c := Column{feature, figure, at}
		if next >= len(l.columns) || l.columns[next] != c {
			i, ok := l.index[c]
			if !ok {
				r.missing, r.fresh = append(r.missing, c), append(r.fresh, float32(f))
				return
			}
			next = i
		}
		r.row[next] = float32(f)
		next++
	}
	if r.labels {
		x.Performance.visit(put)
		visitChanges(x, put)
		return
	}
	x.visit(put)
}

// visit calls put with all numbers of the result that a history has, but for those of labels.
func (r *Result) visit(put func(feature, figure, at string, f Figure)) {
	put("", "requests_per_second", "", r.Service.RequestsPerSecond)
	put("", "error_ratio", "", r.Service.ErrorRatio)
	for _, q := range r.Service.Latency {
		put("", "latency_seconds", q.Q, q.Value)
	}
	if r.Judged > 0 {
		put("", "drifted_features", "", Figure(r.Drifted))
		put("", "drifted_importance_ratio", "", r.DriftedImportance)
	}
	visitChanges(r, put)
	for _, k := range r.KPIs {
		put("", "kpi", k.Name, Figure(k.Value))
	}
	if r.Performance != nil {
		visitFigures(r.Performance.Estimated, put)
	}
	for i := range r.Features {
		r.Features[i].visit(put)
	}
}

func visitChanges(r *Result, put func(feature, figure, at string, f Figure)) {
	for i := range r.Changes {
		c := &r.Changes[i]
		for k := range c.Detectors {
			d := &c.Detectors[k]
			if value, ok := stateValues[d.State]; ok {
				put(c.Feature, "change_state", c.Figure+" "+d.Detector, Figure(value))
			}
		}
	}
}

func (f *FeatureResult) visit(put func(feature, figure, at string, x Figure)) {
	if value, ok := stateValues[f.State]; ok {
		put(f.Name, "state", "", Figure(value))
	}
	put(f.Name, "mean", "", f.Mean)
	for _, q := range f.Quantiles {
		if historyQuantiles[q.Q] {
			put(f.Name, "quantile", q.Q, q.Value)
		}
	}
	ratio := func(name string, n, of uint64) {
		if of > 0 {
			put(f.Name, name, "", Figure(float64(n)/float64(of)))
		}
	}
	all := f.Count + f.Missing + f.Invalid
	ratio("missing_ratio", f.Missing, all)
	ratio("invalid_ratio", f.Invalid, all)
	if compared := f.Count - f.Unmatched; f.HasReference && f.Type == "numeric" {
		ratio("out_of_range_ratio", f.OutOfRange, compared)
	} else if f.HasReference {
		ratio("unseen_ratio", f.Unseen, compared)
	}
	for i := range f.Drift {
		d := &f.Drift[i]
		put(f.Name, d.Statistic, "", d.Value)
		put(f.Name, "threshold", d.Statistic, d.Threshold)
	}
}

// visit calls put with the numbers that labels give.
func (p *PerformanceResult) visit(put func(feature, figure, at string, f Figure)) {
	if value, ok := stateValues[asDrift[p.State]]; ok {
		put("", "state", "", Figure(value))
	}
	put("", "threshold", "", p.Threshold)
	put("", "matched_ratio", "", p.MatchedRatio)
	for _, q := range p.Delay {
		put("", "label_delay_seconds", q.Q, q.Value)
	}
	visitFigures(p.Figures, put)
	for i := range p.Figures {
		if f := &p.Figures[i]; f.Name == p.DecidedBy && f.At == p.DecidedAt {
			put("", f.Name, f.At, Figure(f.Value))
		}
	}
}

// visitFigures calls put with the figures that there is one of, and of the others with those that say the most.
func visitFigures(figures []eval.Figure, put func(feature, figure, at string, f Figure)) {
	for i := range figures {
		if f := &figures[i]; f.Label == "" {
			put("", f.Name, "", Figure(f.Value))
		}
	}
	for _, f := range eval.Main(figures) {
		if f.Label != "" {
			put("", f.Name, f.At, Figure(f.Value))
		}
	}
}

// History returns what was recorded until now; it is the same until there is more.
func (r *Recorder) History() *History {
	if r.made != nil {
		return r.made
	}
	h := &History{}
	for _, n := range r.left {
		h.left += n
	}
	for _, t := range r.tracks {
		if t.made == nil {
			made := t.Track
			made.chunks = append([]chunk(nil), t.chunks...)
			t.made = &made
		}
		h.tracks = append(h.tracks, t.made)
	}
	r.made = JoinHistories(h)
	return r.made
}

// historyMemory returns what the history of a group takes: usually, with one version a model, and at most.
func (g *Group) historyMemory() (usual, most int64) {
	segments := int64(0)
	for _, m := range g.Models {
		tracks := int64(len(g.Windows))
		one := tracks * trackBytes(m.historyColumns(g.onLabels))
		usual, most = usual+one/2, most+HistoryVersions*one
		segments += HistoryVersions * one * int64(len(m.segments)-1)
	}
	segments = min(segments, HistorySegmentBytes)
	return usual + segments/4, most + segments
}

// historyColumns returns how many columns a track of the model has at most, by and large.
func (m *Model) historyColumns(onLabels bool) int64 {
	const figures = 40 // of all requests, and of answers
	n := int64(figures)
	for _, w := range m.watches {
		n += int64(len(w.kinds))
	}
	if onLabels {
		return n
	}
	statistics := int64(len(m.Verdicts.Statistics))
	if statistics == 0 {
		statistics = int64(len(drift.Catalogue))
	}
	return n + int64(len(m.config.Features))*(2*statistics+8) // state, mean, three quantiles, missing, invalid, out of range or unseen
}
