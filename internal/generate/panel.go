package generate

import (
	"fmt"
	"maps"
	"slices"
)

// panel is one of a dashboard, as far as types have something in common.
type panel struct {
	ID              int          `json:"id"`
	Type            string       `json:"type"`
	Title           string       `json:"title"`
	Description     string       `json:"description,omitempty"`
	GridPos         gridPos      `json:"gridPos"`
	Datasource      jsonObject   `json:"datasource,omitempty"`
	Collapsed       *bool        `json:"collapsed,omitempty"` // of rows
	Panels          *[]*panel    `json:"panels,omitempty"`    // of rows
	Repeat          string       `json:"repeat,omitempty"`
	RepeatDirection string       `json:"repeatDirection,omitempty"`
	MaxPerRow       int          `json:"maxPerRow,omitempty"`
	Targets         []target     `json:"targets,omitempty"`
	FieldConfig     *fields      `json:"fieldConfig,omitempty"`
	Options         jsonObject   `json:"options,omitempty"`
	Links           []jsonObject `json:"links,omitempty"`
	Transformations []jsonObject `json:"transformations,omitempty"`
}

type gridPos struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

// target is a query.
type target struct {
	RefID        string     `json:"refId"`
	Datasource   jsonObject `json:"datasource"`
	Expr         string     `json:"expr"`
	LegendFormat string     `json:"legendFormat"`
	Instant      bool       `json:"instant"`
	Range        bool       `json:"range"`
	Format       string     `json:"format"`
	EditorMode   string     `json:"editorMode"`
}

type fields struct {
	Defaults  jsonObject   `json:"defaults"`
	Overrides []jsonObject `json:"overrides"`
}

// board is a dashboard that is being made.
type board struct {
	dashboard
	s       *dashboardSet
	use     use
	x, y, h int // where the next panel goes, and the height of its line
}

func (s *dashboardSet) board(uid, title, description, from string) *board {
	b := &board{s: s, dashboard: dashboard{
		UID: uid, Title: title, Description: description, Tags: []string{"streammon"}, SchemaVersion: schemaVersion, Editable: true,
		GraphTooltip: 1, Timezone: "browser", Refresh: "30s", Time: jsonObject{"from": from, "to": "now"}, Annotations: jsonObject{"list": []jsonObject{}},
	}}
	b.Links = []jsonObject{{
		"type": "dashboards", "title": "streammon", "tags": b.Tags, "asDropdown": true, "keepTime": true, "includeVars": true,
		"targetBlank": false, "icon": "external link", "tooltip": "The other dashboards of streammon, with the same variables and time", "url": "",
	}}
	return b
}

// done fills in what was gathered.
func (b *board) done() *board {
	list := []jsonObject{}
	for i := range b.variables {
		list = append(list, b.variables[i].encode())
	}
	b.Templating = jsonObject{"list": list}
	return b
}

// annotate marks times in all graphs.
func (b *board) annotate(name, color, expr, title string) {
	b.Annotations["list"] = append(b.Annotations["list"].([]jsonObject), jsonObject{
		"name": name, "datasource": datasource, "enable": true, "hide": false, "iconColor": color,
		"expr": expr, "step": "30s", "titleFormat": title, "textFormat": "", "tagKeys": "", "useValueForTime": false,
	})
}

const gridWidth = 24

// row begins a part of the dashboard, which is there once for each value of the variable repeat, if that is not empty.
func (b *board) row(title, repeat string) {
	b.line()
	closed := false
	b.add(&panel{Type: "row", Title: title, Collapsed: &closed, Panels: &[]*panel{}, Repeat: repeat}, gridWidth, 1)
	b.line()
}

// line ends a line of panels.
func (b *board) line() { b.x, b.y, b.h = 0, b.y+b.h, 0 }

func (b *board) add(p *panel, w, h int) *panel {
	if b.x+w > gridWidth {
		b.line()
	}
	p.ID, p.GridPos = len(b.Panels)+1, gridPos{h, w, b.x, b.y}
	b.x, b.h = b.x+w, max(b.h, h)
	b.Panels = append(b.Panels, p)
	return p
}

// note is what a panel says of itself: what it shows, and what to do about it.
type note struct{ title, shows, do string }

// panel adds one of a type. Every panel says what it shows and what is to be done.
func (b *board) panel(kind string, w, h int, n note, unit string, targets ...target) *panel {
	if n.title == "" || n.shows == "" || n.do == "" {
		b.s.errs = append(b.s.errs, fmt.Errorf("panel %q of %s does not say what it shows, or what to do", n.title, b.UID))
	}
	for i := range targets {
		targets[i].RefID = string(rune('A' + i))
	}
	return b.add(&panel{
		Type: kind, Title: n.title, Description: n.shows + "\n\n**What to do:** " + n.do, Datasource: datasource, Targets: targets,
		FieldConfig: &fields{Defaults: jsonObject{"unit": unit, "noValue": "no data"}, Overrides: []jsonObject{}}, Options: jsonObject{},
	}, w, h)
}

// query over the time that is shown; legend names its series.
func query(legend, expr string) target {
	return target{Datasource: datasource, Expr: expr, LegendFormat: legend, Range: true, Format: "time_series", EditorMode: "code"}
}

// now is a query at the end of the time that is shown.
func now(legend, expr string) target {
	return target{Datasource: datasource, Expr: expr, LegendFormat: legend, Instant: true, Format: "time_series", EditorMode: "code"}
}

