package pipeline

import (
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/sketch"
)

// A label finds its prediction only in the lane of the same number. To notice producers that do not write both with the same key and
// partitioner, each lane keeps a sample of the ids of both. The sample changes no result, and is not saved.

// sampledIDs is how many ids of a kind a lane keeps at most.
const sampledIDs = 1024

// placing is a lane's sample: the ids whose hashes end with so many zero bits.
type placing struct {
	bits int
	ids  [2][]sampledID // by event.Kind, in the order of arrival
}

type sampledID struct {
	hash uint64
	time int64
}

// sampled reports whether an id is in the sample.
func (s *sampledID) sampled(bits int) bool { return s.hash&(1<<bits-1) == 0 }

// add notes an id. As long as the predictions in the sample span less than a label may be late the sample is made of
// fewer ids when it is full, then of newer ones.
func (p *placing) add(k event.Kind, id sampledID, span int64) {
	if !id.sampled(p.bits) {
		return
	}
	ids := append(p.ids[k], id)
	if p.ids[k] = ids; len(ids) < sampledIDs {
		return
	}
	if k == event.Prediction && id.time-ids[0].time < span {
		p.raise(p.bits + 1)
	} else {
		p.ids[k] = append(ids[:0], ids[sampledIDs/2:]...)
	}
}

// raise drops the ids whose hashes do not end with so many zero bits.
func (p *placing) raise(bits int) {
	if bits <= p.bits {
		return
	}
	p.bits = min(bits, 63)
	for k, ids := range p.ids {
		kept := ids[:0]
		for _, id := range ids {
			if id.sampled(p.bits) {
				kept = append(kept, id)
			}
		}
		p.ids[k] = kept
	}
}

// timeouts returns how late labels of each model may be; 0 of those without labels. It is nil if there are none.
func timeouts(g *monitor.Group) (out []int64) {
	if g.Labels() == nil {
		return nil
	}
	for _, m := range g.Models {
		timeout := int64(0)
		if p := monitor.ConfigOf(m).Performance; p != nil && p.Joined {
			timeout = p.Timeout
		}
		out = append(out, timeout)
	}
	return out
}

// note puts the id of an accepted event into the lane's sample. The lane is locked.
func (l *Lane) note(ev *event.Event) {
	timeouts := l.group.timeouts
	if timeouts == nil || timeouts[ev.Model] == 0 || len(ev.ID) == 0 {
		return
	}
	hash := sketch.HashText(ev.ID) ^ uint64(ev.Model)*0x9e3779b97f4a7c15
	l.placing.add(ev.Kind, sampledID{hash, ev.Time}, timeouts[ev.Model])
}

// Misplaced is what a sample of labels says of their partitions: Labels were looked at whose predictions are known, of which
// Elsewhere have them in another partition.
type Misplaced struct {
	Labels, Elsewhere int
	// Partition of one of these labels, and of its prediction.
	Partition, Prediction int
}

// Misplaced compares the ids of labels and predictions that the lanes have sampled.
func (g *Group) Misplaced() (out Misplaced) {
	if g.timeouts == nil {
		return out
	}
	g.mu.Lock()
	lanes := g.lanes
	g.mu.Unlock()
	bits := 0
	for _, l := range lanes {
		l.mu.Lock()
		bits = max(bits, l.placing.bits)
		l.mu.Unlock()
	}
	type place struct {
		hash uint64
		lane int
	}
	labels := map[place]bool{}
	here := map[place]bool{}
	anywhere := map[uint64]int{} // the lane of a prediction
	for i, l := range lanes {
		l.mu.Lock()
		l.placing.raise(bits)
		for _, id := range l.placing.ids[event.Label] {
			labels[place{id.hash, i}] = true
		}
		for _, id := range l.placing.ids[event.Prediction] {
			here[place{id.hash, i}], anywhere[id.hash] = true, i
		}
		l.mu.Unlock()
	}
	for p := range labels {
		lane, known := anywhere[p.hash]
		if !known {
			continue
		}
		out.Labels++
		if !here[p] {
			out.Elsewhere++
			out.Partition, out.Prediction = p.lane, lane
		}
	}
	return out
}

// Labelled reports whether labels are matched with predictions.
func (g *Group) Labelled() bool { return g.timeouts != nil }
