// Package state keeps what must survive the process: of each group its snapshots, and the
// entries that belong to them, in one file (bbolt).
//
// A save is one transaction. A snapshot goes to one of two slots in turn, entries are
// written once and never changed. All values but the format and the build carry a CRC-32C, because the file's own checks
// cover its two meta pages only, and a slot knows the number and the sum of its entries,
// so that none can be missing, or too many, without notice. What is damaged is never loaded: the older
// slot takes the place of the newer one, and a file whose pages do not hang together, which is looked at before anything is read,
// is moved aside. The package knows nothing of what it keeps.
package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Format is the version of the file's form, and of what is in it: a program that would not understand all of it
// refuses the file. Version 2 has held states, version 3 the detectors of changes, what the results end with, the latest record
// timestamps of partitions, learned references, and the fingerprints of those that panes were counted by, version 4 what labels say
// that wait for their time, version 5 the state in entries, version 6 that results go on without labels.
const Format = 6

// file is the name of the store in its folder.
const file = "streammon.state"

var (
	// ErrLocked is the failure of opening a store that another process has open.
	ErrLocked = errors.New("another process uses it")
	// ErrNewer is the failure of opening a store of a format to come.
	ErrNewer = errors.New("it was written by a newer version")
	// ErrDamaged is the failure of loading a group of which no slot is whole.
	ErrDamaged = errors.New("damaged")

	errForeign = errors.New("it is a file of another program")
)

var (
	metaBucket   = []byte("meta")
	groupsBucket = []byte("groups")
	entryBucket  = []byte("entries")
	formatKey    = []byte("format")
	buildKey     = []byte("build")
	contentsKey  = []byte("contents")
	slotKeys     = [2][]byte{[]byte("slot0"), []byte("slot1")}
	castagnoli   = crc32.MakeTable(crc32.Castagnoli)
)

// Step is called before and after each step of a save, with its name; tests make a process
// die there.
var Step = func(name string) {}

// Store is a file that is open, or will be when the disk lets it. Its methods may be called
// by any goroutine, one at a time.
type Store struct {
	db       *bbolt.DB // nil: not open
	path     string
	build    string
	slots    map[string]*slot // of each group that was loaded or saved
	reset    map[string]bool  // groups that the next save is to remove first
	sequence uint64           // of the last save
	ahead    int              // 0 is aheadBytes; tests have less
	// refused is why the file cannot be written, since it was opened; nil if it can.
	refused error
	// stale: what the file holds beyond slots is to be removed by the next save.
	stale bool
	// broken: the library panicked on damage, and may hold its locks for ever.
	broken bool
	// unread: a file may be there of which nothing was loaded; it is moved aside before another is written.
	unread bool
	lost   error // why, if it is damaged
	opened os.FileInfo
}

