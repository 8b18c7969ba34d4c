package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/consumer"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/pipeline"
)

const (
	// baseMemory is what the program takes without any model, and partMemory the usual buffers of a
	// partition.
	baseMemory = 64 << 20
	partMemory = 4 << 20
	// usualLanes is how many partitions are reckoned with where their number is not known.
	usualLanes = 4
)

// Memory is what a config takes, in bytes.
type Memory struct {
	// Usual is with one version of each model and the traffic of most services; Budget is the
	// most, with three versions a model and any traffic.
	Usual, Budget int64
	Partitions    int
}

// MemoryOf reckons what a config takes with so many partitions a topic; 0 stands for 4.
func MemoryOf(c *config.Config, partitions int, results bool) (Memory, error) {
	groups, err := buildGroups(c)
	if err != nil {
		return Memory{}, err
	}
	if partitions == 0 {
		partitions = usualLanes
	}
	m := Memory{Partitions: partitions}
	for _, g := range groups {
		m.add(g, partitions, results, c.State.Dir != "")
	}
	m.addWaiting(len(groups), results)
	m.Usual += baseMemory
	m.Budget += baseMemory + sharedMemory()
	return m, nil
}

// sharedMemory is what large batches take at most, of all partitions together.
func sharedMemory() int64 {
	shared, _ := consumer.Config{}.Memory()
	return shared
}

// add adds a group that is read in so many lanes: each is a partition of its topics.
func (m *Memory) add(g *modelGroup, lanes int, results, saved bool) {
	views := 1
	if results {
		views = 2
	}
	usual, most := g.monitor.Memory(lanes, views, saved)
	partitions := int64(lanes)
	if g.labels != "" && g.labels != g.predictions {
		partitions *= 2
	}
	_, buffers := consumer.Config{}.Memory()
	table, texts := g.decode.Limits.Memory()
	if g.decode.Schema.Answers != (event.Answers{}) {
		texts *= 2 // those of scores and items are read once more
	}
	if g.decode.Mapping.LabelTime != "" {
		labels := int64(lanes) * pipeline.WaitingLabelBytes
		if saved {
			labels *= 2 // the encoded form
		}
		most += labels
	}
	m.Usual += usual + partitions*(partMemory+table)
	m.Budget += most + partitions*(buffers+table+texts)
}

// addWaiting adds the results of several groups that wait for each other, and what a save copies of them.
func (m *Memory) addWaiting(groups int, results bool) {
	if results && groups > 1 {
		m.Budget += 3 * pipeline.MaxWaiting
	}
}

// String says it in a line.
func (m Memory) String() string {
	return fmt.Sprintf("about %s with one version a model, at most %s (%d partitions a topic)", inBytes(m.Usual), inBytes(m.Budget), m.Partitions)
}

// Warning says that there is less memory than the most that the config takes; it is empty if there is enough.
func (m Memory) Warning() string { return m.warning("/") }

// warning is Warning; root is that of the file system.
func (m Memory) warning(root string) string {
	limit, whose := containerLimit(root), "the container is limited to"
	if ram := machineMemory(root); ram > 0 && (limit == 0 || ram < limit) {
		limit, whose = ram, "the machine has"
	}
	if limit == 0 || m.Budget <= limit {
		return ""
	}
	return fmt.Sprintf("the config takes up to %s of memory, and %s %s: reading may pause, or the system may end the process, when traffic needs it", inBytes(m.Budget), whose, inBytes(limit))
}

