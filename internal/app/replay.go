package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/input"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/pipeline"
	"github.com/streammon/streammon/internal/report"
	"github.com/streammon/streammon/internal/window"
)

// ReplayOptions says what to replay. Each input stands for one lane.
type ReplayOptions struct {
	Inputs []string
	// Labels are files of labels, one for each of Inputs by position, or none at all. Labels of files are those of the lanes of their
	// inputs.
	Labels []string
	// Topic of predictions that the files are of, so that events need no model where
	// its group has one; empty: the files hold the messages of all topics.
	Topic string
	// Format of all files, as input.ParseFormat has it; empty: by their names.
	Format string
	// Results takes the final results and the ledger as JSON lines; nil for none.
	Results io.Writer
	// Result, if set, is called with each final result, in order.
	Result func(*monitor.Result)
	// Report, if set, is called with the report of all results, at the end.
	Report func(*report.Report)
	// Warn, if set, is told what is wrong with the files as a whole.
	Warn func(text string)
	// Progress, if set, is called now and then with the bytes read so far and in
	// all, which is -1 if it is not known.
	Progress func(read, total int64)
}

// replayChunk is how many messages of a lane are taken at a time, so that lanes
// advance together in event time.
const replayChunk = 256

// Replay reads files as if each were a partition and makes every result final. It
// returns the account of all messages.
func Replay(ctx context.Context, c *config.Config, o ReplayOptions) (event.Ledger, error) {
	var ledger event.Ledger
	if len(o.Labels) > 0 && len(o.Labels) != len(o.Inputs) {
		return ledger, fmt.Errorf("replay: %d files of labels for %d inputs: they pair by position", len(o.Labels), len(o.Inputs))
	}
	models, err := buildLabelled(c, len(o.Labels) > 0)
	if err != nil {
		return ledger, err
	}
	if o.Topic != "" {
		models = slices.DeleteFunc(models, func(g *modelGroup) bool { return g.predictions != o.Topic })
		if len(models) == 0 {
			return ledger, fmt.Errorf("replay: the config has no model with predictions topic %q", o.Topic)
		}
	}
	out := resultWriter{w: o.Results}
	collected := report.NewCollector(slideOf(models))
	sink := pipeline.NewSequencer(len(models), func(r *monitor.Result, line []byte) error {
		if o.Result != nil {
			o.Result(r)
		}
		if o.Report != nil {
			collected.Add(r)
		}
		if o.Results == nil {
			return nil
		}
		return out.result(r, line)
	})
	groups := make([]*pipeline.Group, len(models))
	for i, m := range models {
		groups[i] = pipeline.NewGroup(m.monitor, m.decode, sink, i, false)
		if o.Report != nil {
			groups[i].Picture()
		}
		groups[i].Grow(len(o.Inputs))
	}
	files, err := openLanes(groups, c, o)
	defer func() {
		for _, f := range files {
			f.close()
		}
	}()
	if err != nil {
		return ledger, err
	}
	if err := replayAll(ctx, groups, files); err != nil {
		return ledger, err
	}
	for _, f := range files {
		for _, s := range f.streams {
			l := s.intake.Ledger()
			ledger.Add(&l)
		}
	}
	if n := unexpected(models, files); n > 0 && o.Warn != nil {
		o.Warn(fmt.Sprintf("%d labels were read and not matched with predictions, since the config names no topic of labels (topics.labels), as `run` would need", n))
	}
	for i, g := range groups {
		if m := g.Misplaced(); o.Warn != nil && elsewhere(&m) {
			o.Warn(fmt.Sprintf("topic %s: %s; %s. Each file stands for a partition: of %d sampled labels %d are elsewhere, one in file %d and its prediction in file %d",
				models[i].predictions, misplacedLabels, sameKeys, m.Labels, m.Elsewhere, m.Partition+1, m.Prediction+1))
		}
	}
	if o.Results != nil {
		err = out.account(&ledger, groups)
	}
	if o.Report != nil {
		o.Report(replayReport(c, models, groups, collected, ledger))
	}
	return ledger, err
}

