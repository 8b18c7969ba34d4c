package monitor

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/kpi"
	"github.com/streammon/streammon/internal/window"
)

// historyText writes out all points.
func historyText(h *History) string {
	var b strings.Builder
	for _, t := range h.Tracks() {
		fmt.Fprintf(&b, "%q %q %q %s %v\n", t.Model, t.Version, t.Segment, t.Window, t.Labels)
		for _, c := range t.Columns() {
			fmt.Fprintf(&b, "%v %v\n", c, t.Points(c))
		}
	}
	return b.String()
}

// TestHistoryIsOfTheFinalResults: whatever is shown between, the points are the newest final results, each once and in order.
func TestHistoryIsOfTheFinalResults(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := testGroup(10*time.Second, 5*time.Minute, time.Hour)
		lanes := drawLanes(t)
		final, shown, r := NewView(g, len(lanes)), NewView(g, len(lanes)), NewRecorder(false)
		shown.Record(r)
		r.Expect(0, true, false, g.Slides())
		want := map[trackKey][]*Result{}
		chunk := rapid.IntRange(1, 50).Draw(t, "chunk")
		shards, frontiers := make([]*Shard, len(lanes)), slices.Repeat([]int64{window.NoTime}, len(lanes))
		for i := range lanes {
			shards[i] = NewShard(g)
		}
		for at := 0; at < 60; at += chunk {
			for i, events := range lanes {
				for _, ev := range events[min(at, len(events)):min(at+chunk, len(events))] {
					shards[i].Apply(ev)
				}
				sealed := shards[i].TakeSealed()
				final.Deliver(i, sealed)
				shown.Deliver(i, sealed)
				frontiers[i] = shards[i].Frontier()
			}
			frontier := slices.Min(frontiers)
			final.Advance(frontier, func(_ int64, rs []*Result) {
				for _, x := range rs {
					k := trackKey{x.Model, x.Version, x.Segment, x.Length}
					want[k] = append(want[k], x)
				}
			})
			shown.Advance(frontier, nil)
			if frontier != window.NoTime && rapid.Bool().Draw(t, "show") {
				shown.Show(frontier, nil)
			}
		}
		h := r.History()
		if n := len(h.Tracks()); n != len(want) && n == 0 {
			t.Fatalf("%d tracks, want %d", n, len(want))
		}
		for _, track := range h.Tracks() {
			compareTrack(t, track, want[trackKey{track.Model, track.Version, track.Segment, track.Length}])
		}
	})
}

// compareTrack checks that a track is of the newest results, and of enough of them.
func compareTrack(t *rapid.T, track *Track, results []*Result) {
	enough := 0
	for i := len(results) - 1; i >= 0 && enough < HistoryPoints; i-- {
		if enough++; i > 0 && results[i].End.Sub(results[i-1].End) > time.Duration(trackRows*track.Slide) {
			break // it was forgotten
		}
	}
	if n := track.Len(); n < enough || n > len(results) || n > trackRows {
		t.Fatalf("%d points of %d results, want %d at least", n, len(results), enough)
	}
	results = results[len(results)-track.Len():]
	rates, means := track.Points(Column{"", "requests_per_second", ""}), track.Points(Column{"x", "mean", ""})
	for i, x := range results {
		p := rates[i]
		if p.End != x.End.UnixNano() || p.Events != x.Events || p.Complete != x.Complete || float32(p.Value) != float32(x.Service.RequestsPerSecond) {
			t.Fatalf("point %d of %s is %+v, want that of %s", i, track.Window, p, x.AppendJSON(nil))
		}
		if got, mean := means[i].Value, x.Features[0].Mean; got.IsZero() != mean.IsZero() || !mean.IsZero() && float32(got) != float32(mean) {
			t.Fatalf("mean %v, want %v", got, mean)
		}
	}
}

// madeResult is a result at a slide of ten seconds.
func madeResult(i int, version, segment string) *Result {
	return &Result{
		Model: "m", Version: version, Segment: segment, Window: "5m", Length: 300 * second, End: time.Unix(int64(10*i), 0).UTC(), Complete: true, Events: uint64(i),
		Service: Service{RequestsPerSecond: Figure(i), ErrorRatio: Undefined}, DriftedImportance: Undefined,
		Features: []FeatureResult{{Name: "x", Type: "numeric", HasReference: true, Count: 9, Missing: 1, Mean: Figure(math.Sqrt(float64(i))), State: StateDrift,
			Drift: Drifts{{"psi", 0.3, 0.1, 0.001}}}},
	}
}

// TestHistoryPoints reads what a result becomes.
func TestHistoryPoints(t *testing.T) {
	r := NewRecorder(false)
	x := madeResult(7, "1", "")
	x.KPIs = []kpi.Figure{{Name: "loss", Value: 2.5}}
	x.Changes = []ChangeResult{{Figure: "error_ratio", Detectors: DetectorResults{{Detector: "adwin", State: StateChange}}}}
	r.Add([]*Result{x}, 10*second)
	r.Add([]*Result{madeResult(8, "1", "")}, 10*second)
	track := r.History().Find("m", "1", "", "5m", false)
	for _, c := range []struct {
		column Column
		want   string
	}{
		{Column{"", "requests_per_second", ""}, "[7 8]"},
		{Column{"", "error_ratio", ""}, "[NaN NaN]"},
		{Column{"", "kpi", "loss"}, "[2.5 NaN]"},
		{Column{"", "change_state", "error_ratio adwin"}, "[2 NaN]"},
		{Column{"x", "missing_ratio", ""}, "[0.1 0.1]"},
		{Column{"x", "out_of_range_ratio", ""}, "[0 0]"},
		{Column{"x", "state", ""}, "[2 2]"},
		{Column{"x", "psi", ""}, "[0.3 0.3]"},
		{Column{"x", "threshold", "psi"}, "[0.1 0.1]"},
	} {
		var got []float32
		for _, p := range track.Points(c.column) {
			got = append(got, float32(p.Value))
		}
		if text := fmt.Sprint(got); text != c.want {
			t.Errorf("%v is %s, want %s", c.column, text, c.want)
		}
	}
	if StateOf(2) != StateDrift || StateOf(0) != StateOK || StateOf(Undefined) != "" {
		t.Error("states are read wrongly")
	}
	var none *History
	if none.Find("m", "1", "", "5m", false).Points(Column{}) != nil || none.Left() != 0 {
		t.Error("a history that is not there has something")
	}
}

