package profile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

var measured = Measured{Task: "binary", Positive: "yes", Spec: &eval.Spec{Task: eval.Binary, Threshold: math.NaN(), Beta: 1}}

func performanceBuilder(m Measured, lengths ...int64) *Builder {
	b := NewBuilder(event.Schema{Models: []string{"m"}, Features: []event.Feature{{Name: "x"}}})
	b.Calibrate(lengths)
	b.Measure(m)
	return b
}

// answered is a row with its label.
type answered struct {
	id     string
	at     int64
	answer eval.Prediction
	truth  int
}

// answers are rows whose error rate is rate of their time in minutes.
func answers(n int, step time.Duration, seed uint64, rate func(minute int) float64) []answered {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([]answered, n)
	for i := range out {
		at := event.Ancient + int64(i)*int64(step)
		truth := rng.IntN(2)
		class := truth
		if rng.Float64() < rate(int(time.Duration(i)*step/time.Minute)) {
			class = 1 - truth
		}
		out[i] = answered{fmt.Sprint(i), at, eval.Prediction{Class: class, Score: (float64(class) + rng.Float64()) / 2}, truth}
	}
	return out
}

func (b *Builder) row(a answered, own bool) uint64 {
	b.Observe(&event.Event{Time: a.at, Features: []event.Value{{State: event.Valid, Number: 1}}})
	return b.Answer([]byte(a.id), a.at, &a.answer, own)
}

