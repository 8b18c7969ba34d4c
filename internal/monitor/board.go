package monitor

import (
	"sync/atomic"
	"time"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
)

// Snapshot is one immutable picture of everything that readers may see: the
// exporter, the pages and the sinks read nothing else.
type Snapshot struct {
	// At is the wall-clock time of publication, Unix nanoseconds.
	At int64
	// Results are ordered by model, version, segment and window length.
	Results []*Result
	// History has what results were at the slides of their windows until now; it may be nil.
	History *History
	// Models has every configured model, with or without results.
	Models []ModelStatus
	// Partitions has every topic partition that is read, ordered.
	Partitions []PartitionStatus
	// Placements has every topic whose labels are matched with predictions.
	Placements []PlacementStatus
	// Ledger is the sum over all lanes since the process (or the state) began.
	Ledger event.Ledger
	// Ready is empty, or says what readiness waits for.
	NotReady string
	Memory   MemoryStatus
	// State is nil if no state is kept.
	State *StateStatus
	// Final is nil if no final results are written.
	Final *ResultsStatus
	// Config is nil if none was loaded from a file.
	Config *ConfigStatus
	// ConfigText is the config in force without its secrets; empty if it is not known.
	ConfigText string
	// Series is nil before the first publication was exported.
	Series *SeriesStatus
	// Exporting is false while another member of the group exports the models'
	// figures, or while this member's membership is in doubt.
	Exporting bool
}

// ModelStatus is a model's own account, since the process began.
type ModelStatus struct {
	Model     string
	Accepted  uint64
	Late      uint64
	Duplicate uint64
	// Folded are the values without a place of their own; unlike the counts above they are not saved.
	Folded [Folds]uint64
	// LastEvent is the largest accepted event time in Unix nanoseconds; 0 if none.
	LastEvent int64
	// References in force, one a version; Version is empty for all versions.
	References []ReferenceStatus
	// Provenance of the references, in the same order; none if it is not known.
	Provenance []ReferenceProvenance
	// Learning is nil unless the model's reference is learned from its own events.
	Learning *LearningStatus
	// Topics that its messages are in: predictions, and labels if they have another.
	Topics []string
	// Task of the answers that are measured; eval.None if none are.
	Task eval.Task
	// Labels is nil if no labels come.
	Labels *LabelStatus
	// KPIs are what business figures left out, in the order of the config; they are not saved either.
	KPIs []KPIStatus
}

// KPIStatus is how many predictions a business figure left out: Undefined lacked a value that it needs, and Failed are those on
// which it failed.
type KPIStatus struct {
	Name              string
	Undefined, Failed uint64
}

// LearningStatus is what is known of a reference that is learned, or was.
type LearningStatus struct {
	// Done: it is learned.
	Done bool
	// Until is the end of the time it is learned from, and Since the start of the first pane for which it is in force, Unix
	// nanoseconds; both are 0 before the first event.
	Until, Since int64
	// Events is the number of events in the time until now.
	Events uint64
}

// Fold says why a value of an accepted prediction has no place of its own.
type Fold uint8

// The reasons of folding.
const (
	// VersionLimit: the lane tells MaxLiveVersions others apart; it counts as event.Other.
	VersionLimit Fold = iota
	// SegmentUnlisted: neither config nor reference list the segment's value; it counts as event.Other.
	SegmentUnlisted
	// FeatureUnlisted: no model of the topic has a feature of the name; it is ignored.
	FeatureUnlisted
	// Folds is the number of reasons.
	Folds
)

// String returns the reason as it appears in metrics.
func (f Fold) String() string {
	return [Folds]string{"version_limit", "segment_unlisted", "feature_unlisted"}[f]
}

// ReferenceProvenance says what a reference was built from.
type ReferenceProvenance struct {
	Version string
	Rows    uint64
	// Inputs are the names of the files, or the Kafka range, and Builder the version of streammon that built it. First and Last are the
	// smallest and largest event times, RFC 3339; empty if rows had none.
	Inputs               []string
	Builder, First, Last string
}

// ReferenceStatus identifies a reference in force.
type ReferenceStatus struct {
	Version     string
	Fingerprint string
}

