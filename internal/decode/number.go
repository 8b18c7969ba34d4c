package decode

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"unsafe"
)

// number reads a number's token by the grammar of JSON.
func (s *scanner) number() ([]byte, bool) {
	start := s.at
	if s.msg[s.at] == '-' {
		s.at++
	}
	if s.at < len(s.msg) && s.msg[s.at] == '0' {
		s.at++
	} else if !s.digits() {
		return nil, s.syntax("a number without digits")
	}
	if s.at < len(s.msg) && s.msg[s.at] == '.' {
		s.at++
		if !s.digits() {
			return nil, s.syntax("a number without digits after its point")
		}
	}
	if s.at < len(s.msg) && s.msg[s.at]|0x20 == 'e' {
		s.at++
		if s.at < len(s.msg) && (s.msg[s.at] == '+' || s.msg[s.at] == '-') {
			s.at++
		}
		if !s.digits() {
			return nil, s.syntax("a number without digits in its exponent")
		}
	}
	return s.msg[start:s.at], true
}

func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.msg) && s.msg[s.at]-'0' <= 9 {
		s.at++
	}
	return s.at > start
}

// powersOfTen are exact as float64.
var powersOfTen = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// decimal is a number's token taken apart: (−1)^negative · mantissa · 10^exponent.
type decimal struct {
	negative bool
	mantissa uint64
	exponent int
	exact    bool // the mantissa has all digits; else the first 19 or 20
}

// beyondAny is an exponent that no digits of a message can make up for.
const beyondAny = 1 << 40

// parseExponent reads an exponent, up to one that is beyond any.
func parseExponent(b []byte) int {
	e, err := strconv.Atoi(textOf(b))
	switch {
	case err == nil:
		return max(-beyondAny, min(e, beyondAny))
	case b[0] == '-':
		return -beyondAny
	}
	return beyondAny
}

// parseDecimal takes a valid token apart.
func parseDecimal(b []byte) decimal {
	d := decimal{exact: true}
	i := 0
	if b[0] == '-' {
		d.negative, i = true, 1
	}
	point := false
	for ; i < len(b); i++ {
		c := b[i]
		if c == '.' {
			point = true
			continue
		}
		if c-'0' > 9 {
			break
		}
		if !d.exact || d.mantissa > (math.MaxUint64-9)/10 {
			d.exact = false
			if !point {
				d.exponent++
			}
			continue
		}
		d.mantissa = d.mantissa*10 + uint64(c-'0')
		if point {
			d.exponent--
		}
	}
	if i < len(b) {
		d.exponent += parseExponent(b[i+1:])
	}
	return d
}

// parseFloat returns the nearest float64 of a valid token; ok is false if it is not
// finite. Short numbers take Clinger's fast path, which is exact: a mantissa under
// 2^53 times or over a power of ten that is a float64.
func parseFloat(b []byte) (f float64, ok bool) {
	d := parseDecimal(b)
	if d.exact && d.mantissa < 1<<53 && d.exponent >= -22 && d.exponent <= 22 {
		f = float64(d.mantissa)
		if d.exponent < 0 {
			f /= powersOfTen[-d.exponent]
		} else {
			f *= powersOfTen[d.exponent]
		}
		if d.negative {
			f = -f
		}
		return f, true
	}
	f, err := strconv.ParseFloat(textOf(b), 64)
	return f, err == nil && !math.IsInf(f, 0)
}

// textOf is b as a string that must not be kept.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// maxPlainDigits is how many digits an integer may have to be finite as a float64 for certain.
const maxPlainDigits = 308

// appendInteger appends the canonical text of an integer: digits without leading
// zeros, a minus unless it is 0. All places are kept. ok is false for a fraction, and for
// what is not finite as a float64, which bounds the text.
func appendInteger(dst, token []byte) (out []byte, ok bool) {
	plain := true
	for _, c := range token {
		plain = plain && (c == '-' || c-'0' <= 9)
	}
	if plain && len(token) <= maxPlainDigits && string(token) != "-0" {
		return append(dst, token...), true
	}
	if _, finite := parseFloat(token); !finite {
		return dst, false
	}
	exponent := 0
	if i := bytes.IndexAny(token, "eE"); i >= 0 {
		exponent, token = parseExponent(token[i+1:]), token[:i]
	}
	token, negative := bytes.CutPrefix(token, []byte("-"))
	whole, fraction, _ := bytes.Cut(token, []byte("."))
	exponent -= len(fraction)
	start := len(dst)
	out = append(append(dst, whole...), fraction...)
	for ; exponent < 0 && len(out) > start; exponent++ {
		if out[len(out)-1] != '0' {
			return dst, false
		}
		out = out[:len(out)-1]
	}
	digits := bytes.TrimLeft(out[start:], "0")
	if len(digits) == 0 {
		return append(dst, '0'), true
	}
	out = out[:start+copy(out[start:], digits)]
	for range exponent {
		out = append(out, '0')
	}
	if negative {
		out = slices.Insert(out, start, '-')
	}
	return out, true
}

// isDigits reports whether a text is digits only.
func isDigits(b []byte) bool {
	for _, c := range b {
		if c-'0' > 9 {
			return false
		}
	}
	return len(b) > 0
}

// isDecimal reports whether a text is a number in JSON's notation, with leading zeros
// allowed.
func isDecimal(b []byte) bool {
	if len(b) > 0 && b[0] == '-' {
		b = b[1:]
	}
	digits := func() bool {
		n := 0
		for n < len(b) && b[n]-'0' <= 9 {
			n++
		}
		b = b[n:]
		return n > 0
	}
	if !digits() {
		return false
	}
	if len(b) > 0 && b[0] == '.' {
		if b = b[1:]; !digits() {
			return false
		}
	}
	if len(b) > 0 && b[0]|0x20 == 'e' {
		if b = b[1:]; len(b) > 0 && (b[0] == '+' || b[0] == '-') {
			b = b[1:]
		}
		if !digits() {
			return false
		}
	}
	return len(b) == 0
}

// parseText reads a float64 from text that may be no JSON number, such as "+1" or ".5".
func parseText(b []byte) (float64, bool) {
	f, err := strconv.ParseFloat(textOf(b), 64)
	return f, err == nil
}
