package app

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/config"
)

// TestContainerLimit reads the limits of both versions of control groups.
func TestContainerLimit(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"none", nil, 0},
		{"version 2", map[string]string{"proc/self/cgroup": "0::/pod/app\n", "sys/fs/cgroup/pod/app/memory.max": "max\n", "sys/fs/cgroup/pod/memory.max": "1000000\n"}, 1000000},
		{"version 2, the lower", map[string]string{"proc/self/cgroup": "0::/pod/app\n", "sys/fs/cgroup/pod/app/memory.max": "500000", "sys/fs/cgroup/pod/memory.max": "1000000\n"}, 500000},
		{"version 1", map[string]string{"proc/self/cgroup": "5:cpu:/\n4:cpuset,memory:/a/b\n", "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "2000000\n"}, 2000000},
		{"version 1, the lower", map[string]string{"proc/self/cgroup": "4:memory:/a/b\n", "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "9223372036854771712\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "1500000\n"}, 1500000},
		{"version 1 in a container", map[string]string{"proc/self/cgroup": "4:memory:/a/b\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "3000000\n"}, 3000000},
		{"version 1 without a limit", map[string]string{"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		{"nonsense", map[string]string{"proc/self/cgroup": "0::/\nx\n4:memory\n", "sys/fs/cgroup/memory.max": "-5"}, 0},
	} {
		root := t.TempDir()
		for name, content := range c.files {
			file := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := containerLimit(root); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestMemoryGuardEnds: the next one in the process finds the limit that the one before has found.
func TestMemoryGuardEnds(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	for range 2 {
		g := newMemoryGuard(testLogger(t))
		g.setBudget(1 << 30)
		g.close()
		if now := debug.SetMemoryLimit(-1); now != before {
			debug.SetMemoryLimit(before)
			t.Fatalf("the collector works towards %d bytes, before %d", now, before)
		}
	}
}

// TestMemoryGuard: above the limit reading pauses, for a second at most.
func TestMemoryGuard(t *testing.T) {
	g := &memoryGuard{machine: math.MaxInt64, logger: testLogger(t)}
	g.room.L = &g.mu
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	g.setBudget(1 << 40)
	if g.limit.Load() != 1<<40 {
		t.Fatal(g.limit.Load())
	}
	// The collector must know a limit of the machine, too, that is lower than the budget.
	g.machine = 1 << 39
	g.limit.Store(g.machine)
	g.setBudget(1 << 40)
	if n := debug.SetMemoryLimit(-1); n >= 1<<39 {
		t.Errorf("the collector works towards %d of %d bytes", n, g.machine)
	}
	began := time.Now()
	g.wait()
	if time.Since(began) > 100*time.Millisecond {
		t.Error("waits without need")
	}
	g.full.Store(true)
	began = time.Now()
	g.wait()
	if d := time.Since(began); d < longestPause || d > 5*longestPause {
		t.Errorf("waits for %s", d)
	}
	if g.paused.Load() < int64(longestPause) {
		t.Error("the pause is not counted")
	}
	// A save gives back what it takes: reading waits for its end.
	const save = longestPause + 300*time.Millisecond
	g.saving.Store(true)
	time.AfterFunc(save, func() {
		g.saving.Store(false)
		g.wake()
	})
	began = time.Now()
	g.wait()
	if d := time.Since(began); d < save || d > longestSavePause {
		t.Errorf("waits for %s while a save takes %s", d, save)
	}
}

// TestMemoryOfFields: the places for the keys of a message are in the budget, for each partition of each topic.
func TestMemoryOfFields(t *testing.T) {
	of := func(labels string, fields int) Memory {
		c, err := config.Parse("c.yaml", fmt.Appendf(nil, `
kafka: {brokers: [localhost:9092]}
limits: {fields: %d}
models:
  - name: m
    topics: {predictions: p%s}
`, fields, labels))
		if err != nil {
			t.Fatal(err)
		}
		m, err := MemoryOf(c, 3, false)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	const table = 2 << 20 * 48 // of a decoder: a power of two above twice the fields
	small, large, both := of("", 1024), of("", 1_000_000), of(", labels: l", 1_000_000)
	if more := large.Budget - small.Budget; more < 3*table*9/10 {
		t.Errorf("a million fields are %d bytes more, three tables take %d", more, 3*table)
	}
	if more := both.Budget - large.Budget; more < 3*table {
		t.Errorf("a topic of labels is %d bytes more, three tables take %d", more, 3*table)
	}
}

// TestMemoryOfLabels: predictions that may wait for their labels are in the budget, for each partition, and so are the tallies and estimates of
// each series.
func TestMemoryOfLabels(t *testing.T) {
	of := func(labels, task string) Memory {
		c, err := config.Parse("c.yaml", fmt.Appendf(nil, `
kafka: {brokers: [localhost:9092]}
models:
  - name: m
    topics: {predictions: p, labels: l}
    labels: {%s}
    %s
`, labels, task))
		if err != nil {
			t.Fatal(err)
		}
		m, err := MemoryOf(c, 3, false)
		if err != nil {
			t.Fatal(err)
		}
		if m.Usual > m.Budget {
			t.Errorf("%s: usual %d, at most %d", task, m.Usual, m.Budget)
		}
		return m
	}
	const binary, million = "positive: a", "max_pending: 1000000"
	one := of(million, binary)
	for _, c := range []struct {
		name       string
		with       Memory
		less       Memory
		from, upTo int64 // MB more
	}{
		{"a million predictions in three partitions, of 40 bytes", of("max_pending: 2000000", binary), one, 3 * 40, 3 * 40},
		{"those of regression, which have 24 bytes", of("max_pending: 2000000", "task: regression"), of(million, "task: regression"), 3 * 55, 3 * 70},
		{"ten items of a ranking", of("max_pending: 2000000", "task: ranking"), of(million, "task: ranking"), 3 * 110, 3 * 130},
		{"the task", one, of(million, "task: none"), 3*40 + 3*16, 400},
		{"an estimate", of(million, binary+"\n    calibrated: true"), one, 3, 100},
		{"twenty classes", of(million, "task: multiclass\n    classes: [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t]"), of(million, "task: multiclass\n    classes: [a, b]"), 3 * 18 * 8, 2000},
	} {
		if more := (c.with.Budget - c.less.Budget + 999_999) / 1_000_000; more < c.from || more > c.upTo {
			t.Errorf("%s: %d MB more, want %d to %d", c.name, more, c.from, c.upTo)
		}
	}
}

// TestMemoryWarning: a budget that the machine, or the container, cannot give is worth a warning.
func TestMemoryWarning(t *testing.T) {
	root := t.TempDir()
	write := func(name, content string) {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m := Memory{Budget: 3 << 30}
	if w := m.warning(root); w != "" {
		t.Errorf("nothing is known: %q", w)
	}
	write("proc/meminfo", "MemTotal:        8000000 kB\nMemFree: 1 kB\n")
	if w := m.warning(root); w != "" {
		t.Errorf("there is enough: %q", w)
	}
	write("proc/meminfo", "MemTotal:        2097152 kB\nMemFree: 1 kB\n")
	if w := m.warning(root); !strings.Contains(w, "3072 MiB") || !strings.Contains(w, "2048 MiB") {
		t.Errorf("the machine has less: %q", w)
	}
	write("proc/self/cgroup", "0::/app\n")
	write("sys/fs/cgroup/app/memory.max", "1073741824\n")
	if w := m.warning(root); !strings.Contains(w, "1024 MiB") {
		t.Errorf("the container has less: %q", w)
	}
}
