package demo

import (
	"cmp"
	"slices"
	"time"
)

// Step is one thing that happens to the service, and what a monitor should make of it.
type Step struct {
	Name string
	// At and For are the time since the live stream began, and how long it lasts; 0
	// is until Recovery.
	At, For time.Duration
	Effects Effects
	// What is said when it happens.
	What string
	// Sign is where it shows.
	Sign Sign
}

// Sign is a figure over all traffic of version 7 in the 5-minute window that crosses
// a level.
type Sign struct {
	// Metric and Feature name the gauge; Feature is empty for service figures. Figure and Detector are those of a change.
	Metric, Feature, Figure, Detector string
	// Level is reached from below, or from above if Falling.
	Level   float64
	Falling bool
	// Within is the number of slides of the window (10 s each) after the step by
	// which it shows.
	Within int
}

// Selector is the gauge in the notation of PromQL.
func (s Sign) Selector() string {
	labels := `{model="` + Model + `",version="7",segment="",window="5m"`
	if s.Feature != "" {
		labels += `,feature="` + s.Feature + `"`
	}
	if s.Figure != "" {
		labels += `,figure="` + s.Figure + `",detector="` + s.Detector + `"`
	}
	return "streammon_" + s.Metric + labels + "}"
}

// Reached reports whether the value shows the sign.
func (s Sign) Reached(value float64) bool {
	if s.Falling {
		return value <= s.Level
	}
	return value >= s.Level
}

// Scenario is a named list of steps in order of time.
type Scenario struct {
	Name, About string
	Steps       []Step
}

// Scenarios are those that can be asked for, the default first.
func Scenarios() []Scenario {
	return []Scenario{
		{Name: "tour", About: "the world turns, and four more things go wrong in turn, then all is well again", Steps: tour()},
		{Name: "concept", About: "the world turns after a minute, and only labels tell", Steps: []Step{conceptDrift()}},
		{Name: "quiet", About: "nothing happens: no verdict should change"},
	}
}

// conceptDrift changes no request and no answer. It shows as soon as enough labels of requests after it have come: some take
// seconds, half of them a minute.
func conceptDrift() Step {
	return Step{
		Name: "concept drift", At: 1 * time.Minute, Effects: Effects{Turned: true},
		What: "frauds now look as harmless payments did: nothing moves but the labels, some of which take half an hour",
		Sign: Sign{Metric: "change_state", Figure: "misprediction_ratio", Detector: "page_hinkley", Level: 2, Within: 9},
	}
}

// tour lasts seven minutes; the recovery shows when the window of five minutes has
// forgotten it, and the state is not held any more.
func tour() []Step {
	turned := conceptDrift()
	turned.For = 5 * time.Minute
	return []Step{
		turned,
		{
			Name: "amount shift", At: 2 * time.Minute, For: 4 * time.Minute, Effects: Effects{AmountFactor: 5},
			What: "customers suddenly pay five times as much",
			Sign: Sign{Metric: "drift_state", Feature: "amount", Level: 2, Within: 6},
		},
		{
			Name: "new merchant", At: 3 * time.Minute, For: 3 * time.Minute, Effects: Effects{NewMerchant: 0.3},
			What: "30 % of the payments go to a merchant that the model has never seen",
			Sign: Sign{Metric: "feature_unseen_ratio", Feature: "merchant", Level: 0.02, Within: 4},
		},
		{
			Name: "missing feature", At: 4 * time.Minute, For: 2 * time.Minute, Effects: Effects{MissingDevice: 0.9, MissingIn: "US"},
			What: "90 % of the requests from the US come without device_score, and none from elsewhere",
			Sign: Sign{Metric: "feature_missing_ratio", Feature: "device_score", Level: 0.03, Within: 6},
		},
		{
			Name: "error burst", At: 5 * time.Minute, For: 1 * time.Minute, Effects: Effects{Errors: 0.25},
			What: "every fourth request fails with status 503",
			Sign: Sign{Metric: "error_ratio", Level: 0.03, Within: 5},
		},
		{
			Name: "recovery", At: 6 * time.Minute,
			What: "all is well again; the window forgets it within five minutes, and the state is held for another",
			Sign: Sign{Metric: "drift_state", Feature: "amount", Level: 0, Falling: true, Within: 36},
		},
	}
}

// Find returns the scenario of that name.
func Find(name string) (Scenario, bool) {
	all := Scenarios()
	i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name })
	if i < 0 {
		return Scenario{}, false
	}
	return all[i], true
}

// Effects returns what is wrong at a time since the live stream began.
func (s Scenario) Effects(at time.Duration) Effects {
	var e Effects
	for _, step := range s.Steps {
		if at < step.At || step.For > 0 && at >= step.At+step.For {
			continue
		}
		if step.Effects.AmountFactor != 0 {
			e.AmountFactor = step.Effects.AmountFactor
		}
		e.NewMerchant += step.Effects.NewMerchant
		e.MissingDevice += step.Effects.MissingDevice
		e.MissingIn = cmp.Or(step.Effects.MissingIn, e.MissingIn)
		e.Errors += step.Effects.Errors
		e.Turned = e.Turned || step.Effects.Turned
	}
	return e
}
