// Package flights turns the real data set of testdata/flights into the events of a
// service, for tests and for the walkthrough in docs: at departure someone asked
// whether the flight will arrive late, a model answered, and the truth came hours
// later. It is no part of the monitor.
package flights

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// Partitions is over how many partitions the events are spread.
const Partitions = 4

// Topics of the service.
const (
	Predictions = "flights.predictions"
	Labels      = "flights.labels"
)

// Message is one record: its key, its partition and its time are those of the event.
type Message struct {
	Key       string
	Partition int
	Time      time.Time
	Value     []byte
}

// numeric and categorical columns that are features.
var (
	numeric     = []string{"dep_delay", "distance", "hour", "temp", "wind_speed", "visib", "precip", "pressure"}
	categorical = []string{"carrier", "dest", "weekday"}
)

// Config returns the config that monitors the service with windows of a day and a week.
func Config(brokers []string, profile string) string {
	return `kafka:
  brokers: [` + strings.Join(brokers, ", ") + `]
  group: streammon-flights
  start: earliest
windows: [24h, 7d]
models:
  - name: lateness
    topics: {predictions: ` + Predictions + `, labels: ` + Labels + `}
    reference: ` + profile + `
    task: binary
    positive: late
    features:
      dep_delay: numeric
      distance: numeric
      hour: numeric
      temp: numeric
      wind_speed: numeric
      visib: numeric
      precip: numeric
      pressure: numeric
      carrier: categorical
      dest: categorical
      weekday: categorical
`
}

// Read returns the predictions that departed in [from, to), in order of departure,
// and their labels in order of arrival. Each answers twice, with a probability of being
// late and with minutes, and so does its label.
func Read(file string, from, to time.Time) (predictions, labels []Message, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, fmt.Errorf("read flights: %w", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, nil, fmt.Errorf("read flights: %w", err)
	}
	rows := csv.NewReader(z)
	header, err := rows.Read()
	if err != nil {
		return nil, nil, fmt.Errorf("read flights: %w", err)
	}
	var all []row
	known := 0
	for {
		cells, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read flights: %w", err)
		}
		r := row{header: header, cells: cells}
		if r.departed, err = time.Parse(time.RFC3339, r.get("departed")); err != nil {
			return nil, nil, fmt.Errorf("read flights: %w", err)
		}
		if r.departed.Before(fitted) {
			known++ // rows are in order of departure
		}
		all = append(all, r)
	}
	model := fitMinutes(all[:known])
	for _, r := range all {
		if r.departed.Before(from) || !r.departed.Before(to) {
			continue
		}
		p := r.prediction(model)
		predictions = append(predictions, p)
		if l, ok := r.label(p); ok {
			labels = append(labels, l)
		}
	}
	slices.SortStableFunc(labels, func(a, b Message) int { return a.Time.Compare(b.Time) })
	return predictions, labels, nil
}

type row struct {
	header, cells []string
	departed      time.Time
}

func (r row) get(name string) string { return r.cells[slices.Index(r.header, name)] }

func (r row) prediction(model *minutes) Message {
	h := fnv.New32a()
	_, _ = io.WriteString(h, r.get("id"))
	m := Message{Key: r.get("id"), Partition: int(h.Sum32() % Partitions), Time: r.departed}
	var features []string
	for _, name := range numeric {
		if v := r.get(name); v != "" {
			features = append(features, fmt.Sprintf("%q:%s", name, v))
		}
	}
	for _, name := range categorical {
		features = append(features, fmt.Sprintf("%q:%q", name, r.get(name)))
	}
	late := model.predict(r)
	m.Value = fmt.Appendf(nil, `{"type":"prediction","id":%q,"time":%q,"version":"1","features":{%s},"prediction":{"score":%s,"label":%q,"value":%s,"lower":%s,"upper":%s}}`,
		m.Key, r.get("departed"), strings.Join(features, ","), r.get("score"), r.get("predicted"),
		tenths(late), tenths(late+model.lower), tenths(late+model.upper))
	return m
}

func (r row) label(p Message) (Message, bool) {
	arrived, err := time.Parse(time.RFC3339, r.get("arrived"))
	if err != nil || r.get("actual") == "" {
		return Message{}, false // diverted: the label never comes
	}
	p.Time = arrived
	p.Value = fmt.Appendf(nil, `{"type":"label","id":%q,"time":%q,"label":%q,"minutes":%s}`, p.Key, r.get("arrived"), r.get("actual"), r.get("arr_delay"))
	return p, true
}

// Lines returns the messages of a partition as JSON lines; all of them if it is negative.
func Lines(messages []Message, partition int) []byte {
	var b []byte
	for _, m := range messages {
		if partition < 0 || m.Partition == partition {
			b = append(append(b, m.Value...), '\n')
		}
	}
	return b
}
