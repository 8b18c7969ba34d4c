package decode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/event"
)

func testSchema() event.Schema {
	return event.Schema{
		Models: []string{"fraud"}, Segments: []string{"country"},
		Features: []event.Feature{
			{Name: "amount"}, {Name: "merchant", Type: event.Categorical},
			{Name: event.PredictionScore}, {Name: event.PredictionLabel, Type: event.Categorical},
		},
	}
}

func newDecoder(t testing.TB, change func(*Options)) *Decoder {
	t.Helper()
	o := Options{Schema: testSchema()}
	if change != nil {
		change(&o)
	}
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const envelope = `{"type":"prediction","id":"tx-1","time":"2026-11-22T10:00:00.123Z","model":"fraud","version":"7",
 "segments":{"country":"DE"},"features":{"amount":12.5,"merchant":"m1"},
 "prediction":{"score":0.93,"label":"fraud"},"latency_ms":12.1,"status":200}`

func TestEnvelope(t *testing.T) {
	d := newDecoder(t, nil)
	var ev event.Event
	if r := d.Decode([]byte(envelope), &ev); r != event.Accepted {
		t.Fatal(r, d.LastError())
	}
	got := fmt.Sprintf("%v %s %s %d %s %v %g %s %g %s %g %s", ev.Kind, ev.ID, time.Unix(0, ev.Time).UTC().Format(time.RFC3339Nano), ev.Model, ev.Version,
		ev.Failed, ev.Latency, ev.Segments[0], ev.Features[0].Number, ev.Features[1].Text, ev.Features[2].Number, ev.Features[3].Text)
	if want := "prediction tx-1 2026-11-22T10:00:00.123Z 0 7 false 0.0121 DE 12.5 m1 0.93 fraud"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if ok, _ := d.LabelOf(&ev); ok {
		t.Error("a label was found")
	}
}

// TestReasons has a message for every rule of rejection.
// TestUnlisted counts the features that the schema does not have, and nothing else.
func TestUnlisted(t *testing.T) {
	for _, c := range []struct {
		message  string
		features string // path
		want     int
	}{
		{`{"time":1e9,"features":{"amount":1,"merchant":"a"},"other":1}`, "", 0},
		{`{"time":1e9,"other":{"x":1},"features":{"a":1,"amount":{"b":1},"merchant":"a","c":null,"d":{"e":1}}}`, "", 3},
		{`{"time":1e9,"features":null,"amount":1}`, "", 0},
		{`{"time":1e9,"model":"fraud","segments":{"x":1},"amount":1,"x":1,"y":2}`, "$", 2},
	} {
		d := newDecoder(t, func(o *Options) { o.Mapping.Features = c.features })
		var ev event.Event
		for range 2 { // it begins anew with each message
			if why := d.Decode([]byte(c.message), &ev); why != event.Accepted || ev.Unlisted != c.want {
				t.Errorf("%s: %d features are not listed, want %d (%v)", c.message, ev.Unlisted, c.want, d.LastError())
			}
		}
	}
}

func TestReasons(t *testing.T) {
	two := func(o *Options) { o.Schema.Models = []string{"fraud", "other"} }
	for _, c := range []struct {
		msg    string
		want   string
		change func(*Options)
	}{
		{``, "empty", nil},
		{` `, "syntax", nil},
		{`{`, "syntax", nil},
		{`{"time":1732269600}`, "", nil},
		{`{"time":1732269600}x`, "syntax", nil},
		{`{"time":1732269600} `, "", nil},
		{`{"time":1732269600,}`, "syntax", nil},
		{`{"time":1732269600 "id":1}`, "syntax", nil},
		{`{time:1732269600}`, "syntax", nil},
		{`{"time":01}`, "syntax", nil},
		{`{"time":1.}`, "syntax", nil},
		{`{"time":-}`, "syntax", nil},
		{`{"time":1e}`, "syntax", nil},
		{`{"time":+1}`, "syntax", nil},
		{`{"time":NaN}`, "syntax", nil},
		{`{"time":nul}`, "syntax", nil},
		{`{"time":1,"x":"` + "\x01" + `"}`, "syntax", nil},
		{`{"time":1,"x":"` + "\xff" + `"}`, "syntax", nil},
		{`{"time":1,"` + "\xff" + `":1}`, "syntax", nil},
		{`{"time":1,"x":"\ud800"}`, "syntax", nil},
		{`{"time":1,"x":"\ud800\u0041"}`, "syntax", nil},
		{`{"time":1,"x":"\x"}`, "syntax", nil},
		{`{"time":1,"x":"\u12g4"}`, "syntax", nil},
		{`{"time":1,"x":"\ud83d\ude00"}`, "", nil},
		{`{"time":1,"time":1}`, "syntax", nil},
		{`{"time":1,"\u0074ime":1}`, "syntax", nil},
		{`{"time":1,"x":1,"x":2}`, "syntax", nil},
		{`{"time":1,"x":{"y":1,"y":2}}`, "syntax", nil},
		{`{"time":1,"x":{"y":1},"z":{"y":2}}`, "", nil},
		{`{"time":1,"features":{"amount":1,"amount":2}}`, "syntax", nil},
		{`{"time":1,"x":[{"y":1},{"y":2}]}`, "", nil},
		{`[1]`, "envelope", nil},
		{`1`, "envelope", nil},
		{"\ufeff" + `{"time":1}`, "syntax", nil},
		{`{"id":"1"}`, "envelope", nil},
		{`{"time":null}`, "envelope", nil},
		{`{"time":true}`, "envelope", nil},
		{`{"time":[1]}`, "envelope", nil},
		{`{"time":1,"type":"other"}`, "envelope", nil},
		{`{"time":1,"type":1}`, "envelope", nil},
		{`{"time":1,"id":{}}`, "envelope", nil},
		{`{"time":1,"id":1.5}`, "envelope", nil},
		{`{"time":1,"version":true}`, "envelope", nil},
		{`{"time":1,"version":7}`, "", nil},
		{`{"time":1,"type":"label","label":"x"}`, "envelope", nil},
		{`{"time":1,"type":"label","id":"1"}`, "envelope", nil},
		{`{"time":1,"type":"label","id":"1","label":"x"}`, "", nil},
		{`{"time":1,"type":"label","id":1,"label":0}`, "", nil},
		{`{"time":1,"type":"label","id":1,"label":[1]}`, "envelope", nil}, {`{"time":1,"type":"label","id":1,"label":{"items":[]}}`, "", nil},
		{`{"time":"yesterday"}`, "time", nil},
		{`{"time":1e30}`, "time", nil},
		{`{"time":"2026-02-30T00:00:00Z"}`, "time", nil},
		{`{"time":"2026-11-22T10:00:60Z"}`, "time", nil},
		{`{"time":"9999-12-31T23:59:59Z"}`, "time", nil},
		{`{"time":1,"model":"other"}`, "model", nil},
		{`{"time":1,"model":1}`, "envelope", nil},
		{`{"time":1}`, "envelope", two},
		{`{"time":1,"model":"other"}`, "", two},
		{`{"time":1,"model":"third"}`, "model", two},
		{`{"time":"x","model":"third"}`, "time", two},
		{`{"time":true,"x":}`, "syntax", nil},
		{`{"time":1,"x":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`, "", nil},
		{`{"time":1,"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, "too_large", nil},
		{`{"time":1,"x":"` + strings.Repeat("a", 4096) + `"}`, "", nil},
		{`{"time":1,"x":"` + strings.Repeat("a", 4097) + `"}`, "too_large", nil},
		{`{"time":1,"x":"` + strings.Repeat(`\n`, 4096) + `"}`, "", nil},
		{`{"time":1,"x":"` + strings.Repeat(`\n`, 4097) + `"}`, "too_large", nil},
		{`{"time":1,` + manyFields(1023) + `}`, "", nil},
		{`{"time":1,` + manyFields(1024) + `}`, "too_large", nil},
		{strings.Repeat(" ", 1<<20) + `{"time":1}`, "too_large", nil},
	} {
		d := newDecoder(t, c.change)
		var ev event.Event
		if got := d.Decode([]byte(c.msg), &ev); got.String() != c.want {
			t.Errorf("%.80s: %q (%v), want %q", c.msg, got, d.LastError(), c.want)
		} else if (got == event.Accepted || got == event.Empty) != (d.LastError() == nil) {
			t.Errorf("%.80s: %q with error %v", c.msg, got, d.LastError())
		}
	}
}

func manyFields(n int) string {
	fields := make([]string, n)
	for i := range fields {
		fields[i] = fmt.Sprintf(`"f%d":%d`, i, i)
	}
	return strings.Join(fields, ",")
}

// TestValueTable is the table of ARCHITECTURE.md and docs/configuration.md.
func TestValueTable(t *testing.T) {
	for _, c := range []struct{ json, numeric, categorical, parsed string }{
		{`null`, "missing", "missing", "missing"},
		{`12`, "12", `"12"`, "12"}, {`12.0`, "12", `"12"`, "12"}, {`1.2e1`, "12", `"12"`, "12"}, {`120e-1`, "12", `"12"`, "12"},
		{`-0`, "0", `"0"`, "0"}, {`0.0`, "0", `"0"`, "0"}, {`-7`, "-7", `"-7"`, "-7"}, {`1.5`, "1.5", "invalid", "1.5"}, {`1e-3`, "0.001", "invalid", "0.001"},
		{`123456789012345678901234567890`, "1.2345678901234568e+29", `"123456789012345678901234567890"`, "1.2345678901234568e+29"},
		{`9007199254740993`, "9.007199254740992e+15", `"9007199254740993"`, "9.007199254740992e+15"},
		{`1e999`, "invalid", "invalid", "invalid"}, {`-1e999`, "invalid", "invalid", "invalid"},
		{`1e30`, "1e+30", `"1000000000000000000000000000000"`, "1e+30"}, {`1e300`, "1e+300", `"1` + strings.Repeat("0", 300) + `"`, "1e+300"},
		{`-12345678901234567890123e-3`, "-1.2345678901234567e+19", "invalid", "-1.2345678901234567e+19"}, {`-12345678901234567890000.0e-3`, "-1.2345678901234567e+19", `"-12345678901234567890"`, "-1.2345678901234567e+19"},
		{`0e99999999999999999999`, "0", `"0"`, "0"}, {`-0.00e-99999999999999999999`, "0", `"0"`, "0"}, {`1e-99999999999999999999`, "0", "invalid", "0"}, {`1e9223372036854775807`, "invalid", "invalid", "invalid"},
		{strings.Repeat("9", 308), "1e+308", `"` + strings.Repeat("9", 308) + `"`, "1e+308"}, {strings.Repeat("9", 310), "invalid", "invalid", "invalid"},
		{`"x"`, "invalid", `"x"`, "invalid"}, {`""`, "invalid", `""`, "invalid"}, {`"12.5"`, "invalid", `"12.5"`, "12.5"}, {`" 12 "`, "invalid", `" 12 "`, "12"},
		{`"NaN"`, "invalid", `"NaN"`, "invalid"}, {`"Inf"`, "invalid", `"Inf"`, "invalid"}, {`"0x10"`, "invalid", `"0x10"`, "invalid"}, {`"1_0"`, "invalid", `"1_0"`, "invalid"},
		{`true`, "1", `"true"`, "1"}, {`false`, "0", `"false"`, "0"},
		{`[1]`, "invalid", "invalid", "invalid"}, {`{}`, "invalid", "invalid", "invalid"}, {`{"a":1}`, "invalid", "invalid", "invalid"},
		{`"\u00e4\n\"\\\/\ud83d\ude00"`, "invalid", `"ä\n\"\\/😀"`, "invalid"},
	} {
		for _, parse := range []bool{false, true} {
			d := newDecoder(t, func(o *Options) {
				o.Mapping.ParseStrings = parse
				o.Mapping.FeaturePaths = map[string]string{"merchant": "features.amount"}
			})
			var ev event.Event
			if r := d.Decode([]byte(`{"time":1,"features":{"amount":`+c.json+`}}`), &ev); r != event.Accepted {
				t.Fatal(c.json, d.LastError())
			}
			want := c.numeric
			if parse {
				want = c.parsed
			}
			if got := show(ev.Features[0], false); got != want {
				t.Errorf("%s as numeric (parse %v): %s, want %s", c.json, parse, got, want)
			}
			if got := show(ev.Features[1], true); got != c.categorical {
				t.Errorf("%s as categorical: %s, want %s", c.json, got, c.categorical)
			}
		}
	}
	d := newDecoder(t, nil)
	var ev event.Event
	for msg, want := range map[string]event.State{`{"time":1}`: event.Missing, `{"time":1,"features":7}`: event.Invalid, `{"time":1,"features":[]}`: event.Invalid, `{"time":1,"features":{}}`: event.Missing, `{"time":1,"features":null}`: event.Missing} {
		if d.Decode([]byte(msg), &ev); ev.Features[0].State != want || ev.Features[2].State != event.Missing {
			t.Errorf("%s: states %v and %v", msg, ev.Features[0].State, ev.Features[2].State)
		}
	}
}

func show(v event.Value, text bool) string {
	switch {
	case v.State == event.Missing:
		return "missing"
	case v.State == event.Invalid:
		return "invalid"
	case text:
		return strconv.Quote(string(v.Text))
	}
	return strconv.FormatFloat(v.Number, 'g', -1, 64)
}

func TestTimes(t *testing.T) {
	for _, c := range []struct{ json, unit, want string }{
		{`"2026-11-22T10:00:00Z"`, "", "2026-11-22T10:00:00Z"},
		{`"2026-11-22t10:00:00.5z"`, "", "2026-11-22T10:00:00.5Z"},
		{`"2026-11-22 10:00:00+02:30"`, "", "2026-11-22T07:30:00Z"},
		{`"2026-11-22T10:00:00.1234567899-00:01"`, "", "2026-11-22T10:01:00.123456789Z"},
		{`"1969-12-31T23:59:59Z"`, "", "1969-12-31T23:59:59Z"},
		{`"2024-02-29T00:00:00Z"`, "", "2024-02-29T00:00:00Z"},
		{`1732269600`, "", "2024-11-22T10:00:00Z"}, {`1732269600123`, "", "2024-11-22T10:00:00.123Z"},
		{`1732269600123456`, "", "2024-11-22T10:00:00.123456Z"}, {`1732269600123456789`, "", "2024-11-22T10:00:00.123456789Z"},
		{`1732269600.123456`, "", "2024-11-22T10:00:00.123456Z"}, {`1.7322696e9`, "", "2024-11-22T10:00:00Z"}, {`"1732269600"`, "", "2024-11-22T10:00:00Z"},
		{`"1732269600.5"`, "", "2024-11-22T10:00:00.5Z"}, {`"1.7322696e+09"`, "", "2024-11-22T10:00:00Z"}, {`"1732269600."`, "", "-"}, {`"1732269600.5x"`, "", "-"}, {`".5"`, "", "-"}, {`"+1732269600"`, "", "-"},
		{`1732269600123.5`, "ms", "2024-11-22T10:00:00.1235Z"}, {`1000`, "s", "1970-01-01T00:16:40Z"}, {`1000`, "ns", "1970-01-01T00:00:00.000001Z"},
		{`-1`, "s", "1969-12-31T23:59:59Z"}, {`0`, "", "1970-01-01T00:00:00Z"}, {`1000000`, "us", "1970-01-01T00:00:01Z"},
		{`1732269600123456.78901234`, "", "2024-11-22T10:00:00.123456789Z"}, {`1732269600.12345678901234567890123`, "", "2024-11-22T10:00:00.123456789Z"}, {`1732269600000000000000e-12`, "", "2024-11-22T10:00:00Z"},
		{`0.18446744073709551615`, "", "1970-01-01T00:00:00.18446744Z"}, {`5e-324`, "", "1970-01-01T00:00:00Z"}, {`-1e-99999999999999999999`, "", "1970-01-01T00:00:00Z"},
		{`0e9223372036854775807`, "", "1970-01-01T00:00:00Z"}, {`"-0.0e99999999999999999999"`, "", "1970-01-01T00:00:00Z"}, {`1e9223372036854775807`, "", "-"},
		{`1e19`, "s", "-"}, {`99999999999999999999`, "", "-"}, {`"2026-11-22"`, "", "-"}, {`"2026-11-22T10:00:00"`, "", "-"}, {`"2026-11-22T10:00:00.Z"`, "", "-"},
		{`"2026-13-22T10:00:00Z"`, "", "-"}, {`"2026-11-22T24:00:00Z"`, "", "-"}, {`"2026-11-22T10:00:00+25:00"`, "", "-"}, {`"2023-02-29T00:00:00Z"`, "", "-"}, {`""`, "", "-"},
	} {
		unit, err := ParseTimeUnit(c.unit)
		if err != nil {
			t.Fatal(err)
		}
		d := newDecoder(t, func(o *Options) { o.Mapping.TimeUnit = unit })
		var ev event.Event
		got := "-"
		if r := d.Decode([]byte(`{"time":`+c.json+`}`), &ev); r == event.Accepted {
			got = time.Unix(0, ev.Time).UTC().Format(time.RFC3339Nano)
		} else if r != event.Time {
			t.Errorf("%s: %v", c.json, d.LastError())
		}
		if got != c.want {
			t.Errorf("%s in %q: %s, want %s", c.json, c.unit, got, c.want)
		}
	}
}

// TestTimesAsPackageTime compares random times with the standard library.
func TestTimesAsPackageTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "zone"))
		want := time.Unix(rapid.Int64Range(-9e9, 9e9).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).In(zone)
		got, ok := parseTime([]byte(want.Format(time.RFC3339Nano)), Auto)
		if !ok || got != want.UnixNano() {
			t.Fatalf("%s: %d %v, want %d", want.Format(time.RFC3339Nano), got, ok, want.UnixNano())
		}
	})
}

// TestFloatsAsStrconv compares random tokens with the standard library, bit for bit.
func TestFloatsAsStrconv(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		token := rapid.StringMatching(`-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?`).Draw(t, "token")
		want, err := strconv.ParseFloat(token, 64)
		got, ok := parseFloat([]byte(token))
		if ok != (err == nil) || ok && math.Float64bits(got) != math.Float64bits(want) {
			t.Fatalf("%s: %v %v, want %v", token, got, ok, want)
		}
	})
}

// TestIntegersAsBig compares the text and the nanoseconds of random tokens with exact arithmetic.
func TestIntegersAsBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		token := rapid.StringMatching(`-?(0|[1-9][0-9]{0,25}0{0,9})(\.(0{0,25}|[0-9]{1,25})0)?([eE][+-]?[0-9]{1,2})?`).Draw(t, "token")
		exact, _ := new(big.Rat).SetString(token)
		want := "no integer"
		if exact.IsInt() {
			want = exact.Num().String()
		}
		if got, ok := appendInteger([]byte("-"), []byte(token)); ok && string(got) != "-"+want || ok != exact.IsInt() {
			t.Fatalf("%s: %s %v, want %s", token, got, ok, want)
		}
		cut := new(big.Int).Quo(exact.Num(), exact.Denom())
		if got, ok := unixTime([]byte(token), Nanoseconds); ok != (new(big.Int).Abs(cut).Cmp(big.NewInt(math.MaxInt64)) <= 0) || ok && got != cut.Int64() {
			t.Fatalf("%s: %d ns %v, want %s", token, got, ok, cut)
		}
		exact.Mul(exact, big.NewRat(1e9, 1))
		cut.Quo(exact.Num(), exact.Denom())
		if got, ok := unixTime([]byte(token), Seconds); ok != (new(big.Int).Abs(cut).Cmp(big.NewInt(math.MaxInt64)) <= 0) || ok && got != cut.Int64() {
			t.Fatalf("%s s: %d ns %v, want %s", token, got, ok, cut)
		}
	})
}

func TestMapping(t *testing.T) {
	d := newDecoder(t, func(o *Options) {
		o.Schema.Models = []string{"fraud", "other"}
		o.Mapping = Mapping{
			ID: "$.request_id", Time: "$.meta.ts", Model: "$.meta['the model']", Version: "v", Features: "$.inputs", Score: "out.p", LatencyMS: "took",
			FeaturePaths: map[string]string{"merchant": "$.shop.name"}, SegmentPaths: map[string]string{"country": "$.geo.cc"},
			Status: "code", ErrorStatus: ErrorRule{MinStatus: 400, Statuses: []string{"bad"}}, TimeUnit: Milliseconds,
			TrueLabel: "truth", LabelTime: "meta.known",
		}
	})
	var ev event.Event
	msg := `{"request_id":17,"meta":{"ts":1732269600000,"the model":"other","known":1732273200000},"v":3,"inputs":{"amount":1},"out":{"p":0.5},"shop":{"name":"s"},"geo":{"cc":"FR"},"code":"404","truth":0,"took":1}`
	if r := d.Decode([]byte(msg), &ev); r != event.Accepted {
		t.Fatal(d.LastError())
	}
	got := fmt.Sprintf("%s %d %d %s %g %s %g %s %v", ev.ID, ev.Time/1e9, ev.Model, ev.Version, ev.Features[0].Number, ev.Features[1].Text, ev.Features[2].Number, ev.Segments[0], ev.Failed)
	if want := "17 1732269600 1 3 1 s 0.5 FR true"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if ok, r := d.LabelOf(&ev); !ok || r != event.Accepted || ev.Kind != event.Label || ev.Time/1e9 != 1732273200 || string(ev.ID) != "17" {
		t.Errorf("label: %v %v %+v", ok, r, ev)
	}
	for msg, want := range map[string]string{
		`{"request_id":1,"meta":{"ts":1,"the model":"other","known":"x"},"truth":0}`:  "true time",
		`{"request_id":1,"meta":{"ts":1,"the model":"other","known":null},"truth":0}`: "false ",
		`{"request_id":1,"meta":{"ts":1,"the model":"other","known":1}}`:              "false ",
		`{"meta":{"ts":1,"the model":"other","known":1},"truth":0}`:                   "true envelope",
	} {
		d.Decode([]byte(msg), &ev)
		ok, r := d.LabelOf(&ev)
		if got := fmt.Sprint(ok, " ", r); got != want {
			t.Errorf("%s: label %s, want %s", msg, got, want)
		}
	}
}

func TestStatus(t *testing.T) {
	d := newDecoder(t, nil)
	for status, want := range map[string]bool{`200`: false, `500`: true, `499.5`: false, `503`: true, `"503"`: true, `"+503"`: false, `"00000000000000000000503"`: true, `"00000000000000000000403"`: false, `"123456789012345678901"`: true, `"error"`: true, `"Error"`: false, `"ok"`: false, `null`: false, `true`: false, `[500]`: false, `1e3`: true} {
		var ev event.Event
		if r := d.Decode([]byte(`{"time":1,"status":`+status+`}`), &ev); r != event.Accepted || ev.Failed != want {
			t.Errorf("status %s: failed %v (%v), want %v", status, ev.Failed, r, want)
		}
	}
	for latency, want := range map[string]bool{`1`: true, `0`: true, `-1`: false, `1e999`: false, `"1"`: false, `null`: false} {
		var ev event.Event
		if d.Decode([]byte(`{"time":1,"latency_ms":`+latency+`}`), &ev); ev.HasLatency != want {
			t.Errorf("latency %s: %v, want %v", latency, ev.HasLatency, want)
		}
	}
}

func TestParsePath(t *testing.T) {
	for path, want := range map[string]string{
		"$": "[]", "a": "[a]", "$.a.b": "[a b]", "a.b": "[a b]", "$['odd key'].b": "[odd key b]", `$["x.y"]['it\'s']`: "[x.y it's]", "['a']": "[a]", "$a.b": "[$a b]", QuotePath(`a'\b`): `[a'\b]`,
	} {
		if got, err := ParsePath(path); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %v %v, want %s", path, got, err, want)
		}
	}
	for _, path := range []string{"", "$.", "a.", "a..b", "a[0]", "a[*]", "a.*", "$['a'", "$['a]", "$['a']b", "a b"} {
		if got, err := ParsePath(path); err == nil {
			t.Errorf("%s: %v, want an error", path, got)
		}
	}
	if _, err := New(Options{Schema: testSchema(), Mapping: Mapping{ID: "a[0]"}}); err == nil {
		t.Error("a wrong path compiles")
	}
}

// valid says by the standard library whether a message is one JSON value without
// duplicate keys.
func valid(msg []byte) bool {
	if !utf8.Valid(msg) || !json.Valid(msg) || badSurrogates(msg) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(msg))
	d.UseNumber()
	return noDuplicates(d)
}

// badSurrogates finds what encoding/json replaces and JSON text should not have.
func badSurrogates(msg []byte) bool {
	s := string(msg)
	for i := 0; i+6 <= len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		if s[i+1] != 'u' {
			i++
			continue
		}
		r, err := strconv.ParseUint(s[i+2:i+6], 16, 32)
		if err != nil {
			return true
		}
		i += 5
		if r < 0xd800 || r > 0xdfff {
			continue
		}
		if r >= 0xdc00 || i+7 > len(s) || s[i+1:i+3] != `\u` {
			return true
		}
		low, err := strconv.ParseUint(s[i+3:i+7], 16, 32)
		if err != nil || low < 0xdc00 || low > 0xdfff {
			return true
		}
		i += 6
	}
	return false
}

func noDuplicates(d *json.Decoder) bool {
	type level struct {
		keys  map[string]bool
		isKey bool
	}
	var stack []level
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return true
		}
		if err != nil {
			return false
		}
		if delim, ok := tok.(json.Delim); ok {
			switch delim {
			case '{':
				stack = append(stack, level{map[string]bool{}, true})
				continue
			case '[':
				stack = append(stack, level{})
				continue
			}
			stack = stack[:len(stack)-1]
		} else if n := len(stack) - 1; n >= 0 && stack[n].keys != nil && stack[n].isKey {
			key := tok.(string)
			if stack[n].keys[key] {
				return false
			}
			stack[n].keys[key] = true
			stack[n].isKey = false
			continue
		}
		if n := len(stack) - 1; n >= 0 && stack[n].keys != nil {
			stack[n].isKey = true
		}
	}
}

// FuzzDecode checks that any bytes get an answer, and that syntax is what the
// standard library says it is.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{envelope, `{"a":[1,2,{"b":"\ud83d\ude00"}],"time":"x"}`, `{"time":1,"features":{"amount":1e400}}`, `{"a":1,"a":2}`, "{\"\xff\":1}", `[[[[]]]]`, `{"x":"\ud800"}`, ``, ` `, `nul`} {
		f.Add([]byte(s))
	}
	d := newDecoder(f, func(o *Options) {
		o.Limits = Limits{MessageBytes: 1 << 30, Depth: 5000, Fields: 1 << 16, StringBytes: 1 << 30}
	})
	f.Fuzz(func(t *testing.T, msg []byte) {
		var ev event.Event
		r := d.Decode(msg, &ev)
		if len(msg) > 0 && (r == event.Syntax) == valid(msg) && r != event.TooLarge {
			t.Fatalf("%q is %v (%v), valid: %v", msg, r, d.LastError(), valid(msg))
		}
		if r == event.Accepted {
			for _, v := range ev.Features {
				if math.IsNaN(v.Number) || math.IsInf(v.Number, 0) || !utf8.Valid(v.Text) {
					t.Fatalf("%q gives %+v", msg, v)
				}
			}
		}
	})
}

// TestMutatedMessages is a short fuzz that always runs: an event with bytes changed.
func TestMutatedMessages(t *testing.T) {
	d := newDecoder(t, nil)
	r := rand.New(rand.NewPCG(1, 2))
	var ev event.Event
	for range 100_000 {
		msg := []byte(envelope)
		for range 1 + r.IntN(3) {
			i := r.IntN(len(msg))
			switch r.IntN(3) {
			case 0:
				msg[i] = byte(r.Uint32())
			case 1:
				msg = append(msg[:i], msg[i+1:]...)
			case 2:
				msg = append(msg[:i], append([]byte{envelope[r.IntN(len(envelope))]}, msg[i:]...)...)
			}
		}
		if got := d.Decode(msg, &ev); (got == event.Syntax) == valid(msg) && len(msg) > 0 {
			t.Fatalf("%q is %v (%v), valid: %v", msg, got, d.LastError(), valid(msg))
		}
	}
}
