package join

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files that are missing")

// goldenTable has full chunks with one, two and more labels of a byte and with hashes, payloads of one length and of several,
// an open chunk, and labels that wait.
func goldenTable() *Table {
	c := usual
	c.rows, c.MaxRows = 8, 70
	table, f := New(c), &teller{}
	id := func(i int) uint64 {
		if i/8 == 3 {
			return mix(1000 + i)
		}
		return mix(i / 3 * 2)
	}
	for i := range 84 {
		payload := answer(i)
		if i > 40 {
			payload = payload[:i%9]
		}
		table.Predict(id(i), int64(1000+i-i%4)*second, fmt.Appendf(nil, "v%d", i/10), payload)
	}
	for i := range 84 {
		label := [][]byte{{1}, {byte(i % 2)}, {byte(i)}, {byte(i), 0}}[i/21]
		if i%5 > 0 && i < 80 || i/8 == 3 {
			table.Await(id(i), int64(1100+i/3)*second, label)
		}
		table.Await(mix(i), int64(1130+i)*second, label)
	}
	table.Await(1, 5*second, nil)
	table.Seal(1160*second, f)
	table.Await(1, 5*second, nil)
	return table
}

// form is a state with its entries.
func form(table *Table) []byte {
	b := table.Freeze().AppendBinary(nil)
	b = append(binary.AppendUvarint(nil, uint64(len(b))), b...)
	for _, e := range table.TakeEntries(true) {
		content := e.AppendBinary(nil)
		b = binary.AppendVarint(b, e.Number)
		b = append(binary.AppendUvarint(b, uint64(len(content))), content...)
	}
	return b
}

// readForm reads what form made; ok: it can be taken apart.
func readForm(c Config, b []byte) (table *Table, ok bool, err error) {
	block := func() []byte {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			ok, b = false, nil
			return nil
		}
		content := b[n : n+int(size)]
		b = b[n+int(size):]
		return content
	}
	ok = true
	state := block()
	var entries []Stored
	for len(b) > 0 {
		number, n := binary.Varint(b)
		if n <= 0 {
			return nil, false, nil
		}
		b = b[n:]
		entries = append(entries, Stored{number, block()})
	}
	if !ok {
		return nil, false, nil
	}
	table, err = Read(c, state, entries)
	return table, true, err
}

func TestGolden(t *testing.T) {
	table := goldenTable()
	modes := map[string]bool{}
	for _, c := range table.chunks {
		mode := fmt.Sprint("open ", !c.full)
		modes[mode] = true
		if c.size == variable {
			modes["variable"] = true
		}
		switch m := c.matches; {
		case m == nil:
			modes["no matches"] = true
		case m.hashes != nil:
			modes["hashes"] = true
		default:
			modes[fmt.Sprint("labels ", len(m.different()))] = true
			modes[fmt.Sprint("all ", m.n == c.n)] = true
		}
	}
	if len(modes) != 10 {
		t.Errorf("the golden table has only %v", modes)
	}
	got := form(table)
	path := filepath.Join("testdata", fmt.Sprintf("join-%d.golden", stateVersion))
	want, err := os.ReadFile(path)
	if os.IsNotExist(err) && *update {
		err = os.WriteFile(path, got, 0o600)
		want = got
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("the form is not the golden one")
	}
	again, ok, err := readForm(table.config, want)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if !bytes.Equal(form(again), want) {
		t.Error("what was read has another form")
	}
	var before, after teller
	table.Seal(5000*second, &before)
	again.Seal(5000*second, &after)
	if !slices.Equal(before.told, after.told) || len(before.told) < 50 {
		t.Errorf("told\n%q\nrestored\n%q", before.told, after.told)
	}
}

// TestDamaged: no damage makes a reader panic, or allocate much more than there are bytes.
func TestDamaged(t *testing.T) {
	table := goldenTable()
	c, good := table.config, form(table)
	const most = 1 << 20
	read := func(b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		again, _, err := readForm(c, b)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > most {
			t.Fatalf("%d bytes allocated for %d", n, len(b))
		}
		if err == nil && again != nil {
			again.Seal(maxTime, &teller{})
		}
	}
	for i := range good {
		read(good[:i])
		for _, x := range []byte{1, 0x80, 0xff} {
			b := bytes.Clone(good)
			b[i] ^= x
			read(b)
		}
	}
	state, entries := table.Freeze().AppendBinary(nil), stored(table)
	for what, damage := range map[string]func() ([]byte, []Stored){
		"version":      func() ([]byte, []Stored) { return append([]byte{9}, state[1:]...), entries },
		"bytes follow": func() ([]byte, []Stored) { return append(bytes.Clone(state), 0), entries },
		"no chunk":     func() ([]byte, []Stored) { return state, entries[1:] },
		"chunk 3: 1 bytes follow": func() ([]byte, []Stored) {
			e := slices.Clone(entries)
			i := slices.IndexFunc(e, func(e Stored) bool { return e.Number == 3 })
			e[i].Content = append(bytes.Clone(e[i].Content), 0)
			return state, e
		},
	} {
		state, entries := damage()
		if _, err := Read(c, state, entries); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// A chunk that says that it has 4,096 payloads of 40 kB.
	huge := binary.AppendUvarint([]byte{chunkVersion, 1, 1, 'k'}, chunkRows)
	huge = binary.AppendUvarint(append(huge, 0), 40_000)
	huge = append(huge, make([]byte, 10*chunkRows)...)
	empty := New(c)
	empty.begin(0).add(1, 1, 0, nil)
	empty.open.keys = []*Key{{}}
	empty.close()
	empty.next = 1
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Read(c, empty.Freeze().AppendBinary(nil), []Stored{{0, huge}})
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; err == nil || n > most {
		t.Errorf("%d bytes allocated, %v", n, err)
	}
}

// FuzzRead checks that no bytes make Read panic, that what it accepts has one form, and that it can go on.
func FuzzRead(f *testing.F) {
	table := goldenTable()
	config := table.config
	f.Add(form(table))
	f.Add(form(New(config)))
	small := New(config)
	for i := range 9 {
		small.Predict(uint64(i), second, []byte("k"), []byte{1})
	}
	small.Await(1, 2*second, []byte{1})
	small.Seal(10*second, &teller{})
	small.Await(1, 12*second, []byte{2})
	f.Add(form(small))
	f.Fuzz(func(t *testing.T, b []byte) {
		table, ok, err := readForm(config, b)
		if !ok || err != nil {
			return
		}
		first := form(table)
		again, ok, err := readForm(config, first)
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		if !bytes.Equal(form(again), first) {
			t.Fatal("two forms")
		}
		var told, toldAgain teller
		for i := range 20 {
			for _, x := range []*Table{table, again} {
				x.Predict(mix(i), max(x.sealed, 0)+int64(i), []byte{byte(i)}, make([]byte, i%3))
				x.Await(mix(i), max(x.sealed, 0)+int64(i), make([]byte, i%3))
			}
		}
		end := min(max(table.sealed, 0), maxTime) + 1000*second
		table.Preview(end, &told)
		again.Preview(end, &toldAgain)
		table.Seal(end, &told)
		again.Seal(end, &toldAgain)
		if !slices.Equal(told.told, toldAgain.told) {
			t.Fatalf("told\n%q\nand\n%q", told.told, toldAgain.told)
		}
	})
}
