package app

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/monitor"
)

// reloadLoop reads the config again for each signal, until the context ends.
func (r *runner) reloadLoop(ctx context.Context, signals <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			_ = r.reload() // which says what is wrong
		}
	}
}

// reload reads the config again, and the profiles that it names. If anything is wrong with them, all stays as it was.
func (r *runner) reload() error {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	changed, err := r.reread()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.configStatus.Error = err.Error()
		r.configStatus.Failures++
		r.logger.Error("the config was not reloaded, the one before stays in force", "err", err)
		return err
	}
	r.configStatus.Error, r.configStatus.Loaded = "", time.Now()
	r.logger.Info("the config was reloaded", "changed", changed)
	return nil
}

// reread puts what the config says now in force, and returns what that changes.
func (r *runner) reread() (changed []string, err error) {
	c, err := r.load()
	if err != nil {
		return nil, err
	}
	restart, rebuild := r.config.Compare(c)
	if len(restart) > 0 {
		return nil, fmt.Errorf("%s changed, which takes a restart", strings.Join(restart, ", "))
	}
	models, err := buildGroups(c)
	if err != nil {
		return nil, err
	}
	for _, w := range c.Warnings() {
		r.logger.Warn(w)
	}
	if len(rebuild) > 0 {
		err = r.rebuild(c, models)
	} else if changed = r.refer(models); len(changed) > 0 {
		changed = []string{"references or verdicts of " + strings.Join(changed, ", ")}
	}
	if err != nil {
		return nil, err
	}
	r.config = c
	r.mu.Lock()
	defer r.mu.Unlock()
	r.configText = c.Text()
	return append(rebuild, changed...), nil
}

// refer puts references, and how is judged, in force, and returns the topics for which they have changed.
func (r *runner) refer(models []*modelGroup) (changed []string) {
	for i, g := range r.groups {
		if g.Refer(models[i].monitor.Models) {
			changed = append(changed, models[i].predictions)
		}
	}
	r.keeper.reconfigure(models)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.models = models
	return changed
}

// configuration returns what is known of loading the config, nil if it came from no file.
func (r *runner) configuration() *monitor.ConfigStatus {
	if r.load == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.configStatus
	return &s
}

// reconfigure says what shapes the state from now on.
func (k *keeper) reconfigure(models []*modelGroup) {
	if k == nil {
		return
	}
	k.saving.Lock()
	defer k.saving.Unlock()
	for i, m := range models {
		k.configs[i] = fingerprint(m.monitor)
	}
}
