package input

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
)

// table reads CSV (RFC 4180) or TSV: the first row names the columns, each other row
// becomes a flat JSON object of texts. An empty cell is left out: it is missing,
// quoted or not.
type table struct {
	r      *csv.Reader
	names  [][]string
	keys   [][]byte // `"name":"`
	buffer []byte
}

func newCSV(r io.Reader, tabs bool) (*table, error) {
	b := bufio.NewReaderSize(r, 1<<16)
	skipMark(b)
	c := csv.NewReader(b)
	c.ReuseRecord, c.FieldsPerRecord = true, -1
	if tabs {
		c.Comma = '\t'
	}
	header, err := c.Read()
	if errors.Is(err, io.EOF) {
		return &table{r: c}, nil // an empty file has no rows
	}
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	t := &table{r: c}
	seen := map[string]bool{}
	for i, name := range header {
		if seen[name] {
			return nil, fmt.Errorf("header: column %q appears twice", name)
		}
		if name == "" {
			return nil, fmt.Errorf("header: column %d has no name", i+1)
		}
		seen[name] = true
		t.names = append(t.names, []string{name})
		t.keys = append(t.keys, append(appendString(nil, name), ':'))
	}
	return t, nil
}

func (t *table) columns() [][]string { return t.names }

func (t *table) next() (Record, error) {
	cells, err := t.r.Read()
	var broken *csv.ParseError
	switch {
	case errors.As(err, &broken):
		return t.broken(int64(broken.StartLine), broken.Err.Error()), nil
	case err != nil:
		return Record{}, err
	}
	line, _ := t.r.FieldPos(0)
	if len(cells) != len(t.names) {
		return t.broken(int64(line), fmt.Sprintf("%d cells, the header has %d", len(cells), len(t.names))), nil
	}
	b := append(t.buffer[:0], '{')
	for i, cell := range cells {
		if cell == "" {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = appendString(append(b, t.keys[i]...), cell)
	}
	t.buffer = append(b, '}')
	return Record{Value: t.buffer, Line: int64(line)}, nil
}

// broken is a row that cannot be read: no JSON, so that it is counted as such.
func (t *table) broken(line int64, why string) Record {
	t.buffer = fmt.Appendf(t.buffer[:0], "csv: %s", why)
	return Record{Value: t.buffer, Line: line}
}

// appendString writes a text as JSON. Invalid UTF-8 stays as it is: the decoder is to
// see it.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
