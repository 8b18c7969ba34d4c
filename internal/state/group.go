package state

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Snapshot is what was saved of a group.
type Snapshot struct {
	Group string
	// Config identifies the config it was made with.
	Config string
	State  []byte
	// Entries are all that the snapshot needs; Horizons are the starts before
	// which entries are not needed any more, of each kind that has any.
	Entries  []Entry
	Horizons []Horizon
}

// Fresh is a snapshot to be saved, whose parts are encoded when they are written: they append themselves. Only one of them is
// in memory for long.
type Fresh struct {
	Group    string
	Config   string
	State    func(b []byte) []byte
	Entries  []FreshEntry // since the snapshot before
	Horizons []Horizon    // of each kind that has any
}

// FreshEntry is an entry to be saved.
type FreshEntry struct {
	Kind
	Start   int64
	Content func(b []byte) []byte
}

// Kind is what tells entries apart that have horizons of their own.
type Kind struct {
	View   uint8
	Length int64
}

// Entry is a piece of a snapshot that is written once.
type Entry struct {
	Kind
	Start   int64
	Content []byte
}

// Horizon is the start before which entries of a kind are not needed any more.
type Horizon struct {
	Kind
	Start int64
}

// Loaded is a group's newest whole snapshot, with all its entries, ordered by kind and
// start, else as they were saved.
type Loaded struct {
	Snapshot
	Saved time.Time
	// DamagedSlots is the number of the group's snapshots that are damaged, 0 or 1.
	DamagedSlots int
}

// slot is a snapshot as it lies in the file; its state is in entries, but in files of a format before 5.
type slot struct {
	sequence uint64
	saved    int64
	config   string
	horizons []Horizon
	entries  uint64 // their number at or after the horizons
	sum      uint64 // of their hashes
	state    []byte
}

// aheadBytes is how many bytes of entries a transaction has at most, or one entry: bbolt copies all of it once more.
const aheadBytes = 8 << 20

// Save writes the snapshots. When it returns nil they are on the disk. Of many entries the first are written ahead, in
// transactions of their own: they belong to no slot before the last one, which has the slots.
func (s *Store) Save(snapshots []Fresh, now time.Time) error {
	if err := s.writable(); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	saved, err := s.save(snapshots, now)
	Step("committed")
	if s.stale = err != nil; s.stale { // it may have been written all the same
		return fmt.Errorf("save state: %w", err)
	}
	s.sequence++
	clear(s.reset)
	for name, next := range saved {
		s.slots[name] = next
	}
	return nil
}

// save returns what the groups are from then on.
func (s *Store) save(snapshots []Fresh, now time.Time) (map[string]*slot, error) {
	saved := make([]*saving, len(snapshots))
	for i := range snapshots {
		saved[i] = s.next(&snapshots[i], now)
	}
	slots := map[string]*slot{}
	for first, done := true, false; !done; first = false {
		err := s.guard(func() error {
			return s.db.Update(func(tx *bbolt.Tx) (err error) {
				if done, err = s.write(tx, saved, first); err != nil { // the disk has its say when it is committed
					return fmt.Errorf("%w: %w", ErrDamaged, err)
				}
				Step("written")
				return nil
			})
		})
		if err != nil {
			return nil, err
		}
		if !done {
			Step("ahead")
		}
	}
	for _, g := range saved {
		slots[g.fresh.Group] = g.next
	}
	return slots, nil
}

