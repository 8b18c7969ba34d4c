package decode

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/event"
)

// everyAnswer wants all there is.
var everyAnswer = event.Answers{Interval: true, Probabilities: true, Items: true, Truth: true}

func wantAll(o *Options) { o.Schema.Answers = everyAnswer }

// shownAnswer is what an event has of answer and truth, in one line.
func shownAnswer(ev *event.Event) string {
	var b strings.Builder
	for _, v := range []struct {
		name string
		event.Value
	}{{"lower", ev.Lower}, {"upper", ev.Upper}} {
		if v.State != event.Missing {
			fmt.Fprintf(&b, "%s %s; ", v.name, show(v.Value, false))
		}
	}
	state := func(name string, s event.State, n int) bool {
		if s == event.Invalid {
			fmt.Fprintf(&b, "%s invalid; ", name)
		}
		if s != event.Valid && n > 0 {
			fmt.Fprintf(&b, "%s HAS %d; ", name, n)
		}
		return s == event.Valid
	}
	if state("scores", ev.ScoresState, len(ev.Scores)) {
		b.WriteString("scores")
		for _, s := range ev.Scores {
			fmt.Fprintf(&b, " %s=%g", s.Class, s.P)
		}
		b.WriteString("; ")
	}
	if state("items", ev.ItemsState, len(ev.Items)) {
		fmt.Fprintf(&b, "items %s; ", ev.Items)
	}
	t := &ev.Truth
	if t.HasText {
		fmt.Fprintf(&b, "text %q; ", t.Text)
	}
	if t.HasNumber {
		fmt.Fprintf(&b, "number %g; ", t.Number)
	}
	if state("relevant", t.ItemsState, len(t.Items)) {
		b.WriteString("relevant")
		for _, i := range t.Items {
			fmt.Fprintf(&b, " %s=%g", i.Name, i.Relevance)
		}
		b.WriteString("; ")
	}
	return strings.TrimSuffix(b.String(), "; ")
}

// TestAnswers has each form of answers and labels, and what is wrong with some.
func TestAnswers(t *testing.T) {
	long := strings.Repeat(`"x",`, event.MaxItems)
	for _, c := range []struct{ msg, want string }{
		{`"prediction":{"lower":-1,"upper":2.5}`, "lower -1; upper 2.5"},
		{`"prediction":{"lower":null,"upper":"2"}`, "upper invalid"},
		{`"prediction":{"lower":1e308,"upper":1e309}`, "lower 1e+308; upper invalid"},
		{`"prediction":{"scores":{"a":0.25,"b":0.75}}`, "scores a=0.25 b=0.75"},
		{`"prediction":{"scores":{"a\"\u00e4":1,"b":null,"c":true}}`, `scores a"ä=1 c=1`},
		{`"prediction":{"scores":{}}`, "scores"},
		{`"prediction":{"scores":null}`, ""},
		{`"prediction":{"scores":{"a":"0.5"}}`, "scores invalid"},
		{`"prediction":{"scores":{"a":0.5,"b":1e999}}`, "scores invalid"},
		{`"prediction":{"scores":{"a":{"p":1}}}`, "scores invalid"},
		{`"prediction":{"scores":[0.5,0.5]}`, "scores invalid"},
		{`"prediction":{"scores":0.5}`, "scores invalid"},
		{`"prediction":{"scores":"{}"}`, "scores invalid"},
		{`"prediction":{"items":["a",2,3e0,"\n"," "]}`, "items [a 2 3 \n  ]"},
		{`"prediction":{"items":[ ]}`, "items []"},
		{`"prediction":{"items":["a","a"]}`, "items [a a]"},
		{`"prediction":{"items":["a",null]}`, "items invalid"},
		{`"prediction":{"items":["a",1.5]}`, "items invalid"},
		{`"prediction":{"items":["a",true]}`, "items invalid"},
		{`"prediction":{"items":["a",["b"]]}`, "items invalid"},
		{`"prediction":{"items":{"a":1}}`, "items invalid"},
		{`"prediction":{"items":"a"}`, "items invalid"},
		{`"prediction":{"items":["a",` + long + `"y"]}`, "items [a" + strings.Repeat(" x", event.MaxItems-1) + "]"},
		{`"prediction":7`, ""},
		{`"label":"fraud"`, `text "fraud"`},
		{`"label":""`, `text ""`},
		{`"label":true`, `text "true"; number 1`},
		{`"label":1`, `text "1"; number 1`},
		{`"label":0.5`, `number 0.5`},
		{`"label":1e999`, ``},
		{`"label":"1"`, `text "1"`},
		{`"label":null`, ``},
		{`"label":{}`, ``},
		{`"label":{"class":"a"}`, ``},
		{`"label":{"items":["a",7]}`, "relevant a=1 7=1"},
		{`"label":{"items":{"a":3,"b":0,"c":null,"d":true}}`, "relevant a=3 b=0 d=1"},
		{`"label":{"items":[]}`, "relevant"},
		{`"label":{"items":{}}`, "relevant"},
		{`"label":{"items":null}`, ""},
		{`"label":{"items":"a"}`, "relevant invalid"},
		{`"label":{"items":{"a":-1}}`, "relevant invalid"},
		{`"label":{"items":{"a":"1"}}`, "relevant invalid"},
		{`"label":{"items":["a",{}]}`, "relevant invalid"},
		{`"label":{"items":[` + long + `"y"]}`, "relevant invalid"}, // cut, recall would be wrong
	} {
		d := newDecoder(t, wantAll)
		nothing := newDecoder(t, nil)
		var ev event.Event
		for _, msg := range []string{`{"time":1,"label":"before","prediction":{"lower":1,"scores":{"z":1},"items":["z"]}}`, `{"time":1,` + c.msg + `}`} { // nothing is left of the one before
			if r := d.Decode([]byte(msg), &ev); r != event.Accepted {
				t.Fatal(msg, d.LastError())
			}
		}
		if got := shownAnswer(&ev); got != c.want {
			t.Errorf("%.80s:\ngot  %s\nwant %s", c.msg, got, c.want)
		}
		var bare event.Event
		if nothing.Decode([]byte(`{"time":1,`+c.msg+`}`), &bare); shownAnswer(&bare) != "" {
			t.Errorf("%.80s: not wanted, but there is %s", c.msg, shownAnswer(&bare))
		}
	}
}

