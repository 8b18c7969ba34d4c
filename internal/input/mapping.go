package input

import (
	"slices"
	"strings"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
)

// outputs are the names by which columns give what a model answered, besides the path.
var outputs = map[string][]string{
	event.PredictionScore: {"prediction_score", "score"},
	event.PredictionLabel: {"prediction_label"}, // not "label": that is the truth
	event.PredictionValue: {"prediction_value", "value"},
}

// columnSet finds the column of a field: the one at its path, or of the same dotted
// name, else the one of a usual name.
type columnSet struct {
	paths  [][]string
	dotted []string
}

// TabularMapping fits a mapping to the columns of a file, given by their paths in its
// messages. A field's column is the one at its path, or named as its path
// (features.amount), or as the last name of it (amount). A field without a column stays where it
// was, and will be missing. Texts are parsed as numbers, since CSV has nothing else.
func TabularMapping(columns [][]string, m decode.Mapping, s event.Schema) (decode.Mapping, error) {
	items := below(m.TrueLabel, "label", "items")
	c := columnSet{paths: columns}
	for _, p := range columns {
		c.dotted = append(c.dotted, strings.Join(p, "."))
	}
	for _, f := range []struct {
		path  *string
		usual string
	}{
		{&m.Type, "type"}, {&m.ID, "id"}, {&m.Time, "time"}, {&m.Model, "model"}, {&m.Version, "version"},
		{&m.LatencyMS, "latency_ms"}, {&m.Status, "status"}, {&m.TrueLabel, "label"}, {&m.LabelTime, "label_time"}, {&m.RecordTime, "record_time"},
	} {
		*f.path = c.field(orElse(*f.path, f.usual))
	}
	for _, f := range []struct {
		wanted        bool
		path          *string
		usual, column string
	}{
		{s.Answers.Interval, &m.Lower, "prediction.lower", "prediction_lower"}, {s.Answers.Interval, &m.Upper, "prediction.upper", "prediction_upper"},
		{s.Answers.Probabilities, &m.Scores, "prediction.scores", "prediction_scores"},
		{s.Answers.Items, &m.Items, "prediction.items", "prediction_items"}, {s.Answers.Items, &m.LabelItems, items, "label_items"},
	} {
		if f.wanted {
			names := []string{lastName(*f.path), f.column}
			if f.path != &m.LabelItems { // items are recommended ones, not relevant ones
				names = append(names, lastName(f.usual))
			}
			*f.path = c.any(orElse(*f.path, f.usual), names...)
		}
	}
	features, segments := map[string]string{}, map[string]string{}
	answers := map[string]string{event.PredictionScore: m.Score, event.PredictionLabel: m.Label, event.PredictionValue: m.Value}
	for _, f := range s.Features {
		given := m.FeaturePaths[f.Name]
		switch names, output := outputs[f.Name]; {
		case given != "":
			features[f.Name] = c.find(given, lastName(given), f.Name)
		case output:
			path := answers[f.Name]
			if last := lastName(path); last != "" && last != "label" {
				names = append([]string{last}, names...)
			}
			features[f.Name] = c.find(orElse(path, f.Name), names...)
		default:
			features[f.Name] = c.find(below(m.Features, "features", f.Name), f.Name)
		}
	}
	for _, name := range s.Segments {
		if given := m.SegmentPaths[name]; given != "" {
			segments[name] = c.find(given, lastName(given), name)
		} else {
			segments[name] = c.find(below(m.Segments, "segments", name), name)
		}
	}
	m.FeaturePaths, m.SegmentPaths, m.ParseStrings = features, segments, true
	return m, nil
}

func orElse(path, usual string) string {
	if path == "" {
		return usual
	}
	return path
}

// below is the path of a member, of any name, of the object at a path.
func below(object, usual, name string) string {
	names, err := decode.ParsePath(orElse(object, usual))
	if err != nil {
		return object // it is said when the decoder is made
	}
	return decode.QuotePath(append(slices.Clone(names), name)...)
}

func lastName(path string) string {
	names, err := decode.ParsePath(path)
	if err != nil || len(names) == 0 {
		return ""
	}
	return names[len(names)-1]
}

// field is find for a field of the envelope.
func (c *columnSet) field(path string) string { return c.find(path, lastName(path)) }

// find returns the path of the column at the path, or of its dotted name, or of one of
// the usual names; the path itself if there is none of these.
func (c *columnSet) find(path string, usual ...string) string {
	names, err := decode.ParsePath(path)
	if err != nil {
		return path
	}
	for _, want := range append([]string{strings.Join(names, ".")}, usual...) {
		if i := slices.Index(c.dotted, want); i >= 0 {
			return decode.QuotePath(c.paths[i]...)
		}
	}
	return path
}

// any is find for what may be a list or an object, too, whose columns are deeper.
func (c *columnSet) any(path string, usual ...string) string {
	names, err := decode.ParsePath(path)
	if err != nil {
		return path
	}
	for _, want := range append([]string{strings.Join(names, ".")}, usual...) {
		for _, p := range c.paths {
			for n := range p {
				if want == "" || strings.Join(p[:n+1], ".") != want {
					continue
				}
				switch strings.Join(p[n+1:], ".") {
				case "list.element", "list.item", "bag.array_element": // the forms of lists in Parquet files
					n = len(p) - 1
				}
				return decode.QuotePath(p[:n+1]...)
			}
		}
	}
	return path
}
