// Package kpi computes business figures of a model from its predictions: sums, counts, means and
// ratios of expressions over an event's fields, such as
//
//	sum(features.amount) where prediction.label == "approve"
//
// An expression is in the Common Expression Language, of which it has numbers (all of them are
// floating-point), texts, conditions, lists and mappings, and no loops. It is type-checked and its cost is bounded when it is
// compiled: what compiles cannot do harm, whatever the events are. An event that lacks what an expression needs is
// counted as undefined, and one on which it fails (division by zero, overflow) as failed; neither changes the figure.
//
// A Set is the figures of a model, an Evaluator computes them for one event after another, a Tally sums
// them up and merges with others.
package kpi

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/streammon/streammon/internal/event"
)

const (
	// MaxText is the length of the longest text of a figure, in bytes.
	MaxText = 4096
	// MaxCost is what each expression of a figure may cost an event, in the units of the expression language: about one an operation,
	// one a place of a list, and one for ten characters that are compared.
	MaxCost = 1000
)

// Vars are the fields of a model's events that have names and types of their own.
type Vars struct {
	// Features of the model. What the model answers (prediction.score and so on) is always there.
	Features []event.Feature
	// Segments are the names of its segmentations.
	Segments []string
}

// Error is what is wrong with a text.
type Error struct {
	// Column is where, in characters from 1.
	Column  int
	Message string
}

// Error returns the message with its place.
func (e *Error) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Message) }

// Expr is one compiled figure; it does not change.
type Expr struct {
	name        string
	top, bottom *aggregate // bottom is nil if it is no ratio
	variables   []variable
	fingerprint uint64
}

// aggregate is a sum, a mean or a count.
type aggregate struct {
	kind  string
	value *program // nil: count
	where *program // nil: all events
}

// Compile reads a figure: sum(EXPR), mean(EXPR) or count(), each perhaps with "where CONDITION", or a
// sum or count divided by another. Errors are of type *Error.
func Compile(name, text string, vars Vars) (*Expr, error) {
	if err := checkText(text); err != nil {
		return nil, err
	}
	top, bottom, err := parse(text)
	if err != nil {
		return nil, err
	}
	c := &compiler{text: text, rewriter: rewriter{vars: vars}}
	e := &Expr{name: name}
	if e.top, e.bottom, err = c.compile(top, bottom); err != nil {
		return nil, err
	}
	e.variables = c.used
	e.fingerprint = fingerprint(text, e.variables)
	return e, nil
}

// checkText sees that a text is one line of bearable length.
func checkText(text string) error {
	switch i := strings.IndexFunc(text, unicode.IsControl); {
	case len(text) > MaxText:
		return &Error{1, fmt.Sprintf("the text is longer than %d bytes", MaxText)}
	case !utf8.ValidString(text):
		return &Error{1, "the text is not UTF-8"}
	case i >= 0:
		return &Error{column(text, i), "has a control character: write it in one line"}
	}
	return nil
}

// column is the place of the byte at offset.
func column(text string, offset int) int { return utf8.RuneCountInString(text[:offset]) + 1 }

// fingerprint tells a figure from another one of the same name.
func fingerprint(text string, variables []variable) uint64 {
	h := fnv.New64a()
	h.Write([]byte(text))
	for _, v := range variables {
		fmt.Fprintf(h, "\x00%s\x00%s", v.ident, v.kind)
	}
	return h.Sum64()
}

// Name returns the figure's name.
func (e *Expr) Name() string { return e.name }

// Needs returns the features and prediction outputs that the figure reads, in the order of the text: a
// schema must have them.
func (e *Expr) Needs() []event.Feature {
	var needs []event.Feature
	for _, v := range e.variables {
		if f := (event.Feature{Name: v.name, Type: v.kind.feature()}); v.source == fromFeature && !slices.Contains(needs, f) {
			needs = append(needs, f)
		}
	}
	return needs
}

// quotient reports whether the figure is a numerator divided by a denominator, and not a sum.
func (e *Expr) quotient() bool { return e.bottom != nil || e.top.kind == "mean" }
