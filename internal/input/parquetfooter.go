package input

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const (
	parquetMagic = "PAR1"
	// Beyond these a schema is taken for hostile: elements, and levels of nesting.
	maxParquetElements, maxParquetDepth = 20_000, 64
)

// chunk is where the pages of a column are in a row group, and how they are compressed.
type chunk struct {
	codec     format.CompressionCodec
	next, end int64
}

// openParquet reads the footer, within the limit, and returns a file of the library that has its
// schema and row groups, but no bytes: where the pages are is in the chunks, by row group
// and column. The library is told that nothing is compressed, since pageStream unpacks.
func openParquet(r io.ReaderAt, size, limit int64) (*parquet.File, [][]chunk, error) {
	footer, err := readFooter(r, size, limit)
	if err != nil {
		return nil, nil, err
	}
	var (
		meta     format.FileMetaData
		protocol thrift.CompactProtocol
	)
	if err := thrift.Unmarshal(&protocol, footer, &meta); err != nil {
		return nil, nil, fmt.Errorf("read the footer: %w", err)
	}
	if err := checkSchema(meta.Schema); err != nil {
		return nil, nil, err
	}
	if meta.EncryptionAlgorithm.Value != nil {
		return nil, nil, errors.New("it is encrypted, which cannot be read")
	}
	chunks, err := takeChunks(&meta, size)
	if err != nil {
		return nil, nil, err
	}
	if footer, err = thrift.Marshal(&protocol, &meta); err != nil {
		return nil, nil, fmt.Errorf("read the footer: %w", err)
	}
	bare := append([]byte(parquetMagic), footer...)
	bare = append(binary.LittleEndian.AppendUint32(bare, uint32(len(footer))), parquetMagic...)
	f, err := parquet.OpenFile(bytes.NewReader(bare), int64(len(bare)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	return f, chunks, err
}

// readFooter returns the bytes of the footer. The library would make room for whatever it
// declares.
func readFooter(r io.ReaderAt, size, limit int64) ([]byte, error) {
	const frame = 8 // its length and the magic bytes
	var end [frame]byte
	if size < int64(len(parquetMagic)+frame) {
		return nil, errors.New("no Parquet file: it is too short")
	}
	if _, err := r.ReadAt(end[:], size-frame); err != nil {
		return nil, err
	}
	if string(end[4:]) != parquetMagic {
		return nil, errors.New("no Parquet file, or a truncated one: the magic bytes at its end are missing")
	}
	n := int64(binary.LittleEndian.Uint32(end[:]))
	if n > size-int64(len(parquetMagic)+frame) {
		return nil, fmt.Errorf("damaged Parquet file: a footer of %d bytes in a file of %d", n, size)
	}
	if n > limit {
		return nil, overLimit("a footer", n, limit)
	}
	footer := make([]byte, n)
	if _, err := r.ReadAt(footer, size-frame-n); err != nil {
		return nil, err
	}
	s := thriftScan{data: footer}
	if err := s.structure(0); err != nil {
		return nil, fmt.Errorf("damaged Parquet file: its footer: %w", err)
	}
	if s.at != len(footer) {
		return nil, errors.New("damaged Parquet file, or a signed one: bytes behind its footer")
	}
	if s.memory > limit {
		return nil, overLimit("a footer", s.memory, limit)
	}
	return footer, nil
}

// overLimit says what takes more memory than is allowed.
func overLimit(what string, n, limit int64) error {
	return fmt.Errorf("memory for %s: %d bytes, and the limit is %d", what, n, limit)
}

// checkSchema refuses a schema that is too large or too deep for the library, which
// walks it by recursion.
func checkSchema(schema []format.SchemaElement) error {
	if len(schema) > maxParquetElements {
		return fmt.Errorf("a schema of %d elements: the limit is %d", len(schema), maxParquetElements)
	}
	var open []int32 // how many children each group around still has
	for i := range schema {
		if n := schema[i].NumChildren; n.Valid && n.V > 0 {
			if open = append(open, n.V); len(open) > maxParquetDepth {
				return fmt.Errorf("a schema of more than %d levels", maxParquetDepth)
			}
			continue
		}
		for len(open) > 0 {
			if open[len(open)-1]--; open[len(open)-1] > 0 {
				break
			}
			open = open[:len(open)-1]
		}
	}
	return nil
}

// takeChunks notes where the columns' pages are, and makes the footer one of a file in which each
// column has a stream of its own that is not compressed. LZ4 is refused: its older form is
// ambiguous, and up to v0.32.0 the library reads rubbish.
func takeChunks(meta *format.FileMetaData, size int64) ([][]chunk, error) {
	chunks := make([][]chunk, len(meta.RowGroups))
	for i := range meta.RowGroups {
		chunks[i] = make([]chunk, len(meta.RowGroups[i].Columns))
		for j := range meta.RowGroups[i].Columns {
			c := &meta.RowGroups[i].Columns[j]
			m := &c.MetaData
			switch {
			case c.CryptoMetadata.Value != nil:
				return nil, errors.New("it is encrypted, which cannot be read")
			case m.Codec == format.Lz4Raw:
				return nil, errors.New("it is compressed by LZ4, which cannot be read safely: write it with zstd, snappy, gzip or brotli")
			}
			start := m.DataPageOffset
			if m.DictionaryPageOffset != 0 {
				start = m.DictionaryPageOffset
			}
			if start < 0 || m.TotalCompressedSize < 0 || start > size {
				return nil, fmt.Errorf("damaged Parquet file: a column at byte %d of %d", start, size)
			}
			chunks[i][j] = chunk{m.Codec, start, start + min(m.TotalCompressedSize, size-start)}
			m.Codec, m.DataPageOffset, m.DictionaryPageOffset, m.TotalCompressedSize = format.Uncompressed, streamStart, 0, streamSize
			m.BloomFilterOffset, m.IndexPageOffset = 0, 0
			c.ColumnIndexOffset, c.ColumnIndexLength, c.OffsetIndexOffset, c.OffsetIndexLength = 0, 0, 0, 0
		}
	}
	return chunks, nil
}

// thriftScan walks a structure in Thrift's compact form and adds up what it takes to decode it. A list
// may declare no more elements than there are bytes left: the library makes room for
// them before it reads the first.
type thriftScan struct {
	data   []byte
	at     int
	memory int64 // bytes, about
}

var errThrift = errors.New("it ends too early or is no Thrift")

// Types of Thrift's compact form.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// structure walks the fields of a structure at a depth of lists and structures.
func (s *thriftScan) structure(depth int) error {
	const deepest = 32
	if depth > deepest {
		return fmt.Errorf("more than %d levels", deepest)
	}
	for {
		head, err := s.byte()
		if err != nil || head == 0 {
			return err
		}
		if head>>4 == 0 { // the field's number follows
			if _, err := s.number(); err != nil {
				return err
			}
		}
		if kind := head & 15; kind == thriftTrue || kind == thriftFalse {
			continue // the value is in the type
		} else if err := s.value(kind, depth); err != nil {
			return err
		}
	}
}

// value walks a field's value or an element of a list.
func (s *thriftScan) value(kind byte, depth int) error {
	switch kind {
	case thriftTrue, thriftFalse, thriftByte:
		return s.skip(1)
	case thriftByte + 1, thriftByte + 2, thriftI64:
		_, err := s.number()
		return err
	case thriftDouble:
		return s.skip(8)
	case thriftBinary:
		n, err := s.number()
		if err != nil {
			return err
		}
		s.memory += int64(min(n, uint64(len(s.data))))
		return s.skip(n)
	case thriftList, thriftSet:
		return s.list(depth)
	case thriftStruct:
		s.memory += 32
		return s.structure(depth + 1)
	}
	return errThrift // maps, too: no structure of the format has one
}

// list walks a list. An element of the first level is a row group or an element of the schema, of the
// second a column of a row group, for which the library keeps most.
func (s *thriftScan) list(depth int) error {
	head, err := s.byte()
	if err != nil {
		return err
	}
	n := uint64(head >> 4)
	if n == 15 {
		if n, err = s.number(); err != nil {
			return err
		}
	}
	if n > uint64(len(s.data)-s.at) {
		return fmt.Errorf("a list of %d elements in %d bytes", n, len(s.data)-s.at)
	}
	each := int64(16)
	if head&15 == thriftStruct {
		each = 128
		switch depth {
		case 0:
			each = 512
		case 1:
			each = 1024
		}
	}
	s.memory += int64(n) * each
	for range n {
		if err := s.element(head&15, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (s *thriftScan) element(kind byte, depth int) error {
	if kind == thriftStruct {
		return s.structure(depth)
	}
	return s.value(kind, depth)
}

func (s *thriftScan) byte() (byte, error) {
	if s.at >= len(s.data) {
		return 0, errThrift
	}
	s.at++
	return s.data[s.at-1], nil
}

func (s *thriftScan) number() (uint64, error) {
	u, n := binary.Uvarint(s.data[s.at:])
	if n <= 0 {
		return 0, errThrift
	}
	s.at += n
	return u, nil
}

func (s *thriftScan) skip(n uint64) error {
	if n > uint64(len(s.data)-s.at) {
		return errThrift
	}
	s.at += int(n)
	return nil
}
