package profile

import (
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

// ColumnLength is how many values of a feature are gathered before they are
// folded into its sketches. It is part of the semantics: a fold happens after
// exactly so many values and when a pane is sealed, and at no other time.
const ColumnLength = 2048

// unseenKept is how many of the categories that the reference does not know are
// told apart in a pane.
const unseenKept = 64

// Layout says what is kept of the features of a series. It never changes.
type Layout struct {
	// Features are in the order of results.
	Features []FeatureSpec
	// Detailed layouts keep quantile, distinct and frequency sketches; the
	// compact ones of segments do not.
	Detailed bool
	// Fingerprint is that of the reference; empty if there is none.
	Fingerprint string
	// Order tells which of two references of one series is the newer one.
	Order int

	numeric     []*FeatureSpec
	categorical []*FeatureSpec
}

// FeatureSpec is one feature of a layout.
type FeatureSpec struct {
	event.Feature
	// Source is the feature's index in event.Event.Features.
	Source int
	// Reference is what the feature is compared with; nil if there is none.
	Reference *Feature

	slot       int    // index among the features of its type
	categories uint64 // identifies the reference's
}

// NewLayout returns the layout of the given features. A reference feature of
// another type than the spec's is no reference.
func NewLayout(specs []FeatureSpec, detailed bool) *Layout {
	l := &Layout{Features: specs, Detailed: detailed}
	for i := range l.Features {
		s := &l.Features[i]
		if s.Reference != nil && s.Reference.Type != s.Type {
			s.Reference = nil
		}
		if s.Type == event.Numeric {
			s.slot = len(l.numeric)
			l.numeric = append(l.numeric, s)
		} else {
			s.slot, s.categories = len(l.categorical), hashCategories(s.Reference)
			l.categorical = append(l.categorical, s)
		}
	}
	return l
}

// Workspace is the scratch memory of one goroutine.
type Workspace struct {
	Sketch  *sketch.Workspace
	columns [][]float64
	lent    int
}

// NewWorkspace returns an empty workspace.
func NewWorkspace() *Workspace { return &Workspace{Sketch: sketch.NewWorkspace()} }

// column returns an empty column, used before if possible.
func (w *Workspace) column() []float64 {
	w.lent++
	if n := len(w.columns); n > 0 {
		c := w.columns[n-1]
		w.columns = w.columns[:n-1]
		return c
	}
	return make([]float64, 0, 16)
}

// release takes a column back, or that of a copy in its place: never more than were lent,
// or copies would pile up here.
func (w *Workspace) release(c []float64) {
	if cap(c) > 0 && w.lent > 0 {
		w.lent--
		w.columns = append(w.columns, c[:0])
	}
}
