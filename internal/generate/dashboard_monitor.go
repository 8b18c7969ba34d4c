package generate

// monitor is the dashboard of streammon itself: can the others be believed.
func (s *dashboardSet) monitor() *board {
	b := s.board(MonitorUID, "streammon / streammon itself", "Whether streammon reads everything in time, and stays within its budgets: can the other dashboards be believed.", "now-6h")
	b.shared(use{multi: []string{"model"}, hidden: []string{"version", "segment", "feature", "window"}})
	b.configReloads()
	b.monitorNow()
	b.monitorReading()
	b.monitorMessages()
	b.monitorState()
	b.monitorBudgets()
	return b.done()
}

func (b *board) monitorNow() {
	s := b.s
	b.row("Now", "")
	b.stat(3, 4, note{"Up", "Whether Prometheus reaches each instance.", "If one is down, look at its log; a group of several goes on without it."}, "none",
		now("{{instance}}", "min by (instance) (up{"+`job=~"$job", instance=~"$instance"`+"})")).states(upStates)
	b.stat(3, 4, note{"Exports models", "Which instance exports the models' figures; of a group it is one.", "If none does for more than a minute, the group has no owner: look at the brokers and the group's members."}, "none",
		now("{{instance}}", maxBy("instance", s.sel("exporting")))).states(ownerStates)
	b.stat(3, 4, note{"Config loaded", "Whether the config was accepted when it was last read.", "If not, the one before is still in force: streammon check says what is wrong with the file."}, "none",
		now("{{instance}}", maxBy("instance", s.sel("config_last_reload_successful")))).states(goodStates)
	b.stat(3, 4, note{"Lag", "Messages that were not read yet, of all partitions.", "If it grows, see below in which partition, and whether reading pauses for lack of memory."}, "none",
		now("messages", "sum(max by (topic, partition) ("+s.sel("consumer_lag_messages")+"))"))
	b.stat(3, 4, note{"State age", "Time since the state was last saved.", "More than a few save intervals: look for a full disk; without state a restart counts from the last save."}, "s",
		now("{{instance}}", "time() - "+maxBy("instance", s.sel("state_last_save_timestamp_seconds")))).without("no state kept")
	b.stat(3, 4, note{"Series", "Share of the budget of series that is used.", "At 1 figures are left out: raise max_series, or take segments out of the config."}, "percentunit",
		now("{{instance}}", maxBy("instance", s.sel("series"))+" / "+maxBy("instance", s.sel("series_limit"))))
	b.stat(3, 4, note{"Memory", "Memory in use, as a share of its limit.", "Near 1 reading pauses: give it more, or fewer windows, features or segments."}, "percentunit",
		now("{{instance}}", maxBy("instance", s.sel("memory_in_use_bytes"))+" / "+maxBy("instance", s.sel("memory_limit_bytes"))))
	b.stat(3, 4, note{"Scrape time", "How long the last scrape took.", "More than a second: fewer series, or a longer scrape interval."}, "s",
		now("{{instance}}", `max by (instance) (scrape_duration_seconds{job=~"$job", instance=~"$instance"})`))
}

func (b *board) monitorReading() {
	s := b.s
	b.row("Reading", "")
	partition := "{{topic}}/{{partition}}"
	lag := s.sel("consumer_lag_messages")
	b.graph(12, 9, note{"Lag in messages", "Messages that were not read yet, of the 20 partitions that lag most.", "One partition alone has a hot key or a stuck broker; all together, streammon is too slow: see memory, or add a replica."}, "none",
		query(partition, top(20, "topic, partition", maxBy("topic, partition", lag), overTime(lag)))).from(0)
	watermark := s.sel("watermark_timestamp_seconds")
	b.graph(12, 9, note{"Lag in seconds", "How far the watermarks of the 20 partitions that are furthest behind are behind the clock; the allowed lateness is always part of it.", "A partition that is silent grows, too: if its lag in messages is 0 nothing is wrong with streammon."}, "s",
		query(partition, "time() - ("+top(20, "topic, partition", maxBy("topic, partition", watermark), "0 - "+overTime(watermark))+")")).from(0)
	b.graph(12, 9, note{"Messages read", "Messages a second, by topic.", "Compare with what producers write."}, "ops",
		query("{{topic}}", s.topRate(30, "rate", "topic", "consumed_messages_total"))).from(0)
	b.graph(12, 9, note{"Age of the newest event", "Time since the newest event of each model.", "If it grows for one model, its topic is silent; for all, look at the brokers."}, "s",
		query("{{model}}", "time() - ("+top(30, "model", maxBy("model", s.sel("last_event_timestamp_seconds", b.pick("model")...)), "0 - "+overTime(s.sel("last_event_timestamp_seconds", b.pick("model")...)))+")")).from(0)
}

