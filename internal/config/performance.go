package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Performance says which figures there are of how good a model's answers are.
type Performance struct {
	// Threshold is the score of a binary task from which on an answer is taken for positive, besides the
	// service's own decision; nil: none.
	Threshold *float64
	// Cost of an answer of a binary task; nil: unknown.
	Cost *Cost
	// Beta weighs recall against precision in the F-measure of a binary task.
	Beta float64
	// Classes are those of a multiclass task that are told apart.
	Classes []string
	// TopK are the cut-offs of rankings and of top-k accuracy, rising.
	TopK []int
	// Levels are the quantile levels of the pinball loss of a regression, rising, between 0 and 1.
	Levels []float64
	// Catalog is the number of items that there are to recommend; 0: unknown.
	Catalog  int
	Fairness Fairness
	// Calibrated: scores are probabilities as they are.
	Calibrated bool
	Verdict    Verdict
}

// Cost is what an answer costs, by what it was and what it should have been; less than 0 is a gain.
type Cost struct {
	TruePositive, FalsePositive, FalseNegative, TrueNegative float64
}

// Fairness compares the groups of a segmentation.
type Fairness struct {
	// Segment is the name of the segmentation; empty: none is compared.
	Segment string
	// Privileged is the value that the others are compared with, or empty.
	Privileged string
}

// Verdict says when performance is worse than the reference's.
type Verdict struct {
	// DecideBy is the figure that gives the state; empty: the usual one of the task.
	DecideBy string
	// Floor is the effect below which nothing is worse, in the unit of the figure, or for losses and errors as a share of the
	// reference's; 0: the figure's own.
	Floor float64
	// MinSamples is the number of labelled predictions below which nothing is judged.
	MinSamples int
}

// Limits of what is counted.
const (
	maxClasses = 64
	maxCutoffs = 10
	maxCutoff  = 1000
	maxLevels  = 10
	maxCatalog = 1_000_000_000
)

// keyTasks are the tasks that a key of a model, by its path there, is for.
type keyTasks struct {
	key   string
	tasks []string
}

var performanceTasks = []keyTasks{
	{"threshold", []string{"binary"}}, {"cost", []string{"binary"}}, {"beta", []string{"binary"}},
	{"classes", []string{"multiclass"}}, {"top_k", []string{"ranking", "multiclass"}}, {"levels", []string{"regression"}},
	{"catalog", []string{"ranking"}}, {"fairness", []string{"binary"}}, {"calibrated", []string{"binary", "multiclass"}},
	{"performance", []string{"binary", "multiclass", "regression", "ranking"}},
}

// decidingFigures are those that can tell whether performance is worse, by task; of rankings those at the last cut-off.
var decidingFigures = map[string][]string{
	"binary": {
		"roc_auc", "accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "fbeta", "mcc", "cohen_kappa",
		"log_loss", "brier_score", "cost",
	},
	"multiclass": {"accuracy", "balanced_accuracy", "mcc", "cohen_kappa", "roc_auc", "log_loss", "brier_score"},
	"regression": {"mae", "mse", "rmse", "median_absolute_error", "mape", "smape", "rmsle"},
	"ranking":    {"ndcg", "mean_average_precision", "mean_reciprocal_rank", "precision_at_k", "recall_at_k", "hit_rate"},
}

var performanceKeys = []field[Model]{
	{key: "threshold", read: func(v value, m *Model) { v.threshold(&m.Performance.Threshold) }},
	{key: "cost", read: func(v value, m *Model) { v.cost(&m.Performance.Cost) }},
	{key: "beta", read: func(v value, m *Model) { v.positive(&m.Performance.Beta, "a number above 0") }},
	{key: "classes", read: func(v value, m *Model) { v.classes(&m.Performance.Classes) }},
	{key: "top_k", read: func(v value, m *Model) { v.cutoffs(&m.Performance.TopK) }},
	{key: "levels", read: func(v value, m *Model) { v.levels(&m.Performance.Levels) }},
	{key: "catalog", read: func(v value, m *Model) { v.integer(&m.Performance.Catalog, 1, maxCatalog) }},
	{key: "fairness", read: func(v value, m *Model) { v.fairness(&m.Performance.Fairness) }},
	{key: "calibrated", read: func(v value, m *Model) { v.boolean(&m.Performance.Calibrated) }},
	{key: "performance", read: func(v value, m *Model) { object(v, verdictKeys, &m.Performance.Verdict) }},
}

var costKeys = []field[Cost]{
	{key: "true_positive", read: func(v value, c *Cost) { v.number(&c.TruePositive) }},
	{key: "false_positive", read: func(v value, c *Cost) { v.number(&c.FalsePositive) }},
	{key: "false_negative", read: func(v value, c *Cost) { v.number(&c.FalseNegative) }},
	{key: "true_negative", read: func(v value, c *Cost) { v.number(&c.TrueNegative) }},
}

