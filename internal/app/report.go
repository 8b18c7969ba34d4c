package app

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/pipeline"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/report"
	"github.com/streammon/streammon/internal/state"
	"github.com/streammon/streammon/internal/window"
)

// provenance says what the references of a model were built from.
func provenance(m *monitor.Model) (out []monitor.ReferenceProvenance) {
	c := monitor.ConfigOf(m)
	add := func(version string, r *profile.Reference) {
		if r != nil {
			p := &r.Provenance
			out = append(out, monitor.ReferenceProvenance{Version: version, Rows: r.Rows, Inputs: p.Inputs, Builder: p.Builder, First: p.First, Last: p.Last})
		}
	}
	add("", c.Reference)
	for version, r := range c.Versions {
		add(version, r)
	}
	slices.SortFunc(out, func(a, b monitor.ReferenceProvenance) int { return strings.Compare(a.Version, b.Version) })
	return out
}

// describe fills in what is known of models by their groups.
func describe(models []monitor.ModelStatus, groups []*modelGroup) {
	for _, g := range groups {
		for _, m := range g.monitor.Models {
			for i := range models {
				if models[i].Model == m.Name {
					models[i].Provenance = provenance(m)
				}
			}
		}
	}
}

// replayReport makes the report of what a replay has collected.
func replayReport(c *config.Config, models []*modelGroup, groups []*pipeline.Group, collected *report.Collector, ledger event.Ledger) *report.Report {
	s := &monitor.Snapshot{Ledger: ledger, ConfigText: c.Text()}
	for _, g := range groups {
		s.Models = append(s.Models, statusOf(g)...)
	}
	describe(s.Models, models)
	slices.SortFunc(s.Models, func(a, b monitor.ModelStatus) int { return cmp.Compare(a.Model, b.Model) })
	return report.New(s, collected.Fill(s, report.Options{Source: "a replay of files"}))
}

// statusOf returns the accounts of a group's models, of what is known of labels since the first event.
func statusOf(g *pipeline.Group) []monitor.ModelStatus {
	models := g.Accounts()
	for _, l := range g.Labels() {
		for i := range models {
			if models[i].Model == l.Model {
				status := l.LabelStatus
				models[i].Labels = &status
			}
		}
	}
	return models
}

// slideOf returns by how much windows slide in the groups of a config, which have one pane length.
func slideOf(models []*modelGroup) func(length int64) int64 {
	return func(length int64) int64 { return window.Slide(length, models[0].monitor.Pane) }
}

// StateReport makes a report of the state that run has saved for the config, and changes nothing: of the windows as they were shown
// when it was saved, and of the history as far as the saved panes reach.
func StateReport(ctx context.Context, c *config.Config, model string) (*report.Report, error) {
	if c.State.Dir == "" {
		return nil, fmt.Errorf("report: the config keeps no state (state.dir)")
	}
	groups, err := buildGroups(c)
	if err != nil {
		return nil, err
	}
	saved, err := state.Inspect(c.State.Dir)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	s := &monitor.Snapshot{ConfigText: c.Text()}
	var histories []*monitor.History
	for _, m := range groups {
		i := slices.IndexFunc(saved.Groups, func(g state.GroupReport) bool { return g.Name == m.predictions })
		if i < 0 || saved.Groups[i].Newest == nil {
			return nil, fmt.Errorf("report: %s has no whole state of topic %s", saved.File, m.predictions)
		}
		g, parts, err := restored(m, saved.Groups[i].Newest)
		if err != nil {
			return nil, fmt.Errorf("report: topic %s: %w", m.predictions, err)
		}
		g.Refill(ended(ctx))
		for _, p := range parts {
			s.Ledger.Add(&p.Ledger)
		}
		results, _ := g.Show(time.Unix(0, g.Newest()))
		s.Results = append(s.Results, results...)
		s.Models = append(s.Models, statusOf(g)...)
		histories = append(histories, g.Histories()...)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.History = monitor.JoinHistories(histories...)
	describe(s.Models, groups)
	slices.SortStableFunc(s.Results, monitor.CompareSeries)
	slices.SortFunc(s.Models, func(a, b monitor.ModelStatus) int { return cmp.Compare(a.Model, b.Model) })
	o := report.Options{Source: "a saved state"}
	if model != "" {
		if !slices.ContainsFunc(s.Models, func(m monitor.ModelStatus) bool { return m.Model == model }) {
			return nil, fmt.Errorf("report: the config has no model %q", model)
		}
		o.Models = []string{model}
	}
	return report.New(s, o), nil
}

// restored returns a group as it was saved.
func restored(m *modelGroup, saved *state.Snapshot) (*pipeline.Group, []pipeline.PartState, error) {
	g := pipeline.NewGroup(m.monitor, m.decode, nil, 0, true)
	if m.labels != "" && m.labels != m.predictions {
		g.LabelsApart()
	}
	entries := make([]pipeline.Entry, len(saved.Entries))
	for i, e := range saved.Entries {
		entries[i] = pipeline.Entry{Kind: pipeline.Kind(e.Kind), Start: e.Start, Content: e.Content}
	}
	parts, err := g.Restore(saved.State, entries, func(string, string) {})
	return g, parts, err
}

// Bounds of asking a running instance.
const (
	fetchTime    = 30 * time.Second
	largestFetch = 256 << 20
)

// FetchReport asks a running streammon for its report. The address may have a user and a password, which errors do not tell.
func FetchReport(ctx context.Context, server, model string) (*report.Report, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("report: the server is to be an address as http://localhost:9108")
	}
	u = u.JoinPath("/api/v1/report")
	if u.RawQuery = ""; model != "" {
		u.RawQuery = url.Values{"model": {model}}.Encode()
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("report: %s is no address", u.Redacted())
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, largestFetch))
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		if why, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n"); why != "" && strings.HasPrefix(response.Header.Get("Content-Type"), "text/plain") {
			return nil, fmt.Errorf("report: %s answers %s: %s", u.Redacted(), response.Status, report.Visible(why[:min(len(why), 200)]))
		}
		return nil, fmt.Errorf("report: %s answers %s", u.Redacted(), response.Status)
	}
	return report.Read(body)
}
