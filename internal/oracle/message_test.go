package oracle

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/event"
)

func TestReasons(t *testing.T) {
	one, two := Setup{Models: []Model{{Name: "m"}}}, Setup{Models: []Model{{Name: "m"}, {Name: "n"}}}
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, c := range []struct {
		setup Setup
		text  string
		want  event.Reason
	}{
		{one, `{"time":1700000000}`, event.Accepted},
		{one, ` {"time":"1700000000","type":"prediction","model":"m","id":7,"version":3} `, event.Accepted},
		{one, `{"time":1700000000,"type":"label","id":"x","label":0}`, event.Accepted},
		{one, `{"time":"2026-11-22 10:00:00+02:00"}`, event.Accepted},
		{one, `{"time":1e-99999999999999999999}`, event.Accepted},
		{one, `{"time":0.` + strings.Repeat("0", 5000) + `1e5010}`, event.Accepted},
		{one, `{"time":1700000000,"":"\ud83d\ude00 \\ud800 \\\ud83d\uDE00"}`, event.Accepted},
		{one, `{"time":1700000000,"x":` + deep(15) + `}`, event.Accepted},
		{two, `{"time":1700000000,"model":"n"}`, event.Accepted},
		{one, ``, event.Empty},
		{one, ` `, event.Syntax},
		{one, `{"time":1700000000,"x":` + deep(16) + `}`, event.TooLarge},
		{one, `{"time":1700000000,"x":"` + strings.Repeat("é", 2049) + `"}`, event.TooLarge},
		{one, `[` + strings.Repeat(`{"a":0},`, 1025) + `0]`, event.TooLarge},
		{one, strings.Repeat(" ", 1<<20) + `{"time":1700000000}`, event.TooLarge},
		{one, `{"time":1700000000,"x":1,"x":1}`, event.Syntax},
		{one, `{"time":1700000000,"x":{"a":{"b":0,"\u0062":0}}}`, event.Syntax},
		{one, "{\"time\":1700000000,\"x\":\"\xff\"}", event.Syntax},
		{one, `{"time":1700000000,"x":"\ud83d"}`, event.Syntax},
		{one, `{"time":1700000000,"x":"\ude00\ud83d"}`, event.Syntax},
		{one, `{"time":1700000000,"x":"\ud83d\n"}`, event.Syntax},
		{one, `{"time":1700000000,"x":"\\\ud83d"}`, event.Syntax},
		{one, `{"time":1700000000} {}`, event.Syntax},
		{one, `{"x":1,"x":2}`, event.Syntax},
		{one, `[]`, event.Envelope},
		{one, `null`, event.Envelope},
		{one, `{}`, event.Envelope},
		{one, `{"Time":1700000000}`, event.Envelope},
		{one, `{"time":null}`, event.Envelope},
		{one, `{"time":1700000000,"type":"click"}`, event.Envelope},
		{one, `{"time":1700000000,"type":{}}`, event.Envelope},
		{one, `{"time":1700000000,"type":"label"}`, event.Envelope},
		{one, `{"time":1700000000,"type":"label","id":null,"label":0}`, event.Envelope},
		{one, `{"time":1700000000,"type":"label","id":"","label":0}`, event.Envelope},
		{one, `{"time":1700000000,"type":"label","id":"x"}`, event.Envelope},
		{one, `{"time":1700000000,"label":[]}`, event.Envelope},
		{one, `{"time":1700000000,"version":[]}`, event.Envelope},
		{one, `{"time":1700000000,"model":0}`, event.Envelope},
		{two, `{"time":1700000000}`, event.Envelope},
		{one, `{"time":"soon"}`, event.Time},
		{one, `{"time":"2026-11-22T10:00:00"}`, event.Time},
		{one, `{"time":"2026-11-22T10:00:00,5Z"}`, event.Time},
		{one, `{"time":1e40}`, event.Time},
		{one, `{"time":1e99999999999999999999}`, event.Time},
		{one, deep(17) + `,`, event.TooLarge},
		{one, `,` + deep(17), event.Syntax},
		{one, `{"x":"` + strings.Repeat("x", 4097) + `",}`, event.TooLarge},
		{one, `{"x":"` + strings.Repeat("x", 4097) + `\ud800"}`, event.Syntax},
		{one, `{"x":[1,],"y":` + deep(17) + `}`, event.Syntax},
		{one, `{"x":1,}`, event.Syntax},
		{one, `[` + strings.Repeat(`{"a":0},`, 1024) + `{"a`, event.TooLarge},
		{one, `[` + strings.Repeat(`{"a":0},`, 1024) + `{a":0}]`, event.Syntax},
		{one, `{"time":1700000000,"model":"n"}`, event.Model},
		{two, `{"time":1700000000,"model":"o"}`, event.Model},
	} {
		if _, got := read(c.setup, []byte(c.text)); got != c.want {
			t.Errorf("%.80s is rejected as %q, want %q", c.text, got, c.want)
		}
	}
}