func (b *board) monitorMessages() {
	s := b.s
	b.row("What does not count", "")
	b.graph(8, 8, note{"Rejected", "Messages a second that were rejected, by reason, of all topics.", "Look at dead letters of that reason: a mapping or a producer is wrong. docs/events.md explains each reason."}, "ops",
		query("{{reason}}", sumBy("reason", s.perSecond("rejected_messages_total")))).from(0)
	b.graph(8, 8, note{"Late and repeated", "Events a second whose pane was sealed when they came, and those with an id that was seen before.", "Late ones: raise allowed_lateness. Repeated ones: a producer retries; they count once."}, "ops",
		query("late {{model}}", s.topRate(30, "rate", "model", "late_events_total", b.pick("model")...)),
		query("repeated {{model}}", s.topRate(30, "rate", "model", "duplicate_events_total", b.pick("model")...))).from(0)
	b.graph(8, 8, note{"Folded", "Values a second that have no place of their own, by reason: they count under __other__, or not at all.", "List the segment's values or the features in the config, or have fewer versions at once."}, "ops",
		query("{{reason}}", sumBy("reason", s.perSecond("folded_values_total", b.pick("model")...)))).from(0)
	b.graph(8, 8, note{"Dead letters", "Rejected messages that were written to the dead-letter topic or file, and that could not be.", "Lost ones: see whether topic or disk can be written. Read them: each says why it was rejected."}, "none",
		query("written {{topic}}", s.topRate(30, "increase", "topic", "dead_letters_total")),
		query("lost {{topic}}", s.topRate(30, "increase", "topic", "dead_letters_dropped_total"))).from(0)
	b.graph(8, 8, note{"Lost before they were read", "Messages that retention took away, by topic.", "Retention is too short for the lag: raise it, or read faster. Windows that hold the gap are not complete."}, "none",
		query("{{topic}}", s.topRate(30, "increase", "topic", "offset_gap_messages_total"))).from(0)
	b.graph(8, 8, note{"Batches that could not be read", "Batches that were skipped, by reason.", "Damaged ones: look at the broker's disk. Too large ones: a producer writes bombs, or limits are too low."}, "none",
		query("{{reason}}", sumBy("reason", s.growth("skipped_batches_total")))).from(0)
}

func (b *board) monitorState() {
	s := b.s
	b.row("State", "")
	b.graph(8, 8, note{"Age of the state", "Time since the last save, and the interval between saves that is in force.", "Well above the interval, saving fails or takes too long: see failures, and the disk."}, "s",
		query("age {{instance}}", "time() - "+maxBy("instance", s.sel("state_last_save_timestamp_seconds"))),
		query("interval {{instance}}", maxBy("instance", s.sel("state_save_interval_seconds")))).from(0).dashed("interval.*", colorReference).without("no state kept")
	b.graph(8, 8, note{"Duration of saves", "How long the last save took, and for how long it held reading up.", "If it grows with the state, the interval grows, too, so that saving takes at most 5 % of the time: a faster disk helps."}, "s",
		query("save {{instance}}", maxBy("instance", s.sel("state_save_duration_seconds"))),
		query("held {{instance}}", maxBy("instance", s.sel("state_save_held_seconds")))).from(0).without("no state kept")
	b.graph(4, 8, note{"Bytes saved", "Bytes that the last save wrote.", "It follows the number of features, segments and windows; a rise without a new config is a rise of versions."}, "bytes",
		query("{{instance}}", maxBy("instance", s.sel("state_save_bytes")))).from(0).without("no state kept")
	b.graph(4, 8, note{"Saves that failed", "Saves that failed, and parts of the state that had to begin anew.", "Failures: see the log, and the disk. Anew: windows before it are not complete."}, "none",
		query("failed {{instance}}", sumBy("instance", s.growth("state_save_failures_total"))),
		query("anew {{reason}}", sumBy("reason", s.growth("state_resets_total")))).from(0).without("no state kept")
}

func (b *board) monitorBudgets() {
	s := b.s
	b.row("Budgets", "")
	b.graph(8, 8, note{"Series", "Series that are exported, and their budget.", "At the budget the least important are left out: raise max_series, or have fewer segments."}, "none",
		query("series {{instance}}", maxBy("instance", s.sel("series"))),
		query("budget {{instance}}", maxBy("instance", s.sel("series_limit")))).from(0).dashed("budget.*", colorBad)
	b.graph(8, 8, note{"Series left out", "Series that did not fit the budget, a publication, by reason.", "Any above 0 means that figures are missing on these dashboards."}, "none",
		query("{{reason}}", sumBy("reason", s.perSecond("series_dropped_total")))).from(0)
	b.graph(8, 8, note{"Memory", "Memory in use, the budget that follows from the config, and the limit.", "If the limit is below the budget, the container is too small for the config."}, "bytes",
		query("in use {{instance}}", maxBy("instance", s.sel("memory_in_use_bytes"))),
		query("budget {{instance}}", maxBy("instance", s.sel("memory_budget_bytes"))),
		query("limit {{instance}}", maxBy("instance", s.sel("memory_limit_bytes")))).from(0).dashed("(budget|limit).*", colorBad)
	b.graph(8, 8, note{"Reading paused", "Share of the time for which partitions did not read for lack of memory (several count each).", "Give it more memory, or fewer windows, features or segments."}, "percentunit",
		query("{{instance}}", sumBy("instance", s.perSecond("memory_paused_seconds_total")))).from(0)
	b.graph(8, 8, note{"Scrapes", "How long scrapes take.", "More than a second: fewer series, or a longer scrape interval."}, "s",
		query("{{instance}}", `max by (instance) (scrape_duration_seconds{job=~"$job", instance=~"$instance"})`)).from(0)
	b.graph(8, 8, note{"HTTP requests refused", "Requests that were refused and connections that were closed to make room, by reason.", "Who asks so often? See the reasons in docs/metrics.md."}, "ops",
		query("{{reason}}", sumBy("reason", s.perSecond("http_refused_total")))).from(0)
}
