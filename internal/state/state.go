// Package state keeps what must survive the process: of each group its snapshots, and the
// entries that belong to them, in one file (bbolt).
//
// A save is one transaction. A snapshot goes to one of two slots in turn, entries are
// written once and never changed. All values carry a CRC-32C, because the file's own checks
// cover its two meta pages only, and a slot knows the number and the sum of its entries,
// so that none can be missing, or too many, without notice. What is damaged is never loaded: the older
// slot takes the place of the newer one, and a file that cannot be read is
// moved aside. The package knows nothing of what it keeps.
package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Format is the version of the file's form.
const Format = 1

// file is the name of the store in its folder.
const file = "streammon.state"

var (
	// ErrLocked is the failure of opening a store that another process has open.
	ErrLocked = errors.New("another process uses it")
	// ErrNewer is the failure of opening a store of a format to come.
	ErrNewer = errors.New("it was written by a newer version")
	// ErrDamaged is the failure of loading a group of which no slot is whole.
	ErrDamaged = errors.New("damaged")
	// ErrNone is the failure of loading a group that was never saved.
	ErrNone = errors.New("nothing was saved")
)

var (
	metaBucket   = []byte("meta")
	groupsBucket = []byte("groups")
	entryBucket  = []byte("entries")
	formatKey    = []byte("format")
	buildKey     = []byte("build")
	slotKeys     = [2][]byte{[]byte("slot0"), []byte("slot1")}
	castagnoli   = crc32.MakeTable(crc32.Castagnoli)
)

// Store is an open file. Its methods may be called by any goroutine; Save by one at a time.
type Store struct {
	db    *bbolt.DB
	path  string
	build string
	slots map[string]*slot // the newest of each group, once it was loaded or saved
	// broken: the library panicked on damage, and may hold its locks for ever.
	broken bool
}

// Open opens the store in a folder, which it makes if need be. A file that is damaged is
// moved aside, and its new name returned; the store is then empty.
func Open(dir, build string) (s *Store, aside string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, "", fmt.Errorf("open state: %w", err)
	}
	path := filepath.Join(dir, file)
	for range 2 {
		s, err = open(path, build)
		if err == nil || !errors.Is(err, ErrDamaged) {
			break
		}
		to := asideName(path)
		if renamed := os.Rename(path, to); renamed != nil {
			err = errors.Join(err, renamed)
			break
		}
		aside = to
	}
	if err != nil {
		return nil, aside, fmt.Errorf("open state %s: %w", path, err)
	}
	return s, aside, nil
}

func open(path, build string) (s *Store, err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: it is no file", ErrDamaged)
	}
	s = &Store{path: path, build: build, slots: map[string]*slot{}}
	err = s.guard(func() (err error) {
		s.db, err = bbolt.Open(path, 0o644, &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType})
		return err
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, ErrLocked
	case errors.Is(err, os.ErrPermission):
		return nil, err
	case isEnvironment(err):
		return nil, err
	case err != nil:
		s.abandon()
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err := s.guard(s.begin); err != nil {
		s.abandon()
		if errors.Is(err, ErrNewer) || isEnvironment(err) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return s, nil
}

// abandon closes a file that may be damaged.
func (s *Store) abandon() {
	if s.db != nil && !s.broken {
		_ = s.guard(s.db.Close) // it is set aside
	}
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
		}
	}()
	return f()
}

// begin checks the format, and writes it to a new file.
func (s *Store) begin() error {
	newer := false
	err := s.db.View(func(tx *bbolt.Tx) error {
		if meta := tx.Bucket(metaBucket); meta != nil {
			v := meta.Get(formatKey)
			if len(v) != 4 {
				return errors.New("no format")
			}
			newer = binary.BigEndian.Uint32(v) > Format
		}
		return nil
	})
	if err != nil || newer {
		return errors.Join(err, map[bool]error{true: ErrNewer}[newer])
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucketIfNotExists(metaBucket)
		if err != nil {
			return err
		}
		if _, err := tx.CreateBucketIfNotExists(groupsBucket); err != nil {
			return err
		}
		return errors.Join(meta.Put(formatKey, binary.BigEndian.AppendUint32(nil, Format)), meta.Put(buildKey, []byte(s.build)))
	})
}

// SetAside moves a damaged file aside and goes on with an empty one; it returns the new name
// of the old one.
func (s *Store) SetAside() (aside string, err error) {
	aside = asideName(s.path)
	if err := os.Rename(s.path, aside); err != nil {
		return "", fmt.Errorf("set state aside: %w", err)
	}
	s.abandon()
	next, err := open(s.path, s.build)
	if err != nil {
		return aside, fmt.Errorf("open state %s: %w", s.path, err)
	}
	*s = *next
	return aside, nil
}

func asideName(path string) string { return fmt.Sprintf("%s.damaged-%d", path, time.Now().UnixNano()) }

// Close closes the file. One that is broken stays open, and locked, while the process lives.
func (s *Store) Close() error {
	if s.broken {
		return nil
	}
	if err := s.guard(s.db.Close); err != nil {
		return fmt.Errorf("close state: %w", err)
	}
	return nil
}

// Path returns the name of the file.
func (s *Store) Path() string { return s.path }
