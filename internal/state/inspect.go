package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

// Report is what a store holds.
type Report struct {
	File   string
	Size   int64
	Format uint32
	Build  string // that saved last
	Groups []GroupReport
	// Aside are the names of damaged files that were moved aside.
	Aside []string
}

// GroupReport is what a store holds of a group.
type GroupReport struct {
	Name string
	// Slots are the snapshots that are there, the newest first.
	Slots []SlotReport
	// Entries is the number of all entries, and Bytes their size.
	Entries, Bytes int
	// Newest is the newest snapshot that is whole; nil if none is.
	Newest *Snapshot
}

// SlotReport is a snapshot in the store.
type SlotReport struct {
	Slot     string
	Sequence uint64
	Saved    time.Time
	Config   string
	Bytes    int // of its state
	Entries  int // that belong to it
	Err      error
}

// Inspect reads a store without changing it. The error says that there is none, that a process
// uses it, or that the file cannot be read at all (ErrDamaged); damage of parts is in the report.
func Inspect(dir string) (*Report, error) {
	s := &Store{path: filepath.Join(dir, file), slots: map[string]*slot{}}
	info, err := os.Stat(s.path)
	if err != nil {
		return nil, fmt.Errorf("no state in %s: %w", dir, err)
	}
	r := &Report{File: s.path, Size: info.Size()}
	if r.Aside, err = filepath.Glob(s.path + ".damaged-*"); err != nil {
		return nil, err
	}
	if err := isFile(info); err != nil {
		return r, fmt.Errorf("%s: %w", s.path, err)
	}
	err = s.openAs(&bbolt.Options{Timeout: time.Second, ReadOnly: true})
	if err == nil {
		err = s.classify(s.guard(s.checkFormat))
	}
	if err == nil {
		err = s.classify(s.guard(func() error { return s.db.View(r.read) }))
	}
	s.abandon()
	if err != nil {
		return r, fmt.Errorf("%s: %w", s.path, err)
	}
	return r, nil
}

func (r *Report) read(tx *bbolt.Tx) error {
	meta, groups := tx.Bucket(metaBucket), tx.Bucket(groupsBucket)
	if meta == nil || groups == nil {
		return errors.New("it has no format")
	}
	r.Format, r.Build = binary.BigEndian.Uint32(meta.Get(formatKey)), string(meta.Get(buildKey)) // checkFormat has seen it
	return groups.ForEachBucket(func(name []byte) error {
		g, err := readReport(groups.Bucket(name))
		g.Name = string(name)
		r.Groups = append(r.Groups, g)
		return err
	})
}

func readReport(group *bbolt.Bucket) (g GroupReport, err error) {
	c := readGroup(group)
	for i, sl := range c.slots {
		if i == 0 {
			newest := sl.snapshot("", c.entries[0])
			g.Newest = &newest
		}
		g.Slots = append(g.Slots, SlotReport{
			Slot: string(slotKeys[sl.sequence%2]), Sequence: sl.sequence, Saved: time.Unix(0, sl.saved), Config: sl.config, Bytes: len(sl.state), Entries: len(c.entries[i]),
		})
	}
	for _, damage := range c.damaged {
		g.Slots = append(g.Slots, SlotReport{Err: damage})
	}
	if b := group.Bucket(entryBucket); b != nil {
		err = b.ForEach(func(key, value []byte) error {
			if !bytes.HasPrefix(key, stateKind.prefix()) {
				g.Entries++
				g.Bytes += len(value)
			}
			return nil
		})
	}
	return g, err
}
