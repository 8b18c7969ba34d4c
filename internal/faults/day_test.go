package faults

import (
	"math"
	"path/filepath"
	"testing"
	"time"
)

// live returns the memory that is in use after a collection, in bytes.
func (p *program) live() int64 {
	n, _ := p.metric("go_memstats_next_gc_bytes", "")
	return int64(n) / 2
}

// TestDay plays 24 hours of event time with a daily rhythm in ten minutes (two hours in half a minute in the
// short setting), with three outages of the broker, five restarts of which two are crashes, and new
// versions of the models: memory is flat after it has warmed up, and the results are those of a
// run that was never disturbed.
func TestDay(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	day, length, events, outage := 2*time.Hour, 30*time.Second, 60_000, 2*time.Second
	if long {
		day, length, events, outage = 24*time.Hour, 10*time.Minute, 860_000, 15*time.Second
	}
	const pieces = 96
	_, b, proxy, direct := proxied(t)
	s := newStage(t, b, 12, time.Second)
	s.client = direct()
	results := filepath.Join(s.dir, "results.jsonl")
	args := []string{"--config.file=" + s.config(t, "run", "state", ", session_timeout: 6s"), "--results=" + results}
	p := run(t, nil, args...)
	p.awaitReady(t, 20*time.Second)
	var warm, later int64
	for i := range pieces {
		began := time.Now()
		// The rate follows the hour: least at night, most in the afternoon.
		share := 1 + 0.8*math.Sin(2*math.Pi*float64(i)/pieces-math.Pi/2)
		n := max(int(share*float64(events)/pieces), 20)
		s.traffic.step = day / pieces / time.Duration(n)
		s.produce(t.Context(), t, n)
		switch i {
		case 20, 50, 80:
			proxy.refuse()
			time.Sleep(outage)
			proxy.listen(t)
		case 15, 45, 75:
			p.terminate(t)
			p = run(t, nil, args...)
		case 30, 60:
			p.kill(t)
			p = run(t, nil, args...)
		}
		switch i { // each in a process that has run for a while, and has read all
		case 44, 58:
			warm = max(warm, s.restingLive(t, p))
		case 74, 95:
			later = max(later, s.restingLive(t, p))
		}
		time.Sleep(length/pieces - time.Since(began))
	}
	t.Logf("%d messages of %s in %s; %d MiB live while warming up, %d MiB later", s.written, day, length, warm>>20, later>>20)
	if later > warm+warm/2+(32<<20) {
		t.Errorf("memory grew from %d to %d MiB", warm>>20, later>>20)
	}
	p.awaitReady(t, 30*time.Second)
	s.finish(t, p, args, results)
}

// restingLive returns the memory that is in use once the program has nothing left to read, in bytes: while it comes along
// it holds what waits to be worked on.
func (s *stage) restingLive(t *testing.T, p *program) int64 {
	t.Helper()
	least, reads := int64(math.MaxInt64), 0
	await(t, time.Minute, "all that was written is read", func() bool {
		time.Sleep(400 * time.Millisecond) // what is exported is a second old at most
		if lag, ok := p.metric("streammon_consumer_lag_messages", ""); !ok || lag > 0 {
			return false
		}
		least = min(least, p.live())
		reads++
		return reads == 6
	})
	return least
}
