package monitor

import (
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
)

// MarshalJSON returns AppendJSON's object.
func (r *Result) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil), nil }

// AppendJSON appends the result as one JSON object, without a line end. Keys have a
// fixed order, undefined figures are left out, numbers are the shortest that read
// back the same: equal results give equal bytes.
func (r *Result) AppendJSON(b []byte) []byte {
	b = appendKeyText(append(b, '{'), "model", r.Model)
	b = appendKeyText(append(b, ','), "version", r.Version)
	b = appendKeyText(append(b, ','), "segment", r.Segment)
	b = appendKeyText(append(b, ','), "window", r.Window)
	b = r.Start.AppendFormat(append(b, `,"start":"`...), time.RFC3339Nano)
	b = r.End.AppendFormat(append(b, `","end":"`...), time.RFC3339Nano)
	b = strconv.AppendBool(append(b, `","complete":`...), r.Complete)
	b = strconv.AppendUint(append(b, `,"events":`...), r.Events, 10)
	b = append(r.Service.appendJSON(append(b, `,"service":{`...)), '}')
	if len(r.Features) > 0 {
		b = append(b, `,"features":[`...)
		for i := range r.Features {
			if i > 0 {
				b = append(b, ',')
			}
			b = r.Features[i].appendJSON(b)
		}
		b = append(b, ']')
	}
	if r.Judged > 0 {
		b = appendFigure(b, 0, "drifted_importance_ratio", r.DriftedImportance)
	}
	b = appendChanges(b, r.Changes)
	b = appendKPIs(b, r.KPIs)
	if r.Performance != nil {
		b = r.Performance.appendJSON(append(b, `,"performance":`...), r.End)
	}
	return append(b, '}')
}

// MarshalJSON returns the object with the end of its window.
func (p *PerformanceResult) MarshalJSON() ([]byte, error) { return p.appendJSON(nil, time.Time{}), nil }

// appendJSON appends the object. The end of its window is left out if it is that of the result.
func (p *PerformanceResult) appendJSON(b []byte, end time.Time) []byte {
	b = append(b, '{')
	start := len(b)
	if p.Labelled {
		if !p.End.Equal(end) {
			b = append(p.End.AppendFormat(append(b, `"end":"`...), time.RFC3339Nano), `",`...)
		}
		b = strconv.AppendBool(append(b, `"complete":`...), p.Complete)
		b = appendCount(b, "matched", p.Matched)
		b = appendCount(b, "early", p.Early)
		b = appendCount(b, "duplicate", p.Duplicate)
		b = appendCount(b, "conflict", p.Conflict)
		b = appendCount(b, "expired", p.Expired)
		b = appendFigure(b, start, "matched_ratio", p.MatchedRatio)
		b = p.Delay.appendJSON(b, start, "label_delay_seconds")
	}
	b = appendFigures(b, start, p.Figures, "")
	b = appendFigures(b, start, p.Estimated, "")
	if slices.ContainsFunc(p.Figures, func(f eval.Figure) bool { return f.Label == thresholdDecision }) {
		b = append(appendComma(b, start), `"at_threshold":{`...)
		b = append(appendFigures(b, len(b), p.Figures, thresholdDecision), '}')
	}
	b = p.appendConfusion(b, start)
	b = appendIntervals(b, start, p.Figures, p.Estimated)
	b = p.appendVerdict(b, start)
	b = p.Fairness.appendJSON(p.Worst.appendJSON(b, start), start)
	return append(b, '}')
}

// appendVerdict appends what the answers are compared with, and what comes of it.
func (p *PerformanceResult) appendVerdict(b []byte, start int) []byte {
	if len(p.Reference) > 0 {
		b = append(appendComma(b, start), `"reference":{`...)
		b = append(appendFigures(b, len(b), p.Reference, ""), '}')
	}
	text := func(key, value string) {
		if value != "" {
			b = appendKeyText(appendComma(b, start), key, value)
		}
	}
	if p.DecidedBy == "" {
		return b
	}
	text("decided_by", p.DecidedBy)
	text("decided_at", p.DecidedAt)
	text("state", p.State)
	b = appendFigure(b, start, "threshold", p.Threshold)
	b = appendFigure(b, start, "pvalue", p.PValue)
	text("calibration", p.Calibration)
	return b
}

