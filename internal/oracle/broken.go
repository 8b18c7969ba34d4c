package oracle

import (
	"strings"
	"time"

	"github.com/streammon/streammon/internal/event"
)

// sendBroken puts a message into the lane that is rejected for the reason.
func (g *generator) sendBroken(lane, model int, at int64, reason event.Reason) {
	if reason == event.Future {
		late := int64(g.setup.MaxFuture) + 1 + g.rng.Int64N(int64(24*time.Hour))
		g.append(lane, sending{Message{[]byte(g.prediction(model, at, "f")), floor(at-late, time.Millisecond)}, at})
		return
	}
	g.send(lane, at, g.brokenText(model, at, reason), g.delay())
}

// brokenText renders a message that is rejected for the reason, which is none that
// depends on the record.
func (g *generator) brokenText(model int, at int64, reason event.Reason) string {
	members := g.predictionMembers(model, at, "b")
	switch reason {
	case event.Empty:
		return ""
	case event.TooLarge:
		return g.object(append(members, member{"large", g.large()})...)
	case event.Syntax:
		return g.garbled(members)
	case event.Envelope:
		return g.badEnvelope(model, at, members)
	case event.Time:
		return g.object(with(members, member{"time", pick(g.rng, `"yesterday"`, `""`, `"2026-13-01T00:00:00Z"`,
			`"2026-01-01T00:00:00"`, `"2026-01-01"`, `"2026-02-30T00:00:00Z"`, "1e30", "-1e300", `"12:00"`)})...)
	case event.Past:
		return g.object(with(members, member{"time", pick(g.rng, `"1999-12-31T23:59:59.999999999Z"`, "946684799", "0", "12345",
			"946684799999", `"1970-01-01T00:00:00+01:00"`, "-5")})...)
	case event.Model:
		return g.object(with(members, member{"model", pick(g.rng, `"unknown"`, `""`, `"MODEL-0"`, `"model-0 "`)})...)
	}
	panic("oracle: no text is rejected as " + reason.String())
}

// with replaces a member, or adds it.
func with(members []member, m member) []member { return append(without(members, m.key), m) }

func without(members []member, key string) (out []member) {
	for _, m := range members {
		if m.key != key {
			out = append(out, m)
		}
	}
	return out
}

// large renders a value beyond one of the limits.
func (g *generator) large() string {
	switch p := g.rng.Float64(); {
	case p < 0.4:
		return `"` + strings.Repeat("x", maxStringBytes+1+g.rng.IntN(1000)) + `"`
	case p < 0.7:
		depth := maxDepth + 1 + g.rng.IntN(100)
		return strings.Repeat(`{"a":[`, depth) + strings.Repeat("]}", depth)
	case p < 0.97:
		return "[" + strings.Repeat(`{"a":1},`, maxFields+g.rng.IntN(100)) + "0]"
	}
	return "[" + strings.Repeat("1,", maxMessageBytes/2) + "1]"
}

// garbled renders a message that is no JSON, or none that everybody reads alike.
func (g *generator) garbled(members []member) string {
	good := g.object(members...)
	switch g.rng.IntN(4) {
	case 0:
		return good[:1+g.rng.IntN(len(good)-1)]
	case 1:
		return pick(g.rng, good+"}", good+good, good+" x", "\ufeff"+good, "nonsense", "{]", "<html></html>", "'a'")
	case 2:
		again := pick(g.rng, members...)
		return good[:len(good)-1] + `,"` + again.key + `":` + again.value + "}"
	}
	return g.object(append(members, member{"bad", pick(g.rng, "NaN", "Infinity", "01", "1.", ".5", "+1", "0x1", "1e", "tru",
		`"\ud800"`, `"\udc00\ud800"`, `"\ud800\u0041"`, `"\x41"`, `"\u12g4"`, "\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"",
		"\"\x01\"", "\"a\tb\"", "[1,]", "[1 2]", `{"a":1,"a":1}`, `{"a":1,"\u0061":2}`, `{"a"}`, `{1:2}`, "")})...)
}

// badEnvelope renders a message in which something required is missing or has
// another type.
func (g *generator) badEnvelope(model int, at int64, members []member) string {
	bad := []string{
		g.object(without(members, "time")...),
		g.object(with(members, member{"time", pick(g.rng, "null", "true", "[]", "{}")})...),
		g.object(with(members, member{"type", pick(g.rng, `"click"`, `""`, "1", "true", `["label"]`)})...),
		g.object(with(members, member{"model", pick(g.rng, "1", "true", `["model-0"]`)})...),
		g.object(with(members, member{"version", pick(g.rng, "true", "[1]", "{}")})...),
		g.object(append(g.head(model, at, `"label"`), member{"label", "1"})...),
		pick(g.rng, "[]", "[1,2]", "5", `"text"`, "null", "true", "{}"),
	}
	if len(g.models) > 1 {
		bad = append(bad, g.object(without(members, "model")...))
	}
	return pick(g.rng, bad...)
}
