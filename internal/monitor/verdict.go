package monitor

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/streammon/streammon/internal/eval"
)

// PerformanceVerdict says when answers are worse than those of the reference.
type PerformanceVerdict struct {
	// DecideBy is the name of the figure that gives the state; empty: that of eval.Spec.Deciding.
	DecideBy string
	// Floor is the smallest change that matters; 0: that of the figure.
	Floor float64
	// MinSamples is the number of pairs below which there is no state.
	MinSamples uint64
}

// deciding returns the figure that decides, nil if it is not there. Of several of a name it is the one without a label, else that at the
// largest cut-off, else the mean over classes that are all alike.
func (v *PerformanceVerdict) deciding(s *eval.Spec, figures []eval.Figure) *eval.Figure {
	if v.DecideBy == "" {
		return s.Deciding(figures)
	}
	var best *eval.Figure
	for i := range figures {
		f := &figures[i]
		if f.Name == v.DecideBy && (best == nil || preferred(f, best) > 0) {
			best = f
		}
	}
	return best
}

func preferred(a, b *eval.Figure) int {
	rank := func(f *eval.Figure) int {
		return max(slices.Index([]string{thresholdDecision, "average", "k", ""}, f.Label), 0)
	}
	cutoff := func(f *eval.Figure) int { k, _ := strconv.Atoi(f.At); return k }
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(cutoff(a), cutoff(b)))
}

// same returns the figure of the name and label of f, nil if it is not there.
func same(figures []eval.Figure, f *eval.Figure) *eval.Figure {
	i := slices.IndexFunc(figures, func(o eval.Figure) bool { return o.Name == f.Name && o.Label == f.Label && o.At == f.At })
	if i < 0 {
		return nil
	}
	return &figures[i]
}
