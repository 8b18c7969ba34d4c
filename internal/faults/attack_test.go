package faults

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/attack"
	"github.com/streammon/streammon/internal/testkafka"
)

// usage is what a process has used since it began.
type usage struct {
	at   time.Time
	cpu  time.Duration
	read int64 // bytes, of sockets and files
}

func (p *program) usage(t *testing.T) usage {
	t.Helper()
	u := usage{at: time.Now()}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	const user, system, tick = 11, 12, 10 * time.Millisecond // fields behind the command's name; USER_HZ is 100
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	for _, i := range []int{user, system} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		u.cpu += time.Duration(n) * tick
	}
	io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(string(io), "rchar: %d", &u.read); err != nil {
		t.Fatal(err)
	}
	return u
}

// spent is what a program used and read in some phases.
type spent struct {
	wall, cpu time.Duration
	read      int64
}

func (s *spent) add(from, to usage) {
	s.wall += to.at.Sub(from.at)
	s.cpu += to.cpu - from.cpu
	s.read += to.read - from.read
}

func (s *spent) rate() float64 { return float64(s.read) / s.wall.Seconds() }

// others is how many cores a program used for other things than reading, if that costs what it cost while there was nothing else.
func (s *spent) others(alone spent) float64 {
	reading := alone.cpu.Seconds() / float64(alone.read) * float64(s.read)
	return (s.cpu.Seconds() - reading) / s.wall.Seconds()
}

// backlog fills a topic with n events of the usual traffic's models, of 1,000 different bodies.
func backlog(t *testing.T, s *stage, n int) {
	t.Helper()
	events := newTraffic(5, time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), 0)
	var bodies []string // behind the time
	for len(bodies) < 1000 {
		if b, _ := events.next(); len(b) > 0 && b[len(b)-1] == '}' {
			_, body, _ := strings.Cut(string(b), `,"model"`)
			bodies = append(bodies, body)
		}
	}
	client := s.broker.Client(t, kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(20_000), kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	for i := range n {
		at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Millisecond)
		client.Produce(t.Context(), &kgo.Record{Topic: s.predictions, Partition: int32(i % partitions), Value: fmt.Appendf(nil, `{"id":"%d","time":%d,"model"%s`, i, at.UnixMilli(), bodies[i%len(bodies)])},
			func(_ *kgo.Record, err error) {
				if err != nil {
					t.Error(err)
				}
			})
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAttack has another process attack the HTTP port in all ways at once, with 2,000 slow loris, 10,000 scrapes and a POST of 1 GiB after the other, while the
// program reads as fast as it can: time and again, with quiet times between. The attackers and the broker run on the same cores, so that the fall of the throughput is
// mostly their part of it. What is bounded is the program's: the cores that it takes for others than reading, of all there are.
func TestAttack(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("measures times")
	}
	rounds := 1
	switch {
	case long:
		rounds = 6
	case ci:
		rounds = 2
	}
	_, b := testkafka.Fake(t)
	s := newStage(t, b, 5, 0)
	written := 5_000_000 * rounds
	backlog(t, s, written)
	p := run(t, nil, "--config.file="+s.config(t, "run", "", ""), "--results="+filepath.Join(s.dir, "results.jsonl"))
	await(t, 20*time.Second, "reading", func() bool { return consumed(p) > 0 })
	time.Sleep(time.Second)

	var quiet, attacked spent
	for range rounds {
		from := p.usage(t)
		time.Sleep(4 * time.Second)
		to := p.usage(t)
		quiet.add(from, to)
		said := p.underAttack(t)
		end := p.usage(t)
		end.read -= said.Posted + int64(said.Clients)*100 // what the attackers sent is no event
		attacked.add(to, end)
		t.Logf("%+v", said)
		time.Sleep(time.Second)
	}
	n := consumed(p)
	if int(n) >= written {
		t.Fatal("all was read before the end: the backlog is too short")
	}
	others, cores := attacked.others(quiet), float64(runtime.NumCPU())
	budget, _ := p.metric("streammon_memory_budget_bytes", "")
	t.Logf("%.0f messages: while attacked the program took %.2f cores more (%.1f %% of %g) than for what it read; with attackers and broker on the same cores %.1f %% less was read a second; %.0f MiB resident at most, of a budget of %.0f MiB",
		n, others, 100*others/cores, cores, 100*(1-attacked.rate()/quiet.rate()), p.resident(t)/(1<<20), budget/(1<<20))
	if others > 0.2*cores {
		t.Errorf("the attack takes %.2f cores of %g from reading", others, cores)
	}
	if p.resident(t) > budget {
		t.Errorf("%.0f bytes are resident, of a budget of %.0f", p.resident(t), budget)
	}
}

// underAttack returns when the attackers are done. A good client with the patience of Prometheus is answered meanwhile.
func (p *program) underAttack(t *testing.T) attack.Report {
	t.Helper()
	attackers, err := attack.Start(t.Context(), p.address)
	if err != nil {
		t.Fatal(err)
	}
	answered := false
	for range 2 {
		time.Sleep(500 * time.Millisecond)
		code, _ := attack.Scrape(p.address, "", 10*time.Second)
		answered = answered || code == http.StatusOK
	}
	said, err := attackers.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if !answered {
		t.Error("no good client got the metrics")
	}
	if said.Clients < 10_000 || said.Slow < 2000 || said.Posted == 0 {
		t.Errorf("that was no attack: %+v", said)
	}
	return said
}
