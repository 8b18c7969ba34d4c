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

// TestDay plays 24 hours of event time with a daily rhythm in ten minutes (half a minute in the
// short setting), with three outages of the broker, five restarts of which two are crashes, and new
// versions of the models: memory is flat after it has warmed up, and the results are those of a
// run that was never disturbed.
func TestDay(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	length, events, outage := 30*time.Second, 60_000, 2*time.Second
	if long {
		length, events, outage = 10*time.Minute, 860_000, 15*time.Second
	}
	const pieces = 96 // of a quarter of an hour
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
		s.traffic.step = 15 * time.Minute / time.Duration(n)
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
		if i == 44 || i == 58 { // the day's most, each in a process that has run for a while
			warm = max(warm, p.live())
		}
		if i > 62 {
			later = max(later, p.live())
		}
		time.Sleep(length/pieces - time.Since(began))
	}
	t.Logf("%d messages of a day in %s; %d MiB live while warming up, %d MiB at most later", s.written, length, warm>>20, later>>20)
	if later > warm+warm/2+(32<<20) {
		t.Errorf("memory grew from %d to %d MiB", warm>>20, later>>20)
	}
	p.awaitReady(t, 30*time.Second)
	s.finish(t, p, args, results)
}
