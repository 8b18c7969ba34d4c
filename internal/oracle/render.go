package oracle

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// member is a key of an object and the JSON text of its value.
type member struct{ key, value string }

// writer renders JSON in the many ways that say the same thing.
type writer struct{ rng *rand.Rand }

// chance is true with probability p.
func (w writer) chance(p float64) bool { return w.rng.Float64() < p }

// pick returns one of the choices.
func pick[T any](rng *rand.Rand, choices ...T) T { return choices[rng.IntN(len(choices))] }

// object renders the members in any order.
func (w writer) object(members ...member) string {
	var parts []string
	for _, i := range w.rng.Perm(len(members)) {
		parts = append(parts, w.space()+w.quote(members[i].key)+w.space()+":"+w.space()+members[i].value+w.space())
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// space is white space that does not break a line.
func (w writer) space() string {
	if w.chance(0.95) {
		return ""
	}
	return pick(w.rng, " ", "  ", "\t")
}

// quote renders a string, with some escapes that are not needed.
func (w writer) quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < ' ' || w.chance(0.01):
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, pick(w.rng, `\u%04x`, `\u%04X`), unit)
			}
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// number renders a finite number so that it reads back as the same.
func (w writer) number(x float64) string {
	format := pick(w.rng, byte('g'), 'g', 'f', 'e')
	return strconv.FormatFloat(x, format, -1, 64)
}

// text renders a category: integers as numbers too, and booleans as such.
func (w writer) text(s string) string {
	_, err := strconv.ParseInt(s, 10, 64)
	switch {
	case s == "true" || s == "false":
		return pick(w.rng, s, w.quote(s))
	case err != nil || w.chance(0.5):
		return w.quote(s)
	case s == "0":
		return pick(w.rng, "0", "-0", "0.0", "0e5", "-0.00")
	}
	return pick(w.rng, s, s, s+".0", s+".00e0", s+"0e-1", s+"0E-01")
}

// time renders an event time in a form that loses nothing of it.
func (w writer) time(t int64) string {
	forms := []string{w.quote(w.rfc3339(t)), w.quote(w.rfc3339(t)), strconv.FormatInt(t, 10)}
	for _, unit := range []int64{1e3, 1e6, 1e9} {
		if t%unit == 0 {
			digits := strconv.FormatInt(t/unit, 10)
			forms = append(forms, digits, w.quote(digits))
		}
	}
	if t%250e6 == 0 { // quarters of a second are exact in binary
		seconds := strconv.FormatFloat(float64(t/250e6)/4, 'f', -1, 64)
		forms = append(forms, seconds, w.quote(seconds))
	}
	return pick(w.rng, forms...)
}

func (w writer) rfc3339(t int64) string {
	zone := pick(w.rng, time.UTC, time.UTC, time.FixedZone("", 2*3600), time.FixedZone("", -5*3600-1800))
	text := time.Unix(0, t).In(zone).Format(pick(w.rng, time.RFC3339Nano, "2006-01-02T15:04:05.000000000Z07:00"))
	if w.chance(0.02) {
		return strings.ToLower(text)
	}
	return text
}
