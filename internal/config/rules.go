package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// check applies the rules that several keys have part in, and the defaults that
// depend on other keys.
func (r *reader) check(c *Config) {
	if !r.given("") || r.hopeless() {
		return
	}
	r.require("", "kafka", "a mapping with brokers at least")
	r.require("", "models", "a list of models")
	r.checkLimits(c)
	if time.Minute%c.Pane != 0 {
		r.fail("pane", "%s does not divide a minute", FormatDuration(c.Pane))
		c.Pane = defaults().Pane
	}
	r.checkWindows(c)
	for i := range c.Models {
		m := &modelRules{r, fmt.Sprintf("models[%d]", i), &c.Models[i]}
		m.check()
		m.checkLearning(c)
		m.checkTrailing(c)
	}
	r.checkModels(c)
}

func (r *reader) checkLimits(c *Config) {
	if c.Limits.StringBytes > c.Limits.MessageBytes {
		r.fail("limits.string_bytes", "%d bytes are more than the %d of message_bytes", c.Limits.StringBytes, c.Limits.MessageBytes)
	}
}

const maxWindow = 31 * day

func (r *reader) checkWindows(c *Config) {
	first := map[time.Duration]int{}
	for i, w := range c.Windows {
		path := fmt.Sprintf("windows[%d]", i)
		slide := slide(w.Length, c.Pane)
		j, twice := first[w.Length]
		switch {
		case r.given("windows") && w.Length == 0 && !isZero(w.Name): // reported
		case w.Length < c.Pane:
			r.fail(path, "%s is shorter than the pane, %s", FormatDuration(w.Length), FormatDuration(c.Pane))
		case w.Length > maxWindow:
			r.fail(path, "%s is longer than %s", FormatDuration(w.Length), FormatDuration(maxWindow))
		case w.Length%slide != 0:
			r.fail(path, "%s is not a multiple of %s, by which a window of this length slides", FormatDuration(w.Length), FormatDuration(slide))
		case twice:
			r.fail(path, "%s is as long as windows[%d]", quote(w.Name), j)
		default:
			first[w.Length] = i
		}
	}
}

// isZero tells a window that is written as 0 from one that could not be read.
func isZero(name string) bool {
	d, ok := ParseDuration(name)
	return ok && d == 0
}

// slide is by how much a window slides: the widest of the pane, 1m, 10m and 1h that is at
// most a sixtieth of its length, but the pane at least.
func slide(length, pane time.Duration) time.Duration {
	s := pane
	for _, l := range []time.Duration{time.Minute, 10 * time.Minute, time.Hour} {
		if l <= length/60 {
			s = max(s, l)
		}
	}
	return s
}

// modelRules are those within one model.
type modelRules struct {
	*reader
	path string
	*Model
}

func (m *modelRules) check() {
	m.checkTask()
	m.checkStatistics()
	for i := range m.Features {
		m.checkFeature(&m.Features[i])
	}
	m.checkChanges()
	m.checkPerformance()
	m.checkKPIs()
	if !m.given(join(m.path, "features")) && m.given(m.path) && len(m.OutputFeatures()) == 0 && len(m.KPIs) == 0 && !(m.Measured() && m.Labelled()) {
		m.warn(m.path, "has neither features nor a task: only service figures will be there")
	}
}

// checkTask fills in the task, and sees that positive goes with it.
func (m *modelRules) checkTask() {
	positive := join(m.path, "positive")
	if !m.given(join(m.path, "task")) {
		m.Task = "none"
		if m.given(positive) {
			m.Task = "binary"
		}
	}
	if m.Task != "binary" && m.Task != "" && m.given(positive) {
		m.fail(positive, "is for the task binary only; the task is %s", m.Task)
	}
}

// checkStatistics fills in the statistics and the deciding one.
func (m *modelRules) checkStatistics() {
	d := &m.Drift
	if len(d.Statistics) == 0 {
		d.Statistics = shortNames()
	}
	path := m.path + ".drift.decide_by"
	switch {
	case d.DecideBy != "":
		m.listed(path, d.DecideBy)
	case m.given(path): // reported
	case slices.Contains(d.Statistics, "psi"):
		d.DecideBy = "psi"
	default:
		d.DecideBy = d.Statistics[0]
	}
}

// listed sees that a deciding statistic is computed.
func (m *modelRules) listed(path, name string) {
	if !slices.Contains(m.Drift.Statistics, name) && !slices.Contains(m.Drift.Statistics, "") {
		m.fail(path, "%s is not among the statistics %s", quote(name), strings.Join(m.Drift.Statistics, ", "))
	}
}

func (m *modelRules) checkFeature(f *Feature) {
	path := join(join(m.path, "features"), f.Name)
	if outputTypes[f.Name] != "" {
		m.checkOutput(path, f)
	}
	by := f.DecideBy
	if by != "" {
		m.listed(path+".decide_by", by)
	} else {
		by = m.Drift.DecideBy
	}
	s, _ := findStatistic(by)
	switch {
	case s.numericOnly && f.Type == "categorical" && f.DecideBy != "":
		m.fail(path+".decide_by", "%s is for numeric features, and this one is categorical", quote(by))
	case s.bounded && f.Floor > 1:
		m.fail(path+".floor", "%g is more than %s can be, which is at most 1", f.Floor, s.short)
	}
	if f.ShowCategories != "" && f.Type == "numeric" {
		m.fail(path+".show_categories", "is for categorical features, and this one is numeric")
	}
}

// checkOutput checks the settings of a prediction output and fills in its type.
func (m *modelRules) checkOutput(path string, f *Feature) {
	want := outputTypes[f.Name]
	outputs := taskOutputs[m.Task]
	if m.Task != "" && !slices.Contains(outputs, f.Name) {
		has := "none"
		if len(outputs) > 0 {
			has = strings.Join(outputs, " and ")
		}
		m.fail(path, "is not an output of the task %s, which has %s", m.Task, has)
	}
	if f.Type != "" && f.Type != want {
		m.fail(path, "is %s here, but this output is always %s", f.Type, want)
	}
	if f.Path != "" {
		m.fail(path+".path", "does not go here: give mapping.%s", strings.TrimPrefix(f.Name, "prediction."))
	}
	f.Type = want
}

// checkTrailing sees that windows can be compared with the past.
func (m *modelRules) checkTrailing(c *Config) {
	ago, path := m.Drift.Trailing(), m.path+".drift.against"
	if ago == 0 {
		return
	}
	for _, w := range c.Windows {
		if ago < w.Length {
			m.fail(path, "%s are shorter than the window of %s", FormatDuration(ago), w.Name)
		}
	}
	if !m.given(m.path + ".reference") {
		m.fail(path, "takes a reference, whose bins windows and their past are counted in")
	}
	if c.State.Dir == "" {
		m.warn(path, "the past is lost when the program ends: give state.dir")
	}
}

// learnedWindows is how many windows of each length a reference should know.
const learnedWindows = 20

// checkLearning sees that a reference is a file or learned, and warns of one that will know little.
func (m *modelRules) checkLearning(c *Config) {
	learn, path := m.Reference.Learn, m.path+".reference.learn"
	if learn == 0 {
		return
	}
	if m.Reference.File != "" {
		m.fail(path, "does not go with file: a reference is one or the other")
	}
	if c.State.Dir == "" {
		m.warn(path, "what is learned is lost when the program ends: give state.dir")
	}
	for _, w := range c.Windows {
		if learn < learnedWindows*w.Length {
			m.warn(path, "%s are less than %d windows of %s: how much such windows vary will not be known well", FormatDuration(learn), learnedWindows, w.Name)
		}
	}
}
