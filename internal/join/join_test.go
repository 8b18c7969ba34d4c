package join

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/window"
)

// prediction and labelled are events of the two streams.
type prediction struct {
	id           uint64
	at           int64
	key, payload string
}

type labelled struct {
	id      uint64
	at      int64
	payload string
}

// naive pairs all predictions with all labels, the log of both being complete, and returns what a Folder is told when all panes
// before end are sealed.
func naive(c Config, predictions []prediction, labels []labelled, end int64) (told []string) {
	matched := map[int]string{}
	var panes []int64
	pane := func(at int64) int64 { return window.Floor(at, c.Pane) }
	for _, l := range labels {
		panes = append(panes, pane(l.at))
	}
	for _, p := range predictions {
		panes = append(panes, pane(p.at+c.Timeout))
	}
	slices.Sort(panes)
	for _, start := range slices.Compact(panes) {
		if start >= end {
			break
		}
		for _, l := range labels {
			if pane(l.at) != start {
				continue
			}
			i := slices.IndexFunc(predictions, func(p prediction) bool {
				return p.id == l.id && l.at-p.at >= -c.Lateness && l.at-p.at <= c.Timeout
			})
			if i < 0 {
				told = append(told, fmt.Sprint("unmatched ", l.at))
				continue
			}
			p := predictions[i]
			pair := fmt.Sprintf("%s %d %d %x %x", p.key, p.at, l.at, p.payload, l.payload)
			said, ok := matched[i]
			switch {
			case !ok:
				matched[i] = l.payload
				told = append(told, "matched "+pair)
			case said == l.payload:
				told = append(told, "duplicate "+pair)
			default:
				told = append(told, "conflict "+pair)
			}
		}
		for i, p := range predictions {
			if _, ok := matched[i]; !ok && pane(p.at+c.Timeout) == start {
				told = append(told, fmt.Sprintf("expired %s %d", p.key, p.at+c.Timeout))
			}
		}
	}
	return told
}

// teller writes down what it is told.
type teller struct{ told []string }

func pairText(p *Pair) string {
	return fmt.Sprintf("%s %d %d %x %x", p.Key.Name, p.Predicted, p.Labelled, p.Prediction, p.Label)
}

func (f *teller) Matched(p *Pair) { f.told = append(f.told, "matched "+pairText(p)) }

func (f *teller) Repeated(p *Pair, conflict bool) {
	what := "duplicate "
	if conflict {
		what = "conflict "
	}
	f.told = append(f.told, what+pairText(p))
}

func (f *teller) Unmatched(at int64) { f.told = append(f.told, fmt.Sprint("unmatched ", at)) }

func (f *teller) Expired(k *Key, at int64) {
	f.told = append(f.told, fmt.Sprintf("expired %s %d", k.Name, at))
}

// streams are the events of both streams that are not late on their own.
type streams struct {
	config      Config
	predictions []prediction
	labels      []labelled
}

// drawTimes draws the times of a stream, in disorder, of which none is late.
func drawTimes(t *rapid.T, name string, pane, lateness int64) (times []int64) {
	largest := int64(1000)
	for range rapid.IntRange(0, 60).Draw(t, name) {
		at := largest + rapid.Int64Range(-lateness-pane, 2*pane).Draw(t, "at")
		if rapid.IntRange(0, 19).Draw(t, "leap") == 0 {
			at += 20 * pane
		}
		if window.Floor(at, pane)+pane <= largest-lateness {
			continue // late
		}
		largest = max(largest, at)
		times = append(times, at)
	}
	return times
}

