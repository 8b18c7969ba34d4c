package oracle

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/streammon/streammon/internal/event"
)

// noon is a multiple of every slide.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// at renders the time of a message, seconds after noon.
func at(seconds float64) string {
	return `"time":"` + noon.Add(time.Duration(seconds*float64(time.Second))).Format(time.RFC3339Nano) + `"`
}

// messages makes a lane of messages without record timestamps.
func messages(texts ...string) (lane []Message) {
	for _, text := range texts {
		lane = append(lane, Message{Value: []byte(text)})
	}
	return lane
}

func smallSetup(windows ...time.Duration) Setup {
	s := Setup{Models: []Model{{Name: "m"}}, Pane: 10 * time.Second, Lateness: 30 * time.Second, MaxFuture: time.Minute}
	for _, length := range windows {
		s.Windows = append(s.Windows, Span{length.String(), length})
	}
	return s
}

// near compares floats to 1e-12, NaN with NaN.
var near = cmp.Options{cmpopts.EquateApprox(1e-12, 0), cmpopts.EquateNaNs()}

func TestWindowByHand(t *testing.T) {
	setup := smallSetup(time.Minute)
	setup.Models[0] = Model{
		Name: "m",
		Features: []Feature{
			{Name: "amount", Reference: &Reference{
				Edges: []float64{10, 20}, EdgeIsDecile: []bool{false, true}, Counts: []uint64{2, 2, 4},
				Sorted: []float64{5, 10, 11, 20, 25, 30, 35, 40}, Min: 5, Max: 40, StdDev: 10,
			}},
			{Name: "merchant", Categorical: true, Reference: &Reference{Categories: []string{"a", "b"}, CategoryCounts: []uint64{3, 1}}},
			{Name: event.PredictionScore},
		},
		Segments: []Segment{{"country", []string{"DE"}}},
	}
	out := Run(setup, [][]Message{
		messages(
			`{`+at(5)+`,"version":"1","segments":{"country":"DE"},"features":{"amount":10,"merchant":"a"},"prediction":{"score":true},"latency_ms":10}`,
			`{`+at(15)+`,"version":"1","segments":{"country":"FR"},"features":{"amount":20.5,"merchant":"z"},"latency_ms":30,"status":500}`,
			`{`+at(25)+`,"version":"1","features":{"amount":null,"merchant":1.5},"prediction":{"score":"x"},"latency_ms":-1}`,
		),
		messages(
			`{`+at(7)+`,"version":1,"segments":{"country":"DE"},"features":{"amount":50,"merchant":"b"},"prediction":{"score":0.25},"latency_ms":20}`,
			`{`+at(7)+`,`,
		),
		nil,
	})
	want := event.Ledger{Consumed: 5, Accepted: 4}
	want.Rejected[event.Syntax] = 1
	if diff := cmp.Diff(want, out.Ledger); diff != "" {
		t.Error(diff)
	}
	var ends []string
	for _, w := range out.Windows {
		ends = append(ends, fmt.Sprint((w.End-noon.UnixNano())/1e9, w.Segment, w.Events))
	}
	// The event of the second pane is in segment __other__, and so is the one of the third.
	wantEnds := []string{"10 2", "10country=DE2", "20 3", "20country=DE2", "20country=__other__1", "30 4", "30country=DE2", "30country=__other__2"}
	for i := range wantEnds {
		wantEnds[i] = strings.ReplaceAll(wantEnds[i], " ", "")
		ends[i] = strings.ReplaceAll(ends[i], " ", "")
	}
	if diff := cmp.Diff(wantEnds, ends); diff != "" {
		t.Fatal(diff)
	}
	nan := math.NaN()
	last := Window{
		Model: "m", Version: "1", Name: "1m0s", Length: time.Minute,
		Start: noon.UnixNano() - 30e9, End: noon.UnixNano() + 30e9,
		Events: 4, Errors: 1, RequestsPerSecond: 4.0 / 60, ErrorRatio: 0.25, Latencies: []float64{0.01, 0.02, 0.03},
		Features: []Figures{{
			Name: "amount", Count: 2, Missing: 1, OutOfRange: 1, Distinct: 2, Values: []float64{10, 50},
			Mean: 30, M2: 800, StdDev: math.Sqrt(800), Min: 10, Max: 50,
			Fine: []uint64{1, 0, 1}, Bins: []uint64{1, 1}, ReferenceBins: []uint64{4, 4},
			// 5, 10, 11, 20 go to 10, and 25, 30, 35, 40 to 50: 16/8 + 70/8, over 10.
			Drift: Statistics{KS: 0.25, Wasserstein: 1.075},
		}, {
			Name: "merchant", Categorical: true, Count: 2, Invalid: 1, Distinct: 2,
			Mean: nan, M2: nan, StdDev: nan, Min: nan, Max: nan,
			Categories: map[string]uint64{"a": 1, "b": 1},
			Bins:       []uint64{1, 1, 0}, ReferenceBins: []uint64{3, 1, 0},
			// Shares 0.75, 0.25 and 0.5, 0.5; smoothed 0.7, 0.3 and 0.5, 0.5.
			Drift: Statistics{
				PSI: 0.2 * math.Log(7.0/3), KL: 0.5 * math.Log(25.0/21), TVD: 0.25, ChiSquare: 0.375, KS: nan, Wasserstein: nan,
				JS:        math.Sqrt(0.5 * (0.75*math.Log2(0.75/0.625) + 0.25*math.Log2(0.25/0.375) + 0.5*math.Log2(0.5/0.625) + 0.5*math.Log2(0.5/0.375))),
				Hellinger: math.Sqrt(1 - math.Sqrt(0.375) - math.Sqrt(0.125)),
			},
		}, {
			Name: event.PredictionScore, Count: 2, Invalid: 1, Distinct: 2, Values: []float64{0.25, 1},
			Mean: 0.625, M2: 0.28125, StdDev: math.Sqrt(0.28125), Min: 0.25, Max: 1, Drift: undefined(),
		}},
	}
	if diff := cmp.Diff(last, out.Windows[5], near); diff != "" {
		t.Error(diff)
	}
}

