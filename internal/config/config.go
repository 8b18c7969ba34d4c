package config

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Config is a whole config file with its defaults. Lists are in the file's order;
// file names are relative to the config's own folder, already resolved.
type Config struct {
	Kafka       Kafka
	DeadLetters DeadLetters
	State       State
	Windows     []Window
	// Pane is the length of the shortest piece of time that is kept; it divides a
	// minute.
	Pane time.Duration
	// AllowedLateness is how far behind its lane's largest time an event may be.
	AllowedLateness time.Duration
	// MaxFuture is how far ahead of its record's timestamp an event may be.
	MaxFuture time.Duration
	// MaxJump is how far past its lane's largest time an event without a record
	// timestamp may be; 0 is any distance.
	MaxJump time.Duration
	// Deduplicate is how long ids are remembered; 0 is not at all.
	Deduplicate time.Duration
	// MaxIDs is how many of them a partition remembers for certain of each kind of event and each span.
	MaxIDs int
	Limits Limits
	// MaxSeries is the budget of exported series.
	MaxSeries int
	// Alerts are for the rules that are generated, see Model.Alerts.
	Alerts Alerts
	Models []Model

	warnings []string
	text     string
}

// Text returns the file as it was read, without what may be secret.
func (c *Config) Text() string { return redact(c.text) }

// Warnings returns what is worth telling about a valid config: keys that have no
// effect as things are, and files of the connection that are not there now. Each
// begins with file, line and path.
func (c *Config) Warnings() []string { return c.warnings }

// Kafka says where the events are and how to get at them.
type Kafka struct {
	// Brokers are addresses, host:port.
	Brokers  []string
	Group    string
	ClientID string
	// Isolation is read_committed or read_uncommitted.
	Isolation string
	Start     Start
	// DeadLetterTopic is empty if rejected messages are only counted.
	DeadLetterTopic string
	TLS             *TLS  // nil: none
	SASL            *SASL // nil: none
	SessionTimeout  time.Duration
}

// Start says where reading begins when no position was saved.
type Start struct {
	// Policy is window, earliest, latest or timestamp.
	Policy string
	// Time is that of the policy timestamp.
	Time time.Time
}

// TLS is how the connection to the brokers is encrypted. Without a CAFile the
// system's roots are trusted.
type TLS struct {
	CAFile             string
	CertFile, KeyFile  string // both or neither
	ServerName         string
	InsecureSkipVerify bool
}

// SASL is how the client proves who it is. Either Password or PasswordFile is set.
type SASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
	Mechanism    string
	Username     string
	Password     string
	PasswordFile string
	// Insecure lets PLAIN send the password without TLS.
	Insecure bool
}

// DeadLetters says what becomes of rejected messages beside Kafka.DeadLetterTopic.
type DeadLetters struct {
	// File takes them as JSON lines; empty if no file does. With the one before it has at most
	// MaxFileBytes.
	File         string
	MaxFileBytes int
	// WhenDown is drop or block: what is done when neither topic nor file can be written.
	WhenDown string
	// Redact leaves keys and payloads out.
	Redact bool
}

// State is where what must survive a restart is kept.
type State struct {
	Dir          string // empty: nowhere
	SaveInterval time.Duration
}

// Window is a sliding window.
type Window struct {
	// Name is the length as it is written in the file, such as 5m.
	Name   string
	Length time.Duration
}

// Limits are those of one message; beyond them it is rejected as too large.
type Limits struct {
	MessageBytes int
	Depth        int // of nested objects and arrays
	Fields       int // of all objects together
	StringBytes  int
}

// Model is one monitored model.
type Model struct {
	Name      string
	Topics    Topics
	Reference Reference
	// Task is binary, multiclass, regression, ranking or none.
	Task string
	// Positive is the label of the positive class of a binary task, or empty.
	Positive string
	// Features are those of the file, with settings of prediction outputs among
	// them; AllFeatures is the list to monitor.
	Features []Feature
	Segments []Segment
	Labels   Labels
	// Performance is measured with labels.
	Performance Performance
	Drift       Drift
	// Changes are the figures that change detectors watch.
	Changes []Change
	// KPIs are business figures.
	KPIs []KPI
	// Alerts are the thresholds of the model's alert rules.
	Alerts  ModelAlerts
	Mapping Mapping
}

