package report

import (
	"cmp"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/streammon/streammon/internal/chart"
	"github.com/streammon/streammon/internal/monitor"
)

// PerformanceText is the deciding figure beside that of the reference.
func PerformanceText(p *monitor.PerformanceResult) (text string) {
	if f := deciding(p); f != nil {
		text = FigureTitle(f.Name, f.At) + " " + chart.Number(f.Value)
		if then := valueOf(p.Reference, f.Name, f.Label, f.At); then != nil {
			text += ", the reference has " + chart.Number(*then)
		}
		if !p.Threshold.IsZero() {
			text += " (limit " + chart.Number(float64(p.Threshold)) + ")"
		}
	}
	return text
}

var statistics = map[string]string{
	"psi": "PSI", "js_distance": "Jensen–Shannon distance", "kl_divergence": "KL divergence", "hellinger_distance": "Hellinger distance",
	"total_variation": "total variation", "chi_square": "chi-square", "ks_statistic": "KS", "wasserstein_normalized": "Wasserstein distance",
	MissingStatistic: "PSI of missing values",
}

// StatisticName names a statistic as sentences do.
func StatisticName(name string) string { return cmp.Or(statistics[name], name) }

// titles of figures that are not their names with spaces.
var titles = map[string]string{"roc_auc": "ROC AUC", "pr_auc": "PR AUC", "mcc": "MCC", "mae": "MAE", "rmse": "RMSE", "mse": "MSE", "ndcg": "NDCG", "r2": "R²", "f1": "F1", "rmsle": "RMSLE", "mape": "MAPE"}

// FigureTitle names a performance figure, or its estimate, at a cut-off if it has one.
func FigureTitle(name, at string) string {
	name = strings.TrimPrefix(name, "estimated_")
	if at != "" {
		at = " at " + at
	}
	return cmp.Or(titles[name], strings.ReplaceAll(name, "_", " ")) + at
}

// Visible replaces control characters, and those that turn the direction of what follows: a page may be shown by a terminal.
func Visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// VisibleLines is Visible for a text of several lines.
func VisibleLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = Visible(lines[i])
	}
	return strings.Join(lines, "\n")
}

// Count writes a whole number with thin spaces between thousands.
func Count(x any) string {
	s := fmt.Sprint(x)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}
