package demo

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// Record is a message for a topic.
type Record struct {
	Topic string
	Key   string
	Value []byte
	Time  time.Time
}

// World is the services together, and what becomes known of their answers. The same seed and calls give the same
// records. It is not safe for concurrent use.
type World struct {
	service             *Service
	shop                *shop
	truth               *rand.Rand
	steps               int
	fraudLater, clicked later
}

// NewWorld returns a world in which nothing has happened.
func NewWorld(seed uint64) *World {
	return &World{service: NewService(seed), shop: newShop(seed), truth: rand.New(rand.NewPCG(seed, 0x7407))}
}

// shopEvery is how many transactions there are for each list of recommendations.
const shopEvery = 10

// Step calls emit with the request of the fraud service at time t, now and then with one of the shop, and with the labels that are
// due by then. Times must not go back. What emit gets is its own.
func (w *World) Step(t time.Time, e Effects, emit func(Record)) {
	w.fraudLater.leave(t, func(l *label) {
		id := fraudID(l.id)
		b := append(appendAnswerLabel(append(appendLabel(make([]byte, 0, 128), Model, id, l.time()), '"'), l.fraud), `"}`...)
		emit(Record{LabelTopic, id, b, l.time()})
	})
	w.clicked.leave(t, func(l *label) {
		id := shopID(l.id)
		emit(Record{ShopLabelTopic, id, appendClicks(appendLabel(make([]byte, 0, 128), ShopModel, id, l.time()), l.items), l.time()})
	})
	q := w.service.request(e)
	n := w.service.count
	id := fraudID(n)
	emit(Record{Topic, id, q.appendJSON(make([]byte, 0, 512), id, t), t})
	w.fraudLabels(t, n, w.truth.Float64() < q.chance(e.Turned), !q.failed)
	if w.steps++; w.steps%shopEvery == 0 {
		w.shop.step(w, t, emit)
	}
}

// AppendRow appends a row of training data: a request at time t, what was answered, and the truth, which is known.
func (w *World) AppendRow(b []byte, t time.Time) []byte {
	q := w.service.request(Effects{})
	b = q.appendJSON(b, fraudID(w.service.count), t)
	fraud := w.truth.Float64() < q.chance(false)
	return append(appendAnswerLabel(append(b[:len(b)-1], `,"label":"`...), fraud), `"}`...)
}

// Delays of labels, from the request; a second label comes up to a minute after the first.
const (
	leastDelay = 2 * time.Second
	mostDelay  = 30 * time.Minute
	mostAgain  = time.Minute
)

// Shares of answers, or of labels.
const (
	neverLabelled = 0.03
	twice         = 0.005
	contradicted  = 0.001
)

// later holds labels until they are due: a ring of seconds, which labels of one second leave in the order in which they came.
type later struct {
	ring [2048][]label
	done int64 // the second that leaves next; 0 before the first leave
}

// label is the truth about an answer.
type label struct {
	at    int64 // Unix milliseconds
	id    uint64
	items [2]int16 // of a list of recommendations: what was clicked, -1 is none
	fraud bool
}

func (l *label) time() time.Time { return time.UnixMilli(l.at) }

// add takes a label that is due after the last leave, by less than the ring's length.
func (l *later) add(x label) {
	i := max(x.at/1000, l.done) % int64(len(l.ring))
	l.ring[i] = append(l.ring[i], x)
}

// leave calls emit for the labels of all seconds that are over.
func (l *later) leave(now time.Time, emit func(*label)) {
	if l.done == 0 {
		l.done = now.Unix()
	}
	for ; l.done < now.Unix(); l.done++ {
		due := &l.ring[l.done%int64(len(l.ring))]
		for i := range *due {
			emit(&(*due)[i])
		}
		*due = nil
	}
}

// between draws a delay: as many are between 10 and 20 seconds as between 10 and 20 minutes.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return time.Duration(float64(least) * math.Pow(float64(most)/float64(least), r.Float64()))
}

// appendLabel appends the beginning of a label's event, up to what it says.
func appendLabel(b []byte, model, id string, t time.Time) []byte {
	b = append(append(b, `{"type":"label","id":"`...), id...)
	b = t.UTC().AppendFormat(append(b, `","time":"`...), timeForm)
	return append(append(append(b, `","model":"`...), model...), `","label":`...)
}

const timeForm = "2006-01-02T15:04:05.000Z"

// fraudLabels draws what becomes known of an answer: as a rule one label, some minutes later.
func (w *World) fraudLabels(t time.Time, id uint64, fraud, answered bool) {
	r := w.truth
	never, again, other, wait := r.Float64(), r.Float64(), r.Float64(), between(r, leastDelay, mostDelay)
	more := time.Duration(r.Float64() * float64(mostAgain)).Milliseconds()
	if !answered || never < neverLabelled {
		return
	}
	l := label{at: t.Add(wait).UnixMilli(), id: id, fraud: fraud}
	w.fraudLater.add(l)
	l.at += more
	if again < twice {
		w.fraudLater.add(l)
	}
	if other < contradicted {
		l.fraud = !l.fraud
		w.fraudLater.add(l)
	}
}

func fraudID(n uint64) string { return "tx-" + strconv.FormatUint(n, 10) }
