package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// TestCheckPages: pages that the library has written are in order after any change: small and large values, several levels,
// buckets within buckets, and long lists of free pages. Of pages that are not, the check says so and harms nobody.
func TestCheckPages(t *testing.T) {
	path := filepath.Join(t.TempDir(), file)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r := rand.New(rand.NewPCG(7, 8))
	key := func() []byte { return binary.BigEndian.AppendUint32(nil, uint32(r.IntN(8000))) }
	for step := range 60 {
		err := db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(fmt.Appendf(nil, "%d", r.IntN(4)))
			for range r.IntN(3) {
				if err == nil {
					b, err = b.CreateBucketIfNotExists(fmt.Appendf(nil, "inner %d", r.IntN(3)))
				}
			}
			remove := r.IntN(2) == 0
			for range 1 << r.IntN(12) {
				if err == nil && remove {
					k, _ := b.Cursor().Seek(key())
					if k != nil && b.Bucket(k) == nil {
						err = b.Delete(k)
					}
				} else if err == nil {
					err = b.Put(key(), make([]byte, 1<<r.IntN(10)))
				}
			}
			if err == nil && r.IntN(4) == 0 {
				err = b.Put([]byte("large"), make([]byte, 1<<(10+r.IntN(12))))
			}
			if err == nil && r.IntN(10) == 0 {
				err = tx.DeleteBucket(fmt.Appendf(nil, "%d", r.IntN(4)))
				if errors.Is(err, bolterrors.ErrBucketNotFound) {
					err = nil
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := checkPages(path); err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := uint64(os.Getpagesize())
	found := 0
	const changes = 20_000
	for range changes {
		at := r.IntN(len(data)/int(size))*int(size) + r.IntN(64) // headers, and the first elements
		was := data[at]
		data[at] ^= 1 << r.IntN(8)
		p := &pages{data: data}
		if p.check() != nil {
			found++
		}
		data[at] = was
	}
	if err := (&pages{data: data}).check(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d changes to the beginning of a page, of %d, were found", found, changes, len(data)/int(size))
	if found < changes/20 {
		t.Error("too few were found")
	}
}
