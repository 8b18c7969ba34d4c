package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
)

// summary tells in a few lines what a replay found: for each model, version and
// window, in which spans of time which feature had drifted, over all traffic.
type summary struct {
	windows uint64
	spans   map[spanKey]*span
	order   []spanKey
}

type spanKey struct{ model, version, window, feature string }

type span struct {
	judged, drifted uint64
	first, last     time.Time
	worst           float64
	statistic       string
}

func newSummary() *summary { return &summary{spans: map[spanKey]*span{}} }

func (s *summary) add(r *monitor.Result) {
	s.windows++
	if r.Segment != "" {
		return
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
	if reasons := rejections(l); reasons != "" {
		fmt.Fprintf(w, "rejected: %s\n", reasons)
	}
	fmt.Fprintf(w, "%d windows; %d messages consumed = %d accepted + %d rejected + %d late + %d duplicate\n",
		s.windows, l.Consumed, l.Accepted, l.RejectedTotal(), l.Late, l.Duplicate)
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
