package input

import (
	"slices"
	"strings"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
)

// TabularMapping fits a mapping to the columns of a file. A field's column is the one
// named as its path (without "$."), else as the path's last name: features.amount or
// amount. A field without a column stays where it was, and will be missing. Texts are
// parsed as numbers, since CSV has nothing else.
func TabularMapping(columns []string, m decode.Mapping, s event.Schema) (decode.Mapping, error) {
	fit := func(path *string, usual string) {
		if *path == "" {
			*path = usual
		}
		*path = columnPath(columns, *path)
	}
	features, segments := base(m.Features, "features"), base(m.Segments, "segments")
	featurePaths, segmentPaths := map[string]string{}, map[string]string{}
	for _, f := range s.Features {
		path := m.FeaturePaths[f.Name]
		switch {
		case path != "":
		case f.Name == event.PredictionScore:
			path = orElse(m.Score, f.Name)
		case f.Name == event.PredictionLabel:
			path = orElse(m.Label, f.Name)
			if _, ok := find(columns, path); !ok && m.Label == "" {
				path = "prediction_label" // not "label": that is the truth
			}
		case f.Name == event.PredictionValue:
			path = orElse(m.Value, f.Name)
		default:
			path = features + f.Name
		}
		featurePaths[f.Name] = columnPathOf(columns, path, f.Name)
	}
	for _, name := range s.Segments {
		path := m.SegmentPaths[name]
		if path == "" {
			path = segments + name
		}
		segmentPaths[name] = columnPathOf(columns, path, name)
	}
	for _, f := range []struct {
		path  *string
		usual string
	}{
		{&m.Type, "type"}, {&m.ID, "id"}, {&m.Time, "time"}, {&m.Model, "model"}, {&m.Version, "version"},
		{&m.LatencyMS, "latency_ms"}, {&m.Status, "status"}, {&m.TrueLabel, "label"}, {&m.LabelTime, "label_time"}, {&m.RecordTime, "record_time"},
	} {
		fit(f.path, f.usual)
	}
	m.FeaturePaths, m.SegmentPaths, m.ParseStrings = featurePaths, segmentPaths, true
	return m, nil
}

func orElse(path, usual string) string {
	if path == "" {
		return usual
	}
	return path
}

// base is the prefix of the paths below an object; "$" has none.
func base(path, usual string) string {
	path = strings.TrimPrefix(strings.TrimPrefix(orElse(path, usual), "$"), ".")
	if path == "" {
		return ""
	}
	return path + "."
}

// find returns the column of a path.
func find(columns []string, path string) (string, bool) {
	names, err := decode.ParsePath(path)
	if err != nil || len(names) == 0 {
		return "", false
	}
	for _, want := range []string{strings.Join(names, "."), names[len(names)-1]} {
		if slices.Contains(columns, want) {
			return want, true
		}
	}
	return "", false
}

func columnPath(columns []string, path string) string {
	if c, ok := find(columns, path); ok {
		return decode.QuotePath(c)
	}
	return path
}

// columnPathOf is columnPath for a name that may itself have dots or odd characters.
func columnPathOf(columns []string, path, name string) string {
	for _, want := range []string{strings.TrimPrefix(path, "$."), name} {
		if slices.Contains(columns, want) {
			return decode.QuotePath(want)
		}
	}
	if c, ok := find(columns, path); ok {
		return decode.QuotePath(c)
	}
	return decode.QuotePath(name)
}
