package exporter

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/monitor"
)

// manySeries draws a snapshot of a few models of very different sizes.
func manySeries(t *rapid.T) *monitor.Snapshot {
	s := &monitor.Snapshot{Exporting: true}
	for i := range rapid.IntRange(0, 5).Draw(t, "models") {
		model := fmt.Sprintf("m%d", i)
		m := monitor.ModelStatus{Model: model}
		if rapid.Bool().Draw(t, "labels") {
			m.Task, m.Labels = rapid.SampledFrom([]eval.Task{eval.Binary, eval.Regression, eval.Ranking}).Draw(t, "task"), &monitor.LabelStatus{}
		}
		s.Models = append(s.Models, m)
		for _, segment := range []string{"", "DE", "FR"}[:rapid.IntRange(0, 3).Draw(t, "segments")] {
			var features []monitor.FeatureResult
			for j := range rapid.IntRange(0, 12).Draw(t, "features") {
				f := amount()
				f.Name = fmt.Sprintf("f%d", j)
				f.State = rapid.SampledFrom([]string{"", monitor.StateOK, monitor.StateWarning, monitor.StateDrift}).Draw(t, "state")
				features = append(features, f)
			}
			r := result(model, segment, features...)
			if rapid.Bool().Draw(t, "labelled") {
				performance(r)
			}
			s.Results = append(s.Results, r)
		}
	}
	return s
}

// split separates the series of models from the monitor's own.
func split(t fataler, e *Exporter) (own int, ofModel map[string]map[string]bool, total int) {
	t.Helper()
	ofModel = map[string]map[string]bool{}
	for _, f := range gather(t, e) {
		for _, m := range f.Metric {
			total++
			labels := map[string]string{}
			for _, l := range m.Label {
				labels[l.GetName()] = l.GetValue()
			}
			_, window := labels["window"]
			if _, feature := labels["feature"]; !window && !feature {
				own++
				continue
			}
			of := ofModel[labels["model"]]
			if of == nil {
				of = map[string]bool{}
				ofModel[labels["model"]] = of
			}
			of[f.GetName()+fmt.Sprint(labels)] = true
		}
	}
	return own, ofModel, total
}

func value(t fataler, e *Exporter, name string) (sum float64) {
	t.Helper()
	for _, f := range gather(t, e) {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.Metric {
			sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return sum
}

func TestBudgetHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := manySeries(t)
		all := exporterOf(s, 1_000_000)
		own, wanted, total := split(t, all)
		limit := rapid.IntRange(own, total+10).Draw(t, "limit")
		e := exporterOf(s, limit)
		_, kept, n := split(t, e)
		if n > limit || float64(n) != value(t, e, "streammon_series") {
			t.Fatalf("%d series, limit %d, streammon_series %v", n, limit, value(t, e, "streammon_series"))
		}
		if got := value(t, e, "streammon_series_dropped_total"); got != float64(total-n) {
			t.Fatalf("dropped %v of %d, kept %d", got, total, n)
		}
		if n < min(limit, total) {
			t.Fatalf("%d series of %d, though the budget is %d", n, total, limit)
		}
		for m := range wanted {
			if fair := (limit - own) / len(wanted); len(kept[m]) < min(len(wanted[m]), fair) {
				t.Fatalf("%s has %d of %d series, its fair part is %d", m, len(kept[m]), len(wanted[m]), fair)
			}
			for series := range kept[m] {
				if !wanted[m][series] {
					t.Fatalf("%s was made up", series)
				}
			}
		}
	})
}

// The same figures must not lose other series from one publication to the next, or
// because another scraper asks.
func TestWhatIsDroppedIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := manySeries(t)
		own, _, total := split(t, exporterOf(s, 1_000_000))
		e := exporterOf(s, rapid.IntRange(own, total).Draw(t, "limit"))
		_, first, _ := split(t, e)
		dropped := value(t, e, "streammon_series_dropped_total")
		if again := value(t, e, "streammon_series_dropped_total"); again != dropped {
			t.Fatalf("dropped %v, and a scrape later %v", dropped, again)
		}
		next := *s
		e.board.Publish(&next)
		_, second, _ := split(t, e)
		if fmt.Sprint(first) != fmt.Sprint(second) {
			t.Fatal("other series after the next publication")
		}
		if again := value(t, e, "streammon_series_dropped_total"); again != 2*dropped {
			t.Fatalf("dropped %v, and a publication later %v", dropped, again)
		}
	})
}

