package kpi

import (
	"fmt"
	"math"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/streammon/streammon/internal/event"
)

// Outcome is what became of an event.
type Outcome uint8

// The outcomes.
const (
	// Counted: it is part of the figure.
	Counted Outcome = iota
	// Outside: its condition is false.
	Outside
	// Undefined: it lacks a valid value that the expression needs.
	Undefined
	// Failed: the expression failed, or its value is not finite or beyond maxValue.
	Failed
)

// maxValue bounds the values of events, so that no sum overflows.
const maxValue = 1e290

// Result is what an event adds to a figure; of an event that is not counted it is nothing.
type Result struct {
	// Numerator is what the event adds to the sum, or to the numerator of a mean or ratio, and Denominator what to their denominator.
	Numerator, Denominator float64
	Outcome                Outcome
}

// Set is the figures of a model; it does not change.
type Set struct {
	exprs []*Expr
}

// NewSet returns the set of figures that have different names.
func NewSet(exprs ...*Expr) *Set { return &Set{slices.Clone(exprs)} }

// Names returns the names of the figures, in their order.
func (s *Set) Names() []string {
	names := make([]string, len(s.exprs))
	for i, e := range s.exprs {
		names[i] = e.name
	}
	return names
}

// Fingerprints tell figures from others of the same names, in their order.
func (s *Set) Fingerprints() []uint64 {
	prints := make([]uint64, len(s.exprs))
	for i, e := range s.exprs {
		prints[i] = e.fingerprint
	}
	return prints
}

// TallyBytes is about how much memory a tally of the set takes.
func (s *Set) TallyBytes() int { return tallyBytes(len(s.exprs)) }

// Needs returns the features and prediction outputs that the figures read, each once.
func (s *Set) Needs() []event.Feature {
	var needs []event.Feature
	for _, e := range s.exprs {
		for _, f := range e.Needs() {
			if !slices.Contains(needs, f) {
				needs = append(needs, f)
			}
		}
	}
	return needs
}

// Evaluator computes the figures of a set for one event after another. It is for one goroutine.
type Evaluator struct {
	set     *Set
	fields  fields
	results []Result
}

// fields gives expressions the fields of an event.
type fields struct {
	event  *event.Event
	number uint64 // of the event
	models []ref.Val
	slots  map[string]*slot
}

// slot is a variable's place in events of a schema.
type slot struct {
	variable
	index int
	value ref.Val
	of    uint64 // the event whose value it is
	text  string // of value, if it was one
}

// unknown is the value of what an event lacks: it makes undefined what needs it, and nothing else.
var unknown ref.Val = types.NewUnknown(0, nil)

// Bind returns an evaluator for events of a schema, which must have what the set needs.
func (s *Set) Bind(schema *event.Schema) (*Evaluator, error) {
	e := &Evaluator{set: s, fields: fields{slots: map[string]*slot{}}, results: make([]Result, len(s.exprs))}
	for _, m := range schema.Models {
		e.fields.models = append(e.fields.models, types.String(m))
	}
	for _, x := range s.exprs {
		for _, v := range x.variables {
			place := &slot{variable: v}
			switch v.source {
			case fromFeature:
				place.index = slices.Index(schema.Features, event.Feature{Name: v.name, Type: v.kind.feature()})
			case fromSegment:
				place.index = slices.Index(schema.Segments, v.name)
			}
			if place.index < 0 {
				return nil, fmt.Errorf("bind figure %q: events have no %s", x.name, v.ident[1:])
			}
			e.fields.slots[v.ident] = place
		}
	}
	return e, nil
}

// Eval computes all figures of a prediction, in the order of the set. The results are valid until the next call.
func (e *Evaluator) Eval(ev *event.Event) []Result {
	e.fields.event = ev
	e.fields.number++
	for i, x := range e.set.exprs {
		e.results[i] = x.eval(&e.fields)
	}
	return e.results
}

func (e *Expr) eval(f *fields) Result {
	top, outcome := e.top.eval(f)
	if outcome > Outside {
		return Result{Outcome: outcome}
	}
	r := Result{Numerator: top, Outcome: outcome}
	if e.bottom == nil {
		if e.top.kind == "mean" && outcome == Counted {
			r.Denominator = 1
		}
		return r
	}
	below, other := e.bottom.eval(f)
	if other > Outside {
		return Result{Outcome: other}
	}
	r.Denominator, r.Outcome = below, min(outcome, other)
	return r
}

// eval returns what the event adds: 0 if it is not counted.
func (a *aggregate) eval(f *fields) (float64, Outcome) {
	if a.where != nil {
		v, outcome := a.where.eval(f)
		if outcome != Counted {
			return 0, outcome
		}
		if v != types.True {
			return 0, Outside
		}
	}
	if a.value == nil {
		return 1, Counted
	}
	v, outcome := a.value.eval(f)
	if outcome != Counted {
		return 0, outcome
	}
	x, ok := v.(types.Double)
	if !ok || !(math.Abs(float64(x)) <= maxValue) {
		return 0, Failed
	}
	return float64(x), Counted
}

func (p *program) eval(f *fields) (ref.Val, Outcome) {
	v, _, err := p.Eval(f)
	switch {
	case err != nil:
		return nil, Failed
	case types.IsUnknown(v):
		return nil, Undefined
	}
	return v, Counted
}

// Parent returns nil: there are no other variables.
func (f *fields) Parent() cel.Activation { return nil }

// ResolveName returns the event's value of a variable.
func (f *fields) ResolveName(name string) (any, bool) {
	s, ok := f.slots[name]
	if !ok {
		return nil, false
	}
	if s.of != f.number {
		s.of = f.number
		s.load(f)
	}
	return s.value, true
}

// load reads the value from the event.
func (s *slot) load(f *fields) {
	switch s.source {
	case fromFeature:
		v := &f.event.Features[s.index]
		switch {
		case s.presence:
			s.value = types.Bool(v.State == event.Valid)
		case v.State != event.Valid:
			s.value = unknown
		case s.kind == text:
			s.loadText(v.Text)
		default:
			s.value = types.Double(v.Number)
		}
	case fromSegment:
		t := f.event.Segments[s.index]
		switch {
		case s.presence:
			s.value = types.Bool(t != nil)
		case t == nil:
			s.value = unknown
		default:
			s.loadText(t)
		}
	case fromVersion:
		s.loadText(f.event.Version)
	case fromModel:
		s.value = f.models[f.event.Model]
	case fromFailed:
		s.value = types.Bool(f.event.Failed)
	case fromLatency:
		s.value = unknown
		if f.event.HasLatency {
			s.value = types.Double(f.event.Latency * 1000)
		}
	}
}

// loadText copies a text, unless it is that of the event before.
func (s *slot) loadText(b []byte) {
	if _, ok := s.value.(types.String); ok && s.text == string(b) {
		return
	}
	s.text = string(b)
	s.value = types.String(s.text)
}
