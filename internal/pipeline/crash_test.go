package pipeline

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/oracle"
)

// TestCrashes runs random sequences - events, duplicates, disorder, broken messages, saves,
// crashes, restores from the newest save or the one before - for two members that each read all
// lanes at their own pace, and compares the final windows and the ledger of both with the naive
// batch program. 500 sequences, 10,000 with STREAMMON_FAULTS=long.
func TestCrashes(t *testing.T) {
	rounds := 5 // of the 100 that rapid makes
	switch {
	case os.Getenv("STREAMMON_FAULTS") == "long":
		rounds = 100
	case testing.Short():
		rounds = 1
	}
	setup := oracle.Setup{
		Models: []oracle.Model{
			{Name: "a", Features: []oracle.Feature{{Name: "x"}, {Name: "c", Categorical: true}}, Segments: []oracle.Segment{{Name: "s", Values: []string{"1"}}}},
			{Name: "b", Features: []oracle.Feature{{Name: "x"}}},
		},
		Pane: 10 * time.Second, Lateness: 20 * time.Second, MaxFuture: time.Minute, Deduplicate: 30 * time.Second,
		Windows: []oracle.Span{{Name: "1m", Length: time.Minute}, {Name: "1h", Length: time.Hour}},
	}
	group := oracleGroup(t, setup)
	crashes := 0
	for range rounds {
		rapid.Check(t, func(t *rapid.T) {
			lanes := drawLanes(t)
			want := oracle.Run(setup, lanes)
			members := []*member{newMember(t, group, lanes), newMember(t, group, lanes)}
			for slices.ContainsFunc(members, func(m *member) bool { return !m.finished() }) {
				m := members[rapid.IntRange(0, 1).Draw(t, "member")]
				m.step(t, 8, &crashes)
			}
			for i, m := range members {
				m.compare(t, i, &want)
			}
		})
	}
	t.Logf("%d crashes", crashes)
}

func drawLanes(t *rapid.T) [][]oracle.Message {
	base := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	lanes := make([][]oracle.Message, rapid.IntRange(1, 3).Draw(t, "lanes"))
	at := base
	for range rapid.IntRange(1, 40).Draw(t, "messages") {
		at = at.Add(rapid.SampledFrom([]time.Duration{0, time.Second, 15 * time.Second, 15 * time.Second, 3 * time.Minute, 2 * time.Hour}).Draw(t, "gap"))
		text := fmt.Sprintf(`{"id":"%d","time":%d,"model":"%s","version":"%d","segments":{"s":"%d"},"latency_ms":%d,"features":{"x":%d,"c":"%d"}}`,
			rapid.IntRange(0, 9).Draw(t, "id"), at.Unix()-rapid.Int64Range(0, 45).Draw(t, "disorder"), rapid.SampledFrom([]string{"a", "a", "b", "z"}).Draw(t, "model"),
			rapid.IntRange(0, 9).Draw(t, "version"), rapid.IntRange(0, 2).Draw(t, "segment"), rapid.IntRange(1, 50).Draw(t, "latency"),
			rapid.IntRange(-9, 9).Draw(t, "x"), rapid.IntRange(0, 4).Draw(t, "c"))
		if rapid.IntRange(0, 19).Draw(t, "broken") == 0 {
			text = text[:len(text)-1]
		}
		lane := rapid.IntRange(0, len(lanes)-1).Draw(t, "to")
		lanes[lane] = append(lanes[lane], oracle.Message{Value: []byte(text), RecordTime: at.UnixNano()})
	}
	return lanes
}

// member reads all lanes, with a store of its own.
type member struct {
	monitor *monitor.Group
	lanes   [][]oracle.Message
	labels  [][]oracle.Message // of the same lanes, if they are apart
	group   *Group
	intakes []*Intake // of lanes, then of labels
	done    []bool
	results []*monitor.Result
	entries []storedEntry
	saves   []save // the last two
	crashes int
}

// storedEntry is an entry in the store, and the number of its save.
type storedEntry struct {
	Entry
	save int
}

type save struct {
	number   int
	snapshot encodedSnapshot
	results  int // that were written
}

func newMember(t *rapid.T, g *monitor.Group, lanes [][]oracle.Message) *member {
	return newLabelledMember(t, g, lanes, nil)
}

// newLabelledMember is newMember with the labels apart, unless there are none.
func newLabelledMember(t *rapid.T, g *monitor.Group, lanes, labels [][]oracle.Message) *member {
	m := &member{monitor: g, lanes: lanes, labels: labels}
	m.start(t, nil)
	return m
}

// stream returns what the intake of that number reads.
func (m *member) stream(i int) (messages []oracle.Message, lane int, k event.Kind) {
	if n := len(m.lanes); i >= n {
		return m.labels[i-n], i - n, event.Label
	}
	return m.lanes[i], i, event.Prediction
}