// Open opens the store in a folder, which it makes if need be. A file that is damaged is
// moved aside, and its new name returned; the store is then empty. Where the disk refuses to
// write (it is full, read-only, or not permitted) the store can be loaded from if it can be
// read; Refused says why, and each Save tries again. A file that is there and cannot be read is an error: what
// is not loaded is lost.
func Open(dir, build string) (s *Store, aside string, err error) {
	s = &Store{path: filepath.Join(dir, file), build: build, slots: map[string]*slot{}, reset: map[string]bool{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		if _, missing := os.Stat(s.path); !refuses(err) || !errors.Is(missing, os.ErrNotExist) {
			return nil, "", fmt.Errorf("open state: %w", err)
		}
		s.refused, s.unread = err, true
		return s, "", nil
	}
	for range 2 {
		err = s.open()
		if !errors.Is(err, ErrDamaged) {
			break
		}
		if aside, err = moveAside(s.path); err != nil {
			break
		}
	}
	if refuses(err) {
		s.refused, err = err, s.openReadOnly()
	}
	if err != nil {
		return nil, aside, fmt.Errorf("open state %s: %w", s.path, err)
	}
	return s, aside, nil
}

// Refused says why the file cannot be written; nil if it can.
func (s *Store) Refused() error { return s.refused }

// Lost says how the file is damaged if it could not be moved aside, where the disk does not let us write; else nil.
func (s *Store) Lost() error { return s.lost }

// refuses reports whether the disk does not let us write, which may pass.
func refuses(err error) bool {
	for _, code := range [...]error{syscall.EROFS, syscall.EACCES, syscall.EPERM, syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ESTALE} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// open opens the file to write.
func (s *Store) open() error {
	info, err := os.Stat(s.path)
	if err == nil {
		if err := isFile(info); err != nil {
			return err
		}
	}
	created := errors.Is(err, os.ErrNotExist)
	err = s.openAs(&bbolt.Options{
		Timeout: time.Second, FreelistType: bbolt.FreelistMapType,
		// Each time the map has to grow, bbolt copies all that the transaction has touched. This is address space, not memory.
		InitialMmapSize: mapSize,
	})
	if err == nil {
		err = s.classify(s.guard(s.begin))
	}
	if err == nil {
		s.opened, err = os.Stat(s.path)
	}
	if err != nil {
		s.abandon()
		if created && refuses(err) {
			_ = os.Remove(s.path) // a beginning without an end
		}
	}
	return err
}

// isFile fails if it is none, or an empty one: not even a new store is that.
func isFile(info os.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: it is no file", ErrDamaged)
	case info.Size() == 0:
		return fmt.Errorf("%w: it is empty", ErrDamaged)
	}
	return nil
}

// openReadOnly opens the file for Load, if there is one.
func (s *Store) openReadOnly() error {
	if _, err := os.Stat(s.path); errors.Is(err, os.ErrNotExist) {
		s.unread = true
		return nil
	}
	err := s.openAs(&bbolt.Options{Timeout: time.Second, ReadOnly: true})
	if err == nil {
		err = s.classify(s.guard(s.checkFormat))
	}
	if err != nil {
		s.abandon()
	}
	if errors.Is(err, ErrDamaged) {
		s.lost, s.unread = err, true
		return nil
	}
	return err
}

const (
	// mapSize is the most that every machine can map.
	mapSize = min(1<<30, math.MaxInt>>3)
	// growBy is how much the file grows beyond what is needed.
	growBy = 128 << 10
)

func (s *Store) openAs(o *bbolt.Options) error {
	return s.classify(s.guard(func() (err error) {
		if s.db, err = bbolt.Open(s.path, 0o600, o); err != nil {
			return err
		}
		s.db.AllocSize = growBy
		return checkPages(s.path)
	}))
}

// classify tells damage from what the disk or another process does.
func (s *Store) classify(err error) error {
	switch {
	case err == nil, refuses(err), errors.Is(err, ErrNewer), errors.Is(err, ErrDamaged), errors.Is(err, errForeign):
		return err
	case errors.Is(err, bolterrors.ErrTimeout):
		return ErrLocked
	case isEnvironment(err):
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// abandon closes a file that may be damaged.
func (s *Store) abandon() {
	if s.db != nil && !s.broken {
		_ = s.guard(s.db.Close) // it is of no use
	}
	s.db, s.broken = nil, false
}

// isEnvironment reports whether the disk refused, and not what is on it.
func isEnvironment(err error) bool {
	var path *os.PathError
	var call *os.SyscallError
	return errors.As(err, &path) || errors.As(err, &call)
}

// guard makes errors of the panics and memory faults that reading a damaged file causes.
// After one the file is not touched any more.
func (s *Store) guard(f func() error) (err error) {
	if s.broken {
		return ErrDamaged
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			s.broken = true
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
			if _, ok := r.(runtime.Error); ok {
				err = fmt.Errorf("%w: %w", ErrDamaged, errPages)
			}
		}
	}()
	return f()
}

// mostFormats is more than there will ever be.
const mostFormats = 1 << 16

// checkFormat fails if the file was written by a newer version.
func (s *Store) checkFormat() error {
	return s.db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		if meta == nil {
			return nil
		}
		v := meta.Get(formatKey)
		if len(v) != 4 || tx.Bucket(groupsBucket) == nil {
			return errors.New("no format")
		}
		n := binary.BigEndian.Uint32(v)
		if n == 0 || n > mostFormats {
			return fmt.Errorf("%w: a format of %d", ErrDamaged, n)
		}
		if c := readContents(meta); c != nil && c.format != n {
			return fmt.Errorf("%w: a format of %d, and it should be %d", ErrDamaged, n, c.format)
		}
		if n > Format {
			return fmt.Errorf("%w (its format is %d, this version knows up to %d)", ErrNewer, n, Format)
		}
		return nil
	})
}

