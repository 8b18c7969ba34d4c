package config

var mappingKeys = []field[Mapping]{
	{key: "type", read: func(v value, m *Mapping) { v.eventPath(&m.Type) }},
	{key: "id", read: func(v value, m *Mapping) { v.eventPath(&m.ID) }},
	{key: "time", read: func(v value, m *Mapping) { v.eventPath(&m.Time) }},
	{key: "model", read: func(v value, m *Mapping) { v.eventPath(&m.Model) }},
	{key: "version", read: func(v value, m *Mapping) { v.eventPath(&m.Version) }},
	{key: "features", read: func(v value, m *Mapping) { v.objectPath(&m.Features) }},
	{key: "segments", read: func(v value, m *Mapping) { v.objectPath(&m.Segments) }},
	{key: "prediction_score", read: func(v value, m *Mapping) { v.eventPath(&m.Score) }},
	{key: "prediction_label", read: func(v value, m *Mapping) { v.eventPath(&m.Label) }},
	{key: "prediction_value", read: func(v value, m *Mapping) { v.eventPath(&m.Value) }},
	{key: "prediction_lower", read: func(v value, m *Mapping) { v.eventPath(&m.Lower) }},
	{key: "prediction_upper", read: func(v value, m *Mapping) { v.eventPath(&m.Upper) }},
	{key: "prediction_scores", read: func(v value, m *Mapping) { v.eventPath(&m.Scores) }},
	{key: "prediction_items", read: func(v value, m *Mapping) { v.eventPath(&m.Items) }},
	{key: "latency_ms", read: func(v value, m *Mapping) { v.eventPath(&m.LatencyMS) }},
	{key: "status", read: func(v value, m *Mapping) { v.eventPath(&m.Status) }},
	{key: "label", read: func(v value, m *Mapping) { v.eventPath(&m.TrueLabel) }},
	{key: "label_items", read: func(v value, m *Mapping) { v.eventPath(&m.LabelItems) }},
	{key: "label_time", read: func(v value, m *Mapping) { v.eventPath(&m.LabelTime) }},
	{key: "record_time", read: func(v value, m *Mapping) { v.eventPath(&m.RecordTime) }},
	{key: "time_unit", read: func(v value, m *Mapping) { v.oneOf(&m.TimeUnit, "auto", "s", "ms", "us", "ns") }},
	{key: "parse_strings", read: func(v value, m *Mapping) { v.boolean(&m.ParseStrings) }},
	{key: "errors", read: func(v value, m *Mapping) { object(v, errorKeys, &m.Errors) }},
}

var errorKeys = []field[Errors]{
	{key: "min_status", read: func(v value, e *Errors) { v.integer(&e.MinStatus, 1, 1000) }},
	{key: "statuses", read: func(v value, e *Errors) { v.statuses(&e.Statuses) }},
}

func (v value) statuses(to *[]string) {
	seen := unique("status %s")
	*to = nil
	v.list("statuses that are errors, such as error,", func(_ int, item value) {
		var s string
		item.name(&s)
		seen(item, s)
		*to = append(*to, s)
	})
}
