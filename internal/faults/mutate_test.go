package faults

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/streammon/streammon/internal/oracle"
)

// mutator makes hostile messages: real ones with their bytes and members changed, the seeds of
// the decoder's fuzz tests, the generated and the broken messages of the oracle's logs, and monsters.
type mutator struct {
	random *rand.Rand
	real   func() []byte // the next message of the traffic
	pool   [][]byte      // seeds and generated messages, to mutate and to splice with
}

func newMutator(seed uint64, real func() []byte) *mutator {
	m := &mutator{random: rand.New(rand.NewPCG(seed, 2)), real: real}
	for _, s := range seeds {
		m.pool = append(m.pool, []byte(s))
	}
	for i := range uint64(8) {
		_, lanes := oracle.Generate(rand.New(rand.NewPCG(seed, 100+i)))
		for _, lane := range lanes {
			for _, message := range lane {
				if len(message.Value) > 100_000 {
					continue // the monsters are large enough
				}
				// The generator's models are model-0 to model-2.
				m.pool = append(m.pool, bytes.ReplaceAll(message.Value, []byte(`"model-`), []byte(`"m`)))
			}
		}
	}
	return m
}

// seeds are those of the fuzz tests of the decoder and of the oracle.
var seeds = []string{
	`{"a":[1,2,{"b":"\ud83d\ude00"}],"time":"x"}`, `{"time":1,"features":{"amount":1e400}}`, `{"a":1,"a":2}`, "{\"\xff\":1}", `[[[[]]]]`,
	`{"x":"\ud800"}`, ` `, `nul`, `{"time":1700000000,"features":{"f":1e400}}`, `{"time":"2026-11-22T10:00:00Z","version":1e5}`,
	`{"a":"\ud83d\ude00"}`, "[1,\"\xff\"]", `null`, `0`, `-`, `""`, `{}`, `[]`, `{"":{"":{}}}`,
}

// tokens stand where a value or a piece of one may.
var tokens = []string{
	"null", "true", "false", "{}", "[]", `""`, "0", "-0", "-1", "1e308", "-1e308", "1e309", "1e-400", "5e-324", "1E+400", "0e9223372036854775807", "1e9223372036854775807", "1e-99999999999999999999",
	"9007199254740993",
	"18446744073709551616", "123456789012345678901234567890", "0.1e1", "1.0", "1.", ".5", "01", "+1", "NaN", "Infinity", "-Infinity", "0x10", "1_000",
	`"NaN"`, `"1e308"`, `"__other__"`, `"\u0000"`, `"\ud800"`, `"\udc00\ud800"`, `"\ud83d\ude00"`, `"\u202e"`, `"\x41"`, `"\`, `"`, "\"\xff\"", "\"\xc0\xaf\"",
	"\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"a\nb\"", "\"\x00\"", "\x00", "\xef\xbb\xbf", "\n", "\r\n", " ", "\t", "\v", "\u00a0", "\u2028", ",", ":", "{", "}", "[", "]",
	"/* */", "//", `{"a":1,"a":1}`, `{"a":1,"\u0061":2}`, `["DE"]`, `[1,]`, `{"a":1,}`, `"m0"`, `"label"`, `"prediction"`, `"yes"`, `"error"`, "500", "499.9", `"500"`,
	"1970", "253402300799", `"9999-12-31T23:59:59Z"`, `"1970-01-01T00:00:00Z"`, `"0000-00-00T00:00:00Z"`, `"2026-06-01T12:00:60Z"`,
}

// next returns a hostile message; nil is a record without a value.
func (m *mutator) next() []byte {
	r := m.random
	switch p := r.IntN(1000); {
	case p < 40:
		return m.monster()
	case p < 240:
		return m.mutate(bytes.Clone(m.pool[r.IntN(len(m.pool))]))
	case p < 260:
		return bytes.Clone(m.pool[r.IntN(len(m.pool))])
	}
	return m.mutate(m.real())
}

// mutate changes one to four things.
func (m *mutator) mutate(b []byte) []byte {
	for range 1 + m.random.IntN(4)*m.random.IntN(2) {
		if len(b) == 0 {
			return b
		}
		b = m.change(b)
	}
	return b
}

func (m *mutator) change(b []byte) []byte {
	r := m.random
	i := r.IntN(len(b))
	k := i + r.IntN(min(len(b)-i, 40)+1)
	token := []byte(tokens[r.IntN(len(tokens))])
	switch r.IntN(16) {
	case 0:
		b[i] ^= 1 << r.IntN(8)
	case 1:
		b[i] = byte(r.Uint32())
	case 2: // insertion
		return splice(b[:i], []byte{byte(r.Uint32())}, b[i:])
	case 3: // deletion
		return splice(b[:i], b[k:])
	case 4: // duplication
		return splice(b[:k], b[i:])
	case 5: // two messages in one
		other := m.pool[r.IntN(len(m.pool))]
		return splice(b[:i], other[r.IntN(len(other)+1):])
	case 6:
		return b[:i]
	case 7:
		return splice(b[:i], token, b[i:])
	case 8, 9, 10:
		return m.replaceValue(b, token)
	case 11: // a member twice
		if from, to := m.member(b); to > from {
			return splice(b[:to], []byte(","), b[from:])
		}
	case 12: // a member gone
		if from, to := m.member(b); to > from {
			return splice(b[:from], bytes.TrimPrefix(b[to:], []byte(",")))
		}
	case 13:
		return m.replaceValue(b, m.large(r.IntN(6000)))
	case 14: // invalid or odd text inside of a string
		if q := bytes.IndexByte(b[i:], '"'); q >= 0 {
			return splice(b[:i+q+1], bytes.Trim(token, `"`), b[i+q+1:])
		}
	case 15:
		return bytes.Repeat(b, 2)
	}
	return b
}

