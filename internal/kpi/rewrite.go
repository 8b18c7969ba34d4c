package kpi

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/streammon/streammon/internal/event"
)

// kind is the type of a variable.
type kind uint8

const (
	number kind = iota
	text
	condition
)

// String returns the kind as messages name it.
func (k kind) String() string { return [...]string{"a number", "a text", "a condition"}[k] }

func (k kind) celType() *cel.Type {
	return [...]*cel.Type{cel.DoubleType, cel.StringType, cel.BoolType}[k]
}

func (k kind) feature() event.Type {
	if k == text {
		return event.Categorical
	}
	return event.Numeric
}

// source is where in an event a variable is.
type source uint8

const (
	fromFeature source = iota // or prediction output
	fromSegment
	fromVersion
	fromModel
	fromFailed
	fromLatency
)

// variable is a field of events that an expression reads.
type variable struct {
	// ident stands for it in the expression: none that a text can write, and the same in all expressions.
	ident string
	kind  kind
	source
	// name of the feature or segmentation.
	name string
	// presence asks whether there is a valid value, and not for it.
	presence bool
}

func (v *variable) celType() *cel.Type {
	if v.presence {
		return cel.BoolType
	}
	return v.kind.celType()
}

// plain are the variables without members.
var plain = map[string]variable{
	"latency_ms": {ident: "@latency_ms", kind: number, source: fromLatency},
	"failed":     {ident: "@failed", kind: condition, source: fromFailed},
	"version":    {ident: "@version", kind: text, source: fromVersion},
	"model":      {ident: "@model", kind: text, source: fromModel},
}

// outputs are the members of prediction.
var outputs = map[string]kind{event.PredictionScore: number, event.PredictionLabel: text, event.PredictionValue: number}

// divide is the function that stands for the sign: one that fails for a divisor of zero.
const divide = "@divide"

// rewriter puts variables in the place of what stands for the fields of an event, and makes all numbers
// floating-point. The first that is wrong stops it.
type rewriter struct {
	vars Vars
	used []variable
	fac  ast.ExprFactory
	// at returns the column of an expression in the text.
	at  func(ast.Expr) int
	err *Error
}

func (r *rewriter) fail(e ast.Expr, format string, args ...any) {
	if r.err == nil {
		r.err = &Error{r.at(e), fmt.Sprintf(format, args...)}
	}
}

func (r *rewriter) walk(e ast.Expr) {
	if r.err != nil {
		return
	}
	switch e.Kind() {
	case ast.LiteralKind:
		r.literal(e)
	case ast.IdentKind:
		r.plain(e)
	case ast.SelectKind:
		if !r.member(e, e, false) {
			r.walk(e.AsSelect().Operand())
			r.fail(e, "there is no field %s here", shorten(e.AsSelect().FieldName()))
		}
	case ast.CallKind:
		r.call(e)
	case ast.ListKind:
		for _, item := range e.AsList().Elements() {
			r.walk(item)
		}
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			m := entry.AsMapEntry()
			if !isText(m.Key()) {
				r.fail(m.Key(), "keys of mappings are texts in quotes")
			}
			r.walk(m.Value())
		}
	default:
		r.fail(e, "this form of expression is not available here")
	}
}

// literal makes an integer floating-point.
func (r *rewriter) literal(e ast.Expr) {
	switch x := e.AsLiteral().(type) {
	case types.Int:
		e.SetKindCase(r.fac.NewLiteral(e.ID(), types.Double(x)))
	case types.Double, types.String, types.Bool:
	default:
		r.fail(e, "values are numbers, texts in quotes, true and false")
	}
}

func isText(e ast.Expr) bool {
	if e.Kind() != ast.LiteralKind {
		return false
	}
	_, ok := e.AsLiteral().(types.String)
	return ok
}

// functions are those that can be called by name.
var functions = []string{"has", "contains", "startsWith", "endsWith", "size", "double"}

// signs are the operators.
var signs = map[string]string{
	operators.Add: "+", operators.Subtract: "-", operators.Multiply: "*", operators.Divide: "/", operators.Negate: "-",
	operators.Equals: "==", operators.NotEquals: "!=", operators.Less: "<", operators.LessEquals: "<=", operators.Greater: ">",
	operators.GreaterEquals: ">=", operators.LogicalAnd: "&&", operators.LogicalOr: "||", operators.LogicalNot: "!",
	operators.Conditional: "? :", operators.In: "in", operators.Index: "[ ]",
}

func (r *rewriter) call(e ast.Expr) {
	c := e.AsCall()
	name := c.FunctionName()
	switch {
	case name == operators.Index && r.member(e, e, false):
		return
	case name == "has":
		if c.IsMemberFunction() || len(c.Args()) != 1 || !r.member(e, c.Args()[0], true) {
			r.fail(e, "has is for features, segments and prediction, as in has(features.amount)")
		}
		return
	case slices.Contains(aggregates, name):
		r.fail(e, "%s stands around a whole expression: a figure is one of %s, or one of them divided by another", name, forms)
	case name == operators.Modulo:
		r.fail(e, "there is no remainder %%: all numbers are floating-point")
	case signs[name] == "" && !slices.Contains(functions, name):
		r.fail(e, "there is no function %s; there are %s", shorten(name), strings.Join(functions, ", "))
	}
	if c.IsMemberFunction() {
		r.walk(c.Target())
	}
	for _, arg := range c.Args() {
		r.walk(arg)
	}
	if name == operators.Divide && r.err == nil {
		if by, ok := constant(c.Args()[1]); ok && by == 0 {
			r.fail(e, "a division by a constant that is zero")
			return
		}
		e.SetKindCase(r.fac.NewCall(e.ID(), divide, c.Args()...))
	}
}

