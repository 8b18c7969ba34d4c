package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

type fataler interface {
	Helper()
	Fatal(...any)
}

func mustOpen(t fataler, dir string) *Store {
	t.Helper()
	s, aside, err := Open(dir, "test")
	if err != nil || aside != "" {
		t.Fatal(err, aside)
	}
	return s
}

// load1 loads one group; it fails with errNone if it was never saved.
func load1(s *Store, name string) (*Loaded, error) {
	loaded, errs, err := s.Load([]string{name})
	if err = errors.Join(err, errs[name]); err != nil {
		return nil, err
	}
	if loaded[name] == nil {
		return nil, errNone
	}
	return loaded[name], nil
}

var errNone = errors.New("nothing was saved")

// render is a snapshot as text.
func render(l *Snapshot) string {
	out := fmt.Sprintf("%s %s %x", l.Group, l.Config, l.State)
	for _, e := range l.Entries {
		out += fmt.Sprintf("\n%d %d %d %x", e.View, e.Length, e.Start, e.Content)
	}
	return out
}

// model is what should be in the file.
type model struct {
	snapshot Snapshot
	saved    bool
}

// save makes the next snapshot, with random entries and horizons that move on.
func (m *model) save(draw func(n int, what string) int) Snapshot {
	next := Snapshot{Group: "g", Config: fmt.Sprint(draw(3, "config")), State: make([]byte, draw(5000, "state"))}
	for i := range next.State {
		next.State[i] = byte(i * len(next.State))
	}
	kinds := []Kind{{0, 10}, {0, 60}, {1, 10}}[:1+draw(3, "kinds")]
	for _, k := range kinds {
		h := horizonOf(m.snapshot.Horizons, k)
		if h == noHorizon || h == noMore {
			h = -20
		}
		next.Horizons = append(next.Horizons, Horizon{k, h + int64(draw(4, "horizon"))})
		for range draw(4, "entries") {
			e := Entry{Kind: k, Start: int64(draw(60, "start") - 20), Content: bytes.Repeat([]byte{byte(draw(256, "byte"))}, draw(3000, "size"))}
			next.Entries = append(next.Entries, e)
		}
	}
	m.snapshot.Group, m.snapshot.Config, m.snapshot.State, m.snapshot.Horizons = next.Group, next.Config, next.State, next.Horizons
	m.snapshot.Entries = append(slices.Clone(m.snapshot.Entries), next.Entries...)
	m.snapshot.Entries = slices.DeleteFunc(m.snapshot.Entries, func(e Entry) bool {
		return e.Start < horizonOf(next.Horizons, e.Kind) || horizonOf(next.Horizons, e.Kind) == noHorizon
	})
	slices.SortStableFunc(m.snapshot.Entries, func(a, b Entry) int {
		return bytes.Compare(append(a.prefix(), be(a.Start)...), append(b.prefix(), be(b.Start)...))
	})
	m.saved = true
	return next
}

// freshOf is a snapshot that is to be saved.
func freshOf(s Snapshot) Fresh {
	f := Fresh{Group: s.Group, Config: s.Config, State: appending(s.State), Horizons: s.Horizons}
	for _, e := range s.Entries {
		f.Entries = append(f.Entries, FreshEntry{e.Kind, e.Start, appending(e.Content)})
	}
	return f
}

// fresh has no entries.
func fresh(group, state string) Fresh { return Fresh{Group: group, State: appending([]byte(state))} }

func appending(content []byte) func(b []byte) []byte {
	return func(b []byte) []byte { return append(b, content...) }
}

func be(start int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(start)^1<<63) }

