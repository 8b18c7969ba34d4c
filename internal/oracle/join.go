package oracle

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/streammon/streammon/internal/event"
)

// Joined is what becomes of the labels of a log, and of the predictions that wait for them.
type Joined struct {
	// Models has the totals of each of the setup's models over all lanes.
	Models []Totals
	// Last is the end of the pane of the last outcome, 0 if there is none.
	Last     int64
	setup    Setup
	outcomes []outcome // by time
}

// Totals are counts over all of a model's log. Predictions = Matched + Expired + Pending, and
// Labels = Matched + Duplicate + Conflict + Unmatched + Waiting.
type Totals struct {
	// Predictions are those that take part: accepted, with an id, and answered without an error.
	Predictions uint64
	// Labels are those that take part: neither rejected nor late, and with a meaning to the task.
	Labels uint64
	// Matched are pairs; Early is how many of them have the label's time before the prediction's.
	Matched, Early uint64
	// Duplicate and Conflict are labels of a prediction that has one, which says the same or something else.
	Duplicate, Conflict uint64
	// Unmatched are labels without a prediction.
	Unmatched uint64
	// Waiting are labels that the ledger calls duplicates, of panes after that of the last accepted label: they are never judged.
	Waiting uint64
	// Expired and Pending are predictions without a label.
	Expired, Pending uint64
	// Evicted is 0: the memory is not bounded.
	Evicted uint64
	// Unreadable are labels that are neither rejected nor late, and mean nothing to the task. They take no part.
	Unreadable uint64
}

// fate is what happens to a prediction because of a label, or for lack of it.
type fate uint8

const (
	matched fate = iota
	duplicate
	conflict
	expired
)

// outcome counts in the windows of its time, for the series of its prediction.
type outcome struct {
	fate       fate
	at         int64
	prediction *entry
	label      *entry // nil if expired
}

// early reports a match with a label before its prediction.
func (o *outcome) early() bool { return o.fate == matched && o.label.time < o.prediction.time }

// Join reads the lanes, each in its order, to their ends, and pairs predictions with labels. Models without
// a task have no totals but zeros.
func Join(setup Setup, lanes [][]Message) *Joined {
	j := &Joined{Models: make([]Totals, len(setup.Models)), setup: setup}
	for _, messages := range lanes {
		l := newLane(setup)
		for _, m := range messages {
			l.take(m)
		}
		j.joinLane(l)
	}
	slices.SortStableFunc(j.outcomes, func(a, b outcome) int { return cmp.Compare(a.at, b.at) })
	for _, o := range j.outcomes {
		j.Last = floor(o.at, setup.Pane) + int64(setup.Pane)
		t := &j.Models[o.prediction.model]
		switch o.fate {
		case matched:
			t.Matched++
		case duplicate:
			t.Duplicate++
		case conflict:
			t.Conflict++
		case expired:
			t.Expired++
		}
		if o.early() {
			t.Early++
		}
	}
	return j
}

// joinLane pairs what one lane took in.
func (j *Joined) joinLane(l *lane) {
	type key struct {
		model int
		id    string
	}
	waiting := map[key][]*entry{} // in order of offset
	for _, p := range l.accepted {
		if j.setup.Models[p.model].Task != nil && p.id != "" && !p.failed {
			waiting[key{p.model, p.id}] = append(waiting[key{p.model, p.id}], p)
			j.Models[p.model].Predictions++
		}
	}
	labels := slices.Clone(l.labels)
	slices.SortStableFunc(labels, func(a, b *entry) int {
		return cmp.Compare(floor(a.time, j.setup.Pane), floor(b.time, j.setup.Pane))
	})
	first := map[*entry]*entry{} // the label of a prediction
	sealed := j.sealed(l)
	for _, label := range labels {
		task, totals := j.setup.Models[label.model].Task, &j.Models[label.model]
		if task == nil {
			continue
		}
		if label.truth == nil {
			totals.Unreadable++
			continue
		}
		totals.Labels++
		if label.time >= sealed {
			totals.Waiting++
			continue
		}
		candidates := waiting[key{label.model, label.id}]
		i := slices.IndexFunc(candidates, func(p *entry) bool {
			delay := label.time - p.time
			return -int64(j.setup.Lateness) <= delay && delay <= int64(task.Timeout)
		})
		if i < 0 {
			totals.Unmatched++
			continue
		}
		o := outcome{matched, label.time, candidates[i], label}
		switch before := first[o.prediction]; {
		case before == nil:
			first[o.prediction] = label
		case before.truth.says(label.truth):
			o.fate = duplicate
		default:
			o.fate = conflict
		}
		j.outcomes = append(j.outcomes, o)
	}
	j.expire(l, first)
}