// write puts the next entries into a transaction, and if these are the last also the slots; then it is done.
func (s *Store) write(tx *bbolt.Tx, saved []*saving, first bool) (done bool, err error) {
	if first {
		if err := s.tidy(tx, saved); err != nil {
			return false, err
		}
		Step("tidied")
	}
	room := cmp.Or(s.ahead, aheadBytes)
	for _, g := range saved {
		if err := g.put(tx, &room); err != nil {
			return false, fmt.Errorf("%s: %w", g.fresh.Group, err)
		}
	}
	if slices.ContainsFunc(saved, func(g *saving) bool { return !g.written() }) {
		return false, nil
	}
	for _, g := range saved {
		if err := g.end(tx); err != nil {
			return false, fmt.Errorf("%s: %w", g.fresh.Group, err)
		}
	}
	meta := tx.Bucket(metaBucket) // what an older version wrote is now ours
	return true, errors.Join(putFormat(meta, tx.Bucket(groupsBucket)), meta.Put(buildKey, []byte(s.build)))
}

// tidy removes what is not part of the slots that the next save builds on: groups that were reset, and what a save left
// that failed or was passed over. Groups that were neither loaded nor reset stay, unless they are saved now.
func (s *Store) tidy(tx *bbolt.Tx, saved []*saving) error {
	groups, gone := tx.Bucket(groupsBucket), map[string]bool{}
	maps.Copy(gone, s.reset)
	for _, g := range saved {
		if g.last == nil && s.stale {
			gone[g.fresh.Group] = true
		}
	}
	for name := range gone {
		if err := groups.DeleteBucket([]byte(name)); err != nil && !errors.Is(err, bolterrors.ErrBucketNotFound) {
			return err
		}
	}
	if !s.stale {
		return nil
	}
	return groups.ForEachBucket(func(name []byte) error {
		known := s.slots[string(name)]
		if known == nil {
			return nil // it was not loaded
		}
		group := groups.Bucket(name)
		for i, key := range slotKeys {
			if value := group.Get(key); value != nil {
				if sl, err := readSlot(value); err != nil || sl.sequence > known.sequence || sl.sequence%2 != uint64(i) {
					if err := group.Delete(key); err != nil {
						return err
					}
				}
			}
		}
		entries := group.Bucket(entryBucket)
		if entries == nil {
			return nil
		}
		var later [][]byte
		c := entries.Cursor()
		for key, _ := c.First(); key != nil; key, _ = c.Next() {
			if _, sequence, err := readKey(key); err != nil || sequence > known.sequence {
				later = append(later, bytes.Clone(key))
			}
		}
		return deleteAll(entries, later)
	})
}

// saving is a group that is being saved.
type saving struct {
	fresh      *Fresh
	last, next *slot  // last is nil if it was never saved
	index      int    // of the next entry
	state      []byte // what is to be written of the state, once encoded is set
	encoded    bool
}

// stateKind is that of the entries which have the state: a state may be large, and of neighbours in a bucket bbolt writes all anew when
// one changes. They start at their save, and the slot's horizon is there.
var stateKind = Kind{View: math.MaxUint8}

// chunkBytes is how much of the state an entry has at most.
const chunkBytes = 1 << 20

func (s *Store) next(f *Fresh, now time.Time) *saving {
	g := &saving{fresh: f, last: s.slots[f.Group]}
	g.next = &slot{sequence: s.sequence + 1, saved: now.UnixNano(), config: f.Config}
	g.next.horizons = append(slices.Clip(f.Horizons), Horizon{stateKind, int64(g.next.sequence)})
	if g.last == nil {
		return g
	}
	g.next.entries, g.next.sum = g.last.entries, g.last.sum
	for _, h := range g.last.horizons {
		if !slices.ContainsFunc(g.next.horizons, func(n Horizon) bool { return n.Kind == h.Kind }) && h.Start != noMore {
			g.next.horizons = append(g.next.horizons, Horizon{h.Kind, noMore}) // a window that the config has no more
		}
	}
	return g
}

// buckets returns those of the group and of its entries.
func (g *saving) buckets(tx *bbolt.Tx) (group, entries *bbolt.Bucket, err error) {
	group, err = tx.Bucket(groupsBucket).CreateBucketIfNotExists([]byte(g.fresh.Group))
	if err != nil {
		return nil, nil, err
	}
	if g.last == nil && (group.Get(slotKeys[0]) != nil || group.Get(slotKeys[1]) != nil) {
		return nil, nil, errors.New("it was saved before, and neither loaded nor reset")
	}
	entries, err = group.CreateBucketIfNotExists(entryBucket)
	return group, entries, err
}

