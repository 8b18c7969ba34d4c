package input

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// forged is a Parquet file of one column of texts, "a", written by hand.
type forged struct {
	repetition format.FieldRepetitionType
	kind       format.Type
	width      int32
	codec      format.CompressionCodec
	pages      [][]byte
	footer     []byte
}

func (f forged) bytes(t testing.TB) []byte {
	file := []byte(parquetMagic)
	for _, p := range f.pages {
		file = append(file, p...)
	}
	footer := f.footer
	if footer == nil {
		a := format.SchemaElement{Name: "a", Type: thrift.New(f.kind), RepetitionType: thrift.New(f.repetition)}
		if f.width > 0 {
			a.TypeLength = thrift.New(f.width)
		}
		meta := format.FileMetaData{
			Version: 1, NumRows: 1 << 40,
			Schema: []format.SchemaElement{{Name: "schema", NumChildren: thrift.New(int32(1))}, a},
			RowGroups: []format.RowGroup{{NumRows: 1 << 40, Columns: []format.ColumnChunk{{MetaData: format.ColumnMetaData{
				Type: f.kind, PathInSchema: []string{"a"}, Codec: f.codec, NumValues: 1 << 40,
				DataPageOffset: 4, TotalCompressedSize: int64(len(file) - 4),
			}}}}},
		}
		footer = marshal(t, &meta)
	}
	file = append(file, footer...)
	return append(binary.LittleEndian.AppendUint32(file, uint32(len(footer))), parquetMagic...)
}

func marshal(t testing.TB, v any) []byte {
	b, err := thrift.Marshal(new(thrift.CompactProtocol), v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// forgePage is a page of the first form with a body; sizes of 0 are those of the body.
func forgePage(t testing.TB, values int32, encoding format.Encoding, body []byte, packed, unpacked int32) []byte {
	if packed == 0 {
		packed = int32(len(body))
	}
	if unpacked == 0 {
		unpacked = int32(len(body))
	}
	return append(marshal(t, &format.PageHeader{
		Type: format.DataPage, CompressedPageSize: packed, UncompressedPageSize: unpacked,
		DataPageHeader: thrift.New(format.DataPageHeader{NumValues: values, Encoding: encoding, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE}),
	}), body...)
}

func forgeDictionary(t testing.TB, values int32, body []byte) []byte {
	return append(marshal(t, &format.PageHeader{
		Type: format.DictionaryPage, CompressedPageSize: int32(len(body)), UncompressedPageSize: int32(len(body)),
		DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: values, Encoding: format.Plain}),
	}), body...)
}

// run is n times a value of a byte.
func run(n int, value byte) []byte { return append(binary.AppendUvarint(nil, uint64(n)<<1), value) }

func sized(b []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// differences are n numbers that begin with first and of which each is larger by step.
func differences(n int, first, step int64) []byte {
	b := binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(nil, 128), 4), uint64(n))
	b = binary.AppendVarint(b, first)
	for left := n - 1; left > 0; left -= 128 {
		b = append(binary.AppendVarint(b, step), 0, 0, 0, 0)
	}
	return b
}

