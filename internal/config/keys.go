package config

import (
	"fmt"
	"time"
)

// defaults returns a config that lacks the required keys only.
func defaults() *Config {
	return &Config{
		Kafka: Kafka{
			Group: "streammon", ClientID: "streammon", Isolation: "read_committed",
			Start: Start{Policy: "window"}, SessionTimeout: 10 * time.Second,
		},
		DeadLetters:     DeadLetters{MaxFileBytes: 64 << 20, WhenDown: "drop"},
		State:           State{SaveInterval: 10 * time.Second},
		Windows:         []Window{{"5m", 5 * time.Minute}, {"1h", time.Hour}, {"24h", day}},
		Pane:            10 * time.Second,
		AllowedLateness: 30 * time.Second,
		MaxFuture:       time.Minute,
		Limits:          Limits{MessageBytes: 1 << 20, Depth: 16, Fields: 1024, StringBytes: 4096},
		MaxIDs:          100_000,
		MaxSeries:       10000,
		Alerts:          DefaultAlerts(),
	}
}

// century is the most that is of any use for a distance in time.
const century = 36525 * day

var topKeys = []field[Config]{
	{key: "kafka", read: func(v value, c *Config) { v.kafka(&c.Kafka) }},
	{key: "dead_letters", read: func(v value, c *Config) { object(v, deadLetterKeys, &c.DeadLetters) }},
	{key: "state", read: func(v value, c *Config) { object(v, stateKeys, &c.State) }},
	{key: "windows", read: func(v value, c *Config) { v.windows(&c.Windows) }},
	{key: "pane", read: func(v value, c *Config) { v.duration(&c.Pane, time.Second, time.Minute) }},
	{key: "allowed_lateness", read: func(v value, c *Config) { v.duration(&c.AllowedLateness, 0, week) }},
	{key: "max_future", read: func(v value, c *Config) { v.duration(&c.MaxFuture, 0, century) }},
	{key: "max_jump", read: func(v value, c *Config) { v.duration(&c.MaxJump, 0, century) }},
	{key: "deduplicate", read: func(v value, c *Config) { v.duration(&c.Deduplicate, 0, week) }},
	{key: "limits", read: func(v value, c *Config) { object(v, limitKeys, &c.Limits) }},
	{key: "max_ids", read: func(v value, c *Config) { v.integer(&c.MaxIDs, 1, 10_000_000) }},
	{key: "max_series", read: func(v value, c *Config) { v.integer(&c.MaxSeries, 1, 1000000) }},
	{key: "alerts", read: func(v value, c *Config) { object(v, alertKeys, &c.Alerts) }},
	{key: "models", read: func(v value, c *Config) { v.models(&c.Models) }},
}

var deadLetterKeys = []field[DeadLetters]{
	{key: "file", read: func(v value, d *DeadLetters) { v.file(&d.File) }},
	{key: "max_file_bytes", read: func(v value, d *DeadLetters) { v.size(&d.MaxFileBytes, 1<<40) }},
	{key: "when_down", read: func(v value, d *DeadLetters) { v.oneOf(&d.WhenDown, "drop", "block") }},
	{key: "redact", read: func(v value, d *DeadLetters) { v.boolean(&d.Redact) }},
}

var stateKeys = []field[State]{
	{key: "dir", read: func(v value, s *State) { v.file(&s.Dir) }},
	{key: "save_interval", read: func(v value, s *State) { v.duration(&s.SaveInterval, time.Second, time.Hour) }},
}

var limitKeys = []field[Limits]{
	{key: "message_bytes", read: func(v value, l *Limits) { v.size(&l.MessageBytes, 64<<20) }},
	{key: "depth", read: func(v value, l *Limits) { v.integer(&l.Depth, 1, 100) }},
	{key: "fields", read: func(v value, l *Limits) { v.integer(&l.Fields, 1, 1000000) }},
	{key: "string_bytes", read: func(v value, l *Limits) { v.size(&l.StringBytes, 64<<20) }},
}

const maxWindows = 8

func (v value) windows(to *[]Window) {
	var out []Window
	v.list("durations such as 5m, 1h or 7d", func(_ int, item value) {
		w := Window{Name: item.n.text}
		if d, ok := item.anyDuration(); ok {
			w.Length = d
		}
		out = append(out, w)
	})
	if v.n.kind == list && (len(out) == 0 || len(out) > maxWindows) {
		v.fail("%d windows where 1 to %d are wanted", len(out), maxWindows)
	}
	*to = out
}

func (v value) models(to *[]Model) {
	v.list("models", func(_ int, item value) { *to = append(*to, item.model()) })
	if v.n.kind == list && len(*to) == 0 {
		v.fail("no model where at least one is wanted")
	}
}

// require records that a key is missing.
func (r *reader) require(path, key, what string) {
	if p := join(path, key); !r.given(p) {
		r.fail(p, "is required: %s", what)
	}
}

// unique records the second of two equal texts; it returns a function to be called
// for each.
func unique(what string) func(v value, text string) {
	first := map[string]string{}
	return func(v value, text string) {
		if p, ok := first[text]; ok && text != "" {
			v.fail("%s is there twice, first as %s", fmt.Sprintf(what, quote(text)), p)
			return
		}
		first[text] = v.path
	}
}