// put writes the next entries, those of the state last, as long as there is room.
func (g *saving) put(tx *bbolt.Tx, room *int) error {
	_, entries, err := g.buckets(tx)
	if err != nil {
		return err
	}
	for *room > 0 && g.index < len(g.fresh.Entries) {
		e := &g.fresh.Entries[g.index]
		if e.Start < horizonOf(g.next.horizons, e.Kind) {
			g.index++
			continue
		}
		if err := g.putEntry(entries, e, room); err != nil {
			return err
		}
	}
	if *room <= 0 {
		return nil
	}
	if !g.encoded {
		g.state, g.encoded = g.fresh.State(nil), true
	}
	for *room > 0 && len(g.state) > 0 {
		chunk := g.state[:min(len(g.state), chunkBytes, *room)]
		e := FreshEntry{stateKind, int64(g.next.sequence), func(b []byte) []byte { return append(b, chunk...) }}
		if err := g.putEntry(entries, &e, room); err != nil {
			return err
		}
		g.state = g.state[len(chunk):]
	}
	return nil
}

func (g *saving) putEntry(entries *bbolt.Bucket, e *FreshEntry, room *int) error {
	key, value := entryKey(e.Kind, e.Start, g.next.sequence, g.index), checked(e.Content)
	if err := entries.Put(key, value); err != nil {
		return err
	}
	g.index++
	*room -= len(value)
	g.next.entries++
	g.next.sum += hash(key, value)
	return nil
}

// written reports whether put has no more to write.
func (g *saving) written() bool { return g.encoded && len(g.state) == 0 }

// end writes the slot, after all entries, and deletes what neither slot needs.
func (g *saving) end(tx *bbolt.Tx) error {
	group, entries, err := g.buckets(tx)
	if err != nil {
		return err
	}
	if g.last != nil {
		for _, h := range g.last.horizons {
			if err := drop(entries, h, horizonOf(g.next.horizons, h.Kind), g.next); err != nil {
				return err
			}
		}
	}
	return group.Put(slotKeys[g.next.sequence%2], checked(g.next.append))
}

// drop deletes the entries before the last horizon, and takes those up to the next one,
// which the older slot still needs, out of the next slot's account. Those of the next slot stay.
func drop(entries *bbolt.Bucket, last Horizon, next int64, account *slot) error {
	var old [][]byte
	c := entries.Cursor()
	prefix := last.Kind.prefix()
	for key, value := c.Seek(prefix); key != nil && bytes.HasPrefix(key, prefix); key, value = c.Next() {
		if _, sequence, err := readKey(key); err == nil && sequence >= account.sequence {
			continue
		}
		switch start := startOf(key); {
		case start < last.Start:
			old = append(old, bytes.Clone(key))
		case start < next:
			account.entries--
			account.sum -= hash(key, value)
		default:
			return deleteAll(entries, old)
		}
	}
	return deleteAll(entries, old)
}

func deleteAll(b *bbolt.Bucket, keys [][]byte) error {
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// noHorizon is before every start, noMore after.
const (
	noHorizon = math.MinInt64
	noMore    = math.MaxInt64
)

func horizonOf(hs []Horizon, k Kind) int64 {
	i := slices.IndexFunc(hs, func(h Horizon) bool { return h.Kind == k })
	if i < 0 {
		return noHorizon
	}
	return hs[i].Start
}

// Reset forgets a group: its next save is its first. The file stays as it is until the next save of any group: a process
// that ends before has the same to decide again, and what is damaged is written to where a failure has its place.
func (s *Store) Reset(group string) {
	delete(s.slots, group)
	s.reset[group] = true
}