func zipped(n int) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.CopyN(w, zeros{}, int64(n))
	w.Close()
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestParquetBombs: files of a few bytes to a MB that stand for very many are refused with the limit, or are
// broken rows, and take little memory.
func TestParquetBombs(t *testing.T) {
	const huge = 1 << 28
	text := sized([]byte("x"))
	long := sized(bytes.Repeat([]byte("x"), 1<<20))
	for _, c := range []struct {
		name string
		file forged
		want string
	}{
		{"declared size", forged{pages: [][]byte{forgePage(t, 1, format.Plain, text, 1<<30, 1<<30)}}, "where 5 follow"},
		{"declared unpacked size", forged{codec: format.Snappy, pages: [][]byte{forgePage(t, 1, format.Plain, snappy.Encode(nil, text), 0, 1<<30)}},
			"memory for a page: 1073741824 bytes, and the limit is 67108864"},
		{"snappy's own size", forged{codec: format.Snappy, pages: [][]byte{forgePage(t, 1, format.Plain, binary.AppendUvarint(nil, 1<<30), 0, 5)}},
			"unpacks to more than the 5 bytes"},
		{"gzip", forged{codec: format.Gzip, pages: [][]byte{forgePage(t, 1, format.Plain, zipped(huge), 0, 100)}}, "unpacks to more than the 100 bytes"},
		{"absent values", forged{repetition: format.Optional, pages: [][]byte{forgePage(t, 1<<30, format.Plain, sized(run(1<<30, 0)), 0, 0)}}, "and the limit is 268435456"},
		{"runs of levels", forged{repetition: format.Optional, pages: [][]byte{forgePage(t, 1, format.Plain, sized(bytes.Repeat(run(huge, 0), 4)), 0, 0)}},
			"runs of 268435456 values in a page of 1"},
		{"dictionary", forged{pages: [][]byte{forgeDictionary(t, huge, text), forgePage(t, 1, format.RLEDictionary, append([]byte{1}, run(1, 0)...), 0, 0)}},
			"and the limit is 268435456"},
		{"places in the dictionary", forged{pages: [][]byte{forgeDictionary(t, 1, text), forgePage(t, 1, format.RLEDictionary, append([]byte{1}, run(huge, 0)...), 0, 0)}},
			"runs of 268435456 values in a page of 1"},
		{"differences", forged{kind: format.Int64, pages: [][]byte{forgePage(t, 1, format.DeltaBinaryPacked, differences(1<<27, 0, 0)[:20], 0, 0)}},
			"differences of 134217728 values in a page of 1"},
		{"lengths", forged{pages: [][]byte{forgePage(t, 1, format.DeltaLengthByteArray, differences(huge, 0, 0)[:20], 0, 0)}},
			"differences of 268435456 values in a page of 1"},
		{"prefixes", forged{pages: [][]byte{forgePage(t, 40_000, format.DeltaByteArray,
			join(differences(40_000, 0, 1), differences(40_000, 1, 0), make([]byte, 40_000)), 0, 0)}}, "and the limit is 268435456"},
		{"truths", forged{kind: format.Boolean, pages: [][]byte{forgePage(t, 1, format.RLE, sized(bytes.Repeat(run(1<<30, 1), 8)), 0, 0)}},
			"runs of 1073741824 values in a page of 1"},
		{"wide values", forged{kind: format.FixedLenByteArray, width: 1 << 20, pages: [][]byte{forgePage(t, 1<<10, format.ByteStreamSplit, []byte("x"), 0, 0)}},
			"and the limit is 268435456"},
		{"a long row", forged{repetition: format.Repeated, pages: bytesOf(8, forgePage(t, 1<<22, format.Plain, join(sized(run(1<<22, 1)), sized(run(1<<22, 0))), 0, 0))},
			"a row of more than 1048576 values"},
		{"a dictionary's word", forged{repetition: format.Repeated, pages: [][]byte{forgeDictionary(t, 1, long), forgePage(t, 1000, format.RLEDictionary,
			join(sized(append(run(1, 0), run(999, 1)...)), sized(run(1000, 1)), []byte{1}, run(1000, 0)), 0, 0)}}, ""},
		{"declared row groups", forged{footer: append([]byte{0x15, 2, 0x19, 0x0c, 0x16, 0, 0x19, 0xfc}, binary.AppendUvarint(nil, 1<<22)...)}, "a list of 4194304 elements"},
		{"row groups", forged{footer: join([]byte{0x15, 2, 0x19, 0x0c, 0x16, 0, 0x19, 0xfc}, binary.AppendUvarint(nil, 1_000_000), make([]byte, 1_000_001))}, "memory for a footer: 5"},
		{"levels of a schema", forged{footer: marshal(t, &format.FileMetaData{Version: 1, Schema: nested(15_000)})}, "a schema of more than 64 levels"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.file.kind == 0 && c.name != "truths" {
				c.file.kind = format.ByteArray
			}
			data := c.file.bytes(t)
			name := filepath.Join(t.TempDir(), "bomb.parquet")
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if len(data) > 2<<20 {
				t.Fatalf("the file has %d bytes", len(data))
			}
			took, rows, err := readCounted(name)
			t.Logf("%d bytes: %d rows, %d MiB, %v", len(data), rows, took>>20, err)
			if took > 100<<20 {
				t.Errorf("it took %d MiB", took>>20)
			}
			if c.want == "" && err == nil {
				return
			}
			if err == nil || c.want == "" || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), name) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func bytesOf(n int, b []byte) (all [][]byte) {
	for range n {
		all = append(all, b)
	}
	return all
}

// nested is a schema of so many groups, each in the one before.
func nested(n int) (schema []format.SchemaElement) {
	for range n {
		schema = append(schema, format.SchemaElement{Name: "g", NumChildren: thrift.New(int32(1))})
	}
	return append(schema, format.SchemaElement{Name: "a", Type: thrift.New(format.Int32)})
}

// readCounted reads a file to its end or an error, and returns how many bytes were allocated
// for that in all, and the rows, which are within a line's length.
func readCounted(name string) (took uint64, rows int, err error) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	defer func() {
		runtime.ReadMemStats(&after)
		took = after.TotalAlloc - before.TotalAlloc
	}()
	r, err := Open(name, Options{})
	if err != nil {
		return 0, 0, err
	}
	defer r.Close()
	for {
		record, err := r.Next()
		if err == io.EOF {
			return 0, rows, nil
		}
		if err != nil {
			return 0, rows, err
		}
		if len(record.Value) > 1<<20+1 {
			return 0, rows, fmt.Errorf("a row of %d bytes", len(record.Value))
		}
		rows++
	}
}

