package app

import (
	"cmp"
	"time"

	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/pipeline"
)

// sameKeys is what makes labels find their predictions.
const sameKeys = "a label finds its prediction only in the partition of the same number: both topics need the same number of partitions, and producers that write both with the same key and partitioner"

// comparePartitions says if a topic has got another number of partitions than before, or has another than the one it belongs with.
func (r *runner) comparePartitions(t *topic, before, n int) {
	if !t.labelled {
		return
	}
	if before > 0 && n > before {
		r.logger.Warn("partitions were added: keys may belong to other partitions from now on, so that predictions of before do not find labels that come now",
			"topic", t.name, "partitions", n, "before", before)
	}
	r.mu.Lock()
	if r.counts == nil {
		r.counts = map[string]int{}
	}
	same := r.counts[t.name] == n
	r.counts[t.name] = n
	other, known := r.counts[t.other]
	r.mu.Unlock()
	if known && !same && other != n {
		r.logger.Warn("the topics of predictions and labels do not have the same number of partitions; "+sameKeys,
			"topic", t.name, "partitions", n, "other_topic", t.other, "other_partitions", other)
	}
}

const misplacedLabels = "labels are in other partitions than their predictions, and are not matched"

// elsewhere reports whether so many labels are in other partitions that it is to be said.
func elsewhere(m *pipeline.Misplaced) bool {
	return m.Elsewhere >= minMisplaced && m.Elsewhere >= m.Labels/misplacedShare
}

// placed is what is known, and was said, of labels in other partitions than their predictions.
type placed struct {
	looked time.Time
	status []monitor.PlacementStatus
	said   map[int]bool // by group
}

const (
	// misplacedEvery is how often labels are looked for that are in other partitions than their predictions.
	misplacedEvery = 5 * time.Second
	// At least so many of the sampled labels, and one in so many, are elsewhere before it is said: a few may be by
	// added partitions, or ids that come twice.
	minMisplaced, misplacedShare = 10, 50
)

// placements looks now and then for labels that are in other partitions than their predictions, and says so once for each group of topics.
func (r *runner) placements(now time.Time) []monitor.PlacementStatus {
	if now.Sub(r.placed.looked) < misplacedEvery {
		return r.placed.status
	}
	r.placed.looked = now
	r.mu.Lock()
	models := r.models
	r.mu.Unlock()
	var all []monitor.PlacementStatus // the one before is in a snapshot
	for i, g := range r.groups {
		if !g.Labelled() {
			continue
		}
		m := g.Misplaced()
		s := monitor.PlacementStatus{
			Topic: cmp.Or(models[i].labels, models[i].predictions), Predictions: models[i].predictions, Labels: m.Labels, Elsewhere: m.Elsewhere,
			Partition: m.Partition, Prediction: m.Prediction, Misplaced: elsewhere(&m),
		}
		all = append(all, s)
		if s.Misplaced && !r.placed.said[i] {
			r.sayMisplaced(i, &s)
		}
	}
	r.placed.status = all
	return all
}

// sayMisplaced says that labels of a group are in other partitions than their predictions.
func (r *runner) sayMisplaced(group int, s *monitor.PlacementStatus) {
	if r.placed.said == nil {
		r.placed.said = map[int]bool{}
	}
	r.placed.said[group] = true
	r.logger.Warn(misplacedLabels+"; "+sameKeys,
		"topic", s.Predictions, "sampled_labels", s.Labels, "elsewhere", s.Elsewhere, "partition", s.Partition, "prediction_in", s.Prediction)
}
