// Package event is the vocabulary that the decoders and the core share: what a
// message said (Event), the features a group of models wants from it (Schema),
// and the one table by which a raw value becomes a numeric or categorical one.
//
// It holds no state and starts nothing. An Event is reused by its decoder: its
// byte slices alias the message and are valid until the next one is decoded.
package event

import "time"

// Kind tells predictions from labels.
type Kind uint8

// The kinds of event.
const (
	Prediction Kind = iota
	Label
)

// String returns the envelope's name of the kind, "prediction" or "label".
func (k Kind) String() string {
	if k == Label {
		return "label"
	}
	return "prediction"
}

// Type says how the values of a feature are read.
type Type uint8

// The types of feature.
const (
	Numeric Type = iota
	Categorical
)

// String returns the type's name in configs, profiles and results.
func (t Type) String() string {
	if t == Categorical {
		return "categorical"
	}
	return "numeric"
}

// State says whether a feature had a usable value in an event.
type State uint8

// The states of a value. Missing is the zero value: what an event does not
// mention is missing.
const (
	Missing State = iota
	Invalid
	Valid
)

// Value is one feature's value in one event. A valid numeric value is in
// Number and finite; a valid categorical value is in Text, which may be empty.
type Value struct {
	State  State
	Number float64
	Text   []byte
}

// Feature is a named input or output of a model and how to read it.
type Feature struct {
	Name string
	Type Type
}

// Names of the features that stand for what the model answered.
const (
	PredictionScore = "prediction.score"
	PredictionLabel = "prediction.label"
	PredictionValue = "prediction.value"
)

// IsOutput reports whether a feature of this name is what a model answered.
func IsOutput(name string) bool {
	return name == PredictionScore || name == PredictionLabel || name == PredictionValue
}

// Other is the name under which versions, segment values and the like are
// counted that have no place of their own.
const Other = "__other__"

// Schema is what a decoder extracts for a group of models that share topics.
// The order of each list is the order of the slices in Event.
type Schema struct {
	// Models are the names of the group's models.
	Models []string
	// Features is the union of the models' features; a name appears twice if
	// two models read it as different types. Prediction outputs are features
	// with the names PredictionScore, PredictionLabel and PredictionValue.
	Features []Feature
	// Segments are the names of the segmentations of all models, such as
	// "country".
	Segments []string
	// Answers is what is wanted beside the features: Event has no more than that.
	Answers Answers
}

// Event is one decoded message.
type Event struct {
	Kind Kind
	// Time is the event time in nanoseconds since the Unix epoch.
	Time int64
	// RecordTime is the time of the carrying record (Kafka's timestamp, or the
	// path record_time of a file), in nanoseconds since the Unix epoch; 0 or
	// less if there is no usable one.
	RecordTime int64
	// ID pairs a prediction with its label; it may be empty.
	ID []byte
	// Model is an index into Schema.Models.
	Model int
	// Version of the model; it may be empty.
	Version []byte
	// Failed reports that the service answered with an error.
	Failed bool
	// HasLatency reports that Latency, in seconds, was given and valid: finite
	// and not negative.
	HasLatency bool
	Latency    float64
	// Features has a value for each of Schema.Features.
	Features []Value
	// Segments has the value of each of Schema.Segments; nil if absent.
	Segments [][]byte
	// Lower and Upper are the numbers between which the model expects the value.
	Lower, Upper Value
	// Scores are the scores of classes, each class once, in the message's order; none unless ScoresState is Valid.
	Scores      []ClassScore
	ScoresState State
	// Items are what was recommended, the best first, of more than MaxItems the first so many; an item may be there twice. None
	// unless ItemsState is Valid.
	Items      [][]byte
	ItemsState State
	// Truth is the label: of a label event, or of a row that carries its own.
	Truth Truth
	// Unlisted is how many members of the features object are no feature of the schema.
	Unlisted int
}

// Ancient is the time before which an event is rejected as ancient:
// 2000-01-01T00:00:00Z in nanoseconds since the Unix epoch.
var Ancient = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

// Beyond is the time from which on an event is rejected as future, whatever its record
// says: 2200-01-01T00:00:00Z in nanoseconds since the Unix epoch. It keeps the ends of
// windows within what an int64 can hold.
var Beyond = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

// Reason says why a message was rejected. The set is closed.
type Reason uint8

// The reasons of rejection. Accepted is the zero value and no reason at all.
const (
	Accepted Reason = iota
	// Empty: the message has no bytes.
	Empty
	// TooLarge: the message, its depth, its fields or one string is over the limit.
	TooLarge
	// Syntax: not JSON, invalid UTF-8, or a duplicate key.
	Syntax
	// Envelope: a required field is missing or of the wrong type.
	Envelope
	// Time: the event time cannot be read.
	Time
	// Future: too far ahead of the record's own timestamp, or beyond the year 2199.
	Future
	// Past: before the year 2000; its name is "ancient".
	Past
	// Model: a model that no config on this topic names.
	Model
	// Reasons is the number of reasons, Accepted included.
	Reasons
)

var reasonNames = [Reasons]string{"", "empty", "too_large", "syntax", "envelope", "time", "future", "ancient", "model"}

// String returns the reason as it appears in metrics and ledgers.
func (r Reason) String() string {
	if r >= Reasons {
		return "unknown"
	}
	return reasonNames[r]
}
