package monitor

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/event"
)

// TestTextAndNumbersAsEncodingJSON compares the two primitives with the library.
func TestTextAndNumbersAsEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom(nil, unicode.Cc)), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		got := appendText(nil, s)
		if want = EscapeControls(want); string(got) != string(want) {
			t.Fatalf("text %q: %s, want %s", s, got, want)
		}
		var back string
		if err := json.Unmarshal(got, &back); err != nil || back != strings.ToValidUTF8(s, "\uFFFD") && utf8.ValidString(s) || bytes.ContainsFunc(got, unicode.IsControl) {
			t.Fatalf("text %q: %q, %v", s, got, err)
		}
		x := math.Float64frombits(rapid.Uint64().Draw(t, "bits"))
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return
		}
		want, _ = json.Marshal(x)
		if got := appendNumber(nil, x); string(got) != string(want) {
			t.Fatalf("number %g: %s, want %s", x, got, want)
		}
	})
}

// TestResultJSON pins the form of a line, and that what is undefined is left out.
func TestResultJSON(t *testing.T) {
	r := exampleResult()
	const want = `{"model":"fraud","version":"7","segment":"","window":"1h","start":"2026-11-22T10:00:00Z","end":"2026-11-22T11:00:00Z","complete":true,"events":18000,` +
		`"service":{"requests_per_second":5,"error_ratio":0.01,"latency_seconds":{"0.5":0.01,"0.99":0.05}},` +
		`"features":[{"name":"amount","type":"numeric","count":17990,"missing":10,"invalid":0,"out_of_range":3,"unseen":0,"mean":1,"stddev":1,` +
		`"min":0.1,"max":9.9,"quantiles":{"0.5":1},"distinct":1200,"drift":{"psi":{"value":0.03,"threshold":0.1,"pvalue":0.4},"js_distance":{"value":0.05}},"state":"ok","qvalue":0.5},` +
		`{"name":"merchant","type":"categorical","count":0,"missing":18000,"invalid":0}],` +
		`"changes":[{"figure":"error_ratio","detectors":{"adwin":{"state":"change","found":"2026-11-22T10:40:10Z","since":"2026-11-22T10:39:50Z"},"ddm":{"state":"warning"}}},` +
		`{"figure":"mean","feature":"amount","detectors":{"adwin":{"state":"ok"}}}]}`
	got := string(r.AppendJSON(nil))
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !json.Valid([]byte(got)) {
		t.Error("not valid JSON")
	}
	empty := Result{Service: Service{RequestsPerSecond: Undefined, ErrorRatio: Undefined}}
	if got := empty.AppendJSON(nil); !json.Valid(got) {
		t.Errorf("not valid JSON: %s", got)
	}
}

func TestLedgerJSON(t *testing.T) {
	l := event.Ledger{Consumed: 18100, Accepted: 18000, Late: 5, Duplicate: 5}
	l.Rejected[event.Syntax] = 90
	const want = `{"ledger":{"consumed":18100,"accepted":18000,"rejected":{"syntax":90},"late":5,"duplicate":5}}`
	if got := string(AppendLedgerJSON(nil, &l)); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestAccountJSON(t *testing.T) {
	l := event.Ledger{Consumed: 7, Accepted: 7}
	if got, want := string(AppendAccountJSON(nil, &l, nil)), string(AppendLedgerJSON(nil, &l)); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	labels := []ModelLabels{
		{"fraud", LabelStatus{
			Matched: 1, Early: 2, Unmatched: 3, Duplicate: 4, Conflict: 5, Useless: 6, Expired: 7, Evicted: 8, Pending: 9, Waiting: 10,
			Compared: 11, Mispredicted: 12, AbsoluteError: 13, SquaredError: 14,
		}},
		{`"`, LabelStatus{}},
	}
	const want = `{"ledger":{"consumed":7,"accepted":7,"rejected":{},"late":0,"duplicate":0},"labels":{` +
		`"fraud":{"matched":1,"early":2,"unmatched":3,"duplicate":4,"conflict":5,"useless":6,"expired":7,"evicted":8,"pending":9,"waiting":10},` +
		`"\"":{"matched":0,"early":0,"unmatched":0,"duplicate":0,"conflict":0,"useless":0,"expired":0,"evicted":0,"pending":0,"waiting":0}}}`
	if got := string(AppendAccountJSON(nil, &l, labels)); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	r := exampleResult()
	for range 10 {
		r.Features = append(r.Features, r.Features[0])
	}
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		line = r.AppendJSON(line[:0])
	}
	b.SetBytes(int64(len(line)))
}

// TestConfusionJSON: the cells of a confusion are told by name, those that are 0 left out.
func TestConfusionJSON(t *testing.T) {
	p := &PerformanceResult{MatchedRatio: Undefined, Threshold: Undefined, PValue: Undefined, Classes: []string{"cat", "dog"}, Confusion: [][]uint64{{3, 1, 0}, {0, 0, 0}, {2, 0, 5}}}
	if got, want := string(p.appendJSON(nil, time.Time{})), `{"confusion":{"cat":{"cat":3,"dog":1},"__other__":{"cat":2,"__other__":5}}}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
