package app

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/consumer"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/exporter"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/pipeline"
)

// runner is a running monitor: the handler of what the consumer reads.
type runner struct {
	logger      *slog.Logger
	board       *monitor.Board
	exporter    *exporter.Exporter
	consumer    *consumer.Consumer
	deadLetters *deadLetters
	keeper      *keeper // nil: nothing is kept
	memory      *memoryGuard
	models      []*modelGroup // in force; guarded by mu
	live        bool          // not until the end
	groups      []*pipeline.Group
	sink        *pipeline.Sequencer
	results     *resultWriter
	published   func(*monitor.Snapshot)

	mu         sync.Mutex
	topics     map[string]*topic
	partitions map[partitionKey]*partition
	known      map[string]int // by topic: how many partitions were seen, or saved
	ready      bool

	shaping      sync.RWMutex   // written while a reload replaces the groups, and what is read into them; those who read batches need no lock
	replaced     chan struct{}  // the groups are others, whose histories are to be filled again
	reloading    sync.Mutex     // one at a time
	config       *config.Config // in force; guarded by reloading
	load         func() (*config.Config, error)
	configStatus monitor.ConfigStatus // guarded by mu
	configText   string               // of config, without secrets; guarded by mu

	resultsStatus monitor.ResultsStatus // guarded by mu
	learning      map[string]bool       // models of which it was said that they learn; for publish only
	counts        map[string]int        // by topic: how many partitions it has; guarded by mu
	placed        placed                // for publish only
	histories     []*monitor.History    // of the groups, as of the last publication; for publish only
	history       *monitor.History      // of all of them
}

// topic is a topic that is read, and what it holds.
type topic struct {
	name  string
	kind  event.Kind
	group *pipeline.Group
	// delivers: its partitions are lanes' predictions, whose panes go to the views.
	delivers bool
	// other is the topic of its labels, or predictions, if that is another; labelled: labels are matched with predictions.
	other    string
	labelled bool
}

type partitionKey struct {
	topic string
	index int
}

// partition is one that is being read.
type partition struct {
	topic    *topic
	key      partitionKey
	lane     *pipeline.Lane
	intake   *pipeline.Intake
	messages []pipeline.Message
	offset   int64 // of the first message that is being taken, and the records; for dead letters
	records  []consumer.Record
	saved    *pipeline.PartState // as it was restored; nil if it was not

	mu      sync.Mutex
	lag     int64
	skipped [consumer.SkipReasons]uint64
	read    bool // since the process began
	done    bool
}

func (r *runner) addTopics(m *modelGroup, g *pipeline.Group) {
	labelled := g.Labelled()
	r.topics[m.predictions] = &topic{name: m.predictions, kind: event.Prediction, group: g, delivers: true, labelled: labelled}
	if m.labels != "" && m.labels != m.predictions {
		r.topics[m.labels] = &topic{name: m.labels, kind: event.Label, group: g, other: m.predictions, labelled: labelled}
		r.topics[m.predictions].other = m.labels
		g.LabelsApart()
	}
}

// onPartitions makes the lanes before the first message of any. A partition that comes after
// others is new, and all that it holds is: so it is saved even if it cannot be read yet.
func (r *runner) onPartitions(name string, n int) {
	r.mu.Lock()
	t, known := r.topics[name], r.known[name]
	r.known[name] = max(known, n)
	r.mu.Unlock()
	t.group.Grow(n)
	if t.kind == event.Label {
		t.group.LabelPartitions(n)
	}
	r.comparePartitions(t, known, n)
	if known == 0 {
		return // where to start is for the config to say
	}
	for i := known; i < n; i++ {
		if p, err := r.partition(name, i); err == nil { // else reading it fails, too
			p.intake.Begin()
		}
	}
}

// knownPartitions returns how many partitions of a topic were seen, or saved.
func (r *runner) knownPartitions(topic string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known[topic]
}

