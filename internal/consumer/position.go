package consumer

import (
	"context"
	"fmt"
)

// locate finds where to begin, and where to end, trying until ctx ends.
func (p *partition) locate(ctx context.Context) bool {
	for {
		err := p.place(ctx)
		if err == nil {
			p.recovered()
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		p.trouble(err)
		p.retry.wait(ctx)
	}
}

func (p *partition) place(ctx context.Context) error {
	id, err := p.cluster.topicID(ctx, p.topic, p.id)
	if err != nil {
		return err
	}
	p.topicID = id
	if p.cfg.UntilEnd && p.target < 0 {
		end, err := p.offsetAt(ctx, timeLatest)
		if err != nil {
			return err
		}
		p.target = end
	}
	if p.cfg.Positions != nil {
		if saved, ok := p.cfg.Positions(p.topic, p.id); ok && saved.Offset >= 0 {
			return p.resume(ctx, saved)
		}
	}
	next, err := p.startOffset(ctx)
	if err == nil {
		p.next = next
	}
	return err
}

// resume goes on from a saved position, if it is one of the topic as it is now.
func (p *partition) resume(ctx context.Context, saved Position) error {
	p.next = saved.Offset
	if differ(saved.TopicID, p.topicID) {
		return p.restart(ctx, "the topic was made anew")
	}
	if p.topicID == (topicID{}) {
		p.topicID = saved.TopicID
	}
	if p.target < 0 || p.next <= p.target {
		return nil // a fetch will tell
	}
	last, err := p.cluster.offsetAt(ctx, p.topic, p.id, timeLatest, false)
	if err != nil || p.next <= last {
		return err
	}
	return p.beyondEnd(ctx, last)
}

// recheck asks once whether the topic is still the one that is being read. A job does not wait for a partition that
// is gone: what it has not read of it is a gap.
func (p *partition) recheck(ctx context.Context) {
	if _, err := p.compare(ctx); err != nil && ctx.Err() == nil {
		if p.target >= 0 && p.cluster.gone(ctx, p.topic, p.id, p.topicID) {
			p.log.Warn("the topic was made anew with fewer partitions; this one is gone and counts as ended", "position", p.next, "end", p.target)
			p.batch.Gap += max(p.target-p.next, 0)
			p.next, p.doubt = max(p.next, p.target), false
			return
		}
		p.trouble(err)
		p.retry.wait(ctx)
	}
}

// compare asks the leader which topic this is, and begins anew if it is another one than
// the position's.
func (p *partition) compare(ctx context.Context) (anew bool, err error) {
	_, look := p.seen.of(p.topic)
	id, err := p.cluster.topicID(ctx, p.topic, p.id)
	if err != nil {
		return false, err
	}
	if anew = differ(p.topicID, id); anew {
		if err := p.restart(ctx, "the topic was made anew"); err != nil {
			return false, err
		}
	}
	if id != (topicID{}) {
		p.topicID = id
	}
	p.doubt, p.checked = false, look
	return anew, nil
}

// doubtful reports whether discovery saw another topic than ours since the leader was
// asked last.
func (p *partition) doubtful() bool {
	id, look := p.seen.of(p.topic)
	return look != p.checked && differ(p.topicID, id)
}

func (p *partition) startOffset(ctx context.Context) (int64, error) {
	switch p.start.Policy {
	case StartEarliest:
		return p.offsetAt(ctx, timeEarliest)
	case StartTimestamp:
		offset, err := p.offsetAt(ctx, p.start.Time.UnixMilli())
		if err != nil || offset >= 0 {
			return offset, err
		}
	case startNewest:
		return p.newestStart(ctx)
	}
	return p.offsetAt(ctx, timeLatest)
}

func (p *partition) newestStart(ctx context.Context) (int64, error) {
	first, err := p.offsetAt(ctx, timeEarliest)
	if err != nil {
		return 0, err
	}
	last, err := p.offsetAt(ctx, timeLatest)
	return max(first, last-p.start.newest), err
}

func (p *partition) offsetAt(ctx context.Context, t int64) (int64, error) {
	return p.cluster.offsetAt(ctx, p.topic, p.id, t, p.cfg.ReadCommitted)
}

// reposition finds a position in a log that does not hold ours. The error says that
// there is none yet.
func (p *partition) reposition(ctx context.Context) error {
	if anew, err := p.compare(ctx); anew || err != nil {
		return err
	}
	first, err := p.offsetAt(ctx, timeEarliest)
	if err != nil {
		return err
	}
	last, err := p.cluster.offsetAt(ctx, p.topic, p.id, timeLatest, false)
	if err != nil {
		return err
	}
	switch {
	case p.next < first:
		p.log.Warn("retention dropped messages before they were read", "from", p.next, "to", first)
		p.batch.Gap += first - p.next
		p.next = first
		return nil
	case p.next > last:
		return p.beyondEnd(ctx, last)
	}
	return fmt.Errorf("offset %d is out of range, though the log spans %d to %d", p.next, first, last)
}

// beyondEnd deals with a log that ends before the position: if it stays so, the topic was
// made anew, whether the brokers tell its id or not.
func (p *partition) beyondEnd(ctx context.Context, last int64) error {
	if p.beyond >= beyondLimit-1 {
		return p.restart(ctx, "the log ends before the position: the topic was made anew")
	}
	p.beyond++
	return fmt.Errorf("the log ends at offset %d, before the position %d", last, p.next)
}

// restart begins at the start of a log that is not the position's.
func (p *partition) restart(ctx context.Context, reason string) error {
	first, err := p.offsetAt(ctx, timeEarliest)
	if err != nil {
		return err
	}
	if p.target >= 0 {
		end, err := p.offsetAt(ctx, timeLatest)
		if err != nil {
			return err
		}
		p.target = end
	}
	p.log.Warn(reason+", reading it from its start", "position", p.next, "start", first)
	p.batch.Restarted, p.batch.Gap = true, 0
	p.next, p.end, p.high, p.beyond = first, -1, -1, 0
	return nil
}