// Topics are the Kafka topics of a model.
type Topics struct {
	Predictions string
	Labels      string // empty: none
}

// Reference is what windows are compared with.
type Reference struct {
	// File is the profile for all versions that Versions does not name, or empty.
	File string
	// Versions has the profile's file of a version.
	Versions map[string]string
	// Learn is of how much event time the profile for all versions that Versions does not name is learned; 0: it is not.
	Learn time.Duration
}

// Feature is an input or output of a model.
type Feature struct {
	Name string
	// Type is numeric or categorical.
	Type string
	// Path is where the value is in a message; empty: under the mapping's features.
	Path string
	// Importance weighs the feature against the others; it is not negative.
	Importance float64
	// ShowCategories is known, all or none: which categories results name; empty is known.
	ShowCategories string
	// Floor is the effect below which there is no drift, in the unit of the
	// deciding statistic; 0 is that statistic's default.
	Floor float64
	// DecideBy is the short name of the deciding statistic; empty: that of Drift.
	DecideBy string
	// Alerts are the feature's own thresholds of alert rules.
	Alerts FeatureAlerts
}

// Segment is a segmentation of the traffic.
type Segment struct {
	Name string
	// Path is where the value is in a message; empty: under the mapping's segments.
	Path string
	// Values are those with series of their own; empty: those of the reference.
	Values []string
}

// Labels says how true labels are matched.
type Labels struct {
	// Timeout is how long after its prediction a label may come.
	Timeout time.Duration
	// MaxPending is how many predictions of the model wait for their labels in a partition; beyond it the oldest go.
	MaxPending int
}

// Drift says how windows are compared.
type Drift struct {
	// Statistics are short names: psi, js, kl, hellinger, tvd, chi2, ks, wasserstein.
	Statistics []string
	// DecideBy is one of Statistics.
	DecideBy string
	// MinSamples is the number of values below which nothing is judged.
	MinSamples  int
	FalseAlarms FalseAlarms
	// Against is "reference", or "version" and a space and a version: that one's window of the same time; or "trailing" and a
	// space and a duration: the same stream that long ago.
	Against string
}

// FalseAlarms is the accepted rate of alarms of a model while nothing changes.
type FalseAlarms struct {
	Count float64
	Per   time.Duration
}

// Mapping says where the fields of the envelope are in a message. Each field of
// type string but TimeUnit is a path such as $.a.b; empty is the envelope's own place.
type Mapping struct {
	Type       string
	ID         string
	Time       string
	Model      string
	Version    string
	Features   string
	Segments   string
	Score      string
	Label      string // the predicted one
	Value      string
	Lower      string
	Upper      string
	Scores     string // by class
	Items      string // recommended
	LatencyMS  string
	Status     string
	TrueLabel  string
	LabelItems string // relevant
	LabelTime  string
	RecordTime string
	// TimeUnit of numeric times is auto, s, ms, us or ns.
	TimeUnit string
	// ParseStrings reads numbers from text.
	ParseStrings bool
	Errors       Errors
}

// Errors says which statuses are errors: a number of at least MinStatus, or one of
// Statuses.
type Errors struct {
	MinStatus int
	Statuses  []string
}

// Files are those that the config names to be read, or kept: whatever else is written must be none of them.
func (c *Config) Files() []string {
	names := []string{c.DeadLetters.File}
	if t := c.Kafka.TLS; t != nil {
		names = append(names, t.CAFile, t.CertFile, t.KeyFile)
	}
	if s := c.Kafka.SASL; s != nil {
		names = append(names, s.PasswordFile)
	}
	if c.State.Dir != "" {
		names = append(names, filepath.Join(c.State.Dir, "streammon.state"))
	}
	for i := range c.Models {
		r := &c.Models[i].Reference
		names = append(append(names, r.File), slices.Collect(maps.Values(r.Versions))...)
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// Trailing returns how long ago the time was that windows are compared with; 0 if it is not a time.
func (d *Drift) Trailing() time.Duration {
	length, _ := strings.CutPrefix(d.Against, againstTrailing)
	t, ok := ParseDuration(length)
	if !ok || length == d.Against {
		return 0
	}
	return t
}

// AgainstVersion returns the version whose windows the others' are compared with; empty if it is the reference.
func (d *Drift) AgainstVersion() string {
	version, ok := strings.CutPrefix(d.Against, againstVersion)
	if !ok {
		return ""
	}
	return version
}
