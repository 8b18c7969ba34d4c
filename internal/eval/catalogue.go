package eval

import (
	"slices"
	"strconv"
)

// Measure is what there is to know of the figures of one name.
type Measure struct {
	Name   string
	Better Direction
	// Floor is the default of Criterion.Floor.
	Floor    float64
	Relative bool
}

// Criterion returns the measure's criterion at a level of significance.
func (m *Measure) Criterion(level float64) Criterion {
	return Criterion{Better: m.Better, Level: level, Floor: m.Floor, Relative: m.Relative}
}

// Catalogue has the measures that can be compared with a reference's. Those with a unit, and those without a scale of
// their own, have relative floors.
var Catalogue = []Measure{
	{Name: "accuracy", Better: Higher, Floor: 0.02},
	{Name: "balanced_accuracy", Better: Higher, Floor: 0.02},
	{Name: "precision", Better: Higher, Floor: 0.05},
	{Name: "recall", Better: Higher, Floor: 0.05},
	{Name: "specificity", Better: Higher, Floor: 0.02},
	{Name: "f1", Better: Higher, Floor: 0.05},
	{Name: "fbeta", Better: Higher, Floor: 0.05},
	{Name: "mcc", Better: Higher, Floor: 0.05},
	{Name: "cohen_kappa", Better: Higher, Floor: 0.05},
	{Name: "roc_auc", Better: Higher, Floor: 0.02},
	{Name: "pr_auc", Better: Higher, Floor: 0.05},
	{Name: "topk_accuracy", Better: Higher, Floor: 0.02},
	{Name: "log_loss", Better: Lower, Floor: 0.1, Relative: true},
	{Name: "brier_score", Better: Lower, Floor: 0.1, Relative: true},
	{Name: "calibration_error", Better: Lower, Floor: 0.05},
	{Name: "calibration_error_equal_mass", Better: Lower, Floor: 0.05},
	{Name: "lift", Better: Higher, Floor: 0.1, Relative: true},
	{Name: "gain", Better: Higher, Floor: 0.05},
	{Name: "cost", Better: Lower, Floor: 0.1, Relative: true},

	{Name: "mae", Better: Lower, Floor: 0.1, Relative: true},
	{Name: "mse", Better: Lower, Floor: 0.2, Relative: true}, // as rmse
	{Name: "rmse", Better: Lower, Floor: 0.1, Relative: true},
	{Name: "median_absolute_error", Better: Lower, Floor: 0.1, Relative: true},
	{Name: "absolute_error_quantile", Better: Lower, Floor: 0.1, Relative: true},
	{Name: "mape", Better: Lower, Floor: 0.1, Relative: true},
	{Name: "smape", Better: Lower, Floor: 0.1, Relative: true},
	{Name: "rmsle", Better: Lower, Floor: 0.1, Relative: true},
	{Name: "pinball_loss", Better: Lower, Floor: 0.1, Relative: true},
	{Name: "interval_coverage", Better: Higher, Floor: 0.02},
	{Name: "interval_width", Better: Lower, Floor: 0.1, Relative: true},

	{Name: "ndcg", Better: Higher, Floor: 0.02},
	{Name: "mean_average_precision", Better: Higher, Floor: 0.02},
	{Name: "mean_reciprocal_rank", Better: Higher, Floor: 0.02},
	{Name: "precision_at_k", Better: Higher, Floor: 0.02},
	{Name: "recall_at_k", Better: Higher, Floor: 0.02},
	{Name: "hit_rate", Better: Higher, Floor: 0.02},
}

// MeasureOf returns the measure of figures of a name, nil if they are not compared.
func MeasureOf(name string) *Measure {
	if i := slices.IndexFunc(Catalogue, func(m Measure) bool { return m.Name == name }); i >= 0 {
		return &Catalogue[i]
	}
	return nil
}

// Deciding returns the figure that gives a model's state unless another is named, of the figures that a reference or a window has: the area under the
// ROC curve of Binary, or without scores the balanced accuracy of its decision; the accuracy of Multiclass; the mean absolute error of
// Regression; the NDCG at the largest cut-off of Ranking. It is nil if it is not there.
func (s *Spec) Deciding(figures []Figure) *Figure {
	find := func(name, at string) *Figure {
		i := slices.IndexFunc(figures, func(f Figure) bool { return f.Name == name && f.At == at })
		if i < 0 {
			return nil
		}
		return &figures[i]
	}
	switch s.Task {
	case Binary:
		if f := find("roc_auc", ""); f != nil {
			return f
		}
		return find("balanced_accuracy", "")
	case Multiclass:
		return find("accuracy", "")
	case Regression:
		return find("mae", "")
	case Ranking:
		if n := len(s.K); n > 0 {
			return find("ndcg", strconv.Itoa(s.K[n-1]))
		}
	}
	return nil
}
