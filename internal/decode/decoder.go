package decode

import (
	"errors"
	"fmt"
	"slices"

	"github.com/streammon/streammon/internal/event"
)

// Limits of a message. Beyond them it is too large; nothing is allocated for it.
type Limits struct {
	MessageBytes int
	Depth        int // of nested objects and arrays
	Fields       int // members of all objects together
	StringBytes  int // of one string or key, unescaped
}

// DefaultLimits are 1 MiB, depth 16, 1,024 fields and strings of 4 KiB.
func DefaultLimits() Limits {
	return Limits{MessageBytes: 1 << 20, Depth: 16, Fields: 1024, StringBytes: 4096}
}

// ErrorRule says which status is an error of the service: a number, or a string of
// digits, of at least MinStatus, or one of Statuses. The zero value is the default: 500
// and "error".
type ErrorRule struct {
	MinStatus int
	Statuses  []string
}

// Mapping says where the fields of the envelope are, as paths (see ParsePath). An
// empty one is the default: the name in the comment. RecordTime and LabelTime have none.
type Mapping struct {
	Type       string // type
	ID         string // id
	Time       string // time
	Model      string // model
	Version    string // version
	Features   string // features: the object that holds the features by name
	Segments   string // segments: the object that holds the segments by name
	Score      string // prediction.score
	Label      string // prediction.label
	Value      string // prediction.value
	Lower      string // prediction.lower
	Upper      string // prediction.upper
	Scores     string // prediction.scores: the object that holds the scores by class
	Items      string // prediction.items: the list of what was recommended
	LatencyMS  string // latency_ms
	Status     string // status
	TrueLabel  string // label
	LabelItems string // the member items of TrueLabel: a list of what was relevant, or an object of how relevant it was
	LabelTime  string
	RecordTime string

	FeaturePaths map[string]string // of single features, by name
	SegmentPaths map[string]string // of single segments, by name

	ErrorStatus ErrorRule
	TimeUnit    TimeUnit
	// ParseStrings reads numeric features from text too, and lists and objects of scores and items from JSON in texts.
	ParseStrings bool
}

// Options say what to decode.
type Options struct {
	Schema  event.Schema
	Mapping Mapping
	// Limits; zero ones are the defaults.
	Limits Limits
	// DefaultKind is that of messages without a type.
	DefaultKind event.Kind
	// NeedModel requires the model's name even where there is but one.
	NeedModel bool
	// FeaturesOnly requires no field at all, for training data. A time that is there
	// and can be read is still given.
	FeaturesOnly bool
	// AnyModel takes what other models were asked for the first model's, too.
	AnyModel bool
}

// Decoder decodes messages, one at a time, for one goroutine.
type Decoder struct {
	options Options
	models  map[string]int
	root    *node
	scanner scanner
	found   found
}

// found is what one message said besides features and segments.
type found struct {
	envelope  bool // a field is of the wrong type
	badTime   bool
	hasTime   bool
	kind      event.Kind
	model     []byte
	hasModel  bool
	hasLabel  bool
	labelTime int64
	labelSeen bool // label_time is there
	labelBad  bool // and cannot be read
}

// New returns a decoder. The error names the path that is wrong.
func New(o Options) (*Decoder, error) {
	d := DefaultLimits()
	setDefault(&o.Limits.MessageBytes, d.MessageBytes)
	setDefault(&o.Limits.Depth, d.Depth)
	setDefault(&o.Limits.Fields, d.Fields)
	setDefault(&o.Limits.StringBytes, d.StringBytes)
	setDefault(&o.Mapping.ErrorStatus.MinStatus, 500)
	if o.Mapping.ErrorStatus.Statuses == nil {
		o.Mapping.ErrorStatus.Statuses = []string{"error"}
	}
	dec := &Decoder{options: o, models: map[string]int{}}
	for i, m := range o.Schema.Models {
		dec.models[m] = i
	}
	if len(o.Schema.Models) == 0 {
		return nil, errors.New("compile mapping: the schema has no model")
	}
	var err error
	if dec.root, err = compile(&o); err != nil {
		return nil, fmt.Errorf("compile mapping: %w", err)
	}
	dec.scanner = newScanner(o.Limits)
	return dec, nil
}

func setDefault(field *int, value int) {
	if *field == 0 {
		*field = value
	}
}