func TestTimes(t *testing.T) {
	want := time.Date(2026, 11, 22, 10, 0, 0, 250e6, time.UTC).UnixNano()
	for _, text := range []string{
		`"2026-11-22T10:00:00.25Z"`, `"2026-11-22t10:00:00.250000000z"`, `"2026-11-22T12:00:00.25+02:00"`,
		`1795341600.25`, `1795341600250`, `"1795341600250"`, `1795341600250000`, `1795341600250000000`, `1.79534160025e9`,
	} {
		e, reason := read(Setup{Models: []Model{{}}}, []byte(`{"time":`+text+`}`))
		if reason != event.Accepted || e.time != want {
			t.Errorf("%s is %d %s, want %d", text, e.time, reason, want)
		}
	}
	e, _ := read(Setup{Models: []Model{{}}}, []byte(`{"time":1795341600000000001}`))
	if e.time != 1795341600000000001 {
		t.Errorf("nanoseconds are read as %d", e.time)
	}
}

func TestValues(t *testing.T) {
	invalid, missing := reading{state: event.Invalid}, reading{}
	number := func(x float64) reading { return reading{state: event.Valid, number: x} }
	text := func(s string) reading { return reading{state: event.Valid, text: s} }
	for _, c := range []struct {
		json                 string
		numeric, categorical reading
	}{
		{`null`, missing, missing},
		{`12`, number(12), text("12")},
		{`12.0`, number(12), text("12")},
		{`1.2e1`, number(12), text("12")},
		{`-0`, number(math.Copysign(0, -1)), text("0")},
		{`-0.0e-5`, number(math.Copysign(0, -1)), text("0")},
		{`1.5`, number(1.5), invalid},
		{`9007199254740993`, number(9007199254740992), text("9007199254740993")},
		{`1e999`, invalid, invalid},
		{`-1e999`, invalid, invalid},
		{`1e-999999999`, number(0), invalid},
		{`"12"`, invalid, text("12")},
		{`""`, invalid, text("")},
		{`true`, number(1), text("true")},
		{`false`, number(0), text("false")},
		{`[]`, invalid, invalid},
		{`{"a":1}`, invalid, invalid},
	} {
		value, _ := parse([]byte(c.json))
		if got := readValue(value, false); got != c.numeric {
			t.Errorf("%s is the number %+v, want %+v", c.json, got, c.numeric)
		}
		if got := readValue(value, true); got != c.categorical {
			t.Errorf("%s is the category %+v, want %+v", c.json, got, c.categorical)
		}
	}
	f, score := Feature{Name: "f"}, Feature{Name: event.PredictionScore}
	for _, c := range []struct {
		root    map[string]any
		feature Feature
		want    reading
	}{
		{map[string]any{"features": []any{}}, f, invalid},
		{map[string]any{"features": nil}, f, missing},
		{map[string]any{}, f, missing},
		{map[string]any{"features": map[string]any{"f": true}}, f, number(1)},
		{map[string]any{"prediction": []any{}}, score, missing},
		{map[string]any{"prediction": map[string]any{"score": "x"}}, score, invalid},
	} {
		if got := readFeature(c.root, c.feature); got != c.want {
			t.Errorf("%v of %v is %+v, want %+v", c.feature.Name, c.root, got, c.want)
		}
	}
}

func TestFailed(t *testing.T) {
	for text, want := range map[string]bool{
		`null`: false, `200`: false, `499`: false, `500`: true, `5.03e2`: true, `"500"`: true, `"404"`: false,
		`"error"`: true, `"ok"`: false, `""`: false, `"ERROR"`: false, `true`: false, `[500]`: false,
	} {
		value, _ := parse([]byte(text))
		if got := failed(value); got != want {
			t.Errorf("status %s failed: %v, want %v", text, got, want)
		}
	}
}

// FuzzRead checks that no bytes stop the oracle.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{``, `{"time":1700000000,"features":{"f":1e400}}`, `{"time":"2026-11-22T10:00:00Z","version":1e5}`, `{"a":"\ud83d\ude00"}`, "[1,\"\xff\"]"} {
		f.Add([]byte(seed))
	}
	setup := Setup{Models: []Model{{Features: []Feature{{Name: "f"}, {Name: "c", Categorical: true}}, Segments: []Segment{{Name: "s"}}}}}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, reason := read(setup, text)
		if reason == event.Accepted && e.kind == event.Prediction && (len(e.values) != 2 || len(e.segments) != 2) {
			t.Errorf("%d values and %d segments", len(e.values), len(e.segments))
		}
	})
}
