package input

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// parquetBatch is how many rows are read at a time.
const parquetBatch = 128

// parquetRows reads the rows of a Parquet file. Groups become nested objects and
// repeated values arrays; null is left out. Numbers keep their shortest exact form;
// NaN and infinities become texts, which no numeric feature takes. Timestamps and
// dates become RFC 3339.
type parquetRows struct {
	pages    *pageSource
	groups   []parquet.RowGroup
	chunks   [][]chunk // of the groups
	rows     parquet.RowReadSeekCloser
	batch    []parquet.Row
	pending  []parquet.Row
	leaves   []leaf
	values   [][]parquet.Value
	buffer   []byte
	row      int64
	total    int64
	size     int64
	longest  int // text of a row, in bytes, beyond which it is cut
	progress func(read, total int64)
}

// leaf is a column: its path, and how a value is written.
type leaf struct {
	path                   []string
	repetition, definition int // greatest levels
	width                  int // of a value, in bytes; 0 for texts
	write                  func(b []byte, v parquet.Value) []byte
}

// newParquet opens a file. Of the options it takes the greatest memory and length of a row; progress, if
// set, is called with about what was read.
func newParquet(r io.ReaderAt, size int64, o Options, progress func(read, total int64)) (p *parquetRows, err error) {
	defer recoverParquet(&err)
	f, chunks, err := openParquet(r, size, o.MaxMemory)
	if err != nil {
		return nil, err
	}
	p = &parquetRows{
		pages:  &pageSource{r: r, limit: o.MaxMemory, rowValues: maxRowValues},
		groups: f.RowGroups(), chunks: chunks, total: f.NumRows(), size: size, longest: o.MaxLine, progress: progress,
		batch: make([]parquet.Row, parquetBatch),
	}
	schema := f.Schema()
	repeated := 0
	for _, path := range schema.Columns() {
		column, ok := schema.Lookup(path...)
		if !ok {
			return nil, fmt.Errorf("column %s is not in the schema", strings.Join(path, "."))
		}
		if column.MaxRepetitionLevel > 0 {
			repeated++
		}
		p.leaves = append(p.leaves, leaf{
			path: path, repetition: column.MaxRepetitionLevel, definition: column.MaxDefinitionLevel, width: max(widthOf(column.Node.Type()), 0),
			write: writerOf(column.Node.Type()),
		})
	}
	if repeated > 0 { // such rows have any number of values
		p.batch = p.batch[:1]
		p.pages.rowValues = max(maxRowValues/repeated, 1024)
	}
	p.values = make([][]parquet.Value, len(p.leaves))
	return p, nil
}

// widthOf returns how many bytes a value takes, 0 for texts.
func widthOf(t parquet.Type) int {
	switch t.Kind() {
	case parquet.Boolean:
		return 1
	case parquet.Int32, parquet.Float:
		return 4
	case parquet.Int64, parquet.Double:
		return 8
	case parquet.Int96:
		return 12
	case parquet.FixedLenByteArray:
		return t.Length()
	}
	return 0
}

// recoverParquet makes an error of the library's panics on damaged files.
func recoverParquet(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("damaged Parquet file: %v", r)
	}
}

func (p *parquetRows) columns() [][]string {
	paths := make([][]string, len(p.leaves))
	for i, l := range p.leaves {
		paths[i] = l.path
	}
	return paths
}

func (p *parquetRows) next() (record Record, err error) {
	defer recoverParquet(&err)
	for len(p.pending) == 0 {
		if err := p.fill(); err != nil {
			return Record{}, err
		}
	}
	row := p.pending[0]
	p.pending = p.pending[1:]
	p.row++
	if p.progress != nil && p.row%4096 == 0 {
		p.progress(int64(float64(p.size)*float64(p.row)/float64(p.total)), p.size)
	}
	for i := range p.values {
		p.values[i] = p.values[i][:0]
	}
	for _, v := range row {
		if i := v.Column(); i >= 0 && i < len(p.values) && !v.IsNull() {
			p.values[i] = append(p.values[i], v)
		}
	}
	b, _ := p.object(append(p.buffer[:0], '{'), 0, 0)
	p.buffer = append(b, '}')
	return Record{Value: p.buffer[:min(len(p.buffer), p.longest)], Line: p.row}, nil
}

func (p *parquetRows) fill() error {
	if p.rows == nil {
		if len(p.groups) == 0 {
			return io.EOF
		}
		p.rows = p.open(p.groups[0], p.chunks[0])
		p.groups, p.chunks = p.groups[1:], p.chunks[1:]
	}
	n, err := p.rows.ReadRows(p.batch)
	p.pending = p.batch[:n]
	if n > 0 {
		return nil
	}
	closed := p.rows.Close()
	p.rows = nil
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return closed
}

// open returns the rows of a group.
func (p *parquetRows) open(group parquet.RowGroup, chunks []chunk) parquet.RowReadSeekCloser {
	p.pages.held = 0
	columns := group.ColumnChunks()
	for i, c := range columns {
		l := &p.leaves[i]
		columns[i] = &limited{c.(*parquet.FileColumnChunk), &pageStream{
			pageSource: p.pages, chunk: chunks[i], name: strings.Join(l.path, "."), kind: c.Type().Kind(), width: l.width,
			repetition: l.repetition, definition: l.definition,
		}}
	}
	return parquet.NewColumnChunkRowReader(columns)
}

