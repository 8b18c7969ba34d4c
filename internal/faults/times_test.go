package faults

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/testkafka"
)

// hostileTimes are texts in the place of an event's time, by the reason for which each is rejected.
var hostileTimes = map[event.Reason][]string{
	event.Past: {
		"0", "-0", "-1", "1", "-1e18", "5e-324", "0e9223372036854775807", "1e-99999999999999999999", "946684799", "253402300799", "253402300799000",
		`"1970-01-01T00:00:00Z"`, `"1999-12-31T23:59:59.999Z"`, `"0"`, `"-1"`,
	},
	event.Future: {"7258118400", "9223372036854775807", `"2200-01-01T00:00:00Z"`, `"2199-12-31T23:59:59Z"`, `"2026-06-01T14:00:00Z"`, "1780322400"},
	event.Time: {
		`"9999-12-31T23:59:59Z"`, `"0001-01-01T00:00:00Z"`, `"0000-00-00T00:00:00Z"`, `"-001-01-01T00:00:00Z"`, `"2026-02-30T00:00:00Z"`, `"2026-06-01T12:00:60Z"`,
		"99999999999", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "1e300", "1e9223372036854775807", "1e99999999999999999999",
		`""`, `"NaN"`, `"Infinity"`, `"now"`, `"2026-06-01"`, `"2026-06-01T12:00:00"`,
	},
	event.Envelope: {"null", "true", "[]", "{}", "[1780315200]"},
	event.Syntax:   {"NaN", "Infinity", "-", "01780315200", "0x0", "1.", "2026-06-01T12:00:00Z"},
}

// otherUnits are times in another unit than the milliseconds that the config tells.
var otherUnits = map[event.Reason][]string{
	event.Past: {"1780315200", `"1780315200"`, "0", "-1"},
	event.Time: {"1780315200000000", "1780315200000000000", "253402300799000"},
}

// timesStage is a topic of good messages, with hostile ones among them or without.
type timesStage struct {
	topic   string
	written int
	ledger  event.Ledger
	largest time.Time // of the good event times
}

func newTimesStage(t *testing.T, b testkafka.Broker, client *kgo.Client, stamped bool, hostile map[event.Reason][]string) *timesStage {
	t.Helper()
	s := &timesStage{topic: b.CreateTopic(t, 1, nil)}
	good := newTraffic(31, time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), 200*time.Millisecond)
	send := func(value []byte) {
		r := &kgo.Record{Topic: s.topic, Value: value, Timestamp: time.UnixMilli(-1)}
		if stamped {
			r.Timestamp = good.at
		}
		s.written++
		client.Produce(t.Context(), r, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	for i := range 3_000 {
		at := good.at
		send(fmt.Appendf(nil, `{"id":"g%d","time":%d,"model":"m%d","version":"1","features":{"f0":%d,"f3":"c%d"}}`, i, at.UnixMilli(), i%3, i, i%5))
		good.at, s.largest = at.Add(good.step), at
		s.ledger.Accepted++
		if i == 0 || i%20 != 0 {
			continue // without a first time nothing is a jump
		}
		for _, reason := range slices.Sorted(maps.Keys(hostile)) {
			texts := hostile[reason]
			send(fmt.Appendf(nil, `{"id":"h%d","time":%s,"model":"m%d","version":"1","features":{"f0":1}}`, i, texts[i/20%len(texts)], i%3))
			s.ledger.Rejected[reason]++
		}
	}
	s.ledger.Consumed = uint64(s.written)
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// read returns the results of the program over the topic, without the ledger, which it checks, as
// it does the watermark.
func (s *timesStage) read(t *testing.T, b testkafka.Broker, replace ...string) (results string) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "times.yaml")
	text := strings.Replace(trafficConfig(b.Bootstrap[0], s.topic, "none", "", ""), ", labels: none", "", 3)
	text = strings.NewReplacer(append(replace, "windows: [1m, 5m, 1h]", "windows: [1m, 5m]")...).Replace(text)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := run(t, nil, "--config.file="+config)
	await(t, 20*time.Second, "end of the reading", func() bool { return consumed(p) == float64(s.written) })
	want := float64(s.largest.Add(-20*time.Second).UnixMilli()) / 1e3
	await(t, 20*time.Second, "watermark", func() bool { _, ok := p.metric("streammon_watermark_timestamp_seconds", ""); return ok })
	await(t, 20*time.Second, "whole watermark", func() bool {
		got, _ := p.metric("streammon_watermark_timestamp_seconds", "")
		if got > want {
			t.Fatalf("the watermark is %f, want %f", got, want)
		}
		return got == want
	})
	last, _ := p.metric("streammon_last_event_timestamp_seconds", `model="m2"`)
	if largest := want + 20; last > largest || last < largest-1 {
		t.Errorf("the last event is of %f, want %f", last, largest)
	}
	p.terminate(t)
	noPanic(t, p)

	results = filepath.Join(dir, "results.jsonl")
	if err := run(t, nil, "--config.file="+config, "--until-end", "--results="+results).wait(t, time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, line := lastLine(t, results), string(monitor.AppendLedgerJSON(nil, &s.ledger)); got != line {
		t.Errorf("the ledger is\n%s\nwant\n%s", got, line)
	}
	cutLastLine(t, results)
	return results
}

// TestHostileTimes sends events of the first and the last year, of no year, and in other units among good
// ones. Each is rejected for the right reason, the watermark does not move, and the windows, complete
// ones among them, are those of a run without.
func TestHostileTimes(t *testing.T) {
	_, b := testkafka.Fake(t)
	client := b.Client(t)
	for _, c := range []struct {
		name    string
		stamped bool
		times   map[event.Reason][]string
		replace []string // in the config
	}{
		{"by the record's timestamp", true, hostileTimes, nil},
		{"by the jump", false, hostileTimes, []string{"deduplicate:", "max_jump: 1h\ndeduplicate:"}},
		{"in another unit", true, otherUnits, []string{"    features:\n", "    mapping: {time_unit: ms}\n    features:\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			control, s := newTimesStage(t, b, client, c.stamped, nil), newTimesStage(t, b, client, c.stamped, c.times)
			want, got := control.read(t, b, c.replace...), s.read(t, b, c.replace...)
			compareFiles(t, want, got)
			lines, err := os.ReadFile(got)
			if err != nil {
				t.Fatal(err)
			}
			complete := strings.Count(string(lines), `"complete":true`)
			if complete < 300 {
				t.Errorf("only %d windows are complete", complete)
			}
			t.Logf("%d good and %d hostile messages; %d windows, %d complete, equal to the byte", s.ledger.Accepted, s.ledger.RejectedTotal(), strings.Count(string(lines), "\n"), complete)
		})
	}
}
