package config

import "strings"

// Limits of one model.
const (
	maxFeatures      = 1000
	maxSegmentations = 8
	maxSegmentValues = 200
)

var featureKeys = []field[Feature]{
	{key: "type", read: func(v value, f *Feature) { v.featureType(&f.Type) }},
	{key: "path", read: func(v value, f *Feature) { v.eventPath(&f.Path) }},
	{key: "importance", read: func(v value, f *Feature) { v.positive(&f.Importance, "a number above 0") }},
	{key: "floor", read: func(v value, f *Feature) {
		v.positive(&f.Floor, "a number above 0, in the unit of the deciding statistic,")
	}},
	{key: "decide_by", read: func(v value, f *Feature) { v.statistic(&f.DecideBy) }},
	{key: "alerts", read: func(v value, f *Feature) { object(v, featureAlertKeys, &f.Alerts) }},
	{key: "show_categories", read: func(v value, f *Feature) { v.oneOf(&f.ShowCategories, "known", "all", "none") }},
}

func (v value) featureType(to *string) { v.oneOf(to, "numeric", "categorical") }

func (v value) features(to *[]Feature) {
	v.entries("a mapping of feature names to their types", func(key string, at position, child value) {
		f := Feature{Name: key, Importance: 1}
		if v.keyName(key, at, child) {
			child.feature(&f)
		}
		*to = append(*to, f)
	})
	if len(*to) > maxFeatures {
		v.fail("%d features where at most %d are allowed", len(*to), maxFeatures)
	}
}

// feature reads the short form, a type, or the long one.
func (v value) feature(f *Feature) {
	switch {
	case f.Name == "label":
		v.fail("is the name of the true labels' own figures: take another one, and give the path")
	case v.scalar():
		v.featureType(&f.Type)
	case v.n.kind != mapping:
		v.want("numeric, categorical or a mapping with type")
	default:
		object(v, featureKeys, f)
		if outputTypes[f.Name] == "" {
			v.r.require(v.path, "type", "numeric or categorical")
		}
	}
}

var segmentKeys = []field[Segment]{
	{key: "name", read: func(v value, s *Segment) { v.segmentName(&s.Name) }},
	{key: "path", read: func(v value, s *Segment) { v.eventPath(&s.Path) }},
	{key: "values", read: func(v value, s *Segment) { v.segmentValues(&s.Values) }},
}

// segments reads a list of names or of mappings, or a mapping of names to values.
func (v value) segments(to *[]Segment) {
	seen := unique("segment %s")
	add := func(s Segment, at value) {
		seen(at, s.Name)
		*to = append(*to, s)
	}
	if v.n.kind == mapping {
		v.entries("", func(key string, at position, child value) { add(child.namedSegment(key, at), child) })
	} else {
		v.list("segment names, or a mapping of names to values,", func(_ int, item value) { add(item.segment(), item) })
	}
	if len(*to) > maxSegmentations {
		v.fail("%d segments where at most %d are allowed", len(*to), maxSegmentations)
	}
}

func (v value) segment() (s Segment) {
	if v.scalar() {
		v.segmentName(&s.Name)
		return s
	}
	object(v, segmentKeys, &s)
	if v.n.kind == mapping {
		v.r.require(v.path, "name", "the segment's name, such as country")
	}
	return s
}

// namedSegment reads a segment whose name is its key.
func (v value) namedSegment(key string, at position) (s Segment) {
	name := value{v.r, &node{kind: plain, at: at, text: key}, v.path}
	name.segmentName(&s.Name)
	if v.n.kind == mapping {
		object(v, segmentKeys[1:], &s)
	} else {
		v.segmentValues(&s.Values)
	}
	return s
}

func (v value) segmentName(to *string) {
	if v.scalar() && strings.Contains(v.n.text, "=") {
		v.fail("%s has an equals sign, which parts name and value", v.n)
		return
	}
	v.name(to)
}

func (v value) segmentValues(to *[]string) {
	seen := unique("value %s")
	v.list("values", func(_ int, item value) {
		var s string
		item.name(&s)
		seen(item, s)
		*to = append(*to, s)
	})
	if len(*to) > maxSegmentValues {
		v.fail("%d values where at most %d are allowed", len(*to), maxSegmentValues)
	}
}
