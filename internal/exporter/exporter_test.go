package exporter

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// statistics gives every statistic of the catalogue a value, and the first a threshold.
func statistics() (out monitor.Drifts) {
	for i, s := range drift.Catalogue {
		d := monitor.Drift{Statistic: s.Name, Value: monitor.Figure(float64(i+1) / 16), PValue: monitor.Undefined, Threshold: monitor.Undefined}
		if i == 0 {
			d.Threshold, d.PValue = 0.125, 0.25
		}
		out = append(out, d)
	}
	return out
}

func amount() monitor.FeatureResult {
	return monitor.FeatureResult{
		Name: "amount", Type: "numeric", Count: 90, Missing: 9, Invalid: 1, HasReference: true, OutOfRange: 9,
		Mean: 2.5, StdDev: 0.5, Min: 1, Max: 4, Quantiles: monitor.Quantiles{{Q: "0.5", Value: 2}, {Q: "0.99", Value: 3.75}},
		ReferenceQuantiles: monitor.Quantiles{{Q: "0.5", Value: 1.5}, {Q: "0.99", Value: 3.5}},
		Distinct:           12, DistinctKnown: true, Drift: statistics(), State: monitor.StateDrift,
	}
}

// merchant has no events but missing ones: almost all of it is undefined.
func merchant() monitor.FeatureResult {
	return monitor.FeatureResult{
		Name: "merchant", Type: "categorical", Missing: 100, HasReference: true, DistinctKnown: true,
		Mean: monitor.Undefined, StdDev: monitor.Undefined, Min: monitor.Undefined, Max: monitor.Undefined,
	}
}

func country() monitor.FeatureResult {
	f := merchant()
	f.Name, f.Count, f.Missing, f.Unseen, f.Distinct, f.State = "country", 80, 20, 4, 9, monitor.StateOK
	return f
}

func result(model, segment string, features ...monitor.FeatureResult) *monitor.Result {
	r := &monitor.Result{
		Model: model, Version: "7", Segment: segment, Window: "5m", Length: int64(5 * time.Minute),
		Start: noon.Add(-5 * time.Minute), End: noon, Complete: true, Events: 100,
		Service:  monitor.Service{RequestsPerSecond: 0.5, ErrorRatio: 0.25, Latency: monitor.Quantiles{{Q: "0.5", Value: 0.0625}, {Q: "0.99", Value: 0.5}}},
		Features: features,
	}
	for i := range features {
		if features[i].State != "" {
			r.Judged++
		}
		if features[i].State == monitor.StateDrift {
			r.Drifted++
		}
	}
	r.DriftedImportance = monitor.Figure(float64(r.Drifted) * 3 / float64(r.Drifted*3+r.Judged-r.Drifted))
	return r
}

// watched has detectors in all states, of two figures.
func watched(r *monitor.Result) *monitor.Result {
	found := noon.Add(-time.Minute).UnixNano()
	r.Changes = []monitor.ChangeResult{
		{Figure: "error_ratio", Detectors: monitor.DetectorResults{
			{Detector: "adwin", State: monitor.StateChange, Found: found, Since: found - 3e10}, {Detector: "ddm", State: monitor.StateWarning},
		}},
		{Figure: "missing_ratio", Feature: "amount", Detectors: monitor.DetectorResults{{Detector: "page_hinkley", State: monitor.StateOK, Found: found - 36e11, Since: found - 37e11}}},
	}
	return r
}

// performance has every figure, each of its labels once, and all of them with intervals.
func performance(r *monitor.Result) *monitor.Result {
	p := &monitor.PerformanceResult{
		Labelled: true, End: noon.Add(-time.Minute), Complete: true, Matched: 80, Early: 2, Duplicate: 1, Conflict: 1, Expired: 20, MatchedRatio: 0.8,
		Delay: monitor.Quantiles{{Q: "0.5", Value: 30}, {Q: "0.99", Value: 3600}},
	}
	for i, d := range eval.Figures {
		f := eval.Figure{Name: d.Name, Value: float64(i+1) / 16, StdErr: 1. / 64, Low: float64(i+1) / 16, High: float64(i+1) / 16}
		figures := &p.Figures
		if strings.HasPrefix(d.Name, "estimated_") {
			figures = &p.Estimated
		}
		if i == 0 {
			f.StdErr = math.NaN()
		}
		if len(d.Labels) == 0 || slices.Contains(d.Labels, "decision") {
			*figures = append(*figures, f)
		}
		for _, label := range d.Labels {
			f.Label, f.At = label, map[string]string{"decision": "threshold", "average": "macro", "k": "10", "top": "0.05", "q": "0.9", "level": "0.1"}[label]
			*figures = append(*figures, f)
		}
	}
	r.Performance = p
	return r
}

// hour is a longer window of the same series; its figures are not told apart, but for the window.
func hour(r *monitor.Result) *monitor.Result {
	r.Window, r.Length, r.Start = "1h", int64(time.Hour), noon.Add(-time.Hour)
	return r
}

