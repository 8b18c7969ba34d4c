package web

import (
	"fmt"
	"slices"
	"strings"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/report"
)

// fairnessPart shows rates of groups side by side, and what compares groups below.
type fairnessPart struct {
	Segment string
	Rates   []string // columns
	Groups  []groupRow
	Between []eval.Disparity
}

// groupRow has a cell for each of the rates, nil where the group has none.
type groupRow struct {
	Name  string
	Cells []*eval.Disparity
}

func fairnessOf(f *monitor.FairnessResult) *fairnessPart {
	if f == nil {
		return nil
	}
	p := &fairnessPart{Segment: f.Segment}
	for i := range f.Figures {
		d := &f.Figures[i]
		rate, ok := strings.CutPrefix(d.Name, "group_")
		if !ok {
			p.Between = append(p.Between, *d)
			continue
		}
		rate = strings.ReplaceAll(rate, "_", " ")
		column := slices.Index(p.Rates, rate)
		if column < 0 {
			column, p.Rates = len(p.Rates), append(p.Rates, rate)
		}
		row := slices.IndexFunc(p.Groups, func(g groupRow) bool { return g.Name == d.Group })
		if row < 0 {
			row, p.Groups = len(p.Groups), append(p.Groups, groupRow{Name: d.Group})
		}
		g := &p.Groups[row]
		g.Cells = append(g.Cells, make([]*eval.Disparity, max(column+1-len(g.Cells), 0))...)
		g.Cells[column] = d
	}
	for i := range p.Groups {
		g := &p.Groups[i]
		g.Cells = append(g.Cells, make([]*eval.Disparity, len(p.Rates)-len(g.Cells))...)
	}
	return p
}

// Text describes a figure that compares groups.
func (p *fairnessPart) Text(d eval.Disparity) string {
	name := strings.ReplaceAll(d.Name, "_", " ")
	switch {
	case d.Group != "" && d.Against != "":
		return fmt.Sprintf("%s, %s against %s", name, report.Visible(d.Group), report.Visible(d.Against))
	case d.Group != "":
		return name + ", " + report.Visible(d.Group)
	}
	return name
}
