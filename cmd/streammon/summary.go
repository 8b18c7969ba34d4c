package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
)

// summary tells in a few lines what a replay found: for each model, version and
// window, in which spans of time which feature had drifted, over all traffic.
type summary struct {
	windows     uint64
	spans       map[spanKey]*span
	order       []spanKey
	performance map[spanKey]*performance
}

// spanKey has no feature where it is of the performance.
type spanKey struct{ model, version, window, feature string }

// performance is that of the last window of a series that has labels, and the figures of the last that are estimated.
type performance struct {
	end       time.Time
	labelled  monitor.PerformanceResult
	estimated []eval.Figure
}

type span struct {
	judged, drifted uint64
	first, last     time.Time
	worst           float64
	statistic       string
}

func newSummary() *summary {
	return &summary{spans: map[spanKey]*span{}, performance: map[spanKey]*performance{}}
}

func (s *summary) add(r *monitor.Result) {
	s.windows++
	if r.Segment != "" {
		return
	}
	if r.Performance != nil {
		s.addPerformance(r)
	}
	for i := range r.Features {
		f := &r.Features[i]
		if f.State == "" {
			continue
		}
		k := spanKey{r.Model, r.Version, r.Window, f.Name}
		p := s.spans[k]
		if p == nil {
			p = &span{}
			s.spans[k] = p
			s.order = append(s.order, k)
		}
		p.judged++
		if f.State != monitor.StateDrift {
			continue
		}
		if p.drifted++; p.drifted == 1 {
			p.first = r.End
		}
		p.last = r.End
		for _, d := range f.Drift {
			if !d.Value.IsZero() && (p.statistic == "" || d.Statistic == p.statistic) {
				p.statistic, p.worst = d.Statistic, max(p.worst, float64(d.Value))
				break
			}
		}
	}
}

func (s *summary) addPerformance(r *monitor.Result) {
	k := spanKey{model: r.Model, version: r.Version, window: r.Window}
	p := s.performance[k]
	if p == nil {
		p = &performance{}
		s.performance[k] = p
	}
	if r.Performance.Labelled {
		p.end, p.labelled = r.End, *r.Performance
	}
	if len(r.Performance.Estimated) > 0 {
		p.estimated = r.Performance.Estimated
	}
}

func (s *summary) print(w io.Writer, l *event.Ledger) {
	slices.SortStableFunc(s.order, func(a, b spanKey) int {
		return cmp.Or(cmp.Compare(a.model, b.model), cmp.Compare(a.version, b.version), cmp.Compare(a.window, b.window))
	})
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "MODEL\tVERSION\tWINDOW\tFEATURE\tDRIFTED\tFIRST\tLAST\tWORST")
	rows := 0
	for _, k := range s.order {
		p := s.spans[k]
		if p.drifted == 0 {
			continue
		}
		rows++
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%.1f %%\t%s\t%s\t%s %.3g\n", printable(k.model), printable(k.version), k.window, printable(k.feature),
			100*float64(p.drifted)/float64(p.judged), p.first.Format(time.RFC3339), p.last.Format(time.RFC3339), p.statistic, p.worst)
	}
	if rows == 0 {
		fmt.Fprintln(w, "no feature drifted")
	} else {
		t.Flush()
	}
	s.printPerformance(w)
	if reasons := rejections(l); reasons != "" {
		fmt.Fprintf(w, "rejected: %s\n", reasons)
	}
	fmt.Fprintf(w, "%d windows; %d messages consumed = %d accepted + %d rejected + %d late + %d duplicate\n",
		s.windows, l.Consumed, l.Accepted, l.RejectedTotal(), l.Late, l.Duplicate)
}

// printPerformance prints a line for each series whose answers are measured.
func (s *summary) printPerformance(w io.Writer) {
	if len(s.performance) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "MODEL\tVERSION\tWINDOW\tLAST\tLABELLED\tMATCHED\tSTATE\tPERFORMANCE")
	for _, k := range slices.SortedFunc(maps.Keys(s.performance), func(a, b spanKey) int {
		return cmp.Or(cmp.Compare(a.model, b.model), cmp.Compare(a.version, b.version), cmp.Compare(a.window, b.window))
	}) {
		p := s.performance[k]
		last, matched := "-", "-"
		if p.labelled.Labelled {
			last = p.end.Format(time.RFC3339)
			if !p.labelled.MatchedRatio.IsZero() {
				matched = fmt.Sprintf("%.1f %%", 100*float64(p.labelled.MatchedRatio))
			}
		}
		var figures []string
		for _, f := range append(eval.Main(p.labelled.Figures), eval.Main(p.estimated)...) {
			if f.At != "" {
				f.Name += "{" + f.At + "}"
			}
			figures = append(figures, fmt.Sprintf("%s %.4g", f.Name, f.Value))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", printable(k.model), printable(k.version), k.window, last, p.labelled.Matched, matched, cmp.Or(p.labelled.State, "-"), strings.Join(figures, ", "))
	}
	t.Flush()
}

func rejections(l *event.Ledger) string {
	var out []string
	for r, n := range l.Rejected {
		if n > 0 {
			out = append(out, fmt.Sprintf("%s %d", event.Reason(r), n))
		}
	}
	return strings.Join(out, ", ")
}