// onFewer ends the lanes whose partitions are there no more: those of a topic that had another id. One that has
// ours and fewer partitions was not seen whole.
func (r *runner) onFewer(name string, n int, id [16]byte) {
	var gone []int
	for _, p := range r.sorted() {
		log := p.intake.Offsets().Log
		if p.key.topic != name || p.key.index < n || !p.topic.delivers || log == ([16]byte{}) || log == id {
			continue
		}
		ended, err := p.lane.End(time.Now())
		if err = r.delivered(err); err != nil {
			r.logger.Error("results cannot be written; retrying", "err", err)
		}
		if ended {
			gone = append(gone, p.key.index)
		}
	}
	if len(gone) > 0 {
		r.logger.Warn("the topic was made anew with fewer partitions; those that are gone count as ended, and windows that hold their last messages are not complete",
			"topic", name, "partitions", n, "gone", fmt.Sprint(gone))
	}
}

func (r *runner) partition(name string, index int) (*partition, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := partitionKey{name, index}
	if p := r.partitions[k]; p != nil {
		return p, nil
	}
	t := r.topics[name]
	if t.group.Lanes() <= index {
		t.group.Grow(index + 1)
	}
	p := &partition{topic: t, key: k, lane: t.group.Lane(index), lag: -1}
	var err error
	if p.intake, err = pipeline.NewIntake([]*pipeline.Lane{p.lane}, t.kind, nil); err != nil {
		return nil, fmt.Errorf("read %s/%d: %w", name, index, err)
	}
	if r.deadLetters != nil {
		p.intake.Rejected = func(i int, message []byte, reason event.Reason, _ error) {
			r.deadLetters.add(consumer.DeadLetter{
				Topic: k.topic, Partition: k.index, Offset: p.offset + int64(i), Reason: reason.String(), Key: p.records[i].Key, Payload: message,
			})
		}
	}
	t.group.Read(pipeline.Part{Topic: k.topic, Index: k.index, Intake: p.intake})
	r.partitions[k] = p
	return p, nil
}

// goOn makes the partitions what they were when they were saved.
func (r *runner) goOn(parts []pipeline.PartState) error {
	for i := range parts {
		saved := &parts[i]
		if r.topics[saved.Topic] == nil {
			r.logger.Warn("the saved state has a topic that the config has no more", "topic", saved.Topic, "partition", saved.Index)
			continue
		}
		p, err := r.partition(saved.Topic, saved.Index)
		if err != nil {
			return err
		}
		if err := p.intake.Restore(*saved); err != nil {
			return fmt.Errorf("restore %s/%d: %w", saved.Topic, saved.Index, err)
		}
		p.saved = saved
		r.known[saved.Topic] = max(r.known[saved.Topic], saved.Index+1)
	}
	return nil
}

// position returns where to go on reading a partition that was saved, or is new.
func (r *runner) position(topic string, index int) (consumer.Position, bool) {
	r.mu.Lock()
	p := r.partitions[partitionKey{topic, index}]
	r.mu.Unlock()
	if p == nil {
		return consumer.Position{}, false
	}
	o := p.intake.Offsets()
	return consumer.Position{Offset: o.Next, TopicID: o.Log}, o.Next >= 0
}

// HandleBatch takes in what was read of one partition.
func (r *runner) HandleBatch(ctx context.Context, b *consumer.Batch) error {
	p, err := r.partition(b.Topic, b.Partition)
	if err != nil {
		return err
	}
	p.account(b)
	lost := b.SkippedBatches != [consumer.SkipReasons]int64{}
	if b.Gap > 0 || b.Restarted || lost {
		r.logger.Warn("messages were lost before they were read; windows that hold the gap are not complete",
			"topic", b.Topic, "partition", b.Partition, "offset", b.First, "retention_gap", b.Gap, "unreadable_batches", fmt.Sprint(b.SkippedBatches), "topic_made_anew", b.Restarted)
	}
	p.intake.Arrive(pipeline.Arrival{Log: b.TopicID, First: b.First, Gap: b.Gap, Lost: lost, Restart: b.Restarted})
	records := len(b.Records)
	if err := r.take(ctx, p, b); err != nil {
		return err
	}
	b.Free() // others may need the memory while this lane waits for them
	if b.Done {
		r.keeper.end()
		p.intake.Finish()
	}
	r.consumer.Commit(b.Topic, b.Partition, r.deadLetters.commitable(p.key, b.Next))
	if err := r.deliver(ctx, p, pipeline.Progress{Records: records, CaughtUp: b.CaughtUp, Done: b.Done}); err != nil {
		return err
	}
	if p.topic.delivers { // labels wait where there are too many, see hold
		p.lane.Wait(ended(ctx))
	}
	return nil
}

