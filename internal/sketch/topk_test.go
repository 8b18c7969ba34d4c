package sketch

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// use adds keys to a summary and to exact counts, or merges two that it made so.
func use(t *rapid.T, k, depth int, exact map[string]uint64) TopK {
	s := NewTopK(k)
	if depth > 0 && rapid.Bool().Draw(t, "merge") {
		s = use(t, k, depth-1, exact)
		o := use(t, k, depth-1, exact)
		s.Merge(&o)
	}
	n := rapid.IntRange(0, 60).Draw(t, "adds")
	for range n {
		key := fmt.Sprint(rapid.IntRange(0, 12).Draw(t, "key"))
		weight := rapid.Uint64Range(0, 5).Draw(t, "weight")
		s.Add([]byte(key), weight)
		exact[key] += weight
	}
	return s
}

// TestTopKBound checks every count, also of the keys that are not kept, against exact
// ones, after adding and merging in any way.
func TestTopKBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, exact := rapid.IntRange(0, 15).Draw(t, "k"), map[string]uint64{}
		s := use(t, k, 3, exact)
		maps.DeleteFunc(exact, func(_ string, n uint64) bool { return n == 0 })
		var total uint64
		for _, n := range exact {
			total += n
		}
		items := s.Items()
		if s.Total() != total || len(items) > k || s.lost > total/uint64(k+1) {
			t.Fatalf("total %d, want %d; %d items of %d; error %d", s.Total(), total, len(items), k, s.lost)
		}
		if len(exact) <= k && (s.lost > 0 || len(items) != len(exact)) {
			t.Fatalf("%d keys are not exact: %v", len(exact), items)
		}
		for _, i := range items {
			if n := exact[i.Key]; i.Count == 0 || n < i.Count || n > i.Count+i.Error || i.Error != s.lost {
				t.Fatalf("%+v, but there are %d", i, n)
			}
			delete(exact, i.Key)
		}
		for key, n := range exact {
			if n > s.lost {
				t.Fatalf("%q is missing, but there are %d, with an error of %d", key, n, s.lost)
			}
		}
	})
}

func TestTopKMergeCommutes(t *testing.T) {
	l := topKLaw(5)
	rapid.Check(t, func(t *rapid.T) {
		x, y := l.of(drawValues(t, "xs")), l.of(drawValues(t, "ys"))
		equal[TopK](t, "commuted", l.merged(x, y), l.merged(y, x))
	})
}

// TestTopKFindsTheFrequent lets three keys with 5 % of a stream each stand against a
// flood of keys that come once.
func TestTopKFindsTheFrequent(t *testing.T) {
	s, r := NewTopK(64), rand.New(rand.NewPCG(1, 2))
	for i := range 100_000 {
		key := fmt.Sprintf("once-%d", i)
		if r.IntN(100) < 15 {
			key = fmt.Sprintf("often-%d", r.IntN(3))
		}
		s.Add([]byte(key), 1)
	}
	for _, i := range s.Items()[:3] {
		if !strings.HasPrefix(i.Key, "often") || i.Count+i.Error < 4500 {
			t.Errorf("%+v is among the most frequent", i)
		}
	}
}

func TestTopKItemsInOrder(t *testing.T) {
	s := NewTopK(8)
	for _, key := range []string{"b", "é", "a", "", "c", "b"} {
		s.Add([]byte(key), 1)
	}
	var got []string
	for _, i := range s.Items() {
		got = append(got, fmt.Sprint(i.Key, i.Count))
	}
	if want := []string{"b2", "1", "a1", "c1", "é1"}; !slices.Equal(got, want) {
		t.Errorf("items %q, want %q", got, want)
	}
}

func TestTopKCutsKeys(t *testing.T) {
	s := NewTopK(2)
	long := strings.Repeat("x", MaxKey)
	s.Add([]byte(long+"y"), 1)
	s.Add([]byte(long+"z"), 1)
	if items := s.Items(); len(items) != 1 || items[0].Key != long || items[0].Count != 2 {
		t.Errorf("items %v", items)
	}
}

func TestTopKKeepsNoCallersBytes(t *testing.T) {
	s, key := NewTopK(2), []byte("key")
	s.Add(key, 1)
	key[0] = 'X'
	if got := s.Items()[0].Key; got != "key" {
		t.Errorf("the key became %q", got)
	}
}

func TestTopKDoesNotAllocateForKnownKeys(t *testing.T) {
	s, key := NewTopK(4), []byte("a key that is longer than any small string")
	s.Add(key, 1)
	if n := testing.AllocsPerRun(100, func() { s.Add(key, 1) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

func TestTopKZeroValueTakesCounters(t *testing.T) {
	o := NewTopK(3)
	o.Add([]byte("a"), 2)
	var s TopK
	s.Merge(&o)
	s.Add([]byte("b"), 1)
	if items := s.Items(); len(items) != 2 || items[0].Error != 0 {
		t.Errorf("items %v", items)
	}
}

func TestTopKClone(t *testing.T) {
	s := NewTopK(3)
	s.Add([]byte("a"), 2)
	c := s.Clone()
	s.Add([]byte("a"), 2)
	s.Add([]byte("b"), 2)
	if items := c.Items(); len(items) != 1 || items[0].Count != 2 || c.Total() != 2 {
		t.Errorf("the copy changed: %v", items)
	}
}