// TestParquetHeldInMemory: what is compressed as a whole is unpacked up to the limit.
func TestParquetHeldInMemory(t *testing.T) {
	var file bytes.Buffer
	if err := parquet.Write(&file, []row{{ID: strings.Repeat("x", 5000)}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"bomb.parquet.gz", zipped(1 << 26), "the limit is 1048576 bytes unpacked"},
		{"small.parquet.zst", compress(t, file.Bytes(), ".zst"), ""},
	} {
		name := filepath.Join(t.TempDir(), c.name)
		if err := os.WriteFile(name, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readAll(name, Options{MaxMemory: 1 << 20})
		if c.want == "" && (err != nil || len(got) != 1) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), name)) {
			t.Errorf("%s: %d rows, %v", c.name, len(got), err)
		}
	}
}

// TestParquetCodecs: each codec and both forms of pages are read, with levels, dictionaries
// and all forms of values.
func TestParquetCodecs(t *testing.T) {
	type all struct {
		Plain  string   `parquet:"plain,optional"`
		Word   string   `parquet:"word,dict"`
		Prefix string   `parquet:"prefix,delta"`
		Step   int64    `parquet:"step,delta"`
		Real   float64  `parquet:"real,split"`
		List   []string `parquet:"list,dict"`
		Flag   bool     `parquet:"flag"`
	}
	rows := make([]all, 5000)
	var want []string
	for i := range rows {
		r := all{Word: fmt.Sprint("w", i%7), Prefix: fmt.Sprint("prefix", i/3), Step: int64(i * i), Real: float64(i) / 2, Flag: i%3 == 0}
		line := fmt.Sprintf(`"word":%q,"prefix":%q,"step":%d,"real":%g,`, r.Word, r.Prefix, r.Step, r.Real)
		if i%2 == 0 {
			r.Plain = fmt.Sprint(i)
			line = fmt.Sprintf(`"plain":"%d",`, i) + line
		}
		for k := range i % 4 {
			r.List = append(r.List, fmt.Sprint(k))
			line += []string{`"list":["0"`, `,"1"`, `,"2"`}[k]
		}
		if len(r.List) > 0 {
			line += "],"
		}
		rows[i] = r
		want = append(want, fmt.Sprintf(`{%s"flag":%t}`, line, r.Flag))
	}
	for _, version := range []int{1, 2} {
		for _, codec := range []struct {
			name string
			of   parquet.WriterOption
		}{
			{"none", parquet.Compression(&parquet.Uncompressed)}, {"snappy", parquet.Compression(&parquet.Snappy)}, {"gzip", parquet.Compression(&parquet.Gzip)},
			{"brotli", parquet.Compression(&parquet.Brotli)}, {"zstd", parquet.Compression(&parquet.Zstd)},
		} {
			var b bytes.Buffer
			w := parquet.NewGenericWriter[all](&b, codec.of, parquet.DataPageVersion(version), parquet.PageBufferSize(4000), parquet.MaxRowsPerRowGroup(3000))
			if _, err := w.Write(rows); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			got, err := readAll("-", Options{Stdin: &b})
			if err != nil || len(got) != len(want) {
				t.Errorf("%s, pages %d: %d rows, %v", codec.name, version, len(got), err)
				continue
			}
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("%s, pages %d, row %d: %s, want %s", codec.name, version, i, got[i], want[i])
					break
				}
			}
		}
	}
}

// BenchmarkParquet reads a million rows of four columns.
func BenchmarkParquet(b *testing.B) {
	type wide struct {
		ID     string  `parquet:"id"`
		Amount float64 `parquet:"amount,optional"`
		Shop   string  `parquet:"shop,dict"`
		Count  int64   `parquet:"count"`
	}
	name := filepath.Join(b.TempDir(), "rows.parquet")
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w := parquet.NewGenericWriter[wide](f, parquet.Compression(&parquet.Zstd))
	rows := make([]wide, 1000)
	for i := range 1000 {
		for k := range rows {
			n := i*1000 + k
			rows[k] = wide{fmt.Sprint("tx-", n*7919), float64(n%9973) / 8, fmt.Sprint("shop", n%50), int64(n)}
		}
		if _, err := w.Write(rows); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_, n, err := readCounted(name)
		if err != nil || n != 1_000_000 {
			b.Fatal(n, err)
		}
	}
}
