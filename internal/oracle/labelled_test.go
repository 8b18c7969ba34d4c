package oracle

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/streammon/streammon/internal/event"
)

// generateLabelledCheap makes a log with windows that do not overlap much.
func generateLabelledCheap(seed uint64) (Setup, [][]Message) {
	setup, lanes := GenerateLabelled(seeded(seed))
	setup.Pane = time.Minute
	setup.Windows = []Span{{"1m", time.Minute}, {"24h", 24 * time.Hour}}
	return setup, lanes
}

// ledgerOf is the ledger of the lanes.
func ledgerOf(setup Setup, lanes [][]Message) event.Ledger {
	setup.Windows = nil
	return Run(setup, lanes).Ledger
}

func TestGenerateLabelledIsReproducible(t *testing.T) {
	setup, lanes := GenerateLabelled(seeded(7))
	again, lanesAgain := GenerateLabelled(seeded(7))
	if !reflect.DeepEqual(setup, again) || !reflect.DeepEqual(lanes, lanesAgain) {
		t.Error("the same seed gives another log")
	}
	_, other := GenerateLabelled(seeded(8))
	if reflect.DeepEqual(lanes, other) {
		t.Error("another seed gives the same log")
	}
}

// TestLabelledLogsCoverEverything checks that a few random logs have what the join and the figures have to
// be tested with.
func TestLabelledLogsCoverEverything(t *testing.T) {
	seen := map[string]int{}
	note := func(what string, is bool) {
		seen[what] += 0
		if is {
			seen[what]++
		}
	}
	for seed := range uint64(30) {
		setup, lanes := generateLabelledCheap(seed)
		ledger, j := ledgerOf(setup, lanes), Join(setup, lanes)
		note("late", ledger.Late > 0)
		note("rejected", ledger.Rejected[event.Time] > 0)
		note("duplicates of the ledger", ledger.Duplicate > 0)
		note("no deduplication", setup.Deduplicate == 0)
		note("several models", len(setup.Models) > 1)
		for i, n := range j.Models {
			task := setup.Models[i].Task
			note("no task", task == nil)
			if task == nil {
				continue
			}
			kind := []string{"binary", "multiclass", "regression", "ranking"}[task.Kind]
			for what, count := range map[string]uint64{
				"matched": n.Matched, "early": n.Early, "duplicate": n.Duplicate, "conflict": n.Conflict, "unmatched": n.Unmatched, "expired": n.Expired,
				"pending": n.Pending, "unreadable": n.Unreadable,
			} {
				note(kind+" "+what, count > 0)
			}
			note("waiting", n.Waiting > 0)
			note(kind+" all pending", n.Expired == 0)
		}
		limits(setup, j, note)
		for _, p := range j.Windows(j.Last) {
			note("segment", p.Segment == "country=DE")
			note("other segment", p.Segment == "country="+event.Other)
			note("other version", p.Version == event.Other)
			note("a version of many", p.Version == "9")
			note("expired only", p.Matched == 0 && p.Expired > 0)
			note("conflict only", p.Matched == 0 && p.Expired == 0 && p.Conflict > 0)
			note("many pairs", p.Matched > 100)
			task := setup.Models[slices.IndexFunc(setup.Models, func(m Model) bool { return m.Name == p.Model })].Task
			for _, name := range [][]string{
				{"accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier_score"}, {"accuracy", "log_loss"}, {"mae", "rmse", "r2"},
				{"ndcg@1", "ndcg@3", "ndcg@10", "mean_reciprocal_rank@10", "hit_rate@10"},
			}[task.Kind] {
				_, ok := p.Figures[name]
				note(fmt.Sprint(name, " of ", task.Kind, " is defined"), ok)
				note(fmt.Sprint(name, " of ", task.Kind, " is not defined"), !ok)
			}
		}
	}
	for what, n := range seen {
		if n == 0 {
			t.Errorf("no log has: %s", what)
		}
	}
}