// thresholdDecision is the label of figures at the configured threshold, which have an object of their own.
const thresholdDecision = "decision"

// appendFigures appends figures. Those of one name with several labels are one object by label.
func appendFigures(b []byte, start int, figures []eval.Figure, decision string) []byte {
	for i := range figures {
		f := &figures[i]
		same := func(o eval.Figure) bool { return o.Name == f.Name && o.Label == f.Label }
		switch {
		case (f.Label == thresholdDecision) != (decision != ""):
		case f.Label == "" || f.Label == thresholdDecision:
			b = appendFigure(b, start, f.Name, Figure(f.Value))
		case slices.IndexFunc(figures, same) == i:
			b = append(appendText(appendComma(b, start), f.Name), ':', '{')
			inner := len(b)
			for _, o := range figures[i:] {
				if same(o) {
					b = appendFigure(b, inner, o.At, Figure(o.Value))
				}
			}
			b = append(b, '}')
		}
	}
	return b
}

// appendConfusion appends the cells that are not 0, by truth, and in it by answer.
func (p *PerformanceResult) appendConfusion(b []byte, start int) []byte {
	if p.Confusion == nil {
		return b
	}
	class := func(i int) string {
		if i < len(p.Classes) {
			return p.Classes[i]
		}
		return event.Other
	}
	b = append(appendComma(b, start), `"confusion":{`...)
	rows := len(b)
	for i, row := range p.Confusion {
		if slices.Max(row) == 0 {
			continue
		}
		b = append(appendText(appendComma(b, rows), class(i)), ':', '{')
		cells := len(b)
		for k, n := range row {
			if n > 0 {
				b = append(appendText(appendComma(b, cells), class(k)), ':')
				b = strconv.AppendUint(b, n, 10)
			}
		}
		b = append(b, '}')
	}
	return append(b, '}')
}

// appendIntervals appends the intervals, at 95 %, of the figures that have no label.
func appendIntervals(b []byte, start int, figures ...[]eval.Figure) []byte {
	inner := 0
	for _, some := range figures {
		for i := range some {
			f := &some[i]
			low, high := f.Interval()
			if f.Label != "" || math.IsNaN(low) {
				continue
			}
			if inner == 0 {
				b = append(appendComma(b, start), `"intervals":{`...)
				inner = len(b)
			}
			b = append(appendText(appendComma(b, inner), f.Name), ':', '[')
			b = append(appendNumber(append(appendNumber(b, low), ','), high), ']')
		}
	}
	if inner > 0 {
		b = append(b, '}')
	}
	return b
}

func (s *Service) appendJSON(b []byte) []byte {
	start := len(b)
	b = appendFigure(b, start, "requests_per_second", s.RequestsPerSecond)
	b = appendFigure(b, start, "error_ratio", s.ErrorRatio)
	return s.Latency.appendJSON(b, start, "latency_seconds")
}

