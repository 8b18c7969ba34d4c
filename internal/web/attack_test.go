package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/exporter"
	"github.com/streammon/streammon/internal/monitor"
)

// attackVariable holds the address that this program attacks instead of testing.
const attackVariable = "STREAMMON_TEST_ATTACK"

// report is what the attackers say of their scrapes.
type report struct {
	Clients int
	Codes   map[int]int // 0: no answer in time
	Slow    int64       // connections that were made to be slow
	Posted  int64       // bytes
}

// attack has 2,000 slow loris, who come again when they are closed, 10,000 scrapes at once,
// and a POST of 1 GiB after the other, until the scrapes have ended. It prints a report.
func attack(address string) {
	r := report{Clients: 10_000}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err == nil {
		r.Clients = min(r.Clients, int(files.Cur)-3000)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 2000 {
		wg.Go(func() { creep(ctx, address, &r.Slow) })
	}
	wg.Go(func() { post(ctx, address, &r.Posted) })
	r.Codes = crowd(address, "Accept-Encoding: gzip\r\n", r.Clients, 5*time.Second)
	cancel()
	wg.Wait()
	_ = json.NewEncoder(os.Stdout).Encode(r)
}

// creep sends a request that never ends, a few bytes a time, over and over.
func creep(ctx context.Context, address string, n *int64) {
	var d net.Dialer
	for ctx.Err() == nil {
		c, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			continue
		}
		atomic.AddInt64(n, 1)
		for _, err = io.WriteString(c, "GET /metrics HTTP/1.1\r\n"); err == nil && ctx.Err() == nil; _, err = io.WriteString(c, "X: y\r\n") {
			time.Sleep(200 * time.Millisecond)
		}
		c.Close()
	}
}

func post(ctx context.Context, address string, n *int64) {
	var d net.Dialer
	for ctx.Err() == nil {
		c, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			continue
		}
		stop := context.AfterFunc(ctx, func() { c.Close() })
		fmt.Fprint(c, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n")
		sent, _ := io.Copy(c, io.LimitReader(zeros{}, 1<<30))
		*n += sent
		stop()
		c.Close()
	}
}

// crowd scrapes from n connections at once and returns how many got which status, 0 for none.
func crowd(address, header string, n int, timeout time.Duration) map[int]int {
	var wg sync.WaitGroup
	var mu sync.Mutex
	codes := map[int]int{}
	for range n {
		wg.Go(func() {
			code, _ := scrape(address, header, timeout)
			mu.Lock()
			codes[code]++
			mu.Unlock()
		})
	}
	wg.Wait()
	return codes
}

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
	var said report
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
func underAttack(t *testing.T, address string) (said report, good []time.Duration) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env, c.Stderr = append(os.Environ(), attackVariable+"="+address), os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	answered := 0
	for range 2 {
		time.Sleep(500 * time.Millisecond)
		start := time.Now()
		switch code, _ := scrape(address, "Accept-Encoding: gzip\r\n", 10*time.Second); code {
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
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&said); err != nil {
		t.Error(err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	return said, good
}
