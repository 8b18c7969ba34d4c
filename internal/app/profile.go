package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/consumer"
	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/input"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/sketch"
)

// ProfileOptions says what to build a reference from.
type ProfileOptions struct {
	// Inputs are files; or, with FromKafka, the model's predictions topic is read
	// from From to To (zero: to its end).
	Inputs    []string
	FromKafka bool
	// Labels are files of labels, in any order, which are paired with the rows by id. With FromKafka the model's labels topic is
	// read as well, up to the timeout of labels after To.
	Labels []string
	// Format of all files, as input.ParseFormat has it; empty: by their names.
	Format   string
	From, To time.Time
	// Model is the model of the config; it may be empty if there is one only.
	Model string
	// Overrides replace the inferred type of a feature, or with "skip" leave it out.
	// For building without a config.
	Overrides map[string]string
	// Time is the column, or the path, of the rows' times, and Windows are the lengths to calibrate for. A config has both;
	// without one and without Time values are taken for independent.
	Time    string
	Windows []time.Duration
	// Builder is the version of the program.
	Builder  string
	Progress func(read, total int64)
	// Calibrated, if set, is told how many of all features are calibrated.
	Calibrated func(done, all int)
	// Inferred, if set, is told the table of the inference, without a config.
	Inferred func([]input.Inferred)
}

// ProfileSummary is what was read for a reference.
type ProfileSummary struct {
	Rows uint64
	// Labelled rows have a label, by which the performance of the reference is known.
	Labelled uint64
	// Labels that are not one of a row, or not its first, and Failed requests are no data of a reference and were left out.
	Labels, Failed uint64
	Rejected       [event.Reasons]uint64
	// Untimed rows are part of the reference, but of none of the windows that tell how it varies.
	Untimed uint64
}

// BuildProfile builds a reference from files or a topic; c may be nil, and the
// features are then inferred from the first file.
func BuildProfile(ctx context.Context, c *config.Config, o ProfileOptions) (*profile.Reference, ProfileSummary, error) {
	var s ProfileSummary
	options, err := profileDecoding(c, o)
	if err != nil {
		return nil, s, err
	}
	b := profile.NewBuilder(options.Schema)
	b.Progress = o.Calibrated
	if lengths := o.lengths(c); len(lengths) > 0 {
		b.Calibrate(lengths)
	}
	t := &training{builder: b, summary: &s}
	if err := t.measure(c, o, options.Schema); err != nil {
		return nil, s, err
	}
	if o.FromKafka {
		err = profileFromKafka(ctx, c, o, options, t)
	} else {
		err = profileFromFiles(ctx, c, o, options, t)
	}
	if err != nil {
		return nil, s, err
	}
	s.Rows, s.Untimed = b.Rows(), b.Untimed()
	if o.Time != "" && s.Rows > 0 && s.Untimed == s.Rows {
		return nil, s, fmt.Errorf("build profile: no row has a time in %q: times are RFC 3339 with an offset, such as 2026-11-01T00:00:00Z, or Unix times", o.Time)
	}
	inputs := append(slices.Clone(o.Inputs), o.Labels...)
	if o.FromKafka {
		inputs = []string{fmt.Sprintf("kafka topic from %s to %s", o.From.Format(time.RFC3339), o.To.Format(time.RFC3339))}
	}
	r, err := b.Build(profile.Provenance{Inputs: inputs, Builder: o.Builder})
	if err == nil && r.Performance != nil {
		s.Labelled = r.Performance.Labelled
	}
	s.Labels += t.labels - s.Labelled
	return r, s, err
}

// lengths of the windows to calibrate for, in nanoseconds.
func (o *ProfileOptions) lengths(c *config.Config) (lengths []int64) {
	if c != nil {
		for _, w := range c.Windows {
			lengths = append(lengths, int64(w.Length))
		}
	} else if o.Time != "" {
		for _, w := range o.Windows {
			lengths = append(lengths, int64(w))
		}
	}
	return lengths
}

// timePath returns the path of the column or path with the times.
func (o *ProfileOptions) timePath() string {
	if o.Time == "" || strings.HasPrefix(o.Time, "$") {
		return o.Time
	}
	return decode.QuotePath(o.Time)
}

// profileDecoding is how to read the training data: one model's features, nothing
// but them required.
func profileDecoding(c *config.Config, o ProfileOptions) (decode.Options, error) {
	if c == nil {
		return inferDecoding(o)
	}
	m, err := findModel(c, o.Model)
	if err != nil {
		return decode.Options{}, err
	}
	g := &modelGroup{models: []*config.Model{m}}
	options := decode.Options{Schema: g.schema(), Mapping: mapping(g.models), FeaturesOnly: true, Limits: limits(c)}
	return options, nil
}

func findModel(c *config.Config, name string) (*config.Model, error) {
	if name == "" && len(c.Models) == 1 {
		return &c.Models[0], nil
	}
	for i := range c.Models {
		if c.Models[i].Name == name {
			return &c.Models[i], nil
		}
	}
	if name == "" {
		return nil, fmt.Errorf("the config has %d models: say which", len(c.Models))
	}
	return nil, fmt.Errorf("the config has no model %q", name)
}

// inferRows is how many rows types are inferred from.
const inferRows = 10_000

