package kpi

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

const (
	// usualText is the length of a text in an event up to which an expression must not cost more than MaxCost. Where longer ones could,
	// the cost is watched.
	usualText = 1024
)

// program is an expression that can be evaluated.
type program struct {
	cel.Program
	// watched tells that its cost depends on the lengths of texts, and is watched.
	watched bool
}

// compiler compiles the expressions of one figure.
type compiler struct {
	text string
	rewriter
}

// unchecked is an expression on its way: the parsed form, and where a program is to be put.
type unchecked struct {
	ast   *cel.Ast
	at    span
	kind  kind
	where string
	to    **program
}

func (c *compiler) compile(calls ...*call) (top, bottom *aggregate, err error) {
	language, err := newLanguage()
	if err != nil {
		return nil, nil, fmt.Errorf("set up the expression language: %w", err)
	}
	var made [2]*aggregate
	var parts []unchecked
	for i, f := range calls {
		if f == nil {
			continue
		}
		made[i] = &aggregate{kind: f.kind}
		parts = append(parts,
			unchecked{at: f.value, kind: number, where: f.kind, to: &made[i].value},
			unchecked{at: f.where, kind: condition, where: "where", to: &made[i].where})
	}
	for i := range parts {
		if p := &parts[i]; !p.at.empty() {
			if p.ast, err = c.parse(language, p.at); err != nil {
				return nil, nil, err
			}
		}
	}
	var variables []cel.EnvOption
	for _, v := range c.used {
		variables = append(variables, cel.Variable(v.ident, v.celType()))
	}
	if language, err = language.Extend(variables...); err != nil {
		return nil, nil, fmt.Errorf("declare the variables: %w", err)
	}
	for _, p := range parts {
		if p.at.empty() {
			continue
		}
		if *p.to, err = c.check(language, p); err != nil {
			return nil, nil, err
		}
	}
	return made[0], made[1], nil
}

// newLanguage is what expressions may have: no loops, nothing whose cost cannot be told, and one kind of number.
func newLanguage() (*cel.Env, error) {
	subset := env.NewLibrarySubset()
	subset.DisableMacros = true
	for name, ids := range map[string][]string{
		operators.Add: {overloads.AddDouble}, operators.Subtract: {overloads.SubtractDouble}, operators.Multiply: {overloads.MultiplyDouble},
		operators.Negate: {overloads.NegateDouble}, operators.Equals: nil, operators.NotEquals: nil,
		operators.Less: {overloads.LessDouble}, operators.LessEquals: {overloads.LessEqualsDouble},
		operators.Greater: {overloads.GreaterDouble}, operators.GreaterEquals: {overloads.GreaterEqualsDouble},
		operators.LogicalAnd: nil, operators.LogicalOr: nil, operators.LogicalNot: nil, operators.Conditional: nil,
		operators.In: nil, operators.Index: {overloads.IndexMap},
		overloads.Contains: nil, overloads.StartsWith: nil, overloads.EndsWith: nil,
		overloads.TypeConvertDouble: {overloads.StringToDouble, overloads.DoubleToDouble},
	} {
		f := env.NewFunction(name)
		for _, id := range ids {
			f.Overloads = append(f.Overloads, &env.Overload{ID: id})
		}
		subset.AddIncludedFunctions(f)
	}
	texts := []*cel.Type{cel.StringType}
	return cel.NewCustomEnv(
		cel.StdLib(cel.StdLibSubset(subset)), cel.HomogeneousAggregateLiterals(),
		cel.Function(divide, cel.Overload("divide", []*cel.Type{cel.DoubleType, cel.DoubleType}, cel.DoubleType, cel.BinaryBinding(quotient))),
		cel.Function("size", cel.Overload("size_of", texts, cel.DoubleType, cel.UnaryBinding(size)),
			cel.MemberOverload("size_member", texts, cel.DoubleType, cel.UnaryBinding(size))),
	)
}

func quotient(x, y ref.Val) ref.Val {
	a, _ := x.(types.Double)
	b, ok := y.(types.Double)
	if !ok || b == 0 {
		return types.NewErr("division by zero")
	}
	return a / b
}

func size(x ref.Val) ref.Val {
	s, _ := x.(types.String)
	return types.Double(utf8.RuneCountInString(string(s)))
}