// TestAnswerCells: a cell of a table holds lists and objects as text.
func TestAnswerCells(t *testing.T) {
	for _, c := range []struct{ items, want string }{
		{`["a", 2]`, "items [a 2]; relevant a=1 2=1"},
		{` [] `, "items []; relevant"},
		{`{"a": 2}`, "items invalid; relevant a=2"},
		{`{"a": 2, "\u0061": 3}`, "items invalid; relevant invalid"},
		{`{"a": "2"}`, "items invalid; relevant a=2"}, // texts are parsed there
		{`["a`, "items invalid; relevant invalid"},
		{`["a"`, "items invalid; relevant invalid"},
		{`["a",`, "items invalid; relevant invalid"},
		{`["a",]`, "items invalid; relevant invalid"},
		{`["a" "b"]`, "items invalid; relevant invalid"},
		{`["a"]]`, "items invalid; relevant invalid"},
		{`[nul]`, "items invalid; relevant invalid"},
		{`[1.]`, "items invalid; relevant invalid"},
		{`{"a"}`, "items invalid; relevant invalid"},
		{`{"a":}`, "items invalid; relevant invalid"},
		{`{a:1}`, "items invalid; relevant invalid"},
		{`{"a":1`, "items invalid; relevant invalid"},
		{`{`, "items invalid; relevant invalid"},
		{``, "items invalid; relevant invalid"},
		{`a`, "items invalid; relevant invalid"},
	} {
		d := newDecoder(t, func(o *Options) { wantAll(o); o.Mapping.ParseStrings = true; o.Mapping.LabelItems = "relevant" })
		cell, _ := json.Marshal(c.items)
		msg := fmt.Sprintf(`{"time":1,"prediction":{"items":%s},"relevant":%s,"id":"x"}`, cell, cell)
		var ev event.Event
		if r := d.Decode([]byte(msg), &ev); r != event.Accepted || d.LastError() != nil || string(ev.ID) != "x" {
			t.Fatal(msg, r, d.LastError())
		}
		if got := shownAnswer(&ev); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", msg, got, c.want)
		}
	}
	// However often cells repeat keys: the table of keys has room for a message's fields, and no more.
	d := newDecoder(t, func(o *Options) { wantAll(o); o.Mapping.ParseStrings, o.Limits.Fields = true, 40 })
	cell, _ := json.Marshal("{" + manyFields(100) + "}")
	var ev event.Event
	if r := d.Decode(fmt.Appendf(nil, `{"time":1,"prediction":{"scores":%s}}`, cell), &ev); r != event.Accepted || ev.ScoresState != event.Invalid {
		t.Error(r, shownAnswer(&ev))
	}
}

