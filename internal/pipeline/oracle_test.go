package pipeline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/oracle"
	"github.com/streammon/streammon/internal/profile"
)

// oracleLogs is how many random logs are compared; fewer with -short.
const oracleLogs = 200

// TestOracle compares every final window of random logs with the naive batch program:
// integers exactly, floats to 1e-9, sketch figures within their stated errors.
func TestOracle(t *testing.T) {
	logs := oracleLogs
	if testing.Short() || raceEnabled {
		logs = 20
	}
	const shards = 4
	for shard := range shards {
		t.Run(fmt.Sprintf("shard-%d", shard), func(t *testing.T) {
			t.Parallel()
			for seed := shard; seed < logs; seed += shards {
				compareLog(t, seed)
			}
		})
	}
}

// compareLog compares one log. Windows that slide by seconds make most of the work, and
// are kept to some of the logs.
func compareLog(t *testing.T, seed int) {
	setup, lanes := oracle.Generate(rand.New(rand.NewPCG(uint64(seed), 17)))
	span := func(d time.Duration) oracle.Span { return oracle.Span{Name: d.String(), Length: d} }
	switch {
	case seed%16 == 0: // all windows, panes of ten seconds
	case seed%4 == 1:
		setup.Pane, setup.Windows = time.Minute, []oracle.Span{span(time.Duration(3+seed%60) * time.Minute)}
	default:
		setup.Pane, setup.Windows = time.Minute, []oracle.Span{span(10 * time.Hour), span(24 * time.Hour)}
	}
	want := oracle.Run(setup, lanes)
	got, ledger := runLanes(t, setup, lanes)
	if ledger != want.Ledger || !ledger.Balanced() {
		t.Fatalf("log %d: ledger\n%+v, want\n%+v", seed, ledger, want.Ledger)
	}
	if len(got) != len(want.Windows) {
		t.Fatalf("log %d: %d windows, want %d", seed, len(got), len(want.Windows))
	}
	for i := range got {
		c := comparison{models: setup.Models}
		c.window(got[i], &want.Windows[i])
		if len(c.wrong) > 0 {
			t.Fatalf("log %d, window %d to %s of %q %q %q:\n%s", seed, i, got[i].End, got[i].Model, got[i].Version, got[i].Segment, c.wrong)
		}
	}
}

