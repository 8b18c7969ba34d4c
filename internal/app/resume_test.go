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
	whole := newKeptLanes(t, t.TempDir(), twoGroups, 1, nil)
	whole.feedTopic("p", 600)
	whole.feedTopic("q", 600)
	want := whole.out.String()
	for damaged := range 3 { // slots
		t.Run(fmt.Sprint(damaged), func(t *testing.T) {
			dir := t.TempDir()
			k := newKeptLanes(t, dir, twoGroups, 1, nil)
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
			k = newKeptLanes(t, dir, twoGroups, 1, nil)
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

// memoryFile is a file of results.
type memoryFile struct {
	data  []byte
	aside [][]byte
}

func (f *memoryFile) Write(b []byte) (int, error) { f.data = append(f.data, b...); return len(b), nil }
func (f *memoryFile) Name() string                { return "results" }
func (f *memoryFile) Sync() error                 { return nil }

func (f *memoryFile) Resume(length int64) (int64, error) {
	f.data = f.data[:min(length, int64(len(f.data)))]
	return int64(len(f.data)), nil
}

func (f *memoryFile) Tail(length int64, most int) ([]byte, error) {
	if length > int64(len(f.data)) {
		return nil, nil
	}
	return bytes.Clone(f.data[max(length-int64(most), 0):length]), nil
}

func (f *memoryFile) Aside() (string, error) {
	if len(f.data) == 0 {
		return "", nil
	}
	f.aside, f.data = append(f.aside, f.data), nil
	return "aside", nil
}

// TestResultsReplaced: a file of results that has other content than was written is moved aside, however long it is; what was
// written behind the save is cut, and a file that is shorter is gone on with.
func TestResultsReplaced(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(saved int, data []byte) []byte
		aside  bool
	}{
		{"as it was", func(_ int, data []byte) []byte { return data }, false},
		{"longer", func(_ int, data []byte) []byte { return append(data, "{}\n"...) }, false},
		{"replaced", func(_ int, data []byte) []byte { return bytes.Repeat([]byte("{\"other\":1}\n"), len(data)) }, true},
		{"replaced by as many bytes", func(saved int, data []byte) []byte { return bytes.Repeat([]byte("x"), saved) }, true},
		{"its last line replaced", func(saved int, data []byte) []byte { data[saved-2] ^= 1; return data }, true},
		{"shorter", func(saved int, data []byte) []byte { return data[:saved-10] }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, file := t.TempDir(), &memoryFile{}
			k := newKeptLanes(t, dir, twoGroups, 1, file)
			for _, to := range []int{200, 400} { // the second time it goes on within a process
				k.feedTopic("p", to)
				k.feedTopic("q", to)
			}
			k.keeper.save()
			saved := len(file.data)
			if saved < tailBytes {
				t.Fatalf("only %d bytes of results", saved)
			}
			k.feedTopic("p", 500)
			k.feedTopic("q", 500)
			if err := k.keeper.close(); err != nil {
				t.Fatal(err)
			}
			file.data = c.change(saved, bytes.Clone(file.data))
			before := bytes.Clone(file.data)
			k = newKeptLanes(t, dir, twoGroups, 1, file)
			if c.aside != (len(file.aside) == 1) || c.aside && (len(file.data) > 0 || !bytes.Equal(file.aside[0], before)) {
				t.Fatalf("%d files were moved aside, and %d bytes are left", len(file.aside), len(file.data))
			}
			if !c.aside && !bytes.Equal(file.data, before[:min(len(before), saved)]) {
				t.Errorf("it goes on with %d bytes", len(file.data))
			}
			// What it goes on with is known again.
			k.keeper.save()
			if err := k.keeper.close(); err != nil {
				t.Fatal(err)
			}
			newKeptLanes(t, dir, twoGroups, 1, file)
			if n := len(file.aside); n > 1 || n == 1 && !c.aside {
				t.Errorf("%d files were moved aside", n)
			}
		})
	}
}

// TestResultsForm: the form before is read, and says nothing of what the results end with.
func TestResultsForm(t *testing.T) {
	want := written{name: "f", length: 300, tail: 7, sum: 1 << 31}
	for form, want := range map[string]written{
		string(appendResults(nil, want)) + "waits": want,
		"\x01\x01f\xd8\x04waits":                   {name: "f", length: 300},
	} {
		got, waiting, err := readResults([]byte(form))
		if err != nil || got != want || string(waiting) != "waits" {
			t.Errorf("%q: %+v, %q, %v, want %+v", form, got, waiting, err, want)
		}
	}
	if _, _, err := readResults(append([]byte{resultsVersion + 1}, "\x01f\x00\x00\x00"...)); err == nil {
		t.Error("a form to come is read")
	}
}
