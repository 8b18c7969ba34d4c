package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/consumer"
	"github.com/streammon/streammon/internal/pipeline"
	"github.com/streammon/streammon/internal/state"
)

// shape is what a reload of the config replaces as a whole: the groups, and what is read into them.
type shape struct {
	models     []*modelGroup
	groups     []*pipeline.Group
	sink       *pipeline.Sequencer
	topics     map[string]*topic
	partitions map[partitionKey]*partition
	known      map[string]int
	counts     map[string]int
	placed     placed
	learning   map[string]bool
}

func (r *runner) shape() shape {
	return shape{r.models, r.groups, r.sink, r.topics, r.partitions, r.known, r.counts, r.placed, r.learning}
}

// takeShape makes the shape that of the runner; nothing may be read meanwhile.
func (r *runner) takeShape(s shape) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.models, r.groups, r.sink, r.topics, r.partitions, r.known, r.counts, r.placed, r.learning =
		s.models, s.groups, s.sink, s.topics, s.partitions, s.known, s.counts, s.placed, s.learning
}

// rebuild puts a config in force for which the groups have to be made anew, as a restart would: reading stops, the new groups go on
// from what the old ones are, and reading goes on. The rest of the process lives on: who scrapes meanwhile gets what was
// published before. If anything is wrong, the old groups go on.
func (r *runner) rebuild(c *config.Config, models []*modelGroup) error {
	if !r.live {
		return errors.New("the config changes what is kept, which takes a restart of a run until the end")
	}
	cc, err := consumerConfig(c, models, time.Now())
	if err != nil {
		return err
	}
	return r.consumer.Change(r.wake, func() ([]consumer.Topic, error) { return cc.Topics, r.succeed(models) })
}

// wake lets what waits within the groups see that reading is to end.
func (r *runner) wake() {
	r.shaping.RLock()
	defer r.shaping.RUnlock()
	for _, g := range r.groups {
		g.Wake()
	}
	if r.deadLetters != nil {
		r.deadLetters.look()
	}
}

// succeed replaces the groups by those of models, while nothing is read.
func (r *runner) succeed(models []*modelGroup) error {
	r.shaping.Lock()
	defer r.shaping.Unlock()
	if r.keeper != nil {
		r.keeper.saving.Lock()
		defer r.keeper.saving.Unlock()
	}
	loaded, waiting, err := r.handOver(models)
	if err != nil {
		return err
	}
	before := r.shape()
	r.takeShape(shape{models: models, topics: map[string]*topic{}, partitions: map[partitionKey]*partition{}, known: map[string]int{}})
	if err := r.goOnAs(models, &before, loaded, waiting); err != nil {
		r.takeShape(before)
		return fmt.Errorf("go on with the new config: %w", err)
	}
	r.keeper.succeed(models, r.groups, r.sink)
	select {
	case r.replaced <- struct{}{}:
	default:
	}
	return nil
}

// refillLoop fills the histories of groups that were restored again, until the context ends.
func (r *runner) refillLoop(ctx context.Context) {
	for {
		r.shaping.RLock()
		groups := r.groups
		r.shaping.RUnlock()
		for _, restored := range groups {
			restored.Refill(ended(ctx))
		}
		select {
		case <-ctx.Done():
			return
		case <-r.replaced:
		}
	}
}

// goOnAs makes the groups what those before were, as far as the config has that.
func (r *runner) goOnAs(models []*modelGroup, before *shape, loaded map[string]*state.Loaded, waiting []byte) error {
	if r.results != nil {
		r.newSink(models)
		if err := r.sink.RestoreResults(waiting, false, func(string) bool { return true }); err != nil {
			return err
		}
	}
	for i, m := range models {
		g := r.newGroup(i, m)
		r.addTopics(m, g)
		r.groups = append(r.groups, g)
		l := loaded[m.predictions]
		if l == nil {
			continue // it is new
		}
		parts, lost, err := restoreGroup(g, l)
		if err != nil {
			return err
		}
		if err := r.goOn(parts); err != nil {
			return err
		}
		sayLost(r.logger, m.predictions, lost)
		r.keeper.forgot(len(lost))
		sayAnew(r.logger, m.predictions, g.Anew())
		g.GoOnAfter(before.groups[slices.IndexFunc(before.models, func(o *modelGroup) bool { return o.predictions == m.predictions })])
	}
	for key, p := range r.partitions {
		if old := before.partitions[key]; old != nil {
			p.saved, p.lag, p.skipped, p.read = old.saved, old.lag, old.skipped, old.read
		}
	}
	return nil
}

// handOver returns what the groups are, for those of models, and the results that wait. With a state it is saved: what goes on is what
// a restart would go on from.
func (r *runner) handOver(models []*modelGroup) (loaded map[string]*state.Loaded, waiting []byte, err error) {
	if r.keeper != nil {
		return r.keeper.handOver(models)
	}
	for _, g := range r.groups {
		g.Journal() // else a cut has not all
	}
	states, entries, waiting := pipeline.TakeCut(r.groups, r.sink, true, func() {}).Whole()
	loaded = map[string]*state.Loaded{}
	for i, m := range r.models {
		l := &state.Loaded{Snapshot: state.Snapshot{Group: m.predictions, State: states[i]}}
		for _, e := range entries[i] {
			l.Entries = append(l.Entries, state.Entry{Kind: state.Kind(e.Kind), Start: e.Start, Content: e.Content})
		}
		loaded[m.predictions] = l
	}
	return loaded, waiting, nil
}

// handOver saves what the groups are, and reads that again for those of models. It is called while saving is locked.
func (k *keeper) handOver(models []*modelGroup) (loaded map[string]*state.Loaded, waiting []byte, err error) {
	if _, again := k.saveOnce(); again {
		k.saveOnce()
	}
	if s := k.snapshot(); s.Error != "" {
		return nil, nil, fmt.Errorf("the state cannot be saved, and the config changes what is kept: %s", s.Error)
	}
	names := []string{resultsName}
	for _, m := range models {
		if slices.Contains(k.names, m.predictions) { // else it may be left over from long ago
			names = append(names, m.predictions)
		}
	}
	loaded, damaged, err := k.store.Load(names)
	if err != nil {
		return nil, nil, err
	}
	for _, err := range damaged {
		return nil, nil, err
	}
	if l := loaded[resultsName]; l != nil && k.results != nil {
		if _, waiting, err = readResults(l.State); err != nil {
			return nil, nil, err
		}
	}
	return loaded, waiting, nil
}

// forgot counts features that begin anew.
func (k *keeper) forgot(features int) {
	if k != nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.status.Resets[resetReference] += uint64(features)
	}
}

// succeed makes the keeper save other groups from now on.
func (k *keeper) succeed(models []*modelGroup, groups []*pipeline.Group, sink *pipeline.Sequencer) {
	if k == nil {
		return
	}
	gone := k.names
	k.groups, k.sink, k.names, k.configs = groups, sink, nil, nil
	clear(k.models)
	for _, m := range models {
		k.names, k.configs = append(k.names, m.predictions), append(k.configs, fingerprint(m.monitor))
		k.models[m.predictions] = m.monitor.Models
	}
	for _, name := range gone {
		if !slices.Contains(k.names, name) {
			k.store.Reset(name)
		}
	}
}
