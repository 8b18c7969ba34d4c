package eval

import "math"

// Group is what a model said of the members of a group, by the truth: true and false, positive and negative answers.
type Group struct {
	Name           string
	TP, FP, FN, TN uint64
}

// FourFifths is the selection rate, as a share of that of the most favoured group, below which the four-fifths rule of the Uniform
// Guidelines on Employee Selection Procedures (29 CFR 1607.4 D) takes a procedure to have an adverse impact.
const FourFifths = 0.8

// Disparity is a figure of fairness.
type Disparity struct {
	Name string
	// Group that it is of, and the one that it is compared with; empty where it is of all groups.
	Group, Against string
	Value          float64
	// Low and High are its confidence interval of 95 %.
	Low, High float64
	// Count is the number of answers that the rate or, of two or more rates, the one with the fewest, is of.
	Count uint64
	// Adverse says of a ratio of selection rates that it is below FourFifths.
	Adverse bool
}

// FourFifths reports whether the figure is a ratio of selection rates, of which Adverse says something.
func (d *Disparity) FourFifths() bool {
	return d.Name == "demographic_parity_ratio" || d.Name == "disparate_impact"
}

// confidence of intervals.
const confidence = 0.95

// rates of a group.
type rates struct {
	name                                             string
	selection, positive, falsePositive               portion
	falseNegative, negative, precise, accurate, base portion
}

func (g *Group) rates() rates {
	pos, neg := g.TP+g.FN, g.FP+g.TN
	return rates{
		name:          g.Name,
		selection:     portion{g.TP + g.FP, pos + neg},
		positive:      portion{g.TP, pos},
		falseNegative: portion{g.FN, pos},
		falsePositive: portion{g.FP, neg},
		negative:      portion{g.TN, neg},
		precise:       portion{g.TP, g.TP + g.FP},
		accurate:      portion{g.TP + g.TN, pos + neg},
		base:          portion{pos, pos + neg},
	}
}

// Fairness returns the figures of groups, in their order: rates of each, then differences and ratios over all, and those
// against the privileged group if it is one of them. Groups without answers do not take part. A figure over all is the largest difference (smallest ratio) of
// any two groups, as fairlearn has it; it is left out where a group lacks the rate. Its interval holds for whatever two
// groups it is of: those of single pairs are widened for their number (Bonferroni).
func Fairness(groups []Group, privileged string) []Disparity {
	var all []rates
	for i := range groups {
		if g := &groups[i]; g.TP+g.FP+g.FN+g.TN > 0 {
			all = append(all, g.rates())
		}
	}
	f := &fairness{z: normalCritical((1 - confidence) / 2)}
	for _, g := range all {
		f.ofGroup(g)
	}
	if len(all) > 0 {
		f.overAll(all)
	}
	for _, p := range all {
		if p.name == privileged {
			f.against(p, all)
		}
	}
	return f.list
}

// fairness collects what is defined.
type fairness struct {
	list []Disparity
	z    float64
}

// add adds d unless its value is undefined.
func (f *fairness) add(d Disparity, s span) {
	if defined(s.value) && defined(s.low) && defined(s.high) {
		d.Value, d.Low, d.High = s.value, s.low, s.high
		f.list = append(f.list, d)
	}
}

func (f *fairness) ofGroup(g rates) {
	for _, r := range []struct {
		name string
		portion
	}{
		{"group_selection_rate", g.selection},
		{"group_true_positive_rate", g.positive},
		{"group_false_negative_rate", g.falseNegative},
		{"group_false_positive_rate", g.falsePositive},
		{"group_true_negative_rate", g.negative},
		{"group_precision", g.precise},
		{"group_accuracy", g.accurate},
		{"group_base_rate", g.base},
	} {
		f.add(Disparity{Name: r.name, Group: g.name, Count: r.n}, r.wilson(f.z))
	}
}

// extremes are the largest difference and the smallest ratio of any two groups.
type extremes struct {
	difference, ratio span
	count             uint64
}

