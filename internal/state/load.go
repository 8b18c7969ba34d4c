package state

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// Load returns the newest snapshots of the groups that are whole, those of one save if
// there is one of which all are. A group that was never saved is left out; of one that is, or should be,
// there and of which no snapshot is whole, errs has the cause (ErrDamaged).
func (s *Store) Load(groups []string) (loaded map[string]*Loaded, errs map[string]error, err error) {
	loaded, errs = map[string]*Loaded{}, map[string]error{}
	if s.db == nil {
		return loaded, errs, nil
	}
	err = s.guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			if tx.Bucket(groupsBucket) == nil {
				return nil
			}
			all, contents := map[string]*candidates{}, readContents(tx.Bucket(metaBucket))
			for _, name := range groups {
				if b := tx.Bucket(groupsBucket).Bucket([]byte(name)); b != nil && contents != nil && !slices.Contains(contents.groups, name) {
					s.stale = true // its first save did not come to its end
				} else if b != nil {
					all[name] = readGroup(b)
				} else if contents != nil && slices.Contains(contents.groups, name) {
					errs[name] = fmt.Errorf("%w: it is not there any more", ErrDamaged)
				}
			}
			s.choose(all, loaded, errs)
			return nil
		})
	})
	if err != nil {
		s.unread = true
		return nil, nil, fmt.Errorf("load state: %w", err)
	}
	return loaded, errs, nil
}

// candidates are the whole snapshots of a group, the newest first.
type candidates struct {
	slots   []*slot
	entries [][]Entry
	damaged []error
	later   bool // there are entries of a save that did not come to its end
}

func readGroup(group *bbolt.Bucket) *candidates {
	c := &candidates{}
	for i, key := range slotKeys {
		value := group.Get(key)
		if value == nil {
			continue
		}
		sl, err := readSlot(value)
		if err == nil && sl.sequence%2 != uint64(i) {
			err = errors.New("it is in the other's place")
		}
		var entries []Entry
		if err == nil {
			entries, err = sl.read(group.Bucket(entryBucket))
		}
		if err != nil {
			c.damaged = append(c.damaged, fmt.Errorf("%s: %w", key, err))
			continue
		}
		c.slots, c.entries = append(c.slots, sl), append(c.entries, entries)
	}
	if len(c.slots) == 2 && c.slots[0].sequence < c.slots[1].sequence {
		slices.Reverse(c.slots)
		slices.Reverse(c.entries)
	}
	c.later = len(c.slots) > 0 && hasLater(group.Bucket(entryBucket), c.slots[0].sequence)
	return c
}

// hasLater reports whether there is an entry of a later save.
func hasLater(entries *bbolt.Bucket, than uint64) bool {
	c := entries.Cursor()
	for key, _ := c.First(); key != nil; key, _ = c.Next() {
		if _, sequence, err := readKey(key); err != nil || sequence > than {
			return true
		}
	}
	return false
}

// at returns the index of the snapshot to take at a save, -1 if there is none. A group that took
// no part in the last saves has its own last.
func (c *candidates) at(sequence uint64) int {
	if len(c.slots) > 0 && c.slots[0].sequence+1 < sequence {
		return 0
	}
	return slices.IndexFunc(c.slots, func(sl *slot) bool { return sl.sequence == sequence })
}

func (s *Store) choose(all map[string]*candidates, loaded map[string]*Loaded, errs map[string]error) {
	newest := uint64(0)
	for _, c := range all {
		for _, sl := range c.slots {
			newest = max(newest, sl.sequence)
		}
	}
	common := func(sequence uint64) bool {
		for _, c := range all {
			if len(c.slots) > 0 && c.at(sequence) < 0 && (len(c.damaged) > 0 || c.slots[0].sequence < sequence) {
				return false
			}
		}
		return true
	}
	chosen := newest
	if !common(newest) && newest > 0 && common(newest-1) {
		chosen = newest - 1
	}
	s.sequence = chosen
	for name, c := range all {
		i := c.at(chosen)
		switch {
		case i < 0 && chosen < newest && len(c.slots) > 0 && c.slots[0].sequence == newest && len(c.damaged) == 0:
			s.stale = true // its first save was the one that is passed over
			continue
		case i < 0 && len(c.slots) > 0:
			i = 0
		case i < 0:
			errs[name] = errors.Join(append(c.damaged, ErrDamaged)...)
			continue
		}
		sl := c.slots[i]
		damaged := len(c.damaged)
		if i > 0 || damaged > 0 || c.later {
			s.stale = true
		}
		loaded[name] = &Loaded{
			Snapshot: sl.snapshot(name, c.entries[i]),
			Saved:    time.Unix(0, sl.saved), DamagedSlots: damaged,
		}
		kept := *sl
		kept.state = nil
		s.slots[name] = &kept
	}
}

// read returns the slot's entries, and takes its state out of them.
func (sl *slot) read(b *bbolt.Bucket) ([]Entry, error) {
	entries, err := readEntries(b, sl)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(entries, func(e Entry) bool {
		if e.Kind == stateKind {
			sl.state = append(sl.state, e.Content...)
		}
		return e.Kind == stateKind
	}), nil
}

// snapshot is what was saved.
func (sl *slot) snapshot(group string, entries []Entry) Snapshot {
	own := slices.DeleteFunc(slices.Clone(sl.horizons), func(h Horizon) bool { return h.Kind == stateKind })
	return Snapshot{Group: group, Config: sl.config, State: sl.state, Entries: entries, Horizons: own}
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