// sealed returns the end of the pane of the last accepted label: labels before are judged.
func (j *Joined) sealed(l *lane) int64 {
	last := l.largest[event.Label]
	if last == math.MinInt64 {
		return last
	}
	return floor(last, j.setup.Pane) + int64(j.setup.Pane)
}

// expire tells the predictions for which no label can come any more from those that are pending.
func (j *Joined) expire(l *lane, first map[*entry]*entry) {
	sealed := j.sealed(l)
	for _, p := range l.accepted {
		task := j.setup.Models[p.model].Task
		if task == nil || p.id == "" || p.failed || first[p] != nil {
			continue
		}
		if at := p.time + int64(task.Timeout); at < sealed {
			j.outcomes = append(j.outcomes, outcome{fate: expired, at: at, prediction: p})
		} else {
			j.Models[p.model].Pending++
		}
	}
}

// Performance is one series in one window of label time, [Start, End) in Unix nanoseconds. A prediction that
// expired counts at the time at which its label would have been too late.
type Performance struct {
	Model, Version, Segment string
	// Name and Length are those of the Span.
	Name       string
	Length     time.Duration
	Start, End int64

	Matched, Early, Duplicate, Conflict, Expired uint64
	// Delays are label time - prediction time of the matches, rising; those of early labels are negative.
	Delays []time.Duration
	// Figures by name; those that are not defined are missing. A figure of a ranking has its cut-off in its name, as
	// in "ndcg@10".
	Figures map[string]float64
}

// Windows returns what each series is in each window with at least one outcome, up to the first end not before
// until (Last or later), ordered by end, model, version, segment and length.
func (j *Joined) Windows(until int64) (out []Performance) {
	if len(j.outcomes) == 0 {
		return nil
	}
	begin := floor(j.outcomes[0].at, j.setup.Pane)
	for _, span := range j.setup.Windows {
		slide := slideOf(span.Length, j.setup.Pane)
		for end := floor(begin, slide) + int64(slide); end <= ceil(until, slide); end += int64(slide) {
			start := end - int64(span.Length)
			for _, p := range j.series(start, end) {
				p.Name, p.Length, p.Start, p.End = span.Name, span.Length, start, end
				out = append(out, p)
			}
		}
	}
	slices.SortFunc(out, func(a, b Performance) int {
		return cmp.Or(cmp.Compare(a.End, b.End), cmp.Compare(a.Model, b.Model), cmp.Compare(a.Version, b.Version),
			cmp.Compare(a.Segment, b.Segment), cmp.Compare(a.Length, b.Length))
	})
	return out
}

// series returns what the outcomes of a window are for each model, shown version and segment.
func (j *Joined) series(start, end int64) (out []Performance) {
	byTime := func(o outcome, t int64) int { return cmp.Compare(o.at, t) }
	from, _ := slices.BinarySearchFunc(j.outcomes, start, byTime)
	to, _ := slices.BinarySearchFunc(j.outcomes, end, byTime)
	for i, m := range j.setup.Models {
		var own []outcome
		for _, o := range j.outcomes[from:to] {
			if o.prediction.model == i {
				own = append(own, o)
			}
		}
		shown := shownOutcomes(own)
		groups := map[[2]string][]outcome{}
		for _, o := range own {
			version := o.prediction.version
			if !slices.Contains(shown, version) {
				version = event.Other
			}
			for _, segment := range o.prediction.segments {
				key := [2]string{version, segment}
				groups[key] = append(groups[key], o)
			}
		}
		for key, group := range groups {
			p := perform(m.Task, group)
			p.Model, p.Version, p.Segment = m.Name, key[0], key[1]
			out = append(out, p)
		}
	}
	return out
}

// shownOutcomes returns the versions with the most matched and expired predictions, of equal ones those whose
// names come first.
func shownOutcomes(outcomes []outcome) []string {
	counts := map[string]int{}
	for _, o := range outcomes {
		if o.prediction.version == event.Other {
			continue
		}
		if o.fate == matched || o.fate == expired {
			counts[o.prediction.version]++
		} else {
			counts[o.prediction.version] += 0
		}
	}
	return most(counts)
}

// perform returns the counts and figures of at least one outcome, without a place in time.
func perform(task *Task, outcomes []outcome) Performance {
	var p Performance
	var pairs []pair
	for _, o := range outcomes {
		switch o.fate {
		case matched:
			p.Matched++
			p.Delays = append(p.Delays, time.Duration(o.label.time-o.prediction.time))
			pairs = append(pairs, pair{o.prediction.answer, *o.label.truth})
		case duplicate:
			p.Duplicate++
		case conflict:
			p.Conflict++
		case expired:
			p.Expired++
		}
		if o.early() {
			p.Early++
		}
	}
	slices.Sort(p.Delays)
	p.Figures = task.figures(pairs)
	return p
}
