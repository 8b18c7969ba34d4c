package decode

import (
	"bytes"
	"math"

	"github.com/streammon/streammon/internal/event"
)

// take uses a value for a target.
func (d *Decoder) take(t target, v *value, ev *event.Event) {
	switch t.field {
	case fieldNumeric:
		ev.Features[t.index] = d.numeric(v)
	case fieldCategorical:
		ev.Features[t.index] = d.categorical(v)
	case fieldSegment:
		if c := d.categorical(v); c.State == event.Valid {
			ev.Segments[t.index] = c.Text
		}
	case fieldFeatures:
		d.features(v, ev)
	case fieldLower:
		ev.Lower = d.numeric(v)
	case fieldUpper:
		ev.Upper = d.numeric(v)
	case fieldScores:
		d.scores(v, ev)
	case fieldItems:
		d.items(v, ev)
	default:
		if v.kind != nullValue { // null is absent
			d.envelope(t.field, v, ev)
		}
	}
}

// features marks all features under the features object invalid if it is none.
func (d *Decoder) features(v *value, ev *event.Event) {
	if v.kind == compositeValue && d.scanner.msg[d.scanner.at-1] == '}' || v.kind == nullValue {
		return
	}
	m := &d.options.Mapping
	for i, f := range d.options.Schema.Features {
		if _, names := m.featurePath(f.Name); names != nil {
			ev.Features[i] = event.Value{State: event.Invalid}
		}
	}
}

// envelope takes a field of the envelope that is not null.
func (d *Decoder) envelope(f field, v *value, ev *event.Event) {
	found := &d.found
	switch f {
	case fieldType:
		switch string(v.text) {
		case "prediction":
			found.kind = event.Prediction
		case "label":
			found.kind = event.Label
		default:
			found.envelope = true
		}
		found.envelope = found.envelope || v.kind != stringValue
	case fieldID:
		ev.ID = d.name(v)
	case fieldVersion:
		ev.Version = d.name(v)
	case fieldModel:
		found.model, found.hasModel = v.text, true
		found.envelope = found.envelope || v.kind != stringValue
	case fieldTime:
		var ok, typed bool
		ev.Time, ok, typed = d.time(v)
		found.hasTime, found.badTime = true, !ok
		found.envelope = found.envelope || !typed
	case fieldRecordTime:
		if t, ok, _ := d.time(v); ok {
			ev.RecordTime = t
		}
	case fieldLabelTime:
		var ok bool
		found.labelTime, ok, _ = d.time(v)
		found.labelSeen, found.labelBad = true, !ok
	case fieldTrueLabel:
		found.hasLabel = true
		found.envelope = found.envelope || v.kind == compositeValue && d.scanner.msg[d.scanner.at-1] == ']'
		if d.options.Schema.Answers.Truth {
			d.truth(v, &ev.Truth)
		}
	case fieldLabelItems:
		found.hasLabel = true
		if a := &d.options.Schema.Answers; a.Truth && a.Items {
			d.relevant(v, &ev.Truth)
		}
	case fieldStatus:
		ev.Failed = d.options.Mapping.ErrorStatus.isError(v)
	case fieldLatency:
		if ms := d.numeric(v); ms.State == event.Valid && v.kind != trueValue && v.kind != falseValue && ms.Number >= 0 {
			ev.Latency, ev.HasLatency = ms.Number/1000, true
		}
	}
}

// name reads a text or an integer, for ids and versions; another type is a fault of
// the envelope.
func (d *Decoder) name(v *value) []byte {
	if v.kind == stringValue {
		return v.text
	}
	if c := d.categorical(v); v.kind == numberValue && c.State == event.Valid {
		return c.Text
	}
	d.found.envelope = true
	return nil
}

// time reads a time; typed is false if the value is neither text nor number.
func (d *Decoder) time(v *value) (ns int64, ok, typed bool) {
	switch v.kind {
	case stringValue:
		ns, ok = parseTime(v.text, d.options.Mapping.TimeUnit)
	case numberValue:
		ns, ok = unixTime(v.text, d.options.Mapping.TimeUnit)
	default:
		return 0, false, false
	}
	return ns, ok, true
}

var (
	invalid = event.Value{State: event.Invalid}
	texts   = [...][]byte{falseValue: []byte("false"), trueValue: []byte("true")}
)

// numeric reads the value of a numeric feature.
func (d *Decoder) numeric(v *value) event.Value {
	switch v.kind {
	case nullValue:
		return event.Value{}
	case numberValue:
		if f, ok := parseFloat(v.text); ok {
			return event.Value{State: event.Valid, Number: f + 0} // −0 is 0
		}
	case trueValue, falseValue:
		return event.Value{State: event.Valid, Number: float64(v.kind - falseValue)}
	case stringValue:
		if d.options.Mapping.ParseStrings {
			return numericText(bytes.TrimSpace(v.text))
		}
	}
	return invalid
}

// numericText reads a number from text: any that is a number in JSON or in Go's
// decimal notation, and finite; or "true" or "false", in any case, as 1 or 0.
func numericText(b []byte) event.Value {
	switch {
	case bytes.EqualFold(b, texts[trueValue]):
		return event.Value{State: event.Valid, Number: 1}
	case bytes.EqualFold(b, texts[falseValue]):
		return event.Value{State: event.Valid}
	}
	if len(b) == 0 || len(b) > 400 {
		return invalid
	}
	for _, c := range b {
		if c-'0' > 9 && c != '.' && c != '-' && c != '+' && c|0x20 != 'e' {
			return invalid // no hexadecimal, no underscores, no NaN
		}
	}
	f, ok := parseText(b)
	if !ok || math.IsInf(f, 0) || math.IsNaN(f) {
		return invalid
	}
	return event.Value{State: event.Valid, Number: f + 0}
}

// categorical reads the value of a categorical feature.
func (d *Decoder) categorical(v *value) event.Value {
	switch v.kind {
	case nullValue:
		return event.Value{}
	case stringValue:
		return event.Value{State: event.Valid, Text: v.text}
	case trueValue, falseValue:
		return event.Value{State: event.Valid, Text: texts[v.kind]}
	case numberValue:
		s := &d.scanner
		from := len(s.scratch)
		if out, ok := appendInteger(s.scratch, v.text); ok {
			s.scratch = out
			return event.Value{State: event.Valid, Text: out[from:]}
		}
	}
	return invalid
}
