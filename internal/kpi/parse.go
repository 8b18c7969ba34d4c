package kpi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// call is an aggregate as it is written.
type call struct {
	kind         string
	at           int // offset in bytes
	value, where span
}

// span is a part of the text, in bytes; the zero one is not there.
type span struct{ from, to int }

func (s span) empty() bool { return s.to == 0 }

// token is a word (a name or number), a text in quotes, or one other sign.
type token struct {
	span
	text string
	word bool
}

// parser reads the outer form; what is inside is left to the expression language.
type parser struct {
	text   string
	tokens []token
}

// aggregates are the words that a figure begins with.
var aggregates = []string{"sum", "mean", "count"}

const forms = "sum(…), mean(…) or count()"

// parse reads a figure; bottom is nil if it is no ratio.
func parse(text string) (top, bottom *call, err error) {
	p := &parser{text: text}
	if err := p.scan(); err != nil {
		return nil, nil, err
	}
	end := len(p.tokens)
	top, next, err := p.aggregate(0, end)
	if err != nil {
		return nil, nil, err
	}
	if next < end && p.tokens[next].text == "/" {
		if bottom, next, err = p.aggregate(next+1, end); err != nil {
			return nil, nil, err
		}
	}
	if next < end {
		return nil, nil, p.fail(next, "%s, where the end, \"where\" or \"/ "+forms+"\" is wanted", p.show(next))
	}
	for _, c := range []*call{top, bottom} {
		if bottom != nil && c.kind == "mean" {
			return nil, nil, p.failAt(c.at, "a ratio is of sums and counts: mean(x) is sum(x) / count()")
		}
	}
	return top, bottom, nil
}

// aggregate reads one from the i-th token on, which may be in parentheses; next is the token behind it.
func (p *parser) aggregate(i, end int) (c *call, next int, err error) {
	opened := i
	for i < end && p.tokens[i].text == "(" {
		i++
	}
	if i >= end || !slices.Contains(aggregates, p.tokens[i].text) || i+1 >= end || p.tokens[i+1].text != "(" {
		return nil, 0, p.fail(i, "%s, where %s is wanted", p.show(i), forms)
	}
	c = &call{kind: p.tokens[i].text, at: p.tokens[i].from}
	closing, err := p.closing(i+1, end)
	if err != nil {
		return nil, 0, err
	}
	where := p.find(i+2, closing, p.isWhere)
	c.value = p.part(i+2, where)
	if next, err = p.conditions(c, where, closing, end); err != nil {
		return nil, 0, err
	}
	switch {
	case c.kind == "count" && !c.value.empty():
		return nil, 0, p.failAt(c.value.from, "count takes no expression, but a condition: count(where …)")
	case c.kind != "count" && c.value.empty():
		return nil, 0, p.failAt(c.at, "%s needs an expression in its parentheses, such as features.amount", c.kind)
	}
	for ; i > opened; i-- {
		if next >= end || p.tokens[next].text != ")" {
			return nil, 0, p.fail(next, "%s, where \")\" is wanted", p.show(next))
		}
		next++
	}
	return c, next, nil
}

// conditions reads the condition of c, which is from the token where on inside of its parentheses, or behind them.
func (p *parser) conditions(c *call, where, closing, end int) (next int, err error) {
	next = closing + 1
	inside := where < closing
	if inside {
		if c.where = p.part(where+1, closing); c.where.empty() {
			return 0, p.fail(where, "\"where\" needs a condition behind it")
		}
	}
	if next >= end || !p.isWhere(next) {
		return next, nil
	}
	if inside {
		return 0, p.fail(next, "a second \"where\": join conditions by &&")
	}
	stop := p.find(next+1, end, p.isRatio)
	if c.where = p.part(next+1, stop); c.where.empty() {
		return 0, p.fail(next, "\"where\" needs a condition behind it")
	}
	return stop, nil
}

