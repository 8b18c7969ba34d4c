package input

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
)

// table reads CSV (RFC 4180) or TSV: the first row names the columns, each other row
// becomes a flat JSON object of texts. An empty cell is left out: it is missing,
// quoted or not.
type table struct {
	r      cells
	names  [][]string
	keys   [][]byte // `"name":`
	buffer []byte
}

func newCSV(r *bufio.Reader, tabs bool, longest int) (*table, error) {
	t := &table{r: cells{r: r, delimiter: ',', longest: longest}}
	if tabs {
		t.r.delimiter = '\t'
	}
	header, _, err := t.r.next()
	if errors.Is(err, io.EOF) {
		return t, nil // an empty file has no rows
	}
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	seen := map[string]bool{}
	for i, cell := range header {
		name := string(cell)
		if seen[name] {
			return nil, fmt.Errorf("header: column %q appears twice", name)
		}
		if name == "" {
			return nil, fmt.Errorf("header: column %d has no name", i+1)
		}
		seen[name] = true
		t.names = append(t.names, []string{name})
		t.keys = append(t.keys, append(appendString(nil, cell), ':'))
	}
	return t, nil
}

func (t *table) columns() [][]string { return t.names }

func (t *table) next() (Record, error) {
	row, line, err := t.r.next()
	if broken, ok := isBroken(err); ok {
		return t.broken(line, string(broken)), nil
	}
	switch {
	case err != nil:
		return Record{}, err
	case len(row) != len(t.names):
		return t.broken(line, fmt.Sprintf("%d cells, the header has %d", len(row), len(t.names))), nil
	}
	b := append(t.buffer[:0], '{')
	for i, cell := range row {
		if len(cell) == 0 {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = appendString(append(b, t.keys[i]...), cell)
	}
	t.buffer = append(b, '}')
	return Record{Value: t.buffer, Line: line}, nil
}

// broken is a row that cannot be read: no JSON, so that it is counted as such.
func (t *table) broken(line int64, why string) Record {
	t.buffer = fmt.Appendf(t.buffer[:0], "csv: %s", why)
	return Record{Value: t.buffer, Line: line}
}

// appendString writes a text as JSON. Invalid UTF-8 stays as it is: the decoder is to
// see it.
func appendString[T string | []byte](b []byte, s T) []byte {
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

// cells splits text into rows of cells. What is not CSV costs one line: where
// encoding/csv would take all that follows a stray quote for one cell, this goes on with
// the line after it.
type cells struct {
	r         *bufio.Reader
	delimiter byte
	longest   int // row, in bytes

	buffer []byte // what was read
	at     int    // where the next row begins in it
	ended  bool   // there is no more to read
	line   int64  // lines before at
	text   []byte // of the row's cells, one after the other
	ends   []int  // of each cell in text
	row    [][]byte
}

// brokenRow says why a row cannot be read.
type brokenRow string

// Error is the reason.
func (b brokenRow) Error() string { return string(b) }

// isBroken is there so that rows without an error cost no allocation.
func isBroken(err error) (brokenRow, bool) {
	if err == nil {
		return "", false
	}
	var broken brokenRow
	ok := errors.As(err, &broken)
	return broken, ok
}

// next returns the next row that is not blank, and the line it begins at. The cells are
// valid until the next call.
func (c *cells) next() (row [][]byte, line int64, err error) {
	for {
		line = c.line + 1
		end, err := c.parse()
		if _, broken := isBroken(err); broken {
			return nil, line, cmp.Or(c.skipLine(), err)
		}
		if err != nil {
			return nil, line, err
		}
		blank := len(c.ends) == 1 && len(c.text) == 0 && c.buffer[c.at] != '"'
		c.line += int64(bytes.Count(c.buffer[c.at:c.at+end], []byte("\n")))
		c.at += end
		if blank {
			continue
		}
		c.row = c.row[:0]
		from := 0
		for _, to := range c.ends {
			c.row = append(c.row, c.text[from:to])
			from = to
		}
		return c.row, line, nil
	}
}

// parse reads the row at c.at into text and ends, and returns its length with its end of
// line: io.EOF if there is none.
func (c *cells) parse() (length int, err error) {
	c.text, c.ends = c.text[:0], c.ends[:0]
	i := 0
	if _, ok, err := c.byte(0); err != nil {
		return 0, err
	} else if !ok {
		return 0, io.EOF
	}
	for {
		if b, _, err := c.byte(i); err != nil {
			return 0, err
		} else if b == '"' {
			i, err = c.quoted(i + 1)
			if err != nil {
				return 0, err
			}
		} else if i, err = c.plain(i); err != nil {
			return 0, err
		}
		c.ends = append(c.ends, len(c.text))
		b, ok, err := c.byte(i)
		switch {
		case err != nil:
			return 0, err
		case ok && b == c.delimiter:
			i++
		case ok: // the end of the line
			return i + 1, nil
		default:
			return i, nil
		}
	}
}

// byte returns byte i of the row; ok is false at the end of the file.
func (c *cells) byte(i int) (b byte, ok bool, err error) {
	for c.at+i >= len(c.buffer) {
		if c.ended {
			return 0, false, nil
		}
		if i >= c.longest {
			return 0, false, brokenRow(fmt.Sprintf("a row of more than %d bytes", c.longest))
		}
		if err := c.fill(); err != nil {
			return 0, false, err
		}
	}
	return c.buffer[c.at+i], true, nil
}

// fill reads on, and drops the rows that are done.
func (c *cells) fill() error {
	const chunk = 1 << 16
	if c.at > 0 {
		c.buffer = c.buffer[:copy(c.buffer, c.buffer[c.at:])]
		c.at = 0
	}
	n := len(c.buffer)
	if cap(c.buffer) < n+chunk {
		c.buffer = append(make([]byte, 0, 2*n+chunk), c.buffer...)
	}
	m, err := c.r.Read(c.buffer[n : n+chunk])
	c.buffer = c.buffer[:n+m]
	if errors.Is(err, io.EOF) {
		c.ended, err = true, nil
	}
	return err
}

// plain reads a cell without quotes up to its delimiter or the end of the line.
func (c *cells) plain(i int) (int, error) {
	for ; ; i++ {
		b, ok, err := c.byte(i)
		switch {
		case err != nil:
			return 0, err
		case !ok || b == '\n' || b == c.delimiter:
			if n := len(c.text) - 1; b != c.delimiter && n >= c.begin() && c.text[n] == '\r' {
				c.text = c.text[:n]
			}
			return i, nil
		case b == '"':
			return 0, brokenRow("a quote inside of a cell without quotes")
		}
		c.text = append(c.text, b)
	}
}

// begin is where the present cell begins in text.
func (c *cells) begin() int {
	if n := len(c.ends); n > 0 {
		return c.ends[n-1]
	}
	return 0
}

// quoted reads a cell from behind its opening quote.
func (c *cells) quoted(i int) (int, error) {
	for ; ; i++ {
		b, ok, err := c.byte(i)
		switch {
		case err != nil:
			return 0, err
		case !ok:
			return 0, brokenRow("a quote that is not closed")
		case b == '\n' && len(c.text) > c.begin() && c.text[len(c.text)-1] == '\r':
			c.text[len(c.text)-1] = b
		case b != '"':
			c.text = append(c.text, b)
		default:
			next, ok, err := c.byte(i + 1)
			if err != nil {
				return 0, err
			}
			if ok && next == '\r' {
				if n, more, err := c.byte(i + 2); err != nil {
					return 0, err
				} else if !more || n == '\n' {
					return i + 2, nil
				}
			}
			switch {
			case !ok || next == c.delimiter || next == '\n':
				return i + 1, nil
			case next != '"':
				return 0, brokenRow("text behind a closing quote")
			}
			c.text = append(c.text, b)
			i++
		}
	}
}

// skipLine moves to the line after the one that c.at is in.
func (c *cells) skipLine() error {
	for {
		if i := bytes.IndexByte(c.buffer[c.at:], '\n'); i >= 0 {
			c.at += i + 1
			c.line++
			return nil
		}
		c.at = len(c.buffer)
		if c.ended {
			return nil
		}
		if err := c.fill(); err != nil {
			return err
		}
	}
}
