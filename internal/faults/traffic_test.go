package faults

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// traffic makes the events of three models with twelve features, and their labels: in
// disorder, some twice, some late, some broken.
type traffic struct {
	random  *rand.Rand
	at      time.Time // event time
	step    time.Duration
	n       int
	again   []byte // an event to be sent once more
	pending []label
	models  int
	release int  // so many predictions have one version, in turns of three
	onTime  bool // none is late
}

type label struct {
	id   int
	time time.Time
}

func newTraffic(seed uint64, start time.Time, step time.Duration) *traffic {
	return &traffic{random: rand.New(rand.NewPCG(seed, 1)), at: start, step: step, models: 3, release: 200_000}
}

// trafficTasks are of the three models.
var trafficTasks = [...]string{"    task: binary\n    positive: \"yes\"\n    labels: {timeout: 10m}\n", "    task: regression\n", ""}

// trafficConfig is a config for the traffic; state is the folder of the state, empty for none.
func trafficConfig(broker, predictions, labels, state, more string) string {
	return trafficConfigOf(trafficTasks, broker, predictions, labels, state, more)
}

// trafficConfigOf is trafficConfig with other tasks of the models.
func trafficConfigOf(tasks [3]string, broker, predictions, labels, state, more string) string {
	text := "kafka: {brokers: [\"" + broker + "\"], group: " + predictions + ", start: earliest" + more + "}\n"
	if state != "" {
		text += "state: {dir: " + state + ", save_interval: 1s}\n"
	}
	text += "windows: [1m, 5m, 1h]\nallowed_lateness: 20s\ndeduplicate: 2m\nmodels:\n"
	for m := range 3 {
		text += fmt.Sprintf("  - name: m%d\n    topics: {predictions: %s, labels: %s}\n%s    features:\n", m, predictions, labels, tasks[m])
		for f := range 12 {
			kind := "numeric"
			if f%4 == 3 {
				kind = "categorical"
			}
			text += fmt.Sprintf("      f%d: %s\n", f, kind)
		}
		if m == 0 {
			text += "    segments: [{name: country, values: [DE, FR]}]\n"
			text += "    changes: [error_ratio, positive_ratio, {figure: mean, feature: f0}, {figure: missing_ratio, feature: f3, detectors: [ddm, hddm_a, hddm_w]}]\n"
		}
	}
	return text
}

// next returns the next message of the predictions, and of the labels if there is one.
func (t *traffic) next() (prediction, truth []byte) {
	if t.again != nil {
		prediction, t.again = t.again, nil
		return prediction, nil
	}
	r := t.random
	t.n++
	model := t.n % t.models
	t.at = t.at.Add(t.step)
	if len(t.pending) > 0 && t.pending[0].time.Before(t.at) {
		l := t.pending[0]
		t.pending = t.pending[1:]
		truth = fmt.Appendf(nil, `{"type":"label","id":"e%d","time":%d,"model":"m%d","label":%s}`,
			l.id, l.time.UnixMilli(), l.id%t.models, [...]string{`"no"`, strconv.Itoa(l.id % 100), `"yes"`}[l.id%t.models%3])
	}
	at := t.at.Add(-time.Duration(r.IntN(15_000)) * time.Millisecond)
	if r.IntN(500) == 0 && !t.onTime {
		at = at.Add(-time.Minute) // late
	}
	b := make([]byte, 0, 512)
	b = fmt.Appendf(b, `{"id":"e%d","time":%d,"model":"m%d","version":"%d","latency_ms":%d,"status":%d,"prediction":{"score":%.3f,"label":"yes","value":%d},"segments":{"country":"%s"},"features":{`,
		t.n, at.UnixMilli(), model, 1+t.n/t.release%3, 1+r.IntN(90), 200+300*(r.IntN(50)/49), r.Float64(), t.n%90, []string{"DE", "FR", "US"}[r.IntN(3)])
	for f := range 12 {
		if f > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, `"f`...), strconv.Itoa(f)...), `":`...)
		switch {
		case f%4 == 3:
			b = append(b, `"c`...)
			b = append(strconv.AppendInt(b, int64(r.IntN(3+40*f)), 10), '"')
		case r.IntN(40) == 0:
			b = append(b, "null"...)
		default:
			b = strconv.AppendFloat(b, float64(int(r.NormFloat64()*1e4))/100, 'g', -1, 64)
		}
	}
	b = append(b, "}}"...)
	switch r.IntN(300) {
	case 0:
		b = b[:r.IntN(len(b))]
	case 1, 2:
		t.again = b
	}
	if r.IntN(5) == 0 {
		t.pending = append(t.pending, label{t.n, t.at.Add(30 * time.Second)})
	}
	return b, truth
}
