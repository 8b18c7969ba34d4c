package input

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const (
	// A column's stream begins and ends here for the library: behind the magic bytes, and never.
	streamStart, streamSize = 4, 1 << 60
	// maxPageHeader is how long the header of a page may be: it may hold the least and the
	// greatest value.
	maxPageHeader = 1 << 20
	// plainDictionary is what old writers call a dictionary's page, and the pages that refer to it.
	plainDictionary format.Encoding = 2
	// maxRowValues is how many values of repeated columns a row may hold.
	maxRowValues = 1 << 20
)

// pageSource is what the columns of a Parquet file share.
type pageSource struct {
	r     io.ReaderAt
	limit int64 // bytes of memory that the present pages of all columns may take together
	held  int64 // that they take
	// rowValues is how many values a row may hold in one column.
	rowValues int

	packed, plain []byte // work
	gzip          gzip.Reader
	zstd          *zstd.Decoder
	busy          *pageStream // whose page is in it
}

// largest is how large one may be, packed or unpacked.
func (s *pageSource) largest() int64 { return s.limit / 4 }

// limited is a column of a row group whose pages were looked at before the library decodes them.
type limited struct {
	*parquet.FileColumnChunk
	stream *pageStream
}

// Pages returns the pages.
func (l *limited) Pages() parquet.Pages { return l.PagesFrom(l.stream) }

// pageStream gives the library the pages of a column, one at a time and unpacked. The library
// makes room for whatever a page declares, so each is measured first: its sizes, its number of values, and
// what runs and prefixes unfold to.
type pageStream struct {
	*pageSource
	chunk
	name                   string
	kind                   parquet.Kind
	width                  int    // of a value of fixed length, in bytes
	repetition, definition int    // greatest levels
	head, pending          []byte // of the page: its header and body that were not given yet
	at                     int64
	page, dictionary       int64 // what is held for the present ones
	row                    int   // values that the present row has so far
}

// ReadAt gives the bytes that follow those given before: the library reads a stream in order. It
// reads a page whole before another column is read, so that the columns share memory.
func (s *pageStream) ReadAt(p []byte, offset int64) (int, error) {
	if offset != s.at+streamStart {
		return 0, errors.New("a page needs a dictionary that does not come before it")
	}
	if len(s.head)+len(s.pending) == 0 {
		if err := s.load(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.head)
	s.head = s.head[n:]
	m := copy(p[n:], s.pending)
	s.pending = s.pending[m:]
	n += m
	s.at += int64(n)
	return n, nil
}

// load reads, measures and unpacks the next page. io.EOF is the end of the column.
func (s *pageStream) load() error {
	if s.next >= s.end {
		s.held -= s.page + s.dictionary
		s.page, s.dictionary = 0, 0
		return io.EOF
	}
	if s.busy != nil && len(s.busy.pending) > 0 {
		return errors.New("two columns are read at once")
	}
	s.busy = s
	header, err := s.header()
	if err == nil {
		err = s.unpack(header)
	}
	if err != nil {
		return fmt.Errorf("column %s: %w", s.name, err)
	}
	return nil
}

// header decodes the header of the next page, and checks what holds for all pages.
func (s *pageStream) header() (*format.PageHeader, error) {
	var scan thriftScan
	for n := int64(512); ; n *= 8 {
		n = min(n, s.end-s.next, maxPageHeader)
		b := grown(&s.packed, int(n))
		if _, err := s.r.ReadAt(b, s.next); err != nil {
			return nil, fmt.Errorf("read the header of a page: %w", err)
		}
		scan = thriftScan{data: b}
		err := scan.structure(0)
		if err == nil {
			break
		}
		if !errors.Is(err, errThrift) || n == maxPageHeader || n == s.end-s.next {
			return nil, fmt.Errorf("damaged Parquet file: the header of a page: %w", err)
		}
	}
	header := new(format.PageHeader)
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), scan.data[:scan.at], header); err != nil {
		return nil, fmt.Errorf("the header of a page: %w", err)
	}
	s.next += int64(scan.at)
	size := int64(header.CompressedPageSize)
	if size < 0 || header.UncompressedPageSize < 0 || size > s.end-s.next {
		return nil, fmt.Errorf("damaged Parquet file: a page of %d bytes (%d unpacked) where %d follow", size, header.UncompressedPageSize, s.end-s.next)
	}
	if n := max(size, int64(header.UncompressedPageSize)); n > s.largest() {
		return nil, overLimit("a page", n, s.largest())
	}
	return header, nil
}