// limits notes delays that are just so, and ids that come again.
func limits(setup Setup, j *Joined, note func(what string, is bool)) {
	second := map[string]*entry{}
	for _, o := range j.outcomes {
		if o.fate != matched {
			continue
		}
		task, delay := setup.Models[o.prediction.model].Task, time.Duration(o.label.time-o.prediction.time)
		note("at the timeout", delay == task.Timeout)
		note("at the lateness", delay == -setup.Lateness)
		note("at the prediction", delay == 0)
		key := fmt.Sprint(o.prediction.model, " ", o.prediction.id)
		first := second[key]
		note("an id twice", first != nil && first != o.prediction)
		second[key] = o.prediction
	}
}

// TestOutcomesAddUp checks the totals and the windows of random logs: each prediction and label has one fate, and
// segments divide all traffic.
func TestOutcomesAddUp(t *testing.T) {
	for seed := range uint64(10) {
		setup, lanes := generateLabelledCheap(100 + seed)
		j := Join(setup, lanes)
		for i, n := range j.Models {
			if n.Predictions != n.Matched+n.Expired+n.Pending || n.Labels != n.Matched+n.Duplicate+n.Conflict+n.Unmatched+n.Waiting || n.Evicted != 0 {
				t.Errorf("model %d: %+v", i, n)
			}
		}
		all, segments := map[string]uint64{}, map[string]uint64{}
		totals := make([]Totals, len(setup.Models))
		for _, p := range j.Windows(j.Last) {
			i := slices.IndexFunc(setup.Models, func(m Model) bool { return m.Name == p.Model })
			n, key := p.Matched+p.Duplicate+p.Conflict+p.Expired, fmt.Sprint(i, "/", p.Version, "/", p.Name, "/", p.End)
			if n == 0 || uint64(len(p.Delays)) != p.Matched {
				t.Fatalf("%+v", p)
			}
			if p.Segment != "" {
				segments[key] += n
				continue
			}
			if all[key] = n * uint64(len(setup.Models[i].Segments)); all[key] == 0 {
				delete(all, key)
			}
			if p.Length == setup.Pane { // these windows do not overlap
				n := &totals[i]
				n.Matched, n.Early, n.Duplicate, n.Conflict, n.Expired = n.Matched+p.Matched, n.Early+p.Early, n.Duplicate+p.Duplicate, n.Conflict+p.Conflict, n.Expired+p.Expired
			}
		}
		if diff := cmp.Diff(all, segments); diff != "" {
			t.Error(diff)
		}
		for i, n := range j.Models {
			if want := (Totals{Matched: n.Matched, Early: n.Early, Duplicate: n.Duplicate, Conflict: n.Conflict, Expired: n.Expired}); totals[i] != want {
				t.Errorf("the windows of model %d have %+v, want %+v", i, totals[i], want)
			}
		}
	}
}

// TestWeaving checks that the order of the two topics in a lane changes nothing, and the order of the lanes no count.
func TestWeaving(t *testing.T) {
	for seed := range uint64(3) {
		setup, lanes := generateLabelledCheap(200 + seed)
		want, ledger := Join(setup, lanes), ledgerOf(setup, lanes)
		windows := want.Windows(want.Last)
		predictions, labels := Split(setup, lanes)
		rng := seeded(seed)
		for _, share := range []float64{0, 0.5, 1} { // labels all first, or all last
			woven := make([][]Message, len(lanes))
			for i := range lanes {
				p, l := predictions[i], labels[i]
				for len(p)+len(l) > 0 {
					if len(p) > 0 && (len(l) == 0 || rng.Float64() < share) {
						woven[i], p = append(woven[i], p[0]), p[1:]
					} else {
						woven[i], l = append(woven[i], l[0]), l[1:]
					}
				}
			}
			got := Join(setup, woven)
			if !reflect.DeepEqual(windows, got.Windows(got.Last)) || !reflect.DeepEqual(want.Models, got.Models) {
				t.Fatalf("seed %d: another order gives other windows", seed)
			}
			slices.Reverse(woven)
			if diff := cmp.Diff(want.Models, Join(setup, woven).Models); diff != "" {
				t.Fatal(diff)
			}
			if again := ledgerOf(setup, woven); again != ledger {
				t.Fatalf("the ledger is %+v, want %+v", again, ledger)
			}
		}
	}
}
