package web

import (
	"context"
	"net/http"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/attack"
	"github.com/streammon/streammon/internal/exporter"
	"github.com/streammon/streammon/internal/monitor"
)

// ingest is a loop that uses all cores, as reading does; its throughput can be measured.
type ingest struct{ steps atomic.Int64 }

func (x *ingest) run(ctx context.Context, wg *sync.WaitGroup) {
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			v := uint64(1)
			for ctx.Err() == nil {
				for range 10_000 {
					v = v*6364136223846793005 + 1
				}
				if v != 0 {
					x.steps.Add(1)
				}
			}
		})
	}
}

// pace is what a loop did in some time, and what the whole process used.
type pace struct {
	steps     float64
	wall, cpu time.Duration
}

func (x *ingest) during(f func()) pace {
	n, start, used := x.steps.Load(), time.Now(), cpu()
	f()
	return pace{float64(x.steps.Load() - n), time.Since(start), cpu() - used}
}

func (p pace) rate() float64 { return p.steps / p.wall.Seconds() }

// others is what the process used for other things than the loop, in cores, if a step
// costs what it cost alone.
func (p pace) others(alone pace) float64 {
	return (p.cpu.Seconds() - p.steps*alone.cpu.Seconds()/alone.steps) / p.wall.Seconds()
}

// peaks are the largest figures of this process that were seen.
type peaks struct {
	memory     uint64 // bytes that Go has of the system
	goroutines uint64
}

func (p *peaks) watch(ctx context.Context) {
	for ctx.Err() == nil {
		p.look()
		time.Sleep(20 * time.Millisecond)
	}
}

func (p *peaks) look() {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/sched/goroutines:goroutines"}}
	metrics.Read(s)
	p.memory, p.goroutines = max(p.memory, s[0].Value.Uint64()), max(p.goroutines, s[1].Value.Uint64())
}

// TestAttackLeavesIngestAlone has another process attack a server of 10,000 series in all ways
// at once while a loop uses all cores. The attackers run on the same cores, so that the fall
// of the throughput is more than the server's part of it, which is what is bounded.
func TestAttackLeavesIngestAlone(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("short, or everything is slow")
	}
	board := &monitor.Board{}
	board.Publish(tenThousand())
	e := exporter.New(board, exporter.Options{})
	address := serveWithin(t, NewHandler(board, e.Handler()), defaultLimits(), e.CountRefused)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	var loop ingest
	loop.run(ctx, &wg)
	alone := loop.during(func() { time.Sleep(500 * time.Millisecond) })

	var before, peak peaks
	before.look()
	wg.Go(func() { peak.watch(ctx) })
	var said attack.Report
	var good []time.Duration
	attacked := loop.during(func() { said, good = underAttack(t, address) })
	cancel()
	wg.Wait()
	cores := float64(runtime.GOMAXPROCS(0))
	t.Logf("%+v in %v; good ones waited %v", said, attacked.wall.Round(time.Millisecond), good)
	t.Logf("throughput fell by %.1f %% with the attackers; the server used %.2f cores of %.0f; memory rose by %d KiB, to %d goroutines",
		100*(1-attacked.rate()/alone.rate()), attacked.others(alone), cores, (peak.memory-before.memory)>>10, peak.goroutines)
	if said.Codes[200]+said.Codes[503]+said.Codes[0] != said.Clients || said.Codes[200] == 0 {
		t.Errorf("got %v", said.Codes)
	}
	if n := attacked.others(alone); n > 0.4 { // 20 % of two cores
		t.Errorf("the server used %.2f cores", n)
	}
	if peak.memory > before.memory+128<<20 || peak.goroutines > 2048 {
		t.Errorf("%d MiB more, %d goroutines", (peak.memory-before.memory)>>20, peak.goroutines)
	}
}

// underAttack scrapes while the attackers are at work, with new connections and the 10 s of
// patience that Prometheus has.
func underAttack(t *testing.T, address string) (said attack.Report, good []time.Duration) {
	t.Helper()
	attackers, err := attack.Start(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	answered := 0
	for range 2 {
		time.Sleep(500 * time.Millisecond)
		start := time.Now()
		switch code, _ := attack.Scrape(address, "Accept-Encoding: gzip\r\n", 10*time.Second); code {
		case http.StatusOK:
			answered++
		case http.StatusServiceUnavailable: // it is one of many
		default:
			t.Errorf("a good client got %d", code)
		}
		good = append(good, time.Since(start).Round(time.Millisecond))
	}
	if answered == 0 {
		t.Error("no good client got the metrics")
	}
	if said, err = attackers.Wait(); err != nil {
		t.Error(err)
	}
	return said, good
}
