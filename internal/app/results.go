package app

import (
	"cmp"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/pipeline"
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
	// Tail returns the last bytes, up to so many, of the first length bytes of what is there; nil if there are fewer
	// than length, or it cannot be told.
	Tail(length int64, most int) ([]byte, error)
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
	length int64  // bytes written
	tail   []byte // the last of them, up to tailBytes; fewer if they are not known
}

// tailBytes is how many of the last bytes tell whether a file of results is ours.
const tailBytes = 4 << 10

// written is how far results were written.
type written struct {
	name   string
	length int64
	tail   int    // how many of the last bytes sum is of; 0: it is not known
	sum    uint32 // a CRC-32C
}

// position returns how far the results are.
func (w *resultWriter) position() written {
	return written{w.name(), w.length, len(w.tail), crc32.Checksum(w.tail, castagnoli)}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (w *resultWriter) result(r *monitor.Result, line []byte) error {
	if line == nil {
		w.line = r.AppendJSON(w.line[:0])
	} else {
		w.line = append(w.line[:0], line...)
	}
	w.line = append(w.line, '\n')
	return w.write()
}

// account writes the last line.
func (w *resultWriter) account(l *event.Ledger, groups []*pipeline.Group) error {
	w.line = append(monitor.AppendAccountJSON(w.line[:0], l, labelsOf(groups)), '\n')
	return w.write()
}

// labelsOf returns the accounts of the labels of all models that have some, in order of the models.
func labelsOf(groups []*pipeline.Group) (labels []monitor.ModelLabels) {
	for _, g := range groups {
		labels = append(labels, g.Labels()...)
	}
	slices.SortFunc(labels, func(a, b monitor.ModelLabels) int { return cmp.Compare(a.Model, b.Model) })
	return labels
}

func (w *resultWriter) write() error {
	n, err := w.w.Write(w.line)
	w.length += int64(n)
	w.tail = append(w.tail, w.line[:n]...)
	w.tail = append(w.tail[:0], w.tail[max(len(w.tail)-tailBytes, 0):]...)
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

// foreign reports whether what is there is not what was written so far. What is shorter cannot be told.
func (w *resultWriter) foreign(p written) (bool, error) {
	f, ok := w.w.(ResultsFile)
	if !ok || p.tail == 0 {
		return false, nil
	}
	tail, err := f.Tail(p.length, p.tail)
	return len(tail) == p.tail && crc32.Checksum(tail, castagnoli) != p.sum, err
}

// resume goes on after length bytes of the file.
func (w *resultWriter) resume(length int64) (err error) {
	f, ok := w.w.(ResultsFile)
	if !ok {
		return nil
	}
	if w.length, err = f.Resume(length); err == nil {
		w.tail, err = f.Tail(w.length, tailBytes)
	}
	return err
}

// passedBy says that the results of other topics go on without a topic's.
func (r *runner) passedBy(models []*modelGroup) func(group int) {
	return func(group int) {
		r.logger.Warn("results go on without this topic, which has been silent for too long: they are in one order, and it has none for the time up to where the others are when it wakes up",
			"topic", models[group].predictions)
	}
}

// gaveUp says that there are no more final results of a topic.
func (r *runner) gaveUp(topic string) func(lane int) {
	return func(lane int) {
		r.logger.Error("results end here for this topic: they are final only when every partition goes on, and this one has been silent for too long; gauges and the results of other topics go on", "topic", topic, "partition", lane)
	}
}

// withoutLabels says that final results go on without performance figures.
func (r *runner) withoutLabels(topic string) func(lane int) {
	return func(lane int) {
		r.logger.Warn("results go on without performance figures until labels come again: they are final only when the labels of every partition go on, and those of this one have been silent for too long; gauges have them all the same",
			"topic", topic, "partition", lane)
	}
}
