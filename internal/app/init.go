package app

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/consumer"
	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/input"
)

// InitOptions says what topic to write a first config for.
type InitOptions struct {
	Brokers []string
	Topic   string
	// Rows is how many of the newest messages are looked at.
	Rows int
	// Model is the name to give where the messages name none.
	Model string
}

// field is a field of the envelope and the top-level names that it is known by.
type field struct {
	key, path string // of the mapping, and where the default envelope has it
	names     []string
}

var envelopeFields = []field{
	{"id", "id", []string{"id", "request_id", "event_id", "transaction_id", "prediction_id", "uuid"}},
	{"time", "time", []string{"time", "timestamp", "ts", "event_time", "created_at", "datetime"}},
	{"model", "model", []string{"model", "model_name"}},
	{"version", "version", []string{"version", "model_version"}},
	{"prediction_score", "prediction.score", []string{"score", "probability", "prediction_score"}},
	{"prediction_label", "prediction.label", []string{"predicted", "prediction_label", "decision"}},
	{"prediction_value", "prediction.value", []string{"predicted_value", "prediction_value"}},
	{"latency_ms", "latency_ms", []string{"latency_ms", "duration_ms"}},
	{"status", "status", []string{"status", "status_code"}},
}

// InitReport is a first config, and what would become of the sampled messages with it.
type InitReport struct {
	Config   []byte
	Messages int
	Rejected [event.Reasons]uint64
}

// Accepted returns the number of sampled messages that would be accepted.
func (r *InitReport) Accepted() int {
	n := r.Messages
	for _, c := range r.Rejected {
		n -= int(c)
	}
	return n
}

// Init samples a topic and returns a commented config for it, with what was found
// about its fields and features. The config passes the check.
func Init(ctx context.Context, o InitOptions) (*InitReport, error) {
	cc := consumer.Config{Brokers: o.Brokers, ReadCommitted: true}
	records, err := consumer.Sample(ctx, cc, o.Topic, o.Rows)
	if err != nil {
		return nil, err
	}
	s, err := newSample(records)
	if err != nil {
		return nil, fmt.Errorf("sample topic %s: %w", o.Topic, err)
	}
	r := &InitReport{Messages: len(records)}
	var c *config.Config
	if r.Config, c, err = s.checked(o); err != nil {
		return nil, fmt.Errorf("sample topic %s: %w", o.Topic, err)
	}
	return r, r.count(c, records)
}

// count decodes the messages as the config says.
func (r *InitReport) count(c *config.Config, records []consumer.Record) error {
	groups, err := buildGroups(c)
	if err != nil {
		return err
	}
	d, err := decode.New(groups[0].decode)
	if err != nil {
		return err
	}
	var ev event.Event
	for _, m := range records {
		if reason := d.Decode(m.Value, &ev); reason != event.Accepted {
			r.Rejected[reason]++
		}
	}
	return nil
}

// checked returns a config that passes the check: what it does not allow, such as a
// feature's name, is left out with the reason.
func (s *sample) checked(o InitOptions) ([]byte, *config.Config, error) {
	var violations config.Violations
	for range 5 {
		data := s.config(o)
		c, err := config.Parse("streammon.yaml", data)
		if err == nil {
			return data, c, nil
		}
		if !errors.As(err, &violations) {
			return nil, nil, err
		}
		for _, v := range violations {
			if fix := s.fixes[v.Line]; fix != nil {
				fix(v.Message)
			}
		}
	}
	return nil, nil, fmt.Errorf("no config for it passes the check: %w", violations)
}

// sample is what a number of messages look like.
type sample struct {
	rows     int
	broken   int
	mapping  []string // "key: path" lines that differ from the default
	models   []string // the rarest first
	score    bool
	labels   []string // values of prediction.label, the rarest first
	value    bool
	segments []string
	features []input.Inferred
	base     string // the object of the features, "" for the message itself
	// fixes says for lines of the config how to do without what they have.
	fixes map[int]func(why string)
}

func newSample(records []consumer.Record) (*sample, error) {
	s := &sample{}
	var objects []map[string]any
	for _, r := range records {
		var m map[string]any
		d := json.NewDecoder(bytes.NewReader(r.Value))
		d.UseNumber()
		if err := d.Decode(&m); err != nil || m == nil {
			s.broken++
			continue
		}
		objects = append(objects, m)
	}
	s.rows = len(objects)
	if s.rows == 0 {
		return nil, fmt.Errorf("none of %d messages is a JSON object", len(records))
	}
	used := s.findFields(objects)
	return s, s.inferFeatures(objects, used)
}

