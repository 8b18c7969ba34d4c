package join

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/window"
)

const second = int64(time.Second)

// usual is a config of a binary model.
var usual = Config{Pane: 10 * second, Lateness: 10 * second, Timeout: 600 * second}

// mix makes an id of a number.
func mix(i int) uint64 {
	x := uint64(i)*0x9e3779b97f4a7c15 + 0x1234567
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	return x ^ x>>27
}

// answer is what a binary prediction says: a score and a decision.
func answer(i int) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, uint64(i)), byte(i&1))
}

// counter counts what it is told, and checks payloads of answer.
type counter struct {
	t                                                testing.TB
	matched, duplicate, conflict, unmatched, expired int
	key                                              *Key
	sum                                              uint64
	wrong                                            int
}

func (f *counter) Matched(p *Pair) {
	f.matched++
	f.key = p.Key
	if len(p.Prediction) == 9 && len(p.Label) == 1 {
		f.sum += binary.LittleEndian.Uint64(p.Prediction) + uint64(p.Label[0])
		if p.Prediction[8] != p.Label[0] {
			f.wrong++
		}
	}
}

func (f *counter) Repeated(_ *Pair, conflict bool) {
	if conflict {
		f.conflict++
	} else {
		f.duplicate++
	}
}

func (f *counter) Unmatched(int64) { f.unmatched++ }

func (f *counter) Expired(k *Key, _ int64) { f.expired++; f.key = k }

func (f *counter) String() string {
	return fmt.Sprintf("%d matched, %d duplicate, %d conflict, %d unmatched, %d expired",
		f.matched, f.duplicate, f.conflict, f.unmatched, f.expired)
}

