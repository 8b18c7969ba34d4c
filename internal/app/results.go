package app

import (
	"fmt"
	"io"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
)

// resultWriter writes final results as JSON lines, and last the account of all
// messages.
type resultWriter struct {
	w    io.Writer
	line []byte
}

func (w *resultWriter) result(r *monitor.Result) error {
	w.line = append(r.AppendJSON(w.line[:0]), '\n')
	return w.write()
}

func (w *resultWriter) ledger(l *event.Ledger) error {
	w.line = append(monitor.AppendLedgerJSON(w.line[:0], l), '\n')
	return w.write()
}

func (w *resultWriter) write() error {
	if _, err := w.w.Write(w.line); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}
