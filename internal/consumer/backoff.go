package consumer

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	leastBackoff = 50 * time.Millisecond
	mostBackoff  = 5 * time.Second
)

// backoff waits longer from failure to failure: 50 ms to 5 s, with up to half of it
// taken off at random so that partitions do not retry in step.
type backoff struct{ failures int }

func (b *backoff) reset() { b.failures = 0 }

func (b *backoff) delay() time.Duration {
	d := min(leastBackoff<<min(b.failures, 10), mostBackoff)
	b.failures++
	return d - rand.N(d/2)
}

// wait returns false when ctx ends first.
func (b *backoff) wait(ctx context.Context) bool { return pause(ctx, b.delay()) }

// pause returns false when ctx ends before d has passed.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
