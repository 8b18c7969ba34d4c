package web

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/monitor"
)

// finding is something that needs attention, in one sentence: Subject links to where it shows, and Rest goes on.
type finding struct {
	State string // as word knows it
	// Layer that it is of: one of layers, or empty for the monitor itself.
	Layer, Model, Subject, Href, Rest string

	rank int
}

// ranks of states: what is first on a page.
var ranks = map[string]int{monitor.StateDrift: 4, eval.Worse: 4, "failing": 5, monitor.StateChange: 2, monitor.StateWarning: 1}

// findings returns what needs attention of all models, the worst first.
func (v *view) findings() []finding {
	out := v.ofMonitor()
	for i := range v.Models {
		out = append(out, v.ofModel(&v.Models[i])...)
	}
	for i := range out {
		out[i].rank += 10 * ranks[out[i].State]
	}
	slices.SortStableFunc(out, func(a, b finding) int { return cmp.Compare(b.rank, a.rank) })
	return out
}

// ofMonitor is what is wrong with the monitor, or with its getting at messages.
func (v *view) ofMonitor() (out []finding) {
	add := func(subject, rest string) {
		out = append(out, finding{State: "failing", Subject: subject, Href: "/status", Rest: rest})
	}
	if v.State != nil && v.State.Error != "" && !strings.Contains(v.NotReady, v.State.Error) {
		add("The state is not saved", ": "+v.State.Error)
	}
	if v.Final != nil && v.Final.Error != "" && !strings.Contains(v.NotReady, v.Final.Error) {
		add("Results are not written", ": "+v.Final.Error)
	}
	if v.Config != nil && v.Config.Error != "" {
		add("The config was not reloaded", ", the one before stays in force: "+v.Config.Error)
	}
	var gap, lost, skipped uint64
	for i := range v.Partitions {
		p := &v.Partitions[i]
		gap, lost = gap+p.Gap, lost+p.LostLetters
		for _, s := range p.Skipped {
			skipped += s.Batches
		}
	}
	if gap > 0 || skipped > 0 {
		add("Messages were lost before they were read", fmt.Sprintf(": %s to retention, %s batches that cannot be read; windows that hold them are not complete", count(gap), count(skipped)))
	}
	if lost > 0 {
		add("Dead letters were dropped", fmt.Sprintf(": %s could not be written", count(lost)))
	}
	return out
}

// staleAfter is how long a model may have no events before its page says so.
const staleAfter = 2 * time.Minute

// stale returns how long a model has had no events; 0 if that is not long.
func (v *view) stale(m *monitor.ModelStatus) time.Duration {
	if m.LastEvent == 0 {
		return 0
	}
	if d := v.now.Sub(time.Unix(0, m.LastEvent)); d > staleAfter {
		return d
	}
	return 0
}

func (v *view) ofModel(m *monitor.ModelStatus) (out []finding) {
	if d := v.stale(m); d > 0 {
		out = append(out, finding{State: "failing", Layer: layerService, Model: m.Model, Subject: visible(m.Model), Href: link("/model", "name", m.Model),
			Rest: fmt.Sprintf(" has had no events since %s (%s)", clockOf(m.LastEvent, v.now), duration(d))})
	}
	var results []*monitor.Result // of all traffic
	for _, r := range v.Results {
		if r.Model == m.Model && r.Segment == "" {
			results = append(results, r)
		}
	}
	out = append(out, v.answers(results)...)
	out = append(out, v.moved(m.Model)...)
	return append(out, v.changed(results)...)
}

// place is where something moved: the result and the feature.
type place struct {
	*monitor.Result
	*monitor.FeatureResult
}

func (p place) state() string { return p.FeatureResult.State }

