package app

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streammon/streammon/internal/consumer"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/pipeline"
	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/state"
	"github.com/streammon/streammon/internal/window"
)

// Where the store keeps how far the results were written, and the dead letters that wait. They are
// no topics' names.
const (
	resultsName = ":results"
	lettersName = ":dead-letters"
)

// Reasons of beginning anew with a part of the state.
const (
	resetDamaged   = "damaged"
	resetPane      = "pane_length"
	resetReference = "reference"
)

// saveShare is the largest share of the time that saving may take.
const saveShare = 0.05

// keeper keeps the state of a run: it restores the groups from a store, and saves them
// every now and then.
type keeper struct {
	store    *state.Store
	interval time.Duration
	pace     pace
	logger   *slog.Logger
	groups   []*pipeline.Group
	names    []string // of the groups
	configs  []string
	sink     *pipeline.Sequencer
	results  *resultWriter
	letters  *deadLetters // nil: none

	// ended: some partition was read to its declared end. From then on views hold what is
	// only true at the end, and nothing is saved any more.
	ended atomic.Bool
	last  sync.Once // save before that

	memory  *memoryGuard // knows when the state is saved; nil: nobody asks
	saving  sync.Mutex
	unsaved *pipeline.Cut // that could not be stored
	anew    bool          // the store has lost what it had

	anewAtStart bool            // some group, or all, had to begin anew
	begunAnew   map[string]bool // the models of groups that had to, if not all
	models      map[string][]*monitor.Model

	written map[string]string // by model: the fingerprint of the learned reference whose file was written

	mu     sync.Mutex
	status monitor.StateStatus
}

// openKeeper opens the store. It fails if another process uses it, or a newer version
// wrote it.
func openKeeper(dir string, interval time.Duration, version string, l *slog.Logger) (*keeper, error) {
	store, aside, err := state.Open(dir, version)
	if err != nil {
		return nil, err
	}
	k := &keeper{store: store, interval: interval, pace: pace{least: interval, most: longestInterval, times: 1 / saveShare}, logger: l, written: map[string]string{},
		begunAnew: map[string]bool{}, models: map[string][]*monitor.Model{}, status: monitor.StateStatus{Resets: map[string]uint64{}, Interval: interval}}
	for _, reason := range []string{resetDamaged, resetPane, resetReference} {
		k.status.Resets[reason] = 0
	}
	if aside != "" {
		k.anewAtStart = true
		l.Error("the saved state is damaged, it was moved aside and the windows begin anew", "file", store.Path(), "moved_to", aside)
		k.status.Resets[resetDamaged]++
	}
	if err := store.Lost(); err != nil {
		k.anewAtStart = true
		l.Error("the saved state is damaged and cannot be moved aside, the windows begin anew", "file", store.Path(), "err", err)
		k.status.Resets[resetDamaged]++
	}
	if err := store.Refused(); err != nil {
		k.failed(err)
	}
	return k, nil
}

