package demo

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"
)

// record is what a message says.
type record struct {
	Type, ID, Model string
	Time            time.Time
	Status          int
	Label           any
}

// live runs a world for a time, at 20 transactions a second.
func live(t *testing.T, w *World, d time.Duration, e Effects, see func(now time.Time, r Record)) {
	t.Helper()
	start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for at := time.Duration(0); at < d; at += 50 * time.Millisecond {
		now := start.Add(at)
		w.Step(now, e, func(r Record) { see(now, r) })
	}
}

// TestLabelsComeLater: labels are of answers that there were, from seconds to half an hour later, and never before their time. Some
// never come, some twice, and a few say something else then.
func TestLabelsComeLater(t *testing.T) {
	asked := map[string]time.Time{}
	said := map[string][]any{}
	answered, young, sooner := 0, 0, 0
	delays := map[string]time.Duration{}
	live(t, NewWorld(1), time.Hour, Effects{}, func(now time.Time, m Record) {
		var r record
		if err := json.Unmarshal(m.Value, &r); err != nil {
			t.Fatalf("%s: %v", m.Value, err)
		}
		if m.Key != r.ID || m.Time.Sub(r.Time).Abs() > time.Millisecond || m.Topic != r.Model+"."+r.Type+"s" || r.Time.After(now) {
			t.Fatalf("at %s in %s: %s", now, m.Topic, m.Value)
		}
		if r.Type == "prediction" {
			asked[r.ID] = r.Time
			if r.Model == Model && r.Status == 200 && now.Minute() < 25 {
				answered++
			}
			return
		}
		if now.Sub(r.Time) > 1100*time.Millisecond {
			t.Fatalf("at %s only: %s", now, m.Value)
		}
		at, ok := asked[r.ID]
		wait := r.Time.Sub(at)
		if !ok || wait < leastDelay-time.Millisecond || wait > mostDelay+mostAgain {
			t.Fatalf("after %s of an answer (%v): %s", wait, ok, m.Value)
		}
		if r.Model == Model {
			said[r.ID] = append(said[r.ID], r.Label)
		}
		if _, ok := delays[r.ID]; ok || r.Model != Model || at.Minute() >= 25 {
			return
		}
		delays[r.ID] = wait
		young++
		if wait < time.Minute {
			sooner++
		}
	})
	again, other := 0, 0
	for _, labels := range said {
		if len(labels) > 1 {
			again++
			if labels[0] != labels[1] {
				other++
			}
		}
	}
	share := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 0.1*want+0.001 {
			t.Errorf("%s: %.4f, want %.4f", what, got, want)
		}
	}
	share("never", 1-float64(young)/float64(answered), neverLabelled)
	share("within a minute", float64(sooner)/float64(young), 0.5)
	share("again", float64(again)/float64(len(said)), twice+contradicted)
	share("other", float64(other)/float64(len(said)), contradicted)
}

// TestWorldsRepeat: the same seed gives the same records, and turning changes labels only.
func TestWorldsRepeat(t *testing.T) {
	run := func(seed uint64, e Effects) (all map[string][]string) {
		all = map[string][]string{}
		live(t, NewWorld(seed), 5*time.Minute, e, func(_ time.Time, r Record) {
			all[r.Topic] = append(all[r.Topic], fmt.Sprintf("%s %s", r.Key, r.Value))
		})
		return all
	}
	one, turned := run(1, Effects{}), run(1, Effects{Turned: true})
	if len(one) != len(Topics()) || !reflect.DeepEqual(one, run(1, Effects{})) || reflect.DeepEqual(one[Topic], run(2, Effects{})[Topic]) {
		t.Error("the seed does not say what happens")
	}
	for _, topic := range Topics() {
		if same := reflect.DeepEqual(one[topic], turned[topic]); same == (topic == LabelTopic) {
			t.Errorf("%s is the same: %v", topic, same)
		}
	}
	if len(one[LabelTopic]) != len(turned[LabelTopic]) {
		t.Error("other labels are another number")
	}
}
