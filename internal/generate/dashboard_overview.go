package generate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/exporter"
)

// firing counts alerts that fire, 0 if none does.
func firing(by string, matchers string) string {
	expr := `(ALERTS{alertstate="firing", alertname=~"Streammon.+"` + matchers + `})`
	if by == "" {
		return "count " + expr + " or vector(0)"
	}
	return "count by (" + by + ") " + expr
}

// zeros is 0 for each of the chosen models, those without events among them.
func (b *board) zeros() string {
	return "0 * " + maxBy("model", b.s.sel("accepted_events_total", b.pick("model")...))
}

// overview is a row a model: how each is, and where to look further.
func (s *dashboardSet) overview() *board {
	b := s.board(OverviewUID, "streammon / Overview", "All models: is one hurt, and where to look further.", "now-6h")
	b.shared(use{multi: []string{"model"}, hidden: []string{"version", "segment", "feature"}})
	b.budget()
	b.configReloads()
	scope := b.pick("model", "window")
	traffic := append(scope, `segment=""`)
	b.row("All models", "")
	b.stat(4, 4, note{"Firing alerts", "How many alerts of streammon fire now.", "Open the alert's runbook. Alerts of severity info and ticket can wait for the working day."}, "none",
		now("firing", firing("", "")))
	b.stat(4, 4, note{"Monitor", "Whether Prometheus reaches streammon.", "If it is down nothing below is new: look at the process and its log first, then at the dashboard of streammon itself."}, "none",
		now("", `min(up{job=~"$job", instance=~"$instance"})`)).states(upStates).linked(link("streammon itself", MonitorUID, nil))
	b.stat(4, 4, note{"Models with drift", "How many models have a feature whose verdict is drift.", "Open a model's features from the table below; drift alone hurts nobody, so look whether performance is worse, too."}, "none",
		now("models", "count("+maxBy("model", s.sel("drifted_features", traffic...))+" > 0) or vector(0)"))
	b.stat(4, 4, note{"Models that got worse", "How many models have answers that are worse than the reference's, by their labels.", "Open the model's dashboard: which figure, since when, in which segment. Consider going back to the version before."}, "none",
		now("models", "count("+maxBy("model", s.sel("performance_state", traffic...))+" == 2) or vector(0)"))
	b.stat(4, 4, note{"Requests", "Requests a second of all models that are chosen.", "A fall to 0 is an outage before the models, or of the topic: look at freshness and at lag."}, "reqps",
		now("requests", "sum("+maxBy("model, version", s.sel("requests_per_second", traffic...))+")"))
	b.stat(4, 4, note{"Oldest data", "Time since the newest event of the model that is furthest behind.", "If it grows, the model's topic is silent, or streammon lags: compare with lag on the dashboard of streammon itself."}, "s",
		now("behind", "max(time() - "+maxBy("model", s.sel("last_event_timestamp_seconds", b.pick("model")...))+")"))
	b.modelTable(traffic)
	b.modelRow()
	return b.done()
}

// listedModels is how many models the table has: the busiest of those that are chosen.
const listedModels = 24

// modelTable has a line a model.
func (b *board) modelTable(traffic []string) {
	s := b.s
	requests := sumBy("model", maxBy("model, version", s.sel("requests_per_second", traffic...))) + " or " + b.zeros()
	busiest := func(expr string) target {
		return column(fmt.Sprintf("(%s) and on (model) topk(%d, %s)", expr, listedModels, requests))
	}
	behind := maxBy("model", s.sel("last_event_timestamp_seconds", b.pick("model")...))
	names := []string{"Requests/s", "Error ratio", "Part of the budget", "Drifted", "Drifted by importance", "Performance", "Behind", "Firing"}
	t := b.table(gridWidth, 9, note{"Models", "Every model in the chosen window, over all traffic: the sum or the worst of its versions; without requests in it, 0. If there are more than 24, the busiest.", "Go through those with a state in yellow or red, from the left; a model's name leads to its dashboards."}, names,
		column(fmt.Sprintf("topk(%d, %s)", listedModels, requests)),
		busiest(maxBy("model", s.sel("error_ratio", traffic...))),
		busiest(maxBy("model", s.sel("error_ratio", traffic...))+" / ("+b.budgetOf(traffic)+")"),
		busiest(maxBy("model", s.sel("drifted_features", traffic...))),
		busiest(maxBy("model", s.sel("drifted_importance_ratio", traffic...))),
		busiest(maxBy("model", s.sel("performance_state", traffic...))),
		busiest("time() - "+behind),
		busiest(firing("model", "")+" or "+b.zeros()),
	)
	model := map[string]string{"model": encoded("__data.fields.model"), "version": "$__all", "segment": "$__all", "feature": "$__all"}
	t.column("model", "displayName", "Model", "links", []jsonObject{link("Model", ModelUID, model), link("Features", FeaturesUID, model)})
	t.column("Requests/s", "unit", "reqps").column("Error ratio", "unit", "percentunit").column("Part of the budget", "unit", "percentunit")
	t.column("Drifted by importance", "unit", "percentunit").column("Behind", "unit", "s")
	t.column("Part of the budget", "thresholds", jsonObject{"mode": "absolute", "steps": []jsonObject{{"color": colorOK, "value": nil}, {"color": colorBad, "value": 1.0}}},
		"color", jsonObject{"mode": "thresholds"}, "custom.cellOptions", jsonObject{"type": "color-text"})
	t.stateColumn("Performance", performanceStates).sorted("Part of the budget")
}

