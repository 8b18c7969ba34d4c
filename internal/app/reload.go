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
		r.logger.Error("the config was not reloaded, the one before stays in force", "err", err)
		return err
	}
	r.configStatus = monitor.ConfigStatus{Loaded: time.Now()}
	r.logger.Info("the config was reloaded", "groups_changed", changed)
	return nil
}

// reread puts what the config says now in force, and returns how many groups that changes.
func (r *runner) reread() (changed int, err error) {
	c, err := r.load()
	if err != nil {
		return 0, err
	}
	if keys := r.config.NeedRestart(c); len(keys) > 0 {
		return 0, fmt.Errorf("%s changed, which takes a restart: without one only the files of references and how drift is judged can change", strings.Join(keys, ", "))
	}
	models, err := buildGroups(c)
	if err != nil {
		return 0, err
	}
	for _, w := range c.Warnings() {
		r.logger.Warn(w)
	}
	for i, g := range r.groups {
		if g.Refer(models[i].monitor.Models) {
			changed++
		}
	}
	r.config = c
	r.keeper.reconfigure(models)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.models, r.configText = models, c.Text()
	return changed, nil
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
