package monitor

import (
	"math"
	"time"

	"github.com/streammon/streammon/internal/kpi"
)

// Figure is a computed number; NaN means that it is undefined, and an undefined
// figure is left out of every output.
type Figure float64

// Undefined is the figure that has no value.
var Undefined = Figure(math.NaN())

// IsZero reports whether the figure is undefined; encoding/json's omitzero asks it.
func (f Figure) IsZero() bool { return math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) }

// Result is what is known of one series in one window: the object of
// `replay --json`, of the HTTP API and of reports. It is immutable once published.
type Result struct {
	Model    string    `json:"model"`
	Version  string    `json:"version"`
	Segment  string    `json:"segment"`
	Window   string    `json:"window"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Complete bool      `json:"complete"`
	// Events is the number of accepted predictions, failed requests included.
	Events   uint64          `json:"events"`
	Service  Service         `json:"service"`
	Features []FeatureResult `json:"features,omitempty"`
	// DriftedImportance is the share of the features with a state whose state is "drift", each weighted by its
	// importance; meaningful if Judged is not 0.
	DriftedImportance Figure `json:"drifted_importance_ratio,omitzero"`
	// Changes is what the sequential detectors say; for all traffic only.
	Changes []ChangeResult `json:"changes,omitempty"`
	// KPIs are the business figures that are defined, in the order of the config; they are a JSON object by name.
	KPIs []kpi.Figure `json:"kpis,omitempty"`
	// Performance is nil if nothing is known of the answers.
	Performance *PerformanceResult `json:"performance,omitempty"`

	// Length of the window in nanoseconds, for ordering.
	Length int64 `json:"-"`
	// Drifted is the number of features whose State is "drift"; Judged is the
	// number of features with a state at all.
	Drifted int `json:"-"`
	Judged  int `json:"-"`
}

// Service figures of a window.
type Service struct {
	RequestsPerSecond Figure    `json:"requests_per_second,omitzero"`
	ErrorRatio        Figure    `json:"error_ratio,omitzero"`
	Latency           Quantiles `json:"latency_seconds,omitzero"`
}

// Quantile is the value of the quantile Q, 0 ≤ Q ≤ 1, written as in the metric
// label ("0.5").
type Quantile struct {
	Q     string
	Value Figure
}

// Quantiles are ordered by their quantile; they are a JSON object.
type Quantiles []Quantile

// IsZero reports whether there is no quantile.
func (q Quantiles) IsZero() bool { return len(q) == 0 }

// The states of a drift verdict; an undefined state is empty.
const (
	StateOK      = "ok"
	StateWarning = "warning"
	StateDrift   = "drift"
)

// StateChange is the state of a detector that has found a change within the window.
const StateChange = "change"

// ChangeResult is what detectors say of one figure of a series, whose panes they take up to the end of the window.
type ChangeResult struct {
	Figure string `json:"figure"`
	// Feature is empty for figures of all requests.
	Feature   string          `json:"feature,omitempty"`
	Detectors DetectorResults `json:"detectors"`
}

// DetectorResult is what one detector says.
type DetectorResult struct {
	Detector string `json:"-"`
	// State is StateOK, StateWarning or StateChange.
	State string `json:"state"`
	// Found is when it found its last change, and Since when that is estimated to have begun, in Unix nanoseconds; 0 if
	// there was none.
	Found int64 `json:"-"`
	Since int64 `json:"-"`
}

// DetectorResults are in the order of the config; they are a JSON object by detector.
type DetectorResults []DetectorResult

// FeatureResult is what is known of one feature of a series in one window.
type FeatureResult struct {
	Name string `json:"name"`
	// Type is "numeric" or "categorical".
	Type string `json:"type"`
	// Count of valid values; with Missing and Invalid it makes the number of
	// requests that were answered without an error.
	Count   uint64 `json:"count"`
	Missing uint64 `json:"missing"`
	Invalid uint64 `json:"invalid"`
	// HasReference reports whether OutOfRange, Unseen and Drift are defined.
	HasReference bool `json:"-"`
	// Unmatched are those of Count that were counted by another reference than the newest of the window: they have no
	// part in OutOfRange, Unseen and Drift.
	Unmatched  uint64    `json:"unmatched,omitzero"`
	OutOfRange uint64    `json:"out_of_range"`
	Unseen     uint64    `json:"unseen"`
	Mean       Figure    `json:"mean,omitzero"`
	StdDev     Figure    `json:"stddev,omitzero"`
	Min        Figure    `json:"min,omitzero"`
	Max        Figure    `json:"max,omitzero"`
	Quantiles  Quantiles `json:"quantiles,omitzero"`
	// ReferenceQuantiles are those of the reference, where Quantiles are known; in final results for pictures only (View.Picture).
	ReferenceQuantiles Quantiles `json:"-"`
	// Distinct is the estimated number of distinct values; DistinctKnown tells
	// 0 from undefined (segments keep no such sketch).
	Distinct      uint64 `json:"distinct"`
	DistinctKnown bool   `json:"-"`
	Drift         Drifts `json:"drift,omitzero"`
	State         string `json:"state,omitempty"`
	// Since is when the feature is estimated to have begun to move, in Unix nanoseconds, while State is a warning or drift:
	// to the slide of the window, and within the first window that showed it. 0 if it is not known.
	Since int64 `json:"-"`
	// QValue is the smallest false discovery rate, among all features of all segments of the version in the window, at
	// which this one is a discovery, by the p-value of the deciding statistic.
	QValue Figure `json:"qvalue,omitzero"`
	// Calibration says why the verdict may be wrong: drift.Independent or drift.Insufficient; empty if it is calibrated, or there is
	// no reference.
	Calibration string `json:"calibration,omitempty"`
	// Moved is there if State is warning or drift.
	Moved *Moved `json:"moved,omitempty"`
	// Distribution is nil if there is nothing to compare with; in final results for pictures only.
	Distribution *Distribution `json:"-"`
	// Needs is the number of values that a state takes; 0 if there is nothing to compare with.
	Needs uint64 `json:"-"`
}

// Drift is one statistic between the reference and a window.
type Drift struct {
	// Statistic is its name: the metric's without "streammon_drift_".
	Statistic string `json:"-"`
	Value     Figure `json:"value,omitzero"`
	Threshold Figure `json:"threshold,omitzero"`
	PValue    Figure `json:"pvalue,omitzero"`
}

// Drifts are in the order of the catalogue; they are a JSON object by statistic.
type Drifts []Drift

// IsZero reports whether there is no statistic.
func (d Drifts) IsZero() bool { return len(d) == 0 }
