package app

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// damageBits flips so many bits of the state that is in data, in a new folder.
func damageBits(t *testing.T, data []byte, seed, bits int) string {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(uint64(seed), uint64(bits)))
	b := bytes.Clone(data)
	for range bits {
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	}
	if err := os.WriteFile(filepath.Join(dir, "streammon.state"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// linesOf returns the lines of results that are of a model.
func linesOf(results []byte, model string) string {
	var out strings.Builder
	for line := range strings.Lines(string(results)) {
		if strings.Contains(line, fmt.Sprintf(`"model":%q`, model)) {
			out.WriteString(line)
		}
	}
	return out.String()
}

// savedOften makes a state of two groups, with results.
func savedOften(t *testing.T) (k *kept, dir string, results *memoryFile) {
	t.Helper()
	dir, results = t.TempDir(), &memoryFile{}
	k = newKeptLanes(t, dir, twoGroups, 1, results)
	for to := 50; to <= 400; to += 50 {
		k.feedTopic("p", to)
		k.feedTopic("q", to)
		k.keeper.save()
	}
	return k, dir, results
}

// undamaged are the results of a run without damage.
func undamaged(t *testing.T) *memoryFile {
	t.Helper()
	whole := &memoryFile{}
	k := newKeptLanes(t, t.TempDir(), twoGroups, 1, whole)
	k.feedTopic("p", 600)
	k.feedTopic("q", 600)
	return whole
}

// TestGoesOnFromDamagedFile: whatever bits of the state are flipped, the program goes on from what is whole, what begins anew is
// said and counted, the next save has all, and the windows are those of a run without damage.
func TestGoesOnFromDamagedFile(t *testing.T) {
	whole := undamaged(t)
	k, dir, written := savedOften(t)
	if err := k.keeper.close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "streammon.state"))
	if err != nil {
		t.Fatal(err)
	}
	some, all := 0, 0
	for _, bits := range []int{1, 10, 30, 100, 300} {
		for seed := range 20 {
			what := fmt.Sprintf("%d bits, seed %d", bits, seed)
			dir, file := damageBits(t, data, seed, bits), &memoryFile{data: bytes.Clone(written.data)}
			k := newKeptLanes(t, dir, twoGroups, 1, file)
			forgotten := k.keeper.forgotten()
			switch {
			case len(k.keeper.begunAnew) > 0:
				some++
			case forgotten:
				all++
			}
			if n := k.keeper.snapshot().Resets[resetDamaged]; forgotten && n == 0 {
				t.Errorf("%s: it is not counted that something began anew", what)
			}
			for i, to := range []int{500, 550} {
				k.feedTopic("p", to)
				k.feedTopic("q", to)
				k.keeper.save()
				if s := k.keeper.snapshot(); s.Saves != uint64(i+1) || s.Error != "" {
					t.Fatalf("%s: %d saves, want %d; %s", what, s.Saves, i+1, s.Error)
				}
			}
			if err := k.keeper.close(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			again := newKeptLanes(t, dir, twoGroups, 1, file)
			if n := again.keeper.snapshot().Resets[resetDamaged]; n > 0 || again.keeper.forgotten() {
				t.Errorf("%s: what was saved afterwards is damaged", what)
			}
			again.feedTopic("p", 600)
			again.feedTopic("q", 600)
			for _, model := range []string{"a", "b"} {
				got, want := linesOf(file.data, model), linesOf(whole.data, model)
				apart := len(k.keeper.begunAnew) > 0 && !k.keeper.begunAnew[model] // what it had is in the file that was moved aside
				if got != want && !apart || !strings.HasSuffix(want, got) || got == "" {
					t.Errorf("%s: %d bytes of results of %s, want %d", what, len(got), model, len(want))
				}
			}
			if err := again.keeper.close(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	t.Logf("of 100 damages %d made a group begin anew, %d all", some, all)
	if some < 10 || all < 10 {
		t.Error("a kind of damage was not met")
	}
}

// TestDamagedWhileOpen: a save that meets damage goes to another file at once, and has all that was in the one before.
func TestDamagedWhileOpen(t *testing.T) {
	whole := undamaged(t)
	k, dir, file := savedOften(t)
	name := filepath.Join(dir, "streammon.state")
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(make([]byte, info.Size()), 0)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	k.feedTopic("p", 450)
	k.feedTopic("q", 450)
	before := k.keeper.snapshot()
	k.keeper.save()
	if s := k.keeper.snapshot(); s.Saves != before.Saves+1 || s.Failures != 1 || s.Error != "" || s.Resets[resetDamaged] != 1 {
		t.Errorf("after damage: %+v", s)
	}
	_ = k.keeper.close() // it is of no use
	k = newKeptLanes(t, dir, twoGroups, 1, file)
	if k.keeper.forgotten() {
		t.Error("something begins anew")
	}
	k.feedTopic("p", 600)
	k.feedTopic("q", 600)
	if !bytes.Equal(file.data, whole.data) {
		t.Errorf("%d bytes of results, want %d", len(file.data), len(whole.data))
	}
}