// object writes the members of the group that leaf i is in at the given depth, and
// returns the first leaf behind it. It ends early if the row is too long.
func (p *parquetRows) object(b []byte, i, depth int) ([]byte, int) {
	prefix := p.leaves[i].path[:depth]
	first := true
	for i < len(p.leaves) && hasPrefix(p.leaves[i].path, prefix) {
		if len(b) > p.longest {
			return b, len(p.leaves)
		}
		l := &p.leaves[i]
		mark := len(b)
		if !first {
			b = append(b, ',')
		}
		b = append(appendString(b, l.path[depth]), ':')
		if len(l.path) == depth+1 {
			wrote := len(p.values[i]) > 0
			b = l.append(b, p.values[i], p.longest)
			i++
			if !wrote {
				b = b[:mark]
				continue
			}
		} else {
			b, i = p.object(append(b, '{'), i, depth+1)
			b = append(b, '}')
		}
		first = false
	}
	return b, i
}

func hasPrefix(path, prefix []string) bool {
	if len(path) < len(prefix) {
		return false
	}
	for i := range prefix {
		if path[i] != prefix[i] {
			return false
		}
	}
	return true
}

// append writes the column's values in a row, and no more once b is longer than so many bytes.
func (l *leaf) append(b []byte, values []parquet.Value, longest int) []byte {
	if l.repetition == 0 {
		if len(values) > 0 {
			b = l.short(b, values[0], longest)
		}
		return b
	}
	b = append(b, '[')
	for i, v := range values {
		if len(b) > longest {
			return b
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = l.short(b, v, longest)
	}
	return append(b, ']')
}

// short writes a value; of bytes that are too long for a row, as much as makes it too long.
func (l *leaf) short(b []byte, v parquet.Value, longest int) []byte {
	if k := v.Kind(); k == parquet.ByteArray || k == parquet.FixedLenByteArray {
		if raw, room := v.ByteArray(), max(longest-len(b), 0); len(raw) > room {
			return appendString(b, raw[:room])
		}
	}
	return l.write(b, v)
}

// writerOf returns how values of a type are written as JSON.
func writerOf(t parquet.Type) func([]byte, parquet.Value) []byte {
	l := t.LogicalType()
	if l == nil {
		return appendPhysical
	}
	switch l := l.Value.(type) {
	case *format.TimestampType:
		unit := time.Nanosecond
		if l.Unit.Value != nil {
			unit = l.Unit.Value.Duration()
		}
		return func(b []byte, v parquet.Value) []byte { return appendTime(b, v.Int64(), unit) }
	case *format.DateType:
		return func(b []byte, v parquet.Value) []byte { return appendTime(b, int64(v.Int32()), 24*time.Hour) }
	case *format.DecimalType:
		return func(b []byte, v parquet.Value) []byte { return appendDecimal(b, v, int(l.Scale)) }
	case *format.Float16Type:
		return func(b []byte, v parquet.Value) []byte { return appendReal(b, half(v.ByteArray()), 32) }
	case *format.IntType:
		if !l.IsSigned {
			return appendUnsigned
		}
	}
	return appendPhysical
}

// half returns the value of an IEEE 754 binary16, little end first.
func half(b []byte) float64 {
	if len(b) != 2 {
		return math.NaN()
	}
	h := binary.LittleEndian.Uint16(b)
	exponent, fraction := int(h>>10&31), float64(h&1023)
	x := math.Ldexp(1024+fraction, exponent-25)
	switch {
	case exponent == 0:
		x = math.Ldexp(fraction, -24)
	case exponent == 31 && fraction == 0:
		x = math.Inf(1)
	case exponent == 31:
		return math.NaN()
	}
	if h>>15 == 1 {
		x = -x
	}
	return x
}

func appendUnsigned(b []byte, v parquet.Value) []byte {
	if v.Kind() == parquet.Int32 {
		return strconv.AppendUint(b, uint64(v.Uint32()), 10)
	}
	return strconv.AppendUint(b, v.Uint64(), 10)
}

func appendPhysical(b []byte, v parquet.Value) []byte {
	switch v.Kind() {
	case parquet.Boolean:
		return strconv.AppendBool(b, v.Boolean())
	case parquet.Int32:
		return strconv.AppendInt(b, int64(v.Int32()), 10)
	case parquet.Int64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case parquet.Int96:
		// Spark's old timestamps: nanoseconds of the day, and the Julian day.
		i := v.Int96()
		day := int64(i[2]) - 2440588
		return appendTime(b, day*86400*1e9+int64(uint64(i[1])<<32|uint64(i[0])), time.Nanosecond)
	case parquet.Float:
		return appendReal(b, float64(v.Float()), 32)
	case parquet.Double:
		return appendReal(b, v.Double(), 64)
	}
	return appendString(b, v.ByteArray())
}

func appendReal(b []byte, x float64, size int) []byte {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return appendString(b, strconv.FormatFloat(x, 'g', -1, 64))
	}
	return strconv.AppendFloat(b, x, 'g', -1, size)
}

func appendTime(b []byte, n int64, unit time.Duration) []byte {
	per := int64(time.Second / unit)
	var t time.Time
	if per > 0 {
		t = time.Unix(n/per, n%per*int64(unit))
	} else {
		t = time.Unix(n*int64(unit/time.Second), 0)
	}
	return append(t.UTC().AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

func appendDecimal(b []byte, v parquet.Value, scale int) []byte {
	n := new(big.Int)
	switch v.Kind() {
	case parquet.Int32:
		n.SetInt64(int64(v.Int32()))
	case parquet.Int64:
		n.SetInt64(v.Int64())
	default: // two's complement, big end first
		const longest = 64 // bytes; none of the forms has more, and it takes time
		raw := v.ByteArray()
		if len(raw) > longest {
			return appendString(b, "NaN")
		}
		n.SetBytes(raw)
		if len(raw) > 0 && raw[0]&0x80 != 0 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(raw))))
		}
	}
	return append(append(append(b, n.String()...), 'e'), strconv.Itoa(-scale)...)
}
