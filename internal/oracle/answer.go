package oracle

import (
	"maps"
	"math"
	"slices"

	"github.com/streammon/streammon/internal/event"
)

// answer is what a model said, as far as its task wants to know.
type answer struct {
	// score and value are NaN if there is none.
	score, value float64
	// class is the decision; it was given if decided.
	class   string
	decided bool
	// probabilities by class, nil if there are none.
	probabilities map[string]float64
	// items are the best first, nil if there are none.
	items []string
}

// truth is what a label says.
type truth struct {
	class string
	value float64
	// relevance of each relevant item, all positive.
	relevance map[string]float64
}

// says reports whether two labels say the same, as far as the task tells classes apart.
func (t *truth) says(o *truth) bool {
	return t.class == o.class && t.value == o.value && maps.Equal(t.relevance, o.relevance)
}

// readAnswer reads the envelope's member "prediction".
func readAnswer(task *Task, prediction any) answer {
	a := answer{score: math.NaN(), value: math.NaN()}
	members, _ := prediction.(map[string]any)
	if x, ok := readNumber(members["score"]); ok {
		a.score = x
	}
	if x, ok := readNumber(members["value"]); ok {
		a.value = x
	}
	if name, ok := readText(members["label"]); ok {
		a.class, a.decided = task.class(name), true
	}
	a.probabilities = readProbabilities(task, members["scores"])
	a.items, _ = readItems(members["items"])
	return a
}

// class returns the name under which the task counts a class.
func (t *Task) class(name string) string {
	known := t.Classes
	if t.Kind == Binary {
		known = []string{t.Positive}
	}
	if slices.Contains(known, name) {
		return name
	}
	return event.Other
}

// readProbabilities adds up those of the classes that are not told apart. Null is none, anything else that is no
// probability spoils them all. It is nil if there are none.
func readProbabilities(task *Task, scores any) map[string]float64 {
	members, ok := scores.(map[string]any)
	if !ok {
		return nil
	}
	out := map[string]float64{}
	for name, value := range members {
		if value == nil {
			continue
		}
		p, ok := readNumber(value)
		if !ok || p < 0 || p > 1 {
			return nil
		}
		out[task.class(name)] += p
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// readItems reads a list of texts and integers; anything else in it spoils them all.
func readItems(list any) (items []string, ok bool) {
	values, ok := list.([]any)
	for _, value := range values {
		name, isName := readText(value)
		if _, truth := value.(bool); truth || !isName {
			return nil, false
		}
		items = append(items, name)
	}
	return items, ok
}

// readTruth reads the envelope's member "label", and returns nil if it is nothing to the task.
func readTruth(task *Task, label any) *truth {
	switch task.Kind {
	case Regression:
		if x, ok := readNumber(label); ok {
			return &truth{value: x}
		}
	case Ranking:
		members, _ := label.(map[string]any)
		if relevance := readRelevance(members["items"]); relevance != nil {
			return &truth{relevance: relevance}
		}
	default:
		if name, ok := readText(label); ok {
			return &truth{class: task.class(name)}
		}
	}
	return nil
}

// readRelevance reads a list of items that are relevant, or an object that says how relevant each is, where null is not
// relevant; it is not nil if it is one of both.
func readRelevance(value any) map[string]float64 {
	out := map[string]float64{}
	if members, ok := value.(map[string]any); ok {
		for name, value := range members {
			if value == nil {
				continue
			}
			x, ok := readNumber(value)
			if !ok || x < 0 {
				return nil
			}
			if x > 0 {
				out[name] = x
			}
		}
		return out
	}
	items, ok := readItems(value)
	if !ok {
		return nil
	}
	for _, name := range items {
		out[name] = 1
	}
	return out
}