// machineMemory returns the memory of the machine, 0 if that is not known; root is that of the file system.
func machineMemory(root string) int64 {
	data, err := os.ReadFile(filepath.Join(root, "proc/meminfo"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" && f[2] == "kB" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

func inBytes(n int64) string {
	if n >= 10<<30 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// memoryGuard keeps the program within the budget, and within the machine's limit if that is
// lower: the garbage collector works harder towards it, and reading pauses above it.
type memoryGuard struct {
	before  int64 // the collector's limit when the guard was made
	machine int64 // that of GOMEMLIMIT, or 80 % of the container's, the lower; MaxInt64 if there is none
	limit   atomic.Int64
	logger  *slog.Logger
	full    atomic.Bool
	saving  atomic.Bool  // the state is being saved
	paused  atomic.Int64 // nanoseconds, all lanes together
	inUse   atomic.Int64

	mu   sync.Mutex
	room sync.Cond
}

// Shares of the limit: what the garbage collector works towards, where reading pauses, and where it goes on.
// Reading must not pause for garbage: while it does nothing is allocated, so nothing is collected.
const (
	collectAt = 0.85
	pauseAt   = 0.90
	resumeAt  = 0.88
	// longestPause is how long a batch waits at most. State that is simply larger than the limit
	// would otherwise stop reading for ever.
	longestPause = time.Second
	// longestSavePause is how long it waits while the state is saved: that gives back what it takes, and all that is read meanwhile
	// is copied before it changes.
	longestSavePause = 10 * time.Second
)

func newMemoryGuard(l *slog.Logger) *memoryGuard {
	before := debug.SetMemoryLimit(-1)
	g := &memoryGuard{before: before, machine: before, logger: l}
	g.room.L = &g.mu
	if c := containerLimit("/"); c > 0 {
		g.machine = min(g.machine, c/10*8)
	}
	g.limit.Store(g.machine)
	return g
}

// close gives the collector back the limit that it had: what is run next in this process would
// take ours for the machine's.
func (g *memoryGuard) close() { debug.SetMemoryLimit(g.before) }

// setBudget makes the budget the limit, if it is lower than the machine's.
func (g *memoryGuard) setBudget(budget int64) {
	limit := min(g.machine, budget)
	g.limit.Store(limit)
	debug.SetMemoryLimit(int64(collectAt * float64(limit)))
}

// status returns what is known for a snapshot.
func (g *memoryGuard) status(budget int64) monitor.MemoryStatus {
	return monitor.MemoryStatus{Budget: budget, Limit: g.limit.Load(), InUse: g.inUse.Load(), Paused: time.Duration(g.paused.Load())}
}

// containerLimit returns the memory limit of this process's control group, 0 if there is none;
// root is that of the file system.
func containerLimit(root string) int64 {
	data, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return 0
	}
	limit := int64(0)
	for line := range strings.Lines(string(data)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) < 3 {
			continue
		}
		switch {
		case part[0] == "0" && part[1] == "":
			limit = lowest(limit, filepath.Join(root, "sys/fs/cgroup"), part[2], "memory.max")
		case strings.Contains(","+part[1]+",", ",memory,"):
			limit = lowest(limit, filepath.Join(root, "sys/fs/cgroup/memory"), part[2], "memory.limit_in_bytes")
		}
	}
	return limit
}

// lowest is lower for a control group and its parents: each of them limits.
func lowest(limit int64, root, dir, file string) int64 {
	for ; ; dir = filepath.Dir(dir) {
		limit = lower(limit, filepath.Join(root, dir, file))
		if dir == "/" || dir == "." {
			return limit
		}
	}
}

// lower returns the limit in a file, if there is one that is lower.
func lower(limit int64, file string) int64 {
	data, err := os.ReadFile(file)
	if err != nil {
		return limit
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil || n <= 0 || n > 1<<60 || limit > 0 && limit < n {
		return limit
	}
	return n
}

// run watches until the context ends.
func (g *memoryGuard) run(ctx context.Context) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	var freed time.Time
	for said := false; ; {
		metrics.Read(sample)
		used := int64(sample[0].Value.Uint64() - sample[1].Value.Uint64())
		g.inUse.Store(used)
		share := float64(used) / float64(g.limit.Load())
		if share >= pauseAt && !said {
			said = true
			g.logger.Warn("memory is close to its limit, reading pauses", "in_use", inBytes(used), "limit", inBytes(g.limit.Load()))
		}
		if share >= pauseAt || share < resumeAt {
			g.full.Store(share >= pauseAt)
		}
		g.wake()
		if share >= pauseAt && time.Since(freed) > longestPause {
			debug.FreeOSMemory()
			freed = time.Now()
			continue
		}
		select {
		case <-ctx.Done():
			g.full.Store(false)
			g.wake()
			return
		case <-ticker.C:
		}
	}
}

// wake lets those that wait look again.
func (g *memoryGuard) wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.room.Broadcast()
}

// wait returns when there is room, or after the longest pause.
func (g *memoryGuard) wait() {
	if !g.full.Load() {
		return
	}
	began := time.Now()
	timer := time.AfterFunc(longestPause, g.wake) // run wakes them, too
	defer timer.Stop()
	g.mu.Lock()
	for took := time.Duration(0); g.full.Load() && (took < longestPause || g.saving.Load() && took < longestSavePause); took = time.Since(began) {
		g.room.Wait()
	}
	g.mu.Unlock()
	g.paused.Add(int64(time.Since(began)))
}
