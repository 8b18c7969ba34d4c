package profile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

// Limits of what a reference lists by name; the rest of the categories is one bin.
const (
	MaxCategories    = 1000
	MaxSegmentValues = 20
)

// MaxSegmentDistinct is how many distinct values a segmentation may have for its most frequent ones to be listed. One
// with more may be of persons, whose names are not to become labels unless the config lists them.
const MaxSegmentDistinct = 200

// fineBins is the number of reference-quantile bins, nested in 10 deciles.
const (
	fineBins     = 60
	binsInDecile = fineBins / 10
)

// Builder makes a Reference from events. It keeps each numeric value (8 bytes)
// and each distinct category until Build; to calibrate it keeps the times of the rows and the
// hash of each categorical value, too (8 bytes each).
type Builder struct {
	// Progress, if set, is told at Build that so many of all features are calibrated.
	Progress func(done, all int)

	timeline *timeline
	pairs    *pairs // nil unless answers are measured
	schema   event.Schema
	rows     uint64
	columns  [][]float64
	counts   []map[string]uint64
	missing  []uint64
	invalid  []uint64
	others   []uint64 // values of categories that are not told apart
	segments []map[string]uint64
	first    int64
	last     int64
	lenient  bool // see newLenientBuilder
}

// NewBuilder returns a builder of a reference of all features and segments of the
// schema.
func NewBuilder(s event.Schema) *Builder {
	n := len(s.Features)
	b := &Builder{
		schema: s, columns: make([][]float64, n), counts: make([]map[string]uint64, n),
		missing: make([]uint64, n), invalid: make([]uint64, n), others: make([]uint64, n), segments: make([]map[string]uint64, len(s.Segments)),
	}
	for i, f := range s.Features {
		if f.Type == event.Categorical {
			b.counts[i] = map[string]uint64{}
		}
	}
	for i := range s.Segments {
		b.segments[i] = map[string]uint64{}
	}
	return b
}

// Calibrate makes Build tell how the features vary between windows of these lengths, in nanoseconds, if rows have
// times. It is called before the first row.
func (b *Builder) Calibrate(lengths []int64) {
	b.timeline = newTimeline(lengths, len(b.schema.Features))
}

// lengths returns those of Calibrate, ascending.
func (b *Builder) lengths() []int64 {
	if b.timeline == nil {
		return nil
	}
	return b.timeline.lengths
}

// Untimed returns how many rows have no time, and so are in no window: 0 unless Calibrate was called.
func (b *Builder) Untimed() uint64 {
	if b.timeline == nil {
		return 0
	}
	return b.timeline.untimed
}

// Observe counts one event. Predictions that failed are no data of the model and
// are left out, as in windows.
func (b *Builder) Observe(ev *event.Event) {
	if ev.Failed {
		return
	}
	b.rows++
	if ev.Time != 0 {
		if b.first == 0 || ev.Time < b.first {
			b.first = ev.Time
		}
		b.last = max(b.last, ev.Time)
	}
	if b.timeline != nil {
		b.timeline.row(ev.Time)
	}
	for i := range b.schema.Features {
		b.value(i, &ev.Features[i])
	}
	for i, v := range ev.Segments {
		if v != nil && len(b.segments[i]) <= MaxSegmentDistinct {
			b.segments[i][string(v)]++
		}
	}
}

func (b *Builder) value(i int, v *event.Value) {
	if b.timeline != nil {
		b.timeline.value(i, v, b.schema.Features[i].Type)
	}
	switch {
	case v.State == event.Missing:
		b.missing[i]++
	case v.State == event.Invalid:
		b.invalid[i]++
	case b.schema.Features[i].Type == event.Numeric:
		b.columns[i] = append(b.columns[i], v.Number)
	case b.lenient && len(v.Text) > maxSampled:
		b.others[i]++
	default:
		b.counts[i][string(v.Text)]++
	}
}

// Rows returns the number of events so far.
func (b *Builder) Rows() uint64 { return b.rows }

