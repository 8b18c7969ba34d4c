package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// saved makes a store that holds a group, and closes it.
func saved(t *testing.T) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	s := mustOpen(t, dir)
	if err := s.Save([]Fresh{fresh("g", "good")}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, s.Path()
}

// TestUnreadable: a state that is there and cannot be read for the moment is refused, not replaced.
func TestUnreadable(t *testing.T) {
	dir, path := saved(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	few := limit
	few.Cur = 0 // no file can be opened
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	_, _, refused := Open(dir, "test")
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(refused, syscall.EMFILE) {
		t.Fatalf("open: %v", refused)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was touched: %v", err)
	}
}

// TestAppearsLater: a state that was not there at the start, as on a disk that was not mounted, is kept.
func TestAppearsLater(t *testing.T) {
	dir, path := saved(t)
	s := &Store{path: path, slots: map[string]*slot{}, refused: syscall.EROFS, unread: true}
	if err := s.Save([]Fresh{fresh("h", "new")}, time.Now()); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	kept, err := filepath.Glob(path + ".damaged-*")
	if err != nil || len(kept) != 1 {
		t.Fatalf("%v, %v", kept, err)
	}
	if err := os.Rename(kept[0], filepath.Join(dir, "old")); err != nil {
		t.Fatal(err)
	}
	old := t.TempDir()
	if err := os.Rename(filepath.Join(dir, "old"), filepath.Join(old, file)); err != nil {
		t.Fatal(err)
	}
	o := mustOpen(t, old)
	defer o.Close()
	if l, err := load1(o, "g"); err != nil || string(l.State) != "good" {
		t.Errorf("%v, %v", l, err)
	}
}

// TestRemovedWhileOpen: a save into a file that has no name any more does not count.
func TestRemovedWhileOpen(t *testing.T) {
	for name, replace := range map[string]func(path string) error{
		"removed":  os.Remove,
		"replaced": func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, []byte("x"), 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := mustOpen(t, dir)
			save := func() error { return s.Save([]Fresh{fresh("g", "good")}, time.Now()) }
			if err := errors.Join(save(), replace(s.Path())); err != nil {
				t.Fatal(err)
			}
			if err := save(); !errors.Is(err, ErrDamaged) {
				t.Fatalf("a save: %v", err)
			}
			if aside, moved, err := s.SetAside(); err != nil || !moved || (aside == "") != (name == "removed") {
				t.Fatalf("%q %v %v", aside, moved, err)
			}
			if err := errors.Join(save(), s.Close()); err != nil {
				t.Fatal(err)
			}
			again := mustOpen(t, dir)
			defer again.Close()
			if _, err := load1(again, "g"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestImplausibleFormat is damage, not a version to come.
func TestImplausibleFormat(t *testing.T) {
	for _, format := range []uint32{0, 1 << 31, 1<<20 | 1} {
		dir, path := saved(t)
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			return tx.Bucket(metaBucket).Put(formatKey, binary.BigEndian.AppendUint32(nil, format))
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := Inspect(dir); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d: %v", format, err)
		}
		s, aside, err := Open(dir, "test")
		if err != nil || aside == "" {
			t.Fatalf("%d: %q, %v", format, aside, err)
		}
		s.Close()
	}
}

// TestForeignFile is neither written to nor moved.
func TestForeignFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, file)
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(dir, "test"); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("open: %v", err)
	}
	if kept, err := filepath.Glob(path + "*"); err != nil || len(kept) != 1 {
		t.Errorf("%v, %v", kept, err)
	}
}

func TestInspectEmpty(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, file), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Inspect(dir); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "empty") {
		t.Errorf("%v", err)
	}
}

// TestLostGroup: a group that is gone, or is no group any more, is damaged, not one that was never saved; and the next save has
// its place. A file whose root is lost is damaged, not new.
func TestLostGroup(t *testing.T) {
	for name, change := range map[string]func(tx *bbolt.Tx) error{
		"gone": func(tx *bbolt.Tx) error { return tx.Bucket(groupsBucket).DeleteBucket([]byte("g")) },
		"no group": func(tx *bbolt.Tx) error {
			return errors.Join(tx.Bucket(groupsBucket).DeleteBucket([]byte("g")), tx.Bucket(groupsBucket).Put([]byte("g"), []byte("x")))
		},
		"all gone": func(tx *bbolt.Tx) error {
			return errors.Join(tx.DeleteBucket(groupsBucket), tx.DeleteBucket(metaBucket))
		},
		"format gone": func(tx *bbolt.Tx) error { return tx.DeleteBucket(metaBucket) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, path := saved(t)
			db, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.Update(change), db.Close()); err != nil {
				t.Fatal(err)
			}
			s, aside, err := Open(dir, "test")
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(name, "gone") && name != "gone" {
				if aside == "" {
					t.Error("it counts as a new file")
				}
				_ = s.Close()
				return
			}
			if _, err := load1(s, "g"); !errors.Is(err, ErrDamaged) {
				t.Errorf("loaded: %v", err)
			}
			s.Reset("g")
			next := []Fresh{fresh("g", "next")}
			if err := s.Save(next, time.Now()); err != nil {
				if !errors.Is(err, ErrDamaged) {
					t.Fatal(err)
				}
				setAside(t, name, s)
				if err := s.Save(next, time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = mustOpen(t, dir)
			defer s.Close()
			if l, err := load1(s, "g"); err != nil || string(l.State) != "next" {
				t.Error(l, err)
			}
		})
	}
}

// TestSwappedSlots: each snapshot is whole, but in the place of the other.
func TestSwappedSlots(t *testing.T) {
	dir, path := saved(t)
	s := mustOpen(t, dir)
	if _, err := load1(s, "g"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Save([]Fresh{fresh("g", "better")}, time.Now()), s.Close()); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(groupsBucket).Bucket([]byte("g"))
		zero, one := bytes.Clone(b.Get(slotKeys[0])), bytes.Clone(b.Get(slotKeys[1]))
		return errors.Join(b.Put(slotKeys[0], one), b.Put(slotKeys[1], zero))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir)
	defer s.Close()
	if l, err := load1(s, "g"); !errors.Is(err, ErrDamaged) {
		t.Errorf("loaded %v, %v", l, err)
	}
}
