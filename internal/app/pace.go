package app

import "time"

// pace says how long to wait after a piece of work, so that it takes no more than a share of the time.
// Of the last two pieces the shorter one counts: the process may have been stopped during the other, which says
// nothing of the work and must not hold the next one up.
type pace struct {
	least time.Duration // the shortest wait
	most  time.Duration // the longest: the process may run for a small part of the time only
	times float64       // how many times as long as the work the wait is at least
	last  time.Duration
}

// after returns the wait after a piece that took so long.
func (p *pace) after(took time.Duration) time.Duration {
	counts := min(took, p.last)
	p.last = took
	return max(p.least, min(time.Duration(float64(counts)*p.times), p.most))
}
