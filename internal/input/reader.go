package input

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Format is the form of a file.
type Format uint8

// The forms. Auto takes it from the file's name, and that of standard input from its
// beginning.
const (
	Auto Format = iota
	JSONL
	CSV
	TSV
	Parquet
)

// ParseFormat returns the format of a name: jsonl, csv, tsv, parquet, or empty for Auto.
func ParseFormat(s string) (Format, error) {
	i := slices.Index([]string{"", "jsonl", "csv", "tsv", "parquet"}, s)
	if i < 0 {
		return Auto, fmt.Errorf("format %q is none of jsonl, csv, tsv, parquet", s)
	}
	return Format(i), nil
}

// Options of Open.
type Options struct {
	Format Format
	// Progress, if set, is called now and then with the bytes read of the file, and
	// its size, which is -1 if unknown.
	Progress func(read, total int64)
	// MaxLine is the length of a line beyond which the rest is skipped; the default
	// is one byte over a MiB, so that the decoder sees it is too large.
	MaxLine int
	// MaxMemory is how many bytes the pages of a Parquet file may take, and one that is compressed as a
	// whole or comes from standard input; a single page a fourth. The default is 256 MiB.
	MaxMemory int64
	// Stdin is read for the name "-"; the default is os.Stdin.
	Stdin io.Reader
}

// Record is a row.
type Record struct {
	// Value is one message; it is valid until the next call of Next.
	Value []byte
	// Line is the line or row it begins at, from 1.
	Line int64
}

// Reader reads the rows of one file.
type Reader struct {
	name    string
	rows    rows
	closers []func() error
}

// rows is what each format implements.
type rows interface {
	next() (Record, error)
	columns() [][]string // nil: not tabular
}

// Open opens a file, or standard input for "-": by its ending as .jsonl, .ndjson, .json,
// .csv, .tsv or .parquet, each also with .gz or .zst. The form and compression of
// standard input are seen by its first bytes.
func Open(name string, o Options) (*Reader, error) {
	r, err := open(name, o)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return r, nil
}

func open(name string, o Options) (*Reader, error) {
	if o.MaxLine == 0 {
		o.MaxLine = 1<<20 + 1
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = 256 << 20
	}
	r := &Reader{name: name}
	format, err := formatOf(name, o.Format)
	if err != nil {
		return nil, err
	}
	var source = o.Stdin
	total := int64(-1)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, errors.Unwrap(err)
		}
		r.closers = append(r.closers, f.Close)
		info, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		if info.IsDir() {
			return nil, errors.Join(errors.New("is a directory"), r.Close())
		}
		if info.Mode().IsRegular() {
			total = info.Size()
		}
		source = f
	} else if source == nil {
		source = os.Stdin
	}
	if err := r.start(format, source, total, o); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Reader) start(format Format, source io.Reader, total int64, o Options) (err error) {
	if f, ok := source.(*os.File); ok && format == Parquet && !compressed(r.name) && r.name != "-" {
		r.rows, err = newParquet(f, total, o, o.Progress)
		return err
	}
	if o.Progress != nil {
		source = &counter{r: source, total: total, report: o.Progress}
	}
	plain, err := r.decompress(source)
	if err != nil {
		return err
	}
	if format == Auto {
		format = sniff(plain)
	}
	switch format {
	case Parquet:
		data, err := io.ReadAll(io.LimitReader(plain, o.MaxMemory+1))
		if err != nil {
			return err
		}
		if int64(len(data)) > o.MaxMemory {
			return fmt.Errorf("a Parquet file that is compressed as a whole, or comes from standard input, is held in memory: the limit is %d bytes unpacked; give it as a plain file", o.MaxMemory)
		}
		r.rows, err = newParquet(bytes.NewReader(data), int64(len(data)), o, nil)
		return err
	}
	skipMark(plain)
	if format == CSV || format == TSV {
		r.rows, err = newCSV(plain, format == TSV, o.MaxLine)
		return err
	}
	r.rows = &lines{r: plain, max: o.MaxLine}
	return nil
}

func compressed(name string) bool {
	return strings.HasSuffix(name, ".gz") || strings.HasSuffix(name, ".zst")
}