// beginning is the number of the newest transaction of a file that bbolt has made and nobody has written to.
const beginning = 1

// begin checks the format, and writes it to a new file.
func (s *Store) begin() error {
	if err := s.checkFormat(); err != nil {
		return err
	}
	isNew := false
	err := s.db.View(func(tx *bbolt.Tx) error {
		if isNew = tx.Bucket(metaBucket) == nil; !isNew {
			return nil
		}
		names, ours := 0, false
		c := tx.Cursor()
		for name, _ := c.First(); name != nil; name, _ = c.Next() { // a damaged page may not find what it has
			ours = ours || bytes.Equal(name, metaBucket) || bytes.Equal(name, groupsBucket)
			names++
		}
		switch {
		case ours || names == 0 && tx.ID() > beginning:
			return fmt.Errorf("%w: it has lost its format", ErrDamaged)
		case names > 0:
			return errForeign
		}
		return nil
	})
	if err != nil || !isNew {
		return err
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucket(metaBucket)
		if err != nil {
			return err
		}
		groups, err := tx.CreateBucket(groupsBucket)
		if err != nil {
			return err
		}
		return putFormat(meta, groups)
	})
}

// writable opens the file to write if it is not.
func (s *Store) writable() error {
	if s.db != nil && s.refused == nil {
		if now, err := os.Stat(s.path); err != nil || !os.SameFile(now, s.opened) {
			return fmt.Errorf("%w: it was removed or replaced", ErrDamaged)
		}
		return nil
	}
	s.abandon()
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		s.refused = err
		return err
	}
	if s.unread {
		if _, err := moveAside(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.refused = err
			return err
		}
	}
	err := s.open()
	s.stale = true
	if s.refused = err; err != nil {
		return err
	}
	s.unread = false
	return nil
}

// SetAside moves a damaged file aside and goes on with an empty one; it returns the new name
// of the old one, empty if there is none any more. If it could not be moved, moved is false, and all is as before.
func (s *Store) SetAside() (aside string, moved bool, err error) {
	if aside, err = moveAside(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", false, err
	}
	s.abandon()
	s.slots, s.reset, s.unread = map[string]*slot{}, map[string]bool{}, false
	if err := s.open(); err != nil {
		s.refused = err
		return aside, true, fmt.Errorf("open state %s: %w", s.path, err)
	}
	return aside, true, nil
}

// keptAside is how many damaged files are kept.
const keptAside = 3

// moveAside renames a damaged file and removes the oldest ones from before.
func moveAside(path string) (string, error) {
	aside := fmt.Sprintf("%s.damaged-%d", path, time.Now().UnixNano())
	if err := os.Rename(path, aside); err != nil {
		return "", fmt.Errorf("set state aside: %w", err)
	}
	old, err := filepath.Glob(path + ".damaged-*")
	for i := 0; err == nil && i < len(old)-keptAside; i++ {
		if info, err := os.Lstat(old[i]); err == nil && info.Mode().IsRegular() {
			_ = os.Remove(old[i])
		}
	}
	return aside, nil
}

// Close closes the file. One that is broken stays open, and locked, while the process lives.
func (s *Store) Close() error {
	if s.broken || s.db == nil {
		return nil
	}
	if err := s.guard(s.db.Close); err != nil {
		return fmt.Errorf("close state: %w", err)
	}
	return nil
}

// Path returns the name of the file.
func (s *Store) Path() string { return s.path }