func drawStreams(t *rapid.T) (s streams) {
	s.config = Config{
		Pane:     10,
		Lateness: rapid.SampledFrom([]int64{0, 5, 30}).Draw(t, "lateness"),
		Timeout:  rapid.SampledFrom([]int64{0, 7, 40, 200, 5000}).Draw(t, "timeout"),
		rows:     rapid.SampledFrom([]int{1, 3, 8, chunkRows}).Draw(t, "rows"),
	}
	ids := rapid.Uint64Range(0, rapid.SampledFrom([]uint64{0, 3, 30}).Draw(t, "ids"))
	short := rapid.Bool().Draw(t, "short")
	payload := func(name string, n int) string {
		if short {
			return string([]byte{byte(rapid.IntRange(0, n).Draw(t, name))})
		}
		return "abcdef"[:rapid.IntRange(0, n).Draw(t, name)]
	}
	for _, at := range drawTimes(t, "predictions", s.config.Pane, s.config.Lateness) {
		s.predictions = append(s.predictions, prediction{
			ids.Draw(t, "id"), at, rapid.SampledFrom([]string{"", "v1", "v2\x00DE"}).Draw(t, "key"), payload("answer", 5),
		})
	}
	for _, at := range drawTimes(t, "labels", s.config.Pane, s.config.Lateness) {
		s.labels = append(s.labels, labelled{ids.Draw(t, "id"), at, payload("truth", 3)})
	}
	return s
}

// run is a table at some place of both streams.
type run struct {
	*streams
	table      *Table
	p, l       int   // how many events were taken
	topP, topL int64 // largest times
	f          teller
	entries    []Stored
	saved      *run    // the newest save
	frozen     *Frozen // of a save: to be encoded when it is needed
	state      []byte  // of a save: encoded at once
}

func newRun(s *streams) *run {
	return &run{streams: s, table: New(s.config), topP: window.NoTime, topL: window.NoTime}
}

func (r *run) predict() {
	if r.p < len(r.predictions) {
		p := r.predictions[r.p]
		r.table.Predict(p.id, p.at, []byte(p.key), []byte(p.payload))
		r.p++
		r.topP = max(r.topP, p.at)
	}
}

func (r *run) await() {
	if r.l < len(r.labels) {
		l := r.labels[r.l]
		r.table.Await(l.id, l.at, []byte(l.payload))
		r.l++
		r.topL = max(r.topL, l.at)
	}
}

// sealable returns the end up to which panes may be sealed.
func (r *run) sealable() int64 {
	c := r.config
	if r.topL == window.NoTime || r.topP == window.NoTime {
		return window.NoTime
	}
	closed := window.Floor(r.topL-c.Lateness, c.Pane)
	frontier := window.Floor(r.topP-c.Lateness, c.Pane)
	return min(closed, window.Floor(frontier-c.Lateness, c.Pane))
}

// save keeps the run as it is; its state is encoded when it is needed.
func (r *run) save(t *rapid.T) {
	for _, e := range r.table.TakeEntries(false) {
		if n := len(r.entries); n > 0 && e.Number <= r.entries[n-1].Number {
			t.Fatalf("entry %d after %d", e.Number, r.entries[n-1].Number)
		}
		r.entries = append(r.entries, Stored{e.Number, e.AppendBinary(nil)})
	}
	kept := *r
	kept.frozen, kept.state, kept.saved = r.table.Freeze(), r.table.Freeze().AppendBinary(nil), nil
	kept.entries, kept.f.told = slices.Clone(r.entries), slices.Clone(r.f.told)
	horizon := r.table.Horizon()
	kept.entries = slices.DeleteFunc(kept.entries, func(e Stored) bool { return e.Number < horizon })
	r.saved = &kept
}

// crash goes back to the newest save.
func (r *run) crash(t *rapid.T) {
	if r.saved == nil {
		*r = *newRun(r.streams)
		return
	}
	kept := r.saved
	state := kept.frozen.AppendBinary(nil)
	if !bytes.Equal(state, kept.state) {
		t.Fatal("what was frozen has changed")
	}
	table, err := Read(r.config, state, kept.entries)
	if err != nil {
		t.Fatal(err)
	}
	if again := table.Freeze().AppendBinary(nil); !bytes.Equal(again, state) {
		t.Fatalf("the form of what was read is\n%x, not\n%x", again, state)
	}
	next := *kept
	next.table, next.saved = table, kept
	next.entries, next.f.told = slices.Clone(kept.entries), slices.Clone(kept.f.told)
	*r = next
}