// findFields finds the envelope's fields, and returns the names they are under.
func (s *sample) findFields(objects []map[string]any) (used []string) {
	used = []string{"type", "label", "label_time", "record_time", "segments", "features", "prediction"}
	for _, f := range envelopeFields {
		path := f.path
		if !present(objects, path) {
			i := slices.IndexFunc(f.names, func(n string) bool { return present(objects, n) })
			if i < 0 {
				continue
			}
			path = f.names[i]
			s.mapping = append(s.mapping, f.key+": "+strconv.Quote("$."+path))
		}
		used = append(used, path)
		switch f.key {
		case "model":
			s.models = values(objects, path)
		case "prediction_score":
			s.score = true
		case "prediction_label":
			s.labels = values(objects, path)
		case "prediction_value":
			s.value = true
		}
	}
	if m, ok := find(objects, "segments").(map[string]any); ok {
		for name := range m {
			s.segments = append(s.segments, name)
		}
		slices.Sort(s.segments)
	}
	return used
}

func (s *sample) inferFeatures(objects []map[string]any, used []string) error {
	s.base = featuresObject(objects, used)
	if s.base != "features" {
		s.mapping = append(s.mapping, "features: "+strconv.Quote(strings.TrimSuffix("$."+s.base, ".")))
	}
	i := 0
	inferred, _, err := input.Infer(func() (input.Record, error) {
		if i == len(objects) {
			return input.Record{}, io.EOF
		}
		row := objects[i]
		i++
		if s.base != "" {
			row, _ = at(row, s.base).(map[string]any)
		}
		b, err := json.Marshal(row)
		return input.Record{Value: b, Line: int64(i)}, err
	}, len(objects))
	if err != nil {
		return err
	}
	texts, taken := false, 0
	for _, f := range inferred {
		if s.base == "" && slices.Contains(used, f.Name) {
			continue
		}
		if taken++; !f.Skip && taken > maxInitFeatures {
			f.Skip, f.Reason = true, "there are so many"
		}
		s.features = append(s.features, f)
		texts = texts || f.Quoted && !f.Skip && f.Type == event.Numeric
	}
	if texts {
		s.mapping = append(s.mapping, "parse_strings: true")
	}
	if !slices.ContainsFunc(s.features, func(f input.Inferred) bool { return !f.Skip }) {
		return errors.New("no field looks like a feature")
	}
	return nil
}

// featuresObject returns the path of the object that holds the features: "features" if it is
// there, else the one with the most members that are no objects; "" is the message.
func featuresObject(objects []map[string]any, used []string) string {
	if _, ok := find(objects, "features").(map[string]any); ok {
		return "features"
	}
	members := map[string]map[string]bool{}
	var count func(o map[string]any, path string, depth int)
	count = func(o map[string]any, path string, depth int) {
		for name, v := range o {
			inner, nested := v.(map[string]any)
			switch {
			case path == "" && slices.Contains(used, name) || strings.ContainsAny(name, ".[]'\"$"):
			case nested && depth < 3:
				count(inner, strings.TrimPrefix(path+"."+name, "."), depth+1)
			case !nested:
				if members[path] == nil {
					members[path] = map[string]bool{}
				}
				members[path][name] = true
			}
		}
	}
	for _, o := range objects[:min(len(objects), 100)] {
		count(o, "", 0)
	}
	best := ""
	for _, path := range slices.Sorted(maps.Keys(members)) {
		if len(members[path]) > len(members[best]) {
			best = path
		}
	}
	return best
}

func present(objects []map[string]any, path string) bool { return find(objects, path) != nil }

// find returns the first value at the path that is not null.
func find(objects []map[string]any, path string) any {
	for _, o := range objects {
		if v := at(o, path); v != nil {
			return v
		}
	}
	return nil
}

func at(object map[string]any, path string) any {
	var v any = object
	for name := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// values returns the different values at the path as texts, the rarest first.
func values(objects []map[string]any, path string) []string {
	counts := map[string]int{}
	for _, o := range objects {
		if v := at(o, path); v != nil && v != "" {
			counts[fmt.Sprint(v)]++
		}
	}
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[a], counts[b]), cmp.Compare(a, b))
	})
}