// unexpected returns how many labels there were where models have a task, and the config expects none.
func unexpected(models []*modelGroup, files []*replayLane) (n int) {
	if !slices.ContainsFunc(models, func(g *modelGroup) bool {
		return slices.ContainsFunc(g.models, func(m *config.Model) bool { return m.Measured() && !g.labelled && !m.Labelled() })
	}) {
		return 0
	}
	for _, f := range files {
		for _, s := range f.streams {
			taken, _ := s.intake.Labels()
			n += taken
		}
	}
	return n
}

// replayLane is an input with its labels.
type replayLane struct {
	lanes   []*pipeline.Lane
	streams []*replayStream // predictions (and maybe labels); labels
	done    bool
	name    string // of the first file
	options input.Options
	labels  int  // in the first file, if they come with predictions; -1 before they are counted
	over    bool // all of these were taken in
}

type replayStream struct {
	reader *input.Reader
	intake *pipeline.Intake
	buffer []byte
	batch  []pipeline.Message
	rest   []pipeline.Message // of the batch, not taken yet
	atEnd  bool               // of the file
	ended  bool               // and all was taken
}

func openLanes(groups []*pipeline.Group, c *config.Config, o ReplayOptions) ([]*replayLane, error) {
	options, err := inputOptions(o.Format, c)
	if err != nil {
		return nil, err
	}
	var files []*replayLane
	meter := newMeter(o.Progress)
	for i, name := range o.Inputs {
		l := &replayLane{name: name, options: options, labels: -1}
		files = append(files, l)
		for _, g := range groups {
			l.lanes = append(l.lanes, g.Lane(i))
		}
		options.Progress = meter.part()
		if err := l.open(name, options, event.Prediction); err != nil {
			return files, err
		}
		if len(o.Labels) > 0 {
			options.Progress = meter.part()
			if err := l.open(o.Labels[i], options, event.Label); err != nil {
				return files, err
			}
			for _, lane := range l.lanes {
				lane.LabelsApart()
			}
		}
	}
	return files, nil
}

// inputOptions are those of all files; c may be nil. A line is cut where the decoder
// sees that it is too large.
func inputOptions(format string, c *config.Config) (o input.Options, err error) {
	if c != nil {
		o.MaxLine = c.Limits.MessageBytes + 1
	}
	o.Format, err = input.ParseFormat(format)
	return o, err
}

func (l *replayLane) open(name string, o input.Options, kind event.Kind) error {
	r, err := input.Open(name, o)
	if err != nil {
		return err
	}
	s := &replayStream{reader: r}
	l.streams = append(l.streams, s)
	s.intake, err = pipeline.NewIntake(l.lanes, kind, tabular(r))
	return err
}

// tabular fits the decoding to the columns of a CSV or Parquet file.
func tabular(r *input.Reader) func(decode.Options) (decode.Options, error) {
	if !r.Tabular() {
		return nil
	}
	return func(o decode.Options) (decode.Options, error) {
		var err error
		o.Mapping, err = input.TabularMapping(r.Columns(), o.Mapping, o.Schema)
		return o, err
	}
}

func (l *replayLane) close() {
	for _, s := range l.streams {
		s.reader.Close()
	}
}