// TestAnswerPaths finds answers and labels where the mapping says they are.
func TestAnswerPaths(t *testing.T) {
	d := newDecoder(t, func(o *Options) {
		wantAll(o)
		o.Mapping = Mapping{Lower: "out.lo", Upper: "$.out.hi", Scores: "out['all p']", Items: "out.list", TrueLabel: "truth", Score: "out['all p'].a"}
	})
	var ev event.Event
	for msg, want := range map[string]string{
		`{"time":1,"out":{"lo":1,"hi":2,"all p":{"a":0.5,"b":0.25},"list":[1]},"prediction":{"lower":7,"items":["x"]}}`: "lower 1; upper 2; scores a=0.5 b=0.25; items [1]",
		`{"time":1,"type":"label","id":1,"truth":"x","label":"y"}`:                                                      `text "x"`,
		`{"time":1,"type":"label","id":1,"truth":{"items":["r"]},"label":"y"}`:                                          `relevant r=1`,
	} {
		if r := d.Decode([]byte(msg), &ev); r != event.Accepted || shownAnswer(&ev) != want {
			t.Errorf("%s: %v %s, want %s", msg, r, shownAnswer(&ev), want)
		}
	}
	d.Decode([]byte(`{"time":1,"out":{"all p":{"a":0.5}}}`), &ev)
	if v := ev.Features[2]; v.State != event.Valid || v.Number != 0.5 {
		t.Errorf("the score of one class is %+v", v)
	}
	// A label may be its items alone, wherever they are, and also where nobody wants them.
	for _, answers := range []event.Answers{everyAnswer, {}} {
		d = newDecoder(t, func(o *Options) { o.Schema.Answers = answers; o.Mapping.LabelItems = "clicked" })
		for msg, want := range map[string]event.Reason{
			`{"time":1,"type":"label","id":1,"clicked":["r"]}`: event.Accepted,
			`{"time":1,"type":"label","id":1,"clicked":null}`:  event.Envelope,
			`{"time":1,"type":"label","id":1,"other":["r"]}`:   event.Envelope,
		} {
			if r := d.Decode([]byte(msg), &ev); r != want || len(ev.Truth.Items) > 0 && !answers.Items {
				t.Errorf("%s with %+v: %v, want %v", msg, answers, r, want)
			}
		}
	}
	for _, m := range []Mapping{{Lower: "a[0]"}, {Upper: "a[0]"}, {Scores: "a[0]"}, {Items: "a[0]"}, {LabelItems: "a[0]"}} {
		if _, err := New(Options{Schema: event.Schema{Models: []string{"m"}, Answers: everyAnswer}, Mapping: m}); err == nil {
			t.Errorf("a wrong path compiles: %+v", m)
		}
	}
}

// TestRowsTruth: the label event of a row has the row's label.
func TestRowsTruth(t *testing.T) {
	d := newDecoder(t, func(o *Options) { wantAll(o); o.Mapping.LabelTime = "label_time" })
	var ev event.Event
	if r := d.Decode([]byte(`{"time":1,"id":"x","label":"fraud","label_time":2}`), &ev); r != event.Accepted {
		t.Fatal(d.LastError())
	}
	if ok, _ := d.LabelOf(&ev); !ok || ev.Kind != event.Label || shownAnswer(&ev) != `text "fraud"` {
		t.Errorf("%v %s", ok, shownAnswer(&ev))
	}
}