// TestHistoryIsBounded: whatever comes, tracks have so many points, models so many versions, and segments so many bytes.
func TestHistoryIsBounded(t *testing.T) {
	r := NewRecorder(false)
	segments := int(HistorySegmentBytes/trackBytes(3)) + 50
	for i := range 3000 {
		var results []*Result
		for v := i / 600; v < i/600+4; v++ { // four at a time, ten over all
			results = append(results, madeResult(i, fmt.Sprint(v), ""))
		}
		if i < 20 { // without a reference segments have few columns
			for s := range segments {
				x := madeResult(i, fmt.Sprint(i/600), fmt.Sprint("country=", s))
				x.Features = x.Features[:0]
				results = append(results, x)
			}
		}
		r.Add(results, 10*second)
		if r.segments > HistorySegmentBytes || len(r.tracks) > HistoryVersions+segments {
			t.Fatalf("%d tracks, those of segments take %d bytes", len(r.tracks), r.segments)
		}
		if i != 10 {
			continue
		}
		if h := r.History(); h.Left() == 0 || len(h.Tracks())+h.Left() != segments+4 {
			t.Fatalf("%d tracks, %d left, of %d", len(h.Tracks()), h.Left(), segments+4)
		}
	}
	if r.segments != 0 || len(r.tracks) != HistoryVersions || r.History().Left() != 1 {
		t.Errorf("at the end %d tracks, %d left, and segments of %d bytes", len(r.tracks), r.History().Left(), r.segments)
	}
	for _, track := range r.History().Tracks() {
		if n := track.Len(); n < HistoryPoints || n > trackRows || track.Last() != time.Unix(29990, 0).UTC() {
			t.Errorf("version %s has %d points until %s", track.Version, n, track.Last())
		}
	}
}

// TestHistoryDoesNotChange: what was published stays as it is while more is recorded and read, and the same is not made twice.
func TestHistoryDoesNotChange(t *testing.T) {
	r := NewRecorder(false)
	for i := range 700 {
		x := madeResult(i, "1", "")
		if i > 300 {
			x.Features[0].Name = "y"
		}
		r.Add([]*Result{x}, 10*second)
		h := r.History()
		if r.Add([]*Result{x}, 10*second); r.History() != h {
			t.Fatal("it is made again though nothing is new")
		}
		if i%50 != 0 {
			continue
		}
		before := historyText(h)
		read := make(chan string)
		go func() { read <- historyText(h) }()
		for k := range 100 {
			r.Add([]*Result{madeResult(i+k, "1", "")}, 10*second)
		}
		if after := <-read; after != before {
			t.Fatal("it has changed")
		}
		r = NewRecorder(false)
		for k := max(0, i-200); k <= i; k++ {
			r.Add([]*Result{madeResult(k, "1", "")}, 10*second)
		}
	}
	track := r.History().Find("m", "1", "", "5m", false)
	if columns := track.Columns(); !slices.Contains(columns, Column{"y", "mean", ""}) || !slices.Contains(columns, Column{"x", "mean", ""}) {
		t.Errorf("columns %v", columns)
	}
}

// TestHistoryFitsItsBudget: tracks with all columns that results of a group have are no more than the budget says, nor is what they take.
func TestHistoryFitsItsBudget(t *testing.T) {
	all := movedResults(t, Verdicts{MinSamples: 50}, referenceRows(), movedRows())[0]
	g := testGroup(5 * time.Minute)
	g.Models[0].Verdicts.Statistics = []string{"psi", "js_distance", "kl_divergence", "hellinger_distance", "total_variation", "chi_square", "ks_statistic", "wasserstein_normalized"}
	_, most := g.historyMemory()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := NewRecorder(false)
	for i := range trackRows {
		var results []*Result
		for _, version := range []string{"1", "2", "3", "4"} {
			for _, segment := range []string{"", "country=DE", "country=FR"} {
				x := *all
				x.Model, x.Version, x.Segment, x.Length, x.End = "m", version, segment, 300*second, time.Unix(int64(10*i), 0).UTC()
				results = append(results, &x)
			}
		}
		r.Add(results, 10*second)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	reckoned := r.segments
	for k, track := range r.tracks {
		if k.segment == "" {
			reckoned += track.bytes()
		}
	}
	took := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d tracks take %d bytes, and are reckoned with %d of %d", len(r.tracks), took, reckoned, most)
	if len(r.tracks) != 9 || reckoned > most || took > reckoned*6/5 {
		t.Errorf("%d tracks take %d bytes, and are reckoned with %d; the budget has %d", len(r.tracks), took, reckoned, most)
	}
	runtime.KeepAlive(r)
}
