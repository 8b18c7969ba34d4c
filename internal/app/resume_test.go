package app

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/streammon/streammon/internal/pipeline"
)

// twoGroups is the config of two groups: results of the one wait for the other.
const twoGroups = `kafka: {brokers: ["localhost:1"]}
windows: [1m]
models:
  - {name: a, topics: {predictions: p}, features: {amount: numeric}}
  - {name: b, topics: {predictions: q}, features: {amount: numeric}}
`

// feedTopic gives the topic's events from where it is up to number to, one a second.
func (k *kept) feedTopic(name string, to int) {
	k.t.Helper()
	p, err := k.partition(name, 0)
	if err != nil {
		k.t.Fatal(err)
	}
	from := max(int(p.intake.Offsets().Next), 0)
	p.intake.Arrive(pipeline.Arrival{Log: [16]byte{1}, First: int64(from)})
	for i := from; i < to; i++ {
		text := fmt.Sprintf(`{"id":"e%d","time":%d,"features":{"amount":%d.5}}`, i, keptNow.Add(time.Duration(i-600)*time.Second).Unix(), i%90)
		p.intake.Take([]pipeline.Message{{Value: []byte(text)}}, int64(i+1))
	}
	if err := p.lane.Deliver(pipeline.Progress{Records: to - from, CaughtUp: true, Now: keptNow}); err != nil {
		k.t.Fatal(err)
	}
}

// TestResultsEntryDamaged: if of how far the results were no save is whole, all begins anew, so that no line is
// lost that waited for another group; if one is, all go on from there.
func TestResultsEntryDamaged(t *testing.T) {
	whole := newKeptLanes(t, t.TempDir(), twoGroups, 1)
	whole.feedTopic("p", 600)
	whole.feedTopic("q", 600)
	want := whole.out.String()
	for damaged := range 3 { // slots
		t.Run(fmt.Sprint(damaged), func(t *testing.T) {
			dir := t.TempDir()
			k := newKeptLanes(t, dir, twoGroups, 1)
			k.feedTopic("p", 300)
			k.feedTopic("q", 100)
			k.keeper.save()
			first := k.out.String()
			k.feedTopic("p", 500)
			k.feedTopic("q", 150)
			k.keeper.save()
			second := k.out.String()
			if len(first) == 0 || len(second) <= len(first) {
				t.Fatal("no results were written before the saves")
			}
			if err := k.keeper.close(); err != nil {
				t.Fatal(err)
			}
			damageGroup(t, dir, resultsName, damaged)
			written := []string{second, first, ""}[damaged] // that are kept
			k = newKeptLanes(t, dir, twoGroups, 1)
			k.feedTopic("p", 600)
			k.feedTopic("q", 600)
			if got := written + k.out.String(); got != want {
				t.Errorf("%d bytes of results, want %d", len(got), len(want))
			}
			if n := k.keeper.snapshot().Resets[resetDamaged]; n > 0 != (damaged > 0) {
				t.Errorf("%d resets", n)
			}
		})
	}
}

// damageGroup flips a bit in the newest slots of a group in the file of the state.
func damageGroup(t *testing.T, dir, name string, slots int) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, "streammon.state"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("groups")).Bucket([]byte(name))
		for _, key := range [][]byte{[]byte("slot0"), []byte("slot1")}[:slots] { // the second save is in slot 0
			value := bytes.Clone(b.Get(key))
			value[len(value)-1] ^= 1
			if err := b.Put(key, value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
