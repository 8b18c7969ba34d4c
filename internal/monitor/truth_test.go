package monitor

import (
	"testing"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
)

// TestRelevantItemTwice: a list of relevant items that names one twice, as of clicks, says the same as one that names it once.
func TestRelevantItemTwice(t *testing.T) {
	p := &Performance{Spec: eval.Spec{Task: eval.Ranking, K: []int{3}}}
	said := func(items ...string) string {
		ev := &event.Event{Truth: event.Truth{ItemsState: event.Valid}}
		for _, i := range items {
			ev.Truth.Items = append(ev.Truth.Items, event.Item{Name: []byte(i), Relevance: 1})
		}
		var l eval.Label
		if !p.Truth(ev, &l) || len(l.Items) != len(l.Relevance) {
			t.Fatalf("%v: %+v", items, l)
		}
		return string(p.Spec.AppendLabel(nil, &l))
	}
	if once, twice := said("a", "b"), said("a", "b", "a", "a"); once != twice {
		t.Errorf("%x, twice %x", once, twice)
	}
	none := &event.Event{Truth: event.Truth{ItemsState: event.Valid, Items: []event.Item{{Name: []byte("a"), Relevance: 1}, {Name: []byte("b")}}}}
	var one eval.Label
	if p.Truth(none, &one); said("a") != string(p.Spec.AppendLabel(nil, &one)) {
		t.Errorf("an item that is not relevant says something: %+v", one)
	}
	// One with how relevant items are cannot name one twice.
	ev := &event.Event{Truth: event.Truth{ItemsState: event.Valid, Items: []event.Item{{Name: []byte("a"), Relevance: 3}, {Name: []byte("b"), Relevance: 1}}}}
	var l eval.Label
	if !p.Truth(ev, &l) || len(l.Items) != 2 || l.Relevance[0] != 3 {
		t.Errorf("%+v", l)
	}
}

// TestNoScores: an object of scores in which no class has one is no answer.
func TestNoScores(t *testing.T) {
	p := &Performance{Spec: eval.Spec{Task: eval.Multiclass, Classes: []string{"a", "b"}}, Score: -1, Decision: -1, Value: -1}
	var out eval.Prediction
	p.Answer(&event.Event{ScoresState: event.Valid}, &out)
	if len(out.Probabilities) > 0 {
		t.Errorf("no class has a score: %v", out.Probabilities)
	}
	p.Answer(&event.Event{ScoresState: event.Valid, Scores: []event.ClassScore{{Class: []byte("b"), P: 1}}}, &out)
	if len(out.Probabilities) != 3 {
		t.Errorf("%v", out.Probabilities)
	}
}
