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
	// Statistic is the one that decided.
	Statistic string `json:"statistic"`
	// Parts are the bins that most of it comes from, as in drift.Explanation.
	Parts []MovedPart `json:"parts"`
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
	// Reference and Current are the shares of the values in it, Contribution its share of the statistic.
	Reference    float64 `json:"reference_share"`
	Current      float64 `json:"current_share"`
	Contribution float64 `json:"contribution"`
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

// explain says what moved in the features that did, once all of them have their states, and how much of the model that is.
// The results are those of the version's series that have events, in their order.
func (m *Model) explain(results []*Result, version version) {
	for _, s := range version.series {
		if s != nil && s.events > 0 {
			results[0].explain(m, s)
			results = results[1:]
		}
	}
}

func (r *Result) explain(m *Model, s *series) {
	layout := s.features.Layout()
	var moved, judged float64
	for i := range r.Features {
		f, spec := &r.Features[i], &layout.Features[i]
		if f.State == "" {
			continue
		}
		importance := m.Verdicts.importance(f.Name)
		judged += importance
		if f.State == StateDrift {
			moved += importance
		}
		if f.State == StateOK || !f.HasReference {
			continue
		}
		ref, cur, options := spec.Reference.Sample(r.Length), currentSample(spec, &s.features), m.Verdicts.options(spec.Name, final)
		if spec.Type == event.Numeric {
			e := drift.Explain(ref, cur, spec.Reference.Bins.Edges(), options)
			f.Moved = movedNumeric(e, spec.Reference, s.features.Numeric(spec))
		} else {
			e := drift.Explain(ref, cur, nil, options)
			f.Moved = movedCategorical(e, spec.Reference, s.features.Categorical(spec), m.Verdicts.Features[spec.Name].Show, layout.Detailed)
		}
	}
	r.DriftedImportance = Figure(moved / judged)
}

func (v *Verdicts) importance(feature string) float64 {
	if i := v.Features[feature].Importance; i > 0 {
		return i
	}
	return 1
}

func movedNumeric(e drift.Explanation, ref *profile.Feature, n *profile.Numeric) *Moved {
	out := &Moved{Statistic: e.Statistic, MedianShift: Figure((n.Distances.Quantile(0.5) - ref.Median) / ref.StdDev)}
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
		out.Parts = append(out.Parts, part)
	}
	return out
}

func movedPart(p drift.Part) MovedPart {
	return MovedPart{Lower: Undefined, Upper: Undefined, Reference: p.Reference, Current: p.Current, Contribution: p.Contribution}
}

func decileEdges(ref *profile.Feature) (edges []float64) {
	for i, e := range ref.Bins.Edges() {
		if ref.DecileEdge[i] {
			edges = append(edges, e)
		}
	}
	return edges
}

func movedCategorical(e drift.Explanation, ref *profile.Feature, c *profile.Categorical, show string, detailed bool) *Moved {
	current := c.AppendCounts(nil)
	out := &Moved{Statistic: e.Statistic, MedianShift: Undefined, Categories: &MovedCategories{}}
	named := show == ShowAll || show != ShowNone && ref.OtherCategories == 0 && len(ref.Categories) <= profile.MaxSegmentDistinct
	for _, p := range e.Parts {
		part := movedPart(p)
		if part.Unseen = p.First == len(ref.Categories); !part.Unseen && named {
			part.Category, part.Named = shortName(ref.Categories[p.First]), true
		}
		out.Parts = append(out.Parts, part)
	}
	out.Categories.vanish(ref, c.Count, current, named)
	if detailed {
		out.Categories.appear(c, current[:len(ref.Categories)], show == ShowAll)
	}
	return out
}

// shortName is as long as the names of unseen categories are.
func shortName(category string) string { return category[:min(len(category), sketch.MaxKey)] }

func (c *MovedCategories) vanish(ref *profile.Feature, n uint64, current []uint64, named bool) {
	var gone []int
	for i, r := range ref.CategoryCounts {
		if current[i] == 0 && float64(r)*float64(n) >= minExpected*float64(ref.Count) {
			gone = append(gone, i)
		}
	}
	c.Vanished = uint64(len(gone))
	if !named {
		return
	}
	slices.SortStableFunc(gone, func(a, b int) int { return cmp.Compare(ref.CategoryCounts[b], ref.CategoryCounts[a]) })
	for _, i := range gone[:min(len(gone), maxMoved)] {
		c.Gone = append(c.Gone, VanishedCategory{shortName(ref.Categories[i]), float64(ref.CategoryCounts[i]) / float64(ref.Count)})
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
	b = appendFigure(b, start, "reference_share", Figure(p.Reference))
	b = appendFigure(b, start, "current_share", Figure(p.Current))
	return appendFigure(b, start, "contribution", Figure(p.Contribution))
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
