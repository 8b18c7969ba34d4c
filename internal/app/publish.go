package app

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/streammon/streammon/internal/consumer"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/window"
)

// publish puts a new snapshot on the board.
func (r *runner) publish(now time.Time) {
	r.shaping.RLock()
	defer r.shaping.RUnlock()
	s := &monitor.Snapshot{At: now.UnixNano(), Exporting: r.consumer.Owner(), Ledger: r.ledger()}
	var histories []*monitor.History
	for _, g := range r.groups {
		results, models := g.Show(now)
		s.Results = append(s.Results, results...)
		s.Models = append(s.Models, models...)
		histories = append(histories, g.Histories()...)
	}
	if !slices.Equal(histories, r.histories) {
		r.histories, r.history = histories, monitor.JoinHistories(histories...)
	}
	s.History = r.history
	r.sayLearning(s.Models)
	s.Placements = r.placements(now)
	slices.SortStableFunc(s.Results, monitor.CompareSeries)
	slices.SortFunc(s.Models, func(a, b monitor.ModelStatus) int { return cmp.Compare(a.Model, b.Model) })
	for _, p := range r.sorted() {
		s.Partitions = append(s.Partitions, p.status(r.deadLetters))
	}
	budget := r.budget()
	r.memory.setBudget(budget.Budget)
	s.Memory = r.memory.status(budget.Budget)
	s.State = r.keeper.snapshot()
	s.Config = r.configuration()
	r.fillIn(s)
	r.readiness(s)
	r.board.Publish(s)
	if r.published != nil {
		r.published(s)
	}
}

// fillIn adds what the pages show of the config and of the exporter.
func (r *runner) fillIn(s *monitor.Snapshot) {
	s.Series = r.exporter.Status()
	r.mu.Lock()
	defer r.mu.Unlock()
	s.ConfigText = r.configText
	describe(s.Models, r.models)
	for _, g := range r.models {
		for i := range s.Models {
			m := &s.Models[i]
			if !slices.ContainsFunc(g.monitor.Models, func(x *monitor.Model) bool { return x.Name == m.Model }) {
				continue
			}
			m.Topics = append(m.Topics, g.predictions)
			if g.labels != "" && g.labels != g.predictions {
				m.Topics = append(m.Topics, g.labels)
			}
		}
	}
}

// readiness says in the snapshot what readiness waits for, if anything, and how the results are.
func (r *runner) readiness(s *monitor.Snapshot) {
	s.NotReady = r.notReady()
	if s.State != nil && s.State.Error != "" && s.NotReady == "" {
		s.NotReady = "the state is not saved: " + s.State.Error
	}
	s.NotReady = cmp.Or(s.NotReady, r.deadLetters.blocks())
	if r.results != nil {
		r.mu.Lock()
		results := r.resultsStatus
		r.mu.Unlock()
		if s.Final = &results; results.Error != "" && s.NotReady == "" {
			s.NotReady = "results are not written: " + results.Error
		}
	}
}

// budget reckons the memory with the partitions that there are.
func (r *runner) budget() Memory {
	r.mu.Lock()
	models := r.models
	r.mu.Unlock()
	m := Memory{Budget: baseMemory + sharedMemory()}
	for i, g := range models {
		m.add(g, max(r.groups[i].Lanes(), usualLanes), r.results != nil, r.keeper != nil)
	}
	m.addWaiting(len(models), r.results != nil)
	return m
}

func (p *partition) status(d *deadLetters) monitor.PartitionStatus {
	l, o := p.intake.Ledger(), p.intake.Offsets()
	if p.saved != nil {
		l.Subtract(&p.saved.Ledger)
		o.Gap -= p.saved.Gap
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	written, lost := d.account(p.key)
	s := monitor.PartitionStatus{
		Topic: p.key.topic, Partition: p.key.index, Consumed: l.Consumed, Rejected: l.Rejected,
		Lag: p.lag, Gap: o.Gap, ForgottenIDs: p.lane.ForgottenIDs(p.topic.kind), DeadLetters: written, LostLetters: lost,
	}
	for reason, n := range p.skipped {
		s.Skipped = append(s.Skipped, monitor.SkippedBatches{Reason: consumer.SkipReason(reason).String(), Batches: n})
	}
	if w := p.lane.KindWatermark(p.topic.kind); w != window.NoTime {
		s.Watermark = w
	}
	return s
}

// notReady says what readiness waits for; once ready, a monitor stays so while its
// process lives, and lag is for the metrics to tell.
func (r *runner) notReady() string {
	if r.ready {
		return ""
	}
	status := r.consumer.Status()
	if !status.Assigned || status.Error != "" {
		return cmp.Or(status.Error, "waiting for the partitions of all topics")
	}
	var behind int64
	for _, p := range status.Partitions {
		if p.Error != "" {
			return fmt.Sprintf("%s/%d: %s", p.Topic, p.Partition, p.Error)
		}
		if !p.CaughtUp && !p.Done {
			behind += max(p.Lag, 0)
			if p.Lag != 0 {
				return fmt.Sprintf("catching up: %s/%d is %d messages behind", p.Topic, p.Partition, p.Lag)
			}
		}
	}
	for _, g := range r.groups {
		if !g.CaughtUp() {
			return "catching up"
		}
	}
	r.ready = true
	r.logger.Info("ready", "partitions", len(status.Partitions))
	return ""
}

// ledger adds up the accounts of all partitions.
func (r *runner) ledger() (sum event.Ledger) {
	for _, p := range r.sorted() {
		l := p.intake.Ledger()
		sum.Add(&l)
	}
	return sum
}
