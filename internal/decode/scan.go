package decode

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"unsafe"

	"github.com/streammon/streammon/internal/event"
)

// scanError is why a scan ended; it allocates nothing.
type scanError struct {
	reason event.Reason
	what   string
	at     int // byte offset, or a limit; -1 if there is none
}

// Error says what was wrong and where.
func (e scanError) Error() string {
	switch {
	case e.at < 0:
		return fmt.Sprintf("%s: %s", e.reason, e.what)
	case e.reason == event.TooLarge:
		return fmt.Sprintf("%s: %s over the limit of %d", e.reason, e.what, e.at)
	}
	return fmt.Sprintf("%s: %s at byte %d", e.reason, e.what, e.at)
}

// valueKind is the type of a JSON value.
type valueKind uint8

const (
	nullValue valueKind = iota
	falseValue
	trueValue
	numberValue
	stringValue
	compositeValue
)

// value is a scanned value: the unescaped text of a string, the token of a number, the bytes of an object or array.
type value struct {
	kind valueKind
	text []byte
}

// scanner reads one message. It stops at the first error.
type scanner struct {
	limits Limits
	msg    []byte
	at     int
	fields int
	depth  int
	err    scanError

	scratch []byte // unescaped strings
	serial  uint64 // of the object; never used twice
	message uint64 // serial of the message
	unknown []member
	mask    uint64
}

// member is a key of an object that the tree does not know; it is there to find
// duplicates.
type member struct {
	message uint64
	object  uint64
	hash    uint64
	key     []byte
}

// slots returns how many keys there is a place for: twice as many as a message may have.
func (l Limits) slots() int {
	size := 64
	for size < 2*l.Fields {
		size *= 2
	}
	return size
}

// Memory returns how many bytes a decoder takes: from the beginning, and beyond that at most for the texts of a message.
func (l Limits) Memory() (table, texts int64) {
	return int64(l.slots()) * int64(unsafe.Sizeof(member{})), int64(l.MessageBytes)
}

func newScanner(l Limits) scanner {
	size := l.slots()
	return scanner{limits: l, unknown: make([]member, size), mask: uint64(size - 1)}
}

func (s *scanner) syntax(what string) bool {
	s.err = scanError{event.Syntax, what, s.at}
	return false
}

func (s *scanner) tooLarge(what string, limit int) bool {
	s.err = scanError{event.TooLarge, what, limit}
	return false
}

// scan reads a whole message.
func (d *Decoder) scan(msg []byte, ev *event.Event) bool {
	s := &d.scanner
	s.msg, s.at, s.fields, s.depth, s.scratch = msg, 0, 0, 0, s.scratch[:0]
	s.message++
	s.space()
	if s.at == len(msg) {
		return s.syntax("nothing but white space")
	}
	object := msg[s.at] == '{'
	if !d.value(d.root, ev) {
		return false
	}
	if s.space(); s.at < len(msg) {
		return s.syntax("more after the end of the value")
	}
	if !object {
		s.err = scanError{event.Envelope, "the message is no object", -1}
		return false
	}
	return true
}

func (s *scanner) space() {
	for s.at < len(s.msg) {
		switch s.msg[s.at] {
		case ' ', '\n', '\t', '\r':
			s.at++
		default:
			return
		}
	}
}

// value reads a value for a node, which is nil if it is of no interest.
func (d *Decoder) value(n *node, ev *event.Event) bool {
	s := &d.scanner
	if s.at >= len(s.msg) {
		return s.syntax("a value is missing")
	}
	var v value
	ok, start := false, s.at
	switch c := s.msg[start]; {
	case c == '"':
		v.kind = stringValue
		v.text, ok = s.text()
	case c == '{':
		v.kind, ok = compositeValue, d.object(n, ev)
	case c == '[':
		v.kind, ok = compositeValue, d.array(ev)
	case c == '-' || c >= '0' && c <= '9':
		v.kind = numberValue
		v.text, ok = s.number()
	case c == 't':
		v.kind, ok = trueValue, s.word("true")
	case c == 'f':
		v.kind, ok = falseValue, s.word("false")
	case c == 'n':
		v.kind, ok = nullValue, s.word("null")
	default:
		return s.syntax("no value begins with this byte")
	}
	if ok && n != nil {
		if v.kind == compositeValue {
			v.text = s.msg[start:s.at]
		}
		for _, t := range n.targets {
			d.take(t, &v, ev)
		}
	}
	return ok
}