// constant returns the number that an expression of numbers alone is, after they were made floating-point.
func constant(e ast.Expr) (x float64, ok bool) {
	if e.Kind() == ast.LiteralKind {
		d, ok := e.AsLiteral().(types.Double)
		return float64(d), ok
	}
	if e.Kind() != ast.CallKind {
		return 0, false
	}
	var of [2]float64
	c := e.AsCall()
	for i, arg := range c.Args() {
		if i >= len(of) {
			return 0, false
		}
		if of[i], ok = constant(arg); !ok {
			return 0, false
		}
	}
	switch c.FunctionName() {
	case operators.Negate:
		return -of[0], ok
	case operators.Add:
		return of[0] + of[1], ok
	case operators.Subtract:
		return of[0] - of[1], ok
	case operators.Multiply:
		return of[0] * of[1], ok
	case divide:
		return of[0] / of[1], ok
	}
	return 0, false
}

func isMapping(ident string) bool {
	return ident == "features" || ident == "segments" || ident == "prediction"
}

// plain puts a variable in the place of a single word.
func (r *rewriter) plain(e ast.Expr) {
	name := e.AsIdent()
	if v, ok := plain[name]; ok {
		r.use(e, v)
		return
	}
	switch meant := r.meant(name); {
	case isMapping(name):
		r.fail(e, "%s has no value of its own: write which one, as in %s", name, map[string]string{
			"features": "features.amount", "segments": "segments.country", "prediction": event.PredictionScore,
		}[name])
	default:
		r.fail(e, "there is no variable %s; there are features.NAME, segments.NAME, prediction.score, prediction.label, prediction.value, latency_ms, failed, version, model%s", shorten(name), meant)
	}
}

// meant proposes what stands for a name, as the end of a message.
func (r *rewriter) meant(name string) string {
	switch {
	case slices.ContainsFunc(r.vars.Features, func(f event.Feature) bool { return f.Name == name }):
		return fmt.Sprintf(" (did you mean %q?)", "features."+name)
	case slices.Contains(r.vars.Segments, name):
		return fmt.Sprintf(" (did you mean %q?)", "segments."+name)
	}
	if _, ok := outputs["prediction."+name]; ok {
		return fmt.Sprintf(" (did you mean %q?)", "prediction."+name)
	}
	return ""
}

// member puts a variable in the place of e, for the field that what is: of.name or of["name"]. It is false if
// what is no such thing.
func (r *rewriter) member(e, what ast.Expr, presence bool) bool {
	var of, name string
	switch {
	case what.Kind() == ast.SelectKind && what.AsSelect().Operand().Kind() == ast.IdentKind:
		of, name = what.AsSelect().Operand().AsIdent(), what.AsSelect().FieldName()
	case what.Kind() == ast.CallKind && what.AsCall().FunctionName() == operators.Index && what.AsCall().Args()[0].Kind() == ast.IdentKind:
		key := what.AsCall().Args()[1]
		of = what.AsCall().Args()[0].AsIdent()
		if isMapping(of) && !isText(key) {
			r.fail(key, "the name in brackets is a text in quotes, as in features[\"odd name\"]")
			return true
		}
		if isText(key) {
			name = string(key.AsLiteral().(types.String))
		}
	}
	v := variable{ident: "@" + of + "." + name, name: name, presence: presence}
	switch of {
	case "features":
		k := slices.IndexFunc(r.vars.Features, func(f event.Feature) bool { return f.Name == name && !event.IsOutput(name) })
		if k < 0 {
			r.fail(what, "the model has no feature %s%s", shorten(name), r.features())
			return true
		}
		if r.vars.Features[k].Type == event.Categorical {
			v.kind = text
		}
	case "segments":
		v.source, v.kind = fromSegment, text
		if !slices.Contains(r.vars.Segments, name) {
			r.fail(what, "the model has no segmentation %s%s", shorten(name), list(r.vars.Segments))
			return true
		}
	case "prediction":
		k, ok := outputs["prediction."+name]
		if !ok {
			r.fail(what, "prediction has no %s; it has score, label, value", shorten(name))
			return true
		}
		v.name, v.kind = "prediction."+name, k
	default:
		return false
	}
	r.use(e, v)
	return true
}

func (r *rewriter) use(e ast.Expr, v variable) {
	if v.presence {
		v.ident = "@has " + v.ident
	}
	if !slices.Contains(r.used, v) {
		r.used = append(r.used, v)
	}
	e.SetKindCase(r.fac.NewIdent(e.ID(), v.ident))
}

// features lists those of the model, as the end of a message.
func (r *rewriter) features() string {
	var names []string
	for _, f := range r.vars.Features {
		if !event.IsOutput(f.Name) {
			names = append(names, f.Name)
		}
	}
	return list(names)
}

func list(names []string) string {
	const most = 8
	switch {
	case len(names) == 0:
		return "; it has none"
	case len(names) > most:
		return fmt.Sprintf("; it has %s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return "; it has " + strings.Join(names, ", ")
}