// load returns what was saved of the groups and of the results. If results are to be written and what was saved of them
// is damaged, nothing is of use: what waited for other groups would be lost.
func (k *keeper) load(models []*modelGroup, results bool) (map[string]*state.Loaded, error) {
	for _, m := range models {
		k.names, k.configs = append(k.names, m.predictions), append(k.configs, fingerprint(m.monitor))
		k.models[m.predictions] = m.monitor.Models
	}
	names := append(slices.Clone(k.names), resultsName, lettersName)
	loaded, errs, err := k.store.Load(names)
	if err == nil && results {
		err = errs[resultsName]
	}
	if errors.Is(err, state.ErrDamaged) {
		aside, moved, failed := k.store.SetAside()
		if moved {
			k.logger.Error("the saved state is damaged, it was moved aside and the windows begin anew", "err", err, "moved_to", aside)
		} else {
			k.logger.Error("the saved state is damaged and cannot be moved aside, the windows begin anew", "err", errors.Join(err, failed))
			for _, name := range names { // the next save that succeeds replaces them
				k.store.Reset(name)
			}
		}
		k.anewAtStart = true
		k.status.Resets[resetDamaged]++
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for name, l := range loaded {
		if l.DamagedSlots > 0 {
			k.logger.Error("the newest snapshot of the state is damaged, going on from the one before", "group", name)
			k.status.Resets[resetDamaged]++
		}
	}
	for _, name := range names {
		if err := errs[name]; err != nil {
			k.reset(name, resetDamaged, err)
		}
	}
	return loaded, nil
}

// reset forgets what was saved of a group.
func (k *keeper) reset(name, reason string, cause error) {
	k.status.Resets[reason]++
	switch name {
	case lettersName:
		k.logger.Error("the dead letters that waited to be written are damaged, and lost", "err", cause)
	case resultsName:
		k.logger.Error("how far the results were is damaged, and forgotten, since none are written now", "err", cause)
	default:
		k.anewAtStart = true
		for _, m := range k.models[name] {
			k.begunAnew[m.Name] = true
		}
		k.logger.Error("the saved state is of no use, the windows begin anew", "group", name, "err", cause)
	}
	k.store.Reset(name)
}

// restore makes a new group what it was. If not, the group is of no use, and one is to begin anew.
func (k *keeper) restore(g *pipeline.Group, config string, l *state.Loaded) (parts []pipeline.PartState, ok bool) {
	parts, lost, err := restoreGroup(g, l)
	if err != nil {
		reason := resetDamaged
		if errors.Is(err, monitor.ErrShape) {
			reason = resetPane
		}
		k.reset(l.Group, reason, err)
		return nil, false
	}
	sayLost(k.logger, l.Group, lost)
	k.status.Resets[resetReference] += uint64(len(lost))
	if l.Config != config {
		k.logger.Info("the config has changed since the state was saved; the windows of what it had are kept", "group", l.Group)
	}
	sayAnew(k.logger, l.Group, g.Anew())
	k.logger.Info("state restored", "group", l.Group, "saved", l.Saved.UTC().Format(time.RFC3339), "partitions", len(parts))
	return parts, true
}

// restoreGroup makes a new group what it was, and returns the features of which something was lost, sorted.
func restoreGroup(g *pipeline.Group, l *state.Loaded) (parts []pipeline.PartState, lost []string, err error) {
	entries := make([]pipeline.Entry, len(l.Entries))
	for i, e := range l.Entries {
		entries[i] = pipeline.Entry{Kind: pipeline.Kind(e.Kind), Start: e.Start, Content: e.Content}
	}
	names := map[string]bool{}
	parts, err = g.Restore(l.State, entries, func(model, feature string) { names[fmt.Sprintf("%s/%s", model, feature)] = true })
	return parts, slices.Sorted(maps.Keys(names)), err
}

// sayLost says which features begin anew in a group that was restored.
func sayLost(l *slog.Logger, group string, features []string) {
	if len(features) > 0 {
		l.Warn("these have another type, task, positive class or classes, or their reference other bins, than before: they, or their drift, begin anew", "group", group, "features", features)
	}
}

// sayAnew says what begins anew in a group that was restored.
func sayAnew(l *slog.Logger, group string, a pipeline.Anew) {
	if a.Results != window.NoTime {
		l.Info("results were not made before: they begin here", "group", group, "from", time.Unix(0, a.Results).UTC())
	}
	if len(a.Names) > 0 {
		l.Info("some of the config is new: its windows that begin before are not complete", "group", group, "new", a.Names, "from", time.Unix(0, a.From).UTC())
	}
}

// forgotten reports whether something that was saved had to begin anew.
func (k *keeper) forgotten() bool { return k != nil && k.anewAtStart }

// fingerprint identifies what of a group's config shapes its state.
func fingerprint(g *monitor.Group) string {
	h := sha256.New()
	fmt.Fprintln(h, g.Pane, g.Lateness, g.Deduplicate, g.Windows, g.Schema)
	for _, m := range g.Models {
		fmt.Fprintf(h, "%q %v %v\n", m.Name, m.Segmentations, m.References)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// run saves until the context ends, and once more when reading has ended.
func (k *keeper) run(ctx context.Context, readingEnded <-chan struct{}) {
	timer := time.NewTimer(k.interval)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			timer.Reset(k.stretch(k.save()))
		case <-ctx.Done():
			<-readingEnded
			k.save()
			if err := k.close(); err != nil {
				k.logger.Error("the state", "err", err)
			}
			return
		}
	}
}

func (k *keeper) close() error {
	if k == nil {
		return nil
	}
	return k.store.Close()
}

// longestInterval is the longest time between two saves, or save_interval if that is longer.
const longestInterval = 10 * time.Minute

// stretch returns the time until the next save, after one that took so long.
func (k *keeper) stretch(took time.Duration) time.Duration {
	next := k.pace.after(took)
	k.mu.Lock()
	defer k.mu.Unlock()
	if next > k.interval && k.status.Interval == k.interval {
		k.logger.Warn("saving the state takes long, it is saved less often", "took", took.Round(time.Millisecond), "next_in", next.Round(time.Second), "save_interval", k.interval)
	}
	k.status.Interval = next
	return next
}

// end saves for the last time; it comes before a partition is told of its end.
func (k *keeper) end() {
	if k != nil {
		k.last.Do(func() {
			k.save()
			k.ended.Store(true)
		})
	}
}

// save stores a snapshot of everything, and returns how long that took.
func (k *keeper) save() time.Duration {
	k.saving.Lock()
	defer k.saving.Unlock()
	if k.memory != nil {
		k.memory.saving.Store(true)
		defer k.memory.saving.Store(false)
	}
	took, again := k.saveOnce()
	if again {
		more, _ := k.saveOnce()
		took += more
	}
	return took
}

// saveOnce is save; again is set if the file was damaged, and there is another one now.
func (k *keeper) saveOnce() (took time.Duration, again bool) {
	began := time.Now()
	if k.ended.Load() {
		return 0, false
	}
	state.Step("begin")
	var results written
	var letters []consumer.DeadLetter
	ended := false
	cut := pipeline.TakeCut(k.groups, k.sink, k.anew, func() {
		ended = k.ended.Load()
		if k.results != nil {
			results = k.results.position()
		}
		if k.letters != nil {
			letters = k.letters.snapshot()
		}
	})
	if ended {
		return 0, false
	}
	state.Step("cut")
	held := cut.Held
	if k.unsaved != nil {
		cut.Follow(k.unsaved)
	}
	k.unsaved, k.anew = cut, false
	size, err := k.store1(cut, results, letters)
	took = time.Since(began)
	if err != nil {
		k.failed(err)
		return took, errors.Is(err, state.ErrDamaged) && k.setAside()
	}
	state.Step("end")
	k.writeLearned()
	k.logger.Debug("state saved", "took", took, "held", held, "bytes", size)
	k.unsaved = nil
	k.mu.Lock()
	defer k.mu.Unlock()
	s := &k.status
	if s.Error != "" {
		k.logger.Info("the state is saved again")
	}
	s.Error, s.LastSave, s.Took, s.Held, s.Bytes = "", time.Now(), took, held, size
	s.Saves++
	return took, false
}

// store1 writes the cut, after the results that it counts on are on the disk. It returns how large that was.
func (k *keeper) store1(cut *pipeline.Cut, results written, letters []consumer.DeadLetter) (size int, err error) {
	counted := func(content func(b []byte) []byte) func(b []byte) []byte {
		return func(b []byte) []byte {
			before := len(b)
			b = content(b)
			size += len(b) - before
			return b
		}
	}
	groups, waiting := cut.Snapshots()
	var snapshots []state.Fresh
	for i, g := range groups {
		s := state.Fresh{Group: k.names[i], Config: k.configs[i], State: counted(g.State)}
		for _, e := range g.Entries {
			s.Entries = append(s.Entries, state.FreshEntry{Kind: state.Kind(e.Kind), Start: e.Start, Content: counted(e.Content)})
		}
		for _, h := range g.Horizons {
			s.Horizons = append(s.Horizons, state.Horizon{Kind: state.Kind(h.Kind), Start: h.Start})
		}
		snapshots = append(snapshots, s)
	}
	if k.results != nil {
		if err := k.results.sync(); err != nil {
			return 0, err
		}
		state.Step("results")
		snapshots = append(snapshots, state.Fresh{Group: resultsName, State: func(b []byte) []byte { return append(appendResults(b, results), waiting...) }})
	}
	if k.letters != nil {
		snapshots = append(snapshots, state.Fresh{Group: lettersName, State: func(b []byte) []byte { return appendLetters(b, letters) }})
	}
	err = k.store.Save(snapshots, time.Now())
	return size, err
}

func (k *keeper) failed(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.status.Error == "" {
		k.logger.Error("the state cannot be saved, reading goes on; retrying", "err", err)
	}
	k.status.Error = err.Error()
	k.status.Failures++
}

// setAside goes on with an empty file after damage, and returns whether there is one.
func (k *keeper) setAside() bool {
	aside, moved, err := k.store.SetAside()
	if !moved {
		return false // next time
	}
	if aside == "" {
		k.logger.Error("the file of the state has gone, another one is written")
	} else {
		k.logger.Error("the file of the state is damaged or was replaced, it was moved aside", "moved_to", aside)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status.Resets[resetDamaged]++
	k.unsaved, k.anew = nil, true
	return err == nil
}

// snapshot returns the keeper's status, nil if there is none.
func (k *keeper) snapshot() *monitor.StateStatus {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.status
	s.Resets = map[string]uint64{}
	for reason, n := range k.status.Resets {
		s.Resets[reason] = n
	}
	return &s
}

// resultsVersion is the version of the form of appendResults, its first byte. Version 1 does not say what the
// results end with.
const resultsVersion = 2

// appendResults appends how far the results are; what waits follows it.
func appendResults(b []byte, p written) []byte {
	b = sketch.AppendText(append(b, resultsVersion), p.name)
	b = binary.AppendUvarint(binary.AppendVarint(b, p.length), uint64(p.tail))
	return binary.AppendUvarint(b, uint64(p.sum))
}

func readResults(b []byte) (p written, waiting []byte, err error) {
	d := sketch.NewDecoder(b)
	version := d.BeginUpTo(resultsVersion)
	p.name, p.length = d.Text(), d.Varint()
	if version > 1 {
		p.tail, p.sum = int(d.Uvarint()), uint32(d.Uvarint())
	}
	waiting, err = d.End("results")
	if err == nil && (p.length < 0 || p.tail < 0 || p.tail > tailBytes) {
		err = fmt.Errorf("read results: a length of %d, %d of them known", p.length, p.tail)
	}
	return p, waiting, err
}