// picture has something of everything.
func picture() *monitor.Snapshot {
	idle := result("idle", "")
	idle.Complete, idle.Events = false, 0
	idle.Service = monitor.Service{RequestsPerSecond: 0, ErrorRatio: monitor.Undefined}
	p := monitor.PartitionStatus{Topic: "fraud.predictions", Partition: 3, Consumed: 120, Lag: 5, Watermark: noon.UnixNano(), Gap: 2, ForgottenIDs: 9, DeadLetters: 7, Skipped: []monitor.SkippedBatches{{Reason: "too_large", Batches: 1}}}
	p.Rejected[event.Syntax], p.Rejected[event.Past] = 8, 2
	return business(&monitor.Snapshot{
		At:      noon.UnixNano(),
		Results: []*monitor.Result{judged(watched(result("fraud", "", amount(), merchant(), country()))), watched(hour(result("fraud", ""))), performance(result("fraud", "DE", amount())), idle},
		Models: []monitor.ModelStatus{
			{Model: "fraud", Accepted: 100, Late: 6, Duplicate: 4, Folded: [monitor.Folds]uint64{1, 2, 3}, LastEvent: noon.UnixNano() - 5e8, References: []monitor.ReferenceStatus{{Fingerprint: "00ff"}}, Task: eval.Binary,
				Labels: &monitor.LabelStatus{Matched: 11, Early: 1, Unmatched: 2, Duplicate: 3, Conflict: 4, Useless: 5, Expired: 6, Evicted: 7, Compared: 10, Mispredicted: 8, Pending: 9, Waiting: 12}},
			{Model: "idle", Task: eval.Regression, Labels: &monitor.LabelStatus{Compared: 3, AbsoluteError: 1.5, SquaredError: 2.25}, Learning: &monitor.LearningStatus{Until: noon.UnixNano() + 36e11, Since: noon.UnixNano() + 37e11, Events: 7}},
		},
		Partitions: []monitor.PartitionStatus{p, {Topic: "fraud.predictions", Partition: 4, Lag: -1}},
		Placements: []monitor.PlacementStatus{{Topic: "fraud.labels", Predictions: "fraud.predictions", Labels: 200, Elsewhere: 50}, {Topic: "unread"}},
		Exporting:  true,
		Final:      &monitor.ResultsStatus{Failures: 3},
		Config:     &monitor.ConfigStatus{Error: "bad", Loaded: noon},
		State: &monitor.StateStatus{
			LastSave: noon, Interval: 30 * time.Second, Took: 250 * time.Millisecond, Held: 5 * time.Millisecond,
			Bytes: 4096, Saves: 12, Failures: 1, Resets: map[string]uint64{"damaged": 1, "reference": 0},
		},
	})
}

func exporterOf(s *monitor.Snapshot, limit int) *Exporter {
	board := &monitor.Board{}
	if s != nil {
		board.Publish(s)
	}
	return New(board, Options{MaxSeries: limit, Version: "1.2.3", Revision: "abc", GoVersion: "go1.26"})
}

// fataler is a test, or a check of rapid's.
type fataler interface {
	Helper()
	Fatal(...any)
}