// What matters most is dropped last: service figures and verdicts of all traffic, then
// of features that moved, then the rest, then segments.
func TestImportantSeriesStay(t *testing.T) {
	quiet := amount()
	quiet.Name, quiet.State = "a_quiet", monitor.StateOK
	s := &monitor.Snapshot{Exporting: true, Results: []*monitor.Result{result("m", "", quiet, amount()), result("m", "DE", quiet, amount())}}
	own, wanted, _ := split(t, exporterOf(s, 1_000_000))
	position := func(part string) int { // the smallest number of series with which one of these is shown
		for n := range len(wanted["m"]) + 1 {
			_, kept, _ := split(t, exporterOf(s, own+n))
			for series := range kept["m"] {
				if strings.Contains(series, part) {
					return n
				}
			}
		}
		t.Fatalf("no series has %s", part)
		return 0
	}
	order := []string{"streammon_window_events", "streammon_drift_state", "streammon_drift_psi", "streammon_feature_quantile", "segment:DE"}
	for i := 1; i < len(order); i++ {
		if a, b := position(order[i-1]), position(order[i]); a >= b {
			t.Errorf("%s comes with %d series, %s with %d", order[i-1], a, order[i], b)
		}
	}
	if a, b := position("feature:amount"), position("feature:a_quiet"); a >= b {
		t.Errorf("the drifted feature comes with %d series, the quiet one with %d", a, b)
	}
}

// The monitor's own health is shown even where the budget is smaller than that.
func TestTinyBudget(t *testing.T) {
	s := picture()
	e := exporterOf(s, 1)
	own, kept, _ := split(t, e)
	if len(kept) != 0 || own == 0 {
		t.Errorf("%d own series, models %v", own, kept)
	}
	if value(t, e, "streammon_series_dropped_total") == 0 {
		t.Error("nothing was counted")
	}
}

func TestLabels(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := string(rapid.SliceOf(rapid.Byte()).Draw(t, "a")), string(rapid.SliceOf(rapid.Byte()).Draw(t, "b"))
		for _, s := range []string{a, strings.Repeat(a, 30), a + strings.Repeat("é", 64)} {
			got := label(s)
			if !utf8.ValidString(got) || len(got) > maxLabel || strings.ContainsFunc(got, unicode.IsControl) {
				t.Fatalf("label(%q) = %q", s, got)
			}
			if utf8.ValidString(s) && len(s) <= maxLabel && !strings.ContainsFunc(s, unicode.IsControl) && got != s {
				t.Fatalf("label(%q) = %q", s, got)
			}
			if again := label(got); got != s && again == got {
				t.Fatalf("%q and its label are both %q", s, got)
			}
		}
		if a != b && label(a) == label(b) {
			t.Fatalf("%q and %q are both %q", a, b, label(a))
		}
	})
	long := strings.Repeat("x", 200)
	if label(long+"1") == label(long+"2") {
		t.Error("long labels with the same start are the same")
	}
}

// Names of any bytes must not spoil the exposition.
func TestHostileNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) string {
			return string(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, name))
		}
		f := amount()
		f.Name = draw("feature")
		r := result(draw("model"), draw("segment"), f)
		r.Version = draw("version")
		s := &monitor.Snapshot{Exporting: true, Results: []*monitor.Result{r}, Models: []monitor.ModelStatus{{Model: r.Model}}}
		text(t, exporterOf(s, 0))
	})
}

// TestBudgetOfPartitions: series of partitions are within the budget, too. Those of models are left out first, then the least
// important of the partitions; the program's own are always there.
func TestBudgetOfPartitions(t *testing.T) {
	s := &monitor.Snapshot{Exporting: true, Models: []monitor.ModelStatus{{Model: "m", Learning: &monitor.LearningStatus{Until: 1}}}, Results: []*monitor.Result{result("m", "", amount())},
		Config: &monitor.ConfigStatus{Loaded: time.Unix(1, 0)}}
	for topic := range 3 {
		for i := range 50 {
			s.Partitions = append(s.Partitions, monitor.PartitionStatus{Topic: fmt.Sprint("t", topic), Partition: i, Lag: 1, Watermark: 1})
		}
	}
	_, _, all := split(t, exporterOf(s, 1_000_000))
	for _, limit := range []int{1, 30, 60, 200, 500, all - 1} {
		e := exporterOf(s, limit)
		_, models, n := split(t, e)
		if n > max(limit, 30) || n < min(limit, all)-1 {
			t.Errorf("%d series of %d", n, limit)
		}
		if dropped := int(value(t, e, "streammon_series_dropped_total")); dropped != all-n {
			t.Errorf("of %d series %d are there and %d were dropped", all, n, dropped)
		}
		for _, name := range []string{"streammon_build_info", "streammon_config_last_reload_success_timestamp_seconds"} {
			if value(t, e, name) == 0 {
				t.Errorf("with %d there is no %s", limit, name)
			}
		}
		if limit == 1 && value(t, e, "streammon_reference_learning") != 0 {
			t.Error("the account of a model is beyond the limit")
		}
		lag, ids := value(t, e, "streammon_consumer_lag_messages"), len(models)
		if limit == 200 && (lag == 0 || ids > 0) {
			t.Errorf("with %d: %g of lag, %d models", limit, lag, ids)
		}
	}
}
