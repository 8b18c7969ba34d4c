package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"unicode/utf8"

	"github.com/streammon/streammon/internal/consumer"
	"github.com/streammon/streammon/internal/monitor"
)

// letterFile writes dead letters as JSON lines to a file. When it is full it is renamed to
// its name and ".1", in the place of the one before: both together are never larger than
// the limit.
type letterFile struct {
	name  string
	limit int64 // in bytes

	mu   sync.Mutex
	file *os.File
	size int64
}

func newLetterFile(name string, limit int64) *letterFile {
	return &letterFile{name: name, limit: limit}
}

// letterLine is a dead letter in a file.
type letterLine struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
	Reason    string `json:"reason"`
	Size      int    `json:"size"`
	Key       string `json:"key,omitempty"`
	Payload   string `json:"payload,omitempty"`
	// What is not valid UTF-8 is in Base64 instead.
	KeyBase64     []byte `json:"key_base64,omitempty"`
	PayloadBase64 []byte `json:"payload_base64,omitempty"`
}

func lineOf(l *consumer.DeadLetter) letterLine {
	line := letterLine{Topic: l.Topic, Partition: l.Partition, Offset: l.Offset, Reason: l.Reason, Size: l.Size}
	if utf8.Valid(l.Key) {
		line.Key = string(l.Key)
	} else {
		line.KeyBase64 = l.Key
	}
	if utf8.Valid(l.Payload) {
		line.Payload = string(l.Payload)
	} else {
		line.PayloadBase64 = l.Payload
	}
	return line
}

// Write appends the letters and returns when they are on the disk. If it fails nothing of them
// is in the file.
func (f *letterFile) Write(_ context.Context, letters ...consumer.DeadLetter) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(letters) > 0 {
		n, err := f.write(letters)
		if err != nil {
			return fmt.Errorf("write dead letters to %s: %w", f.name, err)
		}
		letters = letters[n:]
	}
	return nil
}

// write appends as many letters as the file has room for, one at least.
func (f *letterFile) write(letters []consumer.DeadLetter) (n int, err error) {
	if f.file != nil && !f.there() {
		_ = f.file.Close() // what it has was synced
		f.file = nil
	}
	if f.file == nil {
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	var lines []byte
	for i := range letters {
		line, err := json.Marshal(lineOf(&letters[i]))
		if err != nil {
			return 0, err
		}
		line = monitor.EscapeControls(line)
		if f.size+int64(len(lines)+len(line)+1) > f.limit/2 && f.size+int64(len(lines)) > 0 {
			break
		}
		lines = append(append(lines, line...), '\n')
		n++
	}
	if n == 0 {
		return 0, f.rotate()
	}
	if _, err = f.file.Write(lines); err == nil {
		err = f.file.Sync()
	}
	if err != nil {
		return 0, errors.Join(err, f.undo())
	}
	f.size += int64(len(lines))
	return n, nil
}

func (f *letterFile) open() error {
	file, err := os.OpenFile(f.name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	size := int64(0)
	if err == nil {
		if size, err = LastLineEnd(file, info.Size()); err == nil && size < info.Size() {
			err = file.Truncate(size) // a line that a crash has cut was never counted as written
		}
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.file, f.size = file, size
	return nil
}

// LastLineEnd returns where the last whole line of the first size bytes of a file ends.
func LastLineEnd(file io.ReaderAt, size int64) (int64, error) {
	b := make([]byte, 4096)
	for size > 0 {
		n := min(size, int64(len(b)))
		if _, err := file.ReadAt(b[:n], size-n); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(b[:n], '\n'); i >= 0 {
			return size - n + int64(i) + 1, nil
		}
		size -= n
	}
	return 0, nil
}

// there reports whether the open file still has its name: others may rotate it.
func (f *letterFile) there() bool {
	ours, err := f.file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(f.name)
	return err == nil && os.SameFile(ours, named)
}

// undo takes a line back that was written in part.
func (f *letterFile) undo() error {
	err := errors.Join(f.file.Truncate(f.size), f.file.Close())
	f.file = nil
	return err
}

func (f *letterFile) rotate() error {
	err := f.file.Close()
	f.file = nil
	return errors.Join(err, os.Rename(f.name, f.name+".1"))
}

// Close closes the file.
func (f *letterFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}
