package oracle

import "time"

// Setup describes one group of models that share their topics, as plainly as a
// config file would.
type Setup struct {
	Models []Model
	// Windows are the lengths of window, in any order.
	Windows []Span
	// Pane is the unit of time in which events become late.
	Pane time.Duration
	// Lateness is how far events may lag behind the largest event time.
	Lateness time.Duration
	// MaxFuture is how far an event may be ahead of its record.
	MaxFuture time.Duration
	// Deduplicate is how long a repeated id of a model is found; 0 is never.
	Deduplicate time.Duration
}

// Model is one model of the group.
type Model struct {
	Name     string
	Features []Feature
	Segments []Segment
	// Task is nil if the model's answers are not held against labels.
	Task *Task
}

// Kind is what a model does.
type Kind uint8

// The kinds of task.
const (
	Binary Kind = iota
	Multiclass
	Regression
	Ranking
)

// Task says what a model's answers and labels mean.
type Task struct {
	Kind Kind
	// Positive is the positive class of Binary; all others are the negative one.
	Positive string
	// Classes of Multiclass; all others are one, event.Other.
	Classes []string
	// K are the cut-offs of Ranking.
	K []int
	// Timeout is how long after its prediction a label may be.
	Timeout time.Duration
}

// Feature is a numeric or categorical input. The names event.PredictionScore,
// event.PredictionLabel and event.PredictionValue stand for the model's answer.
type Feature struct {
	Name        string
	Categorical bool
	// Reference is nil if there is nothing to compare with.
	Reference *Reference
}

// Segment is a segmentation, such as "country", and the values that are told
// apart.
type Segment struct {
	Name   string
	Values []string
}

// Span is a length of window and its name.
type Span struct {
	Name   string
	Length time.Duration
}

// Reference is what a feature looked like in training.
type Reference struct {
	// Edges are the rising inner edges of the fine bins of a numeric feature:
	// bin i holds Edges[i-1] < x <= Edges[i], both ends are open.
	Edges []float64
	// EdgeIsDecile marks the edges that also bound a decile.
	EdgeIsDecile []bool
	// Counts has one count for each of the len(Edges)+1 fine bins.
	Counts []uint64
	// Sorted is the whole reference sample, rising.
	Sorted                   []float64
	Min, Max, StdDev, Median float64

	// Categories of a categorical feature in byte order, with their counts, and
	// the count of all others.
	Categories     []string
	CategoryCounts []uint64
	UnseenCount    uint64
}

// Message is one record of a lane.
type Message struct {
	// Value is the JSON text; it has no newline in messages made by Generate.
	Value []byte
	// RecordTime is the record's own timestamp in Unix nanoseconds; 0 or less if
	// there is none.
	RecordTime int64
}