// columns are queries of a table.
func column(expr string) target {
	return target{Datasource: datasource, Expr: expr, Instant: true, Format: "table", EditorMode: "code"}
}

// graph is lines over time.
func (b *board) graph(w, h int, n note, unit string, targets ...target) *panel {
	p := b.panel("timeseries", w, h, n, unit, targets...)
	p.FieldConfig.Defaults["color"] = jsonObject{"mode": "palette-classic-by-name"}
	if len(targets) > 1 {
		for i := range targets {
			p.override("byFrameRefID", targets[i].RefID, "color", jsonObject{"mode": "shades", "fixedColor": lineColors[i%len(lineColors)]})
		}
	}
	p.FieldConfig.Defaults["custom"] = jsonObject{"drawStyle": "line", "lineWidth": 1, "fillOpacity": 0, "showPoints": "never", "spanNulls": false}
	p.Options = jsonObject{
		"legend":  jsonObject{"displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": []string{"lastNotNull", "max"}},
		"tooltip": jsonObject{"mode": "multi", "sort": "desc"},
	}
	return p
}

// stat is one number, or a few.
func (b *board) stat(w, h int, n note, unit string, targets ...target) *panel {
	p := b.panel("stat", w, h, n, unit, targets...)
	p.FieldConfig.Defaults["color"] = jsonObject{"mode": "fixed", "fixedColor": colorPlain}
	p.Options = jsonObject{
		"colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto", "textMode": "value_and_name",
		"reduceOptions": jsonObject{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
	}
	return p
}

// timeline is states over time, each with its name.
func (b *board) timeline(w, h int, n note, names states, targets ...target) *panel {
	p := b.panel("state-timeline", w, h, n, "none", targets...)
	p.FieldConfig.Defaults["custom"] = jsonObject{"fillOpacity": 80, "lineWidth": 0}
	p.Options = jsonObject{
		"mergeValues": true, "showValue": "auto", "alignValue": "left", "rowHeight": 0.9,
		"legend": jsonObject{"displayMode": "list", "placement": "bottom", "showLegend": true}, "tooltip": jsonObject{"mode": "multi", "sort": "none"},
	}
	return p.states(names)
}

// table is a line a value of the labels, with a column a query. The columns' names are in the order of the queries.
func (b *board) table(w, h int, n note, names []string, targets ...target) *panel {
	p := b.panel("table", w, h, n, "none", targets...)
	p.Options = jsonObject{"showHeader": true, "cellHeight": "sm"}
	p.FieldConfig.Defaults["custom"] = jsonObject{"align": "auto", "filterable": true, "cellOptions": jsonObject{"type": "auto"}}
	p.FieldConfig.Defaults["noValue"] = "–"
	renamed := jsonObject{}
	for i, name := range names {
		value := "Value"
		if len(names) > 1 {
			value = "Value #" + targets[i].RefID
		}
		renamed[value] = name
	}
	p.Transformations = []jsonObject{
		{"id": "merge", "options": jsonObject{}},
		{"id": "organize", "options": jsonObject{"excludeByName": jsonObject{"Time": true}, "indexByName": jsonObject{}, "renameByName": renamed}},
	}
	return p
}

// sorted orders a table by a column, the largest first.
func (p *panel) sorted(column string) *panel {
	p.Options["sortBy"] = []jsonObject{{"displayName": column, "desc": true}}
	return p
}

// override sets properties of the fields of a name, given in pairs.
func (p *panel) override(matcher, name string, pairs ...any) *panel {
	properties := []jsonObject{}
	for pair := range slices.Chunk(pairs, 2) {
		properties = append(properties, jsonObject{"id": pair[0], "value": pair[1]})
	}
	p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, jsonObject{
		"matcher": jsonObject{"id": matcher, "options": name}, "properties": properties,
	})
	return p
}

// column sets properties of a table's column.
func (p *panel) column(name string, pairs ...any) *panel { return p.override("byName", name, pairs...) }

// dashed draws the series that a pattern names as a line that is compared with.
func (p *panel) dashed(pattern, color string) *panel {
	return p.override("byRegexp", pattern, "custom.lineStyle", jsonObject{"fill": "dash", "dash": []int{8, 6}}, "color", jsonObject{"mode": "fixed", "fixedColor": color})
}

// from sets where the axis begins.
func (p *panel) from(least float64) *panel {
	p.FieldConfig.Defaults["min"] = least
	return p
}

// without says what no data means.
func (p *panel) without(text string) *panel {
	p.FieldConfig.Defaults["noValue"] = text
	return p
}

// linked adds links to the panel's title.
func (p *panel) linked(links ...jsonObject) *panel {
	for _, l := range links {
		whole := jsonObject{"type": "link", "icon": "external link", "tooltip": "", "tags": []string{}, "asDropdown": false, "includeVars": false, "keepTime": false}
		maps.Copy(whole, l)
		p.Links = append(p.Links, whole)
	}
	return p
}

// leads adds links to every value.
func (p *panel) leads(links ...jsonObject) *panel {
	p.FieldConfig.Defaults["links"] = links
	return p
}

// each repeats the panel for every value of a variable.
func (p *panel) each(variable string, perRow int) *panel {
	p.Repeat, p.RepeatDirection, p.MaxPerRow = variable, "h", perRow
	return p
}