// restored returns the table as it is after a restart.
func restored(t testing.TB, c Config, table *Table) *Table {
	t.Helper()
	again, err := Read(c, table.Freeze().AppendBinary(nil), stored(table))
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func stored(table *Table) (entries []Stored) {
	for _, e := range table.TakeEntries(true) {
		entries = append(entries, Stored{e.Number, e.AppendBinary(nil)})
	}
	return entries
}

// TestManyRows: of many predictions, of which all that have expired are dropped while others come, each finds its own label.
func TestManyRows(t *testing.T) {
	const n, step, kept = 300_000, second / 50, 30_000 // a timeout is 30,000 steps
	table, f := New(usual), &counter{t: t}
	var want counter
	labels := map[int][]int{} // by step
	for i := range n {
		switch r := mix(i) >> 40 % 10; {
		case r < 6:
			labels[i+int(mix(i)>>8%kept)] = append(labels[i+int(mix(i)>>8%kept)], i)
			want.matched++
			want.sum += uint64(i) + uint64(i&1)
		case r < 7: // too late
			labels[i+kept+1] = append(labels[i+kept+1], i)
			want.unmatched++
			want.expired++
		default:
			want.expired++
		}
	}
	most := 0
	for i := range n + 3*kept {
		at := int64(i) * step
		if i < n {
			table.Predict(mix(i), at, []byte{'v', byte(i / 10_000)}, answer(i))
		}
		for _, l := range labels[i] {
			table.Await(mix(l), at, []byte{byte(l & 1)})
		}
		if i%500 == 0 {
			table.Seal(window.Floor(at-20*second, usual.Pane), f)
		}
		if i == n/2 {
			table = restored(t, usual, table)
		}
		most = max(most, table.Bytes())
	}
	want.wrong = 0
	if f.String() != want.String() || f.sum != want.sum || f.wrong > 0 {
		t.Errorf("%v, sum %d, %d wrong; want %v, sum %d", f, f.sum, f.wrong, &want, want.sum)
	}
	// The last chunk is not full and stays.
	if table.Rows() >= chunkRows || table.Pending() != 0 || len(table.keys) > 2 || len(table.slots) > 20 {
		t.Errorf("%d rows, %d pending, %d keys, %d slots are left", table.Rows(), table.Pending(), len(table.keys), len(table.slots))
	}
	if most > 60*(kept+4*chunkRows) || table.Bytes() > 300_000 {
		t.Errorf("%d bytes at most, %d now", most, table.Bytes())
	}
}

// TestSameIDs: of ids that are no ids, a single one and a few, the index has one row a chunk, so that they take no more than some
// microseconds each; and the first prediction in range is found among all.
func TestSameIDs(t *testing.T) {
	for _, ids := range []int{1, 20} {
		const n = 100_000
		table, f := New(usual), &counter{t: t}
		for i := range n {
			table.Predict(mix(i%ids), int64(i)*second/100, nil, answer(i))
		}
		for i := range n {
			// Labels 500 s after their predictions, and 500 s before the first.
			table.Await(mix(i%ids), int64(i)*second/100+500*second*int64(i%2*2-1), []byte{byte(i / 40 % 2)})
		}
		live := 0
		table.index.subtables(func(s *subtable) { live += s.live })
		if live != ids*len(table.chunks) {
			t.Errorf("%d ids: %d in the index for %d chunks", ids, live, len(table.chunks))
		}
		table.Seal(int64(n)*second/100+2000*second, f)
		if f.matched+f.duplicate+f.conflict+f.unmatched != n || f.matched+f.expired != n || f.unmatched == 0 || f.duplicate == 0 || f.conflict == 0 {
			t.Errorf("%d ids: %v", ids, f)
		}
	}
}

// TestEviction: the oldest predictions go when there are too many.
func TestEviction(t *testing.T) {
	c := usual
	c.rows, c.MaxRows = 10, 35
	table, f := New(c), &counter{t: t}
	for i := range 40 {
		table.Predict(uint64(i), int64(i), nil, answer(i))
		if i == 20 {
			table.Await(0, 1, []byte{0})
			table.Await(15, 1, []byte{1})
			table.Seal(0, f)
			table.sealed = window.NoTime
		}
	}
	// The first chunk went with the 36th.
	if table.Rows() != 30 || table.Pending() != 30 || table.Evicted() != 10 {
		t.Errorf("%d rows, %d pending, %d evicted", table.Rows(), table.Pending(), table.Evicted())
	}
	table.Seal(10*second, f)
	if got := f.String(); got != "1 matched, 0 duplicate, 0 conflict, 1 unmatched, 0 expired" {
		t.Error(got)
	}
	for i := range 20 {
		table.Predict(uint64(100+i), int64(100+i), nil, answer(i))
	}
	// A chunk of which one has its label: nine more.
	if table.Evicted() != 29 {
		t.Errorf("%d evicted", table.Evicted())
	}
	table = restored(t, c, table)
	if table.Evicted() != 29 || table.Pending() != 30 {
		t.Errorf("restored: %d evicted, %d pending", table.Evicted(), table.Pending())
	}
}

// TestRefused: what comes after its pane is sealed is refused, and hurts nothing.
func TestRefused(t *testing.T) {
	table, f := New(usual), &counter{t: t}
	table.Predict(1, 1000*second, nil, answer(1))
	table.Seal(1000*second, f)
	table.Predict(2, 399*second, nil, answer(2))
	table.Await(1, 999*second, []byte{1})
	table.Predict(3, 400*second, nil, answer(3))
	table.Await(3, 1000*second, []byte{1})
	table.Predict(4, maxTime+1, nil, answer(2))
	table.Await(4, minTime-1, nil)
	table.Seal(900*second, f)
	if table.Refused() != 4 || table.Pending() != 2 || table.Sealed() != 1000*second {
		t.Errorf("%d refused, %d pending, sealed to %d", table.Refused(), table.Pending(), table.Sealed())
	}
	table.Seal(window.EndOfTime, f)
	if got := f.String(); got != "1 matched, 0 duplicate, 0 conflict, 0 unmatched, 1 expired" {
		t.Error(got)
	}
	table.Predict(5, maxTime, nil, nil)
	table.Await(5, maxTime, nil)
	if table.Refused() != 6 {
		t.Errorf("%d refused", table.Refused())
	}
}

// TestOtherTimeout: what expired before a restart stays so, and what expires with a shorter timeout does in the
// first pane that is sealed.
func TestOtherTimeout(t *testing.T) {
	first := func() (*Table, *teller) {
		table, f := New(usual), &teller{}
		table.Predict(1, 5*second, []byte("old"), answer(1))
		table.Predict(2, 500*second, []byte("new"), answer(2))
		table.Seal(620*second, f)
		return table, f
	}
	table, f := first()
	longer, shorter := usual, usual
	longer.Timeout, shorter.Timeout = 5000*second, 60*second
	table = restored(t, longer, table)
	table.Await(1, 700*second, []byte{1})
	table.Await(2, 5000*second, []byte{1})
	table.Seal(9000*second, f)
	if want := []string{
		fmt.Sprint("expired old ", 605*second), fmt.Sprint("unmatched ", 700*second),
		fmt.Sprintf("matched new %d %d %x 01", 500*second, 5000*second, answer(2)),
	}; !slices.Equal(f.told, want) {
		t.Errorf("%q", f.told)
	}
	table, f = first()
	table = restored(t, shorter, table)
	table.Seal(630*second, f)
	if want := []string{fmt.Sprint("expired old ", 605*second), fmt.Sprint("expired new ", 620*second)}; !slices.Equal(f.told, want) {
		t.Errorf("%q", f.told)
	}
	other := usual
	other.Pane = second
	if _, err := Read(other, table.Freeze().AppendBinary(nil), nil); !errors.Is(err, ErrShape) {
		t.Error(err)
	}
}

// TestKeys: keys are kept once, and forgotten with the last prediction.
func TestKeys(t *testing.T) {
	c := usual
	c.rows = 4
	table, f := New(c), &counter{t: t}
	seen := map[*Key]bool{}
	for i := range 400 {
		at := int64(i) * 100 * second
		table.Predict(uint64(i), at, fmt.Appendf(nil, "v%d", i/40), answer(i))
		table.Await(uint64(i), at, []byte{byte(i & 1)})
		table.Seal(at, f)
		if f.key != nil {
			seen[f.key] = true
			if f.key.Number > 1 {
				t.Fatalf("number %d", f.key.Number)
			}
		}
	}
	if len(seen) != 10 || len(table.keys) > 2 {
		t.Errorf("%d keys were told, %d are left", len(seen), len(table.keys))
	}
	// The key of the last prediction may be gone, too.
	table = New(c)
	for range 8 {
		for range c.rows {
			table.Predict(1, max(table.Sealed(), 0)+1, []byte("v1"), answer(1))
		}
		if len(table.keys) != 1 {
			t.Fatalf("%d keys", len(table.keys))
		}
		table.Seal(max(table.Sealed(), 0)+1000*second, f)
		if len(table.keys)+len(table.chunks) > 0 {
			t.Fatalf("%d keys, %d chunks are left", len(table.keys), len(table.chunks))
		}
	}
}

// TestLargePayloads: a chunk is full by the bytes of its payloads and keys, too, and room is made for what there is.
func TestLargePayloads(t *testing.T) {
	table := New(usual)
	for i := range chunkRows {
		table.Predict(uint64(i), 0, nil, answer(i))
	}
	for i := range 40 {
		table.Predict(uint64(i), 0, []byte(strings.Repeat("k", 1000*i)), make([]byte, 100_000))
	}
	if len(table.chunks) != 6 || table.Bytes() > 7<<20 {
		t.Errorf("%d chunks of %d bytes", len(table.chunks), table.Bytes())
	}
	again := restored(t, usual, table)
	if again.Rows() != table.Rows() || again.Bytes() > 7<<20 {
		t.Errorf("%d rows, %d bytes", again.Rows(), again.Bytes())
	}
}

// TestRowBytes: rows of payloads of all lengths take what is reckoned at most, and not much less.
func TestRowBytes(t *testing.T) {
	const n = 200_000
	payload, label := make([]byte, 300), make([]byte, 8)
	for _, longest := range []int{30, 300} {
		before := heap()
		table, f := New(usual), &counter{t: t}
		for i := range n {
			size := longest
			if i%100 == 0 {
				size--
			}
			table.Predict(mix(i), int64(i)*second/1000, nil, payload[:size])
		}
		for i := range n {
			table.Await(mix(i), 200*second, label)
		}
		table.Seal(210*second, f)
		took := float64(heap()-before) / n
		t.Logf("%.1f bytes of %d", took, RowBytes(longest, false))
		if most := float64(RowBytes(longest, false)); took > most || took < most*3/4 || f.matched != n {
			t.Errorf("%.1f bytes, at most %g are reckoned; %s", took, most, f)
		}
		runtime.KeepAlive(table)
	}
}

// TestFrozen: a table that goes on does not change what was frozen, also while another goroutine writes it.
func TestFrozen(t *testing.T) {
	table, f := New(usual), &counter{t: t}
	random := rand.New(rand.NewPCG(1, 2))
	type written struct{ state, entries []byte }
	var states []chan written
	var want []written
	for i := range 40_000 {
		at := int64(i) * second / 20
		table.Predict(mix(i), at, []byte{byte(i / 1000)}, answer(i))
		l := i - int(random.Int64N(5000))
		label := []byte{byte(random.IntN(3))}
		if i > 30_000 {
			label = append(label, 0)
		}
		table.Await(mix(l), at, label)
		table.Seal(at-30*second, f)
		if i%3000 != 2999 {
			continue
		}
		frozen, entries := table.Freeze(), table.TakeEntries(false)
		write := func() (w written) {
			w.state = frozen.AppendBinary(nil)
			for _, e := range entries {
				w.entries = e.AppendBinary(w.entries)
			}
			return w
		}
		want = append(want, write())
		done := make(chan written, 1)
		states = append(states, done)
		go func() {
			runtime.Gosched()
			done <- write()
		}()
	}
	for i, done := range states {
		if got := <-done; !slices.Equal(got.state, want[i].state) || !slices.Equal(got.entries, want[i].entries) {
			t.Errorf("state %d has changed", i)
		}
	}
	if f.matched == 0 || f.conflict == 0 {
		t.Error(f)
	}
}

// TestAllocations: in the steady state a pair allocates nothing.
func TestAllocations(t *testing.T) {
	c := usual
	c.Timeout = 60 * second
	table, f := New(c), &counter{t: t}
	i := 0
	key, payload, label := []byte("v1\x00DE"), answer(1), []byte{1}
	work := func() {
		for range 1000 {
			at := int64(i) * second / 1000
			table.Predict(mix(i), at, key, payload)
			table.Await(mix(i-3000), at, label)
			i++
		}
		table.Seal(int64(i)*second/1000-20*second, f)
	}
	for range 300 {
		work()
	}
	if n := testing.AllocsPerRun(100, work) / 1000; n > 0.02 {
		t.Errorf("%v allocations a pair", n)
	}
	if f.matched < 300_000 {
		t.Error(f)
	}
}

// heap returns the bytes that are in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestMemory: a pending binary prediction takes at most 40 bytes, all in; also if all have a match. With
// STREAMMON_FAULTS=long ten million of them take less than 500 MB.
func TestMemory(t *testing.T) {
	n := 1_000_000
	if os.Getenv("STREAMMON_FAULTS") == "long" {
		n = 10_000_000
	}
	before := heap()
	table, f := New(usual), &counter{t: t}
	payload, label := answer(1), []byte{1}
	key := []byte("v1\x00country=DE")
	longest := time.Duration(0)
	began := time.Now()
	last := began
	for i := range n {
		table.Predict(mix(i), int64(i)*(500*second)/int64(n), key, payload)
		now := time.Now()
		longest, last = max(longest, now.Sub(last)), now
	}
	took := time.Since(began)
	pending := float64(heap()-before) / float64(n)
	stated := float64(table.Bytes()) / float64(n)
	for i := range n {
		table.Await(mix(i), 500*second, label)
	}
	began = time.Now()
	table.Seal(510*second, f)
	sealed := time.Since(began)
	matched := float64(heap()-before) / float64(n)
	t.Logf("%d rows: %.1f bytes each, %.1f stated, %.1f with matches; %v a prediction, the longest %v; %v a label",
		n, pending, stated, matched, took/time.Duration(n), longest, sealed/time.Duration(n))
	most := float64(RowBytes(len(payload), true))
	if most > 40 {
		t.Errorf("%g bytes are reckoned for a prediction", most)
	}
	if pending > most || matched > most {
		t.Errorf("%.1f bytes a prediction, %.1f with a match", pending, matched)
	}
	if stated < pending*0.95 || stated > pending*1.05 {
		t.Errorf("%.1f bytes a prediction are stated, %.1f are taken", stated, pending)
	}
	if f.matched != n {
		t.Error(f)
	}
	// What grows at once is a small part.
	table.index.subtables(func(s *subtable) {
		if s.live > 2*subtableRows {
			t.Errorf("a subtable has %d of %d rows", s.live, n)
		}
	})
	runtime.KeepAlive(table)
}