// TestLoadIsWhatWasSaved, over many saves, and whenever it is opened again.
func TestLoadIsWhatWasSaved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "state")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		s := mustOpen(t, dir)
		if _, err := load1(s, "g"); !errors.Is(err, errNone) {
			t.Fatal(err)
		}
		var m model
		draw := func(n int, what string) int { return rapid.IntRange(0, n-1).Draw(t, what) }
		for range rapid.IntRange(1, 6).Draw(t, "saves") {
			now := time.Unix(int64(draw(1000, "now")), 0)
			if err := s.Save([]Fresh{freshOf(m.save(draw)), fresh("other", "x")}, now); err != nil {
				t.Fatal(err)
			}
			if rapid.Bool().Draw(t, "open again") {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = mustOpen(t, dir)
				l, err := load1(s, "g")
				if err != nil || !l.Saved.Equal(now) || l.DamagedSlots != 0 {
					t.Fatal(l, err)
				}
				if d := cmp.Diff(render(&m.snapshot), render(&l.Snapshot)); d != "" {
					t.Fatal(d)
				}
				if _, err := load1(s, "other"); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestCutShort: a save whose entries take several transactions, and which ends after some of them, changes nothing, and leaves nothing behind.
func TestCutShort(t *testing.T) {
	defer func(before func(string)) { Step = before }(Step)
	cuts := 0
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "state")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		open := func() *Store {
			s := mustOpen(t, dir)
			s.ahead = 2000
			return s
		}
		s := open()
		var m model
		draw := func(n int, what string) int { return rapid.IntRange(0, n-1).Draw(t, what) }
		for range rapid.IntRange(1, 6).Draw(t, "saves") {
			before, at, steps := m, draw(4, "cut at"), 0
			var short []byte // the file when the save was cut short
			Step = func(name string) {
				if steps++; name == "ahead" && at > 0 && steps > at && short == nil {
					short, _ = os.ReadFile(s.path)
				}
			}
			groups := []Fresh{freshOf(m.save(draw)), fresh("other", "x")}
			if err := s.Save(groups, time.Now()); err != nil {
				t.Fatal(err)
			}
			if short == nil {
				continue
			}
			cuts++
			m = before
			if err := errors.Join(s.Close(), os.WriteFile(s.path, short, 0o600)); err != nil {
				t.Fatal(err)
			}
			s = open()
			l, err := load1(s, "g")
			if _, err := load1(s, "other"); m.saved != (err == nil) || err != nil && !errors.Is(err, errNone) {
				t.Fatal(err)
			}
			if !m.saved && errors.Is(err, errNone) {
				continue
			}
			if err != nil || l.DamagedSlots != 0 || render(&m.snapshot) != render(&l.Snapshot) {
				t.Fatalf("%v: %v, want %v", err, l, m.snapshot)
			}
		}
		Step = func(string) {}
		if err := errors.Join(s.Save([]Fresh{freshOf(m.save(draw))}, time.Now()), s.Close()); err != nil {
			t.Fatal(err)
		}
		s = open()
		if l, err := load1(s, "g"); err != nil || s.stale || l.DamagedSlots != 0 || render(&m.snapshot) != render(&l.Snapshot) {
			t.Fatalf("%v: %v, want %v; something was left behind: %t", err, l, m.snapshot, s.stale)
		}
		_ = s.Close()
	})
	if cuts < 20 {
		t.Errorf("%d saves were cut short", cuts)
	}
}

