package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"math"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// Snapshot is what is saved of a group.
type Snapshot struct {
	Group string
	// Config identifies the config it was made with.
	Config string
	State  []byte
	// Entries are those since the snapshot before; Horizons are the starts before
	// which entries are not needed any more, of each kind that has any.
	Entries  []Entry
	Horizons []Horizon
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
	// DamagedSlots is 1 if the older slot had to take the place of the newer.
	DamagedSlots int
}

// slot is a snapshot as it lies in the file.
type slot struct {
	sequence uint64
	saved    int64
	config   string
	horizons []Horizon
	entries  uint64 // their number at or after the horizons
	sum      uint64 // of their hashes
	state    []byte
}

// Save writes the snapshots in one transaction. When it returns nil they are on the disk.
func (s *Store) Save(snapshots []Snapshot, now time.Time) error {
	saved := map[string]*slot{}
	err := s.guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			for i := range snapshots {
				next, err := s.saveGroup(tx, &snapshots[i], now)
				if err != nil {
					return err
				}
				saved[snapshots[i].Group] = next
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	for name, next := range saved {
		s.slots[name] = next
	}
	return nil
}

func (s *Store) saveGroup(tx *bbolt.Tx, snapshot *Snapshot, now time.Time) (*slot, error) {
	group, err := tx.Bucket(groupsBucket).CreateBucketIfNotExists([]byte(snapshot.Group))
	if err != nil {
		return nil, err
	}
	entries, err := group.CreateBucketIfNotExists(entryBucket)
	if err != nil {
		return nil, err
	}
	last := s.slots[snapshot.Group]
	if last == nil {
		if group.Get(slotKeys[0]) != nil || group.Get(slotKeys[1]) != nil {
			return nil, fmt.Errorf("%s was saved before, and neither loaded nor reset", snapshot.Group)
		}
		last = &slot{}
	}
	next := &slot{
		sequence: last.sequence + 1, saved: now.UnixNano(), config: snapshot.Config, horizons: snapshot.Horizons,
		entries: last.entries, sum: last.sum, state: snapshot.State,
	}
	for _, h := range last.horizons {
		if !slices.ContainsFunc(next.horizons, func(n Horizon) bool { return n.Kind == h.Kind }) && h.Start != noMore {
			next.horizons = append(slices.Clone(next.horizons), Horizon{h.Kind, noMore}) // a window that the config has no more
		}
		if err := drop(entries, h, horizonOf(next.horizons, h.Kind), next); err != nil {
			return nil, err
		}
	}
	for i, e := range snapshot.Entries {
		if h := horizonOf(next.horizons, e.Kind); e.Start < h {
			continue
		}
		key, value := e.key(next.sequence, i), checked(e.Content)
		if err := entries.Put(key, value); err != nil {
			return nil, err
		}
		next.entries++
		next.sum += hash(key, value)
	}
	// The copy in memory keeps no state.
	encoded := checked(next.append(nil))
	next.state = nil
	return next, group.Put(slotKeys[next.sequence%2], encoded)
}

// drop deletes the entries before the last horizon, and takes those up to the next one,
// which the older slot still needs, out of the next slot's account.
func drop(entries *bbolt.Bucket, last Horizon, next int64, account *slot) error {
	var old [][]byte
	c := entries.Cursor()
	prefix := last.Kind.prefix()
	for key, value := c.Seek(prefix); key != nil && bytes.HasPrefix(key, prefix); key, value = c.Next() {
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

// Load returns the newest snapshot of a group that is whole. It fails with ErrNone, or
// with ErrDamaged; then the group begins anew.
func (s *Store) Load(group string) (l *Loaded, err error) {
	err = s.guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			l, err = s.load(tx, group)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("load state of %s: %w", group, err)
	}
	return l, nil
}

func (s *Store) load(tx *bbolt.Tx, name string) (*Loaded, error) {
	group := tx.Bucket(groupsBucket).Bucket([]byte(name))
	if group == nil {
		return nil, ErrNone
	}
	var slots []*slot
	var errs []error
	for i, key := range slotKeys {
		value := group.Get(key)
		if value == nil {
			continue
		}
		sl, err := readSlot(value)
		if err == nil && sl.sequence%2 != uint64(i) {
			err = errors.New("it is in the other's place")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", key, err))
			continue
		}
		slots = append(slots, sl)
	}
	slices.SortFunc(slots, func(a, b *slot) int { return int(b.sequence) - int(a.sequence) })
	for _, sl := range slots {
		entries, err := readEntries(group.Bucket(entryBucket), sl)
		if err != nil {
			errs = append(errs, fmt.Errorf("save %d: %w", sl.sequence, err))
			continue
		}
		l := &Loaded{
			Snapshot: Snapshot{Group: name, Config: sl.config, State: sl.state, Entries: entries, Horizons: sl.horizons},
			Saved:    time.Unix(0, sl.saved), DamagedSlots: len(errs),
		}
		kept := *sl
		kept.state = nil
		s.slots[name] = &kept
		return l, nil
	}
	return nil, errors.Join(append(errs, ErrDamaged)...)
}

// Reset forgets a group: its next save is its first.
func (s *Store) Reset(group string) error {
	err := s.guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket(groupsBucket)
			if b.Bucket([]byte(group)) == nil {
				return nil
			}
			return b.DeleteBucket([]byte(group))
		})
	})
	if err != nil {
		return fmt.Errorf("reset state of %s: %w", group, err)
	}
	delete(s.slots, group)
	return nil
}

