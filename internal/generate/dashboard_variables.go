package generate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/streammon/streammon/internal/exporter"
)

// variable is one of a dashboard's, in the form of Grafana.
type variable struct {
	name, label string
	query       string // of a query variable
	regex       string
	values      []string // of a custom one
	text        string   // its value at first, if there is such
	kind        string   // query, custom, textbox, datasource
	multi       bool
	all         string // what "All" stands for; empty: there is no All
	hidden      bool
}

// Names of the variables that all dashboards have, so that links can hand them on.
var sharedVariables = []string{"job", "instance", "model", "version", "segment", "feature", "window"}

// use says how a dashboard uses the shared variables.
type use struct {
	multi  []string // several values
	hidden []string // not used; handed on
}

// Values of "All": a label that is there, any, and none, which of segments is all traffic.
const (
	someValue  = ".+"
	anyValue   = ".*"
	allTraffic = "^$"
)

// usualWindow is shown at first if there is one of this length, else the first that there is.
const usualWindow = "5m"

// shared adds the data source and the shared variables of a dashboard.
func (b *board) shared(u use) {
	b.use = u
	events := b.s.sel("window_events", b.pick("model")...)
	queries := map[string]variable{
		"job":      {label: "Job", query: "label_values(streammon_build_info, job)", multi: true, all: anyValue},
		"instance": {label: "Instance", query: `label_values(streammon_build_info{job=~"$job"}, instance)`, multi: true, all: anyValue},
		"model":    {label: "Model", query: "label_values(" + b.s.sel("accepted_events_total") + ", model)", all: someValue},
		"version":  {label: "Version", query: "label_values(" + events + ", version)", multi: true, all: anyValue},
		"segment":  {label: "Segment (All is all traffic)", query: "label_values(" + events + ", segment)", regex: "/.+/", all: allTraffic},
		"feature":  {label: "Feature", query: "label_values(" + b.s.sel("feature_missing_ratio", b.pick("model")...) + ", feature)", all: someValue},
		"window":   {label: "Window", query: "label_values(" + b.s.sel("window_events") + ", window)", text: usualWindow},
	}
	if c := b.s.config; c != nil {
		models, windows := queries["model"], queries["window"]
		for i := range c.Models {
			models.values = append(models.values, exporter.Label(c.Models[i].Name))
		}
		if slices.ContainsFunc(models.values, notation.MatchString) {
			models.values = nil // Prometheus is asked for them
		}
		for _, w := range c.Windows {
			windows.values = append(windows.values, w.Name)
		}
		queries["model"], queries["window"] = models, windows
	}
	b.variables = append(b.variables, variable{name: "datasource", label: "Data source", kind: "datasource"})
	for _, name := range sharedVariables {
		v := queries[name]
		v.name, v.kind, v.hidden = name, "query", slices.Contains(u.hidden, name)
		if len(v.values) > 0 {
			v.kind = "custom"
		}
		if name == "model" || name == "feature" {
			if v.multi = slices.Contains(u.multi, name); !v.multi && !v.hidden {
				v.all = ""
			}
		}
		b.variables = append(b.variables, v)
	}
}

// pick returns the matcher of each shared variable, by how the dashboard uses it: one value is compared as it is,
// several are a pattern, in which Grafana escapes what it must.
func (b *board) pick(names ...string) (out []string) {
	for _, name := range names {
		operator := "=~"
		switch name {
		case "window":
			operator = "="
		case "model", "feature":
			if !slices.Contains(b.use.multi, name) && !slices.Contains(b.use.hidden, name) {
				operator = "="
			}
		}
		out = append(out, name+operator+`"$`+name+`"`)
	}
	return slices.Clip(out) // what is appended is the caller's own
}

// notation is what makes Grafana read something else out of a list than its values: a text for it, a variable, blanks around it, or the comma after it as a part.
var notation = regexp.MustCompile(`[\s\pZ]:[\s\pZ]|\$|\[\[|^[\s\pZ]|[\s\pZ\\]$`)

// encode returns the variable in the form of Grafana.
func (v *variable) encode() jsonObject {
	o := jsonObject{"name": v.name, "label": v.label, "type": v.kind, "hide": 0, "skipUrlSync": false}
	if v.hidden {
		o["hide"] = 2
	}
	current := jsonObject{}
	switch v.kind {
	case "datasource":
		o["query"], o["regex"], o["refresh"], o["multi"], o["includeAll"], o["options"] = "prometheus", "", 1, false, false, []jsonObject{}
	case "textbox":
		current = jsonObject{"text": v.text, "value": v.text}
		o["query"], o["options"] = v.text, []jsonObject{{"text": v.text, "value": v.text, "selected": true}}
	case "custom":
		first := v.values[0]
		if slices.Contains(v.values, v.text) {
			first = v.text
		}
		options, escaped := []jsonObject{}, make([]string, len(v.values))
		for i, x := range v.values {
			options = append(options, jsonObject{"text": x, "value": x, "selected": x == first && v.all == ""})
			escaped[i] = strings.ReplaceAll(x, ",", `\,`)
		}
		current = jsonObject{"text": first, "value": first}
		o["query"], o["multi"], o["includeAll"], o["options"] = strings.Join(escaped, ","), v.multi, v.all != "", options
	default:
		o["datasource"], o["definition"], o["regex"] = datasource, v.query, v.regex
		o["query"] = jsonObject{"query": v.query, "refId": "Variable-" + v.name}
		o["refresh"], o["sort"], o["multi"], o["includeAll"], o["options"] = 2, 1, v.multi, v.all != "", []jsonObject{}
		if v.text != "" {
			current = jsonObject{"text": v.text, "value": v.text}
		}
		if strings.HasPrefix(v.query, "query_result(") {
			o["sort"] = 0 // the query's order
		}
	}
	if v.all != "" {
		o["allValue"] = v.all
		current = jsonObject{"text": "All", "value": "$__all"}
		if v.multi {
			current = jsonObject{"text": []string{"All"}, "value": []string{"$__all"}}
		}
	}
	if len(current) > 0 { // else the first one
		o["current"] = current
	}
	return o
}

// encoded is a value in a link: a field of a table's line, a label of a series, or a variable, in which no character ends the address.
func encoded(field string) string { return "${" + field + ":percentencode}" }

// hands returns the part of a link's address that hands on the variables, with other values for some of them.
func hands(uid string, other map[string]string) string {
	parts := []string{"${__url_time_range}", "${datasource:queryparam}"}
	for _, v := range sharedVariables {
		if x, ok := other[v]; ok {
			parts = append(parts, "var-"+v+"="+x)
		} else {
			parts = append(parts, "${"+v+":queryparam}")
		}
	}
	return fmt.Sprintf("/d/%s?%s", uid, strings.Join(parts, "&"))
}

// link is one of a panel or a value, to another dashboard.
func link(title, uid string, other map[string]string) jsonObject {
	return jsonObject{"title": title, "url": hands(uid, other), "targetBlank": false}
}