// replayAll takes chunks of the lane whose watermark is the furthest behind, until
// all are at their ends.
func replayAll(ctx context.Context, groups []*pipeline.Group, files []*replayLane) error {
	for {
		next := slowest(files, (*replayLane).held)
		if next == nil { // each waits for another one's events, or all are done
			if next = slowest(files, func(*replayLane) bool { return false }); next == nil {
				return nil
			}
			for _, g := range groups {
				g.Release()
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := next.step(); err != nil {
			return err
		}
	}
}

// slowest returns the lane whose watermark is the furthest behind, but for those that are done or left out; nil if there is
// none.
func slowest(files []*replayLane, leftOut func(*replayLane) bool) (next *replayLane) {
	for _, f := range files {
		if !f.done && !leftOut(f) && (next == nil || f.watermark() < next.watermark()) {
			next = f
		}
	}
	return next
}

// held reports whether the next message waits until a reference is learned.
func (l *replayLane) held() bool {
	return slices.ContainsFunc(l.lanes, (*pipeline.Lane).Held)
}

// watermark of a lane is the largest of its groups': the file goes on for all.
func (l *replayLane) watermark() int64 {
	w := int64(window.NoTime)
	for _, lane := range l.lanes {
		w = max(w, lane.Watermark())
	}
	return w
}

// step takes one chunk of the predictions, or of the labels where these are behind in event time.
func (l *replayLane) step() error {
	s, kind := l.streams[0], event.Prediction
	if len(l.streams) > 1 && l.labelsNext() {
		s, kind = l.streams[1], event.Label
	}
	if len(s.rest) == 0 {
		if err := s.read(); err != nil {
			return err
		}
	}
	records := len(s.rest)
	s.rest = s.rest[s.intake.Take(s.rest, 0):]
	records -= len(s.rest)
	if s.ended = s.atEnd && len(s.rest) == 0; s.ended {
		s.intake.Finish()
	}
	if err := l.endLabels(); err != nil {
		return err
	}
	l.done = !slices.ContainsFunc(l.streams, func(s *replayStream) bool { return !s.ended })
	for _, lane := range l.lanes {
		deliver := lane.Deliver
		if kind == event.Label {
			deliver = lane.DeliverLabels
		}
		if err := deliver(pipeline.Progress{Records: records, Done: s.ended}); err != nil {
			return err
		}
	}
	return nil
}

// endLabels says that no more labels come with the predictions, where these are waited for and there are none: else all that follows
// the last label would be kept until the end of the file.
func (l *replayLane) endLabels() error {
	if len(l.streams) > 1 || l.over || l.name == "-" || !slices.ContainsFunc(l.lanes, (*pipeline.Lane).Starves) {
		return nil
	}
	if l.labels < 0 {
		if err := l.countLabels(); err != nil {
			return err
		}
	}
	taken, waiting := l.streams[0].intake.Labels()
	if l.over = taken >= l.labels && waiting == 0; l.over {
		for _, lane := range l.lanes {
			lane.EndLabels()
		}
	}
	return nil
}

// countLabels reads the whole file.
func (l *replayLane) countLabels() (err error) {
	o := l.options
	o.Progress = nil // it is read in between
	r, err := input.Open(l.name, o)
	if err != nil {
		return err
	}
	s := &replayStream{reader: r}
	defer r.Close()
	if s.intake, err = pipeline.NewIntake(l.lanes, event.Prediction, tabular(r)); err != nil {
		return err
	}
	for l.labels = 0; !s.atEnd; {
		if err := s.read(); err != nil {
			return err
		}
		l.labels += s.intake.CountLabels(s.batch)
	}
	return nil
}

// labelsNext reports whether the labels are to be taken next.
func (l *replayLane) labelsNext() bool {
	if l.streams[0].ended || l.streams[1].ended {
		return l.streams[0].ended
	}
	if l.held() {
		return true
	}
	labels := int64(window.NoTime)
	for _, lane := range l.lanes {
		if lane.LabelsHeld() {
			return false
		}
		labels = max(labels, lane.KindWatermark(event.Label))
	}
	return labels < l.watermark()
}

// read fills the batch with the next messages.
func (s *replayStream) read() error {
	s.batch, s.buffer = s.batch[:0], s.buffer[:0]
	var ends []int
	for len(ends) < replayChunk {
		r, err := s.reader.Next()
		if errors.Is(err, io.EOF) {
			s.atEnd = true
			break
		}
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		s.buffer = append(s.buffer, r.Value...)
		ends = append(ends, len(s.buffer))
	}
	start := 0
	for _, end := range ends {
		s.batch = append(s.batch, pipeline.Message{Value: s.buffer[start:end:end]})
		start = end
	}
	s.rest = s.batch
	return nil
}

// meter adds up the progress of several files.
type meter struct {
	report func(read, total int64)
	parts  []*[2]int64
}

func newMeter(report func(read, total int64)) *meter { return &meter{report: report} }

func (m *meter) part() func(read, total int64) {
	if m.report == nil {
		return nil
	}
	p := &[2]int64{}
	m.parts = append(m.parts, p)
	return func(read, total int64) {
		p[0], p[1] = read, total
		var sum [2]int64
		for _, q := range m.parts {
			sum[0] += q[0]
			if q[1] < 0 || sum[1] < 0 {
				sum[1] = -1
			} else {
				sum[1] += q[1]
			}
		}
		m.report(sum[0], sum[1])
	}
}
