package generate

import (
	"fmt"
	"strings"
)

// down holds where no streammon answers the scraper, or none is known to it; its value is how many should.
func (s *scope) down() string {
	job := s.config.Alerts.Job
	up := fmt.Sprintf("up{job=%q}", job)
	replacement := strings.ReplaceAll(job, "$", "$$") // or it were a part of a pattern
	return fmt.Sprintf("label_replace(\n  (count(%s) or vector(0)) unless on () %s == 1,\n  \"job\", %q, \"\", \"\"\n)", up, up, replacement)
}

// stalled holds where nobody exports, with the value 0, and where messages wait that nobody reads; its value is the number of their topics.
func (s *scope) stalled() string {
	return `max by (job) (streammon_exporting) == 0
or
count by (job) (
  min by (job, topic) (sum by (job, instance, topic) (streammon_consumer_lag_messages)) > 0
  and
  max by (job, topic) (sum by (job, instance, topic) (rate(streammon_consumed_messages_total[3m]))) == 0
)`
}

// lag is how long it takes to read what waits, for the member that is ahead.
func (s *scope) lag() string {
	return fmt.Sprintf(`min by (job, topic) (
  sum by (job, instance, topic) (streammon_consumer_lag_messages)
  /
  sum by (job, instance, topic) (rate(streammon_consumed_messages_total[3m]))
) > %s`, ruleNumber(s.config.Alerts.MaxLag.Seconds()))
}

// deadLetters is the share of a topic's messages that are rejected.
func (s *scope) deadLetters() string {
	return fmt.Sprintf(`sum by (job, topic) (rate(streammon_rejected_messages_total[15m]))
/
sum by (job, topic) (rate(streammon_consumed_messages_total[15m])) > %s
and
sum by (job, topic) (increase(streammon_consumed_messages_total[15m])) >= 100`, ruleNumber(s.config.Alerts.MaxRejected))
}

// deadLettersLost is how many rejected messages are nowhere.
func (s *scope) deadLettersLost() string {
	return "sum by (job, topic) (increase(streammon_dead_letters_dropped_total[15m])) > 0"
}

// seriesBudget is the share of the budget in use, where series are dropped or nearly are.
func (s *scope) seriesBudget() string {
	return `max by (job) (streammon_series / streammon_series_limit)
and on (job) sum by (job) (increase(streammon_series_dropped_total[15m])) > 0
or
max by (job) (streammon_series / streammon_series_limit) > 0.95`
}

// stateNotSaved is how long ago the state was saved, or the program began that has not saved yet.
func (s *scope) stateNotSaved() string {
	return `max by (job) (
  time() - streammon_state_last_save_timestamp_seconds > 60 + 6 * streammon_state_save_interval_seconds
  or
  time() - process_start_time_seconds > 600 and on (job, instance) streammon_state_saves_total == 0
)`
}

// reloadFailed is how long ago the config in force was loaded, where the newest was refused.
func (s *scope) reloadFailed() string {
	return `max by (job) (
  time() - streammon_config_last_reload_success_timestamp_seconds
  and
  streammon_config_last_reload_successful == 0
)`
}