// extremesOf compares all groups with each other, with intervals at the critical value z.
func extremesOf(shares []portion, z float64) extremes {
	e := extremes{ratio: span{1, 1, 1}, count: shares[0].n}
	least, most := shares[0], shares[0]
	spans := make([]span, len(shares))
	for i, s := range shares {
		spans[i] = s.wilson(z)
		e.count = min(e.count, s.n)
		if s.value() < least.value() {
			least = s
		}
		if s.value() > most.value() {
			most = s
		}
	}
	if e.count == 0 {
		nan := span{math.NaN(), math.NaN(), math.NaN()}
		return extremes{difference: nan, ratio: nan}
	}
	for i, a := range spans {
		for j, b := range spans {
			if i == j {
				continue
			}
			d := a.minus(b)
			e.difference.low, e.difference.high = max(e.difference.low, d.low), max(e.difference.high, d.high)
			if q := shares[i].over(shares[j], z); defined(q.value) {
				e.ratio.low, e.ratio.high = min(e.ratio.low, q.low), min(e.ratio.high, q.high)
			}
		}
	}
	e.difference.value = most.value() - least.value()
	e.ratio.value = least.value() / most.value() // NaN if no group has a success
	return e
}

func (f *fairness) overAll(all []rates) {
	pairs := max(len(all)*(len(all)-1)/2, 1)
	critical := func(comparisons int) float64 { return normalCritical((1 - confidence) / 2 / float64(comparisons)) }
	of := func(rate func(*rates) portion, z float64) extremes {
		shares := make([]portion, len(all))
		for i := range all {
			shares[i] = rate(&all[i])
		}
		return extremesOf(shares, z)
	}
	positive := func(r *rates) portion { return r.positive }
	falsePositive := func(r *rates) portion { return r.falsePositive }
	add := func(name string, e extremes) {
		f.add(Disparity{Name: name + "_difference", Count: e.count}, e.difference)
		f.add(Disparity{Name: name + "_ratio", Count: e.count}, e.ratio)
	}
	z := critical(pairs)
	selection := of(func(r *rates) portion { return r.selection }, z)
	f.add(Disparity{Name: "demographic_parity_difference", Count: selection.count}, selection.difference)
	f.add(Disparity{Name: "demographic_parity_ratio", Count: selection.count, Adverse: selection.ratio.value < FourFifths}, selection.ratio)
	add("equal_opportunity", of(positive, z))
	add("predictive_equality", of(falsePositive, z))
	z = critical(2 * pairs)
	tpr, fpr := of(positive, z), of(falsePositive, z)
	add("equalized_odds", extremes{
		difference: worst(tpr.difference, fpr.difference, math.Max),
		ratio:      worst(tpr.ratio, fpr.ratio, math.Min),
		count:      min(tpr.count, fpr.count),
	})
}

// worst returns the larger or smaller of two, with an interval that holds for it if theirs hold together; NaN if one is.
func worst(a, b span, of func(x, y float64) float64) span {
	return span{of(a.value, b.value), of(a.low, b.low), of(a.high, b.high)}
}

// against compares each group with p.
func (f *fairness) against(p rates, all []rates) {
	minus := func(a, b portion) span { return a.wilson(f.z).minus(b.wilson(f.z)) }
	for _, g := range all {
		if g.name == p.name {
			continue
		}
		d := Disparity{Group: g.name, Against: p.name}
		add := func(name string, count uint64, s span) {
			d.Name, d.Count = name, count
			f.add(d, s)
		}
		members := min(g.selection.n, p.selection.n)
		add("statistical_parity_difference", members, minus(g.selection, p.selection))
		impact := g.selection.over(p.selection, f.z)
		d.Adverse = impact.value < FourFifths
		add("disparate_impact", members, impact)
		d.Adverse = false
		positives := min(g.positive.n, p.positive.n)
		tpr, fpr := minus(g.positive, p.positive), minus(g.falsePositive, p.falsePositive)
		add("true_positive_rate_difference", positives, tpr)
		add("average_odds_difference", min(positives, g.falsePositive.n, p.falsePositive.n), tpr.plus(fpr).times(0.5))
	}
}
