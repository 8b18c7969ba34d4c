package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/testkafka"
)

// container is a control group with a memory limit of its own.
type container struct{ dir string }

// newContainer makes one, or returns nil where that is not allowed; then the program is told the limit by GOMEMLIMIT.
func newContainer(t *testing.T, limit int64) *container {
	t.Helper()
	for root, file := range map[string]string{"/sys/fs/cgroup/memory": "memory.limit_in_bytes", "/sys/fs/cgroup": "memory.max"} {
		dir := filepath.Join(root, fmt.Sprintf("streammon-test-%d", os.Getpid()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		_, err := os.Stat(filepath.Join(dir, "cgroup.procs")) // or it is a mere folder, where others are mounted
		if err == nil && os.WriteFile(filepath.Join(dir, file), []byte(strconv.FormatInt(limit, 10)), 0o644) == nil {
			t.Cleanup(func() { removeDir(dir) })
			return &container{dir}
		}
		_ = os.Remove(dir)
	}
	return nil
}

// removeDir removes a control group when its last process has gone.
func removeDir(dir string) {
	for range 100 {
		if err := os.Remove(dir); err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// runWithin starts `streammon run` within the container.
func (c *container) run(t *testing.T, limit int64, args ...string) *program {
	t.Helper()
	if c == nil {
		return run(t, []string{fmt.Sprintf("GOMEMLIMIT=%d", limit/10*8)}, args...)
	}
	name, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	address := freePort(t)
	args = append([]string{"-c", `echo $$ > "$0" && exec "$@"`, filepath.Join(c.dir, "cgroup.procs"), name, "run", "--web.listen-address=" + address}, args...)
	p := startCommand(t, exec.Command("sh", args...), nil)
	p.address = address
	return p
}

// memory returns how much memory the program has, and has had at most, in bytes.
func (p *program) memory() (now, most int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(status)) {
		var n int64
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &n); err == nil {
			now = n << 10
		}
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &n); err == nil {
			most = n << 10
		}
	}
	return now, max(now, most)
}

// throttle lets the program run for 10 ms of each period, which may change, until the function it returns is called.
func (p *program) throttle(period *atomic.Int64) (end func()) {
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for {
			_ = p.cmd.Process.Signal(syscall.SIGSTOP)
			select {
			case <-stop:
				_ = p.cmd.Process.Signal(syscall.SIGCONT)
				return
			case <-time.After(time.Duration(period.Load()) - 10*time.Millisecond):
			}
			_ = p.cmd.Process.Signal(syscall.SIGCONT)
			time.Sleep(10 * time.Millisecond)
		}
	})
	return func() {
		close(stop)
		done.Wait()
	}
}

// TestOverload sends ten times what the program can read, in a container of 400 MiB: it is not
// killed, the lag grows, and is read when the program has its time again.
func TestOverload(t *testing.T) {
	const limit, rate = 400 << 20, 30_000 // bytes, events a second
	length := 6 * time.Second
	switch {
	case long:
		length = 5 * time.Minute
	case ci:
		length = time.Minute
	case testing.Short():
		t.Skip("takes some seconds")
	}
	_, b := testkafka.Fake(t)
	s := newStage(t, b, 21, time.Second/rate)
	s.quick = true
	config := s.config(t, "overload", "state", "")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	// One model of one version, windows of 1 m and 5 m, and not all ids and predictions: what `check` says to fit.
	small := strings.NewReplacer("[1m, 5m, 1h]", "[1m, 5m]", "deduplicate: 2m", "deduplicate: 2m\nmax_ids: 25000", "{timeout: 10m}", "{timeout: 10m, max_pending: 100000}").Replace(string(text))
	one, _, _ := strings.Cut(small, "  - name: m1\n")
	if err := os.WriteFile(config, []byte(one), 0o600); err != nil {
		t.Fatal(err)
	}
	s.traffic.models, s.traffic.release = 1, 1<<40
	said, err := command(t, 0, "check", config)
	if err != nil {
		t.Fatal(err)
	}
	var about int64
	if _, after, ok := strings.Cut(said, "memory: about "); !ok {
		t.Fatal(said)
	} else if _, err := fmt.Sscanf(after, "%d MiB", &about); err != nil || about<<20 > limit/10*8 {
		t.Fatalf("it takes about %d MiB, which do not fit: %v", about, err)
	}
	p := newContainer(t, limit).run(t, limit, "--config.file="+config)
	s.produce(t.Context(), t, 100_000)
	p.awaitReady(t, 30*time.Second)
	// So little time that it reads a tenth of what is sent, at most.
	var period atomic.Int64
	period.Store(int64(900 * time.Millisecond))
	began, before, looked, start := time.Now(), s.written, time.Now(), consumed(p)
	end := p.throttle(&period)
	for next := began; time.Since(began) < length && !p.ended(); next = next.Add(100 * time.Millisecond) {
		s.produce(t.Context(), t, rate/10)
		if time.Since(looked) > 3*time.Second {
			if n := consumed(p); n-start > 0.05*float64(s.written-before) {
				period.Store(period.Load() * 3 / 2)
			}
			looked = time.Now()
		}
		time.Sleep(time.Until(next))
	}
	took, sent := time.Since(began), s.written-before
	end()
	read := 0.0
	await(t, 10*time.Second, "an answer", func() bool { read = consumed(p); return read > 0 || p.ended() })
	lag := float64(s.written) - read
	_, most := p.memory()
	t.Logf("%d messages in %s, %.0f a second; %.0f behind; %d MiB at most", sent, took, float64(sent)/took.Seconds(), lag, most>>20)
	if p.ended() {
		t.Fatalf("it was killed:\n%s", tail(p.log.String()))
	}
	if lag < 0.9*float64(sent) {
		t.Errorf("it is %.0f behind: that was no overload", lag)
	}
	began = time.Now()
	await(t, length+30*time.Second, "end of the lag", func() bool { return p.ended() || int(consumed(p)) == s.written })
	if p.ended() {
		t.Fatalf("it was killed while it caught up:\n%s", tail(p.log.String()))
	}
	_, most = p.memory()
	t.Logf("caught up after %s; %d MiB at most", time.Since(began), most>>20)
	if most > limit {
		t.Errorf("%d MiB were in use", most>>20)
	}
	p.awaitReady(t, 30*time.Second)
	p.terminate(t)
}
