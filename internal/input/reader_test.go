package input

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"
)

// fataler is a test, or a check of rapid's.
type fataler interface {
	Helper()
	Fatal(...any)
}

// row of the tables that are written in all forms. Nil is missing.
type row struct {
	ID     string   `parquet:"id" json:"id"`
	Time   string   `parquet:"time" json:"time"`
	Amount *float64 `parquet:"amount,optional" json:"amount,omitempty"`
	Count  *int64   `parquet:"count,optional" json:"count,omitempty"`
	Shop   *string  `parquet:"shop,optional" json:"shop,omitempty"`
}

var columns = []string{"id", "time", "amount", "count", "shop"}

func drawRows(t *rapid.T) []row {
	text := rapid.OneOf(rapid.SampledFrom([]string{"a", `say "x"`, "a,b", "two\nlines", "tab\tbed", "Zürich", "{}", "日本"}), rapid.StringN(1, 20, 40))
	n := rapid.IntRange(1, 30).Draw(t, "rows")
	rows := make([]row, n)
	for i := range rows {
		rows[i] = row{ID: fmt.Sprintf("r%d", i), Time: time.Unix(int64(i), 0).UTC().Format(time.RFC3339)}
		if rapid.Bool().Draw(t, "has amount") {
			x := rapid.Float64().Draw(t, "amount")
			rows[i].Amount = &x
		}
		if rapid.Bool().Draw(t, "has count") {
			x := rapid.Int64().Draw(t, "count")
			rows[i].Count = &x
		}
		if rapid.Bool().Draw(t, "has shop") {
			// CSV readers take \r\n for \n, and quote nothing else.
			x := strings.ReplaceAll(text.Draw(t, "shop"), "\r", "")
			if x != "" {
				rows[i].Shop = &x
			}
		}
	}
	return rows
}

// cells are a row as CSV has it, and as its JSON has: all texts.
func (r *row) cells() []string {
	out := []string{r.ID, r.Time, "", "", ""}
	if r.Amount != nil {
		out[2] = fmt.Sprint(*r.Amount)
	}
	if r.Count != nil {
		out[3] = fmt.Sprint(*r.Count)
	}
	if r.Shop != nil {
		out[4] = *r.Shop
	}
	return out
}

func encode(t fataler, rows []row, form string) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch form {
	case "jsonl":
		e := json.NewEncoder(&b)
		for i := range rows {
			err = errors.Join(err, e.Encode(&rows[i]))
		}
	case "csv", "tsv":
		w := csv.NewWriter(&b)
		if form == "tsv" {
			w.Comma = '\t'
		}
		err = w.Write(columns)
		for i := range rows {
			err = errors.Join(err, w.Write(rows[i].cells()))
		}
		w.Flush()
	case "parquet":
		w := parquet.NewGenericWriter[row](&b, parquet.MaxRowsPerRowGroup(7))
		_, err = w.Write(rows)
		err = errors.Join(err, w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func compress(t fataler, data []byte, how string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch how {
	case ".gz":
		w = gzip.NewWriter(&b)
	case ".zst":
		w, _ = zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	default:
		return data
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readAll returns the values of all rows.
func readAll(name string, o Options) (values []string, err error) {
	r, err := Open(name, o)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	last := int64(0)
	for {
		record, err := r.Next()
		if err == io.EOF {
			return values, nil
		}
		if err != nil {
			return values, err
		}
		if record.Line <= last {
			return values, fmt.Errorf("row %d begins at line %d, the one before at %d", len(values), record.Line, last)
		}
		last = record.Line
		values = append(values, string(record.Value))
	}
}

// object reads a value; numbers become their texts, as CSV has them.
func object(t fataler, value string) map[string]string {
	t.Helper()
	var m map[string]any
	d := json.NewDecoder(strings.NewReader(value))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		t.Fatal(fmt.Errorf("%w: %s", err, value))
	}
	out := map[string]string{}
	for k, v := range m {
		out[k] = fmt.Sprint(v)
		if n, ok := v.(json.Number); ok && k == "amount" {
			x, _ := n.Float64()
			out[k] = fmt.Sprint(x)
		}
	}
	return out
}

// TestOneTableInAllForms: whatever the form and compression, and whether it is a file or
// standard input, the rows are the same.
func TestOneTableInAllForms(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t)
		want := make([]map[string]string, len(rows))
		for i := range rows {
			want[i] = map[string]string{}
			for k, cell := range rows[i].cells() {
				if cell != "" {
					want[i][columns[k]] = cell
				}
			}
		}
		for _, form := range []string{"jsonl", "csv", "tsv", "parquet"} {
			plain := encode(t, rows, form)
			for _, how := range []string{"", ".gz", ".zst"} {
				data := compress(t, plain, how)
				name := filepath.Join(dir, "rows."+form+how)
				if err := os.WriteFile(name, data, 0o600); err != nil {
					t.Fatal(err)
				}
				checkRows(t, name, Options{}, want)
				checkRows(t, "-", Options{Stdin: bytes.NewReader(data)}, want)
			}
		}
	})
}