// better reports whether p is the better example of a move than o: a worse state, all traffic before segments, more events, and a
// shorter window.
func (p place) better(o place) bool {
	return cmp.Or(cmp.Compare(ranks[p.state()], ranks[o.state()]), boolean(p.Segment == "")-boolean(o.Segment == ""),
		cmp.Compare(o.Length, p.Length), cmp.Compare(p.Events, o.Events)) > 0
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// moved returns a sentence for each feature of a model that has moved in some version, segment or window.
func (v *view) moved(model string) (out []finding) {
	places := map[string][]place{}
	var names []string
	for _, r := range v.Results {
		if r.Model != model {
			continue
		}
		for i := range r.Features {
			if f := &r.Features[i]; ranks[f.State] > 0 {
				addNew(&names, f.Name)
				places[f.Name] = append(places[f.Name], place{r, f})
			}
		}
	}
	for _, name := range names {
		all := places[name]
		best := all[0]
		for _, p := range all[1:] {
			if p.better(best) {
				best = p
			}
		}
		s := selection{Model: model, Version: best.Version, Segment: best.Segment, Window: best.Window}
		f := finding{State: best.state(), Layer: layerDrift, Model: model, Subject: visible(name), Href: s.FeatureLink(name)}
		if absent(best.FeatureResult) || unseen(best.FeatureResult) > 0 {
			f.Layer = layerData
		}
		f.rank = int(10 * min(excess(best.FeatureResult)/10, 0.9))
		if name == "prediction.score" || name == "prediction.label" {
			f.rank = 0 // follows from others, as a rule
		}
		f.Rest = " " + v.movedText(best, all)
		out = append(out, f)
	}
	return out
}

// movedText goes on after a feature's name.
func (v *view) movedText(p place, all []place) string {
	f := p.FeatureResult
	verb := "drifted"
	if f.State == monitor.StateWarning {
		verb = "may have drifted (warning)"
	}
	b := &strings.Builder{}
	fmt.Fprintf(b, "of %s %s", visible(p.Model), versionName(p.Version))
	b.WriteString(" " + verb)
	if f.Since > 0 {
		b.WriteString(" since " + clockOf(f.Since, v.now))
	}
	var facts []string
	for _, t := range []string{shift(f), verdictText(f), v.where(p)} {
		if t != "" {
			facts = append(facts, t)
		}
	}
	if len(facts) > 0 {
		b.WriteString(": " + strings.Join(facts, ", "))
	}
	b.WriteString(others(p, all))
	return b.String()
}

// others names the windows and versions in which a feature has moved, too.
func others(p place, all []place) string {
	var windows, versions []string
	for _, o := range all {
		if o.Segment != p.Segment {
			continue
		}
		if o.Version == p.Version {
			addNew(&windows, o.Window)
		} else {
			addNew(&versions, versionName(o.Version))
		}
	}
	out := " (window " + p.Window
	if len(windows) > 1 {
		windows = slices.DeleteFunc(windows, func(w string) bool { return w == p.Window })
		out += ", also in " + strings.Join(windows, ", ")
	}
	return out + alsoVersions(versions) + ")"
}

func alsoVersions(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return ", also version " + strings.Join(names, ", ")
}

// deciding returns the statistic that decides, or that of missing values if that is further beyond its threshold.
func deciding(f *monitor.FeatureResult) *monitor.Drift {
	var by *monitor.Drift
	for i := range f.Drift {
		d := &f.Drift[i]
		if f.Moved != nil && d.Statistic == f.Moved.Statistic || f.Moved == nil && by == nil && !d.Threshold.IsZero() {
			by = d
		}
	}
	for i := range f.Drift {
		if d := &f.Drift[i]; d.Statistic == missingStatistic && over(d) > 1 && (by == nil || over(d) > over(by)) {
			by = d
		}
	}
	return by
}

const missingStatistic = "missing_psi"

// over is the value in units of its threshold; 0 if it is not known.
func over(d *monitor.Drift) float64 {
	if d == nil || d.Value.IsZero() || d.Threshold.IsZero() || d.Threshold <= 0 {
		return 0
	}
	return float64(d.Value / d.Threshold)
}

func excess(f *monitor.FeatureResult) float64 { return over(deciding(f)) }

// absent reports whether it is missing values that moved.
func absent(f *monitor.FeatureResult) bool {
	d := deciding(f)
	return d != nil && d.Statistic == missingStatistic
}

// unseen returns the share of values that the reference does not have, if most of the move comes from them.
func unseen(f *monitor.FeatureResult) float64 {
	if f.Moved != nil {
		for _, p := range f.Moved.Parts {
			if p.Unseen && p.Contribution > 0.5 {
				return p.Current
			}
		}
	}
	return 0
}

// statistics have their short names in sentences.
var statistics = map[string]string{
	"psi": "PSI", "js_distance": "Jensen–Shannon distance", "kl_divergence": "KL divergence", "hellinger_distance": "Hellinger distance",
	"total_variation": "total variation", "chi_square": "chi-square", "ks_statistic": "KS", "wasserstein_normalized": "Wasserstein distance",
	missingStatistic: "PSI of missing values",
}

func statisticName(s string) string { return cmp.Or(statistics[s], s) }

// verdictText says how far the deciding statistic is.
func verdictText(f *monitor.FeatureResult) string {
	d := deciding(f)
	switch {
	case d == nil || d.Value.IsZero():
		return ""
	case d.Threshold.IsZero():
		return statisticName(d.Statistic) + " " + number(d.Value)
	case d.Value > d.Threshold:
		return statisticName(d.Statistic) + " " + number(d.Value) + " over " + number(d.Threshold)
	}
	return statisticName(d.Statistic) + " " + number(d.Value) + " is below " + number(d.Threshold) + " again, the state is held"
}

// shift says what moved, in a few words.
func shift(f *monitor.FeatureResult) string {
	m := f.Moved
	if m == nil {
		return ""
	}
	if absent(f) {
		return "missing or invalid " + percent(m.Absent.Reference) + " → " + percent(m.Absent.Current)
	}
	if share := unseen(f); share > 0 {
		text := "categories that the reference does not have make " + percent(share)
		if m.Categories != nil && len(m.Categories.Top) > 0 {
			text += " (" + visible(m.Categories.Top[0].Category) + ")"
		}
		return text
	}
	if !m.MedianShift.IsZero() && math.Abs(float64(m.MedianShift)) >= 0.05 {
		return fmt.Sprintf("median %+.1f σ", float64(m.MedianShift))
	}
	if len(m.Parts) > 0 {
		p := m.Parts[0]
		return partName(f, &p) + " " + percent(p.Reference) + " → " + percent(p.Current)
	}
	return ""
}

// partName names a bin or category.
func partName(f *monitor.FeatureResult, p *monitor.MovedPart) string {
	switch {
	case p.Unseen:
		return "unseen categories"
	case p.Named:
		return quoted(p.Category)
	case f.Type == "categorical":
		return "a category"
	}
	return interval(float64(p.Lower), float64(p.Upper))
}

func quoted(s string) string {
	if s == "" {
		return "the empty category"
	}
	return visible(s)
}

// interval writes a bin: above low, up to high.
func interval(low, high float64) string {
	switch {
	case math.IsNaN(low) && math.IsNaN(high):
		return "all values"
	case math.IsNaN(low):
		return "up to " + number(high)
	case math.IsNaN(high):
		return "above " + number(low)
	}
	return number(low) + " to " + number(high)
}

// where says in which segments a feature has moved, of those that are judged.
func (v *view) where(p place) string {
	var in, all []place
	for _, r := range v.Results {
		if r.Model != p.Model || r.Version != p.Version || r.Window != p.Window || r.Segment == "" {
			continue
		}
		for i := range r.Features {
			if f := &r.Features[i]; f.Name == p.Name && f.State != "" {
				all = append(all, place{r, f})
				if ranks[f.State] >= ranks[monitor.StateWarning] {
					in = append(in, place{r, f})
				}
			}
		}
	}
	if len(in) == 0 {
		return ""
	}
	slices.SortStableFunc(in, func(a, b place) int { return cmp.Compare(excess(b.FeatureResult), excess(a.FeatureResult)) })
	if len(in) == len(all) && p.Segment == "" {
		return fmt.Sprintf("in all %d segments, most in %s", len(all), segmentName(in[0].Segment))
	}
	var names []string
	for _, s := range in[:min(len(in), 3)] {
		names = append(names, segmentName(s.Segment))
	}
	if more := len(in) - len(names); more > 0 {
		return fmt.Sprintf("in %s and %d more of %d segments", strings.Join(names, ", "), more, len(all))
	}
	return "in " + strings.Join(names, " and ") + " only"
}

// answers returns a sentence if the answers of some version are worse.
func (v *view) answers(results []*monitor.Result) (out []finding) {
	best := map[string]*monitor.Result{}
	var versions []string
	var main *monitor.Result
	for _, r := range results {
		if p := r.Performance; p == nil || ranks[p.State] == 0 {
			continue
		}
		addNew(&versions, r.Version)
		b := best[r.Version]
		if b == nil || cmp.Or(cmp.Compare(ranks[r.Performance.State], ranks[b.Performance.State]), cmp.Compare(b.Length, r.Length)) > 0 {
			best[r.Version] = r
		}
	}
	var also []string
	for _, version := range versions { // the one with the most labels speaks for all
		if r := best[version]; main == nil || r.Performance.Matched > main.Performance.Matched {
			main = r
		}
	}
	for _, version := range versions {
		if r := best[version]; r != main {
			also = append(also, versionName(version)+" ("+number(figureOf(r.Performance.Figures, r.Performance.DecidedBy, r.Performance.DecidedAt))+")")
		}
	}
	if r := main; r != nil {
		p := r.Performance
		s := selection{Model: r.Model, Version: r.Version, Window: r.Window}
		text := " are " + map[bool]string{true: "worse", false: "perhaps worse (warning)"}[p.State == eval.Worse]
		if since := v.worseSince(r); since > 0 {
			text += " since " + clockOf(since, v.now)
		}
		text += ": " + performanceText(p)
		if p.Worst != nil {
			text += ", worst in " + segmentName(p.Worst.Segment) + " (" + number(p.Worst.Value) + ")"
		}
		out = append(out, finding{
			State: p.State, Layer: layerPerformance, Model: r.Model, Subject: "Answers of " + visible(r.Model) + " " + versionName(r.Version), Href: s.TabLink("performance"),
			Rest: text + " (window " + r.Window + alsoVersions(also) + ")", rank: 9,
		})
	}
	return out
}

// figureOf returns the figure of a name and cut-off without a label of a decision or an average, NaN if there is none.
func figureOf(figures []eval.Figure, name, at string) float64 {
	for _, f := range figures {
		if f.Name == name && f.At == at {
			return f.Value
		}
	}
	return math.NaN()
}

func performanceText(p *monitor.PerformanceResult) string {
	value, then := figureOf(p.Figures, p.DecidedBy, p.DecidedAt), figureOf(p.Reference, p.DecidedBy, p.DecidedAt)
	text := figureTitle(p.DecidedBy, p.DecidedAt) + " " + number(value) + ", the reference has " + number(then)
	if !p.Threshold.IsZero() {
		text += " (limit " + number(p.Threshold) + ")"
	}
	return text
}

// titles of figures that are not their names with spaces.
var titles = map[string]string{"roc_auc": "ROC AUC", "pr_auc": "PR AUC", "mcc": "MCC", "mae": "MAE", "rmse": "RMSE", "mse": "MSE", "ndcg": "NDCG", "r2": "R²", "f1": "F1", "rmsle": "RMSLE", "mape": "MAPE"}

func figureTitle(name, at string) string {
	name = strings.TrimPrefix(name, "estimated_")
	if at != "" {
		at = " at " + at
	}
	return cmp.Or(titles[name], strings.ReplaceAll(name, "_", " ")) + at
}

// worseSince returns when the answers became worse: by the detectors of wrong answers, else the first slide of the state that is
// there now; 0 if that is not known.
func (v *view) worseSince(r *monitor.Result) int64 {
	for _, c := range r.Changes {
		if layerOfFigure(c.Figure) == layerPerformance {
			if _, since := newest(c.Detectors); since > 0 {
				return since
			}
		}
	}
	points := v.History.Find(r.Model, r.Version, "", r.Window, true).Points(monitor.Column{Figure: "state"})
	since := int64(0)
	for _, p := range slices.Backward(points) {
		if p.Value.IsZero() || p.Value < 1 {
			return since
		}
		since = p.End
	}
	return since
}

// newest returns the detector that found the newest change that is in force, and since when; nil if there is none.
func newest(all monitor.DetectorResults) (by *monitor.DetectorResult, since int64) {
	for i := range all {
		if d := &all[i]; d.State == monitor.StateChange && (by == nil || d.Found > by.Found) {
			by, since = d, d.Since
		}
	}
	return by, since
}

// changed returns a sentence for each figure that detectors say has changed.
func (v *view) changed(results []*monitor.Result) (out []finding) {
	type key struct{ figure, feature string }
	versions := map[key][]string{}
	results = slices.Clone(results)
	slices.SortStableFunc(results, func(a, b *monitor.Result) int {
		return cmp.Or(cmp.Compare(a.Length, b.Length), cmp.Compare(b.Events, a.Events))
	})
	for _, r := range results {
		for _, c := range r.Changes {
			if d, _ := newest(c.Detectors); d != nil {
				k := key{c.Figure, c.Feature}
				of := versions[k]
				addNew(&of, versionName(r.Version))
				versions[k] = of
			}
		}
	}
	for _, r := range results {
		for _, c := range r.Changes {
			d, since := newest(c.Detectors)
			k := key{c.Figure, c.Feature}
			if d == nil || versions[k] == nil {
				continue
			}
			also := versions[k][1:]
			delete(versions, k)
			s := selection{Model: r.Model, Version: r.Version, Window: r.Window}
			f := finding{State: monitor.StateChange, Layer: layerOfFigure(c.Figure), Model: r.Model, Href: s.TabLink(layerOfFigure(c.Figure))}
			f.Subject = changeName(&c)
			if c.Feature != "" {
				f.Href = s.FeatureLink(c.Feature)
			}
			f.Rest = fmt.Sprintf(" of %s %s changed at %s", visible(r.Model), versionName(r.Version), clockOf(cmp.Or(since, d.Found), v.now))
			if before, now, ok := v.beforeAndNow(r, &c, cmp.Or(since, d.Found)); ok {
				f.Rest += ": " + before + " → " + now
			}
			f.Rest += fmt.Sprintf(" (%s, found at %s%s)", detectorName(d.Detector), clockOf(d.Found, v.now), alsoVersions(also))
			out = append(out, f)
		}
	}
	return out
}

// detectorName writes a detector as people do.
func detectorName(s string) string {
	switch s {
	case "page_hinkley":
		return "Page-Hinkley"
	}
	return strings.ToUpper(strings.ReplaceAll(s, "_", "-"))
}

func changeName(c *monitor.ChangeResult) string {
	name := strings.ReplaceAll(c.Figure, "_", " ")
	if c.Feature != "" {
		return name + " of " + visible(c.Feature)
	}
	return name
}

// beforeAndNow returns what a figure was in the last window before a change, and is now, if both are known.
func (v *view) beforeAndNow(r *monitor.Result, c *monitor.ChangeResult, since int64) (before, now string, ok bool) {
	write := func(x monitor.Figure) string {
		if strings.HasSuffix(c.Figure, "_ratio") {
			return percent(x)
		}
		return number(x)
	}
	points := v.History.Find(r.Model, r.Version, "", r.Window, layerOfFigure(c.Figure) == layerPerformance).Points(monitor.Column{Feature: c.Feature, Figure: c.Figure})
	if len(points) == 0 || points[len(points)-1].Value.IsZero() {
		return "", "", false
	}
	for _, p := range slices.Backward(points) {
		if p.End <= since && !p.Value.IsZero() {
			return write(p.Value), write(points[len(points)-1].Value), true
		}
	}
	return "", "", false
}

// Layers of what is monitored.
const (
	layerService     = "service"
	layerData        = "data"
	layerDrift       = "drift"
	layerPerformance = "performance"
)

var layers = []string{layerService, layerData, layerDrift, layerPerformance}

// layerOfFigure returns the layer of a figure that detectors watch.
func layerOfFigure(figure string) string {
	switch figure {
	case "error_ratio":
		return layerService
	case "missing_ratio", "invalid_ratio", "out_of_range_ratio", "unseen_ratio":
		return layerData
	case monitor.MispredictionRatio:
		return layerPerformance
	}
	return layerDrift
}

// statisticHelp describes a statistic.
func statisticHelp(name string) string {
	for i := range drift.Catalogue {
		if drift.Catalogue[i].Name == name {
			return drift.Catalogue[i].Help
		}
	}
	return ""
}
