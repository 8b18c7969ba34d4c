package decode

import (
	"cmp"
	"fmt"

	"github.com/streammon/streammon/internal/event"
)

// node is a place in a message: what its value is for, and the members that matter if
// it is an object.
type node struct {
	targets  []target
	children []child
	index    map[string]int
	next     int  // the child that is expected: the one after the last found
	features bool // it is the object of the features
}

type child struct {
	name string
	node *node
	seen uint64 // the serial of the object that had it last
}

// field is one that a value can be for.
type field uint8

const (
	fieldType field = iota
	fieldID
	fieldTime
	fieldModel
	fieldVersion
	fieldStatus
	fieldLatency
	fieldTrueLabel
	fieldLabelTime
	fieldRecordTime
	fieldNumeric
	fieldCategorical
	fieldSegment
	fieldFeatures // the object of the features
	fieldLower
	fieldUpper
	fieldScores     // the object of scores by class
	fieldItems      // the list of what was recommended
	fieldLabelItems // what was relevant
)

// target is a use of a value; index is that of the feature or segment.
type target struct {
	field field
	index int
}

// compile makes the tree of all paths of the mapping.
func compile(o *Options) (*node, error) {
	root := &node{}
	m, a := &o.Mapping, &o.Schema.Answers
	for _, f := range []struct {
		field       field
		path, usual string
	}{
		{fieldType, m.Type, "type"}, {fieldID, m.ID, "id"}, {fieldTime, m.Time, "time"}, {fieldModel, m.Model, "model"},
		{fieldVersion, m.Version, "version"}, {fieldStatus, m.Status, "status"}, {fieldLatency, m.LatencyMS, "latency_ms"},
		{fieldTrueLabel, m.TrueLabel, "label"}, {fieldLabelTime, m.LabelTime, ""}, {fieldRecordTime, m.RecordTime, ""},
		{fieldFeatures, m.Features, "features"},
		{fieldLower, given(a.Interval, m.Lower, "prediction.lower"), ""}, {fieldUpper, given(a.Interval, m.Upper, "prediction.upper"), ""},
		{fieldScores, given(a.Probabilities, m.Scores, "prediction.scores"), ""}, {fieldItems, given(a.Items, m.Items, "prediction.items"), ""},
		{fieldLabelItems, m.LabelItems, ""},
	} {
		path := cmp.Or(f.path, f.usual)
		if path == "" {
			continue
		}
		if err := root.bind(path, nil, target{f.field, 0}); err != nil {
			return nil, err
		}
	}
	if m.LabelItems == "" && a.Items {
		if err := root.bind(cmp.Or(m.TrueLabel, "label"), []string{"items"}, target{fieldLabelItems, 0}); err != nil {
			return nil, err
		}
	}
	for i, f := range o.Schema.Features {
		t := target{fieldNumeric, i}
		if f.Type == event.Categorical {
			t.field = fieldCategorical
		}
		base, names := m.featurePath(f.Name)
		if err := root.bind(base, names, t); err != nil {
			return nil, fmt.Errorf("feature %q: %w", f.Name, err)
		}
	}
	for i, name := range o.Schema.Segments {
		base, names := cmp.Or(m.SegmentPaths[name], cmp.Or(m.Segments, "segments")), []string{name}
		if m.SegmentPaths[name] != "" {
			names = nil
		}
		if err := root.bind(base, names, target{fieldSegment, i}); err != nil {
			return nil, fmt.Errorf("segment %q: %w", name, err)
		}
	}
	return root, nil
}

// given returns the path of what is wanted, or the usual one; else none.
func given(wanted bool, path, usual string) string {
	if !wanted {
		return ""
	}
	return cmp.Or(path, usual)
}

// featurePath returns where a feature is: a path, and the names below it.
func (m *Mapping) featurePath(name string) (base string, names []string) {
	if p := m.FeaturePaths[name]; p != "" {
		return p, nil
	}
	switch name {
	case event.PredictionScore:
		return cmp.Or(m.Score, "prediction.score"), nil
	case event.PredictionLabel:
		return cmp.Or(m.Label, "prediction.label"), nil
	case event.PredictionValue:
		return cmp.Or(m.Value, "prediction.value"), nil
	}
	return cmp.Or(m.Features, "features"), []string{name}
}

// bind adds the target at the path and the names below it.
func (n *node) bind(path string, below []string, t target) error {
	names, err := ParsePath(path)
	if err != nil {
		return err
	}
	for _, name := range append(names, below...) {
		n = n.child(name)
	}
	n.targets = append(n.targets, t)
	n.features = n.features || t.field == fieldFeatures
	return nil
}

func (n *node) child(name string) *node {
	if i, ok := n.index[name]; ok {
		return n.children[i].node
	}
	if n.index == nil {
		n.index = map[string]int{}
	}
	n.index[name] = len(n.children)
	c := child{name: name, node: &node{}}
	n.children = append(n.children, c)
	return c.node
}

// find returns the child of that name, or nil. Messages repeat the order of their
// members, so that the one after the last is tried first.
func (n *node) find(name []byte) *child {
	if n.next < len(n.children) {
		if c := &n.children[n.next]; c.name == string(name) {
			n.next++
			return c
		}
	}
	i, ok := n.index[string(name)]
	if !ok {
		return nil
	}
	n.next = i + 1
	return &n.children[i]
}