func (f *FeatureResult) appendJSON(b []byte) []byte {
	b = appendKeyText(append(b, '{'), "name", f.Name)
	b = appendKeyText(append(b, ','), "type", f.Type)
	b = appendCount(b, "count", f.Count)
	b = appendCount(b, "missing", f.Missing)
	b = appendCount(b, "invalid", f.Invalid)
	if f.HasReference {
		b = appendCount(b, "out_of_range", f.OutOfRange)
		b = appendCount(b, "unseen", f.Unseen)
		if f.Unmatched > 0 {
			b = appendCount(b, "unmatched", f.Unmatched)
		}
	}
	b = appendFigure(b, 0, "mean", f.Mean)
	b = appendFigure(b, 0, "stddev", f.StdDev)
	b = appendFigure(b, 0, "min", f.Min)
	b = appendFigure(b, 0, "max", f.Max)
	b = f.Quantiles.appendJSON(b, 0, "quantiles")
	if f.DistinctKnown {
		b = appendCount(b, "distinct", f.Distinct)
	}
	b = f.Drift.appendJSON(b)
	if f.State != "" {
		b = appendKeyText(append(b, ','), "state", f.State)
		b = appendFigure(b, 0, "qvalue", f.QValue)
		b = appendSince(b, "since", f.Since)
	}
	if f.Calibration != "" {
		b = appendKeyText(append(b, ','), "calibration", f.Calibration)
	}
	if f.Moved != nil {
		b = f.Moved.appendJSON(b)
	}
	return append(b, '}')
}

// appendSince appends a time after another member, unless it is not known.
func appendSince(b []byte, key string, t int64) []byte {
	if t <= 0 {
		return b
	}
	b = append(appendText(append(b, ','), key), `:"`...)
	return append(time.Unix(0, t).UTC().AppendFormat(b, time.RFC3339Nano), '"')
}