func checkRows(t *rapid.T, name string, o Options, want []map[string]string) {
	t.Helper()
	values, err := readAll(name, o)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	got := make([]map[string]string, len(values))
	for i, v := range values {
		got[i] = object(t, v)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%s (-want +got):\n%s", name, d)
	}
}

// TestBrokenRows: each broken row is one message that is no JSON; those around it are read.
func TestBrokenRows(t *testing.T) {
	for _, c := range []struct{ name, form, text, want string }{
		{"short", "csv", "a,b\n1\n2,3\n", `csv: 1 cells, the header has 2|{"a":"2","b":"3"}`},
		{"long", "csv", "a,b\n1,2,3\n2,3\n", `csv: 3 cells, the header has 2|{"a":"2","b":"3"}`},
		{"bare quote", "csv", "a,b\nx\"y,1\n2,3\n", "csv: a quote inside of a cell without quotes|" + `{"a":"2","b":"3"}`},
		{"open quote", "csv", "a,b\n1,2\n\"x,1\n2,3\n", `{"a":"1","b":"2"}|csv: a quote that is not closed|{"a":"2","b":"3"}`},
		{"stray quote", "csv", "a,b\n\"x,1\n2,\"3\"\n4,5\n", `csv: text behind a closing quote|{"a":"2","b":"3"}|{"a":"4","b":"5"}`},
		{"no end of line", "csv", "a,b\n1,2", `{"a":"1","b":"2"}`},
		{"windows", "csv", "\ufeffa,b\r\n1,\"2\r\n3\"\r\n", `{"a":"1","b":"2\u000a3"}`},
		{"empty cells", "csv", "a,b,c\n,\"\",x\n,,\n", `{"c":"x"}|{}`},
		{"header only", "csv", "a,b\n", ""},
		{"blank lines", "csv", "a,b\n\n\n1,2\n\n", `{"a":"1","b":"2"}`},
		{"quotes in tsv", "tsv", "a\tb\n1\t\"x\ty\"\n", `{"a":"1","b":"x\u0009y"}`},
		{"empty table", "csv", "", ""},
		{"byte order mark", "jsonl", "\ufeff{}\n", "{}"},
		{"json lines", "jsonl", "{}\n\nrubbish\r\n[1]\n\x00\n{\"a\":1}", "{}|rubbish|[1]|\x00|" + `{"a":1}`},
		{"empty", "jsonl", "", ""},
		{"invalid utf-8", "csv", "a\n\xff\n", "{\"a\":\"\xff\"}"},
	} {
		name := filepath.Join(t.TempDir(), "f."+c.form)
		if err := os.WriteFile(name, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readAll(name, Options{})
		if err != nil || strings.Join(got, "|") != c.want {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
}

// TestCSVAsEncodingCSV: whatever encoding/csv reads without an error has the same cells.
func TestCSVAsEncodingCSV(t *testing.T) {
	whole := 0
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune{'a', 'é', ',', '"', '"', '\n', '\r', ' '}), 0, 40, -1).Draw(t, "text")
		r := csv.NewReader(strings.NewReader(text))
		r.FieldsPerRecord = -1
		want, err := r.ReadAll()
		if err != nil {
			return
		}
		whole++
		c := cells{r: bufio.NewReader(iotest.OneByteReader(strings.NewReader(text))), delimiter: ',', longest: 1000}
		for i := 0; ; i++ {
			row, _, err := c.next()
			if err == io.EOF && i == len(want) {
				return
			}
			if err != nil || i >= len(want) {
				t.Fatalf("%q: row %d: %q, %v, want %q", text, i, row, err, want)
			}
			var got []string
			for _, cell := range row {
				got = append(got, string(cell))
			}
			if !slices.Equal(got, want[i]) {
				t.Fatalf("%q: row %d is %q, want %q", text, i, got, want[i])
			}
		}
	})
	if whole < 20 && !testing.Short() { // then rapid checks a fifth
		t.Errorf("only %d texts were CSV", whole)
	}
}