// config writes the config, with a comment wherever it guessed.
func (s *sample) config(o InitOptions) []byte {
	var b bytes.Buffer
	brokers := make([]string, len(o.Brokers))
	for i, broker := range o.Brokers {
		brokers[i] = strconv.Quote(broker)
	}
	s.fixes = map[int]func(string){}
	fmt.Fprintf(&b, "# Written from %d messages of %s", s.rows, o.Topic)
	if s.broken > 0 {
		fmt.Fprintf(&b, " (%d more are not JSON objects)", s.broken)
	}
	fmt.Fprintf(&b, ". Check it with: streammon check FILE\nkafka:\n  brokers: [%s]\n  group: streammon\nwindows: [5m, 1h, 24h]\nallowed_lateness: 30s\nmodels:\n", strings.Join(brokers, ", "))
	models := slices.Clone(s.models)
	if slices.Reverse(models); len(models) == 0 {
		models = []string{cmp.Or(o.Model, o.Topic)}
	}
	for _, m := range models[:min(len(models), maxInitModels)] {
		s.writeModel(&b, m, o.Topic)
	}
	if len(models) > maxInitModels {
		fmt.Fprintf(&b, "  # Events of other models are rejected until these are listed too: %s\n", strconv.QuoteToASCII(strings.Join(models[maxInitModels:], ", ")))
	}
	return b.Bytes()
}

// maxInitFeatures is how many features are written; a config may have 1,000 with outputs.
const maxInitFeatures = 990

// maxInitSegments is how many segments a config may have.
const maxInitSegments = 8

// maxInitModels is how many models are written; of more it says the names.
const maxInitModels = 8

// fixable says how to do without what the next line has.
func (s *sample) fixable(b *bytes.Buffer, fix func(why string)) {
	s.fixes[bytes.Count(b.Bytes(), []byte("\n"))+1] = fix
}

func (s *sample) writeModel(b *bytes.Buffer, model, topic string) {
	s.fixable(b, func(string) {
		s.models = slices.DeleteFunc(s.models, func(m string) bool { return m == model })
	})
	fmt.Fprintf(b, "  - name: %s\n    topics: {predictions: %s}\n", strconv.Quote(model), strconv.Quote(topic))
	b.WriteString("    # What windows are compared with; make it from training data, then uncomment:\n    #   streammon profile build --config.file=FILE --input=train.csv --output=reference.profile.json\n    # reference: reference.profile.json\n")
	s.writeTask(b)
	if len(s.mapping) > 0 {
		b.WriteString("    # Where the messages differ from the default envelope.\n    mapping:\n")
		for _, line := range s.mapping {
			fmt.Fprintf(b, "      %s\n", line)
		}
	}
	b.WriteString("    features:\n")
	for i := range s.features {
		f := &s.features[i]
		s.fixable(b, func(why string) { f.Skip, f.Reason = true, why })
		line := fmt.Sprintf("%s: %s", strconv.Quote(f.Name), f.Type)
		if f.Skip {
			line = "# " + line + " (left out: " + f.Reason + ")"
		}
		fmt.Fprintf(b, "      %s\n", line)
	}
	if len(s.segments) > 0 {
		b.WriteString("    # Values come from the reference, or list them: {name: country, values: [DE, FR]}\n    segments:\n")
		written := min(len(s.segments), maxInitSegments)
		for _, name := range s.segments[:written] {
			s.fixable(b, func(string) {
				s.segments = slices.DeleteFunc(s.segments, func(n string) bool { return n == name })
			})
			fmt.Fprintf(b, "      - %s\n", strconv.Quote(name))
		}
		for _, name := range s.segments[written:] {
			fmt.Fprintf(b, "      # - %s (left out: at most %d are allowed)\n", strconv.Quote(name), maxInitSegments)
		}
	}
}

func (s *sample) writeTask(b *bytes.Buffer) {
	switch {
	case s.value:
		b.WriteString("    task: regression\n")
	case len(s.labels) > 2:
		fmt.Fprintf(b, "    task: multiclass # the sample has %d labels\n", len(s.labels))
	case len(s.labels) > 0:
		label := s.labels[0]
		s.fixes[bytes.Count(b.Bytes(), []byte("\n"))+2] = func(string) {
			s.labels = slices.DeleteFunc(s.labels, func(l string) bool { return l == label })
		}
		fmt.Fprintf(b, "    task: binary # or multiclass\n    positive: %s # the rarest label of the sample; is it the positive one?\n", strconv.Quote(label))
	case s.score:
		b.WriteString("    task: binary # the sample has scores and no labels\n    # positive: the label of the positive class\n")
	default:
		b.WriteString("    task: none # no prediction was found in the messages\n")
	}
}

// Inferred is what was found out about a column.
type Inferred = input.Inferred