func TestSlides(t *testing.T) {
	for _, c := range []struct{ length, pane, want time.Duration }{
		{time.Minute, 10 * time.Second, 10 * time.Second},
		{5 * time.Minute, 10 * time.Second, 10 * time.Second},
		{59 * time.Minute, 10 * time.Second, 10 * time.Second},
		{time.Hour, 10 * time.Second, time.Minute},
		{6 * time.Hour, 10 * time.Second, time.Minute},
		{10 * time.Hour, 10 * time.Second, 10 * time.Minute},
		{24 * time.Hour, 10 * time.Second, 10 * time.Minute},
		{7 * 24 * time.Hour, 10 * time.Second, time.Hour},
		{time.Minute, time.Minute, time.Minute},
		{time.Hour, 5 * time.Minute, 5 * time.Minute},
	} {
		if got := slideOf(c.length, c.pane); got != c.want {
			t.Errorf("a window of %s with panes of %s slides by %s, want %s", c.length, c.pane, got, c.want)
		}
	}
}

// TestEnds has events at two times, so that the ends are known: each multiple of
// the slide from the first pane on to the first one after the last pane, if a
// window has an event.
func TestEnds(t *testing.T) {
	setup := smallSetup(5*time.Minute, time.Hour)
	out := Run(setup, [][]Message{messages(`{`+at(-65)+`}`, `{`+at(1000)+`}`)})
	ends := map[string][]int64{}
	for _, w := range out.Windows {
		ends[w.Name] = append(ends[w.Name], (w.End-noon.UnixNano())/1e9)
		wantEvents := uint64(1)
		if w.Length == time.Hour && w.End > noon.UnixNano()+1000e9 {
			wantEvents = 2
		}
		if w.Events != wantEvents || w.Complete != (w.Start >= noon.UnixNano()-70e9) {
			t.Errorf("window %s ending at %d has %d events, complete: %v", w.Name, ends[w.Name][len(ends[w.Name])-1], w.Events, w.Complete)
		}
	}
	var want5m, wantHour []int64
	for end := int64(-60); end < -60+300; end += 10 {
		want5m = append(want5m, end)
	}
	for end := int64(-60); end <= 1020; end += 60 {
		wantHour = append(wantHour, end)
	}
	if diff := cmp.Diff(map[string][]int64{"5m0s": append(want5m, 1010), "1h0m0s": wantHour}, ends); diff != "" {
		t.Error(diff)
	}
}