func appendChanges(b []byte, changes []ChangeResult) []byte {
	for i := range changes {
		c := &changes[i]
		if i == 0 {
			b = append(b, `,"changes":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendKeyText(append(b, '{'), "figure", c.Figure)
		if c.Feature != "" {
			b = appendKeyText(append(b, ','), "feature", c.Feature)
		}
		b = append(b, `,"detectors":{`...)
		for k := range c.Detectors {
			d := &c.Detectors[k]
			if k > 0 {
				b = append(b, ',')
			}
			b = appendKeyText(append(appendText(b, d.Detector), ':', '{'), "state", d.State)
			b = append(appendSince(appendSince(b, "found", d.Found), "since", d.Since), '}')
		}
		b = append(b, '}', '}')
	}
	if len(changes) > 0 {
		b = append(b, ']')
	}
	return b
}

func (q Quantiles) appendJSON(b []byte, start int, key string) []byte {
	if len(q) == 0 {
		return b
	}
	b = append(appendComma(b, start), '"')
	b = append(append(b, key...), `":{`...)
	inner := len(b)
	for _, x := range q {
		b = appendFigure(b, inner, x.Q, x.Value)
	}
	return append(b, '}')
}

func (d Drifts) appendJSON(b []byte) []byte {
	if len(d) == 0 {
		return b
	}
	b = append(b, `,"drift":{`...)
	for i := range d {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, d[i].Statistic), ':', '{')
		inner := len(b)
		b = appendFigure(b, inner, "value", d[i].Value)
		b = appendFigure(b, inner, "threshold", d[i].Threshold)
		b = appendFigure(b, inner, "pvalue", d[i].PValue)
		b = append(b, '}')
	}
	return append(b, '}')
}

// AppendLedgerJSON appends the account of all messages as the last line of results;
// reasons that rejected nothing are left out.
func AppendLedgerJSON(b []byte, l *event.Ledger) []byte {
	b = strconv.AppendUint(append(b, `{"ledger":{"consumed":`...), l.Consumed, 10)
	b = appendCount(b, "accepted", l.Accepted)
	b = append(b, `,"rejected":{`...)
	start := len(b)
	for r, n := range l.Rejected {
		if n > 0 {
			b = append(appendText(appendComma(b, start), event.Reason(r).String()), ':')
			b = strconv.AppendUint(b, n, 10)
		}
	}
	b = appendCount(append(b, '}'), "late", l.Late)
	b = appendCount(b, "duplicate", l.Duplicate)
	return append(b, '}', '}')
}

// ModelLabels is the account of a model's labels.
type ModelLabels struct {
	Model string
	LabelStatus
}

// AppendAccountJSON appends the last line of results: AppendLedgerJSON's object with the accounts of labels, in order of their models, if
// there are any.
func AppendAccountJSON(b []byte, l *event.Ledger, labels []ModelLabels) []byte {
	b = AppendLedgerJSON(b, l)
	if len(labels) == 0 {
		return b
	}
	b = append(b[:len(b)-1], `,"labels":{`...)
	for i := range labels {
		if i > 0 {
			b = append(b, ',')
		}
		c := &labels[i]
		b = append(c.LabelStatus.AppendJSON(append(appendText(b, c.Model), ':', '{')), '}')
	}
	return append(b, '}', '}')
}

// AppendJSON appends the counts as members of an object.
func (c *LabelStatus) AppendJSON(b []byte) []byte {
	b = strconv.AppendUint(append(b, `"matched":`...), c.Matched, 10)
	b = appendCount(b, "early", c.Early)
	b = appendCount(b, "unmatched", c.Unmatched)
	b = appendCount(b, "duplicate", c.Duplicate)
	b = appendCount(b, "conflict", c.Conflict)
	b = appendCount(b, "useless", c.Useless)
	b = appendCount(b, "expired", c.Expired)
	b = appendCount(b, "evicted", c.Evicted)
	b = appendCount(b, "pending", c.Pending)
	return appendCount(b, "waiting", c.Waiting)
}

// appendComma appends a comma unless the object begins here; start is where it does,
// or 0 if it has members for sure.
func appendComma(b []byte, start int) []byte {
	if len(b) == start {
		return b
	}
	return append(b, ',')
}

func appendFigure(b []byte, start int, key string, f Figure) []byte {
	if f.IsZero() {
		return b
	}
	return appendNumber(append(appendText(appendComma(b, start), key), ':'), float64(f))
}

func appendCount(b []byte, key string, n uint64) []byte {
	b = append(append(append(b, `,"`...), key...), `":`...)
	return strconv.AppendUint(b, n, 10)
}

// appendNumber writes a finite number as encoding/json does.
func appendNumber(b []byte, x float64) []byte {
	format := byte('f')
	if a := math.Abs(x); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, x, format, -1, 64)
	// e-09 is written e-9.
	if n := len(b); format == 'e' && n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' {
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

func appendKeyText(b []byte, key, value string) []byte {
	return appendText(append(appendText(b, key), ':'), value)
}

const hexDigits = "0123456789abcdef"

// appendText writes a string as encoding/json does: quotes, backslashes, control
// characters, <, >, &, U+2028 and U+2029 escaped, invalid UTF-8 replaced. It escapes the control
// characters from U+007F to U+009F, too, which a terminal may obey.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r >= 0xa0 && (r != utf8.RuneError || size > 1) && r != '\u2028' && r != '\u2029' {
			i += size
			continue
		}
		b = append(b, s[from:i]...)
		b = appendEscaped(b, r, size)
		i += size
		from = i
	}
	return append(append(b, s[from:]...), '"')
}

func appendEscaped(b []byte, r rune, size int) []byte {
	switch {
	case r == utf8.RuneError && size <= 1:
		return append(b, `\ufffd`...)
	case r == '"' || r == '\\':
		return append(b, '\\', byte(r))
	case r == '\b':
		return append(b, `\b`...)
	case r == '\f':
		return append(b, `\f`...)
	case r == '\n':
		return append(b, `\n`...)
	case r == '\r':
		return append(b, `\r`...)
	case r == '\t':
		return append(b, `\t`...)
	}
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// EscapeControls escapes what encoding/json leaves of the control characters in the text that it makes:
// U+007F to U+009F.
func EscapeControls(text []byte) []byte {
	var b []byte
	from := 0
	for i, c := range text {
		switch {
		case c == 0x7f:
			b = appendEscaped(append(b, text[from:i]...), rune(c), 1)
			from = i + 1
		case c == 0xc2 && text[i+1] < 0xa0:
			b = appendEscaped(append(b, text[from:i]...), rune(text[i+1]), 2)
			from = i + 2
		}
	}
	if from == 0 {
		return text
	}
	return append(b, text[from:]...)
}
