package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// statistic is one that may be named in a config.
type statistic struct {
	short, name string
	numericOnly bool
	bounded     bool // by 1
}

// statistics has all of them, in the order of outputs.
var statistics = []statistic{
	{short: "psi", name: "psi"},
	{short: "js", name: "js_distance", bounded: true},
	{short: "kl", name: "kl_divergence"},
	{short: "hellinger", name: "hellinger_distance", bounded: true},
	{short: "tvd", name: "total_variation", bounded: true},
	{short: "chi2", name: "chi_square"},
	{short: "ks", name: "ks_statistic", numericOnly: true, bounded: true},
	{short: "wasserstein", name: "wasserstein_normalized", numericOnly: true},
	{short: "missing", name: "missing_psi"},
}

func shortNames() []string {
	out := make([]string, len(statistics))
	for i, s := range statistics {
		out[i] = s.short
	}
	return out
}

func findStatistic(name string) (statistic, bool) {
	i := slices.IndexFunc(statistics, func(s statistic) bool { return s.short == name || s.name == name })
	if i < 0 {
		return statistic{}, false
	}
	return statistics[i], true
}

// statistic reads the short or the metric's name and stores the short one.
func (v value) statistic(to *string) {
	if s, ok := findStatistic(v.n.text); ok {
		*to = s.short
		return
	}
	all := shortNames()
	for _, s := range statistics {
		all = append(all, s.name)
	}
	v.fail("%s is not one of %s%s", v.n, strings.Join(shortNames(), ", "), suggestion(v.n.text, all))
}

func (v value) statistics(to *[]string) {
	seen := unique("statistic %s")
	v.list("statistics", func(_ int, item value) {
		var s string
		item.statistic(&s)
		seen(item, s)
		*to = append(*to, s)
	})
	if v.n.kind == list && len(*to) == 0 {
		v.fail("no statistic where at least one is wanted; leave the key out for all")
	}
}

var driftKeys = []field[Drift]{
	{key: "statistics", read: func(v value, d *Drift) { v.statistics(&d.Statistics) }},
	{key: "decide_by", read: func(v value, d *Drift) { v.statistic(&d.DecideBy) }},
	{key: "min_samples", read: func(v value, d *Drift) { v.integer(&d.MinSamples, 1, 1000000000) }},
	{key: "false_alarms", read: func(v value, d *Drift) { v.falseAlarms(&d.FalseAlarms) }},
	{key: "against", read: func(v value, d *Drift) { v.against(&d.Against) }},
}

var falseAlarmText = regexp.MustCompile(`^([0-9]{1,9}(?:\.[0-9]{1,9})?) +per +([0-9a-z]+)$`)

func (v value) falseAlarms(to *FalseAlarms) {
	if part := falseAlarmText.FindStringSubmatch(v.n.text); part != nil {
		count, _ := strconv.ParseFloat(part[1], 64)
		per, ok := ParseDuration(part[2])
		if ok && count > 0 && per >= time.Hour {
			*to = FalseAlarms{count, per}
			return
		}
	}
	v.want("a number above 0 per duration of an hour or more, such as 1 per 30d,")
}

// What comes before a version, and before a duration.
const (
	againstVersion  = "version "
	againstTrailing = "trailing "
)

func (v value) against(to *string) {
	length, trailing := strings.CutPrefix(v.n.text, againstTrailing)
	version, other := strings.CutPrefix(v.n.text, againstVersion)
	ago, ok := ParseDuration(length)
	switch {
	case v.n.text == "reference":
		*to = v.n.text
	case other && version != "":
		if problem := problem(version, maxNameBytes); problem != "" {
			v.fail("the version %s %s", quote(version), problem)
			return
		}
		*to = v.n.text
	case trailing && ok && (ago < time.Hour || ago > maxWindow || ago%time.Hour != 0):
		v.fail("%s is not whole hours between 1h and %s", FormatDuration(ago), FormatDuration(maxWindow))
	case trailing && ok:
		*to = v.n.text
	default:
		v.want("reference, version and its name, or trailing and a duration such as 7d,")
	}
}