// damagedCopy returns a folder with a copy of the store that f has changed.
func damagedCopy(t *testing.T, data []byte, f func([]byte) []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, file), f(bytes.Clone(data)), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestDamage changes a store in many ways. What is loaded is one of the last two
// snapshots, exactly, or nothing; and saving goes on.
func TestDamage(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	draw := func(n int, _ string) int { return r.IntN(n) }
	dir := t.TempDir()
	s := mustOpen(t, dir)
	var m model
	for i := range 12 {
		if err := s.Save([]Fresh{freshOf(m.save(draw))}, time.Unix(int64(i), 0)); err != nil {
			t.Fatal(err)
		}
	}
	older1, err := s.load2()
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{render(&m.snapshot): true, older1: true}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	damages := map[string]func([]byte) []byte{
		"empty":    func([]byte) []byte { return nil },
		"one byte": func(b []byte) []byte { return b[:1] },
		"half":     func(b []byte) []byte { return b[:len(b)/2] },
		"text":     func([]byte) []byte { return []byte(strings.Repeat("no store\n", 5000)) },
		"zeros":    func(b []byte) []byte { return make([]byte, len(b)) },
	}
	for i := range len(data) / page {
		damages[fmt.Sprintf("page %d zeroed", i)] = func(b []byte) []byte { clear(b[i*page : (i+1)*page]); return b }
		damages[fmt.Sprintf("cut after page %d", i)] = func(b []byte) []byte { return b[:(i+1)*page] }
		damages[fmt.Sprintf("page %d is the next", i)] = func(b []byte) []byte { copy(b[i*page:], b[min(i+1, len(b)/page-1)*page:][:page]); return b }
	}
	for i := range 300 {
		at, bit := r.IntN(len(data)), byte(1)<<r.IntN(8)
		damages[fmt.Sprintf("bit %d", i)] = func(b []byte) []byte { b[at] ^= bit; return b }
	}
	lost, older, asides := 0, 0, 0
	for what, f := range damages {
		dir := damagedCopy(t, data, f)
		s, aside, err := Open(dir, "test")
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if aside != "" {
			asides++
		}
		l, err := load1(s, "g")
		switch {
		case err == nil && !allowed[render(&l.Snapshot)]:
			t.Errorf("%s: loaded what was never saved", what)
		case err == nil && l.DamagedSlots > 0:
			older++
		case err != nil:
			lost++
			if !errors.Is(err, errNone) && !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %v", what, err)
			}
			s.Reset("g")
		}
		next := []Fresh{fresh("g", "next")}
		if s.Save(next, time.Now()) != nil {
			setAside(t, what, s)
			if err := s.Save(next, time.Now()); err != nil {
				t.Errorf("%s: saving to a new file: %v", what, err)
			}
		}
		_ = s.Close()
	}
	t.Logf("of %d damages %d set the file aside, %d lost the group, %d took the older slot", len(damages), asides, lost, older)
	if asides == 0 || lost == 0 || older == 0 {
		t.Error("a kind of damage was not met")
	}
}

func setAside(t *testing.T, what string, s *Store) {
	if aside, _, err := s.SetAside(); err != nil || aside == "" {
		t.Errorf("%s: %v", what, err)
	}
}

// load2 is the older snapshot, as text.
func (s *Store) load2() (string, error) {
	var out string
	err := s.db.View(func(tx *bbolt.Tx) error {
		group := tx.Bucket(groupsBucket).Bucket([]byte("g"))
		sl, err := readSlot(group.Get(slotKeys[(s.slots["g"].sequence-1)%2]))
		if err != nil {
			return err
		}
		entries, err := sl.read(group.Bucket(entryBucket))
		out = render(&Snapshot{Group: "g", Config: sl.config, State: sl.state, Entries: entries})
		return err
	})
	return out, err
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	if _, _, err := Open(dir, "test"); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second process: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mustOpen(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
}

// TestNewerFormat is refused, and the file stays as it is. A format that only seems newer, since it is damaged, is not.
func TestNewerFormat(t *testing.T) {
	newer := binary.BigEndian.AppendUint32(nil, Format+1)
	for name, change := range map[string]func(meta *bbolt.Bucket) error{
		"newer": func(meta *bbolt.Bucket) error {
			return errors.Join(meta.Put(formatKey, newer), meta.Put(contentsKey, checked(appending(newer))))
		},
		"newer, without contents": func(meta *bbolt.Bucket) error {
			return errors.Join(meta.Put(formatKey, newer), meta.Delete(contentsKey))
		},
		"damaged": func(meta *bbolt.Bucket) error { return meta.Put(formatKey, newer) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := mustOpen(t, dir)
			err := s.db.Update(func(tx *bbolt.Tx) error { return change(tx.Bucket(metaBucket)) })
			if err := errors.Join(err, s.Close()); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			s, aside, err := Open(dir, "test")
			if name == "damaged" {
				if err != nil || aside == "" {
					t.Errorf("got %v, moved to %q", err, aside)
				}
				_ = s.Close()
				return
			}
			if !errors.Is(err, ErrNewer) {
				t.Errorf("got %v", err)
			}
			after, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was touched (%v)", err)
			}
		})
	}
}

func TestFolderInItsPlace(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, file, "inner"), 0o755); err != nil {
		t.Fatal(err)
	}
	s, aside, err := Open(dir, "test")
	if err != nil || aside == "" {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(aside, "inner")); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestNoFolder cannot be made below a file: that is no damage, and nothing is moved.