func (s *scanner) word(w string) bool {
	if len(s.msg)-s.at < len(w) || string(s.msg[s.at:s.at+len(w)]) != w {
		return s.syntax("a word that is no value")
	}
	s.at += len(w)
	return true
}

func (s *scanner) enter() bool {
	if s.depth++; s.depth > s.limits.Depth {
		return s.tooLarge("depth", s.limits.Depth)
	}
	s.at++
	s.space()
	return true
}

func (d *Decoder) object(n *node, ev *event.Event) bool {
	s := &d.scanner
	if !s.enter() {
		return false
	}
	s.serial++
	serial := s.serial
	if n != nil {
		n.next = 0
	}
	if s.at < len(s.msg) && s.msg[s.at] == '}' {
		s.at++
		s.depth--
		return true
	}
	for {
		if !d.member(n, serial, ev) {
			return false
		}
		s.space()
		if s.at >= len(s.msg) {
			return s.syntax("the object is not closed")
		}
		switch s.msg[s.at] {
		case ',':
			s.at++
			s.space()
		case '}':
			s.at++
			s.depth--
			return true
		default:
			return s.syntax("a comma or the end of the object is wanted")
		}
	}
}

// member reads one key and its value.
func (d *Decoder) member(n *node, serial uint64, ev *event.Event) bool {
	s := &d.scanner
	if s.at >= len(s.msg) || s.msg[s.at] != '"' {
		return s.syntax("a key is wanted")
	}
	if s.fields++; s.fields > s.limits.Fields {
		return s.tooLarge("number of fields", s.limits.Fields)
	}
	start := s.at
	key, ok := s.text()
	if !ok {
		return false
	}
	var below *node
	if n != nil {
		if c := n.find(key); c != nil {
			if c.seen == serial {
				s.at = start
				return s.syntax("a duplicate key")
			}
			c.seen, below = serial, c.node
		} else if n.features {
			ev.Unlisted++
		}
	}
	if below == nil && !s.first(serial, key) {
		s.at = start
		return s.syntax("a duplicate key")
	}
	if s.space(); s.at >= len(s.msg) || s.msg[s.at] != ':' {
		return s.syntax("a colon is wanted")
	}
	s.at++
	s.space()
	return d.value(below, ev)
}

// seed is random, so that nobody can choose keys that collide.
var seed = maphash.MakeSeed()

// first reports whether the object had no such key before, and remembers it.
func (s *scanner) first(object uint64, key []byte) bool {
	hash := maphash.Bytes(seed, key) + object*0x9e3779b97f4a7c15
	for i := hash & s.mask; ; i = (i + 1) & s.mask {
		m := &s.unknown[i]
		if m.message != s.message {
			*m = member{s.message, object, hash, key}
			return true
		}
		if m.object == object && m.hash == hash && bytes.Equal(m.key, key) {
			return false
		}
	}
}

func (d *Decoder) array(ev *event.Event) bool {
	s := &d.scanner
	if !s.enter() {
		return false
	}
	if s.at < len(s.msg) && s.msg[s.at] == ']' {
		s.at++
		s.depth--
		return true
	}
	for {
		if !d.value(nil, ev) {
			return false
		}
		s.space()
		if s.at >= len(s.msg) {
			return s.syntax("the array is not closed")
		}
		switch s.msg[s.at] {
		case ',':
			s.at++
			s.space()
		case ']':
			s.at++
			s.depth--
			return true
		default:
			return s.syntax("a comma or the end of the array is wanted")
		}
	}
}
