package app

import (
	"fmt"
	"io"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
)

// ResultsFile is a writer of results with which a restart can go on where the saved state
// was. All other writers begin anew.
type ResultsFile interface {
	io.Writer
	// Name identifies the file.
	Name() string
	// Resume begins to write after the first length bytes of what is there, and removes the
	// rest. It returns how many there are, which may be fewer.
	Resume(length int64) (int64, error)
	// Aside gives what is there another name, which it returns; empty if nothing is there.
	Aside() (string, error)
	// Sync returns when all that was written is on the disk.
	Sync() error
}

// resultWriter writes final results as JSON lines, and last the account of all
// messages. One goroutine at a time writes.
type resultWriter struct {
	w      io.Writer
	line   []byte
	length int64 // bytes written
}

func (w *resultWriter) result(r *monitor.Result, line []byte) error {
	if line == nil {
		w.line = r.AppendJSON(w.line[:0])
	} else {
		w.line = append(w.line[:0], line...)
	}
	w.line = append(w.line, '\n')
	return w.write()
}

func (w *resultWriter) ledger(l *event.Ledger) error {
	w.line = append(monitor.AppendLedgerJSON(w.line[:0], l), '\n')
	return w.write()
}

func (w *resultWriter) write() error {
	n, err := w.w.Write(w.line)
	w.length += int64(n)
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// name returns that of the file, "" if it is none.
func (w *resultWriter) name() string {
	if f, ok := w.w.(ResultsFile); ok {
		return f.Name()
	}
	return ""
}

func (w *resultWriter) sync() error {
	if f, ok := w.w.(ResultsFile); ok {
		return f.Sync()
	}
	return nil
}

// aside keeps what is there, under another name, before something else is written.
func (w *resultWriter) aside() (string, error) {
	if f, ok := w.w.(ResultsFile); ok {
		return f.Aside()
	}
	return "", nil
}

// resume goes on after length bytes of the file.
func (w *resultWriter) resume(length int64) (err error) {
	if f, ok := w.w.(ResultsFile); ok {
		w.length, err = f.Resume(length)
	}
	return err
}