// modelRow is what there is of each model.
func (b *board) modelRow() {
	s := b.s
	traffic := append(b.pick("model", "window"), `segment=""`)
	b.row("$model", "model")
	own := map[string]string{"version": "$__all", "segment": "$__all", "feature": "$__all"}
	b.timeline(10, 6, note{"Verdicts", "The worst verdict on any feature, on performance by labels, and of any change detector, over time.", "Find the first change of colour: which of the three moved first tells inputs from answers. Then open the features or the model."}, verdictStates,
		query("features", maxBy("model", s.sel("drift_state", traffic...))),
		query("performance", maxBy("model", s.sel("performance_state", traffic...))),
		query("changes", maxBy("model", s.sel("change_state", traffic...)))).
		linked(link("Model", ModelUID, own), link("Features", FeaturesUID, own))
	b.graph(5, 6, note{"Requests", "Requests a second, by version.", "A fall is an outage before the model; two versions at once are a roll-out."}, "reqps",
		query("{{version}}", maxBy("version", s.sel("requests_per_second", traffic...)))).from(0).linked(link("Model", ModelUID, own))
	b.graph(5, 6, note{"Errors against the budget", "Share of the requests that fail, and the share that may.", "Above the dashed line users are hurt: look at the service's own logs by version, and roll back if one version alone fails."}, "percentunit",
		query("errors {{version}}", maxBy("version", s.sel("error_ratio", traffic...))),
		query("budget", b.budgetOf(traffic))).from(0).dashed("budget", colorBad)
	b.stat(4, 2, note{"Behind", "Time since the model's newest event.", "If it grows while requests go on elsewhere, look at lag on the dashboard of streammon itself."}, "s",
		now("behind", "time() - "+maxBy("model", s.sel("last_event_timestamp_seconds", b.pick("model")...)))).linked(link("streammon itself", MonitorUID, nil))
	b.x -= 4 // the three are one above the other
	b.y += 2
	b.stat(4, 2, note{"Drifted features", "How many features have drifted.", "Open the features, sorted by how far they are from their reference."}, "none",
		now("drifted", maxBy("model", s.sel("drifted_features", traffic...)))).without("no verdict").linked(link("Features", FeaturesUID, own))
	b.x -= 4
	b.y += 2
	b.stat(4, 2, note{"Firing alerts", "How many alerts of the model fire now.", "Open the alert's runbook."}, "none",
		now("firing", "sum("+firing("model", `, model=~"$model"`)+" or "+b.zeros()+")"))
	b.y -= 4
	b.line()
}

// budget lets the share of requests that may fail be chosen where no config says it.
func (b *board) budget() {
	if b.s.config == nil {
		usual := fmt.Sprint(config.DefaultModelAlerts().ErrorBudget)
		b.variables = append(b.variables, variable{name: "error_budget", label: "Error budget (share)", kind: "textbox", text: usual})
	}
}

// budgetOf is the share of the requests that may fail, of each model that the matchers choose: that of its alerts.
func (b *board) budgetOf(matchers []string) string {
	of := func(budget string, models ...string) string {
		return "0 * " + maxBy("model", b.s.sel("error_ratio", slices.Concat(matchers, models)...)) + " + " + budget
	}
	if b.s.config == nil {
		return of("$error_budget")
	}
	models := map[float64][]string{}
	for i := range b.s.config.Models {
		m := &b.s.config.Models[i]
		models[m.Alerts.ErrorBudget] = append(models[m.Alerts.ErrorBudget], regexp.QuoteMeta(exporter.Label(m.Name)))
	}
	var parts []string
	for _, budget := range slices.Sorted(maps.Keys(models)) {
		parts = append(parts, of(fmt.Sprint(budget), "model=~"+strconv.Quote(strings.Join(models[budget], "|"))))
	}
	return strings.Join(parts, " or ")
}

// configReloads marks when a config was loaded, in all dashboards.
func (b *board) configReloads() {
	b.annotate("Config loaded", colorPlain, "changes("+b.s.sel("config_last_reload_success_timestamp_seconds")+"[1m]) > 0", "config loaded")
}

// versions marks when a version or a reference was not there a little before.
func (b *board) versions() {
	s := b.s
	first := "group by (version) (" + s.sel("window_events", append(b.pick("model", "window"), `segment=""`)...) + ")"
	before := "group by (version) (" + s.sel("window_events", append(b.pick("model", "window"), `segment=""`)...) + " offset 2m)"
	b.annotate("New version", colorReference, first+" unless "+before+" and on () (group(up offset 2m))", "version {{version}}")
	reference := s.sel("reference_info", b.pick("model")...)
	b.annotate("New reference", colorWarning, "group by (fingerprint) ("+reference+") unless group by (fingerprint) ("+reference+" offset 2m) and on () (group(up offset 2m))", "reference {{fingerprint}}")
}