// Build returns the reference. It fails if there is no row, or a feature without
// a single valid value: a reference of nothing would call nothing drift. What the model
// answers may be missing, since not all data and not all models have scores and labels; it
// is then not part of the reference.
func (b *Builder) Build(p Provenance) (*Reference, error) {
	if b.rows == 0 && !b.lenient {
		return nil, fmt.Errorf("build profile: no rows")
	}
	if b.first != 0 {
		p.First, p.Last = formatTime(b.first), formatTime(b.last)
	}
	r := &Reference{Rows: b.rows, Provenance: p}
	w := sketch.NewWorkspace()
	if b.timeline != nil {
		b.timeline.cut()
	}
	for i, f := range b.schema.Features {
		feature := Feature{Feature: f, Missing: b.missing[i], Invalid: b.invalid[i]}
		if f.Type == event.Numeric {
			buildNumeric(&feature, b.sortable(i), w)
		} else {
			buildCategorical(&feature, b.counts[i], b.others[i])
		}
		if feature.Count == 0 && (b.lenient || feature.Invalid == 0 && event.IsOutput(f.Name)) {
			continue
		}
		if feature.Count == 0 {
			return nil, fmt.Errorf("build profile: feature %q has no valid value in %d rows (%d missing, %d invalid)", f.Name, b.rows, b.missing[i], b.invalid[i])
		}
		feature.complete()
		b.calibrate(i, &feature)
		r.Features = append(r.Features, feature)
	}
	for i, name := range b.schema.Segments {
		if len(b.segments[i]) > MaxSegmentDistinct {
			continue
		}
		if values := mostFrequent(b.segments[i], MaxSegmentValues); len(values) > 0 {
			if r.Segments == nil {
				r.Segments = map[string][]string{}
			}
			r.Segments[name] = values
		}
	}
	if b.pairs != nil {
		r.Performance = b.pairs.build(b.lengths())
	}
	_, err := r.Encode()
	return r, err
}

// sortable returns the values of a numeric feature, which may be sorted.
func (b *Builder) sortable(i int) []float64 {
	if b.timeline == nil {
		return b.columns[i]
	}
	return slices.Clone(b.columns[i]) // their order is wanted again
}

func (b *Builder) calibrate(i int, f *Feature) {
	if b.timeline == nil {
		return
	}
	if f.Type == event.Numeric {
		f.Calibrations = b.timeline.calibrations(f, b.timeline.numeric(i, f, b.columns[i]))
	} else {
		f.Calibrations = b.timeline.calibrations(f, b.timeline.categorical(i, f))
	}
	if b.Progress != nil {
		b.Progress(i+1, len(b.schema.Features))
	}
}

func formatTime(t int64) string { return time.Unix(0, t).UTC().Format(time.RFC3339Nano) }

func buildNumeric(f *Feature, xs []float64, w *sketch.Workspace) {
	f.Count = uint64(len(xs))
	if len(xs) == 0 {
		return
	}
	w.Sort(xs)
	f.Median = xs[(len(xs)-1)/2]
	f.Distances = sketch.NewExpHistogram(f.Median)
	edges, decile := quantileEdges(xs)
	f.Bins, _ = sketch.NewBins(edges) // ascending and finite, as the values are
	f.DecileEdge = decile
	h := sketch.NewHistogram(f.Bins)
	for chunk := range slices.Chunk(xs, ColumnLength) {
		f.Moments.AddAll(chunk)
		h.AddSorted(chunk)
		f.Distances.AddAll(chunk)
		f.Quantiles.AddSorted(chunk, w)
		for _, x := range chunk {
			f.Distinct.Add(sketch.HashNumber(x))
		}
	}
	f.Counts = slices.Clone(h.Counts())
}

// quantileEdges returns the interior edges of the bins: of the sorted values xs
// the elements number ceil(i·n/60), i = 1..59 (nearest rank, so that an edge is a
// real value), equal neighbours merged. An edge is a decile's if any i of its run
// is a multiple of 6.
func quantileEdges(xs []float64) (edges []float64, decile []bool) {
	n := len(xs)
	for i := 1; i < fineBins; i++ {
		e := xs[(i*n+fineBins-1)/fineBins-1]
		if len(edges) == 0 || edges[len(edges)-1] != e {
			edges, decile = append(edges, e), append(decile, false)
		}
		if i%binsInDecile == 0 {
			decile[len(decile)-1] = true
		}
	}
	return edges, decile
}

func buildCategorical(f *Feature, counts map[string]uint64, others uint64) {
	for category, n := range counts {
		f.Count += n
		f.Distinct.Add(sketch.HashText([]byte(category)))
	}
	f.Categories = mostFrequent(counts, MaxCategories)
	slices.Sort(f.Categories)
	f.CategoryCounts = make([]uint64, len(f.Categories))
	f.Count += others
	f.OtherCategories = f.Count
	for i, c := range f.Categories {
		f.CategoryCounts[i] = counts[c]
		f.OtherCategories -= counts[c]
	}
}

// mostFrequent returns at most k keys, the most frequent first, ties by bytes.
func mostFrequent(counts map[string]uint64, k int) []string {
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	return keys[:min(k, len(keys))]
}
