package app

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/pipeline"
)

func timeText(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339) }

// learned says that a model has a reference now.
func (r *runner) learned(l pipeline.Learned) {
	r.logger.Info("the reference is learned; there are drift figures of what comes from now on", "model", l.Model, "rows", l.Reference.Rows,
		"from", timeText(l.First), "to", timeText(l.Until), "in_force_from", timeText(l.Since), "fingerprint", l.Reference.Fingerprint)
}

// sayLearning says once of each model that it learns, and until when.
func (r *runner) sayLearning(models []monitor.ModelStatus) {
	for i := range models {
		l := models[i].Learning
		if l == nil || l.Done || l.Until == 0 || r.learning[models[i].Model] {
			continue
		}
		if r.learning == nil {
			r.learning = map[string]bool{}
		}
		r.learning[models[i].Model] = true
		r.logger.Info("the reference is being learned; until then there are no drift figures", "model", models[i].Model, "until", timeText(l.Until), "in_force_from", timeText(l.Since))
	}
}

// writeLearned writes each learned reference once as a profile beside the state, for people to look at. The program itself
// goes by what the state holds.
func (k *keeper) writeLearned() {
	for _, g := range k.groups {
		for _, l := range g.References() {
			print := l.Reference.Fingerprint
			if k.written[l.Model] == print {
				continue
			}
			file := filepath.Join(filepath.Dir(k.store.Path()), learnedName(l.Model))
			if err := replaceFile(file, l.Data); err != nil {
				k.logger.Warn("the learned reference cannot be written as a profile; the state has it", "model", l.Model, "err", err)
			}
			k.written[l.Model] = print
		}
	}
}

// learnedName is the file name of a model's learned reference: the model's name as in an address, or what
// identifies it if that is too long.
func learnedName(model string) string {
	name := url.PathEscape(model)
	if len(name) > 200 {
		sum := sha256.Sum256([]byte(model))
		name = fmt.Sprintf("%x", sum[:16])
	}
	return "learned-" + name + ".profile.json"
}

// replaceFile writes a file that is either whole or as it was.
func replaceFile(file string, data []byte) error {
	if err := os.WriteFile(file+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
