package generate

import "strconv"

// Colours that are told apart with any colour vision (after Okabe and Ito); states have their names beside them.
const (
	colorPlain     = "#0072B2"
	colorOK        = "#0072B2"
	colorWarning   = "#F0E442"
	colorBad       = "#D55E00"
	colorReference = "#808080"
)

// lineColors are those of a graph's queries, each in shades for its series. Where there is one query, Grafana's own palette tells
// its series apart, and the legend and the tooltip name them.
var lineColors = []string{"#0072B2", "#E69F00", "#009E73", "#CC79A7"}

// state is a value that has a name.
type state struct {
	name, color string
}

// states are the names of 0, 1, 2, ...
type states []state

var (
	driftStates       = states{{"ok", colorOK}, {"warning", colorWarning}, {"drift", colorBad}}
	performanceStates = states{{"ok", colorOK}, {"warning", colorWarning}, {"worse", colorBad}}
	changeStates      = states{{"no change", colorOK}, {"warning", colorWarning}, {"change", colorBad}}
	verdictStates     = states{{"ok", colorOK}, {"warning", colorWarning}, {"drift, worse or change", colorBad}}
	upStates          = states{{"down", colorBad}, {"up", colorOK}}
	yesStates         = states{{"no", colorOK}, {"yes", colorBad}}
	ownerStates       = states{{"standby", colorOK}, {"exports", colorOK}}
	goodStates        = states{{"no", colorBad}, {"yes", colorOK}}
)

// mappings give values their names.
func (s states) mappings() []jsonObject {
	options := jsonObject{}
	for i, x := range s {
		options[strconv.Itoa(i)] = jsonObject{"text": x.name, "color": x.color, "index": i}
	}
	return []jsonObject{{"type": "value", "options": options}}
}

// steps give values their colours where names are not drawn.
func (s states) steps() jsonObject {
	steps := []jsonObject{}
	for i, x := range s {
		var from any = float64(i)
		if i == 0 {
			from = nil
		}
		steps = append(steps, jsonObject{"color": x.color, "value": from})
	}
	return jsonObject{"mode": "absolute", "steps": steps}
}

// states makes the values of a panel states.
func (p *panel) states(s states) *panel {
	p.FieldConfig.Defaults["mappings"], p.FieldConfig.Defaults["thresholds"] = s.mappings(), s.steps()
	p.FieldConfig.Defaults["color"] = jsonObject{"mode": "thresholds"}
	return p
}

// stateColumn makes the values of a table's column states.
func (p *panel) stateColumn(name string, s states) *panel {
	return p.column(name, "mappings", s.mappings(), "thresholds", s.steps(), "color", jsonObject{"mode": "thresholds"},
		"custom.cellOptions", jsonObject{"type": "color-text"})
}
