package monitor

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// History is what was published of each series in each window length: a point a slide of the window, oldest first. It never
// changes: a newer Snapshot has another one, or the same if there are no newer points. Its methods may be called of a nil one.
type History struct {
	tracks []*Track // in the order of compareTracks
	left   int
}

// Track has the points of a series in windows of one length. It never changes.
type Track struct {
	Model, Version, Segment, Window string
	// Length of the window, and Slide, the time between two points where none is missing, in nanoseconds.
	Length, Slide int64
	// Labels: the points are of label time, and of what labels say; their Events are matched predictions.
	Labels bool

	chunks []chunk
}

// Column names a number that points have. Its names are those of the metrics, without "streammon_" and the group.
type Column struct {
	// Feature is empty for figures of all requests.
	Feature string
	// Figure is, for a feature, "state" (see StateOf), "mean", "quantile" (At "0.05", "0.5", "0.95"), "missing_ratio", "invalid_ratio",
	// "out_of_range_ratio", "unseen_ratio", each statistic ("psi", ...), and "threshold" (At the statistic); for all requests
	// "requests_per_second", "error_ratio", "latency_seconds" (At "0.5", "0.95", "0.99"), "drifted_features",
	// "drifted_importance_ratio", "kpi" (At its name), "change_state" (At figure and detector, "error_ratio page_hinkley") and estimated
	// performance figures; of a track of labels "state", "threshold", "matched_ratio", "label_delay_seconds" (At "0.5", "0.9", "0.99") and
	// performance figures (At their label's value, as the macro average or a cut-off).
	Figure string
	// At names one of several of the figure; empty if there is one.
	At string
}

// Point is a value of one column at the end of a window.
type Point struct {
	// End of the window, Unix nanoseconds.
	End int64
	// Events in the window, or matched predictions in a track of labels.
	Events   uint64
	Complete bool
	// Value is Undefined where the window has none; it has the precision of a float32.
	Value Figure
}

// stateValues are the numbers of the states of features and of answers, as the metrics have them.
var stateValues = map[string]float32{StateOK: 0, StateWarning: 1, StateDrift: 2, StateChange: 2}

// StateOf returns the state of a feature that a point of the column "state" has; empty if it is undefined.
func StateOf(f Figure) string {
	if f.IsZero() {
		return ""
	}
	return [...]string{StateOK, StateWarning, StateDrift}[min(max(int(f), 0), 2)]
}

// Tracks returns all tracks, ordered by model, version, segment and window length, those of labels after the others. The slice is
// not to be changed.
func (h *History) Tracks() []*Track {
	if h == nil {
		return nil
	}
	return h.tracks
}

// Left returns how many series and window lengths have no track, for lack of room: those of further versions, and of segments.
func (h *History) Left() int {
	if h == nil {
		return 0
	}
	return h.left
}

// Find returns a track, nil if there is none.
func (h *History) Find(model, version, segment, window string, labels bool) *Track {
	for _, t := range h.Tracks() {
		if t.Model == model && t.Version == version && t.Segment == segment && t.Window == window && t.Labels == labels {
			return t
		}
	}
	return nil
}

// Len returns the number of points.
func (t *Track) Len() (n int) {
	if t == nil {
		return 0
	}
	for i := range t.chunks {
		n += len(t.chunks[i].ends)
	}
	return n
}

// Points returns the points of a column, as many as there are in the track: those that the column does not have are Undefined.
func (t *Track) Points(c Column) []Point {
	if t == nil {
		return nil
	}
	points := make([]Point, 0, t.Len())
	for i := range t.chunks {
		k := &t.chunks[i]
		at, ok := k.layout.index[c]
		for row, end := range k.ends {
			p := Point{End: end, Events: k.events[row], Complete: k.complete[row], Value: Undefined}
			if ok {
				p.Value = Figure(k.values[row*len(k.layout.columns)+at])
			}
			points = append(points, p)
		}
	}
	return points
}

// Columns returns all columns that some point has, in the order in which results have them.
func (t *Track) Columns() []Column {
	if t == nil || len(t.chunks) == 0 {
		return nil
	}
	columns := slices.Clone(t.chunks[len(t.chunks)-1].layout.columns)
	for i := range t.chunks[:len(t.chunks)-1] {
		for _, c := range t.chunks[i].layout.columns {
			if !slices.Contains(columns, c) {
				columns = append(columns, c)
			}
		}
	}
	return columns
}

// First and Last return the ends of the first and the last point; the zero time if there is none.
func (t *Track) First() time.Time { return t.end(0) }

// Last returns the end of the last point; the zero time if there is none.
func (t *Track) Last() time.Time { return t.end(-1) }

func (t *Track) end(i int) time.Time {
	if t.Len() == 0 {
		return time.Time{}
	}
	if i == 0 {
		return time.Unix(0, t.chunks[0].ends[0]).UTC()
	}
	ends := t.chunks[len(t.chunks)-1].ends
	return time.Unix(0, ends[len(ends)-1]).UTC()
}

// compareTracks is the order of tracks.
func compareTracks(a, b *Track) int {
	labels := func(t *Track) int {
		if t.Labels {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Segment, b.Segment),
		cmp.Compare(a.Length, b.Length), cmp.Compare(labels(a), labels(b)))
}

// JoinHistories returns the tracks of several histories, of other models each, as one.
func JoinHistories(all ...*History) *History {
	out := &History{}
	for _, h := range all {
		out.tracks = append(out.tracks, h.Tracks()...)
		out.left += h.Left()
	}
	slices.SortStableFunc(out.tracks, compareTracks)
	return out
}

// layout has the columns of a chunk; it never changes.
type layout struct {
	columns []Column
	index   map[Column]int
}

func newLayout(columns []Column) *layout {
	l := &layout{columns, make(map[Column]int, len(columns))}
	for i, c := range columns {
		l.index[c] = i
	}
	return l
}

// chunk has some points that have the same columns, values by row. Rows are appended only, so that a copy of it may be read
// meanwhile.
type chunk struct {
	layout   *layout
	ends     []int64
	events   []uint64
	complete []bool
	values   []float32
}

// used returns the columns of which some point has a value.
func (k *chunk) used() (columns []Column) {
	for i, c := range k.layout.columns {
		for at := i; at < len(k.values); at += len(k.layout.columns) {
			if !math.IsNaN(float64(k.values[at])) {
				columns = append(columns, c)
				break
			}
		}
	}
	return columns
}