// TestLongCSVRow: a row beyond the limit is one broken row, with bounded memory.
func TestLongCSVRow(t *testing.T) {
	text := "a,b\n1,\"" + strings.Repeat("x", 3_000_000) + "\n2,3\n"
	values, err := readAll("-", Options{Stdin: strings.NewReader(text), Format: CSV, MaxLine: 1000})
	want := []string{"csv: a row of more than 1000 bytes", `{"a":"2","b":"3"}`}
	if d := cmp.Diff(want, values); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
}

// TestLongLines: a line beyond the limit is cut, so that it is counted as too large, and
// the next one is whole.
func TestLongLines(t *testing.T) {
	text := strings.Repeat("x", 300_000) + "\n{}\n" + strings.Repeat("y", 100) + "\n"
	got, err := readAll("-", Options{Stdin: strings.NewReader(text), MaxLine: 1000})
	if err != nil || len(got) != 3 || got[0] != strings.Repeat("x", 1000) || got[1] != "{}" || len(got[2]) != 100 {
		t.Errorf("%d rows, %v", len(got), err)
	}
}

// TestBrokenFiles: the error names the file and the cause, and what came before it was read.
func TestBrokenFiles(t *testing.T) {
	dir := t.TempDir()
	rows := make([]row, 20_000)
	for i := range rows {
		rows[i] = row{ID: fmt.Sprintf("%x", sha256.Sum256([]byte{byte(i), byte(i >> 8)})), Time: "t"}
	}
	write := func(name string, data []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	cut := func(form, how string) []byte {
		b := compress(t, encode(t, rows, form), how)
		return b[:len(b)-len(b)/3]
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
		some bool
	}{
		{"cut.jsonl.gz", cut("jsonl", ".gz"), "unexpected EOF", true},
		{"cut.csv.zst", cut("csv", ".zst"), "unexpected EOF", true},
		{"cut.parquet", cut("parquet", ""), "magic", false},
		{"short.parquet", []byte("PAR1"), "too short", false},
		{"huge-footer.parquet", []byte("PAR1....\xff\xff\xff\xffPAR1"), "a footer of 4294967295 bytes in a file of 16", false},
		{"lies.parquet", []byte("id,time\n1,2\n"), "magic", false},
		{"twice.csv", []byte("a,a\n"), `column "a" appears twice`, false},
		{"unnamed.csv", []byte("a,\n"), "column 2 has no name", false},
		{"what.txt", []byte("a\n"), "its ending is none of", false},
	} {
		name := write(c.name, c.data)
		got, err := readAll(name, Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), name) || (len(got) > 0) != c.some {
			t.Errorf("%s: %d rows, %v", c.name, len(got), err)
		}
	}
	for _, name := range []string{filepath.Join(dir, "nowhere.csv"), dir} {
		if _, err := Open(name, Options{Format: CSV}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The bytes, not the name, say how a file is compressed.
	name := write("lies.jsonl.gz", []byte("{}\n"))
	if got, err := readAll(name, Options{}); err != nil || len(got) != 1 {
		t.Errorf("%s: %q, %v", name, got, err)
	}
}

func TestParquetTypes(t *testing.T) {
	type inner struct {
		Country string  `parquet:"country"`
		Score   float32 `parquet:"score,optional"`
	}
	type all struct {
		Flag   bool      `parquet:"flag"`
		Small  int32     `parquet:"small"`
		Big    uint64    `parquet:"big"`
		Single float32   `parquet:"single"`
		Double float64   `parquet:"double"`
		Word   string    `parquet:"word,dict"`
		Milli  time.Time `parquet:"milli,timestamp(millisecond)"`
		Nano   time.Time `parquet:"nano,timestamp(nanosecond)"`
		Day    int32     `parquet:"day,date"`
		Money  int64     `parquet:"money,decimal(2:10)"`
		List   []int64   `parquet:"list"`
		Inner  inner     `parquet:"inner"`
	}
	at := time.Date(2013, 4, 1, 1, 2, 3, 4_005_006, time.UTC)
	var b bytes.Buffer
	w := parquet.NewGenericWriter[all](&b)
	rows := []all{
		{true, -5, math.MaxUint64, 0.1, 1e300, "a\"b", at, at, 15796, -1234, []int64{1, 2}, inner{"DE", 0.5}},
		{Single: float32(math.Inf(1)), Double: math.NaN(), Milli: at, Nano: at, Day: -1},
	}
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := readAll("-", Options{Stdin: &b, Format: Parquet})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"flag":true,"small":-5,"big":18446744073709551615,"single":0.1,"double":1e+300,"word":"a\"b","milli":"2013-04-01T01:02:03.004Z","nano":"2013-04-01T01:02:03.004005006Z","day":"2013-04-01T00:00:00Z","money":-1234e-2,"list":[1,2],"inner":{"country":"DE","score":0.5}}`,
		`{"flag":false,"small":0,"big":0,"single":"+Inf","double":"NaN","word":"","milli":"2013-04-01T01:02:03.004Z","nano":"2013-04-01T01:02:03.004005006Z","day":"1969-12-31T00:00:00Z","money":0e-2,"inner":{"country":""}}`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestParquetLZ4 is refused, because the library may misread it.
func TestParquetLZ4(t *testing.T) {
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b, parquet.Compression(&parquet.Lz4Raw))
	if _, err := w.Write([]row{{ID: "1"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("-", Options{Stdin: &b}); err == nil || !strings.Contains(err.Error(), "LZ4") {
		t.Errorf("got %v", err)
	}
}

func TestHalf(t *testing.T) {
	for bits, want := range map[uint16]float64{0: 0, 1: 0x1p-24, 0x03ff: 1023 * 0x1p-24, 0x0400: 0x1p-14, 0x3c00: 1, 0xc000: -2, 0x3555: 0.333251953125, 0x7bff: 65504, 0x7c00: math.Inf(1), 0xfc00: math.Inf(-1)} {
		if got := half([]byte{byte(bits), byte(bits >> 8)}); got != want {
			t.Errorf("%04x is %g, want %g", bits, got, want)
		}
	}
	if got := half([]byte{1, 0x7c}); !math.IsNaN(got) {
		t.Errorf("a NaN is %g", got)
	}
}

func TestFlights(t *testing.T) {
	values, err := readAll("../../testdata/flights/flights_lga.csv.gz", Options{})
	if err != nil || len(values) != 101_509 {
		t.Fatalf("%d rows, %v", len(values), err)
	}
	for _, v := range values {
		if !json.Valid([]byte(v)) {
			t.Fatalf("no JSON: %s", v)
		}
	}
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("a,b\n1,2\n"), false)
	f.Add([]byte("a\tb\n\"x\ty\"\t2\n\"open"), true)
	f.Add([]byte("\ufeffa\r\n\"\"\"\"\r\n"), false)
	f.Fuzz(func(t *testing.T, data []byte, tabs bool) {
		format := CSV
		if tabs {
			format = TSV
		}
		values, err := readAll("-", Options{Stdin: bytes.NewReader(data), Format: format})
		if err != nil && len(values) > 0 {
			t.Fatalf("after %d rows: %v", len(values), err)
		}
		for _, v := range values {
			if !strings.HasPrefix(v, "csv: ") && !json.Valid([]byte(strings.ToValidUTF8(v, "?"))) {
				t.Fatalf("neither JSON nor said to be broken: %q", v)
			}
		}
	})
}

func FuzzParquet(f *testing.F) {
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b)
	one := 1.5
	if _, err := w.Write([]row{{ID: "1", Time: "2013-04-01", Amount: &one}, {ID: "2"}}); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("PAR1PAR1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		values, err := readAll("-", Options{Stdin: bytes.NewReader(data), Format: Parquet})
		for _, v := range values {
			if !json.Valid([]byte(strings.ToValidUTF8(v, "?"))) {
				t.Fatalf("no JSON: %q (%v)", v, err)
			}
		}
	})
}

func BenchmarkCSV(b *testing.B) {
	var text bytes.Buffer
	text.WriteString("id,time,amount,merchant,country\n")
	for i := range 10_000 {
		fmt.Fprintf(&text, "tx-%d,2026-11-22T10:00:00Z,%d.25,\"shop, no. %d\",DE\n", i, i, i%50)
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		r, err := Open("-", Options{Stdin: bytes.NewReader(text.Bytes()), Format: CSV})
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, err = r.Next()
		}
		if err != io.EOF {
			b.Fatal(err)
		}
	}
}