func (r *run) check(t *rapid.T) {
	if n := len(r.table.slots) - len(r.table.free); n != len(r.table.chunks) {
		t.Fatalf("%d slots for %d chunks", n, len(r.table.chunks))
	}
	rows, pending, live, keys := 0, 0, 0, map[*Key]bool{}
	for _, c := range r.table.chunks {
		rows += c.n
		pending += c.pending(r.table.dead)
		for i := range c.n {
			keys[c.key(i)] = true
		}
	}
	r.table.index.subtables(func(s *subtable) { live += s.live })
	if rows != r.table.Rows() || pending != r.table.Pending() || live > rows || len(keys) != len(r.table.keys) {
		t.Fatalf("%d of %d rows, %d of %d pending, %d in the index, %d of %d keys",
			rows, r.table.Rows(), pending, r.table.Pending(), live, len(keys), len(r.table.keys))
	}
	numbers := map[uint32]bool{}
	for k := range keys {
		numbers[k.Number] = true
		if r.table.keys[string(k.Name)] != k || int(k.Number) >= len(keys)+len(r.table.numbers) {
			t.Fatalf("key %q, number %d", k.Name, k.Number)
		}
	}
	if len(numbers) != len(keys) {
		t.Fatalf("%d numbers of %d keys", len(numbers), len(keys))
	}
	labels, size := 0, 0
	for _, w := range r.table.waiting {
		labels += w.count
		size += cap(w.labels)
	}
	if n, b := r.table.Waiting(); n != labels || b != size {
		t.Fatalf("%d labels of %d bytes wait, not %d of %d", labels, size, n, b)
	}
}

// TestInterleavings: whatever the order in which both streams are read, sealed, saved and restored, a table tells what the naive
// program does, in the same order.
func TestInterleavings(t *testing.T) {
	told := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := drawStreams(t)
		r := newRun(&s)
		for r.p < len(s.predictions) || r.l < len(s.labels) {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1, 2:
				r.predict()
			case 3, 4, 5:
				r.await()
			case 6, 7:
				end := r.sealable()
				if end != window.NoTime {
					end -= 10 * rapid.Int64Range(0, 3).Draw(t, "less")
				}
				r.table.Seal(end, &r.f)
			case 8:
				r.save(t)
			case 9:
				if rapid.IntRange(0, 3).Draw(t, "crash") == 0 {
					r.crash(t)
				}
			}
			r.check(t)
		}
		// Both streams have ended.
		end := max(r.table.Sealed(), window.Floor(max(r.topL, 0), 10)+10+10*rapid.Int64Range(0, 1000).Draw(t, "idle"))
		var preview teller
		before := r.table.Freeze().AppendBinary(nil)
		r.table.Preview(end, &preview)
		if !bytes.Equal(r.table.Freeze().AppendBinary(nil), before) {
			t.Fatal("a preview has changed the table")
		}
		already := len(r.f.told)
		r.table.Seal(end, &r.f)
		r.check(t)
		want := naive(s.config, s.predictions, s.labels, end)
		if !slices.Equal(r.f.told, want) {
			t.Fatalf("%+v\ntold %q\nwant %q", s, r.f.told, want)
		}
		sealed := slices.DeleteFunc(slices.Clone(r.f.told[already:]), func(s string) bool { return s[0] == 'e' })
		if !slices.Equal(preview.told, sealed) {
			t.Fatalf("previewed %q, sealed %q", preview.told, sealed)
		}
		if n := r.table.Refused() + r.table.Evicted(); n > 0 {
			t.Fatalf("%d refused or evicted", n)
		}
		for _, s := range want {
			told[s[:2]]++
		}
	})
	for _, what := range []string{"ma", "du", "co", "un", "ex"} {
		if told[what] == 0 {
			t.Errorf("nothing was told of %s", what)
		}
	}
	t.Log(told)
}