func (m *member) start(t *rapid.T, s *save) {
	sink := NewSequencer(1, func(r *monitor.Result, _ []byte) error { m.results = append(m.results, r); return nil })
	m.group = NewGroup(m.monitor, decode.Options{}, sink, 0, true)
	if m.labels != nil {
		m.group.LabelsApart()
	}
	m.group.Journal()
	var states []PartState
	if s != nil {
		var entries []Entry
		for _, e := range m.entries {
			entries = append(entries, e.Entry)
		}
		var err error
		if states, err = m.group.Restore(s.snapshot.State, entries, func(string, string) { t.Fatal("something was lost") }); err != nil {
			t.Fatal(err)
		}
		m.results = m.results[:s.results]
	}
	m.group.Grow(len(m.lanes))
	streams := len(m.lanes) + len(m.labels)
	m.intakes, m.done = nil, make([]bool, streams)
	for i := range streams {
		_, lane, kind := m.stream(i)
		in, err := NewIntake([]*Lane{m.group.Lane(lane)}, kind, nil)
		if err != nil {
			t.Fatal(err)
		}
		if k := slices.IndexFunc(states, func(p PartState) bool { return p.Index == lane && p.Topic == kind.String() }); k >= 0 {
			err = in.Restore(states[k])
		} else {
			in.Arrive(Arrival{})
		}
		if err != nil {
			t.Fatal(err)
		}
		m.group.Read(Part{kind.String(), lane, in})
		m.intakes = append(m.intakes, in)
	}
}

// read takes in and delivers a batch of an intake's.
func (m *member) read(t *rapid.T, i, n int) {
	if m.done[i] {
		return
	}
	messages, lane, kind := m.stream(i)
	next := m.intakes[i].Offsets().Next
	end := min(next+int64(n), int64(len(messages)))
	var batch []Message
	for _, x := range messages[next:end] {
		batch = append(batch, Message{x.Value, x.RecordTime})
	}
	taken := m.intakes[i].Take(batch, end)
	end = next + int64(taken) // the rest waits for a reference
	if rapid.IntRange(0, 9).Draw(t, "between") == 0 {
		m.save() // between taking in and delivering
	}
	m.done[i] = end == int64(len(messages)) && rapid.Bool().Draw(t, "end")
	deliver := m.group.Lane(lane).Deliver
	if kind == event.Label {
		deliver = m.group.Lane(lane).DeliverLabels
	}
	if err := deliver(Progress{Records: len(batch), Done: m.done[i], Now: time.Unix(0, 0)}); err != nil {
		t.Fatal(err)
	}
	m.group.Show(time.Unix(0, 0))
}

func (m *member) finished() bool { return !slices.Contains(m.done, false) }

// save stores a snapshot, but none that holds what is true at the end only.
func (m *member) save() {
	if slices.Contains(m.done, true) {
		return
	}
	s := save{number: 1}
	if n := len(m.saves); n > 0 {
		s.number = m.saves[n-1].number + 1
	}
	snapshots := TakeCut([]*Group{m.group}, nil, false, func() { s.results = len(m.results) }).encode()
	s.snapshot = snapshots[0]
	if n := len(m.saves); n > 0 { // what neither this save nor the one before needs
		m.saves = m.saves[n-1:]
		m.entries = slices.DeleteFunc(m.entries, func(e storedEntry) bool {
			return slices.ContainsFunc(m.saves[0].snapshot.Horizons, func(h Horizon) bool { return h.Kind == e.Kind && e.Start < h.Start })
		})
	}
	m.saves = append(m.saves, s)
	for _, e := range s.snapshot.Entries {
		m.entries = append(m.entries, storedEntry{e, s.number})
	}
	slices.SortStableFunc(m.entries, func(a, b storedEntry) int {
		return cmp.Or(cmp.Compare(a.View, b.View), cmp.Compare(a.Length, b.Length), cmp.Compare(a.Start, b.Start))
	})
}

// step makes the member crash, save, or read a batch of up to so many messages of a lane's; it returns the number of the intake, -1 if it read none.
func (m *member) step(t *rapid.T, batch int, crashes *int) (intake int) {
	switch what := rapid.IntRange(0, 9).Draw(t, "what"); {
	case what == 0 && m.crashes < 5:
		m.crash(t)
		*crashes++
		return -1
	case what <= 2:
		m.save()
		return -1
	}
	intake = rapid.IntRange(0, len(m.intakes)-1).Draw(t, "lane")
	m.read(t, intake, rapid.IntRange(1, batch).Draw(t, "batch"))
	return intake
}

// crash forgets everything but the store, of which the newest save may be damaged.
func (m *member) crash(t *rapid.T) {
	m.crashes++
	if n := len(m.saves); n > 1 && rapid.IntRange(0, 3).Draw(t, "damaged") == 0 {
		m.entries = slices.DeleteFunc(m.entries, func(e storedEntry) bool { return e.save == m.saves[n-1].number })
		m.saves = m.saves[:n-1]
	}
	if len(m.saves) == 0 {
		m.entries, m.results = nil, nil
		m.start(t, nil)
		return
	}
	m.start(t, &m.saves[len(m.saves)-1])
}

func (m *member) compare(t *rapid.T, i int, want *oracle.Output) {
	var ledger event.Ledger
	for _, in := range m.intakes {
		l := in.Ledger()
		ledger.Add(&l)
		if o := in.Offsets(); o.Next-o.First != int64(o.Messages+o.Skipped+o.Gap) {
			t.Fatalf("offsets %+v", o)
		}
	}
	if ledger != want.Ledger || !ledger.Balanced() {
		t.Fatalf("member %d: ledger\n%+v, want\n%+v", i, ledger, want.Ledger)
	}
	if len(m.results) != len(want.Windows) {
		t.Fatalf("member %d: %d windows, want %d", i, len(m.results), len(want.Windows))
	}
	for k := range m.results {
		c := comparison{}
		c.window(m.results[k], &want.Windows[k])
		if len(c.wrong) > 0 {
			t.Fatalf("member %d, window %d to %s of %q %q %q:\n%s", i, k, m.results[k].End, m.results[k].Model, m.results[k].Version, m.results[k].Segment, c.wrong)
		}
	}
}