var fairnessKeys = []field[Fairness]{
	{key: "segment", read: func(v value, f *Fairness) { v.name(&f.Segment) }},
	{key: "privileged", read: func(v value, f *Fairness) { v.name(&f.Privileged) }},
}

var verdictKeys = []field[Verdict]{
	{key: "decide_by", read: func(v value, p *Verdict) { v.name(&p.DecideBy) }},
	{key: "floor", read: func(v value, p *Verdict) {
		v.positive(&p.Floor, "a number above 0, in the unit of the deciding figure,")
	}},
	{key: "min_samples", read: func(v value, p *Verdict) { v.integer(&p.MinSamples, 1, 1000000000) }},
}

// threshold reads a number from 0 to 1.
func (v value) threshold(to **float64) {
	x, ok := v.real()
	if !ok || x < 0 || x > 1 {
		v.want("a score from 0 to 1")
		return
	}
	*to = &x
}

func (v value) cost(to **Cost) {
	c := &Cost{}
	object(v, costKeys, c)
	if v.n.kind == mapping && len(v.n.entries) == 0 {
		v.fail("is empty: give what a false positive or a false negative costs")
	}
	*to = c
}

func (v value) classes(to *[]string) {
	seen := unique("class %s")
	v.list("classes", func(_ int, item value) {
		var s string
		item.name(&s)
		seen(item, s)
		*to = append(*to, s)
	})
	if n := len(*to); v.n.kind == list && (n < 2 || n > maxClasses) {
		v.fail("%d classes where 2 to %d are wanted", n, maxClasses)
	}
}

func (v value) cutoffs(to *[]int) {
	*to = nil
	v.list("numbers of items", func(i int, item value) {
		var k int
		item.integer(&k, 1, maxCutoff)
		if i > 0 && k > 0 && k <= (*to)[i-1] {
			item.fail("%d is not above the %d before: the numbers rise", k, (*to)[i-1])
		}
		*to = append(*to, k)
	})
	v.few(len(*to), maxCutoffs, "numbers")
}

func (v value) levels(to *[]float64) {
	v.list("quantile levels", func(i int, item value) {
		x, ok := item.real()
		switch {
		case !ok || x <= 0 || x >= 1:
			item.want("a number between 0 and 1")
		case i > 0 && x <= (*to)[i-1]:
			item.fail("%g is not above the %g before: the levels rise", x, (*to)[i-1])
		}
		*to = append(*to, x)
	})
	v.few(len(*to), maxLevels, "levels")
}

// few sees that a list has an item, and not too many.
func (v value) few(n, most int, what string) {
	if v.n.kind == list && (n == 0 || n > most) {
		v.fail("%d %s where 1 to %d are wanted", n, what, most)
	}
}

func (v value) fairness(to *Fairness) {
	object(v, fairnessKeys, to)
	if v.n.kind == mapping {
		v.r.require(v.path, "segment", "the segmentation whose values are compared, such as gender")
	}
}

// real reads a finite number, which may be negative.
func (v value) real() (x float64, ok bool) {
	x, err := strconv.ParseFloat(v.n.text, 64)
	return x, v.n.kind == plain && err == nil && decimal.MatchString(strings.TrimPrefix(v.n.text, "-")) && !math.IsInf(x, 0)
}

func (v value) number(to *float64) {
	x, ok := v.real()
	if !ok {
		v.want("a number")
		return
	}
	*to = x
}

// Measured reports whether the model's answers are compared with labels: it has a task, and what is right is known.
func (m *Model) Measured() bool {
	switch m.Task {
	case "binary":
		return m.Positive != ""
	case "multiclass":
		return len(m.Performance.Classes) > 0
	}
	return m.Task == "regression" || m.Task == "ranking"
}

// Labelled reports whether labels are to come: from a topic, or in the rows of predictions.
func (m *Model) Labelled() bool { return m.Topics.Labels != "" || m.Mapping.LabelTime != "" }

// checkPerformance sees that the keys go with the task, and warns where labels will not be matched.
func (m *modelRules) checkPerformance() {
	p := &m.Performance
	for _, k := range slices.Concat(performanceTasks, alertTasks) {
		path := m.path + "." + k.key
		switch {
		case m.Task == "" || !m.given(path): // the task is reported
		case !slices.Contains(k.tasks, m.Task):
			m.fail(path, "is for %s only; the task is %s", taskNames(k.tasks), m.Task)
		case m.Task == "binary" && !m.given(join(m.path, "positive")):
			m.fail(path, "needs positive: which label is the positive class is not known")
		}
	}
	if m.Task == "ranking" && p.TopK == nil && !m.given(join(m.path, "top_k")) {
		p.TopK = []int{1, 5, 10}
	}
	m.checkCutoffs()
	m.checkFairness()
	m.checkVerdict()
	m.warnUnmatched()
}

