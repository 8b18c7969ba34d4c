package oracle

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// world is what a model's answers are about.
type world struct {
	task *Task
	// classes that there are, of which the task may not know all; of Binary the first is the positive one.
	classes []string
	// scored and decided are the shares of answers with a score or probabilities, and with a decision.
	scored, decided float64
	// coarse scores and values have many ties.
	coarse bool
}

// fact is what turns out to be true about one request.
type fact struct {
	class string
	value float64
	// items are relevant, each with its grade.
	items  []string
	grades []float64
}

// catalog is the number of items that there are.
const catalog = 30

func newWorld(rng *rand.Rand) *world {
	w := &world{
		task: &Task{
			Kind:    pick(rng, Binary, Binary, Multiclass, Regression, Ranking),
			Timeout: pick(rng, 3*time.Second, 30*time.Second, 2*time.Minute, 10*time.Minute, time.Hour, 24*time.Hour, 30*24*time.Hour),
		},
		scored: pick(rng, 1, 0.95, 0.95, 0), decided: pick(rng, 1, 0.95, 0.95, 0), coarse: rng.IntN(2) == 0,
	}
	switch w.task.Kind {
	case Binary:
		w.classes = slices.Clone(pick(rng, []string{"fraud", "legit", "unclear"}, []string{"1", "0"}, []string{"true", "false"}, []string{"", "no"}))
		w.task.Positive = w.classes[0]
	case Multiclass:
		w.classes = slices.Clone(pick(rng, alphabets[:3]...))
		rng.Shuffle(len(w.classes), func(i, k int) { w.classes[i], w.classes[k] = w.classes[k], w.classes[i] })
		w.classes = w.classes[:2+rng.IntN(5)]
		w.task.Classes = slices.Clone(w.classes[:min(len(w.classes), 2+rng.IntN(5))])
	case Ranking:
		w.task.K = pick(rng, []int{1}, []int{5}, []int{1, 3, 10})
		w.scored = 0.95
	}
	return w
}

// fact draws one.
func (w *world) fact(rng *rand.Rand) (f fact) {
	switch w.task.Kind {
	case Regression:
		f.value = 100 + 20*rng.NormFloat64()
		if w.coarse {
			f.value = math.Round(f.value / 10)
		}
	case Ranking:
		for _, i := range rng.Perm(catalog)[:rng.IntN(5)] {
			f.items, f.grades = append(f.items, itemName(i)), append(f.grades, pick(rng, 1, 1, 2, 3, 0.5))
		}
		if rng.IntN(2) == 0 {
			for i := range f.grades {
				f.grades[i] = 1
			}
		}
	default:
		f.class = w.classes[int(float64(len(w.classes))*(1-math.Sqrt(rng.Float64())))]
	}
	return f
}

// itemName mixes names and numbers.
func itemName(i int) string {
	if i%3 == 0 {
		return strconv.Itoa(i)
	}
	return fmt.Sprint("item ", i)
}

// answer renders what the model says about a request, which has to do with the fact.
func (l *labeller) answer(w *world, f fact) string {
	if l.chance(0.003) {
		return pick(l.rng, "null", "[]", `"yes"`, "5", "{}")
	}
	var members []member
	add := func(key, value string) { members = append(members, member{key, value}) }
	given := l.chance(w.scored)
	switch w.task.Kind {
	case Binary:
		score := l.score(w, f)
		if given {
			add("score", pick(l.rng, l.number(score), l.number(score), l.oddScore(score)))
		}
		if l.chance(w.decided) {
			add("label", l.decision(w, score))
		}
	case Multiclass:
		likely := pick(l.rng, append(w.classes, f.class, f.class, f.class)...)
		if given {
			add("scores", l.probabilities(w, likely))
		}
		if l.chance(w.decided) {
			add("label", l.text(likely))
		}
	case Regression:
		value := f.value + 10*l.rng.NormFloat64()
		if w.coarse {
			value = math.Round(value)
		}
		if add("value", l.number(value)); l.chance(0.03) {
			members[0].value = pick(l.rng, "null", `"12"`, "[]", "1e999", "true", "0")
		}
	case Ranking:
		if given {
			add("items", l.recommended(f))
		}
	}
	return l.object(members...)
}

// score draws one in [0, 1], which is higher for positives.
func (l *labeller) score(w *world, f fact) float64 {
	shift := 0.0
	if f.class == w.task.Positive {
		shift = 2.5
	}
	x := scoreSource(l.rng, shift)
	if w.coarse {
		x = math.Round(20*x) / 20
	}
	return x
}

// oddScore renders a score, now and then one that is none, or no probability.
func (l *labeller) oddScore(score float64) string {
	if l.chance(0.1) {
		return pick(l.rng, "null", `"0.5"`, "[]", "1e999", "true", "false", "0", "1", "-0.25", "1.5", "1e-300", "1e300")
	}
	return l.number(score)
}

func (l *labeller) decision(w *world, score float64) string {
	switch {
	case l.chance(0.02):
		return pick(l.rng, "null", "0.5", "[]", `{"a":1}`)
	case score >= 0.5:
		return l.text(w.task.Positive)
	}
	return l.text(pick(l.rng, w.classes[1:]...))
}

// probabilities renders shares of all classes, some of which are 0 or not mentioned.
func (l *labeller) probabilities(w *world, likely string) string {
	shares := make([]float64, len(w.classes))
	var all float64
	for i, class := range w.classes {
		if shares[i] = l.rng.Float64(); class == likely {
			shares[i] += 2
		} else if l.chance(0.1) {
			shares[i] = 0
		}
		all += shares[i]
	}
	var members []member
	for i, class := range w.classes {
		if shares[i] > 0 || l.chance(0.5) {
			members = append(members, member{class, l.number(shares[i] / all)})
		}
	}
	return l.object(members...)
}

// recommended renders a list of different items, some of which are relevant.
func (l *labeller) recommended(f fact) string {
	var items []string
	for _, i := range l.rng.Perm(catalog)[:1+l.rng.IntN(12)] {
		items = append(items, itemName(i))
	}
	for _, item := range f.items {
		if !slices.Contains(items, item) && l.chance(0.5) {
			items[l.rng.IntN(len(items))] = item // perhaps in place of a relevant one
		}
	}
	return l.list(items)
}

func (l *labeller) list(items []string) string {
	text := "["
	for i, item := range items {
		if i > 0 {
			text += ","
		}
		text += l.text(item) + l.space()
	}
	return text + "]"
}

// truth renders the member "label" of a label.
func (l *labeller) truth(w *world, f fact) string {
	switch w.task.Kind {
	case Regression:
		return l.number(f.value)
	case Ranking:
		return l.object(member{"items", l.relevant(f)})
	}
	return l.text(f.class)
}

// relevant renders items in any order, with their grades if these are not all 1.
func (l *labeller) relevant(f fact) string {
	var items []string
	var members []member
	for _, i := range l.rng.Perm(len(f.items)) {
		items, members = append(items, f.items[i]), append(members, member{f.items[i], l.number(f.grades[i])})
	}
	if slices.ContainsFunc(f.grades, func(x float64) bool { return x != 1 }) || l.chance(0.2) {
		return l.object(members...)
	}
	return l.list(items)
}

// meaningless renders a label that says nothing about the task.
func (l *labeller) meaningless(w *world) string {
	switch w.task.Kind {
	case Regression:
		return pick(l.rng, `"much"`, `"12"`, `{"a":1}`)
	case Ranking:
		return pick(l.rng, `"item 1"`, "3", `{"a":1}`)
	}
	return pick(l.rng, "0.5", `{"a":1}`)
}