// unpack reads a page's bytes, measures it and makes it pending.
func (s *pageStream) unpack(header *format.PageHeader) error {
	packed := grown(&s.packed, int(header.CompressedPageSize))
	if _, err := s.r.ReadAt(packed, s.next); err != nil {
		return err
	}
	s.next += int64(len(packed))
	if header.CRC != 0 && crc32.ChecksumIEEE(packed) != uint32(header.CRC) {
		return errors.New("damaged Parquet file: the checksum of a page is wrong")
	}
	body, err := s.body(header, packed)
	if err != nil {
		return err
	}
	header.CRC = 0
	header.CompressedPageSize, header.UncompressedPageSize = int32(len(body)), int32(len(body))
	header.DataPageHeader.V.Statistics, header.DataPageHeaderV2.V.Statistics = format.Statistics{}, format.Statistics{}
	s.head, err = thrift.Marshal(new(thrift.CompactProtocol), header)
	s.pending = body
	return err
}

// body returns the unpacked page, once it is known to be within the limit.
func (s *pageStream) body(header *format.PageHeader, packed []byte) ([]byte, error) {
	levels := 0 // bytes in front that are never compressed
	if header.Type == format.DataPageV2 {
		h := &header.DataPageHeaderV2.V
		levels = int(h.RepetitionLevelsByteLength) + int(h.DefinitionLevelsByteLength)
		if h.RepetitionLevelsByteLength < 0 || h.DefinitionLevelsByteLength < 0 || levels > len(packed) {
			return nil, errors.New("damaged Parquet file: the levels are longer than their page")
		}
	}
	body := packed
	plain := s.codec == format.Uncompressed
	if header.Type == format.DataPageV2 && header.DataPageHeaderV2.V.IsCompressed.Valid {
		plain = plain || !header.DataPageHeaderV2.V.IsCompressed.V
	}
	if !plain {
		body = append(grown(&s.plain, int(header.UncompressedPageSize)+levels)[:0], packed[:levels]...)
		rest, err := s.decompress(body[levels:cap(body)][:header.UncompressedPageSize], packed[levels:])
		if err != nil {
			return nil, err
		}
		body = body[:levels+len(rest)]
	}
	return body, s.measure(header, body)
}

// decompress unpacks into to, which has the size that the page declares, and returns
// what it fills of it.
func (s *pageStream) decompress(to, from []byte) ([]byte, error) {
	var (
		r   io.Reader
		err error
	)
	switch s.codec {
	case format.Snappy:
		n, err := snappy.DecodedLen(from)
		if err != nil {
			return nil, err
		}
		if n > len(to) {
			return nil, errLonger(len(to))
		}
		return snappy.Decode(to[:n], from)
	case format.Zstd:
		if s.zstd == nil {
			s.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1),
				zstd.WithDecoderMaxWindow(1<<26), zstd.WithDecoderMaxMemory(uint64(s.largest())))
			if err != nil {
				return nil, err
			}
		}
		b, err := s.zstd.DecodeAll(from, to[:0])
		if err == nil && len(b) > len(to) {
			err = errLonger(len(to))
		}
		return b, err
	case format.Gzip:
		r, err = &s.gzip, s.gzip.Reset(bytes.NewReader(from))
	case format.Brotli:
		r = brotli.NewReader(bytes.NewReader(from))
	default:
		return nil, fmt.Errorf("it is compressed by %s, which cannot be read: write it with zstd, snappy, gzip or brotli", s.codec)
	}
	if err != nil {
		return nil, err
	}
	n, err := io.ReadFull(r, to)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	var more [1]byte // or the error again, if it is one of what was unpacked
	switch m, err := io.ReadFull(r, more[:]); {
	case m > 0:
		return nil, errLonger(len(to))
	case err != io.EOF:
		return nil, err
	}
	return to[:n], nil
}

func errLonger(n int) error {
	return fmt.Errorf("a page that unpacks to more than the %d bytes that it declares", n)
}