// delivered deals with results that could not be written: a job ends, a service goes on and
// tries again.
func (r *runner) delivered(err error) error {
	if !r.live {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.resultsStatus
	switch {
	case err == nil && s.Error != "":
		r.logger.Info("results are written again")
		s.Error = ""
	case err != nil:
		if s.Error == "" {
			r.logger.Error("results cannot be written, reading goes on; retrying", "err", err)
		}
		s.Failures++
		s.Error = err.Error()
	}
	return nil
}

func (p *partition) account(b *consumer.Batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lag = max(b.HighWatermark-b.Next, 0)
	p.read = true
	for reason, n := range b.SkippedBatches {
		p.skipped[reason] += uint64(n)
	}
	p.done = b.Done
}

// takeChunk is how many messages are taken at a time, so that who waits for the intake
// does not wait long.
const takeChunk = 256

// take hands the batch to the intake in runs of consecutive offsets, so that the
// offset of a dead letter is known. It fails only if the context ends while a message waits for a reference.
func (r *runner) take(ctx context.Context, p *partition, b *consumer.Batch) error {
	stop := ended(ctx)
	for i := 0; i < len(b.Records); {
		p.messages, p.offset = p.messages[:0], b.Records[i].Offset
		for ; i < len(b.Records) && b.Records[i].Offset == p.offset+int64(len(p.messages)) && len(p.messages) < takeChunk; i++ {
			p.messages = append(p.messages, pipeline.Message{Value: b.Records[i].Value, RecordTime: recordTime(b.Records[i].Timestamp)})
		}
		p.records = b.Records[i-len(p.messages) : i]
		for messages := p.messages; ; {
			taken := p.intake.Take(messages, p.offset+int64(len(messages)))
			r.deadLetters.wait(stop)
			if taken == len(messages) {
				break
			}
			messages, p.records, p.offset = messages[taken:], p.records[taken:], p.offset+int64(taken)
			b.Lend() // the others, which this lane waits for, may need it
			if err := r.hold(ctx, p, taken); err != nil {
				return err
			}
		}
	}
	clear(p.messages[:cap(p.messages)])
	p.records = nil
	p.intake.Take(nil, b.Next) // what follows the last message is not for us
	return nil
}

// hold waits until the next message of the partition may be taken. What was taken is delivered before, since other lanes
// may wait for that.
func (r *runner) hold(ctx context.Context, p *partition, taken int) error {
	if err := r.deliver(ctx, p, pipeline.Progress{Records: taken}); err != nil {
		return err
	}
	if p.topic.delivers {
		p.lane.Hold(time.Now, ended(ctx))
	} else {
		p.lane.HoldLabels(ended(ctx))
	}
	return ctx.Err()
}

// ended reports whether a context has ended.
func ended(ctx context.Context) func() bool { return func() bool { return ctx.Err() != nil } }

// deliver hands on what a lane has taken in by now.
func (r *runner) deliver(ctx context.Context, p *partition, progress pipeline.Progress) error {
	progress.Now = time.Now()
	if r.keeper != nil { // else nobody makes it final later
		progress.Stop = ended(ctx)
	}
	if !p.topic.delivers {
		return r.delivered(p.lane.DeliverLabels(progress))
	}
	return r.delivered(p.lane.Deliver(progress))
}

// recordTime returns a record's timestamp in nanoseconds; 0 if it has none, or one that no record
// can have, as microseconds in the place of milliseconds are.
func recordTime(ms int64) int64 {
	if ms <= 0 || ms >= event.Beyond/int64(time.Millisecond) {
		return 0
	}
	return ms * int64(time.Millisecond)
}

// done reports whether all partitions were read to their declared ends.
func (r *runner) done() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.partitions {
		p.mu.Lock()
		done := p.done || !p.read // one that was restored and is there no more
		p.mu.Unlock()
		if !done {
			return false
		}
	}
	return len(r.partitions) > 0
}

func (r *runner) sorted() []*partition {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Values(r.partitions), func(a, b *partition) int {
		return cmp.Or(cmp.Compare(a.key.topic, b.key.topic), cmp.Compare(a.key.index, b.key.index))
	})
}