// PartitionStatus is what is known of a partition that is read. Counts begin at 0 with the process,
// as those of ModelStatus do; the Ledger of a Snapshot goes on over restarts.
type PartitionStatus struct {
	Topic     string
	Partition int
	Consumed  uint64
	Rejected  [event.Reasons]uint64
	// Lag is the number of messages not read yet; negative if unknown.
	Lag int64
	// Watermark in Unix nanoseconds; 0 if there is none yet.
	Watermark int64
	// Gap is the number of messages lost to retention before they were read.
	Gap uint64
	// ForgottenIDs is the number of ids that were forgotten before their time.
	ForgottenIDs uint64
	// DeadLetters is the number of messages written to the dead-letter topic.
	DeadLetters uint64
	// LostLetters is the number of those that were dropped, because writing failed.
	LostLetters uint64
	// Skipped are the batches that could not be read, with every reason that there is.
	Skipped []SkippedBatches
}

// SeriesStatus is what is known of the exported series, as of the last publication that was exported.
type SeriesStatus struct {
	// Series are those that were exported, of at most Limit.
	Series, Limit int
	// Dropped are those that did not fit, summed over publications.
	Dropped uint64
}

// PlacementStatus is what a sample of a topic's labels says of their partitions.
type PlacementStatus struct {
	Topic, Predictions string // the topics of labels and predictions
	// Labels of the sample have a prediction that is known, of which Elsewhere have it in another partition.
	Labels, Elsewhere int
	// Partition of one of these labels, and of its prediction.
	Partition, Prediction int
	// Misplaced: so many are elsewhere that it is no accident.
	Misplaced bool
}

// MemoryStatus is what is known of memory, in bytes.
type MemoryStatus struct {
	// Budget is the most that the config takes; Limit is that or the machine's, whichever is less.
	Budget, Limit int64
	InUse         int64
	// Paused is for how long reading was paused for lack of memory, all partitions together.
	Paused time.Duration
}

// StateStatus is what is known of the state that is kept on the disk.
type StateStatus struct {
	// LastSave is zero before the first; Interval is the time between saves now.
	LastSave time.Time
	Interval time.Duration
	// Took is the time of the last save, Held the part of it that held reading up.
	Took, Held time.Duration
	Bytes      int // written by the last save
	Saves      uint64
	Failures   uint64
	// Resets are the parts that had to begin anew since the process began, by reason.
	Resets map[string]uint64
	// Error is why the last save failed, empty if it did not.
	Error string
}

// ResultsStatus is what is known of final results that are written to a file.
type ResultsStatus struct {
	Failures uint64 // of writing
	// Error is why the last one failed, empty if it did not.
	Error string
}

// ConfigStatus is what is known of loading the config.
type ConfigStatus struct {
	// Error is why the last reload was refused, empty if it was not; the config before is in force then.
	Error string
	// Loaded is when the config in force was loaded.
	Loaded time.Time
	// Failures is how often a reload was refused.
	Failures uint64
}

// SkippedBatches is how many batches were skipped for a reason.
type SkippedBatches struct {
	Reason  string
	Batches uint64
}

// Board holds the newest snapshot. Publish and Load may be called by any
// goroutine.
type Board struct {
	// MayExport, if set, is asked at each Load of a snapshot that is exporting: a process that was
	// stopped and goes on shows that snapshot before it publishes the next, and another member may
	// export by then. It is set before the first Load.
	MayExport func() bool

	current atomic.Pointer[Snapshot]
}

// Publish replaces the snapshot; it must not be changed afterwards.
func (b *Board) Publish(s *Snapshot) { b.current.Store(s) }

// Load returns the newest snapshot, or nil before the first. One that may not be exported any more
// is replaced by a copy that says so, and stays that until the next Publish.
func (b *Board) Load() *Snapshot {
	for {
		s := b.current.Load()
		if s == nil || !s.Exporting || b.MayExport == nil || b.MayExport() {
			return s
		}
		fenced := *s
		fenced.Exporting = false
		b.current.CompareAndSwap(s, &fenced)
	}
}