// runLanes makes the setup's group and takes the lanes in, chunk by chunk in turn.
func runLanes(t *testing.T, setup oracle.Setup, lanes [][]oracle.Message) (results []*monitor.Result, ledger event.Ledger) {
	t.Helper()
	sink := NewSequencer(1, func(r *monitor.Result, _ []byte) error { results = append(results, r); return nil })
	g := NewGroup(oracleGroup(t, setup), decode.Options{}, sink, 0, false)
	g.Grow(len(lanes))
	intakes, at := make([]*Intake, len(lanes)), make([]int, len(lanes))
	for i := range lanes {
		var err error
		if intakes[i], err = NewIntake([]*Lane{g.Lane(i)}, event.Prediction, nil); err != nil {
			t.Fatal(err)
		}
	}
	const chunk = 37
	for left := len(lanes); left > 0; {
		for i, messages := range lanes {
			if at[i] > len(messages) {
				continue
			}
			end := min(at[i]+chunk, len(messages))
			var batch []Message
			for _, m := range messages[at[i]:end] {
				batch = append(batch, Message{m.Value, m.RecordTime})
			}
			intakes[i].Take(batch, 0)
			at[i] = end
			done := end == len(messages)
			if done {
				at[i]++
				left--
			}
			if err := g.Lane(i).Deliver(Progress{Records: len(batch), Done: done}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, in := range intakes {
		l := in.Ledger()
		ledger.Add(&l)
	}
	return results, ledger
}

func oracleGroup(t *testing.T, setup oracle.Setup) *monitor.Group {
	t.Helper()
	g := &monitor.Group{Pane: int64(setup.Pane), Lateness: int64(setup.Lateness), MaxFuture: int64(setup.MaxFuture), Deduplicate: int64(setup.Deduplicate), MaxIDs: 1000}
	for _, w := range setup.Windows {
		g.Windows = append(g.Windows, monitor.Window{Name: w.Name, Length: int64(w.Length)})
	}
	for _, m := range setup.Models {
		g.Schema.Models = append(g.Schema.Models, m.Name)
		for _, f := range m.Features {
			if e := oracleFeature(f); !slices.Contains(g.Schema.Features, e) {
				g.Schema.Features = append(g.Schema.Features, e)
			}
		}
		for _, s := range m.Segments {
			if !slices.Contains(g.Schema.Segments, s.Name) {
				g.Schema.Segments = append(g.Schema.Segments, s.Name)
			}
		}
	}
	for _, m := range setup.Models {
		c := monitor.ModelConfig{Name: m.Name, Reference: oracleReference(t, m), Verdicts: monitor.Verdicts{DecideBy: "psi", Features: map[string]monitor.FeatureVerdict{}}}
		for _, f := range m.Features {
			c.Verdicts.Features[f.Name] = monitor.FeatureVerdict{Show: monitor.ShowAll}
			c.Features = append(c.Features, slices.Index(g.Schema.Features, oracleFeature(f)))
		}
		for _, s := range m.Segments {
			c.Segmentations = append(c.Segmentations, monitor.Segmentation{Name: s.Name, Source: slices.Index(g.Schema.Segments, s.Name), Values: s.Values})
		}
		g.Models = append(g.Models, monitor.NewModel(c, &g.Schema))
	}
	return g
}

func oracleFeature(f oracle.Feature) event.Feature {
	if f.Categorical {
		return event.Feature{Name: f.Name, Type: event.Categorical}
	}
	return event.Feature{Name: f.Name}
}

// oracleReference builds the product's reference from the oracle's raw sample, through
// the builder and the file.
func oracleReference(t *testing.T, m oracle.Model) *profile.Reference {
	t.Helper()
	schema := event.Schema{Models: []string{m.Name}}
	var columns [][]event.Value
	rows := 0
	for _, f := range m.Features {
		if f.Reference == nil {
			continue
		}
		schema.Features = append(schema.Features, oracleFeature(f))
		var column []event.Value
		for _, x := range f.Reference.Sorted {
			column = append(column, event.Value{State: event.Valid, Number: x})
		}
		for i, c := range f.Reference.Categories {
			for range f.Reference.CategoryCounts[i] {
				column = append(column, event.Value{State: event.Valid, Text: []byte(c)})
			}
		}
		columns = append(columns, column)
		rows = max(rows, len(column))
	}
	if len(columns) == 0 {
		return nil
	}
	b := profile.NewBuilder(schema)
	for i := range rows {
		ev := event.Event{Features: make([]event.Value, len(columns))}
		for k, column := range columns {
			if i < len(column) {
				ev.Features[k] = column[i]
			}
		}
		b.Observe(&ev)
	}
	r, err := b.Build(profile.Provenance{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Features {
		if x := r.Find(f.Name); f.Categorical && f.Reference != nil {
			// As if it had more categories than are listed.
			x.OtherCategories = f.Reference.UnseenCount
			x.Count += f.Reference.UnseenCount
		}
	}
	data, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if r, err = profile.Decode(data); err != nil {
		t.Fatal(err)
	}
	for i := range r.Features {
		f := &r.Features[i]
		k := slices.IndexFunc(m.Features, func(o oracle.Feature) bool { return o.Name == f.Name && o.Categorical == (f.Type == event.Categorical) })
		if ref := m.Features[k].Reference; f.Type == event.Numeric && (!slices.Equal(f.Bins.Edges(), ref.Edges) || !slices.Equal(f.DecileEdge, ref.EdgeIsDecile) || !slices.Equal(f.Counts, ref.Counts)) {
			t.Fatalf("bins of %s differ from the oracle's", f.Name)
		}
	}
	return r
}

// comparison collects what differs.
type comparison struct {
	models []oracle.Model
	wrong  string
}

func (c *comparison) check(ok bool, format string, args ...any) {
	if !ok {
		c.wrong += fmt.Sprintf(format, args...) + "\n"
	}
}

func (c *comparison) count(name string, got, want uint64) {
	c.check(got == want, "%s is %d, want %d", name, got, want)
}

// float compares to a relative 1e-9; scale is the size of the numbers it comes from.
func (c *comparison) float(name string, got monitor.Figure, want, scale float64) {
	if math.IsNaN(want) || got.IsZero() {
		c.check(math.IsNaN(want) == got.IsZero(), "%s is %g, want %g", name, float64(got), want)
		return
	}
	c.check(math.Abs(float64(got)-want) <= 1e-9*max(math.Abs(want), scale), "%s is %.17g, want %.17g", name, float64(got), want)
}

func (c *comparison) window(got *monitor.Result, want *oracle.Window) {
	c.check(got.Model == want.Model && got.Version == want.Version && got.Segment == want.Segment && got.Window == want.Name,
		"series %q %q %q %s, want %q %q %q %s", got.Model, got.Version, got.Segment, got.Window, want.Model, want.Version, want.Segment, want.Name)
	c.check(got.Start.UnixNano() == want.Start && got.End.UnixNano() == want.End, "%s..%s, want %d..%d", got.Start, got.End, want.Start, want.End)
	c.check(got.Complete == want.Complete, "complete is %v", got.Complete)
	c.count("events", got.Events, want.Events)
	c.float("requests_per_second", got.Service.RequestsPerSecond, want.RequestsPerSecond, 0)
	c.float("error_ratio", got.Service.ErrorRatio, want.ErrorRatio, 0)
	c.check((len(got.Service.Latency) == 0) == (len(want.Latencies) == 0), "%d latency quantiles of %d latencies", len(got.Service.Latency), len(want.Latencies))
	for _, q := range got.Service.Latency {
		p, _ := strconv.ParseFloat(q.Q, 64)
		// Within half a bucket of 2^(1/32).
		exact := oracle.Quantile(want.Latencies, p)
		c.check(math.Abs(float64(q.Value)-exact) <= 0.011*exact+1e-12, "latency %s is %g, want %g", q.Q, float64(q.Value), exact)
	}
	c.check(len(got.Features) == len(want.Features), "%d features, want %d", len(got.Features), len(want.Features))
	for i := range min(len(got.Features), len(want.Features)) {
		c.feature(&got.Features[i], &want.Features[i])
	}
	for _, m := range c.models {
		for i := range m.Features {
			if m.Name == want.Model {
				c.moved(&got.Features[i], &want.Features[i], m.Features[i].Reference)
			}
		}
	}
}

func (c *comparison) feature(got *monitor.FeatureResult, want *oracle.Figures) {
	c.check(got.Name == want.Name, "feature %s, want %s", got.Name, want.Name)
	n := got.Name
	c.count(n+" count", got.Count, want.Count)
	c.count(n+" missing", got.Missing, want.Missing)
	c.count(n+" invalid", got.Invalid, want.Invalid)
	c.check(got.HasReference == (want.ReferenceBins != nil), "%s has a reference: %v", n, got.HasReference)
	if got.HasReference {
		c.count(n+" out of range", got.OutOfRange, want.OutOfRange)
		c.count(n+" unseen", got.Unseen, want.Unseen)
	}
	if !want.Categorical {
		scale := max(math.Abs(want.Min), math.Abs(want.Max))
		c.float(n+" mean", got.Mean, want.Mean, scale)
		c.float(n+" stddev", got.StdDev, want.StdDev, scale)
		c.float(n+" min", got.Min, want.Min, 0)
		c.float(n+" max", got.Max, want.Max, 0)
		c.quantiles(got, want)
	}
	if got.DistinctKnown {
		// Exact to 64, then five standard errors of 1.6 %.
		off := math.Abs(float64(got.Distinct) - float64(want.Distinct))
		c.check(off == 0 || want.Distinct > 64 && off <= 0.081*float64(want.Distinct)+1, "%s distinct is %d, want %d", n, got.Distinct, want.Distinct)
	}
	for i := range got.Drift {
		c.drift(n, &got.Drift[i], want)
	}
}

// quantiles may be off by the digest's rank error: 1 % of the ranks and one value.
func (c *comparison) quantiles(got *monitor.FeatureResult, want *oracle.Figures) {
	for _, q := range got.Quantiles {
		p, _ := strconv.ParseFloat(q.Q, 64)
		x, n := float64(q.Value), float64(len(want.Values))
		low := float64(sort.SearchFloat64s(want.Values, x-1e-9*math.Abs(x)))
		high := float64(sort.Search(len(want.Values), func(i int) bool { return want.Values[i] > x+1e-9*math.Abs(x) }))
		slack := 0.01*n + 1
		c.check(low-slack <= p*n && p*n <= high+slack, "%s quantile %s is %g: ranks %g to %g of %g", got.Name, q.Q, x, low, high, n)
	}
}

func (c *comparison) drift(name string, got *monitor.Drift, want *oracle.Figures) {
	d := &want.Drift
	exact := map[string]float64{
		"psi": d.PSI, "js_distance": d.JS, "kl_divergence": d.KL, "hellinger_distance": d.Hellinger, "total_variation": d.TVD, "chi_square": d.ChiSquare, "ks_statistic": d.KS,
	}
	if w, ok := exact[got.Statistic]; ok {
		// A distance is the root of a sum of rounded terms: 1e-15 becomes 3e-8.
		scale := 1e-3
		if got.Statistic == "js_distance" || got.Statistic == "hellinger_distance" {
			scale = 100
		}
		c.float(name+" "+got.Statistic, got.Value, w, scale)
		return
	}
	if got.Statistic == "wasserstein_normalized" && !math.IsNaN(d.Wasserstein) && !got.Value.IsZero() {
		// Each value may be off by half a bucket, 1.1 % of its distance from the median.
		bound := 0.0
		for _, x := range want.Values {
			bound += 0.011 * math.Abs(x-want.Values[len(want.Values)/2])
		}
		c.check(math.Abs(float64(got.Value)-d.Wasserstein) <= 0.05*d.Wasserstein+0.02+bound, "%s wasserstein is %g, want %g", name, float64(got.Value), d.Wasserstein)
	}
}
