package monitor

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/profile"
)

// row is an event with a number and a category.
func row(i int, x float64, category string) *event.Event {
	return &event.Event{
		Time: base + int64(i%10)*second, Version: []byte("1"), Segments: [][]byte{[]byte("DE")},
		Features: []event.Value{{State: event.Valid, Number: x}, {State: event.Valid, Text: []byte(category)}},
	}
}

// referenceRows are x = 1 to 100, and of the categories a 50, b 30, c 18 and rare 2.
func referenceRows() (rows []*event.Event) {
	for i := range 100 {
		c := "a"
		switch {
		case i >= 98:
			c = "rare"
		case i >= 80:
			c = "c"
		case i >= 50:
			c = "b"
		}
		rows = append(rows, row(i, float64(i+1), c))
	}
	return rows
}

// movedResults are all traffic's and the segment's of one window, compared with the reference of rows.
func movedResults(t *testing.T, v Verdicts, reference, rows []*event.Event) [2]*Result {
	t.Helper()
	g := testGroup(10 * time.Second)
	b := profile.NewBuilder(g.Schema)
	for _, ev := range reference {
		b.Observe(ev)
	}
	ref, err := b.Build(profile.Provenance{})
	if err != nil {
		t.Fatal(err)
	}
	g.Models = []*Model{NewModel(ModelConfig{
		Name: "m", Features: []int{0, 1}, Segmentations: []Segmentation{{Name: "country", Values: []string{"DE"}}}, Reference: ref, Verdicts: v,
	}, &g.Schema)}
	results, _ := applyAll(g, [][]*event.Event{rows}, 1000)
	if len(results) != 2 {
		t.Fatalf("%d results", len(results))
	}
	return [2]*Result(results)
}

// movedRows have 60 values of x up to 10, then 40 above 100, and the categories a 20, b 30, new 40, newer 10.
func movedRows() (rows []*event.Event) {
	for i := range 100 {
		x, c := float64(i%10+1), "a"
		if i >= 60 {
			x = 200
		}
		switch {
		case i >= 90:
			c = "newer"
		case i >= 50:
			c = "new"
		case i >= 20:
			c = "b"
		}
		rows = append(rows, row(i, x, c))
	}
	return rows
}

// movedJSON is a feature's object "moved", "" if there is none.
func movedJSON(t *testing.T, r *Result, feature int) string {
	t.Helper()
	var line struct {
		Features []struct{ Moved json.RawMessage }
	}
	if err := json.Unmarshal(r.AppendJSON(nil), &line); err != nil {
		t.Fatal(err)
	}
	return string(line.Features[feature].Moved)
}

// TestMovedByHand has total variation decide, of which the terms are differences of shares.
func TestMovedByHand(t *testing.T) {
	v := Verdicts{DecideBy: "tvd", MinSamples: 50, Features: map[string]FeatureVerdict{"c": {Show: ShowAll, Importance: 3}}}
	rs := movedResults(t, v, referenceRows(), movedRows())
	// The first decile has 60 values instead of 10, the last one 40, the other eight none: 50 + 30 + 8·10 = 160. The median is
	// 9, not 50, within 1.1 % of 41.
	const numeric = `{"statistic":"total_variation","parts":[{"upper":10,"reference_share":0.1,"current_share":0.6,"contribution":0.3125},` +
		`{"lower":90,"reference_share":0.1,"current_share":0.4,"contribution":0.1875},` +
		`{"lower":10,"upper":20,"reference_share":0.1,"current_share":0,"contribution":0.0625},` +
		`{"lower":20,"upper":30,"reference_share":0.1,"current_share":0,"contribution":0.0625},` +
		`{"lower":30,"upper":40,"reference_share":0.1,"current_share":0,"contribution":0.0625}],"absent":{"reference_share":0,"current_share":0},"median_shift":`
	got := movedJSON(t, rs[0], 0)
	if shortened(got) != shortened(numeric+fmt.Sprint(float64(rs[0].Features[0].Moved.MedianShift))+"}") {
		t.Errorf("got\n%s\nwant\n%s", got, numeric)
	}
	sigma := math.Sqrt(100 * 101 / 12.0)
	if shift := float64(rs[0].Features[0].Moved.MedianShift); math.Abs(shift+41/sigma) > 0.011*41/sigma {
		t.Errorf("the median moved by %g, want %g", shift, -41/sigma)
	}
	// The unseen are 50 of 100 instead of none, a 20 instead of 50, c 0 instead of 18, rare 0 instead of 2: 50 + 30 + 18 + 2. Two
	// values of rare are too few to miss.
	const categorical = `{"statistic":"total_variation","parts":[{"unseen":true,"reference_share":0,"current_share":0.5,"contribution":0.5},` +
		`{"category":"a","reference_share":0.5,"current_share":0.2,"contribution":0.3},` +
		`{"category":"c","reference_share":0.18,"current_share":0,"contribution":0.18},` +
		`{"category":"rare","reference_share":0.02,"current_share":0,"contribution":0.02}],` +
		`"absent":{"reference_share":0,"current_share":0},"categories":{"vanished":1,"top_vanished":[{"category":"c","reference_share":0.18}],` +
		`"new":2,"top_new":[{"category":"new","count":40},{"category":"newer","count":10}]}}`
	if got := movedJSON(t, rs[0], 1); shortened(got) != shortened(categorical) {
		t.Errorf("got\n%s\nwant\n%s", got, categorical)
	}
	// A segment keeps no names of unseen categories, and does not know how many there are.
	if got := rs[1].Features[1].Moved.Categories; got.NewKnown || len(got.Top) > 0 || got.Vanished != 1 {
		t.Errorf("segment: %+v", got)
	}
	if got := movedJSON(t, rs[1], 1); strings.Contains(got, `"new"`) {
		t.Errorf("segment: %s", got)
	}
}