func mustBuild(t *testing.T, b *Builder) *Reference {
	t.Helper()
	r, err := b.Build(Provenance{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPerformance: labels before, among or after the rows, in any order, and of rows themselves, give the same profile: of an id the
// first answer counts, and the first label. Its figures are those of a tally of the pairs.
func TestPerformance(t *testing.T) {
	rows := answers(3000, time.Second, 1, func(int) float64 { return 0.2 })
	want := eval.NewTally(measured.Spec)
	for _, a := range rows {
		want.Add(&a.answer, &eval.Label{Class: a.truth})
	}
	lengths := []int64{int64(time.Minute), int64(time.Hour)}
	var first []byte
	for _, way := range []string{"own", "before", "after", "reversed"} {
		b := performanceBuilder(measured, lengths...)
		label := func(a answered) { b.Label(sketch.HashText([]byte(a.id)), a.at, &eval.Label{Class: a.truth}) }
		if way == "before" {
			for _, a := range rows {
				label(a)
			}
		}
		for _, a := range rows {
			if id := b.row(a, way == "own"); way == "own" {
				b.Label(id, a.at, &eval.Label{Class: a.truth})
			}
		}
		for i := range rows {
			switch way {
			case "after":
				label(rows[i])
			case "reversed":
				label(rows[len(rows)-1-i])
			}
		}
		for _, a := range rows[:100] { // too late
			a.truth = 1 - a.truth
			label(a)
			a.answer.Class = 1 - a.answer.Class
			b.Answer([]byte(a.id), a.at, &a.answer, false)
		}
		b.Label(sketch.HashText([]byte("nobody")), 0, &eval.Label{})
		r := mustBuild(t, b)
		data, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = data
		}
		if !bytes.Equal(data, first) {
			t.Fatalf("labels %s make another profile", way)
		}
	}
	r, err := Decode(first)
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.Encode()
	if err != nil || !bytes.Equal(again, first) {
		t.Errorf("another profile when it was read: %v", err)
	}
	got, pairs := r.Performance.Of(measured)
	if wanted := want.Figures(nil); fmt.Sprint(got) != fmt.Sprint(wanted) || pairs != 3000 || r.Performance.Labelled != 3000 || len(r.Performance.Figures) != len(wanted) {
		t.Errorf("of %d pairs %v, want %v", pairs, got, wanted)
	}
	if c := r.Performance.Calibrates(measured); c == nil || math.Abs(c.At(0.9)-0.8) > 0.05 || math.Abs(c.At(0.1)-0.2) > 0.05 {
		t.Errorf("calibrated %v", c)
	}
	other := measured
	other.Positive = "no"
	if f, _ := r.Performance.Of(other); f != nil || r.Performance.Calibrates(other) != nil {
		t.Error("the figures of another positive class")
	}
	other = measured
	other.Spec = &eval.Spec{Task: eval.Binary, Threshold: 0.5, Beta: 1}
	if f, _ := r.Performance.Of(other); f != nil || r.Performance.Calibrates(other) == nil {
		t.Error("another threshold changes the tally, and not the calibration")
	}
	// Without labels there is nothing, and the file is as it was before there were any.
	b := performanceBuilder(measured, lengths...)
	plain := NewBuilder(b.schema)
	plain.Calibrate(lengths)
	for _, a := range rows {
		b.row(a, false)
		plain.Observe(&event.Event{Time: a.at, Features: []event.Value{{State: event.Valid, Number: 1}}})
	}
	x, _ := mustBuild(t, b).Encode()
	y, _ := mustBuild(t, plain).Encode()
	if !bytes.Equal(x, y) || !bytes.Contains(x, []byte(`"version": 2`)) || !bytes.Contains(first, []byte(`"version": 3`)) {
		t.Error("a profile without labels is of another version")
	}
	if bytes.Contains(first, []byte(`"labelled": 3000`)) {
		if _, err := Decode(bytes.Replace(first, []byte(`"labelled": 3000`), []byte(`"labelled": 3001`), 1)); err == nil {
			t.Error("the fingerprint does not cover the performance")
		}
	} else {
		t.Error("not labelled")
	}
}

// goldenPerformance is the reference of the newest format's golden file.
func goldenPerformance(t *testing.T) *Reference {
	b := performanceBuilder(measured, int64(time.Minute), int64(time.Hour))
	for _, a := range answers(1500, time.Second, 6, func(int) float64 { return 0.1 }) {
		b.Label(b.row(a, true), 0, &eval.Label{Class: a.truth})
	}
	return mustBuild(t, b)
}

// TestDamagedPerformance: what cannot be is refused even with the right fingerprint.
func TestDamagedPerformance(t *testing.T) {
	data := goldenFile(t, 3)
	for name, change := range map[string][2]string{
		"spec":       {`"spec": "`, `"spec": "x`},
		"windows":    {`"disjoint": 25`, `"disjoint": 1`},
		"order":      {`"length_ns": 60000000000`, `"length_ns": 3600000000001`},
		"calibrator": {`"probabilities": [`, `"probabilities": [2,`},
		"variance":   {`"variance": 0`, `"variance": -1`},
	} {
		i := bytes.Index(data, []byte(`"performance"`)) // features have lengths, too
		changed := append(bytes.Clone(data[:i]), bytes.Replace(data[i:], []byte(change[0]), []byte(change[1]), 1)...)
		if bytes.Equal(changed, data) {
			t.Fatalf("%s: nothing to change", name)
		}
		var f referenceFile
		err := json.Unmarshal(changed, &f)
		if err == nil {
			_, err = Decode(f.sealed(t))
		}
		if err == nil {
			t.Errorf("%s: is read", name)
		}
	}
}

// TestRowsWithoutIDs: rows with their own labels need no id; they are never taken for one another.
func TestRowsWithoutIDs(t *testing.T) {
	b := performanceBuilder(measured)
	for _, a := range answers(500, time.Second, 2, func(int) float64 { return 0.1 }) {
		a.id = ""
		b.Label(b.row(a, true), 0, &eval.Label{Class: a.truth})
	}
	b.Observe(&event.Event{Features: make([]event.Value, 1)})
	b.Answer(nil, 0, &eval.Prediction{}, false)
	if p := mustBuild(t, b).Performance; p == nil || p.Labelled != 500 || p.Calibrator.Sigmoid == nil {
		t.Errorf("%+v", p)
	}
}

// TestFiguresBetweenWindows: how the error rate varies from window to window, beyond what their sizes make of it, is found.
func TestFiguresBetweenWindows(t *testing.T) {
	level := rand.New(rand.NewPCG(7, 7))
	rates := make([]float64, 400)
	var moments sketch.Moments
	for i := range rates {
		rates[i] = 0.1 + 0.15*level.Float64()
	}
	moments.AddAll(rates)
	lengths := []int64{int64(time.Minute), int64(30 * time.Minute)}
	accuracy := &eval.Figure{Name: "accuracy"}
	for _, c := range []struct {
		name string
		rate func(minute int) float64
		want float64
	}{
		{"steady", func(int) float64 { return 0.175 }, 0},
		{"restless", func(minute int) float64 { return rates[minute] }, moments.Variance()},
	} {
		b := performanceBuilder(measured, lengths...)
		for _, a := range answers(400*200, 300*time.Millisecond, 3, c.rate) {
			b.Label(b.row(a, true), 0, &eval.Label{Class: a.truth})
		}
		p := mustBuild(t, b).Performance
		v := p.Variation(accuracy, lengths[0])
		if v.Caveat != "" || v.Degrees != 399 || math.Abs(v.Between-c.want) > 0.00025 {
			t.Errorf("%s: %+v, want %g", c.name, v, c.want)
		}
		// Of windows that there are too few of it is what shorter ones say.
		if long := p.Variation(accuracy, lengths[1]); long.Caveat != drift.Insufficient || long.Between != v.Between || p.Windows[1].Find(accuracy).Windows != 13 {
			t.Errorf("%s: %+v of %+v", c.name, long, p.Windows[1].Find(accuracy))
		}
	}
	if v := (&Performance{}).Variation(accuracy, 1); v != (Variation{Caveat: drift.Independent}) {
		t.Errorf("without times: %+v", v)
	}
}
