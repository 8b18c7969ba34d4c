package oracle

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/streammon/streammon/internal/event"
)

// The limits of a message.
const (
	maxMessageBytes = 1 << 20
	maxDepth        = 16
	maxFields       = 1024
	maxStringBytes  = 4096
)

// parse returns the value of a JSON text: nil, bool, json.Number, string, []any
// or map[string]any, or the reason why the text is rejected.
func parse(text []byte) (any, event.Reason) {
	switch {
	case len(text) == 0:
		return nil, event.Empty
	case len(text) > maxMessageBytes:
		return nil, event.TooLarge
	case !json.Valid(text) || !utf8.Valid(text) || loneSurrogate(text):
		return nil, event.Syntax
	}
	p := parser{tokens: json.NewDecoder(bytes.NewReader(text))}
	p.tokens.UseNumber()
	value := p.value(0)
	switch {
	case p.duplicate:
		return nil, event.Syntax
	case p.depth > maxDepth || p.fields > maxFields || p.longest > maxStringBytes:
		return nil, event.TooLarge
	}
	return value, event.Accepted
}

// parser builds the tree of a valid JSON text, and measures it.
type parser struct {
	tokens                 *json.Decoder
	depth, fields, longest int
	duplicate              bool
}

func (p *parser) token() json.Token {
	t, err := p.tokens.Token()
	if err != nil {
		panic("oracle: valid JSON does not parse: " + err.Error())
	}
	if s, ok := t.(string); ok {
		p.longest = max(p.longest, len(s))
	}
	return t
}

// value reads a value inside of depth arrays and objects.
func (p *parser) value(depth int) any {
	t := p.token()
	open, ok := t.(json.Delim)
	if !ok {
		return t
	}
	p.depth = max(p.depth, depth+1)
	if open == '[' {
		return p.array(depth + 1)
	}
	return p.object(depth + 1)
}

func (p *parser) array(depth int) any {
	elements := []any{}
	for p.tokens.More() {
		elements = append(elements, p.value(depth))
	}
	p.token()
	return elements
}

func (p *parser) object(depth int) any {
	members := map[string]any{}
	for p.tokens.More() {
		key := p.token().(string)
		if _, ok := members[key]; ok {
			p.duplicate = true
		}
		p.fields++
		members[key] = p.value(depth)
	}
	p.token()
	return members
}

// loneSurrogate reports whether a valid JSON text escapes half of a surrogate
// pair, which encoding/json lets pass. A backslash is in a string always.
func loneSurrogate(text []byte) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		i++ // now at the escaped character
		r := escaped(text[i:])
		if !utf16.IsSurrogate(r) {
			continue
		}
		if i+6 > len(text) || text[i+5] != '\\' || utf16.DecodeRune(r, escaped(text[i+6:])) == utf8.RuneError {
			return true
		}
		i += 6
	}
	return false
}

// escaped returns the code unit of text that begins with uXXXX, and 0 for
// another.
func escaped(text []byte) rune {
	if len(text) < 5 || text[0] != 'u' {
		return 0
	}
	unit, err := strconv.ParseUint(string(text[1:5]), 16, 16)
	if err != nil {
		return 0
	}
	return rune(unit)
}
