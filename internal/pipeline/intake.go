package pipeline

import (
	"errors"
	"fmt"
	"sync"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
)

// errKind: labels that are apart from predictions come from one stream only, since it would else depend on how two of them interleave which
// labels are late, and which is the first of its prediction.
var errKind = errors.New("a label among predictions, or the other way round, where labels have a topic of their own")

// Intake takes in the messages of one topic partition, or of one file, in order.
// Its methods but Ledger are called by one goroutine.
type Intake struct {
	kind   event.Kind // of messages without a type
	routes []route
	event  event.Event
	labels labelQueue
	label  event.Event // that has waited
	// Rejected, if set, is told of each rejected message: its index in what Take was
	// given, and why.
	Rejected func(index int, message []byte, reason event.Reason, detail error)

	mu      sync.Mutex
	ledger  event.Ledger
	offsets Offsets
	truths  int // labels that were decoded, in rows of their own or of predictions
}

// Offsets is the account of a partition's offsets, beside the ledger of its messages. While
// its log stays the same, Next − First = Messages + Skipped + Gap.
type Offsets struct {
	// Log identifies what is read: the topic's id; zero if it is unknown.
	Log [16]byte
	// First is the offset at which reading began, Next that of the next message; both
	// are -1 before anything was read.
	First, Next int64
	Messages    uint64
	Skipped     uint64 // that hold no message for us
	Gap         uint64 // that retention took away unread
	Restarts    uint64 // how often the log was made anew
}

// route is a group that a message may belong to.
type route struct {
	decoder *decode.Decoder
	lane    *Lane
}

// NewIntake returns an intake that feeds the given lanes: one of a topic's group,
// or one of each group where a file may hold the messages of all. Messages without
// a type are of the given kind; where there are several groups each must name its
// model. adapt, if not nil, fits a group's way of decoding
// to the input.
func NewIntake(lanes []*Lane, kind event.Kind, adapt func(decode.Options) (decode.Options, error)) (*Intake, error) {
	in := &Intake{kind: kind, offsets: Offsets{First: -1, Next: -1}}
	for _, l := range lanes {
		o := l.group.decode
		o.DefaultKind = kind
		o.NeedModel = len(lanes) > 1 // nothing else tells which group an event is of
		if adapt != nil {
			var err error
			if o, err = adapt(o); err != nil {
				return nil, err
			}
		}
		d, err := decode.New(o)
		if err != nil {
			return nil, fmt.Errorf("prepare decoder: %w", err)
		}
		in.routes = append(in.routes, route{d, l})
	}
	return in, nil
}

// Ledger returns the account of the messages so far.
func (in *Intake) Ledger() event.Ledger {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.ledger
}

// Offsets returns the account of the offsets so far.
func (in *Intake) Offsets() Offsets {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.offsets
}

// Begin says that the log is read from offset 0 on, before anything has arrived.
func (in *Intake) Begin() {
	in.lock()
	defer in.unlock()
	in.offsets.First, in.offsets.Next = 0, 0
}

// Arrival is where a batch begins, and what was lost before it.
type Arrival struct {
	Log     [16]byte
	First   int64
	Gap     int64 // offsets that retention took away
	Lost    bool  // messages of the batch cannot be read
	Restart bool  // the log was made anew
}

// Arrive begins a batch. Where predictions were lost, windows that hold the place are not complete.
func (in *Intake) Arrive(a Arrival) {
	in.lock()
	defer in.unlock()
	o := &in.offsets
	if o.Next < 0 {
		o.First, o.Next = a.First-a.Gap, a.First-a.Gap
	}
	o.Log = a.Log
	if a.Restart {
		o.First, o.Next = a.First, a.First
		o.Restarts++
	}
	if a.Gap > 0 {
		o.Gap += uint64(a.Gap)
		o.Next = a.First
	}
	if (a.Gap > 0 || a.Lost || a.Restart) && in.kind == event.Prediction {
		for _, r := range in.routes {
			r.lane.shard.Gap()
		}
	}
}

// Message is what an intake takes in. RecordTime is in nanoseconds since the Unix
// epoch, 0 or less if there is none.
type Message struct {
	Value      []byte
	RecordTime int64
}

