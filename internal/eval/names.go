package eval

import "slices"

// Description is what there is to say of the figures of one name.
type Description struct {
	Name string
	// Help says what it is, with its unit and range.
	Help string
	// Labels that figures of the name have, in this Spec or that, in order of their names; none has more than one.
	Labels []string
	// Main: it is among the few that say the most of a model.
	Main bool
}

// Labels of figures.
const (
	// labelDecision is "threshold" of figures at Spec.Threshold, where the service decides itself.
	labelDecision = "decision"
	// labelAverage is "macro", "micro" or "weighted".
	labelAverage = "average"
)

var (
	byDecision = []string{labelDecision}
	byAverage  = []string{labelAverage}
	byEither   = []string{labelAverage, labelDecision}
	byCutOff   = []string{"k"}
	byTop      = []string{"top"}
)

// Figures describes all figures of tallies and estimates.
var Figures = []Description{
	{Name: "accuracy", Help: "Share of the answers that are right, from 0 to 1.", Labels: byDecision, Main: true},
	{Name: "balanced_accuracy", Help: "Mean of the recalls of the classes, from 0 to 1.", Labels: byDecision},
	{Name: "precision", Help: "Share of the answers of a class that are right, from 0 to 1: of the positive class, or as an average over classes.", Labels: byEither},
	{Name: "recall", Help: "Share of the truths of a class that are answered so, from 0 to 1: of the positive class, or as an average over classes.", Labels: byEither},
	{Name: "specificity", Help: "Share of the negative truths that are answered so, from 0 to 1.", Labels: byDecision},
	{Name: "f1", Help: "Harmonic mean of precision and recall, from 0 to 1: of the positive class, or as an average over classes.", Labels: byEither, Main: true},
	{Name: "fbeta", Help: "F-measure with the configured weight of recall, from 0 to 1.", Labels: byDecision},
	{Name: "mcc", Help: "Matthews' correlation coefficient of answers and truths, from -1 to 1.", Labels: byDecision},
	{Name: "cohen_kappa", Help: "Cohen's kappa: agreement of answers and truths beyond chance, at most 1.", Labels: byDecision},
	{Name: "predicted_positive_ratio", Help: "Share of the answers that are positive, from 0 to 1.", Labels: byDecision},
	{Name: "true_positives", Help: "Positive answers that are right.", Labels: byDecision},
	{Name: "false_positives", Help: "Positive answers whose truth is negative.", Labels: byDecision},
	{Name: "false_negatives", Help: "Negative answers whose truth is positive.", Labels: byDecision},
	{Name: "true_negatives", Help: "Negative answers that are right.", Labels: byDecision},
	{Name: "positive_ratio", Help: "Share of the truths that are positive, from 0 to 1."},
	{Name: "cost", Help: "Mean cost of an answer by the configured cost matrix, in its unit.", Labels: byDecision},
	{Name: "roc_auc", Help: "Area under the ROC curve of the scores, from 0 to 1; of several classes the mean of each against all others.", Main: true},
	{Name: "pr_auc", Help: "Average precision of the scores: area under the precision-recall curve as a sum of steps, from 0 to 1."},
	{Name: "gain", Help: "Share of the positive truths among the given share of predictions with the highest scores, from 0 to 1.", Labels: byTop},
	{Name: "lift", Help: "Share of positive truths among the given share of predictions with the highest scores, over that among all; at least 0, 1 by chance.", Labels: byTop},
	{Name: "topk_accuracy", Help: "Share of the predictions whose true class is among the k with the highest probabilities, from 0 to 1.", Labels: byCutOff},
	{Name: "log_loss", Help: "Mean of the negative logarithm of the probability that was given to the truth, in nats, at least 0."},
	{Name: "brier_score", Help: "Mean squared distance of the probabilities from the truth, from 0 to 1; of several classes summed over them, from 0 to 2."},
	{Name: "brier_reliability", Help: "Part of the Brier score that calibration could take away, from 0 to 1; 0 is best."},
	{Name: "brier_resolution", Help: "Part by which scores that tell truths apart improve the Brier score, from 0 to 0.25; more is better."},
	{Name: "calibration_error", Help: "Mean distance of probabilities from how often they come true, in 15 bins of equal width, from 0 to 1."},
	{Name: "calibration_error_equal_mass", Help: "Mean distance of probabilities from how often they come true, in 15 bins of about equal mass, from 0 to 1."},

	{Name: "mae", Help: "Mean absolute error, in the unit of the target.", Main: true},
	{Name: "mse", Help: "Mean squared error, in the squared unit of the target."},
	{Name: "rmse", Help: "Root of the mean squared error, in the unit of the target.", Main: true},
	{Name: "mean_error", Help: "Mean of prediction less truth (bias), in the unit of the target."},
	{Name: "max_error", Help: "Largest absolute error, in the unit of the target."},
	{Name: "median_absolute_error", Help: "Median of the absolute error, in the unit of the target, within 1.1 %."},
	{Name: "absolute_error_quantile", Help: "Quantile q of the absolute error, in the unit of the target, within 1.1 %.", Labels: []string{"q"}},
	{Name: "mape", Help: "Mean absolute error as a share of the truth, at least 0; targets of 0 are left out."},
	{Name: "mape_excluded_targets", Help: "Number of targets of 0, or next to it, which streammon_mape leaves out."},
	{Name: "smape", Help: "Mean of the absolute error over half the sum of the absolute prediction and truth, from 0 to 2."},
	{Name: "wape", Help: "Sum of the absolute errors over the sum of the absolute truths, at least 0."},
	{Name: "rmsle", Help: "Root of the mean squared difference of the logarithms of 1 + x, at least 0; absent if a prediction or a truth is below 0."},
	{Name: "r2", Help: "Coefficient of determination: share of the target's variance that is explained, at most 1.", Main: true},
	{Name: "explained_variance", Help: "Share of the target's variance that is explained if the mean error is taken away, at most 1."},
	{Name: "pinball_loss", Help: "Mean pinball loss at a quantile level, in the unit of the target.", Labels: []string{"level"}},
	{Name: "interval_coverage", Help: "Share of the truths within the prediction's interval, from 0 to 1."},
	{Name: "interval_width", Help: "Mean width of the predictions' intervals, in the unit of the target."},

	{Name: "relevant_queries", Help: "Number of labelled lists with a relevant item, of which most figures of rankings are."},
	{Name: "ndcg", Help: "Mean normalized discounted cumulative gain of the first k items, from 0 to 1.", Labels: byCutOff, Main: true},
	{Name: "mean_average_precision", Help: "Mean average precision of the first k items, from 0 to 1.", Labels: byCutOff},
	{Name: "mean_reciprocal_rank", Help: "Mean of one over the rank of the first relevant item among the first k, or 0, from 0 to 1.", Labels: byCutOff, Main: true},
	{Name: "precision_at_k", Help: "Mean share of the first k items that are relevant, from 0 to 1.", Labels: byCutOff},
	{Name: "recall_at_k", Help: "Mean share of the relevant items that are among the first k, from 0 to 1.", Labels: byCutOff},
	{Name: "hit_rate", Help: "Share of the lists with a relevant item among the first k, from 0 to 1.", Labels: byCutOff},
	{Name: "items_shown", Help: "Number of different items among the first k of all lists.", Labels: byCutOff},
	{Name: "catalog_coverage", Help: "Share of the configured catalog that is among the first k of all lists, from 0 to 1.", Labels: byCutOff},
	{Name: "effective_items", Help: "How many items, all shown equally often, two lists would share as often as these do, at least 1."},
	{Name: "diversity", Help: "Effective items as a share of the configured catalog, from 0 to 1."},
	{Name: "novelty", Help: "How unpopular the items shown are: minus the binary logarithm of their mean popularity, in bits, at least 0."},
	{Name: "popularity_bias", Help: "Mean popularity of the items shown over that of the relevant ones, at least 0; 1 is none."},

	{Name: "estimated_accuracy", Help: "Accuracy that is expected by the calibrated scores, without labels, from 0 to 1.", Main: true},
	{Name: "estimated_precision", Help: "Precision that is expected by the calibrated scores, without labels, from 0 to 1.", Labels: byAverage},
	{Name: "estimated_recall", Help: "Recall that is expected by the calibrated scores, without labels, from 0 to 1.", Labels: byAverage},
	{Name: "estimated_specificity", Help: "Specificity that is expected by the calibrated scores, without labels, from 0 to 1."},
	{Name: "estimated_f1", Help: "F1 that is expected by the calibrated scores, without labels, from 0 to 1.", Labels: byAverage, Main: true},
	{Name: "estimated_roc_auc", Help: "Area under the ROC curve that is expected by the calibrated scores, without labels, from 0 to 1.", Main: true},
}

// Describe returns the description of figures of a name; nil if there are none.
func Describe(name string) *Description {
	if i := slices.IndexFunc(Figures, func(d Description) bool { return d.Name == name }); i >= 0 {
		return &Figures[i]
	}
	return nil
}

// Main returns those of some figures that say the most, in their order: of one name that of the service's own decision, the macro average, or that at the
// largest cut-off.
func Main(figures []Figure) []Figure {
	var out []Figure
	for _, f := range figures {
		if d := Describe(f.Name); d == nil || !d.Main || f.Label == labelDecision || f.Label == labelAverage && f.At != "macro" {
			continue
		}
		if i := slices.IndexFunc(out, func(o Figure) bool { return o.Name == f.Name }); i >= 0 {
			out[i] = f // cut-offs rise
			continue
		}
		out = append(out, f)
	}
	return out
}