// TestAnswersAllocateNothing in the steady state.
func TestAnswersAllocateNothing(t *testing.T) {
	d := newDecoder(t, wantAll)
	messages := [][]byte{
		[]byte(`{"time":1,"prediction":{"scores":{"a":0.25,"b\n":0.75},"items":["a",1e2,"\u00e4"],"lower":1,"upper":2},"label":{"items":{"a\t":1,"b":2}}}`),
		[]byte(`{"time":1,"label":12e1}`), []byte(`{"time":1,"prediction":{"items":{}}}`),
	}
	var ev event.Event
	if n := testing.AllocsPerRun(100, func() {
		for _, m := range messages {
			if d.Decode(m, &ev) != event.Accepted {
				t.Fatal(d.LastError())
			}
		}
	}); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

// TestAnswersAsJSON compares lists and objects with the standard library's.
func TestAnswersAsJSON(t *testing.T) {
	d := newDecoder(t, wantAll)
	rapid.Check(t, func(t *rapid.T) {
		scores := rapid.MapOfN(rapid.String(), rapid.Float64Range(-1e300, 1e300), 0, 8).Draw(t, "scores")
		items := rapid.SliceOfN(rapid.String(), 0, 8).Draw(t, "items")
		msg, err := json.Marshal(map[string]any{"time": 1, "prediction": map[string]any{"scores": scores, "items": items}, "label": map[string]any{"items": items}})
		if err != nil {
			t.Fatal(err)
		}
		var ev event.Event
		if r := d.Decode(msg, &ev); r != event.Accepted {
			t.Fatal(d.LastError())
		}
		if len(ev.Scores) != len(scores) || len(ev.Items) != len(items) || len(ev.Truth.Items) != len(items) {
			t.Fatalf("%s: %s", msg, shownAnswer(&ev))
		}
		for _, s := range ev.Scores {
			if p, ok := scores[string(s.Class)]; !ok || p != s.P {
				t.Fatalf("%s: %s", msg, shownAnswer(&ev))
			}
		}
		for i := range items {
			if string(ev.Items[i]) != items[i] || string(ev.Truth.Items[i].Name) != items[i] {
				t.Fatalf("%s: %s", msg, shownAnswer(&ev))
			}
		}
	})
}

// FuzzAnswers: any bytes have an answer whose parts keep their word, whether they are JSON or in cells.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{`{"a":0.5}`, `["a",1]`, `{"a":1,"a":2}`, `["a"`, `{"a":`, `[1.5]`, `"x"`, `null`, `-`, `[[]]`, "[\"\xff\"]", `["\ud800"]`, `{"\n":1e999}`} {
		f.Add([]byte(s))
	}
	plain := newDecoder(f, wantAll)
	cells := newDecoder(f, func(o *Options) { wantAll(o); o.Mapping.ParseStrings = true })
	f.Fuzz(func(t *testing.T, value []byte) {
		cell, _ := json.Marshal(string(value))
		for _, c := range []struct {
			d     *Decoder
			value []byte
		}{{plain, value}, {cells, value}, {cells, cell}} {
			msg := fmt.Appendf(nil, `{"time":1,"id":"x","prediction":{"lower":%s,"scores":%s,"items":%s},"label":{"items":%s}}`, c.value, c.value, c.value, c.value)
			var ev event.Event
			if r := c.d.Decode(msg, &ev); r != event.Accepted {
				if valid(msg) && r == event.Syntax {
					t.Fatalf("%q is %v (%v)", msg, r, c.d.LastError())
				}
				continue
			}
			if string(ev.ID) != "x" || c.d.LastError() != nil || strings.Contains(shownAnswer(&ev), "HAS") {
				t.Fatalf("%q: %s (%v)", msg, shownAnswer(&ev), c.d.LastError())
			}
			for _, s := range ev.Scores {
				if math.IsNaN(s.P) || math.IsInf(s.P, 0) || !utf8.Valid(s.Class) {
					t.Fatalf("%q: %s", msg, shownAnswer(&ev))
				}
			}
			for _, i := range ev.Truth.Items {
				if !(i.Relevance >= 0) || math.IsInf(i.Relevance, 0) || !utf8.Valid(i.Name) {
					t.Fatalf("%q: %s", msg, shownAnswer(&ev))
				}
			}
			if n := max(len(ev.Scores), len(ev.Items), len(ev.Truth.Items)); n > event.MaxItems {
				t.Fatalf("%d", n)
			}
		}
	})
}

// TestDocumentedEvents: the examples of the documentation are events, and what the answers in them say is read.
func TestDocumentedEvents(t *testing.T) {
	data, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"", "scores sport=0.7 news=0.2 other=0.1", "lower 290; upper 340", "items [sku-7 sku-1 42]",
		`text "fraud"`, `text "305"; number 305`, "relevant sku-1=1 42=1", "relevant sku-1=3 sku-9=1",
	}
	var got []string
	for _, m := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(string(data), -1) {
		for _, line := range strings.Split(strings.TrimSpace(m[1]), "\n") {
			d := newDecoder(t, wantAll)
			var ev event.Event
			if why := d.Decode([]byte(line), &ev); why != event.Accepted {
				t.Errorf("%s: %v", line, d.LastError())
			}
			got = append(got, shownAnswer(&ev))
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q\nwant\n%q", got, want)
	}
}

// BenchmarkAnswers reads what the tasks answer, and their labels, with and without a wish for it.
func BenchmarkAnswers(b *testing.B) {
	var scores, items strings.Builder
	for i := range 10 {
		fmt.Fprintf(&scores, `,"class-%d":0.%d`, i, i)
	}
	for i := range 50 {
		fmt.Fprintf(&items, `,"item-%d"`, 7919*i)
	}
	for _, c := range []struct{ name, msg string }{
		{"label", `{"type":"label","id":"tx-1","time":"2026-11-22T10:20:00Z","model":"fraud","label":"fraud"}`},
		{"10-classes", `{"id":"tx-1","time":"2026-11-22T10:20:00Z","model":"fraud","prediction":{"label":"class-9","scores":{` + scores.String()[1:] + `}}}`},
		{"50-items", `{"id":"tx-1","time":"2026-11-22T10:20:00Z","model":"fraud","prediction":{"items":[` + items.String()[1:] + `]}}`},
	} {
		for _, answers := range []event.Answers{{}, everyAnswer} {
			b.Run(fmt.Sprintf("%s/wanted=%v", c.name, answers.Truth), func(b *testing.B) {
				d := newDecoder(b, func(o *Options) { o.Schema.Answers = answers })
				var ev event.Event
				msg := []byte(c.msg)
				b.ReportAllocs()
				for b.Loop() {
					if d.Decode(msg, &ev) != event.Accepted {
						b.Fatal(d.LastError())
					}
				}
			})
		}
	}
}