func splice(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// replaceValue puts a value in the place of another one that is no object or array.
func (m *mutator) replaceValue(b, value []byte) []byte {
	from, to := m.member(b)
	if colon := bytes.IndexByte(b[from:to], ':'); colon >= 0 {
		return splice(b[:from+colon+1], value, b[to:])
	}
	return b
}

// member finds a "key":value of simple value in the messages of the traffic, as a naive reader would.
func (m *mutator) member(b []byte) (from, to int) {
	i := m.random.IntN(len(b))
	from = i + bytes.IndexAny(b[i:], `{,`) + 1
	if from == i {
		return 0, 0
	}
	to = bytes.IndexAny(b[from:], ",}")
	if to < 0 {
		return 0, 0
	}
	return from, from + to
}

// large is a value of about n bytes, or of depth n.
func (m *mutator) large(n int) []byte {
	switch m.random.IntN(7) {
	case 0:
		return fmt.Appendf(nil, "%q", strings.Repeat("x", n))
	case 1:
		return fmt.Appendf(nil, `"%s"`, strings.Repeat("😀", n/4))
	case 2:
		return fmt.Appendf(nil, "%s", strings.Repeat("9", n+1))
	case 3:
		return fmt.Appendf(nil, "0.%s1e%d", strings.Repeat("0", n), n)
	case 4:
		return []byte(strings.Repeat("[", n/100) + strings.Repeat("]", n/100))
	case 5:
		return []byte(strings.Repeat(`{"a":`, n/200) + "1" + strings.Repeat("}", n/200))
	}
	var members []string
	for i := range n/3 + 1 {
		members = append(members, fmt.Sprintf(`"k%d":%d`, i, i))
	}
	return []byte("{" + strings.Join(members, ",") + "}")
}

// monster is no event at all, or one at or beyond a limit.
func (m *mutator) monster() []byte {
	r := m.random
	event := m.real()
	head := event[:len(event)-1] // without the closing brace, if it is whole
	fill := func(n int) []byte { return []byte(strings.Repeat(" ", max(n, 0))) }
	switch r.IntN(18) {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2:
		return fill(1 + r.IntN(100))
	case 3:
		return []byte(strings.Repeat("[", 1+r.IntN(100_000)))
	case 4:
		return []byte(strings.Repeat(`{"a":`, 1+r.IntN(20_000)))
	case 5: // strings at their limit
		return fmt.Appendf(nil, `%s,"x":"%s"}`, head, strings.Repeat("x", 4095+r.IntN(3)))
	case 6:
		return fmt.Appendf(nil, `%s,"%s":1}`, head, strings.Repeat(`\u0061`, 4095+r.IntN(3)))
	case 7: // depth at its limit
		n := 14 + r.IntN(4)
		return fmt.Appendf(nil, `%s,"x":%s%s}`, head, strings.Repeat("[", n), strings.Repeat("]", n))
	case 8: // fields at their limit
		n := 1024 - bytes.Count(event, []byte(`":`)) - 2 + r.IntN(5)
		return fmt.Appendf(nil, `%s,"x":{"0":0%s}}`, head, m.fields(n))
	case 9: // a message at its limit; these are dear
		if r.IntN(20) == 0 {
			return splice(event, fill(1<<20-len(event)-1+r.IntN(3)))
		}
		return splice(fill(r.IntN(5000)), event, fill(r.IntN(5000)))
	case 10:
		if r.IntN(20) == 0 {
			return fmt.Appendf(nil, `%s,"x":"%s"}`, head, strings.Repeat("x", 2<<20))
		}
		return fmt.Appendf(nil, `%s,"x":%s}`, head, m.large(20_000))
	case 11:
		return fmt.Appendf(nil, `%s,"x":%s}`, head, strings.Repeat("9", 1+r.IntN(50_000)))
	case 12: // bytes of no form
		b := make([]byte, r.IntN(2000))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	case 13: // compressed, or another format's magic
		return splice([]byte{[]byte{0, 0x1f, 0x28, 'P', 'O', 0xef, 0xfe}[r.IntN(7)], 0x8b, 0x08, 0}, event)
	case 14: // UTF-16
		b := []byte{0xff, 0xfe}
		for _, c := range event {
			b = append(b, c, 0)
		}
		return b
	case 15:
		return bytes.Repeat([]byte{0}, 1+r.IntN(1000))
	case 16:
		return fmt.Appendf(nil, "[%s]", event)
	}
	return fmt.Appendf(nil, "%q", event)
}

func (m *mutator) fields(n int) []byte {
	var b []byte
	for i := range max(n, 0) {
		b = fmt.Appendf(b, `,"%d":0`, i+1)
	}
	return b
}