func formatOf(name string, f Format) (Format, error) {
	if f != Auto || name == "-" {
		return f, nil
	}
	plain := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(name), ".gz"), ".zst")
	for ending, f := range map[string]Format{".jsonl": JSONL, ".ndjson": JSONL, ".json": JSONL, ".csv": CSV, ".tsv": TSV, ".parquet": Parquet} {
		if strings.HasSuffix(plain, ending) {
			return f, nil
		}
	}
	return 0, errors.New("its ending is none of .jsonl, .ndjson, .json, .csv, .tsv, .parquet (also with .gz or .zst)")
}

// decompress looks at the first bytes, whatever the name says.
func (r *Reader) decompress(source io.Reader) (*bufio.Reader, error) {
	b := bufio.NewReaderSize(source, 1<<16)
	magic, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, err
		}
		r.closers = append(r.closers, z.Close)
		return bufio.NewReaderSize(z, 1<<16), nil
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(1<<27))
		if err != nil {
			return nil, err
		}
		r.closers = append(r.closers, func() error { z.Close(); return nil })
		return bufio.NewReaderSize(z, 1<<16), nil
	}
	return b, nil
}

// sniff tells the form by the first line: a header has a delimiter and no brace.
func sniff(r *bufio.Reader) Format {
	head, _ := r.Peek(4096)
	if bytes.HasPrefix(head, []byte("PAR1")) {
		return Parquet
	}
	line, _, _ := bytes.Cut(bytes.TrimLeft(head, "\ufeff \t\r\n"), []byte("\n"))
	switch {
	case bytes.ContainsAny(line, "{}") || !utf8.Valid(line):
		return JSONL
	case bytes.ContainsRune(line, '\t'):
		return TSV
	case bytes.ContainsRune(line, ','):
		return CSV
	}
	return JSONL
}

// skipMark skips the byte order mark that some programs begin a text with.
func skipMark(r *bufio.Reader) {
	if b, err := r.Peek(3); err == nil && string(b) == "\ufeff" {
		_, _ = r.Discard(3) // that many are there
	}
}

// Next returns the next row, or io.EOF. Another error names the file; nothing follows.
func (r *Reader) Next() (Record, error) {
	record, err := r.rows.next()
	if err != nil && !errors.Is(err, io.EOF) {
		return Record{}, fmt.Errorf("read %s: %w", r.name, err)
	}
	return record, err
}

// Columns returns where the columns of a CSV or Parquet file are in its messages: each
// name of the header, or the path of each leaf; nil for JSON lines.
func (r *Reader) Columns() [][]string { return r.rows.columns() }

// Tabular reports whether the rows have columns.
func (r *Reader) Tabular() bool { return r.rows.columns() != nil }

// Close closes the file.
func (r *Reader) Close() error {
	var err error
	for i := len(r.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, r.closers[i]())
	}
	r.closers = nil
	return err
}

// counter reports progress about every MiB.
type counter struct {
	r              io.Reader
	read, reported int64
	total          int64
	report         func(read, total int64)
}

// Read reads on.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.read += int64(n)
	if c.read-c.reported >= 1<<20 || err != nil {
		c.reported = c.read
		c.report(c.read, c.total)
	}
	return n, err
}

// lines reads JSON lines; empty ones are skipped.
type lines struct {
	r    *bufio.Reader
	max  int
	line int64
	long []byte
}

func (l *lines) columns() [][]string { return nil }

func (l *lines) next() (Record, error) {
	for {
		b, err := l.read()
		if err != nil && (!errors.Is(err, io.EOF) || len(b) == 0) {
			return Record{}, err
		}
		l.line++
		if b = bytes.TrimRight(b, "\r\n"); len(b) > 0 {
			return Record{Value: b, Line: l.line}, nil
		}
	}
}

// read returns one line with its end, or its first max bytes.
func (l *lines) read() ([]byte, error) {
	b, err := l.r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return b, err
	}
	l.long = append(l.long[:0], b...)
	for errors.Is(err, bufio.ErrBufferFull) {
		b, err = l.r.ReadSlice('\n')
		l.long = append(l.long, b[:min(len(b), max(l.max+1-len(l.long), 0))]...)
	}
	return l.long[:min(len(l.long), l.max)], err
}