func inferDecoding(o ProfileOptions) (decode.Options, error) {
	options := decode.Options{FeaturesOnly: true, AnyModel: true}
	files, err := inputOptions(o.Format, nil)
	if err != nil {
		return options, err
	}
	r, err := input.Open(o.Inputs[0], files)
	if err != nil {
		return options, err
	}
	defer r.Close()
	inferred, nested, err := input.Infer(r.Next, inferRows)
	if err != nil {
		return options, err
	}
	options.Mapping.ParseStrings, options.Mapping.Time = true, o.timePath()
	if !nested {
		options.Mapping.Features = "$"
	}
	for i := range inferred {
		if f := &inferred[i]; !nested && decode.QuotePath(f.Name) == options.Mapping.Time {
			f.Skip, f.Reason = true, "the time"
		}
		override(&inferred[i], o.Overrides)
	}
	for name := range o.Overrides {
		if !slices.ContainsFunc(inferred, func(f Inferred) bool { return f.Name == name }) {
			return options, fmt.Errorf("build profile: there is no column %q", name)
		}
	}
	if o.Inferred != nil {
		o.Inferred(inferred)
	}
	options.Schema.Models = []string{"model"}
	for _, f := range inferred {
		if !f.Skip {
			options.Schema.Features = append(options.Schema.Features, event.Feature{Name: f.Name, Type: f.Type})
		}
	}
	if len(options.Schema.Features) == 0 {
		return options, errors.New("build profile: no column looks like a feature; name some with --feature")
	}
	return options, nil
}

func override(f *input.Inferred, overrides map[string]string) {
	switch overrides[f.Name] {
	case "numeric":
		f.Type, f.Skip, f.Reason = event.Numeric, false, "as asked"
	case "categorical":
		f.Type, f.Skip, f.Reason = event.Categorical, false, "as asked"
	case "skip":
		f.Skip, f.Reason = true, "as asked"
	}
}

func profileFromFiles(ctx context.Context, c *config.Config, o ProfileOptions, options decode.Options, t *training) error {
	files, err := inputOptions(o.Format, c)
	if err != nil {
		return err
	}
	meter := newMeter(o.Progress)
	read := func(name string) error {
		files.Progress = meter.part()
		r, err := input.Open(name, files)
		if err != nil {
			return err
		}
		return errors.Join(profileFromFile(ctx, r, options, t), r.Close())
	}
	for _, name := range o.Inputs {
		if err := read(name); err != nil {
			return err
		}
	}
	options.DefaultKind = event.Label
	for _, name := range o.Labels {
		if err := read(name); err != nil {
			return err
		}
	}
	return nil
}

func profileFromFile(ctx context.Context, r *input.Reader, o decode.Options, t *training) (err error) {
	if adapt := tabular(r); adapt != nil {
		if o, err = adapt(o); err != nil {
			return err
		}
	}
	d, err := decode.New(o)
	if err != nil {
		return err
	}
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("build profile: %w", err)
		}
		t.observe(d, record.Value)
	}
}

// training takes the rows of a reference, and their labels.
type training struct {
	builder  *profile.Builder
	summary  *ProfileSummary
	measured *monitor.Performance // nil: it is not known what is right
	labels   uint64               // that were noted

	ev     event.Event
	answer eval.Prediction
	label  eval.Label
}

// measure makes the labels count if the config says what is right.
func (t *training) measure(c *config.Config, o ProfileOptions, s event.Schema) error {
	if c == nil {
		return nil
	}
	m, err := findModel(c, o.Model)
	if err != nil {
		return err
	}
	g := &modelGroup{models: []*config.Model{m}, monitor: &monitor.Group{Schema: s}}
	if t.measured = g.performance(m, &monitor.ModelConfig{}); t.measured != nil {
		t.builder.Measure(profile.Measured{Task: m.Task, Positive: m.Positive, Spec: &t.measured.Spec})
	} else if len(o.Labels) > 0 {
		return fmt.Errorf("build profile: labels tell nothing: model %q has no task, or it is not known which label is right (task, positive, classes)", m.Name)
	}
	return nil
}

func (t *training) observe(d *decode.Decoder, row []byte) {
	ev := &t.ev
	if reason := d.Decode(row, ev); reason != event.Accepted {
		t.summary.Rejected[reason]++
		return
	}
	switch {
	case ev.Kind == event.Label && (t.measured == nil || len(ev.ID) == 0 || !t.measured.Truth(ev, &t.label)):
		t.summary.Labels++
	case ev.Kind == event.Label:
		t.note(sketch.HashText(ev.ID))
	case ev.Failed:
		t.summary.Failed++
	default:
		t.builder.Observe(ev)
		t.answered(d)
	}
}

// answered notes the answer of a row, and its own label if it has one.
func (t *training) answered(d *decode.Decoder) {
	if t.measured == nil {
		return
	}
	ev := &t.ev
	own := t.measured.Truth(ev, &t.label)
	t.measured.Answer(ev, &t.answer)
	id := t.builder.Answer(ev.ID, ev.Time, &t.answer, own)
	if !own {
		return
	}
	if ok, reason := d.LabelOf(ev); ok && reason == event.Time {
		ev.Time = 0
	}
	t.note(id)
}

func (t *training) note(id uint64) {
	t.labels++
	t.builder.Label(id, t.ev.Time, &t.label)
}

func profileFromKafka(ctx context.Context, c *config.Config, o ProfileOptions, d decode.Options, t *training) error {
	m, err := findModel(c, o.Model)
	if err != nil {
		return err
	}
	cc, err := connection(c)
	if err != nil {
		return err
	}
	cc.ReadCommitted = c.Kafka.Isolation == "read_committed"
	read := func(topic string, to time.Time) error {
		decoder, err := decode.New(d)
		if err != nil {
			return err
		}
		return consumer.ReadRange(ctx, cc, topic, o.From, to, func(r consumer.Record) error {
			t.observe(decoder, r.Value)
			return nil
		})
	}
	if err := read(m.Topics.Predictions, o.To); err != nil || t.measured == nil || m.Topics.Labels == "" {
		return err
	}
	to := o.To
	if !to.IsZero() {
		to = to.Add(m.Labels.Timeout)
	}
	d.DefaultKind = event.Label
	return read(m.Topics.Labels, to)
}
