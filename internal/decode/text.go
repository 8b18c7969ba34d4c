package decode

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a string, which begins at a quote, and returns it unescaped: a part of
// the message where it has no escapes, else of the scratch buffer.
func (s *scanner) text() ([]byte, bool) {
	s.at++
	start := s.at
	ascii := true
	for {
		s.at += plainPrefix(s.msg[s.at:])
		if s.at >= len(s.msg) {
			return nil, s.syntax("a string is not closed")
		}
		switch c := s.msg[s.at]; {
		case c == '"':
			text := s.msg[start:s.at]
			if !ascii && !utf8.Valid(text) {
				return nil, s.syntax("invalid UTF-8 in a string")
			}
			s.at++
			if len(text) > s.limits.StringBytes {
				return nil, s.tooLarge("string", s.limits.StringBytes)
			}
			return text, true
		case c == '\\':
			return s.escaped(start)
		case c < ' ':
			return nil, s.syntax("a control character in a string")
		default:
			ascii = ascii && c < utf8.RuneSelf
			s.at++
		}
	}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plainPrefix returns how many bytes at the beginning are plain: ASCII, no control
// character, quote or backslash. It looks at eight at a time and may stop early.
func plainPrefix(b []byte) int {
	n := 0
	for ; len(b)-n >= 8; n += 8 {
		w := binary.LittleEndian.Uint64(b[n:])
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		if (w|(w-ones*' ')|(quote-ones)&^quote|(slash-ones)&^slash)&highs != 0 {
			break
		}
	}
	for ; n < len(b); n++ {
		if c := b[n]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return n
}

// escaped goes on with a string at its first backslash.
func (s *scanner) escaped(start int) ([]byte, bool) {
	from := len(s.scratch)
	s.scratch = append(s.scratch, s.msg[start:s.at]...)
	for {
		if s.at >= len(s.msg) {
			return nil, s.syntax("a string is not closed")
		}
		c := s.msg[s.at]
		switch {
		case c == '"':
			text := s.scratch[from:]
			if !utf8.Valid(text) {
				return nil, s.syntax("invalid UTF-8 in a string")
			}
			s.at++
			if len(text) > s.limits.StringBytes {
				return nil, s.tooLarge("string", s.limits.StringBytes)
			}
			return text, true
		case c == '\\':
			if !s.escape() {
				return nil, false
			}
		case c < ' ':
			return nil, s.syntax("a control character in a string")
		default:
			s.scratch = append(s.scratch, c)
			s.at++
		}
	}
}

// escape reads one escape sequence into the scratch buffer.
func (s *scanner) escape() bool {
	if s.at+1 >= len(s.msg) {
		return s.syntax("a string is not closed")
	}
	c := s.msg[s.at+1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return s.unicodeEscape()
	default:
		return s.syntax("an unknown escape")
	}
	s.scratch = append(s.scratch, c)
	s.at += 2
	return true
}

func (s *scanner) unicodeEscape() bool {
	r, ok := hexRune(s.msg, s.at)
	if !ok {
		return s.syntax("an escape without four hex digits")
	}
	if utf16.IsSurrogate(r) {
		low, ok := hexRune(s.msg, s.at+6)
		if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
			return s.syntax("half of a surrogate pair")
		}
		s.at += 6
	}
	s.scratch = utf8.AppendRune(s.scratch, r)
	s.at += 6
	return true
}

// hexRune reads \uXXXX at i.
func hexRune(b []byte, i int) (r rune, ok bool) {
	if i+6 > len(b) || b[i] != '\\' || b[i+1] != 'u' {
		return 0, false
	}
	for _, c := range b[i+2 : i+6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
