package config

import (
	"fmt"
	"slices"
	"strings"
)

// Change is a figure of a model that change detectors watch.
type Change struct {
	// Figure is the name of the figure, such as error_ratio.
	Figure string
	// Feature is the feature whose figure it is; empty for figures of all requests.
	Feature string
	// Detectors are those that watch it.
	Detectors []string
}

// String is the change in one line.
func (c *Change) String() string {
	s := c.Figure
	if c.Feature != "" {
		s += " of " + c.Feature
	}
	return s + " (" + strings.Join(c.Detectors, ", ") + ")"
}

// figure is one that detectors can watch.
type figure struct {
	name string
	// types are those of the features that it is of; none for figures of all requests.
	types []string
	// ratio tells whether single values lie between 0 and 1, as some detectors want it.
	ratio     bool
	reference bool // it needs one
	labels    bool // it is of answers and their labels
}

// figures has all of them, in the order of the documentation.
var figures = []figure{
	{name: "error_ratio", ratio: true},
	{name: "requests_per_second"},
	{name: "positive_ratio", ratio: true},
	{name: "misprediction_ratio", ratio: true, labels: true},
	{name: "missing_ratio", types: []string{"numeric", "categorical"}, ratio: true},
	{name: "invalid_ratio", types: []string{"numeric", "categorical"}, ratio: true},
	{name: "out_of_range_ratio", types: []string{"numeric"}, ratio: true, reference: true},
	{name: "unseen_ratio", types: []string{"categorical"}, ratio: true, reference: true},
	{name: "mean", types: []string{"numeric"}},
}

// detector is one that may be named in a config.
type detector struct {
	name   string
	ratios bool // and nothing else
}

// detectors has all of them.
var detectors = []detector{
	{name: "adwin"}, {name: "page_hinkley"}, {name: "ddm", ratios: true}, {name: "hddm_a", ratios: true}, {name: "hddm_w", ratios: true},
}

// defaultDetectors apply to all figures, and keep quiet where errors come in bursts.
func defaultDetectors() []string { return []string{"adwin", "page_hinkley"} }

// maxChanges is the most figures of a model.
const maxChanges = 100

var changeKeys = []field[Change]{
	{key: "figure", read: func(v value, c *Change) { v.oneOf(&c.Figure, figureNames()...) }},
	{key: "feature", read: func(v value, c *Change) { v.name(&c.Feature) }},
	{key: "detectors", read: func(v value, c *Change) { v.detectors(&c.Detectors) }},
}

func figureNames() (names []string) {
	for _, f := range figures {
		names = append(names, f.name)
	}
	return names
}

func (v value) detectors(to *[]string) {
	var names []string
	for _, d := range detectors {
		names = append(names, d.name)
	}
	seen := unique("detector %s")
	*to = nil
	v.list("detectors", func(_ int, item value) {
		var s string
		item.oneOf(&s, names...)
		seen(item, s)
		*to = append(*to, s)
	})
	if v.n.kind == list && len(*to) == 0 {
		v.fail("no detector where at least one is wanted; leave the key out for %s", strings.Join(defaultDetectors(), " and "))
	}
}

// changes reads a list of figures, each in the short form, its name, or the long one.
func (v value) changes(to *[]Change) {
	v.list("figures, such as error_ratio,", func(_ int, item value) {
		c := Change{Detectors: defaultDetectors()}
		if item.scalar() {
			item.oneOf(&c.Figure, figureNames()...)
		} else {
			object(item, changeKeys, &c)
			if item.n.kind == mapping {
				item.r.require(item.path, "figure", "what to watch, such as error_ratio")
			}
		}
		*to = append(*to, c)
	})
	if len(*to) > maxChanges {
		v.fail("%d figures where at most %d are allowed", len(*to), maxChanges)
	}
}

// checkChanges sees that each figure is there, once, and that its detectors apply to it.
func (m *modelRules) checkChanges() {
	first := map[[2]string]int{}
	for i := range m.Changes {
		c := &m.Changes[i]
		path := fmt.Sprintf("%s.changes[%d]", m.path, i)
		k := slices.IndexFunc(figures, func(f figure) bool { return f.name == c.Figure })
		if k < 0 {
			continue // reported
		}
		m.checkFigure(path, c, &figures[k])
		for j, name := range c.Detectors {
			if slices.Contains(detectors, detector{name, true}) && !figures[k].ratio {
				m.fail(fmt.Sprintf("%s.detectors[%d]", path, j), "%s is for ratios, and %s is none", name, c.Figure)
			}
		}
		key := [2]string{c.Figure, c.Feature}
		j, twice := first[key]
		switch {
		case c.Feature == "" && len(figures[k].types) > 0: // reported
		case twice:
			m.fail(path, "is watched twice, first as %s.changes[%d]", m.path, j)
		default:
			first[key] = i
		}
	}
}

// checkFigure sees that the model has what the figure is of.
func (m *modelRules) checkFigure(path string, c *Change, f *figure) {
	features := m.AllFeatures()
	k := slices.IndexFunc(features, func(o Feature) bool { return o.Name == c.Feature })
	feature := path + ".feature"
	switch {
	case f.name == "positive_ratio" && m.Task != "" && (m.Task != "binary" || !m.given(join(m.path, "positive"))):
		m.fail(path, "%s needs the task binary, and positive", f.name)
	case f.labels && (m.Task == "regression" || m.Task == "ranking" || m.Task == "none"):
		m.fail(path, "%s needs the task binary or multiclass", f.name)
	case f.labels && m.Task != "" && !m.Measured():
		m.fail(path, "%s needs %s", f.name, map[string]string{"binary": "positive", "multiclass": "classes"}[m.Task])
	case len(f.types) == 0 && c.Feature != "":
		m.fail(feature, "does not go here: %s is of all requests", f.name)
	case len(f.types) == 0:
	case c.Feature == "":
		if !m.given(feature) {
			m.fail(feature, "is required: the feature whose %s is watched", f.name)
		}
	case k < 0 && m.Task == "" && outputTypes[c.Feature] != "": // the task is reported
	case k < 0:
		names := make([]string, len(features))
		for i := range features {
			names[i] = features[i].Name
		}
		m.fail(feature, "%s is no feature of the model%s", quote(c.Feature), suggestion(c.Feature, names))
	case features[k].Type != "" && !slices.Contains(f.types, features[k].Type):
		m.fail(path, "%s is for %s features, and %s is %s", f.name, f.types[0], quote(c.Feature), features[k].Type)
	case f.reference && !m.given(join(m.path, "reference")):
		m.fail(path, "%s needs a reference, and the model has none", f.name)
	}
}
