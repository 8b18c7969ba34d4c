package monitor

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/sketch"
)

// Which categories of a feature results name.
const (
	// ShowKnown, the default, names those of the reference, unless there are more than profile.MaxSegmentDistinct:
	// then they may be of persons.
	ShowKnown = "known"
	// ShowAll names also those, and the ones that the reference does not have.
	ShowAll = "all"
	// ShowNone names none.
	ShowNone = "none"
)

// maxMoved is how many new, and how many vanished, categories are listed.
const maxMoved = drift.MaxParts

// minExpected is how many values a category that vanished would have in the window while nothing changes:
// e^-5, less than 1 %, is the chance that there are none.
const minExpected = 5

// Moved says what changed in a feature whose state is warning or drift.
type Moved struct {
	// Statistic is the one that decides, together with Absent.
	Statistic string `json:"statistic"`
	// Parts are the bins that most of it comes from, as in drift.Explanation. There may be none if values went missing.
	Parts []MovedPart `json:"parts"`
	// Absent are the shares of what is missing or invalid.
	Absent MovedShares `json:"absent"`
	// MedianShift is the way from the reference's median to the window's in standard deviations of the
	// reference, by the exponential histogram: within 1.1 % of itself, or 2^-15.9 of the largest distance from the
	// reference's median. Undefined for a categorical feature, and for a constant reference.
	MedianShift Figure `json:"median_shift,omitzero"`
	// Categories is nil for a numeric feature.
	Categories *MovedCategories `json:"categories,omitempty"`
}

// MovedPart is a bin of a numeric feature, or a category, or all unseen categories.
type MovedPart struct {
	// Lower < x ≤ Upper are the values of a numeric feature; undefined is unbounded.
	Lower Figure `json:"lower,omitzero"`
	Upper Figure `json:"upper,omitzero"`
	// Category is known to the reference, and empty unless Named.
	Category string `json:"category"`
	Named    bool   `json:"-"`
	Unseen   bool   `json:"unseen,omitempty"`
	MovedShares
	// Contribution is its share of the statistic.
	Contribution float64 `json:"contribution"`
}

// MovedShares are the shares of the reference's, and of the window's, values.
type MovedShares struct {
	Reference float64 `json:"reference_share"`
	Current   float64 `json:"current_share"`
}

// MovedCategories are the categories that came and went.
type MovedCategories struct {
	// New is the number of categories that the reference does not list, exact up to 64, else as good as
	// FeatureResult.Distinct; NewKnown tells 0 from undefined (segments keep no such sketch).
	New      uint64 `json:"new"`
	NewKnown bool   `json:"-"`
	// Top are the most frequent of them, if the config lets them be named.
	Top []NewCategory `json:"top_new,omitempty"`
	// Vanished is the number of the reference's categories that have no value in the window, though at least 5 were
	// to be expected; Gone are the most frequent of them in the reference, if they may be named.
	Vanished uint64             `json:"vanished"`
	Gone     []VanishedCategory `json:"top_vanished,omitempty"`
}

// NewCategory is one that the reference does not list.
type NewCategory struct {
	Category string `json:"category"`
	// Count may be too low, by a 65th of all unseen values.
	Count uint64 `json:"count"`
}

// VanishedCategory is one of the reference without a value in the window.
type VanishedCategory struct {
	Category  string  `json:"category"`
	Reference float64 `json:"reference_share"`
}

// explain says in the results of a version what moved in the features that did, once all of them have their states, and
// how much of the model that is.
func (m *Model) explain(v version, results []*Result, verdicts *Verdicts, against baseline) {
	for _, r := range results {
		j := slices.Index(m.segments, r.Segment)
		s, side := v.series[j], against.of(j)
		layout := s.features.Layout()
		var drifted, judged float64
		for i := range r.Features {
			f, spec := &r.Features[i], &layout.Features[i]
			if f.State == "" {
				continue
			}
			importance := verdicts.importance(f.Name)
			judged += importance
			if f.State == StateDrift {
				drifted += importance
			}
			if f.State == StateOK {
				continue
			}
			if then, ok := side.sample(spec, i, r.Length); ok {
				f.Moved = verdicts.moved(spec, then, s, layout.Detailed)
			}
		}
		r.DriftedImportance = Figure(drifted / judged)
	}
}

// moved compares a feature that has a state, and so a reference, with what it was.
func (v *Verdicts) moved(spec *profile.FeatureSpec, then drift.Sample, s *series, detailed bool) *Moved {
	ref := spec.Reference
	now := currentSample(spec, &s.features)
	out := &Moved{MedianShift: Undefined, Absent: MovedShares{share(then), share(now)}}
	if spec.Type == event.Numeric {
		e := drift.Explain(then, now, ref.Bins.Edges(), v.options(spec.Name, final))
		out.Statistic, out.Parts = e.Statistic, numericParts(e, ref)
		median := ref.Median
		if then.Exp != &ref.Distances {
			median = then.Exp.Quantile(0.5)
		}
		out.MedianShift = Figure((now.Exp.Quantile(0.5) - median) / then.StdDev)
		return out
	}
	show, named := v.Features[spec.Name].Show, v.namesKnown(spec)
	e := drift.Explain(then, now, nil, v.options(spec.Name, final))
	out.Statistic, out.Parts = e.Statistic, categoricalParts(e, ref, named)
	out.Categories = &MovedCategories{}
	known := now.Bins[:len(ref.Categories)]
	c := s.features.Categorical(spec)
	out.Categories.vanish(ref.Categories, then.Bins, c.Compared(), known, named)
	if detailed {
		out.Categories.appear(c, known, show == ShowAll)
	}
	return out
}