// gather collects with a registry that checks every metric against its description.
func gather(t fataler, e *Exporter) []*dto.MetricFamily {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(e)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

func text(t fataler, e *Exporter) string {
	t.Helper()
	var b bytes.Buffer
	for _, f := range gather(t, e) {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestGoldenExposition(t *testing.T) {
	got := text(t, exporterOf(picture(), 0))
	const file = "testdata/exposition.txt"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the exposition is not that of %s; UPDATE_GOLDEN=1 writes this:\n%s", file, got)
	}
}

func TestEveryMetricIsInTheGolden(t *testing.T) {
	golden, err := os.ReadFile("testdata/exposition.txt")
	if err != nil {
		t.Fatal(err)
	}
	for name := range catalogue() {
		if !strings.Contains(string(golden), "# TYPE streammon_"+name+" ") {
			t.Errorf("streammon_%s is not in the golden exposition", name)
		}
	}
}

// TestMetricsAreThoseOfTheGolden: the list for dashboards and rules tells name, kind and labels of each as they are exported.
func TestMetricsAreThoseOfTheGolden(t *testing.T) {
	listed := map[string]Metric{}
	for _, m := range Metrics() {
		listed[m.Name] = m
	}
	families := gather(t, exporterOf(picture(), 0))
	if len(listed) != len(families) {
		t.Errorf("%d listed, %d exported", len(listed), len(families))
	}
	for _, f := range families {
		m, ok := listed[f.GetName()]
		if !ok || m.Help != f.GetHelp() || m.Counter != (f.GetType() == dto.MetricType_COUNTER) {
			t.Errorf("%s is listed as %+v", f.GetName(), m)
		}
		for _, x := range f.GetMetric() {
			var labels []string
			for _, l := range x.GetLabel() {
				labels = append(labels, l.GetName())
			}
			if want := slices.Sorted(slices.Values(m.Labels)); !slices.Equal(labels, want) {
				t.Errorf("%s has the labels %v, listed are %v", m.Name, labels, want)
			}
		}
	}
}

func TestPromlint(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(exporterOf(picture(), 0))
	problems, err := testutil.GatherAndLint(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func scrape(t *testing.T, e *Exporter, accept string) (string, string) {
	t.Helper()
	q := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	q.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	e.Handler().ServeHTTP(w, q)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d, %v", w.Code, err)
	}
	return w.Header().Get("Content-Type"), string(body)
}

func TestFormatsAreNegotiated(t *testing.T) {
	e := exporterOf(picture(), 0)
	for _, c := range []struct{ accept, kind, has, not string }{
		{"text/plain", "text/plain", "# TYPE streammon_accepted_events_total counter\n", "# EOF"},
		{"application/openmetrics-text;version=1.0.0", "application/openmetrics-text", "# TYPE streammon_accepted_events counter\n", "streammon_accepted_events_created"},
	} {
		kind, body := scrape(t, e, c.accept)
		if !strings.HasPrefix(kind, c.kind) || !strings.Contains(body, c.has) || strings.Contains(body, c.not) {
			t.Errorf("%s: got %s", c.accept, kind)
		}
		if strings.HasSuffix(body, "# EOF\n") != strings.Contains(c.accept, "openmetrics") {
			t.Errorf("%s: ends with %q", c.accept, body[len(body)-20:])
		}
		if !strings.Contains(body, "go_goroutines") {
			t.Errorf("%s: no figures of the process", c.accept)
		}
	}
}

func TestUndefinedIsAbsent(t *testing.T) {
	got := text(t, exporterOf(picture(), 0))
	for _, absent := range []string{
		`streammon_error_ratio{model="idle"`, `streammon_latency_seconds{model="idle"`, `streammon_drifted_features{model="idle"`,
		`feature="merchant",q=`, `streammon_feature_unseen_ratio{feature="merchant"`, `streammon_consumer_lag_messages{partition="4"`,
		`streammon_watermark_timestamp_seconds{partition="4"`, `streammon_last_event_timestamp_seconds{model="idle"`, "NaN", "Inf",
	} {
		if strings.Contains(got, absent) {
			t.Errorf("has %s", absent)
		}
	}
}

func TestBeforeTheFirstSnapshot(t *testing.T) {
	got := text(t, exporterOf(nil, 0))
	if !strings.Contains(got, "streammon_exporting 0\n") || !strings.Contains(got, "streammon_build_info") {
		t.Error(got)
	}
}

// A member that does not export shows its own health, but no figures of models, which
// another member shows.
func TestStandbyShowsNoModels(t *testing.T) {
	s := picture()
	s.Exporting = false
	got := text(t, exporterOf(s, 0))
	if strings.Contains(got, "streammon_window_") || strings.Contains(got, "feature=") || !strings.Contains(got, "streammon_consumed_messages_total") {
		t.Error(got)
	}
}

// TestScrapesWhilePublishing is for the race detector; each scrape must see one
// snapshot, whose two windows end at the same time.
func TestScrapesWhilePublishing(t *testing.T) {
	board := &monitor.Board{}
	e := New(board, Options{})
	publish := func(i int) {
		s := picture()
		for _, r := range s.Results {
			r.End = noon.Add(time.Duration(i) * time.Second)
		}
		board.Publish(s)
	}
	publish(0)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 200 {
			publish(i)
		}
	})
	for range 3 {
		wg.Go(func() {
			for range 50 {
				if err := oneEnd(e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func oneEnd(e *Exporter) error {
	r := prometheus.NewRegistry()
	r.MustRegister(e)
	families, err := r.Gather()
	if err != nil {
		return err
	}
	for _, f := range families {
		if f.GetName() != "streammon_window_end_timestamp_seconds" {
			continue
		}
		for _, m := range f.Metric {
			if m.Gauge.GetValue() != f.Metric[0].Gauge.GetValue() {
				return fmt.Errorf("two snapshots in one scrape: %v", f.Metric)
			}
		}
	}
	return nil
}

// BenchmarkScrape serves 10,000 series: of a snapshot that was scraped before, and of a
// new one.
func BenchmarkScrape(b *testing.B) {
	var results []*monitor.Result
	for i := range 10 {
		var features []monitor.FeatureResult
		for k := range 48 {
			f := amount()
			f.Name = fmt.Sprintf("feature_%02d", k)
			features = append(features, f)
		}
		results = append(results, result(fmt.Sprintf("model-%d", i), "", features...))
	}
	for _, c := range []struct {
		name  string
		fresh bool
	}{{"same", false}, {"new", true}} {
		b.Run(c.name, func(b *testing.B) {
			e := exporterOf(&monitor.Snapshot{Exporting: true, Results: results}, 10_000)
			b.ReportAllocs()
			for b.Loop() {
				if c.fresh {
					e.board.Publish(&monitor.Snapshot{Exporting: true, Results: results})
				}
				w := httptest.NewRecorder()
				e.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
				if w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
			b.ReportMetric(value(b, e, "streammon_series"), "series")
		})
	}
}