// measure adds up what the library will take to decode a page, and refuses what is over
// the limit for all columns together.
func (s *pageStream) measure(header *format.PageHeader, body []byte) error {
	switch header.Type {
	case format.DictionaryPage:
		h := &header.DictionaryPageHeader
		if !h.Valid || h.V.NumValues < 0 || h.V.Encoding != format.Plain && h.V.Encoding != plainDictionary {
			return errors.New("damaged Parquet file: a dictionary page that is none")
		}
		return s.hold(&s.dictionary, int64(len(body))+int64(h.V.NumValues)*int64(max(s.width, 8)))
	case format.DataPage:
		h := &header.DataPageHeader
		if !h.Valid || h.V.NumValues < 0 {
			return errors.New("damaged Parquet file: a data page without a header")
		}
		if s.repetition > 0 && h.V.RepetitionLevelEncoding != format.RLE || s.definition > 0 && h.V.DefinitionLevelEncoding != format.RLE {
			return errors.New("its levels are bit-packed, an old form that cannot be read")
		}
		return s.measureData(int(h.V.NumValues), h.V.Encoding, -1, -1, body)
	case format.DataPageV2:
		h := &header.DataPageHeaderV2
		if !h.Valid || h.V.NumValues < 0 || h.V.NumNulls < 0 || h.V.NumRows < 0 {
			return errors.New("damaged Parquet file: a data page without a header")
		}
		return s.measureData(int(h.V.NumValues), h.V.Encoding, int(h.V.RepetitionLevelsByteLength), int(h.V.DefinitionLevelsByteLength), body)
	}
	return fmt.Errorf("damaged Parquet file: a page of type %d", header.Type)
}

// measureData measures a page of values. The lengths of the levels are those of the header; below 0 they are in
// front of them.
func (s *pageStream) measureData(values int, encoding format.Encoding, repetition, definition int, body []byte) error {
	total := int64(len(body))
	for _, l := range []struct {
		greatest, length int
		each             func(level, n int) error
	}{{s.repetition, repetition, s.countRow}, {s.definition, definition, nil}} {
		if l.length < 0 && l.greatest == 0 {
			continue
		}
		levels, rest, err := cutLevels(body, l.length)
		if err != nil {
			return err
		}
		body = rest
		if l.greatest > 0 {
			total += int64(values)
			if err := checkRuns(levels, bits.Len(uint(l.greatest)), values, l.each); err != nil {
				return err
			}
		}
	}
	// It is checked before values are counted for which the library makes room.
	n, err := s.decoded(values, encoding, body)
	if err != nil {
		return err
	}
	return s.hold(&s.page, total+n)
}

// hold makes n the memory of a part of the column's pages.
func (s *pageStream) hold(part *int64, n int64) error {
	s.held += n - *part
	*part = n
	if s.held > s.limit {
		return overLimit("a page and those of the other columns", s.held, s.limit)
	}
	return nil
}

// countRow counts the values of a row: level 0 begins one.
func (s *pageStream) countRow(level, n int) error {
	if level == 0 {
		s.row, n = 0, 1
	}
	if s.row += n; s.row > s.rowValues {
		return fmt.Errorf("a row of more than %d values", s.rowValues)
	}
	return nil
}

// decoded returns how much room the values of a page take when they are decoded, beyond the page itself.
func (s *pageStream) decoded(values int, encoding format.Encoding, body []byte) (int64, error) {
	texts := s.kind == parquet.ByteArray
	offsets := int64(0)
	if texts {
		offsets = 4 * (int64(values) + 1)
	}
	switch encoding {
	case format.Plain:
		return offsets, nil
	case format.ByteStreamSplit:
		return int64(values) * int64(s.width), nil
	case plainDictionary, format.RLEDictionary:
		if len(body) == 0 {
			return 0, nil
		}
		return 4 * int64(values), checkRuns(body[1:], int(body[0]), values, nil)
	case format.RLE:
		if s.kind != parquet.Boolean {
			break
		}
		runs, _, err := cutLevels(body, -1)
		if err != nil {
			return 0, err
		}
		return int64(values) / 8, checkRuns(runs, 1, values, nil)
	case format.DeltaBinaryPacked:
		_, err := deltaCount(body, values)
		return int64(values) * int64(s.width), err
	case format.DeltaLengthByteArray:
		_, err := deltaCount(body, values)
		return offsets + int64(len(body)) + 4*int64(values), err
	case format.DeltaByteArray:
		n, err := deltaPrefixes(body, values)
		return offsets + n + int64(len(body)) + int64(values)*int64(s.width+8), err
	}
	return 0, fmt.Errorf("values in the form %s cannot be read", encoding)
}

// grown returns n bytes of a buffer that grows.
func grown(b *[]byte, n int) []byte {
	if cap(*b) < n {
		*b = make([]byte, n+n/4)
	}
	return (*b)[:n:cap(*b)]
}