// share returns the share of what is missing or invalid.
func share(s drift.Sample) float64 {
	all := s.Absent
	for _, n := range s.Bins {
		all += n
	}
	return float64(s.Absent) / float64(all)
}

func (v *Verdicts) importance(feature string) float64 {
	if i := v.Features[feature].Importance; i > 0 {
		return i
	}
	return 1
}

func numericParts(e drift.Explanation, ref *profile.Feature) (parts []MovedPart) {
	edges := ref.Bins.Edges()
	if !e.Fine {
		edges = decileEdges(ref)
	}
	for _, p := range e.Parts {
		part := movedPart(p)
		if p.First > 0 {
			part.Lower = Figure(edges[p.First-1])
		}
		if p.Last < len(edges) {
			part.Upper = Figure(edges[p.Last])
		}
		parts = append(parts, part)
	}
	return parts
}

func categoricalParts(e drift.Explanation, ref *profile.Feature, named bool) (parts []MovedPart) {
	for _, p := range e.Parts {
		part := movedPart(p)
		if part.Unseen = p.First == len(ref.Categories); !part.Unseen && named {
			part.Category, part.Named = shortName(ref.Categories[p.First]), true
		}
		parts = append(parts, part)
	}
	return parts
}

func movedPart(p drift.Part) MovedPart {
	return MovedPart{Lower: Undefined, Upper: Undefined, MovedShares: MovedShares{p.Reference, p.Current}, Contribution: p.Contribution}
}

func decileEdges(ref *profile.Feature) (edges []float64) {
	for i, e := range ref.Bins.Edges() {
		if ref.DecileEdge[i] {
			edges = append(edges, e)
		}
	}
	return edges
}

// shortName is as long as the names of unseen categories are.
func shortName(category string) string { return category[:min(len(category), sketch.MaxKey)] }

// vanish compares the counts of then, which has one more of what is unseen, with the n values of the window.
func (c *MovedCategories) vanish(categories []string, then []uint64, n uint64, current []uint64, named bool) {
	var gone []int
	var all uint64
	for _, r := range then {
		all += r
	}
	for i := range categories {
		if current[i] == 0 && float64(then[i])*float64(n) >= minExpected*float64(all) {
			gone = append(gone, i)
		}
	}
	c.Vanished = uint64(len(gone))
	if !named {
		return
	}
	slices.SortStableFunc(gone, func(a, b int) int { return cmp.Compare(then[b], then[a]) })
	for _, i := range gone[:min(len(gone), maxMoved)] {
		c.Gone = append(c.Gone, VanishedCategory{shortName(categories[i]), float64(then[i]) / float64(all)})
	}
}

func (c *MovedCategories) appear(now *profile.Categorical, known []uint64, named bool) {
	items, counted := now.Others.Items(), uint64(0)
	for _, x := range items {
		counted += x.Count
	}
	c.New, c.NewKnown = uint64(len(items)), true
	if counted < now.Others.Total() { // there are more than were kept apart
		present := uint64(0)
		for _, n := range known {
			present += min(n, 1)
		}
		c.New = max(now.Distinct.Estimate(), present+c.New+1) - present
	}
	if !named {
		return
	}
	for _, x := range items[:min(len(items), maxMoved)] {
		c.Top = append(c.Top, NewCategory{x.Key, x.Count})
	}
}

func (m *Moved) appendJSON(b []byte) []byte {
	b = appendKeyText(append(b, `,"moved":{`...), "statistic", m.Statistic)
	b = appendList(b, "parts", len(m.Parts), func(b []byte, i int) []byte { return m.Parts[i].appendJSON(b) })
	b = append(b, `,"absent":{`...)
	b = append(m.Absent.appendJSON(b, len(b)), '}')
	b = appendFigure(b, 0, "median_shift", m.MedianShift)
	if m.Categories != nil {
		b = m.Categories.appendJSON(b)
	}
	return append(b, '}')
}

// appendJSON appends the members of the object.
func (p *MovedPart) appendJSON(b []byte) []byte {
	start := len(b)
	b = appendFigure(b, start, "lower", p.Lower)
	b = appendFigure(b, start, "upper", p.Upper)
	if p.Named {
		b = appendKeyText(b, "category", p.Category)
	}
	if p.Unseen {
		b = append(b, `"unseen":true`...)
	}
	return appendFigure(p.MovedShares.appendJSON(b, start), 0, "contribution", Figure(p.Contribution))
}

// appendJSON appends the members of an object that begins at start.
func (s MovedShares) appendJSON(b []byte, start int) []byte {
	b = appendFigure(b, start, "reference_share", Figure(s.Reference))
	return appendFigure(b, 0, "current_share", Figure(s.Current))
}

func (c *MovedCategories) appendJSON(b []byte) []byte {
	b = strconv.AppendUint(append(b, `,"categories":{"vanished":`...), c.Vanished, 10)
	b = appendList(b, "top_vanished", len(c.Gone), func(b []byte, i int) []byte {
		b = appendKeyText(b, "category", c.Gone[i].Category)
		return appendFigure(b, 0, "reference_share", Figure(c.Gone[i].Reference))
	})
	if c.NewKnown {
		b = appendCount(b, "new", c.New)
	}
	b = appendList(b, "top_new", len(c.Top), func(b []byte, i int) []byte {
		return appendCount(appendKeyText(b, "category", c.Top[i].Category), "count", c.Top[i].Count)
	})
	return append(b, '}')
}

// appendList appends a list of n objects as a further member, if there are any.
func appendList(b []byte, key string, n int, members func(b []byte, i int) []byte) []byte {
	if n == 0 {
		return b
	}
	b = append(appendText(append(b, ','), key), ':')
	b = append(b, '[')
	start := len(b)
	for i := range n {
		b = append(members(append(appendComma(b, start), '{'), i), '}')
	}
	return append(b, ']')
}
