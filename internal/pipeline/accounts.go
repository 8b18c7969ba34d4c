package pipeline

import (
	"slices"

	"github.com/streammon/streammon/internal/monitor"
)

// models returns the accounts without what was restored.
func (l *Lane) models() []monitor.ModelStatus {
	models := slices.Clone(l.shard.Models())
	for i := range models {
		models[i].KPIs = slices.Clone(models[i].KPIs) // they are added to
	}
	for i, b := range l.base {
		models[i].Accepted -= b.Accepted
		models[i].Late -= b.Late
		models[i].Duplicate -= b.Duplicate
	}
	for i, c := range l.shard.Labels() {
		if c == nil {
			continue
		}
		if l.labelBase != nil && l.labelBase[i] != nil {
			c.Subtract(l.labelBase[i])
		}
		models[i].Labels = c
	}
	return models
}

// Accounts returns those of the models since the process began, as Show does.
func (g *Group) Accounts() (models []monitor.ModelStatus) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.lanes {
		l.mu.Lock()
		models = addModels(models, l.models())
		l.mu.Unlock()
	}
	if len(g.lanes) == 0 {
		models = addModels(models, monitor.NewShard(g.monitor).Models())
	}
	return models
}

// Newest returns the largest time of an event that a lane has seen, or window.NoTime.
func (g *Group) Newest() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.newest((*monitor.Shard).Newest)
}

// GoOnAfter makes what is not saved, the accounts that begin with the process and the history, go on where another group was that this one was restored
// from and that is used no more. It comes before the first message.
func (g *Group) GoOnAfter(from *Group) {
	from.mu.Lock()
	defer from.mu.Unlock()
	g.recordAfter(from)
	for i, l := range g.lanes[:min(len(g.lanes), len(from.lanes))] {
		old := from.lanes[i]
		for m := range l.base {
			k := from.monitor.Find(l.base[m].Model)
			if k < 0 {
				continue
			}
			b := &l.base[m]
			b.Accepted, b.Late, b.Duplicate = 0, 0, 0
			if k < len(old.base) {
				b.Accepted, b.Late, b.Duplicate = old.base[k].Accepted, old.base[k].Late, old.base[k].Duplicate
			}
			if l.labelBase == nil {
				continue
			}
			l.labelBase[m] = nil
			if old.labelBase != nil {
				l.labelBase[m] = old.labelBase[k]
			}
		}
	}
}

// Labels returns the accounts of the models' labels since the first event, also before a restart, of models for which labels
// come.
func (g *Group) Labels() []monitor.ModelLabels {
	g.mu.Lock()
	defer g.mu.Unlock()
	var sums []*monitor.LabelStatus
	for _, l := range g.lanes {
		l.mu.Lock()
		labels := l.shard.Labels()
		l.mu.Unlock()
		if sums == nil {
			sums = labels
			continue
		}
		for i, c := range labels {
			if c != nil {
				sums[i].Add(c)
			}
		}
	}
	var out []monitor.ModelLabels
	for i, c := range sums {
		if c != nil {
			out = append(out, monitor.ModelLabels{Model: g.monitor.Models[i].Name, LabelStatus: *c})
		}
	}
	return out
}

func addModels(sum, lane []monitor.ModelStatus) []monitor.ModelStatus {
	if sum == nil {
		return append(sum, lane...)
	}
	for i := range lane {
		sum[i].Accepted += lane[i].Accepted
		sum[i].Late += lane[i].Late
		sum[i].Duplicate += lane[i].Duplicate
		for fold, n := range lane[i].Folded {
			sum[i].Folded[fold] += n
		}
		for k := range lane[i].KPIs {
			sum[i].KPIs[k].Undefined += lane[i].KPIs[k].Undefined
			sum[i].KPIs[k].Failed += lane[i].KPIs[k].Failed
		}
		sum[i].LastEvent = max(sum[i].LastEvent, lane[i].LastEvent)
		if lane[i].Labels != nil {
			sum[i].Labels.Add(lane[i].Labels)
		}
	}
	return sum
}
