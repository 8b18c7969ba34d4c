package oracle

import (
	"bytes"
	"encoding/json"
	"io"
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
// or map[string]any, or the reason why the text is rejected. Of several the first
// in the text counts.
func parse(text []byte) (any, event.Reason) {
	switch {
	case len(text) == 0:
		return nil, event.Empty
	case len(text) > maxMessageBytes:
		return nil, event.TooLarge
	}
	p := parser{text: text, tokens: json.NewDecoder(bytes.NewReader(text))}
	p.tokens.UseNumber()
	value := p.value(0)
	if p.fault == event.Accepted {
		if _, err := p.tokens.Token(); err != io.EOF {
			return nil, event.Syntax
		}
	}
	return value, p.fault
}

// parser builds the tree of a JSON text, and goes no further than the first fault.
type parser struct {
	text   []byte
	tokens *json.Decoder
	fields int
	fault  event.Reason
}

// fail notes the first fault.
func (p *parser) fail(reason event.Reason) {
	if p.fault == event.Accepted {
		p.fault = reason
	}
}

func (p *parser) token() json.Token {
	before := p.tokens.InputOffset()
	t, err := p.tokens.Token()
	raw := p.text[before:p.tokens.InputOffset()]
	switch s, ok := t.(string); {
	case err != nil || !utf8.Valid(raw) || loneSurrogate(raw):
		p.fail(event.Syntax)
	case ok && len(s) > maxStringBytes:
		p.fail(event.TooLarge)
	}
	return t
}

// more reports whether another element or member begins.
func (p *parser) more() bool { return p.fault == event.Accepted && p.tokens.More() }

// value reads a value inside of depth arrays and objects.
func (p *parser) value(depth int) any {
	t := p.token()
	if _, nested := t.(json.Delim); nested && depth == maxDepth {
		p.fail(event.TooLarge)
	}
	switch {
	case p.fault != event.Accepted:
		return nil
	case t == json.Delim('['):
		return p.array(depth + 1)
	case t == json.Delim('{'):
		return p.object(depth + 1)
	}
	return t
}

func (p *parser) array(depth int) any {
	elements := []any{}
	for p.more() {
		elements = append(elements, p.value(depth))
	}
	p.token()
	return elements
}

func (p *parser) object(depth int) any {
	members := map[string]any{}
	for p.more() {
		p.countField()
		key, ok := p.token().(string)
		if _, twice := members[key]; twice || !ok {
			p.fail(event.Syntax)
		}
		if p.fault == event.Accepted {
			members[key] = p.value(depth)
		}
	}
	p.token()
	return members
}

// countField counts a member if a key begins; it need not end.
func (p *parser) countField() {
	rest := bytes.TrimLeft(p.text[p.tokens.InputOffset():], " \t\r\n,")
	if !bytes.HasPrefix(rest, []byte(`"`)) {
		return
	}
	if p.fields++; p.fields > maxFields {
		p.fail(event.TooLarge)
	}
}

// loneSurrogate reports whether a piece of valid JSON text escapes half of a surrogate
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
