package decode

import (
	"bytes"
	"strings"

	"github.com/streammon/streammon/internal/event"
)

// truth takes the label itself. What is relevant is a member of it, or elsewhere.
func (d *Decoder) truth(v *value, t *event.Truth) {
	if c := d.categorical(v); c.State == event.Valid {
		t.Text, t.HasText = c.Text, true
	}
	if n := d.numeric(v); n.State == event.Valid {
		t.Number, t.HasNumber = n.Number, true
	}
}

// scores takes an object of scores by class. A class whose score is null has none.
func (d *Decoder) scores(v *value, ev *event.Event) {
	ev.ScoresState = d.elements(v, "{", func(class []byte, score value) bool {
		p := d.numeric(&score)
		if p.State == event.Valid {
			ev.Scores = append(ev.Scores, event.ClassScore{Class: class, P: p.Number})
		}
		return p.State != event.Invalid && len(ev.Scores) <= event.MaxItems
	})
	if ev.ScoresState != event.Valid {
		ev.Scores = ev.Scores[:0]
	}
}

// items takes a list of what was recommended. What comes after event.MaxItems only has to be texts and numbers.
func (d *Decoder) items(v *value, ev *event.Event) {
	ev.ItemsState = d.elements(v, "[", func(_ []byte, item value) bool {
		if len(ev.Items) == event.MaxItems {
			return item.kind == stringValue || item.kind == numberValue
		}
		name, ok := d.item(&item)
		ev.Items = append(ev.Items, name)
		return ok
	})
	if ev.ItemsState != event.Valid {
		ev.Items = ev.Items[:0]
	}
}

// relevant takes a list of relevant items, or an object of how relevant they are; one of which that is null is none. A
// part of them would give another recall: there may not be more than event.MaxItems.
func (d *Decoder) relevant(v *value, t *event.Truth) {
	t.ItemsState = d.elements(v, "[{", func(key []byte, element value) bool {
		item, ok := event.Item{Name: key, Relevance: 1}, false
		if key == nil {
			item.Name, ok = d.item(&element)
		} else {
			r := d.numeric(&element)
			if r.State == event.Missing {
				return true
			}
			item.Relevance, ok = r.Number, r.State == event.Valid && r.Number >= 0
		}
		t.Items = append(t.Items, item)
		return ok && len(t.Items) <= event.MaxItems
	})
	if t.ItemsState != event.Valid {
		t.Items = t.Items[:0]
	}
}

// item reads an item's name: a text or an integer.
func (d *Decoder) item(v *value) (name []byte, ok bool) {
	if v.kind != stringValue && v.kind != numberValue {
		return nil, false
	}
	c := d.categorical(v)
	return c.Text, c.State == event.Valid
}

// elements calls take for each element of a list, with a nil key, or for each member of an object, and returns
// whether all were scalars that it took. opens has the brackets of what is allowed. Where texts are
// parsed, a text may hold the list or object.
func (d *Decoder) elements(v *value, opens string, take func(key []byte, element value) bool) event.State {
	text, parse := v.text, false
	switch {
	case v.kind == nullValue:
		return event.Missing
	case v.kind == stringValue && d.options.Mapping.ParseStrings:
		text, parse = bytes.TrimSpace(text), true
	case v.kind != compositeValue:
		return event.Invalid
	}
	if len(text) == 0 || strings.IndexByte(opens, text[0]) < 0 {
		return event.Invalid
	}
	s := &d.scanner
	msg, at := s.msg, s.at
	s.msg, s.at = text, 1
	ok := s.scalars(parse, take)
	s.msg, s.at, s.err = msg, at, scanError{} // what is wrong in a text is wrong with this value only
	if !ok {
		return event.Invalid
	}
	return event.Valid
}

// scalars reads the list or object behind its opening bracket, up to its end, which is that of the text. check looks for
// duplicate keys, as it is done already where the message has no texts around it.
func (s *scanner) scalars(check bool, take func(key []byte, element value) bool) bool {
	object, end := s.msg[0] == '{', s.msg[0]+2 // the bracket that closes
	s.serial++
	if s.space(); s.at < len(s.msg) && s.msg[s.at] == end {
		return s.at+1 == len(s.msg)
	}
	for {
		var key []byte
		if object {
			var ok bool
			if key, ok = s.key(check); !ok {
				return false
			}
		}
		var v value
		if !s.scalar(&v) || !take(key, v) {
			return false
		}
		if s.space(); s.at >= len(s.msg) {
			return false
		}
		c := s.msg[s.at]
		s.at++
		if c == end {
			return s.at == len(s.msg)
		}
		if c != ',' {
			return false
		}
		s.space()
	}
}

// key reads a key and its colon. The key is not nil.
func (s *scanner) key(check bool) (key []byte, ok bool) {
	if s.at >= len(s.msg) || s.msg[s.at] != '"' {
		return nil, false
	}
	if key, ok = s.text(); !ok {
		return nil, false
	}
	if check { // the keys in texts count, too, or there were no room for them
		if s.fields++; s.fields > s.limits.Fields || !s.first(s.serial, key) {
			return nil, false
		}
	}
	if s.space(); s.at >= len(s.msg) || s.msg[s.at] != ':' {
		return nil, false
	}
	s.at++
	s.space()
	return key, true
}

// scalar reads a string, a number or a word.
func (s *scanner) scalar(v *value) (ok bool) {
	if s.at >= len(s.msg) {
		return false
	}
	switch c := s.msg[s.at]; {
	case c == '"':
		v.kind = stringValue
		v.text, ok = s.text()
	case c == '-' || c >= '0' && c <= '9':
		v.kind = numberValue
		v.text, ok = s.number()
	case c == 't':
		v.kind, ok = trueValue, s.word("true")
	case c == 'f':
		v.kind, ok = falseValue, s.word("false")
	case c == 'n':
		v.kind, ok = nullValue, s.word("null")
	}
	return ok
}