// Decode decodes one message into ev, whose slices are used again and alias msg or the
// decoder's own memory until the next call. It returns event.Accepted, or why not;
// then ev is of no use.
func (d *Decoder) Decode(msg []byte, ev *event.Event) event.Reason {
	d.reset(ev)
	d.scanner.err = scanError{}
	switch {
	case len(msg) == 0:
		return event.Empty
	case len(msg) > d.options.Limits.MessageBytes:
		d.scanner.err = scanError{event.TooLarge, "message", d.options.Limits.MessageBytes}
		return event.TooLarge
	}
	if !d.scan(msg, ev) {
		return d.scanner.err.reason
	}
	return d.judge(ev)
}

// LastError says more about why the last message was rejected; nil if it was not.
func (d *Decoder) LastError() error {
	if d.scanner.err.reason == event.Accepted {
		return nil
	}
	return d.scanner.err
}

func (d *Decoder) reset(ev *event.Event) {
	s := &d.options.Schema
	if len(ev.Features) != len(s.Features) {
		ev.Features = make([]event.Value, len(s.Features))
	}
	if len(ev.Segments) != len(s.Segments) {
		ev.Segments = make([][]byte, len(s.Segments))
	}
	clear(ev.Features)
	clear(ev.Segments)
	*ev = event.Event{
		Features: ev.Features, Segments: ev.Segments, Scores: ev.Scores[:0], Items: ev.Items[:0],
		Truth: event.Truth{Items: ev.Truth.Items[:0]},
	}
	d.found = found{kind: d.options.DefaultKind}
}

// judge decides whether what was found is an event.
func (d *Decoder) judge(ev *event.Event) event.Reason {
	f := &d.found
	ev.Kind = f.kind
	if d.options.FeaturesOnly {
		if !f.hasTime || f.badTime {
			ev.Time = 0
		}
		return d.model(ev)
	}
	lone := len(d.options.Schema.Models) == 1 && !d.options.NeedModel
	switch {
	case f.envelope:
		return d.reject(event.Envelope, "a field of the wrong type")
	case !f.hasTime:
		return d.reject(event.Envelope, "no time")
	case f.kind == event.Label && len(ev.ID) == 0:
		return d.reject(event.Envelope, "a label without an id")
	case f.kind == event.Label && !f.hasLabel:
		return d.reject(event.Envelope, "a label without its label")
	case !f.hasModel && !lone:
		return d.reject(event.Envelope, "no model")
	case f.badTime:
		return d.reject(event.Time, "a time that cannot be read")
	}
	return d.model(ev)
}

// model finds the model that the event names, if it names one.
func (d *Decoder) model(ev *event.Event) event.Reason {
	if !d.found.hasModel || d.options.AnyModel {
		return event.Accepted
	}
	i, ok := d.models[string(d.found.model)]
	if !ok {
		return d.reject(event.Model, "an unknown model")
	}
	ev.Model = i
	return event.Accepted
}

func (d *Decoder) reject(r event.Reason, why string) event.Reason {
	d.scanner.err = scanError{r, why, -1}
	return r
}

// LabelOf makes ev the label event of the prediction just decoded, if its message
// carried label and label_time. The reason is that of rejecting the label: a
// label_time that cannot be read.
func (d *Decoder) LabelOf(ev *event.Event) (ok bool, reason event.Reason) {
	f := &d.found
	if f.kind != event.Prediction || !d.Labelled() {
		return false, event.Accepted
	}
	switch {
	case f.labelBad:
		reason = event.Time
	case len(ev.ID) == 0:
		reason = event.Envelope
	}
	ev.Kind, ev.Time = event.Label, f.labelTime
	return true, reason
}

// Labelled reports whether the message just decoded is a label, or a prediction with its own.
func (d *Decoder) Labelled() bool {
	f := &d.found
	return f.kind == event.Label || d.options.Mapping.LabelTime != "" && f.hasLabel && f.labelSeen
}

// isError applies the rule for statuses.
func (r *ErrorRule) isError(v *value) bool {
	switch v.kind {
	case numberValue:
		f, ok := parseFloat(v.text)
		return ok && f >= float64(r.MinStatus)
	case stringValue:
		if slices.ContainsFunc(r.Statuses, func(s string) bool { return s == string(v.text) }) {
			return true
		}
		if isDigits(v.text) {
			f, _ := parseFloat(v.text) // too many digits are infinite
			return f >= float64(r.MinStatus)
		}
	}
	return false
}