func TestLateFutureAndAncient(t *testing.T) {
	l := newLane(smallSetup(time.Minute))
	for i, c := range []struct {
		text     string
		recorded float64 // seconds after noon; 0 for none
		want     string
	}{
		{`{` + at(5) + `}`, 0, "accepted"},
		{`{` + at(61.001) + `}`, 1, "future"}, // moves no watermark
		{`{` + at(61) + `}`, 1, "accepted"},   // watermark 31
		{`{` + at(29.999) + `}`, 0, "late"},
		{`{` + at(30) + `}`, 0, "accepted"},
		{`{` + at(69.999) + `}`, 10, "accepted"}, // watermark 39.999
		{`{` + at(39) + `}`, 0, "accepted"},
		{`{` + at(70.001) + `}`, 0, "future"}, // of the last record that had a time
		{`{` + at(70) + `}`, 0, "accepted"},   // watermark 40
		{`{` + at(39.999) + `}`, 0, "late"},
		{`{` + at(2) + `,"type":"label","id":1,"label":0}`, 0, "accepted"}, // labels have their own
		{`{` + at(500) + `,"type":"label","id":1,"label":0}`, 0, "accepted"},
		{`{` + at(2) + `,"type":"label","id":1,"label":0}`, 0, "late"},
		{`{` + at(40) + `}`, 0, "accepted"},
		{`{"time":"1999-12-31T23:59:59.999999999Z"}`, 0, "ancient"},
		{`{"time":"2000-01-01T00:00:00Z"}`, 0, "late"},
		{`{` + at(90) + `,`, 0, "syntax"},
		{`{` + at(1e6) + `}`, -1, "future"},
		{`{` + at(1e6) + `}`, 0, "future"},
		{`{` + at(1e6) + `,"type":"label","id":1,"label":0}`, 0, "accepted"}, // no label's record had a time
	} {
		before := l.ledger
		var recorded int64
		if c.recorded != 0 {
			recorded = noon.UnixNano() + int64(c.recorded*1e9)
		}
		l.take(Message{[]byte(c.text), recorded})
		if got := verdict(before, l.ledger); got != c.want {
			t.Errorf("%d: %s is %s, want %s", i, c.text, got, c.want)
		}
	}
	if !l.ledger.Balanced() || l.ledger.Consumed != 20 || len(l.accepted) != 7 {
		t.Errorf("%d predictions are accepted, the ledger is %+v", len(l.accepted), l.ledger)
	}
}

// verdict tells what became of the one message between two states of a ledger.
func verdict(before, after event.Ledger) string {
	for r := event.Empty; r < event.Reasons; r++ {
		if after.Rejected[r] > before.Rejected[r] {
			return r.String()
		}
	}
	if after.Late > before.Late {
		return "late"
	}
	return "accepted"
}

// TestVersionsOfALane has nine versions, of which the ninth finds no place until
// the first ones were silent for the longest window.
func TestVersionsOfALane(t *testing.T) {
	l := newLane(smallSetup(time.Minute, time.Hour))
	take := func(seconds float64, version string) string {
		l.take(messages(`{` + at(seconds) + `,"version":"` + version + `"}`)[0])
		return l.accepted[len(l.accepted)-1].version
	}
	for i := range 8 {
		take(float64(i), fmt.Sprint("v", i))
	}
	for i, c := range []struct {
		seconds       float64
		version, want string
	}{
		{20, "v8", event.Other},
		{3599, "v3", "v3"},
		{3599.9, "v8", event.Other},
		{3580, "v2", "v2"}, // last seen at 3580
		{3600, "v8", "v8"}, // v0 was silent since 0
		{3600, "v0", event.Other},
		{3601, event.Other, event.Other}, // no version at all, takes no place
		{3599, "v9", "v9"},               // the lane is at 3601: the place of v1
		{3606, "v10", "v10"},             // those of v4, v5 and v6
		{3606, "v11", "v11"},
		{3606, "v12", "v12"},
		{3606, "v13", event.Other},
		{3607, "v7", "v7"}, // still there
		{3608, "v13", event.Other},
		{3590, "v7", "v7"}, // an older event does not make it older
	} {
		if got := take(c.seconds, c.version); got != c.want {
			t.Errorf("%d: version %s counts as %s, want %s", i, c.version, got, c.want)
		}
	}
	want := []string{"v10", "v11", "v12", "v2", "v3", "v7", "v8", "v9"}
	if got := slices.Sorted(maps.Keys(l.live[0])); !slices.Equal(got, want) {
		t.Errorf("live are %v, want %v", got, want)
	}
	if last := l.live[0]["v7"]; last != noon.Add(3607*time.Second).UnixNano() {
		t.Errorf("v7 was last seen at %s", time.Unix(0, last).UTC())
	}
}

// TestVersionsOfAWindow shows the four versions with the most events of two lanes,
// ties by name, and the others as one, by segment too.
func TestVersionsOfAWindow(t *testing.T) {
	setup := smallSetup(time.Minute)
	setup.Models[0].Segments = []Segment{{"country", []string{"DE"}}}
	var lanes [2][]string
	for i, version := range []string{"a", "b", "c", "d", "e", "f"} {
		for k := range []int{2, 5, 3, 3, 3, 1}[i] {
			lanes[k%2] = append(lanes[k%2], `{`+at(1)+`,"version":"`+version+`","segments":{"country":"`+[]string{"DE", "FR"}[i%2]+`"}}`)
		}
	}
	lanes[0] = append(lanes[0], `{`+at(1)+`,"version":"__other__","segments":{"country":"DE"}}`)
	got := map[string]uint64{}
	for _, w := range Run(setup, [][]Message{messages(lanes[0]...), messages(lanes[1]...)}).Windows {
		got[w.Version+" "+w.Segment] = w.Events
	}
	want := map[string]uint64{
		"b ": 5, "c ": 3, "d ": 3, "e ": 3, "__other__ ": 4,
		"b country=__other__": 5, "c country=DE": 3, "d country=__other__": 3, "e country=DE": 3,
		"__other__ country=DE": 3, "__other__ country=__other__": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
