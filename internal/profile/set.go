package profile

import "github.com/streammon/streammon/internal/event"

// Set is the content of all features of one series in one pane or window.
type Set struct {
	layout      *Layout
	numeric     []Numeric
	categorical []Categorical
}

// NewSet returns an empty set.
func NewSet(l *Layout) Set {
	s := Set{layout: l, numeric: make([]Numeric, len(l.numeric)), categorical: make([]Categorical, len(l.categorical))}
	for i, spec := range l.numeric {
		s.numeric[i] = newNumeric(spec, l.Detailed)
	}
	for i, spec := range l.categorical {
		s.categorical[i] = newCategorical(spec, l.Detailed)
	}
	return s
}

// Layout returns the layout of the set.
func (s *Set) Layout() *Layout { return s.layout }

// Observe counts one event's values, indexed as the specs' Source says.
func (s *Set) Observe(values []event.Value, w *Workspace) {
	for i := range s.numeric {
		n := &s.numeric[i]
		n.observe(&values[n.spec.Source], w)
	}
	for i := range s.categorical {
		c := &s.categorical[i]
		c.observe(&values[c.spec.Source])
	}
}

// Seal folds the columns, after which nothing may be observed any more.
func (s *Set) Seal(w *Workspace) {
	for i := range s.numeric {
		s.numeric[i].seal(w)
	}
}

// Merge adds o, which is sealed and stays unchanged. Where the two have different references, all but
// what is counted by the reference is added up; of that, what the newer one has remains (see Layout.Order),
// for counts in one reference's bins say nothing of another's.
func (s *Set) Merge(o *Set, w *Workspace) {
	if o.layout.Order > s.layout.Order {
		s.adopt(o.layout)
	}
	s.add(o, w)
}

// Mix is Merge of another series: where its reference is another one, neither's counts remain.
func (s *Set) Mix(o *Set, w *Workspace) {
	layout := *o.layout
	layout.Order = s.layout.Order
	mixed := *o
	mixed.layout = &layout
	s.add(&mixed, w)
}

// adopt makes l the layout, which has the same features.
func (s *Set) adopt(l *Layout) {
	s.layout = l
	for i, spec := range l.numeric {
		s.numeric[i].adopt(spec)
	}
	for i, spec := range l.categorical {
		s.categorical[i].adopt(spec)
	}
}

func (s *Set) add(o *Set, w *Workspace) {
	older := o.layout.Order < s.layout.Order
	for i := range s.numeric {
		s.numeric[i].merge(&o.numeric[i], older, w)
	}
	for i := range s.categorical {
		s.categorical[i].merge(&o.categorical[i], older)
	}
}

// Clone returns an independent copy. The copy of a set that is not sealed may be
// sealed on its own.
func (s *Set) Clone() Set {
	c := Set{layout: s.layout, numeric: make([]Numeric, len(s.numeric)), categorical: make([]Categorical, len(s.categorical))}
	for i := range s.numeric {
		c.numeric[i] = s.numeric[i].clone()
	}
	for i := range s.categorical {
		c.categorical[i] = s.categorical[i].clone()
	}
	return c
}

// Numeric returns the content of a feature of the layout, nil if it is not numeric.
func (s *Set) Numeric(f *FeatureSpec) *Numeric {
	if f.Type != event.Numeric {
		return nil
	}
	return &s.numeric[f.slot]
}

// Categorical returns the content of a feature of the layout, nil if it is not
// categorical.
func (s *Set) Categorical(f *FeatureSpec) *Categorical {
	if f.Type != event.Categorical {
		return nil
	}
	return &s.categorical[f.slot]
}