// isWhere tells the word from a field of that name.
func (p *parser) isWhere(i int) bool {
	return p.tokens[i].text == "where" && (i == 0 || p.tokens[i-1].text != ".")
}

// isRatio tells the sign between two aggregates from a division within an expression.
func (p *parser) isRatio(i int) bool {
	if p.tokens[i].text != "/" {
		return false
	}
	i++
	for i < len(p.tokens) && p.tokens[i].text == "(" {
		i++
	}
	return i+1 < len(p.tokens) && slices.Contains(aggregates, p.tokens[i].text) && p.tokens[i+1].text == "("
}

// find returns the first token from i on that is, outside of all brackets that open there, or a closing one too many, or end.
func (p *parser) find(i, end int, is func(int) bool) int {
	for depth := 0; i < end; i++ {
		if depth == 0 && is(i) {
			return i
		}
		depth += p.nesting(i)
		if depth < 0 {
			return i
		}
	}
	return end
}

// closing returns the bracket that closes the i-th token.
func (p *parser) closing(i, end int) (int, error) {
	j := p.find(i+1, end, func(int) bool { return false })
	if j == end {
		return 0, p.fail(i, "a parenthesis that is not closed")
	}
	if p.tokens[j].text != ")" {
		return 0, p.fail(j, "%s, where \")\" is wanted", p.show(j))
	}
	return j, nil
}

func (p *parser) nesting(i int) int {
	switch p.tokens[i].text {
	case "(", "[", "{":
		return 1
	case ")", "]", "}":
		return -1
	}
	return 0
}

// part is the text of the tokens from i up to end.
func (p *parser) part(i, end int) span {
	if i >= end {
		return span{}
	}
	return span{p.tokens[i].from, p.tokens[end-1].to}
}

// show names the i-th token in a message.
func (p *parser) show(i int) string {
	if i >= len(p.tokens) {
		return "the end"
	}
	return shorten(p.tokens[i].text)
}

func (p *parser) fail(i int, format string, args ...any) error {
	at := len(p.text)
	if i < len(p.tokens) {
		at = p.tokens[i].from
	}
	return p.failAt(at, format, args...)
}

func (p *parser) failAt(offset int, format string, args ...any) error {
	return &Error{column(p.text, offset), fmt.Sprintf(format, args...)}
}

// scan cuts the text into tokens.
func (p *parser) scan() error {
	for i := 0; i < len(p.text); {
		r, size := utf8.DecodeRuneInString(p.text[i:])
		end := i + size
		switch {
		case unicode.IsSpace(r):
			i = end
			continue
		case isWord(r):
			for end < len(p.text) && isWord(rune(p.text[end])) {
				end++
			}
		case r == '"' || r == '\'':
			if end = p.quoted(i); end < 0 {
				return p.failAt(i, "a text that does not end: its quote is missing")
			}
		case strings.HasPrefix(p.text[i:], "//"):
			return p.failAt(i, "comments are not allowed here")
		}
		p.tokens = append(p.tokens, token{span{i, end}, p.text[i:end], isWord(r)})
		i = end
	}
	return nil
}

// isWord reports whether names and numbers may have it.
func isWord(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// quoted returns the end of the text in quotes that begins at i, or -1.
func (p *parser) quoted(i int) int {
	quote := p.text[i : i+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(p.text[i:], triple) {
		quote = triple
	}
	for j := i + len(quote); j < len(p.text); j++ {
		if strings.HasPrefix(p.text[j:], quote) {
			return j + len(quote)
		}
		if p.text[j] == '\\' && !p.raw(i) {
			j++
		}
	}
	return -1
}

// raw reports whether a text that begins at i has no escapes, by the letters before it, as in r"\d".
func (p *parser) raw(i int) bool {
	if len(p.tokens) == 0 {
		return false
	}
	last := p.tokens[len(p.tokens)-1]
	return last.to == i && slices.Contains([]string{"r", "br"}, strings.ToLower(last.text))
}

// shorten quotes a text at a bearable length.
func shorten(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strconv.Quote(s)
}
