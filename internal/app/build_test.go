package app

import (
	"reflect"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/event"
)

// TestMappingIsHandedOn: each path of the config is the decoder's path of the same name.
func TestMappingIsHandedOn(t *testing.T) {
	var c config.Mapping
	v := reflect.ValueOf(&c).Elem()
	paths := 0
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).Kind() == reflect.String && name != "TimeUnit" {
			v.Field(i).SetString("$." + name)
			paths++
		}
	}
	c.TimeUnit = "ms"
	got := reflect.ValueOf(mapping([]*config.Model{{Mapping: c}}))
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if v.Field(i).Kind() == reflect.String && name != "TimeUnit" && got.FieldByName(name).String() != "$."+name {
			t.Errorf("the path of %s is %q", name, got.FieldByName(name))
		}
	}
	if paths < 20 {
		t.Errorf("only %d paths", paths)
	}
}

// TestAnswersOfTasks: a topic's events are read for what its models are measured by, and no more.
func TestAnswersOfTasks(t *testing.T) {
	for text, want := range map[string]event.Answers{
		"task: none":                        {},
		"task: binary":                      {}, // it is not known what is right
		"positive: fraud":                   {Truth: true},
		"task: multiclass":                  {},
		"task: multiclass, classes: [a, b]": {Truth: true, Probabilities: true},
		"task: regression":                  {Truth: true, Interval: true},
		"task: ranking":                     {Truth: true, Items: true},
		"task: none}\n  - {name: b, topics: {predictions: p}, task: ranking":       {Truth: true, Items: true},
		"task: regression}\n  - {name: b, topics: {predictions: p}, task: ranking": {Truth: true, Items: true, Interval: true},
	} {
		c := parseConfig(t, `kafka: {brokers: ["localhost:1"]}
windows: [1m]
models:
  - {name: a, topics: {predictions: p}, features: {x: numeric}, `+text+"}\n")
		groups, err := buildGroups(c)
		if err != nil {
			t.Fatal(err)
		}
		if got := groups[0].decode.Schema.Answers; got != want || groups[0].monitor.Schema.Answers != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

// TestReadingBegins: labels are read from as far back as the predictions that they may belong to, or these would seem to have
// had none.
func TestReadingBegins(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"positive: fraud, labels: {timeout: 3h}": 4 * time.Hour,
		"task: none, labels: {timeout: 3h}":      time.Hour, // nothing waits
	} {
		c := parseConfig(t, `kafka: {brokers: ["localhost:1"]}
windows: [1h]
models:
  - {name: a, topics: {predictions: p, labels: l}, features: {x: numeric}, `+text+"}\n")
		groups, err := buildGroups(c)
		if err != nil {
			t.Fatal(err)
		}
		cc, err := consumerConfig(c, groups, now)
		if err != nil {
			t.Fatal(err)
		}
		predictions, labels := now.Sub(cc.Topics[0].Start.Time), now.Sub(cc.Topics[1].Start.Time)
		if predictions < want || predictions > want+10*time.Minute || labels != predictions+c.AllowedLateness {
			t.Errorf("%s: predictions are read from %s before now on, labels from %s", text, predictions, labels)
		}
	}
}