// shortened rounds the numbers of a JSON text to six digits.
func shortened(text string) string {
	var x any
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&x); err != nil {
		return err.Error()
	}
	return fmt.Sprint(rounded(x))
}

func rounded(x any) any {
	switch x := x.(type) {
	case float64:
		return fmt.Sprintf("%.6g", x)
	case []any:
		for i := range x {
			x[i] = rounded(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = rounded(x[k])
		}
	}
	return x
}

// TestMovedNames: categories of the reference have names if they are few, and unseen ones only where the config says so.
func TestMovedNames(t *testing.T) {
	many := func(n int) (rows []*event.Event) {
		for i := range 10 * n {
			rows = append(rows, row(i, float64(i), fmt.Sprintf("name-%03d", i%n)))
		}
		return rows
	}
	for _, c := range []struct {
		show              string
		reference         []*event.Event
		known, gone, news bool
	}{
		{"", referenceRows(), true, true, false},
		{ShowKnown, referenceRows(), true, true, false},
		{ShowAll, referenceRows(), true, true, true},
		{ShowNone, referenceRows(), false, false, false},
		{"", many(200), true, false, false},
		{"", many(201), false, false, false},
		{ShowAll, many(201), true, false, true},
		{"", many(1001), false, false, false},
	} {
		v := Verdicts{DecideBy: "chi2", MinSamples: 50, Features: map[string]FeatureVerdict{"c": {Show: c.show}}}
		for i, r := range movedResults(t, v, c.reference, movedRows()) {
			m := r.Features[1].Moved
			if m == nil || len(m.Parts) == 0 {
				t.Fatalf("%q: nothing moved: %s", c.show, r.AppendJSON(nil))
			}
			for _, p := range m.Parts {
				if p.Named != (c.known && !p.Unseen) || p.Named != (p.Category != "") {
					t.Errorf("%q: %+v", c.show, p)
				}
			}
			if got := movedJSON(t, r, 1); strings.Contains(got, `"newer"`) != (c.news && i == 0) {
				t.Errorf("%q: %s", c.show, got)
			}
			if (len(m.Categories.Gone) > 0) != c.gone {
				t.Errorf("%q: %+v", c.show, m.Categories)
			}
		}
	}
}

// TestMovedIsForDriftOnly: what is quiet, or not judged, has none of it.
func TestMovedIsForDriftOnly(t *testing.T) {
	v := Verdicts{MinSamples: 50, Features: map[string]FeatureVerdict{"c": {Importance: 3}}}
	quiet := movedResults(t, v, referenceRows(), referenceRows())
	if line := string(quiet[0].AppendJSON(nil)); strings.Contains(line, "moved") || !strings.Contains(line, `"drifted_importance_ratio":0}`) {
		t.Error(line)
	}
	few := movedResults(t, Verdicts{MinSamples: 101}, referenceRows(), movedRows())
	if line := string(few[0].AppendJSON(nil)); strings.Contains(line, "moved") || strings.Contains(line, "importance") {
		t.Error(line)
	}
	// Only x moves, then only c, which is three times as important.
	for want, moved := range map[Figure]func(i int) *event.Event{
		0.25: func(i int) *event.Event { return row(i, 200, string(referenceRows()[i].Features[1].Text)) },
		0.75: func(i int) *event.Event { return row(i, referenceRows()[i].Features[0].Number, "new") },
		1:    func(i int) *event.Event { return row(i, 200, "new") },
	} {
		var rows []*event.Event
		for i := range 100 {
			rows = append(rows, moved(i))
		}
		if r := movedResults(t, v, referenceRows(), rows)[0]; r.DriftedImportance != want || r.Judged != 2 {
			t.Errorf("the ratio is %g, want %g", float64(r.DriftedImportance), float64(want))
		}
	}
}

// TestMovedManyNew: beyond 64 new categories their number is an estimate.
func TestMovedManyNew(t *testing.T) {
	for _, n := range []int{0, 1, 64, 65, 1000} {
		var rows []*event.Event
		for i := range 2000 {
			c := "b"
			if i%2 == 0 && n > 0 {
				c = fmt.Sprintf("new-%04d", i/2%n)
			}
			rows = append(rows, row(i, 1, c))
		}
		m := movedResults(t, Verdicts{}, referenceRows(), rows)[0].Features[1].Moved
		if off := math.Abs(float64(m.Categories.New) - float64(n)); !m.Categories.NewKnown || off > 0 && (n <= 64 || off > 0.081*float64(n)+1) {
			t.Errorf("%d new categories: %+v", n, m.Categories)
		}
	}
}

// TestMovedMissing: what went missing is told by itself, and all else has not moved.
func TestMovedMissing(t *testing.T) {
	rows := referenceRows()
	for i, ev := range rows {
		if i%5 > 0 {
			ev.Features[0], ev.Features[1] = event.Value{State: event.Missing}, event.Value{State: event.Invalid}
		}
	}
	r := movedResults(t, Verdicts{DecideBy: "tvd", MinSamples: 10}, referenceRows(), rows)[0]
	for i, rest := range []string{`,"median_shift":`, `,"categories":{"vanished":0,"new":0}}`} {
		const want = `{"statistic":"total_variation"`
		got := movedJSON(t, r, i)
		_, after, _ := strings.Cut(got, `"absent":{"reference_share":0,"current_share":0.8}`)
		if !strings.HasPrefix(got, want) || !strings.HasPrefix(after, rest) || r.Features[i].State != StateDrift {
			t.Errorf("%s: %s", r.Features[i].State, got)
		}
	}
	for _, ev := range rows {
		ev.Features[0], ev.Features[1] = event.Value{State: event.Missing}, event.Value{State: event.Invalid}
	}
	r = movedResults(t, Verdicts{MinSamples: 10}, referenceRows(), rows)[0]
	if got := movedJSON(t, r, 0); got != `{"statistic":"psi","absent":{"reference_share":0,"current_share":1}}` {
		t.Error(got)
	}
}

func TestMovedConstantReference(t *testing.T) {
	var reference []*event.Event
	for i := range 100 {
		reference = append(reference, row(i, 5, "a"))
	}
	m := movedResults(t, Verdicts{}, reference, movedRows())[0].Features[0].Moved
	// All above 5, which are 70 of 100: five of each ten, and all 40.
	if m == nil || !m.MedianShift.IsZero() || len(m.Parts) != 2 || m.Parts[0].Lower != 5 && m.Parts[1].Lower != 5 {
		t.Errorf("%+v", m)
	}
}

// TestDocumentedResults looks for all keys of results in their documentation, and reads its example.
func TestDocumentedResults(t *testing.T) {
	data, err := os.ReadFile("../../docs/results.md")
	if err != nil {
		t.Fatal(err)
	}
	docs := string(data)
	v := Verdicts{MinSamples: 50, Features: map[string]FeatureVerdict{"c": {Show: ShowAll}}}
	keys := map[string]bool{}
	for _, r := range []*Result{exampleResult(), movedResults(t, v, referenceRows(), movedRows())[0]} {
		var line any
		if err := json.Unmarshal(r.AppendJSON(nil), &line); err != nil {
			t.Fatal(err)
		}
		keysOf(line, keys)
	}
	for k := range keys {
		if !strings.Contains(docs, "`"+k+"`") && !strings.Contains(docs, "."+k+"`") && !strings.HasPrefix(k, "0.") {
			t.Errorf("the key %s is not documented", k)
		}
	}
	if len(keys) < 50 {
		t.Errorf("only %d keys", len(keys))
	}
	_, example, _ := strings.Cut(docs, "```json\n")
	example, _, _ = strings.Cut(example, "```")
	documented := map[string]bool{}
	for d := json.NewDecoder(strings.NewReader(example)); d.More(); {
		var line any
		if err := d.Decode(&line); err != nil {
			t.Fatal(err)
		}
		keysOf(line, documented)
	}
	delete(keys, "lower") // of a numeric feature that moved
	delete(keys, "upper")
	delete(keys, "median_shift")
	for k := range keys {
		if _, ok := drift.Lookup(k); !documented[k] && !ok && !strings.HasPrefix(k, "0.") {
			t.Errorf("the example lacks %s", k)
		}
	}
}

// keysOf adds the keys of all objects in a JSON value.
func keysOf(x any, keys map[string]bool) {
	switch x := x.(type) {
	case []any:
		for _, item := range x {
			keysOf(item, keys)
		}
	case map[string]any:
		for k, item := range x {
			keys[k] = true
			keysOf(item, keys)
		}
	}
}