// Take decodes and applies messages, in order; next is the offset that follows them - and, if there are none,
// what is skipped - of no meaning where nothing has arrived. What can be wrong with a message is
// counted; none ends the intake. It returns how many it took: all, unless the next one must wait until a reference is
// learned, see Lane.Hold.
func (in *Intake) Take(messages []Message, next int64) (taken int) {
	in.lock()
	defer in.unlock()
	for taken < len(messages) && in.message(taken, &messages[taken]) {
		taken++
	}
	next -= int64(len(messages) - taken)
	if o := &in.offsets; o.Next >= 0 && (taken > 0 || len(messages) == 0) {
		o.Messages += uint64(taken)
		o.Skipped += uint64(max(next-o.Next-int64(taken), 0))
		o.Next = next
	}
	return taken
}

// Finish applies the labels that wait for their time, after the last message.
func (in *Intake) Finish() {
	in.lock()
	defer in.unlock()
	in.release(1<<63 - 1)
}

// lock locks the intake and its lanes.
func (in *Intake) lock() {
	in.mu.Lock()
	for _, r := range in.routes {
		r.lane.mu.Lock()
	}
}

func (in *Intake) unlock() {
	for _, r := range in.routes {
		r.lane.mu.Unlock()
	}
	in.mu.Unlock()
}

// message takes a message in, and returns whether it did.
func (in *Intake) message(i int, m *Message) bool {
	r, reason := in.decode(m)
	detail := r.decoder.LastError()
	if reason == event.Accepted && r.lane.apart && in.event.Kind != in.kind {
		reason, detail = event.Envelope, errKind
	}
	if reason == event.Accepted && r.lane.shard.Holds(&in.event) {
		return false
	}
	in.ledger.Consumed++
	if reason == event.Accepted {
		if r.decoder.Labelled() {
			in.truths++
		}
		if in.event.RecordTime <= 0 { // nobody knows when it was written, but it was after those before
			in.event.RecordTime = r.lane.shard.Recorded(in.event.Kind)
		}
		reason = in.apply(r.lane, &in.event)
	}
	if reason != event.Accepted {
		in.ledger.Rejected[reason]++
		if in.Rejected != nil {
			in.Rejected(i, m.Value, reason, detail)
		}
		return true
	}
	t := in.event.Time
	if !r.lane.apart {
		in.ownLabel(r)
	}
	in.release(t)
	return true
}

// ownLabel lets the label wait that the row of a prediction carries.
func (in *Intake) ownLabel(r *route) {
	ok, reason := r.decoder.LabelOf(&in.event)
	switch {
	case ok && reason == event.Accepted:
		gone := uint64(in.labels.add(r.lane, &in.event))
		in.ledger.Consumed += gone
		in.ledger.Rejected[event.Future] += gone
	case ok:
		in.ledger.Consumed++
		in.ledger.Rejected[reason]++
	}
}

// decode finds the group that the message belongs to. Where none takes it, the
// reason is the first that says more than "another's model".
func (in *Intake) decode(m *Message) (*route, event.Reason) {
	found, why := &in.routes[0], event.Model
	for i := range in.routes {
		r := &in.routes[i]
		reason := r.decoder.Decode(m.Value, &in.event)
		if in.event.RecordTime <= 0 || m.RecordTime > 0 {
			in.event.RecordTime = m.RecordTime
		}
		if reason == event.Accepted {
			return r, reason
		}
		if why == event.Model {
			found, why = r, reason
		}
	}
	return found, why
}

// apply counts what became of the event, and returns why it was rejected, if it was.
func (in *Intake) apply(l *Lane, ev *event.Event) event.Reason {
	outcome, reason := l.shard.Apply(ev)
	switch outcome {
	case monitor.OutcomeAccepted:
		in.ledger.Accepted++
		l.note(ev)
	case monitor.OutcomeLate:
		in.ledger.Late++
	case monitor.OutcomeDuplicate:
		in.ledger.Duplicate++
	}
	return reason
}

// release applies the labels whose time has come: those that came with their
// prediction take their place in the order of label times.
func (in *Intake) release(t int64) {
	for l := in.labels.next(t); l != nil; l = in.labels.next(t) {
		l.event(&in.label)
		in.ledger.Consumed++
		if reason := in.apply(l.lane, &in.label); reason != event.Accepted {
			in.ledger.Rejected[reason]++
		}
	}
}

// CountLabels counts the labels among messages as if they were taken in, but takes none.
func (in *Intake) CountLabels(messages []Message) (n int) {
	in.lock()
	defer in.unlock()
	for i := range messages {
		if r, reason := in.decode(&messages[i]); reason == event.Accepted && r.decoder.Labelled() {
			n++
		}
	}
	return n
}

// Labels returns how many labels were taken in, and how many of them wait for their time.
func (in *Intake) Labels() (taken, waiting int) {
	in.lock()
	defer in.unlock()
	return in.truths, len(in.labels.items)
}
