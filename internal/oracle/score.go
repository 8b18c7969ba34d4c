package oracle

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/streammon/streammon/internal/event"
)

// pair is an answer and the truth about it.
type pair struct {
	answer
	truth truth
}

// leastProbability is the least one of which a logarithm is taken; the largest is 1 less this.
const leastProbability = 0x1p-52

// figures returns the task's figures that are defined.
func (t *Task) figures(pairs []pair) map[string]float64 {
	out := map[string]float64{}
	switch t.Kind {
	case Binary:
		t.binary(out, pairs)
	case Multiclass:
		t.multiclass(out, pairs)
	case Regression:
		regression(out, pairs)
	case Ranking:
		for _, k := range t.K {
			ranking(out, pairs, k)
		}
	}
	for name, x := range out {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			delete(out, name)
		}
	}
	return out
}

// mean is NaN without values.
func mean(values []float64) float64 { return sum(values) / float64(len(values)) }

func (t *Task) binary(out map[string]float64, pairs []pair) {
	var right, tp, fp, fn, decided float64
	var losses, squares, positives, negatives []float64
	for _, p := range pairs {
		is := p.truth.class == t.Positive
		if p.decided {
			said := p.class == t.Positive
			decided++
			switch {
			case said == is && is:
				tp++
				right++
			case said == is:
				right++
			case said:
				fp++
			default:
				fn++
			}
		}
		if math.IsNaN(p.score) {
			continue
		}
		y := 0.0
		if is {
			y = 1
			positives = append(positives, p.score)
		} else {
			negatives = append(negatives, p.score)
		}
		if p.score >= 0 && p.score <= 1 {
			squares = append(squares, square(p.score-y))
			losses = append(losses, -(y*math.Log(clipped(p.score)) + (1-y)*math.Log1p(-clipped(p.score))))
		}
	}
	out["accuracy"] = right / decided
	out["precision"] = tp / (tp + fp)
	out["recall"] = tp / (tp + fn)
	out["f1"] = 2 * tp / (2*tp + fp + fn)
	out["roc_auc"] = areaUnderCurve(positives, negatives)
	out["log_loss"] = mean(losses)
	out["brier_score"] = mean(squares)
}

// clipped keeps a probability away from 0 and 1.
func clipped(p float64) float64 { return min(max(p, leastProbability), 1-leastProbability) }

// areaUnderCurve is the share of pairs of a positive and a negative in which the positive has the higher score; equal
// ones count half.
func areaUnderCurve(positives, negatives []float64) float64 {
	slices.Sort(negatives)
	var above float64
	for _, x := range positives {
		below := sort.SearchFloat64s(negatives, x)
		notAbove := sort.Search(len(negatives), func(i int) bool { return negatives[i] > x })
		above += float64(below+notAbove) / 2
	}
	return above / float64(len(positives)) / float64(len(negatives))
}

func (t *Task) multiclass(out map[string]float64, pairs []pair) {
	var right, losses []float64
	for _, p := range pairs {
		class, decided := p.class, p.decided
		if !decided && p.probabilities != nil {
			class, decided = t.likeliest(p.probabilities), true
		}
		if decided {
			hit := 0.0
			if class == p.truth.class {
				hit = 1
			}
			right = append(right, hit)
		}
		if p.probabilities != nil {
			losses = append(losses, -math.Log(clipped(p.probabilities[p.truth.class])))
		}
	}
	out["accuracy"] = mean(right)
	out["log_loss"] = mean(losses)
}

// likeliest returns the class with the largest probability, the first of several; it stands for a decision that was
// not given.
func (t *Task) likeliest(probabilities map[string]float64) (class string) {
	largest := -1.0
	for _, c := range append(slices.Clone(t.Classes), event.Other) {
		if p := probabilities[c]; p > largest {
			class, largest = c, p
		}
	}
	return class
}

func regression(out map[string]float64, pairs []pair) {
	var targets, absolute, squares []float64
	for _, p := range pairs {
		if !math.IsNaN(p.value) {
			targets = append(targets, p.truth.value)
			absolute = append(absolute, math.Abs(p.value-p.truth.value))
			squares = append(squares, square(p.value-p.truth.value))
		}
	}
	out["mae"] = mean(absolute)
	out["rmse"] = math.Sqrt(mean(squares))
	if len(targets) > 1 && slices.Min(targets) < slices.Max(targets) {
		_, spread, _ := moments(targets)
		out["r2"] = 1 - sum(squares)/spread
	}
}

// ranking is over the pairs with a relevant item.
func ranking(out map[string]float64, pairs []pair, k int) {
	var gains, reciprocals, hits []float64
	for _, p := range pairs {
		if p.items == nil || len(p.truth.relevance) == 0 {
			continue
		}
		var shown, ideal []float64
		for _, item := range p.items[:min(k, len(p.items))] {
			shown = append(shown, p.truth.relevance[item])
		}
		for _, x := range p.truth.relevance {
			ideal = append(ideal, x)
		}
		slices.Sort(ideal)
		slices.Reverse(ideal)
		gains = append(gains, discounted(shown)/discounted(ideal[:min(k, len(ideal))]))
		reciprocal, hit := 0.0, 0.0
		if i := slices.IndexFunc(shown, func(x float64) bool { return x > 0 }); i >= 0 {
			reciprocal, hit = 1/float64(i+1), 1
		}
		reciprocals, hits = append(reciprocals, reciprocal), append(hits, hit)
	}
	at := fmt.Sprint("@", k)
	out["ndcg"+at] = mean(gains)
	out["mean_reciprocal_rank"+at] = mean(reciprocals)
	out["hit_rate"+at] = mean(hits)
}

// discounted adds up gains, each over log2 of its rank + 1.
func discounted(gains []float64) float64 {
	terms := make([]float64, len(gains))
	for i, x := range gains {
		terms[i] = x / math.Log2(float64(i+2))
	}
	return sum(terms)
}