// readEntries returns the slot's entries, and fails if one is damaged, missing, or one too many.
func readEntries(b *bbolt.Bucket, sl *slot) ([]Entry, error) {
	if b == nil {
		return nil, errors.New("no entries")
	}
	var out []Entry
	var n, sum uint64
	var damaged error
	err := b.ForEach(func(key, value []byte) error {
		e, sequence, err := readKey(key)
		if err != nil {
			damaged = err
			return nil // the account says whether it is missed
		}
		if sequence > sl.sequence || e.Start < horizonOf(sl.horizons, e.Kind) {
			return nil
		}
		content, err := unchecked(value)
		if err != nil {
			return fmt.Errorf("entry of %d: %w", e.Start, err)
		}
		n++
		sum += hash(key, value)
		e.Content = bytes.Clone(content)
		out = append(out, e)
		return nil
	})
	if err == nil && (n != sl.entries || sum != sl.sum) {
		err = errors.Join(fmt.Errorf("%d entries are there, and should be %d", n, sl.entries), damaged)
	}
	return out, err
}

// checked puts a CRC before a value.
func checked(value []byte) []byte {
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, len(value)+4), crc32.Checksum(value, castagnoli)), value...)
}

// unchecked returns the value behind its CRC.
func unchecked(b []byte) ([]byte, error) {
	if len(b) < 4 || binary.BigEndian.Uint32(b) != crc32.Checksum(b[4:], castagnoli) {
		return nil, errors.New("the checksum is wrong")
	}
	return b[4:], nil
}

// hash is of an entry's key and checksum.
func hash(key, value []byte) uint64 {
	h := fnv.New64a()
	h.Write(key)
	h.Write(value[:min(4, len(value))])
	return h.Sum64()
}

// Sizes of the parts of an entry's key: view, length, start, sequence, index.
const (
	prefixSize = 1 + 8
	keySize    = prefixSize + 8 + 8 + 4
)

func (k Kind) prefix() []byte {
	return binary.BigEndian.AppendUint64([]byte{k.View}, uint64(k.Length))
}

// key orders by kind, start, sequence and index.
func (e *Entry) key(sequence uint64, index int) []byte {
	b := binary.BigEndian.AppendUint64(e.Kind.prefix(), uint64(e.Start)^1<<63)
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(b, sequence), uint32(index))
}

func startOf(key []byte) int64 {
	if len(key) < prefixSize+8 {
		return noHorizon
	}
	return int64(binary.BigEndian.Uint64(key[prefixSize:]) ^ 1<<63)
}

func readKey(key []byte) (e Entry, sequence uint64, err error) {
	if len(key) != keySize {
		return e, 0, fmt.Errorf("a key of %d bytes", len(key))
	}
	e.Kind = Kind{key[0], int64(binary.BigEndian.Uint64(key[1:]))}
	e.Start = startOf(key)
	return e, binary.BigEndian.Uint64(key[prefixSize+8:]), nil
}

// append appends the slot's binary form.
func (sl *slot) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, sl.sequence)
	b = binary.BigEndian.AppendUint64(b, uint64(sl.saved))
	b = binary.BigEndian.AppendUint64(b, sl.entries)
	b = binary.BigEndian.AppendUint64(b, sl.sum)
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(sl.config))), sl.config...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(sl.horizons)))
	for _, h := range sl.horizons {
		b = binary.BigEndian.AppendUint64(append(b, h.Kind.prefix()...), uint64(h.Start))
	}
	return append(b, sl.state...)
}

func readSlot(value []byte) (*slot, error) {
	b, err := unchecked(value)
	if err != nil {
		return nil, err
	}
	number := func() (n uint64) {
		if len(b) < 8 {
			err = errors.New("cut short")
			return 0
		}
		n, b = binary.BigEndian.Uint64(b), b[8:]
		return n
	}
	count := func(size int) (n int) {
		if len(b) < 4 || int(binary.BigEndian.Uint32(b)) > (len(b)-4)/size {
			err = errors.New("cut short")
			return 0
		}
		n, b = int(binary.BigEndian.Uint32(b)), b[4:]
		return n
	}
	sl := &slot{sequence: number(), saved: int64(number()), entries: number(), sum: number()}
	n := count(1)
	sl.config, b = string(b[:n]), b[n:]
	for range count(prefixSize + 8) {
		h := Horizon{Kind: Kind{View: b[0]}}
		b = b[1:]
		h.Length, h.Start = int64(number()), int64(number())
		sl.horizons = append(sl.horizons, h)
	}
	sl.state = bytes.Clone(b)
	return sl, err
}