// checkCutoffs sees that no cut-off of the config is beyond what there is.
func (m *modelRules) checkCutoffs() {
	p, path := &m.Performance, join(m.path, "top_k")
	if !m.given(path) {
		return
	}
	for i, k := range p.TopK {
		switch at := fmt.Sprintf("%s[%d]", path, i); {
		case m.Task == "multiclass" && p.Classes != nil && k > len(p.Classes):
			m.fail(at, "%d is above the number of classes, %d: it would always be met", k, len(p.Classes))
		case m.Task == "ranking" && p.Catalog > 0 && k > p.Catalog:
			m.fail(at, "%d is above the number of items in catalog, %d", k, p.Catalog)
		default:
			continue
		}
		return
	}
}

func taskNames(tasks []string) string {
	if len(tasks) == 1 {
		return "the task " + tasks[0]
	}
	return "the tasks " + strings.Join(tasks, ", ")
}

// checkFairness sees that the groups are those of a segmentation.
func (m *modelRules) checkFairness() {
	f, path := m.Performance.Fairness, join(m.path, "fairness")
	if f.Segment == "" {
		return
	}
	i := slices.IndexFunc(m.Segments, func(s Segment) bool { return s.Name == f.Segment })
	if i < 0 {
		names := make([]string, len(m.Segments))
		for k, s := range m.Segments {
			names[k] = s.Name
		}
		m.fail(path+".segment", "%s is not among the segments of the model%s", quote(f.Segment), suggestion(f.Segment, names))
		return
	}
	if values := m.Segments[i].Values; f.Privileged != "" && len(values) > 0 && !slices.Contains(values, f.Privileged) {
		m.fail(path+".privileged", "%s is not among the values of the segment%s", quote(f.Privileged), suggestion(f.Privileged, values))
	}
}

// checkVerdict sees that the deciding figure is one of the task.
func (m *modelRules) checkVerdict() {
	by, path := m.Performance.Verdict.DecideBy, join(m.path, "performance")+".decide_by"
	names := decidingFigures[m.Task]
	switch {
	case by == "" || names == nil: // the task is reported
	case !slices.Contains(names, by):
		m.fail(path, "%s is not one of %s%s", quote(by), strings.Join(names, ", "), suggestion(by, names))
	case by == "cost" && m.Performance.Cost == nil:
		m.fail(path, "needs cost: what an answer costs is not known")
	case by == "fbeta" && m.Performance.Beta == 1:
		m.fail(path, "needs a beta other than 1, which is f1")
	}
}

// warnUnmatched tells of labels that are of no use.
func (m *modelRules) warnUnmatched() {
	if rows := m.path + ".mapping.label_time"; m.Topics.Labels != "" && m.Topics.Labels != m.Topics.Predictions && m.given(rows) {
		m.warn(rows, "labels in the rows of predictions do not count where topics.labels is read")
	}
	if !m.Labelled() || m.Measured() {
		return
	}
	path, lacks := m.path+".topics.labels", map[string]string{
		"none":       "the model has no task",
		"binary":     "positive is not given, and so it is not known which is the positive class",
		"multiclass": "classes are not given",
	}[m.Task]
	if !m.given(path) {
		path = m.path + ".mapping.label_time"
	}
	if lacks != "" {
		m.warn(path, "labels are counted, but not matched with predictions: %s", lacks)
	}
}

// Measures is what is measured, in one line.
func (m *Model) Measures() string {
	p := &m.Performance
	parts := []string{m.Task}
	add := func(given bool, format string, args ...any) {
		if given {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	if p.Threshold != nil {
		add(true, "threshold %g", *p.Threshold)
	}
	add(p.Cost != nil, "cost")
	add(p.Beta != 1, "beta %g", p.Beta)
	add(len(p.Classes) > 0, "%d classes", len(p.Classes))
	add(len(p.TopK) > 0, "top %s", strings.Trim(fmt.Sprint(p.TopK), "[]"))
	add(len(p.Levels) > 0, "levels %s", strings.Trim(fmt.Sprint(p.Levels), "[]"))
	add(p.Catalog > 0, "catalog of %d", p.Catalog)
	add(p.Fairness.Segment != "", "fairness by %s", p.Fairness.Segment)
	add(p.Verdict.DecideBy != "", "decided by %s", p.Verdict.DecideBy)
	add(p.Calibrated, "estimated without labels")
	add(m.Labelled(), "labels up to %s after their predictions", FormatDuration(m.Labels.Timeout))
	return strings.Join(parts, ", ")
}
