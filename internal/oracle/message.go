package oracle

import (
	"encoding/json"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/event"
)

// entry is one message that could be read.
type entry struct {
	kind  event.Kind
	id    string
	time  int64
	model int
	// The rest is for predictions only.
	version string
	failed  bool
	// latency in seconds; NaN if there is none.
	latency float64
	// values has one reading for each of the model's features.
	values []reading
	// segments has "" and one name, such as "country=DE", for each segmentation.
	segments []string
	answer   answer
	// truth is what a label says, nil if that means nothing to the model's task.
	truth *truth
}

// read returns what a message says, or why it is rejected: for its bytes, its
// envelope, its time, its model, in this order.
func read(setup Setup, value []byte) (entry, event.Reason) {
	tree, reason := parse(value)
	if reason != event.Accepted {
		return entry{}, reason
	}
	root, ok := tree.(map[string]any)
	if !ok {
		return entry{}, event.Envelope
	}
	e := entry{kind: event.Prediction}
	if !readEnvelope(setup, root, &e) {
		return entry{}, event.Envelope
	}
	if e.time, ok = readTime(root["time"]); !ok {
		return entry{}, event.Time
	}
	if name, given := root["model"].(string); given {
		e.model = slices.IndexFunc(setup.Models, func(m Model) bool { return m.Name == name })
		if e.model < 0 {
			return entry{}, event.Model
		}
	}
	m := setup.Models[e.model]
	if e.kind == event.Prediction {
		readPrediction(m, root, &e)
	} else if m.Task != nil {
		e.truth = readTruth(m.Task, root["label"])
	}
	return e, event.Accepted
}

// readEnvelope reads the kind and the version, and reports whether what is
// required is there and everything has its type.
func readEnvelope(setup Setup, root map[string]any, e *entry) bool {
	switch root["type"] {
	case nil, "prediction":
	case "label":
		e.kind = event.Label
	default:
		return false
	}
	switch root["time"].(type) {
	case string, json.Number:
	default:
		return false
	}
	switch root["model"].(type) {
	case string:
	case nil:
		if len(setup.Models) > 1 {
			return false
		}
	default:
		return false
	}
	var ok bool
	if e.id, ok = readName(root["id"]); !ok || e.kind == event.Label && (e.id == "" || root["label"] == nil) {
		return false
	}
	if _, list := root["label"].([]any); list {
		return false
	}
	e.version, ok = readName(root["version"])
	return ok
}

// readName reads an id or a version: a string, an integer, or nothing.
func readName(value any) (string, bool) {
	switch v := value.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case json.Number:
		return integerText(string(v))
	}
	return "", false
}

var (
	decimal = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
	// rfc3339 is stricter than package time in form, and the latter in numbers.
	rfc3339 = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)
)

// readTime reads RFC 3339, or a Unix time as a number or its text, in Unix
// nanoseconds; it fails if the time does not fit.
func readTime(value any) (int64, bool) {
	switch v := value.(type) {
	case json.Number:
		return readUnix(string(v))
	case string:
		if decimal.MatchString(v) {
			return readUnix(v)
		}
		if !rfc3339.MatchString(v) {
			return 0, false
		}
		t, err := time.Parse(time.RFC3339, strings.ToUpper(strings.Replace(v, " ", "T", 1)))
		if err != nil || t.Year() < 1678 || t.Year() > 2261 {
			return 0, false
		}
		return t.UnixNano(), true
	}
	return 0, false
}

// readUnix reads seconds below 1e11, milliseconds below 1e14, microseconds below
// 1e17, and nanoseconds beyond. What is finer than a nanosecond is cut off.
func readUnix(number string) (int64, bool) {
	t, ok := rational(number)
	if !ok {
		return 0, false
	}
	for _, unit := range []struct{ below, nanoseconds float64 }{{1e11, 1e9}, {1e14, 1e6}, {1e17, 1e3}, {math.Inf(1), 1}} {
		if size, _ := new(big.Rat).Abs(t).Float64(); size < unit.below {
			t.Mul(t, new(big.Rat).SetFloat64(unit.nanoseconds))
			break
		}
	}
	nanoseconds := new(big.Int).Quo(t.Num(), t.Denom())
	return nanoseconds.Int64(), nanoseconds.IsInt64()
}

// readPrediction reads what the model was asked and answered.
func readPrediction(m Model, root map[string]any, e *entry) {
	e.failed = failed(root["status"])
	e.latency = math.NaN()
	if ms, ok := root["latency_ms"].(json.Number); ok {
		if latency, ok := readNumber(ms); ok && latency >= 0 {
			e.latency = latency / 1000
		}
	}
	for _, f := range m.Features {
		e.values = append(e.values, readFeature(root, f))
	}
	if m.Task != nil {
		e.answer = readAnswer(m.Task, root["prediction"])
	}
	e.segments = []string{""}
	for _, s := range m.Segments {
		e.segments = append(e.segments, s.Name+"="+segmentValue(root, s))
	}
}

// failed reports an answer with status 500 or more, or "error".
func failed(status any) bool {
	switch v := status.(type) {
	case json.Number:
		code, err := v.Float64()
		return err == nil && code >= 500
	case string:
		if v == "" || strings.Trim(v, "0123456789") != "" {
			return v == "error"
		}
		code, ok := new(big.Int).SetString(v, 10)
		return ok && code.Cmp(big.NewInt(500)) >= 0
	}
	return false
}

// readFeature reads a feature. Where the features should be but is no object, each is invalid;
// any other path that leads through what is no object finds nothing.
func readFeature(root map[string]any, f Feature) reading {
	parent, name := root["features"], f.Name
	switch f.Name {
	case event.PredictionScore, event.PredictionLabel, event.PredictionValue:
		parent, name = root["prediction"], strings.TrimPrefix(f.Name, "prediction.")
	default:
		if _, ok := parent.(map[string]any); !ok && parent != nil {
			return reading{state: event.Invalid}
		}
	}
	object, _ := parent.(map[string]any)
	return readValue(object[name], f.Categorical)
}

func segmentValue(root map[string]any, s Segment) string {
	values, _ := root["segments"].(map[string]any)
	value, ok := values[s.Name].(string)
	if ok && slices.Contains(s.Values, value) {
		return value
	}
	return event.Other
}