// parse reads an expression and rewrites it. What is before it in the text is blank, so that places are those of the text.
func (c *compiler) parse(language *cel.Env, at span) (*cel.Ast, error) {
	before := strings.Repeat(" ", utf8.RuneCountInString(c.text[:at.from]))
	parsed, issues := language.Parse(before + c.text[at.from:at.to])
	if err := c.first(issues, at); err != nil {
		return nil, err
	}
	c.fac = ast.NewExprFactory()
	c.at = func(e ast.Expr) int { return parsed.NativeRep().SourceInfo().GetStartLocation(e.ID()).Column() + 1 }
	c.walk(parsed.NativeRep().Expr())
	if c.err != nil {
		return nil, c.err
	}
	return parsed, nil
}

// first is the leftmost of some issues with an expression.
func (c *compiler) first(issues *cel.Issues, in span) error {
	var least *Error
	for _, e := range issues.Errors() {
		at := max(e.Location.Column()+1, column(c.text, in.from)) // some have no place
		if least == nil || at < least.Column {
			least = &Error{at, plainly(e.Message)}
		}
	}
	if least == nil {
		return nil
	}
	return least
}

var (
	unexpected   = regexp.MustCompile(`^Syntax error: (?:mismatched|extraneous) input (.*?)(?: expecting .*)?$`)
	unrecognised = regexp.MustCompile(`^Syntax error: token recognition error at: (.*)$`)
	operator     = regexp.MustCompile(`'([^ ']+)' applied`)
	celTypes     = strings.NewReplacer("double", "number", "string", "text", "bool", "condition")
)

// plainly writes a message of the language in the words of its users.
func plainly(message string) string {
	message = unexpected.ReplaceAllString(message, "$1 is not expected here")
	message = unrecognised.ReplaceAllString(message, "$1 is not expected here")
	message = strings.ReplaceAll(strings.TrimPrefix(message, "Syntax error: "), "'<EOF>'", "the end of the expression")
	if strings.Contains(message, "recursion depth") {
		return "the expression is nested too deeply"
	}
	message = operator.ReplaceAllStringFunc(message, func(s string) string {
		name := strings.TrimSuffix(strings.TrimPrefix(s, "'"), "' applied")
		if sign := signs[name]; sign != "" {
			name = sign
		} else if name == divide {
			name = "/"
		}
		return "'" + name + "' applied"
	})
	if rest, ok := strings.CutPrefix(message, "found no matching overload for "); ok {
		return celTypes.Replace(strings.Replace(rest, " applied to", " does not apply to", 1))
	}
	if strings.HasPrefix(message, "expected type") {
		return celTypes.Replace(message)
	}
	return message
}

// check types an expression, bounds its cost and plans it.
func (c *compiler) check(language *cel.Env, p unchecked) (*program, error) {
	checked, issues := language.Check(p.ast)
	if err := c.first(issues, p.at); err != nil {
		return nil, err
	}
	at := column(c.text, p.at.from)
	if got := checked.OutputType(); !got.IsExactType(p.kind.celType()) {
		return nil, &Error{at, fmt.Sprintf("%s takes %s, and this is %s", p.where, p.kind, typeName(got))}
	}
	usual, err := bound(language, checked, usualText)
	if err != nil {
		return nil, &Error{at, err.Error()}
	}
	if usual > MaxCost {
		return nil, &Error{at, fmt.Sprintf("costs up to %d an event, of which %d are allowed: make it simpler", usual, MaxCost)}
	}
	worst, err := bound(language, checked, math.MaxInt32)
	if err != nil {
		return nil, &Error{at, err.Error()}
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if worst > MaxCost {
		options = append(options, cel.CostLimit(MaxCost))
	}
	planned, err := language.Program(checked, options...)
	if err != nil {
		return nil, &Error{at, plainly(err.Error())}
	}
	return &program{planned, worst > MaxCost}, nil
}

func typeName(t *cel.Type) string {
	for k := number; k <= condition; k++ {
		if t.IsExactType(k.celType()) {
			return k.String()
		}
	}
	return "a " + celTypes.Replace(cel.FormatCELType(t))
}

// bound is the most that an expression costs if texts of events have at most length characters.
func bound(language *cel.Env, checked *cel.Ast, length uint64) (uint64, error) {
	c, err := language.EstimateCost(checked, lengths(length))
	if err != nil {
		return 0, fmt.Errorf("estimate the cost: %w", err)
	}
	return c.Max, nil
}

// lengths is the length that texts of events have at most.
type lengths uint64

// EstimateSize returns the length of a variable.
func (l lengths) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	if node.Expr().Kind() == ast.IdentKind && node.Type().Kind() == types.StringKind {
		return &cost.SizeEstimate{Max: uint64(l)}
	}
	return nil
}

// EstimateCallCost leaves the cost of calls to the language.
func (l lengths) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