func TestNoFolder(t *testing.T) {
	name := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, aside, err := Open(name, "test"); err == nil || aside != "" {
		t.Errorf("opened below a file: %v", err)
	}
}

// TestGroupsStayTogether damages the newest snapshot of one of two groups, or makes a save
// fail, at any time: both are loaded as of one save, and what is saved then is whole.
func TestGroupsStayTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "state")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		s := mustOpen(t, dir)
		draw := func(n int, what string) int { return rapid.IntRange(0, n-1).Draw(t, what) }
		names := []string{"a", "b"}
		history := [][2]model{{}}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			last := history[len(history)-1]
			next := last
			var snapshots []Fresh
			for i := range next {
				snapshot := next[i].save(draw)
				snapshot.Group, next[i].snapshot.Group = names[i], names[i]
				snapshots = append(snapshots, freshOf(snapshot))
			}
			switch what := draw(6, "what"); {
			case what == 0: // fails after it has written
				err := s.db.Update(func(tx *bbolt.Tx) error {
					_, err := s.write(tx, []*saving{s.next(&snapshots[0], time.Now())}, true)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				s.stale = true // as Save leaves it
				continue
			default:
				if err := s.Save(snapshots, time.Now()); err != nil {
					t.Fatal(err)
				}
				history = append(history, next)
			}
			damaged := draw(4, "damage") == 0 && len(history) > 2
			if damaged {
				name := names[draw(2, "of")]
				err := s.db.Update(func(tx *bbolt.Tx) error {
					key := slotKeys[s.sequence%2]
					b := tx.Bucket(groupsBucket).Bucket([]byte(name))
					value := bytes.Clone(b.Get(key))
					value[len(value)/2]++
					return b.Put(key, value)
				})
				if err != nil {
					t.Fatal(err)
				}
				history = history[:len(history)-1]
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = mustOpen(t, dir)
			loaded, errs, err := s.Load(names)
			if err != nil || len(errs) > 0 {
				t.Fatal(err, errs)
			}
			slots := 0
			for i, name := range names {
				l := loaded[name]
				if l == nil {
					t.Fatalf("%s is not there", name)
				}
				slots += l.DamagedSlots
				if d := cmp.Diff(render(&history[len(history)-1][i].snapshot), render(&l.Snapshot)); d != "" {
					t.Fatal(d)
				}
			}
			if slots > 0 != damaged {
				t.Fatalf("%d damaged slots", slots)
			}
			if damaged { // only one snapshot is left
				history = [][2]model{history[len(history)-1]}
			}
		}
		_ = s.Close()
	})
}

// TestReadOnly: a store on a disk that refuses to write can be loaded from, and is saved to
// when the disk lets it.
func TestReadOnly(t *testing.T) {
	if os.Getuid() == 0 {
		t.Log("as root nothing is refused by permissions; see the fault tests of the program")
	}
	dir := t.TempDir()
	s := mustOpen(t, dir)
	if err := s.Save([]Fresh{fresh("g", "1")}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = &Store{path: filepath.Join(dir, file), build: "test", slots: map[string]*slot{}, reset: map[string]bool{}, refused: errors.New("refused")}
	if err := s.openReadOnly(); err != nil {
		t.Fatal(err)
	}
	if l, err := load1(s, "g"); err != nil || string(l.State) != "1" {
		t.Fatal(l, err)
	}
	if err := s.Save([]Fresh{fresh("g", "2")}, time.Now()); err != nil || s.Refused() != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir)
	if l, err := load1(s, "g"); err != nil || string(l.State) != "2" {
		t.Fatal(l, err)
	}
	_ = s.Close()

	// One that could not even be read, when it was opened: what it had is replaced.
	s = &Store{path: filepath.Join(dir, file), build: "test", slots: map[string]*slot{}, reset: map[string]bool{}, refused: errors.New("refused")}
	if loaded, errs, err := s.Load([]string{"g"}); err != nil || len(loaded)+len(errs) > 0 {
		t.Fatal(loaded, errs, err)
	}
	if err := s.Save([]Fresh{fresh("g", "3")}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir)
	if l, err := load1(s, "g"); err != nil || string(l.State) != "3" {
		t.Fatal(l, err)
	}
	_ = s.Close()
}
